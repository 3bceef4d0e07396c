"""不来了: who has said that they cannot come, so that nobody asks them again.

- A person has one live answer to an activity: they come, or they do not.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.activities.plan import Activity, ActivityHere, NoSuchActivity, find_activity, lock, refuse_over
from models.base import Base
from models.database import Prepared


class Decline(Base):
    """Somebody does not come."""

    __tablename__ = "declines"
    __table_args__ = (
        Index(
            "uq_declines_live",
            "community_id",
            "activity_id",
            "member_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("ix_declines_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]


_INSERT = Prepared(
    lambda insert: insert(Decline).on_conflict_do_nothing(),
    makes=Decline.id,
    columns=("community_id", "activity_id", "member_id", "at", "made_by"),
)


@dataclass(frozen=True, slots=True)
class Declined:
    """Somebody's no. `changed` is False where they had said so already; then there is no new row."""

    id: int
    changed: bool


def decline(session: Session, *, activity: ActivityHere, member_id: int, by: int, now: datetime) -> Declined:
    """Somebody who is not signed up does not come. Raises ActivityCancelled, ActivityOver."""
    refuse_over(activity, now)
    lock(session, activity)
    made = note_decline(session, activity=activity, member_id=member_id, by=by, now=now)
    return Declined(made or 0, made is not None)


def note_decline(session: Session, *, activity: ActivityHere, member_id: int, by: int, now: datetime) -> int | None:
    """Writes a no down, in whose moment the activity is held; None where it stands already."""
    row = _INSERT.first(
        session,
        community_id=activity.community_id,
        activity_id=activity.id,
        member_id=member_id,
        at=now,
        made_by=by,
    )
    return None if row is None else int(row[0])


_WITHDRAW = Prepared(
    update(Decline)
    .where(
        Decline.community_id == bindparam("community"),
        Decline.activity_id == bindparam("activity"),
        Decline.member_id == bindparam("member"),
        Decline.undone_at.is_(None),
    )
    .values(undone_at=bindparam("now"))
    .returning(Decline.id)
)


def withdraw_decline(session: Session, *, activity: ActivityHere, member_id: int, now: datetime) -> bool:
    """Takes somebody's no back; False where there was none."""
    return (
        _WITHDRAW.first(session, community=activity.community_id, activity=activity.id, member=member_id, now=now)
        is not None
    )


def activity_by_decline(session: Session, *, community_id: int, decline_id: int) -> tuple[ActivityHere, int]:
    """The activity of a no, and whose it is. Raises NoSuchActivity."""
    row = session.execute(
        select(Activity.number, Decline.member_id)
        .join(Decline, Decline.activity_id == Activity.id)
        .where(Decline.community_id == community_id, Decline.id == decline_id)
    ).one_or_none()
    if row is None:
        raise NoSuchActivity(number=decline_id)
    return find_activity(session, community_id=community_id, number=row.number), row.member_id


def who_declined(session: Session, activity: ActivityHere) -> list[int]:
    """The members who do not come, in the order in which they said so."""
    return list(
        session.scalars(
            select(Decline.member_id)
            .where(
                Decline.community_id == activity.community_id,
                Decline.activity_id == activity.id,
                Decline.undone_at.is_(None),
            )
            .order_by(Decline.id)
        )
    )
