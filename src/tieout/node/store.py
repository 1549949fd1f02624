"""What the node itself remembers, in one SQLite file beside the ledger (`store.sql`).

Users, tokens, sessions, the audit log, and the answers given to requests that carried an
Idempotency-Key. Nothing of it is part of the ledger: whoever loses the file makes users anew, and
no record is lost. A commit is synced before it returns. Any thread may call; one works at a time.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from tieout.node.tables import open_tables

STEPS: Final[tuple[str, ...]] = ()
"""What changed in tables that are there already; see `tables`."""


class User(NamedTuple):
    """Somebody who may sign in; `person` is `party/person` on the ledger, empty for none."""

    id: int
    name: str
    role: str
    password: str | None
    person: str
    created_us: int
    disabled: bool


class Token(NamedTuple):
    """A token, without its secret; times are 0 where it did not happen."""

    id: str
    user: int
    label: str
    secret: str
    scopes: str
    created_us: int
    expires_us: int
    last_used_us: int
    revoked_us: int


class AuditLine(NamedTuple):
    """One line of the audit log."""

    id: int
    time_us: int
    who: str
    what: str
    about: str
    outcome: str


class Answer(NamedTuple):
    """What was answered to a request with a key; `request` is the hash of what was asked."""

    user: int
    key: str
    request: bytes
    status: int
    body: bytes


class Taken(Exception):
    """A name, or a person, that another user has already."""


class Store:
    """The open file. Close it."""

    def __init__(self, path: Path) -> None:
        """Raises NodeError when the file cannot be used."""
        self._lock = threading.Lock()
        schema = resources.files("tieout.node").joinpath("store.sql")
        self._connection = open_tables(path, schema, STEPS)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    # ------------------------------------------------------------------ users

    _USER = "SELECT id, name, role, password, coalesce(person, ''), created_us, disabled FROM users"

    def users(self) -> list[User]:
        """Everybody, by name."""
        return [_user(row) for row in self._rows(f"{self._USER} ORDER BY name")]

    def user(self, number: int) -> User | None:
        """The user with a number."""
        return next((_user(row) for row in self._rows(f"{self._USER} WHERE id = ?", number)), None)

    def user_named(self, name: str) -> User | None:
        """The user of a name."""
        return next((_user(row) for row in self._rows(f"{self._USER} WHERE name = ?", name)), None)

    def user_known_as(self, issuer: str, subject: str) -> User | None:
        """The user whom an issuer knows."""
        found = self._rows(
            "SELECT user FROM identities WHERE issuer = ? AND subject = ?", issuer, subject
        )
        return self.user(found[0][0]) if found else None

    def can_sign_in(self, user: User) -> bool:
        """Whether a user has a password, or an issuer knows them, and nobody shut them out."""
        known = self._rows("SELECT 1 FROM identities WHERE user = ?", user.id)
        return not user.disabled and bool(user.password or known)

    def add_user(
        self,
        name: str,
        role: str,
        password: str | None,
        person: str,
        time_us: int,
        known_as: tuple[str, str] | None = None,
    ) -> int:
        """Add a user, with (issuer, subject) where an issuer knows them; their number.

        Raises Taken.
        """
        try:
            with self._writing() as connection:
                cursor = connection.execute(
                    "INSERT INTO users (name, role, password, person, created_us)"
                    " VALUES (?, ?, ?, nullif(?, ''), ?)",
                    (name, role, password, person, time_us),
                )
                number = int(cursor.lastrowid or 0)
                if known_as is not None:
                    connection.execute(
                        "INSERT INTO identities (issuer, subject, user) VALUES (?, ?, ?)",
                        (*known_as, number),
                    )
                return number
        except sqlite3.IntegrityError as error:
            raise Taken(name) from error

    def change_user(self, number: int, role: str, person: str, *, disabled: bool) -> None:
        """Change what somebody may do; their sessions end. Raises Taken."""
        try:
            with self._writing() as connection:
                connection.execute(
                    "UPDATE users SET role = ?, person = nullif(?, ''), disabled = ? WHERE id = ?",
                    (role, person, disabled, number),
                )
                connection.execute("DELETE FROM sessions WHERE user = ?", (number,))
        except sqlite3.IntegrityError as error:
            raise Taken(person) from error

    # ------------------------------------------------------------------ tokens

    _TOKEN = (
        "SELECT id, user, label, secret, scopes, created_us, expires_us, last_used_us, revoked_us"  # noqa: S105
        " FROM tokens"
    )

    def tokens(self) -> list[Token]:
        """All tokens, in the order in which they were made."""
        return [Token(*row) for row in self._rows(f"{self._TOKEN} ORDER BY created_us, id")]

    def token(self, name: str) -> Token | None:
        """The token of an id."""
        return next((Token(*row) for row in self._rows(f"{self._TOKEN} WHERE id = ?", name)), None)

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        with self._writing() as connection:
            connection.execute(f"INSERT INTO tokens VALUES ({','.join('?' * len(token))})", token)  # noqa: S608 - marks only

    def note_use(self, used: Sequence[tuple[int, str]]) -> None:
        """Note when tokens were last used: (time, id)."""
        with self._writing() as connection:
            connection.executemany("UPDATE tokens SET last_used_us = ? WHERE id = ?", used)

    def revoke_token(self, name: str, time_us: int) -> None:
        """End a token; a second time changes nothing."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE tokens SET revoked_us = ? WHERE id = ? AND revoked_us = 0", (time_us, name)
            )

    # ------------------------------------------------------------------ sessions and links

    def add_session(
        self, digest: bytes, user: int, csrf: bytes, expires_us: int, time_us: int
    ) -> None:
        """Keep a session; those that have ended go."""
        with self._writing() as connection:
            connection.execute("DELETE FROM sessions WHERE expires_us < ?", (time_us,))
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (digest, user, csrf, expires_us)
            )

    def session(self, digest: bytes) -> tuple[int, bytes, int] | None:
        """(user, hash of its token against forged requests, expiry) of a session."""
        rows = self._rows("SELECT user, csrf, expires_us FROM sessions WHERE digest = ?", digest)
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    def end_session(self, digest: bytes) -> None:
        """End a session."""
        with self._writing() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

    def put_link(self, digest: bytes, expires_us: int) -> None:
        """Let one administrator link be good, and no other."""
        with self._writing() as connection:
            connection.execute("DELETE FROM links")
            connection.execute("INSERT INTO links VALUES (?, ?)", (digest, expires_us))

    def use_link(self, digest: bytes, time_us: int) -> bool:
        """Whether the link was good; from now on it is not."""
        with self._writing() as connection:
            gone = connection.execute(
                "DELETE FROM links WHERE digest = ? AND expires_us >= ?", (digest, time_us)
            )
            return gone.rowcount == 1

    # ------------------------------------------------------------------ audit log

    def note(self, time_us: int, who: str, what: str, about: str, outcome: str) -> None:
        """Add a line to the audit log."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO audit (time_us, who, what, about, outcome) VALUES (?, ?, ?, ?, ?)",
                (time_us, who, what, about, outcome),
            )

    def audit(self, before: int, count: int) -> list[AuditLine]:
        """Lines of the audit log with a smaller id, newest first."""
        sql = "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?"
        return [AuditLine(*row) for row in self._rows(sql, before, count)]

    # ------------------------------------------------------------------ answers

    def answer(self, user: int, key: str) -> Answer | None:
        """What was answered to a user's request with this key."""
        sql = "SELECT user, key, request, status, body FROM answers WHERE user = ? AND key = ?"
        return next((Answer(*row) for row in self._rows(sql, user, key)), None)

    def keep_answers(self, answers: Sequence[Answer], time_us: int, older_us: int) -> None:
        """Keep answers, durably; those from before `older_us` go."""
        with self._writing() as connection:
            connection.execute("DELETE FROM answers WHERE created_us < ?", (older_us,))
            connection.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                [(*answer, time_us) for answer in answers],
            )


def _user(row: tuple[Any, ...]) -> User:
    number, name, role, password, person, created_us, disabled = row
    return User(number, name, role, password, person, created_us, bool(disabled))
