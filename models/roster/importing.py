"""A list written into the books, a few hundred rows at a time, beside a bot that goes on answering.

- A unit writes what is still as the plan found it; whatever changed meanwhile is left out, and said.
- Every person whom an import adds or changes has an audit row that names the import.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, or_, select
from sqlalchemy.orm import Session

from models import audit
from models.categories import HasCategory, categories_by_member, give
from models.directory import Community, Identity
from models.members import Member, MemberRole, Person, Role, Standing
from models.roster.matching import CATEGORY, Holding, Known, Reason, Refused, Step
from models.roster.stays import Home, amend_home, is_move, leave_home, take_home
from models.roster.tree import Place, Tree, read_tree
from models.units import UnitHere

CHANNEL = "terminal"
"""The channel of an import in the audit. Its acts are no acts of a chat: 撤销 does not reach them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One import: whose it is and under which name the audit knows it."""

    community_id: int
    key: str
    namespace: str
    """Whose accounts the list names."""
    by: Person | None
    operator: str
    """Who sat at the machine."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of some steps."""

    added: tuple[int, ...]
    """The new members' ids."""
    changed: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The books of one moment, as a list is held against them."""

    tree: Tree
    members: list[Known] = field(repr=False)


def read_roster(session: Session, *, community_id: int, namespace: str, now: datetime) -> Snapshot:
    """Everybody whom a row could be about, also those who moved out or were found to be somebody else."""
    tree = read_tree(session, community_id=community_id)
    accounts: dict[int, set[str]] = {}
    for row in session.execute(
        select(Identity.member_id, Identity.external_id).where(
            Identity.community_id == community_id, Identity.namespace == namespace
        )
    ):
        accounts.setdefault(row.member_id, set()).add(row.external_id)
    roles = held_roles(session, community_id=community_id, tree=tree, now=now)
    categories = categories_by_member(session, community_id=community_id)
    places = {unit_id: tree.place(unit_id) for unit_id in tree.units}
    nobody: frozenset[str] = frozenset()
    rows = session.execute(
        select(
            Member.id,
            Member.name,
            Member.unit_id,
            Member.room,
            Member.phone,
            Member.standing,
            Member.basis,
            Member.moved_out_at,
            Member.merged_into,
            Member.born,
        )
        .where(Member.community_id == community_id, Member.forgotten_at.is_(None))
        .order_by(Member.id)
    )
    members = [
        Known(
            row.id,
            row.name,
            row.unit_id,
            places[row.unit_id],
            row.room,
            row.phone,
            Standing(row.standing),
            row.basis,
            frozenset(accounts[row.id]) if row.id in accounts else nobody,
            tuple(roles.get(row.id, ())),
            row.moved_out_at is not None,
            row.merged_into,
            row.born,
            tuple(categories.get(row.id, ())),
        )
        for row in rows
    ]
    return Snapshot(tree, members)


def held_roles(session: Session, *, community_id: int, tree: Tree, now: datetime) -> dict[int, list[Holding]]:
    """The roles in force, by member."""
    held: dict[int, list[Holding]] = {}
    for row in session.execute(
        select(MemberRole.member_id, MemberRole.role, MemberRole.unit_id, MemberRole.until)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.since <= now,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
        .order_by(MemberRole.id)
    ):
        held.setdefault(row.member_id, []).append(Holding(Role(row.role), tree.title[row.unit_id], row.until))
    return held


def lock_roster(session: Session, *, community_id: int) -> None:
    """Of two who write about people of a community the second waits here and sees what the first did."""
    session.execute(select(Community.id).where(Community.id == community_id).with_for_update(key_share=True))


def begin_import(session: Session, *, batch: Batch, now: datetime, planned: dict[str, object]) -> None:
    """Writes down that an import begins, and what it is about to do."""
    _note(session, batch, now, [("import_roster", "0", {"operator": batch.operator, **planned})])


def end_import(session: Session, *, batch: Batch, now: datetime, done: dict[str, object]) -> None:
    """Writes down what an import has done."""
    _note(session, batch, now, [("import_roster_done", "0", {"operator": batch.operator, **done})])


def _note(session: Session, batch: Batch, now: datetime, acts: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    audit.record_all(
        session,
        community_id=batch.community_id,
        at=now,
        member_id=batch.by.id if batch.by else None,
        channel=CHANNEL,
        acts=[(action, ref, {"batch": batch.key, **detail}) for action, ref, detail in acts],
    )


def write_steps(
    session: Session, *, batch: Batch, steps: Sequence[Step], tree: Tree, known: set[int], now: datetime
) -> Written:
    """Writes some steps of a plan. `tree` has every unit that they name; `known` are the members the plan knew of."""
    lock_roster(session, community_id=batch.community_id)
    refused = _overtaken(session, batch, steps, known)
    lost = {one.line for one in refused}
    fresh = [step for step in steps if step.known is None and step.entry.line not in lost]
    told = [step for step in steps if step.known is not None and step.entry.line not in lost]
    added = _add(session, batch, fresh, tree, now)
    _change(session, batch, told, tree, now)
    members = [*zip(added, fresh, strict=True), *((step.known.id, step) for step in told if step.known)]
    _give(session, batch, members, tree, now)
    return Written(tuple(added), len(told), tuple(refused))


def _overtaken(session: Session, batch: Batch, steps: Sequence[Step], known: set[int]) -> list[Refused]:
    """The steps that no longer fit: somebody else wrote about the same person since the books were read."""
    here = batch.community_id
    names = {step.entry.name for step in steps if step.known is None}
    newcomers = {
        row.name
        for row in session.execute(
            select(Member.id, Member.name).where(Member.community_id == here, Member.name.in_(names))
        )
        if row.id not in known
    }
    accounts = {account for step in steps for account in step.accounts}
    bound = set(
        session.scalars(
            select(Identity.external_id).where(
                Identity.community_id == here,
                Identity.namespace == batch.namespace,
                Identity.external_id.in_(accounts),
            )
        )
        if accounts
        else ()
    )
    now = _as_they_are(session, batch, [step.known.id for step in steps if step.known])
    return [
        Refused(step.entry.line, step.entry.name, Reason.CHANGED_MEANWHILE)
        for step in steps
        if (step.known is None and step.entry.name in newcomers)
        or not bound.isdisjoint(step.accounts)
        or (step.known is not None and now.get(step.known.id) != _as_planned(step.known))
    ]


def _as_planned(one: Known) -> tuple[object, ...]:
    return (one.name, one.unit_id, one.room, one.phone, one.standing, one.basis, one.born)


def _as_they_are(session: Session, batch: Batch, ids: Sequence[int]) -> dict[int, tuple[object, ...]]:
    if not ids:
        return {}
    rows = session.execute(
        select(
            Member.id,
            Member.name,
            Member.unit_id,
            Member.room,
            Member.phone,
            Member.standing,
            Member.basis,
            Member.born,
        ).where(
            Member.community_id == batch.community_id,
            Member.id.in_(ids),
            Member.moved_out_at.is_(None),
            Member.forgotten_at.is_(None),
            Member.merged_into.is_(None),
        )
    )
    return {row[0]: tuple(row[1:]) for row in rows}


def _add(session: Session, batch: Batch, steps: Sequence[Step], tree: Tree, now: datetime) -> list[int]:
    if not steps:
        return []
    return list(
        session.scalars(
            insert(Member).returning(Member.id, sort_by_parameter_order=True),
            [
                {
                    "community_id": batch.community_id,
                    "unit_id": _home(tree, step.place).id,
                    "name": step.entry.name,
                    "standing": step.entry.standing or Standing.RESIDENT,
                    "room": step.entry.room,
                    "phone": step.entry.phone,
                    "basis": step.entry.basis,
                    "born": step.entry.born,
                    "since": now,
                }
                for step in steps
            ],
        )
    )


def _home(tree: Tree, place: Place) -> UnitHere:
    home = tree.home(place)
    assert home is not None, "homes are made before the people who live in them"
    return home


_UPDATE = (
    Member.__table__.update()  # type: ignore[attr-defined]
    .where(Member.community_id == bindparam("here"), Member.id == bindparam("member"))
    .values({name: bindparam(f"{name}_") for name in ("name", "unit_id", "room", "phone", "standing", "basis", "born")})
)


def _change(session: Session, batch: Batch, steps: Sequence[Step], tree: Tree, now: datetime) -> None:
    rows = []
    for step in steps:
        one, entry = step.known, step.entry
        assert one is not None
        home = Home(_home(tree, step.place).id, entry.room or one.room)
        if (home.unit_id, home.room) != (one.unit_id, one.room):
            settle(session, community_id=batch.community_id, member=one, home=home, tree=tree, now=now)
        rows.append(
            {
                "here": batch.community_id,
                "member": one.id,
                "name_": entry.name,
                "unit_id_": home.unit_id,
                "room_": home.room,
                "phone_": entry.phone or one.phone,
                "standing_": entry.standing or one.standing,
                "basis_": entry.basis or one.basis,
                "born_": entry.born or one.born,
            }
        )
    if rows:
        session.execute(_UPDATE, rows)


def settle(session: Session, *, community_id: int, member: Known, home: Home, tree: Tree, now: datetime) -> None:
    """Keeps the history of a member whose home is told otherwise. Before the roster says the new one."""
    before, after = tree.units[member.unit_id].path, tree.units[home.unit_id].path
    if is_move(before, member.room, after, home.room):
        leave_home(session, community_id=community_id, member_id=member.id, now=now)
        take_home(session, community_id=community_id, member_id=member.id, home=home, now=now)
    else:
        amend_home(session, community_id=community_id, member_id=member.id, home=home)


def _give(session: Session, batch: Batch, members: Sequence[tuple[int, Step]], tree: Tree, now: datetime) -> None:
    """Roles, accounts, categories and the audit's word about each person."""
    held = _held(session, batch, [member_id for member_id, step in members if step.roles and step.known], now)
    roles = [
        {
            "community_id": batch.community_id,
            "member_id": member_id,
            "unit_id": _unit(tree, role.unit).id,
            "role": role.role,
            "since": now,
            "until": role.until,
            "given_by": batch.by.id if batch.by else None,
        }
        for member_id, step in members
        for role in step.roles
        # Another import may have given it since the plan was made.
        if (member_id, role.role, _unit(tree, role.unit).id) not in held
    ]
    if roles:
        session.execute(insert(MemberRole), roles)
    identities = [
        {
            "community_id": batch.community_id,
            "member_id": member_id,
            "namespace": batch.namespace,
            "external_id": account,
            "since": now,
        }
        for member_id, step in members
        for account in step.accounts
    ]
    if identities:
        session.execute(insert(Identity), identities)
    for member_id, step in members:
        _class(session, batch, member_id, step, now)
    _note(session, batch, now, [_act(member_id, step) for member_id, step in members])


def _class(session: Session, batch: Batch, member_id: int, step: Step, now: datetime) -> None:
    standing = step.entry.standing or (step.known.standing if step.known else Standing.RESIDENT)
    for category in step.categories:
        # Somebody may have given it since the plan was made.
        with contextlib.suppress(HasCategory):
            give(
                session,
                community_id=batch.community_id,
                member_id=member_id,
                name=step.entry.name,
                standing=standing,
                category=category,
                by=batch.by.id if batch.by else None,
                now=now,
            )


def _held(session: Session, batch: Batch, ids: Sequence[int], now: datetime) -> set[tuple[int, str, int]]:
    if not ids:
        return set()
    rows = session.execute(
        select(MemberRole.member_id, MemberRole.role, MemberRole.unit_id).where(
            MemberRole.community_id == batch.community_id,
            MemberRole.member_id.in_(ids),
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    )
    return {(row.member_id, row.role, row.unit_id) for row in rows}


def _act(member_id: int, step: Step) -> tuple[str, str, dict[str, Any]]:
    """What the audit says of one person: the line, and how things were before."""
    # What somebody was is kept with their categories, and nowhere else.
    before = {change.what: change.before for change in step.changes if change.before and change.what != CATEGORY}
    detail = {"line": step.entry.line, **({"before": before} if before else {})}
    return "import_added" if step.known is None else "import_changed", str(member_id), detail


def _unit(tree: Tree, title: str) -> UnitHere:
    unit = tree.find(title)
    assert unit is not None, "homes are made before the people who answer for them"
    return unit
