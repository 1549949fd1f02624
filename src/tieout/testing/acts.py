"""What people do about a transaction, in the words in which scenarios are written.

dispute T1 bank: we sold none       the party bound to the role objects, else its first holder;
                                    `by east/2` another person, `by east/1` its verifier
undispute T1 bank                   does not any more; likewise
decide T1 amount 100.00 CNY by north/2: as the contract note has it
                                    moves that a value, with its currency, stand for a field;
                                    `within 30s` it expires, else after a day
reverse T1 by north/2: sent twice   moves that the transaction be reversed; likewise
agree T1 by south                   votes for the transaction's last motion
disagree T1 by south                votes against it
"""

import hashlib
from collections.abc import Callable
from typing import Final

from tieout.agreement.model import Agreement
from tieout.testing.wording import value_of
from tieout.testing.workbench import ADA, SYSTEM, Sender
from tieout.units.durations import parse_duration
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.operations import (
    Body,
    Dispute,
    MoveReversal,
    MoveValue,
    VoteOnMotion,
    WithdrawDispute,
    parse_operation,
)

Key = tuple[str, int, str]
EVIDENCE: Final = hashlib.sha256(b"a contract note").digest()
DAY_US: Final = 86_400_000_000


class Acts:
    """Signs what people do. `party_of` says who speaks for a role of a transaction."""

    def __init__(
        self,
        sender: Sender,
        party_of: Callable[[str, int], int],
    ) -> None:
        self._sender = sender
        self._party_of = party_of
        self._motions: dict[str, bytes] = {}
        self.last_moved = ("", b"")

    def keep_motion(self) -> None:
        """The motion that was moved last is open: votes are about it."""
        transaction, name = self.last_moved
        self._motions[transaction] = name

    def item(
        self,
        agreement: Agreement,
        verb: str,
        words: list[str],
        reason: str,
        speaker: tuple[int, int],
        time_us: int,
    ) -> bytes:
        """The operation that a line stands for, under an agreement, at a time.

        `speaker` is party and person, 0 for what the line does not say.
        """
        transaction, *said = words
        key = (agreement.name, 0, transaction)
        party, person = speaker
        if verb == "decide":
            body = self._moved(agreement, key, said, reason, time_us)
            item = self._sign(party, OperationKind.MOVE_VALUE, body, person)
            self.last_moved = (transaction, parse_operation(item).digest())
            return item
        if verb == "reverse":
            expires_us = time_us + _lasting_us(said)
            reversal = MoveReversal(*key, reason or "sent twice", expires_us)
            item = self._sign(party, OperationKind.MOVE_REVERSAL, reversal, person)
            self.last_moved = (transaction, parse_operation(item).digest())
            return item
        if verb in ("agree", "disagree"):
            name = self._motions.get(transaction, bytes(32))
            vote = VoteOnMotion(*key, name, in_favour=verb == "agree", reason=reason)
            return self._sign(party, OperationKind.VOTE_ON_MOTION, vote, person)
        role = agreement.roles.index(said[0])
        party = party or self._party_of(transaction, role)
        if verb == "undispute":
            withdrawn = WithdrawDispute(*key, role, reason)
            return self._sign(party, OperationKind.WITHDRAW_DISPUTE, withdrawn, person)
        dispute = Dispute(*key, role, reason or "it is wrong", (EVIDENCE,))
        return self._sign(party, OperationKind.DISPUTE, dispute, person)

    def _moved(
        self, agreement: Agreement, key: Key, said: list[str], reason: str, time_us: int
    ) -> MoveValue:
        name, word, *more = said
        lasts_us = _lasting_us(more)
        f = [field.name for field in agreement.fields].index(name)
        currency = b""
        holder = agreement.fields[f].currency_field
        if holder is not None:
            currency = more[0].encode().ljust(agreement.layout.columns[holder].width, b"\0")
        value = value_of(agreement.fields[f], word)
        return MoveValue(
            *key,
            f,
            signed_value(agreement, f, value),
            currency,
            reason or "agreed",
            time_us + lasts_us,
        )

    def _sign(self, party: int, kind: OperationKind, body: Body, person: int) -> bytes:
        key = person or ADA
        purpose = Purpose.PUBLISH if key == SYSTEM else Purpose.APPROVE
        return self._sender.operation(party, kind, body, key=key, purpose=purpose)


def _lasting_us(words: list[str]) -> int:
    """How long a motion is open, by `within 30s` behind what is said; takes the words out."""
    if "within" not in words:
        return DAY_US
    place = words.index("within")
    lasts_us = parse_duration(words[place + 1])
    del words[place : place + 2]
    return lasts_us


def signed_value(agreement: Agreement, f: int, value: int | bytes) -> bytes:
    """The bytes of a field as they stand in a row."""
    width = agreement.layout.columns[f].width
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")
    return value.to_bytes(width, "little", signed=True)


VERBS: Final = ("dispute", "undispute", "decide", "reverse", "agree", "disagree")
MOVING: Final = ("decide", "reverse")
"""What opens a motion."""
