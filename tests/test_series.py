"""What is held every week or month: announced ahead, skipped, stopped, changed alone; who always comes; copies."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from handlers.language.recurrence import read_recurrence, spoken_rule
from models import activities, series
from models.activities.copying import OWN
from models.base import Moment
from models.members import Member
from models.recurrence import days_on
from models.verify import violations
from tests import ground
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street
from tests.moments import SATURDAY, TUESDAY_EVENING

# -- the days of a rule ----------------------------------------

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 31)


def day(month: int, number: int) -> date:
    return date(2026, month, number)


@pytest.mark.parametrize(
    ("typed", "spoken", "first", "days"),
    [
        ("每周六", "每周六", day(11, 28), [day(11, 28), day(12, 5), day(12, 12), day(12, 19), day(12, 26)]),
        ("隔周六", "隔周六", day(11, 28), [day(11, 28), day(12, 12), day(12, 26)]),
        ("每周一三", "每周一三", day(12, 21), [day(12, 21), day(12, 23), day(12, 28), day(12, 30)]),
        ("工作日", "每个工作日", day(12, 28), [day(12, 28), day(12, 29), day(12, 30), day(12, 31)]),
        ("隔天", "隔天", day(12, 28), [day(12, 28), day(12, 30)]),
        ("每天", "每天", day(12, 30), [day(12, 30), day(12, 31)]),
        ("每月1号", "每月1号", day(11, 1), [day(11, 1), day(12, 1)]),
        ("每月5号、20号", "每月5号、20号", day(11, 5), [day(11, 5), day(11, 20), day(12, 5), day(12, 20)]),
        ("每月底", "每月最后一天", day(11, 30), [day(11, 30), day(12, 31)]),
        ("每月第二个周六", "每月第2个周六", day(11, 14), [day(11, 14), day(12, 12)]),
        ("每月最后一个周五", "每月最后一个周五", day(11, 27), [day(11, 27), day(12, 25)]),
        ("每年12月4日", "每年12月4日", day(12, 4), [day(12, 4)]),
    ],
)  # fmt: skip
def test_days_of_a_rule_are_those_that_were_said(typed: str, spoken: str, first: date, days: list[date]) -> None:
    found = read_recurrence(typed, 0)
    assert found is not None
    rule = found[0].rule

    assert list(days_on(rule, first, date(2026, 10, 31), DECEMBER)) == days
    assert spoken_rule(rule) == spoken


def test_every_second_week_is_counted_over_the_year_from_monday() -> None:
    days = list(days_on("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", day(12, 20), day(12, 1), date(2027, 1, 20)))

    # Sunday the 20th is the end of its week, the Monday after it belongs to the week that is left out.
    assert days == [day(12, 20), day(12, 28), date(2027, 1, 3), date(2027, 1, 11), date(2027, 1, 17)]


# -- a plan ----------------------------------------


async def test_copy_has_everything_that_the_other_one_had(books: Books) -> None:
    """Whatever columns activities have: none is forgotten, and moments keep their distance from the start."""

    def unit(session: Session) -> None:
        there = ground.lay(session)
        model = ground.publish(session, there, quota=7, points=3)
        plan = activities.plan_of(session, activity=model)
        copy = activities.publish_plan(
            session,
            community_id=there.community.id,
            plan=plan,
            starts_at=november(29, 15),
            made_by=there.people["孙丽"],
            now=SATURDAY,
            points_max=100,
        )
        columns = activities.Activity.__table__.c
        rows = {
            row["id"]: row for row in session.execute(select(*columns)).mappings() if row["id"] in (model.id, copy.id)
        }
        for column in columns:
            before, after = rows[model.id][column.name], rows[copy.id][column.name]
            if column.name in OWN:
                continue
            if isinstance(column.type, Moment) and before is not None:
                before, after = before - model.starts_at, after - copy.starts_at
            assert after == before, column.name
        assert (copy.number, copy.made_by, copy.state) == (model.number + 1, there.people["孙丽"], "published")

    await books.write(unit)


# -- in the chat ----------------------------------------

BEGUN = [
    (
        "张敏",
        direct,
        "发布活动 每周三19点 读书会 活动室 2人 4分",
        "【读书会】11月18日 周三 19:00-21:00，以后每周三都办\n地点：活动室；名额：2人；积分：4分\n"
        "发布请回复 确认，不发回复 取消。",
    ),
    (
        "张敏",
        direct,
        "确认",
        "已发布 15号活动「读书会」11月18日 周三 19:00-21:00，活动室。\n想参加的邻居请发 报名 15。\n"
        "以后每周三都办（2号系列），每一次我提前发布。不办了请发 停办 2。",
    ),
]
DOCTORS = "1号系列 义诊 每月第4个周日，下次12月27日 周日 9:00"
"""What the demo community has every month."""
ALWAYS = (
    "好的，以后每周三「读书会」都给 {} 报上名，已报 15号、16号。\n"
    "哪次来不了就发 取消报名，不想每次都来了请发 不用每次都来 15。"
)


async def test_series_is_announced_ahead_skipped_and_stopped(street: Street) -> None:
    called_off = "通知：「读书会」（11月25日 周三 19:00-21:00）取消了，原因：场地检修。给您添麻烦了，下次再约。"
    pushes = await talk(
        street,
        [
            *BEGUN,
            ("王秀英", "3栋群", "每次都来 15", ALWAYS.format("王秀英")),
            ("李建国", "3栋群", "报名 15", "已给 李建国 报名「读书会」，名额正好满了。\n11月18日 周三 19:00，活动室。"),
            (
                "张敏",
                direct,
                "跳过 2 11月25日 场地检修",
                "「读书会」11月25日 周三 这次不办，正在通知1位邻居。\n其他日子照常。",
            ),
            ("张敏", direct, "跳过 2 11月25日", "「读书会」11月25日 周三 19:00 已经说过不办了。"),
            ("张敏", direct, "跳过 2 12月16日", "「读书会」12月16日 周三 这次不办。\n其他日子照常。"),
            (
                "张敏",
                direct,
                "跳过 2 12月17日",
                "「读书会」12月17日 周四 19:00 没有安排，不用跳过。看看有哪些，请发 系列。",
            ),
        ],
    )
    assert pushes == [Push("王秀英", called_off)]

    await street.until(november(26, 8))
    pushes = await talk(
        street,
        [
            # Who signed up for one is not signed up for the next; who always comes is.
            ("李建国", direct, "取消报名", "您现在没有报名的活动，不用取消。"),
            ("王秀英", direct, "活动 17", CARD.format(17, "12月2日") + "您已报名。来不了请发 取消报名 17。"),
            ("张敏", direct, "系列", f"{DOCTORS}\n2号系列 读书会 每周三，下次12月2日 周三 19:00"),
            (
                "张敏",
                direct,
                "停办 读书会",
                "要停办 2号系列「读书会」（每周三）吗？以后不再发布，已发布的2次也取消，报名的1位我会逐个通知。\n"
                "确定请回复 确认，不停回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已停办 2号系列「读书会」，正在通知1位邻居。\n再办请发 发布活动，或 再办一次 加编号。",
            ),
            ("张敏", direct, "系列", DOCTORS),
            ("张敏", direct, "撤销", "已恢复 2号系列「读书会」，照常办。"),
        ],
    )
    assert [push.text for push in pushes] == [
        "通知：「读书会」以后不办了，您报名的12月2日、12月9日也取消。给您添麻烦了，谢谢您一直来！",
        "通知：「读书会」还接着办，您报名的12月2日、12月9日照常，刚才说的取消不算。",
    ]
    # The 16th is skipped, the 23rd comes.
    assert [push for push in await street.until(november(30, 8)) if "读书会" in push.text] == []
    await talk(
        street,
        [
            ("张敏", direct, "活动 19", "没有找到 19号活动。看看有哪些活动，请发 活动。"),
            ("王秀英", direct, "不用每次都来 17", STOPPED.format("王秀英")),
            ("王秀英", direct, "不用每次都来 17", "您没有说过「读书会」每次都来，不用取消。"),
        ],
    )


CARD = "{}号「读书会」{} 周三 19:00-21:00（每周三都有）\n地点：活动室；名额：1/2；积分：4分\n"
STOPPED = "好的，以后「读书会」不再自动给 {} 报名。\n已经报上的还算数，来不了请发 取消报名。"


@ON_SQLITE
async def test_series_is_taken_back_with_all_that_it_announced(street: Street) -> None:
    pushes = await talk(
        street,
        [
            *BEGUN,
            ("王秀英", direct, "每次都来 15", ALWAYS.format("王秀英")),
            ("王秀英", direct, "撤销", "已撤销：以后不再自动报「读书会」，已经报上的还算数。"),
            ("张敏", direct, "撤销", "已撤回 2号系列「读书会」，以后不再自动发布。"),
            ("王秀英", direct, "活动 16", "「读书会」已经取消了。看看别的活动，请发 活动。"),
            ("王秀英", direct, "每次都来 12", "12号「清洁家园」只办一次，不是每次都有的。参加请发 报名 12。"),
            ("李建国", direct, "停办 2", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            ("张敏", direct, "停办 2", "没有找到 2号系列，可能已经停办。看看有哪些，请发 系列。"),
        ],
    )
    assert [push.to for push in pushes] == ["王秀英", "王秀英"]


@ON_SQLITE
async def test_festivals_can_be_left_out(street: Street) -> None:
    """The 1st of January 2027 is a Friday."""
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "发布活动 每周五19点 电影夜 活动室",
                "【电影夜】11月20日 周五 19:00-21:00，以后每周五都办\n地点：活动室；名额：不限；积分：按社区规则\n"
                "发布请回复 确认，不发回复 取消。",
            ),
            (
                "张敏",
                direct,
                "确认",
                "已发布 15号活动「电影夜」11月20日 周五 19:00-21:00，活动室。\n想参加的邻居请发 报名 15。\n"
                "以后每周五都办（2号系列），每一次我提前发布。不办了请发 停办 2。",
            ),
            ("张敏", direct, "跳过 2 节假日", "「电影夜」以后遇到法定节日就不办，已经发布的照常。"),
            ("张敏", direct, "跳过 2 节假日照常", "「电影夜」以后遇到法定节日也照常办。"),
            ("张敏", direct, "撤销", "已改回「电影夜」节日的安排。"),
        ],
    )

    def days(session: Session) -> list[date]:
        _, one = series.running_series(session, community_id=1)
        series.announce_ahead(session, series=one, now=november(30, 8), weeks=6, companions_max=5)
        return list(session.scalars(select(series.Occurrence.day).order_by(series.Occurrence.day)))[-3:]

    await street.until(november(20, 18, 30))
    await talk(street, [("张敏", direct, "跳过 2", "「电影夜」已经开始签到了，这次不办请发 取消活动 15。")])
    assert await street.house.books.write(days) == [day(12, 18), day(12, 25), date(2027, 1, 8)]


@ON_SQLITE
async def test_earlier_activity_is_held_again(street: Street) -> None:
    preview = "【清洁家园】{}\n地点：{}；名额：{}人；积分：5分\n发布请回复 确认，不发回复 取消。"
    await talk(
        street,
        [
            ("张敏", direct, "再办一次 12 下周六", preview.format("11月28日 周六 9:00-11:00", "中心花园", 20)),
            (
                "张敏",
                direct,
                "再办一次 12 下周六10点 活动室 30人",
                preview.format("11月28日 周六 10:00-12:00", "活动室", 30),
            ),
            (
                "张敏",
                direct,
                "发布活动 照12号 下周六8点到9点",
                preview.format("11月28日 周六 8:00-9:00", "中心花园", 20),
            ),
            (
                "张敏",
                direct,
                "确认",
                "已发布 15号活动「清洁家园」11月28日 周六 8:00-9:00，中心花园。\n想参加的邻居请发 报名 15。",
            ),
            ("何叔", direct, "再办一次 12 下周六", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
        ],
    )


# -- in the books ----------------------------------------


async def test_who_always_comes_and_has_gone_is_signed_up_for_nothing(books: Books) -> None:
    """A series outlives whoever began it; who moved out and who said so twice are not signed up."""

    def unit(session: Session) -> list[int]:
        there = ground.lay(session)
        community_id = there.community.id
        first = ground.publish(session, there)
        one = series.start_series(
            session, first=first, rule="FREQ=WEEKLY;BYDAY=SA", made_by=there.people["张敏"], now=TUESDAY_EVENING
        )
        for name in ("王秀英", "陈美玲", "何叔"):
            series.come_always(session, series=one, member_id=there.people[name], now=TUESDAY_EVENING, companions_max=5)
        gone = Member.__table__.update().where(  # type: ignore[attr-defined]
            Member.community_id == community_id, Member.id.in_([there.people["陈美玲"], there.people["张敏"]])
        )
        session.execute(gone.values(moved_out_at=TUESDAY_EVENING))
        made = series.announce_ahead(session, series=one, now=TUESDAY_EVENING, weeks=2, companions_max=5)
        again = series.announce_ahead(session, series=one, now=TUESDAY_EVENING, weeks=2, companions_max=5)

        assert again == []
        assert [activity.starts_at for activity in made] == [november(28, 9)]
        assert violations(session) == []
        return [
            list(there.people).index(name)
            for member_id, _, _ in activities.who_comes(session, made[0])
            for name, known in there.people.items()
            if known == member_id
        ]

    names = [name for name, *_ in ground.PEOPLE]
    assert [names[place] for place in await books.write(unit)] == ["王秀英", "何叔"]
