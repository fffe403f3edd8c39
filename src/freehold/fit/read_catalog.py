"""A model's blueprint from its row of the catalog alone: no file has been seen.

The cache is exact where the row says enough; the weights are a range by the name of the quantization, or the file's
size where the row has the build; what the row does not say stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from freehold.catalog.model import CatalogModel, Shape
from freehold.fit.architectures import ARCHITECTURES, Rules
from freehold.fit.blueprint import Blueprint, Layer, Recurrence
from freehold.fit.feed_forward import held, waiting
from freehold.fit.recurrence import Carried, carried, carrying
from freehold.fit.stated import Stated

# The catalog names architectures as publishers do; the engine's names where they differ.
_ENGINE_NAMES = {
    "mistral": "llama",
    "mixtral": "llama",
    "internlm3": "llama",
    "olmo3": "olmo2",
    "phi": "phi2",
    "solar-open": "glm4moe",
    "gptbigcode": "starcoder",
}
# What a header would state of a state, and the field of the row that says it.
_STATED = {
    "embedding_length": "hidden",
    "attention.head_count": "heads",
    "ssm.inner_size": "state_inner",
    "ssm.state_size": "state_size",
    "ssm.group_count": "state_groups",
    "ssm.time_step_rank": "state_heads",
    "ssm.conv_kernel": "state_kernel",
    "shortconv.l_cache": "state_kernel",
    "wkv.head_size": "state_size",
    "kda.head_dim": "state_size",
}
_NEEDED: Mapping[Recurrence, tuple[str, ...]] = {
    "ssm": ("state_inner", "state_size", "state_groups", "state_kernel"),
    "delta": ("state_inner", "state_size", "state_groups", "state_kernel"),
    "rwkv": ("hidden", "state_size"),
    "shortconv": ("hidden", "state_kernel"),
    "kda": ("heads", "state_size", "state_kernel"),
}
_STATES = "how large the states of its recurrent layers are is not in the catalog; its header says it"
_SHARED = "which of its layers share keys, and what each is given, is not in the catalog; its header says it"


def blueprint_of_model(model: CatalogModel, quantization: str) -> Blueprint:
    """The blueprint of `model` in `quantization` (as ggml names it, any case)."""
    shape = model.shape
    build = next((each for each in model.builds if each.quantization.lower() == quantization.lower()), None)
    architecture = _ENGINE_NAMES.get(shape.architecture or "", shape.architecture or "")
    layers = _layers(shape, architecture)
    rules, inputs = ARCHITECTURES.get(architecture), (shape.layer_inputs or 0) * (shape.layers or 0)
    return Blueprint(
        name=model.name,
        architecture=architecture,
        layers=() if isinstance(layers, str) else layers,
        hidden=shape.hidden or 0,
        heads=shape.heads or 0,
        vocabulary=shape.vocabulary or 0,
        feed_forward=shape.feed_forward,
        experts=shape.experts or 0,
        experts_used=shape.experts_used or 0,
        trained_tokens=model.context_tokens,
        parameters=model.parameters,
        nominal=model.parameters_nominal,
        active_parameters=model.active_parameters or (model.parameters if shape.experts == 0 else None),
        quantization=quantization,
        file_bytes=build.size_bytes if build else None,
        beside_hidden=inputs if rules is not None and rules.every_layer == "lasting" else 0,
        layer_embeddings=inputs,
        cannot_say=layers if isinstance(layers, str) else None,
    )


def _layers(shape: Shape, architecture: str) -> tuple[Layer, ...] | str:
    """The layers, or why the row does not tell them."""
    if shape.architecture is None:
        return "the catalog does not say what architecture it has"
    rules = ARCHITECTURES.get(architecture)
    if rules is None:
        return f"how the layers of the architecture {shape.architecture!r} keep what they have read is not known here"
    layers = _with_states(shape, rules) if rules.recurrent != "none" else _attending(shape, rules)
    if isinstance(layers, str):
        return layers
    hidden, routed = shape.hidden or 0, shape.experts_used or 0
    width = held(shape.feed_forward or 0, hidden, gated=rules.gated, routed=routed)
    width += waiting(rules, hidden, len(layers), shape.layer_inputs or 0)
    widened = {layer: replace(layer, feed_forward=width) for layer in set(layers)}
    return tuple(widened[layer] for layer in layers)


def _attending(shape: Shape, rules: Rules) -> tuple[Layer, ...] | str:
    """The layers of a model that attends in all of them."""
    if shape.layers is None or shape.kv_heads is None or shape.head_size is None or shape.vocabulary is None:
        return "the catalog does not say how many layers, key heads or tokens it has"
    full = _attention(shape)
    if full.attention == "latent" or rules.full_every is None or not shape.window_tokens:
        return (full,) * shape.layers
    if shape.window_layers is None:
        return "the catalog does not say how many of its layers see a window only"
    if rules.shared_from is not None and None in (shape.shared_layers, shape.shared_window_layers, shape.layer_inputs):
        return _SHARED
    shared, windows = shape.shared_layers or 0, shape.shared_window_layers or 0
    return (
        *_sharing(_windowed(full, shape), shape.window_layers, windows),
        *_sharing(full, shape.layers - shape.window_layers, shared - windows),
    )


def _attention(shape: Shape) -> Layer:
    """A layer that sees everything."""
    heads, size = shape.heads or 0, shape.head_size or 0
    if shape.kv_lora_rank is not None and shape.rope_head_size is not None:
        width = shape.kv_lora_rank + shape.rope_head_size
        return Layer("latent", kv_heads=1, key_size=width, heads=heads, query_size=size)
    return Layer("full", shape.kv_heads or 0, size, shape.value_head_size or size, heads=heads)


def _windowed(full: Layer, shape: Shape) -> Layer:
    return replace(
        full,
        attention="window",
        kv_heads=shape.window_kv_heads or full.kv_heads,
        key_size=shape.window_head_size or full.key_size,
        value_size=shape.window_head_size or full.value_size,
        window_tokens=shape.window_tokens or 0,
    )


def _sharing(layer: Layer, count: int, shared: int) -> tuple[Layer, ...]:
    """So many such layers, of which the last `shared` have no cache of their own."""
    return (layer,) * (count - shared) + (replace(layer, cached=False),) * shared


def _with_states(shape: Shape, rules: Rules) -> tuple[Layer, ...] | str:
    """The layers of a model with states; those that neither attend nor carry one only have a feed-forward network."""
    stated = (shape.layers, shape.attention_layers, shape.state_layers)
    state = _state(shape, rules.state)
    if None in stated or state is None or (shape.attention_layers and None in (shape.kv_heads, shape.head_size)):
        return _STATES
    layers, attending, keeping = (number or 0 for number in stated)
    full = _attention(shape)
    if rules.both:
        return (carrying(full, state),) * layers
    neither = max(0, layers - attending - keeping)
    return (carrying(Layer("none"), state),) * keeping + (Layer("none"),) * neither + (full,) * attending


def _state(shape: Shape, kind: Recurrence) -> Carried | None:
    """What a layer of `shape` carries; None where the row does not say enough."""
    if any(getattr(shape, name) is None for name in _NEEDED.get(kind, ())):
        return None
    numbers = {key: getattr(shape, name) for key, name in _STATED.items()}
    return carried(kind, Stated({key: (number,) for key, number in numbers.items() if number is not None}))
