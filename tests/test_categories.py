"""类别: told by staff alone, for whom a notice is, and never read in a group."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from models.audit import LOOK, Audit
from models.categories import MemberCategory, categories_of, give
from models.members import Member, Standing, add_member, category_called
from models.members.categories import excluded_by
from models.units import find_unit
from tests.dialogue import ON_SQLITE, direct, november, silence, talk
from tests.fakes.street import Street, muted
from tests.ground import FOUNDED

CHECK = "发送请回复 确认，不发回复 取消。"
PRIVATELY = "这件事请私聊我说：打开和我的单聊，发 {}。"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("流动", "流动党员"),
        ("流动党员", "流动党员"),
        ("双重", "双重管理"),
        ("共同管理党员", "共同管理"),
        ("退休党员", "离退休党员"),
        ("低保", "低保户"),
        ("舞蹈队", "舞蹈队"),
        ("党员", None),
        ("楼长", None),
        ("3栋", None),
        ("一", None),
        ("13800001234", None),
        ("这是一个长得谁也记不住的类别", None),
    ],
)
def test_a_word_means_a_category_or_none(word: str, name: str | None) -> None:
    assert category_called(word) == name


def test_of_four_kinds_of_management_somebody_is_one() -> None:
    assert excluded_by("网格管理") == ("双重管理", "动态管理", "共同管理")
    assert excluded_by("流动党员") == ("固定党员",)
    assert excluded_by("在职党员") == excluded_by("独居老人") == ()


STAR = "舞蹈骨干1人：3栋2单元501王秀英\n给他们发通知请发 广播 舞蹈骨干 加内容。"


async def test_staff_write_down_what_somebody_is_and_take_it_back(street: Street) -> None:
    new = (
        "还没有「舞蹈骨干」这个类别。要新建，并给 王秀英 加上吗？\n"
        "只有社区工作人员和本人看得到。回复 确认 就加，不加回复 取消。"
    )
    await talk(
        street,
        [
            ("张敏", direct, "类别 王秀英", "王秀英：还没有类别。\n要加请发 类别 王秀英 加类别，例如 独居老人。"),
            (
                "张敏", direct, "类别 王秀英 流动",
                "王秀英 的政治面貌不是党员，不能是流动党员。\n是党员请先发 更正 王秀英 党员。",
            ),
            (
                "张敏", direct, "类别 王秀英 独居",
                "记下了，王秀英：独居老人。\n发错了请发 撤销；要去掉请发 去掉 王秀英 独居老人。",
            ),
            ("张敏", direct, "类别 王秀英 独居老人", "王秀英 已经是独居老人了。"),
            ("张敏", direct, "类别 王秀英 舞蹈骨干", new),
            (
                "张敏", direct, "确认",
                "记下了，王秀英：独居老人、舞蹈骨干。\n发错了请发 撤销；要去掉请发 去掉 王秀英 舞蹈骨干。",
            ),
            ("张敏", direct, "舞蹈骨干有谁", STAR),
            ("张敏", direct, "3栋的舞蹈骨干都有哪些人", STAR),
            # Nobody else learns that there is such a category.
            ("李建国", direct, "舞蹈骨干有谁", "没太听懂。回复 帮助 看看我能做什么。"),
            ("张敏", direct, "把王秀英的舞蹈骨干去掉", "已去掉，王秀英：独居老人。"),
            ("张敏", direct, "撤销", "已撤销，王秀英 还是舞蹈骨干。"),
            ("张敏", direct, "去掉王秀英的舞蹈骨干", "已去掉，王秀英：独居老人。"),
            # One of the four takes the place of another, and comes back with it.
            ("张敏", direct, "党员类别 小吴 网格", "记下了，小吴：流动党员、网格管理（不再是动态管理）。\n发错了请发 撤销。"),
            ("张敏", direct, "撤销", "已撤销，小吴 不是网格管理了。"),
            ("张敏", direct, "小吴不再是流动党员", "已去掉，小吴：动态管理。"),
            ("张敏", direct, "撤销", "已撤销，小吴 还是流动党员。"),
            ("张敏", direct, "去掉 小吴 低保", "小吴 本来就不是低保户。看有哪些请发 类别 小吴。"),
            (
                "张敏", direct, "低保户有几个",
                "低保户1人：5栋2单元303孙姐\n给他们发通知请发 广播 低保户 加内容。",
            ),
            (
                "张敏", direct, "类别列表",
                "您负责的范围里：双重管理1人、网格管理3人、动态管理1人、共同管理1人、固定党员3人、流动党员1人、在职党员2人、"
                "低保户1人、独居老人3人。\n看一类有谁请发 双重管理名单。",
            ),
            ("王秀英", direct, "独居老人有谁", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            ("老赵", direct, "类别 王秀英", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            ("张敏", "3栋群", "@小邻 独居老人有谁", PRIVATELY.format("类别名单 流动党员")),
            ("张敏", "3栋群", "@小邻 类别 王秀英 低保户", PRIVATELY.format("类别 李建国 流动党员")),
        ],
    )  # fmt: skip
    mine = await street.say("王秀英", "我的资料")
    assert mine.startswith("王秀英，3栋2单元501，手机13900005849；账号1个，职务：居民，类别：独居老人。")
    # Staff saw what she is each time they asked, and nobody else did.
    looks = await street.house.books.read(_looks)
    assert looks == [(1, f"member:{number}", ["category"]) for number in (2, 2, 2, 14)]


def _looks(session: Session) -> list[Any]:
    return [
        tuple(row)
        for row in session.execute(
            select(Audit.member_id, Audit.object_ref, Audit.detail["what"]).where(Audit.action == LOOK)
        )
    ]


async def test_a_notice_reaches_those_of_a_category_and_names_it_nowhere(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "张敏", direct, "广播 流动党员 周五晚上7点线上学习",
                f"广播预览：周五晚上7点线上学习\n给 流动党员：1人。\n私信1人。\n{CHECK}",
            ),
            ("张敏", direct, "取消", "好的，不办了。"),
            (
                "张敏", "党员群", "@小邻 广播 在职党员和楼长 周五开会",
                f"广播预览：周五开会\n给 在职党员、楼长：3人。\n私信3人。\n{CHECK}",
            ),
            ("张敏", "党员群", "取消", "好的，不办了。"),
            ("张敏", "3栋群", "@小邻 广播 独居老人 明天送饺子", "发给这些人的通知，请私聊我写。"),
            ("老赵", direct, "广播 3栋独居老人 明天送饺子", "发给这些人的通知要社区工作人员来写，请和社区说一声。"),
            (
                "张敏", direct, "广播 独居老人 请独居老人来领饺子",
                "内容里写着「独居老人」，收到的人会被看出来。请换个说法再发。",
            ),
            (
                "张敏", direct, "广播 独居老人 明天中午送饺子到家 回执",
                f"广播预览：明天中午送饺子到家（要回执）\n给 独居老人：2人。\n私信2人。\n{CHECK}",
            ),
            ("张敏", direct, "确认", "8号已发：私信2人。\n看谁收到请发 广播状态 8。"),
            # Among the neighbours it has no title, and a guess at a door says nothing.
            ("陈阿姨", "3栋群", "@小邻 收到", "是哪一条？请回复序号：\n1 7号 停水通知\n2 8号 私信您的那条"),
            ("张敏", "3栋群", "@小邻 广播状态 8", "8号是私信发的，情况请私聊我看。"),
            ("老赵", direct, "备注 8 3栋2单元502 家里没人", "8号不是发给您那里的，不用回。"),
            (
                "老赵", direct, "3栋2单元502 家里没人",
                "记下了：3栋2单元502还没说收到（家里没人），7号不再催这户。\n问到了请发 收到 7 3栋2单元502。",
            ),
            ("老赵", direct, "撤销", "已撤回7号的备注。"),
            (
                "老赵", direct, "接龙\n通知8收到\n1. 3栋2单元502 家里没人",
                "已读到接龙：新增1（3栋2单元502），共1人。\n没有记成：3栋2单元502。",
            ),
            ("陈阿姨", "3栋群", "收到 8", silence),
            november(17, 19, 45),
            # Whoever leads the house learns nothing of it, by no way.
            ("老赵", direct, "广播列表", "7号 停水通知（3栋，已发）"),
            ("张敏", "3栋群", "@小邻 广播列表", "7号 停水通知（3栋，已发）"),
            ("老赵", direct, "广播状态 8", "没有8号广播，或不归您管。看看有哪些请发 广播列表。"),
            ("老赵", direct, "催办 8", "没有8号广播，或不归您管。看看有哪些请发 广播列表。"),
            ("老赵", direct, "收到 8 陈阿姨", "8号不是发给您那里的，不用回。"),
            ("老赵", direct, "收到 8 王秀英", "8号不是发给您那里的，不用回。"),
            (
                "张敏", direct, "广播状态 8",
                "8号「送饺子到家」已发：私信2/2人。\n回执1/2户（1人）。\n还没回的1户：8栋1单元 501老魏。\n催一催请发 催办 8。",
            ),
        ],
    )  # fmt: skip
    evening = await street.until(november(18, 21))
    assert [push.to for push in evening if "还有1户没回" in push.text] == ["孙丽"]
    assert not [push for push in street.pushes if "独居" in push.text]
    assert {push.to for push in pushes if push.text.startswith("【")} == {"陈阿姨", "老魏"}


SCOPES = {
    "3栋": ("3栋：29户35人", "发到：3栋群"),
    "3栋2单元": ("3栋2单元：13户16人", "私信16人"),
    "第一党支部": ("第一党支部：33人", "私信33人"),
    "党员": ("党员：75人", "发到：党员群"),
    "3栋党员": ("3栋党员：8人", "私信8人"),
    "楼长": ("楼长：1人", "私信1人"),
    "物业": ("物业：1人", "发到：物业群"),
    "流动党员": ("流动党员：1人", "私信1人"),
    "3栋独居老人": ("3栋独居老人：1人", "私信1人"),
    "3栋和流动党员": ("3栋、流动党员：36人", "发到：3栋群，私信1人"),
    "全体": ("全体：230户316人", "发到：3栋群、5栋群、社区大群"),
    # In the group of all there are those of 5栋 too: the others are written to alone.
    "全体除了5栋": ("全体除5栋：204户282人", "发到：3栋群，私信247人"),
    "3栋除2单元": ("3栋除3栋2单元：16户19人", "私信18人，另有1户我联系不上，要上门说"),
    "党员除楼长": ("党员除楼长：74人", "私信74人"),
}
MUTED = {
    "流动党员": "流动党员 的群和人我都发不到。请先绑定群，或请大家加我。",
    "3栋、流动党员": ("3栋、流动党员：36人", "3栋群要人转发，另有1户我联系不上，要上门说"),
}


@ON_SQLITE
async def test_a_preview_says_whom_every_kind_of_scope_reaches_and_by_what(street: Street) -> None:
    """Head-count, channels and what cannot be reached; whoever is left out is in no group that is written to."""
    for here, scopes in ((street, SCOPES), (muted(street), MUTED)):
        for target, told in scopes.items():
            said = await here.say("张敏", f"广播 {target} 明天停水")
            if isinstance(told, tuple):
                told = f"广播预览：明天停水\n给 {told[0]}。\n{told[1]}。\n{CHECK}"
                assert await here.say("张敏", "取消") == "好的，不办了。"
            assert said == told


async def test_a_recurring_notice_finds_whom_it_is_for_when_it_goes_out(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏", direct, "定时广播 每周五18点 流动党员 请报平安",
                f"广播预览：请报平安（每周五18点，11月20日 周五 18:00）\n给 流动党员：1人。\n私信1人。\n{CHECK}",
            ),
            (
                "张敏", direct, "确认",
                "8号已定：每周五18点 发给 流动党员，下一次11月20日 周五 18:00。\n"
                "归锦绣社区管，换了人也照发；不发了请发 取消广播 8。",
            ),
            (
                "张敏", direct, "类别 何婶 流动",
                "记下了，何婶：网格管理、流动党员（不再是固定党员）。\n发错了请发 撤销。",
            ),
            ("张敏", direct, "去掉 小吴 流动党员", "已去掉，小吴：动态管理。"),
        ],
    )  # fmt: skip
    pushes = await street.until(november(20, 18, 5))
    assert [push.to for push in pushes if push.text.endswith("】请报平安")] == ["何婶"]


@ON_SQLITE
async def test_who_is_forgotten_or_found_to_be_somebody_else_has_no_category(street: Street) -> None:
    """What goes over by 合并 comes back by 拆分; what is known of oneself goes with oneself."""
    session = street.house.books

    def people(session: Session) -> tuple[int, int]:
        home = find_unit(session, community_id=1, name="8栋1单元")
        ids = []
        for name, room in (("魏国", "501"), ("魏小国", "502")):
            ids.append(add_member(session, community_id=1, name=name, unit=home, room=room, now=FOUNDED))
        for member, category in ((ids[0], "独居老人"), (ids[1], "独居老人"), (ids[1], "退役军人")):
            give(
                session, community_id=1, member_id=member, name="", standing=Standing.RESIDENT, category=category,
                by=None, now=FOUNDED,
            )  # fmt: skip
        return ids[0], ids[1]

    keeper, other = await session.write(people)

    def theirs(session: Session) -> list[list[str]]:
        return [categories_of(session, community_id=1, member_ids=[one]) for one in (keeper, other)]

    await street.say("张敏", f"合并 {keeper} {other}")
    assert (await street.say("张敏", "确认")).startswith("已合并")
    assert await session.read(theirs) == [["独居老人", "退役军人"], []]
    assert (await street.say("张敏", "拆分 1")).startswith("已拆开")
    assert await session.read(theirs) == [["独居老人"], ["独居老人", "退役军人"]]
    await street.say("陈阿姨", "注销")
    await street.say("陈阿姨", "确认")
    left = (
        select(MemberCategory.id)
        .join(Member, MemberCategory.member_id == Member.id)
        .where(Member.forgotten_at.is_not(None))
    )
    assert await session.read(lambda session: session.scalars(left).all()) == []
