"""A PostgreSQL server of one's own, for tests: data in a folder of its own, no network.

It listens on a UNIX socket in that folder and nowhere else, trusts whoever reaches it, and does not
sync, as nothing in it is to be kept. PostgreSQL refuses to run as root; then it runs as the user
`postgres`, or `nobody`.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

_USERS: Final = ("postgres", "nobody")
_START_S: Final = 60.0
_LOOK_S: Final = 0.05
_SETTINGS: Final = (*("-c", "listen_addresses="), *("-c", "max_connections=60"))
_FORGETFUL: Final = (
    *("-c", "fsync=off"),
    *("-c", "synchronous_commit=off"),
    *("-c", "full_page_writes=off"),
)


def find_programs() -> Path | None:
    """The folder with PostgreSQL's programs; None where it is not installed."""
    on_path = shutil.which("postgres")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


class PostgresServer:
    """A server that can be stopped and started again. Made by `postgres_server`."""

    def __init__(
        self, programs: Path, folder: Path, user: dict[str, Any], settings: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._programs = programs
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)

    @property
    def folder(self) -> Path:
        """Where its data and its socket stand."""
        return self._folder

    def url(self, name: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://tester@/{name}?host={self._folder}"

    def new_database(self) -> str:
        """The URL of a database that is empty, and nobody else's."""
        name = f"read_model_{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.url(name)

    def start(self) -> None:
        """Start, and wait until it answers. Raises TimeoutError with what it said."""
        log = (self._folder / "server.log").open("ab")
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += ["-k", str(self._folder), *self._settings]
        # In a session of its own: Ctrl-C stops what uses the server, which is stopped after it.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdout=log, stderr=log, start_new_session=True, **self._user
        )
        log.close()
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            time.sleep(_LOOK_S)
        self.stop()
        raise TimeoutError((self._folder / "server.log").read_text(encoding="utf-8"))

    def stop(self, *, at_once: bool = False) -> None:
        """End all connections and stop; `at_once` as if the power were cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(timeout=_START_S)
            self._process = None


@contextlib.contextmanager
def postgres_server(programs: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """A server that runs until the end of the context, with its data in a temporary folder.

    `durable`: it syncs what it commits, as one that is measured must.
    """
    settings = _SETTINGS if durable else (*_SETTINGS, *_FORGETFUL)
    user = _other_user() if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="tieout-postgres-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "--username=tester"]
        initdb += ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)  # noqa: S603
        server = PostgresServer(programs, folder, user, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _other_user() -> dict[str, Any]:
    for name in _USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise LookupError("PostgreSQL does not run as root, and there is no other user here")
