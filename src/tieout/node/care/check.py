"""A node looked over, running or not: what is wrong, and what to do about it.

Each part is looked at by itself, by the code with which the node would use it, so that one run
names all there is to mend. Nothing is changed; a ledger is opened to be read only.
"""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tieout.connectors.errors import ConnectorError
from tieout.engines.embedded.ledger import EmbeddedLedger, read_genesis
from tieout.engines.embedded.places import JOURNAL
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import KEYS_FILE
from tieout.journal.errors import JournalError
from tieout.journal.journal import Journal
from tieout.node.access import Role
from tieout.node.alarms.channels import sender_of
from tieout.node.alarms.rulefile import ALARMS_FILE, Webhook, load_alarms
from tieout.node.bookkeeping.files import books_files, open_books
from tieout.node.care.upgrade import OWN_FILES
from tieout.node.errors import NodeError, SettingsError
from tieout.node.limits import MIN_FREE_BYTES
from tieout.node.places import OUTBOX_FILE, SETTINGS_FILE, STORE_FILE, database_url
from tieout.node.settings import Settings, load_settings
from tieout.node.tables import refuse_newer, version_of
from tieout.projections.database import Database
from tieout.projections.errors import ProjectionError
from tieout.projections.opening import stands_at
from tieout.projections.schema import revision

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Finding(msgspec.Struct, frozen=True):
    """One part of the node: what was found, and, unless all is well, what to do."""

    what: str
    is_well: bool
    found: str
    advice: str = ""


class _Wrong(Exception):
    """Something to be mended."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.advice = advice


def check_node(
    directory: Path, environment: Mapping[str, str], min_free_bytes: int = MIN_FREE_BYTES
) -> list[Finding]:
    """Look at every part of the node. Raises SettingsError where there is no node to look at."""
    if not (directory / SETTINGS_FILE).exists():
        raise SettingsError(
            str(directory / SETTINGS_FILE),
            "there is no such file; make one with `tieout node init`",
        )
    try:
        settings = load_settings(directory / SETTINGS_FILE, environment)
    except SettingsError as error:
        # Where ledger and database are follows from the settings: nothing else can be looked at.
        return [Finding("settings", is_well=False, found=str(error), advice=error.advice)]
    ledger = directory / settings.storage.ledger
    parts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("permissions", lambda: _permissions(directory, ledger)),
        ("disk", lambda: _disk(directory, ledger, min_free_bytes)),
        ("node's own files", lambda: _own_files(directory)),
        ("alarms", lambda: _alarms(directory)),
        ("database", lambda: _database(directory, ledger, settings)),
    )
    findings = [Finding("settings", is_well=True, found=f"{SETTINGS_FILE} and the environment fit")]
    findings += _ledger(directory, ledger)
    return findings + [_looked_at(what, look) for what, look in parts]


def _looked_at(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, is_well=True, found=look())
    except _Wrong as wrong:
        return Finding(what, is_well=False, found=str(wrong), advice=wrong.advice)
    except (EngineError, JournalError, NodeError, ProjectionError) as error:
        return Finding(what, is_well=False, found=str(error), advice=error.advice)
    except ConnectorError as error:
        return Finding(what, is_well=False, found=str(error), advice="docs/books.md says what fits")
    except (OSError, sqlite3.Error) as error:
        advice = "see that it is there, and that this user may read it"
        return Finding(what, is_well=False, found=str(error), advice=advice)


# ---------------------------------------------------------------------- ledger, keys, books


def _ledger(directory: Path, place: Path) -> Iterator[Finding]:
    """The ledger, its keys, and the books, which are described for its agreements."""
    opened: list[EmbeddedLedger] = []

    def look() -> str:
        opened.append(EmbeddedLedger.open(place, read_only=True))
        ledger = opened[0]
        torn = f"; {ledger.journal.torn}" if ledger.journal.torn else ""
        names = ", ".join(ledger.agreement_names()) or "none"
        return f"'{ledger.genesis.name}' opens at block {ledger.height:,}; in force: {names}{torn}"

    yield _looked_at("ledger", look)
    for ledger in opened:
        try:
            yield _looked_at("keys", lambda: _keys(ledger))  # noqa: B023 - called at once
            yield from _books(directory, ledger)
        finally:
            ledger.journal.close()


def _keys(ledger: EmbeddedLedger) -> str:
    parties = ledger.ring.parties
    names = [party.name for party in ledger.genesis.parties if party.number in parties]
    if not parties:
        raise _Wrong("no key is of a member", "put back the key file of this ledger")
    return f"{KEYS_FILE} holds keys of {', '.join(names)}"


def _books(directory: Path, ledger: EmbeddedLedger) -> Iterator[Finding]:
    try:
        files = books_files(directory)
    except NodeError as error:
        yield Finding("books", is_well=False, found=str(error), advice=error.advice)
        return
    if not files:
        yield Finding("books", is_well=True, found="none are described")
    for (name, role), path in files.items():

        def look(name: str = name, role: str = role, path: Path = path) -> str:
            agreement = ledger.agreement(name)
            if agreement is None or role not in agreement.roles:
                raise _Wrong(
                    f"no agreement {name} with a role {role} is in force",
                    f"call {path.name} as its agreement and role are called",
                )
            books = open_books(files, agreement, agreement.roles.index(role))
            if books is not None:
                books.close()
            return "described as the agreement needs them, and reached"

        yield _looked_at(f"books {name}.{role}", look)


# ---------------------------------------------------------------------- the rest


def _permissions(directory: Path, ledger: Path) -> str:
    secret = [ledger / KEYS_FILE, directory / STORE_FILE, directory / OUTBOX_FILE]
    alarms = _alarm_files(directory)
    open_to_others = [
        path for path in (*secret, *alarms) if path.exists() and path.stat().st_mode & _OTHERS
    ]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        raise _Wrong(f"others may read or write {names}", f"chmod 600 {names}")
    for folder in (directory, ledger):
        if folder.exists() and folder.stat().st_mode & _OTHERS_WRITE:
            raise _Wrong(f"others may write to {folder}", f"chmod go-w {folder}")
    return "keys and secrets are their owner's alone"


def _alarm_files(directory: Path) -> list[Path]:
    try:
        channels = load_alarms(directory / ALARMS_FILE).channels.values()
    except SettingsError:
        return []  # told by `_alarms`
    return [
        directory / (each.secret_file if isinstance(each, Webhook) else each.urls_file)
        for each in channels
    ]


def _disk(directory: Path, ledger: Path, min_free_bytes: int) -> str:
    told = []
    for folder in (directory, ledger):
        free = shutil.disk_usage(folder).free
        if free < min_free_bytes:
            raise _Wrong(
                f"{free / 1e9:.1f} GB are free for {folder}, less than {min_free_bytes / 1e9:.1f}",
                "make room, or move it to a larger disk: a node whose disk is full stops writing",
            )
        told.append(free)
    return f"{min(told) / 1e9:.1f} GB are free"


def _own_files(directory: Path) -> str:
    for file in OWN_FILES:
        path = directory / file.name
        version = version_of(path)
        if version is None:
            continue
        refuse_newer(path, version, len(file.steps) + 1)
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
        if sound != "ok":
            raise _Wrong(f"{path}: {sound}", "restore it from a backup")
    return _administrators(directory / STORE_FILE)


def _administrators(path: Path) -> str:
    if not path.exists():
        return "made when the node starts"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (count,) = connection.execute(
            "SELECT count(*) FROM users WHERE role = ? AND password IS NOT NULL AND NOT disabled",
            (str(Role.ADMINISTRATOR),),
        ).fetchone()
    finally:
        connection.close()
    return f"whole; administrators: {count}" + ("" if count else ", the node prints a link")


def _alarms(directory: Path) -> str:
    if not (directory / ALARMS_FILE).exists():
        return f"there is no {ALARMS_FILE}: nobody is told of anything"
    alarms = load_alarms(directory / ALARMS_FILE)
    for channel in alarms.channels.values():
        # A secret that is not there yet is made by the node, and not by looking.
        if not isinstance(channel, Webhook) or (directory / channel.secret_file).exists():
            sender_of(channel, directory)
    return f"{len(alarms.rules)} rules, {len(alarms.channels)} channels"


def _database(directory: Path, ledger: Path, settings: Settings) -> str:
    with Database(database_url(directory, settings.storage.database)) as database:
        if database.path is not None and not database.path.exists():
            return f"{database.shown}: made when the node starts"
        stands = None if revision(database) is None else stands_at(database)
        if stands is None:
            return f"{database.shown}: reached, and empty"
        genesis = read_genesis(ledger)
        if stands[0] != genesis.ledger_id().hex():
            raise _Wrong(
                f"{database.shown} has the lists of another ledger",
                "give each ledger a database of its own",
            )
        with Journal.open(ledger / JOURNAL, genesis.ledger_id(), read_only=True) as journal:
            height = journal.durable.height
        if stands[1] > height:
            raise _Wrong(
                f"{database.shown} goes up to block {stands[1]:,}, the ledger to {height:,}",
                "was the ledger restored? Then run `tieout projection rebuild`",
            )
        return f"{database.shown}: lists up to block {stands[1]:,} of {height:,}"
