"""Where in the books something is still said of somebody."""

import re
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.base import Base


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif value is not None:
        yield str(value)


def found_in(session: Session, word: re.Pattern[str], *, but: frozenset[str] = frozenset()) -> list[str]:
    """Every column of every table in which something matches, with what it says."""
    return [
        f"{table.name}.{column.name}: {text}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if f"{table.name}.{column.name}" not in but
        for (value,) in session.execute(select(column))
        for text in texts(value)
        if word.search(text)
    ]
