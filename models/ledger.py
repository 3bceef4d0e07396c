"""The ledger: every point and every minute of service, where it came from and why.

One row is both sides of a transfer, so the books balance by construction. Nothing is ever changed: a correction is an
opposite transfer that names the first and counts in the month in which the first counted.

- `(community_id, key)` is unique: what is posted twice under one key is posted once.
- Transfers are append-only; triggers refuse UPDATE, DELETE and TRUNCATE.
- `balances` and `monthly_totals` of persons are kept in the same transaction and equal the sums of the transfers.
  The system's accounts have no such row: every message would queue for it.
- Integers only. No names: member ids. The words of whoever gave or took stand beside the transfer, in `transfer_notes`.
- A transfer is corrected once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models.base import Base, Invariant, Refusal
from models.clock import month_of
from models.database import Prepared
from models.members.merging import way_to_keeper
from models.members.people import Member

MERGE = "merge"
"""The reason of transfers between two members who are one person: nobody gained or lost by them."""


class Currency(StrEnum):
    """What is counted. Recorded and vouched minutes are never added together."""

    POINTS = "points"
    """积分."""
    RECORDED_MINUTES = "recorded_minutes"
    """信用时: minutes between check-in and check-out, kept by the machine."""
    VOUCHED_MINUTES = "vouched_minutes"
    """荣誉时: minutes for which an organiser vouches."""


class SystemAccount(IntEnum):
    """The other side of a person's transfer. Persons are positive numbers: their member ids."""

    ISSUED = -1
    """Where earned points and minutes come from."""
    REDEEMED = -2
    """Where points go that are spent."""
    DEDUCTED = -3
    """Where points go that were taken away with a reason."""


class Transfer(Base):
    """`amount` of `currency` from `debit` to `credit`."""

    __tablename__ = "transfers"
    __table_args__ = (
        UniqueConstraint("community_id", "key", name="uq_transfers_key"),
        CheckConstraint("amount > 0", name="positive"),
        CheckConstraint("debit <> credit", name="two_sides"),
        Index("ix_transfers_credit", "community_id", "credit", "id"),
        Index("ix_transfers_debit", "community_id", "debit", "id"),
        Index("uq_transfers_corrects", "corrects", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    key: Mapped[str] = mapped_column(String(80))
    """Names the occurrence: `check-in:<row id>`."""
    currency: Mapped[str] = mapped_column(String(16))
    debit: Mapped[int]
    credit: Mapped[int]
    amount: Mapped[int]
    reason: Mapped[str] = mapped_column(String(24))
    """Why, as a word of the code (`check_in`, `award`); people read the handler's sentence for it."""
    ref: Mapped[str] = mapped_column(String(40))
    """The thing it is about: `activity:12`."""
    month: Mapped[int] = mapped_column(Integer)
    """The Shanghai month in which it counts, 202611; of a correction, the first transfer's."""
    made_by: Mapped[int | None]
    """The member who caused it; None: a job."""
    corrects: Mapped[int | None] = mapped_column(ForeignKey("transfers.id"))
    at: Mapped[datetime]


class TransferNote(Base):
    """The giver's own words for a transfer. They can name people and must be able to go, so they stand beside it."""

    __tablename__ = "transfer_notes"

    transfer_id: Mapped[int] = mapped_column(ForeignKey("transfers.id"), primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Whose account it is about."""
    note: Mapped[str] = mapped_column(String(200))


class Balance(Base):
    """What a person has: derived, and proved every night."""

    __tablename__ = "balances"
    __table_args__ = (Index("ix_balances_board", "community_id", "currency", text("amount DESC"), "member_id"),)

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(16), primary_key=True)
    amount: Mapped[int]


class MonthlyTotal(Base):
    """What a person gained in a Shanghai month: derived, for the boards."""

    __tablename__ = "monthly_totals"
    __table_args__ = (
        Index("ix_monthly_totals_board", "community_id", "currency", "month", text("amount DESC"), "member_id"),
    )

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(16), primary_key=True)
    month: Mapped[int] = mapped_column(Integer, primary_key=True)
    amount: Mapped[int]


class NotEnough(Refusal):
    """A person's balance would fall below zero. Fields: balance, amount."""


class NoSuchTransfer(Refusal):
    """No transfer of this number that the asker may see. Fields: number."""


class AlreadyCorrected(Refusal):
    """The transfer was taken back before. Fields: number."""


_NOTE = Prepared(insert(TransferNote), columns=("transfer_id", "community_id", "member_id", "note"))

_INSERT = Prepared(
    lambda insert: insert(Transfer).on_conflict_do_nothing(),
    makes=Transfer.id,
    columns=(
        "community_id",
        "key",
        "currency",
        "debit",
        "credit",
        "amount",
        "reason",
        "ref",
        "month",
        "made_by",
        "corrects",
        "at",
    ),
)


def _adding(table: Any, keys: list[str]) -> Prepared:
    columns = (*keys, "amount")
    return Prepared(
        lambda insert: (
            (statement := insert(table))
            .on_conflict_do_update(index_elements=keys, set_={"amount": table.amount + statement.excluded.amount})
            .returning(table.amount)
        ),
        columns=columns,
    )


_ADD_TO_BALANCE = _adding(Balance, ["community_id", "member_id", "currency"])
_ADD_TO_MONTH = _adding(MonthlyTotal, ["community_id", "member_id", "currency", "month"])


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer that stands in the books. `balance` is the credited person's; of a deduction, the debited one's."""

    id: int
    balance: int
    month_total: int


def transfer(
    session: Session,
    *,
    community_id: int,
    key: str,
    currency: Currency,
    debit: int,
    credit: int,
    amount: int,
    reason: str,
    ref: str,
    made_by: int | None,
    at: datetime,
    note: str = "",
    month: int | None = None,
    corrects: int | None = None,
    overdraft: bool = False,
) -> Posted | None:
    """Posts a transfer of `amount` (points or minutes, > 0) once per `key`; None where the key is in the books already.

    Raises NotEnough where a person's balance would fall below zero, unless `overdraft` (corrections must always be
    possible).
    """
    when = month if month is not None else month_of(at)
    row = _INSERT.first(
        session,
        community_id=community_id,
        key=key,
        currency=currency,
        debit=debit,
        credit=credit,
        amount=amount,
        reason=reason,
        ref=ref,
        month=when,
        made_by=made_by,
        corrects=corrects,
        at=at,
    )
    if row is None:
        return None
    if note:
        _NOTE.run(
            session,
            transfer_id=row[0],
            community_id=community_id,
            member_id=credit if credit > 0 else debit,
            note=note,
        )
    balance = total = 0
    # In order of member id, so that two transfers between the same people never wait for each other crosswise.
    for account, change in sorted(((debit, -amount), (credit, amount))):
        if account > 0:
            has, gained = _add(session, community_id, account, currency, when, change)
            if change < 0 and has < 0 and not overdraft:
                raise NotEnough(balance=has - change, amount=amount)
            if account == credit or credit < 0:
                balance, total = has, gained
    return Posted(row[0], balance, total)


def _add(
    session: Session, community_id: int, member_id: int, currency: Currency, month: int, change: int
) -> tuple[int, int]:
    balance = _ADD_TO_BALANCE.first(
        session, community_id=community_id, member_id=member_id, currency=currency, amount=change
    )
    total = _ADD_TO_MONTH.first(
        session, community_id=community_id, member_id=member_id, currency=currency, month=month, amount=change
    )
    assert balance is not None
    assert total is not None
    return balance[0], total[0]


def correct(
    session: Session,
    *,
    community_id: int,
    transfer_id: int,
    made_by: int | None,
    reason: str,
    note: str,
    at: datetime,
) -> Posted:
    """Takes a transfer back by its opposite, which counts in the month in which the first counted.

    What is taken back from somebody who was merged since goes on to the one who has their balance now.
    Raises NoSuchTransfer and AlreadyCorrected.
    """
    first = session.execute(
        select(Transfer).where(Transfer.community_id == community_id, Transfer.id == transfer_id)
    ).scalar_one_or_none()
    if first is None:
        raise NoSuchTransfer(number=transfer_id)
    posted = transfer(
        session,
        community_id=community_id,
        key=f"correct:{transfer_id}",
        currency=Currency(first.currency),
        debit=first.credit,
        credit=first.debit,
        amount=first.amount,
        reason=reason,
        ref=first.ref,
        note=note,
        month=first.month,
        made_by=made_by,
        corrects=transfer_id,
        at=at,
        overdraft=True,
    )
    if posted is None:
        raise AlreadyCorrected(number=transfer_id)
    for account, change in ((first.credit, -first.amount), (first.debit, first.amount)):
        pass_on(session, first, account=account, change=change, made_by=made_by, at=at)
    return posted


def pass_on(session: Session, first: Transfer, *, account: int, change: int, made_by: int | None, at: datetime) -> None:
    """Lets what changed for somebody who was merged, because of a transfer of theirs, go on to who has their balance.

    Once for each transfer `first`; nothing where the account is the system's, or of somebody who was not merged.
    """
    if account < 0:
        return
    for merge_id, keeper in way_to_keeper(session, community_id=first.community_id, member_id=account):
        transfer(
            session,
            community_id=first.community_id,
            key=f"merge:{merge_id}:after:{first.id}",
            currency=Currency(first.currency),
            debit=account if change > 0 else keeper,
            credit=keeper if change > 0 else account,
            amount=abs(change),
            reason=MERGE,
            ref=first.ref,
            month=first.month,
            made_by=made_by,
            at=at,
            overdraft=True,
        )
        account = keeper


def correct_all(
    session: Session, *, community_id: int, keys: list[str], made_by: int | None, at: datetime, reason: str = "undo"
) -> dict[Currency, int]:
    """Takes back the transfers under these keys, as far as they stand; returns what was taken back, by currency.

    The opposite of a transfer keeps its note.
    """
    rows = session.execute(
        select(Transfer.id, Transfer.currency, Transfer.amount, func.coalesce(TransferNote.note, "").label("note"))
        .outerjoin(TransferNote, TransferNote.transfer_id == Transfer.id)
        .where(Transfer.community_id == community_id, Transfer.key.in_(keys))
    ).all()
    taken: dict[Currency, int] = {}
    for row in rows:
        try:
            correct(
                session,
                community_id=community_id,
                transfer_id=row.id,
                made_by=made_by,
                reason=reason,
                note=row.note,
                at=at,
            )
        except AlreadyCorrected:
            continue
        taken[Currency(row.currency)] = taken.get(Currency(row.currency), 0) + row.amount
    return taken


_BALANCE = Prepared(
    select(Balance.amount).where(
        Balance.community_id == bindparam("community"),
        Balance.member_id == bindparam("member"),
        Balance.currency == bindparam("currency"),
    )
)


def balance_of(session: Session, *, community_id: int, member_id: int, currency: Currency) -> int:
    """What a person has now."""
    row = _BALANCE.first(session, community=community_id, member=member_id, currency=currency)
    return row[0] if row else 0


def month_total(session: Session, *, community_id: int, member_id: int, currency: Currency, month: int) -> int:
    """What a person gained in a month."""
    return (
        session.scalar(
            select(MonthlyTotal.amount).where(
                MonthlyTotal.community_id == community_id,
                MonthlyTotal.member_id == member_id,
                MonthlyTotal.currency == currency,
                MonthlyTotal.month == month,
            )
        )
        or 0
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a person's statement. `change` is signed from the person's side."""

    id: int
    change: int
    reason: str
    ref: str
    note: str
    month: int
    made_by: int | None
    corrects: int | None
    at: datetime


def statement(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    currency: Currency,
    limit: int,
    before_id: int | None = None,
    also: Sequence[int] = (),
) -> list[Entry]:
    """The newest `limit` transfers of a person, newest first.

    `also` are the ids of members who turned out to be the same person. What went between those is no line of its own.
    """
    branches = []
    for side, sign in ((Transfer.credit, 1), (Transfer.debit, -1)):
        branch = (
            select(
                Transfer.id,
                (Transfer.amount * sign).label("change"),
                Transfer.reason,
                Transfer.ref,
                func.coalesce(TransferNote.note, "").label("note"),
                Transfer.month,
                Transfer.made_by,
                Transfer.corrects,
                Transfer.at,
            )
            .outerjoin(TransferNote, TransferNote.transfer_id == Transfer.id)
            .where(
                Transfer.community_id == community_id,
                side.in_([member_id, *also]) if also else side == member_id,
                Transfer.currency == currency,
                Transfer.reason != MERGE,
            )
        )
        if before_id is not None:
            branch = branch.where(Transfer.id < before_id)
        # Each side is cut by its own index before the two are put together.
        cut = branch.order_by(Transfer.id.desc()).limit(limit).subquery()
        branches.append(select(cut))
    together = union_all(*branches).subquery()
    rows = session.execute(select(together).order_by(together.c.id.desc()).limit(limit))
    return [Entry(*row) for row in rows]


def _differs(table: Any, *keys: str) -> Select[Any]:
    """Where a derived table and the transfers do not cancel out: one pass over both, because there may be millions."""
    columns = [getattr(Transfer, key) for key in keys if key != "member_id"]
    sides = [
        select(*columns, account.label("member_id"), change.label("change")).where(account > 0)
        for account, change in ((Transfer.credit, Transfer.amount), (Transfer.debit, -Transfer.amount))
    ]
    derived = [getattr(table, key) for key in keys if key != "member_id"]
    both = union_all(*sides, select(*derived, table.member_id, -table.amount)).subquery()
    return select(both.c.member_id).group_by(*(both.c[key] for key in keys)).having(func.sum(both.c.change) != 0)


_first = aliased(Transfer)
_returned = (
    select(func.coalesce(func.sum(Transfer.amount), 0))
    .where(
        Transfer.community_id == Balance.community_id,
        Transfer.debit == Balance.member_id,
        Transfer.currency == Balance.currency,
        # What goes between two who are one person is as if it had gone from the first at once.
        or_(Transfer.corrects.is_not(None), Transfer.reason == MERGE),
    )
    .correlate(Balance)
    .scalar_subquery()
)

APPEND_ONLY = {
    "sqlite": ("transfers_append_only_UPDATE", "transfers_append_only_DELETE"),
    "postgresql": ("transfers_append_only", "transfers_append_only_truncate"),
}
"""The triggers that refuse changes, by the kind of database."""

INVARIANTS = (
    # Who was merged has nothing: in no month, and so in no balance either.
    Invariant(
        "monthly_totals.merged",
        select(MonthlyTotal.member_id)
        .join(Member, MonthlyTotal.member_id == Member.id)
        .where(Member.merged_into.is_not(None), MonthlyTotal.amount != 0),
    ),
    # Only a correction may take what is not there any more.
    Invariant(
        "balances.overdrawn", select(Balance.member_id).where(Balance.amount < 0, Balance.amount + _returned < 0)
    ),
    Invariant(
        "transfers.accounts",
        select(Transfer.id).where(
            or_(
                and_(Transfer.debit <= 0, Transfer.credit <= 0),
                *(and_(side <= 0, side.not_in(list(SystemAccount))) for side in (Transfer.debit, Transfer.credit)),
            )
        ),
    ),
    Invariant("balances.sum", _differs(Balance, "community_id", "member_id", "currency")),
    Invariant("monthly_totals.sum", _differs(MonthlyTotal, "community_id", "member_id", "currency", "month")),
    Invariant(
        "transfers.source",
        select(Transfer.id).where(or_(Transfer.reason == "", Transfer.ref == "", Transfer.amount <= 0)),
    ),
    Invariant(
        "transfers.correction",
        select(Transfer.id)
        .outerjoin(_first, Transfer.corrects == _first.id)
        .where(
            Transfer.corrects.is_not(None),
            or_(
                _first.id.is_(None),
                Transfer.amount != _first.amount,
                Transfer.debit != _first.credit,
                Transfer.credit != _first.debit,
                Transfer.currency != _first.currency,
                Transfer.month != _first.month,
                Transfer.community_id != _first.community_id,
            ),
        ),
    ),
)
