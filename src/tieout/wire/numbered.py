"""Under which number an item was said, and the digest that tells it from another one (R-SEQ-3)."""

import hashlib
from typing import NamedTuple

from tieout.wire.batch import BATCH_TAG, HEADER_BYTES, parse_batch
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.operations import parse_operation


class Numbered(NamedTuple):
    """A signed item's place in its sender's stream; `digest` is SHA-256 of the signed bytes."""

    party: int
    stream: int
    sequence: int
    digest: bytes


def numbered(data: bytes | memoryview) -> Numbered:
    """The place of a whole signed batch or operation. Raises WireError when it is neither."""
    if data[: len(BATCH_TAG)] == BATCH_TAG:
        header = parse_batch(data).header
        signed = data[:HEADER_BYTES]
        return Numbered(header.party, header.stream, header.sequence, _digest(signed))
    operation = parse_operation(data)
    signed = data[: len(data) - SIGNATURE_BYTES]
    return Numbered(operation.party, operation.stream, operation.sequence, _digest(signed))


def _digest(signed: bytes | memoryview) -> bytes:
    return hashlib.sha256(signed).digest()
