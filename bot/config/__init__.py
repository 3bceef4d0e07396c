"""Configuration: one TOML file and the environment become typed settings, or one list of everything that is wrong.

A key is set by its default, else by the file, else by the environment: `LINLI_HTTP__PORT`, two underscores between
levels; an empty variable counts as not set, because compose files pass on empty ones. A secret may be read from a file:
`token_file = "path"` in the TOML (relative to it), `..._TOKEN_FILE` in the environment. Values of the file are taken
strictly (`port = "8080"` is a mistake), variables by the type of their key, lists in JSON. No problem, no `repr` and no
origin shows a secret's value.

Channels and features own their settings (`Settings` in `bot/channels/<channel>.py` and `models/<feature>.py`); `load`
gets them as tables and imports neither.
"""

from bot.config.loading import load
from bot.config.sections import DEFAULT, SECTIONS, Backup, Config, Database, Secrets, Shown
from bot.config.wording import ConfigError, Problem

__all__ = [
    "DEFAULT",
    "SECTIONS",
    "Backup",
    "Config",
    "ConfigError",
    "Database",
    "Problem",
    "Secrets",
    "Shown",
    "load",
]
