"""The suite that every engine must pass: one order, nothing lost, nothing twice.

The problem: an engine decides only order and time, and everything else must be the same whichever
one it is. The model: `EngineSuite` holds the tests; whoever has an engine subclasses it, and gives
a pytest fixture `bench` that sets up an `EngineBench`: the engine, running, with an agreement in
force, and what signs for two parties. The tests of one class may share a bench.

Outcomes are those of the rules. An engine that filters before it orders says the same outcome as
one that orders everything, but keeps what it refused out of its journals; so the suite looks only
for what was accepted, and for whether a number is used up.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tieout.evidence.audit import audit
from tieout.journal.check import check_journal
from tieout.journal.frame import Entry
from tieout.journal.journal import Journal
from tieout.wire.codes import ItemOutcome
from tieout.wire.genesis import Genesis

SELLER, BANK = 0, 1
SUBMITTERS = 4
_SIGNATURE = slice(184, 248)


class Signing(Protocol):
    """Signs for the parties, each with its next number unless one is given."""

    genesis: Genesis

    def batch(self, role: int, *stated: tuple[str, int], sequence: int | None = None) -> bytes:
        """A batch of (id, amount in cents)."""

    def last_sequence(self, role: int) -> int:
        """The number last given to a batch of this role's party."""


class EngineBench(Protocol):
    """An engine that runs, as the suite sees it."""

    @property
    def members(self) -> Signing:
        """Who signs."""

    def submit(self, item: bytes) -> ItemOutcome:
        """Hand in an item; accepted: once it is durable at every node. From any thread."""

    def restart(self) -> None:
        """End every process of it, without a word where it can, and start again."""

    def journals(self) -> list[Path]:
        """The journal of every node, to be read while it runs."""


def entries(bench: EngineBench, journal: Path) -> Iterator[Entry]:
    """Every block of a journal that may be growing."""
    with Journal.open(journal, bench.members.genesis.ledger_id(), read_only=True) as opened:
        yield from opened.entries()


def accepted(bench: EngineBench, journal: Path) -> Counter[bytes]:
    """How often each item stands in a journal as accepted."""
    return Counter(
        bytes(item)
        for entry in entries(bench, journal)
        for item, result in zip(entry.block.items, entry.result.items, strict=True)
        if result.outcome is ItemOutcome.ACCEPTED
    )


def assert_ledger_once(bench: EngineBench, given: list[bytes]) -> None:
    """Every node keeps each of these once, soundly, and the readable rules agree with it."""
    genesis = bench.members.genesis
    for journal in bench.journals():
        kept = accepted(bench, journal)
        assert [kept[item] for item in given] == [1] * len(given)
        assert set(kept.values()) == {1}
        report = audit(((each.block, each.result) for each in entries(bench, journal)), genesis)
        assert report.difference is None
        assert check_journal(journal, genesis.ledger_id()).is_sound


def app_hashes(bench: EngineBench) -> list[list[bytes]]:
    """The app hashes of each node, from block 1 on, up to the block that all of them have."""
    told = [
        [entry.result.app_hash for entry in entries(bench, journal)] for journal in bench.journals()
    ]
    shortest = min(map(len, told))
    return [each[:shortest] for each in told]


class EngineSuite:
    """Subclass it in a test module, with a fixture `bench` that gives an EngineBench."""

    def test_an_accepted_item_is_durable_at_every_node(self, bench: EngineBench) -> None:
        """The receipt comes after the sync, so a reader finds the item at that moment."""
        item = bench.members.batch(SELLER, ("S-1", 100))
        assert bench.submit(item) is ItemOutcome.ACCEPTED
        assert [accepted(bench, journal)[item] for journal in bench.journals()] == [1] * len(
            bench.journals()
        )

    def test_numbers_of_a_stream_may_come_out_of_turn(self, bench: EngineBench) -> None:
        """R-SEQ-2: unseen numbers within the window are taken in any order."""
        turned = [bench.members.batch(BANK, (f"S-{i}", 100)) for i in (2, 3, 4)][::-1]
        assert [bench.submit(item) for item in turned] == [ItemOutcome.ACCEPTED] * 3
        assert_ledger_once(bench, turned)

    def test_the_same_bytes_count_once(self, bench: EngineBench) -> None:
        """R-SEQ-3: a repeat is told, and changes nothing."""
        item = bench.members.batch(SELLER, ("S-5", 100))
        outcomes = [bench.submit(item), bench.submit(item)]
        assert outcomes == [ItemOutcome.ACCEPTED, ItemOutcome.REPEATED]
        assert_ledger_once(bench, [item])

    def test_what_is_refused_is_told_why(self, bench: EngineBench) -> None:
        """Rubbish, forged signatures, other rows than were signed, numbers far ahead."""
        good = bench.members.batch(SELLER, ("S-6", 100))
        begin, end = _SIGNATURE.start, _SIGNATURE.stop
        far = bench.members.batch(SELLER, ("S-7", 1), sequence=1_000_000)
        refused = {
            ItemOutcome.MALFORMED: b"not an item",
            ItemOutcome.BAD_SIGNATURE: good[:begin] + bytes(end - begin) + good[end:],
            ItemOutcome.OUT_OF_WINDOW: far,
        }
        assert [bench.submit(item) for item in refused.values()] == list(refused)
        for journal in bench.journals():
            kept = accepted(bench, journal)
            assert [kept[item] for item in refused.values()] == [0] * len(refused)

    def test_what_was_forged_does_not_use_a_number_up(self, bench: EngineBench) -> None:
        """Only a party's own signature spends its numbers."""
        good = bench.members.batch(SELLER, ("S-8", 100))
        begin, end = _SIGNATURE.start, _SIGNATURE.stop
        forged = good[:begin] + bytes(end - begin) + good[end:]
        outcomes = [bench.submit(forged), bench.submit(good)]
        assert outcomes == [ItemOutcome.BAD_SIGNATURE, ItemOutcome.ACCEPTED]

    def test_every_one_of_many_submitters_gets_its_own_receipt(self, bench: EngineBench) -> None:
        """Items of two parties at once from several threads, each kept once."""
        items = [
            bench.members.batch(role, (f"M-{i}", 100)) for i in range(10) for role in (SELLER, BANK)
        ]
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            outcomes = list(pool.map(bench.submit, items))
        assert outcomes == [ItemOutcome.ACCEPTED] * len(items)
        assert_ledger_once(bench, items)

    def test_a_restart_keeps_everything_and_goes_on(self, bench: EngineBench) -> None:
        """All blocks from before are there as they were, and the next number is taken."""
        before = bench.members.batch(SELLER, ("R-1", 100))
        assert bench.submit(before) is ItemOutcome.ACCEPTED
        told = app_hashes(bench)[0]
        bench.restart()
        after = bench.members.batch(BANK, ("R-1", 100))
        assert bench.submit(after) is ItemOutcome.ACCEPTED
        assert bench.submit(before) is ItemOutcome.REPEATED
        assert app_hashes(bench)[0][: len(told)] == told
        assert_ledger_once(bench, [before, after])

    def test_every_node_has_the_same_app_hash_after_every_block(self, bench: EngineBench) -> None:
        """The nodes agree with each other; `assert_ledger_once` holds them against the rules."""
        item = bench.members.batch(SELLER, ("H-1", 100))
        assert bench.submit(item) is ItemOutcome.ACCEPTED
        first, *others = app_hashes(bench)
        assert first
        assert others == [first] * len(others)
