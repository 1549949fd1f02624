"""What a role's own files hold: read through the agreement, as records to be counted and hashed."""

from typing import TYPE_CHECKING

import numpy as np

from tieout.cli.guarding import guarded
from tieout.cli.outcome import Failure

if TYPE_CHECKING:
    from tieout.cli.filing import FiledRole
    from tieout.cli.intake import Rows
    from tieout.cli.reading import Reading
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.kernel.book import Book
    from tieout.kernel.holdings import Holding


def only_role(reading: "Reading") -> "FiledRole":
    """The role whose files were named. Raises Failure unless it is one."""
    if len(reading.roles) != 1:
        raise Failure("files of several roles were named", "one role at a time")
    return reading.roles[0]


def whole_rows(role: "FiledRole") -> "Rows":
    """Every row of a role's files; uint8[n, row width].

    Raises Failure for rows that could not be taken: books with holes prove nothing.
    """

    def read() -> None:
        for _ in role.numbered_chunks():
            pass

    guarded(read)
    if role.refused_count:
        raise Failure(
            f"{role.refused_count:,} rows of the files of {role.name} cannot be taken",
            "`tieout reconcile … --refused FILE` lists them with the reason; mend them first",
        )
    known = role.known
    none = np.empty((0, known.row_bytes), np.uint8)
    batches = range(0, known.count, known.batch_rows)
    return np.concatenate(
        [none, *(known.rows(i, min(i + known.batch_rows, known.count)) for i in batches)]
    )


def book_in_force(ledger: "EmbeddedLedger", name: str, version: int, text_hash: bytes) -> "Book":
    """The book of an agreement's version. Raises Failure unless this very text is in force."""
    book = ledger.state.by_version.get((name, version))
    if book is None or book.agreement.hash != text_hash:
        raise Failure(
            f"this text of {name} version {version} is not in force on this ledger",
            "name the text that all parties have signed",
        )
    return book


def within(
    ledger: "EmbeddedLedger", book: "Book", rows: "Rows", after_us: int, until_us: int
) -> "Rows":
    """The rows of a period: without those of transactions that were opened in another one.

    What the ledger does not know stays: it may have been lost on the way.
    """
    from tieout import kernel

    serials = kernel.located(ledger.state, book.number, rows.reshape(-1))
    opened_us = np.full(len(rows), until_us, np.int64)
    known = serials >= 0
    opened_us[known] = book.opened_us(0, book.count)[serials[known]]
    return rows[(opened_us > after_us) & (opened_us <= until_us)]


def held_in(holding: "Holding", rows: "Rows") -> "Holding":
    """Add rows to a holding."""
    from tieout.kernel.holdings import CHUNK
    from tieout.kernel.words import KEY_BYTES
    from tieout.wire.rows import PREFIX_BYTES, PREFIX_DTYPE

    at = PREFIX_DTYPE.fields["presence"][1] if PREFIX_DTYPE.fields else 0
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        presence = np.ascontiguousarray(part[:, at : at + 8]).view("<u8")[:, 0]
        holding.add(part[:, :KEY_BYTES], presence, part[:, PREFIX_BYTES:])
    return holding
