"""An operation has one form, and it is taken in no other."""

import struct
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import golden
from tieout.wire.codes import OperationKind
from tieout.wire.ed25519 import verify
from tieout.wire.errors import WireError
from tieout.wire.limits import MAX_OPERATION_BYTES
from tieout.wire.operations import (
    ENVELOPE_BYTES,
    AdjustmentStep,
    CloseCutoff,
    Confirm,
    Enact,
    Operation,
    parse_operation,
)
from tieout.wire.signing import sign_operation

OPERATIONS = golden.operations()
CONFIRM = next(each for each in OPERATIONS if each.kind is OperationKind.CONFIRM)
# Offsets as docs/formats/operation.md has them.
KIND_AT, SIZE_AT = 53, 72


def with_body(kind: int, body: bytes) -> bytes:
    envelope = bytearray(CONFIRM.to_bytes()[:ENVELOPE_BYTES])
    envelope[KIND_AT] = kind
    envelope[SIZE_AT:] = struct.pack("<I", len(body))
    return bytes(envelope) + body + bytes(64)


def packed(kind: OperationKind, *values: object) -> bytes:
    return with_body(kind, msgspec.msgpack.encode(values))


ID32 = bytes(32)
STEP = (OperationKind.APPROVE, "a", 0, "T")
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "an envelope alone": CONFIRM.to_bytes()[:ENVELOPE_BYTES],
    "the last byte missing": CONFIRM.to_bytes()[:-1],
    "a byte too many": CONFIRM.to_bytes() + b"\0",
    "another domain tag": b"X" + CONFIRM.to_bytes()[1:],
    "a batch's tag": b"tieout/batch/1\0\0" + CONFIRM.to_bytes()[16:],
    "kind 0": with_body(0, b"\x94\xa1a\x00\xa1T\x01"),
    "a kind that nobody knows": with_body(99, b"\x94\xa1a\x00\xa1T\x01"),
    "a body of another kind": with_body(OperationKind.CLOSE_CUTOFF, b"\x94\xa1a\x00\xa1T\x01"),
    "an empty body": with_body(OperationKind.CONFIRM, b""),
    "a body that is not MessagePack": with_body(OperationKind.CONFIRM, b"\xc1"),
    "a body as a map": with_body(
        OperationKind.CLOSE_CUTOFF, msgspec.msgpack.encode({"agreement": "a", "cutoff_us": 1})
    ),
    "a number in a longer form": with_body(OperationKind.CONFIRM, b"\x94\xa1a\xcc\x00\xa1T\x01"),
    "a string in a longer form": with_body(OperationKind.CONFIRM, b"\x94\xd9\x01a\x00\xa1T\x01"),
    "an array in a longer form": with_body(OperationKind.CONFIRM, b"\xdc\0\x04\xa1a\x00\xa1T\x01"),
    "a string that is not UTF-8": with_body(OperationKind.CONFIRM, b"\x94\xa1\xff\x00\xa1T\x01"),
    "bytes behind the body": with_body(OperationKind.CONFIRM, b"\x94\xa1a\x00\xa1T\x01\x00"),
    "a value missing": packed(OperationKind.CONFIRM, "a", 0, "T"),
    "a value too many": packed(OperationKind.CONFIRM, "a", 0, "T", 1, 1, 1),
    "a truth value for a number": with_body(OperationKind.CONFIRM, b"\x94\xa1a\x00\xa1T\xc3"),
    "a number beyond 64 bits": with_body(OperationKind.CONFIRM, b"\x94\xa1a\xcf" + b"\xff" * 7),
    "a fraction for a number": packed(OperationKind.CONFIRM, "a", 0, "T", 1.0),
    "a reason that is a book": packed(*STEP, 1, ID32, "x" * 1001),
    "an operation that is too long": packed(OperationKind.ENACT, bytes(MAX_OPERATION_BYTES), []),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_in_any_other_form_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        parse_operation(REFUSED[name])


def test_the_form_that_the_refused_ones_depart_from_is_taken() -> None:
    whole = packed(OperationKind.CONFIRM, "a", 0, "T", 1)
    assert parse_operation(whole).body == Confirm("a", 0, "T", 1)
    step = parse_operation(packed(*STEP, 1, ID32, "x" * 1000))
    assert step.kind is OperationKind.APPROVE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.kind.name)
def test_an_operation_comes_back_as_it_was_signed(operation: Operation) -> None:
    whole = operation.to_bytes()
    assert parse_operation(whole) == operation
    assert parse_operation(memoryview(whole)).to_bytes() == whole
    assert verify(golden.KEY.public, operation.signed_bytes(), operation.signature)


@given(
    operation=st.sampled_from(OPERATIONS), place=st.integers(0, 1 << 16), flip=st.integers(1, 255)
)
def test_a_changed_byte_is_refused_or_another_operation(
    operation: Operation, place: int, flip: int
) -> None:
    signed = operation.signed_bytes()
    changed = bytearray(signed)
    changed[place % len(signed)] ^= flip
    try:
        parsed = parse_operation(bytes(changed) + operation.signature)
    except WireError:
        return
    assert parsed.signed_bytes() == bytes(changed)
    assert parsed.digest() != operation.digest()


@given(kind=st.integers(0, 12), body=st.binary(max_size=60))
def test_strangers_bytes_are_refused_or_come_back_as_they_were(kind: int, body: bytes) -> None:
    whole = with_body(kind, body)
    try:
        operation = parse_operation(whole)
    except WireError:
        return
    assert operation.to_bytes() == whole


@pytest.mark.parametrize(
    ("name", "value"),
    [("ledger_id", b"short"), ("party", 1 << 16), ("sequence", -1), ("valid_until_us", 1 << 63)],
)
def test_nothing_is_signed_that_does_not_fit_the_envelope(name: str, value: object) -> None:
    with pytest.raises(WireError):
        sign_operation(golden.KEY, replace(CONFIRM, **{name: value}))


@pytest.mark.parametrize(
    "body",
    [
        AdjustmentStep("a", 0, "T", 1, ID32, "x" * 1001),
        Enact(bytes(MAX_OPERATION_BYTES), ()),
        CloseCutoff("a", 0),
    ],
    ids=["long reason", "too long", "another kind"],
)
def test_nothing_is_signed_that_would_be_refused(body: object) -> None:
    with pytest.raises(WireError):
        sign_operation(golden.KEY, replace(CONFIRM, body=body))
