"""What a correct node makes of each lie of another one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.byzantine import LIES
from tests.engines.cometbft.consortium import SELLER, Members
from tests.engines.cometbft.desk import ROOM, Desk
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.wire.codes import ItemOutcome

ACCEPTED, REPEATED = ItemOutcome.ACCEPTED, ItemOutcome.REPEATED
BAD_SIGNATURE, WRONG_ROOT = ItemOutcome.BAD_SIGNATURE, ItemOutcome.WRONG_ROOT


class Two:
    """An honest node and one that may lie, with the same block behind them and two items ahead."""

    def __init__(self, folder: Path) -> None:
        members = Members()
        self._enactment = members.enactment()
        self._folder = folder
        self._members = members
        self.first = members.batch(SELLER, ("T-1", 1))
        self.second = members.batch(SELLER, ("T-2", 2))
        self.honest = self.begun(Desk(folder / "honest", members))

    def begun(self, desk: Desk) -> Desk:
        desk.init_chain()
        assert desk.block(*self._enactment) == [ACCEPTED] * 2
        return desk

    def liar(self, how: str) -> Desk:
        desk = Desk(self._folder / "liar", self._members)
        desk.application.close()
        desk.application = LIES[how].open(desk.path, self._members.genesis)
        return desk

    def proposed(self, how: str) -> list[bytes]:
        """What is proposed in this way, when both items wait."""
        liar = self.begun(self.liar(how))
        assert [liar.check(item) for item in (self.first, self.second)] == [ACCEPTED] * 2
        items = liar.prepare(self.first, self.second)
        assert liar.accepts(*items)
        liar.application.close()
        return items


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    two = Two(tmp_path)
    yield two
    two.honest.application.close()


@pytest.mark.parametrize("how", ["rubbish", "foreign", "too-many"])
def test_what_no_correct_node_proposes_is_voted_down(two: Two, how: str) -> None:
    assert not two.honest.accepts(*two.proposed(how))


@pytest.mark.parametrize(
    ("how", "outcomes"),
    [
        ("reordered", [ACCEPTED, ACCEPTED, REPEATED]),
        ("duplicated", [ACCEPTED, ACCEPTED, REPEATED, REPEATED, REPEATED, REPEATED]),
        ("forged", [BAD_SIGNATURE] * 4 + [WRONG_ROOT] * 4 + [ACCEPTED] * 2),
        ("withheld", []),
    ],
)
def test_what_one_might_propose_is_judged(two: Two, how: str, outcomes: list[ItemOutcome]) -> None:
    items = two.proposed(how)
    assert two.honest.accepts(*items)
    assert two.honest.block(*items) == outcomes


def test_more_bytes_than_asked_for_are_never_sent(two: Two) -> None:
    # Its own CometBFT refuses that: `make chaos` has the real one.
    assert sum(map(len, two.proposed("oversized"))) > ROOM


def test_who_votes_against_everything_is_not_needed(two: Two) -> None:
    liar = two.begun(two.liar("contrary"))
    assert (liar.accepts(two.first), two.honest.accepts(two.first)) == (False, True)
    liar.application.close()


def test_who_floods_takes_what_others_refuse(two: Two) -> None:
    liar = two.begun(two.liar("flooded"))
    rubbish = b"not an item"
    assert (liar.check(rubbish), two.honest.check(rubbish)) == (ACCEPTED, ItemOutcome.MALFORMED)
    assert liar.prepare(rubbish, two.first) == [two.first]
    liar.application.close()


def test_who_has_another_app_hash_is_alone_with_it(two: Two) -> None:
    liar = two.begun(two.liar("wrong-hash"))
    said = [desk.finalize(two.first).app_hash for desk in (liar, two.honest)]
    assert said[0] != said[1]
    for desk in (liar, two.honest):
        desk.application.commit(abci.RequestCommit())
    assert liar.application.newest.app_hash == two.honest.application.newest.app_hash == said[1]
    liar.application.close()
