"""Who is who: recognised by the roster or by a person in scope, and never more than that."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from bot.books import Books
from models.database import savepoint
from models.directory import Identity
from models.members import (
    AboveOneself,
    AlreadyRegistered,
    Claim,
    Consent,
    Decision,
    HasAccount,
    Held,
    Joining,
    LastWord,
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
    Why,
    WrongTry,
    answer_statement,
    claim_identity,
    decide_registration,
    find_member,
    find_people,
    forget_registrations,
    give_role,
    last_word,
    masked,
    member_by_id,
    people_in_scope,
    reopen_registration,
    reviewers_of,
    waiting_registrations,
)
from models.members.proof import TRIES
from models.verify import violations
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
    room: str = "201",
    digits: str = "1234",
    namespace: str = NAMESPACE,
    theirs: bool = False,
    now: datetime = NOW,
) -> Callable[[Session], Claim]:
    """Somebody says `绑定 name unit room digits`."""
    return lambda session: claim_identity(
        session,
        community_id=(ground.elsewhere if theirs else ground.community).id,
        namespace=namespace,
        external_id=account,
        name=name,
        unit=ground.units[unit],
        room=room,
        digits=digits,
        now=now,
    )


async def waiting(
    books: Books, ground: Ground, name: str, unit: str, *, account: str = "stranger", **said: Any
) -> Claim:
    """Somebody who cannot prove it tries until they wait for a person."""
    for _ in range(TRIES):
        claim = await books.write(claiming(ground, name, unit, account=account, **said))
        if claim.state is WAITING:
            break
    assert claim.state is WAITING
    return claim


def deciding(
    by: str, number: int, *, approve: bool = True, reason: str = "", joining: Joining | None = None
) -> Callable[[Session], Decision]:
    return lambda session: decide_registration(
        session,
        reviewer=person(session, by),
        role=Role.BUILDING_LEAD,
        number=number,
        approve=approve,
        reason=reason,
        now=NOW,
        basis="绑定审核",
        joining=joining,
    )


def known_as(account: str, now: datetime = NOW) -> Callable[[Session], list[tuple[int, str]]]:
    return lambda session: [
        (one.community.id, one.name) for one in find_people(session, namespace=NAMESPACE, external_id=account, now=now)
    ]


async def rostered(
    books: Books, ground: Ground, name: str, unit: str, *, room: str = "201", phone: str = "13800001234"
) -> int:
    """Somebody whom the roster lists and who has no account yet."""
    return await books.write(
        lambda s: add_person(s, ground.community.id, name, ground.units[unit], known=False, room=room, phone=phone)
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


@pytest.mark.parametrize("unit", ["3栋", "3栋2单元"])
async def test_a_right_proof_binds_at_once(books: Books, unit: str) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋2单元", room="502")
    claim = await books.write(claiming(ground, "张三", unit, room="502"))
    assert claim == Claim(1, APPROVED, member_id, "张三", ground.units[unit], proved=True)
    assert await books.read(known_as("stranger")) == [(ground.community.id, "张三")]
    assert (await books.read(lambda s: person(s, "stranger"))).role is Role.RESIDENT


async def test_whoever_the_roster_lists_by_the_building_lives_at_each_of_its_doors(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋")
    assert (await books.write(claiming(ground, "张三", "5栋2单元"))).state is None
    assert (await books.write(claiming(ground, "张三", "3栋2单元"))).member_id == member_id


@pytest.mark.parametrize(
    ("name", "unit", "room", "digits"),
    [
        ("张三", "5栋", "502", "1234"),  # another building
        ("张三", "3栋1单元", "502", "1234"),  # another door
        ("张三", "3栋", "501", "1234"),  # another room
        ("张三", "3栋", "502", "1235"),  # other digits
        ("张三", "社区", "502", "1234"),  # no address at all
        ("李四", "3栋", "502", "1234"),  # nobody
    ],
)
async def test_what_was_wrong_nobody_hears_and_the_third_time_it_waits(
    books: Books, name: str, unit: str, room: str, digits: str
) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋2单元", room="502")
    claim = claiming(ground, name, unit, room=room, digits=digits)
    heard = [await books.write(claim) for _ in range(TRIES)]
    assert heard[:2] == [Claim(0, None, None, name, ground.units[unit])] * 2
    assert (heard[2].number, heard[2].state, heard[2].filed) == (1, WAITING, True)
    assert await books.read(known_as("stranger")) == []
    # From now on it waits, also with the right proof: that could have been found by trying.
    for again in (claim, claiming(ground, "张三", "3栋", room="502")):
        with pytest.raises(RegistrationWaiting) as caught:
            await books.write(again)
        assert caught.value.fields == {"number": 1}


async def test_wrong_tries_count_for_a_day(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    wrong = [
        await books.write(claiming(ground, "张三", "3栋", digits="0000", now=NOW + timedelta(hours=hours)))
        for hours in (0, 23, 24)
    ]
    assert [claim.state for claim in wrong] == [None, None, None]
    right = await books.write(claiming(ground, "张三", "3栋", now=NOW + timedelta(hours=25)))
    assert (right.state, right.member_id) == (APPROVED, member_id)
    assert await books.read(lambda s: s.scalar(select(func.count()).select_from(WrongTry))) == 0


@pytest.mark.parametrize("name", ["张三", "查无此人"])
async def test_nobody_guesses_about_one_name_by_many_accounts(books: Books, name: str) -> None:
    """Whether there is somebody of that name makes no difference, or else it could be found out."""
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    states = [
        (await books.write(claiming(ground, name, "3栋", account=f"a{number}", digits=f"000{number}"))).state
        for number in range(5)
    ]
    assert states == [None, None, WAITING, WAITING, WAITING]
    # The person themself has to wait as well, and is let in by somebody who knows them.
    assert (await books.write(claiming(ground, name, "3栋", account="own"))).state is WAITING
    # Another name is another matter.
    assert (await books.write(claiming(ground, "李四", "3栋", account="b"))).state is None


async def test_two_who_guess_at_once_are_both_counted(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    claims = await asyncio.gather(
        *(books.write(claiming(ground, "张三", "3栋", account=f"a{number}", digits="0000")) for number in range(8))
    )
    assert [claim.state for claim in claims].count(None) == TRIES - 1


async def test_where_the_roster_proves_nobody_everybody_waits_at_once(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元", phone="")
    for number, name in enumerate(("张三", "李四"), 1):
        claim = await books.write(claiming(ground, name, "3栋", account=name))
        assert (claim.number, claim.state) == (number, WAITING)


@pytest.mark.parametrize(("room", "phone"), [("", ""), ("201", ""), ("", "13800001234")])
async def test_whom_the_roster_cannot_prove_a_person_looks_at_though_they_do_not_hear_it(
    books: Books, room: str, phone: str
) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room=room, phone=phone)
    await rostered(books, ground, "李四", "3栋1单元")
    claim = await books.write(claiming(ground, "张三", "3栋"))
    assert claim == Claim(1, None, member_id, "张三", ground.units["3栋"], Why.SPARSE, filed=True)
    # Asked for once, however often they try.
    again = await books.write(claiming(ground, "张三", "3栋"))
    assert (again.number, again.state, again.filed) == (1, None, False)
    assert (await books.write(deciding("老赵", 1))).member_id == member_id


async def test_namesakes_are_told_apart_by_what_only_they_know(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    second = await rostered(books, ground, "张三", "3栋2单元", room="302", phone="13900005678")
    assert (await books.write(claiming(ground, "张三", "3栋", digits="5678"))).state is None
    claim = await books.write(claiming(ground, "张三", "3栋", room="302", digits="5678", account="another"))
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
async def test_somebody_with_a_role_is_not_handed_over_by_a_proof(
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
    claim = await books.write(claiming(ground, "张三", "3栋"))
    assert (claim.state, claim.why) == (state, Why.OFFICE if state is WAITING else None)


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


async def test_an_impostor_of_somebody_with_a_role_is_looked_at_at_once_and_does_not_hear_it(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(lambda s: give(s, ground.community.id, member_id, Role.SECRETARY, ground.root))
    claim = await books.write(claiming(ground, "张三", "3栋", digits="0000"))
    assert (claim.state, claim.why, claim.proved, claim.filed) == (None, Why.OFFICE, False, True)
    # With a room that is not theirs it is a wrong try like any other.
    other = await books.write(claiming(ground, "张三", "3栋", room="999", account="another"))
    assert other == Claim(0, None, None, "张三", ground.units["3栋"])


async def test_somebody_with_an_account_is_not_handed_over_in_its_namespace(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(claiming(ground, "张三", "3栋"))
    claim = await books.write(claiming(ground, "张三", "3栋", account="second"))
    assert (claim.state, claim.why, claim.proved) == (WAITING, Why.SECOND, True)
    # In another namespace the same person may have one more account.
    claim = await books.write(claiming(ground, "张三", "3栋", namespace="wecom"))
    assert (claim.state, claim.member_id) == (APPROVED, member_id)


@pytest.mark.parametrize("gone", ["moved_out_at", "forgotten_at"])
async def test_somebody_who_left_is_not_handed_over(books: Books, gone: str) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(lambda s: s.execute(update(Member).where(Member.id == member_id).values({gone: NOW})))
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is None


async def test_another_communitys_roster_is_no_match(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元")
    claim = await books.write(claiming(ground, "张三", "滨河3栋", theirs=True))
    assert (claim.number, claim.state) == (1, WAITING)
    # Waiting there is no reason to wait here.
    assert (await books.write(claiming(ground, "张三", "3栋"))).state is APPROVED


async def test_who_is_somebody_already_is_told_so(books: Books) -> None:
    ground = await books.write(lay)
    with pytest.raises(AlreadyRegistered) as known:
        await books.write(claiming(ground, "赵六", "3栋", account="王秀英"))
    assert known.value.fields == {"name": "王秀英"}
    # Whoever is somebody elsewhere may still become somebody here.
    assert (await books.write(claiming(ground, "赵六", "3栋", account="王五"))).state is WAITING


async def test_a_right_proof_ends_the_waiting(books: Books) -> None:
    """They mistook the door at first; a day later they look it up."""
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await waiting(books, ground, "张三", "5栋")
    claim = await books.write(claiming(ground, "张三", "3栋", now=NOW + timedelta(days=1)))
    assert (claim.number, claim.state, claim.member_id) == (1, APPROVED, member_id)


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


async def test_what_was_rejected_is_not_kept_for_long(books: Books) -> None:
    ground = await books.write(lay)
    for name in ("赵六", "钱七"):
        await waiting(books, ground, name, "3栋", account=name)
    await books.write(deciding("老赵", 1, approve=False, reason="不认识"))

    def forget(days: int) -> Callable[[Session], list[str]]:
        def unit(session: Session) -> list[str]:
            now = NOW + timedelta(days=days)
            forget_registrations(
                session, community_id=ground.community.id, rejected_before=now - timedelta(days=30), now=now
            )
            return list(session.scalars(select(Registration.name).order_by(Registration.id)))

        return unit

    assert await books.write(forget(30)) == ["赵六", "钱七"]
    assert await books.write(forget(31)) == ["钱七"]


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
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    claim = await waiting(books, ground, "张三", "3栋", room="210")
    done = await books.write(deciding("老赵", claim.number))
    assert (done.member_id, done.made) == (member_id, False)


async def accounts(books: Books, name: str) -> list[str]:
    return await books.read(
        lambda s: list(
            s.scalars(
                select(Identity.external_id)
                .join(Member, Identity.member_id == Member.id)
                .where(Member.name == name, Member.moved_out_at.is_(None))
                .order_by(Identity.external_id)
            )
        )
    )


@pytest.mark.parametrize(
    ("joining", "speaks", "people"),
    [
        (Joining.MOVE, ["stranger"], 1),
        (Joining.JOIN, ["stranger", "王秀英"], 1),
        (Joining.APART, ["stranger", "王秀英"], 2),
    ],
)
async def test_a_second_account_does_what_the_reviewer_says_and_back(
    books: Books, joining: Joining, speaks: list[str], people: int
) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "王秀英", "3栋"))
    assert claim.why is Why.SECOND
    with pytest.raises(HasAccount) as caught:
        await books.write(deciding("老赵", claim.number))
    assert caught.value.fields == {"number": claim.number, "name": "王秀英"}
    done = await books.write(deciding("老赵", claim.number, joining=joining))
    assert await accounts(books, "王秀英") == speaks

    def called(session: Session) -> int:
        named = Member.name == "王秀英"
        return session.scalar(select(func.count()).where(named, Member.moved_out_at.is_(None))) or 0

    assert await books.read(called) == people
    await books.write(reopening("老赵", done))
    assert (await accounts(books, "王秀英"), await books.read(called)) == (["王秀英"], 1)
    assert [one.number for one in await books.read(listed_for("老赵"))] == [claim.number]


def reopening(by: str, done: Decision, now: datetime = NOW) -> Callable[[Session], Decision]:
    return lambda session: reopen_registration(
        session,
        reviewer=person(session, by),
        number=done.number,
        made=done.made,
        replaced=list(done.replaced),
        now=now,
    )


def listed_for(reviewer: str) -> Callable[[Session], list[Waiting]]:
    return lambda session: waiting_registrations(session, reviewer=person(session, reviewer), role=Role.BUILDING_LEAD)


@pytest.mark.parametrize("approve", [True, False])
async def test_a_decision_is_taken_back_by_whoever_made_it_and_made_again(books: Books, approve: bool) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋"))
    done = await books.write(deciding("老赵", claim.number, approve=approve, reason="不认识"))
    if approve:
        await books.write(lambda s: agree_now(s, ground, done.member_id or 0))
    for other in ("张敏", "老魏"):
        with pytest.raises(NoSuchRegistration):
            await books.write(reopening(other, done))
    await books.write(reopening("老赵", done))
    assert await books.read(known_as("stranger")) == []
    assert [one.number for one in await books.read(listed_for("老赵"))] == [claim.number]
    # What was agreed to in between was agreed to by somebody else.
    assert await books.read(lambda s: list(s.scalars(select(Consent.version).where(STANDING)))) == []
    with pytest.raises(NoSuchRegistration):
        await books.write(reopening("老赵", done))
    assert (await books.write(deciding("张敏", claim.number))).state is APPROVED
    assert await books.read(known_as("stranger")) == [(ground.community.id, "赵六")]
    assert await books.read(violations) == []


STANDING = and_(Consent.withdrawn_at.is_(None), Consent.at >= NOW)


def agree_now(session: Session, ground: Ground, member_id: int) -> None:
    answer_statement(session, community_id=ground.community.id, member_id=member_id, version="1", agreed=True, now=NOW)


async def test_a_rejection_that_was_followed_by_a_new_request_stands(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋"))
    done = await books.write(deciding("老赵", claim.number, approve=False))
    await books.write(claiming(ground, "赵六", "5栋"))
    with pytest.raises(NoSuchRegistration):
        await books.write(reopening("老赵", done))


async def test_a_rejection_says_why_and_lets_one_ask_again(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋", room="999"))
    done = await books.write(deciding("老赵", claim.number, approve=False, reason="房号不对"))
    assert (done.number, done.state, done.member_id, done.heard) == (claim.number, REJECTED, None, True)
    assert await books.read(known_as("stranger")) == []

    def heard(session: Session) -> LastWord | None:
        return last_word(session, community_id=ground.community.id, namespace=NAMESPACE, external_id="stranger")

    assert await books.read(heard) == LastWord(claim.number, REJECTED, "房号不对")
    again = await books.write(claiming(ground, "赵六", "3栋"))
    assert (again.number, again.state) == (claim.number + 1, WAITING)
    assert await books.read(heard) == LastWord(again.number, WAITING, "")


async def test_whoever_did_not_hear_that_they_wait_does_not_hear_that_they_were_rejected(books: Books) -> None:
    ground = await books.write(lay)
    await rostered(books, ground, "张三", "3栋1单元", phone="")
    await rostered(books, ground, "李四", "3栋1单元")
    claim = await books.write(claiming(ground, "张三", "3栋"))
    assert claim.state is None
    assert not (await books.write(deciding("老赵", claim.number, approve=False))).heard
    assert (
        await books.read(
            lambda s: last_word(s, community_id=ground.community.id, namespace=NAMESPACE, external_id="stranger")
        )
        is None
    )


@pytest.mark.parametrize(
    ("role", "scope", "asked"),
    [
        (None, "", ["老赵"]),
        (Role.BUILDING_LEAD, "3栋", ["张敏", "孙丽"]),
        (Role.PROPERTY, "3栋", ["老赵"]),
        (Role.STAFF, "社区", ["张敏"]),
        (Role.SECRETARY, "社区", ["张敏", "张三"]),
    ],
)
async def test_of_somebody_with_a_role_those_above_them_hear(
    books: Books, role: Role | None, scope: str, asked: list[str]
) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    if role is not None:
        await books.write(lambda s: give(s, ground.community.id, member_id, role, ground.units[scope]))
    claim = await books.write(claiming(ground, "张三", "3栋", room="201", digits="0000"))
    if role is None:
        claim = await waiting(books, ground, "张三", "3栋", digits="0000")
    assert claim.why is not None
    found = await books.read(
        lambda s: reviewers_of(
            s,
            community_id=ground.community.id,
            unit=claim.unit,
            member_id=claim.member_id,
            why=claim.why or Why.UNPROVED,
            now=NOW,
        )
    )
    assert [one.name for one in found] == asked


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
    member_id = await rostered(books, ground, "张三", "3栋1单元")
    await books.write(lambda s: give(s, ground.community.id, member_id, role, ground.units[scope]))
    claim = await waiting(books, ground, "张三", "3栋", room="999")
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
    claim = await waiting(books, ground, "张三", "3栋", room="999")
    with pytest.raises(AboveOneself):
        await books.write(deciding("老赵", claim.number))


async def test_two_reviewers_at_once_decide_once(books: Books) -> None:
    ground = await books.write(lay)
    claim = await books.write(claiming(ground, "赵六", "3栋"))
    results = await asyncio.gather(
        *(books.write(deciding(name, claim.number)) for name in ("老赵", "孙丽", "张敏") * 3), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Decision"] + ["NoSuchRegistration"] * 8
    assert len(await books.read(known_as("stranger"))) == 1


async def test_two_claims_approved_at_once_do_not_share_one_person(books: Books) -> None:
    ground = await books.write(lay)
    member_id = await rostered(books, ground, "张三", "3栋1单元", room="201")
    numbers = [(await waiting(books, ground, "张三", "3栋", account=f"a{n}", room="999")).number for n in range(8)]
    done = await asyncio.gather(*(books.write(deciding("张敏", number)) for number in numbers), return_exceptions=True)
    assert sorted(type(result).__name__ for result in done) == ["Decision"] + ["HasAccount"] * 7
    assert [result.member_id for result in done if isinstance(result, Decision)] == [member_id]


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
