"""Verbs that were misheard by the voice input or typed in pinyin: 迁到, 报明, 认灵, baoming.

Tones do not count, nor do the pairs that southern speakers run together (zh and z, n and ng). Only the characters
that sound like some syllable of a verb are kept in memory.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

COMMON = range(0x4E00, 0x9FA6)
HEARD = 60
"""Characters of a text that are listened to."""
LETTERS = re.compile(r"[a-z]{2,6}(?: [a-z]{2,6}){1,5}|[a-z]{4,40}")


@lru_cache(maxsize=1)
def _readings() -> dict[str, tuple[str, ...]]:
    """The syllables of each common character, from the table of pypinyin, which is read and dropped again: the package
    itself would load its phrases, fifty megabytes of them."""
    spec = find_spec("pypinyin")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    table = json.loads((Path(spec.submodule_search_locations[0]) / "pinyin_dict.json").read_text("utf-8"))
    return {
        chr(int(code)): tuple(dict.fromkeys(syllable(one) for one in read.split(",")[:2]))
        for code, read in table.items()
        if int(code) in COMMON and _is_usual(chr(int(code)))
    }


def _is_usual(character: str) -> bool:
    """Voice input writes the characters of GB 2312."""
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def syllable(written: str) -> str:
    """A syllable without its tone and without what voice input confuses."""
    bare = "".join(c for c in unicodedata.normalize("NFD", written) if not unicodedata.combining(c)).lower()
    return merged(bare)


def merged(letters: str) -> str:
    """zh, ch, sh as z, c, s; ng as n."""
    return re.sub("(?<=[zcs])h", "", letters).replace("ng", "n")


@dataclass(slots=True)
class Syllables:
    """What may follow some syllables, and the verb that they spell where they are a whole one."""

    then: dict[str, "Syllables"] = field(default_factory=dict)
    verb: str = ""


class Sounds:
    """The verbs of a grammar by how they sound."""

    def __init__(self, verbs: Iterable[str]) -> None:
        readings = _readings()
        self._root = Syllables()
        self._letters: dict[str, str] = {}
        heard = set()
        for verb in sorted(set(verbs), key=lambda word: (len(word), word)):
            if len(verb) < 2 or not all(character in readings for character in verb):
                continue
            node = self._root
            for character in verb:
                heard.add(readings[character][0])
                node = node.then.setdefault(readings[character][0], Syllables())
            node.verb = node.verb or verb
            self._letters.setdefault("".join(readings[character][0] for character in verb), verb)
        self._heard = {
            character: kept
            for character, read in readings.items()
            if (kept := tuple(one for one in read if one in heard))
        }
        self._firsts = frozenset(
            character for character, read in self._heard.items() if not self._root.then.keys().isdisjoint(read)
        )
        _readings.cache_clear()

    def find(self, text: str) -> tuple[tuple[int, int], str] | None:
        """The first place that sounds like a verb without being spelt like it."""
        return next(self.every(text), None)

    def every(self, text: str) -> Iterator[tuple[tuple[int, int], str]]:
        """Where something sounds like a verb, and like which: the longest at each place."""
        for match in LETTERS.finditer(text):
            verb = self._letters.get(merged(match[0].replace(" ", "")))
            if verb is not None:
                yield match.span(), verb
        for at in range(min(len(text), HEARD) - 1):
            if text[at] in self._firsts:
                yield from self._from(self._root, text, at, at)

    def _from(self, node: Syllables, text: str, start: int, at: int) -> Iterator[tuple[tuple[int, int], str]]:
        for syllable_ in self._heard.get(text[at], ()) if at < len(text) else ():
            if (following := node.then.get(syllable_)) is not None:
                yield from self._from(following, text, start, at + 1)
        if node.verb and node.verb != text[start:at]:
            yield (start, at), node.verb
