"""What `tieout reconcile` finds is what a full outer join finds, on random agreements and files."""

import csv
import io
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.cli.desk import Desk
from tests.cli.full_join import Row, joined_breaks
from tests.cli.made_up import Day, made_up_day

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


@given(seed=SEEDS)
def test_the_breaks_equal_those_of_a_full_outer_join(seed: int) -> None:
    day = made_up_day(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert found_breaks(folder, day) == expected_breaks(folder, day)


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
