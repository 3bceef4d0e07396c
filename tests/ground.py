"""Two small communities to try rules on, without a demo's bustle: 锦绣社区 is ours, 滨河社区 must never be seen.

They share no person and no unit, but their units have the same names, and 王五 of the other one is a secretary there.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert, select, text
from sqlalchemy.orm import Session

from models.activities import ActivityHere, publish_activity
from models.base import Base
from models.directory import Community, CommunityHere, add_community
from models.members import (
    Person,
    Role,
    Settings,
    Standing,
    add_identity,
    add_member,
    answer_statement,
    find_people,
    give_role,
)
from models.points import Rule, set_rule
from models.units import UnitHere, UnitKind, add_unit
from tests.moments import SATURDAY, TUESDAY_EVENING

NAMESPACE = "simulator"
FOUNDED = TUESDAY_EVENING - timedelta(days=400)

PLAIN = Rule(2, 0, 0, 0, 100, 20, 6, 100)
"""Two points for coming and nothing else."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a test needs to know of the two communities."""

    community: CommunityHere
    elsewhere: CommunityHere
    units: dict[str, UnitHere]
    """Ours by their names (`3栋2单元` with the building's), the others' with `滨河` before it."""
    people: dict[str, int]

    @property
    def root(self) -> UnitHere:
        return self.units["社区"]


PEOPLE = (
    ("张敏", "3栋1单元", Role.SECRETARY, "社区"),
    ("孙丽", "5栋1单元", Role.STAFF, "社区"),
    ("老赵", "3栋1单元", Role.BUILDING_LEAD, "3栋"),
    ("老魏", "5栋1单元", Role.BUILDING_LEAD, "5栋"),
    ("刘洋", "3栋1单元", Role.PROPERTY, "物业"),
    ("王秀英", "3栋2单元", None, ""),
    ("李建国", "3栋1单元", Role.MEMBER, "社区"),
    ("陈美玲", "3栋2单元", None, ""),
    ("孙姐", "5栋1单元", None, ""),
    ("何叔", "5栋1单元", None, ""),
)
"""Name, home, and a role with its scope."""


_LAID: list[tuple[Ground, list[tuple[Table, list[dict[str, Any]]]]]] = []
"""What `_build` made in the first database of this run, to be written down again in the others."""


def lay(session: Session) -> Ground:
    """Puts both communities into an empty, migrated database: built once, then copied, as every test wants them."""
    if session.execute(select(Community.id).limit(1)).first() is not None:
        return _build(session)
    if not _LAID:
        ground = _build(session)
        tables = [(table, session.execute(select(table)).mappings().all()) for table in Base.metadata.sorted_tables]
        _LAID.append((ground, [(table, [dict(row) for row in rows]) for table, rows in tables if rows]))
        return _own(ground)
    ground, laid = _LAID[0]
    for table, rows in laid:
        session.execute(insert(table), rows)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT " + ", ".join(_after(table, rows) for table, rows in laid if "id" in table.c)))
    return _own(ground)


def _own(ground: Ground) -> Ground:
    """A test may add people and units of its own: nobody else finds them."""
    return replace(ground, units=dict(ground.units), people=dict(ground.people))


def _after(table: Table, rows: list[dict[str, Any]]) -> str:
    return f"setval(pg_get_serial_sequence('{table.name}', 'id'), {max(row['id'] for row in rows)})"


def _build(session: Session) -> Ground:
    ours = add_community(session, slug="jinxiu", name="锦绣社区", bot_name="小邻", now=FOUNDED)
    others = add_community(session, slug="binhe", name="滨河社区", bot_name="小河", now=FOUNDED)
    units: dict[str, UnitHere] = {}
    for community, prefix in ((ours, ""), (others, "滨河")):

        def unit(parent: UnitHere | None, kind: UnitKind, name: str, of: int = community.id) -> UnitHere:
            return add_unit(session, community_id=of, parent=parent, kind=kind, name=name, now=FOUNDED)

        root = units[f"{prefix}社区"] = unit(None, UnitKind.COMMUNITY, community.name)
        for building in ("3栋", "5栋"):
            above = units[prefix + building] = unit(root, UnitKind.BUILDING, building)
            for door in ("1单元", "2单元"):
                units[prefix + building + door] = unit(above, UnitKind.DOOR, door)
        units[f"{prefix}物业"] = unit(root, UnitKind.PROPERTY_FIRM, "物业")
    people: dict[str, int] = {}
    for name, home, role, scope in PEOPLE:
        people[name] = add_person(session, ours.id, name, units[home])
        if role is not None:
            give(session, ours.id, people[name], role, units[scope])
    # 王五 is the secretary of another community and must never see ours.
    people["王五"] = add_person(session, others.id, "王五", units["滨河3栋1单元"])
    give(session, others.id, people["王五"], Role.SECRETARY, units["滨河社区"])
    set_rule(session, community_id=ours.id, kind="activity", rule=PLAIN, since=FOUNDED)
    return Ground(ours, others, units, people)


def add_person(
    session: Session,
    community_id: int,
    name: str,
    unit: UnitHere,
    *,
    known: bool = True,
    room: str = "",
    phone: str = "",
) -> int:
    """Somebody on the roster, with an account of that name where they are `known` to the bot."""
    member_id = add_member(
        session,
        community_id=community_id,
        name=name,
        unit=unit,
        room=room,
        phone=phone,
        now=FOUNDED,
        standing=Standing.RESIDENT,
    )
    if known:
        add_identity(
            session,
            community_id=community_id,
            member_id=member_id,
            namespace=NAMESPACE,
            external_id=name,
            now=FOUNDED,
        )
        agree(session, community_id, member_id)
    return member_id


def agree(session: Session, community_id: int, member_id: int) -> None:
    """They have agreed to the privacy statement long ago."""
    answer_statement(
        session,
        community_id=community_id,
        member_id=member_id,
        version=Settings().consent_version,
        agreed=True,
        now=FOUNDED,
    )


def give(session: Session, community_id: int, member_id: int, role: Role, unit: UnitHere) -> None:
    """A role as the operator gives it."""
    give_role(session, community_id=community_id, member_id=member_id, role=role, unit=unit, now=FOUNDED, by=None)


def add_many(session: Session, ground: Ground, count: int) -> list[int]:
    """Residents of 5栋 beyond those with a part of their own; in order of their ids."""
    home = ground.units["5栋2单元"]
    return [add_person(session, ground.community.id, f"邻居{number:03d}", home) for number in range(count)]


def person(session: Session, name: str, now: datetime = TUESDAY_EVENING) -> Person:
    """The only person behind an account."""
    (found,) = find_people(session, namespace=NAMESPACE, external_id=name, now=now)
    return found


def publish(
    session: Session,
    ground: Ground,
    *,
    starts_at: datetime = SATURDAY,
    minutes: int = 120,
    quota: int | None = None,
    points: int | None = None,
    confirm_minutes: int = 0,
) -> ActivityHere:
    """清洁家园, on Saturday morning unless said otherwise; check-in opens half an hour before.

    Who moves up has the place without being asked, unless `confirm_minutes` says otherwise.
    """
    return publish_activity(
        session,
        community_id=ground.community.id,
        unit=ground.root,
        title="清洁家园",
        place="中心花园",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        quota=quota,
        points=points,
        made_by=ground.people["张敏"],
        now=starts_at - timedelta(days=4),
        check_in_opens_minutes=30,
        confirm_minutes=confirm_minutes,
    )
