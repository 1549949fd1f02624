"""The demonstration of a consortium, with real nodes; and that it leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tieout.demo.consortium.story import MEMBERS
from tieout.engines.cometbft.process import find_cometbft
from tieout.evidence.pack import verify_pack
from tieout.wire.genesis import parse_genesis

COMMAND = [sys.executable, "-c", "from tieout.cli.main import main; main()", "network", "demo"]


def running_in(folder: Path) -> list[str]:
    """Command lines of processes whose working directory is in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.xdist_group("network")
def test_a_wrong_record_alarms_all_nodes_and_is_mended_and_proven(tmp_path: Path) -> None:
    if find_cometbft() is None:
        pytest.skip("CometBFT is not built here: `make cometbft` builds it where Go can be had")
    folder = tmp_path / "network"
    said = subprocess.run(
        [*COMMAND, "--directory", str(folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    result = json.loads(said.stdout)
    assert sorted(alarm["node"] for alarm in result["alarms"]) == sorted(MEMBERS)
    assert result["correcting_entry"] == ["approved", "posted", "verified"]
    assert result["app_hash_disagreements"] == 0
    assert result["problems"] == []
    custody = result["custody"]
    assert custody["members"] == ["bank", "custodian"]
    assert (custody["matched"], custody["alarms"], custody["may_fail"]) == (60, 0, 0)
    # One node, two ledgers: the bank's directory has both, the custodian's the one it is in.
    served = {party: sorted(at.name for at in (folder / party / "ledgers").iterdir())
              for party in ("bank", "custodian", "registrar")}  # fmt: skip
    assert served == {
        "bank": ["custody", "fund"], "custodian": ["custody"], "registrar": ["fund"]
    }  # fmt: skip
    assert running_in(folder) == []
    genesis = parse_genesis((folder / "regulator/ledgers/fund/genesis.json").read_bytes())
    report = verify_pack((folder / "evidence.json").read_bytes(), genesis)
    assert (report.verdict, report.statement.status) == ("verified", "matched")
