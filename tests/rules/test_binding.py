"""Nobody is bound by an agreement that it has not agreed to, whatever is sent (R-AGREE-1, -5)."""

import random
from collections import defaultdict

from hypothesis import HealthCheck, given, settings

from tieout.testing.governed import agreed_histories, tell_agreed
from tieout.testing.histories import SCRIPT_BYTES, History
from tieout.wire.codes import NO_ITEM, EventKind, ItemOutcome
from tieout.wire.members import ProposeChange, PutIntoForce, Step
from tieout.wire.operations import Enact, parse_operation

PARTY_SHIFT = 16


def versions_in_force(history: History) -> list[tuple[str, set[int], set[int]]]:
    """Of each version that came into force: by which way, whom it binds, and who wanted it."""
    enacted: dict[tuple[bytes, tuple[tuple[int, ...], ...]], set[int]] = defaultdict(set)
    asked: dict[int, list[Step]] = {}
    in_favour: dict[int, set[int]] = defaultdict(set)
    found = []
    for block, result in zip(history.blocks, history.results, strict=True):
        accepted = [item.outcome is ItemOutcome.ACCEPTED for item in result.items]
        said = [
            parse_operation(data) if is_accepted and data.startswith(b"tieout/op") else None
            for data, is_accepted in zip(block.items, accepted, strict=True)
        ]
        for operation in said:
            if operation and isinstance(operation.body, Enact):
                enacted[operation.body.agreement, operation.body.holders].add(operation.party)
        for event in result.events:
            kind, number, item = int(event["kind"]), int(event["serial"]), int(event["item"])
            party = int(event["extra"]) >> PARTY_SHIFT
            if kind == EventKind.CHANGE_PROPOSED:
                proposal = said[item]
                assert proposal is not None
                assert isinstance(proposal.body, ProposeChange)
                asked[number] = list(proposal.body.steps)
                in_favour[number].add(party)
            elif kind == EventKind.CHANGE_VOTED and event["detail"]:
                in_favour[number].add(party)
            elif kind == EventKind.CHANGE_EFFECTIVE:
                found += [
                    ("vote", bound(step.holders), in_favour[number])
                    for step in asked[number]
                    if isinstance(step, PutIntoForce)
                ]
            elif kind == EventKind.AGREEMENT_ENACTED and item != NO_ITEM:
                last = said[item]
                assert last is not None
                assert isinstance(last.body, Enact)
                wanted = enacted[last.body.agreement, last.body.holders]
                found.append(("enact", bound(last.body.holders), wanted))
    return found


def bound(holders: tuple[tuple[int, ...], ...]) -> set[int]:
    return {party for parties in holders for party in parties}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(agreed_histories())
def test_whoever_is_bound_has_agreed(history: History) -> None:
    found = versions_in_force(history)
    assert len(found) == len(history.agreements)
    assert [each for each in found if not each[1] <= each[2]] == []


def test_both_ways_are_among_what_is_looked_at() -> None:
    ways = [
        way
        for seed in (9, 16, 35)
        for way, *_ in versions_in_force(tell_agreed(random.Random(seed).randbytes(SCRIPT_BYTES)))
    ]
    assert set(ways) == {"enact", "vote"}
