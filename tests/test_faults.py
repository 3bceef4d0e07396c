"""Faults: a full disk, a killed process, deliveries over and over.

What was answered stands in the books; what was not answered has left no trace, and the platform's next delivery finds a
fresh chance. The full disk is a real one: the process may not make any file longer than its log is by then.
"""

import asyncio
import contextlib
import resource
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books, BooksBusy
from bot.config import load
from handlers.chat import Incoming
from models.check_in import CheckIn
from models.clock import WallClock
from models.inbox import Trouble
from models.members import add_identity
from models.verify import violations
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Answer, Platform, app_text
from tests.ground import add_many, lay, publish

PEOPLE = 60
NAMESPACE = f"wecom:{CORP_ID}"


def open_the_doors(session: Session) -> None:
    """Residents whose accounts are u0 to u59, and activity 1, which they can check in to now."""
    ground, now = lay(session), WallClock().now()
    for number, member_id in enumerate(add_many(session, ground, PEOPLE)):
        add_identity(
            session,
            community_id=ground.community.id,
            member_id=member_id,
            namespace=NAMESPACE,
            external_id=f"u{number}",
            now=now,
        )
    publish(session, ground, starts_at=now)


def check_ins(session: Session) -> int:
    return session.execute(select(func.count()).select_from(CheckIn)).scalar_one()


def arrival(number: int) -> bytes:
    """One person's 签到, always the same message."""
    return app_text("签到 1", user=f"u{number}", message_id=f"73000000000000{number:05d}")


def written_config(folder: Path, url: str, port: int) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f"""
[database]
url = "{url}"
[http]
port = {port}
keepalive_seconds = 1.0
[log]
level = "warning"
[channels.app]
kind = "wecom_app"
token = "{TOKEN}"
aes_key = "{AES_KEY}"
corp_id = "{CORP_ID}"
agent_id = {AGENT_ID}
""",
        "utf-8",
    )
    return path


async def prepared(url: str) -> None:
    books = await Books.open(url, threads=1)
    await books.write(open_the_doors)
    await books.close()


@contextlib.contextmanager
def no_room_beyond(log: Path) -> Iterator[None]:
    """Lets no file grow beyond the length that this one has: what else is open (pytest's own) is shorter."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def much(session: Session) -> None:
    """Makes the write-ahead log half a megabyte long."""
    session.execute(
        insert(Trouble),
        {
            "channel": "app",
            "message_id": "x",
            "incoming": {},
            "error": "长" * 170_000,
            "at": WallClock().now(),
        },
    )


@contextlib.asynccontextmanager
async def open_house(url: str, folder: Path) -> AsyncIterator[tuple[House, str]]:
    """A house behind HTTP, and its address."""
    config = load(
        written_config(folder, url, 8080), {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS
    )
    house = House(config, await Books.open(url, threads=4))
    runner = web.AppRunner(house.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield house, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await house.close()


def platform(address: str, *, tries: int = 1) -> Platform:
    return Platform(f"{address}/callback/app", "xml", time.time, receive_id=CORP_ID, tries=tries)


async def status_of(address: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status


async def test_a_write_that_finds_no_room_is_busy_and_leaves_nothing(sqlite_url: str) -> None:
    books = await Books.open(sqlite_url)
    await books.write(open_the_doors)
    await books.write(much)
    commits: list[int] = []
    books.on_commit.append(lambda units, _: commits.append(units))
    with no_room_beyond(Path(sqlite_url.removeprefix("sqlite:///") + "-wal")):
        results = await asyncio.gather(*(books.write(much) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [BooksBusy] * 3
        assert books.failing
        with pytest.raises(BooksBusy):
            await books.prove_writable()
    await books.prove_writable()
    assert not books.failing
    assert commits == [1], "a commit that failed is none"
    await books.write(much)
    assert await books.read(lambda s: s.scalar(select(func.count()).select_from(Trouble))) == 2
    await books.close()


async def test_a_message_that_finds_no_room_is_refused_until_there_is_some(sqlite_url: str, tmp_path: Path) -> None:
    await prepared(sqlite_url)
    async with open_house(sqlite_url, tmp_path) as (house, address):
        wecom = platform(address)
        assert (await wecom.deliver(arrival(0))).status == 200
        await house.books.write(much)
        assert await status_of(f"{address}/healthz") == 200
        with no_room_beyond(Path(sqlite_url.removeprefix("sqlite:///") + "-wal")):
            # One message may still fit into the last page; of twenty none does.
            refused = await asyncio.gather(*(wecom.deliver(arrival(number)) for number in range(1, 21)))
            assert {answer.status for answer in refused} == {503}
            assert await status_of(f"{address}/healthz") == 503
            assert (await wecom.deliver(arrival(0))).status == 200, "a stored answer needs no room"
        assert await house.books.read(check_ins) == 1
        # Nothing is heard in between: the look at the health itself finds out.
        assert await status_of(f"{address}/healthz") == 200
        answers = await asyncio.gather(*(wecom.deliver(arrival(number)) for number in range(1, 21)))
        assert all("签到成功" in answer.inner.decode() for answer in answers)
        assert await house.books.read(check_ins) == 21
        assert await house.books.read(violations) == []


async def test_fifty_copies_at_once_act_once_and_get_one_answer(database_url: str, tmp_path: Path) -> None:
    await prepared(database_url)
    async with open_house(database_url, tmp_path) as (house, address):
        wecom = platform(address)
        answers = await asyncio.gather(*(wecom.deliver(arrival(7)) for _ in range(50)))
        assert len({content(answer) for answer in answers}) == 1
        assert "签到成功" in content(answers[0])
        assert await house.books.read(check_ins) == 1
        assert await house.books.read(violations) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_copies_split_over_two_houses_act_once_and_get_one_answer(database_url: str, tmp_path: Path) -> None:
    await prepared(database_url)
    (one_folder := tmp_path / "one").mkdir()
    (other_folder := tmp_path / "other").mkdir()
    async with (
        open_house(database_url, one_folder) as (one, _),
        open_house(database_url, other_folder) as (other, _),
    ):
        for number in range(10):
            copies = [
                house.hear(Incoming("app", f"73{number}", NAMESPACE, f"u{number}", "签到 1"))
                for house in (one, other) * 10
            ]
            replies = {reply.text for reply in await asyncio.gather(*copies)}
            assert len(replies) == 1, replies
            assert "签到成功" in replies.pop()
        assert await one.books.read(check_ins) == 10
        assert await other.books.read(violations) == []


# -- whole processes ----------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def started(config: Path) -> AsyncIterator[Process]:
    """A serving process, once it says that it serves. Nothing of it is left afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--config", str(config), stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if not await asyncio.wait_for(process.stdout.readline(), 20):
            pytest.fail((await process.stderr.read()).decode())
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def files_of(url: str) -> list[str]:
    path = Path(url.removeprefix("sqlite:///"))
    return sorted(one.name for one in path.parent.glob(f"{path.name}*"))


def content(answer: Answer) -> str:
    """What the person reads; the rest of a reply is made anew each time."""
    text = answer.inner.decode()
    return text[text.find("<Content>") : text.find("</Content>")]


async def test_a_killed_process_loses_nothing_that_it_answered(sqlite_url: str, tmp_path: Path) -> None:
    await prepared(sqlite_url)
    port = free_port()
    config = written_config(tmp_path, sqlite_url, port)
    wecom = platform(f"http://127.0.0.1:{port}")
    answered: dict[int, str] = {}

    async with started(config) as process:

        async def arrive(number: int) -> None:
            answer = await wecom.deliver(arrival(number))
            if answer.status == 200:
                answered[number] = content(answer)
            if len(answered) == PEOPLE // 3 and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

        await asyncio.gather(*(arrive(number) for number in range(PEOPLE)))
    before = dict(answered)
    assert len(before) >= PEOPLE // 3

    async with started(config) as process:
        again = await asyncio.gather(*(wecom.deliver(arrival(number)) for number in range(PEOPLE)))
        assert {number: content(again[number]) for number in before} == before
        assert all("签到成功" in content(answer) for answer in again)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0

    books = await Books.open(sqlite_url)
    assert await books.read(check_ins) == PEOPLE
    assert await books.read(violations) == []
    await books.close()


async def test_a_process_sheds_what_is_no_request_and_refuses_a_second_process(sqlite_url: str, tmp_path: Path) -> None:
    await prepared(sqlite_url)
    port = free_port()
    config = written_config(tmp_path, sqlite_url, port)
    async with started(config) as process:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(config), stdout=PIPE, stderr=PIPE
        )
        _, said = await asyncio.wait_for(second.communicate(), 20)
        assert (second.returncode, said.decode()) == (1, "这个数据库已经有一个程序在用了，不能同时运行两个。\n")

        async def sent(raw: bytes) -> bytes:
            """What comes back for these bytes until the server hangs up, which it must by itself."""
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            try:
                return await asyncio.wait_for(reader.read(), 5)
            finally:
                writer.close()

        long_line = b"POST /callback/app?x=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        refusals = await asyncio.gather(
            sent(long_line), sent(b"GET / HTTP/1.1\r\nno header\r\n\r\n"), sent(b"GET / HTTP/9\r\n\r\n")
        )
        assert [refusal[:12] for refusal in refusals] == [b"HTTP/1.0 400"] * 3
        # Half a head, and silence: the time for idle connections ends it.
        assert await sent(b"POST /callback/app HTTP/1.1\r\nHost:") == b""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as response,
        ):
            assert 'linli_callbacks_refused_total{channel="",reason="http"} 3.0' in await response.text()

        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 10)
        assert (process.returncode, log.decode()) == (0, "")
        assert files_of(sqlite_url) == ["linli.sqlite3", "linli.sqlite3.lock"], "the log was not folded into the file"
