"""The whole demonstration, small: ledger, books, people, proofs, screen, command."""

import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tieout import kernel
from tieout.cli.main import app
from tieout.demo.books import HOUSES
from tieout.demo.cast import Role
from tieout.demo.ending import Summary, summary, tell
from tieout.demo.founding import found_demo
from tieout.demo.play import BOOKS, Play, play_day
from tieout.demo.screen import screen_for
from tieout.engines.errors import EngineError
from tieout.wire.codes import AdjustmentStatus, Status

AT_ONCE = 0.001
"""Seconds for the whole day: every step is late, so nobody waits."""


class Played:
    """A day that was played once, with what was printed meanwhile."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.text = io.StringIO()
        console = Console(file=self.text, width=120)
        self.play: Play = play_day(8, 800, directory)
        self.play.run(screen_for(console, self.play.day, AT_ONCE), AT_ONCE)
        self.result: Summary = summary(self.play, directory)
        tell(console, self.result, directory)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    made = Played(tmp_path_factory.mktemp("demo") / "ledger")
    with made.play:
        yield made


def test_exactly_what_was_seeded_is_found(played: Played) -> None:
    assert played.result.exact
    assert played.result.found == played.result.seeded > 20
    assert (played.result.missed, played.result.invented) == ((), ())


def test_what_is_left_broken_is_what_nobody_could_mend(played: Played) -> None:
    lasting = [fault for fault in played.play.day.faults if fault.lasting]
    assert played.result.broken == len(lasting)


def test_every_correcting_entry_ends_verified_or_superseded(played: Played) -> None:
    made = kernel.adjustments(played.play.ledger.state, "fund-subscription")
    ends = {each.status for each in made}
    assert ends <= {AdjustmentStatus.VERIFIED, AdjustmentStatus.SUPERSEDED}
    assert sum(each.status == AdjustmentStatus.VERIFIED for each in made) == played.result.adjusted


def test_two_different_persons_of_the_party_approve_what_passes_a_limit(played: Played) -> None:
    made = kernel.adjustments(played.play.ledger.state, "fund-subscription")
    by_people = [each for each in made if each.approvers and not each.approved_at_once]
    assert len(by_people) >= played.result.approved_by_people > 0
    for each in by_people:
        first, second = each.approvers
        assert first != second
        assert first >> 16 == second >> 16 == each.role + 1


def test_correcting_entries_stand_in_the_books_with_reason_and_id(played: Played) -> None:
    house = HOUSES[Role.SELLER]
    books = sqlite3.connect(played.directory / BOOKS / house.file)
    entries = books.execute(
        f"SELECT {house.key}, adjustment, reason FROM {house.table} WHERE adjustment IS NOT NULL"
    ).fetchall()
    books.close()
    made = kernel.adjustments(played.play.ledger.state, "fund-subscription")
    posted = {
        (each.transaction_id.decode(), each.id.hex())
        for each in made
        if each.role == Role.SELLER and each.status == AdjustmentStatus.VERIFIED
    }
    known = {(name, adjustment) for name, adjustment, _ in entries}
    assert known & posted
    assert {reason for _, _, reason in entries} == {"brought to the agreed value"}


def test_an_adjusted_transaction_is_matched(played: Played) -> None:
    found = kernel.transaction(
        played.play.ledger.state, "fund-subscription", 0, played.result.evidence_of.encode()
    )
    assert found is not None
    assert found.status is Status.MATCHED


def test_the_screen_says_that_the_clock_is_accelerated(played: Played) -> None:
    assert "accelerated clock: 1 s shown = " in played.text.getvalue().splitlines()[0]


def test_every_found_break_is_a_line_on_the_screen(played: Played) -> None:
    lines = [line for line in played.text.getvalue().splitlines() if "  FS20250916-" in line]
    shown = [line for line in lines if line[2:3] == ":"]
    assert len(shown) == len(played.play.tally.found)


def test_an_ending_names_the_proofs(played: Played) -> None:
    text = played.text.getvalue()
    assert played.result.certificate_words in text
    assert f"{played.result.evidence_of}: verified offline; matched" in text


def test_the_terminal_shows_newest_breaks_and_the_counters(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, width=130, height=40, force_terminal=True)
    play = play_day(9, 500, tmp_path / "ledger")
    with play:
        play.run(screen_for(console, play.day, AT_ONCE), AT_ONCE)
    assert "accelerated clock" in text.getvalue()
    assert "500 transactions: " in text.getvalue()
    assert "verified again" in text.getvalue()


def test_the_command_ends_with_code_0_and_prints_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["demo", "--transactions", "500", "--seconds", "0.1", "--json"]
    words += ["--ledger", str(tmp_path / "ledger")]
    code = app(words, exit_on_error=False, result_action="return_value")
    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert result["exact"] is True
    assert msgspec.convert(result, Summary).transactions == 500


def test_an_earlier_demonstration_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    found_demo(tmp_path / "old", 1).close()
    found_demo(tmp_path / "old", 2).close()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(EngineError, match="not empty"):
        found_demo(tmp_path / "mine", 1)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
