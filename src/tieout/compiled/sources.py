"""Which files become machine code, and the stamp that keeps old machine code from being used.

An object file is taken only under the stamp it was built for: a hash over the source of all loops
and of the numbers that are compiled into them, the versions of the compiler, and the processor. A
ledger judged with half of the old rules would be the alternative.
"""

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tieout.compiled.errors import LoopsError

ENTRY_MODULES: Final = (
    "tieout.merkle.lanes",
    "tieout.kernel.index",
    "tieout.kernel.rowcheck",
    "tieout.kernel.apply",
    "tieout.kernel.judge",
    "tieout.kernel.listing",
    "tieout.connectors.csv_fast",
    "tieout.connectors.csv_ids",
)
"""The modules whose entries are compiled."""

COMPILED_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "compiled": ("build.py", "intrinsics.py", "loops.py", "memory.py"),
    "kernel": (
        *("adjust.py", "apply.py", "codes.py", "compare.py", "index.py", "judge.py", "layout.py"),
        *(
            "businessdays.py",
            "invariants.py",
            "wide.py",
            "listing.py",
            "rowcheck.py",
            "settle.py",
            "stages.py",
            "telling.py",
            "verdict.py",
            "words.py",
        ),
    ),
    "merkle": ("lanes.py",),
    "connectors": ("csv_fast.py", "csv_ids.py"),
    "agreement": ("calendars.py", "model.py"),
    "wire": ("codes.py", "limits.py", "rows.py"),
}
"""The files whose functions or numbers become machine code, by room."""

COMPILERS: Final = ("numba", "llvmlite", "numpy")


def stamp(processor: Iterable[str], *, checked: bool) -> str:
    """64 hex digits: what an object file was made of and for.

    `processor`: name and features, as the compiler calls them.
    """
    digest = hashlib.sha256(b"checked" if checked else b"trusting")
    facts = [*processor, platform.machine(), sys.platform, sys.version]
    facts += map(_release, COMPILERS)
    digest.update("\n".join(facts).encode())
    # Read as files: importing a room would compile its loops, for which this is needed first.
    rooms = Path(__file__).parents[1]
    for room, names in COMPILED_IN.items():
        for name in names:
            source = (rooms / room / name).read_bytes()
            digest.update(b"\n%s/%s %d\n" % (room.encode(), name.encode(), len(source)))
            digest.update(source)
    return digest.hexdigest()


def _release(library: str) -> str:
    """Which release of a library is installed: its name and version, as pip notes them.

    Without importing it, and without `importlib.metadata`, whose own imports take longer than the
    rest of this file. Raises LoopsError when it was not installed by a packager.
    """
    spec = find_spec(library)
    if spec is not None and spec.origin is not None:
        for note in Path(spec.origin).parents[1].glob(f"{library}-*.dist-info"):
            return note.stem
    raise LoopsError(f"{library} is not installed: install what requirements.lock names")
