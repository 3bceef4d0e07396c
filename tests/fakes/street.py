"""A street of the demo community to talk in: whole houses without sockets, and a clock that one moves.

Every message is said twice, the second time as the platform delivers it again: the answer must be the same and nothing
else may happen.
"""

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels import Ability, DeliveryError, Hears, Parcel
from bot.config import load
from bot.script import Line, Played, Push, Script, play
from handlers.chat import Quote
from models.clock import MovedClock
from models.photos import Photo
from models.places import Location
from models.verify import Violation, violations
from tests.moments import TUESDAY_EVENING


@dataclass
class Street:
    """What a story is told with: `say`, `heard`, `until`."""

    house: House
    script: Script
    twice: bool = True
    pushes: list[Push] = field(default_factory=list)
    """Everything that the bot wrote to people and groups on its own, in order."""

    async def say(
        self,
        sender: str,
        text: str,
        *,
        where: str = "",
        quote: Quote | None = None,
        message_id: str = "",
        photos: tuple[Photo, ...] = (),
        location: Location | None = None,
    ) -> str:
        """Somebody says or shows something, in a group or (where `where` is empty) to the bot alone.

        Returns the answer.
        """
        line = Line(
            sender,
            where,
            text,
            message_id=message_id or uuid.uuid4().hex,
            quote=quote,
            photos=photos,
            location=location,
        )
        return (await self.play(line)).reply

    async def play(self, line: Line) -> Played:
        """Plays one line, delivers what it causes, and delivers the line once more where it was answered."""
        played = await play(self.house, line, moves=True, delivers=True)
        self.pushes += played.pushes
        if self.twice and line.clock is None:
            again = await play(self.house, line, moves=True, delivers=True)
            if played.outcome in ("act", "ask"):
                assert again.reply == played.reply, f"{line.text}: answered {again.reply!r} the second time"
            assert again.pushes == [], f"{line.text}: pushed again when delivered again"
        return played

    async def until(self, moment: datetime) -> list[Push]:
        """Lets time pass to a moment; returns what the jobs pushed."""
        played = await play(self.house, Line(clock=moment), moves=True, delivers=True)
        self.pushes += played.pushes
        return played.pushes

    async def violations(self) -> list[Violation]:
        """What is wrong with the books: nothing, ever."""
        return await self.house.books.read(violations)


class AnswersOnly(Script):
    """A channel on which the bot can write to nobody first, as on most platforms."""

    ability = Ability(hears=Hears.MENTIONS, text_bytes=2_048)


def muted(street: Street) -> Street:
    """The same street, but the bot only answers."""
    return _on(street, AnswersOnly())


class Opened(Script):
    """A channel on which the bot can write to nobody who has not written to it alone, and to no group."""

    ability = Ability(hears=Hears.MENTIONS, pushes_to_people=True, writes_first=False, text_bytes=2_048)


def reserved(street: Street) -> Street:
    """The same street, but the bot writes only to those who have written to it alone: nobody yet."""
    return _on(street, Opened())


class WithoutFiles(Script):
    """A channel of words alone."""

    ability = replace(Script.ability, file_bytes=0)


def without_files(street: Street) -> Street:
    """The same street, but no channel brings files."""
    return _on(street, WithoutFiles())


class DeafTo(Script):
    """A channel that takes nothing for some people, for good or for the time being."""

    def __init__(self, *names: str, permanent: bool) -> None:
        super().__init__()
        self.names = frozenset(names)
        self.permanent = permanent

    async def send(self, parcel: Parcel) -> None:
        if parcel.address in self.names:
            raise DeliveryError("nobody there", permanent=self.permanent)
        await super().send(parcel)


def deaf_to(street: Street, *names: str, permanent: bool = True) -> Street:
    """The same street, but what the bot writes to some people does not arrive."""
    return _on(street, DeafTo(*names, permanent=permanent))


def _on(street: Street, script: Script) -> Street:
    house = House(street.house.config, street.house.books, clock=street.house.clock, beside=[script])
    return Street(house, script, street.twice)


async def open_street(url: str, *, now: datetime = TUESDAY_EVENING, twice: bool = True) -> Street:
    """Opens a house over a database that holds the demo community at `now`."""
    config = load(None, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
    script = Script()
    books = await Books.open(url, threads=4)
    house = House(config, books, clock=MovedClock(now, frozen=True), beside=[script])
    await house.scheduler.run_until(now)
    return Street(house, script, twice)
