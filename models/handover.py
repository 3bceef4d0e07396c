"""转岗: a holder hands their post over to somebody by name, who has to say yes.

- A slot is never empty nor doubled in between: one claim ends and the other begins in the same moment.
- A claim has at most one open offer. Whoever offers holds the post until the other one has taken it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, bindparam, func, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.database import Prepared
from models.duties import held_by
from models.members.people import Member, Neighbour
from models.posts import (
    Claim,
    ClaimHere,
    ClaimState,
    HoldsAlready,
    Offer,
    PostHere,
    TakenMeanwhile,
    Why,
    claim_by_id,
    find_claim,
    hold,
    lock,
    offer_free,
    post_by_id,
    release,
    resume,
)


class OfferState(StrEnum):
    """Where the offer to hand a post over stands."""

    ASKED = "asked"
    """The other one has to say yes."""
    TAKEN = "taken"
    """The other one holds the post now."""
    DECLINED = "declined"
    """The other one said no."""
    TAKEN_BACK = "taken_back"
    """Whoever offered took it back, or left the post by another way."""
    LAPSED = "lapsed"
    """Nobody said anything in time."""


class Handover(Base):
    """A holder offers their post to somebody by name."""

    __tablename__ = "handovers"
    __table_args__ = (
        Index(
            "uq_handovers_open",
            "community_id",
            "claim_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_handovers_taker", "community_id", "taker_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"))
    """The claim that is offered."""
    taker_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    state: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
    expires_at: Mapped[datetime]
    taken_claim_id: Mapped[int | None] = mapped_column(ForeignKey("claims.id"))
    """The claim that came of it."""
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


class HandsToOneself(Refusal):
    """The post is theirs already."""


class OfferedAlready(Refusal):
    """The post was offered to somebody, who has not answered yet. Fields: number, title, name."""


class NoOffer(Refusal):
    """Nobody offers a post to this person, or not any more."""


# -- actions ----------------------------------------


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer with both names, as sentences need it."""

    id: int
    post: PostHere
    claim_id: int
    giver_id: int
    giver_name: str
    taker_id: int
    taker_name: str
    expires_at: datetime


_giver, _taker = aliased(Member), aliased(Member)


def _offers(community_id: int):  # type: ignore[no-untyped-def]
    return (
        select(
            Handover.id, Claim.post_id, Handover.claim_id, _giver.id.label("giver_id"), _giver.name.label("giver"),
            Handover.taker_id, _taker.name.label("taker"), Handover.expires_at,
        )
        .join(Claim, Handover.claim_id == Claim.id)
        .join(_giver, Claim.member_id == _giver.id)
        .join(_taker, Handover.taker_id == _taker.id)
        .where(Handover.community_id == community_id)
        .order_by(Handover.id)
    )  # fmt: skip


def _offered(session: Session, community_id: int, row: Any) -> Offered:
    post = post_by_id(session, community_id=community_id, post_id=row.post_id)
    return Offered(row.id, post, row.claim_id, row.giver_id, row.giver, row.taker_id, row.taker, row.expires_at)


def offer_post(
    session: Session, *, post: PostHere, giver_id: int, taker: Neighbour, now: datetime, days: int
) -> Offered:
    """Offers a post that one holds to somebody, who has so many days to say yes.

    Raises PostWithdrawn, NotHolding, HandsToOneself, HoldsAlready, OfferedAlready.
    """
    post = lock(session, post)
    own = held_by(session, post, giver_id)
    if taker.id == giver_id:
        raise HandsToOneself
    theirs = find_claim(session, post=post, member_id=taker.id)
    if theirs is not None and theirs.state is ClaimState.HELD:
        raise HoldsAlready(number=post.number, title=post.title, name=taker.shown)
    before = session.execute(
        _offers(post.community_id).where(Handover.claim_id == own.id, Handover.ended_at.is_(None))
    ).one_or_none()
    if before is not None and before.expires_at > now:
        raise OfferedAlready(number=post.number, title=post.title, name=before.taker)
    if before is not None:
        _end_offer(session, post.community_id, before.id, OfferState.LAPSED, None, now)
    offer_id = session.execute(
        insert(Handover).returning(Handover.id),
        {
            "community_id": post.community_id,
            "claim_id": own.id,
            "taker_id": taker.id,
            "state": OfferState.ASKED,
            "at": now,
            "expires_at": now + timedelta(days=days),
            "taken_claim_id": None,
            "ended_at": None,
            "ended_by": None,
        },
    ).scalar_one()
    return offer_by_id(session, community_id=post.community_id, offer_id=offer_id)


def _end_offer(
    session: Session, community_id: int, offer_id: int, state: OfferState, by: int | None, now: datetime,
    taken_claim_id: int | None = None,
) -> None:  # fmt: skip
    ended = session.execute(
        update(Handover)
        .where(Handover.community_id == community_id, Handover.id == offer_id, Handover.ended_at.is_(None))
        .values(state=state, ended_at=now, ended_by=by, taken_claim_id=taken_claim_id)
        .returning(Handover.id)
    ).one_or_none()
    if ended is None:
        raise NoOffer


@dataclass(frozen=True, slots=True)
class Taken:
    """A post that has changed hands, and the slots that are offered to others because of it."""

    offered: Offered
    claim: ClaimHere
    offers: tuple[Offer, ...]


def take_over(session: Session, *, offered: Offered, taker_id: int, now: datetime, offer_hours: int) -> Taken:
    """The one who was asked says yes: in the same moment one claim ends and the other begins.

    Raises PostWithdrawn, NoOffer, HoldsAlready.
    """
    post = lock(session, offered.post)
    giver = claim_by_id(session, community_id=post.community_id, claim_id=offered.claim_id)
    if giver.ended_at is not None or giver.state is not ClaimState.HELD or offered.expires_at <= now:
        raise NoOffer
    release(
        session, post=post, member_id=offered.giver_id, by=taker_id, why=Why.HANDED_OVER, now=now,
        offer_hours=offer_hours, keep=True,
    )  # fmt: skip
    claim = hold(session, post=post, member_id=taker_id, by=taker_id, now=now)
    _end_offer(session, post.community_id, offered.id, OfferState.TAKEN, taker_id, now, claim.id)
    # Where the taker had waited, and a slot was kept for them, it goes to the next.
    return Taken(offered, claim, offer_free(session, post, now=now, offer_hours=offer_hours))


def undo_take_over(
    session: Session, *, community_id: int, offer_id: int, by: int, now: datetime, offer_hours: int
) -> Offered:
    """Gives the post back to whoever handed it over; the offer stands again. Raises PostWithdrawn, TakenMeanwhile."""
    offered = offer_by_id(session, community_id=community_id, offer_id=offer_id)
    post = lock(session, offered.post)
    taken = claim_by_id(session, community_id=community_id, claim_id=_taken_claim(session, community_id, offer_id))
    if taken.ended_at is not None:
        raise TakenMeanwhile(number=post.number, title=post.title)
    release(
        session, post=post, member_id=taken.member_id, by=by, why=Why.UNDONE, now=now, offer_hours=offer_hours,
        keep=True,
    )  # fmt: skip
    resume(
        session, community_id=community_id, claim_id=offered.claim_id, now=now, offer_hours=offer_hours,
        partner_claim=None,
    )  # fmt: skip
    _reopen(session, community_id, offer_id)
    return offered


def _taken_claim(session: Session, community_id: int, offer_id: int) -> int:
    taken = session.execute(
        select(Handover.taken_claim_id).where(Handover.community_id == community_id, Handover.id == offer_id)
    ).scalar_one()
    assert taken is not None
    return taken


def _reopen(session: Session, community_id: int, offer_id: int) -> None:
    session.execute(
        update(Handover)
        .where(Handover.community_id == community_id, Handover.id == offer_id)
        .values(state=OfferState.ASKED, ended_at=None, ended_by=None, taken_claim_id=None)
    )


def decline_offer(session: Session, *, offered: Offered, now: datetime) -> None:
    """The one who was asked says no. Raises NoOffer."""
    _end_offer(session, offered.post.community_id, offered.id, OfferState.DECLINED, offered.taker_id, now)


def undo_decline(session: Session, *, community_id: int, offer_id: int, now: datetime) -> Offered:
    """Lets the offer stand again. Raises NoOffer where the post went another way meanwhile."""
    offered = offer_by_id(session, community_id=community_id, offer_id=offer_id)
    claim = claim_by_id(session, community_id=community_id, claim_id=offered.claim_id)
    other = session.scalar(
        select(Handover.id).where(
            Handover.community_id == community_id, Handover.claim_id == claim.id, Handover.ended_at.is_(None)
        )
    )
    if claim.ended_at is not None or other is not None or offered.expires_at <= now:
        raise NoOffer
    _reopen(session, community_id, offer_id)
    return offered


def withdraw_offer(session: Session, *, offered: Offered, by: int, now: datetime) -> None:
    """Takes an offer back that nobody has answered. Raises NoOffer."""
    _end_offer(session, offered.post.community_id, offered.id, OfferState.TAKEN_BACK, by, now)


def lapse_offers(session: Session, *, community_id: int, now: datetime) -> list[Offered]:
    """Ends offers that nobody has answered in time, or whose giver does not hold the post any more.

    Returns those of which the giver should hear: who still holds the post.
    """
    rows = session.execute(
        _offers(community_id)
        .add_columns(Claim.ended_at.label("claim_ended"))
        .where(Handover.ended_at.is_(None), or_(Handover.expires_at <= now, Claim.ended_at.is_not(None)))
    ).all()
    for row in rows:
        state = OfferState.LAPSED if row.claim_ended is None else OfferState.TAKEN_BACK
        _end_offer(session, community_id, row.id, state, None, now)
    return [_offered(session, community_id, row) for row in rows if row.claim_ended is None]


_NEXT_LAPSE = Prepared(
    select(func.min(Handover.expires_at)).where(
        Handover.community_id == bindparam("community_id"),
        Handover.ended_at.is_(None),
        Handover.expires_at > bindparam("after"),
        Handover.expires_at <= bindparam("until"),
    )
)


def next_lapse(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first moment in `(after, until]` at which an offer that stands open is over."""
    found: datetime | None = _NEXT_LAPSE.scalar(session, community_id=community_id, after=after, until=until)
    return found


def offers_to(session: Session, *, community_id: int, taker_ids: Collection[int], now: datetime) -> list[Offered]:
    """The posts that others offer to somebody, oldest first."""
    rows = session.execute(
        _offers(community_id).where(
            Handover.taker_id.in_(taker_ids),
            Handover.ended_at.is_(None),
            Handover.expires_at > now,
            Claim.ended_at.is_(None),
        )
    ).all()
    return [_offered(session, community_id, row) for row in rows]


def offer_of(session: Session, *, post: PostHere, giver_id: int) -> Offered | None:
    """The open offer of a holder."""
    row = session.execute(
        _offers(post.community_id).where(
            Claim.post_id == post.id, Claim.member_id == giver_id, Handover.ended_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else _offered(session, post.community_id, row)


def offer_by_id(session: Session, *, community_id: int, offer_id: int) -> Offered:
    """An offer by the id of its row, whether open or not."""
    row = session.execute(_offers(community_id).where(Handover.id == offer_id)).one()
    return _offered(session, community_id, row)


def drop_offers(session: Session, *, community_id: int, member_ids: Collection[int], now: datetime) -> None:
    """Ends the offers to people who are gone; those of theirs end with their claims."""
    session.execute(
        update(Handover)
        .where(
            Handover.community_id == community_id,
            Handover.taker_id.in_(member_ids),
            Handover.ended_at.is_(None),
        )
        .values(state=OfferState.DECLINED, ended_at=now)
    )


_taken = aliased(Claim)

INVARIANTS = (
    Invariant(
        "handovers.state",
        select(Handover.id).where(
            or_(
                Handover.state.not_in(list(OfferState)),
                (Handover.state == OfferState.ASKED) != Handover.ended_at.is_(None),
                (Handover.state == OfferState.TAKEN) != Handover.taken_claim_id.is_not(None),
            )
        ),
    ),
    Invariant(
        # What changed hands was one slot of one post, from one moment to the next.
        "handovers.moment",
        select(Handover.id)
        .join(Claim, Handover.claim_id == Claim.id)
        .join(_taken, Handover.taken_claim_id == _taken.id)
        .where(
            or_(
                _taken.post_id != Claim.post_id,
                Claim.ended_at.is_(None),
                Claim.ended_why != Why.HANDED_OVER,
                _taken.since != Claim.ended_at,
            )
        ),
    ),
    Invariant(
        "handovers.once",
        select(func.min(Handover.id))
        .where(Handover.ended_at.is_(None))
        .group_by(Handover.community_id, Handover.claim_id)
        .having(func.count() > 1),
    ),
)
