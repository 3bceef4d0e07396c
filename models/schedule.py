"""Which slots of which jobs have run: the database, not the scheduler, knows what is due.

- `(job, slot)` is unique: of two replicas that tick in the same moment one runs the slot.
- The tick is one row: the moment of community time up to which everything due has been run.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, String, Text, and_, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


class JobSlot(Base):
    """One run of one job for one moment of community time."""

    __tablename__ = "job_slots"

    job: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    """`running`, `done` or `failed`."""
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    detail: Mapped[str] = mapped_column(Text, server_default="")


class Tick(Base):
    """How far community time has been worked through."""

    __tablename__ = "ticks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    done_until: Mapped[datetime]


_BEGIN = Prepared(
    lambda insert: insert(JobSlot).on_conflict_do_nothing().returning(JobSlot.job),
    columns=("job", "slot", "state", "began_at"),
)


def begin_slot(session: Session, *, job: str, slot: datetime, wall: datetime) -> bool:
    """Takes a slot to run; False where it was taken before."""
    return _BEGIN.first(session, job=job, slot=slot, state="running", began_at=wall) is not None


def end_slot(session: Session, *, job: str, slot: datetime, state: str, detail: str, wall: datetime) -> None:
    """Says how a slot ended."""
    session.execute(
        JobSlot.__table__.update()  # type: ignore[attr-defined]
        .where(JobSlot.job == job, JobSlot.slot == slot)
        .values(state=state, detail=detail, ended_at=wall)
    )


def slot_state(session: Session, *, job: str, slot: datetime) -> str | None:
    """`running`, `done` or `failed`; None for a slot that nobody began."""
    return session.scalar(select(JobSlot.state).where(JobSlot.job == job, JobSlot.slot == slot))


@dataclass(frozen=True, slots=True)
class Slot:
    """How a slot of a job went."""

    job: str
    slot: datetime
    state: str
    detail: str
    began_at: datetime


def last_slots(session: Session) -> list[Slot]:
    """The newest slot of every job that ever ran."""
    newest = select(JobSlot.job, func.max(JobSlot.slot).label("slot")).group_by(JobSlot.job).subquery()
    rows = session.execute(
        select(JobSlot.job, JobSlot.slot, JobSlot.state, JobSlot.detail, JobSlot.began_at)
        .join(newest, and_(JobSlot.job == newest.c.job, JobSlot.slot == newest.c.slot))
        .order_by(JobSlot.job)
    )
    return [Slot(*row) for row in rows]


def unfinished_slots(session: Session) -> list[tuple[str, datetime]]:
    """Slots that were begun and never ended: their process died."""
    return [
        (row.job, row.slot)
        for row in session.execute(select(JobSlot.job, JobSlot.slot).where(JobSlot.state == "running"))
    ]


def done_until(session: Session) -> datetime | None:
    """The moment up to which everything due has run; None before the first tick."""
    return session.scalar(select(Tick.done_until).where(Tick.id == 1))


_ADVANCE = Prepared(
    lambda insert: (statement := insert(Tick)).on_conflict_do_update(
        index_elements=["id"],
        set_={"done_until": statement.excluded.done_until},
        where=Tick.done_until < statement.excluded.done_until,
    ),
    columns=("id", "done_until"),
)


def advance(session: Session, *, until: datetime) -> None:
    """Moves the tick forward, never back."""
    _ADVANCE.run(session, id=1, done_until=until)
