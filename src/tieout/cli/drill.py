"""`tieout drill`: which records differ, found by exchanging hashes of ever smaller parts.

One side is a party's own file, read through the agreement; the other side is what a ledger holds of
a role. Questions and answers are the bytes of docs/formats/set-hash.md, whoever carries them, so
what is said to be exchanged is what a network would carry.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from tieout.cli.files import read_agreement, read_text
from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.cli.reading import reading_of

if TYPE_CHECKING:
    from tieout.agreement.model import Agreement
    from tieout.cli.filing import FiledRole
    from tieout.cli.intake import Rows
    from tieout.kernel.holdings import Holding
    from tieout.merkle.settree import SetTree

Flag = Annotated[bool, Parameter(negative="")]
END_US = (1 << 62) - 1


class Drilled(msgspec.Struct, frozen=True):
    """The result, as `--json` prints it; ids by code point."""

    here: int
    there: int
    changed: list[str]
    only_here: list[str]
    only_there: list[str]
    complete: bool
    questions: int
    bytes_exchanged: int
    seconds: float


def drill(
    agreement: Path,
    /,
    *files: str,
    mapping: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    ledger: Ledger = DEFAULT_LEDGER,
    against: str | None = None,
    after: str | None = None,
    until: str | None = None,
    url: str | None = None,
    token_file: Path | None = None,
    json: Flag = False,
) -> int:
    """Find the records in which a file and a ledger differ, by exchanging hashes.

    Parameters
    ----------
    agreement
        The agreement (TOML); this version must be in force.
    files
        ROLE=FILE: what the role's books hold.
    mapping
        ROLE=FILE: how the columns are to be read (TOML, docs/mapping.md).
    ledger
        The ledger's directory.
    against
        Another role, with whose records on the ledger the file is compared, in the fields that both
        report and compare. The file's own role without it, in all fields.
    after
        Only transactions that were opened after this time (ISO 8601).
    until
        Only transactions that were opened at or before this time.
    url
        A node that is asked over HTTP instead of a ledger's directory: another party's, for
        example. Records that only it has are named by the hash of their id.
    token_file
        A file with the token for that node.
    json
        Print the result as JSON.

    """
    stated = read_agreement(agreement)
    if against is not None and against not in stated.roles:
        raise Failure(f"'{against}' is not a role of {stated.name}", ", ".join(stated.roles))
    reading = reading_of(stated, agreement, files, mapping, ())
    from tieout.cli.own_books import only_role, whole_rows
    from tieout.cli.reconcile import cutoff_us_of

    began = time.perf_counter()
    role = only_role(reading)
    period = (cutoff_us_of(after, "--after") or 0, cutoff_us_of(until, "--until") or END_US)
    rows = whole_rows(role)
    if url is None:
        result = _compared(stated, role, rows, ledger, against or role.name, period, began)
    else:
        chosen = {"after": after, "until": until}
        token = read_text(token_file, "the token").strip() if token_file else ""
        result = _asked(stated, role, rows, url, token, against or role.name, chosen, began)
    if json:
        print_json(result)
    else:
        _tell(result, role.name, against or role.name)
    differ = result.changed or result.only_here or result.only_there
    return Outcome.INCOMPLETE if differ else Outcome.COMPLETE


def _compared(
    agreement: "Agreement",
    role: "FiledRole",
    rows: "Rows",
    directory: Path,
    against: str,
    period: tuple[int, int],
    began: float,
) -> Drilled:
    """Drill from the file into what the ledger holds of a role."""
    from tieout.cli.opening import open_ledger
    from tieout.cli.own_books import book_in_force, held_in, within
    from tieout.kernel.holdings import Holding, common_fields, held
    from tieout.merkle.drill import answer, find_differences

    other = agreement.roles.index(against)
    fields = common_fields(agreement, role.index, other)
    with open_ledger(directory) as opened:
        book = book_in_force(opened, agreement.name, agreement.version, agreement.hash)
        mine = held_in(Holding(agreement, role.index, fields), within(opened, book, rows, *period))
        theirs = held(book, other, None, *period, fields)
    own, asked = mine.tree(), theirs.tree()
    found = find_differences(own, lambda question: answer(asked, question))
    return Drilled(
        here=mine.count,
        there=theirs.count,
        changed=_ids(found.changed, mine, own),
        only_here=_ids(found.only_mine, mine, own),
        only_there=_ids(found.only_theirs, theirs, asked),
        complete=found.is_complete,
        questions=found.questions,
        bytes_exchanged=found.asked_bytes + found.answered_bytes,
        seconds=round(time.perf_counter() - began, 3),
    )


def _asked(
    agreement: "Agreement",
    role: "FiledRole",
    rows: "Rows",
    url: str,
    token: str,
    against: str,
    chosen: dict[str, str | None],
    began: float,
) -> Drilled:
    """Drill from the file into what a node's ledger holds of a role. Raises Failure."""
    from tieout.cli.own_books import held_in
    from tieout.kernel.holdings import Holding, common_fields
    from tieout.merkle.drill import find_differences
    from tieout.merkle.errors import MerkleError
    from tieout.sdk.errors import SdkError
    from tieout.sdk.http.client import NodeClient

    fields = common_fields(agreement, role.index, agreement.roles.index(against))
    mine = held_in(Holding(agreement, role.index, fields), rows)
    own, there = mine.tree(), 0
    with_role = role.name if against != role.name else None

    def ask(question: bytes) -> bytes:
        nonlocal there
        told, there = client.drill(agreement.name, against, question, with_role=with_role, **chosen)
        return told

    try:
        with NodeClient(url, token) as client:
            found = find_differences(own, ask)
    except (SdkError, MerkleError, ValueError) as error:
        raise Failure(
            f"{url} cannot be drilled into: {error}", "look at --url and --token-file"
        ) from error
    return Drilled(
        here=mine.count,
        there=there,
        changed=_ids(found.changed, mine, own),
        only_here=_ids(found.only_mine, mine, own),
        only_there=sorted(key.hex() for key in found.only_theirs),
        complete=found.is_complete,
        questions=found.questions,
        bytes_exchanged=found.asked_bytes + found.answered_bytes,
        seconds=round(time.perf_counter() - began, 3),
    )


def _ids(keys: list[bytes], holding: "Holding", tree: "SetTree") -> list[str]:
    """The ids of the transactions with these key hashes, all of which are in the set."""
    from tieout.units.ids import unpad
    from tieout.wire.limits import ID_BYTES

    known = holding.keys()
    places = [int(tree.order[tree.bounds(key)[0]]) for key in keys]
    return sorted(unpad(known[place, :ID_BYTES].tobytes()) for place in places)


def _tell(result: Drilled, mine: str, theirs: str) -> None:
    """The result for people: one line for each record, and what it took."""
    for what, ids in (
        ("differs", result.changed),
        ("only_here", result.only_here),
        ("only_there", result.only_there),
    ):
        for one in ids:
            print(f"{what}\t{one}")
    count = len(result.changed) + len(result.only_here) + len(result.only_there)
    say(f"{result.here:,} records of {mine} here, {result.there:,} of {theirs} there")
    say(f"  {count:,} differ" if count else "  they are the same")
    if not result.complete:
        say("  there are more: these books differ in too much to be drilled into; use reconcile")
    say(
        f"  {result.questions} questions, {result.bytes_exchanged:,} bytes of hashes exchanged,"
        f" {result.seconds:.2f} s"
    )
