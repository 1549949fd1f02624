"""Machine code is never older than its source: the stamp covers all that is compiled in."""

import ast
from pathlib import Path

import pytest

import tieout
from tieout.compiled import sources

ROOMS = Path(tieout.__file__).parent
DECORATORS = {"helper", "inlined", "merged", "entry"}
COVERED = {f"{room}/{name}" for room, names in sources.COMPILED_IN.items() for name in names}


def decorated(tree: ast.Module) -> set[str]:
    return {
        getattr(getattr(decorator, "func", decorator), "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    } & DECORATORS


def with_decorators(wanted: set[str]) -> set[str]:
    return {
        str(path.relative_to(ROOMS))
        for path in ROOMS.rglob("*.py")
        if decorated(ast.parse(path.read_text(encoding="utf-8"))) & wanted
    }


def test_the_stamp_covers_every_file_with_compiled_functions() -> None:
    found = with_decorators(DECORATORS)
    assert {"kernel/apply.py", "merkle/lanes.py", "compiled/memory.py"} <= found <= COVERED


def test_every_file_with_an_entry_is_built() -> None:
    modules = {
        "tieout." + name.removesuffix(".py").replace("/", ".")
        for name in with_decorators({"entry"})
    }
    assert modules == set(sources.ENTRY_MODULES)


def test_the_stamp_covers_every_file_whose_numbers_are_compiled_in() -> None:
    for name in sorted(each for each in COVERED if each.startswith("kernel/")):
        tree = ast.parse((ROOMS / name).read_text(encoding="utf-8"))
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules.discard("tieout.kernel")  # `layout as at`, covered by name
        files = {
            module.removeprefix("tieout.").replace(".", "/") + ".py"
            for module in modules
            if module and module.startswith("tieout.")
        }
        assert files <= COVERED, name


@pytest.mark.parametrize("processor", [("other", "+avx2"), ("here", "+avx512f")])
def test_another_processor_is_another_stamp(processor: tuple[str, str]) -> None:
    stamp = sources.stamp(("here", "+avx2"), checked=False)
    assert len(bytes.fromhex(stamp)) == 32
    assert sources.stamp(processor, checked=False) != stamp
    assert sources.stamp(("here", "+avx2"), checked=False) == stamp


def test_checked_code_has_a_stamp_of_its_own() -> None:
    here = ("here", "+avx2")
    assert sources.stamp(here, checked=True) != sources.stamp(here, checked=False)
