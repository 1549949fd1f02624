"""What is asked of a state is what the reference's state says."""

import numpy as np
from hypothesis import HealthCheck, given, settings

from tests.kernel.replaying import replay
from tieout import kernel, reference
from tieout.kernel import listing
from tieout.reference.adjusting import id_of
from tieout.reference.state import TransactionKey
from tieout.testing.histories import History, histories
from tieout.testing.membership import steps_of
from tieout.testing.rulebooks import rule_book
from tieout.testing.staging import staged_histories
from tieout.testing.workbench import Workbench, governed_genesis, row_bytes, signing_key
from tieout.wire.codes import (
    Action,
    AlarmState,
    BenchmarkState,
    BreakKind,
    OperationKind,
    Status,
)
from tieout.wire.members import ProposeChange, Validator

some = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def transactions_of(history: History) -> list[reference.Transaction]:
    return [each for book in history.state.books for each in book.transactions]


@some
@given(histories())
def test_counts(history: History) -> None:
    state, _ = replay(history)
    statuses = [each.status for each in transactions_of(history)]
    assert kernel.counts(state, history.name) == kernel.Counts(
        len(statuses), *(statuses.count(s) for s in (Status.MATCHED, Status.BROKEN)),
        *(statuses.count(s) for s in (Status.PENDING, Status.WITHDRAWN)),
    )  # fmt: skip


@some
@given(histories())
def test_single_transactions(history: History) -> None:
    state, _ = replay(history)
    for expected in transactions_of(history):
        name = expected.transaction_id.rstrip(b"\0")
        actual = kernel.transaction(state, history.name, expected.originator, name)
        assert actual is not None
        assert (actual.status, actual.opened_us, actual.closed_us, actual.episode) == (
            expected.status,
            expected.opened_us,
            expected.closed_us,
            expected.episode,
        )
        assert actual.confirmed_by == tuple(sorted(expected.confirmed_by))
        for mine, role in zip(actual.roles, expected.roles, strict=True):
            assert (mine.party, mine.intruder, mine.states) == (
                role.party,
                role.intruder,
                role.states,
            )
            if role.record is not None:
                assert mine.values == role.record.values_bytes
                assert mine.leaf << 16 | mine.row == role.record.place
    assert kernel.transaction(state, history.name, 0, b"nobody") is None
    assert kernel.transaction(state, history.name, 0, b"T1\0") is None


@some
@given(histories())
def test_alarms_and_adjustments(history: History) -> None:
    state, _ = replay(history)
    with_alarm = [t for t in transactions_of(history) if t.alarm is not AlarmState.NONE]
    assert [(t.agreement, t.serial, t.alarm) for t in kernel.alarms(state, history.name)] == [
        (t.agreement_number, t.serial, t.alarm) for t in with_alarm
    ]
    assert [(a.id, a.status) for a in kernel.adjustments(state, history.name)] == [
        (id_of(history.state.ledger_id, book, adjustment), adjustment.status)
        for book in history.state.books
        for adjustment in book.adjustments
    ]


@some
@given(histories())
def test_what_stands_and_what_is_stated(history: History) -> None:
    state, _ = replay(history)
    if not history.agreements:
        return
    newest = history.agreements[-1]
    for number, role in enumerate(newest.roles):
        stated, rows, expected = [], [], []
        for each in transactions_of(history):
            roles = history.agreements[each.agreement_number - 1].roles
            record = each.roles[roles.index(role)].record if role in roles else None
            if record is not None and record.action is Action.STATE:
                stated.append((each.transaction_id.rstrip(b"\0"), each.originator, record.revision))
            name = each.transaction_id.rstrip(b"\0")
            revision = record.revision if record else 0
            if each.agreement_number != len(history.agreements):
                row = row_bytes(newest, name, 9, {}, originator=each.originator)
                theirs = history.agreements[each.agreement_number - 1]
                is_alike = (theirs.layout, theirs.roles) == (newest.layout, newest.roles)
                states_nothing = ((record.action, record.presence) if record else None) == (
                    Action.STATE,
                    0,
                )
                is_same = is_alike and states_nothing
                expected.append((listing.UNCHANGED if is_same else listing.OTHER_VERSION, revision))
            elif record is None:
                row = row_bytes(newest, name, 9, {}, originator=each.originator)
                expected.append((listing.NEW, 0))
            else:
                row = bytearray(row_bytes(newest, name, 9, {}, originator=each.originator))
                row[39] = record.action
                row[44:52] = record.presence.to_bytes(8, "little")
                row[68:] = record.values_bytes
                expected.append((listing.UNCHANGED, revision))
                if len(rows) % 2:
                    row[39] ^= 1
                    expected[-1] = (listing.CHANGED, revision)
            rows.append(bytes(row))
        rows.append(row_bytes(newest, "nobody", 1, {}))
        expected.append((listing.NEW, 0))
        flat = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
        status, revisions = kernel.standing(state, history.name, role, flat)
        assert list(zip(status.tolist(), revisions.tolist(), strict=True)) == expected, number
        ids = kernel.stated_ids(state, history.name, role, 0)
        columns = (ids[column].tolist() for column in ("id", "originator", "revision"))
        assert list(zip(*columns, strict=True)) == stated


@some
@given(histories())
def test_the_table_of_breaks_counts_what_the_list_counts(history: History) -> None:
    state, _ = replay(history)
    table = kernel.break_table(state, history.name)
    rows = reference.breaks(history.state, history.name)
    assert kernel.breaks(state, history.name) == rows
    kinds = np.bincount(table["kind"], minlength=len(BreakKind) + 1).tolist()
    assert kinds[1:] == [sum(row.kind is kind for row in rows) for kind in BreakKind]
    decided = table["state"] == BenchmarkState.DECIDED
    assert (table["basis"] == listing.NO_BASIS).tolist() == (~decided).tolist()
    assert not any(line["benchmark"].tobytes().strip(b"\0") for line in table[~decided])


@some
@given(histories())
def test_unjudged(history: History) -> None:
    state, _ = replay(history)
    expected = any(not each.judged for each in transactions_of(history))
    assert kernel.unjudged(state, history.name) == expected


def test_the_validators_are_those_of_now_in_their_order() -> None:
    """R-MEMBER-2: what an engine compares before and after a block."""
    bench = Workbench(rule_book("kernel"), governed_genesis(2, votes_needed=1))
    before = kernel.validators(bench.state)
    assert [(each.party, each.power) for each in before] == [(1, 10), (2, 10)]
    steps = steps_of("validator south 3 key 51 & validator south 0", ())
    body = ProposeChange(steps, 0, 9)
    bench.apply(bench.sender.operation(1, OperationKind.PROPOSE_CHANGE, body))
    assert kernel.validators(bench.state) == before
    bench.apply()
    assert kernel.validators(bench.state) == (
        before[0],
        Validator(2, signing_key(2, 51).public, 3),
    )


def test_the_parties_are_all_that_ever_were_members() -> None:
    """R-MEMBER-1."""
    bench = Workbench(rule_book("kernel"), governed_genesis(2, votes_needed=1))
    body = ProposeChange(steps_of("admit east & remove south", ()), 0, 9)
    bench.apply(bench.sender.operation(1, OperationKind.PROPOSE_CHANGE, body))
    bench.apply()
    found = [(party.name, party.until_height) for party in kernel.parties(bench.state)]
    assert found == [("north", 0), ("south", 1), ("east", 0)]


@some
@given(staged_histories())
def test_the_timeline_of_a_transaction_is_its_stages(history: History) -> None:
    """R-STAGE-1."""
    state, _ = replay(history)
    for expected in transactions_of(history):
        key = key_of(history, expected)
        name = expected.transaction_id.rstrip(b"\0")
        told = kernel.timeline(state, history.name, expected.originator, name)
        stages = history.state.stages_of(key)
        assert [(each.stage, each.serial, each.status) for each in told] == [
            (each.stage, each.serial, each.status) for each in stages
        ]


def key_of(history: History, transaction: reference.Transaction) -> TransactionKey:
    return TransactionKey(
        history.name, transaction.originator, transaction.transaction_id, transaction.stage
    )
