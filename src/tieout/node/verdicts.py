"""What is told about a record: where it stands, and what the rules say about its transaction.

Receipts are made for every single record, so this is written for speed: most transactions have no
break, and then nothing but a status is looked up.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.kernel.book import Book
from tieout.node.ordering import Settled
from tieout.units.dates import format_time
from tieout.units.ids import unpad
from tieout.wire.codes import RowOutcome, Status
from tieout.wire.limits import ID_BYTES

STATUS_WORDS = {status.value: status.name.lower() for status in Status}


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """A break of the transaction: kind, whose record, which field or invariant.

    Without a field it is about the whole record.
    """

    kind: str
    role: str
    field: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What the rules say about the transaction after the block."""

    status: str
    breaks: tuple[Found, ...] = ()


class InBlock(msgspec.Struct, frozen=True):
    """The block in which a record stands, and where in it."""

    height: int
    time: str
    leaf: int
    row: int


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a record.

    `accepted`: published, and on this node's disk; it stands in no block yet. `published`: it
    stands in the block. `unchanged`: the ledger had this very record already. `not_applied`: it
    stands in the block, and the rules did not apply it; `reason` says why.
    """

    transaction_id: str
    outcome: Literal["accepted", "published", "unchanged", "not_applied"]
    agreement: str = ""
    role: str = ""
    revision: int = 0
    block: InBlock | None = None
    verdict: Verdict | None = None
    reason: str = ""


_ENCODER = msgspec.json.Encoder()


def accepted(row: bytes) -> bytes:
    """The receipt of a record that is safe and stands in no block yet."""
    return _ENCODER.encode(Receipt(unpad(row[:ID_BYTES]), "accepted"))


def receipt_of(
    state: kernel.State,
    book: Book,
    role: int,
    row: NDArray[np.uint8],
    number: int,
    settled: Settled,
    status: int,
) -> bytes:
    """The receipt of a record that was published as row `number` of a batch."""
    agreement, receipt = book.agreement, settled.receipt
    raw = row[:44].tobytes()
    reason = settled.not_applied.get(number)
    return _ENCODER.encode(
        Receipt(
            transaction_id=unpad(raw[:ID_BYTES]),
            outcome="published" if reason is None else "not_applied",
            agreement=agreement.name,
            role=agreement.roles[role],
            revision=int.from_bytes(raw[40:44], "little"),
            block=InBlock(
                receipt.height, format_time(receipt.time_us), receipt.result.leaf or 0, number
            ),
            verdict=verdict_of(state, agreement.name, raw, status),
            reason="" if reason is None else RowOutcome(reason).name.lower(),
        )
    )


def standing_receipt(state: kernel.State, book: Book, role: int, row: bytes) -> bytes:
    """The receipt of a record that the ledger had already."""
    agreement = book.agreement
    found = _transaction(state, agreement.name, row)
    standing = None if found is None else found.roles[role]
    status = kernel.NO_VERDICT if found is None else int(found.status)
    return _ENCODER.encode(
        Receipt(
            transaction_id=unpad(row[:ID_BYTES]),
            outcome="unchanged",
            agreement=agreement.name,
            role=agreement.roles[role],
            revision=standing.revision if standing else 0,
            verdict=verdict_of(state, agreement.name, row, status),
        )
    )


def verdict_of(state: kernel.State, agreement: str, row: bytes, status: int) -> Verdict | None:
    """What the rules say about the transaction of a row; None where there is none."""
    if status == kernel.NO_VERDICT:
        return None
    if status not in (Status.BROKEN, Status.WITHDRAWN):
        return _PLAIN[status]
    found = _transaction(state, agreement, row)
    if found is None:
        return None
    stated = state.books[found.agreement - 1].agreement
    return Verdict(STATUS_WORDS[status], tuple(breaks_of(stated, found)))


_PLAIN = {status: Verdict(word) for status, word in STATUS_WORDS.items()}


def breaks_of(agreement: Agreement, found: kernel.Transaction) -> list[Found]:
    """The open breaks of a transaction, by role."""
    told = []
    for role, standing in zip(agreement.roles, found.roles, strict=True):
        told += [Found(kind.name.lower(), role) for kind in standing.whole_record_breaks]
        for place, name in enumerate(agreement.place_names):
            if standing.blank >> place & 1:
                told.append(Found("missing", role, name))
            if standing.mismatch >> place & 1:
                told.append(Found(agreement.break_kind(place).name.lower(), role, name))
    return told


def _transaction(state: kernel.State, agreement: str, row: bytes) -> kernel.Transaction | None:
    originator = int.from_bytes(row[36:38], "little")
    return kernel.transaction(state, agreement, originator, row[:ID_BYTES].rstrip(b"\0"))
