"""The files of each role: headers checked before anything is done, rows and what was not taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tieout.agreement.model import Agreement
from tieout.agreement.stages import at_stage
from tieout.cli.files import Part, read_text
from tieout.cli.outcome import Failure
from tieout.connectors.csv_known import KnownRows
from tieout.connectors.csv_read import PLAIN, Chunk, read_rows, text_of_lines
from tieout.connectors.csv_refused import write_refused
from tieout.connectors.csv_rows import Refused
from tieout.connectors.mapping import TRANSACTION_ID, Mapping
from tieout.connectors.mapping_file import parse_mapping


@dataclass(frozen=True, slots=True)
class RoleFiles:
    """The files of one role, and how they are to be read, under the terms that hold for them."""

    agreement: Agreement
    part: Part
    paths: tuple[Path, ...]
    mapping: Mapping
    columns: tuple[tuple[str, ...], ...]
    """The header of each file."""

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.paths)


def check_headers(
    agreement: Agreement, files: dict[Part, list[Path]], mappings: dict[Part, Path]
) -> list[RoleFiles]:
    """Read every mapping and every header, in the agreement's order of stages and roles.

    Raises a ConnectorError for the first that does not fit; nothing has been written by then.
    """
    checked = []
    for part in sorted(files):
        mapping, terms = PLAIN, at_stage(agreement, part.stage)
        if part in mappings:
            path = mappings[part]
            mapping = parse_mapping(read_text(path, "the mapping"), terms, part.role, str(path))
        columns = []
        for path in files[part]:
            if path.exists() and not path.is_file():
                raise Failure(f"{path} is not a regular file", "write the rows to a file first")
            reader = read_rows(path, terms, part.role, mapping)
            columns.append(reader.columns)
            reader.close()
        checked.append(RoleFiles(terms, part, tuple(files[part]), mapping, tuple(columns)))
    return checked


class FiledRole:
    """One role while its files are read: what was taken, and what was not. One thread reads it."""

    def __init__(self, files: RoleFiles) -> None:
        self.files = files
        self.part = files.part
        self.index = files.part.role
        self.name = files.agreement.roles[files.part.role]
        self.known = KnownRows(files.agreement.layout.row_bytes)
        self.repeats = 0
        self.bytes_read = 0
        self.likely_rows = 0
        """How many rows there will be if the files go on as they began."""
        self.refused: list[list[Refused]] = [[] for _ in files.paths]

    @property
    def records(self) -> int:
        """Rows taken so far."""
        return self.known.count

    @property
    def refused_count(self) -> int:
        """Rows refused so far."""
        return sum(map(len, self.refused))

    def refuse_lines(self, file: int, lines: list[int], reason: str) -> None:
        """Refuse rows of a file that were read well, by the lines in which they begin, ascending.

        What stood there is read again, so that it can be written out as it was.
        """
        if lines:
            texts = text_of_lines(self.files.paths[file], self.files.mapping, lines)
            self.refused[file] += [
                Refused(line, TRANSACTION_ID, reason, text)
                for line, text in zip(lines, texts, strict=True)
            ]

    def numbered_chunks(self) -> Iterator[tuple[int, Chunk]]:
        """The rows of all files in order, with the number of the file (from 0) each chunk is of.

        Raises SourceError.
        """
        before = 0
        for number, path in enumerate(self.files.paths):
            reader = read_rows(
                path, self.files.agreement, self.index, self.files.mapping, self.known
            )
            for chunk in reader:
                self.repeats += chunk.repeats
                self.refused[number] += chunk.refused
                self.bytes_read = before + chunk.bytes_read
                self.likely_rows = self.known.count * self.files.size_bytes // self.bytes_read
                if len(chunk.rows):
                    yield number, chunk
            before += path.stat().st_size


def _plain_name(role: FiledRole) -> str:
    """The role, with its stage where there are some, as a part of a file's name."""
    return role.part.name(role.files.agreement).replace("@", "-")


def write_refusals(path: Path | None, roles: list[FiledRole]) -> list[Path]:
    """Write refused rows so that they can be mended and reconciled again; the files written.

    Rows of one role and one header go to `path`. Where several have refused rows, each gets a
    file of its own beside it, with the role in its name.
    """
    if path is None:
        return []
    groups: dict[tuple[FiledRole, tuple[str, ...]], list[Refused]] = {}
    for role in roles:
        for columns, refused in zip(role.files.columns, role.refused, strict=True):
            if refused:
                groups.setdefault((role, columns), []).extend(refused)
    if not groups:
        write_refused(path, roles[0].files.columns[0], (), roles[0].files.mapping)
        return []
    written = []
    for number, ((role, columns), refused) in enumerate(groups.items(), start=1):
        single = len(groups) == 1
        name = path if single else path.with_stem(f"{path.stem}-{number}-{_plain_name(role)}")
        write_refused(name, columns, refused, role.files.mapping)
        written.append(name)
    return written
