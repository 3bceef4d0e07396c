"""The closed word lists of the language: courtesy, answers, gestures with a quoted card, signs of doubt.

No command stands here; features declare those. A word stands here when it means the same beside each of them.
"""

import re
from functools import lru_cache

from handlers.language.numerals import NUMERAL, number

BLANKS = " \n\t,，。.、;；!！~～:：…()（）【】\"'“”‘’"
"""What separates words; normalised text has the half-width forms only."""

COURTESY_AHEAD = re.compile(
    r"(?:[ \n,.;:!~、。…【】]|请(?!假|问|个假|一天)|麻烦(?:您|你)?|劳驾|劳烦|您好|你好|拜托|嗯+|哦+|喂|哎+|诶"
    r"|那个(?=[,. ])|好的|(?:好|行|中|成|要得)(?=,)|好(?=嘞)"
    r"|那(?=我|就)|就(?=[我帮给要])|(?:帮|给|替)(?:我|俺|咱)(?!们|[妈爸家爷奶老])|帮忙"
    r"|(?:我|俺|咱)(?:也|来|要|想|现在|想要|申请|是来|这边|先|再|打算|准备|需要|愿意|可以|能|就|都|呢)*(?!值|替"
    r"|投|顶|[们妈爸家爷奶老的])"
    r"|(?:已经?|刚|都)?到(?:了|啦|喽)|到现场了?|我?人(?:在|到)(?:了|现场)?"
    r"|(?:想|要|打算|准备|需要)(?=[^\w]|[\u4e00-\u9fff])(?:要|来)?|现在|这就|来(?!访|[不得])|查(?:一下|查|下)"
    r"|看(?:看|一下|下)|帮(?=[ ,])"
    r"|不好意思|抱歉|对不起|同志们?|各位|大家好|师傅|小伙子|姑娘|[@ ]*机器人|管家|助手)*"
)
"""What may stand before a verb and changes nothing: 请帮我, 我要, 麻烦您."""

COURTESY_BEHIND = re.compile(
    r"(?:不好意思(?:啦|了|啊)?|抱歉|对不起|对不住|见谅|请谅解|谢谢(?:啦|了|你|您|小邻|大家|各位)?|多谢|感谢|谢了"
    r"|辛苦(?:啦|了|你了|您了)?|麻烦(?:了|您|你)?|拜托(?:了)?|一下子?|三克油"
    r"|[啊吧了呀哦哈啦喽咯嘞哟呗噢喔哎嘛哇](?![\u4e00-\u9fff])|[啊吧了呀啦哈呗](?=谢谢|辛苦|麻烦"
    r"|[啊吧了呀哦哈啦喽咯嘞哟呗])"
    r"|哈+|嘿+|下(?=[ ,!~]|$)|我(?![\u4e00-\u9fff])|(?:就)?这(?:个|些)(?![\u4e00-\u9fff])|[~!.,;:…、。 \n])"
)
"""One word or mark that may stand behind a verb or a slot and changes nothing: 吧, 了, 谢谢."""

FILLERS = (
    "把", "给", "的", "先", "也", "都", "再", "还", "又", "就", "这", "那", "个", "一个", "一位", "这个", "那个",
    "这次", "那次", "这场", "那场",
    "掉", "我", "俺", "咱", "我们", "咱们", "俺们", "您", "你", "帮我", "给我", "替我", "帮", "去", "来", "要",
    "想", "可以", "呢", "呗", "哈", "噢",
    "吧", "啊", "了", "啦", "哦", "呀", "嘛", "一起", "一块", "上", "下", "一下", "啥的", "什么的", "小邻", "家",
    "能", "给帮", "请", "麻烦", "赶紧",
    "马上", "现在", "今儿", "之前", "这边", "申请", "需要", "名", "一声", "哈哈", "话说", "对了", "另外", "顺便",
    "顺带", "然后", "算",
)  # fmt: skip
"""Words that leave a command what it is, wherever they stand in it."""


def skip_courtesy(text: str, at: int, end: int | None = None) -> int:
    """The place behind the courtesy that begins here."""
    match = COURTESY_AHEAD.match(text, at, len(text) if end is None else end)
    return match.end() if match else at


CLAUSE = re.compile(r"[^ ,;.!~\n。、…:]+[ ,;.!~\n。、…:]*")
"""A clause with the marks that end it."""
_CLAUSE_TAIL = re.compile(
    r"(?:[ ,;.!~\n]|谢谢.?|多谢|[啊哈呀哦啦呗哟呢嘛]+|辛苦.?|抱歉|不好意思|对不起)+\Z|\A(?:不好意思|抱歉|对不起"
    r"|[ ,;.!~\n])+"
)


def clause(text: str) -> str:
    """A clause without marks, thanks and particles at its ends."""
    return _CLAUSE_TAIL.sub("", _CLAUSE_TAIL.sub("", text)).strip(BLANKS)


DOUBT_OF_ASIDE = re.compile(
    r"[?？吗]|[么嘛]$|是不是|要不要|有没有|怎么|咋|谁|为何|多少|听说|据说|说是|人家|如果|要是|万一|的话|应该"
    r"|大家|你们|他们|她们|别人"
)
"""What makes a clause beside a command more than an aside of the person's own."""

POLITE = re.compile(
    r"\A(?:请问)?(?:能不能|可不可以|能否|可否|是否可以|可以|能|麻烦)(?=[^\n]*(?:吗|么|呢|不|[?？]|嘛)[?？!~。."
    r" ]*\Z)(?:请)?"
)
POLITE_TAIL = re.compile(r"(?:行不行|好不好|可以吗|行吗|好吗|成不|行不|吗|么|嘛|[?？])+[?？!~。. ]*\Z")
"""A request in the shape of a question: 能不能帮我报一下12, 可以吗."""

OWN_ASIDE = re.compile(
    r".*(?:那个|那场|这个|的活动)\Z|我|俺|咱|家里|孩子|娃|早就|正好|顺便|反正|终于|一定|必须|准时|到时|本来|实在"
    r"|身体|腿|腰|眼|耳|老伴|孙|单位|周|星期|明|今|临时|突然|有事|要|得|带|期待"
    r"|支持|太好|好久|这次|[她他](?!们)|老人|年纪|手机|以后|下次|麻烦|谢"
)
"""How a clause begins that somebody adds to a command of their own."""
AGAINST = re.compile(rf"{DOUBT_OF_ASIDE.pattern}|不(?:去|来|报|参加|签)|没空|昨|刚才|已经|之前|说")
"""What an aside may not say beside a command of the person's own."""
ASIDE = 16
"""Characters of a clause that somebody adds to a command (`报名12, 早就想去了`)."""


def is_own_aside(clause: str) -> bool:
    """Whether a clause only adds something of the person's own to a command, and says nothing against it."""
    return len(clause) <= ASIDE and OWN_ASIDE.match(clause) is not None and AGAINST.search(clause) is None


ASKS = re.compile(r"谁|啥|什么|哪|几|多少|吗|没有$|没$|怎么|咋")
ASKED = re.compile(r"[?？]|吗[!~. ]*$|么[!~. ]*$")
"""What makes a question of the whole sentence."""
QUOTING = re.compile(r"[“\"「『《][^”\"」』》]*[”\"」』》](?!\Z)")

QUESTION = re.compile(r"[?？吗]|[么嘛呢没]$|是不是|怎么|咋|哪|谁|什么|啥|多少")


_AND_I = re.compile(r"\A(?P<who>[\u4e00-\u9fff]{2,4})(?P<with>和|跟|与)(?:我|俺)(?=一起|一块|俩|都|也)")


def plainly(text: str) -> str:
    """A polite question as the request that it is (能不能帮我报一下12, 可以吗), and 孙姐和我一起 as 我和孙姐一起."""
    if (both := _AND_I.match(text)) and is_person(both["who"]):
        text = f"我{both['with']}{both['who']}{text[both.end() :]}"
    if polite := POLITE.match(text):
        return POLITE_TAIL.sub("", text[polite.end() :]).rstrip(" ,")
    return text


_BECAUSE = re.compile(r"\A(?:是?因为|由于|主要是|原因是?:?|理由是?:?)[ ]*")


def without_because(text: str) -> str:
    return _BECAUSE.sub("", text)


CUTS = re.compile(r"[,.!]")

HOW = re.compile(
    r"怎么(?!样|还|又|不|没|回事|了)|咋(?!样|还|又|不|没|了)|如何|怎样|教我|教教我|不会|不懂|啥意思|什么意思"
    r"|是干什么|是干嘛|干啥用|有什么用"
)
"""A question about how something is done: the help answers it."""

DOUBT = re.compile(
    # Questions,
    r"[?？吗]|[么嘛呢没]$|没有?[?!~. ]*$|是不是|能不能|可不可以|要不要|有没有|怎么|咋|哪|谁|什么|啥|为何"
    r"|几[点号个人天时]|多少|还是"
    # denials,
    r"|不(?![客好意思断])|别(?!人)|没(?!事|问题)"
    # what is past, what others do or say, and what is only supposed.
    r"|昨|前天|上次|上周|刚才|已经|之前|以前|你们|他们|她们|大家|人家|听说|据说|说是|说了|那家|那天|时候"
    r"|如果|要是|万一|的话|应该|好像|估计|可能"
)
"""What makes a sentence a question, a denial, a report or a condition rather than a command."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOT_AT = re.compile(r"我?不想在(?P<thing>[^ ,;.!~\n]{2,10}?)(?:上|里)?(?P<act>干|做|待|呆)(?:下去)?了")
"""`不想在调解岗干了`: the thing stands within what is said of it."""

TAKEN_OFF = re.compile(
    r"(?:把(?P<what>[^ ,;.!~\n]{3,24}?)(?:的?(?:类别|身份))?给?(?:去掉|拿掉|删掉|除掉|取消掉)"
    r"|(?<!把)去掉[ ]?(?P<behind>[^ ,;.!~\n]{3,24}?)(?:的?(?:类别|身份))?)[吧了 !.]*\Z"
)
"""`把李建国的流动党员去掉`, `去掉李建国的流动`."""
WHO_IS_IN = re.compile(r"有(?:谁|哪些人?|哪几[个位]人?|几个人|多少人)|都?是谁|谁是|名单")
"""A question for the people of something."""

UNDOING = ("取消", "退出", "撤销")
"""With these a verb becomes its opposite, also from a distance: 取消12的报名."""

YES = frozenset(
    _words(
        "是 是的 是啊 是呀 是是 是是是 对 对的 对啊 对呀 对对 对对对 好 好的 好啊 好呀 好滴 好嘞 好吧 好好 "
        "好好好 确认 确定 发送 发 发吧 同意发送 确认发送 可以 可以的 行 行的 行吧 嗯 嗯嗯 恩 没错 没问题 "
        "确认发布 发布 发布吧 发出去 发出去吧 确认广播 就这么发 就这样 就这样吧 中 得 妥 成 成的 没错儿 对头 要得 "
        "没毛病 要 要的 就是 就是这个 就这个 ok yes y"
    )
)
NO = frozenset(
    _words(
        "不是 不是的 不是这个 都不是 不 不对 不对的 错了 否 取消 取消吧 算了 算了吧 不用 不用了 "
        "别发了 别办了 别弄了 不弄了 不办了 不搞了 算了不弄了 算了不办了 算了算了 不用麻烦了 不必了 不必 作罢 先别 "
        "先别发 先不发 等等 等一下 等会儿 缓缓 再等等 先等等 错 搞错了 弄错了 不对不对 不是不是 别了 甭了 "
        "不要 不要了 不了 别 别发 不发 不发了 先不 先不发 不行 不可以 不确认 no n"
    )
)
_YES_RUN = re.compile("(?:" + "|".join(map(re.escape, sorted(YES, key=len, reverse=True))) + ")+")
_NO_RUN = re.compile("(?:" + "|".join(map(re.escape, sorted(NO, key=len, reverse=True))) + ")+")
"""Several at once without a blank: 嗯对, 好行."""
_CHOSEN = re.compile(rf"(?:第|选|选第|我选|回复|号码)?({NUMERAL})(?:个|号|项|条|那个|吧|号吧)?")
_ANSWER_EDGES = " \n,.;:!~、。…"
_ANSWER_TAIL = re.compile(r"[ ,!~.]*(?:谢谢(?:啦|了|你|您)?|辛苦了?|多谢|麻烦了?|[啊哈呀哦啦呢~]+)$")
ANSWER_LENGTH = 12

GREETING = re.compile(
    r"(?:你好|您好|早上好|早安|晚上好|下午好|晚安|在吗|在不在|hello|hi|嗨)[啊呀吗!~. ]*", re.IGNORECASE
)
THANKS = re.compile(r"(?:谢谢|多谢|感谢|谢了|辛苦|太好了|真棒|棒|厉害|真不错)(?:你|您|啦|了|小邻)?[啊呀!~. ]*")


@lru_cache(maxsize=4096)
def _answer(text: str) -> bool | int | None:
    plain = text.strip(_ANSWER_EDGES).lower()
    if _YES_RUN.fullmatch(plain):
        return True
    if _NO_RUN.fullmatch(plain):
        return False
    if len(words := re.split("[ ,.!]+", plain)) > 1:
        if all(word in YES for word in words):
            return True
        if all(word in NO for word in words):
            return False
    for _ in range(3):
        if plain in YES:
            return True
        if plain in NO:
            return False
        if match := _CHOSEN.fullmatch(plain):
            value = number(match[1])
            return value if value is not None and 1 <= value <= 99 else None
        shorter = _ANSWER_TAIL.sub("", plain)
        if shorter == plain:
            return None
        plain = shorter
    return None


def answer(text: str) -> bool | int | None:
    """What the text says to a question: yes, no, the number of a choice (1 to 99); None: it is no answer.

    A number is an int and never a bool; ask with `is True` and `is False`.
    """
    return _answer(text) if len(text) <= ANSWER_LENGTH else None


def is_run(text: str) -> bool:
    """Whether a text is several answers in one breath, and none of the usual ones."""
    plain = text.strip(_ANSWER_EDGES).lower()
    return plain not in YES | NO and bool(_YES_RUN.fullmatch(plain) or _NO_RUN.fullmatch(plain))


# Gestures: with a quoted card, or with an object named, they mean the command that takes part or steps back.

JOINING = _words(
    "我也来 我来 我也去 我去 我参加 我也参加 加上我 加我一个 加我 算我一个 算上我 算我 带上我 带我一个 +1 报上我 "
    "给我报上 我也要 我要参加 "
    "我顶上 我来顶 我报 我报一个 我也报 我也报名 俺也去 俺也来 算俺一个 算俺 俺去 俺来 加俺一个 俺报 俺报一个 "
    "我想去 我想来 我想参加 我要去 "
    "我要来 我能来 我能去 我可以去 我可以来 我肯定去 我肯定来 我一定去 我一定来 我们去 我们来 我们都去 我们报 "
    "我们都报 也算我 也算上我 "
    "也算我一个 给我算上 把我算上 把我加上 给我加上 报我一个 报一个 我们参加 都去 都报 给报上 给报一下 报一下 "
    "给报个 报上 我都报 咱也去 "
    "咱也来 咱报一个 算咱一个 留个位置 占个位 占个位置 留个名额 给我留个名额 给我留个位 我跟一个 跟一个 跟上 预留 "
    "想参加 想去 要去 要参加 去参加 "
    "愿意参加 报 改报 换报 改报成 改成报"
)
_STEPS_BACK = _words(
    "去不了 来不了 去不成 来不成 不去了 不来了 没空了 没空 没时间了 没时间 不参加了 不报了 退了 退掉 退出 去不上了 "
    "来不上了 取消 不能去了 不能来了 "
    "不能参加了 参加不了 参加不成 没法去了 没法来了 没法参加 报不了 不去 不来 不参加 赶不上了 赶不过去 退一下 "
    "去不成了 来不成了 去不了了 来不了了 "
    "就不去了 就不来了 不一定能去 撤了 抽不开身 走不开 取消吧 放弃 退报名 不报 不过去了 划掉 退名"
)
LEAVING = tuple(
    dict.fromkeys(
        who + word for word in _STEPS_BACK for who in ("", "我", "我可能", "我怕是", "我就", "俺", "我们", "我是", "咱")
    )
)
JOINS = {"activity": "signup", "post": "claim_post", "wish": "wish_claim"}
LEAVES = {"activity": "cancel_signup", "post": "release_post"}
"""Which intent a gesture means for each kind of object."""
JOIN_WORDS = frozenset(
    _words(
        "去 来 参加 去的 来的 要去 去去去 来来来 去去 来来 参加参加 必须去 必须来 肯定去 肯定来 一定去 一定来 去呀 "
        "去啊 来啊"
    )
)
"""What is said to a card that offers something, and to nothing else."""
ARRIVING = _words(
    "到了 到啦 我到了 我到啦 到了到了 来了 来啦 我来了 我来啦 已到 已经到了 人到了 到达 到达现场 已到现场 到现场了 "
    "我已到"
)
ARRIVES = {"activity": "checkin"}

# People

_FUNCTION_WORDS = frozenset("的了吗呢吧是不这那什么怎都就很没我你他她它们谁哪给被把但说")
_TITLES = _words(
    "阿姨 叔叔 大爷 大妈 大姐 大哥 大叔 大娘 奶奶 爷爷 婆婆 伯伯 师傅 老师 书记 主任 医生 姐 哥 叔 婶 姨 嫂 伯 "
    "大嫂 老师傅 老太太 先生 女士 "
    "同志 妈妈 爸爸"
)
SURNAMES = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖"
    "邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢"
    "路岳齐沿梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强柴华车"
    "冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫来嵺苟全褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠连郜晏栾郁商蒙计喻揭窦迟宇敖糜鄢冷卓花仇艾蓝"
)
"""How families are called: two or three characters that begin with one of these have the shape of a name."""
_AFTER_SURNAME = frozenset(
    "多少谁哪几上下不了的是在有们个到去来这那都也就要会能可没好很啥什么吗呢吧啊呀说看做干买卖吃喝走跑天年月日号点分钟里外前后左右东西南北"
)
_SHAPE = re.compile(
    r"(?:[老小阿][\u4e00-\u9fff](?!\S{2})|(?P<surname>[\u4e00-\u9fff])(?P<rest>[\u4e00-\u9fff·]{1,4})|(?:欧阳"
    r"|司马|上官|诸葛|东方|皇甫|尉迟|公孙)"
    r"[\u4e00-\u9fff]{1,2})"
)
_KIN = frozenset(
    _words(
        "我妈 我爸 我妈妈 我爸爸 我老伴 老伴 我老公 我老婆 我爱人 我媳妇 我闺女 我女儿 我儿子 我孙子 我孙女 我婆婆 "
        "我公公 我岳母 我岳父 我奶奶 "
        "我爷爷 我姐 我哥 我妹 我弟 我外婆 我外公 我姥姥 我姥爷 老妈 老爸 我家老头 我家老太太 我家那位 我邻居 "
        "孩子他爸 孩子他妈 我妹妹 我姐姐 我弟弟 "
        "我哥哥 我嫂子 我家老头子 我对门 我婆婆妈 我妈他们"
    )
)


def is_kin(word: str) -> bool:
    """Whether a word says whose relative somebody is, and not what they are called: 我妈, 老伴."""
    return word in _KIN


_STANDINGS = frozenset(
    _words("党员 住户 业主 居民 物业 楼长 社工 书记 主任 志愿者 网格员 租户 邻居 群众 干部 管家 新住户 老住户 新业主")
)
"""What people are, not what they are called."""
INTRODUCED = re.compile(
    r"我?(?:的?名字)?(?:叫|姓名)[是为:叫 ]*(?P<name>[\u4e00-\u9fff·]{2,4})(?=[ ,;.!~\n0-9]"
    r"|\Z|住)"
)


@lru_cache(maxsize=4096)
def is_person(word: str) -> bool:
    """Whether a word has the shape of somebody's name: a surname with a given name or a title, 老赵, 小吴, 我妈."""
    word = word.removeprefix("@")
    if word in _KIN:
        return True
    if word in _STANDINGS:
        return False
    match = _SHAPE.fullmatch(word)
    if match is None:
        return False
    if match["surname"] is None:
        return word[0] not in "老小阿" or word[1] in SURNAMES
    if match["surname"] not in SURNAMES:
        return False
    rest = match["rest"]
    if rest in _TITLES:
        return True
    return len(rest) <= 2 and _AFTER_SURNAME.isdisjoint(rest) and _FUNCTION_WORDS.isdisjoint(rest)


USUAL = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱郭何罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范姚谭廖邹熊陆郝孔崔康邱秦"
)
"""Surnames that hardly begin a thing of two characters."""


def is_untitled(name: str) -> bool:
    """Whether a name ends otherwise than 何叔 and 陈阿姨: less sure where it runs into other words."""
    return not name.endswith(_TITLES)


_SPEAKER = re.compile(
    r"(?:我是|俺是|这里是|本人|我叫)?(?P<unit>[0-9一二三四五六七八九十]{1,3}(?:栋|号楼|幢"
    r"|#)(?:[0-9一二]单元)?)?(?:的|-)?(?P<room>[0-9]{3,4}(?:室|号)?)?(?:的|住户|业主|居民)?[ ]?"
    r"(?P<name>[\u4e00-\u9fff·]{2,4}?)(?=[ ,;.!~\n]|\Z|收到|报|签|我)"
)


def speaker(text: str, at: int, end: int | None = None) -> re.Match[str] | None:
    """`5栋小孙`, `我是502的陈阿姨`: who speaks, at the beginning of a clause."""
    match = _SPEAKER.match(text, at, len(text) if end is None else end)
    if match is None or not is_person(match["name"]):
        return None
    name = match["name"]
    if len(name) == 2 and name[1] not in _TITLES and name[0] not in "老小阿" and name[0] not in USUAL:
        # 3栋路灯 is no neighbour.
        return None
    said = match["unit"] or match["room"] or text.startswith(("我是", "俺是", "我叫", "这里是", "本人"), at)
    return match if said else None


PERSON = re.compile(
    r"(?P<home>[0-9]{3,4}室?的?)?@?"
    r"(?P<name>[\u4e00-\u9fff·]{1,8}|[A-Za-z][A-Za-z·.]{1,20}(?: [A-Z][A-Za-z]{1,20})?)"
)
SELF = frozenset(("我", "我自己", "自己", "本人", "咱", "俺"))


def is_name(word: str) -> bool:
    """Whether a word can stand for a person: `李建国`, `老赵`, `陈阿姨`, `欧阳娜娜`, `我妈`."""
    if word in _KIN:
        return True
    if not 2 <= len(word) <= 6 or not _FUNCTION_WORDS.isdisjoint(word):
        return word.isascii() and word.isalpha() and 2 <= len(word) <= 20
    return len(word) <= 4 or word.endswith(_TITLES)


RELATIVES = (
    "那口子|老头子?|老太太|对象|丈夫|妻子|婆婆|公公|岳母|岳父|嫂子|外婆|外公|姥姥|姥爷|奶奶|爷爷|全家|老伴|老婆|老公|爱人|媳妇|闺女|女儿|儿子|孙子|孙女|孩子|娃|小孩|家属|朋友|同事|邻居|姐妹"
    "|我妈|我爸|妈妈|爸爸|老妈|老爸|妹妹|弟弟|姐姐|哥哥"
)
TOGETHER = re.compile(
    rf"我?(?:和|跟|带着?|带上|与)(?:我|俺)?(?:家)?(?:{RELATIVES})(?:一起|一块儿?|俩)?(?:来|去)?"
    r"|我们(?:两口子|娘俩|爷俩|夫妻俩?|母女俩?|父子俩?)"
)
"""Two people without a number: `我和老伴`, `带上我闺女`."""
