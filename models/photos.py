"""Photos that neighbours send: the clean-up as it was, the street lamp that is broken.

A photo comes in with a message, is scaled down at the edge (`bot/photos.py`), and is kept here under the thing
that it shows (`activity:12`). It is personal: it goes when its owner is forgotten, and when its time is over.

- A photo belongs to the member who sent it, and to the community in which it was sent.
- What is kept is a small JPEG without the place and the camera that a phone writes into it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, delete, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant

BYTES_MAX = 1_048_576
"""No photo that was scaled down is larger; one that is did not come through the edge."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture as it came with a message, already scaled down."""

    content: bytes = field(repr=False)
    media_type: str


class KeptPhoto(Base):
    """A photo in the books."""

    __tablename__ = "photos"
    __table_args__ = (
        Index("ix_photos_ref", "community_id", "ref", "id"),
        Index("ix_photos_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who sent it."""
    ref: Mapped[str] = mapped_column(String(64))
    """What it shows: `activity:12`, `duty:88`."""
    media_type: Mapped[str] = mapped_column(String(32))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(Integer)
    """Bytes."""
    at: Mapped[datetime]


# -- rules ----------------------------------------


def data_url(content: bytes, media_type: str) -> str:
    """The picture inside an address, for a page that fetches nothing."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


# -- actions and queries ----------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo that is kept, without its picture."""

    id: int
    member_id: int
    media_type: str
    size: int
    at: datetime


def keep(
    session: Session, *, community_id: int, member_id: int, photos: Sequence[Photo], ref: str, now: datetime
) -> list[int]:
    """Keeps photos of a member under what they show; returns their ids in order."""
    made = []
    for photo in photos:
        row = {
            "community_id": community_id,
            "member_id": member_id,
            "ref": ref,
            "media_type": photo.media_type,
            "content": photo.content,
            "size": len(photo.content),
            "at": now,
        }
        made.append(session.execute(insert(KeptPhoto).returning(KeptPhoto.id), row).scalar_one())
    return made


def of(session: Session, *, community_id: int, ref: str) -> list[Shown]:
    """The photos that show something, in the order in which they came; the pictures themselves by `picture`."""
    return [
        Shown(*row)
        for row in session.execute(
            select(KeptPhoto.id, KeptPhoto.member_id, KeptPhoto.media_type, KeptPhoto.size, KeptPhoto.at)
            .where(KeptPhoto.community_id == community_id, KeptPhoto.ref == ref)
            .order_by(KeptPhoto.id)
        )
    ]


def picture(session: Session, *, community_id: int, photo_id: int) -> Photo | None:
    """One photo with its picture; None where it is not there (any more)."""
    row = session.execute(
        select(KeptPhoto.content, KeptPhoto.media_type).where(
            KeptPhoto.community_id == community_id, KeptPhoto.id == photo_id
        )
    ).one_or_none()
    return None if row is None else Photo(*row)


def drop(session: Session, *, community_id: int, photo_ids: Sequence[int]) -> None:
    """Lets go of photos, where the act is taken back that they came with."""
    session.execute(delete(KeptPhoto).where(KeptPhoto.community_id == community_id, KeptPhoto.id.in_(photo_ids)))


def drop_all(session: Session, *, community_id: int, member_ids: Sequence[int]) -> None:
    """Lets go of every photo of these members."""
    session.execute(
        delete(KeptPhoto).where(KeptPhoto.community_id == community_id, KeptPhoto.member_id.in_(member_ids))
    )


INVARIANTS = (
    Invariant(
        "photos.size",
        select(KeptPhoto.id).where(
            (KeptPhoto.size != func.length(KeptPhoto.content)) | (KeptPhoto.size > BYTES_MAX) | (KeptPhoto.size == 0)
        ),
    ),
)
