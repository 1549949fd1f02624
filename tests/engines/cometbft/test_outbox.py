"""What a party has signed outlives the program that signed it."""

import stat
from pathlib import Path

import pytest

from tests.engines.cometbft.consortium import SELLER, Members
from tieout.engines.cometbft.outbox import CONFLICT, REFUSED, Outbox, Signed
from tieout.engines.errors import EngineError


def signed(sequence: int, cents: int = 5) -> Signed:
    return Signed.of(MEMBERS.batch(SELLER, ("A-1", cents), sequence=sequence))


MEMBERS = Members()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def test_what_was_put_is_there_for_the_next_program_in_order(tmp_path: Path) -> None:
    first, second = signed(9), signed(10)
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(second)
        outbox.put(first)
    with Outbox(tmp_path / "out") as outbox:
        assert outbox.waiting() == [first, second]
        assert (outbox.highest(0), outbox.highest(1)) == (10, 0)


def test_the_highest_number_is_known_after_everything_is_settled(tmp_path: Path) -> None:
    items = [signed(sequence) for sequence in (1, 2, 3)]
    with Outbox(tmp_path / "out") as outbox:
        for item in items:
            outbox.put(item)
        for item in (items[2], items[0], items[1]):
            outbox.settle(item)
        assert (outbox.waiting(), outbox.highest(0)) == ([], 3)
        following = signed(4)
        outbox.put(following)
        outbox.settle(following)
    assert names(tmp_path / "out") == ["00000-00000000000000000004.settled"]
    with Outbox(tmp_path / "out") as outbox:
        assert (outbox.waiting(), outbox.highest(0)) == ([], 4)


def test_the_number_of_what_was_refused_is_used_by_the_next_item(tmp_path: Path) -> None:
    refused, following = signed(1), signed(2)
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(refused)
        outbox.put(following)
        outbox.set_aside(refused, REFUSED)
        assert (outbox.unused(0), outbox.waiting()) == ([1], [following])
        outbox.put(signed(1, cents=7))
        assert outbox.unused(0) == []


@pytest.mark.parametrize("what", ["waits", "settled", "conflict"])
def test_a_number_is_never_written_over(tmp_path: Path, what: str) -> None:
    item = signed(3)
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(item)
        if what == "settled":
            outbox.settle(item)
        if what == "conflict":
            outbox.set_aside(item, CONFLICT)
        before = names(tmp_path / "out")
        with pytest.raises(FileExistsError, match="was signed before"):
            outbox.put(signed(3, cents=7))
        assert names(tmp_path / "out") == before


def test_a_number_that_is_gone_is_never_taken_again(tmp_path: Path) -> None:
    item = signed(8)
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(item)
        outbox.set_aside(item, CONFLICT)
    with Outbox(tmp_path / "out") as outbox:
        assert (outbox.waiting(), outbox.unused(0), outbox.highest(0)) == ([], [], 8)


def test_what_was_written_by_half_was_never_submitted(tmp_path: Path) -> None:
    item = signed(9)
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(item)
        (tmp_path / "out" / f"{0:05}-{10:020}.new").write_bytes(b"te")
    with Outbox(tmp_path / "out") as outbox:
        assert outbox.waiting() == [item]
    assert names(tmp_path / "out") == [f"{0:05}-{9:020}"]


def test_two_programs_do_not_publish_at_once(tmp_path: Path) -> None:
    with Outbox(tmp_path), pytest.raises(EngineError, match="another program publishes"):
        Outbox(tmp_path)
    Outbox(tmp_path).close()


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    with Outbox(tmp_path / "out") as outbox:
        outbox.put(signed(9))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"out": 0o700, "lock": 0o600, f"{0:05}-{9:020}": 0o600}


@pytest.mark.parametrize("name", ["notes.txt", f"{0:05}-{11:020}"])
def test_what_does_not_belong_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(signed(12).data)
    for _ in range(2):
        with pytest.raises(EngineError, match=rf"{name} is no item"), Outbox(tmp_path) as outbox:
            outbox.waiting()
    (tmp_path / name).unlink()


def test_an_outbox_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be used"):
        Outbox(tmp_path / "file" / "out")
