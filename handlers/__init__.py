"""What can be said to the bot."""

from handlers import activities, check_in, help, membership, points, review, undo

FEATURES = (
    activities.router,
    check_in.router,
    points.router,
    membership.router,
    review.router,
    undo.router,
    help.router,
)
"""Every feature, in the order in which its commands are shown in the help."""
