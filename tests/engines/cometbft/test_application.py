"""What a node answers to CometBFT, asked directly."""

import json
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.engines.cometbft.consortium import BANK, SELLER, Members
from tests.engines.cometbft.desk import Desk, app_hash_at, chunk_of, offers, with_cutoff
from tieout import kernel
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft import queries
from tieout.engines.cometbft.errors import RefusedCall
from tieout.engines.cometbft.results import parse_result
from tieout.engines.cometbft.statesync import CHUNK_BYTES
from tieout.journal.journal import Journal
from tieout.wire.batch import parse_batch
from tieout.wire.block import Block
from tieout.wire.codes import ItemOutcome


def flipped(data: bytes, place: int) -> bytes:
    """The same bytes with one bit of one byte changed."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


# ---------------------------------------------------------------- beginning


def test_init_chain_gives_the_first_app_hash_as_often_as_it_is_asked(desk: Desk) -> None:
    expected = kernel.app_hash(kernel.initial_state(desk.members.genesis))
    assert [desk.init_chain().app_hash for _ in range(2)] == [expected] * 2


@pytest.mark.parametrize(
    "changed",
    [
        {"chain_id": "tieout-another"},
        {"initial_height": 5},
        {"app_state_bytes": b'{"ledger_id": "00"}'},
        {"app_state_bytes": b"no JSON"},
    ],
)
def test_another_ledgers_genesis_is_refused(desk: Desk, changed: dict[str, object]) -> None:
    with pytest.raises(RefusedCall):
        desk.init_chain(**changed)


def test_a_ledger_with_blocks_is_not_begun_again(working: Desk) -> None:
    with pytest.raises(RefusedCall, match="at block 1 already"):
        working.init_chain()


def test_info_names_the_last_committed_block(working: Desk) -> None:
    working.finalize()
    info = working.application.info(abci.RequestInfo())
    assert (info.last_block_height, info.last_block_app_hash) == (
        1,
        working.application.newest.app_hash,
    )


# ---------------------------------------------------------------- items that wait


def test_the_filter_lets_pass_what_may_come_into_a_block(working: Desk) -> None:
    assert working.check(working.members.batch(SELLER, ("T-1", 5))) is ItemOutcome.ACCEPTED


def test_the_filter_names_why_it_refuses(working: Desk) -> None:
    good = working.members.batch(SELLER, ("T-1", 5))
    working.block(good)
    changed = working.members.batch(SELLER, ("T-2", 5))
    cases = {
        b"": ItemOutcome.MALFORMED,
        good: ItemOutcome.REPEATED,
        flipped(changed, -1): ItemOutcome.WRONG_ROOT,
        flipped(changed, 190): ItemOutcome.BAD_SIGNATURE,
        Members().batch(SELLER, ("T-1", 5)): ItemOutcome.WRONG_LEDGER,
        working.members.batch(SELLER, ("T-1", 5), sequence=5_000): ItemOutcome.OUT_OF_WINDOW,
    }
    assert [working.check(item) for item in cases] == list(cases.values())
    # A block that held them would say the same.
    assert working.block(*cases) == list(cases.values())


def test_the_filter_lets_proof_of_a_double_statement_pass(working: Desk) -> None:
    working.block(working.members.batch(SELLER, ("T-1", 5)))
    second = working.members.batch(SELLER, ("T-1", 6), sequence=2)
    assert working.check(second) is ItemOutcome.ACCEPTED
    assert working.block(second) == [ItemOutcome.EQUIVOCATION]


def test_a_filter_changes_nothing(working: Desk) -> None:
    batch = working.members.batch(SELLER, ("T-1", 5))
    before = working.application.newest
    for _ in range(3):
        working.check(batch)
    assert working.application.newest == before
    assert working.block(batch) == [ItemOutcome.ACCEPTED]


# ---------------------------------------------------------------- proposals


def test_a_proposal_has_stale_items_last_and_none_that_was_never_good(working: Desk) -> None:
    stale = working.members.batch(SELLER, ("T-1", 5))
    working.block(stale)
    fresh = working.members.batch(SELLER, ("T-2", 5))
    other = Members().batch(SELLER, ("T-1", 5))
    assert working.prepare(stale, b"stray", other, fresh) == [fresh, stale]


def test_a_proposal_has_no_more_bytes_than_it_may(working: Desk) -> None:
    large = working.members.batch(SELLER, *((f"T-{i}", 5) for i in range(20)))
    small = working.members.batch(SELLER, ("T-1", 5))
    room = len(small) + 3
    assert working.prepare(large, small, room=room) == [small]
    assert working.prepare(large, small, room=room - 1) == []
    assert working.prepare(large, small) == [large, small]


def test_every_proposal_of_a_correct_node_is_accepted(working: Desk) -> None:
    stale = working.members.batch(SELLER, ("T-1", 5))
    working.block(stale)
    waiting = [stale, working.members.batch(BANK, ("T-1", 5)), b"stray"]
    assert working.accepts(*working.prepare(*waiting))
    assert working.accepts()


def test_a_proposal_that_no_correct_node_makes_is_voted_down(working: Desk) -> None:
    good = working.members.batch(SELLER, ("T-1", 5))
    assert not working.accepts(good, b"stray")
    assert not working.accepts(Members().batch(SELLER, ("T-1", 5)))
    assert not working.accepts(*[good] * 4_097)
    assert working.accepts(*[good] * 4_096)


# ---------------------------------------------------------------- blocks


def test_a_block_gives_what_the_rules_give(working: Desk) -> None:
    items = [
        working.members.batch(SELLER, ("T-1", 5)),
        b"stray",
        working.members.batch(BANK, ("T-1", 6)),
    ]
    state = kernel.initial_state(working.members.genesis)
    with Journal.open(working.path, working.members.genesis.ledger_id(), read_only=True) as journal:
        for entry in journal.entries():
            state, _ = kernel.apply_block(state, entry.block)
    _, expected = kernel.apply_block(state, Block(2, working.time_us(2), tuple(items)))
    response = working.finalize(*items)
    results = tuple(parse_result(each.code, each.data) for each in response.tx_results)
    assert (response.app_hash, results) == (expected.app_hash, expected.items)


def test_a_block_without_effect_leaves_the_app_hash_as_it_was(working: Desk) -> None:
    before = working.application.newest.app_hash
    working.block()
    assert working.application.newest.app_hash == before


def test_nothing_is_kept_before_the_commit(working: Desk) -> None:
    batch = working.members.batch(SELLER, ("T-1", 5))
    first = working.finalize(batch)
    again = working.again()
    assert again.height == 1
    assert again.finalize(batch).SerializeToString() == first.SerializeToString()
    again.application.commit(abci.RequestCommit())
    assert again.again().height == 2


def test_a_block_that_comes_twice_is_answered_twice_and_judged_once(working: Desk) -> None:
    batch = working.members.batch(SELLER, ("T-1", 5))
    responses = [working.finalize(batch).SerializeToString() for _ in range(2)]
    assert responses[0] == responses[1]
    working.application.commit(abci.RequestCommit())
    assert working.height == 2


def test_what_was_judged_is_forgotten_when_another_block_was_decided(working: Desk) -> None:
    kept = working.members.batch(SELLER, ("T-1", 5))
    working.finalize(working.members.batch(BANK, ("T-1", 5)))
    response = working.finalize(kept)
    assert [each.code for each in response.tx_results] == [ItemOutcome.ACCEPTED]
    working.application.commit(abci.RequestCommit())
    assert working.again().height == 2
    assert working.check(kept) is ItemOutcome.REPEATED


@pytest.mark.parametrize("height", [1, 3, -1, 1 << 62])
def test_a_block_that_is_not_next_is_refused_and_changes_nothing(
    working: Desk, height: int
) -> None:
    before = working.application.newest
    with pytest.raises(RefusedCall, match="does not follow"):
        working.finalize(height=height)
    with pytest.raises(RefusedCall, match="no block to commit"):
        working.application.commit(abci.RequestCommit())
    assert working.application.newest == before


def test_block_times_never_run_backwards(working: Desk) -> None:
    for stamp in (Timestamp(seconds=1), Timestamp(seconds=-(1 << 60)), Timestamp(nanos=-1)):
        request = abci.RequestFinalizeBlock(height=working.height + 1, time=stamp)
        working.application.finalize_block(request)
        working.application.commit(abci.RequestCommit())
        assert working.application.newest.time_us == working.time_us(1)


def test_vote_extensions_are_off(working: Desk) -> None:
    verify = working.application.verify_vote_extension
    statuses = abci.ResponseVerifyVoteExtension.VerifyStatus
    assert working.application.extend_vote(abci.RequestExtendVote()).vote_extension == b""
    empty, some = (
        abci.RequestVerifyVoteExtension(),
        abci.RequestVerifyVoteExtension(vote_extension=b"x"),
    )
    assert (verify(empty).status, verify(some).status) == (statuses.ACCEPT, statuses.REJECT)


# ---------------------------------------------------------------- questions


def test_a_question_is_answered_for_what_is_committed(working: Desk) -> None:
    working.block(working.members.batch(SELLER, ("T-1", 5)))
    about = {"agreement": "pay", "originator": 0, "transaction_id": "T-1"}
    answer = working.ask("/transaction", about)
    value = json.loads(answer.value)
    assert (answer.code, answer.height, value["status"]) == (0, 2, "pending")
    assert (value["roles"]["seller"]["leaf"], value["roles"]["seller"]["row"]) == (2, 0)
    stream = json.loads(working.ask("/stream", {"party": 1, "stream": 0}).value)
    assert stream == {"lowest_unused": 3, "highest_used": 2}


def test_an_item_is_known_by_its_digest_at_its_place_and_under_its_number(working: Desk) -> None:
    item = working.members.batch(SELLER, ("T-1", 5))
    digest = parse_batch(item).header.digest().hex()
    working.block(b"not an item", item)
    (leaf,) = json.loads(working.ask("/items", {"party": 1, "stream": 0, "sequence": 2}).value)
    places = json.loads(working.ask("/places", {"height": 2, "items": [1, 0]}).value)
    assert places[0] == leaf
    assert (leaf["digest"], leaf["outcome"], sum(leaf["rows"])) == (digest, 0, 1)
    assert (leaf["height"], leaf["time_us"]) == (2, working.time_us(2))
    assert leaf["app_hash"] == app_hash_at(working, 2).hex()
    other = places[1]
    assert (other["leaf"], other["digest"], other["outcome"]) == (None, "", ItemOutcome.MALFORMED)
    for sequence, used in ((2, digest), (3, "")):
        stream = working.ask("/stream", {"party": 1, "stream": 0, "sequence": sequence})
        assert json.loads(stream.value)["digest"] == used


@pytest.mark.parametrize(
    ("path", "about", "code"),
    [
        ("/nonsense", None, queries.BAD_QUESTION),
        ("", None, queries.BAD_QUESTION),
        ("/leaf", None, queries.BAD_QUESTION),
        ("/leaf", {"leaf": "x"}, queries.BAD_QUESTION),
        ("/leaf", {"leaf": 99}, queries.NOT_FOUND),
        ("/leaf", {"leaf": -1}, queries.NOT_FOUND),
        ("/leaf", {"leaf": 1 << 63}, queries.NOT_FOUND),
        ("/items", {"party": -1, "stream": 1 << 62, "sequence": 1 << 63}, queries.ANSWERED),
        ("/stream", {"party": 1 << 62, "stream": 0}, queries.ANSWERED),
        ("/stream", {"party": 1, "stream": 0, "sequence": -1}, queries.ANSWERED),
        ("/places", {"height": 1, "items": [2]}, queries.NOT_FOUND),
        ("/places", {"height": 1, "items": [0, -1]}, queries.NOT_FOUND),
        ("/places", {"height": 1 << 63, "items": [0]}, queries.NOT_FOUND),
        ("/places", {"height": 1, "items": []}, queries.ANSWERED),
        (
            "/transaction",
            {"agreement": "pay", "originator": 1 << 20, "transaction_id": "T"},
            queries.NOT_FOUND,
        ),
        (
            "/transaction",
            {"agreement": "pay", "originator": 0, "transaction_id": "T\0" + 50 * "x"},
            queries.NOT_FOUND,
        ),
        (
            "/transaction",
            {"agreement": "none", "originator": 0, "transaction_id": "T"},
            queries.NOT_FOUND,
        ),
    ],
)
def test_every_question_gets_a_code(working: Desk, path: str, about: object, code: int) -> None:
    assert working.ask(path, about).code == code


def test_a_height_that_is_not_remembered_is_said_so(working: Desk) -> None:
    assert [working.ask("/parts", height=h).code for h in (0, 1, 2, -5)] == [0, 0, 3, 3]


def test_only_nodes_of_members_may_connect(tmp_path: Path, members: Members) -> None:
    desk = Desk(tmp_path / "journal", members, peers=["aa" * 20])
    paths = ("id/" + "aa" * 20, "id/" + "bb" * 20, "addr/10.0.0.1:5", "id/")
    codes = [desk.ask("/p2p/filter/" + path).code for path in paths]
    assert codes == [0, queries.NO_MEMBER, 0, queries.NO_MEMBER]
    desk.application.close()


# ---------------------------------------------------------------- snapshots


OFFERS = abci.ResponseOfferSnapshot.Result
CHUNKS = abci.ResponseApplySnapshotChunk.Result


def take_over(desk: Desk, offered: abci.Snapshot, app_hash: bytes, chunk: bytes) -> list[int]:
    """What the node says to the offer, and to its one chunk."""
    offer = abci.RequestOfferSnapshot(snapshot=offered, app_hash=app_hash)
    said = desk.application.offer_snapshot(offer).result
    taken = abci.RequestApplySnapshotChunk(index=0, chunk=chunk, sender="peer")
    return [said, desk.application.apply_snapshot_chunk(taken).result]


def test_a_new_node_takes_the_state_over_and_goes_on(working: Desk, tmp_path: Path) -> None:
    offered = with_cutoff(working)
    assert (offered.height, offered.chunks) == (3, 1)
    new = Desk(tmp_path / "new", working.members)
    chunk = chunk_of(working, offered)
    said = take_over(new, offered, app_hash_at(working, 3), chunk)
    assert said == [OFFERS.ACCEPT, CHUNKS.ACCEPT]
    info = new.application.info(abci.RequestInfo())
    assert (info.last_block_height, info.last_block_app_hash) == (3, app_hash_at(working, 3))
    with Journal.open(working.path, working.members.genesis.ledger_id(), read_only=True) as journal:
        new.block(*map(bytes, journal.read(4).block.items))
    assert new.application.newest == working.application.newest
    assert new.again().application.newest == working.application.newest
    # The state with which it began is offered to the next one.
    assert [each.SerializeToString() for each in offers(new)] == [offered.SerializeToString()]
    new.application.close()


def test_a_chunk_that_was_changed_is_asked_again(working: Desk, tmp_path: Path) -> None:
    offered = with_cutoff(working)
    new = Desk(tmp_path / "new", working.members)
    good = chunk_of(working, offered)
    said = take_over(new, offered, app_hash_at(working, 3), flipped(good, -1))
    assert said == [OFFERS.ACCEPT, CHUNKS.RETRY]
    again = abci.RequestApplySnapshotChunk(index=0, chunk=good)
    assert new.application.apply_snapshot_chunk(again).result == CHUNKS.ACCEPT
    new.application.close()


def test_a_state_that_the_app_hash_does_not_cover_is_refused(working: Desk, tmp_path: Path) -> None:
    offered = with_cutoff(working)
    new = Desk(tmp_path / "new", working.members)
    said = take_over(new, offered, bytes(32), chunk_of(working, offered))
    assert said == [OFFERS.ACCEPT, CHUNKS.REJECT_SNAPSHOT]
    assert new.again().height == 0
    new.application.close()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"chunks": 2},
        {"height": 4},
        {"height": 0},
        {"hash": bytes(32)},
        {"metadata": b""},
        {"metadata": b"\xff" * 100},
    ],
)
def test_an_offer_that_does_not_add_up_is_refused(
    working: Desk, tmp_path: Path, change: dict[str, object]
) -> None:
    offered = with_cutoff(working)
    for name, value in change.items():
        setattr(offered, name, value)
    new = Desk(tmp_path / "new", working.members)
    assert take_over(new, offered, app_hash_at(working, 3), b"") == [OFFERS.REJECT, CHUNKS.ABORT]
    new.application.close()


def test_a_node_with_blocks_of_its_own_takes_no_state_over(working: Desk) -> None:
    offered = with_cutoff(working)
    with pytest.raises(RefusedCall, match="blocks of its own"):
        take_over(working, offered, bytes(32), b"")


def test_a_chunk_that_is_not_there_is_empty(working: Desk) -> None:
    offered = with_cutoff(working)
    ask = working.application.load_snapshot_chunk
    assert 0 < len(chunk_of(working, offered)) <= CHUNK_BYTES
    for height, form, chunk in ((3, 1, 1), (3, 2, 0), (4, 1, 0), (1 << 63, 1, 1 << 31)):
        request = abci.RequestLoadSnapshotChunk(height=height, format=form, chunk=chunk)
        assert ask(request).chunk == b""
