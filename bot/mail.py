"""The outbox in words, for the command line and for the simulator's panel: what waits, why, and what one can do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot import reasons
from bot.channels.simulator import Letter
from models.clock import clock_time, spoken
from models.deliveries import Answer, Delivery, Tried
from models.outages import Incident
from models.outbox import AttemptOutcome, OutboxState

STATES = {
    OutboxState.WAITING: "等着发",
    OutboxState.SENT: "已发出",
    OutboxState.FAILED: "没有发出",
    OutboxState.UNKNOWN: "结果不明",
    OutboxState.HANDED_ON: "请人转告",
}
OUTCOMES = {
    AttemptOutcome.RUNNING: "正在发",
    AttemptOutcome.SENT: "成功",
    AttemptOutcome.FAILED: "没发成",
    AttemptOutcome.REFUSED: "被拒绝",
    AttemptOutcome.NOT_SENT: "没有连上",
    AttemptOutcome.UNKNOWN: "没有答复",
}
DAY = timedelta(days=1)
TWICE = "它可能已经到了：再发一次，对方可能收到两遍。"
ANSWERS = {
    Answer.MISSING: "没有第{number}条。",
    Answer.SENT: "第{number}条已经发出去了，不用再发。",
    Answer.WAITING: "第{number}条正等着发，不用催。",
    Answer.ENDED: "第{number}条早就不发了。",
    Answer.UNDER_WAY: "第{number}条正在发，请过一会儿再看。",
    Answer.EMPTIED: "第{number}条的原文过了保留的天数，已经清掉，没法再发。",
}
"""Why a wish was not granted."""


def to(one: Delivery) -> str:
    """For whom it is."""
    return one.group or one.person or "还不认识的人"


def why(one: Delivery, now: datetime) -> str:
    """What one would ask next: why it waits and until when, or why it did not go out; empty for what is out."""
    if one.state is OutboxState.WAITING:
        waits = f"{reasons.in_words(one.reason)}，" if one.reason else ""
        if one.not_before > now:
            return f"{waits}{spoken(one.not_before)} 发"
        if one.retry_at is not None and now < one.retry_at < now + DAY:
            return f"{waits}{clock_time(one.retry_at)} 再试"
        return f"{waits}会再试" if one.reason else "轮到就发"
    return "" if one.state is OutboxState.SENT else reasons.in_words(one.reason)


def line(one: Delivery, now: datetime) -> str:
    """One message in one line, without its words."""
    about = why(one, now)
    return (
        f"{one.id}　{spoken(one.not_before)}　给{to(one)}　{STATES[one.state]}"
        f"{'（急）' if one.urgent else ''}{'：' + about if about else ''}"
    )


def letter(one: Delivery, now: datetime) -> Letter:
    """One message as the simulator's panel shows it."""
    return Letter(
        one.id,
        to(one),
        one.text or "（原文已清掉）",
        STATES[one.state] + ("（急）" if one.urgent else ""),
        why(one, now),
        spoken(one.not_before),
        again=one.state in (OutboxState.FAILED, OutboxState.UNKNOWN, OutboxState.HANDED_ON) and bool(one.text),
        give_up=one.state is OutboxState.WAITING,
        doubt=TWICE if one.state is OutboxState.UNKNOWN else "",
    )


def story(one: Delivery, attempts: list[Tried], now: datetime) -> Iterator[str]:
    """One message and everything that was tried with it."""
    yield line(one, now)
    yield f"　　{spoken(one.created_at)} 写下（{one.key}），{spoken(one.expires_at)} 以后不再发"
    for attempt in attempts:
        why_so = reasons.in_words(attempt.detail) if attempt.detail else ""
        # That nobody answered is the outcome itself.
        said = f"：{why_so}" if why_so not in ("", reasons.NO_ANSWER) else ""
        yield f"　　{spoken(attempt.began_at)} 从 {attempt.channel} 发，{OUTCOMES[attempt.outcome]}{said}"
    if not attempts:
        yield "　　还没有试过" if one.state is OutboxState.WAITING else "　　一次也没有试"
    if one.state is OutboxState.UNKNOWN:
        yield f"　　{TWICE}"


def trouble(one: Incident, names: str) -> str:
    """What is broken, in one line."""
    lost = f"，{one.messages}条没有发成" if one.messages else "，还在试"
    return f"问题{one.number}　{spoken(one.since)} 起　{names}{lost}：{reasons.in_words(one.reason)}"


def health(found: list[Incident]) -> str:
    """For `/healthz`: how much is broken, without a name."""
    if not found:
        return ""
    return f"{len(found)}个问题，{sum(len(one.recipients) for one in found)}处发不到；用 linli outbox 看"
