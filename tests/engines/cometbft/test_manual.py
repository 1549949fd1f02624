"""docs/formats/abci.md and docs/network.md have an entry for every path, code and place."""

import re

from tests.conftest import ROOT
from tests.engines.cometbft.desk import Desk
from tieout.engines.cometbft import places, queries
from tieout.engines.cometbft.process import COMETBFT_VARIABLE
from tieout.engines.places import LEDGERS

ABCI = (ROOT / "docs" / "formats" / "abci.md").read_text(encoding="utf-8")
NETWORK = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")


def test_every_path_of_a_question_is_described(desk: Desk) -> None:
    described = set(re.findall(r"^\| `(/[a-z0-9/]+)", ABCI, re.MULTILINE))
    filters = {queries.PEER_BY_ID, queries.PEER_BY_ADDRESS}
    assert described == {*desk.application._queries._doors, *filters}


def test_every_code_of_an_answer_is_described() -> None:
    described = {int(code) for code in re.findall(r"^\| (\d) \| [a-z]", ABCI, re.MULTILINE)}
    codes = {
        queries.ANSWERED,
        queries.BAD_QUESTION,
        queries.NOT_FOUND,
        queries.NOT_HERE,
        queries.NOT_NOW,
        queries.NO_MEMBER,
    }
    assert described == codes


def test_every_place_of_a_node_is_described() -> None:
    names = [
        LEDGERS,
        places.GENESIS_FILE,
        places.NODE_FILE,
        places.JOURNAL,
        places.SOCKET,
        places.COMETBFT,
        places.LOGS,
        COMETBFT_VARIABLE,
    ]
    assert [name for name in names if name not in NETWORK] == []
