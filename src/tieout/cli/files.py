"""Files that are named on the command line: agreements and ROLE=FILE pairs."""

import os
from pathlib import Path

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.cli.outcome import Failure


def read_text(path: Path, what: str) -> str:
    """The text of a file. Raises Failure (exit 2) when it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{what} {path} is not UTF-8: {error}") from error


def read_agreement(path: Path) -> Agreement:
    """The agreement in a file. Raises Failure naming every key that does not fit."""
    text = read_text(path, "the agreement")
    try:
        return parse_agreement(text, str(path))
    except AgreementError as error:
        raise Failure(str(error)) from error


def role_files(
    pairs: tuple[str, ...], agreement: Agreement, what: str = "ROLE=FILE"
) -> dict[int, list[Path]]:
    """The files of each role (by index), in the order given. Raises Failure for an unfit pair."""
    files: dict[int, list[Path]] = {}
    for pair in pairs:
        role, separator, name = pair.partition("=")
        if not separator or not name:
            raise Failure(f"'{pair}' is not {what}", f"write for example {agreement.roles[0]}=file")
        if role not in agreement.roles:
            known = ", ".join(agreement.roles)
            raise Failure(f"'{role}' is not a role of this agreement", f"its roles are: {known}")
        files.setdefault(agreement.roles.index(role), []).append(Path(name))
    return files


def check_outputs(outputs: list[Path], inputs: list[Path]) -> None:
    """Raise Failure, before anything is done, when a file that was asked for cannot be written.

    Nor may it be one of the files that are read, or be asked for twice.
    """
    for number, path in enumerate(outputs):
        target = path if path.exists() else path.absolute().parent
        if path.is_dir() or not target.exists() or not os.access(target, os.W_OK):
            advice = "name a file in a directory that you may write"
            raise Failure(f"{path} cannot be written", advice)
        for other in [*inputs, *outputs[:number]]:
            if path.resolve() == other.resolve():
                what = "is one of the files to be read" if other in inputs else "is named twice"
                raise Failure(f"{path} {what}", "name another file to be written")
