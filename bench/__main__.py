"""`python -m bench`: run the benchmarks, print the table, write build/bench.json.

`--only NAME` (may be repeated) runs one of them, `--quick` a tenth of the size and fewer runs, for
trying; quick figures are marked as such and say nothing about the goals.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import ROOT, Row, Setting

BENCHMARKS = {
    "calls": "CheckTx and FinalizeBlock: rules, protobuf, socket",
    "stream": "the durable stream, beside its floor",
    "closed_loop": "one record, from submit to durable verdict",
    "reconcile": "three files to the breaks file, beside DuckDB and polars",
    "memory": "bytes of memory for a transaction",
    "restart": "opening a ledger with a million open transactions",
    "node": "records over HTTP, beside the same check by hand on PostgreSQL",
    "stream_listeners": "the live stream to a thousand listeners",
    "snapshot": "what a block waits for while a snapshot is written",
    "fold": "the journal into SQLite and PostgreSQL",
    "lists": "pages of lists on ten times as many transactions in PostgreSQL",
    "consortium": "four nodes on CometBFT, beside its own key-value store",
}


def main() -> None:
    """Run what was asked for, and print it. Goals are told, not enforced: machines are noisy."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(f"{name} ({what})" for name, what in BENCHMARKS.items())
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help=names)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, fewer runs")
    asked = parser.parse_args()
    folder = ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    size, runs = (100_000, 2) if asked.quick else (1_000_000, 5)
    setting = Setting(folder, size, runs)
    started = time.perf_counter()
    rows: list[Row] = []
    for name in asked.only or BENCHMARKS:
        print(f"… {BENCHMARKS[name]}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench.{name}").measure(setting)
    print_table(rows, quick=asked.quick)
    write_json(ROOT / "build" / "bench.json", rows, quick=asked.quick)
    print(f"\n{time.perf_counter() - started:.0f} s; single runs in build/bench.json")


def print_table(rows: list[Row], *, quick: bool) -> None:
    """The table, a line for each row, notes below."""
    head = ("what", "median", "range of the runs", "goal", "")
    lines = [
        (
            row.what,
            f"{shown(row.value)} {row.unit}".strip(),
            f"{shown(min(row.runs))} to {shown(max(row.runs))}" if row.runs else "",
            row.goal,
            {True: "met", False: "MISSED", None: ""}[row.met] if not quick else "",
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    print(f"\n{machine()}{' (quick: figures say nothing about the goals)' if quick else ''}\n")
    for line in [head, tuple("-" * width for width in widths), *lines]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    for row in rows:
        if row.note:
            print(f"\n{row.what}: {row.note}")


def shown(value: float) -> str:
    """A figure with about three places that count."""
    if value >= 1_000_000:
        return f"{value / 1e6:.2f} M"
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def machine() -> str:
    """What was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}, {platform.system()}"


def write_json(path: Path, rows: list[Row], *, quick: bool) -> None:
    """Everything that was measured, for programs."""
    told = {
        "machine": machine(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
