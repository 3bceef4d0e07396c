"""How much CPU the understanding of one message takes: commands and chatter apart, over the whole corpus.

`python -m bench.language` from the project's directory prints one line of JSON in microseconds of CPU time per message.
"""

import argparse
import json
from statistics import mean
from time import process_time
from typing import Any

from handlers.chat import Quote
from handlers.language.normalise import normalise
from models.members import Role
from tests.language.corpus import DEMO, GRAMMAR, lines, typed
from tests.language.street import BOT, NOW

CORPORA = ("core", "street", "market", "stairs", "yard", "unseen", "late")


def _timed(line: dict[str, Any], rounds: int) -> float:
    """Seconds of CPU for one message, from the raw text to what is to be done."""
    _, addressed, quote = typed(line)
    text, role = line["text"], Role(line["role"])
    _understand(text, addressed, quote, role)
    began = process_time()
    for _ in range(rounds):
        _understand(text, addressed, quote, role)
    return (process_time() - began) / rounds


def _understand(text: str, addressed: bool, quote: Quote | None, role: Role) -> None:
    GRAMMAR.understand(normalise(text, BOT), addressed=addressed, world=DEMO, now=NOW, quote=quote, role=role)


def measured(rounds: int = 50) -> dict[str, float]:
    """Means and 95th percentiles."""
    times: dict[str, list[float]] = {"command": [], "chatter": []}
    for name in CORPORA:
        for line in lines(name):
            kind = "chatter" if line["intent"] == "smalltalk" else "command"
            times[kind].append(_timed(line, rounds) * 1e6)
    figures = {}
    for kind, every in times.items():
        every.sort()
        figures[f"{kind}_us"] = round(mean(every), 1)
        figures[f"{kind}_p95_us"] = round(every[len(every) * 95 // 100], 1)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    print(json.dumps(measured(parser.parse_args().rounds)))
