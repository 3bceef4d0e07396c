"""Everybody wants the same few places in one moment: what a test does with some, and the bench with a thousand.

Three in ten leave again, most of them from the waiting list, while others still come. Where who moves up is asked, every
second one says yes. On PostgreSQL they come through two pools of connections, or through so many processes.
"""

import asyncio
import multiprocessing
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.books import Books
from models import activities
from models.activities import PLACED, ActivityHere, Left, SignedUp, Signup, SignupState
from models.members import Member, Standing
from models.verify import violations
from tests.ground import FOUNDED, Ground, lay, publish
from tests.moments import TUESDAY_EVENING

PLACES = 20
LEAVE = 0.3


@dataclass(frozen=True, slots=True)
class Found:
    """What became of it. `wrong` is empty where nothing is."""

    people_asked: int
    left: int
    most_placed_at_once: int
    placed: int
    waiting: int
    wrong: list[str]


def gather(session: Session, ground: Ground, count: int) -> list[int]:
    """So many neighbours on the roster, in the order of their ids."""
    home = ground.units["5栋2单元"].id
    people: list[dict[str, Any]] = [
        {"community_id": ground.community.id, "unit_id": home, "name": f"邻居{number}", "standing": Standing.RESIDENT,
         "since": FOUNDED}
        for number in range(count)
    ]  # fmt: skip
    return sorted(session.scalars(insert(Member).returning(Member.id), people))


@dataclass(frozen=True, slots=True)
class Comers:
    """Some of the crowd, and what each of them is going to do."""

    activity: ActivityHere
    companions: dict[int, int]
    """With how many somebody comes, by member."""
    leaving: frozenset[int]
    """Of the whole crowd."""

    def part(self, index: int, parts: int) -> "Comers":
        """Every so-manieth of them."""
        some = dict(list(self.companions.items())[index::parts])
        return Comers(self.activity, some, self.leaving)


@dataclass(slots=True)
class Heard:
    """What the crowd was told: each their own, and how many had a place at every moment."""

    each: dict[int, SignedUp] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)


async def sign_up_at_once(url: str, *, people: int, minutes: int, alone: bool, processes: int = 1) -> Found:
    """Lets them all come to an empty, migrated database, `alone` or in parties of up to six.

    `minutes`: how long a place is held for who moves up.
    """
    chance = random.Random(people + minutes)
    books = await Books.open(url, threads=4)
    try:
        ground = await books.write(lay)
        activity = await books.write(lambda s: publish(s, ground, quota=PLACES, confirm_minutes=minutes))
        who = await books.write(lambda s: gather(s, ground, people))
        companions = {member: 0 if alone else chance.choice((0, 0, 0, 1, 2, 5)) for member in who}
        everybody = Comers(activity, companions, frozenset(chance.sample(who, round(people * LEAVE))))
        heard = await _let_come(url, everybody, processes)
        rows = await books.read(_rows)
        broken = [violation.name for violation in await books.read(violations)]
    finally:
        await books.close()
    live = [row for row in rows if row.undone_at is None]
    placed = [row for row in live if row.state in PLACED]
    waiting = [row for row in live if row.state == SignupState.WAITING]
    taken = sum(1 + row.companions for row in placed)
    wrong = {
        "somebody was not answered": len({one.id for one in heard.each.values()}) != people,
        "a waiting person has no place in the list": any(
            one.place < 1 for one in heard.each.values() if one.state is SignupState.WAITING
        ),
        "more people than places": max(*heard.counts, taken) > PLACES,
        "somebody left who did not want to": {row.member_id for row in rows if row.undone_at} != everybody.leaving,
        "a party changed its size": any(row.companions != companions[row.member_id] for row in rows),
        "somebody was passed": any(row.state in PLACED for before, row in pairwise(live) if before in waiting),
        "there is room for the first who waits": taken + 1 + waiting[0].companions <= PLACES,
    }
    names = [*broken, *(what for what, is_so in wrong.items() if is_so)]
    return Found(len(heard.each), len(rows) - len(live), max(heard.counts), taken, len(waiting), names)


async def _let_come(url: str, everybody: Comers, processes: int) -> Heard:
    parts = processes if processes > 1 else 1 + url.startswith("postgresql")
    given = [(url, everybody.part(index, parts)) for index in range(parts)]
    if processes == 1:
        told = await asyncio.gather(*(_come(*one) for one in given))
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            told = await asyncio.to_thread(pool.starmap, come_as_a_process, given)
    return Heard(
        {member: one for heard in told for member, one in heard.each.items()},
        [count for heard in told for count in heard.counts],
    )


def come_as_a_process(url: str, comers: Comers) -> Heard:
    """What a second process does: the same, with books of its own."""
    return asyncio.run(_come(url, comers))


async def _come(url: str, comers: Comers) -> Heard:
    heard, activity = Heard(), comers.activity
    books = await Books.open(url, threads=4)

    async def one(member: int, companions: int) -> None:
        heard.each[member], count = await books.write(lambda s: _enter(s, activity, member, companions))
        heard.counts.append(count)
        if member not in comers.leaving:
            return
        left = await books.write(lambda s: _leave(s, activity, member))
        for moved in left.promoted:
            if moved.until is not None and moved.member_id % 2 and moved.member_id not in comers.leaving:
                taker = moved.member_id
                await books.write(
                    lambda s, taker=taker: activities.take_place(  # type: ignore[misc]
                        s, activity=activity, member_id=taker, now=TUESDAY_EVENING
                    )
                )

    try:
        await asyncio.gather(*(one(member, count) for member, count in comers.companions.items()))
    finally:
        await books.close()
    return heard


def _enter(session: Session, activity: ActivityHere, member_id: int, companions: int) -> tuple[SignedUp, int]:
    done = activities.sign_up(
        session, activity=activity, member_id=member_id, companions=companions, made_by=member_id, now=TUESDAY_EVENING,
        companions_max=5,
    )  # fmt: skip
    return done, activities.how_full(session, activity)[0]


def _leave(session: Session, activity: ActivityHere, member_id: int) -> Left:
    return activities.cancel_signup(session, activity=activity, member_id=member_id, by=member_id, now=TUESDAY_EVENING)


def _rows(session: Session) -> list[Any]:
    query = select(Signup.member_id, Signup.companions, Signup.state, Signup.undone_at).order_by(Signup.id)
    return list(session.execute(query).all())
