"""Traces: where a request's time goes, told to OpenTelemetry while the settings name a receiver.

    request ── its route, method and status, and the trace that its sender belongs to
    gather     the wait for others to share a block
    publish ── linked to the requests whose records are in it
      block    one block, judged and synced
    deliver notice   one attempt on one channel

Off, which is how a node begins, all of it costs a call and a look. A span holds routes, counts,
heights, and names that the operator gave; never a path, an id of a transaction, a value, a user, or
the words of an error.

There is one receiver in a process, as there is one log.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tieout import __version__
from tieout.node.settings import Telemetry

MAX_LINKS: Final = 32
"""Requests that a block is linked to: enough to find one, and no larger than a span may be."""
EXPORT_S: Final = 5.0
"""How long the receiver may take; a node that stops waits no longer for it."""
_PARENT: Final = b"traceparent"
_NOTHING: Final = contextlib.nullcontext(trace.INVALID_SPAN)
_FAULTS: Final = 500


class _Current:
    """The tracer of this process; None while there is none."""

    tracer: Tracer | None = None


@contextlib.contextmanager
def tracing(settings: Telemetry) -> Iterator[None]:
    """Send spans to the receiver that the settings name; nothing where they name none."""
    if not settings.endpoint:
        yield
        return
    # A node without traces does not load what makes them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": "tieout-node", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Current.tracer = provider.get_tracer("tieout.node", __version__)
    try:
        yield
    finally:
        _Current.tracer = None
        provider.shutdown()


def span(name: str, *, links: Iterable[SpanContext | None] = ()) -> AbstractContextManager[Span]:
    """A span around what is done in the context; one that goes nowhere while traces are off."""
    if _Current.tracer is None:
        return _NOTHING
    linked = [Link(each) for each in list(links)[:MAX_LINKS] if each is not None]
    return _spanning(_Current.tracer, name, SpanKind.INTERNAL, linked, None)


def request(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Span]:
    """The span of a request, in the trace that its sender says (W3C Trace Context)."""
    if _Current.tracer is None:
        return _NOTHING
    said = {name.decode(): value.decode("latin-1") for name, value in headers if name == _PARENT}
    above = TraceContextTextMapPropagator().extract(said, context.Context())
    return _spanning(_Current.tracer, "request", SpanKind.SERVER, [], above)


def tell_request(span: Span, method: str, route: str, status: int) -> None:
    """Say in a request's span how it went."""
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
    )
    if status >= _FAULTS:
        span.set_status(Status(StatusCode.ERROR))


def here() -> SpanContext | None:
    """The span that is open here, to be linked to from elsewhere; None while traces are off."""
    return None if _Current.tracer is None else trace.get_current_span().get_span_context()


@contextlib.contextmanager
def _spanning(
    tracer: Tracer, name: str, kind: SpanKind, links: list[Link], above: context.Context | None
) -> Iterator[Span]:
    """A span that says the kind of an error, and never its words, which may hold values."""
    with tracer.start_as_current_span(
        name, above, kind, links=links, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except Exception as error:
            made.set_status(Status(StatusCode.ERROR))
            made.set_attribute("error.type", type(error).__name__)
            raise
