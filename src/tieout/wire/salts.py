r"""Salts: 16 bytes in every row that keep its neighbours' hashes in a proof from being guessed.

A row of a known customer and a handful of likely amounts could be found from its leaf hash by
trying. A salt that only the sender can compute prevents that. It is derived, not drawn, so that
publishing the same rows under the same sequence number once more gives the same bytes, which the
ledger recognises as a repeat.

The salts of a batch are an AES-256-CTR keystream (NIST SP 800-38A; counter block from zero) under
SHA-256("tieout/salts/1\\0\\0" ‖ secret ‖ ledger id ‖ party u16 ‖ stream u16 ‖ sequence u64),
little-endian: one hash and one pass of hardware AES for a batch instead of one hash for each row.
"""

import hashlib
import struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tieout.wire.errors import WireError
from tieout.wire.rows import SALT_BYTES

SALTS_TAG: Final = b"tieout/salts/1\0\0"
SECRET_BYTES: Final = 32
_CONTEXT: Final = struct.Struct("<HHQ")


def salts(
    secret: bytes, ledger_id: bytes, party: int, stream: int, sequence: int, count: int
) -> bytes:
    """`count` salts, one after the other, for the rows of the batch that has this place.

    `secret` and `ledger_id` have 32 bytes each, else WireError. The secret never leaves the party;
    whoever has it can guess rows from hashes, and can sign nothing with it.
    """
    if len(secret) != SECRET_BYTES or len(ledger_id) != SECRET_BYTES:
        raise WireError("a salt secret and a ledger id have 32 bytes each")
    context = _CONTEXT.pack(party, stream, sequence)
    key = hashlib.sha256(SALTS_TAG + secret + ledger_id + context).digest()
    encryptor = Cipher(AES256(key), CTR(bytes(16))).encryptor()
    return encryptor.update(bytes(count * SALT_BYTES))
