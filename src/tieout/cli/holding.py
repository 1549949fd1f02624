"""Who is to hold the roles of an agreement, as people say it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.agreement.model import Agreement
from tieout.cli.outcome import Failure

if TYPE_CHECKING:
    from tieout.engines.embedded.ledger import EmbeddedLedger

Holders = tuple[tuple[int, ...], ...]


def stated_holders(
    ledger: "EmbeddedLedger", agreement: Agreement, stated: Sequence[str], *, as_now: bool = False
) -> Holders:
    """The parties of each role, in order, by ROLE=PARTY; else the party of the role's name.

    `as_now`: a role that the newest version in force has too, is held as it is there, unless stated
    otherwise. Raises Failure and EngineError for what nobody can hold.
    """
    from tieout import kernel
    from tieout.cli.sending import party_number

    named: dict[str, tuple[int, ...]] = {}
    book = ledger.state.newest.get(agreement.name)
    if as_now and book is not None:
        named = dict(zip(book.agreement.roles, book.holders, strict=True))
    said: dict[str, set[int]] = {}
    for each in stated:
        role, mark, party = each.partition("=")
        if not mark or role not in agreement.roles:
            raise Failure(
                f"--holder {each} is not ROLE=PARTY", f"roles: {', '.join(agreement.roles)}"
            )
        said.setdefault(role, set()).add(party_number(ledger, party))
    named |= {role: tuple(sorted(parties)) for role, parties in said.items()}
    names = [party.name for party in kernel.upcoming_parties(ledger.state)]
    for role in agreement.roles:
        if role not in named and role not in names:
            raise Failure(
                f"no party is called {role}, so who holds that role?",
                f"say it with --holder {role}=PARTY; parties: {', '.join(names)}",
            )
    return tuple(named.get(role) or (party_number(ledger, role),) for role in agreement.roles)
