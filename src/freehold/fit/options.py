"""Which builds of a model there are to plan for: those at hand, those the catalog names, and those hubs commonly offer.

What a hub offers is not looked up: the row of a quantization says what a build of it would need, as far as the model's
shape tells, and is marked as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freehold.catalog.model import CatalogModel
from freehold.core.quantity import Measured, Quantity
from freehold.fit.blueprint import Blueprint
from freehold.fit.loss import expected_loss
from freehold.fit.read_catalog import blueprint_of_model

if TYPE_CHECKING:
    from freehold.weights.gguf import Outline

Origin = Literal["held", "catalog", "offered", "given"]
"""`held` in the store; `catalog`: it can be pulled by name; `offered`: hubs commonly have one; `given`: the file or the
source that was asked about."""

OFFERED = ("BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS")
"""From the largest to the smallest, as repositories of GGUF files have them."""
NATIVE = {"gpt-oss": ("MXFP4",)}
"""Architectures whose publisher quantized them: hubs offer what was published."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a build was measured to be from the weights of the build called `of`, whose digest is `digest`, in 32
    bits: the mean divergence in nats a token, its low and high one standard error away. `whole`: those weights were not
    quantized themselves, so that this is all that the build has lost."""

    nats: Measured
    of: str
    digest: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One build that a model could be run from. `tag` is what it is called after the colon.

    `outline` is its header, None where none was read; `digest` that of a held build, and `distance` what was measured
    of it here. `made_here`: it was made from another build, and is none that could be had elsewhere. `refused` is why
    the engine does not load it, where it was asked and says so."""

    tag: str
    origin: Origin
    blueprint: Blueprint
    loss: Quantity
    outline: Outline | None = None
    digest: str | None = None
    distance: Distance | None = None
    made_here: bool = False
    refused: str | None = None


def option(tag: str, origin: Origin, blueprint: Blueprint, outline: Outline | None = None) -> Option:
    """An option with the loss that others' measurements let expect."""
    return Option(tag, origin, blueprint, expected_loss(blueprint.quantization, blueprint.parameters), outline)


def catalog_options(model: CatalogModel) -> list[Option]:
    """The builds that the catalog names."""
    return [option(build.tag, "catalog", blueprint_of_model(model, build.quantization)) for build in model.builds]


def offered_options(model: CatalogModel) -> list[Option]:
    """The quantizations that hubs commonly offer of such a model; none of a model whose weights are withheld."""
    if model.weights == "withheld":
        return []
    offered = NATIVE.get(model.shape.architecture or "", OFFERED)
    return [option(name.lower(), "offered", blueprint_of_model(model, name)) for name in offered]
