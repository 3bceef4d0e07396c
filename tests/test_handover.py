"""转岗 as it is talked about: offered, taken, refused, taken back, forgotten; the slot is never empty nor doubled."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.script import Push
from models.handover import Handover
from models.members import Member
from models.posts import Claim, ClaimState, Post
from tests.dialogue import ON_SQLITE, count_rows, direct, grown, november, silence, talk
from tests.fakes.street import Street, deaf_to, muted

ASKED = "已问 {}，同意了我就告诉您。没答复前，3号「治安巡逻岗」还是您的。"
NOTICE = "{} 想把 3号「治安巡逻岗」交给您，11月20日 周五 19:30前答复都行。\n愿意请回复 接岗 3，不方便请回复 不接岗 3。"
TAKEN = "好的，3号「治安巡逻岗」现在是您的了，谢谢！\n做了事请发 履职 3 加做了什么。"
NOTHING = "现在没有人要把岗位转给您。看看有哪些岗位，请发 岗位。"


def holders(number: int) -> Any:
    """Who holds a post."""

    def unit(session: Session) -> list[str]:
        return list(
            session.scalars(
                select(Member.name)
                .join(Claim, Claim.member_id == Member.id)
                .join(Post, Claim.post_id == Post.id)
                .where(Post.number == number, Claim.ended_at.is_(None), Claim.state == ClaimState.HELD)
                .order_by(Claim.id)
            )
        )

    return unit


async def test_a_post_goes_from_hand_to_hand_and_back_within_ten_minutes(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("何叔", direct, "转岗 3 李建国", ASKED.format("李建国")),
            ("何叔", direct, "转岗 3 周敏", "已经问过 李建国 了，还在等答复。要改问别人，请先发 取消转岗 3。"),
            ("李建国", "3栋群", "接岗 3", TAKEN),
            ("李建国", direct, "接岗 3", NOTHING),
            ("何叔", direct, "履职 3 巡了", "3号「治安巡逻岗」不是您的岗位，记不了。认领请发 认领 3。"),
        ],
    )
    assert pushes == [
        Push("李建国", NOTICE.format("何叔")),
        Push("何叔", "李建国 接了您的 3号「治安巡逻岗」，谢谢您这段时间的付出！"),
        Push("孙丽", "3号「治安巡逻岗」由 何叔 转给了 李建国。"),
    ]
    assert await street.house.books.read(holders(3)) == ["李建国"]
    pushes = await talk(
        street,
        [("李建国", direct, "撤销", "已撤销接岗，3号「治安巡逻岗」还是 何叔 的。"), ("李建国", direct, "接岗", TAKEN)],
    )
    assert pushes[:2] == [
        Push("何叔", "李建国 撤销了接岗，3号「治安巡逻岗」又是您的了。"),
        Push("孙丽", "3号「治安巡逻岗」没有转给 李建国，还是 何叔 的。"),
    ]
    # A pass of the post moved nobody's place: one slot is still free, and each claim says why it ended.
    assert await street.house.books.read(holders(3)) == ["李建国"]


async def test_who_is_asked_may_say_no_and_think_again(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("何叔", "3栋群", "@小邻 把3号岗交给李建国", ASKED.format("李建国")),
            ("李建国", direct, "不接岗", "好的，没有接 3号「治安巡逻岗」，还是 何叔 的。"),
            ("李建国", direct, "撤销", "已撤回答复，3号「治安巡逻岗」接不接还等您回复。"),
            ("李建国", direct, "不接岗 3", "好的，没有接 3号「治安巡逻岗」，还是 何叔 的。"),
            ("何叔", direct, "转岗 周敏", ASKED.format("周敏")),
            ("李建国", direct, "撤销", "这件事已经过去了，没有等您答复的转岗。"),
            ("何叔", direct, "取消转岗", "已撤回，3号「治安巡逻岗」还是您的。"),
            ("周敏", direct, "接岗 3", NOTHING),
        ],
    )
    declined = "李建国 这次不方便接 3号「治安巡逻岗」，岗位还是您的。\n想问别人请发 转岗 3 加姓名。"
    assert pushes[0] == Push("李建国", NOTICE.format("何叔"))
    assert pushes[1] == Push("何叔", declined)
    assert pushes[-1] == Push("周敏", "何叔 不转 3号「治安巡逻岗」了，不用答复。")
    assert await street.house.books.read(holders(3)) == ["何叔"]


@ON_SQLITE
@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("转岗 3 何叔", "这个岗位已经是您的了，要转请写别人的姓名。"),
        ("转岗 3 张无忌", "没有找到 张无忌。请写全名，或请楼长帮忙看看名册。"),
        ("转岗 4 李建国", "4号「环保护绿岗」不是您的岗位，记不了。认领请发 认领 4。"),
        ("转岗", "转给谁？例如 转岗 3 李建国\n比如：转岗 3 李建国"),
        ("转岗 3", "转给谁？例如 转岗 3 李建国"),
        ("交给 3栋李建国", ASKED.format("李建国")),
    ],
)
async def test_an_offer_that_cannot_be_is_refused_in_one_sentence(street: Street, said: str, heard: str) -> None:
    assert await street.say("何叔", said) == heard


@ON_SQLITE
async def test_in_a_group_talk_about_giving_something_to_somebody_is_talk(street: Street) -> None:
    before = await count_rows(street.house)
    await talk(
        street,
        [("何叔", "3栋群", "钥匙交给李建国吧", silence), ("何叔", "3栋群", "交给李建国", silence)],
    )
    assert grown(before, await count_rows(street.house)) == {}


@ON_SQLITE
async def test_an_offer_that_nobody_answers_ends_by_itself(street: Street) -> None:
    await street.say("何叔", "转岗 3 李建国")
    pushes = [push for push in await street.until(november(20, 19, 30)) if "治安巡逻岗" in push.text]
    assert pushes == [Push("何叔", "李建国 一直没有答复，3号「治安巡逻岗」还是您的。\n想问别人请发 转岗 3 加姓名。")]
    await talk(
        street,
        [
            ("李建国", direct, "接岗 3", NOTHING),
            ("何叔", direct, "撤销", "最近10分钟里没有可以撤销的事。时间久了请找楼长或社区帮忙改。"),
        ],
    )


@ON_SQLITE
async def test_whom_the_offer_does_not_reach_has_not_been_silent(street: Street) -> None:
    deaf = deaf_to(street, "李建国")
    await deaf.say("何叔", "转岗 3 李建国")
    pushes = [
        push for push in await deaf.until(november(20, 19, 30)) if push.to == "何叔" and "治安巡逻岗" in push.text
    ]
    assert pushes == [
        Push(
            "何叔",
            "李建国 那里我没有发到，3号「治安巡逻岗」还是您的。\n见到了请让 TA 加我；想问别人请发 转岗 3 加姓名。",
        )
    ]


@ON_SQLITE
async def test_who_leaves_the_post_otherwise_has_nothing_to_hand_over(street: Street) -> None:
    await street.say("何叔", "转岗 3 李建国")
    await street.say("何叔", "退岗 3")
    await talk(street, [("李建国", direct, "接岗 3", NOTHING)])
    assert [push for push in await street.until(november(20, 20)) if "没有答复" in push.text] == []
    states = await street.house.books.read(lambda s: list(s.scalars(select(Handover.state))))
    assert states == ["taken_back"]


@ON_SQLITE
async def test_where_the_bot_only_answers_the_other_one_is_asked_by_the_giver(street: Street) -> None:
    quiet = muted(street)
    await talk(
        quiet,
        [
            (
                "何叔",
                direct,
                "转岗 3 李建国",
                "请让 李建国 对我说 接岗 3，同意了才算。没答复前，3号「治安巡逻岗」还是您的。",
            ),
            ("李建国", direct, "接岗 3", TAKEN),
        ],
    )


@ON_SQLITE
async def test_who_waited_for_the_post_and_gets_it_by_name_leaves_their_place_to_the_next(street: Street) -> None:
    for name in ("王秀英", "李建国", "陈美玲"):
        await street.say(name, "认领 7")
    await street.say("王秀英", "转岗 7 陈美玲")
    reply = await street.say("陈美玲", "接岗 7")
    assert reply == "好的，7号「下水道维修岗」现在是您的了，谢谢！\n做了事请发 履职 7 加做了什么。"
    assert await street.house.books.read(holders(7)) == ["陈美玲"]
    waiting = await street.house.books.read(
        lambda s: s.scalar(select(func.count()).where(Claim.ended_at.is_(None), Claim.state == ClaimState.WAITING))
    )
    assert waiting == 1
