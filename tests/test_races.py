"""What meets in one moment on PostgreSQL: the second waits for the first, and then sees what became of it.

SQLite has one writer, so that nothing can meet there.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from jobs.check_in import run
from jobs.tick import Tick
from models import activities, check_in
from models.activities import ActivityCancelled
from models.check_in import CheckedIn, CheckedOut, Coming, NotCheckedIn, find_coming
from tests.ground import Ground, lay, publish
from tests.moments import SATURDAY
from tests.race import Race

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

END = SATURDAY + timedelta(hours=2)


@pytest.fixture
def race(database_url: str) -> Iterator[Race]:
    opened = Race(database_url)
    yield opened
    assert opened.violations() == []
    opened.engine.dispose()


@pytest.fixture
def ground(race: Race) -> Ground:
    def unit(session: Session) -> Ground:
        laid = lay(session)
        publish(session, laid)
        return laid

    return race.alone(unit)


def coming(session: Session, ground: Ground) -> Coming:
    found = find_coming(session, community_id=ground.community.id, number=1, now=SATURDAY)
    assert found is not None
    return found


def come(session: Session, ground: Ground) -> CheckedIn:
    who = ground.people["王秀英"]
    return check_in.check_in(session, coming=coming(session, ground), member_id=who, made_by=who, now=SATURDAY)


def go(session: Session, ground: Ground) -> CheckedOut:
    who = ground.people["王秀英"]
    return check_in.check_out(session, coming=coming(session, ground), member_id=who, made_by=who, now=END)


def take_back(session: Session, ground: Ground, check_in_id: int) -> str:
    who = ground.people["王秀英"]
    return check_in.undo_check_in(
        session, community_id=ground.community.id, check_in_id=check_in_id, by=who, now=END - timedelta(minutes=1)
    )


def close(session: Session, ground: Ground) -> bool:
    return run(Tick(session, ground.community, END, {}))


def call_off(session: Session, ground: Ground) -> None:
    activity = activities.find_activity(session, community_id=ground.community.id, number=1)
    activities.cancel_activity(session, activity=activity, reason="下雨", by=None, now=SATURDAY)
    check_in.send_home(session, activity=activity, by=None, now=SATURDAY)


def test_who_takes_a_check_in_back_as_it_is_checked_out_earns_nothing(race: Race, ground: Ground) -> None:
    came = race.alone(lambda s: come(s, ground))
    waited, left = race.meet(lambda s: take_back(s, ground, came.id), lambda s: go(s, ground))
    assert waited
    assert isinstance(left, NotCheckedIn)


def test_who_takes_a_check_in_back_as_the_activity_ends_is_not_closed(race: Race, ground: Ground) -> None:
    came = race.alone(lambda s: come(s, ground))
    waited, more = race.meet(lambda s: take_back(s, ground, came.id), lambda s: close(s, ground))
    assert (waited, more) == (True, False)


def test_a_check_out_in_the_moment_of_the_end_is_closed_once(race: Race, ground: Ground) -> None:
    race.alone(lambda s: come(s, ground))
    waited, more = race.meet(lambda s: go(s, ground), lambda s: close(s, ground))
    assert (waited, more) == (True, False)


def test_a_check_in_that_is_taken_back_after_its_check_out_takes_that_along(race: Race, ground: Ground) -> None:
    came = race.alone(lambda s: come(s, ground))
    waited, title = race.meet(lambda s: go(s, ground), lambda s: take_back(s, ground, came.id))
    assert (waited, title) == (True, "清洁家园")


def test_who_comes_as_it_is_called_off_is_refused(race: Race, ground: Ground) -> None:
    waited, came = race.meet(lambda s: call_off(s, ground), lambda s: come(s, ground))
    assert waited
    assert isinstance(came, ActivityCancelled)


def test_who_has_just_come_is_sent_home_by_the_calling_off(race: Race, ground: Ground) -> None:
    waited, _ = race.meet(lambda s: come(s, ground), lambda s: call_off(s, ground))
    assert waited
    with pytest.raises(check_in.AlreadyCheckedOut):
        race.alone(lambda s: go(s, ground))


def test_a_check_out_that_is_taken_back_as_it_is_called_off_is_made_again(race: Race, ground: Ground) -> None:
    race.alone(lambda s: come(s, ground))
    left = race.alone(lambda s: go(s, ground))

    def stay(session: Session) -> str:
        who = ground.people["王秀英"]
        return check_in.undo_check_out(
            session, community_id=ground.community.id, check_out_id=left.id, by=who, now=SATURDAY
        )

    waited, _ = race.meet(stay, lambda s: call_off(s, ground))
    assert waited
    with pytest.raises(check_in.AlreadyCheckedOut):
        race.alone(lambda s: go(s, ground))


def test_sign_ups_do_not_wait_for_check_ins(race: Race, ground: Ground) -> None:
    def sign(session: Session) -> None:
        activity = activities.find_activity(session, community_id=ground.community.id, number=1)
        who = ground.people["李建国"]
        activities.sign_up(
            session, activity=activity, member_id=who, companions=0, made_by=who, now=SATURDAY - timedelta(minutes=5),
            companions_max=5,
        )  # fmt: skip

    waited, _ = race.meet(lambda s: come(s, ground), sign)
    assert not waited
