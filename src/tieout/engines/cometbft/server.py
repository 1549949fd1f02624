"""The socket: CometBFT's four connections, and the one thread that answers them.

The problem: whatever comes over a connection must get an answer of the right kind, in order, or end
that connection; nothing that comes may end the process. But when the application itself can no
longer vouch for its state, the process must end, and not answer once more.

The model: one asyncio loop. Each connection is a task that cuts frames, asks the application, and
hands the answers over at each Flush. Two calls never overlap, except that a question may wait for
others to finish. Three ways out:

- bytes that are no request, or a RefusedCall: an exception is answered, and the connection ends;
- any other exception in a call that writes, or one that leaves the state half written: `serve`
  raises, and the process ends, to start again from the journal;
- any other exception in a call that only reads: as the first, and it is logged with its traceback.

CometBFT stops itself when a connection ends; whoever supervises both starts them again.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError, Message

from tieout.engines.cometbft import abci_pb2 as abci
from tieout.engines.cometbft.application import Application
from tieout.engines.cometbft.errors import RefusedCall
from tieout.engines.cometbft.framing import FrameReader, FramingError, encode_response
from tieout.engines.cometbft.limits import (
    MAX_CONNECTIONS,
    MAX_SETTLING_S,
    READ_BYTES,
    WRITE_BYTES,
)
from tieout.engines.errors import EngineError

_LOG: Final = logging.getLogger(__name__)
_WRITING: Final = frozenset({"finalize_block", "commit", "init_chain", "apply_snapshot_chunk"})
_SOCKET_PATH_BYTES: Final = 100
"""A UNIX socket's path has at most 104 bytes on some systems, with the zero at its end."""

Trace = Callable[[abci.Request], None]
"""Told each request before it is answered."""


class Server:
    """Serves one application on a UNIX socket until it is stopped or fails."""

    def __init__(self, application: Application, trace: Trace = lambda _request: None) -> None:
        self._application = application
        self._trace = trace
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._ended: asyncio.Event = asyncio.Event()
        self._failure: BaseException | None = None

    async def serve(self, path: Path, ready: Callable[[], None] = lambda: None) -> None:
        """Listen at `path`, which only this user may open, until `stop`.

        `ready` is called once connections are taken. Raises what made the application fail;
        EngineError when the socket cannot be opened.
        """
        server = await asyncio.start_unix_server(self._connected, sock=_listening(path))
        try:
            ready()
            await self._ended.wait()
        finally:
            server.close()
            _remove(path)
            await self._end_connections()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End `serve`, from within its loop."""
        self._ended.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            _LOG.warning("a connection was refused: there are %d", MAX_CONNECTIONS)
            await _closed(writer)
            return
        self._connections[writer] = asyncio.current_task()
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            # The other side went away; it begins again with Info.
            pass
        finally:
            del self._connections[writer]
            await _closed(writer)

    async def _end_connections(self) -> None:
        """Close them; a question that reads the journal just now is not waited for for ever."""
        tasks = [task for task in self._connections.values() if task is not None]
        for writer in self._connections:
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=MAX_SETTLING_S)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames, answers, size = FrameReader(), [], 0
        while not self._ended.is_set() and (data := await reader.read(READ_BYTES)):
            try:
                for frame in frames.feed(data):
                    request = abci.Request.FromString(frame)
                    answer = await self._answered(request)
                    answers.append(answer)
                    size += len(answer)
                    if size >= WRITE_BYTES or request.WhichOneof("value") == "flush":
                        writer.write(b"".join(answers))
                        answers, size = [], 0
                        await writer.drain()
            except (FramingError, DecodeError, RefusedCall) as error:
                _LOG.warning("a connection is ended: %s", error)
                refusal = abci.ResponseException(error=str(error))
                writer.write(b"".join([*answers, encode_response("exception", refusal)]))
                await writer.drain()
                return

    async def _answered(self, request: abci.Request) -> bytes:
        """The frame that answers one request. Raises RefusedCall."""
        kind = request.WhichOneof("value")
        if kind is None:
            raise RefusedCall("a request of no known kind")
        self._trace(request)
        call: Callable[[Message], Message | Awaitable[Message]] = getattr(self._application, kind)
        try:
            response = call(getattr(request, kind))
            if isawaitable(response):
                response = await response
        except RefusedCall:
            raise
        except Exception as error:
            if kind in _WRITING or self._application.is_poisoned:
                _LOG.critical("%s failed: this process ends", kind, exc_info=error)
                self._failure = error
                self._ended.set()
            else:
                _LOG.exception("%s failed", kind)
            raise RefusedCall(f"{kind} failed: {error}") from error
        return encode_response(kind, response)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    """A socket at `path` that only this user may open. Raises EngineError."""
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise EngineError(
            f"the path of the socket is too long: {path}",
            "start the node in its own directory, or choose a shorter one",
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        # What an ended process left behind; a living one holds the journal's lock.
        _remove(path)
        listening.bind(os.fspath(path))
    except OSError as error:
        listening.close()
        raise EngineError(f"no socket can be opened at {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    return listening
