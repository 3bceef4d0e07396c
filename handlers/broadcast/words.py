"""A notice in words: for each kind of group, for a person alone, and for whoever has to account for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from handlers.chat import Button, Texts, Turn
from models import broadcast as books
from models.base import Card
from models.broadcast import Copy, CopyState, Ears, Household, Houses, Notice, Reminding, Spoken, Wording
from models.reach import Reach, reach_in

say = Texts(
    "broadcast",
    notice="【{heading}】{text}",
    no_new_receipt="，回过收到的不用再回",
    receipt_all="收到请回复 收到 {number}。",
    receipt_mentions="收到请 @{bot} 回复 收到 {number}。",
    receipt_none="收到请私聊{bot}发 收到 {number}。",
    receipt_mentions_link="收到请 @{bot} 回复 收到 {number}，或点 {url}",
    receipt_none_link="收到请点 {url} （或私聊{bot}发 收到 {number}）",
    receipt_person_link="收到请回复 收到 {number}，或点 {url}",
    heading="{unit}通知 {number}",
    heading_urgent="紧急·{unit}通知 {number}",
    heading_correction="更正·{unit}通知 {number}",
    corrected="{text}\n{corrects}号通知以这条为准{again}。",
    received="收到",
    handed_over_otherwise="{unit}的循环广播现在归{name}管，我发不到{name}。请转告：私聊我发 广播列表 就能看到。",
    hand="请把下一条消息复制到{group}，我发不进去。\n发好了请回复 已发 {number}。",
    place_waiting="{name}正在发",
    place_sent="{name}已发",
    place_failed="{name}没发到（{why}）",
    place_unknown="{name}不知道发到没有",
    place_by_hand="{name}等人转发",
    alone_sent="私信{done}/{all}人",
    alone_failed="私信{done}/{all}人，没发到{failed}人（{why}）",
    why_route="我发不进去",
    why_late="过了时间",
    why_copied="没人转发",
    why_platform="平台没有收",
    report="{number}号「{title}」发完了：{places}。",
    report_receipts="收到的请发 广播状态 {number} 看。",
    silent_notice="{number}号「{title}」{unit}还有{homes}户没回：{names}。\n"
    "请帮忙问一声；替他们记下请发 收到 {number} 加楼栋房号。",
    home="{room}{name}{note}",
    home_note="（{note}）",
    home_more="{names}等{homes}户",
    remind="提醒：{number}号「{title}」还等您回一声。\n{ask}",
    doors_otherwise="{number}号「{title}」有几户要上门说，我发不到{name}。\n"
    "请转告：私聊我发 广播状态 {number} 就能看到。",
    knock="{number}号「{title}」有{homes}户我联系不上：{names}。\n"
    "麻烦上门说一声；说好了请发 收到 {number} 加楼栋房号。",
    unknown_on_page="{number}号「{title}」的网页上有人写自己是{home} {name}，名册里没有对上。\n"
    "认识的话请核对名册；替 TA 记下请发 收到 {number} 加楼栋房号。",
    handed_over="{unit}的循环广播现在归您：{number}号 {said}「{title}」。\n照发不用管；不发了请发 取消广播 {number}。",
    not_sent_otherwise="{name} 写的{number}号广播没有发出去，我发不到{name}。"
    "\n请转告：私聊我发 广播状态 {number} 看原因。",
    not_sent="{number}号「{title}」没有发：{why}。",
    why_nobody="{target}没有登记的人",
    why_reach="{target}的群和人我都发不到",
    lapsed="没有人点头，已作废。要发请重新说一遍",
)

NAMED = 12
"""Households that an answer names."""
DOORS = 60
"""Households that a list for whoever has to knock at them names: all of a house."""

LONG = 60
"""Characters of a notice that reads better with its heading apart."""
NOTE = 20
"""Characters of what is known of a household that a list has room for."""


@dataclass(frozen=True, slots=True)
class Voice:
    """By which names a notice is said, and where its page is."""

    unit: str
    """What its unit is called."""
    bot: str
    reach: Reach
    public_url: str = ""
    """The address under which phones see this house; empty where they do not, and then nothing has a link."""

    def link(self, notice: Notice, member_id: int | None = None) -> str:
        """The address of a notice's page, for everybody or for one member."""
        path = books.page_of(notice, member_id)
        return f"{self.public_url}{path}" if self.public_url and path else ""


def in_parts(notice: Notice, unit: str) -> tuple[str, str]:
    """A notice's heading, and what it says."""
    kind, text = "_urgent" if notice.urgent else "", notice.body
    if notice.corrects is not None:
        again = say("no_new_receipt") if notice.asked_before and not notice.wants_receipts else ""
        kind, text = "_correction", say("corrected", text=text, corrects=notice.corrects, again=again)
    return say(f"heading{kind}", unit=unit, number=notice.number), text


def voice_of(turn: Turn, notice: Notice) -> Voice:
    """By which names this community says a notice."""
    return Voice(turn.called(notice.unit), turn.community.bot_name, reach_in(turn.rules), turn.rules["http"].public_url)


def wording(notice: Notice, voice: Voice) -> Wording:
    """A notice in the words for each kind of group, and for a person alone."""

    def hand(group: str) -> str:
        return say("hand", group=group, number=notice.number)

    heading, text = in_parts(notice, voice.unit)
    whole = say("notice", heading=heading, text=text)

    def link(group: Spoken) -> str:
        # A button is nearer than a page; and where every word is heard, a word is.
        return "" if group.taps or group.ears is Ears.ALL else voice.link(notice)

    def ask(group: Spoken, *, page: bool = True) -> str:
        url = link(group) if page else ""
        return say(f"receipt_{group.ears}" + ("_link" if url else ""), number=notice.number, bot=voice.bot, url=url)

    def card(group: Spoken) -> Card | None:
        url = link(group)
        if not url and len(text) <= LONG and "\n" not in text:
            return None
        return Card(heading, text, ask(group, page=False) if notice.wants_receipts else "", url)

    if not notice.wants_receipts:
        return Wording(lambda group: whole, lambda member_id: whole, card, hand=hand)
    return Wording(
        lambda group: f"{whole}\n{ask(group)}",
        lambda member_id: f"{whole}\n{_ask_alone(notice, voice, member_id)}",
        card,
        received(notice),
        hand,
    )


def _ask_alone(notice: Notice, voice: Voice, member_id: int) -> str:
    url = voice.link(notice, member_id) if voice.reach.people - voice.reach.tapped else ""
    return say("receipt_person_link" if url else "receipt_all", number=notice.number, url=url)


def received(notice: Notice) -> tuple[Button, ...]:
    """One tap instead of typing."""
    return (Button(say("received"), f"收到 {notice.number}"),)


def why_not(reason: str) -> str:
    """Why a copy did not arrive, as a neighbour reads it; what the platform said word by word is the operator's."""
    if reason.startswith("no route"):
        return say("why_route")
    if "expired" in reason or "late" in reason:
        return say("why_late")
    return say("why_copied") if reason == books.NOT_COPIED else say("why_platform")


def places(copies: Sequence[Copy]) -> str:
    """What became of a notice group by group; of those who were written to alone, how many."""
    lines = []
    for copy in copies:
        if copy.group_id is not None:
            lines.append(say(f"place_{copy.state}", name=copy.name, why=why_not(copy.reason)))
    alone = [copy for copy in copies if copy.member_id is not None]
    if alone:
        done = sum(copy.state is CopyState.SENT for copy in alone)
        failed = [copy for copy in alone if copy.state is CopyState.FAILED]
        name = "alone_failed" if failed else "alone_sent"
        why = why_not(failed[0].reason) if failed else ""
        lines.append(say(name, done=done, all=len(alone), failed=len(failed), why=why))
    return "、".join(lines)


def report(notice: Notice, copies: Sequence[Copy]) -> str:
    """What whoever sent a notice hears when it is out everywhere, or nowhere else any more."""
    text = say("report", number=notice.number, title=notice.title, places=places(copies))
    return f"{text}\n{say('report_receipts', number=notice.number)}" if notice.wants_receipts else text


def rooms(houses: Houses, *, most: int = NAMED) -> str:
    """Households as those in charge read them: `3栋2单元 501王秀英 502陈阿姨，5栋1单元 201孙丽`; of many the first."""
    homes = sum(len(some) for _, some in houses)
    left, pieces = most, []
    for door, some in houses:
        named = " ".join(_home(home) for home in some[: max(left, 0)])
        left -= len(some)
        if named:
            pieces.append(f"{door} {named}")
    names = "，".join(pieces)
    return say("home_more", names=names, homes=homes) if homes > most else names


def _home(home: Household) -> str:
    note = say("home_note", note=home.note[:NOTE]) if home.note else ""
    return say("home", room=home.room, name=home.people[0].name, note=note)


def reminding(notice: Notice, voice: Voice) -> Reminding:
    """What each of those who are reminded hears; and what a lead hears about households that nobody can write to."""

    def remind(member_id: int) -> str:
        ask = _ask_alone(notice, voice, member_id)
        return say("remind", number=notice.number, title=notice.title, ask=ask)

    def knock(houses: Houses) -> str:
        homes = sum(len(some) for _, some in houses)
        return say("knock", number=notice.number, title=notice.title, homes=homes, names=rooms(houses, most=DOORS))

    return Reminding(remind, received(notice), knock, partial(doors_otherwise, notice))


def doors_otherwise(notice: Notice, name: str) -> str:
    """What whoever is above a lead hears, where the lead cannot be written to: that there are doors to knock at."""
    return say("doors_otherwise", number=notice.number, title=notice.title, name=name)


def not_sent(notice: Notice, why: str) -> str:
    """A notice that was confirmed and cannot go out."""
    words = say(why, target=notice.target) if why in ("why_nobody", "why_reach") else say("lapsed")
    return say("not_sent", number=notice.number, title=notice.title, why=words)


def not_sent_otherwise(notice: Notice, name: str) -> str:
    """What the building lead hears where its writer, of this name, cannot be written to; nothing of the notice."""
    return say("not_sent_otherwise", number=notice.number, name=name)


def handed_over(notice: Notice, unit: str) -> str:
    """Whoever is newly in charge hears what comes again."""
    return say("handed_over", unit=unit, number=notice.number, said=notice.said, title=notice.title)


def handed_over_otherwise(name: str, unit: str) -> str:
    """The same for the lead, where whoever is newly in charge cannot be written to: to whom it is to be told on."""
    return say("handed_over_otherwise", unit=unit, name=name)


def unknown_on_page(notice: Notice, name: str, home: str) -> str:
    """What a building's lead hears where somebody wants to answer whom the roster does not know."""
    return say("unknown_on_page", number=notice.number, title=notice.title, name=name, home=home)


def silent_line(notice: Notice, unit: str, houses: Houses) -> str:
    """Who has not answered, for the one who leads the building."""
    homes = sum(len(some) for _, some in houses)
    return say(
        "silent_notice",
        number=notice.number,
        title=notice.title,
        unit=unit,
        homes=homes,
        names=rooms(houses, most=DOORS),
    )
