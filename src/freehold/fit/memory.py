"""How much memory a build needs to be run so and so, part by part, each with what it rests on.

Weights and caches are exact: they follow from the file and the settings. Compute buffers are fitted to the engine's
own figures and said to be estimates. An architecture that is not known, or a run that the engine would refuse, gives no
figure but that of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freehold.core.quantity import Estimated, Exact, Quantity, Unknown, total
from freehold.fit.blueprint import Blueprint, RunShape
from freehold.fit.cache import cache_bytes, state_bytes
from freehold.fit.compute import compute_bytes, output_bytes
from freehold.fit.overhead import mapped_twice_bytes, process_bytes
from freehold.fit.refused import refused, uncounted
from freehold.fit.weights import weights_bytes

COMPUTE_SLACK_BYTES, COMPUTE_SLACK = 8 << 20, 0.01
"""How far the fitted compute buffer may be from the engine's: so many bytes, or so large a part of it."""

SCORES_SLACK_BYTES, SCORES_SLACK = 24 << 20, 0.05
"""The same without flash attention, where the tensors around the scores lie in more ways than were fitted."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of each part. `state_bytes` are of recurrent layers, `process_bytes` what the worker takes beside the
    build: its program, its libraries, its tables, what it keeps of every slot. `embedding_copy_bytes` is the table that
    is embedding and output at once, where the host and an accelerator each have one. `mapped_twice_bytes` are no part
    of what must be there."""

    weights_bytes: Quantity
    kv_cache_bytes: Quantity
    state_bytes: Quantity
    compute_bytes: Quantity
    output_bytes: Quantity
    adapters_bytes: Quantity
    projector_bytes: Quantity
    process_bytes: Quantity
    mapped_twice_bytes: Quantity
    embedding_copy_bytes: Quantity

    @property
    def parts(self) -> tuple[Quantity, ...]:
        return (
            *(self.weights_bytes, self.kv_cache_bytes, self.state_bytes, self.compute_bytes),
            *(self.output_bytes, self.adapters_bytes, self.projector_bytes, self.process_bytes),
            self.embedding_copy_bytes,
        )

    @property
    def total_bytes(self) -> Quantity:
        """What must be there."""
        return total(self.parts)

    def lying_in(self, places: int, embedding_copy: Quantity) -> MemoryNeed:
        """The same where so many places compute: each has a compute buffer of its own."""
        compute = total((self.compute_bytes,) * places) if places > 1 else self.compute_bytes
        return replace(self, compute_bytes=compute, embedding_copy_bytes=embedding_copy)

    @property
    def peak_bytes(self) -> Quantity:
        """What the process shows at its peak, on a processor with memory to spare: pages of the file that the kernel
        could have back are counted."""
        return total((*self.parts, self.mapped_twice_bytes))


def need(blueprint: Blueprint, run: RunShape) -> MemoryNeed:
    """What `blueprint` needs to be run as `run` says."""
    reason = blueprint.cannot_say or uncounted(run) or refused(blueprint, run)
    unknown = Unknown(reason) if reason else None
    return MemoryNeed(
        weights_bytes=weights_bytes(blueprint),
        kv_cache_bytes=unknown or Exact(cache_bytes(blueprint, run)),
        state_bytes=unknown or Exact(state_bytes(blueprint, run)),
        compute_bytes=unknown or _compute(blueprint, run),
        output_bytes=unknown or _output(blueprint, run),
        adapters_bytes=Exact(run.adapters_bytes),
        projector_bytes=Exact(run.projector_bytes),
        process_bytes=process_bytes(blueprint, run),
        mapped_twice_bytes=mapped_twice_bytes(blueprint),
        embedding_copy_bytes=Exact(0),
    )


def _compute(blueprint: Blueprint, run: RunShape) -> Quantity:
    value = compute_bytes(blueprint, run)
    bytes_, part = (COMPUTE_SLACK_BYTES, COMPUTE_SLACK) if run.flash_attention else (SCORES_SLACK_BYTES, SCORES_SLACK)
    slack = max(bytes_, value * part)
    return Estimated(max(0.0, value - slack), value + slack, "fitted to the engine's own buffers", value)


def _output(blueprint: Blueprint, run: RunShape) -> Quantity:
    """The engine begins with one token of every slot; once embeddings are asked for, every token of a batch has one."""
    first = output_bytes(blueprint, run.slots)
    batch = output_bytes(blueprint, max(run.slots, min(run.batch_tokens, run.context_tokens)))
    return Estimated(
        first, batch, "one token of every slot at first, a whole batch where embeddings are asked for", batch
    )
