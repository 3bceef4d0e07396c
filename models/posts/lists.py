"""Who stands where with which post, for those who look: holders, the waiting list, one's own, the whole list."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from models.database import Prepared
from models.members.people import Member
from models.posts.claims import COLUMNS, SEATED, Claim, ClaimHere, ClaimState, claim_here
from models.posts.post import PostHere, open_posts, post_by_id


def claims_of(session: Session, *, community_id: int, member_ids: Collection[int]) -> list[tuple[PostHere, ClaimHere]]:
    """The live claims of a person with their posts, what they hold first."""
    rows = session.execute(
        select(*COLUMNS)
        .where(Claim.community_id == community_id, Claim.member_id.in_(member_ids), Claim.ended_at.is_(None))
        .order_by(Claim.id)
    ).all()
    found = [
        (post_by_id(session, community_id=community_id, post_id=one.post_id), one) for one in map(claim_here, rows)
    ]
    return sorted(found, key=lambda pair: (pair[1].state is not ClaimState.HELD, pair[0].number))


def asked_of(session: Session, *, community_id: int, member_id: int) -> list[tuple[PostHere, ClaimHere]]:
    """The questions of others to claim together that wait for this person."""
    rows = session.execute(
        select(*COLUMNS)
        .where(
            Claim.community_id == community_id,
            Claim.partner_id == member_id,
            Claim.state == ClaimState.ASKED,
            Claim.ended_at.is_(None),
        )
        .order_by(Claim.id)
    ).all()
    return _with_posts(session, community_id, rows)


def _with_posts(session: Session, community_id: int, rows: Sequence[Any]) -> list[tuple[PostHere, ClaimHere]]:
    return [(post_by_id(session, community_id=community_id, post_id=one.post_id), one) for one in map(claim_here, rows)]


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds a post."""

    claim_id: int
    member_id: int
    name: str
    hides_name: bool
    since: datetime
    term_ends_at: datetime | None
    partner_id: int | None


def holders_of(session: Session, post: PostHere) -> list[Holder]:
    """Who holds a post, longest first."""
    rows: Sequence[Any] = session.execute(
        select(
            Claim.id, Claim.member_id, Member.name, Member.hides_name, Claim.since, Claim.term_ends_at, Claim.partner_id
        )
        .join(Member, Claim.member_id == Member.id)
        .where(
            Claim.community_id == post.community_id,
            Claim.post_id == post.id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.HELD,
        )
        .order_by(Claim.since, Claim.id)
    ).all()
    return [Holder(*row) for row in rows]


def live_claims(session: Session, post: PostHere) -> list[ClaimHere]:
    """Every live claim on a post, in order."""
    return [
        claim_here(row)
        for row in session.execute(
            select(*COLUMNS)
            .where(Claim.community_id == post.community_id, Claim.post_id == post.id, Claim.ended_at.is_(None))
            .order_by(Claim.id)
        )
    ]


@dataclass(frozen=True, slots=True)
class Listed:
    """A post in a list: its free slots, who waits, and how the asker stands with it."""

    post: PostHere
    free: int
    mine: ClaimState | None


def list_posts(session: Session, *, community_id: int, now: datetime, member_id: int | None = None) -> list[Listed]:
    """Every post on the list: those with a free slot first, then by number. One that is over has none."""
    rows = session.execute(
        select(Claim.post_id, Claim.member_id, Claim.state).where(
            Claim.community_id == community_id, Claim.ended_at.is_(None)
        )
    ).all()
    taken = Counter(row.post_id for row in rows if row.state in SEATED)
    mine = {row.post_id: ClaimState(row.state) for row in rows if row.member_id == member_id}
    listed = [
        Listed(post, 0 if post.is_over(now) else max(0, post.slots - taken[post.id]), mine.get(post.id))
        for post in open_posts(session, community_id=community_id)
    ]
    return sorted(listed, key=lambda one: (not one.free, one.post.number))


_ASKED = Prepared(
    select(*COLUMNS)
    .where(
        Claim.community_id == bindparam("community"),
        Claim.post_id == bindparam("post"),
        Claim.partner_id == bindparam("member"),
        Claim.state == ClaimState.ASKED,
        Claim.ended_at.is_(None),
    )
    .order_by(Claim.id)
    .limit(1)
)


def asked_by(session: Session, post: PostHere, member_id: int) -> ClaimHere | None:
    row = _ASKED.first(session, community=post.community_id, post=post.id, member=member_id)
    return claim_here(row) if row else None


_AHEAD = Prepared(
    select(func.count()).where(
        Claim.community_id == bindparam("community"),
        Claim.post_id == bindparam("post"),
        Claim.ended_at.is_(None),
        Claim.state == ClaimState.WAITING,
        Claim.id <= bindparam("claim"),
    )
)


def place_of(session: Session, post: PostHere, claim_id: int) -> int:
    return int(_AHEAD.scalar(session, community=post.community_id, post=post.id, claim=claim_id))
