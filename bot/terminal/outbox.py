"""`outbox`: what waits to go out, what did not, why, and once more or no more. Works beside a running bot."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.orm import Session

from bot import alarms, founding, mail
from bot.books import Books
from bot.terminal import ConfigFile, Db, books_at, refused, require_books
from bot.terminal.looking import AsJson, moment_since
from models import deliveries, outages
from models.clock import WallClock
from models.deliveries import Answer, Delivery
from models.outbox import OutboxState

T = TypeVar("T")

Numbers = Annotated[list[int] | None, typer.Argument(help="消息的编号，可以写几个；不写就列出来")]
SHOWN_UNASKED = (OutboxState.WAITING, OutboxState.FAILED, OutboxState.UNKNOWN, OutboxState.HANDED_ON)


def outbox(
    numbers: Numbers = None,
    again: Annotated[bool, typer.Option("--again", help="再发一次")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="不再发了")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="只看等着发的")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="只看已发出的")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="只看没有发出的")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="只看结果不明的")] = False,
    handed_on: Annotated[bool, typer.Option("--handed-on", help="只看请人转告的")] = False,
    to: Annotated[str, typer.Option(help="只看给这个群或这个人的")] = "",
    since: Annotated[str, typer.Option(help="从什么时候起：30m、6h、2d，或 2026-11-17T19:30+08:00")] = "7d",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="每一种最多列几条")] = 50,
    community: Annotated[str, typer.Option(help="哪个社区；不写就看所有社区的")] = "",
    text: Annotated[bool, typer.Option("--text", help="把原文也列出来")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="结果不明的再发，也不再问一遍")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """要发的消息：等着的、没发出的、结果不明的，为什么；可以再发，也可以不发了。机器人照常运行。"""
    if (again or give_up) and not numbers:
        raise refused("要写明是哪几条，例如 linli outbox 17 --again")
    if again and give_up:
        raise refused("--again 和 --give-up 只能选一个。")
    url = books_at(db, config)
    require_books(url)
    now = WallClock().now()
    if again:
        _send_again(url, numbers or [], now, yes=yes)
    elif give_up:
        _give_up(url, numbers or [], now)
    elif numbers:
        _tell(url, numbers, now, with_text=text, as_json=as_json)
    else:
        asked = (waiting, sent, failed, unknown, handed_on)
        states = [state for state, wanted in zip(OutboxState, asked, strict=True) if wanted] or SHOWN_UNASKED
        query = {"states": states, "since": moment_since(since), "to": to, "limit": limit}
        _list(url, query, community, now, with_text=text, as_json=as_json)


def _at(url: str, unit: Callable[[Session], T], *, writes: bool = False) -> T:
    async def run() -> T:
        books = await Books.open(url, threads=1)
        try:
            return await (books.write(unit) if writes else books.read(unit))
        finally:
            await books.close()

    return asyncio.run(run())


def _list(url: str, query: dict[str, Any], community: str, now: datetime, *, with_text: bool, as_json: bool) -> None:
    def unit(session: Session) -> tuple[list[Delivery], list[str], dict[OutboxState, int]]:
        community_id = founding.community_named(session, community).id if community else None
        found = deliveries.deliveries(session, community_id=community_id, **query)
        broken = [mail.trouble(one, alarms.named(session, one)) for one in outages.incidents(session)]
        return found, broken, deliveries.figures(session, since=query["since"])

    try:
        found, broken, figures = _at(url, unit)
    except founding.NoSuchCommunity as error:
        raise refused(f"没有「{community}」这个社区，有的是：{'、'.join(error.fields['known'])}", 1) from None
    if as_json:
        for one in found:
            typer.echo(json.dumps(_as_json(one, with_text=with_text), ensure_ascii=False))
        return
    for line in broken:
        typer.echo(line)
    for one in found:
        _show(mail.line(one, now), one, with_text=with_text)
    counted = "，".join(
        f"{mail.STATES[state]} {count} 条" for state, count in figures.items() if count or state is OutboxState.WAITING
    )
    typer.echo(f"现在{counted}。" if found else f"没有要列的。现在{counted}。")
    if found:
        typer.echo("看一条怎么回事：linli outbox 编号；再发：--again；不发了：--give-up；看原文：--text")


def _tell(url: str, numbers: list[int], now: datetime, *, with_text: bool, as_json: bool) -> None:
    def unit(session: Session) -> list[tuple[Delivery | None, list[deliveries.Tried]]]:
        return [(deliveries.delivery(session, one), deliveries.tried(session, one)) for one in numbers]

    missing = False
    for number, (one, attempts) in zip(numbers, _at(url, unit), strict=True):
        if one is None:
            missing = True
            typer.echo(mail.ANSWERS[Answer.MISSING].format(number=number), err=True)
        elif as_json:
            steps = [
                {"at": step.began_at.isoformat(), "channel": step.channel, "outcome": step.outcome, "said": step.detail}
                for step in attempts
            ]
            typer.echo(json.dumps({**_as_json(one, with_text=with_text), "attempts": steps}, ensure_ascii=False))
        else:
            _show("\n".join(mail.story(one, attempts, now)), one, with_text=with_text)
    if missing:
        raise typer.Exit(1)


def _show(said: str, one: Delivery, *, with_text: bool) -> None:
    typer.echo(said)
    if with_text:
        typer.echo("\n".join(f"　　「{line}」" for line in (one.text or "（原文已清掉）").split("\n")))


def _send_again(url: str, numbers: list[int], now: datetime, *, yes: bool) -> None:
    known = _at(url, lambda session: [deliveries.delivery(session, one) for one in numbers])
    doubtful = [one.id for one in known if one is not None and one.state is OutboxState.UNKNOWN]
    if doubtful and not yes:
        typer.echo(f"第{'、'.join(map(str, doubtful))}条结果不明。{mail.TWICE}")
        if not typer.confirm("还是要再发吗"):
            raise refused("没有再发，什么都没动。", 1)

    def unit(session: Session) -> list[Answer]:
        return [deliveries.send_again(session, one, now=now) for one in numbers]

    _answer(numbers, _at(url, unit, writes=True), "第{number}条会再发，机器人运行着就马上发。")


def _give_up(url: str, numbers: list[int], now: datetime) -> None:
    def unit(session: Session) -> list[Answer]:
        return [deliveries.give_up(session, one, now=now, wall=now) for one in numbers]

    _answer(numbers, _at(url, unit, writes=True), "第{number}条不再发了。")


def _answer(numbers: list[int], answers: list[Answer], done: str) -> None:
    for number, answer in zip(numbers, answers, strict=True):
        granted = answer is Answer.DONE
        typer.echo((done if granted else mail.ANSWERS[answer]).format(number=number), err=not granted)
    if any(answer is not Answer.DONE for answer in answers):
        raise typer.Exit(1)


def _as_json(one: Delivery, *, with_text: bool) -> dict[str, Any]:
    told = {
        "number": one.id,
        "state": one.state,
        "to": mail.to(one),
        "reason": one.reason,
        "urgent": one.urgent,
        "key": one.key,
        "not_before": one.not_before.isoformat(),
        "expires_at": one.expires_at.isoformat(),
        "finished_at": one.finished_at.isoformat() if one.finished_at else None,
    }
    return {**told, "text": one.text} if with_text else told
