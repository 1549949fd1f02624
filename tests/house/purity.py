"""What makes two replays of one ledger differ, found by reading the source.

A pure room computes the same bits from the same bytes, on every machine and on every day. What
could break that is searched for in the syntax tree: binary fractions, the order of a set, the
process's own hashes, the clock, and output. Imports are kept by import-linter; the same modules are
looked for here only where a name leads to them without an import (`datetime.now`).

The search reads one file at a time and knows no types. A set is seen where it is written, or where
a name of the same function is bound to one or annotated as one; a set that comes back from a
function of another file is not seen. The replays under different PYTHONHASHSEEDs are for that.
"""

import ast
import re
from collections.abc import Iterator

FLOAT_DTYPE = re.compile(r"[<>=|]?[fgdec]\d{1,2}|float\d*|double|complex\d*|longdouble")
FLOAT_ATTRIBUTES = {
    *("float16", "float32", "float64", "float96", "float128", "floating", "half", "single"),
    *("double", "longdouble", "complex64", "complex128", "clongdouble", "inexact"),
}
FLOAT_RESULTS = {
    *("true_divide", "divide", "mean", "average", "std", "var", "linspace", "fromtimestamp"),
    *("utcfromtimestamp", "total_seconds"),
}
FLOAT_BY_DEFAULT = {"zeros": 2, "ones": 2, "empty": 2, "full": 3}
EXACT_MATH = {"isqrt", "gcd", "lcm", "comb", "perm", "factorial", "prod"}
CLOCK_ATTRIBUTES = {"now", "utcnow", "today", "perf_counter", "monotonic", "time_ns"}
IMPURE_CALLS = {
    "float": "makes a binary fraction",
    "complex": "makes a binary fraction",
    "hash": "differs from process to process",
    "id": "differs from process to process",
    "open": "reaches for a file",
    "input": "reaches for a person",
    "print": "talks",
    "eval": "runs what it reads",
    "exec": "runs what it reads",
    "__import__": "hides an import",
}
# Calls whose result keeps the order in which they were fed.
ORDERED_CONSUMERS = {
    *("list", "tuple", "enumerate", "iter", "next", "zip", "map", "filter", "reversed", "dict"),
    *("array", "fromiter", "bytes", "bytearray", "join", "extend", "chain", "fromkeys"),
}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def impurities(module: ast.Module) -> list[tuple[int, str]]:
    """(line, what is wrong) of everything that could make two replays differ."""
    found = [
        (getattr(node, "lineno", 0), reason)
        for node in ast.walk(module)
        for reason in _reasons(node)
    ]
    found.extend(_set_iterations(module, frozenset()))
    return sorted(set(found))


def _reasons(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=float() | complex()):
            yield "a binary fraction is written out"
        case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
            yield "`/` makes a binary fraction; `//` is exact"
        case ast.Attribute(attr=attr) if attr in FLOAT_ATTRIBUTES:
            yield f"`{attr}` is a binary fraction"
        case ast.Attribute(attr=attr) if attr in CLOCK_ATTRIBUTES:
            yield f"`{attr}` reads the clock"
        case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="random"):
            yield "`numpy.random` is chance"
        case ast.Attribute(value=ast.Name(id="math"), attr=attr) if attr not in EXACT_MATH:
            yield f"`math.{attr}` works on binary fractions"
        case ast.ImportFrom(module="math", names=names):
            yield from (
                f"`math.{alias.name}` works on binary fractions"
                for alias in names
                if alias.name not in EXACT_MATH
            )
        case ast.ImportFrom(names=names):
            yield from (
                f"`{alias.name}` is a binary fraction"
                for alias in names
                if alias.name in FLOAT_ATTRIBUTES
            )
        case ast.Call():
            yield from _call_reasons(node)


def _call_reasons(call: ast.Call) -> Iterator[str]:
    name = _called(call)
    if isinstance(call.func, ast.Name) and name in IMPURE_CALLS:
        yield f"`{name}(` {IMPURE_CALLS[name]}"
    if isinstance(call.func, ast.Attribute) and name in FLOAT_RESULTS:
        yield f"`{name}` makes binary fractions"
    keywords = {keyword.arg for keyword in call.keywords}
    if (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"np", "numpy"}
        and name in FLOAT_BY_DEFAULT
        and len(call.args) < FLOAT_BY_DEFAULT[name]
        and "dtype" not in keywords
    ):
        yield f"`{name}` without a dtype makes binary fractions"
    dtypes = [keyword.value for keyword in call.keywords if keyword.arg == "dtype"]
    if name in {"dtype", "astype", "view", "frombuffer", *FLOAT_BY_DEFAULT}:
        dtypes.extend(call.args)
    for value in (part for dtype in dtypes for part in ast.walk(dtype)):
        match value:
            case ast.Constant(value=str(text)) if FLOAT_DTYPE.fullmatch(text):
                yield f"dtype `{text}` is a binary fraction"
            case ast.Name(id="float" | "complex" as text):
                yield f"dtype `{text}` is a binary fraction"


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _set_iterations(scope: Scope, outer: frozenset[str]) -> Iterator[tuple[int, str]]:
    nodes = list(_own_nodes(scope))
    names = outer | frozenset(_set_names(scope, nodes, outer))
    for node in nodes:
        for iterated in _iterated(node):
            if _is_set(iterated, names):
                yield iterated.lineno, "the order of a set differs; sort it first"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _set_iterations(node, names)


def _own_nodes(scope: Scope) -> Iterator[ast.AST]:
    """The nodes of a scope, with the heads of the functions in it but not their insides."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def _set_names(scope: Scope, nodes: list[ast.AST], outer: frozenset[str]) -> Iterator[str]:
    if not isinstance(scope, ast.Module):
        arguments = scope.args
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if _is_set_annotation(argument.annotation):
                yield argument.arg
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_set(value, outer):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if _is_set_annotation(annotation):
                    yield name


def _is_set_annotation(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return name in {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}
    return False


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in SET_METHODS:
            return _is_set(value, names)
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left, names) or _is_set(node.right, names)
    return False


def _iterated(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated):
            yield iterated
        case ast.SetComp():
            return
        case ast.ListComp(generators=generators) | ast.DictComp(generators=generators):
            yield from (generator.iter for generator in generators)
        case ast.Starred(value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value):
            yield value
        case ast.YieldFrom(value=value):
            yield value
        case ast.Call(args=args) if _called(node) in ORDERED_CONSUMERS:
            for argument in args:
                if isinstance(argument, ast.GeneratorExp):
                    yield from (generator.iter for generator in argument.generators)
                yield argument
