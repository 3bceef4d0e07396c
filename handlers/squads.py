"""服务队: the squads that gather those who hold posts, what they do, and a word to all of them.

王秀英（3栋群）: @小邻 服务队
小邻: 服务队有2支：红马甲服务队（16人）、银龄巡逻队（10人）。
      看一支请发 服务队 加名字，例如 服务队 红马甲服务队。
"""

from datetime import datetime

from handlers.chat import Answer, Ask, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models import posts as books
from models.counters import next_number
from models.directory import groups_of
from models.members import leader_of
from models.organisation import people_below, require_charge
from models.posts import NoSuchSquad
from models.units import UnitHere

say = Texts(
    "squads",
    none="社区还没有服务队。要建一支，请社区书记发 新建 服务队 加名称。",
    several="服务队有{count}支：{names}。\n看一支请发 服务队 加名字，例如 服务队 {first}。",
    named="{name}（{count}人）",
    more="等",
    one="{name}：{count}人{leader}。\n{posts}\n{next}",
    leader="，队长 {name}",
    posts="岗位：{posts}。",
    post="{number}号 {title}（{seats}）",
    seats_free="缺{left}人",
    seats_over="任期已到",
    seats_full="已满",
    no_posts="现在没有归这支队的岗位。",
    next_claim="想加入请认领一个岗位，例如 认领 {number}。",
    next_ask="想加入请找队长，或发 捎话 {name} 加要说的话。",
    word_ask="要发给{whom}吗？\n{text}\n发请回复 确认，不发回复 取消。",
    word_group="{name}的群",
    word_people="{name}的{count}位队员",
    word_nobody="{name}还没有群，我也不能先给队员发消息，请您自己转告。",
    word="【{name}】{text}\n——{leader}",
    word_sent="已发给{whom}。",
    word_long="一次最多发{most}个字，请写短一点再发。",
)

router = Router("squads", {NoSuchSquad: "「{name}」不是服务队。看看有哪些，请发 服务队。"})

NAMED = 6
"""Squads, or posts of one, in one line."""
TEXT_MOST = 200
"""Characters of a word to a squad."""


@router.command(
    "squads",
    *("服务队", "志愿服务队", "服务队列表", "有哪些服务队", "有什么服务队"),
    slots=(Slot("squad", Kind.UNIT), Slot("name", Kind.TEXT)),
    overheard=False,
    rare=True,
    usage="服务队 红马甲服务队",
    gist="有哪些服务队，一支队做什么、缺不缺人",
)
def squads(turn: Turn) -> Answer:
    name = turn.slots.get("squad") or turn.slots.get("name")
    every = books.squads_of(turn.session, community_id=turn.community.id)
    if not every:
        return say("none")
    if name:
        return _one(turn, books.find_squad(turn.session, community_id=turn.community.id, name=name))
    names = [say("named", name=squad.name, count=_count(turn, squad)) for squad in every[:NAMED]]
    more = say("more") if len(every) > NAMED else ""
    return say("several", count=len(every), names="、".join(names) + more, first=every[0].name)


def _count(turn: Turn, squad: UnitHere) -> int:
    return len(people_below(turn.session, community_id=turn.community.id, unit=squad))


def _seats(one: books.Listed, now: datetime) -> str:
    if one.free:
        return say("seats_free", left=one.free)
    return say("seats_over" if one.post.is_over(now) else "seats_full")


def _one(turn: Turn, squad: UnitHere) -> str:
    leader = leader_of(turn.session, community_id=turn.community.id, unit=squad, now=turn.now)
    every = books.list_posts(turn.session, community_id=turn.community.id, now=turn.now)
    theirs = [one for one in every if one.post.squad_id == squad.id]
    lines = [
        say(
            "post",
            number=one.post.number,
            title=one.post.title,
            seats=_seats(one, turn.now),
        )
        for one in theirs[:NAMED]
    ]
    free = next((one.post.number for one in theirs if one.free), None)
    return say(
        "one",
        name=squad.name,
        count=_count(turn, squad),
        leader=say("leader", name=turn.named(leader)) if leader else "",
        posts=say("posts", posts="、".join(lines)) if lines else say("no_posts"),
        next=say("next_ask", name=squad.name) if free is None else say("next_claim", number=free),
    )


@router.command(
    "squad_word",
    *("队里通知", "通知队员", "通知服务队"),
    slots=(
        Slot("squad", Kind.UNIT, required=True, ask="通知哪支服务队？例如 队里通知 红马甲服务队 周六八点集合"),
        Slot("text", Kind.TEXT, required=True, ask="要说什么？例如 队里通知 红马甲服务队 周六八点集合"),
    ),
    rare=True,
    writes=True,
    overheard=False,
    usage="队里通知 红马甲服务队 周六八点集合",
    gist="队长给全队说一句，有队群就发在群里",
)
def squad_word(turn: Turn) -> Answer:
    squad = books.find_squad(turn.session, community_id=turn.community.id, name=turn.slots["squad"])
    require_charge(turn.session, community_id=turn.community.id, by=turn.who, unit=squad, now=turn.now)
    text = " ".join(turn.slots["text"].split())
    if len(text) > TEXT_MOST:
        return say("word_long", most=TEXT_MOST)
    groups = [one for one in groups_of(turn.session, community_id=turn.community.id) if one.unit_path == squad.path]
    people = people_below(turn.session, community_id=turn.community.id, unit=squad)
    others = [one.id for one in people if one.id != turn.who.id]
    if not groups and not (others and turn.reaches):
        return say("word_nobody", name=squad.name)
    whom = say("word_group", name=squad.name) if groups else say("word_people", name=squad.name, count=len(others))
    if not turn.confirmed:
        return Ask(say("word_ask", whom=whom, text=text))
    number = next_number(turn.session, community_id=turn.community.id, kind="squad_word")
    word = say("word", name=squad.name, text=text, leader=turn.who.name)
    for group in groups:
        turn.tell_group(group.id, word, key=f"squad-word:{number}:{group.id}")
    for member_id in () if groups else others:
        turn.tell(member_id, word, key=f"squad-word:{number}:{member_id}")
    turn.wrote("squad_word", number, squad=squad.id)
    return say("word_sent", whom=whom)
