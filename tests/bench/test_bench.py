"""The benchmarks compare like with like: the same files, the same breaks, the same bytes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bench import peer_duckdb
from bench.__main__ import BENCHMARKS, shown
from bench.batches import bench_agreement, rows_for
from bench.data import ROLES, Files, three_files
from bench.floor import METHODS, compiled, expected_root, floor_seconds
from bench.measure import ROOT, Turns, run_process, take_turns
from tieout.cli.main import app


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return three_files(tmp_path_factory.mktemp("bench"), 3_000)


@pytest.fixture(scope="module")
def by_duckdb(files: Files, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    out = tmp_path_factory.mktemp("duckdb") / "breaks.csv"
    peer_duckdb.main(*map(str, files.paths), str(out), "1")
    return out.read_bytes().splitlines()


def test_the_files_hold_every_kind_of_break(by_duckdb: list[bytes]) -> None:
    seen = {tuple(line.decode().split(",")[i] for i in (1, 2, 8)) for line in by_duckdb[1:]}
    assert ("missing", "", "open") in seen
    assert ("missing", "fee", "open") in seen
    assert ("mismatch", "fee", "undecided") in seen
    assert ("mismatch", "amount", "undecided") in seen
    decided = {field for kind, field, status in seen if (kind, status) == ("mismatch", "open")}
    assert decided == set(peer_duckdb.FIELDS)


def test_tieout_writes_the_breaks_of_the_outer_join(
    files: Files, by_duckdb: list[bytes], tmp_path: Path
) -> None:
    out = tmp_path / "breaks.csv"
    named = [f"{role}={path}" for role, path in zip(ROLES, files.paths, strict=True)]
    words = ["reconcile", str(ROOT / "bench" / "fund-bench.toml"), *named]
    words += ["--ledger", str(tmp_path / "ledger"), "--breaks", str(out)]
    assert app(words, exit_on_error=False, result_action="return_value") == 1
    assert out.read_bytes().splitlines() == by_duckdb


def test_polars_writes_the_breaks_of_the_outer_join(
    files: Files, by_duckdb: list[bytes], tmp_path: Path
) -> None:
    out = tmp_path / "breaks.csv"
    command = [sys.executable, "-m", "bench.peer_polars", *map(str, files.paths), str(out)]
    run_process(command, env={"POLARS_MAX_THREADS": "1"})
    assert out.read_bytes().splitlines() == by_duckdb


def test_the_floor_hashes_what_it_says(tmp_path: Path) -> None:
    program = compiled(tmp_path)
    if program is None:
        pytest.skip("no C compiler")
    roots = set()
    for method in METHODS:
        try:
            roots.add(floor_seconds(program, tmp_path, method, 231, 77, 117, 50)[1])
        except RuntimeError:
            continue  # this processor has no SHA instructions
    assert roots == {expected_root(77, 117)}


def test_made_up_rows_follow_from_their_number() -> None:
    agreement = bench_agreement()
    one, two = (rows_for(agreement, np.array([7, 8])), rows_for(agreement, np.array([8])))
    assert one.shape == (2, 117)
    assert one[1].tobytes() == two[0].tobytes() != one[0].tobytes()


def test_peers_take_turns() -> None:
    order: list[str] = []

    def runner(name: str) -> float:
        order.append(name)
        return float(len(order))

    turns = take_turns(2, {"a": lambda: runner("a"), "b": lambda: runner("b")})
    assert order == ["a", "b", "b", "a"]
    assert turns.values == {"a": [1.0, 4.0], "b": [2.0, 3.0]}


def test_medians_and_ratios() -> None:
    turns = Turns({"ours": [3.0, 1.0, 2.0], "theirs": [4.0, 4.0, 1.0]})
    assert (turns.median("ours"), turns.ratio("ours", "theirs")) == (2.0, 0.5)


@pytest.mark.parametrize(
    ("value", "text"), [(2_912_345.0, "2.91 M"), (1_234.4, "1,234"), (529.0, "529"), (0.2, "0.20")]
)
def test_figures_have_about_three_places(value: float, text: str) -> None:
    assert shown(value) == text


def test_every_benchmark_is_a_module_with_a_measure() -> None:
    assert [name for name in BENCHMARKS if not (ROOT / "bench" / f"{name}.py").is_file()] == []
