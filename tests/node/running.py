"""A node in a process of its own, and somebody who talks to it over HTTP."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tieout.node.access import ROLES, Doorkeeper, Role, now_us
from tieout.node.places import SETTINGS_FILE, STORE_FILE
from tieout.node.store import Store

AGREEMENT = """
name = "pay"
version = 1
roles = ["seller", "bank"]

[fields.amount]
type = "money"
scale = 2
currency = "CNY"

[fields.day]
type = "date"
optional = true

[benchmark]
amount = "bank"

[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" } }
"""
TIEOUT = str(Path(sys.executable).with_name("tieout"))
STARTED_S = 60.0
STOPPED_S = 30.0
RECORDS = "/v1/agreements/pay/records"


def tieout(*words: object) -> subprocess.CompletedProcess[str]:
    """A command of the terminal, carried out to its end."""
    command = [TIEOUT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(self.json["code"])


class Caller:
    """Asks one node, as one user."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | dict[str, Any] | None = None,
        **headers: str,
    ) -> Said:
        """One request on a connection of its own; `content_type="x"` is Content-Type: x."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, dict):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        try:
            line.request(method, path, body, sent)
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Said(answer.status, found, answer.read())
        finally:
            line.close()

    def get(self, path: str, **headers: str) -> Said:
        return self.ask("GET", path, **headers)

    def record(self, role: str, transaction: str, amount: str, **headers: str) -> Said:
        """Publish one record under `pay`."""
        body = {"transaction_id": transaction, "amount": amount}
        return self.ask("POST", f"{RECORDS}?role={role}", body, **headers)

    def many(self, role: str, text: str, form: str = "application/x-ndjson") -> Said:
        """Publish many records under `pay`."""
        return self.ask("POST", f"{RECORDS}?role={role}", text.encode(), content_type=form)

    def transaction(self, name: str) -> Any:
        return self.get(f"/v1/agreements/pay/transactions/{quote(name, safe='')}").json


class Node:
    """A node's directory, and its process while it runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.link = ""
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def found(cls, directory: Path, agreement: str = AGREEMENT) -> "Node":
        """Make a node with `tieout node init`."""
        text = directory.with_suffix(".toml")
        text.write_text(agreement, encoding="utf-8")
        command = [TIEOUT, "node", "init", str(directory)]
        subprocess.run([*command, "--agreement", str(text)], check=True, capture_output=True)
        return cls(directory)

    def copy_to(self, directory: Path) -> "Node":
        """The same node somewhere else, while it does not run."""
        shutil.copytree(self.directory, directory)
        return Node(directory)

    def start(self, before: tuple[str, ...] = (), **settings: str) -> "Node":
        """Run it on a port of its own; settings as environment variables.

        `before` are words of a command that runs it.
        """
        log = self.directory / "said.log"
        with log.open("wb") as said_to:
            self._process = subprocess.Popen(
                [*before, TIEOUT, "node", "run", str(self.directory)],
                stderr=said_to,
                stdout=said_to,
                env={**os.environ, "TIEOUT_LISTEN_PORT": "0", **settings},
            )
        until = time.monotonic() + STARTED_S
        while time.monotonic() < until and self._process.poll() is None:
            said = log.read_text(encoding="utf-8")
            found = re.search(r"the node is at http://127\.0\.0\.1:(\d+)", said)
            if found:
                link = re.search(r"/setup#(\S+)", said)
                self.port, self.link = int(found[1]), link[1] if link else ""
                return self
            time.sleep(0.05)
        raise AssertionError(log.read_text(encoding="utf-8"))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """What it said so far."""
        return (self.directory / "said.log").read_text(encoding="utf-8")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it, kindly or not; its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(STOPPED_S)
        self._process = None
        return code

    def caller(self, role: str = "operator", person: str = "") -> Caller:
        """Somebody with a token: a user of that role, made where there is none."""
        return Caller(self.port, self.token(role, person))

    def token(self, role: str, person: str = "") -> str:
        assert (self.directory / SETTINGS_FILE).exists()
        store = Store(self.directory / STORE_FILE)
        try:
            keeper = Doorkeeper(store, now_us, 0)
            name = f"{role}-{person.replace('/', '-')}" if person else role
            user = store.user_named(name) or keeper.add_user(name, Role(role), None, person)
            return keeper.make_token(user, "test", sorted(ROLES[Role(role)]), 1)[1]
        finally:
            store.close()


def await_lists(caller: Caller) -> None:
    """Wait until the read models show what was published."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        said = caller.get("/v1/transactions")
        if said.status == 200 and said.json["items"]:
            return
        time.sleep(0.05)
    raise AssertionError(said.body)


def ndjson(records: Iterable[Mapping[str, object]]) -> str:
    """Records, one to a line."""
    return "".join(json.dumps(each) + "\n" for each in records)
