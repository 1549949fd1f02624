"""Who may do what: roles, permissions, and the three ways in (token, session, one-time link).

A user has one role; a role is a set of permissions; a token has a user and at most that user's
permissions. What each endpoint takes stands beside it in the table of endpoints, and a test asks
every endpoint as every role.

Secrets are random and are kept as argon2id hashes; those that were checked once are remembered in
memory by their SHA-256, as argon2 takes milliseconds on purpose. A change of a user or token
empties that memory.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tieout.node.limits import (
    MAX_LOGINS_PER_MINUTE,
    MAX_PASSWORD_CHARACTERS,
    MIN_PASSWORD_CHARACTERS,
    SETUP_LINK_S,
    TOKEN_BYTES,
)
from tieout.node.problems import ProblemError
from tieout.node.store import Store, Taken, Token, User

US: Final = 1_000_000
DAY_US: Final = 86_400 * US
TOKEN_PREFIX: Final = "tieout"  # noqa: S105 - it says whose token it is


NAME_CHARACTER: Final = "[A-Za-z0-9._@-]"
"""Of a user's name."""


class Permission(StrEnum):
    """What can be allowed; the scopes of a token are some of these."""

    READ = "read"
    PUBLISH = "publish"
    OPERATE = "operate"
    """Close cut-offs, acknowledge alarms."""
    WORK = "work"
    """Assign breaks, say why they are there, comment, attach files."""
    APPROVE = "approve"
    """Approve and refuse correcting entries, as a person of a party."""
    GOVERN = "govern"
    """Put agreements into force."""
    AUDIT = "audit"
    """Read who did what on this node."""
    ADMINISTER = "administer"
    """Users, tokens and reason codes."""


class Role(StrEnum):
    """What a user is on this node."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLES: Final[dict[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset(
        {Permission.READ, Permission.PUBLISH, Permission.OPERATE, Permission.WORK}
    ),
    Role.APPROVER: frozenset({Permission.READ, Permission.WORK, Permission.APPROVE}),
    Role.ADMINISTRATOR: frozenset(
        {Permission.READ, Permission.GOVERN, Permission.AUDIT, Permission.ADMINISTER}
    ),
    Role.AUDITOR: frozenset({Permission.READ, Permission.AUDIT}),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user, what they may do now, and whether a browser's session speaks for them."""

    user: int
    name: str
    role: Role
    person: str
    permissions: frozenset[Permission]
    expires_us: int
    csrf: bytes | None = None
    token: str = ""


def digest_of(secret: str) -> bytes:
    """SHA-256 of a secret that is random itself."""
    return hashlib.sha256(secret.encode()).digest()


class Doorkeeper:
    """Checks who somebody is. Any thread may ask."""

    def __init__(self, store: Store, clock: Callable[[], int], session_s: int) -> None:
        """`clock` gives microseconds UTC."""
        self._store = store
        self._clock = clock
        self._session_us = session_s * US
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))
        self._known: dict[bytes, Principal] = {}
        self._failed: dict[str, list[int]] = {}
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()
        self._checking = threading.Lock()

    def forget(self) -> None:
        """Check every secret anew from now on: users or tokens have changed."""
        self._known = {}

    # ------------------------------------------------------------------ tokens

    def known_bearer(self, token: str) -> Principal | None:
        """Whom a token speaks for, when it was checked already; quick."""
        principal = self._known.get(digest_of(token))
        now_us = self._clock()
        if principal is None or principal.expires_us < now_us:
            return None
        self._used[principal.token] = now_us
        return principal

    def bearer(self, token: str) -> Principal:
        """Whom a token speaks for; takes milliseconds, and one is checked at a time.

        Raises ProblemError.
        """
        with self._checking:
            return self.known_bearer(token) or self._checked_bearer(token)

    def _checked_bearer(self, token: str) -> Principal:
        prefix, _, rest = token.partition("_")
        name, _, secret = rest.partition("_")
        found = self._store.token(name) if prefix == TOKEN_PREFIX and name and secret else None
        # An id is random and no secret; what is made up costs no hash.
        is_right = found is not None and self._fits(found.secret, secret)
        now_us = self._clock()
        if found is None or not is_right or found.revoked_us or found.expires_us < now_us:
            raise ProblemError("not_signed_in", "the token is not known, has ended, or was revoked")
        user = self._store.user(found.user)
        if user is None or user.disabled:
            raise ProblemError("not_signed_in", "the token's user is not known, or was shut out")
        scopes = frozenset(Permission(scope) for scope in found.scopes.split())
        role = Role(user.role)
        principal = Principal(
            user.id, user.name, role, user.person, ROLES[role] & scopes, found.expires_us,
            token=found.id,
        )  # fmt: skip
        self._known[digest_of(token)] = principal
        self._used[found.id] = now_us
        return principal

    def make_token(
        self, user: User, label: str, scopes: list[Permission], days: int
    ) -> tuple[Token, str]:
        """A new token of a user, and its text, which is told once. Raises ProblemError."""
        beyond = sorted(set(scopes) - ROLES[Role(user.role)])
        if beyond:
            what = f"{user.name} is {user.role}, which does not include {', '.join(beyond)}"
            raise ProblemError("invalid_value", what, field="scopes")
        secret = secrets.token_urlsafe(TOKEN_BYTES).replace("_", "-")
        now_us = self._clock()
        token = Token(
            id=secrets.token_hex(6),
            user=user.id,
            label=label,
            secret=self._hasher.hash(secret),
            scopes=" ".join(sorted(set(scopes))),
            created_us=now_us,
            expires_us=now_us + days * DAY_US,
            last_used_us=0,
            revoked_us=0,
        )
        self._store.add_token(token)
        return token, f"{TOKEN_PREFIX}_{token.id}_{secret}"

    def write_uses(self) -> None:
        """Write down when tokens were last used. Called now and then, and at the end."""
        used, self._used = self._used, {}
        used.pop("", None)
        if used:
            self._store.note_use([(time_us, name) for name, time_us in used.items()])

    # ------------------------------------------------------------------ people

    def sign_in(self, name: str, password: str, address: str) -> tuple[Principal, str, str]:
        """(who, cookie, token against forged requests). Raises ProblemError."""
        self.check_tries(address)
        user = self._store.user_named(name)
        kept = user.password if user and user.password else self._nobody
        is_right = self._fits(kept, password[:MAX_PASSWORD_CHARACTERS])
        if user is None or user.password is None or user.disabled or not is_right:
            self.note_failure(address)
            raise ProblemError("wrong_credentials", "no user has this name and this password")
        return self._begin_session(user)

    def sign_in_known(
        self, known_as: tuple[str, str], name: str, role: Role, person: str | None
    ) -> tuple[Principal, str, str]:
        """The same for somebody whom an issuer knows as (issuer, subject), and has checked.

        Made a user the first time; role and person are what they are now (`person` None: as it
        is here). A name that another user has is never taken over. Raises ProblemError.
        """
        user = self._store.user_known_as(*known_as)
        try:
            if user is None:
                number = self._store.add_user(
                    name, role, None, person or "", self._clock(), known_as
                )
            else:
                number = user.id
                wanted = user.person if person is None else person
                if user.disabled:
                    raise ProblemError("sign_in_refused", "the user was shut out")
                if (user.role, user.person) != (role, wanted):
                    self._store.change_user(number, role, wanted, disabled=False)
                    self.forget()
        except Taken as error:
            raise ProblemError(
                "sign_in_refused", "another user of this node has this name or person"
            ) from error
        found = self._store.user(number)
        assert found is not None  # noqa: S101 - users are never deleted
        return self._begin_session(found)

    def note_failure(self, address: str) -> None:
        """Remember an attempt to sign in that failed; see `check_tries`."""
        with self._lock:
            self._failed.setdefault(address, []).append(self._clock())

    def check_tries(self, address: str) -> None:
        """Raise ProblemError where too many attempts from an address failed of late."""
        since_us = self._clock() - 60 * US
        with self._lock:
            for key in [key for key, tries in self._failed.items() if tries[-1] < since_us]:
                del self._failed[key]
            tries = [one for one in self._failed.get(address, []) if one >= since_us]
        if len(tries) >= MAX_LOGINS_PER_MINUTE:
            raise ProblemError("too_many_requests", "wait a minute", retry_after_s=60)

    def _begin_session(self, user: User) -> tuple[Principal, str, str]:
        cookie, csrf = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
        now_us = self._clock()
        expires_us = now_us + self._session_us
        self._store.add_session(digest_of(cookie), user.id, digest_of(csrf), expires_us, now_us)
        return _session_principal(user, digest_of(csrf), expires_us), cookie, csrf

    def session(self, cookie: str) -> Principal:
        """Whom a session speaks for. Raises ProblemError."""
        found = self._store.session(digest_of(cookie))
        if found is None or found[2] < self._clock():
            raise ProblemError("not_signed_in", "the session has ended")
        user = self._store.user(found[0])
        if user is None or user.disabled:
            raise ProblemError("not_signed_in", "the session's user was shut out")
        return _session_principal(user, found[1], found[2])

    def sign_out(self, cookie: str) -> None:
        """End a session."""
        self._store.end_session(digest_of(cookie))

    def check_csrf(self, principal: Principal, told: str) -> None:
        """Raise ProblemError unless a session's request carries the token against forgery."""
        if principal.csrf is not None and not hmac.compare_digest(principal.csrf, digest_of(told)):
            raise ProblemError("csrf", "send the session's token in X-CSRF-Token")

    # ------------------------------------------------------------------ the first administrator

    def make_link(self) -> str:
        """The secret of a new one-time administrator link; those before it are void."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._store.put_link(digest_of(secret), self._clock() + SETUP_LINK_S * US)
        return secret

    def set_up(self, link: str, name: str, password: str) -> tuple[Principal, str, str]:
        """Make the administrator that a link is for, signed in. Raises ProblemError."""
        check_password(password)
        if self._store.user_named(name) is not None:
            raise ProblemError("conflict", f"there is a user {name} already")
        if not self._store.use_link(digest_of(link), self._clock()):
            raise ProblemError("wrong_credentials", "the link was used, or has ended")
        user = self.add_user(name, Role.ADMINISTRATOR, password, "")
        return self._begin_session(user)

    def add_user(self, name: str, role: Role, password: str | None, person: str) -> User:
        """Add a user. Raises ProblemError."""
        hashed = None
        if password is not None:
            check_password(password)
            hashed = self._hasher.hash(password)
        try:
            number = self._store.add_user(name, role, hashed, person, self._clock())
        except Taken as error:
            raise ProblemError("conflict", "another user has this name or person") from error
        user = self._store.user(number)
        assert user is not None  # noqa: S101 - just added, and users are never deleted
        return user

    def _fits(self, kept: str, secret: str) -> bool:
        try:
            return self._hasher.verify(kept, secret)
        except (VerificationError, InvalidHashError):
            return False


def check_password(password: str) -> None:
    """Raise ProblemError for a password that is too short or too long."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        what = f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters"
        raise ProblemError("invalid_value", what, field="password")


def _session_principal(user: User, csrf: bytes, expires_us: int) -> Principal:
    role = Role(user.role)
    return Principal(user.id, user.name, role, user.person, ROLES[role], expires_us, csrf)


def now_us() -> int:
    """The time, microseconds UTC."""
    return time.time_ns() // 1_000
