"""Files of records that are settled together: the two examples that the manual shows."""

import re
import shlex
import shutil

import pytest

from tests.cli.desk import Desk
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "groups.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^\$ cd examples/(\w+)\n\$ tieout (.*)\n```\n\n```text\n((?:[^`].*\n)*)```[\s\S]*?"
    r"```console\n\$ tieout (.*)\n\$ tieout (.*)\n```",
    PAGE,
    re.MULTILINE,
)
"""Of each: its folder, the command that finds the break, what it finds, and how that is mended."""


@pytest.mark.parametrize("example", EXAMPLES, ids=[folder for folder, *_ in EXAMPLES])
def test_the_examples_of_the_manual(desk: Desk, example: tuple[str, ...]) -> None:
    """R-GROUP-4, R-GROUP-5, R-GROUP-7: every command of the page, and every file it shows."""
    folder, found, listed, mended, looked = example
    shutil.copytree(ROOT / "examples" / folder, desk.folder, dirs_exist_ok=True)
    said = desk.tieout(*shlex.split(found))
    assert said.code == 1, said.err
    assert desk.read("breaks.csv").replace("\r\n", "\n") == listed
    assert [desk.tieout(*shlex.split(line)).code for line in (mended, looked)] == [0, 0]
    assert desk.tieout("audit", "--ledger", "ledger").code == 0


def test_the_page_has_these_examples() -> None:
    assert [folder for folder, *_ in EXAMPLES] == ["bulk", "credited"]
    assert PAGE.count("$ tieout ") == 3 * len(EXAMPLES)


def test_what_the_bank_paid_less_is_named(desk: Desk) -> None:
    """R-GROUP-7: as the page says of a payment that is short by one order."""
    shutil.copytree(ROOT / "examples" / "bulk", desk.folder, dirs_exist_ok=True)
    header = "transaction_id,amount,currency,payment,orders"
    desk.file("short.csv", header, "PAY-7,1250.00,EUR,BULK-7,3")
    said = desk.tieout(
        "reconcile", "agreement.toml", "seller=seller.csv", "registrar=registrar.csv",
        "bank=short.csv", "--breaks", "breaks.csv",
    )  # fmt: skip
    assert said.code == 1
    (row,) = desk.read("breaks.csv").splitlines()[1:]
    assert row == "PAY-7,group,bulk,bank,1250.00,1330.00,BULK-7 without ORD-3,-80.00,open"
    told = desk.tieout("show", "PAY-7", "--ledger", "tieout-ledger")
    words = "bank: its group bulk is broken: 1250.00 against 1330.00, difference -80.00"
    assert (told.code, f"{words}; BULK-7 without ORD-3" in told.out) == (1, True), told.out
    assert desk.tieout("show", "ORD-1", "--ledger", "tieout-ledger").code == 0
