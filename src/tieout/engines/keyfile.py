"""The key file in a ledger's directory: `keys.json`, plain or sealed (docs/formats/keys.md).

A plain file can be read by whoever reads the disk; it is written with mode 0600. A sealed one needs
its passphrase besides, which is asked for when the file is first opened; from then on the process
has the key that the passphrase became, and can write the file anew. Which of both a file is, it
says itself, whenever it is read: what was sealed or unsealed meanwhile is found again.
"""

import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tieout.engines import passphrase
from tieout.engines.errors import EngineError
from tieout.engines.keystore import KeptKey
from tieout.engines.passphrase import Passphrase
from tieout.wire.ed25519 import SEED_BYTES, SigningKey
from tieout.wire.errors import WireError
from tieout.wire.salts import SECRET_BYTES

if TYPE_CHECKING:
    from tieout.engines.sealing import SealedKeys, Stretching

KEYS_FILE: Final = "keys.json"
"""Private keys, for their owner's eyes alone."""
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Ten thousand keys, sealed: more than a party ever has."""
SEALED_NOTE: Final = "Sealed private keys. `tieout keys` opens them with their passphrase."


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One private key: whose it is (numbers as in genesis) and its seed in hex."""

    party: int
    person: int
    key: int
    seed: str


class StoredKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plain file. `salt_secret` (hex) derives the salts of rows."""

    format: int
    note: str
    salt_secret: str
    keys: tuple[StoredKey, ...]

    def to_bytes(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class HeldKeys:
    """Keys in this process' memory: a store that keeps nothing. Not safe to print."""

    def __init__(self, stored: StoredKeys) -> None:
        """Raises EngineError when a seed or the secret is none."""
        self._take(stored)

    def _take(self, stored: StoredKeys) -> None:
        try:
            secret = bytes.fromhex(stored.salt_secret)
            signing = [SigningKey.from_hex(entry.seed) for entry in stored.keys]
        except (ValueError, WireError) as error:
            raise EngineError("a key or the secret of salts is not written in hex") from error
        if len(secret) != SECRET_BYTES:
            raise EngineError(f"the secret of salts has {SECRET_BYTES} bytes")
        self.stored = stored
        self._signing = {key.public: key for key in signing}
        self._kept = [
            KeptKey(entry.party, entry.person, entry.key, key.public)
            for entry, key in zip(stored.keys, signing, strict=True)
        ]
        self.salt_secret = secret

    def kept(self) -> Sequence[KeptKey]:
        """Every key; see KeyStore."""
        return self._kept

    def refresh(self) -> None:
        """Nothing comes from elsewhere; see KeyStore."""

    def sign(self, public: bytes, message: bytes) -> bytes:
        """A signature; see KeyStore."""
        try:
            key = self._signing[public]
        except KeyError as error:
            raise EngineError(f"there is no private half of {public.hex()} here") from error
        return key.sign(message)

    def make(self, party: int, person: int, number: int) -> bytes:
        """Make a key, and keep it; see KeyStore."""
        seed = secrets.token_bytes(SEED_BYTES)
        self.add(StoredKey(party, person, number, seed.hex()))
        return SigningKey(seed).public

    def add(self, *entries: StoredKey) -> None:
        """Keep further keys. Raises EngineError."""
        self._take(_with(self.stored, entries))


class KeyFile(HeldKeys):
    """The key file in a ledger's directory."""

    def __init__(self, directory: Path, ask: Passphrase = passphrase.found) -> None:
        """Reads the file; `ask` says the passphrase of a sealed one. Raises EngineError."""
        self.path = directory / KEYS_FILE
        self._ask = ask
        self._opened: tuple[Stretching, bytes] | None = None
        self._lock = threading.Lock()
        super().__init__(self._read())

    @property
    def is_sealed(self) -> bool:
        """Whether the file needed a passphrase when it was last read."""
        return self._opened is not None

    def refresh(self) -> None:
        """Read the file anew; see KeyStore."""
        with self._lock:
            self._take(self._read())

    def add(self, *entries: StoredKey) -> None:
        """Keep further keys; durable on return. Raises EngineError."""
        with self._lock:
            self._write(_with(self._read(), entries))

    def seal(self, secret: bytes) -> None:
        """Seal the file with a passphrase, whether it was sealed or not. Raises EngineError."""
        from tieout.engines.sealing import fresh_stretching  # noqa: PLC0415 - as in _read

        passphrase.check_new(secret)
        with self._lock:
            stored, how = self._read(), fresh_stretching()
            self._opened = how, how.key(secret)
            self._write(stored)

    def unseal(self) -> None:
        """Write the file plain again. Raises EngineError."""
        with self._lock:
            stored = self._read()
            self._opened = None
            self._write(stored)

    def _read(self) -> StoredKeys:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise EngineError(f"{self.path} has more than {MAX_FILE_BYTES:,} bytes")
            if not is_sealed(data):
                self._opened = None
                return msgspec.json.decode(data, type=StoredKeys)
            # Most key files are plain, and most commands read none.
            from tieout.engines.sealing import SealedKeys, unseal  # noqa: PLC0415

            sealed = msgspec.json.decode(data, type=SealedKeys)
            return msgspec.json.decode(unseal(sealed, self._key_of(sealed)), type=StoredKeys)
        except FileNotFoundError as error:
            what = f"{self.path} is missing"
            raise EngineError(what, "without keys nothing can be published") from error
        except (OSError, msgspec.MsgspecError) as error:
            what = f"{self.path}: {error}"
            raise EngineError(what, "put back the key file of this ledger") from error

    def _key_of(self, sealed: "SealedKeys") -> bytes:
        """The key that the passphrase becomes; asked for and made once for a salt."""
        how = sealed.stretching
        if self._opened is None or self._opened[0] != how:
            self._opened = how, how.key(self._ask(self.path))
        return self._opened[1]

    def _write(self, stored: StoredKeys) -> None:
        data = stored.to_bytes()
        if self._opened is not None:
            from tieout.engines.sealing import seal  # noqa: PLC0415 - as in _read

            sealed = seal(data, SEALED_NOTE, *self._opened)
            data = msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n"
        try:
            _write_durably(self.path, data)
        except OSError as error:
            raise EngineError(f"{self.path} cannot be written: {error.strerror}") from error
        self._take(stored)


class _Format(msgspec.Struct, frozen=True):
    """What every key file says of itself."""

    format: int


def is_sealed(data: bytes) -> bool:
    """Whether a key file is sealed, by what it says. Raises MsgspecError for what is none."""
    return msgspec.json.decode(data, type=_Format).format > 1


def write_keys(directory: Path, stored: StoredKeys) -> None:
    """Write a plain key file, whole or not at all, readable by its owner alone."""
    _write_durably(directory / KEYS_FILE, stored.to_bytes())


def _with(stored: StoredKeys, entries: Sequence[StoredKey]) -> StoredKeys:
    return msgspec.structs.replace(stored, keys=(*stored.keys, *entries))


def _write_durably(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
