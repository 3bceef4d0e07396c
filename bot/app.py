"""The only place where the parts are joined: from a configuration to a house that hears, keeps books, and speaks."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy import select, text

from bot import alarms, logs, mail, poster
from bot.books import Books, BooksBusy
from bot.channels import Channel, Connected, Hears, wecom_aibot, wecom_aibot_socket, wecom_app, wecom_group_webhook
from bot.channels.simulator import Mail, Misuse, Place, Simulator, Someone
from bot.config import Config
from bot.config.sections import Delivery
from bot.delivery import Postman
from bot.demo import CAST, NEW_CHAT
from bot.dispatch import Dispatcher
from bot.files import Files
from bot.health import Health
from bot.listening import Listening
from bot.metrics import JobOutcome, Metrics, PushOutcome
from bot.receipts import Receipts
from bot.scheduler import Leadership, Scheduler
from bot.secrets import Sealer
from handlers import UNDERSTOOD, quiet
from handlers.chat import Incoming, Reply
from handlers.language.surroundings import OpenObject
from jobs import JOBS
from models import (
    activities,
    broadcast,
    care,
    check_in,
    deliveries,
    directory,
    duties,
    members,
    outages,
    outbox,
    points,
    posts,
    privacy,
    proxies,
    reports,
    roll,
    series,
    tenure,
)
from models.clock import Clock, MovedClock, WallClock
from models.outbox import OutboxState
from models.quiet import group_rules
from models.reach import Reach, reach_in
from models.schedule import done_until

log = logs.logger(__name__)

CHANNELS: dict[str, Any] = {
    "wecom_app": wecom_app.WecomApp,
    "wecom_aibot": wecom_aibot.WecomAibot,
    "wecom_aibot_socket": wecom_aibot_socket.WecomAibotSocket,
    "wecom_group_webhook": wecom_group_webhook.WecomGroupWebhook,
}
"""Every channel that can be configured, by its `kind`."""

CHANNEL_SETTINGS: dict[str, type[BaseModel]] = {
    "wecom_app": wecom_app.Settings,
    "wecom_aibot": wecom_aibot.Settings,
    "wecom_aibot_socket": wecom_aibot_socket.Settings,
    "wecom_group_webhook": wecom_group_webhook.Settings,
}

FEATURE_SETTINGS: dict[str, type[BaseModel]] = {
    "activities": activities.Settings,
    "check_in": check_in.Settings,
    "broadcast": broadcast.Settings,
    "care": care.Settings,
    "duties": duties.Settings,
    "members": members.Settings,
    "points": points.Settings,
    "posts": posts.Settings,
    "privacy": privacy.Settings,
    "proxies": proxies.Settings,
    "tenure": tenure.Settings,
    "reports": reports.Settings,
    "roll": roll.Settings,
    "series": series.Settings,
}

AFTER_A_BUG_SECONDS = 5.0
"""Before a channel's connection is tried again that a bug has ended."""

TICK_LATE_SECONDS = 120
"""A scheduler that has not ticked for so long is not ready: reminders would be missed."""


def reach_of(channels: Iterable[Channel], delivery: Delivery) -> Reach:
    """What the channels can do together, in the words of whoever announces or asks something."""
    every = list(channels)
    return Reach(
        groups=frozenset(one.name for one in every if one.ability.pushes_to_groups),
        people=frozenset(one.namespace for one in every if one.ability.pushes_to_people),
        everything=frozenset(one.name for one in every if one.ability.hears is Hears.EVERYTHING),
        mentions=frozenset(one.name for one in every if one.ability.hears is Hears.MENTIONS),
        buttons=frozenset(one.name for one in every if one.ability.buttons),
        tapped=_tapped(every),
        files=frozenset(one.name for one in every if one.ability.pushes_to_groups and one.ability.file_bytes),
        carried=frozenset(one.namespace for one in every if one.ability.pushes_to_people and one.ability.file_bytes),
        quiet=delivery.quiet(),
        posts_max=delivery.group_posts_a_day_max,
        must_open=_must_open(every),
    )


class House:
    """One running bot: books, channels, dispatcher, scheduler, postman. `serve` puts it behind HTTP."""

    def __init__(
        self,
        config: Config,
        books: Books,
        *,
        clock: Clock | None = None,
        wall: Clock | None = None,
        beside: Sequence[Channel] = (),
        promised: tuple[OpenObject, ...] = (),
    ) -> None:
        """`beside` are channels that no configuration names: the script of the command line, fakes of tests.

        `promised` are things that are understood before their features are there (`bot.demo.PROMISED`).
        """
        self.config = config
        self.books = books
        self._database = config.database.address().render_as_string(hide_password=False)
        self.wall = wall or WallClock()
        self.clock = clock or self.wall
        # Who gives a link must know under which address this house is seen from outside.
        self.rules: dict[str, Any] = {**config.features, "http": config.http}
        self.metrics = Metrics(channels=config.channels, jobs=[job.name for job in JOBS])
        self.channels: dict[str, Channel] = {
            name: self._channel(name, settings) for name, settings in config.channels.items()
        }
        self.channels |= {channel.name: channel for channel in beside}
        self.community: directory.CommunityHere | None = None
        """The first community, for the simulator's page; known once the house serves."""
        self.simulator: Simulator | None = None
        if config.simulator.enabled:
            self.simulator = Simulator(Stage(self))
            self.channels[self.simulator.name] = self.simulator
        # Who asks somebody something, or announces it, must know whether that reaches them.
        self.rules["reach"] = reach_of(self.channels.values(), config.delivery)
        self.dispatcher = Dispatcher(
            books=books,
            clock=self.clock,
            wall=self.wall,
            features=UNDERSTOOD,
            rules=self.rules,
            heard=self.metrics.heard,
            promised=promised,
        )
        self.postman = Postman(
            books,
            self.channels,
            community_clock=self.clock,
            wall=self.wall,
            sealer=Sealer(config.secrets.keys()),
            settings=config.delivery,
            public_url=config.http.public_url,
            waiting=self.metrics.outbox_waiting,
            broken=self.metrics.delivery_incidents,
            pushed=lambda channel, outcome: self.metrics.channel(channel).pushed(PushOutcome(outcome)),
        )
        self.leadership = Leadership(self._database)
        self.scheduler = Scheduler(
            books=books,
            jobs=JOBS,
            clock=self.clock,
            wall=self.wall,
            rules=self.rules,
            leadership=self.leadership,
            ran=lambda job, outcome: self.metrics.job(job, JobOutcome(outcome)),
        )
        self.listening = Listening(books, self.metrics, names=config.channels, wall=self.wall)
        self.health = Health()
        self.health.register("数据库", self._database_answers)
        self.health.register("发消息", self._goes_out, warns=True)
        books.on_commit.append(self.metrics.committed)
        books.on_posted.append(self.postman.wake)

    def _channel(self, name: str, settings: Any) -> Channel:
        kind = CHANNELS[settings.kind]
        if settings.kind == "wecom_group_webhook":
            channel: Channel = kind(name, settings)
        elif settings.kind == "wecom_aibot_socket":
            channel = kind(
                name,
                settings,
                lead=Leadership(self._database, lock=zlib.crc32(f"{settings.kind}/{settings.bot_id}".encode())),
                refused=self.metrics.channel(name).refused,
                connected=partial(self.metrics.connected, name),
            )
            self.metrics.connected(name, False)
        else:
            channel = kind(
                name,
                settings,
                wall=self.wall.now,
                refused=self.metrics.channel(name).refused,
                read_seconds=self.config.http.body_seconds_max,
            )
        return channel

    async def hear(self, incoming: Incoming) -> Reply:
        """Answers one message; see `Dispatcher.hear`."""
        return await self.dispatcher.hear(incoming)

    def adopt(self, config: Config) -> None:
        """Takes what may change while it serves; see `bot/reloading.py` for what that is."""
        for name, settings in config.channels.items():
            if name in self.channels and settings.kind == self.config.channels[name].kind:
                self.channels[name].adopt(settings)
        self.rules.update(config.features)
        self.rules["reach"] = reach_of(self.channels.values(), config.delivery)
        self.postman.adopt(Sealer(config.secrets.keys()), config.delivery)

    async def advance(self, to: datetime, moved: Callable[[datetime], Awaitable[None]] | None = None) -> None:
        """Moves community time forward, runs what is due in between in order, and delivers what it makes.

        Raises ValueError for a moment in the past, and for a house whose clock is the wall's.
        """
        if not isinstance(self.clock, MovedClock):
            raise ValueError("the wall clock cannot be moved")
        clock = self.clock
        if to < clock.now():
            raise ValueError("community time moves forward only")

        async def step(moment: datetime) -> None:
            # What the last slot made goes out before the clock moves on to the next, and what is due on the way then.
            await self.postman.deliver_due()
            while (due := await self._next_due(moment)) is not None:
                clock.move_to(due)
                await self.postman.deliver_due()
            if moment > clock.now():
                clock.move_to(moment)

        await self.scheduler.run_until(to, step)
        await step(to)
        await self.postman.deliver_due()

    async def _next_due(self, before: datetime) -> datetime | None:
        now = self.clock.now()
        return await self.books.read(lambda session: outbox.next_due(session, after=now, before=before))

    def application(self) -> web.Application:
        """The HTTP side: callbacks, health, metrics, and the simulator where it is asked for."""
        app = web.Application(client_max_size=self.config.http.body_bytes_max)
        for channel in self.channels.values():
            app.add_routes(channel.routes(self.hear))
        app.add_routes(self.health.routes())
        app.add_routes(self.metrics.routes())
        app.add_routes(Files(self.books, self.clock).routes())
        app.add_routes(poster.routes())
        app.add_routes(Receipts(self.books, self.clock, self.config.http.public_url).routes())
        app.cleanup_ctx.append(self._live)
        if self.simulator is not None:
            simulator = self.simulator

            async def stop_streams(_app: web.Application) -> None:
                await simulator.close()

            app.on_shutdown.append(stop_streams)
        return app

    async def _live(self, _app: web.Application) -> AsyncIterator[None]:
        """From here on jobs run and messages go out, until the server has answered what it had read."""
        self.community = next(iter(await self.books.read(directory.communities)), None)
        self.scheduler.start(int(self.config.jobs.tick_seconds))
        self.health.register("定时任务", self._ticks)
        postman = asyncio.create_task(self.postman.run())
        connected = {name: one for name, one in self.channels.items() if isinstance(one, Connected)}
        for name, channel in connected.items():
            self.health.register(f"通道 {name}", partial(_trouble, channel))
        connections = [asyncio.create_task(self._keep_connected(channel)) for channel in connected.values()]
        listening = asyncio.create_task(self.listening.run())
        yield
        listening.cancel()
        await self.scheduler.stop()
        self.postman.stop()
        await postman
        for channel in connected.values():
            channel.stop()
        await asyncio.gather(*connections)

    async def _keep_connected(self, channel: Connected) -> None:
        """Runs a channel that has a connection; after a bug, once more."""
        while True:
            running = asyncio.create_task(channel.run(self.hear))
            await asyncio.wait([running])
            if (error := running.exception()) is None:
                return
            log.error("channel.failed", exc_info=error)
            await asyncio.sleep(AFTER_A_BUG_SECONDS)

    async def _database_answers(self) -> str:
        try:
            await self.books.read(lambda session: session.execute(text("SELECT 1")))
            if self.books.failing:
                # Only trying shows that commits succeed again: while this is not ready, nobody sends a message.
                await self.books.prove_writable()
        except BooksBusy:
            self.metrics.database_up(False)
            return "数据库暂时用不了"
        except Exception:
            self.metrics.database_up(False)
            raise
        self.metrics.database_up(True)
        return ""

    async def _goes_out(self) -> str:
        try:
            return mail.health(await self.books.read(outages.incidents))
        except BooksBusy:
            return "数据库暂时用不了"

    async def _ticks(self) -> str:
        last = self.scheduler.last_tick
        if last is None:
            return "" if await self.books.read(done_until) is not None else "还没有开始"
        self.metrics.ticked(last)
        late = (self.wall.now() - last).total_seconds()
        return "" if late < TICK_LATE_SECONDS else f"已经{late:.0f}秒没有检查到点的事"

    async def close(self) -> None:
        """Ends everything; the books last."""
        for channel in self.channels.values():
            await channel.close()
        await self.health.close()
        await self.books.close()


def _must_open(channels: Iterable[Channel]) -> dict[str, frozenset[str]]:
    """For each namespace in which nobody can be written to who has not written first: on which channels they must."""
    pushing: dict[str, list[Channel]] = {}
    for channel in channels:
        if channel.ability.pushes_to_people:
            pushing.setdefault(channel.namespace, []).append(channel)
    return {
        namespace: frozenset(channel.name for channel in those)
        for namespace, those in pushing.items()
        if not any(channel.ability.writes_first for channel in those)
    }


def _tapped(channels: Iterable[Channel]) -> frozenset[str]:
    """The namespaces in which whoever is written to sees buttons, whatever channel it comes by."""
    pushing = [channel for channel in channels if channel.ability.pushes_to_people]
    without = {channel.namespace for channel in pushing if not channel.ability.buttons}
    return frozenset(channel.namespace for channel in pushing) - without


async def _trouble(channel: Connected) -> str:
    return channel.trouble()


ROLE_LABELS = {
    members.Role.RESIDENT: "居民",
    members.Role.MEMBER: "党员",
    members.Role.PROPERTY: "物业",
    members.Role.OWNERS_COMMITTEE: "业委会",
    members.Role.BUILDING_LEAD: "楼长",
    members.Role.GROUP_LEADER: "党小组长",
    members.Role.BRANCH_SECRETARY: "支部书记",
    members.Role.STAFF: "社工",
    members.Role.SECRETARY: "书记",
    members.Role.ADMIN: "管理员",
}


SHOWN_TOGETHER = {
    "waiting": [OutboxState.WAITING],
    "sent": [OutboxState.SENT],
    "failed": [OutboxState.FAILED, OutboxState.HANDED_ON],
    "unknown": [OutboxState.UNKNOWN],
}
"""The states behind each of the panel's names."""
LETTERS = 100
LETTERS_SINCE = timedelta(days=7)


class Stage:
    """The house as the simulator sees it: its people, its groups, its clock."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def bot_name(self) -> str:
        return self._house.community.bot_name if self._house.community else "小邻"

    @property
    def community_name(self) -> str:
        return self._house.community.name if self._house.community else "还没有社区"

    async def people(self) -> list[Someone]:
        now = self.now()
        order = {one.name: index for index, one in enumerate(CAST)}

        def load(session: Any) -> list[Someone]:
            ids = session.scalars(
                select(directory.Identity.external_id).where(directory.Identity.namespace == "simulator")
            ).all()
            found = []
            for external_id in ids:
                for person in members.find_people(session, namespace="simulator", external_id=external_id, now=now):
                    label = ROLE_LABELS[person.role]
                    if person.role is members.Role.RESIDENT and person.standing is members.Standing.PARTY_MEMBER:
                        label = "党员"
                    found.append(Someone(external_id, person.name, label))
            return sorted(found, key=lambda one: (order.get(one.sender, len(order)), one.name))

        everybody = await self._house.books.read(load)
        known = {one.sender for one in everybody}
        strangers = [Someone(name, name, "陌生人") for name in ("陌生人", "张三") if name not in known]
        return [*everybody[: len(CAST)], *strangers, *everybody[len(CAST) :]]

    async def groups(self) -> list[Place]:
        def load(session: Any) -> list[Place]:
            rows = session.execute(
                select(directory.Endpoint.address, directory.Group.name)
                .join(directory.Group, directory.Endpoint.group_id == directory.Group.id)
                .where(directory.Endpoint.channel == "simulator")
                .order_by(directory.Endpoint.id)
            )
            return [Place(row.address, row.name) for row in rows]

        bound = await self._house.books.read(load)
        unbound = [] if any(place.address == NEW_CHAT for place in bound) else [Place(NEW_CHAT, NEW_CHAT)]
        return [*bound, *unbound]

    def now(self) -> datetime:
        return self._house.clock.now()

    async def advance(self, to: datetime) -> None:
        await self._house.advance(to)

    async def mail(self, show: str) -> Mail:
        states, now = SHOWN_TOGETHER[show], self.now()

        def load(session: Any) -> Mail:
            found = deliveries.deliveries(session, states=states, limit=LETTERS)
            figures = deliveries.figures(session, since=self._house.wall.now() - LETTERS_SINCE)
            counted = {key: sum(figures.get(one, 0) for one in some) for key, some in SHOWN_TOGETHER.items()}
            # What went out is not counted: it is nearly all of it.
            del counted["sent"]
            troubles = [mail.trouble(one, alarms.named(session, one)) for one in outages.incidents(session)]
            reach = reach_in(self._house.rules)
            rules = [
                line
                for community in directory.communities(session)
                for line in quiet.of_their_own(group_rules(session, community_id=community.id), reach)
            ]
            return Mail([mail.letter(one, now) for one in found], counted, troubles, rules)

        return await self._house.books.read(load)

    async def wish(self, number: int, wish: str) -> str:
        now, wall = self.now(), self._house.wall.now()

        def grant(session: Any) -> deliveries.Answer:
            if wish == "again":
                return deliveries.send_again(session, number, now=now)
            return deliveries.give_up(session, number, now=now, wall=wall)

        answer = await self._house.books.write(grant)
        if answer is not deliveries.Answer.DONE:
            raise Misuse(mail.ANSWERS[answer].format(number=number))
        return f"第{number}条{'会再发' if wish == 'again' else '不再发了'}。"
