"""名册: who a row is about, what an import writes, and one person at a time in the chat."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import importing
from bot.books import Books
from bot.importing import Done, Held, carry_out, hold
from bot.roster_file import COLUMNS, cells_of
from bot.sheets import Row
from handlers import consent
from models import roster
from models.audit import Audit
from models.categories import categories_of
from models.clock import SHANGHAI, MovedClock
from models.directory import Identity
from models.members import (
    Member,
    MemberRole,
    Person,
    Role,
    Standing,
    add_member,
)
from models.roster import Batch, Entry, Known, Place, Reason, Stay, Tree, Wanted, make_plan, stays_of
from models.units import Unit, UnitHere, UnitKind, names_of_units
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.ground import FOUNDED, Ground, add_person, give, lay, person
from tests.moments import TUESDAY_EVENING

# -- who a row is about ----------------------------------------

TREE = Tree(
    [
        (UnitHere(1, UnitKind.COMMUNITY, "锦绣社区", "/1/"), None),
        (UnitHere(2, UnitKind.BUILDING, "3栋", "/1/2/"), 1),
        (UnitHere(3, UnitKind.DOOR, "1单元", "/1/2/3/"), 2),
        (UnitHere(4, UnitKind.DOOR, "2单元", "/1/2/4/"), 2),
        (UnitHere(5, UnitKind.BUILDING, "5栋", "/1/5/"), 1),
        (UnitHere(6, UnitKind.BUILDING_BRANCH, "第一党支部", "/1/6/"), 1),
        (UnitHere(7, UnitKind.PROPERTY_FIRM, "锦绣物业", "/1/7/"), 1),
    ]
)
DOOR, OTHER_DOOR, BUILDING, FIVE = Place("3栋", "2单元"), Place("3栋", "1单元"), Place("3栋"), Place("5栋")
A, B = "13800001234", "13900001234"


def known(number: int, place: Place = DOOR, room: str = "", phone: str = "", **told: Any) -> Known:
    home = TREE.home(place)
    assert home is not None
    return Known(number, told.pop("name", "李四"), home.id, place, room, phone, told.pop("standing", Standing.RESIDENT), "", **told)  # fmt: skip


def row(line: int, place: Place = DOOR, room: str = "", phone: str = "", **told: Any) -> Entry:
    return Entry(line, told.pop("name", "李四"), place, room=room, phone=phone, **told)


def outcome(members: Sequence[Known], rows: Sequence[Entry], by: Person | None = None) -> dict[int, object]:
    """For each line: the id of the member it is about (negative where something is told otherwise), `new`, a reason."""
    plan = make_plan(rows, members, TREE, by=by, now=TUESDAY_EVENING)
    found: dict[int, object] = {step.entry.line: "new" for step in plan.added}
    found |= {step.entry.line: -step.known.id for step in plan.changed if step.known}
    found |= {one.line: one.reason for one in plan.refused}
    if plan.same == 1:
        # The only line that is left.
        (line,) = {one.line for one in rows} - set(found)
        found[line] = 0
    return found


@pytest.mark.parametrize(
    ("members", "rows", "found"),
    [
        ([], [row(2)], {2: "new"}),
        # By name and room, and what differs is told otherwise.
        ([known(1, room="501", phone=A)], [row(2, room="501", phone=A)], {2: 0}),
        ([known(1, room="501", phone=A)], [row(2, room="501", phone=B)], {2: -1}),
        ([known(1, room="501")], [row(2, OTHER_DOOR, room="501")], {2: -1}),
        ([known(1, BUILDING, room="501")], [row(2, room="501")], {2: -1}),
        ([known(1, room="501")], [row(2, BUILDING, room="501")], {2: 0}),
        ([known(1, room="501"), known(2, OTHER_DOOR, room="501")], [row(2, BUILDING, "501")], {2: Reason.NAMESAKES}),
        # By name and phone: they moved.
        ([known(1, room="501", phone=A)], [row(2, FIVE, room="301", phone=A)], {2: -1}),
        ([known(1, phone=A), known(2, FIVE, phone=A)], [row(2, OTHER_DOOR, phone=A)], {2: Reason.NAMESAKES}),
        # By name and building, where only one is meant.
        ([known(1, room="501", phone=A)], [row(2)], {2: 0}),
        ([known(1, room="501")], [row(2, room="502", phone=A)], {2: -1}),
        ([known(1, room="501", phone=A)], [row(2, room="502", phone=B)], {2: "new"}),
        ([known(1)], [row(2, FIVE)], {2: "new"}),
        ([known(1, room="501"), known(2, room="502")], [row(2)], {2: Reason.NAMESAKES}),
        ([known(1, room="501"), known(2, OTHER_DOOR, room="502")], [row(2)], {2: 0}),
        # Namesakes in the list.
        ([], [row(2), row(3)], {2: Reason.NAMESAKES, 3: Reason.NAMESAKES}),
        ([], [row(2, room="501"), row(3)], {2: "new", 3: Reason.NAMESAKES}),
        ([], [row(2, room="501"), row(3, room="502")], {2: "new", 3: "new"}),
        ([], [row(2, phone=A), row(3, phone=B)], {2: "new", 3: "new"}),
        ([], [row(2, room="501", phone=A), row(3, room="501", phone=B)], {2: "new", 3: "new"}),
        ([], [row(2, room="501", phone=A), row(3, room="501")], {2: "new", 3: Reason.REPEATED}),
        ([], [row(2, room="501"), row(3, room="501", phone=A)], {2: "new", 3: Reason.REPEATED}),
        ([known(1, room="501", phone=A)], [row(2, room="501", phone=B), row(3, room="501", phone=A)], {2: "new", 3: 0}),
        ([known(1, room="501", phone=A)], [row(2, room="501", phone=A), row(3, room="501")], {2: 0, 3: Reason.REPEATED}),
        ([], [row(2, room="501"), row(3, room="501", name="李 四".replace(" ", ""))], {2: "new", 3: Reason.REPEATED}),
        # Accounts come first.
        ([known(1, room="501", accounts=frozenset({"a"}))], [row(2, FIVE, accounts=("a",))], {2: -1}),
        ([known(1, room="501", accounts=frozenset({"a"}))], [row(2, room="501", accounts=("a",), name="李思")], {2: -1}),
        ([known(1, room="501", accounts=frozenset({"a"}))], [row(2, FIVE, accounts=("a",), name="王五")], {2: Reason.OTHER_PERSON}),
        ([known(1, room="501", accounts=frozenset({"a"}))], [row(2, room="501", accounts=("b",))], {2: Reason.OTHER_ACCOUNT}),
        ([known(1, room="501")], [row(2, room="501", accounts=("b",))], {2: -1}),
        ([], [row(2, accounts=("a",)), row(3, FIVE, name="王五", accounts=("a",))], {2: "new", 3: Reason.REPEATED}),
        # Who is gone does not come back by a list; who was found to be another is not made anew.
        ([known(1, room="501", moved_out=True)], [row(2, room="501")], {2: Reason.MOVED_OUT}),
        ([known(1, room="501", moved_out=True), known(2, room="501")], [row(2, room="501")], {2: 0}),
        ([known(1, room="501", merged_into=2), known(2, FIVE, name="李老四")], [row(2, room="501")], {2: 0}),
        # Homes that cannot be made.
        ([], [row(2, Place("梅园"), plain=False)], {2: Reason.UNKNOWN_HOME}),
        ([], [row(2, Place("3栋", "东门"), plain=False)], {2: Reason.UNKNOWN_HOME}),
        ([], [row(2, Place("锦绣物业"), plain=False)], {2: "new"}),
        # Roles.
        ([], [row(2, roles=(Wanted(Role.STAFF, "第九党支部"),))], {2: Reason.UNKNOWN_UNIT}),
        ([], [row(2, roles=(Wanted(Role.BRANCH_SECRETARY),))], {2: Reason.ROLE_NEEDS_UNIT}),
        ([known(1, room="501", roles=(roster.Holding(Role.STAFF, "社区"),))], [row(2, room="501", roles=(Wanted(Role.STAFF),))], {2: 0}),
        ([known(1, room="501")], [row(2, room="501", roles=(Wanted(Role.STAFF),))], {2: -1}),
        ([known(1, room="501")], [row(2, room="501", roles=(Wanted(Role.STAFF, "", date(2026, 11, 17)),))], {2: -1}),
        ([known(1, room="501")], [row(2, room="501", roles=(Wanted(Role.STAFF, "", date(2026, 11, 16)),))], {2: 0}),
        ([known(1, accounts=frozenset({"a"}))], [row(2, accounts=("a",), name="王五")], {2: Reason.OTHER_PERSON}),
    ],
)  # fmt: skip
def test_a_row_is_about_one_person(members: list[Known], rows: list[Entry], found: dict[int, object]) -> None:
    assert outcome(members, rows) == found


@pytest.mark.parametrize(
    ("wanted", "place", "held"),
    [
        (Wanted(Role.BUILDING_LEAD), DOOR, (Role.BUILDING_LEAD, "3栋")),
        (Wanted(Role.BUILDING_LEAD, "12栋"), Place("12栋", "1单元"), (Role.BUILDING_LEAD, "12栋")),
        (Wanted(Role.PROPERTY), DOOR, (Role.PROPERTY, "锦绣物业")),
        (Wanted(Role.SECRETARY), DOOR, (Role.SECRETARY, "社区")),
        (Wanted(None, "第一党支部"), DOOR, (Role.RESIDENT, "第一党支部")),
        (Wanted(Role.STAFF, "锦绣社区"), DOOR, (Role.STAFF, "社区")),
    ],
)
def test_a_role_holds_for_what_the_list_says_or_what_goes_without_saying(
    wanted: Wanted, place: Place, held: tuple[Role, str]
) -> None:
    (step,) = make_plan([row(2, place, roles=(wanted,))], [], TREE, by=None, now=TUESDAY_EVENING).added
    assert [(one.role, one.unit) for one in step.roles] == [held]


def test_buildings_that_are_missing_are_named_once_and_before_their_doors() -> None:
    rows = [row(2, Place("12栋", "1单元"), "101"), row(3, Place("12栋", "1单元"), "102"), row(4, Place("3栋", "3单元"))]
    assert make_plan(rows, [], TREE, by=None, now=TUESDAY_EVENING).units == [
        Place("12栋"),
        Place("12栋", "1单元"),
        Place("3栋", "3单元"),
    ]


def test_who_is_missing_in_a_list_is_reported_and_those_of_its_buildings_come_first() -> None:
    members = [
        known(1, FIVE, name="甲"),
        known(2, name="乙"),
        known(3, name="丙", moved_out=True),
        known(4, name="丁", merged_into=1),
        known(5, name="戊"),
        known(6, name="己"),
    ]
    plan = make_plan([row(2, name="戊")], members, TREE, by=None, now=TUESDAY_EVENING, also_named={"己"})
    assert [one.name for one in plan.vanished] == ["乙", "甲"]


# -- into the books ----------------------------------------

HEAD = Row(1, COLUMNS)
CLOCK = MovedClock(TUESDAY_EVENING, frozen=True)


def lines(*cells: Sequence[str]) -> list[Row]:
    return [HEAD, *(Row(number, tuple(one)) for number, one in enumerate(cells, 2))]


def listed(header: Sequence[str], cells: Sequence[Sequence[str]]) -> list[Row]:
    return [Row(1, tuple(header)), *(Row(number, tuple(one)) for number, one in enumerate(cells, 2))]


async def held_against(books: Books, ground: Ground, rows: list[Row], by: Person | None = None) -> Held:
    return await hold(books, rows, community_id=ground.community.id, namespace="simulator", by=by, clock=CLOCK)


async def imported(books: Books, ground: Ground, rows: list[Row], by: Person | None = None) -> tuple[Held, Done]:
    held = await held_against(books, ground, rows, by)
    batch = Batch(ground.community.id, "import:1", "simulator", by, "root")
    told: list[tuple[int, int]] = []
    done = await carry_out(
        books, held, batch=batch, clock=CLOCK, file="r.csv", progress=lambda at, of: told.append((at, of))
    )
    assert (done.added + done.changed == 0 and not done.refused) or told[-1][0] == told[-1][1]
    return held, done


def exported(ground: Ground) -> Any:
    return lambda session: [
        cells_of(line)
        for line in roster.roster_lines(
            session, community_id=ground.community.id, namespace="simulator", now=CLOCK.now()
        )
    ]


async def test_categories_come_with_a_list_and_are_never_taken_by_one(books: Books) -> None:
    ground = await books.write(lay)
    header = ["姓名", "楼栋", "单元", "政治面貌", "类别"]
    rows = [
        ["何叔", "5栋", "1单元", "党员", "固定党员、网格"],
        ["孙姐", "5栋", "1单元", "", "低保、舞蹈骨干"],
        ["新来", "5栋", "1单元", "", "独居老人"],
    ]
    for expected in ((1, 2), (0, 0)):
        _, done = await imported(books, ground, listed(header, rows))
        assert (done.added, done.changed, done.refused) == (*expected, [])
    later = [["何叔", "5栋", "1单元", "", "流动党员"], ["孙姐", "5栋", "1单元", "", ""]]
    held, done = await imported(books, ground, listed(header, later))
    assert [(one.what, one.before, one.after) for step in held.plan.changed for one in step.changes] == [
        ("category", "固定党员", "流动党员")
    ]
    assert await books.read(
        lambda session: [
            categories_of(session, community_id=ground.community.id, member_ids=[ground.people[name]])
            for name in ("何叔", "孙姐")
        ]
    ) == [["网格管理", "流动党员"], ["低保户", "舞蹈骨干"]]
    assert await books.read(violations) == []


async def test_an_import_adds_and_changes_and_the_second_time_nothing(books: Books) -> None:
    ground = await books.write(lay)
    rows = lines(
        ("王秀英", "3", "2", "501", "13800001234", "", "", "", "", "入户"),
        ("李新", "12#", "1", "101", "", "党员", "楼长（至2027-12-31）", "12栋", "lixin", ""),
        ("何叔", "3栋", "1单元", "301", "", "", "", "", "何叔", ""),
        ("坏人", "3", "2", "", "123", "", "", "", "", ""),
    )
    held, done = await imported(books, ground, rows)
    assert (done.added, done.changed, done.refused, len(held.listing.bad)) == (1, 2, [], 1)

    def look(session: Session) -> tuple[Any, ...]:
        here = ground.community.id
        people = session.execute(
            select(Member.name, Member.room, Member.phone, Member.standing, Member.basis, Unit.name)
            .join(Unit, Member.unit_id == Unit.id)
            .where(Member.community_id == here, Member.name.in_(["王秀英", "李新", "何叔"]))
            .order_by(Member.id)
        )
        role = session.execute(
            select(MemberRole.role, MemberRole.until, Unit.name)
            .join(Unit, MemberRole.unit_id == Unit.id)
            .join(Member, MemberRole.member_id == Member.id)
            .where(MemberRole.community_id == here, Member.name == "李新")
        ).one()
        acts = session.execute(
            select(Audit.action, Audit.object_ref, Audit.channel, Audit.message_id, Audit.detail)
            .where(Audit.community_id == here)
            .order_by(Audit.id)
        ).all()
        return [tuple(one) for one in people], tuple(role), [tuple(one) for one in acts], names_of_units(session, here)

    people, role, acts, units = await books.read(look)
    assert people == [
        ("王秀英", "501", "13800001234", "resident", "入户", "2单元"),
        ("何叔", "301", "", "resident", "", "1单元"),
        ("李新", "101", "", "party_member", "", "1单元"),
    ]
    assert role == ("building_lead", datetime(2028, 1, 1, tzinfo=SHANGHAI), "12栋")
    assert {"12栋", "12栋1单元"} < set(units)
    assert {(act[2], act[3], act[4].pop("batch")) for act in acts} == {("terminal", "", "import:1")}
    assert [act[0] for act in acts] == [
        "import_roster",
        "import_added",
        "import_changed",
        "import_changed",
        "import_roster_done",
    ]
    assert acts[-1][4] == {"operator": "root", "file": "r.csv", "added": 1, "changed": 2, "refused": 0}
    assert acts[2][4] == {"line": 2}
    assert acts[3][4] == {"line": 4, "before": {"home": "5栋1单元"}}

    # 何叔 moved, and where he lived before is kept; 王秀英 was only told more exactly.
    stays = await books.read(lambda s: stays_of(s, community_id=ground.community.id, member_id=ground.people["何叔"]))
    assert [(one.room, one.since, one.until) for one in stays] == [
        ("", FOUNDED, CLOCK.now()),
        ("301", CLOCK.now(), None),
    ]
    assert await books.read(
        lambda s: s.scalars(select(Stay.member_id).where(Stay.community_id == ground.community.id).distinct()).all()
    ) == [ground.people["何叔"]]

    again = await held_against(books, ground, rows)
    assert (again.plan.added, again.plan.changed, again.plan.same) == ([], [], 3)
    assert await books.read(violations) == []


async def test_what_an_export_gives_back_goes_into_an_empty_community_without_loss(books: Books) -> None:
    ground = await books.write(lay)
    await imported(
        books,
        ground,
        lines(
            ("父", "3栋", "1单元", "101", "13800001234", "", "", "", "", ""),
            ("父", "3栋", "1单元", "101", "13800001235", "", "", "", "", ""),
            ("甲", "A座", "", "12A", "", "党员", "支部书记、楼长", "3栋1单元、A栋", "jia、jia2", "=1+1"),
            ("乙", "", "", "", "", "", "物业", "物业", "", ""),
            ("丙", "物业", "", "", "", "", "", "", "", ""),
        ),
    )
    first = await books.read(exported(ground))
    assert len(first) == 15
    rows = lines(*first)

    # 滨河社区 has units of the same names, and one person of its own.
    other = Ground(ground.elsewhere, ground.community, {}, {})
    await imported(books, other, rows)
    second = [one for one in await books.read(exported(other)) if one[0] != "王五"]
    assert second == first
    again = await held_against(books, ground, rows)
    assert (again.plan.added, again.plan.changed, again.plan.vanished) == ([], [], [])
    assert await books.read(violations) == []


async def test_an_importer_reaches_no_further_than_their_own_role(books: Books) -> None:
    ground = await books.write(lay)

    def staff_of_five(session: Session) -> Person:
        member_id = add_person(session, ground.community.id, "小周", ground.units["5栋"])
        give(session, ground.community.id, member_id, Role.STAFF, ground.units["5栋"])
        return person(session, "小周")

    by = await books.write(staff_of_five)
    held, _ = await imported(
        books,
        ground,
        lines(
            ("新来", "5栋", "", "101", "", "", "", "", "", ""),
            ("外人", "3栋", "", "101", "", "", "", "", "", ""),
            ("王秀英", "3栋", "2单元", "502", "", "", "", "", "", ""),
            ("何叔", "5栋", "1单元", "", "", "", "社区书记", "", "", ""),
            ("孙姐", "5栋", "1单元", "", "", "", "楼长", "5栋", "", ""),
            ("老魏", "5栋", "1单元", "301", "", "", "", "", "", ""),
            ("孙丽", "5栋", "1单元", "301", "", "", "", "", "", ""),
        ),
        by,
    )
    assert [(one.name, one.reason) for one in held.plan.refused] == [
        ("外人", Reason.BEYOND_REACH),
        ("王秀英", Reason.BEYOND_REACH),
        ("何叔", Reason.ABOVE_ONESELF),
        ("孙丽", Reason.ABOVE_ONESELF),
    ]
    assert [step.entry.name for step in (*held.plan.added, *held.plan.changed)] == ["新来", "孙姐", "老魏"]
    made_by = await books.read(
        lambda s: s.scalars(select(Audit.member_id).where(Audit.community_id == ground.community.id).distinct()).all()
    )
    assert made_by == [by.id]


async def test_what_somebody_else_wrote_meanwhile_is_left_alone(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: add_person(s, ground.community.id, "没号的", ground.units["3栋2单元"], known=False))
    rows = lines(
        ("王秀英", "3栋", "2单元", "501", "", "", "", "", "", ""),
        ("新来", "3栋", "2单元", "601", "", "", "", "", "", ""),
        ("没号的", "3栋", "2单元", "", "", "", "", "", "taken", ""),
        ("后来", "3栋", "2单元", "602", "", "", "", "", "", ""),
    )
    held = await held_against(books, ground, rows)

    def meanwhile(session: Session) -> None:
        here, home = ground.community.id, ground.units["3栋2单元"]
        session.execute(
            Member.__table__.update().where(Member.community_id == here, Member.name == "王秀英").values(room="502")
        )
        add_member(session, community_id=here, name="新来", unit=home, now=FOUNDED)
        session.execute(
            Identity.__table__.insert().values(
                namespace="simulator", external_id="taken", community_id=here, member_id=ground.people["孙姐"], since=FOUNDED
            )
        )  # fmt: skip

    await books.write(meanwhile)
    batch = Batch(ground.community.id, "import:1", "simulator", None, "root")
    done = await carry_out(books, held, batch=batch, clock=CLOCK, file="r.csv", progress=lambda at, of: None)
    assert (done.added, done.changed) == (1, 0)
    assert [(one.name, one.reason) for one in done.refused] == [
        ("新来", Reason.CHANGED_MEANWHILE),
        ("王秀英", Reason.CHANGED_MEANWHILE),
        ("没号的", Reason.CHANGED_MEANWHILE),
    ]


async def test_two_imports_at_once_add_everybody_once(books: Books) -> None:
    ground = await books.write(lay)
    rows = lines(*((f"新居民{number}", "3栋", "2单元", "", f"1390000{number:04}", *[""] * 5) for number in range(300)))
    both = await asyncio.gather(imported(books, ground, rows), imported(books, ground, rows))
    assert sum(done.added for _, done in both) == 300
    again = await held_against(books, ground, rows)
    assert (again.plan.same, again.plan.added, again.plan.changed) == (300, [], [])


async def test_large_lists_go_in_in_small_units(books: Books) -> None:
    ground = await books.write(lay)
    rows = lines(*((f"新居民{number}", f"{number % 70 + 1}栋", "", "101", *[""] * 6) for number in range(1200)))
    commits: list[int] = []
    books.on_commit.append(lambda units, seconds: commits.append(units))
    _, done = await imported(books, ground, rows)
    assert (done.added, done.refused) == (1200, [])
    # The beginning, two for the buildings, the rows, the end.
    assert 3 + 1200 // importing.UNIT_ROWS < len(commits) < 3 + 1200
    audits = await books.read(lambda s: s.scalars(select(Audit.id).where(Audit.action == "import_added")).all())
    assert len(audits) == 1200


# -- one person in the chat ----------------------------------------

LISTED = "已登记 李四：3栋2单元501，手机 13800001234，党员。\n写错了请发 撤销；本人发 绑定 李四 3栋 就能用我了。"
STATEMENT = consent.say.sentences["statement"]
PRIVATE = "房号和手机不要发在群里，请私聊我再说一遍。\n群里那一条，请您撤回。"


async def of(street: Street, name: str) -> tuple[str, str, str, bool]:
    """Room, phone, standing and whether gone, of the only one of this name."""

    def look(session: Session) -> tuple[str, str, str, bool]:
        one = session.execute(
            select(Member.room, Member.phone, Member.standing, Member.moved_out_at).where(Member.name == name)
        ).one()
        return one.room, one.phone, one.standing, one.moved_out_at is not None

    return await street.house.books.read(look)


async def test_a_person_is_listed_corrected_and_all_of_it_taken_back(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "登记居民 李四 3栋2单元501 13800001234 党员", LISTED),
            ("张敏", direct, "登记居民李四 3#-2-501", "李四 已经在名册上了，要改请发 更正 李四 加新的内容。"),
            ("张敏", direct, "更正 李四 手机 13900001234", "已更正 李四：手机 13900001234。"),
            ("张敏", direct, "更正 李四 手机 13900001234", "名册上 李四 本来就是这样，不用改。"),
            ("张敏", direct, "撤销", "已撤销，李四 的资料和原来一样。"),
        ],
    )
    assert await of(street, "李四") == ("501", "13800001234", "party_member", False)
    await talk(
        street,
        [
            ("张敏", direct, "更正 李四 房号 502，群众", "已更正 李四：房号 502，群众。"),
            ("张敏", direct, "更正 李四 姓名 李思", "要把 李四 的姓名改成 李思 吗？回复 确认 就改，不改回复 取消。"),
            ("张敏", direct, "确认", "已更正 李四：姓名 李思。"),
            ("张敏", direct, "撤销", "已撤销，李四 的资料和原来一样。"),
            november(17, 19, 35),
            ("张敏", direct, "登记居民 钱七 5栋1单元101", "已登记 钱七：5栋1单元101。\n写错了请发 撤销；本人发 绑定 钱七 5栋 就能用我了。"),
            ("张敏", direct, "撤销", "已撤销 钱七 的登记。"),
        ],
    )  # fmt: skip
    assert await of(street, "李四") == ("502", "13800001234", "resident", False)
    assert (
        await street.house.books.read(lambda s: s.scalars(select(Member.id).where(Member.name == "钱七")).all()) == []
    )


async def test_moving_keeps_where_somebody_lived(street: Street) -> None:
    move = "王秀英 从 3栋2单元501 搬到 5栋1单元301 吗？以前住哪里会留着。\n回复 确认 就改，不改回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "改住址 王秀英 5栋1单元301", move),
            ("张敏", direct, "取消", "好的，不办了。"),
            ("张敏", direct, "改住址 王秀英 5栋1单元301", move),
            ("张敏", direct, "确认", "已更正 王秀英：住址 5栋1单元301。"),
        ],
    )
    assert [room for room, _ in await lived(street, "王秀英")] == ["501", "301"]
    await talk(street, [("张敏", direct, "撤销", "已撤销，王秀英 的资料和原来一样。")])
    assert await lived(street, "王秀英") == [("501", True)]
    await talk(
        street,
        [
            ("张敏", direct, "更正 王秀英 住址 5栋1单元301", move),
            ("张敏", direct, "确认", "已更正 王秀英：住址 5栋1单元301。"),
            november(18, 9),
            ("张敏", direct, "迁出 王秀英", "王秀英（5栋1单元301）迁出吗？迁出后不能再用我，积分和记录都留着。\n回复 确认 就办，不办回复 取消。"),
            ("张敏", direct, "确认", "王秀英 已迁出。回来了请发 迁回 王秀英。"),
            ("王秀英", direct, "积分", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            ("张敏", direct, "迁出 王秀英", "王秀英（5栋1单元301）迁出吗？迁出后不能再用我，积分和记录都留着。\n回复 确认 就办，不办回复 取消。"),
            ("张敏", direct, "确认", "王秀英 已经迁出。回来了请先发 迁回 王秀英。"),
            ("张敏", direct, "更正 王秀英 党员", "王秀英 已经迁出。回来了请先发 迁回 王秀英。"),
            november(19, 9),
            ("张敏", direct, "迁回 王秀英 3栋2单元502", "王秀英 已迁回，住 3栋2单元502。"),
            ("张敏", direct, "撤销", "已撤销，王秀英 还是迁出。"),
            ("张敏", direct, "迁回 王秀英", "王秀英 已迁回，住 5栋1单元301。"),
            ("张敏", direct, "迁回 王秀英", "王秀英 没有迁出，不用迁回。"),
        ],
    )  # fmt: skip
    assert await lived(street, "王秀英") == [("501", False), ("301", False), ("301", True)]
    assert (await of(street, "王秀英"))[3] is False
    heard = await street.say("王秀英", "积分")
    assert heard.startswith("王秀英，您现有16分")


async def lived(street: Street, name: str) -> list[tuple[str, bool]]:
    """The rooms in which somebody has lived, and whether they still do."""

    def look(session: Session) -> list[tuple[str, bool]]:
        one = session.execute(select(Member.id, Member.community_id).where(Member.name == name)).one()
        stays = stays_of(session, community_id=one.community_id, member_id=one.id)
        return [(stay.room, stay.until is None) for stay in stays]

    return await street.house.books.read(look)


@ON_SQLITE
async def test_in_a_group_nothing_private_is_taken_or_repeated(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", "3栋群", "@小邻 登记居民 李四 3栋2单元501 13800001234", PRIVATE),
            ("张敏", "3栋群", "@小邻 更正 王秀英 手机 1380000123", PRIVATE),
            ("张敏", "3栋群", "@小邻 改住址 王秀英 5栋1单元301", PRIVATE),
            ("张敏", "3栋群", "@小邻 迁回 王秀英 301", PRIVATE),
            # What is not understood is shown by the example, never by what was typed.
            ("张敏", "3栋群", "@小邻 那个什么来着登记居民 李四 3栋2单元501 13800001234",
             "您是想 登记居民 吗？可以这样说：登记居民 李四 3栋2单元501 13800001234 党员"),
            ("张敏", "3栋群", "@小邻 更正 王秀英 党员", "已更正 王秀英：党员。"),
            ("张敏", "3栋群", "@小邻 改住址 王秀英 5栋1单元", "王秀英 从 3栋2单元 搬到 5栋1单元 吗？以前住哪里会留着。\n回复 确认 就改，不改回复 取消。"),
            ("张敏", "3栋群", "@小邻 取消", "好的，不办了。"),
        ],
    )  # fmt: skip
    assert (
        await street.house.books.read(lambda s: s.scalars(select(Member.id).where(Member.name == "李四")).all()) == []
    )


@ON_SQLITE
async def test_namesakes_are_told_apart_in_private_by_their_homes_in_a_group_by_units(street: Street) -> None:
    another = "3栋2单元已经有1位 李四 了，要再登记一位吗？\n是另一位就回复 确认，不是回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "登记居民 李四 3栋2单元501", "已登记 李四：3栋2单元501。\n写错了请发 撤销；本人发 绑定 李四 3栋 就能用我了。"),
            ("张敏", direct, "登记居民 李四 5栋1单元101", "已登记 李四：5栋1单元101。\n写错了请发 撤销；本人发 绑定 李四 5栋 就能用我了。"),
            ("张敏", "3栋群", "@小邻 更正 李四 党员", "叫 李四 的有2位，是哪一位？请回复数字：\n1. 3栋2单元\n2. 5栋1单元"),
            ("张敏", "3栋群", "@小邻 2", "已更正 李四：党员。"),
            ("张敏", direct, "登记居民 李四 3栋2单元602", another),
            ("张敏", direct, "确认", "已登记 李四：3栋2单元602。\n写错了请发 撤销；本人发 绑定 李四 3栋 就能用我了。"),
            ("张敏", "3栋群", "@小邻 更正 李四 群众", "叫 李四 的有3位，在群里分不开，请私聊我说。"),
            ("张敏", direct, "迁出 3栋李四", "叫 李四 的有2位，是哪一位？请回复数字：\n1. 3栋2单元501\n2. 3栋2单元602"),
            ("张敏", direct, "2", "李四（3栋2单元602）迁出吗？迁出后不能再用我，积分和记录都留着。\n回复 确认 就办，不办回复 取消。"),
            ("张敏", direct, "确认", "李四 已迁出。回来了请发 迁回 李四。"),
        ],
    )  # fmt: skip
    found = await street.house.books.read(
        lambda s: s.execute(
            select(Member.room, Member.standing, Member.moved_out_at.is_(None))
            .where(Member.name == "李四")
            .order_by(Member.id)
        ).all()
    )
    assert [tuple(one) for one in found] == [
        ("501", "resident", True),
        ("101", "party_member", True),
        ("602", "resident", False),
    ]


@ON_SQLITE
async def test_who_may_write_in_the_roster_and_about_whom(street: Street) -> None:
    staff = "这件事要社区工作人员来办。您能办的事请发 帮助。"
    await talk(
        street,
        [
            ("王秀英", direct, "登记居民 李四 3栋2单元501", staff),
            ("老赵", direct, "更正 王秀英 党员", staff),
            ("陌生人", direct, "迁出 王秀英", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            # 孙丽 is staff of the whole community, and 张敏 its secretary.
            ("孙丽", direct, "更正 张敏 手机 13900001234", "这一位的职务在您之上，请社区书记来改。"),
            ("孙丽", direct, "更正 老赵 手机 13900001234", "已更正 老赵：手机 13900001234。"),
            ("张敏", direct, "更正 牛大力 党员", "您负责的范围里没有找到 牛大力，请核对姓名。"),
            ("张敏", direct, "登记居民 李四 20栋101", "没有找到「20栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
            ("张敏", direct, "登记居民 李四", "请写上住在哪里，例如 登记居民 李四 3栋2单元501 13800001234 党员"),
            ("张敏", direct, "登记居民 李四 3栋101 1380000123", "没有看懂要写什么，请这样说：登记居民 李四 3栋2单元501 13800001234 党员"),
            ("张敏", direct, "更正 王秀英 手机", "没有看懂要写什么，请这样说：更正 李四 手机 13900001234"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_what_was_written_about_since_is_not_taken_back(street: Street) -> None:
    await talk(
        street,
        [
            ("张敏", direct, "登记居民 李四 3栋2单元501 13800001234 党员", LISTED),
            ("陌生人", direct, "绑定 李四 3栋2单元501 1234", f"李四，绑定好了，您是3栋2单元的居民。\n{STATEMENT}"),
            ("张敏", direct, "撤销", "李四 的资料后来又有变动，撤销不了，请用 更正 来改。"),
            ("张敏", direct, "更正 李四 群众", "已更正 李四：群众。"),
            ("孙丽", direct, "更正 李四 党员", "已更正 李四：党员。"),
            ("张敏", direct, "撤销", "李四 的资料后来又有变动，撤销不了，请用 更正 来改。"),
        ],
    )  # fmt: skip


async def test_the_audit_says_who_wrote_what(street: Street) -> None:
    await street.say("张敏", "更正 王秀英 手机 13900001234")

    def look(session: Session) -> tuple[Any, ...]:
        return tuple(
            session.execute(
                select(Audit.action, Member.name, Audit.detail)
                .join(Member, Audit.member_id == Member.id)
                .where(Audit.action == "correct_person")
            ).one()
        )

    action, name, detail = await street.house.books.read(look)
    assert (action, name) == ("correct_person", "张敏")
    assert (detail["before"]["phone"], detail["after"]["phone"]) == ("13900005849", "13900001234")
