"""The gate before the framework: what every request has to pass, and every answer carries.

- The path is taken as it was sent, so that a transaction id may contain a slash (`%2F`); each part
  is decoded by itself, once.
- A body that stalls is cut; headers that never end are cut by the protocol (`PatientProtocol`).
- Every answer carries the headers that keep browsers from doing foolish things.
- Every request is counted, and told in the log if the settings say so, by route and never by path:
  paths contain ids.
"""

import asyncio
import time
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import Span
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tieout.node import telemetry
from tieout.node.house import House
from tieout.node.problems import PROBLEM_JSON, ProblemError

_CONTENT: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    b" img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"content-security-policy", _CONTENT),
)
NO_STORE: Final = (b"cache-control", b"no-store")
HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
ROUTE: Final = "tieout_route"
"""Where the door leaves the route of a request in its scope."""

log = structlog.get_logger("tieout.node")


class Gate:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house
        self._idle_s = house.settings.limits.body_idle_s
        self._tells = house.settings.log.requests
        tls = (HSTS,) if house.settings.listen.behind_tls else ()
        self._headers = [*SECURITY_HEADERS, *tls]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            return
        began = time.perf_counter()
        status = 0
        raw = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = raw.partition(b"?")[0].decode("latin-1")

        async def patient_receive() -> Any:
            try:
                async with asyncio.timeout(self._idle_s):
                    return await receive()
            except TimeoutError as error:
                raise ProblemError(
                    "slow_request", "nothing of the body came for too long"
                ) from error

        async def guarded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                message["headers"] = headers + self._headers
            await send(message)

        unsafe = scope["method"] in ("POST", "PUT", "PATCH", "DELETE")
        with telemetry.request(scope["headers"]) as span:
            try:
                await self._app(scope, patient_receive if unsafe else receive, guarded_send)
            except ProblemError as error:
                await _refuse(error, guarded_send)
            finally:
                seconds = time.perf_counter() - began
                route = str(scope.get("state", {}).get(ROUTE, "none"))
                self._note(span, scope["method"], route, status, seconds)

    def _note(self, span: Span, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request, and tell it where it is to be told; never its path."""
        self._house.metrics.request(route, method, status, seconds)
        telemetry.tell_request(span, method, route, status)
        if self._tells:
            log.info("request", method=method, route=route, status=status,
                     ms=round(seconds * 1_000, 1))  # fmt: skip


async def _refuse(error: ProblemError, send: Send) -> None:
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"connection", b"close")]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": error.body(), "more_body": False})


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience for headers.

    A connection that has sent nothing, or half a request, for `PATIENCE_S` is closed: otherwise a
    thousand of them would cost an attacker nothing and the node all its sockets.
    """

    PATIENCE_S: Final = 10.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the end of the headers."""
        if self._timer is None:
            self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are there."""
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.PATIENCE_S, self._cut)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
