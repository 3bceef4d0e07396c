"""The page of a notice: its address, and who may give a receipt on it.

In a group the address names the notice alone, and whoever opens it says who they are: name and building, and the room
or the phone's last digits, as the roster has them. Alone with somebody the address names them too, and one tap is
enough. Nothing of it is stored for each person: the personal part is proved by the notice's own secret.

- What is wrong with a wrong answer is never told. Three about one name within a day, or many about one notice, and the
  page takes no more.
- An address is good as long as the notice takes receipts.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, delete, func, insert, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant
from models.broadcast.audience import Listener, listener
from models.broadcast.notices import Broadcast, Notice, select_notices
from models.broadcast.receipts import listens_to
from models.members.proof import DIGITS, TRIES, WITHIN, namesakes
from models.units import HOMES, NoSuchUnit, Unit, UnitKind, covers, find_unit

PAGE = "/r/"
"""The path below which the pages are."""
WRONG_MOST = 60
"""Wrong answers about one notice within a day, after which its page takes no more."""
TOLD_MOST = 10
"""Wrong answers about one notice within a day, after which no building's lead hears of another one."""
PROOF = 20
"""Hexadecimal digits that prove a personal address or a form: 80 bits."""
FORM_LIVES = timedelta(hours=6)
"""How long a page that was opened can be answered, at least."""


class PageTry(Base):
    """A wrong answer on a notice's page. Kept for a day, with no name in it."""

    __tablename__ = "page_tries"
    __table_args__ = (Index("ix_page_tries_broadcast", "community_id", "broadcast_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    about: Mapped[str] = mapped_column(String(64))
    """A digest of the name: enough to count by, whether anybody bears it or not."""
    at: Mapped[datetime]


def page_of(notice: Notice, member_id: int | None = None) -> str:
    """The path of a notice's page, for everybody or for one member; empty where it has none."""
    if not notice.link:
        return ""
    path = f"{PAGE}{notice.link}"
    return path if member_id is None else f"{path}/{member_id}-{_proof(notice, f'member:{member_id}')}"


def _proof(notice: Notice, words: str) -> str:
    return hmac.new(notice.link_secret.encode(), words.encode(), hashlib.sha256).hexdigest()[:PROOF]


def notice_of_page(session: Session, *, link: str) -> Notice | None:
    """The notice whose page this is."""
    community_id = session.scalar(select(Broadcast.community_id).where(Broadcast.link == link)) if link else None
    if community_id is None:
        return None
    return select_notices(session, community_id, Broadcast.link == link)[0]


def member_of_page(notice: Notice, tail: str) -> int | None:
    """Whose page it is, by the last part of its address; None for one that was made up."""
    number, _, proof = tail.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    right = _proof(notice, f"member:{int(number)}")
    return int(number) if hmac.compare_digest(proof.encode(), right.encode()) else None


def form_proof(notice: Notice, tail: str, now: datetime) -> str:
    """What a form of the page carries, so that no other page can send it."""
    return _proof(notice, f"form:{tail}:{int(now.timestamp() // FORM_LIVES.total_seconds())}")


def is_form(notice: Notice, tail: str, proof: str, now: datetime) -> bool:
    """Whether a form was made by the page, and not too long ago."""
    return any(
        hmac.compare_digest(proof.encode(), form_proof(notice, tail, moment).encode())
        for moment in (now, now - FORM_LIVES)
    )


def buildings_of(session: Session, notice: Notice) -> list[str]:
    """The buildings in which somebody may live whom the notice is for, as people call them."""
    rows = session.execute(
        select(Unit.name, Unit.path)
        .where(
            Unit.community_id == notice.community_id,
            Unit.kind == UnitKind.BUILDING,
            Unit.until.is_(None),
        )
        .order_by(func.length(Unit.name), Unit.name)
    ).all()
    homes = [part.unit.path for part in notice.parts if part.unit.kind in HOMES]
    everywhere = len(homes) < len(notice.parts)
    return [
        row.name
        for row in rows
        if everywhere or any(covers(path, row.path) or covers(row.path, path) for path in homes)
    ]


class Identified(StrEnum):
    """What became of somebody's saying who they are."""

    RIGHT = "right"
    BARE = "bare"
    """Neither a room nor digits: nothing was tried."""
    WRONG = "wrong"
    NOT_ADDRESSED = "not_addressed"
    TOO_OFTEN = "too_often"


def identify(
    session: Session, *, notice: Notice, name: str, building: str, room: str, digits: str, now: datetime
) -> tuple[Identified, Listener | None, str]:
    """Who on the roster says so; and, where nobody fits and its lead may want to know, the path of the named building.

    A room or the phone's last digits must fit, and neither may speak against it.
    """
    if not (room or digits):
        return Identified.BARE, None, ""
    about = hashlib.sha256(f"{notice.community_id}/{notice.id}/{name}".encode()).hexdigest()
    tries = _tries(session, notice, now)
    if tries.count(about) >= TRIES or len(tries) >= WRONG_MOST:
        return Identified.TOO_OFTEN, None, ""
    try:
        unit = find_unit(session, community_id=notice.community_id, name=building)
    except NoSuchUnit:
        return _wrong(session, notice, about, now), None, ""
    fitting = [
        one
        for one, known_room, phone in namesakes(session, community_id=notice.community_id, name=name, unit=unit)
        if _fits((room, known_room), (digits, phone[-DIGITS:]))
    ]
    if len(fitting) != 1:
        return _wrong(session, notice, about, now), None, unit.path if len(tries) < TOLD_MOST else ""
    if not listens_to(session, notice=notice, member_ids=fitting, now=now):
        return Identified.NOT_ADDRESSED, None, ""
    return Identified.RIGHT, listener(session, community_id=notice.community_id, member_id=fitting[0]), ""


def _fits(*pairs: tuple[str, str]) -> bool:
    """Whether one of the pairs agrees in what was said and what is known, and none disagrees."""
    told = [(said, known) for said, known in pairs if said and known]
    return bool(told) and all(said == known for said, known in told)


def _wrong(session: Session, notice: Notice, about: str, now: datetime) -> Identified:
    forget_page_tries(session, community_id=notice.community_id, now=now)
    session.execute(
        insert(PageTry),
        {"community_id": notice.community_id, "broadcast_id": notice.id, "about": about, "at": now},
    )
    return Identified.WRONG


def _tries(session: Session, notice: Notice, now: datetime) -> list[str]:
    """About whom wrong answers were given that still count."""
    return list(
        session.scalars(
            select(PageTry.about).where(
                PageTry.community_id == notice.community_id,
                PageTry.broadcast_id == notice.id,
                PageTry.at > now - WITHIN,
            )
        )
    )


def forget_page_tries(session: Session, *, community_id: int, now: datetime) -> None:
    """Drops the wrong answers that count no more."""
    session.execute(delete(PageTry).where(PageTry.community_id == community_id, PageTry.at <= now - WITHIN))


INVARIANTS = (
    Invariant(
        "page_tries.wanted",
        select(PageTry.id)
        .join(Broadcast, PageTry.broadcast_id == Broadcast.id)
        .where(or_(~Broadcast.wants_receipts, Broadcast.sent_at.is_(None), PageTry.at < Broadcast.sent_at)),
    ),
)
