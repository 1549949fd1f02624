"""The published vectors of transparency-dev/merkle: every proof is accepted or refused as there."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tieout.merkle import tree
from tieout.merkle.errors import ProofError

Vector = dict[str, Any]


def octets(text: str | None) -> bytes:
    return b64decode(text or "")


def path_of(vector: Vector) -> list[bytes]:
    return [octets(text) for text in vector["proof"] or []]


def inclusion(v: Vector) -> None:
    tree.check_inclusion(
        octets(v["root"]), v["treeSize"], v["leafIdx"], octets(v["leafHash"]), path_of(v)
    )


def consistency(v: Vector) -> None:
    tree.check_consistency(
        v["size1"], octets(v["root1"]), v["size2"], octets(v["root2"]), path_of(v)
    )


def subtree_inclusion(v: Vector) -> None:
    tree.check_subtree_inclusion(
        octets(v["root"]), v["start"], v["end"], v["leafIdx"], octets(v["leafHash"]), path_of(v)
    )


def subtree_consistency(v: Vector) -> None:
    tree.check_subtree_consistency(
        v["start"], v["end"], octets(v["root1"]), v["size"], octets(v["root2"]), path_of(v)
    )


def is_refused(check: Callable[[Vector], None], vector: Vector) -> bool:
    try:
        check(vector)
    except ProofError:
        return True
    return False


@pytest.mark.parametrize(
    ("folder", "check", "count"),
    [
        ("inclusion", inclusion, 98),
        ("consistency", consistency, 98),
        ("subtreeinclusion", subtree_inclusion, 204),
        ("subtreeconsistency", subtree_consistency, 118),
    ],
)
def test_published_vectors_are_answered_as_published(
    sample_data: Path, folder: str, check: Callable[[Vector], None], count: int
) -> None:
    files = sorted((sample_data / "rfc6962" / "testdata" / folder).rglob("*.json"))
    vectors = {str(file): json.loads(file.read_text(encoding="utf-8")) for file in files}
    expected = {name: vector["wantErr"] for name, vector in vectors.items()}
    actual = {name: is_refused(check, vector) for name, vector in vectors.items()}
    assert len(vectors) == count
    assert expected == actual
