"""The rules of posts on both databases, and what is read of a post that somebody writes down."""

from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from bot.books import Books
from handlers.language.normalise import normalise
from handlers.language.posts import category_of, read_changes, read_post
from models import posts
from models.clock import SHANGHAI
from models.members import Neighbour
from models.posts import Claimed, ClaimState, Ended, Plan, PostHere, Why, months_later
from models.verify import violations
from tests.ground import Ground, lay
from tests.language.street import NOW as TUESDAY
from tests.moments import TUESDAY_EVENING as NOW

# -- what is written of a post ----------------------------------------

UNTIL = datetime(2027, 1, 1, tzinfo=SHANGHAI)

WRITTEN: list[tuple[str, dict[str, Any]]] = [
    ("图书管理岗", {"title": "图书管理岗"}),
    ("图书管理岗 活动室 2人", {"title": "图书管理岗", "place": "活动室", "slots": 2}),
    ("门岗 两个名额 每周两次 体力活", {"title": "门岗", "slots": 2, "frequency": "每周两次", "demand": "heavy"}),
    ("时间银行岗 3分 任期半年", {"title": "时间银行岗", "points": 3, "term_months": 6}),
    ("门岗 一年半 要审批 要确认", {"title": "门岗", "term_months": 18, "approval": True, "confirms": True}),
    ("门岗 长期 先到先得 按规则", {"title": "门岗", "term_months": 0, "approval": False, "by_rule": True}),
    ("门岗 到12月31日", {"title": "门岗", "term_ends_at": UNTIL}),
    ("门岗 任期:到2026年12月31日", {"title": "门岗", "term_ends_at": UNTIL}),
    ("门岗，地点：北门；负责人王秀英", {"title": "门岗", "place": "北门", "leader": "王秀英"}),
    ("门岗 职责 看门，登记来人 2人", {"title": "门岗", "duty": "看门，登记来人", "slots": 2}),
    ("门岗 门禁8812 3分", {"title": "门岗", "details": "门禁8812", "points": 3}),
    ("门岗 内部说明 钥匙在门卫室，门禁 A12#", {"title": "门岗", "details": "钥匙在门卫室,门禁 A12#"}),
    ("门岗 服务队 红马甲服务队 范围 3栋", {"title": "门岗", "squad": "红马甲服务队", "unit": "3栋"}),
    ("门岗\n职责：看门\n频次：每晚\n名额：3", {"title": "门岗", "duty": "看门", "frequency": "每晚", "slots": 3}),
    ("门岗 北门 说好的 事情", {"title": "门岗", "place": "北门", "rest": "说好的 事情"}),
    ("门岗 名额 很多", {"title": "门岗", "place": "名额 很多"}),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_what_is_written_of_a_post_is_read(text: str, expected: dict[str, Any]) -> None:
    said = read_post(normalise(text, ()).text, TUESDAY)
    assert {name: getattr(said, name) for name in said.__dataclass_fields__ if getattr(said, name)} | {
        name: value for name in said.__dataclass_fields__ if (value := getattr(said, name)) in (False, 0)
    } == expected


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("名额 3 地点 北门", {"slots": 3, "place": "北门"}),
    ("名称改为 夜巡岗", {"title": "夜巡岗"}),
    ("负责人改成孙丽 5分", {"leader": "孙丽", "points": 5}),
    ("换个地方", {"rest": "换个地方"}),
]


@pytest.mark.parametrize(("text", "expected"), CHANGES, ids=[text for text, _ in CHANGES])
def test_a_change_names_what_it_changes(text: str, expected: dict[str, Any]) -> None:
    said = read_changes(normalise(text, ()).text, TUESDAY)
    assert {name: value for name in said.__dataclass_fields__ if (value := getattr(said, name))} == expected


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("治安巡逻岗", "巡逻"),
        ("环保护绿岗", "环保"),
        ("门栋关照岗", "关照"),
        ("下水道维修岗", "维修"),
        ("读报岗", "其他"),
    ],
)
def test_a_title_tells_its_category(title: str, category: str) -> None:
    assert category_of(title) == category


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 11, 17), 12, date(2027, 11, 17)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
    ],
)
def test_a_term_ends_on_the_same_day_or_the_last_of_the_month(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


# -- who holds a post ----------------------------------------


class Yard:
    """A post among the few people of the ground, and what they do about it, each step in a unit of its own."""

    def __init__(self, books: Books, ground: Ground, post: PostHere) -> None:
        self.books, self.ground, self.post = books, ground, post

    async def claim(self, name: str) -> Claimed:
        who = self.ground.people[name]
        return await self.books.write(
            lambda session: posts.claim(session, post=self.post, member_id=who, made_by=who, now=NOW)
        )

    async def together(self, name: str, partner: str, *, agreed: bool = False) -> Claimed:
        return await self.books.write(
            lambda session: posts.claim_together(
                session, post=self.post, member_id=self.ground.people[name], partner_id=self.ground.people[partner],
                partner_name=partner, agreed=agreed, now=NOW, answer_hours=72,
            )
        )  # fmt: skip

    async def leave(self, name: str) -> Ended:
        return await self.books.write(
            lambda session: posts.release(
                session, post=self.post, member_id=self.ground.people[name], by=None, why=Why.RELEASED, now=NOW,
                offer_hours=72,
            )
        )  # fmt: skip

    async def states(self) -> dict[str, str]:
        def read(session: Session) -> dict[str, str]:
            names = {number: name for name, number in self.ground.people.items()}
            return {names[one.member_id]: one.state.value for one in posts.live_claims(session, self.post)}

        return await self.books.read(read)

    async def wrong(self) -> list[str]:
        return [one.name for one in await self.books.read(violations)]


async def yard(books: Books, plan: Plan) -> Yard:
    def unit(session: Session) -> tuple[Ground, PostHere]:
        ground = lay(session)
        return ground, posts.publish_post(
            session, community_id=ground.community.id, unit=ground.root, plan=plan, made_by=None, now=NOW
        )

    return Yard(books, *await books.write(unit))


async def test_a_slot_is_held_waited_for_offered_and_accepted(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    assert (await at.claim("王秀英")).claim.state is ClaimState.HELD
    again = await at.claim("王秀英")
    assert (again.changed, again.claim.state) == (False, ClaimState.HELD)
    waiting = await at.claim("李建国")
    assert (waiting.claim.state, waiting.place) == (ClaimState.WAITING, 1)
    assert (await at.claim("陈美玲")).place == 2
    ended = await at.leave("王秀英")
    assert [offer.member_id for offer in ended.offers] == [at.ground.people["李建国"]]
    # The slot is kept: whoever comes now waits behind.
    assert (await at.claim("王秀英")).place == 2
    assert await at.states() == {"李建国": "offered", "陈美玲": "waiting", "王秀英": "waiting"}
    assert (await at.claim("李建国")).claim.state is ClaimState.HELD
    assert await at.wrong() == []


async def test_an_undone_leaving_takes_an_offer_back_but_no_accepted_slot(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    await at.claim("王秀英")
    await at.claim("李建国")

    async def back(claim_id: int) -> posts.Resumed:
        return await books.write(
            lambda session: posts.resume(
                session, community_id=at.ground.community.id, claim_id=claim_id, now=NOW, offer_hours=72,
                partner_claim=None,
            )
        )  # fmt: skip

    resumed = await back((await at.leave("王秀英")).claim.id)
    assert resumed.revoked == at.ground.people["李建国"]
    assert await at.states() == {"王秀英": "held", "李建国": "waiting"}
    left = await at.leave("王秀英")
    await at.claim("李建国")
    with pytest.raises(posts.TakenMeanwhile):
        await back(left.claim.id)
    assert await at.wrong() == []


async def test_two_together_need_two_slots_and_stand_or_fall_together(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 3))
    await at.claim("孙姐")
    await at.together("王秀英", "李建国")
    # The question keeps no slot: somebody else is quicker, and then there is no room for two.
    await at.claim("陈美玲")
    with pytest.raises(posts.NoRoomForTwo):
        await at.claim("李建国")
    await at.leave("陈美玲")
    both = await at.claim("李建国")
    assert both.partner is not None
    assert await at.states() == {"孙姐": "held", "王秀英": "held", "李建国": "held"}
    assert (await at.leave("李建国")).stays == at.ground.people["王秀英"]
    assert await at.wrong() == []


async def test_who_speaks_for_the_other_one_claims_for_both_at_once(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 2))
    both = await at.together("王秀英", "李建国", agreed=True)
    assert both.partner is not None
    assert both.claim.member_id == at.ground.people["王秀英"]
    assert await at.states() == {"王秀英": "held", "李建国": "held"}
    assert await at.wrong() == []


async def test_two_who_apply_together_are_decided_about_as_one(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 2, claiming=posts.Claiming.APPROVAL))
    await at.together("王秀英", "李建国")
    await at.claim("李建国")
    assert await at.states() == {"王秀英": "applied", "李建国": "applied"}

    def decide(session: Session) -> list[posts.ClaimHere]:
        (one,) = posts.applications(session, community_id=at.ground.community.id)
        assert (one.name, one.partner_name) == ("王秀英", "李建国")
        with pytest.raises(posts.OwnApplication):
            posts.decide(session, application=one, by=at.ground.people["李建国"], agree=True, reason="", now=NOW)
        return posts.decide(session, application=one, by=at.ground.people["张敏"], agree=True, reason="", now=NOW)

    assert [one.state for one in await books.write(decide)] == [ClaimState.HELD] * 2
    assert await at.wrong() == []


async def test_an_application_of_two_falls_with_the_first_who_leaves(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 2, claiming=posts.Claiming.APPROVAL))
    await at.together("王秀英", "李建国")
    await at.claim("李建国")
    ended = await at.leave("李建国")
    assert ended.partner is not None
    assert ended.partner.member_id == at.ground.people["王秀英"]
    assert await at.states() == {}
    assert await at.wrong() == []


async def test_who_waits_applies_where_a_post_comes_to_be_decided_about(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    for name in ("王秀英", "李建国"):
        await at.claim(name)

    def change(session: Session) -> None:
        plan = Plan("门岗", "巡逻", 1, claiming=posts.Claiming.APPROVAL)
        posts.change_post(session, post=at.post, plan=plan, now=NOW, offer_hours=72)

    await books.write(change)
    assert await at.states() == {"王秀英": "held", "李建国": "applied"}
    assert await at.wrong() == []


async def test_a_post_whose_term_is_over_is_not_claimed(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1, term_ends_at=UNTIL))
    with pytest.raises(posts.PostOver):
        await books.write(
            lambda session: posts.claim(session, post=at.post, member_id=1, made_by=None, now=UNTIL)
        )  # fmt: skip


async def test_another_communitys_post_is_not_there(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    with pytest.raises(posts.NoSuchPost):
        await books.read(
            lambda session: posts.find_post(session, community_id=at.ground.elsewhere.id, number=at.post.number)
        )


async def test_whoever_is_in_charge_is_found_from_the_leader_upwards(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    people = at.ground.people

    async def who(plan: Plan, *without: str) -> str:
        def unit(session: Session) -> Neighbour | None:
            post, _ = posts.change_post(session, post=at.post, plan=plan, now=NOW, offer_hours=72)
            return posts.who_decides(session, post=post, now=NOW, without=[people[name] for name in without])

        found = await books.write(unit)
        return found.name if found else ""

    led = Plan("门岗", "巡逻", 1, leader_id=people["王秀英"])
    assert await who(led) == "王秀英"
    assert await who(led, "王秀英") == "张敏"
    assert await who(Plan("门岗", "巡逻", 1)) == "张敏"
    assert await who(Plan("门岗", "巡逻", 1), "张敏") == ""


# -- people who change ----------------------------------------


async def test_claims_of_who_leaves_end_and_their_slots_are_offered(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    await at.claim("王秀英")
    await at.claim("李建国")
    await at.claim("陈美玲")
    left = await books.write(
        lambda session: posts.end_all(
            session, community_id=at.ground.community.id,
            member_ids=[at.ground.people[name] for name in ("王秀英", "李建国")], why=Why.LEFT, now=NOW, offer_hours=72,
        )
    )  # fmt: skip
    # Nobody is told of an offer who lost their own place a moment later.
    assert [offer.member_id for one in left for offer in one.offers] == [at.ground.people["陈美玲"]]
    assert await at.states() == {"陈美玲": "offered"}
    assert await at.wrong() == []


async def test_posts_go_over_with_a_merge_and_come_back_with_its_split(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 3))
    keeper, other = at.ground.people["王秀英"], at.ground.people["陈美玲"]
    await at.claim("李建国")
    await at.together("孙姐", "陈美玲")
    await at.claim("陈美玲")
    ours = at.ground.community.id

    def lead(session: Session) -> None:
        plan = Plan("门岗", "巡逻", 3, leader_id=other)
        posts.change_post(session, post=at.post, plan=plan, now=NOW, offer_hours=72)

    await books.write(lead)
    taken = await books.write(
        lambda session: posts.take_over(session, community_id=ours, giver=other, taker=keeper, by=1, now=NOW)
    )
    assert await at.states() == {"李建国": "held", "孙姐": "held", "王秀英": "held"}
    assert (await books.read(lambda s: posts.find_post(s, community_id=ours, number=1))).leader_id == keeper
    await books.write(
        lambda session: posts.give_back(
            session, community_id=ours, moved=taken.moved, keeper=keeper, other=other, now=NOW
        )
    )
    assert await at.states() == {"李建国": "held", "孙姐": "held", "陈美玲": "held"}
    assert (await books.read(lambda s: posts.find_post(s, community_id=ours, number=1))).leader_id == other
    assert await at.wrong() == []


async def test_of_two_claims_of_one_person_the_better_one_stays(books: Books) -> None:
    at = await yard(books, Plan("门岗", "巡逻", 1))
    await at.claim("陈美玲")
    await at.claim("王秀英")
    await at.claim("李建国")
    keeper, other = at.ground.people["王秀英"], at.ground.people["陈美玲"]
    taken = await books.write(
        lambda session: posts.take_over(
            session, community_id=at.ground.community.id, giver=other, taker=keeper, by=1, now=NOW
        )
    )
    assert await at.states() == {"王秀英": "held", "李建国": "waiting"}
    assert taken.offers == ()
    assert await at.wrong() == []
