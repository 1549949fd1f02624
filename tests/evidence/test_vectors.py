"""The vectors of packs and certificates, judged and computed anew."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.ledgers import RecordedLedger, act, certificate_of
from tests.evidence.scripts import SMALL, SMALL_AGREEMENT
from tieout.evidence.certificate import verify_certificate
from tieout.evidence.errors import EvidenceError
from tieout.evidence.pack import build_pack, verify_pack
from tieout.wire.genesis import parse_genesis

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def read(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return vectors


PACKS, CERTIFICATES = read("evidence.json"), read("certificate.json")
GATHERED = read("certificate-members.json")


@cache
def small() -> RecordedLedger:
    return act(SMALL, SMALL_AGREEMENT)[0]


@pytest.mark.parametrize("case", PACKS["cases"], ids=lambda case: case["name"])
def test_a_pack_is_judged_as_the_vector_says(case: dict[str, str]) -> None:
    trusted = parse_genesis(PACKS["genesis"].encode())
    try:
        verdict = verify_pack(case["pack"].encode(), trusted).statement.status
    except EvidenceError as error:
        verdict = type(error).__name__
    assert verdict == case["expected"]


@pytest.mark.parametrize("case", CERTIFICATES["cases"], ids=lambda case: case["name"])
def test_a_certificate_is_judged_as_the_vector_says(case: dict[str, str]) -> None:
    trusted = parse_genesis(CERTIFICATES["genesis"].encode())
    try:
        verdict = verify_certificate(case["certificate"].encode(), trusted).head.words
    except EvidenceError as error:
        verdict = type(error).__name__
    assert verdict == case["expected"]


@pytest.mark.parametrize("case", GATHERED["cases"], ids=lambda case: case["name"])
def test_a_certificate_of_changing_members_is_judged_as_the_vector_says(
    case: dict[str, str],
) -> None:
    trusted = parse_genesis(GATHERED["genesis"].encode())
    try:
        verdict = verify_certificate(case["certificate"].encode(), trusted).head.words
    except EvidenceError as error:
        verdict = type(error).__name__
    assert verdict == case["expected"]


def test_the_same_ledger_gives_the_vectors() -> None:
    signed = small().checkpoint()
    certificate = certificate_of(small(), signed)
    made = [
        build_pack(small(), signed, "sub", 0, "T1"),
        build_pack(small(), signed, "sub", 0, "T1", certificate),
        build_pack(small(), signed, "sub", 0, "T2"),
    ]
    assert [pack.decode() for pack in made] == [case["pack"] for case in PACKS["cases"][:3]]
    assert certificate.to_bytes().decode() == CERTIFICATES["cases"][0]["certificate"]
