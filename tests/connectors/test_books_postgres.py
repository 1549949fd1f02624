"""The same books in PostgreSQL: what SQLite's say after every posting, PostgreSQL's say, too."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.support import values_of
from tests.connectors.test_books import (
    AMOUNT,
    COMPENSATE,
    CONFIG,
    CURRENCY,
    DAY,
    FIRST,
    INSERT,
    PRICE,
    REPLACE,
    SHARES,
    make_books,
    open_books,
    posting,
    query,
)
from tieout.connectors import books_postgres
from tieout.connectors.books import Change
from tieout.connectors.books_config import parse_books
from tieout.connectors.books_postgres import PostgresBooks
from tieout.connectors.errors import BooksChangedError, BooksError, MappingError
from tieout.testing.postgres import PostgresServer
from tieout.units.dates import parse_date
from tieout.units.numbers import format_scaled

TABLE = """
    CREATE TABLE entries (
        no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "order no" text NOT NULL,
        account text NOT NULL, ccy varchar(3), amount numeric(20, 2), units bigint,
        price numeric, day date, at timestamptz, remark text, note text, tieout text)"""
IN_POSTGRES = replace(CONFIG, order_column="no", columns=CONFIG.columns | {"at": "at"})
POSTED = "SELECT transaction_id, manner, changes, reason, posted_us FROM tieout_postings"
ENTRIES = (
    'SELECT "order no", account, ccy, amount::text, units, price::text FROM entries ORDER BY no'
)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    made = postgres.new_database()
    fill(made)
    return made


def fill(url: str, *entries: str, table: str = TABLE) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS entries, tieout_postings")
        connection.execute(table.encode())
        for entry in entries or (FIRST,):
            connection.execute((INSERT + entry).encode())


def opened(url: str, agreement: Any = COMPENSATE) -> PostgresBooks:
    return PostgresBooks(replace(IN_POSTGRES, database=url), agreement, 0)


def told(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_booking_is_read_exactly(url: str) -> None:
    fill(
        url,
        FIRST,
        "('A', '1001', 'CNY', '-0.01', 1, '9.525', '2026-04-01', 'late')",
        "('B', '1001', 'CNY', '1', NULL, NULL, NULL, NULL)",
    )
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE entries SET at = '2026-03-31T17:30:00.25+08:00' WHERE no = 2")
    with opened(url) as books:
        values = values_of(books.booking("A"), COMPENSATE)
        assert books.booking("C") is None
    assert values["amount"] == "99.99"
    assert values["shares"] == "10.5001"
    assert values["price"] == "9.525"
    assert values["day"] == "2026-04-01"
    assert values["at"] == "2026-03-31T09:30:00.250000Z"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-9_999, 9_999), st.integers(-9_999, 9_999)), min_size=1,
             max_size=3),
    st.integers(-9_999, 9_999), st.integers(-9_999, 9_999), st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_posting_does_the_same_as_in_sqlite(
    url: str,
    tmp_path: Path,
    entries: list[tuple[int, int]],
    amount: int,
    price: int,
    with_price: bool,  # noqa: FBT001 - generated
    replaces: bool,  # noqa: FBT001 - generated
) -> None:
    agreement = REPLACE if replaces else COMPENSATE
    lines = [
        f"('A', '{number}', 'CNY', '{format_scaled(one, 2)}', {other}, '9.524', '2026-03-31', NULL)"
        for number, (one, other) in enumerate(entries)
    ]
    path = make_books(tmp_path, *lines)
    fill(url, *lines)
    changes = [
        Change(CURRENCY, b"CNY", b"CNY"),
        Change(AMOUNT, sum(one for one, _ in entries), amount),
    ]
    if with_price:
        changes.append(Change(PRICE, 9_524, price))
    with open_books(path, agreement) as ours, opened(url, agreement) as theirs:
        for posted in (True, False):
            assert ours.post(posting(*changes)) is posted
            assert theirs.post(posting(*changes)) is posted
        assert ours.booking("A") == theirs.booking("A")
    assert query(path, POSTED) == told(url, POSTED)
    accounts = "SELECT account FROM entries ORDER BY "
    assert query(path, accounts + "rowid") == told(url, accounts + "no")


def test_books_that_changed_meanwhile_are_left_alone(url: str) -> None:
    with opened(url) as books:
        with pytest.raises(BooksChangedError):
            books.post(posting(Change(AMOUNT, 9_000, 5_000), Change(CURRENCY, b"CNY", b"CNY")))
        assert told(url, POSTED) == []
        assert len(told(url, ENTRIES)) == 1


def test_a_column_of_too_few_decimals_undoes_the_posting(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE entries ALTER price TYPE numeric(10, 1)")
        connection.execute("UPDATE entries SET price = 9.5")
    with opened(url) as books:
        with pytest.raises(BooksError, match="after posting, the books say"):
            books.post(posting(Change(PRICE, 9_500, 9_524)))
        assert values_of(books.booking("A"), COMPENSATE)["price"] == "9.500"
        assert told(url, POSTED) == []


def test_nobody_else_writes_entries_during_a_posting(url: str) -> None:
    """A writer that holds the table makes the posting wait; what it wrote is then seen."""
    with opened(url) as books:
        changes = (Change(CURRENCY, b"CNY", b"CNY"), Change(AMOUNT, 10_000, 5_000))
        outcome: list[Exception] = []

        def post() -> None:
            try:
                books.post(posting(*changes))
            except BooksError as error:
                outcome.append(error)

        with psycopg.connect(url) as other:
            other.execute((INSERT + FIRST).encode())
            thread = threading.Thread(target=post)
            thread.start()
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while told(url, waits) != [(1,)]:
                assert thread.is_alive()
            other.commit()
        thread.join()
        (error,) = outcome
        assert isinstance(error, BooksChangedError)


def test_a_server_that_was_away_is_found_again(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    fill(url)
    with opened(url) as books:
        with psycopg.connect(url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        changes = (Change(CURRENCY, b"CNY", b"CNY"), Change(AMOUNT, 10_000, 5_000))
        with pytest.raises(BooksError) as caught:
            books.post(posting(*changes))
        assert caught.value.retry
        assert books.post(posting(*changes))
        assert not books.post(posting(*changes))


def test_books_that_somebody_holds_are_not_waited_for_without_end(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading too: whoever rebuilds the table must not hold the node up when it is stopped."""
    monkeypatch.setattr(books_postgres, "_WAIT_S", 1)
    with opened(url) as books:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(BooksError, match="try again") as caught:
                books.booking("A")
            assert caught.value.retry
        assert books.booking("A") is not None


@pytest.mark.parametrize(
    ("column", "kind"), [("amount", "double precision"), ("units", "money"), ("day", "timestamp")]
)
def test_columns_that_are_not_exact_are_refused(url: str, column: str, kind: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE entries DROP {column}".encode())
        connection.execute(f"ALTER TABLE entries ADD {column} {kind}".encode())
    with pytest.raises(BooksError, match=f"column '{column}' .* has the type {kind}"):
        opened(url)


def test_dates_stand_in_dates_and_are_corrected_there(url: str) -> None:
    with opened(url) as books:
        before, after = parse_date("2026-03-31"), parse_date("2026-04-02")
        assert books.post(posting(Change(DAY, before, after), Change(SHARES, 105_000, 105_000)))
        assert told(url, "SELECT day::text FROM entries ORDER BY no")[-1] == ("2026-04-02",)
        assert values_of(books.booking("A"), COMPENSATE)["shares"] == "10.5000"


@pytest.mark.parametrize(
    ("database", "order", "complaint"),
    [
        ("postgresql://tester@/books", "", "order"),
        ("books.sqlite", 'order = "no"', "rowid"),
    ],
)
def test_what_orders_entries_is_said_where_it_is_needed(
    database: str, order: str, complaint: str
) -> None:
    text = f'database = "{database}"\ntable = "e"\ntransaction_id = "t"\n{order}\n[columns]\n'
    with pytest.raises(MappingError, match=complaint):
        parse_books(text + 'amount = "amount"', COMPENSATE, 0)


def test_a_server_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with pytest.raises(BooksError, match="try again") as caught:
        opened(f"postgresql://tester@/books?host={tmp_path}")
    assert caught.value.retry
