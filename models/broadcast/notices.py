"""A notice: what is said to whom, by which unit, and where it stands on its way."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Refusal
from models.broadcast.audience import Part, least_role, meant, parts_of
from models.counters import next_number
from models.database import Prepared
from models.directory import touch
from models.members.people import Member, MemberRole, Person, Role
from models.members.roles import in_force, people_in_scope
from models.units import Unit, UnitHere, covers, root_of, unit_by_id


class Settings(BaseModel):
    """[broadcast] 广播和回执"""

    model_config = ConfigDict(extra="forbid")

    second_person: list[Literal["whole", "urgent", "always"]] = Field(
        default=[], description="哪些广播要第二个人点头:whole 全社区的,urgent 紧急的,always 所有的;空着就是本人确认即可"
    )
    text_max: int = Field(default=500, ge=20, le=2000, description="一条广播最多写多少字")
    expires_hours: int = Field(default=24, ge=1, le=168, description="到点几小时还没发出去就不再发,并告诉发的人")
    draft_hours: int = Field(default=72, ge=1, le=720, description="等第二个人点头最多等几小时,过了作废")
    hand_hours: int = Field(default=48, ge=1, le=720, description="要人转发的群最多等几小时,过了记为没发成")
    receipt_days: int = Field(default=7, ge=1, le=60, description="回执收几天")
    reminders_max: int = Field(default=3, ge=0, le=3, description="同一户最多催几次")
    reminder_hours: int = Field(default=4, ge=1, le=72, description="两次催办至少隔几小时")


LINK_BYTES, LINK_SECRET_BYTES = 10, 24
"""Random bytes behind the address of a notice's page: nobody guesses it, and it is short enough to be typed."""


class BroadcastState(StrEnum):
    """Where a broadcast stands: always in one of these, and never in one that does not end."""

    DRAFT = "draft"
    """A second person has to say yes."""
    CONFIRMED = "confirmed"
    """It goes out at its moment; what comes again waits for its next one."""
    SENDING = "sending"
    """It is on its way to at least one group or person."""
    SENT = "sent"
    """It is out wherever it was to go."""
    PARTLY_FAILED = "partly_failed"
    """It did not reach every group and person that it was to go to."""
    UNKNOWN = "unknown"
    """An answer was lost: it may be out."""
    CANCELLED = "cancelled"
    """Taken back, turned down, or let lapse before it went out."""
    WAITING = "waiting"
    """A person has to copy it into a group that the bot cannot write to."""


OVER = (BroadcastState.SENT, BroadcastState.PARTLY_FAILED, BroadcastState.UNKNOWN, BroadcastState.CANCELLED)
OUT = (
    BroadcastState.SENDING,
    BroadcastState.SENT,
    BroadcastState.PARTLY_FAILED,
    BroadcastState.UNKNOWN,
    BroadcastState.WAITING,
)


class Broadcast(Base):
    """One notice; or, with a `rule`, one that comes again and begets a notice each time."""

    __tablename__ = "broadcasts"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_broadcasts_number"),
        UniqueConstraint("community_id", "review_number", name="uq_broadcasts_review"),
        CheckConstraint("rule = '' OR sent_at IS NULL", name="rule"),
        Index("ix_broadcasts_due", "community_id", "state", "due_at"),
        # A link is all that its holder shows: the community is found by it.
        Index("ix_broadcasts_link", "link"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    """Whose notice it is, whoever typed it: those in charge of this unit may stop it."""
    parts: Mapped[list[Any]] = mapped_column(JSON)
    """For whom it is; see `Part`."""
    target: Mapped[str] = mapped_column(String(200))
    """The same in words."""
    title: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    wants_receipts: Mapped[bool] = mapped_column(Boolean)
    urgent: Mapped[bool] = mapped_column(Boolean)
    reminds: Mapped[bool] = mapped_column(Boolean)
    """Those who do not answer are reminded without anybody asking."""
    state: Mapped[str] = mapped_column(String(16))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    review_number: Mapped[int | None]
    """Under which number a second person finds it."""
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    confirmed_at: Mapped[datetime | None]
    due_at: Mapped[datetime]
    """When it goes out; of what comes again, the next time."""
    rule: Mapped[str] = mapped_column(String(120), server_default="")
    """When it comes again, as RFC 5545 writes it; empty for a notice that goes out once."""
    said: Mapped[str] = mapped_column(String(40), server_default="")
    """The same in words: 每周五18点."""
    kept_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Of what comes again: who in charge knows of it."""
    series_id: Mapped[int | None] = mapped_column(ForeignKey("broadcasts.id"))
    """What it is one time of."""
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("broadcasts.id"))
    sent_at: Mapped[datetime | None]
    """When it was put on its way."""
    ended_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    """When somebody looks again what became of it."""
    receipts_until: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    """When those who have not answered are reminded next, where nobody has to ask for it."""
    cancelled_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(200), server_default="")
    link: Mapped[str] = mapped_column(String(24), server_default="")
    """What names it in the address of its page; empty where it wants no receipts. See `links`."""
    link_secret: Mapped[str] = mapped_column(String(48), server_default="")
    """By what the page's personal addresses and its forms are proved."""


class NoSuchBroadcast(Refusal):
    """No broadcast of this number within reach. Fields: number."""


class NoSuchDraft(Refusal):
    """Nothing of this number waits for a second person. Fields: number."""


class OwnDraft(Refusal):
    """Somebody else has to say yes to it. Fields: number."""


class NoSecondPerson(Refusal):
    """Somebody else has to say yes to it, and there is nobody."""


class TextTooLong(Refusal):
    """More than a notice may have. Fields: most, count."""


class DueInThePast(Refusal):
    """It was to go out at a moment that is over. Fields: due_at."""


class OutAlready(Refusal):
    """It cannot be taken back any more. Fields: number."""


class NotOutYet(Refusal):
    """What is not out needs no correction. Fields: number."""


class CancelledAlready(Refusal):
    """It was taken back. Fields: number."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A broadcast as rules and sentences need it."""

    id: int
    community_id: int
    number: int
    unit: UnitHere
    parts: tuple[Part, ...]
    target: str
    title: str
    body: str
    wants_receipts: bool
    urgent: bool
    reminds: bool
    state: BroadcastState
    made_by: int | None
    review_number: int | None
    due_at: datetime
    rule: str
    said: str
    kept_by: int | None
    corrects: int | None
    """The number of the notice that it corrects."""
    asked_before: bool
    """That one wanted receipts."""
    sent_at: datetime | None
    receipts_until: datetime | None
    link: str = ""
    link_secret: str = field(default="", repr=False)

    @property
    def ref(self) -> str:
        return f"broadcast:{self.number}"

    @property
    def private(self) -> bool:
        """Whether nobody but staff may know for whom it is."""
        return any(part.private for part in self.parts)

    @property
    def least(self) -> Role:
        """What it takes to look after it."""
        return least_role(self.parts)

    def takes_receipts(self, now: datetime) -> bool:
        return self.wants_receipts and self.receipts_until is not None and now < self.receipts_until


_first = aliased(Broadcast)


def _notices(community_id: int):  # type: ignore[no-untyped-def]
    return (
        select(Broadcast, _first.number.label("corrects"), _first.wants_receipts.label("asked_before"))
        .outerjoin(_first, Broadcast.corrects_id == _first.id)
        .where(Broadcast.community_id == community_id)
        .order_by(Broadcast.number)
    )


def _seen(session: Session, row: Any) -> Notice:
    one: Broadcast = row.Broadcast
    return Notice(
        id=one.id,
        community_id=one.community_id,
        number=one.number,
        unit=unit_by_id(session, community_id=one.community_id, unit_id=one.unit_id),
        parts=tuple(parts_of(session, community_id=one.community_id, kept=one.parts)),
        target=one.target,
        title=one.title,
        body=one.body,
        wants_receipts=one.wants_receipts,
        urgent=one.urgent,
        reminds=one.reminds,
        state=BroadcastState(one.state),
        made_by=one.made_by,
        review_number=one.review_number,
        due_at=one.due_at,
        rule=one.rule,
        said=one.said,
        kept_by=one.kept_by,
        corrects=row.corrects,
        asked_before=bool(row.asked_before),
        sent_at=one.sent_at,
        receipts_until=one.receipts_until,
        link=one.link,
        link_secret=one.link_secret,
    )


def select_notices(session: Session, community_id: int, *which: Any, limit: int | None = None) -> list[Notice]:
    """The broadcasts that fulfil these conditions, by number."""
    rows = session.execute(_notices(community_id).where(*which).limit(limit).execution_options(populate_existing=True))
    return [_seen(session, row) for row in rows.all()]


def find_broadcast(session: Session, *, community_id: int, number: int) -> Notice:
    """The broadcast of this number. Raises NoSuchBroadcast."""
    found = select_notices(session, community_id, Broadcast.number == number)
    if not found:
        raise NoSuchBroadcast(number=number)
    return found[0]


# -- who may ----------------------------------------


def may_send(person: Person, parts: Sequence[Part]) -> bool:
    """Whether somebody speaks for all of these people: a building's lead for the building, staff for everybody."""
    least = least_role(parts)
    return all(person.may(least, part.unit.path) for part in meant(parts))


def in_charge(person: Person, notice: Notice) -> bool:
    """Whether somebody may stop, correct and account for a notice: its writer as long as they may send it, or above."""
    return person.may(notice.least, notice.unit.path) or (
        notice.made_by == person.id and may_send(person, notice.parts)
    )


def require_charge(person: Person, notice: Notice) -> None:
    """Raises NoSuchBroadcast for somebody whose business it is not: not there and not yours sound the same."""
    if not in_charge(person, notice):
        raise NoSuchBroadcast(number=notice.number)


def owner_of(session: Session, *, person: Person, parts: Sequence[Part]) -> UnitHere:
    """Whose notice it is: the nearest unit for which the person speaks and that holds everybody whom it is for."""
    reach = [
        held.path
        for held in person.held
        if held.role.rank >= least_role(parts).rank and all(covers(held.path, part.unit.path) for part in meant(parts))
    ]
    if not reach:
        shared = _shared([part.unit.path for part in meant(parts)])
        return unit_by_id(session, community_id=person.community.id, unit_id=shared)
    nearest = max(reach, key=len)
    return unit_by_id(session, community_id=person.community.id, unit_id=int(nearest.strip("/").rsplit("/", 1)[-1]))


def _shared(paths: Sequence[str]) -> int:
    """The id of the nearest unit that holds all of these."""
    split = [path.strip("/").split("/") for path in paths]
    shared = [steps[0] for steps in zip(*split, strict=False) if len(set(steps)) == 1]
    return int(shared[-1])


def needs_second(session: Session, *, person: Person, parts: Sequence[Part], urgent: bool, rule: Sequence[str]) -> bool:
    """Whether somebody else has to say yes: whoever may not send, and what the community wants seen by two."""
    root = root_of(session, person.community.id)
    whole = any(part.unit.id == root.id for part in meant(parts))
    wanted = "always" in rule or ("whole" in rule and whole) or ("urgent" in rule and urgent)
    return wanted or not may_send(person, parts)


def second_people(session: Session, *, community_id: int, unit: UnitHere, without: int, now: datetime) -> list[int]:
    """Who may say yes to somebody else's notice: the nearest with a word for the unit. Raises NoSecondPerson."""
    found = people_in_scope(
        session, community_id=community_id, path=unit.path, role=Role.STAFF, now=now, without=[without]
    )
    if not found:
        raise NoSecondPerson
    return [one.id for one in found]


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to have said."""

    parts: tuple[Part, ...]
    target: str
    title: str
    body: str
    wants_receipts: bool = False
    urgent: bool = False
    reminds: bool = False
    due_at: datetime | None = None
    """None: at once."""
    rule: str = ""
    said: str = ""
    corrects: int | None = None
    """The id of the notice that it corrects."""


def refuse_odd(draft: Draft, *, now: datetime, text_max: int) -> None:
    """Raises TextTooLong and DueInThePast."""
    if len(draft.body) > text_max:
        raise TextTooLong(most=text_max, count=len(draft.body))
    if draft.due_at is not None and draft.due_at <= now:
        raise DueInThePast(due_at=draft.due_at)


def write_broadcast(
    session: Session,
    *,
    community_id: int,
    draft: Draft,
    unit: UnitHere,
    made_by: int | None,
    now: datetime,
    settings: Settings,
    second: bool = False,
    kept_by: int | None = None,
    series_id: int | None = None,
) -> Notice:
    """Writes a notice down under the community's next number: confirmed, or as a draft for a `second` person.

    Raises what `refuse_odd` raises.
    """
    refuse_odd(draft, now=now, text_max=settings.text_max)
    number = next_number(session, community_id=community_id, kind="broadcast")
    session.execute(
        insert(Broadcast),
        {
            "community_id": community_id,
            "number": number,
            "unit_id": unit.id,
            "parts": [part.kept() for part in draft.parts],
            "target": draft.target[:200],
            "title": draft.title[:40],
            "body": draft.body,
            "wants_receipts": draft.wants_receipts,
            "urgent": draft.urgent,
            "reminds": draft.reminds,
            "state": BroadcastState.DRAFT if second else BroadcastState.CONFIRMED,
            "made_by": made_by,
            "made_at": now,
            "review_number": next_number(session, community_id=community_id, kind="review") if second else None,
            "confirmed_by": None if second else made_by,
            "confirmed_at": None if second else now,
            "due_at": draft.due_at or now,
            "rule": draft.rule,
            "said": draft.said[:40],
            "kept_by": kept_by,
            "series_id": series_id,
            "corrects_id": draft.corrects,
            "look_at": now + timedelta(hours=settings.draft_hours) if second else None,
            "link": secrets.token_hex(LINK_BYTES) if draft.wants_receipts else "",
            "link_secret": secrets.token_hex(LINK_SECRET_BYTES) if draft.wants_receipts else "",
        },
    )
    touch(session, community_id)
    return find_broadcast(session, community_id=community_id, number=number)


def set_broadcast(session: Session, notice: Notice, *states: BroadcastState, **values: Any) -> bool:
    """Changes a broadcast that still is in one of these states; False where something else got there first."""
    changed = session.execute(
        update(Broadcast)
        .where(Broadcast.community_id == notice.community_id, Broadcast.id == notice.id, Broadcast.state.in_(states))
        .values(**values)
        .returning(Broadcast.id)
    ).one_or_none()
    touch(session, notice.community_id)
    return changed is not None


def waiting_drafts(session: Session, *, reviewer: Person) -> list[Notice]:
    """The notices to which this person may say yes or no, oldest first."""
    waiting = select_notices(session, reviewer.community.id, Broadcast.state == BroadcastState.DRAFT)
    return [one for one in waiting if one.made_by != reviewer.id and reviewer.may(Role.STAFF, one.unit.path)]


def decide_draft(
    session: Session, *, reviewer: Person, number: int, approve: bool, reason: str, now: datetime
) -> Notice:
    """A second person says yes or no; what is approved goes out at its moment, or now. Raises NoSuchDraft, OwnDraft."""
    found = select_notices(
        session, reviewer.community.id, Broadcast.review_number == number, Broadcast.state == BroadcastState.DRAFT
    )
    if not found or not reviewer.may(Role.STAFF, found[0].unit.path):
        raise NoSuchDraft(number=number)
    notice = found[0]
    if notice.made_by == reviewer.id:
        raise OwnDraft(number=number)
    decided: Mapping[str, Any] = {
        "state": BroadcastState.CONFIRMED,
        "confirmed_by": reviewer.id,
        "confirmed_at": now,
        "due_at": max(notice.due_at, now),
        "look_at": None,
    }
    if not approve:
        decided = {**_ended(reviewer.id, reason, now), "look_at": None}
    if not set_broadcast(session, notice, BroadcastState.DRAFT, **decided):
        raise NoSuchDraft(number=number)
    return find_broadcast(session, community_id=notice.community_id, number=notice.number)


def _ended(by: int | None, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "state": BroadcastState.CANCELLED,
        "cancelled_by": by,
        "reason": reason[:200],
        "ended_at": now,
        "look_at": None,
        "remind_at": None,
    }


def end_before_sending(session: Session, *, notice: Notice, by: int | None, reason: str, now: datetime) -> bool:
    """Takes back what is not on its way yet; False where it is."""
    return set_broadcast(session, notice, BroadcastState.DRAFT, BroadcastState.CONFIRMED, **_ended(by, reason, now))


def lapse_drafts(session: Session, *, community_id: int, now: datetime) -> list[Notice]:
    """Ends drafts to which nobody said anything in time; returns them."""
    late = select_notices(session, community_id, Broadcast.state == BroadcastState.DRAFT, Broadcast.look_at <= now)
    return [one for one in late if set_broadcast(session, one, BroadcastState.DRAFT, **_ended(None, "lapsed", now))]


# -- queries ----------------------------------------


def shown_broadcasts(session: Session, *, community_id: int, now: datetime) -> list[Notice]:
    """What people can speak of: what is not over, what still takes receipts, and what went out in the last days."""
    return select_notices(session, community_id, *_shown(now))


def _shown(now: datetime) -> tuple[Any, ...]:
    return (
        or_(
            Broadcast.state.not_in(OVER),
            Broadcast.receipts_until > now,
            Broadcast.sent_at > now - SPOKEN_OF,
        ),
        Broadcast.state != BroadcastState.CANCELLED,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """A broadcast as the language needs it: a few columns, for it is read after every change in the community."""

    number: int
    title: str
    takes_receipts: bool
    receipts_until: datetime | None


def spoken_of(session: Session, *, community_id: int, now: datetime) -> list[Said]:
    """The broadcasts of which people can speak, as `shown_broadcasts` has them."""
    rows = session.execute(
        select(Broadcast.number, Broadcast.title, Broadcast.wants_receipts, Broadcast.receipts_until)
        .where(Broadcast.community_id == community_id, *_shown(now))
        .order_by(Broadcast.number)
    )
    return [
        Said(row.number, row.title, row.wants_receipts and (row.receipts_until or now) > now, row.receipts_until)
        for row in rows
    ]


SPOKEN_OF = timedelta(days=7)


def last_broadcasts(session: Session, *, community_id: int, limit: int) -> list[Notice]:
    """The newest broadcasts, newest first."""
    rows = session.execute(
        _notices(community_id).where(Broadcast.state != BroadcastState.CANCELLED).order_by(None)
        .order_by(Broadcast.number.desc()).limit(limit)
    ).all()  # fmt: skip
    return [_seen(session, row) for row in rows]


_NEXT_DUE = Prepared(
    select(func.min(Broadcast.due_at)).where(
        Broadcast.community_id == bindparam("community_id"),
        Broadcast.state == BroadcastState.CONFIRMED,
        Broadcast.due_at <= bindparam("until"),
    )
)


def next_due(session: Session, *, community_id: int, until: datetime) -> datetime | None:
    """The first moment up to `until` at which a confirmed notice goes out."""
    found: datetime | None = _NEXT_DUE.scalar(session, community_id=community_id, until=until)
    return found


def due_notices(session: Session, *, community_id: int, now: datetime) -> list[Notice]:
    """What is to go out by now."""
    return select_notices(session, community_id, Broadcast.state == BroadcastState.CONFIRMED, Broadcast.due_at <= now)


def series_of(session: Session, *, community_id: int) -> list[Notice]:
    """What comes again and has not been stopped."""
    return select_notices(session, community_id, Broadcast.rule != "", Broadcast.state == BroadcastState.CONFIRMED)


def sent_between(session: Session, *, community_id: int, after: datetime, until: datetime) -> list[Notice]:
    """What was put on its way in `(after, until]`."""
    return select_notices(session, community_id, Broadcast.sent_at > after, Broadcast.sent_at <= until)


def writes_still(session: Session, *, notice: Notice, now: datetime) -> bool:
    """Whether whoever wrote a notice is here, and whether it was a draft of theirs or they may send it still."""
    held = session.execute(
        select(MemberRole.role, Unit.path)
        .select_from(Member)
        .outerjoin(MemberRole, and_(MemberRole.member_id == Member.id, in_force(now)))
        .outerjoin(Unit, MemberRole.unit_id == Unit.id)
        .where(
            Member.community_id == notice.community_id,
            Member.id == notice.made_by,
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
        )
    ).all()
    if notice.review_number is not None:
        return bool(held)
    paths = [row.path for row in held if row.role and Role(row.role).rank >= notice.least.rank]
    return all(any(covers(path, part.unit.path) for path in paths) for part in meant(notice.parts))


def leads_of(
    session: Session, *, community_id: int, path: str, now: datetime, role: Role = Role.BUILDING_LEAD
) -> list[tuple[int, str]]:
    """Who leads the building or door at a path, nearest first: members with the path for which they do. Where it takes
    more than a lead (`role`), whoever has that, else somebody above.
    """
    roles = [role] if role is Role.BUILDING_LEAD else [one for one in Role if one.rank >= role.rank]
    rows = session.execute(
        select(MemberRole.member_id, Unit.path, MemberRole.role)
        .join(Unit, MemberRole.unit_id == Unit.id)
        .join(Member, MemberRole.member_id == Member.id)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.role.in_(roles),
            in_force(now),
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            func.substr(path, 1, func.length(Unit.path)) == Unit.path,
        )
        .order_by(func.length(Unit.path).desc(), MemberRole.member_id)
    ).all()
    nearest = [row for row in rows if row.path == rows[0].path]
    least = min((Role(row.role).rank for row in nearest), default=0)
    return list(dict.fromkeys((row.member_id, row.path) for row in nearest if Role(row.role).rank == least))
