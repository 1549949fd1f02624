"""Requests to one node, and the whole of their answers; or an answer that goes on, line by line.

The problem: a node restarts, a proxy gives up, a connection that was kept is closed at its other
end; and a program that publishes must get its answer all the same, without publishing twice.

The model: every request here may be repeated. Readings change nothing, and whatever changes
something carries an `Idempotency-Key`, which the node answers with the same answer for a week. So
one rule is enough: what did not come about for want of a connection, or with a `Retry-After`, is
sent again, the same bytes with the same key, within the client's `Patience`. Everything else is an
answer, or a refusal that the caller has to look at.

The standard library's http.client does the rest; connections are kept, and each is used by one
thread at a time. Plain HTTP is for loopback; across a wire that others may read, use https.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import urlsplit

import msgspec

from tieout.sdk.errors import NodeConfused, NodeUnreachable, RequestRefused
from tieout.sdk.limits import (
    MAX_ANSWER_BYTES,
    MAX_EVENT_BYTES,
    MAX_IDLE_CONNECTIONS,
    MAX_PIECE_BYTES,
    MAX_SAID_CHARACTERS,
)
from tieout.sdk.patience import Patience

_PROBLEM: Final = "application/problem+json"
_GATEWAY_STATUSES: Final = (502, 503, 504)
_MAX_WAIT_DIGITS: Final = 5
_NO_HEADERS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of a request that was not refused. Names of headers are in small letters."""

    headers: Mapping[str, str]
    body: bytes


class _Problem(msgspec.Struct):
    code: str
    detail: str = ""
    field: str = ""
    line: int = 0
    outcome: str = ""
    problems: tuple[str, ...] = ()


class Connections:
    """Connections to one node. Safe for several threads."""

    def __init__(
        self,
        url: str,
        token: str,
        timeout_s: float,
        patience: Patience,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Nothing is sent yet. Raises ValueError for a URL that is none of a node."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError(f"the URL of a node is http://HOST:PORT or https://HOST, not {url!r}")
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.patience = patience
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s
        is_tls = parts.scheme == "https"
        self._tls = (tls or ssl.create_default_context()) if is_tls else None
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | IO[bytes] = b"",
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout_s: float | None = None,
    ) -> Answer:
        """The answer to a request that may be repeated; a body that is a file is read anew.

        Raises NodeUnreachable, NodeConfused, or RequestRefused.
        """
        waits = self.patience.waits_s()
        while True:
            try:
                return self._once(method, target, body, headers, timeout_s or self._timeout_s)
            except (NodeUnreachable, RequestRefused) as error:
                asked_s = error.retry_after_s if isinstance(error, RequestRefused) else 0
                if not error.may_help or asked_s > self.patience.total_s:
                    raise
                wait_s = next(waits, None)
                if wait_s is None:
                    raise
            time.sleep(max(wait_s, asked_s))

    def listen(self, target: str, headers: Mapping[str, str], timeout_s: float) -> "Lines":
        """The lines of an answer that goes on; each may take `timeout_s`. Raises as `ask`."""
        connection = self._connect(timeout_s)
        try:
            connection.request("GET", self._prefix + target, headers={**self._headers, **headers})
            line = connection.sock
            answer = connection.getresponse()
            self._refuse(answer.status, answer.headers, b"" if _is_good(answer) else answer.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return Lines(self.name, connection, line, answer)

    def close(self) -> None:
        """Close what is idle; a later request opens another connection."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _once(
        self,
        method: str,
        target: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Answer:
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._exchange(kept, method, target, body, headers, timeout_s)
            except NodeUnreachable as error:
                # The node lets connections go that nobody used for a while.
                if not isinstance(error.__cause__, ConnectionError):
                    raise
        fresh = self._connect(timeout_s)
        return self._exchange(fresh, method, target, body, headers, timeout_s)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | IO[bytes],
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Answer:
        """One request and its whole answer; the connection is kept, or closed."""
        try:
            with _closed_unless_done(connection):
                connection.timeout = timeout_s
                if connection.sock is not None:
                    connection.sock.settimeout(timeout_s)
                # A node that refuses does so before the end of a long body.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    _send(connection, method, self._prefix + target, body,
                          {**self._headers, **headers})  # fmt: skip
                answer = connection.getresponse()
                told = answer.read(MAX_ANSWER_BYTES + 1)
                missing = answer.length or 0
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if len(told) > MAX_ANSWER_BYTES or missing:
            connection.close()
            if missing:
                raise NodeUnreachable(self.name, f"its answer broke off {missing:,} bytes early")
            raise NodeConfused(self.name, f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        self._keep(connection, is_kept=not answer.will_close)
        self._refuse(answer.status, answer.headers, told)
        return Answer({name.lower(): value for name, value in answer.getheaders()}, told)

    def _refuse(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        """Raise what a status says, unless it is 2xx."""
        if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return
        if headers.get_content_type() != _PROBLEM:
            if status in _GATEWAY_STATUSES:
                raise NodeUnreachable(self.name, f"HTTP {status} of something before it")
            raise NodeConfused(self.name, f"HTTP {status}: {body[:MAX_SAID_CHARACTERS]!r}")
        try:
            told = msgspec.json.decode(body, type=_Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NodeConfused(self.name, f"HTTP {status}: {error}") from error
        wait = headers.get("Retry-After", "")
        raise RequestRefused(
            self.name,
            status,
            told.code,
            told.detail[:MAX_SAID_CHARACTERS],
            field=told.field,
            line=told.line,
            outcome=told.outcome,
            problems=told.problems,
            retry_after_s=int(wait) if wait.isdecimal() and len(wait) <= _MAX_WAIT_DIGITS else None,
        )

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(
                self._host, self._port, timeout=timeout_s, blocksize=MAX_PIECE_BYTES
            )
        return http.client.HTTPSConnection(
            self._host,
            self._port,
            timeout=timeout_s,
            blocksize=MAX_PIECE_BYTES,
            context=self._tls,
        )

    def _keep(self, connection: http.client.HTTPConnection, *, is_kept: bool) -> None:
        with self._lock:
            if is_kept and len(self._idle) < MAX_IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _unreachable(self, error: Exception) -> NodeUnreachable:
        return NodeUnreachable(self.name, str(error) or type(error).__name__)


class Lines:
    """The lines of an answer that goes on. One thread reads; any may `hang_up`."""

    def __init__(
        self,
        name: str,
        connection: http.client.HTTPConnection,
        line: socket.socket,
        answer: http.client.HTTPResponse,
    ) -> None:
        self._name = name
        self._connection, self._line, self._answer = connection, line, answer
        self._whole: deque[bytes] = deque()
        self._rest = b""

    def read(self, timeout_s: float) -> bytes | None:
        """The next line without its end; None when there is none more. Half a line is no line.

        Raises NodeUnreachable, after which nothing more can be read, and NodeConfused.
        """
        while not self._whole:
            try:
                self._line.settimeout(timeout_s)
                piece = self._answer.read1(MAX_PIECE_BYTES)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise NodeUnreachable(self._name, str(error) or type(error).__name__) from error
            if not piece:
                return None
            *whole, self._rest = (self._rest + piece).split(b"\n")
            self._whole.extend(whole)
            if len(self._rest) > MAX_EVENT_BYTES:
                raise NodeConfused(self._name, f"an event of more than {MAX_EVENT_BYTES:,} bytes")
        return self._whole.popleft()

    def hang_up(self) -> None:
        """Let a reading in another thread end, now."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back to the system."""
        self.hang_up()
        self._answer.close()
        self._connection.close()


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | IO[bytes],
    headers: dict[str, str],
) -> None:
    if isinstance(body, bytes):
        connection.request(method, target, body or None, headers)
        return
    size = body.seek(0, 2)
    body.seek(0)
    connection.request(method, target, body, {**headers, "Content-Length": str(size)})


def _is_good(answer: http.client.HTTPResponse) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 - RFC 9110, 15.3


@contextlib.contextmanager
def _closed_unless_done(connection: http.client.HTTPConnection) -> Iterator[None]:
    """Whatever goes wrong with a connection, it is not used again."""
    try:
        yield
    except BaseException:
        connection.close()
        raise
