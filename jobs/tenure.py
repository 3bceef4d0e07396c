"""Whoever holds a post and is not heard of is asked, and whose term ends; what nobody answers takes effect.

Every day at 10:00 whoever has done nothing for a month gets one friendly question, and whose term ends in two weeks
another one. Where everybody's term ends on one day, whoever is in charge of the post hears of it two weeks before.
Where the bot cannot write to the holder of its own accord, whoever is in charge of the post is asked instead, and their
silence takes it from nobody; where it can write to neither, nobody is asked about a month of silence, and about a term
the building lead is asked to pass it on. On festivals nobody is asked. A question
that is not out yet runs no days of silence, and where it did not arrive whoever is in charge is asked too. At 9:30,
before, terms that are over end, and what was asked a week ago and not answered: the post is free again, and the
holder, whoever is in charge and the first who waits for it hear of it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from handlers.shared.posts import news_of_slot
from handlers.tenure import (
    STAYS,
    ending_line,
    over_lines,
    question,
    question_buttons,
    question_otherwise,
    question_to_leader,
    released_lines,
)
from jobs.tick import Job, Tick
from models import outbox, pending, tenure
from models.base import Button
from models.members import member_by_id
from models.posts import Offer, PostHere, Why, release, who_decides
from models.reach import reach_in, reaches
from models.tenure import Held, QuestionKind

TELL_WITHIN = timedelta(days=3)
INTENTS = {QuestionKind.IDLE: "stay_on_post", QuestionKind.RENEWAL: "renew_post"}
"""Which command a number in answer runs."""


def ask(tick: Tick) -> bool:
    here, rules = tick.community.id, tick.rules["tenure"]
    idle = tenure.idle_holders(tick.session, community_id=here, now=tick.at, days=rules.idle_days)
    ending = tenure.ending_holders(tick.session, community_id=here, now=tick.at, days=rules.renewal_days)
    for kind, some in ((QuestionKind.IDLE, idle), (QuestionKind.RENEWAL, ending)):
        for one in some:
            _ask(tick, one, kind)
    _tell_of_ends(tick, tenure.ending_posts(tick.session, community_id=here, now=tick.at, days=rules.renewal_days))
    return False


def _tell_of_ends(tick: Tick, posts: Sequence[PostHere]) -> None:
    """Tells those in charge once of what is over for everybody soon, so that it does not simply stop."""
    whose: dict[tuple[int, datetime | None], list[PostHere]] = defaultdict(list)
    for post in posts:
        decides = who_decides(tick.session, post=post, now=tick.at)
        if decides is not None and _reaches(tick, decides.id):
            whose[decides.id, post.term_ends_at].append(post)
    for (member_id, ends_at), some in whose.items():
        assert ends_at is not None
        key = f"posts-ending:{member_id}:{ends_at:%Y%m%d}"
        _tell(tick, member_id, ending_line(some), key=key, ref=some[0].ref, within=ends_at - tick.at)


def _ask(tick: Tick, one: Held, kind: QuestionKind) -> None:
    rules = tick.rules["tenure"]
    asked_id = _whom(tick, one, kind)
    if asked_id is None:
        return
    asked = tenure.ask(
        tick.session, one=one, kind=kind, asked_id=asked_id, now=tick.at, silence_days=rules.silence_days
    )
    days = rules.idle_days
    if asked_id == one.claim.member_id:
        message = question(asked, days, numbered=_lets_number_answer(tick, asked))
    else:
        _ask_leader(tick, asked, key=f"tenure:{asked.id}")
        return
    _tell(
        tick, asked_id, message, key=f"tenure:{asked.id}", ref=one.post.ref, within=asked.due_at - tick.at,
        buttons=question_buttons(asked),
    )  # fmt: skip


def _ask_leader(tick: Tick, asked: tenure.Asked, *, key: str) -> None:
    leader = member_by_id(tick.session, community_id=tick.community.id, member_id=asked.asked_id)
    _tell(
        tick, leader.id, question_to_leader(asked, tick.rules["tenure"].idle_days), key=key, ref=asked.held.post.ref,
        within=asked.due_at - tick.at, buttons=question_buttons(asked),
        otherwise=question_otherwise(asked, leader.name),
    )  # fmt: skip


def _whom(tick: Tick, one: Held, kind: QuestionKind) -> int | None:
    """The holder, where the bot can write to them first; else whoever is in charge; else nobody.

    A term ends whether anybody answers or not, so whoever is in charge is asked by way of the building lead as well.
    """
    if _reaches(tick, one.claim.member_id):
        return one.claim.member_id
    leader = who_decides(tick.session, post=one.post, now=tick.at, without=one.ids)
    if leader is None or not (kind is QuestionKind.RENEWAL or _reaches(tick, leader.id)):
        return None
    return leader.id


def _reaches(tick: Tick, member_id: int) -> bool:
    return reaches(tick.session, community_id=tick.community.id, member_id=member_id, reach=reach_in(tick.rules))


def _lets_number_answer(tick: Tick, asked: tenure.Asked) -> bool:
    """Lets 1 and 2 answer, unless the holder is in the middle of something else; the words always do."""
    where: dict[str, Any] = {
        "community_id": tick.community.id,
        "member_id": asked.asked_id,
        "conversation": pending.conversation(None),
    }
    if pending.open_question(tick.session, **where, now=tick.at) is not None:
        return False
    slots = {"post": asked.held.post.number}
    pending.ask(
        tick.session,
        **where,
        question=pending.Question(INTENTS[asked.kind], slots, STAYS, [True, False]),
        expires_at=asked.due_at,
    )
    return True


def end(tick: Tick) -> bool:
    here, hours = tick.community.id, tick.rules["posts"].offer_hours
    tenure.drop_void(tick.session, community_id=here, now=tick.at)
    for one in tenure.over(tick.session, community_id=here, now=tick.at):
        asked_before = _was_asked(tick, one)
        ended = release(
            tick.session, post=one.post, member_id=one.claim.member_id, by=None, why=Why.TERM, now=tick.at,
            offer_hours=hours,
        )  # fmt: skip
        _tell_both(tick, one, over_lines(one, asked=asked_before), f"term-over:{one.claim.id}")
        _tell_offered(tick, ended.offers)
    for asked in tenure.open_questions(tick.session, community_id=here):
        _follow(tick, asked)
    for asked in tenure.open_questions(tick.session, community_id=here, kind=QuestionKind.IDLE, until=tick.at):
        if tenure.goes_on(tick.session, asked):
            tenure.answer(
                tick.session, community_id=here, question_id=asked.id, said=tenure.Answer.STAYS, by=None, now=tick.at
            )
            continue
        ended = tenure.give_up(tick.session, asked=asked, now=tick.at, offer_hours=hours)
        _tell_both(tick, asked.held, released_lines(asked.held), f"idle:{asked.held.claim.id}")
        _tell_offered(tick, ended.offers)
    tenure.drop_void(tick.session, community_id=here, now=tick.at)
    return False


def _was_asked(tick: Tick, one: Held) -> bool:
    """Whether somebody has heard the question if the post goes on."""
    asked = tenure.renewal_of(tick.session, community_id=tick.community.id, claim_id=one.claim.id)
    return asked is not None and not outbox.is_unheard(
        tick.session, community_id=tick.community.id, key=f"tenure:{asked}"
    )


def _follow(tick: Tick, asked: tenure.Asked) -> None:
    """Looks whether a question to a holder has arrived; what nobody has heard is no silence."""
    one, here, days = asked.held, tick.community.id, tick.rules["tenure"].silence_days
    if asked.asked_id not in one.ids:
        return
    state = outbox.fate(tick.session, community_id=here, key=f"tenure:{asked.id}")
    if state is outbox.OutboxState.SENT:
        return
    if state is outbox.OutboxState.WAITING:
        tenure.put_off(tick.session, asked=asked, now=tick.at, silence_days=days)
        return
    leader = who_decides(tick.session, post=one.post, now=tick.at, without=one.ids)
    idle = asked.kind is QuestionKind.IDLE
    if leader is None or (idle and not _reaches(tick, leader.id)):
        if idle:
            # Nobody can be asked: it is theirs, until the clock asks again.
            tenure.answer(
                tick.session, community_id=here, question_id=asked.id, said=tenure.Answer.STAYS, by=None, now=tick.at
            )
        return
    again = tenure.ask_instead(tick.session, asked=asked, asked_id=leader.id, now=tick.at, silence_days=days)
    _ask_leader(tick, again, key=f"tenure:{asked.id}:leader")


def _tell_both(tick: Tick, one: Held, lines: tuple[str, str], key: str) -> None:
    holder, leader = lines
    _tell(tick, one.claim.member_id, holder, key=key, ref=one.post.ref)
    decides = who_decides(tick.session, post=one.post, now=tick.at, without=one.ids)
    if decides is not None:
        _tell(tick, decides.id, leader, key=f"{key}:leader", ref=one.post.ref)


def _tell_offered(tick: Tick, offers: Sequence[Offer]) -> None:
    for offer in offers:
        for told in news_of_slot(tick.session, tick.rules, offer, tick.at, key=f"{tick.at:%Y%m%d%H%M}"):
            told.post(tick.session, community_id=tick.community.id, now=tick.at)


def _tell(
    tick: Tick,
    member_id: int,
    message: str,
    *,
    key: str,
    ref: str,
    within: timedelta = TELL_WITHIN,
    buttons: Sequence[Button] = (),
    otherwise: str = "",
) -> None:
    outbox.put(
        tick.session,
        community_id=tick.community.id,
        key=key,
        message=message,
        now=tick.at,
        expires_at=tick.at + within,
        member_id=member_id,
        ref=ref,
        buttons=buttons,
        otherwise=otherwise,
    )


END = Job("tenure.end", end, cron="30 9 * * *")
ASK = Job("tenure.ask", ask, cron="0 10 * * *")
