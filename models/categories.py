"""类别: which kinds of people somebody belongs to, so that a word reaches those whom it concerns.

Party members are looked after by four kinds of management (四类管理) and taught by how they live (分类教育); a
community keeps words of its own beside them: who lives alone, who gets an allowance.

- Nobody has one category twice at a time, nor two that exclude each other.
- What tells of need is private: staff in scope and the person alone know of it, and no group ever reads its name. Only
  the words in `OPEN` are told to others; a community's own are private.
- Whoever is forgotten, or was merged into somebody else, has none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.directory import touch
from models.members.categories import EXCLUDING, KNOWN, OF_THE_PARTY, excluded_by
from models.members.people import Member, Neighbour, Standing, present
from models.units import Unit


class MemberCategory(Base):
    """One category of one person, from when to when."""

    __tablename__ = "member_categories"
    __table_args__ = (
        Index(
            "uq_member_categories_live",
            "community_id",
            "member_id",
            "name",
            unique=True,
            sqlite_where=text("until IS NULL"),
            postgresql_where=text("until IS NULL"),
        ),
        Index("ix_member_categories_name", "community_id", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    name: Mapped[str] = mapped_column(String(24))
    since: Mapped[datetime]
    given_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    until: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class NoCategory(Refusal):
    """No word for a category. Fields: name, most."""


class NotInParty(Refusal):
    """Only party members can be that. Fields: name, category."""


class HasCategory(Refusal):
    """They are that already. Fields: name, category."""


class LacksCategory(Refusal):
    """They are not that. Fields: name, category."""


class CategoryChanged(Refusal):
    """It was given or taken again since: it cannot be taken back. Fields: name."""


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """A category that somebody has now; `replaced` are the rows of those that it excludes, by their names."""

    id: int
    replaced: dict[str, int]


def give(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    name: str,
    standing: Standing,
    category: str,
    by: int | None,
    now: datetime,
) -> Given:
    """Somebody (of this `name` and `standing`) is of a category from now on, and of those that it excludes no more.

    Raises NotInParty and HasCategory.
    """
    if category in OF_THE_PARTY and standing is not Standing.PARTY_MEMBER:
        raise NotInParty(name=name, category=category)
    # Of two who write about one person the second waits here and sees what the first did.
    session.execute(
        select(Member.id)
        .where(Member.community_id == community_id, Member.id == member_id)
        .with_for_update(key_share=True)
    )
    if category in categories_of(session, community_id=community_id, member_ids=[member_id]):
        raise HasCategory(name=name, category=category)
    replaced = _end(session, community_id, member_id, excluded_by(category), by, now)
    made: int = session.execute(
        insert(MemberCategory).returning(MemberCategory.id),
        {
            "community_id": community_id,
            "member_id": member_id,
            "name": category,
            "since": now,
            "given_by": by,
            "until": None,
            "ended_by": None,
        },
    ).scalar_one()
    touch(session, community_id)
    return Given(made, replaced)


def take(
    session: Session, *, community_id: int, member_id: int, name: str, category: str, by: int, now: datetime
) -> int:
    """Somebody is of a category no more; returns the row's id. Raises LacksCategory."""
    ended = _end(session, community_id, member_id, [category], by, now)
    if not ended:
        raise LacksCategory(name=name, category=category)
    touch(session, community_id)
    return ended[category]


def _end(
    session: Session, community_id: int, member_id: int, names: Sequence[str], by: int | None, now: datetime
) -> dict[str, int]:
    if not names:
        return {}
    ended = session.execute(
        update(MemberCategory)
        .where(
            MemberCategory.community_id == community_id,
            MemberCategory.member_id == member_id,
            MemberCategory.name.in_(names),
            MemberCategory.until.is_(None),
        )
        .values(until=now, ended_by=by)
        .returning(MemberCategory.name, MemberCategory.id)
    )
    return {row.name: row.id for row in ended}


def undo_give(session: Session, *, community_id: int, row_id: int, replaced: Collection[int]) -> tuple[str, str]:
    """Somebody never was of a category, and still is of those that it replaced; returns the person's and its name.

    Raises CategoryChanged.
    """
    one = _row(session, community_id, row_id)
    if one.until is not None:
        raise CategoryChanged(name=one.member)
    session.execute(
        update(MemberCategory)
        .where(MemberCategory.community_id == community_id, MemberCategory.id == row_id)
        .values(until=MemberCategory.since)
    )
    for other in replaced:
        _reopen(session, community_id, other)
    touch(session, community_id)
    return one.member, one.name


def undo_take(session: Session, *, community_id: int, row_id: int) -> tuple[str, str]:
    """Somebody still is of a category; returns the person's and its name. Raises CategoryChanged."""
    one = _row(session, community_id, row_id)
    if one.until is None:
        raise CategoryChanged(name=one.member)
    _reopen(session, community_id, row_id)
    touch(session, community_id)
    return one.member, one.name


def _row(session: Session, community_id: int, row_id: int):  # type: ignore[no-untyped-def]
    return session.execute(
        select(MemberCategory.member_id, MemberCategory.name, MemberCategory.until, Member.name.label("member"))
        .join(Member, MemberCategory.member_id == Member.id)
        .where(MemberCategory.community_id == community_id, MemberCategory.id == row_id)
        .with_for_update(of=Member, key_share=True)
    ).one()


def _reopen(session: Session, community_id: int, row_id: int) -> None:
    """Raises CategoryChanged where the person is of it, or of one that it excludes, by now."""
    one = _row(session, community_id, row_id)
    theirs = categories_of(session, community_id=community_id, member_ids=[one.member_id])
    if not {one.name, *excluded_by(one.name)}.isdisjoint(theirs):
        raise CategoryChanged(name=one.member)
    session.execute(
        update(MemberCategory)
        .where(MemberCategory.community_id == community_id, MemberCategory.id == row_id)
        .values(until=None, ended_by=None)
    )


def forget_categories(session: Session, *, community_id: int, member_ids: Collection[int]) -> None:
    """What somebody was goes with them."""
    session.execute(
        delete(MemberCategory).where(
            MemberCategory.community_id == community_id, MemberCategory.member_id.in_(member_ids)
        )
    )


def hand_over_categories(
    session: Session, *, community_id: int, giver: int, taker: int, now: datetime
) -> tuple[list[int], list[int]]:
    """What one of two who are one person is goes over to the other, whose own word counts where the two exclude each
    other; returns the rows that went over, and those that ended.
    """
    kept = set(categories_of(session, community_id=community_id, member_ids=[taker]))
    over: list[int] = []
    ended: list[int] = []
    for row in session.execute(
        select(MemberCategory.id, MemberCategory.name)
        .where(
            MemberCategory.community_id == community_id,
            MemberCategory.member_id == giver,
            MemberCategory.until.is_(None),
        )
        .order_by(MemberCategory.id)
    ).all():
        (over if kept.isdisjoint({row.name, *excluded_by(row.name)}) else ended).append(row.id)
    for ids, told in ((over, {"member_id": taker}), (ended, {"until": now})):
        session.execute(
            update(MemberCategory)
            .where(MemberCategory.community_id == community_id, MemberCategory.id.in_(ids))
            .values(**told)
        )
    return over, ended


def give_back_categories(
    session: Session, *, community_id: int, taker: int, over: Collection[int], ended: Collection[int]
) -> None:
    """What `hand_over_categories` moved stands under the other one's name again."""
    for ids, told in ((over, {"member_id": taker}), (ended, {"until": None})):
        session.execute(
            update(MemberCategory)
            .where(MemberCategory.community_id == community_id, MemberCategory.id.in_(ids))
            .values(**told)
        )


# -- queries ----------------------------------------


def categories_of(session: Session, *, community_id: int, member_ids: Collection[int]) -> list[str]:
    """What these members are now, in the order in which it was written down."""
    return list(
        session.scalars(
            select(MemberCategory.name)
            .where(
                MemberCategory.community_id == community_id,
                MemberCategory.member_id.in_(member_ids),
                MemberCategory.until.is_(None),
            )
            .order_by(MemberCategory.id)
        )
    )


def categories_by_member(session: Session, *, community_id: int) -> dict[int, list[str]]:
    """What everybody is now."""
    found: dict[int, list[str]] = {}
    for row in session.execute(
        select(MemberCategory.member_id, MemberCategory.name)
        .where(MemberCategory.community_id == community_id, MemberCategory.until.is_(None))
        .order_by(MemberCategory.id)
    ):
        found.setdefault(row.member_id, []).append(row.name)
    return found


def of_category(community_id: int, name: str):  # type: ignore[no-untyped-def]
    """Selects the ids of those who are of a category now."""
    return select(MemberCategory.member_id).where(
        MemberCategory.community_id == community_id, MemberCategory.name == name, MemberCategory.until.is_(None)
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """Somebody of a category, with the home by which staff find them. Never for a group."""

    neighbour: Neighbour
    room: str


def people_of(session: Session, *, community_id: int, name: str, paths: Collection[str]) -> list[Placed]:
    """Who is of a category and lives at or below one of these unit paths, by house and room."""
    rows = session.execute(
        present(community_id)
        .add_columns(Member.room)
        .where(Member.id.in_(of_category(community_id, name)), _below(paths), counts_as(name))
        .order_by(Unit.path, Member.room, Member.id)
    )
    return [Placed(Neighbour(*row[:-1]), row.room) for row in rows]


def head_counts(session: Session, *, community_id: int, paths: Collection[str]) -> dict[str, int]:
    """How many people at or below these unit paths are of each category, in the order of `KNOWN`."""
    rows = session.execute(
        select(MemberCategory.name, func.count())
        .join(Member, MemberCategory.member_id == Member.id)
        .join(Unit, Member.unit_id == Unit.id)
        .where(
            MemberCategory.community_id == community_id,
            MemberCategory.until.is_(None),
            Member.moved_out_at.is_(None),
            _below(paths),
            or_(MemberCategory.name.not_in(sorted(OF_THE_PARTY)), Member.standing == Standing.PARTY_MEMBER),
        )
        .group_by(MemberCategory.name)
    ).all()
    order = {name: at for at, name in enumerate(KNOWN)}
    return dict(sorted(rows, key=lambda row: (order.get(row[0], len(order)), row[0])))


def _below(paths: Collection[str]) -> ColumnElement[bool]:
    return or_(*(Unit.path.like(path + "%") for path in paths))


def counts_as(name: str) -> ColumnElement[bool]:
    """Of members: who left the party is no 流动党员, whatever is written there."""
    return Member.standing == Standing.PARTY_MEMBER if name in OF_THE_PARTY else true()


def own_words(session: Session, *, community_id: int) -> list[str]:
    """The categories that a community uses beside the known ones."""
    return list(
        session.scalars(
            select(MemberCategory.name)
            .where(
                MemberCategory.community_id == community_id,
                MemberCategory.until.is_(None),
                MemberCategory.name.not_in(KNOWN),
            )
            .distinct()
            .order_by(MemberCategory.name)
        )
    )


_other = aliased(MemberCategory)

INVARIANTS = (
    Invariant(
        "member_categories.member",
        select(MemberCategory.id)
        .join(Member, MemberCategory.member_id == Member.id)
        .where(
            or_(
                Member.forgotten_at.is_not(None),
                and_(Member.merged_into.is_not(None), MemberCategory.until.is_(None)),
            )
        ),
    ),
    Invariant(
        "member_categories.excluding",
        select(MemberCategory.id).where(
            MemberCategory.until.is_(None),
            exists().where(
                _other.community_id == MemberCategory.community_id,
                _other.member_id == MemberCategory.member_id,
                _other.until.is_(None),
                _other.name != MemberCategory.name,
                or_(*(and_(_other.name.in_(group), MemberCategory.name.in_(group)) for group in EXCLUDING)),
            ),
        ),
    ),
    Invariant("member_categories.term", select(MemberCategory.id).where(MemberCategory.until < MemberCategory.since)),
)
