"""How somebody's name stands where neighbours read it: in full, or as 王*英.

- Whoever hides their name is shown so in every group and on every board; those in charge read it in full, alone.
"""

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.members.people import Member


def hide_name(session: Session, *, community_id: int, member_id: int, hides: bool) -> bool:
    """Hides a member's name from now on, or shows it in full again; False where it was so already."""
    changed = session.execute(
        update(Member)
        .where(Member.community_id == community_id, Member.id == member_id, Member.hides_name.is_(not hides))
        .values(hides_name=hides)
        .returning(Member.id)
    )
    return changed.one_or_none() is not None
