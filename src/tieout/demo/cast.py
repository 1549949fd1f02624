"""Who and what appears in the demonstration: three institutions, their people, a dozen funds.

Every name is invented. Party numbers are those of the demonstration's genesis; role numbers are
those of `fund-subscription.toml`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Role(IntEnum):
    """The roles, in the agreement's order."""

    SELLER = 0
    REGISTRAR = 1
    BANK = 2


@dataclass(frozen=True, slots=True)
class Institution:
    """A party: its number in the genesis, its name, and the two people who approve for it."""

    number: int
    name: str
    people: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fund:
    """A fund, as it is dealt in on the day.

    `nav_units` is the price of one unit in ten-thousandths, `fee_bp` the front fee in hundredths
    of a percent, `settle_days` the business days from trade to settlement, `weight` its share of
    the day's orders.
    """

    code: str
    name: str
    currency: str
    nav_units: int
    fee_bp: int
    settle_days: int
    weight: int


INSTITUTIONS: Final = {
    Role.SELLER: Institution(1, "Blue Heron Wealth", ("Lin Yuan", "Amara Osei")),
    Role.REGISTRAR: Institution(2, "Stonebridge Registry", ("Mei Tanaka", "Paulo Reis")),
    Role.BANK: Institution(3, "Jade River Bank", ("Irina Sokol", "Nadia Rahman")),
}
"""Who plays which role. The bank also distributes funds, so it is entitled to the seller's role
too; that is how a record of a second seller can turn up in somebody else's order."""

FUNDS: Final = (
    Fund("510218", "Heron Cash Reserve", "CNY", 10_000, 5, 1, 22),
    Fund("510377", "Heron Short Bond", "CNY", 10_842, 30, 1, 16),
    Fund("001466", "Cedar Balanced Growth", "CNY", 17_316, 80, 1, 12),
    Fund("001903", "Cedar Dividend Select", "CNY", 13_075, 80, 1, 9),
    Fund("110729", "Lotus Consumer Leaders", "CNY", 24_981, 120, 1, 9),
    Fund("110845", "Lotus Healthcare Innovation", "CNY", 9_127, 120, 1, 7),
    Fund("162014", "Granite 300 Index", "CNY", 12_260, 12, 1, 8),
    Fund("162039", "Granite Green Energy Index", "CNY", 7_754, 12, 1, 5),
    Fund("270483", "Harbour Pension 2045", "CNY", 11_598, 60, 2, 4),
    Fund("968011", "Kestrel Asia Income", "HKD", 98_340, 100, 2, 4),
    Fund("968052", "Kestrel Global Technology", "USD", 156_205, 120, 2, 2),
    Fund("968077", "Kestrel Dollar Bond", "USD", 104_670, 60, 2, 2),
)

CURRENCY_PER_CNY_BP: Final = {"CNY": 10_000, "HKD": 10_900, "USD": 1_400}
"""Rough size of an order in a currency against one in CNY, in ten-thousandths."""
