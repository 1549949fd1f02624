"""The one root of what engines raise."""

from pathlib import Path

from tieout.engines.places import ledgers_of


class EngineError(Exception):
    """A ledger that cannot be opened, founded or written.

    `advice` says what the person at the keyboard can do about it.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.advice = advice


class NoLedger(EngineError):
    """There is no ledger at `path`; a party's directory is none, but holds some."""

    def __init__(self, path: Path) -> None:
        within = ledgers_of(path)
        super().__init__(
            f"there is no ledger at {path}",
            f"it is a party's directory; name one of its ledgers: {', '.join(map(str, within))}"
            if within
            else "name one with --ledger DIR, or begin one with `tieout reconcile`",
        )
        self.path = path


class LedgerDamaged(EngineError):
    """What is kept is not what was applied; `height` names the first block that shows it."""

    def __init__(self, height: int, what: str) -> None:
        super().__init__(
            f"the ledger is damaged: block {height} {what}",
            "`tieout audit` says more; restore the ledger from a copy",
        )
        self.height = height


class NoVotes(EngineError):
    """The network's node does not show what the validators signed; it may a little later."""


class Refused(EngineError):
    """The ledger refused an item that this program made itself; `outcome` is the reason by name."""

    def __init__(self, what: str, outcome: str) -> None:
        exchanged = outcome == "key_not_valid"
        super().__init__(
            f"the ledger refused {what}: {outcome}",
            "the key was exchanged meanwhile: run the same command again" if exchanged else "",
        )
        self.outcome = outcome
