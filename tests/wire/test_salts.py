"""Salts are the same on a re-run, and another for everything else."""

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from tieout.wire.errors import WireError
from tieout.wire.salts import salts

SECRET = bytes(range(32))
LEDGER = bytes(range(32, 64))


def test_the_same_place_has_the_same_salts_and_more_rows_only_add_some() -> None:
    long = salts(SECRET, LEDGER, 1, 2, 3, 1000)
    assert len(long) == 16 * 1000
    assert salts(SECRET, LEDGER, 1, 2, 3, 10) == long[:160]
    assert len({long[i : i + 16] for i in range(0, len(long), 16)}) == 1000


def test_another_secret_ledger_party_stream_or_sequence_has_other_salts() -> None:
    places = [
        (SECRET, LEDGER, 1, 2, 3),
        (LEDGER, LEDGER, 1, 2, 3),
        (SECRET, SECRET, 1, 2, 3),
        (SECRET, LEDGER, 2, 2, 3),
        (SECRET, LEDGER, 1, 1, 3),
        (SECRET, LEDGER, 1, 2, 4),
    ]
    assert len({salts(*place, 1) for place in places}) == len(places)


@given(
    party=st.integers(0, 0xFFFF),
    stream=st.integers(0, 0xFFFF),
    sequence=st.integers(0, (1 << 64) - 1),
    count=st.integers(0, 20),
)
def test_salts_are_a_keystream_under_a_hash_of_the_place(
    party: int, stream: int, sequence: int, count: int
) -> None:
    place = party.to_bytes(2, "little") + stream.to_bytes(2, "little")
    place += sequence.to_bytes(8, "little")
    key = hashlib.sha256(b"tieout/salts/1\0\0" + SECRET + LEDGER + place).digest()
    # One block of AES for each salt, the counter being the index of the row.
    blocks = b"".join(aes_block(key, row.to_bytes(16, "big")) for row in range(count))
    assert salts(SECRET, LEDGER, party, stream, sequence, count) == blocks


def aes_block(key: bytes, block: bytes) -> bytes:
    """AES-256 of one block."""
    return Cipher(AES256(key), ECB()).encryptor().update(block)  # noqa: S305 - a single block


@pytest.mark.parametrize(("secret", "ledger"), [(b"", LEDGER), (SECRET, b""), (SECRET * 2, LEDGER)])
def test_a_secret_of_another_length_is_refused(secret: bytes, ledger: bytes) -> None:
    with pytest.raises(WireError):
        salts(secret, ledger, 1, 0, 1, 1)
