"""`import` and `export`: the roster in, and the books out as files."""

import asyncio
import getpass
import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bot import exports, founding
from bot.app import House
from bot.books import BooksBusy
from bot.importing import Done, Held, carry_out, hold
from bot.roster_file import ROLES, STANDINGS
from bot.sheets import Unreadable, read_rows
from bot.terminal import ConfigFile, configured, migrated_books, refused
from models.directory import CommunityHere
from models.members import NoSuchMember, Person, Role, SeveralMembers, Standing
from models.members.categories import KNOWN
from models.roster import Batch, Change, Reason, Refused, Step, namespaces
from models.roster.matching import CATEGORY

Community = Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")]
Channel = Annotated[str, typer.Option(help="企业微信账号是哪个渠道上的：配置里 [channels.名字] 的名字")]
AsWho = Annotated[str, typer.Option("--as", help="替哪位书记或社工做：按他的权限，也记在他名下")]

SHOWN = 20
"""Lines of a kind that are shown without `--all`."""

REASONS = {
    Reason.REPEATED: "和第{other}行是同一个人",
    Reason.NAMESAKES: "同名的有{count}位，分不清是哪一位，请补上房号或手机",
    Reason.MOVED_OUT: "账上已经迁出。确实回来了，请在聊天里发 迁回 {name}",
    Reason.OTHER_PERSON: "这个企业微信账号是 {owner} 的",
    Reason.OTHER_ACCOUNT: "已经有别的企业微信账号，请先解除再换",
    Reason.UNKNOWN_HOME: "没有「{unit}」。有的是：{known}；新的楼请写成 3栋 这样",
    Reason.UNKNOWN_UNIT: "没有「{unit}」这个组织。有的是：{known}",
    Reason.ROLE_NEEDS_UNIT: "{role}要写所属组织",
    Reason.ABOVE_ONESELF: "{role}不是您能给、能改的，请更高一级的人来导入",
    Reason.BEYOND_REACH: "不在您负责的范围里",
    Reason.CHANGED_MEANWHILE: "刚才有人改过这一位，请再导入一次",
}
CHANGES = {
    "name": "姓名",
    "home": "住址",
    "room": "房号",
    "phone": "手机",
    "standing": "政治面貌",
    "basis": "登记依据",
    "born": "出生年份",
    "account": "企业微信账号",
}


def import_(
    file: Annotated[Path, typer.Argument(help="名册：.xlsx 或 .csv")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看会怎样，什么都不写")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再问，直接导入")] = False,
    every: Annotated[bool, typer.Option("--all", help="每一行都列出来，不只列前面的")] = False,
    community: Community = "",
    channel: Channel = "",
    as_who: AsWho = "",
    config: ConfigFile = None,
) -> None:
    """导入名册：先列出会新增谁、改谁、哪几行不行，点头才写。写错的行不进，别的照进；名册里没有的人不会被删。"""
    try:
        rows = read_rows(file)
    except Unreadable as error:
        raise refused(str(error)) from None

    async def work(house: House, place: CommunityHere, by: Person | None) -> None:
        namespace = await _namespace(house, place, channel)
        try:
            held = await hold(house.books, rows, community_id=place.id, namespace=namespace, by=by, clock=house.clock)
        except Unreadable as error:
            raise refused(str(error)) from None
        if not channel and any(step.accounts for step in (*held.plan.added, *held.plan.changed)):
            raise refused("名册里有企业微信账号，请用 --channel 写明是哪个渠道的。")
        _show(held, every)
        todo = len(held.plan.added) + len(held.plan.changed)
        if dry_run:
            typer.echo("这是预览，什么都没有写。")
            return
        if not todo:
            typer.echo("没有要写的。")
            return
        if not yes and not _agreed(f"导入到 {place.name} 吗？"):
            typer.echo("没有导入。")
            return
        batch = Batch(place.id, f"import:{uuid.uuid4().hex}", namespace, by, getpass.getuser())
        try:
            done = await carry_out(
                house.books, held, batch=batch, clock=house.clock, file=file.name, progress=_progress
            )
        except BooksBusy:
            raise refused("账本一时写不进去，停在半路。已写进去的都在，过一会儿再导入一次就接着写。", 1) from None
        _report(done, held)

    _with_house(config, community, as_who, work)


def _agreed(question: str) -> bool:
    with suppress(typer.Abort):
        return typer.confirm(question)
    return False


def _progress(done: int, of: int) -> None:
    end = "\n" if done == of else "\r"
    typer.echo(f"已写 {done}/{of} 行{end}", nl=False, err=True)


def _report(done: Done, held: Held) -> None:
    refusals = len(done.refused) + len(held.plan.refused) + len(held.listing.bad)
    typer.echo(f"导入好了：新增 {done.added} 人，改了 {done.changed} 人，{refusals} 行没有进。")
    for one in done.refused:
        typer.echo(_why(one))


def _show(held: Held, every: bool) -> None:
    plan, listing = held.plan, held.listing
    refusals = sorted(
        [(bad.line, f"第{bad.line}行{f' {bad.name}' if bad.name else ''}：{bad.why}。") for bad in listing.bad]
        + [(one.line, _why(one)) for one in plan.refused]
    )
    typer.echo(
        f"名册共 {len(listing.entries) + len(listing.bad)} 行：新增 {len(plan.added)}，"
        f"有变化 {len(plan.changed)}，没变 {plan.same}，不行 {len(refusals)}。"
    )
    if listing.unused:
        typer.echo(f"没有用到的列：{'、'.join(listing.unused)}")
    if plan.units:
        typer.echo(f"会新建：{_some([place.title for place in plan.units], every, '、')}")
    own = dict.fromkeys(one for step in (*plan.added, *plan.changed) for one in step.categories if one not in KNOWN)
    if own:
        typer.echo(f"自己的类别：{_some(list(own), every, '、')}（只有社区工作人员和本人看得到）")
    _list("新增", [_added(step) for step in plan.added], every)
    _list("有变化", [_told_otherwise(step) for step in plan.changed], every)
    _list("不行（不会写进去，别的行照写）", [line for _, line in refusals], every)
    gone = [f"{one.name}（{one.place.title or '没有楼栋'}{one.room}）" for one in plan.vanished]
    _list("账上有、名册里没有（不会删，搬走的请在聊天里发 迁出）", gone, every)


def _list(head: str, lines: list[str], every: bool) -> None:
    if lines:
        typer.echo(f"{head}：{len(lines)}")
        typer.echo("  " + _some(lines, every, "\n  "))


def _some(lines: list[str], every: bool, between: str) -> str:
    shown = lines if every else lines[:SHOWN]
    more = [f"……还有 {len(lines) - len(shown)} 个，加 --all 全部列出"] if len(shown) < len(lines) else []
    return between.join([*shown, *more])


def _added(step: Step) -> str:
    entry = step.entry
    parts = [f"第{entry.line}行 {entry.name}", step.place.title + entry.room, entry.phone]
    if entry.standing is Standing.PARTY_MEMBER:
        parts.append(STANDINGS[entry.standing])
    parts += [f"{ROLES[one.role][0]}（{one.unit}）" for one in step.roles]
    parts += step.categories
    return " ".join(filter(None, parts))


def _told_otherwise(step: Step) -> str:
    return f"第{step.entry.line}行 {step.entry.name}：{'，'.join(map(_change, step.changes))}"


def _change(change: Change) -> str:
    if change.what.startswith("role."):
        return f"给角色 {ROLES[Role(change.what.removeprefix('role.'))][0]}（{change.after}）"
    if change.what == CATEGORY:
        return f"类别加上 {change.after}{f'，不再是 {change.before}' if change.before else ''}"
    before, after = change.before, change.after
    if change.what == "standing":
        before, after = STANDINGS[Standing(before)], STANDINGS[Standing(after)]
    return f"{CHANGES[change.what]} {before or '（空）'} → {after}"


def _few(names: object) -> str:
    assert isinstance(names, list)
    more = f"……等{len(names)}个" if len(names) > SHOWN else ""
    return "、".join(names[:SHOWN]) + more or "（还没有）"


def _why(one: Refused) -> str:
    fields = {key: value for key, value in one.fields.items() if key != "name"}
    if "known" in fields:
        fields["known"] = _few(one.fields["known"])
    if "role" in fields:
        fields["role"] = ROLES[Role(str(one.fields["role"]))][0]
    why = REASONS[one.reason].format(name=one.name, owner=one.fields.get("name", ""), **fields)
    return f"第{one.line}行 {one.name}：{why}。"


# -- export ----------------------------------------


def export(
    what: Annotated[str, typer.Argument(help=f"{'、'.join(exports.KINDS)}：名册、积分流水、活动、履职、榜单")],
    to: Annotated[Path, typer.Option(help="写到哪个文件：.xlsx；名册也可以是 .csv")],
    since: Annotated[str, typer.Option("--from", help="从哪天起，例如 2026-11-01（流水、活动）")] = "",
    until: Annotated[str, typer.Option("--until", help="到哪天止，这一天也算")] = "",
    community: Community = "",
    channel: Channel = "",
    as_who: AsWho = "",
    config: ConfigFile = None,
) -> None:
    """把账本里的一样导成 Excel。里面有个人信息：文件只有您自己能读，导出的人和时间记在账上。"""
    if what not in exports.KINDS:
        raise refused(f"不会导出「{what}」，可以写：{'、'.join(exports.KINDS)}")
    if to.suffix.lower() not in (".xlsx", ".csv") or (to.suffix.lower() == ".csv" and what != "roster"):
        raise refused("文件名要以 .xlsx 结尾；只有名册可以是 .csv。")
    if to.exists():
        raise refused(f"{to} 已经有了，请换一个名字。")
    span = exports.Span(_day(since), _day(until))

    async def work(house: House, place: CommunityHere, by: Person | None) -> None:
        namespace = await _namespace(house, place, channel)
        order = exports.Order(what, place, namespace, span, by, getpass.getuser(), house.clock.now())
        try:
            count = await exports.write_file(house.books, order, to)
        except OSError as error:
            raise refused(f"写不了 {to}：{os.strerror(error.errno or 0)}", 1) from None
        typer.echo(f"已导出 {count} 行到 {to}")

    _with_house(config, community, as_who, work)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise refused(f"日期「{text}」看不懂，要写成 2026-11-01") from None


# -- what both need ----------------------------------------


def _with_house(
    config: Path | None,
    community: str,
    as_who: str,
    work: Callable[[House, CommunityHere, Person | None], Awaitable[None]],
) -> None:
    """Opens the configured books for one piece of work on one community."""
    settings = configured(config)

    async def run() -> None:
        books = await migrated_books(settings)
        house = House(settings, books)
        try:
            place = await books.read(lambda session: founding.community_named(session, community))
            by = None
            if as_who:
                by = await books.read(
                    lambda session: founding.person_named(session, community=place, name=as_who, now=house.clock.now())
                )
                if not by.may(Role.STAFF):
                    raise refused(f"{as_who} 不是书记，也不是社工。")
            await work(house, place, by)
        except founding.NoSuchCommunity as error:
            known = "、".join(error.fields["known"]) or "（还没有）"
            raise refused(f"请用 --community 写明社区：{known}", 1) from None
        except (NoSuchMember, SeveralMembers):
            raise refused(f"--as 里的 {as_who} 不是这里唯一一位绑定了账号的人。", 1) from None
        finally:
            await house.close()

    asyncio.run(run())


async def _namespace(house: House, place: CommunityHere, channel: str) -> str:
    """Whose the accounts in a file are: those of the channel named, else those that the people there have."""
    if channel:
        if channel not in house.channels:
            raise refused(f"没有 [channels.{channel}]，有的是：{'、'.join(house.channels) or '（还没有）'}")
        return house.channels[channel].namespace
    known = await house.books.read(partial(namespaces, community_id=place.id))
    if len(known) > 1:
        raise refused("这里的人在几个渠道上都有账号，请用 --channel 写明是哪一个。")
    return known[0] if known else ""
