"""Rows are kept batch by batch, each with room for its head, whichever way they were read."""

from pathlib import Path

import pytest

from tests.connectors.support import AGREEMENT, read_all, values_of
from tieout.connectors.csv_known import KnownRows
from tieout.wire.batch import HEAD_BYTES

HEADER = b"transaction_id,fund,amount,shares,day,at,remark\n"
BATCH_ROWS = 7


def kept(tmp_path: Path, lines: list[bytes], *, compiled: bool, chunk_rows: int) -> KnownRows:
    """The rows of a file, in batches of seven."""
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"".join(lines))
    known = KnownRows(AGREEMENT.layout.row_bytes, BATCH_ROWS)
    read_all(path, known=known, compiled=compiled, chunk_rows=chunk_rows)
    return known


def line(number: int, amount: int = 1) -> bytes:
    return b"T-%03d,F,%d,1,,,\n" % (number, amount)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("chunk_rows", [3, 7, 100])
@pytest.mark.parametrize("count", [1, 6, 7, 8, 14, 40])
def test_batches_are_whole_and_leave_their_heads_alone(
    tmp_path: Path, count: int, chunk_rows: int, *, compiled: bool
) -> None:
    """Also where some lines are repeats, and some are in conflict with lines of other batches."""
    lines = [line(number) for number in range(count)]
    lines[count // 2 : count // 2] = [line(0), line(count // 3, amount=2)]
    known = kept(tmp_path, lines, compiled=compiled, chunk_rows=chunk_rows)
    assert known.count == count
    names = []
    for first in range(0, count, BATCH_ROWS):
        batch = known.batch(first)
        batch[:HEAD_BYTES] = 0xFF
        rows = batch[HEAD_BYTES:].reshape(-1, AGREEMENT.layout.row_bytes)
        assert len(rows) == min(BATCH_ROWS, count - first)
        names += [values_of(bytes(row))["transaction_id"] for row in rows]
    assert names == [f"T-{number:03}" for number in range(count)]
    assert [name.decode() for name in known.ids().tolist()] == names


def test_chunks_end_where_batches_do(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER + b"".join(line(number) for number in range(20)))
    for compiled in (False, True):
        known = KnownRows(AGREEMENT.layout.row_bytes, BATCH_ROWS)
        taken = read_all(path, known=known, compiled=compiled, chunk_rows=5)
        assert taken.lines == list(range(2, 22))
        assert [values_of(row)["transaction_id"] for row in taken.rows] == [
            f"T-{number:03}" for number in range(20)
        ]


def test_no_rows_have_no_ids() -> None:
    assert KnownRows(AGREEMENT.layout.row_bytes).ids().tolist() == []
