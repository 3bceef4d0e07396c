"""Who did not come lately: whoever organises the activity is asked first."""

from handlers.chat import Button, Texts, Turn
from handlers.signing.wording import NAMED, TOLD_HOURS, name_of, organisers_of, party_of
from models.absences import absences_of
from models.activities import ActivityHere, SignedUp
from models.clock import short_day
from models.members import Neighbour
from models.proxies import has_account

say = Texts(
    "signing",
    asked="{name} 报「{title}」要组织的同志先点个头：最近{count}次报了名没来（{which}）。\n{then}",
    asked_then="我已经转告了，有结果告诉您。当天其实到了的，请找楼长补签。",
    asked_aloud="请和社区说一声。当天其实到了的，请找楼长补签。",
    asked_aside="{name} 报「{title}」要组织的同志先点个头，我已经转告了。",
    ask_notice="{name} 想报名「{title}」{party}（{number}号），最近{count}次报了名没来（{which}）。\n"
    "同意请回复 通过 {number}，不同意请回复 驳回 {number} 理由。",
)


def too_often_away(turn: Turn, member_id: int) -> bool:
    """Whether somebody decides first about a sign-up of theirs."""
    most = turn.rules["activities"].absences_max
    return bool(most) and len(_absences(turn, member_id)) >= most


def _absences(turn: Turn, member_id: int) -> list[str]:
    """The activities to which somebody did not come, as they are told: `10月3日 清洁家园`."""
    away = absences_of(
        turn.session,
        community_id=turn.community.id,
        member_id=member_id,
        now=turn.now,
        days=turn.rules["activities"].absences_days,
    )
    return [f"{short_day(one.starts_at)} {one.title}" for one in away]


def asked(turn: Turn, activity: ActivityHere, member: Neighbour, result: SignedUp) -> str:
    """Asks whoever organises it; why, is said to the person alone and to nobody else."""
    away = _absences(turn, member.id)
    fields = {"title": activity.title, "count": len(away), "which": "、".join(away[-NAMED:])}
    notice = say("ask_notice", name=member.name, number=result.number, party=party_of(result.companions), **fields)
    for organiser in organisers_of(turn, activity):
        turn.tell(
            organiser,
            notice,
            key=f"asked:{result.id}:{organiser}",
            ref=activity.ref,
            expires_hours=TOLD_HOURS,
            buttons=(Button("通过", f"通过 {result.number}"),),
        )
    why = say("asked", name=member.name, then=say("asked_then" if turn.reaches else "asked_aloud"), **fields)
    if member.id == turn.who.id and turn.group is None:
        return why
    if has_account(turn.session, community_id=turn.community.id, member_id=member.id):
        turn.tell(member.id, why, key=f"asked:{result.id}:{member.id}", ref=activity.ref, expires_hours=TOLD_HOURS)
    return say("asked_aside", name=name_of(turn, member), title=activity.title)
