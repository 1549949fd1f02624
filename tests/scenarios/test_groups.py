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
            P7 group bulk bank 4.50 against 1.50 +3.00 P7
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


def test_an_announced_count_judges_before_the_cutoff(rules: RuleBook) -> None:
    """R-GROUP-4, R-GROUP-7: the payment is short by one order, which is named."""
    settled(
        rules,
        """
        bank P7 r1 600.00 EUR P7 3
        block
            seller O1 r1 100.00 EUR P7 & O2 r1 200.00 EUR P7
            registrar O1 r1 100.00 EUR & O2 r1 200.00 EUR & O3 r1 350.00 EUR
        expect P7 pending
        seller O3 r1 350.00 EUR P7
        breaks
            P7 group bulk bank 600.00 against 650.00 -50.00 P7
        expect P7 broken raised
        told
            transaction_matched O3
            break_opened group bulk bank P7
            transaction_broken P7
            alarm_raised P7 1
        bank P7 r2 300.00 EUR P7 3
        told
            group_changed bulk bank P7
        breaks
            P7 group bulk bank 300.00 against 650.00 -350.00 P7 without O3
        bank P7 r3 750.00 EUR P7 3
        breaks
            P7 group bulk bank 750.00 against 650.00 +100.00 P7 with O1 twice
        bank P7 r4 650.01 EUR P7 2       # within tolerance, but there are three orders
        breaks
            P7 group bulk bank 650.01 against 650.00 +0.01 P7
        bank P7 r5 650.01 EUR P7 3
        expect P7 matched
        """,
    )


def test_two_members_that_would_explain_it_are_no_suggestion(rules: RuleBook) -> None:
    """R-GROUP-7."""
    settled(
        rules,
        """
        seller O1 r1 100.00 EUR P7 & O2 r1 100.00 EUR P7 & O3 r1 50.00 EUR P7
        registrar O1 r1 100.00 EUR & O2 r1 100.00 EUR & O3 r1 50.00 EUR
        bank P7 r1 150.00 EUR P7 3
        breaks
            P7 group bulk bank 150.00 against 250.00 -100.00 P7
        """,
    )


def test_orders_without_a_payment_are_broken_each(rules: RuleBook) -> None:
    """R-GROUP-5: until a payment comes, and then it answers for all of them."""
    settled(
        rules,
        """
        seller O1 r1 1.50 EUR P7 & O2 r1 3.00 EUR P7 & O3 r1 9.00 EUR -
        registrar O1 r1 1.50 EUR & O2 r1 3.00 EUR & O3 r1 9.00 EUR
        cutoff
        breaks
            O1 group bulk seller 1.50 P7
            O2 group bulk seller 3.00 P7
        expect O3 matched
        bank P7 r1 4.00 EUR P7 -
        breaks
            P7 group bulk bank 4.00 against 4.50 -0.50 P7
        expect O1 matched
        bank P8 r1 0.50 EUR P7 -         # the rest of it
        breaks
            none
        told
            transaction_pending P8
            break_closed group bulk bank P7
            transaction_matched P7
            alarm_cleared P7 1
            transaction_matched P8
        """,
    )


def test_keys_and_currencies_keep_groups_apart(rules: RuleBook) -> None:
    """R-GROUP-1: and codes that count as the same put them together."""
    same = BULK.replace("length = 16", 'length = 16\nignore = ["case", "leading_zeros"]').replace(
        "length = 3", 'length = 3\nequivalent = [["EUR", "978"]]'
    )
    settled(
        rules,
        """
        seller O1 r1 1.50 EUR 07a & O2 r1 3.00 USD 07a & O3 r1 2.00 978 7A
        bank P7 r1 3.50 EUR 7a -
        expect P7 matched
        bank P8 r1 3.00 USD 7a -
        expect P8 matched
        bank P9 r1 3.00 USD 8 -
        expect P9 pending
        """,
        same,
    )


def test_corrections_and_withdrawals_change_the_sums(rules: RuleBook) -> None:
    """R-GROUP-1, R-GROUP-3: also where an order is moved to another payment."""
    settled(
        rules,
        """
        seller O1 r1 1.50 EUR P7 & O2 r1 3.00 EUR P7
        registrar O1 r1 1.50 EUR & O2 r1 3.00 EUR
        bank P7 r1 1.50 EUR P7 1
        bank P8 r1 3.00 EUR P8 1
        breaks
            P7 group bulk bank 1.50 against 4.50 -3.00 P7 without O2
        seller O2 r2 3.00 EUR P8
        breaks
            none
        expect P7 matched
        expect P8 matched
        seller O2 r3 withdrawn
        expect P8 pending
        seller O1 r2 -7.00 EUR P7        # taken back: what is netted has a sign
        bank P7 r2 -7.00 EUR P7 1
        expect P7 matched
        """,
    )


def test_a_counterpart_that_shares_an_id_is_unexpected(rules: RuleBook) -> None:
    """R-GROUP-2: it is said of the counterpart, and the others wait for nobody else."""
    settled(
        rules,
        """
        seller T1 r1 1.50 EUR T1
        bank T1 r1 1.50 EUR T1 -
        breaks
            T1 unexpected bank
        registrar T1 r1 1.50 EUR
        bank T1 r2 withdrawn
        bank B1 r1 1.50 EUR T1 -
        expect T1 matched
        expect B1 matched
        """,
    )


def test_nobody_waits_for_a_counterpart(rules: RuleBook) -> None:
    """R-GROUP-2, R-OPEN-1: not for a majority, not at the cut-off; and a payment opens itself."""
    settled(
        rules,
        """
        seller O1 r1 1.50 EUR -
        registrar O1 r1 1.60 EUR
        breaks
            O1 mismatch amount seller 1.50 undecided
            O1 mismatch amount registrar 1.60 undecided
        bank P1 r1 1.00 EUR - -
        expect P1 matched
        cutoff
        expect P1 matched
        """,
        BULK.replace("[fields.amount]", 'opened_by = ["seller"]\n[fields.amount]'),
    )


def test_a_rejected_payment_that_is_credited_all_the_same(rules: RuleBook) -> None:
    """R-GROUP-4: the order was taken back, and the money came."""
    settled(
        rules,
        """
        seller O1 r1 150.00 EUR P7
        registrar O1 r1 150.00 EUR
        block                            # the payment was rejected
            seller O1 r2 withdrawn
            registrar O1 r2 withdrawn
        bank P7 r1 150.00 EUR P7 -
        expect P7 pending
        cutoff
        breaks
            P7 group bulk bank 150.00 against 0.00 +150.00 P7
        """,
    )


def test_sums_are_exact_beyond_64_bits(rules: RuleBook) -> None:
    """R-GROUP-3, R-GROUP-7: nothing wraps around; what 64 bits cannot hold is not told."""
    large = "46116860184273879.03"
    orders = " & ".join(f"O{n} r1 {large} EUR P7" for n in range(1, 5))
    settled(
        rules,
        f"""
        seller {orders}
        bank P1 r1 {large} EUR P7 -
        bank P2 r1 {large} EUR P7 -
        bank P3 r1 {large} EUR P7 -
        expect P1 pending
        bank P4 r1 {large} EUR P7 4
        expect P1 matched
        seller O4 r2 0.00 EUR P7
        breaks
            P1 group bulk bank P7
            P2 group bulk bank P7
            P3 group bulk bank P7
            P4 group bulk bank P7
        """,
    )
