"""The requests that the scripts send, and what they read out of an answer's end."""

from __future__ import annotations

import json
from typing import Any

from bench.harness.load import Seen, post

PATH = "/v1/chat/completions"
QUESTION = "Tell the people of the house about the river, the stone and the light of the day."


def chat(*, max_tokens: int | None = None, stream: bool = False, prompt: str = QUESTION, **more: Any) -> bytes:
    """The bytes of a chat request to the endpoint `bench`."""
    body: dict[str, Any] = {"model": "bench", "messages": [{"role": "user", "content": prompt}], **more}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return post(PATH, json.dumps(body).encode())


def last_chunk(seen: Seen) -> dict[str, Any]:
    """The last JSON event of a streamed answer. `seen.tail` must hold it whole."""
    events = [event for event in seen.tail.split(b"\n\n") if event.startswith(b"data: {")]
    chunk: dict[str, Any] = json.loads(events[-1][6:])
    return chunk
