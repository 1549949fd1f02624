"""One validator of four lies (`byzantine`); the others go on, and agree."""

import contextlib
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.chaos.byzantine import LIE
from tests.chaos.faults import Fault, Stage
from tests.chaos.network import RETURN_S
from tests.engines.cometbft.consortium import Node, eventually
from tieout.engines.cometbft.places import LOGS
from tieout.wire.codes import ItemOutcome

LIES_TOLD: Final = 2
FLOOD_S: Final = 5.0
FLOOD_BYTES: Final = (20, 200, 2_000, 200_000)


def lie(how: str, shows: ItemOutcome | None, stage: Stage) -> None:
    """A node lies until it was heard twice.

    `shows` is what becomes of items that only a liar proposes, where such a block is accepted.
    """
    network, liar = stage.network, stage.one()
    with network.lying(liar, how):
        before = 0 if shows is None else _outcomes(stage, shows)
        _await_lies(liar, LIES_TOLD)
        network.await_progress()
        if shows is not None:
            eventually(lambda: _outcomes(stage, shows) > before, f"a block has {shows}", RETURN_S)
    network.is_honest_again(liar)


def propose_too_much(stage: Stage) -> None:
    """A node whose application proposes more bytes than asked for stops by itself."""
    network, liar = stage.network, stage.one()
    with network.lying(liar, "oversized"):
        _await_stop(stage, liar, "transaction data size exceeds maximum")
    network.is_honest_again(liar)


def flood(stage: Stage) -> None:
    """A node hands on rubbish of all sizes as fast as it is given it; parties get receipts."""
    network, liar = stage.network, stage.one()
    with network.lying(liar, "flooded"):
        eventually(lambda: liar.height > 0, "the liar answers", RETURN_S)
        given, sent = len(stage.load.receipts), 0
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until:
            rubbish = random.randbytes(stage.chance.choice(FLOOD_BYTES))
            with contextlib.suppress(OSError, RuntimeError):
                liar.submit(rubbish)
                sent += 1
        assert sent > FLOOD_S
        _await_lies(liar, int(FLOOD_S))
        eventually(lambda: len(stage.load.receipts) > given, "parties get receipts", RETURN_S)
    network.is_honest_again(liar)


def tell_a_wrong_hash(stage: Stage) -> None:
    """A node whose state is another one stops by itself; mended, it begins anew."""
    network, liar = stage.network, stage.one()
    with network.lying(liar, "wrong-hash"):
        _await_stop(stage, liar, "wrong Block.Header.AppHash")
    network.begin_anew(liar)
    stage.examiner.forget(liar)
    network.is_honest_again(liar)


def _await_stop(stage: Stage, liar: Node, reason: str) -> None:
    """A lie is told, the liar's own CometBFT says why it goes no further, and the others go on."""
    # It stays up, and answers.
    _await_lies(liar, 1)
    log = liar.directory / LOGS / "cometbft.log"

    def has_stopped() -> bool:
        last_run = log.read_text(errors="replace").rpartition("Starting StateSync service")[2]
        return reason in last_run

    eventually(has_stopped, "the liar's CometBFT stops", RETURN_S)
    stopped_at = liar.height
    stage.network.await_progress()
    assert liar.height == stopped_at


def _await_lies(node: Node, count: int) -> None:
    """Since the liar began."""
    log = node.directory / LOGS / "application.log"

    def are_told() -> bool:
        told = log.read_text(errors="replace").rpartition("serving from block")[2]
        return told.count(LIE) >= count

    eventually(are_told, f"{count} lies are told", RETURN_S)


def _outcomes(stage: Stage, outcome: ItemOutcome) -> int:
    return stage.examiner.kept(stage.network.honest[0]).outcomes[outcome]


def _liar(how: str, shows: ItemOutcome | None = None) -> Callable[[Stage], None]:
    return partial(lie, how, shows)


LYING: Final = (
    Fault("liar: proposes rubbish", _liar("rubbish")),
    Fault("liar: proposes items of elsewhere", _liar("foreign")),
    Fault("liar: proposes too many items", _liar("too-many")),
    Fault("liar: proposes too many bytes", propose_too_much),
    Fault("liar: reorders, repeats old ones", _liar("reordered", ItemOutcome.REPEATED)),
    Fault("liar: proposes everything twice", _liar("duplicated", ItemOutcome.REPEATED)),
    Fault("liar: forges signatures", _liar("forged", ItemOutcome.BAD_SIGNATURE)),
    Fault("liar: proposes nothing", _liar("withheld")),
    Fault("liar: votes everything down", _liar("contrary")),
    Fault("liar: floods the mempools", flood),
    Fault("liar: answers a wrong app hash", tell_a_wrong_hash),
)
