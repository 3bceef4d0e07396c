"""A place in an activity became free: who waited is told of it, or asked whether they still come."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat import Button, Texts, Told, Turn, sentence
from handlers.shared.expecting import end_expecting, expect
from models.activities import ActivityHere, Promoted, give_place, whose_signup
from models.clock import spoken
from models.members import member_by_id
from models.reach import reach_in, reaches

say = Texts(
    "offers",
    promoted="好消息：「{title}」空出了位置，您已从候补转为正式报名。\n{when}，{place}。来不了请发 取消报名 {number}。",
    offered="好消息：「{title}」空出了位置，给您留到{until}。\n{when}，{place}。\n"
    "能来请回复 能来 {number}，来不了请回复 取消报名 {number}。",
    offered_for="您替 {name} 报的「{title}」空出了位置，留到{until}。\n{when}，{place}。\n"
    "去请回复 替 {name} 报名 {number}，不去请回复 替 {name} 取消报名 {number}。",
    moved_notice="「{title}」空出了位置，{name} 从候补转成了正式报名。我联系不上，请转告一声。",
)
"""What is said when a place became free: by whatever feature that came about."""


def tell_promoted(turn: Turn, activity: ActivityHere, moved: Promoted) -> None:
    """Tells somebody who waited that a place is free for them, or asks them whether they still come."""
    turn.told += news_of_place(turn.session, turn.rules, activity, moved, turn.now)


def news_of_place(
    session: Session, rules: Mapping[str, Any], activity: ActivityHere, moved: Promoted, now: datetime
) -> list[Told]:
    """What is said when somebody moved up: to them, else to whoever signed them up.

    Where the bot can write to neither there is nobody to ask: the place is theirs at once, and whoever organises it is
    asked to tell them.
    """
    fields = {
        "number": activity.number,
        "title": activity.title,
        "when": spoken(activity.starts_at),
        "place": activity.place or sentence("activities.no_place"),
    }
    whom, name = voice_of(session, rules, activity, moved.signup_id)
    if moved.until is not None and whom is not None:
        yes, no = f"能来 {activity.number}", f"取消报名 {activity.number}"
        if name:
            yes, no = f"替 {name} 报名 {activity.number}", f"替 {name} {no}"
        fields |= {"until": spoken(moved.until), "name": name}
        text = say("offered_for" if name else "offered", **fields)
        hours = -(-(moved.until - now) // timedelta(hours=1))
        if not name:
            expect(session, activity, moved.member_id, "take_place", until=moved.until, now=now)
        buttons = (Button("能来", yes), Button("来不了", no))
        return [Told(f"offered:{moved.signup_id}", text, activity.ref, hours, member_id=whom, buttons=buttons)]
    if moved.until is not None:
        give_place(session, activity=activity, moved=moved)
    if whom is not None and not name:
        text = say("promoted", **fields)
        return [Told(f"promoted:{moved.signup_id}", text, activity.ref, 24, member_id=whom)]
    return _notice_of_place(session, activity, moved, whom or activity.made_by)


def _notice_of_place(session: Session, activity: ActivityHere, moved: Promoted, whom: int | None) -> list[Told]:
    if whom is None:
        return []
    member = member_by_id(session, community_id=activity.community_id, member_id=moved.member_id)
    text = say("moved_notice", name=member.name, title=activity.title)
    return [Told(f"promoted:{moved.signup_id}", text, activity.ref, 24, member_id=whom)]


def unheard_place(session: Session, activity: ActivityHere, moved: Promoted) -> list[Told]:
    """The offer of a place has reached nobody: it is theirs, and whoever organises it is asked to tell them."""
    give_place(session, activity=activity, moved=moved)
    return _notice_of_place(session, activity, moved, activity.made_by)


def end_offer(turn: Turn, activity: ActivityHere, member_id: int) -> None:
    """What somebody has said about a place that was held for them is not asked any more."""
    end_expecting(turn, activity, member_id, "take_place")


def voice_of(
    session: Session, rules: Mapping[str, Any], activity: ActivityHere, signup_id: int
) -> tuple[int | None, str]:
    """Who is written to about a sign-up: whose it is, else whoever made it for them; then it also says for whom.

    None where the bot can write to neither.
    """
    reach = reach_in(rules)
    here = activity.community_id
    whose, made_by, name = whose_signup(session, community_id=here, signup_id=signup_id)
    if reaches(session, community_id=here, member_id=whose, reach=reach):
        return whose, ""
    if made_by is not None and reaches(session, community_id=here, member_id=made_by, reach=reach):
        return made_by, name
    return None, ""
