"""What can be said to the bot."""

from handlers import activities, check_in, groups, help, membership, points, review, undo

FEATURES = (
    activities.router,
    check_in.router,
    points.router,
    membership.router,
    groups.router,
    review.router,
    undo.router,
    help.router,
)
"""Every feature, in the order in which its commands are shown in the help."""
