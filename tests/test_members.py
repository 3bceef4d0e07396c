"""Who is who: recognised by the roster or by a person in scope, and never more than that."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bot.books import Books, savepoint
from models.members import (
    AboveOneself,
    AlreadyRegistered,
    Claim,
    Held,
    Member,
    MemberRole,
    Neighbour,
    NoSuchMember,
    NoSuchRegistration,
    Person,
    Registration,
    RegistrationState,
    RegistrationWaiting,
    Role,
    SeveralMembers,
    Standing,
    Waiting,
    claim_identity,
    decide_registration,
    find_member,
    find_people,
    give_role,
    last_rejection,
    masked,
    member_by_id,
    people_in_scope,
    waiting_registrations,
)
from tests.ground import FOUNDED, NAMESPACE, Ground, add_person, give, lay, person
from tests.moments import TUESDAY_EVENING

NOW = TUESDAY_EVENING
WAITING, APPROVED, REJECTED = RegistrationState


def claiming(
    ground: Ground,
    name: str,
    unit: str,
    *,
    account: str = "stranger",
    room: str = "",
    namespace: str = NAMESPACE,
    theirs: bool = False,
) -> Callable[[Session], Claim]:
    """Somebody says `绑定 name unit room`."""
    return lambda session: claim_identity(
        session,
        community_id=(ground.elsewhere if theirs else ground.community).id,
        namespace=namespace,
        external_id=account,
        name=name,
        unit=ground.units[unit],
        room=room,
        now=NOW,
    )


def deciding(by: str, number: int, *, approve: bool = True, reason: str = "") -> Callable[[Session], Claim]:
    return lambda session: decide_registration(
        session,
        reviewer=person(session, by),
        role=Role.BUILDING_LEAD,
        number=number,
        approve=approve,
        reason=reason,
        now=NOW,
        basis="绑定审核",
    )


def known_as(account: str, now: datetime = NOW) -> Callable[[Session], list[tuple[int, str]]]:
    return lambda session: [
        (one.community.id, one.name) for one in find_people(session, namespace=NAMESPACE, external_id=account, now=now)
    ]


async def rostered(books: Books, ground: Ground, name: str, unit: str, *, room: str = "") -> int:
    """Somebody whom the roster lists and who has no account yet."""
    return await books.write(
        lambda s: add_person(s, ground.community.id, name, ground.units[unit], known=False, room=room)
    )


# -- rules ----------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [("王秀英", "王*英"), ("老魏", "老*"), ("欧阳建国", "欧**国"), ("王", "王"), ("", "")],
)
def test_a_hidden_name_keeps_its_ends(name: str, shown: str) -> None:
    assert masked(name) == shown


def test_every_role_has_a_rank_and_the_operator_the_highest() -> None:
    assert [role for role in Role if role.rank >= Role.ADMIN.rank] == [Role.ADMIN]
    assert [role for role in Role if role.rank <= Role.RESIDENT.rank] == [Role.RESIDENT]
    assert Role.BUILDING_LEAD.rank < Role.BRANCH_SECRETARY.rank < Role.STAFF.rank < Role.SECRETARY.rank


REACH = (
    ("老赵", Role.BUILDING_LEAD, "3栋", True),
    ("老赵", Role.BUILDING_LEAD, "3栋2单元", True),
    ("老赵", Role.BUILDING_LEAD, "社区", False),
    ("老赵", Role.BUILDING_LEAD, "5栋", False),
    ("老赵", Role.BUILDING_LEAD, None, True),
    ("老赵", Role.STAFF, "3栋", False),
    ("老赵", Role.STAFF, None, False),
    ("孙丽", Role.BUILDING_LEAD, "5栋1单元", True),
    ("孙丽", Role.SECRETARY, "社区", False),
    ("张敏", Role.SECRETARY, "社区", True),
    ("张敏", Role.SECRETARY, "滨河社区", False),
    ("张敏", Role.BUILDING_LEAD, "滨河3栋", False),
    ("张敏", Role.ADMIN, None, False),
    ("王秀英", Role.RESIDENT, "5栋", True),
    ("王秀英", Role.MEMBER, "3栋2单元", False),
    ("王秀英", Role.BUILDING_LEAD, None, False),
)


async def test_a_role_reaches_as_far_as_its_unit(books: Books) -> None:
    ground = await books.write(lay)

    def look(session: Session) -> list[tuple[str, Role, str | None, bool]]:
        return [
            (name, role, unit, person(session, name).may(role, ground.units[unit].path if unit else None))
            for name, role, unit, _ in REACH
        ]

    assert await books.read(look) == list(REACH)


# -- who somebody is ----------------------------------------


async def test_a_person_comes_with_everything_that_is_known(books: Books) -> None:
    ground = await books.write(lay)
    home = ground.units["3栋1单元"]
    assert await books.read(lambda s: find_people(s, namespace=NAMESPACE, external_id="老赵", now=NOW)) == [
        Person(
            ground.people["老赵"],
            ground.community,
            "老赵",
            Standing.RESIDENT,
            home.id,
            home.path,
            False,
            None,
            (Held(Role.BUILDING_LEAD, ground.units["3栋"].path),),
        )
    ]


async def test_several_roles_are_all_held_and_the_highest_is_ones_own(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Person:
        give(session, ground.community.id, ground.people["老赵"], Role.STAFF, ground.units["5栋"])
        give(session, ground.community.id, ground.people["老赵"], Role.MEMBER, ground.units["社区"])
        return person(session, "老赵")

    found = await books.write(unit)
    assert set(found.held) == {
        Held(Role.BUILDING_LEAD, ground.units["3栋"].path),
        Held(Role.STAFF, ground.units["5栋"].path),
        Held(Role.MEMBER, ground.units["社区"].path),
    }
    assert found.role is Role.STAFF
    assert not found.may(Role.STAFF, ground.units["3栋"].path)


@pytest.mark.parametrize(
    ("since", "until", "held"),
    [
        (timedelta(0), None, True),
        (timedelta(microseconds=1), None, False),
        (-timedelta(days=1), timedelta(microseconds=1), True),
        (-timedelta(days=1), timedelta(0), False),
        (-timedelta(days=30), -timedelta(days=1), False),
    ],
)
async def test_a_role_holds_for_its_term(books: Books, since: timedelta, until: timedelta | None, held: bool) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> Role:
        give_role(
            session,
            community_id=ground.community.id,
            member_id=ground.people["王秀英"],
            role=Role.STAFF,
            unit=ground.root,
            now=NOW + since,
            by=None,
            until=None if until is None else NOW + until,
        )
        found = find_people(session, namespace=NAMESPACE, external_id="王秀英", now=NOW)
        assert len(found) == 1
        return found[0].role

    assert await books.write(unit) == (Role.STAFF if held else Role.RESIDENT)


@pytest.mark.parametrize("gone", ["moved_out_at", "forgotten_at"])
async def test_somebody_who_left_is_nobody(books: Books, gone: str) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> tuple[Any, ...]:
        session.execute(update(Member).where(Member.id == ground.people["王秀英"]).values({gone: NOW}))
        with pytest.raises(NoSuchMember):
            find_member(session, community_id=ground.community.id, name="王秀英")
        # What they did stays theirs: the books still know the name behind a row.
        named = member_by_id(session, community_id=ground.community.id, member_id=ground.people["王秀英"])
        return known_as("王秀英")(session), named.name

    assert await books.write(unit) == ([], "王秀英")


async def test_an_account_belongs_to_its_namespace(books: Books) -> None:
    await books.write(lay)
    assert await books.read(lambda s: find_people(s, namespace="wecom", external_id="王秀英", now=NOW)) == []
    assert await books.read(known_as("王秀")) == []


async def test_a_person_of_two_communities_is_two_people_each_with_their_own_roles(books: Books) -> None:
    ground = await books.write(lay)

    def unit(session: Session) -> list[tuple[str, Role]]:
        home = ground.units["滨河5栋1单元"]
        add_person(session, ground.elsewhere.id, "老赵", home)
        found = find_people(session, namespace=NAMESPACE, external_id="老赵", now=NOW)
        return [(one.community.name, one.role) for one in found]

    assert await books.write(unit) == [("锦绣社区", Role.BUILDING_LEAD), ("滨河社区", Role.RESIDENT)]


# -- finding neighbours ----------------------------------------


async def test_a_member_is_found_by_name_within_a_scope(books: Books) -> None:
    ground = await books.write(lay)
    home = ground.units["3栋2单元"]
    found = Neighbour(ground.people["王秀英"], "王秀英", home.id, home.path, False)

    def find(name: str, within: str = "") -> Callable[[Session], Neighbour]:
        path = ground.units[within].path if within else ""
        return lambda s: find_member(s, community_id=ground.community.id, name=name, within=path)

    for scope in ("", "社区", "3栋", "3栋2单元"):
        assert await books.read(find("王秀英", scope)) == found
    for name, scope in (("王秀英", "5栋"), ("王秀英", "3栋1单元"), ("王秀", ""), ("%", ""), ("", "")):
        with pytest.raises(NoSuchMember) as caught:
            await books.read(find(name, scope))
        assert caught.value.fields == {"name": name}


async def test_namesakes_are_refused_unless_a_scope_tells_them_apart(books: Books) -> None:
    ground = await books.write(lay)
    other = await rostered(books, ground, "王秀英", "5栋1单元")

    def find(within: str) -> Callable[[Session], Neighbour]:
        return lambda s: find_member(
            s, community_id=ground.community.id, name="王秀英", within=ground.units[within].path
        )

    with pytest.raises(SeveralMembers) as caught:
        await books.read(find("社区"))
    assert caught.value.fields == {"name": "王秀英", "count": 2}
    assert (await books.read(find("5栋"))).id == other
    assert (await books.read(find("3栋"))).id == ground.people["王秀英"]


async def test_another_communitys_people_are_never_seen(books: Books) -> None:
    ground = await books.write(lay)
    ours, theirs = ground.community.id, ground.elsewhere.id
    assert (await books.read(lambda s: find_member(s, community_id=theirs, name="王五"))).id == ground.people["王五"]
    with pytest.raises(NoSuchMember):
        await books.read(lambda s: find_member(s, community_id=ours, name="王五"))
    with pytest.raises(NoSuchMember):
        await books.read(lambda s: member_by_id(s, community_id=ours, member_id=ground.people["王五"]))
    with pytest.raises(NoSuchMember):
        await books.read(lambda s: find_member(s, community_id=theirs, name="王秀英"))
    assert await books.read(known_as("王五")) == [(theirs, "王五")]
    wang = await books.read(lambda s: person(s, "王五"))
    assert wang.role is Role.SECRETARY
    assert not any(wang.may(role, ground.root.path) for role in Role if role is not Role.RESIDENT)


async def test_those_nearest_to_a_unit_are_asked_first(books: Books) -> None:
    ground = await books.write(lay)

    def asked(unit: str, role: Role) -> Callable[[Session], list[str]]:
        return lambda s: [
            one.name
            for one in people_in_scope(
                s, community_id=ground.community.id, path=ground.units[unit].path, role=role, now=NOW
            )
        ]

    assert await books.read(asked("3栋2单元", Role.BUILDING_LEAD)) == ["老赵"]
    assert await books.read(asked("5栋", Role.BUILDING_LEAD)) == ["老魏"]
    assert await books.read(asked("社区", Role.BUILDING_LEAD)) == ["张敏", "孙丽"]
    assert await books.read(asked("3栋2单元", Role.SECRETARY)) == ["张敏"]
    assert await books.read(asked("3栋2单元", Role.ADMIN)) == []
    # A role that is over, or a person who has gone, asks nobody's attention.
    await books.write(
        lambda s: s.execute(update(MemberRole).where(MemberRole.member_id == ground.people["老赵"]).values(until=NOW))
    )
    assert await books.read(asked("3栋2单元", Role.BUILDING_LEAD)) == ["张敏", "孙丽"]
    await books.write(
        lambda s: s.execute(update(Member).where(Member.id == ground.people["张敏"]).values(moved_out_at=NOW))
    )
    assert await books.read(asked("3栋2单元", Role.BUILDING_LEAD)) == ["孙丽"]


# -- 绑定 ----------------------------------------


@pytest.mark.parametrize(("unit", "room"), [("3栋", ""), ("3栋2单元", ""), ("3栋", "502"), ("3栋2单元", "502")])
async def test_one_free_match_with_the_roster_binds_at_once(books: Books, unit: str, room: str) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋2单元", room="502")
    claim = await books.write(claiming(ground, "张三", unit, room=room))
    assert claim == Claim(1, APPROVED, member_id, "张三", ground.units[unit])
    assert await books.read(known_as("stranger")) == [(ground.community.id, "张三")]
    assert (await books.read(lambda s: person(s, "stranger"))).role is Role.RESIDENT


@pytest.mark.parametrize(
    ("unit", "room"),
    [
        ("5栋", ""),  # another building
        ("3栋1单元", ""),  # another door
        ("3栋", "501"),  # another room
        ("社区", ""),  # no address at all
    ],
)
async def test_a_claim_that_does_not_fit_the_roster_waits(books: Books, unit: str, room: str) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋2单元", room="502")
    claim = await books.write(claiming(ground, "张三", unit, room=room))
    assert claim == Claim(1, WAITING, None, "张三", ground.units[unit])
    assert await books.read(known_as("stranger")) == []


async def test_namesakes_wait(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    second = await rostered(books, ground, "张三", "3栋2单元")
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is WAITING
    # Who says at which door is told apart.
    claim = await books.write(claiming(ground, "张三", "3栋2单元", account="another"))
    assert (claim.state, claim.member_id) == (APPROVED, second)


@pytest.mark.parametrize(
    ("role", "until", "state"),
    [
        (Role.MEMBER, None, APPROVED),
        (Role.PROPERTY, None, WAITING),
        (Role.OWNERS_COMMITTEE, None, WAITING),
        (Role.BUILDING_LEAD, None, WAITING),
        (Role.SECRETARY, None, WAITING),
        (Role.SECRETARY, timedelta(microseconds=1), WAITING),
        (Role.SECRETARY, timedelta(0), APPROVED),
    ],
)
async def test_somebody_with_a_role_is_not_handed_over_by_a_name(
    books: Books, role: Role, until: timedelta | None, state: RegistrationState
) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(
        lambda s: give_role(
            s,
            community_id=ground.community.id,
            member_id=member_id,
            role=role,
            unit=ground.root,
            now=FOUNDED,
            by=None,
            until=None if until is None else NOW + until,
        )
    )
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is state


async def test_a_role_that_begins_later_waits_as_well(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(
        lambda s: give_role(
            s,
            community_id=ground.community.id,
            member_id=member_id,
            role=Role.SECRETARY,
            unit=ground.root,
            now=NOW + timedelta(days=30),
            by=None,
        )
    )
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is WAITING


async def test_somebody_with_an_account_is_not_handed_over(books: Books) -> None:
    ground = await books.write(lay)
    assert (await books.write(claiming(ground, "王秀英", "3栋"))).state is WAITING
    # In another namespace the same person may have one more account.
    claim = await books.write(claiming(ground, "王秀英", "3栋", namespace="wecom"))
    assert (claim.state, claim.member_id) == (APPROVED, ground.people["王秀英"])


@pytest.mark.parametrize("gone", ["moved_out_at", "forgotten_at"])
async def test_somebody_who_left_is_not_handed_over(books: Books, gone: str) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(lambda s: s.execute(update(Member).where(Member.id == member_id).values({gone: NOW})))
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is WAITING


async def test_another_communitys_roster_is_no_match(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    claim = await books.write(claiming(ground, "张三", "滨河3栋", theirs=True))
    assert (claim.number, claim.state) == (1, WAITING)
    # Waiting there is no reason to wait here.
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is APPROVED


async def test_asking_twice_is_refused_with_what_stands(books: Books) -> None:
    ground = await books.write(lay)
    waiting = await books.write(claiming(ground, "赵六", "3栋"))
    with pytest.raises(RegistrationWaiting) as caught:
        await books.write(claiming(ground, "赵六", "5栋"))
    assert caught.value.fields == {"number": waiting.number}
    with pytest.raises(AlreadyRegistered) as known:
        await books.write(claiming(ground, "赵六", "3栋", account="王秀英"))
    assert known.value.fields == {"name": "王秀英"}
    # Whoever is somebody elsewhere may still become somebody here.
    assert (await books.write(claiming(ground, "赵六", "3栋", account="王五"))).state is WAITING


async def test_of_many_who_claim_one_person_at_once_one_becomes_them(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    claims = await asyncio.gather(
        *(books.write(claiming(ground, "张三", "3栋", account=f"a{number}")) for number in range(16))
    )
    assert sorted(claim.number for claim in claims) == list(range(1, 17))
    assert [claim.member_id for claim in claims if claim.state is APPROVED] == [member_id]


async def test_one_account_that_claims_many_times_at_once_is_heard_once(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    results = await asyncio.gather(
        *(books.write(claiming(ground, "张三", "3栋")) for _ in range(8)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AlreadyRegistered"] * 7 + ["Claim"]
    assert await books.read(lambda s: s.scalar(select(func.count()).select_from(Registration))) == 1


# -- 审核 ----------------------------------------


MAY_DECIDE = {
    ("老赵", "3栋"): True,
    ("老赵", "3栋2单元"): True,
    ("老赵", "5栋"): False,
    ("老赵", "社区"): False,
    ("老魏", "3栋"): False,
    ("孙丽", "5栋"): True,
    ("张敏", "社区"): True,
    ("刘洋", "3栋"): False,
    ("王秀英", "3栋2单元"): False,
    ("王五", "3栋"): False,
}


async def test_a_claim_is_decided_by_somebody_in_scope(books: Books) -> None:
    ground = await books.write(lay)
    accounts = {unit: f"stranger of {unit}" for _, unit in MAY_DECIDE}
    claims = {
        unit: await books.write(claiming(ground, "赵六", unit, room="101", account=account))
        for unit, account in accounts.items()
    }

    def listed(session: Session, reviewer: str) -> list[Waiting]:
        return waiting_registrations(session, reviewer=person(session, reviewer), role=Role.BUILDING_LEAD)

    for (reviewer, unit), may in MAY_DECIDE.items():
        claim, where = claims[unit], ground.units[unit]
        seen = {one.number: one for one in await books.read(lambda s, r=reviewer: listed(s, r))}  # type: ignore[misc]
        assert (claim.number in seen) is may, (reviewer, unit)
        if may:
            assert seen[claim.number] == Waiting(
                seen[claim.number].id, claim.number, "赵六", where.name, where.path, "101", NOW
            )
            continue
        for approve in (True, False):
            with pytest.raises(NoSuchRegistration) as caught:
                await books.write(deciding(reviewer, claim.number, approve=approve))
            assert caught.value.fields == {"number": claim.number}
        assert await books.read(known_as(accounts[unit])) == []
    for (reviewer, unit), may in MAY_DECIDE.items():
        if not may:
            continue
        claim = claims[unit]
        done = await books.write(deciding(reviewer, claim.number))
        assert (done.number, done.state, done.name, done.unit) == (claim.number, APPROVED, "赵六", ground.units[unit])
        assert await books.read(known_as(accounts[unit])) == [(ground.community.id, "赵六")]
        with pytest.raises(NoSuchRegistration):
            await books.write(deciding(reviewer, claim.number))


async def test_an_approved_newcomer_is_put_on_the_roster_as_a_resident(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋", room="101"))
    done = await books.write(deciding("老赵", claim.number))

    def look(session: Session) -> tuple[Any, ...]:
        row = session.execute(select(Member).where(Member.id == done.member_id)).scalar_one()
        kept = session.execute(select(Registration)).scalar_one()
        return (
            (row.community_id, row.unit_id, row.name, row.standing, row.room, row.basis, row.since),
            (kept.state, kept.member_id, kept.decided_by, kept.decided_at, kept.reason),
            person(session, "stranger").role,
        )

    assert await books.read(look) == (
        (ground.community.id, ground.units["3栋"].id, "赵六", "resident", "101", "绑定审核", NOW),
        (APPROVED, done.member_id, ground.people["老赵"], NOW, ""),
        Role.RESIDENT,
    )


async def test_an_approved_claim_binds_to_the_one_on_the_roster(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room="201")
    claim = await books.write(claiming(ground, "张三", "3栋", room="210"))
    done = await books.write(deciding("老赵", claim.number))
    assert done.member_id == member_id


async def test_an_approved_claim_takes_no_account_over(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "王秀英", "3栋"))
    done = await books.write(deciding("老赵", claim.number))
    assert done.member_id not in (None, ground.people["王秀英"])
    assert await books.read(known_as("王秀英")) == [(ground.community.id, "王秀英")]


async def test_a_rejection_says_why_and_lets_one_ask_again(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元", room="201")
    claim = await books.write(claiming(ground, "张三", "3栋", room="999"))
    done = await books.write(deciding("老赵", claim.number, approve=False, reason="房号不对"))
    assert done == Claim(claim.number, REJECTED, None, "张三", ground.units["3栋"])
    assert await books.read(known_as("stranger")) == []

    def rejection(session: Session) -> str | None:
        return last_rejection(session, namespace=NAMESPACE, external_id="stranger")

    assert await books.read(rejection) == "房号不对"
    again = await books.write(claiming(ground, "张三", "3栋", room="201"))
    assert (again.number, again.state) == (claim.number + 1, APPROVED)
    assert await books.read(rejection) is None


@pytest.mark.parametrize(
    ("reviewer", "role", "scope", "binds"),
    [
        ("老赵", Role.RESIDENT, "社区", True),
        ("老赵", Role.MEMBER, "社区", True),
        ("老赵", Role.GROUP_LEADER, "3栋", False),  # as high as the reviewer's own
        ("老赵", Role.STAFF, "3栋", False),
        ("老赵", Role.PROPERTY, "物业", False),  # lower, and yet beyond the reviewer's scope
        ("老赵", Role.PROPERTY, "3栋", True),
        ("孙丽", Role.GROUP_LEADER, "3栋", True),
        ("孙丽", Role.SECRETARY, "社区", False),
        ("张敏", Role.PROPERTY, "物业", True),
        ("张敏", Role.STAFF, "社区", True),
        ("张敏", Role.SECRETARY, "社区", False),
    ],
)
async def test_a_reviewer_lets_nobody_in_above_themselves_or_beyond_their_scope(
    books: Books, reviewer: str, role: Role, scope: str, binds: bool
) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room="201")
    await books.write(lambda s: give(s, ground.community.id, member_id, role, ground.units[scope]))
    claim = await books.write(claiming(ground, "张三", "3栋", room="999"))
    assert claim.state is WAITING
    if binds:
        assert (await books.write(deciding(reviewer, claim.number))).member_id == member_id
        return
    with pytest.raises(AboveOneself) as caught:
        await books.write(deciding(reviewer, claim.number))
    assert caught.value.fields == {"role": role}
    assert await books.read(known_as("stranger")) == []
    # It still waits, and may be turned down.
    assert (await books.write(deciding(reviewer, claim.number, approve=False))).state is REJECTED


async def test_a_high_role_elsewhere_does_not_help_a_reviewer_here(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room="201")

    def unit(session: Session) -> None:
        give(session, ground.community.id, ground.people["老赵"], Role.STAFF, ground.units["5栋"])
        give(session, ground.community.id, member_id, Role.GROUP_LEADER, ground.units["3栋"])

    await books.write(unit)
    claim = await books.write(claiming(ground, "张三", "3栋", room="999"))
    with pytest.raises(AboveOneself):
        await books.write(deciding("老赵", claim.number))


async def test_two_reviewers_at_once_decide_once(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋"))
    results = await asyncio.gather(
        *(books.write(deciding(name, claim.number)) for name in ("老赵", "孙丽", "张敏") * 3), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Claim"] + ["NoSuchRegistration"] * 8
    assert len(await books.read(known_as("stranger"))) == 1


async def test_two_claims_approved_at_once_do_not_share_one_person(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room="201")
    numbers = [
        (await books.write(claiming(ground, "张三", "3栋", account=f"a{n}", room="999"))).number for n in range(8)
    ]
    done = await asyncio.gather(*(books.write(deciding("张敏", number)) for number in numbers))
    ids = [claim.member_id for claim in done]
    assert len(set(ids)) == 8
    assert member_id in ids


# -- roles ----------------------------------------


MAY_GIVE = (
    (None, Role.ADMIN, "社区", True),
    ("张敏", Role.SECRETARY, "社区", True),
    ("张敏", Role.ADMIN, "社区", False),
    ("张敏", Role.BUILDING_LEAD, "滨河3栋", False),
    ("孙丽", Role.STAFF, "5栋", True),
    ("孙丽", Role.SECRETARY, "5栋", False),
    ("老赵", Role.BUILDING_LEAD, "3栋", True),
    ("老赵", Role.GROUP_LEADER, "3栋2单元", True),
    ("老赵", Role.BUILDING_LEAD, "5栋", False),
    ("老赵", Role.BUILDING_LEAD, "社区", False),
    ("老赵", Role.BRANCH_SECRETARY, "3栋", False),
    ("王秀英", Role.MEMBER, "3栋2单元", False),
    ("王五", Role.MEMBER, "社区", False),
)


async def test_nobody_gives_a_role_above_their_own_or_beyond_their_scope(books: Books) -> None:
    ground = await books.write(lay)

    def give_one(session: Session, by: str | None, role: Role, unit: str) -> bool:
        """Gives 陈美玲 the role and takes it back."""
        try:
            with savepoint(session, "one"):
                give_role(
                    session,
                    community_id=ground.community.id,
                    member_id=ground.people["陈美玲"],
                    role=role,
                    unit=ground.units[unit],
                    now=NOW,
                    by=person(session, by) if by else None,
                )
                assert person(session, "陈美玲").held == (Held(role, ground.units[unit].path),)
                raise GivenAndTakenBack
        except AboveOneself as refusal:
            assert refusal.fields == {"role": role}
            return False
        except GivenAndTakenBack:
            return True

    def unit(session: Session) -> list[tuple[str | None, Role, str, bool]]:
        return [(by, role, where, give_one(session, by, role, where)) for by, role, where, _ in MAY_GIVE]

    assert await books.write(unit) == list(MAY_GIVE)


class GivenAndTakenBack(Exception):
    """Ends a savepoint whose effect was seen."""
