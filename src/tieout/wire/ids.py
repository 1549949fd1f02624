"""Adjustment ids and the app hash: the two hashes over several things, each written once."""

import hashlib
import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from tieout.wire.genesis import Genesis

APP_TAG: Final = b"tieout/app/1\0"
ADJUSTMENT_TAG: Final = b"tieout/adjustment/1\0"
EVENTS_TAG: Final = b"tieout/events/1\0"
MEMBERS_TAG: Final = b"tieout/members/1\0"
GOVERNED_MEMBERS_TAG: Final = b"tieout/members/2\0"
AGREEMENTS_TAG: Final = b"tieout/agreements/1\0"
NO_EVENTS: Final = bytes(32)
"""The chain of events before the first event."""


def app_hash(
    ledger_id: bytes,
    log_size: int,
    log_root: bytes,
    events_chain: bytes,
    members_hash: bytes,
    agreements_hash: bytes,
    state_digest: bytes,
) -> bytes:
    """Hash what a node answers for after a block.

    No height, no time: a block without effect does not change it (R-BLOCK-3).
    """
    parts = (
        ledger_id,
        struct.pack("<Q", log_size),
        log_root,
        events_chain,
        members_hash,
        agreements_hash,
        state_digest,
    )
    return hashlib.sha256(APP_TAG + b"".join(parts)).digest()


def next_events_chain(previous: bytes, events: bytes) -> bytes:
    """Chain the events of a block to those before it; without events the chain stays as it was."""
    if not events:
        return previous
    return hashlib.sha256(EVENTS_TAG + previous + events).digest()


def members_hash(genesis: Genesis) -> bytes:
    """Hash who takes part, as it stands in the genesis (rules version 1)."""
    return hashlib.sha256(MEMBERS_TAG + msgspec.json.encode(genesis.parties)).digest()


def governed_members_hash(document: bytes) -> bytes:
    """Hash who takes part now and what is asked for (rules version 2, docs/formats/state.md)."""
    return hashlib.sha256(GOVERNED_MEMBERS_TAG + document).digest()


def agreements_hash(enacted: Iterable[bytes]) -> bytes:
    """Hash what is in force.

    `enacted`: SHA-256 of the body of each book's enact operation, in the order of the books.
    """
    return hashlib.sha256(AGREEMENTS_TAG + b"".join(enacted)).digest()


def adjustment_id(
    ledger_id: bytes,
    agreement_hash: bytes,
    originator: int,
    transaction_id: bytes,
    role: int,
    revision: int,
    fields: int,
    benchmark: bytes,
    stage: int = 0,
) -> bytes:
    """Return the id of an adjustment (R-ADJ-2).

    `agreement_hash` is that of the version the transaction is pinned to, `fields` the bits of the
    adjusted fields, `benchmark` their values as row bytes. A stage counts unless it is 0.
    """
    fixed = struct.pack("<H36sBIQ", originator, transaction_id, role, revision, fields)
    signed = ADJUSTMENT_TAG + ledger_id + agreement_hash + fixed + benchmark
    return hashlib.sha256(signed + (bytes([stage]) if stage else b"")).digest()
