"""Changed settings without a restart: SIGHUP reads the configuration anew.

What can change while the bot serves is taken at once: log level, channels' tokens and keys (those before are accepted
for an hour beside the new ones), the secrets' key, limits, the numbers of features, of the postman and of the backup.
What cannot is named in the log and waits for the next start. A configuration that is wrong changes nothing.
"""

import re
from collections.abc import Iterator

from bot import logs
from bot.app import House
from bot.config import Config, ConfigError

log = logs.logger(__name__)

SAFE = re.compile(
    r"log\.\w+|secrets\.\w+|delivery\.\w+|backup\.(keep_\w+|at|passphrase|folder)"
    r"|channels\.\w+\.(token|aes_key|secret|timestamp_window_seconds|per_minute|pictures)"
)
"""The keys that are taken at once, beside those of the features."""


def changed(before: Config, after: Config) -> Iterator[str]:
    """The paths of the keys whose values differ, also of sections that came or went."""
    old, new = before.values(), after.values()
    for path in {**old, **new}:
        if old.get(path) != new.get(path):
            yield path


def adopt(house: House, before: Config, after: Config) -> tuple[list[str], list[str]]:
    """Lets a serving house take `after`; returns the keys that were taken, and those that wait for a restart."""
    paths = list(changed(before, after))
    taken = [path for path in paths if SAFE.fullmatch(path) or path.split(".")[0] in after.features]
    for secret in after.secret_values():
        logs.register_secret(secret)
    logs.configure(after.log.level, after.log.format, message_text=after.log.message_text)
    house.adopt(after)
    return taken, [path for path in paths if path not in taken]


def refused(error: ConfigError) -> None:
    """Says in the log that nothing was taken, and why."""
    log.error("config.not_reloaded", problems=[str(problem) for problem in error.problems])


def told(taken: list[str], waiting: list[str]) -> None:
    """Says in the log what became of a changed configuration. Keys only, no values."""
    log.warning("config.reloaded", taken=taken, needs_restart=waiting)
