"""What can be said to the bot."""

from handlers import activities, check_in, consent, groups, help, membership, points, review, undo

FEATURES = (
    activities.router,
    check_in.router,
    points.router,
    membership.router,
    consent.router,
    groups.router,
    review.router,
    undo.router,
    help.router,
)
"""Every feature, in the order in which its commands are shown in the help."""
