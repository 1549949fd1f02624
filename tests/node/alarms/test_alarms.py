import base64
import hmac
import json
import random
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.node.alarms.houses import DIFFERENCE, Small, small, write_alarms
from tests.node.alarms.receiver import Receiver, receiving, until
from tieout.node.alarms import desk as alarm_desk
from tieout.node.alarms.findings import Trouble
from tieout.node.alarms.rulefile import ALARMS_FILE, load_alarms
from tieout.node.errors import SettingsError

AT_ONCE = 'hold = "10ms"\ngather = "1s"'


def told(receiver: Receiver) -> list[dict[str, object]]:
    return [json.loads(each.body)["data"] for each in receiver.deliveries]


def test_an_alarm_arrives_signed_with_what_is_wrong(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
        (delivery,) = receiver.deliveries
        body = json.loads(delivery.body)
        assert body["type"] == "tieout.alarm_raised"
        data = body["data"]
        assert [each["transaction_id"] for each in data["transactions"]] == ["T-1"]
        assert data["breaks"][0]["difference"] == DIFFERENCE.difference
        assert data["severity"] == "alarm"
        secret = base64.b64decode((tmp_path / "ops.secret").read_text().strip()[6:])
        signed = f"{delivery.id}.{delivery.headers['webhook-timestamp']}.".encode()
        expected = base64.b64encode(hmac.digest(secret, signed + delivery.body, "sha256"))
        assert delivery.headers["webhook-signature"] == f"v1,{expected.decode()}"
        assert (tmp_path / "ops.secret").stat().st_mode & 0o777 == 0o600


def test_a_thousand_breaks_of_one_cause_are_one_message(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, 'name = "all"\nhold = "200ms"\ngather = "1h"')
        with small(tmp_path) as house:
            house.differ(*(f"T-{n:04}" for n in range(1_000)))
            until(lambda: len(receiver.deliveries) == 1, 30)
            (data,) = told(receiver)
            assert data["count"] == 1_000
            assert len(data["transactions"]) == 20
            house.differ("T-later")
            until(lambda: house.outbox.next_due_us() is not None)
        assert len(receiver.deliveries) == 1


def test_breaks_of_another_cause_are_another_message(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, 'name = "all"\nhold = "200ms"\ngather = "1h"')
        with small(tmp_path) as house:
            house.differ("T-1", "T-2")
            until(lambda: len(receiver.deliveries) == 1)
            house.troubles = (Trouble("missing", "", "bank", "", "", "", ""),)
            house.differ("T-3")
            until(lambda: len(receiver.deliveries) == 2)
        assert [data["count"] for data in told(receiver)] == [2, 1]


@pytest.mark.parametrize(
    ("rule", "comes"),
    [
        ('least = { CNY = "20.00" }', True),
        ('least = { CNY = "20.01" }', False),
        ('least = { USD = "1.00" }', False),
        ('breaks = ["mismatch"]', True),
        ('breaks = ["missing"]', False),
        ('agreements = ["pay"]', True),
        ('agreements = ["fund-subscription"]', False),
        ('kinds = ["equivocation"]', False),
        ('severity = "alarm"', True),
    ],
)
def test_a_rule_says_what_is_told(tmp_path: Path, rule: str, *, comes: bool) -> None:
    with receiving() as receiver:
        write_alarms(
            tmp_path, receiver.url,
            f'name = "chosen"\n{AT_ONCE}\n{rule}',
            f'name = "all"\n{AT_ONCE}',
        )  # fmt: skip
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: any(data["rule"] == "all" for data in told(receiver)))
            until(lambda: not house.outbox.next_attempt_us("ops"))
        assert any(data["rule"] == "chosen" for data in told(receiver)) is comes


def test_an_alarm_whose_breaks_cannot_be_told_goes_out_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_desk, "_DETAILS_S", 0.05)
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "large"\n{AT_ONCE}\nleast = {{ CNY = "9" }}')
        with small(tmp_path) as house:
            house.troubles = None
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
        (data,) = told(receiver)
        assert data["breaks_known"] is False


def test_an_alarm_that_nobody_acknowledges_is_escalated(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(
            tmp_path, receiver.url,
            f'name = "old"\nkinds = ["alarm_raised"]\nafter = "400ms"\n{AT_ONCE}',
        )  # fmt: skip
        with small(tmp_path) as house:
            house.differ("T-seen", "T-unseen")
            house.acknowledge("T-seen")
            until(lambda: len(receiver.deliveries) == 1)
        (data,) = told(receiver)
        assert data["escalated"] is True
        assert [each["transaction_id"] for each in data["transactions"]] == ["T-unseen"]


def test_a_receiver_that_fails_gets_the_same_message_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_desk, "RETRIES_S", (0.05, 0.05, 0.05, 5))
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        receiver.status = 503
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
            receiver.status = None
            until(lambda: len(receiver.deliveries) == 2)
            receiver.status = 200
            until(lambda: house.outbox.notices(1 << 62, 10)[0].state == "delivered")
            (notice,) = house.outbox.notices(1 << 62, 10)
            answers = [attempt.answer for attempt in house.outbox.attempts(notice.number)]
        assert len(receiver.ids) == 1
        assert len({each.body for each in receiver.deliveries}) == 1
        assert answers[0] == "HTTP 503"
        assert "RemoteDisconnected" in answers[1]
        assert answers[-1] == "HTTP 200"


def test_a_receiver_that_is_gone_is_not_asked_again_until_somebody_replays(tmp_path: Path) -> None:
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        receiver.status = 410
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: house.outbox.counts() == {("ops", "failed"): 1})
            receiver.status = 204
            assert house.desk.replay(receiver.deliveries[0].id)
            assert not house.desk.replay("msg_unknown")
            until(lambda: house.outbox.counts() == {("ops", "delivered"): 1})
        assert [each.id for each in receiver.deliveries] == [receiver.deliveries[0].id] * 2


def test_nothing_is_lost_when_the_node_is_killed_at_any_moment(tmp_path: Path) -> None:
    """Eight lives, each killed some milliseconds after its transactions are on the ledger."""
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, 'name = "all"\nhold = "5ms"\ngather = "1ms"')
        for life in range(8):
            command = [sys.executable, "-m", "tests.node.alarms.victim", str(tmp_path), str(life)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as victim:
                assert victim.stdout is not None
                assert victim.stdout.readline() == b"durable\n"
                time.sleep(random.Random(life).random() * 0.08)
                victim.kill()
        with small(tmp_path) as house:
            until(lambda: not _gathering(house) and not house.outbox.next_attempt_us("ops"))
        bodies = {each.id: each.body for each in receiver.deliveries}
        assert all(each.body == bodies[each.id] for each in receiver.deliveries)
        named = [
            one["transaction_id"]
            for body in bodies.values()
            for one in json.loads(body)["data"]["transactions"]
        ]
        assert sorted(named) == [f"T-{life}" for life in range(8)]


def _gathering(house: Small) -> bool:
    with sqlite3.connect(house.directory / "alarms.sqlite") as connection:
        reached = connection.execute("SELECT height FROM position").fetchone()[0]
        (waiting,) = connection.execute("SELECT sum(count) FROM groups").fetchone()
    return bool(waiting) or reached < house.ordering.journal.durable.height


def test_a_node_without_a_file_says_nothing_and_remembers_where_it_began(tmp_path: Path) -> None:
    with small(tmp_path) as house:
        house.differ("T-before")
        until(lambda: house.outbox.position().height == house.ordering.journal.durable.height)
    with receiving() as receiver:
        write_alarms(tmp_path, receiver.url, f'name = "all"\n{AT_ONCE}')
        with small(tmp_path) as house:
            house.differ("T-after")
            until(lambda: len(receiver.deliveries) == 1)
        (data,) = told(receiver)
        assert [each["transaction_id"] for each in data["transactions"]] == ["T-after"]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # which a library of Apprise uses
def test_services_are_told_through_apprise(tmp_path: Path) -> None:
    """Apprise's own JSON service stands for mail and chat: it posts to the receiver."""
    with receiving() as receiver:
        address = receiver.url.removeprefix("http://").partition("/")[0]
        (tmp_path / "desk.urls").write_text(f"json://{address}/\n", encoding="utf-8")
        (tmp_path / ALARMS_FILE).write_text(
            '[channels.people]\ntype = "service"\nurls_file = "desk.urls"\n'
            f'[[rules]]\nname = "all"\nchannels = ["people"]\n{AT_ONCE}\n',
            encoding="utf-8",
        )
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) == 1)
        said = json.loads(receiver.deliveries[0].body)
        assert said["title"] == "Tieout: alarm raised in pay: mismatch amount"
        assert "reported 70.00, agreed value 50.00" in said["message"]
        assert "T-1" in said["message"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[channels.ops]\ntype = 'pigeon'", "pigeon"),
        ("[channels.ops]\ntype = 'webhook'\nurl = 'ftp://x'\nsecret_file = 's'", "not an http"),
        ("[[rules]]\nname = 'a'\nchannels = ['ops']", "no channel is called ops"),
        ("colour = 'red'", "colour"),
        ("[[rules]]\nname = 'a'\nchannels = []", "length"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / ALARMS_FILE
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=complaint):
        load_alarms(path)


RULES = [
    ('kinds = ["thunder"]', "no kind is called thunder"),
    ('breaks = ["leg"]', "no kind of break is called leg"),
    ('after = "soon"', "soon"),
    ('least = { CNY = "lots" }', "least.CNY"),
    ('after = "5m"', "only alarms grow old"),
    ('severity = "terrible"', "terrible"),
]


@pytest.mark.parametrize(("line", "complaint"), RULES)
def test_a_rule_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, line: str, complaint: str
) -> None:
    write_alarms(tmp_path, "http://127.0.0.1:9/", f'name = "a"\n{line}')
    with pytest.raises(SettingsError, match=complaint):
        load_alarms(tmp_path / ALARMS_FILE)


def test_a_slow_receiver_holds_up_only_its_own_channel(tmp_path: Path) -> None:
    with receiving() as quick, socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        write_alarms(tmp_path, quick.url, f'name = "all"\n{AT_ONCE}')
        path = tmp_path / ALARMS_FILE
        more = f"[channels.deaf]\ntype='webhook'\nurl='http://127.0.0.1:{port}/'\n"
        text = more + "secret_file='deaf.secret'\n" + path.read_text(encoding="utf-8")
        path.write_text(text.replace('["ops"]', '["deaf", "ops"]'), encoding="utf-8")
        with small(tmp_path) as house:
            house.differ("T-1")
            until(lambda: len(quick.deliveries) == 1)
            assert house.outbox.counts()[("deaf", "waiting")] == 1
            deaf.accept()[0].close()
