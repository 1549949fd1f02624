"""Files that are named on the command line: agreements and ROLE=FILE pairs."""

import os
from pathlib import Path
from typing import NamedTuple

from tieout.agreement.errors import AgreementError
from tieout.agreement.model import Agreement
from tieout.agreement.parse import parse_agreement
from tieout.agreement.stages import at_stage
from tieout.cli.outcome import Failure


class Part(NamedTuple):
    """Who speaks in a file, and of what: a role, at a stage (0 where there are none), by index."""

    stage: int
    role: int

    def name(self, agreement: Agreement) -> str:
        """As it is written on the command line: `seller`, or `seller@ordered`."""
        role = agreement.roles[self.role]
        return f"{role}@{agreement.stages[self.stage].name}" if agreement.stages else role


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
) -> dict[Part, list[Path]]:
    """The files of each role, in the order given. Raises Failure for an unfit pair.

    Where the agreement has stages, each names its own: `seller@ordered=FILE`.
    """
    files: dict[Part, list[Path]] = {}
    for pair in pairs:
        said, separator, name = pair.partition("=")
        if not separator or not name:
            example = Part(0, 0).name(agreement)
            raise Failure(f"'{pair}' is not {what}", f"write for example {example}=file")
        files.setdefault(_part(said, agreement), []).append(Path(name))
    return files


def _part(said: str, agreement: Agreement) -> Part:
    role, _, stage = said.partition("@")
    if role not in agreement.roles:
        known = ", ".join(agreement.roles)
        raise Failure(f"'{role}' is not a role of this agreement", f"its roles are: {known}")
    names = [each.name for each in agreement.stages]
    if not names and stage:
        raise Failure(f"'{said}': this agreement has no stages", f"write {role}=FILE")
    if names and stage not in names:
        known = f"write {role}@STAGE=FILE; its stages are: {', '.join(names)}"
        raise Failure(f"'{said}' names no stage of this agreement", known)
    part = Part(names.index(stage) if names else 0, agreement.roles.index(role))
    if part.role not in at_stage(agreement, part.stage).taking_part:
        raise Failure(f"{role} takes no part in the stage {stage}", "leave the file out")
    return part


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
