"""The corpus of utterances, and how a line of it is understood: as `linli understand` does, in the demo community on the
evening of 17 November 2026, with everything that is promised.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.demo import PROMISED
from bot.dispatch import shown_slots
from handlers import UNDERSTOOD
from handlers.chat import Quote
from handlers.language.match import Grammar, OpenObject, Surroundings, Understanding
from handlers.language.normalise import Typed, normalise
from handlers.language.posts import words_for
from models.clock import SHANGHAI
from models.members import Role
from tests.language.street import BOT, NOW

FOLDER = Path(__file__).parents[1] / "samples"
GRAMMAR = Grammar(UNDERSTOOD)


def lines(name: str, folder: str = "utterances") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def _activity(number: int, name: str, day: int, hour: int, minute: int = 0, *, here: bool = False) -> OpenObject:
    allows = {"list_activities", "signup", "cancel_signup", "cancel_activity"}
    return OpenObject(
        "activity",
        number,
        name,
        starts_at=datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI),
        allows=frozenset(allows | ({"checkin", "checkout"} if here else set())),
    )


POSTS = (
    (3, "治安巡逻岗"),
    (4, "环保护绿岗"),
    (5, "门栋关照岗"),
    (6, "邻里纠纷调解岗"),
    (7, "下水道维修岗"),
)

DEMO = Surroundings.build(
    BOT[0],
    BOT[1:],
    objects=(
        _activity(12, "清洁家园", 21, 9, here=True),
        _activity(13, "义诊", 22, 9),
        _activity(14, "反诈宣传", 22, 14, 30),
        *(OpenObject("post", number, name, also=words_for(name)) for number, name in POSTS),
        OpenObject("broadcast", 7, "停水通知"),
        *PROMISED,
    ),
    units=[f"{building}栋" for building in range(1, 10)]
    + [f"{building}栋{door}单元" for building in range(1, 10) for door in (1, 2)]
    + ["第一党支部", "第二党支部", "第三党支部", "锦绣社区党总支", "锦绣物业"],
    places=("中心花园", "活动室"),
)


def typed(line: dict[str, Any]) -> tuple[Typed, bool, Quote | None]:
    """The message of a line, whether it is said to the bot, and what it quotes."""
    quoted = line.get("context", {}).get("quote")
    message = normalise(line["text"], BOT)
    addressed = line["channel"] == "dm" or message.mentioned or bool(quoted and quoted["from"] == "bot")
    return message, addressed, Quote(quoted["from"], quoted["text"], quoted["ref"]) if quoted else None


def heard(line: dict[str, Any]) -> Understanding:
    message, addressed, quote = typed(line)
    return GRAMMAR.understand(message, addressed=addressed, world=DEMO, now=NOW, quote=quote, role=Role(line["role"]))


def parts(found: Understanding) -> Iterator[dict[str, Any]]:
    """Intent and slots as the corpus writes them: things as strings, moments as ISO 8601."""
    for part in (found, *found.also):
        yield {"intent": part.intent, "slots": shown_slots(part)}


def figures(every: list[dict[str, Any]]) -> dict[str, float]:
    """How well the lines are understood; shares of 1, and the worst errors as counts."""
    right = exact = wrong = answered = written = 0
    for line in every:
        found = heard(line)
        expected = [{"intent": line["intent"], "slots": line["slots"]}, *line.get("also", [])]
        got = list(parts(found))
        intents = [part["intent"] for part in got] == [part["intent"] for part in expected]
        right += intents
        exact += got == expected
        writes = any(part.command is not None and part.command.writes for part in (found, *found.also))
        acts = found.outcome == "act" and writes
        wrong += acts and (got != expected or line["outcome"] != "act")
        answered += line["outcome"] == "ignore" and found.outcome != "ignore"
        written += line["intent"] == "smalltalk" and acts
    return {
        "intent": right / len(every),
        "slots": exact / len(every),
        "wrong_writes": wrong / len(every),
        "chatter_answered": answered,
        "chatter_written": written,
    }
