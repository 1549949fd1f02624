"""The two processes of a node: the application, and CometBFT beside it.

CometBFT means to end itself when the application is gone, and sometimes hangs while it does; the
application waits when CometBFT is gone. So both are watched from here. When one of them has ended,
what is left of the node is started again, after a pause that grows; a node that keeps ending is
given up, as something is wrong with it that starting does not mend.
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
from collections.abc import Mapping, Sequence
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
    """A node that does not start, or keeps ending; `advice` names the log to read."""


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
    """The processes of one node, whose files `settings.write_node` wrote. For one thread."""

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

    def start(self) -> None:
        """Start what does not run: the application, and CometBFT once that one answers.

        Raises NodeFailed when the application does not come up.
        """
        if not _is_running(self.application):
            self._end(self.cometbft, ORPHAN_STOP_S)
            command = [*self.command, ".", *self._options]
            self.application = self._spawn(command, "application.log", {})
            self._await_application(self.application)
        if not _is_running(self.cometbft):
            command = [str(self._program), "start", "--home", COMETBFT]
            self.cometbft = self._spawn(command, "cometbft.log", self.environment)

    def end_cometbft(self) -> None:
        """End CometBFT alone, in order; the application waits for it to come back."""
        self._end(self.cometbft)

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

    def _await_application(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_S
        while not _answers(self.directory / SOCKET):
            if not _is_running(process) or time.monotonic() > until:
                self._end(process)
                log = self.directory / LOGS / "application.log"
                raise NodeFailed(
                    f"the application of {self.directory} does not start", f"see {log}"
                )
            time.sleep(_POLL_S)

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
    """Keeps nodes running. Whoever runs several on one machine has one for all of them."""

    def __init__(self, nodes: Sequence[NodeProcesses]) -> None:
        self._nodes = list(nodes)
        self._restarts: list[deque[float]] = [deque(maxlen=RESTARTS) for _ in nodes]

    def run(self, until: threading.Event) -> None:
        """Start all nodes, keep them running until the event is set, then end them.

        Raises NodeFailed, with all nodes ended, when one of them keeps ending.
        """
        try:
            for node in self._nodes:
                node.start()
            while not until.wait(_WATCH_S):
                self.tend(time.monotonic())
        finally:
            for node in self._nodes:
                node.stop()

    def tend(self, now: float) -> None:
        """Start again what has ended; `now` in seconds of any clock that only goes on."""
        for node, restarts in zip(self._nodes, self._restarts, strict=True):
            if node.is_whole:
                continue
            recent = [at for at in restarts if now - at < RESTARTS_WITHIN_S]
            if len(recent) >= RESTARTS:
                raise NodeFailed(
                    f"the node in {node.directory} ended {RESTARTS} times within a minute",
                    f"see {node.directory / LOGS}",
                )
            # 0, 0.4, 0.8, 1.2 … seconds since the last time.
            if restarts and now - restarts[-1] < 2 * _WATCH_S * len(recent):
                continue
            restarts.append(now)
            node.start()


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
