"""内部说明: what only those read who hold a post, and those in charge of it. Whoever looks is written down."""

from handlers.chat import Answer, Router, Texts, Turn
from handlers.posts.wording import POST
from models import posts as books
from models.posts import ClaimState, PostHere
from models.privacy import Private, looked

say = Texts(
    "posts",
    details="{number}号「{title}」内部说明（只给在岗的人看）：\n{text}",
    details_sent="内部说明已私信您。",
    details_ask="内部说明请私聊我发 岗位细节 {number}。",
    details_here="\n内部说明：{text}",
    details_none="「{title}」没有内部说明。",
    details_kept="「{title}」的内部说明只给在岗的人和负责人看。",
)

router = Router("posts")


@router.command(
    "post_details",
    *("岗位细节", "内部说明", "岗位说明", "门禁码", "门禁密码"),
    slots=(POST,),
    direct=True,
    writes=True,
    overheard=False,
    usage="岗位细节 3",
    gist="在岗的人才能看的：门禁码、钥匙在哪",
)
def post_details(turn: Turn) -> Answer:
    post = books.find_post(turn.session, community_id=turn.community.id, number=turn.slots["post"])
    live = books.find_claim(turn.session, post=post, member_id=turn.who.id)
    held = live is not None and live.state is ClaimState.HELD
    if not held and not books.in_charge(turn.session, post=post, person=turn.who, now=turn.now):
        return say("details_kept", title=post.title)
    text = books.details_of(turn.session, post)
    if not text:
        return say("details_none", title=post.title)
    write_down(turn, post)
    return say("details", number=post.number, title=post.title, text=text)


def hand_details(turn: Turn, post: PostHere, member_id: int) -> str:
    """The private details to a new holder: here where nobody else reads, else in a message of their own."""
    text = books.details_of(turn.session, post)
    if not text:
        return ""
    if turn.group is not None and not turn.reaches:
        return "\n" + say("details_ask", number=post.number)
    write_down(turn, post)
    if turn.group is None:
        return say("details_here", text=text)
    send_details(turn, post, member_id, text)
    return "\n" + say("details_sent")


def send_details(turn: Turn, post: PostHere, member_id: int, text: str) -> None:
    turn.tell(
        member_id,
        say("details", number=post.number, title=post.title, text=text),
        key=f"post-details:{post.id}:{member_id}:{turn.incoming.message_id[-60:]}",
        ref=post.ref,
    )


def write_down(turn: Turn, post: PostHere) -> None:
    looked(
        turn.session,
        community_id=turn.community.id,
        viewer_id=turn.who.id,
        what=[Private.DETAILS],
        now=turn.now,
        posts=[post.number],
        group_id=turn.group.id if turn.group else None,
        channel=turn.incoming.channel,
        message_id=turn.incoming.message_id,
    )
