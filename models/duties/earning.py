"""What an entry earns when it counts, and gives back when it does not any more: points by rule, and minutes."""

from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from models import ledger
from models.duties.entries import DutyCredit, Entry
from models.ledger import Currency, SystemAccount
from models.points import multiplied, rule_of, within_caps
from models.posts import PostHere


def count(session: Session, post: PostHere, entry: Entry, *, by: int, now: datetime) -> int:
    """Lets an entry earn what there is to earn; returns the points."""
    rule = rule_of(session, community_id=post.community_id, kind="duty", now=entry.done_at)
    points = multiplied(rule.base if post.points is None else post.points, entry.done_at, rule)
    if rule.day_max or rule.month_max:
        points = within_caps(
            session, community_id=post.community_id, member_id=entry.member_id, points=points, rule=rule, now=now
        )
    _credit(session, post, entry, Currency.POINTS, points, by=by, now=now)
    credit_minutes(session, post, entry, by=by, now=now)
    return points


def credit_minutes(session: Session, post: PostHere, entry: Entry, *, by: int, now: datetime) -> None:
    """Books the minutes of an entry, on the account of their kind."""
    currency = Currency.RECORDED_MINUTES if entry.measured else Currency.VOUCHED_MINUTES
    _credit(session, post, entry, currency, entry.minutes, by=by, now=now)


def _credit(
    session: Session, post: PostHere, entry: Entry, currency: Currency, amount: int, *, by: int, now: datetime
) -> None:
    if amount <= 0:
        return
    credit_id = session.execute(
        insert(DutyCredit).returning(DutyCredit.id),
        {
            "community_id": post.community_id,
            "log_id": entry.id,
            "currency": currency,
            "amount": amount,
            "at": now,
            "undone_at": None,
        },
    ).scalar_one()
    ledger.transfer(
        session,
        community_id=post.community_id,
        key=f"duty:{credit_id}",
        currency=currency,
        debit=SystemAccount.ISSUED,
        credit=entry.member_id,
        amount=amount,
        reason="duty",
        ref=post.ref,
        made_by=by,
        at=now,
    )


def take_back(
    session: Session, community_id: int, log_id: int, *, by: int, now: datetime, minutes_only: bool = False
) -> None:
    """Gives back what an entry has earned: all of it, or the minutes alone."""
    which = [Currency.RECORDED_MINUTES, Currency.VOUCHED_MINUTES] if minutes_only else list(Currency)
    taken = session.scalars(
        update(DutyCredit)
        .where(
            DutyCredit.community_id == community_id,
            DutyCredit.log_id == log_id,
            DutyCredit.currency.in_(which),
            DutyCredit.undone_at.is_(None),
        )
        .values(undone_at=now)
        .returning(DutyCredit.id)
    ).all()
    keys = [f"duty:{credit_id}" for credit_id in sorted(taken)]
    ledger.correct_all(session, community_id=community_id, keys=keys, made_by=by, at=now)


def points_of(session: Session, post: PostHere, member_id: int) -> int:
    """What somebody has."""
    return ledger.balance_of(session, community_id=post.community_id, member_id=member_id, currency=Currency.POINTS)
