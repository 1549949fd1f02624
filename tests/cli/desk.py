"""Somebody at a desk: a folder with files, and the commands typed in it, run in this process."""

import contextlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tieout.cli.main import main

HEADER = "transaction_id,kind,field,role,reported,benchmark,basis,difference,status"


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """A folder, which is the current one, and the commands typed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, *lines: str) -> str:
        """Write a file of these lines; return its name."""
        text = "".join(line + "\n" for line in lines)
        (self.folder / name).write_text(text, encoding="utf-8", newline="")
        return name

    def tieout(self, *words: str) -> Said:
        """Run one command as `main` does."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _left_with(words)
        for stream in (out, err):
            stream.flush()
        return Said(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())

    def reconcile(self, agreement: str, *words: str, **files: Iterable[str]) -> Said:
        """Reconcile one CSV for each role (its lines) under an agreement (its text)."""
        (self.folder / "agreement.toml").write_text(agreement, encoding="utf-8")
        pairs = [f"{role}={self.file(role + '.csv', *lines)}" for role, lines in files.items()]
        return self.tieout("reconcile", "agreement.toml", *pairs, *words)

    def breaks(self, agreement: str, *words: str, **files: Iterable[str]) -> list[str]:
        """The lines of the breaks file, without its header."""
        said = self.reconcile(agreement, "--breaks", "breaks.csv", *words, **files)
        assert said.code in {0, 1}, said.err
        lines = self.read("breaks.csv").split("\r\n")
        assert (lines[0], lines[-1]) == (HEADER, "")
        assert said.code == (1 if len(lines) > 2 else 0)
        return lines[1:-1]

    def read(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode("utf-8")


def _left_with(words: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert isinstance(left.value.code, int)
    return left.value.code


def agreement(*fields: str, roles: str = '"seller", "bank"', rest: str = "") -> str:
    """The text of an agreement `pay` with these fields, each `name: keys`."""
    tables = []
    for field in fields:
        name, _, keys = field.partition(": ")
        lines = "\n".join(keys.split("; "))
        tables.append(f"[fields.{name}]\n{lines}\n")
    return "\n".join([f'name = "pay"\nversion = 1\nroles = [{roles}]\n', *tables, rest])


MONEY = "amount: type = 'money'; scale = 2"
"""A field for which values have to be equal."""
PAY = agreement(MONEY)
"""Two roles and one amount; without a majority nothing decides."""
BANK_DECIDES = agreement(MONEY, rest='[benchmark]\namount = "bank"\n')
TRIO = '"seller", "registrar", "bank"'
