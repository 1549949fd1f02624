"""docs/cli.md has an entry for every command and every option, and for nothing else."""

import re
from collections.abc import Iterator

from cyclopts import App

from tests.cli.desk import HEADER
from tests.cli.test_exit_codes import JSON_KEYS
from tests.conftest import ROOT
from tieout.cli.main import app
from tieout.wire.codes import BreakKind

MANUAL = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## `(tieout [a-z -]+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^### (`.+`)$", re.MULTILINE)


def commands(of: App, name: str) -> Iterator[tuple[str, set[str]]]:
    """Each command with the names of its arguments and options."""
    for word in of:
        if word.startswith("-"):
            continue
        command = of[word]
        yield from commands(command, f"{name} {word}")
        if command.default_command is not None:
            names: set[str] = set()
            for argument in command.assemble_argument_collection():
                if argument.names == ("*",):
                    continue  # options that several commands share; each is listed by itself
                first = argument.names[0].removeprefix("--").upper()
                names |= {first} if argument.field_info.is_positional else set(argument.names)
            yield f"{name} {word}", names


def test_every_command_and_option_has_an_entry_and_every_entry_is_one() -> None:
    described = {
        name: {word for entry in ENTRY.findall(text) for word in re.findall(r"`(.+?)`", entry)}
        for name, text in SECTION.findall(MANUAL)
    }
    assert described == dict(commands(app, "tieout"))


def test_usage_lines_name_every_option() -> None:
    lacking = {}
    for name, text in SECTION.findall(MANUAL):
        usage = text.split("```")[1]
        assert usage.split("\n")[1].startswith(name)
        entries = [re.findall(r"`(.+?)`", entry) for entry in ENTRY.findall(text)]
        words = [names for names in entries if not any(word in usage for word in names)]
        lacking[name] = [names for names in words if names != ["FILES"]]
    assert {name: words for name, words in lacking.items() if words} == {}


def rows_of(heading: str) -> list[str]:
    """The first cells of the table below a heading."""
    text = MANUAL[MANUAL.index(heading) :].split("|---|---|\n")[1]
    return re.findall(r"^\| `([a-z_]+)` \|", text.split("\n\n")[0], re.MULTILINE)


def test_the_keys_of_a_result_and_the_columns_of_the_breaks_file_are_all_there() -> None:
    assert rows_of("Print the result as one JSON object") == JSON_KEYS
    assert rows_of("## The breaks file") == HEADER.split(",")


def test_every_kind_of_break_is_named() -> None:
    assert [kind for kind in BreakKind if f"`{kind.name.lower()}`" not in MANUAL] == []


def test_every_command_is_described_in_the_list_of_commands() -> None:
    for name, _ in commands(app, "tieout"):
        command = app
        for word in name.split()[1:]:
            command = command[word]
        assert command.help, name
