"""Signing in at an identity provider, and coming back from it.

The provider sends the browser back to a page of ours, whose script hands over what the answer says.
So the session begins in a request of our own page, as it does with a password, and its cookies need
not be sent with anybody else's links.
"""

import asyncio
import re
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tieout.node.access import NAME_CHARACTER
from tieout.node.api.people import persons_of, signed_in
from tieout.node.api.table import HTML, Call, Reply
from tieout.node.limits import SIGN_IN_S
from tieout.node.oidc.desk import Identity, OidcDesk, refused
from tieout.node.pages import OIDC_PAGE
from tieout.node.problems import ProblemError

COOKIE: Final = "tieout_signing_in"
PATH: Final = "/v1/session/oidc"
NAME: Final = re.compile(NAME_CHARACTER + "{1,64}")
_ACT: Final = "sign in by OIDC"

Text = Annotated[str, Meta(max_length=4_096)]


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider's answer says: state and code, and who answers (RFC 9207)."""

    state: Text
    code: Text
    iss: Text = ""


class PageQuery(msgspec.Struct, frozen=True):
    """Whatever the provider says; the page's script reads it."""


async def page(_: Call) -> Reply:
    """The page to which the provider sends people back."""
    return Reply(OIDC_PAGE, media=HTML)


async def begin(call: Call) -> Reply:
    """On to the provider."""
    desk = _desk(call)
    url, cookie = await desk.turn(desk.begin)
    headers = {"Location": url, "Set-Cookie": _cookie(call, cookie, SIGN_IN_S)}
    return Reply(status=303, media=HTML, headers=headers)


async def finish(call: Call) -> Reply:
    """Begin a session for whom the provider knows. What is refused stands in the audit log."""
    desk = _desk(call)
    asked = await call.message(Answered)
    address = call.request.client.host if call.request.client else ""
    keeper = call.house.doorkeeper
    keeper.check_tries(address)
    finish_it = partial(
        desk.finish, call.request.cookies.get(COOKIE, ""), asked.state, asked.code, asked.iss
    )
    try:
        identity = await desk.turn(finish_it)
    except ProblemError as error:
        keeper.note_failure(address)
        call.audit(_ACT, str(error), error.code)
        raise
    about = f"{identity.name} ({identity.subject} of {identity.issuer})"
    try:
        _check(call, identity)
        principal, session, csrf = await asyncio.to_thread(
            keeper.sign_in_known,
            (identity.issuer, identity.subject), identity.name, identity.role, identity.person,
        )  # fmt: skip
    except ProblemError as error:
        keeper.note_failure(address)
        call.audit(_ACT, f"{about}: {error}", error.code)
        raise
    call.principal = principal
    call.audit(_ACT, f"{about} as {principal.role}")
    return signed_in(call, principal, session, csrf, 201)


def _check(call: Call, identity: Identity) -> None:
    """Raise ProblemError for a name that is none here, or a person who is not on the ledger."""
    if not NAME.fullmatch(identity.name):
        raise refused("the provider's name for them cannot be one of a user here")
    if identity.person and identity.person not in persons_of(call):
        raise refused("the person that the provider names is not on the ledger")


def _desk(call: Call) -> OidcDesk:
    if call.house.oidc is None:
        raise ProblemError("not_found", "this node has no identity provider")
    return call.house.oidc


def _cookie(call: Call, value: str, age_s: int) -> str:
    secure = "; Secure" if call.house.settings.listen.behind_tls else ""
    return f"{COOKIE}={value}; Path={PATH}; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}"
