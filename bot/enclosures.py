"""Files that messages bring in place of their text: made when they leave, and what became of them.

The outbox keeps an order (`Enclosure`), never a file. What is made shows the books as they are at that moment, on a
read-only connection beside the writer. Whether a group may read such a file is asked again then: it may have been bound
to something else since somebody confirmed it.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.channels import DeliveryError, File
from bot.files import MAKERS
from handlers.handouts import NOT_FOR_THEM, not_brought, told_of
from models import files, handouts, outbox
from models.base import Enclosure, Refusal
from models.directory import Group
from models.files import Ordered
from models.outbox import Claimed, OutboxState

TOLD_WITHIN = timedelta(hours=24)
WITHOUT_LINK = frozenset((OutboxState.SENT, OutboxState.UNKNOWN))


class Enclosures:
    """Makes what messages bring. `public_url` is where a file can be fetched that did not go out; it may be empty."""

    def __init__(self, books: Books, public_url: str) -> None:
        self._books = books
        self._public_url = public_url

    async def of(self, message: Claimed, now: datetime) -> File | None:
        """The file of a message; None for one that has none. Raises DeliveryError for one that must not go out."""
        if message.enclosure is None:
            return None
        return await self._books.read(lambda session: self._made(session, message, now))

    def _made(self, session: Session, message: Claimed, now: datetime) -> File:
        order, here = message.enclosure, message.community_id
        assert order is not None
        if message.group_id is not None and not handouts.still_for(
            session, community_id=here, group_id=message.group_id, enclosure=order
        ):
            raise DeliveryError("the group is bound to something else", permanent=True, code=NOT_FOR_THEM)
        try:
            made = MAKERS[order.kind](session, Ordered(here, order.member_id, order.kind, dict(order.detail)), now)
        except Refusal as refusal:
            # What it was about is not there any more.
            raise DeliveryError(type(refusal).__name__, permanent=True, code="no-file") from None
        # The order's name says what it is about, the maker's what kind of file it has come to be.
        return File(f"{order.name.rpartition('.')[0]}.{made.name.rpartition('.')[2]}", made.content, made.media_type)

    def tell(self, session: Session, message: Claimed, state: OutboxState, reason: str, now: datetime) -> None:
        """Tells whoever asked for a file what became of it: where it is theirs, only that it did not come."""
        order = message.enclosure
        if order is None or (message.group_id is None and state is OutboxState.SENT):
            return
        outbox.put(
            session,
            community_id=message.community_id,
            key=f"handout-told:{message.id}:{state}",
            message=self._words(session, message, order, state, reason, now),
            now=now,
            expires_at=now + TOLD_WITHIN,
            member_id=order.member_id,
            ref=message.ref,
        )

    def _words(
        self, session: Session, message: Claimed, order: Enclosure, state: OutboxState, reason: str, now: datetime
    ) -> str:
        here, group_id = message.community_id, message.group_id
        if group_id is None:
            return not_brought(order.name)
        group = session.execute(select(Group.name).where(Group.community_id == here, Group.id == group_id)).scalar_one()
        if not handouts.still_for(session, community_id=here, group_id=group_id, enclosure=order):
            return told_of(order.name, group, state, NOT_FOR_THEM, "")
        url = ""
        if state not in WITHOUT_LINK:
            # Called as in that group: whoever asked may pass it on.
            url = files.link(
                session, public_url=self._public_url, community_id=here, member_id=order.member_id, kind=order.kind,
                now=now, detail=order.detail,
            )  # fmt: skip
        return told_of(order.name, group, state, reason, url)
