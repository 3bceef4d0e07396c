"""The ground that every table stands on: the declarative base, column types, refusals, invariants.

- Columns of time hold aware UTC: naive values are refused on the way in, aware ones come out.
- Constraints are named by one convention, so that migrations can speak of them on every database.
- Rows are written by `insert()` and `update()` statements, never through `session.add`: what reaches the database
  stands where one reads it, and a savepoint that rolls back leaves no half-known object behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import BigInteger, CompoundSelect, DateTime, Dialect, Integer, MetaData, Select, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Id = BigInteger().with_variant(Integer, "sqlite")
"""Row ids: 64 bits everywhere (SQLite's INTEGER is, and only that spelling gives it a rowid alias)."""


class Moment(TypeDecorator[datetime]):
    """A moment, as aware UTC. SQLite keeps it as text in ISO order; PostgreSQL as timestamptz.

    Raises ValueError for a naive datetime.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime has no place in the books: {value!r}")
        return _as_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return value.astimezone(UTC)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _as_text(moment: datetime) -> str:
    # Remembered, because one message writes one moment into half a dozen rows.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class Base(DeclarativeBase):
    """Every table of the project."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {int: Id, datetime: Moment()}


class Button(NamedTuple):
    """Something that can be pressed beside a message. The books keep it as a list."""

    label: str
    """What stands on it, a word or two."""
    say: str
    """What whoever presses it says to the bot."""
    question: str = ""
    """Which question it answers, where it answers one: pressed later, it answers no other. The dispatcher says so."""


def buttons_of(kept: Sequence[Sequence[str]] | None) -> tuple[Button, ...]:
    """The buttons that the books kept; NULL is none."""
    return tuple(Button(*one) for one in kept or ())


class Placard(NamedTuple):
    """A table that a message shows as a picture where its channel can; its text says the same. Kept as a list."""

    title: str
    head: Sequence[str]
    """What stands above the columns; empty for nothing."""
    rows: Sequence[Sequence[str]]
    foot: str
    """What can be done about it, below."""


def placard_of(kept: Sequence[Any] | None) -> Placard | None:
    """The placard that the books kept; NULL is none."""
    return Placard(*kept) if kept else None


class Card(NamedTuple):
    """A message in parts, for a channel that can show more than words in a row; its text says the same.

    Kept as a list.
    """

    heading: str
    body: str
    foot: str
    """What can be answered, and how."""
    url: str = ""
    """What a tap on it opens."""


def card_of(kept: Sequence[str] | None) -> Card | None:
    """The card that the books kept; NULL is none."""
    return Card(*kept) if kept else None


class Enclosure(NamedTuple):
    """A file that a message brings in place of its text: what it is made from when it leaves. Kept as a list."""

    kind: str
    """Which file: the maker's name in `bot/files.py`."""
    detail: Mapping[str, Any]
    """What the maker needs to know besides: ids, never names of people."""
    name: str
    """What it is called."""
    member_id: int
    """Who asked for it."""


def enclosure_of(kept: Sequence[Any] | None) -> Enclosure | None:
    """The order that the books kept; NULL is none."""
    return Enclosure(*kept) if kept else None


class Refusal(Exception):
    """An expected no. Its class is its name, `fields` are what its sentence needs; the sentence is the handler's."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields)
        self.fields: Mapping[str, Any] = fields


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must never be false, as a query that must return no rows.

    The first column of each row names the culprit. `name` is `<table>.<what>`.
    """

    name: str
    culprits: Select[Any] | CompoundSelect[Any]
