"""Whole grids of dates, times, numbers and texts, read both ways."""

import itertools
from datetime import date
from pathlib import Path

import pytest

from tests.connectors.support import both_ways, values_of

HEADER = "transaction_id,fund,amount,shares,day,at,remark\n"
Found = list[str | None]


def found(folder: Path, name: str, texts: list[str], toml: str = "") -> Found:
    """What each text is to a field, one row each; `refused` where it is nothing."""
    columns = HEADER.strip().split(",")
    lines = []
    for number, text in enumerate(texts):
        row = {
            "transaction_id": f"T{number}",
            "fund": "F",
            "amount": "1",
            "shares": "1",
            name: text,
        }
        lines.append(";".join(row.get(column, "") for column in columns))
    toml = f'separator = ";"\n{toml}'
    header = HEADER.replace(",", ";")
    taken = both_ways(folder, (header + "\n".join(lines) + "\n").encode(), toml)
    values: Found = ["refused"] * len(texts)
    for line, row in zip(taken.lines, taken.rows, strict=True):
        values[line - 2] = values_of(row)[name]
    return values


def is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("form", "toml"),
    [
        ("{0:04}-{1:02}-{2:02}", ""),
        ("{2:02}.{1:02}.{0:04}", '[dates]\nformat = "%d.%m.%Y"'),
        ("{1}/{2}/{0:04}", '[dates]\nformat = "%-m/%-d/%Y"'),
    ],
)
def test_every_day_of_some_years_and_no_other(tmp_path: Path, form: str, toml: str) -> None:
    years = (0, 1, 1900, 2000, 2023, 2024, 2100, 9999)
    grid = list(itertools.product(years, range(14), range(33)))
    values = found(tmp_path, "day", [form.format(*each) for each in grid], toml)
    iso = "{0:04}-{1:02}-{2:02}"
    assert values == [iso.format(*each) if is_day(*each) else "refused" for each in grid]


@pytest.mark.parametrize("toml", ["", '[times]\nzone = "-05:30"'])
def test_times_on_the_edge(tmp_path: Path, toml: str) -> None:
    days = ("2026-03-31", "2023-02-29", "0001-01-01", "0002-01-01", "9998-12-31", "9999-12-31")
    clocks = ("00:00:00", "23:59:59", "24:00:00", "00:60:00", "00:00:60", "9:00:00", "09:00")
    tails = ("Z", "z", "", " Z", "+00:00", "+08:00", "-23:59", "+24:00", "+08:60", "+0800", "+08")
    decimals = ("", ".", ".1", ".12345", ".123456", ".1234567")
    grid = itertools.product(days, ("T", " ", "t", ""), clocks, decimals, tails)
    texts = ["".join(each) for each in grid]
    values = dict(zip(texts, found(tmp_path, "at", texts, toml), strict=True))
    assert values["2026-03-31T23:59:59.123456-23:59"] == "2026-04-01T23:58:59.123456Z"
    assert values["0001-01-01T00:00:00+08:00"] == "refused"
    assert values["9999-12-31T23:59:59-23:59"] == "refused"
    assert values["2026-03-31 09:00+08"] == "2026-03-31T01:00:00Z"
    without_zone = {text for text in texts if text == "2026-03-31T00:00:00"}
    expected = "2026-03-31T05:30:00Z" if toml else "refused"
    assert {values[text] for text in without_zone} == {expected}


@pytest.mark.parametrize(
    "toml",
    [
        "",
        '[numbers]\nthousands = ","',
        '[numbers]\ndecimal = ","\nthousands = "."',
        '[numbers]\ndecimal = ","\nthousands = "\'"\nparentheses = true\ntrailing_minus = true',
        '[numbers]\nthousands = "’"\nparentheses = true\nsymbols = ["$"]\nzero = ["-"]',
        'spaces = "trim"\n[numbers]\nthousands = " "\ntrailing_minus = true',
    ],
)
def test_numbers_in_every_dress(tmp_path: Path, toml: str) -> None:
    wholes = ("", "0", "12", "123", "1234", "00001", "123456789012345678", "1234567890123456")
    wholes += ("1,234", "12,34", "1,2345", "1234,567", "1,234,567", ",123", "1,", "1.234", "1'234")
    wholes += (
        "1.234.567",
        "1 234",
        "1’234",
        "46116860184273879",
        "9" * 30,
        "0" * 30 + "7",
        "1x234",
    )
    decimals = ("", ".", ".5", ".25", ".125", ".120", ".1200000000000000000", ",5", ",50", ",125")
    grid = itertools.product(("", "-", "+", "(", "$", " ", "(-"), wholes, decimals)
    texts = ["".join(each) + end for each in grid for end in ("", "-", ")", " ", "$")]
    values = dict(zip(texts, found(tmp_path, "amount", texts, toml), strict=True))
    taken = {text: value for text, value in values.items() if value != "refused"}
    assert taken["12"] == "12.00"
    assert len(taken) > 50
    assert {values["123456789012345678"], values["9" * 30], values["1x234"]} == {"refused"}


@pytest.mark.parametrize("spaces", ["keep", "trim", "collapse"])
@pytest.mark.parametrize("name", ["transaction_id", "fund", "remark"])
def test_texts_with_anything_in_them(tmp_path: Path, name: str, spaces: str) -> None:
    characters = (
        "a",
        " ",
        "  ",
        "\t",
        "\x7f",
        "\x85",
        "\xa0",
        "é",
        "e\u0301",
        "中",
        "\u3000",
        "N/A",
    )
    texts = ["".join(each) for each in itertools.product(("", "a", "中"), characters, characters)]
    blank = 'blank = ["N/A", "aN/A"]'
    values = found(tmp_path, name, texts, f'spaces = "{spaces}"\n{blank}')
    of_text = dict(zip(texts, values, strict=True))
    assert of_text["aN/A"] == ("refused" if name == "transaction_id" else None)
    assert len({*values} - {None, "refused"}) > 3
