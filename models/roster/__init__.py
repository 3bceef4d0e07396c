"""名册: who lives where, as a list brings it, as a secretary writes it down, and as it is handed out again.

- Importing a list twice changes nothing; a person who is missing in a list is reported, never removed.
- Every person who is added or changed has an audit row.
- Moving keeps the home that was left, with the days from which and until which it was one.
- Nobody writes about people beyond their scope, nor gives a role above their own.
"""

from models.roster.importing import (
    Batch,
    Snapshot,
    Written,
    begin_import,
    end_import,
    lock_roster,
    read_roster,
    write_steps,
)
from models.roster.listing import Line, namespaces, roster_lines
from models.roster.matching import (
    Change,
    Entry,
    Holding,
    Known,
    Plan,
    Reason,
    Refused,
    Step,
    Wanted,
    make_plan,
)
from models.roster.people import (
    Listed,
    ListedAlready,
    LivesHere,
    NotHere,
    NothingToCorrect,
    Told,
    WrittenSince,
    correct_person,
    find_listed,
    list_person,
    listed_by_id,
    move_in,
    move_out,
    namesakes,
    uncorrect_person,
    undo_move_in,
    undo_move_out,
    unlist_person,
)
from models.roster.stays import Home, Lived, Stay, stays_of
from models.roster.tree import Place, Tree, open_homes, read_tree

__all__ = [
    "Batch",
    "Change",
    "Entry",
    "Holding",
    "Home",
    "Known",
    "Line",
    "Listed",
    "ListedAlready",
    "Lived",
    "LivesHere",
    "NotHere",
    "NothingToCorrect",
    "Place",
    "Plan",
    "Reason",
    "Refused",
    "Snapshot",
    "Stay",
    "Step",
    "Told",
    "Tree",
    "Wanted",
    "Written",
    "WrittenSince",
    "begin_import",
    "correct_person",
    "end_import",
    "find_listed",
    "list_person",
    "listed_by_id",
    "lock_roster",
    "make_plan",
    "move_in",
    "move_out",
    "namesakes",
    "namespaces",
    "open_homes",
    "read_roster",
    "read_tree",
    "roster_lines",
    "stays_of",
    "uncorrect_person",
    "undo_move_in",
    "undo_move_out",
    "unlist_person",
    "write_steps",
]
