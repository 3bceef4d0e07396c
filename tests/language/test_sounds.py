"""Verbs that were misheard, mistyped or spelt in pinyin: asked about where the thing beside them fits, and else left alone."""

from typing import Any

import pytest

from handlers.language.sounds import Sounds
from tests.language.corpus import heard

SOUNDS = Sounds(("签到", "报名", "认领", "积分", "排行榜"))


def said(text: str, channel: str = "group", **more: Any) -> tuple[str, str, dict[str, Any], str]:
    found = heard({"text": text, "channel": channel, "role": "resident", **more})
    return found.outcome, found.intent, found.slots, found.say


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("迁到", "签到"),
        ("牵到 12", "签到"),
        ("报明14", "报名"),
        ("抱名", "报名"),
        ("认灵 3", "认领"),
        ("几分", "积分"),
        ("baoming 13", "报名"),
        ("qian dao", "签到"),
        ("bao ming", "报名"),
        ("排行帮", "排行榜"),
    ],
)
def test_verb_is_found_by_its_sound(text: str, verb: str) -> None:
    found = SOUNDS.find(text)
    assert found is not None
    assert found[1] == verb


@pytest.mark.parametrize("text", ["签到", "报名 12", "今天天气真好", "", "到", "baomi", "hello", "名"])
def test_what_is_spelt_right_or_sounds_otherwise_is_no_slip(text: str) -> None:
    assert SOUNDS.find(text) is None


def test_slip_that_would_write_is_asked_about() -> None:
    assert said("报明 12") == ("ask", "signup", {"activity": 12}, "是 报名 12号 清洁家园 吗？回复 是。")
    assert said("@小邻 迁到 治安巡逻岗") == ("ask", "checkin", {"post": 3}, "是 签到 3号 治安巡逻岗 吗？回复 是。")
    assert said("baoming 13", "dm")[:3] == ("ask", "signup", {"activity": 13})


def test_slip_that_only_reads_is_answered() -> None:
    assert said("@小邻 排行帮")[:2] == ("act", "leaderboard")


@pytest.mark.parametrize("text", ["迁到", "几分", "报明 99", "前到了前到了", "抱名的人 12 个", "千岛 12 日游"])
def test_overheard_slip_without_a_thing_that_fits_is_left_alone(text: str) -> None:
    assert said(text)[0] == "ignore"
