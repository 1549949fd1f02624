"""Founding a node and running it: the parts put together in order, and taken apart in reverse."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvicorn

from tieout.agreement.model import Agreement
from tieout.engines import passphrase
from tieout.engines.cometbft.nodes import is_ordered_by_several, ledgers_within
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger, read_genesis
from tieout.engines.keyfile import KeyFile
from tieout.node.access import Doorkeeper, Role, now_us
from tieout.node.alarms.desk import AlarmDesk
from tieout.node.alarms.details import troubles_of
from tieout.node.alarms.outbox import Outbox
from tieout.node.alarms.rulefile import ALARMS_FILE, load_alarms
from tieout.node.app import make_app
from tieout.node.bookkeeping.keeper import Keeper
from tieout.node.bulk import empty_spool
from tieout.node.consortium import ConsortiumOrdering
from tieout.node.desk import Desk
from tieout.node.errors import NodeError
from tieout.node.following import FollowerProcess
from tieout.node.gate import PatientProtocol
from tieout.node.house import House, gauges
from tieout.node.metrics import Metrics
from tieout.node.oidc.desk import open_desk
from tieout.node.ordering import EmbeddedOrdering, Ordering
from tieout.node.places import OUTBOX_FILE, SETTINGS_FILE, SPOOL, STORE_FILE, database_url
from tieout.node.settings import Log, Settings, default_file, load_settings
from tieout.node.store import Store
from tieout.node.stream import Stream
from tieout.node.telemetry import tracing
from tieout.projections.database import Database
from tieout.projections.desk import Desk as WorkDesk
from tieout.projections.reader import Reader

LEDGER: Final = "ledger"
_USES_EVERY_S: Final = 30.0
log = structlog.get_logger("tieout.node")


def found_node(directory: Path, parties: Sequence[str], agreement: Agreement | None) -> None:
    """Make the directory of a node: settings, and a ledger with fresh test keys of all parties.

    Raises NodeError when there is a node already, EngineError when the ledger cannot be made.
    """
    _refuse_node(directory)
    names = list(dict.fromkeys([*(agreement.roles if agreement else ()), *parties]))
    if not names:
        raise NodeError("no party was named", "name an agreement, or the parties")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found_ledger(directory / LEDGER, names, now_us())
    if agreement is not None:
        with EmbeddedLedger.open(directory / LEDGER) as ledger:
            ledger.enact(agreement, now_us())
    (directory / SETTINGS_FILE).write_text(default_file(), encoding="utf-8")


def join_ledger(directory: Path, network: Path) -> Path:
    """Make the directory of a node that serves a consortium's ledger; the ledger's directory.

    `network` is the directory of a party, or of one of its ledgers. Raises NodeError when there is
    a node already, EngineError when `network` has no ledger that a network orders.
    """
    _refuse_node(directory)
    found = ledgers_within([network])
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise NodeError(f"{network} has several ledgers", f"a node serves one; name it: {names}")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = found[0].absolute()
    (directory / SETTINGS_FILE).write_text(default_file(str(ledger)), encoding="utf-8")
    return ledger


def _refuse_node(directory: Path) -> None:
    if (directory / SETTINGS_FILE).exists():
        raise NodeError(f"{directory} holds a node already", "run it, or name another directory")


@contextlib.contextmanager
def open_house(
    directory: Path, settings: Settings, clock: Callable[[], int] = now_us
) -> Iterator[House]:
    """All parts of a node, running, but for HTTP. What was begun is finished on the way out."""
    with contextlib.ExitStack() as stack:
        oidc = open_desk(directory, settings, clock)
        if oidc is not None:
            stack.callback(oidc.close)
        store = Store(directory / STORE_FILE)
        stack.callback(store.close)
        ordering = _open_ordering(directory, settings, clock)
        stack.callback(ordering.close)
        stream = Stream(ordering)
        told: list[Callable[[], None]] = [stream.tell]

        def tell_all() -> None:
            for tell in told:
                tell()

        desk = Desk(
            ordering, store, clock,
            gather_s=settings.publishing.gather_ms / 1_000,
            tick_s=settings.publishing.tick_ms / 1_000,
            on_blocks=tell_all,
        )  # fmt: skip
        doorkeeper = Doorkeeper(store, clock, settings.access.session_s)
        empty_spool(directory / SPOOL)
        desk.start()
        stack.callback(desk.stop)
        stack.callback(doorkeeper.write_uses)
        database = stack.enter_context(_read_models(directory, settings))
        reader = Reader(database)
        alarms = stack.enter_context(_alarms(directory, stream, reader, clock))
        keeper = Keeper(directory, desk, stream, clock, dry_run=settings.books.dry_run)
        keeper.start()
        # Before the desk is: it is the desk that signs what the keeper says.
        stack.callback(keeper.stop)
        told += [alarms.tell, keeper.tell]
        ordering.follow(tell_all)
        metrics = Metrics(lambda: gauges(ordering, desk, stream, reader, alarms, keeper))
        yield House(
            settings, ordering, store, doorkeeper, desk, stream, metrics, reader,
            WorkDesk(database), alarms, keeper, directory / SPOOL, clock, oidc,
        )  # fmt: skip


def _open_ordering(directory: Path, settings: Settings, clock: Callable[[], int]) -> Ordering:
    """The ledger, with its keys; a sealed key file is opened first, as a person may be asked."""
    path, file = directory / settings.storage.ledger, settings.keys.passphrase_file
    read_genesis(path)
    keys = KeyFile(path, passphrase.stated(directory / file if file else None))
    if is_ordered_by_several(path):
        return ConsortiumOrdering.open(path, keys, clock)
    return EmbeddedOrdering(EmbeddedLedger.open(path, keys=keys), clock)


@contextlib.contextmanager
def _alarms(
    directory: Path, stream: Stream, reader: Reader, clock: Callable[[], int]
) -> Iterator[AlarmDesk]:
    """What tells people, with the breaks that the read models know."""
    alarms = load_alarms(directory / ALARMS_FILE)
    outbox = Outbox(directory / OUTBOX_FILE, alarms, stream.ledger_id)
    with contextlib.closing(outbox):
        desk = AlarmDesk(alarms, outbox, stream, troubles_of(reader), directory, clock)
        desk.start()
        try:
            yield desk
        finally:
            desk.stop()


@contextlib.contextmanager
def _read_models(directory: Path, settings: Settings) -> Iterator[Database]:
    """The database that lists are read from, kept up meanwhile by a process of its own."""
    url = database_url(directory, settings.storage.database)
    with Database(url) as database:
        if not settings.storage.follow:
            yield database
            return
        follower = FollowerProcess(directory / settings.storage.ledger, url)
        follower.start()
        try:
            yield database
        finally:
            follower.stop()


class NodeServer(uvicorn.Server):
    """uvicorn, with a stream that ends first when it stops."""

    def __init__(
        self, config: uvicorn.Config, house: House, on_ready: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._house = house
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where."""
        self._house.stream.attach(asyncio.get_running_loop())
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            public = self._house.settings.listen.public_url
            self._on_ready(public or f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        """Note now and then when tokens were used (uvicorn ticks ten times a second)."""
        if counter % int(_USES_EVERY_S * 10) == 1:
            await asyncio.to_thread(self._house.doorkeeper.write_uses)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the listeners go, then finish what is under way."""
        self._house.stream.end()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, whatever the signal; uvicorn would raise it again afterwards."""
        del frame
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def run_node(directory: Path, on_ready: Callable[[str, str], None]) -> None:
    """Run a node until it is told to stop. `on_ready(url, link)` once it listens.

    `link` is the one-time administrator link while there is no administrator, else empty. Raises
    NodeError, EngineError and the journal's errors.
    """
    settings = load_settings(directory / SETTINGS_FILE, os.environ)
    set_up_log(settings.log)
    with tracing(settings.telemetry), open_house(directory, settings) as house:
        limits, listen = settings.limits, settings.listen
        config = uvicorn.Config(
            make_app(house),
            host=listen.host,
            port=listen.port,
            loop="uvloop",
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=limits.stop_s,
        )

        def ready(url: str) -> None:
            link = f"{url}/setup#{house.doorkeeper.make_link()}" if needs_link(house.store) else ""
            log.info("ready", url=url, height=house.stream.height)
            on_ready(url, link)

        NodeServer(config, house, ready).run()
    log.info("stopped")


def needs_link(store: Store) -> bool:
    """Whether nobody can administer the node yet."""
    administrators = [user for user in store.users() if user.role == Role.ADMINISTRATOR]
    return not any(map(store.can_sign_in, administrators))


def set_up_log(settings: Log) -> None:
    """Say everything on standard error, a line each: JSON, or text for people."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    is_json = settings.format == "json"
    render = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
