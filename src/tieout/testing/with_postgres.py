"""Something to be tried on PostgreSQL: a private server for as long as one command runs.

    python -m tieout.testing.with_postgres COMMAND...

The command finds the server's database in TIEOUT_STORAGE_DATABASE. Where that is set already, no
server is started, and the command runs on the one that it names. The server's data go with it: read
models are folded anew from the ledger at the next start.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from tieout.testing.postgres import find_programs, postgres_server

DATABASE: Final = "TIEOUT_STORAGE_DATABASE"
_NONE: Final = f"""PostgreSQL is not installed here. On Debian and Ubuntu:
  apt-get install postgresql
Or name a database that you have: {DATABASE}=postgresql://USER@HOST/NAME
"""


def main(command: Sequence[str], programs: Path | None) -> int:
    """Run the command to its end; its exit code, 1 where there is no PostgreSQL.

    `programs` is the folder of PostgreSQL's programs, None where it is not installed.
    """
    if os.environ.get(DATABASE):
        return _run(command, os.environ[DATABASE])
    if programs is None:
        sys.stderr.write(_NONE)
        return 1
    with postgres_server(programs, durable=True) as server:
        sys.stderr.write(
            f"a PostgreSQL of its own, from {programs}, in {server.folder}, which goes with it\n"
        )
        return _run(command, server.new_database())


def _run(command: Sequence[str], url: str) -> int:
    """Run it, and hand on what tells it to stop; the server is stopped after it."""
    # What to run is what the caller wrote behind this module's name.
    process = subprocess.Popen(command, env={**os.environ, DATABASE: url})  # noqa: S603

    def stop(_signal: int, _frame: FrameType | None) -> None:
        process.send_signal(signal.SIGTERM)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], find_programs()))
