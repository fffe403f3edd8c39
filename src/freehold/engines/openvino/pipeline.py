"""The seam to openvino-genai: loads a build, tokenizes, renders, and turns a request into its configuration.

It is imported in the locked process alone. Everything runs on one thread: `step` holds the interpreter (seen with
2026.4: it does not release Python's lock), so another thread would gain nothing and would have to be kept from the
pipeline, which is not made for two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai as genai

from freehold.engines.http.body import RefusedError
from freehold.engines.openvino.arithmetic import properties
from freehold.engines.openvino.asked import Sampling
from freehold.engines.openvino.choices import BLOCK_TOKENS
from freehold.engines.openvino.files import TOKENS
from freehold.engines.openvino.text import Vocabulary

SPARE_BLOCKS = 8


class Pipeline:
    """One loaded build. `blocks` is how many cache blocks requests may take together."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """`settings`: threads, slots, pool_tokens, batch_tokens. Raises RuntimeError for what cannot be loaded."""
        threads = settings["threads"]
        self.blocks = -(-settings["pool_tokens"] // BLOCK_TOKENS) + settings["slots"]
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = self.blocks + SPARE_BLOCKS
        scheduler.max_num_seqs = settings["slots"]
        scheduler.max_num_batched_tokens = settings["batch_tokens"]
        scheduler.enable_prefix_caching = True
        self._tokenizer = genai.Tokenizer(str(folder), INFERENCE_NUM_THREADS=1)
        self._pipeline = genai.ContinuousBatchingPipeline(
            str(folder),
            self._tokenizer,
            scheduler,
            "CPU",
            **properties(threads),
            sampler_num_threads=threads,
        )
        told = json.loads((folder / TOKENS).read_text())
        self.begins: int | None = told["begins"]
        self._ends = set(told["ends"])
        self.vocabulary = Vocabulary(_pieces(self._tokenizer, told["count"]), frozenset(told["control"]))

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer

    def encode(self, text: str, *, begin: bool) -> list[int]:
        """The tokens of `text`, what looks like a control token taken for one. `begin` puts the model's first token in
        front where it has one and the text does not begin with it."""
        found = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data if text else np.empty(0)
        tokens = found.reshape(-1).tolist()
        first = [self.begins] if begin and self.begins is not None and tokens[:1] != [self.begins] else []
        return [*first, *tokens]

    def render(self, messages: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> str:
        """The prompt that the build's own template makes of a conversation. Raises RefusedError where it refuses it."""
        extra = body.get("chat_template_kwargs") or None
        if extra is not None and not isinstance(extra, dict):
            raise RefusedError(400, "'chat_template_kwargs' must be an object")
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                list(messages), bool(body.get("add_generation_prompt", True)), extra_context=extra
            )
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise RefusedError(400, "the model's chat template does not take these messages") from error
        return rendered

    def submit(self, number: int, tokens: Sequence[int], most: int, sampling: Sampling, **more: Any) -> Any:
        """Hand a request over; its handle. `more`: schema, logprobs, ignore_end."""
        ids = openvino.Tensor(np.array([tokens], np.int64))
        return self._pipeline.add_request(number, ids, self._configuration(most, sampling, **more))

    def step(self) -> None:
        """One forward pass for all that is under way. Raises RuntimeError; nothing can be relied on after that."""
        self._pipeline.step()

    @property
    def busy(self) -> bool:
        """Whether a step would do something, if only let go of what was dropped."""
        return bool(self._pipeline.has_non_finished_requests())

    def _configuration(
        self, most: int, sampling: Sampling, *, schema: str | None, logprobs: bool, ignore_end: bool
    ) -> Any:
        config = genai.GenerationConfig()
        config.max_new_tokens = most
        config.ignore_eos = ignore_end
        config.stop_token_ids = set() if ignore_end else self._ends
        config.logprobs = int(logprobs)
        config.repetition_penalty = sampling.repetition_penalty
        config.presence_penalty = sampling.presence_penalty
        config.frequency_penalty = sampling.frequency_penalty
        if sampling.temperature > 0:
            config.do_sample = True
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            config.top_k = sampling.top_k
            config.min_p = sampling.min_p
            config.rng_seed = sampling.seed
        if schema is not None:
            config.structured_output_config = structured(schema)
        return config


def structured(schema: str) -> Any:
    """The configuration that holds an answer to a JSON Schema."""
    config = genai.StructuredOutputConfig()
    config.json_schema = schema
    return config


def _pieces(tokenizer: Any, count: int) -> list[bytes]:
    """The bytes of every token; `count` is how many the file had. The table is by bytes, so of tokens that are spelled
    alike it has one: the others are decoded."""
    known = {token: piece for piece, token in tokenizer.get_vocab().items()}
    size = max(count, max(known, default=-1) + 1)
    others = [token for token in range(size) if token not in known]
    texts = tokenizer.decode([[token] for token in others], skip_special_tokens=False) if others else []
    known |= {token: text.encode() for token, text in zip(others, texts, strict=True)}
    return [known[token] for token in range(size)]
