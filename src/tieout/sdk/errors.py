"""What goes wrong between a client and its node. One root: SdkError.

Each error says whose fault it is, whether asking again may help (`may_help`), the facts, and what
to do next.
"""


class SdkError(Exception):
    """Something that a client asked for did not come about.

    `may_help` says whether asking again, later, may help.
    """

    may_help = False


class NodeUnreachable(SdkError):
    """The node does not answer, or its answer broke off: it is down, overloaded, or starting.

    Whether it took what was sent is not known. Send the same bytes again: they count once.
    """

    may_help = True

    def __init__(self, node: str, what: str) -> None:
        super().__init__(f"{node} cannot be reached: {what}")
        self.node = node
        self.what = what


class NodeRefused(SdkError):
    """The node answered with an error: `code`, and `what` in its words.

    Either it does not have what is asked for (yet), or the question is wrong.
    """

    def __init__(self, node: str, method: str, code: int, what: str) -> None:
        super().__init__(f"{node} refused {method}: {what} ({code})")
        self.node = node
        self.method = method
        self.code = code
        self.what = what


class NodeConfused(SdkError):
    """An answer that is not one: not JSON-RPC, not of CometBFT 0.38, or beyond all limits.

    Look whether something else listens at that address.
    """

    def __init__(self, node: str, what: str) -> None:
        super().__init__(f"{node} gives no sensible answer: {what}")
        self.node = node
        self.what = what


class TooLarge(SdkError):
    """The node takes nothing of that size. Send smaller batches."""

    def __init__(self, size: int, what: str) -> None:
        super().__init__(f"{size:,} bytes are too many for the node: {what}")
        self.size = size
        self.what = what


class Congested(SdkError):
    """The node had no room for it, for as long as the client was patient. Slow down; try again.

    A full node says so of everything, also of what it holds already: bytes that were submitted
    before may still come into a block.
    """

    may_help = True

    def __init__(self, attempts: int, waited_s: float, what: str) -> None:
        super().__init__(f"no room after {attempts} attempts in {waited_s:.1f} s: {what}")
        self.attempts = attempts
        self.waited_s = waited_s
        self.what = what


class NotYet(SdkError):
    """It was in no block until `height`, for as long as the client was patient.

    It may still come. Wait again from that height, or submit the same bytes again.
    """

    may_help = True

    def __init__(self, missing: int, height: int) -> None:
        super().__init__(f"{missing} transactions are in no block until {height}")
        self.missing = missing
        self.height = height


class Unproven(SdkError):
    """What the node says is not what the validators signed. Ask another node; keep the answer."""

    def __init__(self, height: int, what: str) -> None:
        super().__init__(f"block {height}: {what}")
        self.height = height
        self.what = what


class RequestRefused(SdkError):
    """A node refused a request (RFC 9457): `code` is stable and for programs.

    The codes, whose fault each is and what to do are in docs/node.md; `detail` is about this
    request. `field`, `line`, `outcome` and `problems` are there where they apply. `may_help` where
    the node itself said that the same request may succeed, after `retry_after_s` seconds.
    """

    def __init__(
        self,
        node: str,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        line: int = 0,
        outcome: str = "",
        problems: tuple[str, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{node} refused: {detail} ({code}, {status})")
        self.node = node
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.line = line
        self.outcome = outcome
        self.problems = problems
        self.may_help = retry_after_s is not None
        self.retry_after_s = retry_after_s or 0


class StillPending(SdkError):
    """A transaction has not come to what was waited for. It may still; wait again.

    `status` is where it stood last, empty where nobody has spoken of it yet.
    """

    may_help = True

    def __init__(self, transaction_id: str, status: str, waited_s: float) -> None:
        where = status or "unknown"
        super().__init__(f"{transaction_id} is still {where} after {waited_s:g} s")
        self.transaction_id = transaction_id
        self.status = status
        self.waited_s = waited_s


class WebhookRefused(SdkError):
    """A message is not one of the node's, or too old. Answer 400, and do nothing that it says."""
