"""The known answer before anything."""

import pytest

from tieout import kernel
from tieout.kernel import selftest


def test_the_known_answer_is_given() -> None:
    kernel.warm()


@pytest.mark.parametrize("name", ["APP_HASH", "STATE_DIGEST"])
def test_another_answer_stops_the_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, name, "00" * 32)
    with pytest.raises(kernel.SelfTestError, match="should be 0000"):
        kernel.warm()
