"""组织: the tree of the community, who leads what, and who belongs where.

王秀英（3栋群）: @小邻 谁负责3栋
小邻: 3栋楼长是 老赵。
      有话要带去，请私聊我发 捎话 3栋 加要说的话。
张敏: 加入 红马甲服务队 赵强
小邻: 赵强 加入了 红马甲服务队。
小邻 → 赵强: 您已加入 红马甲服务队。看看都有谁负责，请发 我的支部。
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from handlers.chat import Answer, Router, Texts, Turn
from handlers.language.normalise import normalise
from handlers.language.slots import Kind, Slot
from handlers.shared.people import post_called, title_of
from models import members
from models import organisation as books
from models.audit import Act
from models.clock import day_of, last_day, local, spoken_date, start_of
from models.counters import next_number
from models.members import BeyondReach, Neighbour, PartyOnly, Role, Term, find_member, leader_of, require
from models.organisation import HomesAreNotJoined, InUnitAlready, NotInUnit
from models.privacy import Private, looked
from models.units import (
    HOMES,
    LEADERS,
    PARTY,
    UnitClosed,
    UnitHere,
    UnitKind,
    find_unit,
    find_unit_ever,
    parent_of,
    unit_by_id,
)

say = Texts(
    "organisation",
    heads="{counts}。",
    heads_none="还没有建党组织。",
    heads_beside="另有：{counts}。",
    heads_more="看一个组织请发 组织 {name}，自己的请发 我的支部。",
    one="{name}（{parent}）",
    one_leader="{title}：{leader}",
    vacant="暂缺",
    one_party="党员：{count}人",
    one_homes="居民：{count}人",
    one_joined="成员：{count}人",
    one_below="下设：{counts}（{names}）",
    one_alone="下面没有别的组织",
    more="等",
    closed="{name} 已在{day}裁撤了。历任请发 历任 {name}。",
    mine="您在：{names}。",
    mine_none="您还没有加入支部、小组或服务队。",
    mine_home="您住的{home}：{title} {leader}。",
    mine_one="{unit}（{title} {leader}）",
    leads="{post}是 {name}{term}。",
    leads_above="{unit}现在没有{title}，有事请找 {above_post} {name}。",
    leads_nobody="{unit}现在没有人负责，请联系社区。",
    leads_yourself="{post}就是您{term}。",
    reach="有话要带去，请私聊我发 捎话 {unit} 加要说的话。",
    term="，任期到{day}",
    no_unit_of_mine="您问的是哪里的{title}？请写上名称，例如 谁负责3栋。",
    past="{unit}历任{title}：",
    past_line="{name} {since}至{until}",
    past_now="今",
    past_none="{unit}还没有人负责过。",
    past_names="{unit}以前叫 {names}。",
    party_list="{unit}的党员有{count}位：{names}。",
    party_none="{unit}没有登记的党员。",
    passed="已把您的话带给 {post} {name}。",
    passed_notice="{name}（{home}）托我带话给您：\n{text}",
    word_direct="捎话请私聊我说，别人看不见。",
    word_to_yourself="{unit}就是您负责的，不用捎话。",
    word_too_many="一天最多捎{most}次话。有急事请直接联系社区。",
    joined="{names} 加入了 {unit}。",
    joined_notice="您已加入 {unit}。看看都有谁负责，请发 我的支部。",
    undone_join="已撤销：{name} 没有加入 {unit}。",
    left="{names} 退出了 {unit}。",
    left_notice="您已退出 {unit}。弄错了请找 {by}。",
    undone_leave="已恢复：{name} 还在 {unit}。",
    leaderless="现在没有负责人的组织有{count}个：{names}。\n选好了人请发 任命 姓名 {first} {title}。",
    ending="您担任的{post}{day}到期。\n要接着做，请和社区说一声。",
    ending_today="您担任的{post}今天到期，明天起就卸任了。谢谢您的付出！",
    endings="快到期的职务有{count}个：{terms}。\n要续任请发 任命 {name} {unit} {title} 至 新的日期。",
    endings_today="今天到期的职务有{count}个：{terms}。\n要续任请发 任命 {name} {unit} {title} 至 新的日期。",
    endings_one="{post} {name}（{day}）",
)

router = Router(
    "organisation",
    {
        BeyondReach: "这件事不在您负责的范围里，请找社区书记。",
        UnitClosed: "{name} 已经撤销了，改不回去。",
        HomesAreNotJoined: "{name}的住户按名册算，不用加入。要改住址请找社区。",
        InUnitAlready: "{name} 已经在 {unit} 了，不用再加。",
        NotInUnit: "{name} 不在 {unit}，不用退出。",
        PartyOnly: "{name} 在名册上不是党员。请先改名册，再来加入。",
    },
)

COUNTED: Mapping[UnitKind, str] = {
    UnitKind.PARTY_COMMITTEE: "{}个总支",
    UnitKind.BUILDING_BRANCH: "{}个支部",
    UnitKind.DOOR_GROUP: "{}个小组",
    UnitKind.HOST_HOUSEHOLD: "{}户",
    UnitKind.GRID: "{}个网格",
    UnitKind.BUILDING: "{}栋楼",
    UnitKind.DOOR: "{}个单元",
    UnitKind.SERVICE_TEAM: "{}支服务队",
    UnitKind.COUNCIL: "{}个理事会",
    UnitKind.PROPERTY_FIRM: "{}家物业",
    UnitKind.OWNERS_COMMITTEE: "{}个业委会",
}
NAMED = 6
"""Names in one line."""
PASSED_MAX = 5
"""Messages that one person has passed on in a day."""
TEXT_MAX = 200
"""Characters of such a message."""

TITLES: Mapping[str, tuple[UnitKind, ...]] = {
    **{title: (kind,) for kind, title in LEADERS.items()},
    "书记": (UnitKind.BUILDING_BRANCH, UnitKind.PARTY_COMMITTEE, UnitKind.COMMUNITY),
}
ASKED = (
    *((title, ()) for title in LEADERS.values() if title not in ("楼长", "党小组长", "物业经理", "业委会主任")),
    ("楼长", ("楼栋长",)),
    ("党小组长", ("小组长", "组长")),
    ("物业经理", ("经理",)),
    ("业委会主任", ("主任",)),
    ("书记", ()),
)
"""Those whom people ask for: 谁是楼长."""


def counted(counts: Mapping[UnitKind, int], kinds: Iterable[UnitKind]) -> str:
    """`1个总支，3个支部，12个小组，24户`."""
    return "，".join(COUNTED[kind].format(counts[kind]) for kind in kinds if kind in COUNTED and counts.get(kind))


def _month(moment: datetime) -> str:
    there = local(moment)
    return f"{there.year}年{there.month}月"


def _some(names: list[str]) -> str:
    return "、".join(names[:NAMED]) + (say("more") if len(names) > NAMED else "")


def _term(term: Term) -> str:
    return say("term", day=spoken_date(last_day(term.until))) if term.until else ""


def _leader(turn: Turn, unit: UnitHere) -> Term | None:
    return leader_of(turn.session, community_id=turn.community.id, unit=unit, now=turn.now)


def _leader_name(turn: Turn, unit: UnitHere) -> str:
    leader = _leader(turn, unit)
    return turn.named(leader) if leader else say("vacant")


# -- looking ----------------------------------------


@router.command(
    "organisation",
    "组织",
    "组织架构",
    "组织结构",
    slots=(Slot("unit", Kind.UNIT), Slot("name", Kind.TEXT)),
    overheard=False,
    usage="组织 3栋",
    gist="社区有哪些组织，一个组织有多少人、谁负责",
)
def organisation(turn: Turn) -> Answer:
    name = turn.slots.get("unit") or turn.slots.get("name")
    if not name:
        return _heads(turn)
    unit = find_unit_ever(turn.session, community_id=turn.community.id, name=name)
    closed = books.closed_at(turn.session, community_id=turn.community.id, unit=unit)
    if closed is not None:
        return say("closed", name=unit.name, day=spoken_date(closed))
    return _heads(turn) if unit.kind is UnitKind.COMMUNITY else _one(turn, unit)


def _heads(turn: Turn) -> str:
    counts = books.head_counts(turn.session, turn.community.id)
    party = counted(counts, [kind for kind in UnitKind if kind in PARTY])
    beside = counted(counts, [kind for kind in UnitKind if kind not in PARTY])
    example = books.first_of(turn.session, community_id=turn.community.id, kinds=(UnitKind.BUILDING_BRANCH,))
    lines = [say("heads", counts=party) if party else say("heads_none")]
    if beside:
        lines.append(say("heads_beside", counts=beside))
    return "\n".join([*lines, say("heads_more", name=example.name if example else "3栋")])


def _one(turn: Turn, unit: UnitHere) -> str:
    community_id = turn.community.id
    above = parent_of(turn.session, community_id=community_id, unit=unit)
    leader = _leader(turn, unit)
    count = len(books.people_below(turn.session, community_id=community_id, unit=unit))
    people = "one_party" if unit.kind in PARTY else "one_homes" if unit.kind in HOMES else "one_joined"
    below = books.units_below(turn.session, community_id=community_id, unit=unit)
    counts = counted(books.counts_by_kind(below), UnitKind)
    next_below = [one for one in below if one.path == f"{unit.path}{one.id}/"]
    lines = [
        say("one", name=turn.called(unit), parent=above.name if above else turn.community.name),
        say("one_leader", title=LEADERS[unit.kind], leader=turn.named(leader) + _term(leader))
        if leader
        else say("one_leader", title=LEADERS[unit.kind], leader=say("vacant")),
        say(people, count=count),
        say("one_below", counts=counts, names=_some([one.name for one in next_below])) if below else say("one_alone"),
    ]
    return "\n".join(lines)


@router.command(
    "my_units",
    "我的支部",
    "我的组织",
    "我的小组",
    overheard=False,
    usage="我的支部",
    gist="我在哪些组织，谁负责",
)
def my_units(turn: Turn) -> Answer:
    units = books.units_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    mine = [
        say("mine_one", unit=turn.called(unit), title=LEADERS[unit.kind], leader=_leader_name(turn, unit))
        for unit in units
    ]
    lines = [say("mine", names=_some(mine)) if mine else say("mine_none")]
    home = _home(turn)
    if home is not None:
        leader = _leader_name(turn, home)
        lines.append(say("mine_home", home=home.name, title=LEADERS[home.kind], leader=leader))
    reach = next((unit for unit in (*units, home) if unit is not None and not _led_by(turn, unit)), None)
    if reach is not None:
        lines.append(say("reach", unit=turn.called(reach)))
    return "\n".join(lines)


def _led_by(turn: Turn, unit: UnitHere) -> bool:
    leader = _leader(turn, unit)
    return leader is not None and leader.member_id == turn.who.id


def _home(turn: Turn) -> UnitHere | None:
    """The building in which the speaker lives."""
    at: UnitHere | None = unit_by_id(turn.session, community_id=turn.community.id, unit_id=turn.who.unit_id)
    while at is not None and at.kind is not UnitKind.BUILDING:
        at = parent_of(turn.session, community_id=turn.community.id, unit=at)
    return at


@router.command(
    "who_leads",
    "谁负责",
    "谁是",
    "归谁管",
    "谁管",
    "负责人是谁",
    "楼长是谁",
    "书记是谁",
    "支部书记是谁",
    "组长是谁",
    "网格员是谁",
    "队长是谁",
    "理事长是谁",
    "经理是谁",
    "主任是谁",
    slots=(Slot("unit", Kind.UNIT), Slot("title", Kind.CHOICE, choices=ASKED)),
    overheard=False,
    usage="谁负责3栋",
    gist="一栋楼、一个组织是谁负责",
)
def who_leads(turn: Turn) -> Answer:
    unit = _asked_unit(turn)
    if unit is None:
        return say("no_unit_of_mine", title=_asked_title(turn))
    leader = books.in_charge_of(turn.session, community_id=turn.community.id, unit=unit, now=turn.now)
    spoken = turn.called(unit)
    title = LEADERS[unit.kind]
    fields = {"unit": spoken, "title": title, "post": post_called(spoken, title)}
    if leader is None:
        return say("leads_nobody", **fields)
    if leader.unit.id != unit.id:
        above = post_called(turn.called(leader.unit), LEADERS[leader.unit.kind])
        line = say("leads_above", above_post=above, name=turn.named(leader), **fields)
    elif leader.member_id == turn.who.id:
        return say("leads_yourself", term=_term(leader), **fields)
    else:
        line = say("leads", name=turn.named(leader), term=_term(leader), **fields)
    return f"{line}\n{say('reach', unit=spoken)}"


def _asked_title(turn: Turn) -> str:
    """The title that is asked for. In 书记是谁 it is a part of the verb; 谁负责 alone asks for the building's."""
    if title := turn.slots.get("title"):
        return str(title)
    text = normalise(turn.incoming.text, ()).text
    words = {word: title for title, others in ASKED for word in (title, *others)}
    said = (word for word in sorted(words, key=len, reverse=True) if f"{word}是谁" in text)
    return words[next(said, "楼长")]


def _asked_unit(turn: Turn) -> UnitHere | None:
    """The unit that is asked about: the one named, else the one of that title to which the speaker belongs."""
    if name := turn.slots.get("unit"):
        return find_unit(turn.session, community_id=turn.community.id, name=name)
    kinds = TITLES[_asked_title(turn)]
    mine = books.units_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    home: UnitHere | None = unit_by_id(turn.session, community_id=turn.community.id, unit_id=turn.who.unit_id)
    while home is not None:
        mine.append(home)
        home = parent_of(turn.session, community_id=turn.community.id, unit=home)
    own = (unit for kind in kinds for unit in mine if unit.kind is kind)
    return next(own, None) or books.only_of(turn.session, community_id=turn.community.id, kinds=kinds)


@router.command(
    "past_leaders",
    "历任",
    slots=(Slot("unit", Kind.UNIT), Slot("name", Kind.TEXT)),
    overheard=False,
    bare=False,
    usage="历任 3栋",
    gist="一个组织以前是谁负责、叫什么名字",
)
def past_leaders(turn: Turn) -> Answer:
    name = turn.slots.get("unit") or turn.slots.get("name", "")
    unit = find_unit_ever(turn.session, community_id=turn.community.id, name=name)
    spoken = turn.called(unit)
    led = books.leaders_over_time(turn.session, community_id=turn.community.id, unit=unit)
    names = books.names_over_time(turn.session, community_id=turn.community.id, unit=unit)
    tail = [say("past_names", unit=spoken, names="、".join(names[:3]))] if names else []
    if not led:
        return "\n".join([say("past_none", unit=spoken), *tail])
    lines = [_past_line(turn, term) for term in led]
    return "\n".join([say("past", unit=spoken, title=LEADERS[unit.kind]) + "；".join(lines[:NAMED]) + "。", *tail])


def _past_line(turn: Turn, term: Term) -> str:
    over = term.until is not None and term.until <= turn.now
    until = _month(term.until) if over and term.until else say("past_now")
    return say("past_line", name=turn.named(term), since=_month(term.since), until=until)


@router.command(
    "party_members",
    "本楼党员",
    "支部党员",
    slots=(Slot("unit", Kind.UNIT),),
    role=Role.BUILDING_LEAD,
    overheard=False,
    private=True,
    writes=True,
    rare=True,
    usage="本楼党员",
    gist="您负责的楼或支部有哪些党员",
)
def party_members(turn: Turn) -> Answer:
    unit = _unit_in_charge(turn)
    require(turn.who, Role.BUILDING_LEAD, unit.path)
    found = books.people_below(turn.session, community_id=turn.community.id, unit=unit, party_only=True)
    if not found:
        return say("party_none", unit=turn.called(unit))
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.STANDING],
        members=[one.id for one in found[:LISTED]],
        now=turn.now,
        group_id=turn.group.id if turn.group else None,
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )
    names = [one.name for one in found]
    shown = "、".join(names[:LISTED]) + (say("more") if len(names) > LISTED else "")
    return say("party_list", unit=turn.called(unit), count=len(names), names=shown)


LISTED = 60
"""Names of party members in one answer: a building's."""


def _unit_in_charge(turn: Turn) -> UnitHere:
    """The unit that is named, else the speaker's own building where it is theirs to look after, else what they lead."""
    if name := turn.slots.get("unit"):
        return find_unit(turn.session, community_id=turn.community.id, name=name)
    home = _home(turn)
    if home is not None and turn.who.may(Role.BUILDING_LEAD, home.path):
        return home
    held = members.roles_held(turn.session, community_id=turn.community.id, now=turn.now, member_id=turn.who.id)
    return next(term.unit for term in held if term.role.rank >= Role.BUILDING_LEAD.rank)


@router.command(
    "pass_on",
    "捎话",
    "捎个话",
    slots=(
        Slot("unit", Kind.UNIT, required=True, ask="捎话给哪里的负责人？例如 捎话 3栋 楼道灯坏了"),
        Slot("text", Kind.TEXT, required=True, ask="要带什么话？例如 捎话 3栋 楼道灯坏了"),
    ),
    writes=True,
    overheard=False,
    usage="捎话 3栋 楼道灯坏了",
    gist="带一句话给一栋楼或一个组织的负责人，不用知道电话",
)
def pass_on(turn: Turn) -> Answer:
    if not turn.incoming.direct:
        return say("word_direct")
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"])
    leader = books.in_charge_of(turn.session, community_id=turn.community.id, unit=unit, now=turn.now)
    if leader is None:
        return say("leads_nobody", unit=turn.called(unit))
    if leader.member_id == turn.who.id:
        return say("word_to_yourself", unit=turn.called(unit))
    today = start_of(day_of(turn.now))
    sent = books.passed_on(turn.session, community_id=turn.community.id, member_id=turn.who.id, since=today)
    if sent >= PASSED_MAX:
        return say("word_too_many", most=PASSED_MAX)
    home = _home(turn)
    number = next_number(turn.session, community_id=turn.community.id, kind="word")
    turn.tell(
        leader.member_id,
        say(
            "passed_notice",
            name=turn.who.name,
            home=home.name if home else turn.community.name,
            text=" ".join(turn.slots["text"].split())[:TEXT_MAX],
        ),
        key=f"word:{number}",
    )
    turn.wrote("pass_on", number, unit=unit.id, to=leader.member_id)
    post = post_called(turn.called(leader.unit), LEADERS[leader.unit.kind])
    return say("passed", post=post, name=turn.named(leader))


# -- who belongs where ----------------------------------------


def _undo_join(turn: Turn, act: Act) -> str:
    unit, member = books.take_back_joining(turn.session, community_id=turn.community.id, row_id=act.row)
    return say("undone_join", name=turn.named(member), unit=unit.name)


@router.command(
    "join_unit",
    "加入",
    slots=(
        Slot("unit", Kind.UNIT, required=True, ask="加入哪个组织？例如 加入 第一党支部 李建国"),
        Slot("people", Kind.PEOPLE, required=True, ask="谁加入？例如 加入 第一党支部 李建国"),
    ),
    role=Role.MEMBER,
    writes=True,
    overheard=False,
    rare=True,
    usage="加入 第一党支部 李建国",
    gist="让人加入您负责的支部、小组、服务队",
    undo={"join_unit": _undo_join},
)
def join_unit(turn: Turn) -> Answer:
    unit, named = _unit_and_people(turn)
    for member in named:
        row = books.join_unit(
            turn.session, community_id=turn.community.id, by=turn.who, unit=unit, member=member, now=turn.now
        )
        turn.wrote("join_unit", row, unit=unit.id, member=member.id)
        if member.id != turn.who.id:
            notice = say("joined_notice", unit=unit.name)
            turn.tell(member.id, notice, key=f"joined:{row}", expires_hours=72)
    return say("joined", names="、".join(turn.named(member) for member in named), unit=unit.name)


def _unit_and_people(turn: Turn) -> tuple[UnitHere, list[Neighbour]]:
    """The unit and those who are named, all of whom must be found: one who is not makes nothing happen."""
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"])
    if unit.kind in HOMES:
        raise HomesAreNotJoined(name=unit.name)
    if list(turn.slots["people"]) != ["self"]:
        # Before anybody is looked for: whoever may not ask learns nothing about who is here.
        books.require_charge(turn.session, community_id=turn.community.id, by=turn.who, unit=unit, now=turn.now)
    named = dict.fromkeys(turn.slots["people"])
    return unit, [
        find_member(turn.session, community_id=turn.community.id, name=turn.who.name if name == "self" else name)
        if name != "self"
        else members.member_by_id(turn.session, community_id=turn.community.id, member_id=turn.who.id)
        for name in named
    ]


def _undo_leave(turn: Turn, act: Act) -> str:
    unit, member = books.take_back_leaving(turn.session, community_id=turn.community.id, row_id=act.row)
    return say("undone_leave", name=turn.named(member), unit=unit.name)


@router.command(
    "leave_unit",
    "退出组织",
    "移出",
    slots=(
        Slot("unit", Kind.UNIT, required=True, ask="退出哪个组织？例如 退出组织 第一党支部 李建国"),
        Slot("people", Kind.PEOPLE, required=True, ask="谁退出？例如 退出组织 第一党支部 李建国"),
    ),
    writes=True,
    overheard=False,
    rare=True,
    usage="退出组织 第一党支部 李建国",
    gist="让人退出您负责的组织；自己退出写 本人",
    undo={"leave_unit": _undo_leave},
)
def leave_unit(turn: Turn) -> Answer:
    unit, named = _unit_and_people(turn)
    for member in named:
        row = books.leave_unit(
            turn.session, community_id=turn.community.id, by=turn.who, unit=unit, member=member, now=turn.now
        )
        turn.wrote("leave_unit", row, unit=unit.id, member=member.id)
        if member.id != turn.who.id:
            notice = say("left_notice", unit=unit.name, by=turn.who.name)
            turn.tell(member.id, notice, key=f"left:{row}:{turn.now:%Y%m%d%H%M}", expires_hours=72)
    return say("left", names="、".join(turn.named(member) for member in named), unit=unit.name)


# -- what the jobs say ----------------------------------------


def _ends(term: Term) -> str:
    return spoken_date(last_day(term.until)) if term.until else ""


def leaderless_line(units: list[UnitHere], names: list[str]) -> str:
    """The monthly list for a secretary."""
    return say("leaderless", count=len(names), names=_some(names), first=names[0], title=LEADERS[units[0].kind])


def ending_line(term: Term, unit: str, *, today: bool) -> str:
    """What somebody hears whose term ends."""
    name = "ending_today" if today else "ending"
    return say(name, post=post_called(unit, title_of(term)), day=_ends(term))


def endings_line(ending: list[tuple[Term, str]], *, today: bool) -> str:
    """What those above hear of the terms that end, each with its unit's name."""
    lines = [
        say("endings_one", post=post_called(unit, title_of(term)), name=term.name, day=_ends(term))
        for term, unit in ending
    ]
    first, unit = ending[0]
    return say(
        "endings_today" if today else "endings",
        count=len(ending),
        terms=_some(lines),
        name=first.name,
        unit=unit,
        title=title_of(first),
    )
