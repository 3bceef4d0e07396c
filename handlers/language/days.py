"""Days as people say them: `明天`, `下周六`, `11月28日`, `3号`, `月底`, `中秋前一天`, `农历八月十五`,
`三天后`.

Every reader takes the text, a place in it and today's Shanghai date. What could be several days is the next
to come.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from handlers.language import festivals
from handlers.language.numerals import number


@dataclass(frozen=True, slots=True)
class Days:
    """One day, or a span up to `after` (exclusive)."""

    first: date
    after: date | None = None
    grain: str = "day"
    later: date | None = None
    """The next such day, for when the time of day has passed. None: no other day was meant."""
    ambiguous: bool = False
    weekday: bool = False
    """Named by its weekday alone, so that a date may follow and decide: `周六(21号)`."""


Found = tuple[Days, int]

ONE_DAY = timedelta(days=1)
WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}
WEEKDAYS |= {str(day): day - 1 for day in range(1, 8)}
WEEK = r"(?:周|星期|礼拜)"
RELATIVE = {
    "大前天": -3, "前天": -2, "前日": -2, "昨天": -1, "昨日": -1, "昨儿": -1, "昨": -1,
    "今天": 0, "今日": 0, "今儿个": 0, "今儿": 0, "今": 0,
    "明天": 1, "明日": 1, "明儿个": 1, "明儿": 1, "明": 1,
    "后天": 2, "后日": 2, "后儿": 2, "后": 2, "大后天": 3, "大后": 3,
}  # fmt: skip
_RELATIVE = re.compile(
    r"大前天|前天|前日|昨天|昨日|昨儿|今天|今日|今儿个?|明天|明日|明儿个?|大后天|后天|后日|后儿|(?:昨|今|明|大后|后)(?=[早晚晨夜])"
)
_WEEKDAY = re.compile(
    rf"(?P<which>这个?|本|下下个?|下个?|上上个?|上个?)?(?:的)?{WEEK}(?P<day>[一二三四五六日天末]|[1-7](?![0-9]))"
    r"(?![次回趟个年岁届])"
)
_WEEK = re.compile(r"(?P<which>这个?|本|下下个?|下个?|上个?)(?:周|星期|礼拜)(?![一二三四五六日天末1-7年边围])")
_WEEKS_AWAY = {"": 0, "这": 0, "本": 0, "下": 1, "下下": 2, "上": -1, "上上": -2}

_ONE = "[一二三四五六七八九]"
_DAY = rf"3[01]|[12][0-9]|0?[1-9]|三十一?|[二廿]十?{_ONE}|二十|十{_ONE}?|{_ONE}"
_MONTH = r"1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九]"
_THING = "楼栋幢座院门单线岗活库桌坑房室厅馆车仓井店机人文报签退认那的话题帖员"
"""`5号楼`, `3号岗`, `12号活动`: a number of something, not the day of a month."""
_DATE = re.compile(
    rf"(?:(?P<year>20[0-9][0-9]|[今明后去]|二[零〇][零一二三四五六七八九〇]{{2}})年)?(?:的)?"
    rf"(?P<month>{_MONTH})月份?(?P<day>{_DAY})(?:[日号]|(?![0-9.:点人位]))"
)
_NUMERIC = re.compile(
    r"(?<![0-9.])(?:(?P<year>20[0-9][0-9])[-./年])?(?P<month>1[0-2]|0?[1-9])(?(year)[-./月]|[./])"
    r"(?P<day>3[01]|[12][0-9]|0?[1-9])[日号]?(?![0-9./%:个人元块米斤折万点分倍度]|小时|公里|平方?)"
)
_MONTH_DAY = re.compile(rf"(?P<which>这个?|本|当|下下个?|下个?|上个?)月(?:的)?(?P<day>{_DAY})[日号](?![{_THING}])")
_DAY_ONLY = re.compile(rf"(?<![0-9第一二三四五六七八九十])(?P<day>{_DAY})[日号](?![{_THING}])")
_MONTH_PART = re.compile(
    rf"(?:(?P<which>这个?|本|当|下下个?|下个?|上个?)?月|(?P<month>{_MONTH})月份?)的?(?P<part>底|末|初|中旬|上旬|下旬|中(?![午秋]))"
)
_YEAR_PART = re.compile(r"(?P<which>今|明|本)?年(?P<part>底|末|初|终)")
_WHOLE_MONTH = re.compile(
    rf"(?:(?P<which>这个?|本|当|下下个?|下个?|上个?)月|(?:(?P<year>20[0-9][0-9]|[今明后去])年)?(?P<month>{_MONTH})月)份?(?![大小亮饼票光经子季])"
)
_NTH_WEEKDAY = re.compile(
    rf"(?:(?P<which>这个?|本|当|下下个?|下个?)月|(?P<month>{_MONTH})月份?)的?"
    rf"(?:第(?P<nth>[一二三四五1-5])|(?P<last>最后一?))个?{WEEK}(?P<day>[一二三四五六日天1-6])"
)
_MONTHS_AWAY = {"这": 0, "本": 0, "当": 0, "下": 1, "下下": 2, "上": -1}
_YEARS_AWAY = {"今": 0, "本": 0, "明": 1, "后": 2, "去": -1}
_FESTIVAL = re.compile(
    rf"(?:(?P<year>20[0-9][0-9]|[今明后去])年)?的?(?P<name>{'|'.join(festivals.NAMES)})(?P<feast>佳?节|当天|那天|当日|假期|期间)*的?"
    r"(?:(?P<eve>前夕|前夜|的?头天|前一[天日])|(?P<before>前(?P<days>[两二三四五六七2-7])[天日])"
    r"|(?P<morrow>第二天|[以之]?后一[天日]|次日|[以之]?后第一[天日])"
    r"|[以之]?后第?(?P<days_after>[两二三四五六七2-7])[天日])?"
)
_LUNAR_MONTH = r"正|十一|十二|十|[一二三四五六七八九]|冬|腊|1[0-2]|0?[1-9]"
_LUNAR_DAY = rf"初(?:{_ONE}|十)|二十{_ONE}?|廿{_ONE}|十{_ONE}?|三十|[12][0-9]|30|[1-9]"
_LUNAR = re.compile(
    rf"(?:(?P<said>农历|阴历|旧历|夏历)的?(?P<month>{_LUNAR_MONTH})月(?P<day>{_LUNAR_DAY})[日号]?"
    rf"|(?P<old_month>正|冬|腊)月(?P<old_day>{_LUNAR_DAY})"
    rf"|(?P<any_month>{_LUNAR_MONTH})月(?P<first_days>初[一二三四五六七八九十]|廿[一二三四五六七八九])"
    r"|大年(?P<new_year>初[一二三四五六七八九十]))"
)
_LUNAR_MONTHS = {"正": 1, "冬": 11, "腊": 12}
_AWAY = re.compile(
    r"(?:(?:再?过)(?P<past>[0-9]{1,3}|[一两二三四五六七八九十]{1,3})个?(?P<past_unit>天|日|周|星期|礼拜|月)(?![0-9])"
    r"|(?P<count>[0-9]{1,3}|[一两二三四五六七八九十]{1,3}|半)个?(?P<unit>天|日|周|星期|礼拜|月|年)(?:[以之过]?后)(?![面边]))"
    rf"(?:的?{WEEK}(?P<day>[一二三四五六日天末]))?"
)


def read_days(text: str, at: int, today: date) -> Found | None:
    """The day or span of days that begins at this place, and where it ends."""
    for reader in READERS:
        if found := reader(text, at, today):
            return found
    return None


def _relative(text: str, at: int, today: date) -> Found | None:
    match = _RELATIVE.match(text, at)
    return (Days(today + RELATIVE[match[0]] * ONE_DAY), match.end()) if match else None


def _weekday(text: str, at: int, today: date) -> Found | None:
    match = _WEEKDAY.match(text, at)
    if match is None:
        return None
    weekday, span = WEEKDAYS[match["day"]], 2 if match["day"] == "末" else 1
    if match["which"] is None:
        first = today + ((weekday - today.weekday()) % 7) * ONE_DAY
        if span == 2 and today.weekday() == 6:
            first = today - ONE_DAY
        return _span(first, span, later=first + 7 * ONE_DAY, weekday=True), match.end()
    first = _monday(today, match["which"]) + weekday * ONE_DAY
    past = match["which"][0] in "这本" and first + (span - 1) * ONE_DAY < today
    return _span(first, span, ambiguous=past, weekday=True), match.end()


def _monday(today: date, which: str) -> date:
    return today - today.weekday() * ONE_DAY + 7 * _WEEKS_AWAY[which.rstrip("个")] * ONE_DAY


def _span(first: date, days: int, **more: object) -> Days:
    whole = Days(first, first + days * ONE_DAY if days > 1 else None)
    return replace(whole, **more)  # type: ignore[arg-type]


def _week(text: str, at: int, today: date) -> Found | None:
    match = _WEEK.match(text, at)
    if match is None:
        return None
    monday = _monday(today, match["which"])
    return Days(monday, monday + 7 * ONE_DAY, "week"), match.end()


def _dated(text: str, at: int, today: date) -> Found | None:
    match = _DATE.match(text, at) or _NUMERIC.match(text, at)
    if match is None:
        return None
    month, day = _value(match["month"]), _value(match["day"])
    if match["year"]:
        exact = _day(_year(match["year"], today), month, day)
        return (Days(exact), match.end()) if exact else None
    found = _next(lambda year: _day(year, month, day), today)
    return (found, match.end()) if found else None


def _next(of_year: Callable[[int], date | None], today: date, **more: object) -> Days | None:
    """The next such day, and the one after it."""
    first = festivals.next_day(of_year, today)
    if first is None:
        return None
    return replace(Days(first, later=festivals.next_day(of_year, first + ONE_DAY)), **more)  # type: ignore[arg-type]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _value(written: str) -> int:
    if written.startswith("廿") and len(written) == 3:
        written = written.replace("廿十", "二十")
    return number(written.lstrip("0") or "0") or 0


def _year(written: str, today: date) -> int:
    if written in _YEARS_AWAY:
        return today.year + _YEARS_AWAY[written]
    return number(written) or today.year


def _month_day(text: str, at: int, today: date) -> Found | None:
    match = _MONTH_DAY.match(text, at)
    if match is None:
        return None
    first = _month(today, match["which"])
    exact = _day(first.year, first.month, _value(match["day"]))
    return (Days(exact), match.end()) if exact else None


def _month(today: date, which: str) -> date:
    """The first day of 本月, 下月, 下下月, 上月."""
    index = today.year * 12 + today.month - 1 + _MONTHS_AWAY[which.rstrip("个")]
    return date(index // 12, index % 12 + 1, 1)


def _day_only(text: str, at: int, today: date) -> Found | None:
    match = _DAY_ONLY.match(text, at)
    if match is None:
        return None
    day = _value(match["day"])
    coming: list[date] = []
    year, month = today.year, today.month
    while len(coming) < 2:
        exact = _day(year, month, day)
        if exact and exact >= today:
            coming.append(exact)
        year, month = (year + month // 12, month % 12 + 1)
    return Days(coming[0], later=coming[1]), match.end()


def _month_part(text: str, at: int, today: date) -> Found | None:
    match = _MONTH_PART.match(text, at)
    if match is None:
        return None

    def in_month(first: date) -> Days:
        after = festivals.month_after(first.year, first.month)
        return {
            "底": Days(after - ONE_DAY),
            "末": Days(after - ONE_DAY),
            "初": Days(first, ambiguous=True),
            "中": Days(first + 14 * ONE_DAY, ambiguous=True),
            "上旬": Days(first, first + 10 * ONE_DAY),
            "中旬": Days(first + 10 * ONE_DAY, first + 20 * ONE_DAY),
            "下旬": Days(first + 20 * ONE_DAY, after),
        }[match["part"]]

    if match["which"]:
        return in_month(_month(today, match["which"])), match.end()
    first = date(today.year, today.month, 1)
    if match["month"]:
        month = _value(match["month"])
        first = date(today.year + (month < today.month), month, 1)
    found = in_month(first)
    last = (found.after or found.first + ONE_DAY) - ONE_DAY
    if last < today:
        found = in_month(date(first.year + 1, first.month, 1) if match["month"] else _month(first, "下"))
    return found, match.end()


def _year_part(text: str, at: int, today: date) -> Found | None:
    match = _YEAR_PART.match(text, at)
    if match is None:
        return None
    year = today.year + _YEARS_AWAY.get(match["which"] or "今", 0)
    if match["part"] == "初":
        first = date(year, 1, 1)
        if first < today and not match["which"]:
            first = date(year + 1, 1, 1)
        return Days(first, ambiguous=True), match.end()
    return Days(date(year, 12, 31)), match.end()


def _whole_month(text: str, at: int, today: date) -> Found | None:
    match = _WHOLE_MONTH.match(text, at)
    if match is None:
        return None
    if match["which"]:
        first = _month(today, match["which"])
    else:
        month = _value(match["month"])
        year = _year(match["year"], today) if match["year"] else today.year + (month < today.month)
        first = date(year, month, 1)
    return Days(first, festivals.month_after(first.year, first.month), "month"), match.end()


def _nth_weekday(text: str, at: int, today: date) -> Found | None:
    match = _NTH_WEEKDAY.match(text, at)
    if match is None:
        return None
    which = -1 if match["last"] else number(match["nth"]) or 1
    weekday = WEEKDAYS[match["day"]]
    if match["which"]:
        first = _month(today, match["which"])
        exact = festivals.nth_weekday(first.year, first.month, which, weekday)
        return (Days(exact), match.end()) if exact else None
    month = _value(match["month"])
    found = _next(lambda year: festivals.nth_weekday(year, month, which, weekday), today)
    return (found, match.end()) if found else None


def _festival(text: str, at: int, today: date) -> Found | None:
    match = _FESTIVAL.match(text, at)
    if match is None or _weak_festival(match):
        return None
    shift = timedelta()
    if match["eve"]:
        shift = -ONE_DAY
    elif match["before"]:
        shift = -_value(match["days"]) * ONE_DAY
    elif match["morrow"]:
        shift = ONE_DAY
    elif match["days_after"]:
        shift = _value(match["days_after"]) * ONE_DAY
    unsure = match["feast"] in ("假期", "期间")

    def of_year(year: int) -> date | None:
        day = festivals.in_year(match["name"], year)
        return day + shift if day else None

    if match["year"]:
        exact = of_year(_year(match["year"], today))
        return (Days(exact, ambiguous=unsure), match.end()) if exact else None
    found = _next(of_year, today, ambiguous=unsure)
    return (found, match.end()) if found else None


def _weak_festival(match: re.Match[str]) -> bool:
    """`五一` is a festival; `三八路`, `七一小学` and `八一中学` are places."""
    after = match.string[match.end() : match.end() + 1]
    return len(match["name"]) == 2 and match["name"][0] in "三五六七八" and after in tuple("路街小中大号栋楼班队")


def _lunar(text: str, at: int, today: date) -> Found | None:
    match = _LUNAR.match(text, at)
    if match is None:
        return None
    month_word = match["month"] or match["old_month"] or match["any_month"] or "正"
    day_word = match["day"] or match["old_day"] or match["first_days"] or match["new_year"]
    month = _LUNAR_MONTHS.get(month_word) or _value(month_word)
    day = _value(day_word.removeprefix("初"))
    found = _next(lambda year: festivals.lunar_day(year, month, day), today)
    return (found, match.end()) if found else None


def _away(text: str, at: int, today: date) -> Found | None:
    match = _AWAY.match(text, at)
    if match is None:
        return None
    unit = match["unit"] or match["past_unit"]
    written = match["count"] or match["past"]
    if written == "半":
        if unit not in ("月", "年"):
            return None
        first = today + 15 * ONE_DAY if unit == "月" else _months_later(today, 6)
    else:
        count = number(written)
        if count is None:
            return None
        first = {
            "天": lambda: today + count * ONE_DAY,
            "日": lambda: today + count * ONE_DAY,
            "月": lambda: _months_later(today, count),
            "年": lambda: _months_later(today, 12 * count),
        }.get(unit, lambda: today + 7 * count * ONE_DAY)()
    if match["day"]:
        if unit not in ("周", "星期", "礼拜"):
            return None
        monday = first - first.weekday() * ONE_DAY
        return Days(monday + WEEKDAYS[match["day"]] * ONE_DAY), match.end()
    return Days(first), match.end()


def _months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    last = festivals.month_after(first.year, first.month) - ONE_DAY
    return min(first + (day.day - 1) * ONE_DAY, last)


READERS = (
    _relative, _nth_weekday, _weekday, _week, _month_day, _month_part, _year_part, _festival, _lunar,
    _dated, _away, _day_only, _whole_month,
)  # fmt: skip
"""Longer and more special forms come first: 下月第二个周六 before 下月, 正月十五 before 月."""
