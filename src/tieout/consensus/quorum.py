"""How much failing a set of validators bears (COMETBFT: less than a third of the power)."""

from collections.abc import Sequence


def faults_borne(powers: Sequence[int]) -> int:
    """How many validators may fail or lie, whichever they are, and blocks still come, all alike.

    `powers`: the voting powers. It is the largest number of them whose powers, the greatest first,
    are less than a third together: 1 of four equal ones, none of three.
    """
    total, failing, count = sum(powers), 0, 0
    for power in sorted(powers, reverse=True):
        failing += power
        if 3 * failing >= total:
            break
        count += 1
    return count
