"""接龙: a numbered chain that neighbours copy forward, as it was pasted last, and what each new version changed.

A chain is about an activity, about a broadcast's receipts, or about nothing but itself. The bot keeps who stands in it
and merges each version with the last: copies cross each other, so that who is missing has left only where that is
certain.

- A name stands in a chain once at a time; what is added again after it went is a new line.
- Who stands in a chain is nobody's sign-up and nobody's receipt by that: those are written by whoever may.
- Lines are of people only as far as the roster knows exactly one person of that name.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    and_,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.counters import next_number
from models.directory import touch
from models.members.people import Member, masked

OPEN_FOR = timedelta(days=7)


class RollCall(Base):
    """One chain."""

    __tablename__ = "roll_calls"
    __table_args__ = (UniqueConstraint("community_id", "number", name="uq_roll_calls_number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(40))
    """`activity:12`, `broadcast:7`, or nothing."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id"))
    version: Mapped[int] = mapped_column(Integer)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    closes_at: Mapped[datetime]


class RollCallLine(Base):
    """One line of a chain, from the version in which it came to the one in which it was missing."""

    __tablename__ = "roll_call_lines"
    __table_args__ = (
        Index(
            "uq_roll_call_lines_live",
            "community_id",
            "roll_call_id",
            "name",
            unique=True,
            sqlite_where=text("gone_in IS NULL"),
            postgresql_where=text("gone_in IS NULL"),
        ),
        Index("ix_roll_call_lines_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    roll_call_id: Mapped[int] = mapped_column(ForeignKey("roll_calls.id"))
    place: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(40))
    count: Mapped[int] = mapped_column(Integer)
    note: Mapped[str] = mapped_column(String(80), server_default="")
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    added_in: Mapped[int] = mapped_column(Integer)
    added_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    gone_in: Mapped[int | None] = mapped_column(Integer)


class NoSuchRollCall(Refusal):
    """No chain of this number. Fields: number."""


class RollCallMoved(Refusal):
    """Somebody has pasted a newer version since. Fields: number."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as sentences need it."""

    id: int
    community_id: int
    number: int
    title: str
    about: str
    version: int

    @property
    def ref(self) -> str:
        return f"roll_call:{self.number}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a pasted line says: a name (or a room), how many people, a note. `member_id` where exactly one is meant."""

    name: str
    count: int = 1
    note: str = ""
    member_id: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line that stands in a chain."""

    id: int
    place: int
    name: str
    count: int
    note: str
    member_id: int | None
    hides_name: bool

    @property
    def shown(self) -> str:
        """The name as a group may read it."""
        return masked(self.name) if self.hides_name else self.name


@dataclass(frozen=True, slots=True)
class Change:
    """What a version changed."""

    added: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    gone: tuple[Line, ...]
    doubled: int
    """Names that stand in the version more than once."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.gone)


# -- rules ----------------------------------------


def compare(before: Sequence[Line], entries: Sequence[Entry], *, own: Collection[str] = ()) -> Change:
    """What a version changes against the lines that stand, in the order in which they came.

    A line that is missing has left where a later one is still there: the version goes on from it. Where nothing later
    is there, whoever pasted had an older version before them; only their `own` names leave then.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.name, entry)
    standing = {line.name: line for line in before}
    kept = [line.place for line in before if line.name in first]
    last = max(kept, default=-1)
    goes_on = bool(kept) or not before
    gone = [line for line in before if line.name not in first and goes_on and (line.place < last or line.name in own)]
    return Change(
        added=tuple(entry for name, entry in first.items() if name not in standing),
        changed=tuple(
            entry
            for name, entry in first.items()
            if name in standing and (standing[name].count, standing[name].note) != (entry.count, entry.note)
        ),
        gone=tuple(gone),
        doubled=len(entries) - len(first),
    )


# -- actions ----------------------------------------


def begin_roll_call(
    session: Session,
    *,
    community_id: int,
    title: str,
    about: str,
    group_id: int | None,
    made_by: int,
    now: datetime,
    closes_at: datetime | None = None,
) -> Chain:
    """Begins a chain under the community's next number; one about the same thing goes on, where it is open."""
    if about and (found := _about(session, community_id, about, now)) is not None:
        return found
    number = next_number(session, community_id=community_id, kind="roll_call")
    session.execute(
        insert(RollCall),
        {
            "community_id": community_id,
            "number": number,
            "title": title[:40],
            "about": about,
            "group_id": group_id,
            "version": 0,
            "made_by": made_by,
            "at": now,
            "closes_at": closes_at or now + OPEN_FOR,
        },
    )
    touch(session, community_id)
    return find_roll_call(session, community_id=community_id, number=number)


_CHAIN = (RollCall.id, RollCall.community_id, RollCall.number, RollCall.title, RollCall.about, RollCall.version)


def _about(session: Session, community_id: int, about: str, now: datetime) -> Chain | None:
    row = session.execute(
        select(*_CHAIN)
        .where(RollCall.community_id == community_id, RollCall.about == about, RollCall.closes_at > now)
        .order_by(RollCall.id.desc())
        .limit(1)
    ).one_or_none()
    return Chain(*row) if row else None


def find_roll_call(session: Session, *, community_id: int, number: int) -> Chain:
    """The chain of this number. Raises NoSuchRollCall."""
    row = session.execute(
        select(*_CHAIN).where(RollCall.community_id == community_id, RollCall.number == number)
    ).one_or_none()
    if row is None:
        raise NoSuchRollCall(number=number)
    return Chain(*row)


def roll_call_about(session: Session, *, community_id: int, about: str, now: datetime) -> Chain | None:
    """The chain about a thing, where there is one."""
    return _about(session, community_id, about, now)


def lines_of(session: Session, chain: Chain) -> list[Line]:
    """Who stands in a chain, in order."""
    rows = session.execute(
        select(
            RollCallLine.id,
            RollCallLine.place,
            RollCallLine.name,
            RollCallLine.count,
            RollCallLine.note,
            RollCallLine.member_id,
            func.coalesce(Member.hides_name, False).label("hides_name"),
        )
        .outerjoin(Member, RollCallLine.member_id == Member.id)
        .where(
            RollCallLine.community_id == chain.community_id,
            RollCallLine.roll_call_id == chain.id,
            RollCallLine.gone_in.is_(None),
        )
        .order_by(RollCallLine.place, RollCallLine.id)
    )
    return [Line(*row[:6], bool(row.hides_name)) for row in rows]


@dataclass(frozen=True, slots=True)
class Merged:
    """A version in the books."""

    version: int
    change: Change
    lines: tuple[Line, ...]


def merge_version(session: Session, *, chain: Chain, entries: Sequence[Entry], own: Collection[str], by: int) -> Merged:
    """Merges a pasted version with the last one; two that come at once are merged one after the other."""
    session.execute(
        select(RollCall.id)
        .where(RollCall.community_id == chain.community_id, RollCall.id == chain.id)
        .with_for_update(key_share=True)
    )
    before = lines_of(session, chain)
    change = compare(before, entries, own=own)
    version = _version(session, chain)
    if not change:
        return Merged(version, change, tuple(before))
    version += 1
    session.execute(
        update(RollCall)
        .where(RollCall.community_id == chain.community_id, RollCall.id == chain.id)
        .values(version=version)
    )
    standing = {line.name: line for line in before}
    replaced = [standing[entry.name].id for entry in change.changed]
    _let_go(session, chain, [*(line.id for line in change.gone), *replaced], version)
    place = max((line.place for line in before), default=0)
    new = [(standing[entry.name].place, entry) for entry in change.changed]
    new += [(place + number, entry) for number, entry in enumerate(change.added, 1)]
    if new:
        session.execute(
            insert(RollCallLine),
            [
                {
                    "community_id": chain.community_id,
                    "roll_call_id": chain.id,
                    "place": where,
                    "name": entry.name[:40],
                    "count": entry.count,
                    "note": entry.note[:80],
                    "member_id": entry.member_id,
                    "added_in": version,
                    "added_by": by,
                    "gone_in": None,
                }
                for where, entry in new
            ],
        )
    return Merged(version, change, tuple(lines_of(session, chain)))


def _version(session: Session, chain: Chain) -> int:
    return session.execute(
        select(RollCall.version).where(RollCall.community_id == chain.community_id, RollCall.id == chain.id)
    ).scalar_one()


def _let_go(session: Session, chain: Chain, ids: Sequence[int], version: int) -> None:
    session.execute(
        update(RollCallLine)
        .where(RollCallLine.community_id == chain.community_id, RollCallLine.id.in_(ids))
        .values(gone_in=version)
    )


def take_back_version(session: Session, *, community_id: int, number: int, version: int) -> Chain:
    """Lets a chain be what it was before its last version. Raises RollCallMoved where that is not the last."""
    chain = find_roll_call(session, community_id=community_id, number=number)
    taken = session.execute(
        update(RollCall)
        .where(RollCall.community_id == community_id, RollCall.id == chain.id, RollCall.version == version)
        .values(version=version + 1)
        .returning(RollCall.id)
    ).one_or_none()
    if taken is None:
        raise RollCallMoved(number=number)
    session.execute(
        update(RollCallLine)
        .where(
            RollCallLine.community_id == community_id,
            RollCallLine.roll_call_id == chain.id,
            RollCallLine.added_in == version,
            RollCallLine.gone_in.is_(None),
        )
        .values(gone_in=version + 1)
    )
    session.execute(
        update(RollCallLine)
        .where(
            RollCallLine.community_id == community_id,
            RollCallLine.roll_call_id == chain.id,
            RollCallLine.gone_in == version,
        )
        .values(gone_in=None)
    )
    return chain


def close_roll_call(session: Session, *, community_id: int, number: int, now: datetime) -> Chain:
    """Ends a chain: nothing more is merged into it. Raises NoSuchRollCall."""
    chain = find_roll_call(session, community_id=community_id, number=number)
    session.execute(
        update(RollCall).where(RollCall.community_id == community_id, RollCall.id == chain.id).values(closes_at=now)
    )
    touch(session, community_id)
    return chain


def forget_lines(
    session: Session, *, community_id: int, member_ids: Collection[int], names: Collection[str], forgotten: str
) -> None:
    """Lets nobody be read off the chains in which they stand any more; each line there still has a name of its own.

    `names` are those under which they stand where nobody knew who it was.
    """
    theirs = or_(
        RollCallLine.member_id.in_(member_ids), and_(RollCallLine.member_id.is_(None), RollCallLine.name.in_(names))
    )
    found = session.scalars(select(RollCallLine.id).where(RollCallLine.community_id == community_id, theirs)).all()
    for line_id in found:
        session.execute(
            update(RollCallLine)
            .where(RollCallLine.community_id == community_id, RollCallLine.id == line_id)
            .values(name=f"{forgotten}{line_id}", note="")
        )


def open_roll_calls(session: Session, *, community_id: int, now: datetime) -> list[tuple[Chain, datetime]]:
    """The chains that are about nothing but themselves and still open, with when they close."""
    rows = session.execute(
        select(*_CHAIN, RollCall.closes_at)
        .where(RollCall.community_id == community_id, RollCall.about == "", RollCall.closes_at > now)
        .order_by(RollCall.number)
    )
    return [(Chain(*row[:6]), row.closes_at) for row in rows]


_call = aliased(RollCall)

INVARIANTS = (
    Invariant(
        "roll_call_lines.version",
        select(RollCallLine.id)
        .join(_call, RollCallLine.roll_call_id == _call.id)
        .where(
            or_(
                RollCallLine.added_in > _call.version,
                and_(RollCallLine.gone_in.is_not(None), RollCallLine.gone_in > _call.version),
                RollCallLine.gone_in < RollCallLine.added_in,
                RollCallLine.count < 1,
            )
        ),
    ),
)
