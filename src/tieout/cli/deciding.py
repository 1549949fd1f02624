"""`tieout dispute`, `decide`, `reverse`, `vote`: what people do about one transaction."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter
from msgspec.structs import replace

from tieout import kernel
from tieout.cli.guarding import guarded
from tieout.cli.opening import find_transaction, open_ledger
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.connectors.csv_read import PLAIN
from tieout.connectors.values import value_bytes
from tieout.engines.embedded.ledger import EmbeddedLedger, read_genesis
from tieout.engines.membership import member_named
from tieout.units.durations import parse_duration
from tieout.units.errors import UnitsError
from tieout.units.ids import check_code
from tieout.wire.codes import BreakKind, OperationKind, Purpose
from tieout.wire.operations import (
    AboutTransaction,
    Body,
    Dispute,
    MoveReversal,
    MoveValue,
    VoteOnMotion,
    WithdrawDispute,
)

if TYPE_CHECKING:
    from tieout.agreement.model import Agreement

Flag = Annotated[bool, Parameter(negative="")]
Files = Annotated[tuple[Path, ...], Parameter(negative="")]
Person = Annotated[str, Parameter(name=["--as"])]
Key = tuple[str, int, str, int]
"""A transaction at one stage: agreement, originator, id, and the number of the stage."""
Make = Callable[[EmbeddedLedger, "Agreement", Key, int], Body]
OPEN_FOR = "7d"
"""How long a motion may be voted on, where nobody says."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which transaction is meant, where its id alone does not say, and what is printed."""

    party: str | None = None
    """Whose person it is; without it the node's party at a consortium's node, and in a dispute the
    party of the role."""
    agreement: str | None = None
    """The agreement under which it was published, where the id stands under several."""
    originator: int = 0
    """The party in whose numbering the id counts."""
    stage: str | None = None
    """The stage that is meant; where the agreement has stages it has to be named."""
    ledger: Ledger = DEFAULT_LEDGER
    """The ledger's directory."""
    json: Flag = False
    """Print how the transaction stands then as JSON."""


DEFAULT_WHERE = Where()


class _Act(NamedTuple):
    """Something that a person does about a transaction: what is signed, and about which one."""

    transaction: str
    where: Where
    party: str | None
    person: str
    kind: OperationKind
    make: Make


def dispute(
    transaction: str,
    /,
    *,
    role: str,
    person: Person,
    reason: str = "",
    evidence: Files = (),
    withdraw: Flag = False,
    where: Where = DEFAULT_WHERE,
) -> int:
    """Dispute a transaction for a role, signed with a personal key; or withdraw the dispute.

    Parameters
    ----------
    transaction
        Its id.
    role
        The role for which the party objects.
    person
        Who objects: a person of the party.
    reason
        Why; it is kept on the ledger.
    evidence
        A file whose SHA-256 is kept on the ledger; once for each, at most 16.
    withdraw
        Withdraw the party's dispute.
    where
        The transaction more closely, and the ledger.

    """
    if not withdraw and not reason:
        raise Failure("a dispute needs a reason", "say why with --reason TEXT")
    digests = tuple(_digest(path) for path in evidence)

    def make(_ledger: EmbeddedLedger, terms: "Agreement", key: Key, _now_us: int) -> Body:
        number = _place(role, terms.roles, "role")
        if withdraw:
            return WithdrawDispute(*key[:3], number, reason)
        return Dispute(*key[:3], number, reason, digests)

    kind = OperationKind.WITHDRAW_DISPUTE if withdraw else OperationKind.DISPUTE
    return _done(_Act(transaction, where, where.party or role, person, kind, make))


def decide(
    transaction: str,
    field: str,
    value: str,
    currency: str = "",
    /,
    *,
    person: Person,
    reason: str,
    open_for: str = OPEN_FOR,
    where: Where = DEFAULT_WHERE,
) -> int:
    """Move that a value stand for a field; the other parties of the transaction vote on it.

    Parameters
    ----------
    transaction
        Its id.
    field
        The field.
    value
        The value that should stand.
    currency
        Its currency, for money whose currency is a field.
    person
        Who moves it: a person of a party of the transaction.
    reason
        Why; it is kept on the ledger.
    open_for
        How long it may be voted on, such as `12h`.
    where
        The transaction more closely, and the ledger.

    """
    lasts_us = _lasting_us(open_for)

    def make(_ledger: EmbeddedLedger, terms: "Agreement", key: Key, now_us: int) -> Body:
        number = _place(field, tuple(each.name for each in terms.fields), "field")
        signed = _signed(terms, number, value, currency)
        return MoveValue(*key[:3], number, *signed, reason, now_us + lasts_us)

    kind = OperationKind.MOVE_VALUE
    return _done(_Act(transaction, where, where.party, person, kind, make))


def reverse(
    transaction: str,
    /,
    *,
    person: Person,
    reason: str,
    open_for: str = OPEN_FOR,
    where: Where = DEFAULT_WHERE,
) -> int:
    """Move that a transaction that ties out be reversed; all of its parties must agree.

    Parameters
    ----------
    transaction
        Its id.
    person
        Who moves it: a person of a party of the transaction.
    reason
        Why; it is kept on the ledger.
    open_for
        How long it may be voted on, such as `12h`.
    where
        The transaction more closely, and the ledger.

    """
    lasts_us = _lasting_us(open_for)

    def make(_ledger: EmbeddedLedger, _terms: "Agreement", key: Key, now_us: int) -> Body:
        return MoveReversal(*key[:3], reason, now_us + lasts_us)

    kind = OperationKind.MOVE_REVERSAL
    return _done(_Act(transaction, where, where.party, person, kind, make))


def vote(
    transaction: str,
    /,
    *,
    person: Person,
    against: Flag = False,
    reason: str = "",
    where: Where = DEFAULT_WHERE,
) -> int:
    """Vote on the open motion about a transaction, signed with a personal key.

    Parameters
    ----------
    transaction
        Its id.
    person
        Who votes: a person of a party of the transaction.
    against
        Vote against it.
    reason
        Why; it is kept on the ledger.
    where
        The transaction more closely, and the ledger.

    """

    def make(opened: EmbeddedLedger, _terms: "Agreement", key: Key, _now_us: int) -> Body:
        motion = _motion(opened, key)
        if motion is None:
            raise Failure(
                "no motion about this transaction is open",
                "`tieout decide` and `tieout reverse` move one",
            )
        return VoteOnMotion(*key[:3], motion.name, not against, reason)

    kind = OperationKind.VOTE_ON_MOTION
    return _done(_Act(transaction, where, where.party, person, kind, make))


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error


def _lasting_us(text: str) -> int:
    try:
        return parse_duration(text)
    except UnitsError as error:
        raise Failure(f"--open-for: {error}", "write a duration, such as 12h or 7d") from error


def _done(act: _Act) -> int:
    """Put it on the ledger, and say how the transaction stands then."""
    genesis = guarded(lambda: read_genesis(act.where.ledger))
    if genesis.operator:
        _alone(act)
    else:
        _through_node(act)
    with open_ledger(act.where.ledger) as opened:
        facts = _facts(opened, *_about(opened, act))
    if act.where.json:
        print_json(facts)
    else:
        motion, disputed = facts["motion"], facts["disputed_for"]
        more = (
            f"; disputed for {', '.join(disputed)}"
            if isinstance(disputed, list) and disputed
            else ""
        )
        if isinstance(motion, dict):
            more += f"; a motion is open: {len(motion['in_favour'])} in favour"
        at = f" at {facts['stage']}" if "stage" in facts else ""
        say(f"{act.transaction}{at}: {facts['status']}{more}")
    return Outcome.COMPLETE


def _alone(act: _Act) -> None:
    with open_ledger(act.where.ledger, read_only=False) as opened:
        if act.party is None:
            raise Failure("whose person is that?", "name the party with --party NAME")
        number = _party(opened, act)
        now_us = max(time.time_ns() // 1_000, opened.time_us)
        body = _body(opened, act, now_us)
        guarded(
            lambda: opened.operate(
                number, act.kind, Purpose.APPROVE, body, now_us, person=act.person
            )
        )


def _through_node(act: _Act) -> None:
    """Several parties order the ledger: the node of the person's party submits it."""
    from tieout.cli.sending import at_node, operate, party_name

    with at_node(act.where.ledger) as (sender, opened):
        if act.party is not None and _party(opened, act) != sender.party:
            raise Failure(
                f"this is the node of {party_name(opened, sender.party)}",
                "a party's people act at its own node",
            )
        now_us = max(time.time_ns() // 1_000, opened.time_us)
        body = _body(opened, act, now_us)
        operate(sender, act.kind, Purpose.APPROVE, body, act.person)


def _body(ledger: EmbeddedLedger, act: _Act, now_us: int) -> Body:
    """What is signed, about the transaction at its stage (R-STAGE-8)."""
    terms, key = _about(ledger, act)
    body = act.make(ledger, terms, key, now_us)
    if not isinstance(body, AboutTransaction):
        raise TypeError(f"{type(body).__name__} is about no transaction")
    return replace(body, stage=key[3])


def _about(ledger: EmbeddedLedger, act: _Act) -> tuple["Agreement", Key]:
    """The agreement of a transaction, and its key. Raises Failure when there is none."""
    name = find_transaction(ledger, act.where.agreement, act.where.originator, act.transaction)
    key = act.transaction.encode("utf-8", "surrogateescape")
    spoken = kernel.timeline(ledger.state, name, act.where.originator, key)
    terms = ledger.state.books[spoken[0].agreement - 1].agreement
    return terms, (
        name,
        act.where.originator,
        act.transaction,
        _stage(terms, act.where.stage, spoken),
    )


def _stage(terms: "Agreement", wanted: str | None, spoken: tuple[kernel.Transaction, ...]) -> int:
    """The number of the stage that is meant: which one it is, is never guessed."""
    names = [each.name for each in terms.stages]
    if not names:
        if wanted is not None:
            raise Failure(f"{terms.name} has no stages", "leave --stage out")
        return 0
    stand = ", ".join(f"{names[each.stage]} ({each.status.name.lower()})" for each in spoken)
    if wanted is None:
        raise Failure(f"which stage? it stands at {stand}", "name one with --stage NAME")
    if wanted not in {names[each.stage] for each in spoken}:
        raise Failure(f"it does not stand at '{wanted}'", f"it stands at {stand}")
    return names.index(wanted)


def _transaction(ledger: EmbeddedLedger, key: Key) -> kernel.Transaction | None:
    name, originator, transaction, stage = key
    return kernel.transaction(ledger.state, name, originator, transaction.encode(), stage)


def _party(ledger: EmbeddedLedger, act: _Act) -> int:
    """The number of who acts: a party's name, or that of a role, for the party bound to it."""
    terms, key = _about(ledger, act)
    name = act.party or ""
    found = _transaction(ledger, key)
    if name in terms.roles and found is not None:
        bound = found.roles[terms.roles.index(name)].party
        if bound:
            return bound
    return guarded(lambda: member_named(kernel.parties(ledger.state), name)).number


def _facts(ledger: EmbeddedLedger, terms: "Agreement", key: Key) -> dict[str, object]:
    found = _transaction(ledger, key)
    motion = _motion(ledger, key)
    return {
        "transaction_id": key[2],
        **({"stage": terms.stages[key[3]].name} if terms.stages else {}),
        "agreement": key[0],
        "status": found.status.name.lower() if found else "",
        "disputed_for": [
            role
            for role, standing in zip(terms.roles, found.roles if found else (), strict=False)
            if BreakKind.DISPUTED in standing.whole_record_breaks
        ],
        "motion": None
        if motion is None
        else {
            "name": motion.name.hex(),
            "field": terms.fields[motion.place].name if motion.place < len(terms.fields) else "",
            "reason": motion.reason,
            "in_favour": [kernel.parties(ledger.state)[n - 1].name for n in motion.in_favour],
            "against": [kernel.parties(ledger.state)[n - 1].name for n in motion.against],
        },
    }


def _motion(ledger: EmbeddedLedger, key: Key) -> kernel.Motion | None:
    """The open motion about a transaction."""
    found = _transaction(ledger, key)
    return kernel.open_motion(ledger.state, found.agreement, found.serial) if found else None


def _place(name: str, known: tuple[str, ...], what: str) -> int:
    if name not in known:
        raise Failure(f"there is no {what} '{name}'", f"there are: {', '.join(known)}")
    return known.index(name)


def _signed(terms: "Agreement", f: int, text: str, currency: str) -> tuple[bytes, bytes]:
    """The bytes of a value and of its currency, as they stand in a row. Raises Failure."""
    field, columns = terms.fields[f], terms.layout.columns
    holder = field.currency_field
    try:
        value = value_bytes(text, field, columns[f], PLAIN)
        if holder is None and not currency:
            return value, b""
        if holder is None or not currency:
            has = "is a field: name one" if holder is not None else "is fixed, or there is none"
            raise Failure(f"the currency of {field.name} {has}")
        width = columns[holder].width
        return value, _padded_code(currency, width)
    except UnitsError as error:
        raise Failure(f"{field.name} cannot be {text} {currency}: {error}") from error


def _padded_code(text: str, width: int) -> bytes:
    """A code as it stands in a row. Raises UnitsError."""
    return check_code(text, width).ljust(width, b"\0")
