"""How people are spoken of: by their role, by a name that somebody typed, to others where they cannot be reached."""

import re
from collections.abc import Callable, Mapping

from handlers.chat import Texts, Turn
from handlers.language.phrasing import is_kin
from models.members import Neighbour, Role, Term, member_by_id
from models.proxies import find_spoken_of, only_relative
from models.reach import reach_in, reaches
from models.units import LEADERS

ROLE_NAMES: Mapping[Role, str] = {
    Role.RESIDENT: "居民",
    Role.MEMBER: "党员",
    Role.PROPERTY: "物业、楼长或社区",
    Role.OWNERS_COMMITTEE: "业委会",
    Role.BUILDING_LEAD: "楼长或社区",
    Role.GROUP_LEADER: "党小组长或社区",
    Role.BRANCH_SECRETARY: "支部书记或社区",
    Role.STAFF: "社区工作人员",
    Role.SECRETARY: "社区书记",
    Role.ADMIN: "管理员",
}
"""Who does what somebody else may not, in the words of a neighbour."""

COLLEAGUES: Mapping[Role, str] = {
    Role.RESIDENT: "居民",
    Role.MEMBER: "党员",
    Role.PROPERTY: "物业人员",
    Role.OWNERS_COMMITTEE: "业委会委员",
    Role.BUILDING_LEAD: "副楼长",
    Role.GROUP_LEADER: "副组长",
    Role.BRANCH_SECRETARY: "副书记",
    Role.STAFF: "社工",
    Role.SECRETARY: "社区书记",
    Role.ADMIN: "管理员",
}
"""What somebody is called who has a role for a unit that another one leads, or nobody."""


def title_of(term: Term) -> str:
    """What somebody is called by a role: by the unit's kind for whoever leads it, else by the role."""
    return LEADERS[term.unit.kind] if term.leads else COLLEAGUES[term.role]


def post_called(unit: str, title: str) -> str:
    """What one is in a unit, without saying twice what it is: 3栋楼长, 朝霞党支部书记, 3栋党小组长."""
    shared = next((length for length in range(len(title), 1, -1) if unit.endswith(title[:length])), 0)
    return unit + title[shared:]


say = Texts("review", decides_otherwise="有一件事等{name}审核，我发不到{name}。请转告：私聊我发 审核 就能看到。")


def otherwise(turn: Turn, member_id: int, words: Callable[[str], str]) -> str:
    """What the building's lead is told where this member cannot be written to: `words` about their name.

    It says whom to tell what, and no more. Nothing where they can be written to.
    """
    if reaches(turn.session, community_id=turn.community.id, member_id=member_id, reach=reach_in(turn.rules)):
        return ""
    return words(member_by_id(turn.session, community_id=turn.community.id, member_id=member_id).name)


def decides_otherwise(turn: Turn, member_id: int) -> str:
    """The same for somebody who has to decide what waits in 审核."""
    return otherwise(turn, member_id, lambda name: say("decides_otherwise", name=name))


_SPOKEN_OF = re.compile(r"(?:(?P<room>[0-9]{3,4})室?的?)?@?(?P<name>.+)")


def spoken_of(turn: Turn, written: str) -> Neighbour:
    """The person whom the speaker means: `王秀英`, `502的陈阿姨`, `我妈` where there is one relative.

    Raises NoSuchMember, SeveralMembers, WhoseRelative.
    """
    match = _SPOKEN_OF.fullmatch(written)
    name, room = (match["name"], match["room"] or "") if match else (written, "")
    if is_kin(name):
        return only_relative(turn.session, proxy=turn.who)
    return find_spoken_of(turn.session, proxy=turn.who, name=name, room=room)
