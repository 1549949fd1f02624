"""A node is copied while it takes records, and the copy is a node again."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.node.running import Node, ndjson, tieout
from tieout.node.access import now_us
from tieout.node.care.backup import back_up, restore
from tieout.node.errors import BackupDamaged, NodeError

BEFORE = 300


@dataclass(frozen=True)
class Kept:
    """A node that was copied at work, its copy, and the token of one of its users."""

    node: Node
    backup: Path
    token: str
    heights: tuple[int, int]
    """The last receipted block before the copy was begun, and after it was finished."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    top = tmp_path_factory.mktemp("kept")
    node = Node.found(top / "node").start()
    sender = node.caller("operator")
    lines = ndjson({"transaction_id": f"A-{n}", "amount": "1.00"} for n in range(BEFORE))
    assert sender.many("seller", lines).status == 200
    assert sender.record("bank", "A-0", "2.00").status == 200

    def height() -> int:
        return int(sender.get("/v1/ledger").json["height"])

    first = height()
    done = threading.Event()

    def publish() -> None:
        number = 0
        while not done.is_set():
            assert sender.record("seller", f"B-{number}", "3.00").status == 200
            number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    made = tieout("node", "backup", node.directory, top / "backup")
    done.set()
    thread.join()
    assert made.returncode == 0, made.stderr
    last = height()
    yield Kept(node, top / "backup", sender.token, (first, last))
    assert node.stop() == 0, node.said


def test_a_restored_node_has_everything_from_before_and_goes_on(kept: Kept, tmp_path: Path) -> None:
    made = tieout("node", "restore", kept.backup, tmp_path / "again")
    assert made.returncode == 0, made.stderr
    manifest = json.loads((kept.backup / "backup.json").read_bytes())
    assert kept.heights[0] <= manifest["height"] <= kept.heights[1]
    audited = tieout("audit", "--ledger", tmp_path / "again" / "ledger")
    assert audited.returncode == 0, audited.stderr

    again = Node(tmp_path / "again").start()
    try:
        caller = again.caller("operator")
        caller.token = kept.token
        assert caller.get("/v1/ledger").json["height"] >= manifest["height"]
        assert caller.transaction("A-0")["statement"]["status"] == "broken"
        assert caller.transaction(f"A-{BEFORE - 1}")["statement"]["status"] == "pending"
        # What was stated before is known: the same again is not published a second time.
        assert caller.record("seller", "A-1", "1.00").json["outcome"] == "unchanged"
        assert caller.record("bank", "A-1", "1.00").json["verdict"]["status"] == "matched"
    finally:
        assert again.stop() == 0, again.said


def test_permissions_are_kept_and_what_is_made_anew_is_not(kept: Kept, tmp_path: Path) -> None:
    restore(kept.backup, tmp_path / "again", {})
    for name in ("ledger/keys.json", "node.sqlite", "alarms.sqlite"):
        assert (tmp_path / "again" / name).stat().st_mode & 0o777 == 0o600
    names = {path.name for path in (tmp_path / "again").rglob("*")}
    assert names.isdisjoint({"spool", "index.sqlite", "lock", "node.sqlite-wal"})


@pytest.mark.parametrize(
    "name", ["ledger/keys.json", "node/node.sqlite", "ledger/journal/segments/*.seg"]
)
def test_a_changed_byte_is_found_and_nothing_is_restored(
    kept: Kept, tmp_path: Path, name: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kept.backup, copy)
    (path,) = copy.glob(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupDamaged) as refused:
        restore(copy, tmp_path / "again", {})
    assert f"{path.relative_to(copy)}: not the bytes that were written" in str(refused.value)
    assert not (tmp_path / "again").exists()


def test_a_backup_without_its_manifest_is_none(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kept.backup, copy)
    (copy / "backup.json").unlink()
    with pytest.raises(NodeError, match="is no whole backup"):
        restore(copy, tmp_path / "again", {})


def test_a_manifest_that_leads_elsewhere_is_refused(kept: Kept, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kept.backup, copy)
    manifest = json.loads((copy / "backup.json").read_bytes())
    manifest["files"][0]["path"] = "node/../../elsewhere"
    (copy / "backup.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BackupDamaged, match="names files elsewhere"):
        restore(copy, tmp_path / "again", {})


def test_nothing_is_written_over(kept: Kept, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(NodeError, match="nothing is written over"):
        restore(kept.backup, there, {})
    with pytest.raises(NodeError, match="there is something"):
        back_up(kept.node.directory, there, {}, now_us())
    inside = kept.node.directory / "copy"
    with pytest.raises(NodeError, match="a part of what is to be kept"):
        back_up(kept.node.directory, inside, {}, now_us())
    assert ([path.name for path in there.iterdir()], inside.exists()) == (["mine"], False)


def test_a_damaged_ledger_makes_no_backup(kept: Kept, tmp_path: Path) -> None:
    restore(kept.backup, tmp_path / "again", {})
    (segment,) = (tmp_path / "again" / "ledger" / "journal" / "segments").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    refused = tieout("node", "backup", tmp_path / "again", tmp_path / "backup")
    assert refused.returncode == 1, refused.stderr
    assert not (tmp_path / "backup" / "backup.json").exists()


def test_what_a_link_leads_to_is_kept_and_a_ring_of_links_ends(kept: Kept, tmp_path: Path) -> None:
    node = tmp_path / "node"
    restore(kept.backup, node, {})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pay.bank.toml").write_text("books", encoding="utf-8")
    (node / "books").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (node / "desk.secret").symlink_to(tmp_path / "elsewhere" / "pay.bank.toml")
    (tmp_path / "elsewhere" / "back").symlink_to(node, target_is_directory=True)
    made = back_up(node, tmp_path / "backup", {}, now_us())
    names = [each.path for each in made.files if "ledger/" not in each.path]
    assert {"node/books/pay.bank.toml", "node/desk.secret"} <= set(names)
    assert [name for name in names if "back" in name] == []
