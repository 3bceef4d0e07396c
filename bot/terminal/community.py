"""`found`, `invite`, `webhook` and `chart`: what the operator does before anybody can type, and what is printed."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from bot import chart as chart_drawing
from bot import founding, logs
from bot.app import House
from bot.channels import Hears
from bot.channels.wecom_group_webhook import label, read_key
from bot.secrets import Sealer, SecretsLocked
from bot.terminal import (
    ConfigFile,
    Db,
    address_of,
    books_at,
    books_brought_up,
    configured,
    migrated_books,
    refused,
    require_books,
)
from models import members, points
from models.clock import WallClock
from models.members import Role
from models.organisation import Node, tree_of
from models.units import NoSuchUnit

Community = Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")]
ROLES = {role.value: role for role in Role if role not in (Role.RESIDENT, Role.ADMIN)}


def no_such_community(error: founding.NoSuchCommunity) -> typer.Exit:
    """Says which communities there are, and is the exit to raise."""
    return refused(f"请用 --community 写明社区：{'、'.join(error.fields['known']) or '（还没有）'}", 1)


NAME_CHARACTERS_MAX = 40
"""What the narrowest column of a name holds."""


def found(
    name: Annotated[str, typer.Argument(help="社区的名字，例如 锦绣社区")],
    secretary: Annotated[str | None, typer.Option(help="书记的姓名；不写就用邀请码请第一位书记")] = None,
    account: Annotated[str, typer.Option(help="书记的企业微信账号（userid），和姓名一起写")] = "",
    channel: Annotated[str, typer.Option(help="书记在哪个渠道上：配置里 [channels.名字] 的名字")] = "",
    buildings: Annotated[int, typer.Option(min=1, max=founding.BUILDINGS_MAX, help="有几栋楼")] = 9,
    doors: Annotated[int, typer.Option(min=0, max=founding.DOORS_MAX, help="每栋几个单元")] = 2,
    bot_name: Annotated[str, typer.Option(help="机器人叫什么")] = "小邻",
    config: ConfigFile = None,
) -> None:
    """建一个社区：楼栋、单元、积分规则和第一位书记。之后的事都在聊天里说。"""
    settings = configured(config)
    name, account, bot_name = (one.strip() for one in (name, account, bot_name))
    names = {
        "社区的名字": name,
        "书记的姓名": "-" if secretary is None else secretary.strip(),
        "机器人的名字": bot_name,
    }
    for what, given in names.items():
        if not given or len(given) > NAME_CHARACTERS_MAX:
            raise refused(f"{what}要写上，不超过{NAME_CHARACTERS_MAX}个字。")
    if secretary is not None and not account:
        raise refused("书记的账号（userid）要写上：在企业微信管理后台的通讯录里。")

    async def run() -> None:
        books = await migrated_books(settings)
        house = House(settings, books)
        try:
            first = _first_secretary(house, channel, secretary.strip(), account) if secretary else None
            await books.write(
                lambda session: founding.found_community(
                    session,
                    name=name,
                    bot_name=bot_name,
                    buildings=buildings,
                    doors=doors,
                    secretary=first,
                    rules=settings.feature(points.Settings),
                    now=house.clock.now(),
                )
            )
        except founding.CommunityExists:
            raise refused(f"{name} 已经有了，不用再建。", 1) from None
        finally:
            await house.close()
        if first is None:
            typer.echo(f"{name} 建好了。请第一位书记：linli invite --role secretary --unit 社区 --community {name}")
        else:
            typer.echo(f"{name} 建好了。请 {first.name} 在群里 @{bot_name} 发 绑定群 1栋")

    asyncio.run(run())


def invite(
    role: Annotated[str, typer.Option(help="什么角色：secretary、staff、branch_secretary、building_lead ……")],
    unit: Annotated[str, typer.Option(help="管哪里：社区、3栋、第一党支部 ……")],
    community: Community = "",
    config: ConfigFile = None,
) -> None:
    """印一个邀请码：24小时内有效，只能用一次，谁私聊发给机器人，谁就有这个角色。"""
    settings = configured(config)
    given = ROLES.get(role)
    if given is None:
        raise refused(f"没有 {role} 这个角色，有的是：{'、'.join(ROLES)}")
    require_books(address_of(settings))
    code = members.new_code()

    async def run() -> None:
        books = await migrated_books(settings)
        try:
            where, invited_to = await books.write(
                lambda session: founding.invite(
                    session,
                    community_name=community,
                    role=given,
                    unit_name=unit,
                    code=code,
                    now=WallClock().now(),
                )
            )
        except founding.NoSuchCommunity as error:
            raise no_such_community(error) from None
        except NoSuchUnit as error:
            known = "、".join(error.fields["known"][:10])
            raise refused(f"没有 {unit}。楼栋有：{known or '（还没有）'}；整个社区写 社区。", 1) from None
        finally:
            await books.close()
        typer.echo(code)
        typer.echo(
            f"{where.name}：{invited_to.name} 的 {role}。24小时内有效，只能用一次，只印这一次。\n"
            f"请本人私聊 {where.bot_name} 发：邀请码 {code}",
            err=True,
        )

    asyncio.run(run())


def drawn_chart(root: Node, suffix: str, now: datetime) -> bytes:
    """The chart in the format that a file's name asks for. Raises typer.Exit."""
    drawn = chart_drawing.pages(root, now)
    if suffix == ".html":
        return chart_drawing.as_html(drawn, f"{root.unit.name}组织架构").encode()
    if suffix == ".svg":
        return chart_drawing.as_svg(drawn).encode()
    if suffix != ".pdf":
        raise refused("文件名要以 .html、.svg 或 .pdf 结尾。")
    try:
        return chart_drawing.as_pdf(drawn)
    except chart_drawing.NoPdf as missing:
        raise refused(f"还不能做 PDF，{missing.remedy}。也可以用 .html，在浏览器里打印。", 1) from None


def chart(
    to: Annotated[Path, typer.Option("--to", help="写到哪个文件：.html、.svg 或 .pdf")],
    community: Community = "",
    config: ConfigFile = None,
    db: Db = "",
) -> None:
    """画一张可以打印的组织架构图（A4）：总支、支部、小组、中心户和各类组织，谁负责，有多少人。"""
    url = books_at(db, config)
    require_books(url)

    async def run() -> None:
        books = await books_brought_up(url)
        now = WallClock().now()

        def load(session: Session) -> Node:
            here = founding.community_named(session, community)
            return tree_of(session, community_id=here.id, now=now)

        try:
            root = await books.read(load)
        except founding.NoSuchCommunity as error:
            raise no_such_community(error) from None
        finally:
            await books.close()
        made = drawn_chart(root, to.suffix.lower(), now)
        try:
            to.write_bytes(made)
        except OSError as error:
            raise refused(f"写不了 {to}：{error.strerror}。", 1) from None
        typer.echo(f"{root.unit.name}的组织架构图写好了：{to}")

    asyncio.run(run())


def _first_secretary(house: House, channel: str, name: str, account: str) -> founding.FirstSecretary:
    namespace = _where_heard(house, channel)
    # WeCom's userids are the same in any letter case; other ids are opaque.
    return founding.FirstSecretary(name, namespace, account.lower() if namespace.startswith("wecom:") else account)


def _where_heard(house: House, channel: str) -> str:
    """The namespace of a channel on which somebody can speak. Raises typer.Exit."""
    hearing = [name for name, one in house.channels.items() if one.ability.hears is not Hears.NOTHING]
    if channel in hearing:
        return house.channels[channel].namespace
    has = f"能说话的渠道有：{'、'.join(hearing) or '（还没有）'}"
    if channel in house.channels:
        raise refused(f"[channels.{channel}] 只发不收，书记在那里说话听不到。{has}")
    raise refused(f"配置里没有 [channels.{channel}]。{has}")


def webhook(
    group: Annotated[str, typer.Argument(help="群的名字，例如 3栋群")],
    channel: Annotated[str, typer.Option(help="配置里 kind 为 wecom_group_webhook 的渠道名字")],
    community: Community = "",
    config: ConfigFile = None,
) -> None:
    """给一个群登记群机器人的 key 或整个地址（从标准输入读，不会显示），以后提醒就发到那里；再登记一次就换掉。"""
    settings = configured(config)
    kind = getattr(settings.channels.get(channel), "kind", None)
    if kind != "wecom_group_webhook":
        raise refused(f'[channels.{channel}] 不是群机器人渠道，要 kind = "wecom_group_webhook"。')
    # A pipe has nothing to hide.
    typed = typer.prompt("群机器人的 key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        key = read_key(typed)
    except ValueError:
        raise refused(
            "这不像群机器人的 key。请到群机器人的页面复制整个 Webhook 地址，或者其中 key= 后面的那一段。"
        ) from None
    logs.register_secret(key)

    async def run() -> None:
        books = await migrated_books(settings)
        try:
            sealed = Sealer(settings.secrets.keys()).seal(key, label(key))
            replaced = await books.write(
                lambda session: founding.set_webhook(
                    session,
                    community_name=community,
                    group_name=group,
                    channel=channel,
                    address=label(key),
                    sealed_key=sealed,
                    now=WallClock().now(),
                )
            )
        except SecretsLocked:
            raise refused("先在配置里设 [secrets] key，群机器人的 key 要加密保存。") from None
        except founding.NoSuchGroup as error:
            raise refused(
                f"没有 {group}，有的是：{'、'.join(error.fields['known']) or '（还没有绑定过群）'}", 1
            ) from None
        except founding.NoSuchCommunity as error:
            raise no_such_community(error) from None
        except founding.WebhookElsewhere as error:
            raise refused(
                f"这个 key 是 {error.fields['name']} 的。每个群有自己的群机器人，请到 {group} 里复制它的。", 1
            ) from None
        finally:
            await books.close()
        done = "换成新的 key 了" if replaced else "登记好了"
        typer.echo(f"{group} {done}，以后的提醒会发到那里。")

    asyncio.run(run())
