"""The tree of a community: names that people say, and how far a role reaches."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.books import Books
from models.units import (
    NoSuchUnit,
    UnitHere,
    UnitKind,
    add_unit,
    covers,
    find_unit,
    names_of_units,
    root_of,
    unit_by_id,
)
from tests.ground import FOUNDED, lay


@pytest.mark.parametrize(
    ("scope", "path", "reaches"),
    [
        ("/1/", "/1/", True),
        ("/1/", "/1/5/9/", True),
        ("/1/5/", "/1/5/", True),
        ("/1/5/", "/1/", False),
        ("/1/5/", "/1/55/", False),
        ("/1/5/", "/1/6/5/", False),
        ("/1/", "/11/", False),
        ("/2/", "/1/2/", False),
    ],
)
def test_a_role_reaches_its_unit_and_all_below(scope: str, path: str, reaches: bool) -> None:
    assert covers(scope, path) is reaches


async def test_a_path_lists_the_ids_from_the_root(books: Books) -> None:
    ground = await books.write(lay)
    root, building, door = (ground.units[name] for name in ("社区", "3栋", "3栋2单元"))
    assert [root.path, building.path, door.path] == [
        f"/{root.id}/",
        f"/{root.id}/{building.id}/",
        f"/{root.id}/{building.id}/{door.id}/",
    ]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("3栋", "3栋"),
        ("3栋2单元", "3栋2单元"),
        ("5栋1单元", "5栋1单元"),
        ("物业", "物业"),
        ("锦绣社区", "社区"),
        ("全社区", "社区"),
        ("社区", "社区"),
        ("全体", "社区"),
    ],
)
async def test_units_are_found_by_what_people_call_them(books: Books, said: str, name: str) -> None:
    ground = await books.write(lay)
    found = await books.read(lambda s: find_unit(s, community_id=ground.community.id, name=said))
    assert found == ground.units[name]


@pytest.mark.parametrize("said", ["4栋", "3栋3单元", "4栋1单元", "滨河社区", "", "3栋%", "栋1单元"])
async def test_an_unknown_unit_is_refused_with_the_buildings_that_there_are(books: Books, said: str) -> None:
    ground = await books.write(lay)
    with pytest.raises(NoSuchUnit) as caught:
        await books.read(lambda s: find_unit(s, community_id=ground.community.id, name=said))
    assert caught.value.fields == {"name": said, "known": ["3栋", "5栋"]}


async def test_each_community_finds_its_own_units_only(books: Books) -> None:
    ground = await books.write(lay)

    def look(session: Session) -> tuple[UnitHere, UnitHere, UnitHere]:
        theirs = ground.elsewhere.id
        return (
            find_unit(session, community_id=theirs, name="3栋2单元"),
            root_of(session, theirs),
            unit_by_id(session, community_id=theirs, unit_id=ground.units["滨河3栋"].id),
        )

    assert await books.read(look) == tuple(ground.units[name] for name in ("滨河3栋2单元", "滨河社区", "滨河3栋"))
    with pytest.raises(NoSuchUnit):
        await books.read(lambda s: unit_by_id(s, community_id=ground.community.id, unit_id=ground.units["滨河3栋"].id))


async def test_doors_are_named_with_their_building(books: Books) -> None:
    ground = await books.write(lay)
    assert sorted(await books.read(lambda s: names_of_units(s, ground.community.id))) == sorted(
        ["锦绣社区", "3栋", "3栋1单元", "3栋2单元", "5栋", "5栋1单元", "5栋2单元", "物业", "物业公司"]
    )


async def test_a_name_is_unique_within_its_parent(books: Books) -> None:
    ground = await books.write(lay)

    def adding(parent: str) -> Callable[[Session], UnitHere]:
        return lambda s: add_unit(
            s,
            community_id=ground.community.id,
            parent=ground.units[parent],
            kind=UnitKind.DOOR,
            name="1单元",
            now=FOUNDED,
        )

    with pytest.raises(IntegrityError):
        await books.write(adding("3栋"))
    made = await books.write(adding("物业"))
    assert made.path == f"{ground.units['物业'].path}{made.id}/"
