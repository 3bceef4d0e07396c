"""接龙: a chain that is pasted, read, merged with the last version, and said back; the bot's own roll to copy.

王秀英（3栋群）: @小邻 接龙 周日谁来包饺子
小邻: 1号接龙「周日谁来包饺子」开始了。
      接着往下写再发出来就行；看名单请发 接龙名单 1。
周敏（党员群）: #接龙 义诊志愿者 1. 周敏 2. 何叔（测血压）
小邻: 已读到接龙：新增2（周敏、何叔），共2人。
      报上名的：周敏。
      何叔 自己发一次接龙或 报名 13 才算报名。
"""

# Whoever pastes has no more rights than their own: a chain writes for them and for those they may speak for, and for
# everybody in their charge where they lead a building or work for the community. All others stand in the chain only.

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from handlers.chat import Answer, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.roll_call import Pasted, Roll, is_not_met, read_roll
from handlers.language.slots import Kind, Slot
from handlers.shared.care import tell_care
from handlers.shared.places import end_offer, tell_promoted
from models import activities, broadcast
from models import roll_call as books
from models.absences import absences_of
from models.activities import ActivityHere, SignedUp, SignupState
from models.audit import Act
from models.base import Refusal
from models.broadcast import Listener, Notice, Way, way_for
from models.clock import spoken
from models.database import savepoint
from models.members import Role, masked, member_by_id
from models.proxies import Right, act_for, has_account, is_oneself
from models.roll_call import Chain, Entry, Line, Merged, NoSuchRollCall, RollCallMoved
from models.units import unit_by_id

say = Texts(
    "roll_call",
    read="已读到接龙：{change}，共{count}人。",
    added="新增{count}",
    gone="退出{count}",
    changed="改动{count}",
    doubled="重复{count}",
    same="接龙没有变化，共{count}人。",
    names="（{names}）",
    signed="报上名的：{names}。",
    left="取消报名的：{names}。",
    received="记下收到的：{names}。",
    sign_up_yourself="{names} 自己发一次接龙或 报名 {number} 才算报名。",
    receive_yourself="{names} 自己说一声 收到 {number} 才算。",
    refused="没报上：{names}。",
    stuck="名单定了，没有退成：{names}。",
    sign_up_alone="{names} 请自己私聊我发 报名 {number}。",
    not_received="没有记成：{names}。",
    noted="没见到、不再催的：{names}。",
    unknown="认不出：{names}，名册里没有或有重名，没有算。",
    begun="{number}号接龙「{title}」开始了。\n接着往下写再发出来就行；看名单请发 接龙名单 {number}。",
    nothing="没看出接的是什么。请在第一行写上活动名字或编号，例如 #接龙 报名 12。",
    head="#接龙 {title}",
    line="{index}. {name}{count}{note}",
    count=" {count}人",
    note="（{note}）",
    empty="还没有人接龙。接龙请照这样发：\n#接龙 {title}\n1. 您的名字",
    which="要看哪个名单？请发 接龙名单 加活动、通知或接龙的编号。",
    more="等{count}人",
    undone="已撤回，{number}号接龙回到前一版。",
    undone_begin="已撤销{number}号接龙「{title}」。",
)

router = Router(
    "roll_call",
    {
        NoSuchRollCall: "没有{number}号接龙。",
        RollCallMoved: "{number}号接龙后来又有人接了，撤不回去了。",
    },
)

_BEHIND_VERB = re.compile(r"^.*?接龙[ :：,，]*", re.DOTALL)
NAMED = 6
TOLD_HOURS = 72
ROLL = 100
"""Lines of a roll that is printed."""


def _undo_version(turn: Turn, act: Act) -> str:
    books.take_back_version(
        turn.session, community_id=turn.community.id, number=act.row, version=int(act.detail["version"])
    )
    return say("undone", number=act.row)


def _undo_begin(turn: Turn, act: Act) -> str:
    chain = books.close_roll_call(turn.session, community_id=turn.community.id, number=act.row, now=turn.now)
    return say("undone_begin", number=chain.number, title=chain.title)


@router.command(
    "roll_call",
    "接龙",
    "发起接龙",
    "开始接龙",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", chosen=False),
        Slot("broadcast", Kind.OBJECT, of="broadcast", chosen=False),
        Slot("roll_call", Kind.OBJECT, of="roll_call", chosen=False),
        Slot("text", Kind.TEXT, required=True, ask="接什么？例如 接龙 周日谁来包饺子"),
    ),
    writes=True,
    overheard=False,
    bare=False,
    usage="接龙 周日谁来包饺子",
    gist="开一个接龙；大家贴出来的接龙我会读、会合并",
    undo={"roll_call": _undo_version, "begin_roll_call": _undo_begin},
)
def roll_call(turn: Turn) -> Answer:
    text = turn.slots["text"]
    roll = read_roll(text) or read_roll(f"接龙 {text}")
    about, title = _about(turn)
    if roll is None or not roll.lines:
        return _begin(turn, about, title or _BEHIND_VERB.sub("", turn.incoming.text))
    if not about and "roll_call" not in turn.slots and not roll.heading:
        return say("nothing")
    chain = _chain(turn, about, title or roll.heading)
    return _merge(turn, chain, roll)


def _about(turn: Turn) -> tuple[str, str]:
    """What a chain is about, and what that is called."""
    if (number := turn.slots.get("activity")) is not None:
        activity = activities.find_activity(turn.session, community_id=turn.community.id, number=number)
        return activity.ref, activity.title
    if (number := turn.slots.get("broadcast")) is not None:
        notice = broadcast.find_broadcast(turn.session, community_id=turn.community.id, number=number)
        return notice.ref, notice.title
    return "", ""


def _begin(turn: Turn, about: str, title: str) -> Answer:
    if about:
        return _roll(turn, about, title)
    chain = _chain(turn, "", title)
    turn.wrote("begin_roll_call", chain.number, title=chain.title)
    return Reply(say("begun", number=chain.number, title=chain.title), ref=chain.ref)


def _chain(turn: Turn, about: str, title: str) -> Chain:
    if (number := turn.slots.get("roll_call")) is not None:
        return books.find_roll_call(turn.session, community_id=turn.community.id, number=number)
    return books.begin_roll_call(
        turn.session,
        community_id=turn.community.id,
        title=" ".join(title.split())[:40],
        about=about,
        group_id=turn.group.id if turn.group else None,
        made_by=turn.who.id,
        now=turn.now,
    )


# -- a version that was pasted ----------------------------------------


@dataclass(slots=True)
class Written:
    """What a version brought about beside the chain itself, by name."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Whose own word it takes."""
    refused: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    """At whose door nobody was met."""
    alone: list[str] = field(default_factory=list)
    """Who is signed up by their own word only, because whoever organises it wants to be asked."""
    stuck: list[str] = field(default_factory=list)
    """Who stays signed up: the list is closed."""


def _merge(turn: Turn, chain: Chain, roll: Roll) -> Answer:
    people = {line.label: _person(turn, line) for line in roll.lines}
    entries = [
        Entry(line.label, line.count, line.note, one.id if (one := people[line.label]) is not None else None)
        for line in roll.lines
    ]
    before = books.lines_of(turn.session, chain)
    own = {line.name for line in before if line.member_id is not None and _may(turn, line.member_id)}
    merged = books.merge_version(turn.session, chain=chain, entries=entries, own=own, by=turn.who.id)
    if merged.change:
        turn.wrote("roll_call", chain.number, version=merged.version)
    written = _write(turn, chain, merged, entries)
    if not (merged.change or written.done or written.left or turn.incoming.addressed or turn.group is None):
        return Reply()
    return Reply("\n".join(_lines(chain, merged, written, people)), ref=chain.ref)


def _person(turn: Turn, line: Pasted) -> Listener | None:
    """The one person whom a line means; of a room its first, or the speaker; nobody is made up."""
    found = broadcast.people_called(
        turn.session,
        community_id=turn.community.id,
        name=line.name,
        room=line.room,
        unit=line.unit,
        near=turn.who.unit_path,
    )
    if not line.name and any(one.id == turn.who.id for one in found):
        return next(one for one in found if one.id == turn.who.id)
    return found[0] if len(found) == 1 or (found and not line.name) else None


def _may(turn: Turn, member_id: int) -> bool:
    """Whether the speaker may write for a member: themselves, family, those in their charge."""
    one = broadcast.listener(turn.session, community_id=turn.community.id, member_id=member_id)
    return (
        one is not None
        and way_for(turn.session, turn.who, member_id=member_id, path=one.path, now=turn.now) is not None
    )


def _write(turn: Turn, chain: Chain, merged: Merged, entries: Sequence[Entry]) -> Written:
    """Signs up, or takes receipts, as far as whoever pasted may; what is written already is not written again."""
    written = Written()
    kind, _, number = chain.about.partition(":")
    fresh = {entry.name for entry in (*merged.change.added, *merged.change.changed)}
    allowed = {entry.name for entry in entries if entry.member_id is not None and _may(turn, entry.member_id)}
    if kind == "activity":
        activity = activities.find_activity(turn.session, community_id=turn.community.id, number=int(number))
        _sign_up(turn, activity, entries, allowed, written)
        for line in merged.change.gone:
            _leave(turn, activity, line, written)
    elif kind == "broadcast":
        notice = broadcast.find_broadcast(turn.session, community_id=turn.community.id, number=int(number))
        _receive(turn, notice, entries, allowed, written)
    if kind:
        written.others = [
            entry.name
            for entry in entries
            if entry.name in fresh and entry.member_id is not None and entry.name not in allowed
        ]
    return written


def _sign_up(turn: Turn, activity: ActivityHere, entries: Sequence[Entry], allowed: set[str], written: Written) -> None:
    in_charge = _in_charge(turn, activity)
    for entry in entries:
        if entry.name not in allowed or entry.member_id is None:
            continue
        before = activities.own_signup(turn.session, activity=activity, member_id=entry.member_id)
        if before is not None and before.companions == entry.count - 1 and before.state is not SignupState.OFFERED:
            continue
        if before is None and not in_charge and _too_often_away(turn, entry.member_id):
            written.alone.append(entry.name)
            continue
        try:
            with savepoint(turn.session, "line"):
                right = _act_for(turn, activity, entry.member_id, "signup")
                signed = activities.sign_up(
                    turn.session,
                    activity=activity,
                    member_id=entry.member_id,
                    companions=entry.count - 1,
                    made_by=turn.who.id,
                    now=turn.now,
                    companions_max=turn.rules["activities"].companions_max,
                    right=right,
                    in_charge=in_charge and right is not None,
                )
        except Refusal:
            written.refused.append(entry.name)
            continue
        detail = {"activity": activity.number} | ({"member": entry.member_id} if right is not None else {})
        if before is None:
            turn.wrote("signup", signed.id, **detail)
        elif signed.accepted and before.companions == signed.companions:
            turn.wrote("take_place", signed.id, **detail)
        else:
            turn.wrote("change_signup", signed.id, before=before.companions, **detail)
        tell_care(turn, activity, entry.member_id)
        for moved in signed.promoted:
            tell_promoted(turn, activity, moved)
        if signed.accepted:
            end_offer(turn, activity, entry.member_id)
        if right is not None:
            _tell_signed_up(turn, activity, entry, signed)
        written.done.append(entry.name)


def _in_charge(turn: Turn, activity: ActivityHere) -> bool:
    """Whether the speaker decides about the list of an activity, as with signing up by name."""
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    return activity.made_by == turn.who.id or turn.who.may(Role.STAFF, unit.path)


def _too_often_away(turn: Turn, member_id: int) -> bool:
    """Whether whoever organises it wants to be asked first: then they sign up by word, and not by a list."""
    rules = turn.rules["activities"]
    away = absences_of(
        turn.session, community_id=turn.community.id, member_id=member_id, now=turn.now, days=rules.absences_days
    )
    return bool(rules.absences_max) and len(away) >= rules.absences_max


def _act_for(turn: Turn, activity: ActivityHere, member_id: int, act: str) -> Right | None:
    """Writes down that the speaker acts for somebody else, by which right; None for themselves."""
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    if is_oneself(turn.session, proxy=turn.who, member=member):
        return None
    return act_for(
        turn.session, proxy=turn.who, member=member, act=act, ref=activity.ref, now=turn.now,
        limits=turn.rules["proxies"],
    ).right  # fmt: skip


def _tell_signed_up(turn: Turn, activity: ActivityHere, entry: Entry, signed: SignedUp) -> None:
    """Says to somebody that another's list has signed them up, in the words of signing up by name."""
    what = "signing.told_signup" if signed.first_time or signed.accepted else "signing.told_changed"
    if signed.state is SignupState.WAITING and signed.first_time:
        what = "signing.told_waiting"
    party = sentence("signing.party", count=entry.count) if entry.count > 1 else ""
    _tell(turn, activity, entry.member_id, what, "取消报名", party=party, count=entry.count, queue=signed.place)


def _tell(turn: Turn, activity: ActivityHere, member_id: int | None, what: str, word: str, **fields: object) -> None:
    assert member_id is not None
    if not has_account(turn.session, community_id=turn.community.id, member_id=member_id):
        return
    text = sentence(
        what,
        name=turn.who.name,
        number=activity.number,
        title=activity.title,
        when=spoken(activity.starts_at),
        place=activity.place or sentence("activities.no_place"),
        **fields,
    )
    key = f"roll:{activity.id}:{member_id}:{turn.incoming.message_id[-60:]}"
    buttons = (Button(word, f"{word} {activity.number}"),)
    turn.tell(member_id, text, key=key, ref=activity.ref, expires_hours=TOLD_HOURS, buttons=buttons)


def _leave(turn: Turn, activity: ActivityHere, line: Line, written: Written) -> None:
    if line.member_id is None or not _may(turn, line.member_id):
        return
    if activities.own_signup(turn.session, activity=activity, member_id=line.member_id) is None:
        return
    in_charge = _in_charge(turn, activity)
    try:
        with savepoint(turn.session, "line"):
            right = _act_for(turn, activity, line.member_id, "cancel_signup")
            left = activities.cancel_signup(
                turn.session, activity=activity, member_id=line.member_id, by=turn.who.id, now=turn.now,
                in_charge=in_charge, declines=True,
            )  # fmt: skip
    except Refusal:
        written.stuck.append(line.shown)
        return
    end_offer(turn, activity, line.member_id)
    detail = {"activity": activity.number} | ({"member": line.member_id} if right is not None else {})
    turn.wrote("cancel_signup", left.id, **detail)
    for moved in left.promoted:
        tell_promoted(turn, activity, moved)
    if right is not None:
        _tell(turn, activity, line.member_id, "signing.told_cancelled", "报名")
    written.left.append(line.shown)


def _receive(turn: Turn, notice: Notice, entries: Sequence[Entry], allowed: set[str], written: Written) -> None:
    for entry in entries:
        if entry.name not in allowed or entry.member_id is None:
            continue
        one = broadcast.listener(turn.session, community_id=turn.community.id, member_id=entry.member_id)
        assert one is not None
        way = way_for(turn.session, turn.who, member_id=entry.member_id, path=one.path, now=turn.now)
        assert way is not None
        if is_not_met(entry.note):
            _note(turn, notice, entry, way, written)
            continue
        try:
            broadcast.refuse_guess(turn.who, notice, way)
            received = broadcast.acknowledge(
                turn.session,
                notice=notice,
                member_id=entry.member_id,
                way=way,
                made_by=turn.who.id,
                now=turn.now,
                note=entry.note,
            )
        except Refusal:
            written.refused.append(entry.name)
            continue
        if received.first_time:
            turn.wrote("receipt", received.id, broadcast=notice.number)
            written.done.append(entry.name)


def _note(turn: Turn, notice: Notice, entry: Entry, way: Way, written: Written) -> None:
    """Nobody was met at a door: no receipt, and to whoever is in charge of the household a reason not to ask again."""
    knows = way is Way.LIST and broadcast.may_know(turn.who, notice)
    if not knows or not notice.takes_receipts(turn.now) or entry.member_id is None:
        written.refused.append(entry.name)
        return
    note_id = broadcast.note_household(
        turn.session, notice=notice, member_id=entry.member_id, note=entry.note, made_by=turn.who.id, now=turn.now
    )
    if note_id is not None:
        turn.wrote("household_note", note_id, broadcast=notice.number)
        written.noted.append(entry.name)


def _lines(chain: Chain, merged: Merged, written: Written, people: dict[str, Listener | None]) -> list[str]:
    """What is said back: the difference, what was written, whose own word it takes, and whom nobody knows."""
    kind, _, number = chain.about.partition(":")
    hidden = {name: masked(name) for name, one in people.items() if one is not None and one.hides_name}

    def few(names: Sequence[str]) -> str:
        shown = [hidden.get(name, name) for name in names]
        return "、".join(shown[:NAMED]) + (say("more", count=len(shown)) if len(shown) > NAMED else "")

    change = merged.change
    pieces = []
    for name, some in (
        ("added", [entry.name for entry in change.added]),
        ("gone", [line.shown for line in change.gone]),
        ("changed", [entry.name for entry in change.changed]),
    ):
        if some:
            pieces.append(say(name, count=len(some)) + say("names", names=few(some)))
    if change.doubled:
        pieces.append(say("doubled", count=change.doubled))
    count = sum(line.count for line in merged.lines)
    lines = [say("read", change=" ".join(pieces), count=count) if pieces else say("same", count=count)]
    beside = []
    if written.done:
        beside.append(say("received" if kind == "broadcast" else "signed", names=few(written.done)))
    if written.left:
        beside.append(say("left", names=few(written.left)))
    if written.stuck:
        beside.append(say("stuck", names=few(written.stuck)))
    if written.noted:
        beside.append(say("noted", names=few(written.noted)))
    if written.refused:
        name = "not_received" if kind == "broadcast" else "refused"
        beside.append(say(name, names=few(written.refused)))
    if beside:
        lines.append("".join(beside))
    if written.others:
        name = "receive_yourself" if kind == "broadcast" else "sign_up_yourself"
        lines.append(say(name, names=few(written.others), number=number))
    if written.alone:
        lines.append(say("sign_up_alone", names=few(written.alone), number=number))
    unknown = [entry.name for entry in change.added if people[entry.name] is None]
    if unknown:
        lines.append(say("unknown", names=few(unknown)))
    return lines


# -- the bot's own roll ----------------------------------------


@router.command(
    "show_roll_call",
    "接龙名单",
    "看接龙",
    "接龙列表",
    "打印接龙",
    slots=(
        Slot("roll_call", Kind.OBJECT, of="roll_call", chosen=False),
        Slot("activity", Kind.OBJECT, of="activity", chosen=False),
        Slot("broadcast", Kind.OBJECT, of="broadcast", chosen=False),
    ),
    overheard=False,
    usage="接龙名单 12",
    gist="把名单按接龙的样子打出来，可以复制接着写",
)
def show_roll_call(turn: Turn) -> Answer:
    if (number := turn.slots.get("roll_call")) is not None:
        chain = books.find_roll_call(turn.session, community_id=turn.community.id, number=number)
        return _printed(chain.title, _chained(turn, chain), chain.ref)
    about, title = _about(turn)
    return _roll(turn, about, title) if about else say("which")


def _roll(turn: Turn, about: str, title: str) -> Reply:
    """Of an activity who is signed up, whatever chains say; of anything else who stands in its chain."""
    kind, _, number = about.partition(":")
    if kind == "activity":
        activity = activities.find_activity(turn.session, community_id=turn.community.id, number=int(number))
        rows = []
        for member_id, companions, _ in activities.who_comes(turn.session, activity):
            one = broadcast.listener(turn.session, community_id=turn.community.id, member_id=member_id)
            if one is not None:
                rows.append((one.shown, companions + 1, ""))
        return _printed(title, rows, about)
    chain = books.roll_call_about(turn.session, community_id=turn.community.id, about=about, now=turn.now)
    return _printed(title, _chained(turn, chain) if chain else [], about)


def _chained(turn: Turn, chain: Chain) -> list[tuple[str, int, str]]:
    return [(line.shown, line.count, line.note) for line in books.lines_of(turn.session, chain)]


def _printed(title: str, rows: Sequence[tuple[str, int, str]], ref: str) -> Reply:
    """A roll as one copies it forward: longer than an answer, for it is what was asked for."""
    if not rows:
        return Reply(say("empty", title=title), ref=ref)
    lines = [say("head", title=title)]
    for index, (name, count, note) in enumerate(rows[:ROLL], 1):
        people = say("count", count=count) if count > 1 else ""
        lines.append(say("line", index=index, name=name, count=people, note=say("note", note=note) if note else ""))
    return Reply("\n".join(lines), ref=ref)
