"""What the documents say is true: commands and their answers, links, pictures, states, settings.

The dialogue of the READMEs is played on the demo community, their `console` blocks are run, their `toml` blocks are
loaded. What is only shown (`sh` blocks) names commands that exist.
"""

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
from aiohttp.test_utils import TestServer

from bot import app
from bot.books import Books
from bot.config import Config, load
from bot.terminal import commands as cli
from handlers import FEATURES
from handlers.language.match import Grammar, OpenObject, Surroundings
from handlers.language.normalise import normalise
from handlers.language.phrasing import answer
from models.clock import SHANGHAI, MovedClock, WallClock, at, day_of
from models.members import Role
from models.outbox import OutboxState
from tests.commands_table import FOOT, PAGE, page
from tests.fakes.aibot_gateway import AibotGateway
from tests.fakes.street import Street
from tests.fakes.wecom_callbacks import Platform, app_text
from tests.house_rules import CHINESE, ROOMS, ROOT
from tests.moments import SATURDAY, TUESDAY_EVENING
from tests.test_config import EXAMPLE, revived

ENGLISH, TWIN = "README.md", "README.zh-CN.md"
READMES = (ENGLISH, TWIN)
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md")
    for path in ROOT.glob(pattern)
)
DECISIONS = sorted((ROOT / "docs" / "decisions").iterdir())


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, also those inside a list, without their indentation."""
    found = re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE) for match in found]


def prose(text: str) -> str:
    """The document without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


# -- links, files, names ----------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(document: str) -> None:
    text = prose(read(document))
    links = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:toml|md|txt))`", prose(read(document)))
    made_by_running = {"config.toml", ".venv/bin", "var/linli.sqlite3", "var/bench.sqlite3"}
    missing = [path for path in named if path not in made_by_running and not (ROOT / path).exists()]

    assert [path for path in missing if not path.startswith(("/", "callback/"))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_that_are_named_exist(document: str) -> None:
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make (\w+)", read(document), re.MULTILINE))

    assert named - targets == set()


def test_the_house_is_described_where_newcomers_look() -> None:
    assert "make run" in read(ENGLISH).split("## ")[0]
    assert "make test" in read(ENGLISH).split("## ")[0]
    assert all("docs/pictures/simulator.png" in read(readme) for readme in READMES)


# -- the twins ----------------------------------------


def outline(text: str) -> list[object]:
    """What both READMEs have in common: levels of headings, links, and every block that a machine reads."""
    shape: list[object] = []
    for match in re.finditer(r"^(#+) |^ *```(\w+)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        if match[1]:
            shape.append(match[1])
        elif match[2] in ("text", "console"):
            shape.append((match[2], match[3]))
        elif match[2] == "toml":
            shape.append(("toml", sorted(_keys(tomllib.loads(re.sub(r"^ +", "", match[3], flags=re.MULTILINE))))))
        elif match[2] == "sh":
            shape.append(("sh", re.sub(r" *#.*$", "", match[3], flags=re.MULTILINE)))
        else:
            shape.append((match[2], re.sub(r": .*$|\".*?\"", "", match[3], flags=re.MULTILINE)))
    shape.append(
        sorted(re.findall(r"\]\(([^)]+)\)", text.replace(ENGLISH, "").replace(TWIN, "").replace(".en.md", ".md")))
    )
    return shape


def _keys(table: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{path}{key}.")
        else:
            yield path + key


def test_both_readmes_say_the_same_in_the_same_order() -> None:
    assert outline(read(ENGLISH)) == outline(read(TWIN))


def test_each_readme_speaks_its_language() -> None:
    assert CHINESE.search(read(TWIN).splitlines()[2])
    strange = [line for line in prose(read(ENGLISH)).splitlines() if len(CHINESE.findall(line)) > 20]

    assert strange == []


# -- commands ----------------------------------------


def test_table_of_chat_commands_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "stale: run python -m tests.commands_table"


GRAMMAR = Grammar(FEATURES)
ACTIVITY_12 = OpenObject(
    "activity",
    12,
    "清洁家园",
    SATURDAY,
    SATURDAY.replace(hour=11),
    open=True,
    allows=frozenset({"list_activities", "signup", "cancel_signup", "cancel_activity", "checkin", "checkout"}),
)
POST_3 = OpenObject("post", 3, "治安巡逻岗")
WORLD = Surroundings.build(
    bot_name="小邻",
    aliases=(),
    objects=(ACTIVITY_12, POST_3),
    units=("锦绣社区", "1栋", "3栋", "第一党支部", "红马甲服务队"),
)


def understood(text: str, role: Role | None = None) -> tuple[str, str]:
    meant = GRAMMAR.understand(normalise(text, ("小邻",)), addressed=True, world=WORLD, now=TUESDAY_EVENING, role=role)
    return meant.intent, meant.outcome


@pytest.mark.parametrize(
    ("usage", "intent", "role"),
    [(command.usage, command.intent, command.role) for router in FEATURES for command in router],
)
def test_usage_of_a_command_is_understood_as_that_command(usage: str, intent: str, role: Role | None) -> None:
    assert understood(usage, role) == (intent, "act")


def test_answers_in_the_table_are_answers() -> None:
    rows = re.findall(r"^\| (`.+`) \|", FOOT, re.MULTILINE)
    meant = [{answer(word) for word in re.findall(r"`(.+?)`", row)} for row in rows]

    assert meant == [{True}, {False}, {1, 2, 3}]


def test_sentences_that_the_simulator_offers_are_understood() -> None:
    script = read("bot/channels/simulator_page/script.js")
    examples = re.search(r"const EXAMPLES = \[\n(.*?)\n\];", script, re.DOTALL)
    assert examples is not None
    offered = {sentence for line in examples[1].splitlines() for sentence in re.findall(r'"(.+?)"', line)}

    assert len(offered) > 10
    assert [one for one in offered if understood(one, Role.SECRETARY)[1] != "act"] == []


def shell_commands() -> dict[str, set[str]]:
    """The subcommands of `linli` with their options."""
    group = typer.main.get_command(cli.app)
    commands: dict[str, Any] = getattr(group, "commands")  # noqa: B009
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.items()
    }


def test_every_shell_command_stands_in_both_readmes() -> None:
    forgotten = [
        f"{readme}: linli {name}"
        for readme in READMES
        for name in shell_commands()
        # The demo is what `make run` starts, and a migration is a part of every start.
        if name not in ("demo", "migrate") and not re.search(rf"linli {name}\b", read(readme))
    ]

    assert forgotten == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_shell_commands_that_are_named_exist(document: str) -> None:
    known = shell_commands()
    unknown = []
    lines = "\n".join(blocks(read(document), "sh") + blocks(read(document), "console"))
    for line in [*re.findall(r"\blinli [a-z].*", lines), *re.findall(r"`(linli [a-z][^`]*)`", read(document))]:
        name = line.split()[1]
        options = set(re.findall(r"(--[a-z-]+)", line))
        if name not in known or options - known[name]:
            unknown.append(line)

    assert unknown == []


def console() -> Iterator[tuple[str, str]]:
    for block in blocks(read(ENGLISH), "console"):
        yield from re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def shell(command: str, folder: Path, typed: str = "") -> tuple[str, str]:
    """Runs a line of a document in a directory of its own; returns what it printed, and its errors."""
    ran = subprocess.run(
        ["/bin/sh", "-c", re.sub(r"\blinli(?= )", f"{sys.executable} -m bot", command, count=1)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.stdout, ran.stderr


@pytest.mark.parametrize(("command", "said"), list(console()))
def test_terminal_says_what_the_readme_shows(command: str, said: str, tmp_path: Path, sqlite_demo: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    # Somebody has run the demo before, and it went on.
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_demo, tmp_path / "var" / "demo.sqlite3")
    with sqlite3.connect(tmp_path / "var" / "demo.sqlite3") as connection:
        connection.execute("UPDATE activities SET quota = NULL")
    connection.close()

    assert shell(command, tmp_path) == (said, "")


# -- the dialogue ----------------------------------------

SCENE = re.compile(r"—— (\S+)，(\d+)月(\d+)日 \S+ (\d+):(\d+) ——")


def dialogue() -> list[tuple[str, datetime, list[tuple[str, str]]]]:
    """The scenes of the README: group, moment, and who says what there."""
    scenes: list[tuple[str, datetime, list[tuple[str, str]]]] = []
    (text,) = blocks(read(ENGLISH), "text")
    for line in text.splitlines():
        if scene := SCENE.fullmatch(line):
            month, day, hour, minute = map(int, scene.groups()[1:])
            moment = datetime(TUESDAY_EVENING.year, month, day, hour, minute, tzinfo=SHANGHAI)
            scenes.append((scene[1], moment, []))
        elif line.startswith("　"):
            who, said = scenes[-1][2].pop()
            scenes[-1][2].append((who, f"{said}\n{line.strip()}"))
        else:
            who, _, said = line.partition("：")
            scenes[-1][2].append((who, said))
    return scenes


async def test_dialogue_of_the_readme_is_what_happens(street: Street) -> None:
    heard: list[tuple[str, datetime, list[tuple[str, str]]]] = []
    for group, moment, lines in dialogue():
        pushes = [] if moment == TUESDAY_EVENING else await street.until(moment)
        said = [("小邻", push.text) for push in pushes if push.to == group]
        for who, text in lines:
            if who != "小邻":
                reply = await street.say(who, text, where=group)
                said += [(who, text), *([("小邻", reply)] if reply else [])]
        heard.append((group, moment, said))

    assert heard == dialogue()
    assert len(heard) >= 3


# -- settings ----------------------------------------

SECRETS = {
    "token": "t0ken",
    "aes_key": "k" * 43,
    "key": "a passphrase long enough",
    "bot_id": "aibTEST",
    "secret": "s3cret",
}


def loaded(text: str, folder: Path) -> Config:
    """Loads a TOML text in which placeholders of secrets are made well-formed."""
    for key, value in SECRETS.items():
        text = re.sub(rf'^({key} = )".*"$', rf'\1"{value}"', text, flags=re.MULTILINE)
    file = folder / "config.toml"
    file.write_text(text, "utf-8")
    return load(file, {}, channel_settings=app.CHANNEL_SETTINGS, feature_settings=app.FEATURE_SETTINGS)


@pytest.mark.parametrize("readme", READMES)
def test_settings_in_the_readme_are_accepted(readme: str, tmp_path: Path) -> None:
    config = loaded("\n".join(blocks(read(readme), "toml")), tmp_path)

    assert {settings.kind for settings in config.channels.values()} == set(app.CHANNEL_SETTINGS)
    # The same company in all places, and the addresses that the text names.
    assert config.channels["aibot"].namespace == f"wecom:{config.channels['app'].corp_id}"
    assert all(f"/callback/{name}" in read(readme) for name in ("aibot", "app"))


def test_example_with_everything_brought_to_life_is_accepted(tmp_path: Path) -> None:
    text = revived(EXAMPLE.read_text("utf-8"))
    text = re.sub(r'^(corp_id = )""$', r'\1"ww0123456789abcdef"', text, flags=re.MULTILINE)
    text = re.sub(r'^(password|key_previous|passphrase) = ""$', "", text, flags=re.MULTILINE)

    assert sorted(loaded(text, tmp_path).channels) == ["aibot", "app", "bot", "hook"]


async def test_steps_of_the_readme_connect_a_group(tmp_path: Path) -> None:
    """An operator follows the page from the first step to the last; WeCom is a fake on loopback."""
    async with AibotGateway({SECRETS["bot_id"]: SECRETS["secret"]}) as gateway:
        # With its secret the app would write to people; here they have opened no conversation with anything yet.
        text = re.sub(r"(agent_id = .*\n)secret = .*\n", r"\1", "\n".join(blocks(read(ENGLISH), "toml")))
        config = loaded(text.replace("bot_id =", f'url = "{gateway.url}"\nbot_id ='), tmp_path)
        steps = [line for block in blocks(read(ENGLISH), "sh") for line in block.splitlines()]
        (found,) = [line for line in steps if line.startswith("linli found")]
        (webhook,) = [line for line in steps if line.startswith("linli webhook")]
        secretary = re.findall(r"--account (\S+)", found)[0]

        founded = await asyncio.to_thread(shell, found, tmp_path)
        assert founded == ("锦绣社区 建好了。请 张敏 在群里 @小邻 发 绑定群 1栋\n", "")
        # Tomorrow morning, whenever this runs: at night nobody is told what can wait.
        morning = MovedClock(at(day_of(WallClock().now()) + timedelta(days=1), 10))
        books = await Books.open(f"sqlite:///{tmp_path}/var/linli.sqlite3", serving=True)
        house = app.House(config, books, clock=morning)
        async with TestServer(house.application()) as server:
            corp_id = config.channels["app"].corp_id
            behind, member_app = (
                Platform(
                    str(server.make_url(f"/callback/{name}")),
                    flavour,
                    time.time,
                    token=SECRETS["token"],
                    aes_key=SECRETS["aes_key"],
                    receive_id=receive_id,
                )
                for name, flavour, receive_id in (("aibot", "json", ""), ("app", "xml", corp_id))
            )
            assert [(await each.verify("echo")).body for each in (behind, member_app)] == [b"echo", b"echo"]
            await gateway.online()

            async def say(text: str, user: str, chat: str = "") -> str:
                return (await gateway.answer(await gateway.says(text, user=user, chat=chat)))[0]

            said = [
                await say("@小邻 绑定群 3栋", secretary, "wrGroup"),
                await say("@小邻 同意", secretary, "wrGroup"),
                await say("@小邻 绑定 张三 3栋", "zhangsan", "wrGroup"),
                await say("绑定 张三 3栋2单元501 1234", "zhangsan"),
                await say("审核", secretary),
                await say("通过 1", secretary),
                await say("积分", "zhangsan"),
                await say("同意", "zhangsan"),
            ]
            # Whoever waited is told by the bot itself.
            await gateway.until(lambda: "zhangsan" in {one.chat for one in gateway.shown if one.pushed})
            answer_in_app = await member_app.deliver(app_text("积分", user="zhangsan", corp=corp_id))
            registered = await asyncio.to_thread(shell, webhook, tmp_path, "693a91f6-7ccc-4bc4-97a0-000000000001\n")
        await house.close()

    assert [text.splitlines()[0] for text in said] == [
        "张敏，您好！",
        "好的，记下了，谢谢！",
        "请打开和我的单聊，把刚才这句话发给我。房号和手机号请不要发在群里。",
        "张三，已收到，请3栋2单元的负责人核对后就可以用了（1号）。",
        "等您看的有1件：",
        "已通过 1号：张三 现在是3栋2单元的居民了。",
        "张三，您好！",
        "好的，记下了，谢谢！",
    ]
    assert "张三，您现有0分" in answer_in_app.inner.decode()
    assert registered == ("3栋群 登记好了，以后的提醒会发到那里。\n", "")


# -- pictures of the house ----------------------------------------


@pytest.mark.parametrize("readme", READMES)
def test_drawn_states_are_those_of_the_outbox(readme: str) -> None:
    (drawn,) = [block for block in blocks(read(readme), "mermaid") if block.startswith("stateDiagram")]
    arrows = re.findall(r"^ +(\S+) --> (\w+)", drawn, re.MULTILINE)

    assert {state for arrow in arrows for state in arrow} - {"[*]"} == set(OutboxState)
    assert ("[*]", OutboxState.WAITING) in arrows


@pytest.mark.parametrize("readme", READMES)
def test_drawn_rooms_are_the_rooms(readme: str) -> None:
    (drawn,) = [block for block in blocks(read(readme), "mermaid") if block.startswith("flowchart")]

    # An arrow points to what is imported.
    assert re.findall(r"(\w+)(?:\[.*?\])? --> (\w+)", drawn) == [
        (importer, imported) for imported, importer in reversed(list(pairwise(ROOMS)))
    ]


# -- changes and decisions ----------------------------------------


def test_changelog_begins_with_this_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    sections = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)

    assert sections[0] == version
    assert [
        line for line in read("CHANGELOG.md").splitlines()[2:] if line and not line.startswith(("## ", "### ", "- "))
    ] == []


def test_decisions_are_numbered_and_whole() -> None:
    odd = []
    for number, path in enumerate(DECISIONS, 1):
        text = path.read_text("utf-8")
        heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
        if not path.name.startswith(f"{number:04d}-") or not text.startswith(f"# {number}. "):
            odd.append(path.name)
        if heads[:3] != ["Context", "Decision", "Consequences"] or heads[3:] not in ([], ["Alternatives"]):
            odd.append(f"{path.name}: {heads}")

    assert odd == []


def test_examples_of_conversations_are_lines_of_json() -> None:
    for path in (ROOT / "docs" / "examples").iterdir():
        assert all(isinstance(json.loads(line), dict) for line in path.read_text("utf-8").splitlines()), path.name
