"""Statements of a day, and what differs: R-COMPLETE-1 to R-COMPLETE-5."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.scenarios.agreements import pair
from tieout.agreement.parse import parse_agreement
from tieout.testing.completing import numbers_of, statement_of
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import Stage
from tieout.testing.scenarios import play as play_any
from tieout.testing.workbench import START_US, Workbench, newest_genesis, refined_genesis, row_bytes
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind
from tieout.wire.limits import MAX_KEPT_STATEMENTS, MAX_NAMED_BATCHES, MAX_STATED_RANGES
from tieout.wire.operations import CloseCutoff
from tieout.wire.statements import StateDay, StatedNumbers, StatedTotal, sum_bytes

FUND = """
name = "fund"
version = 1
roles = ["seller", "registrar"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.shares]
type = "quantity"
scale = 4
optional = true
[fields.nav]
type = "price"
scale = 4
optional = true
"""
PAIR = parse_agreement(pair())
SECOND_US = 1_000_000


def play(rules: RuleBook, script: str, *agreements: str, **more: Any) -> Stage:
    return play_any(rules, script, *agreements, genesis=newest_genesis(), **more)


def test_a_day_that_was_published_whole_ties_out(rules: RuleBook) -> None:
    """R-COMPLETE-1, R-COMPLETE-3: count and totals by field and currency, whatever the order."""
    play(
        rules,
        """
        seller T1 r1 CNY 100.00 10.0000 10.0000 & T2 r1 EUR 50.00 5.0000 -
        registrar T1 r1 CNY 100.00 10.0000 -
        seller T3 r1 CNY 0.01 - -
        wait 1s
        state seller 0:1-3
            T3 CNY 0.01 - -
            T2 EUR 50.00 5.0000 -
            T1 CNY 100.00 10.0000 10.0000
        told
            statement_ties_out seller north 3
        state registrar 0:1-2
            T1 CNY 100.00 10.0000 -
        told
            statement_ties_out registrar south 1
        """,
        FUND,
    )


def test_an_omitted_batch_is_named(rules: RuleBook) -> None:
    """R-COMPLETE-4: the third number was signed, and never came; so its record is missing too."""
    stage = play(
        rules,
        """
        seller T1 r1 100.00
        """,
        pair(),
    )
    lost = stage.bench.sender.batch(PAIR, 1, 0, [row_bytes(PAIR, "T2", 1, {0: 5000})])
    assert len(lost) > 0  # number 3, which nobody ever passes on
    for line, below in (
        ("seller T3 r1 7.00", []),
        ("wait 1s", []),
        ("state seller 0:1-4", ["T1 100.00", "T2 50.00", "T3 7.00"]),
    ):
        stage.act(line, below)
    stage.act(
        "told",
        [
            "statement_differs seller north 2 count totals set_hash omitted",
            "total_differs seller north amount",
            "batch_omitted seller north 0:3",
        ],
    )


def test_a_batch_that_the_books_do_not_know_is_named(rules: RuleBook) -> None:
    """R-COMPLETE-4: what lies between two stated numbers, used, and not stated."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T2 r1 50.00
        seller T3 r1 7.00
        wait 1s
        state seller 0:1-2,4
            T1 100.00
            T3 7.00
        told
            statement_differs seller north 3 count totals set_hash unstated
            total_differs seller north amount
            batch_unstated seller north 0:3
        """,
        pair(),
    )


def test_numbers_before_the_first_and_after_the_last_are_not_looked_at(rules: RuleBook) -> None:
    """R-COMPLETE-4: yesterday's numbers, what came meanwhile, and other streams."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T2 r1 50.00
        wait 1s
        state seller 0:2-3
            T1 100.00
            T2 50.00
        told
            statement_ties_out seller north 2
        state seller 0:2-4 9:1
            T1 100.00
            T2 50.00
        told
            statement_differs seller north r2 2 omitted
            batch_omitted seller north 9:1
        """,
        pair(),
    )


def test_two_errors_that_cancel_out_show_in_the_set_hash(rules: RuleBook) -> None:
    """R-COMPLETE-3: count and total are the same, the records are not."""
    play(
        rules,
        """
        seller T1 r1 100.00
        seller T2 r1 50.00
        wait 1s
        state seller
            T1 50.00
            T2 100.00
        told
            statement_differs seller north 2 set_hash
        state seller
            T1 100.00
            T3 50.00
        told
            statement_differs seller north r2 2 set_hash
        """,
        pair(),
    )


def test_the_records_count_as_they_stand_now(rules: RuleBook) -> None:
    """R-COMPLETE-3: corrected, withdrawn, not bound to the party, of a currency that is blank."""
    play(
        rules,
        """
        seller T1 r1 CNY 100.00 - -
        seller T1 r2 EUR 90.00 - -
        seller T2 r1 CNY 1.00 - -
        seller T2 r2 withdrawn
        seller@west T3 r1 CNY 3.00 - -
        seller T3 r1 CNY 4.00 - - -> unexpected
        seller T4 r1 - 5.00 - -
        wait 1s
        state seller by north
            T1 EUR 90.00 - -
            T4 - 5.00 - -
        told
            statement_ties_out seller north 2
        state seller by west
            T3 CNY 3.00 - -
        told
            statement_ties_out seller west 1
        """,
        FUND,
        holders={"seller": "north west"},
    )


def test_a_total_in_another_currency_differs_and_a_price_has_no_total(rules: RuleBook) -> None:
    """R-COMPLETE-3."""
    play(
        rules,
        """
        seller T1 r1 CNY 100.00 1.0000 3.0000
        wait 1s
        state seller
            T1 EUR 100.00 1.0000 9.0000
        told
            statement_differs seller north 1 totals set_hash
            total_differs seller north amount
        """,
        FUND,
    )


def test_a_period_is_that_of_the_transactions_opened_in_it(rules: RuleBook) -> None:
    """R-COMPLETE-1: whoever opened it; after the one time, and up to the other."""
    play(
        rules,
        """
        seller T1 r1 1.00
        wait 10s
        seller T2 r1 2.00
        wait 10s
        bank T3 r1 3.00
        wait 10s
        seller T3 r1 3.00
        state seller after 20s until 10s
            T3 3.00
        told
            statement_ties_out seller north 1
        state seller after 30s until 20s
            T2 2.00
        told
            statement_ties_out seller north 1
        state bank after 1h until 1s
            T3 3.00
        told
            statement_ties_out bank south 1
        """,
        pair(),
    )


def test_sums_beyond_64_bits_are_exact(rules: RuleBook) -> None:
    """R-COMPLETE-3: ten of the largest amounts, and ten of the smallest."""
    largest = "46116860184273879.03"
    rows = [(f"T{n}", f"{sign}{largest}") for n in range(10) for sign in ("",)]
    rows += [(f"S{n}", f"-{largest}") for n in range(3)]
    batch = " & ".join(f"{name} r1 {amount}" for name, amount in rows)
    stage = play(rules, f"\nseller {batch}\nwait 1s\n", pair())
    stage.act("state seller", [f"{name} {amount}" for name, amount in rows])
    stage.act("told", ["statement_ties_out seller north 13"])
    stage.act("state seller", [f"{name} {amount}" for name, amount in rows[:-1]])
    stage.act(
        "told",
        [
            "statement_differs seller north r2 13 count totals set_hash",
            "total_differs seller north amount",
        ],
    )


def test_a_later_statement_takes_the_place_of_the_one_before_it(rules: RuleBook) -> None:
    """R-COMPLETE-5: for the same period; the state digest covers what is kept."""
    stage = play(
        rules,
        """
        seller T1 r1 1.00
        wait 10s
        state seller until 1s
            T1 2.00
        told
            statement_differs seller north 1 totals set_hash
            total_differs seller north amount
        """,
        pair(),
    )
    before = rules.state_digest(stage.bench.state)
    stage.act("state seller until 1s", ["T1 1.00"])
    stage.act("told", ["statement_ties_out seller north r2 1"])
    stage.act("state seller until 2s", ["T1 1.00"])
    stage.act("told", ["statement_ties_out seller north 1"])
    assert rules.state_digest(stage.bench.state) != before


# ---------------------------------------------------------------- what refuses a statement

HONEST = StateDay(
    "pair", 1, 0, 0, START_US, 1, (StatedTotal(0, b"", 1, sum_bytes(100)),), (), bytes(32)
)
MANY = tuple((n, n) for n in range(1, 2 * MAX_STATED_RANGES + 3, 2))


def bench_of(rules: RuleBook, seconds: int = 1) -> Workbench:
    """A ledger with one record of north, the seller, opened a while ago."""
    bench = Workbench(rules, newest_genesis())
    bench.enact(PAIR, [[1], [2]])
    bench.apply(bench.sender.batch(PAIR, 1, 0, [row_bytes(PAIR, "T1", 1, {0: 100})]))
    bench.wait(seconds * SECOND_US)
    return bench


def say(bench: Workbench, body: StateDay, party: int = 1) -> ItemOutcome:
    item = bench.sender.operation(party, OperationKind.STATE_DAY, body)
    return bench.apply(item).items[0].outcome


@pytest.mark.parametrize(
    ("changes", "party", "outcome"),
    [
        ({}, 1, "accepted"),
        ({"agreement": "unheard-of", "role": 9}, 1, "unknown_agreement"),
        ({"version": 2}, 1, "unknown_agreement"),
        ({"role": -1}, 3, "unknown_role"),
        ({"role": 2, "count": -1}, 3, "unknown_role"),
        ({"count": -1}, 2, "not_entitled"),
        ({"count": -1, "totals": (), "after_us": -1}, 1, "malformed_statement"),
        ({"count": 0}, 1, "malformed_statement"),  # fewer than a total of them
        ({"count": 1 << 64 - 1}, 1, "accepted"),
        ({"set_hash": bytes(31)}, 1, "malformed_statement"),
        ({"totals": (HONEST.totals[0], HONEST.totals[0])}, 1, "malformed_statement"),
        ({"totals": (StatedTotal(1, b"", 1, sum_bytes(1)),)}, 1, "malformed_statement"),
        ({"totals": (StatedTotal(-1, b"", 1, sum_bytes(1)),)}, 1, "malformed_statement"),
        ({"totals": (StatedTotal(0, b"", 0, sum_bytes(0)),)}, 1, "malformed_statement"),
        ({"totals": (StatedTotal(0, b"", 1, b"\1"),)}, 1, "malformed_statement"),
        ({"totals": (StatedTotal(0, b"EUR", 1, sum_bytes(100)),)}, 1, "accepted"),  # differs
        ({"numbers": (StatedNumbers(0, ()),)}, 1, "malformed_statement"),
        ({"numbers": (StatedNumbers(0, ((0, 1),)),)}, 1, "malformed_statement"),
        ({"numbers": (StatedNumbers(0, ((2, 1),)),)}, 1, "malformed_statement"),
        ({"numbers": numbers_of("0:1-2,3")}, 1, "malformed_statement"),  # one range
        ({"numbers": numbers_of("0:4,2")}, 1, "malformed_statement"),
        ({"numbers": numbers_of("1:1 0:1")}, 1, "malformed_statement"),
        ({"numbers": numbers_of("0:1 0:3")}, 1, "malformed_statement"),
        ({"numbers": numbers_of("65536:1")}, 1, "malformed_statement"),
        ({"numbers": (StatedNumbers(0, MANY[:MAX_STATED_RANGES]),)}, 1, "accepted"),
        ({"numbers": (StatedNumbers(0, MANY),)}, 1, "malformed_statement"),
        ({"until_us": START_US + SECOND_US}, 1, "bad_period"),  # the block's own time
        ({"until_us": START_US + SECOND_US - 1}, 1, "accepted"),
        ({"after_us": START_US}, 1, "bad_period"),
        ({"after_us": -1}, 1, "bad_period"),
    ],
)
def test_a_statement_is_refused_by_the_first_check_that_fails(
    rules: RuleBook, changes: dict[str, Any], party: int, outcome: str
) -> None:
    """R-COMPLETE-2."""
    assert say(bench_of(rules), replace(HONEST, **changes), party).name.lower() == outcome


def test_a_role_is_stated_once_a_block(rules: RuleBook) -> None:
    """R-COMPLETE-2: looking through a period costs time, and nobody may take all of it."""
    bench = bench_of(rules)
    items = [
        bench.sender.operation(party, OperationKind.STATE_DAY, replace(HONEST, **changes))
        for party, changes in (
            (1, {}),
            (1, {"after_us": 5}),
            (2, {"role": 1, "totals": (), "count": 0}),
        )
    ]
    outcomes = [item.outcome.name.lower() for item in bench.apply(*items).items]
    assert outcomes == ["accepted", "too_soon", "accepted"]
    assert say(bench, replace(HONEST, after_us=5)) is ItemOutcome.ACCEPTED


def test_the_first_of_many_omitted_batches_are_named(rules: RuleBook) -> None:
    """R-COMPLETE-4: of numbers without end."""
    bench = bench_of(rules)
    endless = (StatedNumbers(0, ((1, (1 << 64) - 1),)), StatedNumbers(5, ((7, 9),)))
    assert say(bench, replace(HONEST, numbers=endless)) is ItemOutcome.ACCEPTED
    events = bench.results[-1].events
    named = events[events["kind"] == EventKind.BATCH_OMITTED]["serial"].tolist()
    assert named == list(range(4, 4 + MAX_NAMED_BATCHES))


def test_what_came_of_the_latest_periods_is_kept(rules: RuleBook) -> None:
    """R-COMPLETE-5: one before all of them is refused; one among them takes a place."""
    bench = bench_of(rules)

    def until(n: int) -> StateDay:
        return replace(HONEST, until_us=START_US + 10 * n)

    for n in range(MAX_KEPT_STATEMENTS):
        assert say(bench, until(1 + n)) is ItemOutcome.ACCEPTED
    assert say(bench, until(0)) is ItemOutcome.BAD_PERIOD
    assert say(bench, replace(until(1), after_us=1)) is ItemOutcome.ACCEPTED
    assert say(bench, until(1)) is ItemOutcome.BAD_PERIOD  # forgotten by then
    assert say(bench, until(2)) is ItemOutcome.ACCEPTED
    assert int(bench.results[-1].events["extra"][0]) & 0xFFFF == 2  # its second revision


def test_another_version_of_the_agreement_has_statements_of_its_own(rules: RuleBook) -> None:
    """R-COMPLETE-1, R-PIN-1: records count where their transaction is pinned."""
    bench = bench_of(rules)
    second = parse_agreement(pair().replace("version = 1", "version = 2"))
    bench.enact(second, [[1], [2]])
    bench.apply(bench.sender.batch(second, 1, 0, [row_bytes(second, "T2", 1, {0: 7})]))
    bench.wait(SECOND_US)
    period = (0, bench.time_us - 1)
    for number, agreement, row in (
        (1, PAIR, row_bytes(PAIR, "T1", 1, {0: 100})),
        (2, second, row_bytes(second, "T2", 1, {0: 7})),
    ):
        assert say(bench, statement_of(agreement, 0, [row], period)) is ItemOutcome.ACCEPTED
        events = bench.results[-1].events[["kind", "agreement", "serial"]].tolist()
        assert events == [(EventKind.STATEMENT_TIES_OUT, number, 1)]


def test_earlier_rules_know_no_statements(rules: RuleBook) -> None:
    """R-ITEM-1: to them it is nothing, and a ledger without statements has nothing of them."""
    bench = Workbench(rules, refined_genesis())
    item = bench.sender.operation(1, OperationKind.STATE_DAY, HONEST)
    assert bench.apply(item).items[0].outcome is ItemOutcome.MALFORMED


def test_the_digest_of_a_cutoff_covers_what_was_stated(rules: RuleBook) -> None:
    """R-COMPLETE-5, R-BLOCK-2."""
    digests = []
    for count in (1, 2):
        bench = bench_of(rules)
        say(bench, replace(HONEST, count=count))
        close = CloseCutoff("pair", bench.time_us)
        bench.apply(bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, close))
        digests.append(rules.state_digest(bench.state))
    assert digests[0] != digests[1]
