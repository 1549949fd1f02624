"""A simulator that finds nothing proves nothing: it has to find what was planted."""

import pytest

from tests.simulator.defects import DEFECTS, AnswersBeforeSync
from tieout.engines.replica import Replica
from tieout.testing.simulator.run import run, shorten, steps_of, words_of

NODES = 4
SEED = 3


@pytest.mark.parametrize(
    ("practice", "steps"), DEFECTS, ids=[practice.__name__ for practice, _ in DEFECTS]
)
def test_a_planted_defect_is_found_within_the_stated_steps(
    practice: type[Replica], steps: int
) -> None:
    everything = range(1, steps + 1)
    assert run(SEED, everything, NODES, practice).violation is not None
    assert run(SEED, everything, NODES).violation is None


def test_a_failing_run_is_shortened_to_a_few_steps_that_fail_alike() -> None:
    steps = range(1, 401)
    failed = run(SEED, steps, NODES, AnswersBeforeSync)
    assert failed.violation is not None
    shortest = shorten(failed, steps, AnswersBeforeSync)
    assert len(shortest) <= 25
    again = run(SEED, steps_of(words_of(shortest)), NODES, AnswersBeforeSync)
    assert again.violation is not None
    assert "gave receipts up to block" in again.violation.what
    assert run(SEED, shortest, NODES).violation is None
