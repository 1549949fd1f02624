from pathlib import Path

import numpy as np
import pytest

from tieout import kernel
from tieout.connectors.books_sqlite import SqliteBooks
from tieout.demo.adjuster import Adjuster
from tieout.demo.books import HOUSES, Books
from tieout.demo.cast import Role
from tieout.demo.day import Day, fund_day
from tieout.demo.founding import demo_agreement
from tieout.demo.records import Records, presence_bit
from tieout.demo.rows import rows_of
from tieout.wire.codes import Action, AdjustmentStatus

AGREEMENT = demo_agreement()


@pytest.fixture(scope="module")
def day() -> Day:
    return fund_day(seed=5, transactions=500)


def enter(folder: Path, role: Role, records: Records) -> None:
    books = Books(folder, role)
    books.enter(records)
    books.close()


def of_role(day: Day, role: Role) -> Records:
    return day.records[day.records["role"] == role]


def booking(folder: Path, role: Role, transaction_id: str) -> bytes | None:
    books = SqliteBooks(HOUSES[role].config(folder), AGREEMENT, role)
    try:
        return books.booking(transaction_id)
    finally:
        books.close()


@pytest.mark.parametrize("role", list(Role))
def test_a_booking_read_back_is_the_record_as_published(
    role: Role, day: Day, tmp_path: Path
) -> None:
    record = of_role(day, role)[:1]
    enter(tmp_path, role, record)
    expected = rows_of(AGREEMENT, record)[0].tobytes()
    assert booking(tmp_path, role, record["id"][0].decode()) == expected


def test_a_blank_field_stays_blank(day: Day, tmp_path: Path) -> None:
    record = of_role(day, Role.SELLER)[:1].copy()
    record["fee"] = 0
    record["presence"] &= ~np.uint64(presence_bit("fee"))
    enter(tmp_path, Role.SELLER, record)
    expected = rows_of(AGREEMENT, record)[0].tobytes()
    assert booking(tmp_path, Role.SELLER, record["id"][0].decode()) == expected


def test_of_two_records_with_one_revision_the_first_stands(day: Day, tmp_path: Path) -> None:
    first = of_role(day, Role.BANK)[:1]
    second = first.copy()
    second["amount"] += 5_000
    enter(tmp_path, Role.BANK, np.concatenate([first, second]))
    expected = rows_of(AGREEMENT, first)[0].tobytes()
    assert booking(tmp_path, Role.BANK, first["id"][0].decode()) == expected


def test_a_later_revision_takes_the_place_of_the_first(day: Day, tmp_path: Path) -> None:
    first = of_role(day, Role.SELLER)[:1]
    second = first.copy()
    second["revision"], second["amount"] = 2, 123_456
    enter(tmp_path, Role.SELLER, np.concatenate([first, second]))
    row = booking(tmp_path, Role.SELLER, first["id"][0].decode())
    assert row is not None
    assert np.frombuffer(row, AGREEMENT.layout.dtype())["f_amount"] == 123_456


def test_a_withdrawn_order_leaves_the_books(day: Day, tmp_path: Path) -> None:
    first = of_role(day, Role.SELLER)[:1]
    withdrawal = first.copy()
    withdrawal["revision"], withdrawal["action"] = 2, Action.WITHDRAW
    enter(tmp_path, Role.SELLER, np.concatenate([first, withdrawal]))
    assert booking(tmp_path, Role.SELLER, first["id"][0].decode()) is None


def test_what_another_party_says_does_not_enter_the_books(day: Day, tmp_path: Path) -> None:
    foreign = of_role(day, Role.SELLER)[:1].copy()
    foreign["party"] = 3
    enter(tmp_path, Role.SELLER, foreign)
    assert booking(tmp_path, Role.SELLER, foreign["id"][0].decode()) is None


@pytest.mark.parametrize(("field", "agreed"), [("amount", 990_000), ("fund", b"001466")])
def test_the_adjuster_brings_the_books_to_the_benchmark(
    field: str, agreed: int | bytes, day: Day, tmp_path: Path
) -> None:
    record = of_role(day, Role.REGISTRAR)[:1]
    enter(tmp_path, Role.REGISTRAR, record)
    wanted = record.copy()
    wanted[field] = agreed
    before, after = (rows_of(AGREEMENT, each)[0] for each in (record, wanted))
    transaction_id = record["id"][0]
    adjustment = kernel.Adjustment(
        agreement=1,
        index=0,
        id=bytes(32),
        transaction_id=transaction_id,
        originator=0,
        stage=0,
        serial=0,
        role=Role.REGISTRAR,
        status=AdjustmentStatus.APPROVED,
        approved_at_once=True,
        revision=1,
        fields=1 << [each.name for each in AGREEMENT.fields].index(field),
        proposer=0,
        approvers=(),
        benchmarks=after[68:].tobytes(),
    )
    standing = kernel.Standing(
        party=2,
        intruder=0,
        states=True,
        withdrew=False,
        overdue=False,
        whole_record_breaks=(),
        rounds=0,
        revision=1,
        adjustment=0,
        presence=int(record["presence"][0]),
        mismatch=adjustment.fields,
        blank=0,
        leaf=0,
        row=0,
        values=before[68:].tobytes(),
    )
    adjuster = Adjuster(tmp_path, Role.REGISTRAR, AGREEMENT)
    adjuster.post(adjustment, standing, now_us=1)
    wanted["revision"] = 2
    expected = rows_of(AGREEMENT, wanted)[0].tobytes()
    restated = adjuster.restated(transaction_id.decode(), 2).tobytes()
    adjuster.close()
    assert restated == expected
