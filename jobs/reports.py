"""After an activity: its organiser gets a draft of the report, and without an answer the groups hear it in the evening.

Due some time after the end, and at the hour at which a report goes out by itself; the postman keeps the draft for the
morning where that is at night. Where the bot can write to none of the groups, the organiser gets the text to copy
instead. An activity to which nobody came is passed over; where a paper roll is typed back on the
next day, its report follows then. Nothing is told of what ended more than three days ago.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.reports import copy_text, draft_buttons, draft_text, report_text
from jobs.tick import Job, Span, Tick
from models import outbox
from models import reports as books
from models.activities import ActivityHere
from models.clock import at, day_of
from models.directory import CommunityHere
from models.reach import reach_in, reaches
from models.reports import THINKING, ReportEnded, ReportHere, ReportState, Settings
from models.series import next_of

WAITS = timedelta(hours=24)
"""How long a draft or a report is worth being delivered."""


def due(session: Session, community: CommunityHere, span: Span, rules: Mapping[str, Any]) -> datetime | None:
    after = timedelta(minutes=rules["reports"].after_minutes)
    over = books.untold(session, community_id=community.id, now=span.until, after=after)
    waiting = books.waiting_reports(session, community_id=community.id, now=span.until)
    moments = [activity.ends_at + after for activity in over]
    moments += [report.goes_at for report in waiting if report.goes_at is not None]
    first = min(moments, default=None)
    if first is None or first > span.after:
        return first
    # Somebody was entered from paper afterwards.
    return span.until if span.after < span.until else None


def run(tick: Tick) -> bool:
    rules: Settings = tick.rules["reports"]
    after = timedelta(minutes=rules.after_minutes)
    for activity in books.untold(tick.session, community_id=tick.community.id, now=tick.at, after=after):
        _draft(tick, activity, _goes_at(tick.at, rules))
    for report in books.waiting_reports(tick.session, community_id=tick.community.id, now=tick.at):
        _send(tick, report)
    return False


def _goes_at(now: datetime, rules: Settings) -> datetime | None:
    """The first evening hour that leaves the organiser some time."""
    if not rules.without_answer:
        return None
    today = at(day_of(now), rules.hour)
    return today if today >= now + THINKING else at(day_of(now) + timedelta(days=1), rules.hour)


def _draft(tick: Tick, activity: ActivityHere, goes_at: datetime | None) -> None:
    report = books.draft_report(tick.session, activity=activity, goes_at=goes_at, now=tick.at)
    organiser = books.organiser_of(tick.session, activity=activity, now=tick.at)
    if report is None or organiser is None:
        return
    groups = books.heard_by(tick.session, activity=activity, reach=reach_in(tick.rules))
    by_hand = not any(group.pushes for group in groups)
    outbox.put(
        tick.session,
        community_id=tick.community.id,
        key=f"report-draft:{report.id}",
        message=draft_text(books.tally_of(tick.session, activity=activity), report, by_hand=by_hand),
        now=tick.at,
        expires_at=tick.at + WAITS,
        member_id=organiser.id,
        ref=activity.ref,
        buttons=draft_buttons(report),
    )


def _send(tick: Tick, report: ReportHere) -> None:
    activity = report.activity
    groups = books.heard_by(tick.session, activity=activity, reach=reach_in(tick.rules))
    reached = [group for group in groups if group.pushes]
    try:
        if reached:
            books.end_report(tick.session, report=report, state=ReportState.SENT, by=None, now=tick.at)
        else:
            books.hold_report(tick.session, report=report)
    except ReportEnded:
        return  # the organiser answered in this very moment
    text = report_text(
        books.tally_of(tick.session, activity=activity),
        report,
        next_of(tick.session, activity=activity, now=tick.at),
    )
    _ask_to_copy(tick, report, copy_text(groups, text))
    for group in reached:
        outbox.put(
            tick.session,
            community_id=tick.community.id,
            key=f"report:{report.id}:{group.id}",
            message=text,
            now=tick.at,
            expires_at=tick.at + WAITS,
            group_id=group.id,
            ref=activity.ref,
        )


def _ask_to_copy(tick: Tick, report: ReportHere, text: str) -> None:
    """Gives the organiser the text for the groups that the bot cannot write to, where there are any."""
    organiser = books.organiser_of(tick.session, activity=report.activity, now=tick.at)
    here, reach = tick.community.id, reach_in(tick.rules)
    if (
        not text
        or organiser is None
        or not reaches(tick.session, community_id=here, member_id=organiser.id, reach=reach)
    ):
        return
    outbox.put(
        tick.session,
        community_id=here,
        key=f"report-copy:{report.id}",
        message=text,
        now=tick.at,
        expires_at=tick.at + WAITS,
        member_id=organiser.id,
        ref=report.activity.ref,
    )


TELL = Job("reports.tell", run, due=due)
