"""Where two features meet: what neither of them is asked alone, and what neighbours do every week all the same."""

from models.ledger import Currency, balance_of
from models.members import find_member
from tests.dialogue import ON_SQLITE, direct, november, talk
from tests.fakes.street import Street

AFTER = november(22, 12, 10)
"""The health consultation (13) is over."""


async def held(street: Street, name: str, currency: Currency) -> int:
    """What somebody has in the books."""
    return await street.house.books.read(
        lambda session: balance_of(
            session,
            community_id=1,
            member_id=find_member(session, community_id=1, name=name).id,
            currency=currency,
        )
    )


async def test_hours_that_were_vouched_for_stand_again_where_a_later_word_is_taken_back(street: Street) -> None:
    await talk(street, [AFTER])
    before = [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)]
    await talk(
        street,
        [
            ("张敏", direct, "补签 13 孙姐", "已给 孙姐 补签「义诊」，记服务时长 2小时（组织者证明）。"),
            (
                "张敏",
                direct,
                "时长 13 孙姐 9小时",
                "孙姐 已经有组织者证明的2小时了，再多就超过活动的时长，不用再记。",
            ),
        ],
    )
    made_up = [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)]
    assert made_up == [before[0] + 120, before[1] + 5]
    await talk(
        street,
        [
            (
                "张敏",
                direct,
                "时长 13 孙姐 1小时",
                "已给 孙姐 记「义诊」服务时长 1小时（组织者证明），积分+1。",
            ),
            ("张敏", direct, "撤销", "已撤销 孙姐 的「义诊」时长。"),
        ],
    )
    assert [await held(street, "孙姐", one) for one in (Currency.VOUCHED_MINUTES, Currency.POINTS)] == made_up
