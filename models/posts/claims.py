"""认领: who holds a post, who asks for it, who waits for a place.

asked → held, applied → held, waiting → offered → held; every state ends, and then says why.

- A post never has more holders (with those to whom a free slot is offered) than slots, whatever arrives at once.
- A person has one live claim on a post; doing it again after leaving is a new row.
- Two who claim together both hold the post or neither does, and take two slots.
- The waiting list is served in order, and nobody waits while a slot is free.
- A withdrawn post has no live claims, and neither has somebody who has left or was merged into another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.database import Prepared
from models.members.people import Member
from models.posts.post import (
    Post,
    PostHere,
    PostOver,
    PostState,
    term_end,
)
from models.posts.squads import join_squad, leave_squad


class ClaimState(StrEnum):
    """Where a claim stands while it is live, and where it stood when it ended."""

    ASKED = "asked"
    """The one to claim with has to say yes."""
    APPLIED = "applied"
    """Those in charge have to say yes."""
    WAITING = "waiting"
    """候补: is offered a slot when one is free, in order."""
    OFFERED = "offered"
    """A slot is kept until `answer_by` for whoever waited."""
    HELD = "held"
    """在岗."""


SEATED = (ClaimState.OFFERED, ClaimState.HELD)
"""Those who take a slot."""


class Why(StrEnum):
    """Why a claim ended."""

    RELEASED = "released"
    """The holder left, or did not want it after all."""
    DISMISSED = "let_go"
    """Those in charge ended it."""
    REJECTED = "rejected"
    """Those in charge said no to an application, or the partner did."""
    LAPSED = "lapsed"
    """Nobody answered in time."""
    HANDED_OVER = "handed_over"
    """Somebody else took it over."""
    IDLE = "idle"
    """Nothing was heard for too long."""
    TERM = "term"
    """The term was over."""
    WITHDRAWN = "withdrawn"
    """The post was taken off the list."""
    LEFT = "left"
    """The person moved away or was forgotten."""
    MERGED = "merged"
    """Two claims turned out to be one person's."""
    UNDONE = "undone"
    """Taken back at once by whoever claimed."""


class Claim(Base):
    __tablename__ = "claims"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_claims_number"),
        Index(
            "uq_claims_live",
            "community_id",
            "post_id",
            "member_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_claims_member", "community_id", "member_id"),
        CheckConstraint("partner_id <> member_id", name="partner"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    state: Mapped[str] = mapped_column(String(12))
    number: Mapped[int | None]
    """Of the same row of numbers as everything that waits for somebody's word; of two who apply together the first."""
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """With whom it is claimed together; the other one's row names this member."""
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    note: Mapped[str] = mapped_column(String(200), server_default="")
    """What was said with it, for those in charge: why, and when somebody has time."""
    since: Mapped[datetime | None]
    """From when the post is held."""
    term_ends_at: Mapped[datetime | None]
    """The first moment after the term; None where no end is planned."""
    answer_by: Mapped[datetime | None]
    """Until when the partner, or whoever is offered a slot, has time to answer."""
    unit_member_id: Mapped[int | None] = mapped_column(ForeignKey("unit_members.id"))
    """By which membership the holder belongs to the post's squad, where holding the post made it."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    ended_why: Mapped[str] = mapped_column(String(12), server_default="")
    ended_note: Mapped[str] = mapped_column(String(200), server_default="")
    """The reason in words, where one was given."""


class NotClaimed(Refusal):
    """No live claim of this person on the post. Fields: number, title."""


class NoRoomForTwo(Refusal):
    """Fewer slots are free than two who claim together need. Fields: number, title, left."""


class PartnerBusy(Refusal):
    """The one to claim with has a claim on the post already. Fields: number, title, name."""


class WithOneself(Refusal):
    """Nobody claims a post together with themselves."""


class HoldsAlready(Refusal):
    """Somebody holds the post already. Fields: number, title, name."""


class PostFull(Refusal):
    """Every slot is taken. Fields: number, title."""


class NoSuchApplication(Refusal):
    """No application of this number waits. Fields: number."""


class OwnApplication(Refusal):
    """The reviewer is one of those who apply: somebody else must decide. Fields: number."""


class TakenMeanwhile(Refusal):
    """It cannot be taken back: the slot went to somebody else since. Fields: number, title."""


@dataclass(frozen=True, slots=True)
class ClaimHere:
    """A claim as rules and sentences need it."""

    id: int
    post_id: int
    member_id: int
    state: ClaimState
    number: int | None
    partner_id: int | None
    at: datetime
    since: datetime | None
    term_ends_at: datetime | None
    answer_by: datetime | None
    unit_member_id: int | None
    ended_at: datetime | None


COLUMNS = (
    Claim.id,
    Claim.post_id,
    Claim.member_id,
    Claim.state,
    Claim.number,
    Claim.partner_id,
    Claim.at,
    Claim.since,
    Claim.term_ends_at,
    Claim.answer_by,
    Claim.unit_member_id,
    Claim.ended_at,
)


def claim_here(row: Sequence[Any]) -> ClaimHere:
    fields = list(row)
    fields[3] = ClaimState(fields[3])
    return ClaimHere(*fields)


@dataclass(frozen=True, slots=True)
class Offer:
    """A slot that became free, kept for the first who waited."""

    claim_id: int
    member_id: int
    post: PostHere
    answer_by: datetime


# -- steps that actions are made of; whoever takes one has locked the post ----------------------------------------


def refuse_over(post: PostHere, now: datetime) -> None:
    if post.is_over(now):
        raise PostOver(number=post.number, title=post.title)


_INSERT = Prepared(
    lambda insert: insert(Claim),
    makes=Claim.id,
    columns=(
        "community_id", "post_id", "member_id", "state", "number", "partner_id", "at", "made_by", "note", "since",
        "answer_by",
    ),
)  # fmt: skip


def insert_claim(
    session: Session,
    post: PostHere,
    member_id: int,
    state: ClaimState,
    made_by: int | None,
    now: datetime,
    *,
    number: int | None = None,
    partner_id: int | None = None,
    answer_by: datetime | None = None,
    note: str = "",
) -> ClaimHere:
    since = now if state is ClaimState.HELD else None
    claim_id = _INSERT.scalar(
        session,
        community_id=post.community_id,
        post_id=post.id,
        member_id=member_id,
        state=state,
        number=number,
        partner_id=partner_id,
        at=now,
        made_by=made_by,
        note=note,
        since=since,
        answer_by=answer_by,
    )
    return ClaimHere(
        id=claim_id,
        post_id=post.id,
        member_id=member_id,
        state=state,
        number=number,
        partner_id=partner_id,
        at=now,
        since=since,
        term_ends_at=None,
        answer_by=answer_by,
        unit_member_id=None,
        ended_at=None,
    )


@cache
def _setting(names: tuple[str, ...]) -> Prepared:
    return Prepared(
        update(Claim)
        .where(Claim.community_id == bindparam("community"), Claim.id == bindparam("claim"))
        .values({name: bindparam(f"{name}_", type_=Claim.__table__.c[name].type) for name in names})
    )


def set_claim(session: Session, post: PostHere, claim_id: int, **values: Any) -> None:
    given = {f"{name}_": value for name, value in values.items()}
    _setting(tuple(values)).run(session, community=post.community_id, claim=claim_id, **given)


def seat(session: Session, post: PostHere, live: ClaimHere, now: datetime) -> ClaimHere:
    joined = join_squad(session, post=post, member_id=live.member_id, now=now)
    held: dict[str, Any] = {
        "state": ClaimState.HELD,
        "since": now,
        "term_ends_at": term_end(post, now),
        "answer_by": None,
        "unit_member_id": joined,
    }
    set_claim(session, post, live.id, **held)
    return replace(live, **held)


def end_claim(
    session: Session, post: PostHere, live: ClaimHere, *, by: int | None, why: Why, now: datetime, note: str = ""
) -> None:
    # How long the answer had time stays written down: the ending may be taken back.
    set_claim(session, post, live.id, ended_at=now, ended_by=by, ended_why=why, ended_note=note)
    leave_post(session, post, live, now)


def leave_post(session: Session, post: PostHere, live: ClaimHere, now: datetime) -> None:
    """What else ends with holding a post: the place in its squad, unless another of its posts keeps it."""
    if live.unit_member_id is not None and not _pass_on_membership(session, post, live):
        leave_squad(session, community_id=post.community_id, unit_member_id=live.unit_member_id, now=now)


def _pass_on_membership(session: Session, post: PostHere, live: ClaimHere) -> bool:
    """Whether the squad's member holds another of its posts, by which they stay."""
    other = session.scalar(
        select(Claim.id)
        .join(Post, Claim.post_id == Post.id)
        .where(
            Claim.community_id == post.community_id,
            Claim.member_id == live.member_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.HELD,
            Claim.id != live.id,
            Post.squad_id == post.squad_id,
        )
        .limit(1)
    )
    if other is None:
        return False
    set_claim(session, post, other, unit_member_id=live.unit_member_id)
    return True


def offer_free(session: Session, post: PostHere, *, now: datetime, offer_hours: int) -> tuple[Offer, ...]:
    """Offers free slots to those who wait, in order. Whoever calls has locked the post."""
    if post.state is PostState.WITHDRAWN:
        return ()
    answer_by = now + timedelta(hours=offer_hours)
    left = free_slots(session, post)
    waiting = session.execute(
        select(Claim.id, Claim.member_id)
        .where(
            Claim.community_id == post.community_id,
            Claim.post_id == post.id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.WAITING,
        )
        .order_by(Claim.id)
        .limit(max(0, left))
    ).all()
    for row in waiting:
        set_claim(session, post, row.id, state=ClaimState.OFFERED, answer_by=answer_by)
    return tuple(Offer(row.id, row.member_id, post, answer_by) for row in waiting)


# -- queries ----------------------------------------


_FIND = Prepared(
    select(*COLUMNS).where(
        Claim.community_id == bindparam("community"),
        Claim.post_id == bindparam("post"),
        Claim.member_id == bindparam("member"),
        Claim.ended_at.is_(None),
    )
)


def find_claim(session: Session, *, post: PostHere, member_id: int) -> ClaimHere | None:
    """Somebody's live claim on a post."""
    row = _FIND.first(session, community=post.community_id, post=post.id, member=member_id)
    return claim_here(row) if row else None


_BY_ID = Prepared(select(*COLUMNS).where(Claim.community_id == bindparam("community"), Claim.id == bindparam("claim")))


def claim_by_id(session: Session, *, community_id: int, claim_id: int) -> ClaimHere:
    """A claim, live or ended, by its id."""
    row = _BY_ID.first(session, community=community_id, claim=claim_id)
    assert row is not None
    return claim_here(row)


_TAKEN = Prepared(
    select(func.count()).where(
        Claim.community_id == bindparam("community"),
        Claim.post_id == bindparam("post"),
        Claim.ended_at.is_(None),
        or_(*(Claim.state == one for one in SEATED)),
    )
)


def free_slots(session: Session, post: PostHere) -> int:
    """Slots that nobody holds or is offered; never less than none."""
    return max(0, post.slots - int(_TAKEN.scalar(session, community=post.community_id, post=post.id)))


_live = Claim.ended_at.is_(None)
_seated = (
    select(func.count())
    .where(Claim.post_id == Post.id, Claim.ended_at.is_(None), Claim.state.in_(SEATED))
    .correlate(Post)
    .scalar_subquery()
)
_waits = (
    select(Claim.id)
    .where(Claim.post_id == Post.id, Claim.ended_at.is_(None), Claim.state == ClaimState.WAITING)
    .correlate(Post)
    .exists()
)
_other = aliased(Claim)

INVARIANTS = (
    Invariant(
        "claims.state",
        select(Claim.id).where(
            or_(
                Claim.state.not_in(list(ClaimState)),
                (Claim.state == ClaimState.HELD) != Claim.since.is_not(None),
                and_(_live, (Claim.state.in_([ClaimState.ASKED, ClaimState.OFFERED])) != Claim.answer_by.is_not(None)),
                and_(Claim.state == ClaimState.ASKED, Claim.partner_id.is_(None)),
            )
        ),
    ),
    Invariant(
        "claims.ended",
        select(Claim.id).where(
            or_(
                _live != (Claim.ended_why == ""),
                and_(Claim.ended_why != "", Claim.ended_why.not_in(list(Why))),
                and_(_live, Claim.ended_by.is_not(None)),
            )
        ),
    ),
    Invariant(
        "claims.once",
        select(func.min(Claim.id))
        .where(_live)
        .group_by(Claim.community_id, Claim.post_id, Claim.member_id)
        .having(func.count() > 1),
    ),
    Invariant("posts.slots", select(Post.id).where(_seated > Post.slots)),
    Invariant(
        "posts.waiting",
        select(Post.id).where(Post.state == PostState.OPEN, _seated < Post.slots, _waits),
    ),
    Invariant(
        "claims.withdrawn",
        select(Claim.id).join(Post, Claim.post_id == Post.id).where(_live, Post.state == PostState.WITHDRAWN),
    ),
    Invariant(
        # Of two who do it together each names the other, in the same state.
        "claims.together",
        select(Claim.id)
        .outerjoin(
            _other,
            and_(
                _other.post_id == Claim.post_id,
                _other.member_id == Claim.partner_id,
                _other.partner_id == Claim.member_id,
                _other.state == Claim.state,
                _other.ended_at.is_(None),
            ),
        )
        .where(_live, Claim.partner_id.is_not(None), Claim.state != ClaimState.ASKED, _other.id.is_(None)),
    ),
    Invariant(
        "claims.gone",
        select(Claim.id)
        .join(Member, Claim.member_id == Member.id)
        .where(
            _live,
            or_(Member.moved_out_at.is_not(None), Member.forgotten_at.is_not(None), Member.merged_into.is_not(None)),
        ),
    ),
)
