"""Loops and macros of a template that nothing in a conversation brings to an end: `endless`.

Found are loops over a list that they add to, loops inside loops over one and the same thing, loops and macros that call
themselves with nothing that gets smaller. A macro that calls itself with a part of what it was given ends where that
does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from jinja2 import nodes

from freehold.weights.templates.fold import Folder, callee
from freehold.weights.templates.growth import reached
from freehold.weights.templates.parse import walk

MOST_OVER_ONE_THING = 2
_ADD = frozenset({"append", "extend", "insert"})
_Inside = tuple[nodes.For | nodes.Macro, ...]


def endless(tree: nodes.Template, folder: Folder) -> Iterator[int]:
    """The lines on which that happens."""
    leads_to: dict[str, set[str]] = defaultdict(set)
    calls: list[tuple[str, str, int]] = []
    waiting: list[tuple[nodes.Node, _Inside]] = [(tree, ())]
    while waiting:
        node, inside = waiting.pop()
        if isinstance(node, nodes.Call):
            if _feeds(node, inside, folder) or _goes_round(node, inside):
                yield node.lineno
            macro = next((outer for outer in reversed(inside) if isinstance(outer, nodes.Macro)), None)
            called = callee(node)
            if macro is not None and called in folder.macros and _stays(node, macro):
                leads_to[macro.name].add(str(called))
                calls.append((macro.name, str(called), node.lineno))
        elif isinstance(node, nodes.For | nodes.Macro):
            inside = (*inside, node)
            if isinstance(node, nodes.For) and _is_over_one_thing(node, inside, folder):
                yield node.lineno
        waiting += ((child, inside) for child in node.iter_child_nodes())
    for caller, called, line in calls:
        if caller == called or caller in reached(called, leads_to, folder):
            yield line


def _feeds(call: nodes.Call, inside: _Inside, folder: Folder) -> bool:
    """True for adding to the list that a loop around it is over."""
    if not isinstance(call.node, nodes.Getattr) or call.node.attr not in _ADD:
        return False
    fed = _roots(call.node.node, folder)
    return any(isinstance(outer, nodes.For) and fed & _roots(outer.iter, folder) for outer in inside)


def _roots(node: nodes.Node, folder: Folder) -> set[str]:
    """The names under which the thing called so may be known."""
    found: set[str] = set()
    waiting = [node]
    while waiting and folder.spend():
        part = waiting.pop()
        name = folder.name_of(part)
        if name is not None and name not in found:
            found.add(name)
            waiting += folder.sources(part)
    return found


def _goes_round(call: nodes.Call, inside: _Inside) -> bool:
    """True for a loop that goes into something else than a part of its own item."""
    is_recursive = any(isinstance(outer, nodes.For) and outer.recursive for outer in inside)
    whole = (nodes.Name, nodes.List, nodes.Const)
    return callee(call) == "loop" and is_recursive and any(isinstance(argument, whole) for argument in call.args)


def _is_over_one_thing(loop: nodes.For, inside: _Inside, folder: Folder) -> bool:
    name = folder.name_of(loop.iter)
    loops: Sequence[nodes.For] = [outer for outer in inside if isinstance(outer, nodes.For)]
    return name is not None and sum(folder.name_of(outer.iter) == name for outer in loops) > MOST_OVER_ONE_THING


def _stays(call: nodes.Call, macro: nodes.Macro) -> bool:
    """True where a macro calls with numbers, or with what it was given itself, and with no part of that."""
    own = {argument.name for argument in macro.args}
    given = [*call.args, *(pair.value for pair in call.kwargs)]
    return all(
        isinstance(part, nodes.Const | nodes.BinExpr | nodes.Neg) or (isinstance(part, nodes.Name) and part.name in own)
        for argument in given
        for part, _ in walk(argument)
    )
