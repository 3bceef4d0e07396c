"""家人: nobody speaks for anybody without a say, and either side ends it at any time."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.books import Books
from bot.script import Push
from models import accounts
from models.base import Refusal
from models.members import Neighbour, Role, find_member, member_by_id
from models.members.family import (
    FamilyTie,
    ForOneself,
    NoSuchTie,
    OwnTie,
    Tie,
    TiedAlready,
    TieState,
    TooManyTies,
    answer_tie,
    ask_tie,
    decide_tie,
    end_ties,
    lapse_ties,
    may_speak_for,
    waiting_ties,
)
from models.members.family import Ground as TieGround
from models.verify import violations
from tests.dialogue import ON_SQLITE, direct, talk
from tests.fakes.street import Street
from tests.ground import Ground, add_person, give, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
NOBODY = "没有找到这位家人，或没有等您答复的事。看看有谁请发 家人。"


def neighbour(session: Session, ground: Ground, name: str) -> Neighbour:
    return member_by_id(session, community_id=ground.community.id, member_id=ground.people[name])


def asked(session: Session, ground: Ground, proxy: str, member: str, most: int = 5) -> Tie:
    return ask_tie(session, proxy=person(session, proxy), member=neighbour(session, ground, member), now=NOW, most=most)


def speaks(session: Session, ground: Ground, proxy: str, member: str, now: datetime = NOW) -> bool:
    return may_speak_for(
        session,
        community_id=ground.community.id,
        proxy_id=ground.people[proxy],
        member_id=ground.people[member],
        now=now,
    )


async def test_who_is_spoken_for_has_said_so(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        assert speaks(session, ground, "李建国", "李建国")
        tie = asked(session, ground, "李建国", "王秀英")
        assert (tie.ground, tie.state) == (TieGround.OWN_SAY, TieState.ASKED)
        # Asking is no say; neither is what somebody else says, a secretary least of all.
        assert not speaks(session, ground, "李建国", "王秀英")
        with pytest.raises(NoSuchTie):
            answer_tie(session, member=person(session, "陈美玲"), number=tie.number, agree=True, now=NOW)
        with pytest.raises(NoSuchTie):
            answer_tie(session, member=person(session, "李建国"), number=tie.number, agree=True, now=NOW)
        with pytest.raises(NoSuchTie):
            decide_tie(
                session, reviewer=person(session, "张敏"), role=Role.STAFF, number=tie.number, agree=True, now=NOW
            )
        answer_tie(session, member=person(session, "王秀英"), number=None, agree=True, now=NOW)
        assert speaks(session, ground, "李建国", "王秀英")
        # For her; she not for him.
        assert not speaks(session, ground, "王秀英", "李建国")
        assert not speaks(session, ground, "李建国", "王秀英", NOW - timedelta(seconds=1))
        (ended,) = end_ties(session, person=person(session, "王秀英"), name="李建国", now=NOW)
        assert ended.state is TieState.LIVE
        assert not speaks(session, ground, "李建国", "王秀英")
        assert violations(session) == []
        row = session.execute(select(FamilyTie)).scalar_one()
        assert (row.since, row.ended_at, row.decided_by, row.ended_by, row.ground) == (
            NOW,
            NOW,
            ground.people["王秀英"],
            ground.people["王秀英"],
            "own_say",
        )

    await books.write(unit)


async def test_for_who_has_no_account_somebody_in_scope_vouches(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        mother = add_person(session, ground.community.id, "李奶奶", ground.units["3栋2单元"], known=False)
        ground.people["李奶奶"] = mother
        tie = asked(session, ground, "李建国", "李奶奶")
        assert tie.ground is TieGround.VOUCHED
        lead = {"role": Role.BUILDING_LEAD, "number": tie.number, "now": NOW}
        # 老魏 leads another building; 陈美玲 leads none.
        for name in ("老魏", "陈美玲"):
            assert waiting_ties(session, reviewer=person(session, name), role=Role.BUILDING_LEAD) == []
            with pytest.raises(NoSuchTie):
                decide_tie(session, reviewer=person(session, name), agree=True, **lead)
        # Nobody vouches for themselves, whatever they are.
        give(session, ground.community.id, ground.people["李建国"], Role.BUILDING_LEAD, ground.units["3栋"])
        assert waiting_ties(session, reviewer=person(session, "李建国"), role=Role.BUILDING_LEAD) == []
        with pytest.raises(OwnTie):
            decide_tie(session, reviewer=person(session, "李建国"), agree=True, **lead)
        assert [one.number for one in waiting_ties(session, reviewer=person(session, "老赵"), role=lead["role"])] == [
            tie.number
        ]
        decide_tie(session, reviewer=person(session, "老赵"), agree=True, **lead)
        assert speaks(session, ground, "李建国", "李奶奶")
        assert violations(session) == []

    await books.write(unit)


async def test_merged_people_keep_their_family(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        asked(session, ground, "李建国", "王秀英")
        answer_tie(session, member=person(session, "王秀英"), number=None, agree=True, now=NOW)
        (keeper,) = accounts.candidates(session, community_id=ground.community.id, number=ground.people["何叔"])
        (other,) = accounts.candidates(session, community_id=ground.community.id, number=ground.people["王秀英"])
        done = accounts.merge(session, keeper=keeper, other=other, by=person(session, "张敏"), now=NOW)
        assert speaks(session, ground, "李建国", "何叔")
        accounts.split(session, number=done.number, by=person(session, "张敏"), now=NOW, companions_max=5)
        assert not speaks(session, ground, "李建国", "何叔")
        assert speaks(session, ground, "李建国", "王秀英")
        assert violations(session) == []

    await books.write(unit)


REFUSED: list[tuple[str, str, type[Refusal]]] = [
    ("王秀英", "王秀英", ForOneself),
    ("王秀英", "李建国", TiedAlready),
    ("王秀英", "孙姐", TooManyTies),
    ("孙姐", "李建国", TooManyTies),
]


@pytest.mark.parametrize(("proxy", "member", "refusal"), REFUSED)
async def test_who_may_not_be_asked(books: Books, proxy: str, member: str, refusal: type[Refusal]) -> None:
    """王秀英 has asked 李建国 and 何叔, two are the most; 李建国 was asked by 陈美玲 as well."""

    def unit(session: Session) -> None:
        ground = lay(session)
        for one, other in (("王秀英", "李建国"), ("王秀英", "何叔"), ("陈美玲", "李建国")):
            asked(session, ground, one, other, most=2)
        with pytest.raises(refusal):
            asked(session, ground, proxy, member, most=2)

    await books.write(unit)


async def test_a_question_that_nobody_answers_lapses(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        asked(session, ground, "李建国", "王秀英")
        asked(session, ground, "李建国", "何叔")
        answer_tie(session, member=person(session, "何叔"), number=None, agree=True, now=NOW)
        later = NOW + timedelta(days=15)
        lapse = {"community_id": ground.community.id, "now": later, "limit": 500}
        assert lapse_ties(session, before=NOW, **lapse) == 0
        assert lapse_ties(session, before=later - timedelta(days=14), **lapse) == 1
        assert [speaks(session, ground, "李建国", name, later) for name in ("王秀英", "何叔")] == [False, True]
        assert find_member(session, community_id=ground.community.id, name="王秀英")
        # Asked again it is a new question.
        asked(session, ground, "李建国", "王秀英")
        assert violations(session) == []

    await books.write(unit)


async def test_family_in_the_chat(street: Street) -> None:
    ended = "已解除您和 {} 的家人关系，互相不能再代办。"
    foot = "不想要了随时发 解除家人 加姓名。"
    asked_her = Push(
        "王秀英",
        "李建国 想做您的家人，以后可以替您报名、签到。\n愿意请回复 愿意 {0}，不愿意请回复 不愿意 {0}。",
    )
    pushes = await talk(
        street,
        [
            ("李建国", "3栋群", "@小邻 家人 王秀英", "这件事请私聊我说：打开和我的单聊，发 家人 王秀英。"),
            ("陌生人", direct, "家人 王秀英", "我还不认识您。请发 绑定 姓名 楼栋，例如 绑定 张三 3栋。"),
            ("李建国", direct, "家人", "您还没有登记家人。要替家人办事，请发 家人 加姓名，例如 家人 王秀英。"),
            ("李建国", direct, "家人 李建国", "自己的事直接说就行，不用登记家人。"),
            ("李建国", direct, "家人 3栋王秀英", "已问 王秀英，同意了我就告诉您（1号）。"),
            (
                "李建国",
                direct,
                "家人 王秀英",
                "您和 王秀英 已经登记过或正在等答复（1号），不用再发。看看有谁请发 家人。",
            ),
            ("李建国", direct, "家人", f"等答复的：王秀英。\n{foot}"),
            ("李建国", direct, "撤销", "已撤回对 王秀英 的家人申请。"),
            ("王秀英", direct, "愿意 1", NOBODY),
            ("李建国", direct, "家人 王秀英", "已问 王秀英，同意了我就告诉您（2号）。"),
            ("陈美玲", direct, "愿意 2", NOBODY),
            ("王秀英", direct, "不愿意", "好的，没有同意 李建国。"),
            ("王秀英", direct, "撤销", "已撤回答复，李建国 的申请（2号）还等您回复。"),
            ("王秀英", direct, "愿意", "好的，李建国 现在可以替您办事了。\n不想要了随时发 解除家人 李建国。"),
            ("王秀英", direct, "家人", f"可以替您办事的：李建国。\n{foot}"),
            ("李建国", direct, "家人", f"您可以替他们办事：王秀英。\n{foot}"),
            ("李建国", direct, "解除家人 查无人", NOBODY),
            ("王秀英", direct, "解除家人 李建国", ended.format("李建国")),
            ("王秀英", direct, "撤销", "已恢复您和 李建国 的家人关系。"),
            ("李建国", direct, "解除家人 王秀英", ended.format("王秀英")),
            ("李建国", direct, "家人", "您还没有登记家人。要替家人办事，请发 家人 加姓名，例如 家人 王秀英。"),
        ],
    )
    assert pushes == [
        Push("王秀英", asked_her.text.format(1)),
        Push("王秀英", asked_her.text.format(2)),
        Push("李建国", "王秀英 没有同意做您的家人。"),
        Push("李建国", "王秀英 同意了，您现在可以替对方办事了。"),
        Push("李建国", "王秀英 解除了和您的家人关系，互相不能再代办。"),
        Push("王秀英", "李建国 解除了和您的家人关系，互相不能再代办。"),
    ]


@ON_SQLITE
async def test_a_building_lead_vouches_by_the_numbers_of_the_review(street: Street) -> None:
    pushes = await talk(
        street,
        [
            ("李建国", direct, "家人 张三", "张三 没有账号，已请楼长或社区核实，有结果我会告诉您（1号）。"),
            (
                "老赵",
                direct,
                "审核",
                "等您看的有1件：\n1号 家人 李建国 替 张三（对方没有账号）\n"
                "同意请回复 通过 1，不同意请回复 驳回 1 理由。",
            ),
            ("老赵", direct, "驳回 1 不是一家人", "已驳回 1号：李建国 不能替 张三 办事（不是一家人）。"),
            ("老赵", direct, "通过 1", "没有等您看的1号。看看有哪些，请发 审核。"),
            ("李建国", direct, "家人 张三", "张三 没有账号，已请楼长或社区核实，有结果我会告诉您（2号）。"),
            ("孙丽", direct, "通过 2", "已通过 2号：李建国 可以替 张三 办事了，记下了是您核实的。"),
            ("李建国", direct, "家人", "您可以替他们办事：张三（社区核实）。\n不想要了随时发 解除家人 加姓名。"),
        ],
    )
    assert [push.to for push in pushes] == ["老赵", "李建国", "老赵", "李建国"]
    assert pushes[1].text == "替 张三 办事的申请（1号）没有通过：不是一家人。"
    assert pushes[3].text == "核实好了，您现在可以替 张三 办事了。"
