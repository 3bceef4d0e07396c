"""家人: who may speak for whom. A daughter signs her father up who has no phone; a carer says that somebody came.

The person who is spoken for says yes themselves; where they have no account, somebody in scope vouches for it, and the
books say which of the two it was.

- Nobody speaks for somebody without a say: their own, or that of a person in scope who is neither of the two.
- A tie is asked for, then live or refused, then ended; either side ends it at any time.
- Two people have one open or live tie in each direction, and nobody more than the setting allows on either side.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    exists,
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
from models.directory import Identity
from models.members.merging import one_person
from models.members.people import Member, Neighbour, Person, Role
from models.units import Unit


class TieState(StrEnum):
    """Where a tie stands."""

    ASKED = "asked"
    """The other one, or somebody in scope, has to say yes."""
    LIVE = "live"
    """One may speak for the other."""
    REFUSED = "refused"
    """The say was no."""
    ENDED = "ended"
    """One of the two ended it, or nobody said anything in time."""


class Ground(StrEnum):
    """By whose say somebody may be spoken for."""

    OWN_SAY = "own_say"
    """The person said so, from their own account."""
    VOUCHED = "vouched"
    """The person has no account; somebody in scope has confirmed it."""


OPEN = (TieState.ASKED, TieState.LIVE)


class FamilyTie(Base):
    """One member may speak for another, or asks to."""

    __tablename__ = "family_ties"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_family_ties_number"),
        Index(
            "uq_family_ties_open",
            "community_id",
            "proxy_id",
            "member_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_family_ties_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    """Of the same row of numbers as everything that waits for somebody's word."""
    proxy_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who speaks."""
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who is spoken for."""
    state: Mapped[str] = mapped_column(String(12))
    ground: Mapped[str] = mapped_column(String(12))
    """Whose say is asked for; of a live tie, whose it was."""
    asked_at: Mapped[datetime]
    since: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Who said yes or no."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class ForOneself(Refusal):
    """Nobody needs leave to speak for themselves."""


class TooManyTies(Refusal):
    """One of the two has as many family members as the community allows. Fields: name, most."""


class TiedAlready(Refusal):
    """There is a tie, or the question stands open. Fields: name, number."""


class NoSuchTie(Refusal):
    """No tie of this number or with this person that the asker may decide or end. Fields: number."""


class OwnTie(Refusal):
    """The reviewer is one of the two: somebody else must vouch. Fields: number."""


@dataclass(frozen=True, slots=True)
class Tie:
    """A tie with both names, as sentences need it."""

    id: int
    number: int
    proxy_id: int
    proxy_name: str
    member_id: int
    member_name: str
    member_path: str
    state: TieState
    ground: Ground
    since: datetime | None

    def other_than(self, ids: Collection[int]) -> tuple[int, str]:
        """The id and the name of the other one, for the person who is known under these ids."""
        return (self.member_id, self.member_name) if self.proxy_id in ids else (self.proxy_id, self.proxy_name)


_proxy = aliased(Member)
_TIE = (
    FamilyTie.id,
    FamilyTie.number,
    FamilyTie.proxy_id,
    _proxy.name,
    FamilyTie.member_id,
    Member.name,
    Unit.path,
    FamilyTie.state,
    FamilyTie.ground,
    FamilyTie.since,
)


def _ties(community_id: int):  # type: ignore[no-untyped-def]
    return (
        select(*_TIE)
        .join(_proxy, FamilyTie.proxy_id == _proxy.id)
        .join(Member, FamilyTie.member_id == Member.id)
        .join(Unit, Member.unit_id == Unit.id)
        .where(FamilyTie.community_id == community_id, FamilyTie.ended_at.is_(None))
        .order_by(FamilyTie.number)
    )


def _seen(row: Any) -> Tie:
    fields = [*row[:7], TieState(row[7]), Ground(row[8]), row[9]]
    return Tie(*fields)


# -- actions ----------------------------------------


def ask_tie(session: Session, *, proxy: Person, member: Neighbour, now: datetime, most: int) -> Tie:
    """Asks that `proxy` may speak for `member`: their own say, or where they have no account that of somebody in scope.

    Raises ForOneself, TiedAlready, TooManyTies.
    """
    community_id = proxy.community.id
    if member.id == proxy.id:
        raise ForOneself
    # Of two questions at one instant the second waits here and counts the first.
    session.execute(
        select(Member.id)
        .where(Member.community_id == community_id, Member.id.in_([proxy.id, member.id]))
        .order_by(Member.id)
        .with_for_update(key_share=True)
    )
    before = session.execute(
        _ties(community_id).where(FamilyTie.proxy_id == proxy.id, FamilyTie.member_id == member.id)
    ).one_or_none()
    if before is not None:
        raise TiedAlready(name=member.name, number=before.number)
    for column, one, name in (
        (FamilyTie.proxy_id, proxy.id, proxy.name),
        (FamilyTie.member_id, member.id, member.name),
    ):
        ties = session.execute(
            select(func.count()).where(
                FamilyTie.community_id == community_id, column == one, FamilyTie.ended_at.is_(None)
            )
        ).scalar_one()
        if ties >= most:
            raise TooManyTies(name=name, most=most)
    has_account = session.scalar(
        select(exists().where(Identity.community_id == community_id, Identity.member_id == member.id))
    )
    number = next_number(session, community_id=community_id, kind="review")
    ground = Ground.OWN_SAY if has_account else Ground.VOUCHED
    tie_id = session.execute(
        insert(FamilyTie).returning(FamilyTie.id),
        {
            "community_id": community_id,
            "number": number,
            "proxy_id": proxy.id,
            "member_id": member.id,
            "state": TieState.ASKED,
            "ground": ground,
            "asked_at": now,
        },
    ).scalar_one()
    return Tie(
        tie_id,
        number,
        proxy.id,
        proxy.name,
        member.id,
        member.name,
        member.unit_path,
        TieState.ASKED,
        ground,
        None,
    )


def answer_tie(session: Session, *, member: Person, number: int | None, agree: bool, now: datetime) -> Tie:
    """The person who would be spoken for says yes or no; without a number, to the oldest question.

    Raises NoSuchTie.
    """
    query = _ties(member.community.id).where(
        FamilyTie.member_id.in_(one_person(session, community_id=member.community.id, member_id=member.id)),
        FamilyTie.state == TieState.ASKED,
    )
    if number is not None:
        query = query.where(FamilyTie.number == number)
    row = session.execute(query.limit(1)).one_or_none()
    if row is None:
        raise NoSuchTie(number=number or 0)
    return _decide(session, _seen(row), by=member, ground=Ground.OWN_SAY, agree=agree, now=now)


def waiting_ties(session: Session, *, reviewer: Person, role: Role) -> list[Tie]:
    """The ties for which this reviewer may vouch, oldest first."""
    rows = session.execute(
        _ties(reviewer.community.id).where(FamilyTie.state == TieState.ASKED, FamilyTie.ground == Ground.VOUCHED)
    )
    ties = (_seen(row) for row in rows)
    return [
        tie for tie in ties if reviewer.may(role, tie.member_path) and reviewer.id not in (tie.proxy_id, tie.member_id)
    ]


def decide_tie(session: Session, *, reviewer: Person, role: Role, number: int, agree: bool, now: datetime) -> Tie:
    """Somebody in scope vouches for a tie with a person who has no account, or does not. Raises NoSuchTie, OwnTie."""
    row = session.execute(
        _ties(reviewer.community.id)
        .where(
            FamilyTie.number == number,
            FamilyTie.state == TieState.ASKED,
            FamilyTie.ground == Ground.VOUCHED,
        )
        .with_for_update(of=FamilyTie)
    ).one_or_none()
    if row is None or not reviewer.may(role, row.path):
        raise NoSuchTie(number=number)
    tie = _seen(row)
    if reviewer.id in (tie.proxy_id, tie.member_id):
        raise OwnTie(number=number)
    return _decide(session, tie, by=reviewer, ground=Ground.VOUCHED, agree=agree, now=now)


def _decide(session: Session, tie: Tie, *, by: Person, ground: Ground, agree: bool, now: datetime) -> Tie:
    said = {"state": TieState.LIVE, "since": now} if agree else {"state": TieState.REFUSED, "ended_at": now}
    decided = session.execute(
        update(FamilyTie)
        .where(
            FamilyTie.community_id == by.community.id,
            FamilyTie.id == tie.id,
            FamilyTie.state == TieState.ASKED,
        )
        .values(decided_by=by.id, ground=ground, **said)
        .returning(FamilyTie.id)
    ).one_or_none()
    if decided is None:
        raise NoSuchTie(number=tie.number)
    return tie


def end_ties(session: Session, *, person: Person, name: str, now: datetime) -> list[Tie]:
    """Ends what ties the person with everybody of this name, in both directions. Raises NoSuchTie."""
    community_id = person.community.id
    ids = one_person(session, community_id=community_id, member_id=person.id)
    ties = family_of(session, community_id=community_id, member_id=person.id)
    ended = [tie for tie in ties if tie.other_than(ids)[1] == name]
    if not ended:
        raise NoSuchTie(number=0)
    _end(session, community_id, [tie.id for tie in ended], person.id, now)
    return ended


def end_all_ties(session: Session, *, community_id: int, member_id: int, now: datetime) -> None:
    """Ends everything that ties a member to others."""
    ties = family_of(session, community_id=community_id, member_id=member_id)
    _end(session, community_id, [tie.id for tie in ties], None, now)


def _end(session: Session, community_id: int, tie_ids: list[int], by: int | None, now: datetime) -> None:
    session.execute(
        update(FamilyTie)
        .where(FamilyTie.community_id == community_id, FamilyTie.id.in_(tie_ids))
        .values(state=TieState.ENDED, ended_at=now, ended_by=by)
    )


def resume_tie(session: Session, *, community_id: int, tie_id: int, state: TieState) -> Tie:
    """Takes the ending, or the answer, of a tie back. Raises NoSuchTie where there is another by now."""
    first = session.execute(
        select(FamilyTie.proxy_id, FamilyTie.member_id, FamilyTie.number).where(
            FamilyTie.community_id == community_id, FamilyTie.id == tie_id
        )
    ).one()
    other = session.scalar(
        select(FamilyTie.id).where(
            FamilyTie.community_id == community_id,
            FamilyTie.proxy_id == first.proxy_id,
            FamilyTie.member_id == first.member_id,
            FamilyTie.ended_at.is_(None),
            FamilyTie.id != tie_id,
        )
    )
    if other is not None:
        raise NoSuchTie(number=first.number)
    asked = {"since": None, "decided_by": None} if state is TieState.ASKED else {}
    session.execute(
        update(FamilyTie)
        .where(FamilyTie.community_id == community_id, FamilyTie.id == tie_id)
        .values(state=state, ended_at=None, ended_by=None, **asked)
    )
    return _seen(session.execute(_ties(community_id).where(FamilyTie.id == tie_id)).one())


def withdraw_tie(session: Session, *, community_id: int, tie_id: int, by: int, now: datetime) -> None:
    """Takes a question back, or what came of it."""
    _end(session, community_id, [tie_id], by, now)


def lapse_ties(session: Session, *, community_id: int, before: datetime, now: datetime, limit: int) -> int:
    """Ends questions that nobody has answered since `before`; returns how many."""
    lapsed = list(
        session.scalars(
            select(FamilyTie.id)
            .where(
                FamilyTie.community_id == community_id,
                FamilyTie.state == TieState.ASKED,
                FamilyTie.asked_at < before,
            )
            .limit(limit)
        )
    )
    _end(session, community_id, lapsed, None, now)
    return len(lapsed)


# -- queries ----------------------------------------


def family_of(session: Session, *, community_id: int, member_id: int) -> list[Tie]:
    """The ties of a person that stand or are asked for, in both directions."""
    ids = one_person(session, community_id=community_id, member_id=member_id)
    rows = session.execute(_ties(community_id).where(or_(FamilyTie.proxy_id.in_(ids), FamilyTie.member_id.in_(ids))))
    return [_seen(row) for row in rows]


def may_speak_for(session: Session, *, community_id: int, proxy_id: int, member_id: int, now: datetime) -> bool:
    """Whether one member may act for another now; everybody may for themselves."""
    if proxy_id == member_id:
        return True
    proxies = one_person(session, community_id=community_id, member_id=proxy_id)
    members = one_person(session, community_id=community_id, member_id=member_id)
    return (
        session.scalar(
            select(FamilyTie.id).where(
                FamilyTie.community_id == community_id,
                FamilyTie.proxy_id.in_(proxies),
                FamilyTie.member_id.in_(members),
                FamilyTie.state == TieState.LIVE,
                FamilyTie.since <= now,
                or_(FamilyTie.ended_at.is_(None), FamilyTie.ended_at > now),
            )
        )
        is not None
    )


INVARIANTS = (
    Invariant(
        "family_ties.say",
        select(FamilyTie.id).where(
            FamilyTie.state == TieState.LIVE,
            or_(
                FamilyTie.since.is_(None),
                FamilyTie.decided_by.is_(None),
                FamilyTie.decided_by == FamilyTie.proxy_id,
                and_(FamilyTie.ground == Ground.VOUCHED, FamilyTie.decided_by == FamilyTie.member_id),
            ),
        ),
    ),
    Invariant(
        "family_ties.ended",
        select(FamilyTie.id).where(
            or_(
                and_(FamilyTie.state.in_(OPEN), FamilyTie.ended_at.is_not(None)),
                and_(FamilyTie.state.not_in(OPEN), FamilyTie.ended_at.is_(None)),
            )
        ),
    ),
    Invariant(
        # Nobody speaks for, or as, a person who is forgotten.
        "family_ties.forgotten",
        select(FamilyTie.id)
        .join(Member, or_(FamilyTie.member_id == Member.id, FamilyTie.proxy_id == Member.id))
        .where(FamilyTie.ended_at.is_(None), Member.forgotten_at.is_not(None)),
    ),
)
