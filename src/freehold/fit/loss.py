"""How much of a model its quantization is expected to lose: a range from published measurements, never a point.

The figure is the mean Kullback-Leibler divergence from the 16-bit model in nats a token, 0 where nothing is lost. Every
type was measured on one reference model; what others measured on further models says how far the reference may be off
for a model of that size, and widens the range by exactly that much (`loss.toml`). It is no measurement of the build at
hand: layouts by the same name differ between their makers, and answers differ by more or less than tokens do.
"""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from freehold.core.quantity import Estimated, Quantity, Unknown, at_least, at_most

SMALL_PARAMETERS = 3_000_000_000
"""Below it, measured losses are several times those of the reference, which has 8 billion."""
WHOLE = frozenset({"f32", "bf16", "f16"})
NEGLIGIBLE_NATS = 0.006
"""That of Q6_K on Llama 3 8B, where 96 of 100 first choices stay what they were (llama.cpp, tools/perplexity)."""
_WORDS = ((NEGLIGIBLE_NATS, "negligible"), (0.05, "small"), (0.15, "noticeable"), (math.inf, "large"))
"""On that model mixes of 4 bits lose up to 0.05, and of 3 bits up to about 0.15 (`loss.toml`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures were read, and of which day or month they are."""

    text: str
    url: str
    date: str


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """What somebody measured of one model: by the type, the lowest and the highest divergence."""

    name: str
    parameters: int
    source: Source
    divergence: Mapping[str, tuple[float, float]]
    reference: bool = False


@functools.cache
def measured_models() -> tuple[MeasuredModel, ...]:
    """Every row of `loss.toml`; one of them is the reference."""
    data = tomllib.loads(resources.files("freehold.fit").joinpath("loss.toml").read_text(encoding="utf-8"))
    sources = {key: Source(**row) for key, row in data["sources"].items()}
    return tuple(
        MeasuredModel(
            name=name,
            parameters=row["parameters"],
            source=sources[row["source"]],
            divergence={each: (low, high) for each, (low, high) in row["divergence"].items()},
            reference=row.get("reference", False),
        )
        for name, row in data["models"].items()
    )


def expected_loss(quantization: str | None, parameters: int | None) -> Quantity:
    """Nats a token that weights of this type are expected to lose, on a model of `parameters`; None is unknown.

    A model of unknown size may be small, so that all measurements count.
    """
    if quantization is None:
        return Unknown("the file does not name its quantization")
    name = quantization.lower()
    reference = next(model for model in measured_models() if model.reference)
    if name in WHOLE:
        low, high = reference.divergence["f16"]
        return Estimated(
            0.0, high, f"16 bits or more: {high} is what the method itself shows ({_cited([reference])})", 0.0
        )
    if name not in reference.divergence:
        return Unknown(f"nobody has published a measurement of {quantization} that is known here")
    low, high = reference.divergence[name]
    others = _speaking_for(name, parameters)
    ratios = [1.0, *(ratio for model, types in others for ratio in _ratios(model, reference, types))]
    basis = f"{name} on {_cited([reference, *(model for model, _ in others)])}"
    return Estimated(low * min(ratios), high * max(ratios), basis, (low + high) / 2)


def loss_after(before: Quantity, own: Quantity) -> Quantity:
    """What a build has lost that lost `own` when it was made from one that had lost `before`: no less than either, and
    no more than both in a row. The root of a small divergence is a distance (it is Fisher's, halved and squared, up to
    higher terms), so roots add up at most."""
    low, low_own, high, high_own = at_least(before), at_least(own), at_most(before), at_most(own)
    if low is None or high is None:
        return before
    if low_own is None or high_own is None:
        return own
    most = (math.sqrt(high) + math.sqrt(high_own)) ** 2
    return Estimated(max(low, low_own), most, "what it was made from had lost, and what was lost then")


def in_words(loss: Quantity) -> str:
    """How large a loss is: of a range the words for both of its ends, since it may be either."""
    low, high = at_least(loss), at_most(loss)
    if low is None or high is None:
        return "unknown"
    first, last = (next(word for most, word in _WORDS if end <= most) for end in (low, high))
    words = first if first == last else f"{first} to {last}"
    return f"{words} (estimate)" if isinstance(loss, Estimated) else words


def _speaking_for(name: str, parameters: int | None) -> list[tuple[MeasuredModel, list[str]]]:
    """The other models of such a size, and the types of theirs that tell: those of as many bits, or all of them where
    nobody has measured that on such a model."""
    sized = [model for model in measured_models() if not model.reference and _is_alike(model, parameters)]
    near = [(model, [each for each in model.divergence if _bits(each) == _bits(name)]) for model in sized]
    return [(model, types) for model, types in near if types] or [(model, list(model.divergence)) for model in sized]


def _is_alike(model: MeasuredModel, parameters: int | None) -> bool:
    return parameters is None or (model.parameters < SMALL_PARAMETERS) == (parameters < SMALL_PARAMETERS)


def _ratios(model: MeasuredModel, reference: MeasuredModel, types: Iterable[str]) -> Iterable[float]:
    """How the losses of `types` compare with those of the reference, at the lowest and at the highest."""
    for each in types:
        low, high = model.divergence[each]
        lowest, highest = reference.divergence[each]
        yield from (low / highest, high / lowest)


def _bits(name: str) -> int:
    """The number in the name of a type: 4 of `q4_k_m`, of `iq4_xs` and of `q4_0`."""
    found = re.search(r"\d+", name)
    return int(found[0]) if found else 0


def _cited(models: Iterable[MeasuredModel]) -> str:
    return "; ".join(f"{model.name} ({model.source.text}, {model.source.date})" for model in models)
