"""The floor of the durable stream: the same bytes hashed, appended and synced, nothing verified.

`floor.c` is compiled here with the system's compiler, for this very processor. It hashes in two
ways (SHA instructions; sixteen hashes abreast); the faster one is the floor. Without a compiler
there is no floor, and the table says so.
"""

import hashlib
import shutil
from pathlib import Path

from bench.measure import FIRST_CORE, ROOT, run_process

METHODS = ("ni", "lanes")
METHOD_NAMES = {"ni": "SHA instructions", "lanes": "16 hashes abreast"}
SLOT_BYTES = 512
FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-std=gnu11", "-pthread")
NO_SHA_INSTRUCTIONS = 3


def compiled(folder: Path) -> Path | None:
    """The floor as a program; None where there is no C compiler, or none that does it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source, program = ROOT / "bench" / "floor.c", folder / "floor"
    flags = list(FLAGS)
    while True:
        try:
            run_process([compiler, *flags, "-o", str(program), str(source)])
        except RuntimeError:
            # An older compiler, or another processor, may not know the preference of width.
            if "-mprefer-vector-width=512" not in flags:
                return None
            flags.remove("-mprefer-vector-width=512")
        else:
            return program


def best_method(program: Path, folder: Path, row_bytes: int) -> str:
    """The faster way of hashing here. Raises AssertionError when one gives a wrong root."""
    seconds = {}
    for method in METHODS:
        try:
            taken, root = floor_seconds(program, folder, method, 200_000, 10_000, row_bytes, 1_000)
        except RuntimeError:
            continue
        assert root == expected_root(10_000, row_bytes), f"floor.c: wrong root by {method}"
        seconds[method] = taken
    return min(seconds, key=lambda method: seconds[method])


def floor_seconds(
    program: Path,
    folder: Path,
    method: str,
    records: int,
    batch: int,
    row_bytes: int,
    slots: int,
) -> tuple[float, str]:
    """Seconds for so many records in such batches on one core, and the first batch's root."""
    file = folder / "floor.dat"
    numbers = [str(number) for number in (records, batch, row_bytes, slots, SLOT_BYTES)]
    process = run_process([str(program), str(file), method, *numbers], core=FIRST_CORE)
    file.unlink()
    seconds, root = process.output.split()
    return float(seconds), root


def expected_root(count: int, row_bytes: int) -> str:
    """The root of the floor's first batch, by the definition of RFC 6962."""
    content = bytes(((i * 2654435761) & 0xFFFFFFFF) >> 13 & 0xFF for i in range(count * row_bytes))
    level = [
        hashlib.sha256(b"\0" + content[row_bytes * i : row_bytes * (i + 1)]).digest()
        for i in range(count)
    ]
    while len(level) > 1:
        pairs = zip(level[0::2], level[1::2], strict=False)
        odd = [level[-1]] if len(level) % 2 else []
        level = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0].hex()
