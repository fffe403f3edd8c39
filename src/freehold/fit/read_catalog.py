"""A model's blueprint from its row of the catalog alone: no file has been seen.

The cache is exact where the row says enough; the weights are a range by the name of the quantization, or the file's
size where the row has the build; what the row does not say stays unknown.
"""

from __future__ import annotations

from dataclasses import replace

from freehold.catalog.model import CatalogModel, Shape
from freehold.fit.architectures import ARCHITECTURES, Rules
from freehold.fit.blueprint import Blueprint, Layer
from freehold.fit.feed_forward import held

# The catalog names architectures as publishers do; the engine's names where they differ.
_ENGINE_NAMES = {
    "mistral": "llama",
    "mixtral": "llama",
    "olmo3": "olmo2",
    "phi": "phi2",
    "solar-open": "glm4moe",
    "gptbigcode": "starcoder",
}
_STATES = "how large the states of its recurrent layers are is not in the catalog; its header says it"


def blueprint_of_model(model: CatalogModel, quantization: str) -> Blueprint:
    """The blueprint of `model` in `quantization` (as ggml names it, any case)."""
    shape = model.shape
    build = next((each for each in model.builds if each.quantization.lower() == quantization.lower()), None)
    layers = _layers(shape)
    return Blueprint(
        name=model.name,
        architecture=shape.architecture or "",
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
        cannot_say=layers if isinstance(layers, str) else None,
    )


def _layers(shape: Shape) -> tuple[Layer, ...] | str:
    """The layers, or why the row does not tell them."""
    if shape.architecture is None:
        return "the catalog does not say what architecture it has"
    name = _ENGINE_NAMES.get(shape.architecture, shape.architecture)
    rules = ARCHITECTURES.get(name)
    if rules is None:
        return f"how the layers of the architecture {shape.architecture!r} keep what they have read is not known here"
    layers = _kept(shape, rules)
    if isinstance(layers, str):
        return layers
    hidden, routed = shape.hidden or 0, shape.experts_used or 0
    width = held(shape.feed_forward or 0, hidden, gated=rules.gated, routed=routed)
    waiting = hidden if rules.beside else 0
    widened = {layer: replace(layer, feed_forward=width + waiting) for layer in set(layers)}
    return tuple(widened[layer] for layer in layers)


def _kept(shape: Shape, rules: Rules) -> tuple[Layer, ...] | str:
    """What each layer keeps of what it has read."""
    if rules.recurrent != "none":
        return _with_states(shape)
    if shape.layers is None or shape.kv_heads is None or shape.head_size is None or shape.vocabulary is None:
        return "the catalog does not say how many layers, key heads or tokens it has"
    if shape.kv_lora_rank is not None and shape.rope_head_size is not None:
        width = shape.kv_lora_rank + shape.rope_head_size
        latent = Layer("latent", kv_heads=1, key_size=width, heads=shape.heads or 0, query_size=shape.head_size)
        return (latent,) * shape.layers
    value = shape.value_head_size or shape.head_size
    full = Layer("full", shape.kv_heads, shape.head_size, value, heads=shape.heads or 0)
    if rules.full_every is None or not shape.window_tokens:
        return (full,) * shape.layers
    if shape.window_layers is None:
        return "the catalog does not say how many of its layers see a window only"
    windowed = Layer("window", shape.kv_heads, shape.head_size, value, shape.window_tokens, heads=shape.heads or 0)
    return (windowed,) * shape.window_layers + (full,) * (shape.layers - shape.window_layers)


def _with_states(shape: Shape) -> tuple[Layer, ...] | str:
    """The layers of a model with states; those that neither attend nor keep one only have a feed-forward network."""
    stated = (shape.layers, shape.attention_layers, shape.state_layers, shape.state_elements)
    if None in stated or (shape.attention_layers and (shape.kv_heads is None or shape.head_size is None)):
        return _STATES
    layers, attending, keeping, elements = (number or 0 for number in stated)
    heads, size = shape.kv_heads or 0, shape.head_size or 0
    full = Layer("full", heads, size, shape.value_head_size or size, heads=shape.heads or 0)
    neither = max(0, layers - attending - keeping)
    return (Layer("none", state_elements=elements),) * keeping + (Layer("none"),) * neither + (full,) * attending
