"""`linli check`: every line is true of a house that was built to be so, well or ill."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import insert, text

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.backup import make_copy
from bot.books import Books
from bot.config import Config, ConfigError, load
from bot.doctor import Finding, State, examine
from bot.doctor.database import missed_slot, proof
from bot.doctor.machine import chinese_fonts, disk
from bot.doctor.reach import apps
from bot.secrets import Sealer
from bot.terminal import open_engine
from jobs import housekeeping
from models import hearing, schedule
from models.clock import WallClock
from models.directory import add_endpoint
from models.inbox import keep_trouble
from models.outbox import Outbox
from models.schedule import Slot
from tests.dialogue import november
from tests.fakes.terminal import Terminal
from tests.fakes.wecom_callbacks import AES_KEY, CORP_ID, TOKEN, Platform, app_text
from tests.fakes.wecom_corp import WecomCorp
from tests.ground import lay

KEY = "一句至少十六个字的口令，给测试用的"
NOW = WallClock().now()


def configured(url: str, folder: Path, more: str = "", *, port: int = 1) -> Config:
    file = folder / "config.toml"
    file.write_text(
        f"""
[database]
url = "{url}"
[http]
port = {port}
[backup]
folder = "{folder}/copies"
[secrets]
key = "{KEY}"
[channels.app]
kind = "wecom_app"
token = "{TOKEN}"
aes_key = "{AES_KEY}"
corp_id = "{CORP_ID}"
agent_id = 1
{more}
""",
        "utf-8",
    )
    file.chmod(0o600)
    return load(file, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)


def of(findings: list[Finding], name: str) -> list[Finding]:
    return [one for one in findings if one.name == name]


async def looked(config: Config, now: datetime = NOW) -> list[Finding]:
    return await asyncio.to_thread(examine, config, now)


@asynccontextmanager
async def served(config: Config, url: str) -> AsyncIterator[tuple[House, int]]:
    """The bot behind HTTP, on a port of its own."""
    house = House(config, await Books.open(url, threads=2))
    runner = web.AppRunner(house.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield house, runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await house.close()


async def test_a_house_that_runs_well_has_nothing_broken(database_url: str, tmp_path: Path) -> None:
    books = await Books.open(database_url)
    await books.write(lambda session: lay(session) and None)
    await books.close()
    config = configured(database_url, tmp_path)
    await asyncio.to_thread(make_copy, database_url, config.backup, now=NOW)
    async with served(config, database_url) as (house, port):
        platform = Platform(f"http://127.0.0.1:{port}/callback/app", "xml", time.time, receive_id=CORP_ID, deadline=20)
        await platform.deliver(app_text("你好"))
        await house.scheduler.tick()
        await house.listening.note()
        here = configured(database_url, tmp_path, port=port)
        public = f'[http]\nport = {port}\npublic_url = "http://127.0.0.1:{port}"\n'
        text_ = (tmp_path / "config.toml").read_text("utf-8").replace(f"[http]\nport = {port}\n", public)
        (tmp_path / "config.toml").write_text(text_, "utf-8")
        here = load(tmp_path / "config.toml", {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
        findings = await looked(here, WallClock().now())
        assert [one for one in findings if one.state is not State.OK and one.name not in ("字体", "时钟")] == []
        assert [one.what for one in of(findings, "回调地址 app")] == [
            "从本机走得通，Token 和 EncodingAESKey 对得上",
            "从外面走得通，Token 和 EncodingAESKey 对得上",
        ]
        assert [one.what[:9] for one in of(findings, "通道 app")] == ["wecom_app", "最近一次收到消息在"[:9]]
        # The bot was started with other keys than the file has by now.
        changed = (tmp_path / "config.toml").read_text("utf-8").replace(TOKEN, "another")
        (tmp_path / "config.toml").write_text(changed, "utf-8")
        other = load(tmp_path / "config.toml", {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)
        found = await looked(other, WallClock().now())
        assert [one.state for one in of(found, "回调地址 app")] == [State.BROKEN] * 2


async def test_what_went_wrong_in_the_books_is_told(database_url: str, tmp_path: Path) -> None:
    books = await Books.open(database_url)
    ground = await books.write(lay)
    community = ground.community.id

    def harm(session: object) -> None:
        from sqlalchemy.orm import Session

        assert isinstance(session, Session)
        old = NOW - timedelta(hours=1)
        for key, state, reason in (("late", "waiting", ""), ("dead", "failed", "没有路可走"), ("lost", "unknown", "")):
            session.execute(
                insert(Outbox),
                {
                    "community_id": community, "key": key, "member_id": ground.people["王秀英"], "text": "x",
                    "created_at": old, "not_before": old, "expires_at": NOW + timedelta(hours=1), "state": state,
                    "dead_reason": reason, "finished_at": None if state == "waiting" else old,
                },
            )  # fmt: skip
        schedule.advance(session, until=NOW - timedelta(days=3))
        schedule.begin_slot(session, job="backup.nightly", slot=old, wall=old)
        schedule.end_slot(session, job="backup.nightly", slot=old, state="failed", detail="磁盘满了", wall=old)
        schedule.begin_slot(session, job="housekeeping.forget", slot=old, wall=old)
        keep_trouble(session, channel="app", message_id="t1", incoming={}, error="x", at=old)
        hearing.note_heard(session, channel="app", wall=NOW - timedelta(days=2))
        hearing.note_refused(session, channel="app", why="signature", wall=old)

    await books.write(harm)
    await books.close()
    findings = await looked(configured(database_url, tmp_path))
    told = {(one.name, one.state, one.what.split("：", 1)[-1][-16:]) for one in findings if one.state is not State.OK}
    names = [(name, state) for name, state, _ in told]
    assert ("待发的消息", State.WARNING) in names
    assert names.count(("发出的消息", State.WARNING)) == 2
    assert of(findings, "到点的事 backup.nightly")[0].what.endswith("那次没有办成：磁盘满了")
    assert of(findings, "到点的事 housekeeping.forget")[0].state is State.WARNING
    assert of(findings, "到点的事")[0].what.startswith("机器人停着")
    assert of(findings, "没处理好的消息")[0].what == "留着 1 条"
    assert [one.state for one in of(findings, "通道 app")] == [State.OK, State.WARNING, State.WARNING]
    assert of(findings, "备份")[0].state is State.WARNING
    assert all(one.todo for one in findings if one.state is not State.OK)


async def test_a_wrong_book_is_broken_and_a_slow_proof_says_how_far_it_came(database_url: str, tmp_path: Path) -> None:
    books = await Books.open(database_url)
    await books.write(lambda session: lay(session) and None)
    await books.write(
        lambda session: (
            session.execute(
                text("INSERT INTO balances (community_id, member_id, currency, amount) VALUES (1, 1, 'points', 7)")
            )
            and None
        )
    )
    await books.close()
    (found,) = of(await looked(configured(database_url, tmp_path)), "账本")
    assert (found.state, "balances.sum" in found.what) == (State.BROKEN, True)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        (hurried,) = proof(connection, 0.0)
    engine.dispose()
    assert hurried.what.startswith("0秒里核对了 0/")


async def test_sealed_keys_are_tried_with_the_configured_key(sqlite_url: str, tmp_path: Path) -> None:
    books = await Books.open(sqlite_url)
    ground = await books.write(lay)
    config = configured(sqlite_url, tmp_path, '[channels.hook]\nkind = "wecom_group_webhook"\n')

    def bind(session: object) -> None:
        from models.directory import Group

        group = session.execute(  # type: ignore[attr-defined]
            insert(Group).returning(Group.id),
            {"community_id": ground.community.id, "unit_id": ground.root.id, "name": "3栋群", "since": NOW},
        ).scalar_one()
        for address, channel, keys in (
            ("a", "hook", config.secrets.keys()),
            ("b", "hook", (bytes(32),)),
            ("c", "gone", config.secrets.keys()),
        ):
            add_endpoint(
                session,  # type: ignore[arg-type]
                community_id=ground.community.id, group_id=group, channel=channel, address=address,
                sealed_secret=Sealer(keys).seal("key", address), now=NOW,
            )  # fmt: skip

    await books.write(bind)
    await books.close()
    found = of(await looked(config), "群机器人")
    assert [(one.state, one.what[:12]) for one in found] == [
        (State.BROKEN, "1 个群的 key 打不"),
        (State.WARNING, "配置里没有 gone 了"[:12]),
    ]


def test_a_database_that_is_not_there_or_too_new_or_old(sqlite_url: str, tmp_path: Path) -> None:
    nothing = configured(f"sqlite:///{tmp_path}/none.sqlite3", tmp_path)
    assert of(examine(nothing, NOW), "数据库")[0].what == "账本还没有建"
    assert not (tmp_path / "none.sqlite3").exists()
    unreachable = configured("postgresql://nobody@127.0.0.1:1/x", tmp_path)
    assert of(examine(unreachable, NOW), "数据库")[0].state is State.BROKEN
    for version, state in (("9999", State.BROKEN), ("", State.WARNING)):
        engine = open_engine(sqlite_url)
        with engine.connect() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
            if not version:
                connection.execute(text("DELETE FROM alembic_version"))
        engine.dispose()
        assert of(examine(configured(sqlite_url, tmp_path), NOW), "数据库")[0].state is state


def test_configuration_that_cannot_be_read_is_told_whole_and_the_machine_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as wrong:
        configured("sqlite:///x", tmp_path, "[log]\nlevel = 3\n[jobs]\ntick_seconds = 0\n")
    findings = examine(wrong.value, NOW)
    assert [one.state for one in of(findings, "配置")] == [State.BROKEN] * 2
    assert of(findings, "时区")[0].state is State.OK
    config = configured("sqlite:///x", tmp_path)
    (tmp_path / "config.toml").chmod(0o644)
    assert State.WARNING in [one.state for one in of(examine(config, NOW), "配置")]


def test_old_copies_and_clocks_that_lag_are_told(sqlite_url: str, tmp_path: Path) -> None:
    config = configured(sqlite_url, tmp_path)
    make_copy(sqlite_url, config.backup, now=NOW - timedelta(days=2))
    assert of(examine(config, NOW), "备份")[0].what.endswith("超过一天了")
    make_copy(sqlite_url, config.backup, now=NOW)
    assert of(examine(config, NOW), "备份")[0].what.endswith("和账本在同一块盘上，请另存一份到别处")
    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO ticks (id, done_until) VALUES (1, '2199-01-01T00:00:00.000000Z')"))
    engine.dispose()
    assert of(examine(config, NOW), "时钟")[0].state is State.BROKEN


def test_fonts_and_folders_are_looked_at(tmp_path: Path) -> None:
    assert [one.state for one in chinese_fonts([str(tmp_path)])] == [State.WARNING]
    (tmp_path / "WQY-MicroHei.ttc").write_bytes(b"")
    assert [one.state for one in chinese_fonts([str(tmp_path)])] == [State.OK]
    assert [one.state for one in disk("磁盘", tmp_path / "not" / "yet")] == [State.OK]
    assert [one.state for one in disk("磁盘", Path("/proc"))] == [State.BROKEN]


@pytest.mark.parametrize(
    ("last", "missed"),
    [
        (november(19, 3, 20), None),
        (november(18, 3, 20), november(19, 3, 20)),
        (november(1, 3, 20), november(19, 3, 20)),
        # A job that never ran is new.
        (None, None),
    ],
)
def test_a_slot_that_was_passed_over_is_found(last: datetime | None, missed: datetime | None) -> None:
    slot = Slot(housekeeping.PROVE.name, last, "done", "", last) if last else None
    assert missed_slot(housekeeping.PROVE, slot, november(19, 12)) == missed
    assert missed_slot(housekeeping.PROVE, slot, None) is None


def test_command_says_it_in_lines_and_in_json(tmp_path: Path, sqlite_url: str) -> None:
    configured(sqlite_url, tmp_path)
    code, said, _ = Terminal(tmp_path).type("check")
    assert code == 0
    assert said.splitlines()[-1].endswith("项要注意。")
    assert all(line.startswith(("正常　", "注意　", "　　　→ ", "一共 ")) for line in said.splitlines())
    code, lines, _ = Terminal(tmp_path).type("check", "--json")
    assert {tuple(json.loads(line)) for line in lines.splitlines()} == {("name", "state", "what", "todo")}
    (tmp_path / "config.toml").write_text("[http]\nport = 'x'\n")
    assert Terminal(tmp_path).type("check")[0] == 1


async def test_the_secret_of_an_app_is_tried_and_a_refusal_explained(tmp_path: Path) -> None:
    async with WecomCorp(set(), WallClock().now) as corp:
        corp.corp_id = CORP_ID
        reached = f'base_url = "{corp.url}"'

        async def told(more: str) -> tuple[State, str]:
            config = configured(f"sqlite:///{tmp_path}/none.sqlite3", tmp_path, more)
            (finding,) = await asyncio.to_thread(lambda: list(apps(config)))
            assert finding.state is State.OK or finding.todo
            return finding.state, finding.what

        assert (await told(""))[0] is State.OK
        right = f'secret = "{corp.secret}"\n{reached}'
        assert await told(right) == (State.OK, "Secret 对得上，能主动发消息给人（还要填好“企业可信IP”）")
        assert await told(f'secret = "mistyped"\n{reached}') == (State.BROKEN, "企业微信不认这个 Secret（40001）")
        corp.trusted = False
        assert await told(right) == (State.BROKEN, "企业微信不让这台机器调用（60020，203.0.113.9）")
    assert await told(right) == (State.BROKEN, "企业微信的接口没有答复（0）")
    assert corp.shown == []
