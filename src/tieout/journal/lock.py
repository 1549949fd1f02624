"""One writer at a time.

The lock belongs to the open file, so it ends with the process however that ends. The file says who
holds it, for the message alone.
"""

import fcntl
import os
from pathlib import Path

from tieout.journal.errors import JournalLocked


class WriterLock:
    """The right to write to a journal. Raises JournalLocked when somebody has it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 20, 0).strip()
            os.close(self._fd)
            raise JournalLocked(path.parent, int(holder) if holder.isdigit() else 0) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others write."""
        os.close(self._fd)
