"""The tree of a community: who belongs under whom, and how far a role reaches.

党总支 → 楼栋党支部 → 门栋党小组 → 党员中心户, and beside it 网格, 楼栋, 门栋, 服务队, 理事会, 物业, 业委会.
A role holds for a unit and all below it.

- Every unit but the community's root has a parent in the same community.
- `path` lists the ids from the root to the unit (`/1/5/9/`), so that "at or below" is one prefix.
- A name is unique within its parent while the unit is open.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, insert, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal


class UnitKind(StrEnum):
    """What a unit is. The value is stored; the names of the glossary are the handlers' business."""

    COMMUNITY = "community"
    """社区: the root of the tree."""
    PARTY_COMMITTEE = "party_committee"
    """党总支 / 大党委."""
    BUILDING_BRANCH = "building_branch"
    """楼栋党支部."""
    DOOR_GROUP = "door_group"
    """门栋党小组."""
    HOST_HOUSEHOLD = "host_household"
    """党员中心户."""
    GRID = "grid"
    """网格."""
    BUILDING = "building"
    """楼栋."""
    DOOR = "door"
    """门栋: one entrance of a building."""
    SERVICE_TEAM = "service_team"
    """服务队."""
    COUNCIL = "council"
    """邻里理事会."""
    PROPERTY_FIRM = "property_firm"
    """物业."""
    OWNERS_COMMITTEE = "owners_committee"
    """业委会."""


HOMES = frozenset((UnitKind.COMMUNITY, UnitKind.BUILDING, UnitKind.DOOR, UnitKind.GRID))
"""Where people live: one belongs there by one's home, and joins nothing."""


class Unit(Base):
    __tablename__ = "units"
    __table_args__ = (
        UniqueConstraint("community_id", "parent_id", "name", name="uq_units_name"),
        Index("ix_units_path", "community_id", "path"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    kind: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(80))
    path: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime]


class NoSuchUnit(Refusal):
    """No unit of this name here. Fields: name, known (names of buildings that exist)."""


@dataclass(frozen=True, slots=True)
class UnitHere:
    """A unit as the rules need it."""

    id: int
    kind: UnitKind
    name: str
    path: str


def covers(scope_path: str, path: str) -> bool:
    """Whether a role held at `scope_path` reaches `path`."""
    return path.startswith(scope_path)


INSERT = insert(Unit).returning(Unit.id)


def add_unit(
    session: Session, *, community_id: int, parent: UnitHere | None, kind: UnitKind, name: str, now: datetime
) -> UnitHere:
    """Adds a unit below `parent`, or the community's root where there is none."""
    unit_id = session.execute(
        INSERT,
        {
            "community_id": community_id,
            "parent_id": parent.id if parent else None,
            "kind": kind,
            "name": name,
            "path": "",
            "since": now,
        },
    ).scalar_one()
    path = f"{parent.path if parent else '/'}{unit_id}/"
    session.execute(update(Unit).where(Unit.community_id == community_id, Unit.id == unit_id).values(path=path))
    return UnitHere(unit_id, kind, name, path)


COLUMNS = (Unit.id, Unit.kind, Unit.name, Unit.path)


def root_of(session: Session, community_id: int) -> UnitHere:
    """The community itself as a unit."""
    row = session.execute(select(*COLUMNS).where(Unit.community_id == community_id, Unit.parent_id.is_(None))).one()
    return UnitHere(row.id, UnitKind(row.kind), row.name, row.path)


def unit_by_id(session: Session, *, community_id: int, unit_id: int) -> UnitHere:
    """The unit with this id; raises NoSuchUnit where it is not of this community."""
    row = session.execute(select(*COLUMNS).where(Unit.community_id == community_id, Unit.id == unit_id)).one_or_none()
    if row is None:
        raise NoSuchUnit(name=str(unit_id), known=[])
    return UnitHere(row.id, UnitKind(row.kind), row.name, row.path)


def find_unit(session: Session, *, community_id: int, name: str) -> UnitHere:
    """The unit that people call `name`: `3栋`, `3栋2单元` (a door below a building), `第一党支部`, `全社区`.

    Raises NoSuchUnit, with the names of the buildings that there are.
    """
    if name in ("全社区", "社区", "全体"):
        return root_of(session, community_id)
    named = select(*COLUMNS).where(Unit.community_id == community_id)
    row = session.execute(named.where(Unit.name == name).order_by(Unit.id)).first()
    if row is None and "栋" in name:
        building, _, door = name.partition("栋")
        above = aliased(Unit)
        row = session.execute(
            named.join(above, Unit.parent_id == above.id).where(above.name == building + "栋", Unit.name == door)
        ).first()
    if row is None:
        known = session.scalars(
            select(Unit.name).where(Unit.community_id == community_id, Unit.kind == UnitKind.BUILDING).order_by(Unit.id)
        ).all()
        raise NoSuchUnit(name=name, known=list(known))
    return UnitHere(row.id, UnitKind(row.kind), row.name, row.path)


def called(session: Session, *, community_id: int, unit_id: int) -> str:
    """What people call a unit: a door with its building (`3栋2单元`), everything else by its name."""
    above = aliased(Unit)
    row = session.execute(
        select(Unit.name, Unit.kind, above.name.label("parent"))
        .join(above, Unit.parent_id == above.id, isouter=True)
        .where(Unit.community_id == community_id, Unit.id == unit_id)
    ).one()
    return f"{row.parent}{row.name}" if row.kind == UnitKind.DOOR else str(row.name)


def names_of_units(session: Session, community_id: int) -> list[str]:
    """What people can say for the units: plain names, and doors with their building (`3栋2单元`)."""
    above = aliased(Unit)
    rows = session.execute(
        select(Unit.name, Unit.kind, above.name.label("parent"))
        .join(above, Unit.parent_id == above.id, isouter=True)
        .where(Unit.community_id == community_id)
    )
    return [f"{row.parent}{row.name}" if row.kind == UnitKind.DOOR else row.name for row in rows]


_parent = aliased(Unit)

INVARIANTS = (
    Invariant(
        "units.path",
        select(Unit.id)
        .join(_parent, Unit.parent_id == _parent.id, isouter=True)
        .where(
            (Unit.parent_id.is_(None) & (Unit.path != "/" + Unit.id.cast(String) + "/"))
            | (Unit.parent_id.is_not(None) & (Unit.path != _parent.path + Unit.id.cast(String) + "/"))
        ),
    ),
)
