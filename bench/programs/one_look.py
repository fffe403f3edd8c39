"""`one_look.py hash|verify|header PATH`: one look at one file in a process of its own; prints seconds and peak memory.

The time begins when everything is imported, and the file's bytes are in the page cache before it does: what is
measured is the work on them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from freehold.python.verifying import sha256_of
from freehold.weights.verify import verify

what, path = sys.argv[1], Path(sys.argv[2])
if what != "header":
    sha256_of(path)
started = time.perf_counter()
if what == "hash":
    sha256_of(path)
else:
    verify([path], hash=sha256_of if what == "verify" else None)
seconds = time.perf_counter() - started
status = Path("/proc/self/status").read_text()
peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "peak MB": peak_kb / 1000}))
