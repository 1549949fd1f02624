"""A ledger of one process: genesis and keys, state, journal, in one directory.

```
DIR/genesis.json    who takes part; the ledger's id is its hash. Written last: it makes DIR a ledger
DIR/keys.json       private keys (0600)
DIR/journal/        segments, index, snapshots
```

State and journal, and what is durable when, are those of every engine (`engines.replica`). Here
stands what is particular to one process alone: it holds everybody's keys, and orders by arrival.

One writer at a time. `judge` may run in one thread while another keeps and syncs the blocks before
(`commit.Pipeline`).
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tieout import kernel
from tieout.agreement.model import Agreement
from tieout.engines.embedded.places import GENESIS_FILE, JOURNAL
from tieout.engines.errors import EngineError, NoLedger, Refused
from tieout.engines.keyfile import KeyFile, write_keys
from tieout.engines.keyring import KeyRing, Roster, found_parties, is_half_founded
from tieout.engines.keystore import KeyStore
from tieout.engines.places import ledgers_of
from tieout.engines.publisher import Publisher
from tieout.engines.replica import Replica
from tieout.journal.journal import Journal
from tieout.wire.block import Block, BlockResult
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis, parse_genesis
from tieout.wire.operations import Body, Enact

if TYPE_CHECKING:
    from tieout.engines.proving import LedgerProofs
    from tieout.evidence.packform import Consensus
    from tieout.evidence.reader import JournalReader

Item = bytes | memoryview


def found_ledger(directory: Path, parties: Sequence[str], created_us: int) -> Genesis:
    """Begin a ledger with a party for each name, and an operator, all with fresh test keys.

    The genesis is written last, so a ledger that was half founded is founded again. Raises
    EngineError when there is a ledger already, or the directory cannot be written.
    """
    path = directory / GENESIS_FILE
    if path.exists():
        raise EngineError(f"{directory} holds a ledger already")
    if ledgers_of(directory):
        raise EngineError(
            f"{directory} is a party's directory: its ledgers are ordered by several parties",
            "name another directory with --ledger DIR",
        )
    if (directory / JOURNAL).exists() or not is_half_founded(directory):
        raise EngineError(
            f"{directory} holds a journal or keys, but no {GENESIS_FILE}; nothing was changed",
            "restore the genesis from a copy, or name another directory with --ledger DIR",
        )
    genesis, stored = found_parties(parties, created_us, directory.name or "ledger")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_keys(directory, stored)
        _write_durably(path, genesis.to_bytes() + b"\n")
    except OSError as error:
        raise EngineError(f"no ledger can be begun at {directory}: {error.strerror}") from error
    return genesis


def read_genesis(directory: Path) -> Genesis:
    """The genesis of the ledger in a directory. Raises NoLedger, EngineError."""
    path = directory / GENESIS_FILE
    try:
        return parse_genesis(path.read_bytes())
    except FileNotFoundError as error:
        raise NoLedger(directory) from error
    except (OSError, WireError) as error:
        raise EngineError(
            f"{path}: {error}", "restore the genesis from a copy; every party has one"
        ) from error


class EmbeddedLedger:
    """An open ledger. Use `open`; close it, or use it as a context manager.

    `state` is the kernel's, as of the last applied block; nothing may be asked of it while `apply`
    runs.
    """

    def __init__(self, directory: Path, replica: Replica) -> None:
        self.directory = directory
        self.genesis: Genesis = replica.genesis
        self.journal: Journal = replica.journal
        self.read_only = False
        self._replica = replica
        self._keys: KeyStore | None = None
        self._ring: KeyRing | None = None

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        read_only: bool = False,
        at_height: int | None = None,
        keys: KeyStore | None = None,
    ) -> Self:
        """Open the ledger in a directory, replaying what its newest snapshot does not have.

        With `at_height`, for reading alone, the state is that after this block. `keys` keeps the
        private keys in place of the file in the directory. Raises NoLedger, EngineError, and the
        journal's errors (damaged, locked).
        """
        genesis = read_genesis(directory)
        if not read_only and not genesis.operator:
            # A block of its own would put this copy before the others for ever.
            raise EngineError(
                f"several parties order the ledger at {directory}: nobody writes to it alone",
                "publish through its node",
            )
        path = directory / JOURNAL
        ledger = cls(
            directory, Replica.open(path, genesis, read_only=read_only, at_height=at_height)
        )
        if at_height is not None and ledger.height != at_height:
            height = ledger.height
            ledger.journal.close()
            raise EngineError(
                f"the ledger at {directory} ends with block {height}, before block {at_height}",
                "let its node catch up",
            )
        ledger.read_only = read_only
        ledger._keys = keys
        return ledger

    # ------------------------------------------------------------------ where it stands

    @property
    def state(self) -> kernel.State:
        """The kernel's state, as of the last applied block."""
        return self._replica.state

    @property
    def replayed_bytes(self) -> int:
        """How much of the journal was replayed when this ledger was opened."""
        return self._replica.replayed_bytes

    @property
    def height(self) -> int:
        """Height of the last applied block; 0 before the first."""
        return self.state.height

    @property
    def time_us(self) -> int:
        """Time of the last applied block (µs UTC); 0 before the first."""
        return self.state.time_us

    @property
    def ring(self) -> KeyRing:
        """Who signs: the keys beside the ledger, or those it was opened with.

        Raises EngineError when they are not there, or sealed, and nobody says the passphrase.
        """
        if self._ring is None:
            keys = self._keys or KeyFile(self.directory)
            self._ring = KeyRing(self.genesis, keys, self.roster)
        return self._ring

    def roster(self) -> Roster:
        """Who the members are, for what is signed now: it comes into the next block at best."""
        return Roster(kernel.upcoming_parties(self.state), self.height + 1)

    def agreement(self, name: str) -> Agreement | None:
        """The newest version in force of an agreement; None when there is none."""
        book = self.state.newest.get(name)
        return None if book is None else book.agreement

    def agreement_names(self) -> list[str]:
        """Names of all agreements in force, in the order in which they came into force."""
        return list(self.state.newest)

    def party(self, name: str) -> int:
        """The number of a member. Raises EngineError when none has that name."""
        members = [each for each in self.roster().parties if each.until_height == 0]
        for party in members:
            if party.name == name:
                return party.number
        known = ", ".join(party.name for party in members)
        advice = "begin another ledger with --ledger DIR"
        if self.genesis.rules_version > 1:
            advice = f"admit it (`tieout member admit {name}`), or {advice}"
        raise EngineError(
            f"'{name}' is not a party of this ledger", f"its parties are: {known}; {advice}"
        )

    def publisher(self, party: int, stream: int = 0, *, vouch: bool = False) -> Publisher:
        """A publisher that goes on with the first number that the ledger has not seen.

        `vouch`: batches that it builds in place are applied in this process, at once; the root of
        their rows is not computed a second time, and they are checked where they are built.
        """
        known = self.state.streams.get((party, stream))
        first = 1 if known is None else known.highest_used + 1
        if not vouch:
            return Publisher(self.ring, party, stream, first)
        return Publisher(self.ring, party, stream, first, partial(kernel.vouch, self.state))

    # ------------------------------------------------------------------ writing

    def apply(self, items: Sequence[Item], time_us: int) -> BlockResult:
        """Apply a block of items and write it. It is not durable before `sync` has returned.

        Raises BlockError for a time before that of the last block; JournalFailed and anything else
        leaves this ledger unusable: open it again.
        """
        block, result = self.judge(items, time_us)
        self.keep(block, result)
        return result

    def judge(self, items: Sequence[Item], time_us: int) -> tuple[Block, BlockResult]:
        """Apply a block of items to the state alone; the next call must be `keep`, in order.

        The two halves of `apply`, for a caller that runs them in two threads.
        """
        block = Block(self.state.height + 1, time_us, tuple(items))
        return block, self._replica.judge(block)

    def keep(self, block: Block, result: BlockResult) -> None:
        """Write a block that was judged. It is not durable before `sync` has returned."""
        self._replica.keep(block, result)

    def sync(self) -> None:
        """Make everything that was kept durable. Raises JournalFailed; nothing is taken after."""
        self._replica.sync()

    def operate(
        self,
        party: int,
        kind: OperationKind,
        purpose: Purpose,
        body: Body,
        time_us: int,
        person: str | None = None,
    ) -> BlockResult:
        """Sign one operation, apply it in a block of its own, and make it durable.

        Raises Refused when the rules refuse it.
        """
        signed = self.publisher(party).operation(kind, purpose, body, person)
        result = self.apply([signed], time_us)
        self.sync()
        outcome = result.items[0].outcome
        if outcome is not ItemOutcome.ACCEPTED:
            raise Refused(kind.name.lower().replace("_", " "), outcome.name.lower())
        return result

    def is_enactable(self, agreement: Agreement) -> bool:
        """Whether an agreement is still to be enacted; False when this version is in force.

        Also when its parties have voted for it, and the next block puts it into force.

        Raises EngineError when it cannot be: another text has its number, it does not follow the
        newest version, or a role has no party.
        """
        name, version = agreement.name, agreement.version
        book = self.state.by_version.get((name, version))
        if book is not None and book.agreement.hash == agreement.hash:
            return False
        if agreement.canonical in kernel.coming_into_force(self.state):
            return False
        newest = self.agreement(name)
        if newest is not None and version != newest.version + 1:
            known = "says something else" if book is not None else "does not follow it"
            raise EngineError(
                f"version {newest.version} of {name} is the newest in force on this ledger, and"
                f" this version {version} {known}",
                f"give a changed agreement version = {newest.version + 1},"
                " or begin another ledger with --ledger DIR",
            )
        for role in agreement.roles:
            self.party(role)
        return True

    def enact(self, agreement: Agreement, time_us: int) -> None:
        """Put an agreement into force; each role is held by the party of that name.

        Nothing happens when this very version is in force. Raises EngineError as `is_enactable`.
        """
        if agreement.canonical in kernel.coming_into_force(self.state):
            self.apply([], time_us)  # its parties have voted for it: it comes with the next block
            self.sync()
        if not self.is_enactable(agreement):
            return
        holders = [self.party(role) for role in agreement.roles]
        body = Enact(agreement.canonical, tuple((party,) for party in holders))
        items = [
            self.publisher(party).operation(OperationKind.ENACT, Purpose.GOVERN, body)
            for party in kernel.whom_it_needs(self.state, agreement, body)
        ]
        result = self.apply(items, time_us)
        self.sync()
        in_order = (ItemOutcome.ACCEPTED, ItemOutcome.NO_EFFECT)
        for item in result.items:
            if item.outcome not in in_order:
                raise Refused(f"agreement {agreement.name}", item.outcome.name.lower())

    def proofs(
        self,
        votes: "Callable[[int], Consensus] | None" = None,
        *,
        reading: Callable[[], AbstractContextManager[kernel.State]] | None = None,
        reader: "JournalReader | None" = None,
    ) -> "LedgerProofs":
        """What can be proven of the ledger, signed by its operator or by whose copy it is.

        `votes`, `reader` and `reading` as `LedgerProofs` takes them; nothing may be written
        meanwhile without `reading`. Raises EngineError when the signer's key is not here.
        """
        # What proves is half of what an engine imports, and most runs prove nothing.
        from tieout.engines.proving import LedgerProofs, Signer  # noqa: PLC0415

        held = self.ring.parties
        if not self.genesis.operator and not held:
            raise EngineError(
                f"no key in {self.directory} is of a member, so nobody can answer for a proof",
                "use the directory of a party's node",
            )
        party = self.genesis.operator or held[0]

        def signer(height: int) -> Signer:
            return Signer(party, *self.ring.signer(party, Purpose.CHECKPOINT, height=height))

        here = reading or (lambda: nullcontext(self.state))
        return LedgerProofs(self.genesis, self.journal, here, signer, votes, reader)

    # ------------------------------------------------------------------ closing

    def snapshot(self) -> Path:
        """Write the state after the last durable block, so that the next start is quick."""
        return self._replica.snapshot()

    def close(self) -> None:
        """Sync, and write a snapshot when this start had to replay much."""
        try:
            if not self.read_only and self._replica.is_worth_a_snapshot:
                self.snapshot()
        finally:
            self.journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.journal.close()


def _write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
