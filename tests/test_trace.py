"""`linli trace`: what happened to a message, told from the books, without anybody's words."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

from models.inbox import keep_trouble
from tests.dialogue import ON_SQLITE, november
from tests.fakes.street import Street
from tests.fakes.terminal import Terminal
from tests.moments import TUESDAY_EVENING

SINCE = "2026-11-17T00:00+08:00"


async def test_a_message_is_told_from_its_arrival_to_its_pushes(street: Street, demo_url: str, tmp_path: Path) -> None:
    await street.say("张敏", "@小邻 加分 李建国 5 修灯", where="3栋群", message_id="award-0001")
    await street.until(TUESDAY_EVENING + timedelta(minutes=1))
    await street.say("张敏", "@小邻 撤销", where="3栋群", message_id="undo-0001")
    terminal = Terminal(tmp_path)

    code, said, _ = await asyncio.to_thread(terminal.type, "trace", "award-0001", "--db", demo_url)
    # An attempt bears the wall's time, whatever the community's is.
    assert (code, [re.sub(r"^  [\d:]+ (?=从)", "  ", line) for line in said.splitlines()]) == (
        0,
        [
            "2026-11-17 19:30:00 simulator award-0001",
            "  19:30:00 收到 张敏 的一条，办了",
            "  19:30:00 办的事：award 1，在3栋群",
            "  19:31:00 award 1 被撤销了（undo-0001）",
            "  19:30:00 记账：李建国 +5分（award，award:1）",
            "  19:30:00 给 李建国 的消息 已发出（award:1）",
            "  从 simulator 发：成功",
        ],
    )
    # An apology names the last characters of an id; words are shown only where they are asked for.
    with_words = (await asyncio.to_thread(terminal.type, "trace", "d-0001", "--text", "--db", demo_url))[1]
    assert "「已给 李建国 加5分（修灯），现有9分。」" in with_words
    assert "修灯" not in said

    lines = (await asyncio.to_thread(terminal.type, "trace", "award-0001", "--json", "--db", demo_url))[1]
    story = json.loads(lines)
    assert [step["kind"] for step in story["steps"]] == ["heard", "act", "undone", "transfer", "push", "attempt"]
    assert all("text" not in step for step in story["steps"])


async def test_people_and_groups_have_their_stories(street: Street, demo_url: str, tmp_path: Path) -> None:
    await street.say("王秀英", "报名 12 2人", where="3栋群", message_id="signup-0001")
    await street.say("张敏", "今天天气真好", where="3栋群", message_id="chatter-0001")
    await street.until(november(21, 7, 0))
    terminal = Terminal(tmp_path)

    async def told(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(terminal.type, "trace", *words, "--since", SINCE, "--db", demo_url)

    code, person, _ = await told("王秀英")
    assert code == 0
    assert person.startswith("== 王秀英（锦绣社区，编号 ")
    assert "signup-0001" in person
    _, group, _ = await told("3栋群")
    assert "signup-0001" in group
    # What went to the group by itself: the reminder, and the way it took.
    assert "2026-11-21 07:00:00 （到点的事，或别人说的话引出的）\n  07:00:00 给 3栋群 的消息 已发出" in group
    assert (await told("chatter-0001"))[0] == 1
    assert (await told("查无此人"))[2] == (
        "没有「查无此人」这个消息编号、人或群。只问不写、和机器人无关的话，不留痕迹。\n"
    )
    assert (await told("王秀英", "--community", "别的社区"))[0] == 1
    assert (await asyncio.to_thread(terminal.type, "trace", "x", "--since", "昨天", "--db", demo_url))[0] == 2


@ON_SQLITE
async def test_a_message_that_met_a_bug_says_so(street: Street, demo_url: str, tmp_path: Path) -> None:
    await street.house.books.write(
        lambda session: keep_trouble(
            session, channel="app", message_id="7300000042", incoming={"text": "我家的门"}, error="KeyError: 3",
            at=TUESDAY_EVENING,
        )
    )  # fmt: skip
    terminal = Terminal(tmp_path)
    said = (await asyncio.to_thread(terminal.type, "trace", "0042", "--since", SINCE, "--db", demo_url))[1]
    assert said.splitlines()[1] == "  19:30:00 遇到程序的错误，整条留着等 linli replay --kept：KeyError: 3"
    assert "我家的门" not in said
