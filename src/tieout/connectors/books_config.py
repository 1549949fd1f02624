"""Descriptions of books: which tables and columns hold a party's bookings (docs/books.md)."""

from dataclasses import dataclass, field
from typing import Final

from tieout.agreement.errors import Findings
from tieout.agreement.file import read_toml
from tieout.agreement.model import Agreement
from tieout.agreement.table import Table
from tieout.connectors.errors import MappingError
from tieout.connectors.mapping import TRANSACTION_ID, reported
from tieout.connectors.mapping_file import read_constants

TOP: Final = (
    *("database", "table", TRANSACTION_ID, "order", "reason", "adjustment", "carry"),
    *("columns", "constants"),
)
POSTINGS_TABLE: Final = "tieout_postings"


@dataclass(frozen=True, slots=True)
class BooksConfig:
    """Where the bookings of one role stand. All names are those of the party's own database.

    `database` is the path of an SQLite file, or a URL of PostgreSQL. Each row of `table` is an
    entry of the transaction that `id_column` names, in the order of `order_column`, in SQLite of
    the rowid; `columns` leads from a field to its column, `constants` from a field that no column
    holds to its text. Further entries get the reason and the adjustment's id (hexadecimal) in the
    columns named for them, and a copy of the last entry's values in the `carried` columns.
    """

    database: str
    table: str
    id_column: str
    columns: dict[str, str]
    reason_column: str | None = None
    adjustment_column: str | None = None
    carried: tuple[str, ...] = ()
    order_column: str | None = None
    constants: dict[str, str] = field(default_factory=dict)


def parse_books(text: str, agreement: Agreement, role: int, source: str = "books") -> BooksConfig:
    """Read the text of a description of books for one role of an agreement (docs/books.md).

    `source` names the text in errors. Raises MappingError with every problem that was found.
    """
    findings = Findings()
    tree = read_toml(text, findings)
    config = None if tree is None else _read(Table(tree, "", findings), agreement, role)
    if config is None or len(findings):
        raise MappingError(source, findings.error(source).problems)
    return config


def _read(top: Table, agreement: Agreement, role: int) -> BooksConfig:
    top.reject_others(TOP)
    names = {}
    for key, remedy in (
        ("database", "Write the path of an SQLite file, or postgresql://USER@HOST/NAME."),
        ("table", "Write the name of the table of entries."),
        (TRANSACTION_ID, "Write the name of the column that holds the transaction's id."),
    ):
        top.require(key, remedy)
        names[key] = top.text(key, remedy) or ""
    remedy = "Write [columns] and, below it, field = 'column' for each field in the books."
    top.require("columns", remedy)
    table = top.table("columns", remedy) or top.empty("columns")
    table.reject_others(reported(agreement, role), f"field that {agreement.roles[role]} reports")
    columns = {
        key: column
        for key in table.listed()
        if (column := table.text(key, "Write the name of the column.")) is not None
    }
    constants = read_constants(
        top.table("constants", "Write [constants] and field = 'value' below it.")
        or top.empty("constants"),
        agreement,
        role,
        columns,
    )
    config = BooksConfig(
        constants=constants,
        database=names["database"],
        table=names["table"],
        id_column=names[TRANSACTION_ID],
        columns=columns,
        reason_column=top.text("reason", "Write the name of a column of text."),
        adjustment_column=top.text("adjustment", "Write the name of a column of text."),
        carried=top.names("carry", "List names of columns.") or (),
        order_column=top.text("order", "Write the name of the column that numbers entries."),
    )
    _judge_order(top, config)
    _judge_columns(top, config)
    return config


def _judge_columns(top: Table, config: BooksConfig) -> None:
    """Note a column that has two uses: it could hold only one of them."""
    used = [config.id_column, *config.columns.values(), *config.carried]
    marks = (config.reason_column, config.adjustment_column, config.order_column)
    used += [name for name in marks if name]
    for name in dict.fromkeys(used):
        if used.count(name) > 1:
            top.reject("columns", f"the column {name!r} is used twice", "Use each column once.")
    if config.table == POSTINGS_TABLE:
        top.reject("table", f"{POSTINGS_TABLE} is Tieout's own", "Name the table of entries.")


def _judge_order(top: Table, config: BooksConfig) -> None:
    """Note an order that the kind of database needs, or cannot use."""
    if is_postgres(config.database) and config.order_column is None:
        top.reject("order", "is missing", "Name the column that numbers entries as they come.")
    if not is_postgres(config.database) and config.order_column is not None:
        top.reject("order", "SQLite's entries are in the order of their rowid", "Remove it.")


def is_postgres(database: str) -> bool:
    """Whether this is a URL of PostgreSQL, and not a path."""
    return database.startswith(("postgresql://", "postgres://"))
