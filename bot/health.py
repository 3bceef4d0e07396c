"""Health: whether this process should get messages, and if not, why.

- `/livez` answers 200 as long as the process answers at all: it says whether to restart.
- `/healthz` answers 200 when every check is fine, else 503 with Chinese reasons: it says whether to send
  messages.
- All checks run at the same time, one second each: a check that hangs is not fine, and delays nobody further.
- A check that warns says what is wrong and makes nothing unready: a group that cannot be written to is no reason to
  send its people's messages elsewhere.
- A check runs once at a time, however many ask: a probe cannot load a database that is in trouble already.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace

from aiohttp import web

from bot import logs

Check = Callable[[], Awaitable[str]]
"""Returns nothing (`""`) when all is well, else a Chinese reason without any secret. Must let itself be
cancelled.
"""

TIMEOUT_SECONDS = 1.0
LATE = "超时"

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    why: str
    warns: bool = False
    """It does not keep the process from being ready."""


class Health:
    """The checks of one app, in the order in which they were registered."""

    def __init__(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout_seconds
        self._checks: dict[str, Check] = {}
        self._warn: set[str] = set()
        self._running: dict[str, asyncio.Task[str]] = {}

    def register(self, name: str, check: Check, *, warns: bool = False) -> None:
        """Adds a check under a Chinese name. Raises ValueError for a name that is taken."""
        if name in self._checks:
            raise ValueError(f"the check {name} is registered twice")
        if warns:
            self._warn.add(name)
        self._checks[name] = check

    async def findings(self) -> list[Finding]:
        """Runs all checks at the same time and waits for them at most the timeout."""
        tasks = {name: self._task(name) for name in self._checks}
        if tasks:
            # `wait` and not `gather`: one check's trouble must not hide what the others found.
            await asyncio.wait(tasks.values(), timeout=self._timeout)
        found = [self._finding(name, task) for name, task in tasks.items()]
        return [replace(one, warns=one.name in self._warn) for one in found]

    def _task(self, name: str) -> asyncio.Task[str]:
        """The check's running task, a fresh one where none runs."""
        task = self._running.get(name)
        if task is None or task.done():
            task = asyncio.ensure_future(self._asked(name))
            self._running[name] = task
        return task

    async def _asked(self, name: str) -> str:
        return await self._checks[name]()

    def _finding(self, name: str, task: asyncio.Task[str]) -> Finding:
        if not task.done():
            # It stays in `_running` until it ends: a check that ignores this is not started a second time.
            task.cancel()
            return Finding(name, False, LATE)
        if task.cancelled():
            # Another request waited for the same check and gave up first.
            return Finding(name, False, LATE)
        error = task.exception()
        if error is not None:
            # Its text may hold an address with a password; who asks for health may be anybody.
            log.warning("health check failed", check=name, error=error)
            return Finding(name, False, f"检查出错（{type(error).__name__}）")
        why = task.result()
        return Finding(name, not why, why)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/healthz", self.show), web.get("/livez", self.show_alive)]

    async def show(self, request: web.Request) -> web.Response:
        """Answers `GET /healthz`."""
        findings = await self.findings()
        ready = all(finding.ok or finding.warns for finding in findings)
        body = {"ready": ready, "checks": [_shown(finding) for finding in findings]}
        return _json(body, status=200 if ready else 503)

    async def show_alive(self, request: web.Request) -> web.Response:
        """Answers `GET /livez`."""
        return _json({"alive": True}, status=200)

    async def close(self) -> None:
        """Ends the checks that still run."""
        running = [task for task in self._running.values() if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=self._timeout)


def _shown(finding: Finding) -> dict[str, object]:
    shown = asdict(finding)
    if not shown["warns"]:
        del shown["warns"]
    return shown


def _json(body: object, *, status: int) -> web.Response:
    return web.Response(
        text=json.dumps(body, ensure_ascii=False),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
