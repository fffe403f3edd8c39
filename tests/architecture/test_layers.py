"""The house's own rules, checked against its source: layers, cycles, and the rooms where some things may happen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import freehold

SOURCE = Path(freehold.__file__).parent
LAYERS = {
    "core": 0,
    "catalog": 1,
    "weights": 1,
    "hardware": 1,
    "ledger": 1,
    "store": 2,
    "fit": 2,
    "engines": 3,  # above fit, which says what they may take
    "trials": 4,
    "gateway": 4,
    "permits": 4,
    "planning": 4,
    "egress": 4,
    "app": 5,
    "control": 5,
    "python": 6,
    "diagnosis": 6,
    "server": 7,
    "cli": 8,  # above the server, because `freehold up` starts it
}
# Programs of their own, run in another process: the engine never imports them.
FREE_MODULES = {"__init__", "__main__"}


@dataclass(frozen=True)
class Import:
    file: Path
    line: int
    module: str
    at_top: bool


def _files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _room(file: Path) -> str:
    relative = file.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def _imports(file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield Import(file, node.lineno, node.module, id(node) in top)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, id(node) in top)


def _own_imports() -> list[tuple[str, Import, str]]:
    found = []
    for file in _files():
        for imported in _imports(file):
            parts = imported.module.split(".")
            if parts[0] == "freehold" and len(parts) > 1:
                found.append((_room(file), imported, parts[1]))
    return found


def test_every_package_has_its_layer() -> None:
    rooms = {_room(file) for file in _files()} - FREE_MODULES
    assert rooms <= LAYERS.keys(), f"give {rooms - LAYERS.keys()} a layer"
    assert len(_files()) > 60


def test_imports_only_go_down_and_packages_of_one_layer_never_meet() -> None:
    wrong = [
        f"{imported.file.relative_to(SOURCE)}:{imported.line} {room} imports {target}"
        for room, imported, target in _own_imports()
        if room not in FREE_MODULES and target in LAYERS and target != room and LAYERS[target] >= LAYERS[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_command_line_and_the_server_see_only_the_app_and_the_core() -> None:
    allowed = {
        "cli": {"cli", "app", "control", "python", "diagnosis", "server", "core"},
        "server": {"server", "app", "core", "gateway"},
    }
    wrong = [
        f"{imported.file.relative_to(SOURCE)}:{imported.line} imports {imported.module}"
        for room, imported, target in _own_imports()
        if room in allowed and target in LAYERS and target not in allowed[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_there_is_no_cycle_between_modules() -> None:
    modules = {".".join(("freehold", *file.relative_to(SOURCE).with_suffix("").parts)): file for file in _files()}
    graph = {
        name: {i.module for i in _imports(file) if i.at_top and i.module in modules} for name, file in modules.items()
    }
    seen: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in seen:
            for target in graph[name]:
                visit(target, (*path, name))
            seen[name] = 1

    for name in graph:
        visit(name, ())


def _calls(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, node.func.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


def _outside(name: str, *rooms: str) -> list[str]:
    allowed = {SOURCE / room for room in rooms}
    return [
        f"{file.relative_to(SOURCE)}:{line}"
        for file in _files()
        if file not in allowed
        for line, called in _calls(file)
        if called == name
    ]


def test_only_the_output_of_the_command_line_prints() -> None:
    assert _outside("print", "cli/output.py") == []


def test_only_the_settings_read_the_environment() -> None:
    assert _outside("os.environ", "core/settings.py") == []
    assert _outside("os.getenv", "core/settings.py") == []


HEAVY = {
    "aiohttp",
    "huggingface_hub",
    "numpy",
    "xllamacpp",
    "uvicorn",
    "rich",
    "prompt_toolkit",
    "pydantic",
    "starlette",
}
LEAVES = ("store", "engines", "gateway", "server", "app.py", "cli")


def test_heavy_libraries_are_imported_only_in_the_leaves_that_need_them() -> None:
    wrong = [
        f"{imported.file.relative_to(SOURCE)}:{imported.line} {imported.module}"
        for file in _files()
        for imported in _imports(file)
        if imported.at_top
        and imported.module.split(".")[0] in HEAVY
        and not str(file.relative_to(SOURCE)).startswith(LEAVES)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_outgrows_one_sitting() -> None:
    long = {str(file.relative_to(SOURCE)): n for file in _files() if (n := len(file.read_text().splitlines())) > 350}
    assert not long, long


def test_nothing_unfinished_is_left_behind() -> None:
    words = ("TODO", "FIXME", "XXX", "NotImplementedError")
    found = [f"{file.relative_to(SOURCE)}: {word}" for file in _files() for word in words if word in file.read_text()]
    assert not found, found
