"""Decode and prompt speed of one stream through the whole house, against the raw engine on the same file and settings.

Both are taken at the client: decode is the rate of the events after the first, prompt speed is prompt tokens over the
time to the first token, on a prompt that is not in the cache (`cache_prompt` false). So what the house adds is in both.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import psutil
import uvloop

from bench.harness import arms
from bench.harness.chat import QUESTION, chat, last_chunk
from bench.harness.load import Address, Client, Seen
from bench.harness.measure import Arm, Claim, Measurement, Values, arguments

REACH = 0.97
DECODED_TOKENS = 128
PROMPT = f"{QUESTION} " * 40


def _arm(address: Address, tokens: int) -> Arm:
    decode = chat(max_tokens=tokens, stream=True, temperature=0, ignore_eos=True)
    prompt = chat(max_tokens=1, stream=True, temperature=0, prompt=PROMPT, cache_prompt=False)

    async def run() -> Values:
        decoded = await _ask(address, decode)
        # Events: the role, one per token (a token may bring half a character and then no event), and the end's.
        arrivals = decoded.arrivals_s[1:-3]
        began_s = time.perf_counter()
        read = await _ask(address, prompt)
        prompt_tokens = last_chunk(read)["usage"]["prompt_tokens"]
        return {
            "decode tokens/s": (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]),
            "prompt tokens/s": prompt_tokens / (read.arrivals_s[1] - began_s),
        }

    return run


async def _ask(address: Address, request: bytes) -> Seen:
    """On a connection of its own: the raw engine closes one after a stream."""
    client = await Client.connect(address)
    seen = await client.ask(request)
    client.close()
    return seen


async def main() -> None:
    chosen = arguments(__doc__)
    tokens = 32 if chosen.quick else DECODED_TOKENS
    result = Measurement("decode_and_prompt", quick=chosen.quick)
    file = arms.weights()
    threads = psutil.cpu_count(logical=False) or 1
    settings = {"threads": threads, "slots": 1, "context_tokens": 2048, "batch_tokens": 256, "prompt_cache_mib": 64}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    async with AsyncExitStack() as stack:
        raw = await stack.enter_async_context(arms.raw_engine(file, settings))
        house = await stack.enter_async_context(arms.house(arms.MODEL, engine=lines, home=arms.home()))
        compared = {"raw engine": _arm(raw.address, tokens), "house": _arm(house.address, tokens)}
        await result.interleave(compared, chosen.repetitions)
    claims = []
    for metric in ("decode tokens/s", "prompt tokens/s"):
        ratio = result.paired("house", "raw engine", metric, lambda mine, other: mine / other)
        claims.append(Claim(f"house over raw engine, {metric}", f"at least {REACH}", f"{ratio:.3f}", ratio >= REACH))
    result.save(claims)


if __name__ == "__main__":
    uvloop.run(main())
