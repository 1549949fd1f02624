"""Checkpoints: one form, known signers, nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.ledgers import CHECKPOINT_KEY, OPERATOR, checkpoint_of, genesis
from tieout.evidence.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    key_id,
    key_name,
    make_checkpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from tieout.evidence.errors import EvidenceError, FormError, SignatureError, TrustError
from tieout.testing.workbench import ADA, signing_key
from tieout.wire.genesis import parse_genesis

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "checkpoint.json"
LEDGER = genesis()
CONSORTIUM = genesis(operator=0)


def signed_by(*parties: int, key: int = CHECKPOINT_KEY) -> SignedCheckpoint:
    ledger = LEDGER if len(parties) <= 2 else CONSORTIUM
    return make_checkpoint(
        checkpoint_of(ledger), [(party, signing_key(party, key)) for party in parties]
    )


def test_the_operator_speaks_for_its_ledger() -> None:
    signed = signed_by(OPERATOR)
    assert verify_checkpoint(signed.to_bytes(), LEDGER) == signed


def test_a_checkpoint_reads_as_a_note() -> None:
    signed = signed_by(OPERATOR)
    ledger = LEDGER.ledger_id().hex()
    assert signed.to_text().splitlines()[:-1] == [
        f"tieout/{ledger}",
        "20852",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "height 137",
        "time 2023-11-14T22:15:23.456789Z",
        "app ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
        "",
    ]
    assert signed.to_text().splitlines()[-1].startswith(f"— {ledger[:16]}/5 ")


def test_the_key_id_is_that_of_the_signed_note_specification() -> None:
    # The example key of the Go module x/mod/sumdb/note: PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzh…
    import base64
    import hashlib

    named = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert hashlib.sha256(b"PeterNeumann\n" + named).digest()[:4].hex() == "c74f20a3"
    ledger_id, public = bytes(32), named[1:]
    expected = hashlib.sha256(key_name(ledger_id, 3).encode() + b"\n" + named).digest()[:4]
    assert key_id(ledger_id, 3, public) == expected


def test_a_witness_may_sign_beside_the_operator() -> None:
    signed = signed_by(2, OPERATOR)
    assert verify_checkpoint(signed.to_bytes(), LEDGER).signatures[0].party == 2


@pytest.mark.parametrize("parties", [(1, 2, 3, 4), (1, 2, 4, 5)])
def test_more_than_two_thirds_speak_for_a_consortium(parties: tuple[int, ...]) -> None:
    signed = signed_by(*parties)
    assert verify_checkpoint(signed.to_bytes(), CONSORTIUM) == signed


def test_three_of_five_do_not_speak_for_a_consortium() -> None:
    with pytest.raises(TrustError, match="more than two thirds"):
        verify_checkpoint(signed_by(1, 2, 3).to_bytes(), CONSORTIUM)


def test_a_ledger_without_blocks_has_a_checkpoint() -> None:
    empty = Checkpoint(LEDGER.ledger_id(), 0, bytes(32), 0, 0, bytes(32))
    signed = make_checkpoint(empty, [(OPERATOR, signing_key(OPERATOR, CHECKPOINT_KEY))])
    assert verify_checkpoint(signed.to_bytes(), LEDGER).checkpoint == empty


Mutation = Callable[[str], str]
SECOND_LINE = "— " + key_name(LEDGER.ledger_id(), 2) + " "
MUTATIONS: dict[str, tuple[Mutation, type[EvidenceError]]] = {
    "another root": (lambda text: text.replace("AAEC", "AAED"), SignatureError),
    "another size": (lambda text: text.replace("\n20852\n", "\n20853\n"), SignatureError),
    "another height": (lambda text: text.replace("height 137", "height 138"), SignatureError),
    "another time": (lambda text: text.replace(".456789Z", ".456788Z"), SignatureError),
    "another app hash": (lambda text: text.replace("app ICEi", "app ICEj"), SignatureError),
    "another ledger": (lambda text: text.replace("tieout/", "tieout/00", 1)[:-3], FormError),
    "a leading zero": (lambda text: text.replace("\n20852\n", "\n020852\n"), FormError),
    "a time with an offset": (lambda text: text.replace("789Z", "789+00:00"), FormError),
    "a time with more digits": (lambda text: text.replace("789Z", "7890Z"), FormError),
    "another line": (lambda text: text.replace("\nheight", "\nextra\nheight"), FormError),
    "a line less": (lambda text: text.replace("height 137\n", ""), FormError),
    "a doubled line": (lambda text: text.replace("height 137\n", "height 137\n" * 2), FormError),
    "swapped lines": (
        lambda text: text.replace("height 137", "x").replace("20852", "height 137"),
        FormError,
    ),
    "no signature": (lambda text: text[: text.index("—")], FormError),
    "a doubled signature": (lambda text: text + text[text.index("—") :], FormError),
    "a signature of nobody": (lambda text: text.replace("/5 ", "/6 "), TrustError),
    "a signature of somebody else": (lambda text: text.replace("/5 ", "/3 "), TrustError),
    "an unknown signature beside": (
        lambda text: text.replace("— ", SECOND_LINE + "AAAA" * 22 + "AA==\n— ", 1),
        FormError,
    ),
    "a hyphen for the dash": (lambda text: text.replace("—", "-"), FormError),
    "no newline at the end": (lambda text: text[:-1], FormError),
    "a newline more": (lambda text: text + "\n", FormError),
    "a carriage return": (lambda text: text.replace("\n", "\r\n"), FormError),
    "nothing": (lambda _text: "", FormError),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_refused(name: str) -> None:
    mutate, error = MUTATIONS[name]
    text = signed_by(OPERATOR).to_text()
    assert mutate(text) != text
    with pytest.raises(error):
        verify_checkpoint(mutate(text).encode(), LEDGER)


def test_every_flipped_byte_is_noticed() -> None:
    data = signed_by(OPERATOR).to_bytes()
    unnoticed = []
    for place in range(len(data)):
        for mask in (0x01, 0x20, 0x80, 0xFF):
            flipped = bytearray(data)
            flipped[place] ^= mask
            try:
                verify_checkpoint(bytes(flipped), LEDGER)
            except EvidenceError:
                continue
            unnoticed.append((place, mask))
    assert unnoticed == []


def test_a_key_for_another_purpose_does_not_count() -> None:
    with pytest.raises(TrustError, match="no such key"):
        verify_checkpoint(signed_by(OPERATOR, key=ADA).to_bytes(), LEDGER)


def test_a_key_that_ended_before_the_height_does_not_count() -> None:
    ended = genesis(until_height=136)
    signed = make_checkpoint(
        checkpoint_of(ended), [(OPERATOR, signing_key(OPERATOR, CHECKPOINT_KEY))]
    )
    with pytest.raises(TrustError, match="no such key"):
        verify_checkpoint(signed.to_bytes(), ended)


def test_a_checkpoint_of_another_ledger_is_refused() -> None:
    with pytest.raises(TrustError, match="another ledger"):
        verify_checkpoint(signed_by(OPERATOR).to_bytes(), CONSORTIUM)


@given(
    size=st.integers(0, 2**64 - 1),
    root=st.binary(min_size=32, max_size=32),
    height=st.integers(0, 2**63 - 1),
    time_us=st.integers(0, 2_932_896 * 86_400_000_000),
    app=st.binary(min_size=32, max_size=32),
)
def test_what_is_made_can_be_read(
    size: int, root: bytes, height: int, time_us: int, app: bytes
) -> None:
    checkpoint = Checkpoint(LEDGER.ledger_id(), size, root, height, time_us, app)
    signed = make_checkpoint(checkpoint, [(2, signing_key(2, CHECKPOINT_KEY))])
    assert parse_checkpoint(signed.to_bytes()) == signed


def test_a_time_that_no_reader_takes_is_not_signed() -> None:
    late = Checkpoint(LEDGER.ledger_id(), 0, bytes(32), 1, (1 << 62) - 1, bytes(32))
    with pytest.raises(FormError):
        make_checkpoint(late, [(OPERATOR, signing_key(OPERATOR, CHECKPOINT_KEY))])


def test_the_vectors_hold() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    for case in vectors["cases"]:
        trusted = parse_genesis(vectors["genesis"][case["genesis"]].encode())
        try:
            verdict = verify_checkpoint(case["checkpoint"].encode(), trusted).checkpoint.height
        except EvidenceError as error:
            verdict = type(error).__name__
        assert (case["name"], verdict) == (case["name"], case["expected"])
