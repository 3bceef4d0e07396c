"""Members who turned out to be one person."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Merge(Base):
    """Two members found to be one person. Undone by splitting them again."""

    __tablename__ = "merges"
    __table_args__ = (Index("ix_merges_from", "community_id", "from_member_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    from_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    into_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    undone_at: Mapped[datetime | None]
