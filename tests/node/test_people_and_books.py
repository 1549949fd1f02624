"""A node with its party's books and with people to tell: from a record to the corrected entry."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.node.alarms.houses import write_alarms
from tests.node.alarms.receiver import Receiver, receiving, until
from tests.node.running import AGREEMENT, Caller, Node

BOOKS = """
database = "{role}.sqlite"
table = "entries"
transaction_id = "id"
reason = "note"
adjustment = "tieout"

[columns]
amount = "amount"
"""


def make_books(node: Node, role: str, **amounts: str) -> None:
    (node.directory / "books").mkdir(exist_ok=True)
    description = node.directory / "books" / f"pay.{role}.toml"
    description.write_text(BOOKS.format(role=role), encoding="utf-8")
    with closing(sqlite3.connect(node.directory / f"{role}.sqlite")) as books:
        books.execute("CREATE TABLE entries (id TEXT, amount TEXT, note TEXT, tieout TEXT)")
        for name, amount in amounts.items():
            enter(node, role, name, amount, books)
        books.commit()


def enter(
    node: Node, role: str, name: str, amount: str, books: sqlite3.Connection | None = None
) -> None:
    if books is None:
        with closing(sqlite3.connect(node.directory / f"{role}.sqlite")) as opened:
            enter(node, role, name, amount, opened)
            opened.commit()
        return
    books.execute("DELETE FROM entries WHERE id = ?", (name,))
    books.execute("INSERT INTO entries (id, amount) VALUES (?, ?)", (name, amount))


def entries(node: Node, role: str) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(node.directory / f"{role}.sqlite")) as books:
        return books.execute("SELECT id, amount, coalesce(note, '') FROM entries").fetchall()


def status(caller: Caller, name: str) -> str:
    """As the lists have it; empty before they do."""
    found = listed(caller, f"/v1/transactions?transaction_id={name}")
    return str(found[0]["status"]) if found else ""


def listed(caller: Caller, path: str) -> list[dict[str, Any]]:
    """A list; empty while the read models are not there yet."""
    return list(caller.get(path).json.get("items", []))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node.found(tmp_path / "node")
    yield made
    assert made.stop() == 0, made.said


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_from_a_wrong_record_to_the_corrected_entry(node: Node, receiver: Receiver) -> None:
    """The alarm arrives, the adjuster posts what may be posted at once, and all ties out."""
    write_alarms(node.directory, receiver.url, 'name = "all"\nhold = "10ms"')
    make_books(node, "seller", A="7.00")
    node.start()
    caller = node.caller("operator")
    caller.record("seller", "A", "7.00")
    caller.record("bank", "A", "5.00")
    until(lambda: len(receiver.deliveries) == 1, 30)
    until(lambda: status(caller, "A") == "matched", 30)
    assert entries(node, "seller") == [
        ("A", "7.00", ""),
        ("A", "-2.00", "brought to the agreed value"),
    ]
    (notice,) = caller.get("/v1/notices").json
    assert (notice["state"], notice["answer"]) == ("delivered", "HTTP 200")
    story = caller.get(f"/v1/notices/{notice['id']}").json
    assert story["message"]["data"]["breaks"][0]["difference"] == "2.00"
    assert [each["answer"] for each in story["attempts"]] == ["HTTP 200"]
    assert caller.ask("POST", f"/v1/notices/{notice['id']}/replay").status == 200
    until(lambda: len(receiver.deliveries) == 2)
    assert len(receiver.ids) == 1
    assert caller.get("/v1/notices/msg_none").code == "not_found"


def test_an_adjustment_that_the_books_refuse_is_reported_as_failed(node: Node) -> None:
    make_books(node, "seller", A="6.50")
    node.start()
    caller = node.caller("operator")
    caller.record("seller", "A", "7.00")
    caller.record("bank", "A", "5.00")
    until(lambda: [each["status"] for each in listed(caller, "/v1/adjustments")] == ["failed"], 30)
    assert entries(node, "seller") == [("A", "6.50", "")]


def test_a_dry_run_posts_nothing_and_says_what_it_would(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_BOOKS_DRY_RUN", "true")
    make_books(node, "seller", A="7.00")
    node.start()
    caller = node.caller("operator")
    caller.record("seller", "A", "7.00")
    caller.record("bank", "A", "5.00")
    until(lambda: "would_post" in node.said, 30)
    assert entries(node, "seller") == [("A", "7.00", "")]


def test_what_was_approved_while_the_books_were_away_is_posted_when_they_are_back(
    node: Node,
) -> None:
    make_books(node, "seller", A="7.00")
    books = node.directory / "seller.sqlite"
    with closing(sqlite3.connect(books)) as held:
        held.execute("BEGIN IMMEDIATE")
        node.start()
        caller = node.caller("operator")
        caller.record("seller", "A", "7.00")
        caller.record("bank", "A", "5.00")
        until(lambda: "books_away" in node.said, 30)
    until(lambda: status(caller, "A") == "matched", 30)
    assert len(entries(node, "seller")) == 2


def test_an_alarm_with_a_quorum_is_raised_by_a_verifier_that_looked_into_its_books(
    tmp_path: Path, receiver: Receiver
) -> None:
    node = Node.found(tmp_path / "node", AGREEMENT + "\n[alarm]\nquorum = 2\n")
    try:
        write_alarms(node.directory, receiver.url, 'name = "all"\nhold = "10ms"')
        make_books(node, "bank", A="500.00", B="700.00")
        node.start()
        caller = node.caller("operator")
        caller.record("seller", "A", "700.00")
        caller.record("bank", "A", "500.00")
        until(lambda: len(receiver.deliveries) == 1, 30)
        (alarm,) = listed(caller, "/v1/alarms")
        assert (alarm["state"], alarm["findings"]) == ("raised", 2)
        # The bank stated something that its books do not say: it confirms nothing, and restates.
        caller.record("seller", "B", "700.00")
        caller.record("bank", "B", "500.00")
        until(lambda: status(caller, "B") == "matched", 30)
        assert len(receiver.deliveries) == 1
    finally:
        node.stop()


def test_books_that_are_not_there_or_described_wrongly_hold_up_no_others(node: Node) -> None:
    """The seller's are mended while the node runs, and nothing of what waited is lost."""
    make_books(node, "bank", A="7.00", B="5.00")
    description = node.directory / "books" / "pay.seller.toml"
    description.write_text("table = 1", encoding="utf-8")
    node.start()
    caller = node.caller("operator")
    for name in ("A", "B"):
        caller.record("seller", name, "7.00")
        caller.record("bank", name, "5.00")
    until(lambda: "books_away" in node.said, 30)
    assert node.said.count("books_away") <= 3  # once a round, however many wait
    make_books(node, "seller", A="7.00", B="7.00")
    until(lambda: status(caller, "A") == status(caller, "B") == "matched", 60)
    assert len(entries(node, "seller")) == 4


def test_a_killed_node_posts_what_was_approved_and_posts_it_once(node: Node) -> None:
    make_books(node, "seller", **{f"T{n}": "7.00" for n in range(6)})
    for n in range(6):
        node.start()
        caller = node.caller("operator")
        caller.record("seller", f"T{n}", "7.00")
        caller.record("bank", f"T{n}", "5.00")
        node.stop(signal.SIGKILL)
    node.start()
    caller = node.caller("operator")
    until(lambda: all(status(caller, f"T{n}") == "matched" for n in range(6)), 60)
    assert len(entries(node, "seller")) == 12
