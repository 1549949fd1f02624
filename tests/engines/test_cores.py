"""Work on two cores gives what it gives on one."""

import threading

import pytest

from tieout.engines.cores import on_two_cores

BOUND_S = 60


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1_000])
def test_results_stand_in_the_order_of_the_pieces(count: int) -> None:
    """Whichever thread was faster."""
    assert on_two_cores(lambda number: number * number, range(count)) == [
        number * number for number in range(count)
    ]


def test_two_threads_work_at_the_same_time() -> None:
    """Each piece waits for the other one: one thread alone would never end."""
    both = threading.Barrier(2, timeout=BOUND_S)
    assert sorted(on_two_cores(lambda _: both.wait(), range(2))) == [0, 1]


def test_the_first_error_is_raised_and_nothing_goes_on() -> None:
    """A piece that fails ends the other thread, too, before the error is raised."""
    taken: list[int] = []

    def work(number: int) -> None:
        taken.append(number)
        raise LookupError(number)

    with pytest.raises(LookupError):
        on_two_cores(work, range(1_000))
    assert len(taken) <= 2
