"""The closed word lists of the language: courtesy, answers, gestures with a quoted card, signs of doubt.

No command stands here; features declare those. A word stands here when it means the same beside each of them.
"""

import re
from functools import lru_cache

from handlers.language.numerals import NUMERAL, number

BLANKS = " \n\t,，。.、;；!！~～:：…()（）【】\"'“”‘’"
"""What separates words; normalised text has the half-width forms only."""

COURTESY_AHEAD = re.compile(
    r"(?:[ \n,.;:!~、。…【】]|请(?!假|问)|麻烦(?:您|你)?|劳驾|您好|你好|拜托|嗯+|哦+|喂|好的|那(?=我|就)"
    r"|就(?=[我帮给要])|(?:帮|给|替)(?:我|俺|咱)(?!们|[妈爸家])|帮忙"
    r"|我(?:也|来|要|想|现在|想要|申请|是来|这边|先|再)*(?![们妈爸家爷奶])|俺"
    r"|(?:已经?|刚)到(?:了|啦)?|到(?:了|啦|现场了?)|(?:想|要)(?=[^\w]|[\u4e00-\u9fff])(?:要|来)?|现在|这就|来|查(?:一下|查|下)|看(?:看|一下|下))*"
)
"""What may stand before a verb and changes nothing: 请帮我, 我要, 麻烦您."""

COURTESY_BEHIND = re.compile(
    r"(?:谢谢(?:啦|了|你|您|小邻)?|多谢|感谢|谢了|辛苦(?:啦|了)?|麻烦(?:了|您|你)?|拜托(?:了)?|一下子?|参加"
    r"|[啊吧了呀哦哈啦喽咯嘞哟呗噢喔哎](?![\u4e00-\u9fff])|[啊吧了呀啦哈](?=谢谢|辛苦|[啊吧了呀哦哈啦喽咯嘞哟呗])"
    r"|下(?=[ ,!~]|$)|我(?![\u4e00-\u9fff])|(?:就)?这(?:个|些)(?![\u4e00-\u9fff])|[~!.,;:…、。 \n])"
)
"""One word or mark that may stand behind a verb or a slot and changes nothing: 吧, 了, 谢谢."""

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


UNDOING = ("取消", "退出", "撤销")
"""With these a verb becomes its opposite, also from a distance: 取消12的报名."""

YES = frozenset(
    _words(
        "是 是的 是啊 是呀 是是 是是是 对 对的 对啊 对呀 对对 对对对 好 好的 好啊 好呀 好滴 好嘞 好吧 好好 "
        "好好好 确认 确定 发送 发 发吧 同意发送 确认发送 可以 可以的 行 行的 行吧 嗯 嗯嗯 恩 没错 没问题 "
        "没毛病 要 要的 就是 就是这个 就这个 ok yes y"
    )
)
NO = frozenset(
    _words(
        "不是 不是的 不是这个 都不是 不 不对 不对的 错了 否 取消 取消吧 算了 算了吧 不用 不用了 "
        "不要 不要了 不了 别 别发 不发 不发了 先不 先不发 不行 不可以 不确认 no n"
    )
)
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


# Gestures: with a quoted card, or with an object named, they mean the command that takes part or steps back.

JOINING = _words(
    "我也来 我来 我也去 我去 我参加 我也参加 加上我 加我一个 加我 算我一个 算上我 算我 带上我 带我一个 +1 "
    "报上我 给我报上 我也要 我要参加 我顶上 我来顶"
)
LEAVING = _words(
    "我不去了 我不来了 我来不了 我去不了 我不参加了 我没空了 我没空 我去不成 我来不成 我退出 退出 去不了 "
    "来不了 来不成 去不成 不去了 不来了 没空了 不参加了 我不报了 不报了"
)
JOINS = {"activity": "signup", "post": "claim_post", "wish": "wish_claim", "broadcast": "ack"}
LEAVES = {"activity": "cancel_signup", "post": "release_post"}
"""Which intent a gesture means for each kind of object."""

# People

_FUNCTION_WORDS = frozenset("的了吗呢吧是不这那什么怎都就很没我你他她它们谁哪给被把但说")
_TITLES = _words("阿姨 叔叔 大爷 大妈 大姐 大哥 大叔 大娘 奶奶 爷爷 婆婆 伯伯 师傅 老师 书记 主任 医生")
PERSON = re.compile(
    r"(?P<home>[0-9]{3,4}室?的?)?@?"
    r"(?P<name>[\u4e00-\u9fff·]{1,8}|[A-Za-z][A-Za-z·.]{1,20}(?: [A-Z][A-Za-z]{1,20})?)"
)
SELF = frozenset(("我", "我自己", "自己", "本人", "咱", "俺"))


def is_name(word: str) -> bool:
    """Whether a word can be a person's name: `李建国`, `老赵`, `陈阿姨`, `欧阳娜娜`."""
    if not 2 <= len(word) <= 6 or not _FUNCTION_WORDS.isdisjoint(word):
        return word.isascii() and word.isalpha() and 2 <= len(word) <= 20
    return len(word) <= 4 or word.endswith(_TITLES)


RELATIVES = (
    "老伴|老婆|老公|爱人|媳妇|闺女|女儿|儿子|孙子|孙女|孩子|娃|小孩|家属|朋友|同事|邻居|姐妹"
    "|我妈|我爸|妈妈|爸爸|老妈|老爸|妹妹|弟弟|姐姐|哥哥"
)
TOGETHER = re.compile(
    rf"我?(?:和|跟|带着?|带上|与)(?:我|俺)?(?:家)?(?:{RELATIVES})(?:一起|一块儿?|俩)?(?:来|去)?"
    r"|我们(?:两口子|娘俩|爷俩|夫妻俩?|母女俩?|父子俩?)"
)
"""Two people without a number: `我和老伴`, `带上我闺女`."""
