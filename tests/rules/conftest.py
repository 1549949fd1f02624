"""The properties hold for each implementation of the rules."""

import pytest

from tieout.testing.rulebooks import RULE_BOOKS, RuleBook, rule_book


@pytest.fixture(params=RULE_BOOKS, scope="session")
def rules(request: pytest.FixtureRequest) -> RuleBook:
    return rule_book(request.param)
