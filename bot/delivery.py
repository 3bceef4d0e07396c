"""The postman: outbox rows → channels.

Each pass claims what is due for a lease, finds a way to each recipient, merges what goes to one of them in the same
minute, and sends: the attempt is written before the request, the outcome after it, nothing is sent inside a
transaction. Limits are counted from the attempts. What happens to a message whose answer was lost is said plainly: one
to a person is repeated once, one to a group is not, and what is not known to have arrived is shown as unknown.

Addresses are served beside each other, so that one that hangs holds up nobody else; what goes to one address goes in
order, and waits while something before it has to.
"""

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from bot import alarms, logs
from bot.alarms import News
from bot.books import Books, BooksBusy, BooksClosed, Unit
from bot.channels import Channel, Connected, DeliveryError, File, OutcomeUnknown, Parcel
from bot.enclosures import Enclosures
from bot.pictures import Pictures
from bot.secrets import Sealer
from bot.ways import Known, Way, Ways
from models import outages, outbox
from models.base import Button, Card, Placard
from models.clock import Clock, day_of
from models.members import Role, people_in_scope
from models.outbox import AttemptOutcome, Begun, Claimed, LeaseLost, Lost, OutboxState
from models.quiet import Held, Owners, Quiet, owners, posted, posts_of_day

log = logs.logger(__name__)

T = TypeVar("T")

CLAIM_MOST = 200
"""Messages that one claim takes at the most."""
AT_ONCE = 64
"""Addresses that are served at the same time on one channel. Channels do not wait for each other."""
HELD_MOST = 2000
"""Messages in hand, beyond which nothing more is claimed."""
UNKNOWN_TRIES = 2
"""A message to a person whose answer was lost is sent twice at the most."""
COUNT_EVERY = 5.0
"""Seconds between two counts of what waits, which takes a look at every row that is due."""
WARN_EVERY = timedelta(days=1)
"""Time between two warnings that one kind of recipient cannot be reached: it is how the channels are."""
LATE = timedelta(minutes=10)
"""What is still tried after so long should have been out by now: somebody is told."""
REFUSED_RESTS = timedelta(hours=1)
"""How long an address is left alone that refused something for good, where the recipient has another one."""
BUSY_WAITS = (0.2, 1.0, 5.0)
"""Seconds to wait for busy books with an outcome in hand: what is not written down is unknown later."""


class Settings(Protocol):
    """The numbers of `[delivery]`, in seconds where they end so."""

    poll_seconds: float
    lease_seconds: float
    send_seconds_max: float
    attempts_max: int
    retry_seconds_min: float
    retry_seconds_max: float
    group_posts_a_day_max: int
    font: str

    def quiet(self) -> Quiet:
        """The quiet hours."""
        ...


@dataclass(slots=True)
class Round:
    """What one recipient gets in one pass, in order, by the first of the ways."""

    ways: tuple[Way, ...]
    """Every way that may be gone, the one to go now first."""
    text_bytes: int
    """What fits through all of them, so that a part is the same part by another way."""
    token: str = field(repr=False)
    """Names the claim that all of these messages come from."""
    own: Owners = field(repr=False)
    """The quiet hours and ceilings that recipients of this claim have of their own."""
    messages: list[Claimed] = field(default_factory=list)

    @property
    def channel(self) -> Channel:
        return self.ways[0].channel

    @property
    def address(self) -> str:
        return self.ways[0].address


@dataclass(frozen=True, slots=True)
class Buried:
    """A message that ended without being sent now, and why."""

    message: Claimed
    channel: str
    """Empty where no channel reaches the recipient."""
    outcome: str
    reason: str


@dataclass(slots=True)
class Taken:
    """What one claim brought."""

    own: Owners
    count: int = 0
    rounds: dict[tuple[str, str], Round] = field(default_factory=dict)
    quiet: dict[datetime, list[int]] = field(default_factory=dict)
    """What waits for the end of the quiet hours, by that."""
    buried: list[Buried] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    known: dict[tuple[int, int | None, int | None, str | None, str | None, bool], Known] = field(default_factory=dict)


@dataclass(slots=True)
class Ended:
    """What became of one bundle: how many of its messages stand where, and how long what follows has to wait."""

    states: dict[OutboxState, int]
    wait: timedelta | None
    news: list[News] = field(default_factory=list)


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
    def buttons(self) -> tuple[Button, ...]:
        """Beside the end of its text."""
        return self.messages[0].buttons if self.part == self.parts - 1 else ()

    @property
    def placard(self) -> Placard | None:
        """What may be shown in place of its text."""
        return self.messages[0].placard if self.parts == 1 else None

    @property
    def card(self) -> Card | None:
        """Its text in parts."""
        return self.messages[0].card if self.parts == 1 else None

    @property
    def enclosed(self) -> bool:
        """Whether it brings a file in place of its text."""
        return self.messages[0].enclosure is not None

    @property
    def to_a_group(self) -> bool:
        return self.messages[0].group_id is not None

    @property
    def begins(self) -> bool:
        """Nothing of it is out: what has begun is not held back in the middle."""
        return self.part == 0


def _can_wait(message: Claimed, until: datetime | None) -> bool:
    """Whether there is something to wait for, and it is still to the point by then."""
    return until is not None and message.expires_at > until


def _kind(message: Claimed) -> str:
    """What kind of recipient it is for, as the log calls it."""
    return "person" if message.group_id is None else "group"


# -- pure rules ----------------------------------------


BORDERS = (("\n\n",), ("\n",), ("。", "！", "？", "；"), ("，",), (" ",))
"""Where a text may be cut, best first. A visible one stays with what it ends; a blank one is what the cut replaces."""


def split(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` bytes of UTF-8, cut at blank lines, else lines, else sentences, else characters.

    `limit` is at least 4, the bytes of the longest character.
    """
    pieces: list[str] = []
    while len(text.encode()) > limit:
        most = len(text.encode()[:limit].decode(errors="ignore"))
        piece, text = _cut(text, most)
        pieces.append(piece)
    return [piece for piece in (*pieces, text) if piece.strip()] or [text]


def _cut(text: str, most: int) -> tuple[str, str]:
    """A piece of at most `most` characters, and the rest."""
    for borders in BORDERS:
        blank = borders[0].isspace()
        # A blank border may lie just behind the piece, for it goes with neither side.
        at, border = max((text.rfind(one, 0, most + len(one) if blank else most), one) for one in borders)
        # A border near the beginning would send a heading alone, and make many pieces.
        if at > most // 3:
            if blank:
                return text[:at].rstrip("\n"), text[at + len(border) :].lstrip("\n")
            return text[: at + 1], text[at + 1 :]
    return text[:most], text[most:]


def bundled(messages: Sequence[Claimed], limit: int) -> list[Bundle]:
    """Merges what one recipient is due in the same minute, as far as it fits; splits what is too long by itself.

    What has buttons, a placard, a card or a file is merged with nothing.
    """
    bundles: list[Bundle] = []
    for message in messages:
        pieces = split(message.text, limit)
        if len(pieces) > 1:
            # Under a smaller count of parts than when it was begun (another limit), at least the last one goes.
            first = min(message.parts_sent, len(pieces) - 1)
            bundles += [
                Bundle((message,), piece, number, len(pieces))
                for number, piece in enumerate(pieces[first:], start=first)
            ]
            continue
        last = bundles[-1] if bundles else None
        if last is not None and last.parts == 1 and _together(last.messages[0]) == _together(message):
            together = f"{last.text}\n\n{message.text}"
            if len(together.encode()) <= limit:
                bundles[-1] = Bundle((*last.messages, message), together)
                continue
        bundles.append(Bundle((message,), message.text))
    return bundles


def _together(message: Claimed) -> tuple[int, int | None, int | None, str | None, datetime, int]:
    """Messages that agree in this are merged: one recipient of one community, one minute, words alone."""
    alone = message.id if message.buttons or message.placard or message.card or message.enclosure else 0
    return message.community_id, message.group_id, message.member_id, message.external_id, _minute(message), alone


def _minute(message: Claimed) -> datetime:
    return message.not_before.replace(second=0, microsecond=0)


def retry_wait(tries: int, settings: Settings, chance: random.Random) -> timedelta:
    """Growing, with full jitter: between half and all of min · 2^tries, never above the maximum."""
    most = min(settings.retry_seconds_max, settings.retry_seconds_min * 2 ** min(tries, 20))
    return timedelta(seconds=chance.uniform(most / 2, most))


# -- the postman ----------------------------------------


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
        public_url: str = "",
        pushed: Callable[[str, str], None] | None = None,
        waiting: Callable[[int], None] | None = None,
        broken: Callable[[int], None] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`pushed` is told channel and outcome (sent, retry, dead, expired, unknown) of each attempt.

        While `run` runs, `waiting` is told now and then how many messages are due and not out, and `broken` how many
        incidents are not over.
        """
        self._books = books
        self._ways = Ways(channels, sealer)
        self._clock = community_clock
        self._wall = wall
        self._settings = settings
        self._pictures = Pictures(settings.font)
        self._enclosures = Enclosures(books, public_url)
        self._pushed = pushed
        self._waiting = waiting
        self._broken = broken
        self._counted_at: float | None = None
        self._warned: dict[str, datetime] = {}
        """When it was last said of a kind of recipient that there is no way to one of them, in wall time."""
        self._chance = chance or random.Random()
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._held = 0
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Something was posted: look at once."""
        self._woken.set()

    def adopt(self, sealer: Sealer, settings: Settings) -> None:
        """Takes changed secrets and numbers, for what is claimed from now on."""
        self._ways.sealer = sealer
        if settings.font != self._settings.font:
            self._pictures = Pictures(settings.font)
        self._settings = settings
        self._lease = timedelta(seconds=settings.lease_seconds)

    def stop(self) -> None:
        """Ends `run` when the sends under way have their answers; what was not begun is left to the next postman."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Delivers until it is stopped."""
        try:
            while not self._stopping:
                self._woken.clear()
                taken = 0
                try:
                    if self._held < HELD_MOST:
                        taken = await self._take()
                    await self._count()
                except (BooksBusy, BooksClosed) as error:
                    log.warning("delivery.put_off", error=str(error))
                except Exception:
                    # The postman must outlive any bug: what it held comes free with its lease.
                    log.exception("delivery.failed")
                if taken < CLAIM_MOST and not self._stopping:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), self._settings.poll_seconds)
            while self._serving:
                await asyncio.wait(self._serving)
        finally:
            # Only somebody who does not wait for the end comes here with sends under way: their outcome is unknown.
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def deliver_due(self) -> int:
        """Delivers what is due now, and waits until it is out; returns how many messages it took up.

        Raises BooksBusy and BooksClosed.
        """
        taken = 0
        while not self._stopping:
            some = await self._take()
            if not some and not self._serving:
                break
            taken += some
            if self._serving:
                await asyncio.wait(self._serving)
        return taken

    async def _count(self) -> None:
        """Tells how it stands, where somebody wants to know."""
        at = monotonic()
        if self._counted_at is not None and at - self._counted_at < COUNT_EVERY:
            return
        self._counted_at = at
        now = self._clock.now()
        if self._waiting is not None:
            self._waiting(await self._books.read(lambda session: outbox.waiting_count(session, now=now)))
        if self._broken is not None:
            self._broken(len(await self._books.read(outages.incidents)))

    # -- what is due ----------------------------------------

    async def _take(self) -> int:
        """Claims what is due and begins to serve its addresses; returns how many messages it took up."""
        token = secrets.token_hex(12)
        taken = await self._books.write(lambda session: self._claim(session, token))
        for one in taken.rounds.values():
            self._held += len(one.messages)
            task = asyncio.create_task(self._serve(one))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        for buried in taken.buried:
            self._report(buried)
            self._tell(buried.channel, buried.outcome)
        _announce(taken.news)
        return taken.count

    def _report(self, buried: Buried) -> None:
        """An error, for whoever keeps the bot. That nothing reaches a kind of recipient is known after one warning."""
        kind, wall = _kind(buried.message), self._wall.now()
        said = {"outbox": [buried.message.id], "to": kind, "detail": buried.reason}
        if buried.channel:
            log.error("delivery.not_delivered", channel=buried.channel, state=buried.outcome, **said)
        elif kind not in self._warned or wall - self._warned[kind] >= WARN_EVERY:
            self._warned[kind] = wall
            log.warning("delivery.no_route", **said)
        else:
            log.debug("delivery.no_route", **said)

    def _tell(self, channel: str, outcome: str) -> None:
        if self._pushed is not None and channel:
            self._pushed(channel, outcome)

    def _claim(self, session: Session, token: str) -> Taken:
        now, wall = self._clock.now(), self._wall.now()
        claimed = outbox.claim(session, now=now, wall=wall, until=wall + self._lease, token=token, most=CLAIM_MOST)
        waits = [message for message in claimed if not message.urgent]
        own = owners(
            session,
            groups={one.group_id for one in waits if one.group_id is not None},
            people={one.member_id for one in waits if one.member_id is not None},
        )
        taken = Taken(own, len(claimed))
        if not claimed:
            return taken
        ids = [message.id for message in claimed]
        lost: dict[int, list[Lost]] = {}
        for attempt in outbox.lost_attempts(session, ids):
            lost.setdefault(attempt.outbox_id, []).append(attempt)
            if attempt.interrupted:
                outbox.end_attempt(
                    session,
                    attempt_id=attempt.attempt_id,
                    outcome=AttemptOutcome.UNKNOWN,
                    detail="interrupted",
                    wall=wall,
                )
        refused = outbox.refusals(session, ids)
        for message in claimed:
            self._sort(
                session, message, token, now, wall, lost.get(message.id, []), refused.get(message.id, set()), taken
            )
        for until, held in taken.quiet.items():
            outbox.hold(session, ids=held, token=token, until=until, reason=Held.QUIET)
        return taken

    def _sort(
        self,
        session: Session,
        message: Claimed,
        token: str,
        now: datetime,
        wall: datetime,
        lost: list[Lost],
        refused: set[tuple[str, str]],
        taken: Taken,
    ) -> None:
        """Puts a message into the round of its address, or ends it."""

        def bury(channel: str, outcome: str, reason: str) -> None:
            # What may have arrived is not called failed.
            state = OutboxState.UNKNOWN if lost else OutboxState.FAILED
            outbox.finish(session, ids=[message.id], token=token, state=state, wall=wall, reason=reason)
            taken.buried.append(Buried(message, channel, outcome, reason))
            self._enclosures.tell(session, message, state, reason, now)
            if channel and message.enclosure is None:
                taken.news += self._missed(session, message, channel, reason, state)

        if lost and (message.group_id is not None or len(lost) >= UNKNOWN_TRIES):
            bury(lost[-1].channel, "unknown", "the answer was lost")
            return
        known = self._known(session, message, wall, taken)
        ways = tuple(way for way in known.ways if way.key not in refused)
        if message.expires_at <= now and (ways or known.channel):
            bury(ways[0].channel.name if ways else known.channel, "expired", "expired")
        elif known.ways and not ways:
            bury(known.ways[0].channel.name, "dead", "refused by every channel")
        elif not ways:
            if lost or message.expires_at <= now or not self._hand_on(session, message, token, now, wall, known.why):
                bury(known.channel, "dead", known.why)
        elif (until := self._quiet_until(message, taken.own, now)) is not None:
            taken.quiet.setdefault(until, []).append(message.id)
        else:
            one = taken.rounds.setdefault(ways[0].key, Round(ways, known.text_bytes, token, taken.own))
            one.messages.append(message)

    def _quiet_until(self, message: Claimed, own: Owners, now: datetime) -> datetime | None:
        """When a message leaves that can wait for the end of the quiet hours; None for one that leaves now."""
        if message.urgent or message.parts_sent:
            return None
        until = own.end(self._settings.quiet(), now, group_id=message.group_id, member_id=message.member_id)
        return until if _can_wait(message, until) else None

    def _known(self, session: Session, message: Claimed, wall: datetime, taken: Taken) -> Known:
        """The ways to a recipient, looked up once a claim, that which may be gone soonest first."""
        whom = (message.community_id, message.group_id, message.member_id, message.namespace, message.external_id)
        to = (*whom, message.enclosure is not None)
        if to not in taken.known:
            taken.known[to] = self._ways.look_up(session, message, wall)
        return taken.known[to]

    # -- what did not go out ----------------------------------------

    def _hand_on(
        self, session: Session, message: Claimed, token: str, now: datetime, wall: datetime, reason: str
    ) -> bool:
        """Tells the building lead instead, where the message says with what words; whether somebody could be told."""
        path = outbox.home_path(session, message) if message.otherwise else ""
        lead = self._lead(session, message, path, now) if path else None
        if lead is None:
            return False
        outbox.put(
            session,
            community_id=message.community_id,
            key=f"handed-on:{message.id}",
            message=message.otherwise,
            now=now,
            expires_at=message.expires_at,
            member_id=lead,
            ref=message.ref,
            urgent=message.urgent,
        )
        outbox.finish(session, ids=[message.id], token=token, state=OutboxState.HANDED_ON, wall=wall, reason=reason)
        return True

    def _lead(self, session: Session, message: Claimed, path: str, now: datetime) -> int | None:
        """The nearest building lead or somebody above whom a channel reaches."""
        tried = [] if message.member_id is None else [message.member_id]
        while True:
            nearest = people_in_scope(
                session,
                community_id=message.community_id,
                path=path,
                role=Role.BUILDING_LEAD,
                now=now,
                without=tried,
            )
            for person in nearest:
                if self._ways.reaches(session, message.community_id, person.id):
                    return person.id
            if not nearest:
                return None
            tried += [person.id for person in nearest]

    def _missed(self, session: Session, message: Claimed, channel: str, reason: str, state: OutboxState) -> list[News]:
        """Something did not go out when it should have."""
        return alarms.missed(
            session,
            message,
            channel,
            reason,
            state,
            now=self._clock.now(),
            wall=self._wall.now(),
            reaches=self._ways.reaches,
        )

    def _arrived(self, session: Session, message: Claimed) -> list[News]:
        """Something reached its recipient."""
        return alarms.arrived(session, message, now=self._clock.now(), reaches=self._ways.reaches)

    # -- one address ----------------------------------------

    async def _serve(self, one: Round) -> None:
        """One address, in order; what follows a message that has to wait waits too."""
        gate = self._gates.setdefault(one.channel.name, asyncio.Semaphore(AT_ONCE))
        try:
            async with gate:
                bundles = bundled(one.messages, one.text_bytes)
                for index, bundle in enumerate(bundles):
                    rest = timedelta(0) if self._stopping else await self._send(one, bundle)
                    if rest is not None:
                        await self._leave(one, {of for later in bundles[index:] for of in later.ids}, rest)
                        return
        except (BooksBusy, BooksClosed) as error:
            log.warning("delivery.put_off", error=str(error))
        except Exception:
            # A bug met by one address must not stop the others: its messages come free with their lease.
            log.exception("delivery.failed", channel=one.channel.name)
        finally:
            self._held -= len(one.messages)

    async def _leave(self, one: Round, ids: set[int], rest: timedelta) -> None:
        """Lets go of what was not sent in this round, for so long."""
        retry_at = self._wall.now() + rest

        def unit(session: Session) -> None:
            if rest > timedelta(0):
                outbox.put_back(session, ids=sorted(ids), token=one.token, retry_at=retry_at)
            else:
                outbox.release(session, ids=sorted(ids), token=one.token)

        await self._record(unit)
        if rest > timedelta(0):
            # At its moment, and not when the next poll happens to come: a limit is there to be used.
            asyncio.get_running_loop().call_later(rest.total_seconds(), self.wake)
        elif len(one.ways) > 1:
            # Another way is free now.
            self.wake()

    async def _record(self, unit: Unit[T]) -> T:
        """Writes, and is patient with busy books."""
        for wait in BUSY_WAITS:
            try:
                return await self._books.write(unit)
            except BooksBusy:
                await asyncio.sleep(wait)
        return await self._books.write(unit)

    async def _picture(self, channel: Channel, bundle: Bundle) -> bytes:
        """What is shown in place of the text; nothing where it is the text."""
        if bundle.placard is None or not channel.ability.pictures:
            return b""
        return await self._pictures.of(bundle.placard) or b""

    async def _enclosed(self, bundle: Bundle) -> File | DeliveryError | None:
        """The file that is brought in place of the text; nothing where it is the text, else why there can be none."""
        if not bundle.enclosed:
            return None
        try:
            return await self._enclosures.of(bundle.messages[0], self._clock.now())
        except DeliveryError as no:
            return no
        except (BooksBusy, BooksClosed):
            raise
        except Exception:
            # A bug in what makes it must not hold up what follows, and is tried again as a broken channel is.
            log.exception("delivery.file_failed", outbox=bundle.ids)
            return DeliveryError("the file could not be made", permanent=False)

    async def _send(self, one: Round, bundle: Bundle) -> timedelta | None:
        """Sends one bundle. Returns how long what follows at this address has to wait, None where it need not."""
        if isinstance(one.channel, Connected) and (away := one.channel.away(one.address)) is not None:
            # Waiting for a connection is no attempt.
            return away
        picture = await self._picture(one.channel, bundle)
        file = await self._enclosed(bundle)
        try:
            begun = await self._books.write(lambda session: self._begin(session, one, bundle))
        except LeaseLost:
            return timedelta(0)
        if begun is None or isinstance(begun, timedelta):
            return begun
        ref = bundle.messages[0].ref if len(bundle.ids) == 1 else ""
        parcel = Parcel(one.address, bundle.text, one.ways[0].secret, ref, bundle.buttons, picture, bundle.card)
        if isinstance(file, File):
            parcel = replace(parcel, file=file)
        pause: timedelta | None = None
        outcome, detail = AttemptOutcome.SENT, ""
        try:
            if isinstance(file, DeliveryError):
                raise file
            await self._hand_over(one.channel, parcel)
        except DeliveryError as error:
            outcome = AttemptOutcome.REFUSED if error.permanent else AttemptOutcome.FAILED
            if error.code == "not_sent":
                outcome = AttemptOutcome.NOT_SENT
            detail, pause = f"{error.code} {error.detail}".strip(), error.pause
        except OutcomeUnknown as error:
            outcome, detail = AttemptOutcome.UNKNOWN, str(error)
        except Exception as error:
            # A bug in a channel must not stop the others, nor lose the message.
            log.exception("delivery.channel_failed", channel=one.channel.name)
            outcome, detail = AttemptOutcome.FAILED, type(error).__name__
        wait = self._wait(outcome, max(begun.tries.values()), pause)
        ended = await self._record(
            lambda session: self._end(session, one, bundle, begun, outcome, detail, pause is not None, wait)
        )
        for state, count in ended.states.items():
            counted = _counted(state)
            if count:
                self._tell(one.channel.name, counted)
            if counted in ("dead", "unknown"):
                log.error(
                    "delivery.not_delivered",
                    channel=one.channel.name,
                    state=counted,
                    outbox=bundle.ids,
                    to=_kind(bundle.messages[0]),
                    detail=detail,
                )
        _announce(ended.news)
        return ended.wait

    async def _hand_over(self, channel: Channel, parcel: Parcel) -> None:
        try:
            async with asyncio.timeout(self._settings.send_seconds_max):
                await channel.send(parcel)
        except TimeoutError:
            # Whatever the channel waits for, the lease must not run out meanwhile.
            raise OutcomeUnknown("no answer in time") from None

    def _begin(self, session: Session, one: Round, bundle: Bundle) -> Begun | timedelta | None:
        """Writes down that a bundle is about to leave; how long it has to rest first, None where it waits for a day."""
        outbox.lock_address(session, channel=one.channel.name, address=one.address)
        # Read after the lock: whoever had it may have written a later moment than that of our asking.
        wall = self._wall.now()
        wait = self._ways.rest(session, one.ways[0], wall)
        if wait > timedelta(0):
            return self._soonest(session, one, wait, wall)
        if self._held_for_tomorrow(session, one, bundle):
            return None
        return outbox.begin_attempt(
            session,
            community_id=bundle.messages[0].community_id,
            channel=one.channel.name,
            address=one.address,
            ids=bundle.ids,
            token=one.token,
            now=self._clock.now(),
            wall=wall,
            until=wall + self._lease,
        )

    def _soonest(self, session: Session, one: Round, wait: timedelta, wall: datetime) -> timedelta:
        """How long to wait at the most, where another way may be free sooner than this one."""
        return min([wait, *(self._ways.rest(session, way, wall) for way in one.ways[1:])])

    def _held_for_tomorrow(self, session: Session, one: Round, bundle: Bundle) -> bool:
        """Whether the group had its posts for today, and the bundle can wait and does so now."""
        first, now = bundle.messages[0], self._clock.now()
        if first.group_id is None or not bundle.begins or any(message.urgent for message in bundle.messages):
            return False
        most, night = self._settings.group_posts_a_day_max, self._settings.quiet()
        if (own := one.own.groups.get(first.group_id)) is not None:
            most, night = most if own.posts_max is None else own.posts_max, own.quiet or night
        if not most:
            return False
        tomorrow = night.next_morning(now)
        if not all(_can_wait(message, tomorrow) for message in bundle.messages):
            return False
        had = posts_of_day(session, community_id=first.community_id, group_id=first.group_id, day=day_of(now))
        if had < most:
            return False
        outbox.hold(session, ids=bundle.ids, token=one.token, until=tomorrow, reason=Held.CEILING)
        return True

    def _wait(self, outcome: AttemptOutcome, tries: int, pause: timedelta | None) -> timedelta:
        wait = retry_wait(0 if outcome is AttemptOutcome.UNKNOWN else tries, self._settings, self._chance)
        return max(wait, pause) if pause is not None else wait

    def _end(
        self,
        session: Session,
        one: Round,
        bundle: Bundle,
        begun: Begun,
        outcome: AttemptOutcome,
        detail: str,
        paused: bool,
        wait: timedelta,
    ) -> Ended:
        """Writes down the outcome of an attempt."""
        wall, now, first = self._wall.now(), self._clock.now(), bundle.messages[0]
        elsewhere = len(one.ways) > 1
        passing = outcome in (AttemptOutcome.FAILED, AttemptOutcome.NOT_SENT)
        refused = outcome is AttemptOutcome.REFUSED
        rest = REFUSED_RESTS if refused and elsewhere else wait if passing or paused else None
        outbox.end_attempt(
            session,
            attempt_id=begun.attempt_id,
            outcome=outcome,
            detail=detail,
            wall=wall,
            rest_until=None if rest is None else wall + rest,
        )
        if first.group_id is not None and bundle.begins and outcome in (AttemptOutcome.SENT, AttemptOutcome.UNKNOWN):
            posted(session, community_id=first.community_id, group_id=first.group_id, day=day_of(now))
        if outcome is AttemptOutcome.SENT:
            if bundle.part < bundle.parts - 1:
                outbox.part_sent(session, outbox_id=bundle.ids[0], token=one.token, parts=bundle.part + 1)
            else:
                outbox.finish(session, ids=bundle.ids, token=one.token, state=OutboxState.SENT, wall=wall)
                self._enclosures.tell(session, first, OutboxState.SENT, "", now)
            return Ended(
                {OutboxState.SENT: len(bundle.ids)},
                None,
                self._arrived(session, first),
            )
        if elsewhere and (passing or refused):
            # Nothing of it arrived: another way may be free at once.
            wait = self._soonest(session, one, rest or wait, wall)
        lost = Counter(attempt.outbox_id for attempt in outbox.lost_attempts(session, bundle.ids))
        ended = Ended({}, None if refused and not paused and not elsewhere else wait)
        for message in bundle.messages:
            if outcome is AttemptOutcome.UNKNOWN:
                over = bundle.to_a_group or lost[message.id] >= UNKNOWN_TRIES
            else:
                over = (refused and not elsewhere) or begun.tries[message.id] >= self._settings.attempts_max
            state = OutboxState.WAITING
            if over:
                state = self._close(session, one, message, outcome, detail, now, wall, lost=message.id in lost)
            else:
                outbox.put_back(session, ids=[message.id], token=one.token, retry_at=wall + wait, reason=detail)
            ended.states[state] = ended.states.get(state, 0) + 1
            late = state is OutboxState.WAITING and now - message.not_before >= LATE
            # That one person's account takes nothing, or a file is refused, is no trouble of the channel's.
            alone = message.group_id is None or bundle.enclosed
            dead = state is OutboxState.FAILED and not (refused and alone)
            if late or dead or state is OutboxState.UNKNOWN:
                ended.news += self._missed(session, message, one.channel.name, detail, state)
        return ended

    def _close(
        self,
        session: Session,
        one: Round,
        message: Claimed,
        outcome: AttemptOutcome,
        detail: str,
        now: datetime,
        wall: datetime,
        *,
        lost: bool,
    ) -> OutboxState:
        """Ends a message that is not tried any more."""
        nobody_there = outcome is AttemptOutcome.REFUSED and not lost and message.parts_sent == 0
        if nobody_there and self._hand_on(session, message, one.token, now, wall, detail):
            return OutboxState.HANDED_ON
        # What may have arrived is not called failed.
        state = OutboxState.UNKNOWN if lost else OutboxState.FAILED
        outbox.finish(session, ids=[message.id], token=one.token, state=state, wall=wall, reason=detail)
        self._enclosures.tell(session, message, state, detail, now)
        return state


def _announce(news: Sequence[News]) -> None:
    """Says what began and what is over to whoever reads the log: once an incident, not once a message."""
    for one in news:
        if one.reason:
            log.error("delivery.alarm", incident=one.number, channel=one.channel, detail=one.reason)
        else:
            log.info("delivery.healed", incident=one.number)


def _counted(state: OutboxState) -> str:
    """What an attempt counts as in the metrics."""
    return {
        OutboxState.SENT: "sent",
        OutboxState.WAITING: "retry",
        OutboxState.FAILED: "dead",
        OutboxState.HANDED_ON: "dead",
        OutboxState.UNKNOWN: "unknown",
    }[state]
