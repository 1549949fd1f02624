"""Evidence packs: everything about one transaction, verifiable offline.

The problem: an auditor, a court, or the other party's lawyer gets one file. They trust a genesis,
and nobody's program or word. The model: the file has every accepted item that concerns the
transaction, with its signature and its way into the log; a checkpoint that commits to the log; and
the verdict that is claimed. `verify_pack` checks the proofs, plays the items through the reference
rules, and compares: the claim must be exactly what follows. Rows of other transactions are not
disclosed; their hashes are salted.

What a pack cannot show by itself is that nothing later was left out. A certificate of the same
checkpoint does, for the standing records; so does an audit of the whole ledger.

Layout and vectors: docs/formats/evidence.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tieout.agreement.parse import load_canonical
from tieout.consensus.light import Support
from tieout.evidence.certificate import Certificate, verify_head, verify_standing
from tieout.evidence.certificateform import CertificateHead
from tieout.evidence.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from tieout.evidence.errors import (
    FormError,
    MissingError,
    TrustError,
    VerdictError,
)
from tieout.evidence.forms import from_one_form, to_one_form
from tieout.evidence.limits import MAX_PACK_BYTES
from tieout.evidence.membership import LedgerReader, LoggedItem, check_app_hash, check_leaf
from tieout.evidence.membershipform import AppParts, OperationEntry
from tieout.evidence.ordering import verify_consensus
from tieout.evidence.packform import (
    BatchEntry,
    Consensus,
    DeadlineEntry,
    Entry,
    Pack,
    RowProof,
    Statement,
)
from tieout.evidence.replay import Replay, Step, transaction_key
from tieout.evidence.statement import last_leaf, state_transaction
from tieout.merkle.tree import inclusion_path, leaf_hash
from tieout.reference.groups import stands_in_groups
from tieout.reference.members import Members, Party
from tieout.reference.state import TransactionKey
from tieout.reference.transaction import Transaction
from tieout.wire.batch import BATCH_TAG, parse_batch
from tieout.wire.codes import ItemOutcome, Status
from tieout.wire.errors import WireError
from tieout.wire.genesis import Genesis, check_genesis
from tieout.wire.members import ProposeChange, Vote
from tieout.wire.operations import CloseCutoff, Enact, parse_operation
from tieout.wire.statements import StateDay

_NO_FORMAT: Final = "its format is not that of the rules version of its genesis"


@dataclass(frozen=True, slots=True)
class PackReport:
    """A pack that holds.

    `is_anchored` says whether a trusted genesis was given; without it the pack is consistent in
    itself and proves nothing about the world. `parties` are all that ever were members, by number.
    `ordered_by` says who of the validators signed the order, None where no votes are shown.
    `proven` and `not_proven` say so in words.
    """

    is_anchored: bool
    ledger_id: bytes
    genesis: Genesis
    parties: tuple[Party, ...]
    agreement: str
    originator: int
    transaction_id: str
    checkpoint: Checkpoint
    signers: tuple[str, ...]
    operator: str | None
    ordered_by: Support | None
    statement: Statement
    steps: tuple[Step, ...]
    certificate: CertificateHead | None
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One line: what this pack is worth to the reader."""
        return "verified" if self.is_anchored else "consistent, not anchored"


# ---------------------------------------------------------------- building


def build_pack(
    reader: LedgerReader,
    checkpoint: SignedCheckpoint,
    agreement: str,
    originator: int,
    transaction_id: str,
    certificate: Certificate | None = None,
    app: AppParts | None = None,
    consensus: Consensus | None = None,
) -> bytes:
    """The evidence pack of a transaction as of `checkpoint`.

    `app` is needed where members change, for the block of the checkpoint. A `certificate` of the
    same checkpoint goes into it where it covers the transaction and its status does not rest on a
    group (R-GROUP-5); so does `consensus`, which must be of that checkpoint; only `verify_pack`
    looks into it. Raises MissingError when the ledger knew no such transaction then, or people
    acted on what its group came to, and VerdictError when its items do not give a verdict by the
    rules, which an audit would find too.
    """
    key = transaction_key(agreement, originator, transaction_id)
    size = checkpoint.checkpoint.log_size
    rows: dict[int, list[int]] = {}
    for leaf, row in reader.find_records(agreement, originator, transaction_id):
        if leaf < size:
            rows.setdefault(leaf, []).append(row)
    if not rows:
        raise MissingError(
            "transaction", f"{transaction_id!r} under {agreement} is not on the ledger"
        )
    operations = reader.find_operations(agreement, originator, transaction_id)
    leaves = sorted({*rows, *(leaf for leaf in operations if leaf < size)})
    builder = _Builder(reader, key, size)
    for leaf in leaves:
        builder.add(leaf, sorted(rows.get(leaf, ())))
    transaction = builder.finish(checkpoint.checkpoint)
    proof = None
    book = builder.replay.state.book_of(transaction)
    is_alone = not stands_in_groups(book, transaction)
    if is_alone and certificate and certificate.checkpoint == checkpoint.checkpoint:
        proof = certificate.prove(originator, key.transaction_id.rstrip(b"\0"))
    pack = Pack(
        format="tieout/evidence/1" if reader.genesis.rules_version == 1 else "tieout/evidence/2",
        genesis=reader.genesis,
        checkpoint=checkpoint.to_text(),
        agreement=agreement,
        originator=originator,
        transaction_id=transaction_id,
        entries=tuple(builder.entries),
        statement=state_transaction(builder.replay.state, transaction),
        certificate=proof,
        app=app,
        consensus=consensus,
    )
    return to_one_form(pack)


class _Builder:
    """Collects the entries of a pack while it plays them."""

    def __init__(self, reader: LedgerReader, key: TransactionKey, log_size: int) -> None:
        self.entries: list[Entry] = []
        self.replay = Replay(reader.genesis, key)
        self._reader = reader
        self._key = key
        self._log_size = log_size
        self._asked = 0

    def add(self, leaf: int, rows: Sequence[int]) -> None:
        """Add the item at a leaf, if it was accepted and concerns the transaction."""
        logged = self._reader.logged_item(leaf)
        if logged.outcome is not ItemOutcome.ACCEPTED:
            return
        if logged.height > self.replay.state.height:
            self._ask_until(self._reader.block_time_us(logged.height - 1))
        if bytes(logged.data[: len(BATCH_TAG)]) != BATCH_TAG:
            if self._concerns(bytes(logged.data)):
                self._keep(
                    OperationEntry(
                        leaf,
                        logged.height,
                        logged.time_us,
                        logged.item,
                        bytes(logged.data),
                        self._path(leaf),
                    )
                )
        elif rows:
            self._keep(self._batch(leaf, logged, rows))

    def finish(self, checkpoint: Checkpoint) -> Transaction:
        """The transaction as of the checkpoint."""
        self._ask_until(checkpoint.time_us)
        self.replay.reach(checkpoint.height)
        return self.replay.finish(checkpoint.time_us)

    def _keep(self, entry: Entry) -> None:
        try:
            self.replay.apply(entry, f"entries[{len(self.entries)}]")
        except VerdictError as error:
            transaction = self.replay.transaction
            if transaction and self.replay.state.book_of(transaction).agreement.groups:
                raise MissingError(
                    "transaction",
                    "people acted on what its group came to, which rests on records of other"
                    " transactions: no pack shows that, but an audit of the ledger does",
                ) from error
            raise
        self.entries.append(entry)

    def _ask_until(self, time_us: int) -> None:
        """Ask every role whose deadline is before the time of a block that the ledger has had."""
        transaction = self.replay.transaction
        if transaction is None:
            return
        roles = self.replay.state.book_of(transaction).agreement.roles
        for deadline_us, role in self.replay.deadlines()[self._asked :]:
            if deadline_us >= time_us:
                return
            self._asked += 1
            self._keep(DeadlineEntry(roles[role]))

    def _path(self, leaf: int) -> tuple[bytes, ...]:
        return tuple(self._reader.inclusion_path(leaf, self._log_size))

    def _batch(self, leaf: int, logged: LoggedItem, rows: Sequence[int]) -> BatchEntry:
        batch = parse_batch(logged.data)
        width = batch.header.row_bytes
        images = [bytes(batch.rows[at : at + width]) for at in range(0, len(batch.rows), width)]
        hashes = [leaf_hash(image) for image in images]
        proofs = tuple(
            RowProof(row, images[row], tuple(inclusion_path(hashes, row))) for row in rows
        )
        return BatchEntry(
            leaf=leaf,
            height=logged.height,
            time_us=logged.time_us,
            item=logged.item,
            header=batch.header_bytes,
            signature=batch.signature,
            path=self._path(leaf),
            rows=proofs,
        )

    def _concerns(self, data: bytes) -> bool:
        """Whether an accepted operation has a part in the transaction's verdict."""
        body = parse_operation(data).body
        if isinstance(body, ProposeChange | Vote):
            return True
        if isinstance(body, Enact):
            is_governed = self._reader.genesis.rules_version > 1
            return is_governed or load_canonical(body.agreement).name == self._key.agreement
        if isinstance(body, StateDay) or body.agreement != self._key.agreement:
            return False
        if isinstance(body, CloseCutoff):
            transaction = self.replay.transaction
            return (
                transaction is not None
                and not transaction.judged
                and transaction.opened_us <= body.cutoff_us
            )
        return transaction_key(body.agreement, body.originator, body.transaction_id) == self._key


# ---------------------------------------------------------------- verifying


def verify_pack(data: bytes, trusted: Genesis | None) -> PackReport:
    """Read a pack, check every proof in it, and compute its verdict anew.

    Offline; `trusted` is the genesis that the reader trusts, None when there is none: then the pack
    is only checked against its own. Raises an EvidenceError that names the first part that does not
    hold.
    """
    pack = from_one_form(data, Pack, "pack", MAX_PACK_BYTES)
    genesis = _genesis(pack, trusted)
    signed = parse_checkpoint(pack.checkpoint.encode("utf-8"))
    if genesis.rules_version == 1:
        verify_checkpoint(signed.to_bytes(), genesis)
    checkpoint = signed.checkpoint
    replay = Replay(genesis, transaction_key(pack.agreement, pack.originator, pack.transaction_id))
    for part, entry in _named(pack.entries):
        if not isinstance(entry, DeadlineEntry):
            check_leaf(entry, checkpoint, part)
        replay.apply(entry, part)
    replay.reach(checkpoint.height)
    transaction = replay.finish(checkpoint.time_us)
    members = replay.state.members
    if pack.app is not None:
        check_app_hash(replay.state, checkpoint, pack.app)
        needs_quorum = pack.consensus is None or genesis.operator != 0
        verify_checkpoint(signed.to_bytes(), genesis, members, needs_quorum=needs_quorum)
    ordered_by = None
    if pack.consensus is not None:
        ordered_by = verify_consensus(pack.consensus, checkpoint, genesis)
    statement = state_transaction(replay.state, transaction)
    _compare(pack.statement, statement)
    head = _check_certificate(pack, genesis, members, transaction)
    operator = genesis.parties[genesis.operator - 1].name if genesis.operator else None
    return PackReport(
        is_anchored=trusted is not None,
        ledger_id=checkpoint.ledger_id,
        genesis=genesis,
        parties=tuple(members.parties),
        agreement=pack.agreement,
        originator=pack.originator,
        transaction_id=pack.transaction_id,
        checkpoint=checkpoint,
        signers=tuple(members.parties[each.party - 1].name for each in signed.signatures),
        operator=operator,
        ordered_by=ordered_by,
        statement=statement,
        steps=tuple(replay.steps),
        certificate=head,
        proven=_proven(pack, checkpoint, head, ordered_by),
        not_proven=_not_proven(pack, operator, head, is_anchored=trusted is not None),
    )


def _genesis(pack: Pack, trusted: Genesis | None) -> Genesis:
    genesis = _trusted_genesis(pack, trusted)
    is_governed = genesis.rules_version > 1
    if is_governed != (pack.format != "tieout/evidence/1") or is_governed != (pack.app is not None):
        raise FormError("format", _NO_FORMAT)
    return genesis


def _trusted_genesis(pack: Pack, trusted: Genesis | None) -> Genesis:
    if trusted is not None:
        if pack.genesis != trusted:
            raise TrustError("genesis", "it is not the genesis that you trust: another ledger")
        return trusted
    try:
        check_genesis(pack.genesis)
    except WireError as error:
        raise FormError("genesis", str(error)) from error
    return pack.genesis


def _named(entries: Sequence[Entry]) -> Iterator[tuple[str, Entry]]:
    return ((f"entries[{number}]", entry) for number, entry in enumerate(entries))


def _compare(stated: Statement, computed: Statement) -> None:
    """Refuse a statement that is not what follows; name its first part that differs."""
    for name in Statement.__struct_fields__:
        if getattr(stated, name) != getattr(computed, name):
            raise VerdictError(
                f"statement.{name}",
                f"stated is {getattr(stated, name)!r}, by the rules it is"
                f" {getattr(computed, name)!r}",
            )


def _check_certificate(
    pack: Pack, genesis: Genesis, members: Members, transaction: Transaction
) -> CertificateHead | None:
    proof = pack.certificate
    if proof is None:
        return None
    head = proof.signed.head
    certified = verify_head(proof.signed, genesis, members)
    same_checkpoint = certified == parse_checkpoint(pack.checkpoint.encode("utf-8")).checkpoint
    if not same_checkpoint or head.agreement != pack.agreement:
        raise VerdictError("certificate", "it is of another checkpoint or agreement")
    verify_standing(
        proof,
        transaction.originator,
        transaction.transaction_id.rstrip(b"\0"),
        transaction.status or Status.PENDING,
        last_leaf(transaction),
    )
    return head


# ---------------------------------------------------------------- in words


def _proven(
    pack: Pack, checkpoint: Checkpoint, head: CertificateHead | None, ordered_by: Support | None
) -> tuple[str, ...]:
    number = sum(not isinstance(entry, DeadlineEntry) for entry in pack.entries)
    words = [
        _sentence(
            f"The {number} signed items shown are in the ledger, at their places and times,",
            f"as of checkpoint {checkpoint.log_size} (height {checkpoint.height}).",
        ),
        _sentence(
            f"By rules version {pack.genesis.rules_version} they make the transaction",
            f"{pack.statement.status}, with exactly the breaks, benchmarks and adjustments stated.",
        ),
    ]
    if ordered_by is not None:
        words.append(
            _sentence(
                f"The ledger was ordered by {ordered_by.signed} of {ordered_by.validators}",
                f"validators, {ordered_by.power} of {ordered_by.total} of their power: they signed",
                f"it as of height {checkpoint.height}.",
            )
        )
    if head is not None:
        words.append(
            _sentence(
                "No record of it after those shown was accepted until that checkpoint:",
                f"the tie-out certificate of the cut-off {head.cutoff} commits to it.",
            )
        )
    return tuple(words)


def _not_proven(
    pack: Pack, operator: str | None, head: CertificateHead | None, *, is_anchored: bool
) -> tuple[str, ...]:
    words = []
    if not is_anchored:
        words.append(
            _sentence(
                "Whose keys these are: no trusted genesis was given.",
                "Get the genesis from somebody you trust, and verify against it.",
            )
        )
    if head is None:
        words.append(
            _sentence(
                "That nothing about the transaction was left out: a tie-out certificate of the",
                "same checkpoint shows it, or an audit of the whole ledger.",
            )
        )
    if operator is not None:
        words.append(
            _sentence(
                f"That everybody was shown the same ledger: {operator} kept it alone.",
                "Compare checkpoints with others who hold some.",
            )
        )
    if pack.consensus is not None:
        words.append(
            _sentence(
                "That a third or more of the validators' power did not sign another ledger too:",
                "whoever holds both can show who did.",
            )
        )
    if any(isinstance(entry, DeadlineEntry) for entry in pack.entries):
        words.append(
            _sentence(
                "Between which of the items shown the ledger asked about a deadline: that is the",
                "word of whoever made the pack. The outcome as of the checkpoint is not.",
            )
        )
    return tuple(words)


def _sentence(*parts: str) -> str:
    return " ".join(parts)
