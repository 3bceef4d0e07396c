"""Files that somebody may fetch once: 我的资料, an export, a chart.

A chat cannot carry a file everywhere, so the bot gives a link. What is kept is only who may fetch which kind of file
and about whom; the file itself is made when it is fetched, so that no copy of private data lies about.

- A link is good for an hour and for one fetch. Only the hash of its token is stored here.
- A link names a community and the member it was made for; it ends with that member's accounts.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, delete, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant

VALID = timedelta(hours=1)


class Download(Base):
    """One link: what is fetched with it, for whom, until when."""

    __tablename__ = "downloads"
    __table_args__ = (
        UniqueConstraint("community_id", "token_hash", name="uq_downloads_token"),
        # A link is all that its holder shows: the community is found by it.
        Index("ix_downloads_token", "token_hash"),
        Index("ix_downloads_member", "community_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    """Who asked for it."""
    token_hash: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    """Which file: the maker's name in `bot/files.py`."""
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What the maker needs to know besides: ids, never names."""
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A file that may be made now."""

    community_id: int
    member_id: int
    kind: str
    detail: dict[str, Any]


def _hash(token: str) -> str:
    # Tokens are long and random: a plain hash cannot be searched for.
    return hashlib.sha256(token.encode()).hexdigest()


def offer_file(
    session: Session,
    *,
    community_id: int,
    member_id: int,
    kind: str,
    token: str,
    now: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Lets whoever shows `token` (at least 128 random bits) fetch one file within the hour."""
    session.execute(
        insert(Download),
        {
            "community_id": community_id,
            "member_id": member_id,
            "token_hash": _hash(token),
            "kind": kind,
            "detail": detail or {},
            "made_at": now,
            "expires_at": now + VALID,
            "fetched_at": None,
        },
    )


def link(
    session: Session,
    *,
    public_url: str,
    community_id: int,
    member_id: int,
    kind: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> str:
    """An address from which a member can fetch one file once; empty where the house has no address of its own."""
    if not public_url:
        return ""
    token = secrets.token_urlsafe(24)
    offer_file(
        session,
        community_id=community_id,
        member_id=member_id,
        kind=kind,
        token=token,
        now=now,
        detail=dict(detail or {}),
    )
    return f"{public_url}/files/{token}"


def offered_file(session: Session, *, token: str, now: datetime) -> Ordered | None:
    """What may be fetched with this link now; looking uses nothing up."""
    row = session.execute(
        select(Download.community_id, Download.member_id, Download.kind, Download.detail).where(
            Download.token_hash == _hash(token), Download.fetched_at.is_(None), Download.expires_at > now
        )
    ).one_or_none()
    return None if row is None else Ordered(*row)


def take_file(session: Session, *, token: str, now: datetime) -> bool:
    """Uses a link up; False where it was used in this very moment, has expired or never was."""
    taken = session.scalar(
        update(Download)
        .where(Download.token_hash == _hash(token), Download.fetched_at.is_(None), Download.expires_at > now)
        .values(fetched_at=now)
        .returning(Download.id)
    )
    return taken is not None


def end_links(session: Session, *, community_id: int, member_id: int) -> None:
    """Drops all links of a member."""
    session.execute(delete(Download).where(Download.community_id == community_id, Download.member_id == member_id))


INVARIANTS = (Invariant("downloads.late", select(Download.id).where(Download.fetched_at >= Download.expires_at)),)
