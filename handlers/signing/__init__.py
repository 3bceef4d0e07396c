"""报名: one's own, for others and with others; leaving, saying that one cannot come, taking a place that was held.

老赵（3栋群）: 替 陈阿姨 报名 13
小邻: 已给 陈阿姨 报名「义诊」，还剩29个名额。
      11月22日 周日 9:00，活动室。
小邻 → 陈阿姨: 老赵 替您报名了「义诊」，11月22日 周日 9:00，活动室。
      去不了请回复 取消报名 13。
李建国（3栋群）: 报名 12 我和王秀英
小邻: 已给 李建国、王秀英 报名「清洁家园」，还剩11个名额。
      11月21日 周六 9:00，中心花园。
小邻 → 王秀英: 李建国 替您报名了「清洁家园」，11月21日 周六 9:00，中心花园。
      去不了请回复 取消报名 12。
王秀英: 取消报名 12
小邻: 已取消 王秀英 的「清洁家园」报名。谢谢告诉大家！
孙姐: 清洁家园去不了
小邻: 记下了，孙姐 这次不来「清洁家园」，不再问您。想来了随时发 报名 12。
"""

from handlers.chat import Router
from handlers.signing import entering, leaving, own
from handlers.signing.reminding import day_before
from models.activities import (
    ActivityStarted,
    ListLocked,
    NoCompanions,
    NoRoom,
    NoRoomForMore,
    NotSignedUp,
    SignupClosed,
    SignupNotOpen,
    TooManyCompanions,
)
from models.members import NoSuchMember, SeveralMembers
from models.proxies import NotForNeighbours

__all__ = ["day_before", "router"]

router = Router.of(
    "signing",
    {
        ActivityStarted: "「{title}」{starts_at} 已经开始，不能报名了。人到现场可以直接发 签到 {number}。",
        SignupNotOpen: "「{title}」{opens_at} 才开始报名，到时候请再发 报名 {number}。",
        SignupClosed: "「{title}」的报名 {closes_at} 已经截止了。看看别的活动，请发 活动。",
        ListLocked: "「{title}」的名单已经定了，要进要出请和社区说一声。",
        TooManyCompanions: "一个人最多带{most}位同伴，人多请分开报名。",
        NotSignedUp: "没有报名「{title}」，不用取消。",
        NoRoomForMore: "「{title}」只剩{left}个名额了，人数没有改。",
        NoRoom: "「{title}」没有多的名额了，人数没有改。",
        NoCompanions: "「{title}」不能带同伴，请同伴自己报名。",
        NotForNeighbours: "{name} 的报名，要本人、家人或楼长才能改。",
        NoSuchMember: "名册里没有找到 {name}。是同行的人，请写人数，例如 报名 12 2人。",
        SeveralMembers: "叫 {name} 的有{count}位。请本人报名，或私聊我写上房号，例如 替 501{name} 报名 12。",
    },
    entering.router,
    own.router,
    leaving.router,
)
