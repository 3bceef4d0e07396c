"""Others hear of a sign-up: whose it is, and who moves up."""

from handlers.chat import Texts, Turn
from handlers.shared.places import tell_promoted
from handlers.signing.wording import TOLD_HOURS, button, where
from models import activities as books
from models.activities import ActivityHere
from models.proxies import has_account

say = Texts(
    "signing",
    told_signup="{name} 替您报名了「{title}」{party}，{when}，{place}。\n去不了请回复 取消报名 {number}。",
    told_waiting="{name} 替您报名了「{title}」{party}，名额满了，排在候补第{queue}位。\n"
    "不想去请回复 取消报名 {number}。",
    told_changed="{name} 把您「{title}」的报名改成了{count}人。\n去不了请回复 取消报名 {number}。",
    told_cancelled="{name} 替您取消了「{title}」的报名。\n还想去请回复 报名 {number}。",
    told_undone="{name} 刚才替您办的「{title}」报名撤回了，不算。",
)

OFFERED = {
    "told_signup": "取消报名",
    "told_waiting": "取消报名",
    "told_changed": "取消报名",
    "told_cancelled": "报名",
    "told_undone": "",
}
"""The word that each of these sentences offers."""


def tell(turn: Turn, member_id: int, what: str, activity: ActivityHere, *, key: str, **fields: object) -> None:
    """Tells somebody what happened to their sign-up, with a button for the word that the sentence offers."""
    if not has_account(turn.session, community_id=turn.community.id, member_id=member_id):
        return
    word = OFFERED[what]
    turn.tell(
        member_id,
        say(what, **where(activity) | fields),
        key=key,
        ref=activity.ref,
        expires_hours=TOLD_HOURS,
        buttons=button(word, activity) if word else (),
    )


def move_up(turn: Turn, activity: ActivityHere, promoted: tuple[books.Promoted, ...]) -> None:
    """Tells whoever waited and has a place now, or is asked for it."""
    for moved in promoted:
        tell_promoted(turn, activity, moved)
