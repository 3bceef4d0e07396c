"""Whether an activity may be hard on an elder: a kind word to them, alone."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat import Button, Texts, Turn
from handlers.language.outdoors import is_outdoors
from handlers.shared.expecting import end_expecting, expect
from models.activities import DEMANDS, HEAVY, ActivityHere, others_near
from models.care import born_in, hardship, in_heat, is_elder, note_told, told_before
from models.clock import day_of
from models.proxies import has_account

say = Texts(
    "care",
    hard_heat="「{title}」在户外，又赶上一天里最热的时候，您多保重。{answer}",
    hard_heavy="「{title}」是力气活，您量力而行，别勉强。{answer}",
    hard_back_to_back="「{title}」前后两场都在户外，中间只歇{minutes}分钟，怕您累着。{answer}",
    answer="照样去请回复 照样报名，不去了回复 算了。",
    outdoors="；户外",
    indoors="；室内",
    demand_light="；轻活",
    demand_normal="；活不轻不重",
    demand_heavy="；力气活",
)
"""What an elder is told, alone, of what may be hard on them: by whatever feature they are signed up."""


def outdoors(activity: ActivityHere) -> bool:
    """Whether an activity takes place outdoors: as whoever announced it says, else as its place and title do."""
    return is_outdoors(activity.place, activity.title) if activity.outdoors is None else activity.outdoors


def is_hot(activity: ActivityHere, rules: Mapping[str, Any]) -> bool:
    """Whether it is outdoors in the hours of heat."""
    return outdoors(activity) and in_heat(activity.starts_at, activity.ends_at, rules["care"])


def care_line(session: Session, rules: Mapping[str, Any], activity: ActivityHere, member_id: int) -> str:
    """One kind sentence for an elder whose sign-up may be hard on them, for them alone; it is noted as said.

    Empty where there is nothing to say, where they are no elder as far as anybody has said, and where it was said.
    """
    settings, outside = rules["care"], outdoors(activity)
    if not (outside or activity.demand == HEAVY):
        return ""
    born = born_in(session, community_id=activity.community_id, member_id=member_id)
    if not is_elder(born, day_of(activity.starts_at), settings.elder_years):
        return ""
    others = [one for one in others_near(session, activity=activity, member_id=member_id) if outdoors(one)]
    hard = hardship(activity, others, outdoors=outside, settings=settings)
    if hard is None or told_before(session, activity=activity, member_id=member_id) in (None, hard.caution):
        return ""
    note_told(session, activity=activity, member_id=member_id, caution=hard.caution)
    return say(f"hard_{hard.caution}", title=activity.title, minutes=hard.minutes, answer=say("answer"))


def care_buttons(number: int) -> tuple[Button, ...]:
    """照样报名 or 算了, by one tap."""
    return (Button("照样报名", f"照样报名 {number}"), Button("算了", f"取消报名 {number}"))


def body_in(slots: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed of whether an activity is outdoors and how hard it is, as its columns."""
    body: dict[str, Any] = {}
    if "setting" in slots:
        body["outdoors"] = slots["setting"] == "户外"
    if "demand" in slots:
        body["demand"] = dict(zip("轻中重", DEMANDS, strict=True))[slots["demand"]]
    return body


def body_of(outside: bool | None, demand: str) -> str:
    """The same as a preview says it; what nobody has said is not said back."""
    said = "" if outside is None else say("outdoors" if outside else "indoors")
    return said + (say(f"demand_{demand}") if demand else "")


CARE_HOURS = 24
"""How long a plain 算了 means the activity of which an elder was told."""


def cared_for(turn: Turn, activity: ActivityHere, member_id: int) -> str:
    """The same for whoever hears it now: a plain yes or no answers it, unless they are asked about something else."""
    line = care_line(turn.session, turn.rules, activity, member_id)
    if line:
        until = min(activity.starts_at, turn.now + timedelta(hours=CARE_HOURS))
        expect(turn.session, activity, member_id, "go_anyway", until=until, now=turn.now)
    return line


def tell_care(turn: Turn, activity: ActivityHere, member_id: int) -> bool:
    """Says it to the person alone, in a message of its own, where they can be reached; whether there was any."""
    own = member_id == turn.who.id
    if not (turn.reaches if own else has_account(turn.session, community_id=turn.community.id, member_id=member_id)):
        return False
    if line := cared_for(turn, activity, member_id):
        key = f"care:{activity.id}:{member_id}:{turn.incoming.message_id[-60:]}"
        hours = max(1, int((activity.starts_at - turn.now) / timedelta(hours=1)))
        buttons = care_buttons(activity.number)
        # To who has just signed up it is an answer, and answers do not wait for the morning.
        turn.tell(member_id, line, key=key, ref=activity.ref, expires_hours=hours, buttons=buttons, urgent=own)
    return bool(line)


def end_care(turn: Turn, activity: ActivityHere) -> None:
    """Who goes, or does not, is not asked any more whether they go all the same."""
    end_expecting(turn, activity, turn.who.id, "go_anyway")
