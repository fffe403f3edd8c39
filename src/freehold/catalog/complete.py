"""What is still missing from a model's row before it can be reckoned with in full: sizes, license, publication.

For the tests that count complete rows, and for whoever adds one. A recurrent or otherwise different architecture, to
which numbers of attention do not apply, is never complete: what does not apply cannot be told from what nobody read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from freehold.catalog.licenses.record import License
from freehold.catalog.model import CatalogModel

_ALWAYS = ("layers", "hidden", "heads", "kv_heads", "head_size", "window_tokens", "experts", "vocabulary")


def missing(model: CatalogModel, licenses: Callable[[str], License | None]) -> tuple[str, ...]:
    """The fields that `model` lacks: those of memory and speed, a read license, its bases, and every component."""
    return tuple(_missing(model, licenses))


def _missing(model: CatalogModel, licenses: Callable[[str], License | None]) -> Iterator[str]:
    if model.parameters is None:
        yield "parameters"
    if model.context_tokens is None:
        yield "context_tokens"
    if model.base_models is None:
        yield "base_models"
    yield from (f"shape.{name}" for name in _needed(model) if getattr(model.shape, name) is None)
    if licenses(model.license) is None:
        yield "license"
    yield from (f"published.{name}" for name, each in model.published.items() if each.state == "unknown")


def _needed(model: CatalogModel) -> Iterator[str]:
    """The numbers that a model of this shape has."""
    yield from _ALWAYS
    shape = model.shape
    if shape.experts:
        yield "experts_used"
    if shape.window_tokens:
        yield "window_layers"
    if shape.kv_lora_rank:
        yield "rope_head_size"
