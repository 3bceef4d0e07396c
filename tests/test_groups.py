"""绑定群, 解绑群: which chat is which group, how a name moves to another chat, and how all of it is taken back."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.demo import CHANNEL
from models.audit import Audit
from models.directory import Endpoint, Group, add_endpoint
from models.members import Member, Role, give_role
from models.units import find_unit
from tests.dialogue import ON_SQLITE, Spoken, count_rows, direct, grown, november, silence, talk, to_groups
from tests.fakes.street import Street

UNBOUND = "这个群还没有绑定到楼栋。请社区书记在群里 @我 发 绑定群 3栋。"
BOUND = "本群已绑定为 {}。\n大家可以 @我 发 帮助，看看我会什么。"
UNBOUND_NOW = "本群不再是 {}，提醒也不再发到这里。\n解错了请在10分钟内私聊我发 撤销，或在这里重新绑定。"
TAKE = "{} 现在是另一个群。要把这个名字移到本群、原来的群不再绑定吗？\n移过来请回复 确认，不移回复 取消。"
TAKE_PRIVATELY = (
    "{} 现在是另一个群。要把这个名字移到本群、原来的群不再绑定吗？\n移过来请私聊我回复 确认（5分钟内），不移不用管。"
)
MOVED = "好了，{} 现在是新的那个群，原来的群不再绑定。"
NOT_HERS = "这件事要社区书记来办。您能办的事请发 帮助。"
BEYOND = "这件事不在您负责的范围里。您能办的事请发 帮助。"
NOTHING = "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"


async def endpoints(street: Street, *names: str) -> list[tuple[str, str, str]]:
    """Channel, address and group of every endpoint of these groups."""

    def unit(session: Session) -> list[Any]:
        rows = session.execute(
            select(Endpoint.channel, Endpoint.address, Group.name)
            .join(Group, Endpoint.group_id == Group.id)
            .where(Group.name.in_(names))
            .order_by(Group.name, Endpoint.channel)
        )
        return [tuple(row) for row in rows]

    return await street.house.books.read(unit)


async def give_webhook(street: Street, name: str, *, address: str) -> None:
    """Gives a group a webhook, as the operator does."""

    def unit(session: Session) -> None:
        group = session.execute(select(Group.id, Group.community_id).where(Group.name == name)).one()
        add_endpoint(
            session,
            community_id=group.community_id,
            group_id=group.id,
            channel="hook",
            address=address,
            sealed_secret="sealed",
            now=november(1, 0),
        )

    await street.house.books.write(unit)


async def appoint(street: Street, name: str, unit: str) -> None:
    """Makes somebody secretary of a unit."""

    def write(session: Session) -> None:
        member = session.execute(select(Member.id, Member.community_id).where(Member.name == name)).one()
        give_role(
            session,
            community_id=member.community_id,
            member_id=member.id,
            role=Role.SECRETARY,
            unit=find_unit(session, community_id=member.community_id, name=unit),
            now=november(1, 0),
            by=None,
        )

    await street.house.books.write(write)


async def reminded(street: Street) -> list[str]:
    """Who is reminded of the clean-up."""
    return [push.to for push in to_groups(await street.until(november(21, 7)))]


# -- binding ----------------------------------------


@ON_SQLITE
async def test_a_secretary_binds_a_chat_and_then_it_works(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "新建的群", "绑定群 4栋", silence),
            ("王秀英", "新建的群", "@小邻 绑定群 4栋", NOT_HERS),
            ("老赵", "新建的群", "@小邻 绑定群 3栋", NOT_HERS),
            ("张敏", direct, "绑定群 4栋", "请在要绑定的群里发 绑定群 3栋。"),
            ("张敏", "新建的群", "@小邻 绑定群 44栋", "没有找到「44栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
            ("张敏", "新建的群", "@小邻 绑定群 4栋", BOUND.format("4栋群")),
            ("周敏", "新建的群", "报名 13", "已给 周敏 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
        ],
    )
    pushes = await street.until(november(21, 7))
    assert [push.to for push in pushes][-1] == "4栋群"
    assert ("新建的群", pushes[-1].text) in street.script.sent
    assert await endpoints(street, "4栋群") == [(CHANNEL, "新建的群", "4栋群")]


@ON_SQLITE
async def test_binding_again_to_the_same_unit_changes_nothing_and_says_so(street: Street) -> None:
    await talk(street, [("张敏", "新建的群", "@小邻 绑定群 4栋", BOUND.format("4栋群"))])
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 4栋", "本群已经是 4栋群 了，不用再绑。"),
            ("张敏", "新建的群", "@小邻 绑定群 四号楼", "本群已经是 4栋群 了，不用再绑。"),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {"inbox": 2}
    # So 撤销 still means what was done before.
    await talk(street, [("张敏", direct, "撤销", "已解除 4栋群 的绑定。")])


@ON_SQLITE
async def test_a_secretary_of_one_building_binds_nothing_of_another(street: Street) -> None:
    await appoint(street, "老赵", "3栋")
    await talk(
        street,
        [
            ("老赵", "新建的群", "@小邻 绑定群 5栋", BEYOND),
            ("老赵", "5栋群", "@小邻 绑定群 3栋", BEYOND),
            ("老赵", "5栋群", "@小邻 解绑群", BEYOND),
            ("老赵", "新建的群", "@小邻 绑定群 3栋1单元", BOUND.format("3栋1单元群")),
        ],
    )


@ON_SQLITE
async def test_a_renamed_group_leaves_no_ghost_behind_that_is_reminded(street: Street) -> None:
    renamed: list[Spoken] = [
        ("张敏", "3栋群", f"@小邻 绑定群 {unit}", BOUND.format(f"{unit}群")) for unit in ("锦绣社区", "3栋1单元", "4栋")
    ]
    await talk(street, renamed)
    assert await reminded(street) == ["5栋群", "社区大群", "4栋群"]


# -- a name that another chat has ----------------------------------------


@ON_SQLITE
async def test_a_name_moves_to_a_new_chat_when_the_secretary_says_so_to_the_bot_alone(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 3栋", TAKE_PRIVATELY.format("3栋群")),
            # Nothing has happened yet.
            ("王秀英", "新建的群", "@小邻 活动 13", UNBOUND),
            ("张敏", direct, "确认", MOVED.format("3栋群")),
            ("王秀英", "新建的群", "@小邻 我要上榜", "您已经在积分榜上了。"),
            ("王秀英", "3栋群", "@小邻 我要上榜", UNBOUND),
        ],
    )
    assert await endpoints(street, "3栋群") == [(CHANNEL, "新建的群", "3栋群")]
    await talk(
        street,
        [
            ("张敏", direct, "撤销", "已解除 3栋群 的绑定。"),
            ("王秀英", "新建的群", "@小邻 我要上榜", UNBOUND),
            ("王秀英", "3栋群", "@小邻 我要上榜", "您已经在积分榜上了。"),
            ("张敏", direct, "撤销", NOTHING),
        ],
    )


@ON_SQLITE
async def test_a_name_moves_to_a_bound_chat_and_back(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "5栋群", "@小邻 绑定群 3栋", TAKE.format("3栋群")),
            ("张敏", "5栋群", "取消", "好的，不办了。"),
            ("张敏", "5栋群", "@小邻 绑定群 3栋", TAKE.format("3栋群")),
            ("王秀英", "5栋群", "确认", silence),
            ("张敏", "5栋群", "确认", BOUND.format("3栋群")),
        ],
    )
    assert await endpoints(street, "3栋群", "5栋群") == [(CHANNEL, "5栋群", "3栋群")]
    await talk(street, [("张敏", "5栋群", "@小邻 撤销", "已改回：这个群还是 5栋群。")])
    assert await endpoints(street, "3栋群", "5栋群") == [(CHANNEL, "3栋群", "3栋群"), (CHANNEL, "5栋群", "5栋群")]


@ON_SQLITE
async def test_a_name_that_is_not_confirmed_in_time_stays(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 3栋", TAKE_PRIVATELY.format("3栋群")),
            november(17, 19, 36),
            ("张敏", direct, "确认", "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"),
            ("王秀英", "新建的群", "@小邻 我要上榜", UNBOUND),
        ],
    )


# -- unbinding ----------------------------------------


async def test_a_group_is_unbound_by_the_secretary_in_it_and_that_is_taken_back(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 解绑群", NOT_HERS),
            ("张敏", direct, "解绑群", "请在要解绑的群里发 解绑群。"),
            ("张敏", "3栋群", "解绑群", silence),
            ("张敏", "新建的群", "@小邻 解绑群", UNBOUND),
            ("张敏", "3栋群", "@小邻 解绑群", UNBOUND_NOW.format("3栋群")),
            ("王秀英", "3栋群", "@小邻 我要上榜", UNBOUND),
            ("张敏", direct, "撤销", "已改回：这个群还是 3栋群。"),
            ("王秀英", "3栋群", "@小邻 我要上榜", "您已经在积分榜上了。"),
            ("张敏", "3栋群", "@小邻 解绑群", UNBOUND_NOW.format("3栋群")),
        ],
    )
    assert await reminded(street) == ["5栋群", "社区大群"]
    assert await street.house.books.read(lambda s: list(s.scalars(select(Audit.action).order_by(Audit.id)))) == [
        "unbind_group",
        "undo",
        "unbind_group",
    ]


@ON_SQLITE
async def test_the_name_of_an_unbound_group_is_free_at_once(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "3栋群", "@小邻 解绑群", UNBOUND_NOW.format("3栋群")),
            ("张敏", "新建的群", "@小邻 绑定群 3栋", BOUND.format("3栋群")),
            ("张敏", "新建的群", "@小邻 撤销", "已解除 3栋群 的绑定。"),
            ("张敏", direct, "撤销", "已改回：这个群还是 3栋群。"),
        ],
    )


@ON_SQLITE
async def test_what_somebody_else_has_bound_since_is_not_taken_back(street: Street) -> None:
    changed = "这个群的绑定后来又改过，撤销不了了。要改请在群里发 绑定群。"
    taken = "3栋群 现在是另一个群。要改请在这个群里发 绑定群。"

    await appoint(street, "李建国", "锦绣社区")
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 4栋", BOUND.format("4栋群")),
            ("李建国", "新建的群", "@小邻 绑定群 6栋", BOUND.format("6栋群")),
            ("张敏", direct, "撤销", changed),
            ("张敏", "3栋群", "@小邻 解绑群", UNBOUND_NOW.format("3栋群")),
            ("李建国", "新建的群", "@小邻 绑定群 3栋", BOUND.format("3栋群")),
            ("张敏", direct, "撤销", taken),
        ],
    )


@ON_SQLITE
async def test_bindings_go_back_step_by_step_also_from_a_direct_message(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 4栋", BOUND.format("4栋群")),
            ("张敏", "新建的群", "@小邻 绑定群 6栋", BOUND.format("6栋群")),
            ("张敏", direct, "撤销", "已改回：这个群还是 4栋群。"),
            ("王秀英", "新建的群", "@小邻 我要上榜", "您已经在积分榜上了。"),
            ("张敏", "新建的群", "@小邻 撤销", "已解除 4栋群 的绑定。"),
            ("王秀英", "新建的群", "@小邻 活动", UNBOUND),
            ("张敏", "新建的群", "@小邻 绑定群 4栋", BOUND.format("4栋群")),
        ],
    )


# -- webhooks ----------------------------------------


@ON_SQLITE
async def test_a_webhook_goes_along_when_its_chat_takes_another_name_and_comes_back(street: Street) -> None:
    await give_webhook(street, "3栋群", address="w3")
    await talk(street, [("张敏", "3栋群", "@小邻 绑定群 4栋", BOUND.format("4栋群"))])
    assert await endpoints(street, "3栋群", "4栋群") == [("hook", "w3", "4栋群"), (CHANNEL, "3栋群", "4栋群")]
    await talk(street, [("张敏", "3栋群", "@小邻 撤销", "已改回：这个群还是 3栋群。")])
    assert await endpoints(street, "3栋群", "4栋群") == [("hook", "w3", "3栋群"), (CHANNEL, "3栋群", "3栋群")]


@ON_SQLITE
async def test_a_webhook_stays_with_a_name_that_moves_and_the_secretary_hears_of_it(street: Street) -> None:
    await give_webhook(street, "3栋群", address="w3")
    elsewhere = "提醒还会发到原来的群：请管理员用 linli webhook 3栋群 登记本群的群机器人。"
    await talk(
        street,
        [
            ("张敏", "新建的群", "@小邻 绑定群 3栋", TAKE_PRIVATELY.format("3栋群")),
            ("张敏", direct, "确认", f"{MOVED.format('3栋群')}\n{elsewhere}"),
        ],
    )
    assert await endpoints(street, "3栋群") == [("hook", "w3", "3栋群"), (CHANNEL, "新建的群", "3栋群")]


@ON_SQLITE
async def test_a_chat_with_a_webhook_of_its_own_does_not_speak_through_another_chats(street: Street) -> None:
    await give_webhook(street, "3栋群", address="w3")
    await give_webhook(street, "5栋群", address="w5")
    await talk(
        street,
        [
            ("张敏", "3栋群", "@小邻 绑定群 5栋", TAKE.format("5栋群")),
            ("张敏", "3栋群", "确认", BOUND.format("5栋群")),
        ],
    )
    assert await endpoints(street, "3栋群", "5栋群") == [
        ("hook", "w5", "3栋群"),
        ("hook", "w3", "5栋群"),
        (CHANNEL, "3栋群", "5栋群"),
    ]
    await talk(street, [("张敏", direct, "撤销", "已改回：这个群还是 3栋群。")])
    assert await endpoints(street, "3栋群", "5栋群") == [
        ("hook", "w3", "3栋群"),
        (CHANNEL, "3栋群", "3栋群"),
        ("hook", "w5", "5栋群"),
        (CHANNEL, "5栋群", "5栋群"),
    ]
