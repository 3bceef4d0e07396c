"""What must go out: one row for each message to a group or somebody, written in the transaction that causes it.

`not_before` and `expires_at` are community time (when it is due, when it is pointless); leases, retries and limits are
wall time. The postman (`bot/delivery.py`) claims rows for a lease, writes an attempt, sends outside of any
transaction, and writes the outcome.

- `(community_id, key)` is unique: what is put in twice under one key goes out once.
- A row is for one group, or one person, or one account that is nobody yet (who asked to be recognised).
- A row ends as sent, failed, unknown or handed on; none stays forever. What failed says why, and what may have arrived
  is never called failed.
- A recipient is served by one postman at a time and in order: while one of their messages is leased or waits for its
  next try, the others wait behind it.
- Limits are counted from attempts, so that restarts and replicas share them.

`messages` has the tables; features put them in by `writing`. `claiming`, `attempts` and `recipients` are the postman's;
`looking` says what lies here.
"""

from models.outbox.attempts import (
    Begun,
    LeaseLost,
    Lost,
    begin_attempt,
    end_attempt,
    lock_address,
    lost_attempts,
    refusals,
    waiting_time,
)
from models.outbox.claiming import Claimed, claim, finish, hold, next_due, part_sent, put_back, release
from models.outbox.looking import EndedBadly, ended_badly, offered, overdue, waiting_count
from models.outbox.messages import ENDED_BADLY, Attempt, AttemptItem, AttemptOutcome, Outbox, OutboxState
from models.outbox.recipients import Route, home_path, routes, routes_to_member
from models.outbox.writing import fate, is_unheard, put, reinstate, withdraw

__all__ = [
    "ENDED_BADLY",
    "Attempt",
    "AttemptItem",
    "AttemptOutcome",
    "Begun",
    "Claimed",
    "EndedBadly",
    "LeaseLost",
    "Lost",
    "Outbox",
    "OutboxState",
    "Route",
    "begin_attempt",
    "claim",
    "end_attempt",
    "ended_badly",
    "fate",
    "finish",
    "hold",
    "home_path",
    "is_unheard",
    "lock_address",
    "lost_attempts",
    "next_due",
    "offered",
    "overdue",
    "part_sent",
    "put",
    "put_back",
    "refusals",
    "reinstate",
    "release",
    "routes",
    "routes_to_member",
    "waiting_count",
    "waiting_time",
    "withdraw",
]
