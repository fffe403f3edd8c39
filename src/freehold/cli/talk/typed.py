"""What a person types at the prompt: text or a /command. Pure.

A line that starts with `/` and a letter is a command; `//` at the start says that the slash is meant. Three double
quotes open a block of several lines and close it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from freehold.core.errors import CallError
from freehold.core.names import ALIKE_COMMANDS, nearest

QUOTES = '"""'
COMMANDS: dict[str, str] = {
    "/help": "show this",
    "/model [REF]": "show the model, or go on with another one",
    "/system [TEXT]": "set the system message; without TEXT, remove it",
    "/clear": "forget the conversation",
    "/retry": "ask the last question again",
    "/edit": "change the last question and ask it",
    "/save FILE": "write the conversation to a file",
    "/load FILE": "go on with a saved conversation",
    "/set [FIELD [VALUE]]": "set temperature, max_tokens, seed and the like; without VALUE, back to the default",
    "/stats": "show tokens, speed and context use of the last answer",
    "/exit": "leave; Ctrl-D does too",
}
# Other chats' words for the same, obeyed without being listed.
SAME = {"/quit": "/exit", "/bye": "/exit"}
NAMES = tuple(usage.split()[0] for usage in COMMANDS)


@dataclass(frozen=True, slots=True)
class Typed:
    """`command` is its name without the slash, or None for text that goes to the model."""

    command: str | None
    text: str


def read(line: str) -> Typed:
    """What `line` means. Raises CallError for a command that is none."""
    stripped = line.strip()
    if stripped.startswith(QUOTES):
        return Typed(None, stripped.removeprefix(QUOTES).removesuffix(QUOTES).strip("\n"))
    if stripped.startswith("//"):
        return Typed(None, stripped[1:])
    match = re.match(r"/([a-z]+)(?:\s+(.*))?$", stripped, re.DOTALL)
    if match is None:
        return Typed(None, stripped)
    name = SAME.get(f"/{match[1]}", f"/{match[1]}")
    if name not in NAMES:
        near = nearest(name, NAMES, alike=ALIKE_COMMANDS)
        raise CallError(
            f"There is no {name}.", hint=f"Did you mean {near[0]}?" if near else "/help lists what there is."
        )
    return Typed(name[1:], (match[2] or "").strip())


def is_open_block(text: str) -> bool:
    """True while a block that three quotes opened waits for the three that close it."""
    stripped = text.strip()
    return stripped.startswith(QUOTES) and not (len(stripped) >= 6 and stripped.endswith(QUOTES))
