"""A conversation and what a person may do to it. Pure but for `save` and `load`, which write and read one file.

What must stay true: messages alternate between the person and the model, so a question that got no answer is taken
back into `draft` instead of staying behind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.core.errors import CallError
from freehold.core.names import nearest

VERSION = 1
# Fields of a chat request that /set changes, and what each must be.
FIELDS: dict[str, tuple[type, ...]] = {
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": (int,),
    "min_p": (int, float),
    "max_tokens": (int,),
    "seed": (int,),
    "presence_penalty": (int, float),
    "frequency_penalty": (int, float),
    "repeat_penalty": (int, float),
    "stop": (str, list),
}


@dataclass(slots=True)
class Conversation:
    """`messages` are OpenAI chat messages without the system message, which is `system`."""

    system: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    draft: str = ""

    def ask(self, text: str) -> None:
        self.draft = ""
        self.messages.append({"role": "user", "content": text})

    def answer(self, text: str) -> None:
        """The model's answer, or the part of it that came before it was stopped."""
        self.messages.append({"role": "assistant", "content": text})

    def take_back(self) -> str:
        """Remove the last question and its answer, keep the question as the draft, and give it.

        Raises CallError where there is none."""
        while self.messages:
            message = self.messages.pop()
            if message["role"] == "user":
                self.draft = message["content"]
                return self.draft
        raise CallError("There is no question yet.")

    def clear(self) -> None:
        """Forget the messages; the system message and the fields stay."""
        self.messages.clear()
        self.draft = ""

    def set(self, name: str, text: str) -> None:
        """Set a field of the requests from what was typed; an empty text takes it back. Raises CallError."""
        if name not in FIELDS:
            near = nearest(name, FIELDS)
            guess = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(FIELDS)}."
            raise CallError(f"/set knows no {name!r}.", hint=guess)
        if not text:
            self.fields.pop(name, None)
            return
        value = _value(text)
        if not isinstance(value, FIELDS[name]) or isinstance(value, bool):
            raise CallError(f"{name} cannot be {text!r}.", hint=f"Example: /set {name} {_EXAMPLES.get(name, '1')}")
        self.fields[name] = value

    def save(self, file: Path, model: str) -> None:
        """Write the conversation as JSON, readable by this user alone. Raises CallError."""
        data = {"version": VERSION, "model": model, "system": self.system, "fields": self.fields}
        text = json.dumps({**data, "messages": self.messages}, ensure_ascii=False, indent=2)
        try:
            file.touch(mode=0o600)
            file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise CallError(f"{file} cannot be written: {error.strerror}.", file=str(file)) from error


def load(file: Path) -> Conversation:
    """The conversation that `save` wrote. Raises CallError for anything else."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallError(f"{file} cannot be read: {error}.", file=str(file)) from error
    if not isinstance(data, dict) or data.get("version") != VERSION or not _are_messages(data.get("messages")):
        raise CallError(f"{file} is not a saved conversation of this version.", file=str(file))
    return Conversation(data.get("system"), data["messages"], data.get("fields") or {})


def _are_messages(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(message, dict) and isinstance(message.get("role"), str) and isinstance(message.get("content"), str)
        for message in value
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


_EXAMPLES = {
    "temperature": "0.7",
    "top_p": "0.9",
    "min_p": "0.05",
    "max_tokens": "512",
    "seed": "42",
    "stop": '["###"]',
}
