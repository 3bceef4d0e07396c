"""The units of a community as lists name them: 3栋 and 2单元 in two columns, everything else by a name of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.directory import touch
from models.units import WHOLE, Unit, UnitHere, UnitKind, add_unit


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody lives, by name: a building and a door, another unit, or (both empty) nowhere in particular."""

    building: str = ""
    door: str = ""

    @property
    def title(self) -> str:
        return self.building + self.door


class Tree:
    """All units of a community, read once."""

    def __init__(self, units: Sequence[tuple[UnitHere, int | None]]) -> None:
        """`units` with the id of the unit above each."""
        self.units = {unit.id: unit for unit, _ in units}
        self._above = {unit.id: above for unit, above in units}
        self._below = {(above, unit.name): unit for unit, above in units}
        self.root = next(unit for unit, above in units if above is None)
        plain = {unit.id: self._plain(unit) for unit in self.units.values()}
        often = Counter(plain.values())
        self.title = {
            unit.id: plain[unit.id] if often[plain[unit.id]] == 1 else self._whole(unit, plain)
            for unit in self.units.values()
        }
        """What each unit is called in a list; no two are called the same."""
        self._by_title = {title: self.units[unit_id] for unit_id, title in self.title.items()}
        for word in (*WHOLE, self.root.name):
            self._by_title.setdefault(word, self.root)

    def _plain(self, unit: UnitHere) -> str:
        above = self._above[unit.id]
        if above is None:
            return WHOLE[0]
        return f"{self._plain(self.units[above])}{unit.name}" if unit.kind is UnitKind.DOOR else unit.name

    def _whole(self, unit: UnitHere, plain: dict[int, str]) -> str:
        above = self._above[unit.id]
        if above is None or self._above[above] is None:
            return plain[unit.id]
        return f"{self._whole(self.units[above], plain)}/{plain[unit.id]}"

    def find(self, title: str) -> UnitHere | None:
        """The unit of this name."""
        return self._by_title.get(title)

    def place(self, unit_id: int) -> Place:
        """A home as two columns."""
        unit = self.units[unit_id]
        if unit.id == self.root.id:
            return Place()
        above = self._above[unit.id]
        if unit.kind is UnitKind.DOOR and above is not None and above != self.root.id:
            return Place(self.title[above], unit.name)
        return Place(self.title[unit.id])

    def home(self, place: Place) -> UnitHere | None:
        """The unit of a home, None where there is none yet."""
        if not place.building:
            return self.root
        building = self.find(place.building)
        if building is None or not place.door:
            return building
        return self._below.get((building.id, place.door))

    def known(self, *, homes: bool) -> list[str]:
        """The names of buildings, or of all that is no building and no door."""
        wanted = (UnitKind.BUILDING,) if homes else tuple(set(UnitKind) - {UnitKind.BUILDING, UnitKind.DOOR})
        return [self.title[unit.id] for unit in self.units.values() if unit.kind in wanted]


def read_tree(session: Session, *, community_id: int) -> Tree:
    """The tree as it is now."""
    rows = session.execute(
        select(Unit.id, Unit.kind, Unit.name, Unit.path, Unit.parent_id)
        .where(Unit.community_id == community_id)
        .order_by(Unit.id)
    )
    return Tree([(UnitHere(row.id, UnitKind(row.kind), row.name, row.path), row.parent_id) for row in rows])


def open_homes(session: Session, *, community_id: int, places: Iterable[Place], now: datetime) -> None:
    """Makes the buildings and doors of these homes as far as they are missing."""
    tree = read_tree(session, community_id=community_id)
    made: dict[Place, UnitHere] = {}

    def ensure(place: Place, parent: UnitHere, kind: UnitKind, name: str) -> UnitHere:
        unit = made.get(place) or tree.home(place)
        if unit is None:
            unit = add_unit(session, community_id=community_id, parent=parent, kind=kind, name=name, now=now)
            touch(session, community_id)
        made[place] = unit
        return unit

    for place in places:
        building = ensure(Place(place.building), tree.root, UnitKind.BUILDING, place.building)
        if place.door:
            ensure(place, building, UnitKind.DOOR, place.door)
