"""Metrics: how many messages, how fast, and what waits, for Prometheus.

- Each app has a registry of its own, so that two apps in one process (tests, a migration rehearsal) do
  not add up.
- What one message costs is one counter and one histogram. These two are plain numbers of the event loop's
  thread and become Prometheus metrics when asked for: a fifth of what the library's locked ones cost.
- Labels come from the code and the configuration only; nothing that a caller sends becomes a label.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from itertools import accumulate

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets up to 5 s, after which WeCom gives up on an answer and delivers again."""
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
BATCH_UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REASONS_MAX = 32
"""Reasons beyond these count as `other`: a reason made from what was sent would otherwise fill the memory."""


class Outcome(StrEnum):
    """What became of one incoming message."""

    ACT = "act"
    """It wrote something."""
    READ = "read"
    """It was answered from what is there, and wrote nothing."""
    ASK = "ask"
    """It was answered with a question."""
    IGNORE = "ignore"
    """It was chatter."""
    REFUSED = "refused"
    """An expected no."""
    REPEATED = "repeated"
    """It was delivered before, and got its stored answer."""
    FAILED = "failed"
    """A fault of ours."""
    BUSY = "busy"
    """A passing fault: nothing was written, and the platform was asked to deliver again."""


class PushOutcome(StrEnum):
    """What became of one attempt to send a message."""

    SENT = "sent"
    RETRY = "retry"
    """A passing error; it will be tried again."""
    DEAD = "dead"
    """A permanent error."""
    EXPIRED = "expired"
    """Its moment passed before it could be sent."""
    UNKNOWN = "unknown"
    """The answer was lost."""


class JobOutcome(StrEnum):
    """What became of one slot of a job."""

    DONE = "done"
    FAILED = "failed"
    TAKEN = "taken"
    """Another replica had it."""


class ChannelMetrics:
    """The numbers of one channel, bound once."""

    __slots__ = ("_pushes", "_reasons", "_refused", "buckets", "messages", "name", "refusals", "seconds_sum")

    def __init__(self, name: str, refused: Counter, pushes: Counter) -> None:
        self.name = name
        self.messages: dict[str, int] = {outcome.value: 0 for outcome in Outcome}
        self.buckets = [0] * (len(ANSWER_SECONDS) + 1)
        """How many answers fell between two bounds; the last is what took longer than all."""
        self.seconds_sum = 0.0
        self.refusals: tuple[int, str] = (0, "")
        """How many callbacks were refused, and why the last one was."""
        self._pushes = {outcome: pushes.labels(name, outcome.value).inc for outcome in PushOutcome}
        self._refused = refused
        self._reasons: dict[str, Counter] = {}

    def answered(self, outcome: str, seconds: float) -> None:
        """One message: its `Outcome`, and how long its answer took. Only from the event loop's thread."""
        # An outcome that is not listed counts as well: a slip in a number must not cost anybody an answer.
        self.messages[outcome] = self.messages.get(outcome, 0) + 1
        self.buckets[bisect_left(ANSWER_SECONDS, seconds)] += 1
        self.seconds_sum += seconds

    def refused(self, reason: str) -> None:
        """One callback refused before any work was done; `reason` is a word of the channel's code."""
        counter = self._reasons.get(reason)
        if counter is None:
            known = reason if len(self._reasons) < REASONS_MAX else "other"
            counter = self._refused.labels(self.name, known)
            if known == reason:
                self._reasons[reason] = counter
        counter.inc()
        self.refusals = (self.refusals[0] + 1, reason)

    def pushed(self, outcome: PushOutcome) -> None:
        """One attempt to send a message."""
        self._pushes[outcome]()


class _Answers(Collector):
    """The plain numbers of all channels as Prometheus metrics."""

    def __init__(self, channels: dict[str, ChannelMetrics]) -> None:
        self._channels = channels

    def collect(self) -> Iterator[Metric]:
        messages = CounterMetricFamily("linli_messages", "Incoming messages.", labels=("channel", "outcome"))
        seconds = HistogramMetricFamily(
            "linli_answer_seconds", "Seconds from a message's arrival to its answer.", labels=("channel",)
        )
        bounds = (*map(floatToGoString, ANSWER_SECONDS), "+Inf")
        for channel in self._channels.values():
            for outcome, count in channel.messages.items():
                messages.add_metric((channel.name, outcome), count)
            buckets = list(zip(bounds, accumulate(channel.buckets), strict=True))
            seconds.add_metric((channel.name,), buckets=buckets, sum_value=channel.seconds_sum)
        yield messages
        yield seconds


class Metrics:
    """The numbers of one app. Any thread may count, except where a method says otherwise."""

    def __init__(self, *, channels: Iterable[str] = (), jobs: Iterable[str] = ()) -> None:
        """`channels` and `jobs` named here show zeros from the start, so that a rate has a beginning."""
        self.registry = registry = CollectorRegistry()
        self._refused = Counter(
            "callbacks_refused",
            "Callbacks refused before any work was done.",
            ("channel", "reason"),
            namespace="linli",
            registry=registry,
        )
        self._pushes = Counter(
            "pushes",
            "Attempts to send a message.",
            ("channel", "outcome"),
            namespace="linli",
            registry=registry,
        )
        self._jobs = Counter("jobs", "Slots of jobs.", ("job", "outcome"), namespace="linli", registry=registry)
        self._batch_units = Histogram(
            "write_batch_units",
            "Units of work that shared one commit.",
            namespace="linli",
            registry=registry,
            buckets=BATCH_UNITS,
        )
        self._commit_seconds = Histogram(
            "commit_seconds",
            "Seconds that one durable commit took.",
            namespace="linli",
            registry=registry,
            buckets=COMMIT_SECONDS,
        )
        self._outbox_waiting = Gauge(
            "outbox_waiting", "Messages that are due and not sent.", namespace="linli", registry=registry
        )
        self._delivery_incidents = Gauge(
            "delivery_incidents",
            "Incidents because of which messages do not go out, that are not over.",
            namespace="linli",
            registry=registry,
        )
        self._database_up = Gauge("database_up", "1 while the database answers.", namespace="linli", registry=registry)
        self._last_tick = Gauge(
            "scheduler_last_tick_seconds",
            "Wall time of the scheduler's last tick, in seconds since 1970; 0 before the first.",
            namespace="linli",
            registry=registry,
        )
        self._connected = Gauge(
            "channel_connected",
            "1 while this process has the channel's long connection.",
            ("channel",),
            namespace="linli",
            registry=registry,
        )
        ProcessCollector(registry=registry)
        self._channels: dict[str, ChannelMetrics] = {}
        registry.register(_Answers(self._channels))
        for name in channels:
            self.channel(name)
        for job in jobs:
            for outcome in JobOutcome:
                self._jobs.labels(job, outcome.value)

    def channel(self, name: str) -> ChannelMetrics:
        """The numbers of one configured channel, always the same object. Keep it: that is what makes counting
        cheap.
        """
        if name not in self._channels:
            self._channels[name] = ChannelMetrics(name, self._refused, self._pushes)
        return self._channels[name]

    def connected(self, channel: str, up: bool) -> None:
        """Whether this process has the long connection of a channel that has one."""
        self._connected.labels(channel).set(int(up))

    def malformed(self) -> None:
        """One request that was no HTTP, refused before any channel saw it."""
        self._refused.labels("", "http").inc()

    def heard(self, channel: str, outcome: str, seconds: float) -> None:
        """One message, for callers that serve all channels. Only from the event loop's thread."""
        (self._channels.get(channel) or self.channel(channel)).answered(outcome, seconds)

    def job(self, name: str, outcome: JobOutcome) -> None:
        """One slot of a job."""
        self._jobs.labels(name, outcome.value).inc()

    def committed(self, units: int, seconds: float) -> None:
        """One commit: how many units of work it held, and how long it took."""
        self._batch_units.observe(units)
        self._commit_seconds.observe(seconds)

    def outbox_waiting(self, rows: int) -> None:
        """How many messages are due and not sent."""
        self._outbox_waiting.set(rows)

    def delivery_incidents(self, count: int) -> None:
        """How many incidents keep messages from going out."""
        self._delivery_incidents.set(count)

    def database_up(self, up: bool) -> None:
        """Whether the database answered when it was last asked."""
        self._database_up.set(int(up))

    def ticked(self, at: datetime) -> None:
        """The scheduler looked what is due. `at` is wall time, aware."""
        self._last_tick.set(at.timestamp())

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/metrics", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Answers `GET /metrics` in the format that the scraper asks for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self.registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"}
        )
