"""What becomes of broadcasts as time passes: they go out, are looked after, and those who do not answer are reminded.

At its moment a confirmed notice goes out; one that comes again begets a notice each time, whoever is in charge by then.
A minute later, then ever more rarely, somebody looks what became of it, and whoever sent it hears the end. Drafts that
nobody looked at lapse. Where the writer asked for it, those who have not answered are reminded by themselves. At 20:00
the leads of buildings hear who of theirs has not answered what went out that day. At 9:00 whoever is newly in charge
hears of what comes again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.broadcast import (
    Voice,
    doors_otherwise,
    handed_over,
    handed_over_otherwise,
    not_sent,
    not_sent_otherwise,
    reminding,
    report,
    silent_line,
    wording,
)
from jobs.tick import Job, Span, Tick
from models import broadcast as books
from models import outbox
from models.broadcast import (
    AllAnswered,
    AllNoted,
    BroadcastState,
    Draft,
    NobodyThere,
    Notice,
    OutOfReach,
    QuietNow,
    ReceiptsClosed,
    RemindedEnough,
    RemindedRecently,
    Settings,
)
from models.directory import CommunityHere
from models.members import Role, people_in_scope
from models.reach import everybody_reached, reach_in
from models.recurrence import next_time
from models.units import UnitKind, called

SINCE = timedelta(days=1)
HEARD = timedelta(hours=1)
"""What went out less than an hour before the evening's list is for tomorrow's."""


def _soon(moment: datetime | None, span: Span) -> datetime | None:
    """A moment that is due, also one that a standstill has passed by: the books know what is due, not the span."""
    return None if moment is None else max(moment, span.after + timedelta(microseconds=1))


def due_to_send(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return _soon(books.next_due(session, community_id=community.id, until=span.until), span)


def send(tick: Tick) -> bool:
    for notice in books.due_notices(tick.session, community_id=tick.community.id, now=tick.at):
        if notice.rule:
            _beget(tick, notice)
            continue
        try:
            plan = books.plan(
                tick.session, community_id=tick.community.id, parts=notice.parts, target=notice.target,
                reach=reach_in(tick.rules), now=tick.at,
            )  # fmt: skip
        except (NobodyThere, OutOfReach) as refusal:
            why = "why_nobody" if isinstance(refusal, NobodyThere) else "why_reach"
            if books.end_before_sending(tick.session, notice=notice, by=None, reason=why, now=tick.at):
                _tell_writer(tick, notice, not_sent(notice, why), "not-sent", important=True)
            continue
        books.send(
            tick.session,
            notice=notice,
            plan=plan,
            wording=wording(notice, _voice(tick, notice)),
            reach=reach_in(tick.rules),
            now=tick.at,
            settings=_settings(tick),
        )
    # What came again has begotten notices that are due now.
    return books.next_due(tick.session, community_id=tick.community.id, until=tick.at) is not None


def _beget(tick: Tick, series: Notice) -> None:
    """One notice of what comes again, and when the next one is."""
    _hand_over(tick, series)
    books.write_broadcast(
        tick.session,
        community_id=tick.community.id,
        draft=Draft(
            series.parts, series.target, series.title, series.body, series.wants_receipts, series.urgent, series.reminds
        ),
        unit=series.unit,
        made_by=series.made_by,
        now=tick.at,
        settings=_settings(tick),
        series_id=series.id,
    )
    coming = next_time(series.rule, series.due_at)
    while coming is not None and coming <= tick.at:
        # What a standstill let pass is not made up for ten times.
        coming = next_time(series.rule, coming)
    if coming is None:
        books.end_before_sending(tick.session, notice=series, by=None, reason="no next time", now=tick.at)
    else:
        books.set_broadcast(tick.session, series, BroadcastState.CONFIRMED, due_at=coming)


def _voice(tick: Tick, notice: Notice) -> Voice:
    unit = called(tick.session, community_id=tick.community.id, unit_id=notice.unit.id)
    return Voice(unit, tick.community.bot_name, reach_in(tick.rules), tick.rules["http"].public_url)


def _settings(tick: Tick) -> Settings:
    found: Settings = tick.rules["broadcast"]
    return found


def _keepers(tick: Tick, notice: Notice) -> list[int]:
    """Who is in charge of a notice's unit now: of the community its secretaries, of a building its lead."""
    role = Role.SECRETARY if notice.unit.kind is UnitKind.COMMUNITY else notice.least
    found = people_in_scope(tick.session, community_id=tick.community.id, path=notice.unit.path, role=role, now=tick.at)
    return [one.id for one in found]


def _tell_writer(tick: Tick, notice: Notice, text: str, what: str, *, important: bool = False) -> None:
    """Whoever wrote it hears it as long as they may send it; else those in charge now.

    What is `important` comes to them by way of the building lead, where no channel reaches them.
    """
    writes = books.writes_still(tick.session, notice=notice, now=tick.at)
    for member_id in [notice.made_by] if writes else _keepers(tick, notice):
        if member_id is not None:
            one = books.listener(tick.session, community_id=tick.community.id, member_id=member_id)
            otherwise = not_sent_otherwise(notice, one.name) if important and one is not None else ""
            _put(tick, f"broadcast-{what}:{notice.id}:{member_id}", text, member_id, notice, otherwise=otherwise)


def _put(tick: Tick, key: str, text: str, member_id: int, notice: Notice, *, otherwise: str = "") -> None:
    outbox.put(
        tick.session,
        community_id=tick.community.id,
        key=key,
        message=text,
        now=tick.at,
        expires_at=tick.at + timedelta(hours=_settings(tick).expires_hours),
        member_id=member_id,
        ref=notice.ref,
        otherwise=otherwise,
    )


def due_to_look(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return _soon(books.next_look(session, community_id=community.id, until=span.until), span)


def look(tick: Tick) -> bool:
    for notice in books.lapse_drafts(tick.session, community_id=tick.community.id, now=tick.at):
        _put(tick, f"broadcast-lapsed:{notice.id}", not_sent(notice, "lapsed"), notice.made_by or 0, notice)
    for notice in books.settle(tick.session, community_id=tick.community.id, now=tick.at, settings=_settings(tick)):
        _tell_writer(tick, notice, report(notice, books.copies_of(tick.session, notice)), "report")
    return False


def due_to_remind(session: Session, community: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
    return _soon(books.next_reminder(session, community_id=community.id, until=span.until), span)


def remind(tick: Tick) -> bool:
    settings = _settings(tick)
    for notice in books.to_remind(tick.session, community_id=tick.community.id, now=tick.at):
        again: datetime | None = tick.at + timedelta(hours=settings.reminder_hours)
        try:
            done = books.remind(
                tick.session,
                notice=notice,
                paths=[notice.unit.path],
                by=None,
                reachable=everybody_reached(tick.session, community_id=tick.community.id, reach=reach_in(tick.rules)),
                now=tick.at,
                settings=settings,
                quiet_until=reach_in(tick.rules).quiet_until(tick.at),
            )
        except (QuietNow, RemindedRecently) as refusal:
            again = refusal.fields["again_at"]
        except (AllAnswered, AllNoted, RemindedEnough, ReceiptsClosed):
            again = None
        else:
            books.post_reminder(
                tick.session,
                notice=notice,
                done=done,
                reminding=reminding(notice, _voice(tick, notice)),
                now=tick.at,
                settings=settings,
            )
        books.put_off_reminder(tick.session, notice=notice, until=again)
    return False


def list_silent(tick: Tick) -> bool:
    """Each building's lead hears who of theirs has not answered, and nobody else."""
    books.forget_page_tries(tick.session, community_id=tick.community.id, now=tick.at)
    for notice in books.sent_between(
        tick.session, community_id=tick.community.id, after=tick.at - SINCE - HEARD, until=tick.at - HEARD
    ):
        if not notice.takes_receipts(tick.at):
            continue
        by_lead: dict[tuple[int, str], list[books.Household]] = {}
        for home in books.tally(tick.session, notice=notice, now=tick.at).silent:
            for lead, path in books.leads_of(
                tick.session, community_id=tick.community.id, path=home.path, now=tick.at, role=notice.least
            ):
                by_lead.setdefault((lead, path), []).append(home)
        for (lead, path), homes in by_lead.items():
            unit = called(tick.session, community_id=tick.community.id, unit_id=int(path.strip("/").rsplit("/", 1)[-1]))
            houses = books.by_house(tick.session, community_id=tick.community.id, homes=homes)
            text = silent_line(notice, unit, houses)
            _put(
                tick,
                f"broadcast-silent:{notice.id}:{lead}:{path}"[:120],
                text,
                lead,
                notice,
                otherwise=_missed(tick, notice, lead),
            )
    return False


def _missed(tick: Tick, notice: Notice, lead: int) -> str:
    one = books.listener(tick.session, community_id=tick.community.id, member_id=lead)
    return doors_otherwise(notice, one.name) if one is not None else ""


def hand_over(tick: Tick) -> bool:
    for series in books.series_of(tick.session, community_id=tick.community.id):
        _hand_over(tick, series)
    return False


def _hand_over(tick: Tick, series: Notice) -> None:
    """Tells those newly in charge of what comes again, where whoever knew of it is not in charge any more."""
    keepers = _keepers(tick, series)
    if not keepers or series.kept_by in keepers:
        return
    unit = called(tick.session, community_id=tick.community.id, unit_id=series.unit.id)
    for member_id in keepers:
        key = f"broadcast-handed:{series.id}:{member_id}:{tick.at:%Y%m%d}"
        one = books.listener(tick.session, community_id=tick.community.id, member_id=member_id)
        otherwise = handed_over_otherwise(one.name, unit) if one is not None else ""
        _put(tick, key, handed_over(series, unit), member_id, series, otherwise=otherwise)
    books.set_broadcast(tick.session, series, BroadcastState.CONFIRMED, kept_by=keepers[0])


SEND = Job("broadcast.send", send, due=due_to_send)
LOOK = Job("broadcast.look", look, due=due_to_look)
REMIND = Job("broadcast.remind", remind, due=due_to_remind)
SILENT = Job("broadcast.silent", list_silent, cron="0 20 * * *")
HAND_OVER = Job("broadcast.hand_over", hand_over, cron="0 9 * * *")
