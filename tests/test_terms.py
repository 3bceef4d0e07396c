"""名单: who sees whom on it; a list that is closed, and from when to when people sign up."""

from bot.script import Push
from tests.dialogue import ON_SQLITE, Spoken, direct, november, silence, talk
from tests.fakes.street import Street

CLEAN_UP = "11月21日 周六 9:00，中心花园。"
NOT_STAFF = "这件事要社区工作人员来办。您能办的事请发 帮助。"
LOCKED = "「清洁家园」的名单锁定了，除了您和社区谁也不能进出。\n要放开请发 解锁 12。"
OPEN = "「清洁家园」的名单放开了，大家可以进出。"


async def test_whoever_organises_it_sees_who_comes_who_does_not_and_how_many_say_nothing(street: Street) -> None:
    counts = "「清洁家园」来{}人（{}户），候补0户，不来{}人，没说的{}人。"
    await talk(
        street,
        [
            ("孙丽", direct, "名单 12", counts.format(7, 4, 1, 311) + "\n来：何叔+1、小吴、陈美玲+2、赵强\n不来：周敏"),
            ("王秀英", direct, "不来了 12", "记下了，王秀英 这次不来「清洁家园」，不再问您。想来了随时发 报名 12。"),
            ("赵强", direct, "取消报名 12", "已取消 赵强 的「清洁家园」报名。谢谢告诉大家！"),
            ("老赵", direct, "替 陈阿姨 报名 12", f"已给 陈阿姨 报名「清洁家园」，还剩13个名额。\n{CLEAN_UP}"),
            (
                "孙丽",
                direct,
                "名单 12",
                counts.format(7, 4, 3, 309)
                + "\n来：何叔+1、小吴、陈美玲+2、陈阿姨（老赵代报）\n不来：周敏、王秀英、赵强",
            ),
            # In a group nobody's name is called.
            ("孙丽", "5栋群", "@小邻 名单 12", counts.format(7, 4, 3, 309)),
            ("孙丽", "5栋群", "名单 12", silence),
            ("王秀英", direct, "名单 12", NOT_STAFF),
            ("老赵", direct, "名单 12", NOT_STAFF),
            ("孙丽", direct, "名单 99", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
        ],
    )


@ON_SQLITE
async def test_the_waiting_list_and_those_who_are_asked_stand_on_it(street: Street) -> None:
    await street.say("张敏", "发布活动 周六9点 包饺子 活动室 1人")
    await street.say("张敏", "确认")
    for name in ("王秀英", "李建国", "孙姐"):
        await street.say(name, "报名 15")
    await street.say("王秀英", "取消报名 15")
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "15号谁报名了",
                "「包饺子」来1人（1户），候补1户，不来1人，没说的313人。\n来：李建国（等回话）\n候补：孙姐\n不来：王秀英",
            )
        ],
    )


async def test_a_locked_list_is_changed_by_those_in_charge_alone(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("王秀英", direct, "锁定 12", NOT_STAFF),
            ("孙丽", "5栋群", "@小邻 锁定 12", LOCKED),
            ("孙丽", direct, "锁定 12", "「清洁家园」的名单已经定了，要进要出请和社区说一声。"),
            ("王秀英", "3栋群", "报名 12", "「清洁家园」的名单已经定了，要进要出请和社区说一声。"),
            ("何叔", direct, "报名 12 3人", "「清洁家园」的名单已经定了，要进要出请和社区说一声。"),
            ("何叔", direct, "报名 12", "何叔 已经报过「清洁家园」了（共2人），不用再报。"),
            (
                "小吴",
                direct,
                "取消报名 12",
                "「清洁家园」的名单已经定了，我转告组织的同志，请等回话。",
            ),
            ("张敏", direct, "替 小吴 取消报名 12", "已取消 小吴 的「清洁家园」报名。谢谢告诉大家！"),
            ("张敏", direct, "替 王秀英 报名 12", f"已给 王秀英 报名「清洁家园」，还剩13个名额。\n{CLEAN_UP}"),
            ("孙丽", direct, "解锁 12", OPEN),
            ("孙丽", direct, "撤销", LOCKED),
            ("孙丽", direct, "解锁 12", OPEN),
            ("孙丽", direct, "解锁 12", "「清洁家园」的名单没有锁定。要锁定请发 锁定 12。"),
            ("小吴", direct, "报名 12", f"已给 小吴 报名「清洁家园」，还剩12个名额。\n{CLEAN_UP}"),
        ],
    )
    assert pushes == [
        Push(
            "张敏",
            "小吴 说来不了「清洁家园」（11月21日 周六 9:00），名单已经锁定。\n同意请回复 替 小吴 取消报名 12。",
        ),
        Push("小吴", "张敏 替您取消了「清洁家园」的报名。\n还想去请回复 报名 12。"),
        Push("王秀英", f"张敏 替您报名了「清洁家园」，{CLEAN_UP}\n去不了请回复 取消报名 12。"),
    ]


@ON_SQLITE
async def test_people_sign_up_in_the_window_alone(street: Street) -> None:
    one = "13号「义诊」11月22日 周日 9:00-11:00（每月第4个周日都有）\n地点：活动室；名额：{}/30；积分：3分\n{}"
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "报名时间 13 周四9点到周五18点",
                "「义诊」的报名时间：11月19日 周四 9:00 到 11月20日 周五 18:00。",
            ),
            ("王秀英", direct, "报名 13", "「义诊」11月19日 周四 9:00 才开始报名，到时候请再发 报名 13。"),
            ("王秀英", direct, "活动 13", one.format(0, "11月19日 周四 9:00 开始报名。")),
            ("张敏", direct, "替 老魏 报名 13", "已给 老魏 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。"),
            november(19, 9),
            ("王秀英", direct, "报名 13", "已给 王秀英 报名「义诊」，还剩28个名额。\n11月22日 周日 9:00，活动室。"),
            november(20, 18),
            ("孙姐", direct, "报名 13", "「义诊」的报名 11月20日 周五 18:00 已经截止了。看看别的活动，请发 活动。"),
            ("孙姐", direct, "活动 13", one.format(2, "报名已经截止了。")),
            # Who has a place leaves when they have to.
            ("王秀英", direct, "取消报名 13", "已取消 王秀英 的「义诊」报名。谢谢告诉大家！"),
            ("王秀英", direct, "撤销", "已恢复「义诊」的报名。"),
            ("张敏", direct, "报名时间 13 到周六12点", "「义诊」的报名时间：现在起到 11月21日 周六 12:00。"),
            ("张敏", direct, "撤销", "已改回原来的：「义诊」的报名时间：11月19日 周四 9:00 到 11月20日 周五 18:00。"),
            ("张敏", direct, "报名时间 13", "「义诊」的报名时间：随时，到活动开始为止。"),
        ],
    )


REFUSALS: tuple[Spoken, ...] = (
    ("张敏", direct, "报名时间 13 周五18点到周四9点", "报名要先开始后截止，而且都在活动开始（11月22日 周日 9:00）以前，请改一下再发。"),
    ("张敏", direct, "报名时间 13 到周日10点", "报名要先开始后截止，而且都在活动开始（11月22日 周日 9:00）以前，请改一下再发。"),
    ("张敏", direct, "最晚退出 13 周日10点", "报名要先开始后截止，而且都在活动开始（11月22日 周日 9:00）以前，请改一下再发。"),
    ("王秀英", direct, "最晚退出 13 周六10点", NOT_STAFF),
    ("张敏", direct, "最晚退出 99 周六10点", "没有找到 99号活动。看看有哪些活动，请发 活动。"),
)  # fmt: skip


@ON_SQLITE
async def test_odd_terms_are_refused(street: Street) -> None:
    await talk(street, REFUSALS)


@ON_SQLITE
async def test_who_leaves_after_the_last_moment_is_told_that_it_counts(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("张敏", direct, "最晚退出 12 周五18点", "「清洁家园」最晚 11月20日 周五 18:00 退出，再晚退的算没来一次。"),
            ("小吴", direct, "取消报名 12", "已取消 小吴 的「清洁家园」报名。谢谢告诉大家！"),
            november(20, 18),
            (
                "何叔",
                direct,
                "取消报名 12",
                "已取消 何叔 的「清洁家园」报名。\n已经过了退出的时间（11月20日 周五 18:00），这次会算没来；有特殊情况请和社区说。",
            ),
            # Those in charge take people off the list, and nothing counts.
            ("张敏", direct, "替 赵强 取消报名 12", "已取消 赵强 的「清洁家园」报名。谢谢告诉大家！"),
            ("张敏", direct, "最晚退出 12", "「清洁家园」开始以前都可以退出。"),
            november(21, 8, 30),
            ("陈美玲", direct, "签到 12", "陈美玲，「清洁家园」签到成功 8:30（共3人），积分+5（现有20分）。\n走的时候发一声 签退。"),
            november(21, 11, 5),
        ],
    )  # fmt: skip
    late = [push for push in pushes if push.to == "张敏"]
    assert late == [Push("张敏", "何叔 刚退出「清洁家园」（11月21日 周六 9:00），已经过了退出的时间。")]
