"""The days of the golden ledgers of rules version 4 on which records are settled together."""

import random
from collections.abc import Callable
from typing import Final

from tests.golden.refined_days import close_at_the_end
from tieout.testing.grouped import tell_grouped
from tieout.testing.histories import SCRIPT_BYTES
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis

BULK: Final = """
name = "orders"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.currency]
type = "code"
length = 3
equivalent = [["EUR", "978"]]
[fields.payment]
type = "code"
length = 16
roles = ["seller", "bank"]
optional = true
[fields.orders]
type = "integer"
roles = ["bank"]
optional = true
[groups.bulk]
key = "payment"
members = ["seller"]
counterparts = ["bank"]
sum = "amount"
tolerance = "0.01"
count = "orders"
"""

GROUPED: Final = """
block
    seller O1 r1 1.50 EUR P1 & O2 r1 3.00 978 P1
    registrar O1 r1 1.50 EUR & O2 r1 3.00 EUR
    bank P1 r1 4.50 EUR P1 -
bank P2 r1 600.00 EUR P2 3
block
    seller O3 r1 100.00 EUR P2 & O4 r1 200.00 EUR P2
    seller O5 r1 350.00 EUR P2
    registrar O3 r1 100.00 EUR & O4 r1 200.00 EUR & O5 r1 350.00 EUR
bank P2 r2 300.00 EUR P2 3
seller O6 r1 7.00 EUR P3 & O7 r1 8.00 USD P3
bank O6 r1 7.00 EUR P3 -
cutoff
seller O2 r2 withdrawn
bank P4 r1 150.00 EUR P4 -
wait 1h
cutoff
"""


def grouped(rules: RuleBook) -> None:
    play(rules, GROUPED, BULK, genesis=newest_genesis())


def chance_of_groups(seed: int) -> Callable[[RuleBook], None]:
    """A random history with groups, closed at its end."""

    def day(rules: RuleBook) -> None:
        close_at_the_end(rules, tell_grouped(random.Random(seed).randbytes(SCRIPT_BYTES)))

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "grouped": grouped,
    "chance-groups-1": chance_of_groups(1),
}
