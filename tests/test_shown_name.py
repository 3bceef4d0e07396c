"""隐藏我的名字: said in many ways, taken back, set for others; and no group reads the full name on any surface."""

import pytest
from sqlalchemy import select

from models.audit import Audit
from models.outbox import Outbox
from tests.dialogue import ON_SQLITE, direct, november, silence, talk
from tests.fakes.street import Street
from tests.language.corpus import heard

HIDDEN = "好的，以后群里和榜上只显示 王*英。\n要显示全名请发 显示我的名字。"
SHOWN = "好的，以后群里和榜上显示全名 王秀英。\n不想显示请发 隐藏我的名字。"

SAID = {
    "hide_name": (
        "隐藏我的名字", "不要在群里叫我名字", "群里别显示我全名", "别在群里面写我名字了", "我的名字打码吧", "隱藏我的名字",
        "把我名字隐藏起来", "不要显示我的全名了", "能不能不显示我的名字", "我不想让别人看到我的名字", "榜上别写我名字",
    ),
    "show_name": ("显示我的名字", "把我名字显示出来", "名字可以公开", "不用隐藏我的名字", "恢复我的名字"),
}  # fmt: skip
TALK = ("别叫我名字了，怪不好意思的", "不要在群里叫我名字", "我家孩子名字不要写在群里", "他不让我写名字")
"""What neighbours say to each other is none of the bot's business."""


@pytest.mark.parametrize("intent", SAID)
def test_it_is_understood_in_many_words_where_the_bot_is_asked(intent: str) -> None:
    for text in SAID[intent]:
        found = heard({"text": f"@小邻 {text}", "role": "resident", "channel": "group"})
        assert (found.intent, found.outcome) == (intent, "act"), text
    for text in TALK:
        assert heard({"text": text, "role": "resident", "channel": "group"}).outcome == "ignore", text


@ON_SQLITE
async def test_a_name_is_hidden_and_shown_again(street: Street) -> None:
    """Undone, it stands as before; the audit has every change, and 我的资料 says what others read."""
    pushes = await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 不要在群里叫我名字", HIDDEN),
            ("王秀英", direct, "隐藏我的名字", "群里和榜上本来就只显示 王*英。要显示全名请发 显示我的名字。"),
            (
                "王秀英",
                "3栋群",
                "报名 12",
                "已给 王*英 报名「清洁家园」，还剩12个名额。\n11月21日 周六 9:00，中心花园。",
            ),
            ("王秀英", direct, "显示我的名字", SHOWN),
            ("王秀英", direct, "撤销", "已撤销，群里和榜上还是只显示 王*英。"),
            ("王秀英", "3栋群", "不要在群里叫我名字", silence),
            ("王秀英", direct, "显示我的名字", SHOWN),
            ("王秀英", "3栋群", "@小邻 隐藏我的名字", HIDDEN),
            ("王秀英", "3栋群", "@小邻 撤销", "已撤销，群里和榜上还是显示全名。"),
            ("陌生人", "3栋群", "@小邻 隐藏我的名字", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
        ],
    )
    assert pushes == []
    await street.say("王秀英", "隐藏我的名字")
    assert "手机13900005849，群里只显示 王*英；" in await street.say("王秀英", "我的资料")
    acts = await street.house.books.read(
        lambda s: s.scalars(
            select(Audit.action).where(Audit.action.in_(["hide_name", "show_name"])).order_by(Audit.id)
        ).all()
    )
    assert acts == ["hide_name", "show_name", "show_name", "hide_name", "hide_name"]


@ON_SQLITE
async def test_those_in_charge_say_it_for_somebody_who_hears_of_it(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("孙丽", direct, "替 陈美玲 隐藏名字", "好的，陈美玲 的名字以后群里和榜上只显示 陈*玲，已告诉本人。"),
            ("孙丽", "3栋群", "@小邻 替 陈美玲 隐藏名字", "陈*玲 的名字本来就是这样显示的，不用改。"),
            ("孙丽", direct, "撤销", "已撤销，群里和榜上还是显示全名。"),
            ("李建国", direct, "替 陈美玲 隐藏名字", "陈美玲 的名字怎么显示，要本人、家人或楼长才能定。"),
            ("老赵", "3栋群", "@小邻 替 陈美玲 隐藏名字", "好的，陈*玲 的名字以后群里和榜上只显示 陈*玲，已告诉本人。"),
        ],
    )  # fmt: skip
    notice = "{} 替您设好了：群里和榜上只显示 陈*玲。\n要显示全名请发 显示我的名字。"
    assert [(push.to, push.text) for push in pushes] == [("陈美玲", notice.format(by)) for by in ("孙丽", "老赵")]


ABOUT_HER = (
    ("陈美玲", "报名 12 2人"), ("陈美玲", "我的报名"), ("老赵", "名单 12"), ("张敏", "名单 12"), ("陈美玲", "取消报名 12"),
    ("李建国", "替 陈美玲 报名 12"), ("李建国", "报名 12 我和陈美玲"), ("李建国", "替 陈美玲 取消报名 12"),
    ("陈美玲", "清洁家园去不了"), ("陈美玲", "认领 4"), ("陈美玲", "认领 3"), ("李建国", "岗位 4"), ("张敏", "岗位 3"),
    ("张敏", "审核"), ("张敏", "通过 1"), ("陈美玲", "履职 4 浇了花"), ("张敏", "履职 4"), ("陈美玲", "我的岗位"),
    ("陈美玲", "转岗 4 李建国"), ("张敏", "任命 陈美玲 3栋楼长"), ("李建国", "楼长是谁"), ("李建国", "角色 陈美玲"),
    ("张敏", "组织 3栋"), ("张敏", "免去 陈美玲 3栋楼长"), ("张敏", "撤销"), ("张敏", "加分 陈美玲 5 修灯"),
    ("张敏", "撤销"), ("陈美玲", "积分"), ("李建国", "排行榜"), ("张敏", "发榜 本月"), ("张敏", "请退 4 陈美玲"), ("张敏", "取消"),
    ("陈美玲", "收到 7"), ("张敏", "广播状态 7"), ("老赵", "谁没回 7"), ("陈美玲", "退岗 3"), ("张敏", "撤销"),
    ("李建国", "#接龙\n清洁家园\n1. 李建国\n2. 陈美玲"), ("陈美玲", "我的资料"), ("陈美玲", "每次都来 12"),
    ("张敏", "登记居民 陈美玲 3栋2单元"), ("张敏", "迁出 陈美玲"), ("张敏", "取消"), ("李建国", "家人 陈美玲"),
    ("张敏", "绑定码 陈美玲"), ("张敏", "账号 陈美玲"), ("张敏", "合并 陈美玲 王秀英"), ("李建国", "替 陈美玲 签到 12"),
    ("陈美玲", "签到 12"), ("张敏", "补签 12 陈美玲"), ("张敏", "撤签 12 陈美玲"), ("张敏", "更正 陈美玲 群众"),
    ("陈美玲", "服务队"), ("张敏", "证明时长 12 陈美玲 1小时"),
)  # fmt: skip
"""Who says what in the building's group while 陈美玲 takes part in everything there is."""


@ON_SQLITE
async def test_no_group_reads_the_full_name_anywhere(street: Street) -> None:
    """Lists, boards, approvals, posts, chains, reports, refusals: 陈*玲 wherever a group can read, a day and a half."""
    await street.say("陈美玲", "隐藏我的名字")
    read: list[tuple[str, str]] = []
    for who, text in ABOUT_HER:
        read.append((text, await street.say(who, f"@小邻 {text}", where="3栋群")))
    for moment in (november(21, 8, 45), november(21, 9, 5), november(21, 10, 0)):
        await street.until(moment)
        for who, text in (
            ("陈美玲", "签到 12"),
            ("李建国", "替 陈美玲 签到 12"),
            ("张敏", "谁到了 12"),
            ("张敏", "补签 12 陈美玲"),
        ):
            read.append((text, await street.say(who, f"@小邻 {text}", where="3栋群")))
    await street.until(november(22, 12, 0))
    read.append(("总结 12", await street.say("张敏", "@小邻 总结 12", where="3栋群")))
    pushed = await street.house.books.read(
        lambda s: s.execute(select(Outbox.text, Outbox.placard).where(Outbox.group_id.is_not(None))).all()
    )
    read += [("", f"{row.text}{row.placard or ''}") for row in pushed]
    assert [one for one in read if "陈美玲" in one[1]] == []
    # Nothing would be proved if nobody had been named.
    assert sum("陈*玲" in said for _, said in read) >= 12
