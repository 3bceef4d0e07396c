"""How somebody shows that they are there: by saying so, by the code of the day, by a photo, by where their phone is.

Each activity asks for one of the ways that its organiser allows; without a word of theirs, saying so is enough.

- An activity that takes the place as proof has a place to compare with.
- The code of a day is shown at the site only; no two activities of a day share one, and none is an activity's number.
- Who guesses is stopped: wrong codes of a member are counted for an hour.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.activities import Activity, ActivityHere, ActivityState
from models.base import Base, Invariant, Refusal
from models.clock import day_of
from models.database import Prepared
from models.places import Location, metres_between

CODE_MIN, CODE_MAX = 1000, 9999
"""Four digits, as one reads them from a board."""
TRIES = 5
"""Wrong codes after which a member has to wait."""
WITHIN = timedelta(hours=1)
"""The span in which wrong codes are counted together."""
MILLION = 1_000_000
DRAWS = 50
"""How often a code is drawn until it is one that nobody has today."""


class Settings(BaseModel):
    """[check_in] 签到"""

    model_config = ConfigDict(extra="forbid")

    radius_metres: int = Field(200, ge=20, le=5000, description="到场签到:离活动地点多少米以内算到场")
    make_up_days: int = Field(7, ge=1, le=60, description="活动结束后几天内可以补签、记时长")
    photos_max: int = Field(5, ge=1, le=50, description="一个人给一次活动最多留几张照片")


class Way(StrEnum):
    """How somebody showed that they were there."""

    WORD = "word"
    """They said so."""
    CODE = "code"
    """They knew the code of the day, which is shown at the site."""
    PHOTO = "photo"
    """They sent a photo of it."""
    PLACE = "place"
    """Their phone was there."""
    VOUCHED = "vouched"
    """Somebody in charge says so. No activity asks for it."""


ASKED = (Way.WORD, Way.CODE, Way.PHOTO, Way.PLACE)
"""What an activity can ask for, in the order in which it is named."""


class CheckInTerms(Base):
    """What an activity asks of whoever comes. An activity without a row takes everybody's word."""

    __tablename__ = "check_in_terms"
    __table_args__ = (UniqueConstraint("community_id", "activity_id", name="uq_check_in_terms_activity"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    ways: Mapped[str] = mapped_column(String(40))
    """The ways that are taken, one of which is enough: `code,photo`."""
    latitude: Mapped[int | None] = mapped_column(Integer)
    """Millionths of a degree, as the longitude: a hand's breadth."""
    longitude: Mapped[int | None] = mapped_column(Integer)
    radius_metres: Mapped[int | None] = mapped_column(Integer)
    made_by: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]


class DayCode(Base):
    """The code of an activity on one Shanghai day."""

    __tablename__ = "check_in_codes"
    __table_args__ = (
        UniqueConstraint("community_id", "activity_id", "day", name="uq_check_in_codes_activity"),
        UniqueConstraint("community_id", "day", "code", name="uq_check_in_codes_code"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id"))
    day: Mapped[int] = mapped_column(Integer)
    """20261121."""
    code: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]


class WrongCode(Base):
    """A code that was none. Kept for an hour, without the code."""

    __tablename__ = "wrong_codes"
    __table_args__ = (Index("ix_wrong_codes_member", "community_id", "member_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    at: Mapped[datetime]


class TooManyCodes(Refusal):
    """This member has typed too many wrong codes; one has to wait. Fields: most."""


class NoWays(Refusal):
    """Nothing that an activity could ask for was named."""


class NotToday(Refusal):
    """A code is for the day of the activity, and this is another one. Fields: number, title, starts_at."""


# -- rules ----------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What an activity asks for."""

    ways: tuple[Way, ...] = (Way.WORD,)
    spot: Location | None = None
    """Where it takes place, where somebody has said so."""
    radius_metres: int = 0


PLAIN = Terms()
"""Everybody's word is taken."""


def read_terms(ways: str | None, latitude: int | None, longitude: int | None, radius_metres: int | None) -> Terms:
    """The terms as a row holds them; the plain ones where there is none."""
    if not ways:
        return PLAIN
    spot = None if latitude is None or longitude is None else Location(latitude / MILLION, longitude / MILLION)
    return Terms(tuple(Way(way) for way in ways.split(",")), spot, radius_metres or 0)


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody shows of themselves with a check-in."""

    code: bool = False
    """They know the code of the day."""
    photo: bool = False
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Which of the ways that are asked for was shown; None where none was, with how far away they are."""

    way: Way | None
    metres: int | None = None
    """How far from the spot, where a place was sent that is too far away."""


def prove(terms: Terms, shown: Shown) -> Proof:
    """What was shown of what is asked for, the strongest first."""
    metres = None
    if Way.PLACE in terms.ways and terms.spot is not None and shown.location is not None:
        metres = round(metres_between(terms.spot, shown.location))
        if metres <= terms.radius_metres:
            return Proof(Way.PLACE)
    if Way.PHOTO in terms.ways and shown.photo:
        return Proof(Way.PHOTO)
    if Way.CODE in terms.ways and shown.code:
        return Proof(Way.CODE)
    return Proof(Way.WORD if Way.WORD in terms.ways else None, metres)


def _day(moment: datetime) -> int:
    day = day_of(moment)
    return day.year * 10_000 + day.month * 100 + day.day


# -- what is asked for ----------------------------------------


def terms_of(session: Session, *, activity: ActivityHere) -> Terms:
    """What an activity asks for now."""
    row = session.execute(
        select(CheckInTerms.ways, CheckInTerms.latitude, CheckInTerms.longitude, CheckInTerms.radius_metres).where(
            CheckInTerms.community_id == activity.community_id, CheckInTerms.activity_id == activity.id
        )
    ).one_or_none()
    return PLAIN if row is None else read_terms(*row)


_SET = Prepared(
    lambda insert: insert(CheckInTerms).on_conflict_do_nothing(),
    makes=CheckInTerms.id,
    columns=("community_id", "activity_id", "ways", "latitude", "longitude", "radius_metres", "made_by", "at"),
)


def set_terms(session: Session, *, activity: ActivityHere, terms: Terms, by: int | None, now: datetime) -> Terms:
    """Says what an activity asks for from now on; returns what it asked for before. Raises NoWays.

    Whoever came before stays there, as they came.
    """
    if not terms.ways:
        raise NoWays
    before = terms_of(session, activity=activity)
    values = {
        "ways": ",".join(way for way in ASKED if way in terms.ways),
        "latitude": round(terms.spot.latitude * MILLION) if terms.spot else None,
        "longitude": round(terms.spot.longitude * MILLION) if terms.spot else None,
        "radius_metres": terms.radius_metres or None,
        "made_by": by,
        "at": now,
    }
    made = _SET.first(session, community_id=activity.community_id, activity_id=activity.id, **values)
    if made is None:
        session.execute(
            update(CheckInTerms)
            .where(CheckInTerms.community_id == activity.community_id, CheckInTerms.activity_id == activity.id)
            .values(**values)
        )
    return before


# -- the code of the day ----------------------------------------

_DRAW = Prepared(
    lambda insert: insert(DayCode).on_conflict_do_nothing(),
    makes=DayCode.id,
    columns=("community_id", "activity_id", "day", "code", "at"),
)


def code_of_the_day(session: Session, *, activity: ActivityHere, draws: Iterable[int], now: datetime) -> int:
    """Today's code of an activity that takes place today; made when it is asked for first. Raises NotToday.

    `draws` are codes at random, from which the first is taken that nobody has today and that is no activity's number.
    """
    today = _day(now)
    if not _day(activity.starts_at) <= today <= _day(activity.ends_at):
        raise NotToday(number=activity.number, title=activity.title, starts_at=activity.starts_at)
    for code in draws:
        if (found := todays_code(session, activity=activity, now=now)) is not None:
            return found
        if not is_activity(session, activity.community_id, code):
            _DRAW.first(
                session,
                community_id=activity.community_id,
                activity_id=activity.id,
                day=today,
                code=code,
                at=now,
            )
    found = todays_code(session, activity=activity, now=now)
    assert found is not None, "there are more codes than activities of a day"
    return found


def todays_code(session: Session, *, activity: ActivityHere, now: datetime) -> int | None:
    """Today's code of an activity, where it was drawn already."""
    return session.scalar(
        select(DayCode.code).where(
            DayCode.community_id == activity.community_id,
            DayCode.activity_id == activity.id,
            DayCode.day == _day(now),
        )
    )


def is_activity(session: Session, community_id: int, number: int) -> bool:
    """Whether an activity has this number: 签到 4821 must mean one thing."""
    return (
        session.scalar(select(Activity.id).where(Activity.community_id == community_id, Activity.number == number))
        is not None
    )


def activity_with_code(session: Session, *, community_id: int, code: int, now: datetime) -> int | None:
    """The number of the activity whose code of today this is; None where it is none's."""
    return session.scalar(
        select(Activity.number)
        .join(DayCode, DayCode.activity_id == Activity.id)
        .where(DayCode.community_id == community_id, DayCode.day == _day(now), DayCode.code == code)
    )


def wrong_code(session: Session, *, community_id: int, member_id: int, now: datetime) -> int:
    """Writes down that a member typed a code that is none; returns how many they have left before they must wait."""
    session.execute(
        delete(WrongCode).where(
            WrongCode.community_id == community_id, WrongCode.member_id == member_id, WrongCode.at <= now - WITHIN
        )
    )
    session.execute(insert(WrongCode), {"community_id": community_id, "member_id": member_id, "at": now})
    return max(0, TRIES - _wrong(session, community_id, member_id, now))


def refuse_guessing(session: Session, *, community_id: int, member_id: int, now: datetime) -> None:
    """Raises TooManyCodes for a member who has typed too many wrong ones."""
    if _wrong(session, community_id, member_id, now) >= TRIES:
        raise TooManyCodes(most=TRIES)


def _wrong(session: Session, community_id: int, member_id: int, now: datetime) -> int:
    return session.execute(
        select(func.count(WrongCode.id)).where(
            WrongCode.community_id == community_id, WrongCode.member_id == member_id, WrongCode.at > now - WITHIN
        )
    ).scalar_one()


# -- queries ----------------------------------------


def open_now(session: Session, *, community_id: int, now: datetime) -> list[tuple[int, Terms]]:
    """The activities at which one can check in now, the earliest first, with what they ask for."""
    rows = session.execute(
        select(
            Activity.number,
            CheckInTerms.ways,
            CheckInTerms.latitude,
            CheckInTerms.longitude,
            CheckInTerms.radius_metres,
        )
        .outerjoin(
            CheckInTerms,
            and_(CheckInTerms.community_id == Activity.community_id, CheckInTerms.activity_id == Activity.id),
        )
        .where(
            Activity.community_id == community_id,
            Activity.state == ActivityState.PUBLISHED,
            Activity.check_in_opens_at <= now,
            Activity.ends_at > now,
        )
        .order_by(Activity.starts_at, Activity.id)
    )
    return [(row.number, read_terms(*row[1:])) for row in rows]


_without_spot = or_(
    CheckInTerms.latitude.is_(None), CheckInTerms.longitude.is_(None), CheckInTerms.radius_metres.is_(None)
)

INVARIANTS = (
    Invariant("check_in_terms.spot", select(CheckInTerms.id).where(CheckInTerms.ways.contains("place"), _without_spot)),
    Invariant("check_in_terms.ways", select(CheckInTerms.id).where(CheckInTerms.ways == "")),
    Invariant("check_in_codes.code", select(DayCode.id).where(~DayCode.code.between(CODE_MIN, CODE_MAX))),
)
