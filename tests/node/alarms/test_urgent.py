"""What the ledger says of severity and escalation reaches people: R-SEVERITY, R-ESCALATE."""

import json
from pathlib import Path

import pytest

from tests.engines.ledgers import AGREEMENT
from tests.node.alarms.houses import DIFFERENCE, small, write_alarms
from tests.node.alarms.receiver import receiving, until
from tieout.agreement.parse import parse_agreement
from tieout.node.alarms.rulefile import ALARMS_FILE, load_alarms
from tieout.node.errors import SettingsError
from tieout.sdk.http.webhooks import NoticeData

AT_ONCE = 'hold = "10ms"\ngather = "1s"'
URGENT = parse_agreement(
    """
    name = "pay"
    version = 1
    roles = ["seller", "bank"]
    [fields.amount]
    type = "money"
    scale = 2
    [benchmark]
    amount = "bank"
    [adjustment]
    mode = "compensate"
    [severity.amounts.amount]
    high = "20.00"
    [[escalation]]
    after = "10ms"
    to = "desk"
    [[escalation]]
    after = "20ms"
    to = "head"
    """
)


def test_the_message_of_an_alarm_says_how_severe_it_is(tmp_path: Path) -> None:
    """R-SEVERITY-2, R-ESCALATE-1: and an escalation says to whom."""
    assert URGENT.layout == AGREEMENT.layout
    rule = f'kinds = ["alarm_raised", "alarm_escalated", "severity_changed"]\n{AT_ONCE}'
    with receiving() as receiver:
        write_alarms(
            tmp_path, receiver.url,
            f'name = "all"\n{rule}',
            f'name = "head"\nescalated_to = ["head"]\nkinds = ["alarm_escalated"]\n{AT_ONCE}',
            f'name = "grave"\nlevel = "critical"\n{rule}',
        )  # fmt: skip

        def told() -> list[tuple[str, str, str, str, str, bool]]:
            found = []
            for each in receiver.deliveries:
                body = json.loads(each.body)
                data = NoticeData(**body["data"])
                kind = body["type"].removeprefix("tieout.")
                found.append((data.rule, kind, data.level, data.severity, data.to, data.escalated))
            return sorted(found)

        with small(tmp_path, agreement=URGENT) as house:
            house.troubles = ()
            house.differ("T-1")
            until(lambda: len(receiver.deliveries) >= 2)

            def time_has_passed() -> bool:
                house.ordering.let_time_pass()
                house.desk.tell()
                return len(receiver.deliveries) >= 5

            until(time_has_passed)
        raised = ("alarm_raised", "high", "alarm", "", False)
        assert told() == sorted(
            [
                ("all", *raised),
                ("all", "severity_changed", "high", "alarm", "", False),
                ("all", "alarm_escalated", "", "alarm", "desk", True),
                ("all", "alarm_escalated", "", "alarm", "head", True),
                ("head", "alarm_escalated", "", "alarm", "head", True),
            ]
        )


def test_a_rule_about_severity_goes_by_what_the_breaks_are_now(tmp_path: Path) -> None:
    """R-SEVERITY-1: of an escalation the read models know how severe it is."""
    with receiving() as receiver:
        write_alarms(
            tmp_path, receiver.url,
            f'name = "grave"\nlevel = "critical"\nkinds = ["alarm_escalated"]\n{AT_ONCE}',
        )  # fmt: skip
        with small(tmp_path, agreement=URGENT) as house:
            house.troubles = (DIFFERENCE.__replace__(severity="critical"),)
            house.differ("T-1")

            def both_are_told() -> bool:
                house.ordering.let_time_pass()
                house.desk.tell()
                return len(receiver.deliveries) == 2

            until(both_are_told)
        data = [json.loads(each.body)["data"] for each in receiver.deliveries]
        assert sorted(each["title"] for each in data) == [
            "critical: alarm escalated to desk in pay: mismatch amount",
            "critical: alarm escalated to head in pay: mismatch amount",
        ]


def test_who_is_told_belongs_to_escalations(tmp_path: Path) -> None:
    """R-ESCALATE-1."""
    write_alarms(
        tmp_path,
        "http://127.0.0.1:1/",
        'name = "r"\nkinds = ["alarm_raised"]\nescalated_to = ["desk"]',
    )
    with pytest.raises(SettingsError, match='kinds lacks "alarm_escalated"'):
        load_alarms(tmp_path / ALARMS_FILE)
