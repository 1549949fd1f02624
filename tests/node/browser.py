"""A real Chromium, told what to do over its debugging pipe (DevTools protocol)."""

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WAIT_S = 60.0


def find_browser() -> str | None:
    """The program, as it is called here."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """One page of a browser of its own. Everything that it asked for and complained of is kept."""

    def __init__(self, program: str, profile: Path) -> None:
        there, self._commands = os.pipe()
        self._answers, back = os.pipe()
        words = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        # The browser reads commands at 3 and answers at 4.
        redirected = f'exec "$@" 3<&{there} 4>&{back}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", redirected, "browser", *words],
            pass_fds=(there, back),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(back)
        self._rest = b""
        self._number = 0
        self._session = ""
        self.asked: list[str] = []
        """The addresses of everything that was asked for."""
        self.complaints: list[str] = []
        """What the browser wrote into its console: refused by the policy, not found, failed."""

    def __enter__(self) -> Self:
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for part in ("Page", "Network", "Log", "Runtime"):
            self.tell(f"{part}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def tell(self, method: str, **parameters: Any) -> Any:
        """Give a command, and wait for its answer."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            said["sessionId"] = self._session
        os.write(self._commands, json.dumps(said).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard["error"]
                return heard["result"]

    def open(self, url: str) -> None:
        """Go to a page, and wait until everything on it is there."""
        self.tell("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, script: str) -> Any:
        """What a script gives."""
        said = self.tell("Runtime.evaluate", expression=script, returnByValue=True)
        return said["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until a script says yes."""
        end = time.monotonic() + WAIT_S
        while not self.value(script):
            assert time.monotonic() < end, (script, self.complaints)
            time.sleep(0.05)

    def _hear(self) -> Any:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], WAIT_S)
            assert ready, "the browser says nothing"
            piece = os.read(self._answers, 1 << 16)
            assert piece, "the browser ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        heard = json.loads(line)
        if heard.get("method") == "Network.requestWillBeSent":
            self.asked.append(heard["params"]["request"]["url"])
        if heard.get("method") == "Log.entryAdded":
            entry = heard["params"]["entry"]
            # Every browser asks for an icon by itself; a node has none.
            if not entry.get("url", "").endswith("/favicon.ico"):
                self.complaints.append(entry["text"])
        return heard
