"""What was done for a post, or by a person: line by line, and summed up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.clock import months_back, start_of_month
from models.duties.entries import COLUMNS, DutyLog, Entry, EntryState, entry_here
from models.members.people import Member
from models.points import Months
from models.posts import Post, PostHere


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in a list: with its writer, or with its post."""

    entry: Entry
    name: str
    hides_name: bool
    post_number: int
    post_title: str


def lines_of(
    session: Session,
    *,
    community_id: int,
    limit: int,
    post_id: int | None = None,
    member_ids: Collection[int] | None = None,
    rejected: bool = True,
) -> list[Line]:
    """The newest entries of a post, or of a person, as far as they stand; those that do not count only if asked for."""
    query = (
        select(*COLUMNS, Member.name, Member.hides_name, Post.number.label("post_number"), Post.title)
        .join(Member, DutyLog.member_id == Member.id)
        .join(Post, DutyLog.post_id == Post.id)
        .where(DutyLog.community_id == community_id, DutyLog.undone_at.is_(None))
        .order_by(DutyLog.done_at.desc(), DutyLog.id.desc())
        .limit(limit)
    )
    if post_id is not None:
        query = query.where(DutyLog.post_id == post_id)
    if member_ids is not None:
        query = query.where(DutyLog.member_id.in_(member_ids))
    if not rejected:
        query = query.where(DutyLog.state != EntryState.REJECTED)
    return [
        Line(entry_here(row[: len(COLUMNS)]), row.name, bool(row.hides_name), row.post_number, row.title)
        for row in session.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done for a post, or by a person, in a span: entries that count, how many people, minutes."""

    entries: int
    people: int
    minutes: int


def tally(
    session: Session,
    *,
    community_id: int,
    months: Months | None,
    post_id: int | None = None,
    member_ids: Collection[int] | None = None,
) -> Tally:
    """Sums up what counts of a period (None: all time) for a post, or by a person."""
    query = select(
        func.count(), func.count(DutyLog.member_id.distinct()), func.coalesce(func.sum(DutyLog.minutes), 0)
    ).where(DutyLog.community_id == community_id, DutyLog.undone_at.is_(None), DutyLog.state == EntryState.COUNTED)
    if months is not None:
        query = query.where(
            DutyLog.done_at >= start_of_month(months.first),
            DutyLog.done_at < start_of_month(months_back(months.last, -1)),
        )
    if post_id is not None:
        query = query.where(DutyLog.post_id == post_id)
    if member_ids is not None:
        query = query.where(DutyLog.member_id.in_(member_ids))
    entries, people, minutes = session.execute(query).one()
    return Tally(int(entries), int(people), int(minutes))


def tallies(session: Session, *, posts: Sequence[PostHere], months: Months | None) -> dict[PostHere, Tally]:
    """Sums up what counts of a period for each of some posts."""
    return {post: tally(session, community_id=post.community_id, post_id=post.id, months=months) for post in posts}


def last_done(session: Session, *, post: PostHere, member_ids: Collection[int]) -> datetime | None:
    """When one of these people did something for the post last, as far as they say."""
    return session.scalar(
        select(func.max(DutyLog.done_at)).where(
            DutyLog.community_id == post.community_id,
            DutyLog.post_id == post.id,
            DutyLog.member_id.in_(member_ids),
            DutyLog.undone_at.is_(None),
        )
    )


def last_written(session: Session, *, community_id: int, member_id: int, since: datetime) -> Entry | None:
    """What somebody wrote down last since a moment, and has not taken back."""
    row = session.execute(
        select(*COLUMNS)
        .where(
            DutyLog.community_id == community_id,
            DutyLog.member_id == member_id,
            DutyLog.undone_at.is_(None),
            DutyLog.at >= since,
        )
        .order_by(DutyLog.at.desc(), DutyLog.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else entry_here(row)


def logged_since(session: Session, *, post: PostHere, member_ids: Collection[int], moment: datetime) -> bool:
    """Whether one of these people has written something down for the post since a moment."""
    found = session.scalar(
        select(DutyLog.id)
        .where(
            DutyLog.community_id == post.community_id,
            DutyLog.post_id == post.id,
            DutyLog.member_id.in_(member_ids),
            DutyLog.undone_at.is_(None),
            DutyLog.at >= moment,
        )
        .limit(1)
    )
    return found is not None
