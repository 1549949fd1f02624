"""Several large files of one role, one after the other."""

from pathlib import Path

from tieout.agreement.parse import parse_agreement
from tieout.connectors.csv_known import KnownRows
from tieout.connectors.csv_read import read_rows

AGREEMENT = parse_agreement(
    'name = "pay"\nversion = 1\nroles = ["seller", "bank"]\n\n'
    '[fields.amount]\ntype = "money"\nscale = 2\n'
)
ROWS = 20_000


def test_a_second_large_file_takes_room_for_its_own_rows_only(tmp_path: Path) -> None:
    known = KnownRows(AGREEMENT.layout.row_bytes)
    for part in range(3):
        path = tmp_path / f"{part}.csv"
        lines = (f"P-{part}-{number:010d},{number}.00\n" for number in range(ROWS))
        path.write_text("transaction_id,amount\n" + "".join(lines), encoding="utf-8")
        chunks = list(read_rows(path, AGREEMENT, 0, known=known, compiled=True))
        assert sum(len(chunk.rows) for chunk in chunks) == ROWS
    assert known.count == 3 * ROWS
    assert len(known.all_lines) < 3 * known.count
