"""帮助: what this person can do here, in at most four lines.

王秀英（3栋群）: @小邻 帮助
小邻: 我能帮您：活动、报名、取消报名、签到、签退、积分、积分明细、排行榜。
      还有：岗位、履职、接龙、家人、我的资料、组织、服务时长、撤销。
      例如 报名 12 2人（参加活动，可以带同伴）。
      想知道怎么用，请发 帮助 加名字，比如 帮助 积分。
"""

from collections.abc import Collection

from handlers.chat import BUTTONS, Answer, Button, Command, Reply, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from handlers.shared.people import ROLE_NAMES
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
    topic_kin="同一类的还有：{verbs}。",
    topic_others="「{topic}」要{role}来办。您能办的事请发 帮助。",
    topic_unknown="我还不会「{topic}」。我会的有：{verbs}。",
)

router = Router("help")

FIRST = 8
"""Commands in the first line of the help: what is needed most."""


@router.command(
    "help",
    "帮助",
    "你会什么",
    "怎么用",
    "使用说明",
    "help",
    "你会啥",
    "你会干啥",
    "你会干什么",
    "都会干啥",
    "你能干什么",
    "你能干啥",
    "你能做什么",
    "会什么",
    "有什么功能",
    "有哪些功能",
    "菜单",
    "怎么使",
    "怎么使用",
    "咋用",
    "咋使",
    "功能列表",
    "说明书",
    "你能帮我干什么",
    "你都会什么",
    "能帮我做什么",
    fillers=("你", "都", "我", "教教我", "教我", "你都", "会", "看看", "这个", "小程序"),
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
    open_to_all = [c for c in open_to_all if not c.rare]
    duties = [c for c in duties if not c.rare]
    first = open_to_all[:FIRST]
    lines = [say("head", verbs=_verbs(first))]
    if also := _heads([c for c in open_to_all if c.role is not None], without={c.feature for c in first}):
        lines.append(say("also", verbs=_verbs(also)))
    if duties:
        lines.append(say("duties", verbs=_verbs(_heads(duties))))
    else:
        example = next(c for c in open_to_all if c.writes and c.role)
        lines.append(say("example", usage=example.usage, gist=example.gist))
    lines.append(say("more", verb=_heads(first)[-1].verbs[0]))
    return Reply("\n".join(lines), buttons=_questions(first) if turn.group is None else ())


def _questions(commands: list[Command]) -> tuple[Button, ...]:
    """What can be asked in one word, for somebody who is alone with the bot: in a group it would answer to all."""
    asked = [command.verbs[0] for command in commands if command.bare and not command.writes]
    return tuple(Button(verb, verb) for verb in asked[:BUTTONS])


def _heads(commands: list[Command], without: Collection[str] = ()) -> list[Command]:
    """The first command of each feature: its help names the others."""
    by_feature: dict[str, Command] = {}
    for command in commands:
        if command.feature not in without:
            by_feature.setdefault(command.feature, command)
    return list(by_feature.values())


def _about(turn: Turn, topic: str, commands: list[Command]) -> str:
    for command in commands:
        if topic in command.verbs:
            lines = [say("topic", usage=command.usage, gist=command.gist)]
            if others := [verb for verb in command.verbs[1:] if verb != command.intent][:4]:
                lines.append(say("topic_other", others="、".join(others)))
            if kin := [c for c in commands if c.feature == command.feature and c is not command]:
                lines.append(say("topic_kin", verbs=_verbs(kin)))
            return "\n".join(lines)
    for command in turn.commands:
        if topic in command.verbs and command.role not in (None, Role.RESIDENT):
            return say("topic_others", topic=topic, role=ROLE_NAMES[command.role])
    return say("topic_unknown", topic=topic[:20], verbs=_verbs(commands[:FIRST]))


def _verbs(commands: list[Command]) -> str:
    return "、".join(command.verbs[0] for command in commands)
