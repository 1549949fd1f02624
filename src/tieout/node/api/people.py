"""People and programs: signing in, users, tokens, the audit log, the first administrator."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from tieout.node.access import NAME_CHARACTER, Permission, Principal, Role
from tieout.node.api.forms import FormQuery, given
from tieout.node.api.table import HTML, Call, Reply, encoded
from tieout.node.limits import (
    MAX_PAGE_ROWS,
    MAX_PASSWORD_CHARACTERS,
    MIN_PASSWORD_CHARACTERS,
    PAGE_ROWS,
)
from tieout.node.pages import SETUP_PAGE
from tieout.node.problems import ProblemError
from tieout.node.store import Taken, Token, User
from tieout.units.dates import format_time

COOKIE = "tieout_session"
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=f"^{NAME_CHARACTER}+$")]
Password = Annotated[str, Meta(max_length=MAX_PASSWORD_CHARACTERS)]
NewPassword = Annotated[
    str, Meta(min_length=MIN_PASSWORD_CHARACTERS, max_length=MAX_PASSWORD_CHARACTERS)
]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
PersonName = Annotated[str, Meta(max_length=80)]


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and password."""

    name: Name
    password: Password


class SetUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret of the one-time link, and who the first administrator is to be."""

    link: Annotated[str, Meta(max_length=200)]
    name: Name
    password: NewPassword


class Me(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks, and what they may do. `csrf` is told once, when a session begins."""

    name: str
    role: str
    permissions: tuple[str, ...]
    person: str = ""
    csrf: str = ""


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user to be made; without a password it signs in with tokens only."""

    name: Name
    role: Role
    password: NewPassword | None = None
    person: PersonName = ""


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be another; left out: as it is."""

    role: Role | None = None
    person: PersonName | None = None
    disabled: bool | None = None


class UserView(msgspec.Struct, frozen=True):
    """A user."""

    name: str
    role: str
    person: str
    has_password: bool
    disabled: bool
    created: str


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to be made: for whom, what for, what it may, how long it is good."""

    user: Name
    label: Label
    scopes: Annotated[tuple[Permission, ...], Meta(min_length=1)]
    days: Annotated[int, Meta(ge=1, le=3_650)] | None = None


class TokenView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token. Its text (`token`) is told once, when it is made."""

    id: str
    user: str
    label: str
    scopes: tuple[str, ...]
    created: str
    expires: str
    last_used: str = ""
    revoked: str = ""
    token: str = ""


class AuditQuery(FormQuery, frozen=True, forbid_unknown_fields=True):
    """Where to go on, and how many lines."""

    before: Annotated[int, Meta(ge=1, le=(1 << 62))] = 1 << 62
    size: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = PAGE_ROWS


class AuditView(msgspec.Struct, frozen=True):
    """A line of the audit log."""

    id: int
    time: str
    who: str
    what: str
    about: str
    outcome: str


# ---------------------------------------------------------------- sessions


async def setup_page(_: Call) -> Reply:
    """The page behind the one-time administrator link."""
    return Reply(SETUP_PAGE, media=HTML)


async def set_up(call: Call) -> Reply:
    """Make the first administrator, with the link that the node printed."""
    asked = await call.message(SetUp)
    keeper = call.house.doorkeeper
    principal, cookie, csrf = await asyncio.to_thread(
        keeper.set_up, asked.link, asked.name, asked.password
    )
    call.principal = principal
    call.audit("set up", principal.name)
    return signed_in(call, principal, cookie, csrf, 201)


async def sign_in(call: Call) -> Reply:
    """Begin a session."""
    asked = await call.message(SignIn)
    address = call.request.client.host if call.request.client else ""
    try:
        principal, cookie, csrf = await asyncio.to_thread(
            call.house.doorkeeper.sign_in, asked.name, asked.password, address
        )
    except ProblemError as error:
        if error.code == "wrong_credentials":
            call.audit("sign in", asked.name, error.code)
        raise
    call.principal = principal
    call.audit("sign in", principal.name)
    return signed_in(call, principal, cookie, csrf, 201)


def signed_in(call: Call, principal: Principal, cookie: str, csrf: str, status: int) -> Reply:
    """The answer with which a session begins."""
    secure = "; Secure" if call.house.settings.listen.behind_tls else ""
    age = call.house.settings.access.session_s
    headers = {
        "Set-Cookie": f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"
    }
    return Reply(encoded(_me(principal, csrf)), status, headers=headers)


async def who_am_i(call: Call) -> Reply:
    """Who asks, and what they may do."""
    return Reply(encoded(_me(call.who, "")))


async def sign_out(call: Call) -> Reply:
    """End the session; a token stays good."""
    cookie = call.request.cookies.get(COOKIE)
    if cookie is not None:
        await asyncio.to_thread(call.house.doorkeeper.sign_out, cookie)
    return Reply(status=204, headers={"Set-Cookie": f"{COOKIE}=; Path=/; Max-Age=0"})


def _me(principal: Principal, csrf: str) -> Me:
    allowed = tuple(sorted(principal.permissions))
    return Me(principal.name, principal.role.value, allowed, principal.person, csrf)


# ---------------------------------------------------------------- users


async def list_users(call: Call) -> Reply:
    """Everybody."""
    return given(call, [_user_view(each) for each in call.house.store.users()], UserView)


async def add_user(call: Call) -> Reply:
    """Make a user."""
    asked = await call.message(NewUser)
    _check_person(call, asked.person)
    user = await asyncio.to_thread(
        call.house.doorkeeper.add_user, asked.name, asked.role, asked.password, asked.person
    )
    call.audit("add user", f"{user.name} as {user.role}")
    return Reply(encoded(_user_view(user)), 201)


async def change_user(call: Call) -> Reply:
    """Give a user another role or person, shut them out, or let them in again."""
    asked = await call.message(UserChange)
    store = call.house.store
    user = store.user_named(call.path["user"])
    if user is None:
        raise ProblemError("not_found", "there is no such user")
    role = user.role if asked.role is None else asked.role.value
    person = user.person if asked.person is None else asked.person
    disabled = user.disabled if asked.disabled is None else asked.disabled
    _check_person(call, person)
    if user.id == call.who.user and (disabled or role != user.role):
        raise ProblemError("conflict", "let another administrator do this to you")
    try:
        store.change_user(user.id, role, person, disabled=disabled)
    except Taken as error:
        raise ProblemError("conflict", "another user is this person already") from error
    call.house.doorkeeper.forget()
    call.audit("change user", f"{user.name}: {role}, {person or '-'}, disabled {disabled}")
    changed = store.user(user.id)
    assert changed is not None  # noqa: S101 - users are never deleted
    return Reply(encoded(_user_view(changed)))


def _check_person(call: Call, person: str) -> None:
    if person and person not in persons_of(call):
        raise ProblemError("not_found", "no such person is on the ledger", field="person")


def persons_of(call: Call) -> set[str]:
    """Everybody on the ledger who can be some user: `party/person`."""
    return {
        f"{party.name}/{each.name}"
        for party in call.house.ordering.parties
        for each in party.persons
    }


def _user_view(user: User) -> UserView:
    return UserView(
        user.name, user.role, user.person, user.password is not None, user.disabled,
        format_time(user.created_us),
    )  # fmt: skip


# ---------------------------------------------------------------- tokens


async def list_tokens(call: Call) -> Reply:
    """All tokens, without their secrets."""
    store = call.house.store
    call.house.doorkeeper.write_uses()
    names = {user.id: user.name for user in store.users()}
    told = [_token_view(each, names[each.user]) for each in store.tokens()]
    return given(call, told, TokenView)


async def add_token(call: Call) -> Reply:
    """Make a token. Its text is told once."""
    asked = await call.message(NewToken)
    house = call.house
    user = house.store.user_named(asked.user)
    if user is None:
        raise ProblemError("not_found", "there is no such user", field="user")
    days = asked.days or house.settings.access.token_days
    token, text = await asyncio.to_thread(
        house.doorkeeper.make_token, user, asked.label, list(asked.scopes), days
    )
    call.audit("add token", f"{token.id} of {user.name}: {token.scopes}")
    return Reply(encoded(_token_view(token, user.name, text)), 201)


async def revoke_token(call: Call) -> Reply:
    """End a token."""
    house = call.house
    token = house.store.token(call.path["token"])
    if token is None:
        raise ProblemError("not_found", "there is no such token")
    house.store.revoke_token(token.id, house.clock())
    house.doorkeeper.forget()
    call.audit("revoke token", token.id)
    return Reply(status=204)


def _token_view(token: Token, user: str, text: str = "") -> TokenView:
    return TokenView(
        id=token.id,
        user=user,
        label=token.label,
        scopes=tuple(token.scopes.split()),
        created=format_time(token.created_us),
        expires=format_time(token.expires_us),
        last_used=format_time(token.last_used_us) if token.last_used_us else "",
        revoked=format_time(token.revoked_us) if token.revoked_us else "",
        token=text,
    )


# ---------------------------------------------------------------- audit log


async def list_audit(call: Call) -> Reply:
    """Who did what on this node, and what was refused to whom; newest first."""
    lines = call.house.store.audit(call.query.before, call.query.size)
    told = [
        AuditView(line.id, format_time(line.time_us), line.who, line.what, line.about, line.outcome)
        for line in lines
    ]
    return given(call, told, AuditView)
