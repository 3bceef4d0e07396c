"""A roster as a file: which column is which, what its cells mean, and how it is written so that it can be read again.

Read here: dirty lists as communities have them. Every row becomes an entry, or a sentence that says what is wrong with
it; one bad row keeps no other one out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from bot.sheets import Day, Formula, Row, Unreadable
from handlers.language import particulars
from handlers.language.births import read_birth, spoken_birth
from handlers.language.particulars import Address, plain
from models.clock import day_of
from models.members import Role, Standing
from models.members.categories import KNOWN, LENGTH, OF_THE_PARTY, canonical, excluded_by
from models.roster import Entry, Holding, Line, Place, Tree, Wanted

NAME, BUILDING, DOOR, ROOM, PHONE, STANDING, ROLE, UNIT, ACCOUNT, BASIS, BORN, CATEGORY = COLUMNS = (
    "姓名", "楼栋", "单元", "房号", "手机", "政治面貌", "角色", "所属组织", "企业微信账号", "登记依据",
    "出生年份", "类别",
)  # fmt: skip
ADDRESS, PARTY = "住址", "党员"
"""Columns that lists have in the place of others: the whole home in one, and a tick for party members."""

SYNONYMS = {
    NAME: ("名字", "居民姓名", "户主姓名", "人员姓名", "姓 名", "成员姓名", "name"),
    BUILDING: ("楼号", "栋", "栋号", "楼栋号", "幢", "幢号", "楼", "楼幢", "楼宇", "座", "building"),
    DOOR: ("单元号", "单元门", "门栋", "门洞", "梯", "unit"),
    ROOM: ("房间号", "房间", "室", "室号", "门牌", "门牌号", "户号", "房屋号", "房屋编号", "room"),
    PHONE: ("手机号", "手机号码", "电话", "电话号码", "联系电话", "联系方式", "移动电话", "phone", "mobile"),
    STANDING: ("面貌", "政治身份"),
    ROLE: ("身份", "职务", "身份类别", "身份/类别", "社区职务", "role"),
    UNIT: ("所在组织", "所属支部", "所在支部", "党组织", "所属党组织", "所在党支部", "支部", "组织"),
    CATEGORY: ("人员类别", "党员类别", "居民类别", "管理类别", "四类管理", "分类教育", "特殊人群", "标签"),
    ACCOUNT: ("userid", "账号", "帐号", "企微账号", "企业微信帐号", "企业微信userid", "企业微信id", "成员userid"),
    BASIS: ("依据", "登记来源", "来源", "信息来源"),
    BORN: ("出生年", "出生年月", "出生日期", "出生年月日", "生日", "年龄", "年龄段", "岁数"),
    ADDRESS: ("地址", "家庭住址", "居住地址", "详细地址", "现住址", "房屋地址", "楼栋单元房号", "楼栋房号", "address"),
    PARTY: ("是否党员", "党员(是/否)", "中共党员"),
}
UNUSED = frozenset(("序号", "编号", "no", "no.", "#", ""))
"""Columns that hold nothing to be missed."""
HEADER_ROWS = 30
"""Rows in which the header is looked for: titles and remarks stand above it."""
TOTALS = frozenset(("合计", "总计", "共计", "小计", "总数"))
"""What stands in a row under a list that is nobody's."""
NAME_LENGTH, ROOM_LENGTH, BASIS_LENGTH, ACCOUNT_LENGTH = 40, 20, 120, 200

ROLES = {
    Role.RESIDENT: ("居民", "业主", "租户", "租客", "户主", "家属", "住户", "常住居民", "群众", "志愿者"),
    Role.MEMBER: ("党员", "中共党员", "在职党员", "预备党员"),
    Role.PROPERTY: ("物业", "物业人员", "物业员工", "物业工作人员", "物业经理"),
    Role.OWNERS_COMMITTEE: ("业委会", "业委会成员", "业委会委员", "业委会主任"),
    Role.BUILDING_LEAD: ("楼长", "楼栋长", "楼门长", "栋长"),
    Role.GROUP_LEADER: ("党小组长", "小组长", "党小组组长"),
    Role.BRANCH_SECRETARY: ("支部书记", "党支部书记"),
    Role.STAFF: ("社工", "网格员", "社区工作者", "社区工作人员", "工作人员", "网格长"),
    Role.SECRETARY: ("社区书记", "书记", "党委书记", "党总支书记"),
    Role.ADMIN: ("管理员",),
}
"""The words for each role; the first is written."""
ROLE_OF = {word: role for role, words in ROLES.items() for word in words}
STANDINGS = {Standing.RESIDENT: "群众", Standing.PARTY_MEMBER: "党员"}
YES = frozenset(("是", "√", "✓", "✔", "v", "y", "yes", "1", "党员", "中共党员", "预备党员", "有"))
NO = frozenset(("否", "×", "✗", "x", "n", "no", "0", "群众", "无", "不是", "-", "/"))

_SEPARATOR = re.compile(r"[、,;,/]\s*")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that says something nobody can take."""

    line: int
    name: str
    why: str


@dataclass(slots=True)
class Listing:
    """What a file holds."""

    entries: list[Entry] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """Headings of columns that mean nothing here."""


class _Bad(Exception):
    """A cell that cannot be taken; its text says why."""


# -- reading ----------------------------------------


def read_listing(rows: Sequence[Row], *, tree: Tree, lower_accounts: bool, year: int) -> Listing:
    """The people of a list; `tree` has the units as they are called here.

    `lower_accounts`: the accounts mean the same in any letter case. Ages are those of `year`. Raises Unreadable.
    """
    at, header = _header(rows)
    found = Listing(unused=[text for text in map(plain, rows[at].cells) if _column(text) is None and not _idle(text)])
    for row in rows[at + 1 :]:
        cells = _by_column(header, row)
        if not cells or _is_nobody(cells, row):
            continue
        name = _squeezed(cells.get(NAME, ""))
        try:
            found.entries.append(_entry(row.number, cells, tree, lower_accounts, year))
        except _Bad as bad:
            found.bad.append(BadRow(row.number, "" if isinstance(cells.get(NAME, ""), Formula) else name, str(bad)))
    return found


def _header(rows: Sequence[Row]) -> tuple[int, list[str | None]]:
    """The row that names the columns, and what each column is."""
    for at, row in enumerate(rows[:HEADER_ROWS]):
        columns = [_column(plain(cell)) for cell in row.cells]
        if NAME in columns:
            return at, columns
    if not rows:
        raise Unreadable("这个文件是空的。")
    raise Unreadable(f"没有找到表头。请让一行写着：{'、'.join(COLUMNS)}（至少要有姓名）。")


@lru_cache(maxsize=1024)
def _column(text: str) -> str | None:
    return _COLUMN_OF.get(_heading(text))


def _heading(text: str) -> str:
    """A heading without its ornaments: `*姓名（必填）`."""
    text = re.sub(r"\((?:必填|选填|可选|可不填|必选)[^)]*\)", "", text.lower())
    return re.sub(r"[\s*:]", "", text)


_COLUMN_OF = {_heading(word): column for column, words in SYNONYMS.items() for word in (column, *words)}


def _idle(text: str) -> bool:
    return _heading(text) in UNUSED


def _by_column(header: Sequence[str | None], row: Row) -> dict[str, str]:
    """The cells that hold something, by their columns; of two columns of a kind the first that does."""
    cells: dict[str, str] = {}
    for column, cell in zip(header, row.cells, strict=False):
        if column is not None and cell and cell.strip(" \t\r\n\u3000\ufeff\xa0"):
            cells.setdefault(column, cell)
    return cells


def _is_nobody(cells: dict[str, str], row: Row) -> bool:
    """Totals under a list, and the heading that printed lists repeat on every page."""
    first = next((cell for cell in row.cells if cell), "")
    return any(
        text in TOTALS or _column(text) == NAME for text in (plain(first).rstrip(":"), plain(cells.get(NAME, "")))
    )


def _entry(line: int, cells: dict[str, str], tree: Tree, lower_accounts: bool, year: int) -> Entry:
    for column, cell in cells.items():
        if isinstance(cell, Formula):
            raise _Bad(f"{column}是公式，没有算出来的结果。请复制后“选择性粘贴”为数值")
        if isinstance(cell, Day) and column in (BUILDING, DOOR, ROOM, ADDRESS):
            raise _Bad(f"{column}被 Excel 变成了日期（{cell}），请把这一格改成文本再填")
    text = {column: plain(cell) for column, cell in cells.items()}
    place, is_plain, room = _home(text, tree)
    standing = _standing(text)
    words, categories = _categories(text)
    roles = _roles(text, words, tree)
    of_the_party = next((one for one in categories if one in OF_THE_PARTY), "")
    if of_the_party and standing is Standing.RESIDENT:
        raise _Bad(f"类别是{of_the_party}，政治面貌却不是党员")
    if standing is None and (of_the_party or any(one.role is Role.MEMBER for one in roles)):
        standing = Standing.PARTY_MEMBER
    return Entry(
        line=line,
        name=_name(text.get(NAME, "")),
        place=place,
        plain=is_plain,
        room=room,
        phone=_phone(text.get(PHONE, "")),
        standing=standing,
        # To be a resident, or a party member, without saying where is no role.
        roles=tuple(one for one in roles if one.unit or one.role not in (None, Role.RESIDENT, Role.MEMBER)),
        accounts=_accounts(text.get(ACCOUNT, ""), lower_accounts),
        categories=categories,
        basis=_short(" ".join(cells.get(BASIS, "").split()), BASIS, BASIS_LENGTH),
        born=_born(text.get(BORN, ""), year),
    )


def _squeezed(cell: str) -> str:
    return plain(cell).replace(" ", "")


def _short(text: str, column: str, most: int) -> str:
    if len(text) > most:
        raise _Bad(f"{column}太长（{len(text)}个字，最多{most}个）")
    return text


def _born(text: str, year: int) -> str:
    if not text:
        return ""
    born = read_birth(text, year)
    if born is None:
        raise _Bad(f"出生年份“{text[:20]}”看不懂，请写成 1950 或 70-79岁")
    return born


_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af·]")


def _name(text: str) -> str:
    text = re.sub(r"[•・.．](?=[\u3400-\u9fff])", "·", text)
    if _HAN.search(text):
        # 张 三 is written so in columns.
        text = text.replace(" ", "")
    if not text:
        raise _Bad("没有姓名")
    if text[0].isdigit() or not any(character.isalpha() for character in text):
        raise _Bad(f"姓名“{text[:20]}”不像姓名")
    return _short(text, NAME, NAME_LENGTH)


_EXPONENT = re.compile(r"(?P<first>[0-9])(?:\.(?P<rest>[0-9]+))?e\+?(?P<power>[0-9]{1,2})", re.IGNORECASE)


def _phone(text: str) -> str:
    if not text:
        return ""
    text = re.sub(r"(?<=[0-9])\.0+$", "", text)
    if match := _EXPONENT.fullmatch(text):
        digits, power = match["first"] + (match["rest"] or ""), int(match["power"])
        if len(digits) != power + 1:
            raise _Bad(f"手机被 Excel 写成了 {text}，后面几位丢了。请把那一列改成文本，重新填")
        text = digits
    phone = particulars.read_phone(text)
    if phone is None:
        raise _Bad(f"手机“{text[:20]}”不是一个电话号码")
    return phone


def _home(text: dict[str, str], tree: Tree) -> tuple[Place, bool, str]:
    """The home of a row, whether it could be made where it is missing, and the room.

    Columns of their own come before the address; each may hold the whole address, as lists have it.
    """
    whole = _address(text.get(ADDRESS, ""), ADDRESS) or Address("")
    building, door, room = (text.get(column, "") for column in (BUILDING, DOOR, ROOM))
    strange = building and tree.find(building) is None and particulars.read_building(building) is None
    if strange and (found := particulars.read_address(building)):
        whole, building = found, ""
    if room and not building and (found := particulars.read_address(room)) and found.room:
        whole, room = found, ""
    named = building if building and tree.find(building) else particulars.read_building(building) or building
    named = named or whole.building
    entrance = door if named and door and tree.home(Place(named, door)) else particulars.read_door(door) or door
    place = Place(named, entrance or whole.door)
    room = _short(particulars.read_room_cell(room) or room, ROOM, ROOM_LENGTH) or whole.room
    if not place.building and (place.door or room):
        raise _Bad(f"写了{place.door or room}，没写楼栋")
    return place, _is_plain(building, particulars.read_building) and _is_plain(door, particulars.read_door), room


def _is_plain(text: str, read: Callable[[str], str | None]) -> bool:
    return not text or read(text) is not None


def _address(text: str, column: str) -> Address | None:
    if not text:
        return None
    found = particulars.read_address(text) or particulars.read_address(_after_estate(text))
    if found is None:
        raise _Bad(f"{column}“{text[:30]}”看不懂，请写成 3栋2单元501")
    return found


def _after_estate(text: str) -> str:
    """锦绣小区3栋2单元501: the name of the estate tells nothing here."""
    return re.sub(r"^.*?(?:小区|社区|花园|家园|苑|院|城|路[0-9]+号)(?=[0-9一二三四五六七八九十A-Za-z第])", "", text)


def _standing(text: dict[str, str]) -> Standing | None:
    ticked = text.get(PARTY, "").lower()
    if ticked and ticked not in YES | NO:
        raise _Bad(f"党员一栏“{ticked[:20]}”看不懂，请写 是 或 否")
    said = text.get(STANDING, "")
    if not said:
        return (Standing.PARTY_MEMBER if ticked in YES else Standing.RESIDENT) if ticked else None
    standing = particulars.read_standing(said)
    if standing is None and said not in NO:
        raise _Bad(f"政治面貌“{said[:20]}”不认识，请写 党员 或 群众")
    return standing or Standing.RESIDENT


def _as_home(unit: str) -> str:
    """三号楼 as 3栋, and what is no home as it is."""
    found = particulars.read_address(unit)
    return f"{found.building}{found.door}" if found and not found.room else unit


_TERM = re.compile(r"\((?:任期)?[至到](?P<day>[0-9]{4}-[0-9]{1,2}-[0-9]{1,2})\)")


def _categories(text: dict[str, str]) -> tuple[list[str], tuple[str, ...]]:
    """Roles and categories of the column for categories: lists have both in it."""
    roles: list[str] = []
    categories: dict[str, None] = {}
    for word in filter(None, map(str.strip, _SEPARATOR.split(text.get(CATEGORY, "")))):
        name = canonical(word)
        if name not in KNOWN and _TERM.sub("", word).strip() in ROLE_OF:
            roles.append(word)
        elif name is None:
            raise _Bad(f"类别“{word[:20]}”不行，请写二到{LENGTH}个字，例如 流动党员")
        else:
            categories[name] = None
    for name in categories:
        if other := next((other for other in excluded_by(name) if other in categories), ""):
            raise _Bad(f"类别{name}和{other}只能有一个")
    return roles, tuple(categories)


def _roles(text: dict[str, str], also: Sequence[str], tree: Tree) -> list[Wanted]:
    """Roles and what they hold for stand side by side in their two columns: `楼长、党员`, `3栋、第一党支部`."""
    units = [one for one in re.split(r"[、,;]\s*", text.get(UNIT, "")) if one]
    roles = [_role(one) for one in (*_SEPARATOR.split(text.get(ROLE, "")), *also) if one]
    units = [unit if tree.find(unit) else _as_home(unit) for unit in units]
    if not roles:
        return [Wanted(None, unit) for unit in units]
    if len(units) == 1:
        units *= len(roles)
    if units and len(units) != len(roles):
        raise _Bad(f"角色有{len(roles)}个，所属组织有{len(units)}个，对不上")
    return [Wanted(role, unit, until) for (role, until), unit in zip(roles, units or [""] * len(roles), strict=True)]


def _role(word: str) -> tuple[Role, date | None]:
    until = None
    if match := _TERM.search(word):
        try:
            until = date(*map(int, match["day"].split("-")))
        except ValueError:
            raise _Bad(f"任期“{match['day']}”不是一个日子") from None
        word = _TERM.sub("", word)
    role = ROLE_OF.get(word.strip())
    if role is None:
        raise _Bad(f"角色“{word[:20]}”不认识，可以写 {'、'.join(words[0] for words in ROLES.values())}")
    return role, until


def _accounts(text: str, lower: bool) -> tuple[str, ...]:
    accounts = tuple(dict.fromkeys(one for one in re.split(r"[、,;\s]+", text.lower() if lower else text) if one))
    for account in accounts:
        _short(account, ACCOUNT, ACCOUNT_LENGTH)
    return accounts


# -- writing ----------------------------------------


def cells_of(line: Line) -> tuple[str, ...]:
    """A person in the columns of a roster, as `read_listing` reads them."""
    return (
        line.name,
        line.place.building,
        line.place.door,
        line.room,
        line.phone,
        STANDINGS[line.standing],
        "、".join(map(_spoken_role, line.roles)),
        "、".join(role.unit for role in line.roles),
        "、".join(line.accounts),
        line.basis,
        spoken_birth(line.born),
        "、".join(line.categories),
    )


def _spoken_role(holding: Holding) -> str:
    if holding.until is None:
        return ROLES[holding.role][0]
    # A term ends with its last day.
    return f"{ROLES[holding.role][0]}(至{day_of(holding.until - timedelta(microseconds=1)).isoformat()})"
