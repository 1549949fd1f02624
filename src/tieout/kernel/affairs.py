"""What a state of rules version 4 keeps beside images and members: rare things, by name.

Each has a name, and a content of lists, numbers, texts and bytes in one fixed order, which the
state digest covers (docs/formats/state.md) and snapshots hold. What is empty is left out, so a
ledger that never used a rule has nothing of it.
"""

from collections.abc import Mapping
from typing import Any, Final

from tieout.kernel.state import Dispute, Motion, State

AFFAIRS_SINCE: Final = 4
"""The first version of the rules with affairs."""


def kept(state: State) -> dict[str, list[Any]]:
    """The affairs of a state, by name in the order of the names."""
    return {
        "disputes": [
            [*key, each.raised_by, each.reason, list(each.evidence)]
            for key, each in sorted(state.disputes.items(), key=lambda item: item[0])
        ],
        "motions": [
            [
                *key,
                each.name,
                each.place,
                each.value,
                each.currency,
                each.reason,
                each.moved_by,
                each.expires_us,
                each.in_favour,
                each.against,
            ]
            for key, each in sorted(state.motions.items(), key=lambda item: item[0])
        ],
    }


def restore(state: State, affairs: Mapping[str, list[Any]]) -> None:
    """Give a state the affairs that `kept` told of another. Raises KeyError for an unknown one."""
    for name in affairs:
        if name not in ("disputes", "motions"):
            raise KeyError(name)
    for number, serial, role, raised_by, reason, evidence in affairs["disputes"]:
        state.disputes[number, serial, role] = Dispute(raised_by, reason, tuple(evidence))
    for number, serial, *motion in affairs["motions"]:
        state.motions[number, serial] = Motion(*motion)
