"""A fund day from a seed: what is true, what each party publishes and when, and what goes wrong.

An order is true once: fund, amount, fee, units. Each role books it and publishes its record: the
seller at once, the bank when the money has moved (seconds to minutes), the registrar when the
units are booked (minutes to an hour). Into this the seeder (`faults.py`) plants faults, each with
the breaks that the rules must find for it, so that what a run finds can be counted against what
was seeded, exactly.

Dealing is at a known price (the value of the evening before), so that all roles can state units
and price during the day. Money, units and prices are integers throughout; only the drawing of
sizes and delays uses binary fractions.

Not here: signatures, ledgers, books. The faults are promises about any ledger whose blocks are at
most five minutes of the day apart (`MAX_BLOCK_GAP_US`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tieout.demo.cast import CURRENCY_PER_CNY_BP, FUNDS, INSTITUTIONS, Role
from tieout.demo.faults import Fault, Seeder
from tieout.demo.records import RECORD_DTYPE, Records, all_present

MINUTE_US: Final = 60_000_000
LEAST_TRANSACTIONS: Final = 500
RUSH: Final = 0.4
"""Share of the orders that come soon after the opening or just before the close."""
ODD_CENTS: Final = 0.1
"""Share of the orders whose amount is not round."""
SATURDAY: Final = 5
MAX_BLOCK_GAP_US: Final = 5 * MINUTE_US
TRADE_DATE: Final = date(2025, 9, 16)
LOCAL: Final = timezone(timedelta(hours=8), "UTC+8")
"""The market's clock; it knows no summer time."""

ORDER_DTYPE: Final = np.dtype(
    [
        ("id", "S36"),
        ("investor", "<i4"),
        ("placed_us", "<i8"),
        ("bank_us", "<i8"),
        ("registrar_us", "<i8"),
        ("fund", "S6"),
        ("currency", "S3"),
        ("amount", "<i8"),
        ("shares", "<i8"),
        ("nav", "<i8"),
        ("fee", "<i8"),
        ("trade_date", "<i4"),
        ("settle_date", "<i4"),
    ]
)
TERMS: Final = ("fund", "currency", "amount", "shares", "nav", "fee", "trade_date", "settle_date")


@dataclass(frozen=True, slots=True)
class Day:
    """One fund day.

    `orders` (ORDER_DTYPE) is the truth. `records` (RECORD_DTYPE) is everything that is published,
    by ascending time, ties in the order in which it must be applied. `faults` are by transaction
    id; controls, which must not be called breaks, are among them with no breaks.
    """

    seed: int
    trade_date: date
    opens_us: int
    closes_us: int
    cutoff_us: int
    orders: npt.NDArray[np.void]
    records: Records
    faults: tuple[Fault, ...]


def fund_day(seed: int, transactions: int = 20_000) -> Day:
    """The day of this seed: the same seed and size give the same day.

    Raises ValueError unless there are at least 500 transactions: a smaller day has no room for
    every kind of fault.
    """
    if transactions < LEAST_TRANSACTIONS:
        raise ValueError(
            f"a day of {transactions} transactions; it needs at least {LEAST_TRANSACTIONS}"
        )
    chance = np.random.default_rng(seed)
    opens_us, closes_us = _moment(9, 30), _moment(15, 0)
    orders = _orders(chance, transactions, opens_us, closes_us)
    seeder = Seeder(seed, first_records(orders), transactions)
    records, faults = seeder.seed_all()
    return Day(
        seed=seed,
        trade_date=TRADE_DATE,
        opens_us=opens_us,
        closes_us=closes_us,
        cutoff_us=_moment(17, 30),
        orders=orders,
        records=records,
        faults=faults,
    )


def _moment(hour: int, minute: int) -> int:
    """Microseconds UTC of a time of the trade date on the market's clock."""
    moment = datetime(TRADE_DATE.year, TRADE_DATE.month, TRADE_DATE.day, hour, minute, tzinfo=LOCAL)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _orders(
    chance: np.random.Generator, count: int, opens_us: int, closes_us: int
) -> npt.NDArray[np.void]:
    orders = np.zeros(count, ORDER_DTYPE)
    weights = np.array([fund.weight for fund in FUNDS], dtype=np.float64)
    chosen = chance.choice(len(FUNDS), size=count, p=weights / weights.sum())
    _draw_times(chance, orders, opens_us, closes_us)
    prefix = f"FS{TRADE_DATE:%Y%m%d}-"
    orders["id"] = [f"{prefix}{number:06d}" for number in range(1, count + 1)]
    orders["investor"] = chance.integers(100_000, 180_000, size=count)
    orders["fund"] = np.array([fund.code for fund in FUNDS], dtype="S6")[chosen]
    orders["currency"] = np.array([fund.currency for fund in FUNDS], dtype="S3")[chosen]
    orders["nav"] = np.array([fund.nav_units for fund in FUNDS])[chosen]
    _draw_money(chance, orders, chosen)
    orders["trade_date"] = _day_number(TRADE_DATE)
    settle = [_day_number(_business_day(TRADE_DATE, fund.settle_days)) for fund in FUNDS]
    orders["settle_date"] = np.array(settle)[chosen]
    return orders


def _draw_times(
    chance: np.random.Generator, orders: npt.NDArray[np.void], opens_us: int, closes_us: int
) -> None:
    """More orders soon after the opening and before the close; then each role's delay."""
    count = len(orders)
    moment = chance.random(count)
    rush = chance.random(count) < RUSH
    morning = chance.random(count) < 1 / 2
    moment = np.where(rush & morning, chance.beta(1, 6, count), moment)
    moment = np.where(rush & ~morning, chance.beta(6, 1, count), moment)
    moment = np.sort(moment)
    orders["placed_us"] = opens_us + (moment * (closes_us - opens_us)).astype(np.int64)
    bank_s = np.clip(20 + chance.lognormal(4.0, 1.0, count), 20, 14 * 60)
    registrar_s = np.clip(bank_s + 60 + chance.lognormal(6.6, 0.7, count), 0, 60 * 60)
    orders["bank_us"] = orders["placed_us"] + (bank_s * 1e6).astype(np.int64)
    orders["registrar_us"] = orders["placed_us"] + (registrar_s * 1e6).astype(np.int64)


def _draw_money(
    chance: np.random.Generator, orders: npt.NDArray[np.void], chosen: npt.NDArray[Any]
) -> None:
    """Sizes around ten thousand, mostly round; the fee at the fund's rate, half a cent upwards."""
    count = len(orders)
    sizes = np.array([CURRENCY_PER_CNY_BP[fund.currency] for fund in FUNDS])[chosen]
    drawn = np.clip(chance.lognormal(9.2, 1.3, count), 100, 5e6) * sizes / 1e4
    round_minor = np.maximum((drawn / 100).astype(np.int64), 1) * 10_000
    cents = chance.integers(1, 10_000, size=count)
    orders["amount"] = round_minor + np.where(chance.random(count) < ODD_CENTS, cents, 0)
    fee_bp = np.array([fund.fee_bp for fund in FUNDS])[chosen]
    orders["fee"] = np.maximum((orders["amount"] * fee_bp + 5_000) // 10_000, 1)
    # Units at 4 decimals from cents and a price at 4 decimals, half a unit's last place upwards.
    net = orders["amount"] - orders["fee"]
    orders["shares"] = (net * 2_000_000 + orders["nav"]) // (2 * orders["nav"])


def _business_day(start: date, days: int) -> date:
    day = start
    for _ in range(days):
        day += timedelta(days=1)
        while day.weekday() >= SATURDAY:
            day += timedelta(days=1)
    return day


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def first_records(orders: npt.NDArray[np.void]) -> Records:
    """What the roles would publish on a day without faults, all of one role after the other.

    The record of role r for order i stands at r × len(orders) + i.
    """
    count = len(orders)
    whole = np.zeros(3 * count, RECORD_DTYPE)
    published = {Role.SELLER: "placed_us", Role.REGISTRAR: "registrar_us", Role.BANK: "bank_us"}
    for role, column in published.items():
        rows = whole[role * count : (role + 1) * count]
        rows["at_us"] = orders[column]
        rows["party"] = INSTITUTIONS[role].number
        rows["role"] = role
        rows["id"] = orders["id"]
        rows["revision"] = 1
        rows["presence"] = all_present(role)
        for term in TERMS:
            if not (role == Role.BANK and term in {"shares", "nav"}):
                rows[term] = orders[term]
        rows["remark"] = _remarks(role, orders)
    return whole


def _remarks(role: Role, orders: npt.NDArray[np.void]) -> list[bytes]:
    told = {
        Role.SELLER: b"investor %d, mobile",
        Role.REGISTRAR: b"register %d",
        Role.BANK: b"collection, payer %d",
    }[role]
    return [told % investor for investor in orders["investor"].tolist()]
