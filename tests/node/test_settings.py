"""Settings: the file, the environment above it, and errors that name the key."""

from pathlib import Path

import pytest

from tieout.node.errors import SettingsError
from tieout.node.settings import Settings, default_file, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(default_file(), encoding="utf-8")
    return path


def test_the_file_that_is_written_says_the_defaults(file: Path) -> None:
    assert load_settings(file, {}) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    file.write_text("[listen]\nport = 1\nhost = '::1'\n[log]\nrequests = true\n", encoding="utf-8")
    found = load_settings(file, {"TIEOUT_LISTEN_PORT": "2", "TIEOUT_PUBLISHING_GATHER_MS": "7"})
    assert (found.listen.port, found.listen.host) == (2, "::1")
    assert (found.log.requests, found.publishing.gather_ms) == (True, 7)


@pytest.mark.parametrize(
    ("text", "environment", "key"),
    [
        ("[listen]\nport = '8300'\n", {}, "listen.port"),
        ("[listen]\nport = 70000\n", {}, "listen.port"),
        ("[listen]\nprot = 1\n", {}, "listen.prot"),
        ("[lsten]\nport = 1\n", {}, "lsten"),
        ("port = 1\n", {}, "port"),
        ("[listen\n", {}, "node.toml"),
        ("", {"TIEOUT_LISTEN_PORT": "many"}, "TIEOUT_LISTEN_PORT"),
        ("", {"TIEOUT_LOG_LEVEL": "loud"}, "TIEOUT_LOG_LEVEL"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(
    file: Path, text: str, environment: dict[str, str], key: str
) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        load_settings(file, environment)
    assert refused.value.key.endswith(key)
