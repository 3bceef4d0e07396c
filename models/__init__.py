"""What is true of a community: tables, rules, actions, queries.

Plain synchronous Python over a SQLAlchemy `Session`. No sentence for people stands here, nothing is committed here,
and no clock is read here: moments come in as arguments.
"""

from models import (
    activities,
    audit,
    check_in,
    counters,
    directory,
    hearing,
    inbox,
    ledger,
    outbox,
    pending,
    points,
    schedule,
    units,
)
from models.members import consent, invitations, merging, people, proof, registration

EVERY_TABLE = (
    activities,
    audit,
    check_in,
    consent,
    counters,
    directory,
    hearing,
    inbox,
    invitations,
    ledger,
    merging,
    outbox,
    pending,
    people,
    points,
    proof,
    registration,
    schedule,
    units,
)
"""The modules that hold tables: what migrations compare with, and whose invariants `linli verify` checks."""
