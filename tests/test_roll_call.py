"""接龙: what a pasted chain says, what a version changed, and what it may write."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from handlers.language.normalise import normalise
from handlers.language.roll_call import Pasted, read_roll
from models import activities
from models.check_in import CheckIn
from models.members import Member
from models.proxies import ProxyAct
from models.proxies import Settings as ProxySettings
from models.roll_call import Entry, Line, compare
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, silence, talk
from tests.fakes.street import Street

CHAINS = [
    # WeCom's own form, with its example line.
    ("#接龙\n义诊志愿者\n例 1. 姓名 人数\n\n1. 周敏\n2. 何叔（测血压）", "义诊志愿者", [("周敏", 1, ""), ("何叔", 1, "测血压")]),
    ("#Group Note\n义诊\n1. 周敏", "义诊", [("周敏", 1, "")]),
    # By hand: full width, circles, brackets, spoken numbers, all on one line, no blank at all.
    ("【义诊接龙】\n１、周敏　2人\n２、何婶", "义诊接龙", [("周敏", 2, ""), ("何婶", 1, "")]),
    ("接龙 义诊 ①周敏 ②何叔 3人", "义诊", [("周敏", 1, ""), ("何叔", 3, "")]),
    ("接龙：义诊\n1周敏\n2何叔", "义诊", [("周敏", 1, ""), ("何叔", 1, "")]),
    ("接龙 义诊 1.周敏2人 2.何叔", "义诊", [("周敏", 2, ""), ("何叔", 1, "")]),
    ("接龙 义诊\n(1) 周敏\n(2) 何叔", "义诊", [("周敏", 1, ""), ("何叔", 1, "")]),
    ("义诊报名\n1. 周敏\n2. 何叔", "义诊报名", [("周敏", 1, ""), ("何叔", 1, "")]),
    ("接龙 义诊\n一、周敏\n二、何叔", "义诊", [("周敏", 1, ""), ("何叔", 1, "")]),
    # Numbers that came twice, and one that was left out.
    ("#接龙 义诊\n1. 周敏\n2. 何叔\n2. 何婶\n4. 小吴", "义诊", [("周敏", 1, ""), ("何叔", 1, ""), ("何婶", 1, ""), ("小吴", 1, "")]),
    # What people say in a line beside the name.
    ("#接龙 停水\n1. 周敏 收到\n2. 何叔已收到", "停水", [("周敏", 1, ""), ("何叔", 1, "")]),
    ("#接龙 义诊\n1. 姓名+房号\n1. 周敏 下午来", "义诊", [("周敏", 1, "下午来")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "heading", "lines"), CHAINS)
def test_a_chain_is_read_however_it_is_numbered(text: str, heading: str, lines: list[tuple[str, int, str]]) -> None:
    roll = read_roll(normalise(text, ()).text)
    found = [(line.name, line.count, line.note) for line in roll.lines] if roll else []
    assert found == lines
    assert not lines or (roll is not None and roll.heading == heading)


ROOMS = [
    ("501收到", Pasted("", "", "501")),
    ("3栋2单元501 王秀英", Pasted("王秀英", "3栋2单元", "501")),
    ("3-501王秀英", Pasted("王秀英", "3栋", "501")),
    ("王秀英 502室 两人", Pasted("王秀英", "", "502", 2)),
]


@pytest.mark.parametrize(("line", "read"), ROOMS)
def test_a_line_may_say_a_room(line: str, read: Pasted) -> None:
    roll = read_roll(f"#接龙 停水\n1. {line}")
    assert roll is not None
    assert roll.lines == (read,)


NO_CHAINS = [
    "请注意：\n1. 关好门窗\n燃气也要关\n2. 不要乘电梯\n谢谢配合",
    "明天 1. 上午 2. 下午",
    "今天天气真好",
    "收到请接龙",
    "1. 周敏",
]


@pytest.mark.parametrize("text", NO_CHAINS)
def test_what_is_numbered_and_no_chain(text: str) -> None:
    roll = read_roll(text)
    assert roll is None or roll.lines == ()


@pytest.mark.parametrize(
    "text", ["#接龙 草莓 35一筐\n1. 601 两筐", "团购鸡蛋接龙\n1. 张姐\n2. 李哥", "#接龙 苹果\n1. 601 3斤"]
)
def test_a_chain_that_sells_something_says_so(text: str) -> None:
    roll = read_roll(text)
    assert roll is not None
    assert roll.trades


def standing(*names: str) -> list[Line]:
    return [Line(place, place, name, 1, "", None, False) for place, name in enumerate(names, 1)]


VERSIONS = [
    # What stands, what is pasted, whose own it is; what came, what went, what came twice.
    ("", "甲 乙", "", "甲 乙", "", 0),
    ("甲 乙", "甲 乙 丙", "", "丙", "", 0),
    ("甲 乙 丙", "甲 丙", "", "", "乙", 0),
    ("甲 乙 丙", "甲 丙 丁", "", "丁", "乙", 0),
    # An older version that somebody went on from: 丙 had come meanwhile, and has not left.
    ("甲 乙 丙", "甲 乙 丁", "", "丁", "", 0),
    ("甲 乙 丙", "甲 乙", "", "", "", 0),
    ("甲 乙 丙", "甲 乙", "丙", "", "丙", 0),
    # Another list altogether takes nobody's place.
    ("甲 乙", "丙 丁", "", "丙 丁", "", 0),
    ("甲 乙", "丙 丁", "甲", "丙 丁", "", 0),
    ("甲", "甲 乙 乙 甲", "", "乙", "", 2),
]


@pytest.mark.parametrize(("before", "pasted", "own", "added", "gone", "doubled"), VERSIONS)
def test_a_version_is_compared_with_the_last(
    before: str, pasted: str, own: str, added: str, gone: str, doubled: int
) -> None:
    change = compare(standing(*before.split()), [Entry(name) for name in pasted.split()], own=own.split())
    assert [entry.name for entry in change.added] == added.split()
    assert [line.name for line in change.gone] == gone.split()
    assert change.doubled == doubled


def test_more_people_or_another_note_is_a_change() -> None:
    change = compare(standing("甲", "乙"), [Entry("甲", 3), Entry("乙", 1, "下午来")])
    assert [(entry.name, entry.count, entry.note) for entry in change.changed] == [("甲", 3, ""), ("乙", 1, "下午来")]
    assert not change.added
    assert not change.gone


# -- dialogues ----------------------------------------


async def test_a_chain_signs_up_whoever_pastes_it_and_nobody_else(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "周敏", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）",
                "已读到接龙：新增2（周敏、何叔），共2人。\n报上名的：周敏。\n何叔 自己发一次接龙或 报名 13 才算报名。",
            ),
            (
                "何婶", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）\n3. 何婶 2人\n3. 小吴",
                "已读到接龙：新增2（何婶、小吴），共5人。\n报上名的：何婶。\n小吴 自己发一次接龙或 报名 13 才算报名。",
            ),
            # From an older version: 小吴 was not there, and has not left.
            (
                "何叔", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）\n3. 何婶",
                "已读到接龙：改动1（何婶），共4人。\n报上名的：何叔。\n何婶 自己发一次接龙或 报名 13 才算报名。",
            ),
            # She strikes herself out, and has left.
            (
                "何婶", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）\n3. 小吴",
                "已读到接龙：退出1（何婶），共3人。\n取消报名的：何婶。",
            ),
            # 孙丽 works for the community: hers counts for all whom the roster knows.
            (
                "孙丽", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）\n3. 小吴\n4. 王秀英\n5. 张飞",
                "已读到接龙：新增2（王秀英、张飞），共5人。\n报上名的：小吴、王秀英。\n认不出：张飞，名册里没有或有重名，没有算。",
            ),
            ("孙丽", "党员群", "#接龙 义诊志愿者\n1. 周敏\n2. 何叔（测血压）\n3. 小吴\n4. 王秀英\n5. 张飞", silence),
            (
                "孙丽", "党员群", "@小邻 撤销",
                "已撤销 王秀英 的「义诊」报名。\n已撤销 小吴 的「义诊」报名。\n已撤回，1号接龙回到前一版。",
            ),
        ],
    )  # fmt: skip
    assert await street.say("周敏", "接龙名单 13") == "#接龙 义诊\n1. 周敏\n2. 何叔"
    # Whoever is signed up by another's list hears of it, as when they are signed up by name.
    signed = "孙丽 替您报名了「义诊」，11月22日 周日 9:00，活动室。\n去不了请回复 取消报名 13。"
    undone = "孙丽 刚才替您办的「义诊」报名撤回了，不算。"
    assert [(push.to, push.text) for push in pushes] == [
        ("小吴", signed),
        ("王秀英", signed),
        ("王秀英", undone),
        ("小吴", undone),
    ]
    acts = await street.house.books.read(lambda session: list(session.scalars(select(ProxyAct.act))))
    assert acts == ["signup", "signup"]


@ON_SQLITE
async def test_a_chain_goes_around_no_rule_of_signing_up(street: Street) -> None:
    """A neighbour who has not come twice is asked about, and nobody acts for more people in a day than they may."""
    street.house.rules["proxies"] = ProxySettings(people_per_day_in_charge=1)

    def stayed_away(session: Session) -> None:
        member_id = session.scalar(select(Member.id).where(Member.name == "老魏"))
        assert member_id is not None
        for number in (10, 11):
            activity = activities.find_activity(session, community_id=1, number=number)
            session.execute(delete(CheckIn).where(CheckIn.activity_id == activity.id, CheckIn.member_id == member_id))
            activities.sign_up(
                session, activity=activity, member_id=member_id, companions=0, made_by=member_id,
                now=activity.starts_at - timedelta(hours=1), companions_max=5,
            )  # fmt: skip

    await street.house.books.write(stayed_away)
    await talk(
        street,
        [
            (
                "老魏", "社区大群", "#接龙 义诊\n1. 老魏",
                "已读到接龙：新增1（老魏），共1人。\n老魏 请自己私聊我发 报名 13。",
            ),
            (
                "老赵", "社区大群", "#接龙 义诊\n1. 老魏\n2. 王秀英\n3. 陈美玲",
                "已读到接龙：新增2（王秀英、陈美玲），共3人。\n报上名的：王秀英。没报上：陈美玲。",
            ),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_strawberries_and_other_peoples_lists_are_none_of_our_business(street: Street) -> None:
    before = await count_rows(street.house)
    for text in (
        "#接龙 草莓 35一筐\n1. 601 两筐\n2. 王秀英 一筐",
        "#接龙 家长会\n1. 王秀英\n2. 老魏",
        "接龙：1.小王 2袋米 2.老李 1袋米",
        "1. 王秀英\n2. 老魏",
        "通知：本周五家长会，收到请接龙",
        "清洁家园用的拖把团购接龙\n1. 王秀英\n2. 老魏",
    ):
        assert await street.say("王秀英", text, where="3栋群") == silence, text
    assert await street.say("陌生人", "#接龙 义诊\n1. 王秀英\n2. 陌生人", where="3栋群") == (
        "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
    )
    assert grown(before, await count_rows(street.house)) == {}


@ON_SQLITE
async def test_a_chain_of_its_own_is_begun_merged_and_printed(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "接龙 周日谁来包饺子", silence),
            (
                "王秀英", "3栋群", "@小邻 接龙 周日谁来包饺子",
                "1号接龙「周日谁来包饺子」开始了。\n接着往下写再发出来就行；看名单请发 接龙名单 1。",
            ),
            ("王秀英", "3栋群", "#接龙 周日谁来包饺子\n1. 王秀英\n2. 陈阿姨（带面）", "已读到接龙：新增2（王秀英、陈阿姨），共2人。"),
            (
                "李建国", "3栋群", "#接龙 包饺子\n1. 王秀英\n2. 陈阿姨（带面）\n3. 李建国 3人\n4. 隔壁小王",
                "已读到接龙：新增2（李建国、隔壁小王），共6人。\n认不出：隔壁小王，名册里没有或有重名，没有算。",
            ),
            ("李建国", direct, "接龙 谁去爬山", "2号接龙「谁去爬山」开始了。\n接着往下写再发出来就行；看名单请发 接龙名单 2。"),
            ("李建国", direct, "撤销", "已撤销2号接龙「谁去爬山」。"),
            ("李建国", "3栋群", "#接龙 谁去爬山\n1. 李建国\n2. 老赵", silence),
            ("王秀英", direct, "接龙名单", "要看哪个名单？请发 接龙名单 加活动、通知或接龙的编号。"),
            ("王秀英", direct, "接龙名单 9", "没有9号接龙。"),
        ],
    )  # fmt: skip
    assert await street.say("王秀英", "接龙名单 1") == (
        "#接龙 周日谁来包饺子\n1. 王秀英\n2. 陈阿姨（带面）\n3. 李建国 3人\n4. 隔壁小王"
    )
