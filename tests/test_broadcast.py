"""广播 and 回执: what reaches whom, where each notice stands, and who may know what."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from handlers.broadcast import as_typed, title_of
from models import broadcast, deliveries
from models.broadcast import (
    BroadcastState,
    CopyState,
    Draft,
    NobodyThere,
    NoSecondPerson,
    Notice,
    OutAlready,
    OutOfReach,
    Part,
    RemindedEnough,
    RemindedRecently,
    Way,
    Who,
)
from models.database import savepoint
from models.directory import Identity, add_endpoint, add_group, note_opened
from models.outbox import Outbox, OutboxState
from models.reach import Reach
from models.recurrence import next_time
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, silence, talk
from tests.fakes.street import Street, muted
from tests.ground import NAMESPACE, Ground, add_person, lay, person
from tests.language.corpus import heard
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
HOUR = timedelta(hours=1)
SETTINGS = broadcast.Settings()
PEOPLE = frozenset({NAMESPACE})
EVERYWHERE = Reach(frozenset({"simulator"}), PEOPLE, frozenset({"simulator"}))
BY_HAND = Reach(people=PEOPLE, mentions=frozenset({"simulator"}))
NOTHING = Reach()
WORDING = broadcast.Wording(lambda group: "停水", lambda member_id: "停水", hand=lambda group: f"请复制到{group}")


def group_of(session: Session, ground: Ground, unit: str, name: str) -> int:
    """A group of ours with a chat."""
    made = add_group(session, community_id=ground.community.id, unit=ground.units[unit], name=name, now=NOW)
    add_endpoint(session, community_id=ground.community.id, group_id=made, channel="simulator", address=name, now=NOW)
    return made


def write(session: Session, ground: Ground, *units: str, by: str = "张敏", now: datetime = NOW, **more: Any) -> Notice:
    """A notice for everybody of these units, confirmed unless it is for a `second` person."""
    who, second = more.pop("who", Who.EVERYBODY), more.pop("second", False)
    parts = tuple(Part(ground.units[unit], who) for unit in units)
    return broadcast.write_broadcast(
        session,
        community_id=ground.community.id,
        draft=Draft(parts, "、".join(units), "停水", "明早停水", **more),
        unit=ground.root,
        made_by=ground.people[by],
        now=now,
        settings=SETTINGS,
        second=second,
    )


def send(session: Session, notice: Notice, *, reach: Reach = EVERYWHERE, now: datetime = NOW) -> Notice:
    plan = broadcast.plan(
        session, community_id=notice.community_id, parts=notice.parts, target=notice.target, reach=reach, now=now
    )
    return broadcast.send(session, notice=notice, plan=plan, wording=WORDING, reach=reach, now=now, settings=SETTINGS)


def resume(session: Session, notice: Notice, was: BroadcastState) -> Notice:
    return broadcast.resume(session, notice=notice, was=was, reach=EVERYWHERE, now=NOW, settings=SETTINGS)


def settle(session: Session, ground: Ground, now: datetime) -> list[tuple[int, BroadcastState]]:
    """The notices that have come to their end by now, with where they stand."""
    ended = broadcast.settle(session, community_id=ground.community.id, now=now, settings=SETTINGS)
    return [(one.number, one.state) for one in ended]


def end_outbox(session: Session, key: str, state: OutboxState, reason: str = "") -> None:
    """What the postman would write."""
    session.execute(update(Outbox).where(Outbox.key.like(key)).values(state=state, dead_reason=reason, finished_at=NOW))


def posted(session: Session) -> list[tuple[str, str, bool]]:
    """What stands in the outbox: key without the id of the notice, text, urgency."""
    rows = session.execute(select(Outbox.key, Outbox.text, Outbox.urgent).order_by(Outbox.id))
    return [(row.key.split(":", 2)[0] + ":" + row.key.split(":", 2)[2], row.text, row.urgent) for row in rows]


async def proved(books: Books, unit: Callable[[Session], Any]) -> Any:
    """Runs a unit on fresh ground of either database, and proves the books."""
    result = await books.write(unit)
    assert [one for one in await books.read(violations) if one.name.split(".")[0] != "outbox"] == []
    return result


# -- whom it reaches ----------------------------------------


async def test_a_notice_goes_to_the_groups_and_alone_to_those_whom_no_group_hears_for(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        three = group_of(session, ground, "3栋", "3栋群")
        add_person(session, ground.community.id, "钱婆婆", ground.units["5栋2单元"], known=False, room="301")

        def plan(*parts: Part, reach: Reach = EVERYWHERE) -> broadcast.Plan:
            return broadcast.plan(
                session, community_id=ground.community.id, parts=parts, target="?", reach=reach, now=NOW
            )

        both = plan(Part(ground.units["3栋"]), Part(ground.units["5栋"]))
        assert [group.id for group in both.groups] == [three]
        assert {one.name for one in both.alone} == {"孙丽", "老魏", "孙姐", "何叔"}
        assert [one.name for one in both.missed] == ["钱婆婆"]
        assert len(both.people) == 11
        leads = plan(Part(ground.root, Who.BUILDING_LEADS))
        assert {one.name for one in leads.alone} == {"老赵", "老魏"}
        assert leads.groups == []
        # Nobody of 5栋 can be written to: the nearest group above hears of it, where there is one.
        with pytest.raises(OutOfReach):
            plan(Part(ground.units["5栋"]), reach=NOTHING)
        everybody = group_of(session, ground, "社区", "大群")
        assert [group.id for group in plan(Part(ground.units["5栋"]), reach=NOTHING).groups] == [everybody]
        assert [group.pushes for group in plan(Part(ground.units["5栋"]), reach=NOTHING).groups] == [False]
        with pytest.raises(NobodyThere):
            plan(Part(ground.root, Who.PARTY))

    await proved(books, unit)


async def test_whoever_has_to_write_first_and_has_not_is_out_of_reach(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        reach = Reach(people=PEOPLE, must_open={NAMESPACE: frozenset({"bot"})})
        for who in ("老魏", "孙姐"):
            note_opened(session, namespace=NAMESPACE, external_id=who, now=NOW)
        plan = broadcast.plan(
            session, community_id=ground.community.id, parts=[Part(ground.units["5栋"])], target="5栋", reach=reach,
            now=NOW,
        )  # fmt: skip
        assert [one.name for one in plan.alone] == ["老魏", "孙姐"]
        assert [one.name for one in plan.missed] == ["孙丽", "何叔"]

    await proved(books, unit)


async def test_a_notice_goes_out_once_to_each_place(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        group_of(session, ground, "3栋", "3栋群")
        notice = write(session, ground, "3栋", urgent=True)
        first = send(session, notice)
        assert first.state is BroadcastState.SENDING
        # Another replica that has read it as confirmed comes too late.
        send(session, notice)
        assert [(key.split(":")[1], urgent) for key, _, urgent in posted(session)] == [("group", True)]

    await proved(books, unit)


# -- where it stands ----------------------------------------

OUTCOMES = [
    ((OutboxState.SENT, OutboxState.SENT), BroadcastState.SENT),
    ((OutboxState.SENT, OutboxState.FAILED), BroadcastState.PARTLY_FAILED),
    ((OutboxState.UNKNOWN, OutboxState.FAILED), BroadcastState.PARTLY_FAILED),
    ((OutboxState.SENT, OutboxState.UNKNOWN), BroadcastState.UNKNOWN),
    ((OutboxState.SENT, OutboxState.HANDED_ON), BroadcastState.PARTLY_FAILED),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("outcomes", "state"), OUTCOMES)
async def test_a_notice_ends_as_its_copies_do(
    books: Books, outcomes: tuple[OutboxState, OutboxState], state: BroadcastState
) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        groups = [group_of(session, ground, unit, f"{unit}群") for unit in ("3栋", "5栋")]
        notice = send(session, write(session, ground, "3栋", "5栋"))
        assert settle(session, ground, NOW) == []
        end_outbox(session, f"%:group:{groups[0]}", outcomes[0], "no route: x")
        assert settle(session, ground, NOW + HOUR) == []
        end_outbox(session, f"%:group:{groups[1]}", outcomes[1], "no route: x")
        assert settle(session, ground, NOW + 3 * HOUR) == [(notice.number, state)]
        assert settle(session, ground, NOW + 9 * HOUR) == []

    await proved(books, unit)


async def test_what_the_bot_cannot_write_waits_for_a_person_and_not_for_ever(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        group_of(session, ground, "3栋", "3栋群")
        notice = send(session, write(session, ground, "3栋"), reach=BY_HAND)
        assert notice.state is BroadcastState.WAITING
        lead = ground.people["老赵"]
        assert [(key.rsplit(":", 2)[1:], text) for key, text, _ in posted(session)] == [
            ([str(lead), "0"], "请复制到3栋群"),
            ([str(lead), "1"], "停水"),
        ]
        done = broadcast.copied_by_hand(
            session, notice=notice, copies=broadcast.copies_of(session, notice), by=lead, now=NOW + HOUR,
            settings=SETTINGS,
        )  # fmt: skip
        assert done.state is BroadcastState.SENT
        broadcast.take_back_copied(
            session, notice=done, copy_ids=[one.id for one in broadcast.copies_of(session, done)], now=NOW + HOUR
        )
        assert settle(session, ground, NOW + 2 * HOUR) == []
        late = NOW + timedelta(hours=SETTINGS.hand_hours)
        assert settle(session, ground, late) == [(notice.number, BroadcastState.PARTLY_FAILED)]
        assert [one.state for one in broadcast.copies_of(session, done)] == [CopyState.FAILED]

    await proved(books, unit)


async def test_a_notice_is_called_back_before_any_of_it_is_out(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        groups = [group_of(session, ground, unit, f"{unit}群") for unit in ("3栋", "5栋")]
        planned = write(session, ground, "3栋", due_at=NOW + HOUR)
        by = ground.people["张敏"]
        back = broadcast.call_back(session, notice=planned, by=by, reason="", now=NOW)
        assert back.state is BroadcastState.CANCELLED
        waiting = send(session, write(session, ground, "3栋", "5栋"))
        assert broadcast.call_back(session, notice=waiting, by=by, reason="", now=NOW).state is BroadcastState.CANCELLED
        assert {row.state for row in session.execute(select(Outbox.state))} == {OutboxState.FAILED}
        for notice, was in ((planned, BroadcastState.CONFIRMED), (waiting, BroadcastState.SENDING)):
            assert resume(session, notice, was).state is was
            with pytest.raises(broadcast.NotCalledBack):
                resume(session, notice, was)
        assert {row.state for row in session.execute(select(Outbox.state))} == {OutboxState.WAITING}
        assert {one.state for one in broadcast.copies_of(session, waiting)} == {CopyState.WAITING}
        broadcast.call_back(
            session,
            notice=broadcast.find_broadcast(session, community_id=1, number=waiting.number),
            by=by,
            reason="",
            now=NOW,
        )
        end_outbox(session, f"broadcast:{waiting.id}:group:{groups[0]}", OutboxState.FAILED, "given up")
        with pytest.raises(broadcast.CannotResume), savepoint(session, "resume"):
            resume(session, waiting, BroadcastState.SENDING)
        out = send(session, write(session, ground, "3栋", "5栋"))
        end_outbox(session, f"broadcast:{out.id}:group:{groups[0]}", OutboxState.SENT)
        settle(session, ground, NOW + HOUR)
        with pytest.raises(OutAlready):
            broadcast.call_back(session, notice=out, by=by, reason="", now=NOW + HOUR)

    await proved(books, unit)


async def test_a_draft_waits_for_a_second_person_who_is_somebody_else(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        group_of(session, ground, "3栋", "3栋群")
        draft = write(session, ground, "3栋", by="刘洋", second=True)
        number = draft.review_number or 0
        for name in ("刘洋", "老赵", "王秀英"):
            with pytest.raises(broadcast.NoSuchDraft):
                broadcast.decide_draft(
                    session, reviewer=person(session, name), number=number, approve=True, reason="", now=NOW
                )
        with pytest.raises(broadcast.NoSuchDraft):
            broadcast.decide_draft(
                session, reviewer=person(session, "王五"), number=number, approve=True, reason="", now=NOW
            )
        yes = broadcast.decide_draft(
            session, reviewer=person(session, "孙丽"), number=number, approve=True, reason="", now=NOW
        )
        assert yes.state is BroadcastState.CONFIRMED
        own = write(session, ground, "3栋", by="张敏", second=True)
        with pytest.raises(broadcast.OwnDraft):
            broadcast.decide_draft(
                session, reviewer=person(session, "张敏"), number=own.review_number or 0, approve=True, reason="",
                now=NOW,
            )  # fmt: skip
        late = NOW + timedelta(hours=SETTINGS.draft_hours)
        lapsed = broadcast.lapse_drafts(session, community_id=ground.community.id, now=late)
        assert [one.number for one in lapsed] == [own.number]
        with pytest.raises(NoSecondPerson):
            broadcast.second_people(
                session, community_id=ground.elsewhere.id, unit=ground.units["滨河社区"], without=ground.people["王五"],
                now=NOW,
            )  # fmt: skip

    await proved(books, unit)


NEEDS = [
    # Who, for which units, urgent, the rule; whether somebody else has to say yes.
    ("张敏", ("社区",), False, [], False),
    ("张敏", ("社区",), False, ["whole"], True),
    ("张敏", ("3栋",), False, ["whole"], False),
    ("张敏", ("3栋",), True, ["whole", "urgent"], True),
    ("张敏", ("3栋",), False, ["always"], True),
    ("老赵", ("3栋",), False, [], False),
    ("老赵", ("3栋", "5栋"), False, [], True),
    ("老赵", ("社区",), False, [], True),
    ("刘洋", ("3栋",), False, [], True),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_needs_a_second_person(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        for who, units, urgent, rule, needed in NEEDS:
            parts = [Part(ground.units[one]) for one in units]
            found = broadcast.needs_second(session, person=person(session, who), parts=parts, urgent=urgent, rule=rule)
            assert found is needed, (who, units, rule)

    await books.write(unit)


# -- receipts ----------------------------------------


async def test_one_receipt_answers_for_the_household_and_each_household_is_reminded_three_times(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        group_of(session, ground, "3栋", "3栋群")
        home = ground.units["5栋2单元"]
        for name in ("钱叔", "钱婶"):
            add_person(session, ground.community.id, name, home, room="301")
        asked = send(session, write(session, ground, "5栋", wants_receipts=True))
        counted = broadcast.tally(session, notice=asked, now=NOW)
        assert (counted.households, counted.people) == (5, 6)
        member = broadcast.people_of_room(session, community_id=ground.community.id, within=home.path, room="301")[0]
        for first in (True, False):
            given = broadcast.acknowledge(
                session, notice=asked, member_id=member.id, way=Way.OWN, made_by=member.id, now=NOW
            )
            assert given.first_time is first
        counted = broadcast.tally(session, notice=asked, now=NOW)
        assert (counted.answered_households, counted.answered_people, len(counted.silent)) == (1, 1, 4)
        with pytest.raises(broadcast.NotAddressed):
            broadcast.acknowledge(
                session, notice=asked, member_id=ground.people["王秀英"], way=Way.OWN,
                made_by=ground.people["王秀英"], now=NOW,
            )  # fmt: skip

        def remind(hours: int) -> broadcast.Reminded:
            return broadcast.remind(
                session, notice=asked, paths=[ground.units["5栋"].path], by=None,
                reachable={ground.people["孙姐"], ground.people["何叔"]}, now=NOW + hours * HOUR, settings=SETTINGS,
            )  # fmt: skip

        done = remind(0)
        assert {one.name for one in done.people} == {"孙姐", "何叔"}
        assert len(done.unreachable) == 2
        with pytest.raises(RemindedRecently):
            remind(3)
        assert [remind(hours).time for hours in (4, 8)] == [2, 3]
        with pytest.raises(RemindedEnough):
            remind(24)
        with pytest.raises(broadcast.ReceiptsClosed):
            remind(24 * SETTINGS.receipt_days)

    await books.write(unit)


# -- pure rules ----------------------------------------

AGAIN = [
    ("FREQ=DAILY", november(17, 18), november(18, 18)),
    ("FREQ=DAILY;INTERVAL=2", november(17, 18), november(19, 18)),
    ("FREQ=WEEKLY;BYDAY=FR", november(20, 18), november(27, 18)),
    ("FREQ=WEEKLY;BYDAY=TU,FR", november(17, 9, 30), november(20, 9, 30)),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SA", november(7, 9), november(21, 9)),
    ("FREQ=MONTHLY;BYMONTHDAY=1,15", november(1, 9), november(15, 9)),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", november(1, 9), november(30, 9)),
    ("FREQ=MONTHLY;BYDAY=-1FR", november(1, 9), november(27, 9)),
    ("FREQ=MONTHLY;BYDAY=2TU", november(1, 9), november(10, 9)),
    ("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=20", november(17, 9), november(20, 9)),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", november(17, 9), None),
]


@pytest.mark.parametrize(("rule", "after", "again"), AGAIN)
def test_what_comes_again_has_its_next_time(rule: str, after: datetime, again: datetime | None) -> None:
    assert next_time(rule, after) == again


TITLES = [
    ("明早8点到10点停水，请存水", "停水"),
    ("停水通知：周四早8点停水", "停水通知"),
    ("【体检】周四在活动室", "体检"),
    ("周四", "周四"),
    ("请大家把堆在楼道里的纸箱和旧家具搬走", "请大家把堆在楼道里的纸箱"),
]


@pytest.mark.parametrize(("body", "title"), TITLES)
def test_a_notice_is_called_by_how_it_begins(body: str, title: str) -> None:
    assert title_of(body, NOW) == title


def test_a_notice_keeps_the_marks_and_the_script_of_its_writer() -> None:
    assert as_typed("@小邻 广播 3栋 停水，請存水！", "停水,请存水!") == "停水，請存水！"
    assert as_typed("广播 3栋 別的", "停水") == "停水"


# -- dialogues ----------------------------------------

CHECK = "发送请回复 确认，不发回复 取消。"


@ON_SQLITE
async def test_property_and_party_members_write_drafts(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "刘洋", direct, "通知 全体 地库周三冲洗，请挪车",
                f"广播预览：地库周三冲洗，请挪车（要第二个人点头）\n给 全体：230户316人。\n发到：3栋群、5栋群、社区大群。\n{CHECK}",
            ),
            ("刘洋", direct, "确认", "8号写好了，等别的同志点头（1号），通过了就发。"),
            (
                "张敏", direct, "审核",
                "等您看的有1件：\n1号 广播 刘洋 给 全体：地库周三冲洗\n同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("张敏", direct, "驳回 1 改到周四", "已驳回 1号：8号广播不发了（改到周四）。"),
            ("张敏", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
        ],
    )  # fmt: skip
    assert [push.to for push in pushes] == ["张敏", "孙丽", "刘洋"]
    assert pushes[2].text == "8号广播「地库周三冲洗」没有通过：改到周四。\n改好了请重新说一遍。"
    await street.say("李建国", "广播 3栋 周四学习")
    await street.say("李建国", "确认")
    assert await street.say("孙丽", "通过 2") == "已通过 2号：9号广播马上发。"
    assert [(push.to, push.text) for push in await street.until(november(17, 19, 40))] == [
        ("3栋群", "【3栋通知 9】周四学习"),
        ("李建国", "9号「学习」发完了：3栋群已发。"),
    ]


@ON_SQLITE
async def test_whoever_wrote_what_could_not_go_out_hears_of_it_in_the_end(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏", direct, "明早8点 广播 流动党员 请报平安",
                f"广播预览：请报平安（11月18日 周三 8:00）\n给 流动党员：1人。\n私信1人。\n{CHECK}",
            ),
            ("张敏", direct, "确认", "8号已定：11月18日 周三 8:00 发给 流动党员。\n不发了请发 取消广播 8。"),
            ("张敏", direct, "把小吴的流动党员去掉", "已去掉，小吴：动态管理。"),
        ],
    )  # fmt: skip
    pushes = await street.until(november(18, 8, 1))
    assert [push.text for push in pushes if push.to == "张敏"] == ["8号「请报平安」没有发：流动党员没有登记的人。"]
    told = select(Outbox.otherwise).where(Outbox.key.startswith("broadcast-not-sent:"))
    assert await street.house.books.read(lambda session: session.scalar(told)) == (
        "张敏 写的8号广播没有发出去，我发不到张敏。\n请转告：私聊我发 广播状态 8 看原因。"
    )


FRIDAYS, WHEN = "FREQ=WEEKLY;BYDAY=FR", "什么时候发？请这样说：定时广播 明早8点 3栋 停水"


@pytest.mark.parametrize(
    ("text", "target", "content", "when"),
    [
        ("每周五 广播 在职党员 下午三点学习", "在职党员", "下午三点学习", FRIDAYS),
        ("每周五 下午三点 广播 在职党员 学习", "在职党员", "学习", FRIDAYS),
        ("广播 每周五15:00 在职党员 学习", "在职党员", "学习", FRIDAYS),
        ("每周五提醒在职党员 学习", "在职党员", "学习", FRIDAYS),
        ("请在明早8点广播3栋，今天停水", "3栋", "今天停水", november(18, 8)),
        ("半小时后 广播 3栋 停水", "3栋", "停水", november(17, 20)),
        ("明天广播 3栋 停水", "3栋", "停水", november(18, 0)),
        # Now, and what the notice itself tells.
        ("今天 广播 3栋 停水", "3栋", "停水", None),
        ("马上 广播 3栋 停水", "3栋", "停水", None),
        ("广播 3栋 明早8点 停水", "3栋", "明早8点 停水", None),
        ("明早8点 停水，广播 3栋", "3栋", "明早8点,停水", None),
        ("明早8点到10点停水 广播 3栋", "3栋", "明早8点到10点停水", None),
    ],
)
def test_a_time_before_the_verb_is_when_it_goes_out(
    text: str, target: str, content: str, when: str | datetime | None
) -> None:
    found = heard({"text": text, "channel": "dm", "role": "secretary"})
    slots = found.slots
    assert (found.outcome, slots["target"], slots["content"]) == ("act", target, content)
    assert slots.get("when_recur", slots.get("when_at")) == when


@pytest.mark.parametrize(
    "text",
    [
        "明早8点到10点 广播 3栋 停水",
        "周五前 广播 3栋 停水",
        "下周一到周五每天早上8点 广播 全体 垃圾分类",
        "每周五的时候广播 在职党员 学习",
    ],
)
def test_a_time_that_is_not_sure_is_asked_about_and_nothing_waits_to_be_confirmed(text: str) -> None:
    found = heard({"text": text, "channel": "dm", "role": "secretary"})
    assert (found.outcome, found.say, found.command) == ("ask", WHEN, None)


def test_a_neighbour_who_tells_of_broadcasts_gives_no_command() -> None:
    line = {"text": "每天早上广播 全体 都烦死了", "channel": "group", "role": "secretary"}
    assert heard(line).outcome == "ignore"


@ON_SQLITE
async def test_what_is_planned_goes_out_at_its_moment_unless_it_is_taken_back(street: Street) -> None:
    await talk(
        street,
        [
            (
                "老赵", direct, "定时广播 明早8点 3栋 楼道消毒",
                f"广播预览：楼道消毒（11月18日 周三 8:00）\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}",
            ),
            ("老赵", direct, "确认", "8号已定：11月18日 周三 8:00 发给 3栋。\n不发了请发 取消广播 8。"),
            ("王秀英", direct, "取消广播 8", "这件事要物业、楼长或社区来办。您能办的事请发 帮助。"),
            ("刘洋", direct, "取消广播 8", "没有8号广播，或不归您管。看看有哪些请发 广播列表。"),
            ("老赵", direct, "取消广播 8", "已取消8号「楼道消毒」，没有发出去。"),
            ("老赵", direct, "撤销", "8号「楼道消毒」不取消了，11月18日 周三 8:00 照发。"),
            ("老赵", direct, "更正 8 改到九点", "8号还没有发出去，不用更正：先发 取消广播 8，再重新写。"),
            ("老赵", direct, "撤销", "已取消8号「楼道消毒」，没有发出去。"),
            ("老赵", direct, "取消广播 8", "8号已经取消了。"),
            ("老赵", direct, "定时广播 明早8点 3栋 楼道消毒", f"广播预览：楼道消毒（11月18日 周三 8:00）\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}"),
            ("老赵", direct, "取消", "好的，不办了。"),
            (
                "老赵", direct, "定时广播 明天 3栋 楼道消毒",
                f"广播预览：楼道消毒（11月18日 周三 8:00）\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}",
            ),
            ("老赵", direct, "取消", "好的，不办了。"),
            ("老赵", direct, "广播 3栋", "请写上通知的内容，例如 广播 3栋 明天停水"),
            ("老赵", direct, "广播 火星 明天停水", "发给谁？例如 广播 3栋 明天停水"),
            ("张敏", direct, "广播列表", "7号 停水通知（3栋，已发）"),
            ("王秀英", "3栋群", "广播 3栋 卖苹果", silence),
        ],
    )  # fmt: skip
    assert [push for push in await street.until(november(18, 9, 0)) if "消毒" in push.text] == []


@ON_SQLITE
async def test_receipts_are_quiet_private_and_taken_back(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "收到", silence),
            ("王秀英", "3栋群", "收到 7", silence),
            ("王秀英", direct, "收到", "已经记过了，不用再回。"),
            ("王秀英", direct, "撤销", "已撤回7号的回执。"),
            ("王秀英", direct, "收到", "记下了，谢谢。"),
            ("何叔", direct, "收到 7", "7号不是发给您那里的，不用回。"),
            ("王秀英", direct, "收到 6", "没有6号广播，或不归您管。看看有哪些请发 广播列表。"),
            ("陌生人", direct, "收到 7", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )
    lead = await street.say("老赵", "广播状态 7 3栋1单元")
    assert lead.startswith("7号「停水通知」已发：3栋群已发。\n3栋1单元回执2/16户（2人）。\n还没回的14户：3栋1单元 ")
    assert await street.say("老赵", "广播状态 7 5栋") == "7号「停水通知」已发：3栋群已发。\n回执4/29户（4人）。"


@ON_SQLITE
async def test_nobody_is_reminded_at_night_or_before_the_notice_is_out(street: Street) -> None:
    await street.until(november(17, 21, 40))
    await talk(
        street,
        [
            (
                "张敏", direct, "广播 3栋 明早停水 回执 没回的自动催",
                f"广播预览：明早停水（要回执，没回的自动催，现在免打扰，7:00才发）\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}",
            ),
            (
                "张敏", direct, "确认",
                "8号已定：免打扰过后，11月18日 周三 7:00 发给 3栋。\n急的请用 紧急广播；不发了请发 取消广播 8。",
            ),
            ("张敏", direct, "取消广播 8", "已取消8号「停水」，没有发出去。"),
            ("张敏", direct, "撤销", "8号「停水」不取消了，11月18日 周三 7:00 照发。"),
            ("张敏", direct, "催办 8", "现在免打扰，11月18日 周三 7:00 以后再催。"),
            ("老赵", direct, "催办 7", "现在免打扰，11月18日 周三 7:00 以后再催。"),
        ],
    )  # fmt: skip
    assert [push for push in await street.until(november(18, 10, 59)) if push.text.startswith("提醒：")] == []
    reminded = [push for push in await street.until(november(18, 11, 1)) if push.text.startswith("提醒：")]
    assert "王秀英" in {push.to for push in reminded}
    assert len(reminded) == len({push.to for push in reminded})


@ON_SQLITE
async def test_what_is_urgent_is_asked_after_at_night(street: Street) -> None:
    await street.until(november(17, 22, 0))
    await street.say("张敏", "紧急广播 3栋 水管爆了，请关好总阀 回执")
    await street.say("张敏", "确认")
    await street.until(november(17, 22, 10))
    assert (await street.say("老赵", "催办 8")).startswith("第1次催办已发：")
    assert ("王秀英", "提醒：8号「水管爆了」还等您回一声。\n收到请回复 收到 8。") in street.house.channels[
        "simulator"
    ].sent


@ON_SQLITE
async def test_what_is_planned_for_the_night_says_when_it_leaves(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏", direct, "定时广播 今晚11点 3栋 关窗",
                "广播预览：关窗（11月17日 周二 23:00，那时免打扰，7:00才发）\n"
                f"给 3栋：29户35人。\n发到：3栋群。\n{CHECK}",
            ),
            ("张敏", direct, "确认", "8号已定：11月18日 周三 7:00 发给 3栋。\n不发了请发 取消广播 8。"),
        ],
    )  # fmt: skip


@ON_SQLITE
async def test_a_lead_finds_what_others_sent_to_their_building(street: Street) -> None:
    for text in ("广播 3栋 明早停水 回执", "确认", "广播 5栋 明早停电 回执", "确认"):
        await street.say("张敏", text)
    await street.until(november(17, 19, 40))
    assert await street.say("老赵", "广播列表") == "8号 停水（3栋，已发）\n7号 停水通知（3栋，已发）"


@ON_SQLITE
async def test_who_cannot_be_written_to_hears_from_the_lead_that_something_waits(street: Street) -> None:
    for text in ("定时广播 每周五18点 3栋 垃圾分类", "确认", "任命 李建国 社区书记", "确认"):
        await street.say("张敏", text)

    def leave(session: Session) -> None:
        session.execute(delete(Identity).where(Identity.external_id == "李建国"))

    await street.house.books.write(leave)
    for text in ("免去 张敏 社区书记", "确认"):
        await street.say("张敏", text)
    await street.until(november(18, 9, 1))
    told = "锦绣社区的循环广播现在归李建国管，我发不到李建国。请转告：私聊我发 广播列表 就能看到。"
    assert [to for to, text in street.script.sent if text == told] == ["老赵"]


@ON_SQLITE
async def test_what_a_lead_cannot_hear_is_told_above_them_without_a_name(street: Street) -> None:
    for text in ("广播 3栋 明早停水 回执", "确认"):
        await street.say("张敏", text)
    await street.until(november(17, 19, 40))

    def leave(session: Session) -> None:
        session.execute(delete(Identity).where(Identity.external_id == "老赵"))

    await street.house.books.write(leave)
    await street.until(november(18, 20, 1))
    told = "8号「停水」有几户要上门说，我发不到老赵。\n请转告：私聊我发 广播状态 8 就能看到。"
    assert ("张敏", told) in street.script.sent or ("孙丽", told) in street.script.sent


@ON_SQLITE
async def test_a_household_of_which_the_lead_knows_why_is_not_asked_again(street: Street) -> None:
    noted = "记下了：{0}还没说收到（{1}），8号不再催这户。\n问到了请发 收到 8 {0}。"
    for text in ("广播 3栋2单元 明早停水 回执", "确认"):
        await street.say("张敏", text)
    await street.until(november(17, 19, 40))
    await talk(
        street,
        [
            ("老赵", direct, "备注 8 3栋2单元502 家里没人", noted.format("3栋2单元502", "家里没人")),
            ("老赵", direct, "撤销", "已撤回8号的备注。"),
            ("老赵", direct, "备注 8 502 敲门没人应", "502有几户，请写上楼栋单元，例如 备注 8 3栋1单元502 家里没人。"),
            ("老赵", direct, "备注 8 2单元502 敲门没人应", noted.format("3栋2单元502", "敲门没人应")),
            ("老赵", direct, "撤销", "已撤回8号的备注。"),
            ("老赵", direct, "收到 8 3栋2单元502 家里没人", noted.format("3栋2单元502", "家里没人")),
            ("老赵", direct, "备注 8 3栋2单元501 老人住院了，回执我代收", noted.format("3栋2单元501", "老人住院了，回执我代收")),
            ("老赵", "3栋群", "@小邻 备注 8 3栋2单元503 出差了", "记下了，8号不再催这户。"),
            ("老赵", direct, "备注 8 3栋2单元999 家里没人", "3栋2单元999没有登记的人。请核对楼栋房号。"),
            ("老赵", direct, "备注 8 5栋101 家里没人", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
            ("老赵", direct, "备注 8 3栋1单元502 家里没人", "8号不是发给3栋1单元502的，不用备注。"),
            ("刘洋", direct, "谁没回", "您管的广播里没有在等回执的。"),
            ("老赵", direct, "谁没回", "是几号广播？请回复序号：\n1 8号 停水\n2 7号 停水通知"),
            ("老赵", direct, "3栋2单元501说家里没人", "是几号通知？请写上编号，例如 备注 8 3栋2单元501 家里没人。"),
            ("王秀英", direct, "收到 8", "记下了，谢谢。"),
            ("老赵", direct, "备注 8 3栋2单元501 出差了", "3栋2单元501已经说过收到了，不用备注。"),
            ("何叔", direct, "备注 8 502 家里没人", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            (
                "老赵", direct, "#接龙\n通知8收到\n1. 3栋2单元601\n2. 3栋2单元403 家里没人",
                "已读到接龙：新增2（3栋2单元601、3栋2单元403），共2人。\n记下收到的：3栋2单元601。没见到、不再催的：3栋2单元403。",
            ),
        ],
    )  # fmt: skip
    status = await street.say("老赵", "广播状态 8")
    assert "502陈阿姨（家里没人）" in status
    assert "503马耀东（出差了）" in status
    assert "501" not in status
    told = await street.until(november(18, 8, 0))
    await street.say("老赵", "催办 8")
    reminded = {push.to for push in [*told, *street.pushes] if push.text.startswith("提醒：8号")}
    assert "陈阿姨" not in reminded


async def test_what_the_operator_sends_again_is_followed(street: Street) -> None:
    for text in ("广播 3栋 明早停水 回执", "确认"):
        await street.say("张敏", text)

    def fail(session: Session) -> int:
        end_outbox(session, "broadcast:%", OutboxState.FAILED, "45002 refused")
        return session.scalars(select(Outbox.id).where(Outbox.ref == "broadcast:8")).one()

    number = await street.house.books.write(fail)
    await street.until(november(17, 19, 45))
    assert "3栋群没发到" in await street.say("张敏", "广播状态 8")
    now = street.house.clock.now()
    await street.house.books.write(lambda session: deliveries.send_again(session, number, now=now))
    assert (await street.say("张敏", "广播状态 8")).startswith("8号「停水」正在发")
    await street.until(november(17, 19, 50))
    assert (await street.say("张敏", "广播状态 8")).startswith("8号「停水」已发：3栋群已发。")


@ON_SQLITE
async def test_where_the_bot_writes_to_nobody_first_a_person_copies(street: Street) -> None:
    mute = muted(street)
    await talk(
        mute,
        [
            (
                "张敏", direct, "广播 3栋 明早停水 回执",
                f"广播预览：明早停水（要回执）\n给 3栋：29户35人。\n3栋群要人转发。\n{CHECK}",
            ),
            ("张敏", direct, "确认", "3栋群我发不进去：请发 广播原文 8，复制到群里，再回复 已发 8。"),
            ("老赵", direct, "广播原文 8", "【锦绣社区通知 8】明早停水\n收到请 @小邻 回复 收到 8。"),
            ("孙姐", direct, "已发 8", "这件事要物业、楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", "3栋群", "@小邻 已发 8", "记下了，3栋群已发。"),
            ("老赵", direct, "已发 8", "8号没有等您转发的群。"),
            ("张敏", direct, "广播状态 8", "8号「停水」已发：3栋群已发。\n回执0/29户（0人）。\n" + SILENT + "\n催一催请发 催办 8。"),
        ],
    )  # fmt: skip


SILENT = "还没回的29户：3栋2单元 102程爱华 103傅彩霞 202陈美玲 203赵耀东 301刘雨桐 303赵德福 401郑卫东 403徐云霞 501王秀英 502陈阿姨 503马耀东 601刘家兴等，看一处的请发 广播状态 8 加楼栋单元。"
