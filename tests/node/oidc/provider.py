"""A small identity provider on loopback, with keys of its own.

It signs people in at once, as whoever `claims` says, and remembers what it was asked.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT, SECRET = "tieout-node", "not: a secret%"
NOW_S = 1_790_000_000
Sign = Callable[[bytes], bytes]


def coded(data: bytes | dict[str, Any]) -> str:
    """Base64url, as tokens are written; of a mapping its JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def numbered(value: int) -> str:
    return coded(value.to_bytes((value.bit_length() + 7) // 8))


def _halves(key: ec.EllipticCurvePrivateKey, said: bytes) -> tuple[int, int]:
    return decode_dss_signature(key.sign(said, ec.ECDSA(SHA256())))


class Key:
    """A key of the provider: what it signs with, and how it tells its public half."""

    def __init__(self, alg: str, kid: str, bits: int = 2_048) -> None:
        self.alg, self.kid = alg, kid
        self.jwk: dict[str, Any]
        self.sign: Sign
        if alg == "RS256":
            one = rsa.generate_private_key(65_537, bits)
            numbers = one.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": numbered(numbers.n), "e": numbered(numbers.e)}
            self.sign = lambda said: one.sign(said, PKCS1v15(), SHA256())
        elif alg == "ES256":
            two = ec.generate_private_key(ec.SECP256R1())
            point = two.public_key().public_numbers()
            x, y = (coded(value.to_bytes(32)) for value in (point.x, point.y))
            self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
            self.sign = lambda said: b"".join(half.to_bytes(32) for half in _halves(two, said))
        else:
            three = ed25519.Ed25519PrivateKey.generate()
            raw = three.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": coded(raw)}
            self.sign = three.sign
        self.jwk |= {"kid": kid, "use": "sig", "alg": alg}

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        """A signed token; `header` changes what its head says."""
        said = f"{coded({'alg': self.alg, 'kid': self.kid} | header)}.{coded(claims)}"
        return f"{said}.{coded(self.sign(said.encode()))}"


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says of itself that nobody signed it."""
    return f"{coded({'alg': 'none'})}.{coded(claims)}."


def confused(key: Key, claims: dict[str, Any]) -> str:
    """A token with a MAC, made with the provider's public key as if that were a secret."""
    said = f"{coded({'alg': 'HS256', 'kid': key.kid})}.{coded(claims)}"
    return f"{said}.{coded(hmac.digest(key.jwk['n'].encode(), said.encode(), 'sha256'))}"


class TestProvider:
    """The provider. `people` are the claims of whoever signs in next; `make` makes the token."""

    __test__ = False

    def __init__(self) -> None:
        self.keys = [Key("RS256", "first")]
        self.people: dict[str, Any] = {
            "sub": "u-1", "preferred_username": "mei", "groups": ["staff", "tieout-operators"],
        }  # fmt: skip
        self.make: Callable[[dict[str, Any]], str] = self._token
        self.now_s = NOW_S
        self.asked: list[str] = []
        self.issuer = ""
        self.says_issuer = ""
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, url: str) -> tuple[str, str]:
        """What a browser that was sent to `url` comes back with: (state, code)."""
        told = dict(parse_qsl(urlsplit(url).query))
        assert told["response_type"] == "code"
        assert told["client_id"] == CLIENT
        assert told["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = told
        return told["state"], code

    def _token(self, claims: dict[str, Any]) -> str:
        return self.keys[0].token(claims)

    def claims(self, nonce: str) -> dict[str, Any]:
        return {
            "iss": self.issuer, "aud": CLIENT, "exp": self.now_s + 300, "iat": self.now_s,
            "nonce": nonce, **self.people,
        }  # fmt: skip

    def answer(self, path: str, form: dict[str, str], authorization: str) -> Any:
        """What is said at a path; None for a refusal."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.says_issuer or self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "subject_types_supported": ["public"],
            }
        if path == "/keys":
            return {"keys": [key.jwk for key in self.keys]}
        begun = self._codes.pop(form.get("code", ""), None)
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            begun is None
            or [unquote(each) for each in pair] != [CLIENT, SECRET]
            or coded(verifier) != begun["code_challenge"]
            or form.get("redirect_uri") != begun["redirect_uri"]
        ):
            return None
        token = self.make(self.claims(begun["nonce"]))
        return {"access_token": "-", "token_type": "Bearer", "id_token": token}


@contextmanager
def running() -> Iterator[TestProvider]:
    """A provider on a port of its own."""
    provider = TestProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._tell({name: values[0] for name, values in parse_qs(body).items()})

        def _tell(self, form: dict[str, str]) -> None:
            said = provider.answer(self.path, form, self.headers.get("Authorization", ""))
            body = json.dumps(said or {"error": "invalid_grant"}).encode()
            self.send_response(400 if said is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield provider
        server.shutdown()
        thread.join(30)
