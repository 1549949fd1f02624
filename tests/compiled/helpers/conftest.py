"""Helpers are compiled into loops and cannot be called from Python: numba compiles them here.

These tests run in a process of their own, which `tests/compiled/test_helpers.py` starts.
"""

from tieout.compiled.loops import MODE, Mode

collect_ignore_glob = [] if MODE is Mode.NUMBA else ["test_*.py"]
