"""What the files in tests/vectors/wire-*.json must say, computed from fixed values.

`python -m tests.wire.golden` writes the files anew, which is a change of the formats.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tieout.wire.batch import BatchHeader, parse_batch
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import Genesis, Key, Party, Person
from tieout.wire.ids import (
    adjustment_id,
    agreements_hash,
    app_hash,
    members_hash,
    next_events_chain,
)
from tieout.wire.leaf import leaf_bytes
from tieout.wire.members import (
    AddKey,
    AddPerson,
    Admit,
    NewKey,
    NewPerson,
    ProposeChange,
    Remove,
    RevokeKey,
    SetHolders,
    SetValidator,
    Vote,
)
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    Body,
    CloseCutoff,
    Confirm,
    Dispute,
    Enact,
    MoveReversal,
    MoveValue,
    Operation,
    Propose,
    VoteOnMotion,
    WithdrawDispute,
)
from tieout.wire.rows import SALT_BYTES, SALT_OFFSET, ColumnKind, row_layout
from tieout.wire.salts import salts
from tieout.wire.signing import sign_batch, sign_operation
from tieout.wire.statements import StateDay, StatedNumbers, StatedTotal, sum_bytes

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
SEED = bytes(range(32))
SECRET = bytes(range(100, 132))
KEY = SigningKey(SEED)
TIME_US = 1_767_225_600_000_000
AGREEMENT_HASH = hashlib.sha256(b"an agreement").digest()

GENESIS = Genesis(
    format=1,
    name="vectors",
    rules_version=1,
    created_us=TIME_US,
    operator=1,
    parties=(
        Party(
            1,
            "Registrar",
            (
                Person(1, "register", (Key(1, KEY.public.hex(), ("publish",)),)),
                Person(2, "Ada", (Key(2, KEY.public.hex(), ("approve", "govern"), 10, 99),)),
            ),
        ),
        Party(2, "Bänk", ()),
    ),
)
LEDGER_ID = GENESIS.ledger_id()
LAYOUT = row_layout(
    [
        ("fund", ColumnKind.CODE, 12),
        ("amount", ColumnKind.NUMBER, 8),
        ("trade_date", ColumnKind.DATE, 4),
        ("booked", ColumnKind.TIME, 8),
        ("remark", ColumnKind.TEXT, 20),
    ]
)


def subtree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    halves = subtree_root(leaves[:left]) + subtree_root(leaves[left:])
    return hashlib.sha256(b"\1" + halves).digest()


def rows() -> bytes:
    stated = np.zeros(3, dtype=LAYOUT.dtype())
    stated["id"] = [b"A-1", b"A-2", "Ä-3".encode()]
    stated["originator"] = [0, 0, 2]
    stated["revision"] = [1, 2, 3]
    stated["presence"] = [0b11111, 0b00011, 0]
    stated["action"] = [0, 0, 1]
    stated["f_fund"] = [b"LU0000000001", b"X", b""]
    stated["f_amount"] = [123_456, -1, 0]
    stated["f_trade_date"] = [20_454, 0, 0]
    stated["f_booked"] = [TIME_US, 0, 0]
    stated["f_remark"] = ["früh".encode(), b"", b""]
    plain = bytearray(stated.tobytes())
    salted = salts(SECRET, LEDGER_ID, 1, 7, 42, 3)
    for row in range(3):
        start = row * LAYOUT.row_bytes + SALT_OFFSET
        plain[start : start + SALT_BYTES] = salted[row * SALT_BYTES : (row + 1) * SALT_BYTES]
    return bytes(plain)


def header() -> BatchHeader:
    data, width = rows(), LAYOUT.row_bytes
    return BatchHeader(
        ledger_id=LEDGER_ID,
        party=1,
        key=1,
        purpose=Purpose.PUBLISH,
        role=1,
        stream=7,
        sequence=42,
        valid_until_us=TIME_US + 86_400_000_000,
        agreement="fund-subscription",
        version=3,
        agreement_hash=AGREEMENT_HASH,
        row_count=3,
        row_bytes=width,
        rows_root=subtree_root([data[i : i + width] for i in range(0, len(data), width)]),
    )


BODIES: list[tuple[OperationKind, Purpose, Body]] = [
    (OperationKind.ENACT, Purpose.GOVERN, Enact(b'{"format":1}', ((1,), (1, 2)))),
    (OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, CloseCutoff("fund-subscription", TIME_US)),
    (OperationKind.CONFIRM, Purpose.PUBLISH, Confirm("fund-subscription", 0, "A-1", 1)),
    (OperationKind.ACKNOWLEDGE, Purpose.APPROVE, Acknowledge("fund-subscription", 2, "Ä-3", 9)),
    (OperationKind.PROPOSE, Purpose.APPROVE, Propose("fund-subscription", 0, "A-1", 2)),
    *(
        (kind, purpose, AdjustmentStep("fund-subscription", 0, "A-1", 1, AGREEMENT_HASH, reason))
        for kind, purpose, reason in (
            (OperationKind.APPROVE, Purpose.APPROVE, "agreed by telephone"),
            (OperationKind.REFUSE, Purpose.APPROVE, "falsch gebucht – siehe Beleg"),
            (OperationKind.POSTED, Purpose.PUBLISH, ""),
            (OperationKind.FAILED, Purpose.PUBLISH, "books closed"),
        )
    ),
    (
        OperationKind.PROPOSE_CHANGE,
        Purpose.GOVERN,
        ProposeChange(
            (
                Admit(3, "Höuse", (NewPerson(1, "Ada", (NewKey(1, KEY.public, (1, 3)),)),)),
                Remove(2),
                AddPerson(1, NewPerson(3, "Ben", ())),
                AddKey(1, 2, NewKey(300, KEY.public, (2,))),
                RevokeKey(1, 2),
                SetValidator(1, KEY.public, 1 << 40),
                SetHolders("fund-subscription", 3, 1, (1, 3)),
            ),
            70_000,
            0,
        ),
    ),
    (OperationKind.VOTE, Purpose.GOVERN, Vote(AGREEMENT_HASH, in_favour=True)),
    (
        OperationKind.DISPUTE,
        Purpose.PUBLISH,
        Dispute("fund-subscription", 0, "A-1", 1, "order was cancelled", (AGREEMENT_HASH,)),
    ),
    (
        OperationKind.WITHDRAW_DISPUTE,
        Purpose.APPROVE,
        WithdrawDispute("fund-subscription", 0, "A-1", 1, ""),
    ),
    (
        OperationKind.MOVE_VALUE,
        Purpose.APPROVE,
        MoveValue("fund-subscription", 0, "A-1", 1, bytes(8), b"CNY", "as agreed", TIME_US),
    ),
    (
        OperationKind.MOVE_REVERSAL,
        Purpose.APPROVE,
        MoveReversal("fund-subscription", 0, "A-1", "sent twice", TIME_US),
    ),
    (
        OperationKind.VOTE_ON_MOTION,
        Purpose.APPROVE,
        VoteOnMotion("fund-subscription", 0, "A-1", AGREEMENT_HASH, in_favour=False, reason="no"),
    ),
    (
        OperationKind.STATE_DAY,
        Purpose.PUBLISH,
        StateDay(
            "fund-subscription",
            3,
            1,
            TIME_US - 86_400_000_000,
            TIME_US,
            70_000,
            (
                StatedTotal(1, b"CNY", 69_999, sum_bytes(-(1 << 70))),
                StatedTotal(1, b"EUR", 1, sum_bytes(300)),
            ),
            (StatedNumbers(0, ((1, 17), (19, 1 << 40))), StatedNumbers(7, ((1, 1),))),
            AGREEMENT_HASH,
        ),
    ),
]


def operations() -> list[Operation]:
    return [
        sign_operation(
            KEY,
            Operation(
                ledger_id=LEDGER_ID,
                party=1,
                key=2,
                purpose=purpose,
                kind=kind,
                stream=0,
                sequence=sequence,
                valid_until_us=TIME_US,
                body=body,
            ),
        )
        for sequence, (kind, purpose, body) in enumerate(BODIES, 1)
    ]


def plain(value: object) -> Any:
    """The same value in what JSON has: bytes as hex, messages as they are packed."""
    match value:
        case msgspec.Struct():
            return plain(msgspec.to_builtins(value, builtin_types=[bytes]))
        case bytes() | memoryview():
            return bytes(value).hex()
        case dict():
            return {key: plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
    return value


def fields_of(message: object) -> dict[str, Any]:
    names = getattr(message, "__struct_fields__", None) or message.__slots__  # type: ignore[attr-defined]
    return {name: plain(getattr(message, name)) for name in names}


def batch_vectors() -> dict[str, Any]:
    whole = sign_batch(KEY, header(), rows())
    batch = parse_batch(whole)
    return {
        "format": "docs/formats/batch.md",
        "seed": SEED.hex(),
        "public": KEY.public.hex(),
        "layout": [
            [column.name, column.kind.name, column.offset, column.width]
            for column in LAYOUT.columns
        ],
        "header": fields_of(batch.header),
        "header_bytes": batch.header_bytes.hex(),
        "digest": batch.header.digest().hex(),
        "signature": batch.signature.hex(),
        "rows": [
            bytes(batch.rows[i : i + LAYOUT.row_bytes]).hex()
            for i in range(0, len(batch.rows), LAYOUT.row_bytes)
        ],
        "batch_sha256": hashlib.sha256(whole).hexdigest(),
        "salts": {
            "secret": SECRET.hex(),
            "ledger_id": LEDGER_ID.hex(),
            "party": 1,
            "stream": 7,
            "sequence": 42,
            "salts": salts(SECRET, LEDGER_ID, 1, 7, 42, 3).hex(),
        },
    }


def operation_vectors() -> dict[str, Any]:
    return {
        "format": "docs/formats/operation.md",
        "seed": SEED.hex(),
        "operations": [
            {
                "kind": operation.kind.name,
                "envelope": {
                    name: plain(value)
                    for name, value in fields_of(operation).items()
                    if name not in {"body", "signature", "kind"}
                },
                "body": fields_of(operation.body),
                "signed_bytes": operation.signed_bytes().hex(),
                "digest": operation.digest().hex(),
                "signature": operation.signature.hex(),
            }
            for operation in operations()
        ],
    }


def hash_vectors() -> dict[str, Any]:
    batch = parse_batch(sign_batch(KEY, header(), rows()))
    leaf = leaf_bytes(5, TIME_US, 3, ItemOutcome.ACCEPTED, batch.header_bytes, batch.signature)
    digests = {
        name: hashlib.sha256(name.encode()).digest()
        for name in ("log_root", "events_chain", "members_hash", "agreements_hash", "state_digest")
    }
    adjustment = (LEDGER_ID, AGREEMENT_HASH, 2, b"A-1", 1, 4, 0b10, bytes(range(8)))
    names = ("ledger_id", "agreement_hash", "originator", "transaction_id", "role", "revision")
    return {
        "format": "docs/formats/log.md, docs/formats/block.md",
        "genesis": GENESIS.to_bytes().decode(),
        "ledger_id": LEDGER_ID.hex(),
        "leaf": {
            "height": 5,
            "time_us": TIME_US,
            "item": 3,
            "outcome": ItemOutcome.ACCEPTED,
            "signed": batch.header_bytes.hex(),
            "signature": batch.signature.hex(),
            "leaf": leaf.hex(),
            "leaf_hash": subtree_root([leaf]).hex(),
        },
        "members_hash": members_hash(GENESIS).hex(),
        "agreements_hash": {
            "enacted": plain([digests["log_root"], digests["events_chain"]]),
            "hash": agreements_hash([digests["log_root"], digests["events_chain"]]).hex(),
        },
        "app_hash": {
            "ledger_id": LEDGER_ID.hex(),
            "log_size": 77,
            **plain(digests),
            "app_hash": app_hash(LEDGER_ID, 77, *digests.values()).hex(),
        },
        "events_chain": {
            "previous": bytes(32).hex(),
            "events": bytes(range(48)).hex(),
            "next": next_events_chain(bytes(32), bytes(range(48))).hex(),
            "next_without_events": next_events_chain(AGREEMENT_HASH, b"").hex(),
        },
        "adjustment": {
            **dict(zip((*names, "fields", "benchmark"), plain(adjustment), strict=True)),
            "id": adjustment_id(*adjustment).hex(),
        },
    }


def files() -> dict[str, dict[str, Any]]:
    """File name in tests/vectors → what it must hold."""
    return {
        "wire-batch.json": batch_vectors(),
        "wire-operation.json": operation_vectors(),
        "wire-hashes.json": hash_vectors(),
    }


def text(vectors: dict[str, Any]) -> str:
    return json.dumps(vectors, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file_name, vectors in files().items():
        (VECTORS / file_name).write_text(text(vectors), encoding="utf-8")
