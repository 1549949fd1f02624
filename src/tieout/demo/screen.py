"""What the audience sees: the clock, the counters, and the breaks as they arise.

On a terminal a table that is redrawn; elsewhere one line for each break and each hour of the day.
Both say of themselves that the clock is accelerated, and by how much.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tieout.demo.day import LOCAL, Day

SHOWN_LINES: Final = 14
PER_STEP: Final = 4
"""Breaks of one block that a terminal shows; all are counted, and a log names all."""
WIDE: Final = 108
"""Columns from which whole ids and the institutions' names fit."""
WIDE_TITLES: Final = (
    *("time", "transaction", "break", "whose record"),
    *("reported", "agreed value"),
)
NARROW_TITLES: Final = ("time", "order", "break", "reported", "agreed")
LEAST: Final = {"time": 5, "order": 6, "reported": 10, "agreed": 10}
VERIFIED: Final = "verified again"
CLOSED: Final = "closed"
SETTLED: Final = (VERIFIED, CLOSED)
HOUR_US: Final = 3_600_000_000
MINUTE_US: Final = 60_000_000


@dataclass(slots=True)
class Line:
    """One break on the screen; `state` is rewritten as it is adjusted. All texts are for people."""

    at_us: int
    transaction_id: str
    what: str
    party: str
    role: str
    reported: str
    agreed: str
    state: str


@dataclass(slots=True)
class Counters:
    """What has happened so far."""

    records: int = 0
    transactions: int = 0
    matched: int = 0
    broken: int = 0
    breaks: int = 0
    adjusted: int = 0


class Screen(Protocol):
    """Where the day is shown. `seconds` is how long the whole day takes on it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, now_us: int, counters: Counters, lines: Iterable[Line]) -> None:
        """Show the time of the day, the counters, and what broke since the last call."""


def clock(now_us: int) -> str:
    """A time of the day on the market's clock."""
    return f"{datetime.fromtimestamp(now_us // 1_000_000, UTC).astimezone(LOCAL):%H:%M}"


def pace(day: Day, seconds: float) -> str:
    """The label of the accelerated clock."""
    minutes = (day.cutoff_us - day.opens_us) / MINUTE_US / seconds
    return f"accelerated clock: 1 s shown = {minutes:.0f} min of the day"


def counted(counters: Counters) -> str:
    """The counters in one line."""
    return (
        f"{counters.records:,} records of {counters.transactions:,} transactions: "
        f"{counters.matched:,} matched, {counters.broken:,} broken now. "
        f"{counters.breaks:,} breaks so far, {counters.adjusted:,} adjusted and verified again"
    )


class TerminalScreen:
    """A table that is redrawn, newest breaks on top."""

    def __init__(self, console: Console, day: Day, seconds: float) -> None:
        self._day = day
        self._label = pace(day, seconds)
        self._lines: list[Line] = []
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, now_us: int, counters: Counters, lines: Iterable[Line]) -> None:
        """See `Screen`."""
        self._lines = [*self._lines, *list(lines)[:PER_STEP]][-SHOWN_LINES:]
        self._live.update(self._drawn(now_us, counters), refresh=True)

    def _drawn(self, now_us: int, counters: Counters) -> RenderableType:
        day = self._day
        head = Text.assemble(
            (f"{day.trade_date:%d %B %Y}  {clock(now_us)}", "bold"), f"   {self._label}"
        )
        total_us = day.cutoff_us - day.opens_us
        bar = ProgressBar(total_us, now_us - day.opens_us, finished_style="bar.complete")
        top = Table.grid(expand=True)
        for row in (head, bar, counted(counters)):
            top.add_row(row)
        return Group(top, self._table())

    def _table(self) -> Table:
        table = Table(expand=True, box=None, pad_edge=False)
        wide = self._live.console.width >= WIDE
        titles = WIDE_TITLES if wide else NARROW_TITLES
        for title in titles:
            is_value = title in {"reported", "agreed", "agreed value"}
            side: JustifyMethod = "right" if is_value else "left"
            table.add_column(title, justify=side, no_wrap=True, min_width=LEAST.get(title))
        table.add_column("state", no_wrap=True, ratio=1, min_width=16)
        for line in reversed(self._lines):
            what = [line.transaction_id, line.what, line.party]
            if not wide:
                what = [line.transaction_id.rpartition("-")[2], f"{line.what}, {line.role}"]
            style = "green" if line.state in SETTLED else "yellow"
            state = Text(line.state, style=style)
            table.add_row(clock(line.at_us), *what, line.reported, line.agreed, state)
        return table


class PlainScreen:
    """Lines for a log: each break once, and the counters at every full hour."""

    def __init__(self, console: Console, day: Day, seconds: float) -> None:
        self._console = console
        self._next_us = day.opens_us
        self._label = pace(day, seconds)
        self._day = day

    def __enter__(self) -> Self:
        self._print(f"{self._day.trade_date:%d %B %Y}, {self._label}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing has to be put back."""

    def show(self, now_us: int, counters: Counters, lines: Iterable[Line]) -> None:
        """See `Screen`."""
        for line in lines:
            agreed = f", agreed {line.agreed}" if line.agreed else ""
            reported = f" {line.reported}" if line.reported else ""
            self._print(
                f"{clock(line.at_us)}  {line.transaction_id}  {line.what}: "
                f"{line.party}{reported}{agreed}"
            )
        if now_us >= self._next_us:
            self._next_us += HOUR_US
            self._print(f"{clock(now_us)}  {counted(counters)}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def screen_for(console: Console, day: Day, seconds: float) -> Screen:
    """The screen that fits where the output goes."""
    if console.is_terminal:
        return TerminalScreen(console, day, seconds)
    return PlainScreen(console, day, seconds)
