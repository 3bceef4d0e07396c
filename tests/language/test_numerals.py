"""Numbers and lengths of time as neighbours type and say them."""

import cn2an
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.language.numerals import duration, number, read, read_duration


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("012", 12), ("五", 5), ("两", 2), ("俩", 2), ("仨", 3), ("十", 10), ("十二", 12), ("二十", 20),
        ("廿一", 21), ("卅", 30), ("九十九", 99), ("一百", 100), ("两百五", 250), ("一百零五", 105), ("一千二", 1200),
        ("一千零五十", 1050), ("一零二四", 1024), ("二〇二六", 2026), ("三万五", 35000), ("零", 0),
        ("", None), ("十十", None), ("百", None), ("一一十", None), ("半", None), ("几", None), ("-5", None),
        ("1e3", None), ("9999999999", None), ("٣", None), ("½", None),
    ],
)  # fmt: skip
def test_number_is_read(text: str, value: int | None) -> None:
    assert number(text) == value


@given(st.integers(min_value=0, max_value=99_999_999))
def test_every_numeral_in_its_full_form_is_read_as_the_library_writes_it(value: int) -> None:
    written = cn2an.an2cn(value)
    assert number(written) == (value if len(written) <= 9 else None)


@given(st.text(alphabet="零〇一二两三四五六七八九十百千万廿卅俩0123456789", max_size=12) | st.text(max_size=20))
def test_reading_numbers_never_raises(text: str) -> None:
    assert number(text) is None or number(text) >= 0  # type: ignore[operator]
    assert read(text) is None or read(text)[1] <= len(text)  # type: ignore[index]
    assert read_duration(text) is None or read_duration(text)[1] <= len(text)  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("半小时", 30), ("半个小时", 30), ("半个钟头", 30), ("一小时", 60), ("1个小时", 60), ("两小时", 120),
        ("一个半小时", 90), ("两个半小时", 150), ("1小时半", 90), ("1.5小时", 90), ("2h", 120), ("一个钟头", 60),
        ("一个钟头零十分", 70), ("1小时30分", 90), ("2小时零5分钟", 125), ("一小时一刻", 75), ("90分钟", 90),
        ("四十五分钟", 45), ("三刻钟", 45), ("一刻钟", 15), ("三天", 3 * 24 * 60),
        ("两点", None), ("90分", None), ("一个半月", None), ("三天后", None), ("小时", None), ("", None),
    ],
)  # fmt: skip
def test_length_of_time_is_read_in_minutes(text: str, minutes: int | None) -> None:
    assert duration(text) == minutes


def test_days_are_no_length_unless_asked_for() -> None:
    assert read_duration("三天") is None
    assert read_duration("三天", days=True) == (3 * 24 * 60, 2)
