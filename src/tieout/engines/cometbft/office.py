"""What people sign at a terminal, put on the ledger through their node: one after the other, once.

The problem: a command may be interrupted at any moment, and its node may be slow or away. Then
nobody knows whether what it signed is on the ledger, and the next command must not give the same
number to something else: two signed messages under one number are an alarm against the signer
(R-SEQ-3).

The model: people's operations have a stream of their own, so they never meet what the party's
systems publish. One command at a time has the office. What it signs is kept in a file before it is
submitted, and the file goes when the ledger has answered; a file that is found was left by an
interrupted command, and is brought to its end first.
"""

import base64
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from tieout.engines.cometbft.places import JOURNAL
from tieout.engines.cometbft.settings import rpc_address
from tieout.engines.errors import EngineError
from tieout.journal.journal import Journal
from tieout.sdk.client import Answer, LedgerClient, Submission, Taken
from tieout.sdk.errors import SdkError
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome
from tieout.wire.errors import WireError
from tieout.wire.operations import Operation, parse_operation

OFFICE_STREAM: Final = 0xFFFF
"""The last stream of a party; its systems count theirs from 0 on."""
OFFICE_LOCK: Final = "office.lock"
WAITING: Final = "office.waiting"
"""A signed operation whose place on the ledger is not known yet (base64)."""
WAIT_S: Final = 30.0
"""A block takes a fraction of a second; a node that catches up takes longer."""
_POLL_S: Final = 0.05


class Done(NamedTuple):
    """An operation on the ledger: the digest that names it, its block, what became of it."""

    name: bytes
    height: int
    outcome: ItemOutcome


class _Place(msgspec.Struct):
    height: int
    item: int
    outcome: int


class _Stream(msgspec.Struct):
    highest_used: int


class Office:
    """The right to sign for a party at its node; used as a context manager."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the node's. Raises EngineError when it is none, or another has it."""
        self._directory = directory
        self._node = Node(*rpc_address(directory))
        self._client = LedgerClient(self._node)
        self._lock = os.open(directory / OFFICE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise EngineError(
                "another command is signing at this node", "let it come to its end"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._node.close()
        os.close(self._lock)

    def finish(self) -> Done | None:
        """Bring to its end what an interrupted command left; None when there is nothing.

        Raises EngineError as `operate`.
        """
        try:
            signed = base64.b64decode((self._directory / WAITING).read_bytes(), validate=True)
            parse_operation(signed)
        except FileNotFoundError:
            return None
        except (ValueError, WireError):
            # Written, never synced, never submitted.
            (self._directory / WAITING).unlink()
            return None
        return self._through(signed)

    def operate(self, party: int, sign: Callable[[int], bytes]) -> Done:
        """Put an operation on the ledger; `sign` gives its signed bytes under a sequence number.

        Raises EngineError when the node does not answer in time: what was signed is kept then, and
        goes on with the next command.
        """
        self.finish()
        about = {"party": party, "stream": OFFICE_STREAM}
        stream = msgspec.json.decode(self._answer("/stream", about).value, type=_Stream)
        signed = sign(stream.highest_used + 1)
        self._keep(signed)
        return self._through(signed)

    def _through(self, signed: bytes) -> Done:
        operation = parse_operation(signed)
        about = {
            "party": operation.party,
            "stream": operation.stream,
            "sequence": operation.sequence,
        }
        name = operation.digest()
        places, _ = self._places(about)
        if not places:
            with _Wrapped(self._directory):
                said = self._client.submit(signed)
            if said.taken is Taken.REFUSED:
                self._forget()
                return Done(name, said.height, ItemOutcome(said.code))
            places = self._awaited(said, about)
        self._match(operation, places[0])
        self._forget()
        return Done(name, places[0].height, ItemOutcome(places[0].outcome))

    def _awaited(self, said: Submission, about: dict[str, int]) -> list[_Place]:
        """Where it stands, once it is in a block; one that known bytes are in is looked for, too.

        In a block that keeps no leaf of it, it was refused for its key: nothing else about it can
        have changed since the node looked at it (R-ITEM-2).
        """
        included = None
        if said.taken is Taken.NEW:
            with _Wrapped(self._directory):
                included = self._client.wait([said.name], said.height)[said.name]
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            places, height = self._places(about)
            if places:
                return places
            if included is not None and included.height <= height:
                return [_Place(included.height, included.place, ItemOutcome.KEY_NOT_VALID)]
            time.sleep(_POLL_S)
        raise EngineError(
            f"what was signed is in no block after {WAIT_S:.0f} s",
            "it is kept, and goes on with the next command; `tieout network status` says whether"
            " the node has stopped",
        )

    def _match(self, operation: Operation, place: _Place) -> None:
        """Raise EngineError when what stands there under the number is something else.

        It can be after a directory was restored from a copy, or used in two places.
        """
        if place.outcome == ItemOutcome.KEY_NOT_VALID:
            return
        path = self._directory / JOURNAL
        with Journal.open(path, operation.ledger_id, read_only=True) as journal:
            kept = bytes(journal.read(place.height).block.items[place.item])
        if kept != operation.to_bytes():
            raise EngineError(
                f"block {place.height} has something else under number {operation.sequence}",
                "somebody else signs for this party; nothing was submitted. Look at it, then remove"
                f" {self._directory / WAITING}",
            )

    def _places(self, about: dict[str, int]) -> tuple[list[_Place], int]:
        """Where the items of a number stand, and as of which height."""
        answer = self._answer("/items", about)
        return msgspec.json.decode(answer.value, type=list[_Place]), answer.height

    def _answer(self, path: str, about: dict[str, int]) -> Answer:
        """The node's answer; a block that is being written is waited for."""
        until = time.monotonic() + WAIT_S
        with _Wrapped(self._directory):
            while (answer := self._client.query(path, msgspec.json.encode(about))).code:
                if time.monotonic() > until:
                    raise EngineError(f"the node does not answer {path}: {answer.words}")
                time.sleep(_POLL_S)
        return answer

    def _keep(self, signed: bytes) -> None:
        handle = os.open(self._directory / WAITING, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(signed))
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _forget(self) -> None:
        (self._directory / WAITING).unlink()


class _Wrapped:
    """What goes wrong between client and node, in this room's words."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SdkError):
            advice = (
                f"is the node running? `tieout network run {self._directory}`. What was signed is"
                " kept, and goes on with the next command"
            )
            raise EngineError(str(error), advice) from error
