"""Standing volunteer posts: what there is to do, how many do it, who decides, and what only its holders may read.

- A number names one post of a community for ever; a withdrawn post keeps its row and its history.
- Slots are never fewer than those who hold them: somebody has to leave first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    bindparam,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Invariant, Refusal
from models.clock import day_of, start_of
from models.counters import next_number
from models.database import Prepared
from models.directory import touch
from models.units import Unit, UnitHere, UnitKind

OFFER_HOURS = 72
"""How long a slot is kept for whoever waited, where nobody says otherwise."""


class Settings(BaseModel):
    """[posts] 公益岗位"""

    model_config = ConfigDict(extra="forbid")

    slots_max: int = Field(50, ge=1, le=1000, description="一个岗位最多设几个名额")
    points_max: int = Field(20, ge=0, le=1000, description="履职一次最多给多少分")
    term_months: int = Field(12, ge=0, le=120, description="没写任期的岗位,认领几个月到期,0 为不定期")
    offer_hours: int = Field(OFFER_HOURS, ge=1, le=720, description="候补轮到的人几小时内答复,过时轮到下一位")
    partner_hours: int = Field(72, ge=1, le=720, description="邀人一起认领,对方几小时内答复")


class PostState(StrEnum):
    """Where a post stands."""

    OPEN = "open"
    """There to be held."""
    WITHDRAWN = "withdrawn"
    """Taken off the list; nobody holds it any more."""


class Demand(StrEnum):
    """What a post asks of the body."""

    LIGHT = "light"
    """Sitting, talking, telephoning: for those who walk badly too."""
    NORMAL = "normal"
    """Being on one's feet."""
    HEAVY = "heavy"
    """Lifting, climbing, nights."""


class Claiming(StrEnum):
    """How a post is claimed."""

    OPEN = "open"
    """Whoever comes first holds it."""
    APPROVAL = "approval"
    """Those in charge decide; several may ask for one slot."""


class Post(Base):
    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("community_id", "number", name="uq_posts_number"),
        CheckConstraint("slots > 0", name="slots"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    number: Mapped[int]
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"))
    """Whose post it is: those in charge of this unit are in charge of the post."""
    squad_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    """The 服务队 that its holders belong to while they hold it."""
    category: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(80))
    place: Mapped[str] = mapped_column(String(80), server_default="")
    duty: Mapped[str] = mapped_column(String(400), server_default="")
    frequency: Mapped[str] = mapped_column(String(40), server_default="")
    """How often, in the words of whoever published it: 每周两次."""
    demand: Mapped[str] = mapped_column(String(8))
    slots: Mapped[int] = mapped_column(Integer)
    term_months: Mapped[int | None] = mapped_column(Integer)
    """How long one claim lasts; None without an end."""
    term_ends_at: Mapped[datetime | None]
    """The first moment after everybody's term, where it ends on one day for all."""
    leader_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    """Who decides and confirms; None leaves it to whoever is in charge of the unit."""
    details: Mapped[str] = mapped_column(String(400), server_default="")
    """What only holders and those in charge may read, in a direct message: the door code, where the key hangs."""
    claiming: Mapped[str] = mapped_column(String(12))
    confirms: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether a log entry counts only when those in charge have confirmed it."""
    points: Mapped[int | None] = mapped_column(Integer)
    """Points for a log entry; None leaves it to the community's rule."""
    state: Mapped[str] = mapped_column(String(12))
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    made_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdraw_reason: Mapped[str] = mapped_column(String(200), server_default="")


class NoSuchPost(Refusal):
    """No post of this number here. Fields: number."""


class PostWithdrawn(Refusal):
    """It was taken off the list. Fields: number, title."""


class NotWithdrawn(Refusal):
    """It is on the list anyway. Fields: number, title."""


class PostOver(Refusal):
    """The day on which everybody's term ends is past. Fields: number, title."""


class SlotsOutOfRange(Refusal):
    """No slot, or more than the community allows. Fields: most."""


class SlotsHeld(Refusal):
    """There would be fewer slots than holders. Fields: number, title, held."""


class PostWordsTooLong(Refusal):
    """More than a message has room for. Fields: what, most."""


class PointsPerEntry(Refusal):
    """Fewer points than none, or more than a log entry may give. Fields: most."""


class EndsInThePast(Refusal):
    """A term cannot end before it begins."""


class NothingToChange(Refusal):
    """Everything is so already. Fields: number, title."""


@dataclass(frozen=True, slots=True)
class PostHere:
    """A post as rules and sentences need it. The private details stay in the books: see `details_of`."""

    id: int
    community_id: int
    number: int
    unit_id: int
    squad_id: int | None
    category: str
    title: str
    place: str
    duty: str
    frequency: str
    demand: Demand
    slots: int
    term_months: int | None
    term_ends_at: datetime | None
    leader_id: int | None
    claiming: Claiming
    confirms: bool
    points: int | None
    state: PostState
    made_by: int | None

    @property
    def ref(self) -> str:
        return f"post:{self.number}"

    def is_over(self, now: datetime) -> bool:
        """Whether the day on which everybody's term ends has passed: nobody claims it any more."""
        return self.term_ends_at is not None and self.term_ends_at <= now


COLUMNS = (
    Post.id,
    Post.community_id,
    Post.number,
    Post.unit_id,
    Post.squad_id,
    Post.category,
    Post.title,
    Post.place,
    Post.duty,
    Post.frequency,
    Post.demand,
    Post.slots,
    Post.term_months,
    Post.term_ends_at,
    Post.leader_id,
    Post.claiming,
    Post.confirms,
    Post.points,
    Post.state,
    Post.made_by,
)


def here(row: Sequence[Any]) -> PostHere:
    """A row of `COLUMNS`."""
    fields = list(row)
    fields[10], fields[15], fields[16] = Demand(fields[10]), Claiming(fields[15]), bool(fields[16])
    fields[18] = PostState(fields[18])
    return PostHere(*fields)


# -- rules ----------------------------------------

MOST = {"title": 20, "place": 30, "duty": 100, "frequency": 20, "category": 10, "details": 100}
"""Characters of each text of a post."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a post is to be."""

    title: str
    category: str
    slots: int
    place: str = ""
    duty: str = ""
    frequency: str = ""
    demand: Demand = Demand.NORMAL
    term_months: int | None = None
    term_ends_at: datetime | None = None
    leader_id: int | None = None
    details: str = ""
    claiming: Claiming = Claiming.OPEN
    confirms: bool = False
    points: int | None = None
    squad_id: int | None = None


def refuse_odd_plan(plan: Plan, *, now: datetime, slots_max: int, points_max: int) -> None:
    """What no post can be. Raises SlotsOutOfRange, PointsPerEntry, EndsInThePast, PostWordsTooLong."""
    if not 1 <= plan.slots <= slots_max:
        raise SlotsOutOfRange(most=slots_max)
    if plan.points is not None and not 0 <= plan.points <= points_max:
        raise PointsPerEntry(most=points_max)
    if plan.term_ends_at is not None and plan.term_ends_at <= now:
        raise EndsInThePast
    for what, most in MOST.items():
        if len(getattr(plan, what)) > most:
            raise PostWordsTooLong(what=what, most=most)


def months_later(day: date, months: int) -> date:
    """The same day so many months later, or the last one of a shorter month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    longest = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
    return date(year, month, min(day.day, longest))


def term_end(post: PostHere, now: datetime) -> datetime | None:
    """The first moment after the term of a claim that begins now; None where no end is planned."""
    if post.term_ends_at is not None:
        return post.term_ends_at
    if not post.term_months:
        return None
    return start_of(months_later(day_of(now), post.term_months))


# -- actions ----------------------------------------


def publish_post(
    session: Session,
    *,
    community_id: int,
    unit: UnitHere,
    plan: Plan,
    made_by: int | None,
    now: datetime,
    slots_max: int = 50,
    points_max: int = 20,
) -> PostHere:
    """Puts a post on the list under the community's next number. Raises what `refuse_odd_plan` raises."""
    refuse_odd_plan(plan, now=now, slots_max=slots_max, points_max=points_max)
    number = next_number(session, community_id=community_id, kind="post")
    session.execute(
        insert(Post),
        {
            "community_id": community_id,
            "number": number,
            "unit_id": unit.id,
            **{name: getattr(plan, name) for name in Plan.__dataclass_fields__},
            "state": PostState.OPEN,
            "made_by": made_by,
            "made_at": now,
            "withdrawn_at": None,
        },
    )
    touch(session, community_id)
    return find_post(session, community_id=community_id, number=number)


def plan_of(session: Session, post: PostHere) -> Plan:
    """What a post is now, to be changed in parts."""
    row = session.execute(
        select(*(getattr(Post, name) for name in Plan.__dataclass_fields__)).where(
            Post.community_id == post.community_id, Post.id == post.id
        )
    ).one()
    fields = row._asdict()
    return Plan(
        **{
            **fields,
            "demand": Demand(fields["demand"]),
            "claiming": Claiming(fields["claiming"]),
            "confirms": bool(fields["confirms"]),
        }
    )


def set_plan(session: Session, post: PostHere, plan: Plan) -> PostHere:
    """Writes what a post is from now on; whoever calls has locked it and counted its holders."""
    session.execute(
        update(Post)
        .where(Post.community_id == post.community_id, Post.id == post.id)
        .values({name: getattr(plan, name) for name in Plan.__dataclass_fields__})
    )
    touch(session, post.community_id)
    return find_post(session, community_id=post.community_id, number=post.number)


def set_state(session: Session, post: PostHere, *, reason: str, now: datetime, state: PostState) -> None:
    """Takes a post off the list or puts it back; whoever calls has locked it."""
    withdrawn = state is PostState.WITHDRAWN
    session.execute(
        update(Post)
        .where(Post.community_id == post.community_id, Post.id == post.id)
        .values(state=state, withdrawn_at=now if withdrawn else None, withdraw_reason=reason if withdrawn else "")
    )
    touch(session, post.community_id)


def lock(session: Session, post: PostHere) -> PostHere:
    """The post as it stands, and nobody else changes it or who holds it until the end. Raises PostWithdrawn."""
    locked = relock(session, post)
    if locked.state is PostState.WITHDRAWN:
        raise PostWithdrawn(number=post.number, title=post.title)
    return locked


_LOCK = Prepared(
    select(*COLUMNS)
    .where(Post.community_id == bindparam("community"), Post.id == bindparam("post"))
    .with_for_update(key_share=True)
)


def relock(session: Session, post: PostHere) -> PostHere:
    """Like `lock`, whatever its state."""
    # The slots' parent row: of two claims at one instant the second waits here and counts the first.
    row = _LOCK.first(session, community=post.community_id, post=post.id)
    assert row is not None
    return here(row)


# -- queries ----------------------------------------

_FIND = Prepared(
    select(*COLUMNS).where(Post.community_id == bindparam("community"), Post.number == bindparam("number_"))
)


def find_post(session: Session, *, community_id: int, number: int) -> PostHere:
    """The post of this number here; "not there" and "not yours" raise the same NoSuchPost."""
    row = _FIND.first(session, community=community_id, number_=number)
    if row is None:
        raise NoSuchPost(number=number)
    return here(row)


def post_by_id(session: Session, *, community_id: int, post_id: int) -> PostHere:
    """The post with this id. Raises NoSuchPost."""
    row = session.execute(select(*COLUMNS).where(Post.community_id == community_id, Post.id == post_id)).one_or_none()
    if row is None:
        raise NoSuchPost(number=post_id)
    return here(row)


def details_of(session: Session, post: PostHere) -> str:
    """The private details. Only for a direct message to a holder or to somebody in charge."""
    return session.execute(
        select(Post.details).where(Post.community_id == post.community_id, Post.id == post.id)
    ).scalar_one()


def open_posts(session: Session, *, community_id: int) -> list[PostHere]:
    """Every post on the list, by number."""
    rows = session.execute(
        select(*COLUMNS).where(Post.community_id == community_id, Post.state == PostState.OPEN).order_by(Post.number)
    )
    return [here(row) for row in rows]


_squad = Unit.__table__.alias("squad")

INVARIANTS = (
    Invariant(
        "posts.state",
        select(Post.id).where(
            or_(
                Post.state.not_in(list(PostState)),
                (Post.state == PostState.WITHDRAWN) != Post.withdrawn_at.is_not(None),
                Post.demand.not_in(list(Demand)),
                Post.claiming.not_in(list(Claiming)),
                func.length(Post.title) == 0,
            )
        ),
    ),
    Invariant(
        "posts.squad",
        select(Post.id).join(_squad, _squad.c.id == Post.squad_id).where(_squad.c.kind != UnitKind.SERVICE_TEAM),
    ),
)
