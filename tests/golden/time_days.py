"""The days of the golden ledgers of rules version 4 on which time matters."""

import random
from collections.abc import Callable
from typing import Final

from tests.golden.refined_days import close_at_the_end
from tieout.testing.histories import SCRIPT_BYTES
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.timely import tell_timely
from tieout.testing.workbench import newest_genesis

PAYMENT = """
name = "payment"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.currency]
type = "code"
length = 3
equivalent = [["CNY", "156"]]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
[fields.value_date]
type = "date"
drift_days = { before = 1, after = 2, calendar = "shanghai" }
[benchmark]
amount = "bank"
value_date = "bank"
[deadlines]
registrar = "30s"
[severity]
kinds = { missing = "medium", duplicate = "high" }
ages = { high = "2h", critical = { at = "1bd 09:00", calendar = "shanghai" } }
[severity.amounts.amount]
high = { CNY = "100.00", USD = "10.00" }
critical = { CNY = "10000.00" }
[[escalation]]
after = "30m"
to = "desk"
[[escalation]]
after = { at = "0bd 17:00", calendar = "shanghai" }
to = "head_of_operations"
[calendars.shanghai]
weekend = ["saturday", "sunday"]
holidays = ["2023-11-16", "2023-11-17"]
workdays = ["2023-11-19"]
offset = "+08:00"
"""
URGENT_DAY = """
seller T1 r1 CNY 100.00 2023-11-15
registrar T1 r1 156 100.00 2023-11-20
bank T1 r1 CNY 100.00 2023-11-15
expect T1 matched                     # the 19th and the 20th are business days
registrar T1 r2 156 100.00 2023-11-21
seller T2 r1 CNY 20000.00 2023-11-15
registrar T2 r1 CNY 100.00 2023-11-15
bank T2 r1 CNY 100.00 2023-11-14
seller T3 r1 USD 10.00 2023-11-15
bank T3 r1 CNY 10.00 2023-11-15
wait 31s                              # the registrar of T3 is late
registrar T3 r1 CNY 10.00 2023-11-15
wait 31m                              # the desk is told
expect T1 broken escalated
acknowledge T1 by west/2
seller T2 r2 CNY 150.00 2023-11-15
bank T1 r1 CNY 101.00 2023-11-15 -> duplicate
wait 90m
seller T3 r2 CNY 10.00 2023-11-15     # mended while escalated
expect T3 matched
wait 12h
expect T2 broken escalated            # by both steps
wait 6d
acknowledge T2 by south/3
seller T4 r1 CNY 100.00 2023-11-15
bank T4 r1 CNY 200.00 2023-11-15
bank T4 r2 CNY 100.00 2023-11-15
cutoff
"""


def urgent(rules: RuleBook) -> None:
    """Business days of drift, severities by kind, amount and age, and two steps of escalation."""
    play(rules, URGENT_DAY, PAYMENT, genesis=newest_genesis())


def chance_of_time(seed: int) -> Callable[[RuleBook], None]:
    """A random history under version 4, closed at its end."""

    def day(rules: RuleBook) -> None:
        close_at_the_end(rules, tell_timely(random.Random(seed).randbytes(SCRIPT_BYTES)))

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "urgent": urgent,
    "chance-time-1": chance_of_time(1),
}
