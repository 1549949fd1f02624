"""Loads, stores and prefetches as single machine instructions (llvmlite); the forms of `memory`.

Imported by the compiler alone. Offsets are trusted.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    at = context.cast(builder, args[1], signature.args[1], types.int64)
    return builder.gep(array.data, [at])


def load(size: int, *, signed: bool) -> Any:
    """A load of so many bytes, extended to an int64."""
    word = ir.IntType(8 * size)

    def typed(_typing: Any, buffer: Any, at: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _address(context, builder, signature, args)
            value = builder.load(builder.bitcast(pointer, word.as_pointer()), align=1)
            if size == 8:
                return value
            extend = builder.sext if signed else builder.zext
            return extend(value, ir.IntType(64))

        return types.int64(buffer, at), codegen

    return intrinsic(typed)


def store(size: int) -> Any:
    """A store of the lowest so many bytes."""
    word = ir.IntType(8 * size)

    def typed(_typing: Any, buffer: Any, at: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _address(context, builder, signature, args)
            number = context.cast(builder, args[2], signature.args[2], types.int64)
            if size < 8:
                number = builder.trunc(number, word)
            builder.store(number, builder.bitcast(pointer, word.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(buffer, at, value), codegen

    return intrinsic(typed)


@intrinsic
def number_at(_typing: Any, numbers: Any, i: Any) -> Any:
    """An element of an int64 array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature, args))

    return types.int64(numbers, i), codegen


@intrinsic
def put_number(_typing: Any, numbers: Any, i: Any, value: Any) -> Any:
    """Write an element of an int64 array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = context.cast(builder, args[2], signature.args[2], types.int64)
        builder.store(number, _address(context, builder, signature, args))
        return context.get_dummy_value()

    return types.void(numbers, i, value), codegen


@intrinsic
def prefetch(_typing: Any, buffer: Any, at: Any) -> Any:
    """Ask for the cache line of a byte."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _address(context, builder, signature, args)
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [pointer.type],
            ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number]),
        )
        # For reading, into the second cache, data: the first one can wait for a few lines only.
        builder.call(function, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(buffer, at), codegen


@intrinsic
def widest_vectors(_typing: Any) -> Any:
    """Have the calling function compiled for the widest vectors of the machine."""

    def codegen(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
        # llvmlite refuses attributes that it has no name for.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def trailing_zeros(_typing: Any, _word: Any) -> Any:
    """The position of a word's lowest bit that is set; 64 when none is."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


def byte_bits(predicate: str, *, with_controls: bool) -> Any:
    """A look at 64 bytes: a bit for each that compares with a value as the predicate says.

    And, `with_controls`, for each below 0x20. One or two vector instructions where there are such.
    """
    lanes = ir.VectorType(ir.IntType(8), 64)

    def splat(builder: Any, value: Any) -> Any:
        single = builder.insert_element(
            ir.Constant(lanes, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        return builder.shuffle_vector(single, ir.Constant(lanes, ir.Undefined), zeros)

    def typed(_typing: Any, buffer: Any, at: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _address(context, builder, signature, args)
            data = builder.load(builder.bitcast(pointer, lanes.as_pointer()), align=1)
            byte = context.cast(builder, args[2], signature.args[2], types.uint8)
            bits = builder.icmp_unsigned(predicate, data, splat(builder, byte))
            if with_controls:
                space = ir.Constant(ir.IntType(8), 0x20)
                controls = builder.icmp_unsigned("<", data, splat(builder, space))
                bits = builder.or_(bits, controls)
            return builder.bitcast(bits, ir.IntType(64))

        return types.uint64(buffer, at, value), codegen

    return intrinsic(typed)


stop_bits = byte_bits("==", with_controls=True)
high_bits = byte_bits(">=", with_controls=False)
