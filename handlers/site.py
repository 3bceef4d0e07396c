"""现场: the organiser's side of a check-in: how strong it must be, the day's code, the poster, who came, for how long.

张敏: 签到方式 12 签到码
小邻: 「清洁家园」的签到方式：签到码。
      签到码每天换一个，当天发 签到码 12 就能看到。
张敏: 签到码 12
小邻: 「清洁家园」11月21日 周六 9:00 才用签到码，当天再发 签到码 12 看。
"""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime

from handlers.chat import PLACE, Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.people import spoken_of
from models import check_in as books
from models import files
from models.activities import ActivityHere, find_activity
from models.audit import Act
from models.check_in import Came, Ended, MadeUp, NothingToVouch, NotToday, NoWays, Terms, Way
from models.clock import spoken_minutes
from models.ledger import Currency, balance_of
from models.members import Role, member_by_id, require
from models.members.merging import one_person
from models.places import Location
from models.points import refuse_long
from models.units import unit_by_id

POSTER = "poster"
"""The kind of file, in `bot/files.py`."""

say = Texts(
    "site",
    ways="「{title}」的签到方式：{ways}{any}。{then}",
    any="（其中一样就行）",
    way_word="一句话",
    way_code="签到码",
    way_photo="照片",
    way_place="到场（{radius}米内）",
    then_code="\n签到码每天换一个，当天发 签到码 {number} 就能看到。",
    then_change="\n要改请发，例如 签到方式 {number} 签到码 照片。",
    ask_spot="请在活动的地方把位置发给我（点加号，选 位置），到场签到就照这个位置算。",
    no_way="没有「{word}」这种签到方式，没有改。\n"
    "可以用：一句话、签到码、照片、到场。例如 签到方式 {number} 签到码 照片。",
    undone_ways="已改回「{title}」的签到方式：{ways}。",
    code="「{title}」今天的签到码：{code}\n请写在现场，不要发在群里。到的人发 签到 {code}。",
    say_it="到了现场请发 签到 {code}。",
    code_unasked="\n现在「{title}」发一句话就能签到。只认签到码的话，请发 签到方式 {number} 签到码。",
    poster="「{title}」的海报，一小时内点开，只能取一次，可以存图或打印：\n{url}",
    no_link="这里还发不了海报的链接，请管理员在电脑上用 linli poster {number} 做出来打印。",
    came="「{title}」到了{people}人{absent}。{names}",
    came_nobody="「{title}」还没有人签到。",
    absent="，报了名没到的{count}位",
    names="\n{names}",
    one="{name}{notes}",
    note_party="+{count}",
    note_proxy="（{proxy}替签）",
    note_vouched="（补签）",
    note_photo="（照片）",
    more="等",
    vouched="已给 {name} 记「{title}」服务时长 {minutes}（组织者证明）{recorded}{points}。",
    recorded="，签到签退已经记了{minutes}",
    points="，积分+{points}",
    stands_already="{name} 已经有组织者证明的{minutes}了，再多就超过活动的时长，不用再记。",
    vouched_all="已给「{title}」{count}位补记服务时长，每人满{minutes}。",
    vouched_you="{giver} 给您记了「{title}」服务时长 {minutes}（组织者证明）{points}。",
    nobody_to_vouch="「{title}」签退的人都已经记满{minutes}了，不用再记。",
    not_there="{name} 没有在「{title}」签到。人来了的话，请先发 补签 {number} {name}。",
    still_there="{name} 还在「{title}」签到中，签退或结束以后再记。",
    whose_hours="给谁记？请写姓名，或写 全部，例如 时长 {number} 王秀英 2小时。",
    not_yet="「{title}」还没结束，结束以后再记时长。",
    disowned="已撤销「{title}」替您的签到，积分一并退回。不是您的意思的话，也请告诉楼长。",
    disowned_notice="{name} 说自己没去「{title}」，您替签的已经撤销了。",
    made_up="「{title}」的签到是组织者给您补的。没去的话，请和组织者或社区说一声，请他们改。",
    strike="{name} 在「{title}」的补签会撤掉（{reason}）{goes}。\n请回复 确认，不撤回复 取消。",
    strike_minutes="，荣誉时 {minutes}",
    strike_points="，积分 {points}",
    strike_back="{goes} 一并退回",
    struck="已撤掉 {name} 在「{title}」的补签{goes}。\n撤错了请发 撤销。",
    struck_you="{by} 撤掉了您在「{title}」的补签（{reason}）{goes}。\n不对请和社区说一声。",
    strike_came="{name} 在「{title}」的签到不是补的，这里不撤。有疑问请和社区说一声。",
    strike_nobody="{name} 在「{title}」没有补签，不用撤。",
    undone_strike="{name} 在「{title}」的补签恢复了。",
    undone_strike_you="{by} 恢复了您在「{title}」的补签{goes}。",
    not_spoken_for="没有人替您在这个活动签到。您自己签错了，十分钟内发 撤销。",
    hours="{name}，您的服务时长：签到签退记的 {recorded}，组织者证明的 {vouched}。{more}",
    hours_more="\n两样分开记。哪次少了，请在活动结束{days}天内找组织者补。",
    hours_none="{name}，您还没有服务时长。参加活动签到签退就有了，看活动请发 活动。",
    undone_vouched="已撤销 {name} 的「{title}」时长。",
    undone_vouched_you="{giver} 撤销了刚才给您记的「{title}」时长。",
)

router = Router(
    "site",
    {
        NotToday: "「{title}」{starts_at} 才用签到码，当天再发 签到码 {number} 看。",
        NoWays: "签到方式有：一句话、签到码、照片、到场。例如 签到方式 12 签到码 照片。",
        NothingToVouch: "{name} 的签到签退已经记了{recorded}，不用再记。",
    },
)

WAYS = {"by_word": Way.WORD, "by_code": Way.CODE, "by_photo": Way.PHOTO, "by_place": Way.PLACE}
"""The slots of 签到方式."""
WAY_WORDS = {
    "by_word": ("一句话", "说一声", "发一句话"),
    "by_code": ("签到码", "验证码", "暗号"),
    "by_photo": ("照片", "拍照", "相片", "现场照"),
    "by_place": ("到场", "定位", "位置", "现场"),
}
_BETWEEN_WAYS = re.compile("[ ,、;和或及者加]+")


def _activity(turn: Turn) -> ActivityHere:
    """The activity that is meant, for whoever is in charge of it. Raises BeyondReach."""
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, Role.BUILDING_LEAD, unit.path)
    return activity


@router.command(
    "my_hours",
    "服务时长",
    "我的时长",
    "我的服务时长",
    "服务了多久",
    private=True,
    usage="服务时长",
    gist="签到签退记了多久，组织者证明了多久",
)
def my_hours(turn: Turn) -> Answer:
    recorded, vouched = (
        balance_of(turn.session, community_id=turn.community.id, member_id=turn.who.id, currency=currency)
        for currency in (Currency.RECORDED_MINUTES, Currency.VOUCHED_MINUTES)
    )
    if not recorded and not vouched:
        return say("hours_none", name=turn.who.name)
    days = turn.rules["check_in"].make_up_days
    return say(
        "hours",
        name=turn.who.name,
        recorded=spoken_minutes(recorded),
        vouched=spoken_minutes(vouched),
        more=say("hours_more", days=days),
    )


@router.command(
    "disown_check_in",
    "我没去",
    "我没来",
    "没去过",
    slots=(Slot("activity", Kind.OBJECT, of="activity", required=True, ask="您没去几号活动？"),),
    writes=True,
    overheard=False,
    usage="我没去 12",
    gist="别人替您签了到，其实没去",
)
def disown(turn: Turn) -> Answer:
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    proxy = books.spoken_for(turn.session, activity=activity, member_id=turn.who.id)
    if proxy is None:
        made_up = books.is_made_up(turn.session, activity=activity, member_id=turn.who.id)
        return say("made_up" if made_up else "not_spoken_for", title=activity.title)
    title = books.undo_check_in(
        turn.session, community_id=turn.community.id, check_in_id=proxy.check_in_id, by=turn.who.id, now=turn.now
    )
    turn.wrote("disown_check_in", proxy.check_in_id, activity=activity.number)
    notice = say("disowned_notice", name=turn.who.name, title=title)
    turn.tell(proxy.made_by, notice, key=f"disowned:{proxy.check_in_id}", expires_hours=72)
    return Reply(say("disowned", title=title), ref=activity.ref)


def _undo_strike(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.detail["activity"])
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=act.detail["member"])
    at = datetime.fromisoformat(act.detail["at"])
    made_up = MadeUp(act.row, at, act.detail["left"], act.detail["minutes"], act.detail["points"])
    stayed = books.restore(
        turn.session, activity=activity, member_id=member.id, made_up=made_up, by=turn.who.id, now=turn.now
    )
    goes = _goes(stayed.minutes, stayed.points)
    notice = say("undone_strike_you", by=turn.who.name, title=activity.title, goes=goes)
    turn.tell(member.id, notice, key=f"unstruck:{act.id}", ref=activity.ref, expires_hours=72)
    return say("undone_strike", name=turn.named(member), title=activity.title)


def _goes(minutes: int, points: int, *, back: bool = False) -> str:
    """The minutes and points of a stay; empty where it has none. `back`: they go with it."""
    text = say("strike_minutes", minutes=spoken_minutes(minutes)) if minutes else ""
    text += say("strike_points", points=points) if points else ""
    return say("strike_back", goes=text) if text and back else text


@router.command(
    "strike_make_up",
    "撤签",
    "撤补签",
    "撤补录",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="撤哪个活动的补签？例如 撤签 12 孙姐 写错了人"),
        Slot("member", Kind.PERSON, required=True, ask="撤谁的补签？例如 撤签 12 孙姐 写错了人"),
        Slot("reason", Kind.TEXT, required=True, ask="请写上理由，例如 撤签 12 孙姐 写错了人"),
    ),
    role=Role.BUILDING_LEAD,
    rare=True,
    writes=True,
    overheard=False,
    bare=False,
    usage="撤签 12 孙姐 写错了人",
    gist="补签、补录写错了，过了十分钟也能撤，并告诉本人",
    undo={"strike_make_up": _undo_strike},
)
def strike_make_up(turn: Turn) -> Answer:
    activity, reason = _activity(turn), turn.slots["reason"]
    refuse_long(reason)
    member = spoken_of(turn, turn.slots["member"])
    fields = {"name": turn.named(member), "title": activity.title}
    made_up = books.find_made_up(turn.session, activity=activity, member_id=member.id)
    if made_up is None:
        came = books.who_came(turn.session, community_id=turn.community.id, activity_id=activity.id)
        ids = one_person(turn.session, community_id=turn.community.id, member_id=member.id)
        return say("strike_came" if any(one.member_id in ids for one in came) else "strike_nobody", **fields)
    goes = _goes(made_up.minutes, made_up.points, back=True)
    if not turn.confirmed:
        return Ask(say("strike", reason=reason, goes=goes, **fields))
    books.undo_check_in(
        turn.session, community_id=turn.community.id, check_in_id=made_up.check_in_id, by=turn.who.id, now=turn.now
    )
    turn.wrote(
        "strike_make_up",
        made_up.check_in_id,
        activity=activity.number,
        member=member.id,
        reason=reason,
        at=made_up.at.isoformat(),
        left=made_up.left,
        minutes=made_up.minutes,
        points=made_up.points,
    )
    notice = say("struck_you", by=turn.who.name, title=activity.title, reason=reason, goes=goes)
    turn.tell(member.id, notice, key=f"struck:{made_up.check_in_id}", ref=activity.ref, expires_hours=72)
    return Reply(say("struck", goes=goes, **fields), ref=activity.ref)


def _undo_ways(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.row)
    before = act.detail["before"]
    spot = Location(*before["spot"]) if before["spot"] else None
    terms = Terms(tuple(Way(way) for way in before["ways"]), spot, before["radius"])
    books.set_terms(turn.session, activity=activity, terms=terms, by=turn.who.id, now=turn.now)
    return say("undone_ways", title=activity.title, ways=_ways(terms))


def _ways(terms: Terms) -> str:
    return "、".join(say(f"way_{way}", radius=terms.radius_metres) for way in books.ASKED if way in terms.ways)


@router.command(
    "set_check_in",
    "签到方式",
    "签到要求",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪个活动的签到方式？请写上编号。"),
        *(Slot(name, Kind.FLAG, labels=words) for name, words in WAY_WORDS.items()),
        Slot("other", Kind.TEXT),
    ),
    fillers=("签到", "用", "要", "改成", "改为", "是", "加", "或", "或者"),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    bare=False,
    usage="签到方式 12 签到码 照片",
    gist="定好到场的人怎么签到",
    undo={"set_check_in": _undo_ways},
)
def set_ways(turn: Turn) -> Answer:
    activity = _activity(turn)
    ways, unknown = _said_ways(turn)
    if unknown:
        return say("no_way", word=unknown[0][:12], number=activity.number)
    before = books.terms_of(turn.session, activity=activity)
    if not ways:
        return Reply(_said(activity, before, change=True), ref=activity.ref)
    spot = turn.incoming.location or before.spot
    if Way.PLACE in ways and spot is None:
        return Ask(say("ask_spot"), slot=PLACE, minutes=60)
    radius = turn.rules["check_in"].radius_metres
    terms = Terms(ways, spot, radius if spot else 0)
    books.set_terms(turn.session, activity=activity, terms=terms, by=turn.who.id, now=turn.now)
    was = {
        "ways": list(before.ways),
        "spot": [before.spot.latitude, before.spot.longitude] if before.spot else None,
        "radius": before.radius_metres,
    }
    turn.wrote("set_check_in", activity.number, ways=list(ways), before=was)
    return Reply(_said(activity, terms), ref=activity.ref)


def _said_ways(turn: Turn) -> tuple[tuple[Way, ...], list[str]]:
    """The ways that were named, also such as run into other words (签到码或照片), and what is none of them."""
    named = {name: word for name, words in WAY_WORDS.items() for word in words if name in turn.slots}
    unknown = []
    for word in filter(None, _BETWEEN_WAYS.split(turn.slots.get("other", ""))):
        found = next((name for name, words in WAY_WORDS.items() if word in words), None)
        if found is None:
            unknown.append(word)
        else:
            named[found] = word
    return tuple(way for name, way in WAYS.items() if name in named), unknown


def _said(activity: ActivityHere, terms: Terms, *, change: bool = False) -> str:
    then = say("then_code", number=activity.number) if Way.CODE in terms.ways else ""
    if change and not then:
        then = say("then_change", number=activity.number)
    several = say("any") if len(terms.ways) > 1 else ""
    return say("ways", title=activity.title, ways=_ways(terms), any=several, then=then)


def _draws() -> Sequence[int]:
    span = books.CODE_MAX - books.CODE_MIN + 1
    return [books.CODE_MIN + secrets.randbelow(span) for _ in range(books.DRAWS)]


@router.command(
    "day_code",
    "签到码",
    "今天的签到码",
    "看签到码",
    slots=(Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪个活动的签到码？请写上编号。"),),
    writes=True,
    overheard=False,
    private=True,
    usage="签到码 12",
    gist="组织者看今天写在现场的四位数字",
)
def day_code(turn: Turn) -> Answer:
    number = turn.slots["activity"]
    if books.CODE_MIN <= number <= books.CODE_MAX and not books.is_activity(turn.session, turn.community.id, number):
        # Whoever has read the code says so: 签到码 4821.
        return say("say_it", code=number)
    activity = _activity(turn)
    code = books.code_of_the_day(turn.session, activity=activity, draws=_draws(), now=turn.now)
    text = say("code", title=activity.title, code=code)
    if Way.CODE not in books.terms_of(turn.session, activity=activity).ways:
        text += say("code_unasked", title=activity.title, number=activity.number)
    return Reply(text, ref=activity.ref)


@router.command(
    "poster",
    "海报",
    "签到海报",
    "打印海报",
    "二维码",
    "签到二维码",
    slots=(Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪个活动的海报？请写上编号。"),),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    private=True,
    usage="海报 12",
    gist="贴在现场的一张纸，有二维码",
)
def poster(turn: Turn) -> Answer:
    activity = _activity(turn)
    public_url = turn.rules["http"].public_url
    if not public_url:
        return say("no_link", number=activity.number)
    if Way.CODE in books.terms_of(turn.session, activity=activity).ways:
        # Printed on the day, it carries the code; before, there is a line to write it on.
        make_code_of_today(turn, activity)
    url = files.link(
        turn.session,
        public_url=public_url,
        community_id=turn.community.id,
        member_id=turn.who.id,
        kind=POSTER,
        now=turn.now,
        detail={"activity": activity.number, "public_url": public_url},
    )
    turn.wrote("poster", activity.number)
    return Reply(say("poster", title=activity.title, url=url), ref=activity.ref)


def make_code_of_today(turn: Turn, activity: ActivityHere) -> None:
    """Draws the code where the activity takes place today; on another day there is none."""
    try:
        books.code_of_the_day(turn.session, activity=activity, draws=_draws(), now=turn.now)
    except NotToday:
        return


NAMED = 12
"""People whom the answer names."""


@router.command(
    "who_came",
    "签到情况",
    "谁到了",
    "谁来了",
    "到了多少人",
    "到了几个人",
    slots=(Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪个活动的签到情况？请写上编号。"),),
    role=Role.BUILDING_LEAD,
    overheard=False,
    private=True,
    usage="签到情况 12",
    gist="谁到了，谁替谁签的，几位没到",
)
def who_came(turn: Turn) -> Answer:
    activity = _activity(turn)
    where = {"community_id": turn.community.id, "activity_id": activity.id}
    came = books.who_came(turn.session, **where)
    if not came:
        return Reply(say("came_nobody", title=activity.title), ref=activity.ref)
    missing = len(books.who_did_not_come(turn.session, **where))
    names = "、".join(map(_one, came[:NAMED])) + (say("more") if len(came) > NAMED else "")
    text = say(
        "came",
        title=activity.title,
        people=sum(1 + one.companions for one in came),
        absent=say("absent", count=missing) if missing else "",
        names=say("names", names=names),
    )
    return Reply(text, ref=activity.ref)


def _one(one: Came) -> str:
    notes = say("note_party", count=one.companions) if one.companions else ""
    if one.way is Way.VOUCHED:
        notes += say("note_vouched")
    elif one.spoken_for_by:
        notes += say("note_proxy", proxy=one.spoken_for_by)
    elif one.way is Way.PHOTO:
        notes += say("note_photo")
    return say("one", name=one.name, notes=notes)


def _undo_vouched(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.detail["activity"])
    member_id, before = act.detail["member"], act.detail.get("before", 0)
    books.take_back(
        turn.session, activity=activity, vouching_id=act.row, member_id=member_id, before=before, by=turn.who.id,
        now=turn.now,
    )  # fmt: skip
    notice = say("undone_vouched_you", giver=turn.who.name, title=activity.title)
    turn.tell(member_id, notice, key=f"vouching-undone:{act.row}", expires_hours=72)
    member = member_by_id(turn.session, community_id=turn.community.id, member_id=member_id)
    return say("undone_vouched", name=turn.named(member), title=activity.title)


@router.command(
    "vouch_hours",
    "时长",
    "记时长",
    "补时长",
    "证明时长",
    slots=(
        Slot("activity", Kind.OBJECT, of="activity", required=True, ask="哪个活动的时长？请写上编号。"),
        Slot("hours", Kind.DURATION, required=True, ask="记多久？例如 时长 12 王秀英 2小时。"),
        Slot("everybody", Kind.FLAG, labels=("全部", "所有人", "大家", "每个人", "都")),
        Slot("names", Kind.PEOPLE),
    ),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    bare=False,
    usage="时长 12 王秀英 2小时",
    gist="签到签退没记全的，由组织者证明",
    undo={"vouch_hours": _undo_vouched},
)
def vouch_hours(turn: Turn) -> Answer:
    activity = _activity(turn)
    books.refuse_too_late(activity, turn.now, turn.rules["check_in"].make_up_days)
    if turn.now < activity.ends_at:
        return say("not_yet", title=activity.title)
    names = turn.slots.get("names", ())
    if "everybody" in turn.slots:
        return _vouch_all(turn, activity)
    if len(names) != 1:
        return say("whose_hours", number=activity.number)
    return _vouch_one(turn, activity, names[0])


def _vouch_one(turn: Turn, activity: ActivityHere, name: str) -> Answer:
    member = spoken_of(turn, name)
    where = {"community_id": turn.community.id, "activity_id": activity.id}
    ended = books.ended_stays(turn.session, **where, member_ids=[member.id])
    if not ended:
        there = activity.number in books.where_checked_in(
            turn.session, community_id=turn.community.id, member_id=member.id
        )
        name = turn.named(member)
        return say("still_there" if there else "not_there", name=name, title=activity.title, number=activity.number)
    vouched = _vouch(turn, activity, ended[0])
    if vouched is None and ended[0].vouched:
        return say("stands_already", name=turn.named(member), minutes=spoken_minutes(ended[0].vouched))
    if vouched is None:
        raise NothingToVouch(name=member.name, recorded=spoken_minutes(ended[0].minutes))
    recorded = ended[0].minutes
    text = say(
        "vouched",
        name=turn.named(member),
        title=activity.title,
        minutes=spoken_minutes(vouched.minutes),
        recorded=say("recorded", minutes=spoken_minutes(recorded)) if recorded else "",
        points=say("points", points=vouched.points) if vouched.points else "",
    )
    return Reply(text, ref=activity.ref)


def _vouch_all(turn: Turn, activity: ActivityHere) -> Answer:
    ended = books.ended_stays(turn.session, community_id=turn.community.id, activity_id=activity.id)
    done = sum(_vouch(turn, activity, stay) is not None for stay in ended)
    minutes = spoken_minutes(min(turn.slots["hours"], books.minutes_long(activity)))
    if not done:
        return say("nobody_to_vouch", title=activity.title, minutes=minutes)
    return Reply(say("vouched_all", title=activity.title, count=done, minutes=minutes), ref=activity.ref)


def _vouch(turn: Turn, activity: ActivityHere, stay: Ended) -> books.Vouched | None:
    """Stands for what is missing of a stay; None where nothing is."""
    vouched = books.vouch(
        turn.session, activity=activity, stay=stay, minutes=turn.slots["hours"], by=turn.who.id, now=turn.now
    )
    if vouched is None:
        return None
    before = {"before": vouched.instead_of} if vouched.instead_of else {}
    turn.wrote(
        "vouch_hours", vouched.id, activity=activity.number, member=stay.member_id, minutes=vouched.minutes, **before
    )
    notice = say(
        "vouched_you",
        giver=turn.who.name,
        title=activity.title,
        minutes=spoken_minutes(vouched.minutes),
        points=say("points", points=vouched.points) if vouched.points else "",
    )
    turn.tell(stay.member_id, notice, key=f"vouched:{vouched.id}", ref=activity.ref, expires_hours=72)
    return vouched
