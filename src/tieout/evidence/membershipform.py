"""The form of what shows who the members of a ledger are (docs/formats/certificate.md).

Everything that ever changed them: accepted enactments and operations about members, each with its
way into the log, and the rest of the app hash that must come out of them.
"""

import msgspec

from tieout.evidence.forms import U32, Count, Hash, TimeUs


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts have in common: they never change, and have no further fields."""


class OperationEntry(_Frozen, frozen=True, tag_field="entry", tag="operation"):
    """An accepted operation, whole: signed bytes and signature."""

    leaf: Count
    height: Count
    time_us: TimeUs
    item: U32
    operation: bytes
    path: tuple[Hash, ...]


class AppParts(_Frozen, frozen=True):
    """What goes into the app hash beside log, members and agreements."""

    events_chain: Hash
    state_digest: Hash


class Membership(_Frozen, frozen=True):
    """How the founders of a genesis became the members of a height."""

    entries: tuple[OperationEntry, ...]
    app: AppParts
