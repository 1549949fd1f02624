"""`python -m tieout.engines.cometbft DIR`: the application of one node, until it is told to end.

DIR is its directory (`places`), and becomes the working directory. SIGTERM and SIGINT end it. The
exit code is 1 when the ledger cannot be opened, or its state can no longer be trusted: then it is
started again, and goes on from its journal.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.application import Application
from tieout.engines.cometbft.peers import Allowed
from tieout.engines.cometbft.places import JOURNAL, SOCKET
from tieout.engines.cometbft.server import Server
from tieout.engines.cometbft.settings import read_node
from tieout.engines.errors import EngineError
from tieout.journal.errors import JournalError

_LOG: Final = logging.getLogger("tieout")


class CallFile:
    """Writes down which calls came, a line for each, to be checked against their grammar."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="ascii", buffering=1)
        self._file.write("start\n")

    def __call__(self, request: abci.Request) -> None:
        """Note one request; those with a height with it."""
        kind = request.WhichOneof("value")
        height = getattr(getattr(request, str(kind)), "height", None)
        self._file.write(f"{kind}\n" if height is None else f"{kind} {height}\n")


async def run(calls: Path | None, kind: type[Application]) -> None:
    """Serve the node in the working directory. Raises EngineError, and the journal's errors."""
    genesis, _ = read_node(Path())
    application = kind.open(Path(JOURNAL), genesis, Allowed(Path()))
    try:
        server = Server(application, CallFile(calls)) if calls else Server(application)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        height = application.newest.height
        await server.serve(Path(SOCKET), lambda: _LOG.info("serving from block %d", height))
    finally:
        application.close()


def main(arguments: Sequence[str] | None = None, kind: type[Application] = Application) -> int:
    """Parse the command line and serve an application of this kind; the exit code."""
    parser = argparse.ArgumentParser(prog="tieout.engines.cometbft", description=__doc__)
    parser.add_argument("directory", type=Path, help="the node's directory")
    parser.add_argument("--calls", type=Path, help="write down which calls came")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    calls = None if options.calls is None else options.calls.absolute()
    try:
        os.chdir(options.directory)
        asyncio.run(run(calls, kind))
    except (EngineError, JournalError) as error:
        _LOG.critical("%s", f"{error}: {error.advice}" if error.advice else error)
        return 1
    except OSError as error:
        _LOG.critical("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
