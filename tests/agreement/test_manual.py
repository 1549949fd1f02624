"""The manual has an entry for every key that the parser knows, and its examples hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tieout.agreement import keys
from tieout.agreement.model import FieldType
from tieout.agreement.parse import parse_agreement

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8")
EXAMPLES = {
    "bulk-subscription": ROOT / "examples" / "bulk" / "agreement.toml",
    "fund-subscription": ROOT / "examples" / "fund-subscription.toml",
    "fund-redemption": ROOT / "examples" / "redemption" / "agreement.toml",
    "holiday-subscription": ROOT / "examples" / "holiday" / "agreement.toml",
    "fund-subscription, generous": ROOT / "examples" / "tightened" / "agreement.toml",
    "fund-subscription, tightened": ROOT / "examples" / "tightened" / "next.toml",
    "us-eiti": ROOT / "examples" / "us-eiti" / "agreement.toml",
}

ENTRIES = [
    *keys.TOP,
    *(f"fields.<name>.{key}" for key in keys.FIELD),
    *(f"fields.<name>.currency.{key}" for key in keys.CURRENCY),
    *(f"fields.<name>.tolerance.{key}" for key in keys.TOLERANCE),
    *(f"fields.<name>.tolerance.by.{key}" for key in (*keys.BY, "values.<code>")),
    *(f"fields.<name>.drift_days.{key}" for key in keys.DRIFT),
    *(f"fields.<name>.rounded.{key}" for key in keys.ROUNDED),
    "invariants.<name>",
    *(f"benchmark.{key}" for key in (keys.BENCHMARK_DEFAULT, "<field>")),
    *(f"groups.<name>.{key}" for key in keys.GROUP),
    "deadlines.<role>",
    *(f"deadlines.<role>.{key}" for key in keys.DEADLINE),
    "calendars.<name>",
    *(f"calendars.<name>.{key}" for key in keys.CALENDAR),
    "stages.<name>",
    *(f"stages.<name>.{key}" for key in keys.STAGE),
    *(f"adjustment.{key}" for key in keys.ADJUSTMENT),
    "adjustment.automatic_up_to.<field>",
    "adjustment.automatic_up_to.<field>.<currency>",
    *(f"decision.{key}" for key in keys.DECIDING),
    *(f"alarm.{key}" for key in keys.ALARM),
    *(f"severity.{key}" for key in (*keys.SEVERITY, "amounts.<field>")),
    *(f"escalation.{key}" for key in keys.ESCALATION),
    *(f"retention.{key}" for key in keys.RETENTION),
]


def test_every_key_has_an_entry_and_every_entry_a_key() -> None:
    assert sorted(re.findall(r"^### `(.+)`$", MANUAL, re.MULTILINE)) == sorted(ENTRIES)


def test_every_type_and_every_taken_name_is_in_the_manual() -> None:
    words = [*(kind.value for kind in FieldType), *keys.RESERVED_FIELDS, *keys.RESERVED_ROLES]
    assert [word for word in words if f"`{word}`" not in MANUAL] == []


def test_the_pieces_of_the_manual_are_parts_of_good_files() -> None:
    """Each piece stands somewhere in the example, or is a field of its own."""
    parts = [
        EXAMPLES[name].read_text("utf-8") for name in ("fund-subscription", "bulk-subscription")
    ]
    whole = " ".join(" ".join(parts).split())
    for piece in re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL):
        tables = (
            *("[invariants]", "[calendars.", "[severity]", "[[escalation]]", "[stages."),
            "[decision]",
        )
        is_whole = any(table in piece for table in tables)
        if is_whole or ("[fields." in piece and "[fields.amount]" not in piece):
            top = 'name = "a"\nversion = 1\nroles = ["seller", "registrar"]\n'
            if "[fields." not in piece:
                top += '[fields.a]\ntype = "integer"\n'
            agreement = parse_agreement(top + piece)
            assert agreement.needs_rules >= 3 or agreement.fields[0].currency == "CNY"
        else:
            lines = [" ".join(line.split()) for line in piece.splitlines()]
            assert [line for line in lines if line not in whole] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_hold(name: str) -> None:
    text = EXAMPLES[name].read_text(encoding="utf-8")
    assert parse_agreement(text, name).name == name.split(",", maxsplit=1)[0]


def test_an_agreement_is_checked_without_the_compiled_kernel() -> None:
    script = (
        "import sys, tieout.agreement.parse, tieout.agreement.explain;"
        "print(sorted({'numba', 'pyarrow', 'pandas', 'duckdb'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
