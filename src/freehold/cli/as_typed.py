"""Words that need no conversion are taken as they were typed.

Typer (0.29) has pydantic convert every parameter, those too that nobody gave, and importing pydantic is a third of the
time of a short command. So its parameters are given a converter that knows texts, and asks typer's own for all else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperOption


class AsTyped:
    """Typer's `RuntimeParam`, for one parameter: `build` makes typer's own where there is something to convert."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """The value of what was typed. Raises typer's BadParameter for words that mean none."""
        annotation, several = param.type_descriptor.annotation, param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if annotation is str and isinstance(value, str):
            return value
        if annotation == list[str] and isinstance(value, list | tuple):
            return list(value)
        return self._build().coerce(value, param=param, ctx=ctx)


def take_as_typed() -> None:
    """Have every parameter of typer's commands converted by `AsTyped`."""
    for kind in (TyperArgument, TyperOption):
        setattr(kind, "get_runtime_param", _sparing(kind.get_runtime_param))  # noqa: B010 - typed as no attribute to set


def _sparing(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda parameter: AsTyped(lambda: build(parameter))
