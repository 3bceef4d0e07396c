"""A place that became free is held for the next in line, who says whether they come.

张敏: 发布活动 周六9点 包饺子 活动室 1人
小邻: 【包饺子】11月21日 周六 9:00-11:00
      地点：活动室；名额：1人；积分：按社区规则
      发布请回复 确认，不发回复 取消。
张敏: 确认
小邻: 已发布 15号活动「包饺子」11月21日 周六 9:00-11:00，活动室。
      想参加的邻居请发 报名 15。
王秀英: 报名 15
小邻: 已给 王秀英 报名「包饺子」，名额正好满了。
      11月21日 周六 9:00，活动室。
孙姐: 报名 15
小邻: 「包饺子」名额不够了，孙姐 排在候补第1位。
      有空位我会告诉您。
王秀英: 取消报名 15
小邻: 已取消 王秀英 的「包饺子」报名。谢谢告诉大家！
小邻 → 孙姐: 好消息：「包饺子」空出了位置，给您留到11月17日 周二 21:30。
      11月21日 周六 9:00，活动室。
      能来请回复 能来 15，来不了请回复 取消报名 15。
孙姐: 能来 15
小邻: 好的，孙姐 的「包饺子」位置定了。
      11月21日 周六 9:00，活动室。
"""

from handlers.chat import Answer, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.slots import Kind, Slot
from handlers.shared.places import end_offer
from models import activities as books
from models.activities import Lapsed, NothingOffered, SignupState
from models.audit import Act
from models.clock import spoken

say = Texts(
    "offers",
    undone_take="已撤销，「{title}」的位置还给您留着，来的请回复 能来 {number}。",
    nothing_held="现在没有给您留着的位置。看看有哪些活动，请发 活动。",
    taken="好的，{name} 的「{title}」位置定了{party}。\n{when}，{place}。",
    lapsed="没有等到您的回复，「{title}」的位置让给后面的邻居了。\n还想来请再发 报名 {number}。",
    lapsed_free="没有等到您的回复，「{title}」的位置没有再给您留。\n还想来请再发 报名 {number}。",
)

router = Router("offers", {NothingOffered: "「{title}」现在没有给您留着的位置。想去请发 报名 {number}。"})


def _party(companions: int) -> str:
    return sentence("signing.party", count=1 + companions) if companions else ""


def _undo_take(turn: Turn, act: Act) -> str:
    activity, member_id, _ = books.activity_by_signup(turn.session, community_id=turn.community.id, signup_id=act.row)
    books.hold_again(turn.session, activity=activity, signup_id=act.row, member_id=member_id)
    return say("undone_take", title=activity.title, number=activity.number)


@router.command(
    "take_place",
    "确认参加",
    "能来",
    "我能来的",
    "来得了",
    "能到",
    "确认报名",
    slots=(Slot("activity", Kind.OBJECT, of="activity"),),
    writes=True,
    overheard=False,
    fillers=("活动", "的活动", "那个活动", "那天", "那场", "这场", "肯定", "一定", "参加", "会", "到时候", "准时"),
    rare=True,
    usage="能来 12",
    gist="候补轮到了，回一声就定下来",
    chooses=True,
    undo={"take_place": _undo_take},
)
def take_place(turn: Turn) -> Answer:
    number = turn.slots.get("activity")
    if number is None:
        held = books.held_for(turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now)
        if not held:
            return say("nothing_held")
        number = held[0].number
    activity = books.find_activity(turn.session, community_id=turn.community.id, number=number)
    own = books.own_signup(turn.session, activity=activity, member_id=turn.who.id)
    if own is not None and own.state is SignupState.CONFIRMED:
        return Reply(
            sentence("signing.same", name=turn.shown, title=activity.title, party=_party(own.companions)), activity.ref
        )
    taken = books.take_place(turn.session, activity=activity, member_id=turn.who.id, now=turn.now)
    end_offer(turn, activity, turn.who.id)
    turn.wrote("take_place", taken.id, activity=activity.number)
    text = say(
        "taken",
        name=turn.shown,
        title=activity.title,
        party=_party(taken.companions),
        when=spoken(activity.starts_at),
        place=activity.place or sentence("activities.no_place"),
    )
    return Reply(text, ref=activity.ref)


def lapsed_line(lapsed: Lapsed) -> tuple[str, Button]:
    """What is said to somebody who did not answer in time."""
    activity = lapsed.activity
    again = Button("报名", f"报名 {activity.number}")
    return say("lapsed" if lapsed.promoted else "lapsed_free", title=activity.title, number=activity.number), again
