"""类别: which kinds of people somebody belongs to, told by staff, and by nobody in a group.

张敏: 党员类别 李建国 流动
小邻: 记下了，李建国：双重管理、在职党员、流动党员。
      发错了请发 撤销；要去掉请发 去掉 李建国 流动党员。
张敏: 去掉李建国的流动
小邻: 已去掉，李建国：双重管理、在职党员。
张敏: 3栋独居老人有谁
小邻: 独居老人1人：3栋2单元502陈阿姨
      给他们发通知请发 广播 独居老人 加内容。
张敏（3栋群）: @小邻 类别 陈阿姨
小邻: 这件事请私聊我说：打开和我的单聊，发 类别 李建国 流动党员。
"""

import re

from handlers.chat import Answer, Ask, Router, Texts, Turn, in_few_lines
from handlers.language.slots import Kind, Slot
from models import categories as books
from models import roster
from models.audit import Act
from models.categories import (
    CategoryChanged,
    HasCategory,
    LacksCategory,
    NoCategory,
    NotInParty,
)
from models.members import KNOWN_CATEGORIES, Role
from models.members.categories import LENGTH, canonical
from models.privacy import Private, looked
from models.roster import Listed
from models.units import called, covers, find_unit

say = Texts(
    "categories",
    given="记下了，{name}：{names}。\n发错了请发 撤销；要去掉请发 去掉 {name} {category}。",
    replaced="记下了，{name}：{names}（不再是{before}）。\n发错了请发 撤销。",
    taken="已去掉，{name}：{names}。",
    theirs="{name}：{names}。\n要改请发 类别 {name} 加类别，要去掉请发 去掉 {name} 加类别。",
    theirs_none="{name}：还没有类别。\n要加请发 类别 {name} 加类别，例如 独居老人。",
    none="没有类别",
    confirm_new="还没有「{category}」这个类别。要新建，并给 {name} 加上吗？\n"
    "只有社区工作人员和本人看得到。回复 确认 就加，不加回复 取消。",
    people="{category}{count}人：{names}{more}\n给他们发通知请发 广播 {category} 加内容。",
    more="等",
    nobody="您负责的范围里没有{category}。\n要加请发 类别 加姓名和类别，例如 类别 李建国 流动党员。",
    every="您负责的范围里：{names}。\n看一类有谁请发 {first}名单。",
    every_none="还没有给谁记类别。\n要加请发 类别 李建国 流动党员；名册里加一列 类别 也行。",
    one="{category}{count}人",
    which="叫 {name} 的有{count}位，是哪一位？请回复数字：\n{choices}",
    choice="{number}. {home}",
    too_many="叫 {name} 的有{count}位，请在名册里给 TA 加类别。",
    undone_given="已撤销，{name} 不是{category}了。",
    undone_taken="已撤销，{name} 还是{category}。",
)

router = Router(
    "categories",
    {
        NoCategory: "「{name}」不能当类别。请写二到{most}个字，例如 流动党员、独居老人。",
        NotInParty: "{name} 的政治面貌不是党员，不能是{category}。\n是党员请先发 更正 {name} 党员。",
        HasCategory: "{name} 已经是{category}了。",
        LacksCategory: "{name} 本来就不是{category}。看有哪些请发 类别 {name}。",
        CategoryChanged: "{name} 的类别后来又改过，撤销不了。要改请发 类别 {name}。",
    },
)

CHOICES = 9
"""Namesakes that one question offers."""
NAMED = 20
"""People in one list."""
_BETWEEN = re.compile(r"[、,， ]+")


def _undo_give(turn: Turn, act: Act) -> str:
    name, category = books.undo_give(
        turn.session, community_id=turn.community.id, row_id=act.row, replaced=act.detail["replaced"]
    )
    return say("undone_given", name=name, category=category)


@router.command(
    "category", "类别", "党员类别", "居民类别", "人员类别", "加类别",
    slots=(
        Slot("category", Kind.CATEGORY),
        Slot("name", Kind.PERSON, required=True, unless="category", ask="谁的类别？例如 类别 李建国"),
        Slot("words", Kind.TEXT),
    ),
    fillers=("的", "是", "加", "设为", "改为", "改成", "为"),
    role=Role.STAFF, direct=True, writes=True, overheard=False, confidential=True, rare=True,
    usage="类别 李建国 流动党员", gist="党员怎么管理，谁独居、谁是低保；看一个人发 类别 李建国",
    undo={"give_category": _undo_give},
)  # fmt: skip
def category(turn: Turn) -> Answer:
    if "name" not in turn.slots:
        return _people(turn, turn.slots["category"], "")
    member = _whom(turn)
    if not isinstance(member, Listed):
        return member
    wanted = _wanted(turn)
    if not wanted:
        return _theirs(turn, member)
    known = {*KNOWN_CATEGORIES, *books.own_words(turn.session, community_id=turn.community.id)}
    strange = next((one for one in wanted if one not in known), None)
    if strange is not None and not turn.confirmed:
        return Ask(say("confirm_new", category=strange, name=member.name))
    before: list[str] = []
    for one in wanted:
        given = books.give(
            turn.session,
            community_id=turn.community.id,
            member_id=member.id,
            name=member.name,
            standing=member.standing,
            category=one,
            by=turn.who.id,
            now=turn.now,
        )
        turn.wrote("give_category", given.id, replaced=list(given.replaced.values()))
        before += given.replaced
    names = _names(turn, member)
    if before:
        return say("replaced", name=member.name, names=names, before="、".join(before))
    return say("given", name=member.name, names=names, category=wanted[-1])


def _wanted(turn: Turn) -> list[str]:
    """The categories that are named, in their own words. Raises NoCategory."""
    words = [word for word in _BETWEEN.split(turn.slots.get("words", "")) if word]
    found = [turn.slots["category"]] if "category" in turn.slots else []
    for word in words:
        name = canonical(word)
        if name is None:
            raise NoCategory(name=word, most=LENGTH)
        found.append(name)
    return list(dict.fromkeys(found))


def _names(turn: Turn, member: Listed) -> str:
    theirs = books.categories_of(turn.session, community_id=turn.community.id, member_ids=[member.id])
    return "、".join(theirs) or say("none")


def _theirs(turn: Turn, member: Listed) -> str:
    _looked(turn, [member.id])
    names = _names(turn, member)
    return say("theirs_none" if names == say("none") else "theirs", name=member.name, names=names)


def _looked(turn: Turn, members: list[int]) -> None:
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.CATEGORY],
        now=turn.now,
        members=members,
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )


def _whom(turn: Turn) -> Listed | Answer:
    """The person who is meant, or the question which of several."""
    if "member" in turn.slots:
        return roster.listed_by_id(turn.session, by=turn.who, member_id=turn.slots["member"])
    name = turn.who.name if turn.slots["name"] == "self" else turn.slots["name"]
    found = roster.find_listed(turn.session, by=turn.who, name=name)
    if len(found) == 1:
        turn.slots["member"] = found[0].id
        return found[0]
    if len(found) > CHOICES:
        return say("too_many", name=name, count=len(found))
    homes = [say("choice", number=number, home=one.home + one.room) for number, one in enumerate(found, 1)]
    question = say("which", name=name, count=len(found), choices=in_few_lines(homes, 3))
    return Ask(question, slot="member", options=tuple(one.id for one in found))


# -- who is of one ----------------------------------------


def _reach(turn: Turn) -> list[str]:
    """The unit paths of which this person may know everybody's categories."""
    return [held.path for held in turn.who.held if held.role.rank >= Role.STAFF.rank]


@router.command(
    "list_categories", "类别列表", "有哪些类别", "类别统计",
    role=Role.STAFF, direct=True, overheard=False, rare=True,
    usage="类别列表", gist="每一类各有多少人",
)  # fmt: skip
def list_categories(turn: Turn) -> Answer:
    counts = books.head_counts(turn.session, community_id=turn.community.id, paths=_reach(turn))
    if not counts:
        return say("every_none")
    names = "、".join(say("one", category=name, count=count) for name, count in counts.items())
    return say("every", names=names, first=next(iter(counts)))


def _people(turn: Turn, name: str, within: str) -> str:
    found = [
        one
        for one in books.people_of(turn.session, community_id=turn.community.id, name=name, paths=_reach(turn))
        if covers(within, one.neighbour.unit_path)
    ]
    if not found:
        return say("nobody", category=name)
    _looked(turn, [one.neighbour.id for one in found])
    homes = [
        called(turn.session, community_id=turn.community.id, unit_id=one.neighbour.unit_id) + one.room
        for one in found[:NAMED]
    ]
    names = "，".join(home + one.neighbour.name for home, one in zip(homes, found, strict=False))
    more = say("more") if len(found) > NAMED else ""
    return say("people", category=name, count=len(found), names=names, more=more)


@router.command(
    "category_people", "类别名单",
    slots=(Slot("category", Kind.CATEGORY, required=True, ask="看哪一类？例如 流动党员名单"), Slot("unit", Kind.UNIT)),
    cues=KNOWN_CATEGORIES, asks=True,
    fillers=("的", "都", "有", "有哪些", "哪些", "有谁", "谁是", "是谁", "有几个", "几个", "有多少", "多少", "有几户",
        "人", "户", "名单", "哪些人", "哪几个", "哪几位", "查一下", "查", "列一下", "看看", "看一下", "看", "我们",
        "社区", "小区"),
    role=Role.STAFF, direct=True, writes=True, overheard=False, confidential=True, rare=True,
    usage="类别名单 流动党员", gist="一类人有谁，住哪里",
)  # fmt: skip
def category_people(turn: Turn) -> Answer:
    within = ""
    if "unit" in turn.slots:
        within = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"]).path
    return _people(turn, turn.slots["category"], within)


# -- no more ----------------------------------------


def _undo_take(turn: Turn, act: Act) -> str:
    name, category = books.undo_take(turn.session, community_id=turn.community.id, row_id=act.row)
    return say("undone_taken", name=name, category=category)


@router.command(
    "drop_category", "去掉类别", "去掉", "取消类别", "移除类别", "不再是",
    slots=(
        Slot("category", Kind.CATEGORY, required=True, ask="去掉哪一类？例如 去掉 李建国 流动党员"),
        Slot("name", Kind.PERSON, required=True, ask="去掉谁的？例如 去掉 李建国 流动党员"),
    ),
    fillers=("的", "了", "类别"),
    role=Role.STAFF, direct=True, writes=True, overheard=False, confidential=True, bare=False, rare=True,
    usage="去掉 李建国 流动党员", gist="一个人不再是那一类",
    undo={"take_category": _undo_take},
)  # fmt: skip
def drop_category(turn: Turn) -> Answer:
    member = _whom(turn)
    if not isinstance(member, Listed):
        return member
    row_id = books.take(
        turn.session,
        community_id=turn.community.id,
        member_id=member.id,
        name=member.name,
        category=turn.slots["category"],
        by=turn.who.id,
        now=turn.now,
    )
    turn.wrote("take_category", row_id)
    return say("taken", name=member.name, names=_names(turn, member))
