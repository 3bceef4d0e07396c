"""What the operator does before anybody can type: which webhook is which group's, and how a wrong one is corrected."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.founding import NoSuchCommunity, NoSuchGroup, WebhookElsewhere, set_webhook
from models.directory import Endpoint, Group, bind_chat
from tests.ground import Ground, lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING


async def lay_groups(books: Books) -> Ground:
    """Our 3栋群 and 5栋群, and the 3栋群 of another community, each with a chat."""

    def unit(session: Session) -> Ground:
        ground = lay(session)
        for community, units, address in (
            (ground.community, "3栋", "c3"),
            (ground.community, "5栋", "c5"),
            (ground.elsewhere, "滨河3栋", "o3"),
        ):
            bind_chat(
                session,
                community_id=community.id,
                channel="aibot",
                address=address,
                unit=ground.units[units],
                name=f"{units.removeprefix('滨河')}群",
                now=NOW,
            )
        return ground

    return await books.write(unit)


def webhook(address: str, group: str = "3栋群", *, community: str = "锦绣社区") -> Callable[[Session], bool]:
    """The operator gives a group the webhook with this address, sealed as `<address> sealed`."""
    return lambda session: set_webhook(
        session,
        community_name=community,
        group_name=group,
        channel="hook",
        address=address,
        sealed_key=f"{address} sealed",
        now=NOW,
    )


async def kept(books: Books) -> list[tuple[int, str, str, str]]:
    """Community, group, address and sealed key of every webhook."""

    def unit(session: Session) -> list[tuple[int, str, str, str]]:
        rows = session.execute(
            select(Endpoint.community_id, Group.name, Endpoint.address, Endpoint.sealed_secret)
            .join(Group, Endpoint.group_id == Group.id)
            .where(Endpoint.channel == "hook")
            .order_by(Endpoint.community_id, Group.name)
        )
        return [(row.community_id, row.name, row.address, row.sealed_secret) for row in rows]

    return await books.read(unit)


async def test_another_webhook_takes_the_place_of_the_first(books: Books) -> None:
    ground = await lay_groups(books)
    assert await books.write(webhook("w1")) is False
    assert await books.write(webhook("w1")) is True
    assert await books.write(webhook("w2")) is True
    assert await books.write(webhook("w3", community="滨河社区")) is False
    assert await kept(books) == [
        (ground.community.id, "3栋群", "w2", "w2 sealed"),
        (ground.elsewhere.id, "3栋群", "w3", "w3 sealed"),
    ]


async def test_a_webhook_is_one_groups(books: Books) -> None:
    ground = await lay_groups(books)
    await books.write(webhook("w1"))
    with pytest.raises(WebhookElsewhere) as caught:
        await books.write(webhook("w1", "5栋群"))
    assert caught.value.fields == {"name": "3栋群"}
    with pytest.raises(WebhookElsewhere) as caught:
        await books.write(webhook("w1", community="滨河社区"))
    assert caught.value.fields == {"name": "锦绣社区"}
    assert await kept(books) == [(ground.community.id, "3栋群", "w1", "w1 sealed")]


async def test_a_webhook_whose_group_has_no_chat_any_more_may_go_on_in_another(books: Books) -> None:
    ground = await lay_groups(books)
    await books.write(webhook("w1"))
    await books.write(
        lambda s: s.execute(
            Endpoint.__table__.delete().where(Endpoint.address == "c3")  # type: ignore[attr-defined]
        )
    )
    assert await books.write(webhook("w1", "5栋群")) is False
    assert await kept(books) == [(ground.community.id, "5栋群", "w1", "w1 sealed")]


async def test_who_is_unknown_is_told_who_is_known(books: Books) -> None:
    await lay_groups(books)
    with pytest.raises(NoSuchGroup) as no_group:
        await books.write(webhook("w1", "4栋群"))
    assert no_group.value.fields == {"name": "4栋群", "known": ["3栋群", "5栋群"]}
    for community in ("", "月球社区"):
        with pytest.raises(NoSuchCommunity) as no_community:
            await books.write(webhook("w1", community=community))
        assert no_community.value.fields == {"known": ["锦绣社区", "滨河社区"]}
