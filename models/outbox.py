"""What must go out: one row for each message to a group or somebody, written in the transaction that causes it.

`not_before` and `expires_at` are community time (when it is due, when it is pointless); leases, retries and limits are
wall time. The postman (`bot/delivery.py`) claims rows for a lease, writes an attempt, sends outside of any
transaction, and writes the outcome.

- `(community_id, key)` is unique: what is put in twice under one key goes out once.
- A row is for one group, or one person, or one account that is nobody yet (who asked to be recognised).
- A row ends as sent, failed, unknown or handed on; none stays forever. What failed says why, and what may have arrived
  is never called failed.
- A recipient is served by one postman at a time and in order: while one of their messages is leased or waits for its
  next try, the others wait behind it.
- Limits are counted from attempts, so that restarts and replicas share them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    false,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Button, Card, Moment, Placard, buttons_of, card_of, placard_of
from models.database import Among, Prepared, lock_name
from models.directory import Endpoint, Group, Identity
from models.members.merging import keeper_of
from models.members.people import Member
from models.units import Unit


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
    HANDED_ON = "handed_on"
    """No channel reaches the recipient: whoever is responsible for their unit was told instead."""


class AttemptOutcome(StrEnum):
    """What became of one request to a platform."""

    RUNNING = "running"
    """Begun; its answer is not here yet, or its postman died."""
    SENT = "sent"
    """The platform took it."""
    FAILED = "failed"
    """The platform said no, for now."""
    REFUSED = "refused"
    """The platform said no for good: this address does not take this message."""
    NOT_SENT = "not_sent"
    """It never left: nothing listened. It counts for no limit."""
    UNKNOWN = "unknown"
    """No answer came. It may have arrived."""


HELD = "(leased_until IS NOT NULL OR retry_at IS NOT NULL)"
"""Spelled alike in the index and in the statement: SQLite compares the words."""

ENDED_BADLY = "state IN ('failed', 'unknown', 'handed_on')"
"""What did not reach whom it was for, or of which nobody knows. Spelled alike in the index and in its statements."""

LONGEST_SEND = timedelta(seconds=60)
"""No attempt is under way for longer, whatever the settings say."""


ONE_RECIPIENT = (
    "(group_id IS NOT NULL AND member_id IS NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NOT NULL AND external_id IS NULL)"
    " OR (group_id IS NULL AND member_id IS NULL AND external_id IS NOT NULL AND namespace IS NOT NULL)"
)


class Outbox(Base):
    """One message to one group, one person or one account."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("community_id", "key", name="uq_outbox_key"),
        CheckConstraint(ONE_RECIPIENT, name="one_recipient"),
        Index(
            "ix_outbox_due",
            "not_before",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        # Few rows are ever in it: those that a postman holds, and those that wait for their next try.
        Index(
            "ix_outbox_held",
            "leased_until",
            "retry_at",
            sqlite_where=text(f"state = 'waiting' AND {HELD}"),
            postgresql_where=text(f"state = 'waiting' AND {HELD}"),
        ),
        Index(
            "ix_outbox_ended_badly",
            "finished_at",
            sqlite_where=text(ENDED_BADLY),
            postgresql_where=text(ENDED_BADLY),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    key: Mapped[str] = mapped_column(String(120))
    """Names the occurrence, the recipient and the moment: `activity-reminder:12:2h:group:3:2026-11-28T01:00`."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    namespace: Mapped[str | None] = mapped_column(String(80))
    external_id: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(String(40), server_default="")
    buttons: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What can be pressed beside it; see `Button`."""
    placard: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What is shown in place of the text where a channel shows pictures; see `Placard`."""
    card: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """What is shown in place of the text where a channel shows cards; see `Card`."""
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    urgent: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """It waits for no quiet hours and no ceiling."""
    otherwise: Mapped[str] = mapped_column(Text, server_default="")
    """What the building lead is told where no channel reaches the recipient; empty for what is nobody else's."""
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    tries: Mapped[int] = mapped_column(Integer, server_default="0")
    """Attempts for what is to go out next: the message, or its next part."""
    parts_sent: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of a text that was split: how many parts are out."""
    retry_at: Mapped[datetime | None]
    """Wall time before which it is not tried again."""
    leased_until: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(String(32), server_default="")
    """Whose lease it is: a postman that lost its lease cannot write an outcome."""
    dead_reason: Mapped[str] = mapped_column(String(200), server_default="")
    again_after: Mapped[int] = mapped_column(server_default="0")
    """The newest attempt when somebody had it sent again: what was tried up to there says nothing any more."""
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
    rest_until: Mapped[datetime | None]
    """Wall time before which the platform wants to hear nothing more for this address."""


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
        "namespace",
        "external_id",
        "text",
        "ref",
        "buttons",
        "placard",
        "card",
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
    urgent: bool = False,
    otherwise: str = "",
) -> bool:
    """Puts a message into the outbox once per `key`; False where it was put in before.

    `account` is the namespace and the outside id of somebody who is no member. The text says without its buttons what
    can be answered, and without its `placard` or `card` what stands there. `urgent` ones wait neither for the end of
    the quiet hours nor for the next day. `otherwise` is what the building lead is told (in words of its own, which say
    whom to tell what) where no channel reaches the group or the person: never anything private.
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
        created_at=now,
        not_before=not_before or now,
        expires_at=expires_at,
        urgent=urgent,
        otherwise=otherwise,
    )
    if row is not None:
        session.info["posted"] = True
    return row is not None


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


# -- what the postman does ----------------------------------------


class LeaseLost(Exception):
    """Not all of these messages are ours to send any more: another postman has them, or they ended."""


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


# A literal: neither database uses a partial index for a parameter that happens to say the same.
_waiting: Any = literal_column("'waiting'")
_other = aliased(Outbox, name="other")


def _busy(recipient: Any) -> Any:
    """Groups, members or accounts of whom a postman holds a message, or has one that waits for its next try."""
    return select(recipient).where(
        _other.state == _waiting,
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
)

_DUE = Prepared(
    select(*_COLUMNS)
    .where(
        Outbox.state == _waiting,
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
    found = [
        Claimed(*(*row[:-5], buttons_of(row[-5]), *row[-4:-2], placard_of(row[-2]), card_of(row[-1]))) for row in rows
    ]
    if found:
        _TAKE.run(session, ids=[message.id for message in found], token=token, until=until)
    return found


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


def next_due(session: Session, *, after: datetime, before: datetime) -> datetime | None:
    """The first moment in a span of community time, without its ends, at which a waiting message is due."""
    return session.scalar(
        select(Outbox.not_before)
        .where(Outbox.state == _waiting, Outbox.not_before > after, Outbox.not_before < before)
        .order_by(Outbox.not_before)
        .limit(1)
    )


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


def part_sent(session: Session, *, outbox_id: int, token: str, parts: int) -> None:
    """Remembers how many parts of a long message are out; the next one has all its tries before it."""
    session.execute(
        update(Outbox)
        .where(Outbox.id == outbox_id, Outbox.lease == token, Outbox.state == OutboxState.WAITING)
        .values(parts_sent=parts, tries=0)
    )


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a recipient. A group's has the channel's name and the sealed secret, a person's only its namespace."""

    channel: str
    namespace: str
    address: str
    sealed_secret: str
    opened: bool = True
    """False for somebody who has never written to the bot alone, as far as anybody had to know."""


def routes(session: Session, message: Claimed) -> list[Route]:
    """All ways to a message's recipient, oldest first."""
    if message.group_id is not None:
        rows = session.execute(
            select(Endpoint.channel, Endpoint.address, Endpoint.sealed_secret)
            .where(Endpoint.community_id == message.community_id, Endpoint.group_id == message.group_id)
            .order_by(Endpoint.id)
        )
        return [Route(row.channel, "", row.address, row.sealed_secret) for row in rows]
    if message.external_id is not None:
        return [Route("", message.namespace or "", message.external_id, "")]
    assert message.member_id is not None
    return routes_to_member(session, community_id=message.community_id, member_id=message.member_id)


def routes_to_member(session: Session, *, community_id: int, member_id: int) -> list[Route]:
    """All accounts of a person, oldest first. Somebody who was merged since is reached where they speak now."""
    keeper = keeper_of(session, community_id=community_id, member_id=member_id)
    found = session.execute(
        select(Identity.namespace, Identity.external_id, Identity.opened_at)
        .where(Identity.community_id == community_id, Identity.member_id == keeper)
        .order_by(Identity.id)
    )
    return [Route("", row.namespace, row.external_id, "", row.opened_at is not None) for row in found]


def home_path(session: Session, message: Claimed) -> str:
    """The path of the unit that a message's recipient belongs to; empty for an account that is nobody."""
    at_home = select(Unit.path)
    if message.group_id is not None:
        at_home = at_home.join(Group, Group.unit_id == Unit.id).where(
            Group.community_id == message.community_id, Group.id == message.group_id
        )
    elif message.member_id is not None:
        at_home = at_home.join(Member, Member.unit_id == Unit.id).where(
            Member.community_id == message.community_id, Member.id == message.member_id
        )
    else:
        return ""
    return session.execute(at_home).scalar_one()


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
            select(func.count()).select_from(Outbox).where(Outbox.state == _waiting, Outbox.not_before <= now)
        ).scalar_one()
    )


def overdue(session: Session, *, before: datetime) -> tuple[int, datetime | None]:
    """How many messages that were due before a moment still wait, and since when the oldest does."""
    count, oldest = session.execute(
        select(func.count(), func.min(Outbox.not_before)).where(Outbox.state == _waiting, Outbox.not_before <= before)
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
