"""A node looked over and brought up to date: what is wrong is named, with what to do about it."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.running import Node, await_lists, tieout
from tieout.node.alarms.outbox import Outbox
from tieout.node.alarms.rulefile import AlarmFile
from tieout.node.care.check import check_node
from tieout.node.care.upgrade import upgrade_node
from tieout.node.errors import NodeError
from tieout.node.store import Store
from tieout.node.tables import bring_up, version_of

BOOKS = 'database = "books.sqlite"\ntable = "entries"\ntransaction_id = "id"\n[columns]\n'


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a node that has run, and has been stopped."""
    node = Node.found(tmp_path_factory.mktemp("care") / "node")
    node.start()
    caller = node.caller("operator")
    assert caller.record("seller", "A", "1.00").status == 200
    await_lists(caller)
    assert node.stop() == 0
    return node.directory


@pytest.fixture
def directory(founded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(founded, tmp_path / "node"))


def wrong(directory: Path, **environment: str) -> dict[str, tuple[str, str]]:
    """The parts in which something is wrong: what, and what to do."""
    return {
        finding.what: (finding.found, finding.advice)
        for finding in check_node(directory, environment)
        if not finding.is_well
    }


def test_all_is_well_with_a_node_that_has_just_been_stopped(directory: Path) -> None:
    checked = tieout("node", "check", directory, "--json")
    assert checked.returncode == 0, checked.stderr
    findings = json.loads(checked.stdout)
    assert [finding["what"] for finding in findings] == [
        *("settings", "ledger", "keys", "books", "permissions", "disk"),
        *("node's own files", "alarms", "database"),
    ]
    assert all(finding["is_well"] for finding in findings)


def spoil_settings(node: Path) -> None:
    (node / "node.toml").write_text("[listen]\nport = 'x'\n", encoding="utf-8")


def spoil_ledger(node: Path) -> None:
    (segment,) = (node / "ledger" / "journal" / "segments").glob("*.seg")
    segment.write_bytes(b"not a segment" * 100)


def lose_keys(node: Path) -> None:
    (node / "ledger" / "keys.json").unlink()


def open_keys_to_others(node: Path) -> None:
    (node / "ledger" / "keys.json").chmod(0o640)


def spoil_books(node: Path) -> None:
    (node / "books").mkdir()
    (node / "books" / "pay.bank.toml").write_text(BOOKS + "amuont = 'a'\n", encoding="utf-8")


def describe_books_of_nobody(node: Path) -> None:
    (node / "books").mkdir()
    (node / "books" / "pay.broker.toml").write_text(BOOKS, encoding="utf-8")


def name_no_channel(node: Path) -> None:
    text = '[[rules]]\nname = "all"\nchannels = ["pager"]\n'
    (node / "alarms.toml").write_text(text, encoding="utf-8")


def spoil_store(node: Path) -> None:
    (node / "node.sqlite").write_bytes(b"no database at all")


@pytest.mark.parametrize(
    ("spoil", "what", "found", "advice"),
    [
        (spoil_settings, "settings", "listen.port", "docs/node.md"),
        (spoil_ledger, "ledger", "segment header", "restore"),
        (lose_keys, "keys", "keys.json is missing", "nothing can be published"),
        (open_keys_to_others, "permissions", "keys.json", "chmod 600"),
        (spoil_books, "books pay.bank", "amuont", "docs/books.md"),
        (describe_books_of_nobody, "books pay.broker", "role broker", "pay.broker.toml"),
        (name_no_channel, "alarms", "pager", ""),
        (spoil_store, "node's own files", "not a database", "see that"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    directory: Path, spoil: Callable[[Path], None], what: str, found: str, advice: str
) -> None:
    spoil(directory)
    said, to_do = wrong(directory)[what]
    assert found in said
    assert advice in to_do


def test_the_command_says_it_and_its_exit_code_tells_monitoring(directory: Path) -> None:
    open_keys_to_others(directory)
    checked = tieout("node", "check", directory)
    assert (checked.returncode, "WRONG  permissions: " in checked.stderr) == (1, True)


def test_a_database_that_cannot_be_reached_is_named_without_its_password(directory: Path) -> None:
    url = "postgresql://reader:hush@127.0.0.1:1/none"
    said, to_do = wrong(directory, TIEOUT_STORAGE_DATABASE=url)["database"]
    assert "127.0.0.1" in said
    assert "hush" not in said
    assert "can be reached" in to_do


def test_read_models_that_are_ahead_of_the_ledger_are_named(directory: Path) -> None:
    """As after the ledger was restored, and its database was not."""
    with contextlib.closing(sqlite3.connect(directory / "read-models.sqlite")) as database:
        database.execute("UPDATE ledger SET height = height + 5")
        database.commit()
    assert "projection rebuild" in wrong(directory)["database"][1]


def test_a_disk_that_is_nearly_full_is_named(directory: Path) -> None:
    found = {each.what: each for each in check_node(directory, {}, min_free_bytes=1 << 62)}
    assert not found["disk"].is_well
    assert "make room" in found["disk"].advice


def test_there_is_nothing_to_look_at_without_a_node(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="there is no such file"):
        check_node(tmp_path / "none", {})
    with pytest.raises(NodeError, match="there is no such file"):
        upgrade_node(tmp_path / "none", {})


# ---------------------------------------------------------------------- upgrades


def test_an_upgrade_says_what_it_did_and_a_second_one_has_nothing_to_do(directory: Path) -> None:
    """A file from before versions were noted says 0."""
    with contextlib.closing(sqlite3.connect(directory / "node.sqlite")) as database:
        database.execute("PRAGMA user_version = 0")
    first = tieout("node", "upgrade", directory)
    assert (first.returncode, "node.sqlite: from 0 to version 1" in first.stderr) == (0, True)
    assert "node.sqlite: version 1, as before" in upgrade_node(directory, {})


def test_an_upgrade_stops_nothing(directory: Path) -> None:
    node = Node(directory).start()
    try:
        assert tieout("node", "upgrade", directory).returncode == 0
        assert tieout("node", "check", directory).returncode == 0
        assert node.caller("operator").record("bank", "A", "1.00").status == 200
    finally:
        assert node.stop() == 0, node.said


@pytest.mark.parametrize("name", ["node.sqlite", "alarms.sqlite"])
def test_a_file_of_a_newer_version_is_refused_before_anything_is_changed(
    directory: Path, name: str
) -> None:
    with contextlib.closing(sqlite3.connect(directory / name)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(NodeError, match="newer version of Tieout"):
        upgrade_node(directory, {})
    assert "newer version" in wrong(directory)["node's own files"][0]
    assert version_of(directory / name) == 99
    opens = {"node.sqlite": Store, "alarms.sqlite": lambda at: Outbox(at, AlarmFile(), bytes(32))}
    with pytest.raises(NodeError, match="newer version"):
        opens[name](directory / name)


def test_tables_go_from_version_to_version_and_a_failed_step_changes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.sqlite"
    old = "CREATE TABLE IF NOT EXISTS users (name TEXT); -- who\n"
    new = "CREATE TABLE IF NOT EXISTS users (name TEXT, role TEXT);\n"
    step = "ALTER TABLE users ADD COLUMN role TEXT;\nUPDATE users SET role = 'viewer';\n"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        bring_up(database, path, old, ())
        database.execute("INSERT INTO users VALUES ('ada')")
        with pytest.raises(sqlite3.Error):
            bring_up(database, path, new, (step + "UPDATE nothing SET at = 'all';\n",))
        assert (version_of(path), database.execute("SELECT * FROM users").fetchall()) == (
            1,
            [("ada",)],
        )
        bring_up(database, path, new, (step,))
        assert (version_of(path), database.execute("SELECT * FROM users").fetchall()) == (
            2,
            [("ada", "viewer")],
        )
