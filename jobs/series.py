"""Every morning the coming weeks of each series are announced, and who always comes is signed up.

Nothing is pushed: the list of activities has them, and the reminder goes out as for every other activity. What was
announced, changed, called off or skipped before is left alone; a morning that was missed is made up by the next.
"""

from jobs.tick import Job, Tick
from models.series import announce_ahead, running_series


def run(tick: Tick) -> bool:
    for series in running_series(tick.session, community_id=tick.community.id):
        announce_ahead(
            tick.session,
            series=series,
            now=tick.at,
            weeks=tick.rules["series"].weeks_ahead,
            companions_max=tick.rules["activities"].companions_max,
        )
    return False


ANNOUNCE = Job("series.announce", run, cron="10 6 * * *")
