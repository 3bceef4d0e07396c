"""履职 as it is talked about: written down in a line, confirmed, taken back, listed and summed up."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.script import Line, Push
from handlers.duties import lately
from models.duties import DutyLog
from models.ledger import Currency, balance_of
from models.members import Member
from models.photos import KeptPhoto, Photo
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, november, silence, talk
from tests.fakes.pictures import drawn
from tests.fakes.street import Street
from tests.moments import TUESDAY_EVENING

ROUND = "已记下 何叔 的履职：3号 治安巡逻岗，巡了两圈。\n积分+2（现有6分），辛苦了！"


def minutes_of(name: str) -> Any:
    """Recorded and vouched minutes of somebody."""

    def unit(session: Session) -> tuple[int, int]:
        member_id = session.execute(select(Member.id).where(Member.name == name)).scalar_one()
        both = (
            balance_of(session, community_id=1, member_id=member_id, currency=currency)
            for currency in (Currency.RECORDED_MINUTES, Currency.VOUCHED_MINUTES)
        )
        recorded, vouched = both
        return recorded, vouched

    return unit


# -- writing down ----------------------------------------


async def test_what_was_done_is_written_down_once_earns_by_the_posts_rule_and_is_taken_back(street: Street) -> None:
    before = await count_rows(street.house)
    pushes = await talk(
        street,
        [
            ("何叔", "3栋群", "履职 3 巡了两圈", ROUND),
            ("何叔", "3栋群", "履职 3 巡了两圈", "「治安巡逻岗」当天已经记过「巡了两圈」，不用再记。"),
            (
                "何叔",
                direct,
                "履职 治安巡逻岗 又看了看门锁",
                "已记下 何叔 的履职：3号 治安巡逻岗，又看了看门锁。\n积分+2（现有8分），辛苦了！",
            ),
            ("何叔", direct, "履职 再看一遍", "「治安巡逻岗」这一天已经记了2次，一天最多2次。"),
            ("何叔", direct, "撤销", "已撤销「治安巡逻岗」11月17日的履职，积分和时长一并退回。"),
            (
                "何叔",
                direct,
                "积分",
                "何叔，您现有6分，本月+2分，服务时长1小时43分。\n为什么有这些分，请发 积分明细。",
            ),
        ],
    )
    assert pushes == []
    added = grown(before, await count_rows(street.house))
    assert (added["duty_logs"], added["duty_credits"], added["transfers"]) == (2, 2, 3)


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("履职 巡了两圈", ROUND),
        ("@小邻 履职 3号 巡了两圈", ROUND),
        ("履职３ 巡了两圈", ROUND),
        ("治安巡逻岗 履职 巡了两圈", ROUND),
        (
            "履职 3 昨天晚上巡了三圈 一个半小时",
            "已记下 何叔 11月16日的履职：3号 治安巡逻岗，巡了三圈 一个半小时。"
            "\n记服务时长 1小时30分，积分+2（现有6分），辛苦了！",
        ),
        (
            "履职 3 昨天巡了三圈",
            "已记下 何叔 11月16日的履职：3号 治安巡逻岗，巡了三圈。\n积分+2（现有6分），辛苦了！",
        ),
        (
            "今天巡逻完了 一切正常",
            "已记下 何叔 的履职：3号 治安巡逻岗，巡逻完了 一切正常。\n积分+2（现有6分），辛苦了！",
        ),
        ("履职 3 明天去巡", "那一天还没到，做完了再记。"),
        ("履职 3 11月10日巡了一圈", "只能补记2天以内的履职，更早的请和楼长或社区说一声。"),
        ("履职 3 看了十个小时的门", "一次履职最多记8小时，请核对一下时间再发。"),
        ("履职 3", "请写上做了什么，例如 履职 3 巡了两圈；要不就接着发一张照片。"),
        ("履职 4 浇了花", "4号「环保护绿岗」不是您的岗位，记不了。认领请发 认领 4。"),
        ("履职 99 浇了花", "没有找到 99号岗位。看看有哪些岗位，请发 岗位。"),
        ("履职 3 " + "看" * 101, "做了什么请用100个字以内，写短一点再发。"),
    ],
)
async def test_an_entry_is_said_in_many_ways_and_refused_in_one_sentence(street: Street, said: str, heard: str) -> None:
    assert await street.say("何叔", said) == heard


@ON_SQLITE
async def test_who_holds_nothing_or_several_posts_is_told_or_asked(street: Street) -> None:
    await talk(
        street,
        [
            ("李建国", direct, "履职 扫了地", "您现在没有认领岗位。看看有哪些岗位，请发 岗位。"),
            ("李建国", "3栋群", "今天巡了两圈", silence),
        ],
    )
    await street.say("何叔", "认领 4")
    await talk(
        street,
        [
            (
                "何叔",
                direct,
                "履职 浇了花",
                "您有好几个岗位，是哪一个？请回复序号：\n1 3号 治安巡逻岗\n2 4号 环保护绿岗",
            ),
            ("何叔", direct, "2", "已记下 何叔 的履职：4号 环保护绿岗，浇了花。\n积分+2（现有6分），辛苦了！"),
            (
                "何叔",
                direct,
                "履职 4 昨天浇了花",
                "那一天「环保护绿岗」还不是您的岗位，您是11月17日 周二 19:30上岗的。",
            ),
        ],
    )


@ON_SQLITE
async def test_a_photo_is_kept_with_its_entry_and_goes_with_it(street: Street) -> None:
    picture = Photo(drawn(), "image/jpeg")
    played = await street.play(Line("何叔", "", "履职 3", photos=(picture,), message_id="p1"))
    assert played.reply == "已记下 何叔 的履职：3号 治安巡逻岗，照片1张。\n积分+2（现有6分），辛苦了！"

    def kept(session: Session) -> list[str]:
        return list(session.scalars(select(KeptPhoto.ref)))

    (log_id,) = await street.house.books.read(lambda s: list(s.scalars(select(DutyLog.id).where(DutyLog.note == ""))))
    assert await street.house.books.read(kept) == [f"duty:{log_id}"]
    assert (await street.say("何叔", "我的履职")).endswith("11月17日 3号 治安巡逻岗 （发了照片）")
    await street.say("何叔", "撤销")
    assert await street.house.books.read(kept) == []


@ON_SQLITE
async def test_a_photo_that_follows_belongs_to_what_was_just_said(street: Street) -> None:
    picture = (Photo(drawn(), "image/jpeg"),)
    nothing = "收到了，可是现在没有要它的事。看看有什么活动，请发 活动。"
    assert await street.say("何叔", "", photos=picture) == nothing
    ask = "请写上做了什么，例如 履职 3 巡了两圈；要不就接着发一张照片。"
    assert await street.say("何叔", "履职 3") == ask
    done = "已记下 何叔 的履职：3号 治安巡逻岗，照片1张。\n积分+2（现有6分），辛苦了！"
    assert await street.say("何叔", "", photos=picture) == done
    more = "照片收到，放进「治安巡逻岗」的履职记录里了，谢谢！"
    assert await street.say("何叔", "", photos=picture) == more

    def kept(session: Session) -> list[str]:
        return list(session.scalars(select(KeptPhoto.ref)))

    (log_id,) = await street.house.books.read(lambda s: list(s.scalars(select(DutyLog.id).where(DutyLog.note == ""))))
    assert await street.house.books.read(kept) == [f"duty:{log_id}"] * 2
    assert await street.say("何叔", "撤销") == "已撤回刚才的照片。"
    assert await street.house.books.read(kept) == [f"duty:{log_id}"]
    # Nobody else's photo is meant, nor one that comes much later.
    assert await street.say("何婶", "", photos=picture) == nothing
    await street.until(TUESDAY_EVENING + timedelta(minutes=11))
    assert await street.say("何叔", "", photos=picture) == nothing


# -- coming and leaving ----------------------------------------


async def test_the_machines_time_and_what_was_told_are_kept_apart(street: Street) -> None:
    came = "小吴，「环保护绿岗」签到成功 {}，积分+2（现有{}分）。\n走的时候发 签退 4，时间就记得准。"
    await talk(
        street,
        [
            ("小吴", "3栋群", "护绿岗签到", came.format("19:30", 9)),
            ("小吴", direct, "岗位签到", "您在「环保护绿岗」已经签过到了（11月17日 周二 19:30），走的时候发 签退 4。"),
            november(17, 20, 40),
            ("小吴", direct, "签退 4", "小吴，「环保护绿岗」签退成功，记服务时长 1小时10分，辛苦了！"),
            ("小吴", direct, "履职 浇了水", "已补上 小吴 的履职：4号 环保护绿岗，浇了水。\n辛苦了！"),
        ],
    )
    assert await street.house.books.read(minutes_of("小吴")) == (164, 0)
    await talk(
        street,
        [
            ("小吴", direct, "撤销", "已撤销补上的内容，「环保护绿岗」11月17日的履职还在。"),
            ("小吴", direct, "撤销", "已撤销「环保护绿岗」的签退，您还在签到中。"),
        ],
    )
    assert await street.house.books.read(minutes_of("小吴")) == (94, 0)
    await talk(
        street,
        [
            november(17, 20, 50),
            ("小吴", direct, "岗位签退", "小吴，「环保护绿岗」签退成功，记服务时长 1小时20分，辛苦了！"),
            november(18, 9),
            ("小吴", direct, "签退 4", "您今天还没有在「环保护绿岗」签到。做了多久可以直接写，例如 签退 4 一小时。"),
            (
                "小吴",
                direct,
                "护绿岗签退 三刻钟",
                "已记下 小吴 在「环保护绿岗」的服务时长 45分钟，辛苦了！",
            ),
            (
                "小吴",
                direct,
                "替 王秀英 签到 4",
                "岗位上的事要本人说，忘了签到的请发 履职 加做了什么，例如 履职 昨天巡了两圈 一小时。",
            ),
        ],
    )
    assert await street.house.books.read(minutes_of("小吴")) == (174, 45)


# -- confirming ----------------------------------------


async def test_where_the_post_asks_for_it_an_entry_counts_when_its_leader_has_confirmed_it(street: Street) -> None:
    def notice(number: int, note: str) -> Push:
        return Push(
            "老赵",
            f"何婶 在 5号 门栋关照岗 记了履职：11月17日 {note}。"
            f"\n属实请回复 通过 {number}，不属实请回复 驳回 {number} 理由。",
        )

    pushes = await talk(
        street,
        [
            (
                "何婶",
                direct,
                "履职 敲了敲门 半小时",
                "已记下 何婶 的履职：5号 门栋关照岗，敲了敲门 半小时。\n请老赵确认后算数（1号），有结果我会告诉您。",
            ),
            (
                "陈美玲",
                "3栋群",
                "履职 5 打了电话",
                "已记下 陈美玲 的履职：5号 门栋关照岗，打了电话。\n请老赵确认后算数（2号），有结果我会告诉您。",
            ),
            ("王秀英", direct, "通过 1", "这件事要楼长或社区来办。您能办的事请发 帮助。"),
            (
                "何婶",
                direct,
                "我的履职",
                "何婶，您本月履职0次；今年0次。\n11月17日 5号 门栋关照岗 敲了敲门 半小时（30分钟）（待确认）",
            ),
            (
                "老赵",
                direct,
                "审核",
                "等您看的有2件：\n1号 履职 何婶 门栋关照岗：11月17日 敲了敲门 半小时\n"
                "2号 履职 陈美玲 门栋关照岗：11月17日 打了电话\n同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
        ],
    )
    assert pushes[0] == notice(1, "敲了敲门 半小时")
    assert await street.house.books.read(minutes_of("何婶")) == (107, 0)
    confirmed = "您 11月17日 在「门栋关照岗」的履职确认了，积分+2（现有{}分），辛苦了！"
    pushes = await talk(
        street,
        [
            ("老赵", direct, "通过 1 2 9", "已确认2件：1、2号。\n9号没有确认，请单独看。"),
            ("老赵", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
        ],
    )
    assert pushes == [Push("何婶", confirmed.format(8)), Push("陈美玲", confirmed.format(17))]
    assert await street.house.books.read(minutes_of("何婶")) == (107, 30)
    # Taken back within ten minutes, what was earned goes back, and it can be decided anew.
    pushes = await talk(
        street,
        [
            (
                "老赵",
                direct,
                "撤销",
                "已撤销 2号的答复：陈美玲 的履职重新等您看。\n已撤销 1号的答复：何婶 的履职重新等您看。",
            ),
            ("老赵", direct, "驳回 1", "请写上理由，例如 驳回 1 楼栋写错了。"),
            ("老赵", direct, "驳回 1 那天没看见您", "已驳回 1号：何婶 的「门栋关照岗」履职（那天没看见您）。"),
            ("老赵", direct, "通过 2", "已确认 2号：陈美玲 的「门栋关照岗」履职。"),
        ],
    )
    again = "您 11月17日 在「门栋关照岗」的履职要重新确认，有结果我会告诉您。"
    assert pushes == [
        Push("陈美玲", again),
        Push("何婶", again),
        Push("何婶", "您 11月17日 在「门栋关照岗」的履职没有算上：那天没看见您。\n有出入请和负责人当面说。"),
        Push("陈美玲", confirmed.format(17)),
    ]
    assert await street.house.books.read(minutes_of("何婶")) == (107, 0)


@ON_SQLITE
async def test_whoever_leads_a_post_by_name_confirms_without_any_role_and_never_their_own(street: Street) -> None:
    await street.say("张敏", "发布岗位 夜巡岗 小区北门 2人 2分 负责人王秀英 要确认")
    await street.say("张敏", "确认")
    await street.say("王秀英", "认领 8")
    await street.say("李建国", "认领 8")
    pushes = await talk(
        street,
        [
            (
                "王秀英",
                direct,
                "履职 8 转了一圈",
                "已记下 王秀英 的履职：8号 夜巡岗，转了一圈。\n请张敏确认后算数（1号），有结果我会告诉您。",
            ),
            ("王秀英", direct, "通过 1", "1号是您自己的履职，要请别的同志来确认。"),
            (
                "李建国",
                direct,
                "履职 8 转了两圈",
                "已记下 李建国 的履职：8号 夜巡岗，转了两圈。\n请王秀英确认后算数（2号），有结果我会告诉您。",
            ),
            ("王秀英", direct, "通过 2", "已确认 2号：李建国 的「夜巡岗」履职。"),
            ("张敏", direct, "通过 1", "已确认 1号：王秀英 的「夜巡岗」履职。"),
        ],
    )
    assert [push.to for push in pushes] == ["张敏", "王秀英", "李建国", "王秀英"]


# -- what was done ----------------------------------------


@ON_SQLITE
async def test_lists_and_sums_say_what_was_done_and_what_was_not(street: Street) -> None:
    await street.house.books.write(
        lambda s: s.execute(Member.__table__.update().where(Member.name == "老魏").values(hides_name=True))  # type: ignore[attr-defined]
    )
    line = "11月11日 {} 陪楼上楼下坐了一晚，装了地垫\n10月31日 {} 2栋两家为了鞋柜，说开了"
    await talk(
        street,
        [
            (
                "老魏",
                direct,
                "履职 说和了一件事 两小时",
                "已记下 老魏 的履职：6号 邻里纠纷调解岗，说和了一件事 两小时。\n记服务时长 2小时，积分+3（现有9分），辛苦了！",
            ),
            (
                "王秀英",
                "3栋群",
                "@小邻 履职记录 6",
                "6号「邻里纠纷调解岗」本月履职2次，服务2小时，最近的：\n11月17日 老* 说和了一件事 两小时（2小时）\n"
                + line.format("老*", "老*"),
            ),
            ("王秀英", direct, "履职记录", "看哪个岗位的？请写上编号，例如 履职记录 3。"),
            ("王秀英", direct, "履职记录 7", "7号「下水道维修岗」还没有履职记录。"),
            ("王秀英", direct, "我的履职", "您还没有履职记录。做了事请发 履职 加做了什么，例如 履职 巡了两圈。"),
            (
                "张敏",
                direct,
                "履职汇总",
                "本月履职：5个岗位共2次，服务2小时。\n6号 邻里纠纷调解岗 2次\n"
                "没有记录的：3号 治安巡逻岗、4号 环保护绿岗、5号 门栋关照岗、7号 下水道维修岗。",
            ),
            ("张敏", direct, "履职汇总 本周", "履职按月算，可以看 本月、上月、本季、今年、全部。"),
            ("王秀英", direct, "履职汇总", "您没有负责的岗位。看自己的请发 我的履职。"),
        ],
    )


@ON_SQLITE
async def test_on_the_first_of_the_month_those_in_charge_hear_what_was_done(street: Street) -> None:
    await street.say("何叔", "履职 巡了两圈 一小时")
    pushes = [push for push in await street.until(november(30, 23)) if "上月履职" in push.text]
    assert pushes == []
    december = november(30, 9).replace(month=12, day=1)
    pushes = [push for push in await street.until(december) if "上月履职" in push.text]
    assert [(push.to, push.text) for push in pushes] == [
        (
            "张敏",
            "上月履职：5个岗位共2次，服务1小时。\n3号 治安巡逻岗 1次；6号 邻里纠纷调解岗 1次\n"
            "没有记录的：4号 环保护绿岗、5号 门栋关照岗、7号 下水道维修岗。",
        ),
        ("孙丽", "上月履职：1个岗位共1次，服务1小时。\n3号 治安巡逻岗 1次"),
        ("胡云霞", "上月履职：1个岗位共0次。\n没有记录的：4号 环保护绿岗。"),
        ("老赵", "上月履职：1个岗位共0次。\n没有记录的：5号 门栋关照岗。"),
    ]


@pytest.mark.parametrize(
    ("said", "moment", "day"),
    [
        ("昨天", november(16, 0), 16),
        ("周一", november(23, 0), 16),
        ("11月16日", november(16, 0).replace(year=2027), 16),
        ("早上", november(18, 7), 17),
        ("明天", november(18, 0), 18),
    ],
)
def test_a_day_that_could_be_several_is_the_last_one(said: str, moment: Any, day: int) -> None:
    assert lately(moment, said, november(17, 19, 30)) == november(day, 0).date()
