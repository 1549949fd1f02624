"""The form of an evidence pack: what it carries, and what it states (docs/formats/evidence.md).

Entries carry signed bytes with their proofs; the statement is what follows from them, in words that
can be shown. A reader computes the statement anew from the entries; it stands in the pack so that
people see what is claimed, and so that the claim can be held against its author.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tieout.consensus.forms import Header, SignedHeader
from tieout.evidence.certificateform import CertificateProof
from tieout.evidence.forms import U16, U32, Count, Hash, HexHash, Signature, TimeUs
from tieout.evidence.limits import MAX_STEPS
from tieout.evidence.membershipform import AppParts, OperationEntry
from tieout.wire.genesis import Genesis


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts have in common: they never change, and have no further fields."""


class RowProof(_Frozen, frozen=True):
    """A row (its whole bytes) with its index in the batch and its path to the header's root."""

    index: U16
    row: bytes
    path: tuple[Hash, ...]


class BatchEntry(_Frozen, frozen=True, tag_field="entry", tag="batch"):
    """An accepted batch, without the rows that are about other transactions.

    `leaf` is its place in the log, `path` leads to the checkpoint's root; height, time and item are
    bound by the leaf.
    """

    leaf: Count
    height: Count
    time_us: TimeUs
    item: U32
    header: bytes
    signature: Signature
    path: tuple[Hash, ...]
    rows: tuple[RowProof, ...]


class DeadlineEntry(_Frozen, frozen=True, tag_field="entry", tag="deadline"):
    """Here, after the entry before it, the ledger asked whether the role had spoken (R-TIME-1)."""

    role: str


Entry = BatchEntry | OperationEntry | DeadlineEntry


class FieldValue(_Frozen, frozen=True):
    """A value of a field as text; `currency` is empty where there is none."""

    field: str
    value: str
    currency: str


class RoleStatement(_Frozen, frozen=True):
    """What stands for a role; `party` is 0, and numbers are 0, while nobody has spoken for it."""

    role: str
    party: U16
    standing: Literal["states", "withdrew", "silent"]
    revision: U32
    leaf: Count
    row: U16
    overdue: bool
    values: tuple[FieldValue, ...]


class BreakStatement(_Frozen, frozen=True):
    """A line of the breaks file, with the currencies and the rules that decided."""

    kind: str
    field: str
    role: str
    reported: str
    reported_currency: str
    benchmark: str
    benchmark_currency: str
    basis: str
    difference: str
    status: str
    rules: tuple[str, ...]


class BenchmarkStatement(_Frozen, frozen=True):
    """The benchmark of a field that does not tie out, or that an adjustment holds fixed."""

    field: str
    state: Literal["awaiting", "undecided", "decided"]
    value: str
    currency: str
    basis: str
    rule: str


class AdjustmentStatement(_Frozen, frozen=True):
    """One adjustment. Persons are `party/person`; the proposer is `rule` for the rule."""

    id: HexHash
    role: str
    status: str
    revision: U32
    benchmarks: tuple[FieldValue, ...]
    proposer: str
    approvers: tuple[str, ...]
    approved_at_once: bool


class Statement(_Frozen, frozen=True):
    """What follows, by the rules, from the entries as of the checkpoint.

    `last_leaf` is the highest leaf that holds a standing record; times are ISO 8601, empty for
    not closed.
    """

    status: str
    version: U32
    opened: str
    closed: str
    judged: bool
    episode: U32
    alarm: str
    confirmed_by: tuple[U16, ...]
    last_leaf: Count
    roles: tuple[RoleStatement, ...]
    breaks: tuple[BreakStatement, ...]
    benchmarks: tuple[BenchmarkStatement, ...]
    adjustments: tuple[AdjustmentStatement, ...]


class Consensus(_Frozen, frozen=True):
    """How the validators signed that the ledger was at the checkpoint.

    `header` is that of the checkpoint's block, `steps` lead from the founding validators to the
    header after it.
    """

    header: Header
    steps: Annotated[tuple[SignedHeader, ...], Meta(min_length=1, max_length=MAX_STEPS)]


class Pack(_Frozen, frozen=True, omit_defaults=True):
    """An evidence pack. `checkpoint` is the whole signed note.

    Format 2 is that of ledgers whose members change: its entries have every accepted enactment and
    operation about members, and `app` what makes the app hash of them (format 1: left out).
    `consensus` may be left out.
    """

    format: Literal["tieout/evidence/1", "tieout/evidence/2"]
    genesis: Genesis
    checkpoint: str
    agreement: str
    originator: U16
    transaction_id: str
    entries: tuple[Entry, ...]
    statement: Statement
    certificate: CertificateProof | None
    app: AppParts | None = None
    consensus: Consensus | None = None
