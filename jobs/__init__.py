"""What happens because time passed."""

from jobs import activities, check_in, housekeeping, membership

JOBS = (activities.REMIND, check_in.CLOSE, housekeeping.PROVE, housekeeping.FORGET, membership.FORGET)
"""Every job, in the order in which they run where several are due at one moment."""
