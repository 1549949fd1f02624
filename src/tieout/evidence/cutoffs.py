"""Which cut-offs were closed: what certificates are about, read from blocks."""

from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import EventKind
from tieout.wire.operations import CloseCutoff, parse_operation


def note_cutoffs(cutoffs_us: dict[str, list[int]], block: Block, result: BlockResult) -> None:
    """Add the times of the cut-offs that a block closed, by agreement, each once.

    In the order of the ledger: the next one begins where one ends.
    """
    closed = result.events[result.events["kind"] == EventKind.CUTOFF_CLOSED]
    for index in closed["item"].tolist():
        body = parse_operation(block.items[index]).body
        if isinstance(body, CloseCutoff):
            times_us = cutoffs_us.setdefault(body.agreement, [])
            if not times_us or times_us[-1] != body.cutoff_us:
                times_us.append(body.cutoff_us)
