"""What can be said to the bot."""

from handlers import (
    accounts,
    activities,
    broadcast,
    check_in,
    consent,
    family,
    groups,
    help,
    membership,
    not_yet,
    organisation,
    points,
    post_desk,
    posts,
    privacy,
    review,
    roles,
    roll_call,
    roster,
    site,
    squads,
    tree,
    undo,
)

FEATURES = (
    activities.router,
    check_in.router,
    points.router,
    posts.router,
    post_desk.router,
    squads.router,
    broadcast.router,
    roll_call.router,
    membership.router,
    consent.router,
    family.router,
    privacy.router,
    accounts.router,
    groups.router,
    organisation.router,
    tree.router,
    roles.router,
    site.router,
    review.router,
    roster.router,
    undo.router,
    help.router,
)
"""Every feature, in the order in which its commands are shown in the help."""

UNDERSTOOD = (*FEATURES, not_yet.router)
"""Everything that is understood: the features, and what they do not do yet."""
