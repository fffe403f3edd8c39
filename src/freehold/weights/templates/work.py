"""How much a template could make its renderer do: counting, nested loops, repetition, doubling.

What depends on the conversation is taken as one step: that is bounded by the request and not by the file. A macro that
calls itself is counted once; a sandbox needs limits of its own for what no reading can show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import nodes

from freehold.weights.templates.endless import endless
from freehold.weights.templates.execution import Report
from freehold.weights.templates.fold import Folder, callee
from freehold.weights.templates.growth import doublings
from freehold.weights.templates.parse import walk

LARGEST_COUNT = 10_000
LARGEST_TEXT = 1_000_000
MOST_ROUNDS = 100_000
DEEPEST_LOOPS = 8
_WIDE = re.compile(r"\d{5}|%[^%a-zA-Z]*\*|\{[^{}]*\{")
_PADDING = frozenset(
    {"center", "ljust", "rjust", "zfill", "indent", "wordwrap", "lipsum", "truncate", "batch", "slice"}
)


def check_work(tree: nodes.Template, folder: Folder, report: Report) -> None:
    """Report what could keep a renderer busy or fill its memory, whatever the conversation."""
    for node, _ in walk(tree):
        if isinstance(node, nodes.Call) and callee(node) == "range":
            if _largest(node.args, folder) > LARGEST_COUNT:
                report("template.work.range", "It counts to a number over 10,000, or that cannot be told.", node.lineno)
        elif _repeats(node, folder):
            report("template.work.repeat", "It repeats, pads or raises to a large size.", node.lineno)
    for line in doublings(tree, folder):
        report("template.work.growth", "It appends a text to itself in a loop.", line)
    for line in endless(tree, folder):
        report(
            "template.work.loops", "It can go on without an end: it loops over what it adds to, or calls itself.", line
        )
    rounds = _Rounds(folder)
    if rounds.of(tree.body) > MOST_ROUNDS:
        report("template.work.loops", f"Its loops come to more than {MOST_ROUNDS:,} rounds.", 1)
    if rounds.deepest > DEEPEST_LOOPS:
        report("template.work.loops", f"Its loops are nested {rounds.deepest} deep.", 1)


def _largest(arguments: Sequence[nodes.Node], folder: Folder) -> int:
    """The largest number that goes into `arguments`, whether or not they can be folded."""
    inside = [part for argument in arguments for part, _ in walk(argument)]
    return max((abs(value) for part in inside for value in folder.numbers(part)), default=0)


def _repeats(node: nodes.Node, folder: Folder) -> bool:
    if isinstance(node, nodes.Pow):
        return True
    if isinstance(node, nodes.Mul):
        return _length(node, folder) > LARGEST_COUNT
    if isinstance(node, nodes.Concat | nodes.Add):
        return _length(node, folder) > LARGEST_TEXT
    if isinstance(node, nodes.Mod) and isinstance(node.left, nodes.Const | nodes.Name):
        return any(map(_is_wide, folder.texts(node.left)))
    if isinstance(node, nodes.Filter):
        wide = node.name in _PADDING and _largest(_given(node), folder) > LARGEST_COUNT
        return wide or (node.name == "format" and any(map(_is_wide, folder.texts(node.node))))
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        if node.node.attr == "format":
            return any(map(_is_wide, folder.texts(node.node.node)))
        return node.node.attr in _PADDING and _largest(_given(node), folder) > LARGEST_COUNT
    return False


def _given(node: nodes.Filter | nodes.Call) -> Sequence[nodes.Node]:
    return [*node.args, *(pair.value for pair in node.kwargs)]


def _is_wide(pattern: str) -> bool:
    """True where the width of a field can be large: it has many digits, or is given like another value."""
    return bool(_WIDE.search(pattern))


def _length(node: nodes.Node, folder: Folder, known: dict[int, int] | None = None) -> int:
    """A bound of how long a repeated thing becomes: 1 for what is unknown. `known` are those worked out before."""
    known = {} if known is None else known
    if id(node) in known or not folder.spend():
        return known.get(id(node), 1)
    known[id(node)] = 1  # while it is being worked out
    values = folder.values(node)
    if isinstance(node, nodes.Const | nodes.TemplateData):
        found = _size(node.value if isinstance(node, nodes.Const) else node.data)
    elif isinstance(node, nodes.Mul):
        found = _length(node.left, folder, known) * _length(node.right, folder, known)
    elif isinstance(node, nodes.Concat | nodes.Add | nodes.List | nodes.Tuple) and not values:
        found = sum(_length(part, folder, known) for part in node.iter_child_nodes())
    elif isinstance(node, nodes.Call) and callee(node) == "range":
        found = max(1, _largest(node.args, folder))
    elif isinstance(node, nodes.Filter) and node.node is not None and not values:
        found = _length(node.node, folder, known)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and not values:
        found = _length(node.node.node, folder, known)
    elif values:
        found = max(_size(value) for value in values)
    else:
        found = max((_length(source, folder, known) for source in folder.sources(node)), default=1)
    known[id(node)] = min(found, LARGEST_COUNT**2)
    return known[id(node)]


def _size(value: object) -> int:
    if type(value) is int:
        return abs(value)
    return len(value) if isinstance(value, str | tuple) else 1


class _Rounds:
    """Counts the rounds of the loops in a tree, macros included."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._macros: dict[str, int] = {}
        self.deepest = 0

    def of(self, body: Sequence[nodes.Node], deep: int = 0) -> int:
        """How many rounds `body` takes, every loop over something unknown counted once."""
        self.deepest = max(self.deepest, deep)
        return sum(self._node(node, deep) for node in body)

    def _node(self, node: nodes.Node, deep: int) -> int:
        if isinstance(node, nodes.Macro):
            return self.of(node.body, 0) and 0
        if isinstance(node, nodes.For):
            return _times(node.iter, self._folder) * max(1, self.of(node.body, deep + 1)) + self.of(node.else_, deep)
        called = self._macro(callee(node) or "") if isinstance(node, nodes.Call) else 0
        return called + self.of(list(node.iter_child_nodes()), deep)

    def _macro(self, name: str) -> int:
        if name not in self._macros:
            self._macros[name] = 0  # while it is being counted: one that calls itself
            macro = self._folder.macros.get(name)
            self._macros[name] = self.of(macro.body) if macro is not None else 0
        return self._macros[name]


def _times(node: nodes.Node, folder: Folder) -> int:
    """How many rounds a loop over `node` has, as far as the template decides it; 1 where the conversation does."""
    if any(type(value) is int for value in folder.values(node)):
        return 1
    return max(1, _length(node, folder))
