"""我的资料: everything that is held about one person, for the person.

Gathered by the ids under which the person's history stands: their own, and those of members who were merged into them.
What is here is what the file of 我的资料 shows; a table about people that is missing here is a promise broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from models import ledger
from models.activities import Activity, Decline, Signup
from models.audit import LOOK, Audit
from models.broadcast import Broadcast, HouseholdNote, Receipt
from models.categories import MemberCategory, categories_of
from models.check_in import CheckIn, CheckOut, MakeUp
from models.check_in.vouching import Vouching
from models.duties import DutyLog
from models.handover import Handover
from models.inbox import Inbox
from models.ledger import Currency
from models.members.consent import Consent
from models.members.detaching import Detachment, accounts_of
from models.members.family import FamilyTie
from models.members.merging import one_person
from models.members.people import Member, MemberRole
from models.members.registration import Registration
from models.outbox import Outbox
from models.photos import KeptPhoto, data_url
from models.points import Appeal, Award
from models.posts import Claim, ClaimState, Post
from models.privacy import looks_at
from models.proxies import ProxyAct
from models.quiet import OwnQuiet
from models.roll_call import RollCall, RollCallLine
from models.series import Regular, Series
from models.tenure import PostLeave
from models.units import Unit, called

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """What is held, section by section, under the names of the columns. Moments are aware UTC."""

    member_id: int
    person: Row
    balances: Row
    accounts: list[Row]
    roles: list[Row]
    categories: list[Row]
    quiet: list[Row]
    consents: list[Row]
    registrations: list[Row]
    signups: list[Row]
    declines: list[Row]
    series: list[Row]
    check_ins: list[Row]
    posts: list[Row]
    duties: list[Row]
    handovers: list[Row]
    post_leaves: list[Row]
    statement: list[Row]
    awards: list[Row]
    appeals: list[Row]
    make_ups: list[Row]
    photos: list[Row]
    family: list[Row]
    proxies: list[Row]
    receipts: list[Row]
    household_notes: list[Row]
    roll_calls: list[Row]
    acts: list[Row]
    looks: list[Row]
    answers: list[Row]
    notices: list[Row]


def _rows(session: Session, query: Select[*tuple[Any, ...]]) -> list[Row]:
    return [dict(row) for row in session.execute(query).mappings()]


def records_of(session: Session, *, community_id: int, member_id: int) -> Records:
    """Everything that is held about a person of this community."""
    ids = one_person(session, community_id=community_id, member_id=member_id)
    return Records(
        member_id=member_id,
        person=_person(session, community_id, member_id),
        balances=_balances(session, community_id, member_id),
        accounts=[
            {"namespace": one.namespace, "external_id": one.external_id, "since": one.since}
            for one in accounts_of(session, community_id=community_id, member_ids=ids)
        ]
        + _rows(
            session,
            select(Detachment.namespace, Detachment.external_id, Detachment.at.label("detached_at")).where(
                Detachment.community_id == community_id, Detachment.member_id.in_(ids), Detachment.undone_at.is_(None)
            ),
        ),
        roles=_rows(
            session,
            select(MemberRole.role, Unit.name.label("unit"), MemberRole.since, MemberRole.until)
            .join(Unit, MemberRole.unit_id == Unit.id)
            .where(MemberRole.community_id == community_id, MemberRole.member_id.in_(ids))
            .order_by(MemberRole.id),
        ),
        categories=_rows(
            session,
            select(MemberCategory.name.label("category"), MemberCategory.since, MemberCategory.until)
            .where(MemberCategory.community_id == community_id, MemberCategory.member_id.in_(ids))
            .order_by(MemberCategory.id),
        ),
        quiet=_rows(
            session,
            select(OwnQuiet.begins, OwnQuiet.ends, OwnQuiet.set_at.label("since")).where(
                OwnQuiet.community_id == community_id, OwnQuiet.member_id.in_(ids)
            ),
        ),
        consents=_rows(
            session,
            select(Consent.version, Consent.at, Consent.withdrawn_at)
            .where(Consent.community_id == community_id, Consent.member_id.in_(ids))
            .order_by(Consent.id),
        ),
        registrations=_rows(
            session,
            select(
                Registration.number,
                Registration.name,
                Registration.room,
                Registration.state,
                Registration.at,
                Registration.reason,
            )
            .where(Registration.community_id == community_id, Registration.member_id.in_(ids))
            .order_by(Registration.id),
        ),
        signups=_signups(session, community_id, ids),
        declines=_declines(session, community_id, ids),
        series=_rows(
            session,
            select(Series.number, Regular.since, Regular.ended_at)
            .join(Series, Regular.series_id == Series.id)
            .where(Regular.community_id == community_id, Regular.member_id.in_(ids))
            .order_by(Regular.id),
        ),
        check_ins=_check_ins(session, community_id, ids),
        posts=_posts(session, community_id, ids),
        duties=_duties(session, community_id, ids),
        handovers=_handovers(session, community_id, ids),
        post_leaves=_rows(
            session,
            select(
                Post.number,
                Post.title.label("post"),
                PostLeave.since,
                PostLeave.until,
                PostLeave.reason,
                PostLeave.undone_at,
            )
            .join(Claim, PostLeave.claim_id == Claim.id)
            .join(Post, Claim.post_id == Post.id)
            .where(PostLeave.community_id == community_id, Claim.member_id.in_(ids))
            .order_by(PostLeave.id),
        ),
        statement=_statement(session, community_id, member_id, ids),
        awards=_rows(
            session,
            select(Award.points, Award.reason, Award.at, Award.undone_at)
            .where(Award.community_id == community_id, Award.member_id.in_(ids))
            .order_by(Award.id),
        ),
        appeals=_rows(
            session,
            select(Appeal.number, Appeal.reason, Appeal.state, Appeal.answer, Appeal.at, Appeal.decided_at)
            .where(Appeal.community_id == community_id, Appeal.member_id.in_(ids))
            .order_by(Appeal.id),
        ),
        make_ups=_rows(
            session,
            select(
                MakeUp.number, Activity.title, MakeUp.reason, MakeUp.state, MakeUp.answer, MakeUp.at, MakeUp.decided_at
            )
            .join(Activity, MakeUp.activity_id == Activity.id)
            .where(MakeUp.community_id == community_id, MakeUp.member_id.in_(ids))
            .order_by(MakeUp.id),
        ),
        photos=_photos(session, community_id, ids),
        family=_family(session, community_id, ids),
        proxies=_proxies(session, community_id, ids),
        receipts=_rows(
            session,
            select(
                Broadcast.number,
                Broadcast.title.label("notice"),
                Receipt.way,
                Receipt.note,
                Receipt.at,
                Receipt.undone_at,
            )
            .join(Broadcast, Receipt.broadcast_id == Broadcast.id)
            .where(Receipt.community_id == community_id, Receipt.member_id.in_(ids))
            .order_by(Receipt.id),
        ),
        household_notes=_rows(
            session,
            select(
                Broadcast.number,
                Broadcast.title.label("notice"),
                HouseholdNote.note,
                HouseholdNote.at,
                HouseholdNote.undone_at,
            )
            .join(Broadcast, HouseholdNote.broadcast_id == Broadcast.id)
            .where(HouseholdNote.community_id == community_id, HouseholdNote.member_id.in_(ids))
            .order_by(HouseholdNote.id),
        ),
        roll_calls=_rows(
            session,
            select(
                RollCall.number,
                RollCall.title.label("chain"),
                RollCallLine.name,
                RollCallLine.count,
                RollCallLine.note,
            )
            .join(RollCall, RollCallLine.roll_call_id == RollCall.id)
            .where(RollCallLine.community_id == community_id, RollCallLine.member_id.in_(ids))
            .order_by(RollCallLine.id),
        ),
        # Without their details: what staff did to others is the others' business.
        acts=_rows(
            session,
            select(Audit.action, Audit.object_ref, Audit.at)
            .where(Audit.community_id == community_id, Audit.member_id.in_(ids), Audit.action != LOOK)
            .order_by(Audit.id),
        ),
        looks=[
            {"at": look.at, "viewer": look.viewer, "what": list(look.what)}
            for look in looks_at(session, community_id=community_id, member_id=member_id)
        ],
        answers=_rows(
            session,
            select(Inbox.at, Inbox.outcome, Inbox.reply)
            .where(Inbox.community_id == community_id, Inbox.member_id.in_(ids), Inbox.reply != "")
            .order_by(Inbox.id),
        ),
        notices=_rows(
            session,
            select(Outbox.created_at.label("at"), Outbox.text, Outbox.state)
            .where(Outbox.community_id == community_id, Outbox.member_id.in_(ids), Outbox.text != "")
            .order_by(Outbox.id),
        ),
    )


def _person(session: Session, community_id: int, member_id: int) -> Row:
    row = session.execute(
        select(
            Member.name,
            Member.unit_id,
            Member.room,
            Member.phone,
            Member.standing,
            Member.employer,
            Member.basis,
            Member.born,
            Member.hides_name,
            Member.on_boards,
            Member.since,
            Member.moved_out_at,
        ).where(Member.community_id == community_id, Member.id == member_id)
    ).mappings()
    person = dict(row.one())
    person["unit"] = called(session, community_id=community_id, unit_id=person.pop("unit_id"))
    return person


def _balances(session: Session, community_id: int, member_id: int) -> Row:
    return {
        currency.value: ledger.balance_of(session, community_id=community_id, member_id=member_id, currency=currency)
        for currency in Currency
    }


def _signups(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    return _rows(
        session,
        select(
            Activity.number,
            Activity.title,
            Activity.starts_at,
            Signup.companions,
            Signup.state,
            Signup.right,
            Signup.cautioned,
            Signup.at,
            Signup.undone_at,
        )
        .join(Activity, Signup.activity_id == Activity.id)
        .where(Signup.community_id == community_id, Signup.member_id.in_(ids))
        .order_by(Signup.id),
    )


def _declines(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    return _rows(
        session,
        select(Activity.number, Activity.title, Activity.starts_at, Decline.at, Decline.undone_at)
        .join(Activity, Decline.activity_id == Activity.id)
        .where(Decline.community_id == community_id, Decline.member_id.in_(ids))
        .order_by(Decline.id),
    )


def _check_ins(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    stands = or_(CheckOut.undone_at.is_(None), CheckOut.undone_at == CheckIn.undone_at)
    return _rows(
        session,
        select(
            Activity.number,
            Activity.title,
            CheckIn.at,
            CheckOut.at.label("left_at"),
            CheckOut.minutes,
            CheckIn.way,
            CheckIn.companions,
            Vouching.minutes.label("vouched"),
            CheckIn.undone_at,
        )
        .outerjoin(Vouching, and_(Vouching.check_in_id == CheckIn.id, Vouching.undone_at.is_(None)))
        .join(Activity, CheckIn.activity_id == Activity.id)
        .outerjoin(CheckOut, and_(CheckOut.check_in_id == CheckIn.id, stands))
        .where(CheckIn.community_id == community_id, CheckIn.member_id.in_(ids))
        .order_by(CheckIn.id),
    )


def _posts(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    return _rows(
        session,
        select(
            Post.number,
            Post.title.label("post"),
            Claim.state,
            Claim.at,
            Claim.note,
            Claim.since,
            Claim.term_ends_at,
            Claim.ended_at,
            Claim.ended_why,
            Claim.ended_note,
        )
        .join(Post, Claim.post_id == Post.id)
        .where(Claim.community_id == community_id, Claim.member_id.in_(ids))
        .order_by(Claim.id),
    )


def _duties(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    return _rows(
        session,
        select(
            Post.number,
            Post.title.label("post"),
            DutyLog.done_at,
            DutyLog.note,
            DutyLog.came_at,
            DutyLog.left_at,
            DutyLog.minutes,
            DutyLog.state,
            DutyLog.reason,
            DutyLog.at,
            DutyLog.undone_at,
        )
        .join(Post, DutyLog.post_id == Post.id)
        .where(DutyLog.community_id == community_id, DutyLog.member_id.in_(ids))
        .order_by(DutyLog.id),
    )


def _handovers(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    giver = aliased(Member)
    return _rows(
        session,
        select(
            Post.number,
            Post.title.label("post"),
            giver.name.label("giver"),
            Member.name.label("taker"),
            Handover.state,
            Handover.at,
            Handover.ended_at,
        )
        .join(Claim, Handover.claim_id == Claim.id)
        .join(Post, Claim.post_id == Post.id)
        .join(giver, Claim.member_id == giver.id)
        .join(Member, Handover.taker_id == Member.id)
        .where(Handover.community_id == community_id, or_(Claim.member_id.in_(ids), Handover.taker_id.in_(ids)))
        .order_by(Handover.id),
    )


STATEMENT_MOST = 1_000_000


def _statement(session: Session, community_id: int, member_id: int, ids: Sequence[int]) -> list[Row]:
    return [
        {
            "number": entry.id,
            "currency": currency.value,
            "change": entry.change,
            "reason": entry.reason,
            "ref": entry.ref,
            "note": entry.note,
            "month": entry.month,
            "at": entry.at,
        }
        for currency in Currency
        for entry in ledger.statement(
            session,
            community_id=community_id,
            member_id=member_id,
            currency=currency,
            limit=STATEMENT_MOST,
            also=ids[1:],
        )
    ]


def _photos(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    found = session.execute(
        select(KeptPhoto.at, KeptPhoto.ref, KeptPhoto.content, KeptPhoto.media_type)
        .where(KeptPhoto.community_id == community_id, KeptPhoto.member_id.in_(ids))
        .order_by(KeptPhoto.id)
    )
    return [{"at": row.at, "ref": row.ref, "picture": data_url(row.content, row.media_type)} for row in found]


def _family(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    proxy = aliased(Member)
    return _rows(
        session,
        select(
            FamilyTie.number,
            proxy.name.label("proxy"),
            Member.name.label("member"),
            FamilyTie.state,
            FamilyTie.ground,
            FamilyTie.since,
            FamilyTie.ended_at,
        )
        .join(proxy, FamilyTie.proxy_id == proxy.id)
        .join(Member, FamilyTie.member_id == Member.id)
        .where(
            FamilyTie.community_id == community_id,
            or_(FamilyTie.proxy_id.in_(ids), FamilyTie.member_id.in_(ids)),
        )
        .order_by(FamilyTie.id),
    )


def _proxies(session: Session, community_id: int, ids: Sequence[int]) -> list[Row]:
    """What others did for the person, and what the person did for others."""
    proxy = aliased(Member)
    return _rows(
        session,
        select(
            proxy.name.label("proxy"),
            Member.name.label("member"),
            ProxyAct.act,
            ProxyAct.right,
            ProxyAct.ref,
            ProxyAct.at,
        )
        .join(proxy, ProxyAct.proxy_id == proxy.id)
        .join(Member, ProxyAct.member_id == Member.id)
        .where(
            ProxyAct.community_id == community_id,
            or_(ProxyAct.proxy_id.in_(ids), ProxyAct.member_id.in_(ids)),
        )
        .order_by(ProxyAct.id),
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """What is held about somebody in a few figures."""

    unit: str
    room: str
    phone: str
    born: str
    accounts: int
    roles: tuple[str, ...]
    """Roles in force, as words of the code."""
    categories: tuple[str, ...]
    """What the person is besides: 流动党员, 独居老人."""
    consent: str
    """The version that was agreed to; empty for none."""
    signups: int
    check_ins: int
    posts: int
    """Held now."""
    balance: int
    looks: int


def summary_of(session: Session, *, community_id: int, member_id: int, now: datetime) -> Summary:
    """What 我的资料 says in its lines."""
    ids = one_person(session, community_id=community_id, member_id=member_id)
    person = _person(session, community_id, member_id)
    roles = session.scalars(
        select(MemberRole.role)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.member_id == member_id,
            MemberRole.since <= now,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
        .order_by(MemberRole.id)
    ).all()
    consent = session.scalar(
        select(Consent.version)
        .where(
            Consent.community_id == community_id,
            Consent.member_id == member_id,
            Consent.agreed,
            Consent.withdrawn_at.is_(None),
        )
        .order_by(Consent.id.desc())
        .limit(1)
    )
    return Summary(
        unit=person["unit"],
        room=person["room"],
        phone=person["phone"],
        born=person["born"],
        accounts=len(accounts_of(session, community_id=community_id, member_ids=[member_id])),
        roles=tuple(dict.fromkeys(roles)),
        categories=tuple(categories_of(session, community_id=community_id, member_ids=ids)),
        consent=consent or "",
        signups=sum(row["undone_at"] is None for row in _signups(session, community_id, ids)),
        check_ins=sum(row["undone_at"] is None for row in _check_ins(session, community_id, ids)),
        posts=sum(
            row["ended_at"] is None and row["state"] == ClaimState.HELD for row in _posts(session, community_id, ids)
        ),
        balance=ledger.balance_of(session, community_id=community_id, member_id=member_id, currency=Currency.POINTS),
        looks=len(looks_at(session, community_id=community_id, member_id=member_id)),
    )
