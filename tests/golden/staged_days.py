"""The days of the golden ledgers of transactions that go through stages (rules version 4)."""

import random
from collections.abc import Callable
from typing import Final

from tests.golden.refined_days import close_at_the_end
from tieout.testing.histories import SCRIPT_BYTES
from tieout.testing.rulebooks import RuleBook
from tieout.testing.scenarios import play
from tieout.testing.staging import tell_staged
from tieout.testing.workbench import newest_genesis

REDEMPTION = """
name = "redemption"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.shares]
type = "quantity"
scale = 2
roles = ["seller", "registrar"]
tolerance = { absolute = "0.05" }
[fields.amount]
type = "money"
scale = 2
currency = "CNY"
[benchmark]
default = "registrar"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = "1.00" }
[stages.ordered]
roles = ["seller", "registrar"]
fields = ["shares"]
[stages.confirmed]
roles = ["seller", "registrar"]
carried = ["shares"]
[stages.settled]
fields = ["amount"]
carried = ["amount"]
"""
STAGED_DAY = """
seller T1/ordered r1 100.00
registrar T1/ordered r1 100.00
seller T1/confirmed r1 100.05 512.30
registrar T1/confirmed r1 100.00 512.30
bank T1/settled r1 512.80
posted T1/settled bank by east
bank T1/settled r2 512.30
seller T1/settled r1 512.30
registrar T1/settled r1 512.30
expect T1/settled matched
registrar T1/confirmed r2 100.00 512.80
acknowledge T1/settled by west
seller T1/confirmed r2 100.05 512.80
breaks
    T1/settled mismatch amount seller 512.30 against 512.80 previous_stage -0.50
    T1/settled mismatch amount registrar 512.30 against 512.80 previous_stage -0.50
    T1/settled mismatch amount bank 512.30 against 512.80 previous_stage -0.50
bank T2/settled r1 7.00
registrar T2/confirmed r1 5.00 7.00
seller T2/ordered r1 5.00
confirm T2/settled by west
enact v2
registrar under v1 T2/ordered r1 5.00
seller under v2 T2/confirmed r1 5.00 7.00 -> wrong_version
seller under v1 T2/confirmed r1 5.00 7.00
seller under v2 T3/confirmed r1 5.00 7.00
cutoff
breaks
    T1/settled mismatch amount seller 512.30 against 512.80 previous_stage -0.50
    T1/settled mismatch amount registrar 512.30 against 512.80 previous_stage -0.50
    T1/settled mismatch amount bank 512.30 against 512.80 previous_stage -0.50
    T2/settled missing seller
    T2/settled missing registrar
    T3/confirmed out_of_order seller
    T3/confirmed missing registrar
"""


def staged(rules: RuleBook) -> None:
    """Three stages: in order and ahead of it, a correction behind, operations, two versions."""
    second = REDEMPTION.replace("version = 1", "version = 2")
    play(rules, STAGED_DAY, REDEMPTION, second, genesis=newest_genesis())


def chance_of_stages(seed: int) -> Callable[[RuleBook], None]:
    """A random history of transactions with stages, closed at its end."""

    def day(rules: RuleBook) -> None:
        close_at_the_end(rules, tell_staged(random.Random(seed).randbytes(SCRIPT_BYTES)))

    return day


DAYS: Final[dict[str, Callable[[RuleBook], None]]] = {
    "staged": staged,
    "chance-staged-1": chance_of_stages(294),
    "chance-staged-2": chance_of_stages(107),
}
