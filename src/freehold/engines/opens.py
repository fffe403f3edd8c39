"""Whether any engine of this house is known to open a build: said before it is downloaded, and before it is served."""

from __future__ import annotations

from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.errors import NoEngineError
from freehold.engines.llamacpp.architectures import refused

HINT = (
    "Another release of Freehold may bring an engine that does; `freehold fit ./model.gguf --ask-engine` asks the one "
    "that is here about a file."
)


def no_engine(facts: WeightFacts) -> str | None:
    """Why no engine here is known to run such weights; None where one is, or nobody can tell. What openvino reads of
    GGUF files are architectures that llama.cpp knows too."""
    if facts.format != "gguf":
        return None
    reason = refused(facts.architecture)
    return None if reason is None else f"no engine here is known to run it: {reason}"


def require_engine(build: HeldBuild) -> None:
    """Raises NoEngineError where no engine here is known to run `build`."""
    reason = no_engine(build.facts)
    if reason is not None:
        raise NoEngineError(f"{build.name} cannot be run: {reason}.", hint=HINT, build=build.name)
