"""撤销: takes back one's own last write within ten minutes; doing it again afterwards works.

王秀英（3栋群）: 报名 12
小邻: 已给 王秀英 报名「清洁家园」，还剩12个名额。
      11月21日 周六 9:00，中心花园。
王秀英（3栋群）: @小邻 撤销
小邻: 已撤销「清洁家园」的报名。
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from handlers.chat import Answer, Router, Texts, Turn, in_few_lines
from models import audit, pending
from models.audit import Act

WITHIN = timedelta(minutes=10)

say = Texts(
    "undo",
    nothing="最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。",
    cannot="上一件事不能撤销，请找楼长或社区帮忙改。",
    dropped="好的，刚才问您的那件不办了。",
)

router = Router("undo")


@router.command("undo", "撤销", "撤回", "撤回我的", writes=True, usage="撤销", gist="十分钟内取消自己刚做的一件事")
def undo(turn: Turn) -> Answer:
    acts = audit.last_acts(
        turn.session, community_id=turn.community.id, member_id=turn.who.id, now=turn.now, within=WITHIN
    )
    if _drop_question(turn, acts):
        return say("dropped")
    if not acts:
        return say("nothing")
    undoing = {action: undo for command in turn.commands for action, undo in command.undo.items()}
    if not all(act.action in undoing for act in acts):
        return say("cannot")
    lines = [undoing[act.action](turn, act) for act in acts]
    for act in acts:
        turn.wrote("undo", act.id, action=act.action, object=act.object_ref)
    return in_few_lines(lines)


def _drop_question(turn: Turn, acts: Sequence[Act]) -> bool:
    """What waits for its 确认 has not been done: that is what 撤销 means then, and not what was done before it.

    What was done since the question comes first.
    """
    who: dict[str, Any] = {"community_id": turn.community.id, "member_id": turn.who.id}
    conversation = pending.conversation(turn.group.id if turn.group else None)
    question = pending.open_question(turn.session, **who, conversation=conversation, now=turn.now)
    if question is not None and any(one.standing for one in turn.commands if one.intent == question.intent):
        return False
    if acts and pending.was_open_before(turn.session, **who, conversation=conversation, moment=acts[0].at):
        return False
    return question is not None and pending.close_question(turn.session, **who, conversation=conversation)
