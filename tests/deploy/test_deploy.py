"""What is shipped to run a node: it names commands, settings, metrics and files that exist."""

import json
import re
import shlex
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App

from tests.conftest import ROOT
from tests.node.running import Node, await_lists
from tieout.cli.main import app
from tieout.node.metrics import Metrics
from tieout.node.settings import default_file, load_settings, variables
from tieout.testing.postgres import PostgresServer
from tieout.testing.with_postgres import DATABASE, main

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "tieout-node.json").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
INSTRUCTIONS = {
    *("FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENV"),
    *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"),
}


def is_command(words: list[str]) -> bool:
    """Whether `tieout` knows these words as a command."""
    found: App = app
    for word in words:
        if word.startswith(("-", "/", "$", '"')):
            break
        found = found[word]
    return found.default_command is not None


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions, each on one line."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


# ---------------------------------------------------------------------- monitoring


def metric_names() -> set[str]:
    """Every series that a node has, histograms with their parts."""
    metrics = Metrics(list)
    metrics.request("/livez", "GET", 200, 0.1)
    metrics.records.labels("single").inc()
    manual = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    gauges = set(re.findall(r"^\| `(tieout_\w+)` \|", manual, re.MULTILINE))
    return gauges | set(re.findall(r"^(tieout_\w+)[{ ]", metrics.text().decode(), re.MULTILINE))


def test_every_metric_of_the_dashboard_exists_and_none_is_left_out() -> None:
    text = json.dumps([DASHBOARD["panels"], DASHBOARD["templating"]])
    shown = set(re.findall(r"tieout_\w+", text))
    assert shown - metric_names() == set()
    plain = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in metric_names()}
    seen = {re.sub(r"_bucket$", "", name) for name in shown}
    assert {name for name in plain - seen if name + "_total" not in seen} == set()


def test_panels_do_not_cover_each_other_and_have_names_of_their_own() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert cells & own == set(), panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= own
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(titles)) == len(titles)


# ---------------------------------------------------------------------- systemd


def test_the_unit_runs_commands_that_exist_and_waits_longer_than_the_node(tmp_path: Path) -> None:
    unit = RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / "tieout-node.service").read_text(encoding="utf-8"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    service = unit["Service"]
    for key in ("ExecStartPre", "ExecStart"):
        program, *words = shlex.split(service[key])
        assert (Path(program).name, is_command(words)) == ("tieout", True)
    (tmp_path / "node.toml").write_text(default_file(), encoding="utf-8")
    stop_s = load_settings(tmp_path / "node.toml", {}).limits.stop_s
    assert int(service["TimeoutStopSec"]) > stop_s
    # The node maps machine code that was compiled for its loops.
    assert "MemoryDenyWriteExecute" not in service


# ---------------------------------------------------------------------- containers


def test_the_containerfile_copies_what_exists_and_names_settings_that_exist() -> None:
    found = instructions()
    assert {word for word, _ in found} <= INSTRUCTIONS
    copied = [rest.split()[:-1] for word, rest in found if word == "COPY"]
    inside = [names for names in copied if not names[0].startswith("--from=")]
    assert [name for names in inside for name in names if not (ROOT / name).exists()] == []
    stated = [each for word, rest in found if word == "ENV" for each in rest.split()]
    ours = {each.partition("=")[0] for each in stated} - {"PATH"}
    assert ours <= set(variables())
    assert [rest for word, rest in found if word == "USER"] == ["tieout"]


def test_the_start_of_a_container_is_a_script_of_commands_that_exist() -> None:
    script = (DEPLOY / "start.sh").read_text(encoding="utf-8")
    subprocess.run(["sh", "-n", str(DEPLOY / "start.sh")], check=True)
    used = re.findall(r"(?:^|exec |\|\| )tieout (.+)$", script, re.MULTILINE)
    assert [is_command(shlex.split(words)) for words in used] == [True, True]


def test_compose_names_settings_and_files_that_exist_and_opens_loopback_alone() -> None:
    node, database = COMPOSE["services"]["node"], COMPOSE["services"]["database"]
    assert set(node["environment"]) <= set(variables())
    context = DEPLOY / node["build"]["context"]
    assert (context / node["build"]["dockerfile"]).is_file()
    assert all(port.startswith("127.0.0.1:") for port in node["ports"])
    assert "ports" not in database
    named = {each.partition(":")[0] for every in (node, database) for each in every["volumes"]}
    assert named == set(COMPOSE["volumes"])
    assert "${POSTGRES_PASSWORD:?" in node["environment"]["TIEOUT_STORAGE_DATABASE"]


# ---------------------------------------------------------------------- make node-postgres


def test_a_node_runs_on_a_postgresql_of_its_own_that_goes_with_it(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`postgres` is asked for so that the test is skipped, with its reason, where there is none."""
    del postgres
    monkeypatch.delenv(DATABASE, raising=False)
    node = Node.found(tmp_path / "node")
    node.start(before=(sys.executable, "-m", "tieout.testing.with_postgres"))
    caller = node.caller("operator")
    assert caller.record("seller", "A", "1.00").status == 200
    await_lists(caller)
    found = re.search(r"a PostgreSQL of its own, from .*, in (\S+),", node.said)
    assert found is not None
    assert Path(found[1]).is_dir()
    assert not (node.directory / "read-models.sqlite").exists()
    assert node.stop() == 0, node.said
    assert not Path(found[1]).exists()


def test_the_database_that_is_named_is_the_one_that_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "postgresql://somebody@elsewhere/books"
    monkeypatch.setenv(DATABASE, url)
    script = f"import os, sys; sys.exit(7 if os.environ['{DATABASE}'] == '{url}' else 1)"
    assert main([sys.executable, "-c", script], None) == 7


def test_without_postgresql_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DATABASE, raising=False)
    assert main(["never-run"], None) == 1
    assert "apt-get install postgresql" in capsys.readouterr().err
