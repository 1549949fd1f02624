"""Nothing is compiled twice for want of a numpy number."""

import importlib
import sys
from types import ModuleType

from tieout.compiled.sources import ENTRY_MODULES


def compiled_modules() -> list[ModuleType]:
    for name in ENTRY_MODULES:
        importlib.import_module(name)
    return [module for name, module in sorted(sys.modules.items()) if "tieout.kernel." in name]


def test_no_constant_makes_a_function_be_compiled_once_more() -> None:
    """Signatures may differ in whether an array is read-only, and in nothing else."""
    seen = 0
    for module in compiled_modules():
        for function in vars(module).values():
            signatures = getattr(function, "signatures", [])
            assert not [s for s in signatures if "Literal" in str(s)], function
            seen += bool(signatures)
    assert seen > 20
