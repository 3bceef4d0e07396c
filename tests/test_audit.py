"""Who wrote what by which message, and which of it can be taken back."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from models import audit
from models.audit import Act, Audit
from tests.ground import Ground, lay
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
WITHIN = timedelta(minutes=10)


def record(
    session: Session,
    ground: Ground,
    name: str,
    action: str,
    message_id: str,
    *,
    at: datetime = NOW,
    ref: str = "1",
    community_id: int | None = None,
    channel: str = "simulator",
) -> int:
    return audit.record(
        session,
        community_id=community_id or ground.community.id,
        at=at,
        member_id=ground.people[name],
        action=action,
        object_ref=ref,
        group_id=None,
        channel=channel,
        message_id=message_id,
        detail={"activity": 12},
    )


def last(session: Session, ground: Ground, name: str, now: datetime = NOW) -> list[Act]:
    return audit.last_acts(
        session,
        community_id=ground.community.id,
        member_id=ground.people[name],
        now=now,
        within=WITHIN,
    )


async def test_an_act_is_written_down_whole(books: Books) -> None:
    ground = await books.write(lay)
    made = await books.write(lambda s: record(s, ground, "王秀英", "checkin", "m1"))

    def look(session: Session) -> Any:
        return tuple(
            session.execute(
                select(
                    Audit.id, Audit.community_id, Audit.at, Audit.member_id, Audit.action, Audit.object_ref,
                    Audit.group_id, Audit.channel, Audit.message_id, Audit.detail, Audit.undone_by,
                )
            ).one()
        )  # fmt: skip

    assert await books.read(look) == (
        made, ground.community.id, NOW, ground.people["王秀英"], "checkin", "1",
        None, "simulator", "m1", {"activity": 12}, None,
    )  # fmt: skip


async def test_the_last_write_is_that_of_the_newest_message_with_all_its_acts(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Any, ...]:
        record(session, ground, "王秀英", "signup", "m1", ref="7")
        first = record(session, ground, "王秀英", "checkin", "m2", ref="8")
        second = record(session, ground, "王秀英", "signup", "m2", ref="9")
        record(session, ground, "李建国", "signup", "m3")
        return first, second, last(session, ground, "王秀英")

    first, second, acts = await books.write(unit)
    assert acts == [Act(second, "signup", "9", NOW), Act(first, "checkin", "8", NOW)]


async def test_one_message_id_on_two_channels_is_two_messages(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[str]:
        record(session, ground, "王秀英", "signup", "m1", channel="wecom")
        record(session, ground, "王秀英", "checkin", "m1", channel="simulator")
        return [act.action for act in last(session, ground, "王秀英")]

    assert await books.write(unit) == ["checkin"]


@pytest.mark.parametrize(
    ("after", "count"),
    [
        (timedelta(0), 1),
        (WITHIN - timedelta(microseconds=1), 1),
        (WITHIN, 0),
        (timedelta(days=1), 0),
    ],
)
async def test_an_act_can_be_taken_back_for_ten_minutes(books: Books, after: timedelta, count: int) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: record(s, ground, "王秀英", "checkin", "m1"))
    assert len(await books.read(lambda s: last(s, ground, "王秀英", NOW + after))) == count


async def test_what_was_undone_and_the_undoing_itself_are_passed_over(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Any, ...]:
        older = record(session, ground, "王秀英", "signup", "m1")
        newer = record(session, ground, "王秀英", "checkin", "m2")
        undo = record(session, ground, "王秀英", "undo", "m3", ref=str(newer))
        audit.mark_undone(session, community_id=ground.community.id, act_id=newer, by=undo)
        return older, last(session, ground, "王秀英")

    older, acts = await books.write(unit)
    assert acts == [Act(older, "signup", "1", NOW)]


async def test_nothing_of_another_community_is_found_or_marked(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Any, ...]:
        act = record(session, ground, "王五", "checkin", "m1", community_id=ground.elsewhere.id)
        seen = last(session, ground, "王五")
        audit.mark_undone(session, community_id=ground.community.id, act_id=act, by=act)
        return seen, session.scalar(select(Audit.undone_by))

    assert await books.write(unit) == ([], None)
