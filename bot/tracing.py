"""What happened to that message: the books' own account, from its arrival to the reply and what went out.

Nothing is kept for this: a message that wrote something has its row in the inbox, what it did stands in the audit and
the ledger, what it sent in the outbox, and each of them carries its moment. What people said is not kept, so it cannot
be shown; what the bot said is shown only where it is asked for. Messages that only asked or only chatted have left no
trace: that is how it should be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, aliased

from bot import mail, reasons
from models.audit import Audit
from models.clock import local
from models.directory import CommunityHere, Group
from models.inbox import Inbox, Trouble
from models.ledger import Currency, Transfer
from models.members import Member
from models.outbox import Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState

MESSAGES_MAX = 200
"""Messages of one story at the most, the newest."""

OUTCOMES = {
    "act": "办了",
    "ask": "反问了一句",
    "read": "答了",
    "refused": "没有办，说了原因",
    "ignore": "没有作声",
    "failed": "没处理好，留着",
}
UNITS = {Currency.POINTS: "分", Currency.RECORDED_MINUTES: "分钟（信用时）", Currency.VOUCHED_MINUTES: "分钟（荣誉时）"}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened: `kind` is heard, act, undone, transfer, push, attempt or trouble."""

    at: datetime
    kind: str
    what: str
    text: str = ""
    """What the bot said, or (of a trouble alone) what somebody said."""


@dataclass(slots=True)
class Story:
    """One message, or one push that no message caused, and what followed."""

    at: datetime
    channel: str
    message_id: str
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: messages by their id, a person, or a group of a community."""

    kind: str
    """`message`, `person` or `group`."""
    label: str
    community: CommunityHere | None = None
    row: int = 0


def subjects(session: Session, asked: str, communities: Sequence[CommunityHere]) -> list[Subject]:
    """Everything that the words can mean: message ids first, for nobody is called like one."""
    found = [Subject("message", one) for one in _message_ids(session, asked)]
    if found:
        return found
    for community in communities:
        groups = session.execute(
            select(Group.id, Group.name).where(Group.community_id == community.id, Group.name == asked)
        )
        found += [Subject("group", row.name, community, row.id) for row in groups]
        people = session.execute(
            select(Member.id, Member.name)
            .where(Member.community_id == community.id, Member.name == asked)
            .order_by(Member.id)
        )
        found += [Subject("person", row.name, community, row.id) for row in people]
    return found


def _message_ids(session: Session, asked: str) -> list[str]:
    """The ids that are this one, or end in it: an apology names the last characters only."""
    if len(asked) < 4 or not asked.isascii():
        return []
    found: set[str] = set()
    for table in (Inbox, Trouble):
        exact = session.scalars(select(table.message_id).where(table.message_id == asked)).all()
        ending = select(table.message_id).where(table.message_id.endswith(asked, autoescape=True))
        found.update(exact or session.scalars(ending).all())
    return sorted(found)


def stories(session: Session, subject: Subject, *, since: datetime) -> list[Story]:
    """The messages of a subject since a moment, oldest first, each with what followed."""
    told = [_of_message(session, row) for row in _heard(session, subject, since)]
    told += list(_troubles(session, subject, since))
    told += list(_pushes(session, subject, since, {step.at for story in told for step in story.steps}))
    return sorted(told, key=lambda story: story.at)


def _heard(session: Session, subject: Subject, since: datetime) -> list[Inbox]:
    asked = select(Inbox).where(Inbox.at >= since)
    if subject.kind == "message":
        asked = select(Inbox).where(Inbox.message_id == subject.label)
    elif subject.kind == "person":
        asked = asked.where(Inbox.member_id == subject.row)
    else:
        acts = select(Audit.channel, Audit.message_id).where(
            Audit.community_id == (subject.community.id if subject.community else 0), Audit.group_id == subject.row
        )
        there = acts.subquery()
        asked = asked.join(there, and_(there.c.channel == Inbox.channel, there.c.message_id == Inbox.message_id))
    return list(session.scalars(asked.order_by(Inbox.id.desc()).limit(MESSAGES_MAX)).unique())[::-1]


def _of_message(session: Session, row: Inbox) -> Story:
    story = Story(row.at, row.channel, row.message_id)
    who = _name(session, row.community_id, row.member_id)
    said = OUTCOMES.get(row.outcome, row.outcome)
    story.steps.append(Step(row.at, "heard", f"收到 {who} 的一条，{said}", row.reply))
    acts = session.execute(
        select(Audit.id, Audit.at, Audit.action, Audit.object_ref, Audit.group_id, Audit.undone_by).where(
            Audit.community_id == row.community_id, Audit.channel == row.channel, Audit.message_id == row.message_id
        )
    ).all()
    for act in acts:
        where = f"，在{_group(session, row.community_id, act.group_id)}" if act.group_id else "，在单聊里"
        story.steps.append(Step(act.at, "act", f"办的事：{act.action} {act.object_ref}{where}"))
        if act.undone_by is not None:
            undone = session.execute(
                select(Audit.at, Audit.message_id).where(
                    Audit.community_id == row.community_id, Audit.id == act.undone_by
                )
            ).one()
            story.steps.append(
                Step(undone.at, "undone", f"{act.action} {act.object_ref} 被撤销了（{undone.message_id}）")
            )
    if row.community_id is not None:
        story.steps += _caused(session, row.community_id, row.member_id, row.at, posted=bool(acts))
    return story


def _caused(
    session: Session, community_id: int, member_id: int | None, at: datetime, *, posted: bool
) -> Iterator[Step]:
    """What was written in the transaction of a message: it bears the message's own moment, to the microsecond."""
    if posted:
        transfers = session.execute(
            select(Transfer.amount, Transfer.currency, Transfer.debit, Transfer.credit, Transfer.reason, Transfer.ref)
            .where(
                Transfer.community_id == community_id,
                Transfer.at == at,
                or_(Transfer.made_by == member_id, Transfer.credit == member_id, Transfer.debit == member_id),
            )
            .order_by(Transfer.id)
        )
        for one in transfers:
            to, sign = (one.credit, "+") if one.credit > 0 else (one.debit, "-")
            unit = UNITS.get(Currency(one.currency), one.currency)
            what = f"记账：{_name(session, community_id, to)} {sign}{one.amount}{unit}（{one.reason}，{one.ref}）"
            yield Step(at, "transfer", what)
    for row in session.scalars(
        select(Outbox).where(Outbox.community_id == community_id, Outbox.created_at == at).order_by(Outbox.id)
    ):
        yield from _of_push(session, row)


def _of_push(session: Session, row: Outbox) -> Iterator[Step]:
    to = (
        _group(session, row.community_id, row.group_id)
        if row.group_id
        else _name(session, row.community_id, row.member_id)
    )
    why = f"：{reasons.in_words(row.dead_reason)}" if row.dead_reason else ""
    stands = f"{mail.STATES[OutboxState(row.state)]}{why}"
    yield Step(row.created_at, "push", f"给 {to} 的消息 {stands}（{row.key}）", row.text)
    attempts = session.execute(
        select(Attempt.began_at, Attempt.channel, Attempt.outcome, Attempt.detail)
        .join(AttemptItem, AttemptItem.attempt_id == Attempt.id)
        .where(Attempt.community_id == row.community_id, AttemptItem.outbox_id == row.id)
        .order_by(Attempt.id)
    )
    for attempt in attempts:
        detail = f"（{reasons.in_words(attempt.detail)}）" if attempt.detail else ""
        said = mail.OUTCOMES[AttemptOutcome(attempt.outcome)]
        yield Step(attempt.began_at, "attempt", f"从 {attempt.channel} 发：{said}{detail}")


def _troubles(session: Session, subject: Subject, since: datetime) -> Iterator[Story]:
    asked = select(Trouble)
    if subject.kind != "message":
        return  # whose they are stands in the message itself, which is not searched
    for row in session.scalars(asked.where(Trouble.message_id == subject.label, Trouble.at >= since)):
        said = str(row.incoming.get("text", ""))
        step = Step(row.at, "trouble", f"遇到程序的错误，整条留着等 linli replay --kept：{row.error}", said)
        yield Story(row.at, row.channel, row.message_id, [step])


def _pushes(session: Session, subject: Subject, since: datetime, told: set[datetime]) -> Iterator[Story]:
    """What went to a person or a group by itself, or by what somebody else said."""
    if subject.community is None:
        return
    recipient = Outbox.member_id if subject.kind == "person" else Outbox.group_id
    for row in session.scalars(
        select(Outbox)
        .where(Outbox.community_id == subject.community.id, recipient == subject.row, Outbox.created_at >= since)
        .order_by(Outbox.id.desc())
        .limit(MESSAGES_MAX)
    ):
        if row.created_at not in told:
            yield Story(row.created_at, "", "", list(_of_push(session, row)))


_other = aliased(Member)


def _name(session: Session, community_id: int | None, member_id: int | None) -> str:
    """A member's name; ids are what the books have of somebody who left."""
    if member_id is None:
        return "还不认识的人"
    asked = select(_other.name).where(_other.community_id == community_id, _other.id == member_id)
    return session.scalar(asked) or f"成员{member_id}"


def _group(session: Session, community_id: int | None, group_id: int | None) -> str:
    asked = select(Group.name).where(Group.community_id == community_id, Group.id == group_id)
    return session.scalar(asked) or f"群{group_id}"


def in_lines(story: Story, *, with_text: bool) -> Iterator[str]:
    """A story for people."""
    head = f"{story.channel} {story.message_id}" if story.message_id else "（到点的事，或别人说的话引出的）"
    yield f"{local(story.at):%Y-%m-%d %H:%M:%S} {head}"
    for step in story.steps:
        yield f"  {local(step.at):%H:%M:%S} {step.what}"
        if with_text and step.text:
            yield from (f"           「{line}」" for line in step.text.split("\n"))
