"""One message → one transaction → one reply.

The language decides what is meant, against a snapshot; the unit of work decides what is true. Chatter costs nothing and
writes nothing. A command that only reads runs on a read-only connection; anything that writes is one unit of work, in
which a message delivered again finds its stored answer and does nothing else.
"""

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

from sqlalchemy.orm import Session

from bot import first_contact, logs
from bot.books import Books, BooksBusy, BooksClosed
from bot.channels import Unavailable
from bot.troubles import kept
from bot.worlds import Snapshot, Worlds
from handlers import consent
from handlers.chat import (
    COMMON_REFUSALS,
    LINES,
    PHOTO,
    PLACE,
    Answer,
    Ask,
    Button,
    Command,
    Incoming,
    Reply,
    Router,
    Texts,
    Turn,
    in_few_lines,
    shown_in,
)
from handlers.language.match import Grammar, OpenObject, Surroundings, Understanding
from handlers.language.normalise import Typed, normalise
from handlers.language.slots import Kind
from handlers.shared.people import ROLE_NAMES
from models import audit, inbox, outbox, pending
from models.base import Refusal
from models.clock import Clock, local, spoken
from models.database import savepoint
from models.directory import CommunityHere, GroupHere, has_opened, is_unopened, note_opened
from models.members import (
    Person,
    RegistrationState,
    Role,
    agreed_before,
    community_of_code,
    find_people,
    last_word,
    masked,
)
from models.reach import reach_in

log = logs.logger(__name__)

say = Texts(
    "dispatch",
    unbound_group="这个群还没有绑定到楼栋。请社区书记在群里 @我 发 绑定群 3栋。",
    stranger="我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    stranger_somewhere="我还不认识您。请在您那栋楼的群里 @我 发 绑定 姓名 楼栋，例如 绑定 张三 3栋。",
    stranger_rejected="您上次的绑定申请没有通过（{reason}）。\n请核对后再发 绑定 姓名 楼栋。",
    stranger_waiting="您的绑定申请（{number}号）正在核对，请稍等，有结果我会告诉您。",
    which_community="您在几个社区都登记过：{names}。\n请发 切换社区 加名字，例如 切换社区 {first}。",
    not_allowed="这件事要{role}来办。您能办的事请发 帮助。",
    beyond="这件事不在您负责的范围里。您能办的事请发 帮助。",
    sent_privately="已私信您。",
    ask_privately="这件事请私聊我说：打开和我的单聊，发 {usage}。",
    nothing_pending="现在没有等您回复的事。看看我会什么，请发 帮助。",
    too_late="等得太久了，刚才那件没有办。还要办的话，请重新发一次。",
    yes_or_no="请回复 确认 或 取消。",
    number_out="请回复 1 到 {most} 里的一个数。",
    photo_wanted="请发一张照片，不办了请回复 取消。",
    place_wanted="请把位置发给我（点加号，选 位置），不办了请回复 取消。",
    photo_lost="照片没有收到，请再发一次。",
    shown_for_nothing="收到了，可是不知道是给哪件事的。先说要办的事，我问您要的时候再发。",
    pressed_late="这个按钮现在不管用了：那件事已经办过、已经过时，或者问的不是您。",
    value_wanted="请照刚才问的回复，不办了请回复 取消。",
    dropped="好的，不办了。",
    apology="对不起，这条我没处理好，已经记下来了（编号 {message_id}）。\n请过一会儿再试，或联系社区。",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a message: the reply, and the outcome for the books of the operator."""

    reply: Reply
    outcome: str
    """act, read, ask, refused, ignore, repeated, failed."""


RUN = ""
"""The slot of a question that only asks whether a command is meant: 是 runs it, without standing for its 确认."""

SHOWN = (PHOTO, PLACE)

NUMBERED_WITHIN = timedelta(minutes=30)
"""A bare number right after a message with buttons means one of them, unless this much time has passed."""
QUOTED_WITHIN = timedelta(days=7)
"""The same for a number beside a quotation of that message."""
YES_OR_NO = 2
"""A message to one person with so many buttons asks them something: the first says yes to it, the second no."""
WILLING = {"愿意": True, "我愿意": True, "愿意的": True, "不愿意": False, "我不愿意": False}
"""What people type to any such question, whichever word it has offered them."""
RECEIVED, COMING = frozenset(("收到", "好的收到", "收到了", "收到谢谢")), "能来"
"""收到 to a place that is held for somebody means that they come."""

SILENCE = Heard(Reply(), "ignore")

PLAIN_YES = frozenset(("确认", "确定", "是", "是的"))
"""What 确认 may be in talk that was only overheard: 好的 and 行 are said to neighbours all day long."""


IN_ANY_CHAT = frozenset(("bind_group", first_contact.AGREE, first_contact.DECLINE))
"""What somebody who is known may say in a chat that is bound to nothing yet."""

NEVER = datetime.min.replace(tzinfo=UTC)


@cache
def _grammar(features: tuple[Router, ...]) -> Grammar:
    # It never changes, and takes longer to build than all the rest of a house.
    return Grammar(features)


class AnsweredMeanwhile(Exception):
    """Another process answered the same message in this very moment; this unit must leave no trace."""


class Queues:
    """Messages of one sender take effect in the order of arrival."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], asyncio.Future[None]] = {}

    def join(self, sender: tuple[str, str]) -> "tuple[asyncio.Future[None], asyncio.Future[None] | None]":
        """A place behind the sender's last message: what to `leave` with, and what to wait for before one's turn."""
        before = self._last.get(sender)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last[sender] = mine
        return mine, before

    def leave(self, sender: tuple[str, str], mine: "asyncio.Future[None]") -> None:
        """Lets the next one in."""
        mine.set_result(None)
        if self._last.get(sender) is mine:
            del self._last[sender]


@dataclass(slots=True)
class Scene:
    """Everything about one message that does not change while it is worked on."""

    incoming: Incoming
    typed: Typed
    now: datetime
    snapshot: Snapshot
    community: CommunityHere | None
    group: GroupHere | None
    understanding: Understanding
    world: Surroundings
    addressed: bool
    reached: bool = False
    """The bot can write to the sender by itself."""


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
        self._queues = Queues()
        self.grammar = _grammar(tuple(features))
        self.commands = tuple(command for router in features for command in router)
        self._by_intent = {command.intent: command for command in self.commands}
        self._by_showing = {shown: command for command in self.commands for shown in command.shown}
        self._refusals: dict[type[Refusal], str] = dict(COMMON_REFUSALS)
        self._own_refusals: dict[str, Mapping[type[Refusal], str]] = {}
        for router in features:
            for kind, sentence in router.refusals.items():
                self._refusals.setdefault(kind, sentence)
            for command in router:
                self._own_refusals[command.intent] = router.refusals

    async def hear(self, incoming: Incoming) -> Reply:
        """Answers one message. Raises Unavailable where nothing was written and the platform should try again."""
        return (await self.answer(incoming)).reply

    async def answer(self, incoming: Incoming) -> Heard:
        """Like `hear`, and says what became of the message."""
        began = asyncio.get_running_loop().time()
        sender = (incoming.namespace, incoming.sender)
        mine, before = self._queues.join(sender)
        try:
            if before is not None:
                await asyncio.shield(before)
            with logs.about(incoming.channel, incoming.message_id):
                heard = await self._answer(incoming)
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

    # -- what is meant ----------------------------------------

    async def _answer(self, incoming: Incoming) -> Heard:
        now = self._clock.now()
        snapshot = await self._worlds.at(now)
        typed = normalise(incoming.text, snapshot.bot_names)
        addressed = incoming.addressed or typed.mentioned
        if incoming.direct and incoming.channel in reach_in(self._rules).must_open.get(incoming.namespace, ()):
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
            return await self._stored(scene) or Heard(self._echo(scene, Reply(meant.say)), "ask")

        def unit(session: Session) -> Heard:
            return self._unit(session, scene, parts)

        # A private answer in a group is a message of its own, which has to be written down.
        aside = bool(incoming.address) and scene.reached and any(c.private for c in commands)
        written = [command for command in commands if not command.coming]
        if aside or (written and (meant.outcome == "ask" or any(command.writes for command in written))):
            return await self._write(scene, unit)
        heard = await self._books.read(lambda session: self._read(session, scene, parts))
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
        return Scene(incoming, typed, now, snapshot, community, group, meant, world, addressed, reached)

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
        return await self._books.read(lambda session: self._home(session, incoming, snapshot, now)), None

    def _home(self, session: Session, incoming: Incoming, snapshot: Snapshot, now: datetime) -> CommunityHere | None:
        """Whose matter a direct conversation is: of the sender's community, or of the one that is to know them."""
        people = self._people(session, incoming, now)
        if people:
            chosen = _chosen(people)
            return chosen.community if chosen else None
        asked = pending.where_asked(session, account=pending.account(incoming.namespace, incoming.sender), now=now)
        return snapshot.worlds[asked].community if asked in snapshot.worlds else None

    def _people(self, session: Session, incoming: Incoming, now: datetime) -> list[Person]:
        return find_people(
            session,
            namespace=incoming.namespace,
            external_id=incoming.sender,
            now=now,
            version=self._rules["members"].consent_version,
        )

    async def _nowhere(self, scene: Scene) -> Heard:
        """A chat that is bound to nothing, or a person of no community or several: help with that, and nothing else."""
        incoming = scene.incoming
        if stored := await self._stored(scene):
            return stored
        if not scene.addressed:
            return SILENCE
        people = await self._books.read(lambda session: self._people(session, incoming, scene.now))
        person = _chosen(people)
        intent = scene.understanding.intent
        if incoming.address and intent in IN_ANY_CHAT and person is not None:
            scene.community = person.community
            scene.world = scene.snapshot.worlds[person.community.id].surroundings
            return await self._write(scene, lambda session: self._unit(session, scene, [scene.understanding]))
        if not incoming.address and len(people) > 1:
            if intent == "choose_community":
                scene.community = people[0].community
                return await self._write(scene, lambda session: self._unit(session, scene, [scene.understanding]))
            names = [person.community.name for person in people]
            return Heard(Reply(say("which_community", names="、".join(names), first=names[0])), "refused")
        if incoming.address:
            return Heard(Reply(say("unbound_group")), "refused")
        alone = len(scene.snapshot.worlds) < 2
        return Heard(Reply(say("stranger" if alone else "stranger_somewhere")), "refused")

    async def _fill(self, scene: Scene) -> Heard | None:
        """A place, a room, digits: an answer, where a question for it stands open in this direct conversation."""
        if scene.community is None:
            return None
        question = await self._books.read(
            lambda session: self._question(session, scene) or self._lapsed(session, scene)
        )
        if isinstance(question, Heard):
            return question
        if question is None or not _is_free(question) or self._filled(scene, question) is None:
            return None
        return await self._write(scene, lambda session: self._answer_question(session, scene))

    async def _take_shown(self, scene: Scene) -> Heard:
        """A picture or a place without words: what an open question wants, or what a command is said with."""
        if scene.community is None:
            return await self._nowhere(scene)
        shown = shown_in(scene.incoming)
        question = await self._books.read(lambda session: self._question(session, scene))
        if isinstance(question, Heard):
            return question
        if not shown:
            asked = question is not None and question.slot == PHOTO
            return Heard(Reply(say("photo_lost")), "refused") if scene.addressed or asked else SILENCE
        if question is not None and question.slot in shown:
            return await self._write(scene, lambda session: self._answer_question(session, scene))
        if not scene.addressed:
            return SILENCE
        command = next((self._by_showing[one] for one in shown if one in self._by_showing), None)
        if command is None:
            return Heard(Reply(say("shown_for_nothing")), "refused")
        part = dataclasses.replace(
            scene.understanding, intent=command.intent, command=command, outcome="act", slots={}, also=()
        )
        return await self._write(scene, lambda session: self._unit(session, scene, [part]))

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
        question = await self._books.read(lambda session: self._question(session, scene))
        if isinstance(question, Heard):
            return question
        misfit = self._misfit(scene, question)
        lapsed = question is None and await self._books.read(lambda session: self._lapsed(session, scene) is not None)
        if question is None and not lapsed and (button := await self._books.read(partial(self._pressed, scene))):
            return await self._answer(dataclasses.replace(scene.incoming, text=button.say, quote=None))
        if misfit is not None and not lapsed:
            return misfit
        no = scene.understanding.slots.get("yes") is False
        if no and question is not None and question.slot is None and question.options:
            # No is something that is done as well.
            return await self._answer(dataclasses.replace(scene.incoming, text=question.options[0], quote=None))
        return await self._write(scene, lambda session: self._answer_question(session, scene))

    async def _answered(self, scene: Scene) -> Heard | None:
        """愿意, 收到: words with a meaning of their own, where they answer what this person was asked last."""
        text = scene.typed.text.strip(" ,.!~")
        if scene.incoming.address or not (text in WILLING or text in RECEIVED):
            return None
        if (stored := await self._stored(scene)) is not None:
            return stored
        buttons = await self._books.read(partial(self._offered, scene))
        if len(buttons) != YES_OR_NO or (text in RECEIVED and buttons[0].label != COMING):
            return None
        button = buttons[0 if WILLING.get(text, True) else 1]
        return await self._answer(dataclasses.replace(scene.incoming, text=button.say, quote=None))

    async def _stored(self, scene: Scene) -> Heard | None:
        """The answer that this very message got before, when it meant something else."""
        return await self._books.read(lambda session: self._before(session, scene.incoming))

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

    # -- what is true: runs in a database thread, touches nothing but the session ------------------------------------

    def _before(self, session: Session, incoming: Incoming) -> Heard | None:
        stored = inbox.find_answer(session, channel=incoming.channel, message_id=incoming.message_id)
        return Heard(Reply(stored.reply, stored.ref, stored.buttons), "repeated") if stored else None

    def _person(self, session: Session, scene: Scene) -> Person | None:
        assert scene.community is not None
        for person in self._people(session, scene.incoming, scene.now):
            if person.community.id == scene.community.id:
                return person
        return None

    def _question(self, session: Session, scene: Scene) -> pending.Question | Heard | None:
        person = self._person(session, scene)
        question = _meant(scene, pending.open_question(session, **self._asked(scene, person), now=scene.now))
        # Looked up last: where another replica answered this very message, its answer was there when the question went.
        return self._before(session, scene.incoming) or question

    def _pressed(self, scene: Scene, session: Session) -> Button | None:
        """The button that is meant by a bare number, or by yes or no to a question that was put to one person alone.

        Said to the bot right after its message, or beside a quotation of it.
        """
        slots = scene.understanding.slots
        number, buttons = slots.get("number"), self._offered(scene, session)
        if (yes := slots.get("yes")) is not None and not scene.group and len(buttons) == YES_OR_NO:
            number = 1 if yes else 2
        button = buttons[number - 1] if number is not None and 1 <= number <= len(buttons) else None
        # What answers a question answers none but that one, which is not open any more.
        return button if button is not None and not button.question else None

    def _offered(self, scene: Scene, session: Session) -> tuple[Button, ...]:
        """The buttons of the message that this one may answer."""
        quote, person = scene.incoming.quote, self._person(session, scene)
        if not scene.addressed or scene.incoming.question or person is None:
            return ()
        return outbox.offered(
            session,
            community_id=person.community.id,
            group_id=scene.group.id if scene.group else None,
            member_id=person.id,
            quoted=quote.text if quote else "",
            since=scene.now - (QUOTED_WITHIN if quote else NUMBERED_WITHIN),
        )

    def _asked(self, scene: Scene, person: Person | None) -> dict[str, Any]:
        """Under which name the questions to this sender in this conversation are kept."""
        assert scene.community is not None
        incoming = scene.incoming
        return {
            "community_id": scene.community.id,
            "member_id": person.id if person else None,
            "account": pending.account(incoming.namespace, incoming.sender),
            "conversation": pending.conversation(scene.group.id if scene.group else None),
        }

    def _read(self, session: Session, scene: Scene, parts: list[Understanding]) -> Heard | None:
        stored = self._before(session, scene.incoming)
        if stored is not None:
            return stored
        person = self._person(session, scene)
        if first_contact.awaits(person, parts):
            return None
        answers = [self._run(session, scene, person, part) for part in parts]
        return Heard(self._echo(scene, _combined(answers)), _outcome(answers))

    def _unit(self, session: Session, scene: Scene, parts: list[Understanding]) -> Heard:
        stored = self._before(session, scene.incoming)
        if stored is not None:
            return stored
        person = self._person(session, scene)
        if person is not None and first_contact.awaits(person, parts):
            return self._ask_consent(session, scene, person, parts)
        if person is not None and parts[0].intent in (first_contact.AGREE, first_contact.DECLINE):
            kept = self._take_first(session, scene, person)
            return self._answer_statement(session, scene, person, dataclasses.replace(parts[0], slots=kept))
        answers: list[Ran] = []
        stranger, rest = person is None, parts
        while rest and not (answers and first_contact.awaits(person, rest)):
            part, *rest = rest
            ran = self._run(session, scene, person, part)
            # At once, so that what follows in the same message finds it: 报名 12 撤销.
            self._record(session, scene, person, ran)
            if person is None and ran.wrote:
                person = self._person(session, scene)
            answers.append(ran)
        if stranger and person is not None:
            answers = self._welcomed(session, scene, person, answers, rest)
        return self._finish(session, scene, person, answers)

    # -- the first contact: nothing is done for members before they have agreed ------------------------------------

    def _ask_consent(self, session: Session, scene: Scene, person: Person, parts: list[Understanding]) -> Heard:
        """The privacy statement and its question, to the person alone where that is possible."""
        incoming = scene.incoming
        if person.agreed is False:
            told = Reply(consent.declined_already(), buttons=consent.BUTTONS[:1])
            declined = Heard(self._echo(scene, told), "refused")
            return declined if incoming.direct else SILENCE
        privately = bool(incoming.address) and scene.reached
        again = agreed_before(session, community_id=person.community.id, member_id=person.id)
        asked = self._asked(scene, person)
        if privately:
            asked["conversation"] = pending.conversation(None)
        already = pending.open_question(session, **asked, now=scene.now)
        question = first_contact.question(incoming, parts, RUN)
        pending.ask(session, **asked, question=question, expires_at=scene.now + first_contact.STANDS)
        if not privately:
            shown = person.name if incoming.direct else _shown_name(person)
            statement = Ran(Reply(consent.statement(shown, again=again), buttons=consent.BUTTONS))
            return self._finish(session, scene, person, [statement], outcome="ask")
        if already is None or already.intent != first_contact.AGREE:
            statement = Ran(Reply(consent.statement(person.name, again=again), buttons=consent.BUTTONS))
            self._send_privately(session, scene, person, self._echo(scene, statement.reply))
        aloud = Ran(Reply(consent.first_in_group(_shown_name(person), again=again)))
        return self._finish(session, scene, person, [aloud], outcome="ask")

    def _take_first(self, session: Session, scene: Scene, person: Person) -> dict[str, Any]:
        """What this person said before they were asked to agree: here, else elsewhere. All of it is taken away."""
        asked = self._asked(scene, person)
        kept: dict[str, Any] = {}
        here = asked["conversation"]
        open_in = pending.conversations(
            session, community_id=person.community.id, member_id=person.id, intent=first_contact.AGREE, now=scene.now
        )
        for conversation in sorted(open_in, key=lambda one: one != here):
            asked["conversation"] = conversation
            question = pending.open_question(session, **asked, now=scene.now)
            if question is not None and pending.close_question(session, **asked) and not kept.get("first"):
                kept = question.slots
        return kept

    def _answer_statement(
        self, session: Session, scene: Scene, person: Person, part: Understanding, *, confirmed: bool = False
    ) -> Heard:
        """Records the answer; whoever agrees gets done at once what they had asked for."""
        answers = [self._run(session, scene, person, part, confirmed=confirmed)]
        self._record(session, scene, person, answers[0])
        if part.intent == first_contact.AGREE and answers[0].wrote:
            there = self._where_said(scene, part.slots)
            agreed = dataclasses.replace(person, agreed=True)
            for first in first_contact.said(part.slots, self._by_intent):
                ran = self._run(session, there, agreed, first)
                ran.aside = ran.aside and not scene.incoming.direct
                self._record(session, scene, person, ran)
                answers.append(ran)
            if sum(ran.reply.text.count("\n") + 1 for ran in answers) > LINES:
                # What was done says that the answer was heard.
                answers = answers[1:]
        return self._finish(session, scene, person, answers)

    def _welcomed(
        self, session: Session, scene: Scene, person: Person, answers: list["Ran"], rest: list[Understanding]
    ) -> list["Ran"]:
        """Whoever has just become somebody hears the privacy statement at once; `rest` waits for their answer."""
        if person.agreed is not None:
            return [*answers, Ran(Reply(consent.declined_already()))] if rest else answers
        question = first_contact.question(scene.incoming, rest, RUN)
        asked = self._asked(scene, person)
        pending.ask(session, **asked, question=question, expires_at=scene.now + first_contact.STANDS)
        statement = Ran(Reply(consent.statement(), buttons=consent.BUTTONS))
        if sum(ran.reply.text.count("\n") + 1 for ran in (*answers, statement)) > LINES:
            # The statement is never cut short: before it stands the line that says who they are now.
            last = answers[-1].reply.text.split("\n", 1)[0]
            for ran in answers:
                ran.reply = Reply(last if ran is answers[-1] else "")
        return [*answers, statement]

    def _where_said(self, scene: Scene, kept: Mapping[str, Any]) -> Scene:
        """The scene as it was when something was said in a group that is done now."""
        if not kept.get("address"):
            return scene
        incoming = dataclasses.replace(scene.incoming, channel=kept["channel"], address=kept["address"])
        place = scene.snapshot.chats.get((incoming.channel, incoming.address))
        return dataclasses.replace(scene, incoming=incoming, group=place.group if place else None)

    def _lapsed(self, session: Session, scene: Scene) -> pending.Question | None:
        if not (scene.addressed or _says_plainly(scene)):
            return None
        asked = self._asked(scene, self._person(session, scene))
        return _meant(scene, pending.lapsed_question(session, **asked, now=scene.now))

    def _filled(self, scene: Scene, question: pending.Question) -> dict[str, Any] | None:
        """The slots of a free question with what this text adds; None where it is no answer to it."""
        command = self._by_intent[question.intent]
        return self.grammar.fill(command, question.slots, scene.typed.text, world=scene.world, now=scene.now)

    def _misfit(self, scene: Scene, question: pending.Question | None) -> Heard | None:
        """What becomes of an answer that no open question asked for; None where it fits the one that is open.

        In overheard talk a doubtful answer was meant for a neighbour: silence.
        """
        yes, number = scene.understanding.slots.get("yes"), scene.understanding.slots.get("number")
        sentence, heard = say("pressed_late" if scene.incoming.question else "nothing_pending"), scene.addressed
        if question is not None:
            if yes is False or (_is_free(question) and self._filled(scene, question) is not None):
                return None
            most = len(question.options)
            if question.slot in SHOWN:
                if question.slot in shown_in(scene.incoming):
                    return None
                sentence = say("photo_wanted" if question.slot == PHOTO else "place_wanted")
            elif _is_free(question):
                sentence = say("value_wanted")
            elif question.slot in (None, RUN):
                if yes is True and (scene.addressed or _says_plainly(scene)):
                    return None
                sentence = say("yes_or_no")
            else:
                if 1 <= (number or (1 if yes and most == 1 else 0)) <= most:
                    return None
                sentence, heard = say("number_out", most=most), scene.addressed or number is not None
        return Heard(self._echo(scene, Reply(sentence)), "refused") if heard else SILENCE

    def _answer_question(self, session: Session, scene: Scene) -> Heard:
        question = self._question(session, scene)
        if isinstance(question, Heard):
            return question
        person = self._person(session, scene)
        lapsed = question is None and self._lapsed(session, scene) is not None
        misfit = self._misfit(scene, question)
        if misfit is not None and not lapsed:
            return misfit
        if not self._close(session, scene, person):
            # Another answer took the question in this very moment, perhaps this message on another replica.
            return self._before(session, scene.incoming) or self._misfit(scene, None) or SILENCE
        if question is None:
            # Said once, and then the question is forgotten.
            return self._finish(session, scene, person, [Ran(Reply(say("too_late")))])
        command, slots = self._by_intent[question.intent], dict(question.slots)
        part = dataclasses.replace(
            scene.understanding, intent=command.intent, command=command, outcome="act", slots=slots
        )
        given = scene.understanding.slots if scene.understanding.intent == "confirm" else {}
        if _is_free(question) and (filled := self._filled(scene, question)) is not None:
            part = dataclasses.replace(part, slots=filled)
        elif given.get("yes") is False:
            return self._finish(session, scene, person, [Ran(Reply(say("dropped")))])
        elif question.slot not in (None, RUN, *SHOWN):
            slots[question.slot] = question.options[given.get("number", 1) - 1]
        if person is not None and question.intent in (first_contact.AGREE, first_contact.DECLINE):
            return self._answer_statement(session, scene, person, part, confirmed=question.slot is None)
        ran = self._run(session, scene, person, part, confirmed=question.slot is None)
        self._record(session, scene, person, ran)
        answers = [ran]
        if person is None and ran.wrote and (person := self._person(session, scene)) is not None:
            answers = self._welcomed(session, scene, person, answers, [])
        return self._finish(session, scene, person, answers)

    def _close(self, session: Session, scene: Scene, person: Person | None) -> bool:
        return pending.close_question(session, **self._asked(scene, person))

    def _run(
        self,
        session: Session,
        scene: Scene,
        person: Person | None,
        part: Understanding,
        *,
        confirmed: bool = False,
    ) -> "Ran":
        """Runs one command; what is for the person alone is marked to be said aside."""
        command = part.command
        if command is None:
            return Ran(Reply(part.say))
        for slot, intent in command.elsewhere.items():
            if slot in part.slots:
                command = self._by_intent[intent]
                part = dataclasses.replace(part, intent=intent, command=command)
        if command.role is not None and person is None:
            official = command.role is not Role.RESIDENT and not scene.addressed
            return Ran(Reply("" if official else self._to_stranger(session, scene)), stranger=True)
        if command.direct and scene.incoming.address:
            return Ran(Reply(say("ask_privately", usage=_usage(part, command))))
        aside = command.private and bool(scene.incoming.address)
        if aside and not scene.reached:
            return Ran(Reply(say("ask_privately", usage=_usage(part, command))))
        ran = self._run_here(session, scene, person, part, command, confirmed=confirmed)
        ran.aside = aside
        return ran

    def _run_here(
        self,
        session: Session,
        scene: Scene,
        person: Person | None,
        part: Understanding,
        command: Command,
        *,
        confirmed: bool,
    ) -> "Ran":
        assert scene.community is not None
        if command.role is not None and person is not None:
            # Overheard, words that only others may say to the bot were said to the neighbours.
            if not person.may(command.role) and not (command.also and command.also(session, person)):
                denied = part.say if part.outcome == "act" else ""
                denied = denied or say("not_allowed", role=ROLE_NAMES[command.role])
                return Ran(Reply(denied if scene.addressed else ""))
            if command.for_group and scene.group and not person.may(command.role, scene.group.unit_path):
                return Ran(Reply(say("beyond") if scene.addressed else ""))
        if command.coming or (part.outcome == "ask" and command.chooses and self._names_nothing(scene, part)):
            pass  # the handler knows better which of them this person means, or that none of it can be done yet
        elif part.outcome == "ask" and (part.slot is None or part.options):
            slot = RUN if part.slot is None else part.slot
            ask = Ask(part.say, slot=slot, options=part.options, labels=part.labels)
            return Ran(Reply(part.say, buttons=ask.buttons), asked=ask, part=part)
        elif part.outcome == "ask":
            free = scene.incoming.direct and self.grammar.can_fill(command, part.slot)
            return Ran(Reply(part.say), asked=Ask(part.say, slot=part.slot) if free else None, part=part)
        turn = Turn(
            session=session,
            community=scene.community,
            person=person,
            group=scene.group,
            incoming=scene.incoming,
            now=scene.now,
            command=command,
            slots=part.slots,
            confirmed=confirmed,
            rules=self._rules,
            commands=self.commands,
            reaches=scene.reached,
        )
        try:
            if command.writes and not command.coming:
                with savepoint(session, "turn"):
                    answer = command.handler(turn)
            else:
                answer = command.handler(turn)
        except Refusal as refusal:
            return Ran(Reply(self._sentence(command, refusal)))
        return _ran(answer, turn)

    def _names_nothing(self, scene: Scene, part: Understanding) -> bool:
        """Whether the question offers everything that is possible, because nothing was named."""
        assert part.command is not None
        kinds = next((tuple(slot.of.split("|")) for slot in part.command.slots if slot.name == part.slot), ())
        every = [thing.number for thing in scene.world.possible(kinds, part.intent)]
        return bool(part.options) and list(part.options) == every[: len(part.options)]

    def _sentence(self, command: Command, refusal: Refusal) -> str:
        kind = type(refusal)
        sentence = self._own_refusals[command.intent].get(kind) or self._refusals[kind]
        fields = {k: spoken(v) if isinstance(v, datetime) else v for k, v in refusal.fields.items()}
        return sentence.format(**fields)

    def _to_stranger(self, session: Session, scene: Scene) -> str:
        assert scene.community is not None
        incoming = scene.incoming
        last = last_word(
            session, community_id=scene.community.id, namespace=incoming.namespace, external_id=incoming.sender
        )
        if last is not None and last.state is RegistrationState.REJECTED:
            return say("stranger_rejected", reason=last.reason)
        if last is not None and last.state is RegistrationState.WAITING:
            return say("stranger_waiting", number=last.number)
        return say("stranger")

    def _echo(self, scene: Scene, reply: Reply) -> Reply:
        text = scene.typed.echo(reply.text)
        return reply if text == reply.text else dataclasses.replace(reply, text=text)

    def _finish(
        self, session: Session, scene: Scene, person: Person | None, answers: list["Ran"], outcome: str = ""
    ) -> Heard:
        """Writes down what is asked, what goes out and what was answered, and only then gives the answer."""
        incoming, community = scene.incoming, scene.community
        assert community is not None
        outcome = outcome or _outcome(answers)
        if not (scene.addressed or any(ran.reply.text or ran.wrote or ran.asked for ran in answers)):
            return SILENCE
        if any(ran.stranger for ran in answers) and outcome != "act":
            # Nothing was done and nothing is kept of somebody whom the community does not know.
            return Heard(self._echo(scene, _combined(answers)), "refused")
        for ran in answers:
            if ran.asked is not None:
                self._ask(session, scene, person, ran)
        aside = [ran for ran in answers if ran.aside]
        if aside and person is not None:
            self._send_privately(session, scene, person, self._echo(scene, _combined(aside)))
            answers = [*(ran for ran in answers if not ran.aside), Ran(Reply(say("sent_privately")))]
        if incoming.direct and incoming.channel in reach_in(self._rules).must_open.get(incoming.namespace, ()):
            note_opened(session, namespace=incoming.namespace, external_id=incoming.sender, now=scene.now)
        reply = self._echo(scene, _combined(answers))
        if not inbox.record(
            session,
            channel=incoming.channel,
            message_id=incoming.message_id,
            community_id=community.id,
            member_id=person.id if person else None,
            outcome=outcome,
            reply=reply.text,
            ref=reply.ref,
            buttons=reply.buttons,
            at=scene.now,
        ):
            raise AnsweredMeanwhile
        return Heard(reply, outcome)

    def _record(self, session: Session, scene: Scene, person: Person | None, ran: "Ran") -> None:
        incoming, community = scene.incoming, scene.community
        assert community is not None
        if ran.turn is None:
            return
        for mark in ran.turn.marks:
            act = audit.record(
                session,
                community_id=community.id,
                at=scene.now,
                member_id=person.id if person else None,
                action=mark.action,
                object_ref=mark.ref,
                group_id=scene.group.id if scene.group else None,
                channel=incoming.channel,
                message_id=incoming.message_id,
                detail=dict(mark.detail),
            )
            if mark.action == "undo":
                audit.mark_undone(session, community_id=community.id, act_id=int(mark.ref), by=act)
        for told in ran.turn.told:
            told.post(session, community_id=community.id, now=scene.now)

    def _ask(self, session: Session, scene: Scene, person: Person | None, ran: "Ran") -> None:
        ask = ran.asked
        assert ask is not None
        asker = ran.turn.command.intent if ran.turn else ran.part.intent if ran.part else ""
        slots = ran.turn.slots if ran.turn else ran.part.slots if ran.part else {}
        where = self._asked(scene, person)
        token = _token(scene.incoming)
        ran.reply = dataclasses.replace(
            ran.reply, buttons=tuple(button._replace(question=token) for button in ran.reply.buttons)
        )
        if ran.aside:
            where["conversation"] = pending.conversation(None)
        pending.ask(
            session,
            **where,
            question=pending.Question(asker, slots, ask.slot, list(ask.options), token),
            expires_at=scene.now + timedelta(minutes=ask.minutes),
        )

    def _send_privately(self, session: Session, scene: Scene, person: Person, reply: Reply) -> None:
        incoming = scene.incoming
        outbox.put(
            session,
            community_id=person.community.id,
            key=f"private:{incoming.channel}:{incoming.message_id}",
            message=reply.text,
            now=scene.now,
            expires_at=scene.now + timedelta(hours=1),
            member_id=person.id,
            ref=reply.ref,
            buttons=reply.buttons,
            # It is the answer to what was just said.
            urgent=True,
        )


@dataclass(slots=True)
class Ran:
    """What one command answered."""

    reply: Reply
    asked: Ask | None = None
    part: Understanding | None = None
    """What was understood, where the question is the language's and no handler has run."""
    turn: Turn | None = None
    done: bool = False
    stranger: bool = False
    aside: bool = False
    """Said in a group, but for the person alone."""

    @property
    def wrote(self) -> bool:
        return self.turn is not None and bool(self.turn.marks)


def _token(incoming: Incoming) -> str:
    """Names the question that a message is answered with, the same one whenever that message is delivered."""
    return hashlib.sha256(f"{incoming.channel}/{incoming.message_id}".encode()).hexdigest()[:12]


def _meant(scene: Scene, question: pending.Question | None) -> pending.Question | None:
    """The question, unless a button was pressed that belongs to another one."""
    pressed = scene.incoming.question
    return question if question is not None and pressed in ("", question.token) else None


def _usage(part: Understanding, command: Command) -> str:
    """How a command is said, about the thing that was named: the number of an example is somebody else's."""
    numbers = [part.slots[slot.name] for slot in command.slots if slot.kind is Kind.OBJECT and slot.name in part.slots]
    return re.sub("[0-9]+", str(numbers[0]), command.usage, count=1) if numbers else command.usage


def _is_free(question: pending.Question) -> bool:
    """Whether the question wants a value that nobody listed: a place, a room, digits."""
    return question.slot not in (None, RUN, *SHOWN) and not question.options


def _shown_name(person: Person) -> str:
    return masked(person.name) if person.hides_name else person.name


def _says_plainly(scene: Scene) -> bool:
    return scene.typed.text.strip(" ,.!~") in PLAIN_YES


def _combined(answers: list[Ran]) -> Reply:
    """The answers of one message as one; where they are too much, each says its first line only."""
    texts = [ran.reply.text for ran in answers if ran.reply.text]
    whole = "\n".join(texts)
    if len(texts) > 1 and whole.count("\n") >= LINES:
        whole = in_few_lines([text.split("\n", 1)[0] for text in texts])
    return Reply(whole, answers[0].reply.ref, _shown(answers))


def _shown(answers: list[Ran]) -> tuple[Button, ...]:
    """The last buttons, for the last question is the one that stands open; none where 取消报名 could mean either."""
    *before, last = [ran for ran in answers if ran.reply.buttons] or [answers[-1]]
    labels = {button.label for ran in before for button in ran.reply.buttons}
    doubtful = last.asked is None and not labels.isdisjoint(button.label for button in last.reply.buttons)
    return () if doubtful else last.reply.buttons


def _outcome(answers: list[Ran]) -> str:
    if any(ran.wrote for ran in answers):
        return "act"
    if any(ran.asked for ran in answers):
        return "ask"
    return "read" if all(ran.done for ran in answers) else "refused"


def _ran(answer: Answer, turn: Turn) -> Ran:
    if isinstance(answer, Ask):
        return Ran(Reply(answer.text, buttons=answer.buttons), asked=answer, turn=turn, done=True)
    reply = Reply(answer) if isinstance(answer, str) else answer
    return Ran(reply, turn=turn, done=True)


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


def _chosen(people: list[Person]) -> Person | None:
    """Whose direct messages these are: the only community's person, or the last chosen one's."""
    if len(people) == 1:
        return people[0]
    chosen = [person for person in people if person.chosen_at is not None]
    return max(chosen, key=lambda person: person.chosen_at or NEVER, default=None)
