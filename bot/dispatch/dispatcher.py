"""One message in, one reply out: what is meant is decided against a snapshot, and then a unit of work runs."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy.orm import Session

from bot import first_contact, logs
from bot.books import Books, BooksBusy, BooksClosed
from bot.channels import Unavailable
from bot.dispatch.keeping import stored_answer
from bot.dispatch.questions import YES_OR_NO, Questions
from bot.dispatch.queues import Groups, Queues
from bot.dispatch.running import Runner
from bot.dispatch.scene import SILENCE, AnsweredMeanwhile, Heard, Scene, echo, is_free, token_of
from bot.dispatch.senders import Senders, chosen_of
from bot.dispatch.units import Units
from bot.troubles import kept
from bot.worlds import Snapshot, Worlds
from handlers.chat import PHOTO, Incoming, Reply, Router, Texts, sentence, shown_in
from handlers.language.match import Grammar, OpenObject, Understanding
from handlers.language.normalise import Typed, normalise
from handlers.language.slots import Kind
from models import inbox
from models.clock import Clock, local
from models.directory import CommunityHere, GroupHere, has_opened, is_unopened, note_opened
from models.members import Role, community_of_code
from models.reach import reach_in

log = logs.logger(__name__)

say = Texts(
    "dispatch",
    unbound_group="这个群还没有绑定到楼栋。请社区书记在群里 @我 发 绑定群 3栋。",
    stranger_somewhere="我还不认识您。请在您那栋楼的群里 @我 发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    which_community="您在几个社区都登记过：{names}。\n请发 切换社区 加名字，例如 切换社区 {first}。",
    photo_lost="照片没有收到，请再发一次。",
    shown_for_nothing="收到了，可是不知道是给哪件事的。先说要办的事，我问您要的时候再发。",
    apology="对不起，这条我没处理好，已经记下来了（编号 {message_id}）。\n请过一会儿再试，或联系社区。",
)

WILLING = {"愿意": True, "我愿意": True, "愿意的": True, "不愿意": False, "我不愿意": False}
"""What people type to any such question, whichever word it has offered them."""

RECEIVED, COMING = frozenset(("收到", "好的收到", "收到了", "收到谢谢")), "能来"
"""收到 to a place that is held for somebody means that they come."""

IN_ANY_CHAT = frozenset(("bind_group", first_contact.AGREE, first_contact.DECLINE))
"""What somebody who is known may say in a chat that is bound to nothing yet."""


@cache
def _grammar(features: tuple[Router, ...]) -> Grammar:
    # It never changes, and takes longer to build than all the rest of a house.
    return Grammar(features)


class Dispatcher:
    """Hears messages of all channels."""

    def __init__(
        self,
        *,
        books: Books,
        clock: Clock,
        wall: Clock,
        features: Sequence[Router],
        rules: Mapping[str, Any],
        heard: Callable[[str, str, float], None] | None = None,
        promised: tuple[OpenObject, ...] = (),
    ) -> None:
        """`rules` are the settings of each feature by its name, and what the channels reach under `reach`.

        `heard` is told channel, outcome and seconds of each message. `promised`: see `Worlds`.
        """
        self._books = books
        self._clock = clock
        self._wall = wall
        self._rules = rules
        self._opened: set[tuple[str, str]] = set()
        """Who is known here to have written to the bot alone."""
        self._count = heard
        self._worlds = Worlds(books, promised)
        self._queues, self._groups = Queues(), Groups()
        self.grammar = _grammar(tuple(features))
        self._senders = Senders(rules)
        self._runner = Runner(features, self.grammar, rules)
        self._questions = Questions(self.grammar, self._runner.by_intent, self._senders)
        self._units = Units(self._runner, self._questions, self._senders)
        self._by_showing = {shown: command for command in self._runner.commands for shown in command.shown}

    async def hear(self, incoming: Incoming) -> Reply:
        """Answers one message. Raises Unavailable where nothing was written and the platform should try again."""
        return (await self.answer(incoming)).reply

    async def answer(self, incoming: Incoming) -> Heard:
        """Like `hear`, and says what became of the message."""
        began = asyncio.get_running_loop().time()
        sender = (incoming.namespace, incoming.sender)
        mine, earlier = self._queues.join(sender)
        follows = self._groups.hear(incoming, self._clock.now())
        try:
            if earlier is not None:
                await asyncio.shield(earlier)
            with logs.about(incoming.channel, incoming.message_id):
                heard = await self._answer(incoming, follows)
        except (BooksBusy, BooksClosed) as busy:
            if self._count is not None:
                self._count(incoming.channel, "busy", asyncio.get_running_loop().time() - began)
            raise Unavailable from busy
        except Exception as bug:
            # A bug: everything was rolled back. The message is kept for replay, and whoever asked gets an apology.
            log.exception("dispatch.failed", channel=incoming.channel, message_id=incoming.message_id)
            heard = await self._apologise(incoming, bug)
        finally:
            self._queues.leave(sender, mine)
        if self._count is not None:
            self._count(incoming.channel, heard.outcome, asyncio.get_running_loop().time() - began)
        return heard

    async def understand(
        self, incoming: Incoming, *, role: Role = Role.RESIDENT, at: datetime | None = None
    ) -> dict[str, Any]:
        """What the message would mean for somebody of this role; writes nothing.

        The answer has the shape of the corpus: intent, slots, also, outcome, say; and why.
        """
        now = at or self._clock.now()
        snapshot = await self._worlds.at(now)
        typed = normalise(incoming.text, snapshot.bot_names)
        addressed = incoming.addressed or typed.mentioned
        community, _ = await self._place(incoming, snapshot, now)
        world = snapshot.worlds[community.id].surroundings if community else snapshot.nowhere
        meant = self.grammar.understand(
            typed, addressed=addressed, world=world, now=now, quote=incoming.quote, role=role
        )
        return {
            "intent": meant.intent,
            "slots": shown_slots(meant),
            "also": [{"intent": part.intent, "slots": shown_slots(part)} for part in meant.also],
            "outcome": meant.outcome,
            "say": meant.say,
            "why": list(meant.why),
        }

    async def _answer(self, incoming: Incoming, follows: str = "") -> Heard:
        """`follows`: the id of the message that was heard right before it in its group."""
        now = self._clock.now()
        snapshot = await self._worlds.at(now)
        typed = normalise(incoming.text, snapshot.bot_names)
        addressed = incoming.addressed or typed.mentioned
        if self._opens(incoming):
            await self._open(incoming)
        scene = None
        if not typed.text and (incoming.photos or incoming.unseen or incoming.location):
            return await self._take_shown(await self._scene(incoming, now, snapshot, typed, addressed))
        if incoming.direct and not incoming.question and self.grammar.could_fill(typed.text):
            scene = await self._scene(incoming, now, snapshot, typed, addressed)
            if (filled := await self._fill(scene)) is not None:
                return filled
        if incoming.quote is None and not self.grammar.could_be_command(typed.text, addressed=addressed):
            return self._chatter(incoming, typed, snapshot, now) if addressed else SILENCE
        if scene is None:
            scene = await self._scene(incoming, now, snapshot, typed, addressed)
        scene.follows = token_of(incoming.channel, follows) if follows else ""
        meant = scene.understanding
        log.debug("dispatch.understood", intent=meant.intent, outcome=meant.outcome, reading="; ".join(meant.why))
        if meant.outcome == "ignore":
            return await self._stored(scene) or SILENCE
        if not incoming.address and meant.intent == "accept_invitation" and len(snapshot.worlds) > 1:
            await self._follow_code(scene)
        if scene.community is None:
            return await self._nowhere(scene)
        if meant.intent == "confirm":
            return await self._confirm(scene)
        if (answered := await self._answered(scene)) is not None:
            return answered
        parts = [meant, *meant.also]
        commands = [part.command for part in parts if part.command is not None]
        if not addressed and commands and all(command.coming for command in commands):
            # What cannot be done yet is said to whoever asks the bot, and to nobody else.
            return SILENCE
        if meant.command is None and meant.outcome == "ask":
            return await self._stored(scene) or Heard(echo(scene, Reply(meant.say)), "ask")

        def unit(session: Session) -> Heard:
            return self._units.act(session, scene, parts)

        # A private answer in a group is a message of its own, which has to be written down.
        aside = bool(incoming.address) and scene.reached and any(c.private for c in commands)
        written = [command for command in commands if not command.coming]
        if aside or (written and (meant.outcome == "ask" or any(command.writes for command in written))):
            return await self._write(scene, unit)
        heard = await self._books.read(lambda session: self._units.read(session, scene, parts))
        # Whoever has to agree first is asked, and that is written down.
        return heard if heard is not None else await self._write(scene, unit)

    def _chatter(self, incoming: Incoming, typed: Typed, snapshot: Snapshot, now: datetime) -> Heard:
        """Talk to the bot in which nothing can be a command or an answer: a pointer, and no look into the books."""
        if incoming.address and (incoming.channel, incoming.address) not in snapshot.chats:
            return Heard(Reply(say("unbound_group")), "refused")
        meant = self.grammar.understand(typed, addressed=True, world=snapshot.nowhere, now=now)
        return Heard(Reply(typed.echo(meant.say)), meant.outcome)

    async def _scene(
        self, incoming: Incoming, now: datetime, snapshot: Snapshot, typed: Typed, addressed: bool
    ) -> Scene:
        community, group = await self._place(incoming, snapshot, now)
        world = snapshot.worlds[community.id].surroundings if community else snapshot.nowhere
        meant = self.grammar.understand(typed, addressed=addressed, world=world, now=now, quote=incoming.quote)
        reached = await self._reaches(incoming)
        opens = self._opens(incoming)
        return Scene(incoming, typed, now, snapshot, community, group, meant, world, addressed, reached, opens)

    def _opens(self, incoming: Incoming) -> bool:
        return incoming.direct and incoming.channel in reach_in(self._rules).must_open.get(incoming.namespace, ())

    async def _reaches(self, incoming: Incoming) -> bool:
        """Whether the bot can write to the sender by itself."""
        who = (incoming.namespace, incoming.sender)
        reach = reach_in(self._rules)
        if incoming.namespace not in reach.people:
            return False
        if incoming.direct or incoming.namespace not in reach.must_open or who in self._opened:
            return True
        opened = await self._books.read(
            lambda session: has_opened(session, namespace=incoming.namespace, external_id=incoming.sender)
        )
        if opened:
            self._opened.add(who)
        return opened

    async def _open(self, incoming: Incoming) -> None:
        """Remembers that the bot can write to the sender: also of those who only ever ask, once each."""
        who = (incoming.namespace, incoming.sender)
        if who in self._opened:
            return
        account = {"namespace": incoming.namespace, "external_id": incoming.sender}
        if await self._books.read(lambda session: is_unopened(session, **account)):
            now = self._clock.now()
            await self._books.write(lambda session: note_opened(session, **account, now=now))
        self._opened.add(who)

    async def _place(
        self, incoming: Incoming, snapshot: Snapshot, now: datetime
    ) -> tuple[CommunityHere | None, GroupHere | None]:
        if incoming.address:
            place = snapshot.chats.get((incoming.channel, incoming.address))
            return (place.community, place.group) if place else (None, None)
        if len(snapshot.worlds) == 1:
            return next(iter(snapshot.worlds.values())).community, None
        return await self._books.read(lambda session: self._senders.home(session, incoming, snapshot, now)), None

    async def _nowhere(self, scene: Scene) -> Heard:
        """A chat that is bound to nothing, or a person of no community or several: help with that, and nothing else."""
        incoming = scene.incoming
        if stored := await self._stored(scene):
            return stored
        if not scene.addressed:
            return SILENCE
        people = await self._books.read(lambda session: self._senders.people(session, incoming, scene.now))
        person = chosen_of(people)
        intent = scene.understanding.intent
        if incoming.address and intent in IN_ANY_CHAT and person is not None:
            scene.community = person.community
            scene.world = scene.snapshot.worlds[person.community.id].surroundings
            return await self._write(scene, lambda session: self._units.act(session, scene, [scene.understanding]))
        if not incoming.address and len(people) > 1:
            if intent == "choose_community":
                scene.community = people[0].community
                return await self._write(scene, lambda session: self._units.act(session, scene, [scene.understanding]))
            names = [person.community.name for person in people]
            return Heard(Reply(say("which_community", names="、".join(names), first=names[0])), "refused")
        if incoming.address:
            return Heard(Reply(say("unbound_group")), "refused")
        alone = len(scene.snapshot.worlds) < 2
        return Heard(Reply(sentence("dispatch.stranger") if alone else say("stranger_somewhere")), "refused")

    async def _fill(self, scene: Scene) -> Heard | None:
        """A place, a room, digits: an answer, where a question for it stands open in this direct conversation."""
        if scene.community is None:
            return None
        question = await self._books.read(
            lambda session: self._questions.question(session, scene) or self._questions.lapsed(session, scene)
        )
        if isinstance(question, Heard):
            return question
        if question is None or not is_free(question) or self._questions.filled(scene, question) is None:
            return None
        return await self._write(scene, lambda session: self._units.answer(session, scene))

    async def _take_shown(self, scene: Scene) -> Heard:
        """A picture or a place without words: what an open question wants, or what a command is said with."""
        if scene.community is None:
            return await self._nowhere(scene)
        shown = shown_in(scene.incoming)
        question = await self._books.read(lambda session: self._questions.question(session, scene))
        if isinstance(question, Heard):
            return question
        if not shown:
            asked = question is not None and question.slot == PHOTO
            return Heard(Reply(say("photo_lost")), "refused") if scene.addressed or asked else SILENCE
        if question is not None and question.slot in shown:
            return await self._write(scene, lambda session: self._units.answer(session, scene))
        if not scene.addressed:
            return SILENCE
        command = next((self._by_showing[one] for one in shown if one in self._by_showing), None)
        if command is None:
            return Heard(Reply(say("shown_for_nothing")), "refused")
        part = dataclasses.replace(
            scene.understanding, intent=command.intent, command=command, outcome="act", slots={}, also=()
        )
        return await self._write(scene, lambda session: self._units.act(session, scene, [part]))

    async def _follow_code(self, scene: Scene) -> None:
        """A one-time code decides the community, for whoever sends it may belong to another one or to none.

        One that does not hold is counted as wrong by any community, where the sender has none.
        """
        text = str(scene.understanding.slots.get("text", ""))
        community_id = await self._books.read(lambda session: community_of_code(session, text=text, now=scene.now))
        if community_id is None and scene.community is None:
            community_id = min(scene.snapshot.worlds)
        if community_id is not None:
            world = scene.snapshot.worlds[community_id]
            scene.community, scene.world = world.community, world.surroundings

    async def _confirm(self, scene: Scene) -> Heard:
        """是, 确认, 取消, a number: an answer, where a question stands open for this person here."""
        question = await self._books.read(lambda session: self._questions.question(session, scene))
        if isinstance(question, Heard):
            return question
        misfit = self._questions.misfit(scene, question)
        lapsed = question is None and await self._books.read(
            lambda session: self._questions.lapsed(session, scene) is not None
        )
        button = None if question or lapsed else await self._books.read(partial(self._questions.pressed, scene))
        if button is not None:
            return await self._answer(dataclasses.replace(scene.incoming, text=button.say, quote=None))
        if misfit is not None and not lapsed:
            return misfit
        no = scene.understanding.slots.get("yes") is False
        if no and question is not None and question.slot is None and question.options:
            # No is something that is done as well.
            return await self._answer(dataclasses.replace(scene.incoming, text=question.options[0], quote=None))
        return await self._write(scene, lambda session: self._units.answer(session, scene))

    async def _answered(self, scene: Scene) -> Heard | None:
        """愿意, 收到: words with a meaning of their own, where they answer what this person was asked last."""
        text = scene.typed.text.strip(" ,.!~")
        if scene.incoming.address or not (text in WILLING or text in RECEIVED):
            return None
        if (stored := await self._stored(scene)) is not None:
            return stored
        buttons = await self._books.read(partial(self._questions.offered, scene))
        if len(buttons) != YES_OR_NO or (text in RECEIVED and buttons[0].label != COMING):
            return None
        button = buttons[0 if WILLING.get(text, True) else 1]
        return await self._answer(dataclasses.replace(scene.incoming, text=button.say, quote=None))

    async def _stored(self, scene: Scene) -> Heard | None:
        """The answer that this very message got before, when it meant something else."""
        return await self._books.read(lambda session: stored_answer(session, scene.incoming))

    async def _write(self, scene: Scene, unit: Callable[[Session], Heard]) -> Heard:
        try:
            return await self._books.write(unit)
        except AnsweredMeanwhile:
            stored = await self._stored(scene)
            assert stored is not None
            return stored

    async def _apologise(self, incoming: Incoming, bug: Exception) -> Heard:
        def keep(session: Session) -> None:
            inbox.keep_trouble(
                session,
                channel=incoming.channel,
                message_id=incoming.message_id,
                incoming=kept(incoming),
                error=f"{type(bug).__name__}: {bug}"[:500],
                at=self._wall.now(),
            )

        try:
            await self._books.write(keep)
        except (BooksBusy, BooksClosed) as busy:
            raise Unavailable from busy
        addressed = incoming.addressed or normalise(incoming.text, self._worlds.bot_names).mentioned
        text = say("apology", message_id=incoming.message_id[-12:]) if addressed else ""
        return Heard(Reply(text), "failed")


def shown_slots(part: Understanding) -> dict[str, Any]:
    """Slots as the corpus writes them: things by their number as text, moments in Shanghai with their offset."""
    slots = part.command.slots if part.command else ()
    things = {slot.name for slot in slots if slot.kind is Kind.OBJECT}
    whens = [slot.name for slot in slots if slot.kind is Kind.WHEN]
    # What the glossary does not name stays between the language and the handlers.
    inner = {f"{name}_{more}" for name in whens for more in ("until", "grain", "recur", "ambiguous")}
    inner |= {slot.name for slot in slots if slot.kind is Kind.DURATION}
    return {
        name: local(value).isoformat() if isinstance(value, datetime) else str(value) if name in things else value
        for name, value in part.slots.items()
        if name not in inner and not name.startswith("_")
    }
