"""履职: what a holder did for a post, in a line, and what it earned.

何叔 walks his rounds and says so, with a photo where he likes; or he says 签到 when he begins and 签退 when he is done.
Where the post asks for it, those in charge confirm it first. What an entry is stands in `entries`, what it earns in
`earning`; `writing` and `confirming` are what people do with it, `listing` is what they read.
"""

from models.duties.confirming import (
    Decided,
    WaitingEntry,
    decide_entry,
    drop_waiting,
    undo_decision,
    waiting_entries,
)
from models.duties.entries import (
    DayAhead,
    DayLongPast,
    DutyCredit,
    DutyLog,
    Entry,
    EntryState,
    LoggedAlready,
    LoggedTooOften,
    NoSuchEntry,
    NoteTooLong,
    NotHolding,
    NotHoldingThen,
    NotThere,
    OwnEntry,
    Settings,
    ThereAlready,
    TooManyMinutes,
    held_by,
)
from models.duties.listing import Line, Tally, last_done, last_written, lines_of, logged_since, tallies, tally
from models.duties.writing import Logged, come, leave, log_duty, undo_leave, undo_log, undo_words

__all__ = [
    "DayAhead",
    "DayLongPast",
    "Decided",
    "DutyCredit",
    "DutyLog",
    "Entry",
    "EntryState",
    "Line",
    "Logged",
    "LoggedAlready",
    "LoggedTooOften",
    "NoSuchEntry",
    "NotHolding",
    "NotHoldingThen",
    "NotThere",
    "NoteTooLong",
    "OwnEntry",
    "Settings",
    "Tally",
    "ThereAlready",
    "TooManyMinutes",
    "WaitingEntry",
    "come",
    "decide_entry",
    "drop_waiting",
    "held_by",
    "last_done",
    "last_written",
    "leave",
    "lines_of",
    "log_duty",
    "logged_since",
    "tallies",
    "tally",
    "undo_decision",
    "undo_leave",
    "undo_log",
    "undo_words",
    "waiting_entries",
]
