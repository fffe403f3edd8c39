"""Freehold: own the language models you depend on. Importing this changes nothing and loads nothing heavy.

    import freehold

    with freehold.open("smollm2-135m-instruct") as model:
        print(model.chat("Say hello."))

The same call opens `"./model.gguf"`, `"openai:gpt-5"` and `"fake:x"`. `open_async` is its asynchronous twin. Every
error is in `freehold.errors`. A public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freehold.core import errors
    from freehold.core.builds import HeldBuild
    from freehold.core.settings import Settings
    from freehold.python.aio import AsyncModel, AsyncStream, open_async, pull_async
    from freehold.python.answers import Answer, Delta, Embeddings, ToolCall, Usage
    from freehold.python.held import builds
    from freehold.python.sync import Model, Stream, open, pull
    from freehold.store.store import Store

__version__ = "0.1.0"

_HOMES = {
    "HeldBuild": "freehold.core.builds",
    "Settings": "freehold.core.settings",
    "AsyncModel": "freehold.python.aio",
    "AsyncStream": "freehold.python.aio",
    "open_async": "freehold.python.aio",
    "pull_async": "freehold.python.aio",
    "Answer": "freehold.python.answers",
    "Delta": "freehold.python.answers",
    "Embeddings": "freehold.python.answers",
    "ToolCall": "freehold.python.answers",
    "Usage": "freehold.python.answers",
    "builds": "freehold.python.held",
    "Model": "freehold.python.sync",
    "Stream": "freehold.python.sync",
    "open": "freehold.python.sync",
    "pull": "freehold.python.sync",
    "Store": "freehold.store.store",
}

__all__ = [
    "Answer",
    "AsyncModel",
    "AsyncStream",
    "Delta",
    "Embeddings",
    "HeldBuild",
    "Model",
    "Settings",
    "Store",
    "Stream",
    "ToolCall",
    "Usage",
    "__version__",
    "builds",
    "errors",
    "open",
    "open_async",
    "pull",
    "pull_async",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("freehold.core.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'freehold' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
