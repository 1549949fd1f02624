"""A node says what it cannot do yet for transactions that go through stages."""

import pytest

from tests.conftest import ROOT
from tieout.agreement.parse import parse_agreement
from tieout.node.problems import ProblemError
from tieout.node.records import RecordForm


def test_records_of_stages_are_not_taken_one_by_one() -> None:
    text = (ROOT / "examples" / "redemption" / "agreement.toml").read_text(encoding="utf-8")
    with pytest.raises(ProblemError, match="have stages, which cannot") as refused:
        RecordForm(parse_agreement(text), 0)
    assert refused.value.status == 409
