"""Members of a running consortium change under load: real nodes, real CometBFT, real commands."""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.cli.desk import Desk, Said
from tests.engines.ledgers import AGREEMENT, rows
from tieout.engines.cometbft.addresses import free_addresses
from tieout.engines.cometbft.office import OFFICE_STREAM, WAITING
from tieout.engines.cometbft.places import COMETBFT
from tieout.engines.cometbft.process import NodeProcesses, find_cometbft
from tieout.engines.cometbft.settings import (
    NEXT_VALIDATOR_KEY,
    VALIDATOR_KEY,
    Network,
    NodeKeys,
    NodeSettings,
    rpc_address,
    write_node,
)
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyfile import write_keys
from tieout.engines.keyring import Roster, found_consortium, read_keys
from tieout.engines.membership import further_key
from tieout.engines.publisher import Publisher
from tieout.kernel import founders, parties, upcoming_parties, validators
from tieout.sdk.client import LedgerClient, Taken
from tieout.sdk.errors import NotYet
from tieout.sdk.transport import Node
from tieout.wire.codes import ItemOutcome, OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import FirstValidator, Genesis
from tieout.wire.members import ProposeChange
from tieout.wire.operations import CloseCutoff, Enact

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("network")]

FOUNDERS = ("seller", "bank", "registrar", "regulator")
NEWCOMER = "custodian"
POWER = 10
WAIT_S = 90.0
"""Far longer than any step takes, also on a machine that has much else to do."""
EVERY_S = 0.2
"""How often both sides state a transaction: enough to be in every block."""
SELLER, BANK = 0, 1
STORE = (
    'name = "store"',
    "version = 1",
    'roles = ["registrar", "custodian"]',
    "[fields.shares]",
    'type = "quantity"',
    "scale = 0",
)
"""What a newcomer may want to agree on."""


def eventually(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until, f"not within {WAIT_S} s: {what}"
        time.sleep(0.05)


class House:
    """A party with a node of its own."""

    def __init__(self, directory: Path, number: int, genesis: Genesis, cometbft: Path) -> None:
        self.directory = directory
        self.number = number
        self.genesis = genesis
        self.processes = NodeProcesses(directory, cometbft)
        self.known = Roster(founders(genesis).parties, 1)
        self.ring = read_keys(directory, genesis, lambda: self.known) if number else None
        self.sequence = 0
        self.node = Node(*rpc_address(directory))
        self.client = LedgerClient(self.node)

    def roster(self) -> Roster:
        with EmbeddedLedger.open(self.directory, read_only=True) as copy:
            return Roster(upcoming_parties(copy.state), copy.height + 1)

    def height(self) -> int:
        with EmbeddedLedger.open(self.directory, read_only=True) as copy:
            return copy.height

    def publish(self, sign: Callable[[Publisher], bytes]) -> int:
        """Sign, submit, wait; a key that ended meanwhile is followed by its successor.

        Returns the height.
        """
        assert self.ring is not None
        until = time.monotonic() + WAIT_S
        since: dict[bytes, int] = {}
        while time.monotonic() < until:
            signed = sign(Publisher(self.ring, self.number, 0, self.sequence + 1))
            said = self.client.submit(signed)
            if said.taken is not Taken.REFUSED:
                first = since.setdefault(said.name, said.height)
                # A machine with no time for five nodes makes no block for a while.
                with contextlib.suppress(NotYet):
                    height = self.client.wait([said.name], first)[said.name].height
                    if self.is_kept(height):
                        self.sequence += 1
                        return height
            else:
                assert said.code == ItemOutcome.KEY_NOT_VALID, said.words
            self.known = self.roster()
        raise AssertionError(f"{self.directory.name} published nothing in {WAIT_S} s")

    def is_kept(self, height: int) -> bool:
        """Whether the next number stands in the log; a key that ended leaves no leaf."""
        about = {"party": self.number, "stream": 0, "sequence": self.sequence + 1}
        while True:
            answer = self.client.query("/items", json.dumps(about).encode())
            if answer.code == 0 and answer.height >= height:
                return answer.value != b"[]"


class Load(threading.Thread):
    """The bank's and the seller's systems, which go on publishing whatever happens to members."""

    def __init__(self, houses: list[House]) -> None:
        super().__init__(daemon=True)
        self.houses = houses
        self.published = 0
        self.failed: BaseException | None = None
        self.until = threading.Event()

    def run(self) -> None:
        try:
            while not self.until.wait(EVERY_S):
                self.publish(rows((f"L-{self.published}", 100 + self.published)))
                self.published += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.failed = error

    def publish(self, stated: npt.NDArray[np.uint8]) -> None:
        self.houses[SELLER].publish(lambda by: by.batch(AGREEMENT, SELLER, stated))
        self.houses[BANK].publish(lambda by: by.batch(AGREEMENT, BANK, stated))

    def end(self) -> None:
        self.until.set()
        self.join(WAIT_S)
        assert self.failed is None, self.failed

    def await_more(self) -> None:
        """Both publish once more."""
        now = self.published
        eventually(lambda: self.failed is not None or self.published > now + 1, "load goes on")
        assert self.failed is None, self.failed


class Town:
    """Four founders with nodes, and a fifth node whose party does not belong to them yet."""

    def __init__(self, folder: Path, cometbft: Path) -> None:
        keys = [NodeKeys.make() for _ in (*FOUNDERS, NEWCOMER)]
        publics = [each.validator.public for each in keys[: len(FOUNDERS)]]
        first = [
            FirstValidator(number, public.hex(), POWER)
            for number, public in enumerate(publics, start=1)
        ]
        created_us = int(time.time()) * 1_000_000
        self.genesis, stored = found_consortium(FOUNDERS, created_us, "town", first)
        network = Network(
            self.genesis,
            tuple((name, public, POWER) for name, public in zip(FOUNDERS, publics, strict=True)),
            tuple(each.node_id for each in keys),
        )
        at = free_addresses(2 * len(keys))
        peers = [f"{each.node_id}@{p2p}" for each, p2p in zip(keys, at, strict=False)]
        self.houses: list[House] = []
        for place, name in enumerate((*FOUNDERS, NEWCOMER)):
            others = tuple(peers[:place] + peers[place + 1 :])
            node = NodeSettings(name, at[place], at[len(keys) + place], others)
            write_node(folder / name, network, node, keys[place])
            if place < len(FOUNDERS):
                write_keys(folder / name, stored[place])
            number = place + 1 if place < len(FOUNDERS) else 0
            self.houses.append(House(folder / name, number, self.genesis, cometbft))
        self.seller, self.bank, self.registrar, self.regulator, self.custodian = self.houses

    def enact(self) -> None:
        eventually(lambda: self.seller.client.height() > 0, "the first block")
        body = Enact(AGREEMENT.canonical, ((1,), (2,)))
        for house in (self.seller, self.bank):
            house.publish(lambda by: by.operation(OperationKind.ENACT, Purpose.GOVERN, body))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    program = find_cometbft()
    if program is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    town = Town(tmp_path, program)
    try:
        for house in town.houses:
            house.processes.start()
        town.enact()
        yield town
    finally:
        for house in town.houses:
            house.processes.stop()
            house.node.close()


def done(said: Said) -> Said:
    assert said.code == 0, said.err
    return said


class Board:
    """Changes asked for and voted on by commands, each at the node of whoever says so."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def say(self, house: House, *words: str) -> Said:
        return self._desk.tieout("member", *words, "--ledger", str(house.directory), "--json")

    def await_change(self, house: House, name: str) -> None:
        """Wait until a house's node knows of a change."""

        def is_known() -> bool:
            return name in [each["name"] for each in done(self.say(house, "changes")).json]

        eventually(is_known, "the proposal reaches every node")

    def decide(self, proposer: House, voters: list[House], *words: str) -> int:
        """Propose, and vote until it is decided; the height from which it holds."""
        change = done(self.say(proposer, *words)).json
        assert change["status"] == "proposed", change
        for voter in voters:
            self.await_change(voter, change["name"])
            change = done(self.say(voter, "vote", str(change["number"]))).json
        assert change["status"] in {"scheduled", "effective"}, change
        due: int = change["effective_from"]
        for house in (proposer, *voters):
            eventually(lambda house=house: house.height() >= due, "it holds")  # type: ignore[misc]
        return due


def test_members_change_under_load_and_everything_can_be_proven(town: Town, desk: Desk) -> None:
    """R-MEMBER-2, R-MEMBER-5: nobody stops for it, and a stranger can follow it."""
    board = Board(desk)
    seller, bank, registrar, custodian = town.seller, town.bank, town.registrar, town.custodian
    load = Load([seller, bank])
    load.start()

    # A party with a node is admitted, and its node votes from then on.
    done(desk.tieout("member", "apply", NEWCOMER, "-o", "application.json",
                     "--directory", str(custodian.directory)))  # fmt: skip
    due = board.decide(
        seller, [bank, registrar], "admit", "application.json", "--power", str(POWER)
    )
    eventually(lambda: custodian.height() >= due, "the newcomer's own node has its admission")
    members = done(board.say(registrar, "list")).json
    assert [(each["name"], each["voting_power"]) for each in members][-1] == (NEWCOMER, POWER)
    store = desk.file("store.toml", *STORE)
    said = desk.tieout("network", "enact", str(custodian.directory), store)
    assert "store version 1 is signed by custodian, and waits for registrar" in done(said).err
    load.await_more()

    # What an interrupted command had signed comes first, under its own number.
    leave_signed(bank, "Dee", 2)
    said = desk.tieout("member", "add-key", "Eve", "--purpose", "approve",
                       "--ledger", str(bank.directory))  # fmt: skip
    assert "what an interrupted command had signed" in done(said).err
    assert ": accepted" in said.err
    persons = [each["person"] for each in done(board.say(bank, "show", "bank")).json]
    assert persons == ["system", "approver-1", "approver-2", "Dee", "Eve"]

    # A number that the ledger has for something else is not signed over.
    leave_signed(bank, "Fay", 1)
    said = board.say(bank, "rotate")
    assert (said.code, "something else under number 1" in said.err) == (2, True)
    (bank.directory / WAITING).unlink()

    # A stolen publishing key is exchanged without anybody's vote; the bank goes on with the next.
    change = done(board.say(bank, "rotate")).json
    load.await_more()
    keys = {each["number"]: each for each in done(board.say(bank, "show", "bank")).json}
    assert not keys[1]["valid"]
    assert keys[6]["valid"]
    assert keys[1]["until"] + 1 == keys[6]["since"] == change["effective_from"]

    # The regulator leaves with its node; the others are enough.
    board.decide(registrar, [seller, bank, custodian], "remove", "regulator")
    town.regulator.processes.stop()
    load.await_more()

    # A validator's key is exchanged by vote; its node takes the next key while it does not vote.
    board.decide(registrar, [seller, bank], "rotate", "--node")
    registrar.processes.end_cometbft()
    config = registrar.directory / COMETBFT / "config"
    (config / NEXT_VALIDATOR_KEY).replace(config / VALIDATOR_KEY)
    registrar.processes.start()
    load.await_more()
    load.end()

    prove(town, desk, load.published)


def leave_signed(house: House, person: str, sequence: int) -> None:
    """A proposal that was signed and kept, and never submitted: the command was killed there.

    The first number of the bank's office was its vote on the newcomer.
    """
    assert house.ring is not None
    public = SigningKey(bytes(range(32))).public
    bank = house.roster().parties[house.number - 1]
    steps = further_key(bank, person, 4, public, [Purpose.APPROVE])
    body = ProposeChange(tuple(steps), 0, house.height() + 1_000)
    publisher = Publisher(house.ring, house.number, OFFICE_STREAM, sequence)
    signed = publisher.operation(OperationKind.PROPOSE_CHANGE, Purpose.GOVERN, body)
    (house.directory / WAITING).write_bytes(base64.b64encode(signed))


def prove(town: Town, desk: Desk, published: int) -> None:
    """Everybody has the same ledger, and what it says is shown across all changes."""
    seller, bank, registrar, custodian = town.seller, town.bank, town.registrar, town.custodian
    with EmbeddedLedger.open(seller.directory, read_only=True) as copy:
        body = CloseCutoff(AGREEMENT.name, copy.time_us)
    height = seller.publish(
        lambda by: by.operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body)
    )
    stay = [seller, bank, registrar, custodian]
    for house in stay:
        eventually(lambda house=house: house.height() > height, "the last block")  # type: ignore[misc]

    pack = desk.folder / "pack.json"
    done(desk.tieout("evidence", "L-0", "-o", str(pack), "--ledger", str(custodian.directory)))
    paths = [desk.folder / f"certificate-{house.directory.name}.json" for house in stay]
    made = desk.tieout("certificate", "-o", str(paths[0]), "--ledger", str(seller.directory))
    assert "signed by 1 of 4 parties: seller; 3 must" in made.err
    for house in town.houses:
        house.processes.stop()
    assert_same_ledger(stay)
    for house in (seller, custodian):
        assert "sound" in done(desk.tieout("audit", "--ledger", str(house.directory))).err

    trust = str(desk.folder / "seller" / "genesis.json")
    told = done(desk.tieout("verify", str(pack), "--trust", trust)).err
    assert "verified: L-0 is matched" in told
    assert "validators" in told
    lone = desk.tieout("verify", str(paths[0]), "--trust", trust)
    assert (lone.code, "1 of 4 parties have signed it (seller)" in lone.err) == (1, True)
    done(desk.tieout("certificate", "--sign", str(paths[0]), "-o", str(paths[1]),
                     "--ledger", str(bank.directory)))  # fmt: skip
    done(desk.tieout("certificate", "--sign", str(paths[0]), "-o", str(paths[3]),
                     "--ledger", str(custodian.directory)))  # fmt: skip
    done(desk.tieout("certificate", "--sign", str(paths[1]), "--sign", str(paths[3]),
                     "-o", str(paths[2]), "--ledger", str(registrar.directory)))  # fmt: skip
    told = done(desk.tieout("verify", str(paths[2]), "--trust", trust)).err
    assert f"All {published} transactions" in told or "tied out" in told
    assert "signed by 4 of 4 parties: seller, bank, registrar, custodian; 3 must" in told
    held = desk.tieout("audit", "--hold", str(paths[2]), "--ledger", str(bank.directory))
    assert (held.code, "sound" in held.err) == (0, True)


def assert_same_ledger(houses: list[House]) -> None:
    """The same app hash at every height that two of them have, and the same members now."""
    hashes = []
    now = []
    for house in houses:
        with EmbeddedLedger.open(house.directory, read_only=True) as copy:
            hashes.append([entry.header.app_hash for entry in copy.journal.entries()])
            now.append((parties(copy.state), validators(copy.state)))
    shared = min(map(len, hashes))
    assert shared > 0
    for other in hashes[1:]:
        assert other[:shared] == hashes[0][:shared]
    assert now == [now[0]] * len(now)
    powers = {each.party: each.power for each in now[0][1]}
    assert powers == {1: POWER, 2: POWER, 3: POWER, 5: POWER}
