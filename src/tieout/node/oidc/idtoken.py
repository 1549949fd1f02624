"""Whether an ID token is one: its signature, for whom it is, from whom, and until when.

OpenID Connect Core 1.0, section 3.1.3.7, with JWS (RFC 7515), JWK (RFC 7517) and the advice of
RFC 8725. The token says which algorithm and which key; that is a claim of a stranger until it was
checked. So the algorithm must be one of three, each of which belongs to one kind of key: `none`,
and a MAC made with a public key as its secret, are no algorithms here at all.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

MAX_TOKEN_CHARACTERS: Final = 64 * 1024
"""A token with the groups of somebody who is in all of them."""
MAX_SUBJECT: Final = 255
"""OpenID Connect Core, section 2."""
LEEWAY_S: Final = 60
"""How far two clocks may be apart."""
MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 8_192
"""Beyond, checking a signature costs what an attacker likes."""
_P256_BYTES: Final = 32
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")
_PARTS: Final = 3


class TokenRefused(Exception):
    """An ID token that is not believed. Says why, and nothing that stands in the token."""


class KeyUnknown(TokenRefused):
    """No key of the provider that is known here is the one that the token names."""


class Jwk(msgspec.Struct, frozen=True):
    """A public key as the provider tells it; further members mean nothing here."""

    kty: str
    kid: str = ""
    use: str = ""
    alg: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class Expected(NamedTuple):
    """What a token has to say."""

    issuer: str
    client_id: str
    nonce: str
    now_s: int


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    crit: Any = None


def verify_id_token(token: str, keys: Sequence[Jwk], expected: Expected) -> dict[str, Any]:
    """The claims of a token that is believed. Raises TokenRefused."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(parts) != _PARTS:
        raise TokenRefused("it is no token")
    try:
        header = msgspec.json.decode(_decoded(parts[0]), type=_Header)
        claims = msgspec.json.decode(_decoded(parts[1]), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TokenRefused("it is no token") from error
    if header.crit is not None:
        raise TokenRefused("it takes an extension that is not known here")
    _check_signature(header, f"{parts[0]}.{parts[1]}".encode(), _decoded(parts[2]), keys)
    _check_claims(claims, expected)
    return claims


def _check_signature(header: _Header, said: bytes, signature: bytes, keys: Sequence[Jwk]) -> None:
    if header.alg not in ALGORITHMS:
        raise TokenRefused("it is signed with no algorithm that is taken here")
    kty, crv, check = ALGORITHMS[header.alg]
    fitting = [
        key
        for key in keys
        if (key.kty, key.crv) == (kty, crv)
        and key.use in ("", "sig")
        and key.alg in ("", header.alg)
        and key.kid == (header.kid or key.kid)
    ]
    if not fitting:
        raise KeyUnknown("it names no key of the provider for this algorithm")
    if len(fitting) > 1:
        raise TokenRefused("it does not say which of the provider's keys signed it")
    try:
        check(fitting[0], said, signature)
    except (InvalidSignature, ValueError) as error:
        raise TokenRefused("its signature does not fit") from error


def _check_rsa(key: Jwk, said: bytes, signature: bytes) -> None:
    modulus, exponent = _number(key.n), _number(key.e)
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or exponent >= 1 << 32:
        raise TokenRefused("the provider's key is too short or too long")
    RSAPublicNumbers(exponent, modulus).public_key().verify(signature, said, PKCS1v15(), SHA256())


def _check_p256(key: Jwk, said: bytes, signature: bytes) -> None:
    if len(signature) != 2 * _P256_BYTES:
        raise InvalidSignature
    halves = signature[:_P256_BYTES], signature[_P256_BYTES:]
    der = encode_dss_signature(*(int.from_bytes(half) for half in halves))
    numbers = EllipticCurvePublicNumbers(_number(key.x), _number(key.y), SECP256R1())
    numbers.public_key().verify(der, said, ECDSA(SHA256()))


def _check_ed25519(key: Jwk, said: bytes, signature: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(_decoded(key.x)).verify(signature, said)


ALGORITHMS: Final[Mapping[str, tuple[str, str, Callable[[Jwk, bytes, bytes], None]]]] = {
    "RS256": ("RSA", "", _check_rsa),
    "ES256": ("EC", "P-256", _check_p256),
    "EdDSA": ("OKP", "Ed25519", _check_ed25519),
}
"""What is taken: the kind of key and the curve that each belongs to, and how it is checked."""


def _check_claims(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("it is from another issuer")
    stated = claims.get("aud")
    audience = stated if isinstance(stated, list) else [stated]
    if expected.client_id not in audience:
        raise TokenRefused("it is for somebody else")
    if claims.get("azp", None if len(audience) > 1 else expected.client_id) != expected.client_id:
        raise TokenRefused("it was asked for by somebody else")
    if _time(claims, "exp") <= expected.now_s - LEEWAY_S:
        raise TokenRefused("it has ended")
    begins_s = max(_time(claims, "iat"), _time(claims, "nbf") if "nbf" in claims else 0)
    if begins_s > expected.now_s + LEEWAY_S:
        raise TokenRefused("it is not valid yet")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode("utf-8", "surrogatepass"), expected.nonce.encode()
    ):
        raise TokenRefused("it belongs to another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenRefused("it does not say who it is about")


def _time(claims: dict[str, Any], name: str) -> float:
    """Seconds since 1970."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"{name} is no time")
    return value


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _decoded(text: str) -> bytes:
    """Bytes of Base64url without padding (RFC 7515, appendix C). Raises TokenRefused."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise TokenRefused("it is not written in Base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
