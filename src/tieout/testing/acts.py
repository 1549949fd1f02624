"""What people do about a transaction, in the words in which scenarios are written.

dispute T1 bank: we sold none       the party bound to the role objects, else its first holder;
                                    `by east/2` another person, `by east/1` its verifier
undispute T1 bank                   does not any more; likewise
"""

import hashlib
from collections.abc import Callable
from typing import Final

from tieout.testing.workbench import ADA, SYSTEM, Sender
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import Body, Dispute, WithdrawDispute

Key = tuple[str, int, str]
EVIDENCE: Final = hashlib.sha256(b"a contract note").digest()


class Acts:
    """Signs what people do. `key_of` finds a transaction, `role_of` the number of a role."""

    def __init__(
        self,
        sender: Sender,
        key_of: Callable[[str], Key],
        role_of: Callable[[str], int],
        party_of: Callable[[str, int], int],
    ) -> None:
        self._sender = sender
        self._key_of = key_of
        self._role_of = role_of
        self._party_of = party_of

    def item(self, verb: str, words: list[str], reason: str, party: int, person: int) -> bytes:
        """The operation that a line stands for; party and person are 0 when it does not say."""
        transaction, name = words
        role = self._role_of(name)
        party = party or self._party_of(transaction, role)
        if verb == "undispute":
            body: Body = WithdrawDispute(*self._key_of(transaction), role, reason)
            return self._sign(party, OperationKind.WITHDRAW_DISPUTE, body, person)
        body = Dispute(*self._key_of(transaction), role, reason or "it is wrong", (EVIDENCE,))
        return self._sign(party, OperationKind.DISPUTE, body, person)

    def _sign(self, party: int, kind: OperationKind, body: Body, person: int) -> bytes:
        key = person or ADA
        purpose = Purpose.PUBLISH if key == SYSTEM else Purpose.APPROVE
        return self._sender.operation(party, kind, body, key=key, purpose=purpose)


VERBS: Final = ("dispute", "undispute")
