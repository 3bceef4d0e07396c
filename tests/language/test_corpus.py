"""The development corpus: what neighbours type, and what it means.

Each line has the input of `linli understand` and the expected intent, slots, further commands and outcome. Everything
is said in the demo community on the evening of 17 November 2026; the check-in of activity 12 is open.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.chat import Quote
from handlers.language.match import Understanding
from handlers.language.normalise import normalise
from handlers.language.slots import Kind
from models.members import Role
from tests.language.street import BOT, NOW, demo, grammar

LINES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "samples" / "utterances" / "core.jsonl").read_text("utf-8").splitlines()
]
GRAMMAR = grammar()
DEMO = demo()


def heard(line: dict[str, Any]) -> Understanding:
    quoted = line.get("context", {}).get("quote")
    typed = normalise(line["text"], BOT)
    return GRAMMAR.understand(
        typed,
        addressed=line["channel"] == "dm" or typed.mentioned or bool(quoted and quoted["from"] == "bot"),
        world=DEMO,
        now=NOW,
        quote=Quote(quoted["from"], quoted["text"], quoted["ref"]) if quoted else None,
        role=Role(line["role"]),
    )


def parts(found: Understanding) -> Iterator[dict[str, Any]]:
    """Intent and slots as the corpus writes them: things as strings, moments as ISO 8601."""
    for part in (found, *found.also):
        things = (
            {slot.name for slot in part.command.slots if slot.kind is Kind.OBJECT} if part.command else {"activity"}
        )
        slots = {
            name: str(value) if name in things else value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in part.slots.items()
            if name not in ("when_grain", "when_ambiguous")
        }
        yield {"intent": part.intent, "slots": slots}


def test_corpus_is_large_enough_and_a_third_of_it_is_chatter() -> None:
    chatter = [line for line in LINES if line["outcome"] == "ignore"]
    assert len(LINES) == len({json.dumps(line, sort_keys=True) for line in LINES}) >= 300
    assert len(chatter) >= 0.3 * len(LINES)


@pytest.mark.parametrize("line", LINES, ids=[f"{number} {line['text']}" for number, line in enumerate(LINES, 1)])
def test_utterance_is_understood(line: dict[str, Any]) -> None:
    found = heard(line)
    expected = [{"intent": line["intent"], "slots": line["slots"]}, *line.get("also", [])]
    assert (found.outcome, list(parts(found))) == (line["outcome"], expected)


def test_no_chatter_is_answered() -> None:
    answered = [line["text"] for line in LINES if line["outcome"] == "ignore" and heard(line).outcome != "ignore"]
    assert answered == []
