"""Parses a chat template within bounds: `parse`, and `fingerprint`, which two templates share where only their comments
and the writing of their expressions differ.

The dialect is the one that transformers renders: jinja2 with loop controls, `{% generation %}` and trimmed blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

MAX_CHARACTERS = 128 * 1024
MAX_DEPTH = 120


class TooDeepError(Exception):
    """The template is nested more deeply than any parser should have to follow."""


class SyntaxFault(Exception):  # noqa: N818 - it is reported, and never an error of ours
    """The template is none for jinja2; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`: marks what the assistant wrote, and changes nothing of it."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own declaration

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


@cache
def _environment() -> Environment:
    # Never used to render: autoescape and globals do not matter.
    return Environment(  # noqa: S701
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", _Generation], trim_blocks=True, lstrip_blocks=True
    )


def parse(text: str) -> nodes.Template:
    """The syntax tree of `text`, no deeper than `MAX_DEPTH`. Raises SyntaxFault, TooDeepError."""
    try:
        tree = _environment().parse(text)
    except TemplateError as error:
        raise SyntaxFault(str(error.message), getattr(error, "lineno", None) or 1) from error
    except RecursionError as error:
        raise TooDeepError from error
    except (ValueError, OverflowError, MemoryError) as error:
        # Numbers of thousands of digits, and escapes that are none.
        raise SyntaxFault(type(error).__name__, 1) from error
    _refuse_deep(tree)
    return tree


def _refuse_deep(tree: nodes.Template) -> None:
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    raise TooDeepError


def walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, nodes.Node | None]]:
    """Every node with its parent, the tree's own first."""
    waiting: list[tuple[nodes.Node, nodes.Node | None]] = [(tree, None)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting.extend((child, node) for child in reversed(list(node.iter_child_nodes())))


def fingerprint(tree: nodes.Template) -> str:
    """The sha256 of the tree without comments, line numbers and the spelling of strings; 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in _spelled(tree):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def _spelled(value: object) -> Iterator[str]:
    if isinstance(value, nodes.Node):
        yield type(value).__name__
        for _, field in value.iter_fields():
            yield from _spelled(field)
        yield ")"
    elif isinstance(value, list | tuple):
        yield "["
        for item in value:
            yield from _spelled(item)
        yield "]"
    else:
        yield f"{type(value).__name__}:{value}"
