"""Time: R-TIME-1, R-CUT-1, R-BLOCK-2."""

from tests.scenarios.agreements import pair, trio
from tieout.agreement.parse import parse_agreement
from tieout.testing.images import read_slots
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import Workbench, row_bytes
from tieout.wire.codes import EventKind
from tieout.wire.limits import MAX_BATCH_ROWS, MAX_DEADLINES_PER_BLOCK

DEADLINES = '[deadlines]\nseller = "30s"\nbank = "30s"\nregistrar = "10s"\n'


def test_a_deadline_passes_later_than_opening_plus_duration(rules: RuleBook) -> None:
    """R-TIME-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        wait 30s
        told
            none
        wait 1us
        told
            break_opened missing bank T1
            transaction_broken T1
            alarm_raised T1 1
        bank T1 r1 100.00
        expect T1 matched
        """,
        pair('[deadlines]\nbank = "30s"\n'),
    )


def test_a_record_in_the_block_of_the_deadline_is_in_time(rules: RuleBook) -> None:
    """R-BLOCK-2: items first, then deadlines."""
    agreement = parse_agreement(pair('[deadlines]\nbank = "30s"\n'))
    bench = Workbench(rules)
    bench.enact(agreement, [[1], [2]])
    row = row_bytes(agreement, "T1", 1, {0: 10_000})
    bench.apply(bench.sender.batch(agreement, 1, 0, [row]))
    bench.time_us += 31_000_000
    result = bench.apply(bench.sender.batch(agreement, 2, 1, [row]))
    assert result.events["kind"].tolist() == [EventKind.TRANSACTION_MATCHED]


def test_a_role_is_asked_once(rules: RuleBook) -> None:
    """R-TIME-1: who stated in time and withdraws later is not overdue; who was overdue stays so."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        seller T2 r1 100.00
        wait 31s
        told
            break_opened missing bank T2
            transaction_broken T2
            alarm_raised T2 1
        bank T1 r2 withdrawn
        breaks
            T1 changed_after_match bank
            T2 missing bank
        bank T2 r1 100.00
        bank T2 r2 withdrawn
        breaks
            T1 changed_after_match bank
            T2 missing bank
            T2 changed_after_match bank
        """,
        pair('[deadlines]\nbank = "30s"\n'),
    )


def test_deadlines_are_judged_in_order_each_with_a_verdict_of_its_own(rules: RuleBook) -> None:
    """R-TIME-1: by deadline, then by agreement, transaction and role."""
    play(
        rules,
        """
        seller T1 r1 100.00
        wait 5s
        seller T2 r1 100.00
        wait 60s
        told
            break_opened missing registrar T1
            transaction_broken T1
            alarm_raised T1 1
            break_opened missing registrar T2
            transaction_broken T2
            alarm_raised T2 1
            break_opened missing bank T1
            break_opened missing bank T2
        """,
        trio(DEADLINES),
    )


def test_at_most_ten_thousand_deadlines_are_judged_in_a_block(rules: RuleBook) -> None:
    """R-TIME-1: those of roles that have stated count as well."""
    agreement = parse_agreement(pair('[deadlines]\nseller = "1s"\nbank = "1s"\n'))
    bench = Workbench(rules)
    bench.enact(agreement, [[1], [2]])
    count = MAX_BATCH_ROWS * 3 // 5
    rows = [row_bytes(agreement, f"T{number}", 1, {0: 1}) for number in range(count)]
    bench.apply(bench.sender.batch(agreement, 1, 0, rows))

    def overdue() -> int:
        slots = read_slots(agreement, rules.slot_images(bench.state, 1))
        return int((slots["roles"]["flags"] & 4 != 0).sum())

    bench.wait(2_000_000)
    assert overdue() == MAX_DEADLINES_PER_BLOCK // 2
    bench.wait(0)
    assert overdue() == count


def test_a_cutoff_judges_what_was_opened_up_to_its_time(rules: RuleBook) -> None:
    """R-CUT-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        wait 10s
        seller T2 r1 100.00
        wait 10s
        cutoff -10s
        told
            break_opened missing bank T1
            transaction_broken T1
            alarm_raised T1 1
            break_opened missing bank T2
            transaction_broken T2
            alarm_raised T2 1
            cutoff_closed 2
        seller T3 r1 100.00
        expect T3 pending
        """,
        pair(),
    )


def test_judged_twice_is_judged_once(rules: RuleBook) -> None:
    """R-CUT-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        cutoff
        cutoff -> no_effect
        seller T2 r1 100.00
        cutoff
        told
            break_opened missing bank T2
            transaction_broken T2
            alarm_raised T2 1
            cutoff_closed 1
        wait 1s
        cutoff
        told
            cutoff_closed 0
        """,
        pair(),
    )


def test_a_cutoff_is_not_in_the_future_and_not_before_the_last(rules: RuleBook) -> None:
    """R-CUT-1, R-OP-2."""
    play(
        rules,
        """
        wait 1m
        cutoff -30s
        cutoff -31s -> bad_cutoff
        cutoff -30s -> no_effect
        cutoff by west -> not_entitled
        cutoff by south
        """,
        pair(),
    )


def test_a_cutoff_judges_all_versions_of_a_name(rules: RuleBook) -> None:
    """R-CUT-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        enact v2
        seller T2 r1 100.00
        cutoff
        told
            break_opened missing bank T1
            transaction_broken T1
            alarm_raised T1 1
            break_opened missing bank T2
            transaction_broken T2
            alarm_raised T2 1
            cutoff_closed 2
        """,
        pair(),
        pair().replace("version = 1", "version = 2"),
    )


def test_a_matched_transaction_is_judged_without_a_word(rules: RuleBook) -> None:
    """R-CUT-1, R-KEEP-1."""
    play(
        rules,
        """
        seller T1 r1 100.00
        bank T1 r1 100.00
        cutoff
        told
            cutoff_closed 1
        """,
        pair(),
    )
