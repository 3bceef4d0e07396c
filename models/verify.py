"""Proof of the books: every invariant that SQL can check, over all tables.

Each model declares its own `INVARIANTS`; those that cross features stand here. `linli verify` and the nightly job run
them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from models.audit import Audit
from models.base import Base, Invariant
from models.database import Prepared
from models.inbox import Inbox
from models.outbox import Attempt, AttemptItem, Outbox, OutboxState
from models.schedule import JobSlot

_twin = aliased(Audit)

ACROSS = (
    Invariant(
        # A message that made an effect has its answer in the inbox.
        "audit.answered",
        select(Audit.id)
        .outerjoin(Inbox, and_(Inbox.channel == Audit.channel, Inbox.message_id == Audit.message_id))
        .where(Audit.message_id != "", Inbox.id.is_(None)),
    ),
    Invariant(
        # One effect per message: the same act on the same object is not written down twice for one message.
        "audit.once",
        select(func.min(Audit.id))
        .where(Audit.message_id != "")
        .group_by(Audit.channel, Audit.message_id, Audit.action, Audit.object_ref)
        .having(func.count() > 1),
    ),
    Invariant(
        "audit.effect",
        select(Inbox.id)
        .outerjoin(Audit, and_(Inbox.channel == Audit.channel, Inbox.message_id == Audit.message_id))
        .where(Inbox.outcome == "act", Audit.id.is_(None)),
    ),
    Invariant(
        "outbox.state",
        select(Outbox.id).where(
            or_(
                Outbox.state.not_in(list(OutboxState)),
                and_(Outbox.state == OutboxState.WAITING, Outbox.finished_at.is_not(None)),
                and_(Outbox.state != OutboxState.WAITING, Outbox.finished_at.is_(None)),
                and_(Outbox.state == OutboxState.FAILED, Outbox.dead_reason == ""),
            )
        ),
    ),
    Invariant(
        "outbox.sent",
        select(Outbox.id)
        .outerjoin(AttemptItem, AttemptItem.outbox_id == Outbox.id)
        .outerjoin(Attempt, and_(Attempt.id == AttemptItem.attempt_id, Attempt.outcome == "sent"))
        .where(Outbox.state == OutboxState.SENT)
        .group_by(Outbox.id)
        .having(func.count(Attempt.id) == 0),
    ),
    Invariant("job_slots.state", select(JobSlot.job).where(JobSlot.state.not_in(["running", "done", "failed"]))),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and up to ten culprits."""

    name: str
    culprits: tuple[object, ...]


@cache
def invariants() -> tuple[Invariant, ...]:
    """All invariants: those that the models declare, those across them, and those that every foreign key has."""
    from models import EVERY_TABLE

    declared = (invariant for module in EVERY_TABLE for invariant in getattr(module, "INVARIANTS", ()))
    return (*declared, *ACROSS, *orphans(), *strangers())


def orphans() -> Iterator[Invariant]:
    """No row's parent is gone. PostgreSQL forbids it; SQLite only where it was asked to."""
    for name, child, parent_id, _, _ in _foreign_keys():
        rows = select(child).outerjoin(parent_id.table, child == parent_id)
        yield Invariant(f"{name}.orphan", rows.where(child.is_not(None), parent_id.is_(None)))


def strangers() -> Iterator[Invariant]:
    """No row's parent belongs to another community than the row itself."""
    for name, child, parent_id, ours, theirs in _foreign_keys():
        if ours is not None and theirs is not None:
            rows = select(child).join(parent_id.table, child == parent_id)
            yield Invariant(f"{name}.stranger", rows.where(ours != theirs))


def _foreign_keys() -> Iterator[tuple[str, Any, Any, Any, Any]]:
    # Name, child column, parent's id, and the community of each, where there is one.
    for table in Base.metadata.sorted_tables:
        for child in table.columns:
            for key in child.foreign_keys:
                parent = key.column.table.alias()
                communities = table.c.get("community_id"), parent.c.get("community_id")
                yield (f"{table.name}.{child.name}", child, parent.c[key.column.name], *communities)


def violations(session: Session) -> list[Violation]:
    """Everything that is false and must never be."""
    found = []
    for name, check in _prepared():
        rows = check.all(session)
        if rows:
            found.append(Violation(name, tuple(row[0] for row in rows)))
    return found


@cache
def _prepared() -> tuple[tuple[str, Prepared], ...]:
    # There are some for each foreign key: on a small database compiling them would take longer than asking them.
    return tuple((one.name, Prepared(one.culprits.limit(10))) for one in invariants())
