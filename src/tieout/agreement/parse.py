"""The two doors: an author's file, and the canonical form that stands on the ledger."""

from tieout.agreement.canonical import read_canonical, reject_other_bytes
from tieout.agreement.compile import compile_agreement
from tieout.agreement.errors import Findings
from tieout.agreement.file import read_stated, read_toml
from tieout.agreement.model import Agreement


def parse_agreement(text: str, source: str = "agreement") -> Agreement:
    """Read the text of an agreement file (docs/agreement.md).

    `source` names the text in errors. Raises AgreementError with every problem that was found.
    """
    findings = Findings()
    agreement = _made(read_toml(text, findings), findings)
    if agreement is None:
        raise findings.error(source)
    return agreement


def load_canonical(data: bytes) -> Agreement:
    """Read the canonical form of an agreement; any other bytes are refused (R-AGREE-2).

    Raises AgreementError, and nothing else, whatever the bytes are.
    """
    findings = Findings()
    agreement = _made(read_canonical(data, findings), findings)
    if agreement is not None and agreement.canonical != data:
        reject_other_bytes(findings)
    if agreement is None or len(findings) > 0:
        raise findings.error("canonical form")
    return agreement


def _made(tree: dict[str, object] | None, findings: Findings) -> Agreement | None:
    if tree is None:
        return None
    stated = read_stated(tree, findings)
    if stated is None:
        return None
    fields = tree.get("fields")
    names = tuple(fields) if isinstance(fields, dict) else ()
    return compile_agreement(stated, names, findings)
