"""How a notice gets out: one copy for each group and each person who is written to alone, and what became of each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import outbox
from models.base import Base, Button, Card, Invariant, Refusal
from models.broadcast.audience import Plan, Spoken
from models.broadcast.notices import (
    OUT,
    OVER,
    Broadcast,
    BroadcastState,
    Notice,
    OutAlready,
    Settings,
    end_before_sending,
    find_broadcast,
    select_notices,
    set_broadcast,
)
from models.database import Prepared
from models.directory import Group
from models.members.people import Member, Role
from models.members.roles import people_in_scope
from models.outbox import Outbox, OutboxState
from models.reach import Reach, everybody_reached
from models.units import Unit


class CopyState(StrEnum):
    """Where one copy of a notice stands."""

    WAITING = "waiting"
    """In the outbox."""
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Its answer was lost: it may have arrived."""
    BY_HAND = "by_hand"
    """The bot cannot write there: a person has the text and copies it."""


class BroadcastCopy(Base):
    """One notice to one group or one person."""

    __tablename__ = "broadcast_copies"
    __table_args__ = (
        CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name="one_recipient"),
        Index("ix_broadcast_copies_broadcast", "community_id", "broadcast_id"),
        Index("ix_broadcast_copies_member", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(200), server_default="")
    ended_at: Mapped[datetime | None]
    done_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Who copied it by hand."""

    @property
    def key(self) -> str:
        return key_of(self.broadcast_id, self.group_id, self.member_id)


NOT_COPIED = "not copied in time"
WITHDRAWN = "withdrawn"


class NothingByHand(Refusal):
    """No group of it waits for somebody to copy it, as far as this person may say. Fields: number."""


class NotCalledBack(Refusal):
    """It goes out anyway. Fields: number."""


class CannotResume(Refusal):
    """It was taken back, and what waited of it is gone. Fields: number."""


def key_of(broadcast_id: int, group_id: int | None, member_id: int | None) -> str:
    """Under which key a copy stands in the outbox."""
    return f"broadcast:{broadcast_id}:group:{group_id}" if group_id else f"broadcast:{broadcast_id}:{member_id}"


@dataclass(frozen=True, slots=True)
class Wording:
    """A notice in the words for each place, whole without its buttons too."""

    group: Callable[[Spoken], str]
    person: Callable[[int], str]
    """For the member with this id."""
    card: Callable[[Spoken], Card | None] = lambda _group: None
    """The same in parts, for a group whose channel shows them."""
    buttons: tuple[Button, ...] = ()
    hand: Callable[[str], str] | None = None
    """What is said to whoever has to copy it, from the name of the group; None where nobody is told."""


def send(
    session: Session,
    *,
    notice: Notice,
    plan: Plan,
    wording: Wording,
    reach: Reach,
    now: datetime,
    settings: Settings,
) -> Notice:
    """Puts a confirmed notice on its way, once: what the bot can write goes to the outbox, the rest waits for a person.

    Does nothing for one that is on its way already.
    """
    # What waits for the morning is nothing to be asked after before.
    out_at = now if notice.urgent else max(plan.leaves(session, reach, now).values(), default=now)
    pushes = bool(plan.alone) or any(group.pushes for group in plan.groups)
    started = set_broadcast(
        session,
        notice,
        BroadcastState.CONFIRMED,
        state=BroadcastState.SENDING if pushes else BroadcastState.WAITING,
        sent_at=now,
        look_at=now + timedelta(minutes=1),
        **_asking(notice, now, out_at, settings),
    )
    if not started:
        return notice
    copies: list[dict[str, Any]] = [
        _copy(notice, group_id=group.id, state=CopyState.WAITING if group.pushes else CopyState.BY_HAND)
        for group in plan.groups
    ] + [_copy(notice, member_id=one.id, state=CopyState.WAITING) for one in plan.alone]
    session.execute(insert(BroadcastCopy), copies)
    for group in plan.groups:
        if group.pushes:
            text, card = wording.group(group), wording.card(group)
            _post(session, notice, text, wording.buttons, now, settings, group_id=group.id, card=card)
        elif wording.hand is not None:
            _hand(session, notice, group, wording, reach, now, settings)
    for one in plan.alone:
        _post(session, notice, wording.person(one.id), wording.buttons, now, settings, member_id=one.id)
    if notice.corrects is not None and notice.wants_receipts:
        # Whoever is asked anew need not answer what was wrong.
        _close_receipts(session, notice.community_id, notice.corrects, now)
    return find_broadcast(session, community_id=notice.community_id, number=notice.number)


def _asking(notice: Notice, sent_at: datetime, out_at: datetime, settings: Settings) -> dict[str, Any]:
    """Until when a notice takes receipts, and when those who do not answer are reminded by themselves."""
    if not notice.wants_receipts:
        return {"receipts_until": None, "remind_at": None}
    return {
        "receipts_until": sent_at + timedelta(days=settings.receipt_days),
        "remind_at": out_at + timedelta(hours=settings.reminder_hours) if notice.reminds else None,
    }


def _copy(
    notice: Notice, *, state: CopyState, group_id: int | None = None, member_id: int | None = None
) -> dict[str, Any]:
    return {
        "community_id": notice.community_id,
        "broadcast_id": notice.id,
        "group_id": group_id,
        "member_id": member_id,
        "state": state,
    }


def _post(
    session: Session,
    notice: Notice,
    text: str,
    buttons: tuple[Button, ...],
    now: datetime,
    settings: Settings,
    *,
    group_id: int | None = None,
    member_id: int | None = None,
    card: Card | None = None,
) -> None:
    outbox.put(
        session,
        community_id=notice.community_id,
        key=key_of(notice.id, group_id, member_id),
        message=text,
        now=now,
        expires_at=now + timedelta(hours=settings.expires_hours),
        group_id=group_id,
        member_id=member_id,
        ref=notice.ref,
        buttons=buttons,
        card=card,
        urgent=notice.urgent,
    )


def _hand(
    session: Session, notice: Notice, group: Spoken, wording: Wording, reach: Reach, now: datetime, settings: Settings
) -> None:
    """Puts the text into the hands of those who look after a group that the bot cannot write to."""
    assert wording.hand is not None
    keepers = people_in_scope(
        session, community_id=notice.community_id, path=group.unit_path, role=Role.BUILDING_LEAD, now=now
    )
    reached = everybody_reached(session, community_id=notice.community_id, reach=reach)
    for member_id in (one.id for one in keepers if one.id in reached):
        # The text comes a minute later, so that it is a message of its own and can be copied as it is.
        for minutes, text in ((0, wording.hand(group.name)), (1, wording.group(group))):
            outbox.put(
                session,
                community_id=notice.community_id,
                key=f"broadcast-hand:{notice.id}:{group.id}:{member_id}:{minutes}",
                message=text,
                now=now,
                not_before=now + timedelta(minutes=minutes),
                expires_at=now + timedelta(hours=settings.expires_hours),
                member_id=member_id,
                ref=notice.ref,
                urgent=notice.urgent,
            )


def _close_receipts(session: Session, community_id: int, number: int, now: datetime) -> None:
    session.execute(
        update(Broadcast)
        .where(Broadcast.community_id == community_id, Broadcast.number == number, Broadcast.receipts_until > now)
        .values(receipts_until=now, remind_at=None)
    )


# -- what became of it ----------------------------------------


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy, with the name of the group or the person."""

    id: int
    group_id: int | None
    member_id: int | None
    name: str
    unit_path: str
    state: CopyState
    reason: str


def copies_of(session: Session, notice: Notice) -> list[Copy]:
    """What became of a notice, place by place: groups first."""
    rows = session.execute(
        select(
            BroadcastCopy.id,
            BroadcastCopy.group_id,
            BroadcastCopy.member_id,
            func.coalesce(Group.name, Member.name).label("name"),
            Unit.path,
            BroadcastCopy.state,
            BroadcastCopy.reason,
        )
        .outerjoin(Group, BroadcastCopy.group_id == Group.id)
        .outerjoin(Member, BroadcastCopy.member_id == Member.id)
        .join(Unit, Unit.id == func.coalesce(Group.unit_id, Member.unit_id))
        .where(BroadcastCopy.community_id == notice.community_id, BroadcastCopy.broadcast_id == notice.id)
        .order_by(BroadcastCopy.group_id.is_(None), BroadcastCopy.id)
    )
    return [Copy(*row[:5], CopyState(row.state), row.reason) for row in rows]


def settle(session: Session, *, community_id: int, now: datetime, settings: Settings) -> list[Notice]:
    """Looks at what is on its way; returns the notices that have come to their end by that."""
    ended = []
    for notice in select_notices(
        session,
        community_id,
        Broadcast.state.in_([BroadcastState.SENDING, BroadcastState.WAITING]),
        Broadcast.look_at <= now,
    ):
        if _settle(session, notice, now, settings) is not None:
            ended.append(find_broadcast(session, community_id=community_id, number=notice.number))
    return ended


def _settle(session: Session, notice: Notice, now: datetime, settings: Settings) -> BroadcastState | None:
    """Follows the outbox; returns the state in which the notice has ended, None where it has not."""
    assert notice.sent_at is not None
    due: list[datetime] = []
    for copy, row in _on_the_way(session, notice):
        if row is not None and row.state == OutboxState.WAITING:
            due.append(row.not_before)
        elif row is None:
            # Its time is over, and what became of it is not kept any more.
            _end_copy(session, copy, CopyState.UNKNOWN, "", now)
        elif row.state in (OutboxState.SENT, OutboxState.UNKNOWN):
            _end_copy(session, copy, CopyState(row.state), "", row.finished_at or now)
        else:
            _end_copy(session, copy, CopyState.FAILED, row.dead_reason or row.state, row.finished_at or now)
    until = notice.sent_at + timedelta(hours=settings.hand_hours)
    if now >= until:
        session.execute(
            update(BroadcastCopy)
            .where(
                BroadcastCopy.community_id == notice.community_id,
                BroadcastCopy.broadcast_id == notice.id,
                BroadcastCopy.state == CopyState.BY_HAND,
            )
            .values(state=CopyState.FAILED, reason=NOT_COPIED, ended_at=now)
        )
    state = _state_of(session, notice)
    again = {"look_at": None, "ended_at": now}
    if state is BroadcastState.SENDING:
        # Soon at first, seldom later; what waits for the morning is looked at in the morning.
        waited = max(now - notice.sent_at, timedelta(minutes=1))
        again = {"look_at": max(now + min(waited, timedelta(hours=1)), min(due) + timedelta(minutes=1))}
    elif state is BroadcastState.WAITING:
        again = {"look_at": until}
    set_broadcast(session, notice, BroadcastState.SENDING, BroadcastState.WAITING, state=state, **again)
    return state if state in OVER else None


def _on_the_way(session: Session, notice: Notice) -> list[tuple[BroadcastCopy, Any]]:
    copies = session.scalars(
        select(BroadcastCopy)
        .where(
            BroadcastCopy.community_id == notice.community_id,
            BroadcastCopy.broadcast_id == notice.id,
            BroadcastCopy.state == CopyState.WAITING,
        )
        .execution_options(populate_existing=True)
    ).all()
    rows = {
        row.key: row
        for row in session.execute(
            select(Outbox.key, Outbox.state, Outbox.dead_reason, Outbox.not_before, Outbox.finished_at).where(
                Outbox.community_id == notice.community_id, Outbox.key.in_([copy.key for copy in copies])
            )
        )
    }
    return [(copy, rows.get(copy.key)) for copy in copies]


def _end_copy(session: Session, copy: BroadcastCopy, state: CopyState, reason: str, at: datetime) -> None:
    session.execute(
        update(BroadcastCopy)
        .where(
            BroadcastCopy.community_id == copy.community_id,
            BroadcastCopy.id == copy.id,
            BroadcastCopy.state == CopyState.WAITING,
        )
        .values(state=state, reason=reason[:200], ended_at=at)
    )


def _state_of(session: Session, notice: Notice) -> BroadcastState:
    states = set(
        session.scalars(
            select(BroadcastCopy.state).where(
                BroadcastCopy.community_id == notice.community_id, BroadcastCopy.broadcast_id == notice.id
            )
        )
    )
    for one, whole in (
        (CopyState.WAITING, BroadcastState.SENDING),
        (CopyState.BY_HAND, BroadcastState.WAITING),
        (CopyState.FAILED, BroadcastState.PARTLY_FAILED),
        (CopyState.UNKNOWN, BroadcastState.UNKNOWN),
    ):
        if one in states:
            return whole
    return BroadcastState.SENT


def follow_again(session: Session, *, community_id: int, ref: str, key: str, now: datetime) -> None:
    """A message of the outbox goes out once more: where it is a copy of a notice, the notice is on its way again."""
    kind, _, number = ref.partition(":")
    if kind != "broadcast":
        return
    notice = find_broadcast(session, community_id=community_id, number=int(number))
    copy = next(
        (one for one in copies_of(session, notice) if key_of(notice.id, one.group_id, one.member_id) == key), None
    )
    if copy is None or copy.state not in (CopyState.FAILED, CopyState.UNKNOWN):
        return
    session.execute(
        update(BroadcastCopy)
        .where(BroadcastCopy.community_id == community_id, BroadcastCopy.id == copy.id)
        .values(state=CopyState.WAITING, reason="", ended_at=None)
    )
    set_broadcast(
        session, notice, *OUT, state=BroadcastState.SENDING, ended_at=None, look_at=now + timedelta(minutes=1)
    )


def copied_by_hand(
    session: Session, *, notice: Notice, copies: list[Copy], by: int, now: datetime, settings: Settings
) -> Notice:
    """Somebody has copied the text into these groups. Raises NothingByHand."""
    done = session.scalars(
        update(BroadcastCopy)
        .where(
            BroadcastCopy.community_id == notice.community_id,
            BroadcastCopy.id.in_([copy.id for copy in copies]),
            BroadcastCopy.state == CopyState.BY_HAND,
        )
        .values(state=CopyState.SENT, ended_at=now, done_by=by)
        .returning(BroadcastCopy.id)
    ).all()
    if not done:
        raise NothingByHand(number=notice.number)
    set_broadcast(session, notice, BroadcastState.SENDING, BroadcastState.WAITING, look_at=now)
    _settle(session, notice, now, settings)
    return find_broadcast(session, community_id=notice.community_id, number=notice.number)


def take_back_copied(session: Session, *, notice: Notice, copy_ids: list[int], now: datetime) -> None:
    """It was not copied after all: it waits again for somebody."""
    session.execute(
        update(BroadcastCopy)
        .where(BroadcastCopy.community_id == notice.community_id, BroadcastCopy.id.in_(copy_ids))
        .values(state=CopyState.BY_HAND, ended_at=None, done_by=None)
    )
    set_broadcast(session, notice, *OUT, state=BroadcastState.WAITING, ended_at=None, look_at=now)


def call_back(session: Session, *, notice: Notice, by: int, reason: str, now: datetime) -> Notice:
    """Takes a notice back before it went out, also what waits in the outbox for the morning. Raises OutAlready."""
    if not end_before_sending(session, notice=notice, by=by, reason=reason, now=now):
        copies = _on_the_way(session, notice)
        kept = [copy.key for copy, row in copies if row is not None]
        every = len(copies_of(session, notice))
        if notice.state is not BroadcastState.SENDING or len(copies) < every:
            raise OutAlready(number=notice.number)
        withdrawn = outbox.withdraw(session, community_id=notice.community_id, keys=kept, reason=WITHDRAWN, wall=now)
        if withdrawn < every:
            raise OutAlready(number=notice.number)
        for copy, _ in copies:
            _end_copy(session, copy, CopyState.FAILED, WITHDRAWN, now)
        set_broadcast(
            session, notice, BroadcastState.SENDING, state=BroadcastState.CANCELLED, cancelled_by=by,
            reason=reason[:200], ended_at=now, look_at=None, remind_at=None, receipts_until=None,
        )  # fmt: skip
    return find_broadcast(session, community_id=notice.community_id, number=notice.number)


def resume(
    session: Session, *, notice: Notice, was: BroadcastState, reach: Reach, now: datetime, settings: Settings
) -> Notice:
    """Takes back that a notice was called back: it stands where it `was`. Raises NotCalledBack and CannotResume."""
    values: dict[str, Any] = {"look_at": None}
    if was is BroadcastState.DRAFT:
        values = {"look_at": now + timedelta(hours=settings.draft_hours)}
    elif was is BroadcastState.SENDING:
        assert notice.sent_at is not None
        out_at = notice.sent_at if notice.urgent else reach.quiet_until(notice.sent_at) or notice.sent_at
        values = {"look_at": now + timedelta(minutes=1), **_asking(notice, notice.sent_at, out_at, settings)}
    taken = {"cancelled_by": None, "reason": "", "ended_at": None}
    if not set_broadcast(session, notice, BroadcastState.CANCELLED, state=was, **values, **taken):
        raise NotCalledBack(number=notice.number)
    if was is BroadcastState.SENDING:
        copies = copies_of(session, notice)
        keys = [key_of(notice.id, copy.group_id, copy.member_id) for copy in copies]
        again = outbox.reinstate(session, community_id=notice.community_id, keys=keys, reason=WITHDRAWN)
        if again < len(copies):
            raise CannotResume(number=notice.number)
        session.execute(
            update(BroadcastCopy)
            .where(BroadcastCopy.community_id == notice.community_id, BroadcastCopy.broadcast_id == notice.id)
            .values(state=CopyState.WAITING, reason="", ended_at=None)
        )
    return find_broadcast(session, community_id=notice.community_id, number=notice.number)


_NEXT_LOOK = Prepared(
    select(func.min(Broadcast.look_at)).where(
        Broadcast.community_id == bindparam("community_id"), Broadcast.look_at <= bindparam("until")
    )
)


def next_look(session: Session, *, community_id: int, until: datetime) -> datetime | None:
    """The first moment up to `until` at which somebody has to look what became of a broadcast."""
    found: datetime | None = _NEXT_LOOK.scalar(session, community_id=community_id, until=until)
    return found


_broadcast = aliased(Broadcast)

INVARIANTS = (
    Invariant(
        # Never stuck: what is on its way, or waits for somebody, is looked at again.
        "broadcasts.looked_at",
        select(Broadcast.id).where(
            or_(
                and_(
                    Broadcast.state.in_([BroadcastState.DRAFT, BroadcastState.SENDING, BroadcastState.WAITING]),
                    Broadcast.look_at.is_(None),
                ),
                and_(Broadcast.state.in_(OVER), or_(Broadcast.look_at.is_not(None), Broadcast.ended_at.is_(None))),
            )
        ),
    ),
    Invariant(
        # Nothing is out that nobody has confirmed, and nothing is confirmed by its writer that needed somebody else.
        "broadcasts.confirmed",
        select(Broadcast.id).where(
            or_(
                and_(
                    or_(Broadcast.sent_at.is_not(None), Broadcast.state.in_([BroadcastState.CONFIRMED, *OUT])),
                    Broadcast.confirmed_at.is_(None),
                ),
                and_(Broadcast.review_number.is_not(None), Broadcast.confirmed_by == Broadcast.made_by),
                and_(Broadcast.state.in_(OUT), Broadcast.sent_at.is_(None)),
            )
        ),
    ),
    Invariant(
        # Once per group, once per person.
        "broadcast_copies.once",
        select(func.min(BroadcastCopy.id))
        .group_by(
            BroadcastCopy.community_id, BroadcastCopy.broadcast_id, BroadcastCopy.group_id, BroadcastCopy.member_id
        )
        .having(func.count() > 1),
    ),
    Invariant(
        "broadcast_copies.ended",
        select(BroadcastCopy.id)
        .join(_broadcast, BroadcastCopy.broadcast_id == _broadcast.id)
        .where(
            or_(
                and_(
                    BroadcastCopy.state.in_([CopyState.WAITING, CopyState.BY_HAND]),
                    or_(BroadcastCopy.ended_at.is_not(None), _broadcast.state.in_(OVER)),
                ),
                and_(
                    BroadcastCopy.state.not_in([CopyState.WAITING, CopyState.BY_HAND]),
                    BroadcastCopy.ended_at.is_(None),
                ),
            )
        ),
    ),
)
