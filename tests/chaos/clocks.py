"""The clock of running processes, turned. Linux on x86-64, for one's own processes.

The problem: a machine has one clock for all, time namespaces leave the time of day alone, and a
statically linked CometBFT cannot be given another library. The model: both processes of a node ask
for the time in the kernel's page of code that every process has (vDSO). `turn` writes another
`clock_gettime` into a process's own copy of that page: it asks the kernel, and adds to the time of
day. Clocks that only go on stay as they are.
"""

import os
import platform
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Final

_DYNSYM: Final = 11
_NAME: Final = b"__vdso_clock_gettime"
_ASK_AND_ADD: Final = bytes.fromhex(
    "b8e4000000"  # mov eax, 228: clock_gettime
    "0f05"  #       syscall
    "85ff"  #       test edi, edi: is it the time of day?
    "7507"  #       jne to the end
    "488106"  #     add qword [rsi], the four bytes that follow
)
_RETURN: Final = b"\xc3"
_STOPPED_S: Final = 5.0


def why_not() -> str:
    """Why clocks cannot be turned here; empty where they can."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return "clocks are turned on Linux on x86-64 alone"
    return ""


def turn(process: int, seconds: int) -> None:
    """Let a running process see another time of day; 0 gives it the right one again."""
    own, offset = _own_code()
    code = own[offset : offset + len(_ASK_AND_ADD) + 5]
    if seconds:
        code = _ASK_AND_ADD + struct.pack("<i", seconds) + _RETURN
    start = _page(process).start + offset
    os.kill(process, signal.SIGSTOP)
    try:
        _await_outside(process, range(start, start + len(code)))
        with Path(f"/proc/{process}/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            assert memory.write(code) == len(code)
    finally:
        os.kill(process, signal.SIGCONT)


def _page(process: int | str) -> range:
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        if line.endswith("[vdso]"):
            first, _, last = line.split(maxsplit=1)[0].partition("-")
            return range(int(first, 16), int(last, 16))
    raise OSError(f"process {process} has no vDSO")


def _own_code() -> tuple[bytes, int]:
    """The page of this very process, which nobody changed, and where the function begins in it."""
    page = _page("self")
    with Path("/proc/self/mem").open("rb") as memory:
        memory.seek(page.start)
        image = memory.read(len(page))
    (sections,) = struct.unpack_from("<Q", image, 0x28)
    (count,) = struct.unpack_from("<H", image, 0x3C)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, sections + 64 * i) for i in range(count)]
    symbols = next(header for header in headers if header[1] == _DYNSYM)
    names = headers[symbols[6]][4]
    for entry in range(symbols[4], symbols[4] + symbols[5], 24):
        name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", image, entry)
        if image[names + name : image.index(b"\0", names + name)] == _NAME:
            return image, value
    raise OSError("the vDSO has no clock_gettime")


def _await_outside(process: int, code: range) -> None:
    """Wait until all threads stand still, and none within this code."""
    until = time.monotonic() + _STOPPED_S
    while time.monotonic() < until:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        if all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks):
            places = [(task / "syscall").read_text().split() for task in tasks]
            if not any(place[0] != "running" and int(place[-1], 16) in code for place in places):
                return
            os.kill(process, signal.SIGCONT)
            os.kill(process, signal.SIGSTOP)
    raise TimeoutError(f"process {process} does not stand still")
