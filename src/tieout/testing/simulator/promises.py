"""What a ledger promises, and the finding that it did not hold."""

from enum import StrEnum


class Promise(StrEnum):
    """What must hold whatever happens."""

    AGREEMENT = "agreement"
    """Every node has the events, outcomes and digests that the reference rules give."""
    ORDER = "order"
    """Every journal has the ordered blocks, each once, and nothing else."""
    RECEIPTS = "receipts"
    """What a node answered for is in its journal, whatever became of its process."""
    RECOVERY = "recovery"
    """A node that stopped can be started again, and goes on from what it has."""
    REDELIVERY = "redelivery"
    """A block that is handed out again, or out of its place, is refused and changes nothing."""
    SEQUENCES = "sequences"
    """No number of a sender is used twice."""
    CONFLICTS = "conflicts"
    """Who signs two different things under one number is named by an event."""
    POSTINGS = "postings"
    """No adjustment is posted twice on the ledger, nor before it was approved."""
    CONSERVATION = "conservation"
    """Books change only by what their party booked, and by approved adjustments, each once."""
    SETTLEMENT = "settlement"
    """Once nothing goes wrong any more, the ledger says what the books say, and all is posted."""
    AUDIT = "audit"
    """The audit of a journal by the readable rules finds no difference."""
    COMPOSURE = "composure"
    """Nothing raises an exception that it should not."""


class Broken(Exception):
    """A promise was broken; `what` says it in words."""

    def __init__(self, promise: Promise, what: str) -> None:
        super().__init__(what)
        self.promise = promise
        self.what = what


def require(promise: Promise, what: str, *, holds: bool) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(promise, what)
