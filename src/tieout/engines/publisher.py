"""What a party does before the ledger sees its records: salt the rows, take their root, sign.

A publisher numbers the batches and operations of one (party, stream) without holes. Which number
comes next after a restart is what the ledger says was not used yet.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement
from tieout.engines.keyring import KeyRing
from tieout.merkle.lanes import rows_root
from tieout.wire.batch import HEAD_BYTES, BatchHeader
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.operations import Body, Operation
from tieout.wire.rows import SALT_BYTES, SALT_OFFSET
from tieout.wire.salts import salts
from tieout.wire.signing import sign_batch, sign_batch_in_place, sign_operation

NO_END_US: Final = (1 << 62) - 1
"""Valid-until of what is published in the same process: it cannot be late."""
_SALT: Final = np.dtype(f"V{SALT_BYTES}")


def _nothing(_header: BatchHeader, _memory: object, _rows: NDArray[np.uint8]) -> None:
    """Vouch for nothing."""


class Publisher:
    """Signs for one party on one stream. For one thread: numbers are taken in order."""

    def __init__(
        self,
        ring: KeyRing,
        party: int,
        stream: int,
        next_sequence: int,
        vouch: Callable[[BatchHeader, object, NDArray[np.uint8]], None] = _nothing,
    ) -> None:
        """`next_sequence` ≥ 1 is the first number this publisher uses.

        `vouch` is told the header, the memory and the rows in it of each batch, as its root was
        computed over these very bytes.
        """
        self._vouch = vouch
        self.party = party
        self.stream = stream
        self.next_sequence = next_sequence
        self._ring = ring
        self._ledger_id = ring.genesis.ledger_id()

    def batch(self, agreement: Agreement, role: int, rows: NDArray[np.uint8]) -> bytes:
        """A signed batch of `rows` (uint8[n, row_bytes], n ≤ 10,000), which get their salts."""
        key, header = self._header(agreement, role, rows)
        return sign_batch(key, header, rows.reshape(-1).data)

    def batch_in_place(
        self, agreement: Agreement, role: int, room: NDArray[np.uint8]
    ) -> memoryview:
        """The same without a copy: `room` is HEAD_BYTES bytes for the head, then the rows.

        Nobody may write to `room` afterwards.
        """
        rows = room[HEAD_BYTES:].reshape(-1, agreement.layout.row_bytes)
        key, header = self._header(agreement, role, rows)
        sign_batch_in_place(key, header, room.data)
        signed = room.data.toreadonly()
        self._vouch(header, signed.obj, rows.reshape(-1))
        return signed

    def _header(
        self, agreement: Agreement, role: int, rows: NDArray[np.uint8]
    ) -> tuple[SigningKey, BatchHeader]:
        """Salt the rows; the header to be signed, and with which key."""
        count, row_bytes = rows.shape
        sequence = self._take()
        key_number, key = self._ring.signer(self.party, Purpose.PUBLISH)
        salt = salts(
            self._ring.salt_secret, self._ledger_id, self.party, self.stream, sequence, count
        )
        _salts_of(rows)[:] = np.frombuffer(salt, _SALT)
        header = BatchHeader(
            ledger_id=self._ledger_id,
            party=self.party,
            key=key_number,
            purpose=Purpose.PUBLISH,
            role=role,
            stream=self.stream,
            sequence=sequence,
            valid_until_us=NO_END_US,
            agreement=agreement.name,
            version=agreement.version,
            agreement_hash=agreement.hash,
            row_count=count,
            row_bytes=row_bytes,
            rows_root=rows_root(rows),
        )
        return key, header

    def operation(
        self, kind: OperationKind, purpose: Purpose, body: Body, person: str | None = None
    ) -> bytes:
        """A signed operation; `person` names who signs where the purpose is personal."""
        key_number, key = self._ring.signer(self.party, purpose, person)
        unsigned = Operation(
            ledger_id=self._ledger_id,
            party=self.party,
            key=key_number,
            purpose=purpose,
            kind=kind,
            stream=self.stream,
            sequence=self._take(),
            valid_until_us=NO_END_US,
            body=body,
        )
        return sign_operation(key, unsigned).to_bytes()

    def _take(self) -> int:
        sequence = self.next_sequence
        self.next_sequence += 1
        return sequence


def _salts_of(rows: NDArray[np.uint8]) -> NDArray[np.void]:
    """The salts of rows (uint8[n, row_bytes]), each as one value: written at once, not by bytes."""
    salted = np.dtype(
        {"names": ["salt"], "formats": [_SALT], "offsets": [SALT_OFFSET], "itemsize": rows.shape[1]}
    )
    salts_of_rows: NDArray[np.void] = rows.view(salted)["salt"][:, 0]
    return salts_of_rows
