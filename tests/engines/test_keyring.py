"""The key ring: which private key signs, as members change."""

from pathlib import Path

import pytest

from tests.engines.ledgers import AGREEMENT, START_US
from tieout.engines.embedded.ledger import EmbeddedLedger, found_ledger, read_genesis
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import HeldKeys, KeyFile, StoredKey, StoredKeys
from tieout.engines.keyring import KeyRing, read_keys
from tieout.engines.membership import further_key, rotation
from tieout.kernel import upcoming_parties
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.members import ProposeChange, Step

SELLER = 1
NEW = SigningKey(bytes(range(32)))
SEED = bytes(range(32)).hex()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found_ledger(tmp_path / "ledger", AGREEMENT.roles, START_US)
    return tmp_path / "ledger"


def change(ledger: EmbeddedLedger, steps: list[Step], at: int = 0) -> None:
    body = ProposeChange(tuple(steps), at, 1_000)
    ledger.operate(SELLER, OperationKind.PROPOSE_CHANGE, Purpose.GOVERN, body, START_US)


def test_of_several_keys_the_one_that_came_last_signs(directory: Path) -> None:
    with EmbeddedLedger.open(directory) as ledger:
        seller = upcoming_parties(ledger.state)[SELLER - 1]
        KeyFile(directory).add(StoredKey(SELLER, 1, 9, SEED))
        change(ledger, further_key(seller, "system", 9, NEW.public, [Purpose.PUBLISH]))
    with EmbeddedLedger.open(directory) as ledger:
        assert ledger.ring.signer(SELLER, Purpose.PUBLISH)[0] == 9
        assert ledger.ring.signer(SELLER, Purpose.GOVERN)[0] == 1
        assert ledger.ring.signer(SELLER, Purpose.PUBLISH, height=1)[0] == 1


def test_a_process_that_runs_finds_the_key_that_came_meanwhile(directory: Path) -> None:
    """R-MEMBER-5: the block after the proposal is signed for with the next key."""
    with EmbeddedLedger.open(directory) as ledger:
        assert ledger.ring.signer(SELLER, Purpose.PUBLISH)[0] == 1
        seller = upcoming_parties(ledger.state)[SELLER - 1]
        KeyFile(directory).add(StoredKey(SELLER, 1, 9, SEED))
        change(ledger, rotation(seller, 1, 9, NEW.public, ledger.height + 1))
        assert ledger.ring.signer(SELLER, Purpose.PUBLISH)[0] == 9
        publisher = ledger.publisher(SELLER)
        body = ProposeChange((), 0, 0)
        signed = publisher.operation(OperationKind.PROPOSE_CHANGE, Purpose.GOVERN, body)
        (item,) = ledger.apply([signed], START_US).items
        assert item.outcome.name == "MALFORMED_CHANGE"  # the key was good, the change is not


def test_a_key_that_is_not_valid_yet_says_from_when(directory: Path) -> None:
    with EmbeddedLedger.open(directory) as ledger:
        seller = upcoming_parties(ledger.state)[SELLER - 1]
        KeyFile(directory).add(StoredKey(SELLER, 4, 9, SEED))
        change(ledger, further_key(seller, "Cy", 9, NEW.public, [Purpose.APPROVE]), at=3)
        assert len(ledger.ring.waiting()) == 1
        ledger.apply([], START_US)
        # Block 3 is the next one.
        assert ledger.ring.waiting() == []
        assert ledger.ring.signer(SELLER, Purpose.APPROVE, "Cy")[0] == 9
        with pytest.raises(EngineError, match="key 9 signs from block 3 on"):
            ledger.ring.signer(SELLER, Purpose.APPROVE, "Cy", height=2)


def test_a_revoked_key_that_is_all_there_is_says_so(directory: Path) -> None:
    with EmbeddedLedger.open(directory) as ledger:
        seller = upcoming_parties(ledger.state)[SELLER - 1]
        # The new one is somewhere else.
        change(ledger, rotation(seller, 1, 9, NEW.public, ledger.height + 1))
        with pytest.raises(EngineError, match="it signs nothing after block 1") as raised:
            ledger.ring.signer(SELLER, Purpose.PUBLISH)
        assert raised.value.advice == "`tieout member show seller` says which keys are valid"


def test_a_key_file_of_another_ledger_is_not_taken(directory: Path) -> None:
    genesis = read_genesis(directory)
    stored = StoredKeys(1, "", "00" * 32, (StoredKey(SELLER, 1, 1, SEED),))
    with pytest.raises(EngineError, match="key 1 of party 1 is not the one in genesis"):
        KeyRing(genesis, HeldKeys(stored))


def test_before_a_ledger_is_looked_at_its_founders_sign(directory: Path) -> None:
    ring = read_keys(directory, read_genesis(directory))
    assert ring.parties == [1, 2, 3]
    assert ring.signer(SELLER, Purpose.PUBLISH)[0] == 1
