"""Ticks: the clock → one unit of work → one job.

One APScheduler job ticks on the wall clock. What is due in the span of community time since the last tick is computed
from the jobs' cron lines and from the books, and run in order. The demo's clock control and replays walk the same way.
Of several processes on one PostgreSQL only the holder of an advisory lock ticks, and a unique `(job, slot)` row guards
the moment in which the holder changes.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from bot import logs
from bot.books import Books, BooksBusy, BooksClosed
from jobs.tick import Job, Span, Tick
from models import schedule
from models.clock import SHANGHAI, Clock
from models.directory import CommunityHere, communities

log = logs.logger(__name__)

LEADER_LOCK = 7_256_134
"""PostgreSQL's advisory lock of the one process that ticks."""

VANISHED = "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=2"
"""Of a session that leads: a machine that vanished without a word holds its lock for eight seconds, not for hours."""

CATCH_UP = timedelta(days=2)
"""How far back a tick looks for what recurs (a nightly proof) after a long stop. What the books ask for is kept."""


class Leadership:
    """Whether this process leads: always on SQLite; on PostgreSQL while its session holds the advisory lock."""

    def __init__(self, url: str, lock: int = LEADER_LOCK) -> None:
        """`lock` names what is led: the ticks, or a connection of which there may be one."""
        self._url = url if make_url(url).get_backend_name() == "postgresql" else ""
        self._lock = lock
        self._connection: psycopg.Connection[Any] | None = None
        self._ours = False
        self._mutex = threading.Lock()

    async def held(self) -> bool:
        """Takes the lock where it is free; says whether it is ours now."""
        return True if not self._url else await asyncio.to_thread(self._try)

    def _try(self) -> bool:
        with self._mutex:
            try:
                if self._connection is None:
                    plain = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
                    self._connection = psycopg.connect(plain, autocommit=True, connect_timeout=5, options=VANISHED)
                if not self._ours:
                    row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (self._lock,)).fetchone()
                    self._ours = row is not None and bool(row[0])
                else:
                    # The lock lives as long as its session: ask whether the session does.
                    self._connection.execute("SELECT 1")
                return self._ours
            except psycopg.Error:
                self._connection, self._ours = None, False
                return False

    def release(self) -> None:
        """Lets another process lead."""
        with self._mutex:
            if self._connection is not None:
                # In so many words: a server notices a closed session only after a while.
                with suppress(psycopg.Error):
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", (self._lock,))
                self._connection.close()
                self._connection, self._ours = None, False


class Scheduler:
    """Runs what is due."""

    def __init__(
        self,
        *,
        books: Books,
        jobs: Sequence[Job],
        clock: Clock,
        wall: Clock,
        rules: Mapping[str, Any],
        leadership: Leadership,
        ran: Callable[[str, str], None] | None = None,
    ) -> None:
        """`ran` is told job and outcome (done, failed) of each slot."""
        self._books = books
        self._jobs = tuple(jobs)
        self._clock = clock
        self._wall = wall
        self._rules = rules
        self._leadership = leadership
        self._ran = ran
        self._crons = {
            job.name: CronTrigger.from_crontab(job.cron, timezone=SHANGHAI) for job in self._jobs if job.cron
        }
        self._fires: dict[str, tuple[datetime, datetime]] = {}
        """For each job that recurs: its next moment, and since when that is the next one."""
        self._apscheduler: AsyncIOScheduler | None = None
        self._walking = asyncio.Lock()
        self._ticking = asyncio.Lock()
        self._stopping = False
        self.last_tick: datetime | None = None
        """Wall time of the last tick that ended well."""

    def start(self, seconds: int) -> None:
        """Ticks every so many seconds of wall time, until it is stopped."""
        self._stopping = False
        self._apscheduler = AsyncIOScheduler(timezone=SHANGHAI)
        self._apscheduler.add_job(
            self.tick,
            IntervalTrigger(seconds=seconds, timezone=SHANGHAI),
            next_run_time=self._wall.now(),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        self._apscheduler.start()

    async def stop(self) -> None:
        """Ends after the tick under way."""
        self._stopping = True
        async with self._ticking:
            # Only now: APScheduler cancels what it finds running.
            if self._apscheduler is not None:
                self._apscheduler.shutdown(wait=False)
                self._apscheduler = None
            await asyncio.to_thread(self._leadership.release)

    async def tick(self) -> None:
        """One tick: everything due until now. A passing fault is left to the next tick."""
        if self._stopping:
            return
        async with self._ticking:
            try:
                if await self._leadership.held():
                    await self.run_until(self._clock.now())
                self.last_tick = self._wall.now()
            except (BooksBusy, BooksClosed) as error:
                log.warning("scheduler.put_off", error=str(error))

    async def run_until(
        self, until: datetime, before: Callable[[datetime], Awaitable[None]] | None = None
    ) -> list[tuple[str, datetime]]:
        """Runs all slots due up to a moment of community time, in order; returns them.

        `before` is awaited with the moment of each slot before it runs, where somebody moves the clock.
        """
        done: list[tuple[str, datetime]] = []
        async with self._walking:
            after = await self._books.read(schedule.done_until)
            if after is None:
                # A new database: nothing was due before it was there.
                await self._books.write(lambda session: schedule.advance(session, until=until))
                return done
            # Somebody who moves the clock wants to see everything; after a stop one proof is as good as twenty.
            recurring = after if before is not None else max(after, until - CATCH_UP)
            await self._finish_interrupted()
            while coming := await self._coming(self._jobs, Span(after, until), recurring):
                moment = min(coming.values())
                if before is not None:
                    await before(moment)
                due = [job for job in self._jobs if coming.get(job.name) == moment]
                while due:
                    await self._run_slot(due[0], moment)
                    done.append((due[0].name, moment))
                    # What ran may have given something to do to those that come after it.
                    later = self._jobs[self._jobs.index(due[0]) + 1 :]
                    now_due = await self._coming(later, Span(after, moment), recurring)
                    due = [job for job in later if job.name in now_due]
                after = moment
                await self._advance(moment)
            await self._advance(until)
        return done

    async def _advance(self, moment: datetime) -> None:
        await self._books.write(lambda session: schedule.advance(session, until=moment))

    async def _coming(self, jobs: Sequence[Job], span: Span, recurring: datetime) -> dict[str, datetime]:
        """When each job is due in the span for the first time, if it is; what recurs, only after `recurring`."""
        asking = [job for job in jobs if job.due is not None]
        found = {job.name: self._cron_due(job, span, recurring) for job in jobs if job.cron}
        if asking:
            found |= await self._books.read(lambda session: self._asked(session, asking, span))
        return {name: moment for name, moment in found.items() if moment is not None}

    def _cron_due(self, job: Job, span: Span, recurring: datetime) -> datetime | None:
        after = max(span.after, recurring)
        since, fire = self._fires.get(job.name, (after, after))
        if not since <= after < fire:
            # get_next_fire_time answers with moments at or after its argument; the span is open at its start.
            next_fire = self._crons[job.name].get_next_fire_time(None, after + timedelta(microseconds=1))
            if next_fire is None:
                return None
            fire = next_fire
            self._fires[job.name] = after, fire
        return fire if fire <= span.until else None

    def _asked(self, session: Session, jobs: Sequence[Job], span: Span) -> dict[str, datetime | None]:
        everywhere = communities(session)
        found = {}
        for job in jobs:
            assert job.due is not None
            moments = [job.due(session, community, span, self._rules) for community in everywhere]
            found[job.name] = min((moment for moment in moments if moment is not None), default=None)
        return found

    async def _run_slot(self, job: Job, moment: datetime) -> None:
        wall = self._wall.now()
        if not await self._books.write(
            lambda session: schedule.begin_slot(session, job=job.name, slot=moment, wall=wall)
        ):
            return  # another process has it
        await self._work(job, moment)

    async def _finish_interrupted(self) -> None:
        # Slots whose process died in the middle; what they wrote is keyed, so they can run again.
        named = {job.name: job for job in self._jobs}
        for name, moment in await self._books.read(schedule.unfinished_slots):
            if name in named:
                await self._work(named[name], moment)

    async def _work(self, job: Job, moment: datetime) -> None:
        state, detail = "done", ""
        everywhere = await self._books.read(communities)
        for community in everywhere[:1] if job.once else everywhere:
            try:
                await self._work_in(job, moment, community)
            except (BooksBusy, BooksClosed):
                raise  # the slot stays unfinished and is taken up again
            except Exception as error:
                # A bug that one community meets must not take the reminders of the others.
                log.exception("job.failed", job=job.name, slot=moment.isoformat(), community=community.id)
                state, detail = "failed", f"{type(error).__name__}: {error}"[:500]
        if self._ran is not None:
            self._ran(job.name, state)
        await self._books.write(
            lambda session: schedule.end_slot(
                session, job=job.name, slot=moment, state=state, detail=detail, wall=self._wall.now()
            )
        )

    async def _work_in(self, job: Job, moment: datetime, community: CommunityHere) -> None:
        through = self._books.read if job.reads else self._books.write
        while await through(lambda session: job.run(Tick(session, community, moment, self._rules))):
            pass
