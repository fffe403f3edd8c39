"""Where a template acts on words in a message or on the date, which is what a hidden trigger does: `Branches`.

Marks that templates look for, and the keys of messages and of their parts, are no words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from jinja2 import nodes

from freehold.weights.templates import allowed
from freehold.weights.templates.execution import Report
from freehold.weights.templates.fold import Folder, callee, names_in
from freehold.weights.templates.parse import walk

_WORDS = re.compile(r"[^\W\d_]{3,}")
# Switches that publishers document: what they do stands on the model's card.
_SWITCHES = frozenset({"detailed thinking on", "detailed thinking off"})
_MARKS = re.compile(r"[<>\[\]{}|/#*`_=~\\]")
_MESSAGE_TEXTS = frozenset({"content", "text"})
_FINDERS = frozenset(
    {
        "startswith",
        "endswith",
        "find",
        "index",
        "count",
        "rfind",
        "rindex",
        "split",
        "rsplit",
        "partition",
        "rpartition",
    }
    | {"replace", "removeprefix", "removesuffix"}
)


class Branches:
    """Conditions on what a message says, and on the date."""

    def __init__(self, tree: nodes.Template, folder: Folder) -> None:
        self._tree = tree
        self._folder = folder
        self._texts = self._spread(self._is_message_text)
        self._dates = self._spread(lambda node: isinstance(node, nodes.Call) and callee(node) == "strftime_now")

    def check(self, report: Report) -> None:
        for node, _ in walk(self._tree):
            for word in self._asked_for(node):
                report("template.branch.content", f"It asks whether a message says {word[:80]!r}.", node.lineno)
            if self._is_decision(node) and self._holds(node, self._dates):
                report("template.branch.date", "It compares the date.", node.lineno)

    def _is_decision(self, node: nodes.Node) -> bool:
        return (
            isinstance(node, nodes.Compare)
            or (isinstance(node, nodes.Test) and bool(node.args))
            or self._looked_up(node) is not None
        )

    def _looked_up(self, node: nodes.Node) -> tuple[nodes.Node, list[nodes.Pair]] | None:
        """What a dictionary of the template is asked for at `node`, and what that holds."""
        if isinstance(node, nodes.Getitem):
            holder, key = node.node, node.arg
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.args:
            holder, key = node.node.node, node.args[0]
            if node.node.attr != "get":
                return None
        else:
            return None
        found = [each for each in (holder, *self._folder.sources(holder)) if isinstance(each, nodes.Dict)]
        return (key, [pair for each in found for pair in each.items]) if found else None

    @staticmethod
    def _is_message_text(node: nodes.Node) -> bool:
        if isinstance(node, nodes.Getattr):
            return node.attr in _MESSAGE_TEXTS
        if isinstance(node, nodes.Filter) and node.name == "map":
            named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
            return any(isinstance(value, nodes.Const) and value.value in _MESSAGE_TEXTS for value in named)
        is_get = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "get"
        key = node.arg if isinstance(node, nodes.Getitem) else node.args[0] if is_get and node.args else None  # type: ignore[attr-defined]  # is_get says so
        return isinstance(key, nodes.Const) and key.value in _MESSAGE_TEXTS

    def _spread(self, begins: Callable[[nodes.Node], bool]) -> set[str]:
        """The names whose values come from expressions for which `begins` is true, through assignments and macros."""
        found: list[str] = []
        leads_to: dict[str, list[str]] = defaultdict(list)
        pairs = [(name, source) for name, sources in self._folder.assigned.items() for source in sources]
        pairs += [(name, node) for node, _ in walk(self._tree) for name, node in self._bound(node)]
        for name, source in pairs:
            for part, _ in walk(source):
                if begins(part):
                    found.append(name)
                elif (other := self._folder.name_of(part)) is not None:
                    leads_to[other].append(name)
        reached: set[str] = set()
        while found:
            name = found.pop()
            if name not in reached:
                reached.add(name)
                found += leads_to[name]
        return reached

    def _bound(self, node: nodes.Node) -> Iterator[tuple[str, nodes.Node]]:
        """What loops and macro calls give their variables."""
        if isinstance(node, nodes.For):
            yield from ((name, node.iter) for name in names_in(node.target))
        elif isinstance(node, nodes.Call) and (macro := self._folder.macros.get(callee(node) or "")) is not None:
            yield from ((argument.name, value) for argument, value in zip(macro.args, node.args, strict=False))
            yield from ((pair.key, pair.value) for pair in node.kwargs)

    def _holds(self, node: nodes.Node, names: set[str]) -> bool:
        return any(
            self._folder.name_of(part) in names or (isinstance(part, nodes.Call) and callee(part) == "strftime_now")
            for part, _ in walk(node)
        )

    def _is_text(self, node: nodes.Node | None) -> bool:
        if node is None:
            return False
        if isinstance(node, nodes.Filter | nodes.Getitem) and node.node is not None and self._is_text(node.node):
            return True
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and self._is_text(node.node.node):
            return True
        called = callee(node) if isinstance(node, nodes.Call) else None
        is_macro = called in self._folder.macros and any(
            self._is_text(argument) for argument in getattr(node, "args", ())
        )
        return self._is_message_text(node) or self._folder.name_of(node) in self._texts or is_macro

    def _asked_for(self, node: nodes.Node) -> Iterator[str]:
        """The words for which the text of a message is searched, or with which it is compared, at this node."""
        for expression in self._looked_for(node):
            for value in self._folder.values(expression):
                yield from (text for text in (value if isinstance(value, tuple) else (value,)) if _is_word(text))

    def _looked_for(self, node: nodes.Node) -> Iterator[nodes.Node]:
        asked = self._looked_up(node)
        if asked is not None and self._is_text(asked[0]):
            yield from (pair.key for pair in asked[1])
        elif isinstance(node, nodes.Compare):
            for operand in node.ops:
                if operand.op in {"in", "notin"} and self._is_text(operand.expr):
                    yield node.expr
                elif self._is_text(node.expr):
                    yield operand.expr
        elif isinstance(node, nodes.Test) and node.args:
            if self._is_text(node.node):
                yield from node.args
            elif node.name == "in" and self._is_text(node.args[0]):
                yield node.node
        elif isinstance(node, nodes.Filter) and node.node is not None:
            yield from self._filtered_for(node)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            yield from node.args if node.node.attr in _FINDERS and self._is_text(node.node.node) else ()

    def _filtered_for(self, node: nodes.Filter) -> Iterator[nodes.Node]:
        if node.name in {"selectattr", "rejectattr"}:
            if set(self._folder.texts(node.args[0] if node.args else None)) & _MESSAGE_TEXTS:
                yield from node.args[2:]
        elif node.name in {"select", "reject", "replace"} and self._is_text(node.node):
            yield from node.args


def _is_word(text: object) -> bool:
    """Words of a language, as against the marks that templates look for and the keys of messages."""
    if not isinstance(text, str) or text.strip().lower() in allowed.STRUCTURE | _SWITCHES:
        return False
    return bool(_WORDS.search(text)) and not _MARKS.search(text)
