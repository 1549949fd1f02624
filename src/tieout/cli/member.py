"""`tieout member vote`, `rotate`, `add-key`, `revoke`, `remove`, `holders`: asking for changes.

What concerns a party's own persons and keys holds without anybody's vote (R-MEMBER-5); everything
else is proposed, and voted on.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout import kernel
from tieout.cli.governing import WEEK_OF_BLOCKS, propose, vote
from tieout.cli.member_look import change_line, tell_change
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.keyring import is_valid
from tieout.engines.membership import (
    Course,
    further_key,
    key_numbered,
    member_named,
    new_holders,
    next_key_number,
    rotation,
)
from tieout.wire.codes import ChangeStatus, Purpose
from tieout.wire.members import Remove, RevokeKey, SetValidator, Step

if TYPE_CHECKING:
    from tieout.kernel import Party

Flag = Annotated[bool, Parameter(negative="")]
As = Annotated[str | None, Parameter(name=["--as"])]
At = Annotated[int, Parameter(validator=Number(gte=0))]
OpenFor = Annotated[int, Parameter(validator=Number(gte=1))]


def vote_on(
    change: int,
    /,
    *,
    against: Flag = False,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Vote on a change of members that another party proposed. Each member votes once.

    Parameters
    ----------
    change
        Its number, as `tieout member changes` shows it.
    against
        Vote against it; in favour otherwise.
    party
        Who votes; the operator, or whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change afterwards as JSON.

    """
    return told(ledger, vote(ledger, party, change, in_favour=not against), as_json=json)


def rotate(
    key: int | None = None,
    /,
    *,
    node: Flag = False,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Give a person or system of the party a new key, and end the old one at the same block.

    The new key is kept beside the others before the ledger hears of it. Needs no votes, but for the
    key with which the party's node votes on blocks.

    Parameters
    ----------
    key
        The number of the key; the one with which the party's system publishes otherwise.
    node
        The key with which the party's node votes on blocks: it is another affair of all members.
    at
        The first block in which the new key signs; the next one otherwise.
    open_for
        For how many blocks it may be voted on, where it needs votes.
    party
        Whose key; the operator's, or of whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """
    if node and key is not None:
        raise Failure("a node's key has no number", f"leave {key} or --node out")

    def steps(opened: EmbeddedLedger, own: "Party") -> list[Step]:
        if node:
            return _node_rotation(opened, own)
        number = key if key is not None else _publishing_key(opened, own)
        new_number = next_key_number(opened.state, own.number)
        person, old = key_numbered(own, number)
        if not is_valid(old, opened.height + 1):
            raise EngineError(f"key {number} of {own.name} signs nothing any more")
        public = _new_key(opened, own, person.number, new_number)
        return rotation(own, number, new_number, public, opened.height + 1)

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def _node_rotation(ledger: EmbeddedLedger, party: "Party") -> list[Step]:
    """The next key of the party's node votes with the power of those it has now."""
    from tieout.engines.cometbft.settings import make_next_validator_key

    voting = [each for each in kernel.validators(ledger.state) if each.party == party.number]
    if not voting:
        raise EngineError(
            f"the node of {party.name} votes on no blocks",
            "propose that it does: tieout member validator POWER --public KEY",
        )
    public = make_next_validator_key(ledger.directory)
    power = sum(each.power for each in voting)
    return [
        *(SetValidator(party.number, each.public, 0) for each in voting),
        SetValidator(party.number, public, power),
    ]


def _publishing_key(ledger: EmbeddedLedger, party: "Party") -> int:
    purpose = Purpose.PUBLISH
    if party.number == ledger.genesis.operator:
        purpose = Purpose.CHECKPOINT
    return ledger.ring.signer(party.number, purpose)[0]


def _new_key(ledger: EmbeddedLedger, party: "Party", person: int, number: int) -> bytes:
    """Make a key and keep it; its public half."""
    return ledger.ring.store.make(party.number, person, number)


def add(
    person: str,
    /,
    *,
    purpose: Annotated[tuple[str, ...], Parameter(negative="")],
    public: str | None = None,
    of: str | None = None,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Give a person of the party a further key. Somebody new acts for the party from then on.

    Parameters
    ----------
    person
        Who gets it: somebody who acts for the party, or the name of somebody new.
    purpose
        What it may sign: publish, approve, govern or checkpoint. May be repeated.
    public
        The public half of a key that the person made, 64 hex digits. Without it a key is made here.
    of
        For which member the person acts; the party itself otherwise. Others' keys need votes.
    at
        The first block in which it signs; the next one otherwise.
    open_for
        For how many blocks it may be voted on, where it needs votes.
    party
        Who asks; the operator, or whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """
    purposes = [_purpose(each) for each in purpose]
    stated = None if public is None else public_key(public)

    def steps(opened: EmbeddedLedger, own: "Party") -> list[Step]:
        whose = own if of is None else member_named(kernel.upcoming_parties(opened.state), of)
        number = next_key_number(opened.state, whose.number)
        numbers = {each.name: each.number for each in whose.persons}
        who = numbers.get(person, len(whose.persons) + 1)
        key = _new_key(opened, whose, who, number) if stated is None else stated
        return further_key(whose, person, number, key, purposes)

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def _purpose(name: str) -> Purpose:
    try:
        return Purpose[name.upper()]
    except KeyError as error:
        known = ", ".join(each.name.lower() for each in Purpose)
        raise Failure(f"--purpose {name}: there is no such purpose", f"write {known}") from error


def public_key(text: str) -> bytes:
    """A public key from its hex digits. Raises Failure."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Failure(f"{text} is no public key", "it has 64 hex digits") from error


def revoke(
    key: int,
    /,
    *,
    of: str | None = None,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """End a key: it signs nothing from then on. Of the party's own keys at once, without votes.

    Parameters
    ----------
    key
        Its number, as `tieout member show` lists it.
    of
        The member whose key it is; the party's own otherwise.
    at
        The first block in which it signs nothing; the next one otherwise.
    open_for
        For how many blocks it may be voted on, where it needs votes.
    party
        Who asks; the operator, or whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """

    def steps(opened: EmbeddedLedger, own: "Party") -> list[Step]:
        whose = own if of is None else member_named(kernel.upcoming_parties(opened.state), of)
        key_numbered(whose, key)
        return [RevokeKey(whose.number, key)]

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def remove(
    member: str,
    /,
    *,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Propose that a member leaves: it signs nothing, orders nothing and holds nothing any more.

    Parameters
    ----------
    member
        Its name; one's own to leave oneself.
    at
        The first block without it; the one after the last vote otherwise.
    open_for
        For how many blocks it may be voted on.
    party
        Who proposes it; the operator, or whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """

    def steps(opened: EmbeddedLedger, _own: "Party") -> list[Step]:
        return [Remove(member_named(kernel.upcoming_parties(opened.state), member).number)]

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def holders(
    agreement: str,
    role: str,
    /,
    *parties: str,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Propose who may hold a role of an agreement from then on. Whoever is new to it must agree.

    Parameters
    ----------
    agreement
        Its name.
    role
        The role, as the agreement names it.
    parties
        The members that may hold it.
    at
        The first block for which it holds; the one after the last vote otherwise.
    open_for
        For how many blocks it may be voted on.
    party
        Who proposes it; the operator, or whose node this is, otherwise.
    ledger
        The ledger's directory.
    json
        Print the change as JSON.

    """
    if not parties:
        raise Failure(f"who holds {role}?", "name at least one member")

    def steps(opened: EmbeddedLedger, _own: "Party") -> list[Step]:
        return new_holders(opened.state, agreement, role, parties)

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def told(directory: Path, course: Course, *, as_json: bool) -> int:
    """Say what became of a change so far. Exit code 0 while it may still come about, or has."""
    with open_ledger(directory) as opened:
        line = change_line(opened.state, course)
    if as_json:
        print_json(line)
    else:
        tell_change(line, say)
    failed = (ChangeStatus.REFUSED, ChangeStatus.EXPIRED, ChangeStatus.SUPERSEDED)
    return Outcome.INCOMPLETE if course.status in failed else Outcome.COMPLETE
