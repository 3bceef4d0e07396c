"""When one is left in peace: the hours of the night, and when the next morning begins."""

from datetime import datetime, time

import pytest

from models.clock import SHANGHAI
from models.quiet import Quiet


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=SHANGHAI)


NIGHT, NOON, NEVER = Quiet(time(21, 30), time(7, 30)), Quiet(time(12), time(14)), Quiet(time(7, 30), time(7, 30))


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, "21T21:29:59", None),
        (NIGHT, "21T21:30", "22T07:30"),
        (NIGHT, "21T23:59", "22T07:30"),
        (NIGHT, "22T00:00", "22T07:30"),
        (NIGHT, "22T07:29:59", "22T07:30"),
        (NIGHT, "22T07:30", None),
        (NOON, "21T11:59", None),
        (NOON, "21T12:00", "21T14:00"),
        (NOON, "21T14:00", None),
        (NEVER, "21T07:30", None),
        (NEVER, "21T23:00", None),
    ],
)
def test_quiet_hours_end(quiet: Quiet, now: str, end: str | None) -> None:
    assert quiet.end(moment(now)) == (None if end is None else moment(end))


@pytest.mark.parametrize("now", ["21T00:00", "21T07:30", "21T21:29", "21T23:59"])
def test_next_morning_is_that_of_the_next_day(now: str) -> None:
    assert NIGHT.next_morning(moment(now)) == moment("22T07:30")
