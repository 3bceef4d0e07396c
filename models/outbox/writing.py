"""A message is put in, once per key; taken back while nobody has begun to send it; and asked after."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from models.base import Button, Card, Enclosure, Placard
from models.database import Prepared
from models.outbox.messages import Outbox, OutboxState

_PUT = Prepared(
    lambda insert: insert(Outbox).on_conflict_do_nothing(),
    makes=Outbox.id,
    columns=(
        "community_id",
        "key",
        "group_id",
        "member_id",
        "namespace",
        "external_id",
        "text",
        "ref",
        "buttons",
        "placard",
        "card",
        "enclosure",
        "created_at",
        "not_before",
        "expires_at",
        "urgent",
        "otherwise",
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
    account: tuple[str, str] | None = None,
    ref: str = "",
    not_before: datetime | None = None,
    buttons: Sequence[Button] = (),
    placard: Placard | None = None,
    card: Card | None = None,
    enclosure: Enclosure | None = None,
    urgent: bool = False,
    otherwise: str = "",
) -> bool:
    """Puts a message into the outbox once per `key`; False where it was put in before.

    `account` is the namespace and the outside id of somebody who is no member. The text says without its buttons what
    can be answered, and without its `placard` or `card` what stands there; with an `enclosure` a file comes in its
    place. `urgent` ones wait neither for the end of the quiet hours nor for the next day. `otherwise` is what the
    building lead is told (in words of its own, which say whom to tell what) where no channel reaches the group or the
    person: never anything private.
    """
    row = _PUT.first(
        session,
        community_id=community_id,
        key=key,
        group_id=group_id,
        member_id=member_id,
        namespace=account[0] if account else None,
        external_id=account[1] if account else None,
        text=message,
        ref=ref,
        buttons=buttons or None,
        placard=placard,
        card=card,
        enclosure=enclosure,
        created_at=now,
        not_before=not_before or now,
        expires_at=expires_at,
        urgent=urgent,
        otherwise=otherwise,
    )
    if row is not None:
        session.info["posted"] = True
    return row is not None


def withdraw(session: Session, *, community_id: int, keys: Sequence[str], reason: str, wall: datetime) -> int:
    """Ends what nobody has begun to send yet; returns how many of these messages that were."""
    ended = session.scalars(
        update(Outbox)
        .where(
            Outbox.community_id == community_id,
            Outbox.key.in_(keys),
            Outbox.state == OutboxState.WAITING,
            Outbox.tries == 0,
            Outbox.leased_until.is_(None),
        )
        .values(state=OutboxState.FAILED, dead_reason=reason[:200], finished_at=wall)
        .returning(Outbox.id)
    ).all()
    return len(ended)


def reinstate(session: Session, *, community_id: int, keys: Sequence[str], reason: str) -> int:
    """Lets wait again what was withdrawn for this reason; returns how many of these messages that were."""
    again = session.scalars(
        update(Outbox)
        .where(
            Outbox.community_id == community_id,
            Outbox.key.in_(keys),
            Outbox.state == OutboxState.FAILED,
            Outbox.dead_reason == reason,
        )
        .values(state=OutboxState.WAITING, dead_reason="", finished_at=None)
        .returning(Outbox.id)
    ).all()
    if again:
        session.info["posted"] = True
    return len(again)


def fate(session: Session, *, community_id: int, key: str) -> OutboxState | None:
    """What became of the message under a key, of several whose keys go on from it of the last; None: there was none.

    Who concludes something from silence asks here first: what was never heard was never refused.
    """
    state = session.scalar(
        select(Outbox.state)
        .where(
            Outbox.community_id == community_id,
            or_(Outbox.key == key, Outbox.key.startswith(f"{key}:", autoescape=True)),
        )
        .order_by(Outbox.id.desc())
        .limit(1)
    )
    return OutboxState(state) if state is not None else None


def is_unheard(session: Session, *, community_id: int, key: str) -> bool:
    """Whether a question was put out and has not arrived, as far as anybody knows: its silence says nothing."""
    return fate(session, community_id=community_id, key=key) not in (None, OutboxState.SENT)
