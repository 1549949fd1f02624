"""Where private keys are kept: a plain file, a sealed one, a process of its own that signs."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.conftest import ROOT
from tests.engines.ledgers import AGREEMENT, BANK, SELLER, founded, publish, rows
from tests.engines.signing_process import SocketKeys
from tieout.engines import passphrase
from tieout.engines.embedded.ledger import EmbeddedLedger
from tieout.engines.errors import EngineError
from tieout.engines.keyfile import KEYS_FILE, MAX_FILE_BYTES, HeldKeys, KeyFile, StoredKeys
from tieout.engines.keystore import KeyStore
from tieout.engines.membership import further_key
from tieout.engines.sealing import SealedKeys, unseal
from tieout.evidence.certificate import verify_certificate
from tieout.evidence.pack import verify_pack
from tieout.kernel import upcoming_parties
from tieout.wire.codes import OperationKind, Purpose
from tieout.wire.ed25519 import verify
from tieout.wire.members import ProposeChange
from tieout.wire.operations import CloseCutoff

SECRET = b"correct horse battery staple"


def said(_: Path) -> bytes:
    return SECRET


def nobody(path: Path) -> bytes:
    raise EngineError(f"nobody was to be asked for {path}")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return founded(tmp_path / "ledger")


def stored(directory: Path) -> StoredKeys:
    return msgspec.json.decode((directory / KEYS_FILE).read_bytes(), type=StoredKeys)


def plain_store(directory: Path) -> KeyStore:
    return KeyFile(directory, nobody)


def sealed_store(directory: Path) -> KeyStore:
    KeyFile(directory).seal(SECRET)
    return KeyFile(directory, said)


def store_elsewhere(directory: Path) -> KeyStore:
    keys = stored(directory)
    (directory / KEYS_FILE).unlink()
    return SocketKeys(keys, directory / "sign")


@pytest.fixture(params=[plain_store, sealed_store, store_elsewhere], ids=lambda made: made.__name__)
def store(directory: Path, request: pytest.FixtureRequest) -> Iterator[KeyStore]:
    make: Callable[[Path], KeyStore] = request.param
    made = make(directory)
    yield made
    if isinstance(made, SocketKeys):
        made.close()


def test_everything_that_is_signed_for_a_party_is_signed_where_its_keys_are(
    directory: Path, store: KeyStore
) -> None:
    """Batches, operations, checkpoints, evidence and certificates, over every store alike."""
    with EmbeddedLedger.open(directory, keys=store) as ledger:
        ledger.enact(AGREEMENT, ledger.genesis.created_us)
        publish(ledger, SELLER, ("T1", 100))
        publish(ledger, BANK, ("T1", 100))
        body = CloseCutoff(AGREEMENT.name, ledger.time_us)
        kind, purpose = OperationKind.CLOSE_CUTOFF, Purpose.PUBLISH
        ledger.operate(1, kind, purpose, body, ledger.time_us + 1)
        ledger.sync()
        proofs = ledger.proofs()
        report = verify_certificate(proofs.certificate(AGREEMENT.name).to_bytes(), ledger.genesis)
        assert report.head.counts.matched == 1
        pack = verify_pack(proofs.pack(AGREEMENT.name, 0, "T1"), ledger.genesis)
        assert pack.certificate == report.head


def test_a_key_is_made_where_it_is_kept_and_signs_there(directory: Path, store: KeyStore) -> None:
    public = store.make(1, 1, 9)
    assert verify(public, b"said", store.sign(public, b"said"))
    with EmbeddedLedger.open(directory, keys=store) as ledger:
        seller = upcoming_parties(ledger.state)[0]
        steps = further_key(seller, "system", 9, public, [Purpose.PUBLISH])
        body = ProposeChange(tuple(steps), 0, 1_000)
        created_us = ledger.genesis.created_us
        ledger.operate(1, OperationKind.PROPOSE_CHANGE, Purpose.GOVERN, body, created_us)
        number, key = ledger.ring.signer(1, Purpose.PUBLISH)
        assert (number, key.public) == (9, public)


def test_a_store_that_does_not_answer_takes_no_number(directory: Path) -> None:
    store = SocketKeys(stored(directory), directory / "sign")
    with EmbeddedLedger.open(directory, keys=store) as ledger:
        publisher = ledger.publisher(1)
        before = publisher.next_sequence
        store.fail()
        with pytest.raises(EngineError, match="does not answer"):
            publisher.batch(AGREEMENT, SELLER, rows(("T1", 1)))
        assert publisher.next_sequence == before
    store.close()


def test_a_sealed_file_says_nothing_of_the_keys_and_opens_with_its_passphrase(
    directory: Path,
) -> None:
    before = stored(directory)
    KeyFile(directory).seal(SECRET)
    data = (directory / KEYS_FILE).read_bytes()
    secrets = [before.salt_secret, *(entry.seed for entry in before.keys)]
    assert not any(each.encode() in data for each in secrets)
    assert stat.S_IMODE((directory / KEYS_FILE).stat().st_mode) == 0o600
    opened = KeyFile(directory, said)
    assert (opened.is_sealed, opened.stored) == (True, before)
    opened.unseal()
    assert stored(directory) == before
    assert not KeyFile(directory, nobody).is_sealed


def test_the_passphrase_is_asked_for_once_and_the_file_is_never_sealed_twice_alike(
    directory: Path,
) -> None:
    KeyFile(directory).seal(SECRET)
    asked: list[Path] = []

    def count(path: Path) -> bytes:
        asked.append(path)
        return SECRET

    file = KeyFile(directory, count)
    first = (directory / KEYS_FILE).read_bytes()
    file.make(1, 1, 9)
    file.refresh()
    assert asked == [directory / KEYS_FILE]
    second = (directory / KEYS_FILE).read_bytes()
    assert msgspec.json.decode(first)["nonce"] != msgspec.json.decode(second)["nonce"]
    assert len(KeyFile(directory, said).kept()) == len(file.kept())


def test_a_file_that_was_sealed_anew_meanwhile_asks_again(directory: Path) -> None:
    KeyFile(directory).seal(SECRET)
    running = KeyFile(directory, said)
    other = KeyFile(directory, said)
    other.seal(b"another passphrase")
    with pytest.raises(EngineError, match="does not open"):
        running.refresh()
    other.seal(SECRET)
    running.refresh()
    assert running.stored == other.stored


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("note", "Something else."),
        ("nonce", "00" * 12),
        ("sealed", "AAAA"),
        ("sealed", "no Base64!"),
    ],
)
def test_whatever_was_changed_in_a_sealed_file_it_does_not_open(
    directory: Path, name: str, value: str
) -> None:
    KeyFile(directory).seal(SECRET)
    path = directory / KEYS_FILE
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | {name: value}))
    with pytest.raises(EngineError, match="does not open the sealed keys, or they were changed"):
        KeyFile(directory, said)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_kib", 1 << 30),
        ("memory_kib", 8),
        ("passes", 1_000_000),
        ("passes", 1),
        ("lanes", 1 << 20),
        ("salt", "00"),
        ("name", "scrypt"),
        ("version", 16),
        ("more", 1),
    ],
)
def test_a_file_that_asks_for_too_much_is_refused_before_anybody_is_asked(
    directory: Path, name: str, value: object
) -> None:
    KeyFile(directory).seal(SECRET)
    path = directory / KEYS_FILE
    file = msgspec.json.decode(path.read_bytes())
    file["stretching"][name] = value
    path.write_bytes(msgspec.json.encode(file))
    with pytest.raises(EngineError, match="stretching") as refused:
        KeyFile(directory, nobody)
    assert refused.value.advice == "put back the key file of this ledger"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format": 3}', b"\xff", b"{" * 10_000])
def test_a_file_that_is_none_is_refused(directory: Path, data: bytes) -> None:
    (directory / KEYS_FILE).write_bytes(data)
    with pytest.raises(EngineError):
        KeyFile(directory, nobody)


def test_a_file_without_end_is_not_read(directory: Path) -> None:
    (directory / KEYS_FILE).write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(EngineError, match="more than"):
        KeyFile(directory, nobody)


def test_the_vectors_of_the_format_hold() -> None:
    vectors = msgspec.json.decode((ROOT / "tests/vectors/keys-sealed.json").read_bytes())
    assert len(vectors) == 2
    for vector in vectors:
        file = msgspec.convert(vector["file"], SealedKeys)
        key = file.stretching.key(passphrase.encoded(vector["passphrase"]))
        assert key.hex() == vector["key"]
        assert file.beside().hex() == vector["beside"]
        assert unseal(file, key) == vector["plain"].encode()
        keys = HeldKeys(msgspec.json.decode(vector["plain"], type=StoredKeys))
        assert [each.public.hex() for each in keys.kept()] == vector["publics"]


def test_a_short_passphrase_seals_nothing(directory: Path) -> None:
    before = stored(directory)
    with pytest.raises(EngineError, match="12 characters"):
        KeyFile(directory).seal(b"short")
    assert stored(directory) == before


def test_a_passphrase_comes_from_a_file_or_the_environment_else_somebody_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "passphrase"
    path.write_text("na\u00efve horse battery\r\n", encoding="utf-8")
    monkeypatch.setenv(passphrase.VARIABLE, "nai\u0308ve horse battery")
    assert passphrase.stated(path)(path) == passphrase.stated(None)(path)
    monkeypatch.setenv(passphrase.FILE_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(EngineError, match="no passphrase can be read"):
        passphrase.found(path)
    monkeypatch.delenv(passphrase.FILE_VARIABLE)
    monkeypatch.setenv(passphrase.VARIABLE, "")
    with pytest.raises(EngineError, match="1 to 1,024 bytes"):
        passphrase.found(path)
    monkeypatch.delenv(passphrase.VARIABLE)
    with pytest.raises(EngineError, match="nobody to ask"):
        passphrase.found(path)
