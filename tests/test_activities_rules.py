"""Who comes and who waits: never more people than places, and nobody is passed on the waiting list."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.books import Books
from models import activities
from models.activities import (
    ActivityCancelled,
    ActivityHere,
    ActivityOver,
    ActivityStarted,
    Announced,
    Left,
    Listed,
    NoCompanions,
    NoPlaces,
    NoRoom,
    NoRoomForMore,
    NoSuchActivity,
    NotSignedUp,
    Promoted,
    SignedUp,
    Signup,
    SignupState,
    SpanOutOfRange,
    StartsInThePast,
    TooManyCompanions,
    fits,
    seats_left,
)
from models.base import Refusal
from tests.crowd import sign_up_at_once
from tests.ground import Ground, add_many, lay, publish
from tests.moments import SATURDAY, TUESDAY_EVENING

NOW = TUESDAY_EVENING
CONFIRMED, WAITING, OFFERED, ASKED = SignupState


def opened(session: Session, quota: int | None, **changed: Any) -> tuple[Ground, ActivityHere, list[int]]:
    """The ground with an activity of so many places, and nine neighbours."""
    ground = lay(session)
    return ground, publish(session, ground, quota=quota, **changed), add_many(session, ground, 9)


def sign(
    session: Session, activity: ActivityHere, member_id: int, companions: int = 0, *, now: datetime = NOW, most: int = 5
) -> SignedUp:
    return activities.sign_up(
        session,
        activity=activity,
        member_id=member_id,
        companions=companions,
        made_by=member_id,
        now=now,
        companions_max=most,
    )


def leave(session: Session, activity: ActivityHere, member_id: int, *, now: datetime = NOW) -> Left:
    return activities.cancel_signup(session, activity=activity, member_id=member_id, by=member_id, now=now)


def standing(session: Session, activity: ActivityHere, members: list[int]) -> list[tuple[int, int, SignupState]]:
    """Which of the neighbours stands how, in order of their sign-ups."""
    return [(members.index(who), more, state) for who, more, state in activities.who_comes(session, activity)]


def proven(session: Session) -> None:
    for invariant in (*activities.plan.INVARIANTS, *activities.signups.INVARIANTS):
        assert session.execute(invariant.culprits).all() == [], invariant.name


# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("quota", "taken", "left"), [(None, 500, None), (20, 0, 20), (20, 19, 1), (20, 20, 0), (20, 21, 0)]
)
def test_seats_left(quota: int | None, taken: int, left: int | None) -> None:
    assert seats_left(quota, taken) == left


@pytest.mark.parametrize(
    ("party", "quota", "taken", "fit"),
    [(1, None, 500, True), (1, 20, 19, True), (2, 20, 19, False), (1, 20, 20, False), (20, 20, 0, True)],
)
def test_a_party_fits_or_not(party: int, quota: int | None, taken: int, fit: bool) -> None:
    assert fits(party, quota, taken) is fit


# -- publishing ----------------------------------------


async def test_an_activity_is_found_as_it_was_published_and_only_in_its_community(books: Books) -> None:
    def unit(session: Session) -> tuple[Ground, ActivityHere, ActivityHere]:
        ground = lay(session)
        return ground, publish(session, ground, quota=20, points=5), publish(session, ground)

    ground, first, second = await books.write(unit)
    assert (first.number, second.number, first.ref) == (1, 2, "activity:1")
    assert first.check_in_opens_at == SATURDAY - timedelta(minutes=30)

    def find(community_id: int, number: int) -> Callable[[Session], ActivityHere]:
        return lambda s: activities.find_activity(s, community_id=community_id, number=number)

    assert await books.read(find(ground.community.id, 1)) == first
    assert await books.read(find(ground.community.id, 2)) == second
    for community_id, number in ((ground.community.id, 3), (ground.elsewhere.id, 1)):
        with pytest.raises(NoSuchActivity) as caught:
            await books.read(find(community_id, number))
        assert caught.value.fields == {"number": number}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
async def test_nothing_is_announced_for_the_past(books: Books, late: timedelta) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> None:
        activities.publish_activity(
            session,
            community_id=ground.community.id,
            unit=ground.root,
            title="义诊",
            place="",
            starts_at=SATURDAY,
            ends_at=SATURDAY + timedelta(days=2),
            quota=None,
            points=None,
            made_by=None,
            now=SATURDAY + late,
            check_in_opens_minutes=30,
        )

    with pytest.raises(StartsInThePast) as caught:
        await books.write(unit)
    assert caught.value.fields == {"starts_at": SATURDAY}
    # The number was not used up.
    assert (await books.write(lambda s: publish(s, ground))).number == 1


async def test_an_activity_without_places_or_without_a_span_is_no_activity(books: Books) -> None:
    ground = await books.write(lay)
    wrong: dict[type[Refusal], dict[str, int]] = {NoPlaces: {"quota": 0}, SpanOutOfRange: {"minutes": 0}}
    for refusal, plan in wrong.items():
        with pytest.raises(refusal):
            await books.write(lambda s, p=plan: publish(s, ground, **p))  # type: ignore[misc]


# -- signing up ----------------------------------------


async def test_places_are_given_in_order_and_then_a_place_in_the_waiting_list(books: Books) -> None:
    def unit(session: Session) -> list[tuple[Any, ...]]:
        _, activity, who = opened(session, quota=5)
        results = [sign(session, activity, who[n], more) for n, more in enumerate([1, 1, 1, 0, 2])]
        proven(session)
        return [(r.state, r.companions, r.left, r.place, r.changed, r.promoted) for r in results]

    assert await books.write(unit) == [
        (CONFIRMED, 1, 3, 0, True, ()),
        (CONFIRMED, 1, 1, 0, True, ()),
        (WAITING, 1, 1, 1, True, ()),
        # One place is free, and yet: whoever waits already goes first.
        (WAITING, 0, 1, 2, True, ()),
        (WAITING, 2, 1, 3, True, ()),
    ]


async def test_without_a_quota_nobody_waits(books: Books) -> None:
    def unit(session: Session) -> list[tuple[Any, ...]]:
        _, activity, who = opened(session, quota=None)
        return [(r.state, r.left, r.place) for r in (sign(session, activity, member, 5) for member in who)]

    assert await books.write(unit) == [(CONFIRMED, None, 0)] * 9


async def test_signing_up_again_is_the_same_row(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=2)
        first, second, third = (sign(session, activity, member) for member in who[:3])
        assert sign(session, activity, who[0]) == SignedUp(first.id, CONFIRMED, 0, 0, 0, False, first_time=False)
        assert sign(session, activity, who[1]) == SignedUp(second.id, CONFIRMED, 0, 0, 0, False, first_time=False)
        assert sign(session, activity, who[2]) == SignedUp(third.id, WAITING, 0, 0, 1, False, first_time=False)
        assert session.scalar(select(func.count()).select_from(Signup)) == 3
        proven(session)

    await books.write(unit)


async def test_signing_up_after_leaving_is_a_new_row_at_the_end(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=1)
        first = sign(session, activity, who[0])
        second = sign(session, activity, who[1])
        assert leave(session, activity, who[0]) == Left(first.id, 0, (Promoted(second.id, who[1]),))
        again = sign(session, activity, who[0])
        assert again.id > second.id
        assert (again.state, again.place) == (WAITING, 1)
        assert standing(session, activity, who) == [(1, 0, CONFIRMED), (0, 0, WAITING)]
        kept = session.execute(select(Signup.undone_at, Signup.undone_by).where(Signup.id == first.id)).one()
        assert tuple(kept) == (NOW, who[0])
        proven(session)

    await books.write(unit)


async def test_a_smaller_party_lets_others_move_up(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=4)
        sign(session, activity, who[0], 3)
        waiting = [sign(session, activity, who[n], more) for n, more in ((1, 0), (2, 1), (3, 0))]
        done = sign(session, activity, who[0], 1)
        # The second who waits does not fit, so the third waits as well.
        assert done.promoted == (Promoted(waiting[0].id, who[1]),)
        assert (done.state, done.companions, done.left, done.changed) == (CONFIRMED, 1, 1, True)
        assert standing(session, activity, who) == [
            (0, 1, CONFIRMED),
            (1, 0, CONFIRMED),
            (2, 1, WAITING),
            (3, 0, WAITING),
        ]
        promoted_at = session.scalars(select(Signup.promoted_at).order_by(Signup.id)).all()
        assert promoted_at == [None, NOW, None, None]
        proven(session)

    await books.write(unit)


async def test_a_waiting_party_that_becomes_smaller_may_fit_itself(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=4)
        sign(session, activity, who[0], 1)
        second = sign(session, activity, who[1], 2)
        third = sign(session, activity, who[2], 0)
        done = sign(session, activity, who[1], 0)
        assert done == SignedUp(second.id, CONFIRMED, 0, 0, 0, True, (Promoted(third.id, who[2]),), first_time=False)
        proven(session)

    await books.write(unit)


async def test_a_waiting_party_that_becomes_larger_keeps_its_place(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=3)
        sign(session, activity, who[0], 2)
        second = sign(session, activity, who[1], 0)
        sign(session, activity, who[2], 0)
        assert sign(session, activity, who[1], 2) == SignedUp(second.id, WAITING, 2, 0, 1, True, first_time=False)
        assert standing(session, activity, who) == [(0, 2, CONFIRMED), (1, 2, WAITING), (2, 0, WAITING)]

    await books.write(unit)


@pytest.mark.parametrize(
    ("quota", "companions", "refusal", "fields"),
    [(3, 1, NoRoom, {"title": "清洁家园"}), (4, 3, NoRoomForMore, {"number": 1, "title": "清洁家园", "left": 1})],
)
async def test_a_party_with_places_cannot_grow_beyond_the_quota(
    books: Books, quota: int, companions: int, refusal: type[Refusal], fields: dict[str, Any]
) -> None:
    def unit(session: Session) -> tuple[ActivityHere, list[int]]:
        _, activity, who = opened(session, quota=quota)
        sign(session, activity, who[0], 0)
        sign(session, activity, who[1], 1)
        return activity, who

    activity, who = await books.write(unit)
    with pytest.raises(refusal) as caught:
        await books.write(lambda s: sign(s, activity, who[0], companions))
    assert caught.value.fields == fields
    assert await books.read(lambda s: standing(s, activity, who)) == [(0, 0, CONFIRMED), (1, 1, CONFIRMED)]


async def test_a_party_with_places_may_grow_into_those_that_are_free(books: Books) -> None:
    def unit(session: Session) -> SignedUp:
        _, activity, who = opened(session, quota=4)
        sign(session, activity, who[0], 0)
        return sign(session, activity, who[0], 3)

    done = await books.write(unit)
    assert (done.state, done.companions, done.left, done.changed) == (CONFIRMED, 3, 0, True)


@pytest.mark.parametrize(("quota", "companions", "most"), [(20, 6, 5), (None, 6, 5), (4, 4, 3)])
async def test_a_party_that_can_never_fit_is_refused(
    books: Books, quota: int | None, companions: int, most: int
) -> None:
    """Waiting, it would keep everybody behind it waiting for ever, with places free."""
    _, activity, who = await books.write(lambda s: opened(s, quota=quota))
    with pytest.raises(TooManyCompanions) as caught:
        await books.write(lambda s: sign(s, activity, who[0], companions))
    assert caught.value.fields == {"most": most}
    done = await books.write(lambda s: sign(s, activity, who[1], most))
    assert done.state is CONFIRMED
    with pytest.raises(TooManyCompanions):
        await books.write(lambda s: sign(s, activity, who[1], companions))


async def test_where_there_is_one_place_nobody_brings_anybody(books: Books) -> None:
    _, activity, who = await books.write(lambda s: opened(s, quota=1))
    with pytest.raises(NoCompanions) as caught:
        await books.write(lambda s: sign(s, activity, who[0], 1))
    assert caught.value.fields == {"title": "清洁家园"}


async def test_a_waiting_party_cannot_grow_beyond_all_places(books: Books) -> None:
    def unit(session: Session) -> tuple[ActivityHere, list[int]]:
        _, activity, who = opened(session, quota=3)
        sign(session, activity, who[0], 2)
        sign(session, activity, who[1], 0)
        return activity, who

    activity, who = await books.write(unit)
    with pytest.raises(TooManyCompanions):
        await books.write(lambda s: sign(s, activity, who[1], 3))
    assert await books.read(lambda s: standing(s, activity, who)) == [(0, 2, CONFIRMED), (1, 0, WAITING)]


# -- leaving ----------------------------------------


async def test_those_who_wait_move_up_in_order_as_far_as_they_fit(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=4)
        first = sign(session, activity, who[0], 2)
        sign(session, activity, who[1], 0)
        rows = [sign(session, activity, who[n], more) for n, more in ((2, 1), (3, 0), (4, 1))]
        left = leave(session, activity, who[0])
        assert left == Left(first.id, 0, (Promoted(rows[0].id, who[2]), Promoted(rows[1].id, who[3])))
        assert standing(session, activity, who) == [
            (1, 0, CONFIRMED),
            (2, 1, CONFIRMED),
            (3, 0, CONFIRMED),
            (4, 1, WAITING),
        ]
        proven(session)

    await books.write(unit)


async def test_who_leaves_the_waiting_list_lets_a_smaller_party_behind_fit(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=2)
        sign(session, activity, who[0], 0)
        large = sign(session, activity, who[1], 1)
        small = sign(session, activity, who[2], 0)
        assert leave(session, activity, who[1]) == Left(large.id, 0, (Promoted(small.id, who[2]),))
        proven(session)

    await books.write(unit)


async def test_who_is_not_signed_up_has_nothing_to_cancel(books: Books) -> None:
    def unit(session: Session) -> tuple[ActivityHere, list[int]]:
        _, activity, who = opened(session, quota=2)
        sign(session, activity, who[0])
        leave(session, activity, who[0])
        return activity, who

    activity, who = await books.write(unit)
    for member in who[:2]:
        with pytest.raises(NotSignedUp) as caught:
            await books.write(lambda s, m=member: leave(s, activity, m))  # type: ignore[misc]
        assert caught.value.fields == {"number": 1, "title": "清洁家园"}


# -- when ----------------------------------------

END = SATURDAY + timedelta(hours=2)
TICK = timedelta(microseconds=1)


async def test_signing_up_ends_at_the_start_and_leaving_at_the_end(books: Books) -> None:
    _, activity, who = await books.write(lambda s: opened(s, quota=None))
    assert (await books.write(lambda s: sign(s, activity, who[0], now=SATURDAY - TICK))).state is CONFIRMED
    for now in (SATURDAY, END - TICK):
        with pytest.raises(ActivityStarted) as started:
            await books.write(lambda s, n=now: sign(s, activity, who[1], now=n))  # type: ignore[misc]
        assert started.value.fields == {"number": 1, "title": "清洁家园", "starts_at": SATURDAY}
    over = {"number": 1, "title": "清洁家园", "ends_at": END}
    with pytest.raises(ActivityOver) as caught:
        await books.write(lambda s: sign(s, activity, who[1], now=END))
    assert caught.value.fields == over
    with pytest.raises(ActivityOver) as caught:
        await books.write(lambda s: leave(s, activity, who[0], now=END))
    assert caught.value.fields == over
    await books.write(lambda s: leave(s, activity, who[0], now=END - TICK))
    assert await books.read(lambda s: standing(s, activity, who)) == []


async def test_what_is_called_off_takes_nobody_any_more(books: Books) -> None:
    def call_off(session: Session, activity: ActivityHere, now: datetime = NOW) -> list[int]:
        return activities.cancel_activity(session, activity=activity, reason="下雨", by=None, now=now)

    def unit(session: Session) -> tuple[Ground, list[int], list[int]]:
        ground, activity, who = opened(session, quota=1)
        for member in who[:4]:
            sign(session, activity, member)
        leave(session, activity, who[2])
        return ground, who, call_off(session, activity)

    ground, who, told = await books.write(unit)
    # Those with a place and those who wait; not who had left.
    assert told == [who[0], who[1], who[3]]
    activity = await books.read(lambda s: activities.find_activity(s, community_id=ground.community.id, number=1))
    fields = {"number": 1, "title": "清洁家园", "reason": "下雨"}
    attempts: tuple[Callable[[Session], Any], ...] = (
        lambda s: sign(s, activity, who[5]),
        lambda s: leave(s, activity, who[0]),
        lambda s: call_off(s, activity),
    )
    for attempt in attempts:
        with pytest.raises(ActivityCancelled) as caught:
            await books.write(attempt)
        assert caught.value.fields == fields
    await books.read(proven)


async def test_a_sign_up_that_comes_as_it_is_called_off_is_refused(books: Books) -> None:
    """The activity was read before it was called off, by another process for example."""

    def unit(session: Session) -> tuple[ActivityHere, list[int]]:
        _, before, who = opened(session, quota=None)
        sign(session, before, who[0])
        activities.cancel_activity(session, activity=before, reason="下雨", by=None, now=NOW)
        return before, who

    before, who = await books.write(unit)
    attempts: tuple[Callable[[Session], Any], ...] = (
        lambda s: sign(s, before, who[1]),
        lambda s: leave(s, before, who[0]),
    )
    for attempt in attempts:
        with pytest.raises(ActivityCancelled) as caught:
            await books.write(attempt)
        assert caught.value.fields == {"number": 1, "title": "清洁家园", "reason": "下雨"}


async def test_what_is_over_is_not_called_off(books: Books) -> None:
    _, activity, _ = await books.write(lambda s: opened(s, quota=None))
    with pytest.raises(ActivityOver):
        await books.write(lambda s: activities.cancel_activity(s, activity=activity, reason="", by=None, now=END))


# -- everything at once ----------------------------------------


@pytest.mark.parametrize(("minutes", "alone"), [(0, True), (120, True), (120, False)])
async def test_a_crowd_signs_up_for_twenty_places_while_others_cancel(
    database_url: str, minutes: int, alone: bool
) -> None:
    """`python -m bench.signing` does the same with a thousand; there over two processes."""
    found = await sign_up_at_once(database_url, people=150, minutes=minutes, alone=alone)
    assert (found.people_asked, found.left, found.wrong) == (150, 45, [])
    # Parties leave places over that are too few for the first who waits.
    assert found.placed == 20 if alone else 15 <= found.placed <= 20


async def test_one_person_who_signs_up_eight_times_at_once_has_one_row(books: Books) -> None:
    ground = await books.write(lay)
    activity = await books.write(lambda s: publish(s, ground, quota=3))
    member = ground.people["王秀英"]
    results = await asyncio.gather(*(books.write(lambda s: sign(s, activity, member, 1)) for _ in range(8)))
    assert len({done.id for done in results}) == 1
    assert sorted(done.changed for done in results) == [False] * 7 + [True]
    assert await books.read(lambda s: activities.how_full(s, activity)) == (2, 0)


# -- lists ----------------------------------------


async def test_what_is_coming_is_listed_soonest_first_with_ones_own_place(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        me, other = ground.people["王秀英"], ground.people["李建国"]
        later = publish(session, ground, starts_at=SATURDAY + timedelta(days=1))
        sooner = publish(session, ground, quota=2)
        off = publish(session, ground)
        activities.cancel_activity(session, activity=off, reason="", by=None, now=NOW)
        sign(session, sooner, other, 1)
        sign(session, sooner, me)
        sign(session, later, me, 2)

        def listed(member_id: int | None, now: datetime = NOW, limit: int = 10) -> list[Listed]:
            return activities.coming_activities(
                session, community_id=ground.community.id, member_id=member_id, now=now, limit=limit
            )

        assert listed(me) == [Listed(sooner, 2, 1, WAITING), Listed(later, 3, 0, CONFIRMED)]
        assert listed(None) == [Listed(sooner, 2, 1, None), Listed(later, 3, 0, None)]
        assert [one.activity.number for one in listed(me, END - TICK)] == [sooner.number, later.number]
        assert [one.activity.number for one in listed(me, END)] == [later.number]
        assert [one.activity.number for one in listed(me, limit=1)] == [sooner.number]
        assert (
            activities.coming_activities(session, community_id=ground.elsewhere.id, member_id=None, now=NOW, limit=10)
            == []
        )

    await books.write(unit)


async def test_a_sign_up_leads_back_to_its_activity(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, activity, who = opened(session, quota=None)
        done = sign(session, activity, who[0], 2)
        found = activities.activity_by_signup(session, community_id=ground.community.id, signup_id=done.id)
        assert found == (activity, who[0], 2)
        with pytest.raises(NoSuchActivity):
            activities.activity_by_signup(session, community_id=ground.elsewhere.id, signup_id=done.id)

    await books.write(unit)


async def test_reminders_are_for_what_was_announced_long_enough_before(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        first = publish(session, ground)
        second = publish(session, ground, starts_at=SATURDAY + timedelta(hours=1))
        off = publish(session, ground)
        activities.cancel_activity(session, activity=off, reason="", by=None, now=NOW)

        def between(after: datetime, until: datetime, ahead: timedelta = timedelta(hours=2)) -> list[Announced]:
            return activities.announced_between(
                session, community_id=ground.community.id, after=after, until=until, ahead=ahead
            )

        path = ground.root.path
        assert between(SATURDAY - TICK, SATURDAY) == [Announced(first, path)]
        assert between(SATURDAY, SATURDAY + timedelta(hours=1)) == [Announced(second, path)]
        assert between(SATURDAY - TICK, END) == [Announced(first, path), Announced(second, path)]
        # Both were published four days ahead.
        assert between(SATURDAY - TICK, SATURDAY, timedelta(days=4)) == [Announced(first, path)]
        assert between(SATURDAY - TICK, SATURDAY, timedelta(days=4) + TICK) == []

        def next_end(after: datetime, until: datetime) -> datetime | None:
            return activities.next_end(session, community_id=ground.community.id, after=after, until=until)

        assert next_end(SATURDAY, END + timedelta(days=1)) == END
        assert next_end(END, END + timedelta(hours=1)) == END + timedelta(hours=1)
        assert next_end(END, END + timedelta(minutes=59)) is None

    await books.write(unit)


async def test_what_people_can_mean_is_what_ended_less_than_a_day_ago(books: Books) -> None:
    def unit(session: Session) -> list[list[int]]:
        ground, _, _ = opened(session, quota=None)
        day = timedelta(days=1)
        return [
            [one.number for one in activities.open_objects(session, community_id=ground.community.id, now=now)]
            for now in (NOW, END + day - TICK, END + day)
        ]

    assert await books.write(unit) == [[1], [1], []]


async def test_the_database_itself_refuses_a_second_live_row(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, quota=None)
        sign(session, activity, who[0])
        session.execute(
            text(
                "INSERT INTO signups (community_id, activity_id, member_id, companions, state, at)"
                " SELECT community_id, activity_id, member_id, companions, state, at FROM signups"
            )
        )

    with pytest.raises(IntegrityError):
        await books.write(unit)
