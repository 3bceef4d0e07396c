"""Who speaks, and which community a direct conversation is about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.dispatch.scene import Scene
from bot.worlds import Snapshot
from handlers.chat import Incoming
from models import pending
from models.directory import CommunityHere
from models.members import Person, find_people

NEVER = datetime.min.replace(tzinfo=UTC)


class Senders:
    """Finds people by the accounts they write from."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._rules = rules

    def people(self, session: Session, incoming: Incoming, now: datetime) -> list[Person]:
        """Whoever this account is, in each community that knows it."""
        return find_people(
            session,
            namespace=incoming.namespace,
            external_id=incoming.sender,
            now=now,
            version=self._rules["members"].consent_version,
        )

    def person(self, session: Session, scene: Scene) -> Person | None:
        """Who speaks, in the community that the message is about; None for a stranger there."""
        assert scene.community is not None
        for person in self.people(session, scene.incoming, scene.now):
            if person.community.id == scene.community.id:
                return person
        return None

    def home(self, session: Session, incoming: Incoming, snapshot: Snapshot, now: datetime) -> CommunityHere | None:
        """Whose matter a direct conversation is: of the sender's community, or of the one that is to know them."""
        people = self.people(session, incoming, now)
        if people:
            chosen = chosen_of(people)
            return chosen.community if chosen else None
        asked = pending.where_asked(session, account=pending.account(incoming.namespace, incoming.sender), now=now)
        return snapshot.worlds[asked].community if asked in snapshot.worlds else None


def chosen_of(people: list[Person]) -> Person | None:
    """Whose direct messages these are: the only community's person, or the last chosen one's."""
    if len(people) == 1:
        return people[0]
    chosen = [person for person in people if person.chosen_at is not None]
    return max(chosen, key=lambda person: person.chosen_at or NEVER, default=None)
