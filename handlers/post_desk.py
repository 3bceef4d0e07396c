"""发布岗位, 改岗位, 撤岗位, 请退: what those in charge of posts do.

张敏: 发布岗位 图书管理岗 活动室 2人 每周两次 轻活 任期半年 3分 负责人孙丽
小邻: 【图书管理岗】2个名额，每周两次，活动室，轻活
      任期6个月；履职一次3分；负责人：孙丽；先到先得
      要做什么、要审批的，可以接着写，例如 职责 整理图书 要审批。
      发布请回复 确认，不发回复 取消。
张敏: 确认
小邻: 已发布 8号岗位「图书管理岗」，2个名额。
      想做的邻居请发 认领 8。
张敏: 改岗位 8 名额 1 内部说明 钥匙在门卫室
小邻: 已改 8号「图书管理岗」：名额1人；内部说明（只给在岗的人看）。
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.posts import Written, category_of, read_changes, read_post
from handlers.language.slots import Kind, Slot
from handlers.shared.posts import tell_offered, tell_post_left, tell_resumed
from models import audit
from models import posts as books
from models.audit import Act
from models.clock import last_day, spoken_date
from models.members import NoSuchMember, Role, find_member, member_by_id, require
from models.points import refuse_long
from models.posts import (
    Claiming,
    Demand,
    EndsInThePast,
    NotClaimed,
    NothingToChange,
    NotInCharge,
    NotWithdrawn,
    Plan,
    PointsPerEntry,
    PostHere,
    PostWithdrawn,
    PostWordsTooLong,
    SlotsHeld,
    SlotsOutOfRange,
    TakenMeanwhile,
    Why,
)
from models.units import UnitHere, UnitKind, find_unit, unit_by_id

say = Texts(
    "post_desk",
    example="可以这样说：{usage}。\n职责、频次、任期、负责人、内部说明都可以写，例如 职责 整理图书 任期一年。",
    unclear="「{rest}」没有看懂。前面加上是什么，例如 职责 {rest}。",
    private="内部说明不要发在群里，请私聊我再说一遍。\n群里那一条，请您撤回。",
    preview="【{title}】{what}\n{terms}\n{duty}\n发布请回复 确认，不发回复 取消。",
    preview_hint="要做什么、要审批的，可以接着写，例如 职责 整理图书 要审批。",
    published="已发布 {number}号岗位「{title}」，{count}个名额。\n想做的邻居请发 认领 {number}。",
    undone_publish="已撤回 {number}号岗位「{title}」{told}。",
    changed="已改 {number}号「{title}」：{what}。{then}",
    changed_notice="{number}号「{title}」改了：{what}。\n现在是什么样请发 岗位 {number}。",
    details_notice="{number}号「{title}」的内部说明改了，看请发 岗位细节 {number}。",
    terms_stay="\n已经在岗的人任期不变。",
    undone_change="已改回 {number}号「{title}」。",
    undone_details="内部说明改不回去，请重新发一次。",
    withdraw_ask="要撤掉 {number}号「{title}」吗？{holders}。\n确定请回复 确认，不撤回复 取消。",
    withdraw_holders="在岗的{count}人会退下来，我会逐个通知",
    withdraw_holders_quiet="在岗的{count}人会退下来，请您告诉他们",
    withdraw_nobody="现在没有人在岗",
    withdrawn="已撤 {number}号岗位「{title}」{told}。",
    withdrawn_notice="{number}号「{title}」撤了{why}，您不用再做了。谢谢您一直以来的付出！",
    told="，正在通知{count}位邻居",
    told_yourself="，请告诉{count}位邻居",
    undone_withdraw="已恢复 {number}号岗位「{title}」{told}。",
    back_notice="{number}号「{title}」还在，刚才说的撤掉不算。",
    dismiss_ask="要请 {name} 退出 {number}号「{title}」吗？\n确定请回复 确认，不退回复 取消。",
    dismissed="{name} 已退出 {number}号「{title}」。",
    dismissed_notice="您不再担任 {number}号「{title}」了{why}。谢谢您的付出！\n有疑问请找 {by}。",
    undone_dismiss="已恢复：{name} 还在 {number}号「{title}」。",
    undone_dismiss_notice="您还在 {number}号「{title}」，刚才说的退出不算。",
    why="，原因：{reason}",
    what_title="名称「{value}」",
    what_category="类别{value}",
    what_place="地点{value}",
    what_duty="职责「{value}」",
    what_frequency="频次{value}",
    what_slots="名额{value}人",
    what_points="履职一次{value}分",
    what_points_rule="积分按社区规则",
    what_term_months="任期{value}个月",
    what_term_open="不限任期",
    what_term_ends_at="任期到{value}",
    what_leader="负责人：{value}",
    what_details="内部说明（只给在岗的人看）",
    what_open="先到先得",
    what_approval="认领要审批",
    what_confirms="履职要确认",
    what_no_confirms="履职不用确认",
    what_squad="归{value}",
    what_demand_light="轻活",
    what_demand_normal="普通",
    what_demand_heavy="体力活",
    count="{count}个名额",
    duty="要做的：{duty}",
)

router = Router(
    "post_desk",
    {
        SlotsOutOfRange: "一个岗位设1到{most}个名额，请改一下再发。",
        SlotsHeld: "「{title}」现在有{held}人在岗或在等答复，名额不能少于{held}。\n"
        "谁退您来定：请发 请退 {number} 加姓名，再改名额。",
        PointsPerEntry: "履职一次给0到{most}分，请改一下分数再发。",
        EndsInThePast: "任期的最后一天已经过去了，请写一个以后的日期。",
        PostWordsTooLong: "写得太长了，最多{most}个字，请写短一点再发。",
        NothingToChange: "{number}号「{title}」本来就是这样，不用改。",
        NotInCharge: "{number}号「{title}」不归您管，请找它的负责人。",
        NotWithdrawn: "「{title}」没有撤，不用恢复。",
        PostWithdrawn: "「{title}」已经撤了。",
        NotClaimed: "TA 没有认领「{title}」，不用退。",
        TakenMeanwhile: "「{title}」已经有别人接上了，改不回去。",
        NoSuchMember: "没有找到 {name}，请核对姓名。",
    },
)

POST = Slot("post", Kind.OBJECT, of="post", required=True, ask="是几号岗位？看看有哪些，请发 岗位。")
SAID_MOST = 3
"""Changes that one sentence names."""


# -- publishing ----------------------------------------


def _undo_publish(turn: Turn, act: Act) -> str:
    post = books.find_post(turn.session, community_id=turn.community.id, number=act.row)
    told = _withdraw(turn, post, "")
    return say("undone_publish", number=post.number, title=post.title, told=told)


@router.command(
    "create_post",
    *("发布岗位", "新设岗位", "增设岗位", "设岗", "发岗位", "发布公益岗位", "新建岗位"),
    slots=(Slot("plan", Kind.TEXT, required=True, ask="岗位叫什么、在哪里、要几个人？"),),
    role=Role.BUILDING_LEAD,
    for_group=True,
    writes=True,
    overheard=False,
    aloud=("发布岗位",),
    confidential=True,
    form=True,
    usage="发布岗位 图书管理岗 活动室 2人 每周两次 轻活 任期一年 3分",
    gist="发布一个公益岗位，先预览再确认",
    undo={"publish_post": _undo_publish},
)
def create_post(turn: Turn) -> Answer:
    said = read_post(turn.slots["plan"], turn.now)
    if turn.group and said.details:
        return say("private")
    if said.title is None:
        return say("example", usage=turn.command.usage)
    if said.rest:
        return say("unclear", rest=said.rest[:20])
    unit = _whose(turn, said)
    rules = turn.rules["posts"]
    blank = Plan(
        title=said.title,
        category=category_of(said.title),
        slots=1,
        term_months=None if said.term_ends_at else rules.term_months or None,
        squad_id=unit.id if unit.kind is UnitKind.SERVICE_TEAM else None,
    )
    plan = _with_changes(turn, blank, said)
    limits = {"slots_max": rules.slots_max, "points_max": rules.points_max}
    if not turn.confirmed:
        books.refuse_odd_plan(plan, now=turn.now, **limits)
        return Ask(_preview(turn, plan), minutes=30)
    post = books.publish_post(
        turn.session,
        community_id=turn.community.id,
        unit=unit,
        plan=plan,
        made_by=turn.who.id,
        now=turn.now,
        **limits,
    )
    turn.wrote("publish_post", post.number, title=post.title)
    return Reply(say("published", number=post.number, title=post.title, count=post.slots), ref=post.ref)


def _whose(turn: Turn, said: Written) -> UnitHere:
    """The unit that was named, else the group's; in a direct conversation all that the speaker's role reaches."""
    community_id = turn.community.id
    if said.unit:
        unit = find_unit(turn.session, community_id=community_id, name=said.unit)
        require(turn.who, Role.BUILDING_LEAD, unit.path)
        return unit
    if turn.group is not None:
        return unit_by_id(turn.session, community_id=community_id, unit_id=turn.group.unit_id)
    reach = min((held.path for held in turn.who.held if held.role.rank >= Role.BUILDING_LEAD.rank), key=len)
    return unit_by_id(turn.session, community_id=community_id, unit_id=int(reach.rstrip("/").rsplit("/")[-1]))


def _with_changes(turn: Turn, plan: Plan, said: Written) -> Plan:
    """The plan as it is with what was said. Raises NoSuchMember, SeveralMembers, NoSuchSquad."""
    written: dict[str, Any] = {
        name: getattr(said, name)
        for name in ("title", "category", "place", "duty", "frequency", "slots", "points", "details")
        if getattr(said, name) is not None
    }
    if said.by_rule:
        written["points"] = None
    if said.demand:
        written["demand"] = Demand(said.demand)
    if said.term_months is not None:
        written |= {"term_months": said.term_months or None, "term_ends_at": None}
    if said.term_ends_at is not None:
        written |= {"term_months": None, "term_ends_at": said.term_ends_at}
    if said.leader:
        written["leader_id"] = find_member(turn.session, community_id=turn.community.id, name=said.leader).id
    if said.squad:
        written["squad_id"] = books.find_squad(turn.session, community_id=turn.community.id, name=said.squad).id
    if said.approval is not None:
        written["claiming"] = Claiming.APPROVAL if said.approval else Claiming.OPEN
    if said.confirms is not None:
        written["confirms"] = said.confirms
    return replace(plan, **written)


def _preview(turn: Turn, plan: Plan) -> str:
    what = [say("count", count=plan.slots), plan.frequency, plan.place, say(f"what_demand_{plan.demand}")]
    terms = [*_term(plan), *_points(plan)]
    if plan.leader_id is not None:
        terms.append(say("what_leader", value=_name(turn, plan.leader_id)))
    if plan.squad_id is not None:
        terms.append(say("what_squad", value=_unit_name(turn, plan.squad_id)))
    terms.append(say("what_approval" if plan.claiming is Claiming.APPROVAL else "what_open"))
    if plan.confirms:
        terms.append(say("what_confirms"))
    if plan.details:
        terms.append(say("what_details"))
    return say(
        "preview",
        title=plan.title,
        what="，".join(filter(None, what)),
        terms="；".join(terms),
        duty=say("duty", duty=plan.duty) if plan.duty else say("preview_hint"),
    )


def _term(plan: Plan) -> list[str]:
    if plan.term_ends_at is not None:
        return [say("what_term_ends_at", value=_day(plan.term_ends_at))]
    return [say("what_term_months", value=plan.term_months) if plan.term_months else say("what_term_open")]


def _points(plan: Plan) -> list[str]:
    return [say("what_points_rule") if plan.points is None else say("what_points", value=plan.points)]


def _day(until: datetime) -> str:
    return spoken_date(last_day(until))


def _name(turn: Turn, member_id: int) -> str:
    return turn.named(member_by_id(turn.session, community_id=turn.community.id, member_id=member_id))


def _unit_name(turn: Turn, unit_id: int) -> str:
    return unit_by_id(turn.session, community_id=turn.community.id, unit_id=unit_id).name


# -- changing ----------------------------------------

MOMENTS = ("term_ends_at",)
NOT_KEPT = ("details",)
"""What the audit does not hold, for it is read by more people and kept for longer than a post."""


def _undo_change(turn: Turn, act: Act) -> str:
    post = books.find_post(turn.session, community_id=turn.community.id, number=act.row)
    before: dict[str, Any] = {
        name: datetime.fromisoformat(value) if name in MOMENTS and value else value
        for name, value in act.detail["before"].items()
    }
    if not before:
        return say("undone_details")
    plan = replace(books.plan_of(turn.session, post), **before)
    plan = replace(plan, demand=Demand(plan.demand), claiming=Claiming(plan.claiming))
    _change(turn, post, plan)
    return say("undone_change", number=post.number, title=plan.title)


@router.command(
    "change_post",
    *("改岗位", "修改岗位", "调整岗位"),
    slots=(POST, Slot("changes", Kind.TEXT, required=True, ask="要改什么？例如 改岗位 3 名额 3 地点 北门")),
    rare=True,
    writes=True,
    overheard=False,
    confidential=True,
    form=True,
    usage="改岗位 3 名额 3 地点 北门",
    gist="改岗位的名额、地点、职责、任期、负责人、内部说明",
    undo={"change_post": _undo_change},
)
def change_post(turn: Turn) -> Answer:
    post = _in_charge(turn)
    said = read_changes(turn.slots["changes"], turn.now)
    if turn.group and said.details:
        return say("private")
    if said.rest:
        return say("unclear", rest=said.rest[:20])
    before = books.plan_of(turn.session, post)
    after = _with_changes(turn, before, said)
    changed = [name for name in Plan.__dataclass_fields__ if getattr(before, name) != getattr(after, name)]
    if not changed:
        raise NothingToChange(number=post.number, title=post.title)
    _change(turn, post, after)
    kept = {name: _packed(getattr(before, name)) for name in changed if name not in NOT_KEPT}
    turn.wrote("change_post", post.number, before=kept)
    what = _changes(turn, changed, after)
    _tell_changed(turn, post, after.title, changed, what)
    then = say("terms_stay") if {"term_months", "term_ends_at"} & set(changed) else ""
    return Reply(say("changed", number=post.number, title=after.title, what=what, then=then), ref=post.ref)


def _in_charge(turn: Turn) -> PostHere:
    post = books.find_post(turn.session, community_id=turn.community.id, number=turn.slots["post"])
    books.require_charge(turn.session, post=post, person=turn.who, now=turn.now)
    return post


def _change(turn: Turn, post: PostHere, plan: Plan) -> None:
    rules = turn.rules["posts"]
    _, offers = books.change_post(
        turn.session,
        post=post,
        plan=plan,
        now=turn.now,
        offer_hours=rules.offer_hours,
        slots_max=rules.slots_max,
        points_max=rules.points_max,
    )
    tell_offered(turn, offers)


def _packed(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _changes(turn: Turn, changed: list[str], plan: Plan) -> str:
    said: list[str] = []
    for name in changed:
        value = getattr(plan, name)
        match name:
            case "demand":
                said.append(say(f"what_demand_{plan.demand}"))
            case "points":
                said += _points(plan)
            case "term_months" | "term_ends_at":
                said = [*said, *(one for one in _term(plan) if one not in said)]
            case "leader_id":
                said.append(say("what_leader", value=_name(turn, value)))
            case "squad_id":
                said.append(say("what_squad", value=_unit_name(turn, value)))
            case "claiming":
                said.append(say("what_approval" if value is Claiming.APPROVAL else "what_open"))
            case "confirms":
                said.append(say("what_confirms" if value else "what_no_confirms"))
            case _:
                said.append(say(f"what_{name}", value=value))
    return "；".join(said)


TOLD = frozenset(("title", "place", "duty", "frequency", "points", "leader_id", "confirms", "demand"))
"""Changes that a holder wants to know of."""


def _tell_changed(turn: Turn, post: PostHere, title: str, changed: list[str], what: str) -> None:
    times = audit.times(turn.session, community_id=turn.community.id, action="change_post", object_ref=str(post.number))
    fields = {"number": post.number, "title": title}
    for holder in books.holders_of(turn.session, post):
        if holder.member_id == turn.who.id:
            continue
        key = f"post-changed:{post.id}:{times}:{holder.member_id}"
        if TOLD & set(changed):
            turn.tell(holder.member_id, say("changed_notice", what=what, **fields), key=key, ref=post.ref)
        elif "details" in changed:
            turn.tell(holder.member_id, say("details_notice", **fields), key=key, ref=post.ref)


# -- withdrawing ----------------------------------------


def _undo_withdraw(turn: Turn, act: Act) -> str:
    post = books.find_post(turn.session, community_id=turn.community.id, number=act.row)
    post, back = books.restore_post(turn.session, post=post, claims=act.detail["claims"], now=turn.now)
    people = [one.member_id for one in back if one.member_id != turn.who.id]
    for member_id in people:
        text = say("back_notice", number=post.number, title=post.title)
        turn.tell(member_id, text, key=f"post-restored:{act.id}:{member_id}", ref=post.ref)
    return say("undone_withdraw", number=post.number, title=post.title, told=_told(turn, len(people)))


@router.command(
    "withdraw_post",
    *("撤岗位", "撤销岗位", "取消岗位", "撤掉岗位", "撤岗"),
    slots=(POST, Slot("reason", Kind.TEXT)),
    rare=True,
    writes=True,
    overheard=False,
    usage="撤岗位 3 不再需要",
    gist="撤掉一个岗位，并告诉在岗的人",
    undo={"withdraw_post": _undo_withdraw},
)
def withdraw_post(turn: Turn) -> Answer:
    post = _in_charge(turn)
    reason = turn.slots.get("reason", "")
    refuse_long(reason)
    if not turn.confirmed:
        if post.state is books.PostState.WITHDRAWN:
            raise PostWithdrawn(number=post.number, title=post.title)
        return Ask(say("withdraw_ask", number=post.number, title=post.title, holders=_held_by(turn, post)))
    told = _withdraw(turn, post, reason)
    return Reply(say("withdrawn", number=post.number, title=post.title, told=told), ref=post.ref)


def _held_by(turn: Turn, post: PostHere) -> str:
    count = len(books.holders_of(turn.session, post))
    if not count:
        return say("withdraw_nobody")
    return say("withdraw_holders" if turn.reaches else "withdraw_holders_quiet", count=count)


def _withdraw(turn: Turn, post: PostHere, reason: str) -> str:
    """Withdraws it and tells those who lose something; returns how many are told."""
    ended = books.withdraw_post(turn.session, post=post, reason=reason, by=turn.who.id, now=turn.now)
    if turn.command.intent == "withdraw_post":
        turn.wrote("withdraw_post", post.number, reason=reason, claims=[one.id for one in ended])
    why = say("why", reason=reason) if reason else ""
    people = [one for one in ended if one.member_id != turn.who.id]
    for one in people:
        text = say("withdrawn_notice", number=post.number, title=post.title, why=why)
        turn.tell(one.member_id, text, key=f"post-withdrawn:{one.id}:{turn.incoming.message_id[-40:]}", ref=post.ref)
    return _told(turn, len(people))


def _told(turn: Turn, count: int) -> str:
    if not count:
        return ""
    return say("told" if turn.reaches else "told_yourself", count=count)


# -- dismissing ----------------------------------------


def _undo_dismiss(turn: Turn, act: Act) -> str:
    back = books.resume(
        turn.session,
        community_id=turn.community.id,
        claim_id=act.row,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
        partner_claim=act.detail.get("partner_claim"),
    )
    fields = {"number": back.post.number, "title": back.post.title}
    tell_resumed(turn, back, str(act.id))
    turn.tell(
        back.claim.member_id, say("undone_dismiss_notice", **fields), key=f"post-back:{act.id}", ref=back.post.ref
    )
    return say("undone_dismiss", name=_name(turn, back.claim.member_id), **fields)


@router.command(
    "dismiss_holder",
    *("请退", "清退", "劝退"),
    slots=(
        POST,
        Slot("member", Kind.PERSON, required=True, ask="请谁退出？例如 请退 3 王秀英 长期没来"),
        Slot("reason", Kind.TEXT),
    ),
    rare=True,
    writes=True,
    overheard=False,
    usage="请退 3 王秀英 长期没来",
    gist="请一位在岗的人退出岗位，并告诉本人",
    undo={"dismiss_holder": _undo_dismiss},
)
def dismiss_holder(turn: Turn) -> Answer:
    post = _in_charge(turn)
    reason = turn.slots.get("reason", "")
    refuse_long(reason)
    member = find_member(turn.session, community_id=turn.community.id, name=turn.slots["member"])
    if books.find_claim(turn.session, post=post, member_id=member.id) is None:
        raise NotClaimed(number=post.number, title=post.title)
    fields = {"number": post.number, "title": post.title}
    if not turn.confirmed:
        return Ask(say("dismiss_ask", name=turn.named(member), **fields))
    ended = books.release(
        turn.session,
        post=post,
        member_id=member.id,
        by=turn.who.id,
        why=Why.DISMISSED,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
        note=reason,
    )
    partner = {"partner_claim": ended.partner.id} if ended.partner else {}
    turn.wrote("dismiss_holder", ended.claim.id, post=post.number, reason=reason, **partner)
    why = say("why", reason=reason) if reason else ""
    tell_post_left(turn, [ended], member.name, why)
    turn.tell(
        member.id,
        say("dismissed_notice", why=why, by=turn.who.name, **fields),
        key=f"post-dismissed:{ended.claim.id}:{turn.incoming.message_id[-40:]}",
        ref=post.ref,
    )
    return Reply(say("dismissed", name=turn.named(member), **fields), ref=post.ref)
