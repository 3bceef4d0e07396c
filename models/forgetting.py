"""注销: a person is forgotten. Their number stays in the books, and nothing that says who it was.

What stands under their own id goes at once: the roster's entry, accounts, roles, places at activities, family. What
other rows say of them in free words (answers, notices, reasons, the words of acts) is swept within minutes, table by
table in small units, so that nobody waits for it; the words to look for are kept until then and no longer.

- A forgotten member has no name, phone, room, account, role, place at an activity that lies ahead.
- The ledger is not touched: it holds ids only. The giver's words stand beside it and are swept.
- Nobody is forgotten who is the only one to hold a secretary's role: somebody must be there to go on.
- Namesakes keep what is theirs: rows that belong to a living namesake are left alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    JSON,
    ForeignKey,
    String,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from models import check_in, photos, posts
from models.activities import Activity, ActivityHere, Promoted, Signup, cancel_signup, signed_up_for
from models.base import Base, Invariant, Refusal
from models.broadcast import drop_notes
from models.categories import forget_categories
from models.database import Prepared
from models.directory import Group, Identity, touch
from models.duties import drop_waiting
from models.files import end_links
from models.handover import drop_offers
from models.inbox import Trouble
from models.members.consent import Consent
from models.members.detaching import Detachment, accounts_of
from models.members.family import end_all_ties, family_of
from models.members.merging import one_person
from models.members.people import FORGOTTEN, Member, MemberRole, Role, Standing, masked
from models.members.registration import Registration, RegistrationState
from models.organisation import UnitMember
from models.pending import close_all_questions
from models.points import Appeal, AppealState
from models.quiet import forget_quiet
from models.roll_call import forget_lines
from models.roster.stays import forget_homes
from models.schedule import JobSlot
from models.series import end_regulars
from models.units import Unit, root_of

BLACKED = "***"
"""What stands where a phone, a room or an account stood in a text."""
ACCOUNT_CHARACTERS_MIN = 4
"""Shorter accounts are found only where they stand alone: nobody's `12` is blacked out of every sentence."""


class Erasure(Base):
    """A person whose traces in free words are being swept."""

    __tablename__ = "erasures"

    id: Mapped[int] = mapped_column(primary_key=True)
    community_id: Mapped[int] = mapped_column(ForeignKey("communities.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    words: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What to look for; emptied when everything is swept."""
    asked_at: Mapped[datetime]
    at_table: Mapped[str] = mapped_column(String(40), server_default="")
    """How far the sweep is: the table, and its last row that was looked at."""
    at_row: Mapped[int] = mapped_column(server_default="0")
    done_at: Mapped[datetime | None]


class OnlySecretary(Refusal):
    """The only one with a secretary's role must hand over first."""


class SpeaksForThemselves(Refusal):
    """Who has an account says 注销 themselves. Fields: name."""


# -- rules ----------------------------------------


@dataclass(frozen=True, slots=False)
class Words:
    """What says who somebody is. Rooms are looked for only where the person is meant, for many flats are 501."""

    names: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Rooms with their house: `3栋2单元501`."""
    members: tuple[int, ...] = ()
    """The ids under which the person's own rows stand."""
    births: tuple[str, ...] = ()
    """Years of birth, looked for as rooms are."""
    others: tuple[str, ...] = ()
    """Names of neighbours in which the person's name is contained: 王英 is no part of 王英杰."""

    @cached_property
    def _named(self) -> re.Pattern[str]:
        shown = {name for name in self.names if len(name) > 1}
        shown |= {masked(name) for name in shown if len(name) > 2}
        return re.compile(f"{_any_of(self.others)}|(?P<name>{_any_of(shown)})")

    @cached_property
    def _told(self) -> re.Pattern[str]:
        # A short account is a word like others: it is looked for where it stands alone.
        digits = {"[ -]?".join(phone) for phone in self.phones}
        accounts = {re.escape(account) for account in self.accounts if len(account) >= ACCOUNT_CHARACTERS_MIN}
        whole = "|".join(sorted(digits | accounts)) or r"(?!)"
        return re.compile(rf"(?<![0-9A-Za-z_])(?:{whole})(?![0-9A-Za-z_])|{_any_of(self.addresses)}")

    @cached_property
    def _rooms(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![0-9])(?:{_any_of((*self.rooms, *self.births))})(?![0-9])")

    def speak_of(self, value: object) -> bool:
        """Whether a value names the person."""
        return any(
            text in self.accounts or self._told.search(text) or any(one["name"] for one in self._named.finditer(text))
            for text in _texts(value)
        )

    def blacked(self, value: Any, *, meant: bool) -> Any:
        """The value without what says who it was; rooms go where the person is `meant`."""
        if isinstance(value, str):
            if value in self.accounts and value not in self.names:
                return BLACKED
            value = self._named.sub(lambda one: FORGOTTEN if one["name"] else one[0], value)
            value = self._told.sub(BLACKED, value)
            return self._rooms.sub(BLACKED, value) if meant else value
        if isinstance(value, dict):
            return {self.blacked(key, meant=meant): self.blacked(one, meant=meant) for key, one in value.items()}
        if isinstance(value, list):
            return [self.blacked(one, meant=meant) for one in value]
        return BLACKED if isinstance(value, int) and str(value) in self.phones else value


def _any_of(words: Iterable[str]) -> str:
    longest_first = sorted({word for word in words if word}, key=lambda word: (-len(word), word))
    return "|".join(map(re.escape, longest_first)) or r"(?!)"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str | int):
        yield str(value)
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(list(pair))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


# -- at once ----------------------------------------


@dataclass(frozen=True, slots=True)
class Stake:
    """What somebody gives up: shown before they decide."""

    places: int
    """Sign-ups for what lies ahead."""
    roles: int
    accounts: int
    posts: int
    """Held, or waited for."""
    family: int
    """Ties to those who may act for them, or for whom they may."""


def at_stake(session: Session, *, community_id: int, member_id: int, now: datetime) -> Stake:
    """What a member would lose. Raises OnlySecretary."""
    _refuse_last_secretary(session, community_id, member_id, now)
    places = signed_up_for(session, community_id=community_id, member_id=member_id, now=now)
    roles = session.scalars(
        select(MemberRole.id).where(
            MemberRole.community_id == community_id,
            MemberRole.member_id == member_id,
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
    ).all()
    accounts = accounts_of(session, community_id=community_id, member_ids=[member_id])
    ids = one_person(session, community_id=community_id, member_id=member_id)
    claims = posts.claims_of(session, community_id=community_id, member_ids=ids)
    family = family_of(session, community_id=community_id, member_id=member_id)
    return Stake(len(places), len(roles), len(accounts), len(claims), len(family))


_other = aliased(Member)
_reach = aliased(Unit)


def _refuse_last_secretary(session: Session, community_id: int, member_id: int, now: datetime) -> None:
    in_force = or_(MemberRole.until.is_(None), MemberRole.until > now)
    mine = session.scalars(
        select(Unit.path)
        .join(MemberRole, MemberRole.unit_id == Unit.id)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.member_id == member_id,
            MemberRole.role == Role.SECRETARY,
            in_force,
        )
    ).all()
    if not mine:
        return
    others = session.scalars(
        select(_reach.path)
        .join(MemberRole, MemberRole.unit_id == _reach.id)
        .join(_other, MemberRole.member_id == _other.id)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.member_id != member_id,
            MemberRole.role == Role.SECRETARY,
            MemberRole.since <= now,
            in_force,
            _other.moved_out_at.is_(None),
            _other.forgotten_at.is_(None),
            select(Identity.id).where(Identity.member_id == _other.id).exists(),
        )
    ).all()
    if not all(any(path.startswith(other) for other in others) for path in mine):
        raise OnlySecretary


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A person who is gone, who moved up for them, and which posts they left."""

    id: int
    promoted: tuple[tuple[ActivityHere, Promoted], ...]
    posts: tuple[posts.Ended, ...]


def forget(session: Session, *, community_id: int, member_id: int, by: int | None, now: datetime) -> Forgotten:
    """Forgets a person, with everybody who was merged into them. Raises OnlySecretary."""
    _refuse_last_secretary(session, community_id, member_id, now)
    ids = one_person(session, community_id=community_id, member_id=member_id)
    words = _words(session, community_id, ids)
    promoted = _leave_activities(session, community_id, ids, by or member_id, now)
    left = posts.end_all(
        session, community_id=community_id, member_ids=ids, why=posts.Why.LEFT, now=now, offer_hours=posts.OFFER_HOURS
    )
    posts.leave_leading(session, community_id=community_id, member_ids=ids)
    for one in ids:
        end_links(session, community_id=community_id, member_id=one)
        end_all_ties(session, community_id=community_id, member_id=one, now=now)
    end_regulars(session, community_id=community_id, member_ids=ids, now=now)
    session.execute(
        update(Signup).where(Signup.community_id == community_id, Signup.member_id.in_(ids)).values(cautioned="")
    )
    close_all_questions(session, community_id=community_id, member_ids=ids)
    _end_what_is_theirs(session, community_id, ids, now)
    _blacken_registrations(session, community_id, ids, words, now)
    _rename_units(session, community_id, words, member_id)
    drop_notes(session, community_id=community_id, member_ids=ids)
    forget_lines(session, community_id=community_id, member_ids=ids, names=words.names, forgotten=FORGOTTEN)
    session.execute(
        update(Member)
        .where(Member.community_id == community_id, Member.id.in_(ids))
        .values(
            name=FORGOTTEN,
            unit_id=root_of(session, community_id).id,
            standing=Standing.RESIDENT,
            room="",
            phone="",
            employer="",
            basis="",
            born="",
            hides_name=False,
            forgotten_at=now,
        )
    )
    session.execute(
        insert(Erasure),
        {
            "community_id": community_id,
            "member_id": member_id,
            "words": {one.name: list(getattr(words, one.name)) for one in fields(words)},
            "asked_at": now,
        },
    )
    touch(session, community_id)
    return Forgotten(member_id, tuple(promoted), tuple(left))


def _words(session: Session, community_id: int, ids: list[int]) -> Words:
    above = aliased(Unit)
    people = session.execute(
        select(Member.name, Member.phone, Member.room, Member.born, Unit.name.label("unit"), above.name.label("above"))
        .join(Unit, Member.unit_id == Unit.id)
        .outerjoin(above, Unit.parent_id == above.id)
        .where(Member.community_id == community_id, Member.id.in_(ids))
    ).all()
    claims = session.execute(
        select(Registration.name, Registration.room, Registration.external_id).where(
            Registration.community_id == community_id, Registration.member_id.in_(ids)
        )
    ).all()
    accounts = {one.external_id for one in accounts_of(session, community_id=community_id, member_ids=ids)}
    accounts |= set(
        session.scalars(
            select(Detachment.external_id).where(Detachment.community_id == community_id, Detachment.member_id.in_(ids))
        )
    )
    addresses = {
        f"{place}{row.room}"
        for row in people
        if row.room
        for place in (f"{row.above or ''}{row.unit}", row.above or "", row.unit)
        if place
    }
    names = {*(row.name for row in people), *(row.name for row in claims)}
    longer = session.scalars(
        select(Member.name).where(
            Member.community_id == community_id,
            Member.id.not_in(ids),
            Member.name.not_in(names),
            or_(*(Member.name.contains(name, autoescape=True) for name in names)),
        )
    ).all()
    return Words(
        names=tuple(names),
        phones=tuple({row.phone for row in people if row.phone}),
        accounts=tuple({*accounts, *(row.external_id for row in claims if row.external_id)}),
        rooms=tuple({*(row.room for row in people if row.room), *(row.room for row in claims if row.room)}),
        births=tuple({row.born for row in people if row.born}),
        addresses=tuple(addresses),
        members=tuple(ids),
        others=tuple(set(longer)),
    )


def _leave_activities(
    session: Session, community_id: int, ids: list[int], by: int, now: datetime
) -> list[tuple[ActivityHere, Promoted]]:
    promoted = []
    for member_id in ids:
        for activity in signed_up_for(session, community_id=community_id, member_id=member_id, now=now):
            left = cancel_signup(session, activity=activity, member_id=member_id, by=by, now=now, in_charge=True)
            promoted += [(activity, moved) for moved in left.promoted]
        for number in check_in.where_checked_in(session, community_id=community_id, member_id=member_id):
            coming = check_in.find_coming(session, community_id=community_id, number=number, now=now)
            assert coming is not None
            check_in.check_out(session, coming=coming, member_id=member_id, made_by=by, now=now)
    return [(activity, moved) for activity, moved in promoted if moved.member_id not in ids]


def _end_what_is_theirs(session: Session, community_id: int, ids: list[int], now: datetime) -> None:
    session.execute(delete(Identity).where(Identity.community_id == community_id, Identity.member_id.in_(ids)))
    session.execute(delete(Detachment).where(Detachment.community_id == community_id, Detachment.member_id.in_(ids)))
    session.execute(
        update(MemberRole)
        .where(
            MemberRole.community_id == community_id,
            MemberRole.member_id.in_(ids),
            or_(MemberRole.until.is_(None), MemberRole.until > now),
        )
        .values(until=now)
    )
    session.execute(
        update(UnitMember)
        .where(UnitMember.community_id == community_id, UnitMember.member_id.in_(ids), UnitMember.until.is_(None))
        .values(until=now)
    )
    forget_homes(session, community_id=community_id, member_ids=ids)
    forget_categories(session, community_id=community_id, member_ids=ids)
    forget_quiet(session, community_id=community_id, member_ids=ids)
    check_in.end_make_ups(session, community_id=community_id, member_ids=ids, now=now)
    photos.drop_all(session, community_id=community_id, member_ids=ids)
    drop_waiting(session, community_id=community_id, member_ids=ids, now=now)
    drop_offers(session, community_id=community_id, member_ids=ids, now=now)
    session.execute(
        update(Consent)
        .where(Consent.community_id == community_id, Consent.member_id.in_(ids), Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )
    session.execute(
        update(Appeal)
        .where(
            Appeal.community_id == community_id,
            Appeal.member_id.in_(ids),
            Appeal.state == AppealState.WAITING,
        )
        .values(state=AppealState.DISMISSED, decided_at=now)
    )


def _blacken_registrations(session: Session, community_id: int, ids: list[int], words: Words, now: datetime) -> None:
    theirs = or_(Registration.member_id.in_(ids), Registration.external_id.in_(words.accounts))
    session.execute(
        update(Registration)
        .where(Registration.community_id == community_id, theirs, Registration.state == RegistrationState.WAITING)
        .values(state=RegistrationState.REJECTED, decided_at=now)
    )
    session.execute(
        update(Registration)
        .where(Registration.community_id == community_id, theirs)
        .values(name=FORGOTTEN, room="", external_id="", reason="")
    )


def _rename_units(session: Session, community_id: int, words: Words, member_id: int) -> None:
    """A host household bears the name of its host, and so may a group of theirs; names there are unique."""

    def renamed(name: str) -> str:
        return str(words.blacked(name, meant=True)).replace(FORGOTTEN, f"{FORGOTTEN}{member_id}")[:80]

    for unit in session.execute(select(Unit.id, Unit.name).where(Unit.community_id == community_id)).all():
        if words.speak_of(unit.name):
            session.execute(
                update(Unit)
                .where(Unit.community_id == community_id, Unit.id == unit.id)
                .values(name=renamed(unit.name))
            )
    for group in session.execute(select(Group.id, Group.name).where(Group.community_id == community_id)).all():
        if words.speak_of(group.name):
            session.execute(
                update(Group)
                .where(Group.community_id == community_id, Group.id == group.id)
                .values(name=renamed(group.name))
            )


# -- the sweep ----------------------------------------

LEFT_ALONE = {
    "transfers": "append-only, and holds ids only",
    "communities": "the community's own name",
    "units": "renamed at once",
    "groups": "renamed at once",
    "roll_call_lines": "renamed at once, for a name stands there once",
    "endpoints": "addresses of chats",
    "identities": "the person's are gone; others' are theirs",
    "erasures": "holds the words until they are swept, and empties them then",
    "invitations": "holds hashes",
    "hearings": "channels, and words of the code",
}
"""Tables without words about people, or whose words are nobody else's business."""

LEFT_ALONE_COLUMNS = frozenset({"name", "room", "phone"})
"""Of the roster: a namesake's own."""

KEYS = frozenset(
    {
        *("key", "message_id", "channel", "namespace", "object_ref", "ref", "path", "token_hash", "code_hash"),
        *("state", "kind", "ground", "role", "standing", "outcome", "action", "version", "lease"),
        *("intent", "slot", "conversation", "currency", "what", "at_table"),
    }
)
"""Columns by which rows are found again, or that hold words of the code: an account may be called `sent`."""

EMPTIED = frozenset({("inbox", "reply"), ("outbox", "text"), ("outbox", "otherwise")})
"""What was said to the person alone goes whole, whatever it said."""


@dataclass(frozen=True, slots=True)
class Field:
    """A table with the columns that hold words."""

    table: Table
    key: Any
    columns: tuple[Any, ...]


def fields_of_words() -> list[Field]:
    """Every table that can hold words about people, in a fixed order; a new one is swept without being named."""
    found = []
    for table in Base.metadata.sorted_tables:
        keys = list(table.primary_key.columns)
        columns = tuple(column for column in table.columns if _holds_words(column))
        # What has no single number for a row is kept by name elsewhere: counters, sums, slots of jobs.
        if table.name not in LEFT_ALONE and len(keys) == 1 and columns:
            found.append(Field(table, keys[0], columns))
    return found


def _holds_words(column: Any) -> bool:
    if column.name in KEYS or column.primary_key:
        return False
    if column.table.name == "members" and column.name in LEFT_ALONE_COLUMNS:
        return False
    return type(column.type) in (String, Text) or isinstance(column.type, JSON)


def sweep(session: Session, *, community_id: int, now: datetime, rows: int) -> bool:
    """Looks at the next `rows` rows for the oldest erasure that is under way; returns whether there is more to do."""
    erasure = session.execute(
        select(Erasure.id, Erasure.member_id, Erasure.words, Erasure.asked_at, Erasure.at_table, Erasure.at_row)
        .where(Erasure.community_id == community_id, Erasure.done_at.is_(None))
        .order_by(Erasure.id)
        .limit(1)
    ).one_or_none()
    if erasure is None:
        return False
    words = Words(**{name: tuple(value) for name, value in erasure.words.items()})
    swept = fields_of_words()
    names = [one.table.name for one in swept]
    at = names.index(erasure.at_table) if erasure.at_table in names else 0
    last = _sweep_rows(session, swept[at], words, community_id, erasure.asked_at, erasure.at_row, rows)
    if last is not None:
        progress: dict[str, Any] = {"at_table": names[at], "at_row": last}
    elif at + 1 < len(swept):
        progress = {"at_table": names[at + 1], "at_row": 0}
    else:
        _sweep_slots(session, words)
        progress = {"done_at": now, "words": {}}
    session.execute(
        update(Erasure).where(Erasure.community_id == community_id, Erasure.id == erasure.id).values(**progress)
    )
    return True


def _sweep_rows(
    session: Session, swept: Field, words: Words, community_id: int, asked_at: datetime, after: int, rows: int
) -> int | None:
    """Sweeps the next rows of one table; returns the last that was looked at, None at the table's end."""
    table, key = swept.table, swept.key
    owner = table.c.get("member_id")
    moment = table.c.get("at")
    scope = table.c.get("community_id")
    query = select(
        key.label("key"),
        (null() if owner is None else owner).label("owner"),
        (null() if moment is None else moment).label("moment"),
        *swept.columns,
    ).where(key > after)
    if scope is not None:
        query = query.where(or_(scope == community_id, scope.is_(None)))
    found = session.execute(query.order_by(key).limit(rows)).all()
    namesakes = _namesakes(session, community_id, words) if owner is not None and found else frozenset()
    changes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in found:
        if row.owner in namesakes:
            continue
        if table.name == Trouble.__tablename__ and row.incoming.get("sender") in words.accounts:
            session.execute(delete(Trouble).where(Trouble.id == row.key))
            continue
        own = row.owner in words.members and (row.moment is None or row.moment < asked_at)
        changed = _swept(swept, row, words, own)
        if changed:
            changes.setdefault(tuple(changed), []).append({"row": row.key, **changed})
    for columns, rows_changed in changes.items():
        values: dict[str, Any] = {column: bindparam(column) for column in columns}
        session.connection().execute(table.update().where(key == bindparam("row")).values(values), rows_changed)
    return found[-1].key if found else None


def _swept(swept: Field, row: Any, words: Words, own: bool) -> dict[str, Any]:
    values = {column.name: row[index] for index, column in enumerate(swept.columns, 3)}
    meant = own or any(words.speak_of(value) for value in values.values())
    changed = {}
    for column in swept.columns:
        value = values[column.name]
        if own and (swept.table.name, column.name) in EMPTIED:
            after: Any = ""
        else:
            after = words.blacked(value, meant=meant)
            if isinstance(after, str) and getattr(column.type, "length", None):
                after = after[: column.type.length]
        if after != value:
            changed[column.name] = after
    return changed


def _namesakes(session: Session, community_id: int, words: Words) -> frozenset[int]:
    return frozenset(
        session.scalars(
            select(Member.id).where(
                Member.community_id == community_id,
                Member.name.in_(words.names),
                Member.id.not_in(words.members),
                Member.forgotten_at.is_(None),
            )
        )
    )


def _sweep_slots(session: Session, words: Words) -> None:
    """The errors of jobs can quote a row; there are few of them."""
    for row in session.execute(select(JobSlot.job, JobSlot.slot, JobSlot.detail).where(JobSlot.detail != "")).all():
        detail = words.blacked(row.detail, meant=words.speak_of(row.detail))
        if detail != row.detail:
            session.execute(
                update(JobSlot).where(JobSlot.job == row.job, JobSlot.slot == row.slot).values(detail=detail)
            )


# -- queries ----------------------------------------


_NEXT_ERASURE = Prepared(
    select(func.min(Erasure.asked_at)).where(
        Erasure.community_id == bindparam("community_id"),
        Erasure.done_at.is_(None),
        Erasure.asked_at > bindparam("after"),
        Erasure.asked_at <= bindparam("until"),
    )
)


def next_erasure(session: Session, *, community_id: int, after: datetime, until: datetime) -> datetime | None:
    """The first moment in `(after, until]` at which somebody asked to be forgotten and is not swept yet."""
    found: datetime | None = _NEXT_ERASURE.scalar(session, community_id=community_id, after=after, until=until)
    return found


INVARIANTS = (
    Invariant(
        "members.forgotten",
        select(Member.id).where(
            Member.forgotten_at.is_not(None),
            or_(
                Member.name != FORGOTTEN,
                Member.phone != "",
                Member.room != "",
                Member.employer != "",
                Member.basis != "",
                Member.born != "",
                Member.standing != Standing.RESIDENT,
            ),
        ),
    ),
    Invariant(
        "identities.forgotten",
        select(Identity.id).join(Member, Identity.member_id == Member.id).where(Member.forgotten_at.is_not(None)),
    ),
    Invariant(
        "member_roles.forgotten",
        select(MemberRole.id)
        .join(Member, MemberRole.member_id == Member.id)
        .where(
            Member.forgotten_at.is_not(None),
            or_(MemberRole.until.is_(None), MemberRole.until > Member.forgotten_at),
        ),
    ),
    Invariant(
        "signups.forgotten",
        select(Signup.id)
        .join(Member, Signup.member_id == Member.id)
        .join(Activity, Signup.activity_id == Activity.id)
        .where(
            Signup.undone_at.is_(None),
            Activity.state == "published",
            Activity.ends_at > Member.forgotten_at,
        ),
    ),
    Invariant(
        "consents.forgotten",
        select(Consent.id)
        .join(Member, Consent.member_id == Member.id)
        .where(Member.forgotten_at.is_not(None), Consent.withdrawn_at.is_(None)),
    ),
    Invariant(
        "photos.forgotten",
        select(photos.KeptPhoto.id)
        .join(Member, photos.KeptPhoto.member_id == Member.id)
        .where(Member.forgotten_at.is_not(None)),
    ),
    Invariant(
        "erasures.words",
        select(Erasure.id).where(Erasure.done_at.is_not(None), func.length(cast(Erasure.words, Text)) > 2),
    ),
)
