"""What is said about the node itself: alive, ready, metrics, the API's document and pages."""

import asyncio
from typing import Final

import msgspec

from tieout.node.api.table import HTML, Call, Reply, encoded
from tieout.node.pages import asset, problems_page
from tieout.node.problems import ProblemError

METRICS: Final = "text/plain; version=1.0.0; charset=utf-8"
SCRIPT: Final = "text/javascript"
STYLE: Final = "text/css"


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """Records are taken."""

    status: str
    height: int


async def livez(_: Call) -> Reply:
    """Whether the process answers at all."""
    return Reply(encoded(Alive("alive")))


async def readyz(call: Call) -> Reply:
    """Whether records are taken."""
    house = call.house
    if house.desk.failure is not None:
        raise ProblemError("ledger_failed", str(house.desk.failure))
    if house.ordering.trouble:
        raise ProblemError("busy", house.ordering.trouble)
    return Reply(encoded(Ready("ready", house.stream.height)))


async def metrics(call: Call) -> Reply:
    """Counters and gauges for Prometheus."""
    return Reply(await asyncio.to_thread(call.house.metrics.text), media=METRICS)


async def problems(_: Call) -> Reply:
    """The table of refusals."""
    return Reply(problems_page(), media=HTML)


async def style(_: Call) -> Reply:
    """The style of the node's pages."""
    return Reply(asset("style.css"), media=STYLE)


async def setup_script(_: Call) -> Reply:
    """The script of the page behind the administrator link."""
    return Reply(asset("setup.js"), media=SCRIPT)


async def oidc_script(_: Call) -> Reply:
    """The script of the page to which an identity provider sends people back."""
    return Reply(asset("oidc.js"), media=SCRIPT)


async def openapi(call: Call) -> Reply:
    """The document of the API."""
    return Reply(call.house.pages["openapi.json"])


async def manual(call: Call) -> Reply:
    """The manual of the API."""
    return Reply(call.house.pages["docs"], media=HTML)
