"""The books as files for people: the roster, the ledger, activities with their rolls, boards.

Every cell is what it says: text is text (`=HYPERLINK(` in a name is a name), a number a number, a moment a real date in
Shanghai time. Rows are written as they are read, so that two million transfers fit.
"""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import xlsxwriter
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.roster_file import COLUMNS, cells_of
from bot.sheets import guarded
from models import audit, points
from models.activities import Activity, ActivityState, SignupState, find_activity
from models.clock import at, local
from models.directory import CommunityHere
from models.duties import DutyLog, EntryState
from models.handouts import Names
from models.ledger import Currency, MonthlyTotal, SystemAccount, Transfer, TransferNote
from models.members import Member, Neighbour, Person, masked
from models.posts import Post
from models.roll import RollLine, people_now, roll_of
from models.roster import roster_lines
from models.roster.tree import read_tree

CHANNEL = "terminal"
SHEET_ROWS = 1_000_000
"""Excel takes 1,048,576; what is more goes to another sheet."""
CHUNK = 2000
"""Rows that are fetched at once."""

Cell = str | int | datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """Days in Shanghai, both included; None is open."""

    first: date | None = None
    last: date | None = None

    def narrow(self, query: Select[Any], moment: Any) -> Select[Any]:
        """The query for what lies in these days only."""
        if self.first is not None:
            query = query.where(moment >= at(self.first, 0))
        if self.last is not None:
            query = query.where(moment < at(self.last + timedelta(days=1), 0))
        return query


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and for whom."""

    what: str
    community: CommunityHere
    namespace: str
    """Whose accounts the roster shows."""
    span: Span
    by: Person | None
    operator: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. `columns` are headings with their widths in characters."""

    title: str
    columns: Sequence[tuple[str, int]]
    rows: Iterable[Sequence[Cell]]


async def write_file(books: Books, order: Order, to: Path) -> int:
    """Writes the file, readable for its owner alone, and into the audit who has it; returns the number of rows.

    Raises OSError, and leaves nothing behind then.
    """
    handle, name = tempfile.mkstemp(prefix=f".{to.name}.", suffix=".part", dir=to.parent)
    os.close(handle)
    draft = Path(name)
    try:
        write = _write_text if to.suffix.lower() == ".csv" else _write_workbook
        count = await books.read(lambda session: write(draft, KINDS[order.what](session, order)))
        await books.write(partial(_note, order=order, rows=count, file=to.name))
        os.rename(draft, to)
        return count
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _note(session: Session, *, order: Order, rows: int, file: str) -> None:
    audit.record(
        session,
        community_id=order.community.id,
        at=order.now,
        member_id=order.by.id if order.by else None,
        action=f"export_{order.what}",
        object_ref="0",
        group_id=None,
        channel=CHANNEL,
        message_id="",
        detail={"operator": order.operator, "rows": rows, "file": file},
    )


# -- files ----------------------------------------


def _write_text(path: Path, sheets: Iterable[Sheet]) -> int:
    """A text file that Excel opens without being asked for an encoding."""
    (sheet,) = sheets
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([heading for heading, _ in sheet.columns])
        for count, row in enumerate(sheet.rows, start=1):  # noqa: B007
            writer.writerow([guarded(str(cell)) for cell in row])
    return count


def _write_workbook(path: Path, sheets: Iterable[Sheet], most: int = SHEET_ROWS) -> int:
    book = xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    looks = _Looks(
        book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "text_wrap": False}),
        book.add_format({"num_format": "@"}),
        book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
    )
    with book:
        return sum(_write_sheet(book, sheet, looks, most) for sheet in sheets)


@dataclass(frozen=True, slots=True)
class _Looks:
    heading: Any
    text: Any
    moment: Any


def _write_sheet(book: Any, sheet: Sheet, looks: _Looks, most: int) -> int:
    count, page, number = 0, None, 0
    for row in sheet.rows:
        if page is None or number == most:
            page, number = _page(book, sheet, looks, count // most), 0
        count, number = count + 1, number + 1
        for column, cell in enumerate(row):
            if cell is None or cell == "":
                continue
            if isinstance(cell, str):
                page.write_string(number, column, cell, looks.text)
            elif isinstance(cell, datetime):
                # Excel knows no zones: what it shows is what people here read.
                page.write_datetime(number, column, local(cell).replace(tzinfo=None), looks.moment)
            else:
                page.write_number(number, column, cell)
    if page is None:
        _page(book, sheet, looks, 0)
    return count


def _page(book: Any, sheet: Sheet, looks: _Looks, index: int) -> Any:
    page = book.add_worksheet(sheet.title if index == 0 else f"{sheet.title} {index + 1}")
    page.freeze_panes(1, 0)
    for column, (heading, width) in enumerate(sheet.columns):
        # Cells that are filled in later, a phone among them, stay text as well.
        page.set_column(column, column, width, looks.text if sheet.title == ROSTER else None)
        page.write_string(0, column, heading, looks.heading)
    return page


# -- what is in them ----------------------------------------

ROSTER = "名册"
WIDTHS = (12, 10, 10, 10, 16, 10, 18, 24, 24, 20, 12, 18)
CURRENCIES = {
    Currency.POINTS: "积分",
    Currency.RECORDED_MINUTES: "信用时（分钟）",
    Currency.VOUCHED_MINUTES: "荣誉时（分钟）",
}
ACCOUNTS = {SystemAccount.ISSUED: "发放", SystemAccount.REDEEMED: "兑换", SystemAccount.DEDUCTED: "扣分"}
REASONS = {
    "check_in": "签到",
    "hours": "服务满时",
    "service": "服务时长",
    "duty": "履职",
    "vouched": "荣誉时",
    "vouched_hours": "荣誉时满时",
    "award": "加分",
    "deduct": "扣分",
    "appeal": "申诉",
    "undo": "撤销",
}
SIGNUPS = {
    SignupState.CONFIRMED: "已报名",
    SignupState.WAITING: "候补",
    SignupState.OFFERED: "候补，等回话",
    SignupState.ASKED: "等同意",
}
ENTRIES = {EntryState.COUNTED: "算数", EntryState.WAITING: "待确认", EntryState.REJECTED: "没通过"}
MEASURED = {True: "签到签退", False: "自报"}
STATES = {ActivityState.PUBLISHED: "已发布", ActivityState.CANCELLED: "已取消"}


def _roster(session: Session, order: Order) -> Iterator[Sheet]:
    lines = roster_lines(session, community_id=order.community.id, namespace=order.namespace, now=order.now)
    yield Sheet(ROSTER, list(zip(COLUMNS, WIDTHS, strict=True)), map(cells_of, lines))


def _ledger(session: Session, order: Order) -> Iterator[Sheet]:
    names = _names(session, order)
    query: Select[Any] = (
        select(*Transfer.__table__.c, func.coalesce(TransferNote.note, "").label("note"))
        .outerjoin(TransferNote, TransferNote.transfer_id == Transfer.id)
        .where(Transfer.community_id == order.community.id)
        .order_by(Transfer.id)
    )
    query = order.span.narrow(query, Transfer.at)

    def account(number: int) -> str:
        return ACCOUNTS[SystemAccount(number)] if number < 0 else names.get(number, str(number))

    rows = (
        (
            row.id,
            row.at,
            f"{row.month // 100}-{row.month % 100:02}",
            CURRENCIES[Currency(row.currency)],
            account(row.debit),
            account(row.credit),
            row.amount,
            REASONS.get(row.reason, row.reason),
            row.ref,
            row.note,
            names.get(row.made_by, "") if row.made_by else "",
            row.corrects,
        )
        for row in _streamed(session, query)
    )
    columns = (
        ("流水号", 10), ("时间", 17), ("计入月份", 10), ("单位", 14), ("从", 12), ("到", 12), ("数量", 8), ("事由", 10),
        ("关于", 16), ("说明", 30), ("经手人", 12), ("更正的流水号", 12),
    )  # fmt: skip
    yield Sheet("积分流水", columns, rows)


def _activities(session: Session, order: Order) -> Iterator[Sheet]:
    tree = read_tree(session, community_id=order.community.id)
    query = (
        select(Activity).where(Activity.community_id == order.community.id).order_by(Activity.starts_at, Activity.id)
    )
    query = order.span.narrow(query.with_only_columns(*Activity.__table__.c), Activity.starts_at)
    held = session.execute(query).all()
    rolls = {row.id: _roll(session, order.community.id, row.number) for row in held}
    rows = [
        (
            row.number, row.title, row.place, row.starts_at, row.ends_at, tree.title[row.unit_id], row.quota,
            row.points, STATES[ActivityState(row.state)], row.cancel_reason,
            sum(1 + line.companions for line in rolls[row.id] if line.state is SignupState.CONFIRMED),
            sum(line.stay is not None for line in rolls[row.id]),
            sum(line.stay.recorded for line in rolls[row.id] if line.stay),
            sum(line.stay.vouched for line in rolls[row.id] if line.stay),
        )
        for row in held
    ]  # fmt: skip
    columns = (
        ("编号", 8), ("活动", 20), ("地点", 16), ("开始", 17), ("结束", 17), ("组织单位", 16), ("名额", 8), ("积分", 8),
        ("状态", 10), ("取消原因", 20), ("报名人数", 10), ("签到人数", 10), *MINUTES,
    )  # fmt: skip
    yield Sheet("活动", columns, rows)
    people = ((row.number, row.title, row.starts_at, *_roll_cells(line)) for row in held for line in rolls[row.id])
    yield Sheet("名单", (("活动编号", 10), ("活动", 20), ("开始", 17), *ROLL_COLUMNS), people)


MINUTES = (("信用时（分钟）", 14), ("荣誉时（分钟）", 14))
"""Recorded and vouched minutes stand apart, and are never added together."""
ROLL_COLUMNS = (
    ("姓名", 12), ("同伴", 8), ("报名", 10), ("报名时间", 17), ("签到", 17), ("签退", 17), *MINUTES,
)  # fmt: skip


def _roll(session: Session, community_id: int, number: int) -> list[RollLine]:
    """Who signed up and who came; whoever withdrew and did not come is left out."""
    activity = find_activity(session, community_id=community_id, number=number)
    return [line for line in roll_of(session, activity=activity) if line.state is not None or line.stay is not None]


def _roll_cells(line: RollLine) -> tuple[Cell, ...]:
    stay = line.stay
    return (
        line.person.name, line.companions, SIGNUPS[line.state] if line.state else "没报名",
        line.signed_at if line.state else None, stay.came_at if stay else None, stay.left_at if stay else None,
        stay.recorded if stay else None, stay.vouched if stay else None,
    )  # fmt: skip


def roll_sheet(session: Session, *, community_id: int, number: int) -> Sheet:
    """The roll of one activity, with the numbers of its lines."""
    rows = ((line.number, *_roll_cells(line)) for line in _roll(session, community_id, number))
    return Sheet("名单", (("号", 6), *ROLL_COLUMNS), rows)


def hours_sheet(
    session: Session,
    *,
    community_id: int,
    first: int,
    last: int,
    reach: Sequence[str] = ("",),
    names: Names = Names.WHOLE,
) -> Sheet:
    """Minutes of service in the months from `first` to `last` (202611), of those who live within `reach` (unit paths).

    As the books have them: what was taken back is not in them, and who was merged is one person. Homes are for whoever
    keeps the books: with other than whole `names` they are left out.
    """
    tree = read_tree(session, community_id=community_id)
    served: dict[int, dict[str, int]] = {}
    for row in session.execute(
        select(MonthlyTotal.member_id, MonthlyTotal.currency, func.sum(MonthlyTotal.amount).label("minutes"))
        .where(
            MonthlyTotal.community_id == community_id,
            MonthlyTotal.month.between(first, last),
            MonthlyTotal.currency.in_([Currency.RECORDED_MINUTES, Currency.VOUCHED_MINUTES]),
        )
        .group_by(MonthlyTotal.member_id, MonthlyTotal.currency)
        .having(func.sum(MonthlyTotal.amount) != 0)
    ):
        served.setdefault(row.member_id, {})[row.currency] = int(row.minutes)
    people = people_now(session, community_id=community_id, member_ids=list(served))
    rows = sorted(
        (
            (_called(people[member_id], names), tree.title[people[member_id].unit_id],
             minutes.get(Currency.RECORDED_MINUTES, 0), minutes.get(Currency.VOUCHED_MINUTES, 0))
            for member_id, minutes in served.items()
            if any(people[member_id].unit_path.startswith(path) for path in reach)
        ),
        key=lambda row: (-row[2], -row[3], row[0]),
    )  # fmt: skip
    if names is not Names.WHOLE:
        return Sheet("服务时长", (("姓名", 12), *MINUTES), [(name, *minutes) for name, _, *minutes in rows])
    return Sheet("服务时长", (("姓名", 12), ("住址", 16), *MINUTES), rows)


def _called(person: Neighbour, names: Names) -> str:
    return masked(person.name) if names is not Names.WHOLE and person.hides_name else person.name


def _hours(session: Session, order: Order) -> Iterator[Sheet]:
    first = _month(order.span.first) if order.span.first else 0
    last = _month(order.span.last) if order.span.last else 999912
    yield hours_sheet(session, community_id=order.community.id, first=first, last=last)


def _month(day: date) -> int:
    return day.year * 100 + day.month


def as_workbook(sheets: Iterable[Sheet]) -> bytes:
    """The sheets as an Excel file."""
    with tempfile.TemporaryDirectory(prefix="linli-sheet-") as folder:
        path = Path(folder, "sheet.xlsx")
        _write_workbook(path, sheets)
        return path.read_bytes()


def _duties(session: Session, order: Order) -> Iterator[Sheet]:
    names = _names(session, order)
    query: Select[Any] = (
        select(*DutyLog.__table__.c, Post.number.label("post_number"), Post.title)
        .join(Post, DutyLog.post_id == Post.id)
        .where(DutyLog.community_id == order.community.id, DutyLog.undone_at.is_(None))
        .order_by(Post.number, DutyLog.done_at, DutyLog.id)
    )
    query = order.span.narrow(query, DutyLog.done_at)
    rows = (
        (
            row.post_number, row.title, row.done_at, names.get(row.member_id, str(row.member_id)), row.note,
            row.came_at, row.left_at, row.minutes or None, MEASURED[bool(row.measured)] if row.minutes else "",
            ENTRIES[EntryState(row.state)], names.get(row.decided_by, "") if row.decided_by else "", row.reason,
        )
        for row in _streamed(session, query)
    )  # fmt: skip
    columns = (
        ("岗位编号", 10), ("岗位", 18), ("时间", 17), ("姓名", 12), ("做了什么", 40), ("签到", 17), ("签退", 17),
        ("服务分钟", 10), ("时长怎么来的", 14), ("状态", 10), ("确认人", 12), ("没通过的原因", 24),
    )  # fmt: skip
    yield Sheet("履职", columns, rows)


def _boards(session: Session, order: Order) -> Iterator[Sheet]:
    tree = read_tree(session, community_id=order.community.id)
    homes = {
        row.id: tree.title[row.unit_id]
        for row in session.execute(select(Member.id, Member.unit_id).where(Member.community_id == order.community.id))
    }
    for period in ("本月", "上月", "本季", "今年", "全部"):
        months = points.months_of(period, order.now)
        board = points.whole_board(session, community_id=order.community.id, months=months, limit=SHEET_ROWS)
        rows = [
            (one.place, masked(one.name) if one.hides_name else one.name, homes.get(one.member_id, ""), one.amount)
            for one in board
        ]
        yield Sheet(f"{period}积分榜", (("名次", 8), ("姓名", 12), ("住址", 16), ("积分", 10)), rows)


def _names(session: Session, order: Order) -> dict[int, str]:
    rows = session.execute(select(Member.id, Member.name).where(Member.community_id == order.community.id))
    return {row.id: row.name for row in rows}


def _streamed(session: Session, query: Select[Any]) -> Iterable[Any]:
    return session.execute(query.execution_options(yield_per=CHUNK))


KINDS: dict[str, Callable[[Session, Order], Iterable[Sheet]]] = {
    "roster": _roster,
    "ledger": _ledger,
    "activities": _activities,
    "duties": _duties,
    "boards": _boards,
    "hours": _hours,
}
"""What can be exported."""
