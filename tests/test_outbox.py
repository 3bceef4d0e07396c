"""The outbox: what is put in goes to one postman at a time, in order, and ends."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bot.books import Books
from models import outbox
from models.base import Button
from models.database import driver
from models.directory import add_endpoint, add_group
from models.outbox import Attempt, AttemptOutcome, Claimed, LeaseLost, Lost, Outbox, OutboxState, Route, claiming
from tests.fakes import one_database
from tests.ground import Ground, lay
from tests.moments import SATURDAY

NOW = SATURDAY
LEASE = timedelta(seconds=60)
MINUTE = timedelta(minutes=1)
LIMITS = [(3, MINUTE)]


class Street:
    """锦绣社区 with two groups; what a test puts in and takes out."""

    def __init__(self, books: Books, ground: Ground, groups: list[int]) -> None:
        self.books = books
        self.ground = ground
        self.groups = groups
        self.people = [ground.people["王秀英"], ground.people["李建国"]]

    async def put(self, key: str, **more: Any) -> bool:
        """One message to the first group, unless told otherwise."""
        if "member_id" not in more:
            more.setdefault("group_id", self.groups[0])
        given = {"message": key, "now": NOW, "expires_at": NOW + timedelta(hours=1), **more}
        return await self.books.write(
            lambda session: outbox.put(session, community_id=self.ground.community.id, key=key, **given)
        )

    async def claim(self, token: str, *, after: timedelta = timedelta(0), most: int = 100) -> list[Claimed]:
        at = NOW + after
        return await self.books.write(
            lambda session: outbox.claim(session, now=at, wall=at, until=at + LEASE, token=token, most=most)
        )

    async def claimed(self, token: str, **more: Any) -> list[str]:
        return [message.text for message in await self.claim(token, **more)]

    async def begin(self, ids: list[int], token: str, *, after: timedelta = timedelta(0)) -> outbox.Begun:
        at = NOW + after
        return await self.books.write(
            lambda session: outbox.begin_attempt(
                session,
                community_id=self.ground.community.id,
                channel="webhook",
                address="3栋群",
                ids=ids,
                token=token,
                now=at,
                wall=at,
                until=at + LEASE,
            )
        )

    async def end(self, attempt_id: int, outcome: AttemptOutcome, *, after: timedelta = timedelta(0)) -> None:
        await self.books.write(
            lambda session: outbox.end_attempt(
                session, attempt_id=attempt_id, outcome=outcome, detail="why", wall=NOW + after
            )
        )

    async def finish(self, ids: list[int], token: str, state: OutboxState, reason: str = "") -> None:
        await self.books.write(
            lambda session: outbox.finish(session, ids=ids, token=token, state=state, wall=NOW, reason=reason)
        )

    async def put_back(self, ids: list[int], token: str, wait: timedelta) -> None:
        await self.books.write(
            lambda session: outbox.put_back(session, ids=ids, token=token, retry_at=NOW + wait, reason="502")
        )

    async def states(self) -> dict[str, str]:
        def unit(session: Session) -> dict[str, str]:
            return {row.key: row.state for row in session.execute(select(Outbox.key, Outbox.state).order_by(Outbox.id))}

        return await self.books.read(unit)

    async def wait(self, *, after: timedelta, limits: Any = LIMITS, address: str = "3栋群") -> timedelta:
        return await self.books.read(
            lambda session: outbox.waiting_time(
                session, channel="webhook", address=address, limits=limits, wall=NOW + after
            )
        )


@pytest.fixture(scope="module")
def one_postgresql(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """One database for this module's tests."""
    with one_database.copied(postgresql_server, postgresql_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    url = request.getfixturevalue("one_postgresql")
    yield url
    one_database.empty(url)


@pytest.fixture
async def street(books: Books) -> Street:
    def unit(session: Session) -> tuple[Ground, list[int]]:
        ground = lay(session)
        groups = [
            add_group(session, community_id=ground.community.id, unit=ground.units[name], name=f"{name}群", now=NOW)
            for name in ("3栋", "5栋")
        ]
        return ground, groups

    return Street(books, *await books.write(unit))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


# -- putting in ----------------------------------------


async def test_what_is_put_in_twice_under_one_key_is_there_once(street: Street) -> None:
    told: list[None] = []
    street.books.on_posted.append(lambda: told.append(None))

    assert [await street.put("a"), await street.put("a"), await street.put("b")] == [True, False, True]
    assert await street.states() == {"a": "waiting", "b": "waiting"}
    await asyncio.sleep(0)
    assert len(told) == 2, "the postman is woken by what is new only"


async def test_message_goes_to_a_group_or_to_a_person_or_to_an_account(street: Street) -> None:
    account = ("simulator", "stranger")
    with pytest.raises(Exception, match="one_recipient"):
        await street.put("nobody", group_id=None)
    with pytest.raises(Exception, match="one_recipient"):
        await street.put("both", group_id=street.groups[0], member_id=street.people[0])
    with pytest.raises(Exception, match="one_recipient"):
        await street.put("two", group_id=None, member_id=street.people[0], account=account)
    assert await street.put("account", group_id=None, account=account)
    (message,) = await street.claim("a")
    assert (message.group_id, message.member_id, message.namespace, message.external_id) == (None, None, *account)
    assert await street.books.read(lambda s: outbox.routes(s, message)) == [outbox.Route("", *account, "")]


# -- claiming ----------------------------------------


async def test_claim_takes_what_is_due_in_its_order(street: Street) -> None:
    await street.put("later", not_before=NOW + seconds(1))
    await street.put("second", not_before=NOW)
    buttons = (Button("报名", "报名 12"), Button("取消报名", "取消报名 12"))
    await street.put("first", not_before=NOW - seconds(1), ref="activity:12", buttons=buttons)
    await street.put("third", not_before=NOW, member_id=street.people[0])

    claimed = await street.claim("p1")

    assert [message.text for message in claimed] == ["first", "second", "third"]
    assert claimed[0] == Claimed(
        claimed[0].id,
        street.ground.community.id,
        street.groups[0],
        None,
        "first",
        "activity:12",
        NOW - seconds(1),
        NOW + timedelta(hours=1),
        0,
        buttons=buttons,
    )
    # What is due now waits behind what another postman has in hand for the same group.
    assert await street.claimed("p2", after=seconds(1)) == []


async def test_claim_takes_no_more_than_it_is_told(street: Street) -> None:
    for number in range(5):
        await street.put(str(number), group_id=None, member_id=street.people[number % 2])

    assert await street.claimed("p1", most=2) == ["0", "1"]


async def test_leased_message_is_passed_by_until_its_lease_runs_out(street: Street) -> None:
    await street.put("a")
    assert await street.claimed("p1") == ["a"]

    assert await street.claimed("p2", after=LEASE - seconds(0.001)) == []
    assert await street.claimed("p2", after=LEASE) == ["a"]
    assert await street.claimed("p1", after=LEASE) == []


async def test_two_claimers_at_once_share_what_is_due(street: Street, database_url: str) -> None:
    for number in range(40):
        await street.put(str(number), group_id=None, member_id=street.people[number % 2])
        await street.put(f"g{number}", group_id=street.groups[number % 2])
    replica = await Books.open(database_url, threads=4) if "postgresql" in database_url else street.books
    beside = Street(replica, street.ground, street.groups)

    claims = await asyncio.gather(
        *(one.claim(f"p{number}", most=30) for number in range(6) for one in (street, beside))
    )

    taken = [message.id for claim in claims for message in claim]
    assert len(taken) == len(set(taken)) > 0
    # One recipient, one postman: nobody can overtake.
    holders: dict[tuple[int | None, int | None], set[int]] = {}
    for number, claim in enumerate(claims):
        for message in claim:
            holders.setdefault((message.group_id, message.member_id), set()).add(number)
    assert [len(who) for who in holders.values()] == [1] * len(holders)
    if replica is not street.books:
        await replica.close()


async def test_message_that_waits_for_its_next_try_holds_back_its_recipient_only(street: Street) -> None:
    for key in ("a", "b"):
        await street.put(key)
    await street.put("elsewhere", group_id=street.groups[1])
    (first,) = await street.claim("p1", most=1)
    await street.put_back([first.id], "p1", seconds(10))

    assert await street.claimed("p2", after=seconds(9.999)) == ["elsewhere"]
    assert await street.claimed("p2", after=seconds(10)) == ["a", "b"]


async def test_released_message_is_free_at_once(street: Street) -> None:
    await street.put("a")
    (message,) = await street.claim("p1")
    await street.books.write(lambda session: outbox.release(session, ids=[message.id], token="p1"))

    assert await street.claimed("p2") == ["a"]


async def test_expired_message_is_claimed_whatever_it_waits_for(street: Street) -> None:
    await street.put("a", expires_at=NOW + seconds(5))
    await street.put("b", expires_at=NOW + seconds(5))
    (message,) = await street.claim("p1", most=1)
    await street.put_back([message.id], "p1", timedelta(hours=1))

    assert await street.claimed("p2", after=seconds(4.999)) == []
    assert await street.claimed("p2", after=seconds(5)) == ["a", "b"]


async def test_what_ended_is_never_claimed_again(street: Street) -> None:
    for number, state in enumerate((OutboxState.SENT, OutboxState.FAILED, OutboxState.UNKNOWN)):
        await street.put(state)
        (message,) = await street.claim(f"p{number}")
        await street.finish([message.id], f"p{number}", state, "because")

    assert await street.claimed("p9", after=timedelta(minutes=59)) == []
    assert await street.states() == {"sent": "sent", "failed": "failed", "unknown": "unknown"}


# -- who may write ----------------------------------------


async def test_postman_that_lost_its_lease_writes_nothing(street: Street) -> None:
    await street.put("a")
    (message,) = await street.claim("zombie")
    (again,) = await street.claim("heir", after=LEASE)
    assert again.id == message.id
    before = await row(street, "a")

    await street.finish([message.id], "zombie", OutboxState.SENT)
    await street.put_back([message.id], "zombie", seconds(1))
    await street.books.write(lambda session: outbox.release(session, ids=[message.id], token="zombie"))
    await street.books.write(lambda session: outbox.part_sent(session, outbox_id=message.id, token="zombie", parts=1))
    with pytest.raises(LeaseLost):
        await street.begin([message.id], "zombie", after=LEASE)

    assert await row(street, "a") == before
    assert await attempts(street) == []


async def test_attempt_begins_with_all_of_its_messages_or_with_none(street: Street) -> None:
    for key in ("a", "b"):
        await street.put(key)
    first, second = await street.claim("p1")
    # The operator gave one of them up meanwhile.
    await street.finish([second.id], "p1", OutboxState.FAILED, "given up")

    with pytest.raises(LeaseLost):
        await street.begin([first.id, second.id], "p1")

    assert (await row(street, "a"))["tries"] == 0
    assert await attempts(street) == []


@pytest.mark.parametrize("after", [LEASE, timedelta(hours=1)])
async def test_attempt_does_not_begin_after_the_lease_or_the_moment(street: Street, after: timedelta) -> None:
    await street.put("a", expires_at=NOW + timedelta(minutes=30))
    (message,) = await street.claim("p1")

    with pytest.raises(LeaseLost):
        await street.begin([message.id], "p1", after=after)


async def test_attempt_renews_the_lease_and_counts(street: Street) -> None:
    await street.put("a")
    (message,) = await street.claim("p1")

    begun = [await street.begin([message.id], "p1", after=seconds(50)) for _ in range(2)]

    assert [one.tries for one in begun] == [{message.id: 1}, {message.id: 2}]
    assert await street.claimed("p2", after=LEASE) == []
    assert await street.claimed("p2", after=LEASE + seconds(50)) == ["a"]


async def test_next_part_has_all_its_tries_before_it(street: Street) -> None:
    await street.put("a")
    (message,) = await street.claim("p1")
    await street.begin([message.id], "p1")
    await street.books.write(lambda session: outbox.part_sent(session, outbox_id=message.id, token="p1", parts=1))

    assert (await street.begin([message.id], "p1")).tries == {message.id: 1}
    (again,) = await street.claim("p2", after=LEASE)
    assert again.parts_sent == 1


async def row(street: Street, key: str) -> dict[str, Any]:
    return await street.books.read(
        lambda session: dict(session.execute(select(Outbox.__table__).where(Outbox.key == key)).mappings().one())
    )


async def attempts(street: Street) -> list[tuple[str, str]]:
    def unit(session: Session) -> list[tuple[str, str]]:
        return [(one.outcome, one.detail) for one in session.execute(select(Attempt.outcome, Attempt.detail))]

    return await street.books.read(unit)


# -- attempts ----------------------------------------


async def test_attempts_without_an_answer_are_known(street: Street) -> None:
    for key in ("a", "b", "c"):
        await street.put(key)
    a, b, c = [message.id for message in await street.claim("p1")]
    lost = (await street.begin([a, b], "p1")).attempt_id
    running = (await street.begin([b, c], "p1")).attempt_id
    failed = (await street.begin([a, c], "p1")).attempt_id
    await street.end(lost, AttemptOutcome.UNKNOWN)
    await street.end(failed, AttemptOutcome.FAILED)

    found = await street.books.read(lambda session: outbox.lost_attempts(session, [a, b]))

    assert sorted(found, key=lambda one: (one.attempt_id, one.outbox_id)) == [
        Lost(a, lost, "webhook", False),
        Lost(b, lost, "webhook", False),
        Lost(b, running, "webhook", True),
    ]


KNOWN = [
    ((AttemptOutcome.SENT, AttemptOutcome.UNKNOWN), "sent"),
    ((AttemptOutcome.FAILED, AttemptOutcome.UNKNOWN), "failed"),
    ((AttemptOutcome.UNKNOWN, AttemptOutcome.SENT), "sent"),
    ((AttemptOutcome.UNKNOWN, AttemptOutcome.FAILED), "failed"),
    ((AttemptOutcome.SENT, AttemptOutcome.FAILED), "sent"),
]


async def test_known_answer_of_an_attempt_stays(street: Street) -> None:
    await street.put("a")
    (message,) = await street.claim("p1")
    for outcomes, _ in KNOWN:
        begun = await street.begin([message.id], "p1")
        for outcome in outcomes:
            await street.end(begun.attempt_id, outcome)

    assert await attempts(street) == [(stays, "why") for _, stays in KNOWN]


SENT, FAILED, NOT_SENT, UNKNOWN = (
    AttemptOutcome.SENT,
    AttemptOutcome.FAILED,
    AttemptOutcome.NOT_SENT,
    AttemptOutcome.UNKNOWN,
)
Tried = tuple[float, float | None, AttemptOutcome]


async def note(street: Street, address: str, tried: list[Tried]) -> None:
    """Attempts of one address: when each began and ended in seconds, and how."""

    def unit(session: Session) -> None:
        for began, ended, outcome in tried:
            row = {
                "community_id": street.ground.community.id,
                "channel": "webhook",
                "address": address,
                "began_at": NOW + seconds(began),
                "ended_at": None if ended is None else NOW + seconds(ended),
                "outcome": AttemptOutcome.RUNNING if ended is None else outcome,
            }
            session.execute(insert(Attempt), row)

    await street.books.write(unit)


RESTS: dict[str, tuple[list[Tried], float, float]] = {
    "nothing was sent": ([], 0, 0),
    "not at the cap": ([(0, 1, SENT)] * 2, 2, 0),
    "at the cap": ([(0, 1, SENT), (1, 2, FAILED), (2, 3, UNKNOWN)], 3, 58),
    "nearly free": ([(0, 1, SENT), (1, 2, SENT), (2, 3, SENT)], 60.999, 0.001),
    "just free": ([(0, 1, SENT), (1, 2, SENT), (2, 3, SENT)], 61, 0),
    "what never left counts for no limit": ([(0, 1, SENT), (1, 2, NOT_SENT), (2, 3, SENT)], 3, 0),
    "a slow one may have arrived at its end": ([(0, 9, SENT), (0, 30, SENT), (0, 9, SENT)], 60, 9),
    "the second of two bursts": ([(0, 1, SENT)] * 3 + [(61, 62, SENT)] * 3, 70, 52),
    "one under way may arrive just now": ([(0, 1, SENT), (1, 2, SENT), (2, None, SENT)], 3, 58),
    "all are under way": ([(0, None, SENT)] * 3, 5, 60),
    "a long-dead postman's does not count for ever": ([(0, None, SENT)] * 3, 121, 0),
    "the clock was set back an hour": ([(3600, 3601, SENT)] * 3, 5, 0),
    "the clock was set back a little": ([(3, 4, SENT)] * 3, 1, 63),
}


async def test_address_rests_until_every_limit_is_kept(street: Street) -> None:
    for address, (tried, _, _) in RESTS.items():
        await note(street, address, tried)

    waits = {address: await street.wait(after=seconds(at), address=address) for address, (_, at, _) in RESTS.items()}
    assert waits == {address: seconds(rest) for address, (_, _, rest) in RESTS.items()}
    free = [await street.wait(after=seconds(at), address=address, limits=[]) for address, (_, at, _) in RESTS.items()]
    assert free == [seconds(0)] * len(RESTS)


async def test_strictest_limit_decides(street: Street) -> None:
    await note(street, "3栋群", [(moment, moment, SENT) for moment in range(3)])

    assert await street.wait(after=seconds(10), limits=[(3, MINUTE), (2, seconds(100)), (9, MINUTE)]) == seconds(91)


# -- routes and figures ----------------------------------------


async def test_routes_name_every_way_to_a_recipient_and_nobody_elses(street: Street) -> None:
    def unit(session: Session) -> None:
        for channel, address, sealed in (("webhook", "3栋群", "sealed"), ("aibot", "wrx3", "")):
            add_endpoint(
                session,
                community_id=street.ground.community.id,
                group_id=street.groups[0],
                channel=channel,
                address=address,
                now=NOW,
                sealed_secret=sealed,
            )

    await street.books.write(unit)
    await street.put("group")
    await street.put("nobody", group_id=street.groups[1])
    await street.put("person", group_id=None, member_id=street.people[0])
    claimed = {message.text: message for message in await street.claim("p1")}

    def ways(session: Session) -> dict[str, list[Route]]:
        return {name: outbox.routes(session, message) for name, message in claimed.items()}

    assert await street.books.read(ways) == {
        "group": [Route("webhook", "", "3栋群", "sealed"), Route("aibot", "", "wrx3", "")],
        "nobody": [],
        "person": [Route("", "simulator", "王秀英", "", opened=False)],
    }


async def test_waiting_count_counts_what_is_due_and_not_out(street: Street) -> None:
    async def count(at: datetime) -> int:
        return await street.books.read(lambda session: outbox.waiting_count(session, now=at))

    assert await count(NOW) == 0
    for key in ("a", "b"):
        await street.put(key)
    await street.put("later", not_before=NOW + seconds(30))
    (first, _) = await street.claim("p1")
    assert await count(NOW) == 2
    await street.finish([first.id], "p1", OutboxState.SENT)
    assert [await count(NOW), await count(NOW + MINUTE)] == [1, 2]


# -- however many rows ----------------------------------------


def bulk(street: Street, count: int) -> list[dict[str, Any]]:
    """Half wait for later, half are finished."""
    return [
        {
            "community_id": street.ground.community.id,
            "key": f"bulk:{number}",
            "group_id": street.groups[number % 2],
            "text": "今晚停水",
            "created_at": NOW,
            "not_before": NOW + timedelta(days=1, seconds=number) if number % 2 else NOW - seconds(number),
            "expires_at": NOW + timedelta(days=9),
            "state": OutboxState.WAITING if number % 2 else OutboxState.SENT,
            "finished_at": None if number % 2 else NOW,
        }
        for number in range(count)
    ]


async def test_claim_looks_at_what_is_due_and_held_and_at_nothing_else(street: Street) -> None:
    """The plan, not the time: a test on a busy machine sees that the indexes are used, `bench.outbox` how fast."""

    def lay_many(session: Session) -> None:
        session.execute(insert(Outbox), bulk(street, 4000))

    await street.books.write(lay_many)

    def plan(session: Session) -> str:
        cursor, dialect = driver(session)
        if dialect.name == "postgresql":
            cursor.execute("ANALYZE outbox")
        made = claiming._DUE._make(dialect)
        values: dict[str, Any] = {"now": NOW, "wall": NOW, "most": 200}
        for name, convert in made.binds:
            values[name] = convert(made.fixed.get(name, values.get(name)))
        explain = "EXPLAIN (COSTS OFF) " if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(explain + made.sql, {**made.fixed, **values})
        return "\n".join(str(row) for row in cursor.fetchall())

    told = await street.books.write(plan)

    assert "ix_outbox_due" in told, told
    assert "ix_outbox_held" in told, told
    # Whatever walks over the whole table is named so: SCAN without an index here, Seq Scan there.
    assert not re.search(
        r"Seq Scan on outbox|SCAN outbox(?! USING INDEX ix_outbox_(due|held))|SCAN other(?! USING)", told
    )
