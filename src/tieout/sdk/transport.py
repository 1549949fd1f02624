"""JSON-RPC over HTTP, to one node: questions out, results in, nothing else.

The problem: a node dies, hangs, breaks off in the middle of an answer, or is something else
altogether; and a caller must be able to tell what may be asked again. The model: one kept-alive
connection of the standard library, one question at a time, a limit on every wait and every answer,
and three kinds of error. A connection on which anything went wrong is thrown away; there is no
retry here.

Plain HTTP: the node is the caller's own, on the same machine or network. Between houses nodes talk
to each other, encrypted; a client that has to cross a wire that others may read needs a tunnel.
"""

import http.client
import itertools
import threading
from typing import Final, Self, TypeVar

import msgspec

from tieout.sdk.errors import NodeConfused, NodeRefused, NodeUnreachable
from tieout.sdk.limits import MAX_ANSWER_BYTES, MAX_SAID_CHARACTERS

DEFAULT_TIMEOUT_S: Final = 10.0

Result = TypeVar("Result")


class _Error(msgspec.Struct):
    code: int
    message: str = ""
    data: str = ""


class _Answer(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: _Error | None = None


class Node:
    """The RPC of one CometBFT node. Safe for several threads; they take turns."""

    def __init__(self, host: str, port: int, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """Nothing is sent yet. `timeout_s` bounds each wait for bytes of the node."""
        self.name = f"{host}:{port}"
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def ask(self, method: str, form: type[Result], **params: object) -> Result:
        """The result of a call, in its form. Numbers that CometBFT writes as strings may be int.

        Raises NodeUnreachable, NodeRefused, or NodeConfused.
        """
        with self._lock:
            number = next(self._numbers)
            question = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            data = self._exchange(msgspec.json.encode(question))
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NodeConfused(self.name, f"{error} in {_shown(data)}") from error
        if answer.error is not None:
            said = answer.error.data or answer.error.message
            raise NodeRefused(self.name, method, answer.error.code, said[:MAX_SAID_CHARACTERS])
        if answer.id != number:
            raise NodeConfused(self.name, "the answer is to another question")
        try:
            return msgspec.json.decode(answer.result, type=form, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NodeConfused(self.name, f"{method}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; the next question opens another one."""
        with self._lock:
            self._drop()

    def _exchange(self, body: bytes) -> bytes:
        """One request and the whole of its answer, whatever the status: errors have bodies too.

        A connection that was kept may have been closed by the node meanwhile; then the question
        is asked once more on a new one. That is safe for every call, also for a submission.
        """
        if self._connection is not None:
            try:
                return self._exchange_once(body)
            except NodeUnreachable as error:
                if not isinstance(error.__cause__, ConnectionError):
                    raise
        return self._exchange_once(body)

    def _exchange_once(self, body: bytes) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._host, self._port, timeout=self._timeout_s
            )
        try:
            headers = {"Content-Type": "application/json"}
            self._connection.request("POST", "/", body, headers)
            with self._connection.getresponse() as answer:
                data = answer.read(MAX_ANSWER_BYTES + 1)
                missing = answer.length or 0
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise NodeUnreachable(self.name, str(error) or type(error).__name__) from error
        if len(data) > MAX_ANSWER_BYTES:
            self._drop()
            raise NodeConfused(self.name, f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
        if missing:
            self._drop()
            raise NodeUnreachable(
                self.name, f"its answer broke off {missing:,} bytes before the end"
            )
        return data

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _shown(data: bytes) -> str:
    return repr(data[:MAX_SAID_CHARACTERS])
