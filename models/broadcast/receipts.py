"""回执: who said 收到, and who has not been heard of.

One receipt answers for the household of whoever gave it. Who has not answered is known to those in charge of them
alone, who may have them reminded: each household a few times at the most, and not twice in a few hours.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Integer, String, bindparam, exists, func, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import outbox
from models.base import Base, Button, Invariant, Refusal
from models.broadcast.audience import Listener, listener, listeners, listens
from models.broadcast.notes import notes_of
from models.broadcast.notices import Broadcast, Notice, Settings, select_notices
from models.database import Prepared
from models.members.family import may_speak_for
from models.members.merging import one_person
from models.members.people import Member, Person, Role
from models.members.roles import people_in_scope
from models.units import Unit, called, covers


class Way(StrEnum):
    """How a receipt was given."""

    OWN = "own"
    """By the person: a word, a quotation, a button."""
    FAMILY = "family"
    """By somebody who may speak for them."""
    LINK = "link"
    """By the person, on the page of the notice."""
    LIST = "list"
    """By somebody in charge, who has it from the person."""


class Receipt(Base):
    """One person has had the notice."""

    __tablename__ = "receipts"
    __table_args__ = (
        Index(
            "uq_receipts_live",
            "community_id",
            "broadcast_id",
            "member_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("ix_receipts_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    way: Mapped[str] = mapped_column(String(12))
    note: Mapped[str] = mapped_column(String(200), server_default="")
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class BroadcastReminder(Base):
    """Those of a unit who had not answered were reminded."""

    __tablename__ = "broadcast_reminders"
    __table_args__ = (Index("ix_broadcast_reminders_broadcast", "community_id", "broadcast_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Nobody: it was asked for when the notice was written."""
    households: Mapped[int] = mapped_column(Integer)


class NoReceiptWanted(Refusal):
    """The notice asks for no receipt. Fields: number."""


class ReceiptsClosed(Refusal):
    """Receipts are not taken any more. Fields: number."""


class NotAddressed(Refusal):
    """The notice is not for this person. Fields: number."""


class AllAnswered(Refusal):
    """There is nobody to remind. Fields: number."""


class AllNoted(Refusal):
    """Of all who are left somebody knows why they do not answer. Fields: number."""


class RemindedEnough(Refusal):
    """Whoever is left was reminded as often as it is allowed. Fields: number, most."""


class RemindedRecently(Refusal):
    """It is too early to remind them again. Fields: number, again_at."""


class QuietNow(Refusal):
    """Nobody is asked after at night. Fields: again_at."""


class ReceiptGone(Refusal):
    """The receipt was taken back already. Fields: number."""


def has_received(session: Session, *, notice: Notice, member_ids: Collection[int]) -> bool:
    """Whether one of these has given a receipt."""
    return _live(session, notice, member_ids) is not None


def way_for(session: Session, person: Person, *, member_id: int, path: str, now: datetime) -> Way | None:
    """In which way somebody may give a member's receipt, who lives at `path`; None where it is not theirs to give.

    Good will is not enough: that a neighbour has read a notice is no sign that somebody else has.
    """
    community_id = person.community.id
    if member_id in one_person(session, community_id=community_id, member_id=person.id):
        return Way.OWN
    if may_speak_for(session, community_id=community_id, proxy_id=person.id, member_id=member_id, now=now):
        return Way.FAMILY
    return Way.LIST if person.may(Role.BUILDING_LEAD, path) else None


def refuse_guess(person: Person, notice: Notice, way: Way) -> None:
    """Raises NotAddressed for whoever may not know for whom a notice is: they learn it by no receipt either."""
    if way is Way.LIST and not may_know(person, notice):
        raise NotAddressed(number=notice.number)


def may_know(person: Person, notice: Notice) -> bool:
    """Whether somebody may know for whom a notice is."""
    return not notice.private or person.may(notice.least)


def listens_to(session: Session, *, notice: Notice, member_ids: Collection[int], now: datetime) -> bool:
    """Whether a notice is for one of these members."""
    return listens(session, community_id=notice.community_id, parts=notice.parts, member_ids=member_ids, now=now)


_RECEIVE = Prepared(
    lambda insert: insert(Receipt).on_conflict_do_nothing().returning(Receipt.id),
    columns=("community_id", "broadcast_id", "member_id", "way", "note", "made_by", "at"),
)


@dataclass(frozen=True, slots=True)
class Received:
    """A receipt in the books."""

    id: int
    first_time: bool
    """False where the person had said so already."""


def acknowledge(
    session: Session, *, notice: Notice, member_id: int, way: Way, made_by: int, now: datetime, note: str = ""
) -> Received:
    """Writes down that somebody has had the notice, once. Raises NoReceiptWanted, ReceiptsClosed, NotAddressed."""
    if not notice.wants_receipts:
        raise NoReceiptWanted(number=notice.number)
    ids = one_person(session, community_id=notice.community_id, member_id=member_id)
    if not listens_to(session, notice=notice, member_ids=ids, now=now):
        raise NotAddressed(number=notice.number)
    before = _live(session, notice, ids)
    if before is not None:
        return Received(before, first_time=False)
    if not notice.takes_receipts(now):
        raise ReceiptsClosed(number=notice.number)
    row = _RECEIVE.first(
        session,
        community_id=notice.community_id,
        broadcast_id=notice.id,
        member_id=member_id,
        way=way,
        note=note[:200],
        made_by=made_by,
        at=now,
    )
    if row is None:
        # Somebody said it for them in this very moment.
        found = _live(session, notice, ids)
        assert found is not None
        return Received(found, first_time=False)
    return Received(row[0], first_time=True)


def _live(session: Session, notice: Notice, ids: Collection[int]) -> int | None:
    return session.scalar(
        select(Receipt.id).where(
            Receipt.community_id == notice.community_id,
            Receipt.broadcast_id == notice.id,
            Receipt.member_id.in_(ids),
            Receipt.undone_at.is_(None),
        )
    )


def undo_receipt(session: Session, *, community_id: int, receipt_id: int, now: datetime) -> int:
    """Takes a receipt back; returns the number of its broadcast. Raises ReceiptGone."""
    row = session.execute(
        select(Receipt.undone_at, Broadcast.number)
        .join(Broadcast, Receipt.broadcast_id == Broadcast.id)
        .where(Receipt.community_id == community_id, Receipt.id == receipt_id)
        .with_for_update(of=Receipt)
    ).one()
    if row.undone_at is not None:
        raise ReceiptGone(number=row.number)
    session.execute(
        update(Receipt).where(Receipt.community_id == community_id, Receipt.id == receipt_id).values(undone_at=now)
    )
    return int(row.number)


# -- who has not answered ----------------------------------------


@dataclass(frozen=True, slots=True)
class Household:
    """The people of one room whom a notice is for; or somebody alone, of whom no room is known."""

    path: str
    room: str
    people: tuple[Listener, ...]
    note: str = ""
    """Why nothing is heard of them, where somebody in charge has written it down."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the receipts of a notice are."""

    households: int
    people: int
    answered_households: int
    answered_people: int
    silent: tuple[Household, ...]
    """Of whom nothing was heard, by house and room."""


def tally(session: Session, *, notice: Notice, now: datetime, paths: Sequence[str] = ("",)) -> Tally:
    """The receipts of a notice among those who live below one of these unit paths."""
    people = [
        one
        for one in listeners(session, community_id=notice.community_id, parts=notice.parts, now=now)
        if any(covers(path, one.path) for path in paths)
    ]
    answered = set(
        session.scalars(
            select(Receipt.member_id).where(
                Receipt.community_id == notice.community_id,
                Receipt.broadcast_id == notice.id,
                Receipt.undone_at.is_(None),
            )
        )
    )
    homes: dict[tuple[int, str], list[Listener]] = {}
    for one in people:
        homes.setdefault(one.household, []).append(one)
    notes = notes_of(session, notice)
    silent = [
        Household(some[0].path, some[0].room, tuple(some), next((notes[one.id] for one in some if one.id in notes), ""))
        for some in homes.values()
        if not any(one.id in answered for one in some)
    ]
    return Tally(
        households=len(homes),
        people=len(people),
        answered_households=len(homes) - len(silent),
        answered_people=sum(one.id in answered for one in people),
        silent=tuple(silent),
    )


def led_by(person: Person, least: Role = Role.BUILDING_LEAD) -> list[str]:
    """The unit paths of which somebody may know who has not answered: what they lead, never more."""
    paths = [held.path for held in person.held if held.role.rank >= least.rank]
    return [path for path in paths if not any(other != path and covers(other, path) for other in paths)]


@dataclass(frozen=True, slots=True)
class Reminded:
    """Who is reminded now, and of whom nobody can be written to."""

    reminder_id: int
    time: int
    """Which reminder it is for the first of them, from 1."""
    people: tuple[Listener, ...]
    households: int
    unreachable: tuple[Household, ...]


def remind(
    session: Session,
    *,
    notice: Notice,
    paths: Sequence[str],
    by: int | None,
    reachable: Collection[int],
    now: datetime,
    settings: Settings,
    quiet_until: datetime | None = None,
) -> Reminded:
    """Has those reminded who have not answered and of whom nobody knows why, as often as each may be.

    Raises NoReceiptWanted, ReceiptsClosed, QuietNow, AllAnswered, AllNoted, RemindedEnough and RemindedRecently.
    """
    if not notice.wants_receipts:
        raise NoReceiptWanted(number=notice.number)
    if not notice.takes_receipts(now):
        raise ReceiptsClosed(number=notice.number)
    if quiet_until is not None and not notice.urgent:
        # Written now it would wait, and go out to people who have answered by then, or together with the notice.
        raise QuietNow(again_at=quiet_until)
    # Of two who ask at one instant the second waits here and sees what the first did.
    session.execute(
        select(Broadcast.id)
        .where(Broadcast.community_id == notice.community_id, Broadcast.id == notice.id)
        .with_for_update(key_share=True)
    )
    silent = tally(session, notice=notice, now=now, paths=paths).silent
    if not silent:
        raise AllAnswered(number=notice.number)
    silent = tuple(home for home in silent if not home.note)
    if not silent:
        raise AllNoted(number=notice.number)
    before = _reminders(session, notice)
    due = _due(silent, before, now, notice.number, settings)
    reached = [one for home in due for one in home.people if one.id in reachable]
    unreachable = tuple(home for home in due if not any(one.id in reachable for one in home.people))
    made = 0
    for path in paths:
        made = session.execute(
            BroadcastReminder.__table__.insert().returning(BroadcastReminder.id),  # type: ignore[attr-defined]
            {
                "community_id": notice.community_id,
                "broadcast_id": notice.id,
                "unit_id": int(path.strip("/").rsplit("/", 1)[-1]),
                "at": now,
                "made_by": by,
                "households": sum(covers(path, home.path) for home in due),
            },
        ).scalar_one()
    return Reminded(made, len(_covering(before, due[0])) + 1, tuple(reached), len(due), unreachable)


def _due(
    silent: Sequence[Household],
    before: Sequence[tuple[str, datetime]],
    now: datetime,
    number: int,
    settings: Settings,
) -> list[Household]:
    """Those of them who may be reminded now."""
    wait = timedelta(hours=settings.reminder_hours)
    often = {id(home): _covering(before, home) for home in silent}
    left = [home for home in silent if len(often[id(home)]) < settings.reminders_max]
    if not left:
        raise RemindedEnough(number=number, most=settings.reminders_max)
    due = [home for home in left if not often[id(home)] or max(often[id(home)]) + wait <= now]
    if not due:
        raise RemindedRecently(number=number, again_at=min(max(often[id(home)]) for home in left) + wait)
    return due


def _covering(before: Sequence[tuple[str, datetime]], home: Household) -> list[datetime]:
    return [at for path, at in before if covers(path, home.path)]


def _reminders(session: Session, notice: Notice) -> list[tuple[str, datetime]]:
    return [
        (row.path, row.at)
        for row in session.execute(
            select(Unit.path, BroadcastReminder.at)
            .join(Unit, BroadcastReminder.unit_id == Unit.id)
            .where(
                BroadcastReminder.community_id == notice.community_id,
                BroadcastReminder.broadcast_id == notice.id,
            )
        )
    ]


Houses = list[tuple[str, list[Household]]]
"""Households by the door behind which they live, as people call it."""


def by_house(session: Session, *, community_id: int, homes: Sequence[Household]) -> Houses:
    """Households by their door, in order."""
    doors: dict[int, list[Household]] = {}
    for home in homes:
        doors.setdefault(home.people[0].unit_id, []).append(home)
    return [(called(session, community_id=community_id, unit_id=unit_id), some) for unit_id, some in doors.items()]


@dataclass(frozen=True, slots=True)
class Reminding:
    """What a reminder says to each."""

    text: Callable[[int], str]
    """For the member with this id."""
    buttons: tuple[Button, ...]
    knock: Callable[[Houses], str]
    """For a lead, of households that nobody can write to."""
    otherwise: Callable[[str], str]
    """For whoever is above a lead, by the lead's name, where the lead cannot be written to either."""


def post_reminder(
    session: Session, *, notice: Notice, done: Reminded, reminding: Reminding, now: datetime, settings: Settings
) -> None:
    """Writes to those who are reminded; and to the leads of those whom nobody can write to, so that somebody knocks."""
    expires = now + timedelta(hours=settings.expires_hours)
    for one in done.people:
        outbox.put(
            session,
            community_id=notice.community_id,
            key=f"broadcast-remind:{notice.id}:{done.reminder_id}:{one.id}",
            message=reminding.text(one.id),
            now=now,
            expires_at=expires,
            member_id=one.id,
            ref=notice.ref,
            buttons=reminding.buttons,
            urgent=notice.urgent,
        )
    for lead_id, homes in by_lead(session, notice=notice, homes=done.unreachable, now=now).items():
        lead = listener(session, community_id=notice.community_id, member_id=lead_id)
        outbox.put(
            session,
            community_id=notice.community_id,
            key=f"broadcast-knock:{notice.id}:{done.reminder_id}:{lead_id}",
            message=reminding.knock(by_house(session, community_id=notice.community_id, homes=homes)),
            now=now,
            expires_at=expires,
            member_id=lead_id,
            ref=notice.ref,
            urgent=notice.urgent,
            otherwise=reminding.otherwise(lead.name) if lead is not None else "",
        )


def by_lead(
    session: Session, *, notice: Notice, homes: Sequence[Household], now: datetime
) -> dict[int, list[Household]]:
    """Households by those who lead their house, or are the next above."""
    leads: dict[str, list[int]] = {}
    found: dict[int, list[Household]] = {}
    for home in homes:
        if home.path not in leads:
            nearest = people_in_scope(
                session, community_id=notice.community_id, path=home.path, role=notice.least, now=now
            )
            leads[home.path] = [one.id for one in nearest]
        for lead in leads[home.path]:
            found.setdefault(lead, []).append(home)
    return found


_NEXT_REMINDER = Prepared(
    select(func.min(Broadcast.remind_at)).where(
        Broadcast.community_id == bindparam("community_id"), Broadcast.remind_at <= bindparam("until")
    )
)


def next_reminder(session: Session, *, community_id: int, until: datetime) -> datetime | None:
    """The first moment up to `until` at which somebody is to be reminded without being asked for."""
    found: datetime | None = _NEXT_REMINDER.scalar(session, community_id=community_id, until=until)
    return found


def to_remind(session: Session, *, community_id: int, now: datetime) -> list[Notice]:
    """The notices of which those who have not answered are to be reminded by now."""
    return select_notices(session, community_id, Broadcast.remind_at <= now)


def put_off_reminder(session: Session, *, notice: Notice, until: datetime | None) -> None:
    """When the next one is that nobody asks for; None for no more."""
    session.execute(
        update(Broadcast)
        .where(Broadcast.community_id == notice.community_id, Broadcast.id == notice.id)
        .values(remind_at=until)
    )


_theirs = aliased(Receipt)


def hand_over_receipts(session: Session, *, community_id: int, giver: int, taker: int) -> list[int]:
    """Lets the receipts of a member be another's, where that one has none: they are one person."""
    has_own = exists().where(
        _theirs.community_id == community_id,
        _theirs.broadcast_id == Receipt.broadcast_id,
        _theirs.member_id == taker,
        _theirs.undone_at.is_(None),
    )
    return sorted(
        session.scalars(
            update(Receipt)
            .where(
                Receipt.community_id == community_id,
                Receipt.member_id == giver,
                Receipt.undone_at.is_(None),
                ~has_own,
            )
            .values(member_id=taker)
            .returning(Receipt.id)
            .execution_options(synchronize_session=False)
        )
    )


_of = aliased(Broadcast)

INVARIANTS = (
    Invariant(
        "receipts.wanted",
        select(Receipt.id)
        .join(_of, Receipt.broadcast_id == _of.id)
        .where(or_(~_of.wants_receipts, _of.sent_at.is_(None), Receipt.at < _of.sent_at)),
    ),
    Invariant(
        "receipts.way",
        # Whoever was merged since has said it under the id of before.
        select(Receipt.id)
        .join(Member, Receipt.made_by == Member.id)
        .where(
            Receipt.way.in_([Way.OWN, Way.LINK]), Receipt.made_by != Receipt.member_id, Member.merged_into.is_(None)
        ),
    ),
    Invariant(
        "broadcast_reminders.wanted",
        select(BroadcastReminder.id)
        .join(_of, BroadcastReminder.broadcast_id == _of.id)
        .where(or_(~_of.wants_receipts, _of.sent_at.is_(None), BroadcastReminder.at < _of.sent_at)),
    ),
)
