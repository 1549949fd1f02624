"""The backtest: what a new version of an agreement would have said of everything recorded."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence.ledgers import RecordedLedger, act
from tests.evidence.scripts import AGREEMENT, EVERYTHING, NEXT_AGREEMENT
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.evidence import backtest as backtests
from tieout.evidence.backtest import Backtest, survey
from tieout.evidence.breaklist import BreakLine, lines_of
from tieout.evidence.errors import MissingError
from tieout.evidence.verdictchange import Side, VerdictChange
from tieout.testing.agreements import Tree, choose_tree, to_toml
from tieout.testing.dice import Dice
from tieout.testing.histories import History, histories, refined_histories
from tieout.testing.rulebooks import RuleBook, rule_book
from tieout.testing.statements import choose_statements
from tieout.testing.workbench import START_US, Workbench, refined_genesis
from tieout.wire.codes import OperationKind
from tieout.wire.operations import CloseCutoff

OPEN = 1_000_000
DAY = """
block
    seller T1 r1 100.00 CNY & T2 r1 7.00 CNY & T3 r1 9.00 CNY
    registrar T1 r1 100.00 CNY & T2 r1 7.01 CNY & T3 r1 9.00 CNY
    bank T1 r1 100.00 CNY & T2 r1 7.00 CNY
cutoff
"""


def tried(ledger: RecordedLedger, text: str, since_us: int = 0) -> tuple[Backtest, list[str]]:
    """A backtest of a ledger, its changes in short words."""
    ready = survey(lambda: kept(ledger), ledger.genesis, parse_agreement(text))
    changes = list(ready.changes(since_us))
    return ready.report, [line for change in changes for line in words(change)]


def kept(ledger: RecordedLedger) -> Iterable[tuple[object, object]]:
    return zip(ledger.blocks, ledger.results, strict=True)


def words(change: VerdictChange) -> list[str]:
    return [
        f"{change.transaction_id} {change.status} → {change.status_anew}",
        *(
            f"  {each.role} {each.kind} {each.field} {each.fate}"
            f" {','.join(each.recorded.rules)} → {','.join(each.anew.rules)}"
            for each in change.differences
        ),
    ]


def test_a_tighter_tolerance_breaks_what_had_matched() -> None:
    """R-TOL-1, R-TOL-2."""
    ledger, _ = act(DAY, AGREEMENT)
    tight = AGREEMENT.replace('tolerance = { absolute = "0.01" }', "")
    report, told = tried(ledger, tight)
    before = "R-MATCH-3,R-BENCH-2,R-TOL-2"
    assert told == [
        "T2 matched → broken",
        f"  seller mismatch amount appears {before} → R-MATCH-3,R-BENCH-2,R-TOL-1",
        # A correcting entry was approved at once.
        f"  registrar mismatch amount appears {before} → R-MATCH-2,R-FREEZE-1,R-TOL-1",
    ]
    assert (report.transactions, report.records, report.changed) == (3, 8, 1)
    assert dict(report.statuses) == {("matched", "broken"): 1}
    assert dict(report.kinds) == {("mismatch", "appears"): 2}


def test_the_version_in_force_would_change_nothing_of_its_own_past() -> None:
    ledger, _ = act(DAY, AGREEMENT)
    report, told = tried(ledger, AGREEMENT)
    assert (told, report.changed, report.transactions) == ([], 0, 3)


def test_what_people_did_counts_where_the_same_is_asked_for() -> None:
    """R-ADJ-3, R-ADJ-4: with everything that can happen, two versions, and one of them again."""
    ledger, _ = act(EVERYTHING, AGREEMENT, NEXT_AGREEMENT)
    report, told = tried(ledger, NEXT_AGREEMENT)
    assert [each.old.version for each in report.recorded] == [1, 2]
    assert told == [  # 36 s late under version 1, and in time under version 2
        "T3 matched → matched",
        "  bank missing  disappears R-MISS-1 → R-FINAL-1,R-MISS-1",
    ]
    assert report.fallen_away == 1  # nobody could have acknowledged it
    by_hand = AGREEMENT.replace('"compensate"', '"notify"').split("automatic")[0]
    report, told = tried(ledger, by_hand)
    assert report.fallen_away == 4  # posted T1, twice approved and posted T2: nothing is approved
    assert told == []


def test_roles_and_fields_that_are_gone_or_new_are_said() -> None:
    """R-MISS-2: what no record has is blank, and missing unless it is optional."""
    ledger, _ = act(DAY, AGREEMENT)
    other = """
name = "sub"
version = 2
roles = ["registrar", "seller", "custodian"]
[fields.fee]
type = "money"
scale = 2
roles = ["seller"]
[fields.amount]
type = "money"
scale = 4
"""
    report, told = tried(ledger, other)
    assert report.recorded[0].notes() == [
        "fee: no recorded row has it, blank",
        "amount: recorded as money with 2 decimals, taken as money with 4 decimals",
        "currency: left out",
        "role bank: its records are left out",
        "role custodian: not recorded, silent",
    ]
    assert told[:3] == [
        "T1 matched → broken",
        "  custodian missing  appears  → R-MISS-1",
        "  seller missing fee appears  → R-MISS-2",
    ]


def test_values_that_do_not_fit_are_blank_and_counted() -> None:
    ledger, _ = act(DAY, AGREEMENT)
    narrow = AGREEMENT.replace("scale = 2", "scale = 1")
    narrow = narrow.replace('"0.01"', '"0.1"').replace('"10.00"', '"10.0"')
    report, told = tried(ledger, narrow)
    names = [field.name for field in report.agreement.fields]
    counted = {names[f]: count for each in report.recorded for f, count in each.unfit.items()}
    assert counted == {"amount": 1}
    assert "  registrar missing amount appears R-MISS-2 → R-MISS-2" in told


def test_since_leaves_earlier_transactions_out() -> None:
    ledger, _ = act(DAY + "wait 1h\nseller T9 r1 1.00 CNY\nregistrar T9 r1 1.01 CNY\n", AGREEMENT)
    tight = AGREEMENT.replace('tolerance = { absolute = "0.01" }', "")
    report, told = tried(ledger, tight, START_US + 60 * OPEN)
    assert [line for line in told if "→" in line and line[0] == "T"] == ["T9 pending → broken"]
    assert (report.transactions, report.records) == (1, 2)


def test_what_cannot_be_tried_is_said() -> None:
    """R-AGREE-3."""
    ledger, _ = act(DAY, AGREEMENT)
    with pytest.raises(MissingError, match="in force are: sub"):
        tried(ledger, AGREEMENT.replace('"sub"', '"fees"'))
    with pytest.raises(MissingError, match="needs rules version 3"):
        tried(ledger, AGREEMENT + '[invariants]\npositive = "amount > 0"\n')


@settings(max_examples=60)
@given(history=histories() | refined_histories())
def test_no_history_would_change_under_the_version_that_it_has(history: History) -> None:
    """Everything happens in them: equivocation, strangers, adjustments, members, two versions."""
    if len(history.agreements) != 1:
        return
    ready = survey(
        lambda: zip(history.blocks, history.results, strict=True),
        history.genesis,
        history.agreements[0],
    )
    assert list(ready.changes()) == []
    assert ready.report.fallen_away == 0
    assert ready.report.transactions == len(history.state.books[0].transactions)


# ---------------------------------------------------------------- held against real ledgers


def versions(dice: Dice) -> tuple[Agreement, Agreement]:
    """An agreement, and a version of it with other rules for the same fields."""
    tree = choose_tree(dice, max_fields=4)
    other: Tree = {**tree, "version": int(str(tree["version"])) + 1}
    for key in ("benchmark", "deadlines", "opened_by"):
        if dice.happens(50):
            other.pop(key, None)
    fields = {name: dict(keys) for name, keys in tree["fields"].items()}  # type: ignore[attr-defined]
    for keys in fields.values():
        for key in ("tolerance", "drift_days", "optional", "compare"):
            if dice.happens(50) and (key != "compare" or "benchmark" not in other):
                keys.pop(key, None)
    other["fields"] = fields
    for each in (tree, other):  # an adjustment that is approved freezes (R-FREEZE-1)
        each.pop("adjustment", None)
    return parse_agreement(to_toml(tree)), parse_agreement(to_toml(other))


def lived(rules: RuleBook, agreement: Agreement, rows_of: Agreement, script: bytes) -> Workbench:
    """The same days under a version; rows are chosen for another one with the same layout."""
    bench = Workbench(rules, refined_genesis())
    bench.enact(agreement, [[1 + place] for place in range(len(agreement.roles))])
    dice = Dice(script)
    statements = choose_statements(dice, rows_of, transaction_count=6)
    random.Random(script).shuffle(statements)
    for at in range(0, len(statements), 5):
        bench.time_us += dice.pick((0, 1_000, 31 * OPEN, 61 * OPEN, 7_300 * OPEN))
        bench.apply(
            *(
                bench.sender.batch(agreement, 1 + each.role, each.role, [each.row])
                for each in statements[at : at + 5]
            )
        )
        if dice.happens(20):
            close = CloseCutoff(agreement.name, bench.time_us)
            bench.apply(bench.sender.operation(1, OperationKind.CLOSE_CUTOFF, close))
    return bench


@settings(max_examples=80)
@given(st.binary(min_size=300, max_size=900))
def test_a_backtest_foretells_what_a_ledger_under_the_new_version_would_say(script: bytes) -> None:
    """Held against a real ledger, judged by the kernel: the same breaks with the same values."""
    old, new = versions(Dice(script))
    ledger = RecordedLedger()
    recorded = lived(ledger, old, old, script[200:])
    real = lived(rule_book("kernel"), new, old, script[200:])
    ready = survey(lambda: kept(ledger), ledger.genesis, new)
    changes = list(ready.changes())
    foretold = set(lines_of({1: old}, ledger.breaks(recorded.state, old.name)))
    for change in changes:
        for each in change.differences:
            key = (change.transaction_id, each.kind, each.field, each.role)
            foretold -= set(line(key, each.recorded))
            foretold |= set(line(key, each.anew))
    assert foretold == set(lines_of({1: new}, real.rules.breaks(real.state, new.name)))
    assert [change.transaction_id for change in changes] == sorted(
        change.transaction_id for change in changes
    )


def line(key: tuple[str, str, str, str], side: Side) -> list[BreakLine]:
    return [BreakLine(*key, *side.facts)] if side.standing == "open" else []


def test_a_ledger_is_read_in_passes_and_comes_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    script = random.Random(7).randbytes(4_000)
    old, new = versions(Dice(script))
    ledger = RecordedLedger()
    lived(ledger, old, old, script[200:])
    at_once = survey(lambda: kept(ledger), ledger.genesis, new)
    expected = list(at_once.changes())
    monkeypatch.setattr(backtests, "BACKTEST_ROWS", 4)
    monkeypatch.setattr(backtests, "BACKTEST_SAMPLES", 6)
    in_passes = survey(lambda: kept(ledger), ledger.genesis, new)
    seen: list[int] = []
    assert list(in_passes.changes(progress=seen.append)) == expected
    assert expected
    assert in_passes.passes > 2
    assert seen == list(range(1, 1 + in_passes.passes * len(ledger.blocks)))
    assert in_passes.report.kinds == at_once.report.kinds
    assert in_passes.report.records == at_once.report.records
