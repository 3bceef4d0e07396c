"""What is true of a community: tables, rules, actions, queries.

Plain synchronous Python over a SQLAlchemy `Session`. No sentence for people stands here, nothing is committed here,
and no clock is read here: moments come in as arguments.
"""

from models import (
    audit,
    categories,
    counters,
    directory,
    files,
    forgetting,
    handover,
    hearing,
    inbox,
    ledger,
    organisation,
    outages,
    pending,
    photos,
    points,
    privacy,
    proxies,
    quiet,
    reports,
    roll_call,
    schedule,
    series,
    tenure,
    units,
)
from models.activities import declines, plan, signups
from models.broadcast import links, notes, notices, receipts, sending
from models.check_in import coming, going, making_up, vouching, ways
from models.duties import entries
from models.members import consent, detaching, family, invitations, merging, people, proof, registration
from models.outbox import messages
from models.posts import claims, post
from models.roster import stays

EVERY_TABLE = (
    audit,
    categories,
    claims,
    coming,
    consent,
    counters,
    declines,
    detaching,
    directory,
    entries,
    family,
    files,
    forgetting,
    going,
    handover,
    hearing,
    inbox,
    invitations,
    ledger,
    making_up,
    merging,
    messages,
    notices,
    organisation,
    outages,
    pending,
    people,
    photos,
    plan,
    points,
    post,
    privacy,
    proof,
    proxies,
    links,
    notes,
    quiet,
    receipts,
    registration,
    roll_call,
    schedule,
    sending,
    reports,
    series,
    signups,
    stays,
    tenure,
    units,
    vouching,
    ways,
)
"""The modules that hold tables: what migrations compare with, and whose invariants `linli verify` checks."""
