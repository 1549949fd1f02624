"""A rule is written once, in docs/rules.md, and used three times: in code, in a test, by number."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, documents, name_of, sources

RULES = ROOT / "docs" / "rules.md"
NUMBER = re.compile(r"\bR-[A-Z]+-\d+\b")
STATED = re.compile(r"\*\*(R-[A-Z]+-\d+)\*\*")


def rule_tests() -> list[Path]:
    return [path for path in sorted((ROOT / "tests").rglob("*.py")) if "house" not in path.parts]


def cited(paths: list[Path]) -> dict[str, list[str]]:
    """Rule number → the files that cite it."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for number in sorted(set(NUMBER.findall(path.read_text(encoding="utf-8")))):
            found.setdefault(number, []).append(name_of(path))
    return found


@pytest.fixture(scope="module")
def stated() -> list[str]:
    """The numbers of the rules, in the order of the rule book."""
    return STATED.findall(RULES.read_text(encoding="utf-8"))


def test_the_rule_book_states_rules_each_once(stated: list[str]) -> None:
    assert len(stated) > 0
    assert sorted(stated) == sorted(set(stated))


def test_every_cited_rule_exists(stated: list[str]) -> None:
    everywhere = cited([*sources(), *rule_tests(), *documents()])
    assert {number: where for number, where in everywhere.items() if number not in stated} == {}


def test_every_rule_has_a_test(stated: list[str]) -> None:
    tested = cited(rule_tests())
    assert [number for number in stated if number not in tested] == []
