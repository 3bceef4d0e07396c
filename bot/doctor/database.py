"""The database: whether it answers, whose schema it has, and what its rows tell about the last days."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Connection, Engine, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot import alarms, mail, reasons
from bot.channels.callback import CallbackSettings
from bot.config import Config
from bot.doctor.finding import Finding, broken, ok, warning
from bot.doctor.machine import disk
from bot.secrets import Sealer, SecretsLocked
from jobs import JOBS
from jobs.tick import Job
from models import hearing, inbox, migrations, outages, outbox, schedule
from models.clock import SHANGHAI, spoken
from models.database import postgresql_engine, sqlite_engine
from models.directory import Endpoint, communities
from models.verify import invariants

PROOF_SECONDS = 5.0
"""How long the quick proof of the books may take."""
CLOCK_WARNING, CLOCK_BROKEN = timedelta(seconds=10), timedelta(seconds=120)
"""Platforms refuse nothing by our clock, but we refuse callbacks that are five minutes off."""
SILENCE = timedelta(days=1)
WAITING = timedelta(minutes=10)
TICKS_LATE = timedelta(minutes=5)
SLOT_MINUTES = timedelta(minutes=30)
"""A slot that is still running after so long died, or hangs."""


@contextmanager
def opened(config: Config) -> Iterator[Engine | None]:
    """An engine, or None where there is no SQLite file: looking must not make one."""
    address = config.database.address()
    if address.get_backend_name() == "sqlite":
        path = Path(address.database or "")
        engine = sqlite_engine(str(path)) if path.exists() else None
    else:
        engine = postgresql_engine(address.render_as_string(hide_password=False), 1)
    try:
        yield engine
    finally:
        if engine is not None:
            engine.dispose()


def database(engine: Engine | None, config: Config, now: datetime, *, running: bool) -> Iterator[Finding]:
    """Whether it answers, whose schema it has, and what stands in it."""
    if config.database.url.startswith("sqlite"):
        yield from disk("账本的磁盘", Path(make_url(config.database.url).database or "").parent)
    if engine is None:
        yield warning("数据库", "账本还没有建", "第一次启动（linli run）或 linli found 会建好它")
        return
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        found = migrations.current(engine)
    except migrations.SchemaTooNew as newer:
        yield broken("数据库", f"是更新的版本写的（{newer.found}）", "请升级程序，不要用旧程序打开")
        return
    except DBAPIError as error:
        address = config.database.address().render_as_string()
        todo = "请看数据库在不在运行、地址和密码对不对"
        yield broken("数据库", f"连不上 {address}（{type(error.orig).__name__}）", todo)
        return
    if found != migrations.head():
        todo = "下次启动会自动升级，升级前会先备份"
        yield warning("数据库", f"版本是 {found or '空'}，程序要 {migrations.head()}", todo)
        return
    yield ok("数据库", f"能用，版本 {found}")
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            yield from _servers_clock(connection, now)
        yield from proof(connection)
    with Session(engine) as session:
        for look in (_communities, _endpoints, _hearings, _clock, _jobs, _outbox, _troubles):
            yield from look(session, config, now, running)


def proof(connection: Connection, seconds: float = PROOF_SECONDS) -> Iterator[Finding]:
    """As many of the invariants as can be proved in a few seconds."""
    rules, deadline, wrong, proved = invariants(), monotonic() + seconds, [], 0
    raw: Any = connection.connection.driver_connection
    lite = connection.dialect.name == "sqlite"
    if lite:
        raw.set_progress_handler(lambda: monotonic() > deadline, 10_000)
    for rule in rules:
        left = deadline - monotonic()
        if left <= 0:
            break
        try:
            if not lite:
                connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(left * 1000))}"))
            if connection.execute(rule.culprits.limit(1)).first() is not None:
                wrong.append(rule.name)
            proved += 1
        except DBAPIError:
            connection.rollback()
            break
    if lite:
        raw.set_progress_handler(None, 0)
    if wrong:
        todo = "用 linli verify 看是哪几行；先备份，再找人看"
        yield broken("账本", f"有 {len(wrong)} 条规则不成立：{'、'.join(wrong)}", todo)
    elif proved < len(rules):
        yield ok("账本", f"{seconds:.0f}秒里核对了 {proved}/{len(rules)} 条规则，都成立；全部核对用 linli verify")
    else:
        yield ok("账本", f"{proved} 条规则都成立")


def _servers_clock(connection: Connection, now: datetime) -> Iterator[Finding]:
    theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    apart = abs(theirs.astimezone(UTC) - now)
    if apart > CLOCK_WARNING:
        judge = broken if apart > CLOCK_BROKEN else warning
        yield judge("时钟", f"和数据库服务器差 {apart.total_seconds():.0f}秒", "请给两台机器都打开对时（NTP）")


Look = Callable[[Session, Config, datetime, bool], Iterator[Finding]]


def _communities(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    found = communities(session)
    if found:
        yield ok("社区", "、".join(one.name for one in found))
    else:
        yield warning("社区", "还没有建社区", "用 linli found 建一个")


def _endpoints(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    """Webhook keys open with the configured key, and belong to channels that are configured."""
    rows = session.execute(
        select(Endpoint.channel, Endpoint.address, Endpoint.sealed_secret).where(Endpoint.sealed_secret != "")
    ).all()
    keys = config.secrets.keys()
    locked, older = (
        sum(not _opens(Sealer(some), row.sealed_secret, row.address) for row in rows) for some in (keys, keys[:1])
    )
    if locked:
        todo = "secrets.key 不是当初的那一个：把旧的写在 key_previous，或重新登记"
        yield broken("群机器人", f"{locked} 个群的 key 打不开", todo)
    elif older:
        yield ok("群机器人", f"{len(rows)} 个群的 key 都打得开，{older} 个还靠旧密钥 key_previous，请留着它")
    elif rows:
        yield ok("群机器人", f"{len(rows)} 个群的 key 都打得开")
    if config.secrets.key_previous is not None and not older:
        yield warning("密钥", "secrets.key_previous 已经没有用了", "从配置里删掉旧密钥")
    gone = sorted({row.channel for row in rows} - set(config.channels))
    if gone:
        todo = "把通道加回来，或重新登记"
        yield warning("群机器人", f"配置里没有 {'、'.join(gone)} 了，登记在那里的群收不到提醒", todo)


def _opens(sealer: Sealer, sealed: str, address: str) -> bool:
    try:
        sealer.open(sealed, address)
    except SecretsLocked:
        return False
    return True


def _hearings(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    last = hearing.last_heard(session)
    for name, settings in config.channels.items():
        if not isinstance(settings, CallbackSettings):
            continue
        seen = last.get(name, hearing.Heard(None, None, ""))
        heard, refused = seen.heard_at, seen.refused_at
        if refused is not None and now - refused < SILENCE and (heard is None or refused > heard):
            todo = "signature 是 Token 或 EncodingAESKey 和后台不一致，timestamp 是时钟不准"
            yield warning(f"通道 {name}", f"{spoken(refused)} 拒收了一条（{seen.refused_why}）", todo)
        if heard is None:
            yield warning(f"通道 {name}", "还没有收到过消息", f"在后台保存回调地址 …/callback/{name}，再 @ 它说一句")
        elif now - heard > SILENCE:
            todo = "请 @ 它说一句；不答就看回调地址和反向代理"
            yield warning(f"通道 {name}", f"{spoken(heard)} 以后没有收到过消息", todo)
        else:
            yield ok(f"通道 {name}", f"最近一次收到消息在 {spoken(heard)}")


def _clock(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    """Community time is the wall's; the books remember how far it had come."""
    done = schedule.done_until(session)
    if done is not None and done > now + CLOCK_WARNING:
        yield broken(
            "时钟",
            f"账本已经过到 {spoken(done)}，本机才 {spoken(now)}",
            "本机的时钟慢了，或账本是拨过时间的演示：请对时",
        )
        return
    yield ok("时钟", f"现在是 {spoken(now)}（北京时间）")
    if done is None or now - done <= TICKS_LATE:
        return
    if running:
        yield broken("到点的事", f"{spoken(done)} 以后没有再检查过", "提醒会漏：请重启，并看日志里的 scheduler")
    else:
        yield warning("到点的事", f"机器人停着，{spoken(done)} 以后到点的事还没有办", "启动后会补办两天以内的")


def _jobs(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    last = {one.job: one for one in schedule.last_slots(session)}
    odd = False
    for slot in last.values():
        name = f"到点的事 {slot.job}"
        if slot.state == "failed":
            odd = True
            yield broken(
                name,
                f"{spoken(slot.slot)} 那次没有办成：{slot.detail[:120]}",
                "看当时的日志；办成一次以后这一行就没有了",
            )
        elif slot.state == "running" and now - slot.began_at > SLOT_MINUTES:
            odd = True
            yield warning(name, f"{spoken(slot.slot)} 那次开了头没有收尾", "多半是中途停了；下次启动会接着办")
    done = schedule.done_until(session)
    for job in JOBS:
        missed = missed_slot(job, last.get(job.name), done)
        if missed is not None:
            odd = True
            todo = "机器人那时停了两天以上；下次到点会照常"
            yield warning(f"到点的事 {job.name}", f"{spoken(missed)} 那次没有办", todo)
    if not odd:
        yield ok("到点的事", "没有漏掉的，也没有办砸的")


def missed_slot(job: Job, last: schedule.Slot | None, done: datetime | None) -> datetime | None:
    """The newest moment of a recurring job that was worked through without a slot of its own, after its last one."""
    if not job.cron or last is None or done is None:
        return None
    trigger = CronTrigger.from_crontab(job.cron, timezone=SHANGHAI)
    newest, fire = None, trigger.get_next_fire_time(None, last.slot + timedelta(microseconds=1))
    while fire is not None and fire <= done:
        newest, fire = fire, trigger.get_next_fire_time(None, fire + timedelta(microseconds=1))
    return newest


def _outbox(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    count, oldest = outbox.overdue(session, before=now - WAITING)
    if count and oldest is not None:
        judge = broken if running else warning
        yield judge(
            "待发的消息",
            f"{count} 条等了 10 分钟以上，最早的从 {spoken(oldest)} 起",
            "看日志里的 delivery；机器人停着就启动它",
        )
    for one in outages.incidents(session):
        yield warning("发不到", mail.trouble(one, alarms.named(session, one)), "照原因处理；发通了就自己消失")
    bad = outbox.ended_badly(session, since=now - SILENCE)
    for state, said in ((outbox.OutboxState.FAILED, "没有发出"), (outbox.OutboxState.UNKNOWN, "结果不明")):
        of_it = [one for one in bad if one.state == state]
        if of_it:
            why = "；".join(f"{reasons.in_words(one.reason)} {one.count}条" for one in of_it[:3])
            yield warning(
                "发出的消息",
                f"一天里 {sum(one.count for one in of_it)} 条{said}：{why}",
                "用 linli outbox 看是哪几条，可以再发",
            )
    if not count and not bad:
        yield ok("发出的消息", "没有积压，一天里没有发不出的")


def _troubles(session: Session, config: Config, now: datetime, running: bool) -> Iterator[Finding]:
    count = inbox.trouble_count(session)
    if count:
        todo = "升级以后停下机器人，用 linli replay --kept --db 地址 重放"
        yield warning("没处理好的消息", f"留着 {count} 条", todo)
