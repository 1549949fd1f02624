"""Clocks, disks and cables do what the faults need of them, and are as before afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos import cables, clocks, disks

HOUR_S = 3600
CLOCK = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


def test_a_turned_clock_is_wrong_and_its_seconds_go_on() -> None:
    if clocks.why_not():
        pytest.skip(clocks.why_not())
    command = [sys.executable, "-c", CLOCK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        wrong = []
        for seconds in (0, HOUR_S, -HOUR_S, 0):
            clocks.turn(process.pid, seconds)
            process.stdin.write(b"\n")
            process.stdin.flush()
            of_day, only_on = map(float, process.stdout.readline().split())
            assert abs(only_on - time.monotonic()) < 60
            wrong.append(round((of_day - time.time()) / HOUR_S))
        process.stdin.close()
    assert wrong == [0, 1, -1, 0]


def test_a_full_disk_takes_no_byte_and_gives_everything_back(tmp_path: Path) -> None:
    if disks.why_not():
        pytest.skip(disks.why_not())
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "kept").write_bytes(b"before")
    with disks.own_disk(folder):
        assert (folder / "kept").read_bytes() == b"before"
        disks.fill(folder)
        with pytest.raises(OSError, match="No space left"):
            (folder / "more").write_bytes(bytes(1 << 20))
        disks.free(folder)
        (folder / "more").write_bytes(b"after")
        disks.fill(folder, leaving=disks.LITTLE)
        (folder / "little").write_bytes(bytes(disks.LITTLE // 2))
    left = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert left == {"kept": 6, "more": 5, "little": disks.LITTLE // 2}
    assert not os.path.ismount(folder)


def test_cut_cables_part_who_is_on_them_and_nothing_is_left_behind() -> None:
    if cables.why_not():
        pytest.skip(cables.why_not())
    before = Path("/proc/thread-self/ns/net").readlink()
    names = set(Path("/sys/class/net").iterdir())
    with cables.laid(3) as laid:
        assert Path("/proc/thread-self/ns/net").readlink() != before
        assert _reaches(laid, 0, 1)
        laid.cut_off([0])
        assert (_reaches(laid, 0, 1), _reaches(laid, 1, 2)) == (False, True)
        laid.heal()
        assert _reaches(laid, 0, 1)
    assert Path("/proc/thread-self/ns/net").readlink() == before
    assert set(Path("/sys/class/net").iterdir()) == names
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert f"tieout-{os.getpid()}-" not in listed


def _reaches(laid: cables.Cables, one: int, other: int) -> bool:
    """Whether a connection is refused at once, as nobody listens there, instead of lost."""
    host, _, port = laid.p2p(other).rpartition(":")
    asking = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5)\n"
        "except ConnectionRefusedError: print('reached')\n"
        "except OSError: print('lost')"
    )
    command = ["ip", "netns", "exec", laid.namespace(one), sys.executable, "-c", asking, host, port]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip() == "reached"
