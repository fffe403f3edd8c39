"""The four lists that OpenAI's completions API calls `logprobs`, beside the engine's newer form.

llama.cpp gives `/v1/completions` the chat form (`content`, one entry a token). Clients of the older API read
`tokens`, `token_logprobs`, `top_logprobs` and `text_offset` (OpenAI API reference, legacy completions). Both are
given: nothing the engine said is taken away.
"""

from __future__ import annotations

from typing import Any


def add(chunk: dict[str, Any], offsets: dict[int, int] | None = None) -> None:
    """Add the older lists to every choice of `chunk` that has the newer one.

    `offsets` holds, per choice index, how many characters of its text came before; it is moved on.
    """
    for choice in chunk["choices"]:
        logprobs = choice.get("logprobs")
        if not logprobs or "content" not in logprobs or "tokens" in logprobs:
            continue
        entries = logprobs["content"] or []
        index = choice.get("index", 0)
        offset = offsets.get(index, 0) if offsets is not None else 0
        text_offset = []
        for entry in entries:
            text_offset.append(offset)
            offset += len(entry["token"])
        if offsets is not None:
            offsets[index] = offset
        logprobs["tokens"] = [entry["token"] for entry in entries]
        logprobs["token_logprobs"] = [entry["logprob"] for entry in entries]
        logprobs["top_logprobs"] = [
            {top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()} for entry in entries
        ]
        logprobs["text_offset"] = text_offset
