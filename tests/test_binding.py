"""The conversation of 绑定: a wish in a group, the proof in a direct message, and nothing that a guesser could learn."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.script import Push
from handlers import FEATURES
from handlers.language.match import Grammar, Surroundings
from models.members import Registration, WrongTry, add_member
from models.pending import Pending
from models.units import find_unit
from tests.dialogue import (
    AGREED,
    ASK_DIGITS,
    BOUND,
    CHECKING,
    ON_SQLITE,
    STRANGER,
    WAITS,
    WISH,
    WRONG,
    Spoken,
    direct,
    incoming,
    november,
    talk,
)
from tests.fakes.street import Street, muted, open_street
from tests.moments import TUESDAY_EVENING

OPEN = "请打开和我的单聊，把刚才这句话发给我。房号和手机号请不要发在群里。"
ASK_ROOM = "{}，您住{}几单元几号？请回复房号，例如 2单元501。"
BOUND_3 = BOUND.format("张三", "3栋")


# -- how people answer ----------------------------------------

GRAMMAR = Grammar(FEATURES)
REGISTER = next(command for router in FEATURES for command in router if command.intent == "register")
WORLD = Surroundings.build(bot_name="小邻", units=("3栋", "3栋1单元", "3栋2单元", "5栋"))
NAMED = {"name": "张三", "building": "3栋"}
ROOMED = {**NAMED, "room": "501"}

ANSWERS: list[tuple[dict[str, str], str, dict[str, str] | None]] = [
    (NAMED, "501", {"room": "501"}),
    (NAMED, "501室", {"room": "501"}),
    (NAMED, "1203", {"room": "1203"}),
    (NAMED, "五零一", {"room": "501"}),
    (NAMED, "我住501", {"room": "501"}),
    (NAMED, "房号是501", {"room": "501"}),
    (NAMED, "2单元501", {"building": "3栋", "unit": "2单元", "room": "501"}),
    (NAMED, "3栋2单元501", {"building": "3栋", "unit": "2单元", "room": "501"}),
    (NAMED, "三号楼二单元501谢谢", {"building": "3栋", "unit": "2单元", "room": "501"}),
    (NAMED, "3-2-501", {"building": "3栋", "unit": "2单元", "room": "501"}),
    (NAMED, "我家在5栋501", {"building": "5栋", "room": "501"}),
    (NAMED, "501 1234", {"room": "501", "digits": "1234"}),
    (NAMED, "501，尾号1234", {"room": "501", "digits": "1234"}),
    (NAMED, "1203 1234", {"room": "1203", "digits": "1234"}),
    (NAMED, "尾号1234", {"digits": "1234"}),
    (ROOMED, "1234", {"digits": "1234"}),
    (ROOMED, "0012", {"digits": "0012"}),
    (ROOMED, "尾号1234", {"digits": "1234"}),
    (ROOMED, "手机尾号是1234", {"digits": "1234"}),
    (ROOMED, "后四位 1234", {"digits": "1234"}),
    (ROOMED, "13800001234", {"digits": "1234"}),
    (ROOMED, "138 0000 1234", {"digits": "1234"}),
    (ROOMED, "我的手机号是13800001234", {"digits": "1234"}),
    (ROOMED, "一二三四", {"digits": "1234"}),
    # No answers: too short, too long, or something else said.
    (NAMED, "50", None),
    (NAMED, "今天501路公交车来了", None),
    (NAMED, "3栋停水了", None),
    (NAMED, "报名 12", None),
    (NAMED, "不记得了", None),
    (NAMED, "好的", None),
    (ROOMED, "123", None),
    (ROOMED, "12345", None),
    (ROOMED, "138000012345", None),
    (ROOMED, "我手机换了", None),
    (ROOMED, "进度 1024", None),
    (ROOMED, "2024年的事", None),
]


@pytest.mark.parametrize(("slots", "text", "adds"), ANSWERS)
def test_an_answer_fills_what_was_asked_for(slots: dict[str, Any], text: str, adds: dict[str, str] | None) -> None:
    filled = GRAMMAR.fill(REGISTER, slots, text, wanted=None, world=WORLD, now=TUESDAY_EVENING)
    assert filled == (None if adds is None else slots | adds)
    if adds is not None:
        assert GRAMMAR.could_fill(text)


# -- the conversation ----------------------------------------


async def test_a_wish_in_a_group_is_proved_in_private_step_by_step(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("zs", "3栋群", "绑定 张三 3栋", WISH),
            ("zs", direct, "1单元二零一", ASK_DIGITS),
            # What else is said meanwhile is heard for what it is.
            ("zs", direct, "今天天气真好", "没太听懂。回复 帮助 看看我能做什么。"),
            ("zs", direct, "活动", STRANGER),
            ("zs", direct, "好的", "请照刚才问的回复，不办了请回复 取消。"),
            ("zs", direct, "尾号1234", BOUND.format("张三", "3栋1单元")),
            ("zs", direct, "尾号1234", "没太听懂。回复 帮助 看看我能做什么。"),
            ("zs", direct, "好的", AGREED),
        ],
    )
    assert pushes == [Push("zs", ASK_ROOM.format("张三", "3栋"))]
    assert street.script.sent == [("zs", ASK_ROOM.format("张三", "3栋"))]


ONE_LINE = (
    "绑定 张三 3栋201 1234",
    "绑定 张三 3栋1单元201 1234",
    "绑定 张三 3-1-201 13800001234",
    "我要绑定 张三 三号楼一单元201 手机尾号1234，谢谢",
    "绑定 3栋201 张三 尾号1234",
)


@ON_SQLITE
@pytest.mark.parametrize("said", ONE_LINE)
async def test_one_line_that_says_all_is_best(street: Street, said: str) -> None:
    heard = await street.say("zs", said)
    assert heard.startswith("张三，绑定好了，您是3栋")


@ON_SQLITE
async def test_four_digits_alone_after_a_wrong_try_cost_no_other_one(street: Street) -> None:
    """张三 corrects the digits and leaves the room out: they are not taken for a room that he never named."""
    both = "请把房号和手机号后四位写在一起回复，例如 501 1234。"
    await talk(
        street,
        [
            ("zs", direct, "绑定 张三 3栋201 0000", WRONG),
            ("zs", direct, "1234", both),
            ("zs", direct, "1234", both),
            ("zs", direct, "尾号1234", ASK_ROOM.format("张三", "3栋")),
        ],
    )
    assert await street.house.books.read(lambda s: len(s.scalars(select(WrongTry.id)).all())) == 1
    await talk(street, [("zs", direct, "201", BOUND_3)])


@ON_SQLITE
async def test_a_question_ends_with_cancelling_and_with_its_time(street: Street) -> None:
    late = "等得太久了，刚才那件没有办。还要办的话，请重新发一次。"
    await talk(
        street,
        [
            ("zs", direct, "绑定 张三", "请写上楼栋，例如 绑定 张三 3栋"),
            ("zs", direct, "3栋", ASK_ROOM.format("张三", "3栋")),
            ("zs", direct, "取消", "好的，不办了。"),
            ("zs", direct, "201", "没太听懂。回复 帮助 看看我能做什么。"),
            ("zs", direct, "绑定 张三 3栋", ASK_ROOM.format("张三", "3栋")),
            november(17, 19, 36),
            ("zs", direct, "201", late),
            ("zs", direct, "201", "没太听懂。回复 帮助 看看我能做什么。"),
            # A question that somebody else was asked is not theirs to answer, nor is one asked elsewhere.
            ("zs", direct, "绑定 张三 3栋", ASK_ROOM.format("张三", "3栋")),
            ("ls", direct, "201", "没太听懂。回复 帮助 看看我能做什么。"),
            ("zs", "3栋群", "201", ""),
            # Another command takes the question's place with its own.
            ("zs", direct, "绑定 张三 5栋", ASK_ROOM.format("张三", "5栋")),
            ("zs", direct, "3栋201", ASK_DIGITS),
            ("zs", direct, "1234", BOUND_3),
        ],
    )
    # After half an hour the wish of a group is forgotten as well.
    await talk(street, [("ww", "3栋群", "绑定 王五 3栋", WISH), november(17, 20, 6), ("ww", direct, "201", late)])


@ON_SQLITE
async def test_where_the_bot_cannot_write_first_it_says_where_to_go(demo_url: str) -> None:
    street = muted(await open_street(demo_url))
    try:
        pushes = await talk(
            street,
            [
                ("zs", "3栋群", "@小邻 绑定 张三 3栋", OPEN),
                ("zs", direct, "绑定 张三 3栋", ASK_ROOM.format("张三", "3栋")),
                ("zs", direct, "201 1234", BOUND_3),
                # Or they go on there as if they had been asked.
                ("ls", "3栋群", "@小邻 绑定 李四 3栋", OPEN),
                ("ls", direct, "3栋201", ASK_DIGITS),
            ],
        )
        assert pushes == []
    finally:
        await street.house.close()


# -- nothing to be learned ----------------------------------------

PROBES = (
    ("a right name", "绑定 张三 3栋"),
    ("a right name and room", "绑定 张三 3栋201 1234"),
    ("a wrong name", "绑定 查无人 3栋"),
    ("a namesake's name", "绑定 同名 3栋"),
    ("the secretary's name", "绑定 张敏 1栋"),
    ("a neighbour with an account", "绑定 王秀英 3栋"),
    ("one's own name", "绑定 李建国 3栋"),
    ("a building that is none", "绑定 张三 44栋"),
)


@pytest.mark.parametrize("writes_first", [True, False])
@ON_SQLITE
async def test_in_a_group_every_name_is_answered_alike(demo_url: str, writes_first: bool) -> None:
    opened = await open_street(demo_url)
    street = opened if writes_first else muted(opened)
    try:
        await street.house.books.write(add_neighbours)
        answers = {
            (who, what): await street.say(who, f"@小邻 {said}", where="3栋群")
            for what, said in PROBES
            for who in ("stranger", "李建国")
        }
        assert set(answers.values()) == {WISH if writes_first else OPEN}
    finally:
        await street.house.close()


def add_neighbours(session: Session) -> None:
    """Two of one name in 3栋, whom their rooms and phones tell apart, and one whom the roster knows by name alone."""
    for name, door, room, phone in (
        ("同名", "3栋1单元", "401", "13711110001"),
        ("同名", "3栋2单元", "402", "13711110002"),
        ("老实人", "3栋1单元", "", ""),
    ):
        unit = find_unit(session, community_id=1, name=door)
        add_member(session, community_id=1, name=name, unit=unit, room=room, phone=phone, now=TUESDAY_EVENING)


WRONG_PROOFS = (
    ("a wrong room", "张三", "3栋999 1234"),
    ("wrong digits", "张三", "3栋201 9999"),
    ("nobody", "查无人", "3栋201 1234"),
    ("the secretary, her room", "张敏", "1栋101 0000"),
    ("a neighbour with an account", "王秀英", "3栋2单元501 0000"),
    ("known by name alone", "老实人", "3栋201 1234"),
    ("a namesake, the other's digits", "同名", "3栋401 0002"),
)


@ON_SQLITE
async def test_every_wrong_proof_is_answered_alike_to_the_last_word(street: Street) -> None:
    await street.house.books.write(add_neighbours)
    for number, (_, name, proof) in enumerate(WRONG_PROOFS):
        # Each on a day of its own, so that names that are tried twice are not short of tries.
        await street.until(november(18 + number, 12))
        where = proof.split(" ")[0]
        unit = where[: where.index("元") + 1] if "元" in where else where[:2]
        said = f"绑定 {name} {proof}"
        first, second, third = [await street.say(f"n{number}", said) for _ in range(3)]
        request = await street.house.books.read(
            lambda s, who=f"n{number}": s.scalar(select(Registration.number).where(Registration.external_id == who))
        )
        assert (first, second, third) == (WRONG, WRONG, WAITS.format(name, unit, request)), name
        assert await street.say(f"n{number}", "积分") == CHECKING.format(request)


@ON_SQLITE
async def test_namesakes_are_told_apart_by_their_proof_and_nobody_hears_of_the_other(street: Street) -> None:
    await street.house.books.write(add_neighbours)
    await talk(
        street,
        [
            ("one", direct, "绑定 同名 3栋", ASK_ROOM.format("同名", "3栋")),
            ("one", direct, "402 0001", WRONG),
            ("one", direct, "401 0001", BOUND.format("同名", "3栋")),
            ("two", direct, "绑定 同名 3栋2单元402 0002", BOUND.format("同名", "3栋2单元")),
            # Who speaks of them is asked for the building or the door, without a word about theirs.
            ("老赵", direct, "加分 同名 5 修灯", "叫 同名 的有2位，请写上楼栋，例如 3栋同名。"),
        ],
    )


@ON_SQLITE
async def test_the_impostor_of_the_secretary_is_reported_with_a_warning(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("imp", "3栋群", "绑定 张敏 1栋", WISH),
            ("imp", direct, "101", ASK_DIGITS),
            ("imp", direct, "0000", WRONG),
            ("imp", direct, "发布活动 周六9点 骗局 门口", STRANGER),
        ],
    )
    # There is nobody above her: she hears herself that somebody would like to be her.
    assert pushes[1:] == [
        Push(
            "张敏",
            "张敏 申请绑定为1栋101居民（1号）。"
            "\n注意：名册上这位有职务，房号或手机尾号却没有对上，谨防冒名，请务必当面核实。"
            "\n是本人请回复 通过 1，不是请回复 驳回 1 理由。",
        )
    ]
    above = "这位邻居的职务要由更高一级的同志来核对；不是本人请回复 驳回 加编号和理由。"
    await talk(
        street,
        [
            ("孙丽", direct, "通过 1 并用", above),
            ("张敏", direct, "通过 1 换号", above),
            ("张敏", direct, "驳回 1 不是我", "已驳回 1号：张敏（不是我）。"),
            # Of a request that they never heard of they hear nothing now.
            ("imp", direct, "积分", STRANGER),
        ],
    )
    assert [push for push in street.pushes if push.to == "imp"] == [Push("imp", ASK_ROOM.format("张敏", "1栋"))]


async def test_a_second_account_elsewhere_joins_the_same_person(street: Street) -> None:
    """The simulator and an official account: two namespaces, one 张三 with one balance and one consent."""
    await talk(street, [("zs", direct, "绑定 张三 3栋201 1234", BOUND_3), ("zs", direct, "同意", AGREED)])

    async def say(text: str) -> str:
        message = incoming(street, "oA-openid", text, channel="oa", namespace="oa:wx1")
        first = (await street.house.dispatcher.answer(message)).reply.text
        assert (await street.house.dispatcher.answer(message)).reply.text == first
        return first

    assert await say("报名 13") == STRANGER
    # Asked for agreement once as a person, not once an account.
    assert await say("绑定 张三 3栋201 1234") == "张三，绑定好了，您是3栋的居民。"
    assert (await say("报名 13")).startswith("已给 张三 报名「义诊」")
    assert await street.say("zs", "报名 13") == "张三 已经报过「义诊」了，不用再报。"


@ON_SQLITE
async def test_nothing_of_a_proof_is_kept(street: Street) -> None:
    await talk(
        street,
        [
            ("x", direct, "绑定 张三 3栋201 9876", WRONG),
            ("x", direct, "3栋202 13800009876", WRONG),
            ("y", direct, "绑定 查无人 3栋", ASK_ROOM.format("查无人", "3栋")),
        ],
    )

    def kept(session: Session) -> tuple[list[Any], list[Any]]:
        tries = [tuple(row) for row in session.execute(select(WrongTry.__table__))]
        questions = [row.slots for row in session.execute(select(Pending.slots))]
        return tries, questions

    tries, questions = await street.house.books.read(kept)
    assert len(tries) == 2
    assert "张三" not in repr(tries)
    assert "9876" not in repr((tries, questions))


@ON_SQLITE
async def test_guesses_in_one_message_are_counted_one_by_one(street: Street) -> None:
    heard = await street.say("x", "绑定 张三 3栋201 0001\n绑定 张三 3栋201 0002\n绑定 张三 3栋201 1234")
    assert heard == BOUND_3
    await talk(street, [("x", direct, "绑定 张三 3栋201 1234", "您已经绑定过了，是 张三。要改信息请找楼长或社区。")])
    heard = await street.say("y", "\n".join(f"绑定 李四 3栋201 000{digit}" for digit in range(4)))
    assert await street.say("y", "积分") == CHECKING.format(2)


@ON_SQLITE
async def test_at_night_wrong_tries_of_the_day_before_are_forgotten(street: Street) -> None:
    wrong: Spoken = ("x", direct, "绑定 张三 3栋201 9876", WRONG)
    await talk(street, [wrong, november(18, 4)])
    assert await count_tries(street) == 1
    await talk(street, [november(19, 4)])
    assert await count_tries(street) == 0


async def count_tries(street: Street) -> int:
    return len(await street.house.books.read(lambda s: list(s.scalars(select(WrongTry.id)))))
