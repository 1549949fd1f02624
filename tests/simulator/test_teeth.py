"""A simulator that finds nothing proves nothing: it has to find what was planted and to show it."""

from collections.abc import Sequence

import pytest

from tests.simulator.defects import DEFECTS, name_of
from tieout.testing.simulator.promises import Promise
from tieout.testing.simulator.run import Report, run, steps_of, words_of
from tieout.testing.simulator.shorten import shorten
from tieout.testing.simulator.world import Practice

NODES = 4
FIRST_SEEDS = range(1, 16)
SHORT = 10
EFFORT = 12_000


def first_failure(practice: Practice, promise: Promise, steps: Sequence[int]) -> Report:
    """The first seed that breaks this promise."""
    for seed in FIRST_SEEDS:
        report = run(seed, steps, NODES, practice)
        if report.violation is not None and report.violation.promise is promise:
            return report
    raise AssertionError(f"{name_of(practice)} does not break the promise of {promise}")


@pytest.mark.parametrize(
    ("practice", "promise", "steps"), DEFECTS, ids=[name_of(practice) for practice, *_ in DEFECTS]
)
def test_a_planted_defect_is_found_and_shown_by_a_few_steps(
    practice: Practice, promise: Promise, steps: int
) -> None:
    everything = range(1, steps + 1)
    failed = first_failure(practice, promise, everything)
    assert run(failed.seed, everything, NODES).violation is None
    shortest = shorten(failed, everything, practice, EFFORT)
    assert len(shortest.steps) <= SHORT
    again = run(failed.seed, steps_of(words_of(shortest.steps)), shortest.nodes, practice)
    assert again.violation is not None
    assert again.violation.promise is promise
    assert run(failed.seed, shortest.steps, shortest.nodes).violation is None
