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


DECIDED: Final = """
block
    seller T1 r1 CNY 100.00 & T2 r1 CNY 100.00 & T3 r1 CNY 5.00
    registrar T1 r1 CNY 101.00 & T2 r1 CNY 100.00 & T3 r1 CNY 6.00
    bank T1 r1 EUR 150.00 & T2 r1 CNY 100.00 & T3 r1 CNY 7.00
decide T2 amount 90.00 CNY by north/2 -> not_applicable
decide T1 amount 101.00 by north/1 CNY -> wrong_purpose
decide T1 amount 101.00 CNY by north/2: as the order has it
decide T1 amount 100.00 CNY by south/2 -> motion_open
decide T3 amount 6.00 ??? by west/2 -> not_entitled
decide T3 amount 6.00 é by north/2 -> malformed_value
disagree T1 by south/3: we have another order
agree T1 by east/2
agree T1 by east/2 -> unknown_motion
dispute T2 bank by east/1: the price is another one
decide T2 amount 90.00 CNY by south/2
agree T2 by north/3
seller T2 r2 CNY 90.00
decide T3 amount 5.00 CNY by north/2
disagree T3 by south/2
disagree T3 by east/2
decide T3 amount 5.00 CNY within 1h by north/2
agree T9 by south/2 -> unknown_transaction
wait 2h
decide T3 amount 7.00 CNY by south/2
wait 1us
cutoff
"""


def decided(rules: RuleBook) -> None:
    agreement = (
        ORDERS.replace('amount = "bank"', 'default = "decision"') + "[decision]\nvotes = 2\n"
    )
    play(rules, DECIDED, agreement, genesis=newest_genesis())


REVERSED: Final = """
block
    seller T1 r1 CNY 100.00 & T2 r1 CNY 100.00 & T3 r1 CNY 100.00
    registrar T1 r1 CNY 100.00 & T2 r1 CNY 100.00 & T3 r1 CNY 100.00
    bank T1 r1 CNY 100.00 & T2 r1 CNY 100.00 & T3 r1 CNY 101.00
cutoff
reverse T3 by north/2 -> not_applicable
reverse T1 by west/2 -> not_entitled
reverse T1 by north/2: it was sent twice
agree T1 by east/2
agree T1 by south/3
bank T1 r2 withdrawn
dispute T2 bank by east/1: we know of no such order
reverse T2 by east/2
agree T2 by north/2
disagree T2 by south/2
reverse T2 by east/2
agree T2 by north/2
agree T2 by south/2
seller T2 r2 CNY 90.00
seller T1 r2 CNY 100.00
wait 1us
cutoff
"""


def reversed_transactions(rules: RuleBook) -> None:
    play(rules, REVERSED, ORDERS, genesis=newest_genesis())


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "disputed": disputed,
    "decided": decided,
    "reversed": reversed_transactions,
}
