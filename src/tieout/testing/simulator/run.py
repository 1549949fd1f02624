"""Runs: one seed from the beginning to the end."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tieout.testing.simulator.promises import Broken, Promise
from tieout.testing.simulator.world import AS_SHIPPED, Practice, Tally, World


@dataclass(frozen=True, slots=True)
class Violation:
    """Which promise was broken, in which step, in words; step 0 is the end, when all is mended."""

    step: int
    promise: Promise
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run. The same seed, steps and nodes give the same trace."""

    seed: int
    nodes: int
    steps: int
    trace: str
    tally: Tally
    violation: Violation | None
    rules_version: int


def run(
    seed: int, steps: Sequence[int], node_count: int, practice: Practice = AS_SHIPPED
) -> Report:
    """Do these steps of a seed, in order, up to the first violation."""
    with tempfile.TemporaryDirectory(prefix="tieout-simulate-") as folder:
        world = World(seed, node_count, Path(folder), practice)
        violation, number = None, 0
        try:
            for number in steps:
                world.step(number)
            number = 0
            world.finish()
        except Broken as broken:
            violation = Violation(number, broken.promise, broken.what)
        except Exception as error:  # noqa: BLE001 - whatever a node raises is a finding
            violation = Violation(number, Promise.COMPOSURE, f"{type(error).__name__}: {error}")
        finally:
            world.close()
    version = world.genesis.rules_version
    return Report(seed, node_count, len(steps), world.trace, world.tally, violation, version)


def words_of(steps: Sequence[int]) -> str:
    """Steps as the command line takes them: `1,4,9-12`."""
    words, first = [], 0
    for at, number in enumerate(steps):
        if at + 1 == len(steps) or steps[at + 1] != number + 1:
            words.append(str(number) if first == at else f"{steps[first]}-{number}")
            first = at + 1
    return ",".join(words)


def steps_of(words: str) -> tuple[int, ...]:
    """Steps from `1,4,9-12`. Raises ValueError."""
    steps: list[int] = []
    for word in filter(None, words.split(",")):
        first, _, last = word.partition("-")
        steps.extend(range(int(first), int(last or first) + 1))
    if steps != sorted(set(steps)) or (steps and steps[0] < 1):
        raise ValueError(f"{words} does not name steps in order")
    return tuple(steps)
