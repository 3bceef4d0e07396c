"""Which chat is which group of which community, and who has heard of a change."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.books import Books
from models import directory
from models.directory import (
    Bound,
    CommunityHere,
    GroupBoundElsewhere,
    GroupHere,
    GroupNameTaken,
    Listed,
    Membership,
    Place,
    audience,
    bind_chat,
    find_chat,
    groups_of,
    organisations,
    take_back_binding,
    unbind_chat,
)
from tests.ground import FOUNDED, NAMESPACE, Ground, lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING


def binding(
    ground: Ground, address: str, unit: str, name: str, *, channel: str = "wecom", theirs: bool = False
) -> Callable[[Session], Bound]:
    community = ground.elsewhere if theirs else ground.community
    return lambda session: bind_chat(
        session,
        community_id=community.id,
        channel=channel,
        address=address,
        unit=ground.units[unit],
        name=name,
        now=NOW,
    )


def chat(address: str, channel: str = "wecom") -> Callable[[Session], Place | None]:
    return lambda session: find_chat(session, channel=channel, address=address)


def listed(ground: Ground) -> Callable[[Session], list[int]]:
    return lambda session: [group.id for group in groups_of(session, community_id=ground.community.id)]


async def test_a_bound_chat_is_found_with_its_group_and_community(books: Books) -> None:
    ground = await books.write(lay)
    group_id = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    unit = ground.units["3栋"]
    assert await books.read(chat("c1")) == Place(ground.community, GroupHere(group_id, "3栋群", unit.id, unit.path))
    assert await books.read(chat("c1", "simulator")) is None
    assert await books.read(chat("c2")) is None


async def test_binding_again_is_no_second_group(books: Books) -> None:
    ground = await books.write(lay)
    first = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    assert await books.write(binding(ground, "c1", "3栋", "3栋群")) == Bound(first, changed=False, before=first)
    assert await books.read(lambda s: groups_of(s, community_id=ground.community.id)) == [
        Listed(first, "3栋群", ground.units["3栋"].path)
    ]


async def test_a_chat_can_be_bound_anew_within_its_community(books: Books) -> None:
    ground = await books.write(lay)
    first = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    bound = await books.write(binding(ground, "c1", "5栋", "5栋群"))
    second = bound.group_id
    assert bound == Bound(second, before=first)
    place = await books.read(chat("c1"))
    assert place is not None
    assert place.group == GroupHere(second, "5栋群", ground.units["5栋"].id, ground.units["5栋"].path)
    # The group that it was stays with its history, unlisted, and another chat may become it.
    assert await books.read(listed(ground)) == [second]
    assert await books.write(binding(ground, "c2", "3栋", "3栋群")) == Bound(first)
    assert await books.read(listed(ground)) == [first, second]


async def test_a_group_whose_unit_was_replaced_stands_for_the_new_one(books: Books) -> None:
    ground = await books.write(lay)
    bound = await books.write(binding(ground, "c1", "3栋", "3栋群"))
    again = await books.write(binding(ground, "c1", "5栋", "3栋群"))
    assert again == Bound(bound.group_id, before=bound.group_id, unit_before=ground.units["3栋"].id)
    place = await books.read(chat("c1"))
    assert place is not None
    assert place.group == GroupHere(bound.group_id, "3栋群", ground.units["5栋"].id, ground.units["5栋"].path)
    await books.write(
        lambda s: take_back_binding(
            s, community_id=ground.community.id, channel="wecom", address="c1", bound=again, now=NOW
        )
    )
    place = await books.read(chat("c1"))
    assert place is not None
    assert place.group == GroupHere(bound.group_id, "3栋群", ground.units["3栋"].id, ground.units["3栋"].path)


async def test_of_two_chats_that_become_one_group_at_one_instant_one_is_refused(books: Books) -> None:
    ground = await books.write(lay)
    tries = await asyncio.gather(
        *(books.write(binding(ground, address, "3栋", "3栋群")) for address in ("c1", "c2")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in tries) == ["Bound", "GroupNameTaken"]


async def test_a_group_has_one_chat_on_each_channel(books: Books) -> None:
    ground = await books.write(lay)
    group_id = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    assert await books.write(binding(ground, "s1", "3栋", "3栋群", channel="simulator")) == Bound(group_id)
    with pytest.raises(GroupNameTaken) as caught:
        await books.write(binding(ground, "c2", "3栋", "3栋群"))
    assert caught.value.fields == {"name": "3栋群"}
    assert await books.read(chat("c2")) is None


async def test_another_communitys_chat_is_not_taken(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(binding(ground, "c1", "滨河3栋", "3栋群", theirs=True))
    with pytest.raises(GroupBoundElsewhere) as caught:
        await books.write(binding(ground, "c1", "3栋", "3栋群"))
    assert caught.value.fields == {"name": "3栋群"}
    place = await books.read(chat("c1"))
    assert place is not None
    assert place.community == ground.elsewhere
    # Nor was a group made on the way.
    assert await books.read(lambda s: groups_of(s, community_id=ground.community.id)) == []


async def test_both_communities_may_have_a_group_of_one_name(books: Books) -> None:
    ground = await books.write(lay)
    ours = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    theirs = (await books.write(binding(ground, "c2", "滨河3栋", "3栋群", theirs=True))).group_id
    assert ours != theirs
    assert await books.read(lambda s: groups_of(s, community_id=ground.elsewhere.id)) == [
        Listed(theirs, "3栋群", ground.units["滨河3栋"].path)
    ]


async def test_an_unbound_chat_is_nobodys_and_its_group_stays(books: Books) -> None:
    ground = await books.write(lay)
    group_id = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id

    def unbind(community: CommunityHere) -> Callable[[Session], None]:
        return lambda s: unbind_chat(s, community_id=community.id, channel="wecom", address="c1")

    await books.write(unbind(ground.elsewhere))
    assert await books.read(chat("c1")) is not None
    await books.write(unbind(ground.community))
    assert await books.read(chat("c1")) is None
    assert await books.read(listed(ground)) == []
    assert await books.read(lambda s: directory.name_of(s, community_id=ground.community.id, group_id=group_id)) == (
        "3栋群"
    )


async def test_a_webhook_alone_makes_no_group_to_write_to(books: Books) -> None:
    ground = await books.write(lay)
    group_id = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    await books.write(
        lambda s: directory.add_endpoint(
            s,
            community_id=ground.community.id,
            group_id=group_id,
            channel="hook",
            address="w",
            sealed_secret="sealed",
            now=NOW,
        )
    )
    assert await books.read(listed(ground)) == [group_id]
    await books.write(lambda s: unbind_chat(s, community_id=ground.community.id, channel="wecom", address="c1"))
    assert await books.read(listed(ground)) == []


async def test_one_address_cannot_be_two_endpoints(books: Books) -> None:
    ground = await books.write(lay)
    group_id = (await books.write(binding(ground, "c1", "3栋", "3栋群"))).group_id
    with pytest.raises(IntegrityError):
        await books.write(
            lambda s: directory.add_endpoint(
                s,
                community_id=ground.community.id,
                group_id=group_id,
                channel="wecom",
                address="c1",
                now=NOW,
            )
        )


async def test_a_unit_of_work_counts_once_however_much_it_changes(books: Books) -> None:
    ground = await books.write(lay)
    before = await books.read(directory.revisions)

    def unit(session: Session) -> None:
        binding(ground, "c1", "3栋", "3栋群")(session)
        binding(ground, "c2", "5栋", "5栋群")(session)
        binding(ground, "c3", "滨河3栋", "3栋群", theirs=True)(session)
        directory.touch(session, ground.community.id)

    await books.write(unit)
    after = await books.read(directory.revisions)
    assert after == {community_id: number + 1 for community_id, number in before.items()}

    def fail(session: Session) -> None:
        directory.touch(session, ground.community.id)
        raise ValueError

    with pytest.raises(ValueError):
        await books.write(fail)
    assert await books.read(directory.revisions) == after


async def test_communities_are_listed_in_order(books: Books) -> None:
    ground = await books.write(lay)
    assert await books.read(directory.communities) == [ground.community, ground.elsewhere]


async def test_a_person_of_two_communities_chooses_one_for_direct_messages(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Any:
        session.execute(
            directory.Identity.__table__.insert(),  # type: ignore[attr-defined]
            {
                "namespace": NAMESPACE,
                "external_id": "王秀英",
                "community_id": ground.elsewhere.id,
                "member_id": ground.people["王五"],
                "chosen_at": None,
                "since": FOUNDED,
            },
        )
        directory.choose_community(
            session,
            namespace=NAMESPACE,
            external_id="王秀英",
            community_id=ground.elsewhere.id,
            now=NOW + timedelta(minutes=1),
        )
        return session.scalars(select(directory.Identity.id).where(directory.Identity.chosen_at.is_not(None))).all()

    assert len(await books.write(unit)) == 1
    found = await books.read(lambda s: directory.memberships(s, namespace=NAMESPACE, external_id="王秀英"))
    assert sorted(found, key=lambda one: one.community_id) == [
        Membership(ground.community.id, ground.people["王秀英"], None),
        Membership(ground.elsewhere.id, ground.people["王五"], NOW + timedelta(minutes=1)),
    ]
    assert await books.read(lambda s: directory.memberships(s, namespace="wecom", external_id="王秀英")) == []


# -- who hears of what a unit does ----------------------------------------

TREE = {
    "社区": "/1/",
    "3栋": "/1/3/",
    "3栋1单元": "/1/3/31/",
    "5栋": "/1/5/",
    "党总支": "/1/7/",
    "第一支部": "/1/7/71/",
    "第二支部": "/1/7/72/",
    "物业": "/1/8/",
    "3栋理事会": "/1/3/39/",
}
JOINED = [TREE[name] for name in ("党总支", "第一支部", "第二支部", "物业", "3栋理事会")]


@pytest.mark.parametrize(
    ("whose", "bound", "hear"),
    [
        # Residents' groups hear of what the community does, the others are left in peace.
        ("社区", "社区 3栋 5栋 党总支 物业 3栋理事会", "社区 3栋 5栋"),
        ("3栋", "社区 3栋 3栋1单元 5栋 党总支 3栋理事会", "3栋 3栋1单元"),
        # Without a group of their own: the nearest one above.
        ("3栋1单元", "社区 3栋 5栋", "3栋"),
        ("3栋1单元", "社区 5栋 党总支", "社区"),
        # An organisation's is its own, from the top to the bottom, and never the residents'.
        ("党总支", "社区 3栋 党总支 第一支部 第二支部 物业", "党总支 第一支部 第二支部"),
        ("第一支部", "社区 3栋 党总支 第二支部 物业", "党总支"),
        ("物业", "社区 3栋 物业", "物业"),
        ("物业", "社区 3栋 党总支", ""),
        ("3栋理事会", "社区 3栋 3栋理事会", "3栋理事会"),
        # Where a bot can only be in the groups of those who work, they are better than nobody.
        ("社区", "党总支 第一支部 物业", "党总支 第一支部 物业"),
        ("3栋", "党总支 3栋理事会", "3栋理事会"),
        ("3栋", "5栋 党总支", ""),
        ("社区", "", ""),
    ],
)
def test_who_hears_of_what_a_unit_does(whose: str, bound: str, hear: str) -> None:
    groups = [Listed(number, name, TREE[name]) for number, name in enumerate(bound.split())]
    assert [group.name for group in audience(groups, TREE[whose], JOINED)] == hear.split()


async def test_organisations_are_the_units_that_people_join(books: Books) -> None:
    ground = await books.write(lay)
    assert await books.read(lambda s: organisations(s, community_id=ground.community.id)) == [ground.units["物业"].path]
