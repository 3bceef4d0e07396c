"""What is said of one person, in a line or in the cells of a list: where they live, their phone, 党员 or not.

`3栋2单元501 13800001234 党员`, `手机 13900001234`, `住址 5栋1单元301`, `姓名 李思`.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from handlers.language import phrasing
from handlers.language.numerals import NUMERAL, number
from handlers.language.places import designation, read_room, read_unit
from models.members import Standing

PARTY_WORDS = frozenset(
    ("党员", "中共党员", "正式党员", "中共正式党员", "预备党员", "中共预备党员", "共产党员", "中国共产党党员")
)
OTHER_WORDS = frozenset(
    (
        "群众",
        "居民",
        "非党员",
        "普通群众",
        "团员",
        "共青团员",
        "中国共产主义青年团团员",
        "少先队员",
        "无党派",
        "无党派人士",
    )
    + (
        "民主党派",
        "民革党员",
        "民盟盟员",
        "民建会员",
        "民进会员",
        "农工党党员",
        "致公党党员",
        "九三学社社员",
        "台盟盟员",
    )
)
"""What the party's own forms know beside its members: in a neighbourhood's book all of them are residents."""


@dataclass(frozen=True, slots=True)
class Address:
    """A home: `3栋`, `2单元`, `501`; each may be empty but the first."""

    building: str
    door: str = ""
    room: str = ""


@dataclass(frozen=True, slots=True)
class Particulars:
    """What one line says of a person. None: nothing was said about it."""

    name: str | None = None
    unit: str | None = None
    """`3栋` or `3栋2单元`."""
    room: str | None = None
    phone: str | None = None
    standing: Standing | None = None
    born: str | None = None
    """When they were born, as typed: see `births`."""
    rest: str = ""
    """What was not understood."""

    @property
    def private(self) -> bool:
        """Whether it holds what must not stand in a group."""
        told = (self.phone, self.room, self.born)
        return any(one is not None for one in told) or bool(_LIKE_A_PHONE.search(self.rest))


def read_standing(text: str) -> Standing | None:
    """党员 or another word for what somebody is to the party; None for a word that says neither."""
    if text in PARTY_WORDS:
        return Standing.PARTY_MEMBER
    return Standing.RESIDENT if text in OTHER_WORDS else None


_LIKE_A_PHONE = re.compile(r"[0-9][0-9 -]{5,}[0-9]")
_MOBILE = re.compile(r"(?:\+?86[- ]?)?(?P<number>1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4})(?![0-9])")
_LANDLINE = re.compile(r"(?P<number>(?:\(?0[0-9]{2,3}\)?[- ]?)?[2-9][0-9]{6,7})(?![0-9])")


def read_phone(text: str) -> str | None:
    """The digits of a telephone number that is the whole text; None where it is none that rings anywhere."""
    match = _MOBILE.fullmatch(text) or _LANDLINE.fullmatch(text)
    return re.sub(r"[^0-9]", "", match["number"]) if match else None


_BUILDING = re.compile(
    rf"第?(?P<marked>{NUMERAL}|[A-Za-z])(?:号楼|栋楼?|幢楼?|座|#楼?|号院)|(?P<dashed>[0-9]{{1,3}}|[A-Za-z])(?=-)"
)
_DOOR = re.compile(rf"第?(?P<marked>{NUMERAL}|[A-Za-z])(?:单元|门栋|门|梯)|(?P<dashed>[0-9]{{1,2}})(?=-[0-9])")
_ROOM = re.compile(
    r"(?P<room>[0-9A-Za-z]{1,8}(?:-[0-9A-Za-z]{1,8})?|[零〇一二三四五六七八九]{3,4})(?:号房|室|房|户|号)?"
)


def read_address(text: str) -> Address | None:
    """A home that is the whole text, as lists write it: `3#-2-501`, `3栋2单元501室`, `3-2-501`, `三号楼`."""
    text = re.sub(r"[\s,]+", "", text)
    match = _BUILDING.match(text)
    if match is None:
        return None
    building = f"{designation(match['marked'] or match['dashed'])}栋"
    at = _past_dash(text, match.end())
    door = ""
    if match := _DOOR.match(text, at):
        door, at = f"{designation(match['marked'] or match['dashed'])}单元", _past_dash(text, match.end())
    if at == len(text):
        return Address(building, door)
    room = _ROOM.fullmatch(text, at)
    # 3-2 may be a door, a room or a date.
    if room is None or (text[:at].isascii() and "#" not in text[:at] and not re.search("[0-9]{3}", room["room"])):
        return None
    return Address(building, door, read_room_cell(room["room"]) or "")


def _past_dash(text: str, at: int) -> int:
    return at + (text[at : at + 1] == "-")


@lru_cache(maxsize=4096)
def read_building(text: str) -> str | None:
    """`3栋` for what a column of buildings holds: `3`, `3#`, `三号楼`, `A座`; None for a name of its own."""
    match = re.fullmatch(rf"第?({NUMERAL}|[A-Za-z])(?:号楼|栋楼?|幢楼?|座|#楼?|号院|号)?", text)
    return f"{designation(match[1])}栋" if match and _counts(match[1], 999) else None


@lru_cache(maxsize=4096)
def read_door(text: str) -> str | None:
    """`2单元` for what a column of entrances holds: `2`, `二单元`, `2门`; None for a name of its own."""
    match = re.fullmatch(rf"第?({NUMERAL}|[A-Za-z])(?:单元|门栋|门|梯)?", text)
    return f"{designation(match[1])}单元" if match and _counts(match[1], 99) else None


def _counts(written: str, most: int) -> bool:
    """Whether there could be so many: 1203 is a room that slipped into the column beside."""
    value = number(written)
    return value is None or 0 < value <= most


@lru_cache(maxsize=4096)
def read_room_cell(text: str) -> str | None:
    """A room as lists write it, without 室: `501`, `五零一`, `12A`, `1-502`; None for what is no room."""
    match = _ROOM.fullmatch(text)
    if match is None:
        return None
    spoken = number(match["room"]) if not match["room"].isascii() else None
    return match["room"].upper() if spoken is None else str(spoken)


_LABEL = re.compile(
    r"(?P<phone>(?:手机|电话|联系电话|联系方式)(?:号码?)?)|(?P<name>姓名|名字|改名)"
    r"|(?P<born>出生(?:年份?|年月|日期)|生日|年龄段?|年纪|岁数)"
    r"|(?:住址|地址|房号|房间|门牌号?|楼栋|政治面貌|身份|住|搬到)"
)
_BECOMES = re.compile(r"[ ]?(?:改?[为成到]|换成|[:是])[ ]*")
_WORD = re.compile(r"[^ ,;、\n]+")


def read_particulars(text: str) -> Particulars:
    """What a line says of a person, in any order; what makes no sense is its `rest`."""
    said, rest, at = Particulars(), [], 0
    while at < len(text):
        if text[at] in phrasing.BLANKS:
            at += 1
            continue
        label = _LABEL.match(text, at)
        if label:
            at = label.end()
            if becomes := _BECOMES.match(text, at):
                at = becomes.end()
            at += len(text[at:]) - len(text[at:].lstrip())
        if label and label["born"]:
            found = _born_at(text, at, said)
        else:
            found = None if label and label["phone"] and not _phone_at(text, at) else _one(text, at, said)
        if found is None:
            word = _WORD.match(text, at)
            rest.append(word[0] if word else "")
            at = word.end() if word else at + 1
        else:
            said, at = found
    return replace(said, rest=" ".join(filter(None, rest)))


def _born_at(text: str, at: int, said: Particulars) -> tuple[Particulars, int] | None:
    """What stands behind the word that says it is a birth."""
    word = _WORD.match(text, at)
    if word is None or said.born is not None:
        return None
    return replace(said, born=word[0]), word.end()


def _phone_at(text: str, at: int) -> re.Match[str] | None:
    return _MOBILE.match(text, at) or _LANDLINE.match(text, at)


def _one(text: str, at: int, said: Particulars) -> tuple[Particulars, int] | None:
    """The one thing that begins here."""
    if said.phone is None and (phone := _phone_at(text, at)):
        return replace(said, phone=read_phone(phone[0])), phone.end()
    if said.unit is None and (unit := read_unit(text, at)):
        return replace(said, unit=unit[0]), unit[1]
    if said.room is None and (room := read_room(text, at)):
        return replace(said, room=room[0]), room[1]
    word = _WORD.match(text, at)
    if word is None:
        return None
    if said.standing is None and (standing := read_standing(word[0])):
        return replace(said, standing=standing), word.end()
    if said.name is None and phrasing.PERSON.fullmatch(word[0]) and phrasing.is_name(word[0]):
        return replace(said, name=word[0]), word.end()
    return None


def plain(text: str) -> str:
    """A cell as people mean it: half-width, without line ends and doubled blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).split())
