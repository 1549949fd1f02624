"""The US EITI table of 2013, as it was published: `$ - ` for zero, parentheses, DNP, DNR, N/A."""

import csv
from pathlib import Path

import pytest

from tests.connectors.support import Taken, read_all, values_of
from tieout.agreement.parse import parse_agreement
from tieout.connectors.mapping_file import parse_mapping

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AGREEMENT = parse_agreement((EXAMPLES / "us-eiti/agreement.toml").read_text(encoding="utf-8"))
GOVERNMENT, COMPANY = 0, 1
STREAMS = {
    "bonus_and_first_year_rental": "Bonus & 1st Year Rental",
    "aml_fees": "AML Fees",
    "onrr_civil_penalties": "ONRR Civil Penalties",
    "osmre_civil_penalties": "OSMRE Civil Penalties",
}
NOT_STATED = ("DNP", "DNR", "N/A", "did not report", "did not participate")


def read_table(data: Path, role: int) -> Taken:
    name = AGREEMENT.roles[role]
    toml = (EXAMPLES / f"us-eiti/{name}.toml").read_text(encoding="utf-8")
    mapping = parse_mapping(toml, AGREEMENT, role, name)
    path = data / "useiti-2013" / "input-2013.tsv"
    taken = read_all(path, mapping, agreement=AGREEMENT, role=role)
    compiled = read_all(path, mapping, agreement=AGREEMENT, role=role, compiled=True)
    assert compiled == taken
    return taken


@pytest.mark.parametrize("role", [GOVERNMENT, COMPANY])
def test_companies_are_read_but_neither_total_nor_notes(sample_data: Path, role: int) -> None:
    taken = read_table(sample_data, role)
    assert len(taken.rows) == 45
    total, *notes = taken.refused
    assert (total.line, total.reason) == (47, "47 columns stand where the header has 49")
    assert {each.reason.split()[0] for each in notes} == {"1", "2"}


@pytest.mark.parametrize(
    ("role", "column"), [(GOVERNMENT, "Government Reported"), (COMPANY, "Company Reported")]
)
def test_every_cell_is_what_was_published_in_the_long_form(
    sample_data: Path, role: int, column: str
) -> None:
    """The same figures were published once more, one line for each company and stream."""
    with (sample_data / "useiti-2013" / "output-2013.tsv").open(
        encoding="utf-8", newline=""
    ) as file:
        published = {
            (" ".join(line["Company"].split()), line["Type"].strip()): line[column].strip()
            for line in csv.DictReader(file, delimiter="\t")
        }
    found = {}
    for row in read_table(sample_data, role).rows:
        values = values_of(row, AGREEMENT)
        for field in AGREEMENT.fields:
            stream = STREAMS.get(field.name, field.name.replace("_", " ").title())
            found[values["transaction_id"], stream] = values[field.name]
    expected = {
        key: None if text in NOT_STATED else text.replace(",", "")
        for key, text in published.items()
    }
    assert {key: found.get(key) for key in expected} == expected
