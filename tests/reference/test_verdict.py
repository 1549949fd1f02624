"""The verdict as a pure function: what a pack's reader calls, and which rules it names."""

from copy import deepcopy

import pytest

from tests.scenarios.agreements import trio
from tieout import reference
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.reference import Break, Record, Transaction, Verdict
from tieout.reference.transaction import new_transaction
from tieout.wire.codes import Action, BenchmarkState, BreakKind, Status

BY_BANK = parse_agreement(
    trio('[benchmark]\namount = "bank"\n', 'tolerance = { absolute = "0.01", percent = "1" }\n')
)
SELLER, REGISTRAR, BANK = range(3)
BY_VALUE = """
tolerance = { by = { field = "kind_of", values = { A = { absolute = "0.01" } } } }
[fields.kind_of]
type = "code"
length = 1
optional = true
"""


def stated(agreement: Agreement, **amounts: int) -> Transaction:
    """A transaction in which roles state these amounts."""
    transaction = new_transaction(agreement, b"T1".ljust(36, b"\0"), 0)
    for name, amount in amounts.items():
        role = transaction.roles[agreement.roles.index(name)]
        role.record = Record(1, Action.STATE, 1, (amount,), amount.to_bytes(8, "little"))
    return transaction


def test_a_mismatch_says_what_why_and_by_which_rules() -> None:
    transaction = stated(BY_BANK, seller=10_000, bank=20_000)
    transaction.judged = True
    assert reference.verdict(BY_BANK, transaction) == Verdict(
        Status.BROKEN,
        (
            Break(BreakKind.MISSING, None, REGISTRAR, ("R-MISS-1",)),
            Break(
                BreakKind.MISMATCH,
                0,
                SELLER,
                ("R-MATCH-2", "R-BENCH-1", "R-TOL-2", "R-TOL-3"),
                reported=10_000,
                benchmark=20_000,
                basis="bank",
                difference=-10_000,
                state=BenchmarkState.DECIDED,
            ),
        ),
    )


def test_a_frozen_benchmark_is_named_as_such() -> None:
    transaction = stated(BY_BANK, seller=10_000, bank=20_000)
    transaction.frozen = {0: 10_000}
    (mismatch,) = reference.verdict(BY_BANK, transaction).breaks
    assert (mismatch.role, mismatch.rules[:2]) == (BANK, ("R-MATCH-2", "R-FREEZE-1"))


def test_judging_changes_nothing() -> None:
    transaction = stated(BY_BANK, seller=10_000, registrar=20_000)
    before = deepcopy(transaction)
    verdicts = [reference.verdict(BY_BANK, transaction) for _ in range(2)]
    assert transaction == before
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize(
    ("amounts", "status"),
    [
        ({}, Status.WITHDRAWN),
        ({"bank": 10_000}, Status.PENDING),
        ({"bank": 10_000, "seller": 10_001}, Status.PENDING),
        ({"bank": 10_000, "seller": 10_001, "registrar": 9_999}, Status.MATCHED),
        ({"bank": 10_000, "seller": 11_000}, Status.BROKEN),
    ],
)
def test_status(amounts: dict[str, int], status: Status) -> None:
    """R-STATUS-1."""
    assert reference.verdict(BY_BANK, stated(BY_BANK, **amounts)).status is status


@pytest.mark.parametrize(
    ("keys", "rules"),
    [
        ("", ["R-TOL-1"]),
        ('tolerance = { percent = "1", base = "average" }', ["R-TOL-6"]),
        ('tolerance = { percent = "1", base = "larger" }', ["R-TOL-3"]),
        (
            'rounded = { decimals = 1, mode = "floor" }\ntolerance = { absolute = "0.10" }',
            ["R-TOL-7", "R-TOL-2"],
        ),
        (
            BY_VALUE,
            ["R-TOL-11", "R-TOL-1"],
        ),
    ],
)
def test_the_rules_that_decided_are_named(keys: str, rules: list[str]) -> None:
    agreement = parse_agreement(trio('[benchmark]\namount = "bank"\n', f"{keys}\n"))
    transaction = new_transaction(agreement, b"T1".ljust(36, b"\0"), 0)
    for role, amount in ((SELLER, 10_000), (BANK, 20_000)):
        values = (amount, *[None] * (len(agreement.fields) - 1))
        transaction.roles[role].record = Record(1, Action.STATE, 1, values, b"")
    (mismatch,) = reference.verdict(agreement, transaction).breaks
    assert list(mismatch.rules) == ["R-MATCH-2", "R-BENCH-1", *rules]
