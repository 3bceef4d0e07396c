"""The corpora: what neighbours type and say, what it means, and which moments their phrases name.

Each line of `utterances` has the input of `linli understand` and the expected intent, slots, further commands and
outcome, in the demo community on the evening of 17 November 2026. `unseen` was written before the grammar was touched,
`late` after it, `unseen_posts` before it learnt how people speak of posts; these are looked at as a whole only, never
line by line. The others are what the grammar was made with.
"""

import json
from datetime import datetime
from typing import Any

import pytest

from handlers import UNDERSTOOD
from handlers.language import dates
from handlers.language.normalise import normalise
from tests.language.corpus import figures, heard, lines, parts
from tests.language.street import NOW

MADE_WITH = [
    line
    for name in ("core", "street", "market", "stairs", "yard", "posts", "doors", "doorway", "noticeboard")
    for line in lines(name)
]
UNSEEN = [*lines("unseen"), *lines("late")]
UNSEEN_POSTS = lines("unseen_posts")
SPOKEN = lines("spoken", "dates")
UNSEEN_DATES = lines("unseen", "dates")


def test_corpus_is_large_enough_and_a_quarter_of_it_is_chatter() -> None:
    every = [*MADE_WITH, *UNSEEN, *UNSEEN_POSTS]
    chatter = [line for line in every if line["outcome"] == "ignore"]
    assert len(every) == len({json.dumps(line, sort_keys=True) for line in every}) >= 650
    assert len(chatter) >= 0.25 * len(every)


def test_corpus_says_something_for_every_intent_of_what_is_understood_and_promised() -> None:
    said = {part["intent"] for line in (*MADE_WITH, *UNSEEN) for part in (line, *line.get("also", []))}
    coming = {command.intent for router in UNDERSTOOD for command in router if command.coming}
    assert coming - said == set()


@pytest.mark.parametrize("line", MADE_WITH, ids=[f"{n} {line['text']}" for n, line in enumerate(MADE_WITH, 1)])
def test_utterance_is_understood(line: dict[str, Any]) -> None:
    found = heard(line)
    expected = [{"intent": line["intent"], "slots": line["slots"]}, *line.get("also", [])]
    assert (found.outcome, list(parts(found))) == (line["outcome"], expected)


def test_unseen_utterances_are_understood_well_enough() -> None:
    found = figures(UNSEEN)
    assert found["intent"] >= 0.97, found
    assert found["slots"] >= 0.93, found
    assert found["wrong_writes"] <= 0.003, found
    assert (found["chatter_answered"], found["chatter_written"]) == (0, 0), found


def test_unseen_sentences_about_posts_are_understood_well_enough() -> None:
    asked = [line for line in UNSEEN_POSTS if line["outcome"] != "ignore"]
    assert len(asked) >= 40
    found = figures(asked)
    assert found["intent"] >= 0.92, found
    assert found["slots"] >= 0.90, found
    assert found["wrong_writes"] == 0, found
    chatter = [line for line in UNSEEN_POSTS if line["outcome"] == "ignore"]
    assert len(chatter) >= 40
    assert [line["text"] for line in chatter if heard(line).outcome != "ignore"] == []


def moment(line: dict[str, Any]) -> dict[str, Any]:
    now = datetime.fromisoformat(line["at"]) if "at" in line else NOW
    meant = dates.read(normalise(line["text"], ()).text, now)
    if meant is None:
        return {"start": None}
    told = {"start": meant.start.isoformat(), "grain": meant.grain}
    told |= {"end": meant.end.isoformat()} if meant.end else {}
    told |= {"recur": meant.recur} if meant.recur else {}
    return told | ({"ambiguous": True} if meant.ambiguous else {})


def expected(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in ("text", "at")}


@pytest.mark.parametrize("line", SPOKEN, ids=[line["text"] for line in SPOKEN])
def test_phrase_means_its_moment(line: dict[str, Any]) -> None:
    assert moment(line) == expected(line)


def test_unseen_phrases_mean_their_moments() -> None:
    right = sum(moment(line) == expected(line) for line in UNSEEN_DATES)
    assert right >= 0.95 * len(UNSEEN_DATES)
