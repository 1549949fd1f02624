"""Books in real SQLite databases: read exactly, adjusted exactly, once, or not at all."""

import itertools
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connectors.support import values_of
from tieout.agreement.model import AdjustmentMode
from tieout.agreement.parse import parse_agreement
from tieout.connectors.adjuster import Adjuster, Carried, Correction
from tieout.connectors.books import Change, Posting, Stated
from tieout.connectors.books_config import parse_books
from tieout.connectors.books_sqlite import SqliteBooks
from tieout.connectors.csv_known import PRESENCE_OFFSET
from tieout.connectors.errors import BooksChangedError, BooksError
from tieout.units.dates import parse_date
from tieout.wire.rows import PREFIX_BYTES

COMPENSATE = parse_agreement(
    """
    name = "orders"
    version = 1
    roles = ["seller", "bank"]
    adjustment = { mode = "compensate" }

    [fields.currency]
    type = "code"
    length = 3

    [fields.amount]
    type = "money"
    scale = 2
    currency = { field = "currency" }

    [fields.shares]
    type = "quantity"
    scale = 4

    [fields.price]
    type = "price"
    scale = 3

    [fields.day]
    type = "date"

    [fields.at]
    type = "time"
    optional = true

    [fields.remark]
    type = "text"
    length = 12
    optional = true
    """
)
REPLACE = replace(COMPENSATE, mode=AdjustmentMode.REPLACE)
CURRENCY, AMOUNT, SHARES, PRICE, DAY, AT, REMARK = range(7)
CONFIG = parse_books(
    """
    database = "books.sqlite"
    table = "entries"
    transaction_id = "order no"
    reason = "note"
    adjustment = "tieout"
    carry = ["account"]

    [columns]
    currency = "ccy"
    amount = "amount"
    shares = "units"
    price = "price"
    day = "day"
    remark = "remark"
    """,
    COMPENSATE,
    0,
)
TABLE = """
    CREATE TABLE entries (
        "order no" TEXT NOT NULL, account TEXT NOT NULL, ccy TEXT, amount TEXT, units INTEGER,
        price TEXT, day TEXT, remark TEXT, note TEXT, tieout TEXT)"""
INSERT = 'INSERT INTO entries ("order no", account, ccy, amount, units, price, day, remark) VALUES '
FIRST = "('A', '1001', 'CNY', '100.00', 105000, '9.524', '2026-03-31', NULL)"
ID = bytes(range(32))


def make_books(folder: Path, *entries: str, table: str = TABLE) -> Path:
    path = folder / "books.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(table)
        for entry in entries:
            connection.execute(INSERT + entry)
    connection.close()
    return path


def open_books(path: Path, agreement: Any = COMPENSATE, **changed: Any) -> SqliteBooks:
    return SqliteBooks(replace(CONFIG, database=str(path), **changed), agreement, 0)


def posting(*changes: Change, number: int = 0) -> Posting:
    return Posting(bytes([number]) + ID[1:], "A", changes, "agreed value of the bank", 1_000_000)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def booked(path: Path, agreement: Any = COMPENSATE) -> dict[str, str | None] | None:
    books = open_books(path, agreement)
    row = books.booking("A")
    books.close()
    return None if row is None else values_of(row, COMPENSATE)


# -------------------------------------------------------------------- reading


def test_a_booking_is_the_net_of_its_entries(tmp_path: Path) -> None:
    second = "('A', '1001', 'CNY', '-0.50', NULL, '9.525', '2026-04-01', 'corrected')"
    path = make_books(tmp_path, FIRST, "('B', '1', 'EUR', '7', 1, '1', '2026-01-01', '')", second)
    assert booked(path) == {
        "transaction_id": "A",
        "currency": "CNY",
        "amount": "99.50",
        "shares": "10.5000",
        "price": "9.525",
        "day": "2026-04-01",
        "at": None,
        "remark": "corrected",
    }


def test_what_is_not_booked_has_no_row(tmp_path: Path) -> None:
    assert booked(make_books(tmp_path)) is None


def test_a_constant_stands_for_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    columns = {name: column for name, column in CONFIG.columns.items() if name != "currency"}
    books = open_books(path, columns=columns, constants={"currency": "EUR"})
    row = books.booking("A")
    assert row is not None
    assert values_of(row, COMPENSATE)["currency"] == "EUR"
    same_currency = Change(CURRENCY, b"EUR", b"EUR")
    assert books.post(posting(same_currency, Change(AMOUNT, 10_000, 9_999)))
    with pytest.raises(BooksError, match="no column for currency"):
        books.post(posting(Change(CURRENCY, b"EUR", b"USD"), number=1))


@pytest.mark.parametrize("declared", ["REAL", "DOUBLE", "FLOAT", "NUMERIC", "DECIMAL(18,2)", ""])
def test_a_column_that_does_not_keep_amounts_exactly_is_refused(
    tmp_path: Path, declared: str
) -> None:
    path = make_books(tmp_path, table=TABLE.replace("amount TEXT", f"amount {declared}"))
    with pytest.raises(
        BooksError, match="does not keep it exactly: declare it as TEXT, or INTEGER"
    ):
        open_books(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": "lost"}, "the database has no table 'lost'"),
        ({"columns": {"amount": "lost"}}, "has no column 'lost'; it has order no, account, ccy"),
        ({"columns": {"day": "units"}}, "has the type INTEGER, .*: declare it as TEXT$"),
        ({"id_column": "units"}, "the column 'units' must hold TEXT"),
        ({"database": "lost.sqlite"}, "there is no database 'lost.sqlite'"),
    ],
)
def test_books_that_do_not_fit_their_description_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = make_books(tmp_path)
    with pytest.raises(BooksError, match=message):
        SqliteBooks(replace(replace(CONFIG, database=str(path)), **changed), COMPENSATE, 0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("('A', '', 'CNY', '1.005', 0, '1', '2026-03-31', '')", "amount: '1.005' has more than 2"),
        ("('A', '', 'CNY', '1e3', 0, '1', '2026-03-31', '')", "amount: '1e3' has an exponent"),
        ("('A', '', 'CNY', '1', 1.5, '1', '2026-03-31', '')", "shares: the books hold 1.5"),
        ("('A', '', 'CNY', '1', 9223372036854775807, '1', '2026-03-31', '')", "shares: the books"),
        ("('A', '', 'CNY', '1', 0, '1', '31.03.2026', '')", "day: '31.03.2026' is not a date"),
        ("('A', '', 'RMBY', '1', 0, '1', '2026-03-31', '')", "currency: the code 'RMBY' has 4"),
    ],
)
def test_an_entry_that_cannot_be_held_exactly_is_named(
    tmp_path: Path, entry: str, message: str
) -> None:
    with pytest.raises(BooksError, match=message):
        booked(make_books(tmp_path, entry))


def test_entries_of_two_currencies_do_not_add_up(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST, FIRST.replace("CNY", "USD"))
    with pytest.raises(BooksError, match="entries of amount in another currency do not cancel out"):
        booked(path)


# -------------------------------------------------------------------- posting


def test_a_difference_is_compensated_by_a_further_entry(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    assert open_books(path).post(posting(Change(AMOUNT, 10_000, 9_999))) is True
    entries = query(path, "SELECT * FROM entries")
    assert entries[1] == (
        *("A", "1001", "CNY", "-0.01", 0, "9.524", "2026-03-31", None),
        *("agreed value of the bank", ID.hex()),
    )
    assert query(path, "SELECT * FROM tieout_postings") == [
        (
            ID.hex(),
            "A",
            "compensate",
            '{"amount": ["100.00", "99.99"]}',
            "agreed value of the bank",
            1_000_000,
        )
    ]


def test_what_does_not_add_up_is_cancelled_and_booked_anew(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    open_books(path).post(posting(Change(DAY, parse_date("2026-03-31"), parse_date("2026-04-01"))))
    entries = query(path, "SELECT ccy, amount, units, price, day FROM entries")
    assert entries == [
        ("CNY", "100.00", 105_000, "9.524", "2026-03-31"),
        ("CNY", "-100.00", -105_000, "9.524", "2026-03-31"),
        ("CNY", "100.00", 105_000, "9.524", "2026-04-01"),
    ]


def test_an_amount_in_another_currency_is_cancelled_and_booked_anew(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    changes = (Change(CURRENCY, b"CNY", b"USD"), Change(AMOUNT, 10_000, 1_400))
    open_books(path).post(posting(*changes))
    assert query(path, "SELECT ccy, amount FROM entries") == [
        ("CNY", "100.00"),
        ("CNY", "-100.00"),
        ("USD", "14.00"),
    ]
    assert (booked(path) or {})["amount"] == "14.00"


def test_replacing_overwrites_the_last_entry(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST, FIRST.replace("100.00", "-40.00"))
    open_books(path, REPLACE).post(posting(Change(AMOUNT, 6_000, 6_500)))
    assert query(path, "SELECT amount, tieout FROM entries") == [
        ("100.00", None),
        ("-35.00", ID.hex()),
    ]


@pytest.mark.parametrize("agreement", [COMPENSATE, REPLACE])
def test_posting_again_does_nothing_and_says_so(tmp_path: Path, agreement: Any) -> None:
    path = make_books(tmp_path, FIRST)
    change = posting(Change(AMOUNT, 10_000, 9_999), Change(PRICE, 9_524, 9_525))
    assert open_books(path, agreement).post(change) is True
    before = query(path, "SELECT * FROM entries")
    assert open_books(path, agreement).post(change) is False
    assert query(path, "SELECT * FROM entries") == before


def test_the_same_id_with_another_change_is_refused(tmp_path: Path) -> None:
    books = open_books(make_books(tmp_path, FIRST))
    books.post(posting(Change(AMOUNT, 10_000, 9_999)))
    with pytest.raises(BooksError, match="was posted before, as another change"):
        books.post(posting(Change(AMOUNT, 9_999, 9_998)))


def test_changed_books_are_not_touched_and_the_difference_named(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    changes = (
        Change(AMOUNT, 10_001, 9_999),
        Change(SHARES, 105_000, 1),
        Change(REMARK, b"x", b"y"),
    )
    with pytest.raises(BooksChangedError) as error:
        open_books(path).post(posting(*changes))
    assert error.value.differences == (("amount", "100.01", "100.00"), ("remark", "x", ""))
    assert len(query(path, "SELECT * FROM entries")) == 1
    assert query(path, "SELECT * FROM sqlite_master WHERE name = 'tieout_postings'") == []


def test_what_is_not_booked_at_all_has_changed(tmp_path: Path) -> None:
    with pytest.raises(BooksChangedError, match=r"amount: expected 1\.00, booked"):
        open_books(make_books(tmp_path)).post(posting(Change(AMOUNT, 100, 99)))


def test_a_trigger_that_spoils_the_posting_undoes_it(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER fee AFTER INSERT ON entries BEGIN"
        " UPDATE entries SET amount = '0.00' WHERE rowid = new.rowid; END"
    )
    connection.close()
    with pytest.raises(BooksError, match=r"the books say 100\.00 of amount, not 99\.99"):
        open_books(path).post(posting(Change(AMOUNT, 10_000, 9_999)))
    assert len(query(path, "SELECT * FROM entries")) == 1


def test_a_column_that_must_not_be_empty_is_named(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    with pytest.raises(BooksError, match=r"NOT NULL constraint failed: entries\.account"):
        open_books(path, carried=()).post(posting(Change(AMOUNT, 10_000, 9_999)))


def test_while_another_writes_it_can_be_tried_again(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)

    impatient = sqlite3.connect(path, timeout=0, factory=Impatient)
    books = SqliteBooks(replace(CONFIG, database=str(path)), COMPENSATE, 0, impatient)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    change = posting(Change(AMOUNT, 10_000, 9_999))
    with pytest.raises(BooksError, match="try again") as error:
        books.post(change)
    assert error.value.retry
    other.execute("ROLLBACK")
    other.close()
    assert books.post(change) is True
    books.close()


def test_a_full_disk_is_no_refusal_and_leaves_the_books_as_they_were(tmp_path: Path) -> None:
    """It can be tried again: nothing may be reported as failed that a freed disk would take."""
    path = make_books(tmp_path, FIRST)
    small = sqlite3.connect(path)
    (pages,) = small.execute("PRAGMA page_count").fetchone()
    small.execute(f"PRAGMA max_page_count = {pages}")
    books = SqliteBooks(replace(CONFIG, database=str(path)), COMPENSATE, 0, small)
    change = posting(Change(AMOUNT, 10_000, 9_999))
    with pytest.raises(BooksError, match="full") as error:
        books.post(change)
    assert error.value.retry
    assert len(query(path, "SELECT 1 FROM entries")) == 1
    small.execute("PRAGMA max_page_count = 1000")
    assert books.post(change) is True
    books.close()


class Impatient(sqlite3.Connection):
    """Does not wait for locks."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("SELECT 1" if "busy_timeout" in sql else sql, *values)


# -------------------------------------------------------------------- properties

numbers = st.integers(-(10**12), 10**12)
texts = st.sampled_from([b"a", b"b c", "é".encode()])
stated: dict[int, st.SearchStrategy[Any]] = {
    CURRENCY: st.sampled_from([b"CNY", b"USD"]),
    AMOUNT: numbers,
    SHARES: numbers,
    PRICE: numbers,
    DAY: st.integers(-700_000, 2_900_000),
    REMARK: texts,
}
adjusted = st.lists(st.sampled_from(sorted(stated)), min_size=1, unique=True)


def fill(path: Path, parts: list[dict[int, Any]]) -> dict[int, Stated]:
    """Book entries through the connector's own text forms; return what the books then say."""
    from tieout.units.dates import format_date
    from tieout.units.numbers import format_scaled

    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
        for part in parts:
            row = (
                *("A", "1001", parts[-1][CURRENCY].decode(), format_scaled(part[AMOUNT], 2)),
                *(part[SHARES], format_scaled(part[PRICE], 3), format_date(part[DAY])),
                part[REMARK].decode(),
            )
            connection.execute(INSERT + "(?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    sums = {index: sum(part[index] for part in parts) for index in (AMOUNT, SHARES)}
    return parts[-1] | sums


def changes_of(before: dict[int, Stated], after: dict[int, Any], fields: list[int]) -> Posting:
    return posting(*(Change(index, before[index], after[index]) for index in fields))


@given(
    st.lists(st.fixed_dictionaries(stated), min_size=1, max_size=4),
    st.fixed_dictionaries(stated),
    adjusted,
    st.sampled_from([COMPENSATE, REPLACE]),
)
@settings(max_examples=60)
def test_posting_brings_the_booking_exactly_to_the_benchmark(
    parts: list[dict[int, Any]], benchmark: dict[int, Any], fields: list[int], agreement: Any
) -> None:
    """And leaves the other fields alone; money is conserved, currency by currency."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "books.sqlite"
        before = fill(path, parts)
        if agreement is REPLACE and CURRENCY in fields and len(parts) > 1:
            fields = [index for index in fields if index != CURRENCY] or [AMOUNT]
        change = changes_of(before, benchmark, fields)
        assert open_books(path, agreement).post(change) is True
        expected = before | {index: benchmark[index] for index in fields}
        books = open_books(path, agreement)
        assert books._net(books._entries("A")) == expected
        assert books.post(change) is False
        assert books._net(books._entries("A")) == expected
        books.close()
        sums: dict[str, int] = {}
        for currency, amount in query(path, "SELECT ccy, amount FROM entries"):
            sums[currency] = sums.get(currency, 0) + int(amount.replace(".", ""))
        assert {k: v for k, v in sums.items() if v} == {
            k.decode(): v for k, v in {expected[CURRENCY]: expected[AMOUNT]}.items() if v
        }


class Killed(BaseException):
    """The process is gone."""


def dying(path: Path, statements: int) -> sqlite3.Connection:
    """A connection that is cut off before its statement of that number, for good."""
    left = itertools.count(statements, -1)

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if next(left) <= 0:
                raise Killed
            return super().execute(sql, *values)

    return sqlite3.connect(path, factory=Dying)


@pytest.mark.parametrize("agreement", [COMPENSATE, REPLACE])
@pytest.mark.parametrize("field", [AMOUNT, PRICE])
def test_a_crash_between_any_two_statements_loses_and_doubles_nothing(
    tmp_path: Path, agreement: Any, field: int
) -> None:
    before = {AMOUNT: 10_000, PRICE: 9_524}[field]
    change = posting(Change(field, before, before + 7))
    config = replace(CONFIG, database=str(tmp_path / "books.sqlite"))
    crashes = 0
    for statements in itertools.count():
        path = make_books(tmp_path, FIRST)
        with closing(dying(path, statements)) as connection:
            try:
                SqliteBooks(config, agreement, 0, connection).post(change)
            except Killed:
                crashes += 1
            else:
                break
        assert len(query(path, "SELECT * FROM entries")) == 1
        assert open_books(path, agreement).post(change) is True
        assert open_books(path, agreement).post(change) is False
        (told,) = query(path, "SELECT changes FROM tieout_postings")
        assert len(json.loads(told[0])) == 1
        books = open_books(path, agreement)
        assert books._net(books._entries("A"))[field] == before + 7
    assert crashes >= 8


def test_nothing_is_posted_in_mode_notify(tmp_path: Path) -> None:
    agreement = replace(COMPENSATE, mode=AdjustmentMode.NOTIFY)
    with pytest.raises(BooksError, match="mode is notify"):
        open_books(make_books(tmp_path, FIRST), agreement).post(posting())


# -------------------------------------------------------------------- the adjuster


def failing_at_commit(path: Path, *, happens: bool) -> sqlite3.Connection:
    """A connection whose commit reports a failing disk, and happened nevertheless or not."""

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                if happens:
                    super().execute(sql)
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *values)

    return sqlite3.connect(path, factory=Failing)


def correction(books: SqliteBooks, field: int, after: int) -> Correction:
    """From what the books say to another amount in CNY."""
    booking = books.booking("A")
    assert booking is not None
    values = booking[PREFIX_BYTES:]
    benchmarks = bytearray(values)
    column = COMPENSATE.layout.columns[field]
    start = column.offset - PREFIX_BYTES
    benchmarks[start : start + column.width] = after.to_bytes(column.width, "little")
    presence = int.from_bytes(booking[PRESENCE_OFFSET : PRESENCE_OFFSET + 8], "little")
    return Correction(ID, "A", 1 << field, bytes(benchmarks), presence, values)


@pytest.mark.parametrize("happens", [False, True])
def test_a_posting_that_failed_at_the_last_moment_is_carried_out_once(
    tmp_path: Path, *, happens: bool
) -> None:
    path = make_books(tmp_path, FIRST)
    config = replace(CONFIG, database=str(path))
    asked = correction(open_books(path), AMOUNT, 10_007)
    with closing(failing_at_commit(path, happens=happens)) as connection:
        adjuster = Adjuster(SqliteBooks(config, COMPENSATE, 0, connection))
        assert adjuster.carry_out(asked, "agreed value", 1) is Carried.UNKNOWN
    assert (len(query(path, "SELECT * FROM entries")) == 2) is happens
    adjuster = Adjuster(open_books(path))
    for _ in range(2):
        assert adjuster.carry_out(asked, "agreed value", 2) is Carried.POSTED
    amounts = [amount for (amount,) in query(path, "SELECT amount FROM entries")]
    assert amounts == ["100.00", "0.07"]
    restated = adjuster.restated("A", 7)
    assert restated is not None
    assert values_of(restated, COMPENSATE)["amount"] == "100.07"


def test_books_that_say_something_else_are_left_alone(tmp_path: Path) -> None:
    path = make_books(tmp_path, FIRST)
    asked = correction(open_books(path), AMOUNT, 10_007)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entries SET amount = '99.00'")
    connection.close()
    assert Adjuster(open_books(path)).carry_out(asked, "agreed value", 1) is Carried.FAILED
    assert query(path, "SELECT amount FROM entries") == [("99.00",)]
