"""任期: whether whoever holds a post goes on: asked after a month of silence, asked before the term ends; leave.

11月27日 10:00
小邻 → 何叔: 何叔，3号「治安巡逻岗」有30天没有记录了，还方便吗？不急，12月4日 周五前告诉我就行。
      继续请回复 1 或 继续 3，让出请回复 2 或 让出 3。
      想交给别人请发 转岗 3 加姓名。
何叔: 继续 3
小邻: 好的，3号「治安巡逻岗」还是您的。
      做了事请发 履职 3 加做了什么。
何叔: 岗位请假 3 到 12月10日 回老家
小邻: 记下了，3号「治安巡逻岗」您请假到2026年12月10日，这段时间不催您。
小邻 → 孙丽: 何叔 的 3号「治安巡逻岗」请假到2026年12月10日（回老家）。
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from handlers.chat import Answer, Ask, Button, Reply, Router, Texts, Turn, sentence
from handlers.language.persons import read_person
from handlers.language.slots import Kind, Slot
from handlers.shared.posts import own_post, tell_offered, which_post
from models import pending
from models import tenure as books
from models.audit import Act
from models.clock import day_of, last_day, spoken_date, spoken_day, start_of
from models.duties import held_by
from models.posts import PostHere, Why, in_charge, months_later, release, resume, who_decides
from models.tenure import Asked, Held, LeaveOver, LeaveTooLong, NothingAsked, QuestionKind

say = Texts(
    "tenure",
    which="说的是哪个岗位？请回复序号：\n{choices}",
    idle="{name}，{number}号「{title}」有{days}天没有记录了，还方便吗？不急，{until}前告诉我就行。"
    "\n继续请回复 {one}继续 {number}，让出请回复 {two}让出 {number}。\n想交给别人请发 转岗 {number} 加姓名。",
    renewal="{name}，您的 {number}号「{title}」任期到{until}。"
    "\n愿意续任请回复 {one}续任 {number}，不续请回复 {two}不续 {number}。",
    first="1 或 ",
    second="2 或 ",
    idle_leader="{name} 的 {number}号「{title}」有{days}天没有记录，我联系不上本人，请您帮忙问一声，{until}前都行。"
    "\n还做请回复 继续 {number} {name}，不做了请回复 让出 {number} {name}。",
    renewal_leader="{name} 的 {number}号「{title}」任期到{until}，我联系不上本人，请您帮忙问一声。"
    "\n续任请回复 续任 {number} {name}，不续请回复 不续 {number} {name}。",
    asked_otherwise="{number}号岗位还有没有人做，要问{name}，我发不到{name}。"
    "\n请转告：还做就私聊我发 {yes}，不做了发 {no}。",
    stays="好的，{number}号「{title}」还是您的。\n做了事请发 履职 {number} 加做了什么。",
    stays_of="好的，{number}号「{title}」还由 {name} 做。",
    gave_up="好的，{number}号「{title}」空出来了，谢谢您这段时间的付出！",
    gave_up_of="好的，{name} 的 {number}号「{title}」空出来了。",
    gave_up_notice="{leader} 说您不做 {number}号「{title}」了，已经空出来。"
    "\n不是这样请和社区说，或再发 认领 {number}。",
    gave_up_leader="{name} 让出了 {number}号「{title}」。看空岗请发 岗位。",
    renewed="好的，{number}号「{title}」续任{until}，谢谢您！",
    renewed_of="好的，{name} 的 {number}号「{title}」续任{until}。",
    renewed_until="到{day}",
    renewed_open="，不再定期",
    ends="记下了，{number}号「{title}」做到{until}，谢谢您这段时间的付出！",
    ends_of="记下了，{name} 的 {number}号「{title}」做到{until}。",
    ends_leader="{name} 的 {number}号「{title}」做到{until}，不续任了，可以先找找接手的人。",
    nothing="现在没有等您答复的岗位。看自己的岗位请发 我的岗位。",
    released="{number}号「{title}」一直没有您的消息，先空出来给别的邻居了，谢谢您之前的付出！"
    "\n还想做随时发 认领 {number}。",
    released_leader="{name} 的 {number}号「{title}」问了没有答复，已经空出来了。看空岗请发 岗位。",
    over="{number}号「{title}」的任期到了，谢谢您这段时间的付出！\n还想做请发 认领 {number}。",
    over_for_all="{number}号「{title}」的任期到了，谢谢您这段时间的付出！",
    ending="{posts}的任期 {day} 到，到期大家都离岗。"
    "\n还接着办请发 改岗位 {number} 任期 到{then}，在岗的人续不续我再去问。",
    ending_post="{number}号「{title}」",
    ending_more="等{count}个岗位",
    over_leader="{name} 的 {number}号「{title}」任期到了，岗位空出来了。看空岗请发 岗位。",
    over_unasked="{name} 的 {number}号「{title}」任期到了，续不续我没能问到本人，岗位先空出来了。"
    "\n还做请让 TA 发 认领 {number}。",
    away="记下了，{number}号「{title}」您请假到{until}，这段时间不催您。",
    away_leader="{name} 的 {number}号「{title}」请假到{until}{why}。",
    away_why="（{reason}）",
    undone_stays="已撤回答复，{number}号「{title}」还等您回复 继续 或 让出。",
    undone_gave_up="已恢复，{number}号「{title}」还是{name}的。",
    undone_gave_up_leader="{name} 还做 {number}号「{title}」，刚才说的让出不算。",
    yours="您",
    undone_renewed="已撤回答复，{number}号「{title}」还等您回复 续任 或 不续。",
    undone_away="已撤销请假，{number}号「{title}」照常。",
)

router = Router(
    "tenure",
    {
        NothingAsked: "这件事已经有答复了，不用再回。",
        LeaveOver: "请假要写以后的日子，例如 岗位请假 3 到 12月10日。",
        LeaveTooLong: "岗位请假一次最多{days}天，再久请先发 让出，回来再认领。",
    },
)

POST = Slot("post", Kind.OBJECT, of="post", chosen=False)


def _which(choices: str) -> str:
    return say("which", choices=choices)


NAMED = 3
"""Posts that one message names."""
WHO = Slot("who", Kind.TEXT)
"""For whom somebody in charge answers."""
STAYS = "stays"
"""Where a number answers the question that was pushed: True for going on."""


def _fields(post: PostHere) -> dict[str, object]:
    return {"number": post.number, "title": post.title}


# -- what is asked, and told ----------------------------------------


def question(asked: Asked, days: int, *, numbered: bool) -> str:
    """What a holder is asked; `numbered` where 1 and 2 answer it."""
    return say(
        "renewal" if asked.kind is QuestionKind.RENEWAL else "idle",
        name=asked.held.name,
        days=days,
        until=_until(asked),
        one=say("first") if numbered else "",
        two=say("second") if numbered else "",
        **_fields(asked.held.post),
    )


def question_to_leader(asked: Asked, days: int) -> str:
    """What somebody in charge is asked where the bot cannot write to the holder."""
    name = asked.held.name
    return say(f"{asked.kind}_leader", name=name, days=days, until=_until(asked), **_fields(asked.held.post))


def question_otherwise(asked: Asked, name: str) -> str:
    """What the building lead hears where whoever is in charge, of this name, cannot be written to either."""
    yes, no = (button.say for button in question_buttons(asked))
    return say("asked_otherwise", number=asked.held.post.number, name=name, yes=yes, no=no)


def _until(asked: Asked) -> str:
    if asked.kind is QuestionKind.RENEWAL:
        return spoken_date(last_day(asked.due_at))
    return spoken_day(asked.due_at)


def question_buttons(asked: Asked) -> tuple[Button, ...]:
    """The answers that can be pressed: going on, or not."""
    stays, leaves = ("续任", "不续") if asked.kind is QuestionKind.RENEWAL else ("继续", "让出")
    about = "" if asked.asked_id in asked.held.ids else f" {asked.held.name}"
    number = asked.held.post.number
    return (Button(stays, f"{stays} {number}{about}"), Button(leaves, f"{leaves} {number}{about}"))


def released_lines(one: Held) -> tuple[str, str]:
    """What the holder and whoever is in charge hear when silence has taken effect."""
    fields = _fields(one.post)
    return say("released", **fields), say("released_leader", name=one.name, **fields)


def ending_line(posts: Sequence[PostHere]) -> str:
    """What those in charge hear of the posts whose terms all end on one day."""
    first = posts[0]
    assert first.term_ends_at is not None
    another = start_of(months_later(day_of(first.term_ends_at), 12))
    named = "、".join(say("ending_post", **_fields(post)) for post in posts[:NAMED])
    return say(
        "ending",
        day=spoken_date(last_day(first.term_ends_at)),
        posts=named + (say("ending_more", count=len(posts)) if len(posts) > NAMED else ""),
        number=first.number,
        then=spoken_date(last_day(another)),
    )


def over_lines(one: Held, *, asked: bool) -> tuple[str, str]:
    """What the holder and whoever is in charge hear when a term is over.

    `asked`: somebody has heard the question if it goes on.
    """
    fields = _fields(one.post)
    for_all = one.post.term_ends_at is not None and one.post.term_ends_at == one.claim.term_ends_at
    ended = say("over_for_all" if for_all else "over", **fields)
    return ended, say("over_leader" if asked or for_all else "over_unasked", name=one.name, **fields)


# -- answering ----------------------------------------


def _asked(turn: Turn, *kinds: QuestionKind) -> Asked | Ask | None:
    """The question that is answered: of the first of these kinds that stands open for this person."""
    every = books.open_questions(turn.session, community_id=turn.community.id)
    number, name = turn.slots.get("post"), _named(turn)
    for kind in kinds:
        some = [
            one
            for one in every
            if one.kind is kind and number in (None, one.held.post.number) and _may_answer(turn, one, name)
        ]
        if len(some) > 1 and len({one.held.post.id for one in some}) > 1:
            return which_post([one.held.post for one in some], _which)
        if some:
            return some[0]
    return None


def _named(turn: Turn) -> str:
    spoken_of = read_person(turn.slots.get("who", ""))
    return spoken_of[0].name if spoken_of else ""


def _may_answer(turn: Turn, asked: Asked, name: str) -> bool:
    if not name:
        return turn.who.id in (asked.asked_id, *asked.held.ids)
    theirs = asked.held.name == name
    return theirs and in_charge(turn.session, post=asked.held.post, person=turn.who, now=turn.now)


def _undo_stays(turn: Turn, act: Act) -> str:
    books.ask_again(turn.session, community_id=turn.community.id, question_id=act.row)
    return say("undone_stays", **_fields(_post_of(turn, act)))


def _post_of(turn: Turn, act: Act) -> PostHere:
    (held,) = books.held(turn.session, community_id=turn.community.id, claim_ids=[act.detail["claim"]])
    return held.post


@router.command(
    "stay_on_post",
    "继续",
    "继续做",
    "继续干",
    "接着做",
    "接着干",
    "还方便",
    slots=(POST, WHO),
    fillers=("岗位", "岗", "我", "的"),
    writes=True,
    overheard=False,
    standing=True,
    rare=True,
    usage="继续 3",
    gist="岗位久没记录被问到时，说还接着做",
    undo={"stay_on_post": _undo_stays},
)
def stay(turn: Turn) -> Answer:
    if turn.slots.get(STAYS) is False:
        return _give_up(turn)
    asked = _asked(turn, QuestionKind.IDLE, QuestionKind.RENEWAL)
    if isinstance(asked, Ask):
        return asked
    if asked is None:
        return say("nothing")
    if asked.kind is QuestionKind.RENEWAL:
        return _renew(turn, asked)
    _answer(turn, asked, books.Answer.STAYS)
    turn.wrote("stay_on_post", asked.id, post=asked.held.post.number, claim=asked.held.claim.id)
    return _said(turn, asked.held, "stays")


def _answer(turn: Turn, asked: Asked, said: books.Answer) -> None:
    books.answer(
        turn.session,
        community_id=turn.community.id,
        question_id=asked.id,
        said=said,
        by=turn.who.id,
        now=turn.now,
    )
    _close_numbers(turn, asked)


def _close_numbers(turn: Turn, asked: Asked) -> None:
    """1 and 2 mean nothing any more once it was said in words."""
    where: dict[str, Any] = {
        "community_id": turn.community.id,
        "member_id": asked.asked_id,
        "conversation": pending.conversation(None),
    }
    question = pending.open_question(turn.session, **where, now=turn.now)
    if question is not None and question.slot == STAYS and question.slots["post"] == asked.held.post.number:
        pending.close_question(turn.session, **where)


def _said(turn: Turn, held: Held, text: str, **more: object) -> Reply:
    """The answer to the holder, or to somebody in charge who speaks of the holder."""
    about = "" if turn.who.id in held.ids else "_of"
    return Reply(say(f"{text}{about}", name=held.name, **more, **_fields(held.post)), ref=held.post.ref)


def _tell_leader(turn: Turn, held: Held, text: str, *, key: str, **more: object) -> None:
    leader = who_decides(turn.session, post=held.post, now=turn.now, without=[*held.ids, turn.who.id])
    if leader is not None:
        turn.tell(leader.id, say(text, name=held.name, **more, **_fields(held.post)), key=key)


def _undo_gave_up(turn: Turn, act: Act) -> str:
    back = resume(
        turn.session,
        community_id=turn.community.id,
        claim_id=act.row,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
        partner_claim=None,
    )
    if (question_id := act.detail["question"]) is not None:
        books.ask_again(turn.session, community_id=turn.community.id, question_id=question_id)
    tell_offered(turn, back.offers)
    (held,) = books.held(turn.session, community_id=turn.community.id, claim_ids=[act.row])
    if turn.who.id in held.ids:
        _tell_leader(turn, held, "undone_gave_up_leader", key=f"gave-up-undone:{act.id}")
    name = say("yours") if turn.who.id in held.ids else f" {held.name} "
    return say("undone_gave_up", name=name, **_fields(held.post))


@router.command(
    "give_up_post",
    "让出",
    "让出岗位",
    "不方便了",
    "腾出岗位",
    slots=(POST, WHO),
    fillers=("岗位", "岗", "我", "的"),
    writes=True,
    overheard=False,
    rare=True,
    usage="让出 3",
    gist="岗位不做了，空出来给别的邻居",
    undo={"give_up_post": _undo_gave_up},
)
def give_up(turn: Turn) -> Answer:
    return _give_up(turn)


def _give_up(turn: Turn) -> Answer:
    asked = _asked(turn, QuestionKind.IDLE, QuestionKind.RENEWAL)
    if isinstance(asked, Ask):
        return asked
    if asked is not None:
        held = asked.held
        _answer(turn, asked, books.Answer.LEAVES)
    else:
        found = _held_by_speaker(turn)
        if not isinstance(found, Held):
            return found
        held = found
    own = turn.who.id in held.ids
    member_id = turn.who.id if own else held.claim.member_id
    ended = release(
        turn.session,
        post=held.post,
        member_id=member_id,
        by=turn.who.id,
        why=Why.RELEASED if own else Why.DISMISSED,
        now=turn.now,
        offer_hours=turn.rules["posts"].offer_hours,
    )
    turn.wrote("give_up_post", ended.claim.id, post=held.post.number, question=asked.id if asked else None)
    tell_offered(turn, ended.offers)
    if own:
        _tell_leader(turn, held, "gave_up_leader", key=f"gave-up:{ended.claim.id}:{turn.incoming.message_id[-60:]}")
    else:
        notice = say("gave_up_notice", leader=turn.who.name, **_fields(held.post))
        turn.tell(member_id, notice, key=f"gave-up-for:{ended.claim.id}", expires_hours=72)
    return _said(turn, held, "gave_up")


def _held_by_speaker(turn: Turn) -> Held | Answer:
    if _named(turn):
        return say("nothing")
    post = own_post(turn, _which)
    if not isinstance(post, PostHere):
        return post or sentence("duties.none")
    claim = held_by(turn.session, post, turn.who.id)
    (held,) = books.held(turn.session, community_id=turn.community.id, claim_ids=[claim.id])
    return held


# -- another term ----------------------------------------


def _undo_renewed(turn: Turn, act: Act) -> str:
    before = act.detail["until"]
    books.set_term(
        turn.session,
        community_id=turn.community.id,
        claim_id=act.detail["claim"],
        until=datetime.fromisoformat(before),
    )
    books.ask_again(turn.session, community_id=turn.community.id, question_id=act.row)
    return say("undone_renewed", **_fields(_post_of(turn, act)))


@router.command(
    "renew_post",
    "续任",
    "续任岗位",
    "愿意续任",
    slots=(POST, WHO),
    fillers=("岗位", "岗", "我"),
    writes=True,
    overheard=False,
    standing=True,
    rare=True,
    usage="续任 3",
    gist="任期快到时，说再做一届",
    undo={"renew_post": _undo_renewed, "end_term": _undo_renewed},
)
def renew(turn: Turn) -> Answer:
    if turn.slots.get(STAYS) is False:
        return _end_term(turn)
    asked = _asked(turn, QuestionKind.RENEWAL)
    if isinstance(asked, Asked):
        return _renew(turn, asked)
    return asked or say("nothing")


def _renew(turn: Turn, asked: Asked) -> Answer:
    _answer(turn, asked, books.Answer.STAYS)
    until = books.renew(turn.session, one=asked.held)
    _wrote(turn, "renew_post", asked)
    spoken = say("renewed_until", day=spoken_date(last_day(until))) if until else say("renewed_open")
    return _said(turn, asked.held, "renewed", until=spoken)


def _wrote(turn: Turn, action: str, asked: Asked) -> None:
    claim = asked.held.claim
    turn.wrote(action, asked.id, post=asked.held.post.number, claim=claim.id, until=asked.due_at.isoformat())


@router.command(
    "end_term",
    "不续",
    "不续任",
    "不续了",
    slots=(POST, WHO),
    fillers=("岗位", "岗", "我", "任"),
    writes=True,
    overheard=False,
    rare=True,
    usage="不续 3",
    gist="任期快到时，说做到期满",
)
def end_term(turn: Turn) -> Answer:
    return _end_term(turn)


def _end_term(turn: Turn) -> Answer:
    asked = _asked(turn, QuestionKind.RENEWAL)
    if not isinstance(asked, Asked):
        return asked or say("nothing")
    _answer(turn, asked, books.Answer.LEAVES)
    _wrote(turn, "end_term", asked)
    until = _until(asked)
    _tell_leader(
        turn, asked.held, "ends_leader", key=f"term-ends:{asked.id}:{turn.incoming.message_id[-60:]}", until=until
    )
    return _said(turn, asked.held, "ends", until=until)


# -- leave ----------------------------------------


def _undo_away(turn: Turn, act: Act) -> str:
    books.undo_leave(turn.session, community_id=turn.community.id, leave_id=act.row, now=turn.now)
    return say("undone_away", **_fields(_post_of(turn, act)))


@router.command(
    "take_post_leave",
    "岗位请假",
    "岗位告假",
    "岗位请个假",
    slots=(
        POST,
        Slot("until", Kind.WHEN, required=True, ask="请到哪一天？例如 岗位请假 3 到 12月10日"),
        Slot("reason", Kind.TEXT),
    ),
    fillers=("岗位", "岗", "到", "至", "请到"),
    writes=True,
    rare=True,
    usage="岗位请假 3 到 12月10日",
    gist="出门一阵子，这段时间不催",
    undo={"take_post_leave": _undo_away},
)
def take_leave(turn: Turn) -> Answer:
    found = _held_by_speaker(turn)
    if not isinstance(found, Held):
        return found
    last = turn.slots.get("until_until") or turn.slots["until_at"] + timedelta(days=1)
    until = start_of(day_of(last_day(last)) + timedelta(days=1))
    reason = turn.slots.get("reason", "")[:100]
    leave_id = books.take_leave(
        turn.session,
        post=found.post,
        member_id=turn.who.id,
        until=until,
        reason=reason,
        now=turn.now,
        days_max=turn.rules["tenure"].leave_days_max,
    )
    turn.wrote("take_post_leave", leave_id, post=found.post.number, claim=found.claim.id)
    day = spoken_date(last_day(until))
    why = say("away_why", reason=reason) if reason else ""
    _tell_leader(turn, found, "away_leader", key=f"post-leave:{leave_id}", until=day, why=why)
    return Reply(say("away", until=day, **_fields(found.post)), ref=found.post.ref)
