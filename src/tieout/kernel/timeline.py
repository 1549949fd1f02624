"""The timeline of a transaction: how each of its stages stands."""

from tieout.agreement.limits import MAX_STAGES
from tieout.kernel.queries import Transaction, transaction
from tieout.kernel.state import State


def timeline(
    state: State, agreement_name: str, originator: int, transaction_id: bytes
) -> tuple[Transaction, ...]:
    """All stages of a transaction of which somebody has spoken, in their order (R-STAGE-1)."""
    stages = [
        transaction(state, agreement_name, originator, transaction_id, stage)
        for stage in range(MAX_STAGES)
    ]
    return tuple(each for each in stages if each is not None)
