"""Why a header is not certain. One root: ConsensusError; whoever showed the header is at fault."""


class ConsensusError(Exception):
    """A header, commit or validator set that does not hold.

    `part` says where, `what` says what is wrong there. The same data will be refused again: ask
    another node.
    """

    def __init__(self, part: str, what: str) -> None:
        super().__init__(f"{part}: {what}")
        self.part = part
        self.what = what


class MalformedError(ConsensusError):
    """Data that no correct validator produces: out of range, unsorted, twice, of the wrong size."""


class MismatchError(ConsensusError):
    """Parts that do not belong to each other: another block, height, time or validator set."""


class OtherChainError(ConsensusError):
    """A header of another chain than the one whose validators are trusted."""


class VoteError(ConsensusError):
    """A vote that its validator did not sign: altered, or forged."""


class PowerError(ConsensusError):
    """Votes of too little power: the block may never have been agreed on.

    `power` of `total` has signed.
    """

    def __init__(self, part: str, what: str, power: int, total: int) -> None:
        super().__init__(part, what)
        self.power = power
        self.total = total


class UntrustedError(PowerError):
    """A validator set to which no trusted one leads: too few of those who are trusted signed.

    A header in between may lead there; `power` of the trusted validators' `total` has signed.
    """
