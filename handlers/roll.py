"""补录: the organiser's roll on paper, typed back in one line.

11月21日 9:00
李建国（3栋群）: 签到
小邻: 李建国，「清洁家园」签到成功 9:00，积分+5（现有9分）。
      走的时候发一声 签退。
11月21日 11:10
张敏: 补录 12 王秀英 陈美玲1小时 欧阳娜娜 何叔没来
小邻: 补录 12号「清洁家园」：来了2位：王秀英（2小时）、陈美玲（1小时）。
      没来：何叔。
      没找到：欧阳娜娜，请核对姓名再补。
      确认就记荣誉时和积分，请回复 确认，不记回复 取消。
张敏: 确认
小邻: 已补录「清洁家园」2位。写错了请发 撤销。
小邻 → 王秀英: 张敏 按纸质名单给您补了「清洁家园」的签到：荣誉时 2小时，积分+7。不对请和社区说一声。
小邻 → 陈美玲: 张敏 按纸质名单给您补了「清洁家园」的签到：荣誉时 1小时，积分+6。不对请和社区说一声。
"""

from collections.abc import Sequence

from handlers.chat import Answer, Ask, Reply, Router, Texts, Turn
from handlers.language.paper import Paper, read_paper
from handlers.language.slots import Kind, Slot
from models import roll as books
from models.activities import ActivityHere, find_activity
from models.audit import Act
from models.clock import spoken_minutes
from models.members import Role, require
from models.roll import Entry, NotOver, TooLongAgo, Written
from models.units import unit_by_id

say = Texts(
    "roll",
    entry_preview="补录 {number}号「{title}」：{came}{besides}\n{then}",
    entry_then="确认就记荣誉时和积分，请回复 确认，不记回复 取消。",
    entry_came="来了{count}位：{names}。",
    entry_nobody="没有要记的人。",
    entry_again="请核对以后再发一次。",
    entry_minutes="{name}（{minutes}）",
    entry_absent="没来：{names}。",
    entry_already="已经签过到，不重复记：{names}。",
    entry_disputed="写的没来，可是签过到，没有改：{names}。",
    entry_twice="写了两遍，只记一次：{names}。",
    entry_contrary="又写来又写没来，都没有记：{names}。",
    entry_unknown="没找到：{names}，请核对姓名再补。",
    entry_namesakes="同名的不止一位：{names}，请写上楼栋，例如 3栋王秀英。",
    entry_oneself="您自己的请别的同志来补录。",
    names_more="{names}等{count}位",
    entered="已补录「{title}」{count}位。写错了请发 撤销。",
    entered_notice="{by} 按纸质名单给您补了「{title}」的签到：荣誉时 {minutes}{points}。不对请和社区说一声。",
    points="，积分+{points}",
    undone_entry="已撤销「{title}」补录的{count}位，荣誉时和积分一并退回。",
    undone_notice="「{title}」补录的签到撤回了，荣誉时和积分也一并退回。",
)

router = Router(
    "roll",
    {
        NotOver: "「{title}」{ends_at} 才结束，结束以后再补录。",
        TooLongAgo: "「{title}」结束超过{days}天了，不能再补录，请用 加分 来补。",
    },
)

NAMED = 12
"""Names that one line holds; it says how many there are."""

ACTIVITY = Slot(
    "activity", Kind.OBJECT, of="activity", required=True, ask="哪一个活动？请写编号，例如 补录 12", chosen=False
)


def _activity(turn: Turn, role: Role) -> ActivityHere:
    """The activity that is meant, where the speaker holds `role` over it."""
    activity = find_activity(turn.session, community_id=turn.community.id, number=turn.slots["activity"])
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    require(turn.who, role, unit.path)
    return activity


def _undo_entry(turn: Turn, act: Act) -> str:
    activity = find_activity(turn.session, community_id=turn.community.id, number=act.row)
    count = books.take_back(
        turn.session,
        community_id=turn.community.id,
        check_ins=list(act.detail["check_ins"].values()),
        by=turn.who.id,
        now=turn.now,
    )
    for member_id in act.detail["check_ins"]:
        text = say("undone_notice", title=activity.title)
        turn.tell(int(member_id), text, key=f"entry-undone:{act.id}:{member_id}", ref=activity.ref)
    return say("undone_entry", title=activity.title, count=count)


@router.command(
    "enter_roll",
    "补录",
    "补录名单",
    "录入名单",
    "录名单",
    "补录签到",
    slots=(
        ACTIVITY,
        Slot("text", Kind.TEXT, required=True, ask="谁来了？例如 补录 12 王秀英 李建国2小时 3号没来"),
    ),
    role=Role.BUILDING_LEAD,
    direct=True,
    writes=True,
    overheard=False,
    usage="补录 12 王秀英 李建国2小时 3号没来",
    gist="把纸上的签到一次录进来，写姓名或名单上的号，先预览再确认",
    undo={"enter_roll": _undo_entry},
)
def enter_roll(turn: Turn) -> Answer:
    activity = _activity(turn, Role.BUILDING_LEAD)
    paper = read_paper(turn.slots["text"])
    entry = books.read_entry(
        turn.session,
        activity=activity,
        written=_written(paper),
        others=paper.others,
        minutes=paper.minutes,
        by=turn.who,
        now=turn.now,
        days_most=turn.rules["roll"].days,
    )
    if not turn.confirmed:
        text = _entry_preview(turn, activity, entry)
        return Ask(text, minutes=30) if entry.came else text
    entered = books.enter(turn.session, activity=activity, entry=entry, by=turn.who.id)
    turn.wrote(
        "enter_roll",
        activity.number,
        check_ins={str(one.member_id): one.check_in_id for one in entered},
        absent=entry.absent,
    )
    for one in entered:
        text = say(
            "entered_notice",
            by=turn.who.name,
            title=activity.title,
            minutes=spoken_minutes(one.minutes),
            points=say("points", points=one.points) if one.points else "",
        )
        turn.tell(one.member_id, text, key=f"entered:{one.check_in_id}", ref=activity.ref, expires_hours=72)
    return Reply(say("entered", title=activity.title, count=len(entered)), ref=activity.ref)


def _written(paper: Paper) -> list[Written]:
    return [
        Written(
            line.written,
            line.number,
            line.named.name if line.named else "",
            line.named.unit if line.named else "",
            line.minutes,
            line.absent,
        )
        for line in paper.lines
    ]


def _entry_preview(turn: Turn, activity: ActivityHere, entry: Entry) -> str:
    """Three lines at the most: who came; who did not, or was there already; what could not be read."""
    came = [
        say("entry_minutes", name=turn.named(entry.people[member_id]), minutes=spoken_minutes(minutes))
        for member_id, minutes in entry.came.items()
    ]
    rest = [
        say(name, names=_few([turn.named(entry.people[member_id]) for member_id in found]))
        for name, found in (
            ("entry_absent", entry.absent),
            ("entry_already", entry.already),
            ("entry_disputed", entry.disputed),
            ("entry_twice", entry.twice),
        )
        if found
    ]
    wrong = [say(name, names=_few(found)) for name, found in _wrong(turn, entry) if found]
    if entry.oneself:
        wrong.append(say("entry_oneself"))
    return say(
        "entry_preview",
        number=activity.number,
        title=activity.title,
        came=say("entry_came", count=len(came), names=_few(came)) if came else say("entry_nobody"),
        besides="".join(f"\n{''.join(line)}" for line in (rest, wrong) if line),
        then=say("entry_then" if came else "entry_again"),
    )


def _wrong(turn: Turn, entry: Entry) -> list[tuple[str, list[str]]]:
    contrary = [turn.named(entry.people[member_id]) for member_id in entry.contrary]
    return [("entry_contrary", contrary), ("entry_unknown", entry.unknown), ("entry_namesakes", entry.namesakes)]


def _few(names: Sequence[str]) -> str:
    shown = "、".join(names[:NAMED])
    return shown if len(names) <= NAMED else say("names_more", names=shown, count=len(names))
