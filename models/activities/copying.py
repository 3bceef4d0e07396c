"""An activity as a plan: what is held again, on another day.

A plan holds everything that an activity has but what is its own (number, moment, who announced it, where it stands). A
column that is added to activities later is part of every plan by itself; moments are kept as minutes after the start.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from models.activities.plan import Activity, ActivityHere, ActivityState, find_activity, refuse_odd_plans
from models.base import Moment
from models.counters import next_number
from models.directory import touch

Plan = dict[str, Any]
"""Column by column, fit for JSON."""

OWN = frozenset((
    "id", "community_id", "number", "starts_at", "state", "made_by", "made_at", "cancelled_at", "cancel_reason",
    "locked_at",
))  # fmt: skip
"""What no other activity can have."""

_MINUTE = timedelta(minutes=1)


def plan_of(session: Session, *, activity: ActivityHere) -> Plan:
    """Everything that an activity has and another one may have too."""
    row = (
        session.execute(
            select(*Activity.__table__.c).where(
                Activity.community_id == activity.community_id, Activity.id == activity.id
            )
        )
        .mappings()
        .one()
    )
    return {
        name: (value - activity.starts_at) // _MINUTE if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in OWN
    }


def placed(plan: Plan, *, starts_at: datetime, now: datetime, points_max: int) -> dict[str, Any]:
    """A plan's columns for one moment. Raises what `refuse_odd_plans` raises."""
    columns = Activity.__table__.c
    values = {
        name: starts_at + value * _MINUTE if value is not None and isinstance(columns[name].type, Moment) else value
        for name, value in plan.items()
        # A plan may be older than the table: what is not there any more is left out, what came since has its default.
        if name in columns
    }
    refuse_odd_plans(
        title=values["title"],
        place=values["place"],
        starts_at=starts_at,
        ends_at=values["ends_at"],
        quota=values["quota"],
        points=values["points"],
        now=now,
        points_max=points_max,
    )
    return {**values, "starts_at": starts_at}


def publish_plan(
    session: Session,
    *,
    community_id: int,
    plan: Plan,
    starts_at: datetime,
    made_by: int | None,
    now: datetime,
    points_max: int,
) -> ActivityHere:
    """Announces an activity after a plan, under the community's next number. Raises what `refuse_odd_plans` raises."""
    values = placed(plan, starts_at=starts_at, now=now, points_max=points_max)
    number = next_number(session, community_id=community_id, kind="activity")
    session.execute(
        insert(Activity),
        {
            **values,
            "community_id": community_id,
            "number": number,
            "state": ActivityState.PUBLISHED,
            "made_by": made_by,
            "made_at": now,
        },
    )
    touch(session, community_id)
    return find_activity(session, community_id=community_id, number=number)
