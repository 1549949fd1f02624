from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.units.errors import UnitsError
from tieout.units.numbers import (
    MAX_ABS_SCALED,
    count_decimals,
    format_scaled,
    normalise_decimal,
    parse_scaled,
)

scales = st.integers(0, 18)
values = st.integers(-MAX_ABS_SCALED, MAX_ABS_SCALED)
number_texts = st.from_regex(r"[+-]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})", fullmatch=True)


@given(values, scales)
def test_what_is_written_is_read_back(value: int, scale: int) -> None:
    assert parse_scaled(format_scaled(value, scale), scale) == value


@given(values, scales)
def test_a_number_is_written_with_exactly_the_decimals_of_its_scale(value: int, scale: int) -> None:
    whole, _, decimals = format_scaled(value, scale).partition(".")
    assert len(decimals) == scale
    assert whole.lstrip("-").isdigit()


@given(number_texts, scales)
def test_reading_agrees_with_exact_decimals_or_refuses(text: str, scale: int) -> None:
    with localcontext(prec=100):
        exact = Decimal(text).scaleb(scale)
        fits = exact == exact.to_integral_value() and abs(exact) <= MAX_ABS_SCALED
    if fits:
        assert parse_scaled(text, scale) == int(exact)
    else:
        with pytest.raises(UnitsError):
            parse_scaled(text, scale)


@given(st.text(alphabet="0123456789+-.eE, _\t\n٣½∞x", max_size=12), scales)
def test_any_text_is_refused_or_read_as_the_number_that_it_is(text: str, scale: int) -> None:
    try:
        value = parse_scaled(text, scale)
    except UnitsError:
        return
    assert Decimal(value).scaleb(-scale) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "scale", "value"),
    [
        ("1.2300", 2, 123),
        ("-0.01", 2, -1),
        ("+7", 0, 7),
        ("-0", 2, 0),
        (".5", 1, 5),
        ("5.", 1, 50),
        ("000000000000000000000000000001", 0, 1),
        ("4611686018427387903", 0, MAX_ABS_SCALED),
        ("-4.611686018427387903", 18, -MAX_ABS_SCALED),
    ],
)
def test_numbers_that_fit(text: str, scale: int, value: int) -> None:
    assert parse_scaled(text, scale) == value


@pytest.mark.parametrize(
    ("text", "scale", "reason"),
    [
        ("", 2, "an empty text is not a number"),
        ("1.005", 2, "'1.005' has more than 2 decimals"),
        ("1e5", 2, "'1e5' has an exponent; write all digits"),
        (" 1", 2, "' 1' is not a number: it has spaces in it"),
        ("1,000", 2, "'1,000' is not a number: it has a comma in it"),
        ("--1", 2, "'--1' is not a number: digits, and at most one sign and one point"),
        (".", 2, "'.' is not a number: digits, and at most one sign and one point"),
        ("NaN", 2, "'NaN' is not a number: digits, and at most one sign and one point"),
        ("٣", 0, "'٣' is not a number: digits, and at most one sign and one point"),
        ("4611686018427387904", 0, "'4611686018427387904' is too large for a number of scale 0"),
        ("5", 18, "'5' is too large for a number of scale 18"),
        ("1", 19, "a scale is 0 to 18, not 19"),
    ],
)
def test_numbers_that_do_not_fit_say_why(text: str, scale: int, reason: str) -> None:
    with pytest.raises(UnitsError) as refused:
        parse_scaled(text, scale)
    assert str(refused.value) == reason


def test_a_hostile_text_is_neither_counted_nor_repeated_at_length() -> None:
    with pytest.raises(UnitsError) as refused:
        parse_scaled("9" * 1_000_000, 2)
    assert len(str(refused.value)) < 200


@given(number_texts)
def test_a_normal_form_is_the_same_number_and_its_own_normal_form(text: str) -> None:
    normal = normalise_decimal(text)
    assert Decimal(normal) == Decimal(text)
    assert normalise_decimal(normal) == normal


@given(values, scales, scales)
def test_one_number_has_one_normal_form(value: int, scale: int, zeros: int) -> None:
    padded = format_scaled(value, scale)
    padded = f"{padded}{'0' * zeros}" if scale else padded
    assert normalise_decimal(padded) == normalise_decimal(format_scaled(value, scale))


@pytest.mark.parametrize(
    ("text", "normal", "decimals"),
    [("+001.50", "1.5", 1), ("-0.0", "0", 0), ("10000.00", "10000", 0), (".010", "0.01", 2)],
)
def test_normal_forms(text: str, normal: str, decimals: int) -> None:
    assert (normalise_decimal(text), count_decimals(normal)) == (normal, decimals)
