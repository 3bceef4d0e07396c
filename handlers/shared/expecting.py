"""A question about one activity that stands for a member alone: a plain yes or no answers it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat import Turn
from models import pending
from models.activities import ActivityHere


def expect(
    session: Session, activity: ActivityHere, member_id: int, intent: str, *, until: datetime, now: datetime
) -> None:
    """A plain yes means `intent` from now on, a plain no leaves; unless they are asked about something else."""
    who = _alone_with(activity, member_id)
    if pending.open_question(session, **who, now=now) is None:
        no = f"取消报名 {activity.number}"
        question = pending.Question(intent, {"activity": activity.number}, None, [no])
        pending.ask(session, **who, question=question, expires_at=until)


def end_expecting(turn: Turn, activity: ActivityHere, member_id: int, intent: str) -> None:
    """What they have said about it is not asked any more."""
    who = _alone_with(activity, member_id)
    question = pending.open_question(turn.session, **who, now=turn.now)
    if question is not None and (question.intent, question.slots) == (intent, {"activity": activity.number}):
        pending.close_question(turn.session, **who)


def _alone_with(activity: ActivityHere, member_id: int) -> dict[str, Any]:
    conversation = pending.conversation(None)
    return {"community_id": activity.community_id, "member_id": member_id, "conversation": conversation}
