"""Ed25519 with one answer everywhere: what the standard leaves open is refused.

The problem: RFC 8032 lets verifiers differ at the edges (non-canonical encodings, points of small
order, scalars that were not reduced), and libraries do differ. On a ledger a signature that one
node takes and another refuses splits the ledger. So `verify` refuses, by its bytes alone and before
the library is asked:

- S ≥ L: a second signature for the same message, made by anybody from the first;
- A or R with y ≥ p: a second encoding of the same point;
- A or R of small order: keys and nonces under which a signature says nothing about its message.

What is left is judged by libsodium, whose check is without cofactor and compares the encoding of R,
byte by byte: no two correct implementations of that differ, and a test holds it against OpenSSL on
points made to tell them apart. There is no batch verification, as its verdict would be another one.
Cases: "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020),
tests/vectors/ed25519-speccheck.json.
"""

from functools import lru_cache
from typing import Final, Protocol, Self

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_JUDGED_KEYS

PUBLIC_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
FIELD_PRIME: Final = (1 << 255) - 19
GROUP_ORDER: Final = (1 << 252) + 27742317777372353535851937790883648493
_Y_MASK: Final = (1 << 255) - 1

SMALL_ORDER: Final = frozenset(
    bytes.fromhex(y[:62] + f"{int(y[62:], 16) | sign:02x}")
    for y in (
        "0100000000000000000000000000000000000000000000000000000000000000",  # order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
        "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
    )
    for sign in (0x00, 0x80)
)
"""Encodings with y < p of the points whose order divides 8; either sign bit, also where x = 0."""


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is a strict signature of `message` by `public` (32 bytes).

    False for every malformed input; never raises. Safe to call from several threads.
    """
    if not is_sound_key(public) or len(signature) != SIGNATURE_BYTES:
        return False
    if not _is_sound(signature[:32]):
        return False
    if int.from_bytes(signature[32:], "little") >= GROUP_ORDER:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


@lru_cache(maxsize=MAX_JUDGED_KEYS)
def is_sound_key(public: bytes) -> bool:
    """Whether `public` is a canonical encoding, and not of a point of small order."""
    return len(public) == PUBLIC_BYTES and _is_sound(public)


def _is_sound(point: bytes) -> bool:
    return point not in SMALL_ORDER and int.from_bytes(point, "little") & _Y_MASK < FIELD_PRIME


class PrivateKey(Protocol):
    """What signs with one private key, wherever that is kept: a SigningKey, or a store's key."""

    @property
    def public(self) -> bytes:
        """The public half (32 bytes)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `message`."""
        ...


class SigningKey:
    """A private key (RFC 8032 seed, 32 bytes); its `public` key has 32 bytes. Never printed."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """Raises WireError when the seed has not 32 bytes."""
        if len(seed) != SEED_BYTES:
            raise WireError(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.public, self._key = crypto_sign_seed_keypair(seed)

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The key whose seed is written as 64 hex digits. Raises WireError for any other text."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError as error:
            raise WireError("a seed is written as 64 hex digits") from error

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `message`; the same each time."""
        return crypto_sign(message, self._key)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"
