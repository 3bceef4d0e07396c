"""What happens because time passed."""

from jobs import (
    activities,
    broadcast,
    check_in,
    duties,
    handover,
    housekeeping,
    membership,
    organisation,
    posts,
    privacy,
    tenure,
)

JOBS = (
    activities.REMIND,
    check_in.CLOSE,
    posts.LAPSE,
    posts.EMPTY,
    broadcast.SEND,
    broadcast.REMIND,
    broadcast.LOOK,
    broadcast.SILENT,
    broadcast.HAND_OVER,
    handover.LAPSE,
    tenure.END,
    tenure.ASK,
    duties.SUM_UP,
    privacy.SWEEP,
    organisation.TERMS,
    organisation.LEADERLESS,
    housekeeping.PROVE,
    housekeeping.FORGET,
    membership.FORGET,
    privacy.LET_GO,
    privacy.TRACES,
    privacy.LEFT_OVER,
)
"""Every job, in the order in which they run where several are due at one moment."""
