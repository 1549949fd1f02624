"""The entries of a pack, played through the reference rules: what follows from them alone.

The problem: the rules run over whole blocks of a whole ledger, a pack has one transaction. The
model: a small state of the reference implementation, in which only this transaction and its
agreement live. Each entry sets the state's height and time and is judged by the same inner
functions as on the ledger: who signed, which agreement is in force, what becomes of one row, what
an operation does. What depends on neighbours is not asked again: the log says that the item was
accepted, so its sequence number was free, and the other rows had their root and were well formed.

What a group comes to rests on records of other transactions, so groups are not judged: a record
that is settled together with others says so by its key, and its transaction stands by what is said
in itself.

Deadlines are the one thing that happens without an item (R-TIME-1). Entries say where the ledger
asked a role; the block in which it did may have left no leaf. Such an entry must be possible (the
deadline is earlier than what comes after it), deadlines come in their order, and by the checkpoint
every deadline before its time has been asked. So the verdict as of the checkpoint does not rest on
anybody's word; at which moment before that a silent role was found overdue does.
"""

from dataclasses import dataclass
from typing import Final

from tieout.agreement.parse import load_canonical
from tieout.evidence.errors import (
    EvidenceError,
    FormError,
    ProofError,
    SignatureError,
    TrustError,
    VerdictError,
)
from tieout.evidence.membershipform import OperationEntry
from tieout.evidence.packform import BatchEntry, DeadlineEntry, Entry, RowProof
from tieout.merkle.errors import ProofError as PathError
from tieout.merkle.tree import check_inclusion, leaf_hash
from tieout.reference.businesstime import deadlines_of
from tieout.reference.deadlines import judge_overdue
from tieout.reference.events import Events
from tieout.reference.governing import begin_block, next_height
from tieout.reference.items import Item, Signer, check_signer, item_of_batch, item_of_operation
from tieout.reference.motions import expire
from tieout.reference.operations import apply_operation
from tieout.reference.records import PLACE_SHIFT, apply_row, book_for
from tieout.reference.state import Book, State, TransactionKey, initial_state
from tieout.reference.transaction import Transaction
from tieout.units.errors import UnitsError
from tieout.units.ids import check_transaction_id, pad
from tieout.wire.batch import Batch, BatchHeader, parse_header
from tieout.wire.codes import Action, ItemOutcome, OperationKind
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis
from tieout.wire.limits import ID_BYTES
from tieout.wire.members import ProposeChange, PutIntoForce, Vote
from tieout.wire.operations import (
    CloseCutoff,
    Enact,
    Operation,
    is_known,
    parse_operation,
)
from tieout.wire.statements import StateDay

_UNTRUSTED: Final = {
    ItemOutcome.WRONG_LEDGER: "it is for another ledger",
    ItemOutcome.UNKNOWN_PARTY: "there was no such party",
    ItemOutcome.UNKNOWN_KEY: "the party had no such key",
    ItemOutcome.KEY_NOT_VALID: "its key was not valid at that height",
    ItemOutcome.WRONG_PURPOSE: "its key is not for this purpose",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline: when, where in the log, who (numbers as in genesis), what."""

    height: int
    time_us: int
    leaf: int
    party: int
    person: int
    what: str


def transaction_key(agreement: str, originator: int, transaction_id: str) -> TransactionKey:
    """The key under which the rules find a transaction. Raises FormError for an unfit id."""
    try:
        padded = pad(check_transaction_id(transaction_id), ID_BYTES)
    except UnitsError as error:
        raise FormError("transaction_id", str(error)) from error
    return TransactionKey(agreement, originator, padded, 0)


class Replay:
    """Plays the entries about one transaction, in the order of the log.

    `apply` and `finish` raise an EvidenceError that names the entry when something cannot have
    happened like this; after that the replay is of no further use.
    """

    def __init__(self, genesis: Genesis, key: TransactionKey) -> None:
        self.state: State = initial_state(genesis)
        self.state.judges_groups = False
        self.steps: list[Step] = []
        self._key = key
        self._leaf = -1
        self._asked: list[tuple[int, int]] = []
        self._waits_for_later = False

    @property
    def transaction(self) -> Transaction | None:
        """The transaction, once something has opened it."""
        return self.state.transactions.get(self._key)

    def apply(self, entry: Entry, part: str) -> None:
        """Play the next entry; `part` is its name in errors."""
        if isinstance(entry, DeadlineEntry):
            self._ask(entry.role, part)
            return
        self._advance(entry, part)
        if isinstance(entry, BatchEntry):
            self._apply_batch(entry, part)
        else:
            self._apply_operation(entry, part)

    def finish(self, time_us: int) -> Transaction:
        """The transaction as of a checkpoint of that time, all deadlines before it asked."""
        transaction = self.transaction
        if transaction is None or transaction.verdict is None:
            raise VerdictError("entries", "nothing in them opens the transaction")
        if self._asked and self._asked[-1][0] >= time_us:
            raise VerdictError("entries", "a deadline is asked that is after the checkpoint")
        for deadline in self.deadlines():
            if deadline[0] < time_us and deadline not in self._asked:
                role = self.state.book_of(transaction).agreement.roles[deadline[1]]
                raise VerdictError("entries", f"the deadline of {role!r} passed and was not asked")
        return transaction

    def reach(self, height: int) -> None:
        """Go to a height, and let changes of members take effect on the way (R-MEMBER-6).

        They need no item, and the blocks in which they took effect may have left no leaf.
        """
        while (due := next_height(self.state)) is not None and due <= height:
            self.state.height = due
            begin_block(self.state, Events())
        self.state.height = height

    def deadlines(self) -> list[tuple[int, int]]:
        """When (microseconds UTC) which role is asked, in the order of asking (R-TIME-1)."""
        transaction = self.transaction
        if transaction is None:
            return []
        agreement = self.state.book_of(transaction).agreement
        return sorted(deadlines_of(agreement, transaction.opened_us))

    def _advance(self, entry: BatchEntry | OperationEntry, part: str) -> None:
        """Go to the entry's block; leaves, heights and times only grow."""
        state = self.state
        same_block = entry.height == state.height
        if (
            entry.leaf <= self._leaf
            or entry.height < state.height
            or entry.time_us < state.time_us
            or (same_block and entry.time_us != state.time_us)
        ):
            raise VerdictError(part, "entries stand in the order of the log")
        if self._waits_for_later and (same_block or entry.time_us <= self._asked[-1][0]):
            raise VerdictError(part, "a deadline was asked before it that was not over yet")
        self._leaf = entry.leaf
        self._waits_for_later = False
        self.reach(entry.height)
        state.time_us = entry.time_us
        expire(state, Events())

    def _ask(self, name: str, part: str) -> None:
        """Judge a role's deadline (R-TIME-1)."""
        transaction = self.transaction
        if transaction is None:
            raise VerdictError(part, "a deadline is asked before the transaction is opened")
        roles = self.state.book_of(transaction).agreement.roles
        asked = [each for each in self.deadlines() if roles[each[1]] == name]
        if not asked or (self._asked and asked[0] <= self._asked[-1]):
            raise VerdictError(part, "deadlines are asked once each, in their order")
        self._asked.append(asked[0])
        self._waits_for_later = True
        judge_overdue(self.state, transaction, asked[0][1], Events())

    def _apply_batch(self, entry: BatchEntry, part: str) -> None:
        header = _parsed_header(entry.header, part)
        item = item_of_batch(Batch(header, entry.header, entry.signature, memoryview(b"")))
        signer = self._signer(item, part)
        book = book_for(self.state, header)
        if isinstance(book, ItemOutcome):
            raise _not_accepted(part, book)
        if header.agreement != self._key.agreement:
            raise VerdictError(part, "the batch is about another agreement")
        if header.row_bytes != book.agreement.layout.row_bytes or not entry.rows:
            raise VerdictError(part, "the batch has no such rows")
        before = -1
        for number, proof in enumerate(entry.rows):
            where = f"{part}.rows[{number}]"
            if proof.index <= before:
                raise VerdictError(where, "rows stand in the order of the batch")
            before = proof.index
            self._apply_row(entry, header, book, proof, signer, where)

    def _apply_row(
        self,
        entry: BatchEntry,
        header: BatchHeader,
        book: Book,
        proof: RowProof,
        signer: Signer,
        part: str,
    ) -> None:
        if len(proof.row) != header.row_bytes:
            raise ProofError(part, f"a row of this batch has {header.row_bytes} bytes")
        try:
            check_inclusion(
                header.rows_root,
                header.row_count,
                proof.index,
                leaf_hash(proof.row),
                proof.path,
            )
        except PathError as error:
            raise ProofError(part, f"the row is not in the batch there: {error}") from error
        place = entry.leaf << PLACE_SHIFT | proof.index
        row = book.reader.read(proof.row, header.role, place)
        if row is None:
            raise _not_accepted(part, ItemOutcome.MALFORMED_ROW)
        key = TransactionKey(header.agreement, row.originator, row.transaction_id, row.stage)
        if key != self._key:
            raise VerdictError(part, "the row is about another transaction")
        outcome = apply_row(self.state, book, header.party, header.role, row, Events())
        verb = "states" if row.record.action is Action.STATE else "withdraws"
        role = book.agreement.roles[header.role]
        what = f"{role} {verb} revision {row.record.revision}: {outcome.name.lower()}"
        self._note(entry, signer, what)

    def _apply_operation(self, entry: OperationEntry, part: str) -> None:
        try:
            operation = parse_operation(entry.operation)
        except WireError as error:
            raise FormError(part, str(error)) from error
        if not is_known(operation.kind, operation.body, self.state.genesis.rules_version):
            raise _not_accepted(part, ItemOutcome.MALFORMED)
        signer = self._signer(item_of_operation(operation), part)
        was_judged = self.transaction is not None and self.transaction.judged
        self._check_subject(operation, part)
        outcome = apply_operation(self.state, operation, signer, Events())
        if outcome is not ItemOutcome.ACCEPTED:
            raise _not_accepted(part, outcome)
        if self.state.genesis.rules_version == 1:
            self._check_agreement(part)
        if operation.kind is OperationKind.CLOSE_CUTOFF:
            is_judged = self.transaction is not None and self.transaction.judged
            if was_judged or not is_judged:
                raise VerdictError(part, "this cut-off did not judge the transaction")
        if self._is_about_others(operation):
            return
        what = operation.kind.name.lower().replace("_", " ")
        reason = getattr(operation.body, "reason", "")
        if reason:
            what = f"{what}: {reason}"
        self._note(entry, signer, what)

    def _check_subject(self, operation: Operation, part: str) -> None:
        """Refuse an operation about something else."""
        body = operation.body
        if isinstance(body, Enact | ProposeChange | Vote):
            return  # its name is known when it has been read: see `_check_agreement`
        if isinstance(body, StateDay):
            raise VerdictError(part, "a statement is about no transaction")
        subject = TransactionKey(body.agreement, *self._key[1:])
        if not isinstance(body, CloseCutoff):
            subject = transaction_key(body.agreement, body.originator, body.transaction_id)
        if subject != self._key:
            raise VerdictError(part, "the operation is about something else")

    def _is_about_others(self, operation: Operation) -> bool:
        """Whether an operation is only there because members follow from it."""
        body = operation.body
        if isinstance(body, Enact):
            return load_canonical(body.agreement).name != self._key.agreement
        if not isinstance(body, ProposeChange | Vote):
            return False
        name = operation.digest() if isinstance(body, ProposeChange) else body.change
        steps = [
            step
            for change in self.state.members.changes
            if change.name == name
            for step in change.steps
        ]
        return not any(
            isinstance(step, PutIntoForce)
            and load_canonical(step.agreement).name == self._key.agreement
            for step in steps
        )

    def _check_agreement(self, part: str) -> None:
        """Refuse enactments of other agreements."""
        names = {*self.state.newest, *(key.agreement for key in self.state.enactments)}
        if names != {self._key.agreement}:
            raise VerdictError(part, "the operation enacts another agreement")

    def _signer(self, item: Item, part: str) -> Signer:
        signer = check_signer(self.state, item)
        if signer is ItemOutcome.BAD_SIGNATURE:
            raise SignatureError(part, "it is not what the key signed")
        if isinstance(signer, ItemOutcome):
            raise TrustError(part, _UNTRUSTED[signer])
        if item.valid_until_us < self.state.time_us:
            raise _not_accepted(part, ItemOutcome.TOO_LATE)
        return signer

    def _note(self, entry: BatchEntry | OperationEntry, signer: Signer, what: str) -> None:
        self.steps.append(
            Step(entry.height, entry.time_us, entry.leaf, signer.party, signer.person, what)
        )


def _parsed_header(data: bytes, part: str) -> BatchHeader:
    try:
        header = parse_header(data)
        if header.to_bytes() != data:
            raise FormError(part, "the header is not in its one form")
    except WireError as error:
        raise FormError(part, str(error)) from error
    return header


def _not_accepted(part: str, outcome: ItemOutcome) -> EvidenceError:
    return VerdictError(
        part, f"the log says that it was accepted; by the rules it is {outcome.name.lower()}"
    )
