"""A node that is down, hangs, breaks off or is something else: the caller is told which."""

import socket

import msgspec
import pytest

from tests.sdk.scripted import (
    HOST,
    Act,
    and_close,
    answer_another_question,
    be_silent,
    break_off,
    error,
    hang_up,
    raw,
    result,
    serving,
    speak_something_else,
)
from tieout.sdk import limits, transport
from tieout.sdk.errors import NodeConfused, NodeRefused, NodeUnreachable, SdkError
from tieout.sdk.transport import Node


class Told(msgspec.Struct):
    height: int


def test_a_result_is_read_in_its_form_and_numbers_may_be_strings() -> None:
    with serving(result({"height": "7", "more": True})) as (port, script), Node(HOST, port) as node:
        assert node.ask("status", Told, page="1") == Told(7)
        assert script.questions == [
            {"jsonrpc": "2.0", "id": 1, "method": "status", "params": {"page": "1"}}
        ]


def test_one_connection_serves_many_questions_and_a_closed_one_is_replaced() -> None:
    told = result({"height": 7})
    with serving(told, and_close(told), told) as (port, script), Node(HOST, port) as node:
        assert [node.ask("status", Told).height for _ in range(4)] == [7, 7, 7, 7]
        assert len(script.questions) == 4


def test_a_node_that_is_down_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        port = bound.getsockname()[1]
        with Node(HOST, port) as node, pytest.raises(NodeUnreachable) as failed:
            node.ask("status", Told)
    assert failed.value.node == f"{HOST}:{port}"
    assert failed.value.may_help


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (break_off, NodeUnreachable),
        (hang_up, NodeUnreachable),
        (speak_something_else, NodeUnreachable),
        (answer_another_question, NodeConfused),
        (raw(b"<html>"), NodeConfused),
        (raw(b"\xff\xfe"), NodeConfused),
        (raw(b"[]"), NodeConfused),
        (raw(b""), NodeConfused),
        (raw(b"404 page not found\n", 404), NodeConfused),
        (result({"height": "seven"}), NodeConfused),
        (result(None), NodeConfused),
        (raw(b'{"jsonrpc":"2.0","id":1}'), NodeConfused),
        (error("height 9 must be less than or equal to 7"), NodeRefused),
        (error("height 9 must be less than or equal to 7", status=200), NodeRefused),
    ],
)
def test_every_answer_that_is_none_is_named(act: Act, kind: type[SdkError]) -> None:
    with serving(act) as (port, _), Node(HOST, port) as node:
        with pytest.raises(SdkError) as failed:
            node.ask("status", Told)
        assert type(failed.value) is kind


def test_an_error_is_told_in_the_nodes_words() -> None:
    with serving(error("no such height", code=-32603)) as (port, _), Node(HOST, port) as node:
        with pytest.raises(NodeRefused, match="no such height") as failed:
            node.ask("block", Told)
        assert (failed.value.method, failed.value.code) == ("block", -32603)


def test_a_node_that_says_nothing_is_waited_for_only_so_long() -> None:
    with (
        serving(be_silent) as (port, _),
        Node(HOST, port, timeout_s=0.1) as node,
        pytest.raises(NodeUnreachable, match="timed out"),
    ):
        node.ask("status", Told)


def test_after_a_fault_the_next_question_is_asked_on_a_new_connection() -> None:
    with serving(break_off, result({"height": 7})) as (port, _), Node(HOST, port) as node:
        with pytest.raises(NodeUnreachable):
            node.ask("status", Told)
        assert node.ask("status", Told) == Told(7)


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 100)
    with (
        serving(raw(b" " * 101)) as (port, _),
        Node(HOST, port) as node,
        pytest.raises(NodeConfused, match="more than 100 bytes"),
    ):
        node.ask("status", Told)
    assert limits.MAX_ANSWER_BYTES > 8 * 1024 * 1024 * 4 // 3
