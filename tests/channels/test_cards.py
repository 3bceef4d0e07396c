"""Cards of WeCom: what stands on top, what is said below it, and nothing twice."""

import pytest

from bot.channels.cards import BESIDE, HEADING, TITLE_CHARACTERS, card, headed
from handlers.chat import Button

BUTTONS = (Button("收到", "收到 8"),)
ENDLESS = "停水" * 20


@pytest.mark.parametrize(
    ("words", "title", "rest"),
    [
        ("【锦绣社区通知 8】明早8点到10点停水，请提前存水。", "【锦绣社区通知 8】", "明早8点到10点停水，请提前存水。"),
        ("王秀英，「清洁家园」签到成功 8:55，积分+5（现有21分）。\n走时发 签退。", "王秀英，「清洁家园」签到成功 8:55", "积分+5（现有21分）。\n走时发 签退。"),
        ("广播预览：明早8点到10点清洗水箱停水，请提前存水（要回执）\n给 3栋。", "广播预览", "明早8点到10点清洗水箱停水，请提前存水（要回执）\n给 3栋。"),
        ("12号「清洁家园」11月21日 周六 9:00-11:00\n地点：中心花园。", "12号「清洁家园」", "11月21日 周六 9:00-11:00\n地点：中心花园。"),
        ("提醒您：明天9:00「清洁家园」，中心花园（共2人）。\n来不了请说一声。", "提醒您：明天9:00「清洁家园」", "中心花园（共2人）。\n来不了请说一声。"),
        ("是哪一个？请回复序号：\n1. 清洁家园", "是哪一个？请回复序号：", "1. 清洁家园"),
        ("好的。" + ENDLESS, "好的。", ENDLESS),
        ("王秀英，" + ENDLESS, HEADING, "王秀英，" + ENDLESS),
        # No name is cut in two.
        ("「清洁家园，中心花园，周六上午九点开始」有人替您报名了，来不来", HEADING, "「清洁家园，中心花园，周六上午九点开始」有人替您报名了，来不来"),
        (ENDLESS, HEADING, ENDLESS),
    ],
)  # fmt: skip
def test_a_card_begins_with_what_its_words_begin_with(words: str, title: str, rest: str) -> None:
    assert headed(words) == (title, rest)
    assert len(title) <= TITLE_CHARACTERS
    shown = card(words, BUTTONS, task_id="t")
    assert (shown["main_title"]["title"], shown.get("sub_title_text", "")) == (title, rest)


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("【停水通知】" + ENDLESS * 3, "【停水通知】"),
        ("12号「清洁家园」改期了，" + ENDLESS * 3, "清洁家园"),
        (ENDLESS * 3 + "\n「清洁家园」", BESIDE),
    ],
)
def test_a_card_below_its_text_says_what_it_belongs_to(words: str, title: str) -> None:
    shown = card(words, BUTTONS, task_id="t")
    assert shown["main_title"] == {"title": title}
    assert "sub_title_text" not in shown
