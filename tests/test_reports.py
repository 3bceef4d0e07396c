"""小结: the organiser sees it first; the groups hear it once, by day, where somebody came; names of those alone who show
theirs."""

from datetime import datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from handlers.reports import report_text
from jobs.reports import _goes_at
from models import check_in, photos, reports
from models.activities import ActivityHere, find_activity
from models.directory import Endpoint, Group
from models.members import Member
from models.photos import Photo
from models.reports import ReportHere, ReportState, Settings, Tally
from tests import ground
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street, muted, reserved
from tests.moments import SATURDAY

GROUPS = ("3栋群", "5栋群", "社区大群")
HEAD = "「清洁家园」11月21日 办好了，来了{}位邻居，服务 {}"
DRAFT = (
    "小结草稿：{}。\n{}\n马上发请回复 发小结 12，不发请回复 不发小结 12，换个说法请发 改小结 12 加您的话。\n"
    "纸上签到的请先 补录 12。"
)
GOES = "您不答复的话，11月21日 周六 18:00 我自己发到群里。"
NEXT = "下回一起来，看看近期活动请发 活动。"


async def come(street: Street, *names: str) -> None:
    await street.until(november(21, 9))
    for name in names:
        await street.say(name, "签到 12", where="3栋群")
    await street.until(november(21, 11, 59))


async def test_draft_goes_to_the_organiser_and_the_report_to_the_groups(street: Street) -> None:
    await come(street, "李建国", "赵强")
    head = HEAD.format(2, "4小时")
    assert await street.until(november(21, 12)) == [Push("张敏", DRAFT.format(head, GOES))]
    assert await street.until(november(21, 17, 59)) == []
    assert await street.until(november(21, 18)) == [
        Push(group, f"【小结】{head}。\n谢谢 李建国、赵强！\n{NEXT}") for group in GROUPS
    ]
    assert [push for push in await street.until(november(23, 12)) if "小结" in push.text] == []
    await talk(street, [("张敏", direct, "发小结 12", "「清洁家园」的小结已经发过，或说过不发了。")])


@ON_SQLITE
async def test_organiser_changes_sends_or_drops_it(street: Street) -> None:
    await come(street, "李建国", "赵强")
    await street.until(november(21, 12, 5))
    own = f"【小结】{HEAD.format(2, '4小时')}。\n一共捡了八袋垃圾，辛苦了！\n{NEXT}"
    pushes = await talk(
        street,
        [
            ("张敏", direct, "改小结 12 一共捡了八袋垃圾，辛苦了！", f"改好了，小结会是这样：\n{own}"),
            ("张敏", direct, "不发小结 12", "好的，「清洁家园」的小结不发了。"),
            ("张敏", direct, "撤销", "「清洁家园」的小结还留着，发请说 发小结 12。"),
            ("何叔", direct, "发小结 12", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            ("张敏", direct, "发小结 13", "「义诊」还没有结束，或没有人签到，没有小结可发。"),
            ("张敏", direct, "发小结 12", "已把「清洁家园」的小结发到3个群。"),
            ("张敏", direct, "不发小结 12", "「清洁家园」的小结已经发过，或说过不发了。"),
        ],
    )
    assert pushes == [Push(group, own) for group in GROUPS]
    assert [push for push in await street.until(november(22, 8)) if "小结" in push.text] == []


async def test_where_no_group_can_be_written_to_the_organiser_gets_the_text_to_copy(street: Street) -> None:
    await come(street, "李建国", "赵强")
    head = HEAD.format(2, "4小时")
    text = f"【小结】{head}。\n谢谢 李建国、赵强！\n{NEXT}"
    copy = f"3栋群、5栋群、社区大群我发不进去，请把小结复制到群里：\n{text}"
    goes = "群里我发不进去，11月21日 周六 18:00 我把全文给您，请您复制过去。"
    shy = reserved(street)
    await shy.say("张敏", "报名 13")
    assert await shy.until(november(21, 12)) == [Push("张敏", DRAFT.format(head, goes))]
    assert await shy.until(november(21, 18)) == [Push("张敏", copy)]
    # Nobody has been told, so that it does not count as sent; and nobody is asked twice.
    assert [push for push in await shy.until(november(22, 19)) if "小结" in push.text] == []
    await talk(shy, [("张敏", direct, "发小结 12", copy), ("张敏", direct, "发小结 12", copy)])


@ON_SQLITE
async def test_the_text_for_a_group_that_cannot_be_written_to_is_given_beside_the_others(street: Street) -> None:
    await come(street, "李建国", "赵强")

    def move_away(session: Session) -> None:
        five = select(Group.id).where(Group.community_id == 1, Group.name == "5栋群")
        session.execute(update(Endpoint).where(Endpoint.group_id.in_(five)).values(channel="elsewhere"))

    await street.house.books.write(move_away)
    text = f"【小结】{HEAD.format(2, '4小时')}。\n谢谢 李建国、赵强！\n{NEXT}"
    pushes = await talk(
        street,
        [
            november(21, 12, 5),
            ("张敏", direct, "发小结 12", f"小结发到2个群了；5栋群我发不进去，请把下面几行复制过去：\n{text}"),
            ("张敏", direct, "发小结 12", "「清洁家园」的小结已经发过，或说过不发了。"),
        ],
    )
    assert [push for push in pushes if "小结】" in push.text] == [Push("3栋群", text), Push("社区大群", text)]


@ON_SQLITE
async def test_an_organiser_whom_nothing_reaches_asks_for_the_text(street: Street) -> None:
    await come(street, "李建国")
    quiet = muted(street)
    assert [push for push in await quiet.until(november(22, 8)) if "【小结】" in push.text] == []
    answer = await quiet.say("张敏", "发小结 12")
    assert answer.startswith("3栋群、5栋群、社区大群我发不进去，请把小结复制到群里：\n【小结】「清洁家园」")


@ON_SQLITE
async def test_nothing_is_told_where_nobody_came_until_the_paper_is_entered(street: Street) -> None:
    await street.until(november(22, 8))
    assert [push for push in street.pushes if "小结" in push.text] == []
    await street.say("张敏", "补录 12 王秀英")
    await street.say("张敏", "确认")
    pushes = await street.until(november(22, 8, 30))
    assert [(push.to, push.text.split("\n")[0]) for push in pushes] == [
        ("张敏", "小结草稿：「清洁家园」11月21日 办好了，来了1位邻居，记荣誉时 2小时。")
    ]


@pytest.mark.parametrize(
    ("drafted", "rules", "goes"),
    [
        (november(21, 12), Settings(), november(21, 18)),
        (november(21, 16), Settings(), november(21, 18)),
        # Two hours to think at least, and never at night.
        (november(21, 16, 1), Settings(), november(22, 18)),
        (november(21, 22), Settings(), november(22, 18)),
        (november(21, 12), Settings(hour=20), november(21, 20)),
        (november(21, 12), Settings(without_answer=False), None),
    ],
)
def test_report_goes_out_by_itself_in_the_evening(drafted: datetime, rules: Settings, goes: datetime | None) -> None:
    assert _goes_at(drafted, rules) == goes


def activity_of(session: Session) -> ActivityHere:
    return find_activity(session, community_id=1, number=12)


@ON_SQLITE
async def test_names_are_those_of_people_who_show_theirs(street: Street) -> None:
    activity = await street.house.books.read(activity_of)
    report = ReportHere(1, activity, ReportState.DRAFTED, "", None)

    def thanks(*names: str, came: int) -> str:
        return report_text(Tally(came, 60, 0, names), report, None).split("\n")[1]

    assert thanks("李建国", "赵强", came=2) == "谢谢 李建国、赵强！"
    assert thanks("李建国", came=2) == "谢谢 李建国和各位邻居！"
    assert thanks(came=2) == "谢谢每一位出力的邻居！"
    assert thanks(*"甲乙丙丁戊己庚辛壬癸子", came=11) == "谢谢 甲、乙、丙、丁、戊、己、庚、辛、壬、癸和各位邻居！"


async def test_tally_leaves_out_the_names_of_who_hides_theirs(books: Books) -> None:
    def unit(session: Session) -> None:
        there = ground.lay(session)
        activity = ground.publish(session, there)
        coming = check_in.find_coming(session, community_id=there.community.id, number=activity.number, now=SATURDAY)
        assert coming is not None
        for name in ("王秀英", "何叔"):
            member_id = there.people[name]
            check_in.check_in(session, coming=coming, member_id=member_id, made_by=member_id, now=SATURDAY)
        hide = Member.__table__.update().where(Member.id == there.people["王秀英"])  # type: ignore[attr-defined]
        session.execute(hide.values(hides_name=True))

        picture = Photo(b"a picture", "image/jpeg")
        photos.keep(
            session, community_id=there.community.id, member_id=there.people["何叔"], photos=[picture] * 2,
            ref=activity.ref, now=SATURDAY,
        )  # fmt: skip

        tally = reports.tally_of(session, activity=activity)
        assert tally == Tally(2, 0, 0, ("何叔",), photos=2)
        report = ReportHere(1, activity, ReportState.DRAFTED, "", None)
        assert report_text(tally, report, None).startswith(
            "【小结】「清洁家园」11月21日 办好了，来了2位邻居，留下2张照片。\n谢谢 何叔和各位邻居！"
        )
        # Whoever announced it answers for it while they hold a role there; then the nearest who does.
        organiser = reports.organiser_of(session, activity=activity, now=SATURDAY)
        assert organiser is not None
        assert organiser.name == "张敏"
        session.execute(
            Member.__table__.update()  # type: ignore[attr-defined]
            .where(Member.id == there.people["张敏"])
            .values(moved_out_at=SATURDAY)
        )
        organiser = reports.organiser_of(session, activity=activity, now=SATURDAY)
        assert organiser is not None
        assert organiser.name == "孙丽"

    await books.write(unit)
