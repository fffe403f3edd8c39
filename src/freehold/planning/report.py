"""Plans as data for programs and pages, under stable keys; every figure says what it rests on (`quantity.as_json`).

Bytes are bytes, rates tokens a second, losses nats a token. null is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freehold.core.quantity import Estimated, Exact, Quantity, Unknown, as_json
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import layer_cache_bytes
from freehold.fit.largest import largest_context
from freehold.fit.options import Distance
from freehold.fit.plan import BuildPlan
from freehold.hardware.measured_speeds import MeasuredSpeed, nearest
from freehold.hardware.rig import Place, Rig

PARTS = (
    *("weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes"),
    *("adapters_bytes", "projector_bytes", "process_bytes", "embedding_copy_bytes", "total_bytes"),
)


def rig_json(rig: Rig) -> dict[str, Any]:
    """The machine that was planned for."""
    return {
        "name": rig.name,
        "here": rig.here,
        "cores": rig.cores,
        "fingerprint": rig.fingerprint,
        "places": [_place(place) for place in rig.places],
        "notes": list(rig.notes),
    }


def run_json(run: RunShape) -> dict[str, Any]:
    """How a build was planned to be run."""
    return {
        "context_tokens": run.context_tokens,
        "slots": run.slots,
        "batch_tokens": run.batch_tokens,
        "cache_type_k": run.cache_type_k,
        "cache_type_v": run.cache_type_v,
    }


def build_json(build: BuildPlan, rig: Rig, measured: Sequence[MeasuredSpeed] = ()) -> dict[str, Any]:
    """One build on `rig`, which it was planned for. `compute_bytes` are those of all `computing_places` together, and
    the bytes of `places`, each at the high end, add up to the high end of `total_bytes`. `measured` is how fast it ran
    there, in any way; the nearest to the planned one is named beside all of them."""
    alike = [row for row in measured if not _has_other_cache(row, build.run)]
    near = nearest(alike, used_tokens=build.run.context_tokens // 2, concurrency=build.run.slots)
    placed = build.placement
    need = {name: as_json(getattr(placed.need, name)) for name in PARTS}
    return {
        "tag": build.tag,
        "origin": build.origin,
        "quantization": build.blueprint.quantization,
        "architecture": build.blueprint.architecture or None,
        "parameters": build.blueprint.parameters,
        "trained_tokens": build.blueprint.trained_tokens,
        "fits": placed.fits,
        "why_not": placed.why_not,
        "run": run_json(build.run),
        **need,
        "cache_by_attention": cache_by_attention(build.blueprint, build.run),
        "places": [
            {"place": each.place.name, "first_layer": each.first_layer, "layers": each.layers, "bytes": each.bytes}
            for each in placed.shares
        ],
        "computing_places": placed.computing,
        "layers": len(build.blueprint.layers) or None,
        "offloaded_layers": placed.offloaded_layers,
        "host_expert_layers": placed.host_experts,
        "largest_context_tokens": as_json(_largest(build, rig)),
        "generation_tokens_per_s": as_json(build.speeds.generation_tokens_per_s),
        "prompt_tokens_per_s": as_json(build.speeds.prompt_tokens_per_s),
        "loss_nats_per_token": as_json(build.loss),
        "measured_nearest": None if near is None else _speed_json(near),
        "measured_speeds": [_speed_json(each) for each in measured],
        "measured_distance": None if build.distance is None else _distance_json(build.distance),
    }


def _has_other_cache(row: MeasuredSpeed, run: RunShape) -> bool:
    said = [each for each in row.way.settings if each.startswith("cache=")]
    return bool(said) and said != [f"cache={run.cache_type_k}"]


def _speed_json(row: MeasuredSpeed) -> dict[str, Any]:
    found = {"generation_tokens_per_s": row.generation_tokens_per_s, "prompt_tokens_per_s": row.prompt_tokens_per_s}
    return {
        "used_tokens": row.way.used_tokens,
        "concurrency": row.way.concurrency,
        "settings": list(row.way.settings),
        **{name: None if each is None else as_json(each) for name, each in found.items()},
    }


def _distance_json(distance: Distance) -> dict[str, Any]:
    return {"from": distance.of, "nats_per_token": as_json(distance.nats)}


def cache_by_attention(blueprint: Blueprint, run: RunShape) -> list[dict[str, Any]]:
    """The cache of each kind of layer: how many there are, the window they see (0: everything), and their bytes."""
    kinds: dict[tuple[str, int], list[int]] = {}
    for layer in blueprint.layers:
        if layer.attention != "none" and layer.cached:
            size_bytes = layer_cache_bytes(blueprint, layer, run)
            kinds.setdefault((layer.attention, layer.window_tokens), []).append(size_bytes)
    return [
        {"attention": kind, "window_tokens": window, "layers": len(sizes), "kv_cache_bytes": as_json(Exact(sum(sizes)))}
        for (kind, window), sizes in kinds.items()
    ]


def _largest(build: BuildPlan, rig: Rig) -> Quantity:
    """The longest context of each slot that leaves no more layers with the host than the planned one."""
    offloaded = build.placement.offloaded_layers
    sure = largest_context(build.blueprint, build.run, rig, offloaded=offloaded)
    possible = largest_context(build.blueprint, build.run, rig, offloaded=offloaded, sure=False)
    if sure is None or possible is None:
        return Unknown(build.placement.why_not or "its layers are not known")
    if sure == possible:
        return Exact(sure)
    return Estimated(sure, possible, "the least and the most that its parts may take", sure)


def _place(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "kind": place.kind,
        "device": place.device,
        "memory_bytes": place.memory_bytes,
        "usable_bytes": place.usable_bytes,
        "bandwidth_bytes_per_s": as_json(place.bandwidth),
    }
