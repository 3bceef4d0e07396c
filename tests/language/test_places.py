"""Buildings, entrances and rooms."""

import pytest

from handlers.language.places import read_room, read_unit


@pytest.mark.parametrize(
    ("text", "unit", "rest"),
    [
        ("3栋", "3栋", ""), ("三栋", "3栋", ""), ("3号楼", "3栋", ""), ("三号楼", "3栋", ""), ("十二号楼", "12栋", ""),
        ("3#", "3栋", ""), ("3#楼", "3栋", ""), ("3幢", "3栋", ""), ("A座", "A栋", ""), ("b栋", "B栋", ""),
        ("3栋2单元", "3栋2单元", ""), ("三号楼二单元501", "3栋2单元", "501"), ("3 栋 2 单元", "3栋2单元", ""),
        ("3-2-501", "3栋2单元", "501"), ("3-501", "3栋", "501"), ("3#-2-501", "3栋2单元", "501"), ("第一党支部", "第一党支部", ""),
        ("第3栋", "3栋", ""), ("3栋路灯", "3栋", "路灯"), ("5栋门口", "5栋", "门口"), ("5栋2门口", "5栋", "2门口"),
    ],
)  # fmt: skip
def test_place_is_read_in_one_spelling(text: str, unit: str, rest: str) -> None:
    found = read_unit(text, 0, ("第一党支部",))
    assert found is not None
    assert (found[0], text[found[1] :]) == (unit, rest)


@pytest.mark.parametrize("text", ["3楼", "12号", "5-2", "三", "501", "3个栋", "3-2", "讲座", "2026-11-21"])
def test_what_is_no_place_is_not_read_as_one(text: str) -> None:
    assert read_unit(text, 0) is None


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("501", "501"),
        ("1502室", "1502"),
        ("六零二", "602"),
        ("501号房", "501"),
        ("12", None),
        ("501人", None),
        ("50123", None),
        ("0501", None),
    ],
)
def test_room_is_read(text: str, room: str | None) -> None:
    found = read_room(text, 0)
    assert (found[0] if found else None) == room
