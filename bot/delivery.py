"""The postman: outbox rows → channels.

Each pass claims what is due for a lease, finds a way to each recipient, merges what goes to one address in the same
minute, and sends: the attempt is written before the request, the outcome after it, nothing is sent inside a
transaction. Limits are counted from the attempts. What happens to a message whose answer was lost is said plainly: one
to a person is repeated once, one to a group is not, and both are shown as unknown.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from bot import logs
from bot.books import Books, BooksBusy, BooksClosed
from bot.channels import Channel, DeliveryError, OutcomeUnknown, Parcel
from bot.secrets import Sealer, SecretsLocked
from models import outbox
from models.clock import Clock
from models.outbox import AttemptOutcome, Claimed, OutboxState, Route

log = logs.logger(__name__)

CLAIM_MOST = 200
"""Messages that one pass takes at the most."""
AT_ONCE = 16
"""Addresses that are served at the same time."""
UNKNOWN_TRIES = 2
"""A message to a person whose answer was lost is sent twice at the most."""


class Settings(Protocol):
    """The numbers of `[delivery]`, in seconds where they end so."""

    poll_seconds: float
    lease_seconds: float
    send_seconds_max: float
    attempts_max: int
    retry_seconds_min: float
    retry_seconds_max: float


@dataclass(slots=True)
class Round:
    """What one address gets in one pass, in order."""

    channel: Channel
    address: str
    secret: str
    messages: list[Claimed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Messages that leave as one text, or one part of a long message."""

    messages: tuple[Claimed, ...]
    text: str
    part: int = 0
    parts: int = 1

    @property
    def ids(self) -> list[int]:
        return [message.id for message in self.messages]

    @property
    def to_a_group(self) -> bool:
        return self.messages[0].group_id is not None


# -- pure rules ---------------------------------------------------------------------------------------------------------


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` bytes of UTF-8: at blank lines, else at lines, else at sentences, else at characters."""
    if len(text.encode()) <= limit:
        return [text]
    for border in ("\n\n", "\n", "。", "，", " "):
        pieces = text.split(border)
        # The visible border of a sentence stays with it; blank ones are what the cut replaces.
        ends = "" if border.isspace() else border
        if all(len((piece + ends).encode()) <= limit for piece in pieces):
            return _packed(pieces, border, ends, limit)
    return _by_characters(text, limit)


def _packed(pieces: list[str], border: str, ends: str, limit: int) -> list[str]:
    packed = [pieces[0]]
    for piece in pieces[1:]:
        together = f"{packed[-1]}{border}{piece}"
        if len((together + ends).encode()) <= limit:
            packed[-1] = together
        else:
            packed[-1] += ends
            packed.append(piece)
    return [piece for piece in packed if piece]


def _by_characters(text: str, limit: int) -> list[str]:
    pieces: list[str] = []
    current: list[str] = []
    size = 0
    for character in text:
        width = len(character.encode())
        if size + width > limit:
            pieces.append("".join(current))
            current, size = [], 0
        current.append(character)
        size += width
    return [*pieces, "".join(current)] if current else pieces


def bundled(messages: Sequence[Claimed], limit: int) -> list[Bundle]:
    """Merges what is due in the same minute, as far as it fits; splits what is too long by itself."""
    bundles: list[Bundle] = []
    for message in messages:
        pieces = split(message.text, limit)
        if len(pieces) > 1:
            bundles += [
                Bundle((message,), piece, number, len(pieces))
                for number, piece in enumerate(pieces)
                if number >= message.parts_sent
            ]
            continue
        last = bundles[-1] if bundles else None
        if last is not None and last.parts == 1 and _minute(last.messages[0]) == _minute(message):
            together = f"{last.text}\n\n{message.text}"
            if len(together.encode()) <= limit:
                bundles[-1] = Bundle((*last.messages, message), together)
                continue
        bundles.append(Bundle((message,), message.text))
    return bundles


def _minute(message: Claimed) -> datetime:
    return message.not_before.replace(second=0, microsecond=0)


def retry_wait(tries: int, settings: Settings, chance: random.Random) -> timedelta:
    """Growing, with full jitter: between half and all of min · 2^tries, never above the maximum."""
    most = min(settings.retry_seconds_max, settings.retry_seconds_min * 2 ** min(tries, 20))
    return timedelta(seconds=chance.uniform(most / 2, most))


# -- the postman --------------------------------------------------------------------------------------------------------


class Postman:
    """Brings the outbox to the channels."""

    def __init__(
        self,
        books: Books,
        channels: Mapping[str, Channel],
        *,
        community_clock: Clock,
        wall: Clock,
        sealer: Sealer,
        settings: Settings,
        pushed: Callable[[str, str], None] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`pushed` is told channel and outcome (sent, retry, dead, expired, unknown) of each attempt."""
        self._books = books
        self._channels = channels
        self._clock = community_clock
        self._wall = wall
        self._sealer = sealer
        self._settings = settings
        self._pushed = pushed
        self._chance = chance or random.Random()
        self._token = secrets.token_hex(12)
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Something was posted: look at once."""
        self._woken.set()

    def stop(self) -> None:
        """Ends `run` after the pass under way."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Delivers until it is stopped."""
        while not self._stopping:
            self._woken.clear()
            try:
                handled = await self.deliver_due()
            except (BooksBusy, BooksClosed) as error:
                log.warning("delivery.put_off", error=str(error))
                handled = 0
            except Exception:
                # The postman must outlive any bug: what it held comes free with its lease.
                log.exception("delivery.failed")
                handled = 0
            if handled < CLAIM_MOST and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._settings.poll_seconds)

    async def deliver_due(self) -> int:
        """One pass over what is due; returns how many messages it took up."""
        taken = 0
        while True:
            rounds, handled = await self._books.write(self._claim)
            taken += handled
            if not rounds:
                return taken
            gate = asyncio.Semaphore(AT_ONCE)

            async def serve(one: Round, gate: asyncio.Semaphore = gate) -> None:
                async with gate:
                    await self._serve(one)

            await asyncio.gather(*(serve(one) for one in rounds))
            if handled < CLAIM_MOST:
                return taken

    def _claim(self, session: Session) -> tuple[list[Round], int]:
        now, wall = self._clock.now(), self._wall.now()
        expired = outbox.expire(session, now=now, wall=wall)
        for _ in range(expired):
            log.error("delivery.expired")
        until = wall + timedelta(seconds=self._settings.lease_seconds)
        claimed = outbox.claim(
            session, now=now, wall=wall, until=until, token=self._token, most=CLAIM_MOST
        )
        if not claimed:
            return [], 0
        lost = outbox.interrupted(session, [message.id for message in claimed])
        rounds: dict[tuple[str, str], Round] = {}
        for message in claimed:
            if message.id in lost and not self._goes_on(session, message, lost[message.id], wall):
                continue
            self._route(session, message, rounds, wall)
        return list(rounds.values()), len(claimed)

    def _goes_on(self, session: Session, message: Claimed, attempt_id: int, wall: datetime) -> bool:
        """A postman died between its attempt and the outcome: whether this message is sent once more."""
        outbox.end_attempt(
            session, attempt_id=attempt_id, outcome=AttemptOutcome.UNKNOWN, detail="interrupted", wall=wall
        )
        return self._repeats(session, message, wall)

    def _repeats(self, session: Session, message: Claimed, wall: datetime) -> bool:
        if message.member_id is not None and message.tries < UNKNOWN_TRIES:
            return True
        outbox.finish(
            session,
            ids=[message.id],
            token=self._token,
            state=OutboxState.UNKNOWN,
            wall=wall,
            reason="the answer was lost",
        )
        return False

    def _route(
        self, session: Session, message: Claimed, rounds: dict[tuple[str, str], Round], wall: datetime
    ) -> None:
        found = self._way(outbox.routes(session, message), to_a_group=message.group_id is not None)
        if found is None:
            outbox.finish(
                session,
                ids=[message.id],
                token=self._token,
                state=OutboxState.FAILED,
                wall=wall,
                reason="no route",
            )
            return
        channel, address, sealed = found
        try:
            secret = self._sealer.open(sealed, address) if sealed else ""
        except SecretsLocked as error:
            outbox.finish(
                session,
                ids=[message.id],
                token=self._token,
                state=OutboxState.FAILED,
                wall=wall,
                reason=str(error),
            )
            return
        rounds.setdefault((channel.name, address), Round(channel, address, secret)).messages.append(message)

    def _way(self, routes: list[Route], *, to_a_group: bool) -> tuple[Channel, str, str] | None:
        for route in routes:
            if to_a_group:
                channel = self._channels.get(route.channel)
                if channel is not None and channel.ability.pushes_to_groups:
                    return channel, route.address, route.sealed_secret
                continue
            for channel in self._channels.values():
                if channel.namespace == route.namespace and channel.ability.pushes_to_people:
                    return channel, channel.address_of(route.address), ""
        return None

    async def _serve(self, one: Round) -> None:
        """One address, in order; what follows a message that has to wait waits too."""
        bundles = bundled(one.messages, one.channel.ability.text_bytes)
        for index, bundle in enumerate(bundles):
            wait = await self._send(one, bundle)
            if wait is not None:
                await self._put_back([one_id for later in bundles[index:] for one_id in later.ids], wait)
                return

    async def _put_back(self, ids: list[int], wait: timedelta) -> None:
        retry_at = self._wall.now() + wait
        await self._books.write(
            lambda session: outbox.put_back(session, ids=ids, token=self._token, retry_at=retry_at)
        )

    async def _send(self, one: Round, bundle: Bundle) -> timedelta | None:
        """Sends one bundle. Returns how long the address has to wait, where it has to."""
        attempt = await self._books.write(lambda session: self._begin(session, one, bundle))
        if isinstance(attempt, timedelta):
            return attempt
        if attempt is None:
            return None  # the lease is another postman's by now
        parcel = Parcel(one.address, bundle.text, one.secret, bundle.messages[0].ref if len(bundle.ids) == 1 else "")
        wait: timedelta | None = None
        try:
            await self._hand_over(one.channel, parcel)
        except DeliveryError as error:
            outcome = AttemptOutcome.NOT_SENT if error.code == "not_sent" else AttemptOutcome.FAILED
            detail, wait = f"{error.code} {error.detail}".strip(), self._wait(bundle, error)
            ends = OutboxState.FAILED if wait is None else None
        except OutcomeUnknown as error:
            outcome, detail, ends = AttemptOutcome.UNKNOWN, str(error), OutboxState.UNKNOWN
            if not bundle.to_a_group and bundle.messages[0].tries + 1 < UNKNOWN_TRIES:
                ends, wait = None, retry_wait(0, self._settings, self._chance)
        except Exception as error:
            # A bug in a channel must not stop the others, nor lose the message.
            log.exception("delivery.channel_failed", channel=one.channel.name)
            outcome, detail = AttemptOutcome.FAILED, type(error).__name__
            wait = self._wait(bundle, DeliveryError(detail, permanent=False))
            ends = OutboxState.FAILED if wait is None else None
        else:
            outcome, detail, ends = AttemptOutcome.SENT, "", OutboxState.SENT
        await self._books.write(lambda session: self._end(session, bundle, attempt, outcome, detail, ends))
        if self._pushed is not None:
            self._pushed(one.channel.name, _counted(outcome, ends))
        if ends in (OutboxState.FAILED, OutboxState.UNKNOWN):
            log.error("delivery.not_delivered", channel=one.channel.name, state=ends, detail=detail)
        return wait

    async def _hand_over(self, channel: Channel, parcel: Parcel) -> None:
        try:
            async with asyncio.timeout(self._settings.send_seconds_max):
                await channel.send(parcel)
        except TimeoutError:
            # Whatever the channel waits for, the lease must not run out meanwhile.
            raise OutcomeUnknown("no answer in time") from None

    def _begin(self, session: Session, one: Round, bundle: Bundle) -> int | timedelta | None:
        wall = self._wall.now()
        outbox.lock_address(session, channel=one.channel.name, address=one.address)
        limits = [(limit.count, limit.per) for limit in one.channel.ability.limits]
        wait = outbox.waiting_time(
            session, channel=one.channel.name, address=one.address, limits=limits, wall=wall
        )
        if wait > timedelta(0):
            return wait
        return outbox.begin_attempt(
            session,
            community_id=bundle.messages[0].community_id,
            channel=one.channel.name,
            address=one.address,
            ids=bundle.ids,
            token=self._token,
            wall=wall,
        )

    def _wait(self, bundle: Bundle, error: DeliveryError) -> timedelta | None:
        tries = max(message.tries for message in bundle.messages) + 1
        if error.permanent or tries >= self._settings.attempts_max:
            return None
        wait = retry_wait(tries, self._settings, self._chance)
        return max(wait, error.pause) if error.pause else wait

    def _end(
        self,
        session: Session,
        bundle: Bundle,
        attempt_id: int,
        outcome: AttemptOutcome,
        detail: str,
        ends: OutboxState | None,
    ) -> None:
        wall = self._wall.now()
        outbox.end_attempt(session, attempt_id=attempt_id, outcome=outcome, detail=detail, wall=wall)
        if ends is None:
            return
        if ends is OutboxState.SENT and bundle.part < bundle.parts - 1:
            outbox.part_sent(session, outbox_id=bundle.ids[0], token=self._token, parts=bundle.part + 1)
            return
        outbox.finish(session, ids=bundle.ids, token=self._token, state=ends, wall=wall, reason=detail)


def _counted(outcome: AttemptOutcome, ends: OutboxState | None) -> str:
    if outcome is AttemptOutcome.SENT:
        return "sent"
    if ends is None:
        return "retry"
    return "unknown" if ends is OutboxState.UNKNOWN else "dead"
