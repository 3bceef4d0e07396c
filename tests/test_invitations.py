"""邀请码: one-time codes: how they are given, used once, and sound alike when they are no good."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot.books import Books
from bot.founding import found_community, invite
from bot.script import Push
from bot.terminal.commands import app
from handlers import consent
from models.base import Base
from models.database import sqlite_engine
from models.directory import Identity
from models.members import (
    AboveOneself,
    Accepted,
    Member,
    Outcome,
    Role,
    accept_invitation,
    code_in,
    make_invitation,
    new_code,
    roles_held,
)
from models.members.invitations import HOLDS, LENGTH, LETTERS, TRIES_MAX, Invitation, InvitationTry, plain_code
from models.points import Settings
from models.units import Unit, UnitHere
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.ground import Ground, add_person, give, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
WRONG = "这个邀请码不能用。请核对一下，或请邀请您的人再给一个。"
NAMELESS = "邀请码收到了，还不认识您。请连姓名和楼栋一起再发一次，例如 邀请码 ACDE-FGHJ 张三 3栋。"
HELP = "\n您能办的事请发 帮助。"
STATEMENT = "\n" + consent.say.sentences["statement"]
AGREED = "好的，记下了，谢谢！\n想看看我会什么，请发 帮助。"


# -- codes ----------------------------------------


def test_a_code_is_easy_to_read_and_hard_to_guess() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(rf"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}", code) for code in codes)
    assert not set(LETTERS) & set("0O1IL2Z5S8B")
    # Five an hour for a day: one in a thousand million.
    assert len(LETTERS) ** LENGTH > 10**9 * TRIES_MAX * 24


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("ACDE-FGHJ", "ACDEFGHJ"),
        ("acde fghj", "ACDEFGHJ"),
        (" ACDEFGHJ ", "ACDEFGHJ"),
        ("ACDE—FGHJ", "ACDEFGHJ"),
        ("ACDE-FGH", ""),
        ("ACDE-FGH0", ""),
        ("", ""),
    ],
)
def test_a_code_is_read_however_it_is_typed(typed: str, code: str) -> None:
    assert plain_code(typed) == code


def test_what_follows_a_code_is_no_part_of_it() -> None:
    assert code_in("ACDE-FGHJ 张三 3栋").strip() == "ACDE-FGHJ"
    assert code_in("ACDE-FGHJ") == "ACDE-FGHJ"


# -- in the chat ----------------------------------------


async def invited(street: Street, post: str = "邀请 楼长 5栋") -> str:
    answer = await street.say("张敏", post)
    found = re.match(r"邀请码 (\S{9})（", answer)
    assert found, answer
    return found[1]


@ON_SQLITE
async def test_a_stranger_becomes_a_member_by_a_code(street: Street) -> None:
    code = await invited(street)
    in_group = "邀请码请私聊我发，不要发在群里：谁看见了都能用。"
    pushes = await talk(
        street,
        [
            ("lisi", "5栋群", f"@小邻 邀请码 {code}", in_group),
            ("lisi", direct, f"邀请码 {code}", NAMELESS),
            ("lisi", direct, f"邀请码 {code} 李四", NAMELESS),
            ("lisi", direct, f"邀请码 {code} 李四 99栋", NAMELESS),
            ("lisi", direct, f"邀请码 {code.lower()} 李四 五号楼", f"李四，您现在是5栋楼长了。{STATEMENT}"),
            ("lisi", direct, "同意", AGREED),
            ("lisi", direct, f"邀请码 {code}", WRONG),
            ("王秀英", direct, f"邀请码 {code}", WRONG),
            ("lisi", direct, "审核", "现在没有等您看的事。"),
            ("张敏", direct, "撤销", "这个邀请码已经有人用了。要收回请发 免去 加姓名和职务。"),
        ],
    )
    assert pushes == [Push("张敏", "李四 用了您给的邀请码，现在是5栋楼长。\n不是本人请发 免去 李四 5栋 楼长。")]
    basis = await street.house.books.read(lambda s: s.scalar(select(Member.basis).where(Member.name == "李四")))
    assert basis == "凭邀请码登记"


@ON_SQLITE
async def test_somebody_known_gets_the_role_at_once(street: Street) -> None:
    code = await invited(street)
    again = await invited(street)
    await talk(
        street,
        [
            ("孙姐", direct, f"邀请码 {code}", f"孙姐，您现在是5栋楼长了。{HELP}"),
            ("孙姐", direct, f"邀请码 {again}", "您已经是5栋楼长了，这个邀请码没有用掉。"),
            # The second one comes beside the leader who is there.
            ("王秀英", direct, f"邀请码{again}", f"王秀英，您现在是5栋副楼长了。{HELP}"),
        ],
    )


@ON_SQLITE
async def test_whoever_invites_does_so_below_themselves_and_in_private(street: Street) -> None:
    not_yours = "这个职务不归您任免，请找您的上级。"
    await talk(
        street,
        [
            ("张敏", "3栋群", "@小邻 邀请 楼长 5栋", "邀请码只能私聊给您，请私聊我发 邀请 楼长 3栋。"),
            ("张敏", direct, "邀请 社区书记", not_yours),
            ("老赵", direct, "邀请 楼长 3栋", not_yours),
            ("孙丽", direct, "邀请 社工", not_yours),
            ("张敏", direct, "邀请 队长", "在哪里当队长？请把地方也写上，例如 邀请 楼长 3栋。"),
            ("张敏", direct, "邀请 队长 5栋", "5栋没有队长，那里的是楼长。"),
            ("王秀英", direct, "邀请 楼长 3栋", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
        ],
    )
    code = await invited(street, "邀请 5栋 社工")
    await talk(
        street,
        [("张敏", direct, "撤销", "已作废刚才的邀请码。"), ("孙姐", direct, f"邀请码 {code}", WRONG)],
    )


@ON_SQLITE
async def test_codes_that_are_no_good_sound_alike(street: Street) -> None:
    expired, used, dead = await invited(street), await invited(street), await invited(street)
    await talk(
        street,
        [
            ("何叔", direct, f"邀请码 {used}", f"何叔，您现在是5栋楼长了。{HELP}"),
            november(18, 19, 30),
            ("孙姐", direct, f"邀请码 {expired}", WRONG),
            ("孙姐", direct, f"邀请码 {used}", WRONG),
            ("孙姐", direct, "邀请码 AAAA-AAAA", WRONG),
            ("孙姐", direct, "邀请码 你猜", WRONG),
            ("孙姐", direct, f"邀请码 {dead}", WRONG),
        ],
    )


@ON_SQLITE
async def test_after_five_wrong_codes_an_hour_must_pass(street: Street) -> None:
    code = await invited(street)
    enough = "试错的次数太多了，请过一小时再试。"
    await talk(
        street,
        [
            *(("lisi", direct, f"邀请码 AAAA-AAA{letter}", WRONG) for letter in "ACDEF"),
            ("lisi", direct, f"邀请码 {code} 李四 5栋", enough),
            ("wangwu", direct, f"邀请码 {code}", NAMELESS),
            november(17, 20, 29),
            ("lisi", direct, f"邀请码 {code} 李四 5栋", enough),
            november(17, 20, 31),
            ("lisi", direct, f"邀请码 {code} 李四 5栋", f"李四，您现在是5栋楼长了。{STATEMENT}"),
            ("lisi", direct, "同意", AGREED),
        ],
    )


@ON_SQLITE
async def test_a_maker_who_is_no_secretary_any_more_has_made_nothing(street: Street) -> None:
    code = await invited(street)
    await talk(street, [("张敏", direct, "任命 李建国 社区书记", "要任命 李建国 为社区书记吗？"
        "有这个职务的人能办您能办的一切事。\n任命请回复 确认，不任命回复 取消。"),
        ("张敏", direct, "确认", "李建国 从今天起是锦绣社区书记。"),
        ("张敏", direct, "免去 张敏 社区书记", "要免去 张敏 的锦绣社区书记吗？免去后对应的权限马上没有了。\n"
         "免去请回复 确认，不免回复 取消。"),
        ("张敏", direct, "确认", "已免去 张敏 的锦绣社区书记。"),
        ("孙姐", direct, f"邀请码 {code}", WRONG)])  # fmt: skip


@ON_SQLITE
async def test_no_table_holds_a_code_but_the_answer_that_told_it(street: Street) -> None:
    code = await invited(street)
    await talk(street, [("lisi", direct, f"邀请码 {code} 李四 5栋", f"李四，您现在是5栋楼长了。{STATEMENT}")])

    def holding(session: Session) -> set[str]:
        return {
            table.name
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
            for value in row
            if code in str(value) or plain_code(code) in str(value)
        }

    assert await street.house.books.read(holding) == {"inbox"}


# -- the rules, on both databases ----------------------------------------


def making(ground: Ground, code: str, role: Role, unit: UnitHere, by: str | None):  # type: ignore[no-untyped-def]
    return lambda s: make_invitation(
        s, community_id=ground.community.id, code=code, role=role, unit=unit, by=person(s, by) if by else None, now=NOW
    )


def accept(
    session: Session,
    ground: Ground,
    code: str,
    account: str,
    *,
    who: str = "",
    name: str = "",
    home: str = "5栋",
    later: timedelta = timedelta(0),
) -> Accepted:
    return accept_invitation(
        session,
        community_id=ground.community.id,
        namespace="simulator",
        external_id=account,
        code=code,
        person=person(session, who) if who else None,
        name=name,
        home=ground.units[home],
        basis="",
        now=NOW + later,
    )


async def test_of_many_who_use_a_code_at_once_one_gets_the_role(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(making(ground, "ACDE-FGHJ", Role.STAFF, ground.root, None))
    names = ["王秀英", "陈美玲", "孙姐", "何叔"]

    def using(name: str):  # type: ignore[no-untyped-def]
        return lambda s: accept(s, ground, "ACDE-FGHJ", name, who=name).outcome

    done = await asyncio.gather(*(books.write(using(name)) for name in names))
    assert sorted(done) == [Outcome.ACCEPTED, Outcome.WRONG, Outcome.WRONG, Outcome.WRONG]
    assert [violation.name for violation in await books.read(violations)] == []


async def test_a_code_holds_for_a_day_to_the_second(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(making(ground, "ACDE-FGHJ", Role.STAFF, ground.root, None))
    second = timedelta(seconds=1)
    late = await books.write(lambda s: accept(s, ground, "ACDE-FGHJ", "何叔", who="何叔", later=HOLDS))
    assert late.outcome is Outcome.WRONG
    early = await books.write(lambda s: accept(s, ground, "ACDE-FGHJ", "何叔", who="何叔", later=HOLDS - second))
    assert early.outcome is Outcome.ACCEPTED


async def test_a_code_makes_nobody_of_rank_out_of_its_holder(books: Books) -> None:
    """Whoever holds a code for 5栋 says that they are 张敏, who has no account yet: they become a namesake."""
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[bool, list[Role], list[str]]:
        here = {"community_id": ground.community.id}
        mighty = add_person(session, ground.community.id, "周书记", ground.units["5栋1单元"], known=False)
        give(session, ground.community.id, mighty, Role.SECRETARY, ground.root)
        plain = add_person(session, ground.community.id, "李四", ground.units["5栋1单元"], known=False)
        for code, role in (("ACDE-FGHJ", Role.BUILDING_LEAD), ("ACDE-FGHK", Role.STAFF)):
            make_invitation(session, code=code, role=role, unit=ground.units["5栋"], by=None, now=NOW, **here)
        first = accept(session, ground, "ACDE-FGHJ", "x", name="周书记")
        second = accept(session, ground, "ACDE-FGHK", "y", name="李四")
        held = roles_held(session, now=NOW, member_id=first.member_id, **here)
        owners = session.scalars(select(Identity.external_id).where(Identity.member_id == plain)).all()
        return first.member_id == mighty, [term.role for term in held], [*owners, str(second.member_id == plain)]

    assert await books.write(unit) == (False, [Role.BUILDING_LEAD], ["y", "True"])


async def test_nobody_invites_to_their_own_rank_or_beyond_their_scope(books: Books) -> None:
    ground = await books.write(lay)
    for by, role, unit in (
        ("张敏", Role.SECRETARY, "社区"),
        ("孙丽", Role.STAFF, "3栋"),
        ("老赵", Role.PROPERTY, "5栋"),
        ("王五", Role.STAFF, "社区"),
    ):
        with pytest.raises(AboveOneself):
            await books.write(making(ground, "ACDE-FGHJ", role, ground.units[unit], by))
    await books.write(making(ground, "ACDE-FGHJ", Role.STAFF, ground.root, "张敏"))


async def test_wrong_tries_are_forgotten_after_an_hour(books: Books) -> None:
    ground = await books.write(lay)
    for minutes in (0, 10, 61):
        await books.write(
            lambda s, minutes=minutes: accept(s, ground, "AAAA-AAAA", "x", later=timedelta(minutes=minutes))
        )
    assert await books.read(lambda s: len(s.scalars(select(InvitationTry.id)).all())) == 2


async def test_a_code_for_a_closed_unit_gives_nothing(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(making(ground, "ACDE-FGHJ", Role.PROPERTY, ground.units["物业"], None))
    await books.write(lambda s: s.execute(update(Unit).where(Unit.id == ground.units["物业"].id).values(until=NOW)))
    done = await books.write(lambda s: accept(s, ground, "ACDE-FGHJ", "何叔", who="何叔"))
    assert done == Accepted(Outcome.WRONG)


@ON_SQLITE
async def test_a_code_leads_a_stranger_into_its_community_among_several(street: Street) -> None:
    """滨河社区 is founded beside ours; its first secretary is known nowhere yet."""
    code, later = "ACDE-FGHJ", "ACDE-FGHK"

    def found(session: Session) -> None:
        found_community(
            session, name="滨河社区", bot_name="小河", buildings=2, doors=1, secretary=None, rules=Settings(), now=NOW
        )
        for one in (code, later):
            invite(session, community_name="滨河社区", role=Role.SECRETARY, unit_name="社区", code=one, now=NOW)

    await street.house.books.write(found)
    await talk(
        street,
        [
            ("fang", direct, "邀请码 AAAA-AAAA", WRONG),
            ("fang", direct, f"邀请码 {code}", NAMELESS),
            ("fang", direct, f"邀请码 {code} 方芳 2栋", f"方芳，您现在是滨河社区书记了。{STATEMENT}"),
            ("fang", direct, "同意", AGREED),
            ("fang", direct, "组织 2栋", "2栋（滨河社区）\n楼长：暂缺\n居民：1人\n下设：1个单元（1单元）"),
            # Somebody of ours who is nobody there yet.
            ("王秀英", direct, f"邀请码 {later}", NAMELESS),
            ("王秀英", direct, f"邀请码 {later} 王秀英 1栋", f"王秀英，您现在是滨河社区书记了。{STATEMENT}"),
        ],
    )


# -- from the machine ----------------------------------------


def test_the_operator_founds_without_a_secretary_and_invites_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path)

    def linli(command: str) -> tuple[str, str]:
        ran = CliRunner().invoke(app, command.split())
        return ran.stdout, ran.stderr

    assert linli("invite --role secretary --unit 社区")[1] == "没有 var/linli.sqlite3 这个账本。请看看路径对不对。\n"
    assert linli("found 锦绣社区") == (
        "锦绣社区 建好了。请第一位书记：linli invite --role secretary --unit 社区 --community 锦绣社区\n",
        "",
    )
    code, told = linli("invite --role secretary --unit 社区")
    assert re.fullmatch(rf"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}\n", code)
    assert told == (
        "锦绣社区：锦绣社区 的 secretary。24小时内有效，只能用一次，只印这一次。\n"
        f"请本人私聊 小邻 发：邀请码 {code.strip()}\n"
    )
    refusals = {
        "invite --role king --unit 社区": "没有 king 这个角色，有的是：",
        "invite --role staff --unit 99栋": "没有 99栋。楼栋有：1栋、2栋",
        "invite --role staff --unit 社区 --community 滨河": "请用 --community 写明社区：锦绣社区",
        "found 滨河社区 --secretary 张敏": "书记的账号（userid）要写上",
        "found 滨河社区 --secretary 张敏 --account z --channel x": "配置里没有 [channels.x]。能说话的渠道有：（还没有）",
        "found 锦绣社区": "锦绣社区 已经有了，不用再建。",
    }
    for command, said in refusals.items():
        out, err = linli(command)
        assert (out, err.startswith(said)) == ("", True), err
    engine = sqlite_engine(str(tmp_path / "var" / "linli.sqlite3"))
    with engine.connect() as connection:
        (kept,) = connection.execute(select(Invitation.role, Invitation.code_hash)).all()
    engine.dispose()
    assert kept.role == "secretary"
    assert plain_code(code) not in kept.code_hash
