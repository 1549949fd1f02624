from pathlib import Path

import pytest

from tests.connectors.support import AGREEMENT, SELLER, both_ways, read_all, values_of
from tieout.connectors.csv_read import read_rows
from tieout.connectors.errors import SourceError
from tieout.connectors.mapping import Mapping
from tieout.connectors.mapping_file import ENCODINGS

HEADER = "transaction_id,fund,amount,shares,remark\n"
WORDS = {"gb18030": "基金", "cp1252": "Größe €", "iso-8859-15": "Größe €", "latin-1": "Größe"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_same_rows(tmp_path: Path, encoding: str) -> None:
    word = WORDS.get(encoding, "Größe 金")
    text = HEADER + "".join(f"{number},F,1,1,{word}\n" for number in range(500))
    taken = both_ways(tmp_path, text.encode(encoding), f'encoding = "{encoding}"')
    assert {values_of(row)["remark"] for row in taken.rows} == {word}
    path = tmp_path / "file.csv"
    for page_bytes in (1, 7, 1_000):
        mapping = Mapping(encoding=encoding)
        assert read_all(path, mapping, page_bytes=page_bytes, compiled=True) == taken


@pytest.mark.parametrize(
    ("encoding", "wrong", "named"),
    [
        ("utf-8", b"\xc3(", "byte 9 of line 3 (0xc3) is not utf-8"),
        ("cp1252", b"\x81", "byte 9 of line 3 (0x81) is not cp1252"),
        ("gb18030", b"\x81\x20", "byte 9 of line 3 (0x81) is not gb18030"),
        ("utf-16-le", b"\x00\xd8", "byte 17 of line 3 (0x00) is not utf-16-le"),
        ("utf-16-be", b"\xdc\x00", "byte 17 of line 3 (0xdc) is not utf-16-be"),
    ],
)
def test_a_byte_that_cannot_be_decoded_is_named_and_its_row_refused(
    tmp_path: Path, encoding: str, wrong: bytes, named: str
) -> None:
    lines = [HEADER.encode(encoding), "A,F,1,1,x\n".encode(encoding), "B,F,2,2,".encode(encoding)]
    lines += [wrong, "\nC,F,3,3,y\n".encode(encoding)]
    taken = both_ways(tmp_path, b"".join(lines), f'encoding = "{encoding}"')
    assert [(each.line, each.field, each.reason) for each in taken.refused] == [
        (3, "remark", named)
    ]
    assert taken.lines == [2, 4]


def test_half_a_character_at_the_end_is_named(tmp_path: Path) -> None:
    data = (HEADER + "A,F,1,1,x\nB,F,1,1,").encode("utf-16") + b"\x41"
    taken = both_ways(tmp_path, data, 'encoding = "utf-16"')
    assert [each.reason for each in taken.refused] == ["byte 17 of line 3 (0x41) is not utf-16"]
    assert taken.lines == [2]


def test_what_cannot_be_decoded_in_an_ignored_column_is_no_harm(tmp_path: Path) -> None:
    header = HEADER.replace("remark", "note").encode()
    taken = both_ways(tmp_path, header + b"A,F,1,1,\xff\n", 'ignore = ["note"]')
    assert taken.lines == [2]


def test_utf16_without_a_byte_order_mark_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(HEADER.encode("utf-16-le"))
    with pytest.raises(SourceError, match="State utf-16-le or utf-16-be"):
        read_rows(path, AGREEMENT, SELLER, Mapping(encoding="utf-16"))
