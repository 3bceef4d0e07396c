"""For whom a notice is, as people say it: `3栋、5栋党员`, `全体`, `楼长`, `3栋独居老人`, `全体除5栋`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from handlers.chat import Turn
from handlers.language.readers import BUT
from models import broadcast as books
from models import categories
from models.broadcast import Part, Who
from models.members import CATEGORY_WORDS, KNOWN_CATEGORIES, category_called
from models.units import NoSuchUnit, find_unit

WHO = {
    "党员": Who.PARTY,
    "楼长": Who.BUILDING_LEADS,
    "楼栋长": Who.BUILDING_LEADS,
    "各楼栋长": Who.BUILDING_LEADS,
    "支部书记": Who.BRANCH_SECRETARIES,
    "网格员": Who.STAFF,
    "志愿者": Who.VOLUNTEERS,
    "全体志愿者": Who.VOLUNTEERS,
}
"""What people say for certain people of a unit, wherever they live."""
_WHO = re.compile(f"(?P<unit>.*?)的?(?P<who>{'|'.join(sorted(WHO, key=len, reverse=True))})")


def parts_called(turn: Turn, target: str) -> tuple[Part, ...] | None:
    """The audience of `3栋、5栋党员`; None for words that mean nobody here."""
    who, _, but = target.partition(BUT)
    parts = [_part(turn, word) for word in who.split("、") if word]
    left_out = [_part(turn, word) for word in but.split("、") if word]
    if not parts or not all((*parts, *left_out)):
        return None
    found = [*filter(None, parts), *(replace(part, but=True) for part in left_out if part)]
    return tuple(dict.fromkeys(found))


def _part(turn: Turn, word: str) -> Part | None:
    community_id = turn.community.id
    match = _WHO.fullmatch(word)
    try:
        if (found := _category(turn, word)) is not None:
            unit, category = found
            return Part(find_unit(turn.session, community_id=community_id, name=unit or "全体"), Who.CATEGORY, category)
        if match is None:
            return Part(find_unit(turn.session, community_id=community_id, name=word))
        who, unit = WHO[match["who"]], match["unit"]
        if not unit and who is Who.PARTY:
            return Part(books.party_of(turn.session, community_id=community_id), who)
        return Part(find_unit(turn.session, community_id=community_id, name=unit or "全体"), who)
    except NoSuchUnit:
        return None


def _category(turn: Turn, word: str) -> tuple[str, str] | None:
    """The unit and the category of `3栋独居老人`; a unit that ends like a category is a unit."""
    if _is_unit(turn, word):
        return None
    own = categories.own_words(turn.session, community_id=turn.community.id)
    words = (*KNOWN_CATEGORIES, *CATEGORY_WORDS, *own)
    ending = max((one for one in words if word.endswith(one)), key=len, default="")
    category = category_called(ending) if ending else None
    return (word.removesuffix(ending).removesuffix("的"), category) if category else None


def _is_unit(turn: Turn, word: str) -> bool:
    try:
        find_unit(turn.session, community_id=turn.community.id, name=word)
    except NoSuchUnit:
        return False
    return True


def names_in(body: str, parts: Sequence[Part]) -> str:
    """What a text says that may stand nowhere: the name of a private category whose people it is for."""
    hidden = {part.category for part in parts if part.private}
    spelled = [word for word, name in CATEGORY_WORDS.items() if name in hidden]
    return next((word for word in (*sorted(hidden), *spelled) if word in body), "")
