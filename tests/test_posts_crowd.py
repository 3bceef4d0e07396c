"""Everybody claims one post at one moment: as many hold it as it has slots, all others wait in order, all are answered.

Beside the crowd some who had asked earlier leave, so that slots are offered while others claim.
"""

import asyncio
import multiprocessing
import re
from collections import Counter
from collections.abc import Iterator
from time import perf_counter

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.books import Books
from models import posts
from models.directory import Identity
from models.members import Member, Settings, Standing
from models.members.consent import Consent
from models.posts import ClaimState, Plan
from models.units import root_of
from models.verify import violations
from tests.dialogue import incoming
from tests.fakes.street import Street, open_street
from tests.ground import lay
from tests.moments import TUESDAY_EVENING as NOW
from tests.race import Race

CROWD = 120
"""People here; `bench/claims.py` lets a thousand come."""
SLOTS = 2
HELD = re.compile(r"8号「门岗」归 邻居\d+ 了，任期到2027年11月16日，谢谢您！\n要做的：.+。")
WAITS = re.compile(r"「门岗」满员了，邻居\d+ 排在候补第(\d+)位。\n空出来我先问您。")


def gather(session: Session, people: int) -> None:
    """A post with two slots, and a crowd with accounts who have agreed to everything."""
    root = root_of(session, 1)
    posts.publish_post(
        session, community_id=1, unit=root, plan=Plan("门岗", "巡逻", SLOTS, term_months=12), made_by=None, now=NOW
    )
    session.execute(
        insert(Member),
        [
            {
                "community_id": 1, "unit_id": root.id, "name": f"邻居{number}", "standing": Standing.RESIDENT,
                "since": NOW,
            }
            for number in range(people)
        ],
    )  # fmt: skip
    ids = session.execute(select(Member.id, Member.name).where(Member.name.like("邻居%"))).all()
    session.execute(
        insert(Identity),
        [
            {
                "namespace": "simulator", "external_id": row.name, "community_id": 1, "member_id": row.id,
                "chosen_at": None, "ground": "roster", "since": NOW,
            }
            for row in ids
        ],
    )  # fmt: skip
    session.execute(
        insert(Consent),
        [
            {
                "community_id": 1, "member_id": row.id, "version": Settings().consent_version, "agreed": True,
                "at": NOW, "withdrawn_at": None,
            }
            for row in ids
        ],
    )  # fmt: skip


def refuse_disorder(answers: list[str], people: int) -> None:
    held = [answer for answer in answers if HELD.fullmatch(answer)]
    places = sorted(int(found[1]) for answer in answers if (found := WAITS.fullmatch(answer)))
    assert len(held) == SLOTS
    assert places == list(range(1, people - SLOTS + 1))


async def end_well(street: Street) -> None:
    def states(session: Session) -> Counter[str]:
        post = posts.find_post(session, community_id=1, number=8)
        return Counter(one.state for one in posts.live_claims(session, post))

    found = await street.house.books.read(states)
    assert found[ClaimState.HELD] + found[ClaimState.OFFERED] == SLOTS
    assert await street.violations() == []


async def claim_at_once(url: str, people: int, processes: int = 1) -> float:
    """Lets a crowd claim the new post of a demo community; returns how many seconds their messages took."""
    street = await open_street(url)
    await street.house.books.write(lambda session: gather(session, people))
    began = perf_counter()
    if processes == 1:
        answers = await hear(street, range(people))
    else:
        parts = [(url, range(first, people, processes)) for first in range(processes)]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            heard = await asyncio.to_thread(pool.starmap, hear_a_part, parts)
        answers = [answer for part in heard for answer in part]
    took = perf_counter() - began
    refuse_disorder(answers, people)
    await end_well(street)
    await street.house.close()
    return took


async def hear(street: Street, numbers: range) -> list[str]:
    messages = [incoming(street, f"邻居{number}", "认领 8") for number in numbers]
    return [reply.text for reply in await asyncio.gather(*map(street.house.dispatcher.hear, messages))]


def hear_a_part(url: str, numbers: range) -> list[str]:
    """What a second process is: a house of its own on the same books."""

    async def run() -> list[str]:
        street = await open_street(url)
        answers = await hear(street, numbers)
        await street.house.close()
        return answers

    return asyncio.run(run())


async def test_a_crowd_claims_one_post_at_once(demo_url: str) -> None:
    await claim_at_once(demo_url, CROWD)


@pytest.mark.parametrize("demo_url", ["postgresql"], indirect=True)
async def test_two_processes_hear_the_crowd(demo_url: str) -> None:
    await claim_at_once(demo_url, CROWD // 3, processes=2)


async def test_slots_are_never_more_than_full_while_people_come_and_go(demo_url: str) -> None:
    """Threads claim, leave and accept what is offered, each in transactions of its own."""
    people = 24
    books = await Books.open(demo_url, threads=4)
    await books.write(lambda session: gather(session, people))
    ids = await books.read(lambda s: list(s.scalars(select(Member.id).where(Member.name.like("邻居%")))))

    async def fidget(member_id: int) -> None:
        for _ in range(3):
            await books.write(lambda session: _claim(session, member_id))
            await books.write(lambda session: _leave(session, member_id))
        await books.write(lambda session: _claim(session, member_id))

    await asyncio.gather(*map(fidget, ids))
    assert await books.read(violations) == []
    left = await books.read(lambda s: posts.free_slots(s, posts.find_post(s, community_id=1, number=8)))
    assert left == 0
    await books.close()


def _claim(session: Session, member_id: int) -> None:
    post = posts.find_post(session, community_id=1, number=8)
    posts.claim(session, post=post, member_id=member_id, made_by=member_id, now=NOW)


def _leave(session: Session, member_id: int) -> None:
    post = posts.find_post(session, community_id=1, number=8)
    posts.release(
        session, post=post, member_id=member_id, by=member_id, why=posts.Why.RELEASED, now=NOW, offer_hours=72
    )


# -- two who meet ----------------------------------------


@pytest.fixture
def race(database_url: str) -> Iterator[Race]:
    opened = Race(database_url)
    yield opened
    assert opened.violations() == []
    opened.engine.dispose()


@pytest.fixture
def people(race: Race) -> dict[str, int]:
    def unit(session: Session) -> dict[str, int]:
        ground = lay(session)
        posts.publish_post(
            session, community_id=ground.community.id, unit=ground.root, plan=Plan("门岗", "巡逻", 2), made_by=None,
            now=NOW,
        )  # fmt: skip
        return ground.people

    return race.alone(unit)


def claims(session: Session, member_id: int) -> posts.Claimed:
    post = posts.find_post(session, community_id=1, number=1)
    return posts.claim(session, post=post, member_id=member_id, made_by=member_id, now=NOW)


ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@ON_POSTGRESQL
def test_who_claims_as_the_post_is_withdrawn_hears_that_it_is_gone(race: Race, people: dict[str, int]) -> None:
    def withdraw(session: Session) -> None:
        post = posts.find_post(session, community_id=1, number=1)
        posts.withdraw_post(session, post=post, reason="", by=None, now=NOW)

    waited, answer = race.meet(withdraw, lambda session: claims(session, people["王秀英"]))
    assert waited
    assert isinstance(answer, posts.PostWithdrawn)


@ON_POSTGRESQL
def test_slots_are_not_taken_away_beneath_somebody_who_is_claiming(race: Race, people: dict[str, int]) -> None:
    def reduce(session: Session) -> object:
        post = posts.find_post(session, community_id=1, number=1)
        return posts.change_post(session, post=post, plan=Plan("门岗", "巡逻", 1), now=NOW, offer_hours=72)

    race.alone(lambda session: claims(session, people["李建国"]))
    waited, answer = race.meet(lambda session: claims(session, people["王秀英"]), reduce)
    assert waited
    assert isinstance(answer, posts.SlotsHeld)


@ON_POSTGRESQL
def test_a_partner_who_says_yes_as_the_last_slot_goes_gets_none(race: Race, people: dict[str, int]) -> None:
    race.alone(
        lambda session: posts.claim_together(
            session, post=posts.find_post(session, community_id=1, number=1), member_id=people["王秀英"],
            partner_id=people["李建国"], partner_name="李建国", agreed=False, now=NOW, answer_hours=72,
        )
    )  # fmt: skip
    waited, answer = race.meet(
        lambda session: claims(session, people["陈美玲"]), lambda session: claims(session, people["李建国"])
    )
    assert waited
    assert isinstance(answer, posts.NoRoomForTwo)
