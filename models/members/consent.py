"""Who agreed to what is kept about them."""

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Consent(Base):
    """Agreement of a member to a version of the privacy statement."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("community_id", "member_id", "version", name="uq_consents_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    version: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
