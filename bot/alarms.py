"""One alarm for what should have gone out and did not, and one sentence when it is over.

Whoever is told are the secretaries, as far as a channel reaches them; the log, the metrics and `/healthz` say the same
to whoever keeps the machine. An alarm never causes another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import reasons
from models import outages, outbox
from models.directory import Group, name_of
from models.members import Role, roles_held
from models.outages import Incident
from models.outbox import OutboxState
from models.units import root_of

REF = "incident:"
"""What an alarm is about, by which it is known as one."""
NAMED_MOST = 3
"""Groups that an alarm names at the most."""
POINTLESS_AFTER = timedelta(hours=12)

Reaches = Callable[[Session, int, int], bool]
"""Whether a channel can write first to a member of a community."""


@dataclass(frozen=True, slots=True)
class News:
    """An incident that began (`reason` says with what) or is over."""

    number: int
    channel: str = ""
    reason: str = ""


def is_alarm(ref: str) -> bool:
    """Whether a message tells of what did not go out: that it does not go out either is no news."""
    return ref.startswith(REF)


HOW = {
    OutboxState.WAITING: "晚了，还没有发出去",
    OutboxState.FAILED: "没有发出去",
    OutboxState.UNKNOWN: "不知道到了没有",
}
"""How it stands with the first message of an incident."""


def begun(number: int, reason: str, to: str, state: OutboxState) -> str:
    """What the secretaries read when something did not go out. `to` is for whom it was."""
    return (
        f"【提醒】给{to}的消息{HOW[state]}：{reasons.in_words(reason)}。\n"
        "同样的问题不再一条条告诉您，恢复了会说一声。\n"
        f"请管机器人的人运行 linli outbox 看看（问题{number}）。"
    )


def over(number: int) -> str:
    """What they read when it goes out again."""
    return (
        f"【提醒】问题{number}好了，消息又发得出去了。\n之前没发出去的，请管机器人的人用 linli outbox 看看要不要补发。"
    )


def recipient(message: outbox.Claimed) -> str:
    """For whom a message is, as outages know it."""
    if message.group_id is not None:
        return f"group:{message.group_id}"
    return f"member:{message.member_id}" if message.member_id is not None else "account"


def shown(session: Session, message: outbox.Claimed) -> str:
    """For whom a message is, as a secretary may read it."""
    if message.group_id is None:
        return "个人"
    return name_of(session, community_id=message.community_id, group_id=message.group_id)


def missed(
    session: Session,
    message: outbox.Claimed,
    channel: str,
    reason: str,
    state: OutboxState,
    *,
    now: datetime,
    wall: datetime,
    reaches: Reaches,
) -> list[News]:
    """Notes that something did not go out when it should have, and tells the secretaries where that is news."""
    if is_alarm(message.ref):
        return []
    number = outages.broke(
        session,
        community_id=message.community_id,
        recipient=recipient(message),
        channel=channel,
        reason=reason,
        messages=int(state is not OutboxState.WAITING),
        wall=wall,
    )
    if number is None:
        return []
    text = begun(number, reason, shown(session, message), state)
    _tell(session, message, number, "begun", text, now=now, urgent=message.urgent, reaches=reaches)
    return [News(number, channel, reason)]


def arrived(session: Session, message: outbox.Claimed, *, now: datetime, reaches: Reaches) -> list[News]:
    """Notes that a recipient is reached again, and says so where that ends an incident."""
    number = outages.healed(session, community_id=message.community_id, recipient=recipient(message))
    if number is None:
        return []
    _tell(session, message, number, "over", over(number), now=now, urgent=False, reaches=reaches)
    return [News(number)]


def _tell(
    session: Session,
    message: outbox.Claimed,
    number: int,
    moment: str,
    text: str,
    *,
    now: datetime,
    urgent: bool,
    reaches: Reaches,
) -> None:
    """Puts a sentence about an incident out to every secretary whom a channel reaches."""
    of = message.community_id
    held = roles_held(session, community_id=of, now=now, unit_id=root_of(session, of).id)
    for member_id in dict.fromkeys(term.member_id for term in held if term.role is Role.SECRETARY):
        if reaches(session, of, member_id):
            outbox.put(
                session,
                community_id=of,
                key=f"{REF}{number}:{moment}:{member_id}",
                message=text,
                now=now,
                expires_at=now + POINTLESS_AFTER,
                member_id=member_id,
                ref=f"{REF}{number}",
                urgent=urgent,
            )


def named(session: Session, incident: Incident) -> str:
    """For whom things do not go out, in few words: 3栋群、5栋群等12个群."""
    ids = [int(one.partition(":")[2]) for one in incident.recipients if one.startswith("group:")]
    people = len(incident.recipients) - len(ids)
    groups = session.scalars(
        select(Group.name)
        .where(Group.community_id == incident.community_id, Group.id.in_(ids))
        .order_by(Group.id)
        .limit(NAMED_MOST)
    ).all()
    parts = []
    if ids:
        parts.append("、".join(groups) + (f"等{len(ids)}个群" if len(ids) > NAMED_MOST else ""))
    if people:
        parts.append(f"{people}位住户")
    return "和".join(parts)
