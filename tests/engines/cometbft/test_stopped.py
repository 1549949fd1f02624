"""What a CometBFT that stands still says in its log, in words of what to do."""

from pathlib import Path

import pytest

from tieout.engines.cometbft.stopped import TAIL_BYTES, why_stopped


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('E[..] Error in validation err="block time 12:00 is too far in the future"', "clock"),
        ("E[..] wrong Block.Header.AppHash.  Expected 00, got 01", "otherwise than the others"),
        ("E[..] CONSENSUS FAILURE!!! err=runtime error", "its consensus has failed"),
        ("I[..] committed state height=7", ""),
    ],
)  # fmt: skip
def test_the_log_says_why(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "cometbft.log").write_text(f"I[..] executed block height=6\n{line}\n")
    said = why_stopped(tmp_path)
    assert expected in said
    assert bool(expected) == bool(said)


def test_what_was_said_long_ago_is_not_said_again(tmp_path: Path) -> None:
    assert why_stopped(tmp_path) == ""
    (tmp_path / "log").mkdir()
    later = "I[..] committed state\n" * (TAIL_BYTES // 20)
    (tmp_path / "log" / "cometbft.log").write_text(f"CONSENSUS FAILURE\n{later}")
    assert why_stopped(tmp_path) == ""
