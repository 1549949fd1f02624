"""What `tieout reconcile` finds is what a full outer join finds, on random agreements and files."""

import csv
import io
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.desk import Desk
from tests.cli.full_join import Row, joined_breaks
from tests.cli.made_up import Day, made_up_day, mended_day
from tieout.connectors.limits import COMPILED_FROM_BYTES

SEEDS = st.integers(0, (1 << 64) - 1)


def found_breaks(folder: Path, day: Day, *words: str) -> list[Row]:
    """The rows of the breaks file of a run in a folder with the day's files."""
    pairs = [f"{role}={folder / name}" for role, name in day.write(folder).items()]
    output = folder / "breaks.csv"
    ledger = ["--ledger", str(folder / "ledger"), "--breaks", str(output)]
    said = Desk(folder).tieout("reconcile", str(folder / "agreement.toml"), *pairs, *ledger, *words)
    assert said.code in {0, 1}, said.err
    rows = list(csv.reader(io.StringIO(output.read_bytes().decode(), newline="")))
    return [tuple(row) for row in rows[1:]]


def expected_breaks(folder: Path, day: Day) -> list[Row]:
    files = {role: f"{name}.csv" for role, name in enumerate(day.agreement.roles)}
    return joined_breaks(folder, day.agreement, files)


def unadjusted(day: Day) -> Day:
    """The same day where nothing is adjusted: what is approved freezes benchmarks (R-FREEZE-1)."""
    return Day(day.text.partition("[adjustment]")[0], day.agreement, day.rows)


def standing(rows: list[Row]) -> list[Row]:
    """Without the breaks that are about order."""
    return [row for row in rows if row[1] != "changed_after_match"]


@given(seed=SEEDS)
def test_the_breaks_equal_those_of_a_full_outer_join(seed: int) -> None:
    day = made_up_day(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert found_breaks(folder, day) == expected_breaks(folder, day)


@given(seed=SEEDS)
@settings(max_examples=max(1, settings().max_examples // 2))
def test_the_breaks_of_mended_files_equal_those_of_their_full_outer_join(seed: int) -> None:
    """What was corrected is as if it had been so from the start (R-ORDER-1)."""
    day = unadjusted(made_up_day(seed))
    again = mended_day(day, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found_breaks(folder, day)
        found = found_breaks(folder, again, "--withdraw")
        assert standing(found) == expected_breaks(folder, again)


@pytest.mark.parametrize("seed", [0, 19])
def test_large_files_too_and_once_more_when_they_were_mended(seed: int, tmp_path: Path) -> None:
    """Large files are read and printed by compiled code."""
    day = unadjusted(made_up_day(seed, 12_000))
    assert found_breaks(tmp_path, day) == expected_breaks(tmp_path, day)
    sizes = [(tmp_path / f"{name}.csv").stat().st_size for name in day.agreement.roles]
    assert min(sizes) > COMPILED_FROM_BYTES
    again = mended_day(day, seed)
    found = found_breaks(tmp_path, again, "--withdraw")
    assert standing(found) == expected_breaks(tmp_path, again)


def test_made_up_days_hold_every_kind_of_break_and_both_answers_of_a_benchmark() -> None:
    seen: Counter[tuple[str, str, bool]] = Counter()
    for seed in range(60):
        day = made_up_day(seed)
        with tempfile.TemporaryDirectory() as name:
            day.write(Path(name))
            for row in expected_breaks(Path(name), day):
                seen[row[1], row[8], bool(row[7])] += 1
    assert {
        ("mismatch", "open", True),
        ("mismatch", "open", False),
        ("mismatch", "undecided", False),
        ("missing", "open", False),
        ("unexpected", "open", False),
    } == set(seen)
