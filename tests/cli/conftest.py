"""A desk for every test."""

from pathlib import Path

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)
