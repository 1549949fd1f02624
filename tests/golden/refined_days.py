"""The days of the golden ledgers of rules version 3: tolerance in full, and invariants."""

import random
from collections.abc import Callable
from typing import Final

from tieout.testing.histories import SCRIPT_BYTES, History, tell_refined
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import Sender, refined_genesis
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind
from tieout.wire.operations import CloseCutoff

DAY_US: Final = 86_400_000_000
CLOSING_STREAM: Final = 40_000

SUBSCRIPTION = """
name = "subscription"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
ignore = ["case"]
equivalent = [["EUR", "978"], ["JPY", "392"]]
[fields.amount]
type = "money"
scale = 4
currency = { field = "currency" }
rounded = { decimals = 2, mode = "half_even" }
[fields.amount.tolerance]
absolute = "0.01"
by = { field = "currency", values = { JPY = { absolute = "1" }, EUR = { percent = "1", base = "average" } } }
[fields.shares]
type = "quantity"
scale = 4
roles = ["seller", "registrar"]
tolerance = { percent = "0.5", base = "smaller" }
[fields.nav]
type = "price"
scale = 6
roles = ["registrar"]
[fields.account]
type = "code"
length = 20
roles = ["registrar", "bank"]
ignore = ["case", "punctuation", "leading_zeros"]
[fields.day]
type = "date"
drift_days = { before = 1, after = 2 }
[benchmark]
amount = "bank"
day = "registrar"
[deadlines]
bank = "30s"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { EUR = "10.00" } }
[invariants]
gross = "amount = round(shares * nav, 2, half_up)"
kept = "abs(seller.shares - registrar.shares) <= div(registrar.shares, 1000, 4, ceiling)"
in_time = "bank.day - seller.day <= 3"
"""  # noqa: E501
REFINED_DAY = """
seller T1 r1 EUR 100.004 10.0000 2026-03-02
registrar T1 r1 978 100.0000 10.0000 10.000000 DE-0012.34 2026-03-02
bank T1 r1 eur 100.9 de001234 2026-03-04
expect T1 matched
seller T2 r1 EUR 103.00 10.0000 2026-03-02
registrar T2 r1 978 100.00 10.0000 10.000000 1 2026-03-02
bank T2 r1 EUR 100.00 0-1 2026-02-28
breaks
    T2 mismatch amount seller 103.0000 against 100.0000 bank +3.0000
    T2 mismatch day bank 2026-02-28 against 2026-03-02 registrar -2
seller T3 r1 JPY 100.00 10.0000 2026-03-02
registrar T3 r1 392 100.00 10.0502 10.000000 7 2026-03-03
bank T3 r1 jpy 101.00 07 2026-03-05
breaks
    T2 mismatch amount seller 103.0000 against 100.0000 bank +3.0000
    T2 mismatch day bank 2026-02-28 against 2026-03-02 registrar -2
    T3 mismatch shares seller 10.0000 undecided
    T3 mismatch shares registrar 10.0502 undecided
    T3 invariant gross registrar
    T3 invariant kept seller
    T3 invariant kept registrar
seller T4 r1 USD 7.005 0.0000 2026-03-02
registrar T4 r1 USD 7.005 1.0000 7.005000 A 2026-03-02
wait 31s
breaks
    T2 mismatch amount seller 103.0000 against 100.0000 bank +3.0000
    T2 mismatch day bank 2026-02-28 against 2026-03-02 registrar -2
    T3 mismatch shares seller 10.0000 undecided
    T3 mismatch shares registrar 10.0502 undecided
    T3 invariant gross registrar
    T3 invariant kept seller
    T3 invariant kept registrar
    T4 missing bank
    T4 mismatch shares seller 0.0000 undecided
    T4 mismatch shares registrar 1.0000 undecided
    T4 invariant gross registrar
    T4 invariant kept seller
    T4 invariant kept registrar
bank T4 r1 USD 7.01 a 2026-03-06
posted T2 seller
seller T2 r2 EUR 100.00 10.0000 2026-03-02
cutoff
"""


def refined(rules: RuleBook) -> None:
    """Every kind of comparison, on both sides; invariants of a record, between records, of days."""
    play(rules, REFINED_DAY, SUBSCRIPTION, genesis=refined_genesis())


def chance_of_refinements(seed: int) -> Callable[[RuleBook], None]:
    """A random history under version 3, closed at its end."""

    def day(rules: RuleBook) -> None:
        close_at_the_end(rules, tell_refined(random.Random(seed).randbytes(SCRIPT_BYTES)))

    return day


def close_at_the_end(rules: RuleBook, history: History) -> None:
    """Bring a history to a rule book, and close it a day later."""
    state = rules.initial_state(history.genesis)
    for block in history.blocks:
        state, _ = rules.apply_block(state, block)
    last = history.blocks[-1]
    time_us = last.time_us + DAY_US
    close = Sender(history.genesis.ledger_id()).operation(
        history.state.newest[history.name].holders[0][0],
        OperationKind.CLOSE_CUTOFF,
        CloseCutoff(history.name, time_us),
        stream=CLOSING_STREAM,
    )
    state, result = rules.apply_block(state, Block(last.height + 1, time_us, (close,)))
    assert result.items[0].outcome.name == "ACCEPTED"


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "refined": refined,
    "chance-refined-1": chance_of_refinements(6),
    "chance-refined-2": chance_of_refinements(24),
    "chance-refined-3": chance_of_refinements(29),
}
