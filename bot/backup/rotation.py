"""Which copies are kept: every one of the last days, one a week of the time before, and always the newest.

`Nightly` makes one each night in a process of its own, so that the bot's own is not slowed down, and writes down how it
went where the jobs write it: `linli check` and the metrics tell.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from bot import logs
from bot.backup.archive import Manifest, seal_ending
from bot.backup.taking import take
from bot.books import Books, BooksBusy, BooksClosed
from bot.config import Backup
from models import schedule
from models.clock import SHANGHAI, Clock, at, day_of, local

JOB = "backup.nightly"
NAME = re.compile(r"linli-(\d{8}-\d{6})(?:-before-[\w.]+?)?\.zip(?:\.sealed)?")
LOOK_SECONDS = 30.0
REST = timedelta(minutes=10)
"""A copy that was missed is made up for so long after the start: a start has enough to do."""

log = logs.logger(__name__)


def copies_in(folder: Path) -> dict[Path, datetime]:
    """The copies in a folder with their moments, the newest first; files of other names are nobody's business."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if name := NAME.fullmatch(path.name):
            with suppress(ValueError):  # no day of any calendar
                found[path] = datetime.strptime(name[1], "%Y%m%d-%H%M%S").replace(tzinfo=SHANGHAI)
    return dict(sorted(found.items(), key=lambda one: one[1], reverse=True))


def copy_name(now: datetime, *, sealed: bool, before: str = "") -> str:
    """`linli-20261117-193000.zip`, by the Shanghai clock; `before` names the migration that it precedes."""
    return f"linli-{local(now):%Y%m%d-%H%M%S}{before and f'-before-{before}'}{seal_ending(sealed)}"


def make_copy(
    url: str, settings: Backup, *, now: datetime, passphrase: str = "", before: str = ""
) -> tuple[Path, Manifest]:
    """Makes a copy in the configured folder; sealed with the configured passphrase unless another one is given."""
    secret = passphrase or (settings.passphrase.get_secret_value() if settings.passphrase else "")
    path = Path(settings.folder) / copy_name(now, sealed=bool(secret), before=before)
    return path, take(url, path, passphrase=secret, now=now)


def outdated(copies: Mapping[Path, datetime], now: datetime, *, keep_days: int, keep_weeks: int) -> list[Path]:
    """The copies that need not be kept any longer."""
    newest_first = sorted(copies.items(), key=lambda one: one[1], reverse=True)
    oldest_day = day_of(now) - timedelta(days=keep_days - 1)
    oldest_week = oldest_day - timedelta(weeks=keep_weeks)
    weeks: set[tuple[int, int]] = set()
    gone = []
    for path, moment in newest_first[1:]:
        day = day_of(moment)
        if day >= oldest_day:
            continue
        week = day.isocalendar()[:2]
        if day >= oldest_week and week not in weeks:
            weeks.add(week)
            continue
        gone.append(path)
    return gone


def rotate(settings: Backup, now: datetime) -> list[Path]:
    """Removes what is outdated from the configured folder; returns what it removed."""
    copies = copies_in(Path(settings.folder))
    gone = outdated(copies, now, keep_days=settings.keep_days, keep_weeks=settings.keep_weeks)
    for path in gone:
        path.unlink(missing_ok=True)
    for path in Path(settings.folder).glob(".linli-*.part"):
        # What a process that was killed has left; nobody takes a day to write one.
        if now.timestamp() - path.stat().st_mtime > timedelta(days=1).total_seconds():
            path.unlink(missing_ok=True)
    return gone


# -- every night ----------------------------------------


def last_due(now: datetime, settings: Backup) -> datetime:
    """The last moment at which a copy was to be made, in UTC."""
    clock = settings.clock()
    today = at(day_of(now), clock.hour, clock.minute)
    return today if today <= now else at(day_of(now) - timedelta(days=1), clock.hour, clock.minute)


async def copy_in_a_process(arguments: Iterable[str]) -> str:
    """Runs `linli backup --rotate` beside this process; returns nothing, or what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "backup", "--rotate", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            # The bot ends: what is half written removes itself.
            process.terminate()
            await process.wait()
    return "" if process.returncode == 0 else complaint.decode(errors="replace").strip()[-400:] or "没有说明原因"


class Nightly:
    """Makes the copy of each night, in the one process that ticks."""

    def __init__(
        self,
        books: Books,
        settings: Backup,
        *,
        wall: Clock,
        leads: Callable[[], Awaitable[bool]],
        copy: Callable[[], Awaitable[str]],
        ran: Callable[[str], None],
    ) -> None:
        """`copy` makes one and returns nothing or a complaint; `ran` is told `done` or `failed`."""
        self._books = books
        self._settings = settings
        self._wall = wall
        self._leads = leads
        self._copy = copy
        self._ran = ran
        self._started = wall.now()

    def adopt(self, settings: Backup) -> None:
        """Takes changed settings, for the next copy."""
        self._settings = settings

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.look()
            except (BooksBusy, BooksClosed) as error:
                log.warning("backup.put_off", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Makes a copy where one is due; says whether."""
        now = self._wall.now()
        due = last_due(now, self._settings)
        if due < self._started and now < self._started + REST:
            return False
        if not await self._leads():
            return False
        state = await self._books.read(lambda session: schedule.slot_state(session, job=JOB, slot=due))
        if state in ("done", "failed"):
            return False
        # One that was begun and not ended: whoever made it has died, for only one process makes them.
        await self._books.write(lambda session: schedule.begin_slot(session, job=JOB, slot=due, wall=now))
        complaint = await self._copy()
        outcome = "failed" if complaint else "done"
        await self._books.write(
            lambda session: schedule.end_slot(
                session, job=JOB, slot=due, state=outcome, detail=complaint, wall=self._wall.now()
            )
        )
        self._ran(outcome)
        if complaint:
            log.error("backup.failed", error=complaint)
        else:
            log.info("backup.done", seconds=round((self._wall.now() - now).total_seconds(), 1))
        return True
