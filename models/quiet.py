"""When a group or a person is left in peace: the quiet hours of the night, and so many posts a day to one group.

What is not urgent waits for the end of the quiet hours, and beyond the group's ceiling for the next day, where it joins
what waits as well: one post instead of five. What would be pointless by then goes out all the same, for a reminder that
is lost is worse than one post too many. Answers never come here: they are no pushes.

- A day is a Shanghai day of community time, and so is the clock of the quiet hours.
- A group's posts are counted as they leave (`posted`), several messages in one post as one.
- A group's own hours and ceiling stand in the place of those of the configuration. A person's own hours are quiet
  beside the night.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    case,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Refusal
from models.clock import at, day_of, local
from models.directory import Group, Listed, groups_of
from models.members.people import Member


class Held(StrEnum):
    """Why a message that is due waits: it stands where the reason of a failed try stands."""

    QUIET = "quiet hours"
    CEILING = "enough posts today"


class OwnQuiet(Base):
    """What one group, or one person, has of their own."""

    __tablename__ = "own_quiet"
    __table_args__ = (
        UniqueConstraint("community_id", "group_id", name="uq_own_quiet_group"),
        UniqueConstraint("community_id", "member_id", name="uq_own_quiet_member"),
        CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name="one_recipient"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    begins: Mapped[str] = mapped_column(String(5), server_default="")
    """`22:00`, in Shanghai; empty for no hours of its own."""
    ends: Mapped[str] = mapped_column(String(5), server_default="")
    posts_max: Mapped[int | None] = mapped_column(Integer)
    """Posts a day to a group, 0 for no ceiling; None: that of the configuration."""
    set_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    set_at: Mapped[datetime]


class QuietTooLong(Refusal):
    """So many hours a day nobody could be told anything. Fields: most."""


class OnlyDaily(Refusal):
    """Hours of one day were meant: quiet hours come again every day."""


class CeilingOutOfRange(Refusal):
    """Fewer posts a day than one, or more than anybody reads. Fields: most."""


class QuietChanged(Refusal):
    """It was set otherwise since: it cannot be taken back."""


QUIET_MOST = timedelta(hours=16)
"""A day has hours left in which a reminder can be read."""
POSTS_MOST = 50


def too_long() -> QuietTooLong:
    """Hours beyond the most that a day may have of them."""
    return QuietTooLong(most=int(QUIET_MOST.total_seconds() // 3600))


# -- rules ----------------------------------------


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours of the day in which nobody is written to unless it is urgent; none where both are the same."""

    begins: time
    ends: time

    def end(self, moment: datetime) -> datetime | None:
        """When the quiet hours end that a moment lies in; None for a moment outside of them."""
        clock = local(moment).time()
        over_midnight = self.begins > self.ends
        late, early = clock >= self.begins, clock < self.ends
        if not (late or early if over_midnight else late and early):
            return None
        day = day_of(moment) + timedelta(days=over_midnight and late)
        return at(day, self.ends.hour, self.ends.minute)

    def next_morning(self, moment: datetime) -> datetime:
        """The first moment of the next day at which one may write again."""
        return at(day_of(moment) + timedelta(days=1), self.ends.hour, self.ends.minute)

    @property
    def length(self) -> timedelta:
        """How long they are, each day."""
        begins, ends = (timedelta(hours=one.hour, minutes=one.minute) for one in (self.begins, self.ends))
        return (ends - begins) % timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Own:
    """What a recipient has of their own."""

    id: int
    quiet: Quiet | None
    posts_max: int | None

    def kept(self) -> dict[str, Any]:
        """For the audit, so that it can be taken back."""
        return {**_columns(self.quiet), "posts_max": self.posts_max}


def group_end(own: Own | None, night: Quiet, moment: datetime) -> datetime | None:
    """When a group may be written to, where that is not now: its own hours stand in the place of the night's."""
    return (own.quiet if own is not None and own.quiet is not None else night).end(moment)


def person_end(own: Own | None, night: Quiet, moment: datetime) -> datetime | None:
    """When a person may be written to, where that is not now: their own hours and the night may follow each other."""
    hours = [night] if own is None or own.quiet is None else [night, own.quiet]
    ends = None
    # Each of the two is met at the most twice, before and after the other.
    for quiet in hours * 2:
        ends = quiet.end(ends or moment) or ends
    return ends


def _columns(quiet: Quiet | None) -> dict[str, str]:
    return {
        "begins": "" if quiet is None else f"{quiet.begins:%H:%M}",
        "ends": "" if quiet is None else f"{quiet.ends:%H:%M}",
    }


def _own(row: Any) -> Own:
    quiet = Quiet(time.fromisoformat(row.begins), time.fromisoformat(row.ends)) if row.begins else None
    return Own(row.id, quiet, row.posts_max)


# -- actions ----------------------------------------


def set_hours(
    session: Session,
    *,
    community_id: int,
    quiet: Quiet | None,
    by: int,
    now: datetime,
    group_id: int | None = None,
    member_id: int | None = None,
) -> tuple[Own | None, Own | None]:
    """Gives a group or a person quiet hours of their own, or takes them away; returns what was before and what is now.

    Raises QuietTooLong.
    """
    if quiet is not None and quiet.length > QUIET_MOST:
        raise too_long()
    return _set(session, community_id, group_id, member_id, by, now, **_columns(quiet))


def set_ceiling(
    session: Session, *, community_id: int, group_id: int, posts_max: int | None, by: int, now: datetime
) -> tuple[Own | None, Own | None]:
    """Gives a group a ceiling of posts a day of its own; 0 for none at all, None for that of the configuration.

    Returns what was before and what is now. Raises CeilingOutOfRange.
    """
    if posts_max is not None and not 0 <= posts_max <= POSTS_MOST:
        raise CeilingOutOfRange(most=POSTS_MOST)
    return _set(session, community_id, group_id, None, by, now, posts_max=posts_max)


def _set(
    session: Session,
    community_id: int,
    group_id: int | None,
    member_id: int | None,
    by: int | None,
    now: datetime,
    **columns: Any,
) -> tuple[Own | None, Own | None]:
    before = own_of(session, community_id=community_id, group_id=group_id, member_id=member_id)
    told = {"set_by": by, "set_at": now, **columns}
    if before is None:
        session.execute(
            insert(OwnQuiet),
            {"community_id": community_id, "group_id": group_id, "member_id": member_id, "posts_max": None, **told},
        )
    else:
        session.execute(
            update(OwnQuiet).where(OwnQuiet.community_id == community_id, OwnQuiet.id == before.id).values(**told)
        )
    after = own_of(session, community_id=community_id, group_id=group_id, member_id=member_id)
    if after is not None and after.quiet is None and after.posts_max is None:
        session.execute(delete(OwnQuiet).where(OwnQuiet.community_id == community_id, OwnQuiet.id == after.id))
        return before, None
    return before, after


def set_back(
    session: Session,
    *,
    community_id: int,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    by: int,
    now: datetime,
    group_id: int | None = None,
    member_id: int | None = None,
) -> Own | None:
    """Takes a setting back, as `Own.kept` has told both sides of it; returns what stands now. Raises QuietChanged."""
    own = own_of(session, community_id=community_id, group_id=group_id, member_id=member_id)
    if (own.kept() if own else None) != (dict(after) if after else None):
        raise QuietChanged
    columns = dict(before) if before else {**_columns(None), "posts_max": None}
    return _set(session, community_id, group_id, member_id, by, now, **columns)[1]


def forget_quiet(session: Session, *, community_id: int, member_ids: Collection[int]) -> None:
    """When somebody wanted to be left in peace goes with them."""
    session.execute(delete(OwnQuiet).where(OwnQuiet.community_id == community_id, OwnQuiet.member_id.in_(member_ids)))


_theirs = aliased(OwnQuiet)


def hand_over_quiet(session: Session, *, community_id: int, giver: int, taker: int) -> list[int]:
    """The hours of one of two who are one person are the other's, who has none; returns the rows that went over."""
    has_own = exists().where(_theirs.community_id == community_id, _theirs.member_id == taker)
    return sorted(
        session.scalars(
            update(OwnQuiet)
            .where(OwnQuiet.community_id == community_id, OwnQuiet.member_id == giver, ~has_own)
            .values(member_id=taker)
            .returning(OwnQuiet.id)
            .execution_options(synchronize_session=False)
        )
    )


# -- queries ----------------------------------------


def own_of(
    session: Session, *, community_id: int, group_id: int | None = None, member_id: int | None = None
) -> Own | None:
    """What a group, or a person, has of their own."""
    whose = OwnQuiet.group_id == group_id if group_id is not None else OwnQuiet.member_id == member_id
    row = session.execute(select(*_OWN).where(OwnQuiet.community_id == community_id, whose)).one_or_none()
    return None if row is None else _own(row)


_OWN = (OwnQuiet.id, OwnQuiet.begins, OwnQuiet.ends, OwnQuiet.posts_max)


@dataclass(frozen=True, slots=True)
class Owners:
    """What several recipients have of their own, by group and by person."""

    groups: Mapping[int, Own]
    people: Mapping[int, Own]

    def end(self, night: Quiet, moment: datetime, *, group_id: int | None, member_id: int | None) -> datetime | None:
        """When one of them may be written to, where that is not now."""
        if group_id is not None:
            return group_end(self.groups.get(group_id), night, moment)
        return person_end(self.people.get(member_id or 0), night, moment)


def owners(session: Session, *, groups: Collection[int], people: Collection[int]) -> Owners:
    """What these recipients have of their own, whichever community they belong to.

    Somebody who was merged since has what the person has who they are.
    """
    by_group, by_person = {}, {}
    if groups:
        rows = session.execute(select(OwnQuiet.group_id, *_OWN).where(OwnQuiet.group_id.in_(groups)))
        by_group = {row.group_id: _own(row) for row in rows}
    if people:
        keepers = _keepers(session, people)
        rows = session.execute(select(OwnQuiet.member_id, *_OWN).where(OwnQuiet.member_id.in_({*keepers.values()})))
        own = {row.member_id: _own(row) for row in rows}
        by_person = {one: own[keeper] for one, keeper in keepers.items() if keeper in own}
    return Owners(by_group, by_person)


def _keepers(session: Session, people: Collection[int]) -> dict[int, int]:
    """Under whose id what these people have is kept, each by their own."""
    keepers = {one: one for one in people}
    near = set(people)
    while near:
        rows = session.execute(
            select(Member.id, Member.merged_into).where(Member.id.in_(near), Member.merged_into.is_not(None))
        )
        merged: dict[int, int] = {row.id: row.merged_into for row in rows}
        keepers = {one: merged.get(keeper, keeper) for one, keeper in keepers.items()}
        near = set(merged.values())
    return keepers


def groups_end(session: Session, *, night: Quiet | None, groups: Collection[int], moment: datetime) -> datetime | None:
    """When the last of these groups may be written to, where that is not now for each of them."""
    if night is None:
        return None
    own = owners(session, groups=groups, people=[]).groups
    ends = [group_end(own.get(one), night, moment) for one in groups]
    found = [end for end in ends if end is not None]
    return max(found) if found and len(found) == len(ends) else None


def group_rules(session: Session, *, community_id: int) -> list[tuple[Listed, Own | None]]:
    """The groups of a community that have a chat, with what each has of its own."""
    groups = groups_of(session, community_id=community_id)
    own = owners(session, groups=[one.id for one in groups], people=[]).groups
    return [(one, own.get(one.id)) for one in groups]


def posts_of_day(session: Session, *, community_id: int, group_id: int, day: date) -> int:
    """How many posts a group got today."""
    found = session.scalar(
        select(Group.posts).where(Group.community_id == community_id, Group.id == group_id, Group.posts_on == day)
    )
    return found or 0


def posted(session: Session, *, community_id: int, group_id: int, day: date) -> None:
    """Counts one post to a group."""
    session.execute(
        update(Group)
        .where(Group.community_id == community_id, Group.id == group_id)
        .values(
            posts=case((Group.posts_on == day, Group.posts + 1), else_=1),
            posts_on=day,
        )
    )
