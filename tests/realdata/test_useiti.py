"""US EITI 2013: what companies say they paid to the US government, and what it says it received.

An independent administrator published 17 pairs of company and stream that differ materially. The
table is read as it was published, both sides from the same file; and once more in its long form,
cut into a file for each side.
"""

import csv
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, Said

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AGREEMENT = str(EXAMPLES / "us-eiti/agreement.toml")
ROLES = {"government": "Government Reported", "company": "Company Reported"}
NAMES = {
    "bonus_and_first_year_rental": "Bonus & 1st Year Rental",
    "aml_fees": "AML Fees",
    "onrr_civil_penalties": "ONRR Civil Penalties",
    "osmre_civil_penalties": "OSMRE Civil Penalties",
}
Pairs = set[tuple[str, str]]


@pytest.fixture
def useiti(sample_data: Path) -> Path:
    return sample_data / "useiti-2013"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def published(useiti: Path) -> Pairs:
    rows = table(useiti / "expected-material-report2015-CY2013.tsv")
    return {(" ".join(row["company"].split()), row["stream"].strip()) for row in rows}


def mismatches(desk: Desk) -> Pairs:
    """The mismatches of the breaks file; it must have no other row, and no pair twice."""
    rows = list(csv.DictReader(io.StringIO(desk.read("breaks.csv"), newline="")))
    assert {(row["kind"], row["role"], row["status"]) for row in rows} == {
        ("mismatch", "company", "open")
    }
    pairs = {
        (row["transaction_id"], NAMES.get(row["field"], row["field"].replace("_", " ").title()))
        for row in rows
    }
    assert len(pairs) == len(rows)
    return pairs


def reconcile_published(desk: Desk, useiti: Path, *words: str) -> Said:
    """Both sides of the table as it was published."""
    pairs, mappings = [], []
    for role in ROLES:
        pairs.append(f"{role}={useiti / 'input-2013.tsv'}")
        mappings += ["--mapping", f"{role}={EXAMPLES / f'us-eiti/{role}.toml'}"]
    return desk.tieout("reconcile", AGREEMENT, *pairs, *mappings, "--breaks", "breaks.csv", *words)


def test_the_published_table_has_exactly_the_17_published_mismatches(
    desk: Desk, useiti: Path
) -> None:
    said = reconcile_published(desk, useiti, "--json", "--refused", "refused.tsv")
    assert said.code == 1
    assert mismatches(desk) == published(useiti)
    assert len(published(useiti)) == 17
    facts = {key: said.json[key] for key in ("transactions", "records", "broken", "by_kind")}
    assert facts == {
        "transactions": 45,
        "records": 90,
        "broken": 14,
        "by_kind": {"mismatch": 17},
    }


def test_the_total_and_the_key_below_the_table_are_refused_by_line(
    desk: Desk, useiti: Path
) -> None:
    reconcile_published(desk, useiti, "--refused", "refused.tsv")
    for name in ("refused-1-government.tsv", "refused-2-company.tsv"):
        lines = [line.split("\t") for line in desk.read(name).splitlines()]
        assert [line[0] for line in lines] == ["line", "47", "49", "50", "51", "52", "53"]
        assert lines[1][3] == "Total Revenue"


def test_the_long_form_has_them_too(desk: Desk, useiti: Path) -> None:
    columns = tomllib.loads((EXAMPLES / "us-eiti/company.toml").read_text())["columns"]
    fields = {
        column.removesuffix(" Company"): field
        for field, column in columns.items()
        if field != "transaction_id"
    }
    for role, column in ROLES.items():
        companies: dict[str, dict[str, str]] = {}
        for row in table(useiti / "output-2013.tsv"):
            company = companies.setdefault(" ".join(row["Company"].split()), {})
            text = row[column].strip()
            company[fields[row["Type"].strip()]] = text if text[-1].isdigit() else ""
        with (desk.folder / f"{role}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["transaction_id", *fields.values()])
            for company, values in companies.items():
                writer.writerow([company, *(values[name] for name in fields.values())])
    words = [f"{role}={role}.csv" for role in ROLES]
    said = desk.tieout("reconcile", AGREEMENT, *words, "--breaks", "breaks.csv", "--json")
    assert (said.code, said.json["refused"]) == (1, 0)
    assert mismatches(desk) == published(useiti)


def test_what_was_found_can_be_proven_of_a_company(desk: Desk, useiti: Path) -> None:
    reconcile_published(desk, useiti)
    assert desk.tieout("evidence", "BP America", "-o", "bp.json").code == 0
    said = desk.tieout("verify", "bp.json", "--trust", "tieout-ledger/genesis.json", "--json")
    assert said.code == 0
    (found,) = said.json["statement"]["breaks"]
    assert (found["field"], found["reported"], found["benchmark"], found["difference"]) == (
        *("rents", "25199393", "25739425", "-540032"),
    )
    assert desk.tieout("audit").code == 0
