"""The tree of a community: who belongs under whom, and how far a role reaches.

党总支 → 楼栋党支部 → 门栋党小组 → 党员中心户, and beside it 网格, 楼栋, 门栋, 服务队, 理事会, 物业, 业委会.
A role holds for a unit and all below it. A unit is never deleted: it is closed, and how it was called and under whom it
stood before is kept, for those who ask who led the third branch last year.

- Every unit but the community's root has a parent in the same community, of a kind that may have such units below it.
- `path` lists the ids from the root to the unit (`/1/5/9/`), so that "at or below" is one prefix.
- A name is unique within its parent while the unit is open.
- What stands below a closed unit is closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, and_, insert, not_, or_, select, text, update
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


PARENTS: Mapping[UnitKind, tuple[UnitKind, ...]] = {
    UnitKind.COMMUNITY: (),
    UnitKind.PARTY_COMMITTEE: (UnitKind.COMMUNITY,),
    UnitKind.BUILDING_BRANCH: (UnitKind.PARTY_COMMITTEE, UnitKind.COMMUNITY),
    UnitKind.DOOR_GROUP: (UnitKind.BUILDING_BRANCH, UnitKind.PARTY_COMMITTEE),
    UnitKind.HOST_HOUSEHOLD: (UnitKind.DOOR_GROUP, UnitKind.BUILDING_BRANCH),
    UnitKind.GRID: (UnitKind.COMMUNITY,),
    UnitKind.BUILDING: (UnitKind.COMMUNITY, UnitKind.GRID),
    UnitKind.DOOR: (UnitKind.BUILDING,),
    UnitKind.SERVICE_TEAM: (UnitKind.COMMUNITY, UnitKind.PARTY_COMMITTEE, UnitKind.BUILDING_BRANCH),
    UnitKind.COUNCIL: (UnitKind.COMMUNITY, UnitKind.BUILDING),
    UnitKind.PROPERTY_FIRM: (UnitKind.COMMUNITY,),
    UnitKind.OWNERS_COMMITTEE: (UnitKind.COMMUNITY,),
}
"""Under which kinds a unit may stand, the usual one first. No kind stands under itself, so the tree has no rings."""

HOMES = frozenset((UnitKind.COMMUNITY, UnitKind.BUILDING, UnitKind.DOOR, UnitKind.GRID))
"""Where people live: one belongs there by one's home, and joins nothing."""
PARTY = frozenset((UnitKind.PARTY_COMMITTEE, UnitKind.BUILDING_BRANCH, UnitKind.DOOR_GROUP, UnitKind.HOST_HOUSEHOLD))
"""The party's own: three levels of organisation and the households beneath."""

WORDS: Mapping[UnitKind, tuple[str, ...]] = {
    UnitKind.COMMUNITY: ("社区",),
    UnitKind.PARTY_COMMITTEE: ("总支", "党总支", "社区党总支", "大党委", "党委"),
    UnitKind.BUILDING_BRANCH: ("支部", "党支部", "楼栋党支部", "楼栋支部"),
    UnitKind.DOOR_GROUP: ("小组", "党小组", "门栋党小组"),
    UnitKind.HOST_HOUSEHOLD: ("中心户", "党员中心户"),
    UnitKind.GRID: ("网格",),
    UnitKind.BUILDING: ("楼栋",),
    UnitKind.DOOR: ("单元", "门栋"),
    UnitKind.SERVICE_TEAM: ("服务队", "志愿服务队"),
    UnitKind.COUNCIL: ("理事会", "邻里理事会", "议事会"),
    UnitKind.PROPERTY_FIRM: ("物业", "物业公司"),
    UnitKind.OWNERS_COMMITTEE: ("业委会", "业主委员会"),
}
"""What people call each kind. Where a community has one of a kind, the word alone names it."""

NAMELESS = frozenset((UnitKind.DOOR_GROUP, UnitKind.HOST_HOUSEHOLD))
"""Their words alone name none of them: 小组 begins 小组长."""

LEADERS: Mapping[UnitKind, str] = {
    UnitKind.COMMUNITY: "社区书记",
    UnitKind.PARTY_COMMITTEE: "总支书记",
    UnitKind.BUILDING_BRANCH: "支部书记",
    UnitKind.DOOR_GROUP: "党小组长",
    UnitKind.HOST_HOUSEHOLD: "中心户长",
    UnitKind.GRID: "网格员",
    UnitKind.BUILDING: "楼长",
    UnitKind.DOOR: "门栋长",
    UnitKind.SERVICE_TEAM: "队长",
    UnitKind.COUNCIL: "理事长",
    UnitKind.PROPERTY_FIRM: "物业经理",
    UnitKind.OWNERS_COMMITTEE: "业委会主任",
}
"""What the one who leads such a unit is called."""


class Unit(Base):
    __tablename__ = "units"
    __table_args__ = (
        Index(
            "uq_units_name",
            "community_id",
            "parent_id",
            "name",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
        Index("ix_units_path", "community_id", "path"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    kind: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(80))
    path: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """When it was closed; its first moment where it was opened by mistake and that was taken back."""


class UnitPast(Base):
    """How a unit was called and under whom it stood, before it was renamed or moved."""

    __tablename__ = "unit_pasts"
    __table_args__ = (Index("ix_unit_pasts_unit", "community_id", "unit_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    name: Mapped[str] = mapped_column(String(80))
    since: Mapped[datetime]
    until: Mapped[datetime]


WHOLE = ("社区", "全社区", "全体")
"""What people call the community itself, whatever its name."""


class NoSuchUnit(Refusal):
    """No unit of this name here. Fields: name, known (names of buildings that exist)."""


class UnitClosed(Refusal):
    """The unit is closed already. Fields: name."""


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


def parent_of(session: Session, *, community_id: int, unit: UnitHere) -> UnitHere | None:
    """The unit above; None for the community itself."""
    ids = [int(part) for part in unit.path.strip("/").split("/")]
    return unit_by_id(session, community_id=community_id, unit_id=ids[-2]) if len(ids) > 1 else None


def unit_open(session: Session, *, community_id: int, unit_id: int) -> bool:
    """Whether a unit has not been closed."""
    return (
        session.scalar(
            select(Unit.id).where(Unit.community_id == community_id, Unit.id == unit_id, Unit.until.is_(None))
        )
        is not None
    )


def find_unit(session: Session, *, community_id: int, name: str) -> UnitHere:
    """The open unit that people call `name`: `3栋`, `3栋2单元` (a door below a building), `第一党支部`, `全社区`.

    `党总支` is the only one of its kind, however it is called in full. Raises NoSuchUnit, with the names of the
    buildings that there are.
    """
    if name in WHOLE:
        return root_of(session, community_id)
    named = select(*COLUMNS).where(Unit.community_id == community_id, Unit.until.is_(None))
    row = session.execute(named.where(Unit.name == name).order_by(Unit.id)).first()
    if row is None and "栋" in name:
        building, _, door = name.partition("栋")
        above = aliased(Unit)
        row = session.execute(
            named.join(above, Unit.parent_id == above.id).where(above.name == building + "栋", Unit.name == door)
        ).first()
    if row is None and (kind := KIND_OF.get(name)) is not None:
        rows = session.execute(named.where(Unit.kind == kind).limit(2)).all()
        row = rows[0] if len(rows) == 1 else None
    if row is None:
        known = session.scalars(
            select(Unit.name)
            .where(Unit.community_id == community_id, Unit.kind == UnitKind.BUILDING, Unit.until.is_(None))
            .order_by(Unit.id)
        ).all()
        raise NoSuchUnit(name=name, known=list(known))
    return UnitHere(row.id, UnitKind(row.kind), row.name, row.path)


KIND_OF: Mapping[str, UnitKind] = {word: kind for kind, words in WORDS.items() for word in words}


def find_unit_ever(session: Session, *, community_id: int, name: str) -> UnitHere:
    """Like `find_unit`, and also one that is closed or was called so once, the newest first. Raises NoSuchUnit."""
    try:
        return find_unit(session, community_id=community_id, name=name)
    except NoSuchUnit:
        closed = select(Unit.id, Unit.since).where(
            Unit.community_id == community_id, Unit.name == name, Unit.until > Unit.since
        )
        past = select(UnitPast.unit_id, UnitPast.since).where(
            UnitPast.community_id == community_id, UnitPast.name == name
        )
        found = session.execute(closed.union_all(past)).all()
        if not found:
            raise
        newest = max(found, key=lambda row: (row.since, row.id))
        return unit_by_id(session, community_id=community_id, unit_id=newest.id)


def _spoken(kind: str, name: str, parent: str | None) -> str:
    return f"{parent}{name}" if kind == UnitKind.DOOR else name


_above = aliased(Unit)


def called(session: Session, *, community_id: int, unit_id: int) -> str:
    """What people call a unit: a door with its building (`3栋2单元`), everything else by its name."""
    row = session.execute(
        select(Unit.name, Unit.kind, _above.name.label("parent"))
        .join(_above, Unit.parent_id == _above.id, isouter=True)
        .where(Unit.community_id == community_id, Unit.id == unit_id)
    ).one()
    return _spoken(row.kind, row.name, row.parent)


def names_of_units(session: Session, community_id: int) -> list[str]:
    """What people can say for the open units: plain names, doors with their building, the word of a kind's only one."""
    rows = session.execute(
        select(Unit.name, Unit.kind, _above.name.label("parent"))
        .join(_above, Unit.parent_id == _above.id, isouter=True)
        .where(Unit.community_id == community_id, Unit.until.is_(None))
    ).all()
    names = [_spoken(row.kind, row.name, row.parent) for row in rows]
    kinds = [row.kind for row in rows]
    alone = {kind for kind in set(kinds) - HOMES - NAMELESS if kinds.count(kind) == 1}
    return names + sorted({word for kind in alone for word in WORDS[UnitKind(kind)]} - set(names))


_parent = aliased(Unit)
_child = aliased(Unit)

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
    Invariant(
        "units.parent",
        select(Unit.id)
        .join(_parent, Unit.parent_id == _parent.id, isouter=True)
        .where(
            not_(
                or_(
                    and_(Unit.kind == UnitKind.COMMUNITY, Unit.parent_id.is_(None)),
                    *(
                        and_(Unit.kind == kind, _parent.kind.in_(parents))
                        for kind, parents in PARENTS.items()
                        if parents
                    ),
                )
            )
        ),
    ),
    Invariant(
        "units.closed",
        select(Unit.id)
        .join(_child, _child.parent_id == Unit.id)
        .where(Unit.until.is_not(None), or_(_child.until.is_(None), _child.until > Unit.until)),
    ),
    Invariant("units.span", select(Unit.id).where(Unit.until < Unit.since)),
    Invariant("unit_pasts.span", select(UnitPast.id).where(UnitPast.until < UnitPast.since)),
)
