import time

import numpy as np
import pytest

from tieout.demo.cast import INSTITUTIONS, Role
from tieout.demo.day import MAX_BLOCK_GAP_US, Day, fund_day
from tieout.demo.faults import CONTROLS, PER_20_000, FaultKind
from tieout.demo.records import FIELDS, UNITS_FIELDS, all_present
from tieout.wire.codes import Action


@pytest.fixture(scope="module")
def day() -> Day:
    return fund_day(seed=11, transactions=4_000)


def test_the_same_seed_gives_the_same_day(day: Day) -> None:
    again = fund_day(seed=11, transactions=4_000)
    assert (again.records.tobytes(), again.faults) == (day.records.tobytes(), day.faults)


def test_another_seed_gives_another_day(day: Day) -> None:
    assert fund_day(seed=12, transactions=4_000).records.tobytes() != day.records.tobytes()


def test_every_kind_of_fault_is_seeded_as_often_as_stated(day: Day) -> None:
    counted = {kind: sum(fault.kind == kind for fault in day.faults) for kind in FaultKind}
    expected = {kind: max(1, per * 4_000 // 20_000) for kind, per in PER_20_000.items()}
    assert counted == expected


def test_no_transaction_has_two_faults(day: Day) -> None:
    names = [fault.transaction_id for fault in day.faults]
    assert len(set(names)) == len(names)


def test_only_controls_have_no_breaks(day: Day) -> None:
    silent = {fault.kind for fault in day.faults if not fault.breaks}
    assert silent == set(CONTROLS)


def test_breaks_that_last_are_among_those_that_must_be_found(day: Day) -> None:
    assert [fault for fault in day.faults if not set(fault.lasting) <= set(fault.breaks)] == []


def test_every_transaction_without_a_fault_is_stated_alike_by_all_three(day: Day) -> None:
    faulty = {fault.transaction_id.encode() for fault in day.faults}
    clean = day.records[~np.isin(day.records["id"], list(faulty))]
    clean = clean[np.argsort(clean["id"], kind="stable")]
    seller, bank, registrar = clean[0::3], clean[1::3], clean[2::3]
    assert [set(each["role"].tolist()) for each in (seller, bank, registrar)] == [
        {Role.SELLER},
        {Role.BANK},
        {Role.REGISTRAR},
    ]
    for field in FIELDS[:-1]:
        assert (seller[field] == registrar[field]).all()
        if field not in UNITS_FIELDS:
            assert (seller[field] == bank[field]).all()


def test_records_are_by_time_within_the_day(day: Day) -> None:
    at_us = day.records["at_us"]
    assert (np.diff(at_us) >= 0).all()
    assert day.opens_us <= at_us[0]
    assert at_us[-1] + 4 * MAX_BLOCK_GAP_US < day.cutoff_us


def test_presence_tells_what_a_role_reports_and_a_withdrawal_says_nothing(day: Day) -> None:
    states = day.records[day.records["action"] == Action.STATE]
    withdrawals = day.records[day.records["action"] == Action.WITHDRAW]
    for role in Role:
        said = states[states["role"] == role]["presence"]
        assert (said & ~np.uint64(all_present(role)) == 0).all()
    assert len(withdrawals) > 0
    assert all(withdrawals[field].tobytes().strip(b"\0") == b"" for field in ("presence", *FIELDS))


def test_absent_fields_are_zero(day: Day) -> None:
    for bit, field in enumerate(FIELDS):
        absent = day.records[day.records["presence"] & np.uint64(1 << bit) == 0]
        assert absent[field].tobytes().strip(b"\0") == b""


def test_units_are_the_net_amount_at_the_price_to_half_a_last_place(day: Day) -> None:
    orders = day.orders
    net_at_scale_8 = (orders["amount"] - orders["fee"]) * 1_000_000
    off = np.abs(orders["shares"] * orders["nav"] - net_at_scale_8)
    assert (2 * off <= orders["nav"]).all()


def test_a_day_too_small_for_all_faults_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 500"):
        fund_day(seed=1, transactions=499)


def test_the_smallest_day_has_every_kind() -> None:
    assert {fault.kind for fault in fund_day(3, 500).faults} == set(FaultKind)


def test_the_whole_day_is_made_within_a_second() -> None:
    started = time.perf_counter()
    fund_day(seed=1)
    assert time.perf_counter() - started < 1


def test_the_party_numbers_are_those_of_the_roles(day: Day) -> None:
    expected = {(institution.number, role) for role, institution in INSTITUTIONS.items()}
    second_seller = {(INSTITUTIONS[Role.BANK].number, Role.SELLER)}
    spoken = set(zip(day.records["party"].tolist(), day.records["role"].tolist(), strict=True))
    assert spoken == expected | second_seller
