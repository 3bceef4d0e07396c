"""On the first of the month at 9:00 whoever is in charge of posts hears what was done for them last month.

One message each: a post's leader of the posts that are theirs, the community's secretaries of all posts. Where nobody
holds a post and nothing was done, nothing is said.
"""

from datetime import timedelta

from handlers.duties import summary
from jobs.tick import Job, Tick
from models import outbox
from models.clock import day_of
from models.duties import tallies
from models.members import Role, roles_held
from models.points import months_of
from models.posts import PostHere, open_posts, who_decides
from models.tenure import held
from models.units import root_of

PERIOD = "上月"


def sum_up(tick: Tick) -> bool:
    here = tick.community.id
    if not held(tick.session, community_id=here):
        return False
    posts = open_posts(tick.session, community_id=here)
    root = root_of(tick.session, here)
    terms = roles_held(tick.session, community_id=here, now=tick.at, unit_id=root.id)
    theirs: dict[int, list[PostHere]] = {term.member_id: posts for term in terms if term.role is Role.SECRETARY}
    secretaries = set(theirs)
    for post in posts:
        decides = who_decides(tick.session, post=post, now=tick.at)
        if decides is not None and decides.id not in secretaries:
            theirs.setdefault(decides.id, []).append(post)
    for member_id, some in theirs.items():
        outbox.put(
            tick.session,
            community_id=here,
            key=f"duties:{day_of(tick.at):%Y%m}:{member_id}",
            message=summary(tallies(tick.session, posts=some, months=months_of(PERIOD, tick.at)), PERIOD),
            now=tick.at,
            expires_at=tick.at + timedelta(days=7),
            member_id=member_id,
        )
    return False


SUM_UP = Job("duties.sum_up", sum_up, cron="0 9 1 * *")
