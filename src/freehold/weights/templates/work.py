"""How much a template could make its renderer do: counting, nested loops, repetition, doubling.

What depends on the conversation is taken as one step: that is bounded by the request and not by the file. A macro that
calls itself is counted once; a sandbox needs limits of its own for what no reading can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jinja2 import nodes

from freehold.weights.templates.execution import Report
from freehold.weights.templates.fold import Folder, callee
from freehold.weights.templates.parse import walk

LARGEST_COUNT = 10_000
LARGEST_TEXT = 1_000_000
MOST_ROUNDS = 100_000
DEEPEST_LOOPS = 8
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
    for line in _doublings(tree, folder):
        report("template.work.growth", "It appends a text to itself in a loop.", line)
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
        return any(_has_long_digits(text) for text in folder.texts(node.left))
    if isinstance(node, nodes.Filter):
        wide = node.name in _PADDING and _largest(_given(node), folder) > LARGEST_COUNT
        return wide or (node.name == "format" and any(_has_long_digits(text) for text in folder.texts(node.node)))
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        if node.node.attr == "format":
            return any(_has_long_digits(text) for text in folder.texts(node.node.node))
        return node.node.attr in _PADDING and _largest(_given(node), folder) > LARGEST_COUNT
    return False


def _given(node: nodes.Filter | nodes.Call) -> Sequence[nodes.Node]:
    return [*node.args, *(pair.value for pair in node.kwargs)]


def _has_long_digits(text: str) -> bool:
    run = 0
    for character in text:
        run = run + 1 if character.isdigit() else 0
        if run > 4:
            return True
    return False


def _length(node: nodes.Node, folder: Folder, known: dict[int, int] | None = None) -> int:
    """A bound of how long a repeated thing becomes: 1 for what is unknown. `known` are those worked out before."""
    known = {} if known is None else known
    if id(node) in known or not folder.spend():
        return known.get(id(node), 1)
    known[id(node)] = 1  # while it is being worked out
    values = folder.values(node)
    if isinstance(node, nodes.Mul):
        found = _length(node.left, folder, known) * _length(node.right, folder, known)
    elif isinstance(node, nodes.Concat | nodes.Add | nodes.List | nodes.Tuple) and not values:
        found = sum(_length(part, folder, known) for part in node.iter_child_nodes())
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
    if isinstance(node, nodes.Call) and callee(node) == "range":
        return max(1, _largest(node.args, folder))
    return max((len(value) for value in folder.values(node) if isinstance(value, str | tuple)), default=1)


def _doublings(tree: nodes.Template, folder: Folder) -> Iterator[int]:
    """The lines inside loops and macros on which something is joined to itself."""
    waiting: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while waiting:
        node, repeated = waiting.pop()
        name = folder.name_of(node.target) if repeated and isinstance(node, nodes.Assign) else None
        if name is not None and isinstance(node, nodes.Assign) and _times_in(node.node, name, folder) >= 2:
            yield node.lineno
        repeated = repeated or isinstance(node, nodes.For | nodes.Macro)
        waiting += ((child, repeated) for child in node.iter_child_nodes())


def _times_in(node: nodes.Node, name: str, folder: Folder) -> int:
    """How often the thing called `name` goes into the text or list that `node` makes."""
    if folder.name_of(node) == name:
        return 1
    if isinstance(node, nodes.Mul):
        grows = any(isinstance(value, str | tuple) for part in (node.left, node.right) for value in folder.values(part))
        return 2 * sum(_times_in(part, name, folder) for part in (node.left, node.right)) if grows else 0
    if isinstance(node, nodes.Add) and not _is_text(name, folder):
        return 0
    if isinstance(node, nodes.Concat | nodes.Add | nodes.List | nodes.Tuple | nodes.Filter):
        return sum(_times_in(part, name, folder) for part in node.iter_child_nodes())
    return 0


def _is_text(name: str, folder: Folder) -> bool:
    """True unless every value it was ever given from constants is a number."""
    values = [value for source in folder.assigned.get(name, ()) for value in folder.values(source)]
    return not values or any(not isinstance(value, int | float) for value in values)
