"""How each kind of slot is recognised at a place of a sentence: one reader a kind.

A reader takes the filling so far, the slot, the place, and whether the place lies within a word, where less
is sure and only clear signs count. It answers with the value and where it ends; a value of None was
understood and fills nothing (`不限人数`).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from handlers.language import dates, phrasing, places
from handlers.language.numerals import CHINESE, NUMERAL, number, read_duration
from handlers.language.slots import Kind, Slot
from handlers.language.surroundings import OpenObject

if TYPE_CHECKING:
    from handlers.language.filling import Filling

Reader = Callable[["Filling", Slot, int, bool], tuple[Any, int] | None]


def takes_number(filling: "Filling", slot: Slot, value: int, written: str) -> bool:
    if slot.kind is Kind.ROOM:
        return written.isascii() and 3 <= len(written) <= 4
    if slot.kind is Kind.COUNT and filling.plan.kinds:
        # 报名 12 13 is no party of thirteen where there is an activity 13.
        thing = filling.world.thing(filling.plan.kinds, value)
        return thing is None or not thing.open
    if slot.kind is Kind.OBJECT and filling.shown is not None:
        # Beside a quoted card a number that no object bears is a count: 报名 2.
        counted = any(other.kind is Kind.COUNT for other in filling.plan.bare)
        return not counted or filling.world.thing(filling.plan.kinds, value) is not None
    return True


def _read_unit(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    found = places.read_unit(filling.text, at, filling.world.unit_names)
    if found is None:
        return None
    unit, end = found
    # 3栋的, 3栋群: particles of the place.
    if filling.text.startswith(("的", "群", "里"), end) and filling.text[end + 1 : end + 2] in ("", " ", ","):
        end += 1
    return unit, end


def _read_room(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    if inside:
        return None
    return places.read_room(filling.text, at)


_DIGITS = re.compile(
    r"(?P<label>(?:我的?)?(?:(?:手机|电话)(?:号码?)?)?(?:的)?(?:尾号|[后末][四4]位|号码?)?(?:数字?)?(?:是|为|:)?[ ]*)"
    r"(?:(?P<last>[0-9]{4}|[零〇一二三四五六七八九]{4})|1[0-9]{2}[ -]?[0-9]{4}[ -]?(?P<whole>[0-9]{4}))"
    r"(?![0-9零〇一二三四五六七八九])"
)


def _read_digits(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _DIGITS.match(filling.text, at)
    if match is None or (inside and not match["label"].strip()):
        return None
    last = match["last"] or match["whole"]
    return "".join(str(number(figure)) for figure in last), match.end()


def _read_when(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    found = dates.read_at(filling.text, at, filling.now)
    if found is None:
        return None
    moment, end = found
    if inside and end - at < 2:
        return None
    written = filling.text[at:end]
    if not inside:
        filling.slots[f"{slot.name}_at"] = moment.start
        if moment.end is not None and moment.grain in ("minute", "day"):
            filling.slots[f"{slot.name}_until"] = moment.end
        if moment.grain != "minute":
            filling.slots[f"{slot.name}_grain"] = moment.grain
        if moment.recur is not None:
            filling.slots[f"{slot.name}_recur"] = moment.recur
        if moment.ambiguous:
            filling.slots[f"{slot.name}_ambiguous"] = True
    return written, end


_SPENT = re.compile(r"(?:一共|总共|共)?(?:服务|干|做|忙|用|花)了?|一共|总共|共")


def _read_duration(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    spent = _SPENT.match(filling.text, at)
    return read_duration(filling.text, spent.end() if spent else at)


_COUNT = re.compile(
    rf"(?:(?:限额|限|名额|人数|一共|总共|共|招募|招|需要|需)[:是为]?(?P<labelled>{NUMERAL})(?:个?(?:人|位|名|名额))?(?:以内)?"
    rf"|(?:我们|带|来|就)?(?P<counted>{NUMERAL})(?:个?人(?![家民])|位|名额?|个名额|个位置|口子?人?)(?:以内|一起)?"
    rf"|(?:我们|带)?(?P<pieces>{NUMERAL})个(?=[ ,!~.]|\Z)"
    r"|(?:我们)?(?P<pair>[俩仨])(?:人|个)?(?=[ ,!~.]|\Z)"
    r"|(?P<open>(?:人数)?不限(?:人数|名额)?))"
)


def _read_count(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    if match := phrasing.TOGETHER.match(filling.text, at):
        return 2, match.end()
    match = _COUNT.match(filling.text, at)
    if match is None:
        return None
    if match["open"]:
        return None, match.end()
    value = number(match["labelled"] or match["counted"] or match["pieces"] or match["pair"])
    return None if value is None else (value, match.end())


_POINTS = re.compile(
    rf"(?:积分|分值)[:是]?(?P<labelled>{NUMERAL})(?:分(?!钟))?"
    rf"|(?:每人|每位|各|奖励?|给|加|扣|记)*(?P<sign>[+-]|负)?(?P<number>{NUMERAL})"
    r"(?:个?积分|个分|点积分|分(?![钟之钱米类享数开]))"
)


def _read_points(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _POINTS.match(filling.text, at)
    if match is None:
        return None
    value = number(match["labelled"] or match["number"])
    if value is None:
        return None
    return filling.sign * (-value if match["sign"] in ("-", "负") else value), match.end()


_NUMBERED = re.compile(
    rf"(?:第|#|no\.?)?(?P<number>[0-9]{{1,9}}+|[{CHINESE}]{{1,9}}+)(?P<mark>[号#]|个(?=活动|岗))?+"
    r"(?:的?(?:那个|这个|那场|这场|活动|岗位?|话题|场))*+(?![0-9人位名口分栋幢座楼院单点时月日年天小个元块次两斤岁%:号#家刻条-])"
)
_AFTER_SPOKEN = frozenset("了吧啊呀哦哈谢我")
"""What may follow a spoken number without a mark: 签到十二吧, but not 签到一下."""


def read_object(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A thing by its number (`12号`, `14那个`), by its name or a piece of it (`反诈那个`), or by both."""
    text, kinds = filling.text, filling.plan.kinds
    if match := _NUMBERED.match(text, at):
        value = number(match["number"])
        if value is None or inside or not _stands_alone(text, match):
            return None
        thing = filling.world.thing(kinds, value)
        marked = match.end() - at > len(match["number"])
        if thing is None and not marked and not _takes_as_object(filling, value):
            return None
        return value, _after_number(filling, slot, thing, match.end())
    found, end = filling.world.named(text, at, kinds)
    if not found:
        return None
    end = _after_name(text, end)
    if len(found) > 1:
        if not inside:
            filling.choices = found
        return None, end
    return found[0].number, end


_NEXT_NUMBER = re.compile(r" ?[、和及,] ?(?P<number>[0-9]{1,9})(?P<mark>号)?(?=[ 、和及,!~.]|\Z)")


def _after_number(filling: "Filling", slot: Slot, thing: OpenObject | None, end: int) -> int:
    """Passes the thing's name behind its number, and reads further numbers: `12号 清洁家园`, `13、14`."""
    text = filling.text
    past_blank = end + (text[end : end + 1] == " ")
    if thing and thing.name and text.startswith(thing.name, past_blank):
        return past_blank + len(thing.name)
    while thing and (match := _NEXT_NUMBER.match(text, end)):
        if filling.world.thing(filling.plan.kinds, int(match["number"])) is None:
            break
        filling.again.append((slot, int(match["number"])))
        end = match.end()
    return end


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Figures always do; a spoken number needs a mark or an end, for 一 and 三 begin many words."""
    if match["number"].isascii() or match.end() > match.end("number"):
        return True
    after = text[match.end() : match.end() + 1]
    return not after or after in phrasing.BLANKS or after in _AFTER_SPOKEN


def _takes_as_object(filling: "Filling", value: int) -> bool:
    slot = filling.plan.object
    return slot is not None and takes_number(filling, slot, value, str(value))


_NAME_TAIL = re.compile(r"(?:的?(?:那个|这个|那场|这场|那次)?(?:活动|岗位?|话题)?)(?:那个|这个)?")


def _after_name(text: str, end: int) -> int:
    match = _NAME_TAIL.match(text, end)
    return match.end() if match else end


_MARKED_NUMBER = re.compile(
    rf"(?:第|前|#|no\.?)(?P<ahead>{NUMERAL})(?:[号名条项个位])?|(?P<behind>{NUMERAL})[号#](?![楼院])"
)


def _read_number(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _MARKED_NUMBER.match(filling.text, at)
    if match is None or (inside and match["ahead"] is None):
        return None
    value = number(match["ahead"] or match["behind"])
    return None if value is None else (value, match.end())


PERIODS: Mapping[str, tuple[str, ...]] = {
    "本周": ("本周", "这周", "这个星期", "这星期", "这个礼拜", "这礼拜", "本星期", "周榜"),
    "上周": ("上周", "上个星期", "上星期", "上个礼拜", "上礼拜"),
    "本月": ("本月", "这个月", "这月", "当月", "月榜"),
    "上月": ("上月", "上个月"),
    "本季": ("本季度", "本季", "这个季度", "这季度", "季榜"),
    "今年": ("今年", "本年度", "本年", "全年", "年榜", "年度"),
    "全部": ("全部", "历史", "累计", "总榜", "总的", "所有", "至今", "有史以来"),
}
_PERIOD_OF = {word: period for period, words in PERIODS.items() for word in words}
_PERIOD = re.compile("|".join(sorted(_PERIOD_OF, key=len, reverse=True)))


def _read_period(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _PERIOD.match(filling.text, at)
    if match is None:
        return None
    end = match.end() + (filling.text[match.end() : match.end() + 1] == "的")
    return _PERIOD_OF[match[0]], end


@lru_cache(maxsize=256)
def _choices(slot: Slot) -> tuple[re.Pattern[str], Mapping[str, str]]:
    canonical = {synonym: word for word, synonyms in slot.choices for synonym in (word, *synonyms)}
    pattern = "|".join(re.escape(word) for word in sorted(canonical, key=len, reverse=True))
    return re.compile(pattern), canonical


def _read_choice(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    pattern, canonical = _choices(slot)
    match = pattern.match(filling.text, at)
    return (canonical[match[0]], match.end()) if match and match[0] else None


_MARKED_PERSON = re.compile(
    r"(?:替|帮|代|给|@)[ ]?@?([0-9]{3,4}室?的)?([\u4e00-\u9fff·]{2,6}|[A-Za-z]{2,20})(?=[ ,!~.]|\Z)"
)


def _read_person(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A name after 替, 帮 or @, or several names; a single one without a mark is a word."""
    if slot.required and (found := _read_people(filling, slot, at, inside)):
        (first, *others), end = found
        filling.again.extend((slot, name) for name in others)
        return first, end
    match = _MARKED_PERSON.match(filling.text, at)
    if match is None or not phrasing.is_name(match[2]):
        return None
    return (match[1] or "") + match[2], match.end()


_PEOPLE = re.compile(
    r"@?[\u4e00-\u9fff·]{2,4}(?:(?:[ ]?[、,和跟与及][ ]?|[ ](?=@))@?[\u4e00-\u9fff·]{2,4})+"
    r"(?=[ ,;.!~0-9+-]|\Z)"
)


def _read_people(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[list[str], int] | None:
    """Several names with something between them; a single one is a word."""
    if inside or not (match := _PEOPLE.match(filling.text, at)):
        return None
    names = [name for name in re.split(r"[ @、,和跟与及]+", match[0]) if name]
    return (names, match.end()) if all(map(phrasing.is_name, names)) else None


_TITLE = re.compile(r"[《「“\"](?P<title>[^《》「」“”\"\n]{1,60})[》」”\"]")


def _read_title(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A name in brackets or quotation marks, blanks and all; without them it is a word."""
    match = _TITLE.match(filling.text, at)
    return (match["title"].strip(), match.end()) if match else None


_PLACE = re.compile(r"(?:地点|地址|集合地|集合点)(?:在|是)?[: ]*|(?<![现正存实])在(?![家线])|到(?:了|达)?")
_PLACE_WORD = re.compile(r"[^ ,;.!~\n0-9]{2,20}?(?=(?:集合|举行|举办|开展|进行|搞|见)?(?:[ ,;.!~\n0-9]|\Z))")


def _read_place(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A place that is known, or any word after 在 or 地点; 到 alone makes no place of what follows."""
    text = filling.text
    start = match.end() if (match := _PLACE.match(text, at)) else at
    for name in filling.world.places:
        if text.startswith(name, start):
            return name, _after_place(text, start + len(name))
    if start == at or text[at] == "到":
        return None
    word = _PLACE_WORD.match(text, start)
    return (word[0], _after_place(text, word.end())) if word else None


def _after_place(text: str, end: int) -> int:
    for tail in ("集合", "举行", "举办", "开展", "进行", "搞", "见"):
        if text.startswith(tail, end):
            return end + len(tail)
    return end


READERS: Mapping[Kind, Reader] = {
    Kind.UNIT: _read_unit,
    Kind.ROOM: _read_room,
    Kind.DIGITS: _read_digits,
    Kind.WHEN: _read_when,
    Kind.DURATION: _read_duration,
    Kind.COUNT: _read_count,
    Kind.POINTS: _read_points,
    Kind.OBJECT: read_object,
    Kind.NUMBER: _read_number,
    Kind.PERIOD: _read_period,
    Kind.CHOICE: _read_choice,
    Kind.PEOPLE: _read_people,
    Kind.PERSON: _read_person,
    Kind.PLACE: _read_place,
    Kind.TITLE: _read_title,
}
STARTS: Mapping[Kind, str] = {
    Kind.UNIT: CHINESE + "第",
    Kind.DIGITS: "我手电尾后末",
    Kind.WHEN: CHINESE + "今明后大这本下周星礼每月上晚早中元",
    Kind.DURATION: CHINESE + "半服干做忙共",
    Kind.COUNT: CHINESE + "限名人共招我和跟带俩仨不",
    Kind.POINTS: CHINESE + "每各奖给加扣积分+-负",
    Kind.NUMBER: "第前#",
    Kind.PERIOD: "本这上当今全累总历所月周季年",
    Kind.PEOPLE: "@",
    Kind.PERSON: "@替",
    Kind.PLACE: "在到地集",
    Kind.TITLE: '《「“"',
}
"""With which characters a kind may begin in the middle of a word, beside figures."""
