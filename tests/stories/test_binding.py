"""Sixty people bind themselves on one evening: right, wrong, namesakes, strangers, one impostor. A table tells it all.

The community is small and new: a roster of sixty in two buildings, a secretary, a lead for each building. What a person
says, how often, and what becomes of them stands in one row; what everybody hears is compared word by word.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models.directory import Ground, Identity, add_community, add_endpoint, add_group
from models.members import Consent, Member, Registration, Role, WrongTry, add_identity, add_member, give_role
from models.units import UnitHere, UnitKind, add_unit
from tests.dialogue import BOUND, STATEMENT, STRANGER, WAITS, WISH, WRONG, direct, silence, talk
from tests.fakes.street import Street, open_street
from tests.ground import agree
from tests.moments import TUESDAY_EVENING

SINCE = TUESDAY_EVENING


@dataclass(frozen=True)
class Neighbour:
    """Somebody on the roster."""

    name: str
    door: str
    room: str
    phone: str


def phone(number: int) -> str:
    return f"1370000{number:04d}"


FAMILY_NAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"
RIGHT = tuple(
    Neighbour(
        f"{family}{given}",
        f"{3 if index % 2 else 5}栋{index % 2 + 1}单元",
        f"{index % 6 + 1}0{index % 4 + 1}",
        phone(1000 + index),
    )
    for index, (family, given) in enumerate(
        (family, given) for given in ("建平", "秀珍") for family in FAMILY_NAMES[:18]
    )
)
"""Thirty-six who know their room and their phone."""
NAMESAKES = (
    Neighbour("王秀英", "3栋1单元", "101", phone(2001)),
    Neighbour("王秀英", "3栋2单元", "102", phone(2002)),
    Neighbour("王秀英", "5栋1单元", "101", phone(2003)),
)
FORGETFUL = tuple(
    Neighbour(f"忘性{word}", "5栋1单元", f"60{n}", phone(3000 + n)) for n, word in enumerate("甲乙丙丁", 1)
)
"""They try with their old phone three times, and their lead knows them."""
SPARSE = tuple(Neighbour(f"只名{word}", "3栋1单元", "", "") for word in "甲乙丙")
"""The roster knows them by name alone."""
OFFICERS = (
    Neighbour("张敏", "3栋1单元", "301", phone(4001)),
    Neighbour("老赵", "3栋1单元", "302", phone(4002)),
    Neighbour("老魏", "5栋1单元", "303", phone(4003)),
)
STRANGERS = tuple(f"路人{word}" for word in "甲乙丙丁戊己庚")
"""Nobody knows them. They try as long as they are let."""
ROSTER = (*RIGHT, *NAMESAKES, *FORGETFUL, *SPARSE, *OFFICERS)


@pytest.fixture
async def village(database_url: str) -> AsyncIterator[Street]:
    """The new community; its officers have accounts already and have agreed, nobody else is known."""
    books = await Books.open(database_url, threads=1)
    await books.write(build)
    await books.close()
    street = await open_street(database_url)
    yield street
    wrong = await street.violations()
    await street.house.close()
    assert wrong == []


def build(session: Session) -> None:
    community = add_community(session, slug="new", name="新村社区", bot_name="小邻", now=SINCE)

    def unit(parent: UnitHere | None, kind: UnitKind, name: str) -> UnitHere:
        return add_unit(session, community_id=community.id, parent=parent, kind=kind, name=name, now=SINCE)

    root = unit(None, UnitKind.COMMUNITY, community.name)
    units = {"": root}
    for building in ("3栋", "5栋"):
        units[building] = unit(root, UnitKind.BUILDING, building)
        for door in ("1单元", "2单元"):
            units[building + door] = unit(units[building], UnitKind.DOOR, door)
        group = add_group(session, community_id=community.id, unit=units[building], name=f"{building}群", now=SINCE)
        add_endpoint(
            session, community_id=community.id, group_id=group, channel="simulator", address=f"{building}群", now=SINCE
        )
    roles = {"张敏": (Role.SECRETARY, ""), "老赵": (Role.BUILDING_LEAD, "3栋"), "老魏": (Role.BUILDING_LEAD, "5栋")}
    for one in ROSTER:
        member_id = add_member(
            session,
            community_id=community.id,
            name=one.name,
            unit=units[one.door],
            room=one.room,
            phone=one.phone,
            now=SINCE,
        )
        if one.name in roles:
            role, scope = roles[one.name]
            give_role(
                session,
                community_id=community.id,
                member_id=member_id,
                role=role,
                unit=units[scope],
                now=SINCE,
                by=None,
            )
            add_identity(
                session,
                community_id=community.id,
                member_id=member_id,
                namespace="simulator",
                external_id=one.name,
                now=SINCE,
            )
            agree(session, community.id, member_id)


def said(one: Neighbour, digits: str = "") -> str:
    return f"绑定 {one.name} {one.door}{one.room or '201'} {digits or one.phone[-4:] or '0000'}"


async def test_sixty_people_bind_themselves(village: Street) -> None:
    others = ("w1b", "w4", "g0", "g1", "g2", "imp", "zhao2")
    assert sum(map(len, (RIGHT, NAMESAKES, FORGETFUL, SPARSE, STRANGERS, others))) == 60

    # Thirty-six prove who they are, every third of them beginning in the group.
    for number, one in enumerate(RIGHT):
        account = f"r{number}"
        if number % 3:
            await talk(village, [(account, direct, said(one), BOUND.format(one.name, one.door))])
            continue
        building = one.door[:2]
        await talk(
            village,
            [
                (account, f"{building}群", f"@小邻 绑定 {one.name} {building}", WISH),
                (account, direct, f"{one.door}{one.room}", "请回复您在社区登记的手机号后四位，例如 1234。"),
                (account, direct, f"尾号{one.phone[-4:]}", BOUND.format(one.name, one.door)),
            ],
        )

    # Three of one name: each is who they can prove to be, one of them at the second go. One more says no more than that.
    first, second, third = NAMESAKES
    await talk(
        village,
        [
            ("w1", direct, said(first), BOUND.format("王秀英", first.door)),
            ("w2", direct, f"绑定 王秀英 3栋101 {second.phone[-4:]}", WRONG),
            ("w2", direct, f"2单元102 {second.phone[-4:]}", BOUND.format("王秀英", second.door)),
            ("w3", "5栋群", "绑定 王秀英 5栋", WISH),
            ("w3", direct, f"101，{third.phone}", BOUND.format("王秀英", "5栋")),
            # The husband of the first one, with her room and his own phone.
            ("w4", direct, f"绑定 王秀英 3栋1单元101 {phone(9999)}", WRONG),
        ],
    )
    assert village.pushes[-1].text == "王秀英，您住5栋几单元几号？请回复房号，例如 2单元501。"
    # The first one has a tablet too: the same name, room and phone, and yet nobody gets a second account unseen.
    tablet = len(RIGHT) + len(NAMESAKES) + 1
    pushes = await talk(village, [("w1b", direct, said(first), WAITS.format("王秀英", first.door, tablet))])
    assert [push.to for push in pushes] == ["老赵"]
    await talk(
        village, [("老赵", direct, f"通过 {tablet} 并用", f"已通过 {tablet}号：王秀英 现在是3栋1单元的居民了。")]
    )

    # Four use an old phone until they wait; three stand on the roster by name alone: all hear the same at first.
    for one in (*FORGETFUL, *SPARSE):
        heard = [await village.say(one.name, said(one, "0000")) for _ in range(2)]
        assert heard == [WRONG, WRONG]
    for one in (*FORGETFUL, *SPARSE):
        assert await village.say(one.name, said(one, "0000")) == WAITS.format(one.name, one.door, request_of(one))

    # Seven strangers, and a guesser with three accounts, learn as much as that: nothing.
    for name in STRANGERS:
        line = f"绑定 {name} 3栋1单元301 1234"
        assert [await village.say(name, line) for _ in range(2)] == [WRONG, WRONG]
    before = await counted(village)
    guesses = [await village.say(f"g{n}", f"绑定 赵建平 5栋1单元101 000{n}") for n in range(3)]
    assert guesses[:2] == [WRONG, WRONG]
    assert guesses[2].startswith("赵建平，已收到，请5栋1单元的负责人核对后就可以用了（")
    after = await counted(village)
    assert (after["members"], after["identities"]) == (before["members"], before["identities"])

    # The impostor says that she is the secretary, and knows where she lives.
    pushes = await talk(
        village,
        [
            ("imp", "3栋群", "绑定 张敏 3栋", WISH),
            ("imp", direct, "301", "请回复您在社区登记的手机号后四位，例如 1234。"),
            ("imp", direct, "1234", WRONG),
            ("imp", direct, "发布活动 周六9点 骗局 门口", STRANGER),
            ("imp", "3栋群", "大家好，我是张敏", silence),
        ],
    )
    assert [push.to for push in pushes] == ["imp", "张敏"]
    assert "谨防冒名" in pushes[1].text
    # A lead with a new phone proves everything, and is let in by somebody above him alone.
    pushes = await talk(
        village, [("zhao2", direct, said(OFFICERS[1]), WAITS.format("老赵", "3栋1单元", after["reviews"] + 2))]
    )
    assert [push.to for push in pushes] == ["张敏"]

    # The leads decide about their own, and hear of nobody else's.
    for one in (*FORGETFUL, *SPARSE):
        lead, other = ("老魏", "老赵") if one.door.startswith("5") else ("老赵", "老魏")
        request = request_of(one)
        await talk(
            village,
            [
                (other, direct, f"通过 {request}", f"没有等您看的{request}号。看看有哪些，请发 审核。"),
                (lead, direct, f"通过 {request}", f"已通过 {request}号：{one.name} 现在是{one.door}的居民了。"),
            ],
        )
        assert village.pushes[-1] == Push(one.name, f"{one.name}，核对好了，欢迎您！想看看我会什么，请发 帮助。")
    impostor, officer = after["reviews"] + 1, after["reviews"] + 2
    await talk(
        village,
        [
            ("张敏", direct, f"驳回 {impostor} 不是我", f"已驳回 {impostor}号：张敏（不是我）。"),
            ("imp", direct, "积分", STRANGER),
            (
                "老赵",
                direct,
                f"通过 {officer} 换号",
                "这位邻居的职务要由更高一级的同志来核对；不是本人请回复 驳回 加编号和理由。",
            ),
            ("张敏", direct, f"通过 {officer} 换号", f"已通过 {officer}号：老赵 现在是3栋1单元的居民了。"),
            ("老赵", direct, "审核", STRANGER),
            ("zhao2", direct, "审核", "现在没有等您看的事。"),
        ],
    )

    # Nothing of theirs is kept before they agree; one in the group asks for something at once.
    assert (await counted(village))["consents"] == len(OFFICERS)
    await talk(
        village,
        [
            ("r0", direct, "同意", "好的，记下了，谢谢！\n想看看我会什么，请发 帮助。"),
            (
                "r1",
                direct,
                "不同意",
                "好的，除了您是谁，我什么都不记，也就不能替您办事。\n改主意了请回复 同意，想问问我会什么请发 帮助。",
            ),
            ("忘性甲", direct, "积分", "忘性甲，您好！" + STATEMENT),
            (
                "忘性甲",
                direct,
                "同意",
                "好的，记下了，谢谢！\n忘性甲，您现有0分，本月+0分。\n为什么有这些分，请发 积分明细。",
            ),
        ],
    )

    # Who is bound at the end: everybody who should be, each on a ground that is written down.
    bound = await village.house.books.read(accounts)
    assert bound == (
        {f"r{number}": one.name for number, one in enumerate(RIGHT)}
        | {"w1": "王秀英", "w1b": "王秀英", "w2": "王秀英", "w3": "王秀英"}
        | {one.name: one.name for one in (*FORGETFUL, *SPARSE)}
        | {"zhao2": "老赵"}
    )
    assert (await counted(village))["members"] == len(ROSTER)


def request_of(one: Neighbour) -> int:
    """Those who are known by name alone got their number at the first try, the forgetful at the third."""
    first = len(RIGHT) + len(NAMESAKES) + 2
    return first + (SPARSE.index(one) if one in SPARSE else len(SPARSE) + FORGETFUL.index(one))


def accounts(session: Session) -> dict[str, str]:
    rows = session.execute(
        select(Identity.external_id, Member.name)
        .join(Member, Identity.member_id == Member.id)
        .where(Identity.ground == Ground.REGISTRATION)
    )
    return {row.external_id: row.name for row in rows}


async def counted(street: Street) -> dict[str, int]:
    def unit(session: Session) -> dict[str, int]:
        def count(table: type) -> int:
            return session.scalar(select(func.count()).select_from(table)) or 0

        return {
            "members": count(Member),
            "identities": count(Identity),
            "consents": count(Consent),
            "tries": count(WrongTry),
            "reviews": session.scalar(select(func.max(Registration.number))) or 0,
        }

    return await street.house.books.read(unit)
