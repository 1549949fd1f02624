"""How many validators may fail, held against trying all of them."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.consensus.quorum import faults_borne


@pytest.mark.parametrize(
    ("count", "borne"), [(1, 0), (2, 0), (3, 0), (4, 1), (6, 1), (7, 2), (10, 3)]
)
def test_of_equal_validators_less_than_a_third_may_fail(count: int, borne: int) -> None:
    assert faults_borne([10] * count) == borne


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7))
def test_whichever_they_are_the_others_have_more_than_two_thirds(powers: list[int]) -> None:
    def is_borne(count: int) -> bool:
        return all(3 * sum(failing) < sum(powers) for failing in combinations(powers, count))

    borne = faults_borne(powers)
    assert is_borne(borne)
    assert not is_borne(borne + 1)
