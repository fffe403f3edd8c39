"""Works out which texts and numbers an expression of a template can come to, without evaluating it: `Folder`.

It follows names through every assignment, in whatever order they would run, so it may find values that never occur; it
never misses one that only constants, joining, slicing and the listed filters lead to. What depends on messages is
unknown: an empty set. Sets, lengths and steps are bounded: `cut` are the nodes (by id) that can come to more than is
kept, `exhausted` says that steps or memory ran out.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jinja2 import nodes

from freehold.weights.templates.operations import (
    attempt,
    called,
    filtered,
    hashable,
    is_small,
    joined,
    operate,
    weight,
)
from freehold.weights.templates.parse import walk

MOST_VALUES = 64
MOST_STEPS = 100_000
MOST_KEPT_CHARACTERS = 1_000_000

Values = tuple[Any, ...]
"""Texts, numbers and tuples of them; empty for unknown."""

_FILL = frozenset({"append", "extend", "insert", "setdefault", "update"})
_TEXT_METHODS = frozenset(
    {"lower", "upper", "capitalize", "title", "strip", "lstrip", "rstrip", "swapcase", "replace", "removeprefix"}
    | {"removesuffix", "split", "join"}
)


class Folder:
    """The values of one template's expressions."""

    def __init__(self, tree: nodes.Template) -> None:
        self.macros: dict[str, nodes.Macro] = {}
        self.assigned: dict[str, list[nodes.Node]] = defaultdict(list)
        self.local: set[str] = set()
        self.exhausted = False
        self.cut: set[int] = set()
        self._bodies: dict[str, nodes.Node] = {}
        self._known: dict[int, Values] = {}
        self._steps = MOST_STEPS
        self._characters = MOST_KEPT_CHARACTERS
        self._flows: dict[str, list[nodes.Node]] = defaultdict(list)
        every = [node for node, _ in walk(tree)]
        calls = [node for node in every if isinstance(node, nodes.Call) and callee(node) == "caller"]
        given = [argument for call in calls for argument in (*call.args, *(pair.value for pair in call.kwargs))]
        self._given_to_caller = nodes.Tuple(given, "load")
        for node in every:
            self._note(node)
        for node in every:
            self._note_call(node)

    def _note(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Assign):
            self._bind(node.target, node.node)
        elif isinstance(node, nodes.AssignBlock):
            self._bind(node.target, _filtered_by(node.filter, written(node.body)))
        elif isinstance(node, nodes.With):
            for target, value in zip(node.targets, node.values, strict=True):
                self._bind(target, value)
        elif isinstance(node, nodes.For):
            items: Sequence[nodes.Node] = node.iter.items if isinstance(node.iter, nodes.List | nodes.Tuple) else ()
            for item in items or (None,):
                self._bind(node.target, item)
            for name in names_in(node.target):
                self._flows[name].append(node.iter)
        elif isinstance(node, nodes.Macro | nodes.CallBlock):
            if isinstance(node, nodes.Macro):
                self.macros[node.name] = node
                self._bodies[node.name] = written(node.body)
            for argument, default in itertools.zip_longest(reversed(node.args), reversed(node.defaults)):
                self._bind(argument, default)

    def _note_call(self, node: nodes.Node) -> None:
        """Bind what a call of a macro gives it, and what a call block writes for it."""
        if isinstance(node, nodes.CallBlock):
            self.assigned["caller()"].append(written(node.body))
            for argument in node.args:
                self._flows[argument.name].append(self._given_to_caller)
        elif isinstance(node, nodes.Call) and (macro := self.macros.get(callee(node) or "")) is not None:
            for argument, value in zip(macro.args, node.args, strict=False):
                self.assigned[argument.name].append(value)
            for pair in node.kwargs:
                self.assigned[pair.key].append(pair.value)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _FILL:
            filled = self.name_of(node.node.node)
            if filled is not None and filled in self.assigned:
                # In a list of its own, except where the items of another go into it.
                given = node.args if node.node.attr in {"extend", "update"} else [nodes.List(node.args)]
                self.assigned[filled] += given

    def _bind(self, target: nodes.Node, value: nodes.Node | None) -> None:
        if isinstance(target, nodes.Tuple):
            values: Iterable[Any] = value.items if isinstance(value, nodes.Tuple | nodes.List) else ()
            for inner, item in itertools.zip_longest(target.items, values):
                if inner is not None:
                    self._bind(inner, item)
            if value is not None and not values:
                for name in names_in(target):
                    self._flows[name].append(value)
            return
        name = f"{target.name}.{target.attr}" if isinstance(target, nodes.NSRef) else getattr(target, "name", "")
        self.local.add(name)
        if value is not None:
            self.assigned[name].append(value)
        if isinstance(value, nodes.Call) and callee(value) == "namespace":
            for pair in value.kwargs:
                self.assigned[f"{name}.{pair.key}"].append(pair.value)

    def values(self, node: nodes.Node | None) -> Values:
        """What `node` can come to, as far as constants decide it; empty where they do not."""
        if node is None:
            return ()
        if id(node) not in self._known:
            self._known[id(node)] = ()  # while it is being worked out: a name that leads to itself is unknown
            if self.spend() and self._characters >= 0:
                found = (hashable(value) for value in self._find(node) if is_small(value))
                kept = tuple(dict.fromkeys(itertools.islice(found, MOST_VALUES + 1)))
                if len(kept) > MOST_VALUES:
                    self.cut.add(id(node))
                self._characters -= sum(weight(value) for value in kept if isinstance(value, str | tuple))
                self._known[id(node)] = kept
        return self._known[id(node)]

    def spend(self) -> bool:
        """Take one step; False, and `exhausted` from then on, where there is none left."""
        self._steps -= 1
        self.exhausted = self.exhausted or self._steps < 0 or self._characters < 0
        return not self.exhausted

    def texts(self, node: nodes.Node | None) -> tuple[str, ...]:
        return tuple(value for value in self.values(node) if isinstance(value, str))

    def numbers(self, node: nodes.Node | None) -> tuple[int, ...]:
        return tuple(value for value in self.values(node) if type(value) is int)

    def name_of(self, node: nodes.Node) -> str | None:
        """The name under which `node` was assigned: a variable's, or `namespace.attribute`."""
        if isinstance(node, nodes.Name):
            return node.name
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            return f"{node.node.name}.{node.attr}"
        if isinstance(node, nodes.NSRef):
            return f"{node.name}.{node.attr}"
        return None

    def sources(self, node: nodes.Node) -> Sequence[nodes.Node]:
        """The expressions that a name was ever given, or the body of the macro it calls; empty for anything else."""
        if isinstance(node, nodes.Call):
            body = self._bodies.get(callee(node) or "")
            return (body,) if body is not None else self.assigned.get(f"{callee(node)}()", ())
        name = self.name_of(node)
        return self.assigned.get(name, ()) if name is not None else ()

    def origins(self, node: nodes.Node) -> Sequence[nodes.Node]:
        """As `sources`, and the things that a loop takes a name's values out of."""
        return (*self.sources(node), *self.looped(node))

    def looped(self, node: nodes.Node) -> Sequence[nodes.Node]:
        """The things that loops take the values of a name out of."""
        return self._flows.get(self.name_of(node) or "", ())

    def _find(self, node: nodes.Node) -> Iterable[Any]:
        if isinstance(node, nodes.Const):
            return (node.value,)
        if isinstance(node, nodes.TemplateData):
            return (node.data,)
        if isinstance(node, nodes.List | nodes.Tuple):
            return self._product(node.items, lambda *items: items)
        if isinstance(node, nodes.Concat):
            return self._product(node.nodes, lambda *items: joined("", items))
        if isinstance(node, nodes.CondExpr):
            return (*self.values(node.expr1), *self.values(node.expr2))
        if isinstance(node, nodes.Or | nodes.And):
            return (*self.values(node.left), *self.values(node.right))
        if isinstance(node, nodes.BinExpr):
            return self._product((node.left, node.right), lambda left, right: operate(node, left, right))
        if isinstance(node, nodes.Neg):
            return (-value for value in self.values(node.node) if type(value) is int)
        if isinstance(node, nodes.Getitem):
            return self._item(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        sources = self.sources(node)
        if sources or not isinstance(node, nodes.Call):
            return itertools.chain.from_iterable(self.values(source) for source in sources)
        return self._call(node)

    def _product(self, parts: Sequence[nodes.Node], combine: Callable[..., Any]) -> Iterable[Any]:
        every = itertools.islice(itertools.product(*(self.values(part) for part in parts)), MOST_VALUES + 1)
        return (value for items in every if (value := attempt(combine, *items)) is not None)

    def _item(self, node: nodes.Getitem) -> Iterable[Any]:
        if isinstance(node.arg, nodes.Slice):
            bounds = [self.values(part) or (None,) for part in (node.arg.start, node.arg.stop, node.arg.step)]
            where: Iterable[Any] = (slice(*item) for item in itertools.product(*bounds))
        else:
            where = self.values(node.arg)
        pairs = itertools.islice(itertools.product(self.values(node.node), where), MOST_VALUES + 1)
        return (found for value, at in pairs if (found := attempt(lambda v, a: v[a], value, at)) is not None)

    def _filter(self, node: nodes.Filter) -> Iterable[Any]:
        before, arguments = self.values(node.node), [self.values(argument) for argument in node.args]
        if node.name in {"default", "d"}:
            return (*before, *(arguments[0] if arguments else ()))
        if node.name == "random":
            return (item for value in before if isinstance(value, str | tuple) for item in value)
        every = itertools.islice(itertools.product(before, *arguments), MOST_VALUES + 1)
        return (found for items in every if (found := attempt(filtered, node.name, *items)) is not None)

    def _call(self, node: nodes.Call) -> Iterable[Any]:
        if callee(node) == "dict":
            return (tuple(pair.key for pair in node.kwargs),)
        if not isinstance(node.node, nodes.Getattr) or node.node.attr not in _TEXT_METHODS:
            return ()
        name = node.node.attr
        return self._product(
            (node.node.node, *node.args),
            lambda value, *rest: called(name, value, *rest) if isinstance(value, str) else None,
        )


def names_in(target: nodes.Node) -> Iterator[str]:
    """The names that a loop or an assignment gives values to."""
    if isinstance(target, nodes.Name):
        yield target.name
    yield from (name.name for name in target.find_all(nodes.Name))


def callee(node: nodes.Call) -> str | None:
    return node.node.name if isinstance(node.node, nodes.Name) else None


def written(body: Sequence[nodes.Node]) -> nodes.Expr:
    """What a macro, a set block or a call block writes, as an expression: every output in turn, one branch of each
    condition, one round of each loop."""
    parts: list[nodes.Expr] = []
    for node in body:
        if isinstance(node, nodes.Output):
            parts += node.nodes
        elif isinstance(node, nodes.If):
            others = [written(branch.body) for branch in node.elif_] + [written(node.else_)]
            choice: nodes.Expr = written(node.body)
            for other in others:
                choice = nodes.CondExpr(node.test, choice, other)
            parts.append(choice)
        elif isinstance(node, nodes.FilterBlock):
            parts.append(_filtered_by(node.filter, written(node.body)))
        elif isinstance(node, nodes.For | nodes.With | nodes.Scope | nodes.CallBlock):
            parts.append(written(node.body))
    return nodes.Concat(parts)


def _filtered_by(chain: nodes.Filter | None, inner: nodes.Expr) -> nodes.Expr:
    """`inner` under the filters of a block, whose innermost has no operand of its own."""
    if chain is None:
        return inner
    under = _filtered_by(chain.node, inner) if isinstance(chain.node, nodes.Filter) else inner
    return nodes.Filter(under, chain.name, chain.args, chain.kwargs, chain.dyn_args, chain.dyn_kwargs)
