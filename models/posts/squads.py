"""服务队: a squad gathers those who hold its posts.

Whoever comes to hold a post of a squad belongs to the squad for as long as they hold one of its posts; who joined by
another way stays whatever becomes of the post.
"""

from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from models.base import Refusal
from models.database import Prepared
from models.organisation import UnitMember
from models.posts.post import PostHere
from models.units import Unit, UnitHere, UnitKind, unit_open


class NoSuchSquad(Refusal):
    """No open squad of this name here; perhaps another unit bears it. Fields: name."""


def find_squad(session: Session, *, community_id: int, name: str) -> UnitHere:
    """The open squad that people call so, also by a part of its name. Raises NoSuchSquad."""
    every = squads_of(session, community_id=community_id)
    found = [one for one in every if one.name == name] or [one for one in every if name in one.name]
    if not found:
        raise NoSuchSquad(name=name[:20])
    return found[0]


_BELONGS = Prepared(
    select(UnitMember.id).where(
        UnitMember.community_id == bindparam("community"),
        UnitMember.unit_id == bindparam("unit"),
        UnitMember.member_id == bindparam("member"),
        UnitMember.until.is_(None),
    )
)


def join_squad(session: Session, *, post: PostHere, member_id: int, now: datetime) -> int | None:
    """Lets a holder belong to the post's squad; returns the membership that this made, if it made one."""
    if post.squad_id is None or not unit_open(session, community_id=post.community_id, unit_id=post.squad_id):
        return None
    if _BELONGS.first(session, community=post.community_id, unit=post.squad_id, member=member_id) is not None:
        return None
    made: int = session.execute(
        insert(UnitMember).returning(UnitMember.id),
        {
            "community_id": post.community_id,
            "unit_id": post.squad_id,
            "member_id": member_id,
            "since": now,
            "until": None,
            "added_by": None,
        },
    ).scalar_one()
    return made


def leave_squad(session: Session, *, community_id: int, unit_member_id: int | None, now: datetime) -> None:
    """Ends the membership that holding a post brought about."""
    if unit_member_id is None:
        return
    session.execute(
        update(UnitMember)
        .where(UnitMember.community_id == community_id, UnitMember.id == unit_member_id, UnitMember.until.is_(None))
        .values(until=now)
    )


def squads_of(session: Session, *, community_id: int) -> list[UnitHere]:
    """The open squads of a community, oldest first."""
    rows = session.execute(
        select(Unit.id, Unit.name, Unit.path)
        .where(Unit.community_id == community_id, Unit.kind == UnitKind.SERVICE_TEAM, Unit.until.is_(None))
        .order_by(Unit.id)
    )
    return [UnitHere(row.id, UnitKind.SERVICE_TEAM, row.name, row.path) for row in rows]
