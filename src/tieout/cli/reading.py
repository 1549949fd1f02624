"""Reading the files of a run ahead of everything else.

Loading the compiled rules and opening the ledger take a while, in which a second core has nothing
to do. For a ledger that is still to be begun all rows are new: their files can be read already.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from tieout.agreement.model import Agreement
from tieout.cli.files import Part, check_outputs, role_files
from tieout.cli.filing import FiledRole, RoleFiles, check_headers
from tieout.cli.guarding import guarded
from tieout.cli.intake import Lane, Rows
from tieout.cli.outcome import Failure
from tieout.connectors.limits import COMPILED_FROM_BYTES

SWITCH_INTERVAL_S: Final = 1 / 5_000
"""How long a thread may keep the interpreter from others. The readers are in compiled code most of
the time; at the default of 5 ms each signature check would wait that long to go on."""


class Reading:
    """The roles of a run, and their rows in batches; each role is read once."""

    def __init__(self, files: list[RoleFiles]) -> None:
        self.roles = [FiledRole(each) for each in files]
        self._ahead: dict[Part, Lane[Rows]] = {}

    @property
    def has_begun(self) -> bool:
        """Whether rows are being read ahead, as those of a ledger that has none yet."""
        return bool(self._ahead)

    def begin(self) -> None:
        """Read ahead, each role in a thread of its own."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        if any(role.files.size_bytes >= COMPILED_FROM_BYTES for role in self.roles):
            # Loaded once, before several threads would.
            from tieout.connectors import csv_plan  # noqa: F401
        for role in self.roles:
            self._ahead[role.part] = Lane(partial(_batches, role), room=0)

    def batches_of(self, role: FiledRole) -> Iterator[Rows]:
        """The batches of a role that is read ahead, each with room for its head (`KnownRows`).

        Raises SourceError.
        """
        return iter(self._ahead[role.part])

    def likely_rows(self) -> int:
        """How many rows the longest role will have if its files go on as they began, and some more.

        Room for a few that are not needed costs less than growing for a few that are.
        """
        longest = max((role.likely_rows for role in self.roles), default=0)
        return longest + longest // 64

    def stop(self) -> None:
        """End the threads."""
        for lane in self._ahead.values():
            lane.stop()


def reading_of(
    agreement: Agreement,
    text: Path,
    files: tuple[str, ...],
    mapping: tuple[str, ...],
    outputs: Sequence[Path | None],
) -> Reading:
    """The files that were named for roles, with all headers checked; nothing is read yet.

    `text` is the agreement's file. Raises Failure for what does not fit, and for an output that
    cannot be written or is one of the files to be read.
    """
    by_role = role_files(files, agreement)
    if not by_role:
        raise Failure(
            "no files were named", f"write for example {Part(0, 0).name(agreement)}=file.csv"
        )
    mappings = role_files(mapping, agreement, "ROLE=MAPPING")
    for part, paths in mappings.items():
        if len(paths) > 1:
            raise Failure(f"two mappings were named for {part.name(agreement)}")
    inputs = [text, *chain(*by_role.values(), *mappings.values())]
    check_outputs([path for path in outputs if path is not None], inputs)
    single = {part: paths[0] for part, paths in mappings.items()}
    return Reading(guarded(lambda: check_headers(agreement, by_role, single)))


def _batches(role: FiledRole) -> Iterator[Rows]:
    known, first = role.known, 0
    for _ in role.numbered_chunks():
        if known.count == first + known.batch_rows:
            yield known.batch(first)
            first = known.count
    if known.count > first:
        yield known.batch(first)
