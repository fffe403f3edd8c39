"""The types that known keys must have: runtimes ask for a value by its type, and some of them without looking.

Source: the GGUF specification, "Standardized key-value pairs"; whole numbers of any width are taken, as writers differ.
"""

from __future__ import annotations

import re

from freehold.weights.checks import Findings
from freehold.weights.gguf.header import Header
from freehold.weights.gguf.values import BOOL, FLOATS, INTEGERS, STRING, Array, Entry

# Where a model has different layers, these are lists with one item a layer.
LAYER_LISTS = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
_ONE_COUNT = (
    *("context_length", "embedding_length", "block_count", "decoder_block_count", "features_length"),
    *("vocab_size", "expert_count"),
)
# Of models that carry a state from token to token instead of attending.
STATE_COUNTS = (
    *("ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank"),
    *("wkv.head_size", "shortconv.l_cache"),
)
COUNTS = (
    *STATE_COUNTS,
    *("expert_used_count", "expert_shared_count", "rope.dimension_count"),
    *("attention.key_length", "attention.value_length", *LAYER_LISTS),
)
_NUMBERS = (
    *("rope.freq_base", "rope.scaling.factor", "attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon"),
    *("attention.scale", "logit_scale", "embedding_scale", "residual_scale"),
)
_TEXTS = re.compile(
    r"general\.(architecture|type|name|basename|organization|author|version|description|finetune|quantized_by|"
    r"size_label|url|doi|uuid|repo_url|license(\.name|\.link)?|source\..+|base_model\.\d+\..+)"
    r"|tokenizer\.ggml\.(model|pre)|tokenizer\.chat_template(\..+)?"
)
_WHOLE = re.compile(
    r"general\.(alignment|file_type|quantization_version)|tokenizer\.ggml\..+_token_id|split\.(no|count|tensors\.count)"
)
_FLAGS = re.compile(r"tokenizer\.ggml\.(add_\w+_token|add_\w+_prefix|remove_extra_whitespaces|escape_whitespaces)")


def check_types(header: Header, architecture: str | None, notes: Findings) -> None:
    """Note every known key whose value is of another type than it must be."""
    for key, entry in header.keys.items():
        wanted = _wanted(key.removeprefix(f"{architecture}.") if architecture else key, key)
        if wanted is not None and not _is(entry, wanted):
            notes.add("gguf.key.type", f"It has a {key} that is not {wanted}.")


def _wanted(own: str, key: str) -> str | None:
    if own != key and own in _ONE_COUNT:
        return "one whole number"
    if own != key and own in COUNTS:
        return "a whole number"
    if own != key and own in _NUMBERS:
        return "a number"
    for pattern, wanted in ((_TEXTS, "a text"), (_WHOLE, "one whole number"), (_FLAGS, "a truth value")):
        if pattern.fullmatch(key):
            return wanted
    return None


def _is(entry: Entry, wanted: str) -> bool:
    kind = entry.value.kind if isinstance(entry.value, Array) else entry.kind
    single = not isinstance(entry.value, Array)
    match wanted:
        case "a whole number":
            return kind in INTEGERS
        case "one whole number":
            return single and kind in INTEGERS
        case "a number":
            return kind in FLOATS
        case "a text":
            # A text that was too long or not UTF-8 was not kept and is said elsewhere.
            return single and kind == STRING
        case _:
            return single and kind == BOOL
