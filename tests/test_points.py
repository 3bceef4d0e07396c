"""Points given by hand, disagreement about them, and who stands where."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from models import ledger, points
from models.base import Refusal
from models.clock import SHANGHAI
from models.database import savepoint
from models.ledger import AlreadyCorrected, Currency, NoSuchTransfer, NotEnough, SystemAccount, Transfer
from models.members import Member, Neighbour, Role, find_member
from models.points import (
    AppealDecided,
    AppealedAlready,
    AppealState,
    Award,
    BeyondScope,
    Board,
    Decided,
    Given,
    Months,
    NoSuchAppeal,
    OwnDecision,
    PointsMissing,
    Ranked,
    TakenBack,
    TooManyPoints,
    ToOneself,
    WaitingAppeal,
    award_points,
    board,
    months_of,
    show_on_boards,
    undo_award,
)
from tests.ground import Ground, add_many, add_person, lay, person
from tests.ground import give as give_role
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
NOVEMBER = Months(202611, 202611)
WAITING, UPHELD, DISMISSED, WITHDRAWN = AppealState


def proven(session: Session) -> None:
    for invariant in (*points.INVARIANTS, *ledger.INVARIANTS):
        assert session.execute(invariant.culprits).all() == [], invariant.name


def neighbour(session: Session, ground: Ground, name: str) -> Neighbour:
    community = ground.elsewhere if name == "王五" else ground.community
    return find_member(session, community_id=community.id, name=name)


def give(
    session: Session, ground: Ground, by: str, to: str, amount: int, *, reason: str = "修灯", most: int = 100
) -> Given:
    return award_points(
        session,
        giver=person(session, by),
        member=neighbour(session, ground, to),
        points=amount,
        reason=reason,
        now=NOW,
        most=most,
    )


def balance(session: Session, ground: Ground, name: str) -> int:
    return ledger.balance_of(
        session, community_id=ground.community.id, member_id=ground.people[name], currency=Currency.POINTS
    )


# -- 加分 and 扣分 ----------------------------------------


async def test_an_award_names_its_giver_and_its_reason(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        given = give(session, ground, "老赵", "王秀英", 5)
        taken = give(session, ground, "老赵", "王秀英", -2, reason="占用楼道")
        assert (given.balance, taken.balance) == (5, 3)
        member, giver = ground.people["王秀英"], ground.people["老赵"]
        rows = session.execute(
            select(
                Award.id, Award.member_id, Award.points, Award.reason, Award.made_by, Award.at, Award.undone_at
            ).order_by(Award.id)
        ).all()
        assert [tuple(row) for row in rows] == [
            (given.id, member, 5, "修灯", giver, NOW, None),
            (taken.id, member, -2, "占用楼道", giver, NOW, None),
        ]
        lines = ledger.statement(
            session, community_id=ground.community.id, member_id=member, currency=Currency.POINTS, limit=5
        )
        assert [(line.change, line.reason, line.ref, line.note, line.made_by) for line in lines] == [
            (-2, "deduct", f"award:{taken.id}", "占用楼道", giver),
            (5, "award", f"award:{given.id}", "修灯", giver),
        ]
        proven(session)

    await books.write(unit)


GIVING: tuple[tuple[str, str, int, Refusal | None], ...] = (
    ("老赵", "王秀英", 100, None),
    ("老赵", "李建国", 1, None),
    ("老赵", "孙姐", 5, BeyondScope(name="孙姐")),
    ("老赵", "孙姐", -5, BeyondScope(name="孙姐")),
    ("老魏", "王秀英", 5, BeyondScope(name="王秀英")),
    ("孙丽", "孙姐", 5, None),
    ("张敏", "王秀英", 5, None),
    ("张敏", "王五", 5, BeyondScope(name="王五")),
    ("王五", "王秀英", 5, BeyondScope(name="王秀英")),
    ("刘洋", "李建国", 5, BeyondScope(name="李建国")),
    ("王秀英", "陈美玲", 5, BeyondScope(name="陈美玲")),
    ("老赵", "老赵", 5, ToOneself()),
    ("张敏", "张敏", -5, ToOneself()),
    ("老赵", "王秀英", 101, TooManyPoints(most=100)),
    ("老赵", "王秀英", -101, TooManyPoints(most=100)),
    ("老赵", "王秀英", -1, NotEnough(balance=0, amount=1)),
)


async def test_points_are_given_within_ones_scope_and_never_to_oneself(books: Books) -> None:
    class Seen(Exception):
        """Ends a savepoint whose effect was seen."""

    def one(session: Session, ground: Ground, by: str, to: str, amount: int) -> Refusal | None:
        try:
            with savepoint(session, "one"):
                given = give(session, ground, by, to, amount)
                assert given.balance == balance(session, ground, to) == amount
                raise Seen
        except Refusal as refusal:
            assert balance(session, ground, to) == 0
            return refusal
        except Seen:
            return None

    def unit(session: Session) -> list[Refusal | None]:
        ground = lay(session)
        return [one(session, ground, *case[:3]) for case in GIVING]

    def shape(refusal: Refusal | None) -> Any:
        return refusal and (type(refusal), refusal.fields)

    refusals = await books.write(unit)
    assert [shape(refusal) for refusal in refusals] == [shape(case[3]) for case in GIVING]


async def test_a_hidden_name_is_hidden_in_a_refusal_as_well(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        session.execute(update(Member).where(Member.id == ground.people["孙姐"]).values(hides_name=True))
        with pytest.raises(BeyondScope) as caught:
            give(session, ground, "老赵", "孙姐", 5)
        assert caught.value.fields == {"name": "孙*"}

    await books.write(unit)


async def test_an_award_is_taken_back_by_its_opposite(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        first = give(session, ground, "老赵", "王秀英", 5)
        second = give(session, ground, "老赵", "王秀英", -3, reason="占用楼道")
        by = ground.people["老赵"]
        undone = [
            undo_award(session, community_id=ground.community.id, award_id=award.id, by=by, now=NOW)
            for award in (second, first)
        ]
        member = neighbour(session, ground, "王秀英")
        assert undone == [(member, -3), (member, 5)]
        assert balance(session, ground, "王秀英") == 0
        assert session.scalar(select(func.count()).select_from(Transfer)) == 4
        assert give(session, ground, "老赵", "王秀英", 5).balance == 5
        proven(session)

    await books.write(unit)


# -- 申诉 ----------------------------------------


def line(session: Session, ground: Ground, name: str) -> int:
    """The newest line of somebody's statement."""
    (entry,) = ledger.statement(
        session,
        community_id=ground.community.id,
        member_id=ground.people[name],
        currency=Currency.POINTS,
        limit=1,
    )
    return entry.id


def appeal(session: Session, by: str, transfer_id: int) -> points.Appealed:
    return points.appeal(session, member=person(session, by), transfer_id=transfer_id, reason="那天我不在", now=NOW)


def decide(session: Session, by: str, number: int, *, uphold: bool = True, add: int | None = None) -> Decided:
    return points.decide_appeal(
        session,
        reviewer=person(session, by),
        role=Role.STAFF,
        number=number,
        uphold=uphold,
        points=add,
        answer="查过了",
        now=NOW + timedelta(hours=1),
    )


def waiting(session: Session, by: str) -> list[WaitingAppeal]:
    return points.waiting_appeals(session, reviewer=person(session, by), role=Role.STAFF)


async def test_an_appeal_waits_for_those_who_neither_gave_nor_appeal(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 10)
        give(session, ground, "孙丽", "王秀英", -4, reason="占用楼道")
        entry = line(session, ground, "王秀英")
        made = appeal(session, "王秀英", entry)
        assert (made.number, made.entry.id, made.entry.change) == (1, entry, -4)
        assert made.entry.made_by == ground.people["孙丽"]
        (seen,) = waiting(session, "张敏")
        path = ground.units["3栋2单元"].path
        assert seen == WaitingAppeal(
            seen.id, 1, ground.people["王秀英"], "王秀英", path, entry, -4, "那天我不在", ground.people["孙丽"], NOW,
            "deduct", "占用楼道", NOW,
        )  # fmt: skip
        for by in ("孙丽", "老赵", "王秀英", "王五"):
            assert waiting(session, by) == [], by

    await books.write(unit)


async def test_only_ones_own_points_are_appealed_and_once(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, int, int, int]:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 10)
        mine = line(session, ground, "王秀英")
        give(session, ground, "孙丽", "李建国", 10)
        other = line(session, ground, "李建国")
        posted = ledger.transfer(
            session,
            community_id=ground.community.id,
            key="check-out:1",
            currency=Currency.RECORDED_MINUTES,
            debit=SystemAccount.ISSUED,
            credit=ground.people["王秀英"],
            amount=60,
            reason="service",
            ref="activity:1",
            made_by=None,
            at=NOW,
        )
        assert posted is not None
        return ground, mine, other, posted.id

    _, mine, other, minutes = await books.write(unit)
    for number in (other, minutes, minutes + 1000):
        with pytest.raises(NoSuchTransfer) as caught:
            await books.write(lambda s, n=number: appeal(s, "王秀英", n))  # type: ignore[misc]
        assert caught.value.fields == {"number": number}
    with pytest.raises(NoSuchTransfer):
        await books.write(lambda s: appeal(s, "王五", mine))
    first = await books.write(lambda s: appeal(s, "王秀英", mine))
    with pytest.raises(AppealedAlready) as again:
        await books.write(lambda s: appeal(s, "王秀英", mine))
    assert again.value.fields == {"number": first.number, "state": WAITING}
    await books.write(lambda s: decide(s, "张敏", first.number, uphold=False))
    with pytest.raises(AppealedAlready) as again:
        await books.write(lambda s: appeal(s, "王秀英", mine))
    assert again.value.fields == {"number": first.number, "state": DISMISSED}


async def test_what_was_taken_back_is_not_appealed_but_the_taking_back(books: Books) -> None:
    """Both upheld gave ten points for five."""

    def unit(session: Session) -> None:
        ground = lay(session)
        given = give(session, ground, "孙丽", "王秀英", 5)
        mine = line(session, ground, "王秀英")
        waits = appeal(session, "王秀英", mine)
        points.undo_award(
            session, community_id=ground.community.id, award_id=given.id, by=ground.people["孙丽"], now=NOW
        )
        back = line(session, ground, "王秀英")
        with pytest.raises(AlreadyCorrected):
            decide(session, "张敏", waits.number, add=5)
        points.withdraw_appeal(session, member=person(session, "王秀英"), number=waits.number, now=NOW)
        with pytest.raises(TakenBack) as caught:
            appeal(session, "王秀英", mine)
        assert caught.value.fields == {"number": mine, "back": back}
        second = appeal(session, "王秀英", back)
        assert decide(session, "张敏", second.number, uphold=True).change == 5

    await books.write(unit)


async def test_an_appeal_that_was_taken_back_can_be_made_again(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 5)
        mine = line(session, ground, "王秀英")
        first = appeal(session, "王秀英", mine)
        wang, zhang = person(session, "王秀英"), person(session, "张敏")
        with pytest.raises(AppealDecided):
            points.withdraw_appeal(session, member=zhang, number=first.number, now=NOW)
        given_by = points.withdraw_appeal(session, member=wang, number=first.number, now=NOW)
        assert given_by == ground.people["孙丽"]
        assert waiting(session, "张敏") == []
        with pytest.raises(NoSuchAppeal):
            decide(session, "张敏", first.number, uphold=False)
        second = appeal(session, "王秀英", mine)
        assert second.number > first.number
        assert [one.number for one in waiting(session, "张敏")] == [second.number]
        decide(session, "张敏", second.number, uphold=False)
        with pytest.raises(AppealDecided):
            points.withdraw_appeal(session, member=wang, number=second.number, now=NOW)

    await books.write(unit)


async def test_an_upheld_deduction_is_taken_back_in_its_month(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 10)
        give(session, ground, "孙丽", "王秀英", -4)
        entry = line(session, ground, "王秀英")
        number = appeal(session, "王秀英", entry).number
        december = datetime(2026, 12, 1, tzinfo=SHANGHAI)
        done = points.decide_appeal(
            session,
            reviewer=person(session, "张敏"),
            role=Role.STAFF,
            number=number,
            uphold=True,
            points=None,
            answer="看了监控",
            now=december,
        )
        assert done == Decided(number, ground.people["王秀英"], "王秀英", UPHELD, 4, 10)
        row = session.execute(select(Transfer).where(Transfer.corrects == entry)).scalar_one()
        assert (row.credit, row.amount, row.month, row.reason, row.made_by, row.at) == (
            ground.people["王秀英"], 4, 202611, "appeal", ground.people["张敏"], december,
        )  # fmt: skip
        proven(session)

    await books.write(unit)


async def test_upheld_points_that_were_too_few_are_added_to(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 2)
        number = appeal(session, "王秀英", line(session, ground, "王秀英")).number
        for missing in (None, 0, -3):
            with pytest.raises(PointsMissing) as caught:
                decide(session, "张敏", number, add=missing)
            assert caught.value.fields == {"number": number}
        done = decide(session, "张敏", number, add=3)
        assert done == Decided(number, ground.people["王秀英"], "王秀英", UPHELD, 3, 5)
        assert waiting(session, "张敏") == []
        proven(session)

    await books.write(unit)


async def test_a_dismissed_appeal_changes_no_points(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 10)
        give(session, ground, "孙丽", "王秀英", -4)
        number = appeal(session, "王秀英", line(session, ground, "王秀英")).number
        done = decide(session, "张敏", number, uphold=False)
        assert done == Decided(number, ground.people["王秀英"], "王秀英", DISMISSED, 0, 6)
        row = session.execute(select(points.Appeal)).scalar_one()
        assert (row.state, row.decided_by, row.decided_at, row.answer) == (
            DISMISSED, ground.people["张敏"], NOW + timedelta(hours=1), "查过了",
        )  # fmt: skip
        proven(session)

    await books.write(unit)


async def test_nobody_decides_about_what_they_gave_or_what_is_theirs(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, int, int]:
        ground = lay(session)
        give(session, ground, "张敏", "孙丽", 5)
        own = appeal(session, "孙丽", line(session, ground, "孙丽")).number
        give(session, ground, "孙丽", "王秀英", 5)
        given = appeal(session, "王秀英", line(session, ground, "王秀英")).number
        return ground, own, given

    ground, own, given = await books.write(unit)
    for by, number in (("孙丽", own), ("孙丽", given), ("张敏", own)):
        for uphold in (True, False):
            with pytest.raises(OwnDecision) as caught:
                await books.write(lambda s, b=by, n=number, u=uphold: decide(s, b, n, uphold=u, add=1))  # type: ignore[misc]
            assert caught.value.fields == {"number": number}
    # Beyond the scope, beneath the role, in another community, or not there at all: one answer for all.
    for by in ("老赵", "老魏", "王秀英", "王五"):
        with pytest.raises(NoSuchAppeal) as refused:
            await books.write(lambda s, b=by: decide(s, b, given, add=1))  # type: ignore[misc]
        assert refused.value.fields == {"number": given}
    with pytest.raises(NoSuchAppeal):
        await books.write(lambda s: decide(s, "张敏", 99, add=1))
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 5
    await books.write(lambda s: decide(s, "张敏", given, add=1))
    await books.read(proven)


async def test_an_appeal_is_decided_once_whoever_decides_at_once(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, int]:
        ground = lay(session)
        add_person(session, ground.community.id, "周敏", ground.units["3栋1单元"])
        give_role(session, ground.community.id, person(session, "周敏").id, Role.STAFF, ground.root)
        give(session, ground, "孙丽", "王秀英", 5)
        return ground, appeal(session, "王秀英", line(session, ground, "王秀英")).number

    ground, number = await books.write(unit)
    results = await asyncio.gather(
        *(books.write(lambda s, b=by: decide(s, b, number, add=3)) for by in ("张敏", "周敏") * 4),  # type: ignore[misc]
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Decided"] + ["NoSuchAppeal"] * 7
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 8


async def test_a_deduction_that_its_giver_took_back_is_not_taken_back_twice(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, int]:
        ground = lay(session)
        give(session, ground, "孙丽", "王秀英", 10)
        taken = give(session, ground, "孙丽", "王秀英", -4)
        number = appeal(session, "王秀英", line(session, ground, "王秀英")).number
        undo_award(session, community_id=ground.community.id, award_id=taken.id, by=ground.people["孙丽"], now=NOW)
        return ground, number

    ground, number = await books.write(unit)
    with pytest.raises(AlreadyCorrected):
        await books.write(lambda s: decide(s, "张敏", number))
    assert await books.read(lambda s: balance(s, ground, "王秀英")) == 10
    assert (await books.write(lambda s: decide(s, "张敏", number, uphold=False))).balance == 10


# -- periods ----------------------------------------


@pytest.mark.parametrize(
    ("now", "month", "last", "quarter", "year"),
    [
        ((2026, 11, 17, 19, 30), (202611, 202611), (202610, 202610), (202610, 202611), (202601, 202611)),
        ((2026, 12, 31, 23, 59, 59), (202612, 202612), (202611, 202611), (202610, 202612), (202601, 202612)),
        ((2027, 1, 1), (202701, 202701), (202612, 202612), (202701, 202701), (202701, 202701)),
        ((2027, 3, 31, 23), (202703, 202703), (202702, 202702), (202701, 202703), (202701, 202703)),
        ((2027, 4, 1), (202704, 202704), (202703, 202703), (202704, 202704), (202701, 202704)),
        ((2026, 9, 15), (202609, 202609), (202608, 202608), (202607, 202609), (202601, 202609)),
    ],
)
def test_periods_in_whole_shanghai_months(now: tuple[int, ...], month: Any, last: Any, quarter: Any, year: Any) -> None:
    moment = datetime(*now, tzinfo=SHANGHAI)  # type: ignore[misc, arg-type]
    assert {period: months_of(period, moment) for period in ("本月", "上月", "本季", "今年", "全部")} == {
        "本月": Months(*month),
        "上月": Months(*last),
        "本季": Months(*quarter),
        "今年": Months(*year),
        "全部": None,
    }


@pytest.mark.parametrize("period", ["昨天", "", "本周"])
def test_another_word_is_no_period(period: str) -> None:
    with pytest.raises(KeyError):
        months_of(period, NOW)


# -- boards ----------------------------------------


def earn(
    session: Session, community_id: int, member_id: int, amount: int, *, month: int = 202611, key: str = ""
) -> int:
    posted = ledger.transfer(
        session,
        community_id=community_id,
        key=key or f"e:{member_id}:{month}:{amount}",
        currency=Currency.POINTS,
        debit=SystemAccount.ISSUED,
        credit=member_id,
        amount=amount,
        reason="award",
        ref="award:1",
        made_by=None,
        at=NOW,
        month=month,
    )
    assert posted is not None
    return posted.id


def seen(
    session: Session,
    ground: Ground,
    asker: str,
    *,
    months: Months | None = NOVEMBER,
    unit: str = "",
    limit: int = 10,
    now: datetime = NOW,
) -> Board:
    return board(
        session,
        community_id=ground.community.id,
        months=months,
        path=ground.units[unit].path if unit else None,
        asker=person(session, asker, now),
        limit=limit,
    )


def short(found: Board) -> tuple[list[tuple[int, str, int]], tuple[int, int] | None]:
    """Places, names and amounts; and one's own place and amount."""
    own = None if found.own is None else (found.own.place, found.own.amount)
    return [(one.place, one.name, one.amount) for one in found.first], own


AMOUNTS = {"王秀英": 10, "李建国": 10, "陈美玲": 7, "孙姐": 7, "何叔": 7, "老赵": 3}


def earned(session: Session) -> Ground:
    ground = lay(session)
    for name, amount in AMOUNTS.items():
        earn(session, ground.community.id, ground.people[name], amount)
    # 王五's points are another community's and stand on no board of ours.
    earn(session, ground.elsewhere.id, ground.people["王五"], 500)
    return ground


async def test_equal_amounts_share_a_place(books: Books) -> None:
    ground = await books.write(earned)
    found = await books.read(lambda s: seen(s, ground, "老赵"))
    assert short(found) == (
        [(1, "王秀英", 10), (1, "李建国", 10), (3, "陈美玲", 7), (3, "孙姐", 7), (3, "何叔", 7), (6, "老赵", 3)],
        (6, 3),
    )
    assert found.own == found.first[-1] == Ranked(6, ground.people["老赵"], "老赵", False, 3)
    assert short(await books.read(lambda s: seen(s, ground, "何叔", limit=4))) == (
        [(1, "王秀英", 10), (1, "李建国", 10), (3, "陈美玲", 7), (3, "孙姐", 7)],
        (3, 7),
    )
    assert short(await books.read(lambda s: seen(s, ground, "张敏", limit=1))) == ([(1, "王秀英", 10)], None)


async def test_a_board_of_a_unit_holds_those_at_or_below_it(books: Books) -> None:
    ground = await books.write(earned)
    cases = {
        "社区": ([(1, "王秀英", 10), (1, "李建国", 10), (3, "陈美玲", 7)], (3, 7)),
        "3栋": ([(1, "王秀英", 10), (1, "李建国", 10), (3, "陈美玲", 7)], None),
        "3栋2单元": ([(1, "王秀英", 10), (2, "陈美玲", 7)], None),
        "5栋": ([(1, "孙姐", 7), (1, "何叔", 7)], (1, 7)),
        "5栋2单元": ([], None),
        "滨河社区": ([], None),
    }
    for unit, expected in cases.items():
        found = await books.read(lambda s, u=unit: seen(s, ground, "孙姐", unit=u, limit=3))  # type: ignore[misc]
        assert short(found) == expected, unit


async def test_who_opted_out_is_on_no_board_and_sees_their_own_place(books: Books) -> None:
    def unit(session: Session) -> Ground:
        ground = earned(session)
        for name in ("李建国", "陈美玲"):
            shown = {"community_id": ground.community.id, "member_id": ground.people[name]}
            assert show_on_boards(session, shown=False, **shown)
            assert not show_on_boards(session, shown=False, **shown)
        # Another community's hand is not felt here.
        assert not show_on_boards(
            session, community_id=ground.elsewhere.id, member_id=ground.people["孙姐"], shown=False
        )
        return ground

    ground = await books.write(unit)
    rest = [(1, "王秀英", 10), (2, "孙姐", 7), (2, "何叔", 7), (4, "老赵", 3)]
    for unit_ in ("", "社区"):
        for name, own in (
            ("老赵", (4, 3)),
            ("孙姐", (2, 7)),
            ("李建国", (1, 10)),
            ("陈美玲", (2, 7)),
            ("王秀英", (1, 10)),
        ):
            found = await books.read(lambda s, n=name, u=unit_: seen(s, ground, n, unit=u))  # type: ignore[misc]
            assert short(found) == (rest, own), (name, unit_)
    await books.write(
        lambda s: show_on_boards(s, community_id=ground.community.id, member_id=ground.people["李建国"], shown=True)
    )
    assert short(await books.read(lambda s: seen(s, ground, "老赵")))[1] == (5, 3)


@pytest.mark.parametrize("gone", ["forgotten_at", "merged_into"])
async def test_who_is_gone_takes_no_place(books: Books, gone: str) -> None:
    def unit(session: Session) -> Ground:
        ground = earned(session)
        value = NOW if gone == "forgotten_at" else ground.people["老赵"]
        session.execute(update(Member).where(Member.id == ground.people["王秀英"]).values({gone: value}))
        return ground

    ground = await books.write(unit)
    rest = [(1, "李建国", 10), (2, "陈美玲", 7), (2, "孙姐", 7), (2, "何叔", 7), (5, "老赵", 3)]
    for unit_ in ("", "社区"):
        found = await books.read(lambda s, u=unit_: seen(s, ground, "老赵", unit=u))  # type: ignore[misc]
        assert short(found) == (rest, (5, 3)), unit_


async def test_points_taken_away_leave_no_line(books: Books) -> None:
    def unit(session: Session) -> Ground:
        ground = earned(session)
        for name, amount in (("王秀英", 10), ("李建国", 4)):
            ledger.transfer(
                session,
                community_id=ground.community.id,
                key=f"d:{name}",
                currency=Currency.POINTS,
                debit=ground.people[name],
                credit=SystemAccount.DEDUCTED,
                amount=amount,
                reason="deduct",
                ref="award:2",
                made_by=None,
                at=NOW,
            )
        return ground

    ground = await books.write(unit)
    first = [(1, "陈美玲", 7), (1, "孙姐", 7), (1, "何叔", 7), (4, "李建国", 6), (5, "老赵", 3)]
    assert short(await books.read(lambda s: seen(s, ground, "王秀英"))) == (first, None)
    assert short(await books.read(lambda s: seen(s, ground, "李建国"))) == (first, (4, 6))


async def test_a_board_of_another_currency_has_its_own_amounts(books: Books) -> None:
    def unit(session: Session) -> Board:
        ground = earned(session)
        return board(
            session,
            community_id=ground.community.id,
            months=None,
            path=None,
            asker=person(session, "王秀英"),
            currency=Currency.VOUCHED_MINUTES,
        )

    assert await books.write(unit) == Board((), None)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_boards_say_what_one_would_count_by_hand(books: Books, seed: int) -> None:
    chance = random.Random(seed)
    amounts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    homes: dict[int, str] = {}
    hidden: set[int] = set()

    def unit(session: Session) -> Ground:
        ground = lay(session)
        ids = add_many(session, ground, 25)
        for member_id in (*ids, *(ground.people[name] for name in ("王秀英", "陈美玲", "李建国", "孙姐", "何叔"))):
            for month in (202609, 202610, 202611):
                if chance.random() < 0.8:
                    amount = chance.randint(1, 6)
                    transfer_id = earn(session, ground.community.id, member_id, amount, month=month)
                    if chance.random() < 0.1:
                        ledger.correct(
                            session,
                            community_id=ground.community.id,
                            transfer_id=transfer_id,
                            made_by=None,
                            reason="undo",
                            note="",
                            at=NOW,
                        )
                        amount = 0
                    amounts[member_id][month] += amount
            if chance.random() < 0.25:
                hidden.add(member_id)
                show_on_boards(session, community_id=ground.community.id, member_id=member_id, shown=False)
        paths = {unit.id: unit.path for unit in ground.units.values()}
        homes.update({row.id: paths[row.unit_id] for row in session.execute(select(Member.id, Member.unit_id))})
        return ground

    ground = await books.write(unit)

    def by_hand(months: Months | None, path: str, asker: int, limit: int) -> Any:
        total = {
            who: sum(n for month, n in by_month.items() if months is None or months.first <= month <= months.last)
            for who, by_month in amounts.items()
            if homes[who].startswith(path)
        }
        shown = sorted(((-n, who) for who, n in total.items() if n > 0 and who not in hidden))
        places = [(1 + sum(other < n for other, _ in shown), who, -n) for n, who in shown]
        mine = total.get(asker, 0)
        own = (1 + sum(-n > mine for n, _ in shown), mine) if mine > 0 else None
        return places[:limit], own

    def look(session: Session) -> int:
        count = 0
        for months in (NOVEMBER, Months(202610, 202610), Months(202610, 202611), Months(202601, 202611), None):
            for where in ("", "社区", "3栋", "5栋", "5栋2单元"):
                for asker in ("王秀英", "孙姐", "邻居003", "邻居011", "张敏"):
                    for limit in (3, 100):
                        found = seen(session, ground, asker, months=months, unit=where, limit=limit)
                        path = ground.units[where or "社区"].path
                        expected = by_hand(months, path, person(session, asker).id, limit)
                        own = found.own and (found.own.place, found.own.amount)
                        assert ([(r.place, r.member_id, r.amount) for r in found.first], own) == expected
                        count += 1
        proven(session)
        return count

    assert await books.read(look) == 250


async def test_what_was_earned_this_month_ends_with_the_month(books: Books) -> None:
    ground = await books.write(earned)

    def this_month(now: datetime) -> Callable[[Session], int]:
        return lambda s: points.earned_this_month(
            s, community_id=ground.community.id, member_id=ground.people["王秀英"], now=now
        )

    assert await books.read(this_month(datetime(2026, 11, 30, 23, 59, 59, 999999, SHANGHAI))) == 10
    assert await books.read(this_month(datetime(2026, 12, 1, tzinfo=SHANGHAI))) == 0
