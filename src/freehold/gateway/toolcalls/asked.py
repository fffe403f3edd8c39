"""What a chat request asks about tools, read once and checked. Pure.

Only function tools are understood; any other kind is refused by its name, because this house has nothing to run
it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.names import nearest

Mode = Literal["none", "auto", "required"]


@dataclass(frozen=True, slots=True)
class Asked:
    """`tools` are the ones that may be called, in the request's order; `mode` "required" covers a named one too.

    `parallel` is `parallel_tool_calls` as given; None leaves it to the house.
    """

    tools: tuple[Mapping[str, Any], ...]
    mode: Mode
    parallel: bool | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(tool["function"]["name"] for tool in self.tools)


def read(body: Mapping[str, Any]) -> Asked:
    """What `body` asks. Raises RequestError or UnsupportedError naming the field."""
    tools = _tools(body.get("tools"))
    choice = body.get("tool_choice")
    mode, wanted = _choice(choice, "auto" if tools else "none")
    if mode == "required" and not tools:
        raise RequestError("`tool_choice` asks for a tool, and `tools` names none.", param="tool_choice")
    if wanted is not None:
        tools = _only(tools, wanted)
    return Asked(tools, mode, body.get("parallel_tool_calls"))


def _tools(tools: Any) -> tuple[Mapping[str, Any], ...]:
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise RequestError("`tools` must be a list.", param="tools")
    for index, tool in enumerate(tools):
        _check_tool(tool, f"tools.{index}")
    return tuple(tools)


def _check_tool(tool: Any, at: str) -> None:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        raise UnsupportedError(f"A tool of type {kind!r} is not supported: only functions are.", param=f"{at}.type")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise RequestError("A tool needs `function.name`.", param=f"{at}.function.name")
    if not isinstance(function.get("parameters") or {}, dict):
        raise RequestError("`parameters` must be a JSON Schema.", param=f"{at}.function.parameters")


def _choice(choice: Any, default: Mode) -> tuple[Mode, list[str] | None]:
    if choice is None:
        return default, None
    if choice in ("none", "auto", "required"):
        return choice, None
    if isinstance(choice, dict) and choice.get("type") == "function":
        return "required", [_name(choice, "tool_choice.function.name")]
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or {}
        mode: Mode = "required" if allowed.get("mode") == "required" else "auto"
        return mode, [_name(tool, "tool_choice.allowed_tools.tools") for tool in allowed.get("tools") or ()]
    raise RequestError(
        f"`tool_choice` must be none, auto, required or a function, not {choice!r}.", param="tool_choice"
    )


def _name(choice: Any, param: str) -> str:
    name = (choice.get("function") or {}).get("name") if isinstance(choice, dict) else None
    if not isinstance(name, str):
        raise RequestError(f"`{param}` must be the name of a tool.", param=param)
    return name


def _only(tools: tuple[Mapping[str, Any], ...], wanted: list[str]) -> tuple[Mapping[str, Any], ...]:
    known = {tool["function"]["name"] for tool in tools}
    for name in wanted:
        if name not in known:
            guess = nearest(name, known)
            raise RequestError(
                f"`tool_choice` names {name!r}, which is not among `tools`.",
                param="tool_choice",
                hint=f"Nearest: {guess[0]}." if guess else "",
            )
    return tuple(tool for tool in tools if tool["function"]["name"] in wanted)
