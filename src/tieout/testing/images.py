"""Reads the images of slots and adjustments, by their page and by nothing else.

The layouts are written down here once more, from docs/formats/state.md, so that a test that reads
an image also proves that the page is right.
"""

import numpy as np
from numpy.typing import NDArray

from tieout.agreement.model import Agreement
from tieout.wire.rows import PREFIX_BYTES


def slot_dtype(agreement: Agreement) -> np.dtype[np.void]:
    """One slot: its head, and `roles`, one block for each role with the values as `values`.

    Where people decide, `decided` follows, laid out likewise.
    """
    role = np.dtype(
        [
            ("party", "<u2"),
            ("intruder", "<u2"),
            ("flags", "<u2"),
            ("rounds", "<u2"),
            ("revision", "<u4"),
            ("broken_groups", "<u2"),
            ("tied_groups", "<u2"),
            ("adjustment", "<u8"),
            ("presence", "<u8"),
            ("mismatch", "<u8"),
            ("blank", "<u8"),
            ("place", "<u8"),
            ("values", _values_dtype(agreement)),
        ]
    )
    links = [("previous", "<u8"), ("following", "<u8")] if agreement.stages else []
    return np.dtype(
        [
            ("id", "S36"),
            ("originator", "<u2"),
            ("stage", "u1"),
            ("status", "u1"),
            ("opened_us", "<i8"),
            ("closed_us", "<i8"),
            ("episode", "<u4"),
            ("alarm", "u1"),
            ("flags", "u1"),
            ("zero", "<u2"),
            ("awaiting", "<u8"),
            ("undecided", "<u8"),
            ("roles", role, (len(agreement.roles),)),
            *([("decided", role)] if agreement.votes is not None else []),
            *links,
        ]
    )


def adjustment_dtype(agreement: Agreement) -> np.dtype[np.void]:
    """One adjustment; `benchmarks` are the values of the fields whose bits are on."""
    return np.dtype(
        [
            ("serial", "<u8"),
            ("role", "u1"),
            ("status", "u1"),
            ("at_once", "u1"),
            ("zero", "u1"),
            ("revision", "<u4"),
            ("fields", "<u8"),
            ("proposer", "<u4"),
            ("first_approver", "<u4"),
            ("second_approver", "<u4"),
            ("zero_too", "<u4"),
            ("benchmarks", _values_dtype(agreement)),
        ]
    )


def read_slots(agreement: Agreement, images: bytes) -> NDArray[np.void]:
    """All slots of a book, in the order of their serials."""
    return np.frombuffer(images, dtype=slot_dtype(agreement))


def read_adjustments(agreement: Agreement, images: bytes) -> NDArray[np.void]:
    """All adjustments of a book, in the order of proposal."""
    return np.frombuffer(images, dtype=adjustment_dtype(agreement))


def _values_dtype(agreement: Agreement) -> np.dtype[np.void]:
    row = agreement.layout.dtype()
    names = [f"f_{column.name}" for column in agreement.layout.columns]
    offsets = [column.offset - PREFIX_BYTES for column in agreement.layout.columns]
    return np.dtype(
        {
            "names": [column.name for column in agreement.layout.columns],
            "formats": [row[name] for name in names],
            "offsets": offsets,
            "itemsize": agreement.layout.values_bytes,
        }
    )
