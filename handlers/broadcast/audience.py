"""For whom a notice is, as people say it: `3栋、5栋党员`, `全体`, `楼长`."""

import re

from handlers.chat import Turn
from models import broadcast as books
from models.broadcast import Part, Who
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
    parts = [_part(turn, word) for word in target.split("、") if word]
    return tuple(dict.fromkeys(part for part in parts if part)) if parts and all(parts) else None


def _part(turn: Turn, word: str) -> Part | None:
    community_id = turn.community.id
    match = _WHO.fullmatch(word)
    try:
        if match is None:
            return Part(find_unit(turn.session, community_id=community_id, name=word))
        who, unit = WHO[match["who"]], match["unit"]
        if not unit and who is Who.PARTY:
            return Part(books.party_of(turn.session, community_id=community_id), who)
        return Part(find_unit(turn.session, community_id=community_id, name=unit or "全体"), who)
    except NoSuchUnit:
        return None
