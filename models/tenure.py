"""任期: whether whoever holds a post goes on with it.

Whoever has done nothing for a month is asked, kindly, and the post is free again after a week of silence. Two weeks
before a term ends its holder is asked whether they go on. Who is away for a while says so and is left in peace.

- A claim has at most one open question of each kind.
- Nobody loses a post by silence who was not asked, and nobody was asked whom the question did not reach. Festivals are
  no days of silence, and neither is declared leave.
- Of two who hold a post together one is asked, and what one of them does or says counts for both.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Index, String, and_, func, insert, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.clock import at, day_of, local, start_of
from models.duties import held_by, last_done, logged_since
from models.handover import Handover
from models.holidays import is_festival
from models.members.people import Member
from models.posts import (
    Claim,
    ClaimHere,
    ClaimState,
    Ended,
    Post,
    PostHere,
    PostState,
    Why,
    claim_by_id,
    find_claim,
    lock,
    months_later,
    open_posts,
    post_by_id,
    release,
)


class Settings(BaseModel):
    """[tenure] 岗位的去留"""

    model_config = ConfigDict(extra="forbid")

    idle_days: int = Field(30, ge=7, le=366, description="几天没有履职记录就问一声还方不方便;节日和请假不算")
    silence_days: int = Field(7, ge=2, le=60, description="问了以后几天没有答复就空出岗位;节日不算")
    renewal_days: int = Field(14, ge=2, le=90, description="任期结束前几天问要不要续任")
    handover_days: int = Field(3, ge=1, le=30, description="转岗问了对方,几天没有答复就作废")
    leave_days_max: int = Field(92, ge=1, le=366, description="岗位请假一次最多几天")


class QuestionKind(StrEnum):
    """What a holder is asked."""

    IDLE = "idle"
    """Nothing was heard for a month: is it still convenient?"""
    RENEWAL = "renewal"
    """The term ends soon: another one?"""


class Answer(StrEnum):
    """What became of a question."""

    STAYS = "stays"
    """They go on; a new entry says so too, and so does silence of whoever was asked in their place."""
    LEAVES = "leaves"
    """They do not go on."""
    SILENCE = "silence"
    """Nothing was heard until it was due."""
    VOID = "void"
    """The claim ended in another way."""


class TenureQuestion(Base):
    """A holder, or for them those in charge, was asked whether they go on."""

    __tablename__ = "tenure_questions"
    __table_args__ = (
        Index(
            "uq_tenure_questions_open",
            "community_id",
            "claim_id",
            "kind",
            unique=True,
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
        Index("ix_tenure_questions_asked", "community_id", "asked_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"))
    kind: Mapped[str] = mapped_column(String(12))
    asked_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who was asked: the holder, or somebody in charge where the bot cannot write to the holder first."""
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """When silence takes effect: of a renewal, the term's end."""
    answer: Mapped[str] = mapped_column(String(12), server_default="")
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """None: the clock, or an entry."""


class PostLeave(Base):
    """A holder is away for a while: no days of silence."""

    __tablename__ = "post_leaves"
    __table_args__ = (Index("ix_post_leaves_claim", "community_id", "claim_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    """The first moment after it."""
    reason: Mapped[str] = mapped_column(String(200), server_default="")
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]


class NothingAsked(Refusal):
    """No question about a post waits for this person's answer."""


class LeaveTooLong(Refusal):
    """Longer than a leave may last. Fields: days."""


class LeaveOver(Refusal):
    """The leave would have ended already."""


# -- rules ----------------------------------------

Days = Collection[tuple[date, date]]
"""Spans of days, both included."""


def silent_days(since: date, today: date, away: Days = ()) -> int:
    """Days after `since`, today included, that are neither festivals nor within a leave."""
    days = (since + timedelta(days=number) for number in range(1, (today - since).days + 1))
    return sum(not is_festival(day) and not any(first <= day <= last for first, last in away) for day in days)


def days_later(today: date, days: int) -> date:
    """The day on which so many days that are no festivals have passed; no festival itself."""
    day = today
    while days > 0:
        day += timedelta(days=1)
        days -= not is_festival(day)
    return day


def refuse_odd_leave(until: datetime, now: datetime, days_max: int) -> None:
    """`until` is the first moment after it. Raises LeaveOver and LeaveTooLong."""
    if until <= now:
        raise LeaveOver
    if until > now + timedelta(days=days_max + 1):
        raise LeaveTooLong(days=days_max)


# -- asking ----------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A post that somebody holds, alone or together with another."""

    claim: ClaimHere
    post: PostHere
    name: str
    hides_name: bool

    @property
    def ids(self) -> list[int]:
        """The holder, and who holds it with them."""
        return [self.claim.member_id, *([self.claim.partner_id] if self.claim.partner_id else ())]


def held(session: Session, *, community_id: int, claim_ids: Collection[int] | None = None) -> list[Held]:
    """Everything that is held on the list now, or those of some claims."""
    query = (
        select(Claim.id, Claim.post_id, Member.name, Member.hides_name)
        .join(Post, Claim.post_id == Post.id)
        .join(Member, Claim.member_id == Member.id)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.HELD,
            Post.state == PostState.OPEN,
        )
        .order_by(Claim.id)
    )
    if claim_ids is not None:
        query = query.where(Claim.id.in_(claim_ids))
    return [
        Held(
            claim_by_id(session, community_id=community_id, claim_id=row.id),
            post_by_id(session, community_id=community_id, post_id=row.post_id),
            row.name,
            bool(row.hides_name),
        )
        for row in session.execute(query).all()
    ]


def idle_holders(session: Session, *, community_id: int, now: datetime, days: int) -> list[Held]:
    """Who has done nothing for so many days and has not been asked; of two together the first, and never on a festival.

    Whoever is away, or offers the post to somebody, is left in peace.
    """
    today = day_of(now)
    if is_festival(today):
        return []
    idle = []
    for one in held(session, community_id=community_id):
        claim = one.claim
        assert claim.since is not None
        if (today - day_of(claim.since)).days < days or _second_of_two(session, one) or _is_busy(session, one, now):
            continue
        since = _heard_last(session, one)
        if silent_days(day_of(since), today, _leaves(session, one)) >= days:
            idle.append(one)
    return idle


def _second_of_two(session: Session, one: Held) -> bool:
    if one.claim.partner_id is None:
        return False
    other = find_claim(session, post=one.post, member_id=one.claim.partner_id)
    return other is not None and other.id < one.claim.id


def _is_busy(session: Session, one: Held, now: datetime) -> bool:
    community_id = one.post.community_id
    asked = select(TenureQuestion.id).where(
        TenureQuestion.community_id == community_id,
        TenureQuestion.claim_id == one.claim.id,
        TenureQuestion.answered_at.is_(None),
    )
    offers = select(Handover.id).where(
        Handover.community_id == community_id, Handover.claim_id == one.claim.id, Handover.ended_at.is_(None)
    )
    away = select(PostLeave.id).where(
        PostLeave.community_id == community_id,
        PostLeave.claim_id == one.claim.id,
        PostLeave.undone_at.is_(None),
        PostLeave.until > now,
    )
    return any(session.scalar(query.limit(1)) is not None for query in (asked, offers, away))


def _heard_last(session: Session, one: Held) -> datetime:
    """When a holder, or who holds the post with them, was heard of last."""
    said = session.scalar(
        select(func.max(TenureQuestion.answered_at))
        .join(Claim, TenureQuestion.claim_id == Claim.id)
        .where(
            TenureQuestion.community_id == one.post.community_id,
            TenureQuestion.answer == Answer.STAYS,
            Claim.post_id == one.post.id,
            Claim.member_id.in_(one.ids),
        )
    )
    done = last_done(session, post=one.post, member_ids=one.ids)
    assert one.claim.since is not None
    return max(moment for moment in (one.claim.since, said, done) if moment is not None)


def _leaves(session: Session, one: Held) -> list[tuple[date, date]]:
    rows = session.execute(
        select(PostLeave.since, PostLeave.until).where(
            PostLeave.community_id == one.post.community_id,
            PostLeave.claim_id == one.claim.id,
            PostLeave.undone_at.is_(None),
        )
    )
    return [(day_of(row.since), day_of(row.until - timedelta(microseconds=1))) for row in rows]


def ending_holders(session: Session, *, community_id: int, now: datetime, days: int) -> list[Held]:
    """Whose term ends within so many days and who has not been asked about it.

    Where everybody's term ends on one day, nobody is asked: those in charge decide whether the post goes on.
    """
    asked = select(TenureQuestion.claim_id).where(
        TenureQuestion.community_id == community_id,
        TenureQuestion.kind == QuestionKind.RENEWAL,
        TenureQuestion.due_at == Claim.term_ends_at,
    )
    ids = session.scalars(
        select(Claim.id)
        .join(Post, Claim.post_id == Post.id)
        .where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.HELD,
            Claim.term_ends_at > now,
            Claim.term_ends_at <= start_of(day_of(now)) + timedelta(days=days + 1),
            Post.state == PostState.OPEN,
            or_(Post.term_ends_at.is_(None), Post.term_ends_at > Claim.term_ends_at),
            Claim.id.not_in(asked),
        )
    ).all()
    return held(session, community_id=community_id, claim_ids=ids)


def ending_posts(session: Session, *, community_id: int, now: datetime, days: int) -> list[PostHere]:
    """The posts on the list that are over for everybody within so many days."""
    return [
        post
        for post in open_posts(session, community_id=community_id)
        if not post.is_over(now) and post.is_over(start_of(day_of(now)) + timedelta(days=days + 1))
    ]


def over(session: Session, *, community_id: int, now: datetime) -> list[Held]:
    """Whose term is over."""
    ids = session.scalars(
        select(Claim.id).where(
            Claim.community_id == community_id,
            Claim.ended_at.is_(None),
            Claim.state == ClaimState.HELD,
            Claim.term_ends_at <= now,
        )
    ).all()
    return held(session, community_id=community_id, claim_ids=ids)


def renewal_of(session: Session, *, community_id: int, claim_id: int) -> int | None:
    """The last question if this claim goes on after its term, by its id."""
    return session.scalar(
        select(func.max(TenureQuestion.id)).where(
            TenureQuestion.community_id == community_id,
            TenureQuestion.claim_id == claim_id,
            TenureQuestion.kind == QuestionKind.RENEWAL,
        )
    )


def ask(session: Session, *, one: Held, kind: QuestionKind, asked_id: int, now: datetime, silence_days: int) -> "Asked":
    """Writes down that somebody is asked; a renewal is due at the term's end, the other after so many days."""
    due_at = one.claim.term_ends_at
    if kind is QuestionKind.IDLE:
        hours = local(now)
        due_at = at(days_later(day_of(now), silence_days), hours.hour, hours.minute)
    assert due_at is not None
    question_id = session.execute(
        insert(TenureQuestion).returning(TenureQuestion.id),
        {
            "community_id": one.post.community_id,
            "claim_id": one.claim.id,
            "kind": kind,
            "asked_id": asked_id,
            "asked_at": now,
            "due_at": due_at,
            "answered_at": None,
            "answered_by": None,
        },
    ).scalar_one()
    return Asked(question_id, kind, one, asked_id, now, due_at)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that stands open, and about whom."""

    id: int
    kind: QuestionKind
    held: Held
    asked_id: int
    asked_at: datetime
    due_at: datetime


def put_off(session: Session, *, asked: Asked, now: datetime, silence_days: int) -> None:
    """The question is not out yet: the days of silence begin to run when it is."""
    _due(session, asked, asked.asked_id, now, silence_days)


def ask_instead(session: Session, *, asked: Asked, asked_id: int, now: datetime, silence_days: int) -> Asked:
    """The question did not reach the holder: somebody in charge is asked in their place."""
    due_at = _due(session, asked, asked_id, now, silence_days)
    return replace(asked, asked_id=asked_id, asked_at=now, due_at=due_at)


def _due(session: Session, asked: Asked, asked_id: int, now: datetime, silence_days: int) -> datetime:
    hours = local(asked.due_at)
    due_at = asked.due_at
    if asked.kind is QuestionKind.IDLE:
        due_at = at(days_later(day_of(now), silence_days), hours.hour, hours.minute)
    session.execute(
        update(TenureQuestion)
        .where(TenureQuestion.community_id == asked.held.post.community_id, TenureQuestion.id == asked.id)
        .values(asked_id=asked_id, due_at=due_at)
    )
    return due_at


def open_questions(
    session: Session, *, community_id: int, kind: QuestionKind | None = None, until: datetime | None = None
) -> list[Asked]:
    """What stands open about posts that are held, oldest first; of one kind, or due by a moment."""
    query = (
        select(
            TenureQuestion.id, TenureQuestion.kind, TenureQuestion.claim_id, TenureQuestion.asked_id,
            TenureQuestion.asked_at, TenureQuestion.due_at,
        )
        .where(TenureQuestion.community_id == community_id, TenureQuestion.answered_at.is_(None))
        .order_by(TenureQuestion.id)
    )  # fmt: skip
    if kind is not None:
        query = query.where(TenureQuestion.kind == kind)
    if until is not None:
        query = query.where(TenureQuestion.due_at <= until)
    rows = session.execute(query).all()
    claims = {
        one.claim.id: one for one in held(session, community_id=community_id, claim_ids=[row.claim_id for row in rows])
    }
    return [
        Asked(row.id, QuestionKind(row.kind), claims[row.claim_id], row.asked_id, row.asked_at, row.due_at)
        for row in rows
        if row.claim_id in claims
    ]


def goes_on(session: Session, asked: Asked) -> bool:
    """Whether a question that nobody answered takes nothing from anybody.

    An entry has said since that they go on; or the holder could not be asked, and whoever was asked for them is silent.
    """
    if asked.asked_id not in asked.held.ids:
        return True
    return logged_since(session, post=asked.held.post, member_ids=asked.held.ids, moment=asked.asked_at)


def answer(
    session: Session, *, community_id: int, question_id: int, said: Answer, by: int | None, now: datetime
) -> None:
    """Writes an answer down. Raises NothingAsked where somebody has answered meanwhile."""
    answered = session.execute(
        update(TenureQuestion)
        .where(
            TenureQuestion.community_id == community_id,
            TenureQuestion.id == question_id,
            TenureQuestion.answered_at.is_(None),
        )
        .values(answer=said, answered_at=now, answered_by=by)
        .returning(TenureQuestion.id)
    ).one_or_none()
    if answered is None:
        raise NothingAsked


def give_up(session: Session, *, asked: Asked, now: datetime, offer_hours: int) -> Ended:
    """Silence takes effect: who was asked gives the post up. Who holds it with them stays, to be asked in turn."""
    one, community_id = asked.held, asked.held.post.community_id
    answer(session, community_id=community_id, question_id=asked.id, said=Answer.SILENCE, by=None, now=now)
    return release(
        session, post=one.post, member_id=one.claim.member_id, by=None, why=Why.IDLE, now=now, offer_hours=offer_hours
    )


def ask_again(session: Session, *, community_id: int, question_id: int) -> None:
    """Lets a question stand open again."""
    session.execute(
        update(TenureQuestion)
        .where(TenureQuestion.community_id == community_id, TenureQuestion.id == question_id)
        .values(answer="", answered_at=None, answered_by=None)
    )


def drop_void(session: Session, *, community_id: int, now: datetime) -> None:
    """Ends the questions about claims that have ended in another way."""
    live = select(Claim.id).where(Claim.community_id == community_id, Claim.ended_at.is_(None))
    session.execute(
        update(TenureQuestion)
        .where(
            TenureQuestion.community_id == community_id,
            TenureQuestion.answered_at.is_(None),
            TenureQuestion.claim_id.not_in(live),
        )
        .values(answer=Answer.VOID, answered_at=now)
    )


# -- going on ----------------------------------------


def renew(session: Session, *, one: Held) -> datetime | None:
    """Lets a claim last for another term of the post, from its end on, or until the day that all have; returns it."""
    ends_at = one.claim.term_ends_at
    assert ends_at is not None
    months = one.post.term_months
    until = start_of(months_later(day_of(ends_at), months)) if months else one.post.term_ends_at
    set_term(session, community_id=one.post.community_id, claim_id=one.claim.id, until=until)
    return until


def set_term(session: Session, *, community_id: int, claim_id: int, until: datetime | None) -> None:
    """Lets a claim end then, and no sooner."""
    session.execute(
        update(Claim).where(Claim.community_id == community_id, Claim.id == claim_id).values(term_ends_at=until)
    )


# -- leave ----------------------------------------


def take_leave(
    session: Session, *, post: PostHere, member_id: int, until: datetime, reason: str, now: datetime, days_max: int
) -> int:
    """Declares a leave from now on; returns its row's id.

    `until` is the first moment after it. Raises NotHolding, LeaveOver, LeaveTooLong.
    """
    refuse_odd_leave(until, now, days_max)
    claim = held_by(session, lock(session, post), member_id)
    return session.execute(
        insert(PostLeave).returning(PostLeave.id),
        {
            "community_id": post.community_id,
            "claim_id": claim.id,
            "since": now,
            "until": until,
            "reason": reason,
            "made_by": member_id,
            "undone_at": None,
        },
    ).scalar_one()


def undo_leave(session: Session, *, community_id: int, leave_id: int, now: datetime) -> None:
    """Takes a leave back."""
    session.execute(
        update(PostLeave).where(PostLeave.community_id == community_id, PostLeave.id == leave_id).values(undone_at=now)
    )


INVARIANTS = (
    Invariant(
        "tenure_questions.state",
        select(TenureQuestion.id).where(
            or_(
                TenureQuestion.kind.not_in(list(QuestionKind)),
                (TenureQuestion.answer == "") != TenureQuestion.answered_at.is_(None),
                and_(TenureQuestion.answer != "", TenureQuestion.answer.not_in(list(Answer))),
                TenureQuestion.due_at <= TenureQuestion.asked_at,
            )
        ),
    ),
    Invariant(
        "tenure_questions.once",
        select(func.min(TenureQuestion.id))
        .where(TenureQuestion.answered_at.is_(None))
        .group_by(TenureQuestion.community_id, TenureQuestion.claim_id, TenureQuestion.kind)
        .having(func.count() > 1),
    ),
    Invariant(
        # Nobody has lost a post by silence who was not asked.
        "claims.asked_first",
        select(Claim.id)
        .outerjoin(
            TenureQuestion,
            and_(
                TenureQuestion.claim_id == Claim.id,
                TenureQuestion.kind == QuestionKind.IDLE,
                TenureQuestion.answer == Answer.SILENCE,
                TenureQuestion.due_at <= Claim.ended_at,
            ),
        )
        .where(Claim.ended_why == Why.IDLE, TenureQuestion.id.is_(None)),
    ),
    Invariant("post_leaves.span", select(PostLeave.id).where(PostLeave.until <= PostLeave.since)),
)
