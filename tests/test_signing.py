"""报名 for others and with others: who may, who is told, what is kept; leaving late, staying away, saying no."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import activities, check_in
from models.absences import Absence, absences_of
from models.activities import (
    Activity,
    ActivityHere,
    Burden,
    Burdened,
    Decline,
    Signup,
    SignupState,
    burden_of,
)
from models.directory import Identity
from models.members import Member, find_member
from models.members.family import answer_tie, ask_tie
from models.proxies import ProxyAct
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, incoming, november, silence, talk
from tests.fakes.street import Street, muted
from tests.ground import Ground, add_person, lay, person, publish
from tests.moments import SATURDAY, TUESDAY_EVENING

NOW = TUESDAY_EVENING
CLINIC = "11月22日 周日 9:00，活动室。"
CLEAN_UP = "11月21日 周六 9:00，中心花园。"


def live(number: int) -> Any:
    """Who is signed up for an activity: name, companions, state, by which right of somebody else."""

    def unit(session: Session) -> list[tuple[str, int, str, str | None]]:
        rows = session.execute(
            select(Member.name, Signup.companions, Signup.state, Signup.right)
            .join_from(Signup, Member, Signup.member_id == Member.id)
            .join(Activity, Signup.activity_id == Activity.id)
            .where(Activity.number == number, Signup.undone_at.is_(None))
            .order_by(Signup.id)
        )
        return [tuple(row) for row in rows]

    return unit


async def tie(street: Street, proxy: str, name: str) -> None:
    """Lets somebody speak for somebody else who has said yes to it."""

    def unit(session: Session) -> None:
        member = find_member(session, community_id=1, name=name)
        ask_tie(session, proxy=person(session, proxy), member=member, now=november(1, 0), most=5)
        answer_tie(session, member=person(session, name), number=None, agree=True, now=november(1, 0))

    await street.house.books.write(unit)


# -- for somebody else ----------------------------------------


async def test_a_neighbour_signs_another_up_who_is_told_and_takes_it_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("李建国", "3栋群", "替 陈阿姨 报名 13", f"已给 陈阿姨 报名「义诊」，还剩29个名额。\n{CLINIC}"),
            ("李建国", "3栋群", "替陈阿姨报名13", "陈阿姨 已经报过「义诊」了，不用再报。"),
            ("李建国", "3栋群", "替 陈阿姨 报名 13 2人", "已改：陈阿姨 报名「义诊」（共2人），还剩28个名额。"),
            ("陈阿姨", direct, "取消报名 13", "已取消 陈阿姨 的「义诊」报名。谢谢告诉大家！"),
            ("李建国", direct, "替 陈阿姨 取消报名 13", "没有报名「义诊」，不用取消。"),
        ],
    )
    assert pushes == [
        Push("陈阿姨", f"李建国 替您报名了「义诊」，{CLINIC}\n去不了请回复 取消报名 13。"),
        Push("陈阿姨", "李建国 把您「义诊」的报名改成了2人。\n去不了请回复 取消报名 13。"),
    ]
    assert [[one.say for one in push.buttons] for push in pushes] == [["取消报名 13"]] * 2
    assert await street.house.books.read(live(13)) == []


@ON_SQLITE
async def test_what_was_done_for_somebody_is_undone_and_they_hear_of_it(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("老赵", direct, "替 王秀英 报名 12", f"已给 王秀英 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            ("老赵", direct, "撤销", "已撤销 王秀英 的「清洁家园」报名。"),
            ("老赵", direct, "替 王秀英 报名 12", f"已给 王秀英 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            ("老赵", direct, "替 王秀英 取消报名 12", "已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！"),
            ("老赵", direct, "撤销", "已恢复「清洁家园」的报名。"),
        ],
    )
    signed = Push("王秀英", f"老赵 替您报名了「清洁家园」，{CLEAN_UP}\n去不了请回复 取消报名 12。")
    assert pushes == [
        signed,
        Push("王秀英", "老赵 刚才替您办的「清洁家园」报名撤回了，不算。"),
        signed,
        Push("王秀英", "老赵 替您取消了「清洁家园」的报名。\n还想去请回复 报名 12。"),
        signed,
    ]


@ON_SQLITE
async def test_a_daughter_signs_her_mother_up_by_what_she_calls_her(street: Street) -> None:
    await talk(
        street,
        [
            ("李建国", direct, "给我妈报个名 12", "我不知道您说的是哪一位，请写上姓名，例如 替 王秀英 报名 12。"),
        ],
    )
    await tie(street, "李建国", "王秀英")
    await talk(
        street,
        [
            ("李建国", direct, "给我妈报个名 12", f"已给 王秀英 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            ("李建国", direct, "替 我妈 取消报名 12", "已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！"),
        ],
    )


@ON_SQLITE
async def test_people_who_come_together_have_a_row_each_where_they_are_known(street: Street) -> None:
    """刘芳 is on no roster: she comes along without a name, and the answer says so."""
    pushes = await talk(
        street,
        [
            (
                "李建国",
                "3栋群",
                "报名 12 我和王秀英",
                f"已给 李建国、王秀英 报名「清洁家园」，还剩11个名额。\n{CLEAN_UP}",
            ),
            (
                "孙姐",
                "5栋群",
                "报名 13 我、老魏、刘芳",
                f"已给 孙姐、老魏 报名「义诊」（共3人），还剩27个名额。\n{CLINIC}\n刘芳 没有另外登记，算您的同伴。",
            ),
            (
                "陈美玲",
                direct,
                "报名 13 刘芳、马小云",
                "没有找到 刘芳、马小云，没有报上。同行的人可以写人数，例如 报名 13 2人。",
            ),
            (
                "陈美玲",
                direct,
                "报名 14 老赵、小吴",
                "已给 老赵、小吴 报名「反诈宣传」。\n11月22日 周日 14:30，1栋门厅。",
            ),
        ],
    )
    assert [push.to for push in pushes] == ["王秀英", "老魏", "老赵", "小吴"]
    assert await street.house.books.read(live(13)) == [
        ("老魏", 0, "confirmed", "neighbour"),
        ("孙姐", 1, "confirmed", None),
    ]


@ON_SQLITE
async def test_who_is_signed_up_for_nothing_by_others_is_refused_with_the_reason(street: Street) -> None:
    def alone(session: Session) -> None:
        # 陈阿姨 has lost her account.
        session.execute(update(Identity).where(Identity.external_id == "陈阿姨").values(external_id="somebody else"))
        row = session.execute(select(Member.id).where(Member.name == "何婶")).one()
        session.execute(Identity.__table__.delete().where(Identity.member_id == row.id))

    await street.house.books.write(alone)
    before = await count_rows(street.house)
    await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "替 何婶 报名 13",
                "何婶 还没有账号，没法告诉本人。请楼长来办；是您的家人，请先私聊我发 家人 何婶。",
            ),
            ("王秀英", direct, "替 刘芳 报名 13", "名册里没有找到 刘芳。是同行的人，请写人数，例如 报名 12 2人。"),
            ("王秀英", direct, "替 李建国 取消报名 13", "没有报名「义诊」，不用取消。"),
            ("陌生人", "3栋群", "替 陈阿姨 报名 13", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )
    assert grown(before, await count_rows(street.house)).keys() == {"inbox"}
    # Who leads her house needs nobody's leave, and the elder is told nothing, for she has no account.
    await talk(street, [("张敏", direct, "替 何婶 报名 13", f"已给 何婶 报名「义诊」，还剩29个名额。\n{CLINIC}")])


@ON_SQLITE
async def test_what_somebody_has_said_is_not_changed_by_a_neighbour(street: Street) -> None:
    """孙姐 may sign 何叔 up; his own sign-up is his own, and family's and theirs who are in charge."""
    mine = "何叔 的报名，要本人、家人或楼长才能改。"
    await talk(
        street,
        [
            ("孙姐", direct, "替 何叔 取消报名 12", mine),
            ("孙姐", direct, "替 何叔 报名 12 4人", mine),
            ("孙姐", direct, "替 何叔 报名 12", "何叔 已经报过「清洁家园」了（共2人），不用再报。"),
            ("孙姐", direct, "替 何叔 报名 13", f"已给 何叔 报名「义诊」，还剩29个名额。\n{CLINIC}"),
            ("孙姐", direct, "替 何叔 取消报名 13", "已取消 何叔 的「义诊」报名。谢谢告诉大家！"),
            ("张敏", direct, "替 何叔 报名 12 1人", "已改：何叔 报名「清洁家园」（1人），还剩14个名额。"),
        ],
    )


@ON_SQLITE
async def test_several_activities_are_signed_up_for_in_one_breath(street: Street) -> None:
    clean_up, clinic = "报名「清洁家园」，还剩12个名额。", "报名「义诊」，还剩29个名额。"
    over = "「消防演练」已经结束了（11月11日 周三 11:00）。"
    await talk(
        street,
        [
            ("王秀英", "3栋群", "清洁家园和义诊哪个好", silence),
            (
                "王秀英", "3栋群", "清洁家园 义诊我都去",
                f"已给 王秀英 {clean_up}\n{CLEAN_UP}\n已给 王秀英 {clinic}\n{CLINIC}",
            ),
            ("王秀英", "3栋群", "撤销", "已撤销「义诊」的报名。\n已撤销「清洁家园」的报名。"),
            # What cannot be had is named; the rest is done.
            (
                "孙姐", direct, "报名 12 13 99",
                f"已给 孙姐 {clean_up}\n已给 孙姐 {clinic}\n没有找到 99号活动。看看有哪些活动，请发 活动。",
            ),
            ("孙姐", direct, "撤销", "已撤销「义诊」的报名。\n已撤销「清洁家园」的报名。"),
            ("王秀英", direct, "报名 11 12 13", f"{over}\n已给 王秀英 {clean_up}\n已给 王秀英 {clinic}"),
            ("王秀英", direct, "报名12和99", "王秀英 已经报过「清洁家园」了，不用再报。\n没有找到 99号活动。看看有哪些活动，请发 活动。"),
        ],
    )  # fmt: skip
    assert await street.house.books.read(live(12)) != []
    answer = await street.house.hear(incoming(street, "孙丽", "报名 12 13"))
    # A button 取消报名 could mean either.
    assert answer.buttons == ()


@ON_SQLITE
async def test_nobody_signs_half_the_house_up(street: Street) -> None:
    names = await street.house.books.read(
        lambda s: list(s.scalars(select(Member.name).where(Member.id > 30).order_by(Member.id).limit(6)))
    )
    for name in names[:5]:
        assert (await street.say("王秀英", f"替 {name} 报名 14")).startswith(f"已给 {name} 报名「反诈宣传」")
    full = "一天最多替5位邻居办事，今天已经满了。请本人来办，或找楼长。"
    assert await street.say("王秀英", f"替 {names[5]} 报名 14") == full
    await street.until(november(18, 8))
    assert (await street.say("王秀英", f"替 {names[5]} 报名 14")).startswith(f"已给 {names[5]} 报名「反诈宣传」")
    assert await street.house.books.read(lambda s: len(s.scalars(select(ProxyAct.id)).all())) == 6


@ON_SQLITE
async def test_where_the_bot_cannot_write_first_nothing_is_promised(street: Street) -> None:
    quiet = muted(street)
    await talk(
        quiet,
        [("李建国", "3栋群", "@小邻 替 陈阿姨 报名 13", f"已给 陈阿姨 报名「义诊」，还剩29个名额。\n{CLINIC}")],
    )


# -- not coming ----------------------------------------


@ON_SQLITE
async def test_who_cannot_come_says_so_once_and_may_change_their_mind(street: Street) -> None:
    await talk(
        street,
        [
            ("王秀英", "3栋群", "12 我去不了", "记下了，王秀英 这次不来「清洁家园」，不再问您。想来了随时发 报名 12。"),
            ("王秀英", direct, "不来了 12", "已经记着了，王秀英 这次不来「清洁家园」。想来了随时发 报名 12。"),
            ("王秀英", direct, "报名 12", f"已给 王秀英 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            ("王秀英", direct, "取消报名 12", "已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！"),
            ("王秀英", direct, "撤销", "已恢复「清洁家园」的报名。"),
            ("老魏", direct, "清洁家园我去不了", "记下了，老魏 这次不来「清洁家园」，不再问您。想来了随时发 报名 12。"),
            ("老魏", direct, "撤销", "已撤销，「清洁家园」您来不来还没有定。"),
        ],
    )
    declined = await street.house.books.read(lambda s: s.scalars(select(Decline.undone_at)).all())
    # 周敏 said so before, and still does.
    assert [undone is None for undone in declined] == [True, False, False, False]


# -- too much of a good thing ----------------------------------------


def slot(day: int, hour: int, hours: float = 2) -> ActivityHere:
    """An activity as the rule sees it; all of them in November."""
    starts_at = november(day, hour)
    return ActivityHere(
        day * 100 + hour, 1, day * 100 + hour, 1, "", "", starts_at, starts_at + timedelta(hours=hours), starts_at,
        None, None, activities.ActivityState.PUBLISHED, None, "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([], None),
        ([(21, 12, 2)], None),
        ([(20, 9, 9)], None),
        ([(21, 10, 2)], (Burden.CLASH, 2110, 0)),
        ([(21, 8, 12)], (Burden.CLASH, 2108, 0)),
        ([(21, 11, 2)], (Burden.TIGHT, 2111, 0)),
        ([(21, 7, 1.75)], (Burden.TIGHT, 2107, 15)),
        ([(21, 13, 5)], (Burden.LONG, 2113, 420)),
        ([(21, 12, 2), (21, 15, 2)], None),
        ([(21, 12, 2), (21, 15, 2), (21, 18, 1)], (Burden.LONG, 2112, 420)),
        # What takes place at one time is worse than a long day.
        ([(21, 13, 9), (21, 9, 1)], (Burden.CLASH, 2109, 0)),
    ],
)
def test_what_is_too_much_for_one_day(
    others: list[tuple[int, int, float]], found: tuple[Burden, int, int] | None
) -> None:
    """Beside 9:00 to 11:00 on the 21st, where a day has six hours and half an hour lies between two activities."""
    slots = [slot(*one) for one in others]
    burdened = burden_of(slot(21, 9), slots, day_hours_max=6, gap_minutes_min=30)
    expected = found and Burdened(found[0], next(one for one in slots if one.number == found[1]), found[2])
    assert burdened == expected


@ON_SQLITE
async def test_a_clash_is_said_and_nothing_is_refused(street: Street) -> None:
    await street.say("张敏", "发布活动 周日10点 下象棋 活动室")
    await street.say("张敏", "确认")
    await talk(
        street,
        [
            ("王秀英", direct, "报名 13", f"已给 王秀英 报名「义诊」，还剩29个名额。\n{CLINIC}"),
            (
                "王秀英",
                direct,
                "报名 15",
                "已给 王秀英 报名「下象棋」。\n11月22日 周日 10:00，活动室。\n"
                "提醒您：和13号「义诊」（11月22日 周日 9:00）时间撞上了。",
            ),
        ],
    )


# -- who did not come ----------------------------------------


def away(session: Session, ground: Ground, name: str, now: datetime) -> list[Absence]:
    member_id = ground.people[name]
    return absences_of(session, community_id=ground.community.id, member_id=member_id, now=now, days=60)


def sign(session: Session, ground: Ground, activity: ActivityHere, name: str, **how: Any) -> None:
    activities.sign_up(
        session, activity=activity, member_id=ground.people[name], companions=0, made_by=ground.people[name], now=NOW,
        companions_max=5, **how,
    )  # fmt: skip


def come(session: Session, ground: Ground, name: str) -> None:
    coming = check_in.find_coming(session, community_id=ground.community.id, number=1, now=SATURDAY)
    assert coming is not None
    who = ground.people[name]
    check_in.check_in(session, coming=coming, member_id=who, made_by=who, now=SATURDAY)


async def test_who_stayed_away_is_counted_and_nobody_else(books: Books) -> None:
    end = SATURDAY + timedelta(hours=2)

    def unit(session: Session) -> None:
        ground = lay(session)
        activity = publish(session, ground, quota=6)
        for name in ("王秀英", "李建国", "陈美玲", "孙姐", "何叔"):
            sign(session, ground, activity, name)
        sign(session, ground, activity, "老赵", right="neighbour")
        sign(session, ground, activity, "老魏")  # waits, and moves up without being asked

        def leave(name: str, now: datetime, by: str = "") -> None:
            activities.cancel_signup(
                session, activity=activity, member_id=ground.people[name], by=ground.people[by or name], now=now
            )

        leave("陈美玲", SATURDAY - timedelta(minutes=1))  # in time
        leave("孙姐", SATURDAY)  # too late
        leave("何叔", SATURDAY, by="张敏")  # taken off the list
        counted = ("王秀英", "李建国", "陈美玲", "孙姐", "何叔", "老赵", "老魏")
        # Where nobody was checked in, nobody is known to have stayed away.
        assert [name for name in counted if away(session, ground, name, end)] == []
        come(session, ground, "李建国")
        assert [name for name in counted if away(session, ground, name, end - timedelta(minutes=1))] == []
        assert [name for name in counted if away(session, ground, name, end)] == ["王秀英", "孙姐"]
        assert away(session, ground, "王秀英", end) == [Absence(1, "清洁家园", SATURDAY)]
        # It is over by itself, and 补签 makes it good.
        assert away(session, ground, "王秀英", end + timedelta(days=60)) == []
        come(session, ground, "王秀英")
        assert away(session, ground, "王秀英", end) == []

    await books.write(unit)


async def test_who_did_not_come_twice_is_let_in_by_whoever_organises_it(street: Street) -> None:
    """王秀英 signs up for two activities and comes to none; the third asks the secretary, kindly."""
    signed = "已给 王秀英 报名「{}」，还剩{}个名额。\n{}"
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "报名 12", signed.format("清洁家园", 12, CLEAN_UP)),
            ("王秀英", direct, "报名 13", signed.format("义诊", 29, CLINIC)),
            november(21, 9, 5),
            ("小吴", direct, "签到 12", "小吴，「清洁家园」签到成功 9:05，积分+5（现有12分）。\n走的时候发一声 签退。"),
            november(22, 9, 5),
            ("小吴", direct, "签到 13", "小吴，「义诊」签到成功 9:05，积分+3（现有16分）。\n走的时候发一声 签退。"),
            november(22, 11, 30),
            (
                "王秀英",
                direct,
                "报名 14 2人",
                "王秀英 报「反诈宣传」要组织的同志先点个头：最近2次报了名没来（11月21日 清洁家园、11月22日 义诊）。\n"
                "我已经转告了，有结果告诉您。当天其实到了的，请找楼长补签。",
            ),
            (
                "张敏",
                direct,
                "审核",
                "等您看的有1件：\n1号 报名 王秀英共2人「反诈宣传」（最近报了名没来）\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("老赵", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("张敏", direct, "通过 1", "已通过 1号：王秀英 报上了「反诈宣传」。"),
            (
                "王秀英",
                direct,
                "活动 14",
                "14号「反诈宣传」11月22日 周日 14:30-16:30\n地点：1栋门厅；已报2人；积分：3分\n"
                "您已报名（共2人）。来不了请发 取消报名 14。",
            ),
        ],
    )
    told = [push for push in pushes if push.to in ("张敏", "王秀英") and "反诈" in push.text]
    assert told == [
        Push(
            "张敏",
            "王秀英 想报名「反诈宣传」（共2人）（1号），最近2次报了名没来（11月21日 清洁家园、11月22日 义诊）。\n"
            "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
        ),
        Push(
            "王秀英",
            "组织的同志同意了，您已报上「反诈宣传」，11月22日 周日 14:30。\n这次来不了请早点回复 取消报名 14。",
        ),
    ]
    mine = await street.say("王秀英", "我的资料")
    assert "签到3次，最近报了名没来2次，岗位0个，积分" in mine


@ON_SQLITE
async def test_who_is_not_let_in_hears_why(street: Street) -> None:
    def stayed_away(session: Session) -> None:
        member_id = session.scalar(select(Member.id).where(Member.name == "老魏"))
        for number in (10, 11):
            activity = activities.find_activity(session, community_id=1, number=number)
            activities.sign_up(
                session, activity=activity, member_id=member_id or 0, companions=0, made_by=member_id or 0,
                now=activity.starts_at - timedelta(hours=1), companions_max=5,
            )  # fmt: skip
            session.execute(
                check_in.CheckIn.__table__.delete().where(
                    check_in.CheckIn.activity_id == activity.id, check_in.CheckIn.member_id == member_id
                )
            )

    await street.house.books.write(stayed_away)
    assert (await street.say("老魏", "报名 12")).startswith(
        "老魏 报「清洁家园」要组织的同志先点个头：最近2次报了名没来"
    )
    pushes = await talk(
        street,
        [
            (
                "老魏",
                direct,
                "报名 12",
                "老魏 报「清洁家园」在等组织的同志点头，有结果告诉您。不去了请发 取消报名 12。",
            ),
            ("张敏", direct, "驳回 1", "请写上理由，例如 驳回 1 楼栋写错了。"),
            ("张敏", direct, "驳回 1 这次人满了", "已驳回 1号：老魏 没有报上「清洁家园」（这次人满了）。"),
            ("张敏", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
        ],
    )
    assert pushes == [Push("老魏", "「清洁家园」这次没有报上：这次人满了。\n有疑问请找社区当面说。")]


# -- a day before ----------------------------------------


@ON_SQLITE
async def test_everybody_who_comes_is_reminded_a_day_before_alone(street: Street) -> None:
    """The group hears nothing a day ahead; who signs up in the last day knows it yet; who leaves is left in peace."""
    await tie(street, "李建国", "何婶")
    pushes = await talk(
        street,
        [
            ("李建国", direct, "替 何婶 报名 12", f"已给 何婶 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            ("赵强", direct, "取消报名 12", "已取消 赵强 的「清洁家园」报名。谢谢告诉大家！"),
            november(20, 9, 30),
            ("王秀英", direct, "报名 12", f"已给 王秀英 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
            november(21, 6, 59),
        ],
    )
    text = "提醒您：明天9:00「清洁家园」，中心花园{}。\n来不了请早点回复 取消报名 12，好让给候补的邻居。"
    assert pushes[1:] == [
        Push("何叔", text.format("（共2人）")),
        Push("小吴", text.format("")),
        Push("陈美玲", text.format("（共3人）")),
        Push("何婶", text.format("")),
    ]


@ON_SQLITE
async def test_who_signed_somebody_up_is_reminded_where_they_cannot_be(street: Street) -> None:
    def forget_account(session: Session) -> None:
        row = session.execute(select(Member.id).where(Member.name == "何婶")).one()
        session.execute(Identity.__table__.delete().where(Identity.member_id == row.id))

    await street.house.books.write(forget_account)
    await street.say("孙丽", "替 何婶 报名 13")
    pushes = await street.until(november(21, 9))
    assert [push for push in pushes if "义诊" in push.text] == [
        Push("孙丽", "提醒您：您替 何婶 报的「义诊」明天9:00，活动室。\n来不了请回复 替 何婶 取消报名 13。")
    ]


def test_silence_is_nothing() -> None:
    assert silence == ""


async def test_somebody_who_was_added_without_an_account_is_not_written_to(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        activity = publish(session, ground, quota=1, confirm_minutes=120)
        made = add_person(session, ground.community.id, "马奶奶", ground.units["3栋2单元"], known=False)
        done = activities.sign_up(
            session, activity=activity, member_id=made, companions=0, made_by=ground.people["老赵"], now=NOW,
            companions_max=5, right="in_charge",
        )  # fmt: skip
        whose = activities.whose_signup(session, community_id=ground.community.id, signup_id=done.id)
        assert whose == (made, ground.people["老赵"], "马奶奶")
        assert done.state is SignupState.CONFIRMED

    await books.write(unit)
