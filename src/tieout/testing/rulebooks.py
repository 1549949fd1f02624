"""The implementations of the rules, so that one suite can be run against each of them."""

from importlib import import_module
from typing import Any, Final, Protocol, cast

from tieout.agreement.breakrow import BreakRow
from tieout.wire.block import Block, BlockResult
from tieout.wire.genesis import Genesis

RULE_BOOKS: Final = ("reference", "kernel")


class RuleBook(Protocol):
    """What an implementation of the rules offers. A state is its own affair."""

    def initial_state(self, genesis: Genesis) -> Any:
        """The state before the first block."""

    def apply_block(self, state: Any, block: Block) -> tuple[Any, BlockResult]:
        """Apply a block; BlockError for one that breaks R-BLOCK-1."""

    def app_hash(self, state: Any) -> bytes:
        """What the ledger answers for after the last block."""

    def state_digest(self, state: Any) -> bytes:
        """The digest of the state as it is now."""

    def members_document(self, state: Any) -> bytes:
        """The members and the open changes of them (docs/formats/state.md)."""

    def slot_images(self, state: Any, agreement_number: int) -> bytes:
        """The transactions of a book (docs/formats/state.md)."""

    def adjustment_images(self, state: Any, agreement_number: int) -> bytes:
        """The adjustments of a book (docs/formats/state.md)."""

    def breaks(self, state: Any, agreement_name: str) -> list[BreakRow]:
        """The breaks that are open now, in the order of BreakRow."""


def rule_book(name: str) -> RuleBook:
    """The implementation of that name, one of RULE_BOOKS."""
    return cast("RuleBook", import_module(f"tieout.{name}"))
