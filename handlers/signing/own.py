"""我的报名: what one has signed up for."""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.signing.wording import NAMED, party_of, where
from models import activities as books
from models.activities import ActivityHere, SignupState
from models.clock import spoken

say = Texts(
    "signing",
    mine_none="您现在没有报名的活动。看看有哪些活动，请发 活动。",
    mine_line="{number}号 {title} {when}，{place}{party}{state}",
    mine_waiting="，候补第{place}位",
    mine_offered="，位置给您留到{until}，能来请发 能来 {number}",
    mine_asked="，等组织的同志点头",
    mine_more="{others}来不了请发 取消报名 加编号，例如 取消报名 {number}。",
    mine_others="还有{names}。",
    mine_other="{number}号「{title}」",
)

router = Router("signing")


@router.command(
    "my_signups",
    *("我的报名", "我的活动", "我报了什么", "我报了啥", "我报了哪些", "我报了哪些活动", "我报了哪个", "我报名了吗"),
    *("我报了吗", "我报上了吗", "我报上名了吗", "我报过什么", "我参加了哪些活动"),
    overheard=False,
    rare=True,
    usage="我的报名",
    gist="我报了哪些活动，候补排到第几位",
)
def my_signups(turn: Turn) -> Answer:
    own = books.signed_up_for(turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now)
    if not own:
        return say("mine_none")
    later = "、".join(say("mine_other", number=one.number, title=one.title) for one in own[NAMED:])
    others = say("mine_others", names=later) if later else ""
    more = say("mine_more", others=others, number=own[0].number)
    return "\n".join([*(_own_line(turn, one) for one in own[:NAMED]), more])


def _own_line(turn: Turn, activity: ActivityHere) -> str:
    own = books.own_signup(turn.session, activity=activity, member_id=turn.who.id)
    assert own is not None
    until = spoken(own.until) if own.until else ""
    state = "" if own.state is SignupState.CONFIRMED else say(
        f"mine_{own.state}", number=activity.number, place=own.place, until=until
    )  # fmt: skip
    return say("mine_line", party=party_of(own.companions), state=state, **where(activity))
