"""A node whose private keys are sealed: it takes the passphrase by setting, or does not start."""

import os
import subprocess
from pathlib import Path

from tests.node.running import TIEOUT, Node


def test_a_node_opens_sealed_keys_with_the_passphrase_of_its_setting(tmp_path: Path) -> None:
    node = Node.found(tmp_path / "node")
    phrase = node.directory / "passphrase"
    phrase.write_text("correct horse battery\n", encoding="utf-8")
    ledger = str(node.directory / "ledger")
    seal = [TIEOUT, "keys", "seal", "--ledger", ledger, "--passphrase-file", str(phrase)]
    subprocess.run(seal, check=True, capture_output=True)
    run = subprocess.run(
        [TIEOUT, "node", "run", str(node.directory)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "TIEOUT_LISTEN_PORT": "0"},
        timeout=60,
        check=False,
    )
    assert (run.returncode, b"TIEOUT_KEYS_PASSPHRASE_FILE" in run.stderr) == (2, True)
    node.start(TIEOUT_KEYS_PASSPHRASE_FILE="passphrase")
    said = node.caller().record("seller", "T-1", "1.00")
    assert node.stop() == 0, node.said
    assert (said.status, said.json["outcome"]) == (200, "published")
