"""组织: who leads what, who belongs where, and what the calendar tells of it."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import tree
from models.members import Member, PartyOnly, Role, Standing, find_member, give_role
from models.organisation import (
    HomesAreNotJoined,
    InUnitAlready,
    Node,
    join_unit,
    leaderless,
    people_below,
    tree_of,
    units_of,
)
from models.units import UnitHere, UnitKind, find_unit
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.ground import FOUNDED, Ground, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
HEADS = (
    "1个总支，3个支部，9个小组，9户。\n另有：1个网格，9栋楼，18个单元，2支服务队，1个理事会，1家物业，1个业委会。\n"
    "看一个组织请发 组织 第一党支部，自己的请发 我的支部。"
)
STRANGER = "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"


def reach(unit: str) -> str:
    return f"\n有话要带去，请私聊我发 捎话 {unit} 加要说的话。"


# -- looking ----------------------------------------


@ON_SQLITE
async def test_the_organisation_is_told_in_four_lines(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 组织", HEADS),
            ("王秀英", direct, "组织架构", HEADS),
            (
                "王秀英",
                direct,
                "组织 第一党支部",
                "第一党支部（锦绣社区党总支）\n支部书记：胡玉兰，任期到2027年12月31日\n党员：33人\n"
                "下设：3个小组，3户（1栋党小组、2栋党小组、3栋党小组）",
            ),
            ("王秀英", direct, "组织 三号楼", "3栋（锦绣社区）\n楼长：老赵\n居民：35人\n下设：2个单元（1单元、2单元）"),
            ("王秀英", direct, "组织 9栋中心户", "9栋中心户（9栋党小组）\n中心户长：暂缺\n党员：0人\n下面没有别的组织"),
            ("王秀英", direct, "组织 红马甲服务队", "红马甲服务队（锦绣社区）\n队长：胡云霞\n成员：16人\n下面没有别的组织"),
            ("王秀英", direct, "组织 第九党支部", "没有找到「第九党支部」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
            ("王秀英", "3栋群", "组织活动辛苦了", ""),
        ],
    )  # fmt: skip


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("谁负责3栋", "3栋楼长是 老赵。" + reach("3栋")),
        ("3栋楼长是谁", "3栋楼长是 老赵。" + reach("3栋")),
        ("谁是3栋楼长", "3栋楼长是 老赵。" + reach("3栋")),
        ("谁是楼长", "3栋楼长是 老赵。" + reach("3栋")),
        ("三號樓誰負責", "3棟樓長是 老趙。" + "\n有話要帶去，請私聊我發 捎話 3棟 加要說的話。"),
        ("书记是谁", "第一党支部书记是 胡玉兰，任期到2027年12月31日。" + reach("第一党支部")),
        ("谁是组长", "3栋党小组长是 傅彩霞。" + reach("3栋党小组")),
        ("谁负责物业", "锦绣物业经理是 刘洋。" + reach("锦绣物业")),
        ("谁是社区书记", "锦绣社区书记是 张敏。" + reach("锦绣社区")),
        ("3栋2单元谁负责", "3栋2单元现在没有门栋长，有事请找 3栋楼长 老赵。" + reach("3栋2单元")),
        ("谁负责8栋", "8栋现在没有楼长，有事请找 东区网格员 孙丽。" + reach("8栋")),
        ("谁是队长", "您问的是哪里的队长？请写上名称，例如 谁负责3栋。"),
    ],
)
async def test_who_leads_is_asked_in_many_ways(street: Street, said: str, answer: str) -> None:
    await talk(street, [("李建国", direct, said, answer)])


@ON_SQLITE
async def test_my_units_and_their_leaders(street: Street) -> None:
    await talk(
        street,
        [
            (
                "李建国",
                "3栋群",
                "@小邻 我的支部",
                "您在：第一党支部（支部书记 胡玉兰）、3栋党小组（党小组长 傅彩霞）。\n您住的3栋：楼长 老赵。"
                + reach("第一党支部"),
            ),
            ("孙姐", direct, "我的组织", "您在：邻里理事会（理事长 傅彩霞）。\n您住的5栋：楼长 暂缺。" + reach("邻里理事会")),
            ("老赵", direct, "谁负责3栋", "3栋楼长就是您。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_a_stranger_learns_nothing(street: Street) -> None:
    for said in ("组织", "组织 3栋", "谁负责3栋", "我的支部", "历任 3栋", "本楼党员", "捎话 3栋 在吗", "角色 老赵"):
        await talk(street, [("陌生人", direct, said, STRANGER), ("陌生人", "3栋群", f"@小邻 {said}", STRANGER)])


@ON_SQLITE
async def test_a_leader_who_hides_their_name_is_shown_masked(street: Street) -> None:
    await street.house.books.write(
        lambda s: s.execute(update(Member).where(Member.name == "老赵").values(hides_name=True, phone="13800000000"))
    )
    await talk(
        street,
        [
            ("陈美玲", "3栋群", "@小邻 谁负责3栋", "3栋楼长是 老*。" + reach("3栋")),
            ("陈美玲", direct, "谁负责3栋", "3栋楼长是 老*。" + reach("3栋")),
            ("陈美玲", direct, "历任 3栋", "3栋历任楼长：老* 2025年10月至今。"),
            ("陈美玲", direct, "捎话 3栋 灯坏了", "已把您的话带给 3栋楼长 老*。"),
        ],
    )


@ON_SQLITE
async def test_party_members_are_told_to_those_in_charge_and_in_private(street: Street) -> None:
    mine = "3栋的党员有8位：傅彩霞、彭秋菊、李建国、程爱华、老赵、谢爱华、赵文华、高文华。"
    pushes = await talk(
        street,
        [
            ("老赵", "3栋群", "@小邻 本楼党员", "已私信您。"),
            ("老赵", direct, "本楼党员 5栋", "这件事不在您负责的范围里，请找社区书记。"),
            ("老赵", direct, "支部党员 第一党支部", "这件事不在您负责的范围里，请找社区书记。"),
            ("傅彩霞", direct, "本楼党员", mine.replace("3栋的", "3栋党小组的")),
            ("王秀英", direct, "本楼党员", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
        ],
    )
    assert pushes == [Push("老赵", mine)]
    when = "11月17日 周二 19:30"
    seen = f"{when} 傅彩霞 看过您的政治面貌\n{when} 老赵 看过您的政治面貌"
    await talk(street, [("李建国", direct, "谁看过我", seen)])


@ON_SQLITE
async def test_a_word_is_passed_on_without_a_phone(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 捎话 3栋 楼道灯坏了", "捎话请私聊我说，别人看不见。"),
            ("王秀英", direct, "捎话 3栋 楼道灯坏了", "已把您的话带给 3栋楼长 老赵。"),
            ("王秀英", direct, "捎个话 8栋 门没关", "已把您的话带给 东区网格员 孙丽。"),
            ("老赵", direct, "捎话 3栋 记一下", "3栋就是您负责的，不用捎话。"),
            ("王秀英", direct, "捎话 3栋 第三句", "已把您的话带给 3栋楼长 老赵。"),
            (
                "王秀英",
                direct,
                "捎话 3栋 第四句\n捎话 8栋 第五句",
                "已把您的话带给 3栋楼长 老赵。\n已把您的话带给 东区网格员 孙丽。",
            ),
            ("王秀英", direct, "捎话 3栋 还有一句", "一天最多捎5次话。有急事请直接联系社区。"),
            november(18, 8),
            ("王秀英", direct, "捎话 3栋 早上好", "已把您的话带给 3栋楼长 老赵。"),
        ],
    )
    assert pushes[:2] == [
        Push("老赵", "王秀英（3栋）托我带话给您：\n楼道灯坏了"),
        Push("孙丽", "王秀英（3栋）托我带话给您：\n门没关"),
    ]


# -- belonging ----------------------------------------


@ON_SQLITE
async def test_a_leader_lets_people_in_and_out_and_takes_it_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("胡云霞", direct, "加入 红马甲服务队 李建国、孙姐", "李建国、孙姐 加入了 红马甲服务队。"),
            ("胡云霞", direct, "加入 红马甲服务队 王秀英", "王秀英 已经在 红马甲服务队 了，不用再加。"),
            ("胡云霞", direct, "加入 第一党支部 王秀英", "这件事不在您负责的范围里，请找社区书记。"),
            ("胡云霞", direct, "撤销", "已撤销：孙姐 没有加入 红马甲服务队。\n已撤销：李建国 没有加入 红马甲服务队。"),
            ("张敏", direct, "加入 第一党支部 王秀英", "王秀英 在名册上不是党员。请先改名册，再来加入。"),
            ("张敏", direct, "加入 3栋 王秀英", "3栋的住户按名册算，不用加入。要改住址请找社区。"),
            ("王秀英", direct, "退出组织 红马甲服务队 本人", "王秀英 退出了 红马甲服务队。"),
            ("王秀英", direct, "退出组织 红马甲服务队 陈美玲", "这件事不在您负责的范围里，请找社区书记。"),
            ("王秀英", direct, "撤销", "已恢复：王秀英 还在 红马甲服务队。"),
            ("胡云霞", direct, "移出 红马甲服务队 小吴", "小吴 退出了 红马甲服务队。"),
            ("胡云霞", direct, "移出 红马甲服务队 小吴", "小吴 不在 红马甲服务队，不用退出。"),
            # One who is not found makes nothing happen.
            ("胡云霞", direct, "加入 红马甲服务队 小吴、王小二", "没有找到 王小二。请写全名，或请楼长帮忙看看名册。"),
            ("小吴", direct, "我的支部", "您在：第三党支部（支部书记 彭桂英）、7栋党小组（党小组长 于爱华）。\n"
             "您住的7栋：楼长 暂缺。" + reach("第三党支部")),
        ],
    )  # fmt: skip
    joined = "您已加入 红马甲服务队。看看都有谁负责，请发 我的支部。"
    assert pushes == [
        Push("李建国", joined),
        Push("孙姐", joined),
        Push("小吴", "您已退出 红马甲服务队。弄错了请找 胡云霞。"),
    ]


# -- the calendar ----------------------------------------


@ON_SQLITE
async def test_terms_that_end_are_told_a_month_ahead_and_on_the_day(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "任命 孙姐 5栋 楼长 至12月31日", "孙姐 从今天起是5栋楼长，任期到2026年12月31日。"),
            ("张敏", direct, "任命 何婶 6栋 楼长 至12月31日", "何婶 从今天起是6栋楼长，任期到2026年12月31日。"),
            # Given for less than a month: told on its day alone.
            ("张敏", direct, "任命 老魏 8栋 楼长 至12月10日", "老魏 从今天起是8栋楼长，任期到2026年12月10日。"),
        ],
    )
    ahead = await street.until(datetime(2026, 12, 2, 8, 0, tzinfo=NOW.tzinfo))
    told = [push for push in ahead if "到期" in push.text]
    assert told == [
        Push("孙姐", "您担任的5栋楼长2026年12月31日到期。\n要接着做，请和社区说一声。"),
        Push("何婶", "您担任的6栋楼长2026年12月31日到期。\n要接着做，请和社区说一声。"),
        Push(
            "张敏",
            "快到期的职务有2个：5栋楼长 孙姐（2026年12月31日）、6栋楼长 何婶（2026年12月31日）。\n"
            "要续任请发 任命 孙姐 5栋 楼长 至 新的日期。",
        ),
        Push(
            "孙丽",
            "快到期的职务有2个：5栋楼长 孙姐（2026年12月31日）、6栋楼长 何婶（2026年12月31日）。\n"
            "要续任请发 任命 孙姐 5栋 楼长 至 新的日期。",
        ),
    ]
    last = await street.until(datetime(2026, 12, 11, 0, 0, tzinfo=NOW.tzinfo))
    assert [push for push in last if "到期" in push.text] == [
        Push("老魏", "您担任的8栋楼长今天到期，明天起就卸任了。谢谢您的付出！"),
        Push(
            "孙丽", "今天到期的职务有1个：8栋楼长 老魏（2026年12月10日）。\n要续任请发 任命 老魏 8栋 楼长 至 新的日期。"
        ),
    ]
    await talk(street, [("孙姐", direct, "谁负责8栋", "8栋现在没有楼长，有事请找 东区网格员 孙丽。" + reach("8栋"))])


@ON_SQLITE
async def test_units_without_a_leader_are_listed_on_the_first_of_the_month(street: Street) -> None:
    pushes = await street.until(datetime(2026, 12, 1, 9, 0, tzinfo=NOW.tzinfo))
    assert [push for push in pushes if "没有负责人" in push.text] == [
        Push(
            "张敏",
            "现在没有负责人的组织有9个：9栋中心户、1栋、2栋、4栋、5栋、6栋等。\n选好了人请发 任命 姓名 9栋中心户 中心户长。",
        )
    ]


# -- the rules, on both databases ----------------------------------------


def team(session: Session, ground: Ground, kind: UnitKind = UnitKind.SERVICE_TEAM, name: str = "红袖章") -> UnitHere:
    by = person(session, "张敏")
    return tree.open_unit(
        session, community_id=ground.community.id, by=by, kind=kind, name=name, parent=ground.root, now=FOUNDED
    )


async def test_a_person_belongs_to_a_unit_once_however_often_it_is_said_at_once(books: Books) -> None:
    ground = await books.write(lay)
    unit = await books.write(lambda s: team(s, ground))

    def joining(session: Session) -> bool:
        here = {"community_id": ground.community.id}
        try:
            member = find_member(session, name="王秀英", **here)
            join_unit(session, by=None, unit=unit, member=member, now=NOW, **here)
        except InUnitAlready:
            return False
        return True

    done = await asyncio.gather(*(books.write(joining) for _ in range(4)))
    assert sorted(done) == [False, False, False, True]


async def test_who_belongs_where(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> dict[str, list[str]]:
        here = {"community_id": ground.community.id}
        session.execute(update(Member).where(Member.name == "李建国").values(standing=Standing.PARTY_MEMBER))
        branch = team(session, ground, UnitKind.BUILDING_BRANCH, "一支部")
        wang, li = (find_member(session, name=name, **here) for name in ("王秀英", "李建国"))
        with pytest.raises(PartyOnly):
            join_unit(session, by=None, unit=branch, member=wang, now=NOW, **here)
        with pytest.raises(HomesAreNotJoined):
            join_unit(session, by=None, unit=ground.units["3栋"], member=wang, now=NOW, **here)
        join_unit(session, by=None, unit=branch, member=li, now=NOW, **here)
        assert [one.name for one in units_of(session, member_id=li.id, **here)] == ["一支部"]
        assert violations(session) == []
        return {
            name: [one.name for one in people_below(session, unit=at, **here)]
            for name, at in (("一支部", branch), ("3栋2单元", ground.units["3栋2单元"]))
        } | {
            "3栋党员": [
                one.name for one in people_below(session, unit=ground.units["3栋"], party_only=True, **here)
            ]
        }  # fmt: skip

    assert await books.write(unit) == {"一支部": ["李建国"], "3栋2单元": ["王秀英", "陈美玲"], "3栋党员": ["李建国"]}


async def test_the_tree_counts_everybody_once_on_each_level(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Node:
        here = {"community_id": ground.community.id}
        session.execute(update(Member).where(Member.name.in_(["李建国", "何叔"])).values(standing="party_member"))
        committee = team(session, ground, UnitKind.PARTY_COMMITTEE, "党总支")
        by = person(session, "张敏")
        branch = tree.open_unit(
            session, by=by, kind=UnitKind.BUILDING_BRANCH, name="一支部", parent=committee, now=NOW, **here
        )
        group = tree.open_unit(session, by=by, kind=UnitKind.DOOR_GROUP, name="一组", parent=branch, now=NOW, **here)
        for name, at in (("李建国", branch), ("李建国", group), ("何叔", group)):
            join_unit(session, by=None, unit=at, member=find_member(session, name=name, **here), now=NOW, **here)
        give_role(
            session, member_id=ground.people["何叔"], role=Role.GROUP_LEADER, unit=group, now=NOW, by=None, **here
        )
        return tree_of(session, now=NOW, **here)

    root = await books.write(unit)
    nodes = {one.unit.name: one for one in [root, *root.below]}
    committee = nodes["党总支"]
    (branch,) = committee.below
    (group,) = branch.below
    assert (root.people, nodes["3栋"].people) == (10, 6)
    assert (committee.people, branch.people, group.people) == (2, 2, 2)
    assert group.leader is not None
    assert (group.leader.name, branch.leader, root.leader and root.leader.name) == ("何叔", None, "张敏")
    assert root.count(UnitKind.DOOR) == 4


async def test_units_without_a_leader_are_those_that_should_have_one(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[list[str], list[str]]:
        here = {"community_id": ground.community.id, "now": NOW + timedelta(days=1)}
        team(session, ground)
        before = [one.name for one in leaderless(session, **here)]
        session.execute(update(Member).where(Member.name == "老赵").values(moved_out_at=NOW))
        return before, [one.name for one in leaderless(session, **here)]

    assert await books.write(unit) == (["红袖章"], ["3栋", "红袖章"])


async def test_each_community_has_a_tree_of_its_own(books: Books) -> None:
    ground = await books.write(lay)
    root = await books.read(lambda s: tree_of(s, community_id=ground.elsewhere.id, now=NOW))
    assert (root.unit, root.people) == (ground.units["滨河社区"], 1)
    assert {one.unit.id for one in root.below} == {ground.units[f"滨河{name}"].id for name in ("3栋", "5栋", "物业")}
    assert (
        await books.read(lambda s: find_unit(s, community_id=ground.elsewhere.id, name="3栋"))
        == ground.units["滨河3栋"]
    )
