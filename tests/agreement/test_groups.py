"""Groups in an agreement: what is wrong is named, what is right is explained and hashed."""

import pytest

from tests.scenarios.test_groups import BULK
from tieout.agreement.errors import AgreementError
from tieout.agreement.explain import explain
from tieout.agreement.limits import MAX_GROUPS
from tieout.agreement.parse import load_canonical, parse_agreement

EVERYBODY_APART = """
[groups.other]
key = "currency"
members = ["bank"]
counterparts = ["seller", "registrar"]
sum = "amount"
[groups.bulk]"""

# What is changed in the file, by what, the key that is named, and words of the message.
WRONG = [
    ('key = "payment"', "", "groups.bulk.key", "is missing"),
    ('key = "payment"', 'key = "paiment"', "groups.bulk.key", "not a field"),
    ('key = "payment"', 'key = "amount"', "groups.bulk.key", "of type money"),
    ('members = ["seller"]', "members = []", "groups.bulk.members", "empty"),
    ('members = ["seller"]', 'members = ["buyer"]', "groups.bulk.members", "not a role"),
    ('members = ["seller"]', 'members = ["registrar"]', "groups.bulk.key", "does not report"),
    ('counterparts = ["bank"]', 'counterparts = ["seller"]', "groups.bulk.counterparts", "both"),
    ('sum = "amount"', 'sum = "currency"', "groups.bulk.sum", "of type code"),
    ('tolerance = "0.01"', 'tolerance = "0.001"', "groups.bulk.tolerance", "decimals"),
    ('tolerance = "0.01"', "tolerance = 0.01", "groups.bulk.tolerance", "quotes"),
    ('count = "orders"', 'count = "amount"', "groups.bulk.count", "of type money"),
    ('count = "orders"', 'number = "orders"', "groups.bulk.number", "not a key of a group"),
    ("[groups.bulk]", "[groups.amount]", "groups.amount", "has this name"),
    ("[groups.bulk]", "[groups.Bulk]", "groups.Bulk", "not a name"),
    ("[groups.bulk]", '[deadlines]\nbank = "1h"\n[groups.bulk]', "deadlines.bank", "nobody waits"),
    ("version = 1", 'version = 1\nopened_by = ["bank"]', "opened_by", "opens nothing"),
    ("[groups.bulk]", EVERYBODY_APART, "groups", "every role is a counterpart"),
    ("[groups.bulk]", "[stages.ordered]\n[groups.bulk]", "groups", "with stages has groups, too"),
]


@pytest.mark.parametrize(("part", "instead", "key", "words"), WRONG)
def test_what_is_wrong_with_a_group_is_named(part: str, instead: str, key: str, words: str) -> None:
    assert part in BULK
    with pytest.raises(AgreementError) as refused:
        parse_agreement(BULK.replace(part, instead, 1))
    named = [str(problem) for problem in refused.value.problems if problem.key == key]
    assert any(words in line for line in named), refused.value


def test_too_many_groups_are_refused() -> None:
    body = BULK[BULK.index('key = "payment"') :]
    many = "".join(f"[groups.g{number}]\n{body}" for number in range(MAX_GROUPS + 1))
    with pytest.raises(AgreementError, match="there are 18 groups"):
        parse_agreement(BULK + many.replace("[groups.g0]", "[groups.h]"))


def test_a_group_is_part_of_what_is_hashed() -> None:
    """R-AGREE-3: and only ledgers of rules version 4 know it."""
    agreement = parse_agreement(BULK)
    assert agreement.needs_rules == 4
    assert load_canonical(agreement.canonical) == agreement
    assert b'"groups":[{"count":"orders","counterparts":["bank"],"key":"payment",' in (
        agreement.canonical
    )
    assert parse_agreement(BULK.replace('"0.01"', '"0.010"')).hash == agreement.hash
    assert parse_agreement(BULK.replace('"0.01"', '"0.02"')).hash != agreement.hash


def test_a_group_is_explained_in_plain_words() -> None:
    said = explain(parse_agreement(BULK)).split("\n\n")[3].split()
    expected = """
        What is settled together
        bulk all records with one payment and one currency: the sum of amount of seller is
        that of bank, within 0.01; judged when there are as many records of seller as bank
        states in orders, or at the cut-off
        Nobody waits for bank: their records are transactions of their own.
    """
    assert said == expected.split()
