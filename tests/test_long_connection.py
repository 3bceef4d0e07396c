"""A whole house behind the long connection: restarts of the gateway under load, two processes, presses in the chat."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from sqlalchemy.orm import Session

from handlers.chat import Button
from models import outbox
from models.activities import Signup
from models.directory import Identity, communities, groups_of
from models.outbox import Outbox, OutboxState
from models.verify import violations
from tests.dialogue import ON_SQLITE
from tests.fakes.aibot_gateway import LOST, AibotGateway, Fault, labels_of, words_of
from tests.fakes.front import GROUP, Front, bind, opened, serving
from tests.moments import TUESDAY_EVENING


@pytest.fixture
async def front(demo_url: str, tmp_path: Path) -> AsyncIterator[Front]:
    async with AibotGateway({"aibTEST": "s3cret"}, limits=()) as gateway:
        house = await opened(demo_url, tmp_path, gateway)
        await house.books.write(bind)
        async with serving(house):
            await gateway.online()
            yield Front(gateway, house)
            assert await house.books.read(violations) == []


# -- what people see ----------------------------------------


@ON_SQLITE
async def test_a_question_is_a_card_that_becomes_its_answer(front: Front) -> None:
    asked = await front.says("张敏", "@小邻 发布活动 周六9点 包饺子 活动室 20人 5分")
    assert labels_of(asked.content) == ["确认", "取消"]
    # A neighbour's finger changes nothing, and only the neighbour sees that.
    late = "这个按钮现在不管用了\n那件事已经办过、已经过时，或者问的不是您。"
    assert late in words_of(await front.presses("王秀英", asked, "确认"))
    after = words_of(await front.presses("张敏", asked, "确认"))
    assert "包饺子" in after
    assert words_of(asked.as_seen_by("李建国")) == after
    # Pressed once more, it confirms nothing else.
    again = await front.says("张敏", "@小邻 发布活动 周日9点 剪窗花 活动室 20人 5分")
    assert again.kind == "template_card"
    old = asked.as_seen_by("张敏")
    if "✓ 确认" in labels_of(old):
        assert late in words_of(await front.presses("张敏", asked, "✓ 确认"))


@ON_SQLITE
async def test_a_choice_is_one_tap_and_belongs_to_its_question(front: Front) -> None:
    first = await front.says("王秀英", "@小邻 报名")
    second = await front.says("王秀英", "@小邻 报名 2人")
    labels = labels_of(first.content)
    assert labels == labels_of(second.content) == ["清洁家园", "义诊", "反诈宣传"]
    assert "按钮现在不管用" in words_of(await front.presses("王秀英", first, labels[1]))
    assert "已给 王秀英 报名「义诊」（共2人）" in words_of(await front.presses("王秀英", second, labels[1]))


@ON_SQLITE
async def test_who_opens_the_conversation_hears_what_the_bot_can_do(front: Front) -> None:
    callback = await front.gateway.enters("王秀英")
    (welcome,) = await front.gateway.answer(callback)
    assert "帮助" in welcome or "报名" in welcome


@ON_SQLITE
async def test_what_is_private_goes_only_to_whom_the_bot_can_write(front: Front) -> None:
    # Nobody has opened the conversation with the bot yet.
    told = await front.says("王秀英", "@小邻 我的资料")
    assert told.text.startswith("这件事请私聊我说")
    await front.says("王秀英", "积分", chat="")
    assert (await front.says("王秀英", "@小邻 我的资料")).text == "已私信您。"
    await front.gateway.until(lambda: any(one.pushed and one.chat == "王秀英" for one in front.gateway.shown))


@ON_SQLITE
async def test_a_bare_number_means_the_button_of_the_last_message(front: Front) -> None:
    def put(session: Session) -> None:
        (community,) = communities(session)
        group = next(one for one in groups_of(session, community_id=community.id) if one.name == "3栋群")
        outbox.put(
            session,
            community_id=community.id,
            key="call",
            message="清洁家园还差3人，来的请回复 报名 12",
            now=TUESDAY_EVENING,
            expires_at=TUESDAY_EVENING + timedelta(hours=2),
            group_id=group.id,
            buttons=(Button("我来", "报名 12"), Button("看看", "活动 12")),
        )

    await front.says("李建国", "@小邻 活动 12")
    await front.house.books.write(put)
    await front.gateway.until(lambda: any(one.pushed for one in front.gateway.shown))
    assert (await front.says("王秀英", "@小邻 1")).text.startswith("已给 王秀英 报名「清洁家园」")
    assert "清洁家园" in (await front.says("陈美玲", "@小邻 2")).text
    assert (await front.says("陈美玲", "@小邻 3")).text == "现在没有等您回复的事。看看我会什么，请发 帮助。"
    # In a question that stands open a number is its answer.
    await front.says("陈美玲", "@小邻 报名")
    assert (await front.says("陈美玲", "@小邻 2")).text.startswith("已给 陈美玲 报名「义诊」")


# -- whatever happens to the connection ----------------------------------------


async def load_up(
    front: Front, *, messages: int, per_second: float, trouble: Callable[[], Any], pushes: int = 0
) -> Counter[str]:
    """So many people sign up at a steady pace while there is trouble, and pushes go out; returns what a group saw."""
    now = front.house.clock.now()

    def put(session: Session) -> list[str]:
        (community,) = communities(session)
        group = next(one for one in groups_of(session, community_id=community.id) if one.name == "3栋群")
        for number in range(pushes):
            outbox.put(
                session,
                community_id=community.id,
                key=f"load:{number}",
                message=f"通知第{number}条",
                now=now,
                expires_at=now + timedelta(hours=1),
                group_id=group.id,
                not_before=now - timedelta(minutes=number),
            )
        return list(session.scalars(select(Identity.external_id).order_by(Identity.id.desc()).limit(messages)))

    people = await front.house.books.write(put)
    before = await front.house.books.read(signed_up)
    troubled = asyncio.create_task(trouble())
    said = []
    for who in people:
        # Alone with the bot: a chat takes thirty messages a minute, and these are more.
        said.append(await front.gateway.says("报名 12", user=who))
        await asyncio.sleep(1 / per_second)
    await troubled
    for callback in said:
        await front.gateway.answer(callback, 30)
    await front.gateway.until(lambda: front.gateway.line)
    assert [len(callback.shown) for callback in said] == [1] * messages
    assert await front.house.books.read(signed_up) == before + messages
    return Counter(front.gateway.texts(GROUP))


def ended(session: Session) -> Counter[str]:
    return Counter(session.scalars(select(Outbox.state).where(Outbox.key.like("load:%"))))


def signed_up(session: Session) -> int:
    """How many sign-ups stand, of whom each may have one."""
    return len(session.scalars(select(Signup.id).where(Signup.undone_at.is_(None))).all())


async def test_under_restarts_every_message_is_answered_once_and_every_push_is_sent_or_reported(front: Front) -> None:
    front.gateway.chats.add(GROUP)

    async def trouble() -> None:
        for _ in range(3):
            await asyncio.sleep(0.3)
            front.gateway.meets(LOST, Fault(acks=2), Fault(seconds=0.2))
            await front.gateway.stop()
            await asyncio.sleep(0.2)
            await front.gateway.start()
            await asyncio.sleep(0.3)
            front.gateway.abort_all()

    await load_up(front, messages=50, per_second=20, trouble=trouble, pushes=20)
    for _ in range(200):
        states = await front.house.books.read(ended)
        if not states[OutboxState.WAITING]:
            break
        await asyncio.sleep(0.05)
    # What is unknown may have arrived; what was sent did, and nothing came twice.
    seen = Counter(front.gateway.texts(GROUP))
    assert states[OutboxState.SENT] + states[OutboxState.UNKNOWN] == 20
    pushed = [number for number in range(20) if seen[f"通知第{number}条"]]
    assert all(seen[f"通知第{number}条"] == 1 for number in pushed)
    assert states[OutboxState.SENT] <= len(pushed)


@pytest.mark.parametrize("demo_url", ["postgresql"], indirect=True)
async def test_of_two_processes_one_holds_the_connection_and_the_other_takes_over(
    demo_url: str, tmp_path: Path
) -> None:
    async with AibotGateway({"aibTEST": "s3cret"}, limits=()) as gateway:
        one = await opened(demo_url, tmp_path, gateway)
        await one.books.write(bind)
        first = TestServer(one.application())
        await first.start_server()
        await gateway.online()
        other = await opened(demo_url, tmp_path, gateway)
        async with serving(other):
            front = Front(gateway, other)
            assert "清洁家园" in (await front.says("李建国", "@小邻 活动 12")).text
            assert len(gateway.subscribed) == 1
            assert [finding for finding in await other.health.findings() if not finding.ok] == []
            # The first one goes in the middle of it all; nothing is lost, and nothing is done twice.
            leaving = asyncio.create_task(first.close())
            seen = await load_up(front, messages=30, per_second=30, trouble=lambda: asyncio.wait([leaving]), pushes=10)
            assert len(gateway.subscribed) == 2
            assert gateway.kicked == 0
            await gateway.until(lambda: len([text for text in gateway.texts(GROUP) if text.startswith("通知")]) == 10)
            assert max(seen.values()) == 1
            assert await other.books.read(violations) == []
        await one.close()
