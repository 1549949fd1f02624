"""The simulated world: parties that publish, an orderer, nodes, and everything that goes wrong.

The problem: the promises of a ledger must hold under every interleaving of submitters, blocks,
crashes, bad disks and liars; nobody thinks of all of them.

The model: a run is a list of steps. What step n does is chosen by dice that depend on the seed and
on n alone, so a step does not choose otherwise when another one is left out: that is what lets a
failing run be shortened (`shorten`). Nothing else is chosen anywhere: no clock, no threads, no
order of sets. Parties send what honest, careless and hostile parties send, and keep their books
(`parties.py`, `house.py`); the orderer agrees on blocks of what has arrived, and hands them to the
nodes in the same order at different moments; a node that was started again is handed what it does
not have. At the end nothing goes wrong any more, and everything has to come to rest.

What is not here: votes and their signatures (`tieout.consensus` and CometBFT's own tests), the
network between processes.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tieout import kernel, reference
from tieout.agreement.model import Agreement
from tieout.engines.replica import Replica
from tieout.evidence.audit import audit
from tieout.journal.errors import JournalFailed
from tieout.reference.items import parse_item
from tieout.testing.dice import Dice
from tieout.testing.simulator.disk import Stopped
from tieout.testing.simulator.house import Deal, House
from tieout.testing.simulator.node import Boundary, Node
from tieout.testing.simulator.parties import Parties
from tieout.testing.simulator.promises import Broken, Promise, require
from tieout.testing.simulator.watch import Watch, digest_of
from tieout.testing.workbench import signing_key
from tieout.wire.batch import Batch
from tieout.wire.codes import BreakKind, EventKind
from tieout.wire.genesis import Genesis

MAX_NODES: Final = 16
MAX_BLOCK_ITEMS: Final = 5
MAX_WAITING: Final = 40
"""Items on their way; further ones are lost, as a full mempool loses them."""
_STEP_DICE: Final = 160
"""Choices of one step; a step that needs more gets the plainest ones."""
_WAITS_US: Final = (
    *(1_000, 0, 1, 1_000_000, 5_000_001, 30_000_000, 60_000_001) * 2,
    7_200_000_001,
)
_CLOCKS_US: Final = (
    *(0, 0, 0, -1, 1_000_000, -60_000_000, 60_000_000),
    *(3_600_000_000, -3_600_000_000),
)
"""How far a clock may be off."""
_SILENT_STEPS: Final = (20, 60, 200)
_ROUNDS: Final = 40
"""Within so many blocks everything has come to rest once nothing goes wrong any more."""


@dataclass(slots=True)
class Tally:
    """What a run had in it."""

    blocks: int = 0
    items: int = 0
    conflicts: int = 0
    stops: int = 0
    power_cuts: int = 0
    disk_faults: int = 0
    restarts: int = 0
    receipts: int = 0
    snapshots: int = 0
    refused_blocks: int = 0
    silences: int = 0
    missing: int = 0
    changes_of_members: int = 0
    deals: int = 0
    postings: int = 0
    house_stops: int = 0


@dataclass(frozen=True, slots=True)
class Practice:
    """What nodes and houses are made of: what is shipped, or something with a planted defect."""

    replica: type[Replica] = Replica
    house: type[House] = House


AS_SHIPPED: Final = Practice()


class World:
    """A network under one seed. `step` it, then `finish`; both raise Broken."""

    def __init__(
        self, seed: int, node_count: int, folder: Path, practice: Practice = AS_SHIPPED
    ) -> None:
        self._seed = seed
        self._practice = practice
        self.tally = Tally()
        self._story = Parties(seed, self._dice_of(0, many=True))
        self._waiting: list[bytes] = []
        genesis = self._story.genesis
        self.watch = Watch(genesis)
        self._trace = hashlib.sha256()
        self._houses: dict[int, House] = {}
        self._silent: dict[int, int] = {}
        """Parties that say nothing, and up to which step."""
        self._number = 0
        self.nodes = [
            Node(number, folder / str(number), genesis, practice.replica)
            for number in range(1, node_count + 1)
        ]
        self._dice = self._story.dice
        self._story.begin()
        self._take_ordered()
        for node in self.nodes:
            self._start(node)

    def step(self, number: int) -> None:
        """Do what is done in this step (1, 2, …)."""
        self._number = number
        self._dice = self._story.dice = self._dice_of(number)
        act = self._dice.pick_weighed(_ACTS)
        self._note(f"{number} {act.__name__}")
        act(self)
        self._count_books()

    @property
    def genesis(self) -> Genesis:
        """Of this seed's ledger."""
        return self._story.genesis

    @property
    def trace(self) -> str:
        """A digest of everything that happened."""
        return self._trace.hexdigest()

    def finish(self) -> None:
        """Mend everything, bring every node to the end, start all again, and compare all of it."""
        self._dice = self._story.dice = self._dice_of(0)
        self._settle()
        for node in self.nodes:
            node.stop()
            self._start(node)
            while node.height < len(self.watch.blocks):
                self._hand(node, 64, Boundary.NEVER)
            node.leave()
            node.disk.cut_power(self._dice)
            self._start(node)
            self.watch.check_journal(node)
            assert node.replica is not None
            if (node.height, kernel.state_digest(node.replica.state)) != (
                len(self.watch.blocks),
                reference.state_digest(self._story.state),
            ):
                told = f"node {node.number} ends in another state than the reference"
                raise Broken(Promise.AGREEMENT, told)
            self._note(f"end {node.number} {node.height}")
        self._audit(self.nodes[self._dice.below(len(self.nodes))])
        self.close()

    def close(self) -> None:
        """End all nodes and houses."""
        for node in self.nodes:
            node.stop()
            node.disk.mend()
        for house in self._houses.values():
            house.close()

    # ------------------------------------------------------------------ parties

    def submit(self) -> None:
        """Somebody sends something."""
        self._send(self._story.next_item())

    def repeat(self) -> None:
        """Something arrives a second time."""
        if self._waiting:
            self._send(self._dice.pick(self._waiting))
        elif self.watch.blocks[-1].items:
            self._send(bytes(self._dice.pick(self.watch.blocks[-1].items)))

    def contradict(self) -> None:
        """A liar signs something else under a number that was used."""
        block = self._dice.pick(self.watch.blocks[::-1][:8])
        for data in block.items:
            item = parse_item(data, self._story.genesis.rules_version)
            if item and isinstance(item.content, Batch) and item.key:
                header = replace(item.content.header, valid_until_us=item.valid_until_us - 1)
                signed = header.to_bytes()
                signature = signing_key(header.party, header.key).sign(signed)
                self._send(signed + signature + bytes(item.content.rows))
                return

    def lose(self) -> None:
        """Something never arrives."""
        if self._waiting:
            self._waiting.pop(self._dice.below(len(self._waiting)))

    def fall_silent(self) -> None:
        """A party says nothing for long; the others' deadlines pass."""
        party = self._story.any_party()
        self._silent[party] = self._number + self._dice.pick(_SILENT_STEPS)
        self.tally.silences += 1

    def _is_silent(self, party: int) -> bool:
        return self._silent.get(party, -1) >= self._number

    def _send(self, item: bytes | None) -> None:
        if item is None or len(self._waiting) >= MAX_WAITING:
            return
        if self._silent:
            parsed = parse_item(item, self._story.genesis.rules_version)
            if parsed is not None and self._is_silent(parsed.party):
                return
        self._waiting.append(item)

    # ------------------------------------------------------------------ books

    def deal(self) -> None:
        """The business of a party books something new, or corrects what it booked."""
        party, deal, values = self._story.choose_deal(self._number)
        house = self._houses.get(party)
        if house is None:
            house = self._practice.house(party, self._agreement, self._story.sender)
            self._houses[party] = house
        house.enter(deal, values)
        self.watch.counter.enter(house, deal, values)
        self.tally.deals += 1

    def work(self) -> None:
        """A house looks at what its node has: posts, reports, approves, publishes."""
        house = self._house()
        if house is None or self._is_silent(house.party):
            return
        today = self._story.deals_of_the_day(self._number)
        deals = [each for each in house.deals if each.transaction_id in today]
        if self._dice.happens(6):
            deals = list(house.deals)
        said = self._let_work(house, deals, self._dice)
        if self._dice.happens(8):
            # It ends before all of that has left the house.
            del said[self._dice.below(len(said) + 1) :]
            house.restart()
            self.tally.house_stops += 1
        for item in said:
            self._send(item)

    def _let_work(self, house: House, deals: Sequence[Deal], people: Dice | None) -> list[bytes]:
        node = self._node_of(house)
        said: list[bytes] = []
        if node.replica is None:
            return said
        try:
            said.extend(house.work(node.replica.state, deals, self._story.true_us, people))
        except Stopped:
            house.restart()
            self.tally.house_stops += 1
        self._note(f"party {house.party} says {len(said)}")
        return said

    def disturb_house(self) -> None:
        """A house will stop in mid-posting, its database fails or is full, or its clock is off."""
        house = self._house()
        if house is None:
            return
        books, dice = house.books, self._dice
        match dice.below(4):
            case 0:
                books.stop_after = 1 + dice.below(60)
            case 1:
                books.fails_commit, books.does_so_first = True, dice.happens(50)
            case 2:
                books.is_full = not books.is_full
            case _:
                house.clock_us = dice.pick(_CLOCKS_US)

    def _house(self) -> House | None:
        houses = list(self._houses.values())
        return houses[self._dice.below(len(houses))] if houses else None

    def _count_books(self) -> None:
        for house in self._houses.values():
            self.watch.counter.check(house, self._agreement, self._node_of(house).promised)

    def _node_of(self, house: House) -> Node:
        return self.nodes[(house.party - 1) % len(self.nodes)]

    @property
    def _agreement(self) -> Agreement:
        return self._story.versions[0]

    # ------------------------------------------------------------------ order

    def order(self) -> None:
        """The orderer agrees on a block of some that wait, at a time that never runs backwards."""
        dice = self._dice
        self._story.true_us += dice.pick(_WAITS_US)
        proposer = self._node()
        count = min(dice.below(MAX_BLOCK_ITEMS + 1), len(self._waiting))
        items = [
            self._waiting.pop(dice.below(len(self._waiting)) if dice.happens(50) else 0)
            for _ in range(count)
        ]
        self._story.apply_ordered(items, proposer.clock_us)
        self._take_ordered()

    def skew_clock(self) -> None:
        """The clock of a node is off from now on, or right again."""
        self._node().clock_us = self._dice.pick(_CLOCKS_US)

    def _take_ordered(self) -> None:
        block, result = self._story.blocks[-1], self._story.results[-1]
        self.watch.order(block, result, self._story.state)
        kinds, details = result.events["kind"], result.events["detail"]
        opened = kinds == int(EventKind.BREAK_OPENED)
        self.tally.missing += int((opened & (details == int(BreakKind.MISSING))).sum())
        self.tally.changes_of_members += int((kinds == int(EventKind.CHANGE_EFFECTIVE)).sum())
        self.tally.blocks += 1
        self.tally.items += len(block.items)
        self._note(f"block {block.height} {digest_of(result)}")

    def deliver(self) -> None:
        """A node is handed the next blocks; now and then it stops on the way."""
        node = self._node()
        boundary = self._dice.pick(tuple(Boundary)) if self._dice.happens(12) else Boundary.NEVER
        if node.is_up:
            self._hand(node, self._dice.pick((1, 1, 2, 3, 8)), boundary)

    def redeliver(self) -> None:
        """A node is handed a block again that it has, or one before its turn."""
        node = self._node()
        if node.is_up and node.height:
            height = node.height + self._dice.pick((0, 0, 0, -1, 2))
            if 1 <= height <= len(self.watch.blocks):
                node.refuse(self.watch.blocks[height - 1])
                self.tally.refused_blocks += 1

    def _hand(self, node: Node, count: int, boundary: Boundary) -> None:
        height = node.height
        blocks = self.watch.blocks[height : height + count]
        try:
            results = node.take(blocks, boundary)
        except Stopped:
            self._has_stopped(node)
            return
        except JournalFailed:
            if not node.disk.faults:
                raise
            self._has_stopped(node)
            return
        for block, result in zip(blocks, results, strict=True):
            self.watch.check_judged(node, block, result)
            if block.height == self.watch.first_unseen:
                self.watch.check_first_judged(block, result)
            self.tally.receipts += len(result.items)
        self._note(f"node {node.number} has {node.height}")

    # ------------------------------------------------------------------ what goes wrong

    def start(self) -> None:
        """A node that is down is started."""
        for node in self.nodes:
            if not node.is_up:
                self._start(node)
                return

    def kill(self) -> None:
        """A process ends; what it wrote is still in memory of the system."""
        self._has_stopped(self._node())

    def cut_power(self) -> None:
        """A machine goes dark; what was not synced may be lost or torn."""
        node = self._node()
        node.stop()
        node.disk.cut_power(self._dice)
        self.tally.power_cuts += 1

    def plan_stop(self) -> None:
        """A node will stop in the middle of something that its disk does."""
        self._node().disk.stop_after = 1 + self._dice.below(24)

    def spoil_disk(self) -> None:
        """A disk is full, or its next write or sync fails, having happened or not."""
        disk = self._node().disk
        disk.does_so_first = self._dice.happens(50)
        match self._dice.below(3):
            case 0:
                disk.fails_sync = True
            case 1:
                disk.fails_write = True
            case _:
                disk.is_full = True

    def lose_index(self) -> None:
        """A node that is down loses what can be computed again."""
        node = self._node()
        if not node.is_up:
            for path in sorted(node.directory.glob("index.sqlite*")):
                path.unlink()

    def snapshot(self) -> None:
        """A node writes its state down."""
        node = self._node()
        if node.is_up:
            try:
                node.snapshot()
                self.tally.snapshots += 1
            except (Stopped, JournalFailed):
                self._has_stopped(node)

    def leave(self) -> None:
        """A node ends in good order, as far as its disk lets it."""
        node = self._node()
        try:
            node.leave()
        except (Stopped, JournalFailed, OSError):
            self._has_stopped(node)
        node.disk.mend()

    def _node(self) -> Node:
        return self.nodes[self._dice.below(len(self.nodes))]

    def _has_stopped(self, node: Node) -> None:
        self.tally.disk_faults += node.disk.faults
        self.tally.stops += 1
        node.stop()
        if self._dice.happens(50):
            node.disk.cut_power(self._dice)
            self.tally.power_cuts += 1
        self._note(f"node {node.number} stops")

    def _start(self, node: Node) -> None:
        if node.is_up:
            return
        node.disk.mend()
        if not node.open():
            self._has_stopped(node)
            return
        self.tally.restarts += 1
        self.watch.check_opened(node)
        self._note(f"node {node.number} opens at {node.height}")

    # ------------------------------------------------------------------ the end

    def _settle(self) -> None:
        """Nothing goes wrong any more: the houses go on until they have nothing to say."""
        self._silent.clear()
        self._waiting.clear()
        story = self._story
        story.true_us = max(story.true_us, story.time_us)
        for house in self._houses.values():
            house.restart()
            house.clock_us = 0
        for node in self.nodes:
            node.clock_us = 0
        for _ in range(_ROUNDS):
            for node in self.nodes:
                self._catch_up(node)
            said = [
                item
                for house in self._houses.values()
                for item in self._let_work(house, list(house.deals), None)
            ]
            for house in self._houses.values():
                house.restart()
            self._count_books()
            if not said and not any(house.is_waiting for house in self._houses.values()):
                break
            story.true_us += 1_000
            story.apply_ordered(said, 0)
            self._take_ordered()
        self.tally.postings = self.watch.counter.postings
        self.tally.conflicts = self.watch.conflicts
        for house in self._houses.values():
            node = self._node_of(house)
            assert node.replica is not None
            what = house.unsettled(node.replica.state)
            require(Promise.SETTLEMENT, what or "", holds=what is None)

    def _catch_up(self, node: Node) -> None:
        """Start a node if it is down, and hand it all that it does not have."""
        if not node.is_up:
            self._start(node)
        node.disk.mend_faults()
        while node.height < len(self.watch.blocks):
            self._hand(node, 64, Boundary.NEVER)

    def _audit(self, node: Node) -> None:
        assert node.replica is not None
        journal = node.replica.journal
        kept = ((entry.block, entry.result) for entry in journal.entries())
        report = audit(kept, self._story.genesis)
        if report.difference is not None:
            told = f"the audit of node {node.number} found: {report.difference.what}"
            raise Broken(Promise.AUDIT, told)

    def _note(self, line: str) -> None:
        self._trace.update(line.encode() + b"\n")

    def _dice_of(self, number: int, *, many: bool = False) -> Dice:
        return _dice_of(self._seed, number, _STEP_DICE * (8 if many else 1))


def _dice_of(seed: int, number: int, count: int = _STEP_DICE) -> Dice:
    return Dice(random.Random(f"tieout simulate {seed} {number}").randbytes(count))


_ACTS: Final[Sequence[tuple[int, Callable[[World], None]]]] = (
    (50, World.submit),
    (6, World.repeat),
    (6, World.contradict),
    (4, World.lose),
    (2, World.fall_silent),
    (16, World.deal),
    (24, World.work),
    (4, World.disturb_house),
    (40, World.order),
    (1, World.skew_clock),
    (56, World.deliver),
    (2, World.redeliver),
    (14, World.start),
    (5, World.kill),
    (5, World.cut_power),
    (6, World.plan_stop),
    (5, World.spoil_disk),
    (2, World.lose_index),
    (5, World.snapshot),
    (3, World.leave),
)


def act_of(seed: int, number: int) -> str:
    """What a step of a seed is about, whatever comes before it."""
    return _dice_of(seed, number).pick_weighed(_ACTS).__name__
