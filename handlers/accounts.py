"""合并, 拆分, 解绑, 注销居民: what staff puts right about who is who. All of it in direct messages only.

孙丽: 合并 李建国 何叔
小邻: 李建国（3栋1单元402，4分，1次）和何叔（6栋1单元103，4分，2次）合成一个人，留下 李建国。
      账号、职务、积分、报名都转过去，同一次活动的签到只算一次。
      确定请回复 确认，不合回复 取消。
孙丽: 确认
小邻: 已合并（1号），李建国 现有4分，重复的签到退了1次。
      弄错了请发 拆分 1，会照原样分开。
小邻 → 李建国: 社区把您名下的两份登记合成了一份，积分也并在一起了，您现有4分。
      不对的话请告诉社区。
老赵: 解绑 王秀英
小邻: 已解绑 王秀英 的1个账号，那部手机再发消息就是陌生人了。
      换了手机请重新发 绑定。弄错了请发 撤销。
"""

from handlers.chat import Answer, Ask, Router, Texts, Turn, in_few_lines
from handlers.language.persons import Named, read_person, read_persons
from handlers.language.slots import Kind, Slot
from handlers.shared.places import tell_promoted
from handlers.shared.posts import tell_offered, tell_post_left
from models import accounts, forgetting
from models.accounts import Candidate, MergedFurther, MergesOneself, NoSuchMerge, SamePerson
from models.audit import Act
from models.forgetting import SpeaksForThemselves
from models.members import BeyondReach, NoSuchMember, Role
from models.members.detaching import AccountTaken, NothingToDetach, accounts_of, attach_again, detach
from models.members.people import FORGOTTEN
from models.members.roles import AboveOneself
from models.privacy import Private, looked
from models.units import called, find_unit

say = Texts(
    "accounts",
    namesakes="叫 {name} 的有{count}位：\n{lines}\n请写编号，例如 {usage}",
    namesake="{number}号 {lives}（账号{accounts}个）",
    only_one="叫 {name} 的只有一位。两个人请都写上，例如 合并 张三 李四，留下前面那个。",
    two="一次合两个人，例如 合并 张三 李四，留下前面那个。",
    preview="{keeper}和{other}合成一个人，留下 {name}。\n"
    "账号、职务、积分、报名都转过去，同一次活动的签到只算一次。\n确定请回复 确认，不合回复 取消。",
    one="{name}（{lives}，{balance}分，{acts}次）",
    merged="已合并（{number}号），{name} 现有{balance}分{doubled}。\n弄错了请发 拆分 {number}，会照原样分开。",
    doubled="，重复的签到退了{count}次",
    merged_notice="社区把您名下的两份登记合成了一份，积分也并在一起了，您现有{balance}分。\n不对的话请告诉社区。",
    split="已拆开{number}号：{keeper} 现有{balance}分，{other} 又是另外一个人了。",
    detached="已解绑 {name} 的{count}个账号，那部手机再发消息就是陌生人了。\n换了手机请重新发 绑定。弄错了请发 撤销。",
    detach_ask="除了现在这个，您还有{count}个账号。都解绑吗？回复 确认 就解绑，不解绑回复 取消。",
    attached="已撤销，{name} 的账号恢复了。",
    no_reason="请写上理由，例如 注销居民 张三 搬走了",
    forget_ask="要注销 {name}（{lives}）吗？理由：{reason}。\n"
    "姓名、手机、房号都删掉，积分流水只留编号，删了找不回来。\n确定请回复 确认，不办回复 取消。",
    forgot="已注销{number}号居民。谁办的、什么理由都记下来了。",
)

router = Router(
    "accounts",
    {
        AboveOneself: "这位邻居的职务比您高，请社区书记来办。",
        AccountTaken: "这个账号已经重新绑定了，不能恢复。",
        BeyondReach: "这件事不在您负责的范围里。您能办的事请发 帮助。",
        SpeaksForThemselves: "{name} 自己有账号，请本人私聊我发 注销。",
        MergedFurther: "后来又合并过（{number}号），请先发 拆分 {number}。",
        MergesOneself: "和您自己有关，请别的同志来合并。",
        NoSuchMember: "没有找到 {name}。请写全名，或写编号，例如 17号。",
        NoSuchMerge: "没有找到{number}号合并。编号在合并时的答复里。",
        NothingToDetach: "{name} 没有别的账号，不用解绑。",
        SamePerson: "这是同一份登记，不用合并。",
    },
)


def _find(turn: Turn, named: Named) -> list[Candidate]:
    within = ""
    if named.unit:
        within = find_unit(turn.session, community_id=turn.community.id, name=named.unit).path
    return accounts.candidates(
        turn.session, community_id=turn.community.id, name=named.name, number=named.number, within=within
    )


def _home(turn: Turn, one: Candidate) -> str:
    return called(turn.session, community_id=turn.community.id, unit_id=one.unit_id) + one.room


def _shown(turn: Turn, found: list[Candidate]) -> None:
    """Writes down whose rooms this answer shows."""
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.ROOM],
        now=turn.now,
        members=[one.id for one in found],
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )


def _namesakes(turn: Turn, found: list[Candidate], usage: str) -> str:
    """Several people of one name, told apart by number. Only in a direct message, and only to staff."""
    mine = [one for one in found if turn.who.may(Role.BUILDING_LEAD, one.unit_path)]
    if not mine:
        raise BeyondReach
    _shown(turn, mine)
    lines = [say("namesake", number=one.id, lives=_home(turn, one), accounts=one.accounts) for one in mine]
    rows = in_few_lines(lines).split("\n") if len(lines) > 2 else lines
    half = -(-len(rows) // 2)
    two = ["  ".join(rows[:half]), "  ".join(rows[half:])]
    return say(
        "namesakes",
        name=found[0].name,
        count=len(found),
        lines="\n".join(filter(None, two)),
        usage=usage.format(mine[0].id, mine[-1].id),
    )


@router.command(
    "merge_members",
    "合并",
    "合并居民",
    slots=(Slot("people", Kind.TEXT, required=True, ask="合并哪两位？例如 合并 张三 李四，留下前面那个。"),),
    role=Role.STAFF,
    direct=True,
    writes=True,
    overheard=False,
    rare=True,
    usage="合并 张三 李四",
    gist="两份登记是同一个人，合成一份",
    undo={"merge": lambda turn, act: _split(turn, act.row)},
)
def merge(turn: Turn) -> Answer:
    named = read_persons(turn.slots["people"])
    found = [_find(turn, one) for one in named]
    if len(found) == 1 and len(found[0]) == 1:
        return say("only_one", name=found[0][0].name)
    if len(found) == 1 and len(found[0]) == 2:
        # Two of one name, and nobody else of it: these are meant.
        found = [[one] for one in found[0]]
    for several in found:
        if len(several) > 1:
            return _namesakes(turn, several, "合并 {} {}")
    if len(found) != 2:
        return say("two")
    keeper, other = found[0][0], found[1][0]
    for one in (keeper, other):
        accounts.refuse_beyond(turn.session, by=turn.who, role=Role.STAFF, member=one, now=turn.now)
    if not turn.confirmed:
        return _preview(turn, keeper, other)
    done = accounts.merge(turn.session, keeper=keeper, other=other, by=turn.who, now=turn.now)
    turn.wrote("merge", done.number, member=other.id, into=keeper.id)
    _tell_moved_up(turn, done.promoted)
    tell_offered(turn, done.offers)
    if keeper.accounts or other.accounts:
        notice = say("merged_notice", balance=done.balance)
        turn.tell(keeper.id, notice, key=f"merged:{done.number}", expires_hours=72)
    doubled = say("doubled", count=done.doubled) if done.doubled else ""
    return say("merged", number=done.number, name=keeper.name, balance=done.balance, doubled=doubled)


def _preview(turn: Turn, keeper: Candidate, other: Candidate) -> Ask:
    if keeper.id == other.id:
        raise SamePerson
    _shown(turn, [keeper, other])
    # Whoever says yes means these two, whoever else gets one of the names meanwhile.
    turn.slots["people"] = f"{keeper.id} {other.id}"
    return Ask(say("preview", keeper=_one(turn, keeper), other=_one(turn, other), name=keeper.name), minutes=30)


def _one(turn: Turn, member: Candidate) -> str:
    weight = accounts.weight_of(turn.session, community_id=turn.community.id, member_id=member.id)
    return say("one", name=member.name, lives=_home(turn, member), balance=weight.balance, acts=weight.acts)


def _tell_moved_up(turn: Turn, promoted: accounts.MovedUp) -> None:
    for activity, moved in promoted:
        tell_promoted(turn, activity, moved)


@router.command(
    "split_members",
    "拆分",
    "拆分合并",
    slots=(Slot("number", Kind.NUMBER, required=True, ask="拆开几号合并？例如 拆分 3"),),
    role=Role.STAFF,
    direct=True,
    writes=True,
    overheard=False,
    rare=True,
    usage="拆分 3",
    gist="合并错了，照原样分开",
)
def split(turn: Turn) -> Answer:
    answer = _split(turn, turn.slots["number"])
    turn.wrote("split", turn.slots["number"])
    return answer


def _split(turn: Turn, number: int) -> str:
    done = accounts.split(
        turn.session,
        number=number,
        by=turn.who,
        now=turn.now,
        companions_max=turn.rules["activities"].companions_max,
    )
    tell_offered(turn, done.offers)
    return say("split", number=number, keeper=done.keeper_name, balance=done.balance, other=done.other_name)


def _undo_detach(turn: Turn, act: Act) -> str:
    names = [
        attach_again(turn.session, community_id=turn.community.id, detachment_id=one, now=turn.now)
        for one in act.detail["detachments"]
    ]
    return say("attached", name=names[0])


@router.command(
    "detach",
    "解绑",
    "解除绑定",
    slots=(Slot("person", Kind.TEXT),),
    direct=True,
    writes=True,
    overheard=False,
    rare=True,
    usage="解绑",
    gist="手机丢了，解绑那个账号；楼长可以 解绑 张三",
    undo={"detach": _undo_detach},
)
def detach_account(turn: Turn) -> Answer:
    spoken_of = read_person(turn.slots.get("person", ""))
    if spoken_of is None or spoken_of[0].name == turn.who.name:
        return _detach_own(turn)
    if not turn.who.may(Role.BUILDING_LEAD):
        raise BeyondReach
    found = _find(turn, spoken_of[0])
    if len(found) > 1:
        return _namesakes(turn, found, "解绑 {}号")
    member = found[0]
    if member.id == turn.who.id:
        return _detach_own(turn)
    accounts.refuse_beyond(turn.session, by=turn.who, role=Role.BUILDING_LEAD, member=member, now=turn.now)
    return _detach(turn, member.id, member.name, None)


def _detach_own(turn: Turn) -> Answer:
    others = len(accounts_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])) - 1
    if others and not turn.confirmed:
        return Ask(say("detach_ask", count=others))
    return _detach(turn, turn.who.id, turn.who.name, (turn.incoming.namespace, turn.incoming.sender))


def _detach(turn: Turn, member_id: int, name: str, but: tuple[str, str] | None) -> str:
    gone = detach(
        turn.session,
        community_id=turn.community.id,
        member_id=member_id,
        name=name,
        by=turn.who.id,
        now=turn.now,
        but=but,
    )
    turn.wrote("detach", gone[0], member=member_id, detachments=gone)
    return say("detached", name=name, count=len(gone))


@router.command(
    "forget_member",
    "注销居民",
    slots=(Slot("person", Kind.TEXT, required=True, ask="注销谁？例如 注销居民 张三 搬走了"),),
    role=Role.SECRETARY,
    direct=True,
    writes=True,
    overheard=False,
    rare=True,
    usage="注销居民 张三 搬走了",
    gist="搬走或去世、自己没有账号的，要写理由",
)
def forget_member(turn: Turn) -> Answer:
    spoken_of = read_person(turn.slots["person"])
    if spoken_of is None:
        return say("no_reason")
    named, reason = spoken_of
    found = _find(turn, named)
    if len(found) > 1:
        return _namesakes(turn, found, "注销居民 {}号 搬走了")
    member = found[0]
    accounts.refuse_beyond(turn.session, by=turn.who, role=Role.SECRETARY, member=member, now=turn.now)
    if member.accounts:
        raise SpeaksForThemselves(name=member.name)
    if not reason:
        return say("no_reason")
    if not turn.confirmed:
        _shown(turn, [member])
        turn.slots["person"] = f"{member.id} {reason}"
        return Ask(say("forget_ask", name=member.name, lives=_home(turn, member), reason=reason), minutes=30)
    gone = forgetting.forget(
        turn.session, community_id=turn.community.id, member_id=member.id, by=turn.who.id, now=turn.now
    )
    turn.wrote("forget_member", member.id, reason=reason.replace(member.name, FORGOTTEN))
    _tell_moved_up(turn, gone.promoted)
    tell_post_left(turn, gone.posts)
    return say("forgot", number=member.id)
