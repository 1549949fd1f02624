"""Small ledgers for the tests of evidence: keys from fixed seeds, a genesis, an agreement."""

from tieout.evidence.checkpoint import Checkpoint
from tieout.wire.codes import Purpose
from tieout.wire.ed25519 import SigningKey
from tieout.wire.genesis import Genesis, Key, Party, Person

PARTIES = ("seller", "registrar", "bank", "operator")
OPERATOR = 4
PUBLISH_KEY, CHECKPOINT_KEY, APPROVE_KEY, SECOND_APPROVE_KEY = 1, 2, 3, 4
_PURPOSES = {
    PUBLISH_KEY: (Purpose.PUBLISH, Purpose.GOVERN),
    CHECKPOINT_KEY: (Purpose.CHECKPOINT,),
    APPROVE_KEY: (Purpose.APPROVE,),
    SECOND_APPROVE_KEY: (Purpose.APPROVE,),
}


def signing_key(party: int, key: int) -> SigningKey:
    """The same key every time."""
    return SigningKey(bytes([party, key]) * 16)


def genesis(operator: int = OPERATOR, until_height: int = 0) -> Genesis:
    """Four parties; each person of a party has one key, of the same number."""
    parties = tuple(
        Party(
            number,
            name,
            tuple(
                Person(
                    key,
                    f"person {key}",
                    (
                        Key(
                            key,
                            signing_key(number, key).public.hex(),
                            tuple(purpose.name.lower() for purpose in purposes),
                            until_height=until_height,
                        ),
                    ),
                )
                for key, purposes in _PURPOSES.items()
            ),
        )
        for number, name in enumerate(PARTIES, start=1)
    )
    return Genesis(
        format=1,
        name="test ledger",
        rules_version=1,
        created_us=1_700_000_000_000_000,
        operator=operator,
        parties=parties,
    )


def checkpoint_of(ledger: Genesis) -> Checkpoint:
    """Some state of the ledger."""
    return Checkpoint(
        ledger_id=ledger.ledger_id(),
        log_size=20_852,
        log_root=bytes(range(32)),
        height=137,
        time_us=1_700_000_123_456_789,
        app_hash=bytes(range(32, 64)),
    )
