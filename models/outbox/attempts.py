"""One request to a platform: written down before it is made, ended by its answer, counted for the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.orm import Session

from models.base import Moment
from models.database import lock_name
from models.outbox.messages import LONGEST_SEND, Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState


class LeaseLost(Exception):
    """Not all of these messages are ours to send any more: another postman has them, or they ended."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt for a message that has no answer: it may have arrived."""

    outbox_id: int
    attempt_id: int
    channel: str
    interrupted: bool
    """It was begun and never ended: its postman died."""


def lost_attempts(session: Session, ids: list[int]) -> list[Lost]:
    """The attempts for these messages that have no answer, oldest first."""
    return [
        Lost(row.outbox_id, row.id, row.channel, row.outcome == AttemptOutcome.RUNNING)
        for row in session.execute(
            select(AttemptItem.outbox_id, Attempt.id, Attempt.channel, Attempt.outcome)
            .join(Attempt, AttemptItem.attempt_id == Attempt.id)
            .join(Outbox, AttemptItem.outbox_id == Outbox.id)
            .where(
                AttemptItem.outbox_id.in_(ids),
                Attempt.outcome.in_([AttemptOutcome.RUNNING, AttemptOutcome.UNKNOWN]),
                Attempt.id > Outbox.again_after,
            )
            .order_by(Attempt.id)
        )
    ]


def refusals(session: Session, ids: list[int]) -> dict[int, set[tuple[str, str]]]:
    """Which channels and addresses said no for good to these messages, by message."""
    refused: dict[int, set[tuple[str, str]]] = {}
    for row in session.execute(
        select(AttemptItem.outbox_id, Attempt.channel, Attempt.address)
        .join(Attempt, AttemptItem.attempt_id == Attempt.id)
        .join(Outbox, AttemptItem.outbox_id == Outbox.id)
        .where(
            AttemptItem.outbox_id.in_(ids),
            Attempt.outcome == AttemptOutcome.REFUSED,
            Attempt.id > Outbox.again_after,
        )
    ):
        refused.setdefault(row.outbox_id, set()).add((row.channel, row.address))
    return refused


def waiting_time(
    session: Session,
    *,
    channel: str,
    address: str,
    limits: Sequence[tuple[int, timedelta]],
    wall: datetime,
) -> timedelta:
    """How long this address has to rest before the next attempt; nothing for now.

    It keeps every limit, and the rest that the platform asked for. The platform counts when a request arrives, which is
    some time between the beginning and the end of its attempt: it counts until a span after its end.
    """
    asked = session.scalar(
        select(Attempt.rest_until)
        # What was written before the clock was set back is no answer of now.
        .where(Attempt.channel == channel, Attempt.address == address, Attempt.began_at <= wall + LONGEST_SEND)
        .order_by(Attempt.began_at.desc(), Attempt.id.desc())
        .limit(1)
    )
    wait = timedelta(0) if asked is None else max(timedelta(0), asked - wall)
    for count, per in limits:
        arrived = func.coalesce(Attempt.ended_at, literal(wall, Moment()))
        oldest = session.scalar(
            select(arrived)
            .where(
                Attempt.channel == channel,
                Attempt.address == address,
                # Beyond a span ahead of us lies what was written before the clock was set back.
                Attempt.began_at.between(wall - per - LONGEST_SEND, wall + per),
                arrived > wall - per,
                Attempt.outcome != AttemptOutcome.NOT_SENT,
            )
            .order_by(arrived.desc())
            .offset(count - 1)
            .limit(1)
        )
        if oldest is not None:
            wait = max(wait, oldest + per - wall)
    return wait


def lock_address(session: Session, *, channel: str, address: str) -> None:
    """Lets one postman at a time count the attempts of an address, until the transaction ends."""
    lock_name(session, f"{channel}/{address}")


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is written down, and how many there were by now for each of its messages."""

    attempt_id: int
    tries: dict[int, int]


def begin_attempt(
    session: Session,
    *,
    community_id: int,
    channel: str,
    address: str,
    ids: list[int],
    token: str,
    now: datetime,
    wall: datetime,
    until: datetime,
) -> Begun:
    """Writes down that these messages are about to be sent, and renews their lease.

    Raises LeaseLost where not all of them are ours, live and still to the point; nothing must be written then.
    """
    held = session.execute(
        update(Outbox)
        .where(
            Outbox.id.in_(ids),
            Outbox.lease == token,
            Outbox.leased_until > wall,
            Outbox.state == OutboxState.WAITING,
            Outbox.expires_at > now,
        )
        .values(tries=Outbox.tries + 1, leased_until=until)
        .returning(Outbox.id, Outbox.tries)
    ).all()
    if len(held) != len(ids):
        raise LeaseLost
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
    return Begun(attempt_id, {row.id: row.tries for row in held})


def end_attempt(
    session: Session,
    *,
    attempt_id: int,
    outcome: AttemptOutcome,
    detail: str,
    wall: datetime,
    rest_until: datetime | None = None,
) -> None:
    """Writes down what became of an attempt. What is known stays: `unknown` overwrites no answer."""
    known = [AttemptOutcome.RUNNING]
    if outcome is not AttemptOutcome.UNKNOWN:
        # A postman that everybody gave up may still bring its answer.
        known.append(AttemptOutcome.UNKNOWN)
    session.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id, Attempt.outcome.in_(known))
        .values(outcome=outcome, detail=detail[:200], ended_at=wall, rest_until=rest_until)
    )
