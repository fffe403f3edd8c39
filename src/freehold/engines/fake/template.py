"""The fake engine's chat template: how messages and tools become one prompt. Pure.

    <|tools|>[…]<|end|>          (only where there are tools: their JSON)
    <|user|>What the user said<|end|>
    <|assistant|>

It mirrors what real templates do, so that a longer conversation has more tokens and tools count too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.engines.http.body import text_of


def render(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
    """The prompt of a conversation, ending where the assistant begins."""
    lines = [f"<|tools|>{json.dumps(list(tools))}<|end|>\n"] if tools else []
    for message in messages:
        calls = json.dumps(message["tool_calls"]) if message.get("tool_calls") else ""
        lines.append(f"<|{message['role']}|>{text_of(message)}{calls}<|end|>\n")
    return "".join([*lines, "<|assistant|>"])
