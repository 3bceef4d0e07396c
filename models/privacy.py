"""What is kept of people, for how long, and who has looked at it.

Personal information law: as little as is needed, for as long as it is needed, and everybody can ask who looked. Whoever
is shown somebody else's phone, room or statement is written down (`looked`), and 谁看过我 reads it back. Every night a
job lets go of what has had its time.

- A look is an audit row of the action `look`: of one member (`member:17`), or of all people of a unit (`unit:3`).
- Nobody is written down for looking at their own.
- The exactly-once promise holds: the transport id of a message stays for as long as a platform may deliver it again,
  and for as long as the act stands that it caused. The ledger is never touched.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, String, delete, exists, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.audit import LOOK, Audit
from models.base import Base
from models.check_in.ways import WrongCode
from models.files import Download
from models.inbox import Inbox, Trouble
from models.members.detaching import Detachment
from models.members.family import lapse_ties
from models.members.merging import one_person
from models.members.people import Member
from models.members.registration import Registration, RegistrationState
from models.outbox import Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState
from models.photos import KeptPhoto
from models.schedule import JobSlot
from models.units import Unit


class Settings(BaseModel):
    """[privacy] 个人信息"""

    model_config = ConfigDict(extra="forbid")

    replies_days: int = Field(30, ge=3, le=3650, description="答复原文留几天;平台重发在几分钟内,留久一点便于查问题")
    message_ids_days: int = Field(365, ge=30, le=3650, description="没办成事的消息编号留几天,防止重发被当成新的")
    pushes_days: int = Field(90, ge=3, le=3650, description="发出去的消息原文和地址留几天,便于查没收到的")
    push_rows_days: int = Field(365, ge=30, le=3650, description="发出去的消息的记录留几天,之后整行删掉")
    troubles_days: int = Field(30, ge=1, le=3650, description="出错的消息整条留几天,等修好后重放")
    rejections_days: int = Field(180, ge=1, le=3650, description="没通过的绑定申请里的姓名房号留几天,便于本人再问")
    audit_days: int = Field(1095, ge=30, le=36500, description="操作记录的细节留几天;谁在何时办的一直留着")
    accounts_days: int = Field(30, ge=1, le=3650, description="解绑的账号留几天,便于查是谁的手机")
    slots_days: int = Field(90, ge=7, le=3650, description="定时任务的运行记录留几天")
    photos_days: int = Field(365, ge=1, le=3650, description="居民发来的照片留几天")
    family_max: int = Field(5, ge=1, le=50, description="一个人最多有几位家人(互相代办)")
    family_days: int = Field(14, ge=1, le=365, description="家人申请几天没人答复就作废")


class Private(StrEnum):
    """What somebody can see of another person."""

    PHONE = "phone"
    ROOM = "room"
    STANDING = "standing"
    """That somebody is in the party."""
    CATEGORY = "category"
    """What somebody is in need of, or is managed by."""
    STATEMENT = "statement"
    """Balance and where it comes from."""
    DETAILS = "details"
    """What only the holders of a post may read; nothing about a person."""
    RECORDS = "records"
    """Everything that is held."""


class Kept(Base):
    """How far a kind of row has been let go of: everything up to this id has had its turn."""

    __tablename__ = "kept_until"

    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(32), primary_key=True)
    last_id: Mapped[int]


# -- who looked ----------------------------------------


def looked(
    session: Session,
    *,
    community_id: int,
    viewer_id: int | None,
    what: Sequence[Private],
    now: datetime,
    members: Iterable[int] = (),
    unit_id: int | None = None,
    posts: Iterable[int] = (),
    group_id: int | None = None,
    channel: str = "",
    message_id: str = "",
) -> None:
    """Writes down that somebody is shown private data: of some `members`, of all people at or below a unit, or of posts
    by their numbers.

    `viewer_id` None is the operator at the machine. Only for commands that write: a reading connection cannot keep it.
    """
    refs = [f"member:{one}" for one in dict.fromkeys(members) if one != viewer_id]
    if unit_id is not None:
        refs.append(f"unit:{unit_id}")
    refs += [f"post:{number}" for number in posts]
    if not refs:
        return
    session.execute(
        insert(Audit),
        [
            {
                "community_id": community_id,
                "at": now,
                "member_id": viewer_id,
                "action": LOOK,
                "object_ref": ref,
                "group_id": group_id,
                "channel": channel,
                "message_id": message_id,
                "detail": {"what": [str(one) for one in what]},
                "undone_by": None,
            }
            for ref in refs
        ],
    )


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw something of a person. `viewer` is empty for the operator at the machine."""

    at: datetime
    viewer: str
    what: tuple[Private, ...]
    whole_unit: bool
    """They saw a list of many, with this person on it."""


def looks_at(session: Session, *, community_id: int, member_id: int, limit: int | None = None) -> list[Look]:
    """Who saw this person's private data, newest first."""
    ids = one_person(session, community_id=community_id, member_id=member_id)
    home = session.execute(
        select(Unit.path, Member.since)
        .join(Unit, Member.unit_id == Unit.id)
        .where(Member.community_id == community_id, Member.id == member_id)
    ).one()
    refs = [f"member:{one}" for one in ids] + [f"unit:{one}" for one in home.path.strip("/").split("/")]
    rows = session.execute(
        select(Audit.at, Member.name, Audit.detail, Audit.object_ref)
        .outerjoin(Member, Audit.member_id == Member.id)
        .where(
            Audit.community_id == community_id,
            Audit.action == LOOK,
            Audit.object_ref.in_(refs),
            Audit.at >= home.since,
            Audit.member_id.is_distinct_from(member_id),
        )
        .order_by(Audit.id.desc())
        .limit(limit)
    )
    return [
        Look(
            row.at,
            row.name or "",
            tuple(Private(one) for one in row.detail.get("what", ())),
            row.object_ref.startswith("unit:"),
        )
        for row in rows
    ]


# -- what has had its time ----------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of row of a community: after how many days it is let go of, and how. `column` is its moment."""

    what: str
    table: Any
    column: Any
    days: Callable[[Settings], int]
    let_go: Callable[[Session, "Span"], None]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a community that had their time, from one id to another.

    Its statements find them by their ids, in whose order the rows came, and say `community_id + 0`: an index on the
    community would have to be walked, all of it.
    """

    community_id: int
    first: int
    last: int

    def ids(self, table: Any) -> Any:
        """Whether a row's id lies in it."""
        return table.id.between(self.first, self.last)


_NO_OBJECTS: Any = {"synchronize_session": False}
"""Nothing of these rows is in the session: without this, each changed row would be returned to look for it there."""


def _blank(table: Any, *, unless: Any = None, **values: Any) -> Callable[[Session, Span], None]:
    def let_go(session: Session, span: Span) -> None:
        statement = update(table).where(table.community_id + 0 == span.community_id, span.ids(table))
        statement = statement if unless is None else statement.where(~unless)
        session.execute(statement.values(**values), execution_options=_NO_OBJECTS)

    return let_go


def _drop_idle_messages(session: Session, span: Span) -> None:
    # What an act came from keeps its row: the proof of the books asks for it.
    caused = exists().where(Audit.channel == Inbox.channel, Audit.message_id == Inbox.message_id)
    idle = delete(Inbox).where(Inbox.community_id + 0 == span.community_id, span.ids(Inbox), ~caused)
    session.execute(idle, execution_options=_NO_OBJECTS)


def _drop_pushes(session: Session, span: Span) -> None:
    # What still waits, because it was put out long ahead, stays for ever: it is a handful of rows.
    ended = select(Outbox.id).where(
        Outbox.community_id + 0 == span.community_id, span.ids(Outbox), Outbox.state != OutboxState.WAITING
    )
    session.execute(delete(AttemptItem).where(AttemptItem.outbox_id.in_(ended)), execution_options=_NO_OBJECTS)
    over = delete(Outbox).where(
        Outbox.community_id + 0 == span.community_id, span.ids(Outbox), Outbox.state != OutboxState.WAITING
    )
    session.execute(over, execution_options=_NO_OBJECTS)


def _drop_attempts(session: Session, span: Span) -> None:
    carries = exists().where(AttemptItem.attempt_id == Attempt.id)
    over = delete(Attempt).where(Attempt.community_id + 0 == span.community_id, span.ids(Attempt), ~carries)
    session.execute(over, execution_options=_NO_OBJECTS)


ATTEMPTS_STAY_DAYS = 30
"""How much longer than its messages an attempt stays: by then no row speaks of it."""

RULES = (
    Rule("replies", Inbox, Inbox.at, lambda s: s.replies_days, _blank(Inbox, reply="", buttons=None)),
    Rule("message_ids", Inbox, Inbox.at, lambda s: s.message_ids_days, _drop_idle_messages),
    Rule(
        "pushes",
        Outbox,
        Outbox.created_at,
        lambda s: s.pushes_days,
        _blank(
            Outbox,
            unless=Outbox.state == OutboxState.WAITING,
            text="",
            buttons=None,
            placard=None,
            card=None,
            otherwise="",
        ),
    ),
    Rule(
        "attempts",
        Attempt,
        Attempt.began_at,
        lambda s: s.pushes_days,
        _blank(Attempt, unless=Attempt.outcome == AttemptOutcome.RUNNING, address="", detail=""),
    ),
    Rule("push_rows", Outbox, Outbox.created_at, lambda s: s.push_rows_days, _drop_pushes),
    Rule("attempt_rows", Attempt, Attempt.began_at, lambda s: s.push_rows_days + ATTEMPTS_STAY_DAYS, _drop_attempts),
    Rule("audit", Audit, Audit.at, lambda s: s.audit_days, _blank(Audit, detail={})),
)
"""Rows that come in the order of time. Each is looked at once, when its time is over."""


def let_go(session: Session, *, community_id: int, settings: Settings, now: datetime, rows: int) -> bool:
    """Lets go of at most `rows` rows of each kind whose time is over; returns whether there may be more."""
    more = [_apply(session, rule, community_id, now - timedelta(days=rule.days(settings)), rows) for rule in RULES]
    more.append(_forget_rejections(session, community_id, now - timedelta(days=settings.rejections_days), rows))
    for table, moment, days in (
        (Download, Download.expires_at, 1),
        (Detachment, Detachment.at, settings.accounts_days),
        (KeptPhoto, KeptPhoto.at, settings.photos_days),
        (WrongCode, WrongCode.at, 1),
    ):
        more.append(_drop(session, table, moment < now - timedelta(days=days), community_id, rows))
    asked = now - timedelta(days=settings.family_days)
    more.append(lapse_ties(session, community_id=community_id, before=asked, now=now, limit=rows) == rows)
    return any(more)


def _apply(session: Session, rule: Rule, community_id: int, before: datetime, rows: int) -> bool:
    mark = session.scalar(select(Kept.last_id).where(Kept.community_id == community_id, Kept.what == rule.what))
    table = rule.table
    found = session.execute(
        select(table.id, rule.column.label("moment"))
        # As a span does.
        .where(table.community_id + 0 == community_id, table.id > (mark or 0))
        .order_by(table.id)
        .limit(rows)
    ).all()
    ids = [row.id for row in takewhile(lambda row: row.moment < before, found)]
    if not ids:
        return False
    rule.let_go(session, Span(community_id, ids[0], ids[-1]))
    if mark is None:
        session.execute(insert(Kept), {"community_id": community_id, "what": rule.what, "last_id": ids[-1]})
    else:
        session.execute(
            update(Kept).where(Kept.community_id == community_id, Kept.what == rule.what).values(last_id=ids[-1])
        )
    return len(ids) == rows


def _forget_rejections(session: Session, community_id: int, before: datetime, rows: int) -> bool:
    ids = session.scalars(
        select(Registration.id)
        .where(
            Registration.community_id == community_id,
            Registration.state == RegistrationState.REJECTED,
            Registration.decided_at < before,
            Registration.external_id != "",
        )
        .limit(rows)
    ).all()
    session.execute(
        update(Registration)
        .where(Registration.community_id == community_id, Registration.id.in_(ids))
        .values(name="", room="", external_id="", reason="")
    )
    return len(ids) == rows


def _drop(session: Session, table: Any, over: Any, community_id: int, rows: int) -> bool:
    ids = session.scalars(select(table.id).where(table.community_id == community_id, over).limit(rows)).all()
    session.execute(delete(table).where(table.community_id == community_id, table.id.in_(ids)))
    return len(ids) == rows


def let_go_of_traces(session: Session, *, settings: Settings, now: datetime, rows: int) -> bool:
    """The same for what belongs to no community: messages that met a bug, and the runs of jobs."""
    old = select(Trouble.id).where(Trouble.at < now - timedelta(days=settings.troubles_days)).limit(rows)
    ids = session.scalars(old).all()
    session.execute(delete(Trouble).where(Trouble.id.in_(ids)))
    slots = session.execute(
        select(JobSlot.job, JobSlot.slot)
        .where(JobSlot.slot < now - timedelta(days=settings.slots_days), JobSlot.state != "running")
        .limit(rows)
    ).all()
    for slot in slots:
        session.execute(delete(JobSlot).where(JobSlot.job == slot.job, JobSlot.slot == slot.slot))
    return rows in (len(ids), len(slots))
