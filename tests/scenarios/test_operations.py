"""Agreements and operations: R-AGREE-1, R-AGREE-2, R-OP-1, R-OP-2."""

import pytest

from tests.scenarios.agreements import pair, trio
from tieout.agreement.parse import parse_agreement
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.workbench import ADA, BEN, SYSTEM, Workbench, newest_genesis, row_bytes
from tieout.wire.codes import EventKind, ItemOutcome, OperationKind, Purpose
from tieout.wire.members import ProposeChange, Remove, Vote
from tieout.wire.operations import (
    Acknowledge,
    AdjustmentStep,
    Body,
    CloseCutoff,
    Confirm,
    Dispute,
    Enact,
    MoveReversal,
    MoveValue,
    Propose,
    VoteOnMotion,
    WithdrawDispute,
)
from tieout.wire.statements import StateDay

AGREEMENT = parse_agreement(pair('[benchmark]\namount = "bank"\n[alarm]\nquorum = 3\n'))
NAME = AGREEMENT.name
CANONICAL = AGREEMENT.canonical


def version(number: int) -> str:
    return pair().replace("version = 1", f"version = {number}")


def say(bench: Workbench, party: int, kind: OperationKind, body: Body, key: int = SYSTEM) -> str:
    item = bench.sender.operation(party, kind, body, key=key)
    return bench.apply(item).items[0].outcome.name.lower()


def enact(bench: Workbench, party: int, agreement: bytes, *holders: tuple[int, ...]) -> str:
    return say(bench, party, OperationKind.ENACT, Enact(agreement, holders))


# ---------------------------------------------------------------- agreements


def test_an_agreement_is_in_force_when_everybody_whom_it_binds_has_said_so(
    rules: RuleBook,
) -> None:
    """R-AGREE-1."""
    bench = Workbench(rules)
    assert enact(bench, 1, CANONICAL, (1, 3), (2,)) == "accepted"
    assert enact(bench, 2, CANONICAL, (1,), (2,)) == "accepted"  # other bindings: another one
    assert enact(bench, 3, CANONICAL, (1, 3), (2,)) == "accepted"
    assert len(bench.results[-1].events) == 0
    assert enact(bench, 2, CANONICAL, (1, 3), (2,)) == "accepted"
    assert bench.results[-1].events[["kind", "agreement", "item"]].tolist() == [
        (EventKind.AGREEMENT_ENACTED, 1, 0)
    ]
    row = row_bytes(AGREEMENT, "T1", 1, {0: 1})
    result = bench.apply(
        bench.sender.batch(AGREEMENT, 3, 0, [row]), bench.sender.batch(AGREEMENT, 4, 0, [row])
    )
    assert [item.outcome for item in result.items] == [
        ItemOutcome.ACCEPTED,
        ItemOutcome.NOT_ENTITLED,
    ]


def test_versions_grow_by_one_from_anywhere(rules: RuleBook) -> None:
    """R-AGREE-1, R-AGREE-2."""
    play(
        rules,
        """
        enact v6 by north
        enact v8 by north -> wrong_version
        enact v5 by north -> wrong_version
        enact v6 by south
        told
            agreement_enacted pair 6
        enact v6 by north -> wrong_version
        enact v7
        told
            agreement_enacted pair 7
        """,
        version(5),
        version(6),
        version(7),
        version(8),
    )


def test_the_roles_of_a_name_may_change_between_versions(rules: RuleBook) -> None:
    """R-AGREE-1, R-PIN-1."""
    renamed = trio().replace('"trio"', '"pair"').replace("version = 1", "version = 2")
    play(
        rules,
        """
        seller T1 r1 100.00
        enact v2
        registrar T2 r1 100.00
        bank under v1 T1 r1 100.00
        expect T1 matched
        """,
        pair(),
        renamed,
    )


@pytest.mark.parametrize(
    ("party", "agreement", "holders", "outcome"),
    [
        (1, CANONICAL + b"\n", ((1,), (2,)), "malformed_agreement"),
        (1, b"{}", ((1,), (2,)), "malformed_agreement"),
        (1, b"", ((1,), (2,)), "malformed_agreement"),
        (1, CANONICAL, ((1,),), "malformed_agreement"),
        (1, CANONICAL, ((1,), (2,), (3,)), "malformed_agreement"),
        (1, CANONICAL, ((1,), ()), "malformed_agreement"),
        (1, CANONICAL, ((1,), (6,)), "malformed_agreement"),
        (1, CANONICAL, ((1,), (0, 2)), "malformed_agreement"),
        (1, CANONICAL, ((1,), (-1, 2)), "malformed_agreement"),
        (1, CANONICAL, ((1,), (3, 2)), "malformed_agreement"),
        (1, CANONICAL, ((1,), (2, 2)), "malformed_agreement"),
        (1, CANONICAL, ((1,), (1,)), "malformed_agreement"),  # a quorum of 3 is 2 parties more
        (9, CANONICAL, ((1,), (2,)), "not_entitled"),
        (1, CANONICAL, ((1,), (2,)), "no_effect"),
    ],
)
def test_an_enactment_is_refused_by_the_first_check_that_fails(
    rules: RuleBook,
    party: int,
    agreement: bytes,
    holders: tuple[tuple[int, ...], ...],
    outcome: str,
) -> None:
    """R-AGREE-2."""
    bench = Workbench(rules)
    assert enact(bench, 1, CANONICAL, (1,), (2,)) == "accepted"
    assert enact(bench, min(party, 3), agreement, *holders) == outcome


# ---------------------------------------------------------------- purposes

TRANSACTION = (NAME, 0, "T1")
BODIES: dict[OperationKind, Body] = {
    OperationKind.ENACT: Enact(CANONICAL, ((1,), (2,))),
    OperationKind.CLOSE_CUTOFF: CloseCutoff(NAME, 0),
    OperationKind.CONFIRM: Confirm(*TRANSACTION, 1),
    OperationKind.ACKNOWLEDGE: Acknowledge(*TRANSACTION, 1),
    OperationKind.PROPOSE: Propose(*TRANSACTION, 0),
    OperationKind.APPROVE: AdjustmentStep(*TRANSACTION, 0, bytes(32), ""),
    OperationKind.REFUSE: AdjustmentStep(*TRANSACTION, 0, bytes(32), ""),
    OperationKind.POSTED: AdjustmentStep(*TRANSACTION, 0, bytes(32), ""),
    OperationKind.FAILED: AdjustmentStep(*TRANSACTION, 0, bytes(32), ""),
    OperationKind.PROPOSE_CHANGE: ProposeChange((Remove(2),), 0, 9),
    OperationKind.VOTE: Vote(bytes(32), in_favour=True),
    OperationKind.DISPUTE: Dispute(*TRANSACTION, 0, "not ours", ()),
    OperationKind.WITHDRAW_DISPUTE: WithdrawDispute(*TRANSACTION, 0, ""),
    OperationKind.MOVE_VALUE: MoveValue(*TRANSACTION, 0, bytes(8), b"", "as agreed", 1),
    OperationKind.MOVE_REVERSAL: MoveReversal(*TRANSACTION, "sent twice", 1),
    OperationKind.VOTE_ON_MOTION: VoteOnMotion(*TRANSACTION, bytes(32), in_favour=True, reason=""),
    OperationKind.STATE_DAY: StateDay(NAME, 1, 0, 0, 1, 0, (), (), bytes(32)),
}
NEEDED = {
    OperationKind.ENACT: Purpose.GOVERN,
    OperationKind.CLOSE_CUTOFF: Purpose.PUBLISH,
    OperationKind.CONFIRM: Purpose.PUBLISH,
    OperationKind.ACKNOWLEDGE: Purpose.APPROVE,
    OperationKind.PROPOSE: Purpose.APPROVE,
    OperationKind.APPROVE: Purpose.APPROVE,
    OperationKind.REFUSE: Purpose.APPROVE,
    OperationKind.POSTED: Purpose.PUBLISH,
    OperationKind.FAILED: Purpose.PUBLISH,
    OperationKind.PROPOSE_CHANGE: Purpose.GOVERN,
    OperationKind.VOTE: Purpose.GOVERN,
    OperationKind.DISPUTE: Purpose.APPROVE,
    OperationKind.WITHDRAW_DISPUTE: Purpose.APPROVE,
    OperationKind.MOVE_VALUE: Purpose.APPROVE,
    OperationKind.MOVE_REVERSAL: Purpose.APPROVE,
    OperationKind.VOTE_ON_MOTION: Purpose.APPROVE,
    OperationKind.STATE_DAY: Purpose.PUBLISH,
}
ALSO_BY_SYSTEMS = (OperationKind.DISPUTE, OperationKind.WITHDRAW_DISPUTE)


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("key", [SYSTEM, ADA])
def test_each_kind_of_operation_needs_its_purpose_in_header_and_key(
    rules: RuleBook, kind: OperationKind, purpose: Purpose, key: int
) -> None:
    """R-OP-1: the system's key is for publish and govern, Ada's for approve."""
    bench = Workbench(rules, newest_genesis())
    serves = (purpose is Purpose.APPROVE) == (key == ADA)
    is_needed = purpose is NEEDED[kind] or (kind in ALSO_BY_SYSTEMS and purpose is Purpose.PUBLISH)
    may = is_needed and serves
    item = bench.sender.operation(1, kind, BODIES[kind], key=key, purpose=purpose)
    outcome = bench.apply(item).items[0].outcome
    assert (outcome is not ItemOutcome.WRONG_PURPOSE) is may


# ---------------------------------------------------------------- what refuses an operation


def broken(rules: RuleBook) -> Workbench:
    """The seller of T1 deviates from the bank."""
    bench = Workbench(rules)
    bench.enact(AGREEMENT, [[1], [2]])
    for party, amount in ((2, 100), (1, 101)):
        row = row_bytes(AGREEMENT, "T1", 1, {0: amount})
        bench.apply(bench.sender.batch(AGREEMENT, party, party - 1, [row]))
    return bench


@pytest.mark.parametrize(
    ("party", "body", "outcome"),
    [
        (3, CloseCutoff("unheard-of", 1 << 62), "unknown_agreement"),
        (3, CloseCutoff(NAME, 1 << 62), "not_entitled"),
        (1, CloseCutoff(NAME, 1 << 62), "bad_cutoff"),
        (1, CloseCutoff(NAME, (1 << 64) - 1), "bad_cutoff"),
        (1, CloseCutoff(NAME, -1), "accepted"),
        (1, CloseCutoff(NAME, -(1 << 63)), "accepted"),
    ],
)
def test_a_cutoff_is_refused_by_the_first_check_that_fails(
    rules: RuleBook, party: int, body: CloseCutoff, outcome: str
) -> None:
    """R-OP-2, R-CUT-1."""
    bench = broken(rules)
    assert say(bench, party, OperationKind.CLOSE_CUTOFF, body) == outcome


KEYS = [
    (("unheard-of", 0, "T1"), "unknown_agreement"),
    (("", 0, "T1"), "unknown_agreement"),
    ((NAME, 0, "T2"), "unknown_transaction"),
    ((NAME, 1, "T1"), "unknown_transaction"),
    ((NAME, -1, "T1"), "unknown_transaction"),
    ((NAME, 1 << 16, "T1"), "unknown_transaction"),
    ((NAME, 0, "T1\0"), "unknown_transaction"),
    ((NAME, 0, ""), "unknown_transaction"),
    ((NAME, 0, "T1" * 50), "unknown_transaction"),
]


@pytest.mark.parametrize(("key", "outcome"), KEYS)
def test_an_operation_on_nothing_is_refused(
    rules: RuleBook, key: tuple[str, int, str], outcome: str
) -> None:
    """R-OP-2."""
    bench = broken(rules)
    bodies = {
        OperationKind.CONFIRM: (Confirm(*key, 1), SYSTEM),
        OperationKind.ACKNOWLEDGE: (Acknowledge(*key, 1), ADA),
        OperationKind.PROPOSE: (Propose(*key, 9), ADA),
        OperationKind.APPROVE: (AdjustmentStep(*key, 9, b"", ""), BEN),
        OperationKind.POSTED: (AdjustmentStep(*key, 9, b"", ""), SYSTEM),
    }
    for kind, (body, signer) in bodies.items():
        assert say(bench, 3, kind, body, signer) == outcome


@pytest.mark.parametrize("role", [2, 255, 1 << 40, -1])
def test_an_operation_on_no_role_is_refused(rules: RuleBook, role: int) -> None:
    """R-OP-2."""
    bench = broken(rules)
    step = AdjustmentStep(*TRANSACTION, role, b"", "")
    propose = Propose(*TRANSACTION, role)
    assert say(bench, 3, OperationKind.PROPOSE, propose, ADA) == "unknown_role"
    assert say(bench, 3, OperationKind.REFUSE, step, ADA) == "unknown_role"
    assert say(bench, 3, OperationKind.FAILED, step) == "unknown_role"


def test_only_the_bound_party_speaks_about_its_adjustments(rules: RuleBook) -> None:
    """R-OP-2: not entitled comes before not applicable."""
    bench = broken(rules)
    for kind, signer in (
        (OperationKind.APPROVE, ADA),
        (OperationKind.REFUSE, ADA),
        (OperationKind.POSTED, SYSTEM),
        (OperationKind.FAILED, SYSTEM),
    ):
        step = AdjustmentStep(*TRANSACTION, 0, b"no id", "")
        assert say(bench, 2, kind, step, signer) == "not_entitled"
        assert say(bench, 1, kind, step, signer) == "not_applicable"


@pytest.mark.parametrize("episode", [0, 2, -1, 1 << 60])
def test_another_episode_is_not_applicable(rules: RuleBook, episode: int) -> None:
    """R-OP-2, R-ALARM-2."""
    bench = broken(rules)
    confirm, acknowledge = Confirm(*TRANSACTION, episode), Acknowledge(*TRANSACTION, episode)
    assert say(bench, 3, OperationKind.CONFIRM, confirm) == "not_applicable"
    assert say(bench, 3, OperationKind.ACKNOWLEDGE, acknowledge, ADA) == "not_applicable"
