"""A process of its own that keeps keys and signs over a UNIX socket, as a device would.

`python -m tests.engines.signing_process SOCKET` takes a key file on standard input, and ends when
the one who started it closes the line. A request and its answer are a line of JSON each.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.conftest import ROOT
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import HeldKeys, StoredKeys
from tieout.engines.keystore import KeptKey


class SocketKeys:
    """Keys that another process keeps, behind the port of engines."""

    def __init__(self, stored: StoredKeys, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.signing_process", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(stored) + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"listening\n"
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(path))
        self._file = self._line.makefile("rb")
        self.salt_secret = bytes.fromhex(self._ask("salt_secret"))
        self._kept: list[KeptKey] = []
        self.refresh()

    def kept(self) -> Sequence[KeptKey]:
        return self._kept

    def refresh(self) -> None:
        found = self._ask("kept")
        self._kept = [KeptKey(party, 0, key, bytes.fromhex(pub)) for party, key, pub in found]

    def sign(self, public: bytes, message: bytes) -> bytes:
        return bytes.fromhex(self._ask("sign", public.hex(), message.hex()))

    def make(self, party: int, person: int, number: int) -> bytes:
        public = bytes.fromhex(self._ask("make", party, person, number))
        self.refresh()
        return public

    def fail(self) -> None:
        """Be gone from one moment to the next, as a device whose cable was pulled."""
        self._process.kill()
        self._process.wait(30)

    def close(self) -> None:
        """End the process."""
        self._file.close()
        self._line.close()
        self._process.communicate(timeout=30)

    def _ask(self, what: str, *about: Any) -> Any:
        try:
            self._line.sendall(json.dumps([what, *about]).encode() + b"\n")
            answer = self._file.readline()
        except OSError as error:
            raise EngineError(f"the signing process does not answer: {error}") from error
        if not answer:
            raise EngineError("the signing process does not answer", "start it again")
        return json.loads(answer)


def serve(path: str) -> None:
    """Sign for the first who connects, until they leave."""
    keys = HeldKeys(msgspec.json.decode(sys.stdin.readline().encode(), type=StoredKeys))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(1)
        listening.settimeout(30)
        print("listening", flush=True)  # noqa: T201 - what the other side waits for
        line, _ = listening.accept()
    with line, line.makefile("rwb") as file:
        while asked := file.readline():
            what, *about = json.loads(asked)
            answer: Any
            if what == "salt_secret":
                answer = keys.salt_secret.hex()
            elif what == "kept":
                answer = [[each.party, each.key, each.public.hex()] for each in keys.kept()]
            elif what == "sign":
                answer = keys.sign(*map(bytes.fromhex, about)).hex()
            else:
                answer = keys.make(*about).hex()
            file.write(json.dumps(answer).encode() + b"\n")
            file.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
