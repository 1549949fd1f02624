"""A snapshot from a stranger is believed only as far as the app hash reaches."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.cometbft.consortium import Members
from tests.engines.cometbft.desk import Desk, app_hash_at, chunk_of, with_cutoff
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.statesync import Manifest, Restoring, parse_manifest, snapshot_hash
from tieout.wire.genesis import Genesis

TIME_AT = 37
"""Where the block's time stands in the first part: a mark and eight bytes."""


class Liar:
    """A node that offers the state of a ledger with changes, and hashes to go with them."""

    def __init__(self, folder: Path) -> None:
        members = Members()
        desk = Desk(folder / "journal", members)
        desk.init_chain()
        desk.block(*members.enactment())
        offered = with_cutoff(desk)
        self.genesis: Genesis = members.genesis
        self.height: int = offered.height
        self.chunk = chunk_of(desk, offered)
        self.app_hash = app_hash_at(desk, self.height)
        manifest = parse_manifest(offered.metadata)
        assert manifest is not None
        self.parts = manifest.parts
        desk.application.close()

    def offer(self, chunk: bytes) -> abci.Snapshot:
        metadata = msgspec.msgpack.encode(Manifest(self.parts, hashlib.sha256(chunk).digest()))
        return abci.Snapshot(
            height=self.height,
            format=1,
            chunks=1,
            hash=snapshot_hash(self.height, metadata),
            metadata=metadata,
        )

    def is_believed(self, folder: Path, chunk: bytes) -> bool:
        restoring = Restoring.begin(folder / "new", self.genesis, self.offer(chunk), self.app_hash)
        assert restoring is not None
        assert restoring.take(0, chunk)
        return restoring.build()


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Liar]:
    return Liar(tmp_path_factory.mktemp("liar"))


def test_the_state_as_it_is_is_believed(liar: Liar, tmp_path: Path) -> None:
    assert liar.is_believed(tmp_path, liar.chunk)


def test_no_byte_of_it_may_be_another_one(liar: Liar, tmp_path: Path) -> None:
    believed = []
    for place in range(len(liar.chunk)):
        changed = bytearray(liar.chunk)
        changed[place] ^= 1
        if liar.is_believed(tmp_path, bytes(changed)):
            believed.append(place)
    # A wrong time shows in the next block; the time of a block is not in its app hash.
    assert set(believed) <= set(range(TIME_AT, TIME_AT + 9))


@given(st.binary(max_size=400))
def test_any_metadata_gives_an_answer(metadata: bytes) -> None:
    manifest = parse_manifest(metadata)
    assert manifest is None or msgspec.msgpack.encode(manifest) == metadata


@given(
    st.lists(st.tuples(st.text(max_size=50), st.integers(-1, 1 << 40)), max_size=4),
    st.binary(max_size=96),
)
def test_a_manifest_that_is_believed_adds_up(parts: list[tuple[str, int]], hashes: bytes) -> None:
    manifest = parse_manifest(msgspec.msgpack.encode(Manifest(tuple(parts), hashes)))
    if manifest is not None:
        sizes = [manifest.chunk_bytes(index) for index in range(manifest.chunk_count)]
        assert sum(sizes) == sum(size for _, size in parts) > 0
        assert min(sizes) > 0
