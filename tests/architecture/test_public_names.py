"""What `import freehold` offers, and what it costs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import freehold

ROOT = Path(__file__).resolve().parents[2]


def test_the_public_names_are_these_and_each_is_there() -> None:
    assert freehold.__all__ == [
        "Answer",
        "AsyncModel",
        "AsyncStream",
        "Delta",
        "Embeddings",
        "HeldBuild",
        "Model",
        "Settings",
        "Store",
        "Stream",
        "ToolCall",
        "Usage",
        "__version__",
        "builds",
        "errors",
        "open",
        "open_async",
        "pull",
        "pull_async",
    ]
    missing = [name for name in freehold.__all__ if not hasattr(freehold, name)]
    assert missing == []
    assert set(freehold.__all__) <= set(dir(freehold))
    assert not hasattr(freehold, "nothing")


def test_importing_loads_nothing_but_the_package_itself() -> None:
    script = (
        "import sys; before = set(sys.modules); import freehold; "
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(loaded - {'freehold'} - sys.stdlib_module_names), 'freehold.core' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_the_synchronous_api_is_what_the_generator_writes() -> None:
    twin = runpy.run_path(str(ROOT / "tools" / "sync_twin.py"), run_name="sync_twin")
    written = (ROOT / "src" / "freehold" / "python" / "sync.py").read_text(encoding="utf-8")
    assert written == twin["generated"](), "run: python tools/sync_twin.py"


def test_every_public_call_of_the_asynchronous_model_has_its_twin() -> None:
    def public(thing: type) -> set[str]:
        return {name for name in vars(thing) if not name.startswith("_")}

    assert public(freehold.AsyncModel) == public(freehold.Model)
    assert public(freehold.AsyncStream) == public(freehold.Stream)
    assert len(public(freehold.Model)) >= 11
