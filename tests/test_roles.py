"""任命, 免去 and 角色: who gives what to whom, for how long, and how it ends."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from handlers.shared.people import post_called
from models import migrations
from models.clock import SHANGHAI
from models.database import sqlite_engine
from models.members import (
    AboveOneself,
    Appointment,
    LastSecretary,
    Member,
    MemberRole,
    Role,
    Term,
    appoint,
    dismiss,
    give_role,
    leader_of,
    may_give,
    roles_held,
    take_back_appointment,
)
from models.units import UnitKind, add_unit
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.ground import FOUNDED, Ground, give, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
FOLLOWS = "现在的3栋楼长是 老赵，任命 王秀英 后 老赵 就卸任了。\n任命请回复 确认，不任命回复 取消。"
NOT_YOURS = "这个职务不归您任免，请找您的上级。"
HELP = "\n您能办的事请发 帮助。"


@pytest.mark.parametrize(
    ("unit", "title", "post"),
    [
        ("3栋", "楼长", "3栋楼长"),
        ("朝霞党支部", "支部书记", "朝霞党支部书记"),
        ("3栋党小组", "党小组长", "3栋党小组长"),
        ("锦绣社区", "社区书记", "锦绣社区书记"),
        ("红马甲服务队", "队长", "红马甲服务队队长"),
        ("邻里理事会", "理事长", "邻里理事会理事长"),
        ("第一党支部", "副书记", "第一党支部副书记"),
    ],
)
def test_a_post_says_nothing_twice(unit: str, title: str, post: str) -> None:
    assert post_called(unit, title) == post


# -- in the chat ----------------------------------------


@ON_SQLITE
async def test_a_secretary_appoints_a_successor_with_a_term_and_takes_it_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", "3栋群", "@小邻 任命 王秀英 3栋 楼长 至 2027-12-31", FOLLOWS),
            ("张敏", "3栋群", "确认", "王秀英 从今天起是3栋楼长，任期到2027年12月31日。"),
            ("老赵", direct, "角色", "您现在没有担任职务。谁负责什么，请发 谁负责3栋。"),
            # What waits at the post that he leads is still his to see.
            ("老赵", direct, "加分 李建国 5 修灯", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", direct, "审核", "现在没有等您看的事。"),
            ("王秀英", direct, "审核", "现在没有等您看的事。"),
            ("张敏", direct, "角色 3栋", "3栋：楼长 王秀英，任期到2027年12月31日。"),
            ("张敏", direct, "撤销", "已撤销：王秀英 不再是3栋楼长。"),
            ("王秀英", direct, "审核", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("陈美玲", direct, "角色 老赵", "老赵 现在是：3栋楼长。"),
        ],
    )
    assert pushes == [
        Push("老赵", "您担任的3栋楼长今天卸任，由 王秀英 接任。谢谢您的付出！"),
        Push("王秀英", f"张敏 任命您为3栋楼长，任期到2027年12月31日。{HELP}"),
        Push("王秀英", "刚才的任命撤销了，您不是3栋楼长。有疑问请问 张敏。"),
        Push("老赵", "刚才的变动撤销了，您还是3栋楼长。"),
    ]


@ON_SQLITE
async def test_what_takes_nothing_away_is_done_at_once(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "任命孙姐5栋楼长", "孙姐 从今天起是5栋楼长。"),
            ("张敏", direct, "任命 孙姐 5栋 楼长", "孙姐 已经是了，任期也一样，不用再任命。"),
            (
                "张敏",
                direct,
                "任命 孙姐 5栋 楼长 任期到2028年6月",
                "孙姐 现在就是5栋楼长，要改成任期到2028年6月30日吗？\n改请回复 确认，不改回复 取消。",
            ),
            ("张敏", direct, "确认", "孙姐 从今天起是5栋楼长，任期到2028年6月30日。"),
            ("张敏", direct, "任命 陈美玲 3栋2单元 门栋长", "陈美玲 从今天起是3栋2单元门栋长。"),
            ("张敏", direct, "任命 何婶 社工", "何婶 从今天起是锦绣社区社工。"),
            ("张敏", direct, "任命 小吴 物业人员", "小吴 从今天起是锦绣物业人员。"),
            ("张敏", direct, "任命 何叔 第三党支部 副书记", "何叔 从今天起是第三党支部副书记。"),
        ],
    )


@ON_SQLITE
async def test_what_cannot_be_given_says_why(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "任命 王秀英 第一党支部 支部书记", "王秀英 在名册上不是党员，不能在党的组织里任职。"),
            ("张敏", direct, "任命 王秀英 3栋 队长", "3栋没有队长，那里的是楼长。"),
            ("张敏", direct, "任命 王秀英 楼长", "在哪里当楼长？请把地方也写上，例如 任命 老赵 3栋 楼长。"),
            (
                "张敏",
                direct,
                "任命 王秀英 3栋 大总管",
                "任命什么职务？例如 任命 老赵 3栋 楼长 至 2027-12-31",
            ),
            ("张敏", direct, "任命 王秀英 5栋 楼长 至2026-11-01", "任期的最后一天已经过去了，请写一个以后的日期。"),
            ("张敏", direct, "任命 王秀英 5栋 楼长 至永远", "期限没看懂。请写成 至 2027-12-31。"),
            ("张敏", direct, "任命 王小二 5栋 楼长", "没有找到 王小二。请写全名，或请楼长帮忙看看名册。"),
            # Whoever may not appoint does not learn who is here.
            ("老赵", direct, "任命 王小二 3栋 楼长", NOT_YOURS),
            ("老赵", direct, "任命 王秀英 3栋 楼长", NOT_YOURS),
            ("老赵", direct, "任命 王秀英 5栋 门栋长", "5栋没有门栋长，那里的是楼长。"),
            ("孙丽", direct, "任命 老赵 社区书记", NOT_YOURS),
            ("周敏", direct, "任命 赵强 第一党支部 书记", NOT_YOURS),
            ("王秀英", direct, "任命 王秀英 社区书记", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            (
                "陌生人",
                direct,
                "任命 陌生人 社区书记",
                "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
            ),
        ],
    )


@ON_SQLITE
async def test_a_community_is_handed_on_but_never_left_without_a_secretary(street: Street) -> None:
    last = "张敏 是唯一的社区书记，不能免去。请先任命一位新书记。"
    pushes = await talk(
        street,
        [
            ("张敏", direct, "免去 张敏 社区书记", last),
            ("张敏", direct, "任命 张敏 社区书记 至11月20日", last),
            (
                "张敏",
                direct,
                "任命 李建国 社区书记",
                "要任命 李建国 为社区书记吗？有这个职务的人能办您能办的一切事。\n任命请回复 确认，不任命回复 取消。",
            ),
            ("张敏", direct, "确认", "李建国 从今天起是锦绣社区书记。"),
            # Neither is above the other; each may lay down their own.
            ("李建国", direct, "免去 张敏 社区书记", NOT_YOURS),
            (
                "张敏",
                direct,
                "免去 本人 社区书记",
                "要免去 张敏 的锦绣社区书记吗？免去后对应的权限马上没有了。\n免去请回复 确认，不免回复 取消。",
            ),
            ("张敏", direct, "确认", "已免去 张敏 的锦绣社区书记。"),
            ("李建国", direct, "免去 李建国 社区书记", last.replace("张敏", "李建国")),
            ("张敏", direct, "任命 孙姐 5栋 楼长", NOT_YOURS),
        ],
    )
    assert [push.to for push in pushes] == ["李建国"]


@ON_SQLITE
async def test_a_role_is_ended_told_and_restored(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", direct, "免去 傅彩霞", "傅彩霞 有好几个职务：3栋党小组长、邻里理事会理事长。请写清楚免去哪一个，"
             "例如 免去 傅彩霞 3栋党小组 党小组长。"),
            (
                "张敏",
                direct,
                "免去 傅彩霞 理事长",
                "要免去 傅彩霞 的邻里理事会理事长吗？免去后对应的权限马上没有了。\n免去请回复 确认，不免回复 取消。",
            ),
            ("张敏", direct, "确认", "已免去 傅彩霞 的邻里理事会理事长。"),
            ("张敏", direct, "免去 傅彩霞 理事长", "没有查到 傅彩霞 担任的职务。"),
            ("张敏", direct, "撤销", "已恢复：傅彩霞 还是邻里理事会理事长。"),
            ("张敏", direct, "免去 王小二 楼长", "没有查到 王小二 担任的职务。"),
            ("老赵", direct, "免去 傅彩霞 理事长", NOT_YOURS),
        ],
    )  # fmt: skip
    assert pushes == [
        Push("傅彩霞", "您的邻里理事会理事长从现在起免去了。谢谢您的付出！有疑问请问 张敏。"),
        Push("傅彩霞", "刚才的变动撤销了，您还是邻里理事会理事长。"),
    ]


@ON_SQLITE
async def test_a_term_that_is_over_ends_the_right_at_that_moment(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "任命 王秀英 5栋 楼长 至11月20日", "王秀英 从今天起是5栋楼长，任期到2026年11月20日。"),
            november(20, 23, 59),
            ("王秀英", direct, "审核", "现在没有等您看的事。"),
            november(21, 0, 0),
            ("王秀英", direct, "审核", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("孙姐", direct, "谁负责5栋", "5栋现在没有楼长，有事请找 锦绣社区书记 张敏。\n有话要带去，请私聊我发 捎话 5栋 加要说的话。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_a_hidden_name_is_hidden_from_those_who_are_not_in_charge(street: Street) -> None:
    await street.house.books.write(
        lambda s: s.execute(update(Member).where(Member.name == "老赵").values(hides_name=True))
    )
    await talk(
        street,
        [
            ("陈美玲", "3栋群", "@小邻 角色 3栋", "3栋：楼长 老*。"),
            ("陈美玲", direct, "角色 3栋", "3栋：楼长 老*。"),
            ("张敏", direct, "角色 3栋", "3栋：楼长 老赵。"),
            ("张敏", "3栋群", "@小邻 角色 3栋", "3栋：楼长 老*。"),
        ],
    )


# -- the rules, on both databases ----------------------------------------


def asked(ground: Ground, name: str, role: Role, unit: str, until: datetime | None = None) -> Appointment:
    return Appointment(ground.people[name], role, ground.units[unit], until, leads=True)


MAY = (
    ("张敏", Role.SECRETARY, "社区", True),
    ("张敏", Role.ADMIN, "社区", False),
    ("张敏", Role.STAFF, "3栋", True),
    ("孙丽", Role.STAFF, "社区", False),
    ("孙丽", Role.BUILDING_LEAD, "3栋", True),
    ("老赵", Role.BUILDING_LEAD, "3栋2单元", False),
    ("老赵", Role.PROPERTY, "3栋", True),
    ("老赵", Role.MEMBER, "5栋", False),
    ("张敏", Role.MEMBER, "滨河3栋", False),
    ("王五", Role.MEMBER, "社区", False),
)


async def test_roles_are_given_by_those_above_them_alone(books: Books) -> None:
    ground = await books.write(lay)

    def rules(session: Session) -> list[tuple[str, Role, str, bool]]:
        return [
            (by, role, unit, may_give(person(session, by), role, ground.units[unit].path)) for by, role, unit, _ in MAY
        ]

    assert await books.read(rules) == list(MAY)


async def test_a_unit_has_one_leader_whoever_appoints_at_once(books: Books) -> None:
    ground = await books.write(lay)
    names = ["王秀英", "陈美玲", "李建国", "孙姐"]

    def appointing(name: str):  # type: ignore[no-untyped-def]
        def unit(session: Session) -> int:
            by = person(session, "张敏")
            return appoint(
                session, community_id=ground.community.id, by=by, asked=asked(ground, name, Role.BUILDING_LEAD, "3栋"),
                now=NOW,
            ).id  # fmt: skip

        return unit

    made = await asyncio.gather(*(books.write(appointing(name)) for name in names))

    def found(session: Session) -> tuple[list[int], list[str]]:
        held = roles_held(session, community_id=ground.community.id, now=NOW, unit_id=ground.units["3栋"].id)
        return [term.id for term in held], [violation.name for violation in violations(session)]

    leaders, wrong = await books.read(found)
    assert len(leaders) == 1
    assert leaders[0] in made
    assert wrong == []


async def test_two_secretaries_who_step_down_at_once_leave_one(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: give(s, ground.community.id, ground.people["李建国"], Role.SECRETARY, ground.root))

    def stepping(name: str):  # type: ignore[no-untyped-def]
        def unit(session: Session) -> bool:
            by = person(session, name)
            held = roles_held(session, community_id=ground.community.id, now=NOW, member_id=by.id)
            (term,) = [one for one in held if one.role is Role.SECRETARY]
            try:
                dismiss(session, community_id=ground.community.id, by=by, term=term, now=NOW)
            except LastSecretary:
                return False
            return True

        return unit

    done = await asyncio.gather(books.write(stepping("张敏")), books.write(stepping("李建国")))
    assert sorted(done) == [False, True]


async def test_whoever_gets_the_fitting_role_first_leads_and_whoever_comes_later_is_a_deputy(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[tuple[str, bool]]:
        give(session, ground.community.id, ground.people["王秀英"], Role.BUILDING_LEAD, ground.units["3栋"])
        give(session, ground.community.id, ground.people["何叔"], Role.STAFF, ground.units["3栋"])
        held = roles_held(session, community_id=ground.community.id, now=NOW, unit_id=ground.units["3栋"].id)
        return [(term.name, term.leads) for term in held]

    assert await books.write(unit) == [("老赵", True), ("王秀英", False), ("何叔", False)]


def test_of_those_who_held_the_fitting_role_before_there_were_leaders_the_first_leads(tmp_path: Path) -> None:
    engine = sqlite_engine(str(tmp_path / "old.sqlite3"))
    since = "'2026-01-01T00:00:00.000000Z'"
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(migrations._config(connection), "0001")
        for rows in (
            f"communities VALUES (1, 'a', 'a', 'b', {since})",
            f"units (id, community_id, kind, name, path, since) VALUES (1, 1, 'community', 'a', '/1/', {since})",
            f"units (id, community_id, parent_id, kind, name, path, since)"
            f" VALUES (2, 1, 1, 'building', '3栋', '/1/2/', {since})",
            f"members (id, community_id, unit_id, name, standing, since)"
            f" VALUES (1, 1, 2, '老赵', 'resident', {since}), (2, 1, 2, '王秀英', 'resident', {since})",
            f"member_roles (community_id, member_id, unit_id, role, since) VALUES (1, 1, 1, 'secretary', {since}),"
            f" (1, 1, 2, 'building_lead', {since}), (1, 2, 2, 'building_lead', {since})",
        ):
            connection.exec_driver_sql(f"INSERT INTO {rows}")
        connection.exec_driver_sql("COMMIT")
    migrations.upgrade(engine)
    with Session(engine) as session:
        rows = session.execute(select(MemberRole.member_id, MemberRole.role, MemberRole.leads).order_by(MemberRole.id))
        assert [tuple(row) for row in rows] == [
            (1, "secretary", False),
            (1, "building_lead", True),
            (2, "building_lead", False),
        ]
        assert violations(session) == []
    engine.dispose()


async def test_whoever_left_leads_nothing_and_is_followed(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Term | None, str, list[str]]:
        session.execute(update(Member).where(Member.id == ground.people["老赵"]).values(moved_out_at=NOW))
        here = {"community_id": ground.community.id, "unit": ground.units["3栋"], "now": NOW}
        nobody = leader_of(session, **here)
        give_role(session, member_id=ground.people["王秀英"], role=Role.BUILDING_LEAD, by=None, **here)
        leader = leader_of(session, **here)
        assert leader is not None
        return nobody, leader.name, [violation.name for violation in violations(session)]

    assert await books.write(unit) == (None, "王秀英", [])


async def test_an_appointment_that_was_taken_back_leaves_an_empty_term(books: Books) -> None:
    ground = await books.write(lay)
    later = NOW + timedelta(minutes=5)

    def unit(session: Session) -> tuple[list[tuple[str, bool]], str]:
        by = person(session, "张敏")
        here = {"community_id": ground.community.id}
        made = appoint(session, by=by, asked=asked(ground, "王秀英", Role.BUILDING_LEAD, "3栋"), now=NOW, **here)
        restored = {term.id: term.until for term in made.ended}
        take_back_appointment(session, role_id=made.id, restored=restored, now=later, by=by.id, **here)
        rows = session.execute(
            select(MemberRole.member_id, MemberRole.since, MemberRole.until)
            .where(MemberRole.unit_id == ground.units["3栋"].id)
            .order_by(MemberRole.id)
        ).all()
        names = {member_id: name for name, member_id in ground.people.items()}
        leader = leader_of(session, unit=ground.units["3栋"], now=later, **here)
        assert leader is not None
        return [(names[row.member_id], row.until == row.since) for row in rows], leader.name

    assert await books.write(unit) == ([("老赵", False), ("王秀英", True)], "老赵")


async def test_a_grid_is_led_by_staff_and_nobody_below_appoints_there(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Role:
        here = {"community_id": ground.community.id}
        grid = add_unit(session, parent=ground.root, kind=UnitKind.GRID, name="东区", now=FOUNDED, **here)
        wanted = Appointment(ground.people["何叔"], Role.STAFF, grid, datetime(2028, 1, 1, tzinfo=SHANGHAI), leads=True)
        with pytest.raises(AboveOneself):
            appoint(session, by=person(session, "孙丽"), asked=wanted, now=NOW, **here)
        appoint(session, by=person(session, "张敏"), asked=wanted, now=NOW, **here)
        leader = leader_of(session, unit=grid, now=NOW, **here)
        assert leader is not None
        return leader.role

    assert await books.write(unit) is Role.STAFF
