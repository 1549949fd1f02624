"""What breaks of groups tell: sums, the key, and the member that explains them (R-GROUP-7).

The compiled listing knows that a group is broken, and no more. Where agreements have groups, its
table has further columns, filled from the index of the groups: `group_key`; `shown`, 1 when
`reported` stands, 3 when `benchmark` and `difference` do too; `suspect`, the id of a transaction;
`suspicion`.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.breakrow import Suspicion
from tieout.kernel.book import Book
from tieout.kernel.groups import COUNTERPARTS, MEMBERS, Group, Groups, Key
from tieout.wire.codes import BreakKind
from tieout.wire.limits import ID_BYTES

REPORTED_SHOWN: Final = 1
ALL_SHOWN: Final = 3
_SHOWN_LIMIT: Final = 1 << 63
_NUMBER_BYTES: Final = 8


def with_groups(books: Sequence[Book], table: NDArray[np.void]) -> NDArray[np.void]:
    """The table of breaks, with what those of groups tell where there can be any."""
    rules = [(book, rule) for book in books for rule in book.agreement.groups]
    if not rules:
        return table
    width = max(book.agreement.layout.columns[rule.key].width for book, rule in rules)
    more = [("group_key", f"S{width}"), ("suspect", f"S{ID_BYTES}")]
    flags = [("shown", "u1"), ("suspicion", "u1")]
    told = np.zeros(len(table), np.dtype([*table.dtype.descr, *more, *flags]))
    for name in table.dtype.names or ():
        told[name] = table[name]
    by_number = {book.number: book for book in books}
    suspects: dict[tuple[int, Key], tuple[bytes, Suspicion]] = {}
    for place in np.flatnonzero(table["kind"] == BreakKind.GROUP).tolist():
        _tell(by_number[int(table["agreement"][place])], told[place], suspects)
    return told


def _tell(book: Book, line: np.void, suspects: dict[tuple[int, Key], Any]) -> None:
    groups = book.groups
    rule = int(line["field"]) - book.agreement.first_group_place
    if groups is None:
        return
    look = groups.look(book, int(line["role"]), np.array([line["serial"]], np.int64))
    found = groups.find(look, rule)
    if found is None:
        return
    side, key = found
    line["group_key"] = key[1]
    if side == MEMBERS:
        amount = groups.amount(look, rule)
        if amount is not None:
            line["shown"] = REPORTED_SHOWN
            _put(line, "reported", amount)
        return
    group = groups.by_key[key]
    if (book.number, key) not in suspects:
        suspects[book.number, key] = _suspect(book, groups, group, rule)
    line["suspect"], line["suspicion"] = suspects[book.number, key]
    reported, benchmark = group.sums[COUNTERPARTS], group.sums[MEMBERS]
    difference = reported - benchmark
    if all(-_SHOWN_LIMIT <= each < _SHOWN_LIMIT for each in (reported, benchmark, difference)):
        line["shown"] = ALL_SHOWN
        line["has_difference"] = 1
        line["difference"] = difference
        _put(line, "reported", reported)
        _put(line, "benchmark", benchmark)


def _put(line: np.void, name: str, number: int) -> None:
    width = line.dtype[name].itemsize
    line[name] = np.void(number.to_bytes(_NUMBER_BYTES, "little", signed=True).ljust(width, b"\0"))


def _suspect(book: Book, groups: Groups, group: Group, rule: int) -> tuple[bytes, Suspicion]:
    """The one member that explains the difference exactly, and how."""
    surplus = group.sums[MEMBERS] - group.sums[COUNTERPARTS]
    if surplus == 0:
        return b"", Suspicion.NONE
    serials, amounts = groups.member_amounts(book, group, rule)
    for amount, suspicion in ((surplus, Suspicion.WITHOUT), (-surplus, Suspicion.TWICE)):
        found = [serial for serial, each in zip(serials, amounts, strict=True) if each == amount]
        if found:
            return (book.id_of(found[0]), suspicion) if len(found) == 1 else (b"", Suspicion.NONE)
    return b"", Suspicion.NONE


def about_group(line: np.void) -> dict[str, Any]:
    """What a line of the table says about a group, as the columns of a BreakRow."""
    if line["kind"] != BreakKind.GROUP:
        return {}
    shown = int(line["shown"])
    return {
        "reported": _number(line, "reported") if shown & REPORTED_SHOWN else None,
        "benchmark": _number(line, "benchmark") if shown == ALL_SHOWN else None,
        "group_key": bytes(line["group_key"]),
        "suspect": bytes(line["suspect"]) or None,
        "suspicion": Suspicion(int(line["suspicion"])),
    }


def _number(line: np.void, name: str) -> int:
    return int.from_bytes(line[name].tobytes()[:_NUMBER_BYTES], "little", signed=True)
