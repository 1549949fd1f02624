"""An item's number and digest, read off its bytes."""

import hashlib

import pytest

from tests.engines.cometbft.consortium import SELLER, Members
from tests.engines.ledgers import AGREEMENT
from tieout.wire.batch import HEAD_BYTES, most_rows, parse_batch
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_ROW_BYTES
from tieout.wire.numbered import Numbered, numbered
from tieout.wire.operations import parse_operation


def test_a_batch_and_an_operation_tell_their_number_and_digest() -> None:
    members = Members()
    members.enactment()
    batch = members.batch(SELLER, ("A-1", 5))
    assert numbered(batch) == Numbered(1, 0, 2, parse_batch(batch).header.digest())
    cutoff = members.cutoff(1_770_000_000_000_000)
    digest = hashlib.sha256(cutoff[:-SIGNATURE_BYTES]).digest()
    assert numbered(memoryview(cutoff)) == Numbered(1, 0, 3, digest)
    assert parse_operation(cutoff).digest() == digest


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_what_is_not_whole_has_no_number(keep: int) -> None:
    with pytest.raises(WireError):
        numbered(Members().batch(SELLER, ("A-1", 5))[:keep])


def test_a_batch_of_the_most_rows_keeps_both_limits() -> None:
    assert most_rows(AGREEMENT.layout.row_bytes) == MAX_BATCH_ROWS
    widest = most_rows(MAX_ROW_BYTES)
    size = HEAD_BYTES + widest * MAX_ROW_BYTES
    assert size <= MAX_BATCH_BYTES < size + MAX_ROW_BYTES
