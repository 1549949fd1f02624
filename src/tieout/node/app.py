"""The application: the table of endpoints on Litestar, and the door that each request goes through.

The order at the door: who (token, then session), the rate, the permission, the token against forged
requests, the parameters. Only then the endpoint runs. What anything raises becomes a problem here
and nowhere else.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import unquote

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import Address
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import ClientException, HTTPException, MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream as StreamResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from tieout.node.access import Principal
from tieout.node.api.endpoints import ENDPOINTS
from tieout.node.api.openapi import PARAMETER, document
from tieout.node.api.people import COOKIE
from tieout.node.api.table import Call, Endpoint, Reply, parse_query
from tieout.node.gate import ROUTE, Gate
from tieout.node.house import House
from tieout.node.pages import api_page
from tieout.node.problems import PROBLEM_JSON, ProblemError
from tieout.node.rates import Rates

AnyRequest = Request[Any, Any, Any]
log = structlog.get_logger("tieout.node")
_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def make_app(house: House) -> ASGIApp:
    """The whole application of a node."""
    said = document(ENDPOINTS)
    house.pages["openapi.json"] = msgspec.json.encode(said)
    order = [(each.path, each.method.lower()) for each in ENDPOINTS]
    house.pages["docs"] = api_page(said, order)
    door = Door(house)
    app = Litestar(
        route_handlers=[
            # First: the framework would add its own to each path that has none.
            *(_options(path) for path in dict.fromkeys(each.path for each in ENDPOINTS)),
            *(_route(endpoint, door) for endpoint in ENDPOINTS),
        ],
        openapi_config=None,
        # Each endpoint knows its own bound, and counts as the body arrives.
        request_max_body_size=None,
        logging_config=None,
        exception_handlers={HTTPException: _framework_problem, Exception: _unforeseen},
        pdb_on_exception=False,
        debug=False,
    )
    return Gate(Lane(app, door), house)


def _options(path: str) -> HTTPRouteHandler:
    """What can be done at a path."""
    methods = ["OPTIONS", *(each.method for each in ENDPOINTS if each.path == path)]

    async def tell() -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))})

    return HTTPRouteHandler(_litestar(path), http_method=HttpMethod.OPTIONS, status_code=204)(tell)


def _litestar(path: str) -> str:
    return PARAMETER.sub(lambda found: "{" + found[1] + ":str}", path)


def _route(endpoint: Endpoint, door: "Door") -> HTTPRouteHandler:
    async def serve(request: AnyRequest) -> Response[Any]:
        try:
            return _response(await door.serve(endpoint, request))
        except ProblemError as error:
            return _problem(error)

    path = _litestar(endpoint.path)
    # Each answer brings its own status.
    return HTTPRouteHandler(
        path, http_method=HttpMethod(endpoint.method), name=endpoint.name, status_code=200
    )(serve)


_LANE: Final = re.compile(r"/v1/agreements/([^/]+)/records")
_PUBLISH: Final = next(each for each in ENDPOINTS if each.name == "publish_records")


class Lane:
    """Takes single records past the framework; everything else goes through it.

    Through the same door to the same endpoint. What is saved is what the framework does for
    requests of all kinds, which costs more than judging the record (docs/decisions/0020).
    """

    def __init__(self, app: ASGIApp, door: "Door") -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = _LANE.fullmatch(scope["path"])
        if found is None or scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Asked(scope, receive, {"name": found[1]})
        try:
            reply = await self._door.serve(_PUBLISH, request)  # type: ignore[arg-type]
            status, media, body, headers = reply.status, reply.media, reply.body, reply.headers
        except ProblemError as error:
            status, media, body = error.status, PROBLEM_JSON, error.body()
            headers = error.headers()
        except Exception as error:  # noqa: BLE001 - as the framework does it
            status, media, body, headers = 500, PROBLEM_JSON, _unforeseen(None, error).content, {}
        lines = [
            (b"content-type", media.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class Asked:
    """A request as far as the door and publishing look at it; read once, without copies."""

    def __init__(self, scope: Scope, receive: Receive, path_params: dict[str, str]) -> None:
        self.scope = scope
        self.path_params = path_params
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._receive = receive

    @property
    def client(self) -> Address | None:
        """Who sent it."""
        client = self.scope["client"]
        return None if client is None else Address(*client)

    @property
    def cookies(self) -> dict[str, str]:
        """Its cookies."""
        found: SimpleCookie = SimpleCookie(self.headers.get("cookie", ""))
        return {name: morsel.value for name, morsel in found.items()}

    async def stream(self) -> AsyncIterator[bytes]:
        """Its body. Raises ProblemError when the sender leaves."""
        while True:
            message: Any = await self._receive()
            if message["type"] == "http.disconnect":
                raise ProblemError("malformed_body", "the sender left")
            if message["body"]:
                yield message["body"]
            if not message["more_body"]:
                return


class Door:
    """Lets requests in, one after the other; in the event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known = Rates(house.settings.access.rate)
        self._unknown = Rates(house.settings.access.rate_unknown)

    async def serve(self, endpoint: Endpoint, request: AnyRequest) -> Reply:
        """The answer to a request. Raises ProblemError."""
        request.scope["state"][ROUTE] = endpoint.path
        principal = await self._admit(endpoint, request)
        path = {name: _part(value) for name, value in request.path_params.items()}
        query = parse_query(request.scope["query_string"], endpoint.query)
        return await endpoint.handler(Call(self._house, request, principal, path, query))

    async def _admit(self, endpoint: Endpoint, request: AnyRequest) -> Principal | None:
        """Who asks. Raises ProblemError when they may not."""
        try:
            principal = await self._principal(request)
        except ProblemError:
            self._check_rate(None, request)
            if endpoint.permission is not None:
                raise
            return None
        self._check_rate(principal, request)
        if endpoint.permission is None:
            return principal
        if principal is None:
            raise ProblemError("not_signed_in", "send a token in Authorization, or sign in")
        if endpoint.permission not in principal.permissions:
            await asyncio.to_thread(self._note_refusal, principal, endpoint)
            what = f"this takes the permission {endpoint.permission}"
            raise ProblemError("not_allowed", what)
        if endpoint.is_unsafe and principal.csrf is not None:
            self._house.doorkeeper.check_csrf(principal, request.headers.get("x-csrf-token", ""))
        return principal

    async def _principal(self, request: AnyRequest) -> Principal | None:
        keeper = self._house.doorkeeper
        given = request.headers.get("authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise ProblemError("not_signed_in", "Authorization is: Bearer TOKEN")
            return keeper.known_bearer(token) or await self._check_bearer(token, request)
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            return None
        return await asyncio.to_thread(keeper.session, cookie)

    async def _check_bearer(self, token: str, request: AnyRequest) -> Principal:
        # Checking takes milliseconds of a core: nobody may ask for it as often as they like.
        self._check_rate(None, request)
        return await asyncio.to_thread(self._house.doorkeeper.bearer, token)

    def _check_rate(self, principal: Principal | None, request: AnyRequest) -> None:
        now_s = time.monotonic()
        if principal is not None:
            allowed = self._known.take(principal.user, now_s)
        else:
            allowed = self._unknown.take(request.client.host if request.client else "", now_s)
        if not allowed:
            raise ProblemError("too_many_requests", "send fewer requests a second")

    def _note_refusal(self, principal: Principal, endpoint: Endpoint) -> None:
        house = self._house
        house.store.note(
            house.clock(), principal.name, f"{endpoint.method} {endpoint.path}",
            str(endpoint.permission), "not_allowed",
        )  # fmt: skip


def _part(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise ProblemError("invalid_parameter", "a part of the path is not UTF-8") from error


def _response(reply: Reply) -> Response[Any]:
    headers = dict(reply.headers)
    if reply.lines is not None:
        return StreamResponse(
            reply.lines, media_type=reply.media, headers=headers, status_code=reply.status
        )
    return Response(
        reply.body or (None if reply.status == 204 else b""),  # noqa: PLR2004
        status_code=reply.status,
        media_type=reply.media,
        headers=headers,
    )


def _problem(error: ProblemError) -> Response[bytes]:
    return Response(
        error.body(), status_code=error.status, media_type=PROBLEM_JSON, headers=error.headers()
    )


def _framework_problem(_: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What the framework itself refuses: an unknown path, another method, a client that left."""
    code = _BY_STATUS.get(error.status_code, "internal")
    if code == "internal" and isinstance(error, ClientException):
        code = "malformed_body"
    told = {"not_found": "nothing is here; /docs lists what is", "method_not_allowed": "see Allow"}
    response = _problem(ProblemError(code, told.get(code, error.detail)))
    if isinstance(error, MethodNotAllowedException) and error.headers:
        response.headers.update(error.headers)
    return response


def _unforeseen(_: AnyRequest | None, error: Exception) -> Response[bytes]:
    """A fault of ours: told in the log with its trace, and to the sender without it."""
    if isinstance(error, ProblemError):
        return _problem(error)
    log.error("unforeseen", kind=type(error).__name__, exc_info=error)
    return _problem(ProblemError("internal", "a fault of this node; its log says more"))
