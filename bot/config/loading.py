"""Reading the configuration: file, environment, secrets' files; then every section is checked by its own class."""

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from bot.config import wording
from bot.config.sections import DEFAULT, ENVIRONMENT, FILE, SECTIONS, Config, Database, Section, is_secret
from bot.config.wording import MASKED, ConfigError, Problem

DEFAULT_PATH = Path("config.toml")
PREFIX = "LINLI_"
PATH_VARIABLE = "LINLI_CONFIG"
"""Names the configuration file; the one variable with our prefix that is no setting."""

CHANNEL_NAME = re.compile(r"(?=.{1,32}\Z)[a-z](?:_?[a-z0-9])*")
"""A channel's name is part of its callback address and of its variables, hence no capitals and no `__`."""


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    channel_settings: Mapping[str, type[BaseModel]],
    feature_settings: Mapping[str, type[BaseModel]],
    default_path: Path = DEFAULT_PATH,
) -> Config:
    """Reads the configuration.

    `path` None means the file that `LINLI_CONFIG` names, else `default_path`, which may be missing. `channel_settings`
    maps each `kind` to its class, `feature_settings` each section to its class. A channel class that keeps secrets in
    its endpoints' rows says so with `needs_secrets_key: ClassVar[bool] = True`. Raises ConfigError.
    """
    taken = {"channels", *SECTIONS} & set(feature_settings)
    if taken:
        raise ValueError(f"a feature cannot own the section {', '.join(sorted(taken))}")
    named = environ.get(PATH_VARIABLE)
    explicit = path or (Path(named) if named else None)
    loading = _Loading(explicit or default_path, channel_settings, {**SECTIONS, **feature_settings})
    toml = loading.read_file(may_be_missing=explicit is None)
    if not loading.problems:  # Of a file that cannot be read, nobody can say what is missing in it.
        loading.take_file(toml or {})
        loading.take_environment(environ)
        loading.check_sections()
    if loading.problems:
        # Raised here and not where a problem was met: no error that holds a secret is on its chain.
        raise ConfigError(loading.problems)
    return Config(
        **{name: loading.sound[name] for name in SECTIONS},
        channels=MappingProxyType(loading.channels),
        features=MappingProxyType({name: loading.sound[name] for name in feature_settings}),
        origins=MappingProxyType(loading.origins),
        path=None if toml is None else loading.path,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as it was given. From the environment it is text, still to be read by the type of its key."""

    value: Any = field(repr=False)
    origin: str

    @property
    def from_environment(self) -> bool:
        return self.origin.startswith(ENVIRONMENT)


@dataclass(slots=True)
class _Loading:
    path: Path
    channel_settings: Mapping[str, type[BaseModel]]
    section_settings: Mapping[str, type[BaseModel]]
    tables: dict[str, dict[str, _Given]] = field(default_factory=dict)
    """What was given, by section (`http`, `channels.app`) and key."""
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    sound: dict[str, Any] = field(default_factory=dict)
    """The settings of every section without problems."""
    channels: dict[str, Any] = field(default_factory=dict)

    def report(self, path: str, sentence: str, origin: str = FILE) -> None:
        """Notes a problem, and where the value came from unless from the file: that is open anyway."""
        whence = f"（来自{origin}）" if origin.startswith(ENVIRONMENT) else ""
        self.problems.append(Problem(path, sentence + whence))

    def knows(self, section: str) -> bool:
        return section in self.section_settings or section.startswith("channels.")

    def read_file(self, *, may_be_missing: bool) -> dict[str, Any] | None:
        """What the file holds, None where there is none."""
        try:
            # Windows' editor puts a byte order mark in front.
            return tomllib.loads(self.path.read_text("utf-8-sig"))
        except tomllib.TOMLDecodeError as error:
            self.report(str(self.path), wording.of_syntax(str(error)))
        except (OSError, ValueError) as error:
            if not (may_be_missing and isinstance(error, FileNotFoundError)):
                self.report(str(self.path), f"读不了配置文件：{wording.of_unreadable(error)}")
        return None

    def take_file(self, toml: dict[str, Any]) -> None:
        """Sorts the file's values by section; every channel is one."""
        if isinstance(toml.get("channels"), dict):
            toml |= {f"channels.{name}": table for name, table in toml.pop("channels").items()}
        for section, table in toml.items():
            if isinstance(table, dict):
                self.tables[section] = {key: _Given(value, FILE) for key, value in table.items()}
            elif section == "channels" or self.knows(section):
                self.report(section, f"应为一节，写作 [{section}]")
            else:
                self.report(section, f"没有这一项{wording.suggestion(section, self.section_settings)}")

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """Lays the variables over what the file has."""
        for name in sorted(environ):
            if not name.startswith(PREFIX) or name == PATH_VARIABLE or not environ[name]:
                continue
            *section, key = name.removeprefix(PREFIX).lower().split("__")
            if any("\ud800" <= each <= "\udfff" for each in environ[name]):
                self.report(name, "不是 UTF-8 文字")
            elif not section:
                # Container platforms inject variables of this shape by themselves, so only a sure slip is a problem.
                first, _, rest = key.partition("_")
                if first in self.section_settings and rest in _spellings(self.section_settings[first]):
                    self.report(name, f"没有这个环境变量；各级之间是两个下划线：{_variable(first, rest)}")
            elif all([*section, key]) and len(section) == (2 if section[0] == "channels" else 1):
                table = self.tables.setdefault(".".join(section), {})
                table[key] = _Given(environ[name], f"{ENVIRONMENT} {name}")
                # It beats the file's spelling, whichever of the two that uses.
                rival = key.removesuffix("_file") if key.endswith("_file") else f"{key}_file"
                if rival in table and not table[rival].from_environment:
                    del table[rival]
            else:
                self.report(name, "看不懂的环境变量，应像 LINLI_HTTP__PORT 或 LINLI_CHANNELS__APP__TOKEN")

    def check_sections(self) -> None:
        """Checks every section by its class, then what sections demand of each other."""
        for section, table in self.tables.items():
            if not self.knows(section):
                origin = next((given.origin for given in table.values()), FILE)
                self.report(section, f"没有这一节{wording.suggestion(section, self.section_settings)}", origin)
        for section, model in self.section_settings.items():
            self.sound[section] = self.checked(section, model)
        for section in self.tables:
            if section.startswith("channels."):
                self.check_channel(section)
        self.check_together()

    def check_channel(self, section: str) -> None:
        name = section.removeprefix("channels.")
        kind = self.tables[section].get("kind")
        kinds = "、".join(self.channel_settings)
        if not CHANNEL_NAME.fullmatch(name):
            self.report(section, "通道的名字只能用小写字母、数字和单个下划线，以字母开头，最多 32 个字")
        elif kind is None:
            self.report(f"{section}.kind", f"缺少 kind：这是哪一种通道（{kinds}）")
        elif kind.value not in list(self.channel_settings):
            slip = wording.suggestion(str(kind.value), self.channel_settings)
            self.report(f"{section}.kind", f"没有这种通道{slip or f'，只有 {kinds}'}", kind.origin)
        elif settings := self.checked(section, self.channel_settings[kind.value]):
            self.channels[name] = settings

    def check_together(self) -> None:
        """Rules between sections; each looks only at sections that are sound by themselves."""
        http, simulator, secrets = (self.sound[name] for name in ("http", "simulator", "secrets"))
        if http and simulator and simulator.enabled and not _is_loopback(http.host):
            self.report("simulator.enabled", "模拟器里谁都能扮成书记，只能配本机地址（http.host = 127.0.0.1）")
        locked = [name for name, its in self.channels.items() if getattr(its, "needs_secrets_key", False)]
        if secrets and secrets.key is None and locked:
            ways = wording.how_to_give("secrets", "key", _variable("secrets", "key"), secret=True)
            self.report("secrets.key", f"缺少：通道 {'、'.join(locked)} 的密钥要加密保存。{ways}")

    def checked(self, section: str, model: type[BaseModel]) -> BaseModel | None:
        """The settings of one section, None where they have problems."""
        before = len(self.problems)
        values = self.values(section, model)
        settings: BaseModel | None = None
        try:
            settings = model.model_validate_json(to_json(values), strict=True)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                self.report_fault(section, model, values, fault)
        if len(self.problems) > before:
            return None
        if isinstance(settings, Database) and settings.password and "password" not in values:
            self.origins[f"{section}.password"] = self.origins[f"{section}.url"]
        return settings

    def values(self, section: str, model: type[BaseModel]) -> dict[str, Any]:
        """What was given for one section, by key. Reports unknown keys and reads the files of secrets."""
        values: dict[str, Any] = {}
        self.origins |= {f"{section}.{key}": DEFAULT for key in model.model_fields}
        for spelling, given in self.tables.get(section, {}).items():
            key = spelling if spelling in model.model_fields else spelling.removesuffix("_file")
            path = f"{section}.{key}"
            if spelling not in _spellings(model):
                slip = wording.suggestion(spelling, _spellings(model))
                self.report(f"{section}.{spelling}", f"没有这一项{slip}", given.origin)
            elif key in values:
                self.report(path, f"{key} 和 {key}_file 只能写一个", given.origin)
            elif spelling != key:
                self.origins[path] = given.origin if given.from_environment else f"{FILE}（{spelling}）"
                if secret := self.read_secret(path, spelling, given):
                    values[key] = secret
            else:
                self.origins[path] = given.origin
                info = model.model_fields[key]
                as_given = is_secret(info) or not given.from_environment
                values[key] = given.value if as_given else _read(given.value, info.annotation)
        return values

    def read_secret(self, path: str, spelling: str, given: _Given) -> str:
        """The content of the file that `<key>_file` names, nothing where it cannot serve."""
        try:
            # A path in the TOML means the same wherever the process was started; one in the environment is the shell's.
            file = Path(given.value) if given.from_environment else self.path.parent / given.value
            secret = file.read_text("utf-8-sig").rstrip("\r\n")
        except (OSError, ValueError, TypeError) as error:
            self.report(path, f"{spelling} 指的文件读不了：{wording.of_unreadable(error)}", given.origin)
            return ""
        if not secret:
            self.report(path, f"{spelling} 指的文件是空的", given.origin)
        return secret

    def report_fault(
        self, section: str, model: type[BaseModel], values: Mapping[str, Any], fault: ErrorDetails
    ) -> None:
        """Turns one finding of pydantic into a problem, unless something truer was said about the key already."""
        steps = fault["loc"]
        path = section + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
        info = model.model_fields.get(str(steps[0])) if steps else None
        secret = info is None or is_secret(info)
        sentence = wording.of_fault(fault, secret=secret)
        if fault["type"] == "missing" and len(steps) == 1:
            if any(problem.path == path for problem in self.problems):
                return
            key = str(steps[0])
            sentence = "缺少密钥。" if secret else "缺少这一项。"
            sentence += wording.how_to_give(section, key, _variable(section, key), secret=secret)
        for key, value in values.items():
            # A validator of a channel or feature may have quoted what it was given; ours never do.
            if is_secret(model.model_fields[key]) and isinstance(value, str) and not issubclass(model, Section):
                sentence = sentence.replace(value or MASKED, MASKED)
        self.report(path, sentence, self.origins.get(f"{section}.{steps[0]}", FILE) if steps else FILE)


def _variable(section: str, key: str) -> str:
    return f"{PREFIX}{section}.{key}".upper().replace(".", "__")


def _spellings(model: type[BaseModel]) -> list[str]:
    """Everything that may stand in a section: its keys, and `<key>_file` for those that may come from a file."""
    fields = model.model_fields
    return [*fields, *(f"{key}_file" for key, info in fields.items() if is_secret(info))]


def _read(text: str, annotation: Any) -> Any:
    """A variable's text by the type of its key, a list in JSON; what cannot be read is refused with its section."""
    takes: TypeAdapter[Any] = TypeAdapter(annotation)
    for read in (takes.validate_python, takes.validate_json):
        with suppress(ValidationError):
            return read(text)
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
