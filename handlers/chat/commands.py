"""How a feature declares its commands, and what a handler works with when one of them is said."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from handlers.chat.messages import Answer, Incoming
from handlers.language.slots import Slot
from models import outbox
from models.audit import Act
from models.base import Button, Placard, Refusal
from models.directory import CommunityHere, GroupHere
from models.members import Neighbour, NoSuchMember, Person, Role, SeveralMembers, Term, masked
from models.units import NoSuchUnit, UnitHere, called


@dataclass(slots=True)
class Turn:
    """One command of one person at one moment: what a handler works with.

    `person` is None only for commands open to strangers. `group` is None in a direct conversation.
    Everything that is written goes through `session`, and through actions of `models/`.
    """

    session: Session
    community: CommunityHere
    person: Person | None
    group: GroupHere | None
    incoming: Incoming
    now: datetime
    """Community time, aware UTC."""
    command: "Command"
    slots: dict[str, Any]
    confirmed: bool = False
    marks: list["Mark"] = field(default_factory=list)
    told: list["Told"] = field(default_factory=list)
    rules: Mapping[str, Any] = field(default_factory=dict)
    """The settings of each feature, by its name; and the `http` section, for links."""
    commands: tuple["Command", ...] = ()
    """Everything that can be said, for the help and for undoing."""
    reaches: bool = False
    """The bot can write to the sender of its own accord."""

    @property
    def who(self) -> Person:
        """The person who speaks. Dispatch has let only known people through to commands that need one."""
        assert self.person is not None
        return self.person

    @property
    def shown(self) -> str:
        """The speaker's name as this conversation may read it."""
        return masked(self.who.name) if self.who.hides_name and self.group else self.who.name

    def named(self, one: Neighbour | Term) -> str:
        """Somebody else's name as this conversation may read it: a hidden one in full to those in charge, alone."""
        in_charge = self.group is None and self.who.may(Role.BUILDING_LEAD)
        return one.name if in_charge else one.shown

    def called(self, unit: UnitHere) -> str:
        """What people call a unit: a door with its building."""
        return called(self.session, community_id=self.community.id, unit_id=unit.id)

    def wrote(self, action: str, ref: int | str, /, **detail: object) -> None:
        """Marks one write for the audit: `action` is the table's act (`check_in`), `ref` the row it made."""
        self.marks.append(Mark(action, str(ref), detail))

    def tell(
        self,
        member_id: int,
        text: str,
        *,
        key: str,
        ref: str = "",
        expires_hours: int = 24,
        buttons: tuple[Button, ...] = (),
        placard: Placard | None = None,
        urgent: bool = False,
        otherwise: str = "",
    ) -> None:
        """Queues a direct message to one person, sent after the commit, once per `key`.

        What is not `urgent` waits for the end of the quiet hours. `otherwise` is what the building lead is told where
        no channel reaches this person: never anything private. A `placard` is shown in place of the text where the
        person's channel shows pictures.
        """
        told = Told(key, text, ref, expires_hours, buttons=buttons, placard=placard, urgent=urgent, otherwise=otherwise)
        self.told.append(replace(told, member_id=member_id))

    def tell_sender(self, text: str, *, key: str, expires_hours: int = 1) -> None:
        """Queues an answer to the account that speaks, whether it is somebody or nobody yet. Answers never wait."""
        account = (self.incoming.namespace, self.incoming.sender)
        self.told.append(Told(key, text, "", expires_hours, account=account, urgent=True))

    def tell_account(self, namespace: str, external_id: str, text: str, *, key: str, expires_hours: int = 72) -> None:
        """Queues a direct message to an account that is nobody (any more), sent after the commit, once per `key`."""
        self.told.append(Told(key, text, "", expires_hours, account=(namespace, external_id)))

    def tell_group(
        self,
        group_id: int,
        text: str,
        *,
        key: str,
        ref: str = "",
        expires_hours: int = 24,
        buttons: tuple[Button, ...] = (),
        placard: Placard | None = None,
        urgent: bool = False,
        otherwise: str = "",
    ) -> None:
        """Queues a message to a group, sent after the commit, once per `key`. See `tell` for the rest.

        A `placard` is shown in place of the text where the group's channel shows pictures.
        """
        told = Told(key, text, ref, expires_hours, buttons=buttons, placard=placard, urgent=urgent, otherwise=otherwise)
        self.told.append(replace(told, group_id=group_id))


@dataclass(frozen=True, slots=True)
class Mark:
    """One write, as the audit keeps it."""

    action: str
    ref: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """One message beside the answer; exactly one of `member_id`, `group_id` and `account` is set."""

    key: str
    text: str
    ref: str
    expires_hours: int
    member_id: int | None = None
    group_id: int | None = None
    account: tuple[str, str] | None = None
    """Namespace and outside id of somebody who is no member."""
    buttons: tuple[Button, ...] = ()
    placard: Placard | None = None
    urgent: bool = False
    otherwise: str = ""

    def post(self, session: Session, *, community_id: int, now: datetime) -> None:
        """Puts it into the outbox, once per `key`, in the transaction that causes it."""
        outbox.put(
            session,
            community_id=community_id,
            key=self.key,
            message=self.text,
            now=now,
            expires_at=now + timedelta(hours=self.expires_hours),
            group_id=self.group_id,
            member_id=self.member_id,
            account=self.account,
            ref=self.ref,
            buttons=self.buttons,
            placard=self.placard,
            urgent=self.urgent,
            otherwise=self.otherwise,
        )


Handler = Callable[[Turn], Answer]
Undo = Callable[[Turn, Act], str]
"""Takes back what that act wrote and says so in one line. Raises a Refusal where it is too late."""


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One thing that can be said to the bot.

    `intent` is its name in the glossary; `verbs` are the words people type, the canonical one first;
    `usage` and `gist` are its line in the help. `writes` commands run in a unit of work and are answered from the
    inbox when they are delivered again. `overheard` commands act on talk that does not mention the bot, when the
    whole message reads as the command and its object is open now. `bare` commands mean something without any slot.
    """

    intent: str
    verbs: tuple[str, ...]
    handler: Handler
    slots: tuple[Slot, ...] = ()
    role: Role | None = Role.RESIDENT
    """The least role; None is open to people the bot does not know yet."""
    also: Callable[[Session, Person], bool] | None = None
    """Who else may, whatever their role: whoever leads a post confirms what is done for it."""
    for_group: bool = False
    """Said in a group, it is about the group's unit: the role must hold there. Elsewhere the action knows the scope."""
    writes: bool = False
    overheard: bool = True
    bare: bool = True
    usage: str = ""
    gist: str = ""
    feature: str = ""
    """Whose command it is: the help of one names the others of its feature."""
    private: bool = False
    """The answer is for the person alone: in a group it goes out as a direct message instead."""
    needs_consent: bool = True
    """Done only for members who agreed to the privacy statement. Commands that are open to strangers never need it."""
    direct: bool = False
    """Only in a direct conversation: in a group nothing is done, and the speaker is asked to say it there."""
    confidential: bool = False
    """What is typed may be for nobody else's eyes: the bot never says it again to show what it understood."""
    chooses: bool = False
    """Where several objects are possible the handler is asked first: it knows in which this person takes part."""
    undo: Mapping[str, Undo] = field(default_factory=dict)
    """How the acts that this command marks are taken back, by action."""
    gestures: tuple[str, ...] = ()
    """Words that mean it only beside a thing that is shown or named: `14 我报`, `这个岗我来`."""
    cues: tuple[str, ...] = ()
    """Words that mean it in a message to the bot in which no verb stands: `厨房漏水了` is a report."""
    asks: bool = False
    """Its cues count where nothing but a question about them is said: `流动党员有哪些`."""
    implies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a verb says by itself, by verb: `办结 1024` has a status. A name that begins with `_` is nobody's slot."""
    fillers: tuple[str, ...] = ()
    """Words that say nothing new beside its verb: `明天值班我请个假` is about a shift anyway."""
    aloud: tuple[str, ...] = ()
    """Verbs that count in overheard talk although the rest does not: the plain form of an official command
    (`overheard` False), a question that only the bot can answer (`谁值班`)."""
    shown: tuple[str, ...] = ()
    """What it is said with instead of words, where no open question wants that: PHOTO, PLACE. One command for each."""
    form: bool = False
    """Its text is a form of several lines, and no line of it is a command of its own."""
    rare: bool = False
    """Left out of the overview of the help: of those who may say it, few have a use for it."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Which other command does it where a slot is filled: a 签到 at a post is what its holder did for it."""
    standing: bool = False
    """Its question is put by the clock and stands for days: 撤销 means one's own last act, and not this question."""
    coming: bool = False
    """Understood, but its feature is not there yet: said to the bot it is answered honestly, overheard it is not."""


COMMON_REFUSALS: Mapping[type[Refusal], str] = {
    NoSuchMember: "没有找到 {name}。请写全名，或请楼长帮忙看看名册。",
    SeveralMembers: "叫 {name} 的有{count}位，请写上楼栋，例如 3栋{name}。",
    NoSuchUnit: "没有找到「{name}」。楼栋请这样写：3栋；看看有哪些，请发 组织。",
}
"""What is said of people and units in every feature that has no words of its own for it."""


class Router:
    """The commands of one feature, in the order in which they are shown, and the sentences for its refusals.

    A refusal's sentence may use the refusal's fields; moments among them read `11月28日 周六 19:30`.
    """

    def __init__(self, feature: str, refusals: Mapping[type[Refusal], str] | None = None) -> None:
        self.feature = feature
        self.refusals = dict(refusals or {})
        self.commands: list[Command] = []

    @classmethod
    def of(cls, feature: str, refusals: Mapping[type[Refusal], str], *parts: "Router") -> "Router":
        """The router of a feature whose commands stand in several files, in this order."""
        whole = cls(feature, refusals)
        whole.commands = [command for part in parts for command in part]
        return whole

    def command(self, intent: str, *verbs: str, **declared: Any) -> Callable[[Handler], Handler]:
        """Declares a command; the decorated function is its handler. See `Command` for the keywords."""

        def declare(handler: Handler) -> Handler:
            self.commands.append(Command(intent, verbs, handler, feature=self.feature, **declared))
            return handler

        return declare

    def __iter__(self) -> Iterator[Command]:
        return iter(self.commands)
