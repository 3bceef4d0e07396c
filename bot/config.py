"""Configuration: one TOML file and the environment become typed settings, or one list of everything that
is wrong.

- A key is set, from weakest to strongest, by its default, by the file, by the environment.
  `Config.origins` says for every key which of them it was.
- `LINLI_<SECTION>__<KEY>` overrides a key (two underscores between levels: `LINLI_HTTP__PORT`,
  `LINLI_CHANNELS__AIBOT__TOKEN`). An empty variable counts as not set, because compose files pass on
  empty ones.
- A secret may be read from a file: `token_file = "path"` in the TOML (relative to it), `..._TOKEN_FILE`
  in the environment.
- Values of the file are taken strictly (`port = "8080"` is a mistake); values of the environment are text
  and are read by the type of their key.
- All problems are collected and raised together, each with its key's path and a Chinese sentence. No
  problem, no `repr` and no origin shows a secret's value.

Channels and features own their settings (`Settings` in `bot/channels/<channel>.py` and
`models/<feature>.py`); the loader gets them as tables and imports neither.
"""

import base64
import binascii
import difflib
import errno
import hashlib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_PATH = Path("config.toml")
PREFIX = "LINLI_"
PATH_VARIABLE = "LINLI_CONFIG"
"""Names the configuration file; the one variable with our prefix that is no setting."""

DEFAULT = "默认"
FILE = "文件"
ENVIRONMENT = "环境变量"
MASKED = "******"

SECRET_FILE_BYTES_MAX = 64 * 1024
SCRUBBED_CHARACTERS_MIN = 4
"""Shorter texts are not scrubbed out of sentences: every sentence would be full of holes."""
PASSPHRASE_CHARACTERS_MIN = 16
CHANNEL_NAME = re.compile(r"(?=.{1,32}\Z)[a-z](?:_?[a-z0-9])*")
"""A channel's name is part of its callback address and of its variables, hence no capitals and no `__`."""

S = TypeVar("S", bound=BaseModel)


class Section(BaseModel):
    """What the sections of the core have in common: frozen, nothing unknown, no value in an error's text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Database(Section):
    """Where the books are kept."""

    url: str = Field(
        default="sqlite:///var/linli.sqlite3",
        description="账本的位置：sqlite:///文件 或 postgresql+psycopg://用户@主机/库名",
        json_schema_extra={"secret": True},
    )
    password: SecretStr | None = Field(
        default=None, description="PostgreSQL 的密码；写在这里（或 password_file）就不必写进地址"
    )
    threads: int = Field(default=8, ge=1, le=64, description="PostgreSQL 的连接数，也就是同时进行的事务数")

    @model_validator(mode="before")
    @classmethod
    def _part_with_the_password(cls, given: Any) -> Any:
        """Moves a password from the address to its own field, so that the address can be shown and logged."""
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            return given
        url = _address(given["url"])
        if url is None or url.password is None:
            return given
        if given.get("password") is not None:
            raise ValueError("密码写了两处：地址里和 password 里，请只留一处")
        bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
        return {**given, "url": bare.render_as_string(), "password": url.password}

    @field_validator("url")
    @classmethod
    def _known_address(cls, url: str) -> str:
        parts = _address(url)
        if parts is None:
            raise ValueError(
                "地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名"
            )
        if parts.drivername == "sqlite":
            if not parts.database or parts.database == ":memory:" or parts.host or parts.query:
                raise ValueError("SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3")
        elif parts.drivername == "postgresql+psycopg":
            if not parts.database:
                raise ValueError("地址里缺少库名，应像 postgresql+psycopg://用户@主机/库名")
            if {"password", "sslpassword"} & set(parts.query):
                raise ValueError("密码不要放在地址的参数里，请写在 database.password")
        else:
            raise ValueError("只支持 sqlite 和 postgresql+psycopg 两种地址")
        return parts.render_as_string(hide_password=False)

    @model_validator(mode="after")
    def _password_has_a_use(self) -> "Database":
        if self.password is not None and self.url.startswith("sqlite"):
            raise ValueError("SQLite 没有密码，请去掉 password")
        return self

    def address(self) -> URL:
        """The whole address for SQLAlchemy, with the password; its `repr` hides it."""
        url = make_url(self.url)
        return url.set(password=self.password.get_secret_value()) if self.password else url


def _address(text: str) -> URL | None:
    """The address with its driver named, None where it cannot be read."""
    # Clouds and manuals hand out all three spellings; they mean the one driver that we have.
    text = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text.strip())
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


class Http(Section):
    """The door to which the platforms' callbacks come."""

    host: str = Field(default="127.0.0.1", min_length=1, description="监听地址；前面有反向代理时保持本机")
    port: int = Field(default=8080, ge=0, le=65535, description="监听端口；0 由系统挑一个")
    body_bytes_max: int = Field(
        default=262_144, ge=16_384, le=16_777_216, description="请求正文最大字节数，超过的拒收"
    )
    body_seconds_max: float = Field(default=10.0, gt=0, le=30, description="请求正文最多等几秒，超过的断开")
    keepalive_seconds: float = Field(default=30.0, ge=0, le=300, description="空闲连接保留几秒")
    stop_seconds: float = Field(
        default=10.0, gt=0, le=300, description="停止时最多等几秒，让收到的消息都答完"
    )


class Log(Section):
    """What the bot says about itself to the operator."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="记录到哪一级")
    format: Literal["console", "json"] = Field(
        default="console", description="console 给人看，json 每行一条给程序看"
    )
    message_text: bool = Field(default=False, description="是否把居民说的话写进日志；排查问题时才打开")


class Secrets(Section):
    """The key under which endpoints' secrets lie in the database.

    32 bytes in base64 (44 characters) are taken as they are; anything else is a passphrase of at least 16
    characters and is stretched with scrypt. The salt is fixed on purpose: every replica and every restart
    must find the same key.
    """

    key: SecretStr | None = Field(
        default=None,
        description="给库里的群机器人密钥等加密：32 字节的 base64，或至少 16 个字的口令",
    )
    key_previous: SecretStr | None = Field(
        default=None, description="换密钥时填旧的：旧的只用来解密，新写的都用 key"
    )

    @field_validator("key", "key_previous")
    @classmethod
    def _strong_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if (
            key is not None
            and _raw_key(key.get_secret_value()) is None
            and len(key.get_secret_value()) < PASSPHRASE_CHARACTERS_MIN
        ):
            raise ValueError(f"太短：要 32 字节的 base64，或至少 {PASSPHRASE_CHARACTERS_MIN} 个字的口令")
        return key

    @model_validator(mode="after")
    def _previous_needs_a_present(self) -> "Secrets":
        if self.key is None and self.key_previous is not None:
            raise ValueError("只有 key_previous 没有 key：新密钥也要填")
        return self

    def keys(self) -> tuple[bytes, ...]:
        """The keys as 32 bytes each, the one to encrypt with first; empty where none is configured.

        Stretching a passphrase takes about 0.1 s once.
        """
        given = (self.key, self.key_previous)
        return tuple(_key_bytes(key.get_secret_value()) for key in given if key is not None)


def _raw_key(text: str) -> bytes | None:
    """The 32 bytes that a base64 text stands for, in either alphabet; None where it is no such text."""
    try:
        raw = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 32 else None


@lru_cache(maxsize=4)
def _key_bytes(text: str) -> bytes:
    return _raw_key(text) or hashlib.scrypt(
        text.encode(), salt=b"linli endpoint secrets 1", n=2**15, r=8, p=1, maxmem=2**26, dklen=32
    )


class Simulator(Section):
    """The chat page on which one can be anybody."""

    enabled: bool = Field(default=False, description="是否打开模拟器；谁都能扮成书记，所以只在本机试用时打开")


class Delivery(Section):
    """The postman: how messages leave."""

    poll_seconds: float = Field(default=1.0, ge=0.05, le=60, description="每隔几秒看一次有没有要发的消息")
    lease_seconds: float = Field(
        default=60.0, ge=5, le=3600, description="取走的消息几秒内没有结果，就算结果不明"
    )
    send_seconds_max: float = Field(default=10.0, gt=0, le=60, description="发一条消息最多等平台几秒")
    attempts_max: int = Field(default=8, ge=1, le=100, description="一条消息最多试几次")
    retry_seconds_min: float = Field(
        default=2.0, gt=0, le=3600, description="第一次重试前等几秒，之后逐次加倍"
    )
    retry_seconds_max: float = Field(default=900.0, gt=0, le=86_400, description="两次重试之间最多等几秒")

    @model_validator(mode="after")
    def _in_proportion(self) -> "Delivery":
        if self.send_seconds_max >= self.lease_seconds:
            raise ValueError("send_seconds_max 要小于 lease_seconds，否则一条消息会被两个邮差同时拿着")
        if self.retry_seconds_min > self.retry_seconds_max:
            raise ValueError("retry_seconds_min 不能大于 retry_seconds_max")
        return self


class Jobs(Section):
    """What happens because time passed."""

    tick_seconds: float = Field(default=20.0, ge=1, le=60, description="每隔几秒看一次有没有到点的事")


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "database": Database,
        "http": Http,
        "log": Log,
        "secrets": Secrets,
        "simulator": Simulator,
        "delivery": Delivery,
        "jobs": Jobs,
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the key's path (`channels.aibot.token`) and a Chinese sentence without any
    secret.
    """

    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}：{self.sentence}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that were found, in the order of the sections."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(
                [f"配置有 {len(self.problems)} 处问题：", *(f"- {problem}" for problem in self.problems)]
            )
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One key as an operator may see it: `value` is TOML-like text, masked where it is secret."""

    path: str
    value: str
    origin: str
    description: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one process. Nothing in it changes, and its `repr` shows no secret."""

    database: Database
    http: Http
    log: Log
    secrets: Secrets
    simulator: Simulator
    delivery: Delivery
    jobs: Jobs
    channels: Mapping[str, Any]
    """The settings of each configured channel by its name; which class it is depends on `kind`."""
    features: Mapping[str, Any]
    """The settings of each feature by its section's name."""
    origins: Mapping[str, str] = field(repr=False)
    """For every key its origin: 默认, 文件, 文件（token_file）, 环境变量 LINLI_…, 环境变量 LINLI_…_FILE."""
    path: Path | None = None
    """The file that was read; None where there was none."""

    def feature(self, kind: type[S]) -> S:
        """The settings of the feature whose `Settings` class is `kind`. Raises KeyError for one that was not
        loaded.
        """
        for settings in self.features.values():
            if type(settings) is kind:
                return settings
        raise KeyError(kind)

    def listing(self) -> list[Shown]:
        """Every key with its value and origin, secrets masked, in the order of the sections."""
        return [
            Shown(
                leaf.path,
                _shown(leaf.value, leaf.secret),
                self.origins[leaf.path],
                leaf.description,
                leaf.secret,
            )
            for leaf in self._leaves()
        ]

    def secret_values(self) -> Iterator[str]:
        """The value of every secret, for whoever must keep them out of the logs."""
        for leaf in self._leaves():
            yield from _secret_texts(leaf.value)

    def _leaves(self) -> Iterator["_Leaf"]:
        for name in SECTIONS:
            yield from _leaves(name, getattr(self, name))
        for name, settings in self.channels.items():
            yield from _leaves(f"channels.{name}", settings)
        for name, settings in self.features.items():
            yield from _leaves(name, settings)


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    channel_settings: Mapping[str, type[BaseModel]],
    feature_settings: Mapping[str, type[BaseModel]],
    default_path: Path = DEFAULT_PATH,
) -> Config:
    """Reads the configuration.

    `path` None means the file that `LINLI_CONFIG` names, else `default_path`, which may be missing.
    `channel_settings` maps each `kind` to its class, `feature_settings` each section to its class. A
    channel class that keeps secrets in its endpoints' rows says so with `needs_secrets_key:
    ClassVar[bool] = True`. Raises ConfigError.
    """
    taken = {"channels", *SECTIONS} & set(feature_settings)
    if taken:
        raise ValueError(f"a feature cannot own the section {', '.join(sorted(taken))}")
    named = environ.get(PATH_VARIABLE)
    explicit = path or (Path(named) if named else None)
    loader = _Loader(explicit or default_path, channel_settings, {**SECTIONS, **feature_settings})
    loader.read_file(missing_is_fine=explicit is None)
    loader.read_environment(environ)
    return loader.build(feature_settings)


# How a raw value is kept until its section's class is known.


@dataclass(frozen=True, slots=True)
class _Raw:
    """One value with its origin. `text` values come from the environment and are still to be read by their
    type.
    """

    value: Any
    origin: str
    text: bool = False


_Tree = dict[str, "_Tree | _Raw"]


@dataclass(slots=True)
class _Loader:
    path: Path
    channel_settings: Mapping[str, type[BaseModel]]
    sections: Mapping[str, type[BaseModel]]
    tree: _Tree = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    found: bool = False
    broken: bool = False
    """The file could not be read: what is missing may well stand in it."""

    def report(self, path: str, sentence: str) -> None:
        self.problems.append(Problem(path, sentence))

    def learn(self, secrets: Iterable[str]) -> None:
        self.secrets.update(text for text in secrets if len(text) >= SCRUBBED_CHARACTERS_MIN)

    def reported(self, path: str) -> bool:
        return any(problem.path == path for problem in self.problems)

    # Reading

    def read_file(self, *, missing_is_fine: bool) -> None:
        try:
            # Windows' editor puts a byte order mark in front.
            text = self.path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            if not missing_is_fine:
                self.report(str(self.path), "没有这个配置文件")
                self.broken = True
            return
        except OSError as error:
            self.report(str(self.path), f"读不了配置文件：{_reason(error)}")
            self.broken = True
            return
        except UnicodeDecodeError:
            self.report(str(self.path), "配置文件不是 UTF-8 编码，请用编辑器另存为 UTF-8")
            self.broken = True
            return
        self.found = True
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.report(str(self.path), _syntax(str(error), text))
            self.broken = True
            return
        self.tree = {key: _wrapped(value, FILE) for key, value in table.items()}

    def read_environment(self, environ: Mapping[str, str]) -> None:
        for name in sorted(environ):
            if not name.startswith(PREFIX) or name == PATH_VARIABLE or not environ[name]:
                continue
            steps = name.removeprefix(PREFIX).lower().split("__")
            if len(steps) == 1:
                # Container platforms inject variables of this shape by themselves, so only a sure slip is a
                # problem.
                meant = self.meant_variable(steps[0])
                if meant:
                    self.report(name, f"没有这个环境变量；各级之间是两个下划线：{meant}")
            elif not all(steps):
                self.report(name, "看不懂的环境变量：应像 LINLI_HTTP__PORT，各级之间恰好两个下划线")
            else:
                self.overlay(steps, _Raw(environ[name], f"{ENVIRONMENT} {name}", text=True), name)

    def meant_variable(self, rest: str) -> str | None:
        """The variable that a name with single underscores was meant to be, where that is certain."""
        for section, model in self.sections.items():
            key = rest.removeprefix(f"{section}_")
            if key != rest and (key in model.model_fields or _secret_of_file(model, key)):
                return _variable(f"{section}.{key}")
        return None

    def overlay(self, steps: list[str], raw: _Raw, name: str) -> None:
        table = self.tree
        for step in steps[:-1]:
            below = table.setdefault(_same_key(table, step), {})
            if isinstance(below, _Raw):
                self.report(name, "看不懂的环境变量：上一级在配置文件里不是一节")
                return
            table = below
        key = _same_key(table, steps[-1])
        if isinstance(table.get(key), dict) and table[key]:
            self.report(name, "看不懂的环境变量：这是一节，不是一项")
            return
        table[key] = raw

    # Checking

    def build(self, features: Mapping[str, type[BaseModel]]) -> Config:
        self.check_top()
        built = {
            name: self.section(name, model, self.tree.get(name)) for name, model in self.sections.items()
        }
        channels = dict(self.channels())
        self.check_together(built, channels)
        if self.problems:
            # Raised here and not where a problem was met: no error that holds a secret is on its chain.
            raise ConfigError(self.problems)
        core: dict[str, Any] = {name: built[name] for name in SECTIONS}
        config = Config(
            **core,
            channels=MappingProxyType(channels),
            features=MappingProxyType({name: built[name] for name in features}),
            origins=MappingProxyType(self.origins),
            path=self.path if self.found else None,
        )
        for leaf in config._leaves():
            self.origins.setdefault(leaf.path, self.origin_of(leaf.path))
        return config

    def check_top(self) -> None:
        known = [*self.sections, "channels"]
        for key, node in self.tree.items():
            if key not in known:
                what = "一节" if isinstance(node, dict) else "一项"
                self.report(key, f"没有这{what}{_suggestion(key, known)}{self.whence(node)}")

    def section(self, path: str, model: type[BaseModel], node: "_Tree | _Raw | None") -> BaseModel | None:
        """The settings of one section, None where they have problems."""
        if isinstance(node, _Raw):
            self.report(path, f"应为一节，写作 [{path}]{self.whence(node)}")
            return None
        before = len(self.problems)
        plain = self.plain(path, model, node or {})
        try:
            settings = model.model_validate_json(json.dumps(plain, default=_json_value), strict=True)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
        else:
            faults = []
        for fault in faults:
            self.fault(path, model, plain, fault["type"], fault["loc"], fault.get("ctx", {}))
        if len(self.problems) > before or faults:
            return None
        for leaf in _leaves(path, settings):
            if isinstance(leaf.value, time) and leaf.value.tzinfo is not None:
                self.report(leaf.path, '时刻不带时区，都按上海时间，应像 "19:30"')
        if isinstance(settings, Database) and settings.password and "password" not in plain:
            self.origins[f"{path}.password"] = self.origin_of(f"{path}.url")
        return settings

    def channels(self) -> Iterator[tuple[str, BaseModel | None]]:
        node = self.tree.get("channels", {})
        if isinstance(node, _Raw):
            self.report("channels", f"应为若干节，每个通道一节，写作 [channels.名字]{self.whence(node)}")
            return
        for name, table in node.items():
            path = f"channels.{name}"
            if not CHANNEL_NAME.fullmatch(name):
                self.report(path, "通道的名字只能用小写字母、数字和单个下划线，以字母开头，最多 32 个字")
                continue
            if isinstance(table, _Raw):
                self.report(path, f"应为一节，写作 [{path}]{self.whence(table)}")
                continue
            kind = table.get("kind")
            kinds = "、".join(self.channel_settings)
            if not isinstance(kind, _Raw):
                if not self.broken:
                    self.report(f"{path}.kind", f"缺少 kind：这是哪一种通道（{kinds}）")
            elif not isinstance(kind.value, str) or kind.value not in self.channel_settings:
                slip = _suggestion(str(kind.value), self.channel_settings)
                self.report(f"{path}.kind", f"没有这种通道{slip or f'，只有 {kinds}'}{self.whence(kind)}")
            else:
                yield name, self.section(path, self.channel_settings[kind.value], table)

    def check_together(self, built: Mapping[str, Any], channels: Mapping[str, Any]) -> None:
        """Rules between sections; each looks only at sections that are sound by themselves."""
        http, simulator, secrets = built["http"], built["simulator"], built["secrets"]
        simulated = [
            f"channels.{name}" for name, its in channels.items() if getattr(its, "kind", "") == "simulator"
        ]
        if simulator is not None and simulator.enabled:
            simulated.append("simulator.enabled")
        if http is not None and simulated and not _is_loopback(http.host):
            self.report(simulated[-1], "模拟器里谁都能扮成书记，只能配本机地址（http.host = 127.0.0.1）")
        locked = [name for name, its in channels.items() if getattr(its, "needs_secrets_key", False)]
        if secrets is not None and secrets.key is None and locked and not self.broken:
            self.report(
                "secrets.key",
                f"缺少：通道 {'、'.join(locked)} 的密钥要加密保存。{_how_to_give('secrets.key')}",
            )

    # One section

    def plain(self, path: str, model: type[BaseModel], table: _Tree) -> dict[str, Any]:
        """The table as plain values for validation. Reports unknown keys and reads the files of secrets."""
        plain: dict[str, Any] = {}
        # Whatever is secret is known before the first sentence about this table is made.
        for key, node in table.items():
            if key in model.model_fields and _is_secret(model.model_fields[key]):
                self.learn(_texts_in(node))
        for key, node in table.items():
            at = f"{path}.{key}"
            if key in model.model_fields:
                rival = table.get(f"{key}_file") if _secret_of_file(model, f"{key}_file") else None
                # An override of the environment beats the file's spelling, whichever of the two it uses.
                if isinstance(node, _Raw) and isinstance(rival, _Raw) and rival.text and not node.text:
                    continue
                self.place(plain, at, key, model.model_fields[key].annotation, node)
            elif secret := _secret_of_file(model, key):
                self.place_file(plain, path, secret, key, node, table.get(secret))
            else:
                spellings = [*model.model_fields, *(f"{name}_file" for name in model.model_fields)]
                spellings = [
                    name for name in spellings if name in model.model_fields or _secret_of_file(model, name)
                ]
                self.report(at, f"没有这一项{_suggestion(key, spellings)}{self.whence(node)}")
        return plain

    def place(self, plain: dict[str, Any], at: str, key: str, annotation: Any, node: "_Tree | _Raw") -> None:
        nested = _model_in(annotation)
        many = _models_by_name(annotation)
        if (nested or many) and isinstance(node, _Raw) and node.text:
            origin, table = node.origin, _read(node.value, annotation)
            node = _wrapped(table, origin) if isinstance(table, dict) else node
        if isinstance(node, dict):
            if nested:
                plain[key] = self.plain(at, nested, node)
            elif many:
                plain[key] = {}
                for name, below in node.items():
                    self.place(plain[key], f"{at}.{name}", name, many, below)
            elif _is_table(annotation):
                inner = _table_value(annotation)
                plain[key] = {name: self.taken(f"{at}.{name}", inner, below) for name, below in node.items()}
            elif node:
                self.report(at, "这是一项，不是一节")
        elif nested or many:
            self.report(at, f"应为一节，写作 [{at}]{self.whence(node)}")
        else:
            plain[key] = self.taken(at, annotation, node)

    def taken(self, at: str, annotation: Any, node: "_Tree | _Raw") -> Any:
        if isinstance(node, dict):
            inner = _table_value(annotation)
            return {name: self.taken(f"{at}.{name}", inner, below) for name, below in node.items()}
        self.origins[at] = node.origin
        return _read(node.value, annotation) if node.text else node.value

    def place_file(
        self,
        plain: dict[str, Any],
        path: str,
        secret: str,
        key: str,
        node: "_Tree | _Raw",
        rival: "_Tree | _Raw | None",
    ) -> None:
        """Reads a secret from the file that `<secret>_file` names."""
        at = f"{path}.{secret}"
        if not isinstance(node, _Raw) or not isinstance(node.value, str) or "\0" in node.value:
            self.report(f"{path}.{key}", "应为文件的路径，写成文字")
            return
        if isinstance(rival, _Raw):
            if rival.text and not node.text:
                return
            if rival.text == node.text:
                self.report(at, f"{secret} 和 {key} 只能写一个{self.whence(node)}")
                return
        # A path in the TOML means the same wherever the process was started; one in the environment is the
        # shell's. No sentence shows it: people do write the secret itself where its file belongs.
        file = Path(node.value) if node.text else self.path.parent / node.value
        try:
            with file.open("rb") as stream:
                content = stream.read(SECRET_FILE_BYTES_MAX + 1)
            if len(content) > SECRET_FILE_BYTES_MAX:
                self.report(at, f"{key} 指的文件太大，不像密钥{self.whence(node)}")
                return
            value = content.decode("utf-8-sig").rstrip("\r\n")
        except OSError as error:
            self.report(at, f"{key} 指的文件读不了：{_reason(error)}{self.whence(node)}")
            return
        except UnicodeDecodeError:
            self.report(at, f"{key} 指的文件不是 UTF-8 文字{self.whence(node)}")
            return
        if not value:
            self.report(at, f"{key} 指的文件是空的{self.whence(node)}")
            return
        self.learn([value])
        self.origins[at] = node.origin if node.text else f"{FILE}（{key}）"
        plain[secret] = value

    def fault(
        self,
        path: str,
        model: type[BaseModel],
        plain: Any,
        kind: str,
        location: tuple[int | str, ...],
        facts: Any,
    ) -> None:
        """Turns one finding of pydantic into a problem, unless something truer was said about the key
        already.
        """
        at, given, secret = path, plain, False
        annotation: Any = model
        within: Any = model
        for step in location:
            if isinstance(step, int) and isinstance(given, list) and step < len(given):
                at, given = f"{at}[{step}]", given[step]
                annotation = _element(annotation)
                within = _model_in(annotation)
            elif isinstance(step, str) and (
                (isinstance(given, dict) and step in given) or step in getattr(within, "model_fields", {})
            ):
                info = getattr(within, "model_fields", {}).get(step)
                at, given = f"{at}.{step}", given.get(step) if isinstance(given, dict) else None
                secret = secret or (info is not None and _is_secret(info))
                annotation = info.annotation if info is not None else _models_by_name(annotation)
                within = _model_in(annotation)
            # Any other step names a branch of a union, which means nothing to an operator.
        if self.reported(at) or (kind == "missing" and (self.broken or self.reported(f"{at}_file"))):
            return
        if kind == "missing":
            self.report(at, f"缺少{'密钥' if secret else '这一项'}。{_how_to_give(at, secret=secret)}")
            return
        sentence = _sentence(kind, facts)
        if kind in ("value_error", "assertion_error") and not issubclass(model, Section):
            # A validator of a channel or feature may have quoted what it was given.
            for text in sorted(self.secrets, key=len, reverse=True):
                sentence = sentence.replace(text, MASKED)
        if kind == "literal_error" or kind == "enum":
            sentence += _suggestion(str(given), re.findall(r"'([^']*)'", str(facts.get("expected", ""))))
        elif (
            not secret
            and kind not in ("value_error", "assertion_error", "extra_forbidden")
            and not isinstance(given, dict | list)
        ):
            sentence += f"，现在是 {_toml(given)}"
        self.report(at, sentence + self.whence(None, at))

    # Saying where something came from

    def origin_of(self, path: str) -> str:
        """The recorded origin of a key, or of the table that it was given in."""
        while path:
            if path in self.origins:
                return self.origins[path]
            path = path.rpartition(".")[0]
        return DEFAULT

    def whence(self, node: "_Tree | _Raw | None", at: str = "") -> str:
        """`（来自环境变量 …）` for what the environment brought, else nothing: the file is open anyway."""
        if isinstance(node, dict):
            below = [self.whence(value) for value in node.values()]
            return below[0] if below else ""
        origin = node.origin if node is not None else self.origin_of(at.partition("[")[0])
        return f"（来自{origin}）" if origin.startswith(ENVIRONMENT) else ""


# Types


def _union_members(annotation: Any) -> tuple[Any, ...]:
    """The types a value may have, without Annotated and None."""
    if get_origin(annotation) is Annotated:
        return _union_members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(member for each in get_args(annotation) for member in _union_members(each))
    return () if annotation is NoneType else (annotation,)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings class of a nested table."""
    for member in _union_members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def _element(annotation: Any) -> Any:
    """The type of a list's elements."""
    for member in _union_members(annotation):
        if get_origin(member) in (list, tuple, set, frozenset) and get_args(member):
            return get_args(member)[0]
    return None


def _models_by_name(annotation: Any) -> type[BaseModel] | None:
    """The class of the tables that `dict[str, Class]` holds."""
    return _model_in(_table_value(annotation))


def _table_value(annotation: Any) -> Any:
    """The type of a table's values."""
    for member in _union_members(annotation):
        if _is_table(member) and len(get_args(member)) == 2:
            return get_args(member)[1]
    return None


def _is_table(annotation: Any) -> bool:
    return any((get_origin(member) or member) in (dict, Mapping) for member in _union_members(annotation))


def _is_secret(info: FieldInfo) -> bool:
    extra = info.json_schema_extra
    if isinstance(extra, dict) and extra.get("secret"):
        return True
    return _holds_secret(info.annotation)


def _holds_secret(annotation: Any) -> bool:
    return any(
        member is SecretStr or any(_holds_secret(part) for part in get_args(member))
        for member in _union_members(annotation)
    )


def _secret_of_file(model: type[BaseModel], key: str) -> str | None:
    """The secret that `key` names the file of (`token` for `token_file`), where the class has one."""
    name = key.removesuffix("_file")
    info = model.model_fields.get(name) if name != key and key not in model.model_fields else None
    return name if info is not None and _is_secret(info) else None


_WORDS_OF_TRUTH = {
    **dict.fromkeys(("1", "true", "yes", "on", "是", "开"), True),
    **dict.fromkeys(("0", "false", "no", "off", "否", "关"), False),
}


def _read(text: str, annotation: Any) -> Any:
    """Reads a variable's text by the type of its key; what cannot be read stays text and is refused later."""
    members = _union_members(annotation)
    for member in members:
        kind = get_origin(member) or member
        if kind is bool and text.strip().lower() in _WORDS_OF_TRUTH:
            return _WORDS_OF_TRUTH[text.strip().lower()]
        if kind is int or (kind is Literal and all(type(choice) is int for choice in get_args(member))):
            try:
                return int(text)
            except ValueError:
                pass
        if kind is float:
            try:
                return float(text)
            except ValueError:
                pass
        if kind in (list, tuple, set, frozenset):
            inner = get_args(member)[0] if get_args(member) else str
            return _read_list(text, inner)
        if kind in (dict, Mapping) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return _read_toml(text)
    return text


def _read_list(text: str, inner: Any) -> Any:
    """`["a", "b"]` as in the TOML, or plainly `a,b`."""
    if text.lstrip().startswith("["):
        return _read_toml(text)
    return [_read(part.strip(), inner) for part in re.split("[,，]", text) if part.strip()]


def _read_toml(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


# Values and leaves


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: str
    value: Any
    description: str
    secret: bool


def _leaves(path: str, value: Any, info: FieldInfo | None = None) -> Iterator[_Leaf]:
    """Every key below `path` with its value."""
    if isinstance(value, BaseModel):
        for name, its in type(value).model_fields.items():
            yield from _leaves(f"{path}.{name}", getattr(value, name), its)
    elif isinstance(value, dict) and value and all(isinstance(each, BaseModel) for each in value.values()):
        for name, each in value.items():
            yield from _leaves(f"{path}.{name}", each)
    else:
        description = (info.description if info is not None else None) or ""
        # An address is a secret only as long as its password is in it, and by now it no longer is.
        yield _Leaf(path, value, description, info is not None and _holds_secret(info.annotation))


def _wrapped(value: Any, origin: str) -> "_Tree | _Raw":
    if isinstance(value, dict):
        return {key: _wrapped(below, origin) for key, below in value.items()}
    return _Raw(value, origin)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, _Raw):
        yield from _texts_in(value.value)
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(each)


def _secret_texts(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secret_texts(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secret_texts(each)
    elif isinstance(value, BaseModel):
        for leaf in _leaves("", value):
            yield from _secret_texts(leaf.value)


def _shown(value: Any, secret: bool) -> str:
    if value is None:
        return ""
    return MASKED if secret else _toml(value)


def _toml(value: Any) -> str:
    """A value roughly as one would type it in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, SecretStr):
        return MASKED
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, int | float):
        return repr(value)
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        return _toml({name: getattr(value, name) for name in type(value).model_fields})
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return _toml(sorted(value, key=str))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, timedelta):
        return json.dumps(f"PT{value.total_seconds():g}S")
    if isinstance(value, time | date | datetime):
        return json.dumps(value.isoformat())
    return json.dumps(str(value), ensure_ascii=False)


def _json_value(value: object) -> str:
    """TOML's own times and dates, for the JSON that is validated."""
    assert isinstance(value, time | date | datetime)
    return value.isoformat()


def _same_key(table: _Tree, step: str) -> str:
    """The table's key that a variable's step means: variables have no small letters, keys may have any."""
    return next((key for key in table if key.lower() == step), step)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


# Sentences

_SENTENCES = {
    "int_type": "应为整数",
    "int_from_float": "应为整数",
    "int_parsing": "应为整数",
    "int_parsing_size": "数字太大",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "string_type": "应为文字，写在引号里",
    "time_type": '应为时刻，像 "19:30"',
    "time_parsing": '没有这个时刻，应像 "19:30"',
    "date_type": '应为日期，像 "2026-11-28"',
    "date_parsing": '没有这一天，应像 "2026-11-28"',
    "date_from_datetime_parsing": '没有这一天，应像 "2026-11-28"',
    "datetime_type": '应为时间，像 "2026-11-28T19:30+08:00"',
    "datetime_parsing": '没有这个时间，应像 "2026-11-28T19:30+08:00"',
    "datetime_from_date_parsing": '没有这个时间，应像 "2026-11-28T19:30+08:00"',
    "time_delta_type": '应为时长，像 "PT5M"（5 分钟）',
    "time_delta_parsing": '应为时长，像 "PT5M"（5 分钟）',
    "literal_error": "只能是 {expected}",
    "enum": "只能是 {expected}",
    "greater_than_equal": "不能小于 {ge}",
    "greater_than": "要大于 {gt}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "要小于 {lt}",
    "multiple_of": "要是 {multiple_of} 的倍数",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "格式不对，应符合 {pattern}",
    "too_short": "至少 {min_length} 个",
    "too_long": "最多 {max_length} 个",
    "list_type": '应为列表，像 ["甲", "乙"]',
    "tuple_type": '应为列表，像 ["甲", "乙"]',
    "set_type": '应为列表，像 ["甲", "乙"]',
    "frozen_set_type": '应为列表，像 ["甲", "乙"]',
    "dict_type": "应为一节",
    "model_type": "应为一节",
    "model_attributes_type": "应为一节",
    "extra_forbidden": "没有这一项",
    "value_error": "{error}",
    "assertion_error": "{error}",
}


def _sentence(kind: str, facts: Mapping[str, Any]) -> str:
    pattern = _SENTENCES.get(kind)
    if pattern is None:
        return f"格式不对（{kind}）"
    told = dict(facts)
    if "expected" in told:
        told["expected"] = "、".join(re.findall(r"'([^']*)'", str(told["expected"]))) or told["expected"]
    told = {name: f"{fact:g}" if isinstance(fact, float) else fact for name, fact in told.items()}
    return pattern.format(**told)


def _suggestion(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key.lower(), list(known), n=1, cutoff=0.6)
    return f"，是不是想写 {close[0]}？" if close else ""


def _variable(path: str) -> str:
    return PREFIX + path.upper().replace(".", "__")


def _how_to_give(path: str, *, secret: bool = True) -> str:
    section, _, key = path.rpartition(".")
    where = f"请在 [{section}] 里写 {key} = …，或设环境变量 {_variable(path)}"
    return f"{where}（也可以用 {key}_file 指向存着它的文件）" if secret else where


def _reason(error: OSError) -> str:
    known = {
        errno.ENOENT: "没有这个文件",
        errno.EACCES: "没有读取的权限",
        errno.EPERM: "没有读取的权限",
        errno.EISDIR: "这是一个目录",
        errno.ENOTDIR: "路径中间有一段不是目录",
        errno.ENAMETOOLONG: "路径太长",
    }
    return known.get(error.errno or 0) or os.strerror(error.errno or 0)


_SYNTAX = (
    ("Expected '=' after a key", "键的后面缺少等号"),
    ("Cannot overwrite a value", "这一项写了两次"),
    ("Cannot declare", "这一节写了两次"),
    ("Cannot mutate immutable", "这一节已经写完，不能再添"),
    ("Unterminated string", "引号没有收尾"),
    ("Illegal character", "有不能用的字符（引号没有收尾？）"),
    ("Expected newline or end of document", "这一行后面有多余的内容（文字要加引号）"),
    ("Unclosed array", "方括号没有收尾"),
    ("Unclosed inline table", "花括号没有收尾"),
    ("Expected ']", "节名缺少右方括号"),
    ("Cannot redefine namespace", "这一节写了两次"),
    ("Duplicate inline table key", "这一项写了两次"),
    ("Found invalid character", "有不能用的字符"),
    ("Unescaped '\\'", "反斜杠要写两个，或改用单引号"),
    ("Invalid value", "值写得不对（文字要加引号）"),
    ("Invalid date or datetime", "没有这个日期或时间"),
    ("Invalid initial character for a key part", "键的开头写得不对"),
    ("Invalid statement", "这一行写得不对"),
)


def _syntax(message: str, text: str) -> str:
    """The parser's complaint in Chinese. The line itself is not shown: a secret may stand in it."""
    said = next((chinese for english, chinese in _SYNTAX if message.startswith(english)), "写法不对")
    place = re.search(r"line (\d+), column (\d+)", message)
    if place is None:
        return (
            f"TOML 写法有误：文件末尾，{said}" if "end of document" in message else f"TOML 写法有误：{said}"
        )
    number = int(place[1])
    lines = text.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    hint = (
        "；这一行有中文标点，等号和引号要用英文的"
        if re.search("[“”‘’＝，；]", line.partition("#")[0])
        else ""
    )
    return f"TOML 写法有误：第 {number} 行第 {place[2]} 列，{said}{hint}"
