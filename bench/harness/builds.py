"""Two real models, each as it is published and with its weights in other types, made once and kept."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from bench.harness import arms
from freehold.core.builds import HeldBuild
from freehold.core.refs import parse
from freehold.store.store import Store
from freehold.weights.gguf import read_facts

MODELS = ("smollm2-135m-instruct", "gemma-3-270m")


def build(model: str, kind: str) -> HeldBuild:
    """`model` as an engine is given it. Its digest is none: nothing is kept under it."""
    file = build_file(model, kind)
    return HeldBuild(f"{model}:{kind}", model, "sha256:0", (file,), file.stat().st_size, read_facts(file))


def build_file(model: str, kind: str) -> Path:
    """The file of `model` as it is published ("own") or in another type."""
    own = _published(model)
    if kind == "own":
        return own
    path = arms.cache() / f"{model}.{kind}.gguf"
    if not path.exists():
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, "-m", "bench.programs.retype", str(own), kind, str(part)], check=True)
        part.replace(path)
    return path


@functools.cache
def _published(model: str) -> Path:
    environment = {**os.environ, "FREEHOLD_HOME": str(arms.home())}
    command = [str(arms.freehold_command()), "pull", model, "--quiet"]
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
    (own,) = Store(arms.home()).find(parse(model)).files
    return own
