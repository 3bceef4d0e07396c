"""审核, 通过 and 驳回: who may decide about whom, and what those hear who asked."""

import asyncio

from sqlalchemy import delete, select

from bot.script import Push
from models.directory import Identity
from models.members import Member, Registration, Standing
from tests.dialogue import ON_SQLITE, Spoken, direct, incoming, talk
from tests.fakes.street import Street, open_street

WAITS = "{}，已收到，请{}的负责人核对后就可以用了（{}号）。"
NOTHING = "现在没有等您看的事。"
GONE = "没有等您看的{}号。看看有哪些，请发 审核。"


@ON_SQLITE
async def test_a_building_lead_approves_and_the_neighbour_is_welcomed(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("lisi", "3栋群", "绑定 李四 3栋2单元", WAITS.format("李四", "3栋2单元", 1)),
            ("lisi", "3栋群", "绑定 李四 3栋2单元", "您的申请（1号）正在核对，请稍等，有结果我会告诉您。"),
            ("老赵", "3栋群", "@小邻 审核", "已私信您。"),
            ("老赵", "3栋群", "@小邻 通过 1", "已通过 1号：李四 现在是3栋2单元的居民了。"),
            ("老赵", "3栋群", "@小邻 通过 1", GONE.format(1)),
            ("lisi", direct, "绑定 李四 3栋", "您已经绑定过了，是 李四。要改信息请找楼长或社区。"),
        ],
    )
    assert pushes == [
        Push("老赵", "李四 申请绑定为3栋2单元居民（1号）。\n是本人请回复 通过 1，不是请回复 驳回 1 理由。"),
        Push("老赵", "等您看的有1件：\n1号 绑定 李四 3栋2单元\n同意请回复 通过 1，不同意请回复 驳回 1 理由。"),
        Push("李四", "李四，核对好了，欢迎您！想看看我会什么，请发 帮助。"),
    ]
    made = await street.house.books.read(
        lambda s: s.execute(select(Member.standing, Member.basis).where(Member.name == "李四")).one()
    )
    assert tuple(made) == (Standing.RESIDENT, "绑定审核")


@ON_SQLITE
async def test_a_rejection_needs_a_reason_and_the_stranger_hears_it(street: Street) -> None:
    await talk(
        street,
        [
            ("lisi", direct, "绑定 李四 3栋", WAITS.format("李四", "3栋", 1)),
            ("老赵", direct, "驳回 1", "请写上理由，例如 驳回 1 楼栋写错了。"),
            ("老赵", direct, "驳回 1 名册上没有您", "已驳回 1号：李四（名册上没有您）。"),
            (
                "lisi",
                direct,
                "活动",
                "您上次的绑定申请没有通过（名册上没有您）。\n请核对后再发 绑定 姓名 楼栋。",
            ),
            # A second try is a new request.
            ("lisi", direct, "绑定 李四 5栋", WAITS.format("李四", "5栋", 2)),
            ("lisi", direct, "活动", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )


@ON_SQLITE
async def test_the_list_shows_the_oldest_two_and_says_how_many_wait(street: Street) -> None:
    await talk(
        street,
        [
            *[
                (f"n{index}", direct, f"绑定 邻居{word} 3栋", WAITS.format(f"邻居{word}", "3栋", index))
                for index, word in enumerate("甲乙丙", 1)
            ],
            (
                "李建国",
                direct,
                "申诉 246 少记了",
                "已收到申诉（4号），会请没有经手这笔分的人来看。\n有结果我会告诉您。",
            ),
            (
                "老赵",
                direct,
                "审核",
                "等您看的有3件：\n1号 绑定 邻居甲 3栋\n2号 绑定 邻居乙 3栋\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("老赵", direct, "通过 1", "已通过 1号：邻居甲 现在是3栋的居民了。"),
            ("张敏", direct, "通过 2", "已通过 2号：邻居乙 现在是3栋的居民了。"),
            # The appeal shares the row of numbers, and is for staff.
            (
                "张敏",
                direct,
                "审核",
                "等您看的有2件：\n3号 绑定 邻居丙 3栋\n4号 申诉 李建国：10月7日 服务时长 +1（记录246），说「少记了」\n"
                "同意请回复 通过 3，不同意请回复 驳回 3 理由。",
            ),
        ],
    )


BEYOND: tuple[Spoken, ...] = (
    ("王秀英", direct, "审核", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
    ("王秀英", direct, "通过 1", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
    ("刘洋", direct, "驳回 1 不认识", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
    # 老赵 is the lead of 3栋, 周敏 of the second branch: 5栋 is not theirs.
    ("老赵", direct, "审核", NOTHING),
    ("老赵", direct, "通过 1", GONE.format(1)),
    ("老赵", direct, "驳回 1 不认识", GONE.format(1)),
    ("周敏", direct, "通过 1", GONE.format(1)),
    ("张敏", direct, "通过 99", GONE.format(99)),
    ("lisi", direct, "通过 1", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
)


@ON_SQLITE
async def test_nobody_decides_beyond_their_scope(street: Street) -> None:
    await talk(street, [("lisi", direct, "绑定 李四 5栋", WAITS.format("李四", "5栋", 1)), *BEYOND])
    assert await street.house.books.read(lambda s: list(s.scalars(select(Registration.state)))) == ["waiting"]


@ON_SQLITE
async def test_an_officer_s_new_account_is_approved_by_somebody_above(street: Street) -> None:
    """Somebody says that they are 老赵: no building lead can hand out a building lead's account."""

    await street.house.books.write(lambda s: s.execute(delete(Identity).where(Identity.external_id == "老赵")))
    pushes = await talk(
        street,
        [
            ("laozhao2", direct, "绑定 老赵 3栋", WAITS.format("老赵", "3栋", 1)),
            ("laozhao2", direct, "审核", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            ("张敏", direct, "通过 1", "已通过 1号：老赵 现在是3栋的居民了。"),
            ("laozhao2", direct, "审核", NOTHING),
        ],
    )
    assert pushes[-1] == Push("老赵", "老赵，核对好了，欢迎您！想看看我会什么，请发 帮助。")


async def test_two_who_decide_at_once_decide_once(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        await here.say("lisi", "绑定 李四 3栋")
        answers = await asyncio.gather(
            here.house.dispatcher.answer(incoming(here, "老赵", "通过 1")),
            there.house.dispatcher.answer(incoming(there, "张敏", "驳回 1 不认识")),
        )
        assert sorted(heard.outcome for heard in answers) == ["act", "refused"]
        assert [heard.reply.text for heard in answers if heard.outcome == "refused"] == [GONE.format(1)]
        assert await here.violations() == []
    finally:
        for street in (here, there):
            await street.house.close()
