"""The compiled way gives what the readable way gives: rows, lines, refusals and repeats."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.support import AGREEMENT, BANK, SELLER, Taken, read_all
from tieout.agreement.parse import parse_agreement
from tieout.connectors import csv_plan
from tieout.connectors.csv_header import read_header
from tieout.connectors.csv_known import KnownRows
from tieout.connectors.csv_read import PLAIN
from tieout.connectors.csv_records import Records
from tieout.connectors.csv_rows import RowForm
from tieout.connectors.encodings import Pages
from tieout.connectors.formats import parse_format
from tieout.connectors.mapping import Mapping, NumberForm, Spaces

NAMES = ("transaction_id", "fund", "amount", "shares", "day", "at", "remark")
LINE_ENDS = st.sampled_from([b"\n"] * 8 + [b"\r\n", b"\n\n", b"\r\n\r\n", b"\r", b"\r\r\n"])

# What a sound file has in it, once it is written as the mapping says.
amounts = st.integers(-(10**15), 10**15) | st.integers(-20, 20)
digits = st.integers(0, 9_999).map("{:04}".format) | st.sampled_from(["", "0", "5", "25"])
dates = st.dates()
moments = st.datetimes()
zones = st.sampled_from(["Z", ".5Z", ".123456Z", "+08:00", "-23:59", ".000001+00:30"])

# What an unsound one has in it, besides sound values with something wrong in them.
numbers = st.sampled_from(
    ["$ - ", "-", "--1", "(-1)", "()", "$1.00", "1.00 $", "1e3", "٣", ".", "0" * 30 + "1"]
) | st.sampled_from(["46116860184273879.03", "46116860184273879.04", "1." + "0" * 30])
days = st.sampled_from(["1900-02-29", "2000-02-29", "2023-02-29", "2024-04-31", "0000-01-01"])
times = st.sampled_from(["0001-01-01T00:00:00+08:00", "2024-01-01T24:00:00Z", "2024-01-01T00:00Z"])
letters = st.text(
    st.sampled_from("abA 01\"',;|\t\r\n\0\x7f\x85\xa0éß\u0301中가\uff41\u3000\u0378\U0001f600я"),
    max_size=14,
)
texts = letters | st.sampled_from(["N/A", "DNP", "", "  ", "a  b", " a", "a ", "x" * 12, "x" * 13])
unsound = {"amount": numbers, "shares": numbers, "day": days, "at": times}


@st.composite
def nearly(draw: st.DrawFn, text: str, other: str) -> str:
    """A text with something put in, taken out or exchanged; or another one."""
    if draw(st.integers(0, 3)) == 0:
        return other
    at = draw(st.integers(0, len(text)))
    until = at + draw(st.integers(0, 2))
    put = draw(
        st.sampled_from(["", "0", "9", "3", "12345", ".", ",", "'", "-", "(", ")", "  ", "Z", "é"])
    )
    return text[:at] + put + text[until:]


def sound(mapping: Mapping) -> dict[str, st.SearchStrategy[str]]:
    """Values that such a file may have."""
    numbers = st.builds(number_writer(mapping.numbers), amounts, digits)
    day_format = mapping.date_format.text if mapping.date_format else "%Y-%m-%d"
    time_format = mapping.time_format.text if mapping.time_format else "%Y-%m-%dT%H:%M:%S"
    zone = st.just("") if mapping.time_format or mapping.zone_minutes is not None else zones
    times = st.builds(lambda moment, tail: written(moment, time_format) + tail, moments, zone)
    return {
        "transaction_id": st.sampled_from(["A", "B", "C", "中", "e\u0301", "é"])
        | st.integers(0, 10**6).map("ORD-2026-{:07}".format)
        | st.uuids().map(str),
        "fund": st.sampled_from(["000961", "F", "a b"]),
        "amount": numbers,
        "shares": numbers,
        "day": st.just("") | dates.map(lambda day: written(day, day_format)),
        "at": st.just("") | times,
        "remark": st.sampled_from(["", "基金 é", "a", "12345678", "123456789", "x" * 12]),
        "more": texts,
    }


def number_writer(form: NumberForm) -> Callable[[int, str], str]:
    def write(amount: int, decimals: str) -> str:
        whole = f"{abs(amount):,}".replace(",", form.thousands)
        text = whole + (form.decimal + decimals[:2] if decimals else "")
        if amount >= 0:
            return text
        if form.parentheses and amount % 2:
            return f"({text})"
        return f"{text}-" if form.trailing_minus and amount % 3 else f"-{text}"

    return write


def written(moment: date, form: str) -> str:
    padded = form.replace("%-d", str(moment.day)).replace("%-m", str(moment.month))
    parts = {"%Y": f"{moment.year:04}", "%m": f"{moment.month:02}", "%d": f"{moment.day:02}"}
    if isinstance(moment, datetime):
        parts |= {"%H": f"{moment.hour:02}", "%M": f"{moment.minute:02}"}
        parts |= {"%S": f"{moment.second:02}", "%z": "+05:30"}
    for directive, text in parts.items():
        padded = padded.replace(directive, text)
    return padded


TIME_FORMATS = [
    parse_format(text, "time")
    for text in ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y%H:%M", "%Y-%m-%dT%H%M%z", "%H:%M:%S %d/%m/%Y")
]
mappings = st.builds(
    Mapping,
    separator=st.sampled_from([",", ",", ";", "\t", "|"]),
    quote=st.sampled_from(['"', '"', "'", ""]),
    spaces=st.sampled_from(Spaces),
    blank=st.sampled_from([(), ("N/A",), ("DNP", "N/A", "-", "0")]),
    ignore=st.just(("more",)),
    constants=st.sampled_from([{}, {}, {"remark": "constant"}]),
    numbers=st.builds(
        NumberForm,
        decimal=st.just("."),
        thousands=st.sampled_from(["", ",", "'", "_", " ", "\u2019"]),
        parentheses=st.booleans(),
        trailing_minus=st.booleans(),
        symbols=st.sampled_from([(), ("$",)]),
        zero=st.sampled_from([(), ("-",)]),
    )
    | st.builds(NumberForm, decimal=st.just(","), thousands=st.sampled_from(["", ".", "'"])),
    date_format=st.sampled_from(
        [None, None, parse_format("%d.%m.%Y", "date"), parse_format("%-d.%-m.%Y", "date")]
    ),
    time_format=st.sampled_from([None, None, *TIME_FORMATS]),
    zone_minutes=st.sampled_from([None, None, 0, 480, -1439]),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[Mapping, int, bytes]:
    mapping = draw(mappings)
    role = draw(st.sampled_from([SELLER, BANK]))
    names = [
        name
        for name in draw(st.permutations((*NAMES, "more")))
        if name not in mapping.constants and (name != "shares" or role == SELLER)
    ]
    good = sound(mapping)
    data = mapping.separator.join(names).encode() + b"\n"
    lines: list[bytes] = []
    for _ in range(draw(st.integers(0, 12))):
        fate = draw(st.integers(0, 7))
        if lines and fate == 7:
            lines.append(draw(st.sampled_from(lines)))
        else:
            row = (
                cell(draw, mapping, good[name], unsound.get(name, texts) if fate < 3 else None)
                for name in names
            )
            line = mapping.separator.join(row).encode("utf-8", "surrogatepass")
            lines.append(draw(st.sampled_from([line] * 20 + [line[:-2], line + b"\xe4,"])))
        data += lines[-1] + draw(LINE_ENDS)
    return mapping, role, data


def cell(
    draw: st.DrawFn,
    mapping: Mapping,
    good: st.SearchStrategy[str],
    bad: st.SearchStrategy[str] | None,
) -> str:
    """One cell as it stands in the file: quoted where it must be, and sometimes wrongly."""
    spoilt = bad is not None and draw(st.integers(0, 2)) == 0
    text = draw(good)
    if bad is not None and spoilt:
        text = draw(nearly(text, draw(bad)))
    quote = mapping.quote
    fate = draw(st.integers(0, 9))
    if spoilt and fate < 4:
        return quote + text + quote if fate < 2 else text
    if fate > 7 and (spoilt or mapping.spaces is not Spaces.KEEP):
        text = f" {text}  "
    if quote and (fate < 2 or any(each in text for each in (mapping.separator, quote, "\n", "\r"))):
        return quote + text.replace(quote, quote * 2) + quote
    return text.translate(str.maketrans("", "", mapping.separator + "\r\n"))


def outcome(
    mapping: Mapping, role: int, data: bytes, *, batch_rows: int = 10_000, **how: int
) -> Taken | str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        path.write_bytes(data)
        known = KnownRows(AGREEMENT.layout.row_bytes, batch_rows)
        try:
            return read_all(path, mapping, role=role, known=known, **how)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - whatever it is, the other way must say it, too
            return str(error).replace(folder, "")


@given(files(), st.integers(1, 40), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=300)
def test_both_ways_read_the_same(
    file: tuple[Mapping, int, bytes], page_bytes: int, chunk_rows: int, batch_rows: int
) -> None:
    readable = outcome(*file)
    how = {"compiled": True, "page_bytes": page_bytes, "chunk_rows": chunk_rows}
    assert outcome(*file, **how, batch_rows=batch_rows) == readable


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("mark", ["x", "é", "\x7f"])
def test_values_end_anywhere_in_what_is_looked_at_at_once(
    tmp_path: Path, mark: str, quote: str
) -> None:
    """A mark that is odd or not, and the ends of values, at every place of several windows."""
    agreement = parse_agreement(
        """
        name = "remarks"
        version = 1
        roles = ["seller", "bank"]

        [fields.remark]
        type = "text"
        length = 256

        [fields.amount]
        type = "money"
        scale = 2
        """
    )
    lines = [
        f"T{n:03}{'O' * (n % 30)},{quote}{'n' * n}{mark}{'n' * (n // 3)}{quote},{n}.25\n"
        for n in range(190)
    ]
    path = tmp_path / "file.csv"
    path.write_text("transaction_id,remark,amount\n" + "".join(lines), "utf-8")
    readable = read_all(path, agreement=agreement)
    assert len(readable.rows) == (0 if mark == "\x7f" else 190)
    assert read_all(path, agreement=agreement, compiled=True) == readable


def test_plain_lines_all_go_the_compiled_way(tmp_path: Path) -> None:
    row = 'O-{0},F{0:05},{0}.25,"-{0}.5",2026-03-31,2026-03-31 09:00:00.5+08:00,基 {0} é\n'
    path = tmp_path / "file.csv"
    path.write_text(",".join(NAMES) + "\n" + "".join(row.format(n) for n in range(999)), "utf-8")
    records = Records(Pages(path, "utf-8"), ",", '"')
    form = RowForm(AGREEMENT, PLAIN, read_header(records, AGREEMENT, SELLER, PLAIN))
    known = KnownRows(AGREEMENT.layout.row_bytes)
    known.reserve(999)
    plan = csv_plan.plan_of(AGREEMENT, PLAIN, form.header, form.template)
    rows, line = csv_plan.scan(plan, records.pages, known, 999, 1, np.empty(999, np.int64))
    records.pages.close()
    assert (rows, line) == (999, 1_000)
    assert read_all(path, compiled=True) == read_all(path)
