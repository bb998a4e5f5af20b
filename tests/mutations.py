"""The second half of `make mutants`: change each pure rule by one operator, number, condition or statement at a time.

The quick tests of the rule, those that need no database, must go red each time. A mutant that survives is a decision about
money, consent or somebody's night that nothing tests, or it makes no difference: those stand in tests/equivalents.py.

Each mutant is a fork of one process that has loaded everything but the project. `python -m tests.mutations <module>…` runs some.
"""

import ast
import gc
import importlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any, Final, NoReturn

import grimp
import hypothesis
import pytest

from tests.equivalents import EQUIVALENT, RULES

AT_ONCE: Final = max(1, (os.cpu_count() or 2) // 2)
PATIENCE: Final = 60
"""Seconds; a mutant that never ends is one that was noticed."""
# What takes long to load and knows nothing of the project.
_LOADED_ONCE: Final = (
    "sqlalchemy.dialects.postgresql", "pg8000", "pydantic", "phonenumbers.timezone", "dateutil.rrule", "jinja2.sandbox", "boto3",
    "aws_lambda_powertools.event_handler.openapi.params", "moto.core.models",
)  # fmt: skip
_OPTIONS: Final = ("-o", "addopts=", "-p", "no:schemathesis", "-p", "no:xdist", "-p", "no:cacheprovider", "--assert=plain", "-q", "-x")

_BOUNDARY: Final = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_OPPOSITE: Final = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: Final = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLS: Final = {"min": "max", "max": "min", "all": "any", "any": "all"}
# What is said of a thing, and to a person, is no rule; and of a type nothing runs.
_SAID: Final = {"annotation", "returns", "decorator_list", "exc", "cause", "msg", "format_spec"}


@dataclass(frozen=True)
class Mutant:
    """One change of a module. `said` has no line: it stays the same when something else in the module changes."""

    line: int
    said: str
    code: CodeType


def mutants(module: str) -> Iterator[Mutant]:
    """Every change of a module by one step. Two that read alike in one function are told apart by a number."""
    path = _path(module)
    tree = ast.parse(path.read_text())
    seen: Counter[str] = Counter()
    for within, parent, name, place, node in _places(tree, "module"):
        for other in _others(node):
            said = f"{within}: {_told(node, other)}"
            seen[said] += 1
            _put(parent, name, place, ast.copy_location(other, node))
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            _put(parent, name, place, node)
            yield Mutant(getattr(node, "lineno", 0) or node.target.lineno, said if seen[said] == 1 else f"{said} ({seen[said]})", code)


def _places(node: ast.AST, within: str) -> Iterator[tuple[str, ast.AST, str, int | None, Any]]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        within = node.name if within == "module" else f"{within}.{node.name}"
    for name, value in ast.iter_fields(node):
        if name in _SAID or (isinstance(node, ast.keyword) and node.arg == "strict"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or _is_type(child):
                continue
            if isinstance(child, (ast.expr, ast.stmt, ast.comprehension)):
                yield within, node, name, place, child
            yield from _places(child, within)


def _is_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in {"Literal", "tuple", "dict", "list"}


def _others(node: Any) -> Iterator[ast.AST]:
    """What a place might hold instead."""
    yield from _comparisons(node)
    yield from _conditions(node)
    yield from _values(node)
    yield from _shorter(node)
    yield from _statements(node)


def _comparisons(node: Any) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for number, op in enumerate(node.ops):
            for table in (_BOUNDARY, _OPPOSITE):
                if type(op) in table:
                    yield ast.Compare(node.left, [*node.ops[:number], table[type(op)](), *node.ops[number + 1 :]], node.comparators)


def _conditions(node: Any) -> Iterator[ast.AST]:
    match node:
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for number in range(len(values)):
                left = [*values[:number], *values[number + 1 :]]
                yield ast.BoolOp(op, left) if len(left) > 1 else left[0]
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.IfExp(test, one, other):
            yield ast.IfExp(test, other, one)
        case ast.If(test, body, orelse) if _is_plain(test):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.comprehension(target, source, conditions, is_async) if conditions:
            yield ast.comprehension(target, source, [], is_async)


def _values(node: Any) -> Iterator[ast.AST]:
    match node:
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC and not _is_text(left) and not _is_text(right):
            yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Call(ast.Name("sorted"), [source]):
            yield ast.Call(ast.Name("list", ast.Load()), [source], [])
        case ast.Call(ast.Name(name), arguments, keywords) if name in _CALLS:
            yield ast.Call(ast.Name(_CALLS[name], ast.Load()), arguments, keywords)


def _shorter(node: Any) -> Iterator[ast.AST]:
    match node:
        case ast.Set(elements) | ast.Tuple(elements, ast.Load()) | ast.List(elements, ast.Load()) if _is_list(node, elements):
            for number in range(len(elements)):
                left = [*elements[:number], *elements[number + 1 :]]
                yield ast.Set(left) if isinstance(node, ast.Set) else type(node)(left, ast.Load())
        case ast.Dict(keys, values) if len(keys) > 1:
            for number in range(len(keys)):
                yield ast.Dict([*keys[:number], *keys[number + 1 :]], [*values[:number], *values[number + 1 :]])


def _statements(node: Any) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign(target, op, value):
            if type(op) in _ARITHMETIC:
                yield ast.AugAssign(target, _ARITHMETIC[type(op)](), value)
            yield ast.Pass()
        case ast.Expr(ast.Call()) | ast.Raise() | ast.Continue() | ast.Break() | ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, (ast.JoinedStr, ast.List, ast.Tuple)) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )


def _is_plain(test: ast.expr) -> bool:
    """Whether turning the condition round is not turning round a comparison, which is done there."""
    return not isinstance(test, (ast.Compare, ast.BoolOp)) or (isinstance(test, ast.Compare) and len(test.ops) > 1)


def _is_list(node: Any, elements: list[ast.expr]) -> bool:
    """Whether it is a list of names, rather than a few values that belong together."""
    plain = all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in elements)
    return len(elements) > 1 and (plain or isinstance(node, ast.Set))


def _told(node: Any, other: Any) -> str:
    if type(node) is type(other):
        for name in ("values", "elts"):
            left = getattr(other, name, None)
            if left is not None and len(left) < len(getattr(node, name)):
                [place] = [place for place, one in enumerate(getattr(node, name)) if one not in left]
                gone = getattr(node, "keys", getattr(node, name))[place] or getattr(node, name)[place]
                return f"without {_brief(gone)}: {_brief(node)}"
    return f"{_brief(node)} → {'(nothing)' if isinstance(other, ast.Pass) else _brief(other)}"


def _brief(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.comprehension):
        return ast.unparse(node).strip()
    text = re.sub(r"\s+", " ", ast.unparse(node))
    return text if len(text) <= 100 else f"{text[:60]} … {text[-37:]}"


def _put(parent: Any, name: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[place] = node


def _path(module: str) -> Path:
    return Path(__file__).resolve().parent.parent / "shared" / f"{module.replace('.', '/')}.py"


class _Quick:
    """Only what needs no database; the same examples every time, and none of them made smaller."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", hypothesis.settings(derandomize=True, database=None, phases=phases))
        hypothesis.settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [one for one in items if "server" not in getattr(one, "fixturenames", ())]


def _test(module: str, code: CodeType | None) -> NoReturn:
    """Run the tests with this in place of the module, and leave with pytest's exit status."""

    def impatient(*_: object) -> None:
        os._exit(124)

    signal.signal(signal.SIGALRM, impatient)
    signal.alarm(PATIENCE)
    if code is not None:
        as_it_is = SourceFileLoader.get_code
        SourceFileLoader.get_code = lambda self, name: code if name == module else as_it_is(self, name)  # type: ignore[method-assign]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    # pytest collects all garbage at its end, of which there is none that matters here.
    gc.collect = lambda *_: 0  # type: ignore[assignment]
    status = 3
    try:
        status = int(pytest.main([*_OPTIONS, *tests_of(module)], plugins=[_Quick()]))
    finally:
        os._exit(status)


def _statuses(module: str, codes: list[CodeType | None]) -> list[int]:
    """The exit status of pytest for each, a few at a time."""
    found: dict[int, int] = {}
    running: dict[int, int] = {}
    for number, code in enumerate(codes):
        if (child := os.fork()) == 0:
            _test(module, code)
        running[child] = number
        while len(running) >= (AT_ONCE if number < len(codes) - 1 else 1):
            ended, status = os.wait()
            found[running.pop(ended)] = os.waitstatus_to_exitcode(status)
    return [found[number] for number in range(len(codes))]


def _load(module: str) -> None:
    """Load what the tests use, then forget the module and all that knows of it, so that a fork loads only those."""
    for name in (*_LOADED_ONCE, "tests.conftest", *importlib.import_module("tests.conftest").pytest_plugins, *map(_name, tests_of(module))):
        importlib.import_module(name)
    stale = grimp.build_graph("clientway", cache_dir=None).find_downstream_modules(module) | {module}
    for name in list(sys.modules):
        if name in stale or (name.startswith("tests.") and name not in {"tests.mutations", "tests.equivalents"}):
            del sys.modules[name]
            package, _, own = name.rpartition(".")
            vars(sys.modules.get(package, sys)).pop(own, None)
    gc.collect()
    gc.freeze()


def tests_of(module: str) -> list[str]:
    """The files of a module's tests."""
    return [f"tests/{one}" for one in RULES[module]]


def _name(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def survivors(module: str) -> int:
    """Run a module's mutants and tell; returns how many survived that should not, or 1 where the tests are red without any."""
    _load(module)
    if _statuses(module, [None]) != [0]:
        print(f"{module}: its tests are red without any mutant; mend that first", flush=True)
        return 1
    every = list(mutants(module))
    alive = [one for one, status in zip(every, _statuses(module, [one.code for one in every]), strict=True) if status == 0]
    known = {said for where, said in EQUIVALENT if where == module}
    survived = [one for one in alive if one.said not in known]
    for one in survived:
        print(f"survived: {module}:{one.line} {one.said}")
    for said in sorted(known - {one.said for one in alive}):
        print(f"no longer alive: {module} {said}")
    same = len(alive) - len(survived)
    print(
        f"{module}: {len(every)} mutants, {len(every) - len(alive)} killed, {same} make no difference, {len(survived)} survived", flush=True
    )
    return len(survived)


def main(modules: list[str]) -> int:
    """Run the mutants of these modules, of all where none is named; the exit status is 1 if any survived."""
    red = 0
    for module in modules or RULES:
        # Each in a process of its own: what one has loaded is another's to change.
        if (child := os.fork()) == 0:
            os._exit(min(survivors(module), 1))
        red |= os.waitpid(child, 0)[1]
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
