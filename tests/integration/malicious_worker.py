"""A worker with a dependency gone bad: locked like any other, it imports it, lets it try, and serves as the fake
does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from freehold.engines.fake import worker
from freehold.engines.inside import Orders, run

sys.path.insert(0, str(Path(__file__).parent))


def serve(orders: Orders) -> None:
    from malicious import everything  # type: ignore[import-not-found]  # found beside this file

    target = json.loads(Path(orders.config["target"]).read_text())
    sys.stderr.write(f"malicious: {json.dumps(everything(target))}\n")
    sys.stderr.flush()
    worker.serve(orders)


if __name__ == "__main__":
    run(serve)
