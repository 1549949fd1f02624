"""The port to whatever keeps a party's private keys: a file, a sealed file, a device elsewhere.

The problem: a bank's keys belong into an HSM or a key service, which signs and never gives a key
away. The model: a *store* says which keys it has, by their public halves, and signs with one of
them. Whose a key is, and whether it may sign now, is the key ring's question (`keyring`), and what
is signed is the publisher's; no private half passes through here. Everything that is signed for a
party (batches, operations, checkpoints, certificates) is signed by a `StoreKey`.

The secret from which salts are derived is given out: it signs nothing, and a batch takes ten
thousand salts. What CometBFT itself signs with (votes, connections) is not here: it has a port of
its own for signers elsewhere.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class KeptKey(NamedTuple):
    """The public half of a key (32 bytes), and whose it was when it was made.

    Party, person and key as numbers; 0 where the store does not know.
    """

    party: int
    person: int
    key: int
    public: bytes


class KeyStore(Protocol):
    """Private keys that sign where they are. Any thread may ask."""

    @property
    def salt_secret(self) -> bytes:
        """32 bytes, from which the salts of rows are derived."""
        ...

    def kept(self) -> Sequence[KeptKey]:
        """Every key, as of the last `refresh` or `make`."""
        ...

    def refresh(self) -> None:
        """Find the keys that came meanwhile. Raises EngineError when the store cannot be asked."""
        ...

    def sign(self, public: bytes, message: bytes) -> bytes:
        """The signature (64 bytes, RFC 8032) of a message by the key with this public half.

        Raises EngineError when the store cannot sign now; nothing was signed then.
        """
        ...

    def make(self, party: int, person: int, number: int) -> bytes:
        """Make a key, keep it, and tell its public half; it is durable on return.

        Raises EngineError when the store makes or keeps none.
        """
        ...


class StoreKey:
    """One key of a store, as those who sign hold it (`tieout.wire.ed25519.PrivateKey`)."""

    __slots__ = ("_store", "public")

    def __init__(self, store: KeyStore, public: bytes) -> None:
        self._store = store
        self.public = public

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `message`. Raises EngineError, see KeyStore."""
        return self._store.sign(self.public, message)

    def __repr__(self) -> str:
        return f"StoreKey(public={self.public.hex()})"
