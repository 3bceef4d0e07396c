"""What is understood before it is there: answered honestly where it is said to the bot, and never written."""

import pytest

from handlers import FEATURES, UNDERSTOOD, not_yet
from handlers.chat import Command
from handlers.language.match import Grammar
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, silence, talk
from tests.fakes.street import Street

COMING = list(not_yet.router)


@ON_SQLITE
async def test_what_is_not_there_yet_is_answered_honestly_and_writes_nothing(street: Street) -> None:
    before = await count_rows(street.house)
    await talk(
        street,
        [
            ("王秀英", "3栋群", "@小邻 兑换 洗衣液", "兑换这个功能还没有，请先到社区当面换。"),
            ("王秀英", direct, "我家厨房漏水了，快来人", "报修和诉求这个功能还没有，请先打物业的电话。"),
            ("李建国", direct, "请假 周五 发烧", "值班请假这个功能还没有，请告诉楼长，好另外安排人。"),
            ("刘洋", direct, "办结 1024 灯泡换好了", "办理工单这个功能还没有，请先在物业的本子上记好。"),
        ],
    )
    assert grown(before, await count_rows(street.house)) == {}


@ON_SQLITE
async def test_what_is_not_there_yet_stays_unanswered_among_neighbours(street: Street) -> None:
    before = await count_rows(street.house)
    said = ("值班", "微心愿 想要一副老花镜", "报修 3栋路灯不亮", "投票 3 同意", "夜话", "兑换 洗衣液")
    await talk(street, [("王秀英", "3栋群", text, silence) for text in said])
    assert grown(before, await count_rows(street.house)) == {}


@ON_SQLITE
async def test_a_failing_part_of_a_message_is_named_beside_what_was_done(street: Street) -> None:
    await talk(
        street,
        [
            (
                "王秀英",
                "3栋群",
                "@小邻 报名 13；兑换 洗衣液",
                "已给 王秀英 报名「义诊」，还剩29个名额。\n11月22日 周日 9:00，活动室。\n兑换这个功能还没有，请先到社区当面换。",
            )
        ],
    )


@pytest.mark.parametrize("command", COMING, ids=lambda command: f"{command.intent}-{command.verbs[0]}")
def test_what_is_coming_stands_in_no_help_and_says_what_to_do_instead(command: Command) -> None:
    assert command.coming
    assert not command.usage


def test_nobody_claims_a_verb_twice() -> None:
    assert Grammar(UNDERSTOOD).could_be_command("兑换 洗衣液")
    assert not_yet.router not in FEATURES
