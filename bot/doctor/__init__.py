"""The doctor: everything an operator would otherwise have to know where to look for, one line each, with what to do.

It works beside a running bot and without one, writes nothing into the books, and speaks to nobody but this machine, the
bot's own public address and, where they are configured, the platform's addresses for the long connection and the app.
A line is `ok`, a `warning` (it works, look at it when you have time) or `broken` (something does not work, or soon will
not).
"""

from collections.abc import Sequence
from datetime import datetime

from bot.config import Config, ConfigError, Problem
from bot.doctor.database import database, opened
from bot.doctor.finding import Finding, State, broken
from bot.doctor.machine import chinese_fonts, copies, time_zone
from bot.doctor.reach import apps, bot_here, callbacks, gateways
from bot.doctor.settings import configuration
from bot.fonts import FOLDERS

__all__ = ["Finding", "State", "examine"]


def examine(config: Config | ConfigError, now: datetime, *, fonts: Sequence[str] = FOLDERS) -> list[Finding]:
    """Looks at everything; `now` is wall time. Without a configuration only the machine can be looked at."""
    machine = [*time_zone(now), *chinese_fonts(fonts)]
    if isinstance(config, ConfigError):
        return [*(_of_problem(problem) for problem in config.problems), *machine]
    findings = [*configuration(config)]
    running, its_findings = bot_here(config)
    with opened(config) as engine:
        findings += database(engine, config, now, running=running)
    reached = [*callbacks(config, now, running=running), *gateways(config, running=running), *apps(config)]
    return [*findings, *its_findings, *reached, *copies(config, now), *machine]


def _of_problem(problem: Problem) -> Finding:
    return broken("配置", str(problem), "请改好配置文件或环境变量；全部的项见 config.example.toml")
