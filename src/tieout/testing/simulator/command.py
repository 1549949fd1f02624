"""`tieout simulate`: one seed, one simulated network, and what became of it."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json

Flag = Annotated[bool, Parameter(negative="")]


def simulate(
    *,
    seed: int = 1,
    steps: Annotated[int, Parameter(validator=Number(gte=0))] = 1_000,
    nodes: Annotated[int, Parameter(validator=Number(gte=1, lte=16))] = 4,
    only: str | None = None,
    json: Flag = False,
) -> int:
    """Try a whole network out with crashes, bad disks and liars, all drawn from one seed.

    Exit code 0 when nothing was violated, 1 when something was; then the shortest history found
    that shows it is told as a command line.

    Parameters
    ----------
    seed
        The same seed, steps and nodes do the same and print the same trace.
    steps
        How many things happen.
    nodes
        How many nodes the network has.
    only
        Do only these of the steps, such as `1,4,9-12`, instead of `--steps`.
    json
        Print the result as JSON and show nothing else.

    """
    try:
        import hypothesis  # noqa: F401 - the histories of the parties need it
    except ModuleNotFoundError as missing:
        raise Failure(
            "the simulator needs the packages of the extra `dev`",
            "install tieout[dev], then run the same command again",
        ) from missing
    from tieout.testing.simulator.run import run, steps_of, words_of
    from tieout.testing.simulator.shorten import shorten

    chosen = tuple(range(1, steps + 1))
    if only is not None:
        try:
            chosen = steps_of(only)
        except ValueError as error:
            raise Failure(str(error), "name steps such as 1,4,9-12") from error
    report = run(seed, chosen, nodes)
    again = None
    if report.violation is not None:
        shortest = shorten(report, chosen)
        words = words_of(shortest.steps)
        which = f"--only {words}" if words else "--steps 0"
        again = f"tieout simulate --seed {seed} --nodes {shortest.nodes} {which}"
    if json:
        print_json({**asdict(report), "again": again})
    else:
        tally = report.tally
        print(f"seed {seed}: {report.steps} steps, {nodes} nodes, trace {report.trace[:16]}")
        print(f"  {tally.blocks} blocks, {tally.items} items, {tally.conflicts} conflicts named")
        print(f"  {tally.stops} stops, {tally.power_cuts} power cuts, {tally.restarts} restarts")
        print(
            f"  {tally.deals} bookings, {tally.postings} adjustments posted,"
            f" {tally.changes_of_members} changes of members, {tally.silences} silences"
        )
        violation = report.violation
        if violation is None:
            print("nothing was violated")
        else:
            print(f"step {violation.step}, promise of {violation.promise}: {violation.what}")
            print(f"the shortest history that shows it: {again}")
    return Outcome.COMPLETE if report.violation is None else Outcome.INCOMPLETE
