"""What can go wrong with what is kept. Each error knows its facts, and what to do next."""

from pathlib import Path


class JournalError(Exception):
    """The one root of what this room raises; `advice` says what the person in charge can do."""

    advice = ""


class JournalDamaged(JournalError):
    """Bytes that were durable are not what was written.

    `height` is the block that they belong to (the first one that cannot be read, or that the file
    begins with), `offset` the byte in `file` at which the part that does not fit begins. Nothing is
    cut or repaired.
    """

    def __init__(self, height: int, offset: int, file: Path, reason: str) -> None:
        super().__init__(f"block {height}: {reason} ({file.name}, byte {offset})")
        self.height = height
        self.offset = offset
        self.file = file
        self.reason = reason
        self.advice = "keep the files as they are, and restore them from a copy or another node"


class JournalFailed(JournalError):
    """Writing or syncing failed, and the journal takes nothing more.

    What was receipted before is durable; what came after is not known to be. It is never tried
    again in this process: after a failed sync nobody knows what the disk holds.
    """

    def __init__(self, what: str, cause: OSError | None = None) -> None:
        super().__init__(f"{what}: {cause}" if cause else what)
        self.cause = cause
        self.advice = "mend the disk (is it full?), then open the ledger again"


class JournalLocked(JournalError):
    """Another process (`holder`, 0 if it did not say) writes to this journal."""

    def __init__(self, path: Path, holder: int) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(f"{who} writes to {path}")
        self.path = path
        self.holder = holder
        self.advice = "wait until it has ended; a ledger has one writer at a time"


class NoJournal(JournalError):
    """There is nothing to read at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no journal at {path}")
        self.path = path
        self.advice = "name the directory of a ledger"


class NoSuchBlock(JournalError):
    """The journal has no durable block of that height; its first one follows `base_height`."""

    def __init__(self, height: int, durable_height: int, base_height: int = 0) -> None:
        what = f"there is no block {height}; the last one is {durable_height}"
        if height <= base_height:
            what += f", and those up to {base_height} are not kept here: this copy began after them"
        super().__init__(what)
        self.height = height
        self.durable_height = durable_height


class IndexUnsoundError(JournalError):
    """The index contradicts the segments or itself. The journal builds it anew and goes on."""


class SnapshotFailed(JournalError):
    """A snapshot could not be written. The journal itself goes on; a restart takes longer."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(f"the snapshot {path.name} cannot be written: {cause}")
        self.path = path
        self.cause = cause
        self.advice = "see whether the disk is full"
