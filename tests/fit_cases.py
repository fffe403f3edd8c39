"""Hand-made blueprints, machines and speeds for the tests of what fits, in round sizes: sums can be done by head."""

from __future__ import annotations

from collections.abc import Mapping

from freehold.core.quantity import Estimated, Exact, Quantity, Unknown
from freehold.fit.blueprint import Blueprint, BuildTensor, Layer, RunShape
from freehold.fit.options import Option, Origin
from freehold.fit.placement import Placement
from freehold.fit.plan import Speedometer
from freehold.fit.speed import Speeds
from freehold.hardware.rig import Place, Rig

GB = 10**9
NOBODY = Unknown("nobody has measured it")


def blueprint(weights_gb: float, *, quantization: str = "Q4_K_M", layers: int = 4, cannot_say: str = "") -> Blueprint:
    """A model whose weights lie evenly in its layers, with a cache of 8 kB a token in all of them together."""
    each = int(weights_gb * GB / layers)
    tensors = tuple(BuildTensor(f"blk.{n}.w", "Q4_K", (1, 1), each, "dense", n) for n in range(layers))
    return Blueprint(
        name="model",
        architecture="llama",
        layers=() if cannot_say else (Layer("full", 4, 125, 125, heads=4),) * layers,
        hidden=500,
        heads=4,
        vocabulary=1000,
        feed_forward=1000,
        trained_tokens=32_768,
        parameters=8 * GB,
        active_parameters=8 * GB,
        quantization=quantization,
        tensors=tensors,
        cannot_say=cannot_say or None,
    )


def option(
    tag: str, weights_gb: float, loss: float | None, *, origin: Origin = "offered", cannot_say: str = ""
) -> Option:
    """A build of that many gigabytes that is expected to lose `loss` nats a token, give or take a half."""
    expected: Quantity = NOBODY if loss is None else Estimated(loss / 2, loss * 2, "made up", loss)
    return Option(tag, origin, blueprint(weights_gb, quantization=tag.upper(), cannot_say=cannot_say), expected)


def host(gigabytes: float) -> Rig:
    """A machine with so much memory free and no accelerator."""
    size = int(gigabytes * GB)
    return Rig("the machine", (Place("host", "host", size, size, NOBODY),), 8, here=False)


def fast(by_tag: Mapping[str, Quantity]) -> Speedometer:
    """Generation of so many tokens a second by the build's quantization; unknown for those that are not named."""

    def measure(build: Blueprint, run: RunShape, placement: Placement) -> Speeds:
        found = by_tag.get((build.quantization or "").lower(), NOBODY)
        return Speeds(found, Exact(1000.0) if found is not NOBODY else NOBODY)

    return measure


def between(low: float, high: float) -> Estimated:
    return Estimated(low, high, "made up")
