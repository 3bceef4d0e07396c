"""改活动: what was announced is changed, everybody who is signed up hears of it, and it can be taken back."""

from bot.script import Push
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street

PREVIEW = "要把 13号活动「义诊」改成：{}；名额：{}人；积分：3分吗？\n{}改请回复 确认，不改回复 取消。"
MANY = "报名的{}位我会逐个通知。"
NOTICE = "「义诊」有变动：{}。\n来不了请发 取消报名 13。"


@ON_SQLITE
async def test_change_is_shown_told_and_taken_back(street: Street) -> None:
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "报名 13 3人",
                "已给 王秀英 报名「义诊」（共3人），还剩27个名额。\n11月22日 周日 9:00，活动室。",
            ),
            # An hour alone keeps the day, a day alone the hour; what is not said stays.
            (
                "张敏",
                direct,
                "改活动 13 10点 中心花园",
                PREVIEW.format("11月22日 周日 10:00-12:00，中心花园", 30, MANY.format(1)),
            ),
            ("张敏", direct, "取消", "好的，不办了。"),
            (
                "张敏",
                direct,
                "改活动 13 周六",
                PREVIEW.format("11月21日 周六 9:00-11:00，活动室", 30, MANY.format(1)),
            ),
            ("张敏", direct, "确认", "已改 13号活动「义诊」：11月21日 周六 9:00-11:00，活动室，正在通知1位邻居。"),
            ("张敏", direct, "撤销", "已改回 13号活动「义诊」：11月22日 周日 9:00-11:00，活动室。"),
        ],
    )
    assert pushes == [
        Push("王秀英", NOTICE.format("11月21日 周六 9:00-11:00，活动室")),
        Push("王秀英", NOTICE.format("11月22日 周日 9:00-11:00，活动室")),
    ]
    pushes = await talk(
        street,
        [
            # Fewer places than people, nothing at all, somebody who may not, and too late.
            ("张敏", direct, "改活动 13 名额2人", "「义诊」已经有3位报上了，名额不能比这少。"),
            (
                "张敏",
                direct,
                "改活动 13",
                "「义诊」本来就是这样，不用改。要改请写上新的时间、地点、名额或积分。",
            ),
            ("李建国", direct, "改活动 13 10点", "这件事要社区工作人员来办。您能办的事请发 帮助。"),
            november(22, 8, 31),
            ("张敏", direct, "改活动 13 10点", "「义诊」已经开始签到，不能再改了。"),
        ],
    )
    assert [push for push in pushes if "提醒" not in push.text] == []


@ON_SQLITE
async def test_more_places_let_those_move_up_who_wait(street: Street) -> None:
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "改活动 13 名额3人",
                PREVIEW.format("11月22日 周日 9:00-11:00，活动室", 3, ""),
            ),
            ("张敏", direct, "确认", "已改 13号活动「义诊」：11月22日 周日 9:00-11:00，活动室。"),
            (
                "王秀英",
                "3栋群",
                "报名 13 3人",
                "已给 王秀英 报名「义诊」（共3人），名额正好满了。\n11月22日 周日 9:00，活动室。",
            ),
            ("李建国", "3栋群", "报名 13", "「义诊」名额不够了，李建国 排在候补第1位。\n有空位我会告诉您。"),
        ],
    )
    await street.say("张敏", "改活动 13 名额4人")
    pushes = await talk(
        street, [("张敏", direct, "确认", "已改 13号活动「义诊」：11月22日 周日 9:00-11:00，活动室，正在通知2位邻居。")]
    )
    assert [(push.to, push.text.split("：")[0]) for push in pushes] == [
        ("李建国", "好消息"),
        ("王秀英", "「义诊」有变动"),
    ]


@ON_SQLITE
async def test_change_that_was_changed_again_is_not_taken_back(street: Street) -> None:
    await street.say("张敏", "改活动 13 10点")
    await street.say("张敏", "确认")
    await street.say("孙丽", "改活动 13 11点")
    await street.say("孙丽", "确认")
    await talk(street, [("张敏", direct, "撤销", "「义诊」后来又改过，撤销不了，请用 改活动 来改。")])


@ON_SQLITE
async def test_who_is_made_to_be_in_two_places_hears_it_alone(street: Street) -> None:
    for who, number in (("王秀英", 13), ("王秀英", 14), ("李建国", 14)):
        await street.say(who, f"报名 {number}")
    await street.say("张敏", "改活动 14 10点")
    await street.say("张敏", "确认")
    pushes = await street.until(november(17, 19, 35))
    clash = "提醒您：和13号「义诊」（11月22日 周日 9:00）时间撞上了。"
    told = {push.to: push.text.split("\n") for push in [*street.pushes, *pushes] if "有变动" in push.text}
    assert told["王秀英"] == [*told["李建国"], clash]
