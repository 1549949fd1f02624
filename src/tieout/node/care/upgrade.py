"""An upgrade: the node's own tables brought to this version of the software.

A node does the same by itself when it starts. Done beforehand, it says what is changed, takes its
time while the node still runs, and refuses before anything is changed where something is newer than
this version. The ledger is never changed: its rules are those of its genesis.
"""

import sqlite3
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tieout import __version__
from tieout.engines.embedded.ledger import read_genesis
from tieout.node import store
from tieout.node.alarms import outbox
from tieout.node.errors import NodeError
from tieout.node.places import OUTBOX_FILE, SETTINGS_FILE, STORE_FILE, database_url
from tieout.node.settings import SECTIONS, Settings, load_settings
from tieout.node.tables import open_tables, refuse_newer, version_of
from tieout.projections.database import Database
from tieout.projections.schema import migrate, revision


class _File(NamedTuple):
    """One of the node's own files: its name, where its schema stands, and the steps to it."""

    name: str
    package: str
    schema: str
    steps: tuple[str, ...]


OWN_FILES: Final = (
    _File(STORE_FILE, "tieout.node", "store.sql", store.STEPS),
    _File(OUTBOX_FILE, "tieout.node.alarms", "outbox.sql", outbox.STEPS),
)


def upgrade_node(directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Bring the tables of a node to this version; what was done, a line each.

    Raises NodeError before anything is changed when a file is of a newer version, ProjectionError,
    DatabaseAway, and the errors of settings and engines.
    """
    settings = load_settings(directory / SETTINGS_FILE, environment)
    genesis = read_genesis(directory / settings.storage.ledger)
    versions = [_version(directory / file.name, len(file.steps) + 1) for file in OWN_FILES]
    said = [
        f"Tieout {__version__}",
        _told_settings(directory / SETTINGS_FILE),
        f"ledger '{genesis.name}': rules version {genesis.rules_version}, not touched",
    ]
    # The read models first: they may refuse, and then nothing else was changed.
    said.append(_bring_up_read_models(directory, settings))
    for file, version in zip(OWN_FILES, versions, strict=True):
        said.append(_bring_up_file(directory, file, version))
    said.append("a node that runs goes on as it is; start it anew with this version")
    return said


def _version(path: Path, newest: int) -> int | None:
    try:
        version = version_of(path)
    except sqlite3.Error as error:
        raise NodeError(f"{path}: {error}", "mend its rights, or restore it") from error
    refuse_newer(path, version or 0, newest)
    return version


def _told_settings(path: Path) -> str:
    """Which settings the file does not state yet."""
    stated = tomllib.loads(path.read_text(encoding="utf-8"))
    missing = [
        f"{section}.{field.name} = {msgspec.json.encode(field.default).decode()}"
        for section, kind in SECTIONS.items()
        for field in msgspec.structs.fields(kind)
        if field.name not in stated.get(section, {})
    ]
    if not missing:
        return f"{path.name}: states every setting"
    return f"{path.name}: does not state, so that the default holds: {', '.join(missing)}"


def _bring_up_read_models(directory: Path, settings: Settings) -> str:
    with Database(database_url(directory, settings.storage.database)) as database:
        if database.path is not None and not database.path.exists():
            return f"read models: none at {database.shown} yet, made when the node starts"
        before = revision(database)
        migrate(database)
        return f"read models: {_told(before, revision(database))} ({database.shown})"


def _bring_up_file(directory: Path, file: _File, before: int | None) -> str:
    path = directory / file.name
    if before is None:
        return f"{file.name}: not there yet, made when the node starts"
    schema = resources.files(file.package).joinpath(file.schema)
    open_tables(path, schema, file.steps).close()
    return f"{file.name}: {_told(before, version_of(path))}"


def _told(before: object, after: object) -> str:
    return f"version {after}, as before" if before == after else f"from {before} to version {after}"
