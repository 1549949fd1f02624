import re
from pathlib import Path

import pytest

from tests.connectors.support import AGREEMENT, SELLER
from tieout.agreement.parse import parse_agreement
from tieout.connectors import books_config
from tieout.connectors.books_config import BooksConfig, parse_books
from tieout.connectors.errors import MappingError

DOCS = Path(__file__).resolve().parents[2] / "docs"
GOOD = 'database = "b"\ntable = "t"\ntransaction_id = "i"\n'


def test_the_manuals_example_is_read() -> None:
    text = (DOCS / "books.md").read_text(encoding="utf-8")
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    example = DOCS.parent / "examples" / "fund-subscription.toml"
    agreement = parse_agreement(example.read_text(encoding="utf-8"))
    assert parse_books(toml, agreement, 1) == BooksConfig(
        database="registrar.sqlite",
        table="entries",
        id_column="order_no",
        columns={"fund": "fund", "amount": "amount", "shares": "units", "trade_date": "day"},
        reason_column="note",
        adjustment_column="tieout",
        carried=("account",),
        constants={"currency": "CNY"},
    )


def test_the_manual_has_an_entry_for_every_key() -> None:
    text = (DOCS / "books.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^### `([a-z_]+)`$", text, re.MULTILINE)) == books_config.TOP


@pytest.mark.parametrize(
    ("toml", "problems"),
    [
        ("[columns]", ["database", "table", "transaction_id"]),
        (GOOD, ["columns"]),
        (GOOD + 'tabel = "x"\n[columns]', ["tabel"]),
        (GOOD + '[columns]\namout = "x"', ["columns.amout"]),
        (GOOD + '[columns]\namount = "i"', ["columns"]),
        (GOOD + 'carry = ["x"]\nreason = "x"\n[columns]', ["columns"]),
        (GOOD.replace('"t"', '"tieout_postings"') + "[columns]", ["table"]),
        (GOOD + '[columns]\nfund = "f"\n[constants]\nfund = "F"', ["constants.fund"]),
        (GOOD + '[columns]\n[constants]\namount = "1.005"', ["constants.amount"]),
    ],
)
def test_what_does_not_fit_is_named(toml: str, problems: list[str]) -> None:
    with pytest.raises(MappingError) as error:
        parse_books(toml, AGREEMENT, SELLER)
    assert [each.key for each in error.value.problems] == problems
