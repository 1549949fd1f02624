"""The two processes of a ledger at a node: the application, and CometBFT beside it.

CometBFT means to end itself when the application is gone, and sometimes hangs while it does; the
application waits when CometBFT is gone. So both are watched from here. When one of them has ended,
what is left is started again, after a pause that grows; a ledger whose processes keep ending, or do
not start, is given up, as something is wrong with it that starting does not mend. The other ledgers
of the node go on: nobody waits for a journal that is not theirs.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tieout.engines.cometbft.places import COMETBFT, LOGS, SOCKET
from tieout.engines.errors import EngineError

COMETBFT_VARIABLE: Final = "TIEOUT_COMETBFT"
"""Names another CometBFT than the one that `make cometbft` builds."""
_BUILT: Final = Path(__file__).parents[4] / "build" / "tools" / "bin" / "cometbft"
START_S: Final = 60.0
"""A journal of a gigabyte is replayed in less."""
APPLICATION: Final = (sys.executable, "-m", "tieout.engines.cometbft")
STOP_S: Final = 10.0
"""CometBFT closes its databases in less; after that it is killed."""
ORPHAN_STOP_S: Final = 1.0
"""CometBFT without its application has nothing to bring to an end, and recovers as from a crash."""
RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.02
_WATCH_S: Final = 0.2


class NodeFailed(EngineError):
    """Processes that do not start, or keep ending; `advice` names the log to read."""


def find_cometbft() -> Path | None:
    """CometBFT's program: the one that is named, built here, or installed; None without any."""
    named = os.environ.get(COMETBFT_VARIABLE)
    if named:
        return Path(named)
    if _BUILT.is_file():
        return _BUILT
    installed = shutil.which("cometbft")
    return None if installed is None else Path(installed)


class NodeProcesses:
    """The processes of one ledger at a node; its files `settings.write_node` wrote.

    For one thread.
    """

    def __init__(
        self,
        directory: Path,
        cometbft: Path,
        *,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """`environment` is added to CometBFT's, `options` to the application's command line.

        What `environment` and `command` hold may be changed; it counts for the next start.
        """
        self.directory = directory
        self.application: subprocess.Popen[bytes] | None = None
        self.cometbft: subprocess.Popen[bytes] | None = None
        self._program = cometbft.absolute()
        self.environment = dict(environment or {})
        self.command = list(APPLICATION)
        """What runs the application: its directory and `options` are added to it."""
        self._options = list(options)
        self._starting_until: float | None = None

    def start(self) -> None:
        """Start what does not run, and wait for it: the application, then CometBFT.

        Raises NodeFailed when the application does not come up.
        """
        self.begin()
        while not self.go_on():
            time.sleep(_POLL_S)

    def begin(self) -> None:
        """Begin to start what does not run; `go_on` must follow until it returns True."""
        if not _is_running(self.application):
            self._end(self.cometbft, ORPHAN_STOP_S)
            command = [*self.command, ".", *self._options]
            self.application = self._spawn(command, "application.log", {})
        self._starting_until = time.monotonic() + START_S

    @property
    def is_starting(self) -> bool:
        """Whether `begin` was called, and CometBFT waits for the application."""
        return self._starting_until is not None

    def go_on(self) -> bool:
        """Start CometBFT once the application answers; whether it did. Never waits.

        Raises NodeFailed when the application ended, or took too long; it is gone then.
        """
        if self._starting_until is None:
            return True
        if not _answers(self.directory / SOCKET):
            if _is_running(self.application) and time.monotonic() < self._starting_until:
                return False
            self._starting_until = None
            self._end(self.application)
            log = self.directory / LOGS / "application.log"
            raise NodeFailed(f"the application of {self.directory} does not start", f"see {log}")
        self._starting_until = None
        if not _is_running(self.cometbft):
            command = [str(self._program), "start", "--home", COMETBFT]
            self.cometbft = self._spawn(command, "cometbft.log", self.environment)
        return True

    def end_cometbft(self) -> None:
        """End CometBFT alone, in order; the application waits for it to come back."""
        self._starting_until = None
        self._end(self.cometbft)

    def begin_to_stop(self) -> None:
        """Tell CometBFT to end, and do not wait for it; `stop` must follow."""
        self._starting_until = None
        if self.cometbft is not None and _is_running(self.cometbft):
            self.cometbft.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End both, CometBFT first; they are gone on return."""
        self.end_cometbft()
        self._end(self.application)

    def kill(self, *processes: subprocess.Popen[bytes] | None) -> None:
        """End processes of this node as a power cut would: at once, without a word."""
        for process in processes:
            if process is not None:
                process.kill()
                process.wait()

    @property
    def is_whole(self) -> bool:
        """Whether both run."""
        return _is_running(self.application) and _is_running(self.cometbft)

    def _spawn(
        self, command: list[str], log: str, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with (self.directory / LOGS / log).open("ab") as file:
            return subprocess.Popen(  # noqa: S603 - both programs are the node's own
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # Signals from a terminal are for whoever supervises, who then ends both in order.
                start_new_session=True,
            )

    def _end(self, process: subprocess.Popen[bytes] | None, wait_s: float = STOP_S) -> None:
        if process is None or not _is_running(process):
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Supervisor:
    """Keeps ledgers running. Whoever runs several on one machine has one for all of them."""

    def __init__(
        self, nodes: Sequence[NodeProcesses], tell: Callable[[NodeFailed], None] | None = None
    ) -> None:
        """`tell` hears of each ledger that is given up, while others go on."""
        self._nodes = list(nodes)
        self._restarts: list[deque[float]] = [deque(maxlen=RESTARTS) for _ in nodes]
        self._tell = tell or (lambda _failure: None)
        self.failures: dict[Path, NodeFailed] = {}
        """The ledgers that were given up, by their directories."""

    def run(self, until: threading.Event) -> None:
        """Start all, keep them running until the event is set, then end them.

        Raises NodeFailed, with everything ended, once the last one is given up.
        """
        try:
            for node in self._nodes:
                node.begin()
            while not until.wait(self._pause_s()):
                self.tend(time.monotonic())
        finally:
            for node in self._nodes:
                node.begin_to_stop()
            for node in self._nodes:
                node.stop()

    def tend(self, now: float) -> None:
        """Go on with what is starting, and begin to start again what has ended.

        `now`: seconds of any clock that only goes on. Raises NodeFailed once the last one is given
        up.
        """
        for node, restarts in zip(self._nodes, self._restarts, strict=True):
            if node.directory in self.failures:
                continue
            try:
                self._tend(node, restarts, now)
            except NodeFailed as failure:
                node.stop()
                self.failures[node.directory] = failure
                self._tell(failure)
                if len(self.failures) == len(self._nodes):
                    raise

    def _pause_s(self) -> float:
        return _POLL_S if any(node.is_starting for node in self._nodes) else _WATCH_S

    def _tend(self, node: NodeProcesses, restarts: deque[float], now: float) -> None:
        if not node.is_starting:
            if node.is_whole:
                return
            recent = [at for at in restarts if now - at < RESTARTS_WITHIN_S]
            if len(recent) >= RESTARTS:
                raise NodeFailed(
                    f"the processes in {node.directory} ended {RESTARTS} times within a minute",
                    f"see {node.directory / LOGS}",
                )
            # 0, 0.4, 0.8, 1.2 … seconds since the last time.
            if restarts and now - restarts[-1] < 2 * _WATCH_S * len(recent):
                return
            restarts.append(now)
            node.begin()
        try:
            node.go_on()
        except NodeFailed:
            # What never ran will not run later; what did may have been killed once more.
            if not restarts:
                raise


def _is_running(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is None


def _answers(path: Path) -> bool:
    """Whether somebody takes connections at a socket; reached by a short path, as it must be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trying:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            trying.connect(f"/proc/self/fd/{folder}/{path.name}")
        except OSError:
            return False
        finally:
            os.close(folder)
    return True
