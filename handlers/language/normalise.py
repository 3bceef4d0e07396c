"""One spelling for everything that is typed: what the other modules of the language may rely on.

Width and compatibility forms (NFKC), simplified script, plain blanks, no emoticons at the ends, the bot's
own mention taken off the head or the tail, and the quotation block of chat clients split off. Normalising
twice is normalising once.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import opencc

LONGEST = 4096
"""Characters of a message that are read; what lies beyond is cut off."""
PIECE = 512
"""Characters that are brought into compatible form at a time."""
WRAPPINGS = 24
"""How many quotations, mentions and emoticons are peeled off one after the other."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A message as it is understood."""

    text: str
    mentioned: bool = False
    """The bot was mentioned with an @."""
    called: bool = False
    """The text began with the bot's name (`小邻,签到`): no mention, but taken off as well."""
    others_mentioned: tuple[str, ...] = ()
    quoted: str = ""
    """What stood in the quotation block of a client (`「小邻:…」` above a line of dashes)."""
    traditional: bool = False
    """The person writes traditional script."""

    def echo(self, text: str) -> str:
        """An answer in the script of the person who asked."""
        return _to_traditional(text) if self.traditional else text


_simplifier = opencc.OpenCC("t2s")
_traditionaliser = opencc.OpenCC("s2t")


def _to_traditional(text: str) -> str:
    return str(_traditionaliser.convert(text))


@lru_cache(maxsize=1)
def _scripts() -> tuple[frozenset[str], frozenset[str]]:
    """The characters of traditional script that simplified text lacks, and the other way round."""
    every = [chr(code) for code in range(0x3400, 0xA000)]
    simpler = _simplifier.convert("\n".join(every)).split("\n")
    fuller = _traditionaliser.convert("\n".join(every)).split("\n")
    traditional = frozenset(old for old, new in zip(every, simpler, strict=True) if old != new)
    # 后, 里 and 只 change too, but stand in traditional text as well: what Big5 can write proves nothing.
    simplified = frozenset(old for old, new in zip(every, fuller, strict=True) if old != new and not _in_big5(old))
    return traditional, simplified


def _in_big5(character: str) -> bool:
    try:
        character.encode("big5")
    except UnicodeEncodeError:
        return False
    return True


_TRADITIONAL, _SIMPLIFIED = _scripts()

_ORDINARY = re.compile(r"[!-~\u4e00-\u9fff]++(?: [!-~\u4e00-\u9fff]++)*+")
"""ASCII and common characters with single blanks: nothing is to be done but the look at the script."""
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"
)
_LINE_ENDS = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r" ?\n[ \n]*")

_EMOJI = (
    "\u200d\u20e3\u2190-\u21ff\u231a-\u23ff\u24c2\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff\U0001fb00-\U0001fbff"
)
_EMOTICON = rf"(?:[{_EMOJI}]|\[[A-Za-z\u4e00-\u9fff]{{1,5}}\])"
_EMOTICONS_AHEAD = re.compile(rf"(?:{_EMOTICON}\s*)+")
_EMOTICONS_BEHIND = re.compile(rf"(?:\s*{_EMOTICON})+\Z")
_LAST_EMOTICON = re.compile(rf"(?:[{_EMOJI}]|\])\Z")

_QUOTATION = re.compile(r"[「“\"](?P<quoted>[^」”\"]{1,2000})[」”\"]\s*(?:[-—–─━_=][ ]?){3,}\s*", re.DOTALL)
_MENTION = re.compile(r"@([^\s@,.:;!?()\[\]]{1,32})")
_AFTER_NAME = frozenset(" \n,.:;!?~()-+")
_ONE_WORD_ANSWERS = frozenset("是好对不否行换赞顶")


def normalise(text: str, bot_names: Sequence[str]) -> Typed:
    """The message in one spelling. Never raises; reads the first 4,096 characters."""
    plain, traditional = _plain(text)
    names = _names(tuple(bot_names))
    quoted, mentioned, called = "", False, False
    for _ in range(WRAPPINGS):
        before = plain
        plain = _without_emoticons(plain)
        if plain[:1] in _QUOTE_MARKS and (match := _QUOTATION.match(plain)):
            quoted = quoted or match["quoted"].strip()
            plain = plain[match.end() :]
        if "@" in plain:
            plain, here = _without_mentions(plain, names)
            mentioned = mentioned or here
        if plain.startswith(names) and (rest := _called(plain, names)) is not None:
            plain, called = rest, True
        if plain == before:
            break
    else:
        # Nobody wraps a message that often; whatever does is not read at all.
        plain = ""
    others: tuple[str, ...] = ()
    if "@" in plain:
        found = tuple(dict.fromkeys(_MENTION.findall(plain)))
        others = tuple(name for name in found if name not in names)
        mentioned = mentioned or len(others) < len(found)
    return Typed(plain, mentioned, called, others, quoted, traditional)


_QUOTE_MARKS = ("「", "“", '"')


@lru_cache(maxsize=256)
def _names(bot_names: tuple[str, ...]) -> tuple[str, ...]:
    """The bot's names as they look after normalising, the longest first."""
    return tuple(sorted({_plain(name)[0] for name in bot_names if name.strip()}, key=len, reverse=True))


def _plain(text: str) -> tuple[str, bool]:
    """Width, script and blanks; and whether the person writes traditional script."""
    text = text[:LONGEST]
    if _ORDINARY.fullmatch(text) and _TRADITIONAL.isdisjoint(text):
        return text, False
    traditional = False
    # Taking away what is invisible can bring a letter and its accent together, and conversion can make new
    # phrases: a second round settles that; more than two were never needed.
    for _ in range(4):
        before = text
        text = _INVISIBLE.sub("", text)
        if not unicodedata.is_normalized("NFKC", text):
            text = _compatible(text)
        if not _TRADITIONAL.isdisjoint(text):
            simplified = str(_simplifier.convert(text))
            traditional = traditional or (simplified != text and _is_traditional(text))
            text = simplified
        if text == before:
            break
    return _blanks(text), traditional


def _compatible(text: str) -> str:
    """NFKC, piece by piece: one Arabic ligature makes eighteen letters, most of which would be cut off again."""
    pieces, length = [], 0
    for at in range(0, len(text), PIECE):
        pieces.append(unicodedata.normalize("NFKC", text[at : at + PIECE]))
        length += len(pieces[-1])
        if length >= LONGEST:
            break
    return unicodedata.normalize("NFKC", "".join(pieces)[:LONGEST])


def _is_traditional(text: str) -> bool:
    """More characters that only traditional script has than such that only simplified script has."""
    return sum(c in _TRADITIONAL for c in text) > sum(c in _SIMPLIFIED for c in text)


def _blanks(text: str) -> str:
    """Single blanks, single line ends, none at the ends."""
    if not text.isprintable():
        text = _LINE_ENDS.sub("\n", text)
    if "\n" in text or "\t" in text or "  " in text or not text.isascii():
        text = _BLANK_LINES.sub("\n", _BLANKS.sub(" ", text))
    return text.strip()


def _without_emoticons(text: str) -> str:
    """Emoji and the bracket emoticons of WeChat are decoration at the ends; inside a text they stay."""
    if match := _EMOTICONS_AHEAD.match(text):
        text = text[match.end() :]
    if _LAST_EMOTICON.search(text) and (match := _EMOTICONS_BEHIND.search(text)):
        text = text[: match.start()]
    return text.strip()


def _without_mentions(text: str, names: tuple[str, ...]) -> tuple[str, bool]:
    """Takes the bot's mentions off the head and the tail, and says whether there was one."""
    found = False
    for name in names:
        mention = f"@{name}"
        while text.startswith(mention) and _ends_name(text, len(mention)):
            text, found = text[len(mention) :].lstrip(" \n,:;.!~"), True
        while text.endswith(mention):
            text, found = text[: -len(mention)].rstrip(" \n,;"), True
    return text, found


def _ends_name(text: str, at: int) -> bool:
    """People write `@小邻签到` without a blank; one more character makes another name: `@小邻居`."""
    rest = text[at : at + 2]
    if not rest or rest[0] in _AFTER_NAME or rest[0].isdigit():
        return True
    alone = len(rest) == 1 or rest[1] in _AFTER_NAME
    return not alone or rest[0] in _ONE_WORD_ANSWERS


def _called(text: str, names: tuple[str, ...]) -> str | None:
    """The rest after `小邻,` or `小邻小邻 `. None: the name is part of a sentence (`小邻今天好慢`)."""
    for name in names:
        if not text.startswith(name):
            continue
        at = len(name)
        while text.startswith(name, at):
            at += len(name)
        if at > len(name) or text[at : at + 1] in (" ", ",", ":", "!", "\n", "~"):
            return text[at:].lstrip(" \n,:;.!~")
    return None
