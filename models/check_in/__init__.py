"""Coming and going: who was there, from when to when, and what it earned.

Somebody says 签到 at the place; the points for coming are theirs at once. Who says 签退 gets the recorded minutes and
the points per hour; who forgets is checked out at the planned end.

- A person has one live check-in for an activity, and one live check-out for a check-in.
- A check-in lies in the activity's window, in community time.
- Nobody is at an activity that was called off: those who were there were checked out in that moment.
- A check-in has its points in the ledger under `check-in:<id>`, where the rule gives any.
- Recorded minutes are those between coming and going, inside the activity's own hours.
"""

from models.check_in.coming import (
    AlreadyCheckedIn,
    CheckedIn,
    CheckIn,
    CheckInNotOpen,
    Coming,
    check_in,
    find_coming,
)
from models.check_in.going import (
    TELL_WITHIN,
    AlreadyCheckedOut,
    CheckedOut,
    CheckOut,
    NoSuchCheckIn,
    NotCheckedIn,
    NothingToStayFor,
    SentHome,
    check_out,
    send_home,
    served_minutes,
)
from models.check_in.lists import (
    Forgotten,
    forgotten_check_outs,
    how_many_came,
    left_open,
    where_checked_in,
)
from models.check_in.undoing import call_back, undo_check_in, undo_check_out

__all__ = [
    "TELL_WITHIN",
    "AlreadyCheckedIn",
    "AlreadyCheckedOut",
    "CheckIn",
    "CheckInNotOpen",
    "CheckOut",
    "CheckedIn",
    "CheckedOut",
    "Coming",
    "Forgotten",
    "NoSuchCheckIn",
    "NotCheckedIn",
    "NothingToStayFor",
    "SentHome",
    "call_back",
    "check_in",
    "check_out",
    "find_coming",
    "forgotten_check_outs",
    "how_many_came",
    "left_open",
    "send_home",
    "served_minutes",
    "undo_check_in",
    "undo_check_out",
    "where_checked_in",
]
