"""`check`, `config` and `trace`: what an operator looks at, and nothing is changed by looking."""

import asyncio
import json
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from bot import tracing
from bot.books import Books
from bot.config import Config, ConfigError
from bot.doctor import State, examine
from bot.terminal import ConfigFile, Db, books_at, configured, moment, read_configuration, refused, require_books
from models.clock import WallClock
from models.directory import communities

AsJson = Annotated[bool, typer.Option("--json", help="每项一行 JSON，给程序看")]

MARKS = {State.OK: "正常", State.WARNING: "注意", State.BROKEN: "有问题"}


def check(as_json: AsJson = False, config: ConfigFile = None) -> None:
    """查一遍机器人好不好用：每项一行，该做什么也写着。有问题时退出码是 1，只有要注意的是 0。"""
    try:
        settings: Config | ConfigError = read_configuration(config)
    except ConfigError as error:
        settings = error
    findings = examine(settings, WallClock().now())
    for finding in findings:
        if as_json:
            typer.echo(json.dumps(asdict(finding), ensure_ascii=False))
            continue
        typer.echo(f"{MARKS[finding.state]}　{finding.name}：{finding.what}")
        if finding.todo:
            typer.echo(f"　　　→ {finding.todo}")
    worst = [finding.state for finding in findings]
    if not as_json:
        typer.echo(
            f"一共 {len(worst)} 项，{worst.count(State.BROKEN)} 项有问题，{worst.count(State.WARNING)} 项要注意。"
        )
    if State.BROKEN in worst:
        raise typer.Exit(1)


def config(as_json: AsJson = False, config: ConfigFile = None) -> None:
    """列出配置的每一项：现在的值，从哪里来的。密钥不显示。"""
    settings = configured(config)
    section = ""
    for shown in settings.listing():
        if as_json:
            typer.echo(json.dumps(asdict(shown), ensure_ascii=False))
            continue
        its, key = shown.path.rsplit(".", 1)
        if its != section:
            typer.echo(f"{section and chr(10)}[{its}]")
            section = its
        typer.echo(f"{key} = {shown.value}".ljust(44) + f"  # {shown.origin}")


def trace(
    what: Annotated[str, typer.Argument(help="消息编号（或它的最后几位）、人名，或群名")],
    since: Annotated[str, typer.Option(help="从什么时候起：30m、6h、2d，或 2026-11-17T19:30+08:00")] = "1d",
    text: Annotated[bool, typer.Option("--text", help="把机器人说过的话也列出来")] = False,
    community: Annotated[str, typer.Option(help="哪个社区；不写就在所有社区里找")] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """一条消息后来怎么样了：谁说的、办了什么、记了什么账、发了什么出去。居民说的话不存，所以看不到。"""
    begin = moment_since(since)
    url = books_at(db, config)
    require_books(url)

    async def run() -> list[tuple[tracing.Subject, list[tracing.Story]]]:
        books = await Books.open(url, threads=1)
        try:
            return await books.read(partial(_traced, what=what, community=community, since=begin))
        finally:
            await books.close()

    told = asyncio.run(run())
    if not told:
        raise refused(f"没有「{what}」这个消息编号、人或群。只问不写、和机器人无关的话，不留痕迹。", 1)
    for subject, stories in told:
        if len(told) > 1 or subject.kind != "message":
            where = f"（{subject.community.name}，编号 {subject.row}）" if subject.community else ""
            if not as_json:
                typer.echo(f"== {subject.label}{where}：{len(stories)} 件")
        for story in stories:
            if as_json:
                typer.echo(json.dumps(_as_json(story, with_text=text), ensure_ascii=False))
            else:
                for line in tracing.in_lines(story, with_text=text):
                    typer.echo(line)


def _traced(
    session: Session, *, what: str, community: str, since: datetime
) -> list[tuple[tracing.Subject, list[tracing.Story]]]:
    everywhere = [one for one in communities(session) if community in ("", one.name)]
    return [
        (subject, tracing.stories(session, subject, since=since))
        for subject in tracing.subjects(session, what, everywhere)
    ]


def _as_json(story: tracing.Story, *, with_text: bool) -> dict[str, Any]:
    steps = []
    for step in story.steps:
        one = {"at": step.at.isoformat(), "kind": step.kind, "what": step.what}
        steps.append({**one, "text": step.text} if with_text and step.text else one)
    return {"at": story.at.isoformat(), "channel": story.channel, "message_id": story.message_id, "steps": steps}


def moment_since(given: str) -> datetime:
    """The moment that is meant. Raises typer.Exit."""
    span = re.fullmatch(r"(\d{1,5})([mhd])", given)
    if span is None:
        found = moment(given)
        if found is None:
            raise refused("--since 要写成 30m、6h、2d，或 2026-11-17T19:30+08:00。")
        return found
    unit = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}[span[2]]
    return WallClock().now() - int(span[1]) * unit
