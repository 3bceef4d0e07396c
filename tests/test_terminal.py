"""What the terminal answers to words that were off: one sentence, an exit code, and no file that was not there before."""

import contextlib
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.terminal.commands import app
from bot.terminal.serving import empty_file
from models import migrations


@pytest.fixture
def folder(tmp_path: Path, sqlite_demo: Path) -> Iterator[Path]:
    """A directory to work in, with books of every sort; logging is as before when it is left."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    shutil.copy(sqlite_demo, tmp_path / "demo.sqlite3")
    (tmp_path / "junk.sqlite3").write_text("这不是数据库。" * 100, "utf-8")
    (tmp_path / "empty.sqlite3").touch()
    with sqlite3.connect(tmp_path / "other.sqlite3") as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    (tmp_path / "talk.jsonl").write_text('{"as": "王秀英", "in": "33栋群", "text": "活动"}\n', "utf-8")
    (tmp_path / "junk.jsonl").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "config.toml").write_text(
        """
[database]
url = "sqlite:///linli.sqlite3"

[secrets]
key = "a passphrase long enough"

[simulator]
enabled = true

[channels.hook]
kind = "wecom_group_webhook"
""",
        "utf-8",
    )
    with contextlib.chdir(tmp_path):
        yield tmp_path
    root.handlers[:] = before
    root.setLevel(level)


def linli(*arguments: str) -> tuple[int, str]:
    """Runs a command; its exit code and everything that it said."""
    ran = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, ran.output


def files(folder: Path) -> set[str]:
    # The reading of a SQLite file may leave an empty log beside it.
    return {path.name for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm"))}


FOUND = ("found", "滨河社区", "--secretary", "王五", "--account", "wangwu", "--channel")
SAY = ("say", "--as", "王秀英", "--in", "3栋群", "活动", "--db")
SQLITE_WANTED = "SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3"
NOT_UNDERSTOOD = "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名"
PLACES = "3栋群、党员群、5栋群、物业群、社区大群、新建的群"
UNREACHABLE = "连不上数据库 127.0.0.1:1/linli。请看看它开着没有，地址、用户名和密码对不对。\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("verify",), 1, "没有 linli.sqlite3 这个账本。请看看路径对不对。\n"),
        (("verify", "--db", "sqlite:///typo.sqlite3"), 1, "没有 typo.sqlite3 这个账本。请看看路径对不对。\n"),
        (("verify", "--db", "sqlite:///nope/no.sqlite3"), 1, "没有 nope/no.sqlite3 这个账本。请看看路径对不对。\n"),
        (("verify", "--db", "sqlite:///empty.sqlite3"), 1, "empty.sqlite3 里还没有账本。\n"),
        (("verify", "--db", "sqlite:///other.sqlite3"), 1, "other.sqlite3 里还没有账本。\n"),
        (("verify", "--db", "sqlite:///junk.sqlite3"), 1, "junk.sqlite3 不是邻里的账本（不是 SQLite 文件）。\n"),
        (("verify", "--db", "bad"), 2, f"--db bad：{NOT_UNDERSTOOD}\n"),
        (("verify", "--db", "postgresql://linli:geheim@127.0.0.1:1/linli"), 1, UNREACHABLE),
        (("migrate", "--db", "postgresql://linli:geheim@127.0.0.1:1/linli"), 1, UNREACHABLE),
        (("migrate", "--db", "sqlite:///junk.sqlite3"), 1, "junk.sqlite3 不是邻里的账本（不是 SQLite 文件）。\n"),
        (
            ("migrate", "--db", "sqlite:///other.sqlite3"),
            1,
            "other.sqlite3 是别的程序的数据库，不会动它。请另选一个文件。\n",
        ),
        (("migrate", "--db", "sqlite://"), 2, f"--db sqlite://：{SQLITE_WANTED}\n"),
        (
            ("migrate", "--db", "sqlite:////proc/no/no.sqlite3"),
            1,
            "打不开 /proc/no/no.sqlite3。请看看路径和权限对不对。\n",
        ),
        ((*SAY, "mysql://root:geheim@x/y"), 2, f"--db mysql://root:***@x/y：{NOT_UNDERSTOOD}\n"),
        ((*SAY, "sqlite:///nope/no.sqlite3"), 1, "没有 nope/no.sqlite3 这个账本。请看看路径对不对。\n"),
        (
            ("say", "--as", "王秀英", "--in", "33栋群", "活动", "--db", "sqlite:///demo.sqlite3"),
            2,
            f"没有「33栋群」这个群，有的是：{PLACES}\n",
        ),
        (("replay", "talk.jsonl"), 2, f"第1行：没有「33栋群」这个群，有的是：{PLACES}\n"),
        (("replay", "junk.jsonl"), 2, "读不了 junk.jsonl：不是 UTF-8 的文字\n"),
        (("replay", "--kept", "--db", "sqlite:///typo.sqlite3"), 1, "没有 typo.sqlite3 这个账本。请看看路径对不对。\n"),
        (("understand", "--db", "sqlite:///typo.sqlite3"), 1, "没有 typo.sqlite3 这个账本。请看看路径对不对。\n"),
        (("found", " ", *FOUND[2:], "simulator"), 2, "社区的名字要写上，不超过40个字。\n"),
        ((*FOUND[:3], "", *FOUND[4:], "simulator"), 2, "书记的姓名要写上，不超过40个字。\n"),
        (
            (*FOUND[:5], "", *FOUND[6:], "simulator"),
            2,
            "书记的账号（userid）要写上：在企业微信管理后台的通讯录里。\n",
        ),
    ],
)
def test_bad_words_get_a_sentence_and_make_nothing(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = files(folder)
    assert linli(*arguments) == (code, said)
    assert files(folder) == before


def test_books_of_an_older_release_are_not_called_wrong(folder: Path) -> None:
    first = import_module("models.migrations.versions.0001_first").revision
    if first == migrations.head():
        pytest.skip("there is no older release yet")
    with sqlite3.connect(folder / "demo.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (first,))
    connection.close()
    assert linli("verify", "--db", "sqlite:///demo.sqlite3") == (
        1,
        f"这个账本是旧版本的（{first}）。请先备份，再用 linli migrate 升级。\n",
    )


def test_a_demo_takes_no_other_books_place(folder: Path) -> None:
    assert linli(*FOUND, "simulator")[0] == 0
    for path in ("linli.sqlite3", "other.sqlite3", "junk.sqlite3", "."):
        before = files(folder)
        said = f"{path} 不是演示社区的数据库，不会盖掉它。请用 --file 另选一个文件。\n"
        assert linli("demo", "--file", path) == (1, said)
        assert files(folder) == before
    # Of what stands beside the demo nothing goes but SQLite's own.
    (folder / "demo.sqlite3-notes.txt").touch()
    empty_file(folder / "demo.sqlite3")
    assert (folder / "demo.sqlite3-notes.txt").exists()


def test_a_first_secretary_must_be_where_somebody_is_heard(folder: Path) -> None:
    assert linli(*FOUND, "hook") == (2, "[channels.hook] 只发不收，书记在那里说话听不到。能说话的渠道有：simulator\n")
    assert linli(*FOUND, "pigeon") == (2, "配置里没有 [channels.pigeon]。能说话的渠道有：simulator\n")
    # In the simulator, where a configuration asks for it, she is somebody to be.
    assert linli(*FOUND, "simulator") == (0, "滨河社区 建好了。请 王五 在群里 @小邻 发 绑定群 1栋\n")
    linli("say", "--as", "wangwu", "同意", "--db", "sqlite:///linli.sqlite3")
    said = linli("say", "--as", "wangwu", "--in", "新建的群", "@小邻 绑定群 1栋", "--db", "sqlite:///linli.sqlite3")
    assert said == (0, "本群已绑定为 1栋群。\n大家可以 @我 发 帮助，看看我会什么。\n")
    assert linli("verify") == (0, "账本核对无误。\n")
