"""What a sender does last: sign, and put the signed thing into its one form."""

from dataclasses import replace

from tieout.wire.batch import HEAD_BYTES, BatchHeader, parse_batch
from tieout.wire.ed25519 import PrivateKey
from tieout.wire.operations import Operation, parse_operation


def sign_batch(key: PrivateKey, header: BatchHeader, rows: bytes | memoryview) -> bytes:
    """The whole batch as it is sent: header, signature, rows.

    `header.rows_root` must be the RFC 6962 root over the rows, each row a leaf (`merkle` computes
    it). Raises WireError when sizes do not fit or a limit is passed: the result can be parsed.
    """
    signed = header.to_bytes()
    batch = b"".join((signed, key.sign(signed), rows))
    parse_batch(batch)
    return batch


def sign_batch_in_place(key: PrivateKey, header: BatchHeader, room: memoryview) -> None:
    """As `sign_batch`, for rows that stand HEAD_BYTES behind the beginning of `room`.

    Writes header and signature there; `room` is the whole batch then.
    """
    signed = header.to_bytes()
    room[:HEAD_BYTES] = signed + key.sign(signed)
    parse_batch(room)


def sign_operation(key: PrivateKey, operation: Operation) -> Operation:
    """The same operation with its signature.

    Raises WireError when something in it is out of range: what is returned can be parsed.
    """
    signed = replace(operation, signature=key.sign(operation.signed_bytes()))
    return parse_operation(signed.to_bytes())
