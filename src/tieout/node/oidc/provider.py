"""The identity provider as it is asked over HTTP: where its endpoints are, its keys, tokens.

Everything is asked of the addresses that the issuer's own document names, over TLS (without it of
this machine alone); redirects are not followed; what is answered has a limit. Answers about
addresses and keys are kept for an hour; a key that is not known is looked for once more.
"""

import base64
import http.client
import ssl
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tieout import __version__
from tieout.node.oidc.idtoken import Jwk

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""A provider's keys, or a token with everything in it."""
MAX_KEYS: Final = 100
KEPT_S: Final = 3_600
KEYS_AGAIN_S: Final = 30
"""So often at most are keys asked for because a token names one that is not known."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_FORM: Final = "application/x-www-form-urlencoded"
_OK: Final = 200

Kind = TypeVar("Kind", bound=msgspec.Struct)


class ProviderFailed(Exception):
    """The provider does not answer, or not as it has to."""


class Metadata(msgspec.Struct, frozen=True):
    """What the issuer says of itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Keys(msgspec.Struct, frozen=True):
    keys: tuple[Jwk, ...]


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Client(msgspec.Struct, frozen=True):
    """Whom the provider knows this node as; without a secret where the provider gave none."""

    id: str
    secret: str
    redirect_uri: str


class Provider:
    """One issuer. For one thread at a time."""

    def __init__(self, issuer: str, client: Client, now_s: Callable[[], int]) -> None:
        self.issuer = issuer
        self.client = client
        self._now_s = now_s
        self._metadata: tuple[int, Metadata] | None = None
        self._keys: tuple[int, tuple[Jwk, ...]] | None = None

    def metadata(self) -> Metadata:
        """Where its endpoints are. Raises ProviderFailed."""
        if self._metadata is None or self._metadata[0] + KEPT_S <= self._now_s():
            url = self.issuer.removesuffix("/") + "/.well-known/openid-configuration"
            found = _answer(url, Metadata)
            if found.issuer != self.issuer:
                raise ProviderFailed("the issuer's document is about another issuer")
            for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                check_url(endpoint)
            self._metadata = self._now_s(), found
        return self._metadata[1]

    def keys(self, *, anew: bool = False) -> tuple[Jwk, ...]:
        """Its public keys; `anew` where one was missing. Raises ProviderFailed."""
        kept_s = KEYS_AGAIN_S if anew else KEPT_S
        if self._keys is None or self._keys[0] + kept_s <= self._now_s():
            found = _answer(self.metadata().jwks_uri, _Keys).keys
            self._keys = self._now_s(), found[:MAX_KEYS]
        return self._keys[1]

    def authorization_url(self, parameters: Mapping[str, str]) -> str:
        """Where a person is sent to sign in. Raises ProviderFailed."""
        endpoint = self.metadata().authorization_endpoint
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(parameters)

    def id_token(self, code: str, verifier: str) -> str:
        """The ID token for a code, not checked yet. Raises ProviderFailed."""
        client, metadata = self.client, self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": _FORM}
        if (
            client.secret
            and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
        ):
            # RFC 6749, section 2.3.1: both are form-encoded before they are put together.
            pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = client.id
            if client.secret:
                form["client_secret"] = client.secret
        return _answer(metadata.token_endpoint, _Tokens, urlencode(form).encode(), headers).id_token


def check_url(url: str) -> None:
    """Raise ProviderFailed for an address that is not over TLS, unless it is of this machine."""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        is_plain = bool(parts.hostname) and not parts.fragment and "@" not in parts.netloc
        _ = parts.port
    except ValueError as error:
        raise ProviderFailed(f"{url} is no address") from error
    if not is_safe or not is_plain:
        raise ProviderFailed(f"{url} is no address over TLS")


def _answer(
    url: str,
    kind: type[Kind],
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Kind:
    check_url(url)
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port
    line = (
        http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Accept": "application/json", "User-Agent": f"tieout/{__version__}", **(headers or {})}
    try:
        line.request("GET" if body is None else "POST", target, body, sent)
        answer = line.getresponse()
        data = answer.read(MAX_ANSWER_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise ProviderFailed(f"the provider does not answer: {type(error).__name__}") from error
    finally:
        line.close()
    if answer.status != _OK or len(data) > MAX_ANSWER_BYTES:
        raise ProviderFailed(f"the provider answers HTTP {answer.status}, {len(data)} bytes")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProviderFailed("the provider's answer cannot be read") from error
