"""What the language knows of the community now: who the bot is, which things are open, which units there are.

A snapshot decides only what is meant; the unit of work checks again what is true.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from handlers.language.places import read_unit

GENERIC = frozenset(("活动", "岗位", "社区", "服务", "志愿", "今天", "明天", "我们", "大家", "一个", "话题", "家园"))
"""Two characters that stand in too many names to mean one of them."""


NAMED_ONLY = frozenset(("goods", "venue", "rota", "series"))
"""Kinds of things that have no card of their own: a text that names one is about something else."""


WORK = re.compile(r"的?(?:那个?|这个?)?(?:岗位?|活儿?(?!动)|差事)")
"""What makes the name of some work out of a common word: `绿化那个活儿`, `修下水道的岗`."""


def _is_building(name: str) -> bool:
    found = read_unit(name, 0)
    return found is not None and found[1] == len(name)


@dataclass(frozen=True, slots=True)
class OpenObject:
    """A numbered thing of the community that people can name.

    `open`: something can be done with it now. `allows` are the intents that are possible now (`checkin`
    inside its window, `signup` before it is locked); None means every intent while it is open.
    """

    kind: str
    number: int
    name: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    open: bool = True
    allows: frozenset[str] | None = None
    choices: tuple[str, ...] = ()
    """The words of a poll, as it offers them."""
    also: tuple[str, ...] = ()
    """Common words that mean it where `WORK` stands behind them."""

    def can(self, intent: str) -> bool:
        return self.open and (self.allows is None or intent in self.allows)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The snapshot with its indexes. Made with `build`."""

    bot_name: str = "小邻"
    aliases: tuple[str, ...] = ()
    objects: tuple[OpenObject, ...] = ()
    units: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    """Names of places that people meet at, the longest first."""
    unit_names: tuple[str, ...] = ()
    """Units that are not called by a building's number, the longest first."""
    categories: tuple[str, ...] = ()
    """Categories of people that only this community has, the longest first."""
    by_number: dict[tuple[str, int], OpenObject] = field(default_factory=dict)
    by_pair: dict[str, tuple[OpenObject, ...]] = field(default_factory=dict)
    """Objects by every two neighbouring characters of their names."""
    by_head: dict[str, tuple[OpenObject, ...]] = field(default_factory=dict)
    """Objects by the first two characters of their names, also by such as mean nothing alone."""
    by_work: dict[str, tuple[tuple[str, tuple[OpenObject, ...]], ...]] = field(default_factory=dict)
    """Common words with the objects they mean, the longest first, by their first two characters."""

    @classmethod
    def build(
        cls,
        bot_name: str,
        aliases: Iterable[str] = (),
        objects: Iterable[OpenObject] = (),
        units: Iterable[str] = (),
        places: Iterable[str] = (),
        categories: Iterable[str] = (),
    ) -> "Surroundings":
        """The snapshot with everything that `understand` looks up computed once."""
        things, names = tuple(objects), frozenset(units)
        pairs: dict[str, list[OpenObject]] = {}
        heads: dict[str, list[OpenObject]] = {}
        for thing in things:
            heads.setdefault(thing.name[:2], []).append(thing)
            for pair in dict.fromkeys(thing.name[at : at + 2] for at in range(len(thing.name) - 1)):
                if pair not in GENERIC or pair == thing.name:
                    pairs.setdefault(pair, []).append(thing)
        works: dict[str, list[OpenObject]] = {}
        for thing in things:
            for word in thing.also:
                works.setdefault(word, []).append(thing)
        by_work: dict[str, list[tuple[str, tuple[OpenObject, ...]]]] = {}
        for word in sorted(works, key=lambda word: -len(word)):
            by_work.setdefault(word[:2], []).append((word, tuple(works[word])))
        return cls(
            bot_name=bot_name,
            aliases=tuple(aliases),
            objects=things,
            units=names,
            places=tuple(sorted(set(places), key=len, reverse=True)),
            unit_names=tuple(
                sorted((name for name in names if not _is_building(name)), key=lambda name: (-len(name), name))
            ),
            categories=tuple(sorted(categories, key=len, reverse=True)),
            by_number={(thing.kind, thing.number): thing for thing in things},
            by_pair={pair: tuple(found) for pair, found in pairs.items()},
            by_head={head: tuple(found) for head, found in heads.items() if len(head) == 2},
            by_work={head: tuple(found) for head, found in by_work.items()},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that the bot is called."""
        return (self.bot_name, *self.aliases)

    def thing(self, kinds: tuple[str, ...], number: int) -> OpenObject | None:
        """The thing of that number, of the first of these kinds that has one; an open one is preferred."""
        found = [thing for kind in kinds if (thing := self.by_number.get((kind, number)))]
        return next((thing for thing in found if thing.open), found[0] if found else None)

    def possible(self, kinds: tuple[str, ...], intent: str) -> tuple[OpenObject, ...]:
        """The things for which an intent is possible now."""
        return tuple(thing for thing in self.objects if thing.kind in kinds and thing.can(intent))

    def named(self, text: str, at: int, kinds: tuple[str, ...] = ()) -> tuple[tuple[OpenObject, ...], int]:
        """The things whose name contains the longest piece of the text from here on, and where that ends.

        Open things alone are considered where there are some; a piece has at least two characters. Where no name
        fits, the common words for some work are tried.
        """
        pair = text[at : at + 2]
        candidates = [thing for thing in self.by_pair.get(pair, ()) if not kinds or thing.kind in kinds] or [
            thing
            for thing in self.by_head.get(pair, ())
            if (not kinds or thing.kind in kinds) and text.startswith(thing.name, at)
        ]
        if not candidates:
            return self._by_work(text, at, kinds)
        candidates = [thing for thing in candidates if thing.open] or candidates
        length = 2
        while length < 40 and at + length < len(text):
            longer = [thing for thing in candidates if text[at : at + length + 1] in thing.name]
            if not longer:
                break
            candidates, length = longer, length + 1
        exact = [thing for thing in candidates if len(thing.name) == length]
        return tuple(exact or candidates), at + length

    def _by_work(self, text: str, at: int, kinds: tuple[str, ...]) -> tuple[tuple[OpenObject, ...], int]:
        for word, things in self.by_work.get(text[at : at + 2], ()):
            end = at + len(word)
            found = tuple(thing for thing in things if not kinds or thing.kind in kinds)
            if found and text.startswith(word, at) and WORK.match(text, end):
                return found, end
        return (), at

    def shown_in(self, text: str) -> OpenObject | None:
        """The one thing whose full name stands in a text (a quoted card); None for none or several."""
        found = [
            thing
            for thing in self.objects
            if thing.kind not in NAMED_ONLY and len(thing.name) >= 2 and thing.name in text
        ]
        return found[0] if len(found) == 1 else None
