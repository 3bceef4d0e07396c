"""The running bot and its addresses: asked as WeCom asks when a callback URL is saved; and the ways to WeCom."""

import http.client
import json
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from bot.channels.callback import CallbackSettings
from bot.channels.envelope import seal_echo
from bot.channels.wecom_aibot_socket import Settings as Socket
from bot.channels.wecom_app import Settings as App
from bot.channels.wecom_calls import MISCONFIGURED, refused_address
from bot.config import Config
from bot.doctor.finding import Finding, broken, ok, warning
from bot.doctor.settings import keys_of

REACH_SECONDS = 3.0


def _local(config: Config) -> str:
    host = config.http.host if config.http.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return f"http://{host if ':' not in host else f'[{host}]'}:{config.http.port}"


def _got(url: str) -> tuple[int, bytes]:
    """Status and body; status 0 where nobody answers. Follows no proxy and no redirection elsewhere."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        with opener.open(url, timeout=REACH_SECONDS) as answer:
            return answer.status, answer.read(65_536)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(65_536)
    except (OSError, http.client.HTTPException):
        return 0, b""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def bot_here(config: Config) -> tuple[bool, list[Finding]]:
    """Whether the bot serves on this machine, and what it says about itself."""
    if config.http.port == 0:
        return False, [warning("机器人", "端口是 0，不知道它在哪里监听", "正式使用时写一个固定的 http.port")]
    status, body = _got(f"{_local(config)}/livez")
    if status == 0:
        return False, [
            warning("机器人", f"没有在 {_local(config)} 运行", "用 linli run（或 systemctl、docker compose）启动")
        ]
    with suppress(ValueError):
        if status == 200 and json.loads(body) == {"alive": True}:
            status, body = _got(f"{_local(config)}/healthz")
            checks = json.loads(body)["checks"]
            ill = [f"{one['name']}（{one['why']}）" for one in checks if not one["ok"]]
            if ill:
                return True, [broken("机器人", f"在运行，但不好用：{'、'.join(ill)}", "看日志；好不了就重启")]
            return True, [ok("机器人", f"在 {_local(config)} 运行")]
    return False, [broken("机器人", f"{_local(config)} 被别的程序占着", "换一个 http.port，或停掉那个程序")]


def callbacks(config: Config, now: datetime, *, running: bool) -> Iterator[Finding]:
    """Whether each callback address answers as the platform's console expects it to."""
    named = {name: its for name, its in config.channels.items() if isinstance(its, CallbackSettings)}
    places: list[tuple[str, str]] = [("本机", _local(config))] if running else []
    if config.http.public_url:
        places.append(("外面", config.http.public_url.rstrip("/")))
    elif named:
        yield warning("回调地址", "没有写 http.public_url，不知道从外面通不通", "写上以后 linli check 会从那里走一遍")
    for place, base in places:
        for name, settings in named.items():
            if echoes(base, name, settings, now):
                yield ok(f"回调地址 {name}", f"从{place}走得通，Token 和 EncodingAESKey 对得上")
            elif place == "本机":
                todo = "改过配置就重启，或 kill -HUP 让它重读"
                yield broken(f"回调地址 {name}", "机器人在运行，但不认这份配置里的密钥", todo)
            elif running:
                yield broken(
                    f"回调地址 {name}",
                    f"从 {base}/callback/{name} 走不到本机",
                    "看域名、证书和反向代理：要把 /callback/ 转过来",
                )
            else:
                yield warning(f"回调地址 {name}", "机器人没有在运行，从外面走不通", "启动以后再查一遍")


def gateways(config: Config, *, running: bool) -> Iterator[Finding]:
    """Whether the gateways of long connections can be reached from here.

    Nothing is subscribed: that would push out the bot that is connected, here or elsewhere.
    """
    if running:
        return  # what it says about itself is better
    for name, settings in config.channels.items():
        if not isinstance(settings, Socket):
            continue
        to = urlsplit(settings.url)
        host, port = to.hostname or "", to.port or (443 if to.scheme == "wss" else 80)
        try:
            with closing(socket.create_connection((host, port), REACH_SECONDS)) as plain:
                if to.scheme == "wss":
                    ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
        except OSError as error:
            why = f"连不上 {host}（{error.strerror or type(error).__name__}）"
            yield broken(f"长连接 {name}", why, "看这台机器能不能上网、防火墙放不放行")
        else:
            yield ok(f"长连接 {name}", f"连得上 {host}；BotID 和 Secret 对不对，启动以后才知道")


_WRONG = {
    40001: ("企业微信不认这个 Secret", "在应用详情页重新抄 secret"),
    40013: ("企业微信不认这个企业 ID", "在后台“我的企业”页重新抄 corp_id"),
    60020: ("企业微信不让这台机器调用", "在应用详情页的“企业可信IP”里加上这台机器的公网地址"),
}


def apps(config: Config) -> Iterator[Finding]:
    """Whether each self-built app can write to people: its secret is asked for a token, as before every message."""
    for name, settings in config.channels.items():
        if not isinstance(settings, App):
            continue
        if settings.secret is None:
            yield ok(f"自建应用 {name}", "没有填 secret：只会回答；填了，再填后台的“企业可信IP”，就能主动发给人")
            continue
        query = urlencode({"corpid": settings.corp_id, "corpsecret": settings.secret.get_secret_value()})
        status, body = _got(f"{settings.base_url.rstrip('/')}/cgi-bin/gettoken?{query}")
        yield _of_token(f"自建应用 {name}", status, body)


def _of_token(name: str, status: int, body: bytes) -> Finding:
    try:
        answer = json.loads(body)
        code = answer["errcode"]
    except (ValueError, KeyError, TypeError):
        return broken(name, f"企业微信的接口没有答复（{status}）", "看这台机器能不能上网、防火墙放不放行")
    if code == 0:
        # Page 91039: a token is given to any address; the first message shows whether this one is trusted.
        return ok(name, "Secret 对得上，能主动发消息给人（还要填好“企业可信IP”）")
    what, todo = _WRONG.get(code, (MISCONFIGURED.get(code, "企业微信没有给令牌"), "看后台的应用详情页"))
    address = refused_address(str(answer.get("errmsg", "")))
    return broken(name, f"{what}（{code}{'，' + address if address else ''}）", todo)


def echoes(base: str, name: str, settings: CallbackSettings, now: datetime) -> bool:
    """Asks as the console does when a callback URL is saved: only who has the keys can answer the word."""
    word = secrets.token_hex(8)
    query = seal_echo(word.encode(), keys_of(settings), timestamp=int(now.timestamp()), nonce=secrets.token_hex(8))
    status, body = _got(f"{base}/callback/{name}?{urlencode(query)}")
    return status == 200 and body == word.encode()
