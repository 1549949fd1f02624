"""Map the object file with all loops, and make Python callables of its entries.

The problem: numba's own cache needs numba, a third of a second of imports; and mapping machine code
takes two milliseconds.

The model: the object file stands under its stamp (`sources`), with a digest before it. If there is
none, or it is not whole, `build` makes it in a process of its own, and it comes to its place by a
rename; so two processes may build at once. LLVM relocates it into this process. An entry takes
array objects as they are, checks that they are what its signature says, and reads their data (see
`build`); ctypes lets other threads run during the call.

Where the folder of this package cannot be written, object files stand in the user's cache folder.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from llvmlite import binding as llvm

from tieout.compiled.errors import LoopsError
from tieout.compiled.loops import CHECKED, MODE_SETTING, NUMBER, Array, Mode, Signature
from tieout.compiled.sources import stamp

ARRAY_TYPE: Final = "tieout.array_type"
"""The symbol that holds the address of numpy's array type; it is set when a file is loaded."""
BAD_ARGUMENT: Final = -(1 << 63)
"""Results from here on: argument number `result - BAD_ARGUMENT` is not what the signature says."""
OUT_OF_BOUNDS: Final = BAD_ARGUMENT + 1_000
"""The result of a checked build that refused an access."""
_DIGEST_BYTES: Final = 32
_KEPT_FILES: Final = 4
_BUILD_TIMEOUT_S: Final = 600


def function(name: str, signature: Signature) -> Callable[..., Any]:
    """The entry of this name as a callable. Raises LoopsError."""
    engine = _engine()
    address = engine.get_function_address(name)
    if not address:
        raise LoopsError(f"the object file has no loop {name}; list its module in sources.py")
    kinds = [
        ctypes.py_object if isinstance(argument, Array) else ctypes.c_int64
        for argument in signature.arguments
    ]
    called = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)
    has_result = signature.result == NUMBER

    def outcome(result: int, _called: object, _arguments: object) -> int | None:
        if result <= OUT_OF_BOUNDS:
            raise _refused(name, result)
        return result if has_result else None

    called.errcheck = outcome  # type: ignore[assignment]  # a plain function does
    return called


def _refused(name: str, result: int) -> Exception:
    if result == OUT_OF_BOUNDS:
        return IndexError(f"{name}: an access out of bounds")
    number = result - BAD_ARGUMENT
    return TypeError(f"{name}: argument {number} is not an array of the kind that it takes")


@cache
def _engine() -> Any:
    """The one object file of this process, mapped; kept for as long as the process lives."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        opt=3, jit=True, codemodel="jitdefault"
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(_object_code()))
    engine.finalize_object()
    place = ctypes.c_int64.from_address(engine.get_global_value_address(ARRAY_TYPE))
    place.value = id(np.ndarray)
    return engine


def _object_code() -> bytes:
    name = f"loops-{stamp(processor(), checked=CHECKED)[:32]}.o"
    for folder in folders():
        code = _read(folder / name)
        if code is not None:
            return code
    for folder in folders():
        if _is_writable(folder):
            build_into(folder / name)
            code = _read(folder / name)
            if code is not None:
                return code
    places = " nor ".join(map(str, folders()))
    raise LoopsError(f"the compiled loops can be kept neither in {places}: make one writable")


def processor() -> tuple[str, str]:
    """Name and features of this processor, as the compiler calls them."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def folders() -> tuple[Path, ...]:
    """Where object files may stand, best first."""
    own = Path(__file__).parent / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return own, Path(home) / "tieout"


def _read(path: Path) -> bytes | None:
    """The object code in a file; None where there is none, or it is not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == data[:_DIGEST_BYTES] else None


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def build_into(path: Path) -> None:
    """Have all loops compiled into a file, by a process of its own. Raises LoopsError."""
    command = [sys.executable, "-m", "tieout.compiled.build", str(path)]
    settings = {**os.environ, MODE_SETTING: Mode.NUMBA.value}
    try:
        built = subprocess.run(  # noqa: S603 - this very interpreter and package
            command,
            env=settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LoopsError(f"the loops could not be compiled: {error}") from error
    if built.returncode:
        raise LoopsError(f"the loops could not be compiled:\n{built.stderr}")


def write_object(path: Path, code: bytes) -> None:
    """Write object code with its digest, whole or not at all, and drop what is long out of date."""
    unfinished = path.with_name(f"{path.stem}-{os.getpid()}.new")
    unfinished.write_bytes(hashlib.sha256(code).digest() + code)
    unfinished.replace(path)
    found = sorted(path.parent.glob("loops-*.o"), key=lambda each: each.stat().st_mtime_ns)
    for old in found[:-_KEPT_FILES]:
        old.unlink(missing_ok=True)
