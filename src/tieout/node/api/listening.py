"""The live stream as an endpoint."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tieout.node.api.table import EVENTS, Call, Reply
from tieout.node.limits import MAX_LISTENERS
from tieout.node.problems import ProblemError
from tieout.node.stream import AFTER_ALL, KINDS, Filter, Position, parse_position

Word = Annotated[str, Meta(max_length=36)]


class StreamQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to begin, and what is wanted; kinds, agreements and roles may be several."""

    after: Annotated[int, Meta(ge=0, le=(1 << 62))] | None = None
    """The block after which to begin: `Tieout-Height` of the list that was shown; or now."""
    kind: tuple[Word, ...] = ()
    agreement: tuple[Word, ...] = ()
    role: tuple[Word, ...] = ()
    severity: Literal["info", "notice", "warning", "alarm"] = "info"
    """The least severity that is wanted."""


async def listen(call: Call) -> Reply:
    """What happens, as it happens, from any block on."""
    stream, query = call.house.stream, call.query
    unknown = [kind for kind in query.kind if kind not in KINDS]
    if unknown:
        raise ProblemError("invalid_parameter", f"no kind is called {unknown[0]}")
    if stream.listeners >= MAX_LISTENERS:
        raise ProblemError("busy", "too many streams are open")
    told = call.request.headers.get("last-event-id")
    height = stream.height
    if told is not None:
        after = parse_position(told)
    else:
        after = Position(height if query.after is None else query.after, AFTER_ALL)
    if after.height > height:
        raise ProblemError(
            "invalid_parameter", f"the ledger has {height} blocks, not {after.height}"
        )
    wanted = Filter(
        frozenset(query.kind), frozenset(query.agreement), frozenset(query.role), query.severity
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Reply(media=EVENTS, headers=headers, lines=stream.listen(after, wanted))
