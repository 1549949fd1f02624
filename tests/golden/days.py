"""The days of the golden ledgers: what happened, told by scripts, senders and seeds.

A day is a function that takes a rule book, brings blocks to it and returns nothing: whoever made
the rule book has kept them. Every day ends with a cut-off, so that the last digest covers it whole.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from tests.golden import (
    agreeing_days,
    group_days,
    member_days,
    people_days,
    refined_days,
    staged_days,
    statement_days,
    time_days,
)
from tieout.agreement.parse import parse_agreement
from tieout.testing.histories import SCRIPT_BYTES, tell
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import (
    ADA,
    LEAVER,
    NOTARY,
    START_US,
    Sender,
    Workbench,
    row_bytes,
)
from tieout.wire.batch import HEADER_BYTES
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.limits import SEQUENCE_GAP_US
from tieout.wire.operations import AdjustmentStep, CloseCutoff, Confirm, Enact, Propose

ROWS_AT: Final = HEADER_BYTES + SIGNATURE_BYTES
DAY_US: Final = 86_400_000_000
CLOSING_STREAM: Final = 40_000

# ---------------------------------------------------------------- items

PAIR = """
name = "pair"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
[deadlines]
bank = "30s"
"""
AGREEMENT: Final = parse_agreement(PAIR)
NEXT: Final = parse_agreement(PAIR.replace("version = 1", "version = 2"))
WRONG_ONE: Final = parse_agreement(PAIR.replace("version = 1", "version = 7"))


def items(rules: RuleBook) -> None:
    """Every way in which an item is refused."""
    bench = Workbench(rules)
    bench.enact(AGREEMENT, [[1], [2]])
    refused_before_they_speak(bench)
    refused_batches(bench)
    refused_operations(bench)
    numbers(bench)
    expect(bench, [(cutoff(bench, 2, bench.time_us), "accepted")])


def refused_before_they_speak(bench: Workbench) -> None:
    def changed(**changes: Any) -> bytes:
        return batch(bench, sequence=2, **changes)

    signed = changed()
    swapped = signed[:ROWS_AT] + batch(bench, "T9", sequence=9)[ROWS_AT:]
    forged = signed[:HEADER_BYTES] + bytes([signed[HEADER_BYTES] ^ 1]) + signed[HEADER_BYTES + 1 :]
    expect(
        bench,
        [
            (b"no item", "malformed"),
            (signed + b"\0", "malformed"),
            (changed(ledger_id=bytes(32)), "wrong_ledger"),
            (changed(party=77), "unknown_party"),
            (changed(key=99), "unknown_key"),
            (changed(key=LEAVER), "key_not_valid"),
            (changed(key=ADA), "wrong_purpose"),
            (changed(key=NOTARY), "wrong_purpose"),
            (changed(purpose=Purpose.GOVERN), "wrong_purpose"),
            (forged, "bad_signature"),
            (swapped, "wrong_root"),
            (changed(rows_root=bytes(32), valid_until_us=0), "wrong_root"),
            (signed, "accepted"),
            (swapped, "wrong_root"),
            (signed, "repeated"),
            (batch(bench, "T2", sequence=2), "equivocation"),
            (batch(bench, sequence=0), "out_of_window"),
            (batch(bench, sequence=3 + 1_024), "out_of_window"),
            (batch(bench, sequence=3, valid_until_us=START_US - 1), "too_late"),
            (batch(bench, "T2", sequence=4, valid_until_us=START_US), "accepted"),
        ],
    )


def refused_batches(bench: Workbench) -> None:
    good = row_bytes(AGREEMENT, "T3", 1, {0: 1})
    wide = [good + bytes(8), good + bytes(8)]
    bad = row_bytes(AGREEMENT, " T3", 1, {0: 1})
    expect(
        bench,
        [
            (batch(bench, sequence=5, agreement="unheard-of"), "unknown_agreement"),
            (batch(bench, sequence=6, version=2), "unknown_agreement"),
            (batch(bench, sequence=7, agreement_hash=bytes(32)), "wrong_agreement_hash"),
            (batch(bench, sequence=8, role=2), "unknown_role"),
            (batch(bench, sequence=9, role=1), "not_entitled"),
            (bench.sender.batch(AGREEMENT, 1, 0, wide, sequence=10), "malformed_row"),
            (bench.sender.batch(AGREEMENT, 1, 0, [good, bad], sequence=11), "malformed_row"),
            (batch(bench, "T3", sequence=12), "accepted"),
        ],
    )
    bench.time_us += 1_000_000
    expect(bench, [(batch(bench, "T4", sequence=13, key=LEAVER), "accepted")])


def refused_operations(bench: Workbench) -> None:
    send, now = bench.sender.operation, bench.time_us
    enact, nobody, key = OperationKind.ENACT, (AGREEMENT.name, 0, "nobody"), ("pair", 0, "T1")
    holders = ((1,), (2,))
    step = AdjustmentStep(*key, 0, bytes(32), "not there")
    expect(
        bench,
        [
            (send(2, enact, Enact(NEXT.canonical + b" ", holders)), "malformed_agreement"),
            (send(2, enact, Enact(WRONG_ONE.canonical, holders)), "wrong_version"),
            (send(3, enact, Enact(NEXT.canonical, holders)), "not_entitled"),
            (send(2, enact, Enact(NEXT.canonical, holders)), "accepted"),
            (send(2, enact, Enact(NEXT.canonical, holders)), "no_effect"),
            (cutoff(bench, 2, now + 1), "bad_cutoff"),
            (cutoff(bench, 3, now), "not_entitled"),
            (cutoff(bench, 2, START_US - 1), "accepted"),
            (cutoff(bench, 2, START_US - 1), "no_effect"),
            (send(2, OperationKind.CONFIRM, Confirm(*nobody, 1)), "unknown_transaction"),
            (send(2, OperationKind.CONFIRM, Confirm("other", 0, "T1", 1)), "unknown_agreement"),
            (send(2, OperationKind.CONFIRM, Confirm(*key, 1)), "not_applicable"),
            (send(2, OperationKind.PROPOSE, Propose(*key, 2), key=ADA), "unknown_role"),
            (send(2, OperationKind.PROPOSE, Propose(*key, 0), key=ADA), "not_entitled"),
            (send(1, OperationKind.REFUSE, step, key=ADA, sequence=14), "not_applicable"),
            (send(2, OperationKind.ACKNOWLEDGE, Confirm(*key, 1)), "wrong_purpose"),
        ],
    )


def numbers(bench: Workbench) -> None:
    """A gap is named, closed, and opened elsewhere; the window moves on."""
    expect(bench, [(batch(bench, "T5", sequence=17), "accepted")])
    bench.wait(SEQUENCE_GAP_US + 1)
    filled = [
        (batch(bench, "T6", sequence=15), "accepted"),
        (batch(bench, "T7", sequence=16), "accepted"),
        (batch(bench, "T8", sequence=18 + 1_023), "accepted"),
        (batch(bench, "T1", sequence=18 + 1_023), "equivocation"),
        (batch(bench, "T5", sequence=17), "out_of_window"),
        (batch(bench, "T9", stream=65_535, sequence=2), "accepted"),
    ]
    expect(bench, filled)
    bench.wait(SEQUENCE_GAP_US + 1)
    expect(bench, [(batch(bench, "T4", sequence=18, key=LEAVER), "key_not_valid")])


def batch(bench: Workbench, transaction_id: str = "T1", /, **changes: Any) -> bytes:
    row = row_bytes(AGREEMENT, transaction_id, 1, {0: 10_000})
    return bench.sender.batch(AGREEMENT, 1, 0, [row], **changes)


def cutoff(bench: Workbench, party: int, cutoff_us: int) -> bytes:
    body = CloseCutoff(AGREEMENT.name, cutoff_us)
    return bench.sender.operation(party, OperationKind.CLOSE_CUTOFF, body)


def expect(bench: Workbench, sent: list[tuple[bytes, str]]) -> None:
    """Apply a block of items; each must become what it says."""
    result = bench.apply(*(item for item, _ in sent))
    outcomes = [item.outcome.name.lower() for item in result.items]
    assert outcomes == [outcome for _, outcome in sent]


# ---------------------------------------------------------------- records

FUND = """
name = "fund"
version = 1
roles = ["seller", "registrar", "bank"]
opened_by = ["seller"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { absolute = "0.01" }
[fields.currency]
type = "code"
length = 3
[fields.shares]
type = "quantity"
scale = 4
roles = ["seller", "registrar"]
tolerance = { absolute = "0.0001", percent = "0.01", of = "registrar", within = "all" }
[fields.rate]
type = "rate"
scale = 6
roles = ["seller", "registrar"]
optional = true
tolerance = { percent = "0.5" }
[fields.trade_date]
type = "date"
drift_days = 1
[fields.booked]
type = "time"
roles = ["registrar", "bank"]
optional = true
[fields.orders]
type = "integer"
roles = ["seller", "bank"]
optional = true
[fields.remark]
type = "text"
length = 24
optional = true
compare = false
[benchmark]
default = "majority"
amount = "bank"
shares = "registrar"
booked = "decision"
[deadlines]
registrar = "30s"
bank = "2h"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" }, shares = "100" }
[retention]
closed = "1h"
"""
NEXT_FUND = FUND.replace("version = 1", "version = 2").replace('"2h"', '"3h"')
FUND_DAY = """
seller T1 r1 100.00 CNY 12.5000 8.000000 2026-03-02 3 first
registrar T1 r1 100.01 CNY 12.5001 8.010000 2026-03-03 2026-03-03T09:00Z -
bank T1 r1 100.00 CNY 2026-03-02 - 3 first
expect T1 matched
block
    seller T2 r1 100.00 CNY 12.5000 - 2026-03-02 - - & T3 r1 5.00 USD 1.0000 - 2026-03-02 1 Grüße
    bank T2 r1 100.00 EUR 2026-03-02 - - -
registrar T2 r1 100.00 CNY 12.6251 - 2026-03-02 2026-03-02T09:00:00.000001Z -
bank T2 r2 100.00 CNY 2026-03-04 2026-03-02T09:00Z - -
seller T1 r1 100.00 CNY 12.5000 8.000000 2026-03-02 3 first -> repeat
seller T1 r1 100.00 CNY 12.5000 8.000000 2026-03-02 4 first -> duplicate
seller T1 r2 - CNY 12.5000 8.000000 2026-03-02 3 -
seller T1 r1 100.00 CNY 12.5000 8.000000 2026-03-02 3 first -> stale
wait 31s
registrar T4 r1 7.00 CNY 1.0000 1.000000 2026-03-02 - - & T5 r3 withdrawn
registrar T5 r2 withdrawn & T5 r3 withdrawn -> stale repeat
bank@harbour T1 r1 100.00 CNY 2026-03-02 - 3 - -> unexpected
bank@harbour T4 r1 7.00 CNY 2026-03-02 - - -
bank T4 r1 7.00 CNY 2026-03-02 - - - -> unexpected
bank T4 r2 withdrawn -> unexpected
wait 2h
cutoff
seller T1 r3 100.00 CNY 12.5000 8.000000 2026-03-02 3 second
bank@harbour T1 r2 withdrawn -> unexpected
expect T1 matched
enact v2
seller T6 r1 1.00 CNY 1.0000 - 2026-03-02 - - & T1 r4 withdrawn -> accepted wrong_version
seller under v1 T7 r1 1.00 CNY 1.0000 - 2026-03-02 - - -> wrong_version
wait 1h
seller under v1 T1 r4 100.00 CNY 12.5000 8.000000 2026-03-02 3 third
wait 1us
seller under v1 T1 r5 withdrawn -> expired
registrar T6 r1 1.00 CNY 1.0000 - 2026-03-02 - -
bank T6 r1 1.00 CNY 2026-03-02 - - -
bank T6 r2 3.00 CNY 2026-03-02 - - -
seller T8 r1 2.00 CNY 2.0000 - 2026-03-02 - -
seller T8 r2 withdrawn
seller T9 r1 9.00 CNY 2.0000 1.000000 2026-03-02 - -
registrar T9 r1 8.00 CNY 2.0001 1.005000 2026-03-02 - -
seller T9 r1 9.00 CNY 2.0000 1.000000 2026-03-01 - - -> duplicate
cutoff
"""


def records(rules: RuleBook) -> None:
    """Rows of every outcome, breaks of every kind, two versions, deadlines, and what is kept."""
    play(rules, FUND_DAY, FUND, NEXT_FUND, holders={"bank": "east harbour"})


# ---------------------------------------------------------------- adjusting

BY_BANK = """
name = "orders"
version = 1
roles = ["seller", "bank"]
[fields.amount]
type = "money"
scale = 2
[fields.shares]
type = "quantity"
scale = 0
[benchmark]
default = "bank"
[adjustment]
mode = "replace"
automatic_up_to = { amount = "1.00", shares = "0" }
"""
ADJUSTING_DAY = """
bank T1 r1 100.00 5 & T2 r1 100.00 5 & T3 r1 100.00 5 & T4 r1 100.00 5 & T5 r1 100.00 5
bank T6 r1 100.00 5 & T7 r1 100.00 5 & T8 r1 100.00 5 & T9 r1 100.00 5
seller T1 r1 100.50 5 & T2 r1 102.00 6 & T3 r1 100.50 5 & T4 r1 102.00 5 & T5 r1 102.00 5
seller T6 r1 100.50 5 & T7 r1 100.01 5 & T8 r1 102.00 5 & T9 r1 99.00 5
posted T1 seller
seller T1 r2 100.00 5
approve T2 seller by south/2 -> not_entitled
approve T2 seller by north/3
approve T2 seller by north/13 -> not_applicable
approve T2 seller by north/2
block
    posted T3 seller
    refuse T4 seller by north/2
    posted T2 seller
failed T3 seller
propose T3 seller by north/2
approve T3 seller by north/2 -> not_applicable
approve T3 seller by north/3
bank T5 r2 103.00 5
posted T6 seller
seller T6 r2 100.40 5
seller T7 r2 100.02 5
seller T7 r3 100.03 5
seller T7 r4 100.04 5
seller T8 r2 withdrawn
bank T9 r2 99.00 5
bank T1 r2 90.00 5
adjustments
    T1 seller verified amount 100.00
    T2 seller posted amount 100.00 shares 5
    T3 seller failed amount 100.00
    T4 seller refused amount 100.00
    T5 seller superseded amount 100.00
    T6 seller failed amount 100.00
    T7 seller superseded amount 100.00
    T8 seller superseded amount 100.00
    T9 seller approved amount 100.00
    T3 seller approved amount 100.00
    T5 seller approved amount 103.00
    T6 seller approved amount 100.00
    T7 seller superseded amount 100.00
    T7 seller superseded amount 100.00
    T7 seller proposed amount 100.00
    T1 seller proposed amount 90.00
cutoff
"""


def adjusting(rules: RuleBook) -> None:
    """Adjustments in every status: at once, by two persons, frozen, refused, failed, outdated."""
    play(rules, ADJUSTING_DAY, BY_BANK)


# ---------------------------------------------------------------- alarms

BY_QUORUM = """
name = "alarms"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "price"
scale = 2
[alarm]
quorum = 3
"""
ALARMS_DAY = """
seller T1 r1 100.00 & T2 r1 1.00 & T3 r1 1.00 & T4 r1 1.00 & T5 r1 1.00
confirm T1 by north -> not_applicable
bank T1 r1 100.01 & T2 r1 2.00 & T3 r1 2.00 & T4 r1 2.00
confirm T1 by north
confirm T1 by north -> not_applicable
confirm T1 by harbour
acknowledge T1 by west/2
registrar T1 r1 100.01
registrar T1 r1 100.02 -> duplicate
confirm T1 by south
confirm T2 by south
bank T2 r2 1.00
confirm T2 episode 1 by north -> not_applicable
registrar T2 r1 2.00
confirm T2 by north
confirm T2 by south
confirm T3 by north
confirm T3 by east
bank T3 r2 1.00
confirm T4 by east
expect T1 broken raised
expect T2 broken raised
expect T3 pending
expect T4 broken found
cutoff
confirm T5 by west
confirm T5 by south
acknowledge T5 by north/3
wait 1s
cutoff by east
"""


def alarms(rules: RuleBook) -> None:
    """Found, confirmed, raised, acknowledged and cleared, with a quorum of three."""
    play(rules, ALARMS_DAY, BY_QUORUM)


# ---------------------------------------------------------------- chance


def chance(seed: int) -> Callable[[RuleBook], None]:
    """A random history, closed at its end."""

    def day(rules: RuleBook) -> None:
        history = tell(random.Random(seed).randbytes(SCRIPT_BYTES))
        state = rules.initial_state(history.genesis)
        for block in history.blocks:
            state, _ = rules.apply_block(state, block)
        last = history.blocks[-1]
        sender = Sender(history.genesis.ledger_id())
        time_us = last.time_us + DAY_US
        holder = history.state.newest[history.name].holders[0][0]
        close = sender.operation(
            holder,
            OperationKind.CLOSE_CUTOFF,
            CloseCutoff(history.name, time_us),
            stream=CLOSING_STREAM,
        )
        rules.apply_block(state, Block(last.height + 1, time_us, (close,)))

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "items": items,
    "records": records,
    "adjusting": adjusting,
    "alarms": alarms,
    "chance-1": chance(1),
    "chance-2": chance(2),
    "chance-3": chance(3),
    **member_days.DAYS,
    **refined_days.DAYS,
    **agreeing_days.DAYS,
    **people_days.DAYS,
    **statement_days.DAYS,
    **time_days.DAYS,
    **staged_days.DAYS,
    **group_days.DAYS,
}
"""The golden ledgers by the names of their files: of rules version 1, then of 2, 3 and 4."""
