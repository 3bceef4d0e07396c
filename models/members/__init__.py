"""Who is who in a community: the only door to people, their standing, their roles and how far these reach.

A member is a person; volunteering is what one does, not what one is. Somebody whom the bot does not know yet asks to be
recognised (绑定): the room and the phone's last digits, as the roster has them, make a resident and no more; everything
else waits for a person in scope.

- A role holds for a unit and all below it, for its term.
- Nobody gives a role above their own, nor beyond their own scope.
- A right proof never hands over a person who already has an account in that namespace, nor one who holds a higher
  role: such claims wait for 审核.
- A registration is decided once, by somebody whose scope covers its unit.
"""

from models.members.consent import Consent, answer_statement
from models.members.people import (
    FIND_PEOPLE,
    RANKS,
    Held,
    Member,
    MemberRole,
    Neighbour,
    NoSuchMember,
    Person,
    Role,
    SeveralMembers,
    Standing,
    add_identity,
    add_member,
    find_member,
    find_people,
    masked,
    member_by_id,
)
from models.members.proof import Why, WrongTry
from models.members.registration import (
    AlreadyRegistered,
    Claim,
    LastWord,
    Registration,
    RegistrationState,
    RegistrationWaiting,
    Settings,
    claim_identity,
    forget_registrations,
    last_word,
)
from models.members.reviewing import (
    Decision,
    HasAccount,
    Joining,
    NoSuchRegistration,
    Waiting,
    decide_registration,
    reopen_registration,
    reviewers_of,
    waiting_registrations,
)
from models.members.roles import (
    AboveOneself,
    BeyondReach,
    give_role,
    people_in_scope,
    require,
)

__all__ = [
    "FIND_PEOPLE",
    "RANKS",
    "AboveOneself",
    "AlreadyRegistered",
    "BeyondReach",
    "Claim",
    "Consent",
    "Decision",
    "HasAccount",
    "Held",
    "Joining",
    "LastWord",
    "Member",
    "MemberRole",
    "Neighbour",
    "NoSuchMember",
    "NoSuchRegistration",
    "Person",
    "Registration",
    "RegistrationState",
    "RegistrationWaiting",
    "Role",
    "Settings",
    "SeveralMembers",
    "Standing",
    "Waiting",
    "Why",
    "WrongTry",
    "add_identity",
    "add_member",
    "answer_statement",
    "claim_identity",
    "decide_registration",
    "find_member",
    "find_people",
    "forget_registrations",
    "give_role",
    "last_word",
    "masked",
    "member_by_id",
    "people_in_scope",
    "reopen_registration",
    "require",
    "reviewers_of",
    "waiting_registrations",
]
