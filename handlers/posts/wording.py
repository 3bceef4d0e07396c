"""Of posts what several answers say: how many slots are free, what there is to do, until when it is held."""

from datetime import datetime

from handlers.chat import Texts, Turn
from handlers.language.slots import Kind, Slot
from models import posts as books
from models.clock import last_day, spoken_date
from models.handover import Offered, offers_to
from models.members import member_by_id
from models.members.merging import one_person
from models.posts import ClaimHere, Claiming, PostHere

say = Texts(
    "posts",
    seats_free="缺{left}人",
    seats_full="已满",
    seats_over="任期已到",
    seats_approval="缺{left}人，要审批",
    demand_light="轻活",
    demand_normal="",
    demand_heavy="体力活",
    duty="要做的：{what}。",
    duty_none="要做什么由负责人安排",
    term="，任期到{day}",
)

POST = Slot("post", Kind.OBJECT, of="post", required=True, ask="是几号岗位？")


def seats(post: PostHere, free: int, now: datetime) -> str:
    if post.is_over(now):
        return say("seats_over")
    if not free:
        return say("seats_full")
    return say("seats_approval" if post.claiming is Claiming.APPROVAL else "seats_free", left=free)


def demand(post: PostHere) -> str:
    """How hard the work is, where that is worth a word."""
    return say(f"demand_{post.demand}")


def shown_name(turn: Turn, member_id: int) -> str:
    return turn.named(member_by_id(turn.session, community_id=turn.community.id, member_id=member_id))


def duty_line(post: PostHere) -> str:
    """What there is to do, how often and where."""
    parts = [post.duty or say("duty_none"), post.frequency, post.place]
    return say("duty", what="；".join(filter(None, parts)))


def asked_of(turn: Turn) -> list[tuple[PostHere, ClaimHere]]:
    return books.asked_of(turn.session, community_id=turn.community.id, member_id=turn.who.id)


def handed_to(turn: Turn) -> list[Offered]:
    """What others would like to hand over to this person: where the bot writes to nobody first, they read it here."""
    me = one_person(turn.session, community_id=turn.community.id, member_id=turn.who.id)
    return offers_to(turn.session, community_id=turn.community.id, taker_ids=me, now=turn.now)


def term(claim: ClaimHere) -> str:
    """`，任期到2026年12月31日`; nothing where no end is planned."""
    return say("term", day=spoken_date(last_day(claim.term_ends_at))) if claim.term_ends_at else ""
