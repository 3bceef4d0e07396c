"""`linli config` shows where each value comes from and no secret; SIGHUP takes what is safe to take."""

import json
from pathlib import Path

from aiohttp import web

from bot import reloading
from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS, House
from bot.books import Books
from bot.channels.callback import OVERLAP_SECONDS
from bot.config import Config, load
from models.clock import MovedClock
from tests.dialogue import november
from tests.fakes.terminal import Terminal
from tests.fakes.wecom_callbacks import AES_KEY, CORP_ID, TOKEN, Platform, app_text
from tests.test_docs import shell_commands

NEW_TOKEN, NEW_KEY = "anotherToken", "q" * 43


def test_every_key_shows_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret-in-a-file\n")
    (tmp_path / "config.toml").write_text(
        '[database]\nurl = "postgresql://linli@127.0.0.1/linli"\npassword_file = "password"\n[log]\nlevel = "debug"\n'
        '[secrets]\nkey = "a passphrase long enough"\n',
        "utf-8",
    )
    terminal = Terminal(tmp_path, {"LINLI_HTTP__PORT": "9000", "LINLI_BACKUP__PASSPHRASE": "the backup's own secret"})
    code, said, complaint = terminal.type("config")
    assert (code, complaint) == (0, "")
    lines = dict(line.split(" = ", 1) for line in said.splitlines() if " = " in line)
    assert lines["level"].split() == ['"debug"', "#", "文件"]
    assert lines["port"].split() == ["9000", "#", "环境变量", "LINLI_HTTP__PORT"]
    assert lines["password"].split() == ["******", "#", "文件（password_file）"]
    assert lines["passphrase"].split() == ["******", "#", "环境变量", "LINLI_BACKUP__PASSPHRASE"]
    assert lines["poll_seconds"].split() == ["1.0", "#", "默认"]
    assert not any(secret in said for secret in ("s3cret", "long enough", "own secret"))

    shown = [json.loads(line) for line in terminal.type("config", "--json")[1].splitlines()]
    assert {tuple(one) for one in shown} == {("path", "value", "origin", "description", "secret")}
    assert [one["path"] for one in shown if one["secret"]] == [
        "database.password", "secrets.key", "secrets.key_previous", "backup.passphrase",
    ]  # fmt: skip
    assert all(one["value"] in ("******", "") for one in shown if one["secret"])


def test_what_is_wrong_is_said_instead(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[http]\nport = "8080"\n')
    code, said, complaint = Terminal(tmp_path).type("config")
    assert (code, said, complaint[:9]) == (2, "", "http.port")
    assert "config" in shell_commands()


# -- keys are changed without a restart ----------------------------------------


def configured(folder: Path, url: str, *, token: str = TOKEN, key: str = AES_KEY, more: str = "") -> Config:
    file = folder / "config.toml"
    file.write_text(
        f'[database]\nurl = "{url}"\n[channels.app]\nkind = "wecom_app"\ntoken = "{token}"\naes_key = "{key}"\n'
        f'corp_id = "{CORP_ID}"\nagent_id = 1\n{more}',
        "utf-8",
    )
    return load(file, {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)


async def test_old_keys_are_accepted_for_an_hour_beside_the_new_and_wrong_ones_never(
    sqlite_url: str, tmp_path: Path
) -> None:
    """R25: an operator changes the keys in the file, then in the console, while people go on talking."""
    before = configured(tmp_path, sqlite_url)
    wall = MovedClock(november(17, 12), frozen=True)
    house = House(before, await Books.open(sqlite_url), wall=wall)
    runner = web.AppRunner(house.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback/app"
    old, new, wrong, mixed = (
        Platform(url, "xml", lambda: wall.now().timestamp(), token, key, CORP_ID, deadline=20)
        for token, key in ((TOKEN, AES_KEY), (NEW_TOKEN, NEW_KEY), ("wrongToken", NEW_KEY), (TOKEN, NEW_KEY))
    )

    async def accepted(*platforms: Platform) -> list[bool]:
        number = iter(range(100))
        answers = [await one.deliver(app_text("你好", message_id=f"{wall.now()}{next(number)}")) for one in platforms]
        # An accepted message is answered with the keys it came with: reading it checks them.
        assert all(bool(answer.inner) == (answer.status == 200) for answer in answers)
        assert all(answer.status in (200, 400, 403) for answer in answers)
        return [answer.status == 200 for answer in answers]

    try:
        assert await accepted(old, new, wrong, mixed) == [True, False, False, False]
        after = configured(tmp_path, sqlite_url, token=NEW_TOKEN, key=NEW_KEY)
        assert reloading.adopt(house, before, after) == (["channels.app.token", "channels.app.aes_key"], [])
        assert await accepted(old, new, wrong, mixed) == [True, True, False, False]
        assert (await new.verify("42")).body == b"42"
        # Reading the same file once more does not end the time of the old ones.
        assert reloading.adopt(house, after, after) == ([], [])
        wall.move_to(november(17, 12, 59))
        assert await accepted(old, new, wrong, mixed) == [True, True, False, False]
        assert OVERLAP_SECONDS == 3600
        wall.move_to(november(17, 13, 1))
        assert await accepted(old, new, wrong, mixed) == [False, True, False, False]
    finally:
        await runner.cleanup()
        await house.close()


async def test_safe_keys_are_taken_and_the_others_are_named(sqlite_url: str, tmp_path: Path) -> None:
    hook = '[channels.hook]\nkind = "wecom_group_webhook"\n[secrets]\nkey = "the first passphrase, long"\n'
    before = configured(tmp_path, sqlite_url, more=hook)
    house = House(before, await Books.open(sqlite_url))
    more = hook.replace("the first", "the second").replace('webhook"', 'webhook"\nper_minute = 3')
    after = configured(
        tmp_path, sqlite_url, more=f'{more}[http]\nport = 9\n[activities]\ncompanions_max = 9\n[log]\nlevel = "error"\n'
    )
    try:
        taken, waiting = reloading.adopt(house, before, after)
    finally:
        await house.close()
    assert sorted(taken) == ["activities.companions_max", "channels.hook.per_minute", "log.level", "secrets.key"]
    assert waiting == ["http.port"]
    assert house.rules["activities"].companions_max == 9
    assert house.channels["hook"].ability.limits[0].count == 3


async def test_channels_that_come_and_go_wait_for_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    before = configured(tmp_path, sqlite_url)
    house = House(before, await Books.open(sqlite_url))
    more = '[channels.other]\nkind = "wecom_aibot"\ntoken = "t"\naes_key = "' + "k" * 43 + '"\n'
    after = configured(tmp_path, sqlite_url, more=more)
    try:
        for one, another in ((before, after), (after, before)):
            _, waiting = reloading.adopt(house, one, another)
            assert "channels.other.kind" in waiting
    finally:
        await house.close()
