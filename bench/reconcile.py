"""Three CSV files to the written breaks file: `tieout reconcile` beside DuckDB and polars.

Whole processes with their start-up, taking turns, on two cores, on the same files in the page
cache. Tieout does more than its peers: it signs, takes a Merkle leaf of every record, writes
everything to a new ledger and syncs it. The peers write the same breaks file, which is checked line
by line; that Tieout's file ends its lines as RFC 4180 wants is the only difference allowed.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.data import ROLES, Files, three_files
from bench.measure import ROOT, Process, Row, Setting, run_process, take_turns

AGREEMENT = ROOT / "bench" / "fund-bench.toml"
TIEOUT = Path(sys.executable).parent / "tieout"
CORES = 2
BREAKS_REMAIN = 1


def measure(setting: Setting) -> list[Row]:
    """The three contestants, and Tieout in terms of each peer."""
    files = three_files(setting.folder, setting.transactions)
    outs = {name: setting.folder / f"breaks-{name}.csv" for name in ("tieout", "duckdb", "polars")}
    peaks: dict[str, int] = {}

    def timed(name: str, run: Callable[[], Process]) -> Callable[[], float]:
        def once() -> float:
            process = run()
            peaks[name] = max(peaks.get(name, 0), process.peak_bytes)
            return process.seconds

        return once

    peers = {
        "tieout": timed("tieout", lambda: tieout(files, setting.folder, outs["tieout"])),
        "duckdb": timed("duckdb", lambda: duckdb(files, outs["duckdb"])),
        "polars": timed("polars", lambda: polars(files, outs["polars"])),
    }
    for run in peers.values():
        run()  # files into the page cache, bytecode and compiled loops onto the disk
    turns = take_turns(setting.runs, peers)
    lines = {name: out.read_bytes().splitlines() for name, out in outs.items()}
    assert lines["duckdb"] == lines["polars"], "the peers' breaks differ"
    assert lines["tieout"] == lines["duckdb"], "Tieout's breaks differ from the peers'"
    size = f"3 × {setting.transactions:,} CSV rows to the breaks file"
    same = f"all three wrote the same {len(lines['tieout']) - 1:,} breaks"
    rows = [
        Row(
            f"{size}: {name}",
            turns.median(name),
            "s",
            "",
            None,
            tuple(turns.values[name]),
            f"peak {peaks[name] / 1e6:,.0f} MB; {same}" if name == "tieout" else "",
        )
        for name in peers
    ]
    for peer, goal in (("duckdb", 1.4), ("polars", 0.8)):
        ratio = turns.ratio("tieout", peer)
        rows.append(Row(f"{size}: tieout ÷ {peer}", ratio, "×", f"≤ {goal}", ratio <= goal))
    return rows


def tieout(files: Files, folder: Path, out: Path) -> Process:
    """`tieout reconcile` into a new ledger."""
    ledger = folder / "ledger"
    shutil.rmtree(ledger, ignore_errors=True)
    named = [f"{role}={path}" for role, path in zip(ROLES, files.paths, strict=True)]
    command = [str(TIEOUT), "reconcile", str(AGREEMENT), *named]
    command += ["--ledger", str(ledger), "--breaks", str(out)]
    return run_process(command, allowed=(BREAKS_REMAIN,))


def duckdb(files: Files, out: Path) -> Process:
    """The full outer join in SQL."""
    command = [sys.executable, "-m", "bench.peer_duckdb", *map(str, files.paths), str(out)]
    return run_process([*command, str(CORES)])


def polars(files: Files, out: Path) -> Process:
    """The full join of data frames."""
    command = [sys.executable, "-m", "bench.peer_polars", *map(str, files.paths), str(out)]
    return run_process(command, env={"POLARS_MAX_THREADS": str(CORES)})
