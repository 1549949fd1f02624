"""`tieout member list`, `show`, `changes`: who takes part, with which keys, and what may change."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from tieout import kernel
from tieout.agreement.parse import load_canonical
from tieout.cli.guarding import guarded
from tieout.cli.opening import open_ledger
from tieout.cli.outcome import Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.keyfile import KEYS_FILE
from tieout.engines.keyring import KeyRing, is_valid
from tieout.engines.membership import (
    Course,
    follow,
    in_words,
    member_named,
    open_courses,
    purposes_in_words,
)
from tieout.wire.codes import ChangeStatus
from tieout.wire.members import PutIntoForce

if TYPE_CHECKING:
    from rich.table import Table

    from tieout.kernel import Key, Party

Flag = Annotated[bool, Parameter(negative="")]


class MemberLine(msgspec.Struct, frozen=True):
    """A party, as `--json` prints it. `left` is its last block as a member, 0 while it is one."""

    number: int
    name: str
    persons: tuple[str, ...]
    voting_power: int
    holds: tuple[str, ...]
    left: int


class KeyLine(msgspec.Struct, frozen=True):
    """A key, as `--json` prints it. `until` is the last block in which it signs, 0 without end."""

    number: int
    person: str
    purposes: tuple[str, ...]
    since: int
    until: int
    valid: bool
    here: bool
    public: str


class ChangeLine(msgspec.Struct, frozen=True):
    """A change of members, as `--json` prints it. `effective_from` is 0 while it is undecided.

    `must_agree` are those without whom it cannot be decided; 0 `votes_needed`: nobody else's.
    """

    number: int
    name: str
    status: str
    proposer: str
    does: tuple[str, ...]
    in_favour: tuple[str, ...]
    against: tuple[str, ...]
    not_yet: tuple[str, ...]
    must_agree: tuple[str, ...]
    backtest: str
    votes_needed: int
    effective_from: int
    open_until: int


def list_members(
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    all: Flag = False,  # noqa: A002 - the name of the switch
    json: Flag = False,
) -> int:
    """List the members: who acts for each, which roles it holds, whether its node votes on blocks.

    Parameters
    ----------
    ledger
        The ledger's directory.
    all
        Also parties that have left.
    json
        Print them as JSON.

    """
    with open_ledger(ledger) as opened:
        state = opened.state
        lines = [
            _member(state, party)
            for party in kernel.upcoming_parties(state)
            if all or party.until_height == 0
        ]
        count = sum(party.until_height == 0 for party in kernel.upcoming_parties(state))
        needed, waiting = kernel.votes_needed(state), len(kernel.changes(state))
    if json:
        print_json(lines)
        return Outcome.COMPLETE
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("", "member", "who acts for it", "holds", "voting power", box=SIMPLE_HEAD)
    for line in lines:
        name = f"{line.name} (left after block {line.left})" if line.left else line.name
        power = str(line.voting_power) if line.voting_power else ""
        table.add_row(str(line.number), name, ", ".join(line.persons), ", ".join(line.holds), power)
    _print(table)
    if opened.genesis.rules_version == 1:
        say("rules version 1: these members stay as they are")
    else:
        say(f"a change of members takes {needed} of {count} votes; {waiting} open")
    return Outcome.COMPLETE


def _member(state: kernel.State, party: "Party") -> MemberLine:
    newest = {(name, book.agreement.version) for name, book in state.newest.items()}
    holds = [
        f"{role} of {book.agreement.name}"
        for book in state.books
        if (book.agreement.name, book.agreement.version) in newest
        for role, parties in zip(book.agreement.roles, book.holders, strict=True)
        if party.number in parties
    ]
    power = sum(each.power for each in kernel.validators(state) if each.party == party.number)
    persons = tuple(person.name for person in party.persons)
    left = party.until_height
    return MemberLine(party.number, party.name, persons, power, tuple(holds), left)


def show_member(party: str, /, *, ledger: Ledger = DEFAULT_LEDGER, json: Flag = False) -> int:
    """Show a member's keys: whose they are, what they may sign, in which blocks.

    Parameters
    ----------
    party
        Its name.
    ledger
        The ledger's directory.
    json
        Print them as JSON.

    """
    with open_ledger(ledger) as opened:
        parties = kernel.upcoming_parties(opened.state)
        found = guarded(lambda: member_named(parties, party))
        ring = _ring(opened)
        keys = [
            _key(person.name, key, opened.height + 1, ring)
            for person in found.persons
            for key in person.keys
        ]
        validators = [
            each for each in kernel.validators(opened.state) if each.party == found.number
        ]
        waiting = ring.waiting() if ring is not None else []
    if json:
        print_json(keys)
        return Outcome.COMPLETE
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("key", "of", "may", "in blocks", "now", "here", "public key", box=SIMPLE_HEAD)
    for line in keys:
        table.add_row(
            str(line.number),
            line.person,
            ", ".join(line.purposes),
            f"{line.since} to {line.until}" if line.until else f"{line.since} on",
            "valid" if line.valid else "revoked" if line.until else "not yet",
            "yes" if line.here else "",
            line.public,
        )
    _print(table)
    for each in validators:
        say(f"its node votes on blocks with power {each.power}, by the key {each.public.hex()}")
    if waiting:
        say(f"{len(waiting)} more keys are here that the ledger does not know:"
            f" {', '.join(each.hex() for each in waiting)}")  # fmt: skip
    return Outcome.COMPLETE


def _ring(ledger: EmbeddedLedger) -> KeyRing | None:
    """The private keys here; None where there are none, as in a copy of a ledger."""
    return guarded(lambda: ledger.ring) if (ledger.directory / KEYS_FILE).exists() else None


def _key(person: str, key: "Key", height: int, ring: KeyRing | None) -> KeyLine:
    return KeyLine(
        number=key.number,
        person=person,
        purposes=tuple(purposes_in_words([purpose]) for purpose in key.purposes),
        since=key.from_height,
        until=key.until_height,
        valid=is_valid(key, height),
        here=ring is not None and ring.holds(key.public),
        public=key.public.hex(),
    )


def changes(
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    all: Flag = False,  # noqa: A002 - the name of the switch
    json: Flag = False,
) -> int:
    """List the changes of members that are open: what they would do, and who has voted how.

    Parameters
    ----------
    ledger
        The ledger's directory.
    all
        Also those that took effect, were refused, have expired or were superseded.
    json
        Print them as JSON.

    """
    with open_ledger(ledger) as opened:
        found = open_courses(opened.state)
        if all:
            found = {}
            guarded(lambda: follow(opened.journal.entries(), found))
        lines = [change_line(opened.state, course) for course in found.values()]
    if json:
        print_json(lines)
    elif not lines:
        say("no change of members is open" if not all else "no change of members was proposed")
    else:
        for line in lines:
            tell_change(line, print)
    return Outcome.COMPLETE


def change_line(state: kernel.State, course: Course) -> ChangeLine:
    """A change in words and names."""
    parties = kernel.upcoming_parties(state)
    voted = (*course.in_favour, *course.against)
    is_proposed = course.status is ChangeStatus.PROPOSED
    needed = kernel.votes_needed(state, course.body.steps)
    asked = kernel.must_agree_to(state, course.body.steps) if is_proposed else ()
    waiting = [
        each.name
        for each in parties
        if each.until_height == 0 and each.number not in voted and (needed or each.number in asked)
    ]
    return ChangeLine(
        number=course.number,
        name=course.name.hex(),
        status=course.status.name.lower(),
        proposer=parties[course.proposer - 1].name,
        does=tuple(in_words(state, course.body.steps)),
        in_favour=tuple(parties[number - 1].name for number in course.in_favour),
        against=tuple(parties[number - 1].name for number in course.against),
        backtest=_backtest(state, course) if is_proposed else "",
        must_agree=tuple(parties[number - 1].name for number in asked if number not in voted),
        not_yet=tuple(waiting) if is_proposed else (),
        votes_needed=needed,
        effective_from=course.due_height,
        open_until=course.body.expires_height,
    )


def _backtest(state: kernel.State, course: Course) -> str:
    """The command that tries what a change would put into force; empty when there is nothing."""
    texts = [step.agreement for step in course.body.steps if isinstance(step, PutIntoForce)]
    is_next = any(load_canonical(text).name in state.newest for text in texts)
    return f"tieout agreement backtest --change {course.number}" if is_next else ""


def tell_change(line: ChangeLine, write: Callable[[str], None]) -> None:
    """A change, for people."""
    write(f"change {line.number}, proposed by {line.proposer}: {_standing(line)}")
    for does in line.does:
        write(f"  {does}")
    if line.status == ChangeStatus.PROPOSED.name.lower():
        needed = (
            f"{votes(line.votes_needed)} needed"
            if line.votes_needed
            else "all whom it concerns are needed"
        )
        write(f"  in favour: {', '.join(line.in_favour)}; {needed}")
        if line.against:
            write(f"  against: {', '.join(line.against)}")
        if line.must_agree and line.votes_needed:
            write(f"  must agree itself: {', '.join(line.must_agree)}")
        write(f"  not voted yet: {', '.join(line.not_yet)}; may vote until block {line.open_until}")
        if line.backtest:
            write(f"  try it on what is recorded: `{line.backtest}`")


def votes(count: int) -> str:
    """So many votes."""
    return f"{count} vote is" if count == 1 else f"{count} votes are"


def _standing(line: ChangeLine) -> str:
    match line.status:
        case "proposed":
            return "waits for votes"
        case "scheduled":
            return f"decided, holds from block {line.effective_from} on"
        case "effective":
            return f"holds since block {line.effective_from}"
        case "refused":
            return f"refused by {', '.join(line.against)}"
        case "expired":
            return f"not decided by block {line.open_until}"
        case _:
            return "can no longer be done"


def _print(table: "Table") -> None:
    from rich.console import Console

    console = Console()
    width = console.width if console.is_terminal else max(console.width, 160)
    Console(width=width).print(table)
