"""What must go out: one row for each message to a group or a person, written in the transaction that causes it.

`not_before` and `expires_at` are community time (when it is due, when it is pointless); leases, retries and limits are
wall time. The postman (`bot/delivery.py`) claims rows for a lease, writes an attempt, sends outside of any
transaction, and writes the outcome.

- `(community_id, key)` is unique: what is put in twice under one key goes out once.
- A row is for one group or one person.
- A row ends as sent, failed or unknown; none stays forever. What failed says why.
- Limits are counted from attempts, so that restarts and replicas share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared
from models.directory import Endpoint, Identity


class OutboxState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    """Not out yet: not due, leased to a postman, or waiting for its next try."""
    SENT = "sent"
    """The platform took all of it."""
    FAILED = "failed"
    """It will not go out: refused for good, expired, or nowhere to send it. `dead_reason` says which."""
    UNKNOWN = "unknown"
    """It was sent and the answer was lost. It may have arrived."""


class AttemptOutcome(StrEnum):
    """What became of one request to a platform."""

    RUNNING = "running"
    """Begun; its answer is not here yet, or its postman died."""
    SENT = "sent"
    """The platform took it."""
    FAILED = "failed"
    """The platform said no."""
    NOT_SENT = "not_sent"
    """It never left: nothing listened. It counts for no limit."""
    UNKNOWN = "unknown"
    """No answer came. It may have arrived."""


class Outbox(Base):
    """One message to one group or one person."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("community_id", "key", name="uq_outbox_key"),
        CheckConstraint("(group_id IS NULL) <> (member_id IS NULL)", name="one_recipient"),
        Index(
            "ix_outbox_due",
            "not_before",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    key: Mapped[str] = mapped_column(String(120))
    """Names the occurrence, the recipient and the moment: `activity-reminder:12:2h:group:3:2026-11-28T01:00`."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    text: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(String(40), server_default="")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    parts_sent: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of a text that was split: how many parts are out."""
    retry_at: Mapped[datetime | None]
    """Wall time before which it is not tried again."""
    leased_until: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(String(32), server_default="")
    """Whose lease it is: a postman that lost its lease cannot write an outcome."""
    dead_reason: Mapped[str] = mapped_column(String(200), server_default="")
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One request to a platform, written before it is made: what limits are counted from."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_address", "channel", "address", "began_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    channel: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(200))
    began_at: Mapped[datetime]
    """Wall time."""
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(12), server_default="running")
    detail: Mapped[str] = mapped_column(String(200), server_default="")


class AttemptItem(Base):
    """Which messages an attempt carried: several that were merged share one."""

    __tablename__ = "attempt_items"
    __table_args__ = (Index("ix_attempt_items_outbox", "outbox_id"),)

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), primary_key=True)


_PUT = Prepared(
    lambda insert: insert(Outbox).on_conflict_do_nothing(),
    makes=Outbox.id,
    columns=(
        "community_id",
        "key",
        "group_id",
        "member_id",
        "text",
        "ref",
        "created_at",
        "not_before",
        "expires_at",
    ),
)


def put(
    session: Session,
    *,
    community_id: int,
    key: str,
    message: str,
    now: datetime,
    expires_at: datetime,
    group_id: int | None = None,
    member_id: int | None = None,
    ref: str = "",
    not_before: datetime | None = None,
) -> bool:
    """Puts a message into the outbox once per `key`; False where it was put in before."""
    row = _PUT.first(
        session,
        community_id=community_id,
        key=key,
        group_id=group_id,
        member_id=member_id,
        text=message,
        ref=ref,
        created_at=now,
        not_before=not_before or now,
        expires_at=expires_at,
    )
    if row is not None:
        session.info["posted"] = True
    return row is not None


# -- what the postman does ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that a postman holds for the time of its lease."""

    id: int
    community_id: int
    group_id: int | None
    member_id: int | None
    text: str
    ref: str
    not_before: datetime
    tries: int
    parts_sent: int


_free = and_(
    Outbox.state == OutboxState.WAITING,
    Outbox.not_before <= bindparam("now"),
    or_(Outbox.retry_at.is_(None), Outbox.retry_at <= bindparam("wall")),
    or_(Outbox.leased_until.is_(None), Outbox.leased_until <= bindparam("wall")),
)

_CLAIM = Prepared(
    update(Outbox)
    .where(
        Outbox.id.in_(
            select(Outbox.id)
            .where(_free)
            .order_by(Outbox.not_before, Outbox.id)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(lease=bindparam("token"), leased_until=bindparam("until"))
    .returning(
        Outbox.id,
        Outbox.community_id,
        Outbox.group_id,
        Outbox.member_id,
        Outbox.text,
        Outbox.ref,
        Outbox.not_before,
        Outbox.tries,
        Outbox.parts_sent,
    )
)

_EXPIRE = Prepared(
    update(Outbox)
    .where(_free, Outbox.expires_at <= bindparam("now"))
    .values(
        state=OutboxState.FAILED, dead_reason=bindparam("reason"), finished_at=bindparam("wall"), leased_until=None
    )
    .returning(Outbox.id)
)


def expire(session: Session, *, now: datetime, wall: datetime) -> int:
    """Ends what was not out by its moment: it is reported, never sent late. Returns how many."""
    return len(_EXPIRE.all(session, now=now, wall=wall, reason="expired"))


def claim(
    session: Session, *, now: datetime, wall: datetime, until: datetime, token: str, most: int
) -> list[Claimed]:
    """Takes what is due for a lease; another postman passes it by. In order of the moment it was due."""
    rows = _CLAIM.all(session, now=now, wall=wall, until=until, token=token, most=most)
    return sorted((Claimed(*row) for row in rows), key=lambda one: (one.not_before, one.id))


def interrupted(session: Session, ids: list[int]) -> dict[int, int]:
    """Which of these messages have an attempt that was begun and never ended: a postman died. Message id to attempt id."""
    return {
        row.outbox_id: row.id
        for row in session.execute(
            select(AttemptItem.outbox_id, Attempt.id)
            .join(Attempt, AttemptItem.attempt_id == Attempt.id)
            .where(AttemptItem.outbox_id.in_(ids), Attempt.outcome == AttemptOutcome.RUNNING)
        )
    }


def waiting_time(
    session: Session,
    *,
    channel: str,
    address: str,
    limits: Sequence[tuple[int, timedelta]],
    wall: datetime,
) -> timedelta:
    """How long this address has to rest before the next attempt keeps every limit; nothing for now."""
    wait = timedelta(0)
    for count, per in limits:
        began = session.scalars(
            select(Attempt.began_at)
            .where(
                Attempt.channel == channel,
                Attempt.address == address,
                Attempt.began_at > wall - per,
                Attempt.outcome != AttemptOutcome.NOT_SENT,
            )
            .order_by(Attempt.began_at.desc())
            .limit(count)
        ).all()
        if len(began) >= count:
            wait = max(wait, began[-1] + per - wall)
    return wait


def lock_address(session: Session, *, channel: str, address: str) -> None:
    """Lets one postman at a time count the attempts of an address. SQLite's one writer needs no lock."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{channel}/{address}"))))


def begin_attempt(
    session: Session, *, community_id: int, channel: str, address: str, ids: list[int], token: str, wall: datetime
) -> int | None:
    """Writes down that these messages are about to be sent; None where the lease is not ours any more."""
    held = session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(tries=Outbox.tries + 1)
        .returning(Outbox.id)
    ).all()
    if len(held) != len(ids):
        return None
    attempt_id: int = session.execute(
        insert(Attempt).returning(Attempt.id),
        {
            "community_id": community_id,
            "channel": channel,
            "address": address,
            "began_at": wall,
            "outcome": AttemptOutcome.RUNNING,
        },
    ).scalar_one()
    session.execute(insert(AttemptItem), [{"attempt_id": attempt_id, "outbox_id": one} for one in ids])
    return attempt_id


def end_attempt(
    session: Session, *, attempt_id: int, outcome: "AttemptOutcome", detail: str, wall: datetime
) -> None:
    """Writes down what became of an attempt."""
    session.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id)
        .values(outcome=outcome, detail=detail[:200], ended_at=wall)
    )


def finish(
    session: Session, *, ids: list[int], token: str, state: OutboxState, wall: datetime, reason: str = ""
) -> None:
    """Ends messages; does nothing for those whose lease another postman holds by now."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(state=state, dead_reason=reason[:200], finished_at=wall, leased_until=None)
    )


def put_back(
    session: Session, *, ids: list[int], token: str, retry_at: datetime, reason: str = ""
) -> None:
    """Lets messages wait for their next try."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(retry_at=retry_at, leased_until=None, dead_reason=reason[:200])
    )


def part_sent(session: Session, *, outbox_id: int, token: str, parts: int) -> None:
    """Remembers how many parts of a long message are out."""
    session.execute(
        update(Outbox).where(Outbox.id == outbox_id, Outbox.lease == token).values(parts_sent=parts)
    )


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a recipient. A group's has the channel's name and the sealed secret, a person's only its namespace."""

    channel: str
    namespace: str
    address: str
    sealed_secret: str


def routes(session: Session, message: Claimed) -> list[Route]:
    """All ways to a message's recipient, oldest first."""
    if message.group_id is not None:
        rows = session.execute(
            select(Endpoint.channel, Endpoint.address, Endpoint.sealed_secret)
            .where(Endpoint.community_id == message.community_id, Endpoint.group_id == message.group_id)
            .order_by(Endpoint.id)
        )
        return [Route(row.channel, "", row.address, row.sealed_secret) for row in rows]
    found = session.execute(
        select(Identity.namespace, Identity.external_id)
        .where(Identity.community_id == message.community_id, Identity.member_id == message.member_id)
        .order_by(Identity.id)
    )
    return [Route("", row.namespace, row.external_id, "") for row in found]


def waiting_count(session: Session, *, now: datetime) -> int:
    """How many messages are due and not out."""
    return int(
        session.execute(
            select(func.count()).where(Outbox.state == OutboxState.WAITING, Outbox.not_before <= now)
        ).scalar_one()
    )
