"""Who may do what: every endpoint as every role, tokens, sessions, links, and the audit log."""

import http.client
import json
import re
import socket
from http.cookies import SimpleCookie

import pytest

from tests.node.running import Caller, Node
from tieout.node.access import ROLES, Role
from tieout.node.api.endpoints import ENDPOINTS
from tieout.node.api.table import Endpoint

PASSWORD = "correct horse battery"
OPEN = [endpoint for endpoint in ENDPOINTS if endpoint.permission is None]
SHUT = [endpoint for endpoint in ENDPOINTS if endpoint.permission is not None]


def name_of(endpoint: Endpoint) -> str:
    return endpoint.name


def path_of(endpoint: Endpoint) -> str:
    """A path of the endpoint at which there is nothing."""
    return re.sub(r"\{[a-z_]+\}", "0", endpoint.path)


def answers(caller: Caller, endpoint: Endpoint) -> tuple[int, str]:
    """Status, and the code of a problem, of a request without a sensible body."""
    line = http.client.HTTPConnection("127.0.0.1", caller.port, timeout=30)
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    try:
        line.request(endpoint.method, path_of(endpoint), headers=headers)
        answer = line.getresponse()
        is_problem = answer.headers["Content-Type"] == "application/problem+json"
        # The live stream does not end by itself.
        return answer.status, json.loads(answer.read())["code"] if is_problem else ""
    finally:
        line.close()


@pytest.fixture(scope="module")
def callers(node: Node) -> dict[str, Caller]:
    return {role: node.caller(role) for role in Role}


@pytest.mark.parametrize("endpoint", SHUT, ids=name_of)
def test_every_endpoint_answers_exactly_those_roles_that_have_its_permission(
    endpoint: Endpoint, callers: dict[str, Caller], node: Node
) -> None:
    assert answers(Caller(node.port), endpoint) == (401, "not_signed_in")
    assert answers(Caller(node.port, "tieout_0_0"), endpoint) == (401, "not_signed_in")
    shut_out = {role for role in Role if answers(callers[role], endpoint)[1] == "not_allowed"}
    assert shut_out == {role for role in Role if endpoint.permission not in ROLES[role]}


@pytest.mark.parametrize("endpoint", OPEN, ids=name_of)
def test_what_is_for_anybody_asks_nobody_who_they_are(endpoint: Endpoint, node: Node) -> None:
    assert answers(Caller(node.port), endpoint)[1] not in ("not_signed_in", "not_allowed")


def test_what_was_refused_to_whom_and_what_was_done_is_in_the_audit_log(
    callers: dict[str, Caller],
) -> None:
    callers["viewer"].get("/v1/users")
    callers["administrator"].ask("POST", "/v1/users", {"name": "audited", "role": "viewer"})
    lines = callers["auditor"].get("/v1/audit?size=10").json
    told = [(line["who"], line["what"], line["outcome"]) for line in lines]
    assert ("viewer", "GET /v1/users", "not_allowed") in told
    assert ("administrator", "add user", "done") in told
    older = callers["auditor"].get(f"/v1/audit?before={lines[-1]['id']}&size=1").json
    assert older[0]["id"] < lines[-1]["id"]


def test_a_token_may_do_no_more_than_its_scopes_and_its_user(
    node: Node, callers: dict[str, Caller]
) -> None:
    administrator = callers["administrator"]
    beyond = {"user": "viewer", "label": "x", "scopes": ["publish"]}
    assert administrator.ask("POST", "/v1/tokens", beyond).code == "invalid_value"
    asked = {"user": "operator", "label": "reads", "scopes": ["read"], "days": 1}
    made = administrator.ask("POST", "/v1/tokens", asked).json
    reader = Caller(node.port, made["token"])
    assert reader.get("/v1/session").json["permissions"] == ["read"]
    assert reader.record("seller", "X", "1.00").code == "not_allowed"
    listed = {each["id"]: each for each in administrator.get("/v1/tokens").json}
    assert listed[made["id"]]["last_used"] > made["created"]
    assert "token" not in listed[made["id"]]


def test_a_revoked_token_and_a_user_who_was_shut_out_get_in_no_more(
    node: Node, callers: dict[str, Caller]
) -> None:
    administrator = callers["administrator"]
    administrator.ask("POST", "/v1/users", {"name": "leaver", "role": "viewer"})
    asked = {"user": "leaver", "label": "x", "scopes": ["read"]}
    tokens = [administrator.ask("POST", "/v1/tokens", asked).json for _ in range(2)]
    first, second = (Caller(node.port, each["token"]) for each in tokens)
    assert [first.get("/v1/ledger").status, second.get("/v1/ledger").status] == [200, 200]
    assert administrator.ask("DELETE", f"/v1/tokens/{tokens[0]['id']}").status == 204
    assert [first.get("/v1/ledger").status, second.get("/v1/ledger").status] == [401, 200]
    administrator.ask("PATCH", "/v1/users/leaver", {"disabled": True})
    assert second.get("/v1/ledger").status == 401


def test_two_users_are_never_the_same_person(callers: dict[str, Caller]) -> None:
    administrator = callers["administrator"]
    person = {"role": "approver", "person": "bank/approver-1"}
    assert administrator.ask("POST", "/v1/users", {"name": "ada", **person}).status == 201
    assert administrator.ask("POST", "/v1/users", {"name": "bob", **person}).code == "conflict"
    unknown = {"name": "eve", "role": "approver", "person": "bank/nobody"}
    assert administrator.ask("POST", "/v1/users", unknown).code == "not_found"


# ---------------------------------------------------------------- people with a browser


@pytest.fixture(scope="module")
def signed_in(node: Node) -> tuple[Caller, dict[str, str]]:
    """The first administrator, by the link that the node printed: who, and cookie and token."""
    visitor = Caller(node.port)
    said = visitor.ask(
        "POST", "/v1/setup", {"link": node.link, "name": "first", "password": PASSWORD}
    )
    assert said.status == 201, said.body
    cookie = SimpleCookie(said.headers["set-cookie"])["tieout_session"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
    return visitor, {"Cookie": f"tieout_session={cookie.value}", "X_CSRF_Token": said.json["csrf"]}


def test_the_link_makes_one_administrator_and_no_second(
    node: Node, signed_in: tuple[Caller, dict[str, str]]
) -> None:
    visitor, headers = signed_in
    assert visitor.get("/v1/session", **headers).json["role"] == "administrator"
    again = {"link": node.link, "name": "second", "password": PASSWORD}
    assert visitor.ask("POST", "/v1/setup", again).code == "wrong_credentials"
    assert visitor.get("/setup").status == 200


def test_a_session_changes_something_only_with_its_token_against_forged_requests(
    signed_in: tuple[Caller, dict[str, str]],
) -> None:
    visitor, headers = signed_in
    user = {"name": "by-session", "role": "viewer"}
    forged = visitor.ask("POST", "/v1/users", user, Cookie=headers["Cookie"])
    wrong = visitor.ask("POST", "/v1/users", user, Cookie=headers["Cookie"], X_CSRF_Token="0")
    assert [forged.code, wrong.code] == ["csrf", "csrf"]
    assert visitor.ask("POST", "/v1/users", user, **headers).status == 201


def test_a_session_ends_when_it_is_signed_out(
    node: Node, signed_in: tuple[Caller, dict[str, str]]
) -> None:
    visitor = Caller(node.port)
    said = visitor.ask("POST", "/v1/session", {"name": "first", "password": PASSWORD})
    cookie = said.headers["set-cookie"].split(";")[0]
    headers = {"Cookie": cookie, "X_CSRF_Token": said.json["csrf"]}
    assert visitor.get("/v1/session", **headers).json["name"] == "first"
    assert visitor.ask("DELETE", "/v1/session", **headers).status == 204
    assert visitor.get("/v1/session", **headers).code == "not_signed_in"
    assert signed_in[0].get("/v1/session", **signed_in[1]).status == 200


def test_guessing_passwords_has_to_wait(
    node: Node, signed_in: tuple[Caller, dict[str, str]]
) -> None:
    visitor = Caller(node.port)
    tries = [
        visitor.ask("POST", "/v1/session", {"name": "first", "password": f"guess-number-{n}"})
        for n in range(11)
    ]
    assert {said.code for said in tries[:10]} == {"wrong_credentials"}
    assert (tries[10].code, tries[10].headers["retry-after"]) == ("too_many_requests", "60")
    assert signed_in[0].get("/v1/session", **signed_in[1]).status == 200


def test_a_short_password_is_refused(callers: dict[str, Caller]) -> None:
    short = {"name": "short", "role": "viewer", "password": "12345678901"}
    assert callers["administrator"].ask("POST", "/v1/users", short).code == "invalid_value"


# ---------------------------------------------------------------- rude visitors


def test_every_answer_carries_the_headers_that_keep_browsers_safe(node: Node) -> None:
    for path in ("/livez", "/docs", "/nothing", "/v1/users"):
        headers = Caller(node.port).get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/v1/agreements/pay/transactions/..%2f..%2fetc%2fpasswd",
        "/v1/agreements/pay/transactions/x'%20OR%20'1'='1",
        "/v1/agreements/%00/transactions/%ff",
        "/v1/blocks/-1",
        "/v1/blocks/99999999999999999999999",
        "/v1/tokens/..",
        "/setup/../node.sqlite",
        "/style.css/%2e%2e/keys.json",
    ],
)
def test_paths_that_try_something_find_nothing(operator: Caller, path: str) -> None:
    said = operator.get(path)
    assert said.status in (400, 403, 404, 405), said.body
    assert said.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_too_large_is_refused(operator: Caller) -> None:
    large = '{"transaction_id": "' + "x" * 70_000 + '"}'
    said = operator.ask("POST", "/v1/agreements/pay/records?role=seller", large,
                        content_type="application/json")  # fmt: skip
    assert (said.status, said.code) == (413, "too_large")


def test_too_many_requests_are_told_to_wait_and_others_are_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = Node.found(tmp_path_factory.mktemp("rates") / "node")
    made.start(TIEOUT_ACCESS_RATE="2", TIEOUT_ACCESS_RATE_UNKNOWN="1000")
    try:
        one, other = made.caller("viewer"), made.caller("auditor")
        said = [one.get("/v1/ledger") for _ in range(30)]
        refused = [each for each in said if each.status == 429]
        assert refused
        assert refused[0].code == "too_many_requests"
        assert other.get("/v1/ledger").status == 200
    finally:
        assert made.stop() == 0


def test_a_body_that_stalls_and_headers_that_never_end_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import gzip

    made = Node.found(tmp_path_factory.mktemp("rude") / "node")
    made.start(TIEOUT_LIMITS_BODY_IDLE_S="1", TIEOUT_PUBLISHING_MAX_BULK_BYTES="100000")
    try:
        caller = made.caller("operator")
        with socket.create_connection(("127.0.0.1", made.port), timeout=30) as line:
            head = "POST /v1/agreements/pay/records?role=seller HTTP/1.1\r\nHost: x\r\n"
            head += f"Authorization: Bearer {caller.token}\r\nContent-Type: application/json\r\n"
            line.sendall((head + "Content-Length: 100\r\n\r\n{").encode())
            assert line.recv(1_000).startswith(b"HTTP/1.1 408")
        with socket.create_connection(("127.0.0.1", made.port), timeout=30) as line:
            line.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
            assert line.recv(1_000) == b""
        bomb = gzip.compress(b"\n" * 50_000_000)
        assert len(bomb) < 60_000
        said = caller.ask(
            "POST", "/v1/agreements/pay/records?role=seller", bomb,
            content_type="application/x-ndjson", content_encoding="gzip",
        )  # fmt: skip
        assert (said.status, said.code) == (413, "too_large")
        assert list((made.directory / "spool").iterdir()) == []
    finally:
        assert made.stop() == 0
