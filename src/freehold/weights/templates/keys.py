"""Whether the keys by which a template looks things up are what they seem: texts that can be told, or plain data of
the conversation. Anything else could spell a way out of the sandbox: `Keys`.

A key that is put together has to be told whole, or to begin with a text that leads nowhere. A key that is taken as it
is from a message, a tool or a loop is the request's own and not the file's. Special tokens are the file's: whoever
wrote the template wrote them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jinja2 import nodes

from freehold.weights.templates import allowed
from freehold.weights.templates.fold import Folder, callee

_NUMBERS = frozenset({"abs", "count", "float", "int", "length", "round", "wordcount"})
_NUMBER_METHODS = frozenset({"count", "find", "index", "rfind", "rindex"})
_SAME_TEXT = frozenset({"capitalize", "e", "escape", "lower", "safe", "string", "title", "trim", "upper"})
_SAME_TEXT_METHODS = frozenset({"capitalize", "lower", "lstrip", "rstrip", "strip", "title", "upper"})
_PARTS = frozenset(
    {"batch", "d", "default", "dictsort", "first", "groupby", "items", "last", "list", "map", "max", "min", "reject"}
    | {"rejectattr", "reverse", "select", "selectattr", "slice", "sort", "unique"}
)
_PART_METHODS = frozenset({"copy", "get", "items", "keys", "pop", "values"})
_PIECE_METHODS = frozenset({"partition", "rpartition", "rsplit", "split", "splitlines"})
# Items of a loop, which may be those of a list in the template.
_NEIGHBORS = frozenset({"nextitem", "previtem"})
_ARITHMETIC = (nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Pow)
_Step = tuple[nodes.Node, bool]
_ANSWERS = (nodes.Compare, nodes.Test, nodes.Not)


def is_private(name: str) -> bool:
    """True for a name that leads out of a template."""
    return name.startswith("_") or name in allowed.UNSAFE_ATTRIBUTES


def _is_special(name: str) -> bool:
    """True for the names of special tokens, such as bos_token."""
    return name.endswith(("_token", "_tokens"))


class Keys:
    """The keys of one template."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._told: dict[int, bool] = {}

    def is_told(self, node: nodes.Node | None) -> bool:
        """True where `folder.values` has everything that `node` can come to."""
        if node is None:
            return False
        if id(node) not in self._told:
            self._told[id(node)] = False  # while it is being worked out
            known = self._folder.spend() and bool(self._folder.values(node)) and id(node) not in self._folder.cut
            self._told[id(node)] = known and all(map(self.is_told, self._needed(node)))
        return self._told[id(node)]

    def _needed(self, node: nodes.Node) -> Iterator[nodes.Node | None]:
        if isinstance(node, nodes.Name | nodes.NSRef):
            yield from self._folder.origins(node)
            yield from () if self._folder.origins(node) else (None,)
        elif isinstance(node, nodes.Call) and callee(node) is not None:
            yield from self._folder.sources(node) or (pair.value for pair in node.kwargs)
        elif isinstance(node, nodes.Getattr):
            yield from self._folder.origins(node) or (node.node,)
        else:
            yield from node.iter_child_nodes()

    def is_plain(self, key: nodes.Node) -> bool:
        """True where everything that `key` can come to is told, a number, or data of the conversation as it is."""
        seen: set[tuple[int, bool]] = set()
        waiting: list[_Step] = [(key, True)]
        while waiting:
            part, is_key = waiting.pop()
            if (id(part), is_key) in seen:
                continue
            seen.add((id(part), is_key))
            if not self._folder.spend():
                return False
            if self.is_told(part) or self._is_number(part):
                continue
            led = self._leads(part) if is_key else self._holds(part)
            if led is None:
                return False
            waiting += led
        return True

    def _leads(self, part: nodes.Node) -> Sequence[_Step] | None:
        """What the key `part` is taken from: (expression, whether that is the key itself); None where it is made."""
        origins = self._origins(part)
        if origins is not None:
            return origins
        if isinstance(part, nodes.CondExpr):
            return [(branch, True) for branch in (part.expr1, part.expr2) if branch is not None]
        if isinstance(part, nodes.And | nodes.Or):
            return [(part.left, True), (part.right, True)]
        if isinstance(part, nodes.Concat | nodes.Add):
            return [] if self._begins_harmless(part) else None
        if isinstance(part, nodes.Getitem):
            is_special = any(map(_is_special, self._folder.texts(part.arg)))
            return None if is_special or isinstance(part.arg, nodes.Slice) else [(part.node, False)]
        if isinstance(part, nodes.Getattr):
            return None if _is_special(part.attr) or part.attr in _NEIGHBORS else [(part.node, False)]
        if isinstance(part, nodes.Filter) and part.node is not None:
            if part.name in _SAME_TEXT:
                return [(part.node, True)]
            return self._parts(part.node, part.args) if part.name in _PARTS else None
        if isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr):
            if part.node.attr in _SAME_TEXT_METHODS:
                return [(part.node.node, True)]
            return self._parts(part.node.node, part.args) if part.node.attr in _PART_METHODS else None
        if isinstance(part, nodes.Call) and callee(part) == "strftime_now" and all(map(self.is_told, part.args)):
            # The date, in a form that writes no underscore of its own.
            return None if any("_" in text for given in part.args for text in self._folder.texts(given)) else []
        return [] if isinstance(part, nodes.List | nodes.Tuple | nodes.Dict) else None

    def _holds(self, part: nodes.Node) -> Sequence[_Step] | None:
        """What a key can be that is taken out of `part`."""
        if isinstance(part, nodes.Dict):
            return [(pair.value, True) for pair in part.items] + [(pair.key, True) for pair in part.items]
        if isinstance(part, nodes.List | nodes.Tuple):
            return [(item, True) for item in part.items]
        if isinstance(part, nodes.Getitem):
            return [(part.node, False)]
        if isinstance(part, nodes.Add):
            return [(part.left, False), (part.right, False)]
        if isinstance(part, nodes.Call) and callee(part) in {"range", "namespace", "dict"}:
            return [(pair.value, True) for pair in part.kwargs]
        if isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr) and part.node.attr in _PIECE_METHODS:
            return [(part.node.node, True)]
        led = self._leads(part)
        return None if led is None else [(inner, False) for inner, _ in led]

    def _origins(self, part: nodes.Node) -> list[_Step] | None:
        """Everything that the name `part` was ever given; none of what a request brings; None for what is no name."""
        if isinstance(part, nodes.Call):
            return None
        found = [(source, True) for source in self._folder.sources(part)]
        found += [(iterated, False) for iterated in self._folder.looped(part)]
        if found:
            return found
        if isinstance(part, nodes.Name):
            return None if _is_special(part.name) else []
        return None

    def _parts(self, whole: nodes.Node, others: list[nodes.Expr]) -> list[_Step]:
        return [(whole, False), *((other, True) for other in others)]

    def _begins_harmless(self, part: nodes.Concat | nodes.Add) -> bool:
        first = part.nodes[0] if isinstance(part, nodes.Concat) else part.left
        beginnings = [text.strip() for text in self._folder.texts(first)]
        if not beginnings or not self.is_told(first):
            return False
        return not any(
            not text or is_private(text) or any(name.startswith(text) for name in allowed.UNSAFE_ATTRIBUTES)
            for text in beginnings
        )

    def _is_number(self, part: nodes.Node) -> bool:
        if isinstance(part, nodes.Const):
            return not isinstance(part.value, str)
        if isinstance(part, (*_ARITHMETIC, *_ANSWERS)):
            return True
        if isinstance(part, nodes.Add):
            return self._is_number(part.left) or self._is_number(part.right)
        if isinstance(part, nodes.Mul | nodes.Mod):
            return self._is_number(part.left) and self._is_number(part.right)
        if isinstance(part, nodes.Filter):
            return part.name in _NUMBERS
        if isinstance(part, nodes.Getattr):
            return isinstance(part.node, nodes.Name) and part.node.name == "loop" and part.attr not in _NEIGHBORS
        return (
            isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr) and part.node.attr in _NUMBER_METHODS
        )
