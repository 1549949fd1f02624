"""The demonstration of a consortium from founding to the end; no process is left behind."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tieout.consensus.quorum import faults_borne
from tieout.demo.consortium import custody, story
from tieout.demo.consortium.member import Member
from tieout.demo.founding import MARK
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.founding import found_ledgers
from tieout.engines.cometbft.plan import VOTING_POWER, LedgerMembers, NetworkPlan, with_addresses
from tieout.engines.cometbft.process import NodeProcesses, Supervisor
from tieout.engines.errors import EngineError


def play_consortium(folder: Path, cometbft: Path, say: Callable[[str], None]) -> story.Result:
    """Found two ledgers in `folder`, run all nodes, play the story, stop, and judge what is left.

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
    plan = NetworkPlan(
        {story.LEDGER: LedgerMembers(story.MEMBERS), custody.LEDGER: LedgerMembers(custody.MEMBERS)}
    )
    addresses = iter(free_addresses(2 * plan.copies()))
    now_us = time.time_ns() // 1_000
    ledgers = found_ledgers(folder, with_addresses(plan, addresses), now_us)
    members = [[Member(at, i) for i, at in enumerate(each, start=1)] for each in ledgers]
    beside = custody.Custody(members[1])
    for name, each in plan.ledgers.items():
        may_fail = faults_borne([VOTING_POWER for _ in each.parties]) or "none"
        say(f"ledger {name}: {', '.join(each.parties)}; {may_fail} of {len(each.parties)} may fail")
    played = story.Story(members[0], beside, say)
    try:
        with Running([at for each in ledgers for at in each], cometbft):
            played.play()
        say("all nodes are stopped; what follows is read from their disks")
        return played.judge(folder)
    finally:
        for member in [*members[0], *members[1]]:
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
        # What a story waited for in vain is explained by the node that was given up.
        for failure in [self._failure, *self._supervisor.failures.values()]:
            if failure is not None:
                raise failure

    def _run(self) -> None:
        try:
            self._supervisor.run(self._until)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._failure = error
