"""`found` and `webhook`: what the operator does before anybody can type."""

import asyncio
import sys
from typing import Annotated

import typer

from bot import founding, logs
from bot.app import House
from bot.channels import Hears
from bot.channels.wecom_group_webhook import label, read_key
from bot.secrets import Sealer, SecretsLocked
from bot.terminal import ConfigFile, configured, migrated_books, refused
from models import points
from models.clock import WallClock

NAME_CHARACTERS_MAX = 40
"""What the narrowest column of a name holds."""


def found(
    name: Annotated[str, typer.Argument(help="社区的名字，例如 锦绣社区")],
    secretary: Annotated[str, typer.Option(help="书记的姓名")],
    account: Annotated[str, typer.Option(help="书记的企业微信账号（userid）")],
    channel: Annotated[str, typer.Option(help="书记在哪个渠道上：配置里 [channels.名字] 的名字")],
    buildings: Annotated[int, typer.Option(min=1, max=founding.BUILDINGS_MAX, help="有几栋楼")] = 9,
    doors: Annotated[int, typer.Option(min=0, max=founding.DOORS_MAX, help="每栋几个单元")] = 2,
    bot_name: Annotated[str, typer.Option(help="机器人叫什么")] = "小邻",
    config: ConfigFile = None,
) -> None:
    """建一个社区：楼栋、单元、积分规则和第一位书记。之后的事都在聊天里说。"""
    settings = configured(config)
    name, secretary, account, bot_name = (one.strip() for one in (name, secretary, account, bot_name))
    for what, given in (("社区的名字", name), ("书记的姓名", secretary), ("机器人的名字", bot_name)):
        if not given or len(given) > NAME_CHARACTERS_MAX:
            raise refused(f"{what}要写上，不超过{NAME_CHARACTERS_MAX}个字。")
    if not account:
        raise refused("书记的账号（userid）要写上：在企业微信管理后台的通讯录里。")

    async def run() -> None:
        books = await migrated_books(settings)
        house = House(settings, books)
        try:
            namespace = _where_heard(house, channel)
            await books.write(
                lambda session: founding.found_community(
                    session,
                    name=name,
                    bot_name=bot_name,
                    buildings=buildings,
                    doors=doors,
                    secretary=secretary,
                    namespace=namespace,
                    # WeCom's userids are the same in any letter case; other ids are opaque.
                    account=account.lower() if namespace.startswith("wecom:") else account,
                    rules=settings.feature(points.Settings),
                    now=house.clock.now(),
                )
            )
        except founding.CommunityExists:
            raise refused(f"{name} 已经有了，不用再建。", 1) from None
        finally:
            await house.close()
        typer.echo(f"{name} 建好了。请 {secretary} 在群里 @{bot_name} 发 绑定群 1栋")

    asyncio.run(run())


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
    community: Annotated[str, typer.Option(help="哪个社区；只有一个社区时不用写")] = "",
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
            raise refused(f"请用 --community 写明社区：{'、'.join(error.fields['known']) or '（还没有）'}", 1) from None
        except founding.WebhookElsewhere as error:
            raise refused(
                f"这个 key 是 {error.fields['name']} 的。每个群有自己的群机器人，请到 {group} 里复制它的。", 1
            ) from None
        finally:
            await books.close()
        done = "换成新的 key 了" if replaced else "登记好了"
        typer.echo(f"{group} {done}，以后的提醒会发到那里。")

    asyncio.run(run())
