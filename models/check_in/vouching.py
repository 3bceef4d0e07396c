"""荣誉时: minutes that nobody recorded, and for which whoever is in charge stands.

Somebody came without a phone, or forgot to check in until the work was half done. The organiser says how long they
served in all; what the machine has recorded of it stays apart, and only the rest is vouched for.

- Recorded and vouched minutes of a stay are together never more than the activity is long.
- A stay has one live vouching; another word of the organiser takes the place of the one before.
- A vouching has its minutes in the ledger under `vouched:<id>`, and its points, where the rule gives any, under
  `vouched-hours:<id>`.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, and_, func, insert, literal, select, text, update
from sqlalchemy import String as Words
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import ledger
from models.activities import ActivityHere
from models.base import Base, Invariant, Refusal
from models.check_in.coming import CheckIn, Coming, earn
from models.clock import whole_minutes
from models.ledger import Currency, SystemAccount, Transfer
from models.points import for_minutes, multiplied


class Vouching(Base):
    """Somebody in charge stands for minutes of a stay."""

    __tablename__ = "vouchings"
    __table_args__ = (
        Index(
            "uq_vouchings_live",
            "community_id",
            "check_in_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    check_in_id: Mapped[int] = mapped_column(ForeignKey("check_ins.id"))
    minutes: Mapped[int] = mapped_column(Integer)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class NothingToVouch(Refusal):
    """The machine has recorded as much already. Fields: name, recorded."""


# -- rules ----------------------------------------


def minutes_long(activity: ActivityHere) -> int:
    """How long an activity is, in minutes."""
    return whole_minutes(activity.starts_at, activity.ends_at)


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class Vouched:
    """A vouching in the books: the minutes beside the recorded ones, and the points for them."""

    id: int
    minutes: int
    points: int
    balance: int
    instead_of: int = 0
    """The vouched minutes whose place these have taken."""


def add_vouching(
    session: Session,
    *,
    coming: Coming,
    check_in_id: int,
    member_id: int,
    recorded: int,
    minutes: int,
    by: int | None,
    now: datetime,
) -> Vouched:
    """Stands for what is missing of `minutes` beside the recorded ones; callers have seen that something is."""
    activity = coming.activity
    missing = min(minutes, minutes_long(activity)) - recorded
    vouching_id: int = session.execute(
        insert(Vouching).returning(Vouching.id),
        {
            "community_id": activity.community_id,
            "check_in_id": check_in_id,
            "minutes": missing,
            "made_by": by,
            "at": now,
        },
    ).scalar_one()
    # The work counts in the month in which it was done.
    booked = min(now, activity.ends_at)
    ledger.transfer(
        session,
        community_id=activity.community_id,
        key=f"vouched:{vouching_id}",
        currency=Currency.VOUCHED_MINUTES,
        debit=SystemAccount.ISSUED,
        credit=member_id,
        amount=missing,
        reason="vouched",
        ref=activity.ref,
        made_by=by,
        at=booked,
    )
    more = for_minutes(recorded + missing, coming.rule) - for_minutes(recorded, coming.rule)
    points, balance = earn(
        session,
        activity,
        coming.rule,
        member_id=member_id,
        key=f"vouched-hours:{vouching_id}",
        points=multiplied(more, activity.starts_at, coming.rule),
        reason="vouched_hours",
        made_by=by,
        now=booked,
    )
    return Vouched(vouching_id, missing, points, balance)


def undo_vouchings(session: Session, *, community_id: int, check_in_id: int, by: int, now: datetime) -> list[int]:
    """Takes back what stands of a stay's vouchings; returns their ids."""
    gone = list(
        session.scalars(
            update(Vouching)
            .where(
                Vouching.community_id == community_id,
                Vouching.check_in_id == check_in_id,
                Vouching.undone_at.is_(None),
            )
            .values(undone_at=now)
            .returning(Vouching.id)
        )
    )
    _give_back(session, community_id, gone, by, now)
    return gone


def undo_vouching(session: Session, *, community_id: int, vouching_id: int, by: int, now: datetime) -> bool:
    """Takes one vouching back; False where it is gone already."""
    gone = session.scalar(
        update(Vouching)
        .where(Vouching.community_id == community_id, Vouching.id == vouching_id, Vouching.undone_at.is_(None))
        .values(undone_at=now)
        .returning(Vouching.id)
    )
    if gone is not None:
        _give_back(session, community_id, [gone], by, now)
    return gone is not None


def _give_back(session: Session, community_id: int, vouchings: list[int], by: int, now: datetime) -> None:
    keys = [key for one in vouchings for key in (f"vouched:{one}", f"vouched-hours:{one}")]
    ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=now)


# -- proof ----------------------------------------

_back = aliased(Transfer)
_key = literal("vouched:") + as_type(Vouching.id, Words)
_points_key = literal("vouched-hours:") + as_type(Vouching.id, Words)
_mine = and_(Transfer.community_id == Vouching.community_id, Transfer.key.in_([_key, _points_key]))

INVARIANTS = (
    Invariant(
        "vouchings.once",
        select(func.min(Vouching.id))
        .where(Vouching.undone_at.is_(None))
        .group_by(Vouching.community_id, Vouching.check_in_id)
        .having(func.count() > 1),
    ),
    Invariant(
        "vouchings.minutes",
        select(Vouching.id)
        .outerjoin(Transfer, and_(Transfer.community_id == Vouching.community_id, Transfer.key == _key))
        .where(Vouching.minutes != func.coalesce(Transfer.amount, 0)),
    ),
    Invariant(
        "vouchings.earner",
        select(Vouching.id)
        .join(CheckIn, Vouching.check_in_id == CheckIn.id)
        .join(Transfer, _mine)
        .where(Transfer.credit != CheckIn.member_id),
    ),
    Invariant(
        "vouchings.undone",
        select(Vouching.id)
        .join(Transfer, _mine)
        .outerjoin(_back, _back.corrects == Transfer.id)
        .where(Vouching.undone_at.is_not(None), _back.id.is_(None)),
    ),
    Invariant(
        # Nobody stands for somebody who is not there.
        "vouchings.check_in",
        select(Vouching.id)
        .join(CheckIn, Vouching.check_in_id == CheckIn.id)
        .where(Vouching.undone_at.is_(None), CheckIn.undone_at.is_not(None)),
    ),
    Invariant(
        "vouchings.orphan_minutes",
        select(Transfer.id)
        .where(Transfer.reason.in_(["vouched", "vouched_hours"]))
        .except_(select(Transfer.id).join(Vouching, _mine)),
    ),
)
