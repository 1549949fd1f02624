"""What a sender does last: sign, and put the signed thing into its one form."""

from dataclasses import replace

from tieout.wire.batch import BatchHeader
from tieout.wire.ed25519 import SigningKey
from tieout.wire.errors import WireError
from tieout.wire.operations import Operation


def sign_batch(key: SigningKey, header: BatchHeader, rows: bytes | memoryview) -> bytes:
    """The whole batch as it is sent: header, signature, rows.

    `header.rows_root` must be the RFC 6962 root over the rows, each row a leaf (`merkle` computes
    it). Raises WireError when the size of `rows` is not row_count × row_bytes.
    """
    if len(rows) != header.row_count * header.row_bytes:
        raise WireError(
            f"the header promises {header.row_count} rows of {header.row_bytes} bytes, "
            f"{len(rows)} bytes are given"
        )
    signed = header.to_bytes()
    return b"".join((signed, key.sign(signed), rows))


def sign_operation(key: SigningKey, operation: Operation) -> Operation:
    """The same operation with its signature."""
    return replace(operation, signature=key.sign(operation.signed_bytes()))
