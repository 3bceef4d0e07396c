"""Open questions: one for each person and conversation, until it is answered, replaced or too old."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.books import Books
from models import pending
from models.pending import Pending, Question, account, conversation
from tests.ground import Ground, lay
from tests.moments import SATURDAY, TUESDAY_EVENING

NOW = TUESDAY_EVENING
EXPIRES = NOW + timedelta(minutes=10)
WHICH = Question("checkin", {"place": "中心花园"}, "activity", ["12", "13"])


def ask(session: Session, ground: Ground, name: str, where: str, question: Question = WHICH) -> None:
    pending.ask(
        session,
        community_id=ground.community.id,
        member_id=ground.people[name],
        conversation=where,
        question=question,
        expires_at=EXPIRES,
    )


def find(session: Session, ground: Ground, name: str, where: str, now: datetime = NOW) -> Question | None:
    return pending.open_question(
        session,
        community_id=ground.community.id,
        member_id=ground.people[name],
        conversation=where,
        now=now,
    )


@pytest.mark.parametrize(("group_id", "name"), [(None, "direct"), (5, "group:5")])
def test_a_conversation_has_a_name(group_id: int | None, name: str) -> None:
    assert conversation(group_id) == name


@pytest.mark.parametrize(
    "question",
    [
        WHICH,
        Question("create_activity", {"when": SATURDAY, "title": "清洁家园", "quota": 20, "points": None}, None, []),
        Question("award_points", {"names": ["李建国", "王秀英"], "member": {"id": 7}}, "member", [{"id": 7}, 8, None]),
        Question("help", {}, None, []),
    ],
    ids=lambda question: question.intent,
)
async def test_a_question_comes_back_as_it_was_asked(books: Books, question: Question) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: ask(s, ground, "王秀英", "direct", question))
    found = await books.read(lambda s: find(s, ground, "王秀英", "direct"))
    assert found == question


async def test_a_question_belongs_to_its_person_and_conversation(books: Books) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: ask(s, ground, "王秀英", "group:5"))

    def look(session: Session) -> list[Question | None]:
        return [
            find(session, ground, "王秀英", "group:5"),
            find(session, ground, "王秀英", "group:6"),
            find(session, ground, "王秀英", "direct"),
            find(session, ground, "李建国", "group:5"),
            pending.open_question(
                session,
                community_id=ground.elsewhere.id,
                member_id=ground.people["王秀英"],
                conversation="group:5",
                now=NOW,
            ),
        ]

    assert await books.read(look) == [WHICH, None, None, None, None]


async def test_a_new_question_takes_the_place_of_the_last_one_in_its_conversation(books: Books) -> None:
    ground = await books.write(lay)
    newer = Question("signup", {"count": 2}, "activity", ["13"])

    def unit(session: Session) -> tuple[Any, ...]:
        ask(session, ground, "王秀英", "direct")
        ask(session, ground, "王秀英", "group:5")
        ask(session, ground, "王秀英", "direct", newer)
        return (
            find(session, ground, "王秀英", "direct"),
            find(session, ground, "王秀英", "group:5"),
            session.scalar(select(func.count()).select_from(Pending)),
        )

    assert await books.write(unit) == (newer, WHICH, 2)


@pytest.mark.parametrize(
    ("after", "open_still"),
    [
        (timedelta(0), True),
        (timedelta(minutes=10) - timedelta(microseconds=1), True),
        (timedelta(minutes=10), False),
        (timedelta(days=1), False),
    ],
)
async def test_a_question_stands_open_until_it_expires(books: Books, after: timedelta, open_still: bool) -> None:
    ground = await books.write(lay)
    await books.write(lambda s: ask(s, ground, "王秀英", "direct"))
    found = await books.read(lambda s: find(s, ground, "王秀英", "direct", NOW + after))
    assert (found is not None) is open_still


async def test_an_answer_takes_the_question_away(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Any, ...]:
        ask(session, ground, "王秀英", "direct")
        ask(session, ground, "李建国", "direct")
        for _ in range(2):  # the second time there is nothing to close
            pending.close_question(
                session,
                community_id=ground.community.id,
                member_id=ground.people["王秀英"],
                conversation="direct",
            )
        return find(session, ground, "王秀英", "direct"), find(session, ground, "李建国", "direct")

    assert await books.write(unit) == (None, WHICH)


async def test_only_the_communitys_expired_questions_are_forgotten(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[str]:
        for community_id, name, minutes in (
            (ground.community.id, "王秀英", -1),
            (ground.community.id, "老赵", 0),
            (ground.community.id, "李建国", 1),
            (ground.elsewhere.id, "王五", -1),
        ):
            pending.ask(
                session,
                community_id=community_id,
                member_id=ground.people[name],
                conversation="direct",
                question=WHICH,
                expires_at=NOW + timedelta(minutes=minutes),
            )
        pending.forget_expired(session, community_id=ground.community.id, now=NOW)
        left = session.scalars(select(Pending.member_id)).all()
        return [name for name, member_id in ground.people.items() if member_id in left]

    assert await books.write(unit) == ["李建国", "王五"]


async def test_an_account_of_nobody_has_one_question_about_the_community_it_named_last(books: Books) -> None:
    ground = await books.write(lay)
    stranger = account("simulator", "stranger")

    def ask_it(session: Session, community_id: int, minutes: int) -> None:
        pending.ask(
            session,
            community_id=community_id,
            member_id=None,
            account=stranger,
            conversation="direct",
            question=WHICH,
            expires_at=NOW + timedelta(minutes=minutes),
        )

    def asked_in(session: Session, now: datetime = NOW) -> int | None:
        return pending.where_asked(session, account=stranger, now=now)

    assert await books.read(asked_in) is None
    await books.write(lambda s: ask_it(s, ground.elsewhere.id, 30))
    await books.write(lambda s: ask_it(s, ground.community.id, 5))
    assert await books.read(asked_in) == ground.community.id
    assert await books.read(lambda s: asked_in(s, NOW + timedelta(minutes=5))) is None
    here: dict[str, Any] = {"community_id": ground.community.id, "member_id": None, "conversation": "direct"}
    assert await books.read(lambda s: pending.open_question(s, **here, account=stranger, now=NOW)) == WHICH
    assert await books.read(lambda s: pending.open_question(s, **here, account="simulator:other", now=NOW)) is None
    late = NOW + timedelta(hours=1)
    assert await books.read(lambda s: pending.lapsed_question(s, **here, account=stranger, now=late)) == WHICH
    assert [await books.write(lambda s: pending.close_question(s, **here, account=stranger)) for _ in range(2)] == [
        True,
        False,
    ]
