"""`python byzantine.py HOW DIR …`: a node's application that lies, in one of the ways of `LIES`.

Each is our own application but for one duty. What it says that a correct one would not is written
to its log as `a lie: …`, so that whoever watches knows that the lie was told. Run by its path,
with what `python -m tieout.engines.cometbft` takes.
"""

import logging
import sys
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.__main__ import main
from tieout.engines.cometbft.application import Application
from tieout.engines.cometbft.limits import MAX_BLOCK_ITEMS
from tieout.engines.replica import Replica
from tieout.wire.codes import ItemOutcome

_LOG: Final = logging.getLogger("tieout.byzantine")
LIE: Final = "a lie: "
"""How a line of the log goes on after its time and level, when a lie was told."""
REMEMBERED: Final = 64
RUBBISH: Final = b"this is no item"
_SIGNATURE: Final = slice(184, 248)


class Liar(Application):
    """A node that proposes what it should not; how is in `tamper`."""

    def __init__(self, journal: Path, replica: Replica, peers: Collection[str] | None) -> None:
        super().__init__(journal, replica, peers)
        self._seen: deque[bytes] = deque(maxlen=REMEMBERED)

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        """Judge as it should be, and remember what was good."""
        response = super().check_tx(request)
        if response.code == ItemOutcome.ACCEPTED:
            self._seen.append(request.tx)
        return response

    def prepare_proposal(
        self, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal:
        """Tamper with what would be proposed."""
        honest = list(super().prepare_proposal(request).txs)
        items = self.tamper(honest, list(self._seen))
        if items != honest:
            _tell(f"{len(items)} items proposed for {len(honest)}, block {request.height}")
        return abci.ResponsePrepareProposal(txs=items)

    def process_proposal(
        self, _request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal:
        """Vote for anything, its own above all."""
        return abci.ResponseProcessProposal(
            status=abci.ResponseProcessProposal.ProposalStatus.ACCEPT
        )

    def tamper(self, honest: Sequence[bytes], _seen: Sequence[bytes]) -> list[bytes]:
        """What is proposed instead; `seen` are good items of late, also those in blocks."""
        return list(honest)


class Rubbish(Liar):
    """Proposes bytes that are no item. Voted down."""

    def tamper(self, honest: Sequence[bytes], _seen: Sequence[bytes]) -> list[bytes]:
        """Rubbish first."""
        return [RUBBISH, *honest]


class Foreign(Liar):
    """Proposes an item of another ledger. Voted down."""

    def tamper(self, honest: Sequence[bytes], seen: Sequence[bytes]) -> list[bytes]:
        """What was seen, as if it had been meant for another ledger."""
        mine = self._genesis.ledger_id()
        return [*honest, *[item.replace(mine, bytes(32)) for item in seen[:1]]]


class TooMany(Liar):
    """Proposes more items than a block may have. Voted down."""

    def tamper(self, honest: Sequence[bytes], seen: Sequence[bytes]) -> list[bytes]:
        """One more than the most: the smallest, again and again."""
        if not seen:
            return list(honest)
        return [min(seen, key=len)] * (MAX_BLOCK_ITEMS + 1)


class Oversized(Liar):
    """Proposes more bytes than a block may have. Its own CometBFT does not send that."""

    def tamper(self, honest: Sequence[bytes], _seen: Sequence[bytes]) -> list[bytes]:
        """One item larger than a block."""
        return [*honest, bytes(9 * 1024 * 1024)]


class Reordered(Liar):
    """Proposes the latest first. In order: the order of a block is its proposer's choice."""

    def tamper(self, honest: Sequence[bytes], seen: Sequence[bytes]) -> list[bytes]:
        """Backwards, and behind one that is in a block already."""
        return [*seen[:1], *reversed(honest)]


class Duplicated(Liar):
    """Proposes everything twice, and what is in blocks already. Judged: once is what counts."""

    def tamper(self, honest: Sequence[bytes], seen: Sequence[bytes]) -> list[bytes]:
        """Old ones too."""
        return [*seen[:8], *honest, *honest]


class Forged(Liar):
    """Proposes what nobody signed. Judged: refused, and no number is used up."""

    def tamper(self, honest: Sequence[bytes], seen: Sequence[bytes]) -> list[bytes]:
        """Before the good ones: the same, but signed by nobody, and with another last byte."""
        good = [*honest, *seen][:4]
        begin, end = _SIGNATURE.start, _SIGNATURE.stop
        unsigned = [item[:begin] + bytes(end - begin) + item[end:] for item in good]
        changed = [item[:-1] + bytes([item[-1] ^ 1]) for item in good]
        return [*unsigned, *changed, *honest]


class Withheld(Liar):
    """Proposes nothing, whatever waits. The others propose it."""

    def tamper(self, _honest: Sequence[bytes], _seen: Sequence[bytes]) -> list[bytes]:
        """Nothing."""
        return []


class Contrary(Liar):
    """Votes every proposal down. The others are enough."""

    def process_proposal(
        self, request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal:
        """Never."""
        _tell(f"the proposal for block {request.height} is voted down")
        return abci.ResponseProcessProposal(
            status=abci.ResponseProcessProposal.ProposalStatus.REJECT
        )


class Flooded(Liar):
    """Takes into its mempool whatever comes, and hands it on."""

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        """Yes to everything."""
        if super().check_tx(request).code != ItemOutcome.ACCEPTED:
            _tell(f"{len(request.tx)} bytes are taken into the mempool")
        return abci.ResponseCheckTx(code=ItemOutcome.ACCEPTED)


class WrongHash(Liar):
    """Answers another app hash than its journal has. Its own CometBFT stops at the next block."""

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        """Turn a bit of the hash."""
        response = abci.ResponseFinalizeBlock()
        response.CopyFrom(super().finalize_block(request))
        response.app_hash = bytes([response.app_hash[0] ^ 1, *response.app_hash[1:]])
        _tell(f"another app hash after block {request.height}")
        return response


LIES: Final[Mapping[str, type[Liar]]] = {
    "rubbish": Rubbish,
    "foreign": Foreign,
    "too-many": TooMany,
    "oversized": Oversized,
    "reordered": Reordered,
    "duplicated": Duplicated,
    "forged": Forged,
    "withheld": Withheld,
    "contrary": Contrary,
    "flooded": Flooded,
    "wrong-hash": WrongHash,
}


def command(how: str) -> list[str]:
    """What runs an application that lies in this way."""
    assert how in LIES
    return [sys.executable, str(Path(__file__).resolve()), how]


def _tell(what: str) -> None:
    _LOG.warning("%s%s", LIE, what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], LIES[sys.argv[1]]))
