"""代办: who may act for whom, how often, and whom somebody means by a name."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from models.members import Member, Neighbour, NoSuchMember, SeveralMembers, member_by_id
from models.members.family import answer_tie, ask_tie, end_ties
from models.proxies import (
    NobodyToTell,
    Proxy,
    ProxyAct,
    Right,
    Settings,
    TooManyProxies,
    WhoseRelative,
    act_for,
    find_spoken_of,
    only_relative,
    right_over,
)
from models.units import covers
from tests.ground import Ground, add_person, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING


def neighbour(session: Session, ground: Ground, name: str) -> Neighbour:
    return member_by_id(session, community_id=ground.community.id, member_id=ground.people[name])


def tie(session: Session, ground: Ground, proxy: str, name: str) -> None:
    ask_tie(session, proxy=person(session, proxy), member=neighbour(session, ground, name), now=NOW, most=5)
    answer_tie(session, member=person(session, name), number=None, agree=True, now=NOW)


def act(session: Session, ground: Ground, proxy: str, member: Neighbour, limits: Settings | None = None) -> Proxy:
    return act_for(
        session,
        proxy=person(session, proxy),
        member=member,
        act="signup",
        ref="activity:1",
        now=NOW,
        limits=limits or Settings(),
    )


async def test_family_and_those_in_charge_have_a_right_of_their_own(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        tie(session, ground, "李建国", "王秀英")

        def right(proxy: str, name: str) -> Right:
            return right_over(session, proxy=person(session, proxy), member=neighbour(session, ground, name), now=NOW)

        assert right("李建国", "王秀英") is Right.FAMILY
        # She has no say for him, and he none for his neighbours.
        assert right("王秀英", "李建国") is Right.NEIGHBOUR
        assert right("李建国", "陈美玲") is Right.NEIGHBOUR
        # 老赵 leads 3栋 and no other house; the property firm leads none.
        assert right("老赵", "王秀英") is Right.IN_CHARGE
        assert right("老赵", "孙姐") is Right.NEIGHBOUR
        assert right("张敏", "孙姐") is Right.IN_CHARGE
        assert right("刘洋", "王秀英") is Right.NEIGHBOUR
        end_ties(session, person=person(session, "王秀英"), name="李建国", now=NOW)
        assert right("李建国", "王秀英") is Right.NEIGHBOUR

    await books.write(unit)


async def test_nobody_acts_for_more_people_in_a_day_than_the_setting_allows(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        few = Settings(people_per_day=2, people_per_day_in_charge=3)
        others = [neighbour(session, ground, name) for name in ("王秀英", "陈美玲", "李建国", "老赵")]
        act(session, ground, "孙姐", others[0], few)
        act(session, ground, "孙姐", others[1], few)
        # For one of the two again is no third person.
        act(session, ground, "孙姐", others[0], few)
        with pytest.raises(TooManyProxies) as caught:
            act(session, ground, "孙姐", others[2], few)
        assert caught.value.fields == {"most": 2}
        for one in others[:3]:
            assert act(session, ground, "张敏", one, few).right is Right.IN_CHARGE
        with pytest.raises(TooManyProxies):
            act(session, ground, "张敏", others[3], few)
        assert session.scalar(select(func.count(ProxyAct.id))) == 6
        # The day is over at midnight in Shanghai.
        tomorrow = NOW + timedelta(hours=5)
        act_for(
            session, proxy=person(session, "孙姐"), member=others[2], act="signup", ref="activity:1", now=tomorrow,
            limits=few,
        )  # fmt: skip

    await books.write(unit)


async def test_somebody_without_an_account_is_spoken_for_by_family_and_those_in_charge(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        made = add_person(session, ground.community.id, "陈阿姨", ground.units["3栋2单元"], known=False)
        elder = member_by_id(session, community_id=ground.community.id, member_id=made)
        with pytest.raises(NobodyToTell) as caught:
            act(session, ground, "孙姐", elder)
        assert caught.value.fields == {"name": "陈阿姨"}
        assert act(session, ground, "老赵", elder).right is Right.IN_CHARGE

    await books.write(unit)


async def test_whom_somebody_means(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        for home, room in (("3栋2单元", "502"), ("5栋2单元", "101"), ("5栋1单元", "303")):
            add_person(session, ground.community.id, "陈阿姨", ground.units[home], known=False, room=room)

        def meant(proxy: str, name: str, room: str = "") -> Neighbour:
            return find_spoken_of(session, proxy=person(session, proxy), name=name, room=room)

        assert meant("王秀英", "孙姐").id == ground.people["孙姐"]
        # One of them lives in her house, two in that of 孙姐.
        assert covers(ground.units["3栋"].path, meant("王秀英", "陈阿姨").unit_path)
        with pytest.raises(SeveralMembers):
            meant("孙姐", "陈阿姨")
        assert meant("孙姐", "陈阿姨", "101").unit_id == ground.units["5栋2单元"].id
        for name, room in (("王五", ""), ("陈阿姨", "999"), ("", "")):
            with pytest.raises(NoSuchMember):
                meant("王秀英", name, room)

    await books.write(unit)


async def test_a_relative_is_known_by_the_only_tie(books: Books) -> None:
    def unit(session: Session) -> None:
        ground = lay(session)
        with pytest.raises(WhoseRelative):
            only_relative(session, proxy=person(session, "李建国"))
        tie(session, ground, "李建国", "王秀英")
        assert only_relative(session, proxy=person(session, "李建国")).id == ground.people["王秀英"]
        # It is he who speaks for her.
        with pytest.raises(WhoseRelative):
            only_relative(session, proxy=person(session, "王秀英"))
        tie(session, ground, "李建国", "陈美玲")
        with pytest.raises(WhoseRelative):
            only_relative(session, proxy=person(session, "李建国"))
        session.execute(
            update(Member)
            .where(Member.community_id == ground.community.id, Member.name == "陈美玲")
            .values(moved_out_at=NOW)
        )
        assert only_relative(session, proxy=person(session, "李建国")).id == ground.people["王秀英"]

    await books.write(unit)
