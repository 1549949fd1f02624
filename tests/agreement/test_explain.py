from pathlib import Path

import pytest
from hypothesis import given

from tieout.agreement.explain import explain, explain_change
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.testing.agreements import agreement_trees, to_toml
from tieout.testing.refinements import refined_trees

ROOT = Path(__file__).resolve().parents[2]
ANY_AGREEMENTS = (agreement_trees() | refined_trees()).map(
    lambda tree: parse_agreement(to_toml(tree))
)
FUND = (ROOT / "examples" / "fund-subscription.toml").read_text(encoding="utf-8")

LATER = "drift_days = { before = 1 }"


def line_of(text: str, title: str, name: str) -> str:
    """What a paragraph says about one name, on one line."""
    paragraph = next(part for part in text.split("\n\n") if part.startswith(title))
    entries = paragraph.replace("\n      ", " ").splitlines()
    said = next(entry for entry in entries if entry.startswith(f"  {name} "))
    return " ".join(said.split()[1:])


@given(ANY_AGREEMENTS)
def test_every_role_field_and_the_hash_are_named(agreement: Agreement) -> None:
    text = explain(agreement)
    assert agreement.hash.hex() in text
    for role in agreement.roles:
        assert line_of(text, "Who reports what", role) != ""
        assert line_of(text, "How long a role may stay silent", role) != ""
    for field in agreement.fields:
        assert line_of(text, "When a field ties out", field.name).startswith(field.type)
        assert line_of(text, "Which value stands when they differ", field.name) != ""


@given(ANY_AGREEMENTS)
def test_lines_fit_a_terminal(agreement: Agreement) -> None:
    assert [line for line in explain(agreement).splitlines() if len(line) > 96] == []


@pytest.mark.parametrize(
    ("title", "name", "said"),
    [
        ("Who reports what", "seller", "every field"),
        ("Who reports what", "bank", "fund, currency, amount, trade_date and remark"),
        (
            "When a field ties out",
            "amount",
            (
                "money with 2 decimals in the currency of currency; ties out within 0.01;"
                " missing when left blank"
            ),
        ),
        (
            "When a field ties out",
            "shares",
            (
                "quantity with 4 decimals; ties out within 0.0001 or within 0.01% of registrar;"
                " missing when left blank"
            ),
        ),
        (
            "When a field ties out",
            "remark",
            "text of at most 40 bytes; kept and shown, never compared; may be left blank",
        ),
        ("Which value stands when they differ", "amount", "what bank states"),
        (
            "Which value stands when they differ",
            "fund",
            "what more than half of the roles state; without such a majority people decide",
        ),
        ("How long a role may stay silent", "seller", "until the cut-off"),
        (
            "How long a role may stay silent",
            "bank",
            "2h after the first record of the transaction",
        ),
    ],
)
def test_the_example_in_plain_words(title: str, name: str, said: str) -> None:
    assert line_of(explain(parse_agreement(FUND)), title, name) == said


@pytest.mark.parametrize(
    ("part", "instead", "sentence"),
    [
        ("", "", "What seller has not opened by the cut-off is unexpected."),
        ("", "", "Without approval up to a difference of: amount 10000.00 CNY, shares 1000.0000."),
        ("", "", "At once, with the first finding of the rules."),
        ("quorum = 1", "quorum = 2", "When 1 party has confirmed the finding of the rules"),
        ("quorum = 1", "quorum = 3", "When 2 parties have confirmed the finding of the rules"),
        ("[alarm]", "[decision]\nvotes = 2\n[alarm]", "2 of the parties must agree"),
        ("[alarm]", '[decision]\nvotes = "majority"\n[alarm]', "more than half of them must"),
        ('closed = "400d"', 'closed = "36h"', "A closed transaction for 36h;"),
        ('mode = "compensate"', 'mode = "notify"', "Nothing is posted by Tieout."),
        ('mode = "compensate"', 'mode = "replace"', "overwrites the entry in its books."),
        ("drift_days = 0", "drift_days = 1", "ties out within 1 day;"),
        ('within = "any"', 'within = "all"', "within 0.0001 and also within 0.01% of registrar"),
        ('default = "majority"', 'default = "decision"', "fund people decide"),
    ],
)
def test_what_is_agreed_is_said(part: str, instead: str, sentence: str) -> None:
    told = explain(parse_agreement(FUND.replace(part, instead)))
    assert sentence in " ".join(told.split())


@pytest.mark.parametrize(
    ("part", "instead", "sentence"),
    [
        ("", "", "for ledgers of rules version 3 and later"),
        ("drift_days = 0", "drift_days = { after = 2 }", "from 0 days before to 2 days after the"),
        ('of = "registrar"', 'base = "smaller"', "or within 0.01% of the smaller value"),
        ('of = "registrar"', 'base = "average"', "or within 0.01% of the average"),
        (
            "scale = 4\n",
            'scale = 4\nrounded = { decimals = 1, mode = "half_up" }\n',
            "compared when rounded to 1 decimal (a half away from zero)",
        ),
        ("length = 12", 'length = 12\nignore = ["case"]', "upper or lower case do not matter"),
        (
            "length = 3",
            'length = 3\nequivalent = [["EUR", "978"]]',
            "978 and EUR are the same; ties out when equal",
        ),
        (
            'tolerance = { absolute = "0.01" }',
            'tolerance = { by = { field = "currency", values = { JPY = { absolute = "1" } } } }',
            "ties out when equal; within 1.00 where currency is JPY",
        ),
    ],
)
def test_what_rules_version_3_knows_is_said(part: str, instead: str, sentence: str) -> None:
    text = FUND.replace(part, instead, 1) if part else FUND.replace("drift_days = 0", LATER)
    told = explain(parse_agreement(text))
    assert sentence in " ".join(told.split())


CALENDAR = '[calendars.cn]\nweekend = ["sunday"]\nholidays = ["2026-10-01"]\noffset = "+08:00"\n'


@pytest.mark.parametrize(
    ("drift", "sentence"),
    [
        (
            '{ before = 1, after = 2, calendar = "cn" }',
            "from 1 business day before to 2 business days after the value that stands; free are",
        ),
        ('{ before = 1, after = 1, calendar = "cn" }', "ties out within 1 business day; free are"),
    ],
)
def test_business_days_of_drift_are_said(drift: str, sentence: str) -> None:
    text = FUND.replace("drift_days = 0", f"drift_days = {drift}") + CALENDAR
    told = explain(parse_agreement(text))
    assert sentence in " ".join(told.split())
    assert "for ledgers of rules version 4 and later" in told


def test_without_limits_every_adjustment_needs_people() -> None:
    text = "\n".join(line for line in FUND.splitlines() if not line.startswith("automatic"))
    told = explain(parse_agreement(text))
    assert "Every adjustment needs the approval of two persons of that party." in told


def test_a_change_is_told_as_the_lines_that_differ() -> None:
    was = parse_agreement(FUND)
    now = parse_agreement(FUND.replace('bank = "2h"', 'bank = "3h"').replace("quorum = 1", ""))
    assert explain_change(was, was) == []
    assert [line[:1] for line in explain_change(was, now)] == ["-", "+"]
    assert "3h" in explain_change(was, now)[1]
