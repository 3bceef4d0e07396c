"""审核, 通过 and 驳回: who may decide about whom, and what those hear who asked."""

import asyncio

import pytest
from sqlalchemy import delete, select

from bot.script import Push
from models.directory import Identity
from models.members import Member, Registration, Standing
from tests.dialogue import (
    AGREED,
    BOUND,
    CHECKING,
    ON_SQLITE,
    STATEMENT,
    WAITS,
    WRONG,
    Spoken,
    direct,
    incoming,
    november,
    talk,
)
from tests.fakes.street import Street, open_street

NOTHING = "现在没有等您看的事。"
GONE = "没有等您看的{}号。看看有哪些，请发 审核。"


def three_tries(who: str, name: str, where: str, number: int, digits: str = "0000") -> list[Spoken]:
    """Somebody proves nothing until they wait for a person, as the request of that number."""
    said = f"绑定 {name} {where}201 {digits}"
    return [
        (who, direct, said, WRONG),
        (who, direct, said, WRONG),
        (who, direct, said, WAITS.format(name, where, number)),
    ]


WELCOME = Push("李四", "李四，核对好了，欢迎您！想看看我会什么，请发 帮助。")


@ON_SQLITE
async def test_a_building_lead_approves_and_the_neighbour_is_welcomed(street: Street) -> None:
    pushes = await talk(
        street,
        [
            *three_tries("lisi", "李四", "3栋2单元", 1),
            ("lisi", direct, "绑定 李四 3栋2单元201 0000", CHECKING.format(1)),
            ("lisi", direct, "活动", CHECKING.format(1)),
            ("老赵", "3栋群", "@小邻 审核", "已私信您。"),
            ("老赵", "3栋群", "@小邻 通过 1", "已私信您。"),
            ("老赵", direct, "通过 1", GONE.format(1)),
            ("lisi", direct, "绑定 李四 3栋", "您已经绑定过了，是 李四。要改信息请找楼长或社区。"),
        ],
    )
    assert pushes == [
        Push(
            "老赵",
            "李四 申请绑定为3栋2单元201居民（1号）。\n报的房号或手机尾号和名册对不上，请当面或打电话核实。"
            "\n是本人请回复 通过 1，不是请回复 驳回 1 理由。",
        ),
        Push(
            "老赵",
            "等您看的有1件：\n1号 绑定 李四 3栋2单元201（没对上）\n同意请回复 通过 1，不同意请回复 驳回 1 理由。",
        ),
        WELCOME,
        Push("老赵", "已通过 1号：李四 现在是3栋2单元的居民了。"),
    ]
    made = await street.house.books.read(
        lambda s: s.execute(select(Member.standing, Member.basis).where(Member.name == "李四")).one()
    )
    assert tuple(made) == (Standing.RESIDENT, "绑定审核")


@ON_SQLITE
async def test_a_rejection_needs_a_reason_and_the_stranger_hears_it(street: Street) -> None:
    pushes = await talk(
        street,
        [
            *three_tries("lisi", "李四", "3栋", 1),
            ("老赵", direct, "驳回 1", "请写上理由，例如 驳回 1 楼栋写错了。"),
            ("老赵", direct, "驳回 1 名册上没有您", "已驳回 1号：李四（名册上没有您）。"),
            ("lisi", direct, "活动", "您上次的绑定申请没有通过（名册上没有您）。\n请核对后再发 绑定 姓名 楼栋。"),
            # Within the day of the wrong tries a new request waits at once.
            ("lisi", direct, "绑定 李四 5栋201 0000", WAITS.format("李四", "5栋", 2)),
            ("lisi", direct, "活动", CHECKING.format(2)),
        ],
    )
    assert pushes[1] == Push(
        "lisi", "您的绑定申请（1号）没有通过：名册上没有您。\n请核对后再发 绑定 姓名 楼栋，或找社区当面说。"
    )


APPROVED = "已通过 1号：李四 现在是3栋的居民了。"
REOPENED = Push("lisi", "您的绑定申请（1号）要重新核对，请稍等，有结果我会告诉您。")


async def test_an_approval_is_taken_back_within_ten_minutes_and_the_account_is_nobody_again(street: Street) -> None:
    pushes = await talk(
        street,
        [
            *three_tries("lisi", "李四", "3栋", 1),
            ("老赵", direct, "通过 1", APPROVED),
            ("lisi", direct, "同意", AGREED),
            ("lisi", direct, "报名 13", "已给 李四 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            november(17, 19, 39),
            ("老赵", direct, "撤销", "已撤销 1号的通过：李四 的账号解除了绑定，重新等人核对。"),
            ("lisi", direct, "报名 13", CHECKING.format(1)),
            ("老赵", direct, "通过 1", APPROVED),
            # What the other one agreed to is not what this one agreed to.
            ("lisi", direct, "活动 13", "李四，您好！" + STATEMENT),
            november(17, 19, 50),
            ("老赵", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
        ],
    )
    assert [push for push in pushes if push.to in ("lisi", "李四")] == [WELCOME, REOPENED, WELCOME]


@ON_SQLITE
async def test_a_rejection_is_taken_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            *three_tries("lisi", "李四", "3栋", 1),
            ("老赵", direct, "驳回 1 不认识", "已驳回 1号：李四（不认识）。"),
            ("张敏", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
            ("老赵", direct, "撤销", "已撤销 1号的驳回：李四 重新等人核对。"),
            ("lisi", direct, "活动", CHECKING.format(1)),
            ("老赵", direct, "通过 1", APPROVED),
        ],
    )
    assert pushes[-2:] == [REOPENED, WELCOME]


WHICH = "张三 已经有一个账号。这个新的：\n1 换号，原来的不能再用\n2 并用，两个都是本人\n3 同名，是另一位邻居"


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "answers", "speak"),
    [
        ("通过 2", ["1"], ["new"]),
        ("通过 2 换号", [], ["new"]),
        ("通过 2 并用", [], ["new", "old"]),
    ],
)
async def test_a_second_account_is_joined_in_one_word(
    street: Street, said: str, answers: list[str], speak: list[str]
) -> None:
    done = "已通过 2号：张三 现在是3栋的居民了。"
    await talk(
        street,
        [
            ("old", direct, "绑定 张三 3栋201 1234", BOUND.format("张三", "3栋")),
            ("old", direct, "同意", AGREED),
            ("new", direct, "绑定 张三 3栋201 1234", WAITS.format("张三", "3栋", 2)),
            # Asked in the group, he is asked back in private: nobody else is to know who has how many accounts.
            ("老赵", "3栋群" if answers else direct, f"@小邻 {said}", "已私信您。" if answers else done),
            *[("老赵", direct, answer, done) for answer in answers],
        ],
    )
    heard = {account: await street.say(account, "活动 13") for account in ("old", "new")}
    # They are one person, who has agreed already.
    assert sorted(account for account, text in heard.items() if text.startswith("13号「义诊」")) == speak
    told = [push.text for push in street.pushes if push.to == "old"]
    assert told == ([] if "old" in speak else ["您的账号换了新号，这个账号不再是 张三。不是您本人换的，请马上找社区。"])


@ON_SQLITE
async def test_the_list_shows_the_oldest_two_and_says_how_many_wait(street: Street) -> None:
    await talk(
        street,
        [
            *[
                line
                for index, word in enumerate("甲乙丙", 1)
                for line in three_tries(f"n{index}", f"邻居{word}", "3栋", index)
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
                "等您看的有3件：\n1号 绑定 邻居甲 3栋201（没对上）\n2号 绑定 邻居乙 3栋201（没对上）\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("老赵", direct, "通过 1", "已通过 1号：邻居甲 现在是3栋的居民了。"),
            ("张敏", direct, "通过 2", "已通过 2号：邻居乙 现在是3栋的居民了。"),
            # The appeal shares the row of numbers, and is for staff.
            (
                "张敏",
                direct,
                "审核",
                "等您看的有2件：\n3号 绑定 邻居丙 3栋201（没对上）\n4号 申诉 李建国：10月7日 服务时长 +1（记录246），说「少记了」\n"
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
    ("lisi", direct, "通过 1", CHECKING.format(1)),
)


@ON_SQLITE
async def test_nobody_decides_beyond_their_scope(street: Street) -> None:
    await talk(street, [*three_tries("lisi", "李四", "5栋", 1), *BEYOND])
    assert await street.house.books.read(lambda s: list(s.scalars(select(Registration.state)))) == ["waiting"]


@ON_SQLITE
async def test_an_officer_s_new_account_is_approved_by_somebody_above(street: Street) -> None:
    """Somebody says that they are 老赵: no building lead can hand out a building lead's account."""

    await street.house.books.write(lambda s: s.execute(delete(Identity).where(Identity.external_id == "老赵")))
    pushes = await talk(
        street,
        [
            # He knows his room and his phone, which is not enough for his role.
            ("laozhao2", direct, "绑定 老赵 3栋301 " + await digits_of(street, "老赵"), WAITS.format("老赵", "3栋", 1)),
            ("laozhao2", direct, "审核", CHECKING.format(1)),
            ("张敏", direct, "审核", OFFICER),
            ("张敏", direct, "通过 1", "已通过 1号：老赵 现在是3栋的居民了。"),
            ("laozhao2", direct, "审核", NOTHING),
        ],
    )
    # Those above him hear of it, not his neighbours.
    assert [push.to for push in pushes] == ["张敏", "孙丽", "老赵"]
    assert pushes[-1] == Push("老赵", "老赵，核对好了，欢迎您！想看看我会什么，请发 帮助。")


OFFICER = "等您看的有1件：\n1号 绑定 老赵 3栋301（有职务，对得上）\n同意请回复 通过 1，不同意请回复 驳回 1 理由。"


async def digits_of(street: Street, name: str) -> str:
    """The last digits of somebody's phone in the demo."""
    phone = await street.house.books.read(lambda s: s.scalar(select(Member.phone).where(Member.name == name)))
    assert phone is not None
    return phone[-4:]


async def test_two_who_decide_at_once_decide_once(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        for _ in range(3):
            await here.say("lisi", "绑定 李四 3栋201 0000")
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
