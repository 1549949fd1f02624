"""The members of a ledger under chaos: four parties, their keys, and what they sign.

The seller states one side of every transaction; the bank and its branch, which hold one role, the
other side of their own. The registrar publishes nothing: it has a validator, like the others, and
votes.
"""

import time
from collections.abc import Sequence
from typing import Final

from tests.engines.ledgers import AGREEMENT, rows
from tieout.engines.keyfile import HeldKeys, StoredKeys
from tieout.engines.keyring import KeyRing, found_consortium
from tieout.engines.publisher import Publisher
from tieout.wire.batch import BATCH_TAG, parse_header
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.genesis import FirstValidator
from tieout.wire.members import ProposeChange, SetValidator, Step, Vote
from tieout.wire.operations import CloseCutoff, Enact, parse_operation

NAMES: Final = ("seller", "bank", "branch", "registrar")
SELLER, BANK, BRANCH, REGISTRAR = range(1, 5)
"""Their numbers as parties."""
ROLES: Final = {SELLER: 0, BANK: 1, BRANCH: 1}
POWER: Final = 10
LOAD, GOVERNANCE, TWICE = range(3)
"""Streams: each is used by one thread."""
_OPEN_BLOCKS: Final = 10_000


class Parties:
    """Everybody's keys, as no house ever has them together."""

    def __init__(self, validators: Sequence[bytes]) -> None:
        """`validators` are the public keys of the first four nodes."""
        first = [
            FirstValidator(party, public.hex(), POWER)
            for party, public in enumerate(validators, start=1)
        ]
        # Block 1 has the genesis' time.
        created_us = int(time.time()) * 1_000_000
        self.genesis, stored = found_consortium(NAMES, created_us, "chaos", first)
        keys = tuple(key for each in stored for key in each.keys)
        everybodys = StoredKeys(1, "Test keys.", stored[0].salt_secret, keys)
        self._ring = KeyRing(self.genesis, HeldKeys(everybodys))
        self._publishers: dict[tuple[int, int], Publisher] = {}
        self._cutoffs = 0

    def publisher(self, party: int, stream: int) -> Publisher:
        """Who signs for a party on a stream; for one thread."""
        return self._publishers.setdefault(
            (party, stream), Publisher(self._ring, party, stream, next_sequence=1)
        )

    def batch(self, party: int, stream: int, *stated: tuple[str, int]) -> bytes:
        """A batch of (id, amount in cents)."""
        return self.publisher(party, stream).batch(AGREEMENT, ROLES[party], rows(*stated))

    def two_for_one_number(self, party: int) -> tuple[bytes, bytes]:
        """Two different batches with one number."""
        publisher = self.publisher(party, TWICE)
        number = publisher.next_sequence
        one = self.batch(party, TWICE, (f"Q-{number}", 1))
        publisher.next_sequence = number
        return one, self.batch(party, TWICE, (f"Q-{number}", 2))

    def enactment(self) -> list[bytes]:
        """What puts the agreement into force: all that hold a role sign it."""
        body = Enact(AGREEMENT.canonical, ((SELLER,), (BANK, BRANCH)))
        return [
            self.publisher(party, GOVERNANCE).operation(OperationKind.ENACT, Purpose.GOVERN, body)
            for party in ROLES
        ]

    def cutoff(self) -> bytes:
        """A cut-off of the seller with which a state is digested, so that others may take it over.

        It is as of the beginning: nothing was opened by then, so nothing is judged.
        """
        self._cutoffs += 1
        body = CloseCutoff(AGREEMENT.name, self.genesis.created_us + self._cutoffs)
        publisher = self.publisher(SELLER, GOVERNANCE)
        return publisher.operation(OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH, body)

    def change(self, height: int, *steps: Step) -> list[bytes]:
        """A proposal of the registrar, and the votes with which three of four decide on it."""
        body = ProposeChange(steps, 0, height + _OPEN_BLOCKS)
        publisher = self.publisher(REGISTRAR, GOVERNANCE)
        proposal = publisher.operation(OperationKind.PROPOSE_CHANGE, Purpose.GOVERN, body)
        name = parse_operation(proposal).digest()
        return [
            proposal,
            *[
                self.publisher(party, GOVERNANCE).operation(
                    OperationKind.VOTE, Purpose.GOVERN, Vote(name, in_favour=True)
                )
                for party in (SELLER, BANK)
            ],
        ]


def set_validator(public: bytes, power: int) -> SetValidator:
    """A validator of the registrar: added, or with power 0 taken away."""
    return SetValidator(REGISTRAR, public, power)


def asked_about(item: bytes) -> dict[str, int]:
    """The number of a batch or operation, as nodes are asked about it."""
    is_batch = item.startswith(BATCH_TAG)
    said = parse_header(item) if is_batch else parse_operation(item)
    return {"party": said.party, "stream": said.stream, "sequence": said.sequence}
