"""What lies in the outbox: the buttons that somebody was shown, what waits, what ended badly."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from models.base import Button, buttons_of
from models.outbox.messages import ENDED_BADLY, STILL_WAITING, Outbox, OutboxState

RECENT = 2_000
"""Rows behind the newest in which a pressed or numbered message is looked for."""


def offered(
    session: Session,
    *,
    community_id: int,
    group_id: int | None,
    member_id: int | None,
    quoted: str,
    since: datetime,
) -> tuple[Button, ...]:
    """The buttons of the message to this group or person that is quoted, or of their last one where none is.

    Nothing older than `since` counts, nor anything that nobody has seen.
    """
    recipient = Outbox.group_id == group_id if group_id is not None else Outbox.member_id == member_id
    newest = select(func.max(Outbox.id)).scalar_subquery()
    found = select(Outbox.buttons).where(
        Outbox.id > newest - RECENT,
        Outbox.community_id == community_id,
        recipient,
        # Or on its way: people are quicker than a platform's acknowledgement.
        or_(Outbox.state.in_([OutboxState.SENT, OutboxState.UNKNOWN]), Outbox.leased_until.is_not(None)),
        Outbox.not_before >= since,
    )
    if quoted:
        found = found.where(Outbox.text == quoted)
    return buttons_of(session.scalars(found.order_by(Outbox.id.desc()).limit(1)).first())


def waiting_count(session: Session, *, now: datetime) -> int:
    """How many messages are due and not out."""
    return int(
        session.execute(
            select(func.count()).select_from(Outbox).where(Outbox.state == STILL_WAITING, Outbox.not_before <= now)
        ).scalar_one()
    )


def overdue(session: Session, *, before: datetime) -> tuple[int, datetime | None]:
    """How many messages that were due before a moment still wait, and since when the oldest does."""
    count, oldest = session.execute(
        select(func.count(), func.min(Outbox.not_before)).where(
            Outbox.state == STILL_WAITING, Outbox.not_before <= before
        )
    ).one()
    return count, oldest


@dataclass(frozen=True, slots=True)
class EndedBadly:
    """Messages that did not go out, or of which nobody knows, by their reason."""

    state: str
    reason: str
    count: int


def ended_badly(session: Session, *, since: datetime) -> list[EndedBadly]:
    """What failed or stayed unknown since a moment, most frequent first."""
    rows = session.execute(
        select(Outbox.state, Outbox.dead_reason, func.count())
        .where(text(ENDED_BADLY), Outbox.state != OutboxState.HANDED_ON, Outbox.finished_at >= since)
        .group_by(Outbox.state, Outbox.dead_reason)
        .order_by(func.count().desc())
    )
    return [EndedBadly(*row) for row in rows]
