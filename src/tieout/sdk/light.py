"""From the founding validators to any header of a running network, asking one node that may lie.

The model: a node is asked for signed headers, and `consensus.light` judges them. If too few of the
trusted validators signed a header far ahead, one half-way is tried, and so on: the steps found this
way are also what an evidence pack carries.
"""

from collections.abc import Callable

from tieout.consensus.errors import ConsensusError, MalformedError, UntrustedError
from tieout.consensus.forms import SignedHeader, Validator
from tieout.consensus.light import ONE_THIRD, Trust, TrustLevel, step
from tieout.evidence.limits import MAX_STEPS
from tieout.evidence.packform import Consensus
from tieout.sdk.errors import Unproven
from tieout.sdk.limits import VALIDATORS_PER_PAGE
from tieout.sdk.rpcforms import (
    CommitAnswer,
    ValidatorsAnswer,
    number,
    read_signed_header,
    read_validator,
)
from tieout.sdk.transport import Node


class LightClient:
    """Headers of a network that are certain, for somebody who trusts its founding validators.

    Not safe for several threads.
    """

    def __init__(self, node: Node, founded: Trust, level: TrustLevel = ONE_THIRD) -> None:
        """`founded` is as of `Trust.founded`, or any later trust that was kept."""
        self._node = node
        self._founded = founded
        self._latest = founded
        self._level = level

    def trust_at(self, height: int) -> Trust:
        """What is certain at a height that the network has reached.

        Raises Unproven when the validators did not sign what the node shows, and the errors of
        `Node.ask`.
        """
        start = self._latest if self._latest.height <= height else self._founded
        trust, _ = self._walk(start, height)
        if trust.height > self._latest.height:
            self._latest = trust
        return trust

    def steps_to(self, height: int) -> tuple[SignedHeader, ...]:
        """The steps that lead from the founding validators to a height. Raises as `trust_at`."""
        return self._walk(self._founded, height)[1]

    def consensus_at(self, height: int) -> Consensus:
        """What an evidence pack says about who ordered the block of a height.

        The header after `height` must be there. Raises as `trust_at`.
        """
        steps = self.steps_to(height + 1)
        return Consensus(self._fetch(height).header, steps)

    def _walk(self, start: Trust, height: int) -> tuple[Trust, tuple[SignedHeader, ...]]:
        if height < start.height:
            raise Unproven(height, f"what is trusted begins at {start.height}")
        if height == start.height:
            return start, ()
        try:
            return find_steps(self._fetch, start, height, self._level)
        except ConsensusError as error:
            raise Unproven(
                height, f"{self._node.name} shows what was not agreed on: {error}"
            ) from error

    def _fetch(self, height: int) -> SignedHeader:
        return signed_header(self._node, height)


def find_steps(
    fetch: Callable[[int], SignedHeader], trust: Trust, height: int, level: TrustLevel = ONE_THIRD
) -> tuple[Trust, tuple[SignedHeader, ...]]:
    """The trust at a later height, and the steps that lead there; few where validators stay.

    `fetch` gives the signed header of a height. Raises what it raises, and ConsensusError when a
    header is not certain.
    """
    steps: list[SignedHeader] = []
    ahead = [fetch(height)]
    for _ in range(MAX_STEPS):
        try:
            trust = step(trust, ahead[-1], level)
        except UntrustedError:
            # Never of the next header: so there is one half-way.
            ahead.append(fetch((trust.height + ahead[-1].header.height) // 2))
            continue
        steps.append(ahead.pop())
        if not ahead:
            return trust, tuple(steps)
    raise MalformedError("steps", f"more than {MAX_STEPS} would be needed")


def signed_header(node: Node, height: int) -> SignedHeader:
    """What a node says about a height: header, votes, and who voted. Nothing is verified.

    Raises MalformedError, MismatchError, and the errors of `Node.ask`.
    """
    told = node.ask("commit", CommitAnswer, height=str(height)).signed_header
    return read_signed_header(told, validators(node, height))


def validators(node: Node, height: int) -> tuple[Validator, ...]:
    """Who votes on the block of a height, as a node says, in their order."""
    found: list[Validator] = []
    page = 1
    while True:
        told = node.ask(
            "validators",
            ValidatorsAnswer,
            height=str(height),
            page=str(page),
            per_page=str(VALIDATORS_PER_PAGE),
        )
        found.extend(read_validator(each) for each in told.validators)
        if len(found) >= number(told.total) or not told.validators:
            return tuple(found)
        page += 1
