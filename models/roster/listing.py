"""The roster as it is handed out: everybody who lives here now, in the order of the houses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.directory import Identity
from models.members import Standing
from models.members.categories import OF_THE_PARTY
from models.roster.importing import read_roster
from models.roster.matching import Holding, Known
from models.roster.tree import Place

PARTY = Standing.PARTY_MEMBER


@dataclass(frozen=True, slots=True)
class Line:
    """One person, in the columns of a list."""

    name: str
    place: Place
    room: str
    phone: str
    standing: Standing
    roles: tuple[Holding, ...]
    accounts: tuple[str, ...]
    basis: str
    born: str
    categories: tuple[str, ...]


def namespaces(session: Session, *, community_id: int) -> list[str]:
    """Whose accounts the people of a community have."""
    return list(
        session.scalars(
            select(Identity.namespace)
            .where(Identity.community_id == community_id)
            .distinct()
            .order_by(Identity.namespace)
        )
    )


def roster_lines(session: Session, *, community_id: int, namespace: str, now: datetime) -> Iterator[Line]:
    """Everybody who lives here, with the accounts of one namespace."""
    snapshot = read_roster(session, community_id=community_id, namespace=namespace, now=now)
    here = [one for one in snapshot.members if not one.moved_out and one.merged_into is None]
    for one in sorted(here, key=_order):
        yield Line(
            one.name,
            one.place,
            one.room,
            one.phone,
            one.standing,
            one.roles,
            tuple(sorted(one.accounts)),
            one.basis,
            one.born,
            tuple(name for name in one.categories if one.standing is PARTY or name not in OF_THE_PARTY),
        )


def _order(one: Known) -> tuple[object, ...]:
    return (_naturally(one.place.building), _naturally(one.place.door), _naturally(one.room), one.id)


def _naturally(text: str) -> tuple[int, str]:
    """3栋 before 12栋, and before what has no number."""
    match = re.match(r"[0-9]{1,9}", text)
    return (int(match[0]) if match else 10**9, text)
