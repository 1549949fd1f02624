"""The golden vectors are what the code computes."""

import pytest

from tests.wire import golden


@pytest.mark.parametrize("name", ["wire-batch.json", "wire-operation.json", "wire-hashes.json"])
def test_golden_vectors_are_computed_anew(name: str) -> None:
    written = (golden.VECTORS / name).read_text(encoding="utf-8")
    assert golden.text(golden.files()[name]) == written


def test_every_kind_of_operation_has_a_vector() -> None:
    assert {kind for kind, _, _ in golden.BODIES} == set(golden.OperationKind)
