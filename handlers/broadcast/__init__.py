"""广播 and 回执: what the community says to its people, who has had it, and whom somebody has to tell in person.

张敏: 广播 3栋 明早8点到10点停水，请提前存水 回执
小邻: 广播预览：明早8点到10点停水，请提前存水（要回执）
      给 3栋：29户35人。
      发到：3栋群。
      发送请回复 确认，不发回复 取消。
张敏: 确认
小邻: 8号已发：3栋群。
      看谁收到请发 广播状态 8。
小邻 → 3栋群: 【锦绣社区通知 8】明早8点到10点停水，请提前存水
      收到请回复 收到 8。
王秀英: 收到 8
小邻: 记下了，谢谢。
"""

from handlers.broadcast import by_hand, following, notes, receipts, writing
from handlers.broadcast.words import (
    Voice,
    doors_otherwise,
    handed_over,
    handed_over_otherwise,
    in_parts,
    not_sent,
    not_sent_otherwise,
    reminding,
    report,
    silent_line,
    unknown_on_page,
    wording,
)
from handlers.broadcast.writing import as_typed, title_of
from handlers.chat import Router
from models.broadcast import (
    AllAnswered,
    AllNoted,
    CancelledAlready,
    CannotResume,
    DueInThePast,
    NobodyThere,
    NoReceiptWanted,
    NoSecondPerson,
    NoSuchBroadcast,
    NoSuchDraft,
    NotAddressed,
    NotCalledBack,
    NoteGone,
    NothingByHand,
    NotOutYet,
    OutAlready,
    OutOfReach,
    QuietNow,
    ReceiptGone,
    ReceiptsClosed,
    RemindedEnough,
    RemindedRecently,
    TextTooLong,
)

__all__ = [
    "Voice",
    "as_typed",
    "doors_otherwise",
    "handed_over",
    "handed_over_otherwise",
    "in_parts",
    "not_sent",
    "not_sent_otherwise",
    "reminding",
    "report",
    "router",
    "silent_line",
    "title_of",
    "unknown_on_page",
    "wording",
]

router = Router.of(
    "broadcast",
    {
        NoSuchBroadcast: "没有{number}号广播，或不归您管。看看有哪些请发 广播列表。",
        NoSuchDraft: "没有等您看的{number}号。看看有哪些，请发 审核。",
        NoSecondPerson: "这样的广播要第二个人点头，可现在没有别人能点。请先任命一位社工。",
        TextTooLong: "写得太长了：{count}字，一条广播最多{most}字。请短一点。",
        DueInThePast: "{due_at} 已经过了。请换一个时间。",
        OutAlready: "{number}号已经发出去了，收不回来。要改请发 更正 {number} 加新的内容。",
        NotOutYet: "{number}号还没有发出去，不用更正：先发 取消广播 {number}，再重新写。",
        CancelledAlready: "{number}号已经取消了。",
        NotCalledBack: "{number}号没有取消，照常发。",
        CannotResume: "{number}号恢复不了了，请重新说一遍 广播。",
        NobodyThere: "{target} 没有登记的人，没法发。",
        OutOfReach: "{target} 的群和人我都发不到。请先绑定群，或请大家加我。",
        NothingByHand: "{number}号没有等您转发的群。",
        NoReceiptWanted: "{number}号不用回执，看过就好。",
        ReceiptsClosed: "{number}号的回执已经收完了。",
        NotAddressed: "{number}号不是发给您那里的，不用回。",
        AllAnswered: "{number}号都回了，不用催。",
        AllNoted: "{number}号没回的都有备注了，不用催。看有哪些请发 广播状态 {number}。",
        NoteGone: "{number}号的备注已经撤回过了。",
        RemindedEnough: "{number}号没回的都催过{most}次了，请上门问一声。",
        QuietNow: "现在免打扰，{again_at} 以后再催。",
        RemindedRecently: "刚催过，{again_at} 以后再催。",
        ReceiptGone: "{number}号的回执已经撤回过了。",
    },
    writing.router,
    following.router,
    by_hand.router,
    receipts.router,
    notes.router,
)
