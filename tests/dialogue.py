"""Conversations as tables: who speaks, where, what is said and what is heard, from the first word to the last.

A moment between two lines lets time pass. `direct` is the bot's own conversation with somebody. Whatever the bot says
in a table, in answer or by itself, is checked against the rule of the house: at most four lines.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.app import House
from bot.demo import CHANNEL, NAMESPACE
from bot.script import Push
from handlers.chat import LINES, Incoming, Quote
from models.base import Base
from models.clock import SHANGHAI
from tests.fakes.street import Street

ON_SQLITE = pytest.mark.parametrize("demo_url", ["sqlite"], indirect=True)
"""For what does not depend on the kind of database."""

direct = ""
silence = ""

STRANGER = "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"
STATEMENT = (
    "我会保存您的姓名、住址、手机、照片，和活动、岗位、积分的记录，只办社区的事，不给别人；位置只核对不留。"
    "\n保存了什么请发 我的资料，不想留了请发 注销。\n同意请回复 同意，不同意请回复 不同意。"
)
BOUND = "{}，绑定好了，您是{}的居民。\n" + STATEMENT
"""What somebody hears who has proved who they are: name and place."""
AGREED = "好的，记下了，谢谢！\n想看看我会什么，请发 帮助。"
WRONG = (
    "还没有对上。请核对后回复房号和手机号后四位，例如 501 1234；姓名或楼栋写错了，请重新发 绑定。"
    "\n名册没有写全的，社区核对好了我会告诉您。"
)
WISH = "已私信您，请到和我的单聊里接着说。房号和手机号请不要发在群里。"
ASK_DIGITS = "请回复您在社区登记的手机号后四位，例如 1234。"
WAITS = "{}，已收到，请{}的负责人核对后就可以用了（{}号）。"
CHECKING = "您的绑定申请（{}号）正在核对，请稍等，有结果我会告诉您。"

Spoken = tuple[str, str, str, str]
"""Who, in which group (or `direct`), what they say, what they hear (or `silence`)."""


def november(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of the demo's month, in Shanghai. 17 is its Tuesday, 21 the Saturday of the clean-up."""
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


async def talk(street: Street, table: Sequence[Spoken | datetime]) -> list[Push]:
    """Plays a table and holds every answer against it; returns what went out beside the answers, in order."""
    before = len(street.pushes)
    for line in table:
        if isinstance(line, datetime):
            await street.until(line)
            continue
        who, where, said, heard = line
        reply = await street.say(who, said, where=where)
        assert reply == heard, f"{who}@{where or '单聊'} said {said!r}, heard {reply!r}, not {heard!r}"
        assert reply.count("\n") < LINES, reply
    pushes = street.pushes[before:]
    for push in pushes:
        assert push.text.count("\n") < LINES, push.text
    return pushes


DAY_BEFORE = "提醒您："
"""How whoever comes to an activity is reminded of it, alone."""


def to_groups(pushes: Sequence[Push]) -> list[Push]:
    """What was pushed but for the reminders that people get alone."""
    return [push for push in pushes if not push.text.startswith(DAY_BEFORE)]


def incoming(
    street: Street,
    who: str,
    text: str,
    *,
    where: str = direct,
    message_id: str = "",
    quote: Quote | None = None,
    channel: str = CHANNEL,
    namespace: str = NAMESPACE,
    addressed: bool | None = None,
    **shown: Any,
) -> Incoming:
    """A message as a channel brings it, to be heard as often and wherever a test likes."""
    return Incoming(
        channel=channel,
        message_id=message_id or uuid.uuid4().hex,
        namespace=namespace,
        sender=who,
        text=text,
        address=where,
        addressed=not where if addressed is None else addressed,
        quote=quote,
        at=street.house.wall.now(),
        **shown,
    )


def rows(session: Session) -> dict[str, int]:
    """How many rows every table has."""
    return {
        table.name: session.execute(select(func.count()).select_from(table)).scalar_one()
        for table in Base.metadata.sorted_tables
    }


async def count_rows(house: House) -> dict[str, int]:
    """How many rows every table of a house has."""
    return await house.books.read(rows)


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Which tables have more rows than before, and how many."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}
