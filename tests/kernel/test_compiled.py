"""How compiled code is kept: nothing stale, nothing twice; and the known answer before anything."""

import ast
import sys
from importlib.resources import files
from types import ModuleType

import pytest

from tieout import kernel
from tieout.kernel import compiled, selftest

DECORATORS = {"helper", "inlined", "entry"}


def kernel_modules() -> list[ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if "tieout.kernel." in name]


def test_the_stamp_covers_every_file_with_compiled_functions() -> None:
    with_functions = set()
    for source in files("tieout.kernel").iterdir():
        if source.name.endswith(".py"):
            tree = ast.parse(source.read_text(encoding="utf-8"))
            names = {
                getattr(getattr(decorator, "func", decorator), "id", "")
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef)
                for decorator in node.decorator_list
            }
            if names & DECORATORS:
                with_functions.add(source.name)
    assert with_functions <= set(compiled.COMPILED_IN["tieout.kernel"])


def test_the_stamp_covers_every_file_whose_numbers_are_compiled_in() -> None:
    covered = {
        f"{package}.{name.removesuffix('.py')}"
        for package, names in compiled.COMPILED_IN.items()
        for name in names
    }
    for name in compiled.COMPILED_IN["tieout.kernel"]:
        tree = ast.parse(files("tieout.kernel").joinpath(name).read_text(encoding="utf-8"))
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules.discard("tieout.kernel")  # `layout as at`, covered by name
        assert {m for m in modules if m and m.startswith("tieout.")} <= covered


@pytest.mark.skipif(compiled.INTERPRETED, reason="nothing is compiled")
def test_no_constant_makes_a_function_be_compiled_once_more() -> None:
    """Signatures may differ in whether an array is read-only, and in nothing else."""
    for module in kernel_modules():
        for function in vars(module).values():
            signatures = getattr(function, "signatures", [])
            assert not [s for s in signatures if "Literal" in str(s)], function


def test_the_known_answer_is_given() -> None:
    kernel.warm()


@pytest.mark.parametrize("name", ["APP_HASH", "STATE_DIGEST"])
def test_another_answer_stops_the_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, name, "00" * 32)
    with pytest.raises(kernel.SelfTestError, match="should be 0000"):
        kernel.warm()
