"""绑定群, 解绑群: to which unit a chat belongs.

张敏（新建的群）: @小邻 绑定群 4栋
小邻: 本群已绑定为 4栋群。
      大家可以 @我 发 帮助，看看我会什么。
张敏（新建的群）: @小邻 解绑群
小邻: 本群不再是 4栋群，提醒也不再发到这里。
      解错了请在10分钟内私聊我发 撤销，或在这里重新绑定。
"""

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import directory
from models.audit import Act
from models.directory import BindingChanged, Bound, GroupBoundElsewhere, GroupNameTaken
from models.members import BeyondReach, Role, require
from models.units import called, find_unit

say = Texts(
    "groups",
    name="{unit}群",
    bound="本群已绑定为 {name}。\n大家可以 @我 发 帮助，看看我会什么。",
    bound_from_afar="好了，{name} 现在是新的那个群，原来的群不再绑定。",
    already="本群已经是 {name} 了，不用再绑。",
    speaks_elsewhere="提醒还会发到原来的群：请管理员用 linli webhook {name} 登记本群的群机器人。",
    group_only="请在要绑定的群里发 绑定群 3栋。",
    take="{name} 现在是另一个群。要把这个名字移到本群、原来的群不再绑定吗？\n移过来请回复 确认，不移回复 取消。",
    take_privately="{name} 现在是另一个群。要把这个名字移到本群、原来的群不再绑定吗？"
    "\n移过来请私聊我回复 确认（5分钟内），不移不用管。",
    unbound="本群不再是 {name}，提醒也不再发到这里。\n解错了请在10分钟内私聊我发 撤销，或在这里重新绑定。",
    unbind_group_only="请在要解绑的群里发 解绑群。",
    undone_bind="已解除 {name} 的绑定。",
    undone_bind_again="已改回：这个群还是 {name}。",
)

router = Router(
    "groups",
    {
        BeyondReach: "这件事不在您负责的范围里。您能办的事请发 帮助。",
        GroupBoundElsewhere: "这个群已经绑定给别的社区了，请联系管理员。",
        GroupNameTaken: "{name} 现在是另一个群。要改请在这个群里发 绑定群。",
        BindingChanged: "这个群的绑定后来又改过，撤销不了了。要改请在群里发 绑定群。",
    },
)


def _undo_bind(turn: Turn, act: Act) -> str:
    # The secretary may take it back from anywhere: the act says which chat it was, and whose it was before.
    bound = Bound(act.row, **{**act.detail["bound"], "carried": tuple(map(tuple, act.detail["bound"]["carried"]))})
    before = directory.take_back_binding(
        turn.session,
        community_id=turn.community.id,
        channel=act.detail["channel"],
        address=act.detail["address"],
        bound=bound,
        now=turn.now,
    )
    if before is None:
        return say("undone_bind", name=act.detail["name"])
    return say("undone_bind_again", name=before)


@router.command(
    "bind_group",
    "绑定群",
    slots=(Slot("unit", Kind.UNIT, required=True, ask="绑定给哪里？例如 绑定群 3栋"),),
    role=Role.SECRETARY,
    writes=True,
    overheard=False,
    rare=True,
    usage="绑定群 3栋",
    gist="把这个群绑定给一栋楼",
    undo={"bind_group": _undo_bind},
)
def bind_group(turn: Turn) -> Answer:
    # A chat that is bound to nothing yet cannot be answered in: the question goes with the chat it is about.
    channel, address = turn.slots.get("chat") or (turn.incoming.channel, turn.incoming.address)
    if not address:
        return say("group_only")
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["unit"])
    require(turn.who, Role.SECRETARY, unit.path)
    here = directory.find_chat(turn.session, channel=channel, address=address)
    if here is not None and here.group is not None:
        require(turn.who, Role.SECRETARY, here.group.unit_path)
    name = say("name", unit=called(turn.session, community_id=turn.community.id, unit_id=unit.id))
    try:
        bound = directory.bind_chat(
            turn.session,
            community_id=turn.community.id,
            channel=channel,
            address=address,
            unit=unit,
            name=name,
            now=turn.now,
            takes=turn.confirmed,
        )
    except GroupNameTaken:
        turn.slots["chat"] = [channel, address]
        return Ask(say("take_privately" if here is None else "take", name=name))
    if not bound.changed:
        return say("already", name=name)
    turn.wrote(
        "bind_group",
        bound.group_id,
        name=name,
        channel=channel,
        address=address,
        bound={
            "before": bound.before,
            "unit_before": bound.unit_before,
            "taken_from": bound.taken_from,
            "carried": bound.carried,
        },
    )
    told = say("bound_from_afar" if turn.incoming.direct else "bound", name=name)
    return f"{told}\n{say('speaks_elsewhere', name=name)}" if bound.speaks_elsewhere else told


def _undo_unbind(turn: Turn, act: Act) -> str:
    name = directory.take_back_unbinding(
        turn.session,
        community_id=turn.community.id,
        channel=act.detail["channel"],
        address=act.detail["address"],
        group_id=act.row,
        now=turn.now,
    )
    return say("undone_bind_again", name=name)


@router.command(
    "unbind_group",
    "解绑群",
    "解绑本群",
    role=Role.SECRETARY,
    for_group=True,
    writes=True,
    overheard=False,
    rare=True,
    usage="解绑群",
    gist="让这个群不再绑定，提醒也不再发到这里",
    undo={"unbind_group": _undo_unbind},
)
def unbind_group(turn: Turn) -> Answer:
    if turn.group is None:
        return say("unbind_group_only")
    chat = {"channel": turn.incoming.channel, "address": turn.incoming.address}
    directory.unbind_chat(turn.session, community_id=turn.community.id, **chat)
    turn.wrote("unbind_group", turn.group.id, name=turn.group.name, **chat)
    return say("unbound", name=turn.group.name)
