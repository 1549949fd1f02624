"""Who the members of a ledger were at a height, shown to a stranger who trusts the genesis.

The problem: where members change, whoever signs for the ledger is judged by the members of that
height, and those are not in the genesis. The model: all accepted operations that made them are
shown with their way into the log, and played through the reference rules from the founders on, each
signature judged by the members before it. What comes out must be the members that the app hash of
the checkpoint covers, so that nothing can be left out (docs/decisions/0012).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tieout.evidence.checkpoint import Checkpoint
from tieout.evidence.errors import FormError, ProofError, VerdictError
from tieout.evidence.membershipform import AppParts, Membership, OperationEntry
from tieout.evidence.packform import BatchEntry
from tieout.evidence.replay import Replay
from tieout.merkle.errors import ProofError as PathError
from tieout.merkle.tree import check_inclusion, leaf_hash
from tieout.reference.digest import members_hash
from tieout.reference.members import Members
from tieout.reference.state import State, TransactionKey
from tieout.wire import ids
from tieout.wire.batch import BATCH_TAG, HEADER_BYTES
from tieout.wire.codes import ItemOutcome
from tieout.wire.ed25519 import SIGNATURE_BYTES
from tieout.wire.genesis import Genesis
from tieout.wire.leaf import leaf_bytes
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import Enact, parse_operation

_NO_TRANSACTION: Final = TransactionKey("", 0, bytes(ID_BYTES), 0)
"""There is none of this key: an agreement has a name."""


@dataclass(frozen=True, slots=True)
class LoggedItem:
    """An item that is a leaf of the log: where and when, with which outcome, and its bytes."""

    height: int
    time_us: int
    item: int
    outcome: ItemOutcome
    data: bytes | memoryview


class LedgerReader(Protocol):
    """What `build_pack` asks of a ledger. Leaves at or after the checkpoint's size do no harm."""

    @property
    def genesis(self) -> Genesis:
        """The genesis of the ledger."""
        ...

    def find_records(
        self, agreement: str, originator: int, transaction_id: str
    ) -> Iterable[tuple[int, int]]:
        """(leaf, row) of every row of accepted batches about the transaction, in any version."""
        ...

    def find_operations(
        self, agreement: str, originator: int, transaction_id: str
    ) -> Iterable[int]:
        """Leaves of enactments and cut-offs of the agreement, and of operations that name it.

        "It" is the transaction. Leaves of other operations do no harm.
        """
        ...

    def logged_item(self, leaf: int) -> LoggedItem:
        """The item at a leaf of the log."""
        ...

    def block_time_us(self, height: int) -> int:
        """The time of a block, microseconds UTC."""
        ...

    def inclusion_path(self, leaf: int, log_size: int) -> Sequence[bytes]:
        """The RFC 6962 path of a leaf to the root of the first `log_size` leaves."""
        ...


# ---------------------------------------------------------------- showing


def show_membership(reader: LedgerReader, checkpoint: Checkpoint, app: AppParts) -> Membership:
    """What made the members of a checkpoint's height; `app` is of that height."""
    entries = []
    for leaf in sorted(reader.find_operations("", 0, "")):
        if leaf >= checkpoint.log_size:
            continue
        logged = reader.logged_item(leaf)
        data = bytes(logged.data)
        if logged.outcome is not ItemOutcome.ACCEPTED or data.startswith(BATCH_TAG):
            continue
        if isinstance(parse_operation(data).body, Enact | ProposeChange | Vote):
            path = tuple(reader.inclusion_path(leaf, checkpoint.log_size))
            entry = OperationEntry(leaf, logged.height, logged.time_us, logged.item, data, path)
            entries.append(entry)
    return Membership(tuple(entries), app)


# ---------------------------------------------------------------- verifying


def verify_membership(
    shown: Membership, checkpoint: Checkpoint, trusted: Genesis, part: str
) -> Members:
    """The members after the checkpoint's block, by everything that is shown of them.

    Raises an EvidenceError that names the first entry that does not hold, or ProofError when
    something is missing. Who answers for the checkpoint is for the caller to judge.
    """
    replay = Replay(trusted, _NO_TRANSACTION)
    for number, entry in enumerate(shown.entries):
        where = f"{part}.entries[{number}]"
        check_leaf(entry, checkpoint, where)
        replay.apply(entry, where)
    replay.reach(checkpoint.height)
    check_app_hash(replay.state, checkpoint, shown.app, part)
    return replay.state.members


def check_app_hash(state: State, checkpoint: Checkpoint, app: AppParts, part: str = "app") -> None:
    """Refuse operations that do not lead to the members that the checkpoint commits to."""
    computed = ids.app_hash(
        checkpoint.ledger_id,
        checkpoint.log_size,
        checkpoint.log_root,
        app.events_chain,
        members_hash(state),
        ids.agreements_hash(book.body_digest for book in state.books),
        app.state_digest,
    )
    if computed != checkpoint.app_hash:
        raise ProofError(part, "members and agreements are not those of the checkpoint")


def check_leaf(entry: BatchEntry | OperationEntry, checkpoint: Checkpoint, part: str) -> None:
    """Check that the entry is in the log, accepted, at its place and time."""
    if isinstance(entry, BatchEntry):
        signed, signature = entry.header, entry.signature
        if len(signed) != HEADER_BYTES:
            raise FormError(part, f"a batch header has {HEADER_BYTES} bytes")
    else:
        signed, signature = entry.operation[:-SIGNATURE_BYTES], entry.operation[-SIGNATURE_BYTES:]
    leaf = leaf_bytes(
        entry.height, entry.time_us, entry.item, ItemOutcome.ACCEPTED, signed, signature
    )
    try:
        check_inclusion(
            checkpoint.log_root, checkpoint.log_size, entry.leaf, leaf_hash(leaf), entry.path
        )
    except PathError as error:
        raise ProofError(part, f"it is not in the log there: {error}") from error
    if entry.height > checkpoint.height or entry.time_us > checkpoint.time_us:
        raise VerdictError(part, "it is later than the checkpoint")
