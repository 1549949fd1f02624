"""The follower in a process of its own: read models are kept up without holding the ledger up.

    python -m tieout.node.following LEDGER_DIRECTORY DATABASE_URL

It ends when its standard input is closed, which happens with the node however the node ends. The
node starts it again when it dies by itself.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from tieout.engines import passphrase

NICENESS: Final = 5
"""What is prepared for readers waits for what is judged."""
_AGAIN_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Waits before it is started again; the last one for good."""
_WELL_S: Final = 60.0
"""A process that lived so long is started again as if it were the first to end."""
_ENDED_S: Final = 20.0
log = structlog.get_logger("tieout.node")


class FollowerProcess:
    """Starts the process, starts it again when it dies, ends it."""

    def __init__(self, ledger: Path, url: str) -> None:
        self._command = [sys.executable, "-m", "tieout.node.following", str(ledger)]
        # Not on the command line, where everybody on the machine could read a password.
        self._environment = {**os.environ, "TIEOUT_STORAGE_DATABASE": url}
        # It only reads, and signs nothing.
        self._environment.pop(passphrase.VARIABLE, None)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End the process and return when it has ended."""
        self._stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
        self._thread.join(_ENDED_S)

    @property
    def is_running(self) -> bool:
        """Whether the process is there now."""
        return self._process is not None and self._process.poll() is None

    def _watch(self) -> None:
        ended = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run()
            if not self._stopping.is_set():
                ended = 0 if time.monotonic() - began > _WELL_S else ended
                log.warning("the follower ended by itself and is started again", code=code)
                self._stopping.wait(_AGAIN_S[min(ended, len(_AGAIN_S) - 1)])
                ended += 1

    def _run(self) -> int | None:
        """Its exit code; None when it could not be started, for want of memory, say."""
        try:
            with subprocess.Popen(  # noqa: S603 - this very module
                self._command, stdin=subprocess.PIPE, env=self._environment
            ) as process:
                self._process = process
                if self._stopping.is_set() and process.stdin is not None:
                    process.stdin.close()  # `stop` came too early to see it
                return process.wait()
        except OSError as error:
            log.warning("the follower cannot be started", reason=str(error))
            return None


def _wake_up() -> None:
    """End the wait for standard input from another thread."""
    os.kill(os.getpid(), signal.SIGTERM)


def follow(ledger: Path, url: str, until: Callable[[], object]) -> int:
    """Follow until `until()` returns; 1 when following cannot go on."""
    from tieout.engines.embedded.ledger import read_genesis  # noqa: PLC0415 - quick to be ended
    from tieout.engines.embedded.places import JOURNAL  # noqa: PLC0415
    from tieout.journal.journal import Journal  # noqa: PLC0415
    from tieout.projections.database import Database  # noqa: PLC0415
    from tieout.projections.follower import Follower  # noqa: PLC0415

    genesis = read_genesis(ledger)
    failures: list[BaseException] = []
    with (
        Database(url) as database,
        Journal.open(ledger / JOURNAL, genesis.ledger_id(), read_only=True) as journal,
    ):
        follower = Follower(journal, genesis, database)

        def run() -> None:
            try:
                follower.run()
            except BaseException as error:  # noqa: BLE001 - carried into the thread that waits
                failures.append(error)
                log.error("read models cannot be kept up", reason=str(error))  # noqa: TRY400
                _wake_up()

        thread = threading.Thread(target=run, name="follower", daemon=True)
        thread.start()
        until()
        follower.stop()
        thread.join()
    return 1 if failures else 0


def main() -> None:
    """Follow until standard input is closed."""
    os.nice(NICENESS)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # Ctrl-C at a terminal reaches this process, too; the node ends it when its own work is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    url = os.environ["TIEOUT_STORAGE_DATABASE"]
    sys.exit(follow(Path(sys.argv[1]), url, sys.stdin.buffer.read))


if __name__ == "__main__":
    main()
