"""Writing down what was done, and taking it back."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from models.clock import day_of, start_of, whole_minutes
from models.counters import next_number
from models.duties.earning import count, credit_minutes, points_of, take_back
from models.duties.entries import (
    COLUMNS,
    NOTE_MOST,
    STAY_MOST,
    DutyLog,
    Entry,
    EntryState,
    LoggedAlready,
    LoggedTooOften,
    NoSuchEntry,
    NoteTooLong,
    NotHoldingThen,
    NotThere,
    Settings,
    ThereAlready,
    TooManyMinutes,
    entry_by_id,
    entry_here,
    held_by,
    live_entry,
    moment_of,
    refuse_day,
    set_entry,
)
from models.members.people import Member
from models.posts import PostHere, post_by_id


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry in the books, and what this message has brought: points, and the balance since."""

    entry: Entry
    points: int
    balance: int
    added: bool = False
    """The words were added to what had been written down before."""
    before: tuple[str, int] = ("", 0)
    """Its note and minutes until then."""


def log_duty(
    session: Session,
    *,
    post: PostHere,
    member_id: int,
    done: date,
    note: str,
    minutes: int,
    now: datetime,
    settings: Settings,
) -> Logged:
    """Writes down what a holder did on a day. A note about a 签到 of that day is added to it.

    Raises NotHolding, DayAhead, DayLongPast, NotHoldingThen, NoteTooLong, TooManyMinutes, LoggedAlready,
    LoggedTooOften.
    """
    today = day_of(now)
    since = _refuse_others(session, post, member_id)
    refuse_day(done, today, settings.back_days)
    if done < day_of(since):
        raise NotHoldingThen(title=post.title, since=since)
    if len(note) > NOTE_MOST:
        raise NoteTooLong(most=NOTE_MOST)
    _refuse_long(minutes, settings)
    that_day = _of_day(session, post, member_id, done)
    if note and any(one.note == note for one in that_day):
        raise LoggedAlready(title=post.title, note=note)
    bare = next((one for one in that_day if one.came_at is not None and not one.note), None)
    if note and bare is not None:
        return _add_words(session, post, bare, note, minutes, now)
    untimed = next((one for one in that_day if not one.minutes), None)
    if not note and minutes and untimed is not None:
        return _add_words(session, post, untimed, untimed.note, minutes, now)
    return _write(session, post, member_id, that_day, moment_of(done, now), now, settings, note=note, minutes=minutes)


def come(session: Session, *, post: PostHere, member_id: int, now: datetime, settings: Settings) -> Logged:
    """签到 at a post: an entry with the machine's time. Raises NotHolding, ThereAlready, LoggedTooOften."""
    _refuse_others(session, post, member_id)
    there = _open_stay(session, post, member_id, now)
    if there is not None:
        raise ThereAlready(number=post.number, title=post.title, at=there.came_at)
    today = _of_day(session, post, member_id, day_of(now))
    return _write(session, post, member_id, today, now, now, settings, came_at=now)


def leave(
    session: Session, *, post: PostHere, member_id: int, minutes: int, now: datetime, settings: Settings
) -> Logged:
    """签退 at a post: the minutes since 签到 are recorded; without one those that were said (0: none) are vouched for.

    Raises NotHolding, NotThere, and what `log_duty` raises.
    """
    _refuse_others(session, post, member_id)
    there = _open_stay(session, post, member_id, now)
    if there is None:
        if not minutes:
            raise NotThere(number=post.number, title=post.title)
        return log_duty(
            session,
            post=post,
            member_id=member_id,
            done=day_of(now),
            note="",
            minutes=minutes,
            now=now,
            settings=settings,
        )
    assert there.came_at is not None
    measured = min(settings.minutes_max, whole_minutes(there.came_at, now))
    take_back(session, post.community_id, there.id, by=member_id, now=now, minutes_only=True)
    set_entry(session, post.community_id, there.id, left_at=now, minutes=measured, measured=True)
    entry = entry_by_id(session, community_id=post.community_id, log_id=there.id)
    if entry.state is EntryState.COUNTED:
        credit_minutes(session, post, entry, by=member_id, now=now)
    return Logged(entry, 0, points_of(session, post, member_id), before=(there.note, there.minutes))


def _refuse_others(session: Session, post: PostHere, member_id: int) -> datetime:
    """Since when the post is this person's. Raises NotHolding."""
    # Of two entries of one person at one instant the second waits here and counts the first.
    session.execute(
        select(Member.id)
        .where(Member.community_id == post.community_id, Member.id == member_id)
        .with_for_update(key_share=True)
    )
    since = held_by(session, post, member_id).since
    assert since is not None
    return since


def _refuse_long(minutes: int, settings: Settings) -> None:
    if minutes > settings.minutes_max:
        raise TooManyMinutes(hours=settings.minutes_max // 60)


def _of_day(session: Session, post: PostHere, member_id: int, day: date) -> list[Entry]:
    rows = session.execute(
        select(*COLUMNS)
        .where(
            DutyLog.community_id == post.community_id,
            DutyLog.post_id == post.id,
            DutyLog.member_id == member_id,
            DutyLog.undone_at.is_(None),
            DutyLog.done_at >= start_of(day),
            DutyLog.done_at < start_of(day + timedelta(days=1)),
        )
        .order_by(DutyLog.id.desc())
    )
    return [entry_here(row) for row in rows]


def _open_stay(session: Session, post: PostHere, member_id: int, now: datetime) -> Entry | None:
    row = session.execute(
        select(*COLUMNS)
        .where(
            DutyLog.community_id == post.community_id,
            DutyLog.post_id == post.id,
            DutyLog.member_id == member_id,
            DutyLog.undone_at.is_(None),
            DutyLog.came_at > now - STAY_MOST,
            DutyLog.left_at.is_(None),
        )
        .order_by(DutyLog.id.desc())
        .limit(1)
    ).one_or_none()
    return entry_here(row) if row else None


def _write(
    session: Session,
    post: PostHere,
    member_id: int,
    that_day: list[Entry],
    done_at: datetime,
    now: datetime,
    settings: Settings,
    *,
    note: str = "",
    minutes: int = 0,
    came_at: datetime | None = None,
) -> Logged:
    if len(that_day) >= settings.per_day_max:
        raise LoggedTooOften(number=post.number, title=post.title, most=settings.per_day_max)
    number = next_number(session, community_id=post.community_id, kind="review") if post.confirms else None
    log_id = session.execute(
        insert(DutyLog).returning(DutyLog.id),
        {
            "community_id": post.community_id,
            "post_id": post.id,
            "member_id": member_id,
            "number": number,
            "note": note,
            "done_at": done_at,
            "at": now,
            "came_at": came_at,
            "left_at": None,
            "minutes": minutes,
            "measured": False,
            "state": EntryState.WAITING if post.confirms else EntryState.COUNTED,
            "decided_at": None,
            "decided_by": None,
            "undone_at": None,
            "undone_by": None,
        },
    ).scalar_one()
    entry = entry_by_id(session, community_id=post.community_id, log_id=log_id)
    points = 0 if post.confirms else count(session, post, entry, by=member_id, now=now)
    return Logged(entry, points, points_of(session, post, member_id))


def _add_words(session: Session, post: PostHere, entry: Entry, note: str, minutes: int, now: datetime) -> Logged:
    """Says of an entry what was done, or how long it took, where nobody knew."""
    timed = bool(minutes) and not entry.minutes
    set_entry(session, post.community_id, entry.id, note=note, minutes=minutes if timed else entry.minutes)
    added = entry_by_id(session, community_id=post.community_id, log_id=entry.id)
    if timed and entry.state is EntryState.COUNTED:
        credit_minutes(session, post, added, by=entry.member_id, now=now)
    balance = points_of(session, post, entry.member_id)
    return Logged(added, 0, balance, added=True, before=(entry.note, entry.minutes))


# -- taking back ----------------------------------------


def undo_log(session: Session, *, community_id: int, log_id: int, by: int, now: datetime) -> tuple[PostHere, Entry]:
    """Takes an entry back with all that it earned. Raises NoSuchEntry."""
    undone = session.scalar(
        update(DutyLog)
        .where(DutyLog.community_id == community_id, DutyLog.id == log_id, DutyLog.undone_at.is_(None))
        .values(undone_at=now, undone_by=by)
        .returning(DutyLog.post_id)
    )
    if undone is None:
        raise NoSuchEntry(number=log_id)
    take_back(session, community_id, log_id, by=by, now=now)
    post = post_by_id(session, community_id=community_id, post_id=undone)
    return post, entry_by_id(session, community_id=community_id, log_id=log_id)


def undo_words(
    session: Session, *, community_id: int, log_id: int, note: str, minutes: int, by: int, now: datetime
) -> tuple[PostHere, Entry]:
    """Lets the words and minutes of an entry be what they were before some were added. Raises NoSuchEntry."""
    post, entry = live_entry(session, community_id, log_id)
    set_entry(session, community_id, log_id, note=note, minutes=minutes)
    if minutes != entry.minutes:
        take_back(session, community_id, log_id, by=by, now=now, minutes_only=True)
    return post, entry_by_id(session, community_id=community_id, log_id=log_id)


def undo_leave(
    session: Session, *, community_id: int, log_id: int, minutes: int, by: int, now: datetime
) -> tuple[PostHere, Entry]:
    """Takes a 签退 back: the holder is there again, and `minutes` are what was said before. Raises NoSuchEntry."""
    post, entry = live_entry(session, community_id, log_id)
    take_back(session, community_id, log_id, by=by, now=now, minutes_only=True)
    set_entry(session, community_id, log_id, minutes=minutes, measured=False, left_at=None)
    entry = entry_by_id(session, community_id=community_id, log_id=log_id)
    if entry.state is EntryState.COUNTED:
        credit_minutes(session, post, entry, by=by, now=now)
    return post, entry
