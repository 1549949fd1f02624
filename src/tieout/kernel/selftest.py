"""The known answer: a small day whose app hash is known, applied before anything else is.

Compiled code depends on the machine that compiled it. Before a process answers for a ledger it
applies this history, which goes through every compiled loop, and compares the app hash and the
state digest with those that stand here; they follow from the rules alone and are the same for every
implementation. `warm` also makes all compiled loops ready, so that the first block is not slow.
"""

import hashlib
from typing import Final

import numpy as np

from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.kernel.digest import app_hash, state_digest
from tieout.kernel.machine import apply_block
from tieout.kernel.queries import break_table, standing
from tieout.kernel.snapshot import dump, load
from tieout.kernel.state import State, initial_state
from tieout.merkle import lanes
from tieout.merkle.errors import MerkleError
from tieout.merkle.tree import leaf_hash, root
from tieout.wire.batch import BatchHeader
from tieout.wire.block import Block
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import Genesis, Key, Party, Person
from tieout.wire.limits import ID_BYTES, MAX_ABS_NUMBER
from tieout.wire.operations import Body, CloseCutoff, Enact, Operation

APP_HASH: Final = "26e333f836bed0bbe2b1c071e84b6c99fd8d2565db6c59ac8c396b2908753c9b"
STATE_DIGEST: Final = "900a2d36be3633acd45690c0200f656167d66428a51c405ef7a84f4f622bc5da"
BREAKS: Final = 73

_AGREEMENT: Final = """
name = "self-test"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { percent = "1", of = "bank" }
[fields.day]
type = "date"
drift_days = 1
[fields.remark]
type = "text"
length = 8
optional = true
[benchmark]
amount = "bank"
[deadlines]
bank = "30s"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "5.00" } }
"""
_START_US: Final = 1_700_000_000_000_000
_SECOND_US: Final = 1_000_000
_AMOUNTS: Final = (10_000, 10_001, 10_100, 10_101, 10_300, 20_000)
_TRANSACTIONS: Final = 48


class SelfTestError(RuntimeError):
    """The compiled rules do not give the known answer on this machine.

    Nothing they say may be used. Compile anew (`make clean setup`); if it stays, this machine or
    its compiler is at fault, and `tieout.reference` can still be used to verify.
    """

    def __init__(self, what: str, expected: str, actual: str) -> None:
        self.what, self.expected, self.actual = what, expected, actual
        super().__init__(f"self-test of the kernel: {what} is {actual}, should be {expected}")


def warm() -> None:
    """Make every compiled loop ready and prove it right; SelfTestError when it is not.

    To be called once at start. Takes tens of seconds after an installation, then a fraction of one.
    """
    try:
        lanes.warm()
    except MerkleError as error:
        raise SelfTestError("the hash lanes", "right", str(error)) from error
    state, agreement = _history()
    _compare("the app hash", APP_HASH, app_hash(state).hex())
    _compare("the state digest", STATE_DIGEST, state_digest(state).hex())
    _compare("the number of breaks", str(BREAKS), str(len(break_table(state, agreement.name))))
    buffers = {name: bytes(buffer) for name, buffer in dump(state)}
    loaded = load(state.genesis, buffers, b"another secret")
    _compare("the digest of a loaded state", STATE_DIGEST, state_digest(loaded).hex())
    rows = np.frombuffer(_rows(agreement, 0, 1), np.uint8)
    known, _ = standing(loaded, agreement.name, "seller", rows)
    expected, _ = standing(state, agreement.name, "seller", rows)
    _compare("what stands already", expected.tobytes().hex(), known.tobytes().hex())


def _compare(what: str, expected: str, actual: str) -> None:
    if expected != actual:
        raise SelfTestError(what, expected, actual)


def _signing_key(party: int) -> SigningKey:
    return SigningKey(hashlib.sha256(b"tieout self-test %d" % party).digest())


def known_genesis() -> Genesis:
    """The genesis of the known answer: three parties whose keys everybody knows."""

    def party(number: int) -> Party:
        key = Key(1, _signing_key(number).public.hex(), ("publish", "govern"))
        return Party(number, f"party {number}", (Person(1, "system", (key,)),))

    return Genesis(1, "self-test", 1, _START_US, 0, tuple(party(n) for n in (1, 2, 3)))


def _history() -> tuple[State, Agreement]:
    genesis, agreement = known_genesis(), parse_agreement(_AGREEMENT)
    state, ledger_id = initial_state(genesis), genesis.ledger_id()
    enact = Enact(agreement.canonical, ((1,), (2,), (3,)))
    cutoff = CloseCutoff(agreement.name, _START_US + 40 * _SECOND_US)
    blocks = [
        [_operation(ledger_id, n, 1, OperationKind.ENACT, enact) for n in (1, 2, 3)],
        [_batch(ledger_id, agreement, role, 2, 1) for role in range(3)],
        [_batch(ledger_id, agreement, role, 3, 2) for role in range(3)],
        [],
        [_operation(ledger_id, 1, 4, OperationKind.CLOSE_CUTOFF, cutoff)],
    ]
    for height, items in enumerate(blocks, start=1):
        time_us = _START_US + (height - 1) * 20 * _SECOND_US
        state, _ = apply_block(state, Block(height, time_us, tuple(items)))
    return state, agreement


def _batch(
    ledger_id: bytes, agreement: Agreement, role: int, sequence: int, revision: int
) -> bytes:
    rows = _rows(agreement, role, revision)
    width = agreement.layout.row_bytes
    leaves = [leaf_hash(rows[i : i + width]) for i in range(0, len(rows), width)]
    signed = BatchHeader(
        ledger_id=ledger_id,
        party=role + 1,
        key=1,
        purpose=Purpose.PUBLISH,
        role=role,
        stream=0,
        sequence=sequence,
        valid_until_us=MAX_ABS_NUMBER,
        agreement=agreement.name,
        version=agreement.version,
        agreement_hash=agreement.hash,
        row_count=len(leaves),
        row_bytes=width,
        rows_root=root(leaves),
    ).to_bytes()
    return signed + _signing_key(role + 1).sign(signed) + rows


def _rows(agreement: Agreement, role: int, revision: int) -> bytes:
    """Rows of which some are alike for every role, some apart, some left out, some repeated."""
    chosen = [n for n in range(_TRANSACTIONS) if (n + role) % 7 and (revision == 1 or n % 3 == 0)]
    rows = np.zeros(len(chosen), agreement.layout.dtype())
    for row, n in zip(rows, chosen, strict=True):
        row["id"] = f"T{n:04d}".encode().ljust(ID_BYTES, b"\0")
        row["revision"] = revision if n % 6 else 1
        if revision > 1 and n % 9 == 0:
            row["revision"], row["action"] = revision, 1
            continue
        row["presence"] = 0b0111 if (n + role) % 5 else 0b1101
        row["f_currency"] = b"CNY" if n % 11 or role else b"USD"
        if row["presence"] & 0b0010:
            place = n * (role + revision) + revision if n % 3 == 0 else 0
            row["f_amount"] = _AMOUNTS[place % len(_AMOUNTS)]
        row["f_day"] = 19_000 + (n * role if n % 5 == 0 else 0) % 3
        if row["presence"] & 0b1000:
            row["f_remark"] = "Über".encode()
    return rows.tobytes()


def _operation(
    ledger_id: bytes, party: int, sequence: int, kind: OperationKind, body: Body
) -> bytes:
    purpose = Purpose.GOVERN if kind is OperationKind.ENACT else Purpose.PUBLISH
    operation = Operation(
        ledger_id=ledger_id,
        party=party,
        key=1,
        purpose=purpose,
        kind=kind,
        stream=0,
        sequence=sequence,
        valid_until_us=MAX_ABS_NUMBER,
        body=body,
    )
    signed = operation.signed_bytes()
    return signed + _signing_key(party).sign(signed)
