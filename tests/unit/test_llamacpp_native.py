"""The engine's C interface is read as the pinned release lays it out, and no other release is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata

import pytest

from freehold.engines.llamacpp import native
from tests.docs.blocks import ROOT


def test_the_structures_are_those_of_the_release_that_is_pinned() -> None:
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"xllamacpp=={native.RELEASE}" in pinned


def test_another_release_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: "2031.1.1")
    with pytest.raises(native.OtherReleaseError, match=r"xllamacpp is 2031\.1\.1"):
        native.library(print)


@pytest.mark.engine
def test_defaults_that_stand_elsewhere_are_refused() -> None:
    script = (
        "from freehold.engines.llamacpp import native\n"
        "native._CONTEXT_DEFAULTS['n_ubatch'] = 513\n"
        "native.library(print)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "OtherReleaseError" in done.stderr and "n_ubatch is 512" in done.stderr


@pytest.mark.engine
def test_tensor_types_are_read_where_the_release_has_them() -> None:
    """In a process of its own, as everything that loads the library."""
    script = (
        "from freehold.engines.llamacpp.native import library\n"
        "traits = library(print).ggml_get_type_traits(3).contents\n"
        "print(traits.type_name.decode(), traits.block_elements, traits.block_bytes, traits.is_quantized)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # gguf-py, GGML_QUANT_SIZES: Q4_1 is type 3, 32 weights in 2 + 2 + 16 bytes.
    assert done.stdout == "q4_1 32 20 True\n"
