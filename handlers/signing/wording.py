"""How sign-ups are spoken of, and whose they are to decide."""

from typing import Any

from handlers.chat import Button, Texts, Turn, sentence
from models.activities import ActivityHere
from models.clock import spoken
from models.members import Neighbour, Role, people_in_scope
from models.units import unit_by_id

say = Texts(
    "signing",
    party="（共{count}人）",
    left="，还剩{left}个名额",
    left_none="，名额正好满了",
)

TOLD_HOURS = 72
"""How long what is told of a sign-up is worth sending."""

NAMED = 3
"""People whom one answer names one by one."""


def party_of(companions: int) -> str:
    """How many they are together, where somebody comes along."""
    return say("party", count=1 + companions) if companions else ""


def left_of(left: int | None) -> str:
    """How many places are left, where they are counted."""
    if left is None:
        return ""
    return say("left", left=left) if left else say("left_none")


def where(activity: ActivityHere) -> dict[str, Any]:
    """What most sentences say of an activity."""
    return {
        "number": activity.number,
        "title": activity.title,
        "when": spoken(activity.starts_at),
        "place": activity.place or sentence("activities.no_place"),
    }


def button(word: str, activity: ActivityHere) -> tuple[Button, ...]:
    """The word that a sentence offers, by one tap."""
    return (Button(word, f"{word} {activity.number}"),)


def speaker(turn: Turn) -> Neighbour:
    """Who speaks, as somebody who is signed up."""
    who = turn.who
    return Neighbour(who.id, who.name, who.unit_id, who.unit_path, who.hides_name)


def name_of(turn: Turn, member: Neighbour) -> str:
    """Whoever is signed up, as this conversation may read it."""
    return turn.shown if member.id == turn.who.id else turn.named(member)


def decides_about(turn: Turn, activity: ActivityHere) -> bool:
    """Whether the speaker decides about the list of an activity: who announced it, or staff for its people."""
    if activity.made_by == turn.who.id:
        return True
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    return turn.who.may(Role.STAFF, unit.path)


def organisers_of(turn: Turn, activity: ActivityHere) -> list[int]:
    """Who hears of what somebody has to decide or know: who announced it, else whoever has the say there."""
    if activity.made_by is not None and activity.made_by != turn.who.id:
        return [activity.made_by]
    unit = unit_by_id(turn.session, community_id=turn.community.id, unit_id=activity.unit_id)
    staff = people_in_scope(
        turn.session, community_id=turn.community.id, path=unit.path, role=Role.STAFF, now=turn.now,
        without=[turn.who.id],
    )  # fmt: skip
    return [one.id for one in staff[:NAMED]]
