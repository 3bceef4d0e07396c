"""Those in charge of a post confirm entries, or say why they do not count."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.duties.earning import count, points_of, take_back
from models.duties.entries import (
    COLUMNS,
    DutyLog,
    Entry,
    EntryState,
    NoSuchEntry,
    OwnEntry,
    entry_by_id,
    entry_here,
    live_entry,
    set_entry,
)
from models.members.people import Member
from models.posts import PostHere, post_by_id


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry that waits for a word, with its post and its writer's name."""

    number: int
    post: PostHere
    entry: Entry
    name: str


def waiting_entries(session: Session, *, community_id: int, number: int | None = None) -> list[WaitingEntry]:
    """What waits for those in charge of posts, oldest first; or the one of a number."""
    query = (
        select(*COLUMNS, Member.name)
        .join(Member, DutyLog.member_id == Member.id)
        .where(
            DutyLog.community_id == community_id,
            DutyLog.state == EntryState.WAITING,
            DutyLog.undone_at.is_(None),
            DutyLog.number.is_not(None),
        )
        .order_by(DutyLog.number)
    )
    if number is not None:
        query = query.where(DutyLog.number == number)
    found = []
    for row in session.execute(query).all():
        entry = entry_here(row[: len(COLUMNS)])
        post = post_by_id(session, community_id=community_id, post_id=entry.post_id)
        assert entry.number is not None
        found.append(WaitingEntry(entry.number, post, entry, row.name))
    return found


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an entry, and its writer's points."""

    entry: Entry
    post: PostHere
    points: int
    balance: int


def decide_entry(
    session: Session, *, waiting: WaitingEntry, by: int, agree: bool, reason: str, now: datetime
) -> Decided:
    """Confirms an entry, or says why it does not count. Raises NoSuchEntry where it is gone, and OwnEntry."""
    post = waiting.post
    _, entry = live_entry(session, post.community_id, waiting.entry.id)
    if entry.state is not EntryState.WAITING:
        raise NoSuchEntry(number=waiting.number)
    if entry.member_id == by:
        raise OwnEntry(number=waiting.number)
    state = EntryState.COUNTED if agree else EntryState.REJECTED
    set_entry(session, post.community_id, entry.id, state=state, decided_at=now, decided_by=by, reason=reason)
    decided = entry_by_id(session, community_id=post.community_id, log_id=entry.id)
    points = count(session, post, decided, by=by, now=now) if agree else 0
    return Decided(decided, post, points, points_of(session, post, entry.member_id))


def undo_decision(session: Session, *, community_id: int, log_id: int, by: int, now: datetime) -> Decided:
    """Lets an entry wait again that `by` has decided. Raises NoSuchEntry where that does not stand any more."""
    post, entry = live_entry(session, community_id, log_id)
    if entry.state is EntryState.WAITING or not _decided_by(session, community_id, log_id, by):
        raise NoSuchEntry(number=entry.number or 0)
    take_back(session, community_id, log_id, by=by, now=now)
    set_entry(session, community_id, log_id, state=EntryState.WAITING, decided_at=None, decided_by=None, reason="")
    waits = entry_by_id(session, community_id=community_id, log_id=log_id)
    return Decided(waits, post, 0, points_of(session, post, entry.member_id))


def _decided_by(session: Session, community_id: int, log_id: int, by: int) -> bool:
    decided_by = session.scalar(
        select(DutyLog.decided_by).where(DutyLog.community_id == community_id, DutyLog.id == log_id)
    )
    return decided_by == by


def drop_waiting(session: Session, *, community_id: int, member_ids: Collection[int], now: datetime) -> None:
    """Ends what waits of people who are gone: nobody is left to whom it could count."""
    session.execute(
        update(DutyLog)
        .where(
            DutyLog.community_id == community_id,
            DutyLog.member_id.in_(member_ids),
            DutyLog.state == EntryState.WAITING,
        )
        .values(state=EntryState.REJECTED, decided_at=now)
    )
