"""The `linli` command as an operator runs it: real processes, real files, exit codes, sentences."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
import typer
from sqlalchemy import insert

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.config import load
from bot.fonts import find_font
from bot.terminal.fake_wecom import find_fakes
from models.inbox import Trouble
from tests.fakes.wecom_callbacks import AES_KEY, AGENT_ID, CORP_ID, TOKEN, Platform, app_text

ROOT = Path(__file__).parent.parent
SATURDAY = "2026-11-21T08:55+08:00"
TUESDAY = "2026-11-17T19:30+08:00"
CAME = "王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走的时候发一声 签退。"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINLI_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "NO_COLOR": "1", "COLUMNS": "200"}


async def _start(*arguments: str, cwd: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=cwd,
        env=_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def linli(*arguments: str, cwd: Path, stdin: str = "") -> Ran:
    """Runs a command to its end, in a folder in which nothing is configured."""
    process = await _start(*arguments, cwd=cwd)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert process.returncode is not None
    assert "Traceback" not in err.decode(), err.decode()
    return Ran(process.returncode, out.decode(), err.decode())


# -- talking ----------------------------------------


async def test_say_prints_the_answer_and_what_went_out_beside_it(tmp_path: Path) -> None:
    asked = await linli("say", "--as", "王秀英", "--in", "3栋群", "@小邻 积分", "--at", TUESDAY, cwd=tmp_path)
    assert asked == Ran(
        0,
        "已私信您。\n→ 王秀英：王秀英，您现有16分，本月+0分，服务时长5小时9分。\n为什么有这些分，请发 积分明细。\n",
        "",
    )
    # Nothing is left behind where there is no demo.
    assert os.listdir(tmp_path) == []


async def test_replay_plays_a_file_in_order_and_moves_the_clock(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"as": "王秀英", "in": "3栋群", "text": "签到"},
        {"clock": SATURDAY},
        {"as": "王秀英", "in": "3栋群", "text": "签到", "message_id": "m1"},
        {"as": "王秀英", "in": "3栋群", "text": "签到", "message_id": "m1"},
        {"as": "李建国", "in": "3栋群", "text": "签到", "quote": "activity:12", "at": "2026-11-21T09:10"},
        {"as": "李建国", "text": "积分"},
        {"clock": "2026-11-21T11:00:00+08:00"},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "talk.jsonl").write_text(f'{text}\n\n{{"as": 3}}\n', "utf-8")
    played = await linli("replay", "talk.jsonl", "--at", TUESDAY, cwd=tmp_path)
    # What came before the line that is wrong was played.
    assert (played.code, played.err) == (
        2,
        '第9行：缺少 as、text，要写成 {"as": "王秀英", "in": "3栋群", "text": "签到"}\n',
    )
    heard = [json.loads(line) for line in played.out.splitlines()]
    assert [(one["reply"], one["outcome"]) for one in heard] == [
        ("", "ignore"),
        ("", "clock"),
        (CAME, "act"),
        (CAME, "repeated"),
        ("李建国，「清洁家园」签到成功 9:10，积分+5（现有9分）。\n走的时候发一声 签退。", "act"),
        ("李建国，您现有9分，本月+5分，服务时长1小时45分。\n为什么有这些分，请发 积分明细。", "read"),
        ("", "clock"),
    ]
    assert [[push["to"] for push in one["pushes"]] for one in heard] == [
        [],
        ["何叔", "小吴", "陈美玲", "赵强", "3栋群", "5栋群", "社区大群"],
        [],
        [],
        [],
        [],
        ["王秀英", "李建国"],
    ]


async def test_understand_answers_each_line_and_writes_nothing(tmp_path: Path) -> None:
    lines = [
        {"text": "报名 12 两个人"},
        {"text": "签到那家火锅店满减"},
        {"text": "发布活动 周六9点 清洁家园", "role": "resident", "channel": "dm"},
        {"text": "发布活动 周六9点 包饺子 活动室 20人 5分", "role": "secretary", "channel": "dm"},
        {"text": "签到", "context": {"quote": {"from": "bot", "ref": "activity:12", "text": ""}}, "at": SATURDAY},
    ]
    stdin = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    understood = await linli(
        "understand", "--explain", "--at", TUESDAY, cwd=tmp_path, stdin=f'{stdin}\n{{"text": "签到", "role": "king"}}'
    )
    assert understood.code == 2
    assert understood.err.startswith("第6行：没有「king」这个角色，可以写 resident、member、")
    meant = [json.loads(line) for line in understood.out.splitlines()]
    assert all(one.pop("why") for one in meant)
    assert [set(one) for one in meant] == [{"intent", "slots", "also", "outcome", "say"}] * 5
    assert [(one["intent"], one["outcome"]) for one in meant] == [
        ("signup", "act"),
        ("smalltalk", "ignore"),
        ("create_activity", "deny"),
        ("create_activity", "act"),
        ("checkin", "act"),
    ]
    assert meant[0]["slots"] == {"activity": "12", "count": 2}
    assert meant[3]["slots"]["when_at"] == "2026-11-21T09:00:00+08:00"


# -- the books ----------------------------------------


async def test_migrate_and_verify_say_how_the_books_stand(tmp_path: Path, sqlite_demo: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.sqlite3"
    damaged = tmp_path / "damaged.sqlite3"
    shutil.copy(sqlite_demo, damaged)
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE balances SET amount = amount + 1 WHERE currency = 'points' AND member_id = 2")
    connection.close()
    newer = tmp_path / "newer.sqlite3"
    shutil.copy(sqlite_demo, newer)
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
    connection.close()
    made, wrong, refused = await asyncio.gather(
        linli("migrate", "--db", url, cwd=tmp_path),
        linli("verify", "--db", f"sqlite:///{damaged}", cwd=tmp_path),
        linli("migrate", "--db", f"sqlite:///{newer}", cwd=tmp_path),
    )
    assert (made.code, made.out[:11], made.err) == (0, "数据库已从 空 升级到", "")
    assert wrong == Ran(1, "balances.sum：2\n", "")
    assert refused == Ran(
        2,
        "",
        "这个数据库是更新的版本写的（9999_of_tomorrow），请先升级程序，不要用旧程序打开。\n",
    )


async def test_webhook_reads_what_users_copy_and_lets_them_correct_it(tmp_path: Path, sqlite_demo: Path) -> None:
    shutil.copy(sqlite_demo, tmp_path / "linli.sqlite3")
    (tmp_path / "config.toml").write_text(
        """
[database]
url = "sqlite:///linli.sqlite3"

[secrets]
key = "a passphrase long enough"

[channels.hook]
kind = "wecom_group_webhook"
""",
        "utf-8",
    )
    first, second = ("693a91f6-7ccc-4bc4-97a0-0000000000" + number for number in ("01", "02"))
    whole = f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={first}"
    heard = []
    for typed, group in ((whole, "3栋群"), (second, "3栋群"), (second, "5栋群"), ("a-key", "5栋群"), (first, "8栋群")):
        heard.append(await linli("webhook", group, "--channel", "hook", cwd=tmp_path, stdin=f"{typed}\n"))

    assert heard == [
        Ran(0, "3栋群 登记好了，以后的提醒会发到那里。\n", ""),
        Ran(0, "3栋群 换成新的 key 了，以后的提醒会发到那里。\n", ""),
        Ran(1, "", "这个 key 是 3栋群 的。每个群有自己的群机器人，请到 5栋群 里复制它的。\n"),
        Ran(
            2,
            "",
            "这不像群机器人的 key。请到群机器人的页面复制整个 Webhook 地址，或者其中 key= 后面的那一段。\n",
        ),
        Ran(1, "", "没有 8栋群，有的是：3栋群、党员群、5栋群、物业群、社区大群\n"),
    ]
    with sqlite3.connect(tmp_path / "linli.sqlite3") as connection:
        ((address, sealed),) = connection.execute(
            "SELECT address, sealed_secret FROM endpoints WHERE sealed_secret <> ''"
        )
    connection.close()
    assert second not in address + sealed


# -- serving ----------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(*arguments: str, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that serves, from its first line on; it is ended however the test ends."""
    process = await _start(*arguments, cwd=cwd)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        if not line:
            assert process.stderr is not None
            pytest.fail((await process.stderr.read()).decode())
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


def content(inner: bytes) -> str:
    return ElementTree.fromstring(inner).findtext("Content") or ""


async def test_run_serves_a_channel_and_stops_when_all_is_answered(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "config.toml").write_text(
        f"""
[database]
url = "sqlite:///{tmp_path}/linli.sqlite3"

[http]
port = {port}

[channels.app]
kind = "wecom_app"
token = "{TOKEN}"
aes_key = "{AES_KEY}"
corp_id = "{CORP_ID}"
agent_id = {AGENT_ID}
""",
        "utf-8",
    )
    found = await linli(
        "found", "锦绣社区", "--secretary", "张敏", "--account", "ZhangMin", "--channel", "app", cwd=tmp_path
    )
    assert found == Ran(0, "锦绣社区 建好了。请 张敏 在群里 @小邻 发 绑定群 1栋\n", "")
    platform = Platform(f"http://127.0.0.1:{port}/callback/app", "xml", time.time, receive_id=CORP_ID, deadline=20)
    async with serving("run", cwd=tmp_path) as process:
        # The console's check of the address, then a message of the secretary and one of a stranger.
        assert (await platform.verify("42")).body == b"42"
        first = await platform.deliver(app_text("同意", user="zhangmin", message_id="0"))
        assert content(first.inner) == "好的，记下了，谢谢！\n想看看我会什么，请发 帮助。"
        answer = await platform.deliver(app_text("不上榜", user="zhangmin", message_id="1"))
        assert content(answer.inner) == "好的，积分榜不再显示您。想重新上榜请发 我要上榜。"
        again = await platform.deliver(app_text("不上榜", user="zhangmin", message_id="1"))
        assert content(again.inner) == content(answer.inner)
        stranger = await platform.deliver(app_text("签到", user="lisi", message_id="2"))
        assert content(stranger.inner) == "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"

        base = f"http://127.0.0.1:{port}"
        (health, why), (live, _), (metrics, figures) = await asyncio.gather(
            *(get(base + path) for path in ("/healthz", "/livez", "/metrics"))
        )
        assert (health, live, metrics) == (200, 200, 200), why
        assert 'channel="app"' in figures
        assert TOKEN not in figures + why

        # One database, one process.
        second = await linli("run", cwd=tmp_path)
        assert second == Ran(1, "", "这个数据库已经有一个程序在用了，不能同时运行两个。\n")

        # A storm, and in the middle of it the end: whatever had an effect was answered.
        storm = [
            asyncio.create_task(
                platform.deliver(app_text(("不上榜", "我要上榜")[number % 2], user="zhangmin", message_id=f"s{number}"))
            )
            for number in range(60)
        ]
        await asyncio.wait(storm, return_when=asyncio.FIRST_COMPLETED)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        answers = await asyncio.gather(*storm)
        assert process.stderr is not None
        assert "Traceback" not in (await process.stderr.read()).decode()
    answered = [index for index, one in enumerate(answers) if one.status == 200]
    with sqlite3.connect(tmp_path / "linli.sqlite3") as connection:
        written = {row[0] for row in connection.execute("SELECT message_id FROM inbox WHERE message_id LIKE 's%'")}
    connection.close()
    assert written == {f"s{index}" for index in answered}
    assert answered != []
    sound = await linli("verify", cwd=tmp_path)
    assert sound == Ran(0, "账本核对无误。\n", "")


async def test_run_says_what_is_wrong_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[http]\nport = "many"\n[channels.app]\nkind = "pigeon"\n', "utf-8")
    wrong = await linli("run", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "http.port" in wrong.err
    assert "channels.app" in wrong.err
    (tmp_path / "config.toml").write_text('[database]\nurl = "postgresql://linli:geheim@127.0.0.1:1/linli"\n', "utf-8")
    unreachable = await linli("run", cwd=tmp_path)
    assert unreachable == Ran(1, "", "连不上数据库 127.0.0.1:1/linli。请看看它开着没有，地址、用户名和密码对不对。\n")


async def test_demo_opens_the_simulator_and_a_second_one_leaves_it_alone(tmp_path: Path) -> None:
    port = free_port()
    demo = ("demo", "--port", str(port), "--at", TUESDAY, "--file", "demo.sqlite3")
    async with serving(*demo, cwd=tmp_path) as process:
        base = f"http://127.0.0.1:{port}"
        status, page = await get(f"{base}/simulator")
        assert (status, '<html lang="zh-CN">' in page) == (200, True)
        second = await linli("demo", "--port", str(free_port()), "--file", "demo.sqlite3", cwd=tmp_path)
        assert second == Ran(1, "", "演示已经在运行了。请先关掉它，或用 --file 另选一个文件。\n")
        # The running demo's books are where they were, with everybody in them.
        with sqlite3.connect(tmp_path / "demo.sqlite3") as connection:
            assert connection.execute("SELECT count(*) FROM members WHERE name = '王秀英'").fetchone() == (1,)
        connection.close()
        busy = await linli("demo", "--port", str(port), "--file", "other.sqlite3", cwd=tmp_path)
        assert (busy.code, busy.err) == (
            1,
            f"打不开 127.0.0.1:{port}（Address already in use）。端口可能被占用，请换一个。\n",
        )
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_the_demo_shows_the_wire_of_a_wecom_that_is_none(tmp_path: Path) -> None:
    # A real configuration that lies here is not the demo's business.
    (tmp_path / "config.toml").write_text('[channels.real]\nkind = "wecom_group_webhook"\n', "utf-8")
    demo = ("demo", "--fake-wecom", "--port", str(free_port()), "--at", TUESDAY, "--file", "demo.sqlite3")
    async with serving(*demo, cwd=tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("王秀英 3栋群：@小邻 报名", "王秀英 点 义诊", "随便"):
            process.stdin.write(f"{line}\n".encode())
        await process.stdin.drain()
        shown: list[str] = []
        async with asyncio.timeout(30):
            while not shown or "看不懂" not in shown[-1]:
                shown.append((await process.stdout.readline()).decode())
            while "aibot_respond_msg" not in shown[-1]:
                shown.append((await process.stdout.readline()).decode())
        asked = json.loads(shown[-1].split(" → ", 1)[1])
        buttons = asked["body"]["template_card"]["button_list"]
        assert [button["text"] for button in buttons] == ["清洁家园", "义诊", "反诈宣传"]
        process.stdin.write("王秀英 点 义诊\n".encode())
        async with asyncio.timeout(30):
            while "aibot_respond_update_msg" not in shown[-1]:
                shown.append((await process.stdout.readline()).decode())
        assert "已给 王秀英 报名「义诊」" in shown[-1]
        process.stdin.write("老赵 应用：发榜 给我\n李建国 应用 发图\n".encode())
        wanted = {"gettoken", "media/get", "message/send", "现在没有要它的事"} | (
            {"media/upload"} if find_font() else set()
        )
        async with asyncio.timeout(30):
            while wanted:
                line = (await process.stdout.readline()).decode()
                wanted -= {part for part in wanted if "自建应用 →" in line and part in line}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


def test_an_installed_package_says_where_the_fake_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        find_fakes(tmp_path)
    assert capsys.readouterr().err == (
        "假企业微信在源代码的 tests/fakes 里，装好的包不带它：请在下载的源代码目录里装，再运行一次。\n"
    )


async def test_what_met_a_bug_is_replayed_from_the_books(tmp_path: Path, sqlite_demo: Path) -> None:
    """A message that was kept whole is answered once the bug is gone, and forgotten then."""
    path = tmp_path / "demo.sqlite3"
    shutil.copy(sqlite_demo, path)
    config = load(None, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
    books = await Books.open(f"sqlite:///{path}", threads=1)
    house = House(config, books)
    kept = {
        "channel": "simulator", "message_id": "bug", "namespace": "simulator", "sender": "王秀英", "text": "不上榜",
        "address": "", "addressed": True, "quote": None, "at": TUESDAY,
    }  # fmt: skip
    await books.write(
        lambda s: s.execute(
            insert(Trouble),
            {"channel": "simulator", "message_id": "bug", "incoming": kept, "error": "", "at": house.wall.now()},
        )
    )
    await house.close()
    url = f"sqlite:///{path}"
    replayed = await linli("replay", "--kept", "--db", url, cwd=tmp_path)
    assert json.loads(replayed.out) == {
        "reply": "好的，积分榜不再显示您。想重新上榜请发 我要上榜。",
        "pushes": [],
        "outcome": "act",
    }
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM troubles").fetchone() == (0,)
    connection.close()


async def test_bench_on_a_used_port_says_so_and_no_more(tmp_path: Path) -> None:
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "bench" / "serve.py"),
            cwd=tmp_path,
            env={
                **_environment(),
                "BENCH_PORT": str(port),
                "BENCH_DB": str(tmp_path / "bench.sqlite3"),
                "BENCH_RESIDENTS": "10",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out.decode(), err.decode()) == (
        1,
        "",
        f"打不开 127.0.0.1:{port}（Address already in use）。端口可能被占用，请换一个。\n",
    )
