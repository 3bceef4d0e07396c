"""Health: ready or not, and why, over HTTP; a check that hangs, fails or never ends harms nobody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from bot.health import Health

TIMEOUT_SECONDS = 0.2


@pytest.fixture
async def health() -> AsyncIterator[Health]:
    health = Health(timeout_seconds=TIMEOUT_SECONDS)
    yield health
    await health.close()


@pytest.fixture
async def client(health: Health) -> AsyncIterator[ClientSession]:
    app = web.Application()
    app.add_routes(health.routes())
    async with TestServer(app) as server, ClientSession(base_url=server.make_url("/")) as session:
        yield session


async def asked(client: ClientSession, path: str = "/healthz") -> tuple[int, Any]:
    async with client.get(path) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def well() -> str:
    return ""


async def full() -> str:
    return "磁盘满了"


async def hanging() -> str:
    await asyncio.Event().wait()
    return ""


async def failing() -> str:
    raise ConnectionError("postgresql://linli:s3cret@db/linli is away")


async def test_ready_when_all_checks_are_well(health: Health, client: ClientSession) -> None:
    health.register("数据库", well)
    health.register("调度", well)

    assert await asked(client) == (
        200,
        {
            "ready": True,
            "checks": [{"name": "数据库", "ok": True, "why": ""}, {"name": "调度", "ok": True, "why": ""}],
        },
    )


async def test_ready_without_any_check(client: ClientSession) -> None:
    assert await asked(client) == (200, {"ready": True, "checks": []})


async def test_not_ready_names_each_reason_in_order(health: Health, client: ClientSession) -> None:
    for name, check in (("甲", hanging), ("乙", well), ("丙", full), ("丁", failing)):
        health.register(name, check)

    assert await asked(client) == (
        503,
        {
            "ready": False,
            "checks": [
                {"name": "甲", "ok": False, "why": "超时"},
                {"name": "乙", "ok": True, "why": ""},
                {"name": "丙", "ok": False, "why": "磁盘满了"},
                {"name": "丁", "ok": False, "why": "检查出错（ConnectionError）"},
            ],
        },
    )


async def test_answer_is_readable_without_decoding(health: Health, client: ClientSession) -> None:
    health.register("磁盘", full)

    async with client.get("/healthz") as answer:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "磁盘满了" in await answer.text()


async def test_alive_although_nothing_is_well(health: Health, client: ClientSession) -> None:
    health.register("数据库", hanging)
    health.register("磁盘", failing)

    assert await asked(client, "/livez") == (200, {"alive": True})


async def test_hanging_checks_wait_side_by_side(health: Health, client: ClientSession) -> None:
    for number in range(10):
        health.register(f"第{number}项", hanging)

    before = time.monotonic()
    status, _ = await asked(client)

    assert status == 503
    assert TIMEOUT_SECONDS <= time.monotonic() - before < 5 * TIMEOUT_SECONDS


async def test_ready_again_when_the_trouble_is_over(health: Health, client: ClientSession) -> None:
    up = asyncio.Event()

    async def answering() -> str:
        await up.wait()
        return ""

    health.register("数据库", answering)

    assert (await asked(client))[0] == 503
    up.set()
    assert (await asked(client))[0] == 200


async def test_ready_again_although_the_first_question_is_never_answered(health: Health, client: ClientSession) -> None:
    asked_before: list[int] = []

    async def losing_the_first() -> str:
        asked_before.append(1)
        return await (hanging() if len(asked_before) == 1 else well())

    health.register("数据库", losing_the_first)

    assert [(await asked(client))[0] for _ in range(2)] == [503, 200]


async def test_check_runs_once_for_all_who_ask_at_the_same_time(health: Health) -> None:
    runs: list[int] = []
    gate = asyncio.Event()

    async def counted() -> str:
        runs.append(1)
        await gate.wait()
        return ""

    health.register("数据库", counted)
    asking = [asyncio.ensure_future(health.findings()) for _ in range(20)]
    await asyncio.sleep(0)
    gate.set()

    assert [finding.ok for found in await asyncio.gather(*asking) for finding in found] == [True] * 20
    assert len(runs) == 1


async def test_check_that_ignores_its_end_is_not_started_again(health: Health) -> None:
    runs: list[int] = []
    gate = asyncio.Event()

    async def stubborn() -> str:
        runs.append(1)
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return ""

    health.register("数据库", stubborn)

    assert [finding.why for _ in range(3) for finding in await health.findings()] == ["超时"] * 3
    assert len(runs) == 1
    gate.set()
    assert [finding.ok for finding in await health.findings()] == [True]
    assert [finding.ok for finding in await health.findings()] == [True]
    assert len(runs) == 2


async def test_request_that_joins_late_is_told_of_the_timeout_too(health: Health) -> None:
    health.register("数据库", hanging)

    first = asyncio.ensure_future(health.findings())
    await asyncio.sleep(TIMEOUT_SECONDS / 2)
    second = asyncio.ensure_future(health.findings())

    assert [[finding.why for finding in found] for found in await asyncio.gather(first, second)] == [
        ["超时"],
        ["超时"],
    ]


async def test_asker_who_leaves_does_not_end_the_check_for_others(health: Health) -> None:
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return ""

    health.register("数据库", slow)
    leaving = asyncio.ensure_future(health.findings())
    await asyncio.sleep(0)
    staying = asyncio.ensure_future(health.findings())
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()

    assert [finding.ok for finding in await staying] == [True]


async def test_closing_ends_checks_that_still_run(health: Health) -> None:
    ended = asyncio.Event()

    async def watched() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    health.register("数据库", watched)
    asking = asyncio.ensure_future(health.findings())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await health.close()

    assert ended.is_set()
    assert [finding.why for finding in await asking] == ["超时"]


def test_name_can_be_taken_only_once() -> None:
    health = Health()
    health.register("数据库", well)

    with pytest.raises(ValueError, match="数据库"):
        health.register("数据库", full)
