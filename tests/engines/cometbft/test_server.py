"""The socket: whatever comes gets an answer, or the end of its connection, and the others go on."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.cometbft.consortium import Members
from tests.engines.cometbft.desk import Desk
from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.framing import FrameReader, encode_frame, encode_length
from tieout.engines.cometbft.limits import MAX_CONNECTIONS, MAX_FRAME_BYTES
from tieout.engines.cometbft.server import Server
from tieout.engines.errors import EngineError
from tieout.journal.errors import JournalFailed

WAIT_S = 10.0
MEMBERS = Members()
FLUSH = abci.Request(flush=abci.RequestFlush())


class Caller:
    """One of CometBFT's connections."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader()
        self._answers: list[abci.Response] = []

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> abci.Response | None:
        """The next answer; None when the connection has ended."""
        while not self._answers:
            data = await asyncio.wait_for(self._reader.read(1 << 16), WAIT_S)
            if not data:
                return None
            self._answers += [abci.Response.FromString(each) for each in self._frames.feed(data)]
        return self._answers.pop(0)

    async def call(self, request: abci.Request) -> abci.Response | None:
        """The answer to a call that is followed by a Flush."""
        await self.send(encode_frame(request) + encode_frame(FLUSH))
        answer = await self.answer()
        if answer is not None and answer.WhichOneof("value") != "exception":
            assert (await self.answer() or abci.Response()).WhichOneof("value") == "flush"
        return answer

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[Callable[[], Awaitable[Caller]]]:
    """A server, and how to connect to it."""
    path, ready = desk.path.with_name("app.sock"), asyncio.Event()
    server = Server(desk.application)
    running = asyncio.create_task(server.serve(path, ready.set))
    await asyncio.wait_for(ready.wait(), WAIT_S)

    callers: list[Caller] = []

    async def connect() -> Caller:
        callers.append(Caller(*await asyncio.open_unix_connection(path)))
        return callers[-1]

    try:
        yield connect
    finally:
        for caller in callers:
            await caller.close()
        server.stop()
        await asyncio.wait_for(running, WAIT_S)


def new_desk(folder: Path) -> Desk:
    return Desk(folder / "journal", MEMBERS)


async def answers_info(connect: Callable[[], Awaitable[Caller]]) -> bool:
    caller = await connect()
    answer = await caller.call(abci.Request(info=abci.RequestInfo()))
    await caller.close()
    return answer is not None and answer.WhichOneof("value") == "info"


def test_calls_are_answered_in_order_at_each_flush(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)

    async def story() -> list[str | None]:
        async with serving(desk) as connect:
            caller = await connect()
            echo = abci.Request(echo=abci.RequestEcho(message="hello"))
            check = abci.Request(check_tx=abci.RequestCheckTx(tx=b"stray"))
            await caller.send(b"".join(map(encode_frame, (echo, check, FLUSH))))
            answers = [await caller.answer() for _ in range(3)]
            return [each and each.WhichOneof("value") for each in answers]

    assert asyncio.run(story()) == ["echo", "check_tx", "flush"]
    desk.application.close()


def test_only_its_user_may_open_the_socket(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)

    async def mode() -> int:
        async with serving(desk):
            return stat.S_IMODE((tmp_path / "app.sock").stat().st_mode)

    assert asyncio.run(mode()) == 0o600
    assert not (tmp_path / "app.sock").exists()
    desk.application.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = new_desk(tmp_path_factory.mktemp("node"))
    yield desk
    desk.application.close()


SHORT_FRAMES = st.binary(max_size=60).map(lambda data: bytes([len(data)]) + data)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=64) | SHORT_FRAMES, max_size=4))
def test_any_bytes_end_their_own_connection_at_most(desk: Desk, sent: list[bytes]) -> None:
    async def story() -> bool:
        async with serving(desk) as connect:
            caller = await connect()
            with suppress(ConnectionError):
                for data in sent:
                    await caller.send(data)
            await caller.close()
            return await answers_info(connect)

    assert asyncio.run(story())


@pytest.mark.parametrize(
    "refused",
    [
        abci.Request(),
        abci.Request(commit=abci.RequestCommit()),
        abci.Request(finalize_block=abci.RequestFinalizeBlock(height=7)),
        abci.Request(init_chain=abci.RequestInitChain(chain_id="another")),
    ],
)
def test_a_call_out_of_order_is_refused_and_ends_its_connection(
    desk: Desk, refused: abci.Request
) -> None:
    async def story() -> list[str | None]:
        async with serving(desk) as connect:
            caller = await connect()
            answers = [await caller.call(refused), await caller.answer()]
            assert await answers_info(connect)
            return [each and each.WhichOneof("value") for each in answers]

    assert asyncio.run(story()) == ["exception", None]


def test_a_frame_too_large_is_refused_before_it_comes(desk: Desk) -> None:
    async def story() -> str:
        async with serving(desk) as connect:
            caller = await connect()
            await caller.send(encode_length(MAX_FRAME_BYTES + 1))
            answer = await caller.answer()
            assert await caller.answer() is None
            return (answer or abci.Response()).exception.error

    assert asyncio.run(story()) == f"a frame of more than {MAX_FRAME_BYTES} bytes"


def test_there_are_no_more_connections_than_that(desk: Desk) -> None:
    async def story() -> list[bool]:
        async with serving(desk) as connect:
            callers = [await connect() for _ in range(MAX_CONNECTIONS)]
            for caller in callers:
                await caller.call(FLUSH)
            refused = await (await connect()).answer() is None
            await callers[0].close()
            await callers[1].call(FLUSH)
            return [refused, await answers_info(connect)]

    assert asyncio.run(story()) == [True, True]


def test_a_node_whose_disk_fails_ends_instead_of_answering(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)
    desk.init_chain()
    desk.block()
    block = abci.RequestFinalizeBlock(height=2, time=desk.stamp(2))
    full = os.open("/dev/full", os.O_RDWR)

    async def story() -> None:
        async with serving(desk) as connect:
            caller = await connect()
            await caller.call(abci.Request(finalize_block=block))
            writer = desk.application._replica.journal._writer
            assert writer is not None
            os.dup2(full, writer._fd)
            await caller.call(abci.Request(commit=abci.RequestCommit()))

    with pytest.raises(JournalFailed, match="No space"):
        asyncio.run(story())
    os.close(full)
    desk.application.close()
    assert new_desk(tmp_path).height == 1


def test_a_path_that_no_socket_can_have_is_named(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="too long"):
        asyncio.run(Server(desk.application).serve(tmp_path / ("x" * 120)))
