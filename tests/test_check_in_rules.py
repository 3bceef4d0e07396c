"""Coming and going: the window, the points with their multipliers and caps, the minutes, and everything back again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.books import Books
from models import activities, check_in, ledger, points
from models.activities import ActivityCancelled, ActivityHere, ActivityOver
from models.check_in import (
    AlreadyCheckedIn,
    AlreadyCheckedOut,
    CheckedIn,
    CheckedOut,
    CheckIn,
    CheckInNotOpen,
    CheckOut,
    Coming,
    Forgotten,
    NoSuchCheckIn,
    NotCheckedIn,
    find_coming,
    going,
    served_minutes,
)
from models.clock import SHANGHAI
from models.ledger import Currency, Transfer
from models.points import NO_RULE, Rule, for_minutes, is_night, multiplied
from tests.ground import PLAIN, Ground, add_many, lay, publish
from tests.moments import SATURDAY, TUESDAY_EVENING

OPENS = SATURDAY - timedelta(minutes=30)
END = SATURDAY + timedelta(hours=2)
TICK = timedelta(microseconds=1)
NIGHT = Rule(2, 1, 0, 0, 150, 20, 6, 200)


def opened(
    session: Session, rule: Rule | None = None, *, points_: int | None = None, starts_at: datetime = SATURDAY
) -> tuple[Ground, Coming]:
    """The ground with one activity, and the rule that holds for it."""
    ground = lay(session)
    if rule is not None:
        set_rule(session, ground, rule)
    activity = publish(session, ground, points=points_, starts_at=starts_at)
    return ground, coming(session, ground, activity, starts_at)


def set_rule(session: Session, ground: Ground, rule: Rule, since: datetime = TUESDAY_EVENING) -> None:
    points.set_rule(session, community_id=ground.community.id, kind="activity", rule=rule, since=since)


def coming(session: Session, ground: Ground, activity: ActivityHere, now: datetime) -> Coming:
    found = find_coming(session, community_id=ground.community.id, number=activity.number, now=now)
    assert found is not None
    assert found.activity == activity
    return found


def come(session: Session, ground: Ground, at: Coming, now: datetime = SATURDAY, name: str = "王秀英") -> CheckedIn:
    member_id = ground.people[name]
    return check_in.check_in(session, coming=at, member_id=member_id, made_by=member_id, now=now)


def go(session: Session, ground: Ground, at: Coming, now: datetime = END, name: str = "王秀英") -> CheckedOut:
    member_id = ground.people[name]
    return check_in.check_out(session, coming=at, member_id=member_id, made_by=member_id, now=now)


def undo_in(session: Session, ground: Ground, check_in_id: int, now: datetime = END) -> str:
    return check_in.undo_check_in(
        session, community_id=ground.community.id, check_in_id=check_in_id, by=ground.people["王秀英"], now=now
    )


def undo_out(session: Session, ground: Ground, check_out_id: int, now: datetime = END - TICK) -> str:
    return check_in.undo_check_out(
        session, community_id=ground.community.id, check_out_id=check_out_id, by=ground.people["王秀英"], now=now
    )


def has(session: Session, ground: Ground, name: str = "王秀英") -> tuple[int, int]:
    """Points and recorded minutes."""
    return tuple(  # type: ignore[return-value]
        ledger.balance_of(session, community_id=ground.community.id, member_id=ground.people[name], currency=currency)
        for currency in (Currency.POINTS, Currency.RECORDED_MINUTES)
    )


def proven(session: Session) -> None:
    for invariant in (*going.INVARIANTS, *ledger.INVARIANTS):
        assert session.execute(invariant.culprits).all() == [], invariant.name


# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("came", "left", "minutes"),
    [
        (-30, 120, 120),  # early: the activity's own hours count
        (0, 120, 120),
        (10, 100, 90),
        (10, 150, 110),  # late out
        (-30, 0, 0),
        (-30, -10, 0),  # gone before it began
        (60, 60, 0),
        (119.99, 120, 0),  # not a full minute
        (30.5, 60.4, 29),
        (100, 90, 0),
    ],
)
def test_minutes_are_served_inside_the_activitys_hours(came: float, left: float, minutes: int) -> None:
    served = served_minutes(SATURDAY + timedelta(minutes=came), SATURDAY + timedelta(minutes=left), SATURDAY, END)
    assert served == minutes


def shanghai(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("moment", "start", "end", "night"),
    [
        (shanghai(2026, 11, 21, 19, 59, 59, 999999), 20, 6, False),
        (shanghai(2026, 11, 21, 20), 20, 6, True),
        (shanghai(2026, 11, 22), 20, 6, True),
        (shanghai(2026, 11, 22, 5, 59, 59), 20, 6, True),
        (shanghai(2026, 11, 22, 6), 20, 6, False),
        (shanghai(2026, 11, 22, 0, 30), 1, 5, False),
        (shanghai(2026, 11, 22, 1), 1, 5, True),
        (shanghai(2026, 11, 22, 5), 1, 5, False),
        (shanghai(2026, 11, 22, 22), 0, 0, False),
        (shanghai(2026, 11, 22, 22), 22, 22, False),
        (shanghai(2026, 11, 22, 23), 22, 0, True),
        (shanghai(2026, 11, 22, 0), 22, 0, False),
    ],
)
def test_night_is_what_the_rule_says_on_the_shanghai_clock(moment: datetime, start: int, end: int, night: bool) -> None:
    assert is_night(moment, replace(PLAIN, night_from_hour=start, night_until_hour=end)) is night


WEEKDAY, FESTIVAL = shanghai(2026, 11, 18, 9), shanghai(2026, 10, 1, 9)
EVENING, FESTIVAL_EVENING = shanghai(2026, 11, 18, 20), shanghai(2026, 10, 1, 20)


@pytest.mark.parametrize(
    ("earned", "when", "night_percent", "festival_percent", "given"),
    [
        (5, WEEKDAY, 150, 200, 5),
        (5, EVENING, 150, 200, 8),  # 7.5
        (5, FESTIVAL, 150, 200, 10),
        (5, FESTIVAL_EVENING, 150, 200, 10),  # the larger one, not both
        (5, FESTIVAL_EVENING, 300, 200, 15),
        (5, EVENING, 100, 200, 5),
        (5, FESTIVAL, 150, 100, 5),
        (1, EVENING, 150, 100, 2),  # 1.5
        (3, EVENING, 150, 100, 5),  # 4.5
        (1, EVENING, 149, 100, 1),  # 1.49
        (3, EVENING, 110, 100, 3),  # 3.3
        (5, EVENING, 110, 100, 6),  # 5.5
        (0, FESTIVAL_EVENING, 500, 500, 0),
        # Half past midnight of National Day is the festival's night; half past eleven before it is not.
        (4, shanghai(2026, 10, 1, 0, 30), 125, 200, 8),
        (4, shanghai(2026, 9, 30, 23, 30), 125, 200, 5),
    ],
)
def test_multipliers(earned: int, when: datetime, night_percent: int, festival_percent: int, given: int) -> None:
    rule = replace(PLAIN, night_percent=night_percent, festival_percent=festival_percent)
    assert multiplied(earned, when, rule) == given


@pytest.mark.parametrize(("minutes", "given"), [(0, 0), (59, 0), (60, 3), (119, 3), (120, 6), (600, 30)])
def test_hours_are_whole(minutes: int, given: int) -> None:
    assert for_minutes(minutes, replace(PLAIN, per_hour=3)) == given


# -- the window ----------------------------------------


async def test_a_check_in_lies_in_the_window(books: Books) -> None:
    ground, at = await books.write(opened)
    early = {"number": 1, "title": "清洁家园", "opens_at": OPENS}
    late = {"number": 1, "title": "清洁家园", "ends_at": END}
    for now in (OPENS - TICK, OPENS - timedelta(days=1)):
        with pytest.raises(CheckInNotOpen) as not_open:
            await books.write(lambda s, n=now: come(s, ground, at, n))  # type: ignore[misc]
        assert not_open.value.fields == early
    for now in (END, END + timedelta(days=1)):
        with pytest.raises(ActivityOver) as over:
            await books.write(lambda s, n=now: come(s, ground, at, n))  # type: ignore[misc]
        assert over.value.fields == late
    for name, now in (("王秀英", OPENS), ("李建国", SATURDAY), ("陈美玲", END - TICK)):
        done = await books.write(lambda s, x=name, n=now: come(s, ground, at, n, x))  # type: ignore[misc]
        assert (done.points, done.balance) == (2, 2)
    await books.read(proven)


async def test_what_was_called_off_takes_no_check_in(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, Coming]:
        ground, at = opened(session)
        activities.cancel_activity(session, activity=at.activity, reason="下雨", by=None, now=OPENS)
        found = find_coming(session, community_id=ground.community.id, number=1, now=SATURDAY)
        assert found is not None
        return ground, found

    ground, at = await books.write(unit)
    with pytest.raises(ActivityCancelled) as caught:
        await books.write(lambda s: come(s, ground, at))
    assert caught.value.fields == {"number": 1, "title": "清洁家园", "reason": "下雨"}


async def test_only_the_communitys_own_activities_are_found(books: Books) -> None:
    ground, _ = await books.write(opened)

    def find(community_id: int, number: int) -> Callable[[Session], Coming | None]:
        return lambda s: find_coming(s, community_id=community_id, number=number, now=SATURDAY)

    assert await books.write(find(ground.elsewhere.id, 1)) is None
    assert await books.write(find(ground.community.id, 2)) is None


async def test_coming_twice_is_one_check_in(books: Books) -> None:
    ground, at = await books.write(opened)
    await books.write(lambda s: come(s, ground, at, OPENS))
    with pytest.raises(AlreadyCheckedIn) as caught:
        await books.write(lambda s: come(s, ground, at, SATURDAY))
    assert caught.value.fields == {"number": 1, "title": "清洁家园", "at": OPENS}
    assert await books.read(lambda s: has(s, ground)) == (2, 0)


async def test_eight_check_ins_of_one_person_at_once_are_one(books: Books) -> None:
    ground, at = await books.write(opened)
    results = await asyncio.gather(
        *(books.write(lambda s: come(s, ground, at)) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AlreadyCheckedIn"] * 7 + ["CheckedIn"]
    assert await books.read(lambda s: has(s, ground)) == (2, 0)
    await books.read(proven)


# -- points ----------------------------------------


@pytest.mark.parametrize(
    ("rule", "own_points", "starts_at", "for_coming", "for_hours"),
    [
        (None, None, SATURDAY, 2, 0),
        (None, 5, SATURDAY, 5, 0),
        (None, 0, SATURDAY, 0, 0),
        (NIGHT, None, SATURDAY, 2, 2),
        (NIGHT, 5, shanghai(2026, 11, 21, 20), 8, 3),
        (NIGHT, None, shanghai(2026, 11, 21, 20), 3, 3),
        (NIGHT, 5, shanghai(2027, 1, 1, 9), 10, 4),
        # It starts before the night does: by day.
        (NIGHT, 5, shanghai(2026, 11, 21, 19, 30), 5, 2),
    ],
)
async def test_an_activity_earns_by_its_own_points_and_the_rule(
    books: Books, rule: Rule | None, own_points: int | None, starts_at: datetime, for_coming: int, for_hours: int
) -> None:
    def unit(session: Session) -> tuple[Any, ...]:
        ground, at = opened(session, rule, points_=own_points, starts_at=starts_at)
        came = come(session, ground, at, starts_at)
        left = go(session, ground, at, starts_at + timedelta(hours=2))
        proven(session)
        lines = session.execute(
            select(Transfer.key, Transfer.currency, Transfer.amount, Transfer.reason, Transfer.ref).order_by(
                Transfer.id
            )
        ).all()
        return came, left, has(session, ground), [tuple(line) for line in lines]

    came, left, balances, lines = await books.write(unit)
    assert (came.points, came.balance) == (for_coming, for_coming)
    assert (left.minutes, left.points, left.balance) == (120, for_hours, for_coming + for_hours)
    assert balances == (for_coming + for_hours, 120)
    expected = [
        (f"check-in:{came.id}", "points", for_coming, "check_in", "activity:1"),
        (f"check-out:{left.id}", "recorded_minutes", 120, "service", "activity:1"),
        (f"hours:{left.id}", "points", for_hours, "hours", "activity:1"),
    ]
    assert lines == [line for line in expected if line[2]]


async def test_the_rule_in_force_at_the_moment_holds(books: Books) -> None:
    def unit(session: Session) -> list[Rule]:
        ground, at = opened(session)
        set_rule(session, ground, replace(PLAIN, base=7), since=SATURDAY)
        set_rule(session, ground, replace(PLAIN, base=9), since=SATURDAY + timedelta(hours=1))
        moments = (SATURDAY - TICK, SATURDAY, SATURDAY + timedelta(hours=1) - TICK, SATURDAY + timedelta(hours=1))
        found = [coming(session, ground, at.activity, now).rule for now in moments]
        assert found == [
            points.rule_of(session, community_id=ground.community.id, kind="activity", now=now) for now in moments
        ]
        return found

    assert [rule.base for rule in await books.write(unit)] == [2, 7, 7, 9]


async def test_a_community_without_a_rule_gives_what_the_activity_says(books: Books) -> None:
    def unit(session: Session) -> tuple[Any, ...]:
        ground = lay(session)
        activity = activities.publish_activity(
            session,
            community_id=ground.elsewhere.id,
            unit=ground.units["滨河社区"],
            title="义诊",
            place="",
            starts_at=SATURDAY,
            ends_at=END,
            quota=None,
            points=5,
            made_by=None,
            now=TUESDAY_EVENING,
            check_in_opens_minutes=30,
        )
        found = find_coming(session, community_id=ground.elsewhere.id, number=activity.number, now=SATURDAY)
        assert found is not None
        member_id = ground.people["王五"]
        came = check_in.check_in(session, coming=found, member_id=member_id, made_by=member_id, now=SATURDAY)
        left = check_in.check_out(session, coming=found, member_id=member_id, made_by=member_id, now=END)
        return found.rule, came.points, left.minutes, left.points

    assert await books.write(unit) == (NO_RULE, 5, 120, 0)


# -- caps ----------------------------------------


def earn(
    session: Session, ground: Ground, number: int, day: int, *, hour: int = 9, month: int = 11, earned: int = 4
) -> tuple[int, int]:
    """王秀英 comes to an activity on a day and stays two hours; the points for coming and for the hours."""
    starts_at = shanghai(2026, month, day, hour)
    activity = publish(session, ground, starts_at=starts_at, points=earned)
    assert activity.number == number
    at = coming(session, ground, activity, starts_at)
    came = come(session, ground, at, starts_at)
    return came.points, go(session, ground, at, starts_at + timedelta(hours=2)).points


async def test_a_cap_of_the_day_cuts_what_is_beyond_it(books: Books) -> None:
    def unit(session: Session) -> list[tuple[int, int]]:
        ground = lay(session)
        set_rule(session, ground, replace(PLAIN, per_hour=1, day_max=9), since=shanghai(2026, 11, 1))
        earned = [
            earn(session, ground, 1, 21),  # 4 + 2
            earn(session, ground, 2, 21, hour=12),  # 3 of 4, nothing of 2
            earn(session, ground, 3, 21, hour=15),  # nothing
            # Midnight of Shanghai opens a new day: coming at 23:00 is of the 21st, leaving at 1:00 of the 22nd.
            earn(session, ground, 4, 21, hour=23),
            earn(session, ground, 5, 22, hour=2),
        ]
        proven(session)
        return earned

    assert await books.write(unit) == [(4, 2), (3, 0), (0, 0), (0, 2), (4, 2)]


async def test_a_cap_of_the_month_cuts_what_is_beyond_it(books: Books) -> None:
    def unit(session: Session) -> list[tuple[int, int]]:
        ground = lay(session)
        set_rule(session, ground, replace(PLAIN, per_hour=1, month_max=13), since=shanghai(2026, 11, 1))
        earned = [
            earn(session, ground, 1, 20),
            earn(session, ground, 2, 21),
            earn(session, ground, 3, 22),
            earn(session, ground, 4, 30, hour=22),  # leaves in December
            earn(session, ground, 5, 1, month=12),
        ]
        proven(session)
        return earned

    assert await books.write(unit) == [(4, 2), (4, 2), (1, 0), (0, 2), (4, 2)]


async def test_both_caps_hold_together(books: Books) -> None:
    def unit(session: Session) -> list[tuple[int, int]]:
        ground = lay(session)
        set_rule(session, ground, replace(PLAIN, day_max=5, month_max=7), since=shanghai(2026, 11, 1))
        return [earn(session, ground, number, day) for number, day in ((1, 21), (2, 21), (3, 22))]

    assert await books.write(unit) == [(4, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize("rule", [replace(PLAIN, day_max=4), replace(PLAIN, month_max=4)])
async def test_what_was_taken_back_leaves_room_under_a_cap_again(books: Books, rule: Rule) -> None:
    def unit(session: Session) -> list[int]:
        ground, at = opened(session, rule, points_=4)
        first = come(session, ground, at)
        undo_in(session, ground, first.id, SATURDAY)
        second = come(session, ground, at)
        proven(session)
        return [first.points, second.points, second.balance]

    assert await books.write(unit) == [4, 4, 4]


@pytest.mark.parametrize("rule", [replace(PLAIN, day_max=5), replace(PLAIN, month_max=5)])
async def test_a_deduction_or_spending_gives_no_room_under_a_cap(books: Books, rule: Rule) -> None:
    def unit(session: Session) -> int:
        ground, at = opened(session, rule, points_=4)
        come(session, ground, at)
        for account in (ledger.SystemAccount.DEDUCTED, ledger.SystemAccount.REDEEMED):
            ledger.transfer(
                session,
                community_id=ground.community.id,
                key=f"away:{account}",
                currency=Currency.POINTS,
                debit=ground.people["王秀英"],
                credit=account,
                amount=2,
                reason="deduct",
                ref="award:1",
                made_by=None,
                at=SATURDAY,
            )
        later = publish(session, ground, starts_at=SATURDAY + timedelta(hours=3), points=4)
        return come(session, ground, coming(session, ground, later, later.starts_at), later.starts_at).points

    assert await books.write(unit) == 1


@pytest.mark.parametrize("rule", [replace(PLAIN, day_max=5), replace(PLAIN, month_max=5)])
async def test_a_cap_holds_when_one_person_comes_to_many_places_at_once(books: Books, rule: Rule) -> None:
    ground = await books.write(lay)

    def several(session: Session) -> list[Coming]:
        set_rule(session, ground, rule)
        return [coming(session, ground, publish(session, ground, points=2), SATURDAY) for _ in range(8)]

    places = await books.write(several)
    results = await asyncio.gather(*(books.write(lambda s, at=at: come(s, ground, at)) for at in places))  # type: ignore[misc]
    assert sorted(done.points for done in results) == [0, 0, 0, 0, 0, 1, 2, 2]
    assert await books.read(lambda s: has(s, ground)) == (5, 0)
    await books.read(proven)


# -- leaving ----------------------------------------


async def test_leaving_needs_coming_and_happens_once(books: Books) -> None:
    ground, at = await books.write(opened)
    fields = {"number": 1, "title": "清洁家园"}
    with pytest.raises(NotCheckedIn) as missing:
        await books.write(lambda s: go(s, ground, at))
    assert missing.value.fields == fields
    await books.write(lambda s: come(s, ground, at))
    done = await books.write(lambda s: go(s, ground, at, SATURDAY + timedelta(minutes=45)))
    assert (done.minutes, done.points, done.balance) == (45, 0, 2)
    with pytest.raises(AlreadyCheckedOut) as again:
        await books.write(lambda s: go(s, ground, at))
    assert again.value.fields == {**fields, "minutes": 45}
    assert await books.read(lambda s: has(s, ground)) == (2, 45)


async def test_eight_check_outs_of_one_person_at_once_are_one(books: Books) -> None:
    ground, at = await books.write(lambda s: opened(s, NIGHT))
    await books.write(lambda s: come(s, ground, at))
    results = await asyncio.gather(
        *(books.write(lambda s: go(s, ground, at)) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AlreadyCheckedOut"] * 7 + ["CheckedOut"]
    assert await books.read(lambda s: has(s, ground)) == (4, 120)
    await books.read(proven)


async def test_a_late_check_out_is_booked_at_the_planned_end(books: Books) -> None:
    def unit(session: Session) -> tuple[Any, ...]:
        ground, at = opened(session)
        come(session, ground, at, OPENS)
        done = go(session, ground, at, END + timedelta(hours=5))
        return done.minutes, session.scalar(select(CheckOut.at))

    assert await books.write(unit) == (120, END)


async def test_leaving_before_the_start_records_no_minutes(books: Books) -> None:
    def unit(session: Session) -> tuple[Any, ...]:
        ground, at = opened(session, NIGHT)
        come(session, ground, at, OPENS)
        done = go(session, ground, at, OPENS + timedelta(minutes=20))
        proven(session)
        return done.minutes, done.points, has(session, ground)

    assert await books.write(unit) == (0, 0, (2, 0))


# -- and back again ----------------------------------------


async def test_undoing_a_check_in_gives_everything_back_and_doing_it_again_works(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, at = opened(session, NIGHT, points_=5)
        first, first_out = come(session, ground, at), go(session, ground, at)
        assert has(session, ground) == (7, 120)
        assert undo_in(session, ground, first.id) == "清洁家园"
        assert has(session, ground) == (0, 0)
        with pytest.raises(NoSuchCheckIn) as caught:
            undo_in(session, ground, first.id)
        assert caught.value.fields == {"id": first.id}
        with pytest.raises(NoSuchCheckIn):
            undo_out(session, ground, first_out.id)
        with pytest.raises(NotCheckedIn):
            go(session, ground, at)
        second = come(session, ground, at, SATURDAY + timedelta(hours=1))
        second_out = go(session, ground, at)
        assert second.id > first.id
        assert second_out.id > first_out.id
        assert (second.points, second.balance) == (5, 5)
        assert (second_out.minutes, second_out.points, second_out.balance) == (60, 1, 6)
        assert has(session, ground) == (6, 60)
        undo_in(session, ground, second.id)
        assert has(session, ground) == (0, 0)
        assert session.scalar(select(func.count()).select_from(Transfer)) == 12
        assert session.scalar(select(func.count()).select_from(CheckIn).where(CheckIn.undone_at.is_(None))) == 0
        proven(session)

    await books.write(unit)


async def test_undoing_a_check_out_lets_one_be_there_again(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, at = opened(session, NIGHT)
        come(session, ground, at)
        first = go(session, ground, at, SATURDAY + timedelta(hours=1))
        assert has(session, ground) == (3, 60)
        assert undo_out(session, ground, first.id) == "清洁家园"
        assert has(session, ground) == (2, 0)
        with pytest.raises(NoSuchCheckIn):
            undo_out(session, ground, first.id)
        where = check_in.where_checked_in(session, community_id=ground.community.id, member_id=ground.people["王秀英"])
        assert where == [1]
        second = go(session, ground, at)
        assert second.id > first.id
        assert (second.minutes, second.points, has(session, ground)) == (120, 2, (4, 120))
        proven(session)

    await books.write(unit)


async def test_undoing_is_possible_where_the_points_are_spent(books: Books) -> None:
    def unit(session: Session) -> tuple[int, int]:
        ground, at = opened(session, points_=5)
        done = come(session, ground, at)
        ledger.transfer(
            session,
            community_id=ground.community.id,
            key="redeem:1",
            currency=Currency.POINTS,
            debit=ground.people["王秀英"],
            credit=ledger.SystemAccount.REDEEMED,
            amount=5,
            reason="redeem",
            ref="goods:1",
            made_by=None,
            at=SATURDAY,
        )
        undo_in(session, ground, done.id)
        proven(session)
        return has(session, ground)

    assert await books.write(unit) == (-5, 0)


async def test_nothing_of_another_community_is_undone(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, at = opened(session)
        done, out = come(session, ground, at), go(session, ground, at)
        theirs: dict[str, Any] = {"community_id": ground.elsewhere.id, "by": ground.people["王五"], "now": END}
        with pytest.raises(NoSuchCheckIn):
            check_in.undo_check_in(session, check_in_id=done.id, **theirs)
        with pytest.raises(NoSuchCheckIn):
            check_in.undo_check_out(session, check_out_id=out.id, **theirs)
        assert has(session, ground) == (2, 120)

    await books.write(unit)


async def test_eight_who_undo_one_check_in_at_once_undo_it_once(books: Books) -> None:
    ground, at = await books.write(opened)
    done = await books.write(lambda s: come(s, ground, at))
    results = await asyncio.gather(
        *(books.write(lambda s: undo_in(s, ground, done.id)) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["NoSuchCheckIn"] * 7 + ["str"]
    assert await books.read(lambda s: has(s, ground)) == (0, 0)
    await books.read(proven)


# -- forgotten ----------------------------------------


async def test_forgotten_check_outs_are_those_of_what_is_over(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, at = opened(session, NIGHT)
        later = publish(session, ground, starts_at=SATURDAY + timedelta(hours=1))
        people = ("王秀英", "李建国", "陈美玲", "孙姐")
        for name in people:
            come(session, ground, at, name=name)
        come(session, ground, coming(session, ground, later, SATURDAY + timedelta(hours=1)), END - TICK, "何叔")
        go(session, ground, at, SATURDAY + timedelta(hours=1), "李建国")
        done = session.execute(select(CheckIn.id).where(CheckIn.member_id == ground.people["陈美玲"])).scalar_one()
        undo_in(session, ground, done)

        def forgotten(now: datetime, limit: int = 10, community_id: int = 0) -> list[Forgotten]:
            return check_in.forgotten_check_outs(
                session, community_id=community_id or ground.community.id, now=now, limit=limit
            )

        expected = [Forgotten(1, ground.people["王秀英"]), Forgotten(1, ground.people["孙姐"])]
        assert forgotten(END - TICK) == []
        assert forgotten(END) == expected
        assert forgotten(END, limit=1) == expected[:1]
        assert forgotten(END + timedelta(hours=1)) == [*expected, Forgotten(2, ground.people["何叔"])]
        assert forgotten(END, community_id=ground.elsewhere.id) == []
        # The job checks them out by nobody's hand, at the planned end, and they are not forgotten any more.
        closed = check_in.check_out(
            session,
            coming=at,
            member_id=ground.people["王秀英"],
            made_by=None,
            now=END + timedelta(minutes=5),
        )
        assert (closed.minutes, closed.points, closed.balance) == (120, 2, 4)
        row = session.execute(select(CheckOut.at, CheckOut.made_by).where(CheckOut.id == closed.id)).one()
        assert tuple(row) == (END, None)
        assert forgotten(END) == expected[1:]
        assert check_in.how_many_came(session, community_id=ground.community.id, activity_id=at.activity.id) == 3
        proven(session)

    await books.write(unit)


async def test_where_somebody_is_now_is_listed_newest_first(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, at = opened(session)
        second = publish(session, ground)

        def where(name: str = "王秀英") -> list[int]:
            return check_in.where_checked_in(session, community_id=ground.community.id, member_id=ground.people[name])

        assert where() == []
        come(session, ground, at)
        come(session, ground, coming(session, ground, second, SATURDAY))
        assert (where(), where("李建国")) == ([2, 1], [])
        go(session, ground, at)
        assert where() == [2]

    await books.write(unit)


async def test_two_hundred_come_at_once_and_all_get_their_points(books: Books) -> None:
    ground, at = await books.write(opened)
    who = await books.write(lambda s: add_many(s, ground, 200))

    async def arrive(member_id: int) -> CheckedIn:
        return await books.write(
            lambda s: check_in.check_in(s, coming=at, member_id=member_id, made_by=member_id, now=SATURDAY)
        )

    results = await asyncio.gather(*(arrive(member_id) for member_id in who))
    assert {(done.points, done.balance) for done in results} == {(2, 2)}
    count = await books.read(
        lambda s: check_in.how_many_came(s, community_id=ground.community.id, activity_id=at.activity.id)
    )
    assert (count, len({done.id for done in results})) == (200, 200)
    await books.read(proven)
