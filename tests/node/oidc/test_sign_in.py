"""People whom an identity provider knows: from its page to a session, and not otherwise."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from tests.node.oidc.provider import CLIENT, SECRET, Key, TestProvider, confused, running, unsigned
from tests.node.running import Caller, Node, Said
from tieout.node.access import US, Role, now_us
from tieout.node.errors import NodeError
from tieout.node.limits import SIGN_IN_S
from tieout.node.oidc.desk import Identity, OidcDesk, open_desk
from tieout.node.oidc.provider import KEPT_S, KEYS_AGAIN_S
from tieout.node.problems import ProblemError
from tieout.node.settings import Listen, Oidc, Settings

SESSION = "/v1/session/oidc"


@pytest.fixture
def provider() -> Iterator[TestProvider]:
    with running() as made:
        yield made


def settings(provider: TestProvider, directory: Path, **changes: Any) -> Settings:
    (directory / "secret").write_text(SECRET + "\n", encoding="utf-8")
    oidc = Oidc(
        issuer=provider.issuer, client_id=CLIENT, client_secret_file="secret",
        administrators="tieout-admins", operators="tieout-operators",
    )  # fmt: skip
    listen = Listen(public_url="http://node.test")
    return Settings(listen=listen, oidc=msgspec.structs.replace(oidc, **changes))


@dataclass
class Signing:
    """A desk whose clock is the provider's."""

    provider: TestProvider
    directory: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stated = settings(self.provider, self.directory, **self.changes)
        desk = open_desk(self.directory, stated, lambda: self.provider.now_s * US)
        assert desk is not None
        self.desk: OidcDesk = desk

    def sign_in(self) -> Identity:
        url, cookie = self.desk.begin()
        return self.desk.finish(cookie, *self.provider.authorize(url), self.provider.issuer)

    def refused(self, sign_in: Callable[[], Identity] | None = None) -> str:
        """Why a sign-in is refused."""
        with pytest.raises(ProblemError) as refused:
            (sign_in or self.sign_in)()
        assert refused.value.code == "sign_in_refused"
        return str(refused.value)


@pytest.fixture
def signing(provider: TestProvider, tmp_path: Path) -> Signing:
    return Signing(provider, tmp_path)


def test_somebody_whom_the_provider_knows_is_who_it_says(signing: Signing) -> None:
    found = signing.sign_in()
    assert found == Identity(signing.provider.issuer, "u-1", "mei", Role.OPERATOR, None)


def test_an_answer_counts_once_and_in_the_browser_that_asked(signing: Signing) -> None:
    url, cookie = signing.desk.begin()
    other_url, other_cookie = signing.desk.begin()
    state, code = signing.provider.authorize(url)
    other_state, _ = signing.provider.authorize(other_url)
    desk = signing.desk
    assert "another sign-in" in signing.refused(lambda: desk.finish(other_cookie, state, code, ""))
    assert desk.finish(cookie, state, code, "").subject == "u-1"
    assert "was finished" in signing.refused(lambda: desk.finish(cookie, state, code, ""))
    # The sign-in that was tried with another's answer is over, too.
    assert "was finished" in signing.refused(
        lambda: desk.finish(other_cookie, other_state, code, "")
    )
    assert "no sign-in began" in signing.refused(lambda: desk.finish("", state, code, ""))


def test_a_sign_in_that_took_too_long_is_over(signing: Signing) -> None:
    url, cookie = signing.desk.begin()
    answer = signing.provider.authorize(url)
    signing.provider.now_s += SIGN_IN_S + 1
    assert "has ended" in signing.refused(lambda: signing.desk.finish(cookie, *answer, ""))


def test_an_answer_of_another_issuer_is_refused_before_the_code_is_sent(signing: Signing) -> None:
    url, cookie = signing.desk.begin()
    answer = signing.provider.authorize(url)
    said = signing.refused(lambda: signing.desk.finish(cookie, *answer, "https://evil.example"))
    assert "another issuer" in said
    assert "/token" not in signing.provider.asked


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _, claims: unsigned(claims), "no algorithm that is taken"),
        (confused, "no algorithm that is taken"),
        (lambda key, claims: key.token(claims | {"iss": "https://evil.example"}), "issuer"),
        (lambda key, claims: key.token(claims | {"aud": "somebody"}), "for somebody else"),
        (lambda key, claims: key.token(claims | {"exp": claims["iat"] - 61}), "has ended"),
        (lambda key, claims: key.token(claims | {"nonce": "of before"}), "another sign-in"),
        (lambda key, claims: Key("RS256", key.kid).token(claims), "signature does not fit"),
    ],
    ids=["unsigned", "confused", "issuer", "audience", "expired", "replayed", "forged"],
)
def test_an_id_token_that_is_not_believed_signs_nobody_in(
    signing: Signing, make: Callable[[Key, dict[str, Any]], str], why: str
) -> None:
    signing.provider.make = lambda claims: make(signing.provider.keys[0], claims)
    assert why in signing.refused()


def test_a_new_key_of_the_provider_is_found_and_made_up_ones_do_not_make_us_ask(
    signing: Signing,
) -> None:
    provider = signing.provider
    signing.sign_in()
    provider.now_s += KEYS_AGAIN_S
    provider.keys.insert(0, Key("ES256", "second"))
    assert signing.sign_in().subject == "u-1"
    asked = provider.asked.count("/keys")
    provider.make = lambda claims: provider.keys[0].token(claims, kid="made up")
    assert "names no key" in signing.refused()
    assert provider.asked.count("/keys") == asked


def test_addresses_and_keys_are_kept_for_an_hour(signing: Signing) -> None:
    signing.sign_in()
    signing.sign_in()
    assert signing.provider.asked.count("/keys") == 1
    signing.provider.now_s += KEPT_S
    signing.sign_in()
    assert signing.provider.asked.count("/keys") == 2


def test_the_provider_says_what_somebody_may_do(signing: Signing) -> None:
    people = signing.provider.people
    people["groups"] = "tieout-admins"
    assert signing.sign_in().role == Role.ADMINISTRATOR
    people["groups"] = ["staff"]
    assert "no role" in signing.refused()
    del people["groups"]
    assert "no role" in signing.refused()
    people["groups"] = ["tieout-operators"]
    del people["preferred_username"]
    assert "says no preferred_username" in signing.refused()


def test_claims_may_stand_within_others_and_name_the_person(
    provider: TestProvider, tmp_path: Path
) -> None:
    changes = {"roles_claim": "realm_access.roles", "person_claim": "tieout.person"}
    signing = Signing(provider, tmp_path, changes)
    provider.people |= {"realm_access": {"roles": ["tieout-operators"]}}
    assert signing.sign_in()[3:] == (Role.OPERATOR, "")
    provider.people |= {"tieout.person": "bank/approver-1"}
    assert signing.sign_in().person == "bank/approver-1"


def test_a_provider_that_is_another_one_or_gone_is_said_to_be(signing: Signing) -> None:
    signing.provider.says_issuer = "https://evil.example"
    with pytest.raises(ProblemError, match="another issuer") as failed:
        signing.desk.begin()
    assert failed.value.code == "provider_failed"
    signing.provider.says_issuer = ""
    url, cookie = signing.desk.begin()
    state, _ = signing.provider.authorize(url)
    with pytest.raises(ProblemError, match="HTTP 400"):
        signing.desk.finish(cookie, state, "made up", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://id.example.com"},
        {"issuer": "https://user@id.example.com"},
        {"issuer": "ftp://id.example.com"},
        {"client_id": ""},
        {"administrators": "", "operators": ""},
        {"scopes": "profile"},
        {"client_secret_file": "missing"},
    ],
)
def test_settings_that_cannot_work_stop_the_node(
    provider: TestProvider, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(NodeError):
        open_desk(tmp_path, settings(provider, tmp_path, **changes), now_us)


# ---------------------------------------------------------------- a node that runs


class Browser:
    """Keeps cookies, goes where it is sent, and runs what the page's script does."""

    def __init__(self, node: Node, provider: TestProvider) -> None:
        self.caller = Caller(node.port)
        self.provider = provider
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Said:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        said = self.caller.ask(method, path, body, cookie=cookie, x_csrf_token=self.csrf)
        for name, morsel in SimpleCookie(said.headers.get("set-cookie", "")).items():
            assert (morsel["httponly"], morsel["samesite"]) == (True, "Strict")
            self.cookies[name] = morsel.value
        return said

    def sign_in(self) -> Said:
        away = self.ask("GET", SESSION)
        assert away.status == 303
        told = dict(parse_qsl(urlsplit(away.headers["location"]).query))
        assert told["redirect_uri"] == f"http://127.0.0.1:{self.caller.port}/oidc"
        state, code = self.provider.authorize(away.headers["location"])
        assert self.ask("GET", f"/oidc?state={state}&code={code}&session_state=x").status == 200
        said = self.ask("POST", SESSION, {"state": state, "code": code})
        self.csrf = said.json.get("csrf", "")
        return said


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, TestProvider]]:
    node = Node.found(tmp_path_factory.mktemp("node") / "node")
    (node.directory / "secret").write_text(SECRET, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running() as provider:
        provider.now_s = now_us() // US
        node.start(
            TIEOUT_LISTEN_PORT=str(port),
            TIEOUT_LISTEN_PUBLIC_URL=f"http://127.0.0.1:{port}",
            TIEOUT_OIDC_ISSUER=provider.issuer,
            TIEOUT_OIDC_CLIENT_ID=CLIENT,
            TIEOUT_OIDC_CLIENT_SECRET_FILE="secret",
            TIEOUT_OIDC_PERSON_CLAIM="person",
            TIEOUT_OIDC_ADMINISTRATORS="tieout-admins",
            TIEOUT_OIDC_APPROVERS="tieout-approvers",
            TIEOUT_OIDC_OPERATORS="tieout-operators",
        )
        yield node, provider
        assert node.stop() == 0, node.said


def test_a_session_begins_as_with_a_password_and_follows_the_provider(
    started: tuple[Node, TestProvider],
) -> None:
    node, provider = started
    provider.people = {"sub": "s-1", "preferred_username": "ann", "groups": ["tieout-admins"]}
    browser = Browser(node, provider)
    said = browser.sign_in()
    assert (said.status, said.json["name"], said.json["role"]) == (201, "ann", "administrator")
    assert browser.ask("GET", "/v1/users").status == 200
    # The name is another, the person the same; the role is what the provider says now.
    provider.people |= {
        "preferred_username": "ann.new", "groups": ["tieout-approvers"],
        "person": "bank/approver-1",
    }  # fmt: skip
    again = Browser(node, provider).sign_in()
    assert (again.json["name"], again.json["role"]) == ("ann", "approver")
    assert again.json["person"] == "bank/approver-1"
    assert browser.ask("GET", "/v1/users").code == "not_signed_in"


def test_nobody_takes_over_a_user_of_the_node_by_a_name(
    started: tuple[Node, TestProvider],
) -> None:
    node, provider = started
    node.token("administrator")
    provider.people = {
        "sub": "s-2", "preferred_username": "administrator", "groups": ["tieout-operators"],
    }  # fmt: skip
    browser = Browser(node, provider)
    assert browser.sign_in().code == "sign_in_refused"
    provider.people |= {"preferred_username": "no name of ours"}
    assert browser.sign_in().code == "sign_in_refused"
    provider.people |= {"preferred_username": "bob", "person": "bank/nobody"}
    assert browser.sign_in().code == "sign_in_refused"
    assert browser.ask("GET", "/v1/session").code == "not_signed_in"


def test_who_is_shut_out_here_does_not_come_in_there(started: tuple[Node, TestProvider]) -> None:
    node, provider = started
    provider.people = {"sub": "s-3", "preferred_username": "eve", "groups": ["tieout-operators"]}
    browser = Browser(node, provider)
    assert browser.sign_in().status == 201
    administrator = node.caller("administrator")
    assert administrator.ask("PATCH", "/v1/users/eve", {"disabled": True}).status == 200
    assert browser.sign_in().code == "sign_in_refused"


def test_what_was_refused_is_in_the_audit_log(started: tuple[Node, TestProvider]) -> None:
    node, provider = started
    provider.people = {"sub": "s-4", "preferred_username": "kim", "groups": ["tieout-operators"]}
    browser = Browser(node, provider)
    make, provider.make = provider.make, unsigned
    assert browser.sign_in().code == "sign_in_refused"
    provider.make = make
    assert browser.sign_in().status == 201
    assert browser.ask("POST", SESSION, {"state": "x", "code": "y"}).code == "sign_in_refused"
    lines = node.caller("auditor").get("/v1/audit?size=3").json
    told = [(line["what"], line["outcome"], line["about"]) for line in reversed(lines)]
    who = f"kim (s-4 of {provider.issuer}) as operator"
    assert told[1] == ("sign in by OIDC", "done", who)
    assert told[0][:2] == told[2][:2] == ("sign in by OIDC", "sign_in_refused")
    assert "no algorithm that is taken here" in told[0][2]
    assert "no sign-in began in this browser" in told[2][2]
