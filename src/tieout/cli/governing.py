"""Putting a change of members, or a vote, on a ledger: alone, or through the party's node."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tieout import kernel
from tieout.cli.guarding import guarded
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Failure
from tieout.cli.output import say
from tieout.cli.runmark import read_mark
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.membership import Course, follow, member_named, open_courses
from tieout.engines.publisher import Publisher
from tieout.kernel import Party
from tieout.wire.codes import ChangeStatus, ItemOutcome, OperationKind, Purpose
from tieout.wire.members import ProposeChange, Step, Vote
from tieout.wire.operations import parse_operation

WEEK_OF_BLOCKS = 7 * 24 * 3600
"""How long a change may be voted on, where nobody says; an idle network makes a block a second."""

HOLDS_WITHIN_S = 5.0
"""How long the block after a decision is waited for, so that what is said of it is that it holds;
an idle network makes one a second."""
_POLL_S = 0.1

Make = Callable[[EmbeddedLedger, Party], ProposeChange | Vote]
_WHY = {
    ItemOutcome.KEY_NOT_VALID: "the key that signed it signs nothing in this block any more",
    ItemOutcome.MALFORMED_CHANGE: "it does not hold together",
    ItemOutcome.NOT_APPLICABLE: "as things are now it cannot be done",
    ItemOutcome.TOO_MANY_CHANGES: "this party has 16 open changes",
    ItemOutcome.NO_EFFECT: "it was asked for, or voted on, already",
    ItemOutcome.UNKNOWN_MEMBER: "it names a member, a person or a key that there is not",
    ItemOutcome.UNKNOWN_CHANGE: "no such change is open",
    ItemOutcome.NOT_ENTITLED: "it is about an agreement that does not concern this party",
    ItemOutcome.MALFORMED_AGREEMENT: "the agreement cannot work with those who hold its roles",
    ItemOutcome.WRONG_VERSION: "another version of the agreement has come first",
}


class _Sent(NamedTuple):
    """A signed operation on the ledger: its block, and whose it is."""

    name: bytes
    height: int
    outcome: ItemOutcome


class _Put(NamedTuple):
    """What was sent, and what was open before it: after the block of that height."""

    sent: _Sent
    height: int
    known: dict[int, Course]


def propose(
    directory: Path,
    party: str | None,
    steps: Callable[[EmbeddedLedger, Party], list[Step]],
    effective_height: int,
    open_for: int,
) -> Course:
    """Propose the change that these steps make, and say what became of it so far.

    `steps` are made for whoever proposes. Raises Failure.
    """

    def make(ledger: EmbeddedLedger, proposer: Party) -> ProposeChange:
        expires_height = ledger.height + open_for
        return ProposeChange(tuple(steps(ledger, proposer)), effective_height, expires_height)

    return _put(directory, party, OperationKind.PROPOSE_CHANGE, make)


def vote(directory: Path, party: str | None, number: int, *, in_favour: bool) -> Course:
    """Vote on an open change, and say what became of it so far. Raises Failure."""

    def make(ledger: EmbeddedLedger, _voter: Party) -> Vote:
        for change in kernel.changes(ledger.state):
            if change.number == number:
                return Vote(change.name, in_favour)
        raise EngineError(
            f"no change {number} is open", "`tieout member changes` lists those that are"
        )

    return _put(directory, party, OperationKind.VOTE, make, number)


def acting_party(ledger: EmbeddedLedger, name: str | None) -> Party:
    """Who acts: the party of that name, else the operator, else whose node this is.

    Raises EngineError, also where members never change.
    """
    if ledger.genesis.rules_version == 1:
        raise EngineError(
            "the members of this ledger are those of its genesis for ever: it is of rules version"
            " 1",
            "begin another ledger with --ledger DIR; ledgers that are begun now can change theirs",
        )
    parties = kernel.upcoming_parties(ledger.state)
    if name is not None:
        return member_named(parties, name)
    held = ledger.ring.parties
    if ledger.genesis.operator in held:
        return parties[ledger.genesis.operator - 1]
    if not held:
        raise EngineError("no key here is of a member", "use the directory that holds one")
    return parties[held[0] - 1]


def _put(
    directory: Path, party: str | None, kind: OperationKind, make: Make, number: int = 0
) -> Course:
    """Sign, put on the ledger, and tell what became of the change of that number, or a new one."""
    with open_ledger(directory) as opened:
        is_alone = opened.genesis.operator != 0
    way = _alone if is_alone else _through_node
    put = guarded(lambda: way(directory, party, kind, make))
    sent = put.sent
    if sent.outcome is not ItemOutcome.ACCEPTED:
        raise Failure(
            f"the ledger refused it: {_WHY.get(sent.outcome, sent.outcome.name.lower())}",
            "`tieout member changes` says what is open, `tieout member show PARTY` which keys are"
            " valid",
        )
    if is_alone:  # the next block comes with the next command
        return _course(directory, put, number)
    return _course(directory, put, number, time.monotonic() + HOLDS_WITHIN_S)


def _course(directory: Path, put: _Put, number: int, until_s: float = 0.0) -> Course:
    """What became of it; what holds from the very next block on is waited for, until then."""
    height = put.height
    while True:
        with open_ledger(directory) as after:
            blocks = after.journal.entries(height + 1, after.height)
            guarded(lambda blocks=blocks: follow(blocks, put.known))  # type: ignore[misc]
            height = after.height
        found = [
            each
            for each in put.known.values()
            if each.number == number or each.name == put.sent.name
        ]
        if not found:
            why = f"block {put.sent.height} does not tell of it"
            raise Failure(why, "look with `tieout audit`")
        is_next = found[0].due_height == put.sent.height + 1
        is_waiting = found[0].status is ChangeStatus.SCHEDULED and is_next
        if not is_waiting or time.monotonic() >= until_s:
            return found[0]
        time.sleep(_POLL_S)


def _alone(directory: Path, party: str | None, kind: OperationKind, make: Make) -> _Put:
    with EmbeddedLedger.open(directory) as ledger:
        height, known = ledger.height, open_courses(ledger.state)
        signer = acting_party(ledger, party)
        publisher = ledger.publisher(signer.number)
        signed = publisher.operation(kind, Purpose.GOVERN, make(ledger, signer))
        # A run that was interrupted, perhaps by the very key, goes on with its own time.
        is_under_way = read_mark(directory) is not None
        now_us = 1 if is_under_way else time.time_ns() // 1_000
        result = ledger.apply([signed], max(now_us, ledger.time_us))
        ledger.sync()
        name = parse_operation(signed).digest()
        return _Put(_Sent(name, ledger.height, result.items[0].outcome), height, known)


def _through_node(directory: Path, party: str | None, kind: OperationKind, make: Make) -> _Put:
    from tieout.engines.cometbft.office import OFFICE_STREAM, Office

    with Office(directory) as office:
        # First: what is asked for now is made for the members that there are after it.
        left = office.finish()
        if left is not None:
            say(f"what an interrupted command had signed is in block {left.height}:"
                f" {left.outcome.name.lower().replace('_', ' ')}")  # fmt: skip
        with EmbeddedLedger.open(directory, read_only=True) as ledger:
            height, known = ledger.height, open_courses(ledger.state)
            signer = acting_party(ledger, party)
            body = make(ledger, signer)

            def sign(sequence: int) -> bytes:
                publisher = Publisher(ledger.ring, signer.number, OFFICE_STREAM, sequence)
                return publisher.operation(kind, Purpose.GOVERN, body)

            return _Put(_Sent(*office.operate(signer.number, sign)), height, known)
