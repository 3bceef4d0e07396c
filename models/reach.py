"""Whom and what the bot can write to of its own accord, with the channels that are configured.

A person is reached by an account on a channel that writes to people; on some only after they have written to the bot
alone once (`Identity.opened_at`). Whoever asks somebody something looks here first: silence is no answer from somebody
whom the question cannot have reached.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from models.directory import Identity
from models.quiet import Quiet


@dataclass(frozen=True, slots=True)
class Reach:
    """What the configured channels can do, by their names and by the namespaces of their accounts."""

    groups: frozenset[str] = frozenset()
    """Channels that write to groups of their own accord."""
    people: frozenset[str] = frozenset()
    """Namespaces in which people are written to first."""
    everything: frozenset[str] = frozenset()
    """Channels on which all talk of a group is heard."""
    mentions: frozenset[str] = frozenset()
    """Channels on which only what mentions the bot is heard."""
    buttons: frozenset[str] = frozenset()
    """Channels whose messages have buttons."""
    tapped: frozenset[str] = frozenset()
    """Those of `people` in which everybody sees the buttons beside what is written to them."""
    files: frozenset[str] = frozenset()
    """Channels that bring files into groups."""
    carried: frozenset[str] = frozenset()
    """Namespaces in which files are brought to people."""
    quiet: Quiet | None = None
    """When nobody is written to unless it is urgent, where a group or a person has no hours of their own."""
    posts_max: int = 0
    """Posts a day to a group that has no ceiling of its own; 0 for as many as there are."""
    must_open: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those of `people` in which nobody is written to who has not written to the bot alone, with the channels on
    which that counts."""

    def quiet_until(self, moment: datetime) -> datetime | None:
        """When what is not urgent leaves, where that is not at once."""
        return None if self.quiet is None else self.quiet.end(moment)


def reach_in(rules: Mapping[str, Any]) -> Reach:
    """What the channels of this house can do, among its rules."""
    found: Reach = rules["reach"]
    return found


def reaches(session: Session, *, community_id: int, member_id: int, reach: Reach) -> bool:
    """Whether the bot can write to this member of its own accord."""
    found = select(Identity.id).where(
        Identity.community_id == community_id, Identity.member_id == member_id, _is_written_to(reach)
    )
    return session.scalar(found.limit(1)) is not None


def everybody_reached(session: Session, *, community_id: int, reach: Reach) -> set[int]:
    """The members whom the bot can write to of its own accord."""
    if not reach.people:
        return set()
    found = select(Identity.member_id).where(Identity.community_id == community_id, _is_written_to(reach))
    return set(session.scalars(found.distinct()))


def _is_written_to(reach: Reach) -> ColumnElement[bool]:
    at_once = sorted(reach.people - reach.must_open.keys())
    opened = sorted(reach.people & reach.must_open.keys())
    return or_(Identity.namespace.in_(at_once), and_(Identity.namespace.in_(opened), Identity.opened_at.is_not(None)))
