"""Batches: rows of one party, for one role under one agreement, signed once.

The signature covers the header alone; the header carries the RFC 6962 root of the rows, so that one
row can be shown to a stranger with a path instead of with its neighbours. Layout:
docs/formats/batch.md.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_ROW_BYTES, NAME_BYTES
from tieout.wire.rows import PREFIX_BYTES

BATCH_TAG: Final = b"tieout/batch/1\0\0"
_HEADER: Final = struct.Struct("<16s32sHHBBHQq36sI32sIHH32s")
HEADER_BYTES: Final = _HEADER.size
HEAD_BYTES: Final = HEADER_BYTES + SIGNATURE_BYTES
"""What stands before the rows of a batch."""
DIGEST_BYTES: Final = 32


def most_rows(row_bytes: int) -> int:
    """How many rows of that width (at most MAX_ROW_BYTES) fit one batch: both limits keep."""
    return min(MAX_BATCH_ROWS, (MAX_BATCH_BYTES - HEAD_BYTES) // row_bytes)


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """Everything that the party signs.

    Numbers are unsigned; `valid_until_us` is microseconds UTC; roots and hashes are 32 bytes.
    """

    ledger_id: bytes
    party: int
    key: int
    purpose: int
    role: int
    stream: int
    sequence: int
    valid_until_us: int
    agreement: str
    version: int
    agreement_hash: bytes
    row_count: int
    row_bytes: int
    rows_root: bytes

    def to_bytes(self) -> bytes:
        """Return the 184 signed bytes. Raises WireError for values that do not fit them."""
        for digest in (self.ledger_id, self.agreement_hash, self.rows_root):
            # `pack` would fill up or cut without a word.
            if len(digest) != DIGEST_BYTES:
                raise WireError(f"a root or hash has {DIGEST_BYTES} bytes, not {len(digest)}")
        try:
            return _HEADER.pack(
                BATCH_TAG,
                self.ledger_id,
                self.party,
                self.key,
                self.purpose,
                self.role,
                self.stream,
                self.sequence,
                self.valid_until_us,
                _name_bytes(self.agreement),
                self.version,
                self.agreement_hash,
                self.row_count,
                self.row_bytes,
                0,
                self.rows_root,
            )
        except struct.error as error:
            raise WireError(f"a number of the header does not fit: {error}") from error

    def digest(self) -> bytes:
        """SHA-256 of the signed bytes: what tells a repeat from an equivocation (R-SEQ-3)."""
        return hashlib.sha256(self.to_bytes()).digest()


def parse_header(data: bytes | memoryview) -> BatchHeader:
    """Read the header at the start of `data`.

    Raises WireError for anything that `to_bytes` would not have written.
    """
    if len(data) < HEADER_BYTES:
        raise WireError(f"a batch header has {HEADER_BYTES} bytes, not {len(data)}")
    (
        tag,
        ledger_id,
        party,
        key,
        purpose,
        role,
        stream,
        sequence,
        valid_until_us,
        agreement,
        version,
        agreement_hash,
        row_count,
        row_bytes,
        reserved,
        rows_root,
    ) = _HEADER.unpack_from(data)
    if tag != BATCH_TAG:
        raise WireError("not a batch: wrong domain tag")
    if reserved != 0:
        raise WireError("the reserved bytes of the header must be zero")
    return BatchHeader(
        ledger_id=ledger_id,
        party=party,
        key=key,
        purpose=purpose,
        role=role,
        stream=stream,
        sequence=sequence,
        valid_until_us=valid_until_us,
        agreement=_name(agreement),
        version=version,
        agreement_hash=agreement_hash,
        row_count=row_count,
        row_bytes=row_bytes,
        rows_root=rows_root,
    )


def _name_bytes(name: str) -> bytes:
    if not (name.isascii() and name.isprintable() and 1 <= len(name) <= NAME_BYTES):
        raise WireError(f"an agreement's name is 1 to {NAME_BYTES} printable ASCII characters")
    return name.encode("ascii")


def _name(padded: bytes) -> str:
    name = padded.rstrip(b"\0").decode("latin-1")
    if not (name.isascii() and name.isprintable() and name):
        raise WireError("the agreement's name must be printable ASCII, NUL padded")
    return name


@dataclass(frozen=True, slots=True)
class Batch:
    """A signed batch. `rows` holds row_count × row_bytes bytes."""

    header: BatchHeader
    header_bytes: bytes
    signature: bytes
    rows: memoryview

    def to_bytes(self) -> bytes:
        """Return header, signature and rows, one after the other."""
        return b"".join((self.header_bytes, self.signature, self.rows))


def parse_batch(data: bytes | memoryview) -> Batch:
    """Read a whole batch without copying its rows.

    Raises WireError when sizes do not fit, or a limit is passed. `data` must outlive the batch.
    """
    view = memoryview(data)
    if len(view) > MAX_BATCH_BYTES:
        raise WireError(f"a batch has at most {MAX_BATCH_BYTES} bytes, not {len(view)}")
    header = parse_header(view)
    if not 1 <= header.row_count <= MAX_BATCH_ROWS:
        raise WireError(f"a batch has 1 to {MAX_BATCH_ROWS} rows, not {header.row_count}")
    if not PREFIX_BYTES <= header.row_bytes <= MAX_ROW_BYTES:
        raise WireError(
            f"a row has {PREFIX_BYTES} to {MAX_ROW_BYTES} bytes, not {header.row_bytes}"
        )
    if len(view) != HEAD_BYTES + header.row_count * header.row_bytes:
        raise WireError(
            f"the header promises {header.row_count} rows of {header.row_bytes} bytes, "
            f"{len(view) - HEAD_BYTES} bytes follow"
        )
    return Batch(
        header=header,
        header_bytes=bytes(view[:HEADER_BYTES]),
        signature=bytes(view[HEADER_BYTES:HEAD_BYTES]),
        rows=view[HEAD_BYTES:],
    )
