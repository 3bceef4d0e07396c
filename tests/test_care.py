"""关照: an elder who signs up for heat, heavy work or two turns outdoors hears so alone; nobody else ever does."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.app import House
from bot.script import Script
from handlers.language.births import read_birth, spoken_birth
from handlers.language.outdoors import is_outdoors
from models.activities import ActivityHere, ActivityState, Caution, Signup
from models.care import Settings, hardship, in_heat, is_elder
from models.clock import SHANGHAI
from models.members import Member
from tests.dialogue import ON_SQLITE, direct, november, silence, talk
from tests.fakes.street import Street

# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("1950", "1950"), ("1950年3月12日", "1950"), ("1950-03-12", "1950"), ("58年的", "1958"), ("50后", "1950-1959"),
        ("五几年的", "1950-1959"), ("72岁", "1953-1954"), ("72", "1953-1954"), ("七十多岁", "1946-1956"),
        ("60-69岁", "1956-1966"), ("65岁以上", "-1961"), ("1961或更早", "-1961"), ("1946-1956", "1946-1956"),
        ("不填", ""), ("2030", None), ("200岁", None), ("3栋", None), ("老年", None),
    ],
)  # fmt: skip
def test_a_birth_is_kept_in_years_as_exactly_as_it_was_said(said: str, kept: str | None) -> None:
    assert read_birth(said, 2026) == kept
    if kept:
        assert read_birth(spoken_birth(kept), 2026) == kept


@pytest.mark.parametrize(
    ("born", "year", "elder"),
    [
        ("1961", 2026, True), ("1962", 2026, False), ("", 2026, False), ("1950-1959", 2024, True),
        ("1950-1970", 2026, False), ("-1961", 2026, True), ("-1962", 2026, False),
    ],
)  # fmt: skip
def test_nobody_is_an_elder_who_may_be_younger(born: str, year: int, elder: bool) -> None:
    assert is_elder(born, date(year, 7, 18), 65) is elder
    assert not is_elder(born, date(year, 7, 18), 0)


@pytest.mark.parametrize(
    ("place", "title", "outside"),
    [
        ("中心花园", "清洁家园", True), ("小区门口", "反诈宣传", True), ("", "植树", True), ("江滩", "读书会", True),
        ("活动室", "义诊", False), ("花园活动室", "植树", False), ("锦绣花园5栋", "包饺子", False), ("", "植树节讲座", False),
        ("党群服务中心", "清扫", False), ("", "清洁家园", False), ("3栋楼道", "清扫", False),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_not_outdoors(place: str, title: str, outside: bool) -> None:
    assert is_outdoors(place, title) is outside


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("starts", "ends", "hot"),
    [
        (at(7, 18, 10), at(7, 18, 12), True),
        (at(7, 18, 9), at(7, 18, 11), False),  # over when it gets hot
        (at(7, 18, 16), at(7, 18, 18), False),
        (at(6, 30, 12), at(6, 30, 14), False),
        (at(8, 31, 15), at(8, 31, 17), True),
        (at(9, 1, 12), at(9, 1, 14), False),
        (at(11, 21, 12), at(11, 21, 14), False),
        (at(6, 30, 20), at(7, 1, 12), True),  # into the first hot noon
    ],
)
def test_heat_is_a_noon_of_high_summer(starts: datetime, ends: datetime, hot: bool) -> None:
    assert in_heat(starts, ends, Settings()) is hot
    assert not in_heat(starts, ends, Settings(heat_from="07-01", heat_until="07-01"))


@pytest.mark.parametrize("wrong", [{"heat_from": "13-01"}, {"heat_from": "7月"}, {"heat_until_hour": 25}])
def test_odd_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Settings(**wrong)


def test_the_worst_is_said_and_nothing_of_what_is_easy() -> None:
    def activity(starts: datetime, ends: datetime, **more: Any) -> ActivityHere:
        return ActivityHere(
            1, 1, 12, 1, "", "", starts, ends, starts, None, None, ActivityState.PUBLISHED, 1, "", **more
        )

    mild = activity(at(11, 21, 9), at(11, 21, 11))
    soon, later = activity(at(11, 21, 11, 30), at(11, 21, 13)), activity(at(11, 21, 12), at(11, 21, 13))
    hot = activity(at(7, 18, 12), at(7, 18, 13), demand="heavy")

    def said(one: ActivityHere, *others: ActivityHere, outdoors: bool = True) -> Caution | None:
        hard = hardship(one, others, outdoors=outdoors, settings=Settings())
        return hard.caution if hard else None

    assert said(mild) is None
    assert said(hot) is Caution.HEAT
    assert said(hot, outdoors=False) is Caution.HEAVY
    assert said(replace(mild, demand="normal")) is None
    assert said(mild, soon) is Caution.BACK_TO_BACK
    assert said(mild, soon, outdoors=False) is None
    assert said(mild, later) is None
    assert said(mild, replace(soon, starts_at=at(11, 21, 10))) is None  # a clash is said by itself


# -- what is heard ----------------------------------------

HEAVY = "「搬旧家具」是力气活，您量力而行，别勉强。照样去请回复 照样报名，不去了回复 算了。"
ASKED = "【搬旧家具】11月22日 周日 14:00-16:00\n地点：3栋门口；名额：不限；积分：按社区规则；力气活\n发布请回复 确认，不发回复 取消。"
DONE = "已发布 15号活动「搬旧家具」11月22日 周日 14:00-16:00，3栋门口。\n想参加的邻居请发 报名 15。"
SIGNED = "已给 {} 报名「搬旧家具」。\n11月22日 周日 14:00，3栋门口。"
KEPT = (
    "记下了，出生年份：{}。只有您和社区工作人员看得到，活动太热太累时我单独提醒您一句。\n不想留了请发 出生年份 不填。"
)
GOES = "好的，「搬旧家具」您照样去，位置留着。累了就歇，来不了请发 取消报名 15。"


@ON_SQLITE
async def test_an_elder_is_told_alone_and_decides(street: Street) -> None:
    """Said in a group it comes privately, nobody younger hears anything, and the organiser's list has a mark."""
    await talk(
        street,
        [
            ("王秀英", direct, "出生年份 1950", KEPT.format("1950")),
            ("何婶", direct, "年龄段 70多岁", KEPT.format("1946-1956")),
            ("李建国", direct, "出生年份 1990", KEPT.format("1990")),
            ("张敏", direct, "发布活动 周日14点 搬旧家具 3栋门口 重活", ASKED),
            ("张敏", direct, "确认", DONE),
            # Younger, or nobody knows: nothing.
            ("李建国", direct, "报名 15", SIGNED.format("李建国")),
            ("陈美玲", direct, "报名 15", SIGNED.format("陈美玲")),
            ("何婶", direct, "报名 15", f"{SIGNED.format('何婶')}\n{HEAVY}"),
            ("何婶", direct, "报名 15", "何婶 已经报过「搬旧家具」了，不用再报。"),
            ("何婶", direct, "照样报名", GOES),
            ("王秀英", "3栋群", "报名 15", SIGNED.format("王秀英")),
        ],
    )
    assert [(push.to, push.text) for push in street.pushes] == [("王秀英", HEAVY)]
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "名单 15",
                "「搬旧家具」来4人（4户），候补0户，不来0人，没说的312人。\n来：李建国、陈美玲、何婶（已叮嘱）、王秀英（已叮嘱）",
            ),
            ("张敏", "3栋群", "@小邻 名单 15", "「搬旧家具」来4人（4户），候补0户，不来0人，没说的312人。"),
            ("王秀英", direct, "算了", "已取消 王秀英 的「搬旧家具」报名。谢谢告诉大家！"),
            ("李建国", direct, "照样报名", "您报的活动没有要叮嘱的。看看报了哪些，请发 我的报名。"),
            # Somebody signs her up: she hears it, and whoever did does not.
            ("李建国", direct, "替 王秀英 报名 15", SIGNED.format("王秀英")),
            ("王秀英", direct, "好的", GOES),
        ],
    )
    told = [(push.to, push.text) for push in street.pushes[1:]]
    assert told[0][0] == "王秀英"
    assert told[0][1].startswith("李建国 替您报名了「搬旧家具」")
    assert told[1:] == [("王秀英", HEAVY)]
    # Whether somebody was told is no answer for a group.
    assert await street.say("何婶", "@小邻 照样报名", where="3栋群") == "已私信您。"


@ON_SQLITE
async def test_a_change_that_makes_it_hard_is_told_with_the_change(street: Street) -> None:
    change = "要把 13号活动「义诊」改成：11月22日 周日 9:00-11:00，活动室；名额：30人；积分：3分{}吗？\n报名的2位我会逐个通知。改请回复 确认，不改回复 取消。"
    changed = "「义诊」有变动：11月22日 周日 9:00-11:00，活动室。\n来不了请发 取消报名 13。"
    await talk(
        street,
        [
            ("何婶", direct, "出生年份 1950", KEPT.format("1950")),
            ("何婶", direct, "报名 13", "已给 何婶 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            ("李建国", direct, "报名 13", "已给 李建国 报名「义诊」，还剩28个名额。\n11月22日 周日 9:00，活动室。"),
            ("张敏", direct, "改活动 13 户外 体力活", change.format("；户外；力气活")),
            ("张敏", direct, "确认", "已改 13号活动「义诊」：11月22日 周日 9:00-11:00，活动室，正在通知2位邻居。"),
        ],
    )
    heavy = "「义诊」是力气活，您量力而行，别勉强。照样去请回复 照样报名，不去了回复 算了。"
    assert [(push.to, push.text) for push in street.pushes] == [("何婶", f"{changed}\n{heavy}"), ("李建国", changed)]


@ON_SQLITE
async def test_a_birth_is_the_persons_and_the_staffs(street: Street) -> None:
    """Never said in a group, undone, shown in one's own records, told by staff in scope, and gone when asked."""
    unclear = "没看懂是哪一年，请这样发：出生年份 1950，或 年龄段 70多岁。"
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 出生年份 1950", "这件事请私聊我说：打开和我的单聊，发 出生年份 1950。"),
            ("王秀英", "3栋群", "我是1950年出生的", silence),
            ("王秀英", direct, "出生年份", "您没有填过出生年份，不填也行。想填请发 出生年份 1950，或 年龄段 70多岁。"),
            ("王秀英", direct, "出生年份 很久以前", unclear),
            ("王秀英", direct, "出生年份 1950年3月", KEPT.format("1950")),
            ("王秀英", direct, "撤销", "已撤销，出生年份和原来一样。"),
            ("孙丽", direct, "更正 王秀英 出生年份 1951", "已更正 王秀英：出生年份 1951。"),
            (
                "孙丽",
                "3栋群",
                "@小邻 更正 王秀英 出生年份 1951",
                "房号和手机不要发在群里，请私聊我再说一遍。\n群里那一条，请您撤回。",
            ),
            ("老赵", direct, "更正 王秀英 出生年份 1951", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            (
                "王秀英",
                direct,
                "出生年份",
                "您的出生年份：1951。要改请发 出生年份 加年份，不想留了请发 出生年份 不填。",
            ),
        ],
    )
    mine = await street.say("王秀英", "我的资料")
    assert "手机13900005849，出生年份1951；" in mine
    assert await street.say("王秀英", "出生年份 不填") == "好的，出生年份不留了。"
    kept = await street.house.books.read(lambda s: s.scalars(select(Member.born).where(Member.name == "王秀英")).all())
    assert kept == [""]


@pytest.fixture
async def summer(street: Street) -> Street:
    """The same street in a community whose summer is November, where both 何 are seventy-five."""
    config = street.house.config
    warm = replace(config, features={**config.features, "care": Settings(heat_from="11-01", heat_until="12-01")})
    script = Script()
    house = House(warm, street.house.books, clock=street.house.clock, beside=[script])
    old = update(Member).where(Member.name.in_(["何婶", "何叔"])).values(born="1951")
    await house.books.write(lambda session: session.execute(old))
    return Street(house, script)


async def test_a_summer_day(summer: Street) -> None:
    """Heat: said at the sign-up to whoever is old, and a day ahead 带水、防晒 to everybody, once."""
    hot = "「除草」在户外，又赶上一天里最热的时候，您多保重。照样去请回复 照样报名，不去了回复 算了。"
    await talk(
        summer,
        [
            (
                "张敏",
                direct,
                "发布活动 周六10点 除草 中心花园",
                "【除草】11月21日 周六 10:00-12:00\n地点：中心花园；名额：不限；积分：按社区规则\n发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已发布 15号活动「除草」11月21日 周六 10:00-12:00，中心花园。\n想参加的邻居请发 报名 15。",
            ),
            ("何婶", direct, "报名 15", f"已给 何婶 报名「除草」。\n11月21日 周六 10:00，中心花园。\n{hot}"),
            ("李建国", direct, "报名 15", "已给 李建国 报名「除草」。\n11月21日 周六 10:00，中心花园。"),
            ("何叔", direct, "报名 13", "已给 何叔 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            november(20, 10, 1),
        ],
    )
    reminder = (
        "提醒您：明天10:00「除草」，中心花园。天热，带水、防晒。\n来不了请早点回复 取消报名 15，好让给候补的邻居。"
    )
    weeding = [(push.to, push.text) for push in summer.pushes if "除草" in push.text]
    assert weeding == [("何婶", reminder), ("李建国", reminder)]
    told = await summer.house.books.read(
        lambda s: s.scalars(select(Signup.cautioned).where(Signup.cautioned != "")).all()
    )
    assert told == [Caution.HEAT]


@ON_SQLITE
async def test_a_title_keeps_its_words(street: Street) -> None:
    """户外 by itself says where it is; in a name it is a name."""
    asked = "【{}】11月21日 周六 9:00-11:00\n地点：{}；名额：不限；积分：按社区规则{}\n发布请回复 确认，不发回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "发布活动 周六9点 户外徒步 江滩", asked.format("户外徒步", "江滩", "")),
            ("张敏", direct, "发布活动 周六9点 轻松一刻 活动室", asked.format("轻松一刻", "活动室", "")),
            (
                "张敏",
                direct,
                "发布活动 周六9点 放风筝 活动室 户外 轻活",
                asked.format("放风筝", "活动室", "；户外；轻活"),
            ),
        ],
    )


@ON_SQLITE
async def test_an_elder_hears_one_sentence_where_two_would_fit(street: Street) -> None:
    for said in ("周日14点 种树 中心花园 20人 户外", "周日16点10分 浇水 中心花园 20人 户外"):
        await street.say("张敏", f"发布活动 {said}")
        await street.say("张敏", "确认")
    await street.say("王秀英", "出生年份 1950")
    for who in ("王秀英", "李建国"):
        await street.say(who, "报名 15")
    kind = "「浇水」前后两场都在户外，中间只歇10分钟，怕您累着。照样去请回复 照样报名，不去了回复 算了。"
    tight = "提醒您：离15号「种树」（11月22日 周日 14:00）只隔10分钟，来得及再去。"
    for who, heard in (("王秀英", kind), ("李建国", tight)):
        assert (await street.say(who, "报名 16")).split("\n")[2:] == [heard]
