"""What is said the day before."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from handlers.chat import Button, Texts, sentence
from handlers.shared.care import is_hot
from handlers.signing.wording import party_of, where
from models.activities import ActivityHere
from models.clock import clock_time, day_of, spoken

say = Texts(
    "signing",
    heat="天热，带水、防晒。",
    day_before="提醒您：{when}「{title}」，{place}{party}。{heat}\n"
    "来不了请早点回复 取消报名 {number}，好让给候补的邻居。",
    day_before_for="提醒您：您替 {name} 报的「{title}」{when}，{place}。{heat}\n"
    "来不了请回复 替 {name} 取消报名 {number}。",
)


def day_before(
    activity: ActivityHere, companions: int, name: str, now: datetime, rules: Mapping[str, Any]
) -> tuple[str, Button]:
    """What is said a day ahead to somebody who comes, or to who signed them up: then `name` says whom."""
    leave = f"替 {name} 取消报名 {activity.number}" if name else f"取消报名 {activity.number}"
    fields = where(activity) | {
        "when": _soon(activity.starts_at, now),
        "party": party_of(companions),
        "name": name,
        "heat": say("heat") if is_hot(activity, rules) else "",
    }
    return say("day_before_for" if name else "day_before", **fields), Button("来不了", leave)


def _soon(moment: datetime, now: datetime) -> str:
    days = (day_of(moment) - day_of(now)).days
    word = {0: "activities.today", 1: "activities.tomorrow"}.get(days)
    return sentence(word, time=clock_time(moment)) if word else spoken(moment)
