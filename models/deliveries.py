"""The outbox as whoever keeps the bot sees it: what waits, went out or did not, what was tried; once more, or no more.

- What was sent is not sent again, and what a postman is sending at this moment is left to him.
- What is sent again keeps its key and its history; what was tried before counts for nothing any more.
- What may have arrived is not called failed, also where somebody gave it up.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, text, update
from sqlalchemy.orm import Session

from models import audit
from models.broadcast import follow_again
from models.directory import Group
from models.members.people import Member
from models.outbox import ENDED_BADLY, Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState

AGAIN_FOR = timedelta(hours=24)
"""What is sent again although its moment is over is tried for so long."""
GIVEN_UP = "given up"


class Answer(StrEnum):
    """What became of a wish of the operator's."""

    DONE = "done"
    MISSING = "missing"
    """There is no such message."""
    SENT = "sent"
    """It went out: there is nothing to do."""
    WAITING = "waiting"
    """It is tried anyway."""
    ENDED = "ended"
    """It is not tried any more anyway."""
    UNDER_WAY = "under_way"
    """It is being sent at this moment."""
    EMPTIED = "emptied"
    """Its words are not kept any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the outbox. Moments are community time, but for `retry_at` and `finished_at`."""

    id: int
    community_id: int
    key: str
    group: str
    """The group's name; empty for what is for somebody."""
    person: str
    """The member's name; empty for a group, and for an account that is nobody."""
    text: str
    state: OutboxState
    reason: str
    urgent: bool
    created_at: datetime
    not_before: datetime
    expires_at: datetime
    retry_at: datetime | None
    finished_at: datetime | None


_COLUMNS = (
    Outbox.id,
    Outbox.community_id,
    Outbox.key,
    func.coalesce(Group.name, ""),
    func.coalesce(Member.name, ""),
    Outbox.text,
    Outbox.state,
    Outbox.dead_reason,
    Outbox.urgent,
    Outbox.created_at,
    Outbox.not_before,
    Outbox.expires_at,
    Outbox.retry_at,
    Outbox.finished_at,
)


def _asked() -> Any:
    return (
        select(*_COLUMNS)
        .outerjoin(Group, and_(Group.id == Outbox.group_id, Group.community_id == Outbox.community_id))
        .outerjoin(Member, and_(Member.id == Outbox.member_id, Member.community_id == Outbox.community_id))
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(*(*row[:6], OutboxState(row[6]), *row[7:]))


def deliveries(
    session: Session,
    *,
    states: Collection[OutboxState],
    since: datetime | None = None,
    to: str = "",
    community_id: int | None = None,
    limit: int,
) -> list[Delivery]:
    """The messages in these states, newest first within a state; `to` is a group's or a person's whole name.

    `since` is for what ended: what waits is shown however old it is.
    """
    found: list[Delivery] = []
    for state in OutboxState:
        if state not in states:
            continue
        asked = _asked()
        if state is OutboxState.WAITING:
            asked = asked.where(text("outbox.state = 'waiting'")).order_by(Outbox.not_before, Outbox.id)
        elif state is OutboxState.SENT:
            asked = asked.where(Outbox.state == state).order_by(Outbox.id.desc())
        else:
            # Spelled like the index of what ended badly.
            asked = asked.where(text(ENDED_BADLY.replace("state", "outbox.state")), Outbox.state == state)
            asked = asked.order_by(Outbox.finished_at.desc(), Outbox.id.desc())
        if since is not None and state is not OutboxState.WAITING:
            asked = asked.where(Outbox.finished_at >= since)
        if to:
            asked = asked.where(or_(Group.name == to, Member.name == to))
        if community_id is not None:
            asked = asked.where(Outbox.community_id == community_id)
        found += [_delivery(row) for row in session.execute(asked.limit(limit))]
    return found


def delivery(session: Session, outbox_id: int) -> Delivery | None:
    """One message by its number."""
    row = session.execute(_asked().where(Outbox.id == outbox_id)).one_or_none()
    return None if row is None else _delivery(row)


def figures(session: Session, *, since: datetime) -> dict[OutboxState, int]:
    """How many messages wait, and how many ended otherwise than sent since a moment."""
    waiting = session.execute(select(func.count()).select_from(Outbox).where(text("state = 'waiting'"))).scalar_one()
    badly = session.execute(
        select(Outbox.state, func.count()).where(text(ENDED_BADLY), Outbox.finished_at >= since).group_by(Outbox.state)
    )
    ended: dict[str, int] = {row[0]: row[1] for row in badly}
    return {OutboxState.WAITING: waiting, **{state: ended[state] for state in OutboxState if state in ended}}


@dataclass(frozen=True, slots=True)
class Tried:
    """One request to a platform that carried a message. Moments are wall time."""

    began_at: datetime
    ended_at: datetime | None
    channel: str
    outcome: AttemptOutcome
    detail: str


def tried(session: Session, outbox_id: int) -> list[Tried]:
    """What was tried with a message, oldest first."""
    rows = session.execute(
        select(Attempt.began_at, Attempt.ended_at, Attempt.channel, Attempt.outcome, Attempt.detail)
        .join(AttemptItem, AttemptItem.attempt_id == Attempt.id)
        .where(AttemptItem.outbox_id == outbox_id)
        .order_by(Attempt.id)
    )
    return [Tried(row[0], row[1], row[2], AttemptOutcome(row[3]), row[4]) for row in rows]


def send_again(session: Session, outbox_id: int, *, now: datetime) -> Answer:
    """Lets a message that failed, stayed unknown or was handed on be tried again, as if for the first time."""
    known = delivery(session, outbox_id)
    refused = _not_again(known)
    if known is None or refused is not None:
        return refused or Answer.MISSING
    newest = (
        select(func.coalesce(func.max(AttemptItem.attempt_id), 0))
        .where(AttemptItem.outbox_id == outbox_id)
        .scalar_subquery()
    )
    changed = session.execute(
        update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.state == known.state)
        .values(
            state=OutboxState.WAITING,
            tries=0,
            dead_reason="",
            finished_at=None,
            not_before=now,
            expires_at=max(known.expires_at, now + AGAIN_FOR),
            again_after=newest,
        )
        .returning(Outbox.community_id, Outbox.ref, Outbox.key)
    ).one_or_none()
    if changed is None:
        return Answer.WAITING
    session.info["posted"] = True
    follow_again(session, community_id=changed.community_id, ref=changed.ref, key=changed.key, now=now)
    _write_down(session, known, "send_again", now)
    return Answer.DONE


def _not_again(known: Delivery | None) -> Answer | None:
    """Why a message is not sent again; None where it may be."""
    if known is None:
        return Answer.MISSING
    if known.state in (OutboxState.SENT, OutboxState.WAITING):
        return Answer.SENT if known.state is OutboxState.SENT else Answer.WAITING
    return None if known.text else Answer.EMPTIED


def give_up(session: Session, outbox_id: int, *, now: datetime, wall: datetime) -> Answer:
    """Ends a message that waits: it is not tried any more."""
    known = delivery(session, outbox_id)
    if known is None:
        return Answer.MISSING
    if known.state is not OutboxState.WAITING:
        return Answer.SENT if known.state is OutboxState.SENT else Answer.ENDED
    running, unknown = (
        exists()
        .where(
            AttemptItem.outbox_id == Outbox.id,
            Attempt.id == AttemptItem.attempt_id,
            Attempt.outcome == outcome,
            Attempt.id > Outbox.again_after,
        )
        .correlate(Outbox)
        for outcome in (AttemptOutcome.RUNNING, AttemptOutcome.UNKNOWN)
    )
    ended = session.scalars(
        update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.state == OutboxState.WAITING, ~running)
        .values(
            state=case((unknown, OutboxState.UNKNOWN), else_=OutboxState.FAILED),
            dead_reason=GIVEN_UP,
            finished_at=wall,
            lease="",
            leased_until=None,
            retry_at=None,
        )
        .returning(Outbox.id)
    ).all()
    if not ended:
        return Answer.UNDER_WAY
    _write_down(session, known, "give_up", now)
    return Answer.DONE


def _write_down(session: Session, known: Delivery, action: str, now: datetime) -> None:
    audit.record(
        session,
        community_id=known.community_id,
        at=now,
        member_id=None,
        action=action,
        object_ref=f"outbox:{known.id}",
        group_id=None,
        channel="",
        message_id="",
        detail={"state": str(known.state)},
    )
