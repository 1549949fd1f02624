"""The manual lists every number that the code knows, and no other."""

import re
from enum import IntEnum

import pytest

from tests.conftest import ROOT
from tieout.wire import codes
from tieout.wire.batch import HEADER_BYTES
from tieout.wire.events import EVENT_BYTES
from tieout.wire.operations import ENVELOPE_BYTES
from tieout.wire.rows import PREFIX_BYTES, PREFIX_DTYPE, SALT_OFFSET

FORMATS = ROOT / "docs" / "formats"
ENUMS = [
    each
    for each in vars(codes).values()
    if isinstance(each, type) and issubclass(each, IntEnum) and each is not IntEnum
]


def sections() -> dict[str, dict[str, int]]:
    """Name of the enum → name → number, as codes.md has them."""
    text = (FORMATS / "codes.md").read_text(encoding="utf-8")
    return {
        section.split("\n")[0]: {
            name: int(number)
            for number, name in re.findall(r"^\| (\d+) \| (\w+) \|", section, re.MULTILINE)
        }
        for section in text.split("\n## ")[1:]
    }


def widths(page: str, heading: str) -> list[tuple[int, int]]:
    """(offset, bytes) of the table under a heading, as far as they are numbers."""
    section = (FORMATS / page).read_text(encoding="utf-8").split(heading)[1].split("\n\n|")[1]
    table = section.split("\n\n")[0]
    return [
        (int(at), int(size))
        for at, size in re.findall(r"^\| (\d+) \| (\d+) \|", table, re.MULTILINE)
    ]


def test_the_manual_has_every_enum() -> None:
    assert sorted(sections()) == sorted(each.__name__ for each in ENUMS)


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_the_manual_has_every_number(enum: type[IntEnum]) -> None:
    assert sections()[enum.__name__] == {member.name: member.value for member in enum}


@pytest.mark.parametrize(
    ("page", "heading", "size"),
    [
        ("batch.md", "## Header", HEADER_BYTES),
        ("batch.md", "## Rows", PREFIX_BYTES),
        ("operation.md", "# Operation", ENVELOPE_BYTES),
    ],
)
def test_offsets_of_a_table_add_up(page: str, heading: str, size: int) -> None:
    at = 0
    for offset, width in widths(page, heading):
        assert offset == at
        at += width
    assert at == size


def test_the_prefix_of_a_row_is_the_one_of_the_manual() -> None:
    names = PREFIX_DTYPE.names or ()
    offsets = [PREFIX_DTYPE.fields[name][1] for name in names] if PREFIX_DTYPE.fields else []
    assert offsets == [offset for offset, _ in widths("batch.md", "## Rows")]
    assert offsets[-1] == SALT_OFFSET


def test_an_event_has_24_bytes() -> None:
    assert EVENT_BYTES == 24
