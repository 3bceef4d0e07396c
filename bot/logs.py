"""Logs: what the bot tells its operator, in one format whoever speaks, without secrets and without
people's words.

- structlog for our own events (`log.info("push sent", endpoint=3)`), handed to stdlib logging, through
  which the libraries' records come too; one formatter writes both, for people (`console`) or as JSON lines
  (`json`).
- Every record made while a message is handled carries its `channel` and `message_id` (see `about`).
- Registered secrets, and whatever looks like a key or a token, are masked in messages, values and
  exception texts.
- What residents say is not logged, neither in a field (`text=`) nor in the exception text of a database
  driver.
- A record is one line (a traceback is indented below it): nobody forges a second one by typing a line break.
- A call below the level costs about 0.2 µs.
"""

import json
import logging
import math
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from types import TracebackType
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.contextvars import get_contextvars
from structlog.typing import EventDict, WrappedLogger

from models.clock import SHANGHAI

MASKED = "******"
SECRET_CHARACTERS_MIN = 4
"""Shorter texts occur everywhere by chance; no platform issues such a secret."""

TEXT_FIELDS = frozenset({"text", "quote", "reply", "content", "said", "answer", "body", "reading"})
"""Fields in which people's words would stand."""

SECRET_FIELDS = frozenset(
    {
        "access_token",
        "aes_key",
        "authorization",
        "cookie",
        "corpsecret",
        "encoding_aes_key",
        "key_previous",
        "password",
        "response_url",
        "secret",
        "set_cookie",
        "token",
        "webhook_key",
    }
)

QUIET = ("aiohttp.access", "alembic", "apscheduler", "asyncio", "sqlalchemy")
"""Loggers that are heard from warnings on: below, they repeat what we say ourselves, and SQLAlchemy shows the
parameters of its statements, which are people's words.
"""

_LEVELS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items() if number}
_LEVEL_NAMES = {
    logging.DEBUG: "调试",
    logging.INFO: "信息",
    logging.WARNING: "警告",
    logging.ERROR: "错误",
    logging.CRITICAL: "严重",
}
_COLOURS = {"警告": "\x1b[33m", "错误": "\x1b[31m", "严重": "\x1b[1;31m", "调试": "\x1b[2m"}


# Which message a record belongs to.


class about:
    """Every record made inside carries this channel and message id; other tasks and threads do not see it.

    Work handed to a database thread keeps it when it runs in `contextvars.copy_context()`.
    """

    __slots__ = ("_message", "_token")

    def __init__(self, channel: str, message_id: str) -> None:
        self._message = {"channel": channel, "message_id": message_id}

    def __enter__(self) -> None:
        self._token = _message.set(self._message)

    def __exit__(self, *_: object) -> None:
        _message.reset(self._token)


_message: ContextVar[dict[str, str]] = ContextVar("message", default={})  # noqa: B039


# Masking.

_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_uuid = re.compile(_UUID)
_looks_secret = re.compile(
    r"(?P<name>\b[\w-]{0,40}?(?:token|secret|password|passwd|ticket|response_code|aes_?key)"
    r"\\?[\"']?\s*(?:=|:|%3D)\s*\\?[\"']?)(?P<value>[^\s\"'&<>,;\\)}\]]+)"
    rf"|(?P<key>\bkey\\?[\"']?\s*(?:=|:|%3D)\s*\\?[\"']?)(?P<uuid>{_UUID})"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)(?P<credentials>[A-Za-z0-9._~+/=-]{8,})"
    r"|(?P<user>://[^\s:/@]*:)(?P<password>[^\s/@]+)(?=@)",
    re.IGNORECASE,
)
_HINTS = ("token", "secret", "key", "passw", "ticket", "response_code", "bearer", "basic", "://")
_words_in_errors = re.compile(
    # SQLAlchemy: the statement's parameters, always on one line.
    r"(?P<parameters>\[parameters: )[^\n]*(?P<end>\])"
    # PostgreSQL: the row or the key that a constraint refused, over several lines where a text had some.
    r"|(?P<detail>DETAIL: ).*?(?=\n(?:HINT|CONTEXT|STATEMENT|QUERY|LOCATION|\[SQL|  File |Traceback "
    r"|The above |During )|\Z)"
    # pydantic: what it was given.
    r"|(?P<input>input_value=).*?(?=, input_type=)",
    re.DOTALL,
)


class _Secrets:
    """The registered secrets. Replaced as a whole, so that no thread ever reads a half-built one."""

    def __init__(self, texts: frozenset[str] = frozenset()) -> None:
        self.texts = texts
        # Webhook keys are many (one a group) and all of one shape: one pattern and a look-up, instead of
        # hundreds of comparisons.
        self.uuids = frozenset(text.lower() for text in texts if _uuid.fullmatch(text))
        self.rest = sorted((text for text in texts if not _uuid.fullmatch(text)), key=len, reverse=True)

    def masked_in(self, text: str) -> str:
        for secret in self.rest:
            if secret in text:
                text = text.replace(secret, MASKED)
        if self.uuids and text.count("-") >= 4:
            text = _uuid.sub(lambda found: MASKED if found[0].lower() in self.uuids else found[0], text)
        return text


_secrets = _Secrets()
_registering = threading.Lock()


def register_secret(value: str) -> None:
    """Keeps a value out of all logs from now on, also percent-encoded as in an address. Under 4 characters:
    ignored.
    """
    global _secrets
    if len(value) < SECRET_CHARACTERS_MIN:
        return
    with _registering:
        spellings = {value, quote(value, safe=""), quote(value), quote_plus(value), repr(value)[1:-1]}
        if not spellings <= _secrets.texts:
            _secrets = _Secrets(_secrets.texts | spellings)


def mask(text: str) -> str:
    """The text without registered secrets and without anything that looks like one."""
    text = _secrets.masked_in(text)
    # Nearly every text has nothing of the kind; the cheap look spares it the long pattern.
    lowered = text.lower()
    for hint in _HINTS:
        if hint in lowered:
            return _looks_secret.sub(_mask_found, text)
    return text


def _mask_found(found: re.Match[str]) -> str:
    return (found["name"] or found["key"] or found["scheme"] or found["user"]) + MASKED


def _mask_value(value: Any, depth: int = 0) -> Any:
    """The value in shapes that JSON knows, masked; what lies too deep or is strange becomes its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if _secrets.masked_in(str(value)) == str(value) else MASKED
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return mask(value)
    if depth < 6:
        if isinstance(value, Mapping):
            return {str(key): _mask_field(str(key), each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_mask_value(each, depth + 1) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {_without_words(mask(str(value)))}"
    return mask(repr(value))


def _mask_field(name: str, value: Any, depth: int = 0) -> Any:
    if name.lower().replace("-", "_") in SECRET_FIELDS and value not in (None, ""):
        return MASKED
    return _mask_value(value, depth)


def _without_words(text: str) -> str:
    """An error's text without the values of rows and inputs, in which people's words stand."""
    return _words_in_errors.sub(
        lambda found: (found["parameters"] or found["detail"] or found["input"]) + "…" + (found["end"] or ""),
        text,
    )


# Formatting.

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "linli_fields"}
_unprintable = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _escaped(text: str) -> str:
    """The text on one line, without anything that moves the cursor or turns the reading direction."""
    return _unprintable.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class LineFormatter(logging.Formatter):
    """One record as text: masked, without people's words unless `message_text`."""

    def __init__(self, form: Literal["console", "json"], *, message_text: bool, colours: bool = False) -> None:
        super().__init__()
        self._render = self._console if form == "console" else self._json
        self._message_text = message_text
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        ours: dict[str, Any] | None = getattr(record, "linli_fields", None)
        fields = dict(ours) if ours is not None else self._extra(record)
        fields = {**get_contextvars(), **_message.get(), **fields}
        if not self._message_text:
            fields = {name: self._without_text(name, value) for name, value in fields.items()}
        fields = {name: _mask_field(name, value) for name, value in fields.items()}
        event = mask(record.getMessage())
        return self._render(record, event, fields, self._trouble(record))

    @staticmethod
    def _extra(record: logging.LogRecord) -> dict[str, Any]:
        return {name: value for name, value in vars(record).items() if name not in _STANDARD}

    @staticmethod
    def _without_text(name: str, value: Any) -> Any:
        if name not in TEXT_FIELDS or value is None or value == "":
            return value
        return f"（{len(value)} 字，未记录）" if isinstance(value, str) else "（未记录）"

    def _trouble(self, record: logging.LogRecord) -> str:
        """The traceback and the stack, where the record has them. Never with local variables."""
        parts = []
        if record.exc_info and record.exc_info[1] is not None:
            parts.append("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        if not parts:
            return ""
        text = "\n".join(parts)
        return mask(text if self._message_text else _without_words(text))

    def _console(self, record: logging.LogRecord, event: str, fields: dict[str, Any], trouble: str) -> str:
        moment = datetime.fromtimestamp(record.created, SHANGHAI)
        level = _LEVEL_NAMES.get(record.levelno, record.levelname)
        shown = f"{_COLOURS[level]}{level}\x1b[0m" if self._colours and level in _COLOURS else level
        stamp = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
        line = f"{stamp} {shown} {record.name}  {_escaped(event)}"
        for name, value in fields.items():
            line += f" {_escaped(name)}={self._bare(value)}"
        if trouble:
            # Indented, so that no line of an error's text can pass for a record of its own.
            line += "".join(f"\n    {_escaped(each)}" for each in trouble.split("\n"))
        return line

    @staticmethod
    def _bare(value: Any) -> str:
        if isinstance(value, str) and value and not re.search(r'[\s"=\\]', value):
            return _escaped(value)
        return _escaped(json.dumps(value, ensure_ascii=False))

    def _json(self, record: logging.LogRecord, event: str, fields: dict[str, Any], trouble: str) -> str:
        moment = datetime.fromtimestamp(record.created, SHANGHAI)
        line: dict[str, Any] = {
            "at": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event,
        }
        for name, value in fields.items():
            line[f"{name}_" if name in ("at", "level", "logger", "event", "exception") else name] = value
        if trouble:
            line["exception"] = trouble
        text = json.dumps(line, ensure_ascii=False)
        # JSON itself lets stand what some readers take for a line break, and halves of characters.
        return _unprintable.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _Handler(logging.StreamHandler[TextIO]):
    """Our one handler. What cannot be written is said shortly; stdlib would print the record's arguments."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exception()
        if isinstance(error, BrokenPipeError | ValueError) and getattr(self.stream, "closed", False):
            return
        note = f"日志写不出去（{type(error).__name__}）：{record.name} {mask(str(record.msg))[:200]}\n"
        try:
            sys.stderr.write(_escaped(note.rstrip("\n")) + "\n")
        except (OSError, ValueError):
            # Nobody is left to be told.
            return


# Speaking.


class Logger(structlog.BoundLoggerBase):
    """What `structlog.get_logger()` returns: a stdlib logger with fields, silent at once below its level."""

    def debug(self, event: str, *arguments: object, **fields: Any) -> None:
        if self._logger.isEnabledFor(logging.DEBUG):
            self._say("debug", event, arguments, fields)

    def info(self, event: str, *arguments: object, **fields: Any) -> None:
        if self._logger.isEnabledFor(logging.INFO):
            self._say("info", event, arguments, fields)

    def warning(self, event: str, *arguments: object, **fields: Any) -> None:
        if self._logger.isEnabledFor(logging.WARNING):
            self._say("warning", event, arguments, fields)

    def error(self, event: str, *arguments: object, **fields: Any) -> None:
        if self._logger.isEnabledFor(logging.ERROR):
            self._say("error", event, arguments, fields)

    def critical(self, event: str, *arguments: object, **fields: Any) -> None:
        if self._logger.isEnabledFor(logging.CRITICAL):
            self._say("critical", event, arguments, fields)

    def exception(self, event: str, *arguments: object, **fields: Any) -> None:
        """An error with the traceback of the exception that is being handled."""
        fields.setdefault("exc_info", True)
        self.error(event, *arguments, **fields)

    def _say(self, method: str, event: str, arguments: tuple[object, ...], fields: dict[str, Any]) -> None:
        self._proxy_to_logger(method, event % arguments if arguments else event, **fields)


def _hand_over(logger: WrappedLogger, name: str, event: EventDict) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The last processor: event and fields become one stdlib record."""
    fields = dict(event)
    said = fields.pop("event")
    return (said,), {
        "exc_info": fields.pop("exc_info", None),
        "stack_info": bool(fields.pop("stack_info", False)),
        "extra": {"linli_fields": fields},
    }


_PROCESSORS: list[Any] = [_hand_over]
"""Always the same list: structlog's capture for tests swaps its contents, and used loggers keep the list."""


def logger(name: str) -> Logger:
    """The logger of one module: `log = logs.logger(__name__)`.

    `structlog.get_logger()` gives the same, but looks up on every call what it is: five times a silent call.
    """
    return Logger(logging.getLogger(name), _PROCESSORS, {})


def configure(
    level: str = "info",
    format: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
    *,
    message_text: bool = False,
) -> None:
    """Sends everything that is logged to `stream` (stderr by default) in one format. Calling it again
    replaces it.

    `level` is debug, info, warning, error or critical; `message_text` lets people's words into the log.
    Raises ValueError for an unknown level.
    """
    if level not in _LEVELS:
        raise ValueError(f"no such log level: {level}")
    least = _LEVELS[level]
    stream = stream or sys.stderr
    handler = _Handler(stream)
    colours = stream.isatty() and "NO_COLOR" not in os.environ
    handler.setFormatter(LineFormatter(format, message_text=message_text, colours=colours))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(least)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        context_class=dict,
        cache_logger_on_first_use=True,
    )


class MalformedRequests(logging.Filter):
    """Leaves out what aiohttp says about requests that are no HTTP, and counts them instead.

    Anybody can send those, as many as they like, and each would write a traceback.
    """

    def __init__(self, count: Callable[[], None]) -> None:
        super().__init__()
        self._count = count

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
            self._count()
            return False
        return True


def catch_uncaught() -> None:
    """Lets exceptions that nobody catches end in the log, masked, instead of bare on stderr."""
    log = logging.getLogger("linli")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("没有人处理的错误", exc_info=(kind, error, trace))

    def uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and what.exc_type is not SystemExit:
            log.critical("线程里没有人处理的错误", exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
