"""From an empty machine to a working community: everything that an operator, a secretary and her neighbours do first.

The operator's commands are the real ones, in a folder with nothing in it; they read the wall clock, and the street
lives an hour or two later. At the end its books go on as a copy on the other kind of database.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.backup import restore, take
from bot.script import Push
from models.clock import WallClock
from models.directory import Identity
from models.ledger import Balance
from models.members import Member
from tests.dialogue import AGREED, ASK_DIGITS, BOUND, STATEMENT, STRANGER, WAITS, WISH, WRONG, direct, silence, talk
from tests.fakes.street import Street, open_street
from tests.fakes.terminal import Terminal
from tests.traces import found_in

NO_GOOD = "这个邀请码不能用。请核对一下，或请邀请您的人再给一个。"
POINTS = "{}，您现有{}分，本月+{}分。\n为什么有这些分，请发 积分明细。"


def phone(number: int) -> str:
    return f"1370000{number:04d}"


HEADER = ("名字", "楼号", "单元", "门牌", "联系电话", "面貌", "职务", "所属组织", "企微账号", "登记来源")
RIGHT = tuple(
    (name, f"{index % 3 + 1}栋", f"{index % 2 + 1}单元", f"{index % 6 + 1}01", phone(1000 + index))
    for index, name in enumerate(("李建平", "周秀珍", "吴国强", "郑桂兰", "冯志明", "陈玉梅", "蒋卫东", "沈淑芬"))
)
"""Eight who know their room and their phone."""
QIAN = ("钱多多", "3栋", "1单元", "1717", phone(6161))
PEOPLE: tuple[tuple[str, ...], ...] = (
    ("方芳", "1栋", "1单元", "101", phone(1), "党员"),
    ("老赵", "3栋", "1单元", "302", phone(2), "党员", "楼长", "3栋", "老赵", "居委会"),
    ("孙丽", "2栋", "1单元", "303", phone(3), "", "社工", "社区", "孙丽", "居委会"),
    *RIGHT,
    ("王秀英", "1栋", "1单元", "201", phone(2001)),
    ("王秀英", "2栋", "2单元", "202", phone(2002)),
    ("忘性甲", "3栋", "2单元", "601", phone(3000)),
    QIAN,
    ("钱夺夺", "3栋", "1单元", "1719", phone(1719)),
)
FIRST_LINE = 3
"""Under the title and the header."""
DIRTY_FROM = FIRST_LINE + len(PEOPLE)
FORMULA = "是公式，没有算出来的结果。请复制后“选择性粘贴”为数值"
DIRTY: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("digits of full width", ("全角", "３栋", "２", "５０１室", "１３７００００５００１"), "3栋2单元501 13700005001"),
    ("a whole address in one cell", ("何叔", "二号楼1单元302", None, None, phone(5002)), "2栋1单元302 13700005002"),
    ("a name with a gap, a phone as a number", ("张　三", "1栋", None, 402.0, 13700005003.0), "1栋402 13700005003"),
    ("a building merged over two rows", ("同楼", None, None, "403", phone(5004)), "1栋403 13700005004"),
    ("nobody", (None, "1栋", None, "404"), "没有姓名"),
    ("a phone that lost its digits", ("失号", "1栋", None, "405", "1.37E+10"), "手机被 Excel 写成了 1.37E+10，后面几位丢了。请把那一列改成文本，重新填"),
    ("a room without a building", ("无楼", None, None, "406"), "写了406，没写楼栋"),
    ("a building that became a date", ("日期", date(2026, 3, 2)), "楼栋被 Excel 变成了日期（2026-03-02），请把这一格改成文本再填"),
    ("a formula", ("公式", "1栋", None, "=B4&C4"), f"房号{FORMULA}"),
    ("the same person twice", ("李建平", "一号楼", "1单元", "101室"), f"和第{FIRST_LINE + 3}行是同一个人"),
    ("a place that is not here", ("外人", "梅园", None, "车库"), "没有「梅园」。有的是：1栋、2栋、3栋；新的楼请写成 3栋 这样"),
    ("a role that nobody has", ("王二", "1栋", None, "407", None, None, "国王"), "角色“国王”不认识，可以写 居民、党员、物业、业委会、楼长、党小组长、支部书记、社工、社区书记、管理员"),
)  # fmt: skip
"""Kind, cells, and what becomes of the row: the first four go in, the others say why not."""
CLEANED = 4


def write_roster(file: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(("新村社区居民名册",))
    sheet.append(HEADER)
    rows: Sequence[Sequence[Any]] = (*PEOPLE, *(cells for _, cells, _ in DIRTY))
    for row in rows:
        sheet.append(row)
    sheet.merge_cells(f"B{DIRTY_FROM + 2}:B{DIRTY_FROM + 3}")
    book.save(file)


async def typed(terminal: Terminal, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """A command, beside the bot that goes on."""
    return await asyncio.to_thread(lambda: terminal.type(*arguments, stdin=stdin))


@pytest.mark.parametrize(("kind", "other"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
async def test_from_an_empty_machine_to_a_working_community(
    kind: str, other: str, nowhere: Callable[[str], str], tmp_path: Path
) -> None:
    first, second = nowhere(kind), nowhere(other)
    machine = Terminal(tmp_path)
    code = await found(machine, first)
    street = await open_street(first, now=soon())
    await come_in(street, code)
    await bring_the_roster(machine)
    await bind_groups(street)
    await bind_people(street)
    await give_roles(street)
    await merge_and_split(street)
    await move(street)
    await leave_for_good(street)
    balances = await street.house.books.read(books_of)

    # The machine is lost, and its copy is taken up on the other kind of database.
    now, copy, passphrase = street.house.clock.now(), tmp_path / "copy.linli", "新村社区的备份口令，请另存一份"
    await asyncio.to_thread(take, first, copy, passphrase=passphrase, now=now)
    assert await street.violations() == []
    await street.house.close()
    restored = await asyncio.to_thread(restore, copy, second, passphrase=passphrase, replace=False, now=now)
    assert (restored.kept, restored.wrong) == ("", ())
    again = await open_street(second, now=now)
    assert await again.violations() == []
    assert await again.house.books.read(books_of) == balances
    assert await again.house.books.read(lambda s: found_in(s, TRACES)) == []
    await go_on(again, code)
    assert await again.violations() == []
    await again.house.close()


def soon() -> datetime:
    """Later than whatever the operator does, and well within the day for which a code holds."""
    return (WallClock().now() + timedelta(hours=2)).replace(minute=30, second=0, microsecond=0)


async def found(machine: Terminal, url: str) -> str:
    """Five questions, a community, and a code for whoever is to be its secretary."""
    code, said, complaint = await typed(machine, "init", stdin=f"新村社区\n小邻\n3\nsimulator\n{url}\n")
    assert (code, complaint) == (0, ""), said
    assert await typed(machine, "found", "新村社区", "--buildings", "3") == (
        0,
        "新村社区 建好了。请第一位书记：linli invite --role secretary --unit 社区 --community 新村社区\n",
        "",
    )
    code, findings, _ = await typed(machine, "check")
    assert (code, "正常　社区：新村社区" in findings) == (0, True), findings
    code, said, told = await typed(machine, "invite", "--role", "secretary", "--unit", "社区")
    assert (code, told.endswith(f"请本人私聊 小邻 发：邀请码 {said}")) == (0, True)
    return said.strip()


async def come_in(street: Street, code: str) -> None:
    """The first secretary is a stranger with a code, which is good once."""
    await talk(
        street,
        [
            ("fang", direct, "邀请码 AAAA-AAAA 方芳 1栋", NO_GOOD),
            ("fang", direct, f"邀请码 {code} 方芳 1栋", f"方芳，您现在是新村社区书记了。\n{STATEMENT}"),
            ("fang", direct, "同意", AGREED),
            ("thief", direct, f"邀请码 {code} 方芳 1栋", NO_GOOD),
            ("thief", direct, "审核", STRANGER),
        ],
    )


async def bring_the_roster(machine: Terminal) -> None:
    """Seen before anything is written, written once, and the second time nothing is left to write."""
    write_roster(machine.folder / "名册.xlsx")
    arguments = ("import", "名册.xlsx", "--channel", "simulator", "--all")
    _, preview, _ = await typed(machine, *arguments, "--dry-run")
    code, said, _ = await typed(machine, *arguments, "--yes")
    assert code == 0
    assert preview.removesuffix("这是预览，什么都没有写。\n") == said[: said.index("导入好了")]
    added, refused = len(PEOPLE) - 1 + CLEANED, len(DIRTY) - CLEANED
    assert said.startswith(f"名册共 {len(PEOPLE) + len(DIRTY)} 行：新增 {added}，有变化 1，没变 0，不行 {refused}。\n")
    assert said.endswith(f"导入好了：新增 {added} 人，改了 1 人，{refused} 行没有进。\n")
    lines = []
    for number, (_, cells, became) in enumerate(DIRTY):
        name = str(cells[0] or "").replace("　", "")
        between = " " if number < CLEANED else "："
        lines.append(f"  第{DIRTY_FROM + number}行{name and ' '}{name}{between}{became}{'。' * (number >= CLEANED)}")
    assert [line for line in said.splitlines() if int(re.findall(r"第(\d+)行|$", line)[0] or 0) >= DIRTY_FROM] == lines
    _, again, _ = await typed(machine, *arguments, "--yes")
    assert f"新增 0，有变化 0，没变 {added + 1}，不行 {refused}。" in again
    assert again.endswith("没有要写的。\n")


async def bind_groups(street: Street) -> None:
    bound = "本群已绑定为 {}。\n大家可以 @我 发 帮助，看看我会什么。"
    pushes = await talk(
        street,
        [
            # He stands on the roster with his account, and has not been asked yet; nor is it for him to bind a group.
            (
                "老赵",
                "3栋群",
                "@小邻 绑定群 3栋",
                "老赵，第一次用要先看一段个人信息说明，已私信您；回复 同意 后，这件事我接着办。",
            ),
            ("老赵", direct, "同意", "好的，记下了，谢谢！\n这件事要社区书记来办。您能办的事请发 帮助。"),
            *(("fang", f"{n}栋群", f"@小邻 绑定群 {n}栋", bound.format(f"{n}栋群")) for n in (1, 2, 3)),
            ("fang", "2栋群", "@小邻 绑定群 9栋", "没有找到「9栋」。楼栋请这样写：3栋；看看有哪些，请发 组织。"),
        ],
    )
    assert pushes == [Push("老赵", "老赵，您好！" + STATEMENT)]


def said(one: Sequence[str], digits: str = "") -> str:
    return f"绑定 {one[0]} {one[1]}{one[2]}{one[3]} {digits or one[4][-4:]}"


async def bind_people(street: Street) -> None:
    """Seventeen more: who can prove it is bound, who cannot is looked at by somebody, and nobody else learns anything."""
    for number, one in enumerate(RIGHT):
        await talk(street, [(f"r{number}", direct, said(one), BOUND.format(one[0], one[1] + one[2]))])
    namesakes = [one for one in PEOPLE if one[0] == "王秀英"]
    for number, one in enumerate(namesakes):
        await talk(street, [(f"w{number}", direct, said(one), BOUND.format(one[0], one[1] + one[2]))])
    pushes = await talk(
        street,
        [
            # The room of one and the phone of the other.
            ("w2", direct, said(namesakes[0], namesakes[1][4][-4:]), WRONG),
            ("路人", direct, "绑定 路人 2栋1单元101 1234", WRONG),
            ("路人", "2栋群", "@小邻 谁负责2栋", STRANGER),
            ("qianduoduo", "3栋群", "@小邻 绑定 钱多多 3栋", WISH),
            ("qianduoduo", direct, "1单元1717", ASK_DIGITS),
            ("qianduoduo", direct, "0000", WRONG),
            ("qianduoduo", direct, "6161", "请把房号和手机号后四位写在一起回复，例如 501 1234。"),
            ("qianduoduo", direct, "1单元1717 6161", BOUND.format("钱多多", "3栋1单元")),
            ("oldphone", direct, "绑定 钱夺夺 3栋1单元1719 1719", BOUND.format("钱夺夺", "3栋1单元")),
            ("何叔", direct, f"绑定 何叔 2栋302 {phone(5002)}", BOUND.format("何叔", "2栋")),
        ],
    )
    assert [push.to for push in pushes] == ["qianduoduo"]

    # Three wrong tries, and the lead of the building knows who it is.
    forgetful = next(one for one in PEOPLE if one[0] == "忘性甲")
    pushes = await talk(
        street,
        [
            ("yi", direct, said(forgetful, "0000"), WRONG),
            ("yi", direct, said(forgetful, "0001"), WRONG),
            ("yi", direct, said(forgetful, "0002"), WAITS.format("忘性甲", "3栋2单元", 14)),
            ("老赵", direct, "通过 14", "已通过 14号：忘性甲 现在是3栋2单元的居民了。"),
        ],
    )
    assert [push.to for push in pushes] == ["老赵", "忘性甲"]
    assert pushes[1] == Push("忘性甲", "忘性甲，核对好了，欢迎您！想看看我会什么，请发 帮助。")

    # Somebody says that she is the secretary, and knows where she lives.
    pushes = await talk(
        street,
        [
            ("imp", "1栋群", "@小邻 绑定 方芳 1栋", WISH),
            ("imp", direct, "1单元101", ASK_DIGITS),
            ("imp", direct, "1234", WRONG),
            ("imp", direct, "任命 方芳 社区书记", STRANGER),
            ("imp", "1栋群", "大家好，我是方芳", silence),
        ],
    )
    assert [push.to for push in pushes] == ["imp", "方芳"]
    assert "谨防冒名" in pushes[1].text

    # Those with an account from the roster are asked when they come; so is everybody else who wants something.
    above = "这位邻居的职务要由更高一级的同志来核对；不是本人请回复 驳回 加编号和理由。"
    pushes = await talk(
        street,
        [
            ("孙丽", direct, "通过 15", "孙丽，您好！" + STATEMENT),
            ("孙丽", direct, "同意", f"好的，记下了，谢谢！\n{above}"),
            ("fang", direct, "驳回 15 不是我", "已驳回 15号：方芳（不是我）。"),
            ("imp", direct, "积分", STRANGER),
            *((account, direct, "同意", AGREED) for account in ("何叔", "qianduoduo", "oldphone", "r0")),
        ],
    )
    # After one try the impostor does not even learn that somebody was asked.
    assert pushes == []
    assert await street.house.books.read(accounts) == (
        {f"r{number}": one[0] for number, one in enumerate(RIGHT)}
        | {"w0": "王秀英", "w1": "王秀英", "何叔": "何叔", "yi": "忘性甲", "qianduoduo": "钱多多", "oldphone": "钱夺夺"}
        | {"fang": "方芳", "老赵": "老赵", "孙丽": "孙丽"}
    )


def accounts(session: Session) -> dict[str, str]:
    rows = session.execute(select(Identity.external_id, Member.name).join(Member, Identity.member_id == Member.id))
    return {row.external_id: row.name for row in rows}


async def give_roles(street: Street) -> None:
    not_yours = "这个职务不归您任免，请找您的上级。"
    pushes = await talk(
        street,
        [
            ("老赵", direct, "任命 老赵 社区书记", not_yours),
            ("孙丽", direct, "任命 孙丽 社区书记", not_yours),
            ("何叔", direct, "审核", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("fang", direct, "任命 何叔 2栋 楼长", "何叔 从今天起是2栋楼长。"),
            ("何叔", direct, "审核", "现在没有等您看的事。"),
        ],
    )
    assert pushes == [Push("何叔", "方芳 任命您为2栋楼长。\n您能办的事请发 帮助。")]


async def merge_and_split(street: Street) -> None:
    """Two entries look like one person, and turn out to be two."""
    await street.say("fang", "加分 钱多多 5 修灯")
    await street.say("fang", "加分 钱夺夺 3 扫雪")
    pushes = await talk(
        street,
        [
            (
                "孙丽",
                direct,
                "合并 钱多多 钱夺夺",
                "钱多多（3栋1单元1717，5分，0次）和钱夺夺（3栋1单元1719，3分，0次）合成一个人，留下 钱多多。\n"
                "账号、职务、积分、报名都转过去，同一次活动的签到只算一次。\n确定请回复 确认，不合回复 取消。",
            ),
            ("孙丽", direct, "确认", "已合并（1号），钱多多 现有8分。\n弄错了请发 拆分 1，会照原样分开。"),
            ("oldphone", direct, "积分", POINTS.format("钱多多", 8, 8)),
            ("孙丽", direct, "撤销", "已拆开1号：钱多多 现有5分，钱夺夺 又是另外一个人了。"),
            ("oldphone", direct, "积分", POINTS.format("钱夺夺", 3, 3)),
            ("qianduoduo", direct, "积分", POINTS.format("钱多多", 5, 5)),
        ],
    )
    told = "社区把您名下的两份登记合成了一份，积分也并在一起了，您现有8分。\n不对的话请告诉社区。"
    assert pushes == [Push("钱多多", told)]


async def move(street: Street) -> None:
    await talk(
        street,
        [
            (
                "fang",
                direct,
                "改住址 钱多多 2栋2单元1818",
                "钱多多 从 3栋1单元1717 搬到 2栋2单元1818 吗？以前住哪里会留着。\n回复 确认 就改，不改回复 取消。",
            ),
            ("fang", direct, "确认", "已更正 钱多多：住址 2栋2单元1818。"),
            ("老赵", direct, "加分 钱多多 1 搬家", "钱多多 不在您负责的范围，请他所在楼栋的负责人来办。"),
        ],
    )


TRACES = re.compile(r"钱多多|钱\*多|13700006161|qianduoduo|(?<![0-9a-f])1[78]1[78](?![0-9a-f])")
"""Name, phone, account and the rooms of who leaves. Message ids are hexadecimal and mean nothing."""


async def leave_for_good(street: Street) -> None:
    """注销: of the name, the phone, the account and both rooms nothing is left in any column; the points stay."""
    held = street.house.books
    before = await held.read(books_of)
    assert len(await held.read(lambda s: found_in(s, TRACES))) > 20
    await street.say("qianduoduo", "注销")
    await talk(
        street,
        [
            (
                "qianduoduo",
                direct,
                "确认",
                "已经注销，您的姓名、手机和房号都删掉了。\n谢谢您为邻里做过的事，多保重！",
            ),
            ("qianduoduo", direct, "积分", STRANGER),
        ],
    )
    await street.until(street.house.clock.now() + timedelta(minutes=3))
    assert await held.read(lambda s: found_in(s, TRACES)) == []
    assert await held.read(books_of) == before


def books_of(session: Session) -> dict[int, int]:
    """The balance of every member that has one."""
    rows = session.execute(
        select(Balance.member_id, func.sum(Balance.amount).label("amount"))
        .where(Balance.member_id.is_not(None))
        .group_by(Balance.member_id)
    )
    return {row.member_id: int(row.amount) for row in rows}


async def go_on(street: Street, code: str) -> None:
    """Who was known is known, who was nobody is nobody, and the next point is given."""
    pushes = await talk(
        street,
        [
            ("thief", direct, f"邀请码 {code} 方芳 1栋", NO_GOOD),
            ("imp", direct, "积分", STRANGER),
            ("qianduoduo", direct, "积分", STRANGER),
            ("oldphone", direct, "积分", POINTS.format("钱夺夺", 3, 3)),
            ("何叔", direct, "审核", "现在没有等您看的事。"),
            ("w2", direct, "绑定 王秀英 2栋2单元202 2001", WRONG),
            ("fang", direct, "加分 钱夺夺 2 扫雪", "已给 钱夺夺 加2分（扫雪），现有5分。"),
            ("oldphone", "3栋群", "@小邻 积分", "已私信您。"),
        ],
    )
    assert [push.to for push in pushes] == ["钱夺夺", "钱夺夺"]
    assert pushes[1].text == POINTS.format("钱夺夺", 5, 5)
