"""Functions of about 60 lines, files of about 600: what a reader can hold in mind at once."""

import ast

from tests.house.tree import functions, name_of, parsed, sources

FUNCTION_LINES = 60
FILE_LINES = 600

# "src/tieout/room/file.py::Class.function" or "src/tieout/room/file.py" → why it has to be longer.
LONGER_FOR_A_REASON: dict[str, str] = {}


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end; a contract may be as long as it must."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def too_long() -> dict[str, int]:
    found = {}
    for path in sources():
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > FILE_LINES:
            found[name_of(path)] = count
        for name, function in functions(parsed(path)):
            lines = lines_without_docstring(function)
            if lines > FUNCTION_LINES:
                found[f"{name_of(path)}::{name}"] = lines
    return found


def test_functions_and_files_stay_short() -> None:
    excess = {name: lines for name, lines in too_long().items() if name not in LONGER_FOR_A_REASON}
    assert excess == {}


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    assert set(LONGER_FOR_A_REASON) <= set(too_long())
    assert all(LONGER_FOR_A_REASON.values())


def test_a_docstring_does_not_count() -> None:
    (function,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body
    assert isinstance(function, ast.FunctionDef)
    assert lines_without_docstring(function) == 2
