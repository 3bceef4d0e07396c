"""What an operator does at the machine before anybody can type: found a community, invite its first secretary, give a
group its webhook.

Everything after that (who is who, which chat is which group) is said in the chat.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import directory, members, points
from models.base import Refusal
from models.directory import CommunityHere, Identity
from models.members import Person, Role, Standing
from models.units import UnitHere, UnitKind, add_unit, find_unit

BUILDINGS_MAX = 500
DOORS_MAX = 20


class CommunityExists(Refusal):
    """A community of this name is there already. Fields: name."""


class NoSuchGroup(Refusal):
    """No group of this name has a chat. Fields: name, known."""


class WebhookElsewhere(Refusal):
    """This webhook is another group's. Fields: name (of the group, or of its community where that is another one)."""


class NoSuchCommunity(Refusal):
    """No community of this name, or several and none was named. Fields: known."""


@dataclass(frozen=True, slots=True)
class FirstSecretary:
    """Somebody whose name and account the operator knows already; others come by an invitation."""

    name: str
    namespace: str
    account: str


def found_community(
    session: Session,
    *,
    name: str,
    bot_name: str,
    buildings: int,
    doors: int,
    secretary: FirstSecretary | None,
    rules: points.Settings,
    now: datetime,
) -> CommunityHere:
    """A community with its buildings and doors, its point rule, and perhaps its first secretary with an account.

    Raises CommunityExists.
    """
    if any(known.name == name for known in directory.communities(session)):
        raise CommunityExists(name=name)
    community = directory.add_community(session, slug=name, name=name, bot_name=bot_name, now=now)
    root = add_unit(session, community_id=community.id, parent=None, kind=UnitKind.COMMUNITY, name=name, now=now)
    for number in range(1, buildings + 1):
        building = add_unit(
            session,
            community_id=community.id,
            parent=root,
            kind=UnitKind.BUILDING,
            name=f"{number}栋",
            now=now,
        )
        for door in range(1, doors + 1):
            add_unit(
                session,
                community_id=community.id,
                parent=building,
                kind=UnitKind.DOOR,
                name=f"{door}单元",
                now=now,
            )
    for kind, base, hour in (("activity", rules.activity_points, rules.hour_points), ("duty", rules.duty_points, 0)):
        points.set_rule(
            session,
            community_id=community.id,
            kind=kind,
            rule=points.Rule(
                base,
                hour,
                rules.day_max,
                rules.month_max,
                rules.night_percent,
                rules.night_from_hour,
                rules.night_until_hour,
                rules.festival_percent,
            ),
            since=now,
        )
    if secretary is not None:
        _add_secretary(session, community, root, secretary, now)
    return community


def _add_secretary(
    session: Session, community: CommunityHere, root: UnitHere, secretary: FirstSecretary, now: datetime
) -> None:
    member_id = members.add_member(
        session,
        community_id=community.id,
        name=secretary.name,
        unit=root,
        standing=Standing.PARTY_MEMBER,
        basis="建社区时登记",
        now=now,
    )
    members.add_identity(
        session,
        community_id=community.id,
        member_id=member_id,
        namespace=secretary.namespace,
        external_id=secretary.account,
        now=now,
    )
    members.give_role(
        session, community_id=community.id, member_id=member_id, role=Role.SECRETARY, unit=root, now=now, by=None
    )


def invite(
    session: Session, *, community_name: str, role: Role, unit_name: str, code: str, now: datetime
) -> tuple[CommunityHere, UnitHere]:
    """Lets a code give a role for a unit. Raises NoSuchCommunity and NoSuchUnit."""
    community = community_named(session, community_name)
    unit = find_unit(session, community_id=community.id, name=unit_name)
    members.make_invitation(session, community_id=community.id, code=code, role=role, unit=unit, by=None, now=now)
    return community, unit


def community_named(session: Session, name: str) -> CommunityHere:
    """The community of this name; the only one where none is named. Raises NoSuchCommunity."""
    everywhere = directory.communities(session)
    chosen = [one for one in everywhere if not name or one.name == name]
    if len(chosen) != 1:
        raise NoSuchCommunity(known=[one.name for one in everywhere])
    return chosen[0]


def person_named(session: Session, *, community: CommunityHere, name: str, now: datetime) -> Person:
    """The member of this name, as somebody who speaks to the bot: with the roles in force.

    Raises NoSuchMember, also for one without an account, and SeveralMembers.
    """
    one = members.find_member(session, community_id=community.id, name=name)
    account = session.execute(
        select(Identity.namespace, Identity.external_id).where(
            Identity.community_id == community.id, Identity.member_id == one.id
        )
    ).first()
    if account is None:
        raise members.NoSuchMember(name=name)
    people = members.find_people(session, namespace=account.namespace, external_id=account.external_id, now=now)
    return next(person for person in people if person.id == one.id)


def set_webhook(
    session: Session,
    *,
    community_name: str,
    group_name: str,
    channel: str,
    address: str,
    sealed_key: str,
    now: datetime,
) -> bool:
    """Gives a group its webhook on a channel, in the place of the one it had; whether it had one.

    Raises NoSuchCommunity, NoSuchGroup for a name that no chat is bound to, and WebhookElsewhere for the webhook of
    another group.
    """
    community_id = community_named(session, community_name).id
    groups = {group.name: group.id for group in directory.groups_of(session, community_id=community_id)}
    if group_name not in groups:
        raise NoSuchGroup(name=group_name, known=list(groups))
    group_id = groups[group_name]
    holder = directory.find_chat(session, channel=channel, address=address)
    if holder is not None and holder.group is not None and holder.group.id != group_id:
        ours = holder.community.id == community_id
        # One that rests, because its chat has another name now, may go on where its chat is.
        if not ours or holder.group.id in groups.values():
            raise WebhookElsewhere(name=holder.group.name if ours else holder.community.name)
        directory.remove_webhooks(session, community_id=community_id, group_id=holder.group.id, channel=channel)
    replaced = directory.remove_webhooks(session, community_id=community_id, group_id=group_id, channel=channel)
    directory.add_endpoint(
        session,
        community_id=community_id,
        group_id=group_id,
        channel=channel,
        address=address,
        sealed_secret=sealed_key,
        now=now,
    )
    return replaced
