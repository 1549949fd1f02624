"""Every answer that is a refusal: one table of codes, for the API, the manual and the tests.

The form is RFC 9457, `application/problem+json`: `type` leads to the manual's table, `code` is
stable and for programs, `title` is the same for the code, `detail` is about this request, and
further members are facts. A code is never reused for something else.
"""

from typing import Final, NamedTuple

import msgspec

PROBLEM_JSON: Final = "application/problem+json"
TYPE_BASE: Final = "/docs/problems#"


class Kind(NamedTuple):
    """What is said with a code: HTTP status, title, and whether the same request may succeed."""

    status: int
    title: str
    retry: bool = False


PROBLEMS: Final[dict[str, Kind]] = {
    "malformed_body": Kind(400, "The body cannot be read"),
    "invalid_value": Kind(400, "A value does not fit"),
    "invalid_parameter": Kind(400, "A parameter does not fit"),
    "invalid_cursor": Kind(400, "The cursor is not one of this list"),
    "not_signed_in": Kind(401, "Say who you are"),
    "wrong_credentials": Kind(401, "Name or password is wrong"),
    "sign_in_refused": Kind(401, "The sign-in is not accepted"),
    "not_allowed": Kind(403, "You may not do this"),
    "no_person": Kind(403, "You sign for nobody"),
    "csrf": Kind(403, "The request does not come from our own page"),
    "not_found": Kind(404, "There is no such thing"),
    "method_not_allowed": Kind(405, "This cannot be done here"),
    "conflict": Kind(409, "It does not fit what is there"),
    "refused_by_the_rules": Kind(409, "The ledger's rules refused it"),
    "in_progress": Kind(409, "The same key is being worked on", retry=True),
    "too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "This form is not understood"),
    "key_reused": Kind(422, "The key was used for another request"),
    "too_many_requests": Kind(429, "Too many requests", retry=True),
    "internal": Kind(500, "The node failed"),
    "provider_failed": Kind(502, "The identity provider does not answer as it has to", retry=True),
    "busy": Kind(503, "The node has too much to do", retry=True),
    "no_block_yet": Kind(503, "It is safe, and in no block yet", retry=True),
    "ledger_failed": Kind(503, "The ledger cannot be written"),
    "slow_request": Kind(408, "The body came too slowly", retry=True),
}
"""By code, in the order of their statuses as far as possible."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    problems: tuple[str, ...] = ()
    """Everything that is wrong, where more than one thing can be."""
    line: int | None = None
    field: str | None = None
    outcome: str | None = None
    """The rules' own word, where they refused."""


class ProblemError(Exception):
    """A request that is refused with a code of the table; becomes a Problem at the door."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        problems: tuple[str, ...] = (),
        line: int | None = None,
        field: str | None = None,
        outcome: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        kind = PROBLEMS[code]
        self.status = kind.status
        self.retry_after_s = (
            retry_after_s if retry_after_s is not None else (1 if kind.retry else None)
        )
        self.problem = Problem(
            TYPE_BASE + code, kind.title, kind.status, code, detail, problems, line, field, outcome
        )

    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:  # noqa: PLR2004 - RFC 9110 wants the challenge with it
            headers["WWW-Authenticate"] = 'Bearer realm="tieout"'
        return headers

    def body(self) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(self.problem)
