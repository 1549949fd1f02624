"""What the house tests look at: the project's tracked files, sources and documents."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tieout"
PURE_ROOMS = ("units", "wire", "merkle", "consensus", "agreement", "kernel", "reference")


def name_of(path: Path) -> str:
    """The path as a reader of the project writes it."""
    return path.relative_to(ROOT).as_posix()


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def pure_sources() -> list[Path]:
    return [path for room in PURE_ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]


def documents() -> list[Path]:
    """Every Markdown file that a reader is sent to."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *PACKAGE.rglob("*.md")])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its dotted name within the module."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield prefix + child.name, child
                    yield from walk(child, prefix + child.name + ".")
                case ast.ClassDef():
                    yield from walk(child, prefix + child.name + ".")
                case _:
                    yield from walk(child, prefix)

    yield from walk(module, "")


def tracked_files() -> list[Path]:
    """The files under version control; without a checkout the asking test is skipped."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are the project's is not known")
    # The checkout may belong to another user, as it does in many containers.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file()]
