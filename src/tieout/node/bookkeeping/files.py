"""Which books a node has: files `AGREEMENT.ROLE.toml` in the folder `books` (docs/books.md)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tieout.agreement.model import Agreement
from tieout.connectors.books import Books
from tieout.connectors.books_config import is_postgres, parse_books
from tieout.connectors.books_postgres import PostgresBooks
from tieout.connectors.books_sqlite import SqliteBooks
from tieout.connectors.errors import MappingError
from tieout.node.errors import NodeError

BOOKS_FOLDER: Final = "books"


def books_files(directory: Path) -> dict[tuple[str, str], Path]:
    """The descriptions of books in a node's directory, by agreement and role. Raises NodeError."""
    found = {}
    for path in sorted((directory / BOOKS_FOLDER).glob("*.toml")):
        agreement, dot, role = path.stem.rpartition(".")
        if not dot:
            raise NodeError(f"{path}: the name says of which books", "call it AGREEMENT.ROLE.toml")
        found[agreement, role] = path
    return found


def open_books(
    files: Mapping[tuple[str, str], Path], agreement: Agreement, role: int
) -> Books | None:
    """The books of a role; None where none are described. Paths count from the node's directory.

    Raises NodeError for a description that does not fit and for an agreement with stages, of which
    books say nothing; BooksError for books that do not fit.
    """
    path = files.get((agreement.name, agreement.roles[role]))
    if path is None:
        return None
    if agreement.stages:
        raise NodeError(
            f"{path}: books are not kept for agreements with stages yet",
            "publish each stage's file, and bring the books to agreed values by hand",
        )
    try:
        config = parse_books(path.read_text(encoding="utf-8"), agreement, role, str(path))
    except (OSError, UnicodeDecodeError, MappingError) as error:
        raise NodeError(f"{path}: {error}", "docs/books.md says what it holds") from error
    if is_postgres(config.database):
        return PostgresBooks(config, agreement, role)
    database = str(path.parent.parent / config.database)
    return SqliteBooks(replace(config, database=database), agreement, role)
