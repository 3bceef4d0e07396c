"""Configuration: defaults, file and environment in this order; all problems at once; no secret ever shown.

How: `loaded` writes a TOML into a fresh directory and loads it with small settings of our own, `problems`
gives what was refused as pairs of path and sentence. The example's helpers below take the settings as
parameters, so that they serve channels and features too.
"""

import base64
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bot import app
from bot.config import (
    DEFAULT,
    SECTIONS,
    Config,
    ConfigError,
    Database,
    Problem,
    Secrets,
    Shown,
    load,
)

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"

CHANNELS: Mapping[str, type[BaseModel]] = app.CHANNEL_SETTINGS
"""The channels' settings by kind that the example must show."""
FEATURES: Mapping[str, type[BaseModel]] = app.FEATURE_SETTINGS
"""The features' settings by section that the example must show."""


# Settings of our own: a channel with secrets, one without, a feature with everything that a key can be.


class Aibot(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["aibot"]
    token: SecretStr
    aes_key: SecretStr
    receive_id: str = ""
    window_seconds: int = Field(default=300, ge=1)

    @field_validator("aes_key")
    @classmethod
    def _well_formed(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value()) != 43:
            # A careless sentence, to see that the loader scrubs it.
            raise ValueError(f"应为 43 个字符，不是 {key.get_secret_value()}")
        return key


class Webhook(BaseModel):
    model_config = ConfigDict(extra="forbid")
    needs_secrets_key: ClassVar[bool] = True
    kind: Literal["webhook"]
    per_minute: int = 20


class Played(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["simulator"]


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    factor: Annotated[int, Field(ge=1)] = 2


class Night(BaseModel):
    model_config = ConfigDict(extra="forbid")
    begins: time = time(22)
    ends: time = time(6)


class Points(BaseModel):
    model_config = ConfigDict(extra="forbid")
    base: int = Field(default=5, ge=0, le=100)
    share: float = 0.5
    opens: date = date(2026, 1, 1)
    boards: tuple[str, ...] = ("month", "year")
    style: Literal["short", "long"] = "short"
    quiet_days: int | None = None
    lucky: frozenset[int] = frozenset()
    night: Night = Night()
    rules: list[Rule] = []
    by_kind: dict[str, Rule] = {}
    weights: dict[str, int] = {}


CHANNEL_SETTINGS: dict[str, type[BaseModel]] = {"aibot": Aibot, "webhook": Webhook, "simulator": Played}
FEATURE_SETTINGS: dict[str, type[BaseModel]] = {"points": Points}
AES_KEY = "k" * 43
SECRETS_KEY = base64.b64encode(bytes(range(32))).decode()

Loaded = Callable[..., Config]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Loads a TOML text with an environment; keyword `files` are written beside it."""

    def load_text(toml: str | bytes = "", files: Mapping[str, str | bytes] | None = None, **environ: str) -> Config:
        file = tmp_path / "config.toml"
        file.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
        for name, content in (files or {}).items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(file, environ, channel_settings=CHANNEL_SETTINGS, feature_settings=FEATURE_SETTINGS)

    return load_text


Problems = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def problems(loaded: Loaded, tmp_path: Path) -> Problems:
    """What is refused, as pairs of path and sentence, with the file's own directory left out."""

    def refused(toml: str | bytes = "", **given: Any) -> list[tuple[str, str]]:
        with pytest.raises(ConfigError) as caught:
            loaded(toml, **given)
        return [(problem.path.removeprefix(f"{tmp_path}/"), problem.sentence) for problem in caught.value.problems]

    return refused


AIBOT = f'[channels.app]\nkind = "aibot"\ntoken = "t0ken-of-app"\naes_key = "{AES_KEY}"\n'


# Where values come from


def test_defaults_without_any_file(tmp_path: Path) -> None:
    config = load(
        None,
        {},
        channel_settings={},
        feature_settings=FEATURE_SETTINGS,
        default_path=tmp_path / "config.toml",
    )

    assert config.path is None
    assert config.database == Database(url="sqlite:///var/linli.sqlite3", password=None, threads=8)
    assert (config.http.host, config.http.port, config.simulator.enabled) == ("127.0.0.1", 8080, False)
    assert config.channels == {}
    assert config.features == {"points": Points()}
    assert set(config.origins.values()) == {DEFAULT}


def test_file_overrides_default_and_environment_overrides_file(loaded: Loaded) -> None:
    config = loaded("[http]\nport = 9000\nhost = '127.0.0.2'", LINLI_HTTP__PORT="9100")

    assert (config.http.host, config.http.port, config.http.stop_seconds) == ("127.0.0.2", 9100, 10.0)
    assert {key: config.origins[key] for key in ("http.host", "http.port", "http.stop_seconds")} == {
        "http.host": "文件",
        "http.port": "环境变量 LINLI_HTTP__PORT",
        "http.stop_seconds": "默认",
    }


def test_every_key_has_an_origin_and_is_listed_once(loaded: Loaded) -> None:
    config = loaded(f"{AIBOT}[points.night]\nbegins = 21:00:00")

    listed = [shown.path for shown in config.listing()]

    assert len(listed) == len(set(listed))
    assert set(listed) <= set(config.origins)
    assert {
        "database.url",
        "secrets.key",
        "channels.app.token",
        "points.night",
        "points.weights",
    } <= set(listed)
    assert config.origins["points.night"] == "文件"
    assert config.origins["points.opens"] == "默认"


def test_listing_shows_values_as_typed_and_masks_secrets(loaded: Loaded) -> None:
    config = loaded(AIBOT + "[points]\nlucky = [8]\nopens = 2026-11-28", LINLI_HTTP__PORT="9100")

    listing = {shown.path: shown for shown in config.listing()}

    assert listing["channels.app.token"] == Shown("channels.app.token", "******", "文件", "", True)
    assert listing["secrets.key"].value == ""
    assert listing["http.port"] == Shown(
        "http.port", "9100", "环境变量 LINLI_HTTP__PORT", "监听端口；0 由系统挑一个", False
    )
    assert listing["database.url"].value == '"sqlite:///var/linli.sqlite3"'
    assert listing["points.lucky"].value == "[8]"
    assert listing["points.opens"].value == '"2026-11-28"'
    assert listing["points.boards"].value == '["month", "year"]'
    assert listing["simulator.enabled"].value == "false"


def test_default_file_may_be_missing_but_a_named_one_may_not(tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    tables: dict[str, Any] = {"channel_settings": {}, "feature_settings": {}}

    assert load(None, {}, default_path=gone, **tables).path is None
    for path, environ in ((gone, {}), (None, {"LINLI_CONFIG": str(gone)})):
        with pytest.raises(ConfigError) as caught:
            load(path, environ, **tables)
        assert caught.value.problems == (Problem(str(gone), "读不了配置文件：没有这个文件"),)


def test_file_named_by_the_environment_is_read(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[http]\nport = 9000")

    config = load(None, {"LINLI_CONFIG": str(file)}, channel_settings={}, feature_settings={})

    assert (config.http.port, config.path) == (9000, file)


def test_file_with_a_byte_order_mark_is_read(loaded: Loaded) -> None:
    assert loaded("\ufeff[http]\nport = 9000").http.port == 9000


def test_features_settings_are_found_by_name_and_by_class(loaded: Loaded) -> None:
    config = loaded("[points]\nbase = 7\nquiet_days = 3")

    assert config.features["points"] == Points(base=7, quiet_days=3)
    assert config.feature(Points).base == 7
    with pytest.raises(KeyError):
        config.feature(Night)


def test_nested_tables_lists_and_named_tables_are_read(loaded: Loaded) -> None:
    config = loaded(
        """
        [points]
        boards = ["week"]
        weights = {street = 3}
        [points.night]
        begins = "21:30"
        [[points.rules]]
        name = "夜间"
        [points.by_kind.festival]
        name = "节日"
        factor = 3
        """
    )

    assert config.feature(Points) == Points(
        boards=("week",),
        weights={"street": 3},
        night=Night(begins=time(21, 30)),
        rules=[Rule(name="夜间")],
        by_kind={"festival": Rule(name="节日", factor=3)},
    )
    assert config.origins["points.by_kind"] == "文件"


def test_a_feature_cannot_own_a_section_of_the_core() -> None:
    with pytest.raises(ValueError, match="http"):
        load(None, {}, channel_settings={}, feature_settings={"http": Points})


# The environment


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("BASE", "7", Points(base=7)),
        ("SHARE", "0.25", Points(share=0.25)),
        ("OPENS", "2026-11-28", Points(opens=date(2026, 11, 28))),
        ("BOARDS", '["week", "a,b"]', Points(boards=("week", "a,b"))),
        ("LUCKY", "[6, 8]", Points(lucky=frozenset({6, 8}))),
        ("STYLE", "long", Points(style="long")),
        ("QUIET_DAYS", "3", Points(quiet_days=3)),
        ("NIGHT", '{"begins": "21:30"}', Points(night=Night(begins=time(21, 30)))),
        ("BY_KIND", '{"night": {"name": "夜"}}', Points(by_kind={"night": Rule(name="夜")})),
        ("WEIGHTS", '{"street": 3}', Points(weights={"street": 3})),
        ("RULES", '[{"name": "夜", "factor": 4}]', Points(rules=[Rule(name="夜", factor=4)])),
        ("BASE", "", Points()),  # compose files pass on empty variables
    ],
)
def test_variable_is_read_by_the_type_of_its_key(loaded: Loaded, name: str, text: str, read: Points) -> None:
    assert loaded(**{f"LINLI_POINTS__{name}": text}).feature(Points) == read


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        ("0", False),
        ("False", False),
        ("off", False),
    ],
)
def test_variable_for_a_switch_understands_usual_words(loaded: Loaded, text: str, enabled: bool) -> None:
    assert loaded(LINLI_SIMULATOR__ENABLED=text).simulator.enabled is enabled


def test_channel_from_the_environment_alone(loaded: Loaded) -> None:
    config = loaded(
        LINLI_CHANNELS__BOT_2__KIND="aibot",
        LINLI_CHANNELS__BOT_2__TOKEN="12345",
        LINLI_CHANNELS__BOT_2__AES_KEY=AES_KEY,
    )

    assert config.channels == {"bot_2": Aibot(kind="aibot", token=SecretStr("12345"), aes_key=SecretStr(AES_KEY))}
    assert config.origins["channels.bot_2.token"] == "环境变量 LINLI_CHANNELS__BOT_2__TOKEN"


def test_foreign_variables_are_none_of_our_business(loaded: Loaded) -> None:
    # The last three are what a container platform injects for a service named `linli`.
    loaded(
        PATH="/bin", LINLI="x", linli_http__port="1",
        LINLI_SERVICE_HOST="10.0.0.1", LINLI_PORT="tcp://10.0.0.1:80", LINLI_PORT_80_TCP="tcp://10.0.0.1:80",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        (
            "LINLI_HTTP_PORT",
            ("LINLI_HTTP_PORT", "没有这个环境变量；各级之间是两个下划线：LINLI_HTTP__PORT"),
        ),
        (
            "LINLI_SECRETS_KEY_FILE",
            ("LINLI_SECRETS_KEY_FILE", "没有这个环境变量；各级之间是两个下划线：LINLI_SECRETS__KEY_FILE"),
        ),
        (
            "LINLI_HTTP__PROT",
            ("http.prot", "没有这一项，是不是想写 port？（来自环境变量 LINLI_HTTP__PROT）"),
        ),
        (
            "LINLI_HTP__PORT",
            ("htp", "没有这一节，是不是想写 http？（来自环境变量 LINLI_HTP__PORT）"),
        ),
        (
            "LINLI_HTTP__",
            ("LINLI_HTTP__", "看不懂的环境变量，应像 LINLI_HTTP__PORT 或 LINLI_CHANNELS__APP__TOKEN"),
        ),
        (
            "LINLI_HTTP__PORT__X",
            ("LINLI_HTTP__PORT__X", "看不懂的环境变量，应像 LINLI_HTTP__PORT 或 LINLI_CHANNELS__APP__TOKEN"),
        ),
        (
            "LINLI_CHANNELS__APP",
            ("LINLI_CHANNELS__APP", "看不懂的环境变量，应像 LINLI_HTTP__PORT 或 LINLI_CHANNELS__APP__TOKEN"),
        ),
    ],
)  # fmt: skip
def test_variable_that_means_nothing_is_a_problem(problems: Problems, variable: str, said: tuple[str, str]) -> None:
    assert problems("[http]\nport = 9000", **{variable: "1"}) == [said]


def test_variable_of_another_encoding_is_a_problem(problems: Problems) -> None:
    as_python_reads_it = "密码".encode("gbk").decode("utf-8", "surrogateescape")

    assert problems(LINLI_SECRETS__KEY=as_python_reads_it) == [("LINLI_SECRETS__KEY", "不是 UTF-8 文字")]


# Secrets


def test_secret_from_a_file_beside_the_configuration(loaded: Loaded) -> None:
    toml = '[channels.app]\nkind = "aibot"\ntoken_file = "token.txt"\naes_key_file = "key.txt"'

    # Editors end files with a line break, Windows' with two characters; neither is part of the secret.
    config = loaded(toml, files={"token.txt": "t0ken-of-app\r\n", "key.txt": AES_KEY + "\n"})

    assert config.channels["app"].token.get_secret_value() == "t0ken-of-app"
    assert config.channels["app"].aes_key.get_secret_value() == AES_KEY
    assert config.origins["channels.app.token"] == "文件（token_file）"


def test_secret_from_a_file_that_the_environment_names(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "token.txt"
    file.write_text("from-the-file")

    # Whichever way the file has it, and wherever: the second way names a file that is not there.
    for toml in (AIBOT, AIBOT.replace("[channels.app]", '[channels.app]\ntoken_file = "nowhere"')):
        config = loaded(toml, LINLI_CHANNELS__APP__TOKEN_FILE=str(file))

        assert config.channels["app"].token.get_secret_value() == "from-the-file"
        assert config.origins["channels.app.token"] == "环境变量 LINLI_CHANNELS__APP__TOKEN_FILE"


def test_secret_of_the_environment_beats_the_files_file_unread(loaded: Loaded) -> None:
    toml = f'[channels.app]\nkind = "aibot"\ntoken_file = "nowhere"\naes_key = "{AES_KEY}"'

    config = loaded(toml, LINLI_CHANNELS__APP__TOKEN="from-environment")

    assert config.channels["app"].token.get_secret_value() == "from-environment"
    assert config.origins["channels.app.token"] == "环境变量 LINLI_CHANNELS__APP__TOKEN"


def test_secret_given_twice_in_one_place_is_a_problem(problems: Problems) -> None:
    assert problems(AIBOT + 'token_file = "t"', files={"t": "other"}) == [
        ("channels.app.token", "token 和 token_file 只能写一个")
    ]
    assert problems(AIBOT, LINLI_CHANNELS__APP__TOKEN="a-token", LINLI_CHANNELS__APP__TOKEN_FILE="/nowhere") == [
        (
            "channels.app.token",
            "token 和 token_file 只能写一个（来自环境变量 LINLI_CHANNELS__APP__TOKEN_FILE）",
        )
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "token_file 指的文件读不了：没有这个文件"),
        ("", "token_file 指的文件是空的"),
        ("\n", "token_file 指的文件是空的"),
        (b"\xff\xfe\x00", "token_file 指的文件读不了：不是 UTF-8 文字，请另存为 UTF-8"),
    ],
)
def test_secret_file_that_cannot_serve_is_a_problem(
    problems: Problems, content: str | bytes | None, sentence: str
) -> None:
    toml = f'[channels.app]\nkind = "aibot"\ntoken_file = "t"\naes_key = "{AES_KEY}"'

    assert problems(toml, files={} if content is None else {"t": content}) == [("channels.app.token", sentence)]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ('"."', "key_file 指的文件读不了：这是一个目录"),
        ('"a\\u0000b"', "key_file 指的文件读不了：打不开"),
        ("3", "key_file 指的文件读不了：应为文件的路径，写成文字"),
    ],
)
def test_secret_file_that_is_no_file_is_a_problem(problems: Problems, path: str, sentence: str) -> None:
    assert problems(f"[secrets]\nkey_file = {path}") == [("secrets.key", sentence)]


def test_only_secrets_may_come_from_files(problems: Problems) -> None:
    assert problems('[http]\nport_file = "port"', LINLI_HTTP__HOST_FILE="host") == [
        ("http.port_file", "没有这一项，是不是想写 port？"),
        ("http.host_file", "没有这一项，是不是想写 host？（来自环境变量 LINLI_HTTP__HOST_FILE）"),
    ]


def test_missing_secret_says_where_it_can_be_given(problems: Problems) -> None:
    assert problems(f'[channels.aibot]\nkind = "aibot"\naes_key = "{AES_KEY}"') == [
        (
            "channels.aibot.token",
            "缺少密钥。请在 [channels.aibot] 里写 token = …，或设环境变量 LINLI_CHANNELS__AIBOT__TOKEN"
            "（也可以用 token_file 指向存着它的文件）",
        )
    ]


def test_secrets_key_is_needed_only_by_channels_that_keep_secrets(loaded: Loaded, problems: Problems) -> None:
    toml = '[channels.groups]\nkind = "webhook"'

    assert loaded(AIBOT).secrets.key is None
    assert loaded(toml, LINLI_SECRETS__KEY=SECRETS_KEY).secrets.keys() == (bytes(range(32)),)
    assert problems(toml) == [
        (
            "secrets.key",
            "缺少：通道 groups 的密钥要加密保存。请在 [secrets] 里写 key = …，或设环境变量 LINLI_SECRETS__KEY"
            "（也可以用 key_file 指向存着它的文件）",
        )
    ]


def test_key_is_taken_from_base64_in_either_alphabet() -> None:
    raw = bytes([251, 255] * 16)

    for text in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        assert Secrets(key=SecretStr(text)).keys() == (raw,)


def test_key_is_stretched_from_a_passphrase_always_the_same_way() -> None:
    secrets = Secrets(key=SecretStr("一句够长的口令只有社区书记一人知道"), key_previous=SecretStr("another passphrase"))

    # Pinned: rows that were encrypted by an earlier version must stay readable.
    keys = secrets.keys()
    assert [key.hex()[:16] for key in keys] == ["f631dd0392ab985a", "2929ddb2866eb8c2"]
    assert [len(key) for key in keys] == [32, 32]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('key = "short"', ("secrets.key", "太短：要 32 字节的 base64，或至少 16 个字的口令")),
        ('key_previous = "sixteen letters!"', ("secrets", "只有 key_previous 没有 key：新密钥也要填")),
    ],
)
def test_key_that_is_no_key_is_a_problem(problems: Problems, toml: str, said: tuple[str, str]) -> None:
    assert problems(f"[secrets]\n{toml}") == [said]


def test_no_secret_is_shown_by_anything(loaded: Loaded) -> None:
    secrets = ["t0ken-of-app", AES_KEY, "db-pass-word", "a long passphrase"]

    config = loaded(
        AIBOT + '[database]\nurl = "postgresql://linli:db-pass-word@db/linli"',
        LINLI_SECRETS__KEY="a long passphrase",
    )

    # Something could leak: the values are all there.
    assert sorted(config.secret_values()) == sorted(secrets)
    assert "t0ken-of-app" not in repr(config)
    shown = repr(config) + str(config) + repr(config.listing()) + repr(config.origins) + repr(config.database.address())
    assert [secret for secret in secrets if secret in shown] == []


def test_no_problem_shows_a_secret(loaded: Loaded) -> None:
    toml = """
    [database]
    url = "oracle://linli:db-pass-word@db/linli"
    [secrets]
    key = "shortsecret"
    [channels.a]
    kind = "aibot"
    token = 777888999
    tokn = "misspelt-secret"
    aes_key = "quoted-by-its-validator"
    [channels.b]
    kind = "aibot"
    token_file = "the-secret-itself"
    aes_key = ["listed-secret"]
    """

    with pytest.raises(ConfigError) as caught:
        loaded(toml)

    assert [problem.path for problem in caught.value.problems] == [
        "database.url", "secrets.key", "channels.a.tokn", "channels.a.token", "channels.a.aes_key",
        "channels.b.token", "channels.b.aes_key",
    ]  # fmt: skip
    assert caught.value.problems[4].sentence == "应为 43 个字符，不是 ******"
    told = str(caught.value) + repr(caught.value.problems)
    for secret in (
        "db-pass-word", "shortsecret", "777888999", "misspelt-secret", "quoted-by-its-validator",
        "the-secret-itself", "listed-secret",
    ):  # fmt: skip
        assert secret not in told
    # A traceback would show what hangs on the error: pydantic's, with the values in it, must not.
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# Problems


def test_all_problems_are_reported_together_in_order(problems: Problems) -> None:
    toml = """
    [htp]
    port = 1
    [http]
    port = "8080"
    [log]
    level = "verbose"
    [channels.aibot]
    kind = "aibot"
    [channels.other]
    kind = "aibott"
    [points]
    bse = 3
    [points.night]
    begins = "25:00"
    """

    assert problems(toml, LINLI_JOBS__TICK_SECONDS="soon") == [
        ("htp", "没有这一节，是不是想写 http？"),
        ("http.port", '应为整数，现在是 "8080"'),
        ("log.level", "只能是 debug、info、warning、error"),
        ("jobs.tick_seconds", '应为数字，现在是 "soon"（来自环境变量 LINLI_JOBS__TICK_SECONDS）'),
        ("points.bse", "没有这一项，是不是想写 base？"),
        ("points.night.begins", '应为时刻，像 "19:30"，现在是 "25:00"'),
        (
            "channels.aibot.token",
            "缺少密钥。请在 [channels.aibot] 里写 token = …，或设环境变量 LINLI_CHANNELS__AIBOT__TOKEN"
            "（也可以用 token_file 指向存着它的文件）",
        ),
        (
            "channels.aibot.aes_key",
            "缺少密钥。请在 [channels.aibot] 里写 aes_key = …，或设环境变量 LINLI_CHANNELS__AIBOT__AES_KEY"
            "（也可以用 aes_key_file 指向存着它的文件）",
        ),
        ("channels.other.kind", "没有这种通道，是不是想写 aibot？"),
    ]


@pytest.mark.parametrize(
    ("toml", "path", "sentence"),
    [
        ("[http]\nport = 70000", "http.port", "不能大于 65535，现在是 70000"),
        ("[http]\nport = true", "http.port", "应为整数，现在是 true"),
        ("[http]\nport = 80.0", "http.port", "应为整数，现在是 80.0"),
        ("[http]\nhost = ''", "http.host", '至少 1 个字，现在是 ""'),
        ("[http]\nstop_seconds = nan", "http.stop_seconds", "应为有限的数字，现在是 NaN"),
        ("[http]\nstop_seconds = 0", "http.stop_seconds", "要大于 0，现在是 0"),
        ("[http.port]\nx = 1", "http.port", "应为整数"),
        ("http = 3", "http", "应为一节，写作 [http]"),
        ("prt = 3", "prt", "没有这一项"),
        ("pints = 3", "pints", "没有这一项，是不是想写 points？"),
        ("[simulator]\nenabled = 'yes'", "simulator.enabled", '应为 true 或 false，现在是 "yes"'),
        ("[log]\nformat = 'jsn'", "log.format", "只能是 console、json，是不是想写 json？"),
        ("[log]\nlevel = 1", "log.level", "只能是 debug、info、warning、error"),
        (
            "[delivery]\nlease_seconds = 5\nsend_seconds_max = 5",
            "delivery",
            "send_seconds_max 要小于 lease_seconds，否则一条消息会被两个邮差同时拿着",
        ),
        (
            "[points]\nopens = '2026-02-30'",
            "points.opens",
            '应为日期，像 "2026-11-28"，现在是 "2026-02-30"',
        ),
        ("[points]\nboards = 'month'", "points.boards", '应为列表，像 ["甲", "乙"]，现在是 "month"'),
        ("[points]\nboards = ['a', 1]", "points.boards[1]", "应为文字，写在引号里，现在是 1"),
        ("[points]\nquiet_days = 'x'", "points.quiet_days", '应为整数，现在是 "x"'),
        ("[points]\nnight = 3", "points.night", "应为一节，现在是 3"),
        ("[points.night]\nbegins = 2200", "points.night.begins", '应为时刻，像 "19:30"，现在是 2200'),
        ("[points.night]\nbegin = 22:00:00", "points.night.begin", "没有这一项"),
        ("[[points.rules]]\nname = 1", "points.rules[0].name", "应为文字，写在引号里，现在是 1"),
        ("[[points.rules]]\nname = '夜'\nfactr = 2", "points.rules[0].factr", "没有这一项"),
        (
            "[points.by_kind.night]\nname = '夜'\nfactor = 0",
            "points.by_kind.night.factor",
            "不能小于 1，现在是 0",
        ),
        ("[points.by_kind.night]", "points.by_kind.night.name", "缺少这一项"),
        ("[points.weights]\nstreet = 'x'", "points.weights.street", '应为整数，现在是 "x"'),
        ("channels = 3", "channels", "应为一节，写作 [channels]"),
        ("[channels]\napp = 3", "channels.app", "应为一节，写作 [channels.app]"),
        ("[channels.app]", "channels.app.kind", "缺少 kind：这是哪一种通道（aibot、webhook、simulator）"),
        ("[channels.app]\nkind = 'fax'", "channels.app.kind", "没有这种通道，只有 aibot、webhook、simulator"),
        ("[channels.app]\nkind = 5", "channels.app.kind", "没有这种通道，只有 aibot、webhook、simulator"),
        (
            "[channels.App]\nkind = 'simulator'",
            "channels.App",
            "通道的名字只能用小写字母、数字和单个下划线，以字母开头，最多 32 个字",
        ),
        (
            f"[channels.{'a' * 33}]\nkind = 'simulator'",
            f"channels.{'a' * 33}",
            "通道的名字只能用小写字母、数字和单个下划线，以字母开头，最多 32 个字",
        ),
    ],
)  # fmt: skip
def test_problem_names_its_key_and_what_is_wrong(problems: Problems, toml: str, path: str, sentence: str) -> None:
    assert problems(toml) == [(path, sentence)]


@pytest.mark.parametrize(
    ("toml", "place"),
    [
        ("[http]\nport 9000", "第 2 行第 6 列附近"),
        ("[http]\nport = ", "文件末尾"),
        ("[http]\n[http]\nport = 2", "第 2 行第 6 列附近"),
        ("[http\nport = 2", "第 1 行第 6 列附近"),
        ("[log]\nlevel = “info”", "第 2 行第 9 列附近"),
        ("[http]\nport ＝ 1", "第 2 行第 6 列附近"),
    ],
)
def test_file_that_is_no_toml_is_a_problem_in_chinese(problems: Problems, toml: str, place: str) -> None:
    assert problems(toml) == [
        (
            "config.toml",
            f"TOML 写法有误：{place}。文字要加英文引号，等号要用英文的，同一项、同一节只能写一次",
        )
    ]


def test_file_of_another_encoding_is_a_problem(problems: Problems) -> None:
    assert problems(b"[log]\n# \xc8\xd5\xd6\xbe\n") == [
        ("config.toml", "读不了配置文件：不是 UTF-8 文字，请另存为 UTF-8")
    ]


def test_unreadable_file_is_the_only_problem_because_what_is_missing_may_stand_in_it(problems: Problems) -> None:
    said = problems("[http", LINLI_CHANNELS__APP__TOKEN="token-of-a-channel-that-stands-in-the-file")

    assert [path for path, _ in said] == ["config.toml"]


def test_file_that_is_a_directory_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {}, channel_settings={}, feature_settings={})

    assert caught.value.problems == (Problem(str(tmp_path), "读不了配置文件：这是一个目录"),)


def test_error_reads_as_a_list(loaded: Loaded) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded("[http]\nport = 'x'\n[log]\nlevl = 'info'")

    assert str(caught.value) == (
        '配置有 2 处问题：\n- http.port：应为整数，现在是 "x"\n- log.levl：没有这一项，是不是想写 level？'
    )


def test_simulator_is_refused_where_others_could_reach_it(loaded: Loaded, problems: Problems) -> None:
    toml = "[simulator]\nenabled = true"
    sentence = "模拟器里谁都能扮成书记，只能配本机地址（http.host = 127.0.0.1）"

    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert loaded(toml, LINLI_HTTP__HOST=host).http.host == host
    for host in ("0.0.0.0", "::", "192.168.1.2", "linli.example"):
        assert problems(toml, LINLI_HTTP__HOST=host) == [("simulator.enabled", sentence)]


# The database's address


@pytest.mark.parametrize(
    ("given", "url", "whole"),
    [
        ("sqlite:///var/a.sqlite3", "sqlite:///var/a.sqlite3", "sqlite:///var/a.sqlite3"),
        ("sqlite:////srv/a.sqlite3", "sqlite:////srv/a.sqlite3", "sqlite:////srv/a.sqlite3"),
        ("postgresql://u@db/linli", "postgresql+psycopg://u@db/linli", "postgresql+psycopg://u@db/linli"),
        ("postgres://u@db/linli", "postgresql+psycopg://u@db/linli", "postgresql+psycopg://u@db/linli"),
        (
            "postgresql+psycopg://u:p%40ss@db:5433/linli?sslmode=require",
            "postgresql+psycopg://u@db:5433/linli?sslmode=require",
            "postgresql+psycopg://u:p%40ss@db:5433/linli?sslmode=require",
        ),
        (
            "postgresql:///linli?host=/run/postgresql",
            "postgresql+psycopg:///linli?host=/run/postgresql",
            "postgresql+psycopg:///linli?host=/run/postgresql",
        ),
    ],
)
def test_database_address_is_normalised_and_parted_from_its_password(given: str, url: str, whole: str) -> None:
    database = Database.model_validate({"url": given})

    assert database.url.replace("%2F", "/") == url
    assert database.address().render_as_string(hide_password=False).replace("%2F", "/") == whole


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "var/linli.sqlite3",
            "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名",
        ),
        ("sqlite://", "SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3"),
        ("sqlite:///:memory:", "SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3"),
        ("sqlite://var/linli.sqlite3", "SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3"),
        ("postgresql://u@db", "地址里缺少库名，应像 postgresql+psycopg://用户@主机/库名"),
        ("postgresql://u@db/linli?password=x", "密码不要放在地址的参数里，请写在 database.password"),
        (
            "postgresql+asyncpg://u@db/linli",
            "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名",
        ),
        (
            "postgresql://u@db:port/linli",
            "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名",
        ),
    ],
)  # fmt: skip
def test_database_address_that_cannot_serve_is_a_problem(problems: Problems, given: str, sentence: str) -> None:
    assert problems(f'[database]\nurl = "{given}"') == [("database.url", sentence)]


def test_database_password_apart_from_its_address(loaded: Loaded) -> None:
    config = loaded('[database]\nurl = "postgresql://linli@db/linli"\npassword_file = "p"', files={"p": "p@ss/word\n"})

    assert config.database.address().password == "p@ss/word"
    assert config.origins["database.password"] == "文件（password_file）"


def test_database_address_brings_its_password(loaded: Loaded) -> None:
    config = loaded(LINLI_DATABASE__URL="postgresql://linli:word@db/linli")

    assert (config.database.url, config.database.address().password) == (
        "postgresql+psycopg://linli@db/linli",
        "word",
    )
    assert config.origins["database.password"] == "环境变量 LINLI_DATABASE__URL"


def test_database_password_of_its_own_wins_over_the_address(loaded: Loaded) -> None:
    config = loaded('[database]\nurl = "postgresql://linli:old@db/linli"', LINLI_DATABASE__PASSWORD="new")

    assert config.database.address().password == "new"
    assert "old" not in config.database.url


def test_database_password_is_left_over_where_there_is_none(loaded: Loaded) -> None:
    config = loaded('[database]\npassword = "of-another-database"')

    address = config.database.address()
    assert (str(address), address.password) == ("sqlite:///var/linli.sqlite3", None)


def test_password_that_is_an_everyday_word_leaves_our_sentences_whole(problems: Problems) -> None:
    assert problems('[database]\nurl = "sqlite://"\npassword = "linli"') == [
        ("database.url", "SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3")
    ]


def test_settings_do_not_change(loaded: Loaded) -> None:
    config = loaded(AIBOT)

    with pytest.raises(ValidationError):
        config.http.port = 1
    with pytest.raises(TypeError):
        config.channels["x"] = Played(kind="simulator")  # type: ignore[index]


# The example

Sections = Mapping[str, type[BaseModel]]


def revived(text: str) -> str:
    """The example with its commented keys and sections (`#key = ...`, `#[section]`) brought to life."""
    return re.sub(r"^#(?=[a-z_]+ *=|\[)", "", text, flags=re.MULTILINE)


def keys_in(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from keys_in(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def keys_of(model: type[BaseModel], path: str) -> Iterator[tuple[str, Any]]:
    """Every key of a settings class with its default, nested tables included."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from keys_of(info.annotation, f"{path}.{name}")
        else:
            yield f"{path}.{name}", info.get_default(call_default_factory=True)


def expected_keys(sections: Sections, channels: Sections, text: str) -> dict[str, Any]:
    """The keys that the example must have: of every section, and of every channel that it shows, by kind."""
    shown: dict[str, Any] = tomllib.loads(revived(text)).get("channels", {})
    expected = {key: default for name, model in sections.items() for key, default in keys_of(model, name)}
    for name, table in shown.items():
        if table.get("kind") in channels:
            expected.update(keys_of(channels[table["kind"]], f"channels.{name}"))
    return expected


def missing_from_example(sections: Sections, text: str, *, channels: Sections | None = None) -> list[str]:
    """Settings that the example does not show; a kind of channel of which it has no example."""
    channels = channels or {}
    table = tomllib.loads(revived(text))
    shown = dict(keys_in(table))
    kinds = {each.get("kind") for each in table.get("channels", {}).values()}
    return [key for key in expected_keys(sections, channels, text) if key not in shown] + [
        f"channels.*.kind = {kind}" for kind in channels if kind not in kinds
    ]


def unknown_in_example(sections: Sections, text: str, *, channels: Sections | None = None) -> list[str]:
    """Keys of the example that are no settings."""
    expected = expected_keys(sections, channels or {}, text)
    return [key for key, _ in keys_in(tomllib.loads(revived(text))) if key not in expected]


def wrong_defaults_in_example(sections: Sections, text: str) -> list[str]:
    """Keys whose value in the example is not their default; one without a default is to be commented out."""
    live = dict(keys_in(tomllib.loads(text)))
    wrong = []
    for key, default in expected_keys(sections, {}, text).items():
        plain = default.isoformat() if isinstance(default, time | date) else default
        plain = sorted(plain) if isinstance(plain, frozenset | set) else plain
        plain = list(plain) if isinstance(plain, tuple) else plain
        given = live.get(key)
        given = given.isoformat() if isinstance(given, time | date) else given
        if given != plain:
            wrong.append(f"{key} = {given!r}, default {plain!r}")
    return wrong


def uncommented_in_example(text: str) -> list[str]:
    """Keys and sections without a line of Chinese above them."""
    lines = revived(text).splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ *=|\[", line)]
    return [
        lines[number]
        for number in heads
        if number == 0 or not (lines[number - 1].startswith("# ") and re.search("[一-鿿]", lines[number - 1]))
    ]


def test_example_shows_every_setting_and_nothing_else() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    sections = {**SECTIONS, **FEATURES}

    assert missing_from_example(sections, text, channels=CHANNELS) == []
    assert unknown_in_example(sections, text, channels=CHANNELS) == []
    assert wrong_defaults_in_example(sections, text) == []
    assert uncommented_in_example(text) == []


def test_example_as_it_stands_is_the_defaults(tmp_path: Path) -> None:
    tables: dict[str, Any] = {"channel_settings": CHANNELS, "feature_settings": FEATURES}

    example = load(EXAMPLE, {}, **tables)
    defaults = load(None, {}, default_path=tmp_path / "none", **tables)

    assert [(shown.path, shown.value) for shown in example.listing()] == [
        (shown.path, shown.value) for shown in defaults.listing()
    ]


EXAMPLE_OF_OUR_OWN = """
# 通道
#[channels.bot]
# 种类
#kind = "aibot"
# 令牌
#token = ""
# 加密钥
#aes_key = ""
# 接收者
#receive_id = ""
# 窗口
#window_seconds = 300

# 夜间
[night]
# 开始
begins = 22:00:00
# 结束
ends = 06:00:00
"""


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (("", ""), ([], [], [], [])),
        (
            ("# 开始\nbegins = 22:00:00\n", ""),
            (["night.begins"], [], ["night.begins = None, default '22:00:00'"], []),
        ),
        (("#receive_id", "#recieve_id"), (["channels.bot.receive_id"], ["channels.bot.recieve_id"], [], [])),
        (("22:00:00", "21:00:00"), ([], [], ["night.begins = '21:00:00', default '22:00:00'"], [])),
        (("# 结束\n", "# end\n"), ([], [], [], ["ends = 06:00:00"])),
        (("# 夜间\n", ""), ([], [], [], ["[night]"])),
        (("[night]", "[night]\n# 多余\nextra = 1"), ([], ["night.extra"], [], [])),
    ],
)  # fmt: skip
def test_example_helpers_find_each_kind_of_gap(
    change: tuple[str, str], faults: tuple[list[str], list[str], list[str], list[str]]
) -> None:
    sections: Sections = {"night": Night}
    channels: Sections = {"aibot": Aibot}
    text = EXAMPLE_OF_OUR_OWN.replace(*change) if change[0] else EXAMPLE_OF_OUR_OWN

    assert (
        missing_from_example(sections, text, channels=channels),
        unknown_in_example(sections, text, channels=channels),
        wrong_defaults_in_example(sections, text),
        uncommented_in_example(text),
    ) == faults


def test_example_helpers_miss_a_channel_of_which_there_is_no_example() -> None:
    channels: Sections = {"aibot": Aibot, "webhook": Webhook}

    assert missing_from_example({"night": Night}, EXAMPLE_OF_OUR_OWN, channels=channels) == [
        "channels.*.kind = webhook"
    ]
