"""The pure rooms compute the same bits from the same bytes."""

import ast

import pytest

from tests.house.purity import impurities
from tests.house.tree import name_of, parsed, pure_sources

# ("src/tieout/room/file.py", what the search says) → why it is harmless there.
TIME_FIELD = "a field of headers and votes; import-linter keeps the module `time` out"
HARMLESS: dict[tuple[str, str], str] = {
    (f"src/tieout/consensus/{name}.py", "`time_ns` reads the clock"): TIME_FIELD
    for name in ("hashing", "light")
}


def found_in_pure_rooms() -> list[tuple[str, int, str]]:
    return [
        (name_of(path), line, reason)
        for path in pure_sources()
        for line, reason in impurities(parsed(path))
    ]


def test_pure_rooms_are_pure() -> None:
    found = [each for each in found_in_pure_rooms() if (each[0], each[2]) not in HARMLESS]
    assert found == []


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    assert set(HARMLESS) <= {(name, reason) for name, _, reason in found_in_pure_rooms()}
    assert all(HARMLESS.values())


@pytest.mark.parametrize(
    "source",
    [
        "x = 0.5",
        "x = 1e3",
        "x = a / b",
        "x /= 2",
        "x = float(a)",
        "x = hash(a)",
        "x = datetime.now(tz=UTC)",
        "x = date.today()",
        "x = later.total_seconds()",
        "x = np.float64(a)",
        "from numba import float64",
        "x = np.zeros(4)",
        "x = np.empty(n, 'f8')",
        "x = np.dtype([('a', '<f4')])",
        "x = a.astype(float)",
        "x = np.random.default_rng(1)",
        "x = math.sqrt(a)",
        "from math import floor",
        "x = open(a)",
        "for x in {1, 2}: y(x)",
        "for x in set(a): y(x)",
        "for x in set(a) | b: y(x)",
        "for x in set(a).union(b): y(x)",
        "x = [y for y in {z for z in a}]",
        "x = list(frozenset(a))",
        "x = b''.join(y for y in set(a))",
        "x = (*set(a),)",
        "def f():\n    seen = set()\n    for x in seen: y(x)",
        "def f(seen: frozenset[int]):\n    return tuple(seen)",
        "SEEN: set[int] = g()\ndef f():\n    return [x for x in SEEN]",
    ],
)
def test_an_impurity_is_found(source: str) -> None:
    assert len(impurities(ast.parse(source))) > 0


@pytest.mark.parametrize(
    "source",
    [
        "x = a // b",
        "x = isinstance(a, float)",
        "x = sorted(set(a))",
        "x = len({1, 2})",
        "x = 1 in {1, 2}",
        "x = all(y > 0 for y in a)",
        "x = np.zeros(4, dtype=np.int64)",
        "x = np.empty((n, 8), np.uint64)",
        "x = math.isqrt(a)",
        "for x in sorted({1, 2}): y(x)",
        "x = {z for z in set(a)}",
        "def f():\n    seen = set()\n    seen.add(1)\n    return len(seen)",
    ],
)
def test_what_is_pure_is_left_alone(source: str) -> None:
    assert impurities(ast.parse(source)) == []
