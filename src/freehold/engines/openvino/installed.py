"""Whether openvino-genai is installed, told without importing it: importing starts threads and its telemetry."""

from __future__ import annotations

from importlib import metadata, util

from freehold.core.errors import WorkerStartError

PACKAGE, MODULE = "openvino-genai", "openvino_genai"


def version() -> str | None:
    """The release that is installed, or None."""
    if util.find_spec(MODULE) is None:
        return None
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "of unknown release"


def require(build: str) -> str:
    """The release that is installed. Raises WorkerStartError where there is none."""
    found = version()
    if found is None:
        raise WorkerStartError(
            build,
            "its engine is to be OpenVINO, which is not installed.",
            hint="pip install 'freehold[openvino]', or leave `engine` out of freehold.toml: llama.cpp runs it.",
        )
    return found
