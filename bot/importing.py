"""A list into the books: held against them, and written in small units beside a bot that goes on answering."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from sqlalchemy.orm import Session

from bot.books import Books
from bot.roster_file import Listing, read_listing
from bot.sheets import Row
from models.clock import Clock, day_of
from models.members import Person
from models.roster import (
    Batch,
    Place,
    Plan,
    Refused,
    Step,
    Tree,
    Written,
    begin_import,
    end_import,
    lock_roster,
    make_plan,
    open_homes,
    read_roster,
    read_tree,
    write_steps,
)

UNIT_ROWS = 500
UNIT_ROWS_LEAST = 50
UNIT_SECONDS = 0.04
"""A unit that took longer is followed by smaller ones: on SQLite the bot's own writes wait for it."""
PAUSE_SECONDS = 0.04
"""Between two units, in which the bot writes: whoever waits for SQLite's lock looks for it every few milliseconds, and
would find it taken again by the next unit.
"""
HOMES = 50
"""Buildings and doors that are made in one unit."""


@dataclass(slots=True)
class Held:
    """A list held against the books: what it says, and what it would do."""

    listing: Listing
    plan: Plan
    known: set[int] = field(repr=False)
    """Everybody whom the plan knew of."""


@dataclass(slots=True)
class Done:
    """What an import has done."""

    added: int = 0
    changed: int = 0
    refused: list[Refused] = field(default_factory=list)
    """Rows that no longer fitted when their turn came."""


async def hold(
    books: Books, rows: list[Row], *, community_id: int, namespace: str, by: Person | None, clock: Clock
) -> Held:
    """Holds the rows of a file against the books; writes nothing. Raises Unreadable."""
    now = clock.now()
    snapshot = await books.read(partial(read_roster, community_id=community_id, namespace=namespace, now=now))
    # WeCom's userids are the same in any letter case; other ids are opaque.
    listing = read_listing(
        rows, tree=snapshot.tree, lower_accounts=namespace.startswith("wecom:"), year=day_of(now).year
    )
    unread = {bad.name for bad in listing.bad}
    plan = make_plan(listing.entries, snapshot.members, snapshot.tree, by=by, now=now, also_named=unread)
    return Held(listing, plan, {one.id for one in snapshot.members})


async def carry_out(
    books: Books, held: Held, *, batch: Batch, clock: Clock, file: str, progress: Callable[[int, int], None]
) -> Done:
    """Writes the plan, and tells `progress` how many of how many rows are done.

    Raises BooksBusy where the books cannot be written; what was written by then stays, and importing again goes on.
    """
    plan, done = held.plan, Done()
    planned = {"file": file, "added": len(plan.added), "changed": len(plan.changed), "same": plan.same}
    await books.write(partial(begin_import, batch=batch, now=clock.now(), planned=planned))
    for at in range(0, len(plan.units), HOMES):
        await books.write(partial(_open, batch, plan.units[at : at + HOMES], clock))
        await asyncio.sleep(PAUSE_SECONDS)
    tree = await books.read(partial(read_tree, community_id=batch.community_id))
    steps = [*plan.added, *plan.changed]
    at, size = 0, UNIT_ROWS_LEAST
    while at < len(steps):
        some = steps[at : at + size]
        written, seconds = await books.write(partial(_timed, batch, some, tree, held.known, clock))
        held.known.update(written.added)
        done.added += len(written.added)
        done.changed += written.changed
        done.refused += written.refused
        at += len(some)
        progress(at, len(steps))
        size = max(UNIT_ROWS_LEAST, min(UNIT_ROWS, int(len(some) * UNIT_SECONDS / max(seconds, 0.001)), size * 2))
        await asyncio.sleep(max(PAUSE_SECONDS, seconds))
    counts = {"file": file, "added": done.added, "changed": done.changed, "refused": len(done.refused)}
    await books.write(partial(end_import, batch=batch, now=clock.now(), done=counts))
    return done


def _open(batch: Batch, places: list[Place], clock: Clock, session: Session) -> None:
    lock_roster(session, community_id=batch.community_id)
    open_homes(session, community_id=batch.community_id, places=places, now=clock.now())


def _timed(
    batch: Batch, steps: list[Step], tree: Tree, known: set[int], clock: Clock, session: Session
) -> tuple[Written, float]:
    began = perf_counter()
    written = write_steps(session, batch=batch, steps=steps, tree=tree, known=known, now=clock.now())
    return written, perf_counter() - began
