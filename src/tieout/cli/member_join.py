"""`tieout member apply`, `admit`, `validator`: who wants to join, is let in, and orders blocks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from tieout import kernel
from tieout.cli.governing import WEEK_OF_BLOCKS, propose
from tieout.cli.guarding import guarded
from tieout.cli.member import As, At, Flag, OpenFor, public_key, told
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.engines.applying import Application, apply, read_application, take_in
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.membership import member_named
from tieout.wire.members import SetValidator, Step

if TYPE_CHECKING:
    from tieout.kernel import Party

DEFAULT_POWER = 10
"""What `tieout network init` gives each validator."""
Power = Annotated[int, Parameter(validator=Number(gte=0))]


def apply_for(
    name: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    directory: Ledger,
) -> int:
    """Make the keys of a party that wants to join, and an application without the private halves.

    Hand the application to a member, who proposes to admit the party. The directory is the party's
    own: it keeps the keys, and is that of its node where it has one.

    Parameters
    ----------
    name
        What the party is called on the ledger.
    output
        Where to write the application.
    directory
        Where the keys are kept.

    """
    from tieout.engines.cometbft.settings import validator_key

    public = guarded(lambda: validator_key(directory)) or b""
    application = guarded(lambda: apply(directory, name, public.hex()))
    try:
        output.write_bytes(application.to_bytes())
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}") from error
    node = "with its node's key" if application.validator else "without a node"
    say(f"{output}: {name} applies, {node}; the private keys are in {directory}")
    say(f"  a member proposes it: tieout member admit {output}")
    return Outcome.COMPLETE


def admit(
    applicant: str,
    /,
    *,
    power: Power = DEFAULT_POWER,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Propose to admit a party that has applied; its node votes on blocks if it has one.

    Parameters
    ----------
    applicant
        The application that `tieout member apply` wrote. On a ledger of one operator also the name
        of a party: its keys are made here.
    power
        The voting power of its node; 0: its node only follows.
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
    path = Path(applicant)
    stated = guarded(lambda: read_application(path)) if path.is_file() else None

    def steps(opened: EmbeddedLedger, _own: "Party") -> list[Step]:
        parties = kernel.upcoming_parties(opened.state)
        application: Application
        if stated is not None:
            application = stated
        elif opened.genesis.operator:
            if any(each.name == applicant and each.until_height == 0 for each in parties):
                raise EngineError(f"{applicant} is a member already")
            application = take_in(opened.ring.store, applicant, len(parties) + 1)
        else:
            raise EngineError(
                f"there is no application {applicant}",
                "the party writes one: tieout member apply NAME -o FILE --directory DIR",
            )
        return application.steps(len(parties) + 1, power)

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)


def validator(
    power: Power,
    /,
    *,
    of: str | None = None,
    public: str | None = None,
    at: At = 0,
    open_for: OpenFor = WEEK_OF_BLOCKS,
    party: As = None,
    ledger: Ledger = DEFAULT_LEDGER,
    json: Flag = False,
) -> int:
    """Propose with which power a member's node votes on blocks; 0: it only follows.

    Parameters
    ----------
    power
        The voting power from then on.
    of
        The member whose node it is; the party's own otherwise.
    public
        The node's key, 64 hex digits; the one with which the member's node votes now otherwise.
    at
        The first block for which it holds; the one after the last vote otherwise.
    open_for
        For how many blocks it may be voted on.
    party
        Who proposes it; the operator, or whose node this is, otherwise.
    ledger
        The directory of the party's node.
    json
        Print the change as JSON.

    """
    stated = None if public is None else public_key(public)

    def steps(opened: EmbeddedLedger, own: "Party") -> list[Step]:
        whose = own if of is None else member_named(kernel.upcoming_parties(opened.state), of)
        voting = [
            each.public for each in kernel.validators(opened.state) if each.party == whose.number
        ]
        if stated is None and len(voting) != 1:
            raise EngineError(
                f"{len(voting)} keys of {whose.name} vote on blocks", "name one with --public"
            )
        chosen = voting[0] if stated is None else stated
        return [SetValidator(whose.number, chosen, power)]

    return told(ledger, propose(ledger, party, steps, at, open_for), as_json=json)
