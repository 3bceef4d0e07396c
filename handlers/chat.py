"""The words that handlers speak: what comes in, what goes out, and how a feature declares its commands.

A feature's `router` lists its commands: verbs as people type them, typed slots, the least role, whether the
command writes. The dispatcher (`bot/dispatch.py`) understands the text, finds the person, checks role and scope in
one place, opens the unit of work and calls the handler with a `Turn`. A handler loads through a door, calls one
action of `models/`, and chooses a sentence.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from handlers.language.outdoors import is_outdoors
from handlers.language.phrasing import is_kin
from handlers.language.slots import Slot
from models import outbox, pending
from models.activities import DEMANDS, HEAVY, ActivityHere, Promoted, give_place, others_near, whose_signup
from models.audit import Act
from models.base import Button as Button
from models.base import Placard, Refusal
from models.care import born_in, hardship, in_heat, is_elder, note_told, told_before
from models.clock import day_of, spoken
from models.directory import CommunityHere, GroupHere
from models.members import Neighbour, NoSuchMember, Person, Role, SeveralMembers, Term, masked, member_by_id
from models.photos import Photo
from models.places import Location
from models.posts import (
    ClaimState,
    Ended,
    Offer,
    PostHere,
    Resumed,
    claims_of,
    find_post,
    free_slots,
    give_slot,
    who_decides,
)
from models.proxies import find_spoken_of, has_account, only_relative
from models.reach import reach_in, reaches
from models.units import LEADERS, NoSuchUnit, UnitHere, called

LINES = 4
"""A neighbour reads no more lines than these in one message."""

BUTTONS = 6
"""No platform shows more of them beside one message: where there are more, none is shown."""


ROLE_NAMES = {
    Role.RESIDENT: "居民",
    Role.MEMBER: "党员",
    Role.PROPERTY: "物业、楼长或社区",
    Role.OWNERS_COMMITTEE: "业委会",
    Role.BUILDING_LEAD: "楼长或社区",
    Role.GROUP_LEADER: "党小组长或社区",
    Role.BRANCH_SECRETARY: "支部书记或社区",
    Role.STAFF: "社区工作人员",
    Role.SECRETARY: "社区书记",
    Role.ADMIN: "管理员",
}
"""Who does what somebody else may not, in the words of a neighbour."""


def in_few_lines(lines: Sequence[str], most: int = LINES) -> str:
    """The lines, several of them side by side where there are too many."""
    wide = -(-len(lines) // most)
    return "\n".join("  ".join(lines[at : at + wide]) for at in range(0, len(lines), wide or 1))


COLLEAGUES: Mapping[Role, str] = {
    Role.RESIDENT: "居民",
    Role.MEMBER: "党员",
    Role.PROPERTY: "物业人员",
    Role.OWNERS_COMMITTEE: "业委会委员",
    Role.BUILDING_LEAD: "副楼长",
    Role.GROUP_LEADER: "副组长",
    Role.BRANCH_SECRETARY: "副书记",
    Role.STAFF: "社工",
    Role.SECRETARY: "社区书记",
    Role.ADMIN: "管理员",
}
"""What somebody is called who has a role for a unit that another one leads, or nobody."""


def title_of(term: Term) -> str:
    """What somebody is called by a role: by the unit's kind for whoever leads it, else by the role."""
    return LEADERS[term.unit.kind] if term.leads else COLLEAGUES[term.role]


def post_called(unit: str, title: str) -> str:
    """What one is in a unit, without saying twice what it is: 3栋楼长, 朝霞党支部书记, 3栋党小组长."""
    shared = next((length for length in range(len(title), 1, -1) if unit.endswith(title[:length])), 0)
    return unit + title[shared:]


@dataclass(frozen=True, slots=True)
class Quote:
    """A message that the sender quoted. `ref` names the object it shows (`activity:12`) where that is known."""

    author: str = ""
    """`bot`, `human`, or nothing where the platform does not say."""
    text: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as every channel delivers it, whatever its wire format was."""

    channel: str
    """The configured channel's name: with `message_id` the transport key."""
    message_id: str
    namespace: str
    """Whose user ids these are (the WeCom corp, an official account): one person on all channels of one namespace."""
    sender: str
    """The outside user id, opaque."""
    text: str
    address: str = ""
    """The outside id of the group chat; empty in a direct conversation."""
    addressed: bool = True
    """Mentioned, quoted or written to directly; False for talk that was only overheard."""
    quote: Quote | None = None
    at: datetime | None = None
    """Wall time of arrival, aware. None: now."""
    photos: tuple[Photo, ...] = ()
    """The pictures that came with it, fetched and scaled down by the channel."""
    unseen: int = 0
    """How many more pictures came with it that could not be fetched."""
    location: Location | None = None
    """The place that the sender's phone sent."""
    question: str = ""
    """Which question a pressed button answers; see `Button`."""

    @property
    def direct(self) -> bool:
        return not self.address


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says in answer, in the same conversation. Empty text is silence."""

    text: str = ""
    ref: str = ""
    """The object that this answer is about, so that quoting the answer means the object."""
    buttons: tuple[Button, ...] = ()
    """What can be pressed beside it. The text names the words to type as well, for those who see no buttons."""


PHOTO, PLACE = "@photo", "@place"
"""Slots of a question that no word fills: what answers it is a picture, or a place that the phone sends."""


def shown_in(incoming: Incoming) -> tuple[str, ...]:
    """What a message shows instead of saying it: PHOTO, PLACE."""
    return (PHOTO,) * bool(incoming.photos) + (PLACE,) * (incoming.location is not None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question back. The answer (是, 不是, a number, a word) runs the same command again with the slot filled.

    `slot` None asks for 确认 or 取消: the handler then finds `turn.confirmed`. `slot` PHOTO or PLACE asks for a picture
    or a place: the same command runs again with the slots as they were, and finds them in `turn.incoming`.
    `options` are what numbers 1.. mean, as values of the slot. Without them the answer is free: in a direct
    conversation whatever the slot's kind can read (a place, a room, digits), and it may fill other slots as well.
    """

    text: str
    slot: str | None = None
    options: tuple[Any, ...] = ()
    minutes: int = 5
    """How long the question stands, in minutes of community time."""
    labels: tuple[str, ...] = ()
    """What stands on the buttons of its options, where that is more than their numbers."""

    @property
    def buttons(self) -> tuple[Button, ...]:
        """One for each answer, where the answers are known."""
        if self.options:
            labels = self.labels or [str(number) for number, _ in enumerate(self.options, 1)]
            every = tuple(Button(label, str(number)) for number, label in enumerate(labels, 1))
            return every if len(every) <= BUTTONS else ()
        return (Button("确认", "确认"), Button("取消", "取消")) if not self.slot else ()


Answer = Reply | Ask | str


class Texts:
    """The sentences of one feature by name, declared beside the handlers that speak them.

    `say = Texts("check_in", done="...{title}...")`, then `say("done", title=...)`. The full name `check_in.done`
    is unique over all features, so that a wording can be replaced by name.
    """

    every: ClassVar[dict[str, str]] = {}

    def __init__(self, feature: str, /, **sentences: str) -> None:
        self.feature = feature
        self.sentences = sentences
        for name, sentence in sentences.items():
            full = f"{feature}.{name}"
            if full in Texts.every:
                raise ValueError(f"the text {full} is declared twice")
            Texts.every[full] = sentence

    def __call__(self, sentence: str, /, **fields: object) -> str:
        return self.sentences[sentence].format(**fields)


def sentence(name: str, /, **fields: object) -> str:
    """A sentence of another feature by its full name: one thing has one wording, wherever it happens."""
    return Texts.every[name].format(**fields)


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


_otherwise = Texts("review", decides_otherwise="有一件事等{name}审核，我发不到{name}。请转告：私聊我发 审核 就能看到。")


def otherwise(turn: Turn, member_id: int, words: Callable[[str], str]) -> str:
    """What the building's lead is told where this member cannot be written to: `words` about their name.

    It says whom to tell what, and no more. Nothing where they can be written to.
    """
    if reaches(turn.session, community_id=turn.community.id, member_id=member_id, reach=reach_in(turn.rules)):
        return ""
    return words(member_by_id(turn.session, community_id=turn.community.id, member_id=member_id).name)


def decides_otherwise(turn: Turn, member_id: int) -> str:
    """The same for somebody who has to decide what waits in 审核."""
    return otherwise(turn, member_id, lambda name: _otherwise("decides_otherwise", name=name))


_of_place = Texts(
    "offers",
    promoted="好消息：「{title}」空出了位置，您已从候补转为正式报名。\n{when}，{place}。来不了请发 取消报名 {number}。",
    offered="好消息：「{title}」空出了位置，给您留到{until}。\n{when}，{place}。\n"
    "能来请回复 能来 {number}，来不了请回复 取消报名 {number}。",
    offered_for="您替 {name} 报的「{title}」空出了位置，留到{until}。\n{when}，{place}。\n"
    "去请回复 替 {name} 报名 {number}，不去请回复 替 {name} 取消报名 {number}。",
    moved_notice="「{title}」空出了位置，{name} 从候补转成了正式报名。我联系不上，请转告一声。",
)
"""What is said when a place became free: by whatever feature that came about."""

_SPOKEN_OF = re.compile(r"(?:(?P<room>[0-9]{3,4})室?的?)?@?(?P<name>.+)")


def spoken_of(turn: Turn, written: str) -> Neighbour:
    """The person whom the speaker means: `王秀英`, `502的陈阿姨`, `我妈` where there is one relative.

    Raises NoSuchMember, SeveralMembers, WhoseRelative.
    """
    match = _SPOKEN_OF.fullmatch(written)
    name, room = (match["name"], match["room"] or "") if match else (written, "")
    if is_kin(name):
        return only_relative(turn.session, proxy=turn.who)
    return find_spoken_of(turn.session, proxy=turn.who, name=name, room=room)


def tell_promoted(turn: Turn, activity: ActivityHere, moved: Promoted) -> None:
    """Tells somebody who waited that a place is free for them, or asks them whether they still come."""
    turn.told += news_of_place(turn.session, turn.rules, activity, moved, turn.now)


def news_of_place(
    session: Session, rules: Mapping[str, Any], activity: ActivityHere, moved: Promoted, now: datetime
) -> "list[Told]":
    """What is said when somebody moved up: to them, else to whoever signed them up.

    Where the bot can write to neither there is nobody to ask: the place is theirs at once, and whoever organises it is
    asked to tell them.
    """
    fields = {
        "number": activity.number,
        "title": activity.title,
        "when": spoken(activity.starts_at),
        "place": activity.place or sentence("activities.no_place"),
    }
    whom, name = voice_of(session, rules, activity, moved.signup_id)
    if moved.until is not None and whom is not None:
        yes, no = f"能来 {activity.number}", f"取消报名 {activity.number}"
        if name:
            yes, no = f"替 {name} 报名 {activity.number}", f"替 {name} {no}"
        fields |= {"until": spoken(moved.until), "name": name}
        text = _of_place("offered_for" if name else "offered", **fields)
        hours = -(-(moved.until - now) // timedelta(hours=1))
        if not name:
            _expect_yes(session, activity, moved, now)
        buttons = (Button("能来", yes), Button("来不了", no))
        return [Told(f"offered:{moved.signup_id}", text, activity.ref, hours, member_id=whom, buttons=buttons)]
    if moved.until is not None:
        give_place(session, activity=activity, moved=moved)
    if whom is not None and not name:
        text = _of_place("promoted", **fields)
        return [Told(f"promoted:{moved.signup_id}", text, activity.ref, 24, member_id=whom)]
    return _notice_of_place(session, activity, moved, whom or activity.made_by)


def _notice_of_place(session: Session, activity: ActivityHere, moved: Promoted, whom: int | None) -> "list[Told]":
    if whom is None:
        return []
    member = member_by_id(session, community_id=activity.community_id, member_id=moved.member_id)
    text = _of_place("moved_notice", name=member.name, title=activity.title)
    return [Told(f"promoted:{moved.signup_id}", text, activity.ref, 24, member_id=whom)]


def unheard_place(session: Session, activity: ActivityHere, moved: Promoted) -> "list[Told]":
    """The offer of a place has reached nobody: it is theirs, and whoever organises it is asked to tell them."""
    give_place(session, activity=activity, moved=moved)
    return _notice_of_place(session, activity, moved, activity.made_by)


def _expect_yes(session: Session, activity: ActivityHere, moved: Promoted, now: datetime) -> None:
    """A plain 确认 takes the place as well, and a plain no gives it up, unless they are asked about something else."""
    who = _alone_with(activity, moved.member_id)
    if moved.until is not None and pending.open_question(session, **who, now=now) is None:
        no = f"取消报名 {activity.number}"
        question = pending.Question("take_place", {"activity": activity.number}, None, [no])
        pending.ask(session, **who, question=question, expires_at=moved.until)


def end_offer(turn: Turn, activity: ActivityHere, member_id: int) -> None:
    """What somebody has said about a place that was held for them is not asked any more."""
    _end_question(turn, activity, member_id, "take_place")


def end_care(turn: Turn, activity: ActivityHere) -> None:
    """Who goes, or does not, is not asked any more whether they go all the same."""
    _end_question(turn, activity, turn.who.id, "go_anyway")


def _end_question(turn: Turn, activity: ActivityHere, member_id: int, intent: str) -> None:
    who = _alone_with(activity, member_id)
    question = pending.open_question(turn.session, **who, now=turn.now)
    if question is not None and (question.intent, question.slots) == (intent, {"activity": activity.number}):
        pending.close_question(turn.session, **who)


def _alone_with(activity: ActivityHere, member_id: int) -> dict[str, Any]:
    conversation = pending.conversation(None)
    return {"community_id": activity.community_id, "member_id": member_id, "conversation": conversation}


def voice_of(
    session: Session, rules: Mapping[str, Any], activity: ActivityHere, signup_id: int
) -> tuple[int | None, str]:
    """Who is written to about a sign-up: whose it is, else whoever made it for them; then it also says for whom.

    None where the bot can write to neither.
    """
    reach = reach_in(rules)
    here = activity.community_id
    whose, made_by, name = whose_signup(session, community_id=here, signup_id=signup_id)
    if reaches(session, community_id=here, member_id=whose, reach=reach):
        return whose, ""
    if made_by is not None and reaches(session, community_id=here, member_id=made_by, reach=reach):
        return made_by, name
    return None, ""


_care = Texts(
    "care",
    hard_heat="「{title}」在户外，又赶上一天里最热的时候，您多保重。{answer}",
    hard_heavy="「{title}」是力气活，您量力而行，别勉强。{answer}",
    hard_back_to_back="「{title}」前后两场都在户外，中间只歇{minutes}分钟，怕您累着。{answer}",
    answer="照样去请回复 照样报名，不去了回复 算了。",
    outdoors="；户外",
    indoors="；室内",
    demand_light="；轻活",
    demand_normal="；活不轻不重",
    demand_heavy="；力气活",
)
"""What an elder is told, alone, of what may be hard on them: by whatever feature they are signed up."""


def outdoors(activity: ActivityHere) -> bool:
    """Whether an activity takes place outdoors: as whoever announced it says, else as its place and title do."""
    return is_outdoors(activity.place, activity.title) if activity.outdoors is None else activity.outdoors


def is_hot(activity: ActivityHere, rules: Mapping[str, Any]) -> bool:
    """Whether it is outdoors in the hours of heat."""
    return outdoors(activity) and in_heat(activity.starts_at, activity.ends_at, rules["care"])


def care_line(session: Session, rules: Mapping[str, Any], activity: ActivityHere, member_id: int) -> str:
    """One kind sentence for an elder whose sign-up may be hard on them, for them alone; it is noted as said.

    Empty where there is nothing to say, where they are no elder as far as anybody has said, and where it was said.
    """
    settings, outside = rules["care"], outdoors(activity)
    if not (outside or activity.demand == HEAVY):
        return ""
    born = born_in(session, community_id=activity.community_id, member_id=member_id)
    if not is_elder(born, day_of(activity.starts_at), settings.elder_years):
        return ""
    others = [one for one in others_near(session, activity=activity, member_id=member_id) if outdoors(one)]
    hard = hardship(activity, others, outdoors=outside, settings=settings)
    if hard is None or told_before(session, activity=activity, member_id=member_id) in (None, hard.caution):
        return ""
    note_told(session, activity=activity, member_id=member_id, caution=hard.caution)
    return _care(f"hard_{hard.caution}", title=activity.title, minutes=hard.minutes, answer=_care("answer"))


def care_buttons(number: int) -> tuple[Button, ...]:
    """照样报名 or 算了, by one tap."""
    return (Button("照样报名", f"照样报名 {number}"), Button("算了", f"取消报名 {number}"))


def body_in(slots: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed of whether an activity is outdoors and how hard it is, as its columns."""
    body: dict[str, Any] = {}
    if "setting" in slots:
        body["outdoors"] = slots["setting"] == "户外"
    if "demand" in slots:
        body["demand"] = dict(zip("轻中重", DEMANDS, strict=True))[slots["demand"]]
    return body


def body_of(outside: bool | None, demand: str) -> str:
    """The same as a preview says it; what nobody has said is not said back."""
    said = "" if outside is None else _care("outdoors" if outside else "indoors")
    return said + (_care(f"demand_{demand}") if demand else "")


CARE_HOURS = 24
"""How long a plain 算了 means the activity of which an elder was told."""


def cared_for(turn: Turn, activity: ActivityHere, member_id: int) -> str:
    """The same for whoever hears it now: a plain yes or no answers it, unless they are asked about something else."""
    line = care_line(turn.session, turn.rules, activity, member_id)
    who = _alone_with(activity, member_id)
    if line and pending.open_question(turn.session, **who, now=turn.now) is None:
        no = f"取消报名 {activity.number}"
        question = pending.Question("go_anyway", {"activity": activity.number}, None, [no])
        until = min(activity.starts_at, turn.now + timedelta(hours=CARE_HOURS))
        pending.ask(turn.session, **who, question=question, expires_at=until)
    return line


def tell_care(turn: Turn, activity: ActivityHere, member_id: int) -> None:
    """Says it to the person alone, in a message of its own, where they can be reached."""
    own = member_id == turn.who.id
    if not (turn.reaches if own else has_account(turn.session, community_id=turn.community.id, member_id=member_id)):
        return
    if line := cared_for(turn, activity, member_id):
        key = f"care:{activity.id}:{member_id}:{turn.incoming.message_id[-60:]}"
        hours = max(1, int((activity.starts_at - turn.now) / timedelta(hours=1)))
        buttons = care_buttons(activity.number)
        # To who has just signed up it is an answer, and answers do not wait for the morning.
        turn.tell(member_id, line, key=key, ref=activity.ref, expires_hours=hours, buttons=buttons, urgent=own)


told = Texts(
    "posts",
    left_offered="已经去问候补的邻居",
    offered="好消息：{number}号「{title}」空出来了，先问您。\n"
    "愿意请在{until}前发 认领 {number}，不愿意请发 退岗 {number}。",
    given_notice="{number}号「{title}」空出来了，候补的 {name} 我联系不上，先归 TA 了，请转告一声。\n"
    "TA 不做了请发 请退 {number} {name}。",
    revoked_notice="{number}号「{title}」又不空了，您还排在候补里。给您添麻烦了。",
    left_notice="{name} 退出了 {number}号「{title}」{why}，{left}。",
    stays_notice="{name} 退出了 {number}号「{title}」，您还在岗。不能一个人做请发 退岗 {number}。",
    fell_notice="{name} 不做 {number}号「{title}」了，两个人的申请一起作废。一个人做请发 认领 {number}。",
    somebody="一位邻居",
)
"""What is said of posts wherever their holders leave: who moves away or is forgotten leaves them too."""


def tell_offered(turn: Turn, offers: Sequence[Offer]) -> None:
    """Tells whoever waited for a post that a slot is kept for them."""
    for offer in offers:
        turn.told += news_of_slot(turn.session, turn.rules, offer, turn.now, key=turn.incoming.message_id[-60:])


def news_of_slot(session: Session, rules: Mapping[str, Any], offer: Offer, now: datetime, *, key: str) -> "list[Told]":
    """What is said when a slot of a post is kept for somebody who waited; `key` tells this time from others.

    Whom the bot cannot write to is not asked and does not lose it by silence: the post is theirs at once, and whoever
    is in charge of it is asked to tell them.
    """
    post = offer.post
    fields = {"number": post.number, "title": post.title}
    if reaches(session, community_id=post.community_id, member_id=offer.member_id, reach=reach_in(rules)):
        text = told("offered", until=spoken(offer.answer_by), **fields)
        return [
            Told(
                f"post-offered:{offer.claim_id}:{key}",
                text,
                post.ref,
                hours_until(offer.answer_by, now),
                member_id=offer.member_id,
                buttons=post_buttons(post.number),
            )
        ]
    return unheard_slot(session, offer, now, key=key)


def unheard_slot(session: Session, offer: Offer, now: datetime, *, key: str) -> "list[Told]":
    """The offer of a slot has reached nobody: it is theirs, and whoever is in charge of it is asked to tell them."""
    post = offer.post
    give_slot(session, offer=offer, now=now)
    decider = who_decides(session, post=post, now=now, without=[offer.member_id])
    if decider is None:
        return []
    member = member_by_id(session, community_id=post.community_id, member_id=offer.member_id)
    text = told("given_notice", name=member.name, number=post.number, title=post.title)
    return [Told(f"post-given:{offer.claim_id}:{key}", text, post.ref, 72, member_id=decider.id)]


def tell_resumed(turn: Turn, back: Resumed, key: str) -> None:
    """Tells whoever has lost the offer of a slot because its holder is back, and who is offered another one."""
    if back.revoked is not None:
        text = told("revoked_notice", number=back.post.number, title=back.post.title)
        turn.tell(back.revoked, text, key=f"post-revoked:{key}", ref=back.post.ref)
    tell_offered(turn, back.offers)


def post_buttons(number: int) -> tuple[Button, ...]:
    """Taking a post, or leaving it to others."""
    return (Button("认领", f"认领 {number}"), Button("让给别人", f"退岗 {number}"))


def hours_until(moment: datetime, now: datetime) -> int:
    """Whole hours from now on, at least one."""
    return max(1, int((moment - now).total_seconds() // 3600))


def tell_post_left(turn: Turn, ended: Sequence[Ended], name: str = "", why: str = "") -> None:
    """Tells everybody whom it concerns that somebody gave their posts up; no name is told of who is forgotten."""
    name = name or told("somebody")
    gone = {one.claim.member_id for one in ended}
    for one in ended:
        post = one.post
        fields = {"number": post.number, "title": post.title, "name": name, "why": why}
        key = f"post-left:{one.claim.id}:{turn.incoming.message_id[-60:]}"
        tell_offered(turn, one.offers)
        if one.claim.state is ClaimState.HELD:
            decider = who_decides(turn.session, post=post, now=turn.now, without=gone)
            if decider is not None and decider.id != turn.who.id:
                free = free_slots(turn.session, post)
                left = sentence("posts.left_count", left=free) if free else told("left_offered")
                turn.tell(decider.id, told("left_notice", left=left, **fields), key=key, ref=post.ref)
        for other in (one.stays, one.partner.member_id if one.partner else None):
            if other is not None and other not in gone:
                text = told("stays_notice" if other == one.stays else "fell_notice", **fields)
                turn.tell(other, text, key=f"{key}:{other}", ref=post.ref)


def own_post(turn: Turn, question: Callable[[str], str]) -> PostHere | Ask | None:
    """The post that somebody who holds some means: the one that is named, else their only one.

    Of several, `question` with the choices is asked. None: they hold none. Raises NoSuchPost.
    """
    number = turn.slots.get("post")
    if number is not None:
        return find_post(turn.session, community_id=turn.community.id, number=number)
    own = [
        post
        for post, claim in claims_of(turn.session, community_id=turn.community.id, member_ids=[turn.who.id])
        if claim.state is ClaimState.HELD
    ]
    return which_post(own, question) if len(own) > 1 else own[0] if own else None


def which_post(posts: Sequence[PostHere], question: Callable[[str], str]) -> Ask:
    """Asks which of several posts is meant, by their numbers in a list."""
    lines = [
        sentence("posts.choice", index=index, number=post.number, title=post.title)
        for index, post in enumerate(posts, 1)
    ]
    text = question(in_few_lines(lines, LINES - 1))
    return Ask(text, slot="post", options=tuple(post.number for post in posts))


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
