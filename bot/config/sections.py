"""The sections of the configuration, and the settings of one process as a whole."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.config.wording import MASKED, typed
from models.quiet import Quiet

DEFAULT = "默认"
FILE = "文件"
ENVIRONMENT = "环境变量"

PASSPHRASE_CHARACTERS_MIN = 16
BACKUP_PASSPHRASE_CHARACTERS_MIN = 12

S = TypeVar("S", bound=BaseModel)


def is_secret(info: FieldInfo) -> bool:
    """Whether a key's value must never be shown. Secrets are `SecretStr` or `SecretStr | None`."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


class Section(BaseModel):
    """What the sections of the core have in common: frozen, nothing unknown, no value in an error's text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Database(Section):
    """Where the books are kept."""

    url: str = Field(
        default="sqlite:///var/linli.sqlite3",
        description="账本的位置：sqlite:///文件 或 postgresql+psycopg://用户@主机/库名",
    )
    password: SecretStr | None = Field(
        default=None, description="PostgreSQL 的密码；写在这里（或 password_file）就不必写进地址"
    )
    threads: int = Field(default=8, ge=1, le=64, description="PostgreSQL 的连接数，也就是同时进行的事务数")

    @model_validator(mode="before")
    @classmethod
    def _part_with_the_password(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Moves a password from the address to its own field, unless that has one: the address can then be shown."""
        url = _address(given.get("url"))
        if url is None or url.password is None:
            return given
        bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
        return {"password": url.password, **given, "url": bare.render_as_string()}

    @field_validator("url")
    @classmethod
    def _known_address(cls, url: str) -> str:
        parts = _address(url)
        if parts is None or parts.drivername not in ("sqlite", "postgresql+psycopg"):
            raise ValueError("地址看不懂，应像 sqlite:///var/linli.sqlite3 或 postgresql+psycopg://用户@主机/库名")
        if parts.drivername == "sqlite":
            if parts.database in (None, "", ":memory:") or parts.host or parts.query:
                raise ValueError("SQLite 的账本要存在一个文件里，应像 sqlite:///var/linli.sqlite3")
        elif not parts.database:
            raise ValueError("地址里缺少库名，应像 postgresql+psycopg://用户@主机/库名")
        elif {"password", "sslpassword"} & set(parts.query):
            raise ValueError("密码不要放在地址的参数里，请写在 database.password")
        return parts.render_as_string()

    def address(self) -> URL:
        """The whole address for SQLAlchemy, with the password if it needs one; its `repr` hides it."""
        url = make_url(self.url)
        if self.password is None or url.drivername == "sqlite":
            return url
        return url.set(password=self.password.get_secret_value())


def _address(text: object) -> URL | None:
    """The address with its driver named, None where it cannot be read."""
    # Clouds and manuals hand out all three spellings; they mean the one driver that we have.
    text = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", str(text).strip())
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        return None


class Http(Section):
    """The door to which the platforms' callbacks come."""

    host: str = Field(default="127.0.0.1", min_length=1, description="监听地址；前面有反向代理时保持本机")
    port: int = Field(default=8080, ge=0, le=65535, description="监听端口；0 由系统挑一个")
    body_bytes_max: int = Field(default=262_144, ge=16_384, le=16_777_216, description="请求正文最大字节数，超过的拒收")
    body_seconds_max: float = Field(default=10.0, gt=0, le=30, description="请求正文最多等几秒，超过的断开")
    keepalive_seconds: float = Field(default=30.0, ge=0, le=300, description="空闲连接保留几秒")
    stop_seconds: float = Field(default=10.0, gt=0, le=300, description="停止时最多等几秒，让收到的消息都答完")
    public_url: str = Field(
        default="", description="居民的手机打开本机的地址，如 https://bot.example.com；发下载、回执的链接用，空着就不发"
    )

    @field_validator("public_url")
    @classmethod
    def _reachable_address(cls, url: str) -> str:
        url = url.rstrip("/")
        if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
            raise ValueError("地址看不懂，应像 https://bot.example.com，后面不带参数")
        return url


class Log(Section):
    """What the bot says about itself to the operator."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="记录到哪一级")
    format: Literal["console", "json"] = Field(default="console", description="console 给人看，json 每行一条给程序看")
    message_text: bool = Field(default=False, description="是否把居民说的话写进日志；排查问题时才打开")


class Secrets(Section):
    """The key under which endpoints' secrets lie in the database.

    32 bytes in base64 (44 characters) are taken as they are; anything else is a passphrase of at least 16
    characters and is stretched with scrypt. The salt is fixed on purpose: every replica and every restart
    must find the same key.
    """

    key: SecretStr | None = Field(
        default=None, description="给库里的群机器人密钥等加密：32 字节的 base64，或至少 16 个字的口令"
    )
    key_previous: SecretStr | None = Field(default=None, description="换密钥时填旧的：旧的只用来解密，新写的都用 key")

    @field_validator("key", "key_previous")
    @classmethod
    def _strong_enough(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else None
        if text is not None and _raw_key(text) is None and len(text) < PASSPHRASE_CHARACTERS_MIN:
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


def _time(at: str) -> time:
    """A time of the day, in Shanghai."""
    return time.fromisoformat(at.zfill(5))


def _clock_time(at: str) -> str:
    try:
        _time(at)
    except ValueError:
        raise ValueError('应为时刻，像 "02:30"') from None
    return at


class Delivery(Section):
    """The postman: how messages leave."""

    poll_seconds: float = Field(default=1.0, ge=0.05, le=60, description="每隔几秒看一次有没有要发的消息")
    lease_seconds: float = Field(default=60.0, ge=5, le=3600, description="取走的消息几秒内没有结果，就算结果不明")
    send_seconds_max: float = Field(default=10.0, gt=0, le=60, description="发一条消息最多等平台几秒")
    attempts_max: int = Field(default=40, ge=1, le=1000, description="一条消息最多试几次；默认的大约试八小时")
    retry_seconds_min: float = Field(default=2.0, gt=0, le=3600, description="第一次重试前等几秒，之后逐次加倍")
    retry_seconds_max: float = Field(default=900.0, gt=0, le=86_400, description="两次重试之间最多等几秒")

    quiet_from: str = Field(default="21:30", description="免打扰从几点起，北京时间；不急的消息等到 quiet_until 再发")
    quiet_until: str = Field(default="07:00", description="免打扰到几点；和 quiet_from 一样就是不设免打扰")
    group_posts_a_day_max: int = Field(
        default=6, ge=0, le=1000, description="一个群一天最多主动发几次，不急的等到第二天；0 为不限"
    )
    font: str = Field(default="", description="画榜用的中文字体文件；空着就在这台机器上找一个，找不到就只发文字")

    @field_validator("quiet_from", "quiet_until")
    @classmethod
    def _clock_time(cls, at: str) -> str:
        return _clock_time(at)

    def quiet(self) -> Quiet:
        """The hours in which nobody is written to unless it is urgent."""
        return Quiet(_time(self.quiet_from), _time(self.quiet_until))

    @model_validator(mode="after")
    def _in_proportion(self) -> "Delivery":
        if self.send_seconds_max >= self.lease_seconds:
            raise ValueError("send_seconds_max 要小于 lease_seconds，否则一条消息会被两个邮差同时拿着")
        if self.retry_seconds_min > self.retry_seconds_max:
            raise ValueError("retry_seconds_min 不能大于 retry_seconds_max")
        return self


class Backup(Section):
    """Copies of the books, made every night while the bot runs."""

    nightly: bool = Field(default=True, description="是否每晚自动备份")
    at: str = Field(default="02:30", description="每晚几点备份，北京时间；错过了就在下次启动十分钟后补做")
    folder: str = Field(default="var/backup", min_length=1, description="备份放在哪个目录，最好是另一块盘")
    keep_days: int = Field(default=14, ge=1, le=3650, description="最近多少天的备份都留着")
    keep_weeks: int = Field(default=8, ge=0, le=520, description="更早的每周留一份，留多少周")
    passphrase: SecretStr | None = Field(
        default=None, description="备份的口令：设了就加密，至少 12 个字；丢了谁也打不开"
    )

    @field_validator("at")
    @classmethod
    def _clock_time(cls, at: str) -> str:
        return _clock_time(at)

    def clock(self) -> time:
        """The time of the day, in Shanghai."""
        return _time(self.at)

    @field_validator("passphrase")
    @classmethod
    def _long_enough(cls, passphrase: SecretStr | None) -> SecretStr | None:
        if passphrase is not None and len(passphrase.get_secret_value()) < BACKUP_PASSPHRASE_CHARACTERS_MIN:
            raise ValueError(f"太短：至少 {BACKUP_PASSPHRASE_CHARACTERS_MIN} 个字")
        return passphrase


class Jobs(Section):
    """What happens because time passed."""

    tick_seconds: float = Field(default=20.0, ge=1, le=60, description="每隔几秒看一次有没有到点的事")


SECTIONS: Mapping[str, type[Section]] = {
    "database": Database,
    "http": Http,
    "log": Log,
    "secrets": Secrets,
    "simulator": Simulator,
    "delivery": Delivery,
    "jobs": Jobs,
    "backup": Backup,
}


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
    backup: Backup
    channels: Mapping[str, Any]
    """The settings of each configured channel by its name; which class it is depends on `kind`."""
    features: Mapping[str, Any]
    """The settings of each feature by its section's name."""
    origins: Mapping[str, str] = field(repr=False)
    """For every key its origin: 默认, 文件, 文件（token_file）, 环境变量 LINLI_…, 环境变量 LINLI_…_FILE."""
    path: Path | None = None
    """The file that was read; None where there was none."""

    def feature(self, kind: type[S]) -> S:
        """The settings of the feature whose `Settings` class is `kind`. Raises KeyError for one that was not loaded."""
        for settings in self.features.values():
            if type(settings) is kind:
                return settings
        raise KeyError(kind)

    def listing(self) -> list[Shown]:
        """Every key with its value and origin, secrets masked, in the order of the sections."""
        return [
            Shown(
                path,
                MASKED if isinstance(value, SecretStr) else typed(value),
                self.origins[path],
                info.description or "",
                is_secret(info),
            )
            for path, value, info in self._keys()
        ]

    def values(self) -> dict[str, Any]:
        """Every key's value by its path; the secrets among them hide themselves."""
        return {path: value for path, value, _ in self._keys()}

    def secret_values(self) -> Iterator[str]:
        """The value of every secret, for whoever must keep them out of the logs."""
        for _, value, _ in self._keys():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()

    def _keys(self) -> Iterator[tuple[str, Any, FieldInfo]]:
        """Every key's path, value and field."""
        tables = {name: getattr(self, name) for name in SECTIONS}
        tables |= {f"channels.{name}": settings for name, settings in self.channels.items()}
        for section, settings in {**tables, **self.features}.items():
            for key, info in type(settings).model_fields.items():
                yield f"{section}.{key}", getattr(settings, key), info
