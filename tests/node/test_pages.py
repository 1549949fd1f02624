"""The node's own pages, opened by a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.browser import Browser, find_browser
from tests.node.running import Node
from tieout.node.api.endpoints import ENDPOINTS
from tieout.node.problems import PROBLEMS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has no administrator yet."""
    node = Node.found(tmp_path_factory.mktemp("pages") / "node").start()
    yield node
    assert node.stop() == 0, node.said


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium here: .ci/run installs it")
    with Browser(program, tmp_path / "profile") as opened:
        yield opened


def stays_at_home(browser: Browser, node: Node) -> bool:
    """Nothing was asked of anybody but the node."""
    home = f"http://127.0.0.1:{node.port}/"
    return bool(browser.asked) and all(url.startswith(home) for url in browser.asked)


def test_the_manual_shows_every_operation_and_asks_nobody_else(own: Node, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{own.port}/docs")
    told = browser.value("[...document.querySelectorAll('h3')].map(each => each.id)")
    assert told == [endpoint.name for endpoint in ENDPOINTS]
    # The style is the node's own, and was let in by its policy.
    assert browser.value("getComputedStyle(document.querySelector('table')).borderCollapse") == (
        "collapse"
    )
    assert browser.value("document.querySelector('main').innerText.includes('`')") is False
    browser.open(f"http://127.0.0.1:{own.port}/docs/problems")
    codes = browser.value("[...document.querySelectorAll('tr[id]')].map(each => each.id)")
    assert codes == list(PROBLEMS)
    assert browser.complaints == []
    assert stays_at_home(browser, own)


def test_a_script_that_is_not_the_nodes_own_does_not_run(own: Node, browser: Browser) -> None:
    browser.open(f"http://127.0.0.1:{own.port}/docs")
    browser.value(
        "const put = document.createElement('script'); put.textContent = 'window.ran = true';"
        "document.body.append(put); const seen = document.createElement('img');"
        "seen.src = 'http://127.0.0.2:9/pixel'; document.body.append(seen); true"
    )
    browser.until("true")
    assert browser.value("window.ran === undefined") is True
    assert any("Content Security Policy" in each for each in browser.complaints)


def test_the_link_of_the_first_start_makes_an_administrator_once(
    own: Node, browser: Browser
) -> None:
    page = f"http://127.0.0.1:{own.port}/setup#{own.link}"
    enter = (
        "document.getElementById('name').value = '{}';"
        "document.getElementById('password').value = 'correct horse battery';"
        "document.querySelector('button').click(); true"
    )
    browser.open(page)
    browser.value(enter.format("ada"))
    browser.until("document.getElementById('told').textContent !== ''")
    assert browser.value("document.getElementById('told').textContent").startswith("Welcome, ada.")
    told = browser.value(
        "fetch('/v1/session').then(each => each.json()).then(said => { window.me = said.name })"
        " && true"
    )
    assert told is True
    browser.until("window.me === 'ada'")
    assert browser.complaints == []
    browser.open("about:blank#")
    browser.open(page)
    browser.value(enter.format("eve"))
    browser.until("document.getElementById('told').textContent !== ''")
    said = browser.value("document.getElementById('told').textContent")
    assert not said.startswith("Welcome")
    assert stays_at_home(browser, own)
