"""Groups: R-GROUP-1 to R-GROUP-6."""

from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import newest_genesis

BULK = """
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


def settled(rules: RuleBook, script: str, agreement: str = BULK) -> None:
    """Act out a script under the agreement about bulk payments."""
    play(rules, script, agreement, genesis=newest_genesis())


def test_many_orders_are_settled_by_one_payment(rules: RuleBook) -> None:
    """R-GROUP-2, R-GROUP-4: 1.50 + 3.00 = 4.50; nobody waits for the bank in the orders."""
    settled(
        rules,
        """
        seller O1 r1 1.50 EUR P7 & O2 r1 3.00 EUR P7
        registrar O1 r1 1.50 EUR & O2 r1 3.00 EUR
        expect O1 matched
        told
            transaction_matched O1
            transaction_matched O2
        bank P7 r1 4.50 EUR P7 -
        told
            transaction_pending P7
            transaction_matched P7
        breaks
            none
        """,
    )


def test_a_payment_waits_for_its_orders_until_the_cutoff(rules: RuleBook) -> None:
    """R-GROUP-4, R-GROUP-5: open, then broken when it is judged, then mended."""
    settled(
        rules,
        """
        bank P7 r1 4.50 EUR P7 -
        expect P7 pending
        seller O1 r1 1.50 EUR P7
        expect P7 pending
        cutoff
        breaks
            O1 missing registrar
            P7 group bulk bank
        expect P7 broken raised
        told
            break_opened missing registrar O1
            transaction_broken O1
            alarm_raised O1 1
            break_opened group bulk bank P7
            transaction_broken P7
            alarm_raised P7 1
            cutoff_closed 2
        seller O2 r1 2.99 EUR P7
        expect P7 matched
        told
            transaction_pending O2
            break_closed group bulk bank P7
            transaction_matched P7
            alarm_cleared P7 1
        """,
    )
