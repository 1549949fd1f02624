"""Which ID tokens are believed: three algorithms, one issuer, one audience, one sign-in."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.node.oidc.provider import CLIENT, NOW_S, Key, coded, confused, unsigned
from tieout.node.oidc.idtoken import Expected, Jwk, KeyUnknown, TokenRefused, verify_id_token

ISSUER = "https://id.example.com"
EXPECTED = Expected(ISSUER, CLIENT, "the nonce", NOW_S)
KEYS = {alg: Key(alg, f"key of {alg}") for alg in ("RS256", "ES256", "EdDSA")}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "aud": CLIENT, "sub": "u-1", "nonce": "the nonce", "iat": NOW_S - 5,
    "exp": NOW_S + 300,
}  # fmt: skip
RSA = KEYS["RS256"]


def known(*keys: Key, **changes: Any) -> list[Jwk]:
    return [msgspec.convert(key.jwk | changes, Jwk) for key in keys or KEYS.values()]


@pytest.mark.parametrize("alg", KEYS)
def test_what_the_provider_signed_is_believed(alg: str) -> None:
    assert verify_id_token(KEYS[alg].token(CLAIMS), known(), EXPECTED) == CLAIMS


@pytest.mark.parametrize("alg", KEYS)
def test_the_only_key_for_an_algorithm_needs_no_name(alg: str) -> None:
    assert verify_id_token(KEYS[alg].token(CLAIMS, kid=""), known(), EXPECTED) == CLAIMS
    two = known(KEYS[alg], Key(alg, "another"))
    with pytest.raises(TokenRefused, match="which of the provider's keys"):
        verify_id_token(KEYS[alg].token(CLAIMS, kid=""), two, EXPECTED)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://id.example.com/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "somebody"}, "for somebody else"),
        ({"aud": []}, "for somebody else"),
        ({"aud": {"tieout-node": 1}}, "for somebody else"),
        ({"aud": [CLIENT, "somebody"]}, "asked for by somebody else"),
        ({"azp": "somebody"}, "asked for by somebody else"),
        ({"exp": NOW_S - 60}, "has ended"),
        ({"exp": None}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": "9999999999"}, "exp is no time"),
        ({"iat": NOW_S + 61}, "not valid yet"),
        ({"nbf": NOW_S + 61}, "not valid yet"),
        ({"iat": None}, "iat is no time"),
        ({"nonce": "another"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"sub": ""}, "does not say who"),
        ({"sub": 7}, "does not say who"),
        ({"sub": "x" * 256}, "does not say who"),
    ],
)
def test_a_token_that_says_something_else_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(TokenRefused, match=why):
        verify_id_token(RSA.token(CLAIMS | changes), known(), EXPECTED)


def test_of_several_audiences_the_one_that_asked_is_named() -> None:
    claims = CLAIMS | {"aud": ["somebody", CLIENT], "azp": CLIENT, "exp": NOW_S + 0.5}
    assert verify_id_token(RSA.token(claims), known(), EXPECTED) == claims


def changed(place: int, to: str) -> str:
    parts = RSA.token(CLAIMS).split(".")
    parts[place] = to
    return ".".join(parts)


FORGED: dict[str, Callable[[], str]] = {
    "unsigned": lambda: unsigned(CLAIMS),
    "a MAC made with the public key": lambda: confused(RSA, CLAIMS),
    "another algorithm for the same key": lambda: RSA.token(CLAIMS, alg="PS256"),
    "an algorithm of another kind of key": lambda: RSA.token(CLAIMS, alg="ES256"),
    "none, in other letters": lambda: RSA.token(CLAIMS, alg="nOnE"),
    "another's key under the same name": lambda: Key("RS256", RSA.kid).token(CLAIMS),
    "a key that it brings along": lambda: Key("RS256", "own").token(CLAIMS, jwk=RSA.jwk),
    "an extension that must be known": lambda: RSA.token(CLAIMS, crit=["exp"]),
    "other claims": lambda: changed(1, coded(CLAIMS | {"sub": "u-2"})),
    "no signature": lambda: changed(2, ""),
    "a signature cut short": lambda: RSA.token(CLAIMS)[:-8],
    "padding": lambda: RSA.token(CLAIMS) + "==",
    "two parts": lambda: RSA.token(CLAIMS).rpartition(".")[0],
    "four parts": lambda: RSA.token(CLAIMS) + ".",
    "no JSON": lambda: changed(0, coded(b"{")),
    "no object": lambda: changed(1, coded(b"[]")),
    "bytes that are no text": lambda: changed(0, coded(b'{"alg":"\xff"}')),
    "no text of ASCII": lambda: changed(0, "\u00e9"),
    "nothing": lambda: "",
    "a book": lambda: RSA.token(CLAIMS | {"sub": "x" * 70_000}),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused(forged: str) -> None:
    with pytest.raises(TokenRefused):
        verify_id_token(FORGED[forged](), known(), EXPECTED)


def test_a_short_signature_of_a_curve_is_refused() -> None:
    key = KEYS["ES256"]
    said, _, _ = key.token(CLAIMS).rpartition(".")
    with pytest.raises(TokenRefused, match="signature"):
        verify_id_token(f"{said}.{coded(bytes(64))}", known(), EXPECTED)
    with pytest.raises(TokenRefused, match="signature"):
        verify_id_token(f"{said}.{coded(bytes(70))}", known(), EXPECTED)


def test_a_key_for_something_else_signs_no_tokens() -> None:
    for changes in ({"use": "enc"}, {"alg": "RS512"}, {"kid": "other"}):
        with pytest.raises(KeyUnknown):
            verify_id_token(RSA.token(CLAIMS), known(RSA, **changes), EXPECTED)


def test_a_short_key_signs_no_tokens() -> None:
    short = Key("RS256", "short", bits=1_024)
    with pytest.raises(TokenRefused, match="too short"):
        verify_id_token(short.token(CLAIMS), known(short), EXPECTED)
