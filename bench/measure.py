"""How things are measured: runs that take turns with their peers, medians, whole processes.

One run after the other on a machine that does something else meanwhile says little; so whatever is
compared takes turns, and the median of each is compared. The single runs stay in the JSON.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST_CORE = min(os.sched_getaffinity(0))
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "bytecode")}
"""Installed programs have their bytecode. Where it may not be written, as in many containers, our
own, which runs from its source, would be compiled at every start: 0.1 s, and its peers not."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every benchmark is told: where to work, how large, how often."""

    folder: Path
    transactions: int
    runs: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `runs` are the single values behind `value`, their median."""

    what: str
    value: float
    unit: str
    goal: str
    met: bool | None
    runs: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A whole process, from start to end: wall seconds, processor seconds, peak memory."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    output: str


@dataclass(slots=True)
class Turns:
    """Values of peers that took turns, by name."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """The median of one peer's runs."""
        return statistics.median(self.values[name])

    def ratio(self, name: str, base: str) -> float:
        """The median of one peer's runs in terms of another's."""
        return self.median(name) / self.median(base)


def take_turns(runs: int, peers: Mapping[str, Callable[[], float]]) -> Turns:
    """Run every peer `runs` times, in turn, each round beginning with another one."""
    turns = Turns({name: [] for name in peers})
    names = list(peers)
    for run in range(runs):
        for place in range(len(names)):
            name = names[(run + place) % len(names)]
            turns.values[name].append(peers[name]())
    return turns


def run_process(
    command: list[str],
    *,
    core: int | None = None,
    env: Mapping[str, str] | None = None,
    allowed: tuple[int, ...] = (0,),
) -> Process:
    """Run a command to its end, on one core if that is named.

    Raises RuntimeError, with what the command printed, when its exit code is not among `allowed`.
    """
    settings = {**os.environ, **BYTECODE, **(env or {})}
    cores = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})  # the child inherits it
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=output, stderr=complaint)
        os.sched_setaffinity(0, cores)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, complaint):
            file.seek(0)
        if child.returncode not in allowed:
            raise RuntimeError(
                f"{' '.join(command[:4])} … ended with {child.returncode}:\n"
                f"{complaint.read().decode(errors='replace')}"
            )
        return Process(
            seconds=seconds,
            processor_seconds=usage.ru_utime + usage.ru_stime,
            peak_bytes=usage.ru_maxrss * 1024,
            output=output.read().decode(),
        )


def run_module(module: str, *arguments: object, core: int | None = None) -> Process:
    """Run a module of the benchmarks as a process of its own."""
    return run_process([sys.executable, "-m", module, *map(str, arguments)], core=core)
