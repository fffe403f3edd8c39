"""The program in a locked process that measures OpenVINO: one build in its form, its distributions told by
`engines.meter`. The graph is compiled with the properties that the worker has, and gives the logits of every position.

It is run by `engines.metering`, never imported by the house.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freehold.engines import stamps
from freehold.engines.inside import CannotServeError, Orders, run
from freehold.engines.meter import answer
from freehold.engines.openvino.arithmetic import properties
from freehold.engines.openvino.files import MODEL, TOKENS


class OpenVinoEvaluator:
    """Computes with one request, whose state is emptied before every text."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Raises ImportError without the library and RuntimeError for what it cannot load."""
        import numpy
        import openvino
        import openvino_genai

        self._numpy = numpy
        compiled = openvino.Core().compile_model(str(folder / MODEL), "CPU", properties(config["threads"]))
        self._request = compiled.create_infer_request()
        self._inputs = {name for wanted in compiled.inputs for name in wanted.names}
        self._tokenizer = openvino_genai.Tokenizer(str(folder), INFERENCE_NUM_THREADS=1)
        self._begins: int | None = json.loads((folder / TOKENS).read_text())["begins"]
        self.vocabulary: int = compiled.outputs[0].partial_shape[2].get_length()

    def tokenize(self, text: str) -> Sequence[int]:
        found = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data.reshape(-1).tolist()
        first = [self._begins] if self._begins is not None and found[:1] != [self._begins] else []
        return [*first, *found]

    def logits(self, tokens: Sequence[int], rows: Sequence[int]) -> bytes:
        numpy = self._numpy
        ids = numpy.array([tokens], numpy.int64)
        told = {
            "input_ids": ids,
            "attention_mask": numpy.ones_like(ids),
            "position_ids": numpy.arange(len(tokens), dtype=numpy.int64)[None],
            "beam_idx": numpy.zeros(1, numpy.int32),
        }
        self._request.reset_state()
        self._request.infer({name: value for name, value in told.items() if name in self._inputs})
        found = self._request.get_output_tensor(0).data[0][list(rows)]
        return bytes(found.astype(numpy.float32).tobytes())


def serve(orders: Orders) -> None:
    """Load, say ready, and answer until the process is ended."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # importing it fails then
    config = orders.config
    stamps.require(config["confirmed"])
    try:
        evaluator = OpenVinoEvaluator(Path(config["folder"]), config)
    except (ImportError, RuntimeError) as error:
        said = str(error).strip().splitlines() or ["it did not say why"]
        raise CannotServeError(f"OpenVINO could not load it to measure it: {said[-1][:300]}.") from error
    stamps.require(config["confirmed"])
    answer(orders, evaluator)


if __name__ == "__main__":
    run(serve)
