"""Sends encrypted messages to a bot that `bench/serve.py` has started, and measures how it answers.

Everything is encrypted before the clock starts and every reply is verified and decrypted after it stops. Closed loop by
default: each connection sends its next message when the answer is there. With `--rate` messages are due at a fixed
rate, and the time of an answer counts from the moment at which its message was due, so that a stall is not hidden.
"""

import argparse
import asyncio
import json
import os
import time
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from tests.fakes.wecom_callbacks import Platform, aibot_text, app_text

TOKEN = os.environ.get("BENCH_TOKEN", "benchtoken")
AES_KEY = os.environ.get("BENCH_AES_KEY", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
CORP_ID = os.environ.get("BENCH_RECEIVE_ID") or "ww0bench"


@dataclass(slots=True)
class Shot:
    """One message, ready to leave, and what came back."""

    url: URL
    body: bytes
    nonce: str
    due: float = 0.0
    seconds: float = 0.0
    status: int = 0
    answer: bytes = b""


def shots(given: argparse.Namespace, platform: Platform) -> list[Shot]:
    """The messages: each resident says it in turn, in the group that is theirs."""
    run = uuid.uuid4().hex[:12]
    made = []
    for index in range(given.count):
        user, message_id = f"u{(given.first_user + index) % given.users:06d}", f"{run}{index:07d}"
        if given.flavour == "xml":
            message = app_text(given.text, user=user, message_id=message_id, corp=CORP_ID)
        else:
            chat = f"chat{index % given.chats:04d}"
            message = aibot_text(f"@bot {given.text}", user=user, message_id=message_id, chat=chat)
        query, body = platform.request(platform.encrypt(message))
        made.append(Shot(URL(f"{platform.url}?{urlencode(query)}", encoded=True), body, query["nonce"]))
    return made


async def drive(given: argparse.Namespace, waiting: list[Shot]) -> float:
    """Sends them all over so many connections; returns the seconds that it took."""
    queue = iter(waiting)
    connector = aiohttp.TCPConnector(limit=given.connections)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        began = time.perf_counter()
        for index, shot in enumerate(waiting if given.rate else ()):
            shot.due = began + index / given.rate

        async def connection() -> None:
            for shot in queue:
                if given.rate:
                    await asyncio.sleep(max(0.0, shot.due - time.perf_counter()))
                else:
                    shot.due = time.perf_counter()
                try:
                    async with session.post(shot.url, data=shot.body) as response:
                        shot.status, shot.answer = response.status, await response.read()
                except (aiohttp.ClientError, TimeoutError):
                    shot.status = 0
                shot.seconds = time.perf_counter() - shot.due

        await asyncio.gather(*(connection() for _ in range(given.connections)))
        return time.perf_counter() - began


def verdict(given: argparse.Namespace, shot: Shot, platform: Platform) -> str:
    """`right`, or what was wrong with an answer."""
    if shot.status != 200:
        return f"HTTP {shot.status}" if shot.status else "no answer"
    if not shot.answer:
        return "silence"
    inner = platform.read(shot.answer, nonce=shot.nonce)
    if given.flavour == "xml":
        text = ET.fromstring(inner).findtext("Content") or ""
    else:
        answer = json.loads(inner)
        # With buttons beside it an answer is a card.
        text = answer["stream"]["content"] if "stream" in answer else json.dumps(answer, ensure_ascii=False)
    return "right" if given.expect in text else f"unexpected: {text}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--flavour", choices=("xml", "json"), default="xml", help="self-built app, or AI bot")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--text", default="签到 3")
    parser.add_argument("--expect", default="积分", help="what every answer must contain")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0 for as fast as it goes")
    parser.add_argument("--users", type=int, default=90_000)
    parser.add_argument("--first-user", type=int, default=0, help="those before have checked in already")
    parser.add_argument("--chats", type=int, default=300)
    given = parser.parse_args()
    xml = given.flavour == "xml"
    url = f"http://127.0.0.1:{given.port}/callback/{'app' if xml else 'aibot'}"
    receive_id = CORP_ID if xml else os.environ.get("BENCH_RECEIVE_ID", "")
    platform = Platform(url, given.flavour, time.time, TOKEN, AES_KEY, receive_id)

    sent = shots(given, platform)
    seconds = asyncio.run(drive(given, sent))
    answers = Counter(verdict(given, shot, platform) for shot in sent)
    times = sorted(shot.seconds * 1000 for shot in sent)
    figures = {
        "messages": len(sent),
        "per_second": round(answers["right"] / seconds, 1),
        "p50_ms": round(times[len(times) // 2], 2),
        "p99_ms": round(times[len(times) * 99 // 100], 2),
        "answers": dict(answers.most_common(5)),
    }
    print(json.dumps(figures, ensure_ascii=False))
    raise SystemExit(answers["right"] != len(sent))


if __name__ == "__main__":
    main()
