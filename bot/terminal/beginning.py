"""`init`: from nothing to a `config.toml` that works, in five questions."""

import os
import secrets
import string
from base64 import b64encode
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from bot import founding
from bot.config import Database
from bot.terminal import refused

WAYS = {
    "simulator": "先用模拟器试，不接企业微信",
    "bot": "企业微信智能机器人，长连接（在群里被 @ 时回答，也能主动发；不用公网地址，最省事）",
    "aibot": "企业微信智能机器人，URL 回调（在群里被 @ 时回答，不能主动发）",
    "app": "企业微信自建应用（单聊；填了 Secret 也能主动发给个人）",
}
KINDS = {"bot": "wecom_aibot_socket", "aibot": "wecom_aibot", "app": "wecom_app"}
CORP_ID_HINT = "企业 ID（后台“我的企业”页最下方，ww 开头）"
AES_KEY_CHARACTERS = 43


def init(
    file: Annotated[Path, typer.Option("--file", help="写到哪个文件")] = Path("config.toml"),
    community: Annotated[str, typer.Option(help="社区的名字")] = "",
    bot_name: Annotated[str, typer.Option(help="机器人叫什么，大家 @ 它时用的名字")] = "",
    buildings: Annotated[int, typer.Option(help="有几栋楼", max=founding.BUILDINGS_MAX)] = 0,
    way: Annotated[str, typer.Option(help=f"怎么和大家说话：{'、'.join(WAYS)}")] = "",
    database: Annotated[str, typer.Option(help="账本存在哪里：SQLite 文件，或 PostgreSQL 的地址")] = "",
    corp_id: Annotated[str, typer.Option(help="企业 ID；用模拟器不需要")] = "",
    agent_id: Annotated[int, typer.Option(help="自建应用的 AgentId")] = 0,
    bot_id: Annotated[str, typer.Option(help="长连接智能机器人的 BotID")] = "",
    secret_file: Annotated[str, typer.Option(help="长连接或自建应用的 Secret 在哪个文件里；不写就问")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="没有写明的都用默认的，一句也不问")] = False,
) -> None:
    """问五个问题，写出一份能用的 config.toml，密钥都生成好。不会盖掉已有的文件。"""
    if file.exists():
        raise refused(f"{file} 已经有了，不会盖掉它。想重新来，请先把它改名，或用 --file 另写一份。", 1)

    def ask(given: str, question: str, default: str) -> str:
        if given or yes:
            return given or default
        return str(typer.prompt(question, default=default)).strip()

    community = ask(community, "1. 社区的名字", "锦绣社区")
    bot_name = ask(bot_name, "2. 机器人叫什么", "小邻")
    buildings = _number(ask(str(buildings or ""), "3. 有几栋楼", "9"))
    if not way and not yes:
        for name, said in WAYS.items():
            typer.echo(f"   {name}：{said}")
    way = ask(way, "4. 怎么和大家说话", "simulator")
    if way not in WAYS:
        raise refused(f"没有「{way}」这种办法，可以写 {'、'.join(WAYS)}。")
    secret = ""
    if way == "bot":
        bot_id = ask(bot_id, "   BotID（后台智能机器人的 API 设置，选“使用长连接”）", "") or ""
        if not secret_file and not yes:
            secret = str(typer.prompt("   Secret（在 BotID 旁边，输入时不显示）", hide_input=True)).strip()
        if not bot_id or not (secret or secret_file):
            raise refused("还缺 BotID 和 Secret，请用 --bot-id 和 --secret-file 写明，或去掉 --yes，我会问。")
        corp_id = ask(corp_id, f"   {CORP_ID_HINT}；以后不用自建应用就直接回车", "")
    elif way != "simulator":
        corp_id = ask(corp_id, f"   {CORP_ID_HINT}", "") or ""
        if not corp_id:
            raise refused(f"还缺{CORP_ID_HINT}，请用 --corp-id 写明。")
    if way == "app" and not agent_id:
        agent_id = _number(ask("", "   应用的 AgentId（后台应用详情页）", "1000002"))
    if way == "app" and not secret_file and not yes:
        hint = "   应用的 Secret（同一页，输入时不显示）；不要它主动发消息给人就直接回车"
        secret = str(typer.prompt(hint, default="", hide_input=True, show_default=False)).strip()
    url = _address(ask(database, "5. 账本存在哪里", "var/linli.sqlite3"))
    kept = _kept(secret, secret_file)
    channel = _long_connection(bot_id, kept, corp_id) if way == "bot" else _callback(way, corp_id, agent_id, kept)
    _write_privately(file, _toml(url, [] if way == "simulator" else [f"[channels.{way}]", *channel]))
    typer.echo(f"写好了 {file}（只有您能读；里面有密钥，请另存一份）。接下来：")
    for number, step in enumerate(_steps(file, community, bot_name, buildings, way), 1):
        typer.echo(f"{number}. {step}")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise refused(f"「{text}」不是个数，请写数字，例如 9。")
    return int(text)


def _address(text: str) -> Database:
    """The database that is meant: a URL, or the path of a file. Raises typer.Exit."""
    try:
        return Database(url=text if "://" in text else f"sqlite:///{text}")
    except ValidationError as error:
        raise refused(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None


def _kept(secret: str, secret_file: str) -> list[str]:
    """The line with a secret, or with the file that it is in; none where there is none."""
    if secret:
        return [f"secret = {_quoted(secret)}"]
    return [f"secret_file = {_quoted(secret_file)}"] if secret_file else []


def _long_connection(bot_id: str, kept: list[str], corp_id: str) -> list[str]:
    lines = [f'kind = "{KINDS["bot"]}"', f"bot_id = {_quoted(bot_id)}", *kept]
    return [*lines, f"namespace = {_quoted('wecom:' + corp_id)}"] if corp_id else lines


def _callback(way: str, corp_id: str, agent_id: int, kept: list[str]) -> list[str]:
    if way == "simulator":
        return []
    lines = [
        f'kind = "{KINDS[way]}"',
        "# 把下面两项填到企业微信后台；后台已经生成了的，就照后台的改",
        f'token = "{_letters(32)}"',
        f'aes_key = "{_letters(AES_KEY_CHARACTERS)}"',
        f'namespace = "wecom:{corp_id}"' if way == "aibot" else f'corp_id = "{corp_id}"',
    ]
    return [*lines, f"agent_id = {agent_id}", *kept] if way == "app" else lines


def _toml(database: Database, channel: list[str]) -> str:
    """The file: what differs from the defaults, and the secrets."""
    lines = [
        "# 邻里的配置，linli init 写的。全部的项和说明见 config.example.toml；看现在的值用 linli config。",
        "",
        "[database]",
        f'url = "{database.url}"',
    ]
    if database.password is not None:
        lines.append(f"password = {_quoted(database.password.get_secret_value())}")
    lines += ["", "[secrets]", f'key = "{b64encode(secrets.token_bytes(32)).decode()}"']
    lines += ["", *(channel or ["[simulator]", "enabled = true"])]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    escaped = "".join(
        f"\\u{ord(each):04x}" if each in '"\\' or (not each.isprintable() and ord(each) < 0x10000) else each
        for each in text
    )
    return f'"{escaped}"'


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _write_privately(file: Path, text: str) -> None:
    """Writes a new file that only its owner may read. Raises typer.Exit."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise refused(f"写不了 {file}（{error.strerror}）。", 1) from None


def _steps(file: Path, community: str, bot_name: str, buildings: int, way: str) -> list[str]:
    """What to do next, as commands to copy."""
    with_file = "" if file == Path("config.toml") else f" --config {file}"
    who = "--secretary 书记的姓名 --account " + ("书记的姓名" if way == "simulator" else "书记的userid")
    found = f"linli found {community} {who} --channel {way} --buildings {buildings} --bot-name {bot_name}{with_file}"
    steps: list[str] = [f"建社区和第一位书记：{found}", f"启动：linli run{with_file}"]
    after = {
        "simulator": "打开 http://127.0.0.1:8080/simulator ，以书记的身份在群里发 绑定群 1栋",
        "bot": "在企业微信后台设好机器人的可见成员，再把它加进内部群；书记在群里 @ 它发 绑定群 1栋",
        "aibot": "在企业微信后台填回调地址 https://您的主机/callback/aibot 并保存，再把机器人加进内部群",
        "app": "在企业微信后台的应用详情页填接收消息的地址 https://您的主机/callback/app 并保存；"
        "要主动发消息给人，还要填 secret 和同一页的“企业可信IP”（这台机器的公网地址）",
    }
    return [*steps, after[way], f"有没有哪里不对：linli check{with_file}"]
