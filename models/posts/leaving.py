"""退岗: a claim ends, its slot goes to the first who waits, and the ending may be taken back."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from models.database import Prepared
from models.posts.claims import (
    SEATED,
    Claim,
    ClaimHere,
    ClaimState,
    NotClaimed,
    Offer,
    TakenMeanwhile,
    Why,
    claim_by_id,
    end_claim,
    find_claim,
    free_slots,
    offer_free,
    set_claim,
)
from models.posts.lists import asked_by
from models.posts.post import PostHere, lock, post_by_id, relock
from models.posts.squads import join_squad


@dataclass(frozen=True, slots=True)
class Ended:
    """A claim that ended, as it stood before, and to whom its slot is offered now."""

    claim: ClaimHere
    post: PostHere
    offers: tuple[Offer, ...]
    partner: ClaimHere | None = None
    """The claim of the other one of two, which fell with it."""

    @property
    def stays(self) -> int | None:
        """Who held the post together with them, and holds it alone now."""
        return self.claim.partner_id if self.claim.state is ClaimState.HELD else None


def release(
    session: Session,
    *,
    post: PostHere,
    member_id: int,
    by: int | None,
    why: Why,
    now: datetime,
    offer_hours: int,
    note: str = "",
    keep: bool = False,
) -> Ended:
    """Ends a live claim, of whatever state, and offers the slot to the first who waits; `keep` leaves it free.

    Saying no to whoever asked to claim together ends their question. Who holds the post together stays when the
    other one leaves; who only applied together does not. Raises NotClaimed.
    """
    post = relock(session, post)
    live = find_claim(session, post=post, member_id=member_id)
    if live is None:
        live = asked_by(session, post, member_id)
        if live is None:
            raise NotClaimed(number=post.number, title=post.title)
        end_claim(session, post, live, by=by, why=Why.REJECTED, now=now, note=note)
        return Ended(live, post, ())
    end_claim(session, post, live, by=by, why=why, now=now, note=note)
    partner: ClaimHere | None = None
    if live.partner_id is not None and live.state is not ClaimState.ASKED:
        partner = _part(session, post, live, by, now)
    offers = () if keep else offer_free(session, post, now=now, offer_hours=offer_hours)
    return Ended(live, post, offers, partner)


def _part(session: Session, post: PostHere, live: ClaimHere, by: int | None, now: datetime) -> ClaimHere | None:
    """What becomes of the other one of two: a holder goes on alone, an application falls with the first."""
    assert live.partner_id is not None
    other = find_claim(session, post=post, member_id=live.partner_id)
    if other is None or other.partner_id != live.member_id:
        return None
    if other.state is ClaimState.HELD:
        set_claim(session, post, other.id, partner_id=None)
        return None
    end_claim(session, post, other, by=by, why=Why.RELEASED, now=now)
    return other


@dataclass(frozen=True, slots=True)
class Resumed:
    """An ending that was taken back: who has lost the offer of the slot by it, and who is offered another one."""

    post: PostHere
    claim: ClaimHere
    revoked: int | None
    offers: tuple[Offer, ...]


def resume(
    session: Session, *, community_id: int, claim_id: int, now: datetime, offer_hours: int, partner_claim: int | None
) -> Resumed:
    """Takes the ending of a claim back, and that of the other one who fell with it (`partner_claim`).

    Raises PostWithdrawn, and TakenMeanwhile where somebody has accepted the slot or the person has claimed again.
    """
    ended = claim_by_id(session, community_id=community_id, claim_id=claim_id)
    post = lock(session, post_by_id(session, community_id=community_id, post_id=ended.post_id))
    late = ended.answer_by is not None and ended.answer_by <= now
    if ended.ended_at is None or late or find_claim(session, post=post, member_id=ended.member_id) is not None:
        raise TakenMeanwhile(number=post.number, title=post.title)
    revoked = _make_room(session, post) if ended.state in SEATED else None
    together = ended.state is ClaimState.ASKED
    if partner_claim is not None:
        other = claim_by_id(session, community_id=community_id, claim_id=partner_claim)
        if find_claim(session, post=post, member_id=other.member_id) is not None:
            raise TakenMeanwhile(number=post.number, title=post.title)
        reopen(session, post, other, now, together=True)
        together = True
    reopen(session, post, ended, now, together=together)
    offers = offer_free(session, post, now=now, offer_hours=offer_hours)
    return Resumed(post, claim_by_id(session, community_id=community_id, claim_id=claim_id), revoked, offers)


def _make_room(session: Session, post: PostHere) -> int | None:
    """Takes back the latest offer of a slot where none is free; returns who loses it. Raises TakenMeanwhile."""
    if free_slots(session, post) > 0:
        return None
    last = session.execute(
        select(Claim.id, Claim.member_id)
        .where(
            Claim.community_id == post.community_id,
            Claim.post_id == post.id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.OFFERED,
        )
        .order_by(Claim.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        raise TakenMeanwhile(number=post.number, title=post.title)
    set_claim(session, post, last.id, state=ClaimState.WAITING, answer_by=None)
    member_id: int = last.member_id
    return member_id


def reopen(session: Session, post: PostHere, ended: ClaimHere, now: datetime, *, together: bool) -> None:
    joined = ended.state is ClaimState.HELD
    set_claim(
        session,
        post,
        ended.id,
        ended_at=None,
        ended_by=None,
        ended_why="",
        ended_note="",
        partner_id=ended.partner_id if together else None,
        unit_member_id=join_squad(session, post=post, member_id=ended.member_id, now=now) if joined else None,
    )


def end_all(
    session: Session, *, community_id: int, member_ids: Collection[int], why: Why, now: datetime, offer_hours: int
) -> list[Ended]:
    """Ends every live claim of these members, and every question that was put to them."""
    rows = session.execute(
        select(Claim.post_id, Claim.member_id, Claim.partner_id, Claim.state)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            or_(
                Claim.member_id.in_(member_ids),
                and_(Claim.state == ClaimState.ASKED, Claim.partner_id.in_(member_ids)),
            ),
        )
        .order_by(Claim.post_id, Claim.id)
    ).all()
    ended = []
    for row in rows:
        whose = row.member_id if row.member_id in member_ids else row.partner_id
        post = post_by_id(session, community_id=community_id, post_id=row.post_id)
        try:
            ended.append(
                release(
                    session, post=post, member_id=whose, by=None, why=why, now=now, offer_hours=offer_hours
                )
            )  # fmt: skip
        except NotClaimed:
            # It ended with the one before: an application of two.
            continue
    # Somebody who waited may have been offered a slot a moment before they lost their own place.
    return [
        replace(one, offers=tuple(offer for offer in one.offers if offer.member_id not in member_ids)) for one in ended
    ]


def offers_over(session: Session, *, community_id: int, until: datetime) -> list[Offer]:
    """The slots that are kept for somebody who has not answered by `until`."""
    rows = session.execute(
        select(Claim.id, Claim.member_id, Claim.post_id, Claim.answer_by)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.OFFERED,
            Claim.answer_by <= until,
        )
        .order_by(Claim.id)
    ).all()
    return [
        Offer(row.id, row.member_id, post_by_id(session, community_id=community_id, post_id=row.post_id), row.answer_by)
        for row in rows
        if row.answer_by is not None
    ]


def lapse(session: Session, *, community_id: int, until: datetime, now: datetime, offer_hours: int) -> list[Ended]:
    """Ends offers and questions that nobody has answered by `until`; the slots go to the next who wait."""
    rows = session.execute(
        select(Claim.post_id, Claim.member_id)
        .where(Claim.community_id == community_id, Claim.ended_at.is_(None), Claim.answer_by <= until)
        .order_by(Claim.post_id, Claim.id)
    ).all()
    ended = []
    for row in rows:
        post = post_by_id(session, community_id=community_id, post_id=row.post_id)
        ended.append(
            release(
                session, post=post, member_id=row.member_id, by=None, why=Why.LAPSED, now=now, offer_hours=offer_hours
            )
        )
    return ended


_NEXT_ANSWER = Prepared(
    select(func.min(Claim.answer_by)).where(
        Claim.community_id == bindparam("community_id"),
        Claim.ended_at.is_(None),
        Claim.answer_by > bindparam("after"),
        Claim.answer_by <= bindparam("until"),
    )
)


def next_answer(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first moment in `(after, until]` at which an offer or a question lapses."""
    found: datetime | None = _NEXT_ANSWER.scalar(session, community_id=community_id, after=after, until=until)
    return found
