"""同意: the first contact. Whoever has just become known hears what is kept of them, and says whether they agree.

张三: 绑定 张三 3栋201 1234
小邻: 张三，绑定好了，您是3栋的居民。
      我会保存您的姓名、住址、手机、照片，和活动、岗位、积分的记录，只办社区的事，不给别人；位置只核对不留。
      保存了什么请发 我的资料，不想留了请发 注销。
      同意请回复 同意，不同意请回复 不同意。
张三（3栋群）: 报名 12
小邻: 张三，第一次用要先看一段个人信息说明，已私信您；回复 同意 后，这件事我接着办。
张三: 同意
小邻: 好的，记下了，谢谢！
      已给 张三 报名「清洁家园」，还剩12个名额。
      11月21日 周六 9:00，中心花园。
"""

from handlers.chat import Answer, Ask, Button, Router, Texts, Turn
from models.members import answer_statement

say = Texts(
    "consent",
    statement="我会保存您的姓名、住址、手机、照片，和活动、岗位、积分的记录，只办社区的事，不给别人；位置只核对不留。"
    "\n保存了什么请发 我的资料，不想留了请发 注销。"
    "\n同意请回复 同意，不同意请回复 不同意。",
    greeting="{name}，您好！",
    again="{name}，说明有更新，请您过目：",
    first_in_group="{name}，第一次用要先看一段个人信息说明，已私信您；回复 同意 后，这件事我接着办。",
    again_in_group="{name}，个人信息说明有更新，已私信您；回复 同意 后，这件事我接着办。",
    declined_already="您没有同意保存个人信息，我就不能替您办事。改主意了请回复 同意。",
    agreed="好的，记下了，谢谢！",
    agreed_alone="好的，记下了，谢谢！\n想看看我会什么，请发 帮助。",
    agreed_already="您已经同意过了，不用再回复。",
    declined="好的，除了您是谁，我什么都不记，也就不能替您办事。\n改主意了请回复 同意，想问问我会什么请发 帮助。",
    withdraw="您之前同意过。现在要撤回吗？撤回后我就不能替您办事了。\n确定请回复 确认，不撤回回复 取消。",
)

BUTTONS = (Button("同意", "同意"), Button("不同意", "不同意"))
"""Beside the statement: each says a command, whatever else stands open."""

router = Router("consent")


def statement(name: str = "", *, again: bool = False) -> str:
    """What is kept, what for, how to see and delete it, and the question; with a greeting where a name is given.

    `again`: they agreed to an earlier one.
    """
    return (say("again" if again else "greeting", name=name) if name else "") + say("statement")


def first_in_group(name: str, *, again: bool = False) -> str:
    """What a group hears where the statement went to the person alone."""
    return say("again_in_group" if again else "first_in_group", name=name)


def declined_already() -> str:
    """What somebody hears who declined and asks for something all the same."""
    return say("declined_already")


@router.command(
    "agree",
    "同意",
    writes=True,
    overheard=False,
    needs_consent=False,
    rare=True,
    usage="同意",
    gist="同意我保存您的个人信息",
)
def agree(turn: Turn) -> Answer:
    if turn.who.agreed:
        return say("agreed_already")
    _answer(turn, agreed=True)
    return say("agreed" if turn.slots.get("first") else "agreed_alone")


@router.command(
    "decline",
    "不同意",
    writes=True,
    overheard=False,
    needs_consent=False,
    rare=True,
    usage="不同意",
    gist="不让我保存您的个人信息",
)
def decline(turn: Turn) -> Answer:
    if turn.who.agreed and not turn.confirmed:
        return Ask(say("withdraw"))
    _answer(turn, agreed=False)
    return say("declined")


def _answer(turn: Turn, *, agreed: bool) -> None:
    version = turn.rules["members"].consent_version
    answer_statement(
        turn.session,
        community_id=turn.community.id,
        member_id=turn.who.id,
        version=version,
        agreed=agreed,
        now=turn.now,
    )
    turn.wrote("agree" if agreed else "decline", turn.who.id, version=version)
