"""The shortest history that still shows a violation.

The problem: a violation comes after thousands of steps, of which a handful matter. The model: what
a step chooses does not depend on the steps before it (`world.py`), so any of them can be left out,
and the network can have fewer nodes. Tried are, each as long as the same promise is still broken:
the first steps alone; fewer nodes; everything of one kind left out, all crashes, say, or all that
is sent; then ever smaller parts of what is left, from its end (delta debugging; Zeller and
Hildebrandt 2002).

All of it is bounded by the steps that may be done again, not by a clock: the same failure is
shortened to the same history on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tieout.testing.simulator.promises import Promise
from tieout.testing.simulator.run import Report, run
from tieout.testing.simulator.world import AS_SHIPPED, Practice, act_of

MAX_EFFORT: Final = 60_000
"""Steps that may be done again; a run of none counts as RUN_EFFORT. Some minutes at most."""
RUN_EFFORT: Final = 30


@dataclass(frozen=True, slots=True)
class Shortest:
    """Steps and nodes with which the same promise is broken."""

    steps: tuple[int, ...]
    nodes: int


def shorten(
    failed: Report,
    steps: Sequence[int],
    practice: Practice = AS_SHIPPED,
    effort: int = MAX_EFFORT,
) -> Shortest:
    """The shortest history found within an effort."""
    assert failed.violation is not None
    if failed.violation.step:
        steps = [number for number in steps if number <= failed.violation.step]
    search = _Search(failed.seed, failed.violation.promise, practice, effort)
    best = _beginning(search, Shortest(tuple(steps), failed.nodes))
    for nodes in range(1, best.nodes):
        fewer = search.broken(Shortest(best.steps, nodes))
        if fewer is not None:
            best = fewer
            break
    for kind in sorted({act_of(failed.seed, number) for number in best.steps}):
        left = tuple(number for number in best.steps if act_of(failed.seed, number) != kind)
        best = search.broken(Shortest(left, best.nodes)) or best
    size = max(len(best.steps) // 2, 1)
    while best.steps and not search.is_over:
        shorter = _without_parts(search, best, size)
        if size == 1 and shorter == best:
            break
        best, size = shorter, max(min(size, len(shorter.steps)) // 2, 1)
    return best


def _beginning(search: "_Search", whole: Shortest) -> Shortest:
    """The first steps alone, when they show it; doubled until they do."""
    count = 1
    while count < len(whole.steps):
        count = min(count * 2, len(whole.steps))
        found = search.broken(Shortest(whole.steps[:count], whole.nodes))
        if found is not None:
            return found
    return whole


def _without_parts(search: "_Search", best: Shortest, size: int) -> Shortest:
    """Leave out one part of this size after the other, from the end, where it does no harm."""
    end = len(best.steps)
    while end > 0:
        tried = Shortest(best.steps[: max(end - size, 0)] + best.steps[end:], best.nodes)
        shorter = search.broken(tried)
        end -= size
        if shorter is not None:
            best, end = shorter, min(end, len(shorter.steps))
    return best


class _Search:
    """Tries histories out, as long as there is effort left."""

    def __init__(self, seed: int, promise: Promise, practice: Practice, effort: int) -> None:
        self._seed = seed
        self._promise = promise
        self._practice = practice
        self._left = effort

    @property
    def is_over(self) -> bool:
        """Whether the effort is spent."""
        return self._left <= 0

    def broken(self, history: Shortest) -> Shortest | None:
        """The same history up to where it breaks the promise; None when it does not."""
        if self.is_over:
            return None
        self._left -= RUN_EFFORT + len(history.steps)
        found = run(self._seed, history.steps, history.nodes, self._practice).violation
        if found is None or found.promise is not self._promise:
            return None
        if not found.step:
            return history
        return Shortest(tuple(n for n in history.steps if n <= found.step), history.nodes)
