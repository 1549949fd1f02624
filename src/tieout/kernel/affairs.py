"""What a state of rules version 4 keeps beside images and members: rare things, by name.

Each has a name, and a content of lists, numbers, texts and bytes in one fixed order, which the
state digest covers (docs/formats/state.md) and snapshots hold. What is empty is left out, so a
ledger that never used a rule has nothing of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tieout.kernel.state import Dispute, KeptStatement, Motion, State, Urgency

AFFAIRS_SINCE: Final = 4
"""The first version of the rules with affairs."""


def kept(state: State) -> dict[str, list[Any]]:
    """The affairs of a state, by name in the order of the names."""
    return {
        "disputes": _disputes(state),
        "motions": _motions(state),
        "statements": _statements(state),
        "urgencies": _urgencies(state),
    }


def restore(state: State, affairs: Mapping[str, list[Any]]) -> None:
    """Give a state the affairs that `kept` told of another. Raises KeyError for an unknown one."""
    for name, content in affairs.items():
        _RESTORE[name](state, content)


def _disputes(state: State) -> list[Any]:
    return [
        [*key, each.raised_by, each.reason, list(each.evidence)]
        for key, each in sorted(state.disputes.items(), key=lambda item: item[0])
    ]


def _restore_disputes(state: State, content: list[Any]) -> None:
    for number, serial, role, raised_by, reason, evidence in content:
        state.disputes[number, serial, role] = Dispute(raised_by, reason, tuple(evidence))


def _motions(state: State) -> list[Any]:
    return [
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
    ]


def _restore_motions(state: State, content: list[Any]) -> None:
    for number, serial, *motion in content:
        state.motions[number, serial] = Motion(*motion)


def _statements(state: State) -> list[Any]:
    return [
        [
            *about,
            after_us,
            until_us,
            each.revision,
            each.height,
            each.digest,
            each.differences,
            each.count,
        ]
        for about, known in sorted(state.statements.items(), key=lambda item: item[0])
        for (until_us, after_us), each in sorted(known.items(), key=lambda item: item[0])
    ]


def _restore_statements(state: State, content: list[Any]) -> None:
    for number, role, party, after_us, until_us, *kept in content:
        known = state.statements.setdefault((number, role, party), {})
        known[until_us, after_us] = KeptStatement(*kept)


def _urgencies(state: State) -> list[Any]:
    return [
        [*key, each.episode, each.since_us, each.severity, each.aged, each.raised_us, each.steps]
        for key, each in sorted(state.urgencies.items(), key=lambda item: item[0])
    ]


def _restore_urgencies(state: State, content: list[Any]) -> None:
    for number, serial, *kept_of_it in content:
        state.urgencies[number, serial] = Urgency(*kept_of_it)


_RESTORE: Final[Mapping[str, Callable[[State, list[Any]], None]]] = {
    "disputes": _restore_disputes,
    "motions": _restore_motions,
    "statements": _restore_statements,
    "urgencies": _restore_urgencies,
}
