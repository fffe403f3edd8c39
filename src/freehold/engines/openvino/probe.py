"""Tells whether a schema can be followed, before a request with it joins the others.

OpenVINO makes a grammar of a schema in the middle of a step, and one that it cannot read fails that step for everybody.
So every schema is tried first on a model of a few bytes that has the same tokenizer and knows nothing: what it raises
is the client's answer. It tells nothing of what a grammar leaves out in silence; the gateway refuses that by name.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as ops
import openvino_genai as genai

from freehold.engines.http.body import RefusedError
from freehold.engines.openvino.pipeline import structured

REMEMBERED = 256


class Probe:
    """Checks schemas for one build. Those that were fine lately are not tried again."""

    def __init__(self, tokenizer: Any, tokens: int) -> None:
        model, weights = _model(tokens)
        self._pipeline = genai.LLMPipeline(
            model,
            weights,
            tokenizer,
            "CPU",
            genai.GenerationConfig(),
            ATTENTION_BACKEND="SDPA",
            INFERENCE_NUM_THREADS=1,
        )
        self._fine: dict[str, None] = {}

    def check(self, schema: str) -> None:
        """Raises RefusedError for a schema that nothing can follow, or that is none."""
        if schema in self._fine:
            return
        config = genai.GenerationConfig()
        config.max_new_tokens = 1
        config.apply_chat_template = False
        config.structured_output_config = structured(schema)
        try:
            self._pipeline.generate("a", config)
        except RuntimeError as error:
            lines = str(error).strip().splitlines() or ["no reason given"]
            reason = lines[-1].rpartition(": ")[2] or lines[-1]
            raise RefusedError(400, f"JSON schema error {reason[:300]}") from error
        self._fine[schema] = None
        if len(self._fine) > REMEMBERED:
            del self._fine[next(iter(self._fine))]


def _model(tokens: int) -> tuple[str, Any]:
    """A graph with the inputs of a language model for which all tokens are alike: XML and weights."""
    ids, mask, positions = (ops.parameter([-1, -1], np.int64) for _ in range(3))
    beam = ops.parameter([-1], np.int32)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "beam_idx": beam}
    for name, node in inputs.items():
        node.output(0).set_names({name})
    shaped = ops.multiply(
        ops.convert(ops.unsqueeze(ids, ops.constant(2)), "f32"), ops.constant(np.zeros((1, 1, 1), np.float32))
    )
    logits = ops.add(shaped, ops.constant(np.zeros((1, 1, tokens), np.float32)))
    logits.output(0).set_names({"logits"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.xml"
        openvino.save_model(openvino.Model([logits], list(inputs.values()), "probe"), path, compress_to_fp16=False)
        weights = np.fromfile(path.with_suffix(".bin"), np.uint8)
        return path.read_text(), openvino.Tensor(weights)
