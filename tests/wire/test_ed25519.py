"""One answer to every signature, also where the standard leaves it open."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tieout.wire import ed25519
from tieout.wire.ed25519 import FIELD_PRIME, GROUP_ORDER, SMALL_ORDER, SigningKey, verify
from tieout.wire.errors import WireError

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
SPECCHECK = json.loads((VECTORS / "ed25519-speccheck.json").read_bytes())["cases"]
RFC8032 = json.loads((VECTORS / "ed25519-rfc8032.json").read_bytes())["cases"]
EDWARDS_D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME

Point = tuple[int, int]


def decoded(encoding: bytes) -> Point | None:
    """The point of an encoding (RFC 8032, 5.1.3, without its range check), None for no point."""
    number = int.from_bytes(encoding, "little")
    y = (number & ((1 << 255) - 1)) % FIELD_PRIME
    square = (y * y - 1) * pow(EDWARDS_D * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    x = pow(square, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    if x * x % FIELD_PRIME != square:
        x = x * pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME) % FIELD_PRIME
    if x * x % FIELD_PRIME != square:
        return None
    return (x if x % 2 == number >> 255 else -x % FIELD_PRIME), y


def added(a: Point, b: Point) -> Point:
    product = EDWARDS_D * a[0] * b[0] * a[1] * b[1] % FIELD_PRIME
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, FIELD_PRIME) % FIELD_PRIME
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, FIELD_PRIME) % FIELD_PRIME
    return x, y


@pytest.mark.parametrize("case", SPECCHECK, ids=lambda case: case["what"])
def test_speccheck_cases_have_the_strict_answer(case: dict[str, str]) -> None:
    public, message, signature = (
        bytes.fromhex(case[part]) for part in ("public", "message", "signature")
    )
    assert verify(public, message, signature) is case["strict"]


@pytest.mark.parametrize("case", RFC8032, ids=lambda case: case["public"][:8])
def test_rfc8032_keys_and_signatures(case: dict[str, str]) -> None:
    key = SigningKey(bytes.fromhex(case["seed"]))
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert key.public.hex() == case["public"]
    assert key.sign(message) == signature
    assert verify(key.public, message, signature)


def test_the_points_of_small_order_are_those_that_eight_additions_bring_home() -> None:
    points = set()
    for encoding in SMALL_ORDER:
        point = decoded(encoding)
        assert point is not None
        points.add(point)
        doubled = point
        for _ in range(3):
            doubled = added(doubled, doubled)
        assert doubled == (0, 1)
    # The group has cofactor 8, so there are no others.
    assert len(points) == 8


NON_CANONICAL = [
    (y | sign << 255).to_bytes(32, "little")
    for y in range(FIELD_PRIME, 1 << 255)
    for sign in (0, 1)
]


@pytest.mark.parametrize("point", [*sorted(SMALL_ORDER), *NON_CANONICAL], ids=bytes.hex)
def test_small_order_and_non_canonical_points_are_refused_as_key_and_as_nonce(point: bytes) -> None:
    key = SigningKey(bytes(range(32)))
    signature = key.sign(b"message")
    assert not ed25519.is_sound_key(point)
    assert not verify(point, b"message", signature)
    # S = 0 and R = A: what a small-order key lets anybody write.
    assert not verify(point, b"message", point + bytes(32))
    assert not verify(key.public, b"message", point + signature[32:])


def test_a_scalar_that_is_not_reduced_is_a_second_signature_and_refused() -> None:
    key = SigningKey(bytes(32))
    signature = key.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert verify(key.public, b"message", signature)
    assert not verify(key.public, b"message", signature[:32] + scalar.to_bytes(32, "little"))


def test_a_key_off_the_curve_satisfies_nothing() -> None:
    off_curve = bytes([2]) + bytes(31)
    assert decoded(off_curve) is None
    assert not verify(off_curve, b"", SigningKey(bytes(32)).sign(b""))


@given(
    public=st.binary(max_size=40), message=st.binary(max_size=8), signature=st.binary(max_size=80)
)
def test_strangers_bytes_are_refused_without_an_error(
    public: bytes, message: bytes, signature: bytes
) -> None:
    assert verify(public, message, signature) is False


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), data=st.data())
def test_what_is_signed_verifies_and_any_flipped_bit_does_not(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    key = SigningKey(seed)
    signature = key.sign(message)
    assert signature == Ed25519PrivateKey.from_private_bytes(seed).sign(message)
    assert verify(key.public, message, signature)
    whole = bytearray(key.public + signature + message)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert not verify(bytes(whole[:32]), bytes(whole[96:]), bytes(whole[32:96]))


def encoded(point: Point) -> bytes:
    return (point[1] | point[0] % 2 << 255).to_bytes(32, "little")


def multiplied(factor: int, point: Point) -> Point:
    product = (0, 1)
    for bit in f"{factor:b}":
        product = added(product, product)
        product = added(product, point) if bit == "1" else product
    return product


def openssl_verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


BASE = decoded(bytes.fromhex("58" + "66" * 31))
SMALL_POINTS = sorted({decoded(encoding) for encoding in SMALL_ORDER})
scalars = st.integers(1, GROUP_ORDER - 1)


@given(
    secret=scalars,
    nonce=scalars,
    of_key=st.sampled_from(SMALL_POINTS),
    of_nonce=st.sampled_from(SMALL_POINTS),
    message=st.binary(max_size=8),
)
def test_openssl_and_libsodium_agree_on_points_with_a_part_of_small_order(
    secret: int, nonce: int, of_key: Point, of_nonce: Point, message: bytes
) -> None:
    """With cofactor all of these would pass; without, one in eight at most of those with a part."""
    public = encoded(added(multiplied(secret, BASE), of_key))
    commitment = encoded(added(multiplied(nonce, BASE), of_nonce))
    digest = hashlib.sha512(commitment + public + message).digest()
    challenge = int.from_bytes(digest, "little") % GROUP_ORDER
    scalar = (nonce + challenge * secret) % GROUP_ORDER
    signature = commitment + scalar.to_bytes(32, "little")
    verdict = verify(public, message, signature)
    assert verdict == openssl_verifies(public, message, signature)
    home = added(of_nonce, multiplied(challenge % 8, of_key)) == (0, 1)
    assert verdict == home


def test_keys_whose_judgement_is_kept_are_bounded() -> None:
    assert ed25519.is_sound_key.cache_parameters()["maxsize"] == ed25519.MAX_JUDGED_KEYS


def test_a_signing_key_does_not_tell_its_seed() -> None:
    key = SigningKey.from_hex("07" * 32)
    assert "0707" not in repr(key)
    assert repr(key) == f"SigningKey(public={key.public.hex()})"


@pytest.mark.parametrize("text", ["", "07" * 31, "07" * 33, "xx" * 32, "07 " * 31])
def test_a_seed_is_exactly_64_hex_digits(text: str) -> None:
    with pytest.raises(WireError):
        SigningKey.from_hex(text)
