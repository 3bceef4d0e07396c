"""What is open where, kept in memory: the directory of chats, and for each community what people can mean.

A snapshot only decides what is meant; the unit of work checks again what is true. It is loaded anew when the database
has moved, by whichever process, and when a window has opened or closed since.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from handlers.language.match import OpenObject, Surroundings
from handlers.language.posts import words_for
from models import broadcast, categories, posts
from models.activities import ActivityHere, open_objects, places_of
from models.directory import CommunityHere, Endpoint, Group, GroupHere, Place, communities
from models.roll_call import open_roll_calls
from models.series import in_series, running_series
from models.units import Unit, names_of_units

LOOK_SECONDS = 0.02
"""How long a change by another process may go unnoticed. Changes of this one are known at their commit."""


@dataclass(frozen=True, slots=True)
class World:
    """One community as the language sees it, good until `until` (community time)."""

    community: CommunityHere
    surroundings: Surroundings
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All communities, and which chat is which group."""

    worlds: dict[int, World]
    chats: dict[tuple[str, str], Place]
    bot_names: tuple[str, ...]
    nowhere: Surroundings
    """What a stranger can mean in a chat that belongs to nothing."""


class Worlds:
    """The newest snapshot that is good enough for a message heard now."""

    def __init__(self, books: Books, promised: tuple[OpenObject, ...] = ()) -> None:
        """`promised` are things that every community is taken to have beside those in its books."""
        self._books = books
        self._promised = promised
        self._snapshot: Snapshot | None = None
        self._stale = False
        """Something has changed since the newest snapshot was begun."""
        self._loading: asyncio.Task[None] | None = None
        self._looked = 0.0
        books.on_touched.append(self._touched)

    def _touched(self, _communities: set[int]) -> None:
        self._stale = True

    @property
    def bot_names(self) -> tuple[str, ...]:
        """By which names the bot was known when it last looked."""
        return self._snapshot.bot_names if self._snapshot else ()

    async def at(self, now: datetime) -> Snapshot:
        """The snapshot to understand a message by."""
        if (tick := monotonic()) - self._looked > LOOK_SECONDS:
            self._looked = tick
            if await self._books.moved():
                self._stale = True
        if (snapshot := self._good(now)) is not None:
            return snapshot
        # Twice at the most: one that is under way may have been begun before what this message has to meet. However
        # many messages wait for it, it is loaded once.
        for _ in range(2):
            if self._loading is None:
                self._loading = asyncio.create_task(self._load(now))
            await asyncio.shield(self._loading)
            if (snapshot := self._good(now)) is not None:
                return snapshot
        assert self._snapshot is not None
        return self._snapshot

    def _good(self, now: datetime) -> Snapshot | None:
        """The newest snapshot, where nothing has changed since it was begun and none is under way."""
        snapshot = self._snapshot
        if snapshot is None or self._stale or self._loading is not None:
            return None
        if any(world.until is not None and world.until <= now for world in snapshot.worlds.values()):
            return None
        return snapshot

    async def _load(self, now: datetime) -> None:
        self._stale, good = False, False
        try:
            self._snapshot = await self._books.read(lambda session: load(session, now, self._promised))
            good = True
        finally:
            self._stale, self._loading = self._stale or not good, None


def load(session: Session, now: datetime, promised: tuple[OpenObject, ...] = ()) -> Snapshot:
    """Reads everything that the language needs: a few rows for each open activity, unit and chat."""
    everywhere = communities(session)
    worlds = {community.id: _world(session, community, now, promised) for community in everywhere}
    by_id = {community.id: community for community in everywhere}
    chats = {
        (row.channel, row.address): Place(by_id[row.community_id], GroupHere(row.id, row.name, row.unit_id, row.path))
        for row in session.execute(
            select(
                Endpoint.channel,
                Endpoint.address,
                Group.community_id,
                Group.id,
                Group.name,
                Group.unit_id,
                Unit.path,
            )
            .join(Group, Endpoint.group_id == Group.id)
            .join(Unit, Group.unit_id == Unit.id)
        )
    }
    bot_names = tuple(dict.fromkeys(community.bot_name for community in everywhere)) or ("小邻",)
    nowhere = Surroundings.build(bot_name=bot_names[0], aliases=bot_names[1:], objects=(), units=())
    return Snapshot(worlds, chats, bot_names, nowhere)


def _world(session: Session, community: CommunityHere, now: datetime, promised: tuple[OpenObject, ...]) -> World:
    """What is open in one community.

    A feature that has numbered things adds them to `objects`, and the moments at which they open or close to `edges`.
    """
    activities = open_objects(session, community_id=community.id, now=now)
    notices = broadcast.spoken_of(session, community_id=community.id, now=now)
    chains = open_roll_calls(session, community_id=community.id, now=now)
    recurring = in_series(session, community_id=community.id)
    objects = (
        *(_meant(activity, now, again=activity.id in recurring) for activity in activities),
        *(OpenObject("series", one.number, one.title) for one in running_series(session, community_id=community.id)),
        *(
            OpenObject("post", one.number, one.title, also=words_for(one.title, one.category))
            for one in posts.open_posts(session, community_id=community.id)
        ),
        *(_told(notice) for notice in notices),
        *(OpenObject("roll_call", chain.number, chain.title) for chain, _ in chains),
        *promised,
    )
    edges = [
        edge
        for activity in activities
        for edge in (activity.check_in_opens_at, activity.starts_at, activity.ends_at)
        if edge > now
    ]
    edges += [notice.receipts_until for notice in notices if notice.receipts_until and notice.receipts_until > now]
    edges += [closes_at for _, closes_at in chains]
    surroundings = Surroundings.build(
        bot_name=community.bot_name,
        aliases=(),
        objects=objects,
        units=names_of_units(session, community.id),
        places=places_of(session, community_id=community.id),
        categories=categories.own_words(session, community_id=community.id),
    )
    return World(community, surroundings, min(edges, default=None))


def _meant(activity: ActivityHere, now: datetime, *, again: bool) -> OpenObject:
    allows = {"list_activities", "cancel_signup", "cancel_activity", "activity_roll", "repeat_activity"}
    if again:
        allows |= {"come_always", "stop_coming"}
    if now < activity.starts_at:
        allows |= {"signup", "take_place", "lock_list", "unlock_list", "signup_window", "leave_until"}
    if activity.check_in_opens_at <= now < activity.ends_at:
        allows |= {"checkin", "checkout"}
    return OpenObject(
        "activity",
        activity.number,
        activity.title,
        activity.starts_at,
        activity.ends_at,
        open=now < activity.ends_at,
        allows=frozenset(allows),
    )


def _told(notice: broadcast.Said) -> OpenObject:
    allows = {"broadcast_status", "cancel_broadcast", "correct_broadcast", "broadcast_text", "broadcast_copied"}
    if notice.takes_receipts:
        allows |= {"ack", "note_household"}
    return OpenObject("broadcast", notice.number, notice.title, allows=frozenset(allows))
