"""What else somebody is signed up for, where it may be too much together with this. Nothing is refused."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat import Texts
from models.activities import ActivityHere, Burden, burden_of, others_near
from models.clock import spoken, spoken_minutes

say = Texts(
    "signing",
    burden_clash="提醒您：和{number}号「{title}」（{when}）时间撞上了。",
    burden_tight="提醒您：离{number}号「{title}」（{when}）只隔{minutes}分钟，来得及再去。",
    burden_long="提醒您：这一天报的活动一共{span}了，别累着。",
)


def burden_line(
    session: Session, rules: Mapping[str, Any], activity: ActivityHere, member_id: int, *, cared_for: bool
) -> str:
    """One sentence; empty where it is not too much.

    Who is `cared_for` in the same breath, as an elder, hears only that two things are at the same time.
    """
    settings = rules["activities"]
    others = others_near(session, activity=activity, member_id=member_id)
    found = burden_of(activity, others, day_hours_max=settings.day_hours_max, gap_minutes_min=settings.gap_minutes_min)
    if found is None or (cared_for and found.burden is not Burden.CLASH):
        return ""
    if found.burden is Burden.LONG:
        return say("burden_long", span=spoken_minutes(found.minutes))
    fields = {"number": found.other.number, "title": found.other.title, "when": spoken(found.other.starts_at)}
    if found.burden is Burden.CLASH:
        return say("burden_clash", **fields)
    return say("burden_tight", minutes=found.minutes, **fields)
