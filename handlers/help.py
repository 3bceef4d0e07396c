"""帮助: what this person can do here, in at most four lines.

王秀英（3栋群）: @小邻 帮助
小邻: 我能帮您：活动、报名、取消报名、签到、签退、积分、积分明细、排行榜。
      还有：不上榜、我要上榜、申诉、积分规则、切换社区、家人、同意、不同意、解除家人、我的资料、导出我的资料、谁看过我、注销、解绑、撤销。
      例如 报名 12 2人（参加活动，可以带同伴）。
      想知道怎么用，请发 帮助 加名字，比如 帮助 活动。
"""

from handlers.chat import Answer, Command, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models.members import Role

say = Texts(
    "help",
    stranger="我是{bot}，{community}的帮手。\n让我认识您，请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    head="我能帮您：{verbs}。",
    also="还有：{verbs}。",
    duties="您还能：{verbs}。",
    example="例如 {usage}（{gist}）。",
    more="想知道怎么用，请发 帮助 加名字，比如 帮助 {verb}。",
    topic="{usage}\n{gist}。",
    topic_other="还可以说：{others}。",
    topic_others="「{topic}」要{role}来办。您能办的事请发 帮助。",
    topic_unknown="我还不会「{topic}」。我会的有：{verbs}。",
)

router = Router("help")

FIRST = 8
"""Commands in the first line of the help: what is needed most."""
WHO = {
    Role.MEMBER: "党员",
    Role.PROPERTY: "物业",
    Role.OWNERS_COMMITTEE: "业委会",
    Role.BUILDING_LEAD: "楼长或社区",
    Role.GROUP_LEADER: "党小组长或社区",
    Role.BRANCH_SECRETARY: "支部书记或社区",
    Role.STAFF: "社区工作人员",
    Role.SECRETARY: "社区书记",
    Role.ADMIN: "管理员",
}
"""Who does what somebody else may not, in the words of a neighbour."""


@router.command(
    "help",
    "帮助",
    "你会什么",
    "怎么用",
    "使用说明",
    "help",
    slots=(Slot("topic", Kind.TEXT),),
    role=None,
    usage="帮助",
    gist="我会什么",
)
def help_(turn: Turn) -> Answer:
    if turn.person is None:
        return say("stranger", bot=turn.community.bot_name, community=turn.community.name)
    open_to_all = [c for c in turn.commands if c.usage and c.role in (None, Role.RESIDENT)]
    duties = [c for c in turn.commands if c.usage and c.role not in (None, Role.RESIDENT) and turn.person.may(c.role)]
    topic = turn.slots.get("topic")
    if topic:
        return _about(turn, topic, [*open_to_all, *duties])
    lines = [say("head", verbs=_verbs(open_to_all[:FIRST]))]
    if also := [c for c in open_to_all[FIRST:] if c.role is not None]:
        lines.append(say("also", verbs=_verbs(also)))
    if duties:
        lines.append(say("duties", verbs=_verbs(duties)))
    else:
        example = next(c for c in open_to_all if c.writes and c.role)
        lines.append(say("example", usage=example.usage, gist=example.gist))
    lines.append(say("more", verb=open_to_all[0].verbs[0]))
    return "\n".join(lines)


def _about(turn: Turn, topic: str, commands: list[Command]) -> str:
    for command in commands:
        if topic in command.verbs:
            text = say("topic", usage=command.usage, gist=command.gist)
            others = [verb for verb in command.verbs[1:] if verb != command.intent][:4]
            return text + ("\n" + say("topic_other", others="、".join(others)) if others else "")
    for command in turn.commands:
        if topic in command.verbs and command.role in WHO:
            return say("topic_others", topic=topic, role=WHO[command.role])
    return say("topic_unknown", topic=topic[:20], verbs=_verbs(commands[:FIRST]))


def _verbs(commands: list[Command]) -> str:
    return "、".join(command.verbs[0] for command in commands)
