"""What a member may do, for a unit and all below it."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import (
    func,
    insert,
    or_,
)
from sqlalchemy.orm import Session, aliased

from models.base import Refusal
from models.members.people import Member, MemberRole, Neighbour, Person, Role, present
from models.units import Unit, UnitHere


class BeyondReach(Refusal):
    """The role does not hold for the unit that the command is about."""


class AboveOneself(Refusal):
    """A role above the giver's own, or beyond their scope. Fields: role."""


def require(person: Person, role: Role, path: str) -> None:
    """Raises BeyondReach unless this person holds `role` for the unit at `path`."""
    if not person.may(role, path):
        raise BeyondReach


def give_role(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    role: Role,
    unit: UnitHere,
    now: datetime,
    by: Person | None,
    until: datetime | None = None,
) -> int:
    """Gives a role for a unit; `by` None is the operator at the machine. Raises AboveOneself."""
    if by is not None and not by.may(role, unit.path):
        raise AboveOneself(role=role)
    made: int = session.execute(
        insert(MemberRole).returning(MemberRole.id),
        {
            "community_id": community_id,
            "member_id": member_id,
            "unit_id": unit.id,
            "role": role,
            "since": now,
            "until": until,
            "given_by": by.id if by else None,
        },
    ).scalar_one()
    return made


def people_in_scope(
    session: Session, *, community_id: int, path: str, role: Role, now: datetime, without: Collection[int] = ()
) -> list[Neighbour]:
    """Who holds `role` or a higher one for the unit at `path`: those nearest to it, and only they.

    `without` are member ids that do not count: where the nearest is one of them, the next above are asked.
    """
    reach = aliased(Unit)
    ranks = [candidate for candidate in Role if candidate.rank >= role.rank and candidate is not Role.ADMIN]
    rows = session.execute(
        present(community_id)
        .add_columns(reach.path.label("reach"))
        .join(MemberRole, MemberRole.member_id == Member.id)
        .join(reach, MemberRole.unit_id == reach.id)
        .where(
            MemberRole.role.in_(ranks),
            MemberRole.since <= now,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
            func.substr(path, 1, func.length(reach.path)) == reach.path,
            Member.id.not_in(list(without)),
        )
        .order_by(func.length(reach.path).desc(), Member.id)
    ).all()
    nearest = [row for row in rows if row.reach == rows[0].reach]
    return list(dict.fromkeys(Neighbour(*row[:5]) for row in nearest))
