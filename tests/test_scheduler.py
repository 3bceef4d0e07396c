"""When jobs run: once for each slot, in order, through restarts, bugs, jumps of the clock, and several processes."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from bot.books import Books, BooksBusy
from bot.scheduler import CATCH_UP, Leadership, Scheduler
from bot.script import Push
from jobs.tick import Job, Span, Tick
from models import schedule
from models.clock import MovedClock, WallClock
from models.directory import CommunityHere
from models.outbox import Outbox
from models.schedule import JobSlot
from tests.dialogue import DAY_BEFORE, ON_SQLITE, november, to_groups
from tests.fakes.street import open_street
from tests.ground import lay

MONDAY = november(16, 12)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
REMINDER = "提醒：今天9:00「清洁家园」，中心花园。已报7人，到了请发 签到 12。"

GROUPS = ("3栋群", "5栋群", "社区大群")


class Log:
    """What ran, in order: the job, the moment of its slot, the community."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, datetime, str]] = []

    def job(self, name: str, *, fails: str = "", **declared: Any) -> Job:
        """A job that notes that it ran; in the community `fails` it raises."""

        def run(tick: Tick) -> bool:
            self.ran.append((name, tick.at, tick.community.name))
            if fails and tick.community.name == fails:
                raise ValueError(f"no luck in {fails}")
            return False

        return Job(name, run, **declared)


def asked(*moments: datetime) -> Any:
    """A job's `due` for which the books name these moments."""

    def due(_session: Session, _at: CommunityHere, span: Span, _rules: Mapping[str, Any]) -> datetime | None:
        return min((moment for moment in moments if span.after < moment <= span.until), default=None)

    return due


def scheduler(books: Books, *jobs: Job, url: str = "sqlite://", **more: Any) -> Scheduler:
    return Scheduler(
        books=books,
        jobs=jobs,
        clock=more.pop("clock", MovedClock(MONDAY, frozen=True)),
        wall=WallClock(),
        rules={},
        leadership=Leadership(url),
        **more,
    )


def states(session: Session) -> list[tuple[str, datetime, str, str]]:
    rows = session.execute(
        select(JobSlot.job, JobSlot.slot, JobSlot.state, JobSlot.detail).order_by(JobSlot.slot, JobSlot.job)
    )
    return [tuple(row) for row in rows]


@pytest.fixture
async def ground(books: Books) -> Books:
    """Two communities, and community time worked through until Monday noon."""
    await books.write(lay)
    await scheduler(books).run_until(MONDAY)
    return books


# -- restarts ----------------------------------------


async def test_a_restart_across_the_moment_loses_no_reminder_and_sends_none_twice(demo_url: str) -> None:
    """The house is closed at 6:59, a minute before the reminder is due; the next opens at 7:10."""
    first = await open_street(demo_url)
    assert to_groups(await first.until(november(21, 6, 59))) == []
    await first.house.close()
    second = await open_street(demo_url, now=november(21, 7, 10))
    await second.house.postman.deliver_due()
    assert sorted(second.script.sent) == sorted((group, REMINDER) for group in GROUPS)
    await second.house.close()
    third = await open_street(demo_url, now=november(21, 7, 11))
    await third.until(november(21, 8))
    assert third.script.sent == []
    await third.house.close()


@ON_SQLITE
async def test_a_reminder_whose_moment_is_over_is_reported_and_not_sent(demo_url: str) -> None:
    first = await open_street(demo_url)
    await first.until(november(21, 6, 59))
    await first.house.close()
    second = await open_street(demo_url, now=november(21, 9, 30))
    (alarm,) = await second.until(november(21, 9, 31))
    assert (alarm.to, alarm.text.splitlines()[0]) == (
        "张敏",
        "【提醒】给3栋群的消息没有发出去：等到过了时候也没能发出去。",
    )
    assert second.script.sent == [("张敏", alarm.text)], "once for all groups"

    def reported(session: Session) -> list[Any]:
        rows = session.execute(
            select(Outbox.text, Outbox.state, Outbox.dead_reason).where(Outbox.group_id.is_not(None))
        )
        return [tuple(row) for row in rows]

    assert await second.house.books.read(reported) == [(REMINDER, "failed", "expired")] * len(GROUPS)
    await second.house.close()


@ON_SQLITE
async def test_what_ended_during_a_week_of_silence_is_closed_all_the_same(demo_url: str) -> None:
    """The house is away from Saturday morning to the Friday after: longer than recurring jobs are caught up."""
    first = await open_street(demo_url)
    await first.until(november(21, 9))
    await first.say("王秀英", "签到", where="3栋群")
    await first.house.close()
    second = await open_street(demo_url, now=november(27, 12))
    assert november(27, 12) - november(21, 11) > CATCH_UP
    assert await second.say("王秀英", "签退 12") == "您在「清洁家园」已经签退过了，记了120分钟。"
    assert await second.violations() == []
    await second.house.close()


async def test_a_slot_whose_process_died_is_finished_by_the_next(ground: Books) -> None:
    log = Log()
    job = log.job("nightly", cron="20 3 * * *")
    await ground.write(lambda s: schedule.begin_slot(s, job="nightly", slot=november(16, 3, 20), wall=MONDAY))
    await ground.write(lambda s: schedule.begin_slot(s, job="unknown.to.us", slot=november(16, 3, 20), wall=MONDAY))
    await scheduler(ground, job).run_until(MONDAY + timedelta(minutes=1))
    await scheduler(ground, job).run_until(MONDAY + timedelta(minutes=2))
    assert log.ran == [("nightly", november(16, 3, 20), name) for name in ("锦绣社区", "滨河社区")]
    assert await ground.read(states) == [
        ("nightly", november(16, 3, 20), "done", ""),
        # Of a newer version, or of one long gone: left as it is.
        ("unknown.to.us", november(16, 3, 20), "running", ""),
    ]


# -- bugs and faults ----------------------------------------


async def test_a_job_that_raises_is_marked_and_the_others_go_on(ground: Books) -> None:
    log, told = Log(), []
    jobs = (log.job("broken", fails="锦绣社区", cron="0 13 * * *"), log.job("sound", cron="0 13 * * *"))
    running = scheduler(ground, *jobs, ran=lambda job, outcome: told.append((job, outcome)))
    at = november(16, 13)
    assert await running.run_until(november(16, 14)) == [("broken", at), ("sound", at)]
    # The other community is not made to suffer for it.
    assert log.ran == [(job, at, name) for job in ("broken", "sound") for name in ("锦绣社区", "滨河社区")]
    assert await ground.read(states) == [
        ("broken", at, "failed", "ValueError: no luck in 锦绣社区"),
        ("sound", at, "done", ""),
    ]
    assert told == [("broken", "failed"), ("sound", "done")]
    # What failed is not tried again by itself: the next slot is.
    assert await running.run_until(november(16, 15)) == []


async def test_a_passing_fault_leaves_the_slot_for_the_next_tick(ground: Books) -> None:
    log, away = Log(), [True]

    def run(tick: Tick) -> bool:
        if away:
            away.clear()
            raise BooksBusy("database is locked")
        log.ran.append(("shy", tick.at, tick.community.name))
        return False

    clock = MovedClock(MONDAY, frozen=True)
    running = scheduler(ground, Job("shy", run, cron="0 13 * * *"), clock=clock)
    clock.move_to(november(16, 13, 5))
    await running.tick()
    assert (log.ran, running.last_tick) == ([], None)
    assert [state for *_, state, _ in await ground.read(states)] == ["running"]
    await running.tick()
    assert log.ran == [("shy", november(16, 13), name) for name in ("锦绣社区", "滨河社区")]
    assert running.last_tick is not None
    assert [state for *_, state, _ in await ground.read(states)] == ["done"]


async def test_a_job_works_in_portions_until_there_is_no_more(ground: Books) -> None:
    left = {"锦绣社区": 3, "滨河社区": 1}

    def run(tick: Tick) -> bool:
        left[tick.community.name] -= 1
        return left[tick.community.name] > 0

    await scheduler(ground, Job("portions", run, cron="0 13 * * *")).run_until(november(16, 14))
    assert left == {"锦绣社区": 0, "滨河社区": 0}


@ON_SQLITE
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_some_jobs_run_once_for_all_communities(ground: Books, demo_url: str) -> None:
    log = Log()
    await scheduler(ground, log.job("proof", cron="0 13 * * *", once=True)).run_until(november(16, 14))
    assert log.ran == [("proof", november(16, 13), "锦绣社区")]


# -- the clock ----------------------------------------


async def test_a_jump_over_days_runs_everything_in_order(ground: Books) -> None:
    log = Log()
    moments = (november(17, 7), november(17, 12), november(19, 9, 30))
    jobs = (
        log.job("reminder", due=asked(*moments)),
        log.job("proof", cron="20 3 * * *", once=True),
        log.job("noon", cron="0 12 * * *", once=True),
    )
    seen: list[datetime] = []

    async def step(moment: datetime) -> None:
        seen.append(moment)

    done = await scheduler(ground, *jobs).run_until(november(20, 0), step)
    expected = [
        ("proof", november(17, 3, 20)),
        ("reminder", november(17, 7)),
        ("reminder", november(17, 12)),
        ("noon", november(17, 12)),
        ("proof", november(18, 3, 20)),
        ("noon", november(18, 12)),
        ("proof", november(19, 3, 20)),
        ("reminder", november(19, 9, 30)),
        ("noon", november(19, 12)),
    ]
    assert done == expected
    assert list(dict.fromkeys((job, at) for job, at, _ in log.ran)) == expected
    assert seen == sorted({at for _, at in expected})
    assert await ground.read(schedule.done_until) == november(20, 0)
    # A second walk over the same time finds nothing to do; nor does a clock that goes back.
    assert await scheduler(ground, *jobs).run_until(november(20, 0)) == []
    assert await scheduler(ground, *jobs).run_until(november(18, 0)) == []
    assert await ground.read(schedule.done_until) == november(20, 0)


async def test_after_a_long_stop_the_recurring_is_done_for_two_days_and_the_asked_for_all(ground: Books) -> None:
    log = Log()
    jobs = (log.job("reminder", due=asked(november(17, 7))), log.job("proof", cron="20 3 * * *", once=True))
    done = await scheduler(ground, *jobs).run_until(november(30, 12))
    assert done == [
        ("reminder", november(17, 7)),
        ("proof", november(29, 3, 20)),
        ("proof", november(30, 3, 20)),
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_in_a_moved_demo_nothing_recurring_is_left_out(ground: Books) -> None:
    log = Log()

    async def step(_moment: datetime) -> None: ...

    await scheduler(ground, log.job("proof", cron="20 3 * * *", once=True)).run_until(november(26, 12), step)
    assert [at for _, at, _ in log.ran] == [november(day, 3, 20) for day in range(17, 27)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_new_database_owes_nothing_to_the_past(books: Books) -> None:
    await books.write(lay)
    log = Log()
    running = scheduler(books, log.job("proof", cron="20 3 * * *"))
    assert await running.run_until(MONDAY) == []
    assert await books.read(schedule.done_until) == MONDAY


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_started_scheduler_ticks_by_itself_and_stops(ground: Books) -> None:
    log, ticked = Log(), asyncio.Event()
    loop = asyncio.get_running_loop()
    clock = MovedClock(november(16, 13), frozen=True)
    running = scheduler(
        ground,
        log.job("noon", cron="0 13 * * *", once=True),
        clock=clock,
        ran=lambda *_: loop.call_soon_threadsafe(ticked.set),
    )
    running.start(1)
    await asyncio.wait_for(ticked.wait(), 5)
    await running.stop()
    assert log.ran == [("noon", november(16, 13), "锦绣社区")]
    clock.move_to(november(17, 14))
    await asyncio.sleep(1.1)
    assert len(log.ran) == 1


# -- several processes ----------------------------------------


@ON_POSTGRESQL
async def test_a_slot_runs_once_where_two_processes_tick_in_one_moment(database_url: str, ground: Books) -> None:
    log = Log()
    job = log.job("hourly", cron="0 * * * *", once=True)
    clock = MovedClock(MONDAY, frozen=True)
    other = await Books.open(database_url, threads=4)
    try:
        for hour in range(13, 23):
            clock.move_to(november(16, hour))
            # New ones each time, so that the lead is fought for.
            both = [scheduler(books, job, url=database_url, clock=clock) for books in (ground, other)]
            await asyncio.gather(*(one.tick() for one in both))
            await asyncio.gather(*(one.stop() for one in both))
    finally:
        await other.close()
    assert log.ran == [("hourly", november(16, hour), "锦绣社区") for hour in range(13, 23)]


@ON_POSTGRESQL
async def test_one_process_leads_until_it_lets_go_or_its_session_dies(database_url: str, ground: Books) -> None:
    log = Log()
    job = log.job("noon", cron="0 * * * *", once=True)
    clock = MovedClock(MONDAY, frozen=True)
    first, second, third = (scheduler(ground, job, url=database_url, clock=clock) for _ in range(3))
    clock.move_to(november(16, 13))
    await first.tick()
    clock.move_to(november(16, 14))
    await second.tick()
    assert [at for _, at, _ in log.ran] == [november(16, 13)], "the second ticked while the first led"
    # Not to lead is no fault: the second is as healthy as the first.
    assert second.last_tick is not None
    await first.stop()
    await second.tick()
    assert [at for _, at, _ in log.ran] == [november(16, 13), november(16, 14)]
    # The leader's session dies with its machine; nobody lets go.
    _kill_leader(database_url)
    clock.move_to(november(16, 15))
    await third.tick()
    clock.move_to(november(16, 16))
    await second.tick()
    assert [at for _, at, _ in log.ran] == [november(16, hour) for hour in (13, 14, 15)]
    await third.stop()
    # Who lost the lead comes back to it.
    await second.tick()
    assert [at for _, at, _ in log.ran] == [november(16, hour) for hour in (13, 14, 15, 16)]
    await second.stop()
    # What was stopped ticks no more.
    clock.move_to(november(16, 17))
    await second.tick()
    assert len(log.ran) == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_stopping_waits_for_the_slot_under_way(ground: Books) -> None:
    log, begun, go_on = Log(), threading.Event(), threading.Event()

    def run(tick: Tick) -> bool:
        begun.set()
        go_on.wait(5)
        log.ran.append(("slow", tick.at, tick.community.name))
        return False

    running = scheduler(
        ground, Job("slow", run, cron="0 13 * * *", once=True), clock=MovedClock(november(16, 13), frozen=True)
    )
    running.start(1)
    await asyncio.to_thread(begun.wait, 5)
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go_on.set()
    await stopping
    assert log.ran == [("slow", november(16, 13), "锦绣社区")]
    assert await ground.read(states) == [("slow", november(16, 13), "done", "")]
    assert running.last_tick is not None


def _kill_leader(url: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        killed = connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    assert killed == [(True,)]


@ON_SQLITE
async def test_two_houses_over_one_database_send_one_reminder(demo_url: str) -> None:
    here, there = await open_street(demo_url), await open_street(demo_url)
    try:
        pushed = await asyncio.gather(*(street.until(november(21, 7)) for street in (here, there)))
        assert {push for pushes in pushed for push in to_groups(pushes)} == {Push(group, REMINDER) for group in GROUPS}
        sent = [one for one in here.script.sent + there.script.sent if not one[1].startswith(DAY_BEFORE)]
        assert sorted(sent) == sorted((group, REMINDER) for group in GROUPS)
    finally:
        for street in (here, there):
            await street.house.close()
