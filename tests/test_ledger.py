"""The ledger: once per key, never changed, and the derived tables are always the sums."""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.books import Books
from models import ledger
from models.clock import SHANGHAI, month_of
from models.database import savepoint
from models.ledger import (
    AlreadyCorrected,
    Balance,
    Currency,
    Entry,
    MonthlyTotal,
    NoSuchTransfer,
    NotEnough,
    Posted,
    SystemAccount,
    Transfer,
    balance_of,
    month_total,
    statement,
)
from tests.ground import Ground, lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
NOVEMBER, DECEMBER = 202611, 202612
IN_DECEMBER = datetime(2026, 12, 1, 0, 0, tzinfo=SHANGHAI)


def post(session: Session, ground: Ground, key: str, amount: int, **changed: Any) -> Posted | None:
    """Points for 王秀英, unless said otherwise."""
    values: dict[str, Any] = {
        "community_id": ground.community.id,
        "key": key,
        "currency": Currency.POINTS,
        "debit": SystemAccount.ISSUED,
        "credit": ground.people["王秀英"],
        "amount": amount,
        "reason": "award",
        "ref": "award:1",
        "made_by": ground.people["张敏"],
        "at": NOW,
        **changed,
    }
    return ledger.transfer(session, **values)


def posting(ground: Ground, key: str, amount: int, **changed: Any) -> Callable[[Session], Posted | None]:
    return lambda session: post(session, ground, key, amount, **changed)


def correcting(
    ground: Ground, transfer_id: int, *, at: datetime = NOW, theirs: bool = False
) -> Callable[[Session], Posted]:
    return lambda session: ledger.correct(
        session,
        community_id=(ground.elsewhere if theirs else ground.community).id,
        transfer_id=transfer_id,
        made_by=ground.people["张敏"],
        reason="undo",
        note="重复签到",
        at=at,
    )


def balance(session: Session, ground: Ground, name: str, currency: Currency = Currency.POINTS) -> int:
    return balance_of(session, community_id=ground.community.id, member_id=ground.people[name], currency=currency)


def month(session: Session, ground: Ground, name: str, number: int) -> int:
    return month_total(
        session,
        community_id=ground.community.id,
        member_id=ground.people[name],
        currency=Currency.POINTS,
        month=number,
    )


def derived(session: Session) -> tuple[list[Any], list[Any]]:
    """All rows of both derived tables."""
    return (
        sorted(tuple(row) for row in session.execute(select(Balance.__table__))),  # type: ignore[arg-type]
        sorted(tuple(row) for row in session.execute(select(MonthlyTotal.__table__))),  # type: ignore[arg-type]
    )


def proven(session: Session) -> None:
    """The ledger's own invariants hold."""
    for invariant in ledger.INVARIANTS:
        assert session.execute(invariant.culprits).all() == [], invariant.name


async def test_a_transfer_stands_with_both_sides_source_and_giver(books: Books) -> None:
    ground = await books.write(lay)
    posted = await books.write(posting(ground, "award:1", 5, note="修好了路灯"))
    assert posted is not None
    assert (posted.balance, posted.month_total) == (5, 5)

    def look(session: Session) -> tuple[Any, ...]:
        return tuple(session.execute(select(Transfer.__table__)).one())

    member, giver = ground.people["王秀英"], ground.people["张敏"]
    assert await books.read(look) == (
        posted.id, ground.community.id, "award:1", "points", -1, member, 5,
        "award", "award:1", NOVEMBER, giver, None, NOW,
    )  # fmt: skip


async def test_one_transfer_per_key(books: Books) -> None:
    ground = await books.write(lay)
    assert await books.write(posting(ground, "check-in:1", 5)) is not None
    assert await books.write(posting(ground, "check-in:1", 5)) is None
    assert await books.write(posting(ground, "check-in:1", 9, credit=ground.people["李建国"])) is None
    assert await books.read(lambda s: (balance(s, ground, "王秀英"), balance(s, ground, "李建国"))) == (5, 0)


async def test_a_key_belongs_to_its_community(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(posting(ground, "check-in:1", 5))
    theirs = await books.write(
        posting(ground, "check-in:1", 7, community_id=ground.elsewhere.id, credit=ground.people["王五"])
    )
    assert theirs is not None
    assert theirs.balance == 7


@pytest.mark.parametrize("amount", [0, -1])
async def test_an_amount_is_positive(books: Books, amount: int) -> None:
    ground = await books.write(lay)
    with pytest.raises(Exception, match=r"(?i)check constraint|ck_transfers"):
        await books.write(posting(ground, "award:1", amount))
    assert await books.read(derived) == ([], [])


async def test_nobody_transfers_to_themselves(books: Books) -> None:
    ground = await books.write(lay)
    me = ground.people["王秀英"]
    with pytest.raises(Exception, match=r"(?i)check constraint|ck_transfers"):
        await books.write(posting(ground, "award:1", 1, debit=me, credit=me))


async def test_spending_more_than_there_is_writes_nothing(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(posting(ground, "award:1", 5))
    spend = {"debit": ground.people["王秀英"], "credit": SystemAccount.REDEEMED}
    before = await books.read(derived)
    with pytest.raises(NotEnough) as caught:
        await books.write(posting(ground, "redeem:1", 6, **spend))
    assert caught.value.fields == {"balance": 5, "amount": 6}
    assert await books.read(derived) == before
    # The key is free again, and the last point can be spent.
    posted = await books.write(posting(ground, "redeem:1", 5, **spend))
    assert posted is not None
    assert posted.balance == 0


async def test_somebody_without_a_balance_has_nothing_to_spend(books: Books) -> None:
    ground = await books.write(lay)
    with pytest.raises(NotEnough) as caught:
        await books.write(posting(ground, "redeem:1", 1, debit=ground.people["李建国"], credit=SystemAccount.REDEEMED))
    assert caught.value.fields == {"balance": 0, "amount": 1}
    assert await books.read(derived) == ([], [])


@pytest.mark.parametrize(("giver", "taker"), [("王秀英", "李建国"), ("李建国", "王秀英")])
async def test_between_two_people_the_balance_told_is_the_credited_ones(books: Books, giver: str, taker: str) -> None:
    ground = await books.write(lay)
    people = ground.people
    await books.write(posting(ground, "award:1", 10, credit=people[giver]))
    await books.write(posting(ground, "award:2", 1, credit=people[taker]))
    posted = await books.write(posting(ground, "gift:1", 3, debit=people[giver], credit=people[taker]))
    assert posted is not None
    assert (posted.balance, posted.month_total) == (4, 4)
    assert await books.read(lambda s: (balance(s, ground, giver), balance(s, ground, taker))) == (7, 4)


async def test_currencies_are_never_added_together(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[int]:
        for number, currency in enumerate(Currency, 1):
            post(session, ground, f"x:{number}", number, currency=currency)
        return [balance(session, ground, "王秀英", currency) for currency in Currency]

    assert await books.write(unit) == [1, 2, 3]


@pytest.mark.parametrize(
    ("at", "counts_in"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999999, SHANGHAI), NOVEMBER),
        (IN_DECEMBER, DECEMBER),
    ],
)
async def test_points_count_in_the_shanghai_month_of_their_moment(books: Books, at: datetime, counts_in: int) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> dict[int, int]:
        post(session, ground, "award:1", 5, at=at)
        return {number: month(session, ground, "王秀英", number) for number in (NOVEMBER, DECEMBER)}

    assert await books.write(unit) == {NOVEMBER: 0, DECEMBER: 0} | {counts_in: 5}


# -- never changed ----------------------------------------


STATEMENTS = ("UPDATE transfers SET amount = 500", "DELETE FROM transfers", "TRUNCATE transfers CASCADE")


@pytest.mark.parametrize("statement_", STATEMENTS)
async def test_what_is_written_cannot_be_changed(books: Books, statement_: str) -> None:
    ground = await books.write(lay)
    await books.write(posting(ground, "award:1", 5))
    dialect = await books.read(lambda s: s.get_bind().dialect.name)
    if dialect == "sqlite" and statement_.startswith("TRUNCATE"):
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DBAPIError, match="transfers are append-only"):
        await books.write(lambda s: s.execute(text(statement_)))
    assert await books.read(lambda s: s.scalars(select(Transfer.amount)).all()) == [5]


async def test_a_refused_change_leaves_the_rest_of_its_batch_alone(books: Books) -> None:
    """On SQLite all of these share one transaction: the trigger must undo its statement only."""
    ground = await books.write(lay)
    gate = threading.Event()
    committed: list[int] = []
    books.on_commit.append(lambda units, _seconds: committed.append(units))

    def change(statement_: str) -> Callable[[Session], Any]:
        def unit(session: Session) -> None:
            post(session, ground, f"before:{statement_}", 1)
            session.execute(text(statement_))

        return unit

    def survive(session: Session) -> Posted | None:
        # The failing statement within a savepoint of the unit's own: what follows still counts.
        with pytest.raises(DBAPIError), savepoint(session, "part"):
            post(session, ground, "inside", 100)
            session.execute(text(STATEMENTS[1]))
        return post(session, ground, "after", 10)

    held = asyncio.ensure_future(books.write(lambda _s: gate.wait(10)))
    await asyncio.sleep(0.05)
    waiting = asyncio.gather(
        books.write(posting(ground, "first", 2)),
        books.write(change(STATEMENTS[0])),
        books.write(posting(ground, "second", 3)),
        books.write(change(STATEMENTS[1])),
        books.write(survive),
        books.write(posting(ground, "third", 4)),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    gate.set()
    results = await waiting
    assert await held
    assert [isinstance(result, Posted) for result in results] == [True, False, True, False, True, True]
    assert all(isinstance(results[index], DBAPIError) for index in (1, 3))
    if await books.read(lambda s: s.get_bind().dialect.name) == "sqlite":
        assert committed == [1, 6]
    keys = await books.read(lambda s: sorted(s.scalars(select(Transfer.key))))
    assert keys == ["after", "first", "second", "third"]
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 19
    await books.read(proven)
    assert await books.write(posting(ground, "later", 1)) is not None


# -- corrections ----------------------------------------


async def test_a_correction_counts_in_the_month_of_the_first(books: Books) -> None:
    ground = await books.write(lay)
    first = await books.write(posting(ground, "check-in:1", 5))
    assert first is not None
    posted = await books.write(correcting(ground, first.id, at=IN_DECEMBER))
    assert (posted.balance, posted.month_total) == (0, 0)

    def look(session: Session) -> tuple[Any, ...]:
        row = session.execute(select(Transfer).where(Transfer.id == posted.id)).scalar_one()
        return (
            (row.debit, row.credit, row.amount, row.month, row.corrects, row.reason, row.ref, row.at),
            month(session, ground, "王秀英", NOVEMBER),
            month(session, ground, "王秀英", DECEMBER),
        )

    assert await books.read(look) == (
        (ground.people["王秀英"], -1, 5, NOVEMBER, first.id, "undo", "award:1", IN_DECEMBER),
        0,
        0,
    )
    await books.read(proven)


async def test_a_transfer_is_corrected_once(books: Books) -> None:
    ground = await books.write(lay)
    first = await books.write(posting(ground, "check-in:1", 5))
    assert first is not None
    await books.write(correcting(ground, first.id))
    with pytest.raises(AlreadyCorrected) as caught:
        await books.write(correcting(ground, first.id))
    assert caught.value.fields == {"number": first.id}
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 0


async def test_a_correction_is_possible_where_the_points_are_spent(books: Books) -> None:
    ground = await books.write(lay)
    first = await books.write(posting(ground, "check-in:1", 5))
    assert first is not None
    member = ground.people["王秀英"]
    await books.write(posting(ground, "redeem:1", 4, debit=member, credit=SystemAccount.REDEEMED))
    posted = await books.write(correcting(ground, first.id))
    assert posted.balance == -4
    with pytest.raises(NotEnough):
        await books.write(posting(ground, "redeem:2", 1, debit=member, credit=SystemAccount.REDEEMED))
    await books.read(proven)


async def test_nothing_of_another_community_is_corrected(books: Books) -> None:
    ground = await books.write(lay)
    first = await books.write(posting(ground, "check-in:1", 5))
    assert first is not None
    with pytest.raises(NoSuchTransfer):
        await books.write(correcting(ground, first.id, theirs=True))
    with pytest.raises(NoSuchTransfer):
        await books.write(correcting(ground, first.id + 1000))


async def test_correct_all_takes_back_what_stands_and_says_how_much(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[dict[Currency, int]]:
        post(session, ground, "check-in:1", 5)
        post(session, ground, "hours:1", 2)
        post(session, ground, "check-out:1", 90, currency=Currency.RECORDED_MINUTES)
        keys = ["check-in:1", "hours:1", "check-out:1", "check-in:2"]
        community_id, by = ground.community.id, ground.people["张敏"]
        return [
            ledger.correct_all(session, community_id=community_id, keys=keys[:1], made_by=by, at=NOW),
            ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=NOW),
            ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=NOW),
        ]

    assert await books.write(unit) == [
        {Currency.POINTS: 5},
        {Currency.POINTS: 2, Currency.RECORDED_MINUTES: 90},
        {},
    ]
    assert await books.read(lambda s: [balance(s, ground, "王秀英", currency) for currency in Currency]) == [0, 0, 0]


# -- sums ----------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
async def test_derived_tables_equal_the_sums_under_random_transfers(books: Books, seed: int) -> None:
    ground = await books.write(lay)
    chance = random.Random(seed)
    names = ["王秀英", "李建国", "陈美玲", "孙姐", "老赵"]
    members = [ground.people[name] for name in names]
    balances: dict[tuple[int, str], int] = defaultdict(int)
    months: dict[tuple[int, str, int], int] = defaultdict(int)
    lines: dict[tuple[int, str], list[int]] = defaultdict(list)
    posted: dict[int, tuple[int, int, int, str, int]] = {}
    corrected: set[int] = set()
    refused = {"twice": 0, "not enough": 0, "corrected": 0}

    def book(transfer_id: int, debit: int, credit: int, amount: int, currency: str, month_: int) -> None:
        for account, change in ((debit, -amount), (credit, amount)):
            if account > 0:
                balances[account, currency] += change
                months[account, currency, month_] += change
                lines[account, currency].append(change)
        posted[transfer_id] = (debit, credit, amount, currency, month_)

    def one(session: Session, number: int) -> None:
        at = NOW + timedelta(hours=number * 5, seconds=chance.randint(0, 10_000))
        if posted and chance.random() < 0.15:
            first = chance.choice(list(posted))
            debit, credit, amount, currency, month_ = posted[first]
            try:
                done = correcting(ground, first, at=at)(session)
            except AlreadyCorrected:
                assert first in corrected
                refused["corrected"] += 1
                return
            corrected.add(first)
            book(done.id, credit, debit, amount, currency, month_)
            return
        currency = chance.choice(list(Currency))
        amount = chance.randint(1, 12)
        debit, credit = chance.choice(
            [
                (SystemAccount.ISSUED, chance.choice(members)),
                (SystemAccount.ISSUED, chance.choice(members)),
                (chance.choice(members), SystemAccount.REDEEMED),
                (chance.choice(members), SystemAccount.DEDUCTED),
                tuple(chance.sample(members, 2)),
            ]
        )
        try:
            with savepoint(session, "one"):
                done_ = post(
                    session, ground, f"n:{number}", amount, debit=debit, credit=credit, currency=currency, at=at
                )
        except NotEnough:
            assert balances[debit, currency] < amount
            refused["not enough"] += 1
            return
        assert done_ is not None
        book(done_.id, debit, credit, amount, currency, month_of(at))
        told = credit if credit > 0 else debit
        assert (done_.balance, done_.month_total) == (
            balances[told, currency],
            months[told, currency, month_of(at)],
        )
        # What was posted is not posted again.
        if chance.random() < 0.1:
            assert post(session, ground, f"n:{number}", 99, at=at) is None
            refused["twice"] += 1

    def unit(session: Session) -> None:
        for number in range(500):
            one(session, number)

    await books.write(unit)
    assert len({month_ for *_, month_ in posted.values()}) >= 4
    assert min(refused.values()) >= 5

    def look(session: Session) -> None:
        mine, monthly = derived(session)
        community_id = ground.community.id
        assert {row[1:3]: row[3] for row in mine} == dict(balances)
        assert {row[1:4]: row[4] for row in monthly} == dict(months)
        for (member_id, currency), changes in lines.items():
            entries = statement(
                session, community_id=community_id, member_id=member_id, currency=Currency(currency), limit=1000
            )
            assert [entry.change for entry in reversed(entries)] == changes
        proven(session)

    await books.read(look)


async def test_concurrent_transfers_on_one_member_lose_nothing(books: Books) -> None:
    ground = await books.write(lay)

    async def task(number: int) -> list[Posted | None]:
        return [await books.write(posting(ground, f"t:{number}:{turn}", number + 1)) for turn in range(15)]

    results = await asyncio.gather(*(task(number) for number in range(8)))
    told = [posted.balance for some in results for posted in some if posted is not None]
    assert (len(told), len(set(told)), max(told)) == (120, 120, 15 * 36)

    def look(session: Session) -> tuple[int, int, int]:
        count = session.scalar(select(func.count()).select_from(Transfer))
        return balance(session, ground, "王秀英"), month(session, ground, "王秀英", NOVEMBER), count or 0

    assert await books.read(look) == (15 * 36, 15 * 36, 120)
    await books.read(proven)


async def test_eight_that_post_one_key_at_once_post_it_once(books: Books) -> None:
    ground = await books.write(lay)
    results = await asyncio.gather(*(books.write(posting(ground, "check-in:1", 5)) for _ in range(8)))
    assert sum(posted is not None for posted in results) == 1
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 5


async def test_eight_that_correct_one_transfer_at_once_correct_it_once(books: Books) -> None:
    ground = await books.write(lay)
    first = await books.write(posting(ground, "check-in:1", 5))
    assert first is not None
    results = await asyncio.gather(
        *(books.write(correcting(ground, first.id)) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AlreadyCorrected"] * 7 + ["Posted"]
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 0


async def test_two_who_give_to_each_other_never_wait_crosswise(books: Books) -> None:
    ground = await books.write(lay)
    pair = ground.people["王秀英"], ground.people["李建国"]
    for number, member_id in enumerate(pair):
        await books.write(posting(ground, f"award:{number}", 100, credit=member_id))

    async def task(number: int) -> None:
        giver, taker = pair if number % 2 else pair[::-1]
        for turn in range(10):
            await books.write(posting(ground, f"gift:{number}:{turn}", 1, debit=giver, credit=taker))

    await asyncio.gather(*(task(number) for number in range(8)))
    assert await books.read(lambda s: (balance(s, ground, "王秀英"), balance(s, ground, "李建国"))) == (100, 100)
    await books.read(proven)


async def test_nobody_spends_the_same_points_twice(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(posting(ground, "award:1", 10))
    member = ground.people["王秀英"]
    results = await asyncio.gather(
        *(
            books.write(posting(ground, f"redeem:{n}", 3, debit=member, credit=SystemAccount.REDEEMED))
            for n in range(8)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["NotEnough"] * 5 + ["Posted"] * 3
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 1
    await books.read(proven)


# -- statements ----------------------------------------


async def test_a_statement_is_newest_first_signed_and_paged(books: Books) -> None:
    ground = await books.write(lay)
    member, other = ground.people["王秀英"], ground.people["李建国"]

    def unit(session: Session) -> list[int]:
        made = [
            post(session, ground, "a", 10),
            post(session, ground, "b", 3, debit=member, credit=SystemAccount.DEDUCTED, reason="deduct", note="占道"),
            post(session, ground, "c", 60, currency=Currency.RECORDED_MINUTES),
            post(session, ground, "d", 2, debit=member, credit=other, made_by=None),
            post(session, ground, "e", 1, debit=other, credit=member),
        ]
        return [posted.id for posted in made if posted]

    ids = await books.write(unit)

    def page(limit: int, before_id: int | None = None, community_id: int = 0) -> Callable[[Session], list[Entry]]:
        return lambda s: statement(
            s,
            community_id=community_id or ground.community.id,
            member_id=member,
            currency=Currency.POINTS,
            limit=limit,
            before_id=before_id,
        )

    giver = ground.people["张敏"]
    whole = await books.read(page(10))
    assert whole == [
        Entry(ids[4], 1, "award", "award:1", "", NOVEMBER, giver, None, NOW),
        Entry(ids[3], -2, "award", "award:1", "", NOVEMBER, None, None, NOW),
        Entry(ids[1], -3, "deduct", "award:1", "占道", NOVEMBER, giver, None, NOW),
        Entry(ids[0], 10, "award", "award:1", "", NOVEMBER, giver, None, NOW),
    ]
    assert await books.read(page(2)) == whole[:2]
    assert await books.read(page(2, whole[1].id)) == whole[2:]
    assert await books.read(page(2, ids[0])) == []
    assert await books.read(page(10, community_id=ground.elsewhere.id)) == []
