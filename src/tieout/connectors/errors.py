"""What goes wrong at the door: files, mappings and books, and whose fault it is."""

from pathlib import Path

from tieout.agreement.errors import Problem


class ConnectorError(Exception):
    """The root of what this room raises. Without another word: trying again will not help."""


class SourceError(ConnectorError):
    """A file that cannot be read at all: its place, its rights, or its encoding.

    `path` is the file; the message says what to do.
    """

    def __init__(self, path: Path, wrong: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path}: {wrong}. {remedy}")


class HeaderError(ConnectorError):
    """Column names that do not fit the agreement, the role and the mapping.

    The file's author or the mapping's is at fault. `path` is the file; `problems` is one sentence
    for each group of columns, with what to do; the tuples name the columns.
    """

    def __init__(
        self,
        path: Path,
        *,
        unknown: tuple[str, ...] = (),
        unreported: tuple[str, ...] = (),
        absent: tuple[str, ...] = (),
        duplicate: tuple[str, ...] = (),
        constant: tuple[str, ...] = (),
        known: tuple[str, ...] = (),
        role: str = "",
    ) -> None:
        self.path = path
        self.unknown = unknown
        self.unreported = unreported
        self.absent = absent
        self.duplicate = duplicate
        self.constant = constant
        fields = ", ".join(known)
        groups = (
            (unknown, "unknown columns", f"map them to fields ({fields}), or ignore them"),
            (unreported, f"columns of fields that {role} does not report", "ignore them"),
            (absent, "absent columns", "add them, or map the columns that they are"),
            (duplicate, "columns that stand twice", "rename one of each"),
            (constant, "columns of fields that the mapping states as constants", "ignore them"),
        )
        self.problems = tuple(
            f"{what}: {', '.join(map(repr, names))} - {remedy}"
            for names, what, remedy in groups
            if names
        )
        told = f"{path}: the header does not fit; a mapping file can say [columns] and ignore"
        super().__init__("\n  ".join([told, *self.problems]))


class MappingError(ConnectorError):
    """A mapping, or a description of books, that does not fit its form or the agreement.

    Its author is at fault; `problems` lists all that was found, each with its key and a remedy.
    """

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{source}: {count}", *map(str, problems)]))


class BooksError(ConnectorError):
    """Books that cannot be read or posted to exactly: a missing table, a REAL column, a lock.

    `retry` says whether the same call may succeed later: then it is not certain that the books are
    as they were, and the same call tells. Otherwise they are.
    """

    def __init__(self, message: str, *, retry: bool = False) -> None:
        self.retry = retry
        super().__init__(message)


class BooksChangedError(BooksError):
    """The booking is no longer what the adjustment starts from; nothing was posted.

    `differences` holds (field, what the adjustment starts from, what the books say) as text. The
    party publishes what its books say now; the rules then judge anew.
    """

    def __init__(self, transaction_id: str, differences: tuple[tuple[str, str, str], ...]) -> None:
        self.transaction_id = transaction_id
        self.differences = differences
        told = "; ".join(
            f"{name}: expected {expected}, booked {booked}"
            for name, expected, booked in differences
        )
        super().__init__(
            f"the books of {transaction_id!r} have changed: {told}. Nothing was posted; publish"
            " what the books say now"
        )
