"""`tieout evidence`, `verify`, `audit`, `certificate`: what convinces a stranger.

`verify` loads neither the compiled rules nor the journal; it needs the file, and the genesis that
is trusted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tieout.cli.outcome import Failure, Outcome
from tieout.cli.output import print_json, say
from tieout.cli.places import DEFAULT_LEDGER, Ledger
from tieout.evidence.checkpoint import quorum_of
from tieout.evidence.forms import to_one_form
from tieout.units.dates import format_time

if TYPE_CHECKING:
    from tieout.engines.embedded.ledger import EmbeddedLedger
    from tieout.evidence.audit import AuditReport
    from tieout.evidence.certificateform import CertificateDocument
    from tieout.wire.genesis import Genesis

Flag = Annotated[bool, Parameter(negative="")]


def evidence(
    transaction: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    ledger: Ledger = DEFAULT_LEDGER,
    agreement: str | None = None,
    originator: int = 0,
) -> int:
    """Write the evidence pack of one transaction, to be verified by anybody without the ledger.

    Parameters
    ----------
    transaction
        Its id.
    output
        Where to write the pack.
    ledger
        The ledger's directory.
    agreement
        The agreement under which it was published; found by itself where the id stands under one
        only.
    originator
        The party in whose numbering the id counts; 0 when ids are shared by all.

    """
    from tieout.cli.guarding import guarded
    from tieout.cli.opening import find_transaction, open_ledger, proofs_of

    def built() -> bytes:
        with open_ledger(ledger) as opened:
            name = find_transaction(opened, agreement, originator, transaction)
            return proofs_of(opened).pack(name, originator, transaction)

    pack = guarded(built)
    _write(output, pack)
    say(f"{output}: {len(pack):,} bytes")
    say(f"  check it with `tieout verify {output} --trust GENESIS`")
    return Outcome.COMPLETE


def verify(file: Path, /, *, trust: Path | None = None, json: Flag = False) -> int:
    """Verify an evidence pack or a certificate, offline, with the reference rules.

    Parameters
    ----------
    file
        The evidence pack or certificate.
    trust
        The genesis that you trust; every party has one. Without it the file is only checked
        against itself, and the exit code is 1.
    json
        Print the result as JSON.

    """
    from tieout.evidence.errors import EvidenceError

    data = _read(file)
    genesis = None if trust is None else _genesis(trust)
    try:
        if data.startswith(b'{"format":"tieout/evidence/'):
            return _verify_pack(data, genesis, as_json=json)
        return _verify_certificate(data, genesis, as_json=json)
    except EvidenceError as error:
        if json:
            print_json({"verdict": "refused", "reason": str(error)})
        raise Failure(f"{file} is refused: {error}", outcome=Outcome.INCOMPLETE) from error


def _verify_pack(data: bytes, genesis: "Genesis | None", *, as_json: bool) -> int:
    from tieout.evidence.pack import verify_pack

    report = verify_pack(data, genesis)
    checkpoint = report.checkpoint
    as_of = f"as of checkpoint {checkpoint.log_size} ({format_time(checkpoint.time_us)})"
    if as_json:
        print_json(
            {
                "verdict": report.verdict,
                "as_of": as_of,
                "agreement": report.agreement,
                "transaction_id": report.transaction_id,
                "operator": report.operator,
                "ordered_by": report.ordered_by,
                "statement": report.statement,
                "proven": report.proven,
                "not_proven": report.not_proven,
            }
        )
    else:
        say(f"{report.verdict}: {report.transaction_id} is {report.statement.status}, {as_of}")
        for words in report.proven:
            say(f"  proven: {words}")
        for words in report.not_proven:
            say(f"  not proven: {words}")
    return Outcome.COMPLETE if report.is_anchored else Outcome.INCOMPLETE


def _verify_certificate(data: bytes, genesis: "Genesis | None", *, as_json: bool) -> int:
    from tieout.evidence.certificate import verify_certificate

    if genesis is None:
        raise Failure(
            "a certificate is checked against a genesis that you trust",
            "name it with --trust; every party has one",
            Outcome.INCOMPLETE,
        )
    report = verify_certificate(data, genesis)
    if as_json:
        print_json(
            {
                "verdict": "verified",
                "head": report.head,
                "signers": report.signers,
                "others": report.others,
                "needed": report.needed,
            }
        )
    else:
        say(f"verified: {report.head.words}")
        say(f"  {_signed_by(Signers(report.signers, report.others, report.needed))}")
    return Outcome.COMPLETE


def certificate(
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    ledger: Ledger = DEFAULT_LEDGER,
    agreement: str | None = None,
    cutoff: str | None = None,
    sign: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    json: Flag = False,
) -> int:
    """Write the tie-out certificate of a cut-off. Exit code 1 when something does not tie out.

    Where several parties order the ledger, more than two thirds of them must sign it: one makes
    it, the others sign it, each at its own node, which computes it anew.

    Parameters
    ----------
    output
        Where to write it.
    ledger
        The ledger's directory.
    agreement
        The agreement; needed where the ledger has several.
    cutoff
        The time of the cut-off (ISO 8601); the last one otherwise.
    sign
        A certificate that other parties signed: it is computed anew, as of its own height, and
        signed if it says the same. May be repeated: signatures are put together.
    json
        Print the certificate itself.

    """
    if sign and (agreement is not None or cutoff is not None):
        raise Failure("--sign names a certificate of its own", "leave --agreement and --cutoff out")
    document, signers = _countersigned(ledger, sign) if sign else _made(ledger, agreement, cutoff)
    data, words = to_one_form(document), document.signed.head.words
    clean = not document.breaks and not document.carried_forward
    if output is not None:
        _write(output, data)
    if json:
        import msgspec

        print_json(msgspec.Raw(data))
    else:
        say(words)
        say(f"  {_signed_by(signers)}")
        if output is not None:
            say(f"{output}: {len(data):,} bytes")
            if signers.lacking:
                say(f"  {signers.lacking} more must sign it, each with its own copy:"
                    f" tieout certificate --sign {output}")  # fmt: skip
            else:
                say(f"  check it with `tieout verify {output} --trust GENESIS`")
    return Outcome.COMPLETE if clean else Outcome.INCOMPLETE


def _made(
    ledger: Path, agreement: str | None, cutoff: str | None
) -> "tuple[CertificateDocument, Signers]":
    """A certificate as of now, signed by the operator or by whose node this is."""
    from tieout.cli.guarding import guarded
    from tieout.cli.opening import one_agreement, open_ledger, proofs_of
    from tieout.cli.reconcile import cutoff_us_of

    cutoff_us = cutoff_us_of(cutoff)
    with open_ledger(ledger) as opened:
        name = one_agreement(opened, agreement)
        made = guarded(lambda: proofs_of(opened).certificate(name, cutoff_us))
        return made.document, _signers(opened, made.document)


def _countersigned(ledger: Path, paths: tuple[Path, ...]) -> "tuple[CertificateDocument, Signers]":
    """What others signed, computed anew here, with all signatures. Raises Failure."""
    from tieout.cli.guarding import guarded
    from tieout.cli.opening import open_ledger, proofs_of
    from tieout.evidence.certificate import parse_certificate
    from tieout.evidence.errors import EvidenceError

    try:
        others = [parse_certificate(_read(path)) for path in paths]
        height = others[0].signed.head.height
        with open_ledger(ledger, at_height=height) as opened:
            document = guarded(lambda: proofs_of(opened).countersigned(others))
            return document, _signers(opened, document)
    except EvidenceError as error:
        what = f"nothing was signed: {error}"
        raise Failure(what, outcome=Outcome.INCOMPLETE) from error


@dataclass(frozen=True, slots=True)
class Signers:
    """Who has signed something about a ledger, who has not, and how many must have."""

    signed: tuple[str, ...]
    others: tuple[str, ...]
    needed: int

    @property
    def lacking(self) -> int:
        """How many signatures are missing."""
        return max(0, self.needed - len(self.signed))


def _signers(ledger: "EmbeddedLedger", document: "CertificateDocument") -> Signers:
    from tieout import kernel

    signed = [each.party for each in document.signed.signatures]
    members = [each for each in kernel.parties(ledger.state) if each.until_height == 0]
    return Signers(
        signed=tuple(each.name for each in members if each.number in signed),
        others=tuple(each.name for each in members if each.number not in signed),
        needed=1 if ledger.genesis.operator else quorum_of(len(members)),
    )


def _signed_by(signers: Signers) -> str:
    """Who of how many parties signed; where one party speaks for the ledger, who that is."""
    names = ", ".join(signers.signed)
    if signers.needed == 1:
        return f"signed by {names}"
    count = len(signers.signed) + len(signers.others)
    words = f"signed by {len(signers.signed)} of {count} parties: {names}; {signers.needed} must"
    return words + (f"; not signed by {', '.join(signers.others)}" if signers.others else "")


def audit(
    *,
    ledger: Ledger = DEFAULT_LEDGER,
    hold: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    json: Flag = False,
) -> int:
    """Replay the whole ledger with the reference rules, and compare every verdict and every hash.

    Parameters
    ----------
    ledger
        The ledger's directory.
    hold
        A certificate of this ledger that somebody kept elsewhere; may be repeated.
    json
        Print the result as JSON.

    """
    from tieout.cli.auditing import audit_ledger
    from tieout.cli.guarding import guarded

    held = [_read(path) for path in hold]
    report = guarded(lambda: audit_ledger(ledger, held, quiet=json))
    if json:
        print_json(_audit_facts(report))
    elif report.difference is None:
        say(
            f"sound: {report.blocks:,} blocks, {report.items:,} signed items,"
            f" {report.records:,} records, {report.transactions:,} transactions"
            f" ({report.broken:,} broken)"
        )
        say(f"  every verdict and every hash is as the rules say; app hash {report.app_hash.hex()}")
    else:
        say(f"NOT SOUND at block {report.difference.height}: {report.difference.what}")
    return Outcome.COMPLETE if report.is_sound else Outcome.INCOMPLETE


def _audit_facts(report: "AuditReport") -> dict[str, object]:
    difference = report.difference
    return {
        "sound": report.is_sound,
        "blocks": report.blocks,
        "items": report.items,
        "records": report.records,
        "transactions": report.transactions,
        "broken": report.broken,
        "app_hash": report.app_hash.hex(),
        "difference": None
        if difference is None
        else {"height": difference.height, "what": difference.what},
    }


def _genesis(path: Path) -> "Genesis":
    from tieout.wire.errors import WireError
    from tieout.wire.genesis import parse_genesis

    try:
        return parse_genesis(_read(path))
    except WireError as error:
        raise Failure(f"{path}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error
