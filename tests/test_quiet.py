"""When one is left in peace: the hours of the night, those of a group and of a person, and so many posts a day."""

from datetime import datetime, time

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.clock import SHANGHAI
from models.directory import Group
from models.members import Member
from models.outbox import Outbox, OutboxState
from models.quiet import Own, Quiet, group_end, person_end
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=SHANGHAI)


NIGHT, NOON, NEVER = Quiet(time(21, 30), time(7, 30)), Quiet(time(12), time(14)), Quiet(time(7, 30), time(7, 30))


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, "21T21:29:59", None),
        (NIGHT, "21T21:30", "22T07:30"),
        (NIGHT, "21T23:59", "22T07:30"),
        (NIGHT, "22T00:00", "22T07:30"),
        (NIGHT, "22T07:29:59", "22T07:30"),
        (NIGHT, "22T07:30", None),
        (NOON, "21T11:59", None),
        (NOON, "21T12:00", "21T14:00"),
        (NOON, "21T14:00", None),
        (NEVER, "21T07:30", None),
        (NEVER, "21T23:00", None),
    ],
)
def test_quiet_hours_end(quiet: Quiet, now: str, end: str | None) -> None:
    assert quiet.end(moment(now)) == (None if end is None else moment(end))


@pytest.mark.parametrize("now", ["21T00:00", "21T07:30", "21T21:29", "21T23:59"])
def test_next_morning_is_that_of_the_next_day(now: str) -> None:
    assert NIGHT.next_morning(moment(now)) == moment("22T07:30")


EVENING = Own(1, Quiet(time(20), time(22)), None)


@pytest.mark.parametrize(
    ("now", "group", "person"),
    [
        # A group's own hours stand in the place of the night's; a person's are quiet beside the night.
        ("21T19:59", None, None),
        ("21T20:00", "21T22:00", "22T07:30"),
        ("21T21:59", "21T22:00", "22T07:30"),
        ("21T22:00", None, "22T07:30"),
        ("22T03:00", None, "22T07:30"),
        ("22T07:30", None, None),
    ],
)
def test_own_hours_of_a_group_and_of_a_person(now: str, group: str | None, person: str | None) -> None:
    for end, expected in ((group_end, group), (person_end, person)):
        assert end(EVENING, NIGHT, moment(now)) == (None if expected is None else moment(expected))


KEPT = "好的，3栋群 20:00 到 8:00 不急的不发，过后再发；急事照发。\n不要了请发 本群安静 照旧。"
MORE = "\n要改请发 本群安静 22:00-8:00，或 本群一天最多 4 条。"
CHECK = "发送请回复 确认，不发回复 取消。"


async def test_a_group_has_its_own_hours_and_its_own_ceiling(street: Street) -> None:
    await talk(
        street,
        [
            november(17, 20, 5),
            ("王秀英", "3栋群", "@小邻 本群安静 20:00-8:00", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            ("老赵", "5栋群", "@小邻 本群安静 20:00-8:00", "这件事不在您负责的范围里。您能办的事请发 帮助。"),
            ("老赵", direct, "5栋群安静 20:00-8:00", "这个群不归您管，请和楼长或社区说一声。"),
            ("老赵", "3栋群", "@小邻 本群安静 20:00-8:00", KEPT),
            ("老赵", direct, "3栋群安静", f"3栋群 20:00 到 8:00 不发，一天最多6条（自己定的），今天发了0条。{MORE}"),
            (
                "张敏", direct, "广播 3栋、5栋 明天停水",
                "广播预览：明天停水（3栋群安静时间，8:00才发）\n给 3栋、5栋：55户69人。\n"
                f"发到：3栋群、5栋群。\n{CHECK}",
            ),
            (
                "张敏", direct, "确认",
                "8号已发：3栋群、5栋群。\n3栋群现在是安静时间，11月18日 周三 8:00 才发。\n看发到没有请发 广播状态 8。",
            ),
            ("老赵", "3栋群", "@小邻 本群一天最多 1条", "好的，3栋群一天最多主动发1条，不急的等第二天。\n不要了请发 本群一天最多 照旧。"),
            ("老赵", "3栋群", "@小邻 本群一天最多 60 条", "一天最少1条，最多50条；不限请发 本群一天最多 不限。"),
            # The whole day, and no half of it; and no day by itself.
            ("老赵", "3栋群", "@小邻 本群安静 8:00-8:00", "一天最多安静16个小时，不然什么都来不及告诉大家。请改短一点。"),
            ("老赵", direct, "3栋群安静 周末", "安静时间每天都一样，不能只定一天。请写几点到几点，例如 22:00-8:00。"),
            ("老赵", "3栋群", "@小邻 本群安静 晚上7点到中午12点", "一天最多安静16个小时，不然什么都来不及告诉大家。请改短一点。"),
            (
                "张敏", direct, "群列表",
                "3栋群：20:00 到 8:00 不发，一天最多1条（自己定的）\n其余4个群和社区一样：21:30 到 7:00 不发，一天最多6条。",
            ),
            # What is urgent waits for nobody.
            ("张敏", direct, "紧急广播 3栋 水管爆了", f"广播预览：水管爆了（紧急）\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}"),
            ("张敏", direct, "确认", "9号已发：3栋群。\n看发到没有请发 广播状态 9。"),
        ],
    )  # fmt: skip
    assert await _out(street) == {("5栋群", "【锦绣社区通知 8】明天停水"), ("3栋群", "【紧急·锦绣社区通知 9】水管爆了")}
    first = ("3栋群", "【锦绣社区通知 8】明天停水")
    await street.until(november(18, 7, 59))
    assert first not in await _out(street)
    await street.until(november(18, 8, 1))
    assert first in await _out(street)
    # One a day has gone; the next one is for tomorrow, when the group's own quiet hours are over.
    second = ("3栋群", "【锦绣社区通知 10】请关好门窗")
    await talk(
        street, [("张敏", direct, "广播 3栋 请关好门窗", _preview("请关好门窗")), ("张敏", direct, "确认", SENT)]
    )
    await street.until(november(19, 7, 59))
    assert second not in await _out(street)
    await street.until(november(19, 8, 1))
    assert second in await _out(street)


async def _out(street: Street) -> set[tuple[str, str]]:
    """Which notices have left, and to whom."""
    return await street.house.books.read(_left)


def _left(session: Session) -> set[tuple[str, str]]:
    rows = session.execute(
        select(func.coalesce(Group.name, Member.name), Outbox.text)
        .outerjoin(Group, Outbox.group_id == Group.id)
        .outerjoin(Member, Outbox.member_id == Member.id)
        .where(Outbox.state == OutboxState.SENT, Outbox.text.startswith("【"))
    )
    return {(row[0], row[1]) for row in rows}


def _preview(text: str) -> str:
    return f"广播预览：{text}\n给 3栋：29户35人。\n发到：3栋群。\n{CHECK}"


SENT = "10号已发：3栋群。\n看发到没有请发 广播状态 10。"
USUAL = f"3栋群 21:30 到 7:00 不发，一天最多6条，今天发了0条。{MORE}"


@ON_SQLITE
async def test_a_rule_is_taken_back_as_it_was_before(street: Street) -> None:
    await talk(
        street,
        [
            ("老赵", "3栋群", "@小邻 本群安静时间", USUAL),
            ("老赵", "3栋群", "@小邻 本群安静 晚上10点到早上8点", KEPT.replace("20:00", "22:00")),
            ("老赵", "3栋群", "@小邻 本群安静 20:00-8:00", KEPT),
            ("老赵", direct, "撤销", "已撤销，22:00 到 8:00 不发，一天最多6条（自己定的）。"),
            ("老赵", "3栋群", "@小邻 本群安静 照旧", "好的，3栋群的安静时间和别的群一样：21:30 到 7:00。"),
            ("老赵", "3栋群", "@小邻 本群安静时间", USUAL),
            ("老赵", direct, "撤销", "已撤销，22:00 到 8:00 不发，一天最多6条（自己定的）。"),
            ("老赵", "3栋群", "@小邻 取消本群安静", "好的，3栋群的安静时间和别的群一样：21:30 到 7:00。"),
            ("老赵", direct, "本群安静", "3栋群 21:30 到 7:00 不发，一天最多6条，今天发了0条。" + MORE),
            ("张敏", direct, "本群安静", "哪个群？请在群里说，或写上楼栋，例如 3栋群安静 22:00-8:00。"),
            ("张敏", direct, "4栋群安静 22:00-8:00", "4栋 没有绑定的群。有哪些群请发 群列表。"),
            ("张敏", direct, "党员群一天最多 不限", "好的，党员群一天发几条不限。\n不要了请发 本群一天最多 照旧。"),
        ],
    )


async def test_a_person_is_left_in_peace_when_they_say_so(street: Street) -> None:
    mine = "好的，20:00 到 7:00 不急的不发给您，过后再发；停水这样的急事照发。\n不要了请发 取消免打扰。"
    gone = "好的，您自己的免打扰取消了；夜里（21:30 到 7:00）还是不发。"
    await talk(
        street,
        [
            november(17, 20, 30),
            ("小吴", direct, "免打扰", "夜里（21:30 到 7:00）不急的不发给您。\n还要安静些请发 免打扰 20:00-8:00。"),
            ("小吴", "党员群", "@小邻 晚上8点以后别给我发消息", "已私信您。"),
            ("小吴", direct, "随时可以给我发", gone),
            ("小吴", direct, "晚上别吵我", "晚上几点以后不发？请回复几点，例如 9点。"),
            ("小吴", direct, "8", mine),
            ("小吴", direct, "中午别吵我", "中午几点到几点不发？请照样子回复，例如 11点到13点。"),
            ("小吴", direct, "好的", "请照刚才问的回复，不办了请回复 取消。"),
            ("小吴", direct, "12点到14点", mine.replace("20:00 到 7:00", "12:00 到 14:00")),
            ("小吴", direct, "撤销", "已撤销，您的免打扰：20:00 到 7:00。"),
            ("小吴", direct, "免打扰 1:00-6:00", mine.replace("20:00 到 7:00", "1:00 到 6:00")),
            ("小吴", direct, "撤销", "已撤销，您的免打扰：20:00 到 7:00。"),
            ("小吴", direct, "免打扰 22:00-22:00", "一天最多安静16个小时，不然什么都来不及告诉大家。请改短一点。"),
            ("小吴", direct, "夜里别给我发消息", "夜里几点以后不发？请回复几点，例如 9点。"),
            ("小吴", direct, "晚上八点", mine),
            (
                "张敏", direct, "广播 流动党员 请报平安",
                f"广播预览：请报平安（现在免打扰，7:00才发）\n给 流动党员：1人。\n私信1人。\n{CHECK}",
            ),
            (
                "张敏", direct, "确认",
                "8号已定：免打扰过后，11月18日 周三 7:00 发给 流动党员。\n急的请用 紧急广播；不发了请发 取消广播 8。",
            ),
        ],
    )  # fmt: skip
    assert [push.text for push in street.pushes if push.to == "小吴"][:1] == [mine]
    assert await _out(street) == set()
    await street.until(november(18, 7, 1))
    assert await _out(street) == {("小吴", "【锦绣社区通知 8】请报平安")}
