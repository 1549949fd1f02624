"""How loops are compiled: two decorators, and a stamp that keeps old machine code from being used.

numba keeps machine code on disk and takes it again as long as the file that holds the function is
unchanged. It does not notice that a function called from there, in another file, has changed. On a
ledger that would be a node with half of the old rules. So every cached function gets one more
closure cell, which holds a hash over the source of this room and of the numbers it compiles in;
closure cells are part of the key under which the machine code is found.

`helper` and `inlined` are for functions that compiled code calls; they are compiled when the first
of their callers is. `entry` is for the few functions that Python calls: compiled, or loaded, when
they are imported. Integers only; no fastmath, no parallel; errors are states, not exceptions.

With NUMBA_DISABLE_JIT=1 or NUMBA_BOUNDSCHECK=1 (`CHECKED`) every access is checked.
"""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from types import CellType, FunctionType
from typing import Any, Final, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Whose types are incomplete.
_njit: Any = numba.njit
_CONFIG: Any = numba.config
_OPTIONS: Final = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    # No counting of references: nothing is allocated, and every call would count all its arrays.
    "_nrt": False,
}
INTERPRETED: Final = bool(_CONFIG.DISABLE_JIT)
CHECKED: Final = INTERPRETED or bool(_CONFIG.BOUNDSCHECK)

COMPILED_IN: Final = {
    "tieout.kernel": (
        *("adjust.py", "apply.py", "compare.py", "compiled.py", "index.py", "judge.py"),
        *("layout.py", "listing.py", "rowcheck.py", "settle.py", "telling.py", "verdict.py"),
        "words.py",
    ),
    "tieout.agreement": ("model.py",),
    "tieout.wire": ("codes.py", "limits.py", "rows.py"),
}
"""The files whose functions or numbers become machine code, by package."""


def _source_stamp() -> bytes:
    digest = hashlib.sha256(b"checked" if CHECKED else b"trusting")
    for package, names in COMPILED_IN.items():
        for name in names:
            source = files(package).joinpath(name).read_bytes()
            digest.update(b"%s %d\n" % (name.encode(), len(source)))
            digest.update(source)
    return digest.digest()


STAMP: Final = _source_stamp()


def helper(function: Function) -> Function:
    """Compile a function for other compiled functions; Python cannot call it."""
    return _njit(**_OPTIONS, no_cpython_wrapper=True)(function)


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers: for the hot loop, where calls cost most."""
    return _njit(**_OPTIONS, no_cpython_wrapper=True, forceinline=True)(function)


def entry(signature: Any) -> Callable[[Function], Function]:
    """Compile a function for Python, with one signature, and keep its machine code."""

    def decorate(function: Function) -> Function:
        if INTERPRETED:
            return function
        return _njit(signature, **_OPTIONS, cache=True)(_stamped(function))

    return decorate


def _stamped(function: Callable[..., Any]) -> FunctionType:
    code = function.__code__
    stamped = FunctionType(
        code.replace(co_freevars=("source_stamp",)),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        (CellType(STAMP),),
    )
    stamped.__qualname__ = function.__qualname__
    stamped.__module__ = function.__module__
    stamped.__doc__ = function.__doc__
    return stamped
