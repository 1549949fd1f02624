"""The decorators of compiled functions, and the three modes in which a process has them.

`entry` is for the few functions that Python calls. `helper`, `inlined` and `merged` are for those
that compiled functions call. What they become depends on the mode of the process (README.md):
calls into a mapped object file, functions of numba, or the plain Python that stands in the source.
Integers only; no fastmath, no parallel; errors are states, not exceptions; nothing is allocated,
so numba's counting of references is turned off (`_nrt`): every call would count all its arrays.

A signature is stated in plain words (`NUMBER`, `BYTES`, …), not in numba's types, as numba is not
there as a rule.
"""

import os
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

MODE_SETTING: Final = "TIEOUT_LOOPS"


class Mode(Enum):
    """Where the machine code of this process comes from."""

    LOADED = "loaded"
    """From an object file, built once by another process."""
    NUMBA = "numba"
    """From numba, in this process."""
    INTERPRETED = "interpreted"
    """There is none: Python runs the source."""


class Array(NamedTuple):
    """A C-contiguous array argument; `number` is numpy's name of what it holds."""

    number: str
    dimensions: int = 1
    is_written: bool = True


NOTHING: Final = "nothing"
NUMBER: Final = "int64"
FLAG: Final = "boolean"
NUMBERS: Final = Array("int64")
WORDS: Final = Array("uint64")
WORDS32: Final = Array("uint32")
TABLE32: Final = Array("uint32", 2)
BYTES: Final = Array("uint8")
TABLE: Final = Array("int64", 2)
TABLE8: Final = Array("uint8", 2)
FIXED_NUMBERS: Final = Array("int64", is_written=False)
FIXED_TABLE: Final = Array("int64", 2, is_written=False)
FIXED_WORDS: Final = Array("uint64", is_written=False)
FIXED_BYTES: Final = Array("uint8", is_written=False)
FIXED_TABLE8: Final = Array("uint8", 2, is_written=False)

Argument = Array | str


class Signature(NamedTuple):
    """What an entry takes and gives: `result` is NUMBER or NOTHING."""

    result: str
    arguments: tuple[Argument, ...]


class Entry(NamedTuple):
    """An entry that numba has compiled in this process, for `build`."""

    name: str
    signature: Signature
    dispatcher: Any


def _is_on(setting: str) -> bool:
    return os.environ.get(setting, "0") not in {"", "0"}


def _mode() -> Mode:
    if _is_on("NUMBA_DISABLE_JIT"):
        return Mode.INTERPRETED
    return Mode(os.environ.get(MODE_SETTING, Mode.LOADED.value))


MODE: Final = _mode()
CHECKED: Final = MODE is Mode.INTERPRETED or _is_on("NUMBA_BOUNDSCHECK")
"""Whether every access to memory is checked."""

ENTRIES: Final[list[Entry]] = []
"""What numba has compiled so far; filled in the mode NUMBA alone."""

_OPTIONS: Final = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "_nrt": False,
}


def helper(function: Function) -> Function:
    """Compile a function for other compiled functions."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers: for hot loops, where calls cost most."""
    return _compiled(function, forceinline=True)


def merged(function: Function) -> Function:
    """As `inlined`, before types are known: what it is called with may be a constant to it."""
    return _compiled(function, inline="always")


def entry(result: str, *arguments: Argument) -> Callable[[Function], Function]:
    """Compile a function for Python, with one signature.

    Arguments are C-contiguous arrays of exactly the stated kind, integers and flags; nothing is
    kept of them after the call, during which other threads run. The compiled function raises
    TypeError for another array, IndexError for an access that a checked build refuses.
    """
    signature = Signature(result, arguments)

    def decorate(function: Function) -> Function:
        if MODE is Mode.INTERPRETED:
            return function
        name = f"{function.__module__}.{function.__name__}"
        if MODE is Mode.LOADED:
            from tieout.compiled import load  # noqa: PLC0415 - other modes need no object file

            return load.function(name, signature)  # type: ignore[return-value]
        dispatcher = _compiled(
            function, signature=_numba_types(signature), no_cpython_wrapper=False
        )
        ENTRIES.append(Entry(name, signature, dispatcher))
        return dispatcher

    return decorate


def _compiled(function: Function, *, signature: Any = None, **options: Any) -> Function:
    if MODE is not Mode.NUMBA:
        return function
    import numba  # noqa: PLC0415 - a process that runs loaded code has no compiler

    njit: Any = numba.njit
    chosen = {**_OPTIONS, "no_cpython_wrapper": True, **options}
    return njit(signature, **chosen)(function)


def _numba_types(signature: Signature) -> Any:
    from numba import types  # noqa: PLC0415 - as in `_compiled`

    def numba_type(argument: Argument) -> Any:
        if isinstance(argument, str):
            return types.void if argument == NOTHING else getattr(types, argument)
        number = getattr(types, argument.number)
        return types.Array(number, argument.dimensions, "C", readonly=not argument.is_written)

    arguments = [numba_type(argument) for argument in signature.arguments]
    return numba_type(signature.result)(*arguments)
