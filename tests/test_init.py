"""`linli init`: five questions, a file that works, nothing overwritten."""

import tomllib
from pathlib import Path

import pytest

from bot.app import CHANNEL_SETTINGS, FEATURE_SETTINGS
from bot.config import Config, load
from tests.fakes.terminal import Terminal


def written(folder: Path) -> Config:
    return load(folder / "config.toml", {}, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)


def test_five_answers_make_a_file_that_passes_the_check(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    code, said, _ = terminal.type("init", stdin="幸福里\n小福\n12\nsimulator\n账本/我们.sqlite3\n")
    assert code == 0
    steps = [line for line in said.splitlines() if line[:3] in ("1. ", "2. ", "3. ", "4. ")][-4:]
    assert steps[0] == (
        "1. 建社区和第一位书记：linli found 幸福里 --secretary 书记的姓名 --account 书记的姓名"
        " --channel simulator --buildings 12 --bot-name 小福"
    )
    config = written(tmp_path)
    assert (config.database.address().database, config.simulator.enabled) == ("账本/我们.sqlite3", True)
    assert len(config.secrets.keys()) == 1
    assert (tmp_path / "config.toml").stat().st_mode & 0o777 == 0o600
    # The steps work as they are printed.
    found = steps[0].split("linli ", 1)[1].replace("书记的姓名", "张敏").split()
    assert terminal.type(*found) == (0, "幸福里 建好了。请 张敏 在群里 @小福 发 绑定群 1栋\n", "")
    code, findings, _ = terminal.type("check")
    assert code == 0, findings
    assert "正常　社区：幸福里" in findings


def test_the_defaults_are_enough(tmp_path: Path) -> None:
    assert Terminal(tmp_path).type("init", stdin="\n\n\n\n\n")[0] == 0
    asked = written(tmp_path)
    (tmp_path / "config.toml").unlink()
    assert Terminal(tmp_path).type("init", "--yes")[0] == 0
    assert written(tmp_path).database == asked.database
    # Secrets are made anew each time.
    assert written(tmp_path).secrets != asked.secrets


@pytest.mark.parametrize("way", ["aibot", "app"])
def test_a_way_to_wecom_gets_keys_of_the_consoles_shape(way: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    code, said, _ = terminal.type("init", "--yes", "--way", way, "--corp-id", "ww0123456789abcdef", "--agent-id", "7")
    assert (code, f"/callback/{way}" in said) == (0, True)
    (settings,) = written(tmp_path).channels.values()
    assert settings.kind == f"wecom_{way}"
    assert (len(settings.token.get_secret_value()), len(settings.aes_key.get_secret_value())) == (32, 43)
    assert settings.token.get_secret_value() not in said
    assert terminal.type("check")[0] == 0


def test_an_app_with_its_secret_can_write_first(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    code, said, _ = terminal.type("init", stdin="幸福里\n小福\n3\napp\nww0123456789abcdef\n7\ns3cret-of-app\n\n")
    assert (code, "s3cret-of-app" in said, "企业可信IP" in said) == (0, False, True)
    (settings,) = written(tmp_path).channels.values()
    assert (settings.agent_id, settings.secret.get_secret_value()) == (7, "s3cret-of-app")


def test_the_simplest_way_asks_for_what_the_console_shows(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    typed = "幸福里\n小福\n3\nbot\naibTEST\ns3cret-of-bot\n\n\n"
    code, said, complaint = terminal.type("init", stdin=typed)
    assert (code, complaint) == (0, "")
    assert "s3cret-of-bot" not in said
    assert "--channel bot" in said
    (settings,) = written(tmp_path).channels.values()
    assert (settings.kind, settings.bot_id, settings.secret.get_secret_value(), settings.namespace) == (
        "wecom_aibot_socket", "aibTEST", "s3cret-of-bot", "",
    )  # fmt: skip
    # Without a question: the secret stays in a file of its own.
    (tmp_path / "secret.txt").write_text("s3cret\n")
    (tmp_path / "config.toml").unlink()
    given = ("--way", "bot", "--bot-id", "aibTEST", "--secret-file", "secret.txt", "--corp-id", "ww0123456789abcdef")
    assert terminal.type("init", "--yes", *given)[0] == 0
    (settings,) = written(tmp_path).channels.values()
    assert (settings.secret.get_secret_value(), settings.namespace) == ("s3cret", "wecom:ww0123456789abcdef")


def test_a_password_in_the_address_is_kept_apart_and_quoted(tmp_path: Path) -> None:
    address = "postgresql://linli:a%22b%5Cc@127.0.0.1:1/linli"
    assert Terminal(tmp_path).type("init", "--yes", "--database", address)[0] == 0
    toml = tomllib.loads((tmp_path / "config.toml").read_text("utf-8"))
    assert toml["database"] == {"url": "postgresql+psycopg://linli@127.0.0.1:1/linli", "password": 'a"b\\c'}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--yes", "--way", "pigeon"), "没有「pigeon」这种办法，可以写 simulator、bot、aibot、app。"),
        (("--yes", "--way", "app"), "还缺企业 ID（后台“我的企业”页最下方，ww 开头），请用 --corp-id 写明。"),
        (("--yes", "--way", "bot"), "还缺 BotID 和 Secret，请用 --bot-id 和 --secret-file 写明，或去掉 --yes，我会问。"),
        (("--yes", "--database", "mysql://x/y"), "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名"),
    ],
)  # fmt: skip
def test_answers_that_mean_nothing_are_refused(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    assert Terminal(tmp_path).type("init", *arguments) == (2, "", f"{complaint}\n")
    assert not (tmp_path / "config.toml").exists()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine")
    code, _, complaint = Terminal(tmp_path).type("init", "--yes")
    assert (code, complaint[:16]) == (1, "config.toml 已经有了")
    assert (tmp_path / "config.toml").read_text() == "# mine"
    (tmp_path / "folder").mkdir()
    assert Terminal(tmp_path).type("init", "--yes", "--file", "folder/a.toml")[0] == 0
