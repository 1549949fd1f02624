"""Submitting and waiting: what a client does with each answer of a node."""

import base64
import time
from typing import Any

import pytest

from tests.sdk.scripted import (
    HOST,
    Act,
    break_off,
    error,
    hang_up,
    result,
    serving,
)
from tieout.sdk.client import Inclusion, LedgerClient, Taken, name_of
from tieout.sdk.errors import (
    Congested,
    NodeConfused,
    NodeRefused,
    NodeUnreachable,
    NotYet,
    SdkError,
    TooLarge,
)
from tieout.sdk.patience import Patience
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome

BATCH = b"the signed bytes of a batch"
NAME = name_of(BATCH)
SHORT = Patience(first_s=0.001, longest_s=0.002, total_s=0.2)
LONG = Patience(first_s=0.001, longest_s=0.002, total_s=20)
FULL = error("mempool is full: number of txs 5000 (max: 5000), total txs bytes 9 (max: 1073741824)")


def at_height(height: int) -> Act:
    return result({"sync_info": {"latest_block_height": str(height)}})


def checked(code: int = 0, words: str = "") -> Act:
    return result({"code": code, "data": "", "log": words, "hash": NAME.hex().upper()})


def client(port: int, patience: Patience = SHORT) -> tuple[Node, LedgerClient]:
    node = Node(HOST, port, timeout_s=5)
    return node, LedgerClient(node, patience=patience)


@pytest.mark.parametrize(
    ("act", "taken", "code"),
    [
        (checked(), Taken.NEW, 0),
        (checked(ItemOutcome.BAD_SIGNATURE, "bad signature"), Taken.REFUSED, 7),
        (checked(ItemOutcome.REPEATED, "repeated"), Taken.KNOWN, 8),
        (error("tx already exists in cache"), Taken.KNOWN, 0),
    ],
)
def test_an_answer_says_what_became_of_a_submission(act: Act, taken: Taken, code: int) -> None:
    """The very bytes are sent, and those that a node knows already are no error (R-SEQ-3)."""
    with serving(at_height(7), act) as (port, script):
        node, ledger = client(port)
        with node:
            submission = ledger.submit(BATCH)
    assert (submission.name, submission.taken, submission.height) == (NAME, taken, 7)
    assert submission.code == code
    assert script.methods == ["status", "broadcast_tx_sync"]
    assert base64.b64decode(script.questions[1]["params"]["tx"]) == BATCH


@pytest.mark.parametrize(
    "fault", [FULL, break_off, hang_up, error("timed out waiting for tx to be included in a block")]
)
def test_what_is_in_doubt_is_sent_again_until_it_is_known(fault: Act) -> None:
    known = error("tx already exists in cache")
    with serving(at_height(7), fault, fault, known) as (port, script):
        node, ledger = client(port, LONG)
        with node:
            assert ledger.submit(BATCH).taken is Taken.KNOWN
    sent = [each["params"]["tx"] for each in script.questions if "tx" in each["params"]]
    assert len(sent) >= 3
    assert len(set(sent)) == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [(FULL, Congested), (hang_up, NodeUnreachable), (break_off, NodeUnreachable)]
)
def test_patience_has_an_end_and_the_error_says_that_more_may_help(
    fault: Act, kind: type[SdkError]
) -> None:
    with serving(at_height(7), fault) as (port, script):
        node, ledger = client(port)
        began = time.monotonic()
        with node, pytest.raises(SdkError) as failed:
            ledger.submit(BATCH)
        assert 0.2 <= time.monotonic() - began < 5
    assert type(failed.value) is kind
    assert failed.value.may_help
    assert len(script.questions) > 5


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (error("Tx too large. Max size is 1048576, but got 2000000"), TooLarge),
        (
            error("error reading request body: http: request body too large", -32600, 400),
            TooLarge,
        ),
        (error("error on broadcastTxCommit: no such method", -32601), NodeRefused),
        (result({"code": 0, "log": "", "hash": "00"}), NodeConfused),
    ],
)
def test_what_cannot_help_is_not_tried_again(act: Act, kind: type[SdkError]) -> None:
    with serving(at_height(7), act) as (port, script):
        node, ledger = client(port)
        with node, pytest.raises(SdkError) as failed:
            ledger.submit(BATCH)
    assert type(failed.value) is kind
    assert not failed.value.may_help
    assert len(script.questions) == 2


def test_a_node_that_is_not_there_yet_is_waited_for() -> None:
    with serving(hang_up, hang_up, at_height(0), checked()) as (port, _):
        node, ledger = client(port, LONG)
        with node:
            assert ledger.submit(BATCH).taken is Taken.NEW


# ---------------------------------------------------------------- waiting


def headers(*transactions: tuple[int, int]) -> Act:
    """Headers of heights with numbers of transactions, the highest first as CometBFT has them."""
    metas = [
        {"header": {"height": str(height)}, "num_txs": str(count)} for height, count in transactions
    ]
    return result({"last_height": "9", "block_metas": metas[::-1]})


def block(*transactions: bytes) -> Act:
    txs = [base64.b64encode(each).decode() for each in transactions]
    header = dict.fromkeys(
        (
            *("chain_id", "height", "time", "last_commit_hash", "data_hash", "validators_hash"),
            *("next_validators_hash", "consensus_hash", "app_hash", "last_results_hash"),
            *("evidence_hash", "proposer_address"),
        ),
        "",
    )
    more: dict[str, Any] = {
        "version": {"block": "11"},
        "last_block_id": {"hash": "", "parts": {"total": 0, "hash": ""}},
    }
    return result({"block": {"header": {**header, **more}, "data": {"txs": txs}}})


def results(*codes: int) -> Act:
    return result({"height": "3", "txs_results": [{"code": code} for code in codes]})


def test_only_blocks_with_transactions_are_read() -> None:
    acts = (
        at_height(4),
        headers((3, 0), (4, 2)),
        block(b"another", BATCH),
        results(0, ItemOutcome.TOO_LATE),
    )
    with serving(*acts) as (port, script):
        node, ledger = client(port)
        with node:
            assert ledger.wait([NAME], since=2) == {
                NAME: Inclusion(height=4, place=1, code=11, is_proven=False)
            }
    assert script.methods == ["status", "blockchain", "block", "block_results"]
    assert script.questions[1]["params"] == {"minHeight": "3", "maxHeight": "4"}


def test_a_node_that_keeps_no_results_leaves_the_code_open() -> None:
    none = error("node is not persisting finalize block responses")
    with serving(at_height(3), headers((3, 1)), block(BATCH), none) as (port, _):
        node, ledger = client(port)
        with node:
            assert ledger.wait([NAME], since=2)[NAME].code is None


def test_a_block_that_is_not_executed_yet_is_read_again() -> None:
    acts = (
        *(
            at_height(3),
            headers((3, 1)),
            block(BATCH),
            error("could not find results for height #3"),
        ),
        *(at_height(3), headers((3, 1)), block(BATCH), results(0)),
    )
    with serving(*acts) as (port, _):
        node, ledger = client(port)
        with node:
            assert ledger.wait([NAME], since=2)[NAME].code == 0


def test_a_fault_while_waiting_is_waited_out() -> None:
    acts = (at_height(3), break_off, at_height(3), headers((3, 1)), block(BATCH), results(0))
    with serving(*acts) as (port, _):
        node, ledger = client(port)
        with node:
            assert ledger.wait([NAME], since=2)[NAME].height == 3


def test_what_does_not_come_is_told_with_the_height_up_to_which_it_was_looked_for() -> None:
    with serving(at_height(3), headers((3, 0)), at_height(3)) as (port, _):
        node, ledger = client(port)
        with node, pytest.raises(NotYet) as failed:
            ledger.wait([NAME], since=2)
    assert (failed.value.missing, failed.value.height) == (1, 3)


def test_a_node_that_stays_away_while_waiting_is_unreachable() -> None:
    with serving(hang_up) as (port, _):
        node, ledger = client(port)
        with node, pytest.raises(NodeUnreachable):
            ledger.wait([NAME], since=2)


@pytest.mark.parametrize(
    "acts",
    [
        (at_height(4), headers((4, 1))),
        (at_height(4), headers((2, 0), (3, 0))),
        (at_height(3), headers((3, 1)), block(BATCH), results()),
    ],
    ids=["a height less", "other heights", "other results"],
)
def test_a_node_that_contradicts_itself_is_not_believed(acts: tuple[Act, ...]) -> None:
    with serving(*acts) as (port, _):
        node, ledger = client(port)
        with node, pytest.raises(NodeConfused):
            ledger.wait([NAME], since=2)


def test_nothing_to_wait_for_is_there_at_once() -> None:
    with serving(at_height(3)) as (port, script):
        node, ledger = client(port)
        with node:
            assert ledger.wait([], since=2) == {}
    assert script.methods == ["status"]
