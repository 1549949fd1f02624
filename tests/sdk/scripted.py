"""A server that speaks real HTTP and does to each question what the test's script says."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
Question = dict[str, Any]


class Exchange(BaseHTTPRequestHandler):
    """One connection; `said` are the questions so far."""

    protocol_version = "HTTP/1.1"
    script: "Script"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.script.turn(self, json.loads(body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, body: bytes, status: int = 200, length: int | None = None) -> None:
        """Answer with a body, of which `length` says something else where a test lies."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


Act = Callable[[Exchange, Question], None]


@dataclass
class Script:
    """Acts, one for each question in turn; the last one stays."""

    acts: list[Act]
    questions: list[Question] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, exchange: Exchange, question: Question) -> None:
        with self.lock:
            act = self.acts[min(len(self.questions), len(self.acts) - 1)]
            self.questions.append(question)
        act(exchange, question)

    @property
    def methods(self) -> list[str]:
        return [question["method"] for question in self.questions]


@contextmanager
def serving(*acts: Act) -> Iterator[tuple[int, Script]]:
    """The port, and what was asked."""
    script = Script(list(acts))
    handler = type("Scripted", (Exchange,), {"script": script})
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1], script
        finally:
            script.released.set()
            server.shutdown()
            thread.join()


# ---------------------------------------------------------------- acts


def result(value: object) -> Act:
    def act(exchange: Exchange, question: Question) -> None:
        told = {"jsonrpc": "2.0", "id": question["id"], "result": value}
        exchange.answer(json.dumps(told).encode())

    return act


def error(words: str, code: int = -32603, status: int = 500) -> Act:
    """An error as CometBFT words it: what happened stands in `data`."""

    def act(exchange: Exchange, question: Question) -> None:
        told = {"code": code, "message": "Internal error", "data": words}
        answer = {"jsonrpc": "2.0", "id": question["id"], "error": told}
        exchange.answer(json.dumps(answer).encode(), status)

    return act


def raw(body: bytes, status: int = 200) -> Act:
    return lambda exchange, _question: exchange.answer(body, status)


def break_off(exchange: Exchange, question: Question) -> None:
    """Half an answer, then nothing."""
    told = json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": {}}).encode()
    exchange.answer(told[: len(told) // 2], length=len(told))
    exchange.hang_up()


def hang_up(exchange: Exchange, _question: Question) -> None:
    """No answer at all."""
    exchange.hang_up()


def be_silent(exchange: Exchange, _question: Question) -> None:
    """The connection stays open, and nothing comes until the test is over."""
    assert exchange.script.released.wait(30)
    exchange.hang_up()


def speak_something_else(exchange: Exchange, _question: Question) -> None:
    exchange.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    exchange.hang_up()


def answer_another_question(exchange: Exchange, question: Question) -> None:
    told = {"jsonrpc": "2.0", "id": question["id"] + 1, "result": {}}
    exchange.answer(json.dumps(told).encode())


def and_close(act: Act) -> Act:
    """The act, after which the server closes the kept connection without a word."""

    def closing(exchange: Exchange, question: Question) -> None:
        act(exchange, question)
        exchange.hang_up()

    return closing
