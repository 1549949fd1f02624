"""What may go wrong around the alarm desk: clocks, databases, receivers, secrets, hostile words."""

import json
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from tests.node.alarms.houses import now_us, small, write_alarms
from tests.node.alarms.receiver import Delivery, receiving, until
from tieout.node.alarms import desk as alarm_desk
from tieout.node.alarms.channels import secret_of
from tieout.node.alarms.rulefile import ALARMS_FILE, load_alarms
from tieout.node.errors import NodeError, SettingsError

AT_ONCE = 'hold = "10ms"\ngather = "1s"'


class Clock:
    """The time of day, which somebody may set."""

    def __init__(self) -> None:
        self.behind_us = 0

    def __call__(self) -> int:
        return now_us() - self.behind_us


def test_nothing_waits_on_when_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = Clock()
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, 'name = "all"\nhold = "500ms"')
        with small(tmp_path, clock) as house:
            house.differ("T-1")
            until(lambda: house.outbox.next_due_us() is not None)
            clock.behind_us = 86_400_000_000
            until(lambda: len(receiver.deliveries) == 1)


def test_read_models_that_do_not_answer_hold_a_burst_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_desk, "_DETAILS_S", 1.0)
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.troubles = None
            began = time.monotonic()
            house.differ(*(f"T-{n:03}" for n in range(300)))
            height = house.ordering.journal.durable.height
            until(lambda: (house.outbox.position() or (0,))[0] == height, 30)
            assert time.monotonic() - began < 15  # and not 300 seconds
            until(lambda: _count(receiver.deliveries) == 300)


def _count(deliveries: list[Delivery]) -> int:
    return sum(json.loads(each.body)["data"]["count"] for each in deliveries)


def test_an_alarm_goes_out_whatever_the_read_models_raise(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.fails = True
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
        assert json.loads(receiver.deliveries[0].body)["data"]["breaks_known"] is False


def test_a_receiver_that_does_not_answer_does_not_keep_the_node_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt is not noted, so it is made again, with the same id."""
    monkeypatch.setattr(alarm_desk, "_STOP_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        write_alarms(
            tmp_path, f"http://127.0.0.1:{deaf.getsockname()[1]}/", f'name = "a"\n{AT_ONCE}'
        )
        with small(tmp_path) as house:
            house.differ("T-1")
            asked, _ = deaf.accept()
            began = time.monotonic()
        assert time.monotonic() - began < 10
        asked.close()
    with sqlite3.connect(tmp_path / "alarms.sqlite") as kept:
        assert kept.execute("SELECT state, attempts FROM notices").fetchall() == [("waiting", 0)]


def test_a_ledger_that_was_restored_is_told_of_from_where_it_stands(tmp_path: Path) -> None:
    with small(tmp_path) as house:
        height = house.ordering.journal.durable.height
        until(lambda: house.outbox.position() is not None)
    with sqlite3.connect(tmp_path / "alarms.sqlite") as kept:
        kept.execute("UPDATE position SET height = height + 1000")
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
            assert house.outbox.position() is not None
        told = json.loads(receiver.deliveries[0].body)["data"]["transactions"]
        assert [each["height"] > height for each in told] == [True]


def test_what_was_told_long_ago_is_forgotten_and_what_waits_is_not(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: house.outbox.counts() == {("ops", "delivered"): 1})
            house.outbox.forget(now_us() - 3_600_000_000)
            assert len(house.outbox.notices(1 << 62, 10)) == 1
            receiver.status = 503
            time_us = now_us()
            house.outbox.forget(time_us)
            assert house.outbox.notices(1 << 62, 10) == []
            house.differ("T-2")
            until(lambda: len(receiver.deliveries) == 2)
            house.outbox.forget(now_us())
            assert len(house.outbox.notices(1 << 62, 10)) == 1


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # which a library of Apprise uses
def test_what_other_parties_write_is_no_markup_in_a_mail(tmp_path: Path) -> None:
    with receiving() as receiver:
        address = receiver.url.removeprefix("http://").partition("/")[0]
        (tmp_path / "desk.urls").write_text(f"json://{address}/?format=html\n", encoding="utf-8")
        (tmp_path / ALARMS_FILE).write_text(
            '[channels.people]\ntype = "service"\nurls_file = "desk.urls"\n'
            f'[[rules]]\nname = "all"\nchannels = ["people"]\n{AT_ONCE}\n',
            encoding="utf-8",
        )
        with small(tmp_path) as house:
            house.differ('<a href="//evil.example">')
            until(lambda: len(receiver.deliveries) == 1)
        message = json.loads(receiver.deliveries[0].body)["message"]
        assert "<a" not in message
        assert "&lt;a" in message


@pytest.mark.parametrize("text", ["", "whsec_\n", "whsec_AAAA\n", "whsec_%%%%\n"])
def test_a_secret_that_anybody_could_guess_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file too, such as one of which nothing was written when the power went."""
    path = tmp_path / "ops.secret"
    path.write_text(text, encoding="ascii")
    with pytest.raises(NodeError, match=r"ops\.secret"):
        secret_of(path)


def test_a_fresh_secret_is_there_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "ops.secret"
    assert len(secret_of(path)) == 32
    assert secret_of(path) == secret_of(path)
    assert [each.name for each in tmp_path.iterdir()] == ["ops.secret"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "http://host:99999/",
        "http://[::1/",
        "http://host/a b",
        "http://h\u00f6st/",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_cannot_be_posted_to_is_refused_at_the_start(
    tmp_path: Path, url: str
) -> None:
    write_alarms(tmp_path, url, 'name = "a"')
    with pytest.raises(SettingsError, match="channel ops"):
        load_alarms(tmp_path / ALARMS_FILE)
