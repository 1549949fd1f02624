"""The demonstration of a consortium from founding to the end; no process is left behind."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tieout.demo.consortium.member import Member
from tieout.demo.consortium.story import MEMBERS, Result, Story
from tieout.demo.founding import MARK
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import Member as Founder
from tieout.engines.cometbft.founding import found_network
from tieout.engines.cometbft.process import NodeProcesses, Supervisor
from tieout.engines.errors import EngineError

VOTING_POWER = 10


def play_consortium(folder: Path, cometbft: Path, say: Callable[[str], None]) -> Result:
    """Found four nodes in `folder`, run them, play the story, stop them, and judge what is left.

    Raises EngineError when the folder holds anything but an earlier demonstration, or a step does
    not come.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise EngineError(
            f"{folder} is not empty and not from an earlier demonstration", "name another directory"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    addresses = iter(free_addresses(2 * len(MEMBERS)))
    founders = [Founder(name, VOTING_POWER, next(addresses), next(addresses)) for name in MEMBERS]
    directories = found_network(folder, "fund", founders, time.time_ns() // 1_000)
    say(f"founded: {', '.join(MEMBERS)}; each has a node, and a quarter of the votes")
    members = [Member(directory, i) for i, directory in enumerate(directories, start=1)]
    story = Story(members, say)
    try:
        with Running(directories, cometbft):
            story.play()
        say("all nodes are stopped; what follows is read from their disks")
        return story.judge(folder)
    finally:
        for member in members:
            member.close()


class Running:
    """Nodes that run while the block is run; a supervisor in a thread of its own tends them."""

    def __init__(self, directories: list[Path], cometbft: Path) -> None:
        self._supervisor = Supervisor([NodeProcesses(each, cometbft) for each in directories])
        self._until = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._until.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._supervisor.run(self._until)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._failure = error
