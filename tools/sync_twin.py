"""Writes src/freehold/python/sync.py, the synchronous Python API, from src/freehold/python/aio.py.

Run `python tools/sync_twin.py` after every change of aio.py; an architecture test fails until it was done. Public
names, signatures and docstrings are taken over, `Async` and `_async` fall away, and every body becomes one call on
the private loop. It knows the few shapes that aio.py uses and refuses any other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "freehold" / "python"
SPECIAL = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__", "__anext__": "__next__"}
HEAD = '''"""The synchronous Python API. Made from aio.py by tools/sync_twin.py: change that file, not this one.

Every call runs on one background thread with an event loop of its own, so it works inside Jupyter and from several
threads at once. See loop.py for what happens at a fork, at an interrupt and at the end of the interpreter.
"""

'''
Function = ast.FunctionDef | ast.AsyncFunctionDef


def generated() -> str:
    """The text that sync.py must have."""
    tree = ast.parse((PACKAGE / "aio.py").read_text(encoding="utf-8"))
    public = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef)]
    body = "\n\n\n".join(_class(node) if isinstance(node, ast.ClassDef) else _function(node) for node in public)
    return _formatted(f"{HEAD}{_imports(tree, body)}\n\n\n{body}\n")


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(PACKAGE / "sync.py"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def _imports(tree: ast.Module, body: str) -> str:
    """The imports of aio.py that the generated text needs, and the twin's own."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    groups: dict[bool, list[str]] = {False: [], True: []}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = [alias.name for alias in node.names if alias.name in used]
            ours = (node.module or "").startswith("freehold")
            groups[ours] += [f"from {node.module} import {', '.join(names)}"] if names else []
    groups[True] += ["from freehold.python import aio", "from freehold.python.loop import Twin, shared"]
    ordered = ("\n".join(sorted(lines, key=_import_key)) for lines in groups.values())
    return "from __future__ import annotations\n\n" + "\n\n".join(ordered)


def _import_key(line: str) -> str:
    return line.split()[1]


def _class(node: ast.ClassDef) -> str:
    name = _sync(node.name)
    methods = [method for method in node.body if isinstance(method, Function) and _is_public(method.name)]
    parts = [f'"""{ast.get_docstring(node, clean=False)}"""', *(_method(method) for method in methods)]
    body = textwrap.indent("\n\n".join(parts), "    ")
    return f"class {name}(Twin[aio.{node.name}]):\n{body}"


def _is_public(name: str) -> bool:
    return name in SPECIAL or not name.startswith("_")


def _method(node: Function) -> str:
    target = f"self._inner.{node.name}"
    if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list):
        return f"@property\n{_signature(node)}\n{_doc(node)}    return {target}"
    call = f"{target}({_arguments(node)})"
    bodies = {
        "close": f"self._loop.run({call})\nself._closed()",
        "__aenter__": "return self",
        "__aiter__": "return self",
        "__aexit__": "self.close()",
        "__anext__": f"try:\n    return self._loop.run({call})\nexcept StopAsyncIteration:\n"
        "    self._closed()\n    raise StopIteration from None",
    }
    if node.name in bodies:
        body = bodies[node.name]
    elif isinstance(node, ast.AsyncFunctionDef):
        body = f"return self._loop.run({call})"
    else:
        body = _wrapped(node, call)
    return f"{_signature(node)}\n{_doc(node)}{textwrap.indent(body, '    ')}"


def _wrapped(node: Function, call: str) -> str:
    returned = ast.unparse(node.returns) if node.returns else ""
    if not returned.startswith("Async"):
        raise SystemExit(f"aio.py: {node.name} is neither async nor gives an Async type.")
    return f"return {_sync(returned)}({call}, self._loop)"


def _function(node: ast.AsyncFunctionDef) -> str:
    call = f"loop.run(aio.{node.name}({_arguments(node)}))"
    returned = ast.unparse(node.returns) if node.returns else ""
    result = f"{_sync(returned)}({call}, loop)" if returned.startswith("Async") else call
    return f"{_signature(node)}\n{_doc(node)}    loop = shared()\n    return {result}"


def _signature(node: Function) -> str:
    returned = _sync(ast.unparse(node.returns)) if node.returns else "None"
    name = _sync(SPECIAL.get(node.name, node.name))
    return f"def {name}({', '.join(_parameters(node.args))}) -> {returned}:"


def _parameters(args: ast.arguments) -> list[str]:
    listed = [_parameter(arg, None) for arg in args.args]
    if args.kwonlyargs:
        listed.append("*")
    listed += [_parameter(arg, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return listed + ([f"**{_parameter(args.kwarg, None)}"] if args.kwarg else [])


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    text = arg.arg + (f": {ast.unparse(arg.annotation)}" if arg.annotation else "")
    return text + (f" = {ast.unparse(default)}" if default is not None else "")


def _arguments(node: Function) -> str:
    given = [arg.arg for arg in node.args.args if arg.arg != "self"]
    given += [f"{arg.arg}={arg.arg}" for arg in node.args.kwonlyargs]
    return ", ".join(given + ([f"**{node.args.kwarg.arg}"] if node.args.kwarg else []))


def _doc(node: Function) -> str:
    text = ast.get_docstring(node)
    if text is None:
        return ""
    if "\n\n" in text:
        return textwrap.indent(f'"""{text}\n"""\n', "    ")
    return textwrap.indent(f'"""{text}"""\n', "    ")


def _sync(name: str) -> str:
    return name.removeprefix("Async").removesuffix("_async")


if __name__ == "__main__":
    (PACKAGE / "sync.py").write_text(generated(), encoding="utf-8")
