"""The postman: everything that is put out ends, in order, within the limits, and once where that can be known.

Groups are written to through the real channel and a platform on loopback; people through a line that does as
it is told. The wall clock stands still unless a test moves it, so that what is counted is exact.
"""

import asyncio
import io
import json
import logging
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot import logs
from bot.books import Books, BooksBusy, Unit
from bot.channels import Ability, Channel, DeliveryError, Hear, Limit, OutcomeUnknown, Parcel
from bot.channels.wecom_group_webhook import Settings as WebhookSettings
from bot.channels.wecom_group_webhook import WecomGroupWebhook
from bot.delivery import Bundle, Postman, bundled, retry_wait, split
from bot.secrets import Sealer
from models import outages, outbox
from models.base import Button, Placard
from models.clock import SHANGHAI, MovedClock
from models.directory import Endpoint, Identity, add_endpoint, add_group, unbind_chat
from models.members import add_identity
from models.outbox import Attempt, Claimed, Outbox
from models.quiet import Quiet
from models.verify import violations
from tests.fakes import one_database, wecom_api
from tests.fakes.wecom_api import WecomApi
from tests.ground import Ground, add_person, lay
from tests.moments import SATURDAY

NOW = SATURDAY
HOUR = timedelta(hours=1)
SEAL = bytes(range(32))
GROUPS = ("3栋群", "5栋群", "党员群")
KEYS = dict(zip(GROUPS, wecom_api.keys(), strict=False))


@dataclass
class Numbers:
    """`[delivery]` for tests."""

    poll_seconds: float = 0.02
    lease_seconds: float = 60.0
    send_seconds_max: float = 5.0
    attempts_max: int = 4
    retry_seconds_min: float = 2.0
    retry_seconds_max: float = 900.0
    group_posts_a_day_max: int = 0
    font: str = ""
    quiet_from: time = time(0)
    quiet_until: time = time(0)

    def quiet(self) -> Quiet:
        return Quiet(self.quiet_from, self.quiet_until)


Behaviour = Callable[[Parcel], Awaitable[None]]


@dataclass
class Line:
    """A channel to people that keeps what it is given, and meets what is put in line for an address."""

    name: str = "line"
    namespace: str = "simulator"
    ability: Ability = field(default_factory=lambda: Ability(pushes_to_people=True, text_bytes=2048))
    sent: list[Parcel] = field(default_factory=list)
    trouble: dict[str, list[Exception | Behaviour]] = field(default_factory=dict)

    def routes(self, hear: Hear) -> list[web.RouteDef]:
        return []

    def address_of(self, external_id: str) -> str:
        return external_id

    async def send(self, parcel: Parcel) -> None:
        in_line = self.trouble.get(parcel.address)
        if in_line:
            met = in_line.pop(0)
            if isinstance(met, Exception):
                raise met
            await met(parcel)
        self.sent.append(parcel)

    async def close(self) -> None:
        pass

    def texts(self, address: str) -> list[str]:
        return [parcel.text for parcel in self.sent if parcel.address == address]


class Post:
    """A street with groups and people, its postman, and what became of everything."""

    def __init__(self, books: Books, ground: Ground, groups: dict[str, int], api: WecomApi, wall: MovedClock) -> None:
        self.books = books
        self.ground = ground
        self.groups = groups
        self.api = api
        self.wall = wall
        self.clock = MovedClock(NOW, frozen=True)
        self.line = Line()
        self.webhook = WecomGroupWebhook(
            "webhook", WebhookSettings(kind="wecom_group_webhook", base_url=api.url, timeout_seconds=5)
        )
        self.numbers = Numbers()
        self.pushed: list[tuple[str, str]] = []
        self.waiting: list[int] = []
        self.postman = self.hire()

    def hire(self, books: Books | None = None, channels: dict[str, Channel] | None = None, **numbers: Any) -> Postman:
        """One more postman, as after a restart or in another replica."""
        return Postman(
            books or self.books,
            {"webhook": self.webhook, "line": self.line} if channels is None else channels,
            community_clock=self.clock,
            wall=self.wall,
            sealer=Sealer([SEAL]),
            settings=Numbers(**numbers) if numbers else self.numbers,
            pushed=lambda channel, outcome: self.pushed.append((channel, outcome)),
            waiting=self.waiting.append,
            chance=random.Random(1),
        )

    async def put(self, to: str, *texts: str, every: timedelta = timedelta(0), **more: Any) -> None:
        """Puts texts out to a group or a person; `every` is the time from one to the next."""

        def unit(session: Session) -> None:
            for number, text in enumerate(texts):
                whom = {"group_id": self.groups[to]} if to in self.groups else {"member_id": self.ground.people[to]}
                given = {"expires_at": NOW + 24 * HOUR, **more}
                outbox.put(
                    session,
                    community_id=self.ground.community.id,
                    key=f"{to}-{text[:40]}-{number}",
                    message=text,
                    now=NOW,
                    not_before=NOW + number * every,
                    **whom,
                    **given,
                )

        await self.books.write(unit)

    async def deliver(self, postman: Postman | None = None) -> int:
        return await (postman or self.postman).deliver_due()

    def later(self, seconds: float) -> None:
        """Lets both clocks run on."""
        self.wall.move_to(self.wall.now() + timedelta(seconds=seconds))
        self.clock.move_to(self.clock.now() + timedelta(seconds=seconds))

    async def ends(self) -> list[tuple[str, str]]:
        """State and reason of every message, in the order in which they were put out."""

        def unit(session: Session) -> list[tuple[str, str]]:
            rows = session.execute(select(Outbox.state, Outbox.dead_reason).order_by(Outbox.id))
            return [(row.state, row.dead_reason) for row in rows]

        return await self.books.read(unit)

    async def ids(self) -> list[int]:
        return await self.books.read(lambda session: list(session.scalars(select(Outbox.id).order_by(Outbox.id))))

    async def states(self) -> list[str]:
        return [state for state, _ in await self.ends()]

    async def attempts(self) -> list[str]:
        def unit(session: Session) -> list[str]:
            return list(session.scalars(select(Attempt.outcome).order_by(Attempt.id)))

        return await self.books.read(unit)

    async def retry_at(self) -> list[float | None]:
        """Seconds until each message's next try."""

        def unit(session: Session) -> list[float | None]:
            at = session.scalars(select(Outbox.retry_at).order_by(Outbox.id)).all()
            return [None if one is None else (one - self.wall.now()).total_seconds() for one in at]

        return await self.books.read(unit)

    async def until(self, true: Callable[[], bool], seconds: float = 5.0) -> None:
        """Waits in real time for what a running postman does."""
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def one_postgresql(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """One database for this module's tests."""
    with one_database.copied(postgresql_server, postgresql_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    url = request.getfixturevalue("one_postgresql")
    yield url
    one_database.empty(url)


@pytest.fixture
def wall() -> MovedClock:
    return MovedClock(NOW, frozen=True)


@pytest.fixture
async def api(wall: MovedClock) -> AsyncIterator[WecomApi]:
    async with WecomApi(set(KEYS.values()), wall.now) as running:
        yield running


@pytest.fixture
async def post(books: Books, api: WecomApi, wall: MovedClock) -> AsyncIterator[Post]:
    def unit(session: Session) -> tuple[Ground, dict[str, int]]:
        ground = lay(session)
        # The secretary is told of whatever goes wrong: nobody is, unless a test asks for it.
        remove_accounts(session, ground.people["张敏"])
        return ground, {name: group(session, ground, name, KEYS[name]) for name in GROUPS}

    ground, groups = await books.write(unit)
    made = Post(books, ground, groups, api, wall)
    yield made
    await made.webhook.close()


def remove_accounts(session: Session, member_id: int) -> None:
    session.execute(delete(Identity).where(Identity.member_id == member_id))


def group(session: Session, ground: Ground, name: str, key: str) -> int:
    """A group with a chat in which it is heard, and a webhook."""
    of = ground.community.id
    group_id = add_group(session, community_id=of, unit=ground.root, name=name, now=NOW)
    add_endpoint(session, community_id=of, group_id=group_id, channel="aibot", address=f"chat of {name}", now=NOW)
    add_endpoint(
        session,
        community_id=of,
        group_id=group_id,
        channel="webhook",
        address=name,
        now=NOW,
        sealed_secret=Sealer([SEAL]).seal(key, name),
    )
    return group_id


@pytest.fixture
def heard() -> Iterator[io.StringIO]:
    """Everything that is logged, with people's words."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("debug", "json", stream, message_text=True)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


# -- splitting and merging ----------------------------------------


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("", 10, [""]),
        ("abc", 3, ["abc"]),
        ("一段话。\n\n第二段。\n\n第三段。", 30, ["一段话。\n\n第二段。", "第三段。"]),
        ("一行字\n第二行\n第三行", 20, ["一行字\n第二行", "第三行"]),
        ("第一句。第二句！第三句？", 24, ["第一句。第二句！", "第三句？"]),
        ("甲乙丙，丁戊己，庚辛", 15, ["甲乙丙，", "丁戊己，", "庚辛"]),
        ("one two three", 8, ["one two", "three"]),
        ("甲乙丙丁", 7, ["甲乙", "丙丁"]),
        ("🧹🧹🧹", 9, ["🧹🧹", "🧹"]),
        # A heading does not go alone where what follows is too long.
        ("题目\n\n" + "字" * 20, 48, ["题目\n\n" + "字" * 13, "字" * 7]),
        ("甲乙\n\n\n\n丙丁", 8, ["甲乙", "丙丁"]),
        ("甲乙丙丁。\n\n", 15, ["甲乙丙丁。"]),
    ],
)
def test_split_cuts_where_it_reads_best(text: str, limit: int, pieces: list[str]) -> None:
    assert split(text, limit) == pieces


PIECES = st.lists(
    st.sampled_from(["字", "a", "é", "🧹", "。", "，", "！", " ", "\n", "\n\n", "社区公告", "x" * 30]), max_size=80
)


@given(text=PIECES.map("".join), limit=st.integers(4, 120))
def test_split_loses_no_character_and_keeps_the_limit(text: str, limit: int) -> None:
    pieces = split(text, limit)

    assert all(len(piece.encode()) <= limit for piece in pieces)
    # Only the blanks at a cut go, and no code point is torn.
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() for piece in pieces) or not text.strip()
    assert split(text, limit) == pieces, "a restart finds the same parts"


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=3000), limit=st.integers(4, 2048))
def test_split_holds_for_any_text(text: str, limit: int) -> None:
    pieces = split(text, limit)

    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def claimed(number: int, text: str, *, second: int = 0, **more: Any) -> Claimed:
    given = {"community_id": 1, "group_id": 7, "member_id": None, "ref": "", "parts_sent": 0, **more}
    return Claimed(
        id=number,
        text=text,
        not_before=NOW + timedelta(seconds=second),
        expires_at=NOW + HOUR,
        **given,
    )


def sizes(bundles: list[Bundle]) -> list[tuple[list[int], int]]:
    return [(bundle.ids, len(bundle.text.encode())) for bundle in bundles]


def test_messages_of_one_minute_are_merged_as_far_as_they_fit() -> None:
    parts = [claimed(1, "a" * 1000), claimed(2, "b" * 1046, second=59), claimed(3, "c"), claimed(4, "d", second=60)]

    bundles = bundled(parts, 2048)

    assert sizes(bundles) == [([1, 2], 2048), ([3], 1), ([4], 1)]
    assert bundles[0].text == "a" * 1000 + "\n\n" + "b" * 1046
    assert sizes(bundled([claimed(1, "a" * 1000), claimed(2, "b" * 1047)], 2048)) == [([1], 1000), ([2], 1047)]


def test_a_message_with_buttons_is_merged_with_nothing_and_shows_them_below_its_end() -> None:
    buttons = (Button("收到", "收到 7"),)
    parts = [claimed(1, "a"), claimed(2, "b", buttons=buttons), claimed(3, "c"), claimed(4, "d")]

    bundles = bundled([*parts, claimed(5, "e" * 70, buttons=buttons)], 50)

    assert [(bundle.ids, bundle.buttons) for bundle in bundles] == [
        ([1], ()),
        ([2], buttons),
        ([3, 4], ()),
        ([5], ()),
        ([5], buttons),
    ]


def test_a_placard_stands_alone_and_not_beside_half_of_its_text() -> None:
    placard = Placard("这周还有岗位", (), [("3", "楼道清扫")], "")
    bundles = bundled([claimed(1, "a"), claimed(2, "b", placard=placard), claimed(3, "c" * 70, placard=placard)], 50)

    assert [(bundle.ids, bundle.placard) for bundle in bundles] == [
        ([1], None),
        ([2], placard),
        ([3], None),
        ([3], None),
    ]


@pytest.mark.parametrize("other", [{"community_id": 2}, {"group_id": 8}, {"group_id": None, "member_id": 7}])
def test_messages_of_two_recipients_are_never_merged(other: dict[str, Any]) -> None:
    assert sizes(bundled([claimed(1, "a"), claimed(2, "b", **other)], 2048)) == [([1], 1), ([2], 1)]


def test_long_message_goes_in_parts_and_joins_nothing() -> None:
    long = "甲" * 20
    bundles = bundled([claimed(1, "短"), claimed(2, long), claimed(3, "尾")], 30)

    assert [(bundle.ids, bundle.text, bundle.part, bundle.parts) for bundle in bundles] == [
        ([1], "短", 0, 1),
        ([2], "甲" * 10, 0, 2),
        ([2], "甲" * 10, 1, 2),
        ([3], "尾", 0, 1),
    ]


@pytest.mark.parametrize(("sent", "left"), [(0, [0, 1, 2]), (1, [1, 2]), (2, [2]), (3, [2]), (9, [2])])
def test_message_never_has_no_part_left(sent: int, left: list[int]) -> None:
    # Another limit may make fewer parts of it than when it was begun.
    assert [bundle.part for bundle in bundled([claimed(1, "甲" * 30, parts_sent=sent)], 30)] == left


@pytest.mark.parametrize(
    ("tries", "least", "most"), [(0, 1, 2), (1, 2, 4), (2, 4, 8), (5, 32, 64), (9, 450, 900), (10_000, 450, 900)]
)
def test_wait_grows_with_jitter_up_to_its_maximum(tries: int, least: float, most: float) -> None:
    chance = random.Random(7)
    waits = [retry_wait(tries, Numbers(), chance).total_seconds() for _ in range(200)]

    assert least <= min(waits) < max(waits) <= most
    assert max(waits) - min(waits) > (most - least) * 0.9


# -- the plain way ----------------------------------------


async def test_messages_reach_groups_and_people(post: Post, heard: io.StringIO) -> None:
    await post.put("3栋群", "今晚停水", "请提前储水", ref="post:1")
    await post.put("5栋群", "垃圾分类")
    await post.put("王秀英", "您有2个位子", ref="activity:12")

    assert await post.deliver() == 4

    assert post.api.texts(KEYS["3栋群"]) == ["今晚停水\n\n请提前储水"]
    assert post.api.texts(KEYS["5栋群"]) == ["垃圾分类"]
    assert post.line.sent == [Parcel("王秀英", "您有2个位子", "", "activity:12")]
    assert await post.ends() == [("sent", "")] * 4
    assert await post.attempts() == ["sent"] * 3
    assert sorted(post.pushed) == [("line", "sent"), ("webhook", "sent"), ("webhook", "sent")]
    assert await post.deliver() == 0
    assert not any(key in heard.getvalue() for key in KEYS.values())


async def test_what_is_not_due_stays(post: Post) -> None:
    await post.put("王秀英", "now", "later", every=timedelta(minutes=5))
    await post.deliver()
    assert post.line.texts("王秀英") == ["now"]

    post.later(300)
    await post.deliver()
    assert post.line.texts("王秀英") == ["now", "later"]


async def test_expired_message_is_not_sent_but_failed(post: Post) -> None:
    await post.put("3栋群", "签到开始了", expires_at=NOW + timedelta(minutes=10))
    await post.put("王秀英", "还来得及")
    post.later(600)

    await post.deliver()

    assert post.api.messages == []
    assert await post.ends() == [("failed", "expired"), ("sent", "")]
    assert ("webhook", "expired") in post.pushed


async def test_nobody_to_send_to_is_said_with_the_reason(post: Post) -> None:
    def unit(session: Session) -> None:
        of = post.ground.community.id
        for name in ("空群", "哑群"):
            post.groups[name] = add_group(session, community_id=of, unit=post.ground.root, name=name, now=NOW)
        add_endpoint(session, community_id=of, group_id=post.groups["哑群"], channel="gone", address="x", now=NOW)
        # 5栋群 was unbound: its webhook rests.
        unbind_chat(session, community_id=of, channel="aibot", address="chat of 5栋群")
        post.ground.people["新来的"] = add_person(session, of, "新来的", post.ground.root, known=False)

    await post.books.write(unit)
    for to in ("空群", "哑群", "5栋群", "新来的", "王秀英"):
        await post.put(to, "有人吗")

    await post.deliver(post.hire(channels={"webhook": post.webhook}))

    assert await post.ends() == [
        ("failed", "no route: the group has no chat"),
        ("failed", "no route: no channel can write to this group first"),
        ("failed", "no route: the group has no chat"),
        ("failed", "no route: the person has no account"),
        ("failed", "no route: no channel can write to this account first"),
    ]
    assert post.api.messages == []


async def test_what_cannot_be_reached_is_warned_of_once_a_day_and_is_no_error(post: Post, heard: io.StringIO) -> None:
    postman = post.hire(channels={"webhook": post.webhook})
    await post.put("王秀英", "一", "二")
    await post.put("李建国", "三")
    await post.deliver(postman)
    post.later(24 * 3600 - 1)
    await post.put("王秀英", "四", expires_at=NOW + 100 * HOUR)
    await post.deliver(postman)
    post.later(1)
    await post.put("王秀英", "五", expires_at=NOW + 100 * HOUR)
    await post.deliver(postman)

    said = [json.loads(line) for line in heard.getvalue().splitlines() if "delivery." in line]
    assert [(one["event"], one["level"], one["outbox"], one["to"]) for one in said] == [
        ("delivery.no_route", level, [number], "person")
        for number, level in zip(await post.ids(), ("warning", "debug", "debug", "debug", "warning"), strict=True)
    ]
    assert {one["detail"] for one in said} == {"no route: no channel can write to this account first"}
    assert await post.states() == ["failed"] * 5


async def test_error_names_the_messages_and_the_kind_of_their_recipient(post: Post, heard: io.StringIO) -> None:
    await post.put("3栋群", "一", "二")
    await post.put("5栋群", "三", expires_at=NOW)
    post.api.keys.remove(KEYS["3栋群"])

    await post.deliver()

    first, second, third = await post.ids()
    said = [json.loads(line) for line in heard.getvalue().splitlines() if "not_delivered" in line]
    assert sorted((one["level"], one["outbox"], one["to"], one["state"], one["detail"]) for one in said) == [
        ("error", [first, second], "group", "dead", "93000 webhook key wrong, or the robot was removed"),
        ("error", [third], "group", "expired", "expired"),
    ]


async def test_unreadable_secret_fails_its_message_and_stops_nobody(post: Post, heard: io.StringIO) -> None:
    damage = {"3栋群": "不是密文", "5栋群": Sealer([bytes(32)]).seal(KEYS["5栋群"], "5栋群")}

    def unit(session: Session) -> None:
        for address, sealed in damage.items():
            session.execute(update(Endpoint).where(Endpoint.address == address).values(sealed_secret=sealed))

    await post.books.write(unit)
    for name in GROUPS:
        await post.put(name, "停水")

    await post.deliver()

    assert await post.ends() == [
        ("failed", "this secret is damaged"),
        ("failed", "no configured key opens this secret"),
        ("sent", ""),
    ]
    assert sorted(post.pushed) == [("webhook", "dead"), ("webhook", "dead"), ("webhook", "sent")]
    assert "no configured key" in heard.getvalue()


# -- long messages ----------------------------------------


async def test_parts_go_on_where_they_stopped_after_a_restart(post: Post) -> None:
    parts = [letter * 600 for letter in "甲乙丙丁戊己"]
    await post.put("3栋群", "\n\n".join(parts), "尾")
    # Three parts arrive, then nothing but a bad gateway until just before the last try.
    post.api.meets(*[wecom_api.slow(0)] * 3, *[wecom_api.BAD_GATEWAY] * 3)

    await post.deliver()
    assert post.api.texts() == parts[:3]
    for _ in range(2):
        post.later(40)
        await post.deliver(post.hire())
    assert await post.states() == ["waiting", "waiting"]
    post.later(60)
    await post.deliver(post.hire())

    assert post.api.texts() == [*parts, "尾"]
    assert await post.states() == ["sent", "sent"]


async def test_tries_of_one_part_are_not_taken_from_the_next(post: Post) -> None:
    parts = [letter * 600 for letter in "甲乙丙丁戊己"]
    await post.put("3栋群", "\n\n".join(parts))
    fault = [wecom_api.BAD_GATEWAY, wecom_api.slow(0)]
    post.api.meets(*fault, times=6)

    for _ in range(12):
        await post.deliver()
        post.later(61)

    assert post.api.texts() == parts
    assert await post.ends() == [("sent", "")]


# -- limits ----------------------------------------


def numbered(count: int) -> list[str]:
    """Texts too long to be merged, each with its number in front."""
    return [f"{number:03d}" + "字" * 400 for number in range(count)]


async def hurry(post: Post, postmen: list[Callable[[], Postman]], *, step: float = 1) -> None:
    """Delivers until nothing waits; the time moves on between passes, and with every request on its way."""
    turn = 0
    while "waiting" in await post.states():
        await asyncio.gather(*(post.deliver(one()) for one in postmen))
        post.later(step)
        turn += 1
        assert turn < 400


async def test_hundred_messages_keep_the_limit_across_a_restart(post: Post) -> None:
    await post.put("3栋群", *numbered(100))
    # A request takes its time to arrive, and its answer to come back: what counts is when it arrives.
    ways = random.Random(3)
    arrive = post.api.now

    def arriving() -> datetime:
        post.wall.move_to(post.wall.now() + timedelta(seconds=ways.choice((0.01, 0.05, 0.3))))
        moment = arrive()
        post.wall.move_to(post.wall.now() + timedelta(seconds=ways.choice((0.01, 0.05))))
        return moment

    post.api.now = arriving
    postmen = iter([post.postman] * 20)
    # Every pass after the twentieth is made by a postman who just started.
    await hurry(post, [lambda: next(postmen, None) or post.hire()])

    assert post.api.texts() == numbered(100)
    assert post.api.answers == {0: 100}
    assert post.api.most_in_a_minute(KEYS["3栋群"]) == 20
    minutes = (post.api.messages[-1].at - post.api.messages[0].at) / timedelta(minutes=1)
    assert 80 / minutes >= 19, "the limit is used"


async def test_two_postmen_keep_the_limit_together(post: Post, database_url: str) -> None:
    for name in GROUPS:
        await post.put(name, *numbered(45))
    replica = await Books.open(database_url, threads=4) if "postgresql" in database_url else post.books
    other = post.hire(replica)

    await hurry(post, [lambda: post.postman, lambda: other], step=7)

    for name in GROUPS:
        assert post.api.texts(KEYS[name]) == numbered(45)
        assert post.api.most_in_a_minute(KEYS[name]) == 20
    assert post.api.answers == {0: 135}
    assert await post.attempts() == ["sent"] * 135
    if replica is not post.books:
        await replica.close()


async def test_several_limits_hold_at_once(post: Post) -> None:
    post.line.ability = Ability(
        pushes_to_people=True,
        text_bytes=2048,
        limits=(Limit(2, timedelta(seconds=10)), Limit(3, timedelta(minutes=1))),
    )
    await post.put("王秀英", *"abcd", every=timedelta(minutes=1))
    post.later(180)
    seen = []
    for _ in range(13):
        await post.deliver()
        seen.append(len(post.line.sent))
        post.later(5)

    assert seen == [2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]


async def test_too_frequent_pauses_this_key_and_no_other(post: Post) -> None:
    await post.put("3栋群", *numbered(3))
    await post.put("5栋群", "b")
    post.api.meets(wecom_api.refuses(45009), key=KEYS["3栋群"])

    await post.deliver()
    assert post.api.requests.count(KEYS["3栋群"]) == 1
    assert post.api.texts() == ["b"]
    # What comes later for the same key does not overtake, nor knock too early.
    await post.put("3栋群", "d")
    await post.put("5栋群", "c")
    post.later(59)
    await post.deliver()
    assert post.api.requests.count(KEYS["3栋群"]) == 1
    assert post.api.texts() == ["b", "c"]

    post.later(1)
    await post.deliver()
    assert post.api.texts(KEYS["3栋群"]) == [*numbered(2), numbered(3)[2] + "\n\nd"]
    assert await post.states() == ["sent"] * 6


async def test_rest_that_http_asks_for_is_kept_even_after_the_last_try(post: Post) -> None:
    post.numbers.attempts_max = 1
    await post.put("3栋群", *numbered(2))
    post.api.meets(wecom_api.too_many("30"))

    await post.deliver()
    assert await post.ends() == [("failed", "429 HTTP 429"), ("waiting", "")]
    post.later(29.9)
    await post.deliver()
    assert len(post.api.requests) == 1
    post.later(0.1)
    await post.deliver()
    assert await post.states() == ["failed", "sent"]


# -- quiet hours, and so many posts a day ----------------------------------------


def night(post: Post, **more: Any) -> None:
    """It is Saturday night, 22:00, and the quiet hours are those of the default."""
    post.numbers = Numbers(quiet_from=time(21, 30), quiet_until=time(7, 30), **more)
    post.postman = post.hire(**vars(post.numbers))
    post.clock.move_to(datetime(2026, 11, 21, 22, tzinfo=SHANGHAI))


MORNING = datetime(2026, 11, 22, 7, 30, tzinfo=SHANGHAI)


async def test_what_is_not_urgent_waits_for_the_morning_and_then_goes_as_one(post: Post) -> None:
    night(post)
    await post.put("3栋群", "明天清洁家园", "请带手套", every=timedelta(hours=1), expires_at=MORNING + HOUR)
    await post.put("3栋群", "水管爆了，正在抢修", urgent=True, expires_at=MORNING + HOUR)
    await post.put("王秀英", "明天您有值班", expires_at=MORNING + HOUR)
    await post.put("李建国", "您的验证码", urgent=True, expires_at=MORNING + HOUR)

    assert await post.deliver() == 5
    assert post.api.texts() == ["水管爆了，正在抢修"]
    assert [parcel.text for parcel in post.line.sent] == ["您的验证码"]
    assert await post.ends() == [
        ("waiting", "quiet hours"),
        ("waiting", "quiet hours"),
        ("sent", ""),
        ("waiting", "quiet hours"),
        ("sent", ""),
    ]
    post.clock.move_to(MORNING - timedelta(seconds=1))
    assert await post.deliver() == 0
    post.clock.move_to(MORNING)
    await post.deliver()

    assert post.api.texts() == ["水管爆了，正在抢修", "明天清洁家园\n\n请带手套"]
    assert post.line.texts("王秀英") == ["明天您有值班"]
    assert await post.ends() == [("sent", "")] * 5


async def test_what_would_be_pointless_in_the_morning_goes_out_at_night(post: Post) -> None:
    night(post)
    await post.put("3栋群", "还有两小时开始", expires_at=MORNING)

    await post.deliver()

    assert post.api.texts() == ["还有两小时开始"]


async def test_group_gets_so_many_posts_a_day_and_the_rest_as_one_the_next_day(post: Post) -> None:
    late = MORNING + 2 * HOUR
    post.numbers = Numbers(quiet_from=time(7, 30), quiet_until=time(7, 30), group_posts_a_day_max=2)
    post.postman = post.hire(**vars(post.numbers))
    for texts, more in (
        (["一", "一起"], {}),
        (["二"], {}),
        (["三"], {}),
        (["四"], {}),
        (["急"], {"urgent": True}),
        (["只有今天"], {"expires_at": NOW + 2 * HOUR}),
    ):
        await post.put("3栋群", *texts, **{"expires_at": late, **more})
        await post.deliver()
        post.later(60)
    await post.put("5栋群", "别的群", expires_at=late)
    await post.deliver()

    assert post.api.texts(KEYS["3栋群"]) == ["一\n\n一起", "二", "急", "只有今天"]
    assert post.api.texts(KEYS["5栋群"]) == ["别的群"]
    assert [end for end in await post.ends() if end[0] == "waiting"] == [("waiting", "enough posts today")] * 2
    post.clock.move_to(MORNING)
    await post.deliver()

    assert post.api.texts(KEYS["3栋群"])[4:] == ["三\n\n四"]
    assert await post.ends() == [("sent", "")] * 8


# -- several ways, or none ----------------------------------------


async def second_line(post: Post, **ability: Any) -> Line:
    """A bot that can write into 3栋群 as well, as the AI bot's long connection can."""
    bot = Line("aibot", "bots", Ability(pushes_to_groups=True, text_bytes=600, **ability))
    post.postman = post.hire(channels={"webhook": post.webhook, "line": post.line, "aibot": bot})
    return bot


async def test_group_with_two_ways_hears_everything_once(post: Post) -> None:
    bot = await second_line(post)
    await post.put("3栋群", "今晚停水", "请储水", every=timedelta(minutes=-1))

    await post.deliver()

    heard = post.api.texts() + bot.texts("chat of 3栋群")
    assert sorted(heard) == ["今晚停水", "请储水"]
    assert await post.attempts() == ["sent", "sent"]


async def test_way_at_its_limit_is_relieved_by_the_other_in_order(post: Post) -> None:
    bot = await second_line(post, limits=(Limit(3, timedelta(minutes=1)), Limit(4, timedelta(hours=1))))
    texts = [f"{number:03d}" + "字" * 150 for number in range(25)]
    await post.put("3栋群", *texts)

    await post.deliver()

    # The chat of the bot is older; the webhook takes over where that may hear no more in this minute.
    assert bot.texts("chat of 3栋群") == texts[:3]
    assert post.api.texts() == texts[3:23]
    assert await post.states() == ["sent"] * 23 + ["waiting"] * 2
    post.later(60)
    await post.deliver()
    assert bot.texts("chat of 3栋群") == [*texts[:3], texts[23]], "four an hour"
    assert post.api.texts() == [*texts[3:23], texts[24]]
    assert post.api.answers == {0: 21}


async def test_way_that_rests_or_is_cut_off_is_passed_by(post: Post) -> None:
    bot = await second_line(post)
    bot.trouble["chat of 3栋群"] = [
        DeliveryError("offline", permanent=False, code="not_sent"),
        DeliveryError("too often", permanent=False, code=45009, pause=timedelta(seconds=60)),
    ]
    await post.put("3栋群", "一")
    await post.deliver()
    assert post.api.texts() == ["一"]
    post.later(5)
    await post.put("3栋群", "二")
    await post.deliver()
    assert post.api.texts() == ["一", "二"]
    post.later(59)
    await post.put("3栋群", "三")
    await post.deliver()
    assert post.api.texts() == ["一", "二", "三"]
    post.later(10)
    await post.put("3栋群", "四")
    await post.deliver()

    assert bot.texts("chat of 3栋群") == ["四"], "it is used again when it had its rest"
    assert await post.states() == ["sent"] * 4


async def test_way_that_refuses_for_good_is_left_alone_for_an_hour(post: Post) -> None:
    bot = await second_line(post)
    bot.trouble["chat of 3栋群"] = [DeliveryError("no longer in the group", permanent=True, code=1) for _ in range(2)]
    for text in "一二":
        await post.put("3栋群", text)
        await post.deliver()
    assert await post.attempts() == ["refused", "sent", "sent"]
    post.later(3600)
    await post.put("3栋群", "三")
    await post.deliver()

    assert post.api.texts() == ["一", "二", "三"]
    assert await post.ends() == [("sent", "")] * 3
    assert await broken(post) == [], "nothing is missing"


async def test_what_every_way_refuses_ends(post: Post) -> None:
    bot = await second_line(post)
    bot.trouble["chat of 3栋群"] = [DeliveryError("no", permanent=True, code=1)]
    post.api.meets(wecom_api.refuses(93000))
    await post.put("3栋群", "一")

    await post.deliver()

    assert await post.attempts() == ["refused", "refused"]
    assert [state for state, _ in await post.ends()] == ["failed"]


async def test_whom_no_channel_reaches_is_told_by_the_building_lead(post: Post) -> None:
    def unit(session: Session) -> None:
        for name, home in (("新来的", "3栋2单元"), ("老赵的", "3栋1单元"), ("五栋的", "5栋2单元")):
            post.ground.people[name] = add_person(
                session, post.ground.community.id, name, post.ground.units[home], known=False
            )
        # The lead of 5栋 cannot be reached either: who is above them is told.
        remove_accounts(session, post.ground.people["老魏"])
        post.groups["哑群"] = add_group(
            session, community_id=post.ground.community.id, unit=post.ground.units["3栋"], name="哑群", now=NOW
        )

    await post.books.write(unit)
    await post.put("新来的", "您明早有值班", otherwise="请转告新来的：明早有值班")
    await post.put("五栋的", "您明早有值班", otherwise="请转告五栋的：明早有值班")
    await post.put("哑群", "今晚停水", otherwise="请转发到哑群：今晚停水")
    await post.put("老赵的", "您的积分是8分")
    await post.put("王秀英", "您有2个位子", otherwise="请转告王秀英")

    await post.deliver()

    assert post.line.texts("老赵") == ["请转告新来的：明早有值班\n\n请转发到哑群：今晚停水"]
    assert post.line.texts("孙丽") == ["请转告五栋的：明早有值班"]
    assert post.line.texts("王秀英") == ["您有2个位子"]
    ends = await post.ends()
    assert ends[:5] == [
        ("handed_on", "no route: the person has no account"),
        ("handed_on", "no route: the person has no account"),
        ("handed_on", "no route: the group has no chat"),
        # What is private goes to nobody else.
        ("failed", "no route: the person has no account"),
        ("sent", ""),
    ]
    assert ends[5:] == [("sent", "")] * 3


async def test_account_that_refuses_for_good_is_told_by_the_building_lead(post: Post) -> None:
    post.line.trouble["王秀英"] = [DeliveryError("not in the range of the app", permanent=True, code=81013)]
    await post.put("王秀英", "您明早有值班", otherwise="请转告王秀英：明早有值班")

    await post.deliver()

    assert post.line.texts("老赵") == ["请转告王秀英：明早有值班"]
    assert await post.ends() == [("handed_on", "81013 not in the range of the app"), ("sent", "")]


# -- one alarm ----------------------------------------


async def broken(post: Post) -> list[tuple[int, int]]:
    """How many recipients and messages each incident that is open has."""
    found = await post.books.read(outages.incidents)
    return [(len(one.recipients), one.messages) for one in found]


async def reach_the_secretary(post: Post) -> None:
    def unit(session: Session) -> None:
        add_identity(
            session,
            community_id=post.ground.community.id,
            member_id=post.ground.people["张敏"],
            namespace="simulator",
            external_id="张敏",
            now=NOW,
        )

    await post.books.write(unit)


def numbered_one(texts: list[str]) -> list[str]:
    """Incidents are numbered over all tests on one server."""
    return [re.sub(r"问题\d+", "问题1", text) for text in texts]


async def test_incident_is_told_once_and_once_when_it_is_over(post: Post, heard: io.StringIO) -> None:
    await reach_the_secretary(post)
    post.api.keys -= {KEYS["3栋群"], KEYS["5栋群"]}
    await post.put("3栋群", *numbered(3))
    await post.deliver()
    await post.put("5栋群", "停水")
    await post.put("党员群", "学习")
    await post.deliver()

    (told,) = numbered_one(post.line.texts("张敏"))
    assert told == (
        "【提醒】给3栋群的消息没有发出去：群机器人的 key 不对，或者机器人被移出了群（93000）。\n"
        "同样的问题不再一条条告诉您，恢复了会说一声。\n"
        "请管机器人的人运行 linli outbox 看看（问题1）。"
    )
    assert await broken(post) == [(2, 4)]
    post.api.keys.add(KEYS["3栋群"])
    await post.put("3栋群", "好了吗")
    await post.deliver()
    assert await broken(post) == [(1, 1)]
    post.api.keys.add(KEYS["5栋群"])
    await post.put("5栋群", "好了吗")
    await post.deliver()

    assert await broken(post) == []
    assert numbered_one(post.line.texts("张敏"))[1:] == [
        "【提醒】问题1好了，消息又发得出去了。\n之前没发出去的，请管机器人的人用 linli outbox 看看要不要补发。"
    ]
    said = [json.loads(line) for line in heard.getvalue().splitlines()]
    events = [one["event"] for one in said if one["event"] in ("delivery.alarm", "delivery.healed")]
    assert events == ["delivery.alarm", "delivery.healed"]


async def test_group_that_breaks_long_after_another_is_an_incident_of_its_own(post: Post) -> None:
    await reach_the_secretary(post)
    for name in ("3栋群", "5栋群"):
        post.api.keys.remove(KEYS[name])
        await post.put(name, "停水", expires_at=NOW + 9 * HOUR)
        await post.deliver()
        post.later(3601)

    assert await broken(post) == [(1, 1), (1, 1)]
    assert len(post.line.texts("张敏")) == 2
    await post.books.write(
        lambda session: outages.lapse(session, community_id=post.ground.community.id, now=NOW + 80 * HOUR)
    )
    assert await broken(post) == []


async def test_what_is_still_tried_after_ten_minutes_is_told_before_it_is_lost(post: Post) -> None:
    await reach_the_secretary(post)
    post.numbers.attempts_max = 99
    post.api.meets(wecom_api.BAD_GATEWAY, times=99)
    await post.put("3栋群", "停水")
    while not post.line.texts("张敏"):
        await post.deliver()
        post.later(60)

    assert "晚了，还没有发出去：平台出错了（502）" in post.line.texts("张敏")[0]
    assert post.clock.now() - NOW >= timedelta(minutes=10)
    assert await broken(post) == [(1, 0)]


async def test_alarm_that_fails_causes_no_alarm(post: Post) -> None:
    await reach_the_secretary(post)
    post.numbers.attempts_max = 1
    post.line.trouble["张敏"] = [DeliveryError("no", permanent=False, code=500)]
    post.api.keys.clear()
    await post.put("3栋群", "停水")
    for _ in range(3):
        await post.deliver()
        post.later(60)

    assert await post.states() == ["failed", "failed"]
    assert await broken(post) == [(1, 1)]


async def test_account_that_takes_nothing_is_no_incident(post: Post) -> None:
    await reach_the_secretary(post)
    post.line.trouble["王秀英"] = [DeliveryError("no such user", permanent=True, code=81013)]
    await post.put("王秀英", "您有2个位子")

    await post.deliver()

    assert await post.states() == ["failed"]
    assert post.line.sent == []


# -- refusals ----------------------------------------


async def test_passing_errors_are_tried_again_with_growing_waits_up_to_the_last_try(post: Post) -> None:
    await post.put("3栋群", "停水")
    post.api.meets(wecom_api.BAD_GATEWAY, times=9)
    waits = []
    for _ in range(3):
        await post.deliver()
        assert await post.states() == ["waiting"]
        ((wait,),) = (await post.retry_at(),)
        assert wait is not None
        waits.append(wait)
        # Not before its time, and then at once.
        post.later(wait - 0.001)
        assert await post.deliver() == 0
        post.later(0.001)
    await post.deliver()

    assert [2**number <= wait <= 2 ** (number + 1) for number, wait in enumerate(waits, start=1)] == [True] * 3
    assert len(post.api.requests) == 4
    assert await post.ends() == [("failed", "502 HTTP 502")]
    assert post.pushed == [("webhook", "retry")] * 3 + [("webhook", "dead")]


async def test_permanent_error_ends_a_message_after_one_try(post: Post, heard: io.StringIO) -> None:
    await post.put("3栋群", *numbered(2))
    await post.put("5栋群", "b")
    post.api.keys.remove(KEYS["3栋群"])

    await post.deliver()
    post.later(3600)
    await post.deliver()

    gone = ("failed", "93000 webhook key wrong, or the robot was removed")
    assert await post.ends() == [gone, gone, ("sent", "")]
    assert post.api.requests.count(KEYS["3栋群"]) == 2
    assert "93000" in heard.getvalue()
    assert not any(key in heard.getvalue() for key in KEYS.values())


async def test_platform_that_is_down_is_waited_for(post: Post) -> None:
    await post.put("3栋群", "停水")
    async with WecomApi(set(), post.wall.now) as gone:
        nowhere = gone.url
    dead = WecomGroupWebhook("webhook", WebhookSettings(kind="wecom_group_webhook", base_url=nowhere))

    await post.deliver(post.hire(channels={"webhook": dead}))
    assert await post.attempts() == ["not_sent"]
    post.later(4)
    await post.deliver()

    assert await post.attempts() == ["not_sent", "sent"]
    assert await post.ends() == [("sent", "")]


async def test_order_within_an_address_is_kept(post: Post) -> None:
    texts = [f"{number}" + "字" * 600 for number in range(6)]
    await post.put("3栋群", *texts[:3])
    post.api.meets(wecom_api.slow(0), wecom_api.BAD_GATEWAY, wecom_api.slow(0), wecom_api.BAD_GATEWAY)
    await post.deliver()
    await post.put("3栋群", *texts[3:])
    for _ in range(4):
        await post.deliver()
        post.later(5)

    assert post.api.texts() == texts


async def test_young_message_does_not_die_with_the_old_one_that_it_was_merged_with(post: Post) -> None:
    post.numbers.attempts_max = 2
    await post.put("王秀英", "old")
    post.line.trouble["王秀英"] = [DeliveryError("no", permanent=False, code=503) for _ in range(2)]
    await post.deliver()
    await post.put("王秀英", "young")
    post.later(5)
    await post.deliver()
    assert await post.ends() == [("failed", "503 no"), ("waiting", "503 no")]
    post.later(10)
    await post.deliver()

    assert post.line.texts("王秀英") == ["young"]
    assert await post.states() == ["failed", "sent"]


MODES = {
    # What the platform does with a request, how many of three messages arrive in the end, and where they stand.
    "down": (wecom_api.BAD_GATEWAY, 3, "sent"),
    "too many": (wecom_api.too_many("3"), 3, "sent"),
    "too often": (wecom_api.refuses(45009), 3, "sent"),
    "busy": (wecom_api.refuses(-1), 3, "sent"),
    "removed": (wecom_api.refuses(93000), 2, "failed"),
    "reset": (wecom_api.RESET, 2, "unknown"),
    "lost": (wecom_api.LOST, 3, "unknown"),
    "garbage": (wecom_api.GARBAGE, 3, "unknown"),
}


@pytest.mark.parametrize("mode", MODES)
async def test_every_fault_ends_with_nothing_missing_and_nothing_twice(post: Post, mode: str) -> None:
    """Every group's first request meets the fault; `bench.postman` does it with three hundred groups and real time."""
    fault, arrives, first = MODES[mode]
    post.numbers.attempts_max = 40
    for name in GROUPS:
        await post.put(name, *[f"{name}{text}" for text in numbered(3)])
        post.api.meets(fault, key=KEYS[name])
    for _ in range(12):
        await post.deliver()
        post.later(30)

    for name in GROUPS:
        came = post.api.texts(KEYS[name])
        assert len(came) == len(set(came)) == arrives
    states = await post.states()
    assert states == [first, "sent", "sent"] * len(GROUPS)
    assert await post.books.read(violations) == []


# -- lost answers ----------------------------------------


async def test_lost_answer_to_a_group_is_unknown_at_once(post: Post) -> None:
    await post.put("3栋群", *numbered(2))
    post.api.meets(wecom_api.LOST)

    await post.deliver()
    post.later(60)
    await post.deliver()

    assert post.api.texts() == numbered(2), "not repeated"
    assert [state for state, _ in await post.ends()] == ["unknown", "sent"]
    assert sorted(await post.attempts()) == ["sent", "unknown"]
    assert sorted(post.pushed) == [("webhook", "sent"), ("webhook", "unknown")]


@pytest.mark.parametrize(
    ("second", "ends", "pushed"),
    [
        (OutcomeUnknown("again"), ("unknown", "again"), ["retry", "unknown"]),
        (DeliveryError("no", permanent=True, code=1), ("unknown", "1 no"), ["retry", "unknown"]),
        (None, ("sent", ""), ["retry", "sent"]),
    ],
)
async def test_lost_answer_to_a_person_is_repeated_once(
    post: Post, second: Exception | None, ends: tuple[str, str], pushed: list[str]
) -> None:
    await post.put("王秀英", "您有2个位子")
    post.line.trouble["王秀英"] = [OutcomeUnknown("lost"), *([second] if second else [])]

    await post.deliver()
    assert await post.ends() == [("waiting", "lost")]
    for _ in range(3):
        post.later(60)
        await post.deliver()

    assert await post.ends() == [ends]
    assert [outcome for _, outcome in post.pushed] == pushed
    assert len(await post.attempts()) == 2


async def test_refusals_before_do_not_cost_a_person_the_repetition(post: Post) -> None:
    await post.put("王秀英", "您有2个位子")
    post.line.trouble["王秀英"] = [
        DeliveryError("no", permanent=False),
        DeliveryError("no", permanent=False),
        OutcomeUnknown("lost"),
    ]
    for _ in range(4):
        await post.deliver()
        post.later(60)

    assert await post.states() == ["sent"]
    assert await post.attempts() == ["failed", "failed", "unknown", "sent"]


async def die(post: Post, token: str = "dead") -> list[Claimed]:
    """A postman that dies between its attempt and the outcome."""
    wall = post.wall.now()

    def unit(session: Session) -> list[Claimed]:
        until = wall + timedelta(seconds=60)
        messages = outbox.claim(session, now=post.clock.now(), wall=wall, until=until, token=token, most=100)
        for message in messages:
            outbox.begin_attempt(
                session,
                community_id=message.community_id,
                channel="line" if message.member_id else "webhook",
                address="x",
                ids=[message.id],
                token=token,
                now=post.clock.now(),
                wall=wall,
                until=until,
            )
        return messages

    return await post.books.write(unit)


async def test_postman_died_between_attempt_and_outcome(post: Post) -> None:
    await post.put("3栋群", "停水")
    await post.put("王秀英", "您有2个位子")
    assert len(await die(post)) == 2

    post.later(59.9)
    assert await post.deliver(post.hire()) == 0
    post.later(0.1)
    assert await post.deliver(post.hire()) == 2

    assert post.api.messages == []
    assert post.line.texts("王秀英") == ["您有2个位子"]
    assert await post.ends() == [("unknown", "the answer was lost"), ("sent", "")]
    assert await post.attempts() == ["unknown", "unknown", "sent"]


async def test_postman_died_twice_over_a_message_to_a_person(post: Post) -> None:
    await post.put("王秀英", "您有2个位子")
    for token in ("one", "two"):
        await die(post, token)
        post.later(60)

    await post.deliver()

    assert post.line.sent == []
    assert await post.ends() == [("unknown", "the answer was lost")]
    assert await post.attempts() == ["unknown", "unknown"]


async def test_interrupted_message_that_expired_meanwhile_is_unknown_and_not_failed(post: Post) -> None:
    soon = NOW + timedelta(seconds=30)
    await post.put("3栋群", "停水", expires_at=soon)
    await post.put("王秀英", "您有2个位子", expires_at=soon)
    await die(post)
    post.later(60)

    await post.deliver()

    assert await post.ends() == [("unknown", "the answer was lost"), ("unknown", "expired")]


async def test_zombie_postman_writes_no_outcome_of_a_message(post: Post) -> None:
    await post.put("王秀英", "您有2个位子")
    waking = asyncio.Event()
    began = asyncio.Event()

    async def sleep(_: Parcel) -> None:
        began.set()
        await waking.wait()
        raise DeliveryError("no", permanent=True, code=1)

    post.line.trouble["王秀英"] = [sleep]
    zombie = asyncio.create_task(post.deliver())
    await began.wait()
    post.later(60)
    heir = post.hire()
    assert await post.deliver(heir) == 1
    assert await post.ends() == [("sent", "")]

    waking.set()
    await zombie

    assert await post.ends() == [("sent", "")]
    assert await post.attempts() == ["refused", "sent"], "what became of its request is known all the same"


# -- trouble of one that must not be the others' ----------------------------------------


async def test_bug_in_a_channel_loses_nothing_and_stops_nobody(post: Post) -> None:
    await post.put("王秀英", "a")
    await post.put("李建国", "b")
    await post.put("3栋群", "c")
    post.line.trouble["王秀英"] = [KeyError("bug"), ZeroDivisionError()]

    await post.deliver()
    assert post.line.texts("李建国") == ["b"]
    assert await post.ends() == [("waiting", "KeyError"), ("sent", ""), ("sent", "")]
    for _ in range(2):
        post.later(10)
        await post.deliver()

    assert post.line.texts("王秀英") == ["a"]
    assert await post.states() == ["sent"] * 3


async def test_channel_that_always_breaks_fails_after_the_last_try(post: Post) -> None:
    await post.put("王秀英", "a")
    post.line.trouble["王秀英"] = [KeyError("bug") for _ in range(9)]
    for _ in range(6):
        await post.deliver()
        post.later(60)

    assert await post.ends() == [("failed", "KeyError")]
    assert len(await post.attempts()) == 4


async def test_hanging_address_holds_up_nobody_and_is_unknown_in_the_end(post: Post) -> None:
    post.numbers.send_seconds_max = 1.5
    await post.put("3栋群", *numbered(3))
    post.api.meets(wecom_api.HANGS, key=KEYS["3栋群"])
    running = asyncio.create_task(post.postman.run())
    await post.until(lambda: KEYS["3栋群"] in post.api.requests)

    # What is put out while it hangs reaches the others at once, and itself not before its turn.
    await post.put("5栋群", "b")
    await post.put("王秀英", "c")
    post.postman.wake()
    await post.until(lambda: post.api.texts(KEYS["5栋群"]) == ["b"] and post.line.texts("王秀英") == ["c"])
    assert ("webhook", "unknown") not in post.pushed
    assert post.api.requests.count(KEYS["3栋群"]) == 1
    await post.until(lambda: ("webhook", "unknown") in post.pushed)
    post.later(30)
    post.postman.wake()
    await post.until(lambda: len(post.api.texts(KEYS["3栋群"])) == 2)
    post.postman.stop()
    await running

    assert await post.ends() == [("unknown", "no answer in time")] + [("sent", "")] * 4


class Flaky(Books):
    """The books, busy as often as it is told."""

    def __init__(self, books: Books) -> None:
        super().__init__()
        self.books = books
        self.busy = 0

    async def write(self, unit: Unit[Any]) -> Any:
        if self.busy:
            self.busy -= 1
            raise BooksBusy("disk full")
        return await self.books.write(unit)

    async def read(self, unit: Unit[Any]) -> Any:
        return await self.books.read(unit)


async def test_outcome_is_written_although_the_books_are_busy(post: Post) -> None:
    flaky = Flaky(post.books)

    async def fill(_: Parcel) -> None:
        flaky.busy = 1

    await post.put("王秀英", "a")
    post.line.trouble["王秀英"] = [fill]

    await post.deliver(post.hire(flaky))

    assert await post.ends() == [("sent", "")]
    assert len(post.line.sent) == 1


# -- running ----------------------------------------


async def test_running_postman_outlives_busy_books_and_bugs(post: Post) -> None:
    flaky = Flaky(post.books)
    flaky.busy = 3
    postman = post.hire(flaky)
    running = asyncio.create_task(postman.run())
    await post.put("王秀英", "a")
    await post.until(lambda: post.line.texts("王秀英") == ["a"])
    postman.stop()
    await running

    assert await post.states() == ["sent"]


async def test_stop_waits_for_the_send_under_way_and_begins_no_other(post: Post) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def wait(_: Parcel) -> None:
        began.set()
        await go.wait()

    await post.put("王秀英", "a", "b", every=timedelta(minutes=-1))
    post.line.trouble["王秀英"] = [wait]
    running = asyncio.create_task(post.postman.run())
    await began.wait()
    post.postman.stop()
    await asyncio.sleep(0.05)
    assert not running.done()
    go.set()
    await running

    assert post.line.texts("王秀英") == ["b"]
    assert await post.states() == ["waiting", "sent"]
    # What was not begun is free for the next one at once.
    await post.deliver(post.hire())
    assert post.line.texts("王秀英") == ["b", "a"]


async def test_postman_that_is_cancelled_leaves_an_unknown_and_no_task(post: Post) -> None:
    began = asyncio.Event()

    async def hang(_: Parcel) -> None:
        began.set()
        await asyncio.Event().wait()

    await post.put("王秀英", "a")
    post.line.trouble["王秀英"] = [hang]
    before = asyncio.all_tasks()
    running = asyncio.create_task(post.postman.run())
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    post.later(60)
    await post.deliver(post.hire())
    assert await post.attempts() == ["unknown", "sent"]


async def test_posting_wakes_the_postman_and_what_waits_is_told(post: Post) -> None:
    postman = post.hire(poll_seconds=30)
    post.books.on_posted.append(postman.wake)
    await post.put("李建国", "later", expires_at=NOW + HOUR)
    post.line.trouble["李建国"] = [DeliveryError("no", permanent=False)]
    running = asyncio.create_task(postman.run())
    await post.until(lambda: post.waiting == [1])

    await post.put("王秀英", "a")
    await post.until(lambda: post.line.texts("王秀英") == ["a"], 2)
    postman.stop()
    await running


async def test_many_addresses_are_served_beside_each_other(post: Post) -> None:
    names = [name for name in post.ground.people if name not in ("王五", "张敏")]
    everybody = asyncio.Barrier(len(names))

    async def slowly(_: Parcel) -> None:
        await everybody.wait()

    for name in names:
        await post.put(name, "a", "b")
        post.line.trouble[name] = [slowly]

    await post.deliver()

    assert [post.line.texts(name) for name in names] == [["a\n\nb"]] * len(names)


async def test_more_than_one_claim_takes_goes_out_in_one_call(post: Post) -> None:
    texts = [f"{number:03d}" for number in range(450)]
    await post.put("王秀英", *texts)

    assert await post.deliver() == 450

    assert "\n\n".join(post.line.texts("王秀英")).split("\n\n") == texts


async def test_person_of_two_communities_gets_both_and_unmixed(post: Post) -> None:
    def unit(session: Session) -> None:
        # 王五 belongs to another community, and uses the account of 王秀英 there.
        other = post.ground.elsewhere.id
        add_identity(
            session,
            community_id=other,
            member_id=post.ground.people["王五"],
            namespace="line2",
            external_id="王秀英",
            now=NOW,
        )
        outbox.put(
            session,
            community_id=other,
            key="x",
            member_id=post.ground.people["王五"],
            message="滨河",
            now=NOW,
            expires_at=NOW + HOUR,
        )

    await post.books.write(unit)
    await post.put("王秀英", "锦绣")
    await post.deliver()

    assert sorted((parcel.address, parcel.text) for parcel in post.line.sent) == [("王五", "滨河"), ("王秀英", "锦绣")]
