"""Records tests/vectors/cometbft-*.json from networks that it runs on loopback.

`python -m tests.consensus.record` from the project's folder; every run gives other keys and times,
so it is run again only for another version of CometBFT.
"""

import base64
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.consensus.network import Node, running, start

VECTORS = ROOT / "tests" / "vectors"
VOTE_FOR_NONE = 3
MOST_BLOCKS = 60
ABOUT = (
    "Recorded from CometBFT 0.38.25 with its key-value store, on loopback. Test vectors: the"
    " validators' keys were made for the recording and thrown away."
)


def send(node: Node, text: str) -> None:
    said = node.ask("broadcast_tx_sync", tx=base64.b64encode(text.encode()).decode())
    assert said["code"] == 0, said


def set_power(node: Node, key: bytes, power: int) -> None:
    send(node, f"val=ed25519!{base64.b64encode(key).decode()}!{power}")


def pause(node: Node, blocks: int) -> None:
    node.wait_for(node.height() + blocks)


def block(node: Node, height: int) -> dict[str, Any]:
    """The raw answers about one height."""
    return {
        "commit": node.ask("commit", height=str(height)),
        "validators": node.ask("validators", height=str(height), per_page="100"),
        "transactions": node.ask("block", height=str(height))["block"]["data"]["txs"] or [],
    }


def write(name: str, node: Node, heights: list[int]) -> None:
    first = node.ask("validators", height="1", per_page="100")["validators"]
    vectors = {
        "about": ABOUT,
        "chain_id": node.ask("status")["node_info"]["network"],
        "founders": [
            {
                "public": base64.b64decode(each["pub_key"]["value"]).hex(),
                "power": int(each["voting_power"]),
            }
            for each in first
        ],
        "blocks": [block(node, height) for height in heights],
    }
    text = json.dumps(vectors, indent=1) + "\n"
    (VECTORS / f"cometbft-{name}.json").write_text(text, encoding="utf-8")
    print(name, heights)  # noqa: T201 - the recorder's only word


def one(nodes: list[Node]) -> None:
    """One validator, two transactions in one block at most."""
    send(nodes[0], "first=1")
    send(nodes[0], "second=2")
    pause(nodes[0], 3)
    write("one", nodes[0], list(range(1, nodes[0].height())))


def has_vote_for_none(node: Node, height: int) -> bool:
    votes = block(node, height)["commit"]["signed_header"]["commit"]["signatures"]
    return any(vote["block_id_flag"] == VOTE_FOR_NONE for vote in votes)


def four(nodes: list[Node]) -> None:
    """Four validators; one loses patience and votes for no block, then it stops and is absent."""
    send(nodes[0], "first=1")
    pause(nodes[0], 2)
    nodes[3].stop()
    nodes[3].configure(dict.fromkeys(("timeout_propose", "timeout_prevote"), "1ms"))
    start(nodes[3], nodes)
    height = nodes[0].height()
    while not has_vote_for_none(nodes[0], height):
        height += 1
        assert height < MOST_BLOCKS, "it never voted for none: record again"
        nodes[0].wait_for(height + 1)
    nodes[3].stop()
    pause(nodes[0], 3)
    write("four", nodes[0], list(range(1, nodes[0].height())))


def changes(nodes: list[Node]) -> None:
    """Two founders; their power changes, two others join them, and both founders leave."""
    founder, other = nodes[0], nodes[2]
    set_power(founder, nodes[0].key(), 3)
    pause(founder, 3)
    set_power(founder, nodes[2].key(), 5)
    pause(founder, 3)
    set_power(founder, nodes[3].key(), 5)
    pause(founder, 3)
    set_power(founder, nodes[0].key(), 0)
    set_power(founder, nodes[1].key(), 0)
    pause(other, 5)
    write("changes", other, list(range(1, other.height())))


def record(validators: int, others: int, play: Callable[[list[Node]], None]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "net", validators, others) as nodes,
    ):
        for node in nodes:
            node.wait_for(2)
        play(nodes)


if __name__ == "__main__":
    began = time.monotonic()
    record(1, 0, one)
    record(4, 0, four)
    record(2, 2, changes)
    print(f"{time.monotonic() - began:.0f} s")  # noqa: T201
