"""名册: one person written down, corrected, moved, gone and back, in a line; a whole list is the operator's to import.

张敏: 登记居民 李四 3栋2单元501 13800001234 党员
小邻: 已登记 李四：3栋2单元501，手机 13800001234，党员。
      写错了请发 撤销；本人发 绑定 李四 3栋 就能用我了。
张敏: 更正 李四 手机 13900001234
小邻: 已更正 李四：手机 13900001234。
张敏: 改住址 李四 5栋1单元301
小邻: 李四 从 3栋2单元501 搬到 5栋1单元301 吗？以前住哪里会留着。
      回复 确认 就改，不改回复 取消。
张敏: 确认
小邻: 已更正 李四：住址 5栋1单元301。
张敏: 迁出 李四
小邻: 李四（5栋1单元301）迁出吗？迁出后不能再用我，积分和记录都留着。
      回复 确认 就办，不办回复 取消。
张敏: 确认
小邻: 李四 已迁出。回来了请发 迁回 李四。
张敏（3栋群）: @小邻 登记居民 王五 3栋1单元201 13700001111
小邻: 房号和手机不要发在群里，请私聊我再说一遍。
      群里那一条，请您撤回。
"""

from handlers.chat import Answer, Ask, Router, Texts, Turn, in_few_lines
from handlers.language.births import read_birth, spoken_birth
from handlers.language.particulars import Particulars, read_particulars
from handlers.language.slots import Kind, Slot
from handlers.shared.posts import tell_post_left, tell_resumed
from models import posts, roster
from models.audit import Act
from models.clock import day_of
from models.members import AboveOneself, BeyondReach, NoSuchMember, Role, Standing
from models.roster import (
    Listed,
    ListedAlready,
    LivesHere,
    NotHere,
    NothingToCorrect,
    WrittenSince,
)
from models.units import UnitHere, called, find_unit, unit_by_id

say = Texts(
    "roster",
    listed="已登记 {name}：{told}。\n写错了请发 撤销；本人发 绑定 {name} {building} 就能用我了。",
    confirm_namesake="{home}已经有{count}位 {name} 了，要再登记一位吗？\n是另一位就回复 确认，不是回复 取消。",
    corrected="已更正 {name}：{told}。",
    confirm_name="要把 {name} 的姓名改成 {new} 吗？回复 确认 就改，不改回复 取消。",
    confirm_move="{name} 从 {before} 搬到 {after} 吗？以前住哪里会留着。\n回复 确认 就改，不改回复 取消。",
    confirm_out="{name}（{home}）迁出吗？迁出后不能再用我，积分和记录都留着。\n回复 确认 就办，不办回复 取消。",
    because_gone="（搬走了）",
    gone="{name} 已迁出。回来了请发 迁回 {name}。",
    back="{name} 已迁回，住 {home}。",
    which="叫 {name} 的有{count}位，是哪一位？请回复数字：\n{choices}",
    choice="{number}. {home}",
    which_privately="叫 {name} 的有{count}位，在群里分不开，请私聊我说。",
    too_many="叫 {name} 的有{count}位，请写上楼栋，例如 3栋{name}。",
    private="房号和手机不要发在群里，请私聊我再说一遍。\n群里那一条，请您撤回。",
    unclear="没有看懂要写什么，请这样说：{usage}",
    no_home="请写上住在哪里，例如 {usage}",
    told_phone="手机 {phone}",
    told_name="姓名 {name}",
    told_home="住址 {home}",
    told_room="房号 {room}",
    told_party_member="党员",
    told_resident="群众",
    told_born="出生年份 {born}",
    told_no_birth="出生年份不留",
    unclear_birth="出生年份没看懂，请写成 1950 或 70多岁，例如 更正 李四 出生年份 1950",
    basis="{name}登记",
    undone_listed="已撤销 {name} 的登记。",
    undone_corrected="已撤销，{name} 的资料和原来一样。",
    undone_gone="已撤销，{name} 没有迁出。",
    undone_back="已撤销，{name} 还是迁出。",
)

router = Router(
    "roster",
    {
        ListedAlready: "{name} 已经在名册上了，要改请发 更正 {name} 加新的内容。",
        NothingToCorrect: "名册上 {name} 本来就是这样，不用改。",
        NotHere: "{name} 已经迁出。回来了请先发 迁回 {name}。",
        LivesHere: "{name} 没有迁出，不用迁回。",
        WrittenSince: "{name} 的资料后来又有变动，撤销不了，请用 更正 来改。",
        AboveOneself: "这一位的职务在您之上，请社区书记来改。",
        BeyondReach: "那里不在您负责的范围，请那里的负责人来办。",
        NoSuchMember: "您负责的范围里没有找到 {name}，请核对姓名。",
    },
)

CHOICES = 9
"""Namesakes that one question offers."""


# -- on the roster ----------------------------------------


def _undo_list(turn: Turn, act: Act) -> str:
    name = roster.unlist_person(turn.session, community_id=turn.community.id, member_id=act.row, now=turn.now)
    return say("undone_listed", name=name)


@router.command(
    "list_person",
    "登记居民",
    "新增居民",
    "添加居民",
    "录入居民",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="登记谁？例如 登记居民 李四 3栋2单元501 13800001234 党员"),
        Slot("place", Kind.UNIT),
        Slot("particulars", Kind.TEXT),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    confidential=True,
    usage="登记居民 李四 3栋2单元501 13800001234 党员",
    gist="把一个人写进名册，请私聊说",
    undo={"list_person": _undo_list},
)
def list_person(turn: Turn) -> Answer:
    said = _said(turn)
    if turn.group and said.private:
        return say("private")
    if said.rest or said.name:
        return say("unclear", usage=turn.command.usage)
    if said.unit is None:
        return say("no_home", usage=turn.command.usage)
    born = _born(turn, said)
    if born is None:
        return say("unclear_birth")
    name, unit = turn.slots["name"], find_unit(turn.session, community_id=turn.community.id, name=said.unit)
    alike = roster.namesakes(turn.session, community_id=turn.community.id, name=name, path=unit.path)
    if alike and not turn.confirmed and all(one.room != (said.room or "") for one in alike):
        return Ask(
            say("confirm_namesake", home=said.unit, count=len(alike), name=alike[0].shown if turn.group else name)
        )
    member_id = roster.list_person(
        turn.session,
        by=turn.who,
        name=name,
        unit=unit,
        room=said.room or "",
        phone=said.phone or "",
        standing=said.standing or Standing.RESIDENT,
        basis=say("basis", name=turn.who.name),
        born=born,
        now=turn.now,
    )
    turn.wrote("list_person", member_id)
    home = said.unit + (said.room or "")
    told = [home, *_told(Particulars(phone=said.phone, standing=said.standing, born=said.born), born)]
    return say("listed", name=name, told="，".join(told), building=said.unit.split("栋")[0] + "栋")


# -- told otherwise ----------------------------------------


def _undo_correct(turn: Turn, act: Act) -> str:
    name = roster.uncorrect_person(
        turn.session,
        community_id=turn.community.id,
        member_id=act.row,
        before=act.detail["before"],
        after=act.detail["after"],
        at=act.at,
    )
    return say("undone_corrected", name=name)


@router.command(
    "correct_person",
    "更正",
    "改名册",
    "更正居民",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="更正谁？例如 更正 李四 手机 13900001234"),
        Slot("particulars", Kind.TEXT, required=True, ask="改什么？例如 更正 李四 手机 13900001234"),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    confidential=True,
    usage="更正 李四 手机 13900001234",
    gist="改手机、房号、姓名、党员、出生年份，请私聊说",
    undo={"correct_person": _undo_correct},
)
def correct_person(turn: Turn) -> Answer:
    return _correct(turn, _said(turn))


@router.command(
    "move_person",
    "改住址",
    "搬到",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="给谁改？例如 改住址 李四 5栋1单元301"),
        Slot("particulars", Kind.TEXT, required=True, ask="搬到哪里？例如 改住址 李四 5栋1单元301"),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    confidential=True,
    usage="改住址 李四 5栋1单元301",
    gist="在社区里换了住处，以前的留着",
)
def move_person(turn: Turn) -> Answer:
    said = _said(turn)
    if said.unit is None:
        return say("private") if turn.group and said.private else say("no_home", usage=turn.command.usage)
    return _correct(turn, said)


def _correct(turn: Turn, said: Particulars) -> Answer:
    if turn.group and said.private:
        return say("private")
    if said.rest or not any((said.unit, said.room, said.phone, said.name, said.standing, said.born)):
        return say("unclear", usage=turn.command.usage)
    born = _born(turn, said)
    if born is None:
        return say("unclear_birth")
    member = _whom(turn)
    if not isinstance(member, Listed):
        return member
    unit = find_unit(turn.session, community_id=turn.community.id, name=said.unit) if said.unit else None
    if not turn.confirmed and (preview := _preview(turn, member, said, unit)):
        return Ask(preview)
    before, after = roster.correct_person(
        turn.session,
        by=turn.who,
        member=member,
        unit=unit,
        room=said.room,
        phone=said.phone,
        name=said.name,
        standing=said.standing,
        born=born if said.born else None,
        now=turn.now,
    )
    turn.wrote("correct_person", member.id, before=before.as_detail(), after=after.as_detail())
    return say("corrected", name=member.shown, told="，".join(_told(said, born)))


def _preview(turn: Turn, member: Listed, said: Particulars, unit: UnitHere | None) -> str:
    """The question before what hurts: another name, another home."""
    if said.name and said.name != member.name:
        return say("confirm_name", name=member.shown, new=said.name)
    if unit is not None and unit.id != member.unit_id:
        after = (said.unit or "") + (said.room or "")
        return say("confirm_move", name=member.shown, before=_home(turn, member), after=after)
    return ""


# -- gone and back ----------------------------------------


def _undo_out(turn: Turn, act: Act) -> str:
    name = roster.undo_move_out(turn.session, community_id=turn.community.id, member_id=act.row, at=act.at)
    for claim_id in act.detail.get("claims", ()):
        _hold_again(turn, claim_id, act)
    return say("undone_gone", name=name)


def _hold_again(turn: Turn, claim_id: int, act: Act) -> None:
    """The post that was left with the home is theirs again, where nobody else holds it by now."""
    try:
        back = posts.resume(
            turn.session,
            community_id=turn.community.id,
            claim_id=claim_id,
            now=turn.now,
            offer_hours=posts.OFFER_HOURS,
            partner_claim=None,
        )
    except (posts.TakenMeanwhile, posts.PostWithdrawn):
        return
    tell_resumed(turn, back, f"{act.id}:{claim_id}")


@router.command(
    "move_out",
    "迁出",
    "搬走",
    "迁走",
    slots=(
        Slot("place", Kind.UNIT),
        Slot("name", Kind.PERSON, required=True, ask="谁迁出？例如 迁出 李四"),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    usage="迁出 李四",
    gist="有人搬离社区，先确认；记录都留着",
    undo={"move_out": _undo_out},
)
def move_out(turn: Turn) -> Answer:
    member = _whom(turn)
    if not isinstance(member, Listed):
        return member
    if not turn.confirmed:
        return Ask(say("confirm_out", name=member.shown, home=_home(turn, member)))
    left = roster.move_out(turn.session, by=turn.who, member=member, now=turn.now)
    theirs = [one.claim.id for one in left if one.claim.member_id == member.id]
    turn.wrote("move_out", member.id, **({"claims": theirs} if theirs else {}))
    tell_post_left(turn, left, member.name, say("because_gone"))
    return say("gone", name=member.shown)


def _undo_in(turn: Turn, act: Act) -> str:
    name = roster.undo_move_in(
        turn.session,
        community_id=turn.community.id,
        member_id=act.row,
        before=act.detail["before"],
        gone_at=act.detail["gone_at"],
        at=act.at,
    )
    return say("undone_back", name=name)


@router.command(
    "move_in",
    "迁回",
    "搬回",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="谁迁回？例如 迁回 李四"),
        Slot("particulars", Kind.TEXT),
    ),
    role=Role.STAFF,
    writes=True,
    overheard=False,
    confidential=True,
    usage="迁回 李四",
    gist="迁出的人回来了，住别处就写上",
    undo={"move_in": _undo_in},
)
def move_in(turn: Turn) -> Answer:
    said = _said(turn)
    if turn.group and said.private:
        return say("private")
    if said.rest or said.phone or said.name or said.standing or said.born:
        return say("unclear", usage=turn.command.usage)
    member = _whom(turn, gone=True)
    if not isinstance(member, Listed):
        return member
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=member.unit_id)
    if said.unit:
        unit = find_unit(turn.session, community_id=turn.community.id, name=said.unit)
    room = said.room if said.room is not None else member.room if unit.id == member.unit_id else ""
    roster.move_in(turn.session, by=turn.who, member=member, unit=unit, room=room, now=turn.now)
    turn.wrote("move_in", member.id, before=member.told.as_detail(), gone_at=_moment(member))
    title = called(turn.session, community_id=turn.community.id, unit_id=unit.id)
    return say("back", name=member.shown, home=title if turn.group else title + room)


# -- who is meant, and what is told ----------------------------------------


def _said(turn: Turn) -> Particulars:
    return read_particulars(f"{turn.slots.get('place', '')} {turn.slots.get('particulars', '')}")


def _whom(turn: Turn, *, gone: bool = False) -> Listed | Answer:
    """The person who is meant, or the question which of several."""
    if "member" in turn.slots:
        return roster.listed_by_id(turn.session, by=turn.who, member_id=turn.slots["member"])
    name = turn.who.name if turn.slots["name"] == "self" else turn.slots["name"]
    within = ""
    if turn.command.intent == "move_out" and "place" in turn.slots:
        within = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["place"]).path
    found = _found(turn, name, within, gone)
    if len(found) == 1:
        # After a question the same person is meant, whatever anybody writes meanwhile.
        turn.slots["member"] = found[0].id
        return found[0]
    homes = [_home(turn, one) for one in found]
    if len(found) > CHOICES:
        return say("too_many", name=name, count=len(found))
    if turn.group and len(set(homes)) < len(homes):
        return say("which_privately", name=name, count=len(found))
    choices = in_few_lines([say("choice", number=number, home=home) for number, home in enumerate(homes, 1)], 3)
    question = say("which", name=name, count=len(found), choices=choices)
    return Ask(question, slot="member", options=tuple(one.id for one in found))


def _found(turn: Turn, name: str, within: str, gone: bool) -> list[Listed]:
    try:
        return roster.find_listed(turn.session, by=turn.who, name=name, within=within, gone=gone)
    except NoSuchMember:
        # One who is where the command would bring them is found, to be told so.
        return roster.find_listed(turn.session, by=turn.who, name=name, within=within, gone=not gone)


def _home(turn: Turn, member: Listed) -> str:
    return member.home if turn.group else member.home + member.room


def _born(turn: Turn, said: Particulars) -> str | None:
    """The years that are kept, empty where nothing was said of them; None for what nobody understands."""
    return read_birth(said.born, day_of(turn.now).year) if said.born else ""


def _told(said: Particulars, born: str = "") -> list[str]:
    """What was written down, for the person who said it and where they said it."""
    told = []
    if said.name:
        told.append(say("told_name", name=said.name))
    if said.unit:
        told.append(say("told_home", home=said.unit + (said.room or "")))
    elif said.room:
        told.append(say("told_room", room=said.room))
    if said.phone:
        told.append(say("told_phone", phone=said.phone))
    if said.standing:
        told.append(say(f"told_{said.standing}"))
    if said.born:
        told.append(say("told_born", born=spoken_birth(born)) if born else say("told_no_birth"))
    return told


def _moment(member: Listed) -> str:
    assert member.moved_out_at is not None
    return member.moved_out_at.isoformat()
