import re
from pathlib import Path

import pytest

from tests.connectors.support import AGREEMENT, BANK, SELLER, both_ways, values_of
from tieout.connectors import mapping_file
from tieout.connectors.errors import MappingError
from tieout.connectors.mapping import Mapping
from tieout.connectors.mapping_file import parse_mapping

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "mapping.md"


def problems(toml: str, role: int = SELLER) -> list[str]:
    with pytest.raises(MappingError) as error:
        parse_mapping(toml, AGREEMENT, role, "seller.toml")
    assert error.value.source == "seller.toml"
    return [f"{each.key}: {each.wrong}" for each in error.value.problems]


def test_an_empty_mapping_is_that_of_a_file_without_one() -> None:
    assert parse_mapping("", AGREEMENT, SELLER) == Mapping()


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('seperator = ";"', "seperator: 'seperator' is not a key of this table"),
        ('encoding = "utf8"', "encoding: 'utf8' is not a choice here"),
        ('separator = ";;"', "separator: ';;' is not a choice here"),
        ("separator = 1", "separator: a whole number stands where a string belongs"),
        ("skip_lines = -1", "skip_lines: the number is out of range"),
        ('spaces = "strip"', "spaces: 'strip' is not a choice here"),
        ("blank = []", "blank: the list is empty"),
        ('blank = [""]', "blank: '' is empty or too long"),
        ('columns = "x"', "columns: a string stands where a table belongs"),
        ('[columns]\namout = "A"', "columns.amout: 'amout' is not a field that seller reports"),
        ('[columns]\nfund = "A"\namount = "A"', "columns.amount: the column 'A' is used twice"),
        ('ignore = ["A"]\n[columns]\nfund = "A"', "ignore: 'A' is mapped to a field"),
        (
            '[columns]\nfund = "A"\n[constants]\nfund = "X"',
            "constants.fund: the field has a column, too",
        ),
        ('[constants]\namount = "1.001"', "constants.amount: '1.001' has more than 2 decimals"),
        ('[numbers]\nthousands = "."', "numbers.thousands: is the decimal mark as well"),
        ('[numbers]\nzero = ["0.00"]', "numbers.zero: '0.00' has digits in it"),
        (
            '[numbers]\nsymbols = ["1$"]',
            "numbers.symbols: '1$' has a digit, sign, mark or outer space in it",
        ),
        (
            "[numbers]\nparentheses = 1",
            "numbers.parentheses: a whole number stands where true or false belongs",
        ),
        ('[dates]\nformat = "%d.%m.%y"', "dates.format: '%y' is not a directive; known are"),
        ('[dates]\nformat = "%d.%m"', "dates.format: the year is missing"),
        ('[dates]\nformat = "%Y-%m-%d %H"', "dates.format: a date has no hour"),
        ('[times]\nformat = "%Y-%m-%d %H:%M %H"', "times.format: the hour stands twice"),
        ('[times]\nzone = "CET"', "times.zone: 'CET' is not an offset from UTC such as +08:00"),
        (
            '[times]\nzone = "+25:00"',
            "times.zone: '2000-01-01T12:00+25:00' has an impossible offset",
        ),
        ("[columns", ": not TOML"),
    ],
)
def test_what_does_not_fit_is_named(toml: str, problem: str) -> None:
    (found,) = problems(toml)
    assert found.startswith(problem)


def test_all_problems_are_named_at_once() -> None:
    assert len(problems('encoding = "x"\nspaces = "y"\n[numbers]\ndecimal = "z"')) == 3


def test_a_field_of_another_role_cannot_be_mapped() -> None:
    assert problems('[columns]\nshares = "Shares"', BANK) == [
        "columns.shares: 'shares' is not a field that bank reports"
    ]


def test_the_manual_has_an_entry_for_every_key() -> None:
    entries = re.findall(r"^### `([a-z_.<>]+)`$", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)
    nested = {"columns": ("<field>",), "constants": ("<field>",), "numbers": mapping_file.NUMBERS}
    nested |= {"dates": mapping_file.DATES, "times": mapping_file.TIMES}
    expected = [
        key if below is None else f"{key}.{below}"
        for key in mapping_file.TOP
        for below in nested.get(key, (None,))
    ]
    assert entries == expected


def test_the_manuals_example_reads_the_manuals_file(tmp_path: Path) -> None:
    blocks = re.findall(r"```(toml|csv)\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    (toml, text) = blocks[0][1], blocks[1][1]
    taken = both_ways(tmp_path, text.encode("cp1252"), toml)
    assert [values_of(row) for row in taken.rows] == [
        {
            "transaction_id": "Müller 0001",
            "fund": "000961",
            "amount": "-1234567.80",
            "shares": "1000.5000",
            "day": "2026-03-31",
            "at": "2026-03-31T01:00:00Z",
            "remark": "retail",
        },
        {
            "transaction_id": "Müller 0002",
            "fund": "000962",
            "amount": "0.00",
            "shares": None,
            "day": None,
            "at": "2026-03-31T01:05:00Z",
            "remark": "retail",
        },
    ]
