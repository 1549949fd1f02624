"""Proofs about the log over HTTP, checked against checkpoints that somebody kept."""

import base64

import pytest

from tests.node.running import Caller
from tieout.merkle.tree import check_consistency, check_inclusion


def size_and_root(text: str) -> tuple[int, bytes]:
    """Of a C2SP tlog-checkpoint: its second and third line."""
    _, size, root = text.split("\n")[:3]
    return int(size), base64.b64decode(root)


def test_the_log_only_grew_and_every_leaf_stands_in_it(operator: Caller) -> None:
    operator.record("seller", "V-1", "1.00")
    older = size_and_root(operator.get("/v1/checkpoint").body.decode())
    published = operator.record("bank", "V-1", "1.00").json
    told = operator.get(f"/v1/proofs/consistency?older_size={older[0]}").json
    newer = size_and_root(told["checkpoint"])
    assert newer[0] == told["log_size"] > older[0]
    check_consistency(*older, *newer, [bytes.fromhex(each) for each in told["path"]])
    for leaf in (0, published["block"]["leaf"]):
        proof = operator.get(f"/v1/proofs/inclusion?leaf={leaf}").json
        size, root = size_and_root(proof["checkpoint"])
        path = [bytes.fromhex(each) for each in proof["path"]]
        check_inclusion(root, size, leaf, bytes.fromhex(proof["leaf_hash"]), path)


@pytest.mark.parametrize("what", ["inclusion?leaf=999999", "consistency?older_size=999999"])
def test_nothing_is_proven_of_what_is_not_there(operator: Caller, what: str) -> None:
    assert operator.get(f"/v1/proofs/{what}").code == "not_found"
