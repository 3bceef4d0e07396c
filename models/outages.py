"""What should have gone out and did not, as one thing: somebody is told once when it begins, and once when it is over.

Each recipient that could not be reached has a row until something reaches them again. Rows of one channel that begin
within an hour of each other are one incident: three hundred groups that are cut off together are told of once, and one
group more that fails a day later is told of by itself.

- A recipient has one outage at a time.
- What nobody tried again for days says nothing any more, and lapses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.database import Prepared, lock_name

TOGETHER = timedelta(hours=1)
"""What breaks on a channel within so long of another failure there is the same incident."""
LAPSES = timedelta(days=3)
"""An outage of which nothing new was heard for so long says nothing any more."""


class Outage(Base):
    """A group, a person or an account that could not be reached when it should have been. Moments are wall time."""

    __tablename__ = "outages"
    __table_args__ = (UniqueConstraint("community_id", "recipient", name="uq_outages_recipient"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    recipient: Mapped[str] = mapped_column(String(40))
    """`group:3`, `member:17`, or `account` for all who are nobody."""
    channel: Mapped[str] = mapped_column(String(40))
    incident: Mapped[int] = mapped_column(server_default="0")
    """The number of the first outage of this incident."""
    messages: Mapped[int] = mapped_column(Integer)
    """How many messages ended without being delivered; none where the first one is still tried."""
    reason: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime]
    last_at: Mapped[datetime]


def broke(
    session: Session, *, community_id: int, recipient: str, channel: str, reason: str, messages: int, wall: datetime
) -> int | None:
    """Writes down that a recipient could not be reached; the number of the incident that began with it, if one did."""
    lock_name(session, f"outages/{community_id}")
    known = session.scalars(
        update(Outage)
        .where(Outage.community_id == community_id, Outage.recipient == recipient)
        .values(messages=Outage.messages + messages, reason=reason[:200], channel=channel, last_at=wall)
        .returning(Outage.id)
    ).all()
    if known:
        return None
    incident = session.scalar(
        select(func.max(Outage.incident)).where(
            Outage.community_id == community_id, Outage.channel == channel, Outage.last_at > wall - TOGETHER
        )
    )
    made: int = session.execute(
        insert(Outage).returning(Outage.id),
        {
            "community_id": community_id,
            "recipient": recipient,
            "channel": channel,
            "incident": incident or 0,
            "messages": messages,
            "reason": reason[:200],
            "since": wall,
            "last_at": wall,
        },
    ).scalar_one()
    if incident:
        return None
    session.execute(update(Outage).where(Outage.community_id == community_id, Outage.id == made).values(incident=made))
    return made


_HEAL = Prepared(
    delete(Outage)
    .where(Outage.community_id == bindparam("community"), Outage.recipient == bindparam("recipient"))
    .returning(Outage.incident)
)


def healed(session: Session, *, community_id: int, recipient: str) -> int | None:
    """Something reached a recipient: the number of the incident that is over with it, if one is."""
    row = _HEAL.first(session, community=community_id, recipient=recipient)
    if row is None:
        return None
    left = session.scalar(
        select(Outage.id).where(Outage.community_id == community_id, Outage.incident == row[0]).limit(1)
    )
    return None if left is not None else int(row[0])


def lapse(session: Session, *, community_id: int, now: datetime) -> None:
    """Forgets outages of which nothing new was heard for days."""
    session.execute(delete(Outage).where(Outage.community_id == community_id, Outage.last_at < now - LAPSES))


@dataclass(frozen=True, slots=True)
class Incident:
    """What is broken together: since when, on which channel, and for whom."""

    number: int
    community_id: int
    channel: str
    since: datetime
    reason: str
    messages: int
    recipients: tuple[str, ...]


def incidents(session: Session) -> list[Incident]:
    """What is broken now, in every community, oldest first."""
    rows: Sequence[Outage] = session.scalars(select(Outage).order_by(Outage.incident, Outage.id)).all()
    together: dict[int, list[Outage]] = {}
    for row in rows:
        together.setdefault(row.incident, []).append(row)
    return [
        Incident(
            number,
            some[0].community_id,
            some[0].channel,
            min(row.since for row in some),
            some[-1].reason,
            sum(row.messages for row in some),
            tuple(row.recipient for row in some),
        )
        for number, some in together.items()
    ]


INVARIANTS = (Invariant("outages.incident", select(Outage.id).where(or_(Outage.incident < 1, Outage.messages < 0))),)
