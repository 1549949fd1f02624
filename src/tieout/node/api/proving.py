"""Proofs about the log (RFC 6962): that a leaf stands in it, and that it only ever grew.

Each leads to the root of the signed checkpoint that comes with it, and is checked by whoever asks.
"""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from tieout.merkle.errors import RangeError
from tieout.node.api.looking import as_of
from tieout.node.api.table import Call, Reply, encoded
from tieout.node.problems import ProblemError

Size = Annotated[int, Meta(ge=0, le=(1 << 53))]


class InclusionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which leaf: a receipt names it."""

    leaf: Size = 0


class ConsistencyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The size of the log in a checkpoint of earlier on."""

    older_size: Annotated[int, Meta(ge=1, le=(1 << 53))] = 1


class InclusionProof(msgspec.Struct, frozen=True):
    """Hashes in hexadecimal; `checkpoint` is the signed text (C2SP tlog-checkpoint)."""

    leaf: int
    leaf_hash: str
    log_size: int
    path: tuple[str, ...]
    checkpoint: str


class ConsistencyProof(msgspec.Struct, frozen=True):
    """Likewise."""

    older_size: int
    log_size: int
    path: tuple[str, ...]
    checkpoint: str


async def prove_inclusion(call: Call) -> Reply:
    """That a leaf stands in the log."""
    leaf = call.query.leaf

    def read() -> tuple[InclusionProof, int]:
        with call.house.ordering.proofs() as proofs:
            _check(proofs.height)
            try:
                leaf_hash, path = proofs.inclusion(leaf)
            except RangeError as error:
                raise ProblemError("not_found", str(error)) from error
            size, text = proofs.checkpoint.checkpoint.log_size, proofs.checkpoint.to_bytes()
            hashes = tuple(each.hex() for each in path)
            told = InclusionProof(leaf, leaf_hash.hex(), size, hashes, text.decode())
            return told, proofs.height

    told, height = await asyncio.to_thread(read)
    return Reply(encoded(told), headers=as_of(height))


async def prove_consistency(call: Call) -> Reply:
    """That the log of an earlier checkpoint is the beginning of the log now."""
    older_size = call.query.older_size

    def read() -> tuple[ConsistencyProof, int]:
        with call.house.ordering.proofs() as proofs:
            _check(proofs.height)
            try:
                path = proofs.consistency(older_size)
            except RangeError as error:
                raise ProblemError("not_found", str(error)) from error
            size, text = proofs.checkpoint.checkpoint.log_size, proofs.checkpoint.to_bytes()
            hashes = tuple(each.hex() for each in path)
            return ConsistencyProof(older_size, size, hashes, text.decode()), proofs.height

    told, height = await asyncio.to_thread(read)
    return Reply(encoded(told), headers=as_of(height))


def _check(height: int) -> None:
    if not height:
        raise ProblemError("not_found", "the ledger has no block yet")
