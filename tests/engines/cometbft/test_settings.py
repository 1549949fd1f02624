import json
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import Members
from tieout.consensus.hashing import address, chain_id_of
from tieout.engines.cometbft.process import NodeProcesses
from tieout.engines.cometbft.settings import (
    SETTINGS,
    Network,
    NodeKeys,
    NodeSettings,
    StateSync,
    config_text,
    node_settings,
    read_node,
    write_config,
    write_node,
)
from tieout.engines.errors import EngineError

KEYS = NodeKeys.make()
MEMBERS = Members()
NETWORK = Network(MEMBERS.genesis, (("one", KEYS.validator.public, 10),), (KEYS.node_id,))
NODE = NodeSettings("one", "127.0.0.1:26656", "127.0.0.1:26657", ("aa@127.0.0.1:1",))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_node(tmp_path / "node", NETWORK, NODE, KEYS)
    return tmp_path / "node"


def test_private_keys_are_for_their_owner_alone(directory: Path) -> None:
    private = ("config/node_key.json", "config/priv_validator_key.json")
    modes = [stat.S_IMODE((directory / "cometbft" / name).stat().st_mode) for name in private]
    assert modes == [0o600, 0o600]
    assert "priv_key" not in (directory / "cometbft/config/genesis.json").read_text()


def test_a_node_is_not_written_over(directory: Path) -> None:
    with pytest.raises(EngineError, match="a node already"):
        write_node(directory, NETWORK, NODE, NodeKeys.make())


def test_a_new_address_is_a_new_config_alone(directory: Path) -> None:
    def others() -> dict[str, bytes]:
        files = [path for path in directory.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files if path.name != "config.toml"}

    before = others()
    write_config(directory, replace(NODE, rpc="127.0.0.1:5"))
    config = tomllib.loads((directory / "cometbft/config/config.toml").read_text())
    assert config["rpc"]["laddr"] == "tcp://127.0.0.1:5"
    assert others() == before


def test_every_setting_stands_once_with_its_reason() -> None:
    sync = StateSync(("a:1", "b:1"), 5, "ff")
    settings = [*SETTINGS, *node_settings(replace(NODE, state_sync=sync))]
    assert all(reason for *_, reason in settings)
    parsed = tomllib.loads(config_text(settings))
    flat = {(section, name) for section, name, _, _ in settings}
    assert {
        (section if isinstance(value, dict) else "", name)
        for section, value in parsed.items()
        for name in (value if isinstance(value, dict) else [section])
    } == flat
    with pytest.raises(ValueError, match="twice"):
        config_text([SETTINGS[0], SETTINGS[0]])


def test_the_genesis_of_cometbft_is_that_of_the_ledger(directory: Path) -> None:
    genesis = json.loads((directory / "cometbft/config/genesis.json").read_text())
    ledger_id = MEMBERS.genesis.ledger_id().hex()
    assert (
        genesis["chain_id"]
        == chain_id_of(MEMBERS.genesis.ledger_id())
        == f"tieout-{ledger_id[:32]}"
    )
    assert len(genesis["chain_id"]) <= 50
    assert genesis["app_state"] == {"ledger_id": ledger_id}
    (validator,) = genesis["validators"]
    assert bytes.fromhex(validator["address"]) == address(KEYS.validator.public)


def test_what_the_application_must_know_is_read_back(directory: Path) -> None:
    genesis, node = read_node(directory)
    assert (genesis, node.peers) == (MEMBERS.genesis, (KEYS.node_id,))
    (directory / "node.json").write_text("{}")
    with pytest.raises(EngineError, match="cannot be read"):
        read_node(directory)
    with pytest.raises(EngineError, match="no node here"):
        read_node(directory / "elsewhere")


def test_an_application_that_cannot_open_its_ledger_is_named(directory: Path) -> None:
    (directory / "genesis.json").write_text("{}")
    processes = NodeProcesses(directory, Path("/bin/false"))
    with pytest.raises(EngineError, match="does not start") as caught:
        processes.start()
    assert "application.log" in caught.value.advice
    assert "cannot be read" in (directory / "log" / "application.log").read_text()
