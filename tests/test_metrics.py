"""Metrics: what was counted is what a scraper reads, over HTTP, from a registry that belongs to one app."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import ANSWER_SECONDS, REASONS_MAX, JobOutcome, Metrics, Outcome, PushOutcome

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(channels=("app",), jobs=("rota",))


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[ClientSession]:
    app = web.Application()
    app.add_routes(metrics.routes())
    async with TestServer(app) as server, ClientSession(base_url=server.make_url("/")) as session:
        yield session


async def scraped(client: ClientSession) -> Samples:
    """Everything of ours as a scraper reads it, by name and labels; zeros and creation times left out."""
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("linli_") and not sample.name.endswith("_created") and sample.value
    }


def labels(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(given.items()))


async def test_nothing_counted_is_all_zeros(client: ClientSession) -> None:
    assert await scraped(client) == {}


async def test_messages_are_counted_by_channel_and_outcome(metrics: Metrics, client: ClientSession) -> None:
    for _ in range(3):
        metrics.channel("app").answered(Outcome.ACT, 0.004)
    metrics.channel("aibot").answered(Outcome.IGNORE, 7.0)
    metrics.heard("app", "act", 0.1)
    metrics.heard("kf", "unheard-of", 0.1)

    samples = await scraped(client)

    assert {key: value for key, value in samples.items() if key[0] == "linli_messages_total"} == {
        ("linli_messages_total", labels(channel="app", outcome="act")): 4,
        ("linli_messages_total", labels(channel="kf", outcome="unheard-of")): 1,
        ("linli_messages_total", labels(channel="aibot", outcome="ignore")): 1,
    }


async def test_answer_times_fall_into_buckets_up_to_five_seconds(metrics: Metrics, client: ClientSession) -> None:
    # On a bound belongs to the bucket below it; longer than all bounds only to the last.
    for seconds in (0.0, 0.001, 0.0011, 5.0, 5.1):
        metrics.channel("app").answered(Outcome.READ, seconds)

    samples = await scraped(client)

    counts = {
        bound: samples.get(("linli_answer_seconds_bucket", labels(channel="app", le=bound)))
        for bound in ("0.001", "0.0025", "2.5", "5.0", "+Inf")
    }
    assert counts == {"0.001": 2, "0.0025": 3, "2.5": 3, "5.0": 4, "+Inf": 5}
    assert samples[("linli_answer_seconds_count", labels(channel="app"))] == 5
    assert samples[("linli_answer_seconds_sum", labels(channel="app"))] == pytest.approx(10.1021)
    assert ANSWER_SECONDS[-1] == 5.0


async def test_everything_else_is_counted_where_it_belongs(metrics: Metrics, client: ClientSession) -> None:
    metrics.channel("app").refused("signature")
    metrics.channel("app").refused("signature")
    metrics.channel("app").pushed(PushOutcome.DEAD)
    metrics.job("rota", JobOutcome.DONE)
    metrics.committed(17, 0.003)
    metrics.outbox_waiting(4)
    metrics.database_up(True)
    metrics.ticked(datetime(2026, 11, 28, 11, 0, tzinfo=UTC))

    samples = {key: value for key, value in (await scraped(client)).items() if not key[0].endswith("_bucket")}

    assert samples == {
        ("linli_callbacks_refused_total", labels(channel="app", reason="signature")): 2,
        ("linli_pushes_total", labels(channel="app", outcome="dead")): 1,
        ("linli_jobs_total", labels(job="rota", outcome="done")): 1,
        ("linli_write_batch_units_count", ()): 1,
        ("linli_write_batch_units_sum", ()): 17,
        ("linli_commit_seconds_count", ()): 1,
        ("linli_commit_seconds_sum", ()): 0.003,
        ("linli_outbox_waiting", ()): 4,
        ("linli_database_up", ()): 1,
        ("linli_scheduler_last_tick_seconds", ()): 1795863600,
    }


async def test_known_channels_and_jobs_are_shown_before_anything_happened(client: ClientSession) -> None:
    async with client.get("/metrics") as answer:
        text = await answer.text()

    zeros = set(re.findall(r"^(linli_\w+_total\{.*\}) 0\.0$", text, re.MULTILINE))
    assert zeros == {
        *(f'linli_messages_total{{channel="app",outcome="{outcome}"}}' for outcome in Outcome),
        *(f'linli_pushes_total{{channel="app",outcome="{outcome}"}}' for outcome in PushOutcome),
        *(f'linli_jobs_total{{job="rota",outcome="{outcome}"}}' for outcome in JobOutcome),
    }
    assert "process_resident_memory_bytes" in text


async def test_reasons_without_end_do_not_become_labels_without_end(metrics: Metrics, client: ClientSession) -> None:
    for number in range(REASONS_MAX + 50):
        metrics.channel("app").refused(f"reason-{number}")

    samples = await scraped(client)

    refused = {dict(key[1])["reason"]: value for key, value in samples.items() if "refused" in key[0]}
    assert len(refused) == REASONS_MAX + 1
    assert (refused["reason-0"], refused["other"]) == (1, 50)


async def test_two_apps_in_one_process_count_apart(metrics: Metrics, client: ClientSession) -> None:
    other = Metrics(channels=("app",))

    other.channel("app").answered(Outcome.ACT, 0.1)
    other.outbox_waiting(9)

    assert await scraped(client) == {}


async def test_scraper_that_asks_for_openmetrics_gets_it(metrics: Metrics, client: ClientSession) -> None:
    metrics.channel("app").answered(Outcome.ACT, 0.1)

    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")

    assert text.endswith("# EOF\n")
    assert 'linli_messages_total{channel="app",outcome="act"} 1.0' in text


def test_channel_is_bound_once(metrics: Metrics) -> None:
    assert metrics.channel("app") is metrics.channel("app")
    assert metrics.channel("app") is not metrics.channel("aibot")
