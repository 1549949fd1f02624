"""Every scenario is acted out under each implementation of the rules."""

import pytest

from tieout.testing.rulebooks import RULE_BOOKS, RuleBook, rule_book


@pytest.fixture(params=RULE_BOOKS)
def rules(request: pytest.FixtureRequest) -> RuleBook:
    book = rule_book(request.param)
    if not hasattr(book, "apply_block"):
        pytest.skip(f"{request.param} does not apply blocks yet")
    return book
