"""An open break as the rules tell it: raw values, not yet formatted for anybody.

Both implementations of the rules list breaks in this form, and in one order: by transaction id
(code points, so the order of its UTF-8 bytes), originator and stage; then whole-record breaks
before the fields in the agreement's order; then roles in the agreement's order; then kinds by their
number.
"""

from enum import IntEnum
from typing import NamedTuple

from tieout.wire.codes import BenchmarkState, BreakKind


class Suspicion(IntEnum):
    """What would make the sums of a group equal: nothing, or one member (R-GROUP-7)."""

    NONE = 0
    WITHOUT = 1
    TWICE = 2


class BreakRow(NamedTuple):
    """One open break of one role.

    `agreement` is the number of the book, `transaction_id` its UTF-8 without padding, `field` and
    `role` are indices in the agreement of that book (None: the whole record). Only a mismatch and a
    group have values: scaled integers, days, microseconds, or the bytes of a code or text without
    padding. `basis` is the name of the authority's role, or "majority", and stands with `benchmark`
    only when `state` is DECIDED; `difference` is reported − benchmark, None for codes and texts and
    for money in different currencies. `state` is NONE for everything but mismatches.

    A group has what R-GROUP-7 says, in the unit of the field that is added up; `group_key` is its
    key, `suspect` the id of the member that explains the difference in the way of `suspicion`.
    """

    agreement: int
    transaction_id: bytes
    originator: int
    stage: int
    kind: BreakKind
    field: int | None
    role: int
    reported: int | bytes | None
    benchmark: int | bytes | None
    basis: str | None
    difference: int | None
    state: BenchmarkState
    group_key: bytes | None = None
    suspect: bytes | None = None
    suspicion: Suspicion = Suspicion.NONE
