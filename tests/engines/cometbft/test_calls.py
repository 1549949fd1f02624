import pytest

from tieout.testing.abcicalls import CallError, check_calls


def calls(text: str) -> list[str]:
    """One call a word; `3:` before a call is its height."""
    words = (word.rpartition(":") for word in text.split())
    return [f"{call} {height}".strip() for height, _, call in words]


@pytest.mark.parametrize(
    ("story", "height"),
    [
        ("start", 0),
        ("start info init_chain", 0),
        ("start info init_chain 1:prepare_proposal 1:process_proposal 1:finalize_block commit", 1),
        ("start info init_chain 1:finalize_block commit 2:finalize_block commit", 2),
        ("start info init_chain start info init_chain 1:finalize_block commit", 1),
        ("start info init_chain 1:finalize_block info 1:finalize_block commit", 1),
        ("start info init_chain 1:finalize_block start info 1:finalize_block commit", 1),
        ("start info init_chain 1:finalize_block commit start info 2:finalize_block commit", 2),
        ("start info init_chain 1:finalize_block commit start info 1:finalize_block commit", 1),
        ("start offer_snapshot apply_snapshot_chunk info 8:finalize_block commit", 8),
        ("start query check_tx info flush init_chain echo", 0),
    ],
)
def test_these_orders_are_in_the_grammar(story: str, height: int) -> None:
    assert check_calls(calls(story)) == height


@pytest.mark.parametrize(
    ("story", "line"),
    [
        ("start init_chain", 2),
        ("start 1:finalize_block", 2),
        ("start info commit", 3),
        ("start info init_chain init_chain", 4),
        ("start info init_chain commit", 4),
        ("start info init_chain 1:finalize_block 1:finalize_block", 5),
        ("start info init_chain 1:finalize_block 1:process_proposal", 5),
        ("start info init_chain 1:finalize_block commit commit", 6),
        ("start info init_chain 1:finalize_block commit 1:finalize_block", 6),
        ("start info init_chain 1:finalize_block commit 3:finalize_block", 6),
        ("start info init_chain 1:finalize_block commit start info 3:finalize_block", 8),
        ("start info init_chain offer_snapshot", 4),
        ("start apply_snapshot_chunk", 2),
    ],
)
def test_these_are_not(story: str, line: int) -> None:
    with pytest.raises(CallError) as caught:
        check_calls(calls(story))
    assert caught.value.line == line
