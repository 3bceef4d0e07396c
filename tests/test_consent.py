"""The first contact: what is kept is said before anything is kept, and what was asked for first is not lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.app import House
from bot.channels.cards import fits
from bot.script import Push, Script
from handlers import consent
from models.audit import Audit
from models.members import Consent, Role, Settings, add_identity, add_member, give_role
from models.members.consent import withdraw_since
from models.units import find_unit, root_of
from tests.dialogue import (
    AGREED,
    ON_SQLITE,
    STATEMENT,
    count_rows,
    direct,
    grown,
    november,
    silence,
    talk,
)
from tests.fakes.street import Street, muted, open_street

STATEMENT_TO = "{}，您好！" + STATEMENT
ASKED_ASIDE = "{}，第一次用要先看一段个人信息说明，已私信您；回复 同意 后，这件事我接着办。"
THANKS = "好的，记下了，谢谢！\n"
DECLINED = "好的，除了您是谁，我什么都不记，也就不能替您办事。\n改主意了请回复 同意，想问问我会什么请发 帮助。"
SORRY = "您没有同意保存个人信息，我就不能替您办事。改主意了请回复 同意。"
CLINIC = "已给 {} 报名「义诊」，还剩{}个名额。\n11月22日 周日 9:00，活动室。"
NEWCOMERS = ("新来的", "另一位")


def add_newcomers(session: Session) -> None:
    """Two whom the import knew by their accounts, and 钱姐 of the staff; none of them has written yet."""
    unit, root = find_unit(session, community_id=1, name="3栋2单元"), root_of(session, 1)
    for name in (*NEWCOMERS, "钱姐"):
        member_id = add_member(session, community_id=1, name=name, unit=unit, now=november(1, 0))
        add_identity(
            session, community_id=1, member_id=member_id, namespace="simulator", external_id=name, now=november(1, 0)
        )
    give_role(session, community_id=1, member_id=member_id, role=Role.SECRETARY, unit=root, now=november(1, 0), by=None)


@pytest.fixture
async def fresh(demo_url: str) -> AsyncIterator[Street]:
    """The demo with three who have not agreed to anything yet."""
    street = await open_street(demo_url)
    await street.house.books.write(add_newcomers)
    yield street
    wrong = await street.violations()
    await street.house.close()
    assert wrong == []


async def answers(street: Street) -> list[tuple[str, str, bool]]:
    def unit(session: Session) -> list[Any]:
        rows = session.execute(
            select(Consent.version, Consent.agreed, Audit.action)
            .join(Audit, Audit.member_id == Consent.member_id)
            .where(Consent.at > november(2, 0), Audit.action.in_(["agree", "decline"]))
            .order_by(Audit.id)
        )
        return [(row.action, row.version, row.agreed) for row in rows]

    return await street.house.books.read(unit)


async def test_in_private_the_first_command_is_done_right_after_agreeing(fresh: Street) -> None:
    before = await count_rows(fresh.house)
    await talk(fresh, [("新来的", direct, "报名 13", STATEMENT_TO.format("新来的"))])
    # Beyond the stored answer and the open question nothing of theirs is kept.
    assert grown(before, await count_rows(fresh.house)) == {"inbox": 1, "pending": 1}
    await talk(
        fresh,
        [
            ("新来的", direct, "同意", THANKS + CLINIC.format("新来的", 29)),
            ("新来的", direct, "报名 13", "新来的 已经报过「义诊」了，不用再报。"),
            ("新来的", direct, "同意", "您已经同意过了，不用再回复。"),
        ],
    )
    assert await answers(fresh) == [("agree", "2", True)]


async def test_in_a_group_the_statement_goes_to_the_person_alone_and_once(fresh: Street) -> None:
    await fresh.until(november(21, 8, 55))
    pushes = await talk(
        fresh,
        [
            ("新来的", "3栋群", "大家好", silence),
            ("新来的", "3栋群", "报名 13", ASKED_ASIDE.format("新来的")),
            # The newest command is the one that is meant; the statement does not come twice.
            ("新来的", "3栋群", "签到", ASKED_ASIDE.format("新来的")),
            ("另一位", "3栋群", "@小邻 积分", ASKED_ASIDE.format("另一位")),
            (
                "新来的",
                direct,
                "好的",
                THANKS + "新来的，「清洁家园」签到成功 8:55，积分+5（现有5分）。\n走的时候发一声 签退。",
            ),
            (
                "另一位",
                direct,
                "同意",
                THANKS + "另一位，您现有0分，本月+0分。\n为什么有这些分，请发 积分明细。",
            ),
        ],
    )
    assert pushes == [Push(name, STATEMENT_TO.format(name)) for name in NEWCOMERS]


@ON_SQLITE
async def test_where_the_bot_cannot_write_first_it_asks_in_the_group(fresh: Street) -> None:
    street = muted(fresh)
    pushes = await talk(
        street,
        [
            ("新来的", "3栋群", "@小邻 报名 13", STATEMENT_TO.format("新来的")),
            ("另一位", "3栋群", "@小邻 同意", AGREED),
            ("新来的", "3栋群", "@小邻 同意", THANKS + CLINIC.format("新来的", 29)),
            # Asked in a group, answered in private: nothing is lost either.
            ("钱姐", "新建的群", "@小邻 绑定群 4栋", STATEMENT_TO.format("钱姐")),
            (
                "钱姐",
                direct,
                "同意",
                THANKS + "本群已绑定为 4栋群。\n大家可以 @我 发 帮助，看看我会什么。",
            ),
        ],
    )
    assert pushes == []


@ON_SQLITE
async def test_several_commands_and_long_answers_are_all_given(fresh: Street) -> None:
    await talk(
        fresh,
        [
            ("新来的", direct, "报名 13；报名 14", STATEMENT_TO.format("新来的")),
            (
                "新来的",
                direct,
                "同意",
                CLINIC.format("新来的", 29) + "\n已给 新来的 报名「反诈宣传」。\n11月22日 周日 14:30，1栋门厅。",
            ),
            # A question of the first command is asked then.
            ("另一位", direct, "报名", STATEMENT_TO.format("另一位")),
            (
                "另一位",
                direct,
                "同意",
                "报名 哪一个？请回复数字：\n1 12号 清洁家园\n2 13号 义诊\n3 14号 反诈宣传",
            ),
            ("另一位", direct, "2", CLINIC.format("另一位", 28)),
        ],
    )


async def test_whoever_declines_is_left_alone_and_may_change_their_mind(fresh: Street) -> None:
    await talk(fresh, [("新来的", direct, "报名 13", STATEMENT_TO.format("新来的"))])
    await talk(fresh, [("新来的", direct, "不同意", DECLINED)])
    before = await count_rows(fresh.house)
    await talk(
        fresh,
        [
            ("新来的", direct, "报名 13", SORRY),
            ("新来的", direct, "活动", SORRY),
            ("新来的", direct, "撤销", SORRY),
            ("新来的", "3栋群", "报名 13", silence),
            ("新来的", "3栋群", "@小邻 积分", silence),
        ],
    )
    assert grown(before, await count_rows(fresh.house)) == {}
    assert (await fresh.say("新来的", "帮助")).startswith("我能帮您：")
    await talk(
        fresh,
        [
            # What they asked for first is not done behind their back.
            ("新来的", direct, "同意", AGREED),
            ("新来的", "3栋群", "报名 13", CLINIC.format("新来的", 29)),
        ],
    )
    assert await answers(fresh) == [("decline", "2", True), ("agree", "2", True)]


@ON_SQLITE
async def test_agreement_is_withdrawn_with_a_question_and_given_again(fresh: Street) -> None:
    ask = "您之前同意过。现在要撤回吗？撤回后我就不能替您办事了。\n确定请回复 确认，不撤回回复 取消。"
    await talk(
        fresh,
        [
            ("王秀英", "3栋群", "我不同意这么办", silence),
            ("王秀英", "3栋群", "同意", silence),
            ("王秀英", direct, "不同意", ask),
            ("王秀英", direct, "取消", "好的，不办了。"),
            ("王秀英", direct, "活动 13", (await fresh.say("王秀英", "活动 13"))),
            ("王秀英", direct, "不同意", ask),
            ("王秀英", direct, "确认", DECLINED),
            ("王秀英", direct, "积分", SORRY),
            ("王秀英", direct, "同意", AGREED),
        ],
    )


@ON_SQLITE
async def test_a_question_that_is_not_answered_does_nothing_later(fresh: Street) -> None:
    await talk(
        fresh,
        [
            ("新来的", direct, "报名 13", STATEMENT_TO.format("新来的")),
            november(17, 20, 1),
            ("新来的", direct, "好的", "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"),
            ("新来的", direct, "同意", AGREED),
        ],
    )
    assert await answers(fresh) == [("agree", "2", True)]


@ON_SQLITE
async def test_a_newer_statement_is_asked_about_once(fresh: Street) -> None:
    """The operator changes what is said of personal data: everybody is asked again, and then no more."""
    await talk(fresh, [("王秀英", direct, "不上榜", "好的，积分榜不再显示您。想重新上榜请发 我要上榜。")])
    config = replace(
        fresh.house.config, features={**fresh.house.config.features, "members": Settings(consent_version="3")}
    )
    script = Script()
    newer = Street(House(config, fresh.house.books, clock=fresh.house.clock, beside=[script]), script)
    await talk(
        newer,
        [
            ("王秀英", direct, "我要上榜", "王秀英，说明有更新，请您过目：" + STATEMENT),
            ("王秀英", direct, "同意", THANKS + "好的，积分榜会显示您了。不想显示请发 不上榜。"),
            ("王秀英", direct, "不上榜", "好的，积分榜不再显示您。想重新上榜请发 我要上榜。"),
        ],
    )


@ON_SQLITE
async def test_what_is_withdrawn_counts_no_more(fresh: Street) -> None:
    await talk(fresh, [("新来的", direct, "同意", AGREED)])

    def withdraw(session: Session) -> None:
        consent = session.execute(select(Consent.member_id).where(Consent.at > november(2, 0))).one()
        withdraw_since(
            session,
            community_id=1,
            member_id=consent.member_id,
            since=november(2, 0),
            now=november(18, 0),
        )

    await fresh.house.books.write(withdraw)
    await talk(fresh, [("新来的", direct, "活动", STATEMENT_TO.format("新来的"))])


@ON_SQLITE
async def test_binding_and_acting_in_one_message_waits_for_the_answer_between(street: Street) -> None:
    heard = await street.say("zs", "绑定 张三 3栋201 1234\n报名 13")
    assert heard == "张三，绑定好了，您是3栋的居民。\n" + STATEMENT
    await talk(street, [("zs", direct, "同意", THANKS + CLINIC.format("张三", 29))])


def test_the_statement_stays_within_a_card() -> None:
    """Where it went out beside a card, its buttons would stand without it."""
    assert all(fits(consent.statement("欧阳娜", again=again)) for again in (False, True))
