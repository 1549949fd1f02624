"""`python -m tieout.compiled.build FILE`: compile all loops into one object file.

Run by `load` in a process of its own, with numba. numba compiles each entry for numbers and for
arrays taken apart into their data, shape and strides. Beside each stands a function of plain C
form, made here, which Python can call through ctypes: it takes array objects as they are, checks
them, takes them apart and calls the compiled one. What it relies on is the first part of numpy's
array object, which is part of numpy's binary interface (`PyArrayObject_fields`, ndarraytypes.h)
and has not changed since numpy 1.7.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np import arrayobj

from tieout.compiled import loops
from tieout.compiled.load import ARRAY_TYPE, BAD_ARGUMENT, OUT_OF_BOUNDS, write_object
from tieout.compiled.sources import ENTRY_MODULES

# Offsets in an array object, and in the description of what it holds.
TYPE: Final = 8
DATA: Final = 16
DIMENSIONS: Final = 24
SHAPE: Final = 32
STRIDES: Final = 40
DESCRIPTION: Final = 56
FLAGS: Final = 64
BYTE_ORDER: Final = 26
TYPE_NUMBER: Final = 28
OWN_ORDERS: Final = b"=|"
"""How numpy calls the byte order of this machine, and that of single bytes."""

# Flags of an array object.
C_CONTIGUOUS: Final = 0x0001
ALIGNED: Final = 0x0100
WRITEABLE: Final = 0x0400

I8: Final = ir.IntType(8)
I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)
ADDRESS: Final = I8.as_pointer()


def build() -> bytes:
    """Compile every entry; the object code."""
    for name in ENTRY_MODULES:
        importlib.import_module(name)
    with global_compiler_lock:
        codegen = cpu_target.target_context.codegen()
        library = codegen.create_library("tieout")
        module = library.create_ir_module("tieout")
        array_type = ir.GlobalVariable(module, I64, ARRAY_TYPE)
        array_type.initializer = I64(0)
        for entry in loops.ENTRIES:
            (compiled,) = entry.dispatcher.overloads.values()
            _callable_from_c(module, entry, compiled, array_type)
            library.add_linking_library(compiled.library)
        library.add_ir_module(module)
        library.enable_object_caching()
        library.finalize()
        # Machine code is made when a function is asked for, and handed to the cache then.
        library.get_pointer_to_function(loops.ENTRIES[0].name)
        _, _, (code, _) = library.serialize_using_object_code()
    return bytes(code)


def _callable_from_c(
    module: ir.Module, entry: loops.Entry, compiled: Any, array_type: ir.GlobalVariable
) -> None:
    """Add the function that Python calls: checks, then the compiled one."""
    context, native = compiled.target_context, compiled.fndesc
    kinds = [
        ADDRESS if isinstance(argument, loops.Array) else I64
        for argument in entry.signature.arguments
    ]
    function = ir.Function(module, ir.FunctionType(I64, kinds), entry.name)
    builder = ir.IRBuilder(function.append_basic_block("checks"))
    known_type = builder.load(array_type)
    values = []
    arguments = zip(function.args, entry.signature.arguments, native.argtypes, strict=True)
    for number, (given, stated, numba_type) in enumerate(arguments, start=1):
        if isinstance(stated, loops.Array):
            for is_right in _checks(builder, given, stated, known_type):
                with builder.if_then(builder.not_(is_right), likely=False):
                    builder.ret(I64(BAD_ARGUMENT + number))
            values.append(_taken_apart(context, builder, given, stated, numba_type))
        elif stated == loops.FLAG:
            values.append(builder.icmp_signed("!=", given, I64(0)))
        else:
            values.append(given)
    callee = context.declare_function(module, native)
    status, result = context.call_conv.call_function(
        builder, callee, native.restype, native.argtypes, values
    )
    with builder.if_then(status.is_error, likely=False):
        builder.ret(I64(OUT_OF_BOUNDS))
    builder.ret(I64(0) if native.restype == types.none else result)


def _field(builder: ir.IRBuilder, base: Any, offset: int, kind: ir.Type) -> Any:
    place = builder.gep(base, [I64(offset)])
    return builder.load(builder.bitcast(place, kind.as_pointer()))


def _checks(
    builder: ir.IRBuilder, array: Any, stated: loops.Array, known_type: Any
) -> Iterator[Any]:
    """What must be true of an array object, each read only once those before it are."""
    yield builder.icmp_signed("==", _field(builder, array, TYPE, I64), known_type)
    dimensions = _field(builder, array, DIMENSIONS, I32)
    yield builder.icmp_signed("==", dimensions, I32(stated.dimensions))
    wanted = C_CONTIGUOUS | ALIGNED | (WRITEABLE if stated.is_written else 0)
    flags = builder.and_(_field(builder, array, FLAGS, I32), I32(wanted))
    yield builder.icmp_signed("==", flags, I32(wanted))
    description = _field(builder, array, DESCRIPTION, ADDRESS)
    number = _field(builder, description, TYPE_NUMBER, I32)
    yield builder.icmp_signed("==", number, I32(np.dtype(stated.number).num))
    order = _field(builder, description, BYTE_ORDER, I8)
    yield builder.or_(*(builder.icmp_signed("==", order, I8(own)) for own in OWN_ORDERS))


def _taken_apart(
    context: Any, builder: ir.IRBuilder, array: Any, stated: loops.Array, numba_type: Any
) -> Any:
    """The array as numba knows it: data, shape, strides."""
    lists = [_field(builder, array, at, I64.as_pointer()) for at in (SHAPE, STRIDES)]
    shape, strides = (
        [builder.load(builder.gep(each, [I64(axis)])) for axis in range(stated.dimensions)]
        for each in lists
    )
    made = context.make_array(numba_type)(context, builder)
    take_apart: Any = arrayobj.populate_array  # without types
    take_apart(
        made,
        data=builder.bitcast(_field(builder, array, DATA, ADDRESS), made.data.type),
        shape=shape,
        strides=strides,
        itemsize=I64(np.dtype(stated.number).itemsize),
        meminfo=None,
    )
    return made._getvalue()  # noqa: SLF001 - numba's way to hand a structure on


if __name__ == "__main__":
    write_object(Path(sys.argv[1]), build())
