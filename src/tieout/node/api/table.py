"""The form of an endpoint: what it is called, who may, what it takes, what it answers.

One table (`endpoints.py`) of these is all there is: the routes, the checks of parameters and
bodies, the OpenAPI document, the manual's list and the test of every endpoint as every role are
read off it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from tieout.node.access import Permission, Principal
from tieout.node.house import House
from tieout.node.limits import MAX_SINGLE_BYTES
from tieout.node.problems import ProblemError

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
TOML: Final = "application/toml"
OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain"
HTML: Final = "text/html"
EVENTS: Final = "text/event-stream"

Model = TypeVar("Model", bound=msgspec.Struct)


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `lines` instead of `body` for a stream without end."""

    body: bytes = b""
    status: int = 200
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: AsyncIterator[bytes] | None = None


@dataclass(slots=True)
class Call:
    """One request to an endpoint, as far as it was checked: who, path, parameters."""

    house: House
    request: "Request[Any, Any, Any]"
    principal: Principal | None
    path: dict[str, str]
    query: Any

    @property
    def who(self) -> Principal:
        """Who asks. Only where the endpoint takes a permission."""
        if self.principal is None:
            raise ProblemError("not_signed_in", "send a token, or sign in")
        return self.principal

    @property
    def media(self) -> str:
        """The media type of the body, without parameters."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def body(self, at_most: int = MAX_SINGLE_BYTES) -> bytes:
        """The whole body. Raises ProblemError when it is larger."""
        if "content-encoding" in self.request.headers:
            raise ProblemError("unsupported_media_type", "only bulk records may be sent packed")
        parts, size = [], 0
        async for part in self.request.stream():
            size += len(part)
            if size > at_most:
                raise ProblemError("too_large", f"a body here has at most {at_most:,} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def message(self, kind: type[Model], at_most: int = MAX_SINGLE_BYTES) -> Model:
        """The JSON body as a message. Raises ProblemError."""
        if self.media != JSON:
            raise ProblemError("unsupported_media_type", f"send {JSON}")
        return decoded(await self.body(at_most), kind)

    def audit(self, what: str, about: str, outcome: str = "done") -> None:
        """Write an administrative act into the audit log."""
        house = self.house
        name = self.principal.name if self.principal else "-"
        house.store.note(house.clock(), name, what, about, outcome)


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that an endpoint may give: its forms by media type; None: no further form."""

    what: str
    forms: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `permission` None: anybody. `body` leads from media types to their forms."""

    method: str
    path: str
    name: str
    permission: Permission | None
    summary: str
    handler: Handler
    answers: Mapping[int, Answer]
    query: type[msgspec.Struct] = NoQuery
    body: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that it reads, with what they mean."""

    @property
    def is_unsafe(self) -> bool:
        """Whether it changes something."""
        return self.method not in ("GET", "HEAD")


def decoded(body: bytes, kind: type[Model]) -> Model:
    """A JSON body as a message. Raises ProblemError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_value", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError("malformed_body", str(error)) from error


def encoded(what: Any) -> bytes:
    """Anything as JSON."""
    return msgspec.json.encode(what)


@lru_cache(maxsize=1_024)
def parse_query(raw: bytes, kind: type[msgspec.Struct]) -> Any:
    """The parameters of an endpoint. A name that stands twice is a list. Raises ProblemError."""
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict"
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise ProblemError("invalid_parameter", f"the query cannot be read: {error}") from error
    lists = {each.encode_name for each in msgspec.structs.fields(kind) if "tuple" in str(each.type)}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ProblemError("invalid_parameter", f"{name} stands twice")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_parameter", str(error).replace("object", "query")) from error
