"""Signing in by OpenID Connect: the authorization code flow with PKCE (RFC 6749, 7636, 9700).

A sign-in that began is remembered under a cookie of the browser in which it began, with its state,
its nonce and the secret half of its challenge, each drawn for it alone; it is good once, for ten
minutes. So an answer of the provider counts in that browser only, and only once, and a code that
was stolen on the way is worth nothing. It is remembered in memory: a node that was started anew
asks people to begin again.

Who somebody is, is the pair of issuer and subject; names only show it. What they may do is what
their provider says of their groups, at every sign-in.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from tieout.node.access import US, Role, digest_of
from tieout.node.errors import NodeError, SettingsError
from tieout.node.limits import MAX_SIGN_INS, MAX_SIGN_INS_IN_LINE, SIGN_IN_S, TOKEN_BYTES
from tieout.node.oidc.idtoken import Expected, KeyUnknown, TokenRefused, verify_id_token
from tieout.node.oidc.provider import Client, Provider, ProviderFailed, check_url
from tieout.node.problems import ProblemError
from tieout.node.settings import Oidc, Settings

CALLBACK: Final = "/oidc"
"""Where the provider sends people back to: a page of ours."""

Result = TypeVar("Result")


class Identity(NamedTuple):
    """Whom the provider knows: who they are, and what follows from its claims about them.

    `person` is None where the settings leave that to administrators.
    """

    issuer: str
    subject: str
    name: str
    role: Role
    person: str | None


class _Begun(NamedTuple):
    """A sign-in that began."""

    state: str
    nonce: str
    verifier: str
    expires_us: int


class OidcDesk:
    """Begins sign-ins and finishes them, one at a time (`turn`)."""

    def __init__(self, settings: Oidc, provider: Provider, clock: Callable[[], int]) -> None:
        """`clock` gives microseconds UTC."""
        self._settings = settings
        self._provider = provider
        self._clock = clock
        self._begun: dict[bytes, _Begun] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="oidc")
        self._waiting = 0

    def close(self) -> None:
        """Begin nothing more; what is asked of the provider ends first."""
        self._thread.shutdown(cancel_futures=True)

    async def turn(self, work: Callable[[], Result]) -> Result:
        """Begin or finish a sign-in on the desk's own thread, one after the other.

        A provider that does not answer holds up sign-ins and nothing else. Raises ProblemError.
        """
        if self._waiting >= MAX_SIGN_INS_IN_LINE:
            raise ProblemError("busy", "too many sign in at once", retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def begin(self) -> tuple[str, str]:
        """(where to send the browser, the cookie that it keeps). Raises ProblemError."""
        cookie, state, nonce, verifier = (secrets.token_urlsafe(TOKEN_BYTES) for _ in range(4))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        client = self._provider.client
        with _asking():
            url = self._provider.authorization_url(
                {
                    "response_type": "code",
                    "client_id": client.id,
                    "redirect_uri": client.redirect_uri,
                    "scope": self._settings.scopes,
                    "state": state,
                    "nonce": nonce,
                    "code_challenge": challenge.decode().rstrip("="),
                    "code_challenge_method": "S256",
                }
            )
        begun = _Begun(state, nonce, verifier, self._clock() + SIGN_IN_S * US)
        while len(self._begun) >= MAX_SIGN_INS:
            del self._begun[next(iter(self._begun))]
        self._begun[digest_of(cookie)] = begun
        return url, cookie

    def finish(self, cookie: str, state: str, code: str, issuer: str) -> Identity:
        """Who signed in. `issuer` is what the answer says (RFC 9207), empty where it does not.

        Raises ProblemError: whatever came of it, this sign-in is over.
        """
        begun = self._begun.pop(digest_of(cookie), None)
        if begun is None or begun.expires_us < self._clock():
            raise refused("no sign-in began in this browser, or it was finished, or has ended")
        if not hmac.compare_digest(begun.state.encode(), state.encode()):
            raise refused("the answer belongs to another sign-in")
        if issuer not in ("", self._provider.issuer):
            raise refused("the answer is from another issuer")
        try:
            with _asking():
                claims = self._claims(code, begun)
        except TokenRefused as error:
            raise refused(f"the ID token is not believed: {error}") from error
        return self._identity(claims)

    def _claims(self, code: str, begun: _Begun) -> dict[str, Any]:
        provider = self._provider
        token = provider.id_token(code, begun.verifier)
        expected = Expected(provider.issuer, provider.client.id, begun.nonce, self._clock() // US)
        try:
            return verify_id_token(token, provider.keys(), expected)
        except KeyUnknown:
            return verify_id_token(token, provider.keys(anew=True), expected)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        settings = self._settings
        held = _values(claims, settings.roles_claim)
        role = next((role for role, group in groups(settings).items() if group in held), None)
        if role is None:
            raise refused("the provider gives them no role on this node")
        name = claims.get(settings.name_claim)
        if not isinstance(name, str):
            raise refused(f"the provider says no {settings.name_claim}")
        person: str | None = None
        if settings.person_claim:
            person = next(iter(_values(claims, settings.person_claim)), "")
        return Identity(self._provider.issuer, claims["sub"], name, role, person)


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """A provider that fails becomes a problem."""
    try:
        yield
    except ProviderFailed as error:
        raise ProblemError("provider_failed", str(error), retry_after_s=5) from error


def refused(why: str) -> ProblemError:
    """A sign-in that is not accepted."""
    return ProblemError("sign_in_refused", why)


def groups(settings: Oidc) -> dict[Role, str]:
    """What the provider says of those who have a role; of several the first counts."""
    stated = {
        Role.ADMINISTRATOR: settings.administrators,
        Role.APPROVER: settings.approvers,
        Role.OPERATOR: settings.operators,
        Role.AUDITOR: settings.auditors,
        Role.VIEWER: settings.viewers,
    }
    return {role: group for role, group in stated.items() if group}


def _values(claims: dict[str, Any], name: str) -> list[str]:
    """The texts of a claim, of which there may be one or many; `a.b` is `b` within `a`."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    many = found if isinstance(found, list) else [found]
    return [each for each in many if isinstance(each, str) and each]


def open_desk(directory: Path, settings: Settings, clock: Callable[[], int]) -> OidcDesk | None:
    """The desk that the settings describe, None where they name no issuer. Raises NodeError."""
    stated = settings.oidc
    if not stated.issuer:
        return None
    for key, is_there, what in (
        ("oidc.client_id", stated.client_id, "the provider gives one to this node"),
        ("listen.public_url", settings.listen.public_url, "the provider sends people back to it"),
        ("oidc.administrators", groups(stated), "no group of the provider has any role here"),
        ("oidc.scopes", "openid" in stated.scopes.split(), "`openid` is one of them"),
    ):
        if not is_there:
            raise SettingsError(key, what)
    secret = ""
    try:
        check_url(stated.issuer)
        if stated.client_secret_file:
            secret = (directory / stated.client_secret_file).read_text(encoding="utf-8").strip()
    except ProviderFailed as error:
        raise SettingsError("oidc.issuer", str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"oidc.client_secret_file: {error}", "it holds the secret alone") from error
    redirect_uri = settings.listen.public_url.removesuffix("/") + CALLBACK
    client = Client(stated.client_id, secret, redirect_uri)
    provider = Provider(stated.issuer, client, lambda: clock() // US)
    return OidcDesk(stated, provider, clock)
