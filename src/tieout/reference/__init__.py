"""The rules, one record at a time, written to be read: the auditor's implementation."""

from tieout.reference.breaks import breaks
from tieout.reference.digest import (
    adjustment_images,
    app_hash,
    members_document,
    slot_images,
    state_digest,
)
from tieout.reference.ledger import apply_block
from tieout.reference.state import State, initial_state
from tieout.reference.transaction import Break, Transaction, Verdict
from tieout.reference.values import Record
from tieout.reference.verdict import verdict

__all__ = [
    "Break",
    "Record",
    "State",
    "Transaction",
    "Verdict",
    "adjustment_images",
    "app_hash",
    "apply_block",
    "breaks",
    "initial_state",
    "members_document",
    "slot_images",
    "state_digest",
    "verdict",
]
