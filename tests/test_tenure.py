"""Whether holders go on: asked after a month of silence, before a term ends, left in peace while they are away."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.script import Push
from models.clock import SHANGHAI
from models.members import Member
from models.posts import Claim
from models.tenure import LeaveOver, LeaveTooLong, TenureQuestion, days_later, refuse_odd_leave, silent_days
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street, deaf_to, muted, reserved
from tests.test_handover import holders

DAY = timedelta(days=1)


def at(month: int, day: int, hour: int = 10, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


async def posts_of(street: Street, until: datetime) -> list[Push]:
    """What was pushed about posts until a moment, but for the lists of empty ones and of the month."""
    pushes = await street.until(until)
    return [p for p in pushes if "岗」" in p.text and "履职：" not in p.text]


def question(name: str, number: int, title: str, until: str) -> Push:
    return Push(
        name,
        f"{name}，{number}号「{title}」有30天没有记录了，还方便吗？不急，{until}前告诉我就行。"
        f"\n继续请回复 1 或 继续 {number}，让出请回复 2 或 让出 {number}。\n想交给别人请发 转岗 {number} 加姓名。",
    )


# The demo's holders are in their posts since 28 October; 老魏 has an entry of 11 November, 小吴 one of 30 October.
WHO_IS_ASKED = [
    question("何叔", 3, "治安巡逻岗", "12月4日 周五"),
    question("陈美玲", 5, "门栋关照岗", "12月4日 周五"),
    question("何婶", 5, "门栋关照岗", "12月4日 周五"),
]


@ON_SQLITE
async def test_a_month_of_silence_is_asked_about_and_a_week_later_the_post_is_free(street: Street) -> None:
    assert await posts_of(street, november(27, 9, 59)) == []
    assert await posts_of(street, november(27, 10)) == WHO_IS_ASKED
    await talk(
        street,
        [
            # Answered by a number, by a word, by an entry; and not at all.
            ("何婶", direct, "1", "好的，5号「门栋关照岗」还是您的。\n做了事请发 履职 5 加做了什么。"),
            ("何婶", direct, "继续 5", "现在没有等您答复的岗位。看自己的岗位请发 我的岗位。"),
            (
                "陈美玲",
                direct,
                "履职 敲了门",
                "已记下 陈美玲 的履职：5号 门栋关照岗，敲了门。\n请老赵确认后算数（1号），有结果我会告诉您。",
            ),
        ],
    )
    await posts_of(street, at(11, 30))
    assert await posts_of(street, at(12, 4, 23)) == []
    assert await posts_of(street, at(12, 5)) == [
        Push(
            "何叔",
            "3号「治安巡逻岗」一直没有您的消息，先空出来给别的邻居了，谢谢您之前的付出！\n还想做随时发 认领 3。",
        ),
        Push("孙丽", "何叔 的 3号「治安巡逻岗」问了没有答复，已经空出来了。看空岗请发 岗位。"),
    ]
    assert await street.house.books.read(holders(3)) == []
    assert await street.house.books.read(holders(5)) == ["陈美玲", "何婶"]


@ON_SQLITE
async def test_an_answer_can_be_taken_back_and_giving_up_too(street: Street) -> None:
    await posts_of(street, november(27, 10))
    pushes = await talk(
        street,
        [
            ("何叔", direct, "继续", "好的，3号「治安巡逻岗」还是您的。\n做了事请发 履职 3 加做了什么。"),
            ("何叔", direct, "撤销", "已撤回答复，3号「治安巡逻岗」还等您回复 继续 或 让出。"),
            ("何叔", direct, "让出 3", "好的，3号「治安巡逻岗」空出来了，谢谢您这段时间的付出！"),
            ("何叔", direct, "撤销", "已恢复，3号「治安巡逻岗」还是您的。"),
            ("何叔", direct, "不方便了", "好的，3号「治安巡逻岗」空出来了，谢谢您这段时间的付出！"),
        ],
    )
    gone = Push("孙丽", "何叔 让出了 3号「治安巡逻岗」。看空岗请发 岗位。")
    assert pushes == [gone, Push("孙丽", "何叔 还做 3号「治安巡逻岗」，刚才说的让出不算。"), gone]
    assert await street.house.books.read(holders(3)) == []


@ON_SQLITE
async def test_a_question_of_the_clock_does_not_hinder_what_one_is_doing(street: Street) -> None:
    await street.until(november(27, 9))
    await street.say("张敏", "认领 3")
    await street.say("张敏", "退岗 3")
    # 何婶 is in the middle of something at ten: her question stands, and only words answer the clock's.
    await street.until(november(27, 9, 58))
    await street.say("何婶", "注销")
    pushes = await posts_of(street, november(27, 10))
    text = next(push.text for push in pushes if push.to == "何婶")
    assert "1 或" not in text
    # 撤销 means one's own last act, not the question of this morning.
    await talk(
        street,
        [
            ("何叔", direct, "不上榜", "好的，积分榜不再显示您。想重新上榜请发 我要上榜。"),
            ("何叔", direct, "撤销", "已撤销。积分榜会显示您。"),
            ("何叔", direct, "2", "好的，3号「治安巡逻岗」空出来了，谢谢您这段时间的付出！"),
        ],
    )


@ON_SQLITE
async def test_where_the_bot_cannot_write_to_holders_those_in_charge_are_asked_or_nobody(street: Street) -> None:
    quiet = muted(street)
    assert await posts_of(quiet, november(27, 10)) == []
    assert await quiet.house.books.read(lambda s: list(s.scalars(select(TenureQuestion.id)))) == []
    # 何叔 has no account: 孙丽, who leads the post, is asked for him.
    await street.house.books.write(_without_account("何叔"))
    assert (await posts_of(street, november(28, 10)))[0] == Push(
        "孙丽",
        "何叔 的 3号「治安巡逻岗」有30天没有记录，我联系不上本人，请您帮忙问一声，12月5日 周六前都行。"
        "\n还做请回复 继续 3 何叔，不做了请回复 让出 3 何叔。",
    )
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "让出 3 何叔", "现在没有等您答复的岗位。看自己的岗位请发 我的岗位。"),
            ("孙丽", direct, "继续 3 何叔", "好的，3号「治安巡逻岗」还由 何叔 做。"),
            ("孙丽", direct, "撤销", "已撤回答复，3号「治安巡逻岗」还等您回复 继续 或 让出。"),
            ("孙丽", direct, "让出 3 何叔", "好的，何叔 的 3号「治安巡逻岗」空出来了。"),
        ],
    )
    assert pushes == [
        Push("何叔", "孙丽 说您不做 3号「治安巡逻岗」了，已经空出来。\n不是这样请和社区说，或再发 认领 3。")
    ]


@ON_SQLITE
async def test_whom_the_question_cannot_reach_loses_nothing_by_silence(street: Street) -> None:
    """On a channel that writes only to who has written to it alone: 孙丽 has, of the holders 何婶."""
    shy = reserved(street)
    await shy.say("孙丽", "不上榜")
    await shy.say("何婶", "不上榜")
    for_him = (
        "何叔 的 3号「治安巡逻岗」有30天没有记录，我联系不上本人，请您帮忙问一声，12月4日 周五前都行。"
        "\n还做请回复 继续 3 何叔，不做了请回复 让出 3 何叔。"
    )
    assert await posts_of(shy, november(27, 10)) == [Push("孙丽", for_him), WHO_IS_ASKED[2]]
    await posts_of(shy, at(12, 5))
    # Who was asked for him said nothing in a week; nobody was asked for 陈美玲. 何婶 was, and has lost hers.
    assert await shy.house.books.read(holders(3)) == ["何叔"]
    assert await shy.house.books.read(holders(5)) == ["陈美玲"]


def _without_account(name: str) -> Any:
    from models.directory import Identity
    from models.members import Member

    def unit(session: Session) -> None:
        member_id = session.execute(select(Member.id).where(Member.name == name)).scalar_one()
        session.execute(Identity.__table__.delete().where(Identity.member_id == member_id))  # type: ignore[attr-defined]

    return unit


@ON_SQLITE
async def test_leave_is_no_silence(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "何叔",
                direct,
                "岗位请假 3 到 12月10日 回老家",
                "记下了，3号「治安巡逻岗」您请假到2026年12月10日，这段时间不催您。",
            ),
            ("何叔", direct, "撤销", "已撤销请假，3号「治安巡逻岗」照常。"),
            ("何叔", direct, "岗位请假 12月10日", "记下了，3号「治安巡逻岗」您请假到2026年12月10日，这段时间不催您。"),
            ("何叔", direct, "岗位请假", "请到哪一天？例如 岗位请假 3 到 12月10日\n比如：岗位请假 3 到 12月10日"),
            ("何叔", direct, "岗位请假 明年10月1日", "岗位请假一次最多92天，再久请先发 让出，回来再认领。"),
            ("李建国", direct, "岗位请假 12月10日", "您现在没有认领岗位。看看有哪些岗位，请发 岗位。"),
        ],
    )
    assert [push.text for push in pushes] == [
        "何叔 的 3号「治安巡逻岗」请假到2026年12月10日（回老家）。",
        "何叔 的 3号「治安巡逻岗」请假到2026年12月10日。",
    ]
    asked = [push.to for push in await posts_of(street, at(12, 20)) if "还方便吗" in push.text]
    assert "何叔" not in asked
    # Of the days since 28 October those of the leave do not count: twenty before it, ten after it.
    assert question("何叔", 3, "治安巡逻岗", "12月28日 周一") in await posts_of(street, at(12, 21))


@ON_SQLITE
async def test_of_two_together_one_is_asked_and_what_one_does_counts_for_both(street: Street) -> None:
    await street.say("张敏", "发布岗位 夜巡岗 小区北门 2人 2分")
    await street.say("张敏", "确认")
    await street.say("王秀英", "认领 8 和 李建国 一起")
    await street.say("李建国", "认领 8")
    await street.until(at(12, 10))
    await street.say("李建国", "履职 8 巡了一圈")
    assert [p for p in await posts_of(street, at(1, 8, year=2027)) if "夜巡岗" in p.text] == []
    pushes = [p for p in await posts_of(street, at(1, 27, year=2027)) if "夜巡岗" in p.text]
    # 10 December and thirty days that are no festival: New Year's Day is one.
    assert pushes[0] == question("王秀英", 8, "夜巡岗", "1月17日 周日")
    # A week of silence takes it from her alone: he is asked in his turn, and has a week as well.
    assert [push.to for push in pushes[1:3]] == ["王秀英", "张敏"]
    assert pushes[3] == question("李建国", 8, "夜巡岗", "1月25日 周一")
    assert [push.to for push in pushes[4:]] == ["李建国", "张敏"]
    assert await street.house.books.read(holders(8)) == []


# -- terms ----------------------------------------


@ON_SQLITE
async def test_a_term_is_renewed_or_ends_as_its_holder_says(street: Street) -> None:
    await street.say("张敏", "发布岗位 夜巡岗 小区北门 1人 2分 任期1个月 负责人老赵")
    await street.say("张敏", "确认")
    await street.say("王秀英", "认领 8")
    pushes = [p for p in await posts_of(street, at(12, 3)) if "任期" in p.text]
    renewal = "王秀英，您的 8号「夜巡岗」任期到2026年12月16日。\n愿意续任请回复 1 或 续任 8，不续请回复 2 或 不续 8。"
    assert pushes == [Push("王秀英", renewal)]
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "不续", "记下了，8号「夜巡岗」做到2026年12月16日，谢谢您这段时间的付出！"),
            ("王秀英", direct, "撤销", "已撤回答复，8号「夜巡岗」还等您回复 续任 或 不续。"),
            ("王秀英", direct, "续任 8", "好的，8号「夜巡岗」续任到2027年1月16日，谢谢您！"),
            ("王秀英", direct, "撤销", "已撤回答复，8号「夜巡岗」还等您回复 续任 或 不续。"),
            ("王秀英", direct, "续任", "好的，8号「夜巡岗」续任到2027年1月16日，谢谢您！"),
        ],
    )
    assert pushes == [Push("老赵", "王秀英 的 8号「夜巡岗」做到2026年12月16日，不续任了，可以先找找接手的人。")]
    ends_at = await street.house.books.read(
        lambda s: s.scalar(select(Claim.term_ends_at).order_by(Claim.id.desc()).limit(1))
    )
    assert ends_at == at(1, 17, 0, year=2027)
    await street.until(at(12, 20))
    await street.say("王秀英", "履职 8 转了转")
    # Nobody answers the second time: it ends at its end, and whoever waits for it is next.
    await street.say("李建国", "认领 8")
    pushes = [p for p in await posts_of(street, at(1, 17, year=2027)) if "夜巡岗" in p.text]
    assert pushes[1:] == [
        Push("王秀英", "8号「夜巡岗」的任期到了，谢谢您这段时间的付出！\n还想做请发 认领 8。"),
        Push("老赵", "王秀英 的 8号「夜巡岗」任期到了，岗位空出来了。看空岗请发 岗位。"),
        Push(
            "李建国",
            "好消息：8号「夜巡岗」空出来了，先问您。\n愿意请在1月20日 周三 9:30前发 认领 8，不愿意请发 退岗 8。",
        ),
    ]


@ON_SQLITE
async def test_a_term_about_which_nobody_could_be_asked_does_not_simply_end(street: Street) -> None:
    def end_soon(session: Session) -> None:
        held = select(Member.id).where(Member.name == "何叔").scalar_subquery()
        session.execute(update(Claim).where(Claim.member_id == held).values(term_ends_at=at(11, 20, 0)))

    await street.house.books.write(end_soon)
    deaf = deaf_to(street, "何叔", "孙丽")
    pushes = await posts_of(deaf, november(18, 9)) + await deaf.until(november(19, 12))
    assert [push.text for push in pushes if push.to == "张敏" and "孙丽" in push.text] == [
        "3号岗位还有没有人做，要问孙丽，我发不到孙丽。\n请转告：还做就私聊我发 续任 3 何叔，不做了发 不续 3 何叔。"
    ]
    deaf.script.names = frozenset({"何叔"})  # type: ignore[attr-defined]
    assert [push for push in await posts_of(deaf, november(20, 9, 31)) if push.to == "孙丽"] == [
        Push(
            "孙丽",
            "何叔 的 3号「治安巡逻岗」任期到了，续不续我没能问到本人，岗位先空出来了。\n还做请让 TA 发 认领 3。",
        )
    ]


# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("since", "today", "away", "days"),
    [
        (date(2026, 11, 17), date(2026, 11, 17), (), 0),
        (date(2026, 11, 17), date(2026, 12, 17), (), 30),
        (date(2026, 12, 31), date(2027, 1, 2), (), 1),
        # 除夕 and the first three days of the year are no days of silence.
        (date(2027, 2, 4), date(2027, 2, 10), (), 2),
        (date(2026, 11, 17), date(2026, 11, 27), ((date(2026, 11, 20), date(2026, 11, 22)),), 7),
        (date(2026, 11, 17), date(2026, 11, 27), ((date(2026, 11, 1), date(2026, 12, 31)),), 0),
    ],
)
def test_days_of_silence_are_neither_festivals_nor_leave(since: date, today: date, away: Any, days: int) -> None:
    assert silent_days(since, today, away) == days


@pytest.mark.parametrize(
    ("today", "days", "due"),
    [
        (date(2026, 11, 27), 7, date(2026, 12, 4)),
        (date(2026, 12, 30), 2, date(2027, 1, 2)),
        (date(2026, 12, 31), 0, date(2026, 12, 31)),
    ],
)
def test_a_week_to_answer_leaves_festivals_out(today: date, days: int, due: date) -> None:
    assert days_later(today, days) == due


def test_a_leave_lies_ahead_and_has_an_end() -> None:
    now = november(17, 19, 30)
    refuse_odd_leave(now + 92 * DAY, now, 92)
    with pytest.raises(LeaveOver):
        refuse_odd_leave(now, now, 92)
    with pytest.raises(LeaveTooLong):
        refuse_odd_leave(now + 94 * DAY, now, 92)


@ON_SQLITE
async def test_what_did_not_arrive_was_not_asked(street: Street) -> None:
    """何叔's phone takes nothing: 孙丽 is asked in his place, the next morning, and her silence takes nothing."""
    deaf = deaf_to(street, "何叔")
    await posts_of(deaf, november(27, 10))
    assert await posts_of(deaf, november(28, 9, 31)) == [
        Push(
            "孙丽",
            "何叔 的 3号「治安巡逻岗」有30天没有记录，我联系不上本人，请您帮忙问一声，12月5日 周六前都行。"
            "\n还做请回复 继续 3 何叔，不做了请回复 让出 3 何叔。",
        )
    ]
    pushes = await posts_of(deaf, at(12, 6, 9))
    assert [push for push in pushes if "治安巡逻岗" in push.text] == []
    assert await deaf.house.books.read(holders(3)) == ["何叔"]


@ON_SQLITE
async def test_the_week_begins_when_the_question_is_out(street: Street) -> None:
    """The platform has a bad day: the question waits, and so does the silence."""
    deaf = deaf_to(street, "何叔", permanent=False)
    await posts_of(deaf, november(27, 10))
    await posts_of(deaf, november(28, 9, 31))

    def due(session: Session) -> datetime:
        asked = select(TenureQuestion.due_at).join(Claim, TenureQuestion.claim_id == Claim.id)
        return session.scalars(asked.join(Member, Claim.member_id == Member.id).where(Member.name == "何叔")).one()

    assert (await deaf.house.books.read(due)).astimezone(SHANGHAI) == at(12, 5, 10)
