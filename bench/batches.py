"""Signed batches of made-up records, ready before the clock starts.

A record follows from the number of its transaction alone, so every role states the same and each
transaction ties out once all three have spoken.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bench.measure import ROOT
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.engines.publisher import Publisher
from tieout.wire.limits import MAX_BATCH_ROWS

ROLES = 3
DIGITS = 12
PREFIX = b"FS20250916-"
ALL_PRESENT = (1 << 8) - 1

Rows = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


def bench_agreement() -> Agreement:
    """Three roles, eight fields, 117 bytes a row."""
    path = ROOT / "bench" / "fund-bench.toml"
    return parse_agreement(path.read_text(encoding="utf-8"), path.name)


def rows_for(agreement: Agreement, numbers: Numbers) -> Rows:
    """The rows of any role for these transactions, uint8[n, row_bytes], without salts."""
    rows = np.zeros(len(numbers), agreement.layout.dtype())
    raw = rows.view(np.uint8).reshape(len(numbers), agreement.layout.row_bytes)
    raw[:, : len(PREFIX)] = np.frombuffer(PREFIX, np.uint8)
    for digit in range(DIGITS):
        value = numbers // 10 ** (DIGITS - 1 - digit) % 10
        raw[:, len(PREFIX) + digit] = value + ord("0")
    rows["revision"] = 1
    rows["presence"] = ALL_PRESENT
    rows["f_fund"] = b"510218"
    rows["f_currency"] = b"CNY"
    rows["f_amount"] = numbers % 1_000_003 * 100 + 5_000
    rows["f_shares"] = numbers % 999_983 * 7_919 + 10_000
    rows["f_nav"] = numbers % 50_021 + 5_000
    rows["f_fee"] = numbers % 10_007 + 1
    rows["f_trade_date"] = 20_347
    rows["f_settle_date"] = 20_348
    return raw


def batches(
    agreement: Agreement, publisher: Publisher, role: int, numbers: Numbers, size: int
) -> Iterator[bytes]:
    """The records of a role for these transactions, signed, `size` to a batch."""
    for start in range(0, len(numbers), min(size, MAX_BATCH_ROWS)):
        yield publisher.batch(agreement, role, rows_for(agreement, numbers[start : start + size]))


def cycle(
    agreement: Agreement,
    publishers: list[Publisher],
    numbers: tuple[Numbers, Numbers, Numbers],
    size: int,
) -> Iterator[bytes]:
    """Batches of the three roles in turn, each with its own transactions, all equally many."""
    lanes = [
        batches(agreement, publishers[role], role, numbers[role], size) for role in range(ROLES)
    ]
    for turn in zip(*lanes, strict=True):
        yield from turn
