"""A progress bar on standard error, when somebody is looking at it."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


class Progress:
    """Shows how much of `total` is done; shows and loads nothing without a terminal."""

    def __init__(self, what: str, total: int, *, quiet: bool = False) -> None:
        self._what = what
        self._total = total
        self._quiet = quiet or not sys.stderr.isatty()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if not self._quiet:
            from rich.console import Console
            from rich.progress import Progress as Bar

            # What is printed meanwhile stands above the bar on a terminal; a file gets it as it is.
            self._bar = Bar(
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        return self

    def reach(self, done: int) -> None:
        """So much of the total is done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
