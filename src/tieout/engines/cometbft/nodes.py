"""What a node serves: the ledgers in a party's directory.

The problem: a party takes part in several ledgers with different members, by product or by
bilateral group. They share nothing, so that load grows by ledgers, and the trouble of one is not
the trouble of another.

The model: each ledger is a directory with everything of its own: genesis, keys, journal, socket and
CometBFT (`places`). A party's directory holds them under `ledgers/`, and its node is whatever runs
there. Commands take a ledger's directory, a party's, or one that holds several parties'.
"""

from collections.abc import Iterable
from pathlib import Path

from tieout.engines.cometbft.places import GENESIS_FILE, NODE_FILE
from tieout.engines.errors import EngineError
from tieout.engines.places import LEDGERS, ledgers_of
from tieout.wire.errors import WireError
from tieout.wire.genesis import parse_genesis


def ledgers_within(directories: Iterable[Path]) -> list[Path]:
    """The directories of all ledgers in these directories, each once, in order.

    Raises EngineError for a directory in which there is none.
    """
    found: dict[Path, None] = {}
    for directory in directories:
        found |= dict.fromkeys(_within(directory))
    return list(found)


def is_ordered_by_several(directory: Path) -> bool:
    """Whether a directory is that of a ledger which a network orders."""
    return (directory / NODE_FILE).exists()


def party_of(ledger: Path) -> str:
    """Whose copy the directory of a ledger holds, by the names of directories; for people."""
    there = ledger.absolute()
    return there.parent.parent.name if there.parent.name == LEDGERS else there.name


def _within(directory: Path) -> list[Path]:
    if (directory / NODE_FILE).exists():
        return [directory]
    for parties in ([directory], sorted(directory.glob("*/"))):
        ledgers = [ledger for party in parties for ledger in ledgers_of(party)]
        found = [ledger for ledger in ledgers if (ledger / NODE_FILE).exists()]
        if found:
            return found
    refuse_single_ledger(directory)
    raise EngineError(
        f"{directory} is no node's directory: it holds no ledger that a network orders",
        "`tieout network init` makes such directories",
    )


def refuse_single_ledger(directory: Path) -> None:
    """Raise EngineError when a directory holds a ledger that one operator orders.

    Such a ledger, as `tieout reconcile` and `tieout node init` found them, names an operator in its
    genesis, whose signature stands for what validators sign elsewhere. The genesis is the ledger's
    identity, so it cannot become a consortium's.
    """
    try:
        genesis = parse_genesis((directory / GENESIS_FILE).read_bytes())
    except (OSError, WireError):
        return
    if genesis.operator:
        raise EngineError(
            f"{directory} is a ledger of one operator: no network can order it",
            "it stays valid as it is; found a new one with `tieout network init`, and have every"
            " party publish there what is still open (docs/network.md)",
        )
