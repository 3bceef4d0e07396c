"""What whoever keeps the bot sees of the outbox and does about it: `linli outbox`, beside a bot that runs."""

import asyncio
import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot.app import Stage
from bot.books import Books
from bot.channels import wecom_aibot_socket, wecom_app, wecom_group_webhook
from bot.channels.simulator import Misuse
from bot.channels.wecom_calls import MISCONFIGURED, PAUSES
from bot.mail import why
from bot.reasons import in_words
from models import deliveries, outbox
from models.audit import Audit
from models.clock import WallClock
from models.deliveries import Answer, Delivery
from models.directory import add_group
from models.outages import broke
from models.outbox import Attempt, AttemptItem, Outbox, OutboxState
from models.verify import violations
from tests.dialogue import november
from tests.fakes.street import Street
from tests.fakes.terminal import Terminal
from tests.ground import Ground, lay
from tests.moments import SATURDAY

NOW = SATURDAY
HOUR = timedelta(hours=1)


class Desk:
    """The books with a few messages in each state, and a terminal beside them."""

    def __init__(self, books: Books, ground: Ground, ids: dict[str, int], terminal: Terminal, url: str) -> None:
        self.books = books
        self.ground = ground
        self.ids = ids
        self.terminal = terminal
        self.url = url

    async def type(self, *words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(self.terminal.type, "outbox", *words, "--db", self.url)

    async def state(self, name: str) -> tuple[str, str]:
        def unit(session: Session) -> tuple[str, str]:
            row = session.execute(select(Outbox.state, Outbox.dead_reason).where(Outbox.id == self.ids[name])).one()
            return row.state, row.dead_reason

        return await self.books.read(unit)

    async def again(self, name: str) -> Answer:
        return await self.books.write(lambda session: deliveries.send_again(session, self.ids[name], now=NOW + HOUR))

    async def give_up(self, name: str) -> Answer:
        return await self.books.write(
            lambda session: deliveries.give_up(session, self.ids[name], now=NOW + HOUR, wall=NOW + HOUR)
        )

    async def claim(self, token: str, after: timedelta = HOUR) -> list[int]:
        at = NOW + after

        def unit(session: Session) -> list[int]:
            until = at + timedelta(seconds=60)
            return [one.id for one in outbox.claim(session, now=at, wall=at, until=until, token=token, most=9)]

        return await self.books.write(unit)


ENDS = {
    "sent": (OutboxState.SENT, "", "sent", ""),
    "failed": (OutboxState.FAILED, "93000 webhook key wrong", "refused", "93000 webhook key wrong"),
    "unknown": (OutboxState.UNKNOWN, "TimeoutError", "unknown", "TimeoutError"),
    "expired": (OutboxState.FAILED, "expired", "not_sent", "not_sent cannot connect"),
    "handed": (OutboxState.HANDED_ON, "no route: the person has no account", "", ""),
}


def fill(session: Session) -> tuple[Ground, dict[str, int]]:
    ground = lay(session)
    of = ground.community.id
    group = add_group(session, community_id=of, unit=ground.root, name="3栋群", now=NOW)
    ids = {}
    for name in ("waiting", *ENDS):
        to: dict[str, Any] = {"member_id": ground.people["王秀英"]} if name == "handed" else {"group_id": group}
        outbox.put(session, community_id=of, key=name, message=f"{name} 今晚停水", now=NOW, expires_at=NOW + HOUR, **to)
        ids[name] = session.scalar(select(Outbox.id).where(Outbox.key == name)) or 0
        if name not in ENDS:
            continue
        state, reason, outcome, detail = ENDS[name]
        session.execute(
            update(Outbox)
            .where(Outbox.id == ids[name])
            .values(state=state, dead_reason=reason, finished_at=WallClock().now())
        )
        if state is OutboxState.HANDED_ON:
            lead = {"key": f"handed-on:{ids[name]}", "member_id": ground.people["老赵"], "not_before": NOW + 9 * HOUR}
            outbox.put(session, community_id=of, message="请转告", now=NOW, expires_at=NOW + 10 * HOUR, **lead)
        if outcome:
            attempt = {"community_id": of, "channel": "hook", "address": "x", "began_at": NOW, "ended_at": NOW}
            made = session.execute(
                insert(Attempt).returning(Attempt.id), {**attempt, "outcome": outcome, "detail": detail}
            ).scalar_one()
            session.execute(insert(AttemptItem), {"attempt_id": made, "outbox_id": ids[name]})
    broke(session, community_id=of, recipient=f"group:{group}", channel="hook", reason="93000 x", messages=1, wall=NOW)
    return ground, ids


@pytest.fixture
async def desk(books: Books, database_url: str, tmp_path: Path) -> Desk:
    ground, ids = await books.write(fill)
    return Desk(books, ground, ids, Terminal(tmp_path), database_url)


async def test_list_says_what_waits_and_what_did_not_go_out_and_why(desk: Desk) -> None:
    code, said, _ = await desk.type()

    assert code == 0
    ended = said.splitlines()[3:7]
    assert sorted(ended) == [
        "3　11月21日 周六 9:00　给3栋群　没有发出：群机器人的 key 不对，或者机器人被移出了群（93000）",
        "4　11月21日 周六 9:00　给3栋群　结果不明：平台没有答复",
        "5　11月21日 周六 9:00　给3栋群　没有发出：等到过了时候也没能发出去",
        "6　11月21日 周六 9:00　给王秀英　请人转告：还没有他的账号",
    ]
    assert said.splitlines()[:3] == [
        "问题1　11月21日 周六 9:00 起　3栋群，1条没有发成：群机器人的 key 不对，或者机器人被移出了群（93000）",
        "1　11月21日 周六 9:00　给3栋群　等着发：轮到就发",
        "7　11月21日 周六 18:00　给老赵　等着发：轮到就发",
    ]
    assert "今晚停水" not in said
    assert said.endswith(
        "现在等着发 2 条，没有发出 2 条，结果不明 1 条，请人转告 1 条。\n"
        "看一条怎么回事：linli outbox 编号；再发：--again；不发了：--give-up；看原文：--text\n"
    )


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--waiting"], [1, 7]),
        (["--sent"], [2]),
        (["--failed"], [5, 3]),
        (["--unknown", "--handed-on"], [4, 6]),
        (["--to", "王秀英"], [6]),
        (["--failed", "--limit", "1"], [5]),
        (["--to", "5栋群"], []),
        (["--community", "滨河社区"], []),
    ],
)
async def test_list_is_narrowed(desk: Desk, words: list[str], numbers: list[int]) -> None:
    _, said, _ = await desk.type(*words, "--json")

    assert [json.loads(line)["number"] for line in said.splitlines()] == numbers
    assert "今晚停水" not in said


async def test_one_message_is_told_with_what_was_tried(desk: Desk) -> None:
    code, said, _ = await desk.type(str(desk.ids["unknown"]), "--text")

    assert (code, said.splitlines()) == (
        0,
        [
            "4　11月21日 周六 9:00　给3栋群　结果不明：平台没有答复",
            "　　11月21日 周六 9:00 写下（unknown），11月21日 周六 10:00 以后不再发",
            "　　11月21日 周六 9:00 从 hook 发，没有答复",
            "　　它可能已经到了：再发一次，对方可能收到两遍。",
            "　　「unknown 今晚停水」",
        ],
    )
    code, said, complaint = await desk.type("17")
    assert (code, said, complaint) == (1, "", "没有第17条。\n")


async def test_what_failed_is_sent_again_and_what_may_have_arrived_only_when_that_is_confirmed(desk: Desk) -> None:
    assert await desk.type(str(desk.ids["failed"]), "--again") == (0, "第3条会再发，机器人运行着就马上发。\n", "")
    number = str(desk.ids["unknown"])
    code, said, _complaint = await desk.type(number, "--again")
    assert code == 1
    assert said.startswith("第4条结果不明。它可能已经到了：再发一次，对方可能收到两遍。")
    assert await desk.state("unknown") == ("unknown", "TimeoutError")
    assert (await desk.type(number, "--again", "--yes"))[0] == 0

    assert [await desk.state(name) for name in ("failed", "unknown")] == [("waiting", "")] * 2
    assert await desk.books.read(violations) == []

    def acts(session: Session) -> list[tuple[str, str]]:
        return [(row.action, row.object_ref) for row in session.execute(select(Audit.action, Audit.object_ref))]

    assert [act for act in await desk.books.read(acts) if act[1].startswith("outbox")] == [
        ("send_again", "outbox:3"),
        ("send_again", "outbox:4"),
    ]


async def test_what_is_sent_again_counts_from_nothing(desk: Desk) -> None:
    for name in ("expired", "unknown", "handed"):
        assert await desk.again(name) is Answer.DONE
    # Its hour was over; the lost answer and the refusals of before are history.
    assert set(await desk.claim("p1")) == {desk.ids[name] for name in ("waiting", "expired", "unknown", "handed")}
    ids = list(desk.ids.values())
    assert await desk.books.read(lambda session: outbox.lost_attempts(session, ids)) == []
    assert await desk.again("unknown") is Answer.WAITING


@pytest.mark.parametrize(("name", "answer"), [("sent", Answer.SENT), ("waiting", Answer.WAITING)])
async def test_what_went_out_or_waits_is_not_sent_again(desk: Desk, name: str, answer: Answer) -> None:
    before = await desk.state(name)
    assert await desk.again(name) is answer
    assert await desk.state(name) == before


async def test_what_is_not_kept_any_more_is_not_sent_again(desk: Desk) -> None:
    await desk.books.write(
        lambda session: session.execute(update(Outbox).where(Outbox.id == desk.ids["failed"]).values(text=""))
    )
    assert await desk.again("failed") is Answer.EMPTIED


async def test_what_waits_is_given_up_unless_it_is_being_sent(desk: Desk) -> None:
    (number,) = await desk.claim("p1", timedelta(0))
    at = NOW

    def begin(session: Session) -> None:
        outbox.begin_attempt(
            session, community_id=desk.ground.community.id, channel="hook", address="x", ids=[number],
            token="p1", now=at, wall=at, until=at + HOUR,
        )  # fmt: skip

    await desk.books.write(begin)
    assert await desk.type(str(number), "--give-up") == (1, "", "第1条正在发，请过一会儿再看。\n")
    # Its postman died: what was begun may have arrived.
    await desk.books.write(lambda session: session.execute(update(Attempt).values(outcome="unknown")))
    assert await desk.type(str(number), "--give-up") == (0, "第1条不再发了。\n", "")
    assert await desk.state("waiting") == ("unknown", "given up")
    assert await desk.type(str(number), "--give-up") == (1, "", "第1条早就不发了。\n")


async def test_what_was_never_tried_and_is_given_up_failed(desk: Desk) -> None:
    await desk.claim("p1", timedelta(0))
    assert await desk.give_up("waiting") is Answer.DONE
    assert await desk.state("waiting") == ("failed", "given up")
    with pytest.raises(outbox.LeaseLost):
        await desk.books.write(
            lambda session: outbox.begin_attempt(
                session,
                community_id=desk.ground.community.id,
                channel="hook",
                address="x",
                ids=[desk.ids["waiting"]],
                token="p1",
                now=NOW,
                wall=NOW,
                until=NOW + HOUR,
            )
        )
    assert await desk.books.read(violations) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--again"], "要写明是哪几条，例如 linli outbox 17 --again\n"),
        (["3", "--again", "--give-up"], "--again 和 --give-up 只能选一个。\n"),
    ],
)
async def test_words_that_say_too_little_or_too_much(desk: Desk, words: list[str], complaint: str) -> None:
    assert await desk.type(*words) == (2, "", complaint)


async def test_panel_shows_the_same_and_does_the_same(street: Street) -> None:
    stage = Stage(street.house)
    await street.until(november(17, 22, 0))
    await street.say("张敏", "加分 李建国 5 修灯")
    (letter,) = (await stage.mail("waiting")).letters
    assert (letter.to, letter.why, letter.again, letter.give_up) == (
        "李建国",
        "免打扰的时候不发，等早上，11月18日 周三 7:00 发",
        False,
        True,
    )
    assert await stage.wish(letter.number, "give_up") == f"第{letter.number}条不再发了。"
    with pytest.raises(Misuse, match="早就不发了"):
        await stage.wish(letter.number, "give_up")
    shown = await stage.mail("failed")
    assert ([one.why for one in shown.letters], shown.figures["failed"]) == (["管机器人的人说不发了"], 1)
    assert await stage.wish(letter.number, "again") == f"第{letter.number}条会再发。"
    await street.until(november(18, 8, 0))
    assert [one.to for one in (await stage.mail("sent")).letters][:1] == ["李建国"]
    assert (await stage.mail("sent")).troubles == []


# -- the words ----------------------------------------


@pytest.mark.parametrize("codes", [wecom_group_webhook.PERMANENT, wecom_app.UNREACHABLE, MISCONFIGURED, PAUSES,
                                   wecom_aibot_socket.PERMANENT, ("invaliduser", "unlicenseduser", "no-push")])  # fmt: skip
def test_what_a_platform_refuses_with_is_said_in_chinese(codes: Iterable[int | str]) -> None:
    assert [code for code in codes if in_words(f"{code} english").startswith("平台说“")] == []


def test_what_the_operator_has_to_enter_is_named() -> None:
    reason = "60020 this machine's address is not among the app's trusted ones (203.0.113.9)"
    assert in_words(reason) == "这台机器的公网地址不在应用的“企业可信IP”里：203.0.113.9（60020）"
    assert in_words("77777 anything (at all)") == "平台说“77777 anything (at all)”"


def test_a_try_that_is_set_is_told_with_its_time() -> None:
    waits = Delivery(
        1, 1, "outbox", "", None, "张敏", OutboxState.WAITING, "45009 too often", False,
        NOW, NOW, NOW + HOUR, NOW + timedelta(minutes=5), None,
    )  # fmt: skip
    assert why(waits, NOW) == "发得太频繁，平台让歇一会儿（45009），9:05 再试"
    assert why(waits, NOW + HOUR) == "发得太频繁，平台让歇一会儿（45009），会再试"
