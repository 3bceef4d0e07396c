"""Files that the bot brings into a chat by itself: an activity's roll for paper, the hours that people served.

An organiser asks for one in the group's own words (名单 12 发到群里), sees what goes where, and confirms. What is kept
is an order beside the message in the outbox: which file, of what, for whom. The file itself is made when it leaves, so
that it outlives a restart, shows the books as they are by then, and no copy of anybody's data lies about.

- A roll carries names, and says who came and when. So it goes as it is only where people have come together for this
  work: into the groups of the party's organisations and of service teams. A bot does not know who sits in a group; what
  a group is bound to is all that tells. Into any other group goes a roll for paper in which every name hides a letter
  and nothing says who came.
- Hours of service go into such groups of work alone, and without anybody's home.
- In every group a name that its owner hides stays hidden.
- Both hold when the file leaves as much as when it was asked for: a group that was bound to something else in between
  gets nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import outbox
from models.base import Enclosure, Refusal
from models.directory import Endpoint, Group
from models.reach import Reach
from models.units import PARTY, Unit, UnitKind

PRINTED, HOURS = "printed_roll", "hours_sheet"
"""The kinds of files; what makes them is listed in `bot/files.py`."""
WORKING = PARTY | {UnitKind.SERVICE_TEAM}
"""What a group is bound to in which people have come together for volunteer work."""
WORTH = timedelta(hours=24)
"""How long a file is worth being delivered."""
WITHDRAWN = "taken back"


class Names(StrEnum):
    """How the people in a file are called."""

    WHOLE = "whole"
    """By their names: for the organiser alone."""
    SPARED = "spared"
    """By their names, except who hides theirs."""
    HIDDEN = "hidden"
    """Everybody with a letter hidden, and nothing of who came."""


class NotForThisGroup(Refusal):
    """What the file says is not for everybody in this group. Fields: group."""


class HandedOut(Refusal):
    """The file is out, or on its way: nobody can take it back. Fields: group."""


def names_for(session: Session, *, community_id: int, group_id: int, kind: str) -> Names:
    """How people are called in a file for this group. Raises NotForThisGroup."""
    name, bound_to = session.execute(
        select(Group.name, Unit.kind)
        .join(Unit, Group.unit_id == Unit.id)
        .where(Group.community_id == community_id, Group.id == group_id)
    ).one()
    if bound_to in WORKING:
        return Names.SPARED
    if kind == HOURS:
        raise NotForThisGroup(group=name)
    return Names.HIDDEN


def takes_files(session: Session, *, community_id: int, group_id: int, reach: Reach) -> bool:
    """Whether a channel brings files into this group."""
    found = select(Endpoint.id).where(
        Endpoint.community_id == community_id,
        Endpoint.group_id == group_id,
        Endpoint.channel.in_(sorted(reach.files)),
    )
    return session.scalar(found.limit(1)) is not None


def hand_out(
    session: Session,
    *,
    community_id: int,
    key: str,
    kind: str,
    detail: Mapping[str, Any],
    name: str,
    message: str,
    by: int,
    now: datetime,
    group_id: int | None = None,
    ref: str = "",
) -> None:
    """Orders a file for a group, or for whoever asks for it. `message` says what it is where that has to be read.

    Raises NotForThisGroup.
    """
    names = Names.WHOLE
    if group_id is not None:
        names = names_for(session, community_id=community_id, group_id=group_id, kind=kind)
    outbox.put(
        session,
        community_id=community_id,
        key=key,
        message=message,
        now=now,
        expires_at=now + WORTH,
        group_id=group_id,
        member_id=by if group_id is None else None,
        ref=ref,
        enclosure=Enclosure(kind, {**detail, "names": str(names)}, name, by),
        # Whoever asks for something for themselves is answered, and answers do not wait.
        urgent=group_id is None,
    )


def still_for(session: Session, *, community_id: int, group_id: int, enclosure: Enclosure) -> bool:
    """Whether a file that was ordered for a group may be read there now."""
    try:
        names = names_for(session, community_id=community_id, group_id=group_id, kind=enclosure.kind)
    except NotForThisGroup:
        return False
    return enclosure.detail.get("names") in (names, Names.HIDDEN)


def take_back(session: Session, *, community_id: int, key: str, group: str, wall: datetime) -> None:
    """Keeps a file from going out. Raises HandedOut where it is too late."""
    if not outbox.withdraw(session, community_id=community_id, keys=[key], reason=WITHDRAWN, wall=wall):
        raise HandedOut(group=group)
