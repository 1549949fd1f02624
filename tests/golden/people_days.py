"""The days of the golden ledgers of rules version 4 on which people decide."""

from collections.abc import Callable
from typing import Final

from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis

ORDERS: Final = """
name = "orders"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[benchmark]
amount = "bank"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" } }
"""

DISPUTED: Final = """
block
    seller T1 r1 CNY 100.00 & T2 r1 CNY 100.00 & T3 r1 CNY 100.00
    registrar T1 r1 CNY 100.00 & T2 r1 CNY 100.00
    bank T1 r1 CNY 100.00
dispute T1 seller by north/2: this order was cancelled
dispute T2 bank by east/1: we know of no such order
dispute T2 bank by east/3: we know of no such order -> not_applicable
dispute T3 bank by north -> not_entitled
dispute T9 bank by east -> unknown_transaction
block
    bank T2 r1 CNY 101.00         # would be approved at once, but for the dispute
    bank T3 r1 CNY 101.00
undispute T2 bank by south -> not_entitled
undispute T2 bank by east/2
undispute T2 bank by east/2 -> not_applicable
approve T2 seller by north/2
approve T2 seller by north/3
wait 1h
dispute T3 registrar
cutoff
"""


def disputed(rules: RuleBook) -> None:
    play(rules, DISPUTED, ORDERS, genesis=newest_genesis())


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {"disputed": disputed}
