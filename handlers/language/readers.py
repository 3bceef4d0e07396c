"""How each kind of slot is recognised at a place of a sentence: one reader a kind.

A reader takes the filling so far, the slot, the place, and whether the place lies within a word, where less
is sure and only clear signs count. It answers with the value and where it ends; a value of None was
understood and fills nothing (`不限人数`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from handlers.language import dates, festivals, phrasing, places
from handlers.language.numerals import CHINESE, NUMERAL, number, read_duration
from handlers.language.slots import Kind, Slot
from handlers.language.surroundings import WORK
from models.clock import local
from models.members import CATEGORY_WORDS, KNOWN_CATEGORIES, category_called

if TYPE_CHECKING:
    from handlers.language.filling import Filling
    from handlers.language.surroundings import Surroundings

Reader = Callable[["Filling", Slot, int, bool], tuple[Any, int] | None]


NAMED_BY = 3
"""Characters of a category's name that mean nothing else in a sentence."""
FIRSTS = "".join(sorted({word[0] for word in (*KNOWN_CATEGORIES, *CATEGORY_WORDS)}))
"""With which characters the categories begin that every community knows."""


def takes_number(filling: "Filling", slot: Slot, value: int, written: str) -> bool:
    if slot.labels:
        return False
    if slot.kind is Kind.ROOM:
        return written.isascii() and 3 <= len(written) <= 4
    if slot.kind is Kind.COUNT and filling.plan.kinds:
        # 报名 12 13 is no party of thirteen where there is an activity 13.
        thing = filling.world.thing(filling.plan.kinds, value)
        return thing is None or not thing.open
    if slot.kind is Kind.SCORE:
        return 1 <= value <= 5
    if slot.kind is Kind.OBJECT and slot.of not in filling.plan.kinds and "|" not in slot.of:
        return False
    if slot.kind is Kind.OBJECT and len(filling.plan.objects) > 1:
        own = filling.world.thing(tuple(slot.of.split("|")), value)
        if own is None and filling.world.thing(filling.plan.kinds, value) is not None:
            return False
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
    door = next((other for other in filling.plan.command.slots if other.kind is Kind.DOOR), None)
    if door is not None and not inside and (parts := re.fullmatch(r"(.+[栋院])(.+单元)", unit)):
        unit = parts[1]
        filling.put(door, parts[2], parts[2])
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
    if filling.plan.titled and festivals.NAMED.fullmatch(filling.text, at, end) and _goes_on(filling.text, end):
        # 重阳敬老 is the name of something.
        return None
    if slot.labels and not any(label in filling.text[:at] for label in slot.labels):
        if not slot.ahead or not (filling.ahead or _target_behind(filling, end)):
            return None
        if moment.grain == "now" or (moment.grain == "day" and moment.start.date() == local(filling.now).date()):
            return None, end
        if moment.grain == "deadline" or (moment.grain != "part" and moment.end is not None):
            # 明早8点到10点 is when the water is cut off, or when it is said: one has to ask.
            return None
    if filling.plan.periods and moment.grain in ("week", "month"):
        return None
    if moment.grain == "day" and filling.plan.kinds and (match := _NUMBERED.match(filling.text, at)):
        # 4号 is a wish where there is one of that number, and a day where there is none.
        value = number(match["number"])
        if value and match.end("mark") == end and filling.world.thing(filling.plan.kinds, value):
            return None
    if (inside and end - at < 2) or (slot.of == "clock" and moment.grain not in ("minute", "now")):
        return None
    written = filling.text[at:end]
    if slot.of == "clock" and filling.now < moment.start <= filling.now + _ONE_DAY:
        # When somebody came or went lies behind them.
        moment = replace(moment, start=moment.start - _ONE_DAY)
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


_ONE_DAY = timedelta(days=1)


def _target_behind(filling: "Filling", at: int) -> bool:
    """Whether it is said next, and by itself, to whom: `广播 明早8点 3栋 停水`."""
    at = phrasing.skip_courtesy(filling.text, at)
    for slot in filling.plan.command.slots:
        if slot.kind is Kind.TARGET and slot.name not in filling.slots:
            found = READERS[slot.kind](filling, slot, at, False) if at < len(filling.text) else None
            return found is not None and filling.text[found[1] : found[1] + 1] in phrasing.BLANKS
    return False


def _goes_on(text: str, end: int) -> bool:
    return "\u4e00" <= text[end : end + 1] <= "\u9fff"


_SPENT = re.compile(r"(?:一共|总共|共)?(?:服务|干|做|忙|用|花)了?|一共|总共|共")


def _read_duration(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    spent = _SPENT.match(filling.text, at)
    return read_duration(filling.text, spent.end() if spent else at)


def _read_door(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _DOOR.match(filling.text, at)
    return (f"{number(match[1])}单元", match.end()) if match else None


_DOOR = re.compile(rf"({NUMERAL})[ ]?(?:单元|门栋)")


def _read_hours(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    found = _read_duration(filling, slot, at, inside)
    if found is None:
        return None
    hours = round(found[0] / 60, 2)
    return (int(hours) if hours == int(hours) else hours), found[1]


_QUANTITY = re.compile(rf"(?P<number>{NUMERAL})(?:个(?!人)|包|袋|瓶|桶|张|份|件|盒|提|箱|斤|卷|块|支|条)(?:装的?|的)?")


def _read_quantity(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _QUANTITY.match(filling.text, at)
    value = number(match["number"]) if match else None
    if match is None or value is None:
        return None
    # 换一袋大米 is one of it, which needs no saying; 最多一条 says something.
    return (value if value > 1 or slot.of else None), match.end()


_COUNT = re.compile(
    rf"(?:(?:限额|限|名额|人数|一共|总共|共|招募|招|需要|需)[:是为]?(?P<labelled>{NUMERAL})(?:个?(?:人|位|名"
    rf"|名额))?(?:以内)?"
    rf"|(?:我们|带|来|就)?(?P<counted>{NUMERAL})(?:个?人(?![家民])|位|名额?|个名额|个位置|口子?人?)(?:以内|一起)?"
    rf"|(?:我们|带)?(?P<pieces>[2-9]|[0-9]{{2}}|[二两三四五六七八九十])个(?=[ ,!~.]|\Z)"
    rf"|(?:我们)?(?:一家|全家)(?P<family>{NUMERAL})口人?(?:都|一起)?"
    rf"|共?(?P<places>{NUMERAL})个?名额"
    r"|(?:我们)?(?P<pair>[俩仨])(?:人|个)?(?=[ ,!~.]|\Z)"
    r"|(?P<open>(?:人数)?不限(?:人数|名额)?))"
)


def _read_count(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    if filling.plan.reason is None and (match := phrasing.TOGETHER.match(filling.text, at)):
        return 2, match.end()
    match = _COUNT.match(filling.text, at)
    if match is None:
        return None
    if match["open"]:
        return None, match.end()
    value = number(
        match["labelled"] or match["counted"] or match["pieces"] or match["family"] or match["places"] or match["pair"]
    )
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
    r"(?:的?(?:那个|这个|那场|这场|活动|岗位?|活儿?(?!动)|话题"
    # 三号港 is how voice input hears 三号岗.
    r"|场|[港钢缸](?=[ ,!~.]|\Z)))*+(?![0-9人位名口分栋幢座楼院单点时月日年天小个元块次两斤岁%:号#家刻条-])"
)
_AFTER_SPOKEN = frozenset("了吧啊呀哦哈谢我")
"""What may follow a spoken number without a mark: 签到十二吧, but not 签到一下."""


def read_object(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A thing by its number (`12号`, `14那个`), by its name or a piece of it (`反诈那个`), or by both."""
    text, kinds = filling.text, tuple(slot.of.split("|"))
    if slot.labels:
        label = _alternatives(slot.labels).match(text, at)
        if label is None:
            return None
        at, inside = label.end(), False
    if match := _NUMBERED.match(text, at):
        value = number(match["number"])
        if value is None or inside or not _stands_alone(text, match):
            return None
        thing = filling.world.thing(kinds, value)
        if thing is None and kinds != filling.plan.kinds and filling.world.thing(filling.plan.kinds, value):
            # 签到 3 where 3 is a post and no activity.
            return None
        marked = match.end() - at > len(match["number"])
        if thing is None and not marked and not _takes_as_object(filling, value):
            return None
        return value, _after_number(filling, slot, value, match.end())
    found, end = filling.world.named(text, at, kinds)
    if not found:
        return None
    if _runs_on(filling, at, end) and text[at:end] not in [thing.name for thing in found]:
        # 停车费 is no piece of 停车怎么管.
        return None
    end = _after_name(text, end)
    if len(found) > 1:
        if not inside:
            filling.choices = found
        return None, end
    return found[0].number, end if inside else _further(filling, slot, end, found[0].number)


_AND = re.compile(r" ?[、和跟与及,] ?(?:还有)?| ")
_NEXT_NUMBER = re.compile(r"(?P<number>[0-9]{1,9})号?(?=[ 、和跟与及,!~.我]|\Z)")


def _runs_on(filling: "Filling", at: int, end: int) -> bool:
    """Whether a piece of a name goes on as other words of a free text."""
    text = filling.text
    if filling.plan.text is None or end >= len(text) or text[end] in phrasing.BLANKS:
        return False
    return _after_name(text, end) == end


def _after_number(filling: "Filling", slot: Slot, value: int, end: int) -> int:
    """Passes the thing's name behind its number, and reads further things: `12号 清洁家园`, `13、14`."""
    text = filling.text
    thing = filling.world.thing(tuple(slot.of.split("|")), value)
    past_blank = end + (text[end : end + 1] == " ")
    if thing and thing.name and text.startswith(thing.name, past_blank):
        return past_blank + len(thing.name)
    return _further(filling, slot, end, value)


def _further(filling: "Filling", slot: Slot, end: int, first: int) -> int:
    """Reads what is named beside the first thing: `13、14`, `12 13`, `清洁家园和义诊`. The command is done for each."""
    text = filling.text
    while not slot.labels and (link := _AND.match(text, end)):
        if link[0] == " " and filling.plan.takes_figures:
            # 改活动 12 13号: the second number may be a day, or what something is changed to.
            break
        found: int | None = None
        if match := _NEXT_NUMBER.match(text, link.end()):
            thing = filling.world.thing(filling.plan.kinds, int(match["number"]))
            # Behind a blank or a comma an unknown number may be a count of people.
            is_one = thing is not None or link[0].strip(" ,") != ""
            found, past = int(match["number"]) if is_one else None, match.end()
        else:
            named, past = filling.world.named(text, link.end(), tuple(slot.of.split("|")))
            if len(named) == 1 and not _runs_on(filling, link.end(), past):
                found, past = named[0].number, _after_name(text, past)
        if found is None:
            break
        if found not in (first, *(value for _, value in filling.again)):
            filling.again.append((slot, found))
        end = past
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


_NAME_TAIL = re.compile(rf"(?:{WORK.pattern}|的?(?:那个|这个|那场|这场|那次)?(?:活动|话题)?)(?:那个|这个)?")


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
    return re.compile(rf"{_APART[0]}(?:{pattern}){_APART[1]}" if slot.apart else pattern), canonical


_APART = (r"(?<![^ ,;:!~.、\n])", r"(?![^ ,;!~.、\n])")
"""Nothing but blanks and stops before a word, and behind it."""


def _read_choice(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    pattern, canonical = _choices(slot)
    match = pattern.match(filling.text, at)
    return (canonical[match[0]], match.end()) if match and match[0] else None


_MARKED_PERSON = re.compile(
    r"(?:替|帮|代|给|@)[ ]?@?(?P<home>[0-9]{3,4}室?的?)?(?:[0-9]{1,2}栋的?)?"
    r"(?P<name>[\u4e00-\u9fff·]{2,6}?|[A-Za-z]{2,20})(?:也)?(?=[ ,!~.]|\Z|一下|报|签|补|登记|取消|许|说|请|认)"
)
_TAKER = re.compile(
    r"@?(?P<name>[\u4e00-\u9fff·]{2,4}?)"
    r"(?=(?:来|去|接着|继续)(?:做|干|接|顶|管)|(?:做|干|吧|顶上|负责)(?:[ ,!~.]|吧|\Z))"
)
"""Somebody who is to do it: `让给 孙姐来做`."""
_PARTNER = re.compile(
    r"[ ]?@?(?P<name>[\u4e00-\u9fff·]{2,6}?|[A-Za-z]{2,20})(?=[ ,!~.]|\Z|换|调|对调|一起|一块|的|互换|倒|顶|认"
    r"|商量|今|明|后|周|星期|礼拜|下|本|这|[0-9])"
)


def _read_person(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A name after 替, 帮 or @ (or the slot's own words), or several names; a single one without a mark is a word."""
    text = filling.text
    if slot.labels:
        for label in slot.labels:
            if label and text.startswith(label, at) and (match := _PARTNER.match(text, at + len(label))):
                name = match["name"]
                if phrasing.is_person(name):
                    return name, match.end()
        return None
    if slot.required and (found := _read_people(filling, slot, at, inside)):
        names, end = found
        if end >= len(text) or text[end] in phrasing.BLANKS or text[end] in "0123456789+-每各" or len(names) > 1:
            several = next((one for one in filling.plan.command.slots if one.kind is Kind.PEOPLE), None)
            if several is not None and len(names) > 1:
                filling.put(several, names, text[at:end])
                return None if slot.name in filling.slots else (None, end)
            first, *others = names
            filling.again.extend((slot, name) for name in others)
            return first, end
    if slot.required and not inside and (taker := _TAKER.match(text, at)) and phrasing.is_person(taker["name"]):
        return taker["name"], taker.end()
    match = _MARKED_PERSON.match(text, at)
    if match is None or any(name.kind is Kind.PEOPLE and name.name in filling.slots for name in filling.plan.words):
        return None
    # Only 替, 代 and @ are said of nobody but people.
    shape = phrasing.is_name if text[at] in "替代@" and not inside else phrasing.is_person
    if not shape(match["name"]):
        return None
    return (match["home"] or "") + match["name"], match.end()


_PEOPLE = re.compile(
    r"@?[\u4e00-\u9fff·]{2,4}?(?:(?:[ ]?[、,和跟与及][ ]?|[ ])@?[\u4e00-\u9fff·]{2,4}?){1,9}"
    r"(?=[ ,;.!~0-9+-]|\Z|每人|每位|各)"
)


_WITH_ME = re.compile(r"(?:我|俺)[ ]?[、,和跟与及][ ]?|[和跟][ ]?")
_ONE_NAME = re.compile(r"@?[\u4e00-\u9fff·]{2,4}?(?=[ ,;.!~0-9+-]|\Z|一起|一块|都|俩|两)")


def _read_people(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[list[str], int] | None:
    """Several names with something between them, the speaker's too (`我和王秀英`); a single one is a word."""
    if not inside and not slot.required and (me := _WITH_ME.match(filling.text, at)):
        others = _read_people(filling, slot, me.end(), inside)
        if others is None and (one := _ONE_NAME.match(filling.text, me.end())) and phrasing.is_person(one[0]):
            others = [one[0].removeprefix("@")], one.end()
        return (["self", *others[0]], others[1]) if others else None
    if inside or not (match := _PEOPLE.match(filling.text, at)):
        return None
    names = [name for name in re.split(r"[ @、,和跟与及]+", match[0]) if name]
    return (names, match.end()) if all(map(phrasing.is_person, names)) else None


_TITLE = re.compile(r"[《「“\"](?P<title>[^《》「」“”\"\n]{1,60})[》」”\"]")


def _read_title(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A name in brackets or quotation marks, blanks and all; without them it is a word."""
    match = _TITLE.match(filling.text, at)
    return (match["title"].strip(), match.end()) if match else None


_PLACE = re.compile(
    r"(?:地点|地址|集合地|集合点)(?:在|是)?[: ]*|(?:我|人)?(?<![现正存实])在(?![家线])|(?:我)?(?:已经?"
    r"|刚)?到(?:了|达)?"
)
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
    return match.end() if (match := _PLACE_TAIL.match(text, end)) else end


_PLACE_TAIL = re.compile(
    "(?:集合|举行|举办|开展|进行|搞|见)|(?:的?(?:大门口|门口|楼下|大门|里面?|这边|这里|这儿|那边|那儿|旁边|外面))?(?:了|啦|集合|呢)?"
)


def _read_flag(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _alternatives(slot.labels).match(filling.text, at)
    return (True, match.end()) if match else None


@lru_cache(maxsize=256)
def _alternatives(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))


_LABELLED = re.compile(r"[: 是]*([^ ,;.!~\n]{2,20})")


def _read_labelled(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    label = _alternatives(slot.labels).match(filling.text, at)
    match = _LABELLED.match(filling.text, label.end()) if label else None
    return (match[1], match.end()) if match else None


_REMARK = re.compile(
    rf"(?P<topic>{NUMERAL})(?:[-–—]|杠|之)(?P<remark>{NUMERAL})(?:号|条)?(?:的?发言)?(?![0-9-])"
    rf"|(?P<topic_>{NUMERAL})号(?:话题|夜话)?(?:的)?第?(?P<remark_>{NUMERAL})(?:条|楼|号)(?:发言)?"
)


def _read_remark(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _REMARK.match(filling.text, at)
    if match is None:
        return None
    topic, remark = number(match["topic"] or match["topic_"]), number(match["remark"] or match["remark_"])
    return None if topic is None or remark is None else (f"{topic}-{remark}", match.end())


_ONE_ANSWER = re.compile(
    rf"(?:(?:第(?P<spoken>{NUMERAL})[题问道]?|[Qq]?(?P<digits>[0-9]{{1,2}})(?:题|[.:、)])?)[ ]?(?:我?选|答|是"
    rf"|填)?[ :]?)(?P<letter>[A-Ha-h])(?![A-Za-z])[ ,;、.]*"
)
_LETTERS = re.compile(r"(?<![A-Za-z0-9])[A-Ha-h]{1,20}(?![A-Za-z0-9])(?:项)?")


def _read_answers(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """`1A 2C`, `第一题选B`, `ACB`; a lone letter answers the question that is shown."""
    text, answers, end = filling.text, {}, at
    while match := _ONE_ANSWER.match(text, end):
        value = number(match["spoken"] or match["digits"])
        answers[str(value)] = match["letter"].upper()
        end = match.end()
    if answers:
        return answers, end
    if not inside and (match := _LETTERS.match(text, at)):
        letters = match[0].removesuffix("项").upper()
        first = filling.asked or 1
        if len(letters) > 1 and filling.asked:
            return None
        return {str(place): letter for place, letter in enumerate(letters, first)}, match.end()
    return None


BALLOT = (
    (
        "同意",
        (
            "同意",
            "赞成",
            "支持",
            "没意见",
            "举双手赞成",
            "坚决支持",
            "坚决同意",
            "举双手同意",
            "可以装",
            "赞同",
            "同意票",
            "赞成票",
            "投赞成",
        ),
    ),
    ("反对", ("反对", "不同意", "不赞成", "不支持", "坚决反对", "坚决不同意", "不赞同", "反对票", "投反对")),
    ("弃权", ("弃权", "都行", "无所谓", "随便", "中立", "弃权票", "不表态", "保留意见")),
)
"""What people say for the usual choices of a poll, whatever words the poll has for them."""
_BALLOT_OF = {word: group for group, words in BALLOT for word in words}
_BALLOT = _alternatives(tuple(_BALLOT_OF))


def _read_ballot(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """The choice in the poll's own word; where it is not known which poll, in the usual one."""
    text = filling.text
    number_ = filling.slots.get(filling.plan.object.name) if filling.plan.object else None
    poll = filling.world.thing(("poll",), number_) if isinstance(number_, int) else filling.shown
    own = poll.choices if poll is not None else ()
    for word in sorted(own, key=len, reverse=True):
        if text.startswith(word, at) and not text.startswith("意", at + len(word)):
            return word, at + len(word)
    match = _BALLOT.match(text, at)
    if match is None:
        return None
    group = _BALLOT_OF[match[0]]
    return next((word for word in own if _BALLOT_OF.get(word) == group), group), match.end()


_SCORES = {
    "五星": 5, "四星": 4, "三星": 3, "两星": 2, "二星": 2, "一星": 1, "满分": 5, "非常满意": 5, "很满意": 5,
    "特别满意": 5, "十分满意": 5, "满意": 4,
    "比较满意": 4, "还可以": 3, "一般": 3, "不满意": 2, "很不满意": 1, "非常不满意": 1, "不太满意": 2, "差评": 1,
    "好评": 5, "五星好评": 5,
}  # fmt: skip
_SCORE_WORDS = "|".join(sorted(_SCORES, key=len, reverse=True))
_SCORE = re.compile(
    rf"(?:打|给)?(?P<number>[1-5一二两三四五])(?:分|颗?星)(?!钟)(?:好评)?|(?:打|给)?(?P<word>{_SCORE_WORDS})"
)


def _read_score(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _SCORE.match(filling.text, at)
    if match is None:
        return None
    value = _SCORES[match["word"]] if match["word"] else number(match["number"])
    return None if value is None else (value, match.end())


_STAR = re.compile(
    r"(?:评?为|是|当|做|评)?(?P<star>(?:(?![为是当做评])[\u4e00-\u9fff]){2,8}?之星"
    r"|(?:(?![为是当做评])[\u4e00-\u9fff]){2,4}星(?![级期好]))"
)


def _read_star(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    match = _STAR.match(filling.text, at)
    return (match["star"], match.end()) if match else None


def _read_named(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A thing of the slot's kind by its name or a piece of it."""
    found, end = filling.world.named(filling.text, at, (slot.of,))
    if not found or len(found) > 1:
        return None
    return found[0].name, end


_EVERYBODY = re.compile(
    r"(?:(?:发?给|向|对|通知|告诉|提醒)[ ]?)?(?P<who>全体(?:居民|党员|业主|人员|志愿者)?|全社区|全小区|所有人"
    r"|所有居民|全部居民|大家|各位居民|全员|每个群|各群|所有群|"
    r"(?:全体)?党员(?:群|同志们?)?|楼长(?:群|们)?|(?:各)?楼栋长|物业(?:群)?|业委会|志愿者(?:群|们)?"
    r"|网格员(?:群)?|支部书记|居民代表|居民群?|业主群?)(?:们|的群)?"
)
_TARGETS = {"全社区": "全体", "全小区": "全体", "所有人": "全体", "所有居民": "全体", "全部居民": "全体",
"大家": "全体", "全员": "全体",
            "各位居民": "全体", "每个群": "全体", "各群": "全体", "所有群": "全体", "全体居民": "全体",
            "全体人员": "全体", "全体党员": "党员",
            "居民": "全体", "全体业主": "全体"}  # fmt: skip
_TO_UNIT = re.compile(r"(?:发?给|向|对|通知|告诉|提醒)[ ]?")


BUT = "除"
"""What stands before those who are left out: `全体除5栋`."""
_BUT = re.compile(r"[(]?(?:,?(?:但是?)?(?:除了|除去|除开|除|不包括|不含|不发给?))[ ]?")
_BUT_ENDS = re.compile(r"(?:以外|之外|外)?[)]?(?=[ ,:]|\Z)")
_DOOR_ALONE = re.compile(rf"(?P<number>{NUMERAL})单元")
_BUILDING = re.compile(r"[0-9A-Za-z]+栋")
_BUT_FIRST = re.compile(r"(?:除了|除去|除开|除)[ ]?")
_BUT_LEADS = re.compile(r"(?:以外|之外|外)?(?:的|,)?")
CATEGORIES = tuple(
    sorted((word for word in (*KNOWN_CATEGORIES, *CATEGORY_WORDS) if len(word) >= NAMED_BY), key=len, reverse=True)
)
"""Categories by the words that mean nothing else in a sentence: 流动党员, but not 流动."""
_CATEGORY_ENDS = re.compile(r"(?:们|同志们?|家庭)?(?=[ ,、:;]|和|跟|及|以及|除|\Z)")


def _read_class(filling: "Filling", at: int) -> tuple[str, int] | None:
    """A category by a word that can only mean it."""
    for word in (*filling.world.categories, *CATEGORIES):
        if filling.text.startswith(word, at) and (match := _CATEGORY_ENDS.match(filling.text, at + len(word))):
            return category_called(word) or word, match.end()
    return None


_SHORT = tuple(sorted((*KNOWN_CATEGORIES, *CATEGORY_WORDS), key=len, reverse=True))


def _read_category(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """A category, also by the short word that staff use for it: 流动."""
    for word in (*filling.world.categories, *_SHORT):
        if filling.text.startswith(word, at):
            return category_called(word) or word, at + len(word)
    return None


def before_category(text: str, world: "Surroundings") -> tuple[str, str] | None:
    """Whose category it is, and which: `李建国的流动党员`."""
    for word in (*world.categories, *_SHORT):
        if text.endswith(word) and (who := text.removesuffix(word).rstrip(" 的")):
            return who, word
    return None


_AND_TO = re.compile(r"[ ]?(?:[、,]|和|跟|及|以及)[ ]?(?:给)?")
_THOSE_OF = re.compile(r"的?(?P<who>党员|楼长|志愿者|网格员|支部书记)(?:们|同志们?)?(?=[ ,、:]|\Z)")
"""Certain people of a unit, where nothing but the text follows: `3栋党员 周五学习`."""


def _read_target(filling: "Filling", slot: Slot, at: int, inside: bool) -> tuple[Any, int] | None:
    """Units, roles or everybody, as typed but without 群 and 们; several with 、 between them, then who is left out."""
    if match := _BUT_FIRST.match(filling.text, at):
        return _read_all_but(filling, match.end())
    found = _read_one_target(filling, at)
    if found is None:
        return None
    target, end = _read_targets(filling, found)
    if (match := _BUT.match(filling.text, end)) and (left_out := _read_left_out(filling, match.end(), target)):
        but, after = _read_targets(filling, left_out)
        if match := _BUT_ENDS.match(filling.text, after):
            return f"{target}{BUT}{but}", match.end()
    return target, end


def _read_left_out(filling: "Filling", at: int, target: str) -> tuple[str, int] | None:
    """Who is left out; of a building also one of its doors alone: `3栋除2单元`."""
    if (match := _DOOR_ALONE.match(filling.text, at)) and _BUILDING.fullmatch(target):
        return f"{target}{number(match['number'])}单元", match.end()
    return _read_one_target(filling, at)


def _read_targets(filling: "Filling", first: tuple[str, int]) -> tuple[str, int]:
    targets, end = [first[0]], first[1]
    while (further := _further_target(filling, end)) is not None:
        targets.append(further[0])
        end = further[1]
    return "、".join(dict.fromkeys(targets)), end


def _read_all_but(filling: "Filling", at: int) -> tuple[str, int] | None:
    """`除5栋外的全体`."""
    left_out = _read_one_target(filling, at)
    if left_out is None:
        return None
    but, end = _read_targets(filling, left_out)
    match = _BUT_LEADS.match(filling.text, end)
    found = _EVERYBODY.match(filling.text, match.end()) if match else None
    return (f"{_everybody(found)}{BUT}{but}", found.end()) if found else None


def _further_target(filling: "Filling", at: int) -> tuple[str, int] | None:
    """`3栋、5栋` and `3栋和党员`; `3栋 5栋` too, but `3栋 大家注意` is said to 3栋 alone."""
    text = filling.text
    if match := _AND_TO.match(text, at):
        return _read_one_target(filling, match.end())
    if text[at : at + 1] != " " or places.read_unit(text, at + 1, filling.world.unit_names) is None:
        return None
    found = _read_one_target(filling, at + 1)
    return found if found is not None and text[found[1] : found[1] + 1] == " " else None


def _read_one_target(filling: "Filling", at: int) -> tuple[str, int] | None:
    text = filling.text
    if match := _EVERYBODY.match(text, at):
        return _everybody(match), match.end()
    if people := _read_class(filling, at):
        return people
    start = match.end() if (match := _TO_UNIT.match(text, at)) else at
    found = places.read_unit(text, start, filling.world.unit_names)
    if found is None:
        return None
    unit, end = found
    if those := _THOSE_OF.match(text, end):
        return f"{unit}{those['who']}", those.end()
    if people := _read_class(filling, end + text.startswith("的", end)):
        return f"{unit}{people[0]}", people[1]
    return unit, end + len(re.match("(?:的?(?:居民|住户|业主|邻居)们?|的?群里?|的?人)?", text[end : end + 6])[0])  # type: ignore[index]


def _everybody(match: re.Match[str]) -> str:
    who = re.sub("(?:群|同志们?|们)$", "", match["who"])
    return _TARGETS.get(who, who)


READERS: Mapping[Kind, Reader] = {
    Kind.FLAG: _read_flag,
    Kind.LABELLED: _read_labelled,
    Kind.DOOR: _read_door,
    Kind.HOURS: _read_hours,
    Kind.QUANTITY: _read_quantity,
    Kind.NAMED: _read_named,
    Kind.TARGET: _read_target,
    Kind.CATEGORY: _read_category,
    Kind.REMARK: _read_remark,
    Kind.ANSWERS: _read_answers,
    Kind.BALLOT: _read_ballot,
    Kind.SCORE: _read_score,
    Kind.STAR: _read_star,
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
    Kind.STAR: "为是当做评环治邻文孝敬热科志党",
    Kind.HOURS: CHINESE + "半服干做忙共",
    Kind.DOOR: CHINESE,
    Kind.TARGET: CHINESE + "全所大各党楼物业志网支居每发给向对通告提除" + FIRSTS,
    Kind.CATEGORY: FIRSTS,
    Kind.ANSWERS: "第ABCDEFGHabcdefghQq",
    Kind.BALLOT: "同赞支反不弃都没坚举无随中",
    Kind.SCORE: CHINESE + "打给满非很特十不还差好比",
    Kind.REMARK: CHINESE,
    Kind.QUANTITY: CHINESE,
}
"""With which characters a kind may begin in the middle of a word, beside figures."""
