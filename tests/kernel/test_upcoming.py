"""Who may sign the next block is known before it is made."""

from hypothesis import HealthCheck, given, settings

from tests.kernel.replaying import replay
from tieout import kernel
from tieout.testing.governed import agreed_histories, governed_histories
from tieout.testing.histories import History


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(governed_histories() | agreed_histories())
def test_the_parties_of_the_next_block_are_those_that_were_foretold(history: History) -> None:
    """R-MEMBER-6: changes take effect before a block's items, and items change no party."""
    foretold = [kernel.founders(history.genesis).parties]

    def look(state: kernel.State) -> kernel.State:
        assert kernel.parties(state) == foretold[-1]
        document = kernel.members_document(state)
        foretold.append(kernel.upcoming_parties(state))
        assert kernel.members_document(state) == document
        return state

    state, _ = replay(history, look)
    assert kernel.parties(state) == foretold[-1]
    assert len(foretold) == len(history.blocks) + 1
