"""All parts of a running node, put together; what every endpoint is given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tieout import kernel
from tieout.kernel.book import Book
from tieout.node.access import Doorkeeper
from tieout.node.alarms.desk import AlarmDesk
from tieout.node.bookkeeping.keeper import Keeper
from tieout.node.desk import Desk
from tieout.node.metrics import Metrics
from tieout.node.oidc.desk import OidcDesk
from tieout.node.ordering import Ordering
from tieout.node.problems import ProblemError
from tieout.node.records import RecordForm
from tieout.node.settings import Settings
from tieout.node.store import Store
from tieout.node.stream import Stream
from tieout.projections.desk import Desk as WorkDesk
from tieout.projections.errors import ProjectionError
from tieout.projections.reader import Reader
from tieout.wire.codes import Status


@dataclass(slots=True)
class House:
    """A running node."""

    settings: Settings
    ordering: Ordering
    store: Store
    doorkeeper: Doorkeeper
    desk: Desk
    stream: Stream
    metrics: Metrics
    reader: Reader
    work: WorkDesk
    alarms: AlarmDesk
    keeper: Keeper
    spool: Path
    clock: Callable[[], int]
    oidc: OidcDesk | None = None
    """Where people sign in whom an identity provider knows; None without one."""
    in_progress: set[tuple[int, str]] = field(default_factory=set)
    """Keys of requests that are being worked on: (user, key)."""
    attaching: int = 0
    """Files that are being received."""
    forms: dict[tuple[int, int], RecordForm] = field(default_factory=dict)
    """Makers of rows, by agreement number and role."""
    roles: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """(role, party) by agreement number and name of the role, once they were found."""
    pages: dict[str, bytes] = field(default_factory=dict)
    """What is written once at the start: the API's document and manual."""

    def book(self, name: str) -> Book:
        """The newest version in force of an agreement. Raises ProblemError."""
        book = self.ordering.books.get(name)
        if book is None:
            raise ProblemError("not_found", f"no agreement {name} is in force here")
        return book

    def role(self, book: Book, name: str) -> tuple[int, int]:
        """(role, party) for which this node may speak. Raises ProblemError.

        Without a name: the only one.
        """
        known = self.roles.get((book.number, name))
        if known is None:
            known = self.roles[book.number, name] = self._role(book, name)
        return known

    def _role(self, book: Book, name: str) -> tuple[int, int]:
        parties = frozenset(self.ordering.ring.parties)
        roles = book.agreement.roles
        ours = {
            role: min(parties.intersection(holders))
            for role, holders in enumerate(book.holders)
            if parties.intersection(holders)
        }
        if name:
            if name not in roles:
                what = f"{book.agreement.name} has no role {name}; it has {', '.join(roles)}"
                raise ProblemError("not_found", what)
            if roles.index(name) not in ours:
                raise ProblemError("not_allowed", f"this node does not speak for {name}")
            return roles.index(name), ours[roles.index(name)]
        if len(ours) != 1:
            can = ", ".join(roles[role] for role in ours) or "none"
            raise ProblemError("invalid_parameter", f"say for which role: ?role=; here: {can}")
        return next(iter(ours.items()))

    def form(self, book: Book, role: int) -> RecordForm:
        """What makes rows of one role's records."""
        key = (book.number, role)
        if key not in self.forms:
            self.forms[key] = RecordForm(book.agreement, role)
        return self.forms[key]


def gauges(
    ordering: Ordering,
    desk: Desk,
    stream: Stream,
    reader: Reader,
    alarms: AlarmDesk,
    keeper: Keeper,
) -> Iterable[tuple[str, dict[str, str], float]]:
    """The values of all gauges now."""
    point = ordering.journal.durable
    yield "tieout_ledger_height", {}, point.height
    yield "tieout_ledger_block_time_seconds", {}, point.time_us / 1_000_000
    yield "tieout_ledger_writable", {}, 0 if desk.failure or ordering.trouble else 1
    yield "tieout_records_waiting", {}, desk.waiting
    yield "tieout_stream_listeners", {}, stream.listeners
    yield "tieout_read_models_blocks_behind", {}, _behind(reader, point.height)
    notices = alarms.outbox.counts()
    for word in ("waiting", "delivered", "failed"):
        count = sum(n for (_, state_now), n in notices.items() if state_now == word)
        yield "tieout_notices", {"state": word}, count
    yield "tieout_books_waiting", {}, keeper.waiting
    with ordering.reading() as state:
        counted = [(name, kernel.counts(state, name)) for name in state.newest]
    for name, counts in counted:
        for status in Status:
            word = status.name.lower()
            yield "tieout_transactions", {"agreement": name, "status": word}, getattr(counts, word)


def _behind(reader: Reader, height: int) -> int:
    """How many blocks the read models are behind; all of them while they cannot be asked."""
    try:
        return max(0, height - reader.standing().height)
    except ProjectionError:
        return height
