"""Texts and lists of a template that could double with every round of a loop: `doublings`.

A value grows by a part of itself where what it is given is made of itself twice or more, directly, through other names,
a block, a macro, or a filter that makes more of its text. One that a loop adds something else to each time does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jinja2 import nodes

from freehold.weights.templates.fold import Folder, callee, written
from freehold.weights.templates.parse import walk

_FILL = frozenset({"append", "extend", "insert", "setdefault", "update"})
# What makes more of a text than goes in: escapes, separators between its letters, fields filled twice.
_MULTIPLY = frozenset({"format", "indent", "join", "tojson", "urlencode"})


class _Step(NamedTuple):
    """In one round, `target` is given something made of `source`, `times` times."""

    target: str
    value: nodes.Node
    line: int


def doublings(tree: nodes.Template, folder: Folder) -> Iterator[int]:
    """The lines inside loops and macros on which something is joined to itself."""
    steps = list(_steps(tree, folder))
    targets = {step.target for step in steps}
    made_of = [_made_of(step, targets, folder) for step in steps]
    leads_to: dict[str, set[str]] = defaultdict(set)
    for step, sources in zip(steps, made_of, strict=True):
        for name in sources:
            leads_to[name].add(step.target)
    for step, sources in zip(steps, made_of, strict=True):
        if sum(sources.values()) >= 2:
            circle = reached(step.target, leads_to, folder)
            if sum(times for name, times in sources.items() if name in circle) >= 2:
                yield step.line


def _made_of(step: _Step, targets: set[str], folder: Folder) -> dict[str, int]:
    """How often each of the names `targets` goes into what is given to another one."""
    inside = {folder.name_of(part) for part, _ in walk(step.value)}
    return {name: times for name in targets & inside if (times := _times(step.value, name, folder)) > 0}


def reached(name: str, leads_to: Mapping[str, set[str]], folder: Folder) -> set[str]:
    """Every name to which a way leads from `name`, which is one of them where it leads in a circle."""
    found: set[str] = set()
    waiting = [name]
    while waiting and folder.spend():
        others = leads_to.get(waiting.pop(), set()) - found
        found |= others
        waiting += others
    return found


def _steps(tree: nodes.Template, folder: Folder) -> Iterator[_Step]:
    waiting: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while waiting:
        node, repeated = waiting.pop()
        if repeated:
            yield from _step(node, folder)
        repeated = repeated or isinstance(node, nodes.For | nodes.Macro)
        waiting += ((child, repeated) for child in node.iter_child_nodes())


def _step(node: nodes.Node, folder: Folder) -> Iterator[_Step]:
    if isinstance(node, nodes.Assign | nodes.AssignBlock):
        name = folder.name_of(node.target)
        value = node.node if isinstance(node, nodes.Assign) else written(node.body)
        if name is not None and not isinstance(value, nodes.Const):
            yield _Step(name, value, node.lineno)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _FILL:
        name = folder.name_of(node.node.node)
        if name is not None:
            yield _Step(name, nodes.List([node.node.node, *node.args]), node.lineno)


def _times(node: nodes.Node, name: str, folder: Folder) -> int:
    """How often the thing called `name` goes into the text or list that `node` makes."""
    if not folder.spend():
        return 0
    if folder.name_of(node) == name:
        return 1
    if isinstance(node, nodes.Mul):
        grows = any(isinstance(value, str | tuple) for part in (node.left, node.right) for value in folder.values(part))
        return 2 * _sum((node.left, node.right), name, folder) if grows else 0
    if isinstance(node, nodes.Add) and not _is_text(name, folder):
        return 0
    if isinstance(node, nodes.Call):
        return _times_in_call(node, name, folder)
    if isinstance(node, nodes.Filter | nodes.Mod):
        inside = _sum(list(node.iter_child_nodes()), name, folder)
        return 2 * inside if "." in name and _multiplies(node, folder) else inside
    if isinstance(node, nodes.CondExpr):
        return max(
            (_times(branch, name, folder) for branch in (node.expr1, node.expr2) if branch is not None), default=0
        )
    if isinstance(node, nodes.Concat | nodes.Add | nodes.List | nodes.Tuple | nodes.Dict | nodes.Pair):
        return _sum(list(node.iter_child_nodes()), name, folder)
    return 0


def _sum(parts: Sequence[nodes.Node], name: str, folder: Folder) -> int:
    return sum(_times(part, name, folder) for part in parts)


def _times_in_call(node: nodes.Call, name: str, folder: Folder) -> int:
    macro = folder.macros.get(callee(node) or "")
    if macro is not None:
        body = written(macro.body)
        given = zip(macro.args, node.args, strict=False)
        return sum(
            times * max(1, _uses(body, argument.name, folder))
            for argument, value in given
            if (times := _times(value, name, folder))
        )
    if not isinstance(node.node, nodes.Getattr):
        return 0
    inside = _sum((node.node.node, *node.args), name, folder)
    grows = "." in name and (node.node.attr in _MULTIPLY or _replaces_by_more(node.node.attr, node.args, folder))
    return 2 * inside if grows else inside


def _uses(body: nodes.Node, name: str, folder: Folder) -> int:
    waiting, found = [body], 0
    while waiting and folder.spend():
        part = waiting.pop()
        found += isinstance(part, nodes.Name) and part.name == name
        waiting += part.iter_child_nodes()
    return found


def _multiplies(node: nodes.Filter | nodes.Mod, folder: Folder) -> bool:
    if isinstance(node, nodes.Mod):
        return False  # what it is given counts as often as it is given
    return node.name in _MULTIPLY or _replaces_by_more(node.name, node.args, folder)


def _replaces_by_more(name: str, arguments: Sequence[nodes.Node], folder: Folder) -> bool:
    """True for a replacing that can make a text longer."""
    if name != "replace" or len(arguments) < 2:
        return False
    old, new = folder.texts(arguments[0]), folder.texts(arguments[1])
    return not old or not new or max(map(len, new)) > min(map(len, old))


def _is_text(name: str, folder: Folder) -> bool:
    """True unless every value it was ever given from constants is a number."""
    values = [value for source in folder.assigned.get(name, ()) for value in folder.values(source)]
    return not values or any(not isinstance(value, int | float) for value in values)
