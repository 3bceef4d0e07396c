"""Proof of the books: every invariant that SQL can check, over all tables.

Each model declares its own `INVARIANTS`; those that cross features stand here. `linli verify` and the nightly job run
them all, and look whether the database still has the keys and triggers that hold the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Select,
    String,
    UniqueConstraint,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from models.audit import Audit
from models.base import Base, Invariant
from models.database import Prepared
from models.inbox import Inbox
from models.ledger import APPEND_ONLY, Transfer
from models.members import Member, MemberRole, Role
from models.outbox import Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState
from models.schedule import JobSlot

_told = Audit.detail["points"].as_integer()


def _to_nobody() -> Iterator[Select[Any]]:
    # A transfer's sides are no foreign keys, because the system's accounts are no members.
    for side in (Transfer.credit, Transfer.debit):
        both = and_(Member.id == side, Member.community_id == Transfer.community_id)
        yield select(Transfer.id).outerjoin(Member, both).where(side > 0, Member.id.is_(None))


_instead = aliased(Outbox)

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
                and_(Outbox.state.in_([OutboxState.FAILED, OutboxState.HANDED_ON]), Outbox.dead_reason == ""),
            )
        ),
    ),
    Invariant(
        # What ended is in nobody's hands, and waits for nothing.
        "outbox.held",
        select(Outbox.id).where(
            Outbox.state != OutboxState.WAITING,
            or_(Outbox.leased_until.is_not(None), Outbox.retry_at.is_not(None), Outbox.lease != ""),
        ),
    ),
    Invariant(
        # Whoever was to be told instead was told.
        "outbox.handed_on",
        select(Outbox.id)
        .outerjoin(
            _instead,
            and_(
                _instead.community_id == Outbox.community_id,
                _instead.key == literal("handed-on:") + cast(Outbox.id, String),
            ),
        )
        .where(Outbox.state == OutboxState.HANDED_ON, _instead.id.is_(None)),
    ),
    Invariant(
        "attempts.outcome",
        select(Attempt.id).where(
            or_(
                Attempt.outcome.not_in(list(AttemptOutcome)),
                (Attempt.outcome == AttemptOutcome.RUNNING) == Attempt.ended_at.is_not(None),
            )
        ),
    ),
    Invariant(
        # Nothing ends while it is being sent.
        "attempts.running",
        select(Attempt.id)
        .join(AttemptItem, AttemptItem.attempt_id == Attempt.id)
        .join(Outbox, Outbox.id == AttemptItem.outbox_id)
        .where(Attempt.outcome == AttemptOutcome.RUNNING, Outbox.state != OutboxState.WAITING),
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
    Invariant("member_roles.role", select(MemberRole.id).where(MemberRole.role.not_in(list(Role)))),
    Invariant("transfers.member", union_all(*_to_nobody())),
    Invariant(
        # What somebody was told that they earned stands in the ledger.
        "audit.points",
        select(Audit.id)
        .outerjoin(
            Transfer,
            and_(
                Transfer.community_id == Audit.community_id,
                Transfer.key == case((Audit.action == "check_in", "check-in:"), else_="hours:") + Audit.object_ref,
                Transfer.amount == _told,
            ),
        )
        .where(Audit.action.in_(["check_in", "check_out"]), _told > 0, Transfer.id.is_(None)),
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
    return (*_told_by_models(), *orphans(), *strangers())


def _told_by_models() -> Iterator[Invariant]:
    from models import EVERY_TABLE

    for module in EVERY_TABLE:
        yield from getattr(module, "INVARIANTS", ())
    yield from ACROSS


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
    """Everything that is false and must never be, beginning with what guards the books from it."""
    found = [*_missing(session)]
    for name, check in _prepared():
        if rows := check.all(session):
            found.append(Violation(name, tuple(row[0] for row in rows)))
    for several in _prepared_together():
        culprits: dict[str, list[object]] = {}
        for culprit, name in several.all(session):
            culprits.setdefault(name, []).append(culprit)
        found += [Violation(name, tuple(some)) for name, some in culprits.items()]
    return found


_UNIQUE = {
    # Table, columns in order, and whether it holds for some rows only.
    "sqlite": """
        SELECT m.name, (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)),
               i.partial
        FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i."unique" = 1
    """,
    "postgresql": """
        SELECT t.relname, array_to_string(ARRAY(
                   SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.place), ','),
               i.indpred IS NOT NULL
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        WHERE i.indisunique AND i.indisvalid AND t.relnamespace = current_schema()::regnamespace
    """,
}
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'transfers'",
    "postgresql": """
        SELECT g.tgname FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
        WHERE t.relname = 'transfers' AND t.relnamespace = current_schema()::regnamespace AND g.tgenabled IN ('O', 'A')
    """,
}


def _missing(session: Session) -> Iterator[Violation]:
    """Guards that the models declare and the database does not have: unique keys, and the ledger's triggers."""
    dialect = session.get_bind().dialect.name
    unique = {(table, columns, bool(partial)) for table, columns, partial in session.execute(text(_UNIQUE[dialect]))}
    gone = [name for name, table, columns, partial in _declared() if (table, columns, partial) not in unique]
    if gone:
        yield Violation("schema.unique", tuple(gone[:10]))
    triggers = set(session.scalars(text(_TRIGGERS[dialect])))
    if off := [name for name in APPEND_ONLY[dialect] if name not in triggers]:
        yield Violation("schema.triggers", tuple(off))


@cache
def _declared() -> tuple[tuple[str, str, str, bool], ...]:
    # Name, table, columns and whether it is partial, of every unique key.
    declared = []
    for table in Base.metadata.sorted_tables:
        for key in table.constraints:
            if isinstance(key, UniqueConstraint):
                declared.append((str(key.name), table.name, ",".join(key.columns.keys()), False))
        for index in table.indexes:
            if index.unique:
                partial = index.dialect_options["sqlite"]["where"] is not None
                declared.append((str(index.name), table.name, ",".join(index.columns.keys()), partial))
    return tuple(declared)


@cache
def _prepared() -> tuple[tuple[str, Prepared], ...]:
    # On a small database compiling them would take longer than asking them.
    return tuple((one.name, Prepared(one.culprits.limit(10))) for one in _told_by_models())


@cache
def _prepared_together() -> tuple[Prepared, ...]:
    # Those of the foreign keys are many and each is soon answered: a server is asked forty at a time.
    some = [_with_name(one) for one in (*orphans(), *strangers())]
    return tuple(Prepared(union_all(*some[first : first + 40])) for first in range(0, len(some), 40))


def _with_name(one: Invariant) -> Select[Any]:
    found = one.culprits.limit(10).subquery()
    return found.select().add_columns(literal(one.name))
