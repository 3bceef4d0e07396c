"""The postman holds what is due for the time of a lease, and says what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from models.base import Button, Card, Enclosure, Placard, buttons_of, card_of, enclosure_of, placard_of
from models.database import Among, Prepared, lock_name
from models.outbox.messages import HELD, STILL_WAITING, Outbox, OutboxState


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
    expires_at: datetime
    parts_sent: int
    namespace: str | None = None
    external_id: str | None = None
    """The account that is written to, where the recipient is no member."""
    buttons: tuple[Button, ...] = ()
    urgent: bool = False
    otherwise: str = ""
    placard: Placard | None = None
    card: Card | None = None
    enclosure: Enclosure | None = None


_other = aliased(Outbox, name="other")


def _busy(recipient: Any) -> Any:
    """Groups, members or accounts of whom a postman holds a message, or has one that waits for its next try."""
    return select(recipient).where(
        _other.state == STILL_WAITING,
        text(f"({HELD.replace('leased_until', 'other.leased_until').replace('retry_at', 'other.retry_at')})"),
        or_(_other.leased_until > bindparam("wall"), _other.retry_at > bindparam("wall")),
        recipient.is_not(None),
    )


_COLUMNS = (
    Outbox.id,
    Outbox.community_id,
    Outbox.group_id,
    Outbox.member_id,
    Outbox.text,
    Outbox.ref,
    Outbox.not_before,
    Outbox.expires_at,
    Outbox.parts_sent,
    Outbox.namespace,
    Outbox.external_id,
    Outbox.buttons,
    Outbox.urgent,
    Outbox.otherwise,
    Outbox.placard,
    Outbox.card,
    Outbox.enclosure,
)

_DUE = Prepared(
    select(*_COLUMNS)
    .where(
        Outbox.state == STILL_WAITING,
        Outbox.not_before <= bindparam("now"),
        or_(Outbox.leased_until.is_(None), Outbox.leased_until <= bindparam("wall")),
        or_(
            # What is pointless by now ends, whatever it waits for.
            Outbox.expires_at <= bindparam("now"),
            and_(
                or_(Outbox.retry_at.is_(None), Outbox.retry_at <= bindparam("wall")),
                or_(Outbox.group_id.is_(None), Outbox.group_id.not_in(_busy(_other.group_id))),
                or_(Outbox.member_id.is_(None), Outbox.member_id.not_in(_busy(_other.member_id))),
                or_(Outbox.external_id.is_(None), Outbox.external_id.not_in(_busy(_other.external_id))),
            ),
        ),
    )
    .order_by(Outbox.not_before, Outbox.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, of=Outbox)
)

_TAKE = Prepared(
    update(Outbox).where(Among(Outbox.id, "ids")).values(lease=bindparam("token"), leased_until=bindparam("until"))
)


def claim(session: Session, *, now: datetime, wall: datetime, until: datetime, token: str, most: int) -> list[Claimed]:
    """Takes what is due for a lease, in order of the moment it was due; another postman passes it by.

    Takes what has expired too, so that it ends. `token` names this one claim: whoever comes with an older one has lost
    its lease.
    """
    # Two claims at once would each miss that the other takes a message of the same recipient.
    lock_name(session, "outbox")
    # Found and taken by two statements: as one, PostgreSQL would walk over the whole table for so many ids that it
    # cannot foresee.
    rows = _DUE.all(session, now=now, wall=wall, most=most)
    found = [_claimed(row) for row in rows]
    if found:
        _TAKE.run(session, ids=[message.id for message in found], token=token, until=until)
    return found


def _claimed(row: Sequence[Any]) -> Claimed:
    *first, buttons, urgent, otherwise, placard, card, enclosure = row
    shown = placard_of(placard), card_of(card), enclosure_of(enclosure)
    return Claimed(*(*first, buttons_of(buttons), urgent, otherwise, *shown))


def finish(
    session: Session, *, ids: list[int], token: str, state: OutboxState, wall: datetime, reason: str = ""
) -> None:
    """Ends messages; does nothing for those whose lease another postman holds by now."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(state=state, dead_reason=reason[:200], finished_at=wall, lease="", leased_until=None, retry_at=None)
    )


def put_back(session: Session, *, ids: list[int], token: str, retry_at: datetime, reason: str = "") -> None:
    """Lets messages wait for their next try; does nothing for those whose lease another postman holds by now."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(retry_at=retry_at, lease="", leased_until=None, dead_reason=reason[:200])
    )


def release(session: Session, *, ids: list[int], token: str) -> None:
    """Gives up the lease of messages that were not tried: whoever comes next takes them."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(lease="", leased_until=None)
    )


def hold(session: Session, *, ids: list[int], token: str, until: datetime, reason: str) -> None:
    """Lets messages be due later, in community time; does nothing for those whose lease another postman holds."""
    session.execute(
        update(Outbox)
        .where(Outbox.id.in_(ids), Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(not_before=until, retry_at=None, lease="", leased_until=None, dead_reason=reason)
    )


def part_sent(session: Session, *, outbox_id: int, token: str, parts: int) -> None:
    """Remembers how many parts of a long message are out; the next one has all its tries before it."""
    session.execute(
        update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(parts_sent=parts, tries=0)
    )


def next_due(session: Session, *, after: datetime, before: datetime) -> datetime | None:
    """The first moment in a span of community time, without its ends, at which a waiting message is due."""
    return session.scalar(
        select(Outbox.not_before)
        .where(Outbox.state == STILL_WAITING, Outbox.not_before > after, Outbox.not_before < before)
        .order_by(Outbox.not_before)
        .limit(1)
    )
