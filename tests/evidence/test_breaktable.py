"""The fast breaks file is the readable one, byte for byte."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.evidence.test_breaklist import AGREEMENT, LINES
from tieout import kernel, reference
from tieout.agreement.breakrow import BreakRow
from tieout.agreement.model import Agreement
from tieout.evidence.breaklist import basis_text, csv_bytes, lines_of
from tieout.evidence.breaktable import BY_MAJORITY, CHUNK_LINES, NO_BASIS, table_csv
from tieout.testing.grouped import grouped_histories
from tieout.testing.histories import History, histories, refined_histories
from tieout.wire.codes import NO_FIELD, BenchmarkState, BreakKind
from tieout.wire.limits import ID_BYTES
from tieout.wire.rows import ColumnKind

WIDTH = 40
TABLE = np.dtype(
    [
        ("id", f"S{ID_BYTES}"),
        ("kind", "u1"),
        ("field", "u1"),
        ("role", "u1"),
        ("state", "u1"),
        ("basis", "u1"),
        ("has_difference", "u1"),
        ("agreement", "<u2"),
        ("difference", "<i8"),
        ("reported", f"V{WIDTH}"),
        ("benchmark", f"V{WIDTH}"),
    ]
)


def raw(agreement: Agreement, field: int | None, value: int | bytes | None) -> bytes:
    if field is None or value is None:
        return bytes(WIDTH)
    width = 4 if agreement.layout.columns[field].kind is ColumnKind.DATE else 8
    data = value.to_bytes(width, "little", signed=True) if isinstance(value, int) else value
    return data.ljust(WIDTH, b"\0")


def table_of(agreement: Agreement, rows: list[BreakRow]) -> NDArray[np.void]:
    """The rows as the compiled rules would list them."""
    lines = []
    for row in rows:
        basis = NO_BASIS
        if row.field is not None and row.state is BenchmarkState.DECIDED:
            name = basis_text(agreement, agreement.fields[row.field])
            basis = agreement.roles.index(name) if name in agreement.roles else BY_MAJORITY
        lines.append(
            (
                row.transaction_id,
                row.kind,
                NO_FIELD if row.field is None else row.field,
                row.role,
                row.state,
                basis,
                row.difference is not None,
                row.agreement,
                row.difference or 0,
                raw(agreement, row.field, row.reported),
                raw(agreement, row.field, row.benchmark),
            )
        )
    return np.array(lines, dtype=TABLE)


def test_every_kind_of_line_is_the_same() -> None:
    rows = [row for row, _ in LINES.values()]
    fast = b"".join(table_csv({1: AGREEMENT}, table_of(AGREEMENT, rows)))
    assert fast == csv_bytes(lines_of({1: AGREEMENT}, rows))


LARGEST = (1 << 62) - 1
IDS = st.binary(min_size=1, max_size=4).map(bytes.hex).map(str.encode) | st.sampled_from(
    ["Tü".encode(), b'"', b"a,b", b"A longer name, of thirty-six letters"]
)
VALUES = [
    st.sampled_from([b"CNY", b"E,R", b'"']),
    st.integers(-LARGEST, LARGEST) | st.integers(-200, 200),
    st.integers(-LARGEST, LARGEST) | st.integers(-200, 200),
    st.integers(-719_162, 2_932_896),
    st.integers(-LARGEST, LARGEST) | st.integers(-2_000_000, 2_000_000),
    st.sampled_from(["Müller, Söhne".encode(), b'say "so"', b" ", b"x" * WIDTH]),
]


@st.composite
def rows(draw: st.DrawFn) -> BreakRow:
    field = draw(st.none() | st.integers(0, len(VALUES) - 1))
    kind = BreakKind.MISMATCH if field is not None else BreakKind.MISSING
    state = BenchmarkState.NONE
    reported = benchmark = difference = None
    if field is not None:
        state = draw(st.sampled_from(list(BenchmarkState)[1:]))
        reported = draw(VALUES[field])
        if state is BenchmarkState.DECIDED:
            benchmark = draw(VALUES[field])
            if isinstance(reported, int) and isinstance(benchmark, int):
                difference = draw(st.sampled_from([reported - benchmark, None]))
    role = draw(st.integers(0, 2))
    return BreakRow(
        1, draw(IDS), 0, 0, kind, field, role, reported, benchmark, None, difference, state
    )


@settings(max_examples=200)
@given(listed=st.lists(rows(), max_size=12))
def test_any_rows_are_the_same(listed: list[BreakRow]) -> None:
    fast = b"".join(table_csv({1: AGREEMENT}, table_of(AGREEMENT, listed)))
    assert fast == csv_bytes(lines_of({1: AGREEMENT}, listed))


def test_more_lines_than_are_written_at_once() -> None:
    listed = [row for row, _ in LINES.values()] * (1 + CHUNK_LINES // len(LINES))
    fast = b"".join(table_csv({1: AGREEMENT}, table_of(AGREEMENT, listed)))
    assert fast == csv_bytes(lines_of({1: AGREEMENT}, listed))


@settings(max_examples=40)
@given(history=histories() | refined_histories() | grouped_histories())
def test_both_implementations_of_the_rules_give_one_file(history: History) -> None:
    state = kernel.initial_state(history.genesis)
    for block in history.blocks:
        state, _ = kernel.apply_block(state, block)
    agreements = dict(enumerate(history.agreements, start=1))
    table = kernel.break_table(state, history.name)
    slow = csv_bytes(lines_of(agreements, reference.breaks(history.state, history.name)))
    assert b"".join(table_csv(agreements, table)) == slow
