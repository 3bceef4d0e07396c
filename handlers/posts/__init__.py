"""岗位, 认领 and 退岗: standing volunteer work, who does it, who would like to.

王秀英（3栋群）: @小邻 腿脚不好的能干啥
小邻: 4号 环保护绿岗（缺2人）轻活
      6号 邻里纠纷调解岗（缺1人，要审批）轻活
      5号 门栋关照岗（已满）轻活
      看看做什么请发 岗位 4，认领请发 认领 4。
何叔（3栋群）: 認領7 吧
小邻: 7號「下水道維修崗」歸 何叔 了，任期到2026年12月31日，謝謝您！
      要做的：疏通樓道下水，冬天看防凍；有事隨叫；各單元。
      內部說明已私信您。
小邻 → 何叔: 7号「下水道维修岗」内部说明（只给在岗的人看）：
      工具柜在1栋门厅，密码 2580
王秀英（3栋群）: 认领 4 和 李建国 一起
小邻: 已去问 李建国，答应了「环保护绿岗」就归你们俩。
小邻 → 李建国: 王秀英 想和您一起认领 4号「环保护绿岗」。
      愿意请发 认领 4，不愿意请发 退岗 4。
"""

from handlers.chat import Router
from handlers.posts import claiming, details, leaving, looking, own
from handlers.posts.told import empty_list, empty_placard, lapsed_line
from models.members import NoSuchMember
from models.posts import (
    HoldsAlready,
    NoRoomForTwo,
    NoSuchPost,
    NotClaimed,
    PartnerBusy,
    PostFull,
    PostOver,
    PostWithdrawn,
    TakenMeanwhile,
    WithOneself,
)

__all__ = ["empty_list", "empty_placard", "lapsed_line", "router"]

router = Router.of(
    "posts",
    {
        NoSuchPost: "没有找到 {number}号岗位。看看有哪些岗位，请发 岗位。",
        PostWithdrawn: "「{title}」这个岗位已经撤了。看看别的岗位，请发 岗位。",
        PostOver: "「{title}」的任期已经到了，不再认领。看看别的岗位，请发 岗位。",
        PostFull: "「{title}」满员了。等有人退岗再来。",
        NoRoomForTwo: "「{title}」两个人一起要2个名额，现在空{left}个，没有认领。一个人做请发 认领 {number}。",
        WithOneself: "一起认领要写另一位邻居的名字，例如 认领 3 和 王秀英 一起。",
        HoldsAlready: "「{title}」已经是您的岗位了。请另一位邻居自己发 认领 {number}。",
        PartnerBusy: "{name} 已经报过「{title}」了，您一个人做请发 认领 {number}。",
        NotClaimed: "您没有认领「{title}」，不用退。",
        TakenMeanwhile: "「{title}」已经有别人接上了，改不回去。想做请再发 认领 {number}。",
        NoSuchMember: "没有找到 {name}，请核对姓名。",
    },
    looking.router,
    claiming.router,
    leaving.router,
    own.router,
    details.router,
)
