"""A backup, while the node runs, and its way back.

The problem: the parts of a node change while they are copied, and they must fit together. A node
that is put back must not believe that it has told people of a block which its ledger does not have.

The model: the node's own files first, each SQLite database as it stood at one moment (SQLite's
backup); then the ledger, whose blocks only ever grow, up to the last durable one. So the databases
are never ahead of the ledger, and what they are behind they catch up with, as after a crash: a
notice may be delivered twice, with its id. Then everything is read back from disk and held against
its hash, and the copied journal is checked block by block; only then is the manifest written.

Everything that stands in the node's directory is kept but what is made anew by itself. What is not
here: read models in another database (`pg_dump`), books, which belong to their own systems, and a
ledger that several parties order, which is the network node's: put back without CometBFT's own
files it would be ahead of them for ever.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tieout import __version__
from tieout.engines.cometbft.nodes import is_ordered_by_several
from tieout.engines.embedded.ledger import read_genesis
from tieout.engines.embedded.places import GENESIS_FILE, JOURNAL
from tieout.journal.check import check_journal
from tieout.journal.journal import SEGMENTS, SNAPSHOTS, Journal
from tieout.journal.snapshot import snapshot_files
from tieout.node.care.manifest import (
    FORMAT,
    LEDGER,
    MANIFEST,
    NODE,
    Kept,
    Manifest,
    copy_file,
    differences,
    hash_of,
    make_folder,
    read_manifest,
    sync_file,
    sync_folders,
    write_manifest,
)
from tieout.node.errors import BackupDamaged, NodeError
from tieout.node.places import SETTINGS_FILE, SPOOL
from tieout.node.settings import load_settings

_PASSING: Final = ("-wal", "-shm", "-journal", ".follower", ".new", ".lock")
"""Ends of the names of files that belong to a running process."""
_SQLITE: Final = b"SQLite format 3\0"
_SNAPSHOT_TRIES: Final = 3
_BUSY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to be kept: its path in the backup, where it stands, how much of it (None: all)."""

    name: str
    path: Path
    size: int | None = None


def back_up(directory: Path, to: Path, environment: Mapping[str, str], now_us: int) -> Manifest:
    """Copy the node in `directory`, which may run, to the new folder `to`, and read it back.

    Raises NodeError, BackupDamaged when what is on disk is not what was read, and the errors of
    settings, engines and journal.
    """
    settings = load_settings(directory / SETTINGS_FILE, environment)
    ledger = directory / settings.storage.ledger
    _refuse_place(to, directory, ledger)
    genesis = read_genesis(ledger)
    ledger_id = genesis.ledger_id()
    try:
        make_folder(to)
        files = [_keep(source, to) for source in _node_files(directory, ledger)]
        height = 0
        if not is_ordered_by_several(ledger):
            files += [_keep(source, to) for source in _ledger_files(ledger)]
            files += _keep_snapshot(ledger / JOURNAL, to)
            height, blocks = _keep_blocks(ledger / JOURNAL, ledger_id, to)
            files += blocks
        found = [each for each in files if each is not None]
        manifest = Manifest(
            FORMAT, __version__, now_us, ledger_id.hex(), genesis.name, height,
            tuple(sorted(found, key=_order)),
        )  # fmt: skip
        sync_folders(to)
        _prove(to, manifest)
        write_manifest(to, manifest)
    except OSError as error:
        raise NodeError(
            f"the backup could not be written: {error}",
            f"{to} is not whole and can be removed; see whether its disk is full",
        ) from error
    except sqlite3.Error as error:
        raise NodeError(f"a database of the node could not be copied: {error}") from error
    return manifest


def restore(source: Path, directory: Path, environment: Mapping[str, str]) -> Manifest:
    """Make a node of a backup, in a directory that does not exist, or is empty.

    Every file is held against its hash before anything is written, and again as it is written.
    Raises NodeError, BackupDamaged, SettingsError.
    """
    manifest = read_manifest(source)
    _prove(source, manifest)
    settings = load_settings(source / NODE / SETTINGS_FILE, environment)
    tops = {NODE: directory}
    if any(kept.path.startswith(f"{LEDGER}/") for kept in manifest.files):
        tops[LEDGER] = directory / settings.storage.ledger
    for place in tops.values():
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise NodeError(
                f"there is something at {place}, and nothing is written over",
                "name a new directory, or move away what stands there",
            )
    try:
        for kept in manifest.files:
            top, _, name = kept.path.partition("/")
            written, digest, _ = copy_file(source / kept.path, tops[top] / name)
            (tops[top] / name).chmod(int(kept.mode, 8))
            if (written, digest) != (kept.bytes, kept.sha256):
                raise BackupDamaged(f"{kept.path} changed while it was read")
        for folder in tops.values():
            sync_folders(folder)
    except OSError as error:
        raise NodeError(
            f"the node could not be written: {error}",
            f"{directory} is no node yet and can be removed; see whether its disk is full",
        ) from error
    return manifest


# ---------------------------------------------------------------------- what is kept


def _refuse_place(to: Path, directory: Path, ledger: Path) -> None:
    inside = to.resolve()
    for place in (directory, ledger):
        if inside.is_relative_to(place.resolve()):
            raise NodeError(
                f"{to} is a part of what is to be kept",
                "name a folder elsewhere, best on another disk",
            )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise NodeError(f"there is something at {to}", "name a new folder for each backup")


def _node_files(directory: Path, ledger: Path) -> Iterator[_Source]:
    """Everything in the node's directory but the ledger and what is there for the moment."""
    passed = {(directory / SPOOL).resolve(), ledger.resolve(), directory.resolve()}
    for folder, folders, names in os.walk(directory, followlinks=True):
        here = Path(folder)
        # A link to a folder is followed, once: secrets and books often stand elsewhere.
        inside = {name: (here / name).resolve() for name in sorted(folders)}
        folders[:] = [name for name, place in inside.items() if place not in passed]
        passed.update(inside.values())
        for name in sorted(names):
            path = here / name
            if path.is_file() and not name.endswith(_PASSING):
                yield _Source(f"{NODE}/{path.relative_to(directory).as_posix()}", path)


def _ledger_files(ledger: Path) -> Iterator[_Source]:
    """What stands beside the journal: genesis and keys."""
    for path in sorted(ledger.iterdir()):
        if path.is_file() and not path.name.endswith(_PASSING):
            yield _Source(f"{LEDGER}/{path.name}", path)


def _keep(source: _Source, to: Path) -> Kept | None:
    """Copy one file; None for one that has gone meanwhile, as files of the moment do."""
    target = to / source.name
    try:
        if source.size is None and _is_sqlite(source.path):
            return Kept(source.name, *_copy_database(source.path, target))
        return Kept(source.name, *copy_file(source.path, target, source.size))
    except FileNotFoundError:
        if source.path.exists():
            raise
        return None


def _keep_snapshot(journal: Path, to: Path) -> list[Kept | None]:
    """The newest snapshot, which spares the restored node a replay; there may be none.

    Before the journal is opened, so that it is of a block that is kept. The node drops an old one
    when it has a newer one, so it is looked for again.
    """
    for _ in range(_SNAPSHOT_TRIES):
        for path in snapshot_files(journal / SNAPSHOTS)[:1]:
            kept = _keep(_Source(f"{LEDGER}/{JOURNAL}/{SNAPSHOTS}/{path.name}", path), to)
            if kept is not None:
                return [kept]
    return []


def _keep_blocks(journal: Path, ledger_id: bytes, to: Path) -> tuple[int, list[Kept | None]]:
    """The journal up to its last durable block, whose height is told."""
    if not (journal / SEGMENTS).is_dir():
        return 0, []
    with Journal.open(journal, ledger_id, read_only=True) as opened:
        named = f"{LEDGER}/{JOURNAL}/{SEGMENTS}"
        kept = [
            _keep(_Source(f"{named}/{path.name}", path, size), to)
            for path, size in opened.durable_files()
        ]
        return opened.durable.height, kept


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(source: Path, target: Path) -> tuple[int, str, str]:
    """One moment of an SQLite database, whoever writes to it meanwhile; as `copy_file`."""
    make_folder(target.parent)
    mode = source.stat().st_mode & 0o777
    target.touch(mode=0o600, exist_ok=False)
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
    writing = sqlite3.connect(target, isolation_level=None)
    try:
        # In one step: writers go on beside it, and none makes it begin again.
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")
        (sound,) = writing.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        writing.close()
        reading.close()
    if sound != "ok":
        raise BackupDamaged(f"{source}: SQLite says: {sound}")
    with target.open("rb+") as file:
        os.fchmod(file.fileno(), mode)
        sync_file(file.fileno())
    return (*hash_of(target), f"{mode:04o}")


def _order(kept: Kept) -> tuple[int, str]:
    """Where a file stands among those put back: what makes a directory something comes last."""
    last = (f"{LEDGER}/{GENESIS_FILE}", f"{NODE}/{SETTINGS_FILE}")
    return (last.index(kept.path) + 1 if kept.path in last else 0, kept.path)


# ---------------------------------------------------------------------- reading it back


def _prove(folder: Path, manifest: Manifest) -> None:
    """Hold every file against its hash, and the journal against itself. Raises BackupDamaged."""
    wrong = differences(folder, manifest)
    if not wrong and manifest.height:
        ledger_id = bytes.fromhex(manifest.ledger_id)
        report = check_journal(folder / LEDGER / JOURNAL, ledger_id)
        wrong = [str(damage) for damage in report.damages]
        if not wrong and report.height != manifest.height:
            wrong = [f"the journal ends with block {report.height}, not {manifest.height}"]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""  # noqa: PLR2004
        raise BackupDamaged(f"{folder / MANIFEST}: {'; '.join(wrong[:3])}{more}")
