"""Three parties' files of one day: the same input for Tieout and for its peers.

A million transactions, a file for each role, nine columns, one file in the order of the orders, one
somewhat shuffled, one wholly. About 2.6 % of the transactions have something wrong: amounts beyond
tolerance, other units, prices, fees, currencies, funds and dates, blank fields, absent records,
three different values. A cent of rounding in a further 0.3 % is within tolerance and no break.

The files are cached under `build/bench` and made again when the recipe or the size changes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

ROLES = ("seller", "registrar", "bank")
COLUMNS = (
    "transaction_id",
    "fund",
    "currency",
    "amount",
    "shares",
    "nav",
    "fee",
    "trade_date",
    "settle_date",
)
RECIPE = 3
"""Grows when the data would come out differently, so that no stale files are measured."""
FUNDS = np.array([f"{code:06d}" for code in range(100_000, 170_000, 1_000)], dtype="U6")
CURRENCIES = np.array(["CNY"] * 18 + ["USD", "HKD"], dtype="U3")
TRADE_DATE = 20_347

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Files:
    """The three files, by role in the agreement's order, and the records in each."""

    paths: tuple[Path, Path, Path]
    records: tuple[int, int, int]
    transactions: int


def three_files(folder: Path, transactions: int) -> Files:
    """The files of a day of so many transactions, made now unless they are there already."""
    place = folder / f"day-{transactions}-{RECIPE}"
    paths = tuple(place / f"{role}.csv" for role in ROLES)
    counts = place / "records.txt"
    if not counts.exists():
        place.mkdir(parents=True, exist_ok=True)
        records = _write(paths, transactions)
        counts.write_text(" ".join(map(str, records)), encoding="ascii")
    one, two, three = map(int, counts.read_text(encoding="ascii").split())
    return Files((paths[0], paths[1], paths[2]), (one, two, three), transactions)


def _write(paths: tuple[Path, ...], transactions: int) -> list[int]:
    chance = np.random.default_rng(20250916)
    truth = _truth(chance, transactions)
    books = [{name: column.copy() for name, column in truth.items()} for _ in ROLES]
    blanks: list[dict[str, npt.NDArray[np.int64]]] = [{} for _ in ROLES]
    absent = [np.empty(0, np.int64) for _ in ROLES]
    _spoil(chance, books, blanks, absent, transactions)
    near = np.argsort(np.arange(transactions) + chance.integers(0, 20_000, transactions))
    orders = (np.arange(transactions), chance.permutation(transactions), near)
    written = []
    for role, path in enumerate(paths):
        order = orders[role][~np.isin(orders[role], absent[role])]
        table = _table(books[role], blanks[role], order)
        with path.open("wb") as file:
            file.write(",".join(COLUMNS).encode("ascii") + b"\n")
            options = pacsv.WriteOptions(include_header=False, quoting_style="none")
            pacsv.write_csv(table, file, options)
        written.append(table.num_rows)
    return written


def _truth(chance: np.random.Generator, count: int) -> Columns:
    """Integers at their scale: money in cents, units and prices in ten-thousandths."""
    amount = np.maximum((chance.lognormal(9.2, 1.3, count)).astype(np.int64), 10) * 100
    amount += np.where(chance.random(count) < 0.3, chance.integers(1, 100, count), 0)
    nav = chance.integers(5_000, 60_000, count)
    fee = np.maximum(amount * 80 // 10_000, 1)
    return {
        "transaction_id": np.char.mod("FS20250916-%07d", np.arange(count)),
        "fund": FUNDS[chance.integers(0, len(FUNDS), count)],
        "currency": CURRENCIES[chance.integers(0, len(CURRENCIES), count)],
        "amount": amount,
        "shares": (amount - fee) * 1_000_000 // nav,
        "nav": nav,
        "fee": fee,
        "trade_date": np.full(count, TRADE_DATE),
        "settle_date": TRADE_DATE + chance.integers(1, 4, count),
    }


def _spoil(
    chance: np.random.Generator,
    books: list[Columns],
    blanks: list[dict[str, npt.NDArray[np.int64]]],
    absent: list[npt.NDArray[np.int64]],
    transactions: int,
) -> None:
    """Plant what is wrong; each transaction is picked at most once."""
    pool = chance.permutation(transactions)

    def pick(per_mille: float) -> npt.NDArray[np.int64]:
        nonlocal pool
        count = max(1, int(transactions * per_mille / 1_000))
        picked, pool = pool[:count], pool[count:]
        return picked

    for role, book in enumerate(books):
        book["amount"][pick(1)] += 1
        rows = pick(2)
        book["amount"][rows] += chance.integers(2, 500_000, len(rows))
        book["shares"][pick(1)] -= 7_500
        book["nav"][pick(0.5)] += 3
        book["fee"][pick(1)] += 250
        rows = pick(0.5)
        book["currency"][rows] = np.where(book["currency"][rows] == "USD", "CNY", "USD")
        book["fund"][pick(0.5)] = "999999"
        book["trade_date"][pick(0.5)] -= 1
        book["settle_date"][pick(0.5)] += 1
        blanks[role] = {"fee": pick(0.1), "settle_date": pick(0.1), "fund": pick(0.05)}
        absent[role] = pick(1)
    undecided = pick(0.5)
    for role, book in enumerate(books):
        book["fee"][undecided] += 100 * role
    both = pick(0.2)
    absent[2] = np.concatenate([absent[2], both])
    books[0]["amount"][both] += 700


def _table(
    book: Columns, blanks: dict[str, npt.NDArray[np.int64]], order: npt.NDArray[np.int64]
) -> pa.Table:
    scales = {"amount": 2, "shares": 4, "nav": 4, "fee": 2}
    arrays = []
    for name in COLUMNS:
        mask = np.isin(order, blanks[name]) if name in blanks else None
        column = book[name][order]
        if name in scales:
            arrays.append(_decimals(column.astype(np.int64), scales[name], mask))
        elif name.endswith("_date"):
            arrays.append(
                pa.array(column.astype(np.int32), pa.int32(), mask=mask).cast(pa.date32())
            )
        else:
            arrays.append(pa.array(column, mask=mask))
    return pa.table(arrays, names=list(COLUMNS))


def _decimals(
    units: npt.NDArray[np.int64], scale: int, mask: npt.NDArray[np.bool_] | None
) -> pa.Array:
    """Scaled integers as exact decimals: 128 bits each, the upper half is the sign."""
    wide = np.stack([units, units >> 63], axis=1)
    valid = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
    buffers = [valid, pa.py_buffer(np.ascontiguousarray(wide))]
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(units), buffers)
