"""A member of the demonstration's network: its own node, its own keys, and what it publishes.

A member asks its own node only, through the client that programs use (`sdk`), and publishes through
it as any program of a party does (`engines.cometbft.sending`). What is on its disk it reads as
anybody may who has the directory.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.demo.cast import Role
from tieout.demo.records import all_present
from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.sending import Sender
from tieout.engines.cometbft.settings import read_node, rpc_address
from tieout.engines.cometbft.votes import votes_of
from tieout.engines.errors import EngineError
from tieout.engines.keyring import read_keys
from tieout.engines.proving import LedgerProofs, Signer
from tieout.engines.receipt import Receipt
from tieout.engines.replica import Replica
from tieout.evidence.packform import Consensus
from tieout.sdk.client import LedgerClient
from tieout.sdk.errors import NodeRefused, NodeUnreachable
from tieout.sdk.transport import Node
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import Body

WAIT_S: Final = 30.0
"""Longer than any step takes on two busy cores."""
POLL_S: Final = 0.005

Rows = npt.NDArray[np.uint8]


class Member:
    """One party. Close it."""

    def __init__(self, directory: Path, number: int) -> None:
        """`number` is that of the party in the genesis; its node must have been founded."""
        self.directory = directory
        self.number = number
        self.genesis, _ = read_node(directory)
        self.name = self.genesis.parties[number - 1].name
        self._ring = read_keys(directory, self.genesis)
        self._opened: Sender | None = None
        self._node = Node(*rpc_address(directory))
        self._client = LedgerClient(self._node)

    def close(self) -> None:
        """Publish no more, and close the connection to the node."""
        if self._opened is not None:
            self._opened.close()
        self._node.close()

    # ------------------------------------------------------------------ publishing

    def publish(self, agreement: Agreement, role: int, rows: Rows) -> int:
        """Publish a batch and wait for its block; the height."""
        return self._height_of(self.send(agreement, role, rows))

    def operate(self, kind: OperationKind, body: Body, purpose: Purpose = Purpose.PUBLISH) -> int:
        """Publish an operation and wait for its block; the height."""
        return self._height_of(self._sender.operation(kind, purpose, body))

    def send(self, agreement: Agreement, role: int, rows: Rows) -> Future[Receipt]:
        """Publish a batch; its receipt is still to come."""
        return self._sender.batch(agreement, role, rows)

    def _height_of(self, sent: Future[Receipt]) -> int:
        try:
            return sent.result(WAIT_S).height
        except TimeoutError as error:
            what = f"not within {WAIT_S:.0f} s: {self.name} sees its item in a block"
            raise EngineError(what, "see the logs of the nodes") from error

    @property
    def _sender(self) -> Sender:
        """Opened when something is published first: one program at a time may."""
        if self._opened is None:
            self._opened = Sender.open(self.directory)
        return self._opened

    # ------------------------------------------------------------------ asking

    def height(self) -> int:
        """The last block of the node; 0 while it does not answer."""
        with contextlib.suppress(NodeUnreachable, NodeRefused):
            return self._client.height()
        return 0

    def await_height(self, height: int) -> None:
        """Wait until the node has a block. Raises EngineError when it takes too long."""
        eventually(lambda: self.height() >= height, f"{self.name} reaches block {height}")

    def transaction(self, agreement: str, transaction_id: str) -> dict[str, Any]:
        """What the node knows of a transaction; empty when it knows nothing."""
        about = {"agreement": agreement, "originator": 0, "transaction_id": transaction_id}
        answer = self._client.query("/transaction", msgspec.json.encode(about))
        found: dict[str, Any] = msgspec.json.decode(answer.value) if answer.code == 0 else {}
        return found

    # ------------------------------------------------------------------ on the member's own disk

    @contextlib.contextmanager
    def copy(self) -> Iterator[Replica]:
        """The ledger as it is on the node's disk now."""
        replica = Replica.open(self.directory / JOURNAL, self.genesis, read_only=True)
        try:
            yield replica
        finally:
            replica.journal.close()

    def adjustments(self, agreement: str) -> list[kernel.Adjustment]:
        """All correcting entries, in the order in which they were proposed."""
        with self.copy() as replica:
            return kernel.adjustments(replica.state, agreement)

    def pack(self, agreement: str, transaction_id: str) -> bytes:
        """The evidence pack of a transaction, with the validators' votes."""
        with self.copy() as replica:
            votes = votes_of(self.directory, self.genesis)
            return self.proofs(replica, votes).pack(agreement, 0, transaction_id)

    def proofs(
        self, replica: Replica, votes: Callable[[int], Consensus] | None = None
    ) -> LedgerProofs:
        """What can be proven of a copy, signed by this member."""
        signer = Signer(self.number, *self._ring.signer(self.number, Purpose.CHECKPOINT))
        return LedgerProofs(
            self.genesis,
            replica.journal,
            lambda: contextlib.nullcontext(replica.state),
            lambda _height: signer,
            votes,
        )


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds. Raises EngineError, naming it, when it takes too long."""
    until = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > until:
            raise EngineError(f"not within {WAIT_S:.0f} s: {what}", "see the logs of the nodes")
        time.sleep(POLL_S)


def orders(
    agreement: Agreement, role: Role, numbers: Sequence[int], revision: int = 1
) -> npt.NDArray[np.void]:
    """What a role's books say about orders: everybody says the same, as it should be."""
    rows = np.zeros(len(numbers), agreement.layout.dtype())
    rows["revision"] = revision
    rows["presence"] = all_present(role)
    for row, number in zip(rows, numbers, strict=True):
        row["id"] = order_id(number).encode()
        row["f_fund"] = b"510218"
        row["f_currency"] = b"CNY"
        row["f_amount"] = 100_000 + 1_700 * number
        if role != Role.BANK:
            row["f_shares"] = (100_000 + 1_700 * number) * 100
            row["f_nav"] = 10_000
        row["f_fee"] = 500
        row["f_trade_date"] = 20_347
        row["f_settle_date"] = 20_348
        row["f_remark"] = b"online"
    return rows


def order_id(number: int) -> str:
    """The id of an order."""
    return f"FS20250916-{number:06d}"


def raw(agreement: Agreement, rows: npt.NDArray[np.void]) -> Rows:
    """Rows as bytes, uint8[n, row_bytes]."""
    return rows.view(np.uint8).reshape(len(rows), agreement.layout.row_bytes)
