"""What can be asked of each list. Nothing stated: everything. All that is stated must hold.

Several values of one filter mean any of them. Ranges of time (microseconds UTC) and of heights
include their beginning and leave out their end.
"""

import msgspec

Several = tuple[str, ...]


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """When it began."""

    from_us: int | None = None
    until_us: int | None = None
    from_height: int | None = None
    until_height: int | None = None


class AboutTransactions(Ranges, frozen=True, kw_only=True):
    """Which transactions it is about; `id_prefix` is how their ids begin."""

    agreement: str | None = None
    version: int | None = None
    originator: int | None = None
    transaction_id: str | None = None
    id_prefix: str = ""


class TransactionFilter(AboutTransactions, frozen=True, kw_only=True):
    """`party`: one that has spoken in it."""

    status: Several = ()
    party: int | None = None


class BreakFilter(AboutTransactions, frozen=True, kw_only=True):
    """`is_open` None: open and closed ones; `field` "" are breaks of whole records.

    The last four are about the work on them: `assignee` "" are those that nobody has, `label` has
    any of these, `due_until_us` are those due before a time.
    """

    is_open: bool | None = True
    status: Several = ()
    kind: Several = ()
    field: Several = ()
    role: Several = ()
    party: tuple[int, ...] = ()
    severity: Several = ()
    assignee: Several = ()
    reason: Several = ()
    label: Several = ()
    due_until_us: int | None = None


class AlarmFilter(AboutTransactions, frozen=True, kw_only=True):
    """`is_open` None: cleared ones too."""

    is_open: bool | None = True
    state: Several = ()
    severity: Several = ()
    escalated_to: Several = ()


class AdjustmentFilter(AboutTransactions, frozen=True, kw_only=True):
    """`id` is an adjustment's own, or how it begins."""

    id: str = ""
    status: Several = ()
    role: Several = ()
    party: tuple[int, ...] = ()


class BatchFilter(Ranges, frozen=True, kw_only=True):
    """`agreement` is a name."""

    agreement: str | None = None
    outcome: Several = ()
    role: Several = ()
    party: tuple[int, ...] = ()


class OperationFilter(Ranges, frozen=True, kw_only=True):
    """`agreement` is a name."""

    agreement: str | None = None
    outcome: Several = ()
    kind: Several = ()
    party: tuple[int, ...] = ()
    transaction_id: str | None = None


class BlockFilter(Ranges, frozen=True, kw_only=True):
    """Blocks have nothing else to choose by."""


class CutoffFilter(Ranges, frozen=True, kw_only=True):
    """`agreement` is a name."""

    agreement: str | None = None
    party: tuple[int, ...] = ()


class EventFilter(Ranges, frozen=True, kw_only=True):
    """`agreement` is a name; a transaction is named together with its agreement."""

    kind: Several = ()
    agreement: str | None = None
    originator: int = 0
    transaction_id: str | None = None
