"""`python -m tests.golden.make` writes the golden ledgers that are not there yet.

A ledger that is there is never written again: that every later version of the code replays it to
the same hashes is what it is for. What new rules, or more of the old ones, need is a new day.
"""

from typing import Any

from tests.golden.days import DAYS
from tests.golden.form import FOLDER, computed, text_of
from tieout import reference
from tieout.testing.rulebooks import RuleBook, rule_book
from tieout.wire.block import Block, BlockResult
from tieout.wire.genesis import Genesis


class Keeper:
    """The reference rules as a rule book that keeps the genesis and the blocks it is given."""

    genesis: Genesis

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def initial_state(self, genesis: Genesis) -> Any:
        self.genesis = genesis
        return reference.initial_state(genesis)

    def apply_block(self, state: Any, block: Block) -> tuple[Any, BlockResult]:
        self.blocks.append(block)
        return reference.apply_block(state, block)

    def __getattr__(self, name: str) -> Any:
        return getattr(reference, name)


def kept(name: str) -> Keeper:
    """The genesis and the blocks of a day."""
    keeper = Keeper()
    rules: RuleBook = keeper
    DAYS[name](rules)
    return keeper


if __name__ == "__main__":
    for day in DAYS:
        path = FOLDER / f"{day}.json"
        if not path.exists():
            ledger = kept(day)
            form = computed(rule_book("reference"), ledger.genesis, ledger.blocks)
            path.write_text(text_of(form), encoding="utf-8")
