from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.support import AGREEMENT, SELLER, Taken, read_all, values_of
from tieout.connectors.csv_read import read_rows
from tieout.connectors.csv_refused import write_refused
from tieout.connectors.mapping import Mapping, Spaces
from tieout.connectors.mapping_file import ENCODINGS

HEADER = "transaction_id,fund,amount,shares,remark\n"


def refuse(folder: Path, data: bytes, mapping: Mapping = Mapping()) -> Path:  # noqa: B008 - frozen
    """Read a file and write what is refused; return where that is."""
    path, out = folder / "file.csv", folder / "refused.csv"
    path.write_bytes(data)
    reader = read_rows(path, AGREEMENT, SELLER, mapping)
    refused = [each for chunk in reader for each in chunk.refused]
    assert write_refused(out, reader.columns, refused, mapping) == len(refused)
    return out


def told(taken: Taken) -> list[tuple[str, str, str]]:
    return [(each.field, each.reason, each.text) for each in taken.refused]


def test_refused_rows_say_where_and_why_and_stand_as_they_stood(tmp_path: Path) -> None:
    data = HEADER + 'A,F,1,1,\nB,F,"1,5",1,"x ""y"""\nC,F,1\nA,F,2,1,\nD,F,"1\n'
    out = refuse(tmp_path, data.encode())
    same_id = "the id 'A' stands in line 2 with other values; that row was taken"
    assert out.read_text(encoding="utf-8").splitlines() == [
        "line,field,reason,transaction_id,fund,amount,shares,remark",
        "3,amount,\"'1,5' is not a number: it has a comma in it\"," + 'B,F,"1,5",1,"x ""y"""',
        "4,,3 columns stand where the header has 5,C,F,1",
        f"5,transaction_id,{same_id},A,F,2,1,",
        '6,,the quotes do not fit: a quote is not closed,D,F,"1',
    ]


def test_mended_rows_are_taken(tmp_path: Path) -> None:
    out = refuse(tmp_path, (HEADER + "A,F,1.005,1,\nB,F,1,x,\n").encode())
    text = out.read_text(encoding="utf-8")
    out.write_text(text.replace("A,F,1.005", "A,F,1.01").replace("B,F,1,x", "B,F,1,7"), "utf-8")
    taken = read_all(out)
    assert taken == read_all(out, compiled=True)
    assert [(values_of(row)["amount"], values_of(row)["shares"]) for row in taken.rows] == [
        ("1.01", "1.0000"),
        ("1.00", "7.0000"),
    ]


def test_fed_again_unmended_they_are_refused_again_for_the_same_reason(tmp_path: Path) -> None:
    data = (HEADER + 'A,F,1.005,1,\nB,"F,1\nC,F,"1,5",1,é\n').encode() + b"D,F,1,1,\xff\n"
    out = refuse(tmp_path, data)
    again = read_all(out)
    assert [each[:2] for each in told(again)] == [
        ("amount", "'1.005' has more than 2 decimals"),
        ("", "the quotes do not fit: ',' expected after '\"'"),
        ("amount", "'1,5' is not a number: it has a comma in it"),
        ("remark", "byte 55 of line 5 (0xff) is not utf-8"),
    ]
    mapping = Mapping()
    reader = read_rows(out, AGREEMENT, SELLER, mapping)
    refused = [each for chunk in reader for each in chunk.refused]
    once_more = tmp_path / "again.csv"
    write_refused(once_more, reader.columns, refused, mapping)
    columns = [line.split(b",")[-1] for line in out.read_bytes().splitlines()]
    assert [line.split(b",")[-1] for line in once_more.read_bytes().splitlines()] == columns
    assert once_more.read_bytes().count(b"reason") == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_file_keeps_its_encoding_and_separator(tmp_path: Path, encoding: str) -> None:
    mapping = Mapping(encoding=encoding, separator=";", skip_lines=2)
    text = "\n".join(["title", "", HEADER.strip().replace(",", ";"), "A;F;1,5;1;é"]) + "\n"
    out = refuse(tmp_path, text.encode(encoding), mapping)
    lines = out.read_bytes().decode(encoding).splitlines()
    assert lines[0] == "line;field;reason;transaction_id;fund;amount;shares;remark"
    assert lines[1].endswith(";A;F;1,5;1;é")
    mended = out.read_bytes().decode(encoding).replace(";1,5;", ";1.5;")
    out.write_bytes(mended.encode(encoding))
    (row,) = read_all(out, mapping).rows
    assert values_of(row)["remark"] == "é"


def test_undecodable_bytes_are_given_back(tmp_path: Path) -> None:
    for encoding, wrong in (("utf-8", b"\xff"), ("cp1252", b"\x81"), ("utf-16-le", b"\x00\xd8")):
        data = (HEADER + "A,F,1,1,").encode(encoding) + wrong + "\n".encode(encoding)
        out = refuse(tmp_path, data, Mapping(encoding=encoding))
        assert out.read_bytes().endswith(
            "A,F,1,1,".encode(encoding) + wrong + "\n".encode(encoding)
        )


cells = st.text(st.sampled_from('ab1.,"\n\r x'), max_size=6)


@given(
    st.lists(st.lists(cells, min_size=1, max_size=6), max_size=6),
    st.sampled_from(['"', "'", ""]),
    st.sampled_from(Spaces),
)
@settings(max_examples=150)
def test_what_was_refused_is_refused_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], quote: str, spaces: Spaces
) -> None:
    """Whatever stood in the file, the raw text survives and nothing of it is taken by accident."""
    folder = tmp_path_factory.mktemp("refused")
    mapping = Mapping(quote=quote, spaces=spaces)
    body = "".join(",".join(row) + "\n" for row in rows)
    out = refuse(folder, (HEADER + body).encode(), mapping)
    reader = read_rows(folder / "file.csv", AGREEMENT, SELLER, mapping)
    texts = [each.text for chunk in reader for each in chunk.refused]
    written = out.read_bytes().decode()
    assert all(f",{text}\n" in written for text in texts)
