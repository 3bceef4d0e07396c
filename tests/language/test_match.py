"""Which command a message means, whether it means one at all, and what is asked back."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import FEATURES, UNDERSTOOD
from handlers.chat import Quote, Router
from handlers.language import dates
from handlers.language.match import Grammar, OpenObject, Surroundings, Understanding
from handlers.language.normalise import LONGEST, normalise
from handlers.language.slots import Kind, Slot
from models.clock import SHANGHAI
from models.members import Role
from tests.language.street import BOT, NOW, demo, grammar, repeat, routers, silent

GRAMMAR = grammar()
DEMO = demo()


def understand(
    text: str,
    *,
    addressed: bool | None = None,
    quote: Quote | None = None,
    world: Surroundings = DEMO,
    role: Role | None = None,
    rules: Grammar = GRAMMAR,
) -> Understanding:
    """`addressed` None: only where the text mentions the bot."""
    typed = normalise(text, BOT)
    return rules.understand(
        typed,
        addressed=typed.mentioned if addressed is None else addressed,
        world=world,
        now=NOW,
        quote=quote,
        role=role,
    )


def meant(text: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    found = understand(text, **more)
    return found.intent, found.outcome, found.slots


def card(ref: str) -> Quote:
    return Quote("bot", "", ref)


# Slots


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        (
            "发布活动 周六9点 清洁家园 中心花园 20人 5分",
            {
                "when": "周六9点",
                "when_at": datetime(2026, 11, 21, 9, tzinfo=SHANGHAI),
                "title": "清洁家园",
                "place": "中心花园",
                "quota": 20,
                "points": 5,
            },
        ),
        (
            "发布活动 周六上午9点到11点清洁家园,在中心花园集合,限二十人,每人5分",
            {
                "when": "周六上午9点到11点",
                "when_at": datetime(2026, 11, 21, 9, tzinfo=SHANGHAI),
                "when_until": datetime(2026, 11, 21, 11, tzinfo=SHANGHAI),
                "title": "清洁家园",
                "place": "中心花园",
                "quota": 20,
                "points": 5,
            },
        ),
        (
            "发布活动 每周六上午9点 义务巡逻 3栋门口 两小时",
            {
                "when": "每周六上午9点",
                "when_at": datetime(2026, 11, 21, 9, tzinfo=SHANGHAI),
                "when_recur": "FREQ=WEEKLY;BYDAY=SA",
                "title": "义务巡逻",
                "place": "3栋门口",
                "minutes": 120,
            },
        ),
        (
            "发布活动 周六上午 大扫除",
            {
                "when": "周六上午",
                "when_at": datetime(2026, 11, 21, 6, tzinfo=SHANGHAI),
                "when_grain": "part",
                "title": "大扫除",
            },
        ),
        (
            "发布活动 周六5点 《第5期 邻里读书会》 不限人数",
            {
                "when": "周六5点",
                "when_at": datetime(2026, 11, 21, 17, tzinfo=SHANGHAI),
                "when_ambiguous": True,
                "title": "第5期 邻里读书会",
            },
        ),
        ("加分 李建国 5 修灯", {"member": "李建国", "points": 5, "reason": "修灯"}),
        ("加分 李建国 修灯 5", {"member": "李建国", "points": 5, "reason": "修灯"}),
        ("加分李建国5分修灯", {"member": "李建国", "points": 5, "reason": "修灯"}),
        ("加分 李建国 5 帮2人搬家,用了3小时", {"member": "李建国", "points": 5, "reason": "帮2人搬家,用了3小时"}),
        ("扣分 李建国 2 乱停车", {"member": "李建国", "points": -2, "reason": "乱停车"}),
        ("给李建国加5分 修灯", {"member": "李建国", "points": 5, "reason": "修灯"}),
        ("绑定 张三 3栋", {"name": "张三", "building": "3栋"}),
        ("绑定 张三 ３栋２单元５０１", {"name": "张三", "building": "3栋2单元", "room": "501"}),
        ("绑定张三3号楼501", {"name": "张三", "building": "3栋", "room": "501"}),
        ("绑定 王三 3-2-501", {"name": "王三", "building": "3栋2单元", "room": "501"}),
        ("报名 12 2人", {"activity": 12, "count": 2}),
        ("报名 2人 12", {"activity": 12, "count": 2}),
        ("报名 12 2", {"activity": 12, "count": 2}),
        ("排行榜 本月 3栋", {"period": "本月", "scope": "3栋"}),
        ("排行榜前十", {"top": 10}),
        ("驳回 8 房号对不上 501", {"number": 8, "reason": "房号对不上 501"}),
        ("申诉 88 那天我在", {"number": 88, "reason": "那天我在"}),
        ("签到十二", {"activity": 12}),
        ("签到12", {"activity": 12}),
        ("12签到", {"activity": 12}),
        ("签退 12 一个半小时", {"activity": 12, "minutes": 90}),
        ("替王秀英 签到 12", {"on_behalf": "王秀英", "activity": 12}),
        ("帮助 积分 怎么算", {"topic": "积分 怎么算"}),
    ],
)
def test_slots_are_filled_by_their_kind(text: str, slots: dict[str, Any]) -> None:
    found = understand(text, addressed=True)
    assert (found.outcome, found.slots) == ("act", slots)


def test_choice_is_given_in_its_own_word() -> None:
    votes = Router("votes")
    votes.command(
        "vote",
        "投票",
        writes=True,
        slots=(
            Slot("poll", Kind.NUMBER, required=True),
            Slot("choice", Kind.CHOICE, choices=(("同意", ("赞成", "支持")), ("反对", ("不同意",)), ("弃权", ()))),
        ),
    )(silent)
    rules = Grammar([votes])
    assert [understand(f"投票 3 {word}", addressed=True, rules=rules).slots for word in ("赞成", "不同意", "弃权")] == [
        {"poll": 3, "choice": "同意"},
        {"poll": 3, "choice": "反对"},
        {"poll": 3, "choice": "弃权"},
    ]


def test_people_are_a_list() -> None:
    teams = Router("teams")
    teams.command("team", "组队", slots=(Slot("members", Kind.PEOPLE, required=True),), writes=True)(silent)
    rules = Grammar([teams])
    assert understand("组队 李建国、王秀英和老赵", addressed=True, rules=rules).slots == {
        "members": ["李建国", "王秀英", "老赵"]
    }
    assert understand("组队 李建国", addressed=True, rules=rules).slots == {"members": ["李建国"]}


@given(st.permutations(("周六9点", "20人", "5分", "两小时", "在中心花园", "清洁家园")))
def test_order_of_independent_slots_changes_nothing(parts: list[str]) -> None:
    found = understand(f"发布活动 {' '.join(parts)}", addressed=True)
    assert found.slots == {
        "when": "周六9点",
        "when_at": datetime(2026, 11, 21, 9, tzinfo=SHANGHAI),
        "title": "清洁家园",
        "place": "中心花园",
        "quota": 20,
        "points": 5,
        "minutes": 120,
    }


# Things


@pytest.mark.parametrize(
    ("text", "activity"),
    [
        ("报名 12", 12), ("报名 12号", 12), ("报名 12号活动", 12), ("报名 #12", 12), ("报名 14那个", 14),
        ("报名 清洁家园", 12), ("报名 反诈", 14), ("报名 反诈那个活动", 14), ("报名 12号 清洁家园", 12),
        ("义诊 报名", 13), ("14那个我报名", 14), ("报名 十四", 14),
    ],
)  # fmt: skip
def test_thing_is_found_by_number_or_by_part_of_its_name(text: str, activity: int) -> None:
    assert meant(text) == ("signup", "act", {"activity": activity})


def test_name_that_several_things_bear_is_asked_about() -> None:
    things = [OpenObject("activity", 1, "春季清洁家园"), OpenObject("activity", 2, "秋季清洁家园")]
    found = understand("报名 清洁家园", world=Surroundings.build("小邻", objects=things))
    assert (found.outcome, found.slot, found.options) == ("ask", "activity", (1, 2))
    assert found.say == "报名 哪一个？请回复数字:\n1 1号 春季清洁家园\n2 2号 秋季清洁家园".replace(":", "：")


def test_bare_command_takes_the_only_thing_that_is_possible_for_it() -> None:
    assert meant("签到", world=demo(checkin=(14,))) == ("checkin", "act", {"activity": 14})


def test_bare_command_asks_among_several_things() -> None:
    found = understand("签到", world=demo(checkin=(12, 14)))
    assert (found.intent, found.outcome, found.slot, found.options) == ("checkin", "ask", "activity", (12, 14))
    assert found.say == "签到 哪一个？请回复数字：\n1 12号 清洁家园\n2 14号 反诈宣传"


def test_question_with_many_things_stays_within_four_lines() -> None:
    things = [OpenObject("activity", number, f"活动{number}") for number in range(1, 20)]
    found = understand("签到", world=Surroundings.build("小邻", objects=things))
    assert len(found.options) == 9
    assert len(found.say.split("\n")) == 4


def test_bare_command_with_nothing_open_is_explained_to_who_asked_and_ignored_otherwise() -> None:
    nothing = demo(checkin=())
    assert meant("@小邻 签到", world=nothing) == ("checkin", "act", {})
    assert meant("签到", world=nothing) == ("smalltalk", "ignore", {})


def test_number_that_does_not_exist_is_for_the_handler_when_addressed_and_ignored_when_overheard() -> None:
    assert meant("@小邻 签到 99") == ("checkin", "act", {"activity": 99})
    assert meant("签到 99") == ("smalltalk", "ignore", {})


def test_thing_that_is_closed_is_for_the_handler_when_addressed_and_ignored_when_overheard() -> None:
    assert meant("@小邻 签到 11") == ("checkin", "act", {"activity": 11})
    assert meant("签到 11") == ("smalltalk", "ignore", {})
    assert meant("活动 11") == ("list_activities", "act", {"activity": 11})


def test_number_of_another_kind_of_thing_is_not_taken_in_overheard_talk() -> None:
    # 3 is a post, not an activity.
    assert meant("签到 3") == ("smalltalk", "ignore", {})


def test_count_is_not_taken_from_the_number_of_another_activity() -> None:
    assert meant("报名 12 13") == ("signup", "act", {"activity": 12})
    found = understand("报名 12、13")
    assert [part.slots for part in (found, *found.also)] == [{"activity": 12}, {"activity": 13}]


# Quotations


@pytest.mark.parametrize("text", ["我也来", "加上我", "+1", "算我一个吧", "报名", "我报名", "报名 谢谢"])
def test_quoted_card_supplies_the_thing(text: str) -> None:
    assert meant(text, quote=card("activity:13")) == ("signup", "act", {"activity": 13})


@pytest.mark.parametrize("text", ["我不去了", "没空了", "我来不了", "取消", "取消报名"])
def test_stepping_back_under_a_card_cancels(text: str) -> None:
    assert meant(text, quote=card("activity:13")) == ("cancel_signup", "act", {"activity": 13})


def test_number_beside_a_quoted_card_is_a_count_unless_a_thing_bears_it() -> None:
    assert meant("报名 2", quote=card("activity:13")) == ("signup", "act", {"activity": 13, "count": 2})
    assert meant("报名 14", quote=card("activity:13")) == ("signup", "act", {"activity": 14})


def test_inline_quotation_shows_the_thing_and_is_never_the_command() -> None:
    block = "「小邻：12号 清洁家园 报名请发 报名 12」\n- - - - - - - -\n"
    assert meant(f"{block}我也来") == ("signup", "act", {"activity": 12})
    assert meant(f"{block}真不错") == ("smalltalk", "ignore", {})


@pytest.mark.parametrize("text", ["我也来", "加上我", "+1", "我也去，带俩夹子", "我没空了"])
def test_gesture_without_a_card_is_chatter(text: str) -> None:
    assert meant(text) == ("smalltalk", "ignore", {})


def test_gesture_under_a_card_of_another_kind_is_chatter() -> None:
    assert meant("我也来", quote=card("issue:1024")) == ("smalltalk", "ignore", {})


def test_gesture_said_to_the_bot_is_worth_a_question() -> None:
    found = understand("@小邻 我也来")
    assert (found.intent, found.outcome, found.options) == ("signup", "ask", (12, 13, 14))


@pytest.mark.parametrize("text", ["取消报名 12", "取消12的报名", "12的报名取消", "把12号的报名取消吧", "我不参加12了"])
def test_cancelling_is_understood_around_its_object_and_never_as_signing_up(text: str) -> None:
    assert meant(text) == ("cancel_signup", "act", {"activity": 12})
    assert meant(text, addressed=True) == ("cancel_signup", "act", {"activity": 12})


def test_draft_is_named_by_the_quotation() -> None:
    assert meant("发送", quote=card("draft:broadcast")) == ("confirm", "act", {"yes": True, "draft": "broadcast"})


# Overheard


@pytest.mark.parametrize(
    "text",
    [
        "签到那家火锅店满减", "报名表在哪打印", "谁值日谁倒垃圾呗", "我同意你妈说的", "收到货再给好评", "昨天签到了吗",
        "你们签到了没", "签到了吗", "我报名了", "别签到了", "我不想报名", "报名费多少", "12号楼报名的人",
        "@王秀英 签到", "打卡上班", "报名 12 的人在哪", "取消了才发现报名费不退",
    ],
)  # fmt: skip
def test_overheard_talk_that_only_resembles_a_command_is_ignored(text: str) -> None:
    assert meant(text) == ("smalltalk", "ignore", {})


def test_command_that_is_not_for_overheard_talk_needs_a_mention() -> None:
    quiet = Router("quiet")
    quiet.command("undo", "撤销", writes=True, overheard=False)(silent)
    rules = Grammar([quiet])
    assert meant("撤销", rules=rules) == ("smalltalk", "ignore", {})
    assert meant("@小邻 撤销", rules=rules) == ("undo", "act", {})


def test_overheard_text_must_stand_apart_from_its_verb() -> None:
    speaking = Router("speaking")
    speaking.command(
        "topic_speak", "发言", writes=True, bare=False, slots=(Slot("content", Kind.TEXT, required=True),)
    )(silent)
    rules = Grammar([speaking])
    assert meant("发言人说得好", rules=rules) == ("smalltalk", "ignore", {})
    assert meant("发言 鞋柜可以靠墙", rules=rules) == ("topic_speak", "act", {"content": "鞋柜可以靠墙"})


# Addressed


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("@小邻 报名表在哪打印", "您是想 报名 吗？可以这样说：报名 12"),
        ("@小邻 昨天签到了吗", "您是想 签到 吗？可以这样说：签到 12"),
        ("@小邻 报名 13 多少钱", "您是想 报名 吗？可以这样说：报名 13"),
        ("@小邻 到签", "您是想 签到 吗？可以这样说：签到 12"),
        ("@小邻 加分", "请告诉我姓名。\n比如：加分 李建国 5 修灯"),
        ("@小邻 加分 李建国", "多少分？"),
        ("@小邻 绑定", "您贵姓大名?\n比如：绑定 张三 3栋"),
        ("@小邻 今天天气真好", "没太听懂。回复 帮助 看看我能做什么。"),
        ("@小邻", "没太听懂。回复 帮助 看看我能做什么。"),
        ("@小邻 谢谢", "不客气！"),
        ("@小邻 你好", "您好！要办什么事，直接告诉我；回复 帮助 看看我能做什么。"),
    ],
)
def test_addressed_text_that_is_not_clear_is_answered_with_one_question(text: str, say: str) -> None:
    found = understand(text)
    assert (found.outcome, found.say) == ("ask", say)


def test_hint_leaves_nothing_pending() -> None:
    assert understand("@小邻 报名表在哪打印").command is None


def test_missing_slot_is_pending_with_what_is_known() -> None:
    found = understand("@小邻 加分 李建国 ")
    assert found.command is not None
    assert (found.command.intent, found.slot, found.slots) == ("award_points", "points", {"member": "李建国"})


@pytest.mark.parametrize("text", ["@小邻 我现在有多少积分", "@小邻 积分怎么样了", "帮我看下我的积分 @小邻"])
def test_addressed_question_to_a_command_that_only_reads_is_answered(text: str) -> None:
    assert meant(text) == ("my_points", "act", {})


def test_clause_that_stands_apart_does_not_spoil_an_addressed_command() -> None:
    assert meant("@小邻 签到 12，北门进来的") == ("checkin", "act", {"activity": 12})


# Roles


def test_role_below_the_command_is_denied() -> None:
    text = "加分 李建国 5 修灯"
    assert understand(text, role=Role.RESIDENT).outcome == "deny"
    assert understand(text, role=Role.BUILDING_LEAD).outcome == "act"
    assert understand(text, role=Role.SECRETARY).outcome == "act"
    assert understand(text).outcome == "act"


@pytest.mark.parametrize("text", ["加分 李建国", "绑定 手机号", "绑定 张三"])
def test_overheard_command_that_lacks_something_is_ignored(text: str) -> None:
    assert meant(text) == ("smalltalk", "ignore", {})


# Answers


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("是", {"yes": True}), ("是的", {"yes": True}), ("好", {"yes": True}), ("好的，谢谢", {"yes": True}),
        ("确认", {"yes": True}), ("发送！", {"yes": True}), ("可以", {"yes": True}), ("OK", {"yes": True}),
        ("不是", {"yes": False}), ("不", {"yes": False}), ("否", {"yes": False}), ("取消", {"yes": False}),
        ("算了", {"yes": False}), ("2", {"number": 2}), ("第二个", {"number": 2}), ("１", {"number": 1}),
        ("99", {"number": 99}),
    ],
)  # fmt: skip
def test_answer_is_understood(text: str, slots: dict[str, Any]) -> None:
    assert GRAMMAR.could_be_command(normalise(text, BOT).text)
    assert meant(text) == ("confirm", "act", slots)


@pytest.mark.parametrize(
    "text", ["0", "100", "是不是明天停水", "好吃", "对面", "取消订单了", "可以跳舞的地方", "好的我知道了明天见"]
)
def test_what_only_begins_like_an_answer_is_none(text: str) -> None:
    assert meant(text)[0] == "smalltalk"


# Several commands


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("签到 12 积分", ["checkin", "my_points"]),
        ("签到 12\n积分\n排行榜", ["checkin", "my_points", "leaderboard"]),
        ("取消报名 12；报名 13", ["cancel_signup", "signup"]),
        ("签到12，再报名13", ["checkin", "signup"]),
        ("签到 12 然后查积分", ["checkin", "my_points"]),
        ("@小邻 签退 12 顺便积分 谢谢", ["checkout", "my_points"]),
        ("签到\n报名", ["checkin", "signup"]),
        ("取消报名 12 报名 13", ["cancel_signup", "signup"]),
        ("报名 13 取消报名 12", ["signup", "cancel_signup"]),
        ("积分 排行榜", ["my_points", "leaderboard"]),
    ],
)
def test_several_commands_are_taken_in_their_order(text: str, intents: list[str]) -> None:
    found = understand(text)
    assert [part.intent for part in (found, *found.also)] == intents


@pytest.mark.parametrize("text", ["帮助 签到 积分", "加分 李建国 5 帮人报名 签到", "发布活动 周六9点 积分活动"])
def test_words_of_another_command_inside_a_slot_are_no_second_command(text: str) -> None:
    assert understand(text, addressed=True).also == ()


def test_overheard_commands_mixed_with_talk_are_ignored() -> None:
    assert meant("签到 12 今天好热啊 积分") == ("smalltalk", "ignore", {})


# Explaining


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("签到 12", ("“签到” is checkin", "activity = 12 (12)")),
        (
            "签到那家火锅店",
            ("“签到” is checkin", "overheard: “那家火锅店” is no part of the command"),
        ),
        ("你们签到", ("“签到” is checkin", "overheard: “你们” stands before the verb")),
        ("今天真热", ("overheard, and no verb of any command stands in it",)),
        ("签到 99", ("“签到” is checkin", "activity = 99 (99)", "overheard: there is no open activity 99")),
        (
            "@小邻 报名 12 多少钱",
            (
                "“报名” is signup",
                "activity = 12 (12)",
                "“多少钱” is not explained by it",
                "“多少” makes it a question or a report",
            ),
        ),
    ],
)
def test_every_decision_is_explained(text: str, why: tuple[str, ...]) -> None:
    assert understand(text).why == why


# Building the grammar


def test_two_commands_with_one_verb_are_refused_by_name() -> None:
    other = Router("gym")
    other.command("gym_visit", "打卡")(silent)
    with pytest.raises(ValueError, match=r"打卡.*checkin.*gym_visit"):
        Grammar([*routers(), other])


def test_verb_in_another_spelling_is_the_same_verb() -> None:
    other = Router("gym")
    other.command("gym_visit", "簽到")(silent)
    with pytest.raises(ValueError, match="签到"):
        Grammar([*routers(), other])


def test_empty_verb_is_refused() -> None:
    other = Router("gym")
    other.command("gym_visit", " ")(silent)
    with pytest.raises(ValueError, match="gym_visit"):
        Grammar([other])


def test_grammar_without_commands_understands_answers_and_nothing_else() -> None:
    rules = Grammar([])
    assert meant("是", rules=rules) == ("confirm", "act", {"yes": True})
    assert meant("签到", rules=rules) == ("smalltalk", "ignore", {})


def test_every_usage_of_the_features_is_understood_as_its_own_command() -> None:
    rules = Grammar(FEATURES)
    understood = {
        command.usage: understand(command.usage, addressed=True, rules=rules).intent
        for router in FEATURES
        for command in router
        if command.usage
    }
    assert len(understood) >= 10
    assert understood == {command.usage: command.intent for router in FEATURES for command in router if command.usage}


# Speed, and anything at all


@pytest.mark.parametrize(
    "text", ["今天天气真好", "谁值日谁倒垃圾呗", "换个话题吧", "哈哈哈哈", "[捂脸]", "12345", "明天几点停水啊"]
)
def test_chatter_without_a_verb_is_seen_at_once(text: str) -> None:
    assert not GRAMMAR.could_be_command(normalise(text, BOT).text)


WORDS = (
    "签到 报名 取消 发布活动 加分 绑定 帮助 积分 活动 我也来 不 替 给 李建国 的 了 吗 12 13 99 十 一 3栋 2单元 501 "
    "周六 9点 到 20人 5分 月底 在 中心花园 清洁家园 ; ， 再 然后 @小邻 @张三 「a」\n---\n [微笑] 🙏 \u200b ﷺ 報 - +"
)
ALPHABET = st.sampled_from([*WORDS.split(" "), " ", "\n", "\u2005"])


@given(st.text(max_size=300) | st.lists(ALPHABET, max_size=30).map("".join), st.booleans())
def test_any_text_is_understood_without_an_error(text: str, addressed: bool) -> None:
    found = understand(text, addressed=addressed)
    assert found.outcome in ("act", "ask", "ignore")
    assert addressed or found.outcome != "ask" or found.command is not None
    assert found.outcome != "ignore" or not addressed


EVERYTHING = Grammar(UNDERSTOOD)
SPOKEN = sorted({verb for router in UNDERSTOOD for command in router for verb in (*command.verbs, *command.gestures)})
STREAM = st.lists(
    st.sampled_from([*SPOKEN, *WORDS.split(" "), "因为", "5-2", "1A", "baoming"]), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=400) | STREAM.map("".join) | st.text(alphabet=st.characters(), max_size=30),
    st.integers(min_value=1, max_value=LONGEST),
    st.booleans(),
)
def test_anything_of_any_length_is_understood_in_five_milliseconds(text: str, times: int, addressed: bool) -> None:
    long = (text * times)[:LONGEST]
    dates.read("春节", NOW)

    def understood() -> None:
        typed = normalise(long, BOT)
        EVERYTHING.understand(typed, addressed=addressed, world=DEMO, now=NOW)

    assert min(repeat(understood, number=1, repeat=5)) < 0.005


@settings(max_examples=60, deadline=None)
@given(st.permutations(("12", "两个人", "谢谢", "我")))
def test_order_of_what_stands_beside_a_verb_changes_nothing(parts: list[str]) -> None:
    at = parts.index("我")
    said = " ".join([*parts[:at], "我报名", *parts[at + 1 :]])
    assert meant(f"@小邻 {said}", rules=EVERYTHING) == ("signup", "act", {"activity": 12, "count": 2})


@given(st.lists(ALPHABET, max_size=12).map("".join))
def test_text_that_could_be_no_command_is_ignored(text: str) -> None:
    typed = normalise(text, BOT)
    if not GRAMMAR.could_be_command(typed.text):
        assert understand(text, addressed=False).outcome == "ignore"


@pytest.mark.parametrize(
    "text",
    [
        "签到",
        "签到 ",
        "我",
        "12 ",
        "报名 12 然后 ",
        "发布活动周六9点",
        "月底",
        "取消12的报名",
        "给",
        "清洁家园",
        "\n签到",
        "十",
        "啊",
    ],
)
@pytest.mark.parametrize("addressed", [True, False])
def test_any_long_text_is_understood_in_five_milliseconds(text: str, addressed: bool) -> None:
    typed = normalise(text * (LONGEST // len(text)), BOT)
    dates.read("春节", NOW)  # The tables of the lunar years are made once.
    assert (
        min(
            repeat(
                lambda: GRAMMAR.understand(typed, addressed=addressed, world=DEMO, now=NOW, quote=None),
                number=1,
                repeat=7,
            )
        )
        < 0.005
    )
