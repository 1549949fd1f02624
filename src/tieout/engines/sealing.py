"""A key file sealed with a passphrase: docs/formats/keys.md, format 2.

Argon2id (RFC 9106) makes a key of the passphrase, AES-256-GCM seals the plain file's bytes with it,
and everything that stands beside them is authenticated with them. What a file may ask of the
machine that opens it has constant limits, as whoever can replace the file chooses its numbers; that
a passphrase is wrong and that a byte was changed cannot be told apart, by design of the cipher.
"""

import base64
import secrets
import struct
from typing import Annotated, Final, Literal

import msgspec
from argon2.exceptions import Argon2Error
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from tieout.engines.errors import EngineError

TAG: Final = b"tieout/keys/2\0\0\0"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
ARGON2_VERSION: Final = 19
MIN_MEMORY_KIB: Final = 19 * 1_024
"""OWASP's least for Argon2id: a file that was sealed with less was not sealed by us."""
MAX_MEMORY_KIB: Final = 256 * 1_024
"""What a small machine has to spare; a file that wants more wants it out of malice."""
MAX_PASSES: Final = 16
MAX_LANES: Final = 16
_PARAMETERS: Final = struct.Struct("<IIII")

Hex16 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Hex12 = Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]


class Stretching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the passphrase becomes a key. By default what RFC 9106, section 4, has second."""

    salt: Hex16
    memory_kib: Annotated[int, Meta(ge=MIN_MEMORY_KIB, le=MAX_MEMORY_KIB)] = 64 * 1_024
    passes: Annotated[int, Meta(ge=2, le=MAX_PASSES)] = 3
    lanes: Annotated[int, Meta(ge=1, le=MAX_LANES)] = 4
    name: Literal["argon2id"] = "argon2id"
    version: Literal[19] = ARGON2_VERSION

    def key(self, passphrase: bytes) -> bytes:
        """32 bytes; takes a good tenth of a second, and `memory_kib`, on purpose."""
        try:
            return hash_secret_raw(
                passphrase, bytes.fromhex(self.salt), self.passes, self.memory_kib, self.lanes,
                KEY_BYTES, Type.ID, self.version,
            )  # fmt: skip
        except (Argon2Error, MemoryError) as error:
            raise EngineError(
                f"no key can be made of the passphrase: {error}",
                f"it takes {self.memory_kib // 1_024} MiB of memory",
            ) from error


class SealedKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `sealed` is the plain file's bytes, sealed, in Base64."""

    format: Literal[2]
    note: Annotated[str, Meta(max_length=200)]
    stretching: Stretching
    cipher: Literal["aes-256-gcm"]
    nonce: Hex12
    sealed: str

    def beside(self) -> bytes:
        """Everything but `sealed`, as it is authenticated."""
        how = self.stretching
        numbers = _PARAMETERS.pack(how.version, how.memory_kib, how.passes, how.lanes)
        note = self.note.encode()
        return b"".join((TAG, numbers, bytes.fromhex(how.salt), bytes.fromhex(self.nonce), note))


def fresh_stretching() -> Stretching:
    """Today's parameters, with a salt of its own."""
    return Stretching(secrets.token_bytes(SALT_BYTES).hex())


def seal(plain: bytes, note: str, stretching: Stretching, key: bytes) -> SealedKeys:
    """Seal the plain file's bytes with a key that `stretching` made; the nonce is drawn anew."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    empty = SealedKeys(2, note, stretching, "aes-256-gcm", nonce.hex(), "")
    sealed = AESGCM(key).encrypt(nonce, plain, empty.beside())
    return msgspec.structs.replace(empty, sealed=base64.b64encode(sealed).decode())


def unseal(file: SealedKeys, key: bytes) -> bytes:
    """The plain file's bytes. Raises EngineError when the key is not the one, or a byte another."""
    try:
        sealed = base64.b64decode(file.sealed, validate=True)
        return AESGCM(key).decrypt(bytes.fromhex(file.nonce), sealed, file.beside())
    except (InvalidTag, ValueError) as error:
        raise EngineError(
            "the passphrase does not open the sealed keys, or they were changed",
            "give the right passphrase, or put back a copy of the file",
        ) from error
