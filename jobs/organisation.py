"""The organisation's calendar: terms that end are told in time, and units that nobody leads are listed once a month.

Every day at 9:00 whoever has a role whose term ends in 30 days, or today, hears of it, and so do those above who could
renew it: one message each, however many terms end. On the first of the month at 9:00 the secretaries get a list of the
units without a leader, if there is one.
"""

from collections.abc import Iterable
from datetime import timedelta

from handlers.organisation import ending_line, endings_line, leaderless_line
from jobs.tick import Job, Tick
from models import outbox
from models.clock import day_of, last_day, start_of
from models.members import Role, Term, people_in_scope, roles_held
from models.organisation import ending_terms, leaderless
from models.units import called, root_of

AHEAD = timedelta(days=30)
CATCH_UP = timedelta(days=7)
"""A notice that a standstill delayed is still of use for a week."""


def tell_endings(tick: Tick) -> bool:
    # A term that was given for less than a month ends in its giver's view, and is told on its last day alone.
    soon = [
        term
        for term in ending_terms(
            tick.session,
            community_id=tick.community.id,
            after=tick.at + AHEAD - CATCH_UP,
            until=start_of(day_of(tick.at + AHEAD)) + timedelta(days=1),
        )
        if term.until is not None and term.since <= term.until - AHEAD
    ]
    today = [
        term
        for term in ending_terms(
            tick.session, community_id=tick.community.id, after=tick.at, until=tick.at + timedelta(days=1)
        )
        if term.until is not None and day_of(last_day(term.until)) == day_of(tick.at)
    ]
    _tell(tick, soon, today=False)
    _tell(tick, today, today=True)
    return False


def _tell(tick: Tick, ending: Iterable[Term], *, today: bool) -> None:
    moment = "0d" if today else "30d"
    above: dict[int, list[tuple[Term, str]]] = {}
    for term in ending:
        unit = called(tick.session, community_id=tick.community.id, unit_id=term.unit.id)
        news = outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"term:{term.id}:{moment}:{term.until:%Y%m%d}",
            message=ending_line(term, unit, today=today),
            now=tick.at,
            expires_at=tick.at + timedelta(days=1 if today else 7),
            member_id=term.member_id,
        )
        for person in _those_above(tick, term) if news else ():
            above.setdefault(person, []).append((term, unit))
    for member_id, some in above.items():
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"terms:{member_id}:{moment}:{day_of(tick.at):%Y%m%d}",
            message=endings_line(some, today=today),
            now=tick.at,
            expires_at=tick.at + timedelta(days=1 if today else 7),
            member_id=member_id,
        )


def _those_above(tick: Tick, term: Term) -> list[int]:
    higher = min((role for role in Role if role.rank > term.role.rank), key=lambda role: role.rank)
    found = people_in_scope(
        tick.session,
        community_id=tick.community.id,
        path=term.unit.path,
        role=Role.SECRETARY if higher is Role.ADMIN else higher,
        now=tick.at,
        without=[term.member_id],
    )
    return [person.id for person in found]


def list_leaderless(tick: Tick) -> bool:
    units = leaderless(tick.session, community_id=tick.community.id, now=tick.at)
    if not units:
        return False
    names = [called(tick.session, community_id=tick.community.id, unit_id=unit.id) for unit in units]
    root = root_of(tick.session, tick.community.id)
    held = roles_held(tick.session, community_id=tick.community.id, now=tick.at, unit_id=root.id)
    for member_id in dict.fromkeys(term.member_id for term in held if term.role is Role.SECRETARY):
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"leaderless:{day_of(tick.at):%Y%m}:{member_id}",
            message=leaderless_line(units, names),
            now=tick.at,
            expires_at=tick.at + timedelta(days=7),
            member_id=member_id,
        )
    return False


TERMS = Job("organisation.terms", tell_endings, cron="0 9 * * *")
LEADERLESS = Job("organisation.leaderless", list_leaderless, cron="0 9 1 * *")
