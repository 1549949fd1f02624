"""Whole networks under seeds: nothing is violated, and the same seed does the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tieout.testing.simulator.run import run, steps_of, words_of

STEPS = 10_000
SOAK_EXAMPLES = int(os.environ.get("TIEOUT_SOAK_EXAMPLES", "0"))
SEEDS = range(1, 5 + SOAK_EXAMPLES // 50)
NODES = (4, 3, 1, 4, 2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_violated_whatever_goes_wrong(seed: int) -> None:
    nodes = NODES[seed % len(NODES)]
    report = run(seed, range(1, STEPS + 1), nodes)
    assert report.violation is None
    tally = report.tally
    changes = tally.changes_of_members if report.rules_version > 1 else 1
    assert min(tally.conflicts, tally.power_cuts, tally.disk_faults, tally.snapshots) > 0
    assert min(tally.postings, tally.house_stops, tally.silences, tally.missing) > 0
    assert min(tally.refused_blocks, changes) > 0
    assert tally.restarts > nodes


def simulated(*arguments: str, hash_seed: str = "0") -> dict[str, object]:
    command = [Path(sys.executable).with_name("tieout"), "simulate", "--json", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def test_the_same_seed_does_the_same_in_every_process() -> None:
    runs = [simulated("--seed", "9", "--steps", "400", hash_seed=seed) for seed in ("0", "1")]
    assert runs[0] == runs[1]
    assert runs[0]["trace"] != simulated("--seed", "10", "--steps", "400")["trace"]


def test_steps_are_written_as_they_are_read() -> None:
    steps = (1, 4, 9, 10, 11, 12)
    assert words_of(steps) == "1,4,9-12"
    assert steps_of("1,4,9-12") == steps
    for wrong in ("4,1", "0", "2,2", "x"):
        with pytest.raises(ValueError, match=r"in order|invalid literal"):
            steps_of(wrong)
