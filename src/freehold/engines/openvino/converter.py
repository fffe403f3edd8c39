"""The program in the locked process that converts: reads one GGUF file and writes a model in OpenVINO's form.

It is started by `convert`, never imported by the rest of the house. openvino-genai's GGUF reader opens the file
read-write and maps it shared: it is given a copy in a folder of its own, which goes when the conversion ends. What the
reader rounds is made exact (`mend`), what the tokenizer would cut is not (`lift_limit`), and what it does not carry
over, the kinds of tokens, is written to a file of its own. It leaves the tokenizers and that file in `work`, the model
in `out`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from freehold.engines.inside import CannotServeError, Orders, last_line, run
from freehold.engines.openvino.files import MODEL, TOKENIZER, TOKENS

# llama.cpp's names of tokens that end an answer, where the file has them as control tokens (llama-vocab.cpp).
_ENDS = frozenset(
    {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<EOT>", "<|end_of_text|>"}
)
_CONTROL = 3
# What the reader raises for a file that it does not take: its own errors, and those of C++'s containers.
_REFUSALS = (RuntimeError, LookupError, ValueError, ArithmeticError, MemoryError)
_END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")


def serve(orders: Orders) -> None:
    """Convert, and say which files were made."""
    source, work, out = (Path(orders.config[name]) for name in ("source", "work", "out"))
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would send and keep an identifier
    try:
        from openvino import Core, save_model
    except ImportError as error:
        raise CannotServeError(f"openvino-genai is there and cannot be imported: {error}.") from error
    from freehold.engines.openvino.gguf_parts import GgufParts
    from freehold.engines.openvino.mend import InexactError, mend
    from freehold.engines.openvino.tokenizer_limit import lift_limit

    parts = GgufParts(source)
    _read(source)
    core = Core()
    model = core.read_model(work / MODEL)
    try:
        weights = mend(model, parts)
    except InexactError as error:
        raise CannotServeError(
            f"what OpenVINO's reader makes of it {error}: it would not be the model that was pulled.",
            hint="Run it with llama.cpp.",
        ) from error
    save_model(model, out / MODEL, compress_to_fp16=False)
    lift_limit(work / TOKENIZER)
    (work / TOKENS).write_text(json.dumps(_tokens(parts), separators=(",", ":")))
    orders.ready({"compressed": weights})


def _read(source: Path) -> None:
    """Have the reader write model and tokenizers beside `source`."""
    import openvino_genai

    try:
        openvino_genai.Tokenizer(str(source), enable_save_ov_model=True)
        openvino_genai.ContinuousBatchingPipeline(
            str(source), openvino_genai.SchedulerConfig(), "CPU", {"enable_save_ov_model": True}
        )
    except _REFUSALS as error:
        raise CannotServeError(
            f"OpenVINO's GGUF reader does not take it: {last_line(error)}.", hint="Run it with llama.cpp."
        ) from error


def _tokens(parts: Any) -> dict[str, Any]:
    """Which tokens are never shown, which end an answer, and whether a text begins with one of its own."""
    keys = {name.removeprefix("tokenizer.ggml."): value for name, value in parts.keys.items()}
    texts, kinds = keys.get("tokens", []), keys.get("token_type", [])
    control = [number for number, kind in enumerate(kinds) if kind == _CONTROL]
    ends = {keys[name] for name in _END_KEYS if name in keys}
    ends |= {number for number in control if texts[number] in _ENDS}
    begins = keys.get("bos_token_id") if keys.get("add_bos_token") else None
    return {"control": control, "ends": sorted(ends), "begins": begins, "count": len(texts)}


if __name__ == "__main__":
    run(serve)
