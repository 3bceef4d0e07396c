"""The small numbers that people type: each community counts its activities, posts, topics, registrations by itself.

- A number is given once; numbers of one kind grow by one.
"""

from sqlalchemy import ForeignKey, String, bindparam, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.database import Prepared


class Counter(Base):
    """The last number given of one kind in one community."""

    __tablename__ = "counters"

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int]


_NEXT = Prepared(
    lambda insert: (
        insert(Counter)
        .values(community_id=bindparam("community"), kind=bindparam("what"), last=1)
        .on_conflict_do_update(index_elements=["community_id", "kind"], set_={"last": Counter.last + 1})
        .returning(Counter.last)
    )
)


def next_number(session: Session, *, community_id: int, kind: str) -> int:
    """The next number of this kind; concurrent callers queue at the counter's row."""
    row = _NEXT.first(session, community=community_id, what=kind)
    assert row is not None
    number: int = row[0]
    return number


def start_after(session: Session, *, community_id: int, kind: str, last: int) -> None:
    """Lets the numbers of a kind go on after `last`; never backwards."""
    next_number(session, community_id=community_id, kind=kind)
    session.execute(
        update(Counter)
        .where(Counter.community_id == community_id, Counter.kind == kind, Counter.last < last)
        .values(last=last)
    )
