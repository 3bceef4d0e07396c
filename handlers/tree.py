"""新建, 改名, 划归, 裁撤: a secretary changes the tree of the community in one line, with a preview.

张敏: 新建支部 第四党支部 在 党总支
小邻: 要在 锦绣社区党总支 下面新建支部「第四党支部」吗？
      新建请回复 确认，不建回复 取消。
张敏: 确认
小邻: 已在 锦绣社区党总支 下面新建 第四党支部。
      选好了人请发 任命 姓名 第四党支部 支部书记。
张敏: 改名 第四党支部 为 朝霞党支部
小邻: 要把 第四党支部 改名为「朝霞党支部」吗？
      改请回复 确认，不改回复 取消。
张敏: 确认
小邻: 已改名：第四党支部 现在叫 朝霞党支部。
"""

from datetime import datetime

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.places import read_unit
from handlers.language.slots import Kind, Slot
from models import members
from models import tree as books
from models.audit import Act
from models.members import Role, require
from models.tree import LivedIn, NameTaken, NoParent, UnitFixed, UnitInUse, WrongParent
from models.units import (
    LEADERS,
    WORDS,
    UnitClosed,
    UnitKind,
    find_unit,
    names_of_units,
    parent_of,
)

say = Texts(
    "tree",
    add_ask="新建什么？例如 新建支部 第三党支部 在 党总支",
    add_preview="要在 {parent} 下面新建{kind}「{name}」吗？\n新建请回复 确认，不建回复 取消。",
    added="已在 {parent} 下面新建 {name}。\n选好了人请发 任命 姓名 {name} {title}。",
    undone_add="已撤销：没有新建 {name}。",
    rename_preview="要把 {name} 改名为「{new}」吗？\n改请回复 确认，不改回复 取消。",
    renamed="已改名：{name} 现在叫 {new}。",
    undone_rename="已改回：还叫 {name}。",
    move_preview="要把 {name} 从 {old} 划归 {parent} 吗？下面的组织跟着一起走。\n划归请回复 确认，不划回复 取消。",
    moved="已划归：{name} 现在属于 {parent}。",
    moved_already="{name} 本来就属于 {parent}，不用再划。",
    undone_move="已改回：{name} 还属于 {parent}。",
    close_preview="要裁撤 {name} 吗？{people}历史会留着。\n裁撤请回复 确认，不撤回复 取消。",
    close_people="里面的{joined}位成员会退出，{roles}个职务会结束。",
    closed_now="已裁撤 {name}。以前的人和事都还查得到，请发 历任 {name}。",
    closed_notice="{unit} 裁撤了，您在那里的职务也一并结束。谢谢您的付出！",
    undone_close="已恢复 {name}，原来的成员和职务也都恢复了。",
    bad_name="名称要有2到30个字，只用文字和数字。请换一个再发。",
    bad_building="楼栋请写成 10栋，单元请写成 10栋3单元。",
)

router = Router(
    "tree",
    {
        NameTaken: "已经有一个「{name}」了，请换个名称。",
        WrongParent: "{name} 不能放在 {parent} 下面，请换一个上级再发。",
        NoParent: "「{name}」放在哪个组织下面？请在后面写上 在 加上级的名称。",
        UnitInUse: "{name} 里面还有人或别的组织，请先把他们安排到别处。",
        LivedIn: "{name} 还住着{residents}位邻居，请先在名册上改好住址。",
        UnitFixed: "{name} 是整个社区，不能这样改。",
        UnitClosed: "{name} 已经不是原来的样子了，改不回去。请重新发一次要改的。",
    },
)

KINDS = tuple((words[0], words[1:]) for kind, words in WORDS.items() if kind is not UnitKind.COMMUNITY)
KIND_BY_WORD = {words[0]: kind for kind, words in WORDS.items()}


def _undo_add(turn: Turn, act: Act) -> str:
    unit = books.take_back_unit(turn.session, community_id=turn.community.id, unit_id=act.row, now=turn.now)
    return say("undone_add", name=unit.name)


@router.command(
    "add_unit",
    "新建",
    "新建组织",
    "新建一个",
    slots=(
        Slot("kind", Kind.CHOICE, required=True, ask=say("add_ask"), choices=KINDS),
        Slot("text", Kind.TEXT, required=True, ask=say("add_ask")),
    ),
    role=Role.SECRETARY,
    writes=True,
    overheard=False,
    rare=True,
    usage="新建支部 第三党支部 在 党总支",
    gist="新建支部、小组、服务队、楼栋等，先预览再确认",
    undo={"add_unit": _undo_add},
)
def add_unit(turn: Turn) -> Answer:
    kind = KIND_BY_WORD[turn.slots["kind"]]
    name, _, above = turn.slots["text"].partition(" 在 ")
    name, above = name.strip(), above.strip()
    if kind in (UnitKind.BUILDING, UnitKind.DOOR):
        read = read_unit(name, 0)
        if read is None or read[1] != len(name) or ("单元" in read[0]) is not (kind is UnitKind.DOOR):
            return say("bad_building")
        building, _, door = read[0].partition("栋")
        name, above = (door, f"{building}栋") if kind is UnitKind.DOOR else (read[0], above)
    if not _is_name(name):
        return say("bad_name")
    parent = (
        find_unit(turn.session, community_id=turn.community.id, name=_spoken(turn, above))
        if above
        else books.parent_for(turn.session, community_id=turn.community.id, kind=kind, name=name)
    )
    require(turn.who, Role.SECRETARY, parent.path)
    books.check_place(turn.session, community_id=turn.community.id, kind=kind, name=name, parent=parent)
    fields = {"parent": turn.called(parent), "name": name}
    if not turn.confirmed:
        return Ask(say("add_preview", kind=turn.slots["kind"], **fields))
    unit = books.open_unit(
        turn.session, community_id=turn.community.id, by=turn.who, kind=kind, name=name, parent=parent, now=turn.now
    )
    turn.wrote("add_unit", unit.id, name=name, kind=kind, parent=parent.id)
    return say("added", parent=fields["parent"], name=turn.called(unit), title=LEADERS[kind])


def _is_name(name: str) -> bool:
    return 2 <= len(name) <= 30 and all(letter.isalnum() or letter in "·（）()-" for letter in name)


def _spoken(turn: Turn, text: str) -> str:
    """A unit's name as it was typed into free text, in the spelling of the books."""
    names = sorted(names_of_units(turn.session, turn.community.id), key=len, reverse=True)
    read = read_unit(text, 0, names)
    return read[0] if read is not None and read[1] == len(text) else text


def _without(text: str, words: tuple[str, ...]) -> str:
    """The text without the word that leads over to it: 为 朝霞党支部."""
    for word in words:
        if text.startswith(word) and text != word:
            return text.removeprefix(word).strip()
    return text.strip()


def _undo_change(turn: Turn, act: Act) -> str:
    back = books.take_back_change(
        turn.session, community_id=turn.community.id, unit_id=act.row, past_id=act.detail["past"]
    )
    if act.action == "rename_unit" or back.parent is None:
        return say("undone_rename", name=back.name)
    return say("undone_move", name=back.meanwhile.name, parent=back.parent.name)


@router.command(
    "rename_unit",
    "改名",
    slots=(
        Slot("unit", Kind.UNIT, required=True, ask="给哪个组织改名？例如 改名 第三党支部 为 朝霞党支部"),
        Slot("text", Kind.TEXT, required=True, ask="改成什么名称？例如 改名 第三党支部 为 朝霞党支部"),
    ),
    role=Role.SECRETARY,
    writes=True,
    overheard=False,
    rare=True,
    usage="改名 3栋 为 13栋",
    gist="给一个组织改名，先预览再确认",
    undo={"rename_unit": _undo_change},
)
def rename_unit(turn: Turn) -> Answer:
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"])
    new = _without(turn.slots["text"], ("改为", "改成", "为", "成", "叫"))
    if not _is_name(new):
        return say("bad_name")
    spoken = turn.called(unit)
    if not turn.confirmed:
        books.check_name(turn.session, community_id=turn.community.id, by=turn.who, unit=unit, name=new)
        return Ask(say("rename_preview", name=spoken, new=new))
    past = books.rename_unit(
        turn.session, community_id=turn.community.id, by=turn.who, unit=unit, name=new, now=turn.now
    )
    turn.wrote("rename_unit", unit.id, past=past, name=new, before=unit.name)
    return say("renamed", name=spoken, new=new)


@router.command(
    "move_unit",
    "划归",
    slots=(
        Slot("unit", Kind.UNIT, required=True, ask="划归哪个组织？例如 划归 3栋党小组 到 第二党支部"),
        Slot("text", Kind.TEXT, required=True, ask="划到哪里？例如 划归 3栋党小组 到 第二党支部"),
    ),
    role=Role.SECRETARY,
    writes=True,
    overheard=False,
    rare=True,
    usage="划归 3栋 到 第一网格",
    gist="把一个组织划到另一个下面，先预览再确认",
    undo={"move_unit": _undo_change},
)
def move_unit(turn: Turn) -> Answer:
    community_id = turn.community.id
    unit = find_unit(turn.session, community_id=community_id, name=turn.slots["unit"])
    text = _without(turn.slots["text"], ("到", "给", "归", "在"))
    parent = find_unit(turn.session, community_id=community_id, name=_spoken(turn, text))
    old = parent_of(turn.session, community_id=community_id, unit=unit)
    fields = {"name": turn.called(unit), "parent": parent.name}
    if old is None:
        raise UnitFixed(name=unit.name)
    if old.id == parent.id:
        return say("moved_already", **fields)
    if not turn.confirmed:
        books.check_move(turn.session, community_id=community_id, by=turn.who, unit=unit, parent=parent)
        return Ask(say("move_preview", old=old.name, **fields))
    past = books.move_unit(turn.session, community_id=community_id, by=turn.who, unit=unit, parent=parent, now=turn.now)
    turn.wrote("move_unit", unit.id, past=past, parent=parent.id, before=old.id)
    return say("moved", **fields)


def _undo_close(turn: Turn, act: Act) -> str:
    held = {int(key): datetime.fromisoformat(end) if end else None for key, end in act.detail["roles"].items()}
    unit = books.reopen_unit(
        turn.session, community_id=turn.community.id, unit_id=act.row, joined=act.detail["joined"], held=held
    )
    return say("undone_close", name=turn.called(unit))


@router.command(
    "close_unit",
    "裁撤",
    slots=(Slot("unit", Kind.UNIT, required=True, ask="裁撤哪个组织？例如 裁撤 第三党支部"),),
    role=Role.SECRETARY,
    writes=True,
    overheard=False,
    rare=True,
    usage="裁撤 3栋",
    gist="撤销一个组织，历史留着，先预览再确认",
    undo={"close_unit": _undo_close},
)
def close_unit(turn: Turn) -> Answer:
    community_id = turn.community.id
    unit = find_unit(turn.session, community_id=community_id, name=turn.slots["unit"])
    if unit.kind is UnitKind.COMMUNITY:
        raise UnitFixed(name=unit.name)
    require(turn.who, Role.SECRETARY, unit.path)
    name = turn.called(unit)
    if not turn.confirmed:
        inside = books.contents_of(turn.session, community_id=community_id, unit=unit, now=turn.now)
        books.require_empty(unit, inside)
        some = inside.joined or inside.roles
        people = say("close_people", joined=len(inside.joined), roles=len(inside.roles)) if some else ""
        return Ask(say("close_preview", name=name, people=people))
    held = members.roles_held(turn.session, community_id=community_id, now=turn.now, unit_id=unit.id)
    ended = books.close_unit(turn.session, community_id=community_id, by=turn.who, unit=unit, now=turn.now)
    turn.wrote(
        "close_unit",
        unit.id,
        joined=list(ended.joined),
        roles={str(role_id): until.isoformat() if until else None for role_id, until in ended.roles.items()},
    )
    for member_id in {term.member_id for term in held} - {turn.who.id}:
        turn.tell(
            member_id,
            say("closed_notice", unit=name),
            key=f"unit-closed:{turn.incoming.channel}:{turn.incoming.message_id}:{member_id}",
            expires_hours=72,
        )
    return say("closed_now", name=name)
