"""The document of the API is current, true, and all there is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.node.running import Caller, Node
from tieout.node.access import ROLES, Permission
from tieout.node.api.__main__ import written
from tieout.node.api.endpoints import ENDPOINTS
from tieout.node.api.listing import LISTS
from tieout.node.api.openapi import problems_of
from tieout.node.metrics import GAUGES
from tieout.node.problems import PROBLEMS
from tieout.node.settings import default_file, variables

MANUAL = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
DOCUMENT = ROOT / "docs" / "openapi.json"
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))


def test_the_document_that_is_checked_in_is_the_one_that_is_served(node: Node) -> None:
    made = written()
    assert DOCUMENT.read_bytes() == made, "write it anew: make openapi"
    assert Caller(node.port).get("/openapi.json").json == json.loads(made)


def test_the_pages_need_nothing_from_elsewhere(node: Node) -> None:
    for path in ("/docs", "/docs/problems", "/setup"):
        said = Caller(node.port).get(path)
        assert (said.status, said.headers["content-type"].split(";")[0]) == (200, "text/html")
        assert re.findall(rb'(?:src|href)="(?![/#])', said.body) == []
    shown = Caller(node.port).get("/docs").body.decode()
    assert [each.name for each in ENDPOINTS if f'id="{each.name}"' not in shown] == []


def rows_of(heading: str) -> list[str]:
    """The first cells of the table below a heading of the manual."""
    text = MANUAL[MANUAL.index(heading) :].split("\n|--")[1]
    return re.findall(r"^\| `([^`]+)`", text.split("\n\n")[0], re.MULTILINE)


def test_every_setting_endpoint_metric_and_refusal_is_in_the_manual_and_nothing_else() -> None:
    assert rows_of("## Settings") == [f"{part}.{key}" for part, key in variables().values()]
    assert rows_of("## Endpoints") == [f"{each.method} {each.path}" for each in ENDPOINTS]
    assert rows_of("## Refusals") == list(PROBLEMS)
    counted = ["tieout_http_requests_total", "tieout_http_request_seconds", "tieout_records_total"]
    assert rows_of("## Metrics") == [*GAUGES, *counted]
    assert rows_of("## Roles") == [role.value for role in ROLES]


def test_the_metrics_that_are_served_are_those_of_the_manual(operator: Caller) -> None:
    operator.record("seller", "M-1", "1.00")
    text = operator.get("/metrics").body.decode()
    served = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    served = {name for name in served if not name.endswith("_created")}
    described = {name.removesuffix("_total") for name in rows_of("## Metrics")}
    assert {name.removesuffix("_total") for name in served} == described


def test_the_file_of_settings_that_is_written_holds_every_setting() -> None:
    text = default_file()
    for section, key in variables().values():
        assert re.search(rf"^\[{section}\]$(?:\n[^\[]*)*?\n{key} = ", text, re.MULTILINE), key


def test_every_code_is_an_answer_of_some_endpoint() -> None:
    told = {code for endpoint in ENDPOINTS for code in problems_of(endpoint)}
    assert set(PROBLEMS) - told == {"method_not_allowed"}


OURS = {
    "operator": {
        None,
        Permission.READ,
        Permission.PUBLISH,
        Permission.OPERATE,
        Permission.WORK,
    },
    "administrator": {Permission.ADMINISTER, Permission.AUDIT, Permission.GOVERN},
    "approver": {Permission.APPROVE},
}
CANNOT_BE_MADE_UP = ["publish_records", "withdraw_record", "enact_agreement", "publish_signed"]
"""What a record, an agreement or a batch must hold, no document can say; nor what a cursor is."""
CANNOT_BE_MADE_UP += [f"list_{listed.name}" for listed in LISTS]
CANNOT_BE_MADE_UP += ["change_work", "save_filter", "give_repair", "state_day", "drill"]
"""Nor who the assignees are, what a list's filter holds, for whom the node speaks, what a role's
totals are, or which parts of its records are asked about."""
HOW = (
    "--no-color --max-examples 2 --phases coverage,fuzzing --seed 1 --generation-deterministic"
    " --no-shrink --continue-on-failure --warnings off"
)


@pytest.mark.slow
@pytest.mark.parametrize("role", OURS)
def test_requests_made_from_the_document_find_no_failure(
    node: Node, role: str, tmp_path: Path
) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(
        f"[[operations]]\ninclude-operation-id = {json.dumps(CANNOT_BE_MADE_UP)}\n"
        "checks.positive_data_acceptance.enabled = false\n",
        encoding="utf-8",
    )
    url = f"http://127.0.0.1:{node.port}/openapi.json"
    command = [SCHEMATHESIS, "--config-file", str(settings), "run", url, *HOW.split()]
    command += ["-H", f"Authorization: Bearer {node.token(role)}"]
    for endpoint in ENDPOINTS:
        # The live stream has no end, so it has no whole answer.
        if endpoint.permission in OURS[role] and endpoint.name != "listen":
            command += ["--include-operation-id", endpoint.name]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.node.forms", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **hooks},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
