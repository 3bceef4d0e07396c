"""One spelling for everything that is typed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.language.normalise import LONGEST, Typed, normalise
from tests.language.street import BOT, repeat


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("签到 12", Typed("签到 12")),
        ("５栋小孙　報　１４", Typed("5栋小孙 报 14")),  # Both scripts: answered in the common one.
        ("@小邻 签到 3", Typed("签到 3", mentioned=True)),
        ("@小邻\u2005签到１２", Typed("签到12", mentioned=True)),
        ("＠小邻　签到", Typed("签到", mentioned=True)),
        ("@小鄰 報名 12", Typed("报名 12", mentioned=True, traditional=True)),
        ("@小邻签到", Typed("签到", mentioned=True)),
        ("@小邻:签到", Typed("签到", mentioned=True)),
        ("认领7吧 @小邻", Typed("认领7吧", mentioned=True)),
        ("认领7吧@小邻\u2005", Typed("认领7吧", mentioned=True)),
        ("@邻里助手 积分", Typed("积分", mentioned=True)),
        ("@小邻", Typed("", mentioned=True)),
        ("@小邻居 你好", Typed("@小邻居 你好", others_mentioned=("小邻居",))),
        ("@王秀英 你报名了吗", Typed("@王秀英 你报名了吗", others_mentioned=("王秀英",))),
        ("@小邻 加分 @李建国\u20055 修灯", Typed("加分 @李建国 5 修灯", mentioned=True, others_mentioned=("李建国",))),
        ("大家可以 @小邻 签到", Typed("大家可以 @小邻 签到", mentioned=True)),
        ("小邻，签到 12", Typed("签到 12", called=True)),
        ("小邻小邻 我闻到燃气味", Typed("我闻到燃气味", called=True)),
        ("小邻今天好慢", Typed("小邻今天好慢")),
        ("收到收到 🙏", Typed("收到收到")),
        ("[微笑]签到[强][强]", Typed("签到")),
        ("🙏[抱拳]", Typed("")),
        ("我来[OK]吗", Typed("我来[OK]吗")),
        ("签\u200b到\ufeff 12", Typed("签到 12")),
        ("  签到\t12 \r\n\r\n 积分  ", Typed("签到 12\n积分")),
        (
            "「小邻：12号 清洁家园」\n- - - - - - - - -\n我也来",
            Typed("我也来", quoted="小邻:12号 清洁家园"),
        ),
        ("“张敏：明天停水\n请储水”\n——————\n收到", Typed("收到", quoted="张敏:明天停水\n请储水")),
        ("「清洁家园」真好", Typed("「清洁家园」真好")),
        ("", Typed("")),
    ],
)
def test_text_is_brought_into_one_spelling(text: str, typed: Typed) -> None:
    assert normalise(text, BOT) == typed


@pytest.mark.parametrize(
    ("text", "traditional"),
    [
        ("簽到", True),
        ("報名 12", True),
        ("签到", False),
        ("乾隆年间的事", False),
        ("我們已經报名了", True),
        ("报名了，谢谢妳們", False),
        ("里面台上后面", False),
    ],
)
def test_script_of_the_person_is_known(text: str, traditional: bool) -> None:
    assert normalise(text, BOT).traditional is traditional


def test_answer_is_echoed_in_the_script_of_the_person() -> None:
    answer = "签到成功，积分+5。"
    assert normalise("簽到", BOT).echo(answer) == "簽到成功，積分+5。"
    assert normalise("签到", BOT).echo(answer) == answer


def test_longer_text_is_cut() -> None:
    assert len(normalise("啊" * 10_000, BOT).text) == LONGEST


ANYTHING = st.text(max_size=400)
PIECES = st.lists(
    st.sampled_from(
        [
            "@小邻", "@小鄰", "小邻", "@张三", ",", " ", "\u2005", "\u3000", "\n", "-", "「", "」", "[", "]",
            "「a」\n---\n", "[微笑]", "🙏", "\u200b", "报", "報", "名", "是", "ﷺ", "\u0301", "e", "１",
            "\ud83d", "꯭", "한", "ﾊﾞ",
        ]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(ANYTHING | PIECES)
@example("@小邻居 你好")
@example("🙏[抱[抱拳]拳]")
@example("@小邻" * 100)
@example("小邻,@小邻 「a」---" * 60)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text, BOT)
    again = normalise(once.text, BOT)
    assert (again.text, again.others_mentioned) == (once.text, once.others_mentioned)


@pytest.mark.parametrize(
    "text",
    ["啊", "報", "@", "@小邻 ", "[", "[微笑]", "👍", "「a」\n---\n", "- ", " \n", "ﷺ", "\u0301", "\u200b", "小邻,"],
)
def test_any_long_text_is_normalised_in_five_milliseconds(text: str) -> None:
    long = text * (LONGEST // len(text))
    assert min(repeat(lambda: normalise(long, BOT), number=1, repeat=7)) < 0.005
