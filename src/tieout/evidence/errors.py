"""Why evidence is refused, or cannot be made. One root: EvidenceError."""


class EvidenceError(Exception):
    """Evidence that does not hold, or cannot be made.

    `part` says where in the document, `what` says what is wrong there. The same bytes will be
    refused again: ask whoever gave them for another copy, or another ledger for its word.
    """

    def __init__(self, part: str, what: str) -> None:
        super().__init__(f"{part}: {what}")
        self.part = part
        self.what = what


class FormError(EvidenceError):
    """Bytes that are not in the one form of their format: damaged, altered, of another version."""


class TrustError(EvidenceError):
    """A ledger, party or key that the trusted genesis does not vouch for.

    Either the document is of another ledger than the reader thinks, or somebody pretends.
    """


class SignatureError(EvidenceError):
    """A signature that its key did not give: altered after signing, or forged."""


class ProofError(EvidenceError):
    """Something that is not in the log, or in the batch, at the place where it is said to be."""


class VerdictError(EvidenceError):
    """A statement that does not follow by the rules from what is shown.

    Whoever made the document is at fault: keep it, it is evidence of that.
    """


class MissingError(EvidenceError):
    """What is asked for is not on the ledger. The id may be mistyped, or the asker too early."""
