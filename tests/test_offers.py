"""A place that became free: held for the next in line while they are asked, and passed on where nobody answers."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import activities
from models.activities import (
    ActivityHere,
    ListLocked,
    NothingOffered,
    NotSignedUp,
    Promoted,
    Signup,
    SignupState,
    offered_until,
)
from models.clock import SHANGHAI
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street, deaf_to, muted, reserved
from tests.ground import Ground, add_many, lay, publish
from tests.moments import SATURDAY, TUESDAY_EVENING

NOW = TUESDAY_EVENING
HOUR = timedelta(hours=1)
CONFIRMED, WAITING, OFFERED, ASKED = SignupState
OFFER = (
    "好消息：「包饺子」空出了位置，给您留到{}。\n11月21日 周六 9:00，活动室。\n"
    "能来请回复 能来 15，来不了请回复 取消报名 15。"
)
GONE = "没有等到您的回复，「包饺子」的位置让给后面的邻居了。\n还想来请再发 报名 15。"
UNHELD = "没有等到您的回复，「包饺子」的位置没有再给您留。\n还想来请再发 报名 15。"
"""The same, where nobody waits behind."""


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("now", "starts_at", "minutes", "until"),
    [
        # Two hours by day,
        (at(17, 9), at(21, 9), 120, at(17, 11)),
        (at(17, 19, 30), at(21, 9), 120, at(17, 21, 30)),
        # of which the night is no part,
        (at(17, 20, 30), at(21, 9), 120, at(18, 8)),
        (at(17, 21, 30), at(21, 9), 120, at(18, 9)),
        (at(17, 23), at(21, 9), 120, at(18, 9)),
        (at(18, 2), at(21, 9), 120, at(18, 9)),
        (at(17, 8), at(30, 9), 24 * 60, at(18, 17, 30)),
        # less where the activity is near,
        (at(21, 7, 30), at(21, 9, 30), 120, at(21, 8)),
        (at(20, 22), at(21, 9), 120, at(21, 7, 30)),
        # and none where there is no time left to ask in, or nobody is to be asked.
        (at(21, 8, 20), at(21, 9), 120, at(21, 8, 30)),
        (at(21, 8, 21), at(21, 9), 120, None),
        (at(21, 9), at(21, 9), 120, None),
        (at(17, 9), at(21, 9), 0, None),
    ],
)
def test_how_long_a_place_is_held(now: datetime, starts_at: datetime, minutes: int, until: datetime | None) -> None:
    found = offered_until(now=now, starts_at=starts_at, minutes=minutes)
    assert (found and found.replace(second=0)) == until


# -- rules ----------------------------------------


def opened(session: Session, quota: int) -> tuple[Ground, ActivityHere, list[int]]:
    ground = lay(session)
    return ground, publish(session, ground, quota=quota, confirm_minutes=120), add_many(session, ground, 9)


def sign(session: Session, activity: ActivityHere, member_id: int, companions: int = 0) -> activities.SignedUp:
    return activities.sign_up(
        session, activity=activity, member_id=member_id, companions=companions, made_by=member_id, now=NOW,
        companions_max=5,
    )  # fmt: skip


def leave(session: Session, activity: ActivityHere, member_id: int) -> activities.Left:
    return activities.cancel_signup(session, activity=activity, member_id=member_id, by=member_id, now=NOW)


def standing(session: Session, activity: ActivityHere, who: list[int]) -> list[tuple[int, SignupState]]:
    return [(who.index(member), state) for member, _, state in activities.who_comes(session, activity)]


async def test_a_held_place_is_nobody_elses_until_it_lapses(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, activity, who = opened(session, 2)
        first, *_ = [sign(session, activity, member) for member in who[:5]]
        until = NOW + 2 * HOUR
        left = leave(session, activity, who[0])
        assert left.promoted == (Promoted(first.id + 2, who[2], until),)
        # Full it is: whoever comes now waits, and the two behind as well.
        assert activities.how_full(session, activity) == (2, 2)
        assert sign(session, activity, who[5]).place == 3
        assert violations(session) == []
        here = ground.community.id
        assert activities.next_lapse(session, community_id=here, after=NOW, until=until) == until
        assert activities.lapse_offers(session, community_id=here, now=until - timedelta(seconds=1), limit=9) == []
        (lapsed,) = activities.lapse_offers(session, community_id=here, now=until, limit=9)
        assert (lapsed.member_id, [one.member_id for one in lapsed.promoted]) == (who[2], [who[3]])
        assert standing(session, activity, who) == [(1, CONFIRMED), (3, OFFERED), (4, WAITING), (5, WAITING)]
        with pytest.raises(NothingOffered):
            activities.take_place(session, activity=activity, member_id=who[2], now=until)
        assert activities.take_place(session, activity=activity, member_id=who[3], now=until).left == 0
        assert sign(session, activity, who[2]).place == 3
        assert violations(session) == []

    await books.write(unit)


async def test_a_held_place_is_taken_given_up_and_held_again(books: Books) -> None:
    def unit(session: Session) -> None:
        ground, activity, who = opened(session, 3)
        for member, companions in zip(who[:4], (2, 1, 0, 0), strict=True):
            sign(session, activity, member, companions)
        leave(session, activity, who[0])
        assert standing(session, activity, who) == [(1, OFFERED), (2, OFFERED), (3, WAITING)]
        # Saying 报名 once more is a yes, and a smaller party lets the next in.
        again = sign(session, activity, who[1], 0)
        assert (again.accepted, again.state, [one.member_id for one in again.promoted]) == (True, CONFIRMED, [who[3]])
        leave(session, activity, who[3])
        row = session.scalar(select(Signup.id).where(Signup.member_id == who[1])) or 0
        activities.hold_again(session, activity=activity, signup_id=row, member_id=who[1])
        own = activities.own_signup(session, activity=activity, member_id=who[1])
        assert own == activities.Own(0, OFFERED, 0, NOW + 2 * HOUR, who[1])
        held = activities.held_for(session, community_id=ground.community.id, member_id=who[1], now=NOW)
        assert held == [activity]
        activities.give_place(session, activity=activity, moved=Promoted(row, who[1], NOW))
        with pytest.raises(NothingOffered):
            activities.hold_again(session, activity=activity, signup_id=row, member_id=who[1])
        assert violations(session) == []

    await books.write(unit)


async def test_a_place_that_becomes_free_in_the_last_minutes_is_given_at_once(books: Books) -> None:
    def unit(session: Session) -> None:
        _, activity, who = opened(session, 1)
        sign(session, activity, who[0])
        sign(session, activity, who[1])
        late = SATURDAY - timedelta(minutes=20)
        left = activities.cancel_signup(session, activity=activity, member_id=who[0], by=who[0], now=late)
        assert [one.until for one in left.promoted] == [None]
        assert standing(session, activity, who) == [(1, CONFIRMED)]
        locked = activities.lock_list(session, activity=activity, now=late)
        with pytest.raises(ListLocked):
            leave(session, locked, who[1])
        with pytest.raises(NotSignedUp):
            leave(session, locked, who[2])

    await books.write(unit)


# -- dialogues ----------------------------------------


async def full_house(street: Street) -> None:
    """包饺子 with one place that 王秀英 has, and 李建国, 孙姐 and 老魏 behind her."""
    await street.say("张敏", "发布活动 周六9点 包饺子 活动室 1人")
    await street.say("张敏", "确认")
    for name in ("王秀英", "李建国", "孙姐", "老魏"):
        await street.say(name, "报名 15")


async def test_who_does_not_answer_in_two_hours_is_passed_by_the_next(street: Street) -> None:
    await full_house(street)
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "取消报名 15", "已取消 王秀英 的「包饺子」报名。谢谢告诉大家！"),
            november(17, 21, 29),
            ("孙姐", direct, "能来 15", "「包饺子」现在没有给您留着的位置。想去请发 报名 15。"),
            november(17, 21, 31),
            ("李建国", direct, "能来", "现在没有给您留着的位置。看看有哪些活动，请发 活动。"),
            ("孙姐", direct, "活动 15", "15号「包饺子」11月21日 周六 9:00-11:00\n地点：活动室；名额：1/1；积分按社区规则\n"
             "位置给您留到11月18日 周三 9:00。能来请回复 能来 15，来不了请回复 取消报名 15。"),
            november(18, 8, 30),
            ("孙姐", direct, "确认", "好的，孙姐 的「包饺子」位置定了。\n11月21日 周六 9:00，活动室。"),
            ("孙姐", direct, "能来 15", "孙姐 已经报过「包饺子」了，不用再报。"),
            november(19, 9),
        ],
    )  # fmt: skip
    # At half past nine in the evening the next is asked, and has until the morning: the night does not count.
    assert [push for push in pushes if "包饺子" in push.text] == [
        Push("李建国", OFFER.format("11月17日 周二 21:30")),
        Push("李建国", GONE),
        Push("孙姐", OFFER.format("11月18日 周三 9:00")),
    ]
    assert [one.say for one in pushes[0].buttons] == ["能来 15", "取消报名 15"]


@ON_SQLITE
async def test_a_held_place_is_refused_and_goes_on(street: Street) -> None:
    await full_house(street)
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "取消报名 15", "已取消 王秀英 的「包饺子」报名。谢谢告诉大家！"),
            ("李建国", direct, "取消报名 15", "已取消 李建国 的「包饺子」报名。谢谢告诉大家！"),
            ("孙姐", direct, "我能来 15", "已给 孙姐 报名「包饺子」，名额正好满了。\n11月21日 周六 9:00，活动室。"),
            ("孙姐", direct, "取消报名 15", "已取消 孙姐 的「包饺子」报名。谢谢告诉大家！"),
            ("老魏", direct, "能来 15", "好的，老魏 的「包饺子」位置定了。\n11月21日 周六 9:00，活动室。"),
            ("老魏", direct, "撤销", "已撤销，「包饺子」的位置还给您留着，来的请回复 能来 15。"),
            november(17, 21, 31),
        ],
    )
    asked = [Push(name, OFFER.format("11月17日 周二 21:30")) for name in ("李建国", "孙姐", "老魏")]
    assert [push for push in pushes if "包饺子" in push.text] == [*asked, Push("老魏", UNHELD)]


@ON_SQLITE
async def test_a_question_that_is_open_already_keeps_its_answer(street: Street) -> None:
    """李建国 is being asked something else: his 确认 is for that."""
    await full_house(street)
    await street.say("张敏", "替 张敏 报名 15")
    await street.say("张敏", "发布活动 周日9点 下象棋 活动室")
    for name in ("王秀英", "李建国", "孙姐", "老魏"):
        await street.say(name, "取消报名 15")
    assert (await street.say("张敏", "确认")).startswith("已发布 16号活动「下象棋」")
    assert await street.say("张敏", "能来 15") == "好的，张敏 的「包饺子」位置定了。\n11月21日 周六 9:00，活动室。"


@ON_SQLITE
async def test_where_the_bot_reaches_nobody_the_place_is_theirs_at_once(street: Street) -> None:
    """On a channel that only answers nobody can be asked: whoever organises it is to pass it on."""
    await full_house(street)
    quiet = muted(street)
    assert await quiet.say("王秀英", "取消报名 15") == "已取消 王秀英 的「包饺子」报名。谢谢告诉大家！"
    assert (await quiet.say("李建国", "活动 15")).endswith("您已报名。来不了请发 取消报名 15。")


@ON_SQLITE
async def test_on_some_channels_only_who_has_written_to_the_bot_alone_is_asked(street: Street) -> None:
    """李建国 has only spoken in the group: silence is no answer from him. 孙姐 has written, and is asked."""
    await full_house(street)
    shy = reserved(street)
    left = "已取消 {} 的「包饺子」报名。谢谢告诉大家！"
    pushes = await talk(
        shy,
        [
            ("孙姐", direct, "报名 15", "孙姐 已经报过「包饺子」了，不用再报。"),
            ("王秀英", "3栋群", "取消报名 15", left.format("王秀英")),
            november(18, 8),
            ("李建国", "3栋群", "取消报名 15", left.format("李建国")),
        ],
    )
    assert [push for push in pushes if "包饺子" in push.text] == [
        Push("张敏", "「包饺子」空出了位置，李建国 从候补转成了正式报名。我联系不上，请转告一声。"),
        Push("孙姐", OFFER.format("11月18日 周三 10:00")),
    ]


@ON_SQLITE
async def test_who_was_signed_up_by_another_is_asked_through_them(street: Street) -> None:
    await full_house(street)

    def alone(session: Session) -> None:
        from models.directory import Identity
        from models.members import Member

        row = session.execute(select(Member.id).where(Member.name == "陈阿姨")).one()
        session.execute(Identity.__table__.delete().where(Identity.member_id == row.id))

    await street.house.books.write(alone)
    pushes = await talk(
        street,
        [
            ("老赵", direct, "替 陈阿姨 报名 15", "「包饺子」名额不够了，陈阿姨 排在候补第4位。\n有空位我会告诉您。"),
            *((name, direct, "取消报名 15", f"已取消 {name} 的「包饺子」报名。谢谢告诉大家！")
              for name in ("李建国", "孙姐", "老魏", "王秀英")),
            ("老赵", direct, "替 陈阿姨 报名 15", "已给 陈阿姨 报名「包饺子」，名额正好满了。\n11月21日 周六 9:00，活动室。"),
        ],
    )  # fmt: skip
    assert [push for push in pushes if push.to == "老赵"] == [
        Push(
            "老赵",
            "您替 陈阿姨 报的「包饺子」空出了位置，留到11月17日 周二 21:30。\n11月21日 周六 9:00，活动室。\n"
            "去请回复 替 陈阿姨 报名 15，不去请回复 替 陈阿姨 取消报名 15。",
        )
    ]


@ON_SQLITE
async def test_whom_the_offer_does_not_reach_has_not_been_silent(street: Street) -> None:
    """李建国's phone takes nothing: the place is his, and whoever organises it is asked to tell him."""
    await full_house(street)
    deaf = deaf_to(street, "李建国")
    pushes = await talk(
        deaf,
        [
            ("王秀英", direct, "取消报名 15", "已取消 王秀英 的「包饺子」报名。谢谢告诉大家！"),
            november(17, 21, 31),
        ],
    )
    asked = "「包饺子」空出了位置，李建国 从候补转成了正式报名。我联系不上，请转告一声。"
    offer = Push("李建国", OFFER.format("11月17日 周二 21:30"))
    assert [push for push in pushes if "包饺子" in push.text] == [offer, Push("张敏", asked)]
