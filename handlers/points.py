"""积分: how many, why, and who stands where.

李建国（3栋群）: @小邻 积分
小邻: 已私信您。
小邻 → 李建国: 李建国，您现有4分，本月+0分，服务时长1小时45分。
      为什么有这些分，请发 积分明细。
张敏: 扣分 李建国 2 乱停车
小邻: 要扣 李建国 2分（乱停车）吗？回复 确认 就扣，不扣回复 取消。
张敏: 确认
小邻: 已扣 李建国 2分（乱停车），现有2分。
小邻 → 李建国: 张敏 扣了您2分（乱停车），现有2分。
      不同意请发 积分明细，再发 申诉 加编号和理由。
"""

import re
import unicodedata

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn, in_few_lines
from handlers.language.slots import Kind, Slot
from handlers.shared.people import decides_otherwise
from models import ledger
from models import points as books
from models.activities import NoSuchActivity, find_activity
from models.audit import Act
from models.base import Placard
from models.broadcast.audience import Spoken, with_ears
from models.clock import short_day, spoken
from models.directory import audience, groups_of, organisations
from models.ledger import Currency, Entry, NoSuchTransfer, NotEnough
from models.members import Neighbour, Role, find_member, masked, people_in_scope
from models.members.merging import merged_into
from models.points import (
    AppealDecided,
    AppealedAlready,
    BeyondScope,
    NoPoints,
    Ranked,
    ReasonTooLong,
    TakenBack,
    TooManyPoints,
    ToOneself,
)
from models.posts import NoSuchPost, find_post
from models.quiet import groups_end
from models.reach import reach_in
from models.units import UnitHere, UnitKind, covers, find_unit, unit_by_id

say = Texts(
    "points",
    balance="{name}，您现有{balance}分，本月{month:+d}分{minutes}。\n为什么有这些分，请发 积分明细。",
    minutes="，服务时长{spoken}",
    minutes_vouched="，组织者证明的{spoken}",
    line="{day} {why} {change:+d}",
    statement_more="有疑问请发 申诉 加编号和理由，例如 申诉 {number} 少记了。{more}",
    statement_earlier="更早的请发 积分明细 {oldest}。",
    statement_end="没有更早的积分记录了。",
    statement_none="还没有积分记录。参加活动签到就有了，看活动请发 活动。",
    why_check_in="{title} 签到",
    why_hours="{title} 服务时长",
    why_vouched_hours="{title} 服务时长（组织者证明）",
    why_duty="{title} 履职",
    why_award="加分：{note}",
    why_deduct="扣分：{note}",
    why_undo="撤销：{title}",
    why_appeal="申诉通过{note}",
    an_activity="{number}号活动",
    a_post="{number}号岗位",
    by_hand="人工加减分",
    board="【{period}积分榜{scope}】",
    board_line="{place}. {name} {amount}分",
    board_none="{period}还没有积分记录。",
    board_own="您在第{place}位，{amount}分。",
    board_own_none="您{period}还没有积分。",
    board_own_elsewhere="您不在{unit}，这里不排您的名次。",
    board_scope=" {unit}",
    published="积分榜会发到：{names}。",
    published_late="现在是免打扰的时间，{until} 再把积分榜发到：{names}。",
    published_to_you="{names}我发不进去，榜单马上私信发给您，请转到群里。",
    published_for_you="榜单马上私信发给您，要放哪个群就转到哪个群。",
    published_mute="我不能先私信您，请发 排行榜 {what}，把回答复制过去。",
    published_by_hand="{names}我发不进去，请发 排行榜 {what}，把回答复制过去。",
    no_group="这里的群",
    published_beyond="{unit}不归您管，请发您负责的楼栋的榜，例如 发榜 本月。",
    board_foot="自己排第几请 @{bot} 发 排行榜，不想上榜发 不上榜。",
    no_week="积分榜按月算。请发 排行榜 本月，或 上月、本季、今年、全部。",
    hidden="好的，积分榜不再显示您。想重新上榜请发 我要上榜。",
    hidden_already="积分榜本来就没有显示您。",
    shown="好的，积分榜会显示您了。不想显示请发 不上榜。",
    shown_already="您已经在积分榜上了。",
    given="已给 {name} 加{points}分（{reason}），现有{balance}分。",
    taken="已扣 {name} {points}分（{reason}），现有{balance}分。",
    given_notice="{giver} 给您加了{points}分（{reason}），现有{balance}分。",
    taken_notice="{giver} 扣了您{points}分（{reason}），现有{balance}分。"
    "\n不同意请发 积分明细，再发 申诉 加编号和理由。",
    given_back_notice="{giver} 撤销了刚才给您加的{points}分，现有{balance}分。",
    taken_back_notice="{giver} 撤销了刚才扣您的{points}分，现有{balance}分。",
    confirm_deduct="要扣 {name} {points}分（{reason}）吗？回复 确认 就扣，不扣回复 取消。",
    undone="已撤销给 {name} 的{points:+d}分。",
    whole_points="积分是整数，没有半分。请写整数，例如 加分 李建国 5 修灯。",
    undone_shown="已撤销。积分榜不显示您。",
    undone_hidden="已撤销。积分榜会显示您。",
    appealed="已收到申诉（{number}号），会请没有经手这笔分的人来看。\n{then}",
    will_tell="有结果我会告诉您。",
    look_again="有没有结果，请过几天发 积分明细 看。",
    appealed_alone="已收到申诉（{number}号）。这笔分要请没有经手的人来看，社区现在还没有，有了就能办。"
    "\n着急的话请当面找社区说。",
    appeal_alone_notice="{name} 对您经手的「{line}」有意见：{reason}（{number}号）。"
    "\n要请别的社区工作人员来看，现在还没有，请先添一位。",
    withdrawn="已撤回申诉（{number}号），看的人会知道。",
    withdrawn_notice="{name} 撤回了积分申诉（{number}号），不用看了。",
    appeal_notice="有一条积分申诉等您看：{name} 对「{line}」说「{reason}」。"
    "\n同意回复 通过 {number}，不同意回复 驳回 {number} 理由。",
    rules="【积分规则】参加活动每次{base}分{per_hour}{night}{festival}{caps}\n以活动上写的分数为准。",
    rule_hour="，满一小时再加{points}分",
    rule_night="；晚上{start}点到{end}点按{percent}%",
    rule_festival="；节日当天按{percent}%",
    rule_day="；一天最多{most}分",
    rule_month="；一月最多{most}分",
)

BOARD_HEAD = ("名次", "姓名", "积分")

router = Router(
    "points",
    {
        NotEnough: "对方现在只有{balance}分，扣不了{amount}分。",
        NoSuchTransfer: "没有找到您的{number}号积分记录。编号在 积分明细 里。",
        ToOneself: "不能给自己加减分，请别的同志来办。",
        NoPoints: "分数至少是1分，例如 加分 李建国 5 修灯。",
        ReasonTooLong: "理由请用{most}个字以内，写短一点再发。",
        TooManyPoints: "一次最多{most}分，请分几次，或核对一下数字。",
        BeyondScope: "{name} 不在您负责的范围，请他所在楼栋的负责人来办。",
        AppealedAlready: "这一条已经申诉过了（{number}号）。",
        AppealDecided: "{number}号申诉已经有结果了，不能撤回。",
        TakenBack: "{number}号已经撤销了。有意见请对撤销的那一条说：申诉 {back} 加理由。",
    },
)

PERIODS = tuple((word, ()) for word in ("本月", "上月", "本季", "今年", "全部"))


@router.command(
    "my_points",
    "积分",
    "我的积分",
    "查积分",
    "积分多少",
    "多少积分",
    "多少分",
    "几分了",
    "挣了几分",
    "得了几分",
    "挣了多少分",
    "得了多少分",
    "有几分",
    "查查积分",
    "攒了多少分",
    "攒了多少",
    "积分余额",
    "我的分",
    "查分",
    "查一下积分",
    "积分查询",
    "有多少积分",
    "还剩多少分",
    "加了几分",
    slots=(Slot("period", Kind.PERIOD),),
    fillers=(
        "我",
        "我的",
        "多少",
        "有",
        "现在",
        "了",
        "几分",
        "一共",
        "总共",
        "积分",
        "是",
        "还",
        "剩",
        "到",
        "里",
        "看下",
        "挣",
        "到底",
        "共",
        "得了",
    ),
    private=True,
    usage="积分",
    gist="我有多少分",
)
def my_points(turn: Turn) -> Answer:
    community_id, member_id = turn.community.id, turn.who.id
    balance = ledger.balance_of(turn.session, community_id=community_id, member_id=member_id, currency=Currency.POINTS)
    month = books.earned_this_month(turn.session, community_id=community_id, member_id=member_id, now=turn.now)
    served = ledger.balance_of(
        turn.session, community_id=community_id, member_id=member_id, currency=Currency.RECORDED_MINUTES
    )
    vouched = ledger.balance_of(
        turn.session, community_id=community_id, member_id=member_id, currency=Currency.VOUCHED_MINUTES
    )
    minutes = say("minutes", spoken=_hours(served)) if served else ""
    minutes += say("minutes_vouched", spoken=_hours(vouched)) if vouched else ""
    return say("balance", name=turn.who.name, balance=balance, month=month, minutes=minutes)


def _hours(minutes: int) -> str:
    return f"{minutes // 60}小时{minutes % 60}分" if minutes >= 60 else f"{minutes}分钟"


SHOWN = 3
"""Lines of a statement in one answer: with the next step four."""


@router.command(
    "points_statement",
    "积分明细",
    "积分流水",
    "积分记录",
    slots=(Slot("before", Kind.NUMBER),),
    private=True,
    usage="积分明细",
    gist="每一分是怎么来的",
)
def points_statement(turn: Turn) -> Answer:
    before = turn.slots.get("before")
    entries = ledger.statement(
        turn.session,
        community_id=turn.community.id,
        member_id=turn.who.id,
        currency=Currency.POINTS,
        limit=SHOWN + 1,
        before_id=before,
        also=merged_into(turn.session, community_id=turn.community.id, member_id=turn.who.id),
    )
    if not entries:
        return say("statement_none" if before is None else "statement_end")
    shown = entries[:SHOWN]
    lines = [f"{entry.id}. {_line(turn, entry)}" for entry in shown]
    more = say("statement_earlier", oldest=shown[-1].id) if len(entries) > SHOWN else ""
    return "\n".join([*lines, say("statement_more", number=shown[0].id, more=more)])


def _line(turn: Turn, entry: Entry) -> str:
    return say("line", day=short_day(entry.at), why=_why(turn, entry), change=entry.change)


def _why(turn: Turn, entry: Entry) -> str:
    name = f"why_{entry.reason}"
    if name not in say.sentences:
        return entry.reason
    if entry.reason == "appeal" and entry.note:
        return say(name, note=f"：{entry.note}")
    return say(name, title=_about(turn, entry), note=entry.note)


def _about(turn: Turn, entry: Entry) -> str:
    kind, _, number = entry.ref.partition(":")
    if kind not in ("activity", "post"):
        return entry.note or say("by_hand")
    try:
        if kind == "post":
            return find_post(turn.session, community_id=turn.community.id, number=int(number)).title
        return find_activity(turn.session, community_id=turn.community.id, number=int(number)).title
    except NoSuchPost:
        return say("a_post", number=number)
    except NoSuchActivity:
        return say("an_activity", number=number)


@router.command(
    "leaderboard",
    "排行榜",
    "积分榜",
    "积分排行",
    "积分排名",
    "排行",
    "排名",
    "光荣榜",
    "积分排行榜",
    "谁的分最高",
    "谁分最高",
    "谁积分最高",
    "谁的积分最高",
    "谁分最多",
    "谁的分最多",
    "谁积分最多",
    "谁的积分最多",
    "谁排第一",
    "谁第一",
    "积分榜单",
    "红榜",
    "排榜",
    "我排第几",
    "排第几",
    "第几名",
    slots=(
        Slot("period", Kind.PERIOD),
        Slot("scope", Kind.UNIT),
        Slot("star", Kind.STAR),
        Slot("top", Kind.NUMBER),
    ),
    fillers=("积分", "的", "是", "名", "看看", "我们", "全社区", "社区", "谁", "里", "都有谁", "有谁"),
    usage="排行榜 本月 3栋",
    gist="谁的积分多，自己排第几",
)
def leaderboard(turn: Turn) -> Answer:
    period = turn.slots.get("period", "本月")
    try:
        months = books.months_of(period, turn.now)
    except KeyError:
        return say("no_week")
    path, scope, own = None, "", say("board_own_none", period="" if months is None else period)
    if "scope" in turn.slots:
        unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["scope"])
        path, scope = unit.path, say("board_scope", unit=turn.slots["scope"])
        if not covers(path, turn.who.unit_path):
            own = say("board_own_elsewhere", unit=turn.slots["scope"])
    found = books.board(turn.session, community_id=turn.community.id, months=months, path=path, asker=turn.who)
    if not found.first:
        return say("board_none", period=period)
    if found.own:
        own = say("board_own", place=found.own.place, amount=found.own.amount)
    return "\n".join([say("board", period=period, scope=scope), _rows(found.first), own])


def _cells(one: Ranked) -> tuple[str, str, str]:
    return str(one.place), masked(one.name) if one.hides_name else one.name, f"{one.amount}分"


def _rows(ranked: tuple[Ranked, ...]) -> str:
    # Ten people in at most two lines: a board must not push the talk off the screen.
    cells = [
        say(
            "board_line",
            place=one.place,
            name=masked(one.name) if one.hides_name else one.name,
            amount=one.amount,
        )
        for one in ranked
    ]
    half = 5
    return "\n".join("  ".join(cells[i : i + half]) for i in range(0, len(cells), half))


def _undo_hide(turn: Turn, _act: Act) -> str:
    books.show_on_boards(turn.session, community_id=turn.community.id, member_id=turn.who.id, shown=True)
    return say("undone_hidden")


def _undo_show(turn: Turn, _act: Act) -> str:
    books.show_on_boards(turn.session, community_id=turn.community.id, member_id=turn.who.id, shown=False)
    return say("undone_shown")


@router.command(
    "hide_from_boards",
    "不上榜",
    "退出排行榜",
    writes=True,
    usage="不上榜",
    gist="积分榜不显示我",
    undo={"hide_from_boards": _undo_hide},
)
def hide(turn: Turn) -> Answer:
    return _show(turn, shown=False)


@router.command(
    "show_on_boards",
    "我要上榜",
    "重新上榜",
    writes=True,
    usage="我要上榜",
    gist="积分榜重新显示我",
    undo={"show_on_boards": _undo_show},
)
def show(turn: Turn) -> Answer:
    return _show(turn, shown=True)


def _show(turn: Turn, *, shown: bool) -> str:
    changed = books.show_on_boards(turn.session, community_id=turn.community.id, member_id=turn.who.id, shown=shown)
    if changed:
        turn.wrote("show_on_boards" if shown else "hide_from_boards", turn.who.id)
    return say(("shown" if shown else "hidden") + ("" if changed else "_already"))


def _undo_award(turn: Turn, act: Act) -> str:
    community_id = turn.community.id
    member, points = books.undo_award(
        turn.session, community_id=community_id, award_id=act.row, by=turn.who.id, now=turn.now
    )
    balance = ledger.balance_of(turn.session, community_id=community_id, member_id=member.id, currency=Currency.POINTS)
    kind = "given" if points > 0 else "taken"
    notice = say(f"{kind}_back_notice", giver=turn.who.name, points=abs(points), balance=balance)
    turn.tell(member.id, notice, key=f"award-undone:{act.row}")
    return say("undone", name=member.shown, points=points)


@router.command(
    "award_points",
    "加分",
    "扣分",
    "减分",
    "奖励积分",
    "奖励",
    "加积分",
    "扣积分",
    "罚分",
    "记分",
    slots=(
        Slot("member", Kind.PERSON, required=True, ask="给谁？例如 加分 李建国 5 修灯"),
        Slot("points", Kind.POINTS, required=True, ask="多少分？例如 加分 李建国 5 修灯"),
        Slot("members", Kind.PEOPLE),
        Slot("building", Kind.UNIT),
        Slot("reason", Kind.TEXT, required=True, ask="请写上理由，例如 加分 李建国 5 修灯"),
    ),
    fillers=("每人", "各", "每位", "积分", "给", "都"),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    aloud=("加分", "扣分", "减分", "加", "扣", "减"),
    usage="加分 李建国 5 修灯",
    gist="给范围里的人加分，要写理由；扣分 也这样写，先确认",
    undo={"award": _undo_award, "deduction": _undo_award},
)
def award(turn: Turn) -> Answer:
    points, reason = turn.slots["points"], turn.slots["reason"]
    members = [_whom(turn, name) for name in turn.slots.get("members") or [turn.slots["member"]]]
    if _is_cut(points, reason, turn.incoming.text):
        return say("whole_points")
    most = turn.rules["points"].award_max
    for member in members:
        books.refuse_award(turn.session, giver=turn.who, member=member, points=points, reason=reason, most=most)
    if points < 0 and not turn.confirmed:
        names = "、".join(member.shown for member in members)
        return Ask(say("confirm_deduct", name=names, points=-points, reason=reason))
    return in_few_lines([_give(turn, member, points, reason) for member in members])


def _give(turn: Turn, member: Neighbour, points: int, reason: str) -> str:
    given = books.award_points(
        turn.session,
        giver=turn.who,
        member=member,
        points=points,
        reason=reason,
        now=turn.now,
        most=turn.rules["points"].award_max,
    )
    kind = "given" if points > 0 else "taken"
    turn.wrote("award" if points > 0 else "deduction", given.id, member=member.id, points=points)
    notice = say(f"{kind}_notice", giver=turn.who.name, points=abs(points), reason=reason, balance=given.balance)
    turn.tell(member.id, notice, key=f"award:{given.id}")
    return say(kind, name=member.shown, points=abs(points), reason=reason, balance=given.balance)


def _is_cut(points: int, reason: str, said: str) -> bool:
    """Whether 2.5 was typed, of which 2 became the points and `5 …` the reason."""
    behind = re.match(r"[0-9]+", reason)
    return behind is not None and f"{abs(points)}.{behind[0]}" in unicodedata.normalize("NFKC", said)


def _whom(turn: Turn, name: str) -> Neighbour:
    if name == "self":
        raise ToOneself
    within = ""
    if "building" in turn.slots:
        unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["building"])
        within = unit.path
    return find_member(turn.session, community_id=turn.community.id, name=name, within=within)


@router.command(
    "publish_board",
    "发榜",
    "发积分榜",
    "发排行榜",
    "公布积分榜",
    "公布排行榜",
    slots=(
        Slot("period", Kind.PERIOD),
        Slot("scope", Kind.UNIT),
        Slot("to_me", Kind.FLAG, labels=("给我", "发给我", "私信给我", "私发给我", "我来转", "我自己转", "我来转发")),
    ),
    fillers=("积分", "的", "到群里", "发到群里"),
    role=Role.BUILDING_LEAD,
    writes=True,
    overheard=False,
    rare=True,
    usage="发榜 本月 3栋",
    gist="把积分榜发到群里，能发图片的群发成图片；加 给我 就私信发给您去转",
)
def publish_board(turn: Turn) -> Answer:
    period = turn.slots.get("period", "本月")
    try:
        months = books.months_of(period, turn.now)
    except KeyError:
        return say("no_week")
    unit = _board_unit(turn)
    if not turn.who.may(Role.BUILDING_LEAD, unit.path):
        return say("published_beyond", unit=turn.called(unit))
    scope = "" if unit.kind is UnitKind.COMMUNITY else say("board_scope", unit=turn.called(unit))
    path = unit.path if scope else None
    found = books.board(turn.session, community_id=turn.community.id, months=months, path=path, asker=turn.who)
    if not found.first:
        return say("board_none", period=period)
    title, foot = say("board", period=period, scope=scope), say("board_foot", bot=turn.community.bot_name)
    placard = Placard(title.strip("【】"), BOARD_HEAD, [_cells(one) for one in found.first], foot)
    text = "\n".join([title, _rows(found.first), foot])
    carried = f"board:to-carry:{turn.who.id}:{unit.id}:{period}:{turn.now:%Y%m%d%H%M}"
    if "to_me" in turn.slots:
        if not turn.reaches:
            return say("published_mute", what=f"{period}{scope}")
        turn.tell(turn.who.id, text, key=carried, placard=placard, urgent=True)
        return say("published_for_you")
    groups = _board_groups(turn, unit)
    reached = [group for group in groups if group.pushes]
    for group in reached:
        key = f"board:{group.id}:{unit.id}:{period}:{turn.now:%Y%m%d%H%M}"
        turn.tell_group(group.id, text, key=key, placard=placard)
    turn.wrote("publish_board", unit.id, period=period)
    by_hand = [group for group in groups if not group.pushes]
    if turn.reaches and (by_hand or not reached):
        turn.tell(turn.who.id, text, key=carried, placard=placard, urgent=True)
    return _published(turn, reached, by_hand, f"{period}{scope}")


def _board_unit(turn: Turn) -> UnitHere:
    """Whose board it is: the one named, the group's, or that of what the speaker is in charge of."""
    community_id = turn.community.id
    if "scope" in turn.slots:
        return find_unit(turn.session, community_id=community_id, name=turn.slots["scope"])
    if turn.group is not None:
        return unit_by_id(turn.session, community_id=community_id, unit_id=turn.group.unit_id)
    path = min((held.path for held in turn.who.held if held.role.rank >= Role.BUILDING_LEAD.rank), key=len)
    return unit_by_id(turn.session, community_id=community_id, unit_id=int(path.strip("/").rsplit("/", 1)[-1]))


def _board_groups(turn: Turn, unit: UnitHere) -> list[Spoken]:
    groups = groups_of(turn.session, community_id=turn.community.id)
    joined = organisations(turn.session, community_id=turn.community.id)
    return with_ears(turn.session, turn.community.id, audience(groups, unit.path, joined), reach_in(turn.rules))


def _published(turn: Turn, reached: list[Spoken], by_hand: list[Spoken], what: str) -> str:
    lines = []
    if reached:
        names = "、".join(group.name for group in reached)
        until = groups_end(
            turn.session, night=reach_in(turn.rules).quiet, groups=[group.id for group in reached], moment=turn.now
        )
        name = "published" if until is None else "published_late"
        lines.append(say(name, names=names, until=until and spoken(until)))
    if by_hand or not reached:
        names = "、".join(group.name for group in by_hand) or say("no_group")
        lines.append(say("published_to_you" if turn.reaches else "published_by_hand", names=names, what=what))
    return "\n".join(lines)


def _undo_appeal(turn: Turn, act: Act) -> str:
    given_by = books.withdraw_appeal(turn.session, member=turn.who, number=act.row, now=turn.now)
    for told in _reviewers(turn, given_by) or _reviewers(turn, None):
        notice = say("withdrawn_notice", name=turn.who.name, number=act.row)
        turn.tell(told.id, notice, key=f"appeal-withdrawn:{act.row}:{told.id}")
    return say("withdrawn", number=act.row)


@router.command(
    "appeal",
    "申诉",
    slots=(
        Slot("entry", Kind.NUMBER, required=True, ask="申诉哪一条？编号在 积分明细 里，例如 申诉 88 少记了"),
        Slot("reason", Kind.TEXT, required=True, ask="请写上理由，例如 申诉 88 少记了"),
    ),
    writes=True,
    private=True,
    overheard=False,
    usage="申诉 88 少记了",
    gist="对一笔积分有意见",
    undo={"appeal": _undo_appeal},
)
def appeal(turn: Turn) -> Answer:
    made = books.appeal(
        turn.session,
        member=turn.who,
        transfer_id=turn.slots["entry"],
        reason=turn.slots["reason"],
        now=turn.now,
    )
    turn.wrote("appeal", made.number, entry=made.entry.id)
    asked = _reviewers(turn, made.entry.made_by)
    # Where nobody may decide, whoever made the transfer hears that somebody is missing.
    for told in asked or _reviewers(turn, None):
        notice = say(
            "appeal_notice" if asked else "appeal_alone_notice",
            name=turn.who.name,
            line=_line(turn, made.entry),
            reason=turn.slots["reason"],
            number=made.number,
        )
        key = f"appeal:{made.number}:{told.id}"
        turn.tell(told.id, notice, key=key, otherwise=decides_otherwise(turn, told.id))
    then = say("will_tell" if turn.reaches else "look_again")
    return say("appealed", number=made.number, then=then) if asked else say("appealed_alone", number=made.number)


def _reviewers(turn: Turn, given_by: int | None) -> list[Neighbour]:
    return people_in_scope(
        turn.session,
        community_id=turn.community.id,
        path=turn.who.unit_path,
        role=Role.STAFF,
        now=turn.now,
        without=[one for one in (turn.who.id, given_by) if one is not None],
    )[:3]


@router.command("points_rules", "积分规则", "怎么得分", "怎么得积分", usage="积分规则", gist="积分怎么算")
def points_rules(turn: Turn) -> Answer:
    rule = books.rule_of(turn.session, community_id=turn.community.id, kind="activity", now=turn.now)
    text = say(
        "rules",
        base=rule.base,
        per_hour=say("rule_hour", points=rule.per_hour) if rule.per_hour else "",
        night=say("rule_night", start=rule.night_from_hour, end=rule.night_until_hour, percent=rule.night_percent)
        if rule.night_percent > 100
        else "",
        festival=say("rule_festival", percent=rule.festival_percent) if rule.festival_percent > 100 else "",
        caps=(say("rule_day", most=rule.day_max) if rule.day_max else "")
        + (say("rule_month", most=rule.month_max) if rule.month_max else ""),
    )
    return Reply(text)
