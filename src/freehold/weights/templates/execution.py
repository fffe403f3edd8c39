"""What a template could do to the program that renders it: names that lead out of the sandbox, calls, other templates.

Every name is looked at after folding, so that `'__cla' ~ 'ss__'` is found like `__class__`. What is known to be needed
is allowed by name (`allowed`), everything else that calls is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from jinja2 import nodes

from freehold.weights.templates import allowed
from freehold.weights.templates.fold import Folder, callee
from freehold.weights.templates.keys import Keys, is_private
from freehold.weights.templates.parse import walk

Report = Callable[[str, str, int], None]
"""Called with a check's name, a message and the line."""

_MAGIC = re.compile(
    r"__(class|mro|bases?|subclasses|globals|builtins|init|import|dict|code|closure|self|getattribute|reduce|reduce_ex"
    r"|module|loader|func|call|new|doc|name|enter|exit|spec|wrapped|getitem|getattr|eq|str|repr|del)__"
)
_FIELD = re.compile(r"\{[^{}]*[.\[][^{}]*\}")
_STATEMENTS: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
    nodes.Block: "block",
}
_MAKE_TEXT = frozenset({"string", "e", "escape", "forceescape", "safe"})


def check_execution(tree: nodes.Template, folder: Folder, report: Report) -> None:
    """Report every way in which the template could reach further than the conversation."""
    keys = Keys(folder)
    for node, parent in walk(tree):
        for check, message in _look(node, parent, folder, keys):
            report(check, message, node.lineno)


def _look(node: nodes.Node, parent: nodes.Node | None, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    if isinstance(node, nodes.Getattr):
        yield from _attribute(node, folder)
    elif isinstance(node, nodes.Getitem):
        yield from _subscript(node, folder, keys)
    elif isinstance(node, nodes.Filter):
        yield from _filter(node, folder, keys)
    elif isinstance(node, nodes.Test):
        if node.name not in allowed.TESTS:
            yield "template.unknown", f"It uses the test {node.name!r}."
    elif isinstance(node, nodes.Call):
        yield from _call(node, folder, keys)
    elif isinstance(node, nodes.Name):
        yield from _name(node, parent, folder)
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, str) and _MAGIC.search(node.value):
            yield "template.exec.private", f"It holds the text {node.value[:60]!r}."
    elif isinstance(node, nodes.Keyword | nodes.Macro | nodes.NSRef):
        name = {nodes.Keyword: "key", nodes.Macro: "name", nodes.NSRef: "attr"}[type(node)]
        if getattr(node, name).startswith("__"):
            yield "template.exec.private", f"It names something {getattr(node, name)!r}."
    elif type(node) in _STATEMENTS:
        yield (
            "template.exec.load",
            f"It uses {{% {_STATEMENTS[type(node)]} %}}, which is for templates of several files.",
        )
    elif isinstance(node, nodes.Concat | nodes.Add) and any(_is_object(p, folder) for p in node.iter_child_nodes()):
        yield "template.exec.object", "It joins a function or a generator to a text."


def _attribute(node: nodes.Getattr, folder: Folder) -> Iterator[tuple[str, str]]:
    own = folder.name_of(node) in folder.assigned and not node.attr.startswith("__")
    if is_private(node.attr) and not own:
        yield "template.exec.private", f"It reaches for the attribute {node.attr!r}."


def _subscript(node: nodes.Getitem, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    for text in folder.texts(node.arg):
        if is_private(text):
            yield "template.exec.private", f"It reaches for the name {text[:60]!r}."
            return
    if not isinstance(node.arg, nodes.Slice) and not keys.is_plain(node.arg):
        yield "template.exec.computed", "It puts together a name that cannot be told beforehand."


def _filter(node: nodes.Filter, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    if node.name == "attr":
        yield "template.exec.attribute", "It uses the filter 'attr'."
    elif node.name not in allowed.FILTERS:
        yield "template.unknown", f"It uses the filter {node.name!r}."
    if node.name in _MAKE_TEXT and node.node is not None and _is_object(node.node, folder):
        yield "template.exec.object", "It makes a text of a function or a generator."
    if node.name in allowed.ATTRIBUTE_FILTERS:
        yield from _attribute_filter(node, folder, keys)


def _attribute_filter(node: nodes.Filter, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield "template.exec.attribute", f"It gives the filter {node.name!r} arguments that cannot be told."
    named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    if node.name in allowed.FIRST_IS_ATTRIBUTE:
        named += node.args[:1]
    elif node.name == "map" and node.args:
        yield from _mapped(node, folder, keys)
    elif node.name in {"min", "max", "unique", "sort", "join"}:
        named += node.args[1:]
    for argument in named:
        names = [part for text in folder.texts(argument) for part in re.split("[.,]", text)]
        if any(map(is_private, names)) or not keys.is_told(argument):
            yield "template.exec.attribute", f"It reaches for an attribute through the filter {node.name!r}."


def _mapped(node: nodes.Filter, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    """The filter that 'map' applies is looked at as if it stood by itself."""
    inner = folder.texts(node.args[0])
    if not keys.is_told(node.args[0]) or not set(inner) <= allowed.FILTERS:
        yield "template.exec.attribute", "It applies a filter through 'map' that cannot be told, or is not known."
    for name in allowed.ATTRIBUTE_FILTERS.intersection(inner):
        applied = nodes.Filter(None, name, node.args[1:], node.kwargs, node.dyn_args, node.dyn_kwargs)
        yield from _attribute_filter(applied, folder, keys)


def _is_generator(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Filter) and node.name in allowed.GENERATORS


def _is_object(node: nodes.Node, folder: Folder) -> bool:
    """True for a generator, a function and a dictionary's view: their texts spell names of Python's."""
    if isinstance(node, nodes.Name):
        return node.name in folder.macros or (node.name in allowed.FUNCTIONS and node.name not in folder.local)
    is_view = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and not node.args
    if is_view and node.node.attr in {"items", "keys", "values"}:  # type: ignore[attr-defined]  # is_view says so
        return True
    return _is_generator(node)


def _call(node: nodes.Call, folder: Folder, keys: Keys) -> Iterator[tuple[str, str]]:
    target = node.node
    if isinstance(target, nodes.Name):
        known = target.name in folder.macros or target.name in allowed.FUNCTIONS or target.name in {"caller", "loop"}
        if not known and target.name not in allowed.OBJECTS:
            yield "template.exec.call", f"It calls {target.name!r}, which no chat template needs."
        return
    if isinstance(target, nodes.Getattr):
        names: tuple[str, ...] = (target.attr,)
        if isinstance(target.node, nodes.Name) and target.node.name == "loop" and target.attr in allowed.LOOP_METHODS:
            return
    else:
        is_told = isinstance(target, nodes.Getitem) and keys.is_told(target.arg)
        names = folder.texts(target.arg) if is_told else ()  # type: ignore[attr-defined]  # is_told says so
    if any(is_private(name) for name in names):
        return  # reported where the name is reached for
    if not names or not set(names) <= allowed.METHODS:
        yield "template.exec.call", f"It calls {', '.join(names) or 'something that cannot be told'}."
    elif {"format", "format_map"} & set(names) and isinstance(target, nodes.Getattr | nodes.Getitem):
        patterns = folder.texts(target.node)
        if not keys.is_told(target.node) or any(_FIELD.search(pattern) for pattern in patterns):
            yield "template.exec.format", "It formats a text whose fields could reach into objects."


def _name(node: nodes.Name, parent: nodes.Node | None, folder: Folder) -> Iterator[tuple[str, str]]:
    if node.name.startswith("__"):
        yield "template.exec.private", f"It names something {node.name!r}."
    elif node.ctx == "load" and node.name not in folder.local:
        is_asked = isinstance(parent, nodes.Test)
        if node.name in allowed.OBJECTS and not is_asked:
            yield "template.exec.name", f"It uses {node.name!r}."
        is_used = is_asked or (isinstance(parent, nodes.Call) and callee(parent) == node.name)
        if node.name in allowed.FUNCTIONS and not is_used and isinstance(parent, nodes.Getattr | nodes.Getitem):
            yield "template.exec.object", f"It takes the function {node.name!r} apart."
