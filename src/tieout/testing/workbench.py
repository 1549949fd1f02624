"""A ledger at hand: parties with test keys, everything signed, blocks applied to a rule book.

The keys are test vectors: their seeds are hashes of their names and known to everybody. Whatever
they sign proves nothing.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from msgspec.structs import replace

from tieout.agreement.model import Agreement
from tieout.merkle.tree import leaf_hash, root
from tieout.testing.rulebooks import RuleBook
from tieout.wire.batch import BatchHeader
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import Action, OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import FirstValidator, Genesis, Key, Party, Person
from tieout.wire.limits import ID_BYTES
from tieout.wire.operations import Body, Enact, Operation
from tieout.wire.rows import SALT_BYTES

PARTIES: Final = ("north", "south", "east", "west", "harbour")
START_US: Final = 1_700_000_000_000_000
"""Time of the first block, 2023-11-14T22:13:20Z: any will do."""
FOREVER_US: Final = (1 << 62) - 1

SYSTEM, ADA, BEN, LEAVER, NOTARY = 1, 2, 3, 4, 5
"""The persons of every party; the number of a person's first key is the same."""
BENS_OTHER_KEY: Final = 13
VALIDATOR: Final = 50
"""Not a key of a person: the name of the key with which a party's node votes on blocks."""
LEAVER_FROM, LEAVER_UNTIL = 4, 6
"""The first and last height at which the leaver's key is valid."""
_PURPOSES: Final = {
    OperationKind.ENACT: Purpose.GOVERN,
    OperationKind.PROPOSE_CHANGE: Purpose.GOVERN,
    OperationKind.VOTE: Purpose.GOVERN,
    OperationKind.STATE_DAY: Purpose.PUBLISH,
    OperationKind.CLOSE_CUTOFF: Purpose.PUBLISH,
    OperationKind.CONFIRM: Purpose.PUBLISH,
    OperationKind.POSTED: Purpose.PUBLISH,
    OperationKind.FAILED: Purpose.PUBLISH,
}


@cache
def signing_key(party: int, key: int) -> SigningKey:
    """The test key of a party; its seed is the hash of its name."""
    return SigningKey(hashlib.sha256(b"tieout test key %d of party %d" % (key, party)).digest())


@cache
def workbench_genesis(party_count: int = len(PARTIES)) -> Genesis:
    """A genesis of up to five parties with the same persons: a system, Ada, Ben and two others."""
    return Genesis(
        format=1,
        name="workbench",
        rules_version=1,
        created_us=START_US,
        operator=0,
        parties=tuple(
            Party(number, PARTIES[number - 1], _persons(number))
            for number in range(1, party_count + 1)
        ),
    )


@cache
def refined_genesis(party_count: int = len(PARTIES)) -> Genesis:
    """The same under rules version 3."""
    return replace(governed_genesis(party_count), rules_version=3)


@cache
def newest_genesis(party_count: int = len(PARTIES), votes_needed: int = 0) -> Genesis:
    """The same under rules version 4."""
    return replace(governed_genesis(party_count, votes_needed), rules_version=4)


@cache
def governed_genesis(
    party_count: int = len(PARTIES), votes_needed: int = 0, operator: int = 0
) -> Genesis:
    """The same under rules version 2, with a validator of each party."""
    return replace(
        workbench_genesis(party_count),
        format=2,
        rules_version=2,
        operator=operator,
        votes_needed=votes_needed,
        validators=tuple(
            FirstValidator(number, signing_key(number, VALIDATOR).public.hex(), 10)
            for number in range(1, party_count + 1)
        ),
    )


def _persons(party: int) -> tuple[Person, ...]:
    def key(number: int, *purposes: str, from_height: int = 1, until_height: int = 0) -> Key:
        public = signing_key(party, number).public.hex()
        return Key(number, public, purposes, from_height, until_height)

    return (
        Person(SYSTEM, "system", (key(SYSTEM, "publish", "govern"),)),
        Person(ADA, "Ada", (key(ADA, "approve"),)),
        Person(BEN, "Ben", (key(BEN, "approve"), key(BENS_OTHER_KEY, "approve"))),
        Person(
            LEAVER,
            "leaver",
            (
                key(
                    LEAVER,
                    "publish",
                    from_height=LEAVER_FROM,
                    until_height=LEAVER_UNTIL,
                ),
            ),
        ),
        Person(NOTARY, "notary", (key(NOTARY, "checkpoint"),)),
    )


def row_bytes(
    agreement: Agreement,
    transaction_id: str | bytes,
    revision: int,
    values: Mapping[int, int | bytes],
    *,
    action: int = Action.STATE,
    originator: int = 0,
    stage: int = 0,
    salt: bytes = bytes(SALT_BYTES),
) -> bytes:
    """A row that states these values by field; it is as well formed as they are."""
    padded = transaction_id.encode() if isinstance(transaction_id, str) else transaction_id
    presence = sum(1 << f for f in values)
    prefix = b"".join(
        (
            padded.ljust(ID_BYTES, b"\0"),
            originator.to_bytes(2, "little"),
            bytes((stage, action)),
            revision.to_bytes(4, "little"),
            presence.to_bytes(8, "little"),
            salt,
        )
    )
    row = bytearray(prefix.ljust(agreement.layout.row_bytes, b"\0"))
    for f, value in values.items():
        column = agreement.layout.columns[f]
        row[column.offset : column.offset + column.width] = (
            value.to_bytes(column.width, "little", signed=True)
            if isinstance(value, int)
            else value.ljust(column.width, b"\0")
        )
    return bytes(row)


def rows_root(rows: Sequence[bytes]) -> bytes:
    """The RFC 6962 root over rows."""
    return root([leaf_hash(row) for row in rows])


class Sender:
    """Signs for the parties of one ledger, and counts their sequence numbers."""

    def __init__(self, ledger_id: bytes) -> None:
        self.ledger_id = ledger_id
        self._next: dict[tuple[int, int], int] = {}

    def take_number(self, party: int, stream: int = 0) -> int:
        """The next sequence number of a party's stream."""
        number = self._next.get((party, stream), 1)
        self._next[party, stream] = number + 1
        return number

    def header(
        self, agreement: Agreement, party: int, role: int, rows: Sequence[bytes], /, **changes: Any
    ) -> BatchHeader:
        """The header of a batch as it should be, but for `changes`. Takes a number unless given."""
        if "sequence" not in changes:
            changes["sequence"] = self.take_number(party, changes.get("stream", 0))
        header = BatchHeader(
            ledger_id=self.ledger_id,
            party=party,
            key=SYSTEM,
            purpose=Purpose.PUBLISH,
            role=role,
            stream=0,
            sequence=0,
            valid_until_us=FOREVER_US,
            agreement=agreement.name,
            version=agreement.version,
            agreement_hash=agreement.hash,
            row_count=len(rows),
            row_bytes=len(rows[0]),
            rows_root=b"" if "rows_root" in changes else rows_root(rows),
        )
        return dataclasses.replace(header, **changes)

    def batch(
        self, agreement: Agreement, party: int, role: int, rows: Sequence[bytes], /, **changes: Any
    ) -> bytes:
        """A signed batch; `changes` are fields of the header."""
        header = self.header(agreement, party, role, rows, **changes)
        signed = header.to_bytes()
        return signed + signing_key(party, header.key).sign(signed) + b"".join(rows)

    def operation(
        self, party: int, kind: OperationKind, body: Body, /, *, key: int = SYSTEM, **changes: Any
    ) -> bytes:
        """A signed operation; `changes` are fields of it. Takes a number unless given."""
        if "sequence" not in changes:
            changes["sequence"] = self.take_number(party, changes.get("stream", 0))
        operation = Operation(
            ledger_id=self.ledger_id,
            party=party,
            key=key,
            purpose=_PURPOSES.get(kind, Purpose.APPROVE),
            kind=kind,
            stream=0,
            sequence=0,
            valid_until_us=FOREVER_US,
            body=body,
        )
        signed = dataclasses.replace(operation, **changes).signed_bytes()
        return signed + signing_key(party, key).sign(signed)


class Workbench:
    """A ledger under one rule book. `results` are those of all blocks so far."""

    def __init__(self, rules: RuleBook, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or workbench_genesis()
        self.rules = rules
        self.state = rules.initial_state(self.genesis)
        self.sender = Sender(self.genesis.ledger_id())
        self.time_us = START_US
        self.results: list[BlockResult] = []

    def apply(self, *items: bytes) -> BlockResult:
        """Apply a block of these items at the time that it is now."""
        block = Block(len(self.results) + 1, self.time_us, items)
        self.state, result = self.rules.apply_block(self.state, block)
        self.results.append(result)
        return result

    def wait(self, duration_us: int) -> BlockResult:
        """Let time pass, and apply an empty block."""
        self.time_us += duration_us
        return self.apply()

    def enact(self, agreement: Agreement, holders: Sequence[Sequence[int]]) -> BlockResult:
        """Let every party that an agreement binds enact it, in one block."""
        body = Enact(agreement.canonical, tuple(tuple(parties) for parties in holders))
        bound = sorted({party for parties in holders for party in parties})
        return self.apply(
            *(self.sender.operation(party, OperationKind.ENACT, body) for party in bound)
        )
