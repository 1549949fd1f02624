"""What a state of rules version 4 keeps beside images and members: rare things, by name.

Each has a name, and a content of lists, numbers, texts and bytes in one fixed order, which the
state digest covers (docs/formats/state.md) and snapshots hold. What is empty is left out, so a
ledger that never used a rule has nothing of it.
"""

from collections.abc import Mapping
from typing import Any, Final

from tieout.kernel.state import State, Urgency

AFFAIRS_SINCE: Final = 4
"""The first version of the rules with affairs."""


def kept(state: State) -> dict[str, list[Any]]:
    """The affairs of a state, by name in the order of the names."""
    return {
        "urgencies": [
            [
                *key,
                each.episode,
                each.since_us,
                each.severity,
                each.aged,
                each.raised_us,
                each.steps,
            ]
            for key, each in sorted(state.urgencies.items())
        ]
    }


def restore(state: State, affairs: Mapping[str, list[Any]]) -> None:
    """Give a state the affairs that `kept` told of another. Raises KeyError for an unknown one."""
    for name, content in affairs.items():
        if name != "urgencies":
            raise KeyError(name)
        state.urgencies = {(number, serial): Urgency(*kept) for number, serial, *kept in content}
