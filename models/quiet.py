"""When a group or a person is left in peace: the quiet hours of the night, and so many posts a day to one group.

What is not urgent waits for the end of the quiet hours, and beyond the group's ceiling for the next day, where it joins
what waits as well: one post instead of five. What would be pointless by then goes out all the same, for a reminder that
is lost is worse than one post too many. Answers never come here: they are no pushes.

- A day is a Shanghai day of community time, and so is the clock of the quiet hours.
- A group's posts are counted as they leave (`posted`), several messages in one post as one.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from models.clock import at, day_of, local
from models.directory import Group


class Held(StrEnum):
    """Why a message that is due waits: it stands where the reason of a failed try stands."""

    QUIET = "quiet hours"
    CEILING = "enough posts today"


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
