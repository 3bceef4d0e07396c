"""角色: who may do what, given by those above, for a term; and one-time codes for those whom nobody here knows yet.

张敏: 任命 王秀英 3栋 楼长 至 2027-12-31
小邻: 现在的3栋楼长是 老赵，任命 王秀英 后 老赵 就卸任了。
      任命请回复 确认，不任命回复 取消。
张敏: 确认
小邻: 王秀英 从今天起是3栋楼长，任期到2027年12月31日。
小邻 → 老赵: 您担任的3栋楼长今天卸任，由 王秀英 接任。谢谢您的付出！
小邻 → 王秀英: 张敏 任命您为3栋楼长，任期到2027年12月31日。
      您能办的事请发 帮助。
张敏: 免去 王秀英 楼长
小邻: 要免去 王秀英 的3栋楼长吗？免去后对应的权限马上没有了。
      免去请回复 确认，不免回复 取消。
"""

from datetime import datetime
from typing import NamedTuple

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language import dates
from handlers.language.places import read_unit
from handlers.language.slots import Kind, Slot
from handlers.shared.people import COLLEAGUES, post_called, title_of
from models import members, organisation
from models.audit import Act
from models.clock import day_of, last_day, local, spoken_date, start_of
from models.members import (
    LEADING,
    Appointment,
    LastSecretary,
    LedByAnother,
    Neighbour,
    Outcome,
    Role,
    RoleHeldAlready,
    RoleNotHeld,
    Term,
    TermOver,
    find_member,
    roles_held,
)
from models.members.people import NoSuchMember
from models.members.roles import AboveOneself, PartyOnly
from models.units import (
    HOMES,
    LEADERS,
    NoSuchUnit,
    UnitHere,
    UnitKind,
    find_unit,
    root_of,
)

say = Texts(
    "roles",
    appoint_ask="任命什么职务？例如 任命 老赵 3栋 楼长 至 2027-12-31",
    which_unit="在哪里当{title}？请把地方也写上，例如 任命 老赵 3栋 楼长。",
    does_not_fit="{unit}没有{title}，那里的是{fitting}。",
    no_date="期限没看懂。请写成 至 2027-12-31。",
    follow="现在的{post}是 {before}，任命 {name} 后 {before} 就卸任了。\n任命请回复 确认，不任命回复 取消。",
    renew="{name} 现在就是{post}{old}，要改成{new}吗？\n改请回复 确认，不改回复 取消。",
    to_secretary="要任命 {name} 为{title}吗？有这个职务的人能办您能办的一切事。\n任命请回复 确认，不任命回复 取消。",
    appointed="{name} 从今天起是{post}{term}。",
    term="，任期到{day}",
    term_only="任期到{day}",
    term_open="不限任期",
    given_notice="{by} 任命您为{post}{term}。\n您能办的事请发 帮助。",
    followed_notice="您担任的{post}今天卸任，由 {name} 接任。谢谢您的付出！",
    undone_appoint="已撤销：{name} 不再是{post}。",
    taken_back_notice="刚才的任命撤销了，您不是{post}。有疑问请问 {by}。",
    restored_notice="刚才的变动撤销了，您还是{post}。",
    dismiss_ask="免去谁的什么职务？例如 免去 老赵 楼长",
    dismiss_which="{name} 有好几个职务：{roles}。请写清楚免去哪一个，例如 免去 {name} {unit} {title}。",
    dismiss_preview="要免去 {name} 的{post}吗？免去后对应的权限马上没有了。\n免去请回复 确认，不免回复 取消。",
    dismissed="已免去 {name} 的{post}。",
    dismissed_notice="您的{post}从现在起免去了。谢谢您的付出！有疑问请问 {by}。",
    undone_dismiss="已恢复：{name} 还是{post}。",
    none="没有查到 {name} 担任的职务。",
    none_aloud="没有查到这一位担任的职务。",
    mine="您现在是：{roles}。",
    mine_none="您现在没有担任职务。谁负责什么，请发 谁负责3栋。",
    theirs="{name} 现在是：{roles}。",
    unit_roles="{unit}：{roles}。",
    unit_none="{unit}现在没有人担任职务。",
    one="{post}{term}",
    one_named="{title} {name}{term}",
    more="等",
    invite_direct="邀请码只能私聊给您，请私聊我发 邀请 楼长 3栋。",
    invite_where="在哪里当{title}？请把地方也写上，例如 邀请 楼长 3栋。",
    invited="邀请码 {code}（{post}），24小时内有效，只能用一次。\n请只发给本人，让他私聊我发 邀请码 加这个码。",
    undone_invite="已作废刚才的邀请码。",
    undone_invite_late="这个邀请码已经有人用了。要收回请发 免去 加姓名和职务。",
    code_direct="邀请码请私聊我发，不要发在群里：谁看见了都能用。",
    code_ask="请写上邀请码，例如 邀请码 ACDE-FGHJ",
    code_wrong="这个邀请码不能用。请核对一下，或请邀请您的人再给一个。",
    code_too_many="试错的次数太多了，请过一小时再试。",
    code_nameless="邀请码收到了，还不认识您。请连姓名和楼栋一起再发一次，例如 邀请码 ACDE-FGHJ 张三 3栋。",
    code_held="您已经是{post}了，这个邀请码没有用掉。",
    code_accepted="{name}，您现在是{post}了。\n您能办的事请发 帮助。",
    code_used_notice="{name} 用了您给的邀请码，现在是{post}。\n不是本人请发 免去 {name} {unit} {title}。",
    basis="凭邀请码登记",
)

router = Router(
    "roles",
    {
        AboveOneself: "这个职务不归您任免，请找您的上级。",
        TermOver: "任期的最后一天已经过去了，请写一个以后的日期。",
        RoleHeldAlready: "{name} 已经是了，任期也一样，不用再任命。",
        RoleNotHeld: "这个职务已经结束了，不能再改。",
        LastSecretary: "{name} 是唯一的社区书记，不能免去。请先任命一位新书记。",
        LedByAnother: "现在已经是 {name} 在负责了，改不回去。",
        PartyOnly: "{name} 在名册上不是党员，不能在党的组织里任职。",
    },
)


class Post(NamedTuple):
    """What somebody can be appointed to: by which role, for which kinds of unit, and whether it is to lead them."""

    role: Role | None
    """None: the role by which the unit is led."""
    kinds: tuple[UnitKind, ...]
    leads: bool


POSTS: dict[str, Post] = {
    **{title: Post(None, (kind,), leads=True) for kind, title in LEADERS.items()},
    "书记": Post(None, (UnitKind.BUILDING_BRANCH, UnitKind.PARTY_COMMITTEE, UnitKind.COMMUNITY), leads=True),
    "负责人": Post(None, tuple(kind for kind in UnitKind if kind is not UnitKind.COMMUNITY), leads=True),
    COLLEAGUES[Role.STAFF]: Post(Role.STAFF, (UnitKind.COMMUNITY, UnitKind.GRID, UnitKind.BUILDING), leads=False),
    COLLEAGUES[Role.BUILDING_LEAD]: Post(Role.BUILDING_LEAD, (UnitKind.BUILDING, UnitKind.DOOR), leads=False),
    COLLEAGUES[Role.BRANCH_SECRETARY]: Post(
        Role.BRANCH_SECRETARY, (UnitKind.BUILDING_BRANCH, UnitKind.PARTY_COMMITTEE), leads=False
    ),
    COLLEAGUES[Role.PROPERTY]: Post(Role.PROPERTY, (UnitKind.PROPERTY_FIRM,), leads=False),
    COLLEAGUES[Role.OWNERS_COMMITTEE]: Post(Role.OWNERS_COMMITTEE, (UnitKind.OWNERS_COMMITTEE,), leads=False),
}
SYNONYMS = {
    "楼长": ("楼栋长",),
    "门栋长": ("单元长",),
    "党小组长": ("小组长", "组长"),
    "物业经理": ("经理",),
    "业委会主任": ("主任",),
    "社工": ("工作人员", "社区工作人员"),
    "物业人员": ("物业员工", "人员", "员工"),
    "业委会委员": ("委员",),
}
WORDS = tuple((word, SYNONYMS.get(word, ())) for word in POSTS)
SHOWN = 6
"""Roles in one answer."""


def _term(until: datetime | None) -> str:
    return say("term", day=spoken_date(last_day(until))) if until else ""


def _fields(turn: Turn, term: Term) -> dict[str, str]:
    unit, title = turn.called(term.unit), title_of(term)
    return {"name": turn.named(term), "unit": unit, "title": title, "post": post_called(unit, title)}


# -- appointing ----------------------------------------


def _undo_appoint(turn: Turn, act: Act) -> str:
    restored = {int(key): datetime.fromisoformat(end) if end else None for key, end in act.detail["ended"].items()}
    term = members.take_back_appointment(
        turn.session, community_id=turn.community.id, role_id=act.row, restored=restored, now=turn.now, by=turn.who.id
    )
    fields = _fields(turn, term)
    if term.member_id != turn.who.id:
        notice = say("taken_back_notice", post=fields["post"], by=turn.who.name)
        turn.tell(term.member_id, notice, key=f"role:{term.id}:taken-back", expires_hours=72)
    for role_id in restored:
        before = members.term_by_id(turn.session, community_id=turn.community.id, role_id=role_id)
        if before.member_id not in (turn.who.id, term.member_id):
            notice = say("restored_notice", post=post_called(fields["unit"], title_of(before)))
            turn.tell(before.member_id, notice, key=f"role:{role_id}:restored:{act.id}", expires_hours=72)
    return say("undone_appoint", **fields)


@router.command(
    "appoint",
    "任命",
    "聘任",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="任命谁？例如 任命 老赵 3栋 楼长 至 2027-12-31"),
        Slot("unit", Kind.UNIT),
        Slot("post", Kind.CHOICE, required=True, ask=say("appoint_ask"), choices=WORDS),
        Slot("term", Kind.TEXT),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="任命 老赵 3栋 楼长 至 2027-12-31",
    gist="给人一个职务，可以写任期",
    undo={"appoint": _undo_appoint},
)
def appoint(turn: Turn) -> Answer:
    post, word = POSTS[turn.slots["post"]], turn.slots["post"]
    unit = _unit_for(turn, post)
    if unit is None:
        return say("which_unit", title=word)
    if unit.kind not in post.kinds:
        return say("does_not_fit", unit=turn.called(unit), title=word, fitting=LEADERS[unit.kind])
    until = _until(turn)
    if until is None and turn.slots.get("term"):
        return say("no_date")
    role = post.role or LEADING[unit.kind]
    if not members.may_give(turn.who, role, unit.path):
        # Before anybody is looked for: whoever may not appoint learns nothing about who is here.
        raise AboveOneself(role=role)
    member = _member(turn, unit)
    asked = Appointment(member.id, role, unit, until, post.leads)
    if not turn.confirmed:
        ends = members.check_appointment(
            turn.session, community_id=turn.community.id, by=turn.who, asked=asked, now=turn.now
        )
        if question := _question(turn, member, asked, ends):
            return question
    made = members.appoint(turn.session, community_id=turn.community.id, by=turn.who, asked=asked, now=turn.now)
    turn.wrote(
        "appoint",
        made.id,
        member=member.id,
        unit=unit.id,
        role=role,
        ended={str(term.id): term.until.isoformat() if term.until else None for term in made.ended},
    )
    term = members.term_by_id(turn.session, community_id=turn.community.id, role_id=made.id)
    _tell_appointed(turn, term, made.ended)
    return say("appointed", term=_term(until), **_fields(turn, term))


def _question(turn: Turn, member: Neighbour, asked: Appointment, ends: tuple[Term, ...]) -> Ask | None:
    """What is asked before a right is taken away, or one like one's own is given."""
    unit, name = turn.called(asked.unit), turn.named(member)
    others = [term for term in ends if term.member_id != member.id]
    if others:
        post = post_called(unit, title_of(others[0]))
        return Ask(say("follow", post=post, before=turn.named(others[0]), name=name))
    if ends:
        new = say("term_only", day=spoken_date(last_day(asked.until))) if asked.until else say("term_open")
        post = post_called(unit, title_of(ends[0]))
        return Ask(say("renew", name=name, post=post, old=_term(ends[0].until), new=new))
    if asked.role is Role.SECRETARY:
        return Ask(say("to_secretary", name=name, title=LEADERS[UnitKind.COMMUNITY]))
    return None


def _tell_appointed(turn: Turn, term: Term, ended: tuple[Term, ...]) -> None:
    unit = turn.called(term.unit)
    for before in ended:
        if before.member_id not in (term.member_id, turn.who.id):
            notice = say("followed_notice", post=post_called(unit, title_of(before)), name=term.shown)
            turn.tell(before.member_id, notice, key=f"role:{before.id}:followed:{term.id}", expires_hours=72)
    if term.member_id != turn.who.id:
        post = post_called(unit, title_of(term))
        notice = say("given_notice", by=turn.who.name, post=post, term=_term(term.until))
        turn.tell(term.member_id, notice, key=f"role:{term.id}:given", expires_hours=72)


def _unit_for(turn: Turn, post: Post) -> UnitHere | None:
    """For which unit: the one that was named, else the only one that can be meant."""
    if name := turn.slots.get("unit"):
        return find_unit(turn.session, community_id=turn.community.id, name=name)
    if UnitKind.COMMUNITY in post.kinds and len(post.kinds) != 1 and post.role is None:
        return None  # 书记: of a branch as well as of the community
    if UnitKind.COMMUNITY in post.kinds:
        return root_of(turn.session, turn.community.id)
    return organisation.only_of(turn.session, community_id=turn.community.id, kinds=post.kinds)


def _member(turn: Turn, unit: UnitHere) -> Neighbour:
    """Who is meant: of namesakes the one who lives in the unit."""
    name = turn.slots["name"]
    if name == "self":
        name = turn.who.name
    if unit.kind in HOMES:
        try:
            return find_member(turn.session, community_id=turn.community.id, name=name, within=unit.path)
        except NoSuchMember:
            pass  # a building may be led by somebody of the next one
    return find_member(turn.session, community_id=turn.community.id, name=name)


def _until(turn: Turn) -> datetime | None:
    """The first moment after the term: the day that is named is its last."""
    text = turn.slots.get("term", "")
    for word in ("任期至", "任期到", "任期", "至", "到"):
        text = text.strip().removeprefix(word)
    read = dates.read(text.strip().removesuffix("止"), turn.now) if text else None
    if read is None:
        return None
    if read.grain == "month" and read.end is not None:
        return start_of(day_of(read.end))
    return _day_after(read.start)


def _day_after(moment: datetime) -> datetime:
    there = local(moment)
    return start_of(there.date().fromordinal(there.date().toordinal() + 1))


# -- dismissing ----------------------------------------


def _undo_dismiss(turn: Turn, act: Act) -> str:
    until = act.detail["until"]
    term = members.restore_role(
        turn.session,
        community_id=turn.community.id,
        role_id=act.row,
        until=datetime.fromisoformat(until) if until else None,
        now=turn.now,
    )
    fields = _fields(turn, term)
    if term.member_id != turn.who.id:
        notice = say("restored_notice", post=fields["post"])
        turn.tell(term.member_id, notice, key=f"role:{term.id}:restored:{act.id}", expires_hours=72)
    return say("undone_dismiss", **fields)


@router.command(
    "dismiss",
    "免去",
    "解聘",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask=say("dismiss_ask")),
        Slot("unit", Kind.UNIT),
        Slot("post", Kind.CHOICE, choices=WORDS),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="免去 老赵 楼长",
    gist="结束一个职务，先预览再确认",
    undo={"dismiss": _undo_dismiss},
)
def dismiss(turn: Turn) -> Answer:
    meant = _meant(turn)
    if not meant:
        return _none(turn, _spoken_name(turn))
    if len(meant) > 1:
        first = _fields(turn, meant[0])
        return say("dismiss_which", roles="、".join(_one(turn, term) for term in meant[:SHOWN]), **first)
    (term,) = meant
    fields = _fields(turn, term)
    if not turn.confirmed:
        members.check_dismissal(turn.session, community_id=turn.community.id, by=turn.who, term=term, now=turn.now)
        return Ask(say("dismiss_preview", **fields))
    members.dismiss(turn.session, community_id=turn.community.id, by=turn.who, term=term, now=turn.now)
    turn.wrote("dismiss", term.id, until=term.until.isoformat() if term.until else None)
    if term.member_id != turn.who.id:
        notice = say("dismissed_notice", post=fields["post"], by=turn.who.name)
        turn.tell(term.member_id, notice, key=f"role:{term.id}:ended:{turn.now:%Y%m%d%H%M%S}", expires_hours=72)
    return say("dismissed", **fields)


def _none(turn: Turn, name: str) -> str:
    """Nobody is named in a group who may hide their name."""
    return say("none_aloud") if turn.group else say("none", name=name)


def _spoken_name(turn: Turn) -> str:
    name: str = turn.slots["name"]
    return turn.who.name if name == "self" else name


def _meant(turn: Turn) -> list[Term]:
    """The roles that fit what was said: of that name, that unit, that post. Nobody of the name is no role, too."""
    held = _held_by(turn, _spoken_name(turn))
    if name := turn.slots.get("unit"):
        unit = find_unit(turn.session, community_id=turn.community.id, name=name)
        held = [term for term in held if term.unit.id == unit.id]
    if word := turn.slots.get("post"):
        post = POSTS[word]
        held = [
            term
            for term in held
            if term.unit.kind in post.kinds and term.role is (post.role or LEADING[term.unit.kind])
        ]
    return held


def _held_by(turn: Turn, name: str) -> list[Term]:
    held = organisation.roles_by_name(turn.session, community_id=turn.community.id, name=name, now=turn.now)
    return [term for term in held if term.role is not Role.ADMIN]


# -- looking ----------------------------------------


@router.command(
    "roles",
    "角色",
    "我的角色",
    "职务",
    "我的职务",
    slots=(Slot("unit", Kind.UNIT), Slot("who", Kind.TEXT)),
    overheard=False,
    rare=True,
    usage="角色",
    gist="我有什么职务、到什么时候；也可以写上姓名或楼栋",
)
def roles(turn: Turn) -> Answer:
    if name := turn.slots.get("unit"):
        unit = find_unit(turn.session, community_id=turn.community.id, name=name)
        held = roles_held(turn.session, community_id=turn.community.id, now=turn.now, unit_id=unit.id)
        named = [say("one_named", title=title_of(term), name=turn.named(term), term=_term(term.until)) for term in held]
        spoken = turn.called(unit)
        return say("unit_roles", unit=spoken, roles=_some(named)) if named else say("unit_none", unit=spoken)
    who = turn.slots.get("who", "").strip()
    if who:
        terms = _held_by(turn, who)
        if not terms:
            return _none(turn, who[:20])
        return say("theirs", name=turn.named(terms[0]), roles=_some([_one(turn, term) for term in terms]))
    held = roles_held(turn.session, community_id=turn.community.id, now=turn.now, member_id=turn.who.id)
    return say("mine", roles=_some([_one(turn, term) for term in held])) if held else say("mine_none")


def _one(turn: Turn, term: Term) -> str:
    return say("one", post=_fields(turn, term)["post"], term=_term(term.until))


def _some(items: list[str]) -> str:
    return "、".join(items[:SHOWN]) + (say("more") if len(items) > SHOWN else "")


# -- invitations ----------------------------------------


def _undo_invite(turn: Turn, act: Act) -> str:
    withdrawn = members.withdraw_invitation(
        turn.session, community_id=turn.community.id, invitation_id=act.row, now=turn.now
    )
    return say("undone_invite" if withdrawn else "undone_invite_late")


@router.command(
    "invite",
    "邀请",
    slots=(
        Slot("unit", Kind.UNIT),
        Slot("post", Kind.CHOICE, required=True, ask="邀请谁来当什么？例如 邀请 楼长 3栋", choices=WORDS),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    usage="邀请 楼长 3栋",
    gist="给还没有登记的人一个邀请码，私聊说",
    undo={"invite": _undo_invite},
)
def invite(turn: Turn) -> Answer:
    if not turn.incoming.direct:
        return say("invite_direct")
    post, word = POSTS[turn.slots["post"]], turn.slots["post"]
    unit = _unit_for(turn, post)
    if unit is None:
        return say("invite_where", title=word)
    if unit.kind not in post.kinds:
        return say("does_not_fit", unit=turn.called(unit), title=word, fitting=LEADERS[unit.kind])
    code = members.new_code()
    made = members.make_invitation(
        turn.session,
        community_id=turn.community.id,
        code=code,
        role=post.role or LEADING[unit.kind],
        unit=unit,
        by=turn.who,
        now=turn.now,
    )
    turn.wrote("invite", made, unit=unit.id, post=word)
    return say("invited", code=code, post=post_called(turn.called(unit), word))


@router.command(
    "accept_invitation",
    "邀请码",
    slots=(Slot("text", Kind.TEXT, required=True, ask=say("code_ask")),),
    role=None,
    writes=True,
    overheard=False,
    usage="邀请码 ACDE-FGHJ",
    gist="用别人给的邀请码，私聊说",
)
def accept_invitation(turn: Turn) -> Answer:
    if not turn.incoming.direct:
        return say("code_direct")
    code, name, building = _parts(turn.slots["text"])
    done = members.accept_invitation(
        turn.session,
        community_id=turn.community.id,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        code=code,
        person=turn.person,
        name=name,
        home=_building(turn, building),
        basis=say("basis"),
        now=turn.now,
    )
    if done.unit is None:
        return say("code_too_many" if done.outcome is Outcome.TOO_MANY else "code_wrong")
    if done.outcome is Outcome.NAMELESS:
        return say("code_nameless")
    unit, title = turn.called(done.unit), _title_given(turn, done)
    fields = {"name": done.name, "unit": unit, "title": title, "post": post_called(unit, title)}
    if done.outcome is Outcome.HELD:
        return say("code_held", **fields)
    turn.wrote("accept_invitation", done.invitation_id, member=done.member_id, role=done.role, unit=done.unit.id)
    if done.made_by is not None:
        notice = say("code_used_notice", **fields)
        turn.tell(done.made_by, notice, key=f"invitation:{done.invitation_id}:used", expires_hours=72)
    return say("code_accepted", **fields)


def _title_given(turn: Turn, done: members.Accepted) -> str:
    held = roles_held(turn.session, community_id=turn.community.id, now=turn.now, member_id=done.member_id)
    return next(title_of(term) for term in held if done.unit and (term.role, term.unit.id) == (done.role, done.unit.id))


def _parts(text: str) -> tuple[str, str, str]:
    """Code, name and building of `ACDE-FGHJ 张三 3栋`; the code may have blanks or no dash."""
    code = members.code_in(text)
    rest = text.removeprefix(code)
    if not rest:
        return code, "", ""
    words = rest.replace("，", " ").replace(",", " ").split()
    name, building = words[0], "".join(words[1:])
    return code, name, building


def _building(turn: Turn, text: str) -> UnitHere | None:
    read = read_unit(text, 0) if text else None
    if read is None:
        return None
    try:
        return find_unit(turn.session, community_id=turn.community.id, name=read[0])
    except NoSuchUnit:
        return None
