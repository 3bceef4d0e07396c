"""Logs: one format for everybody, nothing secret, nobody's words, and nothing forged.

How: `listen` configures logging into a text of its own and returns it; the state of stdlib logging is put
back afterwards. Sources are our own loggers, structlog's and the libraries'.
"""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import pytest
import structlog
from pydantic import BaseModel, SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from bot import logs
from models.clock import WallClock

UUID = "693a91f6-7000-4bc4-97a0-0ec2afa5aaa1"


class Heard(io.StringIO):
    """What was logged."""

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


Listen = Callable[..., Heard]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Configures logging, as often as one likes, into a text of its own."""
    root = logging.getLogger()
    names = (None, *logs.QUIET)
    levels = {name: logging.getLogger(name).level for name in names}

    def configured(
        format: Literal["console", "json"] = "json", level: str = "info", *, message_text: bool = False
    ) -> Heard:
        heard = Heard()
        # pytest's own handlers would format every record a second time, in their way.
        root.handlers[:] = [each for each in root.handlers if isinstance(getattr(each, "stream", None), Heard)]
        logs.configure(level, format, heard, message_text=message_text)
        return heard

    yield configured
    logging.captureWarnings(False)
    root.handlers[:] = [each for each in root.handlers if not isinstance(getattr(each, "stream", None), Heard)]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "at"}


# Format


def test_json_record_is_one_line_with_fields_and_shanghai_time(listen: Listen) -> None:
    heard = listen()

    logs.logger("bot.delivery").info("推送完成", endpoint=3, units=("3栋", "4栋"), ratio=float("inf"))

    (record,) = heard.records
    moment = datetime.fromisoformat(record["at"])
    assert moment.utcoffset() is not None
    assert str(moment.utcoffset()) == "8:00:00"
    assert abs((moment - WallClock().now()).total_seconds()) < 60
    assert without_time(record) == {
        "level": "info",
        "logger": "bot.delivery",
        "event": "推送完成",
        "endpoint": 3,
        "units": ["3栋", "4栋"],
        "ratio": "inf",
    }


def test_console_record_reads_from_left_to_right(listen: Listen) -> None:
    heard = listen("console")

    logs.logger("bot.delivery").warning("推送 %s", "失败", endpoint=3, why="对方 不在", group="3栋群", none=None)

    (line,) = heard.lines
    assert line[23:] == ' 警告 bot.delivery  推送 失败 endpoint=3 why="对方 不在" group=3栋群 none=null'
    datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - people's format has no zone


@pytest.mark.parametrize("source", ["ours", "structlog", "stdlib"])
@pytest.mark.parametrize("format", ["console", "json"])
def test_every_source_comes_out_in_the_same_format(listen: Listen, source: str, format: Any) -> None:
    heard = listen(format)

    if source == "stdlib":
        logging.getLogger("a.library").error("到期 %d 条", 2, extra={"table": "outbox"})
    else:
        log = logs.logger("a.library") if source == "ours" else structlog.get_logger("a.library")
        log.error("到期 %d 条", 2, table="outbox")

    if format == "json":
        expected = {"level": "error", "logger": "a.library", "event": "到期 2 条", "table": "outbox"}
        assert [without_time(record) for record in heard.records] == [expected]
    else:
        assert [line[23:] for line in heard.lines] == [" 错误 a.library  到期 2 条 table=outbox"]


def test_field_cannot_take_the_place_of_the_records_own(listen: Listen) -> None:
    heard = listen()

    logs.logger("bot").info("到了", level="高", logger="x", at="9点")

    assert without_time(heard.records[0]) == {
        "level": "info", "logger": "bot", "event": "到了", "level_": "高", "logger_": "x", "at_": "9点"
    }  # fmt: skip


@pytest.mark.parametrize("format", ["console", "json"])
def test_line_breaks_and_controls_in_what_people_type_forge_nothing(listen: Listen, format: Any) -> None:
    heard = listen(format)

    logs.logger("bot").info(
        "名字 甲\n2026-11-28 信息 伪造", name="乙\r\n丙\x1b[2J\u2028丁\u202e戊 \ud800", **{"键\n名": 1}
    )

    # As readers of logs split lines: also at what only Unicode takes for a line's end.
    (line,) = heard.lines
    assert line.isprintable()
    assert "甲\\n2026-11-28" in line
    line.encode()
    if format == "json":
        assert heard.records[0]["name"] == "乙\r\n丙\x1b[2J\u2028丁\u202e戊 \ud800"


def test_traceback_stands_indented_below_its_record(listen: Listen) -> None:
    heard = listen("console")

    try:
        raise ValueError("第一行\n2026-11-28 10:00:00.000 信息 伪造")
    except ValueError:
        logs.logger("bot").exception("坏了", job="rota")

    head, *below = heard.lines
    assert head.endswith(" 错误 bot  坏了 job=rota")
    assert below[0] == "    Traceback (most recent call last):"
    assert below[-1] == "    2026-11-28 10:00:00.000 信息 伪造"
    assert all(line.startswith("    ") for line in below)


def test_traceback_in_json_is_a_field_and_shows_no_local_variables(listen: Listen) -> None:
    heard = listen()
    said = "".join(("居民", "说的"))

    try:
        raise ValueError(len(said))
    except ValueError:
        structlog.get_logger("bot").exception("坏了")
        logging.getLogger("library").exception("也坏了")

    ours, theirs = heard.records
    assert ours["exception"].endswith("ValueError: 4")
    assert theirs["exception"] == ours["exception"]
    assert "居民说的" not in heard.getvalue()


def test_warnings_of_the_interpreter_come_through(listen: Listen) -> None:
    heard = listen()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)

    assert [record["logger"] for record in heard.records] == ["py.warnings"]


# Level


@pytest.mark.parametrize(
    ("level", "spoken"),
    [
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("info", ["info", "warning", "error", "critical"]),
        ("warning", ["warning", "error", "critical"]),
        ("error", ["error", "critical"]),
        ("critical", ["critical"]),
    ],
)
def test_level_decides_what_is_written(listen: Listen, level: str, spoken: list[str]) -> None:
    heard = listen(level=level)

    for log in (logs.logger("a"), structlog.get_logger("b"), logging.getLogger("c")):
        for method in ("debug", "info", "warning", "error", "critical"):
            getattr(log, method)("说")

    assert [record["level"] for record in heard.records] == spoken * 3


def test_unknown_level_is_refused(listen: Listen) -> None:
    with pytest.raises(ValueError, match="loud"):
        listen(level="loud")


def test_configuring_again_replaces_the_first_also_for_loggers_already_used(listen: Listen) -> None:
    log, lazy = logs.logger("a"), structlog.get_logger("b")
    first = listen(level="error")
    log.info("一")
    lazy.info("一")
    second = listen(level="debug")

    log.debug("二")
    lazy.debug("二")

    assert first.getvalue() == ""
    assert [record["event"] for record in second.records] == ["二", "二"]


def test_fields_below_the_level_are_never_looked_at(listen: Listen) -> None:
    heard = listen()

    class Costly:
        def __repr__(self) -> str:
            raise AssertionError("rendered although nobody hears it")

    logs.logger("a").debug("说 %s", Costly(), what=Costly())
    logs.logger("a").info("在")

    assert [record["event"] for record in heard.records] == ["在"]


def test_statements_and_their_parameters_stay_out_even_at_debug(listen: Listen) -> None:
    heard = listen(level="debug")
    engine = create_engine("sqlite://")

    with engine.connect() as connection:
        connection.execute(text("select :said"), {"said": "居民说的话"})
    engine.dispose()

    assert "居民说的话" not in heard.getvalue()


@pytest.mark.parametrize("library", logs.QUIET)
def test_talkative_libraries_are_heard_from_warnings_on(listen: Listen, library: str) -> None:
    heard = listen(level="debug")

    for method in ("debug", "info", "warning", "error"):
        getattr(logging.getLogger(library), method)("说")

    assert [record["level"] for record in heard.records] == ["warning", "error"]


def test_talkative_libraries_are_no_louder_than_the_level(listen: Listen) -> None:
    heard = listen(level="error")

    logging.getLogger("apscheduler").warning("说")

    assert heard.records == []


def test_tests_can_capture_events(listen: Listen) -> None:
    listen()

    with structlog.testing.capture_logs() as captured:
        logs.logger("a").info("到了", count=1)

    assert captured == [{"event": "到了", "count": 1, "log_level": "info"}]


# Which message


async def test_record_names_the_message_it_belongs_to(listen: Listen) -> None:
    heard = listen()
    log = logs.logger("bot")

    async def handle(channel: str, message: str) -> None:
        with logs.about(channel, message):
            await asyncio.sleep(0)
            log.info("答")
            logging.getLogger("library").info("查")

    await asyncio.gather(handle("app", "m1"), handle("aibot", "m2"))
    log.info("停")

    assert [(r["event"], r.get("channel"), r.get("message_id")) for r in heard.records] == [
        ("答", "app", "m1"),
        ("查", "app", "m1"),
        ("答", "aibot", "m2"),
        ("查", "aibot", "m2"),
        ("停", None, None),
    ]


def test_context_variables_of_structlog_are_fields_too(listen: Listen) -> None:
    heard = listen()

    with structlog.contextvars.bound_contextvars(job="rota", slot="19:00"), logs.about("app", "m1"):
        logs.logger("bot").info("到点")

    assert without_time(heard.records[0]) == {
        "level": "info", "logger": "bot", "event": "到点",
        "channel": "app", "message_id": "m1", "job": "rota", "slot": "19:00",
    }  # fmt: skip


# Secrets


@pytest.mark.parametrize("format", ["console", "json"])
@pytest.mark.parametrize("secret", ['q"uo\\te 密码', "pa ss/wo+rd", UUID.replace("693a", "aaaa"), "7654321"])
def test_registered_secret_appears_nowhere(listen: Listen, format: Any, secret: str) -> None:
    heard = listen(format)
    logs.register_secret(secret)

    log = logs.logger("bot")
    log.info(f"直接 {secret} 说", value=secret, nested={"a": [secret, (secret,)]}, url=f"/x?k={quote(secret)}")
    log.info("别样 %s", quote_plus(secret), shown=repr([secret]), object=SecretInRepr(secret))
    logging.getLogger("library").warning("库 %s", secret, extra={"who": secret})
    if secret.isdigit():
        log.info("数", number=int(secret))
    try:
        raise RuntimeError(f"连不上 {secret}") from KeyError(secret)
    except RuntimeError as error:
        log.exception("坏了", error=error)

    # In JSON and in a quoted value the secret would stand in another spelling.
    for spelling in (secret, quote(secret), quote_plus(secret), json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert spelling not in heard.getvalue()
    assert heard.getvalue().count("******") >= 9


class SecretInRepr:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"<{self.secret}>"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (f"POST /cgi-bin/webhook/send?key={UUID} 200", "POST /cgi-bin/webhook/send?key=****** 200"),
        (f"send?key={UUID.upper()}&x=1", "send?key=******&x=1"),
        ("gettoken?corpid=ww1&corpsecret=Ab-c_9", "gettoken?corpid=ww1&corpsecret=******"),
        ("message/send?access_token=abc.DEF-1&debug=1", "message/send?access_token=******&debug=1"),
        ('{"errcode":0,"access_token":"abc"}', '{"errcode":0,"access_token":"******"}'),
        ("{'corpsecret': 'abc', 'a': 1}", "{'corpsecret': '******', 'a': 1}"),
        ('"{\\"access_token\\": \\"abc\\"}"', '"{\\"access_token\\": \\"******\\"}"'),
        ("redirect=%2Fx%3Faccess_token%3Dabc", "redirect=%2Fx%3Faccess_token%3D******"),
        ("aibot/response?response_code=RC1", "aibot/response?response_code=******"),
        ("appid=wx1&secret=abc", "appid=wx1&secret=******"),
        ("postgresql://linli:p%40ss@db/linli", "postgresql://linli:******@db/linli"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ******"),
        ("EncodingAESKey=abc", "EncodingAESKey=******"),
        # What only looks alike stays readable.
        ("key=check-in:12", "key=check-in:12"),
        (f"message {UUID}", f"message {UUID}"),
        ("签到 3 次，积分 key 已用", "签到 3 次，积分 key 已用"),
        ("http://127.0.0.1:8080/callback/app", "http://127.0.0.1:8080/callback/app"),
    ],
)
def test_what_looks_like_a_secret_is_masked(said: str, written: str) -> None:
    assert logs.mask(said) == written


def test_fields_named_like_secrets_are_masked_whole(listen: Listen) -> None:
    heard = listen()

    logs.logger("bot").info(
        "启动", token="abc", headers={"Authorization": "x y", "Set-Cookie": "s=1"}, password="", secret=None
    )

    assert without_time(heard.records[0]) == {
        "level": "info", "logger": "bot", "event": "启动", "token": "******",
        "headers": {"Authorization": "******", "Set-Cookie": "******"}, "password": "", "secret": None,
    }  # fmt: skip


def test_settings_secrets_hide_themselves(listen: Listen) -> None:
    heard = listen()

    logs.logger("bot").info("设置", value=SecretStr("hidden-by-pydantic"))

    assert "hidden-by-pydantic" not in heard.getvalue()


def test_short_texts_are_not_taken_for_secrets(listen: Listen) -> None:
    heard = listen()

    logs.register_secret("签到")
    logs.register_secret("")
    logs.logger("bot").info("签到完成")

    assert heard.records[0]["event"] == "签到完成"


def test_secret_inside_another_is_masked_with_it() -> None:
    logs.register_secret("inner-secret")
    logs.register_secret("outer-inner-secret-outer")

    assert logs.mask("a outer-inner-secret-outer b inner-secret c") == "a ****** b ****** c"


def test_secrets_registered_by_many_threads_are_all_known() -> None:
    secrets = [f"thread-{number}-secret" for number in range(64)]
    together = threading.Barrier(len(secrets))

    def register(secret: str) -> None:
        together.wait()
        logs.register_secret(secret)

    threads = [threading.Thread(target=register, args=(secret,)) for secret in secrets]
    interval = sys.getswitchinterval()
    # Threads change so often that a lost registration, if one can be lost, is lost here.
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert logs.mask(" ".join(secrets)) == " ".join(["******"] * 64)


# People's words


@pytest.mark.parametrize("message_text", [False, True])
def test_peoples_words_are_written_only_on_request(listen: Listen, message_text: bool) -> None:
    heard = listen(message_text=message_text)

    logs.logger("bot").info("收到", text="我家在3栋502", reply="好的", quote={"text": "x"}, content="", body=None)

    record = heard.records[0]
    told = {name: record[name] for name in ("text", "reply", "quote", "content", "body")}
    if message_text:
        assert told == {
            "text": "我家在3栋502", "reply": "好的", "quote": {"text": "x"}, "content": "", "body": None
        }  # fmt: skip
    else:
        assert told == {
            "text": "（8 字，未记录）", "reply": "（2 字，未记录）", "quote": "（未记录）",
            "content": "", "body": None,
        }  # fmt: skip


def test_database_error_does_not_tell_the_rows_words(listen: Listen) -> None:
    heard = listen()
    engine = create_engine("sqlite://")
    # Not in the call itself: a traceback shows the source of the lines it went through.
    words = {"said": "居民说的话"}

    try:
        with engine.connect() as connection:
            connection.execute(text("insert into nowhere values (:said)"), words)
    except DBAPIError as error:
        logs.logger("bot").exception("写不进", error=error)
    engine.dispose()

    assert "no such table: nowhere" in heard.getvalue()
    assert "[parameters: …]" in heard.getvalue()
    assert "居民说的话" not in heard.getvalue()


def test_postgresqls_detail_does_not_tell_the_rows_words(listen: Listen) -> None:
    heard = listen()
    said = (
        '(psycopg.errors.NotNullViolation) null value in column "at"\n'
        "DETAIL:  Failing row contains (1, 张三的话\n第二行, null).\n[SQL: insert into remarks]"
    )

    try:
        raise RuntimeError(said)
    except RuntimeError:
        logs.logger("bot").exception("写不进")

    assert heard.records[0]["exception"].endswith('null value in column "at"\nDETAIL: …\n[SQL: insert into remarks]')


def test_validation_error_does_not_tell_what_was_given(listen: Listen) -> None:
    heard = listen()

    class Frame(BaseModel):
        count: int

    words = {"count": "居民说的话, 两句"}

    try:
        Frame.model_validate(words)
    except ValueError as error:
        logs.logger("bot").exception("看不懂", error=error)

    assert "input_value=…, input_type=str" in heard.getvalue()
    assert "居民说的话" not in heard.getvalue()


# Trouble with the log itself


def test_record_that_cannot_be_formatted_does_not_show_its_arguments(
    listen: Listen, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = listen()

    logging.getLogger("library").warning("count %d", "居民说的话")
    logging.getLogger("library").warning("下一条")

    assert [record["event"] for record in heard.records] == ["下一条"]
    assert capsys.readouterr().err == "日志写不出去（TypeError）：library count %d\n"


def test_closed_stream_is_borne_in_silence(listen: Listen, capsys: pytest.CaptureFixture[str]) -> None:
    heard = listen()
    heard.close()

    logs.logger("bot").info("没有人听")

    assert capsys.readouterr().err == ""


UNCAUGHT = """
import sys, threading
from bot import logs
from models.clock import WallClock

logs.configure("info", "json", sys.stdout)
logs.register_secret("s3cret-value")
logs.catch_uncaught()

def fail():
    raise RuntimeError("in a thread s3cret-value")

thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise RuntimeError("at the end s3cret-value")
"""


def test_uncaught_exceptions_end_masked_in_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, timeout=60)

    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    assert [(r["event"], r["exception"].splitlines()[-1]) for r in records] == [
        ("线程里没有人处理的错误", "RuntimeError: in a thread ******"),
        ("没有人处理的错误", "RuntimeError: at the end ******"),
    ]
