import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.units.durations import format_duration, parse_duration
from tieout.units.errors import UnitsError


@given(st.integers(0, (1 << 62) - 1))
def test_a_duration_that_is_written_is_read_back(duration_us: int) -> None:
    assert parse_duration(format_duration(duration_us)) == duration_us


@pytest.mark.parametrize(
    ("text", "duration_us", "written"),
    [
        ("250ms", 250_000, "250ms"),
        ("30s", 30_000_000, "30s"),
        ("15m", 900_000_000, "15m"),
        ("120m", 7_200_000_000, "2h"),
        ("400d", 34_560_000_000_000, "400d"),
        ("0d", 0, "0s"),
        ("1000us", 1_000, "1ms"),
    ],
)
def test_durations(text: str, duration_us: int, written: str) -> None:
    assert parse_duration(text) == duration_us
    assert format_duration(duration_us) == written


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1.5h", "-1s", "1h30m", "2 h", "1w", "1S", "9999999999999999999d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitsError):
        parse_duration(text)


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(UnitsError):
        format_duration(-1)
