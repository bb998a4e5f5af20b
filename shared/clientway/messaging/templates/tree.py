"""Jinja's tree of a template: what is on the list stays, everything else is refused, and attributes become plain names."""

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from clientway.messaging.templates import filters
from clientway.messaging.templates.markup import MARK, misplaced
from clientway.messaging.templates.variables import LINKS, URLS, VARIABLES

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_EXPRESSIONS: Final = 100
DEEPEST: Final = 12
_DATA_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ADDRESS = re.compile(r"https?://[^\s<>\"'{}]+[^\s<>\"'{}.,;:!?)]")
_MOST_ARGUMENTS = 1
_BIGGEST = 2**53
_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"></head>'
    '<body style="font-family:sans-serif;line-height:1.5;color:#1a1a1a;max-width:36rem">'
)


class Broken(Exception):  # noqa: N818  (becomes an entry of a 422)
    """A template that cannot be taken: `code` of the error and what to tell its author."""

    def __init__(self, code: str, message: str) -> None:
        """Say why."""
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Part:
    """A subject or a body, compiled, with what it uses: (its name inside, root, field)."""

    template: "Template"
    variables: tuple[tuple[str, str, str | None], ...]


def read(source: str, *, escaping: bool, as_html: bool = False) -> Part:
    """Compile one part of a template; `as_html` makes HTML of plain text. Raises Broken."""
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415  (what only reads templates does without)

    if _UNSENDABLE.search(source):
        raise Broken("template_not_allowed", "holds control characters")
    environment = _environment(escaping=escaping)
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise Broken("template_syntax", f"line {error.lineno}: {str(error.message or 'cannot be read')[:200]}") from None
    except (ValueError, OverflowError, RecursionError, AssertionError):
        # Numbers that are none, and brackets without end.
        raise Broken("template_syntax", "cannot be read") from None
    rewriting = _Rewriting()
    body = rewriting.statements(tree.body, 1)
    if escaping and not as_html and (told := misplaced(_flat(body))) is not None:
        raise Broken("template_not_allowed", told)
    tree.body = _page(body) if as_html else body
    tree.set_environment(environment)
    try:
        template = environment.from_string(tree)
    except (TemplateSyntaxError, SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise Broken("template_syntax", "cannot be compiled") from None
    return Part(template, tuple(sorted(rewriting.used, key=str)))


@cache
def _environment(*, escaping: bool) -> "ImmutableSandboxedEnvironment":
    """One that knows our filters alone, and no function at all."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(autoescape=escaping, keep_trailing_newline=True, cache_size=0)
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update(filters.ALLOWED)
    environment.filters.update(filters.COMPARED)
    environment.filters["_lines"] = lambda value: Markup(filters.lines(value))  # noqa: S704  (what it escaped itself)
    return environment


class _Rewriting:
    """Goes through a tree once; a new one is built of what is allowed."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str, str | None]] = set()
        self.count = 0

    def statements(self, nodes: list[Any], depth: int) -> list[Any]:
        from jinja2 import nodes as n  # noqa: PLC0415

        built = []
        for node in nodes:
            if isinstance(node, n.Output):
                built.append(n.Output([self._shown(one, depth) for one in node.nodes], lineno=node.lineno))
            elif isinstance(node, n.If):
                built.append(self._if(node, depth))
            else:
                raise _not_allowed(node)
        return built

    def _if(self, node: Any, depth: int) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        if depth >= DEEPEST:
            raise Broken("template_not_allowed", f"line {node.lineno}: nested too deeply")
        others = [self._if(one, depth + 1) for one in node.elif_]
        test = self.expression(node.test, depth + 1)
        return n.If(test, self.statements(node.body, depth + 1), others, self.statements(node.else_, depth + 1), lineno=node.lineno)

    def _shown(self, node: Any, depth: int) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        return n.TemplateData(node.data, lineno=node.lineno) if isinstance(node, n.TemplateData) else self.expression(node, depth)

    def expression(self, node: Any, depth: int) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        self.count += 1
        if self.count > MOST_EXPRESSIONS * 4 or depth > DEEPEST:
            raise Broken("template_not_allowed", f"line {node.lineno}: too many expressions, or nested too deeply")
        kind = type(node)
        if kind is n.Name or kind is n.Getattr:
            return self._variable(node)
        if kind is n.Const:
            return _constant(node)
        if kind is n.Filter:
            return self._filter(node, depth)
        if kind is n.Compare:
            return self._compare(node, depth)
        if kind is n.And or kind is n.Or:
            return kind(self.expression(node.left, depth + 1), self.expression(node.right, depth + 1), lineno=node.lineno)
        if kind is n.Not:
            return n.Not(self.expression(node.node, depth + 1), lineno=node.lineno)
        raise _not_allowed(node)

    def _variable(self, node: Any) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        if isinstance(node, n.Name):
            root, field, known = node.name, None, node.name in URLS
        elif isinstance(node.node, n.Name):
            root, field = node.node.name, node.attr
            known = bool(_DATA_KEY.fullmatch(field)) if root == "data" else field in VARIABLES.get(root, {})
        else:
            raise Broken("template_not_allowed", f"line {node.lineno}: a variable has two names, as contact.first_name")
        if not known:
            name = root if field is None else f"{root}.{field}"
            raise Broken("template_variable_unknown", f"line {node.lineno}: there is no {name[:100]}")
        inside = root if field is None else f"{root}__{field}"
        self.used.add((inside, root, field))
        return n.Name(inside, "load", lineno=node.lineno)

    def _filter(self, node: Any, depth: int) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        if node.name not in filters.ALLOWED or node.node is None:
            raise Broken("template_not_allowed", f"line {node.lineno}: there is no filter {str(node.name)[:60]}")
        takes = _MOST_ARGUMENTS if node.name in {"default", "truncate", "money"} else 0
        if node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) > takes:
            raise Broken(
                "template_not_allowed", f"line {node.lineno}: {node.name} takes {takes or 'no'} argument{'' if takes == 1 else 's'}"
            )
        value = self.expression(node.node, depth + 1)
        return n.Filter(value, node.name, [self.expression(one, depth + 1) for one in node.args], [], None, None, lineno=node.lineno)

    def _compare(self, node: Any, depth: int) -> Any:
        from jinja2 import nodes as n  # noqa: PLC0415

        if len(node.ops) != 1 or f"_{node.ops[0].op}" not in filters.COMPARED:
            raise Broken("template_not_allowed", f"line {node.lineno}: compare two values with ==, !=, <, <=, > or >=")
        other = self.expression(node.ops[0].expr, depth + 1)
        value = self.expression(node.expr, depth + 1)
        return n.Filter(value, f"_{node.ops[0].op}", [other], [], None, None, lineno=node.lineno)


def _constant(node: Any) -> Any:
    value = node.value
    if isinstance(value, str) and not _UNSENDABLE.search(value):
        return node
    if isinstance(value, bool) or (isinstance(value, (int, float)) and -_BIGGEST < value < _BIGGEST):
        return node
    raise Broken("template_not_allowed", f"line {node.lineno}: neither text, nor a number, nor true or false")


def _not_allowed(node: Any) -> Broken:
    kind = type(node).__name__.lower()
    return Broken("template_not_allowed", f"line {node.lineno}: {kind} is not part of a template's language")


def _flat(nodes: list[Any]) -> str:
    """A page with all its branches, one after the other, and a mark for each variable."""
    from jinja2 import nodes as n  # noqa: PLC0415

    found = []
    for node in nodes:
        if isinstance(node, n.If):
            found += [_flat(node.body), _flat(node.elif_), _flat(node.else_)]
        else:
            found += [one.data if isinstance(one, n.TemplateData) else MARK for one in node.nodes]
    return "".join(found)


def _page(body: list[Any]) -> list[Any]:
    """The same as HTML: what was written is escaped with its addresses made links, what is filled in is escaped with its lines."""
    from jinja2 import nodes as n  # noqa: PLC0415

    return [n.Output([n.TemplateData(_PAGE)]), *_marked(body), n.Output([n.TemplateData("</body></html>")])]


def _marked(nodes: list[Any]) -> list[Any]:
    from jinja2 import nodes as n  # noqa: PLC0415

    built: list[Any] = []
    for node in nodes:
        if isinstance(node, n.If):
            others = _marked(node.elif_)
            built.append(n.If(node.test, _marked(node.body), others, _marked(node.else_), lineno=node.lineno))
        else:
            built.append(n.Output([piece for one in node.nodes for piece in _pieces(one)], lineno=node.lineno))
    return built


def _pieces(node: Any) -> list[Any]:
    from jinja2 import nodes as n  # noqa: PLC0415

    if isinstance(node, n.TemplateData):
        return [n.TemplateData(_linked(node.data))]
    if isinstance(node, n.Name) and node.name.replace("__", ".") in LINKS:
        return [n.TemplateData('<a href="'), node, n.TemplateData('">'), node, n.TemplateData("</a>")]
    return [n.Filter(node, "_lines", [], [], None, None, lineno=node.lineno)]


def _linked(text: str) -> str:
    found, at = [], 0
    for one in _ADDRESS.finditer(text):
        found += [filters.lines(text[at : one.start()]), f'<a href="{escape(one[0])}">{escape(one[0])}</a>']
        at = one.end()
    return "".join([*found, filters.lines(text[at:])])
