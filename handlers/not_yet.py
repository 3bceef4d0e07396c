"""What neighbours ask for before it is there: understood, and answered honestly where it was said to the bot.

王秀英（3栋群）: @小邻 兑换 洗衣液
小邻: 兑换这个功能还没有，请先到社区当面换。
"""

# A feature that comes takes its lines out of this file and declares them in its own, with its handlers.

from typing import Any

from handlers.chat import Answer, Router, Texts, Turn
from handlers.language.slots import Kind, Slot
from models.members import Role

say = Texts("not_yet", answer="{what}这个功能还没有，{instead}。")

router = Router("not_yet")

WHY = Slot("reason", Kind.REASON)
COMMUNITY = "请先和楼长或社区说一声"


def _coming(
    intent: str, *verbs: str, what: str, instead: str = COMMUNITY, overheard: bool = True, **declared: Any
) -> None:
    def answer(turn: Turn) -> Answer:
        return say("answer", what=what, instead=instead)

    router.command(intent, *verbs, coming=True, overheard=overheard, **declared)(answer)


def _flag(name: str, *words: str) -> Slot:
    return Slot(name, Kind.FLAG, labels=words)


# Rewards

_coming(
    "redeem", "兑换", "我要兑换", "积分兑换", "换购", "积分换", "拿积分换", "用积分换", "用分换", "拿分换",
    "拿积分兑", "兑",
    "能换啥", "能换什么", "能换点啥", "能换点什么", "可以换什么", "可以换啥", "换什么", "换啥", "能兑什么",
    "能兑啥", "兑换清单", "兑换列表",
    "积分能换啥", "积分能换什么", "积分能换点啥", "积分可以换什么", "积分换什么", "积分换啥", "兑换商品", "礼品",
    "有什么可以兑换", "有什么能换", "能换的", "可以换的", "能兑换的", "可以兑换的",
    what="兑换", instead="请先到社区当面换", writes=True,
    slots=(Slot("qty", Kind.QUANTITY), Slot("item", Kind.NAMED, of="goods"), _flag("list", "清单", "列表", "目录",
        "有什么", "有啥")),
    gestures=("换", "我要", "我想换", "想换", "领"),
    implies={
        word: {"list": True}
        for word in (
            "能换啥", "能换什么", "能换点啥", "能换点什么", "可以换什么", "可以换啥", "换什么", "换啥", "能兑什么",
            "能兑啥", "兑换清单",
            "兑换列表", "积分能换啥", "积分能换什么", "积分能换点啥", "积分可以换什么", "积分换什么", "积分换啥",
            "兑换商品", "礼品",
            "有什么可以兑换", "有什么能换", "能换的", "可以换的", "能兑换的", "可以兑换的",
        )
    },
    bare=False,
    fillers=("瓶", "包", "袋", "桶", "张", "份", "提", "盒", "卷", "箱", "积分", "我的积分", "用积分", "拿积分",
        "东西", "分"),
)  # fmt: skip

# The rota

SHIFT = ("值班", "的班", "班", "岗", "值", "那天", "那天的", "当天", "那班", "轮到我", "我的班", "的值班")
DATE = Slot("date", Kind.WHEN)

_coming(
    "rota_today", "值班", "谁值班", "谁在值班", "值班表", "是谁值班", "值班的是谁", "谁的班", "轮到谁值班",
    "轮到谁", "哪个值班",
    "哪位值班", "谁当班", "谁值", "值班人员", "值班安排", "值班是谁", "谁在岗", "哪个在值班",
    what="值班表", instead="请看社区门口的值班表，或问楼长",
    slots=(DATE, Slot("place", Kind.NAMED, of="rota")), aloud=("谁值班", "谁在值班"),
    fillers=("是", "该", "轮到", "安排", "的", "有", "在", "人"),
)  # fmt: skip
_coming(
    "my_rota", "我的值班", "我的班", "我的排班", "我啥时候值班", "我什么时候值班", "我哪天值班", "我几号值班",
    "我值班", "什么时候轮到我",
    "啥时候轮到我", "哪天轮到我", "几时轮到我", "我要值几次班", "我值几次班", "我有几个班", "我有班吗",
    "我有没有班", "我的值班表", "轮到我值班",
    "有我的班", "我该值班", "我要值班", "我值哪天", "我排在哪天",
    what="值班表", instead="请看社区门口的值班表，或问楼长",
    slots=(Slot("period", Kind.PERIOD), Slot("date", Kind.WHEN)),
    fillers=("值班", "什么时候", "啥时候", "是哪天", "哪天", "几号", "都", "有", "吗", "没有", "排的", "的", "几次"),
)  # fmt: skip
_coming(
    "swap_rota", "换班", "调班", "倒班", "换个班", "调个班", "调换", "对调", "换一下班", "互换", "换一下", "换换",
    "换一换", "求替", "求替班", "找人替班",
    "找人替", "谁能替我", "谁替我", "求顶班", "求代班", "替班", "我替", "我来替", "我来顶班", "同意换班",
    "我同意换班", "接受换班", "答应换班",
    "换个时间", "找人顶",
    what="换班", instead="请和对方商量好，再告诉楼长", writes=True, bare=False,
    slots=(
        Slot("swap", Kind.OBJECT, of="swap", chosen=False),
        Slot("date_from", Kind.WHEN, required=True, unless="swap", ask="换哪一天的班？例如 换班 周五 李建国 周日"),
        Slot("with", Kind.PERSON, labels=("跟", "和", "与", "同", "找", "")), Slot("date_to", Kind.WHEN),
        _flag("accept", "我同意", "同意", "我接受", "我答应", "我愿意", "可以换"), WHY,
    ),
    gestures=("我替", "我来替", "我顶", "我来顶", "我换", "我跟你换", "我同意", "同意", "我接", "我来", "换",
        "我替你", "换到", "可以换", "接受"),
    implies={
        **{word: {"open": True} for word in (
            "求替", "求替班", "找人替班", "找人替", "谁能替我", "谁替我", "求顶班", "求代班", "找人顶",
        )},
        **{word: {"accept": True} for word in (
            "我替", "我来替", "我来顶班", "同意换班", "我同意换班", "接受换班", "答应换班", "我顶", "我来顶",
            "我跟你换", "我同意", "同意",
            "我接", "我来", "我替你", "可以换", "接受",
        )},
    },
    fillers=(*SHIFT, "有没有人替", "没有人替", "有人替", "有没有人", "谁能", "我", "和我", "换班", "我的", "想",
        "一下", "到", "成", "去", "来", "这个", "我那个", "申请", "请求"),
)  # fmt: skip
_coming(
    "leave_rota", "请假", "请个假", "告假", "告个假", "请一天假", "值不了班", "值班来不了", "值班去不了",
    "不能值班", "没法值班", "上不了班",
    "值不了", "班上不了", "值班请假",
    what="值班请假", instead="请告诉楼长，好另外安排人", writes=True,
    slots=(Slot("date", Kind.WHEN, required=True, ask="请哪一天的假？例如 请假 周五 发烧"), Slot("reason",
        Kind.TEXT)),
    fillers=(*SHIFT, "我", "想", "向社区", "来不了", "去不了", "值不了", "来不了了", "去不了了", "值不了了",
        "上不了"),
)  # fmt: skip

# The evening forum

TOPIC = Slot("topic", Kind.OBJECT, of="topic", required=True, ask="是几号话题？")
MAY_DISCUSS: dict[str, Any] = {"role": Role.STAFF, "overheard": False}

_coming(
    "topic_list", "夜话", "邻里夜话", "话题", "话题列表", "有什么话题", "有哪些话题", "夜话话题", "今晚聊什么",
    "今晚聊啥", "夜话聊什么",
    "夜话聊啥", "聊什么", "聊啥", "看看夜话", "看看话题", "夜话主题", "讨论什么", "讨论啥", "在聊什么", "在聊啥",
    what="邻里夜话",
    slots=(Slot("when", Kind.WHEN), Slot("topic", Kind.OBJECT, of="topic")),
    aloud=("有什么话题", "有哪些话题"),
    fillers=("夜话", "话题", "什么", "啥", "有", "都", "在", "讨论", "聊", "今晚的", "的", "是"),
)  # fmt: skip
_coming(
    "create_topic", "发起夜话", "发起话题", "开夜话", "新建话题", "开个话题", "开个夜话", "发起一个话题",
    "发起一场夜话", "组织夜话", "安排夜话",
    "办夜话", "开一场夜话", "发布话题", "发布夜话", "发个话题", "开话题", "新话题", "办一场夜话",
    what="发起夜话", writes=True, aloud=("发起夜话", "发起话题"), **MAY_DISCUSS,
    slots=(
        Slot("when", Kind.WHEN, required=True, ask="夜话什么时候开始？例如 发起夜话 停车怎么管 今晚7点半"),
        Slot("title", Kind.TITLE, required=True, ask="聊什么？例如 发起夜话 停车怎么管 今晚7点半"),
    ),
    fillers=("主题是", "题目是", "题目", "主题", "聊聊", "关于", "开始", "讨论", "叫", "就叫", "时间"),
)  # fmt: skip
_coming(
    "close_topic", "结束夜话", "结束话题", "关闭话题", "关闭夜话", "夜话结束", "话题结束", "收尾夜话", "关掉话题",
    "关掉夜话", "散场", "结束讨论",
    what="结束夜话", writes=True, aloud=("结束夜话", "结束话题"), **MAY_DISCUSS,
    slots=(TOPIC, _flag("summary", "小结", "总结", "出个小结", "发小结", "出小结", "整理小结", "生成小结", "并小结",
        "做个小结", "发个小结",
                        "带小结", "附小结", "写个小结", "出个总结")),
    gestures=("结束", "结束了", "关了", "关掉", "到此为止", "收了", "结束吧", "关闭"),
    fillers=("夜话", "话题", "今晚的", "吧", "并", "出", "一份"),
)  # fmt: skip
_coming(
    "topic_speak", "发言", "我发言", "我说一句", "我说两句", "说一句", "说两句", "我来说两句", "我来说一句",
    "我插一句", "我的意见是", "我的看法是",
    "我补充", "补充一句", "我补充一句", "我补充一点", "回复话题", "我讲两句", "我讲一句", "我谈一点", "我的观点是",
    "我的想法是", "我也说两句",
    "我也说一句",
    what="夜话发言", instead="请先在群里说给大家听", writes=True, bare=False, overheard=False, aloud=("发言",
        "我发言"),
    slots=(
        Slot("remark", Kind.REMARK), TOPIC,
        Slot("speaker", Kind.PERSON, labels=("代", "替")),
        Slot("content", Kind.TEXT, required=True, ask="请写上要说的话，例如 发言 5 建议画线停车"),
    ),
    fillers=("夜话", "话题", "这个话题"),
)  # fmt: skip
_coming(
    "topic_like", "赞", "点赞", "点个赞", "赞一个", "赞成发言", "给赞", "顶一下",
    what="给发言点赞", writes=True, bare=False,
    slots=(Slot("remark", Kind.REMARK, required=True, ask="给哪一条点赞？例如 赞 5-2"),),
    gestures=("赞", "点赞", "点个赞", "赞一个", "顶", "顶一个", "说得好", "说得对", "说到心坎里了", "同意", "支持",
        "我赞成", "赞成", "支持这条",
              "我支持", "+1", "我同意", "太对了", "有道理"),
    fillers=("说得好", "这条", "发言", "给", "那条", "说得对", "说的好", "说的对", "第", "条", "的发言", "我给",
        "这个"),
)  # fmt: skip
_coming(
    "topic_unlike", "不赞", "取消点赞", "取消赞", "撤回点赞", "收回点赞", "不赞了",
    what="收回点赞", writes=True, bare=False,
    slots=(Slot("remark", Kind.REMARK, required=True, ask="收回哪一条？例如 不赞 5-2"),),
)  # fmt: skip

# Repairs and complaints

ISSUE = Slot("issue", Kind.OBJECT, of="issue", required=True, ask="是几号事项？")
PHOTO = _flag(
    "photo",
    "附图",
    "见图",
    "如图",
    "附照片",
    "有照片",
    "[图片]",
    "看图",
    "照片如下",
    "照片在这",
    "已拍照",
    "拍了照",
    "图片",
    "发图了",
    "有图",
)

_coming(
    "report_issue", "报修", "我要报修", "报个修", "报一下修", "投诉", "我要投诉", "反映", "反映一下", "反映个问题",
    "反映一个问题", "反映情况",
    "我要反映", "举报", "上报", "诉求", "报事", "报障", "报个事", "报故障", "提个诉求", "登记报修", "申请维修",
    what="报修和诉求", instead="请先打物业的电话", writes=True, bare=False, overheard=False,
    aloud=("报修", "我要报修", "报个修"),
    slots=(
        _flag("urgent", "急", "很急", "紧急", "加急", "急修", "急急急", "十万火急", "特急", "马上来人", "快来人",
            "赶紧来人", "非常急"), PHOTO,
        Slot("location", Kind.PLACE, peeks=True),
        Slot("content", Kind.TEXT, required=True, ask="请写上哪里、什么坏了，例如 报修 3栋路灯不亮"),
    ),
    cues=(
        "漏雨", "漏气", "没声音", "不响", "不灵", "不通", "掉了", "破了", "塌", "歪了", "卡了", "太暗", "发霉",
        "反味", "返味", "反水", "跑水", "短路", "开裂", "起皮", "坏了", "漏水", "不亮", "堵了", "堵住", "跳闸",
        "停电了", "断电", "爆了", "爆管", "没水", "没电", "没网", "冒水", "漏电", "打不开", "关不上",
        "松了", "裂了", "掉下来", "卡住", "卡人", "困在电梯", "臭味", "太臭", "噪音", "太吵", "吵得", "扰民",
        "堆满", "没人清", "没人扫", "没人管",
        "占道", "堵门", "堵着", "淹了", "渗水", "掉皮", "生锈", "断了", "失灵", "不制冷", "没暖气", "不热",
        "有老鼠", "蟑螂", "垃圾没", "积水",
        "来修", "修一修", "修修", "修一下", "找人修", "派人", "堵塞", "脱落", "滴水", "冒烟", "乱停", "乱扔", "坏掉",
    ),
    fillers=("要", "我要"),
)  # fmt: skip
_coming(
    "issue_status", "进度", "查进度", "处理进度", "报修进度", "维修进度", "事项进度", "查报修", "查工单", "查单",
    "我的报修", "我的工单", "我的事项",
    "修到哪了", "修到哪一步了", "修得怎么样了", "修得咋样了", "修好了没有", "修好了没", "修好了吗", "修好没",
    "修好没有", "修了没有", "修了没",
    "处理到哪了", "处理到哪一步了", "处理得怎么样了", "处理得咋样了", "处理了没有", "处理了吗", "处理了没",
    "办到哪了", "办得怎么样了", "什么时候修",
    "啥时候修", "什么时候能修好", "啥时候能修好", "几时能修好", "到哪一步了", "到哪步了", "报的修", "报修的",
    "有结果了吗", "有消息了吗", "有进展吗", "有进展", "反映的事", "反映的", "投诉的", "上报的", "报上去的",
    "什么进度", "啥进度", "进展", "进展如何", "待办工单", "待处理", "没处理", "未处理", "没办完", "没结", "未办结",
    "待接单", "没接的单", "工单列表",
    "单子", "工单", "事项列表", "谁在修", "有人修吗", "有人管吗", "有人来修吗",
    what="查报修进度", instead="请先打物业的电话问问",
    slots=(
        Slot("issue", Kind.OBJECT, of="issue"),
        _flag("mine", "我的", "我报的", "我那个", "我家", "我提的", "我反映的", "我上报的", "我报修的", "我家报的",
            "俺报的", "咱家报的"),
        _flag("open_only", "没处理", "未处理", "没办完", "没结", "待处理", "未办结", "没修的", "没弄完", "还没办",
            "没接", "还没处理", "没完成", "待办",
              "未完成", "没做完"),
    ),
    implies={
        **{word: {"mine": True} for word in (
            "我的报修", "我的工单", "我的事项", "反映的事", "反映的", "投诉的", "上报的", "报上去的", "报的修",
            "报修的",
        )},
        **{word: {"open_only": True} for word in (
            "待办工单", "待处理", "没处理", "未处理", "没办完", "没结", "未办结", "待接单", "没接的单",
        )},
    },
    gestures=("怎么样了", "咋样了", "如何了", "怎样了", "查一下", "到哪了", "弄好了吗", "搞定了吗", "解决了吗",
        "解决了没", "有人来吗", "什么情况",
              "啥情况", "怎么还没修", "咋还没修", "还没修好", "还没好", "多久能好"),
    bare=False,
    fillers=("办得怎么样了", "办得怎么样", "事情", "事", "问题", "有进展吗", "有结果吗", "报修", "那个", "的",
        "单子", "哪些", "还有", "怎么样了", "咋样了", "怎么样", "咋样", "现在", "情况", "如何", "了", "修", "工单",
        "事项",
             "还", "有", "号", "什么", "啥", "查", "查查", "单", "都", "到", "哪", "处理", "几个", "多少", "报的",
             "了吗", "怎样了", "没有", "的修",
             "吗", "列表"),
)  # fmt: skip

HANDLES: dict[str, Any] = {"aloud": ("接单", "受理", "办结", "不能办理", "挂起"), "role": Role.PROPERTY,
"overheard": False, "writes": True, "bare": False, "what": "办理工单",
           "instead": "请先在物业的本子上记好"}  # fmt: skip
ETA = Slot("eta", Kind.WHEN)
ISSUE_FILLERS = ("修", "来修", "去修", "到", "之前", "前", "工单", "单", "报修", "已", "已经", "了", "这个", "那个",
    "单子", "我", "我们", "先", "预计", "大概", "争取", "能修好", "修好", "处理",
                 "过去", "上门", "完成", "来人", "号", "搞定", "安排", "弄好", "去", "可以", "到场",
                 "派人")  # fmt: skip
_coming(
    "issue_update", "接单", "受理", "我接单", "接了", "已接单", "接下了", "受理了", "已受理", "办结", "办结了",
    "已办结", "完工", "完工了", "修好了",
    "修完了", "处理完了", "处理好了", "换好了", "弄好了", "搞定了", "解决了", "已修好", "已处理", "修复了",
    "已完成", "结单", "通了", "恢复了",
    slots=(ISSUE, ETA, PHOTO, Slot("note", Kind.TEXT)),
    implies={
        **{word: {"status": "受理"} for word in ("接单", "受理", "我接单", "接了", "已接单", "接下了", "受理了",
            "已受理")},
        **{word: {"status": "办结"} for word in (
            "办结", "办结了", "已办结", "完工", "完工了", "修好了", "修完了", "处理完了", "处理好了", "换好了",
            "弄好了", "搞定了", "解决了",
            "已修好", "已处理", "修复了", "已完成", "结单", "通了", "恢复了",
        )},
    },
    fillers=ISSUE_FILLERS, **HANDLES,
)  # fmt: skip
_coming(
    "issue_update", "不能办理", "办不了", "无法办理", "不能办", "没法办", "修不了", "无法处理", "处理不了", "挂起",
    "先挂着", "先挂起", "暂缓", "搁置",
    "挂单", "挂一下", "先放一放",
    slots=(ISSUE, ETA, PHOTO, Slot("reason", Kind.TEXT)),
    implies={
        **{word: {"status": "不能办理"} for word in (
            "不能办理", "办不了", "无法办理", "不能办", "没法办", "修不了", "无法处理", "处理不了",
        )},
        **{word: {"status": "挂起"} for word in ("挂起", "先挂着", "先挂起", "暂缓", "搁置", "挂单", "挂一下",
            "先放一放")},
    },
    fillers=ISSUE_FILLERS, **HANDLES,
)  # fmt: skip
_coming(
    "issue_update", "重开", "重新打开", "重新报修", "没修好", "没弄好", "还是坏的", "又坏了", "还没修好",
    "重新处理", "返修", "根本没修", "还是不行",
    "还是不亮", "还在漏", "没解决", "没修", "要求重开", "重新派单",
    what="重开报修", instead="请先打物业的电话", writes=True, bare=False,
    slots=(Slot("issue", Kind.OBJECT, of="issue", required=True, ask="是几号事项？"), PHOTO, Slot("reason",
        Kind.TEXT)),
    implies={word: {"status": "重开"} for word in (
        "重开", "重新打开", "重新报修", "没修好", "没弄好", "还是坏的", "又坏了", "还没修好", "重新处理", "返修",
        "根本没修", "还是不行", "还是不亮",
        "还在漏", "没解决", "没修", "要求重开", "重新派单",
    )},
    fillers=("重开", "根本", "压根", "请", "要求", "给", "单子", "这个", "那个", "报修", "工单", "单", "的"),
)  # fmt: skip
_coming(
    "issue_rate", "评价", "打分", "评分", "我评价", "给评价", "好评", "差评", "五星好评", "给好评", "给个好评",
    "评一下",
    what="评价维修", instead="请先打物业的电话说说", writes=True, bare=False,
    slots=(ISSUE, Slot("score", Kind.SCORE, required=True, ask="打几分？1 到 5 分，例如 评价 1024 5"), Slot("note",
        Kind.REASON)),
    gestures=("打", "给", "很满意", "非常满意", "满意", "不满意", "太满意了", "五星", "四星", "三星", "修得好",
        "很好", "一般", "很不满意", "点赞", "好评", "还可以"),
    implies={
        **{word: {"score": 5} for word in ("很满意", "非常满意", "太满意了", "五星", "修得好", "很好", "好评",
            "五星好评", "给好评", "给个好评",
                                           "点赞")},
        **{word: {"score": 4} for word in ("满意", "四星")},
        **{word: {"score": 3} for word in ("一般", "三星", "还可以")},
        "不满意": {"score": 2}, "很不满意": {"score": 1}, "差评": {"score": 1},
    },
    fillers=("维修", "服务", "我", "给", "评价", "这次", "打", "打分", "满分"),
)  # fmt: skip

# Wishes and ideas

WISH = Slot("wish", Kind.OBJECT, of="wish", required=True, ask="是几号心愿？")
_coming(
    "wish_post", "微心愿", "许愿", "许个愿", "许个心愿", "许心愿", "发心愿", "发个心愿", "发布心愿", "发布微心愿",
    "登记心愿", "登记微心愿", "我的心愿是",
    "我有个心愿", "我有个小心愿", "心愿", "发微心愿", "登个心愿", "我有一个心愿", "发个微心愿", "提个心愿",
    "登记一个心愿",
    what="微心愿", writes=True, bare=False, overheard=False, aloud=("微心愿", "发微心愿", "登记心愿", "登记微心愿",
        "发布微心愿"),
    slots=(
        Slot("on_behalf", Kind.PERSON),
        Slot("content", Kind.TEXT, required=True, ask="请写上心愿，例如 微心愿 想要一副老花镜"),
    ),
    fillers=("就是", "一个", "是", "的"),
)  # fmt: skip
_coming(
    "wish_claim", "认领心愿", "领心愿", "认领微心愿", "圆梦", "帮忙圆梦", "圆心愿", "接心愿", "认心愿",
    "领这个心愿", "实现心愿", "完成心愿",
    what="认领心愿", writes=True,
    slots=(WISH, Slot("when", Kind.WHEN), WHY),
    gestures=(
        "我认了", "我认", "我认领", "认领", "我领了", "我领", "我来圆", "我帮", "我来实现", "我来满足", "我来帮",
        "我有", "我家有", "我送", "我出", "我来出",
        "我包了", "交给我", "我来办", "我帮他实现", "我帮她实现", "我来送", "我满足",
    ),
    fillers=("心愿", "这个心愿", "那个心愿", "微心愿", "这个", "那个", "送过去", "送去", "送到", "给她送", "给他送",
        "的心愿", "送来", "拿过去", "拿来",
             "送上门"),
)  # fmt: skip
_coming(
    "idea_post", "点子", "金点子", "我有个点子", "有个点子", "提个点子", "提建议", "提个建议", "我建议",
    "我有个建议", "有个建议", "建议", "出个点子",
    "我有个主意", "出个主意", "好点子", "提一个建议", "我提个建议", "提点建议", "我有条建议", "我有一个建议",
    "我提议",
    what="收点子", writes=True, bare=False, overheard=False, aloud=("点子", "金点子", "提个点子", "我有个点子"),
    slots=(Slot("content", Kind.TEXT, required=True, ask="请写上点子，例如 点子 门口装个充电柜"),),
    fillers=("就是", "是"),
)  # fmt: skip

# Asking the neighbours

SURVEY = Slot("survey", Kind.OBJECT, of="survey", required=True, ask="是几号问卷？")
_coming(
    "survey_answer", "问卷", "答问卷", "填问卷", "做问卷", "我答问卷", "答卷", "填一下问卷", "参加问卷", "问卷调查",
    "我来填问卷", "开始问卷", "回答问卷",
    "做一下问卷", "调查问卷", "开始答题",
    what="问卷", instead="请先填社区的纸质问卷", writes=True,
    slots=(SURVEY, Slot("answers", Kind.ANSWERS), _flag("start", "开始", "怎么填", "我来填", "我要填", "填一下",
        "做一下", "打开", "要填", "想填")),
    implies={word: {"start": True} for word in ("填问卷", "做问卷", "填一下问卷", "参加问卷", "我来填问卷",
        "开始问卷", "做一下问卷", "开始答题")},
    gestures=("我选", "选", "我答", "答案", "我的答案是", "答案是"),
    fillers=("选", "我选", "答案", "是", "题", "我的", "填", "答"),
)  # fmt: skip
_coming(
    "vote", "投票", "投", "我投", "投个票", "表决", "我的票", "改投", "改票", "投票改", "我改投", "改成投", "表态",
    "我表决",
    what="投票", instead="请先投社区的纸质票", writes=True, bare=False,
    slots=(
        Slot("poll", Kind.OBJECT, of="poll", required=True, ask="是几号投票？"),
        _flag("change", "改成", "改为", "改投", "改一下", "我改", "改", "重新投", "换成", "我改主意了", "我改主意",
            "改主意了", "改主意"),
        Slot("choice", Kind.BALLOT, required=True, ask="您投哪个？"),
        Slot("target", Kind.PERSON, labels=("给",)),
    ),
    gestures=(
        "同意", "赞成", "支持", "反对", "不同意", "不赞成", "不支持", "弃权", "我同意", "我赞成", "我支持",
        "我反对", "我不同意", "我弃权", "选", "我选",
        "都行", "举双手赞成", "没意见", "坚决反对", "坚决支持", "坚决同意",
    ),
    implies={word: {"change": True} for word in ("改投", "改票", "投票改", "我改投", "改成投")},
    fillers=("坚决", "完全", "绝对", "强烈", "举双手", "票", "我", "一票", "这个", "投", "选", "投票", "吧"),
)  # fmt: skip
_coming(
    "star_nominate", "争星", "推荐", "我推荐", "提名", "我提名", "推选", "评星", "举荐", "争星推荐", "我推选",
    "争星我推荐", "争星提名", "推荐争星",
    what="争星推荐", aloud=("争星", "争星推荐"), writes=True, bare=False, overheard=False,
    slots=(
        Slot("member", Kind.PERSON, required=True, ask="推荐谁？例如 推荐 何婶 环保护绿之星"),
        Slot("star", Kind.STAR), Slot("reason", Kind.TEXT),
    ),
    fillers=("争星", "为", "当", "做", "评", "评为", "竞选", "当选", "参选", "成为", "是"),
)  # fmt: skip

# The desk and the rooms

_coming(
    "visit_register", "来访登记", "登记来访", "来访", "接待登记", "登记接待", "接访", "来访记录", "记一下来访",
    "登记一下来访", "来访者",
    what="来访登记", instead="请先记在接待本上", aloud=("来访登记", "登记来访"), role=Role.STAFF, writes=True,
    bare=False, overheard=False,
    slots=(
        Slot("building", Kind.UNIT),
        Slot("visitor", Kind.PERSON, required=True, ask="谁来了？例如 来访登记 2栋刘大爷 开证明"),
        Slot("result", Kind.CHOICE, choices=(
            ("不能办理", ("办不了", "无法办理", "没办成", "未办理", "不能办", "没办了", "没办法办", "没给办")),
            ("办理", ("已办理", "办好了", "办理了", "当场办了", "已办", "办了", "已办结", "办妥了", "办成了",
                "当场办好", "当场办理")),
        )),
        Slot("matter", Kind.TEXT, required=True, ask="来办什么事？例如 来访登记 2栋刘大爷 开证明"),
        WHY,
    ),
    fillers=("来", "办", "来办", "的", "了", "咨询", "居民", "来问", "想", "要", "过来"),
)  # fmt: skip
_coming(
    "venue_book", "预约", "预订", "订场地", "预约场地", "借用", "借场地", "想借", "借一下", "预定", "订一下",
    "约一下", "我要借", "我要订", "想用", "想订",
    "想约", "租借", "占用", "要用", "申请使用", "申请用", "借", "订", "定一下", "我要预约", "用一下",
    what="预约场地", instead="请先打社区的电话", writes=True, bare=False, overheard=False,
    aloud=("预约", "预约场地", "预订", "预定", "借用"),
    slots=(
        Slot("venue", Kind.NAMED, of="venue", required=True, ask="订哪里？例如 预约 活动室 周六下午"),
        Slot("when", Kind.WHEN, required=True, ask="什么时候用？例如 预约 活动室 周六下午"),
        Slot("purpose", Kind.TEXT),
    ),
    fillers=("场地", "我们", "一下", "想", "用", "要", "用来", "用于", "的场地", "我", "俺们", "给", "个", "申请",
        "搞", "社区的", "咱们", "社区"),
)  # fmt: skip
