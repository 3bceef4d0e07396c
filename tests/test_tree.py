"""新建, 改名, 划归, 裁撤: how the tree changes, what is kept of it, and how a change is taken back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import tree
from models.base import Refusal
from models.members import Role, find_member, roles_held
from models.organisation import join_unit, leaders_over_time, units_of
from models.tree import NameTaken, UnitFixed, UnitInUse, WrongParent
from models.units import (
    LEADERS,
    PARENTS,
    WORDS,
    UnitClosed,
    UnitHere,
    UnitKind,
    find_unit,
    find_unit_ever,
    names_of_units,
    unit_by_id,
)
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street
from tests.ground import Ground, give, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
NEW = "要在 {} 下面新建{}「{}」吗？\n新建请回复 确认，不建回复 取消。"
MADE = "已在 {} 下面新建 {}。\n选好了人请发 任命 姓名 {} {}。"
RENAME = "要把 {} 改名为「{}」吗？\n改请回复 确认，不改回复 取消。"
MOVE = "要把 {} 从 {} 划归 {} 吗？下面的组织跟着一起走。\n划归请回复 确认，不划回复 取消。"
CLOSE = "要裁撤 {} 吗？{}历史会留着。\n裁撤请回复 确认，不撤回复 取消。"
CLOSED = "已裁撤 {0}。以前的人和事都还查得到，请发 历任 {0}。"


def test_every_kind_of_unit_has_its_words_its_leader_and_its_place() -> None:
    assert set(WORDS) == set(LEADERS) == set(PARENTS) == set(UnitKind)
    words = [word for some in WORDS.values() for word in some]
    assert len(words) == len(set(words))


# -- in the chat ----------------------------------------


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "parent", "kind", "name", "title"),
    [
        ("新建支部 第四党支部 在 党总支", "锦绣社区党总支", "支部", "第四党支部", "支部书记"),
        ("新建支部 第四党支部", "锦绣社区党总支", "支部", "第四党支部", "支部书记"),
        ("新建一个党支部 第四党支部", "锦绣社区党总支", "支部", "第四党支部", "支部书记"),
        ("新建党小组 10栋党小组 在 第一党支部", "第一党支部", "小组", "10栋党小组", "党小组长"),
        ("新建服务队 红袖章服务队", "锦绣社区", "服务队", "红袖章服务队", "队长"),
        ("新建网格 西区网格", "锦绣社区", "网格", "西区网格", "网格员"),
        ("新建楼栋 十号楼", "锦绣社区", "楼栋", "10栋", "楼长"),
        ("新建楼栋 10栋 在 东区网格", "东区网格", "楼栋", "10栋", "楼长"),
    ],
)
async def test_a_unit_is_opened_in_one_line(
    street: Street, said: str, parent: str, kind: str, name: str, title: str
) -> None:
    await talk(
        street,
        [
            ("张敏", direct, said, NEW.format(parent, kind, name)),
            ("张敏", direct, "确认", MADE.format(parent, name, name, title)),
            ("张敏", direct, "撤销", f"已撤销：没有新建 {name}。"),
            ("王秀英", direct, f"组织 {name}", f"没有找到「{name}」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
            # Doing it again afterwards works.
            ("张敏", direct, said, NEW.format(parent, kind, name)),
            ("张敏", direct, "取消", "好的，不办了。"),
        ],
    )


@ON_SQLITE
async def test_what_cannot_be_opened_says_why(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "新建支部 第一党支部", "已经有一个「第一党支部」了，请换个名称。"),
            ("张敏", direct, "新建小组 10栋党小组", "「10栋党小组」放在哪个组织下面？请在后面写上 在 加上级的名称。"),
            ("张敏", direct, "新建支部 第四党支部 在 3栋", "第四党支部 不能放在 3栋 下面，请换一个上级再发。"),
            (
                "张敏",
                direct,
                "新建支部 第四党支部 在 九天",
                "没有找到「九天」。楼栋请这样写：3栋；看看有哪些，请发 组织。",
            ),
            ("张敏", direct, "新建楼栋 东楼", "楼栋请写成 10栋，单元请写成 10栋3单元。"),
            ("张敏", direct, "新建服务队 <b>", "名称要有2到30个字，只用文字和数字。请换一个再发。"),
            ("张敏", direct, "新建单元 9栋2单元", "已经有一个「2单元」了，请换个名称。"),
            ("孙丽", direct, "新建服务队 红袖章", "这件事要社区书记来办。您能办的事请发 帮助。"),
            ("陌生人", direct, "新建服务队 红袖章", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )


@ON_SQLITE
async def test_a_unit_is_renamed_and_its_old_name_still_leads_to_it(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "改名 第二党支部 为 朝霞党支部", RENAME.format("第二党支部", "朝霞党支部")),
            ("张敏", direct, "确认", "已改名：第二党支部 现在叫 朝霞党支部。"),
            ("王秀英", direct, "谁负责朝霞党支部", "朝霞党支部书记是 周敏。\n有话要带去，请私聊我发 捎话 朝霞党支部 加要说的话。"),
            (
                "王秀英",
                direct,
                "历任 第二党支部",
                "朝霞党支部历任支部书记：周敏 2025年10月至今。\n朝霞党支部以前叫 第二党支部。",
            ),
            ("张敏", direct, "改名 朝霞党支部 叫 第一党支部", "已经有一个「第一党支部」了，请换个名称。"),
            ("张敏", direct, "撤销", "已改回：还叫 第二党支部。"),
            ("王秀英", direct, "历任 第二党支部", "第二党支部历任支部书记：周敏 2025年10月至今。"),
            ("王秀英", direct, "历任 朝霞党支部", "没有找到「朝霞党支部」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_a_unit_moves_with_all_below_it_and_back(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "划归 1栋党小组 到 第二党支部", MOVE.format("1栋党小组", "第一党支部", "第二党支部")),
            ("张敏", direct, "确认", "已划归：1栋党小组 现在属于 第二党支部。"),
            (
                "王秀英",
                direct,
                "组织 第二党支部",
                "第二党支部（锦绣社区党总支）\n支部书记：周敏\n党员：37人\n"
                "下设：4个小组，4户（1栋党小组、4栋党小组、5栋党小组、6栋党小组）",
            ),
            ("张敏", direct, "划归 1栋党小组 到 第二党支部", "1栋党小组 本来就属于 第二党支部，不用再划。"),
            ("张敏", direct, "划归 1栋党小组 到 物业", "1栋党小组 不能放在 锦绣物业 下面，请换一个上级再发。"),
            ("张敏", direct, "划归 锦绣社区 到 第二党支部", "锦绣社区 是整个社区，不能这样改。"),
            ("张敏", direct, "撤销", "已改回：1栋党小组 还属于 第一党支部。"),
            # 3栋群 belongs to 3栋, wherever 3栋 stands.
            ("张敏", direct, "划归 3栋 到 东区网格", MOVE.format("3栋", "锦绣社区", "东区网格")),
            ("张敏", direct, "确认", "已划归：3栋 现在属于 东区网格。"),
            ("老赵", "3栋群", "@小邻 加分 王秀英 1 修灯", "已给 王秀英 加1分（修灯），现有17分。"),
        ],
    )


@ON_SQLITE
async def test_a_unit_is_closed_with_what_was_in_it_and_opened_again(street: Street) -> None:
    people = "里面的16位成员会退出，1个职务会结束。"
    pushes = await talk(
        street,
        [
            ("张敏", direct, "裁撤 第一党支部", "第一党支部 里面还有人或别的组织，请先把他们安排到别处。"),
            ("张敏", direct, "裁撤 3栋1单元", "1单元 还住着19位邻居，请先在名册上改好住址。"),
            ("张敏", direct, "裁撤 锦绣社区", "锦绣社区 是整个社区，不能这样改。"),
            ("张敏", direct, "裁撤 红马甲服务队", CLOSE.format("红马甲服务队", people)),
            ("张敏", direct, "确认", CLOSED.format("红马甲服务队")),
            ("王秀英", direct, "我的支部", "您还没有加入支部、小组或服务队。\n您住的3栋：楼长 老赵。\n"
             "有话要带去，请私聊我发 捎话 3栋 加要说的话。"),
            ("王秀英", direct, "组织 红马甲服务队", "红马甲服务队 已在2026年11月17日裁撤了。历任请发 历任 红马甲服务队。"),
            ("王秀英", direct, "历任 红马甲服务队", "红马甲服务队历任队长：胡云霞 2025年10月至2026年11月。"),
            ("张敏", direct, "加入 红马甲服务队 李建国", "您是想 加入 吗？可以这样说：加入 第一党支部 李建国"),
            ("张敏", direct, "撤销", "已恢复 红马甲服务队，原来的成员和职务也都恢复了。"),
            ("王秀英", direct, "谁负责红马甲服务队", "红马甲服务队队长是 胡云霞。\n"
             "有话要带去，请私聊我发 捎话 红马甲服务队 加要说的话。"),
        ],
    )  # fmt: skip
    assert pushes == [Push("胡云霞", "红马甲服务队 裁撤了，您在那里的职务也一并结束。谢谢您的付出！")]


# -- the rules, on both databases ----------------------------------------


def party(session: Session, ground: Ground) -> dict[str, UnitHere]:
    """A committee with two branches and a group, opened by 张敏."""
    by = person(session, "张敏")
    units: dict[str, UnitHere] = {}
    for kind, name, above in (
        (UnitKind.PARTY_COMMITTEE, "党总支", "社区"),
        (UnitKind.BUILDING_BRANCH, "一支部", "党总支"),
        (UnitKind.BUILDING_BRANCH, "二支部", "党总支"),
        (UnitKind.DOOR_GROUP, "一小组", "一支部"),
        (UnitKind.HOST_HOUSEHOLD, "一户", "一小组"),
    ):
        parent = units.get(above) or ground.root
        units[name] = tree.open_unit(
            session, community_id=ground.community.id, by=by, kind=kind, name=name, parent=parent, now=NOW
        )
    return units


async def test_a_moved_unit_takes_its_whole_branch_along(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[str]:
        units = party(session, ground)
        here = {"community_id": ground.community.id}
        tree.move_unit(
            session, by=person(session, "张敏"), unit=units["一小组"], parent=units["二支部"], now=NOW, **here
        )
        assert violations(session) == []
        return [unit_by_id(session, unit_id=units[name].id, **here).path for name in ("一小组", "一户")] + [
            units["二支部"].path, units["一小组"].path,
        ]  # fmt: skip

    group, household, branch, before = await books.write(unit)
    assert group.startswith(branch)
    assert household.startswith(group)
    assert not before.startswith(branch)


REFUSED: list[tuple[type[Refusal], Callable[[Session, Ground, dict[str, UnitHere]], object]]] = [
    (
        NameTaken,
        lambda s, g, u: tree.rename_unit(
            s, community_id=g.community.id, by=person(s, "张敏"), unit=u["一支部"], name="二支部", now=NOW
        ),
    ),
    (
        WrongParent,
        lambda s, g, u: tree.move_unit(
            s, community_id=g.community.id, by=person(s, "张敏"), unit=u["一支部"], parent=u["一小组"], now=NOW
        ),
    ),
    (
        UnitInUse,
        lambda s, g, u: tree.close_unit(
            s, community_id=g.community.id, by=person(s, "张敏"), unit=u["一支部"], now=NOW
        ),
    ),
    (
        UnitFixed,
        lambda s, g, u: tree.close_unit(s, community_id=g.community.id, by=person(s, "张敏"), unit=g.root, now=NOW),
    ),
]


@pytest.mark.parametrize(("refusal", "act"), REFUSED)
async def test_what_would_break_the_tree_is_refused(
    books: Books, refusal: type[Refusal], act: Callable[[Session, Ground, dict[str, UnitHere]], object]
) -> None:
    ground = await books.write(lay)
    units = await books.write(lambda s: party(s, ground))
    with pytest.raises(refusal):
        await books.write(lambda s: act(s, ground, units))


async def test_nobody_changes_another_communitys_tree(books: Books) -> None:
    ground = await books.write(lay)
    theirs = ground.units["滨河3栋"]

    def unit(session: Session) -> None:
        with pytest.raises(Refusal):
            tree.rename_unit(
                session, community_id=ground.community.id, by=person(session, "张敏"), unit=theirs, name="9栋", now=NOW
            )
        with pytest.raises(Refusal):
            tree.move_unit(
                session, community_id=ground.community.id, by=person(session, "张敏"), unit=ground.units["3栋"],
                parent=ground.units["滨河社区"], now=NOW,
            )  # fmt: skip

    await books.write(unit)


async def test_a_name_is_free_once_its_unit_is_closed_and_the_history_stays(books: Books) -> None:
    ground = await books.write(lay)
    later = NOW + timedelta(days=1)

    def unit(session: Session) -> tuple[list[str], list[str], bool]:
        units = party(session, ground)
        here = {"community_id": ground.community.id}
        by = person(session, "张敏")
        give(session, ground.community.id, ground.people["李建国"], Role.BRANCH_SECRETARY, units["二支部"])
        inside = tree.close_unit(session, by=by, unit=units["二支部"], now=later, **here)
        assert list(inside.roles.values()) == [None]
        again = tree.open_unit(
            session, by=by, kind=UnitKind.BUILDING_BRANCH, name="二支部", parent=units["党总支"], now=later, **here
        )
        found = find_unit(session, name="二支部", **here)
        with pytest.raises(NameTaken):
            tree.reopen_unit(session, unit_id=units["二支部"].id, joined=inside.joined, held=inside.roles, **here)
        led = leaders_over_time(session, unit=units["二支部"], **here)
        assert roles_held(session, now=later, unit_id=units["二支部"].id, **here) == []
        assert violations(session) == []
        return [term.name for term in led], names_of_units(session, ground.community.id), found == again

    led, names, fresh = await books.write(unit)
    assert led == ["李建国"]
    assert names.count("二支部") == 1
    assert fresh


async def test_nobody_is_left_in_a_unit_that_is_closed_while_they_join(books: Books) -> None:
    ground = await books.write(lay)
    here = {"community_id": ground.community.id, "now": NOW}

    def opening(session: Session) -> UnitHere:
        return tree.open_unit(
            session, by=person(session, "张敏"), kind=UnitKind.SERVICE_TEAM, name="红袖章", parent=ground.root, **here
        )

    team = await books.write(opening)

    def joining(name: str) -> Callable[[Session], object]:
        def unit(session: Session) -> object:
            member = find_member(session, community_id=ground.community.id, name=name)
            return join_unit(session, by=None, unit=team, member=member, **here)

        return unit

    def closing(session: Session) -> object:
        return tree.close_unit(session, by=person(session, "张敏"), unit=team, **here)

    names = ("王秀英", "陈美玲", "孙姐", "何叔")
    units = [joining(name) for name in names] + [closing]
    done = await asyncio.gather(*map(books.write, units), return_exceptions=True)
    assert {type(one) for one in done if isinstance(one, Exception)} <= {UnitClosed}
    assert await books.read(violations) == []


async def test_the_only_one_of_a_kind_is_known_by_the_kinds_word(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[UnitHere, bool, bool]:
        here = {"community_id": ground.community.id}
        by = person(session, "张敏")
        council = tree.open_unit(
            session, by=by, kind=UnitKind.COUNCIL, name="邻里议事会", parent=ground.root, now=NOW, **here
        )
        known = "理事会" in names_of_units(session, ground.community.id)
        found = find_unit(session, name="理事会", **here)
        tree.open_unit(session, by=by, kind=UnitKind.COUNCIL, name="第二议事会", parent=ground.root, now=NOW, **here)
        return found, known, "理事会" in names_of_units(session, ground.community.id) or found != council

    found, known, ambiguous = await books.write(unit)
    assert (found.name, known, ambiguous) == ("邻里议事会", True, False)


async def test_a_change_is_taken_back_only_while_it_is_the_last(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[str]:
        units = party(session, ground)
        here = {"community_id": ground.community.id}
        by = person(session, "张敏")
        first = tree.rename_unit(session, by=by, unit=units["一支部"], name="朝霞支部", now=NOW, **here)
        renamed = find_unit(session, name="朝霞支部", **here)
        second = tree.rename_unit(session, by=by, unit=renamed, name="晚霞支部", now=NOW + timedelta(minutes=1), **here)
        with pytest.raises(UnitClosed):
            tree.take_back_change(session, unit_id=renamed.id, past_id=first, **here)
        tree.take_back_change(session, unit_id=renamed.id, past_id=second, **here)
        now_called = find_unit_ever(session, name="一支部", **here).name
        tree.take_back_change(session, unit_id=renamed.id, past_id=first, **here)
        return [now_called, find_unit(session, name="一支部", **here).name]

    assert await books.write(unit) == ["朝霞支部", "一支部"]


async def test_a_unit_in_use_is_not_taken_back(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[str]:
        here = {"community_id": ground.community.id}
        by = person(session, "张敏")
        team = tree.open_unit(
            session, by=by, kind=UnitKind.SERVICE_TEAM, name="红袖章", parent=ground.root, now=NOW, **here
        )
        member = find_member(session, name="王秀英", **here)
        join_unit(session, by=by, unit=team, member=member, now=NOW, **here)
        with pytest.raises(UnitInUse):
            tree.take_back_unit(session, unit_id=team.id, now=NOW, **here)
        return [one.name for one in units_of(session, member_id=member.id, **here)]

    assert await books.write(unit) == ["红袖章"]
