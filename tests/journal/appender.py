"""A process of its own that appends, and tells each height once it is durable.

`python -m tests.journal.appender DIR COUNT [LARGEST_FILE_BYTES]`
"""

import resource
import sys
from pathlib import Path

from tests.journal import ledgers
from tieout.journal.errors import JournalFailed
from tieout.journal.journal import Journal


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(directory: Path, count: int, largest_file_bytes: int | None) -> None:
    if largest_file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))
    journal = Journal.open(directory, ledgers.LEDGER_ID, segment_bytes=1 << 20)
    try:
        for block, result in ledgers.blocks(count):
            if block.height > journal.appended.height:
                journal.append(block, result)
                # Several blocks share a sync, as they do in a pipeline.
                if block.height % 3 == 0:
                    say(journal.sync().height)
    except JournalFailed as failure:
        say(f"failed: {failure.advice}")
        for again in (journal.sync, lambda: journal.append(block, result)):
            try:
                again()
            except JournalFailed:
                say("failed again")
    journal.close()
    say("closed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
