"""关照: an elder who signs up for what may be hard on them hears one kind sentence, and decides.

王奶奶 signs up for two hours of weeding at noon in July. She has her place at once; alone, and to nobody else, she is
told that it is hot then, and answers 照样报名 or 算了. Whoever organises it sees that she was told, and no age.

- Nobody is refused anything, and nobody is told who is not an elder by what they or the roster have said.
- A year of birth is read by the person and by the staff in whose scope they live, and by nobody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.activities import HEAVY, Activity, ActivityHere, Caution, Signup
from models.clock import day_of, start_of
from models.members import Member

DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class Settings(BaseModel):
    """[care] 关照老人"""

    model_config = ConfigDict(extra="forbid")

    elder_years: int = Field(65, ge=0, le=120, description="满多少岁的邻居,报太累的活动时单独叮嘱一句;0就是不叮嘱")
    heat_from: str = Field("07-01", pattern=DAY, description="一年里天热从哪天开始(月-日);和结束同一天就是从不")
    heat_until: str = Field("09-01", pattern=DAY, description="到哪天为止(这天不算)")
    heat_from_hour: int = Field(11, ge=0, le=23, description="一天里最热从几点开始")
    heat_until_hour: int = Field(16, ge=1, le=24, description="到几点为止")
    rest_minutes: int = Field(60, ge=0, le=1440, description="前后两场户外活动之间歇不到几分钟,也叮嘱一句")


@dataclass(frozen=True, slots=True)
class Hard:
    """What to say to an elder: why, and of two turns how many minutes of rest lie between them."""

    caution: Caution
    minutes: int = 0


# -- rules ----------------------------------------


def is_elder(born: str, day: date, years: int) -> bool:
    """Whether somebody is an elder in the year of `day`, whatever of what was said of their birth is true.

    An age is counted as communities count it for the health check of the old (65 and over, 国家基本公共卫生服务规范,
    老年人健康管理): by the year in which it is reached. Of `1950-1959` it is the youngest that counts.
    """
    last = born.rpartition("-")[2]
    return bool(years and last) and day.year - int(last) >= years


def in_heat(starts_at: datetime, ends_at: datetime, settings: Settings) -> bool:
    """Whether something goes on in the hours of heat of a summer's day.

    There is no forecast here, but a calendar: July and August hold the three Dog Days (三伏) of every year. That nobody
    works outdoors in the hottest hours is the rule of 防暑降温措施管理办法 (2012), article 8, for hot days.
    """
    day = day_of(starts_at)
    while start_of(day) < ends_at:
        first, last = (
            start_of(day) + timedelta(hours=hour) for hour in (settings.heat_from_hour, settings.heat_until_hour)
        )
        if settings.heat_from <= f"{day:%m-%d}" < settings.heat_until and starts_at < last and first < ends_at:
            return True
        day += timedelta(days=1)
    return False


def hardship(
    activity: ActivityHere, others: Sequence[ActivityHere], *, outdoors: bool, settings: Settings
) -> Hard | None:
    """The worst that an activity has for an elder; None: nothing. `others` are what they do outdoors besides."""
    if outdoors and in_heat(activity.starts_at, activity.ends_at, settings):
        return Hard(Caution.HEAT)
    if activity.demand == HEAVY:
        return Hard(Caution.HEAVY)
    for other in others if outdoors else ():
        rest = max(activity.starts_at - other.ends_at, other.starts_at - activity.ends_at)
        if timedelta(0) <= rest < timedelta(minutes=settings.rest_minutes):
            return Hard(Caution.BACK_TO_BACK, rest // timedelta(minutes=1))
    return None


# -- what is known of somebody, and what they were told ----------------------------------------


def born_in(session: Session, *, community_id: int, member_id: int) -> str:
    """When a member was born, as it is kept: `1950`, `1950-1959`, `-1961`; empty where nobody has said."""
    return session.execute(
        select(Member.born).where(Member.community_id == community_id, Member.id == member_id)
    ).scalar_one()


def tell_birth(session: Session, *, community_id: int, member_id: int, born: str) -> str:
    """Keeps when a member was born, or (empty) keeps it no longer; returns what was kept before."""
    before = born_in(session, community_id=community_id, member_id=member_id)
    session.execute(update(Member).where(Member.community_id == community_id, Member.id == member_id).values(born=born))
    return before


def told_before(session: Session, *, activity: ActivityHere, member_id: int) -> str | None:
    """What somebody was told about their live sign-up, empty for nothing; None where they have none."""
    return session.scalar(
        select(Signup.cautioned).where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
    )


def note_told(session: Session, *, activity: ActivityHere, member_id: int, caution: Caution) -> None:
    """Keeps beside a live sign-up that its person was told, so that it is said once and the organiser knows."""
    session.execute(
        update(Signup)
        .where(
            Signup.community_id == activity.community_id,
            Signup.activity_id == activity.id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
        )
        .values(cautioned=caution)
    )


def last_told(session: Session, *, community_id: int, member_id: int, now: datetime) -> int | None:
    """The number of the activity ahead about which somebody was told last; None for none."""
    return session.scalar(
        select(Activity.number)
        .join(Signup, Signup.activity_id == Activity.id)
        .where(
            Signup.community_id == community_id,
            Signup.member_id == member_id,
            Signup.undone_at.is_(None),
            Signup.cautioned != "",
            Activity.starts_at > now,
        )
        .order_by(Signup.id.desc())
        .limit(1)
    )
