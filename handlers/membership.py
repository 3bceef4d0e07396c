"""绑定: who somebody is.

陌生人: 绑定 张三 3栋
小邻: 张三，绑定好了，您是3栋的居民。
      想看看我会什么，请发 帮助。
"""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import directory, members
from models.members import (
    AlreadyRegistered,
    RegistrationState,
    RegistrationWaiting,
    Role,
    people_in_scope,
)
from models.units import find_unit

say = Texts(
    "membership",
    bound="{name}，绑定好了，您是{unit}的居民。\n想看看我会什么，请发 帮助。",
    waiting="{name}，已收到，请{unit}的负责人核对后就可以用了（{number}号）。",
    review_notice="{name} 申请绑定为{unit}居民（{number}号）。"
    "\n是本人请回复 通过 {number}，不是请回复 驳回 {number} 理由。",
    chosen="好的，私聊里说的都算 {name} 的事。",
    choose_unknown="您登记过的社区有：{names}。请发 切换社区 加名字。",
)

router = Router(
    "membership",
    {
        AlreadyRegistered: "您已经绑定过了，是 {name}。要改信息请找楼长或社区。",
        RegistrationWaiting: "您的申请（{number}号）正在核对，请稍等，有结果我会告诉您。",
    },
)


@router.command(
    "register",
    "绑定",
    "登记",
    "注册",
    slots=(
        Slot("name", Kind.PERSON, required=True, ask="请写姓名和楼栋，例如 绑定 张三 3栋"),
        Slot("building", Kind.UNIT, required=True, ask="请写上楼栋，例如 绑定 张三 3栋"),
        Slot("room", Kind.ROOM),
    ),
    role=None,
    writes=True,
    usage="绑定 张三 3栋",
    gist="让我认识您",
)
def register(turn: Turn) -> Answer:
    unit = find_unit(turn.session, community_id=turn.community.id, name=turn.slots["building"])
    claim = members.claim_identity(
        turn.session,
        community_id=turn.community.id,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        name=turn.slots["name"],
        unit=unit,
        room=turn.slots.get("room", ""),
        now=turn.now,
    )
    turn.wrote("register", claim.number, state=claim.state)
    fields = {"name": claim.name, "unit": turn.slots["building"], "number": claim.number}
    if claim.state is RegistrationState.APPROVED:
        return say("bound", **fields)
    reviewers = people_in_scope(
        turn.session,
        community_id=turn.community.id,
        path=unit.path,
        role=Role.BUILDING_LEAD,
        now=turn.now,
    )
    for reviewer in reviewers[:3]:
        turn.tell(
            reviewer.id,
            say("review_notice", **fields),
            key=f"review:{claim.number}:{reviewer.id}",
            expires_hours=72,
        )
    return say("waiting", **fields)


@router.command(
    "choose_community",
    "切换社区",
    slots=(Slot("name", Kind.TEXT, required=True, ask="切换到哪个社区？例如 切换社区 锦绣社区"),),
    writes=True,
    overheard=False,
    usage="切换社区 锦绣社区",
    gist="在两个社区都登记过时，选私聊算哪个",
)
def choose_community(turn: Turn) -> Answer:
    known = members.find_people(
        turn.session,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        now=turn.now,
    )
    wanted = turn.slots["name"]
    chosen = [person.community for person in known if wanted in person.community.name]
    if len(chosen) != 1:
        return say("choose_unknown", names="、".join(person.community.name for person in known))
    directory.choose_community(
        turn.session,
        namespace=turn.incoming.namespace,
        external_id=turn.incoming.sender,
        community_id=chosen[0].id,
        now=turn.now,
    )
    turn.wrote("choose_community", chosen[0].id)
    return say("chosen", name=chosen[0].name)
