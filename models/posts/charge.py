"""Who is in charge of a post: its leader, the leader of its squad, and whoever leads its unit or stands above it."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.base import Refusal
from models.members.people import Member, Neighbour, Person, Role, member_by_id, present
from models.members.roles import leader_of
from models.organisation import in_charge_of
from models.posts.post import Post, PostHere, PostState
from models.units import parent_of, unit_by_id


class NotInCharge(Refusal):
    """Somebody else is in charge of the post. Fields: number, title."""


def in_charge(session: Session, *, post: PostHere, person: Person, now: datetime) -> bool:
    """Whether this person decides about the post."""
    if person.id == post.leader_id:
        return True
    unit = unit_by_id(session, community_id=post.community_id, unit_id=post.unit_id)
    if person.may(Role.BUILDING_LEAD, unit.path):
        return True
    if post.squad_id is None:
        return False
    squad = unit_by_id(session, community_id=post.community_id, unit_id=post.squad_id)
    leader = leader_of(session, community_id=post.community_id, unit=squad, now=now)
    return leader is not None and leader.member_id == person.id


def leads_posts(session: Session, person: Person) -> bool:
    """Whether this person leads a post by name."""
    found = session.scalar(
        select(Post.id)
        .where(Post.community_id == person.community.id, Post.leader_id == person.id, Post.state == PostState.OPEN)
        .limit(1)
    )
    return found is not None


def require_charge(session: Session, *, post: PostHere, person: Person, now: datetime) -> None:
    """Raises NotInCharge."""
    if not in_charge(session, post=post, person=person, now=now):
        raise NotInCharge(number=post.number, title=post.title)


def who_decides(session: Session, *, post: PostHere, now: datetime, without: Collection[int] = ()) -> Neighbour | None:
    """The one person who hears of claims on a post and answers for it: never one of those `without`.

    The post's leader, where there is one who lives here; else whoever answers for its squad, its unit, or for what
    stands above.
    """
    if post.leader_id is not None and post.leader_id not in without:
        row = session.execute(present(post.community_id).where(Member.id == post.leader_id)).one_or_none()
        if row is not None:
            return Neighbour(*row)
    for unit_id in (post.squad_id, post.unit_id):
        if unit_id is None:
            continue
        at = unit_by_id(session, community_id=post.community_id, unit_id=unit_id)
        while at is not None:
            term = in_charge_of(session, community_id=post.community_id, unit=at, now=now)
            if term is None:
                break
            if term.member_id not in without:
                return member_by_id(session, community_id=post.community_id, member_id=term.member_id)
            above = parent_of(session, community_id=post.community_id, unit=term.unit)
            if above is None:
                break
            at = above
    return None
