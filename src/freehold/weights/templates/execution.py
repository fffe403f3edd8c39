"""What a template could do to the program that renders it: names that lead out of the sandbox, calls, other templates.

Every name is looked at after folding, so that `'__cla' ~ 'ss__'` is found like `__class__`. What is known to be needed
is allowed by name (`allowed`), everything else that calls is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from jinja2 import nodes

from freehold.weights.templates import allowed
from freehold.weights.templates.fold import Folder, callee
from freehold.weights.templates.parse import walk

Report = Callable[[str, str, int], None]
"""Called with a check's name, a message and the line."""

_MAGIC = re.compile(
    r"__(class|mro|bases?|subclasses|globals|builtins|init|import|dict|code|closure|self|getattribute|reduce|reduce_ex"
    r"|module|loader|func|call|new|doc|name|enter|exit|spec|wrapped|getitem|getattr|eq|str|repr|del)__"
)
_PIECES = re.compile(r"_|class|mro|base|globals|builtins|subclass|init|import|popen|eval|exec|getattr|\\|%|&#")
_FIELD = re.compile(r"\{[^{}]*[.\[][^{}]*\}")
_MAKE_TEXT = frozenset({"string", "e", "escape", "forceescape", "safe"})


def check_execution(tree: nodes.Template, folder: Folder, report: Report) -> None:
    """Report every way in which the template could reach further than the conversation."""
    for node, parent in walk(tree):
        for check, message in _look(node, parent, folder):
            report(check, message, node.lineno)


def _look(node: nodes.Node, parent: nodes.Node | None, folder: Folder) -> Iterator[tuple[str, str]]:
    if isinstance(node, nodes.Getattr):
        yield from _attribute(node, folder)
    elif isinstance(node, nodes.Getitem):
        yield from _subscript(node, folder)
    elif isinstance(node, nodes.Filter):
        yield from _filter(node, folder)
    elif isinstance(node, nodes.Test):
        if node.name not in allowed.TESTS:
            yield "template.unknown", f"It uses the test {node.name!r}."
    elif isinstance(node, nodes.Call):
        yield from _call(node, folder)
    elif isinstance(node, nodes.Name):
        yield from _name(node, parent, folder)
    elif isinstance(node, nodes.Const):
        if isinstance(node.value, str) and _MAGIC.search(node.value):
            yield "template.exec.private", f"It holds the text {node.value[:60]!r}."
    elif isinstance(node, nodes.Keyword | nodes.Macro | nodes.NSRef):
        name = {nodes.Keyword: "key", nodes.Macro: "name", nodes.NSRef: "attr"}[type(node)]
        if getattr(node, name).startswith("__"):
            yield "template.exec.private", f"It names something {getattr(node, name)!r}."
    elif isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends | nodes.Block):
        yield "template.exec.load", f"It has {type(node).__name__.lower()}."
    elif isinstance(node, nodes.Concat | nodes.Add) and any(_is_object(p, folder) for p in node.iter_child_nodes()):
        yield "template.exec.object", "It joins a function or a generator to a text."


def _is_private(name: str) -> bool:
    return name.startswith("_") or name in allowed.UNSAFE_ATTRIBUTES


def _attribute(node: nodes.Getattr, folder: Folder) -> Iterator[tuple[str, str]]:
    own = folder.name_of(node) in folder.assigned and not node.attr.startswith("__")
    if _is_private(node.attr) and not own:
        yield "template.exec.private", f"It reaches for the attribute {node.attr!r}."


def _subscript(node: nodes.Getitem, folder: Folder) -> Iterator[tuple[str, str]]:
    texts = folder.texts(node.arg)
    for text in texts:
        if text.startswith("__") or _is_private(text):
            yield "template.exec.private", f"It reaches for the name {text[:60]!r}."
            return
    parts = _origins(node.arg, folder) if not texts or folder.cut else []
    unsure = any(id(part) in folder.cut for part in parts) or (not texts and _is_computed(node.arg, folder))
    if unsure and any(_PIECES.search(piece) for part in parts for piece in _said(part)):
        yield "template.exec.computed", "It puts together a name that cannot be told beforehand."


def _is_computed(node: nodes.Node, folder: Folder) -> bool:
    """True where a name is put together out of texts, here or wherever it was assigned."""
    seen: set[int] = set()
    waiting = [node]
    while waiting and folder.spend():
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, nodes.Concat | nodes.Call):
            return True
        if isinstance(part, nodes.Filter) and part.name not in {"int", "length", "count", "abs"}:
            return True
        if isinstance(part, nodes.Add | nodes.Mod | nodes.Mul):
            if any(isinstance(operand, nodes.Const) and isinstance(operand.value, str) for operand in _operands(part)):
                return True
            waiting += _operands(part)
        waiting += folder.origins(part)
    return False


def _operands(node: nodes.BinExpr) -> tuple[nodes.Node, nodes.Node]:
    return node.left, node.right


def _origins(node: nodes.Node, folder: Folder) -> list[nodes.Node]:
    """Every expression that goes into `node`. A key by which something is looked up goes into nothing."""
    seen: dict[int, nodes.Node] = {}
    waiting = [node]
    while waiting and folder.spend():
        part = waiting.pop()
        if id(part) in seen or isinstance(part, nodes.Compare | nodes.Test):
            continue
        seen[id(part)] = part
        waiting.extend(folder.origins(part))
        if isinstance(part, nodes.Getitem):
            waiting.append(part.node)
        elif isinstance(part, nodes.Call) and isinstance(part.node, nodes.Getattr) and part.node.attr == "get":
            waiting.append(part.node.node)
        else:
            waiting.extend(part.iter_child_nodes())
    return list(seen.values())


def _said(part: nodes.Node) -> tuple[str, ...]:
    if isinstance(part, nodes.TemplateData):
        return (part.data,)
    return (part.value,) if isinstance(part, nodes.Const) and isinstance(part.value, str) else ()


def _filter(node: nodes.Filter, folder: Folder) -> Iterator[tuple[str, str]]:
    if node.name == "attr":
        yield "template.exec.attribute", "It uses the filter 'attr'."
    elif node.name not in allowed.FILTERS:
        yield "template.unknown", f"It uses the filter {node.name!r}."
    if node.name in _MAKE_TEXT and node.node is not None and _is_object(node.node, folder):
        yield "template.exec.object", "It makes a text of a function or a generator."
    if node.name in allowed.ATTRIBUTE_FILTERS:
        yield from _attribute_filter(node, folder)


def _attribute_filter(node: nodes.Filter, folder: Folder) -> Iterator[tuple[str, str]]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield "template.exec.attribute", f"It gives the filter {node.name!r} arguments that cannot be told."
    named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    if node.name in allowed.FIRST_IS_ATTRIBUTE:
        named += node.args[:1]
    elif node.name == "map" and node.args:
        inner = folder.texts(node.args[0])
        if not inner or not set(inner) <= allowed.FILTERS:
            yield "template.exec.attribute", "It applies a filter through 'map' that cannot be told, or is not known."
    elif node.name in {"min", "max", "unique", "sort", "join"}:
        named += node.args[1:]
    for argument in named:
        names = [part for text in folder.texts(argument) for part in text.split(".")]
        if any(_is_private(name) for name in names) or not (names or folder.numbers(argument)):
            yield "template.exec.attribute", f"It reaches for an attribute through the filter {node.name!r}."


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


def _call(node: nodes.Call, folder: Folder) -> Iterator[tuple[str, str]]:
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
        names = folder.texts(target.arg) if isinstance(target, nodes.Getitem) else ()
    if any(_is_private(name) for name in names):
        return  # reported where the name is reached for
    if not names or not set(names) <= allowed.METHODS:
        yield "template.exec.call", f"It calls {', '.join(names) or 'something that cannot be told'}."
    elif {"format", "format_map"} & set(names) and isinstance(target, nodes.Getattr | nodes.Getitem):
        patterns = folder.texts(target.node)
        if not patterns or any(_FIELD.search(pattern) for pattern in patterns):
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
